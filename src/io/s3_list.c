/*
 * What lies below a URL of S3. A thread asks for the next page while one is read and given out.
 */
#include "core/queue.h"
#include "io/s3.h"
#include "io/s3_xml.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_MAX = 64 << 20, /* bytes of a page's XML */
    AHEAD = 2,           /* pages that wait to be given out */
};

/* A page as it came. */
typedef struct raw_page {
    sm_buf text;
    char *next; /* the token that the page behind it was asked for by; NULL: it is the last */
    sm_status status;
    char error[SM_ERROR_MAX];
} raw_page;

typedef struct s3_listing {
    const char *url;
    char *prefix; /* what every key begins with */
    sm_queue pages;
    sm_list_fn *fn;
    void *user;
} s3_listing;

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

/* ---- Asking */

/* The text of the page behind token (NULL: the first). */
static sm_status ask_page(sm_buf *text, const char *url, const char *prefix, const char *token,
                          const char *at_most)
{
    const sm_s3_param params[] = {
        {"list-type", "2"},    {"encoding-type", "url"},
        {"prefix", prefix},    {"continuation-token", token},
        {"max-keys", at_most},
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

/* The token of text's next page. That of a page whose text does not show it at once is read with
 * the whole page. */
static sm_status next_token(char **token, const sm_buf *text)
{
    sm_status status = sm_s3_find_token(token, text->data, text->len);
    if (status != SM_OK || *token != NULL) return status;
    sm_s3_page page;
    sm_s3_page_init(&page);
    status = sm_s3_page_parse(&page, text->data, text->len);
    if (status == SM_OK && page.truncated) {
        *token = strdup(sm_s3_page_text(&page, page.next));
        if (*token == NULL) status = sm_fail_memory(1);
    }
    sm_s3_page_free(&page);
    return status;
}

static void free_page(raw_page *page)
{
    if (page == NULL) return;
    sm_buf_free(&page->text);
    free(page->next);
    free(page);
}

static raw_page *get_page(const s3_listing *listing, const char *token)
{
    raw_page *page = calloc(1, sizeof *page);
    if (page == NULL) return NULL;
    sm_buf_init(&page->text, PAGE_MAX);
    page->status = ask_page(&page->text, listing->url, listing->prefix, token, "1000");
    if (page->status == SM_OK) {
        page->status = next_token(&page->next, &page->text);
        if (page->status == SM_OK && token != NULL && page->next != NULL &&
            strcmp(token, page->next) == 0)
            page->status = sm_fail(SM_ERR_FORMAT, "one page comes again and again");
        if (page->status != SM_OK)
            sm_fail_prefix(page->status, "cannot list '%s': the store's answer makes no sense",
                           listing->url);
    }
    if (page->status != SM_OK) snprintf(page->error, sizeof page->error, "%s", sm_last_error());
    return page;
}

static void *ask_pages(void *user)
{
    s3_listing *listing = user;
    char *token = NULL;
    for (bool more = true; more;) {
        raw_page *page = get_page(listing, token);
        free(token);
        token = page == NULL || page->next == NULL ? NULL : strdup(page->next);
        more = token != NULL && page->status == SM_OK;
        if (page != NULL && !sm_queue_push(&listing->pages, page)) {
            free_page(page);
            more = false;
        }
    }
    free(token);
    sm_queue_close(&listing->pages);
    return NULL;
}

/* ---- Giving out */

static sm_status give_objects(const s3_listing *listing, const sm_s3_page *page)
{
    size_t prefix_len = strlen(listing->prefix);
    for (size_t i = 0; i < page->count; i++) {
        const sm_s3_object *object = &page->objects[i];
        const char *key = sm_s3_page_text(page, object->key);
        if (strncmp(key, listing->prefix, prefix_len) != 0)
            return sm_fail(SM_ERR_FORMAT,
                           "cannot list '%s': the store told of '%s', which is not below it",
                           listing->url, key);
        key += prefix_len;
        size_t len = strlen(key);
        /* What consoles put there to show an empty folder. */
        if (len == 0 || (key[len - 1] == '/' && object->size == 0)) continue;
        sm_file_info info = {.kind = SM_FILE_REGULAR, .size = object->size};
        info.mtime_ns = object->mtime_ns;
        sm_s3_put_etag(&info, sm_s3_page_text(page, object->etag));
        sm_status status = listing->fn(listing->user, key, &info);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

/* The page behind it was asked for by a token that only looked like its own, or is missing. */
static bool leads_elsewhere(const raw_page *raw, const sm_s3_page *page)
{
    const char *next = page->truncated ? sm_s3_page_text(page, page->next) : NULL;
    if (next == NULL || raw->next == NULL) return next != raw->next;
    return strcmp(next, raw->next) != 0;
}

static sm_status give_page(const s3_listing *listing, const raw_page *raw, sm_s3_page *page)
{
    if (raw->status != SM_OK) return sm_fail(raw->status, "%s", raw->error);
    sm_status status = sm_s3_page_parse(page, raw->text.data, raw->text.len);
    if (status == SM_OK && leads_elsewhere(raw, page))
        status = sm_fail(SM_ERR_FORMAT, "it is not clear where the next page is");
    if (status != SM_OK)
        return sm_fail_prefix(status, "cannot list '%s': the store's answer makes no sense",
                              listing->url);
    return give_objects(listing, page);
}

static sm_status give_pages(s3_listing *listing)
{
    sm_s3_page page;
    sm_s3_page_init(&page);
    sm_status status = SM_OK;
    for (bool more = true; more && status == SM_OK;) {
        raw_page *raw = sm_queue_pop(&listing->pages);
        status = raw == NULL ? sm_fail_memory(sizeof *raw) : give_page(listing, raw, &page);
        more = raw != NULL && raw->next != NULL;
        free_page(raw);
    }
    sm_s3_page_free(&page);
    return status;
}

static sm_status run_listing(s3_listing *listing)
{
    pthread_t thread;
    sm_status status = sm_queue_init(&listing->pages, AHEAD);
    if (status != SM_OK) return status;
    int error = pthread_create(&thread, NULL, ask_pages, listing);
    if (error != 0) {
        status = sm_fail_errno(error, "cannot start a thread");
    } else {
        status = give_pages(listing);
        sm_queue_close(&listing->pages);
        pthread_join(thread, NULL);
        for (raw_page *left; (left = sm_queue_pop(&listing->pages)) != NULL;) free_page(left);
    }
    sm_queue_destroy(&listing->pages);
    return status;
}

sm_status sm_s3_list(const char *url, sm_list_fn *fn, void *user)
{
    s3_listing listing = {.url = url, .fn = fn, .user = user};
    sm_status status = prefix_of(&listing.prefix, url);
    if (listing.prefix == NULL) return status;
    status = run_listing(&listing);
    free(listing.prefix);
    return status;
}

/* A folder is where keys lie below; a bucket is one even when it is empty. */
sm_status sm_s3_stat_folder(sm_file_info *info, const char *url)
{
    char *prefix = NULL;
    sm_buf text;
    sm_s3_page page;
    sm_status status = prefix_of(&prefix, url);
    if (prefix == NULL) return status;
    sm_buf_init(&text, PAGE_MAX);
    sm_s3_page_init(&page);
    status = ask_page(&text, url, prefix, NULL, "1");
    if (status == SM_OK) {
        status = sm_s3_page_parse(&page, text.data, text.len);
        if (status != SM_OK)
            sm_fail_prefix(status, "cannot list '%s': the store's answer makes no sense", url);
    }
    if (status == SM_OK && page.count == 0 && !page.truncated && prefix[0] != '\0')
        status = sm_fail(SM_ERR_NOT_FOUND,
                         "cannot look at '%s': there is no such object, and nothing below it", url);
    if (status == SM_OK) *info = (sm_file_info){.kind = SM_FILE_FOLDER};
    sm_buf_free(&text);
    sm_s3_page_free(&page);
    free(prefix);
    return status;
}
