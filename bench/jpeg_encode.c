/*
 * Times src/jpeg's encoder against libjpeg-turbo: squares from the middle of JPEG files, encoded
 * again.
 *
 * usage: jpeg_encode [-q QUALITY] [-s SIDE] [-r ROUNDS] < list-of-paths
 *
 * In each round every encoder takes the whole set in turn, so that a busy machine is equally busy
 * for all. Printed are CPU milliseconds a picture (the median and the best of the rounds), bytes a
 * picture, and the ratio of the medians to libjpeg-turbo with its standard tables.
 */
#include "clock.h"
#include "jpeg/jpeg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

enum { PICTURES_MAX = 2000, ROUNDS_MAX = 101, THEIRS = 2, OURS_MAX = 3 };

typedef struct set {
    uint8_t *pictures[PICTURES_MAX];
    int count, quality;
    uint32_t side;
} set;

static void stop(const char *why)
{
    fprintf(stderr, "jpeg_encode: %s\n", why);
    exit(1);
}

/* ---- The pictures ---------------------------------------------------------------------------- */

/* The middle of a file; NULL when the picture is too small. libjpeg ends the program on damage. */
static uint8_t *read_square(FILE *file, uint32_t side)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_stdio_src(&cinfo, file);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_RGB;
    uint8_t *square = NULL;
    if (cinfo.image_width >= side && cinfo.image_height >= side) {
        jpeg_start_decompress(&cinfo);
        square = malloc((size_t)side * side * 3);
        uint8_t *row = malloc((size_t)cinfo.output_width * 3);
        if (square == NULL || row == NULL) stop("out of memory");
        const uint32_t left = (cinfo.output_width - side) / 2;
        const uint32_t top = (cinfo.output_height - side) / 2;
        for (uint32_t y = 0; y < top + side; y++) {
            jpeg_read_scanlines(&cinfo, &row, 1);
            if (y >= top)
                memcpy(square + (size_t)(y - top) * side * 3, row + (size_t)left * 3,
                       (size_t)side * 3);
        }
        free(row);
    }
    jpeg_destroy_decompress(&cinfo);
    return square;
}

static void read_set(set *s)
{
    char path[4096];
    while (s->count < PICTURES_MAX && fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        FILE *file = fopen(path, "rbe");
        if (file == NULL) stop("a picture cannot be opened");
        uint8_t *square = read_square(file, s->side);
        fclose(file);
        if (square != NULL) s->pictures[s->count++] = square;
    }
    if (s->count == 0) stop("no picture is as large as that");
}

/* ---- The encoders ---------------------------------------------------------------------------- */

typedef struct libjpeg {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    uint8_t *out;
    unsigned long cap;
} libjpeg;

static void libjpeg_open(libjpeg *l, const set *s, smj_sampling sampling, int optimal)
{
    l->cap = (unsigned long)s->side * s->side * 4 + 4096;
    l->out = malloc(l->cap);
    if (l->out == NULL) stop("out of memory");
    l->cinfo.err = jpeg_std_error(&l->errors);
    jpeg_create_compress(&l->cinfo);
    l->cinfo.image_width = l->cinfo.image_height = s->side;
    l->cinfo.input_components = 3;
    l->cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&l->cinfo);
    jpeg_set_quality(&l->cinfo, s->quality, TRUE);
    l->cinfo.dct_method = JDCT_ISLOW;
    l->cinfo.optimize_coding = optimal;
    if (sampling == SMJ_GREY) {
        jpeg_set_colorspace(&l->cinfo, JCS_GRAYSCALE);
    } else {
        l->cinfo.comp_info[0].h_samp_factor = sampling == SMJ_444 ? 1 : 2;
        l->cinfo.comp_info[0].v_samp_factor = sampling == SMJ_420 ? 2 : 1;
    }
}

static size_t libjpeg_encode(libjpeg *l, uint8_t *rgb)
{
    uint8_t *out = l->out;
    unsigned long len = l->cap;
    jpeg_mem_dest(&l->cinfo, &out, &len);
    jpeg_start_compress(&l->cinfo, TRUE);
    while (l->cinfo.next_scanline < l->cinfo.image_height) {
        JSAMPROW rows[16];
        JDIMENSION count = 0;
        for (; count < 16 && l->cinfo.next_scanline + count < l->cinfo.image_height; count++)
            rows[count] = rgb + (size_t)(l->cinfo.next_scanline + count) * l->cinfo.image_width * 3;
        jpeg_write_scanlines(&l->cinfo, rows, count);
    }
    jpeg_finish_compress(&l->cinfo);
    return len;
}

