/* The summaries of commands. */
#ifndef SM_CLI_SUMMARY_H
#define SM_CLI_SUMMARY_H

#include "screen.h"

/* Of a pack, for people or as one JSON object, on stdout. */
void print_pack_summary(const sm_pack_summary *summary, const char *dst,
                        const sm_pack_options *options, log_format format);

/* The last line of --engine lines: {"type":"done",…}, or {"type":"error",…} when summary is NULL.
 */
void print_last_line(FILE *to, int code, const sm_pack_summary *summary,
                     const sm_pack_options *options, const char *error);

/* The outcome of a verify as one JSON object on stdout, and a problem as a line on stderr. */
void print_verify_json(const sm_verify_summary *summary);
void print_problem_json(const char *file, uint64_t offset, const char *message);

#endif
