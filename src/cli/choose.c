/* shardmill choose */
#include "choose.h"
#include "commands.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Options */

static bool read_positive(void *target, const char *text, const char **want)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    *want = "a number over 0";
    if (*text == '\0' || *end != '\0' || errno != 0 || !isfinite(number) || number <= 0)
        return false;
    *(double *)target = number;
    return true;
}

/* "2%", or "0.02". */
static bool read_share(void *target, const char *text, const char **want)
{
    char *end;
    *want = "a share of the pictures such as 2%";
    double share = strtod(text, &end);
    if (*text < '0' || *text > '9') return false;
    if (strcmp(end, "%") == 0) {
        share /= 100;
        end++;
    }
    *(double *)target = share;
    return *end == '\0' && share > 0 && share <= 1;
}

static bool read_method(void *target, const char *text, const char **want)
{
    *want = "one of physical|cherrypick|ernest|random";
    for (int i = 0; sm_choose_method_name(i) != NULL; i++)
        if (strcmp(sm_choose_method_name(i), text) == 0) {
            *(sm_choose_method *)target = (sm_choose_method)i;
            return true;
        }
    return false;
}

static bool read_objective(void *target, const char *text, const char **want)
{
    *want = "one of cost|time";
    for (int i = 0; sm_choose_objective_name(i) != NULL; i++)
        if (strcmp(sm_choose_objective_name(i), text) == 0) {
            *(sm_choose_objective *)target = (sm_choose_objective)i;
            return true;
        }
    return false;
}

#define NUMBER(long_name, field, word, text)                                                \
    {                                                                                       \
        .name = (long_name), .kind = OPTION_CUSTOM, .offset = offsetof(choose_call, field), \
        .value = (word), .read = read_positive, .help = (text)                              \
    }
#define TEXT(long_name, field, word, text)                                                \
    {                                                                                     \
        .name = (long_name), .kind = OPTION_TEXT, .offset = offsetof(choose_call, field), \
        .value = (word), .help = (text)                                                   \
    }
#define ON(long_name, field, text)                                                      \
    {                                                                                   \
        .name = (long_name), .kind = OPTION_ON, .offset = offsetof(choose_call, field), \
        .help = (text)                                                                  \
    }
#define WHOLE(long_name, field, most, text)                                              \
    {                                                                                    \
        .name = (long_name), .kind = OPTION_U32, .offset = offsetof(choose_call, field), \
        .value = "N", .min = 1, .max = (most), .help = (text)                            \
    }

static const option_row rows[] = {
    {.kind = OPTION_HEADING, .help = "What is wanted"},
    {.name = "objective",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(choose_call, options.objective),
     .value = "cost|time",
     .read = read_objective,
     .help = "the least money a run (the default), or the least time"},
    NUMBER("deadline", deadline, "SECONDS", "of cost: only where a run takes at most so long"),
    NUMBER("budget", budget, "MONEY", "of time: only where a run costs at most so much"),
    NUMBER("recurrences", options.recurrences, "N",
           "how often the job will run on what is chosen; decides when another trial stops paying "
           "(80)"),
    {.kind = OPTION_HEADING, .help = "Trials"},
    TEXT("run", run, "COMMAND",
         "runs a trial: a shell command with {instance}, {family}, {nodes}, {vcpus}, {memory_gb}, "
         "{price} in it. It is timed; when its last line is {\"seconds\": 12.3}, that counts "
         "(\"cost\" likewise). Another exit code than 0 is a failed trial"),
    {.name = "sample",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(choose_call, sample),
     .value = "2%",
     .read = read_share,
     .help = "of -- pack: a trial takes that share of the pictures, always the same ones; so a run "
             "of the whole counts as that much more often recurring"},
    TEXT("up", job.up, "COMMAND",
         "of -- JOB: brings a Spark cluster for a trial; its last line is the master's URL (see "
         "'shardmill sweep --help')"),
    TEXT("down", job.down, "COMMAND", "takes it away again"),
    NUMBER("timeout", timeout, "SECONDS", "a trial that takes longer is stopped, and has failed"),
    WHOLE("parallel", parallel, 64, "trials at once (1)"),
    WHOLE("max-trials", options.max_trials, SM_CHOOSE_MAX_TRIALS, "no more than so many"),
    TEXT("state", state, "FILE",
         "keeps the search in FILE, and goes on with it where it is there already"),
    NUMBER("cost", cost, "MONEY", "of tell: what the trial cost, when that is not time x price"),
    {.kind = OPTION_HEADING, .help = "How"},
    {.name = "method",
     .kind = OPTION_CUSTOM,
     .offset = offsetof(choose_call, options.method),
     .value = "physical|cherrypick|ernest|random",
     .read = read_method,
     .help = "physical is ours, and the default; the others are for comparison"},
    TEXT("history", history, "TABLE.csv", "runs of other jobs to learn from"),
    {.name = "seed",
     .kind = OPTION_U64,
     .offset = offsetof(choose_call, options.seed),
     .value = "N",
     .max = INT64_MAX,
     .help = "the same seed and trials, the same search (0)"},
    NUMBER("ei-stop", options.ei_stop, "SHARE", "cherrypick: stop when EI is less (0.1)"),
    WHOLE("min-trials", options.min_trials, SM_CHOOSE_MAX_TRIALS, "cherrypick: but not before (6)"),
    {.kind = OPTION_HEADING, .help = "What is told"},
    ON("explain", explain,
       "after each trial what is believed, why the next one; at the end time against cost, and "
       "what it would take to be surer"),
    ON("json", json, "one JSON object a line"),
    TEXT("replay", replay, "TABLE.csv", "the search that would have been, on recorded runs"),
    TEXT("workload", workload, "NAME", "of --replay: this job of the table alone"),
    ON("protocol", protocol, "searches over lines on stdin and stdout (docs/choosing.md)"),
    {0},
};

