/*
 * Seconds a read = max(a + b * bytes, readers * bytes / ceiling).
 *
 * A stream waits a seconds for its first byte and then takes b seconds a byte; when that would let
 * all readers together pass the ceiling, they share it, and by Little's law a read then lasts
 * readers * bytes / ceiling. Each trial is a point: its mean latency, its mean bytes a read, its
 * readers.
 *
 * Which branch a point lies on is found by turns (fit both, assign again) from every split of the
 * reader counts, and the split with the least absolute error of log latency wins. Within a branch
 * the estimator is Huber's, on relative errors: a trial's latency is off by a share of itself. A
 * ceiling is believed when it lowers Akaike's criterion (errors as Laplace's) by MARGIN.
 */
#include "analyse/analyse.h"

#include "analyse/robust.h"
#include "core/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 2000, SPLITS_MAX = 32, TURNS_MAX = 25, REWEIGHTS_MAX = 50, MARGIN = 6 };

static const double least_range = 1.5; /* largest read over smallest, to tell a from b */

double sm_latency_at(const sm_latency *l, double size, double readers)
{
    double alone = l->a.value + (l->is_line ? l->b.value * size : 0);
    return l->has_ceiling ? fmax(alone, readers * size / l->ceiling.value) : alone;
}

/* ---- One branch each */

typedef struct work {
    double *x, *y; /* 2n; n */
    sm_point *free, *capped;
    size_t free_count, capped_count;
} work;

static bool sizes_differ(const sm_point *p, size_t n)
{
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, p[i].size);
        high = fmax(high, p[i].size);
    }
    return high > low * least_range;
}

typedef enum shape { LEVEL = 1, SLOPE = 2, LINE = 3 } shape; /* bits: a, b */

/* Huber's fit of relative errors: both sides are divided by the latency that the last round gave.
 */
static sm_status fit_shape(double beta[2], double se[2], shape as, const sm_point *p, size_t n,
                           work *w)
{
    const size_t k = as == LINE ? 2 : 1;
    double found[2] = {0}, error[2] = {0};
    for (int round = 0; round < REWEIGHTS_MAX; round++) {
        for (size_t i = 0; i < n; i++) {
            double fitted = round == 0 ? p[i].latency : found[0] + found[1] * p[i].size;
            if (!(fitted > p[i].latency * 1e-3)) fitted = p[i].latency * 1e-3;
            w->x[i] = (as == SLOPE ? p[i].size : 1) / fitted;
            w->x[n + i] = p[i].size / fitted;
            w->y[i] = p[i].latency / fitted;
        }
        double b[2] = {0}, e[2] = {0};
        sm_status status = sm_huber_fit(b, e, w->x, n, k, w->y);
        if (status != SM_OK) return status;
        double before[2] = {found[0], found[1]};
        found[0] = as == SLOPE ? 0 : b[0];
        found[1] = as == SLOPE ? b[0] : as == LINE ? b[1] : 0;
        error[0] = as == SLOPE ? NAN : e[0];
        error[1] = as == SLOPE ? e[0] : as == LINE ? e[1] : NAN;
        if (fabs(found[0] - before[0]) <= 1e-10 * fabs(found[0]) &&
            fabs(found[1] - before[1]) <= 1e-10 * fabs(found[1]))
            break;
    }
    memcpy(beta, found, sizeof found);
    memcpy(se, error, sizeof error);
    return SM_OK;
}

static sm_estimate around(double value, double se, double df)
{
    double half = sm_t_quantile(0.975, df) * se;
    return (sm_estimate){value, fmax(0, value - half), fmax(0, value + half)};
}

/* a and b of the free points. Neither can be negative: what comes out so is 0, up to what its
 * interval allows. */
static sm_status fit_alone(sm_latency *l, const sm_point *p, size_t n, work *w)
{
    double beta[2], se[2];
    l->is_line = sizes_differ(p, n) && n > 2;
    sm_status status = fit_shape(beta, se, l->is_line ? LINE : LEVEL, p, n, w);
    if (status != SM_OK) return status;
    const double df = (double)n - (l->is_line ? 2 : 1);
    l->a = around(beta[0], se[0], df);
    l->b = l->is_line ? around(beta[1], se[1], df) : (sm_estimate){NAN, NAN, NAN};
    if (!l->is_line || (beta[0] >= 0 && beta[1] >= 0)) return SM_OK;
    const bool no_wait = beta[0] < 0;
    status = fit_shape(beta, se, no_wait ? SLOPE : LEVEL, p, n, w);
    if (status != SM_OK) return status;
    if (no_wait) {
        l->a.value = l->a.low = 0;
        l->b = around(beta[1], se[1], df);
    } else {
        l->a = around(beta[0], se[0], df);
        l->b.value = l->b.low = 0;
    }
    return SM_OK;
}

