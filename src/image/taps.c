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

static sm_status take_memory(sm_taps *taps, uint32_t count, uint32_t width, bool spread)
{
    size_t weights = (size_t)count * width;
    size_t spreads = spread ? ((size_t)count + 1) / 2 * 2 * width * 4 : 0;
    size_t starts_cap = taps->outputs_cap;
    uint32_t *starts = grown(taps->starts, &starts_cap, count, sizeof *starts);
    if (starts != NULL) taps->starts = starts;
    uint32_t *ends = grown(taps->ends, &taps->outputs_cap, count, sizeof *ends);
    if (ends != NULL) taps->ends = ends;
    int16_t *values = grown(taps->weights, &taps->weights_cap, weights, sizeof *values);
    if (values != NULL) taps->weights = values;
    int16_t *spread_values = grown(taps->spread, &taps->spread_cap, spreads, sizeof *values);
    if (spread_values != NULL) taps->spread = spread_values;

    if (starts == NULL || ends == NULL || values == NULL || (spreads > 0 && spread_values == NULL))
        return sm_fail_memory((weights + spreads) * sizeof *values);
    return SM_OK;
}

static void fill_spread(sm_taps *taps)
{
    uint32_t width = taps->width, count = taps->axis.count;
    int16_t *to = taps->spread;
    for (uint32_t first = 0; first < count; first += 2) {
        for (uint32_t t = 0; t < width; t += 2) {
            for (uint32_t i = first; i < first + 2; i++) {
                const int16_t *pair = taps->weights + (size_t)i * width + t;
                for (int copy = 0; copy < 4; copy++) {
                    *to++ = i < count ? pair[0] : 0;
                    *to++ = i < count ? pair[1] : 0;
                }
            }
        }
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
    for (uint32_t at = *begin; at < end; at++)
        sum += scratch[at - *begin] = weight(s, centre, (double)at);
    if (!(sum > 0.0)) { /* between samples that are all past an end: the nearest one */
        scratch[0] = 1.0;
        return 1;
    }
    for (uint32_t t = 0; t < end - *begin; t++) scratch[t] /= sum;
    return end - *begin;
}

/* The widest window, and the largest weight: both decide the table's form before it is filled. */
static void survey(uint32_t *widest, double *largest, double *scratch, const sampling *s)
{
    const sm_axis *axis = s->axis;
    *widest = 0;
    *largest = 0.0;
    for (uint32_t i = axis->first; i < axis->first + axis->count; i++) {
        uint32_t begin, taps = weights_of(scratch, &begin, s, i);
        if (taps > *widest) *widest = taps;
        for (uint32_t t = 0; t < taps; t++)
            if (fabs(scratch[t]) > *largest) *largest = fabs(scratch[t]);
    }
}

sm_status sm_taps_make(sm_taps *taps, const sm_axis *axis, int max_shift, bool spread)
{
    sampling s = sampling_of(axis);
    size_t most = (size_t)(2.0 * s.radius) + 3;
    if (most > axis->source) most = axis->source;
    double *scratch = malloc(most * sizeof *scratch);
    if (scratch == NULL) return sm_fail_memory(most * sizeof *scratch);

    uint32_t widest;
    double largest;
    survey(&widest, &largest, scratch, &s);
    uint32_t width = (widest + SM_TAPS_STEP - 1) / SM_TAPS_STEP * SM_TAPS_STEP;
    taps->axis.count = 0;
    sm_status status = take_memory(taps, axis->count, width, spread);
    if (status == SM_OK) {
        taps->axis = *axis;
        taps->width = width;
        taps->shift = shift_for(largest, max_shift);
        memset(taps->weights, 0, (size_t)axis->count * width * sizeof *taps->weights);
        for (uint32_t i = 0; i < axis->count; i++) {
            uint32_t used = weights_of(scratch, &taps->starts[i], &s, axis->first + i);
            taps->ends[i] = taps->starts[i] + used;
            quantise(taps->weights + (size_t)i * width, scratch, used, (double)(1L << taps->shift));
        }
        pull_inside(taps);
        taps->begin = taps->starts[0];
        taps->end = taps->ends[axis->count - 1];
        if (spread) fill_spread(taps);
    }
    free(scratch);
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
