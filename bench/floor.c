/*
 * The floor: what libjpeg-turbo alone takes to decode every picture and to encode one of the size
 * wanted, with all files in memory beforehand and nothing resized or written. A packer on
 * libjpeg-turbo that decodes whole pictures cannot be faster than this.
 *
 *     find pictures -name '*.jpg' | floor --threads 2
 *
 * Prints one line of JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <jpeglib.h>

enum { ROWS_AT_ONCE = 16, PIXEL_SIZE = 3, MAX_THREADS = 1024, MAX_SIZE = 4096 };

/* How small a picture is decoded: whole, or at the smallest power-of-two DCT scale at which it is
 * still at least so many times the size wanted. */
typedef enum scale { SCALE_WHOLE, SCALE_COVER, SCALE_TWICE } scale;

typedef struct picture {
    uint8_t *data;
    size_t len;
} picture;

typedef struct job {
    picture *pictures;
    size_t count;
    atomic_size_t next;
    unsigned threads, size;
    int quality;
    scale scale;
    bool optimal;
} job;

typedef struct escaping_errors {
    struct jpeg_error_mgr base; /* first: libjpeg knows only this */
    jmp_buf escape;
} escaping_errors;

/* One thread's codec and buffers, used again from picture to picture. */
typedef struct worker {
    job *job;
    pthread_t thread;
    struct jpeg_decompress_struct decoder;
    struct jpeg_compress_struct encoder;
    escaping_errors errors;
    uint8_t *window; /* the rows in the middle of a picture, at its full width */
    size_t window_cap;
    uint8_t *square; /* what is encoded of a picture smaller than the size wanted */
    unsigned char *out;
    unsigned long out_cap;
    size_t failed;
    uint64_t bytes_out;
} worker;

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "floor: %s%s%s\n", what, detail[0] == '\0' ? "" : ": ", detail);
    exit(1);
}

static void *take(size_t bytes)
{
    void *memory = calloc(bytes, 1); /* touched now, not while time is taken */
    if (memory == NULL) die("out of memory", "");
    return memory;
}

