/* shardmill sweep */
#include "commands.h"
#include "job.h"
#include "sweep_results.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct sweep_call {
    engine_call engine;
    cluster_job job;
    sm_space space;
    sweep_results results;
    screen screen;
    const char *space_path, *output, *page;
    uint32_t parallel, max_vcpus, timeout;
    bool retry_failed, quiet;
    background running[BACKGROUND_MAX];
    uint8_t *states; /* a run_state a candidate */
} sweep_call;

typedef enum run_state { RUN_OPEN, RUN_RUNNING, RUN_DONE, RUN_WAITS } run_state;

#define AT(member) offsetof(sweep_call, member)

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "Runs"},
    {.name = "up",
     .kind = OPTION_TEXT,
     .offset = AT(job.up),
     .value = "COMMAND",
     .help = "brings a Spark cluster for a configuration: a shell command with {instance}, "
             "{family}, {nodes}, {vcpus}, {memory_gb}, {price} in it, whose last line is the "
             "master's URL"},
    {.name = "down",
     .kind = OPTION_TEXT,
     .offset = AT(job.down),
     .value = "COMMAND",
     .help = "takes it away, whatever came of the run"},
    {.name = "parallel-clusters",
     .kind = OPTION_U32,
     .offset = AT(parallel),
     .value = "N",
     .min = 1,
     .max = BACKGROUND_MAX,
     .help = "configurations at once (1)"},
    {.name = "max-vcpus",
     .kind = OPTION_U32,
     .offset = AT(max_vcpus),
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "of all clusters that are there at once, a quota: a configuration waits until it fits "
             "(on Dataproc masters and --spot machines count, too)"},
    {.name = "timeout",
     .kind = OPTION_U32,
     .offset = AT(timeout),
     .value = "SECONDS",
     .min = 1,
     .max = UINT32_MAX,
     .help = "a run that takes longer, its cluster included, is stopped, and has failed"},
    {.kind = OPTION_HEADING, .help = "Results"},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .offset = AT(output),
     .value = "FILE.jsonl",
     .help = "a row for each configuration (sweep.jsonl); those that are there are not run again. "
             "FILE.runs/ has the log and the results of each run"},
    {.name = "page",
     .kind = OPTION_TEXT,
     .offset = AT(page),
     .value = "FILE.html",
     .help = "time, cost, network and disk by configuration, and each node over time; 'shardmill "
             "report FILE.jsonl' makes it later"},
    {.name = "retry-failed",
     .kind = OPTION_ON,
     .offset = AT(retry_failed),
     .help = "run those again whose row says that they failed"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_ON,
     .offset = AT(quiet),
     .help = "only the table at the end"},
    {0},
};

static const char intro[] =
    "Runs one job, a command of shardmill that works without sweep, on each cluster of a space "
    "(the\n"
    "file that choose takes: examples/choose/space.toml), one after the other, and compares them. "
    "A\n"
    "run that fails is a row, too. After Ctrl-C the same command goes on.\n"
    "\n"
    "  shardmill sweep space.toml --engine dataproc --project p --region europe-west1 \\\n"
    "      -- pack gs://bucket/photos gs://bucket/out              creates and deletes each "
    "cluster\n"
    "  shardmill sweep space.toml --up './up.sh {nodes} {vcpus}' --down ./down.sh \\\n"
    "      -- pack gs://bucket/photos gs://bucket/out --shards 16\n"
    "  shardmill sweep space.toml --engine spark --master spark://host:7077 \\\n"
    "      -- measure gs://bucket/shards -r 16\n"
    "\n"
    "Options of engines may stand on either side of the --; on Dataproc {nodes} are the workers, "
    "and\n"
    "1 is a cluster of one machine.\n";

/* ---- Which run is next */

static double vcpus_of(const sweep_call *call, size_t i)
{
    return job_vcpus(&call->job, &call->space.candidates[i]);
}

static size_t count_state(const sweep_call *call, run_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < call->space.count; i++) count += call->states[i] == state;
    return count;
}

