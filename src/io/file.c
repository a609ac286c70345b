/* Files of the local file system. */
#include "io/io.h"
#include "io/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Dirty pages are handed to the device in such steps, so that the flush at commit has little left.
 */
enum { WRITEBACK_STEP = 8 << 20 };

struct sm_source {
    int fd;
    uint64_t size;
    char *path;
};

struct sm_sink {
    int fd;
    uint64_t written, handed_on; /* bytes; of these, those on their way to the device */
    char *path, *temporary;
};

static void fill_info(sm_file_info *info, const struct stat *st)
{
    info->kind = S_ISREG(st->st_mode)   ? SM_FILE_REGULAR
                 : S_ISDIR(st->st_mode) ? SM_FILE_FOLDER
                                        : SM_FILE_SPECIAL;
    info->size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    info->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

sm_status sm_io_stat(sm_file_info *info, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return sm_fail_errno(errno, "cannot look at '%s'", path);
    fill_info(info, &st);
    return SM_OK;
}

/* Opens a regular file. Not blocking, so that a FIFO cannot hold us up. */
static sm_status open_regular(int *fd, sm_file_info *info, const char *path)
{
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened < 0) return sm_fail_errno(errno, "cannot open '%s'", path);
    struct stat st;
    if (fstat(opened, &st) != 0) {
        int error = errno;
        close(opened);
        return sm_fail_errno(error, "cannot look at '%s'", path);
    }
    fill_info(info, &st);
    if (info->kind != SM_FILE_REGULAR) {
        close(opened);
        return sm_fail(SM_ERR_FORMAT, "'%s' is %s, not a file", path,
                       info->kind == SM_FILE_FOLDER ? "a folder" : "a special file");
    }
    *fd = opened;
    return SM_OK;
}

/* Reads up to len bytes, less only at the end of the file. */
static sm_status read_full(size_t *got, int fd, void *data, size_t len, const char *path)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, (uint8_t *)data + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail_errno(errno, "cannot read '%s'", path);
        if (n == 0) break;
        done += (size_t)n;
    }
    *got = done;
    return SM_OK;
}

static sm_status read_opened(sm_buf *buf, int fd, uint64_t size, const char *path)
{
    /* One byte more than there should be, to see whether the file has grown. */
    if (size >= buf->max - buf->len)
        return sm_fail(SM_ERR_LIMIT, "'%s' has %llu bytes, more than the limit of %zu", path,
                       (unsigned long long)size, buf->max - buf->len - 1);
    sm_status status = sm_buf_reserve(buf, (size_t)size + 1);
    if (status != SM_OK) return status;
    size_t got;
    status = read_full(&got, fd, buf->data + buf->len, (size_t)size + 1, path);
    if (status != SM_OK) return status;
    if (got != size)
        return sm_fail(SM_ERR_IO, "'%s' changed while it was read: %s than its %llu bytes", path,
                       got < size ? "fewer" : "more", (unsigned long long)size);
    buf->len += got;
    return SM_OK;
}

sm_status sm_io_read_file(sm_buf *buf, const char *path, sm_file_info *info)
{
    int fd = -1;
    sm_file_info opened = {0};
    sm_status status = open_regular(&fd, &opened, path);
    if (status != SM_OK) return status;
    status = read_opened(buf, fd, opened.size, path);
    close(fd);
    if (status == SM_OK && info != NULL) *info = opened;
    return status;
}

