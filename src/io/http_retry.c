#include "io/http_retry.h"

#include "core/env.h"
#include "core/machine.h"
#include "io/times.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    RETRY_SECONDS = 300,
    STALL_SECONDS = 30,
    SECONDS_MAX = 24 * 3600,
    FIRST_WAIT_MS = 250,
    WAIT_MAX_MS = 30000,
    DOUBLINGS = 7 /* from the first to past the longest wait */
};

static const uint64_t NS_PER_MS = 1000000, NS_PER_SECOND = 1000000000;

unsigned sm_retry_seconds(void)
{
    return (unsigned)sm_env_number("SHARDMILL_RETRY_SECONDS", SECONDS_MAX, RETRY_SECONDS);
}

unsigned sm_stall_seconds(void)
{
    const unsigned long seconds =
        sm_env_number("SHARDMILL_STALL_SECONDS", SECONDS_MAX, STALL_SECONDS);
    return seconds > 0 ? (unsigned)seconds : 1;
}

void sm_backoff_init(sm_backoff *backoff)
{
    *backoff =
        (sm_backoff){.since_ns = sm_clock_ns(), .patience_ns = sm_retry_seconds() * NS_PER_SECOND};
}

void sm_backoff_progress(sm_backoff *backoff)
{
    backoff->tries = 0;
    backoff->since_ns = sm_clock_ns();
}

static uint64_t random_below(uint64_t bound)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return bound / 2;
    return random % bound;
}

bool sm_backoff_next(sm_backoff *backoff, uint64_t retry_after_ms, uint64_t *wait_ns)
{
    unsigned doublings = backoff->tries < DOUBLINGS ? backoff->tries : DOUBLINGS;
    uint64_t longest = (uint64_t)FIRST_WAIT_MS << doublings;
    if (longest > WAIT_MAX_MS) longest = WAIT_MAX_MS;
    if (sm_is_stopping()) return false;
    const uint64_t now = sm_clock_ns(), deadline = backoff->since_ns + backoff->patience_ns;
    if (backoff->tries++ == 0) backoff->failed_ns = now;
    const uint64_t asked = retry_after_ms * NS_PER_MS;
    const uint64_t wait = asked + random_below(longest * NS_PER_MS);
    if (now >= deadline || asked > deadline - now) return false;
    *wait_ns = wait < deadline - now ? wait : deadline - now;
    return true;
}

static atomic_bool stopping; /* lock-free: set in signal handlers */

SM_API void sm_stop_waiting(void)
{
    atomic_store(&stopping, true);
}

bool sm_is_stopping(void)
{
    return atomic_load(&stopping);
}

bool sm_pause(uint64_t ns)
{
    const uint64_t end = sm_clock_ns() + ns, step = SM_STOP_LOOK_MS * NS_PER_MS;
    for (uint64_t now; !sm_is_stopping() && (now = sm_clock_ns()) < end;) {
        const uint64_t left = end - now < step ? end - now : step;
        const struct timespec nap = {.tv_nsec = (long)left};
        nanosleep(&nap, NULL);
    }
    return !sm_is_stopping();
}

bool sm_backoff_sleep(sm_backoff *backoff, uint64_t retry_after_ms)
{
    uint64_t wait;
    return sm_backoff_next(backoff, retry_after_ms, &wait) && sm_pause(wait);
}

uint64_t sm_retry_after_ms(const char *text, int64_t now_ns)
{
    int64_t then;
    if (*text >= '0' && *text <= '9') {
        char *end;
        errno = 0;
        unsigned long seconds = strtoul(text, &end, 10);
        if (errno != 0 || seconds > SECONDS_MAX) seconds = SECONDS_MAX;
        return end[strspn(end, " \t")] == '\0' ? seconds * 1000ULL : 0;
    }
    if (!sm_time_of_http(&then, text) || then <= now_ns) return 0;
    uint64_t wait = (uint64_t)(then - now_ns) / NS_PER_MS + 1;
    return wait < SECONDS_MAX * 1000ULL ? wait : SECONDS_MAX * 1000ULL;
}

bool sm_is_passing_status(int status)
{
    return status == 408 || status == 429 ||
           (status >= 500 && status < 600 && status != 501 && status != 505 && status != 507);
}
