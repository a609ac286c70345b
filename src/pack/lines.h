/* Text files read line by line, or character by character, in flat memory. */
#ifndef SM_PACK_LINES_H
#define SM_PACK_LINES_H

#include "core/buf.h"

typedef struct sm_lines sm_lines;

enum { SM_LINES_END = -1 };

/* Skips a UTF-8 byte order mark. */
sm_status sm_lines_open(sm_lines **lines, const char *path);
void sm_lines_close(sm_lines *lines); /* NULL is fine */

/*
 * The next line, without its end (LF or CRLF), into line with a NUL that does not count; *more is
 * false when there was none. A NUL inside a line is SM_ERR_FORMAT: it is no text file. A line
 * longer than line's cap is SM_ERR_LIMIT.
 */
sm_status sm_lines_next(sm_lines *lines, bool *more, sm_buf *line);

/* The next byte, or SM_LINES_END. */
sm_status sm_lines_byte(sm_lines *lines, int *byte);
/* The one that sm_lines_byte would give, without taking it. */
sm_status sm_lines_peek(sm_lines *lines, int *byte);

const char *sm_lines_path(const sm_lines *lines);
uint64_t sm_lines_number(const sm_lines *lines); /* of the line the next byte is on, from 1 */

#endif
