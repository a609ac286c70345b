#include "metrics.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct watching {
    sm_engine engine;
    sm_engine *inner;
    FILE *file;
    const sm_tasks *tasks; /* of the present run */
} watching;

static double wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Writes object as a line, and lets go of it. What could not be written ferror() knows. */
static void write_line(FILE *file, json_t *object)
{
    json_object_set_new(object, "schema", json_string("shardmill.metrics/1"));
    json_dumpf(object, file, JSON_COMPACT | JSON_REAL_PRECISION(13));
    putc('\n', file);
    json_decref(object);
}

void metrics_add(FILE *file, const char *json)
{
    json_t *object = json_loads(json, 0, NULL);
    if (object != NULL) write_line(file, object);
}

static sm_status give_line(void *user, const char **line, size_t i)
{
    const watching *w = user;
    return w->tasks->line(w->tasks->user, line, i);
}

static sm_status find(void *user, size_t i, bool *found)
{
    const watching *w = user;
    return w->tasks->find(w->tasks->user, i, found);
}

static sm_status take_result(void *user, const char *line, size_t len)
{
    watching *w = user;
    json_t *result = json_loadb(line, len, 0, NULL);
    json_t *node = json_object_get(result, "node");
    if (json_is_object(node)) {
        json_object_set_new(node, "kind", json_string("node"));
        write_line(w->file, json_incref(node));
    }
    json_decref(result);
    return w->tasks->result(w->tasks->user, line, len);
}

static sm_status run_watched(sm_engine *engine, const sm_tasks *tasks)
{
    watching *w = (watching *)engine;
    sm_tasks passed = *tasks;
    w->tasks = tasks;
    passed.line = give_line;
    passed.result = take_result;
    if (tasks->find != NULL) passed.find = find;
    passed.user = w;
    const double begin = wall_clock();
    const sm_status status = w->inner->run(w->inner, &passed);
    const sm_engine_usage *usage = &w->inner->usage;
    json_t *run = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "kind", "run", "engine",
                            w->inner->name, "started", begin, "ended", wall_clock(), "waited_s",
                            usage->waited_s, "billed_s", usage->billed_s);
    json_object_set_new(run, "cost", isnan(usage->cost) ? json_null() : json_real(usage->cost));
    write_line(w->file, run);
    fflush(w->file);
    engine->usage = *usage;
    return status;
}

static void free_watched(sm_engine *engine)
{
    watching *w = (watching *)engine;
    const bool failed = ferror(w->file) != 0;
    if (fclose(w->file) != 0 || failed)
        fprintf(stderr, "shardmill: the file of --metrics could not be written whole\n");
    sm_engine_free(w->inner);
    free(w);
}

sm_status metrics_wrap(sm_engine **engine, FILE *file)
{
    watching *w = calloc(1, sizeof *w);
    if (w == NULL) {
        sm_engine_free(*engine);
        *engine = NULL;
        return SM_ERR_MEMORY;
    }
    w->engine = (sm_engine){.name = (*engine)->name, .run = run_watched, .free = free_watched};
    w->inner = *engine;
    w->file = file;
    *engine = &w->engine;
    return SM_OK;
}
