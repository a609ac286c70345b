/* shardmill ls */
#include "commands.h"
#include "screen.h"

#include <string.h>
#include <time.h>

typedef struct ls_call {
    bool details, count;
    const char *url;
    uint64_t files, bytes;
} ls_call;

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "long",
     .letter = 'l',
     .kind = OPTION_ON,
     .offset = offsetof(ls_call, details),
     .help = "size in bytes and time of the last change (UTC) before each name"},
    {.name = "count",
     .letter = 'c',
     .kind = OPTION_ON,
     .offset = offsetof(ls_call, count),
     .help = "only how many files there are, and how many bytes they have"},
    BILLING_PROJECT_ROW,
    {0},
};

static const char intro[] =
    "Every file below URL, as it arrives from the store; or URL itself, when it is a file. Names\n"
    "that begin with a dot are left out, as pack leaves them out.\n"
    "\n"
    "  shardmill ls gs://bucket/photos\n"
    "  shardmill ls -l s3://bucket/shards\n"
    "  shardmill ls --count gs://bucket\n";

static sm_status on_file(void *user, const sm_listed *file)
{
    ls_call *call = user;
    call->files++;
    call->bytes += file->size;
    if (call->count) return SM_OK;
    if (call->details) {
        char text[32] = "-";
        const time_t seconds = (time_t)(file->mtime_ns / 1000000000);
        struct tm tm;
        if (file->mtime_ns != 0 && gmtime_r(&seconds, &tm) != NULL)
            strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        printf("%14llu  %-20s  ", (unsigned long long)file->size, text);
    }
    print_safely(stdout, file->name);
    putchar('\n');
    return SM_OK;
}

static int run_ls(int argc, char **argv)
{
    ls_call call = {0};
    arguments found;
    if (!read_options(&found, &call, &ls_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&ls_command);
        return EXIT_DONE;
    }
    if (found.count != 1) return usage_error(&ls_command, "wanted is one URL or folder");

    screen s;
    screen_init(&s, "ls", LOG_TEXT, false);
    catch_signals();
    sm_status status = sm_list_files(found.items[0], on_file, &call);
    if (status != SM_OK) {
        fflush(stdout);
        screen_error(&s, sm_last_error());
        return status == SM_ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
    }
    if (call.count) {
        char files[NUMBER_MAX], bytes[NUMBER_MAX];
        printf("%s file%s, %s\n", show_count(files, call.files), call.files == 1 ? "" : "s",
               show_bytes(bytes, (double)call.bytes));
    }
    return finish_stdout(&s) ? EXIT_DONE : EXIT_FATAL;
}

const command ls_command = {.name = "ls",
                            .arguments = "URL",
                            .summary = "list the files of a folder or bucket",
                            .intro = intro,
                            .rows = rows,
                            .run = run_ls};
