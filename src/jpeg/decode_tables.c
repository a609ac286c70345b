#include "jpeg/decode_tables.h"

#include <string.h>

enum {
    DC_BITS_MAX = 11, /* of a difference of DC values, and of an AC value: T.81, F.1.2 */
    AC_BITS_MAX = 10,
    TOO_LONG = 99 /* more bits than an index has */
};

static const smj_entry not_here = {.last = SMJ_NOT_HERE};

/* ---- Symbols --------------------------------------------------------------------------------- */

static bool read_symbol(struct smj_symbol *to, uint8_t symbol, unsigned code_bits, bool dc)
{
    const unsigned run = dc ? 0 : symbol >> 4, value_bits = dc ? symbol : symbol & 15;
    if (value_bits > (dc ? DC_BITS_MAX : AC_BITS_MAX)) return false;
    *to = (struct smj_symbol){(uint8_t)code_bits, (uint8_t)value_bits, (uint8_t)(run + 1)};
    if (!dc && value_bits == 0) {
        if (run != 0 && run != 15) return false; /* of a progressive scan */
        if (run == 0) to->step = SMJ_END_OF_BLOCK;
    }
    return true;
}

/* Codes follow one another by length (T.81, C.2); none may be all ones. */
static bool read_symbols(smj_lookup *l, const smj_table_spec *spec, bool dc)
{
    uint32_t code = 0;
    l->count = 0;
    for (unsigned bits = 1; bits <= SMJ_CODE_BITS_MAX; bits++, code <<= 1) {
        l->firsts[bits] = l->count - (int32_t)code;
        for (unsigned i = 0; i < spec->counts[bits - 1]; i++, l->count++)
            if (!read_symbol(&l->symbols[l->count], spec->symbols[l->count], bits, dc))
                return false;
        code += spec->counts[bits - 1];
        if (spec->counts[bits - 1] > 0 && code >= 1u << bits) return false;
        l->ends[bits] = code << (SMJ_CODE_BITS_MAX - bits);
    }
    return true;
}

/* ---- One symbol a look-up -------------------------------------------------------------------- */

/* A value of `bits` bits whose high ones are known: `from`, which lacks the `behind` lowest. */
static int16_t value_of(unsigned from, unsigned bits, unsigned behind)
{
    if (bits == 0) return 0;
    const int value = (int)(from << behind);
    const bool positive = from >> (bits - behind - 1) != 0;
    return (int16_t)(positive ? value : value - (1 << bits) + 1);
}

/* What an index must have of a symbol at least: its code, and the sign of its value. */
static uint8_t bits_needed(const struct smj_symbol *s)
{
    return (uint8_t)(s->code_bits + (s->value_bits > 0));
}

/* Fills the entries of all indices that begin with the symbol's code; returns their end. */
static smj_entry *put_symbol(smj_entry *to, uint8_t **needed, const struct smj_symbol *s,
                             unsigned value_bits_max)
{
    const unsigned bits = (unsigned)s->code_bits + s->value_bits;
    const size_t all = (size_t)1 << (SMJ_LOOK_BITS - s->code_bits);
    if (bits_needed(s) > SMJ_LOOK_BITS || bits > SMJ_STEP_BITS_MAX ||
        s->value_bits > value_bits_max) {
        for (size_t i = 0; i < all; i++) *to++ = not_here;
        memset(*needed, TOO_LONG, all);
        *needed += all;
        return to;
    }
    const unsigned behind = bits > SMJ_LOOK_BITS ? bits - SMJ_LOOK_BITS : 0;
    const unsigned seen = s->value_bits - behind;
    const size_t each = (size_t)1 << (SMJ_LOOK_BITS - s->code_bits - seen);
    smj_entry entry = {.length = (uint8_t)bits,
                       .last = s->step,
                       .first = s->step,
                       .behind = (uint8_t)(63 - behind)};
    for (unsigned v = 0; v < 1u << seen; v++) {
        entry.first_value = entry.last_value = value_of(v, s->value_bits, behind);
        for (size_t i = 0; i < each; i++) *to++ = entry;
    }
    memset(*needed, bits_needed(s), all);
    *needed += all;
    return to;
}

