/* Children that run trials, side by side; each leads a process group of its own. */
#ifndef SM_CLI_BACKGROUND_H
#define SM_CLI_BACKGROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { BACKGROUND_MAX = 64, BACKGROUND_TAIL = 4096 };

typedef struct background {
    pid_t id; /* 0: none */
    int output;
    uint32_t candidate;
    double started; /* on background_clock */
    bool timed_out;
    char tail[BACKGROUND_TAIL]; /* the last of its standard output, ended by a NUL */
    size_t tail_len;
} background;

/* Seconds of a clock that never jumps. */
double background_clock(void);

/* What a child does; its exit code. */
typedef int background_work(void *user, uint32_t candidate);

/* Forks a child that does work, with nothing to read and its output for us. False with errno. */
bool background_start(background *b, uint32_t candidate, background_work *work, void *user);

/* Waits until one of all has ended, and has its output read; NULL on a signal to stop. One that
 * runs for more than timeout seconds (0: none does) is asked to end, and patience seconds later
 * made to. */
background *background_wait(background *all, size_t count, double timeout, double patience,
                            int *code);

/* Done with one that has ended: what it left running is asked to end. */
void background_close(background *b);

/* Asks all to end, makes them patience seconds later, and waits until they have. */
void background_end(background *all, size_t count, double patience);

#endif
