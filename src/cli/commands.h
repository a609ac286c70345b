/* One file a command. */
#ifndef SM_CLI_COMMANDS_H
#define SM_CLI_COMMANDS_H

#include "options.h"

extern const command pack_command, verify_command, ls_command, cp_command, measure_command,
    report_command, choose_command, worker_command, dataproc_command, sweep_command;

#endif
