/* Throughput explained by the settings: three regressions, and which of them to believe. */
#include "analyse/analyse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 24 };

static const char constant[] = "the same in every trial";
static const char dependent[] = "told by the terms before it";

const char *sm_model_name(sm_model model)
{
    switch (model) {
    case SM_MODEL_PLAIN: return "without product";
    case SM_MODEL_PRODUCT: return "with product";
    case SM_MODEL_LOG: return "log-log";
    case SM_MODEL_COUNT: break;
    }
    return "none";
}

/* ---- The terms of a design */

typedef double number_fn(const sm_measured *t);
typedef void level_fn(char name[SM_NAME_LEN], const sm_measured *t);

static double number_batch_size(const sm_measured *t)
{
    return (double)t->batch_size;
}

static double number_batches(const sm_measured *t)
{
    return (double)t->batches;
}

static double number_product(const sm_measured *t)
{
    return (double)t->batch_size * (double)t->batches;
}

static double number_readers(const sm_measured *t)
{
    return (double)t->readers;
}

static void level_format(char name[SM_NAME_LEN], const sm_measured *t)
{
    snprintf(name, SM_NAME_LEN, "%s", t->format);
}

static void level_order(char name[SM_NAME_LEN], const sm_measured *t)
{
    snprintf(name, SM_NAME_LEN, "%s", t->order);
}

static void level_cache(char name[SM_NAME_LEN], const sm_measured *t)
{
    snprintf(name, SM_NAME_LEN, "%s", t->cache);
}

static void level_decode(char name[SM_NAME_LEN], const sm_measured *t)
{
    snprintf(name, SM_NAME_LEN, "%s", t->decode ? "yes" : "no");
}

static void level_read_size(char name[SM_NAME_LEN], const sm_measured *t)
{
    if (t->read_size == 0)
        snprintf(name, SM_NAME_LEN, "whole");
    else
        snprintf(name, SM_NAME_LEN, "%llu", (unsigned long long)t->read_size);
}

static void level_source(char name[SM_NAME_LEN], const sm_measured *t)
{
    snprintf(name, SM_NAME_LEN, "%s", t->source);
}

static const struct {
    const char *name;
    number_fn *number;
} numbers[] = {{"batch_size", number_batch_size},
               {"batches", number_batches},
               {"batch_size*batches", number_product},
               {"readers", number_readers}};
enum { NUMBERS = 4, PRODUCT = 2 };

/* Format and order are asked for; the others keep what they do out of the residuals. Source stands
 * last, so that it tells only what format does not. */
static const struct {
    const char *name;
    level_fn *level;
    const char *base; /* what the others are told against, where it is there */
} factors[] = {{"format", level_format, "files"},       {"order", level_order, "sequential"},
               {"cache", level_cache, "cold"},          {"decode", level_decode, "no"},
               {"read_size", level_read_size, "whole"}, {"source", level_source, ""}};
enum { FACTORS = 6, TERMS_MAX = 1 + NUMBERS + FACTORS * LEVELS_MAX };

/* ---- The design */

typedef struct design {
    size_t n, terms; /* rows; columns */
    double *x;       /* column-major */
    double *y;
    sm_regression *to;
} design;

static void add_term(design *d, const char *name, const char *level, const char *dropped)
{
    sm_regression *r = d->to;
    sm_term *term = &r->terms[r->term_count++];
    term->dropped = dropped;
    snprintf(term->name, sizeof term->name, "%s%s%s", name, *level == '\0' ? "" : "=", level);
    if (dropped == NULL) r->columns[d->terms++] = r->term_count - 1;
}

static bool varies(const double *column, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (column[i] != column[0]) return true;
    return false;
}

static void add_numbers(design *d, const sm_analysis *a, sm_model model)
{
    for (size_t k = 0; k < NUMBERS; k++) {
        if (k == PRODUCT && model != SM_MODEL_PRODUCT) continue;
        double *column = d->x + d->terms * d->n;
        for (size_t i = 0; i < d->n; i++) {
            double value = numbers[k].number(a->order[i]);
            column[i] = model == SM_MODEL_LOG ? log(fmax(value, 1)) : value;
        }
        char name[32];
        snprintf(name, sizeof name, model == SM_MODEL_LOG ? "log(%s)" : "%s", numbers[k].name);
        add_term(d, name, "", varies(column, d->n) ? NULL : constant);
    }
}

/* The levels that are there, the base first; how many, LEVELS_MAX + 1 when too many. */
static size_t find_levels(char levels[LEVELS_MAX][SM_NAME_LEN], const sm_analysis *a,
                          level_fn *level, const char *base)
{
    size_t count = 0;
    for (size_t c = 0; c < a->cell_count; c++) {
        char name[SM_NAME_LEN];
        level(name, a->cells[c].first);
        size_t at = 0;
        while (at < count && strcmp(levels[at], name) != 0) at++;
        if (at < count) continue;
        if (count == LEVELS_MAX) return LEVELS_MAX + 1;
        memcpy(levels[count], name, sizeof name);
        if (strcmp(name, base) == 0) {
            memcpy(levels[count], levels[0], sizeof name);
            memcpy(levels[0], name, sizeof name);
        }
        count++;
    }
    return count;
}

