#include "dataproc/staging.h"

#include "core/hash.h"
#include "core/status.h"
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAM_MAX = 512 << 20, BLOCK = 1 << 16 };

static sm_status fingerprint(char hex[SM_FINGERPRINT_SIZE], const void *data, size_t len)
{
    sm_hash *hash;
    sm_status status = sm_hash_new(&hash);
    if (status != SM_OK) return status;
    sm_hash_bytes(hash, data, len);
    sm_hash_hex(hash, hex);
    sm_hash_free(hash);
    return SM_OK;
}

/* STAGING/shardmill/FOLDER/name. */
static sm_status place(sm_buf *url, const char *staging, const char *folder, const char *name)
{
    char *root = sm_io_trimmed(staging);
    if (root == NULL) return sm_fail_memory(strlen(staging));
    sm_status status = sm_buf_printf(url, "%s/shardmill/%s/%s", root, folder, name);
    free(root);
    return status;
}

sm_status sm_stage_bytes(sm_buf *url, const char *staging, const char *name, const void *data,
                         size_t len)
{
    char hex[SM_FINGERPRINT_SIZE];
    sm_buf_init(url, SM_PATH_LIMIT);
    sm_status status = fingerprint(hex, data, len);
    if (status == SM_OK) status = place(url, staging, hex, name);
    if (status != SM_OK) return status;
    sm_file_info there;
    status = sm_io_stat(&there, (const char *)url->data);
    if (status == SM_OK && there.size == len) return SM_OK;
    if (status != SM_OK && status != SM_ERR_NOT_FOUND) return status;
    return sm_io_write_file((const char *)url->data, data, len);
}

sm_status sm_stage_file(sm_buf *url, const char *staging, const char *name, const char *path)
{
    sm_buf bytes;
    sm_buf_init(&bytes, PROGRAM_MAX);
    sm_buf_init(url, SM_PATH_LIMIT);
    sm_status status = sm_io_read_file(&bytes, path, NULL);
    if (status == SM_OK) status = sm_stage_bytes(url, staging, name, bytes.data, bytes.len);
    sm_buf_free(&bytes);
    return status;
}

static sm_status write_lines(sm_sink *sink, const sm_tasks *tasks)
{
    sm_buf text;
    sm_buf_init(&text, 16 << 20);
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < tasks->count; i++) {
        const char *line = NULL;
        status = tasks->line(tasks->user, &line, i);
        if (status == SM_OK) status = sm_buf_printf(&text, "%s\n", line);
        if (status == SM_OK && (text.len >= BLOCK || i + 1 == tasks->count)) {
            status = sm_sink_write(sink, text.data, text.len);
            sm_buf_clear(&text);
        }
    }
    sm_buf_free(&text);
    return status;
}

sm_status sm_stage_tasks(sm_buf *url, const char *staging, const char *job, const sm_tasks *tasks)
{
    sm_sink *sink = NULL;
    sm_buf_init(url, SM_PATH_LIMIT);
    char folder[SM_PATH_LIMIT];
    snprintf(folder, sizeof folder, "jobs/%s", job);
    sm_status status = place(url, staging, folder, "tasks.jsonl");
    if (status == SM_OK) status = sm_sink_open(&sink, (const char *)url->data);
    if (status != SM_OK) return status;
    status = write_lines(sink, tasks);
    if (status == SM_OK) return sm_sink_commit(sink);
    sm_sink_abandon(sink);
    return status;
}
