/*
 * Times src/jpeg's decoder against libjpeg-turbo, on whole files that lie in memory.
 *
 * usage: jpeg_decode [-e EIGHTHS] [-r ROUNDS] < list-of-paths
 *
 * In each round every decoder takes the whole set in turn, so that a busy machine is equally busy
 * for all. Printed are CPU milliseconds a picture (the median and the best of the rounds), MB of
 * JPEG a second, and the ratio of the medians to libjpeg-turbo's pixels. Files that our decoder
 * does not take are counted and left out.
 */
#include "clock.h"
#include "jpeg/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

enum { PICTURES_MAX = 4000, ROUNDS_MAX = 101, ROWS_AT_ONCE = 16 };

typedef struct picture {
    uint8_t *data;
    size_t len;
} picture;

typedef struct contest {
    picture pictures[PICTURES_MAX];
    int count;
    unsigned eighths;
    smj_decoder *best, *portable;
    uint8_t *rows; /* libjpeg-turbo's */
} contest;

static void stop(const char *why)
{
    fprintf(stderr, "jpeg_decode: %s\n", why);
    exit(1);
}

/* ---- The decoders ---------------------------------------------------------------------------- */

static bool decode_theirs(contest *c, const picture *p)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, p->data, p->len);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_RGB;
    cinfo.scale_num = c->eighths;
    cinfo.scale_denom = 8;
    jpeg_start_decompress(&cinfo);
    while (cinfo.output_scanline < cinfo.output_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        for (size_t i = 0; i < ROWS_AT_ONCE; i++) rows[i] = c->rows + i * cinfo.output_width * 3;
        jpeg_read_scanlines(&cinfo, rows, ROWS_AT_ONCE);
    }
    jpeg_finish_decompress(&cinfo);
    jpeg_destroy_decompress(&cinfo);
    return true;
}

static bool decode_pixels(const contest *c, smj_decoder *d, const picture *p)
{
    smj_header header;
    smj_plane rows = {.rows = 1};
    smj_status status = smj_decode_open(d, &header, p->data, p->len);
    if (status != SMJ_OK) return false;
    const smj_window all = {0, 0, (header.width * c->eighths + 7) / 8,
                            (header.height * c->eighths + 7) / 8};
    status = smj_decode_start_rgb(d, c->eighths, &all);
    while (status == SMJ_OK && rows.rows > 0) status = smj_decode_read_rgb(d, &rows);
    return status == SMJ_OK && smj_decode_finish(d) == SMJ_OK;
}

/* middle: of the planes only the square in the middle. */
static bool decode_planes(const contest *c, smj_decoder *d, const picture *p, bool middle)
{
    smj_header header;
    smj_plane planes[3] = {{.rows = 1}};
    smj_window windows[3];
    smj_status status = smj_decode_open(d, &header, p->data, p->len);
    if (status != SMJ_OK) return false;
    for (int i = 0; i < header.components; i++) {
        const smj_shape s = smj_decode_shape(d, i, c->eighths);
        windows[i] = (smj_window){0, 0, s.width, s.height};
        if (middle && s.width > s.height) {
            windows[i].left = (s.width - s.height) / 2;
            windows[i].right = windows[i].left + s.height;
        } else if (middle) {
            windows[i].top = (s.height - s.width) / 2;
            windows[i].bottom = windows[i].top + s.width;
        }
    }
    status = smj_decode_start_planes(d, c->eighths, windows);
    while (status == SMJ_OK && planes[0].rows > 0) status = smj_decode_read_planes(d, planes);
    return status == SMJ_OK && smj_decode_finish(d) == SMJ_OK;
}

enum { THEIRS, PIXELS, PLANES, MIDDLE, PORTABLE, DECODERS };

static bool decode(contest *c, int decoder, const picture *p)
{
    switch (decoder) {
    case THEIRS: return decode_theirs(c, p);
    case PIXELS: return decode_pixels(c, c->best, p);
    case PLANES: return decode_planes(c, c->best, p, false);
    case MIDDLE: return decode_planes(c, c->best, p, true);
    default: return decode_pixels(c, c->portable, p);
    }
}

/* ---- The contest ----------------------------------------------------------------------------- */

static picture read_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) stop("a picture cannot be opened");
    const long len = ftell(file);
    picture p = {malloc(len > 0 ? (size_t)len : 1), (size_t)len};
    rewind(file);
    if (p.data == NULL || fread(p.data, 1, p.len, file) != p.len) stop("a picture cannot be read");
    fclose(file);
    return p;
}

static void read_set(contest *c)
{
    char path[4096];
    int refused = 0;
    while (c->count < PICTURES_MAX && fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        const picture p = read_file(path);
        if (decode_pixels(c, c->best, &p)) {
            c->pictures[c->count++] = p;
        } else {
            free(p.data);
            refused++;
        }
    }
    if (c->count == 0) stop("no picture that our decoder takes");
    printf("%d pictures at %u/8, %d not taken\n", c->count, c->eighths, refused);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void compete(contest *c, int rounds)
{
    static double times[DECODERS][ROUNDS_MAX];
    double bytes = 0;
    for (int i = 0; i < c->count; i++) bytes += (double)c->pictures[i].len;
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < DECODERS; k++) {
            const double start = cpu_ms();
            for (int i = 0; i < c->count; i++)
                if (!decode(c, k, &c->pictures[i])) stop("decoding failed");
            times[k][round] = (cpu_ms() - start) / c->count;
        }
    }
    static const char *const what[DECODERS] = {"pixels", "pixels", "planes",
                                               "planes, middle square", "pixels"};
    printf("%-14s %-22s %10s %10s %8s %8s\n", "", "", "median ms", "best ms", "MB/s", "times");
    for (int k = 0; k < DECODERS; k++) qsort(times[k], (size_t)rounds, sizeof(double), by_value);
    for (int k = 0; k < DECODERS; k++) {
        const double median = times[k][rounds / 2];
        const char *who = k == THEIRS ? "libjpeg-turbo"
                                      : smj_decoder_kernels(k == PORTABLE ? c->portable : c->best);
        printf("%-14s %-22s %10.4f %10.4f %8.0f %8.2f\n", who, what[k], median, times[k][0],
               bytes / c->count / median / 1e3, times[THEIRS][rounds / 2] / median);
    }
}

int main(int argc, char **argv)
{
    static contest c = {.eighths = 8};
    int rounds = 11;
    for (int option; (option = getopt(argc, argv, "e:r:")) != -1;) {
        const long value = optarg == NULL ? 0 : strtol(optarg, NULL, 10);
        switch (option) {
        case 'e': c.eighths = (unsigned)value; break;
        case 'r': rounds = (int)value; break;
        default: stop("usage: jpeg_decode [-e EIGHTHS] [-r ROUNDS] < paths");
        }
    }
    if ((c.eighths != 8 && c.eighths != 4 && c.eighths != 2 && c.eighths != 1) || rounds < 1 ||
        rounds > ROUNDS_MAX)
        stop("a number is out of range");
    c.best = smj_decoder_new(SMJ_KERNELS_BEST);
    c.portable = smj_decoder_new(SMJ_KERNELS_PORTABLE);
    c.rows = malloc((size_t)ROWS_AT_ONCE * 65535 * 3);
    if (c.best == NULL || c.portable == NULL || c.rows == NULL) stop("out of memory");
    read_set(&c);
    compete(&c, rounds);
    for (int i = 0; i < c.count; i++) free(c.pictures[i].data);
    smj_decoder_free(c.best);
    smj_decoder_free(c.portable);
    free(c.rows);
    return 0;
}
