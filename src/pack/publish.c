/* The end of a pack: lists, metadata, the mark of completeness, and the sums. */
#include "core/status.h"
#include "io/io.h"
#include "pack/names.h"
#include "pack/record.h"
#include "pack/result.h"
#include "pack/set.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 1 << 30 };

typedef enum sm_list { FAILURES, WARNINGS, SKIPPED, LISTS } sm_list;
enum { FILES_MAX = LISTS + 3 }; /* with labels, features and dataset_info.json */
static const char *const list_files[LISTS] = {"failures.jsonl", "warnings.jsonl", "skipped.jsonl"};

typedef struct publishing {
    const sm_set *set;
    const sm_plan *plan;
    sm_pack_summary *summary;
    bool write;                /* else the sums alone are made */
    sm_sink *files[FILES_MAX]; /* the lists, then the metadata; published together */
    size_t file_count;
    sm_buf line;
    sm_names recovered; /* paths that failed once, and are records now */
    uint64_t *lengths;  /* records of each shard, split after split */
    uint64_t bytes[SM_MAX_SPLITS];
} publishing;

static sm_status put_line(publishing *p, sm_list list, const json_t *object)
{
    if (!p->write) return SM_OK;
    sm_buf_clear(&p->line);
    sm_status status = sm_json_append(&p->line, object, false);
    if (status == SM_OK) status = sm_sink_write(p->files[list], p->line.data, p->line.len);
    return status;
}

/* ---- Shards */

static sm_reason failure_named(const char *name)
{
    for (int reason = 1; name != NULL && reason < SM_SKIP_HIDDEN; reason++)
        if (strcmp(sm_reason_name((sm_reason)reason), name) == 0) return (sm_reason)reason;
    return SM_REASON_NONE;
}

static sm_status add_failure(publishing *p, const json_t *failure)
{
    sm_buf_clear(&p->line);
    sm_status status = sm_json_get_path(&p->line, failure, "path");
    if (status != SM_OK) return status;
    if (sm_names_find(&p->recovered, (const char *)p->line.data) != SM_NO_NAME) return SM_OK;
    sm_reason reason = failure_named(json_string_value(json_object_get(failure, "reason")));
    if (reason == SM_REASON_NONE) return sm_fail(SM_ERR_CORRUPT, "a failure has no known reason");
    p->summary->failures++;
    p->summary->by_reason[reason]++;
    return put_line(p, FAILURES, failure);
}

static sm_status add_result(publishing *p, const sm_result *result, size_t split, bool retried)
{
    sm_pack_summary *s = p->summary;
    s->records += result->records;
    s->splits[split].records += result->records;
    s->bytes_out += result->bytes;
    p->bytes[split] += result->example_bytes;
    if (result->bytes > s->largest_shard) s->largest_shard = result->bytes;
    s->warnings += json_array_size(result->warnings);

    size_t i;
    json_t *entry;
    sm_status status = SM_OK;
    json_array_foreach(result->warnings, i, entry)
    {
        if (status == SM_OK) status = put_line(p, WARNINGS, entry);
    }
    if (retried) return status; /* what failed again stands in the first result */
    json_array_foreach(result->failures, i, entry)
    {
        if (status == SM_OK) status = add_failure(p, entry);
    }
    return status;
}

typedef sm_status result_fn(publishing *p, const sm_result *result, size_t split, bool retried);

/* Reads one result after the other; so a million failures are never in memory at once. */
static sm_status for_each_result(publishing *p, result_fn *fn, bool retried_only)
{
    char name[SM_SHARD_NAME_MAX];
    size_t number = 0;
    for (size_t i = 0; i < p->set->split_count; i++) {
        const sm_set_split *split = &p->set->splits[i];
        for (uint32_t k = 0; k < split->shards + split->retried; k++, number++) {
            bool retried = k >= split->shards;
            if (retried_only && !retried) continue;
            sm_result result;
            sm_status status = sm_set_shard_name(name, p->set, i, k);
            if (status == SM_OK) status = sm_result_read(&result, p->set->dst, name);
            if (status != SM_OK) return status;
            p->lengths[number] = result.records;
            status = fn(p, &result, i, retried);
            sm_result_free(&result);
            if (status != SM_OK) return sm_fail_prefix(status, "the result of '%s'", name);
        }
    }
    return SM_OK;
}

