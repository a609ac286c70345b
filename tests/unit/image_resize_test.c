/* Resizing: against plain floating point, and every implementation against the portable one. */
#include "image/resize.h"

#include "image_formula.h"
#include "image_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct task {
    sm_geometry geometry;
    sm_filter filter;
    unsigned eighths;
    uint32_t columns, rows; /* of the decoded picture */
} task;

static task random_task(uint32_t *random, uint32_t most)
{
    static const unsigned scales[] = {8, 8, 4, 2, 1};
    task t = {.filter = (sm_filter)(sample_random(random) % 4),
              .eighths = scales[sample_random(random) % 5]};
    sm_geometry *g = &t.geometry;
    g->source_width = 1 + sample_random(random) % most;
    g->source_height = 1 + sample_random(random) % most;
    g->resized_width = 1 + sample_random(random) % (most / 2);
    g->resized_height = 1 + sample_random(random) % (most / 2);
    g->cut_x = sample_random(random) % g->resized_width;
    g->cut_y = sample_random(random) % g->resized_height;
    g->cut_width = 1 + sample_random(random) % (g->resized_width - g->cut_x);
    g->cut_height = 1 + sample_random(random) % (g->resized_height - g->cut_y);
    t.columns = (g->source_width * t.eighths + 7) / 8;
    t.rows = (g->source_height * t.eighths + 7) / 8;
    return t;
}

/* The picture that is resized; the caller frees it. */
static uint8_t *make_rgbx(const task *t, uint32_t *random)
{
    size_t bytes = (size_t)t->columns * t->rows * 4 + SM_ROW_PADDING;
    uint8_t *pixels = malloc(bytes);
    bool harsh = sample_random(random) % 2 == 0;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t value = sample_random(random);
        pixels[i] = (uint8_t)(harsh ? (value % 2) * 255 : value);
    }
    return pixels;
}

/*
 * Pushes exactly the window, each strip in memory of its own with just the padding that is agreed,
 * so that a read outside of it is found.
 */
static void push_window(sm_resizer *resizer, const task *t, const sm_window *w,
                        const uint8_t *pixels, uint32_t *random)
{
    uint32_t width = w->right - w->left;
    for (uint32_t row = w->top; row < w->bottom;) {
        uint32_t rows = 1 + sample_random(random) % 20;
        if (rows > w->bottom - row) rows = w->bottom - row;
        uint8_t *copy = malloc((size_t)width * rows * 4 + SM_ROW_PADDING);
        memset(copy + (size_t)width * rows * 4, 0xa5, SM_ROW_PADDING);
        for (uint32_t i = 0; i < rows; i++)
            memcpy(copy + (size_t)width * 4 * i,
                   pixels + ((size_t)(row + i) * t->columns + w->left) * 4, (size_t)width * 4);
        sm_strip strip = {copy, (size_t)width * 4, w->left, row, rows};
        sm_resizer_push(resizer, &strip);
        free(copy);
        row += rows;
    }
}

static uint8_t *resize(sm_resizer *resizer, const task *t, const uint8_t *pixels, uint32_t *random)
{
    const sm_geometry *g = &t->geometry;
    sm_window w;
    size_t stride = (size_t)g->cut_width * 3;
    uint8_t *out = malloc(stride * g->cut_height);
    assert_int_equal(sm_resizer_begin(resizer, &w, g, t->filter, t->eighths, out, stride), SM_OK);
    assert_true(w.left < w.right && w.right <= t->columns);
    assert_true(w.top < w.bottom && w.bottom <= t->rows);
    push_window(resizer, t, &w, pixels, random);
    assert_true(sm_resizer_is_done(resizer));
    return out;
}

static void test_all_implementations_agree(void **state)
{
    (void)state;
    uint32_t random = 7;
    sm_resizer *portable, *best;
    assert_int_equal(sm_resizer_new(&portable, true), SM_OK);
    assert_int_equal(sm_resizer_new(&best, false), SM_OK);
    for (int i = 0; i < 600; i++) {
        task t = random_task(&random, i % 10 == 0 ? 1500 : 120);
        uint8_t *pixels = make_rgbx(&t, &random);
        uint8_t *a = resize(portable, &t, pixels, &random);
        uint8_t *b = resize(best, &t, pixels, &random);
        assert_memory_equal(a, b, (size_t)t.geometry.cut_width * t.geometry.cut_height * 3);
        free(a);
        free(b);
        free(pixels);
    }
    assert_true(sm_resizer_memory(best) > 0);
    sm_resizer_free(portable);
    sm_resizer_free(best);
}

/* ---- Against the formulas -------------------------------------------------------------------- */