static void add_factors(design *d, const sm_analysis *a)
{
    static const char too_many[] = "more different values than can be told apart";
    char levels[LEVELS_MAX][SM_NAME_LEN];
    for (size_t f = 0; f < FACTORS; f++) {
        size_t count = find_levels(levels, a, factors[f].level, factors[f].base);
        if (count <= 1 || count > LEVELS_MAX) {
            if (f < 2 || count > LEVELS_MAX)
                add_term(d, factors[f].name, "", count <= 1 ? constant : too_many);
            continue;
        }
        for (size_t k = 1; k < count; k++) {
            double *column = d->x + d->terms * d->n;
            char name[SM_NAME_LEN];
            for (size_t c = 0; c < a->cell_count; c++) {
                const sm_cell *cell = &a->cells[c];
                factors[f].level(name, cell->first);
                double is = strcmp(name, levels[k]) == 0 ? 1 : 0;
                for (size_t i = 0; i < cell->count; i++) column[cell->begin + i] = is;
            }
            add_term(d, factors[f].name, levels[k], NULL);
        }
    }
}

/* Dependent columns that the fit left out are named so. */
static void name_dropped(sm_regression *r)
{
    for (size_t c = 0, kept = 0; c < r->fit.columns; c++)
        if (kept < r->fit.k && r->fit.kept[kept] == c)
            kept++;
        else
            r->terms[r->columns[c]].dropped = dependent;
}

static sm_status fit_model(sm_analysis *a, sm_model model, design *d)
{
    sm_regression *r = &a->models[model];
    double jacobian = 0;
    d->to = r;
    d->terms = 0;
    for (size_t i = 0; i < d->n; i++) {
        double rate = sm_measured_rate(a->order[i]);
        if (model == SM_MODEL_LOG && !(rate > 0)) {
            snprintf(r->reason, sizeof r->reason, "a trial without images has no logarithm");
            return SM_OK;
        }
        d->y[i] = model == SM_MODEL_LOG ? log(rate) : rate;
        d->x[i] = 1;
        if (model == SM_MODEL_LOG) jacobian += d->y[i];
    }
    add_term(d, "intercept", "", NULL);
    add_numbers(d, a, model);
    add_factors(d, a);

    sm_status status = sm_ols_fit(&r->fit, d->x, d->n, d->terms, d->y);
    /* Too few trials, or no LAPACK here: this model says why, and all else is told. */
    if (status == SM_ERR_LIMIT || status == SM_ERR_NOT_FOUND) {
        snprintf(r->reason, sizeof r->reason, "%s", sm_last_error());
        return SM_OK;
    }
    if (status != SM_OK) return status;
    r->fitted = true;
    r->aicc = r->fit.aicc + 2 * jacobian; /* the density of y, not of log y */
    name_dropped(r);
    return SM_OK;
}

/* The lowest AICc; a product that adds nothing leaves the same model, and then the plain one stays.
 */
static void choose(sm_analysis *a)
{
    a->chosen = -1;
    for (int m = 0; m < SM_MODEL_COUNT; m++) {
        const sm_regression *r = &a->models[m];
        if (!r->fitted || r->fit.k < 2 || !isfinite(r->aicc)) continue;
        if (a->chosen < 0 || r->aicc < a->models[a->chosen].aicc - 1e-9) a->chosen = m;
    }
}

sm_status sm_fit_throughput(sm_analysis *a)
{
    a->chosen = -1;
    design d = {.n = a->used};
    for (int m = 0; m < SM_MODEL_COUNT; m++) {
        sm_regression *r = &a->models[m];
        r->terms = calloc(TERMS_MAX, sizeof *r->terms);
        r->columns = calloc(TERMS_MAX, sizeof *r->columns);
        if (r->terms == NULL || r->columns == NULL) return sm_fail_memory(TERMS_MAX);
        snprintf(r->reason, sizeof r->reason, "there are no trials");
    }
    if (a->used == 0) return SM_OK;
    d.x = calloc(a->used, TERMS_MAX * sizeof *d.x);
    d.y = calloc(a->used, sizeof *d.y);
    sm_status status = d.x == NULL || d.y == NULL ? sm_fail_memory(a->used) : SM_OK;
    for (int m = 0; status == SM_OK && m < SM_MODEL_COUNT; m++)
        status = fit_model(a, (sm_model)m, &d);
    free(d.x);
    free(d.y);
    if (status == SM_OK) choose(a);
    return status;
}
