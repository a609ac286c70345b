#include "pack/options.h"

#include "core/status.h"
#include "shard/tfds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sm_pack_options_init(sm_pack_options *options)
{
    *options = (sm_pack_options){
        .picture = {.width = 192,
                    .height = 192,
                    .encode_quality = 95,
                    .orient = true,
                    .max_pixels = 178000000},
        .version = "1.0.0",
        .shuffle = true,
        .max_shard_size_mb = 128,
        .max_failures = -1,
        .max_failures_percent = -1,
    };
}

static sm_status check_input(const sm_pack_options *o, const char *src)
{
    if (o->list_file != NULL && o->manifest_file != NULL)
        return sm_fail(SM_ERR_USAGE, "--list and --manifest exclude each other");
    if (o->list_file == NULL && o->manifest_file == NULL && src == NULL)
        return sm_fail(SM_ERR_USAGE,
                       "where are the pictures? name a folder, or a --list or --manifest");
    if (src != NULL && *src == '\0')
        return sm_fail(SM_ERR_USAGE, "the name of the folder of pictures is empty");
    if (o->classes_file != NULL && o->labels == SM_LABELS_NONE)
        return sm_fail(SM_ERR_USAGE, "--classes makes no sense with --labels none");
    if (o->schema == SM_SCHEMA_FAST_AND_LEAN && o->labels == SM_LABELS_NONE)
        return sm_fail(SM_ERR_USAGE,
                       "--schema fast-and-lean needs labels: leave --labels none out");
    return SM_OK;
}

static sm_status check_output(const sm_pack_options *o)
{
    if (o->name != NULL && !sm_tfds_is_name(o->name))
        return sm_fail(
            SM_ERR_USAGE,
            "'%s' is no name for a set: a letter, then letters, digits and _, at most %d", o->name,
            SM_NAME_MAX - 1);
    if (o->version == NULL || !sm_tfds_is_version(o->version))
        return sm_fail(SM_ERR_USAGE, "'%s' is no version: three numbers, as in 1.0.0",
                       o->version == NULL ? "" : o->version);
    if (o->shards > 0 && o->images_per_shard > 0)
        return sm_fail(SM_ERR_USAGE, "--shards and --images-per-shard exclude each other");
    if (o->shards > 99999)
        return sm_fail(SM_ERR_USAGE, "at most 99999 shards: their names have five digits");
    if (o->max_shard_size_mb == 0 || o->max_shard_size_mb > 1000000)
        return sm_fail(SM_ERR_USAGE, "--max-shard-size-mb is from 1 to 1000000");
    if (o->overwrite && o->retry_failed)
        return sm_fail(SM_ERR_USAGE, "--overwrite and --retry-failed exclude each other");
    if (o->max_failures_percent > 100)
        return sm_fail(SM_ERR_USAGE, "--max-failures is at most 100%%");
    if (o->threads > 4096) return sm_fail(SM_ERR_USAGE, "--threads is at most 4096");
    if (o->memory > 0 && o->memory < (uint64_t)32 << 20)
        return sm_fail(SM_ERR_USAGE, "--memory is at least 32M");
    return SM_OK;
}

sm_status sm_options_check(const sm_pack_options *options, const char *src)
{
    sm_status status = check_input(options, src);
    if (status == SM_OK) status = check_output(options);
    sm_split_share shares[SM_MAX_SPLITS];
    size_t count;
    if (status == SM_OK) status = sm_options_splits(shares, &count, options->splits);
    return status; /* the picture's options are checked by the image room */
}

/* One "name=share" of len bytes. */
static sm_status read_share(sm_split_share *share, const char *text, size_t len)
{
    char part[SM_NAME_MAX + 64];
    if (len >= sizeof part) return sm_fail(SM_ERR_USAGE, "--split: '%.*s' is too long", 80, text);
    memcpy(part, text, len);
    part[len] = '\0';
    char *equals = strchr(part, '=');
    if (equals == NULL)
        return sm_fail(SM_ERR_USAGE, "--split: '%s' is no NAME=SHARE, as in train=0.9,val=0.1",
                       part);
    *equals = '\0';
    if (!sm_tfds_is_split(part))
        return sm_fail(SM_ERR_USAGE, "--split: '%s' is no name for a split", part);
    char *end;
    share->share = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0' || !(share->share > 0 && share->share <= 1))
        return sm_fail(SM_ERR_USAGE, "--split: the share of '%s' is not between 0 and 1: '%s'",
                       part, equals + 1);
    memcpy(share->name, part, strlen(part) + 1);
    return SM_OK;
}

