/*
 * Times the resizer: the crop of JPEG files that the default options take, from decoded pixels.
 *
 * usage: resize [-s SIDE] [-r ROUNDS] [-n CONTESTS] < list-of-paths
 *
 * Two stages: "tables" is sm_resizer_begin on the pictures in the order given, each met once a
 * round; "rows" is what is pushed afterwards, from memory that is in the cache, as it is behind a
 * decoder. Filters and implementations take turns in each round, so that a busy machine is equally
 * busy for all. Printed are CPU milliseconds a picture, the medians and the best of the rounds.
 */
#include "image/resize.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

enum { PICTURES_MAX = 1000, ROUNDS_MAX = 101, STRIP_ROWS = 16, REPEATS = 4, CONTESTS = 7 };

typedef struct picture {
    uint8_t *rgbx;
    uint32_t width, height;
} picture;

typedef struct set {
    picture pictures[PICTURES_MAX];
    int count;
    uint32_t side;
    uint8_t *out;
} set;

static void stop(const char *why)
{
    fprintf(stderr, "resize: %s\n", why);
    exit(1);
}

/* libjpeg ends the program on damage. */
static picture read_picture(FILE *file)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_stdio_src(&cinfo, file);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = JCS_EXT_RGBX;
    jpeg_start_decompress(&cinfo);
    const size_t stride = (size_t)cinfo.output_width * 4;
    picture p = {malloc(stride * cinfo.output_height + SM_ROW_PADDING), cinfo.output_width,
                 cinfo.output_height};
    if (p.rgbx == NULL) stop("out of memory");
    while (cinfo.output_scanline < cinfo.output_height) {
        JSAMPROW row = p.rgbx + stride * cinfo.output_scanline;
        jpeg_read_scanlines(&cinfo, &row, 1);
    }
    jpeg_destroy_decompress(&cinfo);
    return p;
}

static void read_set(set *s)
{
    char path[4096];
    while (s->count < PICTURES_MAX && fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        FILE *file = fopen(path, "rbe");
        if (file == NULL) stop("a picture cannot be opened");
        s->pictures[s->count++] = read_picture(file);
        fclose(file);
    }
    if (s->count == 0) stop("no picture was named");
    s->out = malloc((size_t)s->side * s->side * 3);
    if (s->out == NULL) stop("out of memory");
}

typedef enum form { PIXELS, PLANES_444, PLANES_420 } form;

typedef struct contest {
    const char *name;
    sm_filter filter;
    form form;
    bool portable;
    sm_resizer *resizer;
    sm_window windows[SM_PLANES_MAX];
    double tables[ROUNDS_MAX], rows[ROUNDS_MAX];
} contest;

static void begin(const set *s, contest *c, const picture *p)
{
    const sm_picture_options options = {
        .width = s->side, .height = s->side, .resize_mode = SM_RESIZE_CENTER_CROP};
    sm_geometry g;
    sm_geometry_plan(&g, &options, p->width, p->height, 1);
    const size_t size = (size_t)s->side * s->side;
    const unsigned chroma = c->form == PLANES_420 ? 8 : 16;
    const sm_plane planes[SM_PLANES_MAX] = {{16, 16, s->out, s->side},
                                            {chroma, chroma, s->out + size, s->side},
                                            {chroma, chroma, s->out + 2 * size, s->side}};
    sm_status status =
        c->form == PIXELS
            ? sm_resizer_begin(c->resizer, c->windows, &g, c->filter, 8, s->out,
                               (size_t)s->side * 3)
            : sm_resizer_begin_planes(c->resizer, c->windows, &g, c->filter, planes, SM_PLANES_MAX);
    if (status != SM_OK) stop("out of memory");
}

/* Strips as a decoder gives them: an MCU high, all in the same memory. Their samples are those of
 * the picture's top, which makes no difference to the time. */
