/*
 * The walk over the bits: plain C, compiled into each implementation with its instructions and its
 * transform.
 *
 * One step looks up one or two symbols, whatever they are: DC, AC or end of block. What depends on
 * the picture is done without branches, for they would be mispredicted at every third symbol. Two
 * remain, which are nearly always foreseen: a symbol that the table lacks, and the unit's end.
 */
#ifndef SMJ_DECODE_SCAN_H
#define SMJ_DECODE_SCAN_H

#include "jpeg/decode_kernels.h"

#include <string.h>

#define SMJ_INLINE            static inline __attribute__((always_inline))
#define SMJ_RARELY(condition) __builtin_expect((condition), 0)

enum {
    SMJ_STEPS = 3,  /* between two refills */
    SMJ_REFILLS = 4 /* between two jobs: as long as one takes */
};

/* Where each coefficient of the scan belongs. Behind the block's end (what an end of block sets)
 * is the first coefficient of the next one, which has not been decoded yet. */
extern const uint8_t smj_places[256];

typedef struct smj_rare {
    uint8_t length, step;
    int16_t value;
} smj_rare;

/* One symbol, of any kind. Tells of broken ones in run. */
smj_rare smj_decode_rare(smj_run *run, const smj_lookup *table, const smj_slot *slot, uint64_t bits,
                         unsigned index);

/* From one 0xff to the next, which the C library finds quickly. */
SMJ_INLINE uint8_t *smj_unstuff_bytes(uint8_t *to, uint8_t *to_end, const uint8_t **from,
                                      const uint8_t *end)
{
    const uint8_t *in = *from;
    to_end -= SMJ_UNSTUFF_SLACK;
    while (in < end && to < to_end) {
        const size_t room = (size_t)(to_end - to), left = (size_t)(end - in);
        const size_t count = room < left ? room : left;
        const uint8_t *full = memchr(in, 0xff, count);
        const size_t plain = full == NULL ? count : (size_t)(full - in);
        memcpy(to, in, plain);
        to += plain;
        in += plain;
        if (full == NULL) continue;
        if (end - in < 2 || in[1] != 0) break;
        *to++ = 0xff;
        in += 2;
    }
    *from = in;
    return to;
}

SMJ_INLINE uint64_t smj_load_big_endian(const uint8_t *from)
{
    uint64_t bits;
    memcpy(&bits, from, sizeof bits);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    return bits;
}

/* At least 56 bits. Those beyond are true as well, so they may be set again. */
SMJ_INLINE void smj_refill(smj_reader *r)
{
    r->bits |= smj_load_big_endian(r->in) >> (r->held & 63);
    r->in += (63 - r->held) >> 3;
    r->held |= 56;
}

SMJ_INLINE void smj_drop(smj_reader *r, unsigned bits)
{
    r->bits <<= bits & 63;
    r->held -= bits;
}

typedef struct smj_walk {
    smj_reader reader;
    const smj_lookup *table;
    const smj_slot *slot;
    unsigned index; /* of the last coefficient that was set; -1 before DC */
} smj_walk;

SMJ_INLINE void smj_step(smj_walk *w, smj_run *run)
{
    const size_t at = w->reader.bits >> (64 - SMJ_LOOK_BITS);
    smj_values alone;
    const smj_values *values = &w->table->values[at];
    unsigned length = w->table->moves[at].length;
    unsigned last = w->index + w->table->moves[at].last;
    unsigned behind = (unsigned)(w->reader.bits << SMJ_LOOK_BITS >> 1 >> (values->behind & 63));
    if (SMJ_RARELY(last & SMJ_RARE)) {
        smj_refill(&w->reader);
        const smj_rare rare = smj_decode_rare(run, w->table, w->slot, w->reader.bits, w->index);
        smj_drop(&w->reader, rare.length);
        smj_refill(&w->reader);
        alone =
            (smj_values){.first = rare.step, .first_value = rare.value, .last_value = rare.value};
        values = &alone;
        length = behind = 0;
        last = w->index + rare.step;
    }
    int16_t *block = w->slot->block;
    const unsigned first = w->index + values->first;
    smj_drop(&w->reader, length);
    block[smj_places[first]] = values->first_value;
    block[smj_places[last]] = (int16_t)(values->last_value + (int)behind);

    const smj_slot *slot = w->slot;
    const smj_lookup *ac = slot->ac, *dc = slot->next_dc;
    const bool ended = last >= SMJ_BLOCK - 1;
#if defined(__x86_64__)
    /* compilers like a branch better */
    __asm__("cmpl $63, %k[last]\n\t"
            "cmovae %[dc], %[table]\n\t"
            "cmovae %[before], %k[last]\n\t"
            "cmovae %[next], %[slot]"
            : [last] "+&r"(last), [table] "+&r"(ac), [slot] "+&r"(slot)
            : [dc] "m"(slot->next_dc), [before] "r"(-1), [next] "r"(slot + 1)
            : "cc");
    (void)ended, (void)dc;
    w->table = ac;
    w->index = last;
    w->slot = slot;
#else
    w->table = ended ? dc : ac;
    w->index = ended ? -1u : last;
    w->slot = slot + ended;
#endif
}

/* Always inlined, so that transform is as well. */
SMJ_INLINE void smj_run_with(smj_run *run, void (*transform)(const smj_job *job))
{
    smj_walk w = {run->reader, run->dc, run->slot, -1u};
    const smj_slot *const end = run->slots_end;
    const smj_job *job = run->job, *const jobs_end = run->jobs_end;
    /* A round goes no further than the end: a step ends one block at most. */
    for (;;) {
        for (int i = 0; i < SMJ_REFILLS; i++) {
            if (end - w.slot < SMJ_STEPS) goto last_blocks;
            smj_refill(&w.reader);
            for (int k = 0; k < SMJ_STEPS; k++) smj_step(&w, run);
        }
        if (job < jobs_end) transform(job++);
    }
last_blocks:
    while (w.slot < end) {
        smj_refill(&w.reader);
        smj_step(&w, run);
    }
    while (job < jobs_end) transform(job++);
    run->reader = w.reader;
}

#endif
