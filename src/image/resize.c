#include "image/resize.h"

#include "image/resize_kernels.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Tables kept for each axis: pictures of a set share sizes, and a table costs a tenth of a
     * resize. At least as many as a picture has planes. */
    TABLES = 32,
    COLOURS = 3,
    ALIGNMENT = 64
};

/* ---- Memory ---------------------------------------------------------------------------------- */

typedef struct block {
    void *data;
    size_t cap; /* bytes */
} block;

/* Makes a block of at least this size; what it held is lost when it grows. */
static sm_status take(block *b, size_t bytes)
{
    if (bytes <= b->cap) return SM_OK;
    free(b->data);
    b->cap = 0;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    b->data = aligned_alloc(ALIGNMENT, bytes);
    if (b->data == NULL) return sm_fail_memory(bytes);
    memset(b->data, 0, bytes); /* kernels look at bytes behind a row, whatever these are */
    b->cap = bytes;
    return SM_OK;
}

static size_t whole_blocks(size_t samples)
{
    return (samples + SM_RESIZE_BLOCK - 1) / SM_RESIZE_BLOCK * SM_RESIZE_BLOCK;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

typedef struct table_cache {
    sm_taps tables[TABLES];
    uint64_t used[TABLES]; /* when: a count of lookups */
    uint64_t now;
} table_cache;

static bool same_axis(const sm_axis *a, const sm_axis *b)
{
    return a->extent == b->extent && a->source == b->source && a->resized == b->resized &&
           a->first == b->first && a->count == b->count && a->filter == b->filter;
}

/* Finds or makes an axis's table, in place of the one that was not used for the longest time. */
static sm_status find_table(const sm_taps **taps, table_cache *cache, const sm_axis *axis,
                            const sm_taps_use *use)
{
    int oldest = 0;
    cache->now++;
    for (int i = 0; i < TABLES; i++) {
        if (same_axis(&cache->tables[i].axis, axis)) {
            cache->used[i] = cache->now;
            *taps = &cache->tables[i];
            return SM_OK;
        }
        if (cache->used[i] < cache->used[oldest]) oldest = i;
    }
    sm_status status = sm_taps_make(&cache->tables[oldest], axis, use);
    if (status != SM_OK) return status;
    cache->used[oldest] = cache->now;
    *taps = &cache->tables[oldest];
    return SM_OK;
}

static size_t cache_memory(const table_cache *cache)
{
    size_t sum = 0;
    for (int i = 0; i < TABLES; i++) sum += sm_taps_memory(&cache->tables[i]);
    return sum;
}

/* ---- The resizer ----------------------------------------------------------------------------- */

/* What is resized from one size to another: a plane, or the three colours of pixels. */
typedef struct lane {
    unsigned colours;     /* 3 for pixels, which are split into planes and joined again; or 1 */
    const sm_taps *x, *y; /* NULL when the size is kept */
    sm_window window;
    uint8_t *out;
    size_t out_stride;
    uint32_t width, height; /* of the outcome */
    uint32_t done;          /* rows of it */

    block ring;           /* ring_pairs pairs of rows, resized along x, one colour behind another */
    size_t pair_size;     /* 16-bit numbers of one colour */
    uint32_t ring_pairs;  /* a power of two */
    block rows;           /* of the source: two, split into colours; or one that waits */
    size_t row_size;      /* bytes of one colour */
    const uint8_t *upper; /* the row of an even number that waits for the one below it */
} lane;

struct sm_resizer {
    const sm_resize_kernels *kernels;
    table_cache cache_x, cache_y;
    lane lanes[SM_PLANES_MAX];
    unsigned count; /* of lanes in use */
    block pairs;    /* for along_y: the ring's pairs in order */
    block line;     /* a row of the outcome before it has its form */
};

sm_status sm_resizer_new(sm_resizer **resizer, bool portable)
{
    sm_resizer *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    const sm_resize_kernels *kernels = portable ? &sm_resize_portable : sm_resize_avx2();
    if (kernels == NULL) kernels = sm_resize_neon();
    made->kernels = kernels != NULL ? kernels : &sm_resize_portable;
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
    for (int i = 0; i < SM_PLANES_MAX; i++) {
        free(resizer->lanes[i].ring.data);
        free(resizer->lanes[i].rows.data);
    }
    free(resizer->pairs.data);
    free(resizer->line.data);
    free(resizer);
}

static sm_axis axis_of(uint32_t source, unsigned sixteenths, uint32_t resized, uint32_t first,
                       uint32_t count, sm_filter filter)
{
    return (sm_axis){.extent = (double)source * sixteenths / 16.0,
                     .source = (uint32_t)(((uint64_t)source * sixteenths + 15) / 16),
                     .resized = resized,
                     .first = first,
                     .count = count,
                     .filter = filter};
}

static sm_status find_tables(sm_resizer *r, lane *l, const sm_geometry *g, sm_filter filter,
                             const sm_plane *plane)
{
    const sm_taps_use along_x = {SM_RESIZE_X_SHIFT, 1, r->kernels->arrange};
    const sm_taps_use along_y = {SM_RESIZE_Y_SHIFT, 2, NULL};
    const sm_axis x =
        axis_of(g->source_width, plane->across, g->resized_width, g->cut_x, g->cut_width, filter);
    const sm_axis y =
        axis_of(g->source_height, plane->down, g->resized_height, g->cut_y, g->cut_height, filter);
    sm_status status = find_table(&l->x, &r->cache_x, &x, &along_x);
    return status == SM_OK ? find_table(&l->y, &r->cache_y, &y, &along_y) : status;
}

/* Room for as many pairs as the tallest output row needs, and for the rows that become them. */
static sm_status take_memory(sm_resizer *r, lane *l)
{
    l->row_size = whole_blocks(l->window.right - l->window.left) + SM_RESIZE_READ_AHEAD;
    sm_status status = take(&l->rows, l->row_size * l->colours * (l->colours > 1 ? 2 : 1));
    const size_t width = whole_blocks(l->width);
    if (status == SM_OK) status = take(&r->line, width * l->colours);
    if (status != SM_OK || l->x == NULL) return status;

    l->pair_size = width * SM_RESIZE_PAIR;
    l->ring_pairs = 1;
    while (l->ring_pairs < l->y->width / 2) l->ring_pairs *= 2;
    const size_t bytes = l->pair_size * l->colours * sizeof(int16_t);
    if (bytes > SIZE_MAX / 2 / l->ring_pairs)
        return sm_fail(SM_ERR_LIMIT, "a picture is too large to resize");
    status = take(&l->ring, bytes * l->ring_pairs);
    return status == SM_OK ? take(&r->pairs, l->ring_pairs * sizeof(int16_t *)) : status;
}

static sm_status begin_lane(sm_resizer *r, lane *l, sm_window *window, const sm_geometry *g,
                            sm_filter filter, const sm_plane *plane)
{
    l->out = plane->out;
    l->out_stride = plane->stride;
    l->width = g->cut_width;
    l->height = g->cut_height;
    l->done = 0;
    l->upper = NULL;
    l->x = l->y = NULL;
    l->window = (sm_window){g->cut_x, g->cut_y, g->cut_x + g->cut_width, g->cut_y + g->cut_height};

    bool keeps_size = plane->across == 16 && plane->down == 16 &&
                      g->resized_width == g->source_width && g->resized_height == g->source_height;
    if (!keeps_size) {
        sm_status status = find_tables(r, l, g, filter, plane);
        if (status != SM_OK) return status;
        l->window = (sm_window){l->x->begin, l->y->begin, l->x->end, l->y->end};
    }
    *window = l->window;
    return take_memory(r, l);
}

sm_status sm_resizer_begin(sm_resizer *resizer, sm_window *window, const sm_geometry *geometry,
                           sm_filter filter, unsigned eighths, uint8_t *out, size_t stride)
{
    const sm_plane pixels = {2 * eighths, 2 * eighths, out, stride};
    resizer->count = 1;
    resizer->lanes[0].colours = COLOURS;
    return begin_lane(resizer, &resizer->lanes[0], window, geometry, filter, &pixels);
}

sm_status sm_resizer_begin_planes(sm_resizer *resizer, sm_window windows[],
                                  const sm_geometry *geometry, sm_filter filter,
                                  const sm_plane planes[], unsigned count)
{
    resizer->count = count;
    for (unsigned i = 0; i < count; i++) {
        lane *l = &resizer->lanes[i];
        l->colours = 1;
        sm_status status = begin_lane(resizer, l, &windows[i], geometry, filter, &planes[i]);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static int16_t *ring_pair(const lane *l, uint32_t pair)
{
    return (int16_t *)l->ring.data + l->pair_size * l->colours * (pair & (l->ring_pairs - 1));
}

/* Puts colours of the row that comes out next, width bytes apart, into their place. */
static void finish_row(const sm_resizer *r, lane *l, const uint8_t *colours, size_t size)
{
    uint8_t *out = l->out + l->out_stride * l->done++;
    const uint8_t *const planes[COLOURS] = {colours, colours + size, colours + 2 * size};
    if (l->colours == COLOURS)
        r->kernels->join(out, planes, l->width);
    else if (out != colours)
        memcpy(out, colours, l->width);
}

/* Writes every output row whose last pair of source rows is this one. */
static void emit_rows(const sm_resizer *r, lane *l, uint32_t pair)
{
    const sm_taps *y = l->y;
    const int16_t **pairs = r->pairs.data;
    const size_t width = whole_blocks(l->width);
    for (; l->done < l->height && (y->ends[l->done] - 1) / 2 <= pair;) {
        const uint32_t first = y->starts[l->done] / 2;
        const uint32_t count = (y->ends[l->done] - 1) / 2 - first + 1;
        for (uint32_t p = 0; p < count; p++) pairs[p] = ring_pair(l, first + p);
        const bool direct = l->colours == 1 && width == l->width;
        uint8_t *to = direct ? l->out + l->out_stride * l->done : r->line.data;
        r->kernels->along_y(to, pairs, y->weights + (size_t)l->done * y->width, count, y->shift,
                            width * l->colours);
        finish_row(r, l, to, width);
    }
}

/* Takes a pair of source rows, whose colours are row_size apart. A pair that no output needs is
 * passed over: two taps of a large picture leave out many. */
static void take_pair(const sm_resizer *r, lane *l, uint32_t pair, const uint8_t *upper,
                      const uint8_t *lower)
{
    if (l->done == l->height || l->y->starts[l->done] / 2 > pair) return;
    int16_t *to = ring_pair(l, pair);
    for (size_t c = 0; c < l->colours; c++)
        r->kernels->along_x(to + l->pair_size * c, upper + l->row_size * c, lower + l->row_size * c,
                            l->window.left, l->x);
    emit_rows(r, l, pair);
}

/* A source row, from the window's first column on. At the window's ends a pair may lack a row,
 * which then has no weight: the other one stands in. */
static void take_row(const sm_resizer *r, lane *l, uint32_t row, const uint8_t *samples)
{
    if (l->x == NULL) {
        finish_row(r, l, samples, l->row_size);
    } else if (row % 2 == 0 && row + 1 < l->window.bottom) {
        l->upper = samples;
    } else {
        const bool alone = row % 2 == 0 || row == l->window.top;
        take_pair(r, l, row / 2, alone ? samples : l->upper, samples);
        l->upper = NULL;
    }
}

/* The rows of a strip that the lane needs: calls its own first and last. */
static bool rows_within(uint32_t *first, uint32_t *end, const lane *l, const sm_strip *strip)
{
    *first = strip->first_row > l->window.top ? strip->first_row : l->window.top;
    *end = strip->first_row + strip->rows;
    if (*end > l->window.bottom) *end = l->window.bottom;
    return *first < *end;
}

void sm_resizer_push(sm_resizer *resizer, const sm_strip *strip)
{
    lane *l = &resizer->lanes[0];
    uint32_t first, end;
    if (!rows_within(&first, &end, l, strip)) return;
    const uint8_t *pixels = strip->pixels + strip->stride * (first - strip->first_row) +
                            (size_t)(l->window.left - strip->first_column) * 4;
    for (uint32_t row = first; row < end; row++, pixels += strip->stride) {
        uint8_t *to = (uint8_t *)l->rows.data + l->row_size * COLOURS * (row % 2);
        uint8_t *const planes[COLOURS] = {to, to + l->row_size, to + 2 * l->row_size};
        resizer->kernels->split(planes, pixels, l->window.right - l->window.left);
        take_row(resizer, l, row, to);
    }
}

void sm_resizer_push_plane(sm_resizer *resizer, unsigned plane, const sm_strip *strip)
{
    lane *l = &resizer->lanes[plane];
    uint32_t first, end;
    if (!rows_within(&first, &end, l, strip)) return;
    const uint8_t *samples = strip->pixels + strip->stride * (first - strip->first_row) +
                             (l->window.left - strip->first_column);
    for (uint32_t row = first; row < end; row++, samples += strip->stride)
        take_row(resizer, l, row, samples);
    if (l->upper != NULL && l->upper != l->rows.data) /* the strip is about to go */
        l->upper = memcpy(l->rows.data, l->upper, l->window.right - l->window.left);
}

bool sm_resizer_is_done(const sm_resizer *resizer)
{
    for (unsigned i = 0; i < resizer->count; i++)
        if (resizer->lanes[i].done < resizer->lanes[i].height) return false;
    return true;
}

size_t sm_resizer_memory(const sm_resizer *resizer)
{
    size_t sum = sizeof *resizer + cache_memory(&resizer->cache_x) +
                 cache_memory(&resizer->cache_y) + resizer->pairs.cap + resizer->line.cap;
    for (int i = 0; i < SM_PLANES_MAX; i++)
        sum += resizer->lanes[i].ring.cap + resizer->lanes[i].rows.cap;
    return sum;
}