sm_status sm_options_splits(sm_split_share shares[SM_MAX_SPLITS], size_t *count, const char *text)
{
    *count = 0;
    double sum = 0;
    for (const char *at = text == NULL ? "train=1" : text;; at++) {
        size_t len = strcspn(at, ",");
        if (*count == SM_MAX_SPLITS)
            return sm_fail(SM_ERR_USAGE, "--split: at most %d splits", SM_MAX_SPLITS);
        sm_status status = read_share(&shares[*count], at, len);
        if (status != SM_OK) return status;
        for (size_t i = 0; i < *count; i++)
            if (strcmp(shares[i].name, shares[*count].name) == 0)
                return sm_fail(SM_ERR_USAGE, "--split names '%s' twice", shares[i].name);
        sum += shares[(*count)++].share;
        at += len;
        if (*at == '\0') break;
    }
    if (fabs(sum - 1) > 1e-6)
        return sm_fail(SM_ERR_USAGE, "--split: the shares add up to %g, not to 1", sum);
    return SM_OK;
}

static sm_status set_text(json_t *object, const char *key, const char *text)
{
    return sm_json_set(object, key, sm_json_text(text));
}

static sm_status set_number(json_t *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return set_text(object, key, text);
}

static sm_status set_picture(json_t *object, const sm_picture_options *p)
{
    char size[32];
    snprintf(size, sizeof size, "%ux%u", p->width, p->height);
    sm_status status = set_text(object, "image-size", size);
    const struct {
        const char *key;
        sm_choice choice;
        int value;
    } chosen[] = {
        {"resize-mode", SM_CHOICE_RESIZE_MODE, (int)p->resize_mode},
        {"filter", SM_CHOICE_FILTER, (int)p->filter},
        {"decode", SM_CHOICE_DECODE, (int)p->decode},
        {"encode-format", SM_CHOICE_ENCODE_FORMAT, (int)p->encode_format},
        {"chroma", SM_CHOICE_CHROMA, (int)p->chroma},
    };
    for (size_t i = 0; status == SM_OK && i < sizeof chosen / sizeof *chosen; i++)
        status = set_text(object, chosen[i].key, sm_choice_name(chosen[i].choice, chosen[i].value));
    if (status == SM_OK) status = set_number(object, "encode-quality", (uint64_t)p->encode_quality);
    if (status == SM_OK) status = set_text(object, "orient", p->orient ? "yes" : "no");
    if (status == SM_OK) status = set_text(object, "strict", p->strict ? "yes" : "no");
    if (status == SM_OK) status = set_number(object, "max-pixels", p->max_pixels);
    return status;
}

static sm_status set_set(json_t *object, const sm_pack_options *o, const char *name)
{
    const char *order = o->shuffle ? NULL : "no";
    sm_status status = set_text(object, "name", name);
    if (status == SM_OK) status = set_text(object, "version", o->version);
    if (status == SM_OK)
        status = set_text(object, "schema", sm_choice_name(SM_CHOICE_SCHEMA, (int)o->schema));
    if (status == SM_OK)
        status = set_text(object, "labels", sm_choice_name(SM_CHOICE_LABELS, (int)o->labels));
    if (status == SM_OK) status = set_text(object, "split", o->splits == NULL ? "" : o->splits);
    if (status == SM_OK)
        status = order != NULL ? set_text(object, "shuffle", order)
                               : set_number(object, "shuffle", o->seed);
    if (status == SM_OK) status = set_number(object, "shards", o->shards);
    if (status == SM_OK) status = set_number(object, "images-per-shard", o->images_per_shard);
    if (status == SM_OK) status = set_number(object, "max-shard-size-mb", o->max_shard_size_mb);
    if (status == SM_OK)
        status = set_text(object, "compression",
                          sm_choice_name(SM_CHOICE_COMPRESSION, (int)o->compression));
    return status;
}

