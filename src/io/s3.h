/*
 * Between the files of the S3 store: where an object lies, and asking for it.
 */
#ifndef SM_IO_S3_H
#define SM_IO_S3_H

#include "io/aws.h"
#include "io/http.h"
#include "io/store.h"

/* ---- s3_place.c: URLs */

/* s3://bucket/key: the key as it is, not percent-encoded; "" for the whole bucket. */
typedef struct sm_s3_place {
    char *bucket;
    const char *key; /* within bucket's memory */
} sm_s3_place;

sm_status sm_s3_place_of(sm_s3_place *place, const char *url);
void sm_s3_place_free(sm_s3_place *place);

typedef enum sm_s3_style { SM_S3_STYLE_AUTO, SM_S3_STYLE_PATH, SM_S3_STYLE_VIRTUAL } sm_s3_style;

/* Where requests go. */
typedef struct sm_s3_endpoint {
    char *url;    /* "http://127.0.0.1:9000", no slash behind it; NULL: AWS itself */
    char *region; /* NULL: not told */
    sm_s3_style style;
} sm_s3_endpoint;

/* From the environment and settings as they are now. */
sm_status sm_s3_endpoint_read(sm_s3_endpoint *endpoint);
void sm_s3_endpoint_free(sm_s3_endpoint *endpoint);

/* Appends the URL of place. Virtual-hosted style is AWS's own; path style is that of other
 * servers, and of buckets that are no name of a host or hold a dot (no certificate fits those). */
sm_status sm_s3_append_url(sm_buf *url, const sm_s3_endpoint *endpoint, const char *region,
                           const sm_s3_place *place);

typedef struct sm_s3_param {
    const char *name, *value;
} sm_s3_param;

/* Appends "?a=1&b=": encoded, and sorted as signatures want it. Those with a value of NULL are left
 * out. */
sm_status sm_s3_append_query(sm_buf *url, const sm_s3_param *params, size_t count);

/* ---- s3_call.c: requests */

typedef struct sm_s3_call {
    sm_http_request request; /* the caller fills its data, range, into, check and so on */
    const char *url;         /* s3://…, borrowed: what messages say */
    const char *what;        /* "read": what messages say was tried */
    const char *permission;  /* "s3:GetObject" */
    /* Of its own. */
    sm_s3_place place;
    char *query;
    sm_aws_keys *keys;
    char region[SM_HTTP_REGION_MAX];
    char sha256[SM_AWS_SHA256_TEXT];
    char code[64];  /* of the last error: "NoSuchKey"; "" when it told none */
    bool sign_body; /* with its hash: set for http, and where the body has no Content-MD5 */
    bool has_moved;
} sm_s3_call;

/* url and what are borrowed for the call's life. */
sm_status sm_s3_call_init(sm_s3_call *call, const char *method, const char *url, const char *what,
                          const char *permission, const sm_s3_param *params, size_t count);
void sm_s3_call_free(sm_s3_call *call);

/* Gives the request its body and the Content-MD5 that lets the store check it; md5 is that sum, or
 * SM_SUM_NONE on machines that forbid MD5. */
sm_status sm_s3_call_send(sm_s3_call *call, const void *data, size_t len, sm_sum *md5);

/* For requests whose answer of 200 may hold an error, because it began before the work was done: a
 * check that has passing ones tried again, and the judgement of the rest. */
sm_http_check sm_s3_check_late_error;
sm_status sm_s3_call_judge_late(sm_s3_call *call, sm_http_reply *reply);

/* Performs it; SM_OK only for 2xx. A region that the answer taught is used at once. */
sm_status sm_s3_call_perform(sm_s3_call *call, sm_http_reply *reply);

/* The same, in two steps for many at once: performed by the caller, then judged. again: the call
 * was built anew for the region that the reply taught, and wants to be performed again. */
sm_status sm_s3_call_judge(sm_s3_call *call, sm_http_reply *reply, bool *again);

/* ---- s3_object.c: what replies and listings say of an object */

/* Sets info's tag and version. An ETag too long for tag is left out there. */
void sm_s3_put_etag(sm_file_info *info, const char *etag);

/* Of a 2xx reply to HEAD or GET. */
void sm_s3_info_of(sm_file_info *info, const sm_http_reply *reply, const char *bucket);

/* The MD5 that a reply's ETag tells of the whole object; SM_SUM_NONE when it is none: parts were
 * joined, or a key that we do not have encrypts it. */
void sm_s3_md5_of(sm_sum *sum, const sm_http_reply *reply, const char *bucket);

/* ---- s3.c */
sm_status sm_s3_stat_object(sm_file_info *info, const char *url); /* not folders */

/* ---- s3_list.c */
sm_status sm_s3_list(const char *url, sm_list_fn *fn, void *user);
sm_status sm_s3_stat_folder(sm_file_info *info, const char *url);

/* The token in a page's XML of where the next page begins, before the whole is read; NULL: there is
 * none, or none that can be told so. */
sm_status sm_s3_find_token(char **token, const void *data, size_t len);

/* ---- s3_write.c */

/* Bytes of an upload's part (from 1) when the first ones have `first`. All are of one size up to
 * 2,000, as some stores want it; then the size doubles every so often, so that S3's 10,000 parts
 * hold its largest object, of 5 TiB. */
size_t sm_s3_part_size(size_t first, unsigned number);

sm_status sm_s3_sink_open(void **sink, const char *url, bool only_new);
sm_status sm_s3_sink_write(void *opaque, const void *data, size_t len);
sm_status sm_s3_sink_commit(void *opaque);
void sm_s3_sink_abandon(void *opaque);

#endif
