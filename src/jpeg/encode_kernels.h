/*
 * The inner loops of the encoder. Every implementation gives the same results.
 *
 * The encoder works on one span at a time: up to SMJ_SPAN pixels side by side, one MCU high. A
 * span's pixels, samples and coefficients stay in the first two levels of the cache.
 *
 *     convert     pixels -> samples of 8 bits, level shifted (T.81, A.3.1): -128 to 127
 *     halve       chroma samples -> half as many along x, or along both axes
 *     transform   samples -> quantised coefficients, and which of them are not zero
 *     tokens      coefficients -> tokens
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
    SMJ_SPAN = 256,               /* pixels side by side */
    SMJ_SPAN_ROWS = 16,           /* of the tallest MCU */
    SMJ_SPAN_COLS = SMJ_SPAN / 8, /* blocks side by side */
    SMJ_GROUP = 32,               /* pixels that convert takes at a time */
    SMJ_COMPONENTS = 3,
    SMJ_STUFF_SLACK = 32 /* bytes that stuff may read, and write, behind its end */
};

/* ---- Blocks ---------------------------------------------------------------------------------- */

enum {
    SMJ_PLANE_BLOCKS = 2 * SMJ_SPAN_COLS,
    SMJ_SPAN_BLOCKS = SMJ_COMPONENTS * SMJ_PLANE_BLOCKS,
    SMJ_SCAN_BLOCKS = SMJ_COMPONENTS * SMJ_SPAN_COLS /* in use at most, with any sampling */
};

/* Of a component c, block b of row r is number c * SMJ_PLANE_BLOCKS + r * SMJ_SPAN_COLS + b. */
typedef struct smj_blocks {
    _Alignas(64) int16_t coefs[SMJ_SPAN_BLOCKS][SMJ_BLOCK]; /* in zigzag order */
    uint64_t marks[SMJ_SPAN_BLOCKS];                        /* bit k is about coefs[...][k] */
} smj_blocks;

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
    SMJ_BLOCK_TOKENS_MAX = 64,
    SMJ_TOKENS_SLACK = 16, /* a kernel may write as many behind its last token */
    SMJ_TOKEN_BITS_MAX = SMJ_CODE_BITS_MAX + 11
};

/* Byte shuffles of vector code; see smj_shuffles_set. A negative number gives 0. */
typedef struct smj_shuffles {
    /* zigzag[i][j]: from row j of a block (eight 16-bit numbers), those that are among the i-th
     * eight of the scan, each in its place; twice, for vectors of two blocks */
    _Alignas(32) int8_t zigzag[8][8][32];
    /* those of eight 16-bit numbers that the bits of a byte mark, moved together; their indices */
    _Alignas(16) int8_t marked[256][16];
    uint8_t indices[256][8];
} smj_shuffles;

void smj_shuffles_set(smj_shuffles *shuffles);

/* ---- Bits ------------------------------------------------------------------------------------ */

/* A string of bits: the low ones of a number, the highest comes first. Above them is anything. */
typedef struct smj_bits {
    uint64_t bits;
    uint32_t length;
} smj_bits;

/* A symbol's code with zeros in place of the additional bits, and the length of both together. */
typedef struct smj_code {
    uint32_t bits, length;
} smj_code;

/* ---- The kernels ----------------------------------------------------------------------------- */

typedef struct smj_kernels {
    const char *name;

    /* groups x SMJ_GROUP pixels. Reads not one byte more. cb and cr may be NULL, both. */
    void (*convert)(int8_t *y, int8_t *cb, int8_t *cr, const uint8_t *rgb, size_t groups);

    /* count samples (a multiple of 16) from twice as many in one row, or in each of two. */
    void (*halve_x)(int8_t *to, const int8_t *from, size_t count);
    void (*halve_xy)(int8_t *to, const int8_t *upper, const int8_t *lower, size_t count);

    /* Pairs of blocks from block number first on; their samples begin at from. Marks what is not
     * zero (of the DC coefficient, anything). */
    void (*transform)(smj_blocks *to, size_t first, size_t pairs, const int8_t *from, size_t stride,
                      const smj_quantiser *quantiser, const smj_shuffles *shuffles);

    /*
     * A token for each coefficient that is marked, of the count blocks (up to SMJ_SCAN_BLOCKS)
     * whose numbers order holds. Its run is the number of coefficients not marked before it: so a
     * mark on a zero makes "end of block" right behind another mark, and "16 zeros" 16 behind. The
     * first coefficient of a block is always marked, and is the difference of DC values. No run is
     * longer than 15. Returns the end.
     */
    uint32_t *(*tokens)(uint32_t *to, const smj_blocks *blocks, const uint8_t *order, size_t count,
                        const smj_shuffles *shuffles);

    /* Returns the end; writes up to 8 bytes behind it. held: up to 7 bits that fill no byte yet. */
    uint8_t *(*pack)(uint8_t *to, smj_bits *held, const uint32_t *tokens, size_t count,
                     const smj_code codes[SMJ_SYMBOL_IDS]);

    /* Copies, with a zero byte behind every 0xff (T.81, B.1.1.5). Returns the end. */
    uint8_t *(*stuff)(uint8_t *to, const uint8_t *from, size_t count);
} smj_kernels;

extern const smj_kernels smj_kernels_portable;

/* NULL when this machine lacks the instructions, or is of another kind. */
const smj_kernels *smj_kernels_avx512(void);
const smj_kernels *smj_kernels_avx2(void);
const smj_kernels *smj_kernels_neon(void);

#endif
