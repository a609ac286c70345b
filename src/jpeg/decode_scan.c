#include "jpeg/decode_scan.h"

#include <stdlib.h>

#define PAST_END_8 64, 64, 64, 64, 64, 64, 64, 64
#define PAST_END_64 \
    PAST_END_8, PAST_END_8, PAST_END_8, PAST_END_8, PAST_END_8, PAST_END_8, PAST_END_8, PAST_END_8

const uint8_t smj_places[256] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11,          4,           5,           12,
    19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21,          28,          35,          42,
    49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,          58,          59,          52,
    45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, PAST_END_64, PAST_END_64, PAST_END_64,
};

/* NULL: no code begins like this. */
static const struct smj_symbol *find_symbol(const smj_lookup *lookup, uint64_t bits)
{
    const uint32_t code = (uint32_t)(bits >> (64 - SMJ_CODE_BITS_MAX));
    for (unsigned length = 1; length <= SMJ_CODE_BITS_MAX; length++)
        if (code < lookup->ends[length])
            return &lookup->symbols[(int32_t)(code >> (SMJ_CODE_BITS_MAX - length)) +
                                    lookup->firsts[length]];
    return NULL;
}

/* The bits behind a code as a value (T.81, F.2.2.1). */
static int32_t read_value(uint64_t bits, const struct smj_symbol *s)
{
    if (s->value_bits == 0) return 0;
    const int32_t value = (int32_t)(bits << s->code_bits >> (64 - s->value_bits));
    const int32_t half = 1 << (s->value_bits - 1);
    return value >= half ? value : value - 2 * half + 1;
}

smj_entry smj_decode_rare(smj_run *run, const smj_entry *table, const smj_slot *slot, uint64_t bits,
                          unsigned index)
{
    const smj_lookup *lookup = (const smj_lookup *)(const void *)table;
    const struct smj_symbol *s = find_symbol(lookup, bits);
    unsigned step = s == NULL ? SMJ_RARE : s->step;
    int32_t value = s == NULL ? 0 : read_value(bits, s);
    const unsigned at = index + step;
    if (step < SMJ_RARE && at < SMJ_BLOCK && index != -1u && !lookup->skips &&
        abs(value) * (int32_t)slot->quant[smj_places[at]] > SMJ_DEQUANTISED_MAX)
        run->broken = true;
    if (s == NULL || (step < SMJ_RARE && at >= SMJ_BLOCK)) {
        run->broken = true;
        /* On with the next block; but as each takes two steps at least, which bounds how many end
         * in a round, a DC that is none counts as 0. */
        step = index == -1u ? 1 : SMJ_BLOCK - 1 - index;
        value = 0;
    }
    if (lookup->skips) value = 0;
    return (smj_entry){.length = s == NULL ? 1 : (uint8_t)(s->code_bits + s->value_bits),
                       .last = (uint8_t)step,
                       .first = (uint8_t)step,
                       .behind = 63,
                       .first_value = (int16_t)value,
                       .last_value = (int16_t)value};
}
