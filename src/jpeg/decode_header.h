/* What stands before the scan of a file, and which files the decoder takes. */
#ifndef SMJ_DECODE_HEADER_H
#define SMJ_DECODE_HEADER_H

#include "jpeg/decode.h"
#include "jpeg/huffman.h"
#include "jpeg/quantise.h"

enum {
    SMJ_DECODE_COMPONENTS = 3,
    SMJ_MCU_BLOCKS_MAX = 10, /* T.81, B.2.3 */
    SMJ_TABLE_SLOTS = 4
};

typedef struct smj_component {
    uint32_t across, down; /* sampling factors, 1 or 2: blocks of an MCU */
    int quant, dc, ac;     /* numbers of its tables */
} smj_component;

/* A Huffman table as it stands in the file. */
typedef struct smj_table_spec {
    const uint8_t *counts;  /* codes of 1 to 16 bits; NULL: there is no such table */
    const uint8_t *symbols; /* by rising code */
    size_t total;           /* symbols */
} smj_table_spec;

typedef struct smj_frame {
    uint32_t width, height;
    int count; /* of components */
    smj_component components[SMJ_DECODE_COMPONENTS];
    uint32_t max_across, max_down;
    uint32_t mcus_across, mcus_down;
    uint32_t restart_interval; /* MCUs; 0: none */
    bool has_quant[SMJ_TABLE_SLOTS];
    uint16_t quants[SMJ_TABLE_SLOTS][SMJ_BLOCK]; /* in block order */
    smj_table_spec dc[SMJ_TABLE_SLOTS], ac[SMJ_TABLE_SLOTS];
    const uint8_t *scan; /* its first byte */
} smj_frame;

/* False: not a file for this decoder. The frame points into data. */
bool smj_read_header(smj_frame *frame, const uint8_t *data, size_t len);

#endif
