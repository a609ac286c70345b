/* What lies below a URL of S3. */
#include "io/listing.h"
#include "io/s3.h"
#include "io/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Where a listing begins */

/* url's key with a slash behind it, or "" for a whole bucket. */
static sm_status prefix_of(char **prefix, const char *url)
{
    sm_s3_place place;
    sm_status status = sm_s3_place_of(&place, url);
    if (status != SM_OK) return status;
    size_t len = strlen(place.key);
    const char *slash = len == 0 || place.key[len - 1] == '/' ? "" : "/";
    if (asprintf(prefix, "%s%s", place.key, slash) < 0) {
        *prefix = NULL;
        status = sm_fail_memory(len + 2);
    }
    sm_s3_place_free(&place);
    return status;
}

/* The bucket's own URL, which listings ask. */
static sm_status bucket_url(char **bucket, const char *url)
{
    size_t len = 5 + strcspn(url + 5, "/");
    *bucket = strndup(url, len);
    return *bucket == NULL ? sm_fail_memory(len) : SM_OK;
}

/* ---- Pages */

static sm_status ask_page(sm_buf *text, const char *url, const sm_list_wish *wish)
{
    const sm_s3_param params[] = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"prefix", wish->prefix},
        {"continuation-token", wish->token},
        {"start-after", wish->token == NULL ? wish->start : NULL},
        {"delimiter", wish->folders ? "/" : NULL},
        {"max-keys", wish->any ? "1" : NULL},
    };
    char *bucket = NULL;
    sm_s3_call call;
    sm_http_reply reply;
    sm_status status = bucket_url(&bucket, url);
    if (status == SM_OK)
        status = sm_s3_call_init(&call, "GET", bucket, "list", "s3:ListBucket", params,
                                 sizeof params / sizeof *params);
    if (status == SM_OK) {
        sm_http_reply_init(&reply);
        call.request.into = text;
        status = sm_s3_call_perform(&call, &reply);
        sm_http_reply_free(&reply);
        sm_s3_call_free(&call);
    }
    free(bucket);
    return status;
}

sm_status sm_s3_find_token(char **token, const void *data, size_t len)
{
    static const char opening[] = "<NextContinuationToken>";
    *token = NULL;
    if (len == 0) return SM_OK;
    const char *end = (const char *)data + len;
    const char *text = memmem(data, len, opening, strlen(opening));
    if (text == NULL) return SM_OK;
    text += strlen(opening);
    const char *close = memchr(text, '<', (size_t)(end - text));
    size_t size = close == NULL ? 0 : (size_t)(close - text);
    if (size == 0 || memchr(text, '&', size) != NULL || memchr(text, '\0', size) != NULL)
        return SM_OK;
    *token = strndup(text, size);
    return *token == NULL ? sm_fail_memory(size) : SM_OK;
}

static sm_status take_objects(sm_list_page *page, const sm_s3_page *xml)
{
    sm_status status = SM_OK;
    for (size_t i = 0; i < xml->count && status == SM_OK; i++) {
        const sm_s3_object *object = &xml->objects[i];
        sm_file_info info = {.kind = SM_FILE_REGULAR, .size = object->size};
        info.mtime_ns = object->mtime_ns;
        sm_s3_put_etag(&info, sm_s3_page_text(xml, object->etag));
        status = sm_list_page_add(page, sm_s3_page_text(xml, object->key), &info);
    }
    return status;
}

static sm_status read_page(sm_list_page *page, const sm_buf *text)
{
    sm_s3_page xml;
    sm_s3_page_init(&xml);
    sm_status status = sm_s3_page_parse(&xml, text->data, text->len);
    if (status == SM_OK) status = take_objects(page, &xml);
    for (size_t i = 0; i < xml.folder_count && status == SM_OK; i++) {
        const char *folder = sm_s3_page_text(&xml, xml.folders[i]);
        status = sm_buf_append(&page->folders, folder, strlen(folder) + 1);
    }
    if (status == SM_OK && xml.truncated) {
        const char *next = sm_s3_page_text(&xml, xml.next);
        status = sm_buf_append(&page->next, next, strlen(next) + 1);
    }
    sm_s3_page_free(&xml);
    return status;
}

static const sm_list_source source = {
    .ask = ask_page, .find_token = sm_s3_find_token, .read = read_page};

sm_status sm_s3_list(const char *url, sm_list_fn *fn, void *user)
{
    char *prefix = NULL;
    sm_status status = prefix_of(&prefix, url);
    if (prefix == NULL) return status;
    status = sm_list_all(&source, url, prefix, fn, user);
    free(prefix);
    return status;
}

/* A folder is where keys lie below; a bucket is one even when it is empty. */
sm_status sm_s3_stat_folder(sm_file_info *info, const char *url)
{
    char *prefix = NULL;
    bool any = false;
    sm_status status = prefix_of(&prefix, url);
    if (prefix == NULL) return status;
    status = sm_list_any(&any, &source, url, prefix);
    if (status == SM_OK && !any && prefix[0] != '\0')
        status = sm_fail(SM_ERR_NOT_FOUND,
                         "cannot look at '%s': there is no such object, and nothing below it", url);
    if (status == SM_OK) *info = (sm_file_info){.kind = SM_FILE_FOLDER};
    free(prefix);
    return status;
}
