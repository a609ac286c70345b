#include "pack/plan.h"

#include "core/status.h"
#include "shard/tfds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Raised whenever the same input and options give other bytes than before: then shards of an
     * older program are not taken for ours. */
    OUTPUT_EPOCH = 3
};
/* The split must not depend on the shuffle's seed, so it has one of its own. */
static const uint64_t split_seed = 0x73706c6974;

/* ---- The set's name */

/* A name from the last component of a path, with _ for what a name may not hold. */
static void name_from_path(char name[SM_NAME_MAX], const char *path)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/') len--;
    size_t begin = len;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t end = begin; /* without an ending such as .csv */
    while (end < len && path[end] != '.') end++;

    size_t used = 0;
    for (size_t i = begin; i < end && used + 1 < SM_NAME_MAX; i++) {
        unsigned char c = (unsigned char)path[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (used == 0 && !letter) continue;
        name[used++] = letter || (c >= '0' && c <= '9') ? (char)c : '_';
    }
    name[used] = '\0';
    if (used == 0) memcpy(name, "dataset", sizeof "dataset");
}

static void choose_name(char name[SM_NAME_MAX], const char *src, const sm_pack_options *options)
{
    const char *table = options->list_file != NULL ? options->list_file : options->manifest_file;
    if (options->name != NULL)
        memcpy(name, options->name, strlen(options->name) + 1); /* checked with the options */
    else
        name_from_path(name, src != NULL ? src : table);
}

/* ---- Splits */

static void add_split(sm_plan *plan, const char *name)
{
    sm_split *split = &plan->splits[plan->split_count++];
    memcpy(split->name, name, strlen(name) + 1);
}

static sm_status assign_splits(sm_plan *plan)
{
    sm_inputs *inputs = plan->inputs;
    if (inputs->splits.count > 0) {
        if (plan->options->splits != NULL)
            return sm_fail(SM_ERR_USAGE, "the manifest has a column of splits: leave --split out");
        for (size_t i = 0; i < inputs->splits.count; i++)
            add_split(plan, sm_names_get(&inputs->splits, i));
        for (size_t i = 0; i < inputs->count; i++) plan->splits[inputs->items[i].split].inputs++;
        return SM_OK;
    }
    sm_split_share shares[SM_MAX_SPLITS];
    size_t count;
    sm_status status = sm_options_splits(shares, &count, plan->options->splits);
    if (status != SM_OK) return status;
    for (size_t i = 0; i < count; i++) add_split(plan, shares[i].name);
    for (size_t i = 0; i < inputs->count; i++) {
        const char *path = sm_inputs_text(inputs, inputs->items[i].path);
        double at = (double)sm_hash_key(path, strlen(path), split_seed) * 0x1p-64, below = 0;
        size_t split = 0;
        while (split + 1 < count && at >= (below += shares[split].share)) split++;
        inputs->items[i].split = (uint16_t)split;
        plan->splits[split].inputs++;
    }
    return SM_OK;
}

/* ---- Order */

static _Thread_local const char *sorted_text; /* the paths, while qsort runs */

static int by_split_and_key(const void *left, const void *right)
{
    const sm_input *a = left, *b = right;
    if (a->split != b->split) return a->split < b->split ? -1 : 1;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    int order = strcmp(sorted_text + a->path, sorted_text + b->path);
    /* A path listed twice: as they came. */
    return order != 0 ? order : (a->path > b->path) - (a->path < b->path);
}

/* Shuffling is sorting by a keyed hash of the path: no state, and the same on every machine. */
static void put_in_order(sm_plan *plan)
{
    sm_inputs *inputs = plan->inputs;
    sorted_text = (const char *)inputs->text.data;
    for (size_t i = 0; i < inputs->count; i++) {
        const char *path = sm_inputs_text(inputs, inputs->items[i].path);
        inputs->items[i].key =
            plan->options->shuffle ? sm_hash_key(path, strlen(path), plan->options->seed) : i;
    }
    if (inputs->count > 0)
        qsort(inputs->items, inputs->count, sizeof *inputs->items, by_split_and_key);
}

