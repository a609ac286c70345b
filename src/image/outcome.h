/* How the parts of this room tell that a picture failed, or that it is doubtful. */
#ifndef SM_IMAGE_OUTCOME_H
#define SM_IMAGE_OUTCOME_H

#include "image/image.h"

/* Fills in info's failure and this thread's error line with the same words; returns a status. */
sm_status sm_picture_fail(sm_picture_info *info, sm_stage stage, sm_reason reason,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, with the words of a call that has just failed for want of memory or of room. */
sm_status sm_picture_fail_status(sm_picture_info *info, sm_stage stage, sm_status status);

/* Counts a warning; the first one's words are kept. */
void sm_picture_warn(sm_picture_info *info, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
