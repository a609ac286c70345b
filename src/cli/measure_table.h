/* What people see of a measurement. */
#ifndef SM_CLI_MEASURE_TABLE_H
#define SM_CLI_MEASURE_TABLE_H

#include "screen.h"

/* A row for each cell, what is to be known of the trials behind it, and what to do; on stdout.
 * what_if: the share of the best rate that readers are wanted for, 0: not asked. */
void print_measure_table(const sm_measure_result *result, double what_if);

#endif