static sm_status add_recovered(publishing *p, const sm_result *result, size_t split, bool retried)
{
    (void)split, (void)retried;
    return sm_result_recovered(&p->recovered, result);
}

/* ---- What was found and is no input */

static sm_status add_note(publishing *p, const sm_note *note)
{
    const sm_inputs *inputs = p->plan->inputs;
    bool skip = note->reason >= SM_SKIP_HIDDEN;
    p->summary->by_reason[note->reason]++;
    if (skip)
        p->summary->skipped++;
    else
        p->summary->failures++;
    if (!p->write) return SM_OK;

    json_t *object = json_object();
    if (object == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    sm_status status = sm_json_set_path(object, "path", sm_inputs_text(inputs, note->path));
    if (status == SM_OK)
        status = sm_json_set(object, "stage", json_string(sm_stage_name(SM_STAGE_LIST)));
    if (status == SM_OK)
        status = sm_json_set(object, "reason", json_string(sm_reason_name(note->reason)));
    if (status == SM_OK)
        status =
            sm_json_set(object, "message", sm_json_text(sm_inputs_text(inputs, note->message)));
    if (status == SM_OK) status = put_line(p, skip ? SKIPPED : FAILURES, object);
    json_decref(object);
    return status;
}

/* ---- Metadata */

static sm_status open_file(publishing *p, const char *file)
{
    sm_buf path;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_status status = sm_set_path(&path, p->set, file);
    if (status == SM_OK) status = sm_sink_open(&p->files[p->file_count], (const char *)path.data);
    if (status == SM_OK) p->file_count++;
    sm_buf_free(&path);
    return status;
}

static sm_status write_file(publishing *p, const char *file, const sm_buf *text)
{
    sm_status status = open_file(p, file);
    if (status == SM_OK) status = sm_sink_write(p->files[p->file_count - 1], text->data, text->len);
    return status;
}

static sm_status write_labels(publishing *p)
{
    const sm_inputs *inputs = p->plan->inputs;
    const char *feature = sm_record_class_feature(inputs, p->plan->options->schema);
    if (feature == NULL) return SM_OK;
    char file[64];
    snprintf(file, sizeof file, "%s.labels.txt", feature);
    sm_buf text;
    sm_buf_init(&text, TEXT_LIMIT);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < inputs->classes.count; i++) {
        status = sm_buf_append_str(&text, sm_names_get(&inputs->classes, i));
        if (status == SM_OK) status = sm_buf_append_str(&text, "\n");
    }
    if (status == SM_OK) status = write_file(p, file, &text);
    sm_buf_free(&text);
    return status;
}

static sm_status write_features(publishing *p)
{
    sm_tfds_feature features[SM_MAX_FEATURES];
    size_t count = sm_record_features(features, p->plan->inputs, p->plan->options);
    sm_buf text;
    sm_buf_init(&text, TEXT_LIMIT);
    sm_status status = sm_tfds_features(&text, features, count);
    if (status == SM_OK) status = write_file(p, "features.json", &text);
    sm_buf_free(&text);
    return status;
}

static sm_status write_info(publishing *p)
{
    sm_tfds_split splits[SM_MAX_SPLITS];
    size_t count = 0, first = 0;
    for (size_t i = 0; i < p->set->split_count; i++) {
        size_t shards = p->set->splits[i].shards + p->set->splits[i].retried;
        if (shards > 0) /* TFDS knows no empty splits */
            splits[count++] = (sm_tfds_split){.name = p->set->splits[i].name,
                                              .bytes = p->bytes[i],
                                              .shard_lengths = p->lengths + first,
                                              .shards = shards};
        first += shards;
    }
    const sm_tfds_info info = {.name = p->set->name,
                               .version = p->plan->options->version,
                               .description = "Packed by shardmill.",
                               .compression = p->plan->options->compression,
                               .splits = splits,
                               .split_count = count};
    sm_buf text;
    sm_buf_init(&text, TEXT_LIMIT);
    sm_status status = sm_tfds_dataset_info(&text, &info);
    if (status == SM_OK) status = write_file(p, "dataset_info.json", &text);
    sm_buf_free(&text);
    return status;
}