/* needed: how many of its bits an entry depends on, but for those of its value. */
static void put_symbols(smj_entry entries[SMJ_LOOK_SIZE], uint8_t needed[SMJ_LOOK_SIZE],
                        const smj_lookup *l, unsigned value_bits_max)
{
    smj_entry *to = entries;
    uint8_t *need = needed;
    for (int i = 0; i < l->count && l->symbols[i].code_bits <= SMJ_LOOK_BITS; i++)
        to = put_symbol(to, &need, &l->symbols[i], value_bits_max);
    memset(need, TOO_LONG, (size_t)(needed + SMJ_LOOK_SIZE - need));
    while (to < entries + SMJ_LOOK_SIZE) *to++ = not_here;
}

/* ---- Several --------------------------------------------------------------------------------- */

/* The index of what follows the first `length` bits of an index; zeros fill it up. */
static size_t rest_of(size_t index, unsigned length)
{
    return index << length & (SMJ_LOOK_SIZE - 1);
}

static void join_pairs(smj_entry to[SMJ_LOOK_SIZE], const smj_entry one[SMJ_LOOK_SIZE],
                       const uint8_t needed[SMJ_LOOK_SIZE])
{
    for (size_t i = 0; i < SMJ_LOOK_SIZE; i++) {
        const smj_entry a = one[i];
        to[i] = a;
        if (needed[i] > SMJ_LOOK_BITS || a.length >= SMJ_LOOK_BITS || a.last >= SMJ_RARE) continue;
        const size_t rest = rest_of(i, a.length);
        const smj_entry b = one[rest];
        const unsigned length = (unsigned)a.length + b.length;
        if (a.length + needed[rest] > SMJ_LOOK_BITS || length > SMJ_STEP_BITS_MAX) continue;
        const unsigned behind = length > SMJ_LOOK_BITS ? length - SMJ_LOOK_BITS : 0;
        to[i].length = (uint8_t)length;
        to[i].last = (uint8_t)(a.last + b.last);
        to[i].behind = (uint8_t)(63 - behind);
        to[i].last_value = b.last_value;
    }
}

/* Several steps make one; values are 0, for nobody wants them. */
static void join_many(smj_entry to[SMJ_LOOK_SIZE], const smj_entry one[SMJ_LOOK_SIZE],
                      const uint8_t needed[SMJ_LOOK_SIZE])
{
    for (size_t i = 0; i < SMJ_LOOK_SIZE; i++) {
        unsigned length = one[i].length, step = one[i].last;
        to[i] = one[i];
        if (needed[i] > SMJ_LOOK_BITS) continue;
        while (length < SMJ_LOOK_BITS && step < SMJ_RARE) {
            const size_t rest = rest_of(i, length);
            const unsigned next = step + one[rest].last;
            if (length + needed[rest] > SMJ_LOOK_BITS ||
                length + one[rest].length > SMJ_STEP_BITS_MAX ||
                (next >= SMJ_RARE && next < SMJ_END_OF_BLOCK))
                break;
            length += one[rest].length;
            step = next;
        }
        to[i] = (smj_entry){
            .length = (uint8_t)length, .last = (uint8_t)step, .first = (uint8_t)step, .behind = 63};
    }
}

bool smj_lookup_make(smj_lookup *lookup, const smj_table_spec *spec, smj_lookup_kind kind,
                     unsigned value_bits_max)
{
    smj_entry one[SMJ_LOOK_SIZE];
    uint8_t needed[SMJ_LOOK_SIZE];
    if (!read_symbols(lookup, spec, kind == SMJ_LOOK_DC)) return false;
    lookup->skips = kind == SMJ_LOOK_SKIP;
    if (kind == SMJ_LOOK_DC) {
        put_symbols(lookup->entries, needed, lookup, DC_BITS_MAX);
    } else {
        put_symbols(one, needed, lookup, kind == SMJ_LOOK_SKIP ? AC_BITS_MAX : value_bits_max);
        (kind == SMJ_LOOK_SKIP ? join_many : join_pairs)(lookup->entries, one, needed);
    }
    return true;
}
