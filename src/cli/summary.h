/* The summary of a pack, for people or as one JSON object, on stdout. */
#ifndef SM_CLI_SUMMARY_H
#define SM_CLI_SUMMARY_H

#include "screen.h"

void print_pack_summary(const sm_pack_summary *summary, const char *dst,
                        const sm_pack_options *options, log_format format);

#endif
