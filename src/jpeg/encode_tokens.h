/*
 * The two kernels that work on one number at a time, to be compiled into each implementation with
 * that one's instructions.
 *
 * Both spend their time on some 20 tokens a block, of which nothing is known before: what they do
 * is keep branches rare, and look up what can be looked up.
 */
#ifndef SMJ_ENCODE_TOKENS_H
#define SMJ_ENCODE_TOKENS_H

#include "jpeg/encode_kernels.h"

#include <string.h>

#define SMJ_INLINE static inline __attribute__((always_inline))

enum { SMJ_EOB = 0x00, SMJ_ZRL = 0xf0, SMJ_RUN_MAX = 15 };

SMJ_INLINE uint32_t *smj_put_token(uint32_t *to, uint32_t *counts, uint32_t token)
{
    counts[(uint16_t)token]++;
    *to = token;
    return to + 1;
}

/* The token of the AC coefficient k behind the one at *last. */
SMJ_INLINE uint32_t *smj_put_ac(uint32_t *to, uint32_t *counts, uint32_t table, uint32_t k,
                                uint32_t *last, const int16_t *coefs,
                                const smj_constants *constants)
{
    uint32_t run = k - *last - 1;
    *last = k;
    for (; __builtin_expect(run > SMJ_RUN_MAX, 0); run -= SMJ_RUN_MAX + 1)
        to = smj_put_token(to, counts, table + SMJ_ZRL);
    const uint32_t value = constants->values[SMJ_VALUE_SPAN + coefs[constants->places[k]]];
    return smj_put_token(to, counts, value + table + (run << 4));
}

/* A block's tokens (T.81, F.1.2). difference: its DC value less the one before. */
SMJ_INLINE uint32_t *smj_block_tokens(uint32_t *to, smj_counts *counts, uint32_t chroma,
                                      int difference, const int16_t *coefs, uint64_t nonzero,
                                      const smj_constants *constants)
{
    const uint32_t dc = (SMJ_DC_LUMA + chroma) * SMJ_SYMBOLS;
    const uint32_t ac = (SMJ_AC_LUMA + chroma) * SMJ_SYMBOLS;
    to = smj_put_token(to, counts->of[0], constants->values[SMJ_VALUE_SPAN + difference] + dc);
    uint32_t last = 0;
    for (uint64_t left = nonzero & ~(uint64_t)1; left != 0; left &= left - 1) {
        to = smj_put_ac(to, counts->of[1], ac, (uint32_t)__builtin_ctzll(left), &last, coefs,
                        constants);
        left &= left - 1;
        if (left == 0) break;
        to = smj_put_ac(to, counts->of[0], ac, (uint32_t)__builtin_ctzll(left), &last, coefs,
                        constants);
    }
    if (last != SMJ_BLOCK - 1) to = smj_put_token(to, counts->of[0], ac + SMJ_EOB);
    return to;
}

SMJ_INLINE uint32_t *smj_component_token(uint32_t *to, smj_counts *counts, uint32_t chroma,
                                         int *predicted, smj_blocks *blocks, size_t number,
                                         const smj_constants *constants)
{
    const int16_t *coefs = smj_block_coefs(blocks, number);
    const int difference = coefs[0] - *predicted;
    *predicted = coefs[0];
    return smj_block_tokens(to, counts, chroma, difference, coefs, blocks->nonzero[number],
                            constants);
}

SMJ_INLINE uint32_t *smj_mcu_tokens(uint32_t *to, smj_counts *counts, int predicted[SMJ_COMPONENTS],
                                    smj_blocks blocks[SMJ_COMPONENTS], size_t mcus,
                                    const smj_layout *layout, const smj_constants *constants)
{
    for (size_t mcu = 0; mcu < mcus; mcu++) {
        for (uint32_t row = 0; row < layout->luma_rows; row++)
            for (uint32_t col = 0; col < layout->luma_cols; col++)
                to = smj_component_token(to, counts, 0, &predicted[0], &blocks[0],
                                         row * SMJ_SPAN_COLS + mcu * layout->luma_cols + col,
                                         constants);
        for (uint32_t c = 1; c < layout->components; c++)
            to = smj_component_token(to, counts, SMJ_CHROMA, &predicted[c], &blocks[c], mcu,
                                     constants);
    }
    return to;
}

SMJ_INLINE void smj_store_big_endian(uint8_t *to, uint64_t bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    memcpy(to, &bits, sizeof bits);
}

/* Adds a token's bits below those held. */
SMJ_INLINE void smj_add_bits(uint64_t *bits, uint32_t *count, uint32_t token, const uint32_t *codes)
{
    const uint32_t code = codes[(uint16_t)token];
    const uint32_t length = code >> SMJ_CODE_SHIFT;
    *bits = *bits << length | (code & ((1u << SMJ_CODE_SHIFT) - 1)) | token >> 16;
    *count += length;
}

/*
 * Two tokens have at most 54 bits, so they fit beside 7 that were held. They are joined apart from
 * these, so that a turn waits for the one before it no longer than a shift takes.
 */
SMJ_INLINE uint8_t *smj_pack_tokens(uint8_t *to, smj_bits *bits, const uint32_t *tokens,
                                    size_t count, const uint32_t *codes)
{
    uint64_t held = bits->held;
    uint32_t waiting = bits->count;
    for (size_t i = 0; i < count; i += 2) {
        uint64_t joined = 0;
        uint32_t length = 0;
        smj_add_bits(&joined, &length, tokens[i], codes);
        if (i + 1 < count) smj_add_bits(&joined, &length, tokens[i + 1], codes);
        held = held << length | joined;
        waiting += length;
        /* whole bytes go out; those written behind them are written over by the next turn */
        smj_store_big_endian(to, held << (-waiting & 63));
        to += waiting / 8;
        waiting %= 8;
    }
    bits->held = held;
    bits->count = waiting;
    return to;
}

#endif
