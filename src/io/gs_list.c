/* What lies below a URL of Google Cloud Storage. */
#include "io/gs.h"
#include "io/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Where the next page begins */

/* Behind the string that begins at text[at] with its quote. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
    for (at++; at < len && text[at] != '"'; at++)
        if (text[at] == '\\') at++;
    return at < len ? at + 1 : len;
}

static size_t skip_space(const char *text, size_t len, size_t at)
{
    while (at < len && strchr(" \t\r\n", text[at]) != NULL && text[at] != '\0') at++;
    return at;
}

static sm_status copy_string(char **copy, const char *text, size_t len)
{
    json_t *string = json_loadb(text, len, JSON_DECODE_ANY, NULL);
    const char *value = json_string_value(string);
    sm_status status = SM_OK;
    if (value == NULL) {
        status = sm_fail(SM_ERR_FORMAT, "the server's listing does not say how to go on");
    } else if (*value != '\0') {
        *copy = strdup(value);
        if (*copy == NULL) status = sm_fail_memory(len);
    }
    json_decref(string);
    return status;
}

sm_status sm_gs_find_token(char **token, const void *data, size_t len)
{
    static const char name[] = "\"nextPageToken\"";
    const char *text = data;
    int depth = 0;
    *token = NULL;
    for (size_t at = 0; at < len;) {
        const char c = text[at];
        if (c != '"') {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            at++;
            continue;
        }
        const size_t end = skip_string(text, len, at);
        const bool named =
            depth == 1 && end - at == strlen(name) && memcmp(text + at, name, strlen(name)) == 0;
        at = end;
        if (!named) continue;
        at = skip_space(text, len, at);
        if (at >= len || text[at] != ':') continue; /* it was a value */
        at = skip_space(text, len, at + 1);
        return copy_string(token, text + at, skip_string(text, len, at) - at);
    }
    return SM_OK;
}

/* ---- Pages */

static sm_status ask_page(sm_buf *text, const char *url, const sm_list_wish *wish)
{
    sm_gs_call call;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
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
    if (status == SM_OK) {
        *text = reply.body; /* taken over */
        sm_buf_init(&reply.body, 0);
    }
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static sm_status take_items(sm_list_page *page, const json_t *root)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(root, "items"), i, item)
    {
        sm_file_info info;
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name == NULL) return sm_fail(SM_ERR_FORMAT, "an object has no name");
        sm_status status = sm_gs_info_of_json(&info, item);
        if (status == SM_OK) status = sm_list_page_add(page, name, &info);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status take_folders(sm_list_page *page, const json_t *root)
{
    size_t i;
    const json_t *folder;
    json_array_foreach(json_object_get(root, "prefixes"), i, folder)
    {
        const char *name = json_string_value(folder);
        if (name == NULL) return sm_fail(SM_ERR_FORMAT, "a folder has no name");
        sm_status status = sm_buf_append(&page->folders, name, strlen(name) + 1);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status read_page(sm_list_page *page, const sm_buf *text)
{
    json_t *root = json_loadb((const char *)text->data, text->len, 0, NULL);
    const char *next = json_string_value(json_object_get(root, "nextPageToken"));
    sm_status status =
        json_is_object(root) ? SM_OK : sm_fail(SM_ERR_FORMAT, "it is no JSON object");
    if (status == SM_OK) status = take_items(page, root);
    if (status == SM_OK) status = take_folders(page, root);
    if (status == SM_OK && next != NULL && *next != '\0')
        status = sm_buf_append(&page->next, next, strlen(next) + 1);
    json_decref(root);
    return status;
}

static const sm_list_source source = {
    .ask = ask_page, .find_token = sm_gs_find_token, .read = read_page};

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
