/* Huffman tables made for the symbols that were counted (T.81, annexes C and K.2). */
#ifndef SMJ_HUFFMAN_H
#define SMJ_HUFFMAN_H

#include <stdint.h>

enum { SMJ_SYMBOLS = 256, SMJ_CODE_BITS_MAX = 16 };

typedef struct smj_huffman {
    uint8_t counts[SMJ_CODE_BITS_MAX]; /* codes of 1, 2, ... 16 bits: BITS of the standard */
    uint8_t symbols[SMJ_SYMBOLS];      /* by rising code: HUFFVAL */
    int total;                         /* symbols that have a code */
} smj_huffman;

/*
 * The table with which the symbols so often take the fewest bits, codes having at most 16 bits and
 * none being all ones. Symbols that do not occur get no code; when none occurs, symbol 0 gets one,
 * for a table must not be empty. Counts are below 2^55.
 */
void smj_huffman_build(smj_huffman *table, const uint64_t often[SMJ_SYMBOLS]);

/* The codes: symbol s is the low lengths[s] bits of codes[s]; length 0 for symbols without one. */
void smj_huffman_codes(uint16_t codes[SMJ_SYMBOLS], uint8_t lengths[SMJ_SYMBOLS],
                       const smj_huffman *table);

#endif
