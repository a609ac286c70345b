/* Resizing planes: against plain floating point, and every implementation against the portable one.
 */
#include "image/resize.h"

#include "image_formula.h"
#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct task {
    sm_geometry geometry;
    sm_filter filter;
    sm_plane planes[SM_PLANES_MAX];
    uint8_t *samples[SM_PLANES_MAX]; /* of the source */
    uint32_t columns[SM_PLANES_MAX], rows[SM_PLANES_MAX];
    unsigned count;
} task;

static uint32_t below(uint32_t *random, uint32_t limit)
{
    return sample_random(random) % limit;
}

static uint32_t samples_of(uint32_t pixels, unsigned sixteenths)
{
    return (pixels * sixteenths + 15) / 16;
}

/* Planes as decoders give them: of full size or half of it, all perhaps at a smaller scale. */
static task random_task(uint32_t *random, uint32_t most)
{
    const unsigned scale = 16u >> below(random, 3);
    task t = {.filter = (sm_filter)below(random, 4), .count = 1 + 2 * below(random, 2)};
    sm_geometry *g = &t.geometry;
    g->source_width = 1 + below(random, most);
    g->source_height = 1 + below(random, most);
    g->resized_width = 1 + below(random, most / 2);
    g->resized_height = 1 + below(random, most / 2);
    g->cut_x = below(random, g->resized_width);
    g->cut_y = below(random, g->resized_height);
    g->cut_width = 1 + below(random, g->resized_width - g->cut_x);
    g->cut_height = 1 + below(random, g->resized_height - g->cut_y);
    for (unsigned i = 0; i < t.count; i++) {
        sm_plane *p = &t.planes[i];
        p->across = i == 0 ? scale : scale >> below(random, 2);
        p->down = i == 0 ? scale : scale >> below(random, 2);
        t.columns[i] = samples_of(g->source_width, p->across);
        t.rows[i] = samples_of(g->source_height, p->down);
        const size_t size = (size_t)t.columns[i] * t.rows[i];
        t.samples[i] = malloc(size);
        const bool harsh = below(random, 2) == 0;
        for (size_t k = 0; k < size; k++) {
            const uint32_t value = sample_random(random);
            t.samples[i][k] = (uint8_t)(harsh ? (value % 2) * 255 : value);
        }
    }
    return t;
}

static void free_task(task *t)
{
    for (unsigned i = 0; i < t->count; i++) free(t->samples[i]);
}

/* Pushes a few rows of the window, in memory of their own with just the padding agreed on. */
static void push_some(sm_resizer *resizer, const task *t, unsigned plane, const sm_window *w,
                      uint32_t row, uint32_t rows)
{
    const uint32_t width = w->right - w->left;
    uint8_t *copy = malloc((size_t)width * rows + SM_ROW_PADDING);
    memset(copy + (size_t)width * rows, 0xa5, SM_ROW_PADDING);
    for (uint32_t i = 0; i < rows; i++)
        memcpy(copy + (size_t)width * i,
               t->samples[plane] + (size_t)(row + i) * t->columns[plane] + w->left, width);
    const sm_strip strip = {copy, width, w->left, row, rows};
    sm_resizer_push_plane(resizer, plane, &strip);
    free(copy);
}

/* The planes one behind another, in exactly the memory that they need; the caller frees it. */
static uint8_t *resize(sm_resizer *resizer, const task *t, uint32_t *random)
{
    const sm_geometry *g = &t->geometry;
    const size_t size = (size_t)g->cut_width * g->cut_height;
    uint8_t *out = malloc(size * t->count);
    sm_plane planes[SM_PLANES_MAX];
    for (unsigned i = 0; i < t->count; i++) {
        planes[i] = t->planes[i];
        planes[i].out = out + size * i;
        planes[i].stride = g->cut_width;
    }
    sm_window w[SM_PLANES_MAX];
    assert_int_equal(sm_resizer_begin_planes(resizer, w, g, t->filter, planes, t->count), SM_OK);
    uint32_t next[SM_PLANES_MAX], left = 0;
    for (unsigned i = 0; i < t->count; i++) {
        assert_true(w[i].left < w[i].right && w[i].right <= t->columns[i]);
        assert_true(w[i].top < w[i].bottom && w[i].bottom <= t->rows[i]);
        next[i] = w[i].top;
        left += w[i].bottom - w[i].top;
    }
    for (unsigned i = below(random, t->count); left > 0; i = (i + 1) % t->count) {
        uint32_t rows = below(random, 20);
        if (rows > w[i].bottom - next[i]) rows = w[i].bottom - next[i];
        assert_false(sm_resizer_is_done(resizer));
        if (rows > 0) push_some(resizer, t, i, &w[i], next[i], rows);
        next[i] += rows;
        left -= rows;
    }
    assert_true(sm_resizer_is_done(resizer));
    return out;
}

