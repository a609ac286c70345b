/*
 * Listing objects of Google Cloud Storage. While one page is given out, a thread has the next one
 * sent: where it begins is all that is read of a page first.
 */
#include "core/queue.h"
#include "io/gs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000, AHEAD = 2 };

/* A page's text, or why there is none. */
typedef struct page {
    sm_buf text;
    bool is_last;
    sm_status status;
    char error[SM_ERROR_MAX];
} page;

typedef struct listing {
    const char *url;
    char *prefix; /* the key with a slash behind it, so that "a" does not list "ab/c" */
    sm_queue pages;
} listing;

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

/* The text of a page of what begins with prefix, from token (NULL: the beginning) on. */
static sm_status ask_page(sm_buf *text, const char *url, const char *prefix, const char *token,
                          unsigned most, const char *fields)
{
    sm_gs_call call;
    sm_http_reply reply;
    char number[16];
    snprintf(number, sizeof number, "%u", most);
    sm_http_reply_init(&reply);
    sm_status status =
        sm_gs_call_init(&call, "GET", url, SM_GS_LISTING, "list", "storage.objects.list");
    if (status == SM_OK) status = sm_gs_call_param(&call, "maxResults", number);
    if (status == SM_OK && *prefix != '\0') status = sm_gs_call_param(&call, "prefix", prefix);
    if (status == SM_OK) status = sm_gs_call_param(&call, "fields", fields);
    if (status == SM_OK && token != NULL) status = sm_gs_call_param(&call, "pageToken", token);
    if (status == SM_OK) status = sm_gs_call_perform(&call, &reply);
    if (status == SM_OK) {
        *text = reply.body; /* taken over */
        sm_buf_init(&reply.body, 0);
    }
    sm_http_reply_free(&reply);
    sm_gs_call_free(&call);
    return status;
}

static void free_page(page *p)
{
    if (p != NULL) sm_buf_free(&p->text);
    free(p);
}

/* The page that begins at *token, which moves to the next one's (NULL behind the last). */
static page *next_page(const listing *l, char **token)
{
    page *p = calloc(1, sizeof *p);
    char *next = NULL;
    if (p == NULL) return NULL;
    p->status = ask_page(&p->text, l->url, l->prefix, *token, PAGE,
                         "items(name," SM_GS_FIELDS "),nextPageToken");
    if (p->status == SM_OK) p->status = sm_gs_find_token(&next, p->text.data, p->text.len);
    if (p->status != SM_OK) snprintf(p->error, sizeof p->error, "%s", sm_last_error());
    p->is_last = next == NULL;
    free(*token);
    *token = next;
    return p;
}

static void *ask_pages(void *user)
{
    listing *l = user;
    char *token = NULL;
    bool more = true;
    while (more) {
        page *p = next_page(l, &token);
        more = p != NULL && !p->is_last;
        if (p != NULL && !sm_queue_push(&l->pages, p)) {
            free_page(p);
            more = false;
        }
    }
    free(token);
    sm_queue_close(&l->pages);
    return NULL;
}

/* ---- Giving them out */

static sm_status give_items(const json_t *root, size_t prefix_len, sm_list_fn *fn, void *user)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(root, "items"), i, item)
    {
        sm_file_info info;
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name == NULL || strlen(name) < prefix_len)
            return sm_fail(SM_ERR_FORMAT, "the server's listing has an object without its name");
        sm_status status = sm_gs_info_of_json(&info, item);
        if (status == SM_OK) status = fn(user, name + prefix_len, &info);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

static sm_status read_page(json_t **root, const sm_buf *text, const char *url)
{
    json_t *read = json_loadb((const char *)text->data, text->len, 0, NULL);
    if (json_is_object(read)) {
        *root = read;
        return SM_OK;
    }
    json_decref(read);
    return sm_fail(SM_ERR_FORMAT, "cannot list '%s': the server's answer is no JSON object", url);
}

static sm_status give_page(const listing *l, const page *p, sm_list_fn *fn, void *user)
{
    json_t *root = NULL;
    if (p->status != SM_OK) return sm_fail(p->status, "%s", p->error);
    sm_status status = read_page(&root, &p->text, l->url);
    if (status == SM_OK) status = give_items(root, strlen(l->prefix), fn, user);
    json_decref(root);
    return status;
}

static sm_status give_pages(listing *l, sm_list_fn *fn, void *user)
{
    sm_status status = SM_OK;
    for (bool more = true; more && status == SM_OK;) {
        page *p = sm_queue_pop(&l->pages);
        status = p == NULL ? sm_fail_memory(sizeof *p) : give_page(l, p, fn, user);
        more = p != NULL && !p->is_last;
        free_page(p);
    }
    return status;
}

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
    listing l = {.url = url};
    pthread_t thread;
    sm_status status = prefix_of(&l.prefix, url);
    if (status != SM_OK) return status;
    status = sm_queue_init(&l.pages, AHEAD);
    if (status == SM_OK) {
        int error = pthread_create(&thread, NULL, ask_pages, &l);
        if (error != 0) {
            status = sm_fail_errno(error, "cannot start a thread");
        } else {
            status = give_pages(&l, fn, user);
            sm_queue_close(&l.pages);
            pthread_join(thread, NULL);
            for (page *left; (left = sm_queue_pop(&l.pages)) != NULL;) free_page(left);
        }
    }
    sm_queue_destroy(&l.pages);
    free(l.prefix);
    return status;
}

sm_status sm_gs_stat_folder(sm_file_info *info, const char *url)
{
    char *prefix = NULL, *token = NULL;
    json_t *root = NULL;
    sm_buf text = {0};
    sm_status status = prefix_of(&prefix, url);
    if (status != SM_OK) return status;
    status = ask_page(&text, url, prefix, NULL, 1, "items(name),nextPageToken");
    if (status == SM_OK) status = read_page(&root, &text, url);
    if (status == SM_OK) status = sm_gs_find_token(&token, text.data, text.len);
    if (status == SM_OK) {
        /* A token without items: the server looked through some and has more to look through. */
        const bool any = json_array_size(json_object_get(root, "items")) > 0 || token != NULL;
        if (any || *prefix == '\0')
            *info = (sm_file_info){.kind = SM_FILE_FOLDER};
        else
            status =
                sm_fail(SM_ERR_NOT_FOUND,
                        "cannot look at '%s': there is no such object, and none below it", url);
    }
    json_decref(root);
    sm_buf_free(&text);
    free(prefix);
    free(token);
    return status;
}