static void on_error(j_common_ptr cinfo)
{
    longjmp(((escaping_errors *)cinfo->err)->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
    (void)cinfo;
    (void)level; /* a damaged picture costs time as well */
}

/* ---- One picture ----------------------------------------------------------------------------- */

static JDIMENSION scaled(JDIMENSION length, unsigned eighths)
{
    return (length * eighths + 7) / 8;
}

static unsigned pick_eighths(const worker *w)
{
    if (w->job->scale == SCALE_WHOLE) return 8;
    JDIMENSION wanted = w->job->size * (w->job->scale == SCALE_TWICE ? 2 : 1);
    unsigned eighths = 1;
    while (eighths < 8 && (scaled(w->decoder.image_width, eighths) < wanted ||
                           scaled(w->decoder.image_height, eighths) < wanted))
        eighths *= 2;
    return eighths;
}

/* Decodes a picture; its middle rows stay in the window, all others fall onto one scratch row. */
static void decode(worker *w, const picture *p)
{
    struct jpeg_decompress_struct *d = &w->decoder;
    const JDIMENSION size = w->job->size;
    jpeg_mem_src(d, p->data, p->len);
    jpeg_read_header(d, TRUE);
    d->out_color_space = JCS_RGB;
    d->dct_method = JDCT_ISLOW;
    d->scale_num = pick_eighths(w);
    d->scale_denom = 8;
    jpeg_start_decompress(d);

    const size_t stride = (size_t)d->output_width * PIXEL_SIZE;
    if (stride * (size + 1) > w->window_cap) {
        free(w->window);
        w->window_cap = stride * (size + 1);
        w->window = take(w->window_cap);
    }
    const JDIMENSION top = d->output_height > size ? (d->output_height - size) / 2 : 0;
    while (d->output_scanline < d->output_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        for (JDIMENSION i = 0; i < ROWS_AT_ONCE; i++) {
            JDIMENSION row = d->output_scanline + i;
            bool kept = row >= top && row - top < size;
            rows[i] = w->window + stride * (kept ? row - top : size);
        }
        jpeg_read_scanlines(d, rows, ROWS_AT_ONCE);
    }
    jpeg_finish_decompress(d);
}

/* Repeats the last column and row of a picture that is smaller than the size wanted. */
static void widen(worker *w)
{
    const size_t size = w->job->size, width = w->decoder.output_width;
    const size_t height = w->decoder.output_height;
    const size_t left = width > size ? (width - size) / 2 : 0;
    for (size_t y = 0; y < size; y++) {
        const uint8_t *row = w->window + (y < height ? y : height - 1) * width * PIXEL_SIZE;
        for (size_t x = 0; x < size; x++) {
            size_t column = left + x < width ? left + x : width - 1;
            memcpy(w->square + (y * size + x) * PIXEL_SIZE, row + column * PIXEL_SIZE, PIXEL_SIZE);
        }
    }
}

static void encode(worker *w)
{
    struct jpeg_compress_struct *e = &w->encoder;
    const size_t size = w->job->size, width = w->decoder.output_width;
    uint8_t *pixels = w->window + (width - size) / 2 * PIXEL_SIZE;
    size_t stride = width * PIXEL_SIZE;
    if (width < size || w->decoder.output_height < size) {
        widen(w);
        pixels = w->square;
        stride = size * PIXEL_SIZE;
    }
    unsigned char *out = w->out;
    unsigned long len = w->out_cap;
    jpeg_mem_dest(e, &out, &len);
    jpeg_start_compress(e, TRUE);
    while (e->next_scanline < e->image_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        JDIMENSION count = e->image_height - e->next_scanline;
        if (count > ROWS_AT_ONCE) count = ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < count; i++) rows[i] = pixels + stride * (e->next_scanline + i);
        jpeg_write_scanlines(e, rows, count);
    }
    jpeg_finish_compress(e);
    w->bytes_out += len;
    if (out != w->out) free(out);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void prepare(worker *w, job *j)
{
    *w = (worker){.job = j};
    struct jpeg_error_mgr *errors = jpeg_std_error(&w->errors.base);
    errors->error_exit = on_error;
    errors->emit_message = on_message;
    if (setjmp(w->errors.escape) != 0) die("cannot make a JPEG codec", "");
    w->decoder.err = errors;
    jpeg_create_decompress(&w->decoder);

    struct jpeg_compress_struct *e = &w->encoder;
    e->err = errors;
    jpeg_create_compress(e);
    e->image_width = j->size;
    e->image_height = j->size;
    e->input_components = PIXEL_SIZE;
    e->in_color_space = JCS_RGB;
    jpeg_set_defaults(e);
    jpeg_set_quality(e, j->quality, TRUE);
    e->dct_method = JDCT_ISLOW;
    e->optimize_coding = j->optimal;
    e->comp_info[0].h_samp_factor = 1;
    e->comp_info[0].v_samp_factor = 1;

    /* More than any picture of this size takes, so that libjpeg never grows it. */
    w->out_cap = (unsigned long)j->size * j->size * PIXEL_SIZE * 2 + 4096;
    w->out = take(w->out_cap);
    w->square = take((size_t)j->size * j->size * PIXEL_SIZE);
}

static void *work(void *argument)
{
    worker *w = argument;
    for (;;) {
        size_t index = atomic_fetch_add(&w->job->next, 1);
        if (index >= w->job->count) return NULL;
        if (setjmp(w->errors.escape) != 0) {
            w->failed++;
            jpeg_abort_decompress(&w->decoder);
            jpeg_abort_compress(&w->encoder);
            continue;
        }
        decode(w, &w->job->pictures[index]);
        encode(w);
    }
}

static void release(worker *w)
{
    jpeg_destroy_decompress(&w->decoder);
    jpeg_destroy_compress(&w->encoder);
    free(w->window);
    free(w->square);
    free(w->out);
}

/* ---- The program ----------------------------------------------------------------------------- */

static picture read_picture(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (file == NULL || fstat(fileno(file), &about) != 0) die(path, strerror(errno));
    picture p = {.len = (size_t)about.st_size};
    p.data = take(p.len + 1);
    if (fread(p.data, 1, p.len, file) != p.len) die(path, "cannot be read");
    fclose(file);
    return p;
}

static void read_pictures(job *j)
{
    char *line = NULL;
    size_t line_cap = 0, cap = 0;
    ssize_t len;
    while ((len = getline(&line, &line_cap, stdin)) > 0) {
        if (line[len - 1] == '\n') line[--len] = '\0';
        if (len == 0) continue;
        if (j->count == cap) {
            cap = cap == 0 ? 1024 : cap * 2;
            j->pictures = realloc(j->pictures, cap * sizeof *j->pictures);
            if (j->pictures == NULL) die("out of memory", "");
        }
        j->pictures[j->count++] = read_picture(line);
    }
    free(line);
    if (j->count == 0) die("no paths on standard input", "");
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static unsigned read_number(const char *text, unsigned max)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 1 || number > max)
        die("not a number in range", text);
    return (unsigned)number;
}

