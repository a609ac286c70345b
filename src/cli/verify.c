/* shardmill verify */
#include "commands.h"
#include "screen.h"
#include "summary.h"

#include <string.h>

typedef struct verify_call {
    sm_verify_options options;
    int log_format;
} verify_call;

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "decode",
     .kind = OPTION_ON,
     .offset = offsetof(verify_call, options.decode),
     .help = "decode every picture whole, not only its header"},
    {.name = "threads",
     .letter = 'j',
     .kind = OPTION_U32,
     .offset = offsetof(verify_call, options.threads),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "shards at once (all cores that this process may use)"},
    BILLING_PROJECT_ROW,
    {.name = "log-format",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(verify_call, log_format),
     .value = "text|json",
     .read = read_log_format,
     .help = "json: problems as JSON lines on stderr, the outcome as one object on stdout"},
    {0},
};

static const char intro[] =
    "DST is a folder that pack made, or one TFRecord file. Checked are every record's checksums,\n"
    "every Example, every picture's header, and the counts against the metadata. What is wrong is\n"
    "told with file and offset, and the exit code is 1.\n"
    "\n"
    "  shardmill verify shards\n"
    "  shardmill verify shards --decode\n"
    "  shardmill verify shards/flowers-train.tfrecord-00000-of-00001\n";

static void on_problem(void *user, const char *file, uint64_t offset, const char *message)
{
    const screen *s = user;
    if (s->format == LOG_JSON) {
        print_problem_json(file, offset, message);
        return;
    }
    print_safely(stdout, file);
    if (offset != UINT64_MAX) printf(" at byte %llu", (unsigned long long)offset);
    fputs(": ", stdout);
    print_safely(stdout, message);
    putchar('\n');
}

static bool is_cancelled(void *user)
{
    (void)user;
    return caught_signal() != 0;
}

static void print_outcome(const sm_verify_summary *v, log_format format)
{
    if (format == LOG_JSON) {
        print_verify_json(v);
        return;
    }
    char records[NUMBER_MAX], shards[NUMBER_MAX], bytes[NUMBER_MAX], seconds[NUMBER_MAX];
    char problems[NUMBER_MAX];
    printf("%s record%s in %s shard%s, %s, checked in %s: ", show_count(records, v->records),
           v->records == 1 ? "" : "s", show_count(shards, v->shards), v->shards == 1 ? "" : "s",
           show_bytes(bytes, (double)v->bytes), show_seconds(seconds, v->seconds));
    if (v->problems == 0)
        printf("all good\n");
    else
        printf("%s problem%s\n", show_count(problems, v->problems), v->problems == 1 ? "" : "s");
}

static int run_verify(int argc, char **argv)
{
    verify_call call = {0};
    sm_verify_options_init(&call.options);
    arguments found;
    if (!read_options(&found, &call, &verify_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&verify_command);
        return EXIT_DONE;
    }
    if (found.count != 1) return usage_error(&verify_command, "wanted is one folder or file");

    screen s;
    screen_init(&s, "verify", (log_format)call.log_format, false);
    call.options.on_problem = on_problem;
    call.options.is_cancelled = is_cancelled;
    call.options.user = &s;
    catch_signals();
    sm_verify_summary summary;
    sm_status status = sm_verify(&summary, found.items[0], &call.options);
    if (status != SM_OK && status != SM_ERR_CORRUPT) {
        screen_error(&s, sm_last_error());
        return status == SM_ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
    }
    print_outcome(&summary, s.format);
    return finish_stdout(&s) && status == SM_OK ? EXIT_DONE : EXIT_FATAL;
}

const command verify_command = {.name = "verify",
                                .arguments = "DST",
                                .summary = "check every record and count of a packed set",
                                .intro = intro,
                                .rows = rows,
                                .run = run_verify};
