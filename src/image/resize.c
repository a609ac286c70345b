#include "image/resize.h"

#include "image/resize_kernels.h"

#include <stdlib.h>
#include <string.h>

/* Tables kept for each axis: pictures of a set share few sizes, and a table costs as much as the
 * resize itself. */
enum { TABLES = 8 };

typedef struct table_cache {
    sm_taps tables[TABLES];
    unsigned next; /* to be replaced */
} table_cache;

struct sm_resizer {
    const sm_resize_kernels *kernels;
    table_cache cache_x, cache_y;
    const sm_taps *x, *y; /* of this picture; NULL when it keeps its size */

    int16_t *ring; /* ring_rows rows, resized along x */
    size_t ring_cap;
    size_t ring_stride; /* samples */
    uint32_t ring_rows;
    const int16_t **rows; /* for the kernel: the ring's rows in order */
    size_t rows_cap;

    uint8_t *out;
    size_t out_stride;
    uint32_t width, height; /* of the outcome */
    uint32_t done;          /* rows of it */
    sm_window window;
};

sm_status sm_resizer_new(sm_resizer **resizer, bool portable)
{
    sm_resizer *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    const sm_resize_kernels *avx2 = portable ? NULL : sm_resize_avx2();
    made->kernels = avx2 != NULL ? avx2 : &sm_resize_portable;
    *resizer = made;
    return SM_OK;
}

void sm_resizer_free(sm_resizer *resizer)
{
    if (resizer == NULL) return;
    for (int i = 0; i < TABLES; i++) {
        sm_taps_free(&resizer->cache_x.tables[i]);
        sm_taps_free(&resizer->cache_y.tables[i]);
    }
    free(resizer->ring);
    free(resizer->rows);
    free(resizer);
}

static bool same_axis(const sm_axis *a, const sm_axis *b)
{
    return a->extent == b->extent && a->source == b->source && a->resized == b->resized &&
           a->first == b->first && a->count == b->count && a->filter == b->filter;
}

static sm_status find_table(const sm_taps **taps, table_cache *cache, const sm_axis *axis,
                            int max_shift, bool spread)
{
    for (int i = 0; i < TABLES; i++) {
        if (same_axis(&cache->tables[i].axis, axis)) {
            *taps = &cache->tables[i];
            return SM_OK;
        }
    }
    sm_taps *oldest = &cache->tables[cache->next];
    cache->next = (cache->next + 1) % TABLES;
    sm_status status = sm_taps_make(oldest, axis, max_shift, spread);
    if (status == SM_OK) *taps = oldest;
    return status;
}

/* Room for as many rows as the tallest output row needs. */
static sm_status take_ring(sm_resizer *r)
{
    r->ring_rows = r->y->width;
    r->ring_stride = (size_t)r->width * 3 + SM_RESIZE_ROW_SLACK;
    if (r->ring_stride > SIZE_MAX / sizeof *r->ring / r->ring_rows)
        return sm_fail(SM_ERR_LIMIT, "a picture is too large to resize");

    size_t samples = r->ring_stride * r->ring_rows;
    if (samples > r->ring_cap) {
        free(r->ring);
        r->ring_cap = 0;
        r->ring = malloc(samples * sizeof *r->ring);
        if (r->ring == NULL) return sm_fail_memory(samples * sizeof *r->ring);
        r->ring_cap = samples;
    }
    if (r->ring_rows > r->rows_cap) {
        const int16_t **rows = realloc(r->rows, r->ring_rows * sizeof *rows);
        if (rows == NULL) return sm_fail_memory(r->ring_rows * sizeof *rows);
        r->rows = rows;
        r->rows_cap = r->ring_rows;
    }
    return SM_OK;
}

static sm_axis axis_of(uint32_t source, uint32_t resized, uint32_t first, uint32_t count,
                       sm_filter filter, unsigned eighths)
{
    return (sm_axis){.extent = (double)source * eighths / 8.0,
                     .source = (uint32_t)(((uint64_t)source * eighths + 7) / 8),
                     .resized = resized,
                     .first = first,
                     .count = count,
                     .filter = filter};
}

