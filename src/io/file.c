/* Files of the local file system: the row of plain paths. */
#include "io/local.h"
#include "io/store.h"
#include "io/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Dirty pages are handed to the device in such steps, so that the flush at commit has little left.
 */
enum { WRITEBACK_STEP = 8 << 20 };

typedef struct file_source {
    int fd;
    char *path;
} file_source;

typedef struct file_sink {
    int fd;
    uint64_t written, handed_on; /* bytes; of these, those on their way to the device */
    bool only_new, is_relaxed;
    char *path, *temporary;
} file_sink;

void sm_file_info_of_stat(sm_file_info *info, const struct stat *st)
{
    *info = (sm_file_info){0};
    info->kind = S_ISREG(st->st_mode)   ? SM_FILE_REGULAR
                 : S_ISDIR(st->st_mode) ? SM_FILE_FOLDER
                                        : SM_FILE_SPECIAL;
    info->size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    info->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    info->version = (uint64_t)info->mtime_ns;
}

static sm_status file_stat(sm_file_info *info, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return sm_fail_errno(errno, "cannot look at '%s'", path);
    sm_file_info_of_stat(info, &st);
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
    sm_file_info_of_stat(info, &st);
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

static sm_status read_file(sm_buf *buf, const char *path, sm_file_info *info)
{
    int fd = -1;
    *info = (sm_file_info){0};
    sm_status status = open_regular(&fd, info, path);
    if (status != SM_OK) return status;
    status = read_opened(buf, fd, info->size, path);
    close(fd);
    return status;
}

static sm_status file_read_part(const char *path, const sm_file_part *part, sm_file_info *info)
{
    sm_buf *buf = part->into;
    const uint64_t offset = part->offset, len = part->length;
    int fd = -1;
    if (len > buf->max - buf->len || offset > INT64_MAX - len)
        return sm_fail(SM_ERR_LIMIT, "'%s': a part of %llu bytes is more than the limit", path,
                       (unsigned long long)len);
    sm_status status = open_regular(&fd, info, path);
    if (status != SM_OK) return status;
    size_t got = 0;
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        status = sm_fail_errno(errno, "cannot read '%s'", path);
    if (status == SM_OK) status = sm_buf_reserve(buf, (size_t)len);
    if (status == SM_OK) status = read_full(&got, fd, buf->data + buf->len, (size_t)len, path);
    if (status == SM_OK) buf->len += got;
    close(fd);
    return status;
}

static void file_fetch_many(sm_fetch *fetches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sm_file_info info;
        fetches[i].status = read_file(fetches[i].buf, fetches[i].url, &info);
        if (fetches[i].status == SM_OK)
            fetches[i].info = info;
        else
            snprintf(fetches[i].error, sizeof fetches[i].error, "%s", sm_last_error());
    }
}

static void file_source_close(void *opaque)
{
    file_source *source = opaque;
    if (source == NULL) return;
    if (source->fd >= 0) close(source->fd);
    free(source->path);
    free(source);
}

static sm_status file_source_open(void **source, uint64_t *size, const char *path)
{
    file_source *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->path = strdup(path);
    made->fd = -1;
    sm_file_info info = {0};
    sm_status status =
        made->path == NULL ? sm_fail_memory(strlen(path)) : open_regular(&made->fd, &info, path);
    if (status != SM_OK) {
        file_source_close(made);
        return status;
    }
    posix_fadvise(made->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice: no matter if not taken */
    *size = info.size;
    *source = made;
    return SM_OK;
}

static sm_status file_source_read(void *opaque, size_t *got, void *data, size_t len)
{
    const file_source *source = opaque;
    return read_full(got, source->fd, data, len, source->path);
}

/* The length of path's folder part, with its slash; 0 when it has none. */
static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static void free_sink(file_sink *sink)
{
    if (sink->fd >= 0) close(sink->fd);
    free(sink->path);
    free(sink->temporary);
    free(sink);
}

/* Locks a new file for as long as it is open, so that sm_io_remove_leftovers knows a live writer's
 * from a dead one's. False when it was removed before it was locked. */
static bool hold(int fd)
{
    struct stat st;
    (void)flock(fd, LOCK_EX | LOCK_NB); /* without locks it is as if its writer were dead */
    return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* A new file beside sink->path, under a name that sm_io_remove_leftovers knows. */
static sm_status open_temporary(file_sink *sink)
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
        int error = errno;
        if (sink->fd >= 0 && hold(sink->fd)) {
            sink->temporary = name;
            return SM_OK;
        }
        if (sink->fd >= 0) close(sink->fd);
        error = sink->fd >= 0 ? EEXIST : error;
        sink->fd = -1;
        free(name);
        if (error != EEXIST) return sm_fail_errno(error, "cannot write '%s'", sink->path);
    }
}

