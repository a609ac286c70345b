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
    double squeeze; /* 1 / how much wider than its own the filter is */
    double radius;  /* of the stretched filter, in source samples */
} sampling;

static sampling sampling_of(const sm_axis *axis)
{
    sampling s = {.axis = axis, .step = axis->extent / axis->resized, .squeeze = 1.0};
    const double stretch = s.step > 1.0 ? s.step : 1.0;
    switch (axis->filter) {
    case SM_FILTER_BILINEAR: s.radius = 1.0; break;
    case SM_FILTER_AREA: s.radius = s.step / 2.0; break;
    case SM_FILTER_TRIANGLE:
    case SM_FILTER_LANCZOS3:
        s.squeeze = 1.0 / stretch;
        s.radius = stretch * (axis->filter == SM_FILTER_TRIANGLE ? 1.0 : 3.0);
        break;
    }
    return s;
}

/* The part of source sample i, which covers i to i + 1, that lies within the filter. */
static double covered(const sampling *s, double centre, double i)
{
    double low = fmax(i, centre - s->radius), high = fmin(i + 1.0, centre + s->radius);
    return fmax(high - low, 0.0);
}

/* The weights of count source samples from begin on, for an output centred at centre. */
static void sample_filter(double *weights, const sampling *s, double centre, uint32_t begin,
                          uint32_t count)
{
    switch (s->axis->filter) {
    case SM_FILTER_AREA:
        for (uint32_t t = 0; t < count; t++) weights[t] = covered(s, centre, (double)(begin + t));
        return;
    case SM_FILTER_LANCZOS3:
        for (uint32_t t = 0; t < count; t++)
            weights[t] = lanczos3(((double)(begin + t) + 0.5 - centre) * s->squeeze);
        return;
    case SM_FILTER_TRIANGLE:
    case SM_FILTER_BILINEAR: break;
    }
    for (uint32_t t = 0; t < count; t++)
        weights[t] = triangle(((double)(begin + t) + 0.5 - centre) * s->squeeze);
}

/* floor() for what fits, without the call that machines before SSE 4.1 need. */
static int32_t whole(double value)
{
    int32_t towards_zero = (int32_t)value;
    return towards_zero - (value < towards_zero);
}

static uint32_t clamp(int32_t value, uint32_t high)
{
    if (value < 0) return 0;
    return (uint32_t)value < high ? (uint32_t)value : high;
}

/*
 * The source samples that output i may touch, cut at the source's ends: begin to end. Past an end
 * there is nothing, and the weights that are left share the whole.
 */
static double window(uint32_t *begin, uint32_t *end, const sampling *s, uint32_t i)
{
    double centre = ((double)i + 0.5) * s->step;
    double half = s->axis->filter == SM_FILTER_AREA ? 0.0 : 0.5;
    *begin = clamp(whole(centre - s->radius + half), s->axis->source - 1);
    *end = clamp(-whole(half - s->radius - centre), s->axis->source);
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
        int32_t upto = whole(sum + 0.5);
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

static uint32_t round_up(uint32_t count, uint32_t step)
{
    return (count + step - 1) / step * step;
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
    size_t outputs = round_up(count, SM_TAPS_GROUP), starts_cap = taps->outputs_cap;
    uint32_t *starts = grown(taps->starts, &starts_cap, outputs, sizeof *starts);
    if (starts == NULL) return sm_fail_memory(outputs * sizeof *starts);
    taps->starts = starts;
    uint32_t *ends = grown(taps->ends, &taps->outputs_cap, outputs, sizeof *ends);
    if (ends == NULL) return sm_fail_memory(outputs * sizeof *ends);
    taps->ends = ends;
    return SM_OK;
}

static sm_status take_weights(sm_taps *taps, uint32_t count, bool grouped)
{
    uint32_t outputs = round_up(count, SM_TAPS_GROUP);
    size_t values = (size_t)outputs * taps->width;
    int16_t *weights = grown(taps->weights, &taps->weights_cap, values, sizeof *weights);
    if (weights == NULL) return sm_fail_memory(values * sizeof *weights);
    taps->weights = weights;
    if (!grouped) return SM_OK;
    size_t bytes = outputs / SM_TAPS_GROUP * sm_taps_group_size(taps);
    uint8_t *groups = grown(taps->groups, &taps->groups_cap, bytes, 1);
    if (groups == NULL) return sm_fail_memory(bytes);
    taps->groups = groups;
    return SM_OK;
}

/* Outputs behind the end, of nothing, so that a kernel can always make SM_TAPS_GROUP at a time. */
static void fill_up(sm_taps *taps)
{
    uint32_t count = taps->axis.count, width = taps->width;
    for (uint32_t i = count; i % SM_TAPS_GROUP != 0; i++) {
        taps->starts[i] = taps->starts[count - 1];
        taps->ends[i] = taps->ends[count - 1];
        memset(taps->weights + (size_t)i * width, 0, width * sizeof *taps->weights);
    }
}

/* An output begins by samples earlier, with weights of 0 in front. */
static void move_start(sm_taps *taps, uint32_t i, uint32_t by)
{
    uint32_t used = taps->ends[i] - taps->starts[i];
    int16_t *weights = taps->weights + (size_t)i * taps->width;
    memmove(weights + by, weights, used * sizeof *weights);
    memset(weights, 0, by * sizeof *weights);
    taps->starts[i] -= by;
}

/*
 * Moves the last windows to the left, so that no output reads past the last sample with a weight
 * (or past the width, where there are fewer).
 */
static void pull_inside(sm_taps *taps)
{
    uint32_t count = taps->axis.count, width = taps->width, end = taps->ends[count - 1];
    uint32_t last_start = end > width ? end - width : 0;
    for (uint32_t i = count; i-- > 0 && taps->starts[i] > last_start;)
        move_start(taps, i, taps->starts[i] - last_start);
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Fills scratch with output i's weights, which add up to 1; returns their number. */
static uint32_t weights_of(double *scratch, uint32_t *begin, const sampling *s, uint32_t i)
{
    uint32_t end;
    double centre = window(begin, &end, s, i), sum = 0.0;
    uint32_t count = end - *begin;
    sample_filter(scratch, s, centre, *begin, count);
    for (uint32_t t = 0; t < count; t++) sum += scratch[t];
    if (!(sum > 0.0)) { /* between samples that are all past an end: the nearest one */
        scratch[0] = 1.0;
        return 1;
    }
    const double share = 1.0 / sum;
    for (uint32_t t = 0; t < count; t++) scratch[t] *= share;
    return count;
}

/* The weights of all outputs before they are rounded, and what decides the form of the table. */
typedef struct draft {
    double *weights; /* room of them for each output */
    size_t room;
    uint32_t widest; /* taps of one output, from where it may start */
    double largest;  /* weight */
} draft;

static sm_status make_draft(draft *d, sm_taps *taps, const sampling *s, uint32_t align)
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
        used += taps->starts[i] % align;
        if (used > d->widest) d->widest = used;
        for (uint32_t t = 0; t < taps->ends[i] - taps->starts[i]; t++)
            if (fabs(weights[t]) > d->largest) d->largest = fabs(weights[t]);
    }
    return SM_OK;
}

