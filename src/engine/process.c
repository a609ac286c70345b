#include "engine/process.h"

#include "core/machine.h"
#include "core/status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURN_US = 50000, GRACE_SECONDS = 5 };

extern char **environ;

static int add_files(posix_spawn_file_actions_t *files, const char *log)
{
    int error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, log,
                                                 O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (error == 0) error = posix_spawn_file_actions_adddup2(files, STDOUT_FILENO, STDERR_FILENO);
    return error;
}

/* The environment with a setting more; *text and the list are the caller's. NULL: no memory. */
static char **extended(char **text, const char *setting)
{
    const size_t len = strcspn(setting, "=") + 1; /* of the name */
    const char *before = "";
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) count++;
    char **made = calloc(count + 2, sizeof *made);
    for (size_t i = 0; made != NULL && i < count; i++) {
        if (strncmp(environ[i], setting, len) == 0)
            before = environ[i] + len;
        else
            made[kept++] = environ[i];
    }
    if (made == NULL || asprintf(text, "%.*s%s%s%s", (int)len, setting, setting + len,
                                 *before == '\0' ? "" : " ", before) < 0) {
        free(made);
        return NULL;
    }
    made[kept] = *text;
    return made;
}

sm_status sm_process_start(sm_process *process, char *const *argv, const char *log,
                           const char *setting)
{
    *process = (sm_process){0};
    char *text = NULL, **variables = extended(&text, setting);
    if (variables == NULL) return sm_fail_memory(strlen(setting));
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* which we may ignore */
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    int error = add_files(&files, log);
    if (error == 0)
        error = posix_spawn(&process->pid, argv[0], &files, &attributes, argv, variables);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free(variables);
    free(text);
    if (error == 0) return SM_OK;
    process->pid = 0;
    return sm_fail_errno(error, "cannot start '%s'", argv[0]);
}

bool sm_process_runs(sm_process *process)
{
    if (process->pid == 0) return false;
    pid_t ended = waitpid(process->pid, &process->how, WNOHANG);
    if (ended == process->pid || (ended < 0 && errno != EINTR)) process->pid = 0;
    return process->pid != 0;
}

static bool ends_within(sm_process *process, unsigned seconds)
{
    const uint64_t begin = sm_clock_ns();
    while (sm_process_runs(process)) {
        if (sm_clock_ns() - begin >= seconds * 1000000000ULL) return false;
        usleep(TURN_US);
    }
    return true;
}

void sm_process_end(sm_process *process, unsigned seconds)
{
    if (ends_within(process, seconds)) return;
    const pid_t group = process->pid;
    kill(-group, SIGTERM);
    if (!ends_within(process, GRACE_SECONDS)) {
        kill(-group, SIGKILL);
        ends_within(process, GRACE_SECONDS);
    }
}

bool sm_process_find(sm_buf *path, const char *name)
{
    sm_buf_clear(path);
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0 && sm_buf_printf(path, "%s", name) == SM_OK;
    const char *folders = getenv("PATH");
    for (const char *at = folders; at != NULL && *at != '\0';) {
        const int len = (int)strcspn(at, ":");
        sm_buf_clear(path);
        if (len > 0 && sm_buf_printf(path, "%.*s/%s", len, at, name) == SM_OK &&
            access((const char *)path->data, X_OK) == 0)
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

bool sm_process_ask(sm_buf *line, char *const *argv)
{
    int ends[2], how = 0;
    pid_t pid;
    sm_buf_clear(line);
    if (sm_buf_reserve(line, 1) != SM_OK || pipe2(ends, O_CLOEXEC) != 0) return false;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    int error = posix_spawn(&pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    uint8_t block[512];
    for (ssize_t n; error == 0 && (n = read(ends[0], block, sizeof block)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || sm_buf_append(line, block, (size_t)n) != SM_OK) break;
    }
    close(ends[0]);
    if (error != 0) return false;
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0 || line->len == 0) return false;
    const uint8_t *end = memchr(line->data, '\n', line->len);
    if (end != NULL) line->len = (size_t)(end - line->data);
    return sm_buf_append(line, "", 1) == SM_OK;
}