/* ---- The whole */

static sm_status publish_files(publishing *p)
{
    sm_status status = sm_sink_commit_many(p->files, p->file_count);
    p->file_count = 0;
    return status;
}

static sm_status gather(publishing *p)
{
    const sm_inputs *inputs = p->plan->inputs;
    sm_status status = for_each_result(p, add_recovered, true);
    for (size_t i = 0; status == SM_OK && i < inputs->note_count; i++)
        status = add_note(p, &inputs->notes[i]);
    if (status == SM_OK) status = for_each_result(p, add_result, false);
    if (status != SM_OK) return status;

    sm_pack_summary *s = p->summary;
    uint64_t unlisted = 0; /* folders: each counts as one input that failed */
    for (size_t i = 0; i < inputs->note_count; i++)
        unlisted += inputs->notes[i].reason < SM_SKIP_HIDDEN;
    s->images_in = p->set->inputs + unlisted;
    s->found = s->images_in + s->skipped;
    s->split_count = p->set->split_count;
    for (size_t i = 0; i < p->set->split_count; i++) {
        memcpy(s->splits[i].name, p->set->splits[i].name, SM_NAME_MAX);
        s->splits[i].inputs = p->plan->splits[i].inputs;
        s->splits[i].shards = p->set->splits[i].shards + p->set->splits[i].retried;
        s->shards += s->splits[i].shards;
    }
    if (s->images_in != s->records + s->failures)
        return sm_fail(SM_ERR_INTERNAL,
                       "%llu pictures went in, but %llu records and %llu failures came out",
                       (unsigned long long)s->images_in, (unsigned long long)s->records,
                       (unsigned long long)s->failures);
    return SM_OK;
}

static sm_status run(const sm_set *set, const sm_plan *plan, sm_pack_summary *summary, bool write)
{
    publishing p = {.set = set, .plan = plan, .summary = summary, .write = write};
    size_t shards = 0;
    for (size_t i = 0; i < set->split_count; i++)
        shards += set->splits[i].shards + set->splits[i].retried;
    sm_buf_init(&p.line, TEXT_LIMIT);
    sm_names_init(&p.recovered);
    p.lengths = calloc(shards + 1, sizeof *p.lengths);
    sm_status status = p.lengths == NULL ? sm_fail_memory(shards * sizeof *p.lengths) : SM_OK;
    for (int i = 0; status == SM_OK && write && i < LISTS; i++)
        status = open_file(&p, list_files[i]);
    if (status == SM_OK) status = gather(&p);
    if (status == SM_OK && write) {
        status = write_labels(&p);
        if (status == SM_OK) status = write_features(&p);
        if (status == SM_OK) status = write_info(&p);
        if (status == SM_OK) status = publish_files(&p);
        sm_buf_clear(&p.line);
        if (status == SM_OK) status = write_file(&p, "_SUCCESS", &p.line);
        if (status == SM_OK) status = publish_files(&p);
    }
    for (size_t i = 0; i < p.file_count; i++) sm_sink_abandon(p.files[i]);
    free(p.lengths);
    sm_names_free(&p.recovered);
    sm_buf_free(&p.line);
    return status;
}

sm_status sm_set_publish(sm_set *set, const sm_plan *plan, sm_pack_summary *summary)
{
    sm_status status = run(set, plan, summary, true);
    set->complete = status == SM_OK;
    return status;
}

sm_status sm_set_summarise(const sm_set *set, const sm_plan *plan, sm_pack_summary *summary)
{
    return run(set, plan, summary, false);
}
