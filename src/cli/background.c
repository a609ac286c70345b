#include "background.h"

#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec TURN = {.tv_nsec = 20000000};

double background_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool background_start(background *b, uint32_t candidate, background_work *work, void *user)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    fflush(stdout);
    pid_t id = fork();
    if (id == 0) {
        setpgid(0, 0);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(ends[1], STDOUT_FILENO) < 0)
            _exit(126);
        const int code = work(user, candidate);
        fflush(stdout);
        _exit(code);
    }
    const int error = errno;
    close(ends[1]);
    if (id < 0) {
        close(ends[0]);
        errno = error;
        return false;
    }
    setpgid(id, id);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *b = (background){
        .id = id, .output = ends[0], .candidate = candidate, .started = background_clock()};
    return true;
}

/* Keeps the last of what has come. */
static void read_output(background *b)
{
    char bytes[BACKGROUND_TAIL];
    const size_t most = BACKGROUND_TAIL - 1;
    ssize_t got;
    while ((got = read(b->output, bytes, most)) > 0) {
        const size_t more = (size_t)got;
        const size_t keep = b->tail_len < most - more ? b->tail_len : most - more;
        memmove(b->tail, b->tail + b->tail_len - keep, keep);
        memcpy(b->tail + keep, bytes, more);
        b->tail_len = keep + more;
    }
    b->tail[b->tail_len] = '\0';
}

static void stop_if_late(background *b, double timeout, double patience)
{
    const double age = background_clock() - b->started;
    if (timeout > 0 && age > timeout && !b->timed_out) {
        b->timed_out = true;
        kill(-b->id, SIGTERM);
    }
    if (b->timed_out && age > timeout + patience) kill(-b->id, SIGKILL);
}

background *background_wait(background *all, size_t count, double timeout, double patience,
                            int *code)
{
    while (caught_signal() == 0) {
        struct pollfd fds[BACKGROUND_MAX];
        for (size_t k = 0; k < count; k++) {
            background *b = &all[k];
            fds[k] = (struct pollfd){.fd = b->id != 0 ? b->output : -1, .events = POLLIN};
            if (b->id == 0) continue;
            int how;
            read_output(b);
            stop_if_late(b, timeout, patience);
            if (waitpid(b->id, &how, WNOHANG) != b->id) continue;
            read_output(b);
            *code = WIFEXITED(how) ? WEXITSTATUS(how) : 128;
            return b;
        }
        if (poll(fds, count, 20) > 0) nanosleep(&TURN, NULL); /* it writes, or has ended */
    }
    return NULL;
}

void background_close(background *b)
{
    kill(-b->id, SIGTERM);
    close(b->output);
    b->id = 0;
}

void background_end(background *all, size_t count, double patience)
{
    const double asked = background_clock();
    for (size_t k = 0; k < count; k++)
        if (all[k].id != 0) kill(-all[k].id, SIGTERM);
    for (size_t k = 0; k < count; k++) {
        background *b = &all[k];
        if (b->id == 0) continue;
        while (waitpid(b->id, NULL, WNOHANG) == 0) {
            if (background_clock() - asked > patience) kill(-b->id, SIGKILL);
            read_output(b); /* or it may wait for us */
            nanosleep(&TURN, NULL);
        }
        close(b->output);
        b->id = 0;
    }
}