static sm_status file_sink_open(void **sink, const char *path, bool only_new)
{
    file_sink *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->fd = -1;
    made->only_new = only_new;
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

static sm_status file_sink_write(void *opaque, const void *data, size_t len)
{
    file_sink *sink = opaque;
    const uint8_t *next = data;
    while (len > 0) {
        ssize_t n = write(sink->fd, next, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail_errno(errno, "cannot write '%s'", sink->path);
        next += n;
        len -= (size_t)n;
        sink->written += (uint64_t)n;
    }
    if (!sink->is_relaxed && sink->written - sink->handed_on >= WRITEBACK_STEP) {
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

/* Flushes and closes. */
static sm_status finish(file_sink *sink)
{
    int error = !sink->is_relaxed && fsync(sink->fd) != 0 ? errno : 0;
    if (close(sink->fd) != 0 && error == 0) error = errno;
    sink->fd = -1;
    return error == 0 ? SM_OK : sm_fail_errno(error, "cannot write '%s'", sink->path);
}

/* Gives the file its name; a link, unlike a rename, fails where there is a file already. */
static sm_status publish(file_sink *sink)
{
    int error = 0;
    if (!sink->only_new)
        error = rename(sink->temporary, sink->path) == 0 ? 0 : errno;
    else if (link(sink->temporary, sink->path) == 0)
        unlink(sink->temporary);
    else
        error = errno;
    if (error != 0) return sm_fail_errno(error, "cannot write '%s'", sink->path);
    free(sink->temporary);
    sink->temporary = NULL;
    return SM_OK;
}

static bool same_folder(const file_sink *a, const file_sink *b)
{
    size_t len = folder_len(a->path);
    return len == folder_len(b->path) && memcmp(a->path, b->path, len) == 0;
}

/* Flushes each folder that sinks were published in, once. */
static sm_status sync_folders(file_sink *const *sinks, size_t count)
{
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < count; i++) {
        bool done = sinks[i]->is_relaxed;
        for (size_t k = 0; !done && k < i; k++)
            done = !sinks[k]->is_relaxed && same_folder(sinks[i], sinks[k]);
        if (!done) status = sync_folder_of(sinks[i]->path);
    }
    return status;
}

static void file_sink_abandon(void *opaque);

/*
 * All are handed to the device before the first is waited for, and renamed before a folder is
 * flushed: a journalling file system then commits twice, and not twice for each.
 */
static sm_status file_sink_commit_many(void **opaque, size_t count)
{
    file_sink *const *sinks = (file_sink *const *)opaque;
    sm_status status = SM_OK;
    for (size_t i = 0; count > 1 && i < count; i++)
        if (!sinks[i]->is_relaxed) sync_file_range(sinks[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (size_t i = 0; status == SM_OK && i < count; i++) status = finish(sinks[i]);
    for (size_t i = 0; status == SM_OK && i < count; i++) status = publish(sinks[i]);
    if (status == SM_OK) status = sync_folders(sinks, count);
    for (size_t i = 0; i < count; i++) file_sink_abandon(sinks[i]);
    return status;
}

static sm_status file_sink_commit(void *sink)
{
    return file_sink_commit_many(&sink, 1);
}

static void file_sink_relax(void *opaque)
{
    file_sink *sink = opaque;
    sink->is_relaxed = true;
}

static void file_sink_abandon(void *opaque)
{
    file_sink *sink = opaque;
    if (sink == NULL) return;
    if (sink->temporary != NULL) unlink(sink->temporary);
    free_sink(sink);
}

static sm_status file_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return sm_fail_errno(errno, "cannot remove '%s'", path);
    return SM_OK;
}

static sm_status file_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0) return sm_fail_errno(errno, "cannot rename '%s' to '%s'", from, to);
    return SM_OK;
}

const sm_store sm_store_file = {.stat = file_stat,
                                .read_part = file_read_part,
                                .fetch_many = file_fetch_many,
                                .walk = sm_local_walk,
                                .source_open = file_source_open,
                                .source_read = file_source_read,
                                .source_close = file_source_close,
                                .sink_open = file_sink_open,
                                .sink_write = file_sink_write,
                                .sink_commit = file_sink_commit,
                                .sink_commit_many = file_sink_commit_many,
                                .sink_abandon = file_sink_abandon,
                                .sink_relax = file_sink_relax,
                                .remove = file_remove,
                                .rename = file_rename,
                                .make_folder = sm_local_make_folder,
                                .remove_tree = sm_local_remove_tree,
                                .remove_leftovers = sm_local_remove_leftovers,
                                .lock = sm_local_lock};
