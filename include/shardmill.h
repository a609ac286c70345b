/*
 * shardmill: folders of images into training shards.
 *
 * This is the whole public interface of libshardmill. It is plain C99 and C++; everything else in
 * the source tree is private and hidden by the linker.
 *
 * Conventions
 *   - A function that can fail returns sm_status; SM_OK is 0. sm_last_error() then gives one line
 * for people: the file, the reason, what to do. It is kept per thread until the next failing call.
 *   - Outputs come first and are untouched on failure unless said otherwise.
 *   - The library prints nothing, never exits, installs no signal handlers.
 *   - Strings are NUL-terminated; paths are bytes as the operating system gives them.
 */
#ifndef SHARDMILL_H
#define SHARDMILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SM_API __attribute__((visibility("default")))
#else
#define SM_API
#endif

/* ---- Errors ---------------------------------------------------------------------------------- */

typedef enum sm_status {
    SM_OK = 0,
    SM_ERR_USAGE,     /* an option or argument makes no sense */
    SM_ERR_NOT_FOUND, /* a file or folder is not there */
    SM_ERR_ACCESS,    /* the operating system says: not permitted */
    SM_ERR_IO,        /* reading or writing failed; trying again may help */
    SM_ERR_NO_SPACE,  /* the disk or the quota is full */
    SM_ERR_MEMORY,    /* memory could not be had */
    SM_ERR_LIMIT,     /* more than a stated limit allows */
    SM_ERR_FORMAT,    /* not a format, or not a variant of it, that is understood */
    SM_ERR_CORRUPT,   /* the right format, with damage */
    SM_ERR_CONFLICT,  /* the destination holds something else, or somebody is at work there */
    SM_ERR_FAILURES,  /* more pictures failed than --max-failures allows */
    SM_ERR_CANCELLED, /* the caller asked to stop */
    SM_ERR_INTERNAL   /* a check of our own work failed; a bug: please report it */
} sm_status;

/* One word for a status, as it appears in logs ("not_found"). Never NULL. */
SM_API const char *sm_status_name(sm_status status);

/* What went wrong in this thread's last failing call. Never NULL; valid until the next call. */
SM_API const char *sm_last_error(void);

/* "0.1.0". */
SM_API const char *sm_version(void);

/* "avx512", "avx2", "neon" or "portable": the best of the inner loops that run on this machine.
 * NULL: no memory. */
SM_API const char *sm_vector_code(void);

/* ---- Pictures -------------------------------------------------------------------------------- */

/*
 * How a picture is fitted to WxH, where round() takes halves up. With scale = max(W/w, H/h)
 * ("cover") or min(W/w, H/h) ("fit"): center_crop         cover; resized to round(w*scale) x
 * round(h*scale), at least W x H; then cut at floor((nw-W)/2), floor((nh-H)/2). The output is
 * exactly W x H. border              fit; centred on a white W x H. keep_ratio          cover
 * without cutting: the shorter side fits, the longer is longer. keep_ratio_largest  fit without
 * padding: the longer side fits, the shorter is shorter. no                  the picture keeps its
 * size.
 */
typedef enum sm_resize_mode {
    SM_RESIZE_CENTER_CROP,
    SM_RESIZE_BORDER,
    SM_RESIZE_KEEP_RATIO,
    SM_RESIZE_KEEP_RATIO_LARGEST,
    SM_RESIZE_NO
} sm_resize_mode;

/*
 * Resampling filters, all with half-pixel centres.
 *   triangle  linear, widened when shrinking: Pillow's BILINEAR, tf.image.resize(antialias=True)
 *   area      mean of the covered source area: tf.image.resize(method="area") when shrinking
 *   lanczos3  Pillow's LANCZOS, widened when shrinking
 *   bilinear  two taps whatever the scale: tf.image.resize's default; aliases when shrinking
 */
typedef enum sm_filter {
    SM_FILTER_TRIANGLE,
    SM_FILTER_AREA,
    SM_FILTER_LANCZOS3,
    SM_FILTER_BILINEAR
} sm_filter;

