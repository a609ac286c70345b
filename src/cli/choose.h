/* The parts of `shardmill choose`. */
#ifndef SM_CLI_CHOOSE_H
#define SM_CLI_CHOOSE_H

#include "screen.h"

/* Searches over the line protocol of recorded tables, on stdin and stdout, until its end:
 *
 *   > job NAME SEED N, N lines `cfg INDEX FAMILY SIZE NODES VCPUS MEM_GB PRICE`, `hist M`, M lines
 *     `h JOB FAMILY SIZE NODES VCPUS MEM_GB PRICE ok|failed SECONDS COST`, go
 *   < try INDEX              > ran INDEX ok|failed SECONDS COST
 *   < stop INDEX             > more (explore further) or end
 *
 * False when something failed, or a line is none of the protocol's: sm_last_error() or *wrong says
 * what. */
bool run_protocol(const sm_choose_options *options, const char **wrong);

#endif
