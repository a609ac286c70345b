/* Cells of equal settings, and which of them is the fastest. */
#include "analyse/analyse.h"

#include "core/array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUADRATURE = 400, CONTENDERS_MAX = 50 };

bool sm_is_files(const sm_measured *trial)
{
    return strcmp(trial->format, "files") == 0;
}

/* Cold says the most about storage, warm the least. */
static int cache_rank(const sm_measured *t)
{
    static const char *const ranks[] = {"cold", "direct", "unknown", "warm"};
    for (int i = 0; i < 4; i++)
        if (strcmp(t->cache, ranks[i]) == 0) return i;
    return 2;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_condition(const sm_measured *a, const sm_measured *b)
{
    int differ = cache_rank(a) - cache_rank(b);
    if (differ == 0) differ = strcmp(a->cache, b->cache);
    if (differ == 0) differ = (int)a->decode - (int)b->decode;
    if (differ == 0) differ = (a->step_ms > b->step_ms) - (a->step_ms < b->step_ms);
    return differ;
}

/* Files before shards, then by name. */
static int by_setting(const sm_measured *a, const sm_measured *b)
{
    int differ = by_condition(a, b);
    if (differ == 0) differ = (int)sm_is_files(b) - (int)sm_is_files(a);
    if (differ == 0) differ = strcmp(a->format, b->format);
    if (differ == 0) differ = strcmp(a->source, b->source);
    if (differ == 0) differ = strcmp(a->order, b->order);
    if (differ == 0) differ = compare_u64(a->read_size, b->read_size);
    if (differ == 0) differ = compare_u64(a->readers, b->readers);
    if (differ == 0) differ = compare_u64(a->batch_size, b->batch_size);
    if (differ == 0) differ = compare_u64(a->batches, b->batches);
    return differ;
}

static int by_setting_and_line(const void *x, const void *y)
{
    const sm_measured *a = *(const sm_measured *const *)x, *b = *(const sm_measured *const *)y;
    int differ = by_setting(a, b);
    if (differ == 0) differ = compare_u64(a->file, b->file);
    return differ != 0 ? differ : compare_u64(a->line, b->line);
}

bool sm_same_condition(const sm_measured *a, const sm_measured *b)
{
    return by_condition(a, b) == 0;
}

/* ---- Cells */

static double mean_of(const sm_analysis *a, const sm_cell *cell, size_t offset)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < cell->count; i++) {
        const char *trial = (const char *)a->order[cell->begin + i];
        double value;
        memcpy(&value, trial + offset, sizeof value);
        if (isnan(value)) continue;
        sum += value;
        n++;
    }
    return n == 0 ? NAN : sum / (double)n;
}

static void summarize_cell(const sm_analysis *a, sm_cell *cell, double *work)
{
    double seconds = 0, cpu = 0, stall = 0, longest = NAN;
    for (size_t i = 0; i < cell->count; i++) {
        const sm_measured *t = a->order[cell->begin + i];
        work[i] = sm_measured_rate(t);
        seconds += t->seconds;
        cpu += t->cpu_user_s + t->cpu_system_s;
        stall += t->stall_s;
        longest = fmax(longest, t->latency_max); /* passes over not-a-number */
    }
    cell->rate = sm_summarize(work, cell->count, 0.95);
    for (size_t i = 0; i < cell->count; i++)
        work[i] = sm_measured_bandwidth(a->order[cell->begin + i]);
    cell->bandwidth = sm_summarize(work, cell->count, 0.95);
    cell->p50 = mean_of(a, cell, offsetof(sm_measured, latency_p50));
    cell->p95 = mean_of(a, cell, offsetof(sm_measured, latency_p95));
    cell->p99 = mean_of(a, cell, offsetof(sm_measured, latency_p99));
    cell->max = longest;
    cell->cpu = cpu / seconds;
    cell->stall = stall / seconds;
    cell->first_batch_s = mean_of(a, cell, offsetof(sm_measured, first_batch_s));
    cell->p_best = NAN;
}

static sm_status make_cells(sm_analysis *a)
{
    size_t cap = 0;
    double *work = calloc(a->used + 1, sizeof *work);
    if (work == NULL) return sm_fail_memory(a->used * sizeof *work);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < a->used;) {
        status = sm_array_grow(&a->cells, &cap, a->cell_count, sizeof *a->cells);
        if (status != SM_OK) break;
        sm_cell *cell = &a->cells[a->cell_count++];
        *cell = (sm_cell){.first = a->order[i], .begin = i};
        while (i < a->used && by_setting(a->order[i], cell->first) == 0) i++;
        cell->count = i - cell->begin;
        summarize_cell(a, cell, work);
    }
    free(work);
    return status;
}

/* ---- The best */

/* Log rates are compared: their spread is about the same in fast and slow cells, and so can be
 * pooled, which three repeats a cell need. */
typedef struct contender {
    size_t cell;
    double mean;  /* of log rate */
    double error; /* of mean */
} contender;

static double log_rate(const sm_measured *t)
{
    return log(
        fmax(sm_measured_rate(t), 1e-9)); /* a trial without images is slow, not infinitely so */
}

static double cell_log_mean(const sm_analysis *a, const sm_cell *cell)
{
    double sum = 0;
    for (size_t i = 0; i < cell->count; i++) sum += log_rate(a->order[cell->begin + i]);
    return sum / (double)cell->count;
}

