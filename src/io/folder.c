/* Folders of the local file system: making, walking, locking. */
#include "io/local.h"
#include "io/store.h"
#include "io/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

sm_status sm_local_make_folder(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) return sm_fail_memory(strlen(path));
    sm_status status = SM_OK;
    for (char *end = copy; status == SM_OK && end != NULL;) {
        end = strchr(end + strspn(end, "/"), '/');
        if (end != NULL) *end = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            status = sm_fail_errno(errno, "cannot make the folder '%s'", copy);
        if (end != NULL) *end = '/';
    }
    free(copy);
    if (status != SM_OK) return status;

    sm_file_info info;
    status = sm_io_stat(&info, path);
    if (status == SM_OK && info.kind != SM_FILE_FOLDER)
        status = sm_fail(SM_ERR_CONFLICT, "'%s' is there already, and is not a folder", path);
    return status;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    if (remove(path) == 0 || errno == ENOENT) return 0;
    sm_fail_errno(errno, "cannot remove '%s'", path);
    return -1;
}

sm_status sm_local_remove_tree(const char *path)
{
    enum { FOLDERS_OPEN = 16 };
    struct stat st;
    if (lstat(path, &st) != 0 && errno == ENOENT) return SM_OK;
    int failed = nftw(path, remove_entry, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
    return failed == 0 ? SM_OK : SM_ERR_IO;
}

/* Whether a writer is still at it: then it holds the file's lock (see file.c). */
static bool is_held(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

sm_status sm_local_remove_leftovers(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        if (errno == ENOENT) return SM_OK;
        return sm_fail_errno(errno, "cannot list '%s'", folder);
    }
    const size_t prefix = strlen(TEMPORARY_PREFIX), suffix = strlen(TEMPORARY_SUFFIX);
    sm_status status = SM_OK;
    for (struct dirent *entry; status == SM_OK && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        size_t len = strlen(name);
        bool ours = len > prefix + suffix && strncmp(name, TEMPORARY_PREFIX, prefix) == 0 &&
                    strcmp(name + len - suffix, TEMPORARY_SUFFIX) == 0;
        if (ours && !is_held(dirfd(dir), name) && unlinkat(dirfd(dir), name, 0) != 0 &&
            errno != ENOENT)
            status = sm_fail_errno(errno, "cannot remove '%s/%s'", folder, name);
    }
    closedir(dir);
    return status;
}

/* ---- Walking */

/* A folder that is being walked, and through above those that hold it: what a link must not lead
 * back to. */
typedef struct frame {
    const struct frame *above;
    dev_t dev;
    ino_t ino;
} frame;

typedef struct walk {
    sm_walk_fn *fn;
    void *user;
    sm_buf path;     /* root, '/', and the path relative to it; NUL behind */
    size_t root_len; /* up to where the relative path begins */
} walk;

static const char *relative(const walk *w)
{
    return (const char *)w->path.data + w->root_len;
}

/* Sets the path to its first len bytes with name behind them. */
static sm_status set_path(walk *w, size_t len, const char *name)
{
    w->path.len = len;
    sm_status status = SM_OK;
    if (len > w->root_len) status = sm_buf_append(&w->path, "/", 1);
    if (status == SM_OK) status = sm_buf_append(&w->path, name, strlen(name) + 1);
    if (status == SM_OK) w->path.len--; /* the NUL does not count */
    return status;
}

static bool is_loop(const frame *above, const struct stat *st)
{
    for (; above != NULL; above = above->above)
        if (above->dev == st->st_dev && above->ino == st->st_ino) return true;
    return false;
}

/* One entry that is no folder to enter; folders are told through *enter. */
static sm_status visit(walk *w, const frame *here, int dir_fd, const char *name, bool *enter)
{
    *enter = false;
    if (name[0] == '.') return w->fn(w->user, SM_WALK_HIDDEN, relative(w), NULL);

    struct stat st;
    if (fstatat(dir_fd, name, &st, 0) != 0) {
        sm_fail_errno(errno, "cannot look at '%s'", (const char *)w->path.data);
        return w->fn(w->user, SM_WALK_BROKEN, relative(w), NULL);
    }
    if (S_ISDIR(st.st_mode)) {
        if (is_loop(here, &st)) return w->fn(w->user, SM_WALK_LOOP, relative(w), NULL);
        *enter = true;
        return SM_OK;
    }
    if (!S_ISREG(st.st_mode)) return w->fn(w->user, SM_WALK_SPECIAL, relative(w), NULL);
    sm_file_info info;
    sm_file_info_of_stat(&info, &st);
    return w->fn(w->user, SM_WALK_FILE, relative(w), &info);
}

/* Visits the entries of an open folder; the names of its folders go to folders, each with its NUL,
 * so that they are entered when this one is closed: depth costs no file descriptors. */
static sm_status visit_entries(walk *w, const frame *here, DIR *dir, sm_buf *folders)
{
    const size_t len = w->path.len;
    sm_status status = SM_OK;
    while (status == SM_OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno == 0) break;
            w->path.len = len;
            w->path.data[len] = '\0';
            sm_fail_errno(errno, "cannot list '%s'", (const char *)w->path.data);
            return w->fn(w->user, SM_WALK_UNREADABLE, relative(w), NULL);
        }
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        bool enter = false;
        status = set_path(w, len, name);
        if (status == SM_OK) status = visit(w, here, dirfd(dir), name, &enter);
        if (enter) status = sm_buf_append(folders, name, strlen(name) + 1);
    }
    w->path.len = len;
    return status;
}

