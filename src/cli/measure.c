/* shardmill measure */
#include "commands.h"
#include "engines.h"
#include "measure_table.h"
#include "screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct measure_call {
    sm_measure_options options; /* axes that were not given are empty until complete() */
    engine_call engine;
    uint32_t executors;
    bool is_concurrent;
    double what_if;
    bool quiet;
    screen screen;
} measure_call;

/* ---- Values of options */

/* The next of text's comma-separated words into word; NULL: there was none, or it is too long. */
static const char *next_word(char word[NUMBER_MAX], const char *text)
{
    const size_t len = strcspn(text, ",");
    if (len == 0 || len >= NUMBER_MAX) return NULL;
    memcpy(word, text, len);
    word[len] = '\0';
    return text + len + (text[len] == ',' && text[len + 1] != '\0');
}

typedef bool read_item(uint64_t *item, const char *word);

static bool read_list(sm_measure_values *values, const char *text, read_item *read)
{
    char word[NUMBER_MAX];
    *values = (sm_measure_values){0};
    while (*text != '\0') {
        text = next_word(word, text);
        if (text == NULL || values->count == SM_MEASURE_VALUES_MAX ||
            !read(&values->items[values->count], word))
            return false;
        for (size_t i = 0; i < values->count; i++)
            if (values->items[i] == values->items[values->count]) return false;
        values->count++;
    }
    return values->count > 0;
}

static bool read_count(uint64_t *item, const char *word)
{
    char *end;
    if (*word < '0' || *word > '9') return false;
    errno = 0;
    const unsigned long value = strtoul(word, &end, 10);
    *item = value;
    return errno == 0 && *end == '\0' && value >= 1 && value <= UINT32_MAX;
}

static bool read_size(uint64_t *item, const char *word)
{
    char *end;
    if (strcmp(word, "whole") == 0) {
        *item = 0;
        return true;
    }
    if (*word < '0' || *word > '9') return false;
    errno = 0;
    const unsigned long value = strtoul(word, &end, 10);
    const unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
    *item = (uint64_t)value << shift;
    return errno == 0 && end[shift > 0] == '\0' && value <= (1ul << 30) && *item >= 512 &&
           *item <= 1ull << 30;
}

static bool read_one_of(uint64_t *item, const char *word, const char *(*name)(int))
{
    for (int i = 0; name(i) != NULL; i++)
        if (strcmp(name(i), word) == 0) {
            *item = (uint64_t)i;
            return true;
        }
    return false;
}

static bool read_order(uint64_t *item, const char *word)
{
    return read_one_of(item, word, sm_measure_order_name);
}

static bool read_cache(uint64_t *item, const char *word)
{
    return read_one_of(item, word, sm_measure_cache_name);
}

static bool read_counts(void *target, const char *text, const char **want)
{
    *want = "different whole numbers from 1 on, separated by commas (at most 32)";
    return read_list(target, text, read_count);
}

static bool read_sizes(void *target, const char *text, const char **want)
{
    *want = "different sizes from 512 to 1024M such as 64K,1M or 'whole', separated by commas";
    return read_list(target, text, read_size);
}

static bool read_orders(void *target, const char *text, const char **want)
{
    *want = "one or more of sequential,shuffled";
    return read_list(target, text, read_order);
}

static bool read_caches(void *target, const char *text, const char **want)
{
    *want = "one or more of cold,warm,direct";
    return read_list(target, text, read_cache);
}

static bool read_format(void *target, const char *text, const char **want)
{
    uint64_t value;
    *want = "one of auto|files|tfrecord|webdataset";
    if (!read_one_of(&value, text, sm_measure_format_name)) return false;
    *(sm_measure_format *)target = (sm_measure_format)value;
    return true;
}

static bool read_io(void *target, const char *text, const char **want)
{
    uint64_t value;
    *want = "one of auto|uring|threads";
    if (!read_one_of(&value, text, sm_measure_engine_name)) return false;
    *(sm_measure_engine *)target = (sm_measure_engine)value;
    return true;
}

static bool read_number(double *number, const char *text, char *unit)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    *number = strtod(text, &end);
    *unit = *end;
    return *number > 0 && *number <= 1e6 && (*end == '\0' || end[1] == '\0');
}

static bool read_positive(void *target, const char *text, const char **want)
{
    char unit;
    *want = "a number greater than 0";
    return read_number(target, text, &unit) && unit == '\0';
}

static bool read_share(void *target, const char *text, const char **want)
{
    double *share = target;
    char unit;
    *want = "a share such as 90%";
    if (!read_number(share, text, &unit) || unit != '%' || *share > 100) return false;
    *share /= 100;
    return true;
}

static bool read_mode(void *target, const char *text, const char **want)
{
    *want = "one of isolated|concurrent";
    *(bool *)target = strcmp(text, "concurrent") == 0;
    return strcmp(text, "concurrent") == 0 || strcmp(text, "isolated") == 0;
}

/* ---- Options */