/* The first that is open and fits beside what runs; space.count: none does. One that never fits is
 * run when it is alone: the service says what it thinks of it. */
static size_t next_run(const sweep_call *call)
{
    double used = 0;
    for (size_t i = 0; i < call->space.count; i++)
        if (call->states[i] == RUN_RUNNING) used += vcpus_of(call, i);
    for (size_t i = 0; i < call->space.count; i++) {
        if (call->states[i] != RUN_OPEN) continue;
        if (call->max_vcpus == 0 || used <= 0 || used + vcpus_of(call, i) <= call->max_vcpus)
            return i;
    }
    return call->space.count;
}

static bool start_runs(sweep_call *call)
{
    for (size_t k = 0; k < call->parallel; k++) {
        if (call->running[k].id != 0) continue;
        const size_t next = next_run(call);
        if (next == call->space.count) return true;
        char name[JOB_NAME_MAX], line[JOB_NAME_MAX + 16];
        job_name(name, &call->space.candidates[next]);
        snprintf(line, sizeof line, "%s: begins", name);
        screen_note(&call->screen, line);
        if (!background_start(&call->running[k], (uint32_t)next, job_run, &call->job)) {
            fprintf(stderr, "shardmill sweep: cannot start a process: %s\n", strerror(errno));
            return false;
        }
        call->states[next] = RUN_RUNNING;
    }
    return true;
}

/* ---- What came of it */

/* Whether the service refused the cluster because others of this sweep use the quota up. */
static bool is_crowded(const sweep_call *call, const json_t *row)
{
    const char *error = json_string_value(json_object_get(row, "error"));
    return error != NULL && strcasestr(error, "quota") != NULL &&
           count_state(call, RUN_RUNNING) > 0;
}

static json_t *row_of(const sweep_call *call, const background *done)
{
    json_t *row = job_row(&call->job, done->candidate);
    if (row == NULL) return NULL;
    if (done->timed_out) {
        json_object_set_new(row, "status", json_string("failed"));
        json_object_set_new(row, "error", json_string("it took longer than --timeout"));
    }
    return row;
}

/* Takes in a run that has ended; false when its row cannot be kept. */
static bool take_run(sweep_call *call, background *done)
{
    const uint32_t i = done->candidate;
    json_t *row = row_of(call, done);
    background_close(done);
    call->states[i] = RUN_DONE;
    if (row == NULL) {
        screen_error(&call->screen, "a run left no row: is the disk full?");
        return false;
    }
    for (size_t k = 0; k < call->space.count; k++) /* there may be room now */
        if (call->states[k] == RUN_WAITS) call->states[k] = RUN_OPEN;
    if (is_crowded(call, row)) {
        screen_note(&call->screen, "the quota has no room for one more cluster: it waits");
        call->states[i] = RUN_WAITS;
        json_decref(row);
        return true;
    }
    const bool kept = sweep_add(&call->results, i, row);
    if (!kept)
        fprintf(stderr, "shardmill sweep: cannot write '%s': %s\n", call->output, strerror(errno));
    else
        sweep_note(&call->screen, row);
    return kept;
}

static int run_all(sweep_call *call)
{
    bool good = true;
    catch_signals();
    while (good) {
        good = start_runs(call);
        if (!good || count_state(call, RUN_RUNNING) == 0) break;
        int code;
        background *done =
            background_wait(call->running, call->parallel, call->timeout, JOB_PATIENCE_S, &code);
        if (done == NULL) break;
        good = take_run(call, done);
    }
    if (count_state(call, RUN_RUNNING) > 0)
        screen_note(&call->screen, "stopping; clusters are deleted first");
    background_end(call->running, call->parallel, JOB_PATIENCE_S);
    if (caught_signal() != 0) {
        fprintf(stderr, "shardmill sweep: stopped; the same command goes on\n");
        return EXIT_FATAL;
    }
    return good ? EXIT_DONE : EXIT_FATAL;
}

/* ---- The command */

