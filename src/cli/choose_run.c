/* Trials as commands: started, timed, read, and told to the chooser. */
#include "choose.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIDE_BY_SIDE_MAX = 64, TAIL_MAX = 4096, COMMAND_MAX = 1 << 16, KILL_AFTER_S = 5 };

typedef struct process {
    pid_t id; /* 0: none; leads a group of its own */
    int output;
    uint32_t candidate;
    double started;
    bool told_to_stop, timed_out;
    char tail[TAIL_MAX]; /* the last of its output */
    size_t tail_len;
} process;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- The command */

static bool append(char *command, size_t *len, const char *text)
{
    size_t more = strlen(text);
    if (*len + more >= COMMAND_MAX) return false;
    memcpy(command + *len, text, more + 1);
    *len += more;
    return true;
}

/* A name goes into a shell's command: nothing in it may mean something there. */
static bool is_plain(const char *name)
{
    return name[0] != '-' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789._-:/+@")] == '\0';
}

/* Writes what stands for {instance} and so on; false when there is no such word. */
static bool expand(char value[SM_CHOOSE_NAME_MAX], const char *word, size_t len,
                   const sm_candidate *c)
{
    const struct {
        const char *word;
        double number;
    } numbers[] = {
        {"nodes", c->nodes}, {"vcpus", c->vcpus}, {"memory_gb", c->memory_gb}, {"price", c->price}};
    const char *name = strncmp(word, "instance", len) == 0 && len == 8 ? c->instance
                       : strncmp(word, "family", len) == 0 && len == 6 ? c->family
                                                                       : NULL;
    if (name != NULL) return snprintf(value, SM_CHOOSE_NAME_MAX, "%s", name) > 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strlen(numbers[i].word) == len && memcmp(numbers[i].word, word, len) == 0)
            return snprintf(value, SM_CHOOSE_NAME_MAX, "%.10g", numbers[i].number) > 0;
    return false;
}

/* Fills in the template; {other} words stay as they are, for the shell. */
static bool fill_command(char *command, const char *template, const sm_candidate *c)
{
    char value[SM_CHOOSE_NAME_MAX], one[2] = "";
    size_t len = 0;
    if (!is_plain(c->instance) || !is_plain(c->family)) return false;
    command[0] = '\0';
    while (*template != '\0') {
        const char *end = *template == '{' ? strchr(template, '}') : NULL;
        if (end != NULL && expand(value, template + 1, (size_t)(end - template - 1), c)) {
            if (!append(command, &len, value)) return false;
            template = end + 1;
        } else {
            one[0] = *template ++;
            if (!append(command, &len, one)) return false;
        }
    }
    return true;
}

static bool start(process *p, const char *command, uint32_t candidate)
{
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return false;
    fflush(stdout);
    pid_t id = fork();
    if (id == 0) {
        setpgid(0, 0);
        int null = open("/dev/null", O_RDONLY);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(pipe_ends[1], STDOUT_FILENO) < 0)
            _exit(126);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    if (id < 0) {
        close(pipe_ends[0]);
        return false;
    }
    setpgid(id, id);
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    *p = (process){.id = id, .output = pipe_ends[0], .candidate = candidate, .started = now()};
    return true;
}

/* ---- Its outcome */

static void read_output(process *p)
{
    char bytes[TAIL_MAX];
    ssize_t got;
    while ((got = read(p->output, bytes, sizeof bytes)) > 0) {
        size_t more = (size_t)got, keep = TAIL_MAX - 1 - more < p->tail_len && more < TAIL_MAX
                                              ? TAIL_MAX - 1 - more
                                              : p->tail_len;
        if (more >= TAIL_MAX - 1) {
            memcpy(p->tail, bytes + more - (TAIL_MAX - 1), TAIL_MAX - 1);
            p->tail_len = TAIL_MAX - 1;
            continue;
        }
        memmove(p->tail, p->tail + p->tail_len - keep, keep);
        memcpy(p->tail + keep, bytes, more);
        p->tail_len = keep + more;
    }
    p->tail[p->tail_len] = '\0';
}

