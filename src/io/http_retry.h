/* When to try again: exponential backoff with full jitter, and a deadline. */
#ifndef SM_IO_HTTP_RETRY_H
#define SM_IO_HTTP_RETRY_H

#include "core/status.h"

typedef struct sm_backoff {
    unsigned tries;       /* that failed since the last progress */
    uint64_t since_ns;    /* of the last progress, or the beginning */
    uint64_t failed_ns;   /* of the first try that failed since then */
    uint64_t patience_ns; /* how long after it there is still another try */
} sm_backoff;

void sm_backoff_init(sm_backoff *backoff);
/* Something came: the clock and the waits begin anew. */
void sm_backoff_progress(sm_backoff *backoff);
/* How long to wait before the next try: a random part of a time that doubles, and no less than
 * retry_after_ms; the last try is at the deadline. False: that is past, retry_after_ms would be, or
 * all is to end. */
bool sm_backoff_next(sm_backoff *backoff, uint64_t retry_after_ms, uint64_t *wait_ns);
/* The same, and sleeps so long; false also when sm_stop_waiting ends the sleep. */
bool sm_backoff_sleep(sm_backoff *backoff, uint64_t retry_after_ms);

/* Whether sm_stop_waiting was called. It is looked at every so often: */
enum { SM_STOP_LOOK_MS = 100 };
bool sm_is_stopping(void);
/* Sleeps; false: until sm_stop_waiting. */
bool sm_pause(uint64_t ns);

/* SHARDMILL_RETRY_SECONDS and SHARDMILL_STALL_SECONDS, or their defaults. */
unsigned sm_retry_seconds(void);
unsigned sm_stall_seconds(void);

/* Of a Retry-After header, seconds or a date; now_ns: since 1970. 0: nothing to wait for. */
uint64_t sm_retry_after_ms(const char *text, int64_t now_ns);

/* Statuses that another try may change: 408, 429 and 5xx but 501 and 505. */
bool sm_is_passing_status(int status);

#endif
