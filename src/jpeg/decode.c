#include "jpeg/decode_state.h"

#include <stdlib.h>
#include <string.h>

static const smj_decode_kernels *best_kernels(void)
{
    const smj_decode_kernels *kernels = smj_decode_avx2();
    if (kernels == NULL) kernels = smj_decode_neon();
    return kernels != NULL ? kernels : &smj_decode_portable;
}

smj_decoder *smj_decoder_new(smj_kernels_choice choice)
{
    const size_t unit = _Alignof(smj_decoder);
    const size_t size = (sizeof(smj_decoder) + unit - 1) / unit * unit;
    smj_decoder *d = aligned_alloc(unit, size);
    if (d == NULL) return NULL;
    memset(d, 0, size); /* the input too, for the reader looks behind what is filled */
    d->kernels = choice == SMJ_KERNELS_PORTABLE ? &smj_decode_portable : best_kernels();
    d->status = SMJ_ERR_ARGUMENT; /* nothing is open */
    return d;
}

void smj_decoder_free(smj_decoder *decoder)
{
    if (decoder == NULL) return;
    for (int c = 0; c < SMJ_DECODE_COMPONENTS; c++) free(decoder->planes[c].memory);
    free(decoder->pixel_memory);
    free(decoder);
}

const char *smj_decoder_kernels(const smj_decoder *decoder)
{
    return decoder->kernels->name;
}

size_t smj_decoder_memory(const smj_decoder *decoder)
{
    size_t sum = sizeof *decoder + decoder->pixel_memory_cap;
    for (int c = 0; c < SMJ_DECODE_COMPONENTS; c++) sum += decoder->planes[c].memory_cap;
    return sum;
}

bool smj_take_memory(uint8_t **memory, size_t *cap, size_t size)
{
    if (size <= *cap) return true;
    free(*memory);
    *cap = 0;
    *memory = calloc(size, 1);
    if (*memory != NULL) *cap = size;
    return *memory != NULL;
}

smj_status smj_decode_open(smj_decoder *decoder, smj_header *header, const uint8_t *data,
                           size_t len)
{
    smj_decoder *d = decoder;
    d->status = smj_read_header(&d->frame, data, len) ? SMJ_OK : SMJ_NOT_MINE;
    if (d->status != SMJ_OK) return d->status;
    d->input.end = data + len;
    *header = (smj_header){d->frame.width, d->frame.height, d->frame.count};
    return SMJ_OK;
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static uint32_t scaled(uint32_t length, uint32_t by, uint32_t of)
{
    return (uint32_t)(((uint64_t)length * by + of - 1) / of);
}

/* Fewer samples than luma has become more, so long as none comes out more than once for a pixel. */
static uint32_t block_size_of(const smj_frame *f, const smj_component *component, unsigned eighths)
{
    uint32_t size = eighths;
    while (size < 8 && f->max_across * eighths % (component->across * size * 2) == 0 &&
           f->max_down * eighths % (component->down * size * 2) == 0)
        size *= 2;
    return size;
}

static void set_plane(smj_component_plane *p, const smj_frame *f, int c, unsigned eighths)
{
    const smj_component *component = &f->components[c];
    p->block_size = block_size_of(f, component, eighths);
    p->mcu_cols = component->across * p->block_size;
    p->mcu_rows = component->down * p->block_size;
    p->width = scaled(f->width, p->mcu_cols, 8 * f->max_across);
    p->height = scaled(f->height, p->mcu_rows, 8 * f->max_down);
    p->expand_x = f->max_across * eighths / p->mcu_cols;
    p->expand_y = f->max_down * eighths / p->mcu_rows;
}

smj_shape smj_decode_shape(const smj_decoder *decoder, int component, unsigned eighths)
{
    smj_component_plane p;
    const smj_frame *f = &decoder->frame;
    set_plane(&p, f, component, eighths);
    return (smj_shape){p.width, p.height, 2 * p.mcu_cols / f->max_across,
                       2 * p.mcu_rows / f->max_down};
}

static bool is_inside(const smj_window *w, uint32_t width, uint32_t height)
{
    return w->left < w->right && w->right <= width && w->top < w->bottom && w->bottom <= height;
}

/* ---- The way of a picture -------------------------------------------------------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The MCUs that cover the windows of all planes. */
static void place(smj_decoder *d)
{
    d->first_mcu = d->first_row = UINT32_MAX;
    d->end_mcu = d->end_row = 0;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component_plane *p = &d->planes[c];
        const smj_window *w = &p->window;
        const uint32_t end_mcu = (w->right - 1) / p->mcu_cols + 1;
        const uint32_t end_row = (w->bottom - 1) / p->mcu_rows + 1;
        d->first_mcu = least(d->first_mcu, w->left / p->mcu_cols);
        d->first_row = least(d->first_row, w->top / p->mcu_rows);
        if (end_mcu > d->end_mcu) d->end_mcu = end_mcu;
        if (end_row > d->end_row) d->end_row = end_row;
    }
}

