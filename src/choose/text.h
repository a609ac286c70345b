/* Files of text that people write: read whole, with a cap. */
#ifndef SM_CHOOSE_TEXT_H
#define SM_CHOOSE_TEXT_H

#include "core/buf.h"

/* Reads the file at path, with a NUL behind it that does not count. SM_ERR_FORMAT when it holds a
 * NUL or is no UTF-8. */
sm_status sm_text_read(sm_buf *text, const char *path);

/* Reads a number, all of text: a finite one, decimal. */
bool sm_text_number(double *value, const char *text);

#endif
