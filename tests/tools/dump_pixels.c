/*
 * dump_pixels [OPTION...] < PATHS
 *
 * Puts each file of the list (one path a line) through the image room and writes one CSV row a
 * file: what the source was, what came out, and its mean colour. For tests and measurements.
 */
#include "image/image.h"

#include "core/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: dump_pixels [OPTION...] < PATHS\n"
    "  --image-size N|WxH    --resize-mode MODE    --filter FILTER    --decode fast|exact\n"
    "  --chroma 444|422|420  --quality Q           --no-orient        --strict\n"
    "  --max-pixels N        --max-memory BYTES\n"
    "  --raw DIR   write the pixels of file n to DIR/n.rgb, 3 bytes each\n"
    "  --encode    encode as well; with --raw, the bytes go to DIR/n.jpg\n"
    "  --time N    do each picture N times, and tell each stage's milliseconds: the fastest of "
    "the\n"
    "              N, on average over the pictures\n";

typedef struct settings {
    sm_picture_options picture;
    const char *raw;
    bool encode;
    long times;
} settings;

typedef struct totals {
    double decode, resize, encode; /* milliseconds a picture */
    unsigned long pictures, bytes;
} totals;

static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "dump_pixels: cannot understand '%s'\n%s", what, usage);
    exit(2);
}

static int choice(const char *value, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(value, words[i]) == 0) return i;
    refuse(value);
}

/* The number that value begins with; *end then stands behind it. */
static unsigned long long number(const char *value, char **end)
{
    unsigned long long got = strtoull(value, end, 10);
    if (*end == value) refuse(value);
    return got;
}

static unsigned long long whole_number(const char *value)
{
    char *end;
    unsigned long long got = number(value, &end);
    if (*end != '\0') refuse(value);
    return got;
}

static void set_size(sm_picture_options *o, const char *value)
{
    char *end;
    o->width = o->height = (uint32_t)number(value, &end);
    if (*end == 'x') o->height = (uint32_t)whole_number(end + 1);
}

/* Returns whether the option took the value behind it. */
static bool set_option(settings *s, const char *name, const char *value)
{
    static const char *const modes[] = {"center_crop", "border", "keep_ratio", "keep_ratio_largest",
                                        "no"};
    static const char *const filters[] = {"triangle", "area", "lanczos3", "bilinear"};
    static const char *const decodes[] = {"fast", "exact"};
    static const char *const chromas[] = {"444", "422", "420"};
    static const char *const flags[] = {"--no-orient", "--strict", "--encode"};
    sm_picture_options *o = &s->picture;
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, flags[i]) != 0) continue;
        if (i == 0) o->orient = false;
        if (i == 1) o->strict = true;
        if (i == 2) s->encode = true;
        return false;
    }
    if (value == NULL) refuse(name);
    if (strcmp(name, "--image-size") == 0)
        set_size(o, value);
    else if (strcmp(name, "--resize-mode") == 0)
        o->resize_mode = (sm_resize_mode)choice(value, modes, 5);
    else if (strcmp(name, "--filter") == 0)
        o->filter = (sm_filter)choice(value, filters, 4);
    else if (strcmp(name, "--decode") == 0)
        o->decode = (sm_decode)choice(value, decodes, 2);
    else if (strcmp(name, "--chroma") == 0)
        o->chroma = (sm_chroma)choice(value, chromas, 3);
    else if (strcmp(name, "--quality") == 0)
        o->encode_quality = (int)whole_number(value);
    else if (strcmp(name, "--max-pixels") == 0)
        o->max_pixels = whole_number(value);
    else if (strcmp(name, "--max-memory") == 0)
        o->max_memory = whole_number(value);
    else if (strcmp(name, "--raw") == 0)
        s->raw = value;
    else if (strcmp(name, "--time") == 0)
        s->times = (long)whole_number(value);
    else
        refuse(name);
    return true;
}

static bool read_file(sm_buf *to, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    sm_buf_clear(to);
    size_t got = 0;
    do {
        to->len += got;
        if (sm_buf_reserve(to, 1 << 20) != SM_OK) {
            fclose(file);
            return false;
        }
        got = fread(to->data + to->len, 1, to->cap - to->len, file);
    } while (got > 0);
    bool good = ferror(file) == 0;
    fclose(file);
    return good;
}

