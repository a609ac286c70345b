#include "jpeg/span.h"

#include <string.h>

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

static size_t divide_up(size_t value, size_t by)
{
    return (value + by - 1) / by;
}

/* Converts count pixels of a row; the last one goes on until the group is full. */
static void convert_row(int8_t *const to[SMJ_COMPONENTS], const uint8_t *rgb, size_t count,
                        const smj_kernels *kernels)
{
    const size_t groups = count / SMJ_GROUP, done = groups * SMJ_GROUP, rest = count - done;
    kernels->convert(to[0], to[1], to[2], rgb, groups);
    if (rest == 0) return;
    uint8_t last[SMJ_GROUP * 3];
    memcpy(last, rgb + 3 * done, 3 * rest);
    for (size_t i = rest; i < SMJ_GROUP; i++) memcpy(last + 3 * i, last + 3 * (rest - 1), 3);
    kernels->convert(to[0] + done, to[1] == NULL ? NULL : to[1] + done,
                     to[2] == NULL ? NULL : to[2] + done, last, 1);
}

static void convert_rows(smj_span *span, const smj_picture *picture, uint32_t x, uint32_t y,
                         size_t columns, size_t rows, bool grey, const smj_kernels *kernels)
{
    const uint8_t *rgb = picture->rgb + picture->stride * y + (size_t)x * 3;
    for (size_t row = 0; row < rows; row++, rgb += picture->stride) {
        int8_t *to[SMJ_COMPONENTS] = {NULL};
        for (int c = 0; c < (grey ? 1 : SMJ_COMPONENTS); c++)
            to[c] = span->full[c] + row * SMJ_SPAN;
        convert_row(to, rgb, columns, kernels);
    }
}

/* The last of rows rows goes on until there are `wanted`. */
static void extend_down(int8_t *plane, size_t stride, size_t rows, size_t wanted)
{
    for (; rows < wanted; rows++)
        memcpy(plane + rows * stride, plane + (rows - 1) * stride, stride);
}

/* Half as many samples along x, and where MCUs have two rows of luma blocks along y. */
static size_t halve_chroma(int8_t *to, int8_t *from, size_t columns, size_t rows,
                           const smj_layout *layout, const smj_kernels *kernels)
{
    const size_t half = SMJ_SPAN / 2;
    const size_t count = divide_up(columns, SMJ_GROUP) * SMJ_GROUP / 2;
    if (layout->luma_rows == 1) {
        for (size_t row = 0; row < rows; row++)
            kernels->halve_x(to + row * half, from + row * SMJ_SPAN, count);
        return rows;
    }
    extend_down(from, SMJ_SPAN, rows, rows + rows % 2);
    for (size_t row = 0; row < rows; row += 2)
        kernels->halve_xy(to + row / 2 * half, from + row * SMJ_SPAN, from + (row + 1) * SMJ_SPAN,
                          count);
    return divide_up(rows, 2);
}

/* The blocks of the last MCUs that lie outside the picture; they have cols x rows inside. */
static void make_up_blocks(smj_blocks *luma, size_t cols, size_t rows, size_t mcus,
                           const smj_layout *layout)
{
    if (cols < mcus * layout->luma_cols) {
        for (size_t row = 0; row < rows; row++) {
            const size_t number = row * SMJ_SPAN_COLS + cols;
            *smj_block_coefs(luma, number) = *smj_block_coefs(luma, number - 1);
            luma->nonzero[number] = 0;
        }
    }
    if (rows < layout->luma_rows) {
        for (size_t col = 0; col < mcus * layout->luma_cols; col++) {
            const size_t number = SMJ_SPAN_COLS + col;
            *smj_block_coefs(luma, number) = *smj_block_coefs(luma, col | 1);
            luma->nonzero[number] = 0;
        }
    }
}

size_t smj_span_make(smj_span *span, const smj_picture *picture, uint32_t x, uint32_t y,
                     const smj_layout *layout, const smj_quantiser quantisers[2],
                     const smj_kernels *kernels, const smj_constants *constants)
{
    const size_t columns = at_most(picture->width - x, SMJ_SPAN);
    const size_t rows = at_most(picture->height - y, 8 * layout->luma_rows);
    const size_t mcus = divide_up(columns, 8 * layout->luma_cols);
    const bool grey = layout->components == 1;
    convert_rows(span, picture, x, y, columns, rows, grey, kernels);

    const size_t block_cols = divide_up(columns, 8), block_rows = divide_up(rows, 8);
    extend_down(span->full[0], SMJ_SPAN, rows, 8 * block_rows);
    for (size_t row = 0; row < block_rows; row++)
        kernels->transform(&span->blocks[0], row * SMJ_SPAN_COLS, divide_up(block_cols, 2),
                           span->full[0] + 8 * row * SMJ_SPAN, SMJ_SPAN, &quantisers[0], constants);
    make_up_blocks(&span->blocks[0], block_cols, block_rows, mcus, layout);

    for (uint32_t c = 1; c < layout->components; c++) {
        int8_t *plane = span->full[c];
        size_t stride = SMJ_SPAN, chroma_rows = rows;
        if (layout->luma_cols == 2) {
            plane = span->halved[c - 1];
            stride = SMJ_SPAN / 2;
            chroma_rows = halve_chroma(plane, span->full[c], columns, rows, layout, kernels);
        }
        extend_down(plane, stride, chroma_rows, 8);
        kernels->transform(&span->blocks[c], 0, divide_up(mcus, 2), plane, stride, &quantisers[1],
                           constants);
    }
    return mcus;
}
