/* shardmill worker */
#include "commands.h"
#include "screen.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "threads",
     .letter = 'j',
     .kind = OPTION_U32,
     .offset = offsetof(sm_worker_options, threads),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "converters at once (SPARK_EXECUTOR_CORES, or all cores that this process may use)"},
    {.name = "memory",
     .kind = OPTION_BYTES,
     .offset = offsetof(sm_worker_options, memory),
     .value = "SIZE",
     .min = (uint64_t)32 << 20,
     .max = UINT64_MAX,
     .help = "for files in flight and decoders, such as 512M (that of pack's --memory, or else the "
             "threads' share of half of what there is)"},
    {0},
};

static const char intro[] =
    "Not for people: what an engine starts on each machine. Each line of standard input is a "
    "task,\n"
    "each line of standard output its result, in the same order; messages go to standard error. A\n"
    "picture that crashes the decoder is a failure of that picture; the task goes on.\n"
    "\n"
    "The tasks come from 'shardmill pack --engine lines':\n"
    "\n"
    "  mkfifo results\n"
    "  shardmill pack photos /nfs/shards --engine lines <results |\n"
    "      sed -n '/\"type\":\"run\"/q; /\"type\":\"task\"/p' |\n"
    "      parallel --pipe -N1 --sshlogin a,b shardmill worker >results\n";

static bool is_cancelled(void *user)
{
    (void)user;
    return caught_signal() != 0;
}

static int run_worker(int argc, char **argv)
{
    sm_worker_options options = {.trial = sm_measure_task, .is_cancelled = is_cancelled};
    arguments found;
    if (!read_options(&found, &options, &worker_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&worker_command);
        return EXIT_DONE;
    }
    if (found.count != 0)
        return usage_error(&worker_command, "tasks come on standard input, not as arguments");
    screen s;
    screen_init(&s, "worker", LOG_TEXT, true);
    catch_signals();
    signal(SIGPIPE, SIG_IGN); /* it is told of by the write that fails */
    sm_status status = sm_worker_run(STDIN_FILENO, STDOUT_FILENO, &options);
    if (status == SM_OK) return EXIT_DONE;
    screen_error(&s, sm_last_error());
    return EXIT_FATAL;
}

const command worker_command = {.name = "worker",
                                .arguments = "",
                                .summary = "tasks in, results out: what an engine starts",
                                .intro = intro,
                                .rows = rows,
                                .run = run_worker};
