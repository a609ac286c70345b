/*
 * The worker: task lines in, result lines out.
 *
 * A task is carried out by a child, which tells in shared memory the input that each of its threads
 * is on. When a signal kills it, those inputs are tried one by one, each in a child of its own; the
 * ones that die again are failures from then on, and the task begins anew without them.
 */
#include "core/buf.h"
#include "core/env.h"
#include "core/machine.h"
#include "core/status.h"
#include "pack/loads.h"
#include "pack/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BLOCK = 1 << 16,
    TURN_MS = 100,      /* how soon a wish to stop is seen */
    PATIENCE_MS = 5000, /* how long a child may take to stop before it is killed */
    CRASHES_MAX = 256   /* of one task; then it is the program or the machine that is broken */
};

typedef struct worker {
    int in, out;
    const sm_worker_options *options;
    uint32_t threads;
    sm_watch *watch;
    sm_crash crashes[CRASHES_MAX]; /* of the present task */
    size_t crash_count;
    sm_loads loads; /* of the machine, during the present task */
    sm_buf said;    /* by the last child */
    int signal;     /* that killed it; 0: none did */
    bool is_alone;  /* nobody reads our answers any more */
} worker;

/* ---- Bytes to and from file descriptors */

static sm_status write_all(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EPIPE) return sm_fail(SM_ERR_CANCELLED, "nobody reads the answers");
        if (n < 0) return sm_fail_errno(errno, "cannot write the answer");
        at += n;
        len -= (size_t)n;
    }
    return SM_OK;
}

static bool is_cancelled(const worker *w)
{
    const sm_worker_options *o = w->options;
    return o->is_cancelled != NULL && o->is_cancelled(o->user);
}

/* ---- Children */

typedef sm_status child_fn(worker *w, const sm_task *task, uint32_t input, int to);

static sm_task_means means_of(const worker *w)
{
    return (sm_task_means){.threads = w->threads,
                           .memory = w->options->memory,
                           .watch = w->watch,
                           .crashes = w->crashes,
                           .crash_count = w->crash_count,
                           .trial = w->options->trial,
                           .is_cancelled = w->options->is_cancelled,
                           .user = w->options->user};
}

static sm_status carry_out(worker *w, const sm_task *task, uint32_t input, int to)
{
    (void)input;
    const sm_task_means means = means_of(w);
    sm_buf line;
    sm_buf_init(&line, SIZE_MAX / 2);
    sm_status status = sm_task_run(&line, task, &means);
    if (status == SM_OK) status = write_all(to, line.data, line.len);
    sm_buf_free(&line);
    return status;
}

static sm_status tell_path(void *user, const char *path)
{
    return write_all(*(const int *)user, path, strlen(path));
}

static sm_status try_alone(worker *w, const sm_task *task, uint32_t input, int to)
{
    const sm_task_means means = means_of(w);
    return sm_task_try(task, &means, input, tell_path, &to);
}

/* Takes in what the child says, until it has ended; stops it when nobody wants it any more. */
static sm_status attend(worker *w, int from, pid_t child)
{
    sm_status status = SM_OK;
    uint64_t asked_ns = 0;
    for (;;) {
        struct pollfd polled[] = {{.fd = from, .events = POLLIN}, {.fd = w->out, .events = 0}};
        int ready = poll(polled, 2, TURN_MS);
        sm_loads_tick(&w->loads);
        w->is_alone = w->is_alone || (ready > 0 && (polled[1].revents & (POLLERR | POLLHUP)) != 0);
        if ((w->is_alone || is_cancelled(w)) && asked_ns == 0) {
            asked_ns = sm_clock_ns();
            kill(child, SIGTERM);
        } else if (asked_ns > 0 && sm_clock_ns() - asked_ns > PATIENCE_MS * 1000000ULL) {
            kill(child, SIGKILL);
        }
        if (asked_ns > 0 && ready > 0 && polled[0].revents == 0) usleep(TURN_MS * 100);
        if (ready <= 0 || polled[0].revents == 0) continue;
        status = sm_buf_reserve(&w->said, BLOCK);
        ssize_t n = status == SM_OK ? read(from, w->said.data + w->said.len, BLOCK) : -1;
        if (n > 0) w->said.len += (size_t)n;
        if (status == SM_OK && n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
    }
    if (status != SM_OK) kill(child, SIGKILL);
    return status;
}

/* Does fn in a child; w->said and w->signal are what came of it. */
static sm_status in_child(worker *w, child_fn *fn, const sm_task *task, uint32_t input)
{
    int ends[2], how = 0;
    sm_buf_clear(&w->said);
    memset(w->watch, 0, sizeof *w->watch);
    if (pipe2(ends, O_CLOEXEC) != 0) return sm_fail_errno(errno, "cannot make a pipe");
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return sm_fail_errno(error, "cannot start a process");
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        close(ends[0]);
        _exit(fn(w, task, input, ends[1]) == SM_OK ? 0 : 1);
    }
    close(ends[1]);
    sm_status status = attend(w, ends[0], child);
    close(ends[0]);
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) continue;
    w->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    return status;
}

