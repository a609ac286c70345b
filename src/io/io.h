/*
 * Bytes in and out of storage: this room knows no image and no record.
 *
 * A path is one of the local file system, or a URL: file:///a/b, gs://bucket/a/b, s3://bucket/a/b,
 * hdfs:// and webhdfs://host:port/a/b, http:// and https:// (to be read alone). The names within
 * URLs of stores are as they are, without percent-encoding. "./" before a local path that looks
 * like a URL makes it none.
 *
 * Writing is atomic: what sm_sink_commit has not published is not there. Commit and abandon are
 * different calls, so that a failed shard never becomes visible.
 */
#ifndef SM_IO_IO_H
#define SM_IO_IO_H

#include "core/buf.h"
#include "core/status.h"

typedef enum sm_file_kind { SM_FILE_REGULAR, SM_FILE_FOLDER, SM_FILE_SPECIAL } sm_file_kind;

/* A copy of path without the slashes behind it, but those of a root (the caller's to free): what
 * names are joined to with a '/', since to an object store "a//b" is not "a/b". NULL: no memory. */
char *sm_io_trimmed(const char *path);

/* A checksum that a store keeps of a whole object. */
typedef enum sm_sum_kind {
    SM_SUM_NONE,
    SM_SUM_CRC32C,
    SM_SUM_CRC32,
    SM_SUM_CRC64NVME,
    SM_SUM_MD5
} sm_sum_kind;

typedef struct sm_sum {
    sm_sum_kind kind;
    uint8_t bytes[16]; /* big-endian: 4 of a CRC-32 or CRC-32C, 8 of a CRC-64, 16 of an MD5 */
} sm_sum;

typedef struct sm_file_info {
    sm_file_kind kind;
    uint64_t size;    /* bytes */
    int64_t mtime_ns; /* last change, nanoseconds since 1970; of an object, what its listing says */
    /* Changes when the content does: of a file its mtime_ns, of an object its generation or a hash
     * of its ETag. What the plan remembers. */
    uint64_t version;
    char tag[64]; /* of an object: the generation or ETag itself; "" for files */
    sm_sum sum;   /* of an object, where the store has one */
} sm_file_info;

/* Whether path is a URL of a store, so that reading it crosses a network. */
bool sm_io_is_remote(const char *path);

/* SM_ERR_USAGE for what cannot be written at all, such as https://…: without asking the network. */
sm_status sm_io_may_write(const char *path);

/* Follows links. SM_ERR_NOT_FOUND, SM_ERR_ACCESS, SM_ERR_IO. */
sm_status sm_io_stat(sm_file_info *info, const char *path);

/*
 * Reads a whole regular file behind what buf holds, at most up to buf's cap (SM_ERR_LIMIT). info,
 * if not NULL, is what the open file said of itself; a file that ends before or goes past its size
 * is SM_ERR_IO.
 */
sm_status sm_io_read_file(sm_buf *buf, const char *path, sm_file_info *info);

/* Appends len bytes from offset on, less only at the file's end; up to buf's cap (SM_ERR_LIMIT). */
sm_status sm_io_read_range(sm_buf *buf, const char *path, uint64_t offset, uint64_t len);

/* A file to be read whole, one of many at once. */
typedef struct sm_fetch {
    const char *url;
    sm_buf *buf;       /* appended to; its cap is the limit; holds nothing new on failure */
    uint64_t expected; /* bytes that a listing said it has, from which nothing but the way of
                          reading follows; 0: not known */
    sm_file_info info; /* filled: what the store said of the object that was read */
    sm_status status;
    bool host_down;  /* not this file is bad: its store gave no good answer to anybody, until the
                        deadline of faults that pass */
    char error[256]; /* the line, when status is not SM_OK */
} sm_fetch;

/* Reads many whole files, those of object stores side by side over kept connections, each checked
 * against the checksum that the store has of it. The urls may be of several stores. */
void sm_io_fetch_many(sm_fetch *fetches, size_t count);

/* As sm_io_read_range, for parts that must be of one version: info is zeroed before the first part,
 * and kept for the next ones; an object that has changed since is SM_ERR_CORRUPT. */
sm_status sm_io_read_part(sm_buf *buf, const char *path, uint64_t offset, uint64_t len,
                          sm_file_info *info);

/* What this process has received of stores so far, as libcurl counts it: bodies and headers, but
 * neither TLS nor TCP. */
typedef struct sm_traffic {
    uint64_t received; /* bytes */
    uint64_t retries;  /* requests that were sent again */
    uint64_t given_up; /* requests whose host gave no good answer to anybody until the deadline */
    uint64_t first_byte_ns; /* when the first body came behind sm_io_await_byte; 0: none did */
} sm_traffic;

void sm_io_traffic(sm_traffic *traffic);
void sm_io_await_byte(void);