/* ---- Shards */

/* One for each split that has inputs; each further one goes to the split whose shards are largest.
 */
static void share_shards(sm_plan *plan)
{
    size_t left = plan->options->shards;
    for (size_t i = 0; i < plan->split_count; i++) {
        plan->splits[i].shards = plan->splits[i].inputs > 0;
        left -= left > 0 && plan->splits[i].inputs > 0;
    }
    for (; left > 0; left--) {
        sm_split *largest = NULL;
        for (size_t i = 0; i < plan->split_count; i++) {
            sm_split *split = &plan->splits[i];
            if (split->shards < split->inputs &&
                (largest == NULL ||
                 split->inputs * largest->shards > largest->inputs * split->shards))
                largest = split;
        }
        if (largest == NULL) break;
        largest->shards++;
    }
}

/* How many shards each split has. */
static sm_status count_shards(sm_plan *plan)
{
    const sm_pack_options *o = plan->options;
    if (o->shards > 0) share_shards(plan);
    for (size_t i = 0; i < plan->split_count; i++) {
        sm_split *split = &plan->splits[i];
        double inputs = (double)split->inputs, shards;
        if (o->shards > 0)
            shards = split->shards;
        else if (o->images_per_shard > 0)
            shards = ceil(inputs / o->images_per_shard);
        else
            shards = ceil(inputs * plan->sample.bound / (o->max_shard_size_mb * 1e6));
        if (shards > inputs) shards = inputs;
        if (shards < 1 && split->inputs > 0) shards = 1;
        if (shards > SM_MAX_SHARDS_A_SPLIT)
            return sm_fail(SM_ERR_USAGE,
                           "split '%s' would have %.0f shards, more than %d: make them larger",
                           split->name, shards, SM_MAX_SHARDS_A_SPLIT);
        split->shards = (uint32_t)shards;
        plan->shard_count += split->shards;
    }
    return SM_OK;
}

/* Where shard number index of a split with so many inputs and shards begins. */
static size_t shard_begin(const sm_plan *plan, const sm_split *split, uint32_t index)
{
    if (plan->options->images_per_shard > 0) {
        size_t begin = (size_t)index * plan->options->images_per_shard;
        return begin < split->inputs ? begin : split->inputs;
    }
    return (size_t)((uint64_t)split->inputs * index / split->shards);
}

sm_status sm_plan_fingerprint(char fingerprint[SM_FINGERPRINT_SIZE], const sm_plan *plan,
                              const sm_shard *shard, uint32_t shards)
{
    const sm_inputs *inputs = plan->inputs;
    sm_hash *hash;
    sm_status status = sm_hash_new(&hash);
    if (status != SM_OK) return status;
    const char *key;
    json_t *value;
    sm_hash_u64(hash, OUTPUT_EPOCH);
    json_object_foreach(plan->options_json, key, value)
    {
        sm_hash_str(hash, key);
        sm_hash_str(hash, json_string_value(value));
    }
    sm_hash_str(hash, plan->classes);
    sm_hash_str(hash, plan->splits[shard->split].name);
    sm_hash_u64(hash, shard->index);
    sm_hash_u64(hash, shards);
    for (size_t i = 0; i < inputs->column_count; i++) {
        sm_hash_str(hash, inputs->columns[i].name);
        sm_hash_u64(hash, inputs->columns[i].type);
    }
    for (size_t i = shard->first; i < shard->first + shard->count; i++) {
        const sm_input *input = &inputs->items[i];
        sm_hash_str(hash, sm_inputs_text(inputs, input->path));
        sm_hash_u64(hash, input->size);
        sm_hash_u64(hash, input->version);
        sm_hash_u64(hash, inputs->labelled ? input->class_id : SM_NO_CLASS);
        const char *column = sm_inputs_text(inputs, input->columns);
        for (size_t c = 0; c < inputs->column_count; c++, column += strlen(column) + 1)
            sm_hash_str(hash, column);
    }
    sm_hash_hex(hash, fingerprint);
    sm_hash_free(hash);
    return SM_OK;
}

