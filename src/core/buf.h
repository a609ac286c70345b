/* A growing byte buffer with a cap (as curl's dynbuf). */
#ifndef SM_CORE_BUF_H
#define SM_CORE_BUF_H

#include <shardmill.h>

enum { SM_PATH_LIMIT = 1 << 16 }; /* bytes of one path or URL; kernels and stores take less */

typedef struct sm_buf {
    uint8_t *data;
    size_t len; /* bytes in use */
    size_t cap; /* bytes owned */
    size_t max; /* bytes it may ever own */
} sm_buf;

/*
 * Memory for blocks that files are read into, to be freed with free; NULL when there is none. It
 * begins with a page. What malloc gives for so much begins 16 bytes behind one, and there AMD's
 * Zen 3 copies from the page cache at a tenth of its speed: its rep movsb, which read() uses, is
 * slow when it writes a few bytes behind where it reads, modulo 4096.
 */
void *sm_alloc_pages(size_t size);

/* Takes no memory. A zeroed sm_buf may be freed, not grown. */
void sm_buf_init(sm_buf *buf, size_t max);
void sm_buf_free(sm_buf *buf);

/* Forgets the content, keeps the memory. */
void sm_buf_clear(sm_buf *buf);

/* Makes room for extra more bytes behind len. SM_ERR_LIMIT past the cap, SM_ERR_MEMORY. */
sm_status sm_buf_reserve(sm_buf *buf, size_t extra);

sm_status sm_buf_append(sm_buf *buf, const void *data, size_t len);
sm_status sm_buf_append_str(sm_buf *buf, const char *text);

/* Appends formatted text, and a NUL behind len that does not count. */
sm_status sm_buf_printf(sm_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
