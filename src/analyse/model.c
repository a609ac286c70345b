/*
 * Seconds a read = max(a + b * bytes, readers * bytes / ceiling, readers / request ceiling).
 *
 * A stream waits a seconds for its first byte and then takes b seconds a byte; when that would let
 * all readers together pass a ceiling, of bytes or of requests a second, they share it, and by
 * Little's law a read then lasts readers * bytes / ceiling, or readers / ceiling. Each trial is a
 * point: its mean latency, its mean bytes a read, its readers.
 *
 * Which branch a point lies on is found by turns (fit all, assign again) from every split of the
 * reader counts, with the reads above it bound by bytes, by requests, or the large ones by bytes
 * and the small ones by requests; the start with the best criterion wins. Within a branch the
 * estimator is Huber's, on relative errors: a trial's latency is off by a share of itself. Each
 * ceiling must lower Akaike's criterion (errors as Laplace's) by MARGIN to be believed.
 */
#include "analyse/analyse.h"

#include "analyse/robust.h"
#include "core/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 2000, SPLITS_MAX = 32, TURNS_MAX = 25, REWEIGHTS_MAX = 50, MARGIN = 6 };
enum { LEAST = 3 }; /* points of a branch */

static const double least_range = 1.5; /* largest read over smallest, to tell a from b */

/* The largest term, and all of them. */
static sm_bound bound_at(double seconds[SM_BOUNDS], const sm_latency *l, double size,
                         double readers)
{
    sm_bound most = SM_BOUND_ALONE;
    seconds[SM_BOUND_ALONE] = l->a.value + (l->is_line ? l->b.value * size : 0);
    seconds[SM_BOUND_BYTES] = l->has_ceiling ? readers * size / l->ceiling.value : 0;
    seconds[SM_BOUND_REQUESTS] = l->has_request_ceiling ? readers / l->request_ceiling.value : 0;
    for (sm_bound b = SM_BOUND_BYTES; b < SM_BOUNDS; b++)
        if (seconds[b] > seconds[most]) most = b;
    return most;
}

double sm_latency_at(const sm_latency *l, double size, double readers)
{
    double seconds[SM_BOUNDS];
    return seconds[bound_at(seconds, l, size, readers)];
}

/* ---- One branch each */

typedef struct work {
    double *x, *y;           /* 2n; n */
    sm_point *of[SM_BOUNDS]; /* the points of each branch */
    size_t count[SM_BOUNDS];
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

/* What all readers together get: bytes a second, or reads. */
static sm_status fit_ceiling(sm_estimate *ceiling, sm_bound bound, work *w)
{
    double beta, se;
    const sm_point *p = w->of[bound];
    const size_t n = w->count[bound];
    for (size_t i = 0; i < n; i++) {
        w->x[i] = 1;
        w->y[i] = log(p[i].readers * (bound == SM_BOUND_BYTES ? p[i].size : 1) / p[i].latency);
    }
    sm_status status = sm_huber_fit(&beta, &se, w->x, n, 1, w->y);
    if (status != SM_OK) return status;
    double half = sm_t_quantile(0.975, (double)n - 1) * se;
    *ceiling = (sm_estimate){exp(beta), exp(beta - half), exp(beta + half)};
    return SM_OK;
}

/* ---- All branches */

static void split(work *w, const sm_point *p, size_t n)
{
    for (int b = 0; b < SM_BOUNDS; b++) w->count[b] = 0;
    for (size_t i = 0; i < n; i++) w->of[p[i].bound][w->count[p[i].bound]++] = p[i];
}

static double log_error(const sm_latency *l, const sm_point *p)
{
    return fabs(log(p->latency / sm_latency_at(l, p->size, p->readers)));
}

/* Akaike's criterion with Laplace's errors, and MARGIN for each ceiling; not the smaller, the
 * better, below a millionth. */
static double criterion(const sm_latency *l, const sm_point *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log_error(l, &p[i]);
    const int ceilings = l->has_ceiling + l->has_request_ceiling;
    const int parameters = 1 + l->is_line + ceilings;
    return 2 * (double)n * log(fmax(sum / (double)n, 1e-6)) + 2 * parameters + MARGIN * ceilings;
}

/* Fits all and assigns again until nothing moves. False when a branch runs out of points; a ceiling
 * that no point starts at is none. */
static sm_status settle(bool *good, sm_latency *l, sm_point *p, size_t n, work *w)
{
    *good = false;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        split(w, p, n);
        if (turn == 0) {
            l->has_ceiling = w->count[SM_BOUND_BYTES] > 0;
            l->has_request_ceiling = w->count[SM_BOUND_REQUESTS] > 0;
        }
        if (w->count[SM_BOUND_ALONE] < LEAST ||
            (l->has_ceiling && w->count[SM_BOUND_BYTES] < LEAST) ||
            (l->has_request_ceiling && w->count[SM_BOUND_REQUESTS] < LEAST))
            return SM_OK;
        sm_status status = fit_alone(l, w->of[SM_BOUND_ALONE], w->count[SM_BOUND_ALONE], w);
        if (status == SM_OK && l->has_ceiling) status = fit_ceiling(&l->ceiling, SM_BOUND_BYTES, w);
        if (status == SM_OK && l->has_request_ceiling)
            status = fit_ceiling(&l->request_ceiling, SM_BOUND_REQUESTS, w);
        if (status != SM_OK) return status == SM_ERR_LIMIT ? SM_OK : status;
        bool moved = false;
        for (size_t i = 0; i < n; i++) {
            double seconds[SM_BOUNDS];
            const sm_bound bound = bound_at(seconds, l, p[i].size, p[i].readers);
            moved = moved || bound != p[i].bound;
            p[i].bound = bound;
        }
        if (!moved) break;
    }
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

/* The middle between the smallest and the largest read, by ratio. */
static double middle_size(const sm_point *p, size_t n)
{
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, p[i].size);
        high = fmax(high, p[i].size);
    }
    return sqrt(low * high);
}

