/* A program beside this one, with a folder of its own, that is ended whatever happens. */
#ifndef SM_ENGINE_PROCESS_H
#define SM_ENGINE_PROCESS_H

#include "core/buf.h"

#include <sys/types.h>

typedef struct sm_process {
    pid_t pid; /* and its process group; 0: none */
    int how;   /* as waitpid tells it, once pid is 0 */
} sm_process;

/* Starts argv (NULL-ended) in a process group of its own, so that a Ctrl-C is ours to pass on; with
 * no input, and all its output in the file log. setting ("NAME=VALUE") joins its environment,
 * before what the variable holds already. */
sm_status sm_process_start(sm_process *process, char *const *argv, const char *log,
                           const char *setting);

/* Whether it still runs. */
bool sm_process_runs(sm_process *process);

/* Waits up to so many seconds for its end; then asks its group to end, and then makes it. */
void sm_process_end(sm_process *process, unsigned seconds);

/* The path of a program: name itself when it has a slash, else where PATH has it. False: nowhere.
 */
bool sm_process_find(sm_buf *path, const char *name);

/* The first line that a program prints, at most what line takes; false when it fails. */
bool sm_process_ask(sm_buf *line, char *const *argv);

#endif
