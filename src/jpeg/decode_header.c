/*
 * The header is read strictly: what libjpeg-turbo would warn about, what it would refuse, and what
 * it would take in a way of its own is left to it.
 */
#include "jpeg/decode_header.h"

#include <string.h>

enum {
    SOF0 = 0xc0, /* baseline */
    SOF1 = 0xc1, /* extended, Huffman */
    DHT = 0xc4,
    DAC = 0xcc,
    SOF15 = 0xcf,
    RST0 = 0xd0,
    SOI = 0xd8,
    SOS = 0xda,
    DQT = 0xdb,
    DRI = 0xdd,
    DHP = 0xde,
    EXP = 0xdf,
    APP0 = 0xe0,
    APP14 = 0xee,
    APP15 = 0xef,
    COM = 0xfe,

    JFIF_MIN = 14, /* shorter ones are not taken for JFIF's */
    ADOBE_MIN = 12,
    ADOBE_YCBCR = 1,
    SIDE_MAX = 65500 /* pixels; libjpeg takes no more */
};

typedef struct header_reader {
    smj_frame *frame;
    uint8_t ids[SMJ_DECODE_COMPONENTS];
    bool has_frame;
} header_reader;

static uint32_t two_bytes(const uint8_t *from)
{
    return (uint32_t)from[0] << 8 | from[1];
}

