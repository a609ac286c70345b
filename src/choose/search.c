/* A search as a file: versioned JSON, written beside its place and renamed. */
#include "choose/features.h"
#include "choose/table.h"
#include "choose/text.h"
#include "core/array.h"
#include "core/json.h"
#include "core/status.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1, STATE_MAX = 64 << 20 };

static const char *const outcomes[] = {
    [SM_TRIAL_OK] = "ok", [SM_TRIAL_FAILED] = "failed", [SM_TRIAL_RUNNING] = "running"};
enum { OUTCOMES = sizeof outcomes / sizeof *outcomes };

void sm_search_free(sm_search *s)
{
    sm_space_free(&s->space);
    free(s->trials);
    *s = (sm_search){0};
}

sm_status sm_search_add(sm_search *s, const sm_trial *trial)
{
    for (size_t t = 0; t < s->trial_count; t++)
        if (s->trials[t].candidate == trial->candidate) {
            if (s->trials[t].outcome != SM_TRIAL_RUNNING)
                return sm_fail(SM_ERR_CONFLICT, "%s with %g nodes was tried before",
                               s->space.candidates[trial->candidate].instance,
                               s->space.candidates[trial->candidate].nodes);
            s->trials[t] = *trial;
            return SM_OK;
        }
    sm_status status = sm_array_grow(&s->trials, &s->trial_cap, s->trial_count, sizeof *s->trials);
    if (status == SM_OK) s->trials[s->trial_count++] = *trial;
    return status;
}

sm_status sm_search_chooser(sm_chooser **chooser, const sm_search *s)
{
    sm_chooser *c = NULL;
    sm_table history = {0};
    sm_status status = sm_chooser_new(&c, s->space.candidates, s->space.count, &s->options);
    if (status == SM_OK && s->history[0] != '\0') status = sm_table_read(&history, s->history);
    if (status == SM_OK && history.count > 0)
        status = sm_chooser_learn(c, history.rows, history.count);
    for (size_t t = 0; t < s->trial_count && status == SM_OK; t++)
        status = sm_chooser_tell(c, &s->trials[t]);
    sm_table_free(&history);
    if (status == SM_OK)
        *chooser = c;
    else
        sm_chooser_free(c);
    return status;
}

/* ---- Writing */

static json_t *candidate_json(const sm_candidate *c)
{
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "instance", c->instance, "family",
                     c->family, "nodes", c->nodes, "vcpus", c->vcpus, "memory_gb", c->memory_gb,
                     "price", c->price, "speed", c->speed);
}

static json_t *search_json(const sm_search *s)
{
    const sm_choose_options *o = &s->options;
    json_t *candidates = json_array(), *trials = json_array();
    for (size_t i = 0; i < s->space.count; i++)
        json_array_append_new(candidates, candidate_json(&s->space.candidates[i]));
    for (size_t t = 0; t < s->trial_count; t++)
        json_array_append_new(trials, json_pack("{s:I, s:s, s:f, s:f}", "candidate",
                                                (json_int_t)s->trials[t].candidate, "outcome",
                                                outcomes[s->trials[t].outcome], "seconds",
                                                s->trials[t].seconds, "cost", s->trials[t].cost));
    return json_pack(
        "{s:i, s:{s:s, s:s, s:f, s:f, s:I, s:I, s:f, s:I}, s:s, s:o, s:o}", "shardmill_choose",
        VERSION, "options", "method", sm_choose_method_name((int)o->method), "objective",
        sm_choose_objective_name((int)o->objective), "limit", o->limit, "recurrences",
        o->recurrences, "seed", (json_int_t)o->seed, "max_trials", (json_int_t)o->max_trials,
        "ei_stop", o->ei_stop, "min_trials", (json_int_t)o->min_trials, "history", s->history,
        "candidates", candidates, "trials", trials);
}

static int write_synced(const char *path, const sm_buf *text)
{
    FILE *file = fopen(path, "wbx");
    if (file == NULL) return errno;
    bool good = fwrite(text->data, 1, text->len, file) == text->len && fflush(file) == 0 &&
                fsync(fileno(file)) == 0;
    int error = good ? 0 : errno;
    if (fclose(file) != 0 && error == 0) error = errno;
    return error;
}

sm_status sm_search_write(const sm_search *s, const char *path)
{
    char temporary[4200];
    sm_buf text;
    sm_buf_init(&text, STATE_MAX);
    json_t *json = search_json(s);
    sm_status status = json == NULL ? sm_fail_memory(STATE_MAX) : sm_json_append(&text, json, true);
    json_decref(json);
    int len = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (status == SM_OK && len >= (int)sizeof temporary)
        status = sm_fail(SM_ERR_USAGE, "the path of the state is too long");
    if (status == SM_OK) {
        int error = write_synced(temporary, &text);
        if (error == 0 && rename(temporary, path) != 0) error = errno;
        if (error != 0) {
            unlink(temporary);
            status = sm_fail_errno(error, "cannot write '%s'", path);
        }
    }
    sm_buf_free(&text);
    return status;
}

/* ---- Reading */

static sm_status damaged(const char *path, const char *what)
{
    return sm_fail(SM_ERR_CORRUPT, "'%s' is damaged: %s", path, what);
}

static bool get_number(double *value, const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    if (!json_is_number(found)) return false;
    *value = json_number_value(found);
    return true;
}

