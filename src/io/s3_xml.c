#include "io/s3_xml.h"

#include "core/array.h"
#include "io/times.h"
#include "io/xml_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The first element of some names */

typedef struct field_search {
    sm_xml_field *fields, *root;
    size_t count;
} field_search;

static void take_text(sm_xml_reader *reader, sm_xml_field *field, const char *text)
{
    field->value = strdup(text);
    if (field->value == NULL) sm_xml_stop(reader, sm_fail_memory(strlen(text)));
}

static void search_start(sm_xml_reader *reader, const char *name)
{
    field_search *search = reader->user;
    if (reader->depth == 1 && search->root != NULL) take_text(reader, search->root, name);
}

static void search_end(sm_xml_reader *reader, const char *name)
{
    field_search *search = reader->user;
    for (size_t i = 0; i < search->count; i++)
        if (search->fields[i].value == NULL && strcmp(search->fields[i].name, name) == 0)
            take_text(reader, &search->fields[i], (const char *)reader->text.data);
}

sm_status sm_xml_find(sm_xml_field *fields, size_t count, sm_xml_field *root, const void *data,
                      size_t len)
{
    field_search search = {fields, root, count};
    sm_xml_reader reader = {.on_start = search_start, .on_end = search_end, .user = &search};
    for (size_t i = 0; i < count; i++) fields[i].value = NULL;
    if (root != NULL) root->value = NULL;
    sm_status status = sm_xml_read(&reader, data, len);
    if (status != SM_OK) {
        sm_xml_free(fields, count);
        if (root != NULL) sm_xml_free(root, 1);
    }
    return status;
}

void sm_xml_free(sm_xml_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value != NULL) explicit_bzero(fields[i].value, strlen(fields[i].value));
        free(fields[i].value);
        fields[i].value = NULL;
    }
}

/* ---- A page of ListObjectsV2 */

typedef struct page_reader {
    sm_s3_page *page;
    sm_s3_object object; /* the one being read */
    bool is_listing, in_object, in_folder, has_key, has_size;
    bool encoded, has_next;
} page_reader;

void sm_s3_page_init(sm_s3_page *page)
{
    *page = (sm_s3_page){0};
    sm_buf_init(&page->text, SM_XML_MAX);
}

void sm_s3_page_free(sm_s3_page *page)
{
    sm_buf_free(&page->text);
    free(page->objects);
    free(page->folders);
    page->objects = NULL;
    page->folders = NULL;
}

/* Keeps text with its NUL behind the page's others. */
static size_t keep_text(sm_xml_reader *reader)
{
    page_reader *listing = reader->user;
    size_t offset = listing->page->text.len;
    sm_status status = sm_buf_append(&listing->page->text, reader->text.data, reader->text.len);
    if (status != SM_OK) sm_xml_stop(reader, status);
    return offset;
}

static bool parse_size(uint64_t *size, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > INT64_MAX) return false;
    *size = value;
    return true;
}

static void listing_start(sm_xml_reader *reader, const char *name)
{
    page_reader *listing = reader->user;
    if (reader->depth == 1) listing->is_listing = strcmp(name, "ListBucketResult") == 0;
    if (reader->depth == 2) listing->in_folder = strcmp(name, "CommonPrefixes") == 0;
    if (reader->depth != 2 || strcmp(name, "Contents") != 0) return;
    listing->in_object = true;
    listing->has_key = listing->has_size = false;
    listing->object = (sm_s3_object){0};
}

static void end_object(sm_xml_reader *reader, page_reader *listing)
{
    sm_s3_page *page = listing->page;
    listing->in_object = false;
    if (!listing->has_key || !listing->has_size) {
        sm_xml_stop(reader, sm_fail(SM_ERR_FORMAT, "an object has no %s",
                                    listing->has_key ? "size" : "key"));
        return;
    }
    sm_status status =
        sm_array_grow(&page->objects, &page->cap, page->count, sizeof *page->objects);
    if (status != SM_OK)
        sm_xml_stop(reader, status);
    else
        page->objects[page->count++] = listing->object;
}

