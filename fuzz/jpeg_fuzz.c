/* Bytes as a picture, on every kind of way through the image room. */
#include "fuzz.h"
#include "image/image.h"

#include <string.h>

static const sm_picture_options ways[] = {
    {.resize_mode = SM_RESIZE_CENTER_CROP, .filter = SM_FILTER_TRIANGLE, .decode = SM_DECODE_FAST},
    {.resize_mode = SM_RESIZE_BORDER, .filter = SM_FILTER_AREA, .decode = SM_DECODE_FAST},
    {.resize_mode = SM_RESIZE_KEEP_RATIO, .filter = SM_FILTER_LANCZOS3, .decode = SM_DECODE_EXACT},
    {.resize_mode = SM_RESIZE_KEEP_RATIO_LARGEST,
     .filter = SM_FILTER_BILINEAR,
     .decode = SM_DECODE_EXACT,
     .strict = true},
    {.resize_mode = SM_RESIZE_NO, .decode = SM_DECODE_EXACT},
};
enum { WAYS = sizeof ways / sizeof *ways };

static sm_picture *workshops[WAYS];
static sm_buf out;

/* Kept from input to input, as a worker keeps them from picture to picture. */
static void open_workshops(void)
{
    for (int i = 0; i < WAYS; i++) {
        sm_picture_options options = ways[i];
        options.width = 24;
        options.height = 17;
        options.encode_quality = 90;
        options.chroma = (sm_chroma)(i % 3);
        options.orient = true;
        options.max_pixels = 1 << 18;
        options.max_memory = 16 << 20;
        FUZZ_CHECK(sm_picture_new(&workshops[i], &options) == SM_OK);
    }
    sm_buf_init(&out, 16 << 20);
}

static void check_success(const sm_picture_info *info, int way)
{
    FUZZ_CHECK(info->reason == SM_REASON_NONE);
    FUZZ_CHECK((info->warnings > 0) == (info->message[0] != '\0'));
    FUZZ_CHECK(info->source_width > 0 && info->source_height > 0);
    if (ways[way].resize_mode == SM_RESIZE_CENTER_CROP || ways[way].resize_mode == SM_RESIZE_BORDER)
        FUZZ_CHECK(info->width == 24 && info->height == 17);
    if (ways[way].resize_mode == SM_RESIZE_NO)
        FUZZ_CHECK(info->width == info->source_width && info->height == info->source_height);
}

/* What comes out is a sound JPEG of the size that was told. */
static void check_outcome(const sm_picture_info *info)
{
    sm_picture_info again;
    const uint8_t *rgb;
    FUZZ_CHECK(sm_picture_pixels(workshops[WAYS - 1], &again, &rgb, out.data, out.len) == SM_OK);
    FUZZ_CHECK(again.warnings == 0);
    FUZZ_CHECK(again.width == info->width && again.height == info->height);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (workshops[0] == NULL) open_workshops();
    for (int way = 0; way < WAYS; way++) {
        sm_picture_info info;
        sm_buf_clear(&out);
        if (sm_picture_convert(workshops[way], &info, &out, data, size) == SM_OK) {
            check_success(&info, way);
            check_outcome(&info);
        } else {
            FUZZ_CHECK(out.len == 0);
            FUZZ_CHECK(info.reason != SM_REASON_NONE && info.message[0] != '\0');
        }
    }
    return 0;
}