static bool get_name(char name[SM_CHOOSE_NAME_MAX], const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && sm_table_name(name, text);
}

static bool get_whole(uint64_t *value, const json_t *object, const char *key, uint64_t most)
{
    return sm_json_get_u64(value, object, key) == SM_OK && *value <= most;
}

static bool get_options(sm_choose_options *o, const json_t *object)
{
    const char *method = json_string_value(json_object_get(object, "method"));
    const char *objective = json_string_value(json_object_get(object, "objective"));
    uint64_t seed, max_trials, min_trials;
    if (method == NULL || objective == NULL || !get_number(&o->limit, object, "limit") ||
        !get_number(&o->recurrences, object, "recurrences") ||
        !get_number(&o->ei_stop, object, "ei_stop") ||
        !get_whole(&seed, object, "seed", INT64_MAX) ||
        !get_whole(&max_trials, object, "max_trials", UINT32_MAX) ||
        !get_whole(&min_trials, object, "min_trials", UINT32_MAX))
        return false;
    o->seed = seed;
    o->max_trials = (uint32_t)max_trials;
    o->min_trials = (uint32_t)min_trials;
    int m = 0, v = 0;
    while (sm_choose_method_name(m) != NULL && strcmp(sm_choose_method_name(m), method) != 0) m++;
    while (sm_choose_objective_name(v) != NULL &&
           strcmp(sm_choose_objective_name(v), objective) != 0)
        v++;
    o->method = (sm_choose_method)m;
    o->objective = (sm_choose_objective)v;
    return sm_choose_method_name(m) != NULL && sm_choose_objective_name(v) != NULL;
}

static bool get_candidate(sm_candidate *c, const json_t *object)
{
    *c = (sm_candidate){0};
    return get_name(c->instance, object, "instance") && get_name(c->family, object, "family") &&
           get_number(&c->nodes, object, "nodes") && get_number(&c->vcpus, object, "vcpus") &&
           get_number(&c->memory_gb, object, "memory_gb") &&
           get_number(&c->price, object, "price") && get_number(&c->speed, object, "speed");
}

static bool get_trial(sm_trial *t, const json_t *object, size_t candidates)
{
    const char *outcome = json_string_value(json_object_get(object, "outcome"));
    uint64_t candidate;
    int k = 0;
    if (outcome == NULL || candidates == 0 ||
        !get_whole(&candidate, object, "candidate", candidates - 1) ||
        !get_number(&t->seconds, object, "seconds") || !get_number(&t->cost, object, "cost"))
        return false;
    while (k < OUTCOMES && strcmp(outcomes[k], outcome) != 0) k++;
    t->candidate = (uint32_t)candidate;
    t->outcome = (sm_trial_outcome)k;
    return k < OUTCOMES;
}

static sm_status get_all(sm_search *s, const json_t *root, const char *path)
{
    const json_t *candidates = json_object_get(root, "candidates");
    const json_t *trials = json_object_get(root, "trials");
    const char *history = json_string_value(json_object_get(root, "history"));
    size_t count = json_array_size(candidates);
    if (!get_options(&s->options, json_object_get(root, "options")))
        return damaged(path, "its options");
    if (history == NULL || strlen(history) >= sizeof s->history) return damaged(path, "history");
    memcpy(s->history, history, strlen(history) + 1);
    if (count == 0 || count > SM_CHOOSE_MAX_CANDIDATES) return damaged(path, "its candidates");
    s->space.candidates = calloc(count, sizeof *s->space.candidates);
    if (s->space.candidates == NULL) return sm_fail_memory(count * sizeof *s->space.candidates);
    s->space.count = count;
    for (size_t i = 0; i < count; i++) {
        if (!get_candidate(&s->space.candidates[i], json_array_get(candidates, i)))
            return damaged(path, "a candidate");
        sm_status status = sm_candidate_check(&s->space.candidates[i], i);
        if (status != SM_OK) return sm_fail_prefix(SM_ERR_CORRUPT, "'%s' is damaged", path);
    }
    for (size_t i = 0; i < json_array_size(trials); i++) {
        sm_trial t;
        if (!get_trial(&t, json_array_get(trials, i), count)) return damaged(path, "a trial");
        sm_status status = sm_search_add(s, &t);
        if (status != SM_OK) return sm_fail_prefix(SM_ERR_CORRUPT, "'%s' is damaged", path);
    }
    return SM_OK;
}

sm_status sm_search_read(sm_search *search, const char *path)
{
    sm_buf text;
    sm_search s = {0};
    json_error_t error;
    sm_status status = sm_text_read(&text, path);
    if (status != SM_OK) return status;
    json_t *root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    const json_t *version = json_object_get(root, "shardmill_choose");
    if (root == NULL)
        status = sm_fail(SM_ERR_CORRUPT, "'%s' is damaged or cut off: line %d: %s", path,
                         error.line, error.text);
    else if (!json_is_integer(version))
        status = sm_fail(SM_ERR_FORMAT, "'%s' is no state of choose", path);
    else if (json_integer_value(version) != VERSION)
        status =
            sm_fail(SM_ERR_FORMAT, "'%s' is a state of version %lld; this program reads version %d",
                    path, (long long)json_integer_value(version), VERSION);
    else
        status = get_all(&s, root, path);
    json_decref(root);
    sm_buf_free(&text);
    if (status == SM_OK)
        *search = s;
    else
        sm_search_free(&s);
    return status;
}
