/*
 * The inner loops of the encoder. Every implementation gives the same results.
 *
 * The encoder works on one span at a time: up to SMJ_SPAN pixels side by side, one MCU high. A
 * span's pixels, samples and coefficients stay in the first two levels of the cache.
 *
 *     convert     pixels -> samples of 8 bits, level shifted (T.81, A.3.1): -128 to 127
 *     halve       chroma samples -> half as many along x, or along both axes
 *     transform   samples -> quantised coefficients, and which of them are not zero
 *     tokens      coefficients -> tokens, and how often each symbol occurs
 *     pack        tokens -> bits, once the Huffman tables are known
 *     stuff       bits -> bytes of the file
 */
#ifndef SMJ_ENCODE_KERNELS_H
#define SMJ_ENCODE_KERNELS_H

#include "jpeg/huffman.h"
#include "jpeg/quantise.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SMJ_SPAN = 256,     /* pixels side by side */
    SMJ_SPAN_ROWS = 16, /* of the tallest MCU */
    SMJ_SPAN_COLS = SMJ_SPAN / 8 /* blocks side by side */,
    SMJ_GROUP = 32, /* pixels that convert takes at a time */
    SMJ_COMPONENTS = 3,
    SMJ_STUFF_SLACK = 32 /* bytes that stuff may read, and write, behind its end */
};

/* ---- Blocks ---------------------------------------------------------------------------------- */

/*
 * Blocks lie in pairs, as vector code makes them: row 0 of the left one, row 0 of the right one,
 * row 1 of the left one, and so on. Block b of row r is number r * SMJ_SPAN_COLS + b.
 */
typedef struct smj_blocks {
    _Alignas(64) int16_t coefs[2 * SMJ_SPAN_COLS * SMJ_BLOCK];
    uint64_t nonzero[2 * SMJ_SPAN_COLS]; /* bit k: the k-th coefficient in zigzag order is not 0 */
} smj_blocks;

enum { SMJ_PAIR = 2 * SMJ_BLOCK, SMJ_PAIR_ROW = 16 };

static inline int16_t *smj_block_coefs(smj_blocks *blocks, size_t number)
{
    return blocks->coefs + number / 2 * SMJ_PAIR + number % 2 * (SMJ_PAIR_ROW / 2);
}

/* How the blocks of an MCU follow one another: luma_rows x luma_cols of luma, then one of each
 * chroma component, unless there is only luma. */
typedef struct smj_layout {
    uint32_t luma_cols, luma_rows, components;
} smj_layout;

/* ---- Tokens ---------------------------------------------------------------------------------- */

/*
 * A token is one Huffman symbol and the bits that follow it. Low 16 bits: the table (below) times
 * 256 plus the symbol; high 16 bits: the value's additional bits (T.81, F.1.2.1).
 */
enum {
    SMJ_DC_LUMA,
    SMJ_DC_CHROMA,
    SMJ_AC_LUMA,
    SMJ_AC_CHROMA,
    SMJ_TABLES,
    SMJ_CHROMA = 1, /* added to the number of a luma table */
    SMJ_SYMBOL_IDS = SMJ_TABLES * SMJ_SYMBOLS,
    SMJ_VALUE_SPAN = 2048, /* values, and differences of DC values, are below it */
    SMJ_BLOCK_TOKENS_MAX = 64,
    SMJ_TOKEN_BITS_MAX = SMJ_CODE_BITS_MAX + 11
};

/* Two histograms take turns: a symbol that follows itself need not wait for its own count. */
typedef struct smj_counts {
    uint32_t of[2][SMJ_SYMBOL_IDS];
} smj_counts;

/* What depends on nothing but the standard; see smj_constants_set. */
typedef struct smj_constants {
    /* values[SMJ_VALUE_SPAN + v]: size category of v, and its additional bits from bit 16 on */
    uint32_t values[2 * SMJ_VALUE_SPAN];
    uint8_t places[SMJ_BLOCK]; /* of the k-th coefficient of the scan in a pair's left block */
    /* picks[to][from]: byte shuffles (high bit: give 0) that bring 64 bytes into zigzag order;
     * twice each, for both halves of a vector */
    _Alignas(32) uint8_t picks[4][4][32];
} smj_constants;

void smj_constants_set(smj_constants *constants);

/* ---- Bits ------------------------------------------------------------------------------------ */

/* Bits that do not fill a byte yet: the low count (0 to 7) bits of held. */
typedef struct smj_bits {
    uint64_t held;
    uint32_t count;
} smj_bits;

/* codes[id]: the symbol's code, shifted left by the number of its additional bits; from bit
 * SMJ_CODE_SHIFT on the length of both together. */
enum { SMJ_CODE_SHIFT = 27 };

/* ---- The kernels ----------------------------------------------------------------------------- */

typedef struct smj_kernels {
    const char *name;

    /* groups x SMJ_GROUP pixels. Reads not one byte more. cb and cr may be NULL, both. */
    void (*convert)(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups);

    /* count samples (a multiple of 16) from twice as many in one row, or in each of two. */
    void (*halve_x)(int8_t *to, const int8_t *from, size_t count);
    void (*halve_xy)(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count);

    /* Pairs of blocks from block number first (even) on; their samples begin at from. */
    void (*transform)(smj_blocks *to, size_t first, size_t pairs, const int8_t *from, size_t stride,
                      const smj_quantiser *quantiser, const smj_constants *constants);

    /* The tokens of mcus MCUs; returns the end. predicted: the DC values of the last blocks. */
    uint32_t *(*tokens)(uint32_t *to, smj_counts *counts, int predicted[SMJ_COMPONENTS],
                        smj_blocks blocks[SMJ_COMPONENTS], size_t mcus, const smj_layout *layout,
                        const smj_constants *constants);

    /* Returns the end; writes up to 8 bytes behind it. */
    uint8_t *(*pack)(uint8_t *to, smj_bits *bits, const uint32_t *tokens, size_t count,
                     const uint32_t codes[SMJ_SYMBOL_IDS]);

    /* Copies, with a zero byte behind every 0xff (T.81, B.1.1.5). Returns the end. */
    uint8_t *(*stuff)(uint8_t *to, const uint8_t *from, size_t count);
} smj_kernels;

extern const smj_kernels smj_kernels_portable;

/* NULL when this machine lacks the instructions, or is of another kind. */
const smj_kernels *smj_kernels_avx2(void);

#endif