static void push(contest *c, const picture *p)
{
    for (uint32_t row = 0; row < p->height; row += STRIP_ROWS) {
        sm_strip strip = {.pixels = p->rgbx,
                          .stride = (size_t)p->width * 4,
                          .first_row = row,
                          .rows = STRIP_ROWS};
        if (c->form == PIXELS) {
            sm_resizer_push(c->resizer, &strip);
            continue;
        }
        for (unsigned i = 0; i < SM_PLANES_MAX; i++) {
            const uint32_t share = i > 0 && c->form == PLANES_420 ? 2 : 1;
            strip.stride = p->width / share;
            strip.pixels = p->rgbx + (size_t)p->width * STRIP_ROWS * i;
            strip.first_row = row / share;
            strip.rows = STRIP_ROWS / share;
            sm_resizer_push_plane(c->resizer, i, &strip);
        }
    }
    if (!sm_resizer_is_done(c->resizer)) stop("rows are missing");
}

static void take_turn(const set *s, contest *c, int round)
{
    double tables = 0, rows = 0;
    for (int i = 0; i < s->count; i++) {
        const picture *p = &s->pictures[i];
        double start = cpu_ms();
        begin(s, c, p);
        tables += cpu_ms() - start;
        push(c, p);
        start = cpu_ms();
        for (int k = 0; k < REPEATS; k++) {
            begin(s, c, p);
            push(c, p);
        }
        rows += (cpu_ms() - start) / REPEATS;
    }
    c->tables[round] = tables / s->count;
    c->rows[round] = rows / s->count;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static set s = {.side = 192};
    static contest contests[CONTESTS] = {
        {.name = "triangle", .filter = SM_FILTER_TRIANGLE},
        {.name = "bilinear", .filter = SM_FILTER_BILINEAR},
        {.name = "triangle, 4:4:4 planes", .filter = SM_FILTER_TRIANGLE, .form = PLANES_444},
        {.name = "bilinear, 4:4:4 planes", .filter = SM_FILTER_BILINEAR, .form = PLANES_444},
        {.name = "triangle, 4:2:0 planes", .filter = SM_FILTER_TRIANGLE, .form = PLANES_420},
        {.name = "triangle, portable", .filter = SM_FILTER_TRIANGLE, .portable = true},
        {.name = "bilinear, portable", .filter = SM_FILTER_BILINEAR, .portable = true}};
    int rounds = 11, count = CONTESTS;
    for (int option; (option = getopt(argc, argv, "s:r:n:")) != -1;) {
        const long value = optarg == NULL ? 0 : strtol(optarg, NULL, 10);
        switch (option) {
        case 's': s.side = (uint32_t)value; break;
        case 'r': rounds = (int)value; break;
        case 'n': count = (int)value; break;
        default: stop("usage: resize [-s SIDE] [-r ROUNDS] [-n CONTESTS] < paths");
        }
    }
    if (s.side < 1 || s.side > 4096 || rounds < 1 || rounds > ROUNDS_MAX || count < 1 ||
        count > CONTESTS)
        stop("a number is out of range");
    read_set(&s);
    for (int k = 0; k < count; k++)
        if (sm_resizer_new(&contests[k].resizer, contests[k].portable) != SM_OK)
            stop("out of memory");
    for (int round = 0; round < rounds; round++)
        for (int k = 0; k < count; k++) take_turn(&s, &contests[k], round);

    printf("%d pictures to %u x %u, %d rounds; CPU ms a picture\n%-24s %8s %8s %8s %8s\n", s.count,
           s.side, s.side, rounds, "", "tables", "best", "rows", "best");
    for (int k = 0; k < count; k++) {
        contest *c = &contests[k];
        qsort(c->tables, (size_t)rounds, sizeof(double), by_value);
        qsort(c->rows, (size_t)rounds, sizeof(double), by_value);
        printf("%-24s %8.4f %8.4f %8.4f %8.4f\n", c->name, c->tables[rounds / 2], c->tables[0],
               c->rows[rounds / 2], c->rows[0]);
        sm_resizer_free(c->resizer);
    }
    return 0;
}
