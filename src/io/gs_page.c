/* A page of a listing of Google Cloud Storage: JSON, read by jansson, or by hand where it is as
 * simple as Google writes it. */
#include "io/gs.h"

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

/* ---- By jansson: whatever JSON may be */

static sm_status read_items(sm_list_page *page, const json_t *root)
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

static sm_status read_folders(sm_list_page *page, const json_t *root)
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

sm_status sm_gs_page_read_any(sm_list_page *page, const sm_buf *text)
{
    json_t *root = json_loadb((const char *)text->data, text->len, 0, NULL);
    const char *next = json_string_value(json_object_get(root, "nextPageToken"));
    sm_status status =
        json_is_object(root) ? SM_OK : sm_fail(SM_ERR_FORMAT, "it is no JSON object");
    if (status == SM_OK) status = read_items(page, root);
    if (status == SM_OK) status = read_folders(page, root);
    if (status == SM_OK && next != NULL && *next != '\0')
        status = sm_buf_append(&page->next, next, strlen(next) + 1);
    json_decref(root);
    return status;
}

/*
 * ---- The quick way. It knows strings in ASCII and without backslashes, lists and objects of them,
 * and no member twice of those that it reads: what is taken for such a page is one, and says to
 * jansson the same. Of a million objects, jansson's tree takes most of the time that listing them
 * takes. Members that were not asked for are skipped: fake-gcs-server sends all that there are.
 */

enum { FIELD_MAX = 64, DEPTH_MAX = 8 };

typedef struct scan {
    const char *at, *end;
} scan;

typedef struct word {
    const char *text; /* NULL: none */
    size_t len;
} word;

/* Whether c comes next, behind blanks; moves behind it. */
static bool take(scan *s, char c)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool take_string(scan *s, word *string)
{
    if (!take(s, '"')) return false;
    const char *from = s->at;
    while (s->at < s->end && *s->at >= ' ' && *s->at < 127 && *s->at != '"' && *s->at != '\\')
        s->at++;
    *string = (word){from, (size_t)(s->at - from)};
    return s->at < s->end && *s->at++ == '"';
}

static bool skip_value(scan *s, int depth);

static bool skip_members(scan *s, char close, int depth)
{
    word name;
    if (take(s, close)) return true;
    do {
        if (close == '}' && (!take_string(s, &name) || !take(s, ':'))) return false;
        if (!skip_value(s, depth)) return false;
    } while (take(s, ','));
    return take(s, close);
}

/* Moves behind a value that nobody asked for; depth: how many more may lie within each other. */
static bool skip_value(scan *s, int depth)
{
    word string;
    if (depth == 0) return false;
    if (take(s, '{')) return skip_members(s, '}', depth - 1);
    if (take(s, '[')) return skip_members(s, ']', depth - 1);
    return take_string(s, &string);
}

static bool is_word(const word *w, const char *text)
{
    return w->len == strlen(text) && memcmp(w->text, text, w->len) == 0;
}

enum { ITEM_NAME, ITEM_SIZE, ITEM_UPDATED, ITEM_GENERATION, ITEM_CRC32C, ITEM_FIELDS };

static bool take_item(scan *s, word fields[ITEM_FIELDS])
{
    static const char *const names[] = {"name", "size", "updated", "generation", "crc32c"};
    for (int i = 0; i < ITEM_FIELDS; i++) fields[i] = (word){0};
    if (!take(s, '{')) return false;
    do {
        word name, value;
        int i = 0;
        if (!take_string(s, &name) || !take(s, ':')) return false;
        while (i < ITEM_FIELDS && !is_word(&name, names[i])) i++;
        if (i == ITEM_FIELDS ? !skip_value(s, DEPTH_MAX) : !take_string(s, &value)) return false;
        if (i == ITEM_FIELDS) continue;
        if (fields[i].text != NULL || (i != ITEM_NAME && value.len >= FIELD_MAX)) return false;
        fields[i] = value;
    } while (take(s, ','));
    return take(s, '}') && fields[ITEM_NAME].text != NULL;
}

static sm_status add_item(sm_list_page *page, const word fields[ITEM_FIELDS])
{
    char texts[ITEM_FIELDS][FIELD_MAX];
    const char *values[ITEM_FIELDS] = {0};
    sm_list_entry *entry;
    for (int i = ITEM_NAME + 1; i < ITEM_FIELDS; i++) {
        if (fields[i].text == NULL) continue;
        memcpy(texts[i], fields[i].text, fields[i].len);
        texts[i][fields[i].len] = '\0';
        values[i] = texts[i];
    }
    sm_status status =
        sm_list_page_put(page, &entry, fields[ITEM_NAME].text, fields[ITEM_NAME].len);
    if (status != SM_OK) return status;
    return sm_gs_info_of_fields(&entry->info, &(sm_gs_fields){.size = values[ITEM_SIZE],
                                                              .updated = values[ITEM_UPDATED],
                                                              .generation = values[ITEM_GENERATION],
                                                              .crc32c = values[ITEM_CRC32C]});
}

static bool take_items(scan *s, sm_list_page *page)
{
    word fields[ITEM_FIELDS];
    if (page->count > 0 || !take(s, '[')) return false;
    do {
        if (!take_item(s, fields) || add_item(page, fields) != SM_OK) return false;
    } while (take(s, ','));
    return take(s, ']');
}

static bool take_token(scan *s, sm_list_page *page)
{
    word token;
    if (page->next.len > 0 || !take_string(s, &token) || token.len == 0) return false;
    return sm_buf_append(&page->next, token.text, token.len) == SM_OK &&
           sm_buf_append(&page->next, "", 1) == SM_OK;
}

/* A member of the page; folders are left to jansson. */
static bool take_member(scan *s, sm_list_page *page)
{
    word name;
    if (!take_string(s, &name) || !take(s, ':') || is_word(&name, "prefixes")) return false;
    if (is_word(&name, "items")) return take_items(s, page);
    return is_word(&name, "nextPageToken") ? take_token(s, page) : skip_value(s, DEPTH_MAX);
}

static bool take_page(scan *s, sm_list_page *page)
{
    if (!take(s, '{')) return false;
    do {
        if (!take_member(s, page)) return false;
    } while (take(s, ','));
    if (!take(s, '}')) return false;
    (void)take(s, ' '); /* moves behind blanks */
    return s->at == s->end;
}

sm_status sm_gs_page_read(sm_list_page *page, const sm_buf *text)
{
    if (text->len > 0) {
        const char *from = (const char *)text->data;
        scan s = {.at = from, .end = from + text->len};
        if (take_page(&s, page)) return SM_OK;
        sm_list_page_clear(page);
    }
    return sm_gs_page_read_any(page, text);
}
