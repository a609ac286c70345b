/* sm_pack: plan, look at what dst holds, pack what is missing, publish. */
#include "core/machine.h"
#include "core/status.h"
#include "image/image.h"
#include "io/io.h"
#include "pack/pipeline.h"
#include "pack/retry.h"
#include "pack/set.h"
#include "pack/tasks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- The folders */

/* Whether path, which may not be there yet, lies in folder. */
static bool lies_in(const char *path, const char *folder)
{
    char *real_folder = realpath(folder, NULL);
    char *part = strdup(path), *real_path = NULL;
    if (real_folder == NULL || part == NULL) goto done;
    /* The nearest part of path that is there. */
    while ((real_path = realpath(*part == '\0' ? "." : part, NULL)) == NULL) {
        char *slash = strrchr(part, '/');
        if (*part == '\0') break; /* the working folder itself is gone */
        if (slash == NULL)
            *part = '\0';
        else
            slash[slash == part] = '\0';
    }
done:;
    size_t len = real_folder == NULL ? 0 : strlen(real_folder);
    bool inside = real_folder != NULL && real_path != NULL &&
                  strncmp(real_path, real_folder, len) == 0 &&
                  (real_path[len] == '\0' || real_path[len] == '/' || len == 1);
    free(real_folder);
    free(real_path);
    free(part);
    return inside;
}

/* URLs have no links: one lies in the other when it begins with it. */
static sm_status check_remote(const char *src, const char *dst)
{
    size_t len = src == NULL ? 0 : strlen(src);
    while (len > 0 && src[len - 1] == '/') len--;
    if (len == 0 || strncmp(dst, src, len) != 0 || (dst[len] != '/' && dst[len] != '\0'))
        return SM_OK;
    return sm_fail(SM_ERR_USAGE, "'%s' lies in '%s': choose another place", dst, src);
}

static sm_status check_folders(const char *src, const char *dst, const sm_pack_options *options)
{
    if (dst == NULL || *dst == '\0')
        return sm_fail(SM_ERR_USAGE, "where should the shards go? name a folder");
    sm_status status = sm_io_may_write(dst);
    if (status != SM_OK) return status;
    if (sm_io_is_remote(dst) || (src != NULL && sm_io_is_remote(src)))
        return check_remote(src, dst);
    bool walks = src != NULL && options->list_file == NULL && options->manifest_file == NULL;
    if (walks && lies_in(dst, src))
        return sm_fail(SM_ERR_USAGE,
                       "'%s' lies in '%s': the shards would be taken for pictures next time; "
                       "choose another folder",
                       dst, src);
    return SM_OK;
}

static sm_status on_foreign(void *user, sm_walk_event event, const char *path,
                            const sm_file_info *info)
{
    (void)info;
    if (event == SM_WALK_HIDDEN) return SM_OK;
    return sm_fail(
        SM_ERR_CONFLICT,
        "'%s' holds files that are no set of shardmill's ('%s'): choose an empty folder, "
        "or use --overwrite, which replaces only files of the set's own names",
        (const char *)user, path);
}

/* ---- What dst holds */

static sm_status refuse_options(const sm_set *old, json_t *now)
{
    sm_buf text;
    sm_buf_init(&text, SM_ERROR_MAX);
    sm_options_difference(&text, old->options, now);
    sm_status status = sm_fail(SM_ERR_CONFLICT,
                               "'%s' holds a set packed with other options:%.*s\n"
                               "use --overwrite to replace it, or choose another folder",
                               old->dst, (int)text.len, (const char *)text.data);
    sm_buf_free(&text);
    return status;
}

static sm_status refuse_inputs(const sm_set *old, const sm_set *now)
{
    return sm_fail(
        SM_ERR_CONFLICT,
        "'%s' holds a finished set of other pictures: %llu then, %llu now, and their "
        "paths, sizes, times or classes differ; use --overwrite to replace it, or choose "
        "another folder (files mended for --retry-failed count as changed)",
        old->dst, (unsigned long long)old->inputs, (unsigned long long)now->inputs);
}

/*
 * Makes set what this call is to work on: the one in dst when it is of the same plan, else the
 * plan's own, which then is written. Refuses to touch what is somebody else's.
 */
