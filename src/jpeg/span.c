#include "jpeg/span.h"

#include <string.h>

/* ---- Samples --------------------------------------------------------------------------------- */

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

/* Samples of a plane, level shifted (T.81, A.3.1); the last one goes on as above. */
static void shift_row(int8_t *to, const uint8_t *from, size_t count)
{
    const size_t wanted = divide_up(count, SMJ_GROUP) * SMJ_GROUP;
    for (size_t i = 0; i < count; i++) to[i] = (int8_t)(from[i] ^ 0x80);
    memset(to + count, to[count - 1], wanted - count);
}

static void fill_rows(smj_span *span, const smj_picture *picture, uint32_t x, uint32_t y,
                      size_t columns, size_t rows, uint32_t components, const smj_kernels *kernels)
{
    const size_t pixel_size = picture->rgb != NULL ? 3 : 1;
    size_t at = picture->stride * y + x * pixel_size;
    for (size_t row = 0; row < rows; row++, at += picture->stride) {
        int8_t *to[SMJ_COMPONENTS] = {NULL};
        for (uint32_t c = 0; c < components; c++) {
            to[c] = span->full[c] + row * SMJ_SPAN;
            if (picture->rgb == NULL) shift_row(to[c], picture->planes[c] + at, columns);
        }
        if (picture->rgb != NULL) convert_row(to, picture->rgb + at, columns, kernels);
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

/* A block with the DC value of another one, and nothing else. */
static void set_flat(smj_blocks *blocks, size_t number, size_t like)
{
    memset(blocks->coefs[number], 0, sizeof blocks->coefs[number]);
    blocks->coefs[number][0] = blocks->coefs[like][0];
    blocks->marks[number] = 0;
}

/* The luma blocks of the last MCUs that lie outside the picture; they have cols x rows inside. */
static void make_up_blocks(smj_blocks *blocks, size_t cols, size_t rows, size_t mcus,
                           const smj_layout *layout)
{
    if (cols < mcus * layout->luma_cols) {
        for (size_t row = 0; row < rows; row++)
            set_flat(blocks, row * SMJ_SPAN_COLS + cols, row * SMJ_SPAN_COLS + cols - 1);
    }
    if (rows < layout->luma_rows) {
        for (size_t col = 0; col < mcus * layout->luma_cols; col++)
            set_flat(blocks, SMJ_SPAN_COLS + col, col | 1);
    }
}

/* ---- The scan -------------------------------------------------------------------------------- */

static void set_order(smj_span *span, size_t mcus, const smj_layout *layout)
{
    uint8_t *next = span->order;
    for (size_t mcu = 0; mcu < mcus; mcu++) {
        for (size_t row = 0; row < layout->luma_rows; row++)
            for (size_t col = 0; col < layout->luma_cols; col++)
                *next++ = (uint8_t)(row * SMJ_SPAN_COLS + mcu * layout->luma_cols + col);
        for (size_t c = 1; c < layout->components; c++)
            *next++ = (uint8_t)(c * SMJ_PLANE_BLOCKS + mcu);
    }
    span->count = (size_t)(next - span->order);
}

/* Marks every 16th of more than 15 zeros before a mark: each becomes a token for 16 zeros (ZRL). */
static uint64_t mark_long_runs(uint64_t marks)
{
    enum { ZRL = 16 };
    uint64_t near = marks; /* marks, and the 15 places behind each */
    for (int reach = 1; reach < ZRL; reach *= 2) near |= near << reach;
    /* what is left bare below the highest mark begins 16 behind a mark */
    const uint64_t highest = UINT64_MAX >> __builtin_clzll(marks);
    for (uint64_t bare; __builtin_expect((bare = ~near & highest) != 0, 0);) {
        const uint64_t mark = bare & -bare;
        marks |= mark;
        near |= mark * ((1u << ZRL) - 1);
    }
    return marks;
}

/* Marks what has tokens besides the coefficients that are not zero, and takes DC differences. */
static void finish_blocks(smj_span *span, int predicted[SMJ_COMPONENTS])
{
    for (size_t i = 0; i < span->count; i++) {
        const size_t number = span->order[i], component = number / SMJ_PLANE_BLOCKS;
        int16_t *coefs = span->blocks.coefs[number];
        const int dc = coefs[0];
        coefs[0] = (int16_t)(dc - predicted[component]);
        predicted[component] = dc;

        const uint64_t marks = mark_long_runs(span->blocks.marks[number] | 1);
        /* the end of the block, unless its last coefficient is not zero: right behind the highest
         * mark */
        const uint64_t end = ((uint64_t)1 << 63 >> __builtin_clzll(marks)) << 1;
        span->blocks.marks[number] = marks | end;
    }
}

void smj_span_make(smj_span *span, int predicted[SMJ_COMPONENTS], const smj_picture *picture,
                   uint32_t x, uint32_t y, const smj_layout *layout,
                   const smj_quantiser quantisers[2], const smj_kernels *kernels,
                   const smj_shuffles *shuffles)
{
    const size_t columns = at_most(picture->width - x, SMJ_SPAN);
    const size_t rows = at_most(picture->height - y, 8 * layout->luma_rows);
    const size_t mcus = divide_up(columns, 8 * layout->luma_cols);
    fill_rows(span, picture, x, y, columns, rows, layout->components, kernels);

    const size_t block_cols = divide_up(columns, 8), block_rows = divide_up(rows, 8);
    extend_down(span->full[0], SMJ_SPAN, rows, 8 * block_rows);
    for (size_t row = 0; row < block_rows; row++)
        kernels->transform(&span->blocks, row * SMJ_SPAN_COLS, divide_up(block_cols, 2),
                           span->full[0] + 8 * row * SMJ_SPAN, SMJ_SPAN, &quantisers[0], shuffles);
    make_up_blocks(&span->blocks, block_cols, block_rows, mcus, layout);

    for (uint32_t c = 1; c < layout->components; c++) {
        int8_t *plane = span->full[c];
        size_t stride = SMJ_SPAN, chroma_rows = rows;
        if (layout->luma_cols == 2) {
            plane = span->halved[c - 1];
            stride = SMJ_SPAN / 2;
            chroma_rows = halve_chroma(plane, span->full[c], columns, rows, layout, kernels);
        }
        extend_down(plane, stride, chroma_rows, 8);
        kernels->transform(&span->blocks, c * SMJ_PLANE_BLOCKS, divide_up(mcus, 2), plane, stride,
                           &quantisers[1], shuffles);
    }
    set_order(span, mcus, layout);
    finish_blocks(span, predicted);
}
