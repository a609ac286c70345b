#include "summary.h"

#include <jansson.h>
#include <stdlib.h>

typedef char number[NUMBER_MAX];

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* "  corrupt 3, not_an_image 1": the reasons of a range that have a count. */
static void print_reasons(const sm_pack_summary *s, int from, int to)
{
    number count;
    const char *separator = "   ";
    for (int reason = from; reason < to; reason++) {
        if (s->by_reason[reason] == 0) continue;
        printf("%s%s %s", separator, sm_reason_name((sm_reason)reason),
               show_count(count, s->by_reason[reason]));
        separator = ", ";
    }
    putchar('\n');
}

static void print_head(const sm_pack_summary *s, const sm_pack_options *options)
{
    number records, images, shards, seconds, rate;
    if (options->dry_run) {
        printf("dry run: %s pictures would become %s shard%s of '%s'; nothing was written\n\n",
               show_count(images, s->images_in), show_count(shards, s->shards), plural(s->shards),
               s->name);
        return;
    }
    if (options->retry_failed) {
        printf("retried %s failed picture%s: %s recovered\n\n", show_count(images, s->retried),
               plural(s->retried), show_count(records, s->recovered));
        return;
    }
    if (s->shards_kept == s->shards) {
        printf("'%s' is packed already: %s records in %s shard%s\n\n", s->name,
               show_count(records, s->records), show_count(shards, s->shards), plural(s->shards));
        return;
    }
    printf("packed %s of %s pictures into %s shard%s of '%s' in %s",
           show_count(records, s->records), show_count(images, s->images_in),
           show_count(shards, s->shards), plural(s->shards), s->name,
           show_seconds(seconds, s->seconds));
    if (s->shards_kept > 0)
        printf(" (%s were whole already)", show_count(rate, s->shards_kept));
    else
        printf(" (%s images/s)", show_count(rate, (uint64_t)((double)s->images_in / s->seconds)));
    printf("\n\n");
}

static void print_text(const sm_pack_summary *s, const char *dst, const sm_pack_options *options)
{
    number count, bytes, largest;
    print_head(s, options);
    printf("  pictures in   %10s", show_count(count, s->images_in));
    if (s->bytes_in > 0)
        printf("   %s %s", show_bytes(bytes, (double)s->bytes_in),
               options->dry_run ? "to read" : "read");
    printf("\n  records out   %10s   %s%s", show_count(count, s->records),
           options->dry_run ? "about " : "", show_bytes(bytes, (double)s->bytes_out));
    if (s->largest_shard > 0)
        printf(", largest shard %s", show_bytes(largest, (double)s->largest_shard));
    printf("\n  failures      %10s", show_count(count, s->failures));
    print_reasons(s, 1, SM_SKIP_HIDDEN);
    printf("  skipped       %10s", show_count(count, s->skipped));
    print_reasons(s, SM_SKIP_HIDDEN, SM_REASON_COUNT);
    if (s->warnings > 0) printf("  with warnings %10s\n", show_count(count, s->warnings));
    if (s->classes > 0) printf("  classes       %10s\n", show_count(count, s->classes));
    for (size_t i = 0; i < s->split_count; i++)
        printf("  split %-8s%10s   in %s shard%s\n", s->splits[i].name,
               show_count(count, s->splits[i].records), show_count(bytes, s->splits[i].shards),
               plural(s->splits[i].shards));
    if (options->dry_run) return;
    if (s->largest_shard > (uint64_t)options->max_shard_size_mb * 1000000 && options->shards == 0 &&
        options->images_per_shard == 0)
        printf("\nthe largest shard is over --max-shard-size-mb %u: sizes are told from a sample\n",
               options->max_shard_size_mb);
    printf("\nin %s\n", dst);
    if (s->failures > 0)
        printf("%s/failures.jsonl names what failed and why; when the files are mended, the same "
               "command with --retry-failed packs them\n",
               dst);
    if (s->warnings > 0) printf("%s/warnings.jsonl names what decoded with warnings\n", dst);
    if (s->skipped > 0) printf("%s/skipped.jsonl names what was skipped\n", dst);
}

