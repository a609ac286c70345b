/* shardmill pack */
#include "commands.h"
#include "engines.h"
#include "screen.h"
#include "summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct pack_call {
    sm_pack_options options;
    engine_call engine;
    int log_format;
    bool quiet;
} pack_call;

static bool read_size(void *target, const char *text, const char **want)
{
    sm_picture_options *picture = target;
    char *end;
    *want = "a size such as 192 or 320x240, each from 1 to 16384";
    errno = 0;
    unsigned long width = strtoul(text, &end, 10), height = width;
    if (*text < '0' || *text > '9') return false;
    if (*end == 'x') {
        if (end[1] < '0' || end[1] > '9') return false;
        height = strtoul(end + 1, &end, 10);
    }
    if (errno != 0 || *end != '\0' || width < 1 || height < 1 || width > 16384 || height > 16384)
        return false;
    picture->width = (uint32_t)width;
    picture->height = (uint32_t)height;
    return true;
}

static bool read_seed(void *target, const char *text, const char **want)
{
    sm_pack_options *options = target;
    char *end;
    *want = "a seed: a whole number from 0 on";
    errno = 0;
    options->seed = strtoull(text, &end, 10);
    options->shuffle = true;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool read_max_failures(void *target, const char *text, const char **want)
{
    sm_pack_options *options = target;
    char *end;
    *want = "a number of pictures, or a percentage such as 1%";
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    double number = strtod(text, &end);
    if (errno != 0) return false;
    if (strcmp(end, "%") == 0) {
        options->max_failures_percent = number;
        return number <= 100;
    }
    options->max_failures = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

#define AT(member) offsetof(pack_call, options.member)
#define HEADING(text)                        \
    {                                        \
        .kind = OPTION_HEADING, .help = text \
    }
#define CHOICE(n, m, c, h)                                                        \
    {                                                                             \
        .name = n, .kind = OPTION_CHOICE, .offset = AT(m), .choice = c, .help = h \
    }
#define TEXT(n, m, v, h)                                                       \
    {                                                                          \
        .name = n, .kind = OPTION_TEXT, .offset = AT(m), .value = v, .help = h \
    }
#define ON(n, m, h)                                              \
    {                                                            \
        .name = n, .kind = OPTION_ON, .offset = AT(m), .help = h \
    }
#define OFF(n, m, h)                                              \
    {                                                             \
        .name = n, .kind = OPTION_OFF, .offset = AT(m), .help = h \
    }
#define CUSTOM(n, o, v, f, h)                                                           \
    {                                                                                   \
        .name = n, .kind = OPTION_CUSTOM, .offset = o, .value = v, .read = f, .help = h \
    }
#define NUMBER(n, k, m, lo, hi, h)                                                           \
    {                                                                                        \
        .name = n, .kind = k, .offset = AT(m), .value = "N", .min = lo, .max = hi, .help = h \
    }

static const option_row rows[] = {
    HEADING("What goes in"),
    TEXT("list", list_file, "FILE",
         "the pictures' paths, one a line; relative to SRC, or else to "
         "FILE's folder"),
    TEXT("manifest", manifest_file, "FILE",
         "a .csv with a header line, or a .jsonl: path, label, and, if you like, split; further "
         "columns are carried into the records"),
    CHOICE("labels", labels, SM_CHOICE_LABELS,
           "folder: a picture's class is the name of the folder it lies in; none: no classes"),
    TEXT("classes", classes_file, "FILE",
         "the classes, one a line, in the order of their numbers; pictures of others are skipped. "
         "Without it: all there are, sorted"),
    HEADING("Pictures"),
    CUSTOM("image-size", offsetof(pack_call, options.picture), "N|WxH", read_size,
           "the size to fit pictures to, in pixels (192)"),
    CHOICE(
        "resize-mode", picture.resize_mode, SM_CHOICE_RESIZE_MODE,
        "center_crop fills the size and cuts what is over; border fits in and pads with white; "
        "keep_ratio: shorter side as given; keep_ratio_largest: longer side as given; no: as is"),
    CHOICE("filter", picture.filter, SM_CHOICE_FILTER,
           "triangle: antialiased, as Pillow's BILINEAR and tf.image.resize(antialias=True); "
           "bilinear: as tf.image.resize by default, which aliases"),
    CHOICE("decode", picture.decode, SM_CHOICE_DECODE,
           "fast: decode JPEG at the smallest scale at least twice the size wanted (whole with "
           "--filter bilinear); exact: whole"),
    CHOICE("encode-format", picture.encode_format, SM_CHOICE_ENCODE_FORMAT,
           "keep, with --resize-mode no: the files' own bytes, untouched"),
    NUMBER("encode-quality", OPTION_INT, picture.encode_quality, 1, 100, "JPEG quality (95)"),
    CHOICE("chroma", picture.chroma, SM_CHOICE_CHROMA, "chroma sampling of the JPEG written"),
    OFF("no-orient", picture.orient,
        "leave pictures as stored, whatever their EXIF orientation says"),
    ON("strict", picture.strict, "a picture that decodes with warnings is a failure"),
    NUMBER("max-pixels", OPTION_U64, picture.max_pixels, 1, UINT64_MAX,
           "refuse pictures that claim more, before memory is taken (178000000)"),
    HEADING("What comes out"),
    CHOICE(
        "schema", schema, SM_CHOICE_SCHEMA,
        "tfds: image, label, file_name; fast-and-lean: image, class, label, size, one_hot_class"),
    TEXT("split", splits, "SPEC",
         "such as train=0.9,val=0.1, by a hash of each path, so that a "
         "picture stays in its split (all in train)"),
    CUSTOM("shuffle", offsetof(pack_call, options), "SEED", read_seed,
           "shuffle all pictures, reproducibly; on, with seed 0, by default"),
    OFF("no-shuffle", shuffle, "keep the order of paths, list or manifest"),
    NUMBER("shards", OPTION_U32, shards, 1, 99999,
           "so many shards in all, shared among the splits"),
    NUMBER("images-per-shard", OPTION_U32, images_per_shard, 1, UINT32_MAX,
           "so many pictures a shard"),
    NUMBER("max-shard-size-mb", OPTION_U32, max_shard_size_mb, 1, 1000000,
           "else as many shards as keep each below this (128)"),
    CHOICE("compression", compression, SM_CHOICE_COMPRESSION,
           "gzip: for tf.data.TFRecordDataset(…, compression_type=\"GZIP\"); TFDS cannot read it"),
    TEXT("name", name, "NAME", "of the set (SRC's last component)"),
    TEXT("version", version, "V", "of the set (1.0.0)"),
    HEADING("How it is done"),
    CHOICE("jpeg-decoder", picture.jpeg_decoder, SM_CHOICE_JPEG_DECODER,
           "auto: our own, and libjpeg-turbo for what that does not take; the records are the same "
           "either way"),
    {.name = "dry-run",
     .letter = 'n',
     .kind = OPTION_ON,
     .offset = AT(dry_run),
     .help = "tell the plan: counts, classes, shards, expected size; write nothing"},
    ON("overwrite", overwrite, "replace the set that DST holds"),
    ON("retry-failed", retry_failed,
       "only what failures.jsonl lists; what now succeeds becomes an additional shard"),
    CUSTOM("max-failures", offsetof(pack_call, options), "N|P%", read_max_failures,
           "stop when more pictures fail"),
    {.name = "threads",
     .letter = 'j',
     .kind = OPTION_U32,
     .offset = AT(threads),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "converters at once (all cores that this process may use)"},
    {.name = "memory",
     .kind = OPTION_BYTES,
     .offset = AT(memory),
     .value = "SIZE",
     .min = (uint64_t)32 << 20,
     .max = UINT64_MAX,
     .help = "for files in flight and decoders, such as 512M (half of what there is)"},
    BILLING_PROJECT_ROW,
    HEADING("What is told"),
    CUSTOM(
        "log-format", offsetof(pack_call, log_format), "text|json", read_log_format,
        "json: progress and errors as JSON lines on stderr, the summary as one object on stdout"),
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_ON,
     .offset = offsetof(pack_call, quiet),
     .help = "no progress, and no summary unless something failed"},
    {0},
};

static const char intro[] =
    "SRC is a folder, a quoted glob, or a bucket's URL; each picture's class is the folder it "
    "lies\n"
    "in. DST becomes a TensorFlow Datasets folder: tfds.builder_from_directory(DST) reads it.\n"
    "\n"
    "  shardmill pack photos shards                           192x192 JPEGs in TFRecords\n"
    "  shardmill pack photos shards --image-size 224 --split train=0.9,val=0.1\n"
    "  shardmill pack photos shards --dry-run                 what would be done\n"
    "  shardmill pack gs://bucket/photos s3://bucket/shards   buckets, with their usual "
    "credentials\n"
    "  shardmill pack --manifest labels.csv shards            labels from a table\n"
    "  shardmill pack 'photos/*/2024-*' shards --labels none\n"
    "  shardmill pack photos shards --resize-mode no --encode-format keep\n"
    "  shardmill pack gs://bucket/photos gs://bucket/shards --engine spark --master yarn\n"
    "\n"
    "Bad pictures never end the run: failures.jsonl in DST names each, with the reason. After\n"
    "Ctrl-C or a crash, the same command goes on where it stopped. When the bad files are mended:\n"
    "\n"
    "  shardmill pack photos shards --retry-failed\n";

static void on_progress(void *user, const sm_progress *progress)
{
    screen_progress(user, progress);
}

static bool is_cancelled(void *user)
{
    (void)user;
    return caught_signal() != 0;
}

static int finish(screen *s, sm_status status, const sm_pack_summary *summary, const char *dst,
                  const sm_pack_options *options)
{
    screen_clear(s);
    if (status == SM_OK) {
        bool silent = s->quiet && summary->failures == 0 && s->format == LOG_TEXT;
        if (!silent) print_pack_summary(summary, dst, options, s->format);
        if (!finish_stdout(s)) return EXIT_FATAL;
        return summary->failures > 0 && !options->dry_run ? EXIT_WITH_FAILURES : EXIT_DONE;
    }
    screen_error(s, sm_last_error());
    if (status == SM_ERR_USAGE) {
        if (s->format == LOG_TEXT) fprintf(stderr, "see 'shardmill pack --help'\n");
        return EXIT_USAGE;
    }
    if (s->format == LOG_TEXT && (status == SM_ERR_CANCELLED || status == SM_ERR_FAILURES ||
                                  status == SM_ERR_NO_SPACE || status == SM_ERR_IO))
        fprintf(stderr, "finished shards are kept: run the same command again to go on\n");
    return EXIT_FATAL;
}

static int run_pack(int argc, char **argv)
{
    pack_call call = {0};
    engine_call_init(&call.engine);
    sm_pack_options_init(&call.options);
    arguments found;
    if (!read_options(&found, &call, &pack_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&pack_command);
        return EXIT_DONE;
    }
    bool table = call.options.list_file != NULL || call.options.manifest_file != NULL;
    if (found.count != 2 && !(table && found.count == 1))
        return usage_error(&pack_command, "wanted are SRC and DST%s, not %d arguments%s",
                           table ? ", or DST alone" : "", found.count,
                           found.count > 2 ? ": is a glob not quoted?" : "");
    if (engine_call_fault(&call.engine) != NULL)
        return usage_error(&pack_command, "%s", engine_call_fault(&call.engine));
    const char *src = found.count == 2 ? found.items[0] : NULL;
    const char *dst = found.items[found.count - 1];

    screen s;
    screen_init(&s, "pack", (log_format)call.log_format, call.quiet);
    call.options.on_progress = on_progress;
    call.options.is_cancelled = is_cancelled;
    call.options.user = &s;
    catch_signals();
    sm_pack_summary summary;
    sm_status status = open_engine(&call.options.engine, &call.engine, dst, &s);
    if (status == SM_OK) status = sm_pack(&summary, src, dst, &call.options);
    const int code = finish(&s, status, &summary, dst, &call.options);
    if (call.engine.lines != NULL) {
        print_last_line(call.engine.lines, code, status == SM_OK ? &summary : NULL, &call.options,
                        sm_last_error());
        fclose(call.engine.lines);
    }
    sm_engine_free(call.options.engine);
    return code;
}

const command pack_command = {.name = "pack",
                              .arguments = "SRC DST",
                              .summary = "a folder of pictures into training shards",
                              .intro = intro,
                              .rows = rows,
                              .shared = engine_rows,
                              .shared_at = offsetof(pack_call, engine),
                              .run = run_pack};