static const char intro[] =
    "SPACE is a TOML file of instance types and node counts, or a CSV file of candidates. Trials\n"
    "are run one after the other; after each, the next is the one whose expected saving over the\n"
    "job's recurrences most exceeds its cost, and when none does, the search ends.\n"
    "\n"
    "  shardmill choose space.toml --run './job.sh {instance} {nodes}' --state search.json\n"
    "  shardmill choose space.toml --run './job.sh {instance} {nodes}' --deadline 3600 --explain\n"
    "\n"
    "Trials of our own jobs need no command: each is run on a cluster of its own, as sweep does "
    "it.\n"
    "\n"
    "  shardmill choose space.toml --sample 2% --engine dataproc --project p --region europe-west1 "
    "\\\n"
    "      -- pack gs://bucket/photos gs://bucket/trials\n"
    "\n"
    "Somebody else can run the trials (a candidate is told by its number):\n"
    "\n"
    "  shardmill choose space.toml --state search.json     begins a search\n"
    "  shardmill choose ask search.json                    what to try next\n"
    "  shardmill choose tell search.json 12 341.5          number 12 took 341.5 seconds\n"
    "  shardmill choose tell search.json 12 60 failed      it failed after 60\n"
    "\n"
    "  shardmill choose --replay runs.csv --explain        what would have been\n";

extern const command choose_command;

static int fail(const choose_call *call)
{
    print_failure(call->json);
    return EXIT_FATAL;
}

/* ---- Searches */

static sm_status conclude(sm_chooser *chooser, const sm_search *search, const choose_call *call)
{
    sm_advice advice;
    sm_status status = sm_chooser_advise(&advice, chooser, false);
    if (status != SM_OK) return status;
    if (call->explain) print_advice(search, &advice, call->json);
    return print_answer(chooser, search, &advice, call->explain, call->json);
}

static int search_with_command(sm_search *search, const choose_call *call)
{
    sm_chooser *chooser;
    if (sm_search_chooser(&chooser, search) != SM_OK) return fail(call);
    catch_signals();
    sm_status status = run_trials(chooser, search, call);
    if (status == SM_OK) status = conclude(chooser, search, call);
    bool answered = sm_chooser_best(chooser) != UINT32_MAX;
    sm_chooser_free(chooser);
    if (status == SM_ERR_CANCELLED)
        status = choose_fail(status, "stopped%s",
                             call->state != NULL ? "; the same command goes on with it" : "");
    if (status != SM_OK) return fail(call);
    return answered ? EXIT_DONE : EXIT_FATAL;
}