sm_status sm_options_json(json_t **object, const sm_pack_options *options, const char *name)
{
    json_t *made = json_object();
    if (made == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    sm_status status = set_set(made, options, name);
    if (status == SM_OK) status = set_picture(made, &options->picture);
    if (status != SM_OK) {
        json_decref(made);
        return status;
    }
    *object = made;
    return SM_OK;
}

/* ---- Back from JSON */

static const char *get_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* A whole number up to max, or 0: what makes no sense does not come back the same. */
static uint64_t get_number(const json_t *object, const char *key, uint64_t max)
{
    uint64_t value = strtoull(get_text(object, key), NULL, 10);
    return value <= max ? value : 0;
}

static int get_choice(const json_t *object, const char *key, sm_choice choice)
{
    const char *text = get_text(object, key), *word;
    for (int i = 0; (word = sm_choice_name(choice, i)) != NULL; i++)
        if (strcmp(text, word) == 0) return i;
    return 0;
}

static void get_picture(sm_picture_options *p, const json_t *object)
{
    char *rest;
    unsigned long width = strtoul(get_text(object, "image-size"), &rest, 10);
    unsigned long height = *rest == 'x' ? strtoul(rest + 1, NULL, 10) : 0;
    p->width = width <= UINT16_MAX ? (uint32_t)width : 0;
    p->height = height <= UINT16_MAX ? (uint32_t)height : 0;
    p->resize_mode = (sm_resize_mode)get_choice(object, "resize-mode", SM_CHOICE_RESIZE_MODE);
    p->filter = (sm_filter)get_choice(object, "filter", SM_CHOICE_FILTER);
    p->decode = (sm_decode)get_choice(object, "decode", SM_CHOICE_DECODE);
    p->encode_format =
        (sm_encode_format)get_choice(object, "encode-format", SM_CHOICE_ENCODE_FORMAT);
    p->chroma = (sm_chroma)get_choice(object, "chroma", SM_CHOICE_CHROMA);
    p->encode_quality = (int)get_number(object, "encode-quality", 100);
    p->orient = strcmp(get_text(object, "orient"), "yes") == 0;
    p->strict = strcmp(get_text(object, "strict"), "yes") == 0;
    p->max_pixels = get_number(object, "max-pixels", UINT64_MAX);
}

sm_status sm_options_from_json(sm_pack_options *options, json_t *object)
{
    sm_pack_options_init(options);
    get_picture(&options->picture, object);
    options->name = get_text(object, "name");
    options->version = get_text(object, "version");
    options->schema = (sm_schema)get_choice(object, "schema", SM_CHOICE_SCHEMA);
    options->labels = (sm_labels)get_choice(object, "labels", SM_CHOICE_LABELS);
    options->splits = *get_text(object, "split") == '\0' ? NULL : get_text(object, "split");
    options->shuffle = strcmp(get_text(object, "shuffle"), "no") != 0;
    options->seed = options->shuffle ? get_number(object, "shuffle", UINT64_MAX) : 0;
    options->shards = (uint32_t)get_number(object, "shards", UINT32_MAX);
    options->images_per_shard = (uint32_t)get_number(object, "images-per-shard", UINT32_MAX);
    options->max_shard_size_mb = (uint32_t)get_number(object, "max-shard-size-mb", UINT32_MAX);
    options->compression = (sm_compression)get_choice(object, "compression", SM_CHOICE_COMPRESSION);

    json_t *again = NULL;
    sm_status status = sm_options_check(options, ".");
    if (status == SM_OK) status = sm_options_json(&again, options, options->name);
    if (status == SM_OK && !json_equal(again, object))
        status = sm_fail(SM_ERR_FORMAT, "its options are those of another version of shardmill "
                                        "than " SM_VERSION);
    json_decref(again);
    return status;
}

sm_status sm_options_difference(sm_buf *text, const json_t *before, json_t *now)
{
    sm_status status = SM_OK;
    const char *key;
    json_t *value;
    json_object_foreach(now, key, value)
    {
        const char *new_text = json_string_value(value);
        const char *old_text = json_string_value(json_object_get(before, key));
        if (old_text == NULL) old_text = "(not known)";
        if (status == SM_OK && strcmp(old_text, new_text) != 0)
            status = sm_buf_printf(text, "\n    --%s: the set has '%s', this call '%s'", key,
                                   old_text, new_text);
    }
    return status;
}