static void write_raw(const settings *s, unsigned long number, const char *ending,
                      const uint8_t *data, size_t len)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%lu.%s", s->raw, number, ending);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
        fprintf(stderr, "dump_pixels: cannot write '%s': %s\n", path, strerror(errno));
        exit(1);
    }
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_row(const char *path, sm_status status, const sm_picture_info *info,
                      const uint8_t *rgb)
{
    double mean[3] = {0, 0, 0};
    size_t count = (size_t)info->width * info->height;
    if (status == SM_OK) {
        uint64_t sum[3] = {0, 0, 0};
        for (size_t i = 0; i < 3 * count; i++) sum[i % 3] += rgb[i];
        for (int c = 0; c < 3; c++) mean[c] = (double)sum[c] / (double)count;
    }
    print_text(path);
    printf(",%s,%u,%u,%u,%u,%.3f,%.3f,%.3f,%u,%s,", status == SM_OK ? "ok" : "error",
           info->source_width, info->source_height, info->width, info->height, mean[0], mean[1],
           mean[2], info->warnings, sm_reason_name(info->reason));
    print_text(info->message);
    putchar('\n');
    fflush(stdout); /* so that a crash leaves the rows before it */
}

static void keep_fastest(double *fastest, uint64_t ns, long round)
{
    double ms = (double)ns / 1e6;
    if (round == 0 || ms < *fastest) *fastest = ms;
}

static void dump(const settings *s, sm_picture *picture, totals *sum, const sm_buf *file,
                 const char *path, unsigned long number)
{
    sm_picture_info info = {0};
    const uint8_t *rgb = NULL;
    sm_status status = SM_OK;
    totals fastest = {0};
    sm_buf out;
    sm_buf_init(&out, SIZE_MAX);
    for (long i = 0; i < s->times; i++) {
        sm_buf_clear(&out);
        if (s->encode) sm_picture_convert(picture, &info, &out, file->data, file->len);
        keep_fastest(&fastest.encode, info.encode_ns, i);
        status = sm_picture_pixels(picture, &info, &rgb, file->data, file->len);
        keep_fastest(&fastest.decode, info.decode_ns, i);
        keep_fastest(&fastest.resize, info.resize_ns, i);
    }
    sum->decode += fastest.decode;
    sum->resize += fastest.resize;
    sum->encode += fastest.encode;
    sum->pictures++;
    sum->bytes += out.len;
    print_row(path, status, &info, rgb);
    if (s->raw != NULL && status == SM_OK) {
        write_raw(s, number, "rgb", rgb, (size_t)info.width * info.height * 3);
        if (s->encode) write_raw(s, number, "jpg", out.data, out.len);
    }
    sm_buf_free(&out);
}

int main(int argc, char **argv)
{
    settings s = {.picture = {.width = 192,
                              .height = 192,
                              .encode_quality = 95,
                              .orient = true,
                              .max_pixels = 178000000},
                  .times = 1};
    for (int i = 1; i < argc; i++)
        if (set_option(&s, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) i++;
    if (s.times < 1) s.times = 1;

    sm_picture *picture;
    if (sm_picture_new(&picture, &s.picture) != SM_OK) {
        fprintf(stderr, "dump_pixels: %s\n", sm_last_error());
        return 2;
    }
    puts("path,status,width,height,out_w,out_h,mean_r,mean_g,mean_b,warnings,reason,message");

    char path[4096];
    sm_buf file;
    sm_buf_init(&file, SIZE_MAX);
    totals sum = {0};
    for (unsigned long number = 0; fgets(path, sizeof path, stdin) != NULL; number++) {
        path[strcspn(path, "\n")] = '\0';
        if (read_file(&file, path))
            dump(&s, picture, &sum, &file, path, number);
        else
            fprintf(stderr, "dump_pixels: cannot read '%s'\n", path);
    }
    if (s.times > 1 && sum.pictures > 0) {
        double n = (double)sum.pictures;
        fprintf(stderr, "%lu pictures, ms each: decode %.4f, resize %.4f, encode %.4f; %lu bytes\n",
                sum.pictures, sum.decode / n, sum.resize / n, sum.encode / n,
                sum.bytes / sum.pictures);
    }
    sm_buf_free(&file);
    sm_picture_free(picture);
    return 0;
}