static bool take_rows(smj_decoder *d)
{
    for (int c = 0; c < d->frame.count; c++) {
        smj_component_plane *p = &d->planes[c];
        const size_t width = (size_t)(d->end_mcu - d->first_mcu) * p->mcu_cols;
        p->stride = (SMJ_PLANE_MARGIN + width + SMJ_PLANE_SLACK + 63) / 64 * 64;
        p->first_column = d->first_mcu * p->mcu_cols;
        /* one row more: the last of the MCU row before */
        if (!smj_take_memory(&p->memory, &p->memory_cap, p->stride * (p->mcu_rows + 1)))
            return false;
        p->rows = p->memory + p->stride + SMJ_PLANE_MARGIN;
    }
    return true;
}

smj_status smj_begin_planes(smj_decoder *d, unsigned eighths)
{
    d->eighths = eighths;
    place(d);
    if (!take_rows(d)) return SMJ_ERR_MEMORY;
    return smj_units_begin(d);
}

static bool is_scale(unsigned eighths)
{
    return eighths == 1 || eighths == 2 || eighths == 4 || eighths == 8;
}

smj_status smj_set_planes(smj_decoder *d, unsigned eighths)
{
    if (d->status != SMJ_OK) return d->status;
    if (!is_scale(eighths)) return SMJ_ERR_ARGUMENT;
    for (int c = 0; c < d->frame.count; c++) set_plane(&d->planes[c], &d->frame, c, eighths);
    return SMJ_OK;
}

smj_status smj_decode_start_planes(smj_decoder *decoder, unsigned eighths,
                                   const smj_window *windows)
{
    smj_decoder *d = decoder;
    d->status = smj_set_planes(d, eighths);
    for (int c = 0; c < d->frame.count && d->status == SMJ_OK; c++) {
        smj_component_plane *p = &d->planes[c];
        p->window = windows[c];
        if (!is_inside(&p->window, p->width, p->height)) d->status = SMJ_ERR_ARGUMENT;
    }
    if (d->status == SMJ_OK) d->status = smj_begin_planes(d, eighths);
    return d->status;
}

smj_status smj_decode_next_row(smj_decoder *d, uint32_t *row)
{
    bool ended = false;
    *row = UINT32_MAX;
    while (d->status == SMJ_OK && *row == UINT32_MAX && !ended)
        d->status = smj_units_step(d, row, &ended);
    return d->status;
}

smj_status smj_decode_read_planes(smj_decoder *decoder, smj_plane planes[3])
{
    smj_decoder *d = decoder;
    uint32_t row;
    if (smj_decode_next_row(d, &row) != SMJ_OK) return d->status;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component_plane *p = &d->planes[c];
        planes[c] = (smj_plane){p->rows, p->stride, p->first_column, 0, 0};
        if (row == UINT32_MAX) continue;
        planes[c].first_row = row * p->mcu_rows;
        planes[c].rows = least(p->mcu_rows, p->height - planes[c].first_row);
    }
    return SMJ_OK;
}

smj_status smj_decode_finish(smj_decoder *decoder)
{
    smj_decoder *d = decoder;
    uint32_t row = 0;
    while (d->status == SMJ_OK && row != UINT32_MAX) smj_decode_next_row(d, &row);
    if (d->status == SMJ_OK) d->status = smj_units_end(d);
    const smj_status status = d->status;
    d->status = SMJ_ERR_ARGUMENT;
    return status;
}