static sm_status adopt(sm_set *set, const sm_plan *plan, const char *dst)
{
    const bool overwrite = plan->options->overwrite;
    sm_set old, now;
    sm_status status = sm_set_from_plan(&now, plan, dst);
    if (status != SM_OK) return status;
    status = sm_set_load(&old, dst);
    if (status == SM_ERR_NOT_FOUND) {
        char *user = strdup(dst);
        status = overwrite ? SM_OK : sm_io_walk(dst, on_foreign, user);
        free(user);
        if (status == SM_OK) status = sm_set_write(&now);
    } else if (status == SM_OK && !overwrite && !json_equal(old.options, plan->options_json)) {
        status = refuse_options(&old, plan->options_json);
    } else if (status == SM_OK && !overwrite && strcmp(old.fingerprint, now.fingerprint) == 0) {
        sm_set_free(&now);
        *set = old;
        return sm_set_settle(set);
    } else if (status == SM_OK && !overwrite && old.complete) {
        status = refuse_inputs(&old, &now);
    } else if (status == SM_OK) {
        status = sm_set_settle(&old); /* so that every file has the name it goes by */
        if (status == SM_OK) status = sm_set_remove(&old, overwrite ? NULL : &now);
        if (status == SM_OK) status = sm_set_write(&now);
    } else if (overwrite) {
        /* An unreadable plan.json is overwritten when asked for; its files then stay. */
        status = sm_set_write(&now);
    }
    sm_set_free(&old);
    if (status != SM_OK) {
        sm_set_free(&now);
        return status;
    }
    *set = now;
    return SM_OK;
}

/* ---- Packing */

/* The shards that are not whole yet; the failures of those that are, are added to *failures. *jobs
 * is the caller's. */
static sm_status list_jobs(sm_job **jobs, size_t *count, uint64_t *failures, const sm_set *set,
                           const sm_plan *plan)
{
    sm_job *made = calloc(plan->shard_count + 1, sizeof *made);
    if (made == NULL) return sm_fail_memory(plan->shard_count * sizeof *made);
    *count = 0;
    for (size_t i = 0; i < plan->shard_count; i++) {
        const sm_shard *shard = &plan->shards[i];
        sm_job *job = &made[*count];
        sm_status status = sm_set_shard_name(job->file, set, shard->split, shard->index);
        bool whole =
            status == SM_OK && sm_set_has_whole(set, job->file, shard->fingerprint, failures);
        if (status == SM_OK && set->splits[shard->split].retried > 0 && !whole)
            status = sm_fail(SM_ERR_CONFLICT,
                             "'%s/%s' is missing or damaged in a set that --retry-failed has "
                             "added to: use --overwrite to pack all of it again",
                             set->dst, job->file);
        if (status != SM_OK) {
            free(made);
            return status;
        }
        if (whole) continue;
        job->shard = shard;
        job->shards = set->splits[shard->split].shards;
        (*count)++;
    }
    *jobs = made;
    return SM_OK;
}

static uint64_t failures_limit(const sm_plan *plan)
{
    const sm_pack_options *o = plan->options;
    if (o->max_failures >= 0) return (uint64_t)o->max_failures;
    if (o->max_failures_percent >= 0)
        return (uint64_t)((double)plan->inputs->count * o->max_failures_percent / 100);
    return UINT64_MAX;
}

static void add_run(sm_pack_summary *summary, const sm_run *run)
{
    summary->bytes_in += run->bytes_in;
    summary->read_seconds += (double)run->read_ns / 1e9;
    summary->decode_seconds += (double)run->decode_ns / 1e9;
    summary->resize_seconds += (double)run->resize_ns / 1e9;
    summary->encode_seconds += (double)run->encode_ns / 1e9;
    summary->write_seconds += (double)run->write_ns / 1e9;
}

static sm_status pack_missing(sm_set *set, const sm_plan *plan, sm_run *run,
                              sm_pack_summary *summary)
{
    sm_job *jobs = NULL;
    size_t count = 0;
    sm_status status = list_jobs(&jobs, &count, &run->failures, set, plan);
    if (status == SM_OK) {
        summary->shards_kept = plan->shard_count - count;
        for (size_t i = 0; i < set->split_count; i++)
            summary->shards_kept += set->splits[i].retried;
        if (count == 0 && set->complete)
            status = sm_set_summarise(set, plan, summary);
        else
            status = sm_set_open(set);
    }
    if (status == SM_OK && !set->complete) {
        status = sm_run_jobs(run, jobs, count);
        add_run(summary, run);
        if (status == SM_OK) status = sm_set_publish(set, plan, summary);
    }
    free(jobs);
    return status;
}

