#include "measure/evidence.h"

#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RESIDENT_FILES = 65536 };

/* ---- Counters */

static int64_t device_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    char line[128];
    long long bytes = -1;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "read_bytes: %lld", &bytes) == 1) break;
    if (file != NULL) fclose(file);
    return bytes;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void sm_counters_take(sm_counters *counters)
{
    struct rusage usage;
    sm_traffic traffic;
    getrusage(RUSAGE_SELF, &usage);
    sm_io_traffic(&traffic);
    *counters = (sm_counters){.user_s = seconds_of(usage.ru_utime),
                              .system_s = seconds_of(usage.ru_stime),
                              .device_bytes = device_bytes(),
                              .socket_bytes = traffic.received,
                              .retries = traffic.retries};
}

/* ---- The page cache */

/* linux/mman.h of 6.5 and later */
typedef struct cachestat_range {
    uint64_t offset, len;
} cachestat_range;

typedef struct cachestat_result {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
} cachestat_result;

#ifndef __NR_cachestat
#define __NR_cachestat 451 /* the same on every architecture */
#endif

static bool pages_by_mincore(uint64_t *cached, int fd, uint64_t len, size_t page)
{
    const size_t pages = (size_t)((len + page - 1) / page);
    unsigned char *flags = malloc(pages);
    void *map = flags == NULL ? MAP_FAILED : mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
    const bool good = map != MAP_FAILED && mincore(map, (size_t)len, flags) == 0;
    *cached = 0;
    for (size_t i = 0; good && i < pages; i++) *cached += flags[i] & 1;
    if (map != MAP_FAILED) munmap(map, (size_t)len);
    free(flags);
    return good;
}

static bool pages_cached(uint64_t *cached, int fd, uint64_t len, size_t page)
{
    cachestat_range range = {.offset = 0, .len = len};
    cachestat_result result = {0};
    if (syscall(__NR_cachestat, fd, &range, &result, 0) != 0)
        return pages_by_mincore(cached, fd, len, page);
    *cached = result.cached;
    return true;
}

static size_t object_of(const sm_part *part, size_t i)
{
    return part->order[(part->first + i) % part->dataset->count];
}

double sm_evidence_resident(const sm_part *part)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t step = part->count / RESIDENT_FILES + 1;
    uint64_t cached = 0, pages = 0;
    for (size_t i = 0; i < part->count; i += step) {
        const size_t object = object_of(part, i);
        uint64_t len = part->dataset->objects[object].size, some = 0;
        if (part->reach != NULL && part->reach[object] < len) len = part->reach[object];
        if (len == 0) continue;
        int fd = open(sm_dataset_path(part->dataset, object), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        const bool told = fd >= 0 && pages_cached(&some, fd, len, page);
        if (fd >= 0) close(fd);
        if (!told) return -1;
        cached += some;
        pages += (len + page - 1) / page;
    }
    if (pages == 0) return -1;
    return cached < pages ? (double)cached / (double)pages : 1;
}

sm_status sm_evidence_drop(const sm_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        const char *path = sm_dataset_path(part->dataset, object_of(part, i));
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return sm_fail_errno(errno, "cannot open '%s'", path);
        /* Pages that still wait to be written would stay. Neither call changes the file; where one
         * is not taken, the residency that is looked at next tells. */
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return SM_OK;
}

/* ---- File systems */

/* Of these the kernel counts what is fetched for a process in /proc/self/io; tmpfs fetches nothing.
 */
static bool is_counted(const char *filesystem)
{
    static const char *const counted[] = {"ext2",  "ext3",    "ext4",     "xfs",   "btrfs",
                                          "f2fs",  "overlay", "nfs",      "nfs4",  "vfat",
                                          "erofs", "exfat",   "squashfs", "tmpfs", "iso9660"};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (strcmp(filesystem, counted[i]) == 0) return true;
    return false;
}

/* mountinfo writes a space as \040. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0';) {
        unsigned code;
        if (at[0] == '\\' && sscanf(at + 1, "%3o", &code) == 1) {
            *to++ = (char)code;
            at += 4;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

static bool lies_below(const char *path, const char *mount)
{
    const size_t len = strlen(mount);
    return strcmp(mount, "/") == 0 ||
           (strncmp(path, mount, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

void sm_evidence_place(sm_dataset *dataset, const char *path)
{
    char *real = realpath(path, NULL), *line = NULL;
    size_t cap = 0;
    FILE *file = real == NULL ? NULL : fopen("/proc/self/mountinfo", "re");
    while (file != NULL && getline(&line, &cap, file) > 0) {
        char mount[PATH_MAX], filesystem[32];
        /* ID parent device root mount options … - filesystem source options */
        const char *rest = strstr(line, " - ");
        if (sscanf(line, "%*s %*s %*s %*s %4095s", mount) != 1 || rest == NULL ||
            sscanf(rest, " - %31s", filesystem) != 1)
            continue;
        unescape(mount);
        /* The last of several on one place is on top. */
        if (!lies_below(real, mount) || strlen(mount) < strlen(dataset->mount)) continue;
        snprintf(dataset->mount, sizeof dataset->mount, "%.255s", mount);
        snprintf(dataset->filesystem, sizeof dataset->filesystem, "%s", filesystem);
    }
    if (file != NULL) fclose(file);
    free(line);
    free(real);
    dataset->counts_device = is_counted(dataset->filesystem);
}
