/* INI files as AWS's tools write them: sections, "key = value", and one level of indented keys
 * below a key without a value ("s3 =" with "addressing_style = path" below it). */
#ifndef SM_IO_INI_H
#define SM_IO_INI_H

#include <shardmill.h>

enum { SM_INI_MAX = 1 << 20 }; /* bytes of a file */

typedef struct sm_ini sm_ini;

/* Copies text. SM_ERR_FORMAT with the line's number, but never its words: they may be a secret.
 * name is what the message calls the file. */
sm_status sm_ini_parse(sm_ini **ini, const char *text, size_t len, const char *name);

/* Reads a file; one that is not there is as good as an empty one. */
sm_status sm_ini_read(sm_ini **ini, const char *path);

/* Wipes what it held. NULL is fine. */
void sm_ini_free(sm_ini *ini);

bool sm_ini_has(const sm_ini *ini, const char *section);

/* The last value that section gives key, NULL when none; a key of the second level is
 * "s3.addressing_style". Keys match in any case. Borrowed from ini. */
const char *sm_ini_get(const sm_ini *ini, const char *section, const char *key);

#endif