static sm_status pack_into(const sm_plan *plan, const char *dst, sm_run *run,
                           sm_pack_summary *summary)
{
    sm_buf stats;
    sm_buf_init(&stats, SM_PATH_LIMIT);
    sm_set set = {0};
    sm_lock *lock = NULL;
    sm_status status = sm_buf_printf(&stats, "%s/stats", dst);
    if (status == SM_OK) status = sm_io_make_folder(dst);
    if (status == SM_OK) status = sm_lock_take(&lock, dst);
    if (status == SM_OK) status = sm_tasks_clear(dst);
    if (status == SM_OK && plan->options->retry_failed) {
        status = sm_retry(plan, dst, run, summary);
        add_run(summary, run);
    } else {
        if (status == SM_OK) status = adopt(&set, plan, dst);
        if (status == SM_OK) status = sm_io_make_folder((const char *)stats.data);
        if (status == SM_OK) status = pack_missing(&set, plan, run, summary);
    }
    sm_lock_release(lock);
    sm_set_free(&set);
    sm_buf_free(&stats);
    return status;
}

/* What a dry run tells. */
static void summarise_plan(const sm_plan *plan, sm_pack_summary *summary)
{
    const sm_inputs *inputs = plan->inputs;
    summary->images_in = inputs->count;
    for (size_t i = 0; i < inputs->note_count; i++) {
        sm_reason reason = inputs->notes[i].reason;
        summary->by_reason[reason]++;
        if (reason >= SM_SKIP_HIDDEN)
            summary->skipped++;
        else
            summary->images_in++, summary->failures++;
    }
    summary->found = summary->images_in + summary->skipped;
    summary->records = inputs->count;
    summary->bytes_out = (uint64_t)(plan->sample.mean * (double)inputs->count);
    summary->split_count = plan->split_count;
    for (size_t i = 0; i < plan->split_count; i++) {
        sm_split_summary *split = &summary->splits[i];
        memcpy(split->name, plan->splits[i].name, SM_NAME_MAX);
        split->inputs = split->records = plan->splits[i].inputs;
        split->shards = plan->splits[i].shards;
        summary->shards += split->shards;
    }
    for (size_t i = 0; i < inputs->count; i++) summary->bytes_in += inputs->items[i].size;
}

static sm_status no_pictures(const sm_inputs *inputs, const char *src)
{
    return sm_fail(SM_ERR_NOT_FOUND, "there are no pictures in '%s' (%zu other entries)",
                   src == NULL ? "the list" : src, inputs->note_count);
}

static sm_status check_picture_options(const sm_picture_options *options)
{
    sm_picture *picture = NULL;
    sm_status status = sm_picture_new(&picture, options);
    sm_picture_free(picture);
    return status;
}

sm_status sm_pack(sm_pack_summary *summary, const char *src, const char *dst,
                  const sm_pack_options *options)
{
    const uint64_t begin = sm_clock_ns();
    sm_pack_summary sums = {0};
    sm_inputs inputs = {0};
    sm_plan plan = {0};
    char *folder = dst == NULL ? NULL : sm_io_trimmed(dst);
    sm_status status = dst != NULL && folder == NULL ? sm_fail_memory(strlen(dst))
                                                     : sm_options_check(options, src);
    if (status == SM_OK) status = check_picture_options(&options->picture);
    if (status == SM_OK) status = check_folders(src, folder, options);
    if (status == SM_OK) status = sm_inputs_collect(&inputs, src, options);
    if (status == SM_OK && inputs.count == 0) status = no_pictures(&inputs, src);
    if (status == SM_OK) status = sm_plan_make(&plan, &inputs, src, options);
    if (status == SM_OK) {
        sm_run run = {.plan = &plan,
                      .dst = folder,
                      .threads = options->threads > 0 ? options->threads : sm_machine_threads(),
                      .memory = options->memory > 0 ? options->memory : sm_machine_memory() / 2,
                      .failures_limit = failures_limit(&plan)};
        for (size_t i = 0; i < inputs.note_count; i++)
            run.failures += inputs.notes[i].reason < SM_SKIP_HIDDEN;
        sums.threads = run.threads;
        sums.classes = inputs.labelled ? inputs.classes.count : 0;
        sums.plan_seconds = (double)(sm_clock_ns() - begin) / 1e9;
        memcpy(sums.name, plan.name, sizeof sums.name);
        memcpy(sums.fingerprint, plan.fingerprint, sizeof sums.fingerprint);
        if (options->dry_run)
            summarise_plan(&plan, &sums);
        else
            status = pack_into(&plan, folder, &run, &sums);
    }
    sums.seconds = (double)(sm_clock_ns() - begin) / 1e9;
    if (summary != NULL) *summary = sums;
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
    free(folder);
    return status;
}
