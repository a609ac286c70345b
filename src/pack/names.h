/* A list of distinct strings, numbered from 0 in the order they came: classes, splits. */
#ifndef SM_PACK_NAMES_H
#define SM_PACK_NAMES_H

#include "core/buf.h"

typedef struct sm_names {
    sm_buf text;     /* every string with its NUL */
    size_t *offsets; /* of each string in text */
    size_t count, cap;
    uint32_t *slots;   /* open addressing: a string's number + 1, or 0 */
    size_t slot_count; /* a power of two, at least twice count */
} sm_names;

enum { SM_NAMES_MAX = 1 << 24, SM_NO_NAME = -1 };

void sm_names_init(sm_names *names);
void sm_names_free(sm_names *names);

/* The number of text, which is added when it is new. */
sm_status sm_names_add(sm_names *names, uint32_t *number, const char *text);

/* The number of text, or SM_NO_NAME. */
int64_t sm_names_find(const sm_names *names, const char *text);

const char *sm_names_get(const sm_names *names, size_t number);

/*
 * Sorts by bytes; strings that are all whole numbers are sorted by value, so that "10" comes behind
 * "9". new_of_old (count entries, the caller's) tells each string's new number.
 */
sm_status sm_names_sort(sm_names *names, uint32_t *new_of_old);

#endif