static void set_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* text may be any bytes; JSON holds UTF-8 alone. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = json_string(text);
    json_object_set_new(object, key, value != NULL ? value : json_string("(not UTF-8)"));
}

/* Prints object as one line, and lets go of it. */
static void print_object(FILE *to, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fprintf(to, "%s\n", text == NULL ? "{}" : text);
    free(text);
    json_decref(object);
}

static json_t *describe_splits(const sm_pack_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->split_count; i++) {
        json_t *split = json_object();
        json_object_set_new(split, "name", json_string(s->splits[i].name));
        set_count(split, "inputs", s->splits[i].inputs);
        set_count(split, "records", s->splits[i].records);
        set_count(split, "shards", s->splits[i].shards);
        json_array_append_new(list, split);
    }
    return list;
}

static json_t *describe_reasons(const sm_pack_summary *s, int from, int to)
{
    json_t *object = json_object();
    for (int reason = from; reason < to; reason++)
        if (s->by_reason[reason] > 0)
            set_count(object, sm_reason_name((sm_reason)reason), s->by_reason[reason]);
    return object;
}

static json_t *describe_summary(const sm_pack_summary *s, const sm_pack_options *options)
{
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"found", s->found},         {"images_in", s->images_in},
        {"records", s->records},     {"failures", s->failures},
        {"skipped", s->skipped},     {"warnings", s->warnings},
        {"classes", s->classes},     {"shards", s->shards},
        {"bytes_in", s->bytes_in},   {"shards_kept", s->shards_kept},
        {"bytes_out", s->bytes_out}, {"largest_shard", s->largest_shard},
        {"retried", s->retried},     {"recovered", s->recovered},
        {"threads", s->threads},
    };
    const struct {
        const char *key;
        double value;
    } times[] = {
        {"seconds", s->seconds},       {"plan_seconds", s->plan_seconds},
        {"read", s->read_seconds},     {"decode", s->decode_seconds},
        {"resize", s->resize_seconds}, {"encode", s->encode_seconds},
        {"write", s->write_seconds},
    };
    json_t *object = json_pack("{s:s, s:s, s:s, s:b}", "event", "summary", "name", s->name,
                               "fingerprint", s->fingerprint, "dry_run", (int)options->dry_run);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        set_count(object, counts[i].key, counts[i].value);
    json_t *stages = json_object();
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        json_object_set_new(i < 2 ? object : stages, times[i].key, json_real(times[i].value));
    json_object_set_new(object, "stage_seconds", stages);
    json_object_set_new(object, "failure_reasons", describe_reasons(s, 1, SM_SKIP_HIDDEN));
    json_object_set_new(object, "skip_reasons",
                        describe_reasons(s, SM_SKIP_HIDDEN, SM_REASON_COUNT));
    json_object_set_new(object, "splits", describe_splits(s));
    return object;
}

void print_last_line(FILE *to, int code, const sm_pack_summary *summary,
                     const sm_pack_options *options, const char *error)
{
    json_t *object =
        json_pack("{s:s, s:i}", "type", summary == NULL ? "error" : "done", "exit", code);
    if (summary == NULL)
        set_text(object, "message", error);
    else
        json_object_set_new(object, "summary", describe_summary(summary, options));
    print_object(to, object);
}

void print_pack_summary(const sm_pack_summary *summary, const char *dst,
                        const sm_pack_options *options, log_format format)
{
    if (format == LOG_JSON)
        print_object(stdout, describe_summary(summary, options));
    else
        print_text(summary, dst, options);
}

void print_verify_json(const sm_verify_summary *summary)
{
    json_t *object = json_pack("{s:s, s:f}", "event", "summary", "seconds", summary->seconds);
    set_count(object, "shards", summary->shards);
    set_count(object, "records", summary->records);
    set_count(object, "bytes", summary->bytes);
    set_count(object, "problems", summary->problems);
    print_object(stdout, object);
}

void print_problem_json(const char *file, uint64_t offset, const char *message)
{
    json_t *object = json_pack("{s:s}", "event", "problem");
    set_text(object, "file", file);
    if (offset != UINT64_MAX) set_count(object, "offset", offset);
    set_text(object, "message", message);
    print_object(stderr, object);
}