/* The last line of the output as an object; NULL when it is none. */
static json_t *last_line(process *p)
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
static sm_trial read_trial(process *p, int code, const sm_candidate *c)
{
    double seconds = now() - p->started, cost = 0;
    read_output(p);
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

static void stop_if_late(process *p, double timeout)
{
    double age = now() - p->started;
    if (timeout > 0 && age > timeout && !p->timed_out) {
        p->timed_out = true;
        kill(-p->id, SIGTERM);
    }
    if (p->timed_out && age > timeout + KILL_AFTER_S) kill(-p->id, SIGKILL);
}

/* Waits until one process has ended; NULL on a signal. */
static process *wait_for_one(process *processes, size_t count, double timeout, int *code)
{
    while (caught_signal() == 0) {
        struct pollfd fds[SIDE_BY_SIDE_MAX];
        for (size_t k = 0; k < count; k++) {
            process *p = &processes[k];
            fds[k] = (struct pollfd){.fd = p->id != 0 ? p->output : -1, .events = POLLIN};
            if (p->id == 0) continue;
            int status;
            read_output(p);
            stop_if_late(p, timeout);
            if (waitpid(p->id, &status, WNOHANG) == p->id) {
                *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
                return p;
            }
        }
        struct timespec moment = {.tv_nsec = 20000000};
        if (poll(fds, count, 20) > 0) nanosleep(&moment, NULL); /* it writes, or has ended */
    }
    return NULL;
}

static void kill_all(process *processes, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        process *p = &processes[k];
        if (p->id == 0) continue;
        kill(-p->id, SIGTERM);
        double asked = now();
        while (waitpid(p->id, NULL, WNOHANG) == 0) {
            struct timespec moment = {.tv_nsec = 20000000};
            if (now() - asked > KILL_AFTER_S) kill(-p->id, SIGKILL);
            nanosleep(&moment, NULL);
        }
        close(p->output);
        p->id = 0;
    }
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
static sm_status start_more(process *processes, sm_chooser *chooser, sm_search *search,
                            const choose_call *call, bool *stop)
{
    static char command[COMMAND_MAX];
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
        if (!fill_command(command, call->run, c)) {
            fprintf(stderr,
                    "shardmill choose: '%s' cannot stand in a command, or the command "
                    "is too long\n",
                    c->instance);
            return SM_ERR_USAGE;
        }
        if (!start(&processes[k], command, advice.candidate)) {
            fprintf(stderr, "shardmill choose: cannot start a command: %s\n", strerror(errno));
            return SM_ERR_IO;
        }
        status = tell(chooser, search, &running, call);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static size_t count_running(const process *processes, size_t count)
{
    size_t running = 0;
    for (size_t k = 0; k < count; k++) running += processes[k].id != 0;
    return running;
}

sm_status run_trials(sm_chooser *chooser, sm_search *search, const choose_call *call)
{
    process *processes = calloc(SIDE_BY_SIDE_MAX, sizeof *processes);
    if (processes == NULL) return SM_ERR_MEMORY;
    size_t finished = 0;
    for (size_t t = 0; t < search->trial_count; t++)
        finished += search->trials[t].outcome != SM_TRIAL_RUNNING;
    bool stop = false;
    sm_status status = SM_OK;
    while (status == SM_OK) {
        status = start_more(processes, chooser, search, call, &stop);
        if (status != SM_OK || count_running(processes, call->parallel) == 0) break;
        int code;
        process *done = wait_for_one(processes, call->parallel, call->timeout, &code);
        if (done == NULL) {
            status = SM_ERR_CANCELLED;
            break;
        }
        sm_trial trial = read_trial(done, code, &search->space.candidates[done->candidate]);
        kill(-done->id, SIGTERM); /* what it left behind */
        close(done->output);
        done->id = 0;
        status = tell(chooser, search, &trial, call);
        if (status == SM_OK) print_trial(search, &trial, ++finished, call->json);
        if (status == SM_OK && call->explain) status = print_beliefs(chooser, search, call->json);
    }
    kill_all(processes, call->parallel);
    free(processes);
    return status;
}
