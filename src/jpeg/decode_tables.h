/*
 * Huffman tables to look symbols up, two at a time.
 *
 * One look-up takes SMJ_LOOK_BITS bits of the stream and gives what to do with them: how many bits
 * they are, which coefficients of the block they set, and to which values. So it decodes symbols
 * and their additional bits (T.81, F.1.2.1) together, and a second symbol with the first when both
 * fit; behind a DC value it is the first AC symbol. Only the last value's lowest bits may lie
 * behind the index: a value grows by one for each one that these lowest bits are more, whatever its
 * sign, so they are added afterwards.
 */
#ifndef SMJ_DECODE_TABLES_H
#define SMJ_DECODE_TABLES_H

#include "jpeg/decode_header.h"

enum {
    SMJ_LOOK_BITS = 11,
    SMJ_LOOK_SIZE = 1 << SMJ_LOOK_BITS,
    /* Bits of one look-up at most: three of them never need more than the 56 that a refill of the
     * reader ensures. */
    SMJ_STEP_BITS_MAX = 18,
    /* What an end of block adds to the index of the last coefficient: the sum is above any index
     * and has no bit 6 set. */
    SMJ_END_OF_BLOCK = 129,
    /* Bit 6 of the sum of index and step tells: not as the table says. */
    SMJ_RARE = 64,
    SMJ_NOT_HERE = SMJ_RARE + 1, /* a step that makes the sum so, from -1 to 62 */
    /* The largest magnitude of a dequantised coefficient; true ones stay below 1,300. With larger
     * ones, implementations of the inverse DCT begin to differ. */
    SMJ_DEQUANTISED_MAX = 8191
};

/* What the next look-up waits for. It lies apart, so that it stays in the first level's cache. */
typedef struct smj_move {
    uint8_t length; /* bits */
    uint8_t last;   /* steps from the last coefficient before to the last of these */
} smj_move;

typedef struct smj_values {
    uint8_t first;  /* steps to the first of these; as smj_move's last, when there is but one */
    uint8_t behind; /* 63 minus the number of bits of the last value that lie behind the index */
    int16_t first_value, last_value;
    int16_t unused; /* makes it eight bytes, which an index is easily multiplied by */
} smj_values;

typedef struct smj_lookup {
    smj_move moves[SMJ_LOOK_SIZE];
    smj_values values[SMJ_LOOK_SIZE];
    /* One symbol at a time. A code as long as l bits, left-aligned in 16, is below ends[l]. Of its
     * symbol, number firsts[l] plus its value, the code's length and meaning. */
    uint32_t ends[SMJ_CODE_BITS_MAX + 1];
    int32_t firsts[SMJ_CODE_BITS_MAX + 1];
    struct smj_symbol {
        uint8_t code_bits, value_bits;
        uint8_t step; /* as smj_move's last */
    } symbols[SMJ_SYMBOLS];
    int count;
} smj_lookup;

/*
 * Makes the tables of a component. AC values of more than value_bits_max bits are left out, to be
 * looked at one by one. False: a table of the file is not as the standard wants it for a baseline
 * scan.
 */
bool smj_lookups_make(smj_lookup *dc, smj_lookup *ac, const smj_table_spec *dc_spec,
                      const smj_table_spec *ac_spec, unsigned value_bits_max);

#endif