static void test_all_implementations_agree(void **state)
{
    (void)state;
    uint32_t random = 17;
    sm_resizer *portable, *best;
    assert_int_equal(sm_resizer_new(&portable, true), SM_OK);
    assert_int_equal(sm_resizer_new(&best, false), SM_OK);
    for (int i = 0; i < 500; i++) {
        task t = random_task(&random, i % 10 == 0 ? 1500 : 120);
        const sm_geometry *g = &t.geometry;
        uint8_t *a = resize(portable, &t, &random);
        uint8_t *b = resize(best, &t, &random);
        assert_memory_equal(a, b, (size_t)g->cut_width * g->cut_height * t.count);
        free(a);
        free(b);
        free_task(&t);
    }
    sm_resizer_free(portable);
    sm_resizer_free(best);
}

/* ---- Against the formulas -------------------------------------------------------------------- */

/* The weights of output i over count samples, each of which stands for 16 / sixteenths pixels. */
static double *weights_of(uint32_t count, sm_filter filter, uint32_t pixels, unsigned sixteenths,
                          uint32_t resized, uint32_t i)
{
    double *weights = malloc(count * sizeof *weights), sum = 0.0;
    const double step = pixels * (sixteenths / 16.0) / resized, centre = (i + 0.5) * step;
    for (uint32_t k = 0; k < count; k++)
        sum += weights[k] = formula_at(filter, k + 0.5 - centre, step);
    for (uint32_t k = 0; k < count; k++) weights[k] /= sum;
    return weights;
}

static double expected(const task *t, unsigned plane, uint32_t x, uint32_t y)
{
    const sm_geometry *g = &t->geometry;
    const uint32_t columns = t->columns[plane], rows = t->rows[plane];
    double *wx = weights_of(columns, t->filter, g->source_width, t->planes[plane].across,
                            g->resized_width, g->cut_x + x);
    double *wy = weights_of(rows, t->filter, g->source_height, t->planes[plane].down,
                            g->resized_height, g->cut_y + y);
    double sum = 0.0;
    for (uint32_t j = 0; j < rows; j++) {
        double row = 0.0;
        for (uint32_t k = 0; wy[j] != 0.0 && k < columns; k++)
            row += wx[k] * t->samples[plane][(size_t)j * columns + k];
        sum += wy[j] * row;
    }
    free(wx);
    free(wy);
    return fmin(fmax(sum, 0.0), 255.0);
}

static void test_within_a_level_of_the_formula(void **state)
{
    (void)state;
    uint32_t random = 19;
    sm_resizer *resizer;
    assert_int_equal(sm_resizer_new(&resizer, false), SM_OK);
    for (int i = 0; i < 150; i++) {
        task t = random_task(&random, i % 10 == 0 ? 900 : 60);
        const sm_geometry *g = &t.geometry;
        uint8_t *out = resize(resizer, &t, &random);
        for (int k = 0; k < 60; k++) {
            const uint32_t x = below(&random, g->cut_width), y = below(&random, g->cut_height);
            const unsigned plane = below(&random, t.count);
            const double want = expected(&t, plane, x, y);
            const double got = out[((size_t)plane * g->cut_height + y) * g->cut_width + x];
            if (fabs(want - got) > 0.75) fail_msg("%f, not %f", got, want);
        }
        free(out);
        free_task(&t);
    }
    sm_resizer_free(resizer);
}

/* Where the size is kept, full planes stay as they are, and halved chroma is widened by three
 * quarters of the near sample and one of the far one, as decoders do it. */
static void test_same_size(void **state)
{
    (void)state;
    uint32_t random = 23;
    sm_resizer *resizer;
    assert_int_equal(sm_resizer_new(&resizer, false), SM_OK);
    uint8_t luma[4 * 6], chroma[4 * 3];
    for (size_t i = 0; i < sizeof luma; i++) luma[i] = (uint8_t)sample_random(&random);
    for (size_t i = 0; i < sizeof chroma; i++) chroma[i] = (uint8_t)sample_random(&random);
    task t = {.geometry = {.source_width = 6,
                           .source_height = 4,
                           .resized_width = 6,
                           .resized_height = 4,
                           .cut_width = 6,
                           .cut_height = 4},
              .filter = SM_FILTER_TRIANGLE,
              .planes = {{.across = 16, .down = 16}, {.across = 8, .down = 16}},
              .samples = {luma, chroma},
              .columns = {6, 3},
              .rows = {4, 4},
              .count = 2};
    uint8_t *out = resize(resizer, &t, &random);
    assert_memory_equal(out, luma, sizeof luma);
    for (size_t y = 0; y < 4; y++) {
        const uint8_t *from = chroma + 3 * y, *to = out + sizeof luma + 6 * y;
        for (size_t x = 0; x < 6; x++) {
            const size_t far = x % 2 == 0 ? (x == 0 ? 0 : x / 2 - 1) : (x == 5 ? 2 : x / 2 + 1);
            const double want = (3.0 * from[x / 2] + from[far]) / 4;
            if (fabs(to[x] - want) > 0.51) fail_msg("%u, not %f", to[x], want);
        }
    }
    free(out);
    sm_resizer_free(resizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_implementations_agree),
        cmocka_unit_test(test_within_a_level_of_the_formula),
        cmocka_unit_test(test_same_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
