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

smj_rare smj_decode_rare(smj_run *run, const smj_lookup *table, const smj_slot *slot, uint64_t bits,
                         unsigned index)
{
    const struct smj_symbol *s = find_symbol(table, bits);
    const unsigned at = s == NULL ? SMJ_BLOCK : index + s->step;
    const bool sets = at < SMJ_BLOCK;
    if (s == NULL || (s->step < SMJ_RARE && !sets)) {
        run->broken = true; /* on with the next block */
        return (smj_rare){.length = 1, .step = (uint8_t)(SMJ_BLOCK - 1 - index)};
    }
    const int32_t value = read_value(bits, s);
    if (sets && index != -1u &&
        abs(value) * (int32_t)slot->quant[smj_places[at]] > SMJ_DEQUANTISED_MAX)
        run->broken = true;
    return (smj_rare){.length = (uint8_t)(s->code_bits + s->value_bits),
                      .step = s->step,
                      .value = (int16_t)value};
}
