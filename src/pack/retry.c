#include "pack/retry.h"

#include "core/status.h"
#include "pack/lines.h"
#include "pack/names.h"
#include "pack/result.h"
#include "pack/set.h"
#include "pack/tasks.h"

#include <string.h>

enum { LINE_LIMIT = 1 << 20 };

/* Every shard must be there; recovered is what the additional ones hold. */
static sm_status read_recovered(sm_names *recovered, const sm_set *set)
{
    char name[SM_SHARD_NAME_MAX];
    for (size_t i = 0; i < set->split_count; i++) {
        const sm_set_split *split = &set->splits[i];
        for (uint32_t k = 0; k < split->shards + split->retried; k++) {
            sm_result result;
            sm_status status = sm_set_shard_name(name, set, i, k);
            if (status == SM_OK && !sm_set_has_whole(set, name, NULL, NULL))
                status = sm_fail(SM_ERR_NOT_FOUND,
                                 "'%s' is not finished, '%s' is missing or damaged: pack without "
                                 "--retry-failed first",
                                 set->dst, name);
            if (status == SM_OK) status = sm_result_read(&result, set->dst, name);
            if (status != SM_OK) return status;
            status = sm_result_recovered(recovered, &result);
            sm_result_free(&result);
            if (status != SM_OK) return status;
        }
    }
    return SM_OK;
}

/* The paths of failures.jsonl that got as far as being read, without those that were recovered: a
 * retry that was cut off may have left the list of before it. */
static sm_status read_failed(sm_names *failed, const sm_set *set, const sm_names *recovered)
{
    sm_lines *lines = NULL;
    sm_buf path, line;
    sm_buf_init(&path, SM_PATH_LIMIT);
    sm_buf_init(&line, LINE_LIMIT);
    sm_status status = sm_set_path(&path, set, "failures.jsonl");
    if (status == SM_OK) status = sm_lines_open(&lines, (const char *)path.data);
    if (status == SM_ERR_NOT_FOUND)
        status =
            sm_fail(status, "'%s' is not finished: pack without --retry-failed first", set->dst);
    for (bool more = true; status == SM_OK;) {
        status = sm_lines_next(lines, &more, &line);
        if (status != SM_OK || !more) break;
        json_error_t error;
        json_t *object = json_loadb((const char *)line.data, line.len, 0, &error);
        const char *stage = json_string_value(json_object_get(object, "stage"));
        sm_buf_clear(&path);
        status = sm_json_get_path(&path, object, "path");
        uint32_t number;
        if (status == SM_OK && (stage == NULL || strcmp(stage, "list") != 0) &&
            sm_names_find(recovered, (const char *)path.data) == SM_NO_NAME)
            status = sm_names_add(failed, &number, (const char *)path.data);
        if (status != SM_OK) sm_fail_prefix(status, "'failures.jsonl' of '%s'", set->dst);
        json_decref(object);
    }
    sm_lines_close(lines);
    sm_buf_free(&line);
    sm_buf_free(&path);
    return status;
}

static sm_status check_set(const sm_set *set, const sm_plan *plan)
{
    if (!json_equal(set->options, plan->options_json) || strcmp(set->classes, plan->classes) != 0)
        return sm_fail(SM_ERR_CONFLICT,
                       "'%s' was packed with other options or classes: --retry-failed needs the "
                       "same ones",
                       set->dst);
    if (set->inputs != plan->inputs->count)
        return sm_fail(SM_ERR_CONFLICT,
                       "there were %llu pictures when '%s' was packed, and are %zu now: "
                       "--retry-failed needs the same ones; --overwrite packs them anew",
                       (unsigned long long)set->inputs, set->dst, plan->inputs->count);
    for (size_t i = 0; i < set->split_count; i++)
        if (set->split_count != plan->split_count ||
            strcmp(set->splits[i].name, plan->splits[i].name) != 0)
            return sm_fail(SM_ERR_CONFLICT,
                           "the manifest names other splits than when '%s' was packed", set->dst);
    return SM_OK;
}

/* Keeps only the inputs that failed; they stay in the plan's order, split after split. */
static void keep_failed(sm_inputs *inputs, const sm_names *failed)
{
    size_t kept = 0;
    for (size_t i = 0; i < inputs->count; i++)
        if (sm_names_find(failed, sm_inputs_text(inputs, inputs->items[i].path)) != SM_NO_NAME)
            inputs->items[kept++] = inputs->items[i];
    inputs->count = kept;
}

