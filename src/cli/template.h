/* Words with {instance} and the like in them. */
#ifndef SM_CLI_TEMPLATE_H
#define SM_CLI_TEMPLATE_H

#include <shardmill.h>

enum { TEMPLATE_MAX = 1 << 16 };

/* Whether a name can stand in a shell's command: nothing in it means something there. */
bool is_plain(const char *name);

/*
 * Writes template with {instance}, {family}, {nodes}, {vcpus}, {memory_gb} and {price} filled in,
 * and {master} when master is not NULL; other {words} stay as they are. False when it does not fit,
 * or when a name of the candidate is not plain.
 */
bool fill_template(char filled[TEMPLATE_MAX], const char *template, const sm_candidate *candidate,
                   const char *master);

#endif
