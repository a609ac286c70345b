/* The file of a search: its lock, and going on with what is in it. */
#include "choose.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The lock: FILE.lock, for the state itself is another file after each write */

sm_status lock_state(state_lock *lock, const char *path, double seconds)
{
    struct stat there, mine;
    const double begin = background_clock();
    snprintf(lock->path, sizeof lock->path, "%s.lock", path);
    for (;;) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock->fd < 0)
            return choose_fail(SM_ERR_IO, "cannot lock '%s': %s", path, strerror(errno));
        const bool locked = flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
        /* Who had it before removed it. */
        if (locked && stat(lock->path, &there) == 0 && fstat(lock->fd, &mine) == 0 &&
            there.st_ino == mine.st_ino)
            return SM_OK;
        close(lock->fd);
        if (!locked && background_clock() - begin > seconds)
            return choose_fail(SM_ERR_CONFLICT, "another search goes on in '%s'", path);
        if (!locked) usleep(20000);
    }
}

void unlock_state(const state_lock *lock)
{
    unlink(lock->path);
    close(lock->fd);
}

/* ---- Opening */

static bool same_space(const sm_space *a, const sm_space *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const sm_candidate *x = &a->candidates[i], *y = &b->candidates[i];
        same = strcmp(x->instance, y->instance) == 0 && strcmp(x->family, y->family) == 0 &&
               fabs(x->nodes - y->nodes) < 0.5 && fabs(x->price - y->price) < 1e-9 * x->price &&
               fabs(x->vcpus - y->vcpus) < 1e-9 * x->vcpus &&
               fabs(x->memory_gb - y->memory_gb) < 1e-9 * x->memory_gb;
    }
    return same;
}

/* Trials that ran when the search was cut off did not end: they are forgotten. */
static void forget_running(sm_search *s)
{
    size_t kept = 0;
    for (size_t t = 0; t < s->trial_count; t++)
        if (s->trials[t].outcome != SM_TRIAL_RUNNING) s->trials[kept++] = s->trials[t];
    s->trial_count = kept;
}

static sm_status resume(sm_search *search, const choose_call *call)
{
    sm_search old = {0};
    sm_status status = sm_search_read(&old, call->state);
    if (status == SM_OK && !same_space(&old.space, &search->space))
        status = choose_fail(SM_ERR_CONFLICT,
                             "'%s' is a search of another space; remove it, or name another "
                             "--state",
                             call->state);
    if (status != SM_OK) {
        sm_search_free(&old);
        return status;
    }
    old.options.max_trials = call->options.max_trials;
    sm_search_free(search);
    *search = old;
    forget_running(search);
    return SM_OK;
}

sm_status open_search(sm_search *search, const char *space, const choose_call *call, bool *resumed)
{
    sm_search s = {.options = call->options};
    sm_status status = sm_space_read(&s.space, space);
    if (status == SM_OK && call->history != NULL)
        snprintf(s.history, sizeof s.history, "%s", call->history);
    *resumed = status == SM_OK && call->state != NULL && access(call->state, F_OK) == 0;
    if (*resumed) status = resume(&s, call);
    if (status == SM_OK)
        *search = s;
    else
        sm_search_free(&s);
    return status;
}
