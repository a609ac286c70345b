/*
 * What a store is to the rest of this room: a row in store.c's table, found by its URLs' scheme.
 * io.h's functions look the row up and call it; file.c is the row of plain paths and file:// URLs.
 */
#ifndef SM_IO_STORE_H
#define SM_IO_STORE_H

#include "io/io.h"

/* One object of a listing, from one thread at a time: key is relative to what was listed. Objects
 * of one lane come in the order of their keys' bytes; those below a folder are of one lane. */
enum { SM_LIST_LANES = 8 };
typedef sm_status sm_list_fn(void *user, unsigned lane, const char *key, const sm_file_info *info);

/* A row. What is NULL the store cannot do (its users are told so), unless said otherwise. */
typedef struct sm_store {
    const char *scheme; /* "gs"; NULL: plain paths */

    sm_status (*stat)(sm_file_info *info, const char *url);
    /* Reads the part (less only at the object's end); checks that the object is still the one of
     * info when info->tag is not "" (SM_ERR_CORRUPT), else fills info's size and tag. */
    sm_status (*read_part)(const char *url, const sm_file_part *part, sm_file_info *info);
    bool pours; /* it knows part->take, too */
    /* Reads many whole objects side by side. */
    void (*fetch_many)(sm_fetch *fetches, size_t count);
    /* Every object below url, page after page, in flat memory. */
    sm_status (*list)(const char *url, sm_list_fn *fn, void *user);
    /* NULL: made of list. */
    sm_status (*walk)(const char *root, sm_walk_fn *fn, void *user);

    /* Reading from front to back; NULL: made of read_part, ahead of the reader. */
    sm_status (*source_open)(void **source, uint64_t *size, const char *url);
    sm_status (*source_read)(void *source, size_t *got, void *data, size_t len);
    void (*source_close)(void *source);

    /* An object written from front to back, invisible until commit; see sm_sink. only_new: commit
     * fails with SM_ERR_CONFLICT when there is one already. */
    sm_status (*sink_open)(void **sink, const char *url, bool only_new);
    sm_status (*sink_write)(void *sink, const void *data, size_t len);
    sm_status (*sink_commit)(void *sink); /* frees in any case; the store's checksum is checked */
    /* Several at once, in their order, and cheaper so; NULL: one after the other. */
    sm_status (*sink_commit_many)(void **sinks, size_t count);
    void (*sink_abandon)(void *sink);
    /* What is written need not survive a power cut; NULL: makes no difference. */
    void (*sink_relax)(void *sink);

    sm_status (*remove)(const char *url);                  /* not there is fine */
    sm_status (*copy)(const char *from, const char *to);   /* within the store */
    sm_status (*rename)(const char *from, const char *to); /* NULL: copy, and remove from */
    sm_status (*make_folder)(const char *url);             /* NULL: there is nothing to make */
    sm_status (*remove_tree)(const char *url);             /* NULL: made of list and remove */
    sm_status (*remove_leftovers)(const char *folder);     /* NULL: there can be none */
    sm_status (*lock)(sm_lock **lock, const char *folder); /* NULL: none is needed */
} sm_store;

/* The row for *url, which moves behind "file://"; SM_ERR_USAGE for a scheme that is not known. */
sm_status sm_store_of(const sm_store **store, const char **url);

/* A row's function that is NULL: SM_ERR_USAGE with a line that says so ("written"). */
sm_status sm_store_cannot(const char *url, const char *done);

/* Bytes of a piece of a large upload: SHARDMILL_UPLOAD_KIB (8192), in whole multiples of 256 KiB,
 * as Google Cloud Storage wants them; at least `least`, at most 1 GiB. */
size_t sm_upload_piece(size_t least);

/* Folders of the local file system (folder.c), for file.c's row. */
sm_status sm_local_walk(const char *root, sm_walk_fn *fn, void *user);
sm_status sm_local_make_folder(const char *path);
sm_status sm_local_remove_tree(const char *path);
sm_status sm_local_remove_leftovers(const char *folder);
sm_status sm_local_lock(sm_lock **lock, const char *folder);

extern const sm_store sm_store_file, sm_store_gs, sm_store_s3, sm_store_http, sm_store_https;
extern const sm_store sm_store_hdfs, sm_store_webhdfs, sm_store_swebhdfs;

#endif
