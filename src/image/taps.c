#include "image/taps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* ---- Filters --------------------------------------------------------------------------------- */

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    return sin(pi * x) / (pi * x);
}

static double lanczos3(double x)
{
    return fabs(x) < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* How an axis is sampled. */
typedef struct sampling {
    const sm_axis *axis;
    double step;    /* source samples from one output to the next */
    double stretch; /* how much wider than its own the filter is */
    double radius;  /* of the stretched filter, in source samples */
} sampling;

static sampling sampling_of(const sm_axis *axis)
{
    sampling s = {.axis = axis, .step = axis->extent / axis->resized, .stretch = 1.0};
    switch (axis->filter) {
    case SM_FILTER_BILINEAR: s.radius = 1.0; break;
    case SM_FILTER_AREA: s.radius = s.step / 2.0; break;
    case SM_FILTER_TRIANGLE:
    case SM_FILTER_LANCZOS3:
        if (s.step > 1.0) s.stretch = s.step;
        s.radius = s.stretch * (axis->filter == SM_FILTER_TRIANGLE ? 1.0 : 3.0);
        break;
    }
    return s;
}

/* The weight of source sample i, which covers i to i + 1, for an output centred at centre. */
static double weight(const sampling *s, double centre, double i)
{
    switch (s->axis->filter) {
    case SM_FILTER_AREA: {
        double low = fmax(i, centre - s->radius), high = fmin(i + 1.0, centre + s->radius);
        return fmax(high - low, 0.0);
    }
    case SM_FILTER_LANCZOS3: return lanczos3((i + 0.5 - centre) / s->stretch);
    case SM_FILTER_TRIANGLE:
    case SM_FILTER_BILINEAR: break;
    }
    return triangle((i + 0.5 - centre) / s->stretch);
}

static uint32_t clamp(double value, uint32_t high)
{
    if (!(value > 0.0)) return 0;
    return value < (double)high ? (uint32_t)value : high;
}

/*
 * The source samples that output i may touch, cut at the source's ends: begin to end. Past an end
 * there is nothing, and the weights that are left share the whole.
 */
static double window(uint32_t *begin, uint32_t *end, const sampling *s, uint32_t i)
{
    double centre = ((double)i + 0.5) * s->step;
    double half = s->axis->filter == SM_FILTER_AREA ? 0.0 : 0.5;
    *begin = clamp(floor(centre - s->radius + half), s->axis->source - 1);
    *end = clamp(ceil(centre + s->radius - half), s->axis->source);
    if (*end <= *begin) *end = *begin + 1;
    return centre;
}

/* ---- Whole numbers --------------------------------------------------------------------------- */

/*
 * Rounds the weights so that what one rounding takes the next gives back: their sum is exact, and
 * so is the sum of each stretch of neighbours up to half a unit.
 */
static void quantise(int16_t *out, const double *weights, uint32_t count, double unit)
{
    double sum = 0.0;
    int32_t given = 0;
    for (uint32_t t = 0; t < count; t++) {
        sum += weights[t] * unit;
        int32_t upto = (int32_t)floor(sum + 0.5);
        out[t] = (int16_t)(upto - given);
        given = upto;
    }
}

/* The most bits that the weights may have: the largest must fit 16 bits with its sign. */
static int shift_for(double largest, int max_shift)
{
    int shift = 14;
    while (shift < max_shift && largest * (double)(1L << (shift + 1)) < 32766.0) shift++;
    while (shift > 0 && largest * (double)(1L << shift) > 32766.0) shift--;
    return shift;
}

static uint32_t whole_steps(uint32_t count)
{
    return (count + SM_TAPS_STEP - 1) / SM_TAPS_STEP * SM_TAPS_STEP;
}

/* Aligned, so that a vector never crosses a cache line; NULL when it cannot be had. */
static void *grown(void *old, size_t *cap, size_t count, size_t size)
{
    if (count <= *cap) return old;
    if (count > (SIZE_MAX - 31) / size) return NULL;
    void *made = aligned_alloc(32, (count * size + 31) / 32 * 32);
    if (made == NULL) return NULL;
    free(old);
    *cap = count;
    return made;
}

static sm_status take_outputs(sm_taps *taps, uint32_t count)
{
    size_t outputs = whole_steps(count), starts_cap = taps->outputs_cap;
    uint32_t *starts = grown(taps->starts, &starts_cap, outputs, sizeof *starts);
    if (starts == NULL) return sm_fail_memory(outputs * sizeof *starts);
    taps->starts = starts;
    uint32_t *ends = grown(taps->ends, &taps->outputs_cap, outputs, sizeof *ends);
    if (ends == NULL) return sm_fail_memory(outputs * sizeof *ends);
    taps->ends = ends;
    return SM_OK;
}

static sm_status take_weights(sm_taps *taps, uint32_t count, bool spread)
{
    size_t values = (size_t)whole_steps(count) * taps->width;
    int16_t *weights = grown(taps->weights, &taps->weights_cap, values, sizeof *weights);
    if (weights == NULL) return sm_fail_memory(values * sizeof *weights);
    taps->weights = weights;
    if (!spread) return SM_OK;
    int16_t *spreads = grown(taps->spread, &taps->spread_cap, values * 4, sizeof *spreads);
    if (spreads == NULL) return sm_fail_memory(values * 4 * sizeof *spreads);
    taps->spread = spreads;
    return SM_OK;
}

static void fill_spread(sm_taps *taps)
{
    uint32_t width = taps->width;
    int16_t *to = taps->spread;
    for (uint32_t first = 0; first < whole_steps(taps->axis.count); first += 2) {
        for (uint32_t t = 0; t < width; t += 2) {
            const int16_t *pair = taps->weights + (size_t)first * width + t;
            for (int i = 0; i < 2; i++, pair += width) {
                for (int copy = 0; copy < 4; copy++, to += 2) memcpy(to, pair, 2 * sizeof *to);
            }
        }
    }
}

/* Outputs behind the end, of nothing, so that a kernel can always make SM_TAPS_STEP at a time. */
static void fill_up(sm_taps *taps)
{
    uint32_t count = taps->axis.count, width = taps->width;
    for (uint32_t i = count; i % SM_TAPS_STEP != 0; i++) {
        taps->starts[i] = taps->starts[count - 1];
        taps->ends[i] = taps->ends[count - 1];
        memset(taps->weights + (size_t)i * width, 0, width * sizeof *taps->weights);
    }
}

/*
 * Moves the last windows to the left, with weights of 0 in front, so that no output reads past the
 * last sample with a weight (or past the width, where there are fewer).
 */
static void pull_inside(sm_taps *taps)
{
    uint32_t count = taps->axis.count, width = taps->width, end = taps->ends[count - 1];
    uint32_t last_start = end > width ? end - width : 0;
    for (uint32_t i = count; i-- > 0 && taps->starts[i] > last_start;) {
        uint32_t by = taps->starts[i] - last_start, used = taps->ends[i] - taps->starts[i];
        int16_t *weights = taps->weights + (size_t)i * width;
        memmove(weights + by, weights, used * sizeof *weights);
        memset(weights, 0, by * sizeof *weights);
        taps->starts[i] = last_start;
    }
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Fills scratch with output i's weights, which add up to 1; returns their number. */
static uint32_t weights_of(double *scratch, uint32_t *begin, const sampling *s, uint32_t i)
{
    uint32_t end;
    double centre = window(begin, &end, s, i), sum = 0.0;
    uint32_t count = end - *begin;
    for (uint32_t t = 0; t < count; t++) {
        scratch[t] = weight(s, centre, (double)(*begin + t));
        sum += scratch[t];
    }
    if (!(sum > 0.0)) { /* between samples that are all past an end: the nearest one */
        scratch[0] = 1.0;
        return 1;
    }
    for (uint32_t t = 0; t < count; t++) scratch[t] /= sum;
    return count;
}

/* The weights of all outputs before they are rounded, and what decides the form of the table. */
typedef struct draft {
    double *weights; /* room of them for each output */
    size_t room;
    uint32_t widest; /* taps of one output */
    double largest;  /* weight */
} draft;

static sm_status make_draft(draft *d, sm_taps *taps, const sampling *s)
{
    const sm_axis *axis = s->axis;
    d->room = (size_t)(2.0 * s->radius) + 3;
    if (d->room > axis->source) d->room = axis->source;
    size_t count = d->room * axis->count;
    d->weights = malloc(count * sizeof *d->weights);
    if (d->weights == NULL) return sm_fail_memory(count * sizeof *d->weights);

    d->widest = 0;
    d->largest = 0.0;
    for (uint32_t i = 0; i < axis->count; i++) {
        double *weights = d->weights + d->room * i;
        uint32_t used = weights_of(weights, &taps->starts[i], s, axis->first + i);
        taps->ends[i] = taps->starts[i] + used;
        if (used > d->widest) d->widest = used;
        for (uint32_t t = 0; t < used; t++)
            if (fabs(weights[t]) > d->largest) d->largest = fabs(weights[t]);
    }
    return SM_OK;
}

static void fill_table(sm_taps *taps, const draft *d)
{
    const double unit = (double)(1L << taps->shift);
    uint32_t count = taps->axis.count;
    memset(taps->weights, 0, (size_t)count * taps->width * sizeof *taps->weights);
    for (uint32_t i = 0; i < count; i++)
        quantise(taps->weights + (size_t)i * taps->width, d->weights + d->room * i,
                 taps->ends[i] - taps->starts[i], unit);
    pull_inside(taps);
    fill_up(taps);
    taps->begin = taps->starts[0];
    taps->end = taps->ends[count - 1];
}

sm_status sm_taps_make(sm_taps *taps, const sm_axis *axis, int max_shift, bool spread)
{
    sampling s = sampling_of(axis);
    draft d = {0};
    taps->axis.count = 0; /* until it is whole */
    sm_status status = take_outputs(taps, axis->count);
    if (status == SM_OK) status = make_draft(&d, taps, &s);
    if (status == SM_OK) {
        taps->width = whole_steps(d.widest);
        taps->shift = shift_for(d.largest, max_shift);
        status = take_weights(taps, axis->count, spread);
    }
    if (status == SM_OK) {
        taps->axis = *axis;
        fill_table(taps, &d);
        if (spread) fill_spread(taps);
    }
    free(d.weights);
    return status;
}

void sm_taps_free(sm_taps *taps)
{
    free(taps->starts);
    free(taps->ends);
    free(taps->weights);
    free(taps->spread);
    *taps = (sm_taps){0};
}