/* Takes bytes as they come; anything but SM_OK (with a line) ends the reading. It must not read
 * from a store, nor write to one. */
typedef sm_status sm_take_fn(void *user, const void *data, size_t len);

/* A part of a file, and where it goes: to the end of `into`, or, when that is NULL, to take. */
typedef struct sm_file_part {
    uint64_t offset, length; /* bytes */
    sm_buf *into;
    sm_take_fn *take;
    void *take_user;
} sm_file_part;

/* ---- A file read from front to back */
typedef struct sm_source sm_source;

sm_status sm_source_open(sm_source **source, const char *path);
/* Fills data up to len; *got < len only at the end. */
sm_status sm_source_read(sm_source *source, size_t *got, void *data, size_t len);

/* Instead of sm_source_read, where sm_source_pours: hands the whole over as it comes, by one
 * request. That takes the least memory and CPU time, and suits who reads several files at once; one
 * alone comes faster in pieces, from a store that is far away. */
bool sm_source_pours(const sm_source *source);
sm_status sm_source_pour(sm_source *source, sm_take_fn *take, void *user);
uint64_t sm_source_size(const sm_source *source); /* as it was when opened */
void sm_source_close(sm_source *source);          /* NULL is fine */

/* ---- A file written from front to back, published whole or not at all */
typedef struct sm_sink sm_sink;

/* Makes an unnamed neighbour of path; path itself is untouched until commit. */
sm_status sm_sink_open(sm_sink **sink, const char *path);
/* Before commit: what is written need not survive a power cut, for files that can be made again. */
void sm_sink_relax(sm_sink *sink);
sm_status sm_sink_write(sm_sink *sink, const void *data, size_t len);
/* Flushes to the device and publishes under path. Frees sink in any case; on failure nothing is
 * published. */
sm_status sm_sink_commit(sm_sink *sink);
/* Commits several together, with fewer flushes than one after the other, in their order. Frees them
 * in any case; on failure some may be published, but none whose predecessors are not. */
enum { SM_COMMIT_MAX = 16 };
sm_status sm_sink_commit_many(sm_sink **sinks, size_t count);
/* Removes what was written, and frees sink. NULL is fine. */
void sm_sink_abandon(sm_sink *sink);

/* A small file at once, as atomic. */
sm_status sm_io_write_file(const char *path, const void *data, size_t len);

/* ---- Folders */
/* With those above it; there already is fine. Object stores have no folders: nothing is done. */
sm_status sm_io_make_folder(const char *path);
sm_status sm_io_remove(const char *path); /* not there is fine */
/* Within one store. Where there is no renaming it is a copy by the store, and then a removal: both
 * names may be seen for a while, and a run that is cut off in between leaves both. */
sm_status sm_io_rename(const char *from, const char *to);

/* Removes a folder with all that is in it; links are removed, not followed. Not there is fine. */
sm_status sm_io_remove_tree(const char *path);

/* Removes what writers that were killed left in folder: only files of our own temporary names, and
 * none that a living writer still holds. Object stores show nothing that is not committed. */
sm_status sm_io_remove_leftovers(const char *folder);

typedef enum sm_walk_event {
    SM_WALK_FILE,
    SM_WALK_HIDDEN,    /* a file or folder whose name starts with a dot; not entered */
    SM_WALK_SPECIAL,   /* a FIFO, socket or device */
    SM_WALK_LOOP,      /* a link to a folder that holds it; not entered */
    SM_WALK_BROKEN,    /* a link to nothing, or an entry that cannot be looked at */
    SM_WALK_UNREADABLE /* a folder that cannot be listed */
} sm_walk_event;

/* path is relative to the walk's root; info is filled for SM_WALK_FILE; sm_last_error() holds the
 * reason for BROKEN and UNREADABLE. Anything but SM_OK ends the walk with that status. */
typedef sm_status sm_walk_fn(void *user, sm_walk_event event, const char *path,
                             const sm_file_info *info);

/* Every entry below root, in no particular order; links are followed. Of an object store every
 * object: a name of which a component begins with a dot is hidden, from that component on, and
 * those that end in '/' (placeholders of folders that other tools make) are passed over. There a
 * listing that fails ends the walk with its status, since what would be missing cannot be told. */
sm_status sm_io_walk(const char *root, sm_walk_fn *fn, void *user);

/* ---- One writer at a time */
typedef struct sm_lock sm_lock;

/* Locks folder against other processes; SM_ERR_CONFLICT when another holds it. Object stores have
 * no locks, and *lock is NULL then: two runs of the same job may publish the same object, which is
 * harmless, since both publish it whole and with the same bytes. */
sm_status sm_lock_take(sm_lock **lock, const char *folder);
void sm_lock_release(sm_lock *lock); /* NULL is fine */

#endif
