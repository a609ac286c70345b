/*
 * Between the files of the HDFS store, which speaks WebHDFS: hdfs://, webhdfs:// and swebhdfs://
 * (over TLS). Simple authentication alone: the name of HADOOP_USER_NAME, or of who runs us; neither
 * Kerberos nor delegation tokens.
 */
#ifndef SM_IO_WEBHDFS_H
#define SM_IO_WEBHDFS_H

#include "core/json.h"
#include "io/http.h"
#include "io/store.h"

/* ---- webhdfs_call.c: asking the name node */

typedef struct sm_hdfs_place {
    char *origin; /* "http://host:port" */
    char *path;   /* "/a/b": absolute, no slash at its end but of the root */
} sm_hdfs_place;

/* Of hdfs:// the port is not HTTP's: that is SHARDMILL_WEBHDFS_PORT, or 9870. */
sm_status sm_hdfs_place_of(sm_hdfs_place *place, const char *url);
void sm_hdfs_place_free(sm_hdfs_place *place);

/* Sets request's URL to op ("GETFILESTATUS", or with more: "OPEN&offset=7") on url. */
sm_status sm_hdfs_request(sm_http_request *request, const char *url, const char *op);

/* Performs op. SM_OK for 2xx and for a redirect, which is the caller's to follow. */
sm_status sm_hdfs_ask(sm_http_reply *reply, const char *method, const char *url, const char *what,
                      const char *op);

/* As sm_http_judge, in the name node's own words. exception, when not NULL, gets their name
 * ("AccessControlException"), or "". */
enum { SM_HDFS_EXCEPTION_MAX = 64 };
sm_status sm_hdfs_judge(sm_http_reply *reply, const char *what, const char *url,
                        char exception[SM_HDFS_EXCEPTION_MAX]);

/* reply's body as JSON. */
sm_status sm_hdfs_json(json_t **json, const sm_http_reply *reply, const char *url);

/* {"boolean":true}, which is how the name node says yes; an empty body is one too. */
bool sm_hdfs_said_yes(const sm_http_reply *reply);

/* The data node that a reply names, in its header or its JSON; NULL: none. The caller frees it. */
char *sm_hdfs_location(const sm_http_reply *reply);

/* Of a "FileStatus": its tag is made of its inode, time and length. */
sm_status sm_hdfs_info_of(sm_file_info *info, const json_t *status, const char *url);

sm_status sm_hdfs_stat(sm_file_info *info, const char *url);

/* ---- webhdfs_read.c */
sm_status sm_hdfs_read_part(const char *url, const sm_file_part *part, sm_file_info *info);
void sm_hdfs_fetch_many(sm_fetch *fetches, size_t count);

/* ---- webhdfs_write.c */
sm_status sm_hdfs_sink_open(void **sink, const char *url, bool only_new);
sm_status sm_hdfs_sink_write(void *opaque, const void *data, size_t len);
sm_status sm_hdfs_sink_commit(void *opaque);
void sm_hdfs_sink_abandon(void *opaque);
/* Takes the place of what is there, unless only_new (SM_ERR_CONFLICT). */
sm_status sm_hdfs_move(const char *from, const char *to, bool only_new);

/* ---- webhdfs.c */
sm_status sm_hdfs_remove(const char *url);

#endif