/* Whether the signal is one by which a program dies of itself. */
static bool is_crash(int number)
{
    switch (number) {
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGSYS:
    case SIGTRAP: return true;
    default: return false;
    }
}

/* ---- Finding out which picture it was */

typedef struct suspects {
    uint32_t inputs[SM_WATCH_THREADS];
    size_t count;
} suspects;

static void list_suspects(suspects *s, const sm_watch *watch)
{
    s->count = 0;
    for (size_t i = 0; i < SM_WATCH_THREADS; i++) {
        uint32_t slot = atomic_load(&watch->slots[i]);
        if (slot > 0) s->inputs[s->count++] = slot - 1;
    }
}

/* Tries the inputs that the dead child was on. Those that die alone join w->crashes; of the others
 * one is named in near. */
static sm_status try_suspects(worker *w, const sm_task *task, const suspects *s, sm_buf *near)
{
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < s->count && !is_cancelled(w) && !w->is_alone; i++) {
        status = in_child(w, try_alone, task, s->inputs[i]);
        if (status != SM_OK) break;
        if (is_crash(w->signal) && w->crash_count < CRASHES_MAX) {
            w->crashes[w->crash_count++] = (sm_crash){.input = s->inputs[i], .signal = w->signal};
        } else {
            sm_buf_clear(near);
            status = sm_buf_printf(near, ", near '%.*s'", (int)w->said.len,
                                   w->said.len == 0 ? "" : (const char *)w->said.data);
        }
    }
    return status;
}

/* What to answer when the child died and no picture can be blamed. */
static sm_status answer_death(worker *w, const sm_task *task, int number, const sm_buf *near)
{
    char message[SM_ERROR_MAX];
    const char *why = number == SIGKILL ? " (the machine may be out of memory)" : "";
    if (number == 0)
        snprintf(message, sizeof message, "the worker's process ended without an answer");
    else
        snprintf(message, sizeof message, "the worker's process was ended by %s%s%.*s",
                 sm_signal_name(number), why, (int)near->len,
                 near->len == 0 ? "" : (const char *)near->data);
    sm_buf_clear(&w->said);
    return sm_task_failed(&w->said, task->id, SM_ERR_IO, message);
}

/* Carries a task out; the answer is in w->said. */
static sm_status do_task(worker *w, const sm_task *task)
{
    suspects *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail_memory(sizeof *s);
    sm_buf near;
    sm_buf_init(&near, SM_PATH_LIMIT);
    w->crash_count = 0;
    sm_loads_begin(&w->loads);
    sm_status status = SM_OK;
    for (bool again = true; status == SM_OK && again;) {
        again = false;
        status = in_child(w, carry_out, task, 0);
        const int number = w->signal;
        if (status != SM_OK || (number == 0 && w->said.len > 0)) break;
        const size_t before = w->crash_count;
        list_suspects(s, w->watch);
        if (is_crash(number)) status = try_suspects(w, task, s, &near);
        again = w->crash_count > before && w->crash_count < CRASHES_MAX;
        if (status == SM_OK && !again) status = answer_death(w, task, number, &near);
    }
    if (status == SM_OK) status = sm_loads_append(&w->said, &w->loads);
    sm_buf_free(&near);
    free(s);
    return status;
}

