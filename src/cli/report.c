/* shardmill report */
#include "commands.h"
#include "screen.h"

#include <stdlib.h>
#include <string.h>

typedef struct report_call {
    sm_report_options options;
    bool quiet, no_page;
} report_call;

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Options"},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .offset = offsetof(report_call, options.html),
     .value = "PAGE.html",
     .help = "where the page goes (beside the first results, .html in place of .jsonl)"},
    {.name = "no-page",
     .kind = OPTION_ON,
     .offset = offsetof(report_call, no_page),
     .help = "only the findings on stdout, and what --csv and --json ask for"},
    {.name = "csv",
     .kind = OPTION_TEXT,
     .offset = offsetof(report_call, options.csv),
     .value = "FILE",
     .help = "also every trial as a row of CSV"},
    {.name = "json",
     .kind = OPTION_TEXT,
     .offset = offsetof(report_call, options.json),
     .value = "FILE",
     .help = "also the analysis: cells, regressions, the model of latency, in full precision"},
    {.name = "title",
     .kind = OPTION_TEXT,
     .offset = offsetof(report_call, options.title),
     .value = "TEXT",
     .help = "the page's heading"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_ON,
     .offset = offsetof(report_call, quiet),
     .help = "no findings on stdout"},
    {0},
};

static const char intro[] =
    "RESULTS are what `shardmill measure --output` wrote; several are analysed as one. Or they are "
    "what\n"
    "`shardmill sweep` wrote, one file alone. The findings\n"
    "are told on stdout, the one to act on first. The page opens offline, holds no script, and can "
    "be\n"
    "mailed or printed.\n"
    "\n"
    "  shardmill report results.jsonl\n"
    "  shardmill report monday.jsonl tuesday.jsonl -o week.html\n"
    "  shardmill report results.jsonl --no-page --csv trials.csv --json analysis.json\n";

static void on_sentence(void *user, const char *sentence)
{
    const report_call *call = user;
    if (call->quiet) return;
    print_safely(stdout, sentence);
    putchar('\n');
}

/* "results.html" for "results.jsonl"; the caller's to free. */
static char *page_beside(const char *results)
{
    static const char ending[] = ".jsonl";
    size_t len = strlen(results), room = len + sizeof ".html";
    if (len > strlen(ending) && strcmp(results + len - strlen(ending), ending) == 0)
        len -= strlen(ending);
    char *page = malloc(room);
    if (page != NULL) snprintf(page, room, "%.*s.html", (int)len, results);
    return page;
}

static int report_on(report_call *call, const arguments *found)
{
    screen s;
    screen_init(&s, "report", LOG_TEXT, call->quiet);
    char *page = NULL;
    if (call->no_page) {
        call->options.html = NULL;
    } else if (call->options.html == NULL) {
        page = page_beside(found->items[0]);
        if (page == NULL) {
            screen_error(&s, "cannot get memory for a name");
            return EXIT_FATAL;
        }
        call->options.html = page;
    }
    sm_status status = sm_report(NULL, found->items, (size_t)found->count, &call->options);
    if (status != SM_OK) screen_error(&s, sm_last_error());
    if (status == SM_OK && !call->quiet && call->options.html != NULL) {
        printf("\npage: ");
        print_safely(stdout, call->options.html);
        putchar('\n');
    }
    free(page);
    if (status != SM_OK) return status == SM_ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
    return finish_stdout(&s) ? EXIT_DONE : EXIT_FATAL;
}

static int run_report(int argc, char **argv)
{
    report_call call = {0};
    sm_report_options_init(&call.options);
    arguments found;
    if (!read_options(&found, &call, &report_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&report_command);
        return EXIT_DONE;
    }
    if (found.count == 0)
        return usage_error(&report_command, "wanted are the results of a measurement");
    if (call.no_page && call.options.html != NULL)
        return usage_error(&report_command, "--no-page and --output contradict each other");
    call.options.on_sentence = on_sentence;
    call.options.user = &call;
    return report_on(&call, &found);
}

const command report_command = {.name = "report",
                                .arguments = "RESULTS.jsonl \u2026",
                                .summary = "what measurements say, as sentences and as a page",
                                .intro = intro,
                                .rows = rows,
                                .run = run_report};
