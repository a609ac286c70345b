#include "image/encode_jpeg.h"

#include "image/outcome.h"

#include "jpeg/jpeg.h"

#include <stdlib.h>

struct sm_jpeg_encoder {
    smj_encoder *encoder;
    smj_options options;
};

static smj_sampling sampling_of(sm_chroma chroma)
{
    switch (chroma) {
    case SM_CHROMA_444: return SMJ_444;
    case SM_CHROMA_422: return SMJ_422;
    case SM_CHROMA_420: return SMJ_420;
    }
    return SMJ_444;
}

const char *sm_vector_code(void)
{
    smj_encoder *encoder = smj_encoder_new(SMJ_KERNELS_BEST);
    const char *name = encoder == NULL ? NULL : smj_encoder_kernels(encoder);
    smj_encoder_free(encoder);
    return name;
}

sm_status sm_jpeg_encoder_new(sm_jpeg_encoder **encoder, int quality, sm_chroma chroma)
{
    sm_jpeg_encoder *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->options = (smj_options){.quality = quality, .sampling = sampling_of(chroma)};
    made->encoder = smj_encoder_new(SMJ_KERNELS_BEST);
    if (made->encoder == NULL) {
        free(made);
        return sm_fail(SM_ERR_MEMORY, "cannot get memory for a JPEG encoder");
    }
    *encoder = made;
    return SM_OK;
}

void sm_jpeg_encoder_free(sm_jpeg_encoder *encoder)
{
    if (encoder == NULL) return;
    smj_encoder_free(encoder->encoder);
    free(encoder);
}

/* Of pixels, or of planes where rgb is NULL. */
static sm_status encode(sm_jpeg_encoder *e, sm_picture_info *info, sm_buf *out, const uint8_t *rgb,
                        const uint8_t *const planes[3], uint32_t width, uint32_t height)
{
    if (width > SM_JPEG_SIDE_MAX || height > SM_JPEG_SIDE_MAX)
        return sm_picture_fail(info, SM_STAGE_ENCODE, SM_FAIL_ENCODE,
                               "%u x %u pixels are more than a JPEG can have (%d on a side)", width,
                               height, SM_JPEG_SIDE_MAX);
    const uint8_t *data;
    size_t len;
    smj_status encoded = rgb != NULL ? smj_encode(e->encoder, &data, &len, rgb, (size_t)width * 3,
                                                  width, height, &e->options)
                                     : smj_encode_planes(e->encoder, &data, &len, planes, width,
                                                         width, height, &e->options);
    if (encoded != SMJ_OK)
        return sm_picture_fail(info, SM_STAGE_ENCODE,
                               encoded == SMJ_ERR_MEMORY ? SM_FAIL_OUT_OF_MEMORY : SM_FAIL_ENCODE,
                               "%s", smj_status_text(encoded));
    sm_status status = sm_buf_append(out, data, len);
    return status == SM_OK ? SM_OK : sm_picture_fail_status(info, SM_STAGE_ENCODE, status);
}

sm_status sm_jpeg_encode(sm_jpeg_encoder *encoder, sm_picture_info *info, sm_buf *out,
                         const uint8_t *rgb, uint32_t width, uint32_t height)
{
    return encode(encoder, info, out, rgb, NULL, width, height);
}

sm_status sm_jpeg_encode_planes(sm_jpeg_encoder *encoder, sm_picture_info *info, sm_buf *out,
                                const uint8_t *const planes[3], uint32_t width, uint32_t height)
{
    return encode(encoder, info, out, NULL, planes, width, height);
}