static sm_status walk_folder(walk *w, const frame *above)
{
    w->path.data[w->path.len] = '\0';
    DIR *dir = opendir((const char *)w->path.data);
    struct stat st;
    if (dir == NULL || fstat(dirfd(dir), &st) != 0) {
        sm_fail_errno(errno, "cannot list '%s'", (const char *)w->path.data);
        if (dir != NULL) closedir(dir);
        return w->fn(w->user, SM_WALK_UNREADABLE, relative(w), NULL);
    }
    const frame here = {.above = above, .dev = st.st_dev, .ino = st.st_ino};
    const size_t len = w->path.len;
    sm_buf folders;
    sm_buf_init(&folders, SIZE_MAX / 2);
    sm_status status = visit_entries(w, &here, dir, &folders);
    closedir(dir);
    for (size_t at = 0; status == SM_OK && at < folders.len;) {
        const char *name = (const char *)folders.data + at;
        at += strlen(name) + 1;
        status = set_path(w, len, name);
        if (status == SM_OK) status = walk_folder(w, &here);
        w->path.len = len;
    }
    sm_buf_free(&folders);
    return status;
}

sm_status sm_local_walk(const char *root, sm_walk_fn *fn, void *user)
{
    walk w = {.fn = fn, .user = user};
    sm_buf_init(&w.path, SM_PATH_LIMIT);
    sm_status status = sm_buf_append(&w.path, root, strlen(root) + 1);
    if (status == SM_OK) {
        w.path.len--;
        /* "photos" and "photos/" name the same files. */
        while (w.path.len > 1 && w.path.data[w.path.len - 1] == '/') w.path.len--;
        if (w.path.len > 0 && w.path.data[w.path.len - 1] != '/') w.path.data[w.path.len++] = '/';
        w.root_len = w.path.len;
        status = sm_buf_reserve(&w.path, 1);
    }
    if (status == SM_OK) status = walk_folder(&w, NULL);
    sm_buf_free(&w.path);
    return status;
}

/* ---- Locking */

struct sm_lock {
    int fd;
    char *path;
};

/* Whether the locked file is still the one under its name: its last holder may have removed it
 * between our open and our lock. */
static bool is_current(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

sm_status sm_local_lock(sm_lock **lock, const char *folder)
{
    sm_lock *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->fd = -1;
    if (asprintf(&made->path, "%s/.shardmill-lock", folder) < 0) {
        free(made);
        return sm_fail_memory(strlen(folder));
    }
    for (;;) {
        made->fd = open(made->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (made->fd < 0 || flock(made->fd, LOCK_EX | LOCK_NB) != 0) break;
        if (is_current(made->fd, made->path)) {
            *lock = made;
            return SM_OK;
        }
        close(made->fd);
    }
    int error = errno;
    sm_status status =
        made->fd >= 0 && error == EWOULDBLOCK
            ? sm_fail(
                  SM_ERR_CONFLICT,
                  "another shardmill is writing into '%s': wait for it, or choose another folder",
                  folder)
            : sm_fail_errno(error, "cannot write into '%s'", folder);
    if (made->fd >= 0) close(made->fd);
    free(made->path);
    free(made);
    return status;
}

void sm_lock_release(sm_lock *lock)
{
    if (lock == NULL) return;
    unlink(lock->path); /* while it is still locked, so that nobody else's is removed */
    close(lock->fd);
    free(lock->path);
    free(lock);
}
