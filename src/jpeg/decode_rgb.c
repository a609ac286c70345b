/*
 * Planes to pixels as libjpeg makes them: each missing sample of chroma is 3/4 of the nearer and
 * 1/4 of the farther of its neighbours along each axis ("fancy upsampling"), and where there are
 * none, at the picture's edges, the nearer alone.
 */
#include "jpeg/decode_state.h"

#include <string.h>

enum {
    ROWS_BYTES = 128 * 1024, /* of pixels at a time, but at least one row */
    ROWS_MAX = 16
};

/* Otherwise samples are repeated: so libjpeg does with pictures at 1/8 and with narrow ones. */
static bool is_fancy(const smj_decoder *d, const smj_component_plane *p)
{
    return d->eighths > 1 && (p->expand_x == 1 || p->width > 2);
}

/* A window of the pixels, counted in samples, with the neighbours that upsampling looks at. */
static void place_window(smj_component_plane *p, const smj_window *w)
{
    p->window.left = w->left / p->expand_x;
    p->window.top = w->top / p->expand_y;
    p->window.right = (w->right - 1) / p->expand_x + 1;
    p->window.bottom = (w->bottom - 1) / p->expand_y + 1;
    if (p->expand_x > 1) {
        if (p->window.left > 0) p->window.left--;
        if (p->window.right < p->width) p->window.right++;
    }
    if (p->expand_y > 1) {
        if (p->window.top > 0) p->window.top--;
        if (p->window.bottom < p->height) p->window.bottom++;
    }
}

static bool take_pixels(smj_decoder *d)
{
    const uint32_t mcu_cols = 8 * d->frame.max_across * d->eighths / 8;
    const size_t width = (size_t)(d->end_mcu - d->first_mcu) * mcu_cols;
    const size_t line = (width + SMJ_PLANE_SLACK + 63) / 64 * 64;
    d->pixels_stride = 4 * line;
    d->pixels_rows = ROWS_BYTES / d->pixels_stride;
    if (d->pixels_rows > ROWS_MAX) d->pixels_rows = ROWS_MAX;
    if (d->pixels_rows < 1) d->pixels_rows = 1;
    const size_t size = d->pixels_rows * d->pixels_stride + SMJ_DECODE_COMPONENTS * line;
    if (!smj_take_memory(&d->pixel_memory, &d->pixel_memory_cap, size)) return false;
    d->pixels = d->pixel_memory + SMJ_DECODE_COMPONENTS * line;
    for (int c = 0; c < SMJ_DECODE_COMPONENTS; c++)
        d->lines[c] = d->pixel_memory + (size_t)c * line;
    return true;
}

smj_status smj_decode_start_rgb(smj_decoder *decoder, unsigned eighths, const smj_window *window)
{
    smj_decoder *d = decoder;
    d->status = smj_set_planes(d, eighths);
    if (d->status != SMJ_OK) return d->status;
    const uint32_t width = (uint32_t)(((uint64_t)d->frame.width * eighths + 7) / 8);
    const uint32_t height = (uint32_t)(((uint64_t)d->frame.height * eighths + 7) / 8);
    if (window->left >= window->right || window->right > width || window->top >= window->bottom ||
        window->bottom > height)
        return d->status = SMJ_ERR_ARGUMENT;
    for (int c = 0; c < d->frame.count; c++) place_window(&d->planes[c], window);
    d->window = *window;
    d->pixel_row = d->pixel_limit = window->top;
    d->status = smj_begin_planes(d, eighths);
    if (d->status == SMJ_OK && !take_pixels(d)) d->status = SMJ_ERR_MEMORY;
    return d->status;
}

/* ---- The next MCU row ------------------------------------------------------------------------ */

/* What stands beside the picture's edges is what the edge is. */
static void extend(const smj_decoder *d, smj_component_plane *p)
{
    const size_t columns = (size_t)(d->end_mcu - d->first_mcu) * p->mcu_cols;
    const size_t left = p->width - p->first_column; /* up to the edge */
    for (uint32_t y = 0; y < p->mcu_rows; y++) {
        uint8_t *row = p->rows + p->stride * y;
        if (p->first_column == 0) row[-1] = row[0];
        if (left <= columns) row[left] = row[left - 1];
    }
}