/* One additional shard for each split in which something failed. */
static sm_status make_jobs(sm_job jobs[SM_MAX_SPLITS], sm_shard shards[SM_MAX_SPLITS],
                           size_t *count, const sm_set *set, const sm_plan *plan)
{
    const sm_inputs *inputs = plan->inputs;
    *count = 0;
    for (size_t i = 0; i < inputs->count; *count += 1) {
        sm_shard *shard = &shards[*count];
        const uint16_t split = inputs->items[i].split;
        const uint32_t before = set->splits[split].shards + set->splits[split].retried;
        *shard = (sm_shard){.split = split, .index = before, .first = i};
        while (i < inputs->count && inputs->items[i].split == split) i++;
        shard->count = i - shard->first;
        if (before >= SM_MAX_SHARDS_A_SPLIT)
            return sm_fail(SM_ERR_LIMIT, "split '%s' has as many shards as it can have",
                           set->splits[split].name);
        sm_status status = sm_plan_fingerprint(shard->fingerprint, plan, shard, before + 1);
        if (status == SM_OK)
            status = sm_plan_shard_name(jobs[*count].file, plan, split, before, before + 1);
        if (status != SM_OK) return status;
        jobs[*count].shard = shard;
        jobs[*count].shards = before + 1;
    }
    return SM_OK;
}

/* ---- New fingerprints, for what was mended counts as changed */

/* Gives the shard's result its new fingerprint, when that is wanted; or tells in *same whether it
 * may have one: of a shard without failures nothing can have been mended. */
static sm_status stamp_shard(bool *same, const sm_set *set, const sm_shard *shard, bool write)
{
    char name[SM_SHARD_NAME_MAX];
    sm_result result;
    sm_status status = sm_set_shard_name(name, set, shard->split, shard->index);
    if (status == SM_OK) status = sm_result_read(&result, set->dst, name);
    if (status != SM_OK) return status;
    const bool differs = strcmp(result.fingerprint, shard->fingerprint) != 0;
    if (differs && json_array_size(result.failures) == 0) *same = false;
    memcpy(result.fingerprint, shard->fingerprint, sizeof result.fingerprint);
    if (differs && write) status = sm_result_write(&result, set->dst);
    sm_result_free(&result);
    return status;
}

/*
 * Lets a later plain pack find the set as it plans it: with the sizes and times that the mended
 * files have now. When shards that had no failures have changed as well, that pack is to say so,
 * and all stays as it is.
 */
static sm_status stamp(sm_set *set, const sm_plan *plan)
{
    bool same = strcmp(set->fingerprint, plan->fingerprint) != 0;
    for (size_t i = 0; i < set->split_count; i++)
        same = same && set->splits[i].shards == plan->splits[i].shards;
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && same && i < plan->shard_count; i++)
        status = stamp_shard(&same, set, &plan->shards[i], false);
    for (size_t i = 0; status == SM_OK && same && i < plan->shard_count; i++)
        status = stamp_shard(&same, set, &plan->shards[i], true);
    if (status == SM_OK && same)
        memcpy(set->fingerprint, plan->fingerprint, sizeof set->fingerprint);
    return status;
}

static sm_status retry(sm_set *set, const sm_plan *plan, sm_run *run, sm_pack_summary *summary)
{
    sm_job jobs[SM_MAX_SPLITS];
    sm_shard shards[SM_MAX_SPLITS];
    size_t count;
    sm_status status = make_jobs(jobs, shards, &count, set, plan);
    if (status == SM_OK) status = sm_set_open(set);
    if (status == SM_OK) status = sm_run_jobs(run, jobs, count);
    if (status == SM_OK) status = stamp(set, plan);
    if (status != SM_OK) return status;

    for (size_t i = 0; i < count; i++) {
        sm_result result;
        if (!sm_set_has_whole(set, jobs[i].file, shards[i].fingerprint, NULL))
            continue; /* none recovered */
        status = sm_result_read(&result, set->dst, jobs[i].file);
        if (status != SM_OK) return status;
        summary->recovered += result.records;
        sm_result_free(&result);
        set->splits[shards[i].split].retried++;
    }
    /* First the plan, then the names: sm_set_settle finishes what is cut off in between. */
    status = sm_set_write(set);
    if (status == SM_OK) status = sm_set_settle(set);
    return status;
}

sm_status sm_retry(const sm_plan *plan, const char *dst, sm_run *run, sm_pack_summary *summary)
{
    sm_names failed, recovered;
    sm_names_init(&failed);
    sm_names_init(&recovered);
    sm_set set = {0};
    sm_status status = sm_set_load(&set, dst);
    if (status == SM_ERR_NOT_FOUND)
        status =
            sm_fail(status, "'%s' holds no set: --retry-failed works on one that was packed", dst);
    if (status == SM_OK) status = check_set(&set, plan);
    if (status == SM_OK) status = sm_set_settle(&set);
    if (status == SM_OK) status = read_recovered(&recovered, &set);
    if (status == SM_OK) status = read_failed(&failed, &set, &recovered);
    if (status == SM_OK) {
        for (size_t i = 0; i < set.split_count; i++)
            summary->shards_kept += set.splits[i].shards + set.splits[i].retried;
        keep_failed(plan->inputs, &failed);
        summary->retried = plan->inputs->count;
        run->retry = true;
        run->failures_limit = UINT64_MAX;
        status = retry(&set, plan, run, summary);
    }
    if (status == SM_OK) status = sm_set_publish(&set, plan, summary);
    sm_set_free(&set);
    sm_names_free(&failed);
    sm_names_free(&recovered);
    return status;
}