/* Where the files of our own jobs go: beside the state, or in the working folder. */
static sm_status prepare_job(choose_call *call, const sm_space *space)
{
    static char folder[4096], list[4200];
    uint64_t pictures;
    call->job.space = space;
    call->job.folder = folder;
    snprintf(folder, sizeof folder, "%s.runs", call->state != NULL ? call->state : "choose");
    if (call->sample <= 0) return SM_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return choose_fail(SM_ERR_IO, "cannot make '%s': %s", folder, strerror(errno));
    snprintf(list, sizeof list, "%s/sample.txt", folder);
    call->job.list = list;
    const char *src = call->job.words[call->job.src];
    FILE *file = fopen(list, "we");
    if (file == NULL) return choose_fail(SM_ERR_IO, "cannot write '%s': %s", list, strerror(errno));
    sm_status status = job_sample(&pictures, src, call->sample, file);
    const bool is_whole = !ferror(file);
    if (fclose(file) != 0 || !is_whole)
        status = choose_fail(SM_ERR_IO, "cannot write '%s' whole", list);
    else if (status == SM_OK && pictures == 0)
        status = choose_fail(SM_ERR_USAGE, "no file below %s is in the sample: take a larger share",
                             src);
    if (status != SM_OK) return status;
    printf("sample    %llu of the files below %s\n", (unsigned long long)pictures, src);
    fflush(stdout);
    return SM_OK;
}

static int search_space(const char *space, choose_call *call)
{
    sm_search search;
    bool resumed;
    sm_status status = open_search(&search, space, call, &resumed);
    if (status != SM_OK) return fail(call);
    int code = EXIT_DONE;
    if (resumed && !call->json) printf("resumed   %zu trials done\n", search.trial_count);
    if (call->job.cmd != NULL && prepare_job(call, &search.space) != SM_OK) {
        code = fail(call);
    } else if (call->run != NULL || call->job.cmd != NULL) {
        code = search_with_command(&search, call);
    } else {
        sm_chooser *chooser; /* options and history are tried before they are kept */
        status = sm_search_chooser(&chooser, &search);
        if (status == SM_OK) sm_chooser_free(chooser);
        if (status == SM_OK) status = sm_search_write(&search, call->state);
        if (status != SM_OK)
            code = fail(call);
        else if (!call->json)
            printf("%zu candidates; 'shardmill choose ask %s' says which to try\n",
                   search.space.count, call->state);
    }
    sm_search_free(&search);
    return code;
}

/* ---- Ask and tell */

static int ask(const char *path, const choose_call *call)
{
    sm_search search;
    sm_chooser *chooser;
    if (sm_search_read(&search, path) != SM_OK) return fail(call);
    sm_status status = sm_search_chooser(&chooser, &search);
    if (status != SM_OK) {
        sm_search_free(&search);
        return fail(call);
    }
    size_t running = 0;
    sm_advice advice = {0};
    for (size_t t = 0; t < search.trial_count; t++)
        if (search.trials[t].outcome == SM_TRIAL_RUNNING && running++ == 0)
            advice = (sm_advice){.kind = SM_ADVICE_TRY,
                                 .reason = SM_WHY_MODEL,
                                 .candidate = search.trials[t].candidate,
                                 .gain = NAN,
                                 .saving = NAN,
                                 .trial_cost = NAN};
    if (running < call->parallel) {
        status = sm_chooser_advise(&advice, chooser, false);
        if (status == SM_OK && advice.kind == SM_ADVICE_TRY) {
            sm_trial trial = {.candidate = advice.candidate, .outcome = SM_TRIAL_RUNNING};
            status = sm_search_add(&search, &trial);
            if (status == SM_OK) status = sm_search_write(&search, path);
        }
    }
    if (status == SM_OK && call->explain && search.trial_count > running)
        status = print_beliefs(chooser, &search, call->json);
    if (status == SM_OK) print_advice(&search, &advice, call->json);
    if (status == SM_OK && advice.kind == SM_ADVICE_STOP)
        status = print_answer(chooser, &search, &advice, call->explain, call->json);
    sm_chooser_free(chooser);
    sm_search_free(&search);
    return status == SM_OK ? EXIT_DONE : fail(call);
}

static bool whole_number(uint32_t *value, const char *text)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number > UINT32_MAX)
        return false;
    *value = (uint32_t)number;
    return true;
}

