#include "core/machine.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PATH_CAP = 4096 };

/* The first line of folder/name without its newline; false when it cannot be read. */
static bool read_line(char *line, size_t cap, const char *folder, const char *name)
{
    char path[PATH_CAP + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    bool got = fgets(line, (int)cap, file) != NULL;
    fclose(file);
    if (got) line[strcspn(line, "\n")] = '\0';
    return got;
}

/* Where the hierarchy is mounted that /proc/self/cgroup names with controller ("" means v2). */
static bool cgroup_folder(char *folder, size_t cap, const char *controller)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL) return false;
    char line[PATH_CAP];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'); /* "4:cpu,cpuacct:/path" or "0::/path" */
        char *path = names == NULL ? NULL : strchr(names + 1, ':');
        if (path == NULL) continue;
        names++;
        *path++ = '\0';
        if (*controller == '\0') {
            found = *names == '\0';
            if (found) snprintf(folder, cap, "/sys/fs/cgroup%s", path);
        } else {
            for (char *save = NULL, *name = strtok_r(names, ",", &save); name != NULL && !found;
                 name = strtok_r(NULL, ",", &save))
                found = strcmp(name, controller) == 0;
            if (found) snprintf(folder, cap, "/sys/fs/cgroup/%s%s", controller, path);
        }
    }
    fclose(file);
    return found;
}

/* Calls look on the group and on every group above it: each may hold the tighter limit. Inside a
 * container the path may not exist below the mount; the mount's root then is the group. */
static void walk_up(const char *controller, void (*look)(const char *folder, void *into),
                    void *into)
{
    char folder[PATH_CAP];
    if (!cgroup_folder(folder, sizeof folder, controller)) return;
    size_t root = strlen("/sys/fs/cgroup") + (*controller ? 1 + strlen(controller) : 0);
    for (;;) {
        look(folder, into);
        char *slash = strrchr(folder + root, '/');
        if (slash == NULL) break;
        *slash = '\0';
    }
}

static void cut_cores(double *cores, double quota, double period)
{
    if (quota > 0 && period > 0 && quota / period < *cores) *cores = quota / period;
}

static void look_cpu_v2(const char *folder, void *into)
{
    char line[128];
    if (!read_line(line, sizeof line, folder, "cpu.max")) return;
    char *rest; /* "max 100000" has no number in front: then the quota is 0, which is none */
    double quota = strtod(line, &rest);
    cut_cores(into, quota, strtod(rest, NULL));
}

static void look_cpu_v1(const char *folder, void *into)
{
    char quota[64], period[64];
    if (read_line(quota, sizeof quota, folder, "cpu.cfs_quota_us") &&
        read_line(period, sizeof period, folder, "cpu.cfs_period_us"))
        cut_cores(into, strtod(quota, NULL), strtod(period, NULL));
}

uint32_t sm_machine_threads(void)
{
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
    walk_up("", look_cpu_v2, &cores);
    walk_up("cpu", look_cpu_v1, &cores);
    uint32_t whole = (uint32_t)cores;
    if (whole < cores) whole++; /* half a core more is used by one thread more */
    return whole < 1 ? 1 : whole;
}

static void cut_memory(const char *folder, const char *name, uint64_t *bytes)
{
    char line[64];
    if (!read_line(line, sizeof line, folder, name)) return;
    char *end;
    unsigned long long limit = strtoull(line, &end, 10);
    if (end != line && limit > 0 && limit < *bytes) *bytes = limit;
}

static void look_memory_v2(const char *folder, void *into)
{
    cut_memory(folder, "memory.max", into);
}

static void look_memory_v1(const char *folder, void *into)
{
    cut_memory(folder, "memory.limit_in_bytes", into);
}

uint64_t sm_machine_memory(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
    walk_up("", look_memory_v2, &bytes);
    walk_up("memory", look_memory_v1, &bytes);
    return bytes;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sm_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t sm_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void sm_thread_waits(uint64_t *waits)
{
#ifdef RUSAGE_THREAD
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0) *waits = (uint64_t)usage.ru_nvcsw;
#else
    (void)waits;
#endif
}

const char *sm_signal_name(int number)
{
    switch (number) { /* sigabbrev_np is in newer libraries alone */
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGINT: return "SIGINT";
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV";
    case SIGSYS: return "SIGSYS";
    case SIGTERM: return "SIGTERM";
    case SIGTRAP: return "SIGTRAP";
    case SIGXCPU: return "SIGXCPU";
    default: return "a signal";
    }
}
