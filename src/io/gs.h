/*
 * Between the files of Google Cloud Storage's store: where an object lies, and asking for it.
 *
 * Environment: STORAGE_EMULATOR_HOST (host:port or http://host:port) an emulator, which is asked
 * without credentials; SHARDMILL_GS_ENDPOINT another address of the service, asked with them (a
 * private endpoint); SHARDMILL_BILLING_PROJECT the project that pays for requests.
 */
#ifndef SM_IO_GS_H
#define SM_IO_GS_H

#include "io/http.h"
#include "io/listing.h"
#include "io/store.h"

#include <jansson.h>

/* gs://bucket/key: the key as it is, not percent-encoded; "" for the whole bucket. */
typedef struct sm_gs_place {
    char *bucket;
    const char *key; /* within bucket's memory */
} sm_gs_place;

/* SM_ERR_USAGE for what no bucket or object can be called. */
sm_status sm_gs_place_of(sm_gs_place *place, const char *url);
void sm_gs_place_free(sm_gs_place *place);

/* Which of the JSON API's resources a call is about. */
typedef enum sm_gs_target { SM_GS_OBJECT, SM_GS_LISTING, SM_GS_UPLOAD } sm_gs_target;

typedef struct sm_gs_call {
    sm_http_request request; /* the caller fills its data, range, into, check and so on */
    const char *url;         /* gs://…, borrowed: what messages say */
    const char *what;        /* "read": what messages say was tried */
    const char *permission;  /* "storage.objects.get" */
} sm_gs_call;

/* url, what and permission are borrowed for the call's life. May be freed when it fails. */
sm_status sm_gs_call_init(sm_gs_call *call, const char *method, const char *url,
                          sm_gs_target target, const char *what, const char *permission);
void sm_gs_call_free(sm_gs_call *call);

/* Adds name=value to the query, the value encoded. */
sm_status sm_gs_call_param(sm_gs_call *call, const char *name, const char *value);
/* Appends "/" and segment, encoded, to the path; before the first parameter. */
sm_status sm_gs_call_path(sm_gs_call *call, const char *segment);

/* Adds who pays (SHARDMILL_BILLING_PROJECT), behind the path; sm_gs_call_perform does it too. */
sm_status sm_gs_call_bill(sm_gs_call *call);

/* Performs it; SM_OK only for 2xx. */
sm_status sm_gs_call_perform(sm_gs_call *call, sm_http_reply *reply);
sm_status sm_gs_call_judge(const sm_gs_call *call, const sm_http_reply *reply);

/* What a reply's JSON, or an object's resource in it, says. SM_ERR_FORMAT: it makes no sense. */
sm_status sm_gs_json(json_t **json, const sm_gs_call *call, const sm_http_reply *reply);
sm_status sm_gs_info_of_json(sm_file_info *info, const json_t *object);

/* The texts of a resource's fields; NULL: it has no such. */
typedef struct sm_gs_fields {
    const char *size, *generation, *updated, *crc32c;
} sm_gs_fields;
sm_status sm_gs_info_of_fields(sm_file_info *info, const sm_gs_fields *fields);
/* What the headers of a reply with an object's bytes say. */
void sm_gs_info_of_reply(sm_file_info *info, const sm_http_reply *reply);

/* The fields of sm_gs_info_of_json, as the API's selector wants them. */
#define SM_GS_FIELDS "size,updated,generation,crc32c"

/* ---- gs.c: of the object itself; a "folder" is SM_ERR_NOT_FOUND */
sm_status sm_gs_stat_object(sm_file_info *info, const char *url);
/* Removes the object, if it still is that generation; NULL: whichever it is. */
sm_status sm_gs_remove_generation(const char *url, const char *generation);

/* ---- gs_list.c */
sm_status sm_gs_list(const char *url, sm_list_fn *fn, void *user);
/* A folder is what objects lie below; a bucket is one without any. */
sm_status sm_gs_stat_folder(sm_file_info *info, const char *url);

/* ---- gs_page.c: a page of a listing, which page holds nothing of yet */
sm_status sm_gs_page_read(sm_list_page *page, const sm_buf *text);
/* The same, by jansson alone: what the quick way does not know, and what it is tested against. */
sm_status sm_gs_page_read_any(sm_list_page *page, const sm_buf *text);

/* The value of nextPageToken in the text of a page, without reading all of it (the caller's to
 * free); NULL in *token: it is the last page. */
sm_status sm_gs_find_token(char **token, const void *text, size_t len);

/* ---- gs_write.c */
sm_status sm_gs_sink_open(void **sink, const char *url, bool only_new);
sm_status sm_gs_sink_write(void *opaque, const void *data, size_t len);
sm_status sm_gs_sink_commit(void *opaque);
void sm_gs_sink_abandon(void *opaque);

#endif
