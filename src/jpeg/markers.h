/* What stands before the scan of a file. */
#ifndef SMJ_MARKERS_H
#define SMJ_MARKERS_H

#include "jpeg/span.h"

enum { SMJ_HEADER_MAX = 1024 }; /* bytes; tables of a baseline scan have at most 162 symbols */

/* Writes SOI to SOS and returns the end. tables are by number: SMJ_DC_LUMA and so on. */
uint8_t *smj_write_header(uint8_t *to, uint32_t width, uint32_t height, const smj_layout *layout,
                          const smj_quantiser quantisers[2], const smj_huffman tables[SMJ_TABLES]);

/* Writes EOI and returns the end. */
uint8_t *smj_write_end(uint8_t *to);

#endif
