/* What lies below a URL of Google Cloud Storage. */
#include "io/gs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Pages */

static sm_status ask_page(sm_buf *text, const char *url, const sm_list_wish *wish)
{
    sm_gs_call call;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    reply.body = *text; /* for its memory */
    sm_status status =
        sm_gs_call_init(&call, "GET", url, SM_GS_LISTING, "list", "storage.objects.list");
    if (status == SM_OK) status = sm_gs_call_param(&call, "maxResults", wish->any ? "1" : "1000");
    if (status == SM_OK && *wish->prefix != '\0')
        status = sm_gs_call_param(&call, "prefix", wish->prefix);
    if (status == SM_OK && wish->folders) status = sm_gs_call_param(&call, "delimiter", "/");
    if (status == SM_OK)
        status = sm_gs_call_param(&call, "fields",
                                  "items(name," SM_GS_FIELDS "),prefixes,nextPageToken");
    if (status == SM_OK && wish->start != NULL)
        status = sm_gs_call_param(&call, "startOffset", wish->start);
    if (status == SM_OK && wish->token != NULL)
        status = sm_gs_call_param(&call, "pageToken", wish->token);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    *text = reply.body;
    sm_buf_init(&reply.body, 0);
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static const sm_list_source source = {
    .ask = ask_page, .find_token = sm_gs_find_token, .read = sm_gs_page_read};

/* The key with a slash behind it, so that "a" does not list "ab/c". */
static sm_status prefix_of(char **prefix, const char *url)
{
    sm_gs_place place = {0};
    sm_status status = sm_gs_place_of(&place, url);
    if (status != SM_OK || place.key == NULL) return status;
    const size_t len = strlen(place.key);
    if (asprintf(prefix, "%s%s", place.key, len == 0 || place.key[len - 1] == '/' ? "" : "/") < 0)
        status = sm_fail_memory(len);
    sm_gs_place_free(&place);
    return status;
}

sm_status sm_gs_list(const char *url, sm_list_fn *fn, void *user)
{
    char *prefix = NULL;
    sm_status status = prefix_of(&prefix, url);
    if (status == SM_OK) status = sm_list_all(&source, url, prefix, fn, user);
    free(prefix);
    return status;
}

sm_status sm_gs_stat_folder(sm_file_info *info, const char *url)
{
    char *prefix = NULL;
    bool any = false;
    sm_status status = prefix_of(&prefix, url);
    if (status == SM_OK) status = sm_list_any(&any, &source, url, prefix);
    if (status == SM_OK && !any && *prefix != '\0')
        status = sm_fail(SM_ERR_NOT_FOUND,
                         "cannot look at '%s': there is no such object, and none below it", url);
    if (status == SM_OK) *info = (sm_file_info){.kind = SM_FILE_FOLDER};
    free(prefix);
    return status;
}
