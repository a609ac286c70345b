#include "core/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[SM_ERROR_MAX];

const char *sm_last_error(void)
{
    return last_error;
}

const char *sm_version(void)
{
    return SM_VERSION;
}

const char *sm_status_name(sm_status status)
{
    switch (status) {
    case SM_OK: return "ok";
    case SM_ERR_USAGE: return "usage";
    case SM_ERR_NOT_FOUND: return "not_found";
    case SM_ERR_ACCESS: return "access";
    case SM_ERR_IO: return "io";
    case SM_ERR_NO_SPACE: return "no_space";
    case SM_ERR_MEMORY: return "memory";
    case SM_ERR_LIMIT: return "limit";
    case SM_ERR_FORMAT: return "format";
    case SM_ERR_CORRUPT: return "corrupt";
    case SM_ERR_CONFLICT: return "conflict";
    case SM_ERR_FAILURES: return "failures";
    case SM_ERR_CANCELLED: return "cancelled";
    case SM_ERR_INTERNAL: return "internal";
    }
    return "unknown";
}

sm_status(sm_fail)(sm_status status, const char *format, ...)
{
    /* Through a second buffer: an argument may be the error line itself. */
    char line[SM_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    memcpy(last_error, line, sizeof line);
    return status;
}

static sm_status status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR: return SM_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return SM_ERR_ACCESS;
    case ENOSPC:
    case EDQUOT: return SM_ERR_NO_SPACE;
    case ENOMEM: return SM_ERR_MEMORY;
    case EEXIST:
    case ENOTEMPTY: return SM_ERR_CONFLICT;
    default: return SM_ERR_IO;
    }
}

sm_status(sm_fail_errno)(int error, const char *format, ...)
{
    char what[SM_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char reason[128];
    const char *text = strerror_r(error, reason, sizeof reason); /* GNU: may not use the buffer */
    return sm_fail(status_of_errno(error), "%s: %s", what, text);
}

sm_status(sm_fail_memory)(size_t bytes)
{
    return sm_fail(SM_ERR_MEMORY, "cannot get %zu bytes of memory", bytes);
}

sm_status(sm_fail_prefix)(sm_status status, const char *format, ...)
{
    char prefix[SM_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return sm_fail(status, "%s: %s", prefix, last_error);
}