static int sweep_space(sweep_call *call, const char *command_text)
{
    char folder[4096];
    const size_t len = strlen(call->output);
    const bool jsonl = len > 6 && strcmp(call->output + len - 6, ".jsonl") == 0;
    snprintf(folder, sizeof folder, "%.*s.runs", (int)(jsonl ? len - 6 : len), call->output);
    call->job.folder = folder;
    call->job.space = &call->space;
    if (!sweep_open(&call->results, call->output, &call->space, command_text, &call->screen))
        return EXIT_FATAL;
    for (size_t i = 0; i < call->space.count; i++) {
        const bool failed = sweep_failed(&call->results, i);
        if (call->results.rows[i] != NULL && !(failed && call->retry_failed))
            call->states[i] = RUN_DONE;
    }
    const size_t kept = count_state(call, RUN_DONE);
    if (kept > 0) {
        char line[96];
        snprintf(line, sizeof line, "%zu of %zu configurations are there already", kept,
                 call->space.count);
        screen_note(&call->screen, line);
    }
    int code = run_all(call);
    sweep_print(&call->results);
    if (code == EXIT_DONE && call->page != NULL) {
        const char *results[] = {call->output};
        sm_report_options options;
        sm_report_options_init(&options);
        options.html = call->page;
        if (sm_report(NULL, results, 1, &options) != SM_OK) {
            screen_error(&call->screen, sm_last_error());
            code = EXIT_FATAL;
        }
    }
    if (!finish_stdout(&call->screen)) code = EXIT_FATAL;
    if (code == EXIT_DONE && sweep_failures(&call->results) > 0)
        code =
            sweep_failures(&call->results) == call->space.count ? EXIT_FATAL : EXIT_WITH_FAILURES;
    return code;
}

/* The job as text, by which a file of results is known to be of the same sweep. */
static char *text_of(const cluster_job *j)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) return NULL;
    fputs(j->cmd->name, out);
    for (int i = 0; i < j->engine_count; i++) fprintf(out, " %s", j->engine[i]);
    for (int i = 0; i < j->count; i++) fprintf(out, " %s", j->words[i]);
    return fclose(out) == 0 ? text : NULL;
}

static int run_sweep(int argc, char **argv)
{
    sweep_call *call = calloc(1, sizeof *call);
    if (call == NULL) return EXIT_FATAL;
    call->output = "sweep.jsonl";
    call->parallel = 1;
    engine_call_init(&call->engine);
    arguments found;
    cluster_job read;
    if (!job_read(&read, &sweep_command, &argc, argv)) return EXIT_USAGE;
    call->job = read; /* of which options set a part */
    if (!read_options(&found, call, &sweep_command, argc, argv)) return EXIT_USAGE;
    if (found.help) {
        print_help(&sweep_command);
        return EXIT_DONE;
    }
    if (found.count != 1)
        return usage_error(&sweep_command, "wanted is one SPACE, and a job behind --");
    if (call->job.cmd == NULL)
        return usage_error(&sweep_command, "behind -- wanted is a job: pack SRC DST, or measure "
                                           "SRC");
    if (!job_check(&call->job, &sweep_command)) return EXIT_USAGE;
    call->space_path = found.items[0];
    screen_init(&call->screen, "sweep", LOG_TEXT, call->quiet);
    char *text = text_of(&call->job);
    sm_status status = text == NULL ? SM_ERR_MEMORY : sm_space_read(&call->space, found.items[0]);
    int code = EXIT_FATAL;
    if (status == SM_OK) {
        call->states = calloc(call->space.count, 1);
        if (call->states != NULL) code = sweep_space(call, text);
    } else {
        screen_error(&call->screen, sm_last_error());
    }
    sweep_close(&call->results);
    sm_space_free(&call->space);
    free(call->states);
    free(text);
    free(call);
    return code;
}

const command sweep_command = {.name = "sweep",
                               .arguments = "SPACE -- JOB",
                               .summary = "one job on every cluster of a space, compared",
                               .intro = intro,
                               .rows = rows,
                               .shared = engine_rows,
                               .shared_at = offsetof(sweep_call, engine),
                               .run = run_sweep};