sm_status sm_resizer_begin(sm_resizer *resizer, sm_window *window, const sm_geometry *geometry,
                           sm_filter filter, unsigned eighths, uint8_t *out, size_t stride)
{
    sm_resizer *r = resizer;
    const sm_geometry *g = geometry;
    r->out = out;
    r->out_stride = stride;
    r->width = g->cut_width;
    r->height = g->cut_height;
    r->done = 0;
    r->x = r->y = NULL;
    r->window = (sm_window){g->cut_x, g->cut_y, g->cut_x + g->cut_width, g->cut_y + g->cut_height};

    bool keeps_size = eighths == 8 && g->resized_width == g->source_width &&
                      g->resized_height == g->source_height;
    if (!keeps_size) {
        sm_axis x =
            axis_of(g->source_width, g->resized_width, g->cut_x, g->cut_width, filter, eighths);
        sm_axis y =
            axis_of(g->source_height, g->resized_height, g->cut_y, g->cut_height, filter, eighths);
        sm_status status =
            find_table(&r->x, &r->cache_x, &x, SM_RESIZE_X_SHIFT, r->kernels->spread);
        if (status == SM_OK) status = find_table(&r->y, &r->cache_y, &y, SM_RESIZE_Y_SHIFT, false);
        if (status == SM_OK) status = take_ring(r);
        if (status != SM_OK) return status;
        r->window = (sm_window){r->x->begin, r->y->begin, r->x->end, r->y->end};
    }
    *window = r->window;
    return SM_OK;
}

static void copy_row(sm_resizer *r, const uint8_t *pixels)
{
    uint8_t *out = r->out + r->out_stride * r->done;
    for (size_t i = 0; i < r->width; i++) {
        out[3 * i] = pixels[4 * i];
        out[3 * i + 1] = pixels[4 * i + 1];
        out[3 * i + 2] = pixels[4 * i + 2];
    }
    r->done++;
}

static int16_t *ring_row(const sm_resizer *r, uint32_t row)
{
    return r->ring + r->ring_stride * (row % r->ring_rows);
}

/* Writes every output row whose last source row is row. */
static void emit_rows(sm_resizer *r, uint32_t row)
{
    const sm_taps *y = r->y;
    while (r->done < r->height && y->ends[r->done] <= row + 1) {
        uint32_t start = y->starts[r->done];
        uint32_t taps = y->ends[r->done] - start;
        for (uint32_t t = 0; t < taps; t++) r->rows[t] = ring_row(r, start + t);
        if (taps % 2 != 0) r->rows[taps] = r->rows[taps - 1]; /* its weight is 0 */
        r->kernels->along_y(r->out + r->out_stride * r->done, r->rows,
                            y->weights + (size_t)r->done * y->width, (taps + 1) / 2 * 2, y->shift,
                            (size_t)r->width * 3);
        r->done++;
    }
}

void sm_resizer_push(sm_resizer *resizer, const sm_strip *strip)
{
    sm_resizer *r = resizer;
    for (uint32_t i = 0; i < strip->rows; i++) {
        uint32_t row = strip->first_row + i;
        if (row < r->window.top || row >= r->window.bottom) continue;
        const uint8_t *pixels = strip->pixels + strip->stride * i;
        if (r->x == NULL) {
            copy_row(r, pixels + (size_t)(r->window.left - strip->first_column) * 4);
        } else {
            r->kernels->along_x(ring_row(r, row), pixels, r->x, strip->first_column);
            emit_rows(r, row);
        }
    }
}

bool sm_resizer_is_done(const sm_resizer *resizer)
{
    return resizer->done == resizer->height;
}

static size_t cache_memory(const table_cache *cache)
{
    size_t sum = 0;
    for (int i = 0; i < TABLES; i++) {
        const sm_taps *t = &cache->tables[i];
        sum += t->outputs_cap * 2 * sizeof *t->starts;
        sum += (t->weights_cap + t->spread_cap) * sizeof *t->weights;
    }
    return sum;
}

size_t sm_resizer_memory(const sm_resizer *resizer)
{
    return sizeof *resizer + cache_memory(&resizer->cache_x) + cache_memory(&resizer->cache_y) +
           resizer->ring_cap * sizeof *resizer->ring + resizer->rows_cap * sizeof *resizer->rows;
}
