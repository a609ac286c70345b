/* shardmill dataproc */
#include "commands.h"
#include "screen.h"

#include <string.h>

typedef struct dataproc_call {
    sm_dataproc_gc_options options;
    screen *s;
    size_t deleted, left;
} dataproc_call;

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "project",
     .kind = OPTION_TEXT,
     .offset = offsetof(dataproc_call, options.project),
     .value = "ID",
     .help = "look for clusters with our label there too (only those in this machine's ledger)"},
    {.name = "region",
     .kind = OPTION_TEXT,
     .offset = offsetof(dataproc_call, options.region),
     .value = "NAME",
     .help = "in this region"},
    {.name = "all",
     .kind = OPTION_ON,
     .offset = offsetof(dataproc_call, options.all),
     .help = "delete those that other machines made, too: make sure that nobody uses them"},
    {.name = "dry-run",
     .letter = 'n',
     .kind = OPTION_ON,
     .offset = offsetof(dataproc_call, options.dry_run),
     .help = "only tell what there is"},
    {0},
};

static const char intro[] =
    "gc deletes clusters that runs with --engine dataproc --create left behind because they were\n"
    "killed. Those that a run on this machine uses are left alone, as are those of other "
    "machines.\n"
    "\n"
    "  shardmill dataproc gc\n"
    "  shardmill dataproc gc --project my-project --region europe-west1 --dry-run\n";

static void on_cluster(void *user, const sm_dataproc_leftover *leftover)
{
    dataproc_call *call = user;
    const bool gone = strcmp(leftover->state, "GONE") == 0;
    const bool left_alone = leftover->in_use || (leftover->foreign && !call->options.all);
    const char *outcome = leftover->status != SM_OK ? "cannot be deleted"
                          : leftover->in_use        ? "in use by a run here"
                          : left_alone              ? "made on another machine: --all deletes it"
                          : gone                    ? "is gone already"
                          : call->options.dry_run   ? "would be deleted"
                                                    : "deleted";
    printf("%s (%s, %s): %s\n", leftover->cluster, leftover->project, leftover->region, outcome);
    if (leftover->status != SM_OK) screen_error(call->s, leftover->error);
    if (leftover->status != SM_OK || (left_alone && !leftover->in_use)) call->left++;
    if (strcmp(outcome, "deleted") == 0) call->deleted++;
}

static int run_dataproc(int argc, char **argv)
{
    dataproc_call call = {0};
    arguments found;
    if (!read_options(&found, &call, &dataproc_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&dataproc_command);
        return EXIT_DONE;
    }
    if (found.count != 1 || strcmp(found.items[0], "gc") != 0)
        return usage_error(&dataproc_command, "wanted is 'gc'");

    screen s;
    screen_init(&s, "dataproc", LOG_TEXT, false);
    catch_signals();
    call.s = &s;
    call.options.on_cluster = on_cluster;
    call.options.user = &call;
    const sm_status status = sm_dataproc_gc(&call.options);
    if (status != SM_OK) screen_error(&s, sm_last_error());
    if (status == SM_ERR_USAGE) return EXIT_USAGE;
    printf("%zu deleted, %zu left\n", call.deleted, call.left);
    if (!finish_stdout(&s)) return EXIT_FATAL;
    return status == SM_OK ? EXIT_DONE : EXIT_FATAL;
}

const command dataproc_command = {.name = "dataproc",
                                  .arguments = "gc",
                                  .summary = "clusters that were left behind",
                                  .intro = intro,
                                  .rows = rows,
                                  .run = run_dataproc};