/* fast: JPEG decoded at the smallest power-of-two DCT scale at least twice the target, but whole
 * with SM_FILTER_BILINEAR, whose two taps need the picture itself. exact: whole. */
typedef enum sm_decode { SM_DECODE_FAST, SM_DECODE_EXACT } sm_decode;

typedef enum sm_chroma { SM_CHROMA_444, SM_CHROMA_422, SM_CHROMA_420 } sm_chroma;

/* keep: the file's own bytes pass through; only with SM_RESIZE_NO. */
typedef enum sm_encode_format { SM_ENCODE_JPEG, SM_ENCODE_KEEP } sm_encode_format;

/* auto: the library's own decoder, and libjpeg-turbo for what that does not take. The pictures are
 * the same. */
typedef enum sm_decoder_choice { SM_DECODER_AUTO, SM_DECODER_TURBO } sm_decoder_choice;

typedef struct sm_picture_options {
    uint32_t width, height; /* target in pixels, 1 to 16384; default 192 x 192 */
    sm_resize_mode resize_mode;
    sm_filter filter;
    sm_decode decode;
    sm_decoder_choice jpeg_decoder;
    sm_encode_format encode_format;
    int encode_quality; /* 1 to 100; default 95 */
    sm_chroma chroma;
    bool orient; /* apply the EXIF orientation; default true */
    bool strict; /* a picture that decodes with warnings is a failure; default false */
    uint64_t
        max_pixels; /* a picture that claims more is refused before memory is taken; 178 million */
    uint64_t max_memory; /* bytes that one decoder may take; 0: no limit of its own */
} sm_picture_options;

/* Where in its way a picture failed. */
typedef enum sm_stage {
    SM_STAGE_LIST,
    SM_STAGE_READ,
    SM_STAGE_SNIFF,
    SM_STAGE_DECODE,
    SM_STAGE_RESIZE,
    SM_STAGE_ENCODE,
    SM_STAGE_RECORD
} sm_stage;

/* Why an input is no record. The first group are failures; from SM_SKIP_HIDDEN on, skips. */
typedef enum sm_reason {
    SM_REASON_NONE,
    SM_FAIL_UNREADABLE_FOLDER,
    SM_FAIL_NOT_FOUND,
    SM_FAIL_ACCESS_DENIED,
    SM_FAIL_READ_ERROR,
    SM_FAIL_CHANGED,        /* size or time differ from the listing's */
    SM_FAIL_FILE_TOO_LARGE, /* more bytes than one input may have */
    SM_FAIL_EMPTY_FILE,
    SM_FAIL_NOT_AN_IMAGE, /* named as an image, but the content is none */
    SM_FAIL_UNSUPPORTED,  /* an image format, or a variant, that is not decoded */
    SM_FAIL_CORRUPT,
    SM_FAIL_TOO_MANY_PIXELS,
    SM_FAIL_OUT_OF_MEMORY, /* one decoder's share of --memory is too small for it */
    SM_FAIL_WARNINGS,      /* --strict, and the decoder warned */
    SM_FAIL_ENCODE,
    SM_FAIL_CRASHED,      /* it killed the process that converted it: only of shardmill worker */
    SM_SKIP_HIDDEN,       /* the name starts with a dot */
    SM_SKIP_NOT_AN_IMAGE, /* neither named as an image nor one by content */
    SM_SKIP_SPECIAL_FILE, /* a FIFO, socket or device */
    SM_SKIP_LINK_LOOP,    /* a link to a folder that holds it */
    SM_SKIP_NO_CLASS,     /* lies in no class folder */
    SM_SKIP_OTHER_CLASS,  /* its class is not in --classes */
    SM_REASON_COUNT
} sm_reason;

/* "corrupt", "hidden", …: the words of failures.jsonl and skipped.jsonl. Never NULL. */
SM_API const char *sm_reason_name(sm_reason reason);
SM_API const char *sm_stage_name(sm_stage stage);

/* ---- Packing --------------------------------------------------------------------------------- */

/*
 * tfds            image, label, file_name
 * fast-and-lean   image, class, label, size, one_hot_class: what the notebooks of Google's course
 *                 "Fast and Lean Data Science" read
 */
