/*
 * The results of a sweep: JSON Lines of the schema shardmill.sweep/1. The first line is the sweep
 * ("kind":"sweep", the job's "command"), then a row for each configuration that was run; of several
 * of one name the last holds.
 */
#ifndef SM_CLI_SWEEP_RESULTS_H
#define SM_CLI_SWEEP_RESULTS_H

#include "screen.h"

#include <jansson.h>

typedef struct sweep_results {
    FILE *file; /* locked */
    const sm_space *space;
    json_t **rows; /* one a candidate; NULL: none yet */
} sweep_results;

/* Opens path, or makes it, and reads the rows that are there. False, and the reason is printed,
 * when it is of another job, damaged, or in use. */
bool sweep_open(sweep_results *results, const char *path, const sm_space *space,
                const char *command_text, screen *s);
void sweep_close(sweep_results *results);

/* Takes row over, and writes it through to the device. False with errno. */
bool sweep_add(sweep_results *results, size_t candidate, json_t *row);

bool sweep_failed(const sweep_results *results, size_t candidate);
size_t sweep_failures(const sweep_results *results);

/* A line about a row, on stderr, and the table of all rows on stdout. */
void sweep_note(screen *s, const json_t *row);
void sweep_print(const sweep_results *results);

#endif
