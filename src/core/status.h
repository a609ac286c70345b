/* A status and one line for people, kept per thread (as libgit2 does it). */
#ifndef SM_CORE_STATUS_H
#define SM_CORE_STATUS_H

#include <shardmill.h>

enum { SM_ERROR_MAX = 1024 };

/* Sets this thread's error line and returns status, so that a call can stand behind `return`.
 * Wording as git's: "cannot open 'x': reason", lower case, no full stop. */
sm_status sm_fail(sm_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and strerror(error) behind it; the status is told from error. */
sm_status sm_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* SM_ERR_MEMORY for bytes that could not be had. */
sm_status sm_fail_memory(size_t bytes);

/* Puts "prefix: " before this thread's error line and returns status. */
sm_status sm_fail_prefix(sm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* It sees one file at a time, and would take a failure for SM_OK. */
#define sm_fail(status, ...)        ((sm_fail)((status), __VA_ARGS__), (status))
#define sm_fail_errno(error, ...)   ((sm_fail_errno)((error), __VA_ARGS__), SM_ERR_IO)
#define sm_fail_memory(bytes)       ((sm_fail_memory)(bytes), SM_ERR_MEMORY)
#define sm_fail_prefix(status, ...) ((sm_fail_prefix)((status), __VA_ARGS__), (status))
#endif

#endif