sm_status sm_source_open(sm_source **source, const char *path)
{
    sm_source *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->path = strdup(path);
    made->fd = -1;
    sm_file_info info = {0};
    sm_status status =
        made->path == NULL ? sm_fail_memory(strlen(path)) : open_regular(&made->fd, &info, path);
    if (status != SM_OK) {
        sm_source_close(made);
        return status;
    }
    made->size = info.size;
    posix_fadvise(made->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice: no matter if not taken */
    *source = made;
    return SM_OK;
}

sm_status sm_source_read(sm_source *source, size_t *got, void *data, size_t len)
{
    return read_full(got, source->fd, data, len, source->path);
}

uint64_t sm_source_size(const sm_source *source)
{
    return source->size;
}

void sm_source_close(sm_source *source)
{
    if (source == NULL) return;
    if (source->fd >= 0) close(source->fd);
    free(source->path);
    free(source);
}

/* The length of path's folder part, with its slash; 0 when it has none. */
static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static void free_sink(sm_sink *sink)
{
    if (sink->fd >= 0) close(sink->fd);
    free(sink->path);
    free(sink->temporary);
    free(sink);
}

/* A new file beside sink->path, under a name that sm_io_remove_leftovers knows. */
static sm_status open_temporary(sm_sink *sink)
{
    for (;;) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return sm_fail_errno(errno, "cannot write '%s'", sink->path);
        char *name;
        if (asprintf(&name, "%.*s%s%016llx%s", (int)folder_len(sink->path), sink->path,
                     TEMPORARY_PREFIX, (unsigned long long)random, TEMPORARY_SUFFIX) < 0)
            return sm_fail_memory(strlen(sink->path));
        sink->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (sink->fd >= 0) {
            sink->temporary = name;
            return SM_OK;
        }
        int error = errno;
        free(name);
        if (error != EEXIST) return sm_fail_errno(error, "cannot write '%s'", sink->path);
    }
}

sm_status sm_sink_open(sm_sink **sink, const char *path)
{
    sm_sink *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->fd = -1;
    made->path = strdup(path);
    if (made->path == NULL) {
        free_sink(made);
        return sm_fail_memory(strlen(path));
    }
    sm_status status = open_temporary(made);
    if (status != SM_OK) {
        free_sink(made);
        return status;
    }
    *sink = made;
    return SM_OK;
}

sm_status sm_sink_write(sm_sink *sink, const void *data, size_t len)
{
    const uint8_t *next = data;
    while (len > 0) {
        ssize_t n = write(sink->fd, next, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail_errno(errno, "cannot write '%s'", sink->path);
        next += n;
        len -= (size_t)n;
        sink->written += (uint64_t)n;
    }
    if (sink->written - sink->handed_on >= WRITEBACK_STEP) {
        /* Only a hint; what it cannot start, fsync does. */
        sync_file_range(sink->fd, (off_t)sink->handed_on, (off_t)(sink->written - sink->handed_on),
                        SYNC_FILE_RANGE_WRITE);
        sink->handed_on = sink->written;
    }
    return SM_OK;
}

/* Makes a rename in folder survive a power cut. */
static sm_status sync_folder_of(const char *path)
{
    char *folder = NULL;
    if (asprintf(&folder, "%.*s.", (int)folder_len(path), path) < 0) return sm_fail_memory(1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    /* EINVAL: this file system has no such call for folders, and needs none. */
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL) error = errno;
    if (fd >= 0) close(fd);
    free(folder);
    return error == 0 ? SM_OK : sm_fail_errno(error, "cannot flush the folder of '%s'", path);
}

sm_status sm_sink_commit(sm_sink *sink)
{
    int error = fsync(sink->fd) != 0 ? errno : 0;
    if (close(sink->fd) != 0 && error == 0) error = errno;
    sink->fd = -1;
    if (error == 0 && rename(sink->temporary, sink->path) != 0) error = errno;

    sm_status status = SM_OK;
    if (error != 0) {
        unlink(sink->temporary);
        status = sm_fail_errno(error, "cannot write '%s'", sink->path);
    } else {
        status = sync_folder_of(sink->path);
    }
    free_sink(sink);
    return status;
}

void sm_sink_abandon(sm_sink *sink)
{
    if (sink == NULL) return;
    unlink(sink->temporary);
    free_sink(sink);
}

sm_status sm_io_write_file(const char *path, const void *data, size_t len)
{
    sm_sink *sink;
    sm_status status = sm_sink_open(&sink, path);
    if (status != SM_OK) return status;
    status = sm_sink_write(sink, data, len);
    if (status == SM_OK) return sm_sink_commit(sink);
    sm_sink_abandon(sink);
    return status;
}

sm_status sm_io_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return sm_fail_errno(errno, "cannot remove '%s'", path);
    return SM_OK;
}

sm_status sm_io_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0) return sm_fail_errno(errno, "cannot rename '%s' to '%s'", from, to);
    return SM_OK;
}
