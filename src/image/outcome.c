#include "image/outcome.h"

#include <stdarg.h>
#include <stdio.h>

static sm_status status_of(sm_reason reason)
{
    switch (reason) {
    case SM_FAIL_NOT_AN_IMAGE:
    case SM_FAIL_UNSUPPORTED: return SM_ERR_FORMAT;
    case SM_FAIL_TOO_MANY_PIXELS:
    case SM_FAIL_FILE_TOO_LARGE: return SM_ERR_LIMIT;
    case SM_FAIL_OUT_OF_MEMORY: return SM_ERR_MEMORY;
    case SM_FAIL_ENCODE: return SM_ERR_LIMIT;
    default: return SM_ERR_CORRUPT;
    }
}

sm_status sm_picture_fail(sm_picture_info *info, sm_stage stage, sm_reason reason,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(info->message, sizeof info->message, format, args);
    va_end(args);
    info->stage = stage;
    info->reason = reason;
    return sm_fail(status_of(reason), "%s", info->message);
}

sm_status sm_picture_fail_status(sm_picture_info *info, sm_stage stage, sm_status status)
{
    info->stage = stage;
    info->reason = stage == SM_STAGE_ENCODE && status != SM_ERR_MEMORY ? SM_FAIL_ENCODE
                                                                       : SM_FAIL_OUT_OF_MEMORY;
    snprintf(info->message, sizeof info->message, "%s", sm_last_error());
    return status;
}

void sm_picture_warn(sm_picture_info *info, const char *format, ...)
{
    if (info->warnings++ > 0) return;
    va_list args;
    va_start(args, format);
    vsnprintf(info->message, sizeof info->message, format, args);
    va_end(args);
}
