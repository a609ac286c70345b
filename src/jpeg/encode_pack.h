/* Tokens to bits to bytes: plain C, compiled into each implementation with its instructions. */
#ifndef SMJ_ENCODE_PACK_H
#define SMJ_ENCODE_PACK_H

#include "jpeg/encode_kernels.h"

#include <string.h>

#define SMJ_INLINE static inline __attribute__((always_inline))

SMJ_INLINE void smj_store_big_endian(uint8_t *to, uint64_t bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    memcpy(to, &bits, sizeof bits);
}

SMJ_INLINE smj_bits smj_token_bits(uint32_t token, const smj_code *codes)
{
    const smj_code code = codes[(uint16_t)token];
    return (smj_bits){code.bits | token >> 16, code.length};
}

SMJ_INLINE smj_bits smj_join_bits(smj_bits a, smj_bits b)
{
    return (smj_bits){a.bits << b.length | b.bits, a.length + b.length};
}

/* Whole bytes go out, more follow that will be written over, and what fills no byte is held. */
SMJ_INLINE uint8_t *smj_put_bits(uint8_t *to, smj_bits *held, smj_bits more)
{
    *held = smj_join_bits(*held, more);
    smj_store_big_endian(to, held->bits << (-held->length & 63));
    to += held->length / 8;
    held->length %= 8;
    return to;
}

/*
 * Tokens are joined apart from what is held, so that a turn waits for the one before it no longer
 * than a shift takes. Two have at most 54 bits and always fit beside the 7 held; four nearly always
 * do.
 */
SMJ_INLINE uint8_t *smj_pack_tokens(uint8_t *to, smj_bits *held, const uint32_t *tokens,
                                    size_t count, const smj_code *codes)
{
    smj_bits now = *held;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const smj_bits a =
            smj_join_bits(smj_token_bits(tokens[i], codes), smj_token_bits(tokens[i + 1], codes));
        const smj_bits b = smj_join_bits(smj_token_bits(tokens[i + 2], codes),
                                         smj_token_bits(tokens[i + 3], codes));
        if (__builtin_expect(a.length + b.length > 64 - 7, 0)) {
            to = smj_put_bits(to, &now, a);
            to = smj_put_bits(to, &now, b);
        } else {
            to = smj_put_bits(to, &now, smj_join_bits(a, b));
        }
    }
    for (; i < count; i++) to = smj_put_bits(to, &now, smj_token_bits(tokens[i], codes));
    *held = now;
    return to;
}

/* From one 0xff to the next, which the C library finds quickly. */
SMJ_INLINE uint8_t *smj_stuff_bytes(uint8_t *to, const uint8_t *from, size_t count)
{
    while (count > 0) {
        const uint8_t *found = memchr(from, 0xff, count);
        const size_t plain = found == NULL ? count : (size_t)(found - from) + 1;
        memcpy(to, from, plain);
        to += plain;
        from += plain;
        count -= plain;
        if (found != NULL) *to++ = 0;
    }
    return to;
}

#endif
