#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_SIZE = 12, HEADER_SIZE = 6 };

/* A TIFF stream: all offsets count from its first byte. */
typedef struct tiff {
    const uint8_t *data;
    size_t len;
    bool little;
} tiff;

/* Both expect that the caller has checked that the bytes are there. */
static uint32_t read_u16(const tiff *t, size_t at)
{
    uint32_t a = t->data[at], b = t->data[at + 1];
    return t->little ? a | b << 8 : a << 8 | b;
}

static uint32_t read_u32(const tiff *t, size_t at)
{
    uint32_t a = read_u16(t, at), b = read_u16(t, at + 2);
    return t->little ? a | b << 16 : a << 16 | b;
}

int sm_exif_orientation(const uint8_t *data, size_t len)
{
    if (len < HEADER_SIZE + 8 || memcmp(data, "Exif\0", 5) != 0) return 0;
    tiff t = {data + HEADER_SIZE, len - HEADER_SIZE, data[HEADER_SIZE] == 'I'};
    if (memcmp(t.data, t.little ? "II" : "MM", 2) != 0 || read_u16(&t, 2) != 42) return 0;

    size_t folder = read_u32(&t, 4);
    if (folder > t.len - 2) return 0;
    size_t entries = read_u16(&t, folder);
    size_t room = (t.len - folder - 2) / ENTRY_SIZE; /* a cut folder still tells what it holds */
    if (entries > room) entries = room;

    for (size_t i = 0; i < entries; i++) {
        size_t at = folder + 2 + i * ENTRY_SIZE;
        if (read_u16(&t, at) != TAG_ORIENTATION) continue;
        if (read_u16(&t, at + 2) != TYPE_SHORT || read_u32(&t, at + 4) != 1) return 0;
        uint32_t value = read_u16(&t, at + 8);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}