static const option_row rows[] = {
    {.kind = OPTION_HEADING,
     .help = "The grid (each may be a list: every combination is measured)"},
    {.name = "batch-size",
     .letter = 'b',
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.batch_sizes),
     .value = "N,…",
     .read = read_counts,
     .help = "pictures a batch (32)"},
    {.name = "batches",
     .letter = 'n',
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.batches),
     .value = "N,…",
     .read = read_counts,
     .help = "batches a trial (16)"},
    {.name = "readers",
     .letter = 'r',
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.readers),
     .value = "N,…",
     .read = read_counts,
     .help = "requests under way at a time, at most 1024 (1,8)"},
    {.name = "read-size",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.read_sizes),
     .value = "SIZE,…",
     .read = read_sizes,
     .help =
         "bytes asked for at once, or 'whole' (image files whole; shards by 1M, those of stores "
         "by 8M)"},
    {.name = "order",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.orders),
     .value = "ORDER,…",
     .read = read_orders,
     .help = "sequential: by name; shuffled: image files, or whole shards, in random order "
             "(shuffled)"},
    {.name = "cache",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.caches),
     .value = "CACHE,…",
     .read = read_caches,
     .help = "cold: what memory holds of these files is dropped before; warm: read once before; "
             "direct: around the page cache, local files alone (cold)"},
    {.name = "repeat",
     .kind = OPTION_U32,
     .offset = offsetof(measure_call, options.repeat),
     .value = "N",
     .min = 1,
     .max = 1000,
     .help = "trials of each combination (3)"},
    {.kind = OPTION_HEADING, .help = "How long"},
    {.name = "quick",
     .kind = OPTION_ON,
     .offset = offsetof(measure_call, options.quick),
     .help =
         "an answer in under a minute: readers 1,4,16, 64 batches or all there is, ended by time"},
    {.name = "seconds",
     .letter = 's',
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.seconds),
     .value = "S",
     .read = read_positive,
     .help = "end a trial after so long, also when pictures are left"},
    {.kind = OPTION_HEADING, .help = "A training loop's view"},
    {.name = "decode",
     .kind = OPTION_ON,
     .offset = offsetof(measure_call, options.decode),
     .help = "decode to pixels on all cores, and deliver full batches to a consumer"},
    {.name = "image-size",
     .kind = OPTION_U32,
     .offset = offsetof(measure_call, options.image_size),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "decode to NxN pixels (224)"},
    {.name = "step-ms",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.step_ms),
     .value = "MS",
     .read = read_positive,
     .help = "how long the consumer pretends to compute with each batch"},
    {.name = "what-if",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, what_if),
     .value = "90%",
     .read = read_share,
     .help = "also say how many readers reach that share of the best"},
    {.kind = OPTION_HEADING, .help = "On other machines (sources must be reachable from there)"},
    {.name = "mode",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, is_concurrent),
     .value = "isolated|concurrent",
     .read = read_mode,
     .help = "isolated: one trial at a time in the whole cluster; concurrent: each on --executors "
             "at once (isolated)"},
    {.name = "executors",
     .kind = OPTION_U32,
     .offset = offsetof(measure_call, executors),
     .value = "N",
     .min = 1,
     .max = 65536,
     .help = "how many start each trial together"},
    {.kind = OPTION_HEADING, .help = "Sources and results"},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .offset = offsetof(measure_call, options.output),
     .value = "FILE",
     .help = "write every trial there as JSON Lines; the only thing that is ever written"},
    {.name = "format",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.format),
     .value = "FORMAT",
     .read = read_format,
     .help = "files, tfrecord or webdataset (told from the names)"},
    {.name = "seed",
     .kind = OPTION_U64,
     .offset = offsetof(measure_call, options.seed),
     .value = "N",
     .max = INT64_MAX,
     .help = "of the order of trials, and of what they read (0)"},
    {.name = "io",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(measure_call, options.engine),
     .value = "ENGINE",
     .read = read_io,
     .help = "of local files: uring or threads (uring when cold or direct)"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_ON,
     .offset = offsetof(measure_call, quiet),
     .help = "no progress"},
    {0},
};

static const char intro[] =
    "Reads your own files and shards over a grid of settings, times it, and proves where the "
    "bytes\n"
    "came from: device, network or memory. SRC is a folder, bucket or file of images, TFRecord\n"
    "shards or WebDataset tar files; several are compared. It only reads. docs/measuring.md tells\n"
    "what each figure means.\n"
    "\n"
    "  shardmill measure photos shards --quick\n"
    "  shardmill measure gs://bucket/photos gs://bucket/shards -r 1,4,16,64 -o results.jsonl\n"
    "  shardmill measure shards --cache cold,direct,warm --order sequential --read-size 64K,1M\n"
    "  shardmill measure shards --decode --step-ms 80 -b 64 -r 4,8 --what-if 90%\n";

/* ---- Running */