static sm_status fit_ceiling(sm_latency *l, const sm_point *p, size_t n, work *w)
{
    double beta, se;
    for (size_t i = 0; i < n; i++) {
        w->x[i] = 1;
        w->y[i] = log(p[i].readers * p[i].size / p[i].latency);
    }
    sm_status status = sm_huber_fit(&beta, &se, w->x, n, 1, w->y);
    if (status != SM_OK) return status;
    double half = sm_t_quantile(0.975, (double)n - 1) * se;
    l->ceiling = (sm_estimate){exp(beta), exp(beta - half), exp(beta + half)};
    return SM_OK;
}

/* ---- Both branches */

static void split(work *w, const sm_point *p, size_t n)
{
    w->free_count = w->capped_count = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i].at_ceiling)
            w->capped[w->capped_count++] = p[i];
        else
            w->free[w->free_count++] = p[i];
    }
}

static double log_error(const sm_latency *l, const sm_point *p)
{
    return fabs(log(p->latency / sm_latency_at(l, p->size, p->readers)));
}

/* Akaike's criterion with Laplace's errors; not the smaller, the better, below a millionth. */
static double criterion(const sm_latency *l, const sm_point *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log_error(l, &p[i]);
    int parameters = 1 + (l->is_line ? 1 : 0) + (l->has_ceiling ? 1 : 0);
    return 2 * (double)n * log(fmax(sum / (double)n, 1e-6)) + 2 * parameters;
}

/* Fits both and assigns again until nothing moves. False when a branch runs out of points. */
static sm_status settle(bool *good, sm_latency *l, sm_point *p, size_t n, work *w)
{
    *good = false;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        split(w, p, n);
        if (w->free_count < 3 || w->capped_count < 3) return SM_OK;
        sm_status status = fit_alone(l, w->free, w->free_count, w);
        if (status == SM_OK) status = fit_ceiling(l, w->capped, w->capped_count, w);
        if (status != SM_OK) return status == SM_ERR_LIMIT ? SM_OK : status;
        bool moved = false;
        for (size_t i = 0; i < n; i++) {
            double alone = l->a.value + (l->is_line ? l->b.value * p[i].size : 0);
            bool capped = p[i].readers * p[i].size / l->ceiling.value > alone;
            moved = moved || capped != p[i].at_ceiling;
            p[i].at_ceiling = capped;
        }
        if (!moved) break;
    }
    l->has_ceiling = true;
    *good = true;
    return SM_OK;
}

/* The next larger number of readers, or infinity. */
static double next_readers(const sm_point *p, size_t n, double above)
{
    double next = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (p[i].readers > above) next = fmin(next, p[i].readers);
    return next;
}

static sm_status fit_group(sm_latency *l, sm_point *p, size_t n, work *w)
{
    for (size_t i = 0; i < n; i++) p[i].at_ceiling = false;
    sm_status status = fit_alone(l, p, n, w);
    if (status != SM_OK) return status;
    double best = criterion(l, p, n) - MARGIN;
    bool *capped = calloc(n, sizeof *capped);
    if (capped == NULL) return sm_fail_memory(n);
    double readers = next_readers(p, n, 0);
    for (int i = 0; i < SPLITS_MAX && isfinite(next_readers(p, n, readers)); i++) {
        sm_latency tried = *l;
        bool good;
        tried.has_ceiling = false;
        for (size_t k = 0; k < n; k++) p[k].at_ceiling = p[k].readers > readers;
        status = settle(&good, &tried, p, n, w);
        if (status != SM_OK) break;
        if (good && criterion(&tried, p, n) < best) {
            best = criterion(&tried, p, n);
            *l = tried;
            for (size_t k = 0; k < n; k++) capped[k] = p[k].at_ceiling;
        }
        readers = next_readers(p, n, readers);
    }
    for (size_t k = 0; k < n; k++) p[k].at_ceiling = capped[k];
    free(capped);
    return status;
}

/* What else is told of a fitted group. */
static void describe(sm_latency *l, const sm_point *p, work *w)
{
    const size_t n = l->trials;
    double busy = 0, most = 0;
    size_t capped = 0;
    for (size_t i = 0; i < n; i++) {
        w->y[i] = fabs(p[i].latency / sm_latency_at(l, p[i].size, p[i].readers) - 1);
        w->x[i] = p[i].size;
        most = fmax(most, p[i].bandwidth);
        l->most_readers = fmax(l->most_readers, p[i].readers);
        if (!p[i].at_ceiling) continue;
        busy += p[i].busy;
        capped++;
    }
    l->typical_error = sm_median(w->y, n);
    l->size = sm_median(w->x, n);
    l->busy = capped > 0 ? busy / (double)capped : NAN;
    if (!l->has_ceiling) l->ceiling = (sm_estimate){most, NAN, NAN};
}

/* ---- Groups: trials of one storage, cache and order */

