#include "core/json.h"

#include "core/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes the UTF-8 sequence at text has (RFC 3629); 0 when it is none. */
static size_t utf8_len(const unsigned char *text)
{
    unsigned lead = text[0];
    if (lead < 0x80) return 1;
    size_t len = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    unsigned next = text[1];
    bool overlong = (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90);
    bool surrogate = lead == 0xed && next > 0x9f;
    bool too_high = lead == 0xf4 && next > 0x8f;
    return overlong || surrogate || too_high ? 0 : len;
}

bool sm_json_is_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != 0;) {
        size_t len = utf8_len(at);
        if (len == 0) return false;
        at += len;
    }
    return true;
}

json_t *sm_json_text(const char *text)
{
    if (sm_json_is_utf8(text)) return json_string_nocheck(text);
    sm_buf clean;
    sm_buf_init(&clean, SIZE_MAX / 2);
    sm_status status = SM_OK;
    for (const char *at = text; *at != '\0' && status == SM_OK;) {
        size_t len = utf8_len((const unsigned char *)at);
        status =
            len == 0 ? sm_buf_append_str(&clean, "\xef\xbf\xbd") : sm_buf_append(&clean, at, len);
        at += len == 0 ? 1 : len;
    }
    json_t *value =
        status == SM_OK ? json_stringn_nocheck((const char *)clean.data, clean.len) : NULL;
    sm_buf_free(&clean);
    return value;
}

sm_status sm_json_set(json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new_nocheck(object, key, value) != 0)
        return sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
    return SM_OK;
}

static const char hex_digits[] = "0123456789abcdef";

static sm_status hex_key(char *name, size_t cap, const char *key)
{
    int len = snprintf(name, cap, "%s_hex", key);
    return len > 0 && (size_t)len < cap
               ? SM_OK
               : sm_fail(SM_ERR_INTERNAL, "JSON key '%s' is too long", key);
}

sm_status sm_json_set_path(json_t *object, const char *key, const char *text)
{
    sm_status status = sm_json_set(object, key, sm_json_text(text));
    if (status != SM_OK || sm_json_is_utf8(text)) return status;

    char name[64];
    status = hex_key(name, sizeof name, key);
    sm_buf hex;
    sm_buf_init(&hex, SIZE_MAX / 2);
    for (; status == SM_OK && *text != '\0'; text++) {
        unsigned byte = (unsigned char)*text;
        char pair[2] = {hex_digits[byte >> 4], hex_digits[byte & 15]};
        status = sm_buf_append(&hex, pair, sizeof pair);
    }
    if (status == SM_OK)
        status = sm_json_set(object, name, json_stringn((const char *)hex.data, hex.len));
    sm_buf_free(&hex);
    return status;
}

static int hex_value(char digit)
{
    const char *at = digit == '\0' ? NULL : strchr(hex_digits, digit);
    return at == NULL ? -1 : (int)(at - hex_digits);
}

sm_status sm_json_get_path(sm_buf *buf, const json_t *object, const char *key)
{
    char name[64];
    sm_status status = hex_key(name, sizeof name, key);
    if (status != SM_OK) return status;

    const char *hex = json_string_value(json_object_get(object, name));
    if (hex == NULL) {
        const char *text = json_string_value(json_object_get(object, key));
        if (text == NULL) return sm_fail(SM_ERR_CORRUPT, "there is no '%s'", key);
        status = sm_buf_append_str(buf, text);
    }
    for (; status == SM_OK && hex != NULL && *hex != '\0'; hex += 2) {
        int high = hex_value(hex[0]), low = high < 0 ? -1 : hex_value(hex[1]);
        if (low < 0) return sm_fail(SM_ERR_CORRUPT, "'%s' is not hexadecimal", name);
        uint8_t byte = (uint8_t)(high * 16 + low);
        status = sm_buf_append(buf, &byte, 1);
    }
    if (status == SM_OK) status = sm_buf_append(buf, "", 1);
    if (status == SM_OK) buf->len--;
    return status;
}

typedef struct dumping {
    sm_buf *buf;
    sm_status status; /* the first failure: jansson goes on behind one in a key */
} dumping;

static int append_part(const char *text, size_t len, void *user)
{
    dumping *to = user;
    if (to->status == SM_OK) to->status = sm_buf_append(to->buf, text, len);
    return to->status == SM_OK ? 0 : -1;
}

sm_status sm_json_dump(sm_buf *buf, const json_t *value, size_t flags)
{
    const size_t begin = buf->len;
    dumping to = {.buf = buf};
    int failed = json_dump_callback(value, append_part, &to, flags | JSON_ENCODE_ANY);
    if (to.status == SM_OK && failed == 0) return SM_OK;
    buf->len = begin;
    return to.status != SM_OK ? to.status : sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON");
}

sm_status sm_json_append(sm_buf *buf, const json_t *value, bool indented)
{
    size_t flags = indented ? JSON_INDENT(2) : JSON_COMPACT;
    const size_t begin = buf->len;
    sm_status status = sm_json_dump(buf, value, flags | JSON_PRESERVE_ORDER);
    if (status == SM_OK) status = sm_buf_append_str(buf, "\n");
    if (status != SM_OK) buf->len = begin;
    return status;
}

sm_status sm_json_get_u64(uint64_t *value, const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    if (!json_is_integer(found) || json_integer_value(found) < 0)
        return sm_fail(SM_ERR_CORRUPT, "'%s' is no whole number", key);
    *value = (uint64_t)json_integer_value(found);
    return SM_OK;
}
