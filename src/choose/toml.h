/*
 * A subset of TOML 1.0 as a JSON object: comments, [tables] and [[arrays of tables]] with one name,
 * bare keys, "basic" and 'literal' strings on one line, whole and decimal numbers, booleans, and
 * arrays of these, which may go over lines. Everything else (dotted and quoted keys, inline tables,
 * dates, multi-line strings, nan and inf) is refused with its line.
 */
#ifndef SM_CHOOSE_TOML_H
#define SM_CHOOSE_TOML_H

#include "core/json.h"

enum { SM_TOML_KEY_MAX = 64 };

/* text ends with a NUL. SM_ERR_FORMAT says "NAME:LINE: what is wrong". The caller owns *object. */
sm_status sm_toml_parse(json_t **object, const char *text, const char *name);

#endif