static int tell(const arguments *found, const choose_call *call)
{
    sm_trial trial = {.outcome = SM_TRIAL_OK};
    const char *want;
    bool failed = found->count == 5 && strcmp(found->items[4], "failed") == 0;
    if (found->count < 4 || (found->count == 5 && !failed) || found->count > 5 ||
        !whole_number(&trial.candidate, found->items[2]) ||
        !read_positive(&trial.seconds, found->items[3], &want))
        return usage_error(&choose_command, "wanted is: tell STATE NUMBER SECONDS [failed]");
    if (failed) trial.outcome = SM_TRIAL_FAILED;
    sm_search search;
    sm_chooser *chooser;
    if (sm_search_read(&search, found->items[1]) != SM_OK) return fail(call);
    sm_status status = sm_search_chooser(&chooser, &search);
    if (status == SM_OK) {
        trial.cost = 1;
        if (trial.candidate < search.space.count) {
            const sm_candidate *c = &search.space.candidates[trial.candidate];
            trial.cost = call->cost > 0 ? call->cost : trial.seconds * c->nodes * c->price / 3600;
        }
        status = sm_chooser_tell(chooser, &trial); /* checks it */
        if (status == SM_OK) status = sm_search_add(&search, &trial);
        if (status == SM_OK) status = sm_search_write(&search, found->items[1]);
        if (status == SM_OK) print_trial(&search, &trial, search.trial_count, call->json);
        if (status == SM_OK && call->explain) status = print_beliefs(chooser, &search, call->json);
        sm_chooser_free(chooser);
    }
    sm_search_free(&search);
    return status == SM_OK ? EXIT_DONE : fail(call);
}

/* ---- Replay */

/* Searches one job of the table, whose rows are its candidates. */
static sm_status replay_job(const sm_past_trial *runs, size_t count, const choose_call *call)
{
    sm_search search = {.options = call->options};
    sm_chooser *chooser = NULL;
    double least = INFINITY;
    search.space.candidates = calloc(count, sizeof *search.space.candidates);
    search.space.count = count;
    if (search.space.candidates == NULL) return choose_fail(SM_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        search.space.candidates[i] = runs[i].where;
        double value = call->options.objective == SM_CHOOSE_COST ? runs[i].cost : runs[i].seconds;
        double other = call->options.objective == SM_CHOOSE_COST ? runs[i].seconds : runs[i].cost;
        bool allowed = call->options.limit <= 0 || other <= call->options.limit;
        if (runs[i].outcome == SM_TRIAL_OK && allowed && value < least) least = value;
    }
    if (call->history != NULL) snprintf(search.history, sizeof search.history, "%s", call->history);
    sm_status status = sm_search_chooser(&chooser, &search);
    sm_advice advice = {0};
    if (status == SM_OK && !call->json) printf("%s\n", runs[0].job);
    while (status == SM_OK) {
        status = sm_chooser_advise(&advice, chooser, false);
        if (status != SM_OK || advice.kind == SM_ADVICE_STOP) break;
        if (call->explain) print_advice(&search, &advice, call->json);
        const sm_past_trial *row = &runs[advice.candidate];
        sm_trial trial = {advice.candidate, row->outcome, row->seconds, row->cost};
        status = sm_chooser_tell(chooser, &trial);
        if (status == SM_OK) status = sm_search_add(&search, &trial);
        if (status == SM_OK) print_trial(&search, &trial, search.trial_count, call->json);
        if (status == SM_OK && call->explain) status = print_beliefs(chooser, &search, call->json);
    }
    if (status == SM_OK) status = conclude(chooser, &search, call);
    if (status == SM_OK && advice.candidate != UINT32_MAX && !call->json) {
        const sm_past_trial *row = &runs[advice.candidate];
        double value = call->options.objective == SM_CHOOSE_COST ? row->cost : row->seconds;
        printf("          %.3f of the best that the table holds\n", value / least);
    }
    sm_chooser_free(chooser);
    sm_search_free(&search);
    return status;
}

static int replay(const choose_call *call)
{
    sm_table table;
    if (sm_table_read(&table, call->replay) != SM_OK) return fail(call);
    sm_status status = SM_OK;
    bool any = false;
    for (size_t begin = 0, end; begin < table.count && status == SM_OK; begin = end) {
        const char *job = table.rows[begin].job;
        end = begin;
        while (end < table.count && strcmp(table.rows[end].job, job) == 0) end++;
        if (call->workload != NULL && strcmp(call->workload, job) != 0) continue;
        if (any && !call->json) printf("\n");
        status = replay_job(table.rows + begin, end - begin, call);
        any = true;
    }
    sm_table_free(&table);
    if (status == SM_OK && !any)
        return usage_error(&choose_command, "there is no workload '%s' in %s", call->workload,
                           call->replay);
    return status == SM_OK ? EXIT_DONE : fail(call);
}

