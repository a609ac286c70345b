/*
 * What a decoder keeps, for the files that share its work:
 *
 *     decode.c           the interface
 *     decode_units.c     the scan, unit by unit, into planes of one MCU row
 *     decode_input.c     the file's bytes to the reader's, segment by segment
 *     decode_rgb.c       planes to pixels
 */
#ifndef SMJ_DECODE_STATE_H
#define SMJ_DECODE_STATE_H

#include "jpeg/decode_kernels.h"

enum {
    SMJ_INPUT_SIZE = 64 * 1024,
    SMJ_BLOCK_BYTES_MAX = (27 + 63 * 26 + 7) / 8, /* of the scan */
    SMJ_PLANE_MARGIN = 32,                        /* bytes before a plane's rows, for alignment */
    SMJ_PLANE_SLACK = 128                         /* and behind them */
};

/* What a table was made of. */
typedef struct smj_table_key {
    uint8_t counts[SMJ_CODE_BITS_MAX], symbols[SMJ_SYMBOLS];
    size_t total; /* of the symbols; 0: nothing has been made yet */
} smj_table_key;

/* A component's tables, which are kept, for the next picture often has the same. */
typedef struct smj_lookups {
    _Alignas(64) smj_lookup dc, ac;
    smj_table_key dc_key, ac_key;
    unsigned value_bits_max;
} smj_lookups;

/* A component at the scale at hand. */
typedef struct smj_component_plane {
    uint32_t block_size;         /* of what a block becomes: 8, 4, 2 or 1 samples */
    uint32_t width, height;      /* samples of the whole picture */
    uint32_t mcu_cols, mcu_rows; /* samples of an MCU */
    uint32_t expand_x, expand_y; /* pixels of a sample, 1 or 2 */
    smj_window window;           /* what is wanted of it */
    uint8_t *rows;               /* of the MCU row at hand; before it lies the row before it */
    size_t stride;
    uint32_t first_column, first_row; /* of what rows holds */
    uint8_t *memory;
    size_t memory_cap;
} smj_component_plane;

/* MCUs side by side of which the coefficients are there, and the samples are not. */
typedef struct smj_unit {
    uint32_t row, first, count;
    int buffer;
    bool wanted; /* lies in the window */
} smj_unit;

/* Bytes of one segment of the scan: from its start, or a restart marker, to the next marker. */
typedef struct smj_input {
    const uint8_t *next, *end; /* of the file */
    const uint8_t *filled;     /* end of the bytes in the buffer */
    bool closed;               /* the segment ends there */
    uint8_t buffer[SMJ_INPUT_SIZE + SMJ_UNIT_BLOCKS * SMJ_BLOCK_BYTES_MAX + SMJ_READER_SLACK];
} smj_input;

struct smj_decoder {
    const smj_decode_kernels *kernels;
    smj_frame frame;
    unsigned eighths;
    smj_status status; /* of the picture; anything but SMJ_OK is its end */
    smj_component_plane planes[SMJ_DECODE_COMPONENTS];
    uint32_t first_mcu, end_mcu, first_row, end_row; /* what covers the windows */

    /* the scan */
    uint32_t mcu, row;       /* the next to decode */
    uint32_t restart_left;   /* MCUs */
    unsigned restart_number; /* of the next marker */
    int32_t predicted[SMJ_DECODE_COMPONENTS];
    smj_run run;
    smj_unit pending;
    bool has_pending;
    uint32_t unit_mcus, mcu_blocks;

    /* pixels */
    smj_window window;
    uint32_t pixel_row, pixel_limit; /* the next row to make; the first that cannot be made yet */
    uint8_t *pixels, *lines[SMJ_DECODE_COMPONENTS];
    size_t pixels_stride, pixels_rows;
    uint8_t *pixel_memory;
    size_t pixel_memory_cap;

    smj_slot slots[2][SMJ_UNIT_BLOCKS]; /* by buffer */
    smj_job jobs[SMJ_UNIT_BLOCKS];
    _Alignas(64) int16_t coefs[2][SMJ_UNIT_BLOCKS + 1][SMJ_BLOCK];
    smj_lookups lookups[SMJ_DECODE_COMPONENTS];
    const smj_lookups *lookups_of[SMJ_DECODE_COMPONENTS]; /* components may have the same */
    smj_input input;
};

/* Begins a scan; eighths, planes and what covers the windows are set. */
smj_status smj_units_begin(smj_decoder *d);

/*
 * Decodes one unit more. *row_done: the MCU row that is now in the planes, whole as far as wanted;
 * UINT32_MAX: none. *ended: the scan has no more units, and all samples are there.
 */
smj_status smj_units_step(smj_decoder *d, uint32_t *row_done, bool *ended);

/* Whether what is left of the scan ends it as it should. */
smj_status smj_units_end(smj_decoder *d);

void smj_input_begin(smj_input *in, smj_reader *reader, const uint8_t *from, const uint8_t *end);

/* Provides for a unit of so many blocks, as far as the segment goes. */
void smj_input_fill(smj_input *in, smj_reader *reader, size_t blocks,
                    const smj_decode_kernels *kernels);

/* Whether the reader has not used more than there is. */
bool smj_input_holds(const smj_input *in, const smj_reader *reader);

/* Goes over the marker, which must be this one, right behind the bits that were used. */
bool smj_input_pass(smj_input *in, smj_reader *reader, uint8_t marker,
                    const smj_decode_kernels *kernels);

/* Sets the planes' sizes at a scale; then, their windows being set, begins. */
smj_status smj_set_planes(smj_decoder *d, unsigned eighths);
smj_status smj_begin_planes(smj_decoder *d, unsigned eighths);

/* MCU rows until one is wholly there that has wanted samples. Sets *row; UINT32_MAX: no more. */
smj_status smj_decode_next_row(smj_decoder *d, uint32_t *row);

/* Memory of at least size bytes, zeros when new. */
bool smj_take_memory(uint8_t **memory, size_t *cap, size_t size);

#endif