bool smj_next_segment(smj_segment *segment, size_t *at, const uint8_t *data, size_t len)
{
    size_t i = *at;
    if (i >= len || data[i] != 0xff) return false;
    while (i < len && data[i] == 0xff) i++; /* a marker may have fill bytes before it */
    if (i >= len || len - i < 3) return false;
    const uint8_t marker = data[i++];
    if (marker <= 0x01 || (marker >= RST0 && marker <= 0xd9)) return false; /* has no length */
    const size_t size = two_bytes(data + i);
    if (size < 2 || size > len - i) return false;
    *segment = (smj_segment){marker, data + i + 2, size - 2};
    *at = i + size;
    return true;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static bool read_quants(smj_frame *f, const uint8_t *from, size_t len)
{
    while (len > 0) {
        const unsigned wide = from[0] >> 4, slot = from[0] & 15;
        const size_t size = (size_t)SMJ_BLOCK << wide;
        if (wide > 1 || slot >= SMJ_TABLE_SLOTS || len - 1 < size) return false;
        from++;
        for (size_t k = 0; k < SMJ_BLOCK; k++)
            f->quants[slot][smj_zigzag[k]] =
                (uint16_t)(wide ? two_bytes(from + 2 * k) : (uint32_t)from[k]);
        f->has_quant[slot] = true;
        from += size;
        len -= size + 1;
    }
    return true;
}

static bool read_huffman(smj_frame *f, const uint8_t *from, size_t len)
{
    while (len > 0) {
        const unsigned kind = from[0] >> 4, slot = from[0] & 15;
        if (kind > 1 || slot >= SMJ_TABLE_SLOTS || len < 1 + SMJ_CODE_BITS_MAX) return false;
        size_t total = 0;
        for (size_t i = 1; i <= SMJ_CODE_BITS_MAX; i++) total += from[i];
        const size_t size = 1 + SMJ_CODE_BITS_MAX + total;
        if (total > SMJ_SYMBOLS || len < size) return false;
        const smj_table_spec spec = {from + 1, from + 1 + SMJ_CODE_BITS_MAX, total};
        *(kind == 0 ? &f->dc[slot] : &f->ac[slot]) = spec;
        from += size;
        len -= size;
    }
    return true;
}

/* ---- Frame and scan -------------------------------------------------------------------------- */

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

static bool read_component(header_reader *r, int c, const uint8_t *from)
{
    smj_component *component = &r->frame->components[c];
    r->ids[c] = from[0];
    /* other numbers may tell RGB; of a grey picture any will do */
    if (r->frame->count > 1 && from[0] != c + 1) return false;
    component->across = from[1] >> 4;
    component->down = from[1] & 15;
    component->quant = from[2];
    if (component->across < 1 || component->across > 2 || component->down < 1 ||
        component->down > 2 || component->quant >= SMJ_TABLE_SLOTS)
        return false;
    /* blocks of the only component in a scan are never grouped (T.81, A.2.2) */
    if (r->frame->count == 1) component->across = component->down = 1;
    return true;
}

static bool read_frame(header_reader *r, const uint8_t *from, size_t len)
{
    smj_frame *f = r->frame;
    if (r->has_frame || len < 6 || from[0] != 8) return false;
    f->height = two_bytes(from + 1);
    f->width = two_bytes(from + 3);
    f->count = from[5];
    if (f->height < 1 || f->height > SIDE_MAX || f->width < 1 || f->width > SIDE_MAX ||
        (f->count != 1 && f->count != 3) || len != 6 + 3 * (size_t)f->count)
        return false;
    f->max_across = f->max_down = 1;
    for (int c = 0; c < f->count; c++) {
        if (!read_component(r, c, from + 6 + (size_t)c * 3)) return false;
        const smj_component *component = &f->components[c];
        if (component->across > f->max_across) f->max_across = component->across;
        if (component->down > f->max_down) f->max_down = component->down;
    }
    f->mcus_across = divide_up(f->width, 8 * f->max_across);
    f->mcus_down = divide_up(f->height, 8 * f->max_down);
    r->has_frame = true;
    return true;
}

static bool read_scan(header_reader *r, const uint8_t *from, size_t len)
{
    smj_frame *f = r->frame;
    const size_t count = (size_t)f->count;
    if (!r->has_frame || len != 4 + 2 * count || from[0] != count) return false;
    uint32_t blocks = 0;
    for (size_t c = 0; c < count; c++) {
        smj_component *component = &f->components[c];
        const uint8_t *tables = from + 1 + 2 * c;
        if (tables[0] != r->ids[c]) return false;
        component->dc = tables[1] >> 4;
        component->ac = tables[1] & 15;
        if (component->dc >= SMJ_TABLE_SLOTS || component->ac >= SMJ_TABLE_SLOTS ||
            f->dc[component->dc].counts == NULL || f->ac[component->ac].counts == NULL ||
            !f->has_quant[component->quant])
            return false;
        blocks += component->across * component->down;
    }
    if (blocks > SMJ_MCU_BLOCKS_MAX) return false;
    const uint8_t *whole = from + 1 + 2 * count; /* all coefficients, with all their bits */
    return whole[0] == 0 && whole[1] == SMJ_BLOCK - 1 && whole[2] == 0;
}

/* ---- The header ------------------------------------------------------------------------------ */

/* Of another major version, libjpeg-turbo warns. */
static bool is_jfif_fine(const smj_segment *s)
{
    return s->len < JFIF_MIN || memcmp(s->data, "JFIF", 5) != 0 || s->data[5] == 1;
}

static bool is_adobe_fine(const smj_segment *s)
{
    return s->len < ADOBE_MIN || memcmp(s->data, "Adobe", 5) != 0 || s->data[11] == ADOBE_YCBCR;
}

static bool read_segment(header_reader *r, const smj_segment *s)
{
    switch (s->marker) {
    case SOF0:
    case SOF1: return read_frame(r, s->data, s->len);
    case DHT: return read_huffman(r->frame, s->data, s->len);
    case DQT: return read_quants(r->frame, s->data, s->len);
    case DRI:
        if (s->len != 2) return false;
        r->frame->restart_interval = two_bytes(s->data);
        return true;
    case APP0: return is_jfif_fine(s);
    case APP14: return is_adobe_fine(s);
    case COM: return true;
    default: return s->marker > APP0 && s->marker <= APP15;
    }
}

bool smj_read_header(smj_frame *frame, const uint8_t *data, size_t len)
{
    header_reader r = {.frame = frame};
    smj_segment segment;
    size_t at = 2;
    memset(frame, 0, sizeof *frame);
    if (len < 2 || data[0] != 0xff || data[1] != SOI) return false;
    while (smj_next_segment(&segment, &at, data, len)) {
        if (segment.marker == SOS) {
            frame->scan = data + at;
            return read_scan(&r, segment.data, segment.len);
        }
        if (!read_segment(&r, &segment)) return false;
    }
    return false;
}
