/*
 * Preloaded into the program (LD_PRELOAD): kills it before the step number DIE_AT of those that
 * change or flush the file system, so that tests can stop a run at every one of them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void step(void)
{
    static atomic_long steps;
    const char *last = getenv("DIE_AT");
    if (last != NULL && atomic_fetch_add(&steps, 1) + 1 == strtol(last, NULL, 10))
        kill(getpid(), SIGKILL);
}

int rename(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *path, int flags)
{
    step();
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
    step();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int fsync(int file)
{
    step();
    return (int)syscall(SYS_fsync, file);
}
