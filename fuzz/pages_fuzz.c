/*
 * Bytes as a page of a store's listing, of Google's JSON and of S3's XML. The quick ways of reading
 * must say what jansson and expat say, and take nothing that these refuse.
 */
#include "core/status.h"
#include "fuzz.h"
#include "io/gs.h"
#include "io/s3_xml.h"

#include <string.h>

static void compare(const sm_buf *a, const sm_buf *b)
{
    FUZZ_CHECK(a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0));
}

static void read_json(const sm_buf *text)
{
    sm_list_page page, other;
    sm_list_page_init(&page);
    sm_list_page_init(&other);
    const sm_status status = sm_gs_page_read(&page, text);
    FUZZ_CHECK(sm_gs_page_read_any(&other, text) == status);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    if (status == SM_OK) {
        FUZZ_CHECK(page.count == other.count);
        compare(&page.text, &other.text);
        compare(&page.folders, &other.folders);
        compare(&page.next, &other.next);
        for (size_t i = 0; i < page.count; i++) {
            const sm_file_info *a = &page.entries[i].info, *b = &other.entries[i].info;
            FUZZ_CHECK(page.entries[i].key == other.entries[i].key);
            FUZZ_CHECK(a->size == b->size && a->mtime_ns == b->mtime_ns &&
                       a->version == b->version);
            FUZZ_CHECK(strcmp(a->tag, b->tag) == 0 && memcmp(&a->sum, &b->sum, sizeof a->sum) == 0);
        }
    }
    sm_list_page_free(&page);
    sm_list_page_free(&other);
}

static void read_xml(const sm_buf *text)
{
    sm_s3_page page, other;
    sm_s3_page_init(&page);
    sm_s3_page_init(&other);
    const sm_status status = sm_s3_page_parse(&page, text->data, text->len);
    FUZZ_CHECK(sm_s3_page_parse_any(&other, text->data, text->len) == status);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    if (status == SM_OK) {
        FUZZ_CHECK(page.count == other.count && page.folder_count == other.folder_count);
        FUZZ_CHECK(page.truncated == other.truncated && page.next == other.next);
        compare(&page.text, &other.text);
        for (size_t i = 0; i < page.count; i++) {
            const sm_s3_object *a = &page.objects[i], *b = &other.objects[i];
            FUZZ_CHECK(a->key == b->key && a->etag == b->etag);
            FUZZ_CHECK(a->size == b->size && a->mtime_ns == b->mtime_ns);
        }
    }
    sm_s3_page_free(&page);
    sm_s3_page_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sm_buf text;
    char *token;
    sm_buf_init(&text, SIZE_MAX / 2);
    FUZZ_CHECK(sm_buf_append(&text, data, size) == SM_OK);
    read_json(&text);
    read_xml(&text);
    if (sm_gs_find_token(&token, data, size) == SM_OK) free(token);
    sm_buf_free(&text);
    return 0;
}
