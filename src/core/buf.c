#include "core/buf.h"

#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAP = 256,
    LARGE = 128 << 10, /* from here on, malloc gives pages of their own */
    PAGE = 4096
};

void sm_buf_init(sm_buf *buf, size_t max)
{
    *buf = (sm_buf){.max = max};
}

void sm_buf_free(sm_buf *buf)
{
    free(buf->data);
    *buf = (sm_buf){.max = buf->max};
}

void sm_buf_clear(sm_buf *buf)
{
    buf->len = 0;
}

void *sm_alloc_pages(size_t size)
{
    if (size > SIZE_MAX - PAGE) return NULL;
    return aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
}

/* realloc, but a buffer that becomes large begins with a page; it stays so while realloc moves no
 * more than its pages. */
static uint8_t *grow(const sm_buf *buf, size_t cap)
{
    if (cap < LARGE || buf->cap >= LARGE) return realloc(buf->data, cap);
    uint8_t *data = sm_alloc_pages(cap);
    if (data == NULL) return NULL;
    if (buf->len > 0) memcpy(data, buf->data, buf->len);
    free(buf->data);
    return data;
}

sm_status sm_buf_reserve(sm_buf *buf, size_t extra)
{
    if (extra <= buf->cap - buf->len) return SM_OK;
    if (extra > buf->max - buf->len)
        return sm_fail(SM_ERR_LIMIT, "a buffer would grow over its limit of %zu bytes", buf->max);

    size_t need = buf->len + extra;
    size_t cap = buf->cap < FIRST_CAP ? FIRST_CAP : buf->cap;
    while (cap < need) cap = cap > buf->max / 2 ? buf->max : cap * 2;
    if (cap > buf->max) cap = buf->max;

    uint8_t *data = grow(buf, cap);
    if (data == NULL) return sm_fail_memory(cap);
    buf->data = data;
    buf->cap = cap;
    return SM_OK;
}

sm_status sm_buf_append(sm_buf *buf, const void *data, size_t len)
{
    if (len == 0) return SM_OK;
    sm_status status = sm_buf_reserve(buf, len);
    if (status != SM_OK) return status;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return SM_OK;
}

sm_status sm_buf_append_str(sm_buf *buf, const char *text)
{
    return sm_buf_append(buf, text, strlen(text));
}

sm_status sm_buf_printf(sm_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    sm_status status = len < 0 ? sm_fail(SM_ERR_INTERNAL, "cannot format '%s'", format)
                               : sm_buf_reserve(buf, (size_t)len + 1);
    if (status == SM_OK) {
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return status;
}