/* Where a point starts: alone up to so many readers; above, reads from size on are bound by bytes.
 */
typedef struct beginning {
    double readers, size;
} beginning;

/* Fits from there, and keeps in *l and bounds what is better than *best. */
static sm_status try_from(sm_latency *l, double *best, sm_bound *bounds, beginning from,
                          sm_point *p, size_t n, work *w)
{
    sm_latency tried = *l;
    bool good;
    for (size_t k = 0; k < n; k++)
        p[k].bound = p[k].readers <= from.readers ? SM_BOUND_ALONE
                     : p[k].size >= from.size     ? SM_BOUND_BYTES
                                                  : SM_BOUND_REQUESTS;
    sm_status status = settle(&good, &tried, p, n, w);
    if (status != SM_OK || !good || !(criterion(&tried, p, n) < *best)) return status;
    *best = criterion(&tried, p, n);
    *l = tried;
    for (size_t k = 0; k < n; k++) bounds[k] = p[k].bound;
    return SM_OK;
}

static sm_status fit_group(sm_latency *l, sm_point *p, size_t n, work *w)
{
    sm_status status = fit_alone(l, p, n, w);
    if (status != SM_OK) return status;
    const double sizes[] = {0, middle_size(p, n), INFINITY};
    const size_t ways = sizes_differ(p, n) ? 3 : 1; /* of one size, bytes are as good as requests */
    double best = criterion(l, p, n), readers = next_readers(p, n, 0);
    sm_bound *bounds = calloc(n, sizeof *bounds);
    if (bounds == NULL) return sm_fail_memory(n * sizeof *bounds);
    for (int i = 0; i < SPLITS_MAX && isfinite(next_readers(p, n, readers)); i++) {
        for (size_t k = 0; k < ways && status == SM_OK; k++)
            status = try_from(l, &best, bounds, (beginning){readers, sizes[k]}, p, n, w);
        if (status != SM_OK) break;
        readers = next_readers(p, n, readers);
    }
    for (size_t k = 0; k < n; k++) p[k].bound = bounds[k];
    free(bounds);
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
        if (p[i].bound == SM_BOUND_ALONE) continue;
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
    work w = {.x = calloc(2 * room, sizeof(double)), .y = calloc(room, sizeof(double))};
    for (int b = 0; b < SM_BOUNDS; b++) w.of[b] = calloc(room, sizeof(sm_point));
    a->points = calloc(room, sizeof *a->points);
    sm_status status = SM_OK;
    bool has_branches = true;
    for (int b = 0; b < SM_BOUNDS; b++) has_branches = has_branches && w.of[b] != NULL;
    if (all == NULL || w.x == NULL || w.y == NULL || !has_branches || a->points == NULL)
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
    for (int b = 0; b < SM_BOUNDS; b++) free(w.of[b]);
    return status;
}