typedef enum sm_schema { SM_SCHEMA_TFDS, SM_SCHEMA_FAST_AND_LEAN } sm_schema;

typedef enum sm_compression { SM_COMPRESSION_NONE, SM_COMPRESSION_GZIP } sm_compression;

/* folder: the name of the folder that holds the picture. none: no label. A manifest brings its own.
 */
typedef enum sm_labels { SM_LABELS_FOLDER, SM_LABELS_NONE } sm_labels;

typedef struct sm_progress {
    uint64_t inputs_done, inputs_total; /* pictures, those of kept shards left out */
    uint64_t failures;
    uint64_t bytes_in, bytes_out;
    uint64_t bytes_in_total;
    double seconds; /* since packing began */
} sm_progress;

typedef struct sm_pack_options {
    /* what goes in */
    const char *list_file;     /* one path a line; relative to SRC, else to the file's folder */
    const char *manifest_file; /* .csv, or .jsonl: path, label, optional split, further columns */
    sm_labels labels;
    const char *classes_file; /* one class a line, in the order of their numbers */

    sm_picture_options picture;

    /* what comes out */
    sm_schema schema;
    const char *name;    /* [a-zA-Z][a-zA-Z0-9_]*; default: from SRC's last component */
    const char *version; /* "1.0.0" */
    const char *splits;  /* "train=0.9,val=0.1"; default: all in "train" */
    bool shuffle;        /* default true; else in order of path, list or manifest */
    uint64_t seed;       /* of the shuffle; default 0 */
    /* at most one of these two; else by size */
    uint32_t shards;            /* in all, shared among splits by their pictures; 0: not given */
    uint32_t images_per_shard;  /* 0: not given */
    uint32_t max_shard_size_mb; /* in 1,000,000 bytes; default 128 */
    sm_compression compression;

    /* how it is done */
    bool dry_run;      /* plan only: nothing is written */
    bool overwrite;    /* replace the set that DST holds */
    bool retry_failed; /* only what failures.jsonl lists, into an additional shard */
    /* stop when more fail: a count when max_failures_percent < 0, else a share of all; default off
     */
    int64_t max_failures;        /* -1: no limit */
    double max_failures_percent; /* -1: no limit */
    uint32_t threads;            /* 0: every core that the process may use */
    uint64_t memory;             /* bytes for buffers and decoders; 0: half of what there is */

    /* Called about ten times a second from one thread at a time; may be NULL. */
    void (*on_progress)(void *user, const sm_progress *progress);
    /* Called often from any thread; true stops cleanly with SM_ERR_CANCELLED; may be NULL. */
    bool (*is_cancelled)(void *user);
    void *user;

    /* Who packs the shards (shardmill_engine.h); borrowed. NULL: threads of this process. */
    struct sm_engine *engine;
} sm_pack_options;

enum { SM_MAX_SPLITS = 16, SM_NAME_MAX = 64 };

/* The enumerations that options choose from, for those who read options from text. */
typedef enum sm_choice {
    SM_CHOICE_RESIZE_MODE,
    SM_CHOICE_FILTER,
    SM_CHOICE_DECODE,
    SM_CHOICE_CHROMA,
    SM_CHOICE_JPEG_DECODER,
    SM_CHOICE_ENCODE_FORMAT,
    SM_CHOICE_SCHEMA,
    SM_CHOICE_COMPRESSION,
    SM_CHOICE_LABELS
} sm_choice;

/* The word for a value ("center_crop"); NULL past the last value. */
SM_API const char *sm_choice_name(sm_choice choice, int value);

typedef struct sm_split_summary {
    char name[SM_NAME_MAX];
    uint64_t inputs, records, shards;
} sm_split_summary;

