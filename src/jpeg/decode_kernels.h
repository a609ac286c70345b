/*
 * The inner loops of the decoder. Every implementation gives the same results.
 *
 *     unstuff     bytes of the file -> bytes of the scan, up to the next marker
 *     run         bits -> coefficients of one unit; and of the unit before, coefficients -> samples
 *     upsample    chroma samples -> one for each pixel
 *     convert     samples -> pixels
 *
 * A unit is up to SMJ_UNIT_BLOCKS blocks of MCUs side by side. Walking the bits is one chain of
 * loads that depend on one another, which leaves most of the machine idle; so the unit before is
 * transformed meanwhile, a pair of blocks every few steps.
 */
#ifndef SMJ_DECODE_KERNELS_H
#define SMJ_DECODE_KERNELS_H

#include "jpeg/decode_tables.h"

enum {
    SMJ_UNIT_BLOCKS = 64,
    SMJ_UNSTUFF_SLACK = 32, /* bytes that unstuff may write behind its end */
    SMJ_READER_SLACK = 16,  /* bytes that run may read behind what it uses */
    SMJ_UPSAMPLE_GROUP = 32 /* run's rows are rounded up to as many samples */
};

/* One block to decode. */
typedef struct smj_slot {
    const smj_lookup *ac;      /* its table */
    const smj_lookup *next_dc; /* of the block after it */
    int16_t *block;            /* zeros, but for the first */
    const uint16_t *quant;     /* block order */
} smj_slot;

/* Two blocks to transform, of one component; or one, twice. Their coefficients become zeros. */
typedef struct smj_job {
    int16_t *blocks[2];
    uint8_t *out[2];
    const uint16_t *quant;
    size_t stride;
    uint32_t size; /* of what a block becomes: 8, 4, 2 or 1 samples square */
} smj_job;

/* Bits of the scan: `held` of them are on top of `bits`, the next come from `in`. */
typedef struct smj_reader {
    const uint8_t *in;
    uint64_t bits;
    uint64_t held;
} smj_reader;

typedef struct smj_run {
    smj_reader reader;
    const smj_lookup *dc; /* the first block's table */
    const smj_slot *slot, *slots_end;
    const smj_job *job, *jobs_end;
    bool scaled; /* a job has another size than 8 */
    bool broken; /* a symbol was none, or went past its block's end */
} smj_run;

typedef struct smj_decode_kernels {
    const char *name;

    /* Takes bytes from *from on, to a marker, to their end or until `to` has no more than
     * SMJ_UNSTUFF_SLACK bytes left. Returns the end; *from is left at what was not taken. */
    uint8_t *(*unstuff)(uint8_t *to, uint8_t *to_end, const uint8_t **from, const uint8_t *end);

    /* Decodes all slots and does all jobs. Uses at most 27 bits for a DC value and 26 for each
     * other coefficient. Each block gets its DC difference, not its DC value. */
    void (*run)(smj_run *run);

    /*
     * libjpeg's fancy upsampling of count samples, rounded up to SMJ_UPSAMPLE_GROUP: each new one
     * is 3/4 of the nearer and 1/4 of the farther. Along x, in[-1] and in[count] are read too and
     * 2 * count samples come out; along y, far is the row above (upper) or below.
     */
    void (*upsample_x)(uint8_t *out, const uint8_t *in, size_t count);
    void (*upsample_y)(uint8_t *out, const uint8_t *near, const uint8_t *far, bool upper,
                       size_t count);
    void (*upsample_xy)(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t count);

    /* count pixels, rounded up to SMJ_UPSAMPLE_GROUP. cb and cr may be NULL, both: grey. */
    void (*convert)(uint8_t *rgbx, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                    size_t count);
} smj_decode_kernels;

extern const smj_decode_kernels smj_decode_portable;

/* NULL where the machine lacks it. */
const smj_decode_kernels *smj_decode_avx2(void);
const smj_decode_kernels *smj_decode_neon(void);

#endif