static scale read_scale(const char *text)
{
    if (strcmp(text, "whole") == 0) return SCALE_WHOLE;
    if (strcmp(text, "cover") == 0) return SCALE_COVER;
    if (strcmp(text, "twice") == 0) return SCALE_TWICE;
    die("--scale is one of whole, cover, twice", text);
}

static void read_options(job *j, int argc, char **argv)
{
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'},
        {"size", required_argument, NULL, 's'},
        {"quality", required_argument, NULL, 'q'},
        {"scale", required_argument, NULL, 'c'},
        {"optimal", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *j = (job){.threads = 2, .size = 192, .quality = 95};
    int letter;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (letter) {
        case 't': j->threads = read_number(optarg, MAX_THREADS); break;
        case 's': j->size = read_number(optarg, MAX_SIZE); break;
        case 'q': j->quality = (int)read_number(optarg, 100); break;
        case 'c': j->scale = read_scale(optarg); break;
        case 'o': j->optimal = true; break;
        default:
            fprintf(letter == 'h' ? stdout : stderr,
                    "usage: floor [--threads N] [--scale whole|cover|twice] [--size N]\n"
                    "             [--quality N] [--optimal] < PATHS\n");
            exit(letter == 'h' ? 0 : 2);
        }
    }
    if (optind < argc) die("paths come from standard input, one a line, not as", argv[optind]);
}

int main(int argc, char **argv)
{
    job j;
    read_options(&j, argc, argv);
    read_pictures(&j);
    worker *workers = take(j.threads * sizeof *workers);
    for (unsigned i = 0; i < j.threads; i++) prepare(&workers[i], &j);

    double began = now();
    for (unsigned i = 0; i < j.threads; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            die("cannot start a thread", "");
    for (unsigned i = 0; i < j.threads; i++) pthread_join(workers[i].thread, NULL);
    double seconds = now() - began;

    size_t failed = 0;
    uint64_t bytes_out = 0;
    for (unsigned i = 0; i < j.threads; i++) {
        failed += workers[i].failed;
        bytes_out += workers[i].bytes_out;
        release(&workers[i]);
    }
    printf("{\"tool\": \"floor\", \"pictures\": %zu, \"failed\": %zu, \"seconds\": %.6f, "
           "\"pictures_per_second\": %.1f, \"bytes_out\": %llu}\n",
           j.count - failed, failed, seconds, (double)j.count / seconds,
           (unsigned long long)bytes_out);
    for (size_t i = 0; i < j.count; i++) free(j.pictures[i].data);
    free(j.pictures);
    free(workers);
    return 0;
}