static void libjpeg_close(libjpeg *l)
{
    jpeg_destroy_compress(&l->cinfo);
    free(l->out);
}

typedef struct contest {
    const set *s;
    smj_options options;
    libjpeg theirs[THEIRS]; /* standard tables, optimal tables */
    smj_encoder *ours[OURS_MAX];
    int ours_count;
} contest;

/* Encodes the whole set; returns its bytes. */
static size_t take_turn(contest *c, int encoder)
{
    size_t bytes = 0;
    for (int i = 0; i < c->s->count; i++) {
        uint8_t *rgb = c->s->pictures[i];
        if (encoder < THEIRS) {
            bytes += libjpeg_encode(&c->theirs[encoder], rgb);
            continue;
        }
        const uint8_t *data;
        size_t len;
        const uint32_t side = c->s->side;
        if (smj_encode(c->ours[encoder - THEIRS], &data, &len, rgb, (size_t)side * 3, side, side,
                       &c->options) != SMJ_OK)
            stop("encoding failed");
        bytes += len;
    }
    return bytes;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of two choices that come to the same one is enough. */
static void open_ours(contest *c)
{
    static const smj_kernels_choice choices[OURS_MAX] = {SMJ_KERNELS_BEST, SMJ_KERNELS_NO_AVX512,
                                                         SMJ_KERNELS_PORTABLE};
    for (int i = 0; i < OURS_MAX; i++) {
        smj_encoder *made = smj_encoder_new(choices[i]);
        if (made == NULL) stop("out of memory");
        const smj_encoder *before = c->ours_count > 0 ? c->ours[c->ours_count - 1] : NULL;
        if (before != NULL && strcmp(smj_encoder_kernels(before), smj_encoder_kernels(made)) == 0)
            smj_encoder_free(made);
        else
            c->ours[c->ours_count++] = made;
    }
}

static void compete(const set *s, smj_sampling sampling, const char *name, int rounds)
{
    static double times[THEIRS + OURS_MAX][ROUNDS_MAX];
    size_t bytes[THEIRS + OURS_MAX] = {0};
    contest c = {.s = s, .options = {s->quality, sampling}};
    for (int i = 0; i < THEIRS; i++) libjpeg_open(&c.theirs[i], s, sampling, i);
    open_ours(&c);
    const int encoders = THEIRS + c.ours_count;
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < encoders; k++) {
            const double start = cpu_ms();
            bytes[k] = take_turn(&c, k);
            times[k][round] = (cpu_ms() - start) / s->count;
        }
    }
    static const char *const their_names[THEIRS] = {"libjpeg-turbo, standard tables",
                                                    "libjpeg-turbo, optimal tables"};
    printf("\n%s\n%-32s %10s %10s %10s %8s\n", name, "", "median ms", "best ms", "bytes", "times");
    for (int k = 0; k < encoders; k++) qsort(times[k], (size_t)rounds, sizeof(double), by_value);
    for (int k = 0; k < encoders; k++)
        printf("%-32s %10.4f %10.4f %10zu %8.3f\n",
               k < THEIRS ? their_names[k] : smj_encoder_kernels(c.ours[k - THEIRS]),
               times[k][rounds / 2], times[k][0], bytes[k] / (size_t)s->count,
               times[0][rounds / 2] / times[k][rounds / 2]);
    for (int i = 0; i < THEIRS; i++) libjpeg_close(&c.theirs[i]);
    for (int i = 0; i < c.ours_count; i++) smj_encoder_free(c.ours[i]);
}

int main(int argc, char **argv)
{
    static set s = {.quality = 95, .side = 192};
    int rounds = 11;
    for (int option; (option = getopt(argc, argv, "q:s:r:")) != -1;) {
        const long value = optarg == NULL ? 0 : strtol(optarg, NULL, 10);
        switch (option) {
        case 'q': s.quality = (int)value; break;
        case 's': s.side = (uint32_t)value; break;
        case 'r': rounds = (int)value; break;
        default: stop("usage: jpeg_encode [-q QUALITY] [-s SIDE] [-r ROUNDS] < paths");
        }
    }
    if (s.quality < 1 || s.quality > 100 || s.side < 1 || s.side > 16384 || rounds < 1 ||
        rounds > ROUNDS_MAX)
        stop("a number is out of range");
    read_set(&s);
    printf("%d pictures of %u x %u, quality %d, %d rounds\n", s.count, s.side, s.side, s.quality,
           rounds);
    compete(&s, SMJ_444, "4:4:4", rounds);
    compete(&s, SMJ_422, "4:2:2", rounds);
    compete(&s, SMJ_420, "4:2:0", rounds);
    compete(&s, SMJ_GREY, "grey", rounds);
    return 0;
}
