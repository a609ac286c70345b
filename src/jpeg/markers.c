#include "jpeg/markers.h"

#include <string.h>

/* T.81, table B.1 */
enum {
    SOF0 = 0xc0, /* baseline frame */
    DHT = 0xc4,  /* Huffman table */
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    DQT = 0xdb, /* quantisation table */
    APP0 = 0xe0
};

static uint8_t *put(uint8_t *to, uint32_t byte)
{
    *to = (uint8_t)byte;
    return to + 1;
}

static uint8_t *put_two(uint8_t *to, uint32_t word)
{
    return put(put(to, word >> 8), word);
}

/* length: of the segment's content */
static uint8_t *put_segment(uint8_t *to, uint32_t marker, uint32_t length)
{
    return put_two(put_two(to, 0xff00 | marker), length + 2);
}

static uint8_t *put_jfif(uint8_t *to)
{
    /* version 1.1, square pixels of no stated size, no thumbnail */
    static const uint8_t content[] = {'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
    to = put_segment(to, APP0, sizeof content);
    memcpy(to, content, sizeof content);
    return to + sizeof content;
}

static uint8_t *put_quantiser(uint8_t *to, uint32_t number, const smj_quantiser *quantiser)
{
    to = put_segment(to, DQT, 1 + SMJ_BLOCK);
    to = put(to, number);
    for (int k = 0; k < SMJ_BLOCK; k++) to = put(to, quantiser->steps[smj_zigzag[k]]);
    return to;
}

static uint8_t *put_frame(uint8_t *to, uint32_t width, uint32_t height, const smj_layout *layout)
{
    to = put_segment(to, SOF0, 6 + 3 * layout->components);
    to = put(to, 8); /* bits a sample */
    to = put_two(put_two(to, height), width);
    to = put(to, layout->components);
    for (uint32_t c = 0; c < layout->components; c++) {
        to = put(to, c + 1);
        to = put(to, c == 0 ? layout->luma_cols << 4 | layout->luma_rows : 0x11);
        to = put(to, c != 0);
    }
    return to;
}

/* place: class of the table (DC 0, AC 1) and its number, four bits each */
static uint8_t *put_huffman(uint8_t *to, uint32_t place, const smj_huffman *table)
{
    const size_t total = (size_t)table->total;
    to = put_segment(to, DHT, 1 + SMJ_CODE_BITS_MAX + (uint32_t)total);
    to = put(to, place);
    memcpy(to, table->counts, SMJ_CODE_BITS_MAX);
    to += SMJ_CODE_BITS_MAX;
    memcpy(to, table->symbols, total);
    return to + total;
}

static uint8_t *put_scan(uint8_t *to, uint32_t components)
{
    to = put_segment(to, SOS, 4 + 2 * components);
    to = put(to, components);
    for (uint32_t c = 0; c < components; c++) to = put(put(to, c + 1), c == 0 ? 0x00 : 0x11);
    return put(put(put(to, 0), SMJ_BLOCK - 1), 0); /* all coefficients, with all their bits */
}

uint8_t *smj_write_header(uint8_t *to, uint32_t width, uint32_t height, const smj_layout *layout,
                          const smj_quantiser quantisers[2], const smj_huffman tables[SMJ_TABLES])
{
    const bool grey = layout->components == 1;
    to = put_two(to, 0xff00 | SOI);
    to = put_jfif(to);
    to = put_quantiser(to, 0, &quantisers[0]);
    if (!grey) to = put_quantiser(to, 1, &quantisers[1]);
    to = put_frame(to, width, height, layout);
    to = put_huffman(to, 0x00, &tables[SMJ_DC_LUMA]);
    to = put_huffman(to, 0x10, &tables[SMJ_AC_LUMA]);
    if (!grey) {
        to = put_huffman(to, 0x01, &tables[SMJ_DC_CHROMA]);
        to = put_huffman(to, 0x11, &tables[SMJ_AC_CHROMA]);
    }
    return put_scan(to, layout->components);
}

uint8_t *smj_write_end(uint8_t *to)
{
    return put_two(to, 0xff00 | EOI);
}