/* ---- The command */

static bool set_limit(choose_call *call)
{
    bool cost = call->options.objective == SM_CHOOSE_COST;
    if ((cost ? call->budget : call->deadline) > 0) {
        usage_error(&choose_command, cost ? "--budget goes with --objective time"
                                          : "--deadline goes with --objective cost");
        return false;
    }
    call->options.limit = cost ? call->deadline : call->budget;
    return true;
}

/* What the trials are run by, and what contradicts itself. */
static const char *fault_of(const choose_call *call)
{
    const bool own = call->job.cmd != NULL;
    if (own && call->run != NULL) return "trials are run by --run, or are the job behind --";
    if (!own && (call->sample > 0 || call->job.up != NULL || call->job.down != NULL))
        return "--sample, --up and --down go with a job behind --";
    if (call->sample > 0 && (call->job.cmd != &pack_command || call->job.src < 0))
        return "--sample goes with pack SRC DST: it lists a part of SRC";
    return NULL;
}

/* What was printed must have arrived. */
static int finish(int code, const choose_call *call)
{
    screen s;
    screen_init(&s, "choose", call->json ? LOG_JSON : LOG_TEXT, false);
    return finish_stdout(&s) ? code : EXIT_FATAL;
}

/* With the state of a search locked, where there is one. */
static int with_state(const char *path, const arguments *found, choose_call *call)
{
    enum { MOMENT_S = 5 };
    state_lock lock;
    const bool asks = found->count >= 2 && strcmp(found->items[0], "ask") == 0;
    const bool tells = found->count >= 2 && strcmp(found->items[0], "tell") == 0;
    if (path != NULL && lock_state(&lock, path, asks || tells ? MOMENT_S : 0) != SM_OK)
        return fail(call);
    const int code = asks    ? ask(path, call)
                     : tells ? tell(found, call)
                             : search_space(found->items[0], call);
    if (path != NULL) unlock_state(&lock);
    return code;
}

static int run_choose(int argc, char **argv)
{
    choose_call call = {.parallel = 1};
    arguments found;
    sm_choose_options_init(&call.options);
    engine_call_init(&call.engine);
    if (!job_read(&call.job, &choose_command, &argc, argv) ||
        !read_options(&found, &call, &choose_command, argc, argv) || !set_limit(&call))
        return EXIT_USAGE;
    if (found.help) {
        print_help(&choose_command);
        return EXIT_DONE;
    }
    if (call.protocol) {
        const char *wrong;
        if (run_protocol(&call.options, &wrong)) return EXIT_DONE;
        const char *reason =
            *sm_last_error() != '\0' ? sm_last_error() : "no such line can come here";
        choose_fail(SM_ERR_FORMAT, "%s: %.*s", reason, (int)strcspn(wrong, "\n"), wrong);
        return fail(&call);
    }
    if (call.replay != NULL) return finish(replay(&call), &call);
    const char *fault = fault_of(&call);
    if (fault != NULL) return usage_error(&choose_command, "%s", fault);
    if (found.count >= 2 &&
        (strcmp(found.items[0], "ask") == 0 ? found.count == 2
                                            : strcmp(found.items[0], "tell") == 0))
        return finish(with_state(found.items[1], &found, &call), &call);
    if (found.count != 1)
        return usage_error(&choose_command, "wanted is one SPACE, 'ask STATE' or 'tell STATE …'");
    if (call.run == NULL && call.state == NULL && call.job.cmd == NULL)
        return usage_error(&choose_command, "wanted is --run COMMAND, a job behind --, or --state "
                                            "FILE to ask and tell");
    if (call.job.cmd != NULL && !job_check(&call.job, &choose_command)) return EXIT_USAGE;
    /* The whole job recurs; trials and what they save are told in samples of it. */
    if (call.sample > 0) call.options.recurrences /= call.sample;
    return finish(with_state(call.state, &found, &call), &call);
}

const command choose_command = {.name = "choose",
                                .arguments = "SPACE",
                                .summary = "the cluster to rent, from a few trial runs",
                                .intro = intro,
                                .rows = rows,
                                .shared = engine_rows,
                                .shared_at = offsetof(choose_call, engine),
                                .run = run_choose};