static void add_folder(sm_xml_reader *reader, sm_s3_page *page)
{
    sm_status status =
        sm_array_grow(&page->folders, &page->folder_cap, page->folder_count, sizeof *page->folders);
    if (status != SM_OK)
        sm_xml_stop(reader, status);
    else
        page->folders[page->folder_count++] = keep_text(reader);
}

static void object_field(sm_xml_reader *reader, page_reader *listing, const char *name,
                         const char *text)
{
    if (strcmp(name, "Key") == 0) {
        listing->object.key = keep_text(reader);
        listing->has_key = *text != '\0';
    } else if (strcmp(name, "ETag") == 0) {
        listing->object.etag = keep_text(reader);
    } else if (strcmp(name, "Size") == 0) {
        listing->has_size = parse_size(&listing->object.size, text);
    } else if (strcmp(name, "LastModified") == 0) {
        (void)sm_time_of_rfc3339(&listing->object.mtime_ns, text); /* or stays 0 */
    }
}

static void listing_end(sm_xml_reader *reader, const char *name)
{
    page_reader *listing = reader->user;
    const char *text = (const char *)reader->text.data;
    if (reader->depth == 3 && listing->in_object) {
        object_field(reader, listing, name, text);
    } else if (reader->depth == 3 && listing->in_folder && strcmp(name, "Prefix") == 0) {
        add_folder(reader, listing->page);
    } else if (reader->depth != 2) {
        return;
    } else if (listing->in_object) {
        end_object(reader, listing);
    } else if (strcmp(name, "IsTruncated") == 0) {
        listing->page->truncated = strcmp(text, "true") == 0;
    } else if (strcmp(name, "NextContinuationToken") == 0) {
        listing->has_next = *text != '\0';
        listing->page->next = keep_text(reader);
    } else if (strcmp(name, "EncodingType") == 0) {
        listing->encoded = strcmp(text, "url") == 0;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place, as web forms have it: '+' is a blank. False when it would hide a NUL in a key. */
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        int high = *in == '%' ? hex_digit(in[1]) : -1;
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0) {
            *out++ = *in == '+' ? ' ' : *in;
            continue;
        }
        if (high + low == 0) return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

static sm_status finish_page(sm_s3_page *page, const page_reader *listing)
{
    if (!listing->is_listing) return sm_fail(SM_ERR_FORMAT, "it is no list of objects");
    if (page->truncated && !listing->has_next)
        return sm_fail(SM_ERR_FORMAT, "more pages follow, and no token tells where");
    for (size_t i = 0; i < page->count && listing->encoded; i++)
        if (!decode((char *)page->text.data + page->objects[i].key))
            return sm_fail(SM_ERR_FORMAT, "a key holds a NUL");
    for (size_t i = 0; i < page->folder_count && listing->encoded; i++)
        if (!decode((char *)page->text.data + page->folders[i]))
            return sm_fail(SM_ERR_FORMAT, "a folder's name holds a NUL");
    return SM_OK;
}

static sm_status clear_page(sm_s3_page *page)
{
    sm_buf_clear(&page->text);
    page->count = page->folder_count = page->next = 0;
    page->truncated = false;
    return sm_buf_append(&page->text, "", 1); /* offset 0: an empty text */
}

static sm_status parse(sm_s3_page *page, const void *data, size_t len, sm_xml_read_fn *read)
{
    page_reader listing = {.page = page};
    sm_xml_reader reader = {.on_start = listing_start, .on_end = listing_end, .user = &listing};
    sm_status status = clear_page(page);
    if (status == SM_OK) status = read(&reader, data, len);
    return status == SM_OK ? finish_page(page, &listing) : status;
}

sm_status sm_s3_page_parse_any(sm_s3_page *page, const void *data, size_t len)
{
    return parse(page, data, len, sm_xml_read);
}

sm_status sm_s3_page_parse(sm_s3_page *page, const void *data, size_t len)
{
    sm_status status = parse(page, data, len, sm_xml_scan);
    return status == SM_OK ? SM_OK : sm_s3_page_parse_any(page, data, len);
}