typedef struct grouped {
    char storage[SM_NAME_LEN];
    const sm_measured *trial;
    double cpus;
} grouped;

static void name_storage(grouped *g, const sm_results *table, const sm_measured *t)
{
    g->trial = t;
    const json_t *header = table->runs[t->run].header;
    g->cpus = json_number_value(json_object_get(header, "cpus"));
    const char *scheme = strstr(t->source, "://");
    if (scheme != NULL) {
        int len = (int)(scheme - t->source + 3) + (int)strcspn(scheme + 3, "/");
        snprintf(g->storage, sizeof g->storage, "%.*s", len < SM_NAME_LEN ? len : SM_NAME_LEN - 1,
                 t->source);
        return;
    }
    const char *mount = NULL, *system = NULL;
    size_t i;
    json_t *source;
    json_array_foreach(json_object_get(header, "sources"), i, source)
    {
        const char *name = json_string_value(json_object_get(source, "source"));
        if (name == NULL || strcmp(name, t->source) != 0) continue;
        mount = json_string_value(json_object_get(source, "mount"));
        system = json_string_value(json_object_get(source, "filesystem"));
    }
    snprintf(g->storage, sizeof g->storage, "%s%s%s", mount == NULL ? "local files" : mount,
             system == NULL ? "" : " on ", system == NULL ? "" : system);
}

static int by_group(const void *p, const void *q)
{
    const grouped *a = p, *b = q;
    int differ = strcmp(a->storage, b->storage);
    if (differ == 0) differ = strcmp(a->trial->cache, b->trial->cache);
    if (differ == 0) differ = strcmp(a->trial->order, b->trial->order);
    return differ;
}

static int by_group_and_line(const void *p, const void *q)
{
    const sm_measured *a = ((const grouped *)p)->trial, *b = ((const grouped *)q)->trial;
    int differ = by_group(p, q);
    if (differ == 0) differ = (a->file > b->file) - (a->file < b->file);
    return differ != 0 ? differ : (a->line > b->line) - (a->line < b->line);
}

static sm_point point_of(const grouped *g)
{
    const sm_measured *t = g->trial;
    return (sm_point){.size = t->bytes / t->reads,
                      .readers = (double)t->readers,
                      .latency = t->latency_mean,
                      .bandwidth = sm_measured_bandwidth(t),
                      .busy = g->cpus > 0 ? (t->cpu_user_s + t->cpu_system_s) / t->seconds / g->cpus
                                          : NAN};
}

static sm_status add_group(sm_analysis *a, size_t *cap, const grouped *g, size_t n, work *w)
{
    sm_status status = sm_array_grow(&a->latencies, cap, a->latency_count, sizeof *a->latencies);
    if (status != SM_OK) return status;
    sm_latency l = {.cache = g->trial->cache,
                    .order = g->trial->order,
                    .begin = a->point_count,
                    .trials = n < POINTS_MAX ? n : POINTS_MAX};
    memcpy(l.storage, g->storage, sizeof l.storage);
    sm_point *points = a->points + l.begin;
    for (size_t i = 0; i < l.trials; i++) points[i] = point_of(&g[i * n / l.trials]);
    status = fit_group(&l, points, l.trials, w);
    if (status == SM_ERR_LIMIT) return SM_OK; /* too few trials: nothing to tell */
    if (status != SM_OK) return status;
    describe(&l, points, w);
    a->latencies[a->latency_count++] = l;
    a->point_count += l.trials;
    return SM_OK;
}

sm_status sm_fit_latency(sm_analysis *a)
{
    const size_t room = a->used + 1;
    grouped *all = calloc(room, sizeof *all);
    work w = {.x = calloc(2 * room, sizeof(double)),
              .y = calloc(room, sizeof(double)),
              .free = calloc(room, sizeof(sm_point)),
              .capped = calloc(room, sizeof(sm_point))};
    a->points = calloc(room, sizeof *a->points);
    sm_status status = SM_OK;
    if (all == NULL || w.x == NULL || w.y == NULL || w.free == NULL || w.capped == NULL ||
        a->points == NULL)
        status = sm_fail_memory(room * sizeof *all);
    size_t n = 0, cap = 0;
    for (size_t i = 0; status == SM_OK && i < a->used; i++) {
        const sm_measured *t = a->order[i];
        if (t->reads > 0 && t->bytes > 0 && t->latency_mean > 0)
            name_storage(&all[n++], a->table, t);
    }
    if (n > 0) qsort(all, n, sizeof *all, by_group_and_line);
    for (size_t i = 0, end; status == SM_OK && i < n; i = end) {
        for (end = i; end < n && by_group(&all[i], &all[end]) == 0;) end++;
        status = add_group(a, &cap, &all[i], end - i, &w);
    }
    free(all);
    free(w.x);
    free(w.y);
    free(w.free);
    free(w.capped);
    return status;
}
