/* What the options of a pack mean: checks, splits, and the record of them that a set keeps. */
#ifndef SM_PACK_OPTIONS_H
#define SM_PACK_OPTIONS_H

#include "core/json.h"

#include <shardmill.h>

/* SM_ERR_USAGE when an option is out of its range or contradicts another. */
sm_status sm_options_check(const sm_pack_options *options, const char *src);

typedef struct sm_split_share {
    char name[SM_NAME_MAX];
    double share; /* of all pictures, > 0; the shares add up to 1 */
} sm_split_share;

/* Reads "train=0.9,val=0.1"; NULL is all in "train". */
sm_status sm_options_splits(sm_split_share shares[SM_MAX_SPLITS], size_t *count, const char *text);

/*
 * The options that decide the bytes of a set, as an object of option names and text values, in a
 * fixed order. *object is the caller's. name is the set's, however it was found.
 */
sm_status sm_options_json(json_t **object, const sm_pack_options *options, const char *name);

/*
 * The other way: options from such an object, all others as sm_pack_options_init leaves them.
 * Strings are borrowed from object. SM_ERR_FORMAT when it does not come back to the same object:
 * then another version of shardmill made it; SM_ERR_CORRUPT.
 */
sm_status sm_options_from_json(sm_pack_options *options, json_t *object);

/* One line for each option in which two such objects differ, appended to text. */
sm_status sm_options_difference(sm_buf *text, const json_t *before, json_t *now);

#endif
