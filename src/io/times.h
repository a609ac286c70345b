/* Dates as servers write them. */
#ifndef SM_IO_TIMES_H
#define SM_IO_TIMES_H

#include <stdbool.h>
#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110) into nanoseconds since 1970; false: it is none. */
bool sm_time_of_http(int64_t *ns, const char *text);

/* "1994-11-06T08:49:37.123Z", or with an offset such as "+01:00" (RFC 3339). */
bool sm_time_of_rfc3339(int64_t *ns, const char *text);

#endif
