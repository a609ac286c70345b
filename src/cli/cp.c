/* shardmill cp */
#include "commands.h"
#include "screen.h"

typedef struct cp_call {
    sm_copy_options options;
    bool quiet;
    screen screen;
} cp_call;

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "recursive",
     .letter = 'r',
     .kind = OPTION_ON,
     .offset = offsetof(cp_call, options.recursive),
     .help = "SRC is a folder: the files below it go below DST"},
    {.name = "parallel",
     .letter = 'j',
     .kind = OPTION_U32,
     .offset = offsetof(cp_call, options.parallel),
     .value = "N",
     .min = 1,
     .max = 256,
     .help = "files at once (16)"},
    BILLING_PROJECT_ROW,
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_ON,
     .offset = offsetof(cp_call, quiet),
     .help = "no progress, and no summary unless something failed"},
    {0},
};

static const char intro[] =
    "Between folders, buckets and web servers. Each file is checked by its size and by the\n"
    "checksum that the store keeps of it, and is whole under its name or absent. Names that begin\n"
    "with a dot are left out.\n"
    "\n"
    "  shardmill cp -r photos gs://bucket/photos\n"
    "  shardmill cp -r -j 64 s3://bucket/photos photos\n"
    "  shardmill cp gs://bucket/shards/label.labels.txt .\n";

static void on_problem(void *user, const char *file, const char *message)
{
    cp_call *call = user;
    (void)file; /* messages name it */
    screen_clear(&call->screen);
    screen_error(&call->screen, message);
}

static void on_progress(void *user, const sm_progress *progress)
{
    cp_call *call = user;
    screen_progress(&call->screen, progress);
}

static bool is_cancelled(void *user)
{
    (void)user;
    return caught_signal() != 0;
}

static void print_summary(const sm_copy_summary *summary)
{
    char files[NUMBER_MAX], bytes[NUMBER_MAX], seconds[NUMBER_MAX], rate[NUMBER_MAX];
    char failures[NUMBER_MAX];
    printf("%s file%s, %s, copied in %s (%s/s)", show_count(files, summary->files),
           summary->files == 1 ? "" : "s", show_bytes(bytes, (double)summary->bytes),
           show_seconds(seconds, summary->seconds),
           show_bytes(rate, summary->seconds > 0 ? (double)summary->bytes / summary->seconds : 0));
    if (summary->failures > 0) printf("; %s failed", show_count(failures, summary->failures));
    putchar('\n');
}

static int run_cp(int argc, char **argv)
{
    cp_call call = {0};
    sm_copy_options_init(&call.options);
    arguments found;
    if (!read_options(&found, &call, &cp_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&cp_command);
        return EXIT_DONE;
    }
    if (found.count != 2)
        return usage_error(&cp_command, "wanted are SRC and DST, not %d arguments", found.count);

    screen_init(&call.screen, "cp", LOG_TEXT, call.quiet);
    call.options.on_problem = on_problem;
    call.options.on_progress = on_progress;
    call.options.is_cancelled = is_cancelled;
    call.options.user = &call;
    catch_signals();
    sm_copy_summary summary = {0};
    sm_status status = sm_copy_files(&summary, found.items[0], found.items[1], &call.options);
    screen_clear(&call.screen);
    if (status != SM_OK) {
        screen_error(&call.screen, sm_last_error());
        return status == SM_ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
    }
    if (!call.quiet || summary.failures > 0) print_summary(&summary);
    if (summary.failures == 0) return EXIT_DONE;
    return summary.files == 0 ? EXIT_FATAL : EXIT_WITH_FAILURES;
}

const command cp_command = {.name = "cp",
                            .arguments = "SRC DST",
                            .summary = "copy files between folders and buckets, checked",
                            .intro = intro,
                            .rows = rows,
                            .run = run_cp};