/* The weights of output i over the whole source. */
static void weights_of(double *weights, const task *t, uint32_t i, bool across)
{
    const sm_geometry *g = &t->geometry;
    uint32_t count = across ? t->columns : t->rows;
    double extent = (across ? g->source_width : g->source_height) * (double)t->eighths / 8.0;
    double step = extent / (across ? g->resized_width : g->resized_height);
    double centre = (i + 0.5) * step, sum = 0.0;
    for (uint32_t k = 0; k < count; k++)
        sum += weights[k] = formula_at(t->filter, k + 0.5 - centre, step);
    for (uint32_t k = 0; k < count; k++) weights[k] /= sum;
}

static double expected(const task *t, const uint8_t *pixels, const double *wx, const double *wy,
                       size_t channel)
{
    double sum = 0.0;
    for (size_t y = 0; y < t->rows; y++) {
        if (wy[y] == 0.0) continue;
        double row = 0.0;
        for (size_t x = 0; x < t->columns; x++)
            row += wx[x] * pixels[(y * t->columns + x) * 4 + channel];
        sum += wy[y] * row;
    }
    return fmin(fmax(sum, 0.0), 255.0);
}

static void test_within_a_level_of_the_formula(void **state)
{
    (void)state;
    uint32_t random = 11;
    sm_resizer *resizer;
    assert_int_equal(sm_resizer_new(&resizer, false), SM_OK);
    for (int i = 0; i < 120; i++) {
        task t = random_task(&random, i % 10 == 0 ? 900 : 60);
        const sm_geometry *g = &t.geometry;
        uint8_t *pixels = make_rgbx(&t, &random);
        uint8_t *out = resize(resizer, &t, pixels, &random);
        double *wx = malloc(t.columns * sizeof *wx), *wy = malloc(t.rows * sizeof *wy);
        for (int k = 0; k < 40; k++) {
            uint32_t x = sample_random(&random) % g->cut_width;
            uint32_t y = sample_random(&random) % g->cut_height;
            weights_of(wx, &t, g->cut_x + x, true);
            weights_of(wy, &t, g->cut_y + y, false);
            for (size_t c = 0; c < 3; c++) {
                double want = expected(&t, pixels, wx, wy, c);
                double got = out[((size_t)y * g->cut_width + x) * 3 + c];
                if (fabs(want - got) > 0.75) fail_msg("%f, not %f", got, want);
            }
        }
        free(wx);
        free(wy);
        free(out);
        free(pixels);
    }
    sm_resizer_free(resizer);
}

/* Same size in and out: the very same pixels, whichever filter. */
static void test_same_size_changes_nothing(void **state)
{
    (void)state;
    uint32_t random = 3;
    sm_resizer *resizer;
    assert_int_equal(sm_resizer_new(&resizer, false), SM_OK);
    task t = {.geometry = {.source_width = 50,
                           .source_height = 40,
                           .resized_width = 50,
                           .resized_height = 40,
                           .cut_x = 7,
                           .cut_y = 5,
                           .cut_width = 31,
                           .cut_height = 33},
              .eighths = 8,
              .columns = 50,
              .rows = 40};
    uint8_t *pixels = make_rgbx(&t, &random);
    uint8_t *out = resize(resizer, &t, pixels, &random);
    for (size_t i = 0; i < 31 * 33; i++)
        assert_memory_equal(out + 3 * i, pixels + ((i / 31 + 5) * 50 + i % 31 + 7) * 4, 3);
    free(out);
    free(pixels);
    sm_resizer_free(resizer);
}

/* A flat picture stays flat to the last bit, however it is resized. */
static void test_flat_stays_flat(void **state)
{
    (void)state;
    uint32_t random = 5;
    sm_resizer *resizer;
    assert_int_equal(sm_resizer_new(&resizer, false), SM_OK);
    for (int i = 0; i < 200; i++) {
        task t = random_task(&random, 200);
        uint8_t level = (uint8_t)sample_random(&random);
        size_t bytes = (size_t)t.columns * t.rows * 4 + SM_ROW_PADDING;
        uint8_t *pixels = malloc(bytes);
        memset(pixels, level, bytes);
        uint8_t *out = resize(resizer, &t, pixels, &random);
        for (size_t k = 0; k < (size_t)t.geometry.cut_width * t.geometry.cut_height * 3; k++)
            assert_int_equal(out[k], level);
        free(out);
        free(pixels);
    }
    sm_resizer_free(resizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_implementations_agree),
        cmocka_unit_test(test_within_a_level_of_the_formula),
        cmocka_unit_test(test_same_size_changes_nothing),
        cmocka_unit_test(test_flat_stays_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
