/* What jansson does not do for us. */
#ifndef SM_CORE_JSON_H
#define SM_CORE_JSON_H

#include "core/buf.h"

#include <jansson.h>

bool sm_json_is_utf8(const char *text);

/* A JSON string of any bytes: what is no UTF-8 becomes U+FFFD. NULL without memory. */
json_t *sm_json_text(const char *text);

/* Sets object[key] to text; when text is no UTF-8, also object[key "_hex"] to its exact bytes. */
sm_status sm_json_set_path(json_t *object, const char *key, const char *text);

/* Reads that back: the exact bytes, appended to buf with a NUL that does not count. SM_ERR_CORRUPT
 * when there is no such string. */
sm_status sm_json_get_path(sm_buf *buf, const json_t *object, const char *key);

/* Sets object[key] to value, which it takes over; NULL (no memory for it) is SM_ERR_MEMORY. */
sm_status sm_json_set(json_t *object, const char *key, json_t *value);

/* Appends value as text; flags are jansson's. On failure buf is unchanged. */
sm_status sm_json_dump(sm_buf *buf, const json_t *value, size_t flags);

/* Appends value as text: one line, or indented for people; a newline behind it. */
sm_status sm_json_append(sm_buf *buf, const json_t *value, bool indented);

/* A whole number of object, 0 to 2^63-1; SM_ERR_CORRUPT when it is not there or is none. */
sm_status sm_json_get_u64(uint64_t *value, const json_t *object, const char *key);

#endif