static bool lie_near(const sm_taps *taps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t fourth = i + 3 < count ? i + 3 : count - 1;
        if (taps->starts[fourth] - taps->starts[i] > SM_TAPS_NEAR) return false;
    }
    return true;
}

static uint32_t widest_group(const sm_taps *taps)
{
    uint32_t widest = 0;
    for (uint32_t i = 0; i < taps->axis.count; i += SM_TAPS_GROUP) {
        uint32_t reach = taps->ends[i + SM_TAPS_GROUP - 1] - taps->starts[i];
        if (reach > widest) widest = reach;
    }
    return widest;
}

static void fill_table(sm_taps *taps, const draft *d, uint32_t align)
{
    const double unit = (double)(1L << taps->shift);
    uint32_t count = taps->axis.count;
    memset(taps->weights, 0, (size_t)count * taps->width * sizeof *taps->weights);
    for (uint32_t i = 0; i < count; i++)
        quantise(taps->weights + (size_t)i * taps->width, d->weights + d->room * i,
                 taps->ends[i] - taps->starts[i], unit);
    if (align == 1) pull_inside(taps);
    taps->begin = taps->starts[0];
    taps->end = taps->ends[count - 1];
    for (uint32_t i = 0; i < count && align > 1; i++)
        if (taps->starts[i] % align != 0) move_start(taps, i, taps->starts[i] % align);
    fill_up(taps);
    taps->reach = widest_group(taps);
}

sm_status sm_taps_make(sm_taps *taps, const sm_axis *axis, const sm_taps_use *use)
{
    sampling s = sampling_of(axis);
    draft d = {0};
    bool grouped = false;
    taps->axis.count = 0; /* until it is whole */
    sm_status status = take_outputs(taps, axis->count);
    if (status == SM_OK) status = make_draft(&d, taps, &s, use->align);
    if (status == SM_OK) {
        taps->near = lie_near(taps, axis->count);
        taps->width = round_up(d.widest, taps->near ? 2 : 8);
        taps->shift = shift_for(d.largest, use->max_shift);
        grouped = taps->near && use->arrange != NULL;
        status = take_weights(taps, axis->count, grouped);
    }
    if (status == SM_OK) {
        taps->axis = *axis;
        fill_table(taps, &d, use->align);
        if (grouped) use->arrange(taps);
    }
    free(d.weights);
    return status;
}

void sm_taps_free(sm_taps *taps)
{
    free(taps->starts);
    free(taps->ends);
    free(taps->weights);
    free(taps->groups);
    *taps = (sm_taps){0};
}

size_t sm_taps_memory(const sm_taps *taps)
{
    return taps->outputs_cap * 2 * sizeof *taps->starts +
           taps->weights_cap * sizeof *taps->weights + taps->groups_cap;
}