static smj_status read_mcu_row(smj_decoder *d)
{
    uint32_t row;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component_plane *p = &d->planes[c];
        memcpy(p->memory, p->memory + p->stride * p->mcu_rows, p->stride);
    }
    if (smj_decode_next_row(d, &row) != SMJ_OK) return d->status;
    bool waits = false; /* for the samples below the last row */
    for (int c = 0; c < d->frame.count; c++) {
        smj_component_plane *p = &d->planes[c];
        extend(d, p);
        p->first_row = row * p->mcu_rows;
        waits |= p->expand_y > 1;
    }
    const uint32_t rows = d->frame.max_down * d->eighths;
    d->pixel_limit = (row + 1) * rows - waits;
    if (row + 1 >= d->end_row || d->pixel_limit > d->window.bottom)
        d->pixel_limit = d->window.bottom;
    return SMJ_OK;
}

/* ---- One row of pixels ----------------------------------------------------------------------- */

/* A plane's row, which is of the MCU row at hand or the last of the one before. */
static const uint8_t *plane_row(const smj_component_plane *p, uint32_t row)
{
    return p->rows + (ptrdiff_t)p->stride * ((ptrdiff_t)row - (ptrdiff_t)p->first_row);
}

static void repeat(uint8_t *out, const uint8_t *in, uint32_t times, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < times; k++) *out++ = in[i];
}

/* The component's samples for a row of pixels; the first is of the MCUs' first column. */
static const uint8_t *samples_of(smj_decoder *d, int c, uint32_t y)
{
    const smj_component_plane *p = &d->planes[c];
    const smj_decode_kernels *kernels = d->kernels;
    const size_t count = (size_t)(d->end_mcu - d->first_mcu) * p->mcu_cols;
    const uint32_t row = y / p->expand_y;
    const uint8_t *near = plane_row(p, row), *far = near;
    uint8_t *line = d->lines[c];
    if (p->expand_x == 1 && p->expand_y == 1) return near;
    if (!is_fancy(d, p)) {
        repeat(line, near, p->expand_x, count);
        return line;
    }
    const bool upper = p->expand_y > 1 && y % 2 == 0;
    if (upper && row > 0) far = near - p->stride;
    if (p->expand_y > 1 && !upper && row + 1 < p->height) far = near + p->stride;
    if (p->expand_y == 1)
        kernels->upsample_x(line, near, count);
    else if (p->expand_x == 1)
        kernels->upsample_y(line, near, far, upper, count);
    else
        kernels->upsample_xy(line, near, far, count);
    return line;
}

static void make_row(smj_decoder *d, uint8_t *to, uint32_t y)
{
    const uint8_t *samples[SMJ_DECODE_COMPONENTS] = {NULL};
    const uint32_t mcu_cols = d->frame.max_across * d->eighths;
    const size_t skipped = d->window.left - d->first_mcu * mcu_cols;
    for (int c = 0; c < d->frame.count; c++) samples[c] = samples_of(d, c, y) + skipped;
    d->kernels->convert(to, samples[0], samples[1], samples[2], d->window.right - d->window.left);
}

smj_status smj_decode_read_rgb(smj_decoder *decoder, smj_plane *pixels)
{
    smj_decoder *d = decoder;
    if (d->status != SMJ_OK) return d->status;
    while (d->pixel_row >= d->pixel_limit && d->pixel_row < d->window.bottom)
        if (read_mcu_row(d) != SMJ_OK) return d->status;
    *pixels = (smj_plane){d->pixels, d->pixels_stride, d->window.left, d->pixel_row, 0};
    while (pixels->rows < d->pixels_rows && d->pixel_row < d->pixel_limit)
        make_row(d, d->pixels + d->pixels_stride * pixels->rows++, d->pixel_row++);
    return SMJ_OK;
}