typedef struct sm_pack_summary {
    /* images_in = records + failures; found = images_in + skipped. Checked before it is returned.
     */
    uint64_t found, images_in, records, failures, skipped;
    uint64_t warnings;                   /* records whose decoder warned */
    uint64_t by_reason[SM_REASON_COUNT]; /* failures and skips */
    uint64_t classes;
    uint64_t shards, shards_kept; /* in the set; of these, found whole and left alone */
    uint64_t bytes_in;            /* of pictures read in this run */
    uint64_t bytes_out;           /* of all shards in the set; an estimate in a dry run */
    uint64_t largest_shard;       /* bytes */
    uint64_t retried, recovered;  /* of --retry-failed */
    double seconds;               /* whole run */
    double plan_seconds;          /* of these, listing and planning */
    double read_seconds, decode_seconds, resize_seconds, encode_seconds, write_seconds;
    uint32_t threads;
    size_t split_count;
    sm_split_summary splits[SM_MAX_SPLITS];
    char name[SM_NAME_MAX];
    char fingerprint[33]; /* of the plan: same inputs and options, same value */
} sm_pack_summary;

/* Sets every field to its default. */
SM_API void sm_pack_options_init(sm_pack_options *options);

/*
 * Packs the pictures of src (a folder, a glob, or NULL with a list or manifest) into shards in the
 * folder dst, which is made if need be.
 *
 * Returns SM_OK when the set is whole, also when some pictures failed: see summary->failures, and
 * failures.jsonl in dst. On any other status the set is incomplete, no unfinished shard is visible
 * under its final name, and the same call resumes. summary may be NULL; on failure it holds what
 * was done so far.
 */
SM_API sm_status sm_pack(sm_pack_summary *summary, const char *src, const char *dst,
                         const sm_pack_options *options);

/* ---- Verifying ------------------------------------------------------------------------------- */

typedef struct sm_verify_options {
    bool decode;      /* decode every picture whole, not only its header */
    uint32_t threads; /* 0: every core that the process may use */
    /* One call a problem, from one thread at a time; offset is the record's, in bytes (of the
     * uncompressed stream), or UINT64_MAX when the problem is the file's or the set's. */
    void (*on_problem)(void *user, const char *file, uint64_t offset, const char *message);
    bool (*is_cancelled)(void *user);
    void *user;
} sm_verify_options;

typedef struct sm_verify_summary {
    uint64_t shards, records, bytes, problems;
    double seconds;
} sm_verify_summary;

SM_API void sm_verify_options_init(sm_verify_options *options);

/*
 * Checks a packed set (a folder), or one TFRecord file: every checksum, every Example, every
 * picture's header, and the counts against the metadata. Returns SM_OK when nothing is wrong,
 * SM_ERR_CORRUPT when there are problems (each was reported), another status when it could not
 * look.
 */
SM_API sm_status sm_verify(sm_verify_summary *summary, const char *path,
                           const sm_verify_options *options);

/* ---- Stores ---------------------------------------------------------------------------------- */

/*
 * Wherever a path is asked for it may be a URL: gs://bucket/folder, s3://bucket/folder,
 * hdfs://host:port/folder, or https://host/file (to be read). Names within the URLs of stores are
 * as they are, without percent-encoding.
 */

typedef struct sm_listed {
    const char *name; /* relative to what is listed */
    uint64_t size;    /* bytes */
    int64_t mtime_ns; /* last change, nanoseconds since 1970; 0: the store does not tell */
} sm_listed;

/* Anything but SM_OK ends the listing with that status. */
typedef sm_status sm_listed_fn(void *user, const sm_listed *file);

/* Gives every file below url, as the store's pages arrive; or url itself, when it is a file. Hidden
 * names (a dot in front) and placeholders of folders are left out. */
SM_API sm_status sm_list_files(const char *url, sm_listed_fn *on_file, void *user);

typedef struct sm_copy_options {
    bool recursive;    /* SRC is a folder: what lies below it goes below DST */
    uint32_t parallel; /* files at once; 0: 16 */
    /* One call for each file that could not be copied, from one thread at a time; may be NULL. */
    void (*on_problem)(void *user, const char *file, const char *message);
    /* About ten times a second from one thread at a time; may be NULL. The totals are of what has
     * been listed so far. */
    void (*on_progress)(void *user, const sm_progress *progress);
    bool (*is_cancelled)(void *user); /* from any thread; may be NULL */
    void *user;
} sm_copy_options;