static void pool_spread(const sm_analysis *a, sm_condition *c)
{
    double squares = 0;
    c->df = 0;
    for (size_t k = c->begin; k < c->begin + c->cells; k++) {
        double mean = cell_log_mean(a, &a->cells[k]);
        for (size_t i = 0; i < a->cells[k].count; i++) {
            double d = log_rate(a->order[a->cells[k].begin + i]) - mean;
            squares += d * d;
        }
        c->df += (double)(a->cells[k].count - 1);
    }
    c->spread = c->df > 0 ? sqrt(squares / c->df) : NAN;
}

static int by_mean_falling(const void *x, const void *y)
{
    const contender *a = x, *b = y;
    if (a->mean != b->mean) return a->mean < b->mean ? 1 : -1;
    return compare_u64(a->cell, b->cell);
}

/*
 * P(best) of each contender: its mean is taken as t-distributed around what was measured (the
 * posterior under a flat prior), and so are the others', apart from each other. The integral over
 * its distribution is the mean over QUADRATURE quantiles of the product of the others'
 * distributions.
 */
static void rate_contenders(sm_analysis *a, const sm_condition *c, const contender *all, size_t n)
{
    double quantile[QUADRATURE];
    for (size_t i = 0; i < QUADRATURE; i++)
        quantile[i] = sm_t_quantile(((double)i + 0.5) / QUADRATURE, c->df);
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (size_t i = 0; i < QUADRATURE; i++) {
            double here = all[k].mean + all[k].error * quantile[i], product = 1;
            for (size_t j = 0; j < n && product > 1e-12; j++)
                if (j != k) product *= sm_t_cdf((here - all[j].mean) / all[j].error, c->df);
            sum += product;
        }
        a->cells[all[k].cell].p_best = sum / QUADRATURE;
    }
}

/* How far a contender is behind the first, in standard errors of the difference. */
static double behind_first(const contender *all, size_t i)
{
    return (all[0].mean - all[i].mean) / hypot(all[0].error, all[i].error);
}

static sm_status find_best(sm_analysis *a, sm_condition *c)
{
    if (c->cells < 2) {
        c->best = c->thrifty = c->begin; /* nothing to be better than */
        return SM_OK;
    }
    contender *all = calloc(c->cells, sizeof *all);
    if (all == NULL) return sm_fail_memory(c->cells * sizeof *all);
    for (size_t i = 0; i < c->cells; i++) {
        const sm_cell *cell = &a->cells[c->begin + i];
        all[i] = (contender){.cell = c->begin + i,
                             .mean = cell_log_mean(a, cell),
                             .error = c->spread / sqrt((double)cell->count)};
    }
    qsort(all, c->cells, sizeof *all, by_mean_falling);
    c->best = c->thrifty = all[0].cell;
    if (c->spread > 0) {
        const double hopeless = sm_t_quantile(0.9999, c->df);
        size_t n = 1;
        while (n < c->cells && n < CONTENDERS_MAX && behind_first(all, n) < hopeless) n++;
        for (size_t i = n; i < c->cells; i++) a->cells[all[i].cell].p_best = 0;
        rate_contenders(a, c, all, n);
        const double sure = sm_t_quantile(0.95, c->df); /* one-sided: is it slower? */
        for (size_t i = 1; i < n; i++) {
            uint64_t readers = a->cells[all[i].cell].first->readers;
            if (behind_first(all, i) < sure && readers < a->cells[c->thrifty].first->readers)
                c->thrifty = all[i].cell;
        }
    }
    free(all);
    return SM_OK;
}

static sm_status find_conditions(sm_analysis *a)
{
    size_t cap = 0;
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < a->cell_count;) {
        status = sm_array_grow(&a->conditions, &cap, a->condition_count, sizeof *a->conditions);
        if (status != SM_OK) break;
        sm_condition *c = &a->conditions[a->condition_count++];
        *c = (sm_condition){.like = a->cells[i].first, .begin = i};
        while (i < a->cell_count && sm_same_condition(a->cells[i].first, c->like)) i++;
        c->cells = i - c->begin;
        pool_spread(a, c);
        status = find_best(a, c);
    }
    return status;
}

static void find_varying(sm_analysis *a)
{
    sm_varying *v = &a->varies;
    for (size_t i = 1; i < a->cell_count; i++) {
        const sm_measured *x = a->cells[0].first, *y = a->cells[i].first,
                          *z = a->cells[i - 1].first;
        v->source = v->source || (y->format == z->format && y->source != z->source);
        v->order = v->order || x->order != y->order;
        v->read_size = v->read_size || (y->format == z->format && y->read_size != z->read_size);
        v->readers = v->readers || x->readers != y->readers;
        v->batch_size = v->batch_size || x->batch_size != y->batch_size;
        v->batches = v->batches || x->batches != y->batches;
    }
}

sm_status sm_find_cells(sm_analysis *a)
{
    a->order = calloc(a->table->count + 1, sizeof *a->order);
    if (a->order == NULL) return sm_fail_memory(a->table->count * sizeof *a->order);
    for (size_t i = 0; i < a->table->count; i++) {
        const sm_measured *t = &a->table->trials[i];
        a->left[t->left_out]++;
        if (t->left_out == SM_COUNTS) a->order[a->used++] = t;
    }
    qsort(a->order, a->used, sizeof *a->order, by_setting_and_line);
    sm_status status = make_cells(a);
    find_varying(a);
    return status == SM_OK ? find_conditions(a) : status;
}
