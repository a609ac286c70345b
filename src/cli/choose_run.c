/* Trials as processes: started, timed, read, and told to the chooser. */
#include "choose.h"
#include "template.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 5 };

/* How long a trial may take to stop: a job of ours has a cluster to delete. */
static double patience(const choose_call *call)
{
    return call->job.cmd != NULL ? JOB_PATIENCE_S : PATIENCE_S;
}

/* A background_work of the command. */
static int run_shell(void *text, uint32_t candidate)
{
    (void)candidate;
    execl("/bin/sh", "sh", "-c", (const char *)text, (char *)NULL);
    return 127;
}

/* ---- A trial's outcome */

/* The last line of the output as an object; NULL when it is none. */
static json_t *last_line(background *p)
{
    while (p->tail_len > 0 && strchr("\r\n \t", p->tail[p->tail_len - 1]) != NULL)
        p->tail[--p->tail_len] = '\0';
    const char *line = strrchr(p->tail, '\n');
    line = line == NULL ? p->tail : line + 1;
    return line[0] == '{' ? json_loads(line, 0, NULL) : NULL;
}

static bool positive(double *value, const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    double number = json_number_value(found);
    if (!json_is_number(found) || !isfinite(number) || number <= 0) return false;
    *value = number;
    return true;
}

/* Seconds by the clock, unless the last line says {"seconds": …}; a cost likewise. */
static sm_trial read_trial(background *p, int code, const sm_candidate *c)
{
    double seconds = background_clock() - p->started, cost = 0;
    json_t *said = last_line(p);
    positive(&seconds, said, "seconds");
    bool has_cost = positive(&cost, said, "cost");
    bool failed = code != 0 || p->timed_out || json_is_true(json_object_get(said, "failed"));
    json_decref(said);
    if (seconds < 1e-6) seconds = 1e-6;
    if (!has_cost) cost = seconds * c->nodes * c->price / 3600;
    return (sm_trial){.candidate = p->candidate,
                      .outcome = failed ? SM_TRIAL_FAILED : SM_TRIAL_OK,
                      .seconds = seconds,
                      .cost = cost};
}

/* ---- The search */

static sm_status tell(sm_chooser *chooser, sm_search *search, const sm_trial *trial,
                      const choose_call *call)
{
    sm_status status = sm_chooser_tell(chooser, trial);
    if (status == SM_OK) status = sm_search_add(search, trial);
    if (status == SM_OK && call->state != NULL) status = sm_search_write(search, call->state);
    return status;
}

/* Starts trials until as many run as may, or none is worth starting. *stop: the advice to stop. */
static sm_status start_more(background *processes, sm_chooser *chooser, sm_search *search,
                            const choose_call *call, bool *stop)
{
    static char filled[TEMPLATE_MAX];
    cluster_job *own = call->job.cmd != NULL ? (cluster_job *)(uintptr_t)&call->job : NULL;
    for (size_t k = 0; k < call->parallel; k++) {
        sm_advice advice;
        if (processes[k].id != 0) continue;
        sm_status status = sm_chooser_advise(&advice, chooser, false);
        if (status != SM_OK) return status;
        *stop = advice.kind == SM_ADVICE_STOP;
        if (*stop) return SM_OK;
        if (call->explain) print_advice(search, &advice, call->json);
        const sm_candidate *c = &search->space.candidates[advice.candidate];
        sm_trial running = {.candidate = advice.candidate, .outcome = SM_TRIAL_RUNNING};
        if (own == NULL && !fill_template(filled, call->run, c, NULL))
            return choose_fail(SM_ERR_USAGE,
                               "'%s' cannot stand in a command, or the command is too long",
                               c->instance);
        if (!background_start(&processes[k], advice.candidate, own != NULL ? job_run : run_shell,
                              own != NULL ? (void *)own : (void *)filled))
            return choose_fail(SM_ERR_IO, "cannot start a command: %s", strerror(errno));
        status = tell(chooser, search, &running, call);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static size_t count_running(const background *processes, size_t count)
{
    size_t running = 0;
    for (size_t k = 0; k < count; k++) running += processes[k].id != 0;
    return running;
}

sm_status run_trials(sm_chooser *chooser, sm_search *search, const choose_call *call)
{
    background *processes = calloc(BACKGROUND_MAX, sizeof *processes);
    if (processes == NULL) return choose_fail(SM_ERR_MEMORY, "out of memory");
    size_t finished = 0;
    for (size_t t = 0; t < search->trial_count; t++)
        finished += search->trials[t].outcome != SM_TRIAL_RUNNING;
    bool stop = false;
    sm_status status = SM_OK;
    while (status == SM_OK) {
        status = start_more(processes, chooser, search, call, &stop);
        if (status != SM_OK || count_running(processes, call->parallel) == 0) break;
        int code;
        background *done =
            background_wait(processes, call->parallel, call->timeout, patience(call), &code);
        if (done == NULL) {
            status = SM_ERR_CANCELLED;
            break;
        }
        sm_trial trial = read_trial(done, code, &search->space.candidates[done->candidate]);
        background_close(done);
        status = tell(chooser, search, &trial, call);
        if (status == SM_OK) print_trial(search, &trial, ++finished, call->json);
        if (status == SM_OK && call->explain) status = print_beliefs(chooser, search, call->json);
    }
    background_end(processes, call->parallel, patience(call));
    free(processes);
    return status;
}