typedef struct sm_copy_summary {
    uint64_t files, bytes; /* copied */
    uint64_t failures;     /* files that were not */
    double seconds;
} sm_copy_summary;

SM_API void sm_copy_options_init(sm_copy_options *options);

/* Ends all of this process's waiting for stores, for good: transfers on their way and waits for
 * another try fail with SM_ERR_CANCELLED, and no others are begun but those that clear away what
 * was not finished, which get a few seconds. May be called in a signal handler. */
SM_API void sm_stop_waiting(void);

/*
 * Copies a file, or the files below a folder, between stores. dst is the new name, or where it is a
 * folder (or ends in '/') the folder to put a single file into. Every file is checked by its size
 * and by the checksum that the store keeps. SM_OK also when some files failed: see
 * summary->failures. SM_ERR_IO, with the others not tried, when a store gave no good answer for too
 * long, or when the first hundred files all failed.
 */
SM_API sm_status sm_copy_files(sm_copy_summary *summary, const char *src, const char *dst,
                               const sm_copy_options *options);

/* ---- Reading records ------------------------------------------------------------------------- */

typedef struct sm_reader sm_reader;

/* Opens a TFRecord file, plain or gzip (told by content). *reader is the caller's to close. */
SM_API sm_status sm_reader_open(sm_reader **reader, const char *path);

/*
 * Gives the next record; *data belongs to the reader and lives until the next call. At the end:
 * SM_OK with *data NULL. Checksums are verified: SM_ERR_CORRUPT names file and offset.
 *
 * After a wrong checksum of a record's data the next call goes on behind that record. After any
 * other failure (a wrong checksum of a length, a file that ends within a record, a damaged gzip
 * stream, a read error) there is no telling where the next record begins: further calls give the
 * end.
 */
SM_API sm_status sm_reader_next(sm_reader *reader, const uint8_t **data, size_t *len);

/* Where the record that sm_reader_next gave last, or failed on, begins in the uncompressed stream.
 */
SM_API uint64_t sm_reader_offset(const sm_reader *reader);

SM_API void sm_reader_close(sm_reader *reader); /* NULL is fine */

/* One feature of a tf.train.Example (tensorflow/core/example/feature.proto), a view into its bytes.
 */
typedef enum sm_feature_kind {
    SM_FEATURE_EMPTY,
    SM_FEATURE_BYTES,
    SM_FEATURE_FLOAT,
    SM_FEATURE_INT64
} sm_feature_kind;

typedef struct sm_feature {
    const uint8_t *name; /* not NUL-terminated */
    size_t name_len;
    sm_feature_kind kind;
    size_t count;        /* values */
    const uint8_t *list; /* the encoded list; read it with the functions below */
    size_t list_len;
} sm_feature;

/*
 * Walks the features of an encoded Example: start with *position 0; gives one feature a call, and
 * at the end SM_OK with feature->name NULL. SM_ERR_CORRUPT where the bytes are no Example.
 */
SM_API sm_status sm_example_next(sm_feature *feature, size_t *position, const uint8_t *example,
                                 size_t len);

/* The feature of that name; SM_ERR_NOT_FOUND, or SM_ERR_CORRUPT. The last one wins, as in protobuf.
 */
SM_API sm_status sm_example_find(sm_feature *feature, const uint8_t *example, size_t len,
                                 const char *name);

/* Value number i, 0-based; SM_ERR_USAGE when the kind or the index is another. */
SM_API sm_status sm_feature_bytes(const uint8_t **data, size_t *len, const sm_feature *feature,
                                  size_t i);
SM_API sm_status sm_feature_int64(int64_t *value, const sm_feature *feature, size_t i);
SM_API sm_status sm_feature_float(float *value, const sm_feature *feature, size_t i);

#ifdef __cplusplus
}
#endif

#include "shardmill_choose.h"
#include "shardmill_dataproc.h"
#include "shardmill_engine.h"
#include "shardmill_measure.h"
#include "shardmill_report.h"

#endif