static sm_status cut_into_shards(sm_plan *plan)
{
    plan->shards = calloc(plan->shard_count + 1, sizeof *plan->shards);
    if (plan->shards == NULL) return sm_fail_memory(plan->shard_count * sizeof *plan->shards);
    size_t number = 0, first = 0;
    for (size_t i = 0; i < plan->split_count; i++) {
        const sm_split *split = &plan->splits[i];
        for (uint32_t index = 0; index < split->shards; index++) {
            size_t begin = shard_begin(plan, split, index);
            size_t end = shard_begin(plan, split, index + 1);
            sm_shard *shard = &plan->shards[number++];
            *shard = (sm_shard){
                .split = (uint16_t)i, .index = index, .first = first + begin, .count = end - begin};
            sm_status status = sm_plan_fingerprint(shard->fingerprint, plan, shard, split->shards);
            if (status != SM_OK) return status;
        }
        first += split->inputs;
    }
    return SM_OK;
}

static sm_status take_fingerprints(sm_plan *plan)
{
    sm_hash *hash;
    sm_status status = sm_hash_new(&hash);
    if (status != SM_OK) return status;
    for (size_t i = 0; i < plan->shard_count; i++) sm_hash_str(hash, plan->shards[i].fingerprint);
    sm_hash_hex(hash, plan->fingerprint);
    sm_hash_free(hash);
    return SM_OK;
}

static sm_status hash_classes(sm_plan *plan)
{
    sm_hash *hash;
    sm_status status = sm_hash_new(&hash);
    if (status != SM_OK) return status;
    if (plan->inputs->labelled)
        for (size_t i = 0; i < plan->inputs->classes.count; i++)
            sm_hash_str(hash, sm_names_get(&plan->inputs->classes, i));
    sm_hash_hex(hash, plan->classes);
    sm_hash_free(hash);
    return SM_OK;
}

sm_status sm_plan_make(sm_plan *plan, sm_inputs *inputs, const char *src,
                       const sm_pack_options *options)
{
    *plan = (sm_plan){.options = options, .inputs = inputs};
    choose_name(plan->name, src, options);
    sm_status status = sm_options_json(&plan->options_json, options, plan->name);
    if (status == SM_OK) status = hash_classes(plan);
    if (status == SM_OK) status = assign_splits(plan);
    if (status == SM_OK) put_in_order(plan);
    bool by_size = options->shards == 0 && options->images_per_shard == 0;
    if (status == SM_OK && (by_size || options->dry_run))
        status = sm_plan_sample(&plan->sample, inputs, options);
    if (status == SM_OK) status = count_shards(plan);
    if (status == SM_OK) status = cut_into_shards(plan);
    if (status == SM_OK) status = take_fingerprints(plan);
    return status;
}

sm_status sm_plan_restore(sm_plan *plan, sm_inputs *inputs, const sm_pack_options *options,
                          const char *const *splits, size_t count)
{
    *plan = (sm_plan){.options = options, .inputs = inputs};
    choose_name(plan->name, "", options);
    sm_status status = sm_options_json(&plan->options_json, options, plan->name);
    if (status == SM_OK) status = hash_classes(plan);
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        if (!sm_tfds_is_split(splits[i]))
            return sm_fail(SM_ERR_CORRUPT, "'%s' is no name for a split", splits[i]);
        add_split(plan, splits[i]);
    }
    return status;
}

void sm_plan_free(sm_plan *plan)
{
    json_decref(plan->options_json);
    free(plan->shards);
    *plan = (sm_plan){0};
}

sm_status sm_plan_shard_name(char name[SM_SHARD_NAME_MAX], const sm_plan *plan, size_t split,
                             uint32_t index, uint32_t shards)
{
    return sm_tfds_shard_name(name, SM_SHARD_NAME_MAX, plan->name, plan->splits[split].name, index,
                              shards, plan->options->compression);
}