/* ---- Lines */

/* Puts the answer to a line into w->said. Only what is no matter of the line is an error. */
static sm_status answer(worker *w, const char *line, size_t len, bool too_long)
{
    sm_task task = {0};
    sm_status status =
        too_long ? sm_fail(SM_ERR_LIMIT, "the task line is longer than %d bytes", SM_TASK_LINE_MAX)
                 : sm_task_read(&task, line, len);
    if (status == SM_OK) status = do_task(w, &task);
    if (status != SM_OK) {
        char message[SM_ERROR_MAX];
        snprintf(message, sizeof message, "%s", sm_last_error());
        sm_buf_clear(&w->said);
        status = sm_task_failed(&w->said, task.id, status, message);
    }
    sm_task_free(&task);
    if (status == SM_OK) status = sm_buf_append_str(&w->said, "\n");
    if (w->is_alone) return sm_fail(SM_ERR_CANCELLED, "nobody reads the answers");
    if (status == SM_OK && is_cancelled(w)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
    return status == SM_OK ? write_all(w->out, w->said.data, w->said.len) : status;
}

/* Answers each line of in. What is over the longest line is passed over. */
static sm_status serve(worker *w)
{
    sm_buf line;
    sm_buf_init(&line, SM_TASK_LINE_MAX + BLOCK);
    bool too_long = false, ended = false;
    sm_status status = SM_OK;
    while (status == SM_OK && !(ended && line.len == 0)) {
        char *text = (char *)line.data;
        const char *end = line.len == 0 ? NULL : memchr(text, '\n', line.len);
        if (end != NULL || ended) {
            const size_t len = end == NULL ? line.len : (size_t)(end - text);
            if (len > 0 || too_long) status = answer(w, text, len, too_long);
            too_long = false;
            line.len -= end == NULL ? len : len + 1;
            memmove(text, text + len + 1, line.len);
            continue;
        }
        if (line.len >= SM_TASK_LINE_MAX) too_long = true;
        if (too_long) sm_buf_clear(&line);
        status = sm_buf_reserve(&line, BLOCK);
        if (status != SM_OK) break;
        ssize_t n = read(w->in, line.data + line.len, BLOCK);
        if (n < 0 && errno == EINTR && !is_cancelled(w)) continue;
        if (n < 0) status = sm_fail_errno(errno, "cannot read the task lines");
        if (n > 0) line.len += (size_t)n;
        ended = n <= 0;
        if (ended && too_long && line.len == 0) {
            status = answer(w, "", 0, true);
            too_long = false;
        }
    }
    sm_buf_free(&line);
    return status;
}

/* What the engine gave this worker, else what there is. */
static uint32_t choose_threads(const sm_worker_options *options)
{
    if (options->threads > 0) return options->threads;
    const unsigned long cores = sm_env_number("SPARK_EXECUTOR_CORES", SM_WATCH_THREADS, 0);
    return cores > 0 ? (uint32_t)cores : sm_machine_threads();
}

SM_API sm_status sm_worker_run(int in, int out, const sm_worker_options *options)
{
    worker *w = calloc(1, sizeof *w);
    if (w == NULL) return sm_fail_memory(sizeof *w);
    *w = (worker){.in = in, .out = out, .options = options, .threads = choose_threads(options)};
    sm_buf_init(&w->said, SIZE_MAX / 2);
    w->watch =
        mmap(NULL, sizeof *w->watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sm_status status = SM_OK;
    if (options->threads > SM_WATCH_THREADS)
        status = sm_fail(SM_ERR_USAGE, "--threads is at most %d", SM_WATCH_THREADS);
    else if (w->watch == MAP_FAILED)
        status = sm_fail_errno(errno, "cannot get shared memory");
    if (status == SM_OK) status = serve(w);
    if (w->watch != MAP_FAILED) munmap(w->watch, sizeof *w->watch);
    sm_buf_free(&w->said);
    free(w);
    return status;
}
