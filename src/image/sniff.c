#include "image/image.h"

#include <string.h>
#include <strings.h>

typedef struct magic {
    sm_image_format format;
    size_t len;
    const char *bytes;
} magic;

/* The first that fits wins. */
static const magic magics[] = {
    {SM_FORMAT_JPEG, 3, "\xff\xd8\xff"},
    {SM_FORMAT_PNG, 8, "\x89PNG\r\n\x1a\n"},
    {SM_FORMAT_GIF, 6, "GIF87a"},
    {SM_FORMAT_GIF, 6, "GIF89a"},
    {SM_FORMAT_TIFF, 4, "II*\0"},
    {SM_FORMAT_TIFF, 4, "MM\0*"},
    {SM_FORMAT_TIFF, 4, "II+\0"}, /* BigTIFF */
    {SM_FORMAT_TIFF, 4, "MM\0+"},
    {SM_FORMAT_JPEG2000, 12, "\0\0\0\x0cjP  \r\n\x87\n"},
    {SM_FORMAT_JPEG2000, 4, "\xff\x4f\xff\x51"},
    {SM_FORMAT_JPEGXL, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
    {SM_FORMAT_JPEGXL, 2, "\xff\x0a"},
};

/* Brands of ISO base media files that hold still pictures: HEIF and AVIF. */
static const char *const heif_brands[] = {"heic", "heix", "heim", "heis", "hevc",
                                          "hevx", "mif1", "msf1", "avif", "avis"};

static bool is_heif(const uint8_t *data, size_t len)
{
    if (len < 12 || memcmp(data + 4, "ftyp", 4) != 0) return false;
    for (size_t i = 0; i < sizeof heif_brands / sizeof *heif_brands; i++)
        if (memcmp(data + 8, heif_brands[i], 4) == 0) return true;
    return false;
}

static bool is_webp(const uint8_t *data, size_t len)
{
    return len >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

/* "BM" alone is too common a start of text: the info header's size must be one in use. */
static bool is_bmp(const uint8_t *data, size_t len)
{
    static const uint8_t header_sizes[] = {12, 16, 40, 52, 56, 64, 108, 124};
    if (len < SM_SNIFF_BYTES || data[0] != 'B' || data[1] != 'M') return false;
    return data[15] == 0 && memchr(header_sizes, data[14], sizeof header_sizes) != NULL;
}

sm_image_format sm_sniff(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *m = &magics[i];
        if (len >= m->len && memcmp(data, m->bytes, m->len) == 0) return m->format;
    }
    if (is_webp(data, len)) return SM_FORMAT_WEBP;
    if (is_heif(data, len)) return SM_FORMAT_HEIF;
    if (is_bmp(data, len)) return SM_FORMAT_BMP;
    return SM_FORMAT_UNKNOWN;
}

const char *sm_image_format_name(sm_image_format format)
{
    switch (format) {
    case SM_FORMAT_UNKNOWN: return "unknown";
    case SM_FORMAT_JPEG: return "JPEG";
    case SM_FORMAT_PNG: return "PNG";
    case SM_FORMAT_GIF: return "GIF";
    case SM_FORMAT_WEBP: return "WebP";
    case SM_FORMAT_BMP: return "BMP";
    case SM_FORMAT_TIFF: return "TIFF";
    case SM_FORMAT_HEIF: return "HEIF or AVIF";
    case SM_FORMAT_JPEG2000: return "JPEG 2000";
    case SM_FORMAT_JPEGXL: return "JPEG XL";
    }
    return "unknown";
}

bool sm_is_image_name(const char *name)
{
    static const char *const endings[] = {"jpg",  "jpeg", "jpe",  "jfif", "mpo", "png",
                                          "gif",  "webp", "bmp",  "dib",  "tif", "tiff",
                                          "heic", "heif", "avif", "jp2",  "j2k", "jxl"};
    const char *slash = strrchr(name, '/');
    const char *base = slash == NULL ? name : slash + 1;
    const char *dot = strrchr(base, '.');
    if (dot == NULL || dot == base) return false; /* none, or a hidden file's */
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}
