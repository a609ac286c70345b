#include "image/encode_jpeg.h"

#include "image/outcome.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { ROWS_AT_ONCE = 16, HEADER_BYTES = 1024 };

struct sm_jpeg_encoder {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    sm_picture_info *info; /* of the picture at hand; NULL while the encoder is made */
    sm_buf *out;
    size_t written;    /* bytes in out before this picture */
    sm_status failure; /* of the call that has just escaped */
};

static sm_jpeg_encoder *encoder_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

static void on_error(j_common_ptr cinfo)
{
    sm_jpeg_encoder *e = encoder_of(cinfo);
    char words[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, words);
    if (e->info == NULL)
        e->failure = sm_fail(SM_ERR_MEMORY, "cannot make a JPEG encoder: %s", words);
    else
        e->failure = sm_picture_fail(
            e->info, SM_STAGE_ENCODE,
            cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? SM_FAIL_OUT_OF_MEMORY : SM_FAIL_ENCODE,
            "%s", words);
    longjmp(e->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
    (void)cinfo;
    (void)level; /* an encoder's warnings tell nothing about the picture */
}

/* ---- The destination: straight into the caller's buffer -------------------------------------- */

/* Gives libjpeg all the room behind len, at least `more` bytes of it. */
static void give_room(sm_jpeg_encoder *e, size_t more)
{
    sm_buf *out = e->out;
    sm_status status = sm_buf_reserve(out, more);
    if (status != SM_OK) {
        e->failure = sm_picture_fail_status(e->info, SM_STAGE_ENCODE, status);
        longjmp(e->escape, 1);
    }
    e->destination.next_output_byte = out->data + out->len;
    e->destination.free_in_buffer = out->cap - out->len;
}

static void begin(j_compress_ptr cinfo)
{
    const size_t pixels = (size_t)cinfo->image_width * cinfo->image_height;
    give_room(encoder_of((j_common_ptr)cinfo), pixels + HEADER_BYTES);
}

/* libjpeg calls this when it has filled all of its room. */
static boolean grow(j_compress_ptr cinfo)
{
    sm_jpeg_encoder *e = encoder_of((j_common_ptr)cinfo);
    e->out->len = e->out->cap;
    give_room(e, 1);
    return TRUE;
}

static void end(j_compress_ptr cinfo)
{
    sm_jpeg_encoder *e = encoder_of((j_common_ptr)cinfo);
    e->out->len = e->out->cap - e->destination.free_in_buffer;
}

/* ---- The encoder ----------------------------------------------------------------------------- */

static void set_options(struct jpeg_compress_struct *cinfo, int quality, sm_chroma chroma)
{
    cinfo->input_components = 3;
    cinfo->in_color_space = JCS_RGB;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, quality, TRUE);
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->comp_info[0].h_samp_factor = chroma == SM_CHROMA_444 ? 1 : 2;
    cinfo->comp_info[0].v_samp_factor = chroma == SM_CHROMA_420 ? 2 : 1;
}

sm_status sm_jpeg_encoder_new(sm_jpeg_encoder **encoder, int quality, sm_chroma chroma)
{
    sm_jpeg_encoder *e = calloc(1, sizeof *e);
    if (e == NULL) return sm_fail_memory(sizeof *e);
    e->cinfo.err = jpeg_std_error(&e->errors);
    e->cinfo.client_data = e;
    e->errors.error_exit = on_error;
    e->errors.emit_message = on_message;
    e->destination.init_destination = begin;
    e->destination.empty_output_buffer = grow;
    e->destination.term_destination = end;
    if (setjmp(e->escape) != 0) {
        sm_jpeg_encoder_free(e);
        return SM_ERR_MEMORY;
    }
    jpeg_create_compress(&e->cinfo);
    e->cinfo.dest = &e->destination;
    set_options(&e->cinfo, quality, chroma);
    *encoder = e;
    return SM_OK;
}

void sm_jpeg_encoder_free(sm_jpeg_encoder *encoder)
{
    if (encoder == NULL) return;
    jpeg_destroy_compress(&encoder->cinfo); /* also of one that was not created */
    free(encoder);
}

static void write_rows(struct jpeg_compress_struct *cinfo, const uint8_t *rgb)
{
    size_t stride = (size_t)cinfo->image_width * 3;
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION count = cinfo->image_height - cinfo->next_scanline;
        if (count > ROWS_AT_ONCE) count = ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < count; i++) {
            const uint8_t *row = rgb + stride * (cinfo->next_scanline + i);
            memcpy(&rows[i], &row, sizeof row); /* libjpeg only reads it, but does not say so */
        }
        jpeg_write_scanlines(cinfo, rows, count);
    }
}

sm_status sm_jpeg_encode(sm_jpeg_encoder *encoder, sm_picture_info *info, sm_buf *out,
                         const uint8_t *rgb, uint32_t width, uint32_t height)
{
    sm_jpeg_encoder *e = encoder;
    if (width > SM_JPEG_SIDE_MAX || height > SM_JPEG_SIDE_MAX)
        return sm_picture_fail(info, SM_STAGE_ENCODE, SM_FAIL_ENCODE,
                               "%u x %u pixels do not fit a JPEG, whose sides have at most %d",
                               width, height, SM_JPEG_SIDE_MAX);
    e->info = info;
    e->out = out;
    e->written = out->len;
    if (setjmp(e->escape) != 0) {
        jpeg_abort_compress(&e->cinfo);
        e->out->len = e->written;
        return e->failure;
    }
    e->cinfo.image_width = width;
    e->cinfo.image_height = height;
    jpeg_start_compress(&e->cinfo, TRUE);
    write_rows(&e->cinfo, rgb);
    jpeg_finish_compress(&e->cinfo);
    return SM_OK;
}
