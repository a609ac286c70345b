#include "jpeg/decode_tables.h"

#include <string.h>

enum {
    DC_BITS_MAX = 11, /* of a difference of DC values, and of an AC value: T.81, F.1.2 */
    AC_BITS_MAX = 10,
    TOO_LONG = 99 /* bits, that an index does not have */
};

/* What an index begins with. */
typedef struct single {
    uint8_t length; /* bits */
    uint8_t step;
    uint8_t needed; /* those that the index must have: all but the lowest of the value */
    int16_t value;  /* as if all that are not in the index were zeros */
} single;

/*
 * What may follow a symbol of l bits is here from number SMJ_LOOK_SIZE >> l on, for as many of the
 * index's other bits: what to add to the symbol's move, and its values' bytes to keep (masks) and
 * to set. Made for the lengths that there are.
 */
typedef struct tails {
    uint16_t moves[SMJ_LOOK_SIZE];
    uint64_t masks[SMJ_LOOK_SIZE], values[SMJ_LOOK_SIZE];
} tails;

static const single not_here = {.step = SMJ_NOT_HERE, .needed = TOO_LONG};

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

static uint8_t bits_behind(unsigned length)
{
    return (uint8_t)(length > SMJ_LOOK_BITS ? length - SMJ_LOOK_BITS : 0);
}

/* Fills the entries of all indices that begin with the symbol's code; returns their end. */
static single *put_symbol(single *to, const struct smj_symbol *s, unsigned value_bits_max)
{
    const unsigned length = (unsigned)s->code_bits + s->value_bits;
    const unsigned needed = s->code_bits + (s->value_bits > 0 ? 1u : 0u); /* its sign too */
    const size_t all = (size_t)1 << (SMJ_LOOK_BITS - s->code_bits);
    if (needed > SMJ_LOOK_BITS || length > SMJ_STEP_BITS_MAX || s->value_bits > value_bits_max) {
        for (size_t i = 0; i < all; i++) *to++ = not_here;
        return to;
    }
    const unsigned behind = bits_behind(length), seen = s->value_bits - behind;
    const size_t each = all >> seen;
    single one = {.length = (uint8_t)length, .step = s->step, .needed = (uint8_t)needed};
    for (unsigned v = 0; v < 1u << seen; v++) {
        one.value = value_of(v, s->value_bits, behind);
        for (size_t i = 0; i < each; i++) *to++ = one;
    }
    return to;
}

static void put_symbols(single entries[SMJ_LOOK_SIZE], const smj_lookup *l, unsigned value_bits_max)
{
    single *to = entries;
    for (int i = 0; i < l->count && l->symbols[i].code_bits <= SMJ_LOOK_BITS; i++)
        to = put_symbol(to, &l->symbols[i], value_bits_max);
    while (to < entries + SMJ_LOOK_SIZE) *to++ = not_here;
}

/* ---- Two ------------------------------------------------------------------------------------- */

static uint64_t bytes_of(smj_values values)
{
    uint64_t bytes;
    _Static_assert(sizeof bytes == sizeof values, "values are moved as one number");
    memcpy(&bytes, &values, sizeof bytes);
    return bytes;
}

static uint16_t move_of(const single *one)
{
    const smj_move move = {one->length, one->step};
    uint16_t bytes;
    memcpy(&bytes, &move, sizeof bytes);
    return bytes;
}

/* Whether there may be another symbol in the index behind this one. */
static bool leaves_room(const single *one)
{
    return one->needed <= SMJ_LOOK_BITS && one->length < SMJ_LOOK_BITS && one->step < SMJ_RARE;
}

static void make_tails(tails *to, unsigned length, const single next[SMJ_LOOK_SIZE])
{
    const size_t count = SMJ_LOOK_SIZE >> length;
    const uint64_t first = bytes_of((smj_values){.first = UINT8_MAX, .first_value = -1});
    const uint64_t both = first | bytes_of((smj_values){.last_value = -1});
    const uint64_t alone = bytes_of((smj_values){.behind = 63});
    for (size_t i = 0; i < count; i++) {
        const single *one = &next[i << length];
        const unsigned sum = length + one->length;
        const bool fits = length + one->needed <= SMJ_LOOK_BITS && sum <= SMJ_STEP_BITS_MAX;
        to->moves[count + i] = fits ? move_of(one) : 0;
        to->masks[count + i] = fits ? first : both;
        to->values[count + i] =
            fits ? bytes_of((smj_values){.behind = (uint8_t)(63 - bits_behind(sum)),
                                         .last_value = one->value})
                 : alone;
    }
}

/* The tails of all lengths that symbols of the tables have. */
static void make_all_tails(tails *to, const smj_lookup *dc, const smj_lookup *ac,
                           const single next[SMJ_LOOK_SIZE])
{
    bool made[SMJ_LOOK_BITS] = {false};
    for (const smj_lookup *l = dc; l != NULL; l = l == dc ? ac : NULL) {
        for (int i = 0; i < l->count; i++) {
            const unsigned length = (unsigned)l->symbols[i].code_bits + l->symbols[i].value_bits;
            if (length >= SMJ_LOOK_BITS || made[length]) continue;
            made[length] = true;
            make_tails(to, length, next);
        }
    }
}

/* Puts symbols and what follows them together. Each is followed by the same things, so the loop
 * within is one for vectors. */
static void join(smj_lookup *to, const single entries[SMJ_LOOK_SIZE], const tails *t)
{
    for (size_t i = 0; i < SMJ_LOOK_SIZE;) {
        const single *one = &entries[i];
        const uint16_t move = move_of(one);
        const smj_values values = {.first = one->step,
                                   .behind = (uint8_t)(63 - bits_behind(one->length)),
                                   .first_value = one->value,
                                   .last_value = one->value};
        const uint64_t bytes = bytes_of(values);
        if (!leaves_room(one)) {
            memcpy(&to->moves[i], &move, sizeof move);
            to->values[i++] = values;
            continue;
        }
        const size_t count = SMJ_LOOK_SIZE >> one->length;
        for (size_t k = 0; k < count; k++) {
            const uint16_t joint_move = (uint16_t)(move + t->moves[count + k]);
            const uint64_t joint = (bytes & t->masks[count + k]) | t->values[count + k];
            memcpy(&to->moves[i + k], &joint_move, sizeof joint_move);
            memcpy(&to->values[i + k], &joint, sizeof joint);
        }
        i += count;
    }
}

bool smj_lookups_make(smj_lookup *dc, smj_lookup *ac, const smj_table_spec *dc_spec,
                      const smj_table_spec *ac_spec, unsigned value_bits_max)
{
    single dc_entries[SMJ_LOOK_SIZE], ac_entries[SMJ_LOOK_SIZE];
    tails t;
    if (!read_symbols(dc, dc_spec, true) || !read_symbols(ac, ac_spec, false)) return false;
    put_symbols(dc_entries, dc, DC_BITS_MAX);
    put_symbols(ac_entries, ac, value_bits_max);
    make_all_tails(&t, dc, ac, ac_entries);
    join(dc, dc_entries, &t);
    join(ac, ac_entries, &t);
    return true;
}