static void on_row(void *user, const sm_measure_row *row, size_t done, size_t planned)
{
    measure_call *call = user;
    char rate[NUMBER_MAX];
    if (call->quiet || !call->screen.is_terminal) return;
    screen_clear(&call->screen);
    fprintf(
        stderr, "trial %zu of %zu: %s, %u readers, %s images/s", done, planned,
        sm_measure_cache_name((int)row->trial.cache), row->trial.readers,
        show_count(rate, row->seconds > 0 ? (uint64_t)((double)row->images / row->seconds) : 0));
    fflush(stderr);
    call->screen.drawn = true;
}

static bool is_cancelled(void *user)
{
    (void)user;
    return caught_signal() != 0;
}

/* Fills in what was not given. */
static void complete(sm_measure_options *o)
{
    sm_measure_options d;
    sm_measure_options_init(&d);
    if (o->quick) {
        d.readers = (sm_measure_values){.items = {1, 4, 16}, .count = 3};
        d.batches.items[0] = 64;
    }
    const struct {
        sm_measure_values *given, *otherwise;
    } axes[] = {{&o->batch_sizes, &d.batch_sizes}, {&o->batches, &d.batches},
                {&o->readers, &d.readers},         {&o->read_sizes, &d.read_sizes},
                {&o->orders, &d.orders},           {&o->caches, &d.caches}};
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (axes[i].given->count == 0) *axes[i].given = *axes[i].otherwise;
    if (o->repeat == 0) o->repeat = d.repeat;
    if (o->image_size == 0) o->image_size = d.image_size;
}

/* The command line again, for the results. NULL: no memory. */
static char *command_line(int argc, char **argv)
{
    size_t len = sizeof "shardmill measure";
    for (int i = 0; i < argc; i++) len += strlen(argv[i]) + 1;
    char *line = malloc(len);
    if (line == NULL) return NULL;
    size_t used = (size_t)snprintf(line, len, "shardmill measure");
    for (int i = 0; i < argc; i++)
        used += (size_t)snprintf(line + used, len - used, " %s", argv[i]);
    return line;
}

static int finish(measure_call *call, const sm_measure_result *result, sm_status status)
{
    screen_clear(&call->screen);
    if (status == SM_OK || status == SM_ERR_CANCELLED) {
        print_measure_table(result, call->what_if);
        if (call->options.output != NULL) printf("\nevery trial is in %s\n", call->options.output);
    }
    if (status != SM_OK) {
        fflush(stdout);
        screen_error(&call->screen, sm_last_error());
        return status == SM_ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
    }
    size_t failed = 0;
    for (size_t i = 0; i < result->row_count; i++) failed += result->rows[i].status != SM_OK;
    if (!finish_stdout(&call->screen) || failed == result->row_count) return EXIT_FATAL;
    return failed > 0 ? EXIT_WITH_FAILURES : EXIT_DONE;
}

static int run_measure(int argc, char **argv)
{
    measure_call call = {0};
    engine_call_init(&call.engine);
    arguments found;
    if (!read_options(&found, &call, &measure_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&measure_command);
        return EXIT_DONE;
    }
    if (found.count == 0) return usage_error(&measure_command, "wanted is at least one SRC");
    if (call.options.step_ms > 0 && !call.options.decode)
        return usage_error(&measure_command, "--step-ms goes with --decode");
    if (call.is_concurrent != (call.executors > 0))
        return usage_error(&measure_command, "--mode concurrent and --executors go together");
    const char *mode = call.engine.spark.deploy_mode;
    if (mode != NULL && strcmp(mode, "cluster") == 0)
        return usage_error(&measure_command, "with --engine spark, the driver of trials is on this "
                                             "machine: no --deploy-mode cluster");
    if (call.is_concurrent && call.engine.kind == ENGINE_LOCAL)
        return usage_error(&measure_command, "--mode concurrent wants an --engine");
    if (engine_call_fault(&call.engine) != NULL)
        return usage_error(&measure_command, "%s", engine_call_fault(&call.engine));
    call.options.members = call.engine.together = call.executors;
    complete(&call.options);

    screen_init(&call.screen, "measure", LOG_TEXT, call.quiet);
    char *words = command_line(argc, argv);
    call.options.command = words;
    call.options.on_row = on_row;
    call.options.is_cancelled = is_cancelled;
    call.options.user = &call;
    catch_signals();
    sm_measure_result result = {0};
    sm_status status = open_engine(&call.options.cluster, &call.engine, "", &call.screen);
    if (status == SM_OK)
        status = sm_measure(&result, found.items, (size_t)found.count, &call.options);
    const int code = finish(&call, &result, status);
    if (call.engine.lines != NULL) {
        fprintf(call.engine.lines, "{\"type\":\"end\",\"status\":%d}\n", code);
        fclose(call.engine.lines);
    }
    sm_engine_free(call.options.cluster);
    sm_measure_result_free(&result);
    free(words);
    return code;
}

const command measure_command = {.name = "measure",
                                 .arguments = "SRC [SRC…]",
                                 .summary = "how fast storage feeds images and shards, with proof",
                                 .intro = intro,
                                 .rows = rows,
                                 .shared = engine_rows,
                                 .shared_at = offsetof(measure_call, engine),
                                 .run = run_measure};
