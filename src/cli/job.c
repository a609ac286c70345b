#include "job.h"

#include "commands.h"
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- The words */

static const char *value_behind(const char *const *words, int count, const char *name)
{
    const size_t len = strlen(name);
    const char *value = NULL;
    for (int i = 0; i < count; i++) {
        if (strncmp(words[i], name, len) != 0) continue;
        if (words[i][len] == '=') value = words[i] + len + 1;
        if (words[i][len] == '\0' && i + 1 < count) value = words[i + 1];
    }
    return value;
}

/* Where SRC and DST stand. */
static void find_places(cluster_job *j, char **words)
{
    word_kind kinds[JOB_WORDS_MAX];
    classify_words(kinds, j->cmd, j->count, words);
    j->src = j->dst = -1;
    for (int i = 0; i < j->count; i++) {
        if (kinds[i] != WORD_ARGUMENT) continue;
        if (j->src < 0) j->src = i;
        if (j->cmd == &pack_command) j->dst = i;
    }
    if (j->dst == j->src) j->src = -1; /* DST alone, with a list or manifest */
}

/* What stands behind an option of the engine, on either side of the "--". */
static const char *engine_value(const cluster_job *j, const char *name)
{
    const char *value = value_behind(j->words, j->count, name);
    return value != NULL ? value : value_behind(j->engine, j->engine_count, name);
}

static int find_kind(const cluster_job *j)
{
    const char *word = engine_value(j, "--engine");
    for (int i = 0; word != NULL && engine_name(i) != NULL; i++)
        if (strcmp(engine_name(i), word) == 0) return i;
    return ENGINE_LOCAL;
}

bool job_read(cluster_job *j, const command *cmd, int *argc, char **argv)
{
    word_kind kinds[JOB_WORDS_MAX];
    int at = 0;
    while (at < *argc && strcmp(argv[at], "--") != 0) at++;
    *j = (cluster_job){0};
    if (at == *argc) return true; /* none */
    if (*argc > JOB_WORDS_MAX) {
        usage_error(cmd, "too many words");
        return false;
    }
    char **words = argv + at + 1;
    j->count = *argc - at - 2;
    j->cmd = j->count < 0                                  ? NULL
             : strcmp(words[0], pack_command.name) == 0    ? &pack_command
             : strcmp(words[0], measure_command.name) == 0 ? &measure_command
                                                           : NULL;
    if (j->cmd == NULL) {
        usage_error(cmd, "behind -- wanted is a job: pack SRC DST, or measure SRC");
        return false;
    }
    for (int i = 0; i < j->count; i++) j->words[i] = words[i + 1];
    find_places(j, words + 1);
    *argc = at;
    classify_words(kinds, cmd, at, argv);
    for (int i = 0; i < at; i++)
        if (kinds[i] == WORD_SHARED) j->engine[j->engine_count++] = argv[i];
    j->kind = find_kind(j);
    return true;
}

bool job_check(const cluster_job *j, const command *cmd)
{
    const char *fault = NULL;
    if (j->cmd == &pack_command && j->dst < 0)
        fault = "pack wants SRC and DST";
    else if (j->cmd == &measure_command && j->src < 0)
        fault = "measure wants a SRC";
    else if (j->down != NULL && j->up == NULL)
        fault = "--down goes with --up";
    else if (j->up != NULL && j->kind == ENGINE_DATAPROC)
        fault = "with --engine dataproc each cluster is made by the run: no --up";
    else if (j->up == NULL && j->kind != ENGINE_SPARK && j->kind != ENGINE_DATAPROC)
        fault = "wanted is --engine spark or dataproc, or --up COMMAND";
    if (fault != NULL) usage_error(cmd, "%s", fault);
    return fault == NULL;
}

void job_name(char name[JOB_NAME_MAX], const sm_candidate *c)
{
    snprintf(name, JOB_NAME_MAX, "%s-x%.0f", c->instance, c->nodes);
    for (char *at = name; *at != '\0'; at++)
        if (strchr("/:@+", *at) != NULL) *at = '-';
}

double job_vcpus(const cluster_job *j, const sm_candidate *c)
{
    static char filled[TEMPLATE_MAX];
    if (j->kind != ENGINE_DATAPROC || c->nodes < 1.5) return c->nodes * c->vcpus;
    const char *spot = engine_value(j, "--spot");
    const char *master = engine_value(j, "--master-type");
    const char *last = master == NULL ? NULL : strrchr(master, '-'); /* "e2-standard-4" */
    const double more =
        spot != NULL && fill_template(filled, spot, c, NULL) ? strtod(filled, NULL) : 0;
    return (c->nodes + more) * c->vcpus + (last == NULL ? c->vcpus : strtod(last + 1, NULL));
}

/* ---- One run */

typedef struct job_runner {
    const cluster_job *job;
    const sm_candidate *candidate;
    char folder[SM_CHOOSE_NAME_MAX + 4096];
    char master[512]; /* that --up told; "" */
    pid_t group;      /* of what was started last */
    char *words[2 * JOB_WORDS_MAX + 32];
    int count;
} job_runner;

static bool add(job_runner *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool add(job_runner *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const bool good = vasprintf(&r->words[r->count], format, args) >= 0;
    va_end(args);
    r->count += good;
    r->words[r->count] = NULL;
    return good;
}

static const char *master_of(const job_runner *r)
{
    return *r->master == '\0' ? NULL : r->master;
}

static bool add_filled(job_runner *r, const char *const *words, int count)
{
    static char filled[TEMPLATE_MAX];
    char name[JOB_NAME_MAX];
    job_name(name, r->candidate);
    for (int i = 0; i < count; i++) {
        if (!fill_template(filled, words[i], r->candidate, master_of(r))) return false;
        /* Each candidate has a DST of its own, unless its template sees to that. */
        const bool bare =
            words == r->job->words && i == r->job->dst && strchr(words[i], '{') == NULL;
        if (!(bare ? add(r, "%s/%s", filled, name) : add(r, "%s", filled))) return false;
    }
    return true;
}

/* How the engine gets clusters of the candidate's kind. */
static bool add_cluster(job_runner *r)
{
    const sm_candidate *c = r->candidate;
    if (r->job->kind == ENGINE_DATAPROC)
        return add(r, "--create") && add(r, "--machine-type=%s", c->instance) &&
               add(r, "--workers=%.0f", c->nodes < 1.5 ? 0 : c->nodes);
    if (*r->master != '\0' && (!add(r, "--engine=spark") || !add(r, "--master=%s", r->master)))
        return false;
    return add(r, "--conf=spark.executor.cores=%.0f", c->vcpus) &&
           add(r, "--conf=spark.executor.instances=%.0f", c->nodes) &&
           add(r, "--conf=spark.cores.max=%.0f", c->nodes * c->vcpus);
}

static bool make_words(job_runner *r)
{
    const cluster_job *j = r->job;
    bool good = add(r, "shardmill") && add(r, "%s", j->cmd->name) && add_cluster(r) &&
                add_filled(r, j->engine, j->engine_count) && add_filled(r, j->words, j->count) &&
                add(r, "--metrics=%s/metrics.jsonl", r->folder);
    if (j->cmd == &pack_command)
        good = good && add(r, "--overwrite") && add(r, "--log-format=json") &&
               (j->list == NULL || add(r, "--list=%s", j->list));
    else
        good = good && add(r, "--output=%s/measure.jsonl", r->folder);
    return good;
}

/* Passes a wish to stop on, once: asked twice, a run ends at once, and its cluster stays. */
static void pass_on(pid_t group, double *told)
{
    if (caught_signal() == 0) return;
    if (*told == 0) {
        *told = background_clock();
        kill(-group, SIGTERM);
    }
    if (background_clock() - *told > JOB_PATIENCE_S - 10) kill(-group, SIGKILL);
}

/* Starts words (program NULL: this one) with its output in FOLDER/out and its messages in
 * FOLDER/log, and waits. It leads a process group, so that what our own group is told reaches it
 * through us alone; and not at all when it clears away. The exit code; 127: it could not be
 * started. */
static int carry_out(job_runner *r, const char *program, char *const *words, const char *out,
                     bool clears)
{
    char path[sizeof r->folder + 32];
    int how = 0;
    double told = 0;
    pid_t id = fork();
    if (id == 0) {
        setpgid(0, 0);
        snprintf(path, sizeof path, "%s/%s", r->folder, out);
        const int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        snprintf(path, sizeof path, "%s/log", r->folder);
        const int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
        if (to < 0 || log < 0 || dup2(to, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
            _exit(127);
        signal(SIGPIPE, SIG_DFL);
        execv(program == NULL ? "/proc/self/exe" : program, words);
        _exit(127);
    }
    if (id < 0) return 127;
    setpgid(id, id);
    r->group = id;
    while (waitpid(id, &how, WNOHANG) == 0) {
        const struct timespec turn = {.tv_nsec = 20000000};
        if (!clears) pass_on(id, &told);
        nanosleep(&turn, NULL);
    }
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128;
}

static int run_shell(job_runner *r, const char *template, const char *out, bool clears)
{
    static char filled[TEMPLATE_MAX];
    if (!fill_template(filled, template, r->candidate, master_of(r))) return 127;
    char shell[] = "sh", flag[] = "-c";
    char *const words[] = {shell, flag, filled, NULL};
    return carry_out(r, "/bin/sh", words, out, clears);
}

/* The last line of what --up printed is the master. */
static void read_master(job_runner *r)
{
    char path[sizeof r->folder + 32], line[sizeof r->master];
    snprintf(path, sizeof path, "%s/up", r->folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line != '\0') snprintf(r->master, sizeof r->master, "%s", line);
    }
    if (file != NULL) fclose(file);
}

/* A folder without what an earlier run left. */
static bool make_folder(job_runner *r)
{
    static const char *const files[] = {
        "log", "up", "down", "summary.json", "row.json", "metrics.jsonl", "measure.jsonl"};
    char name[JOB_NAME_MAX], path[sizeof r->folder + 32];
    job_name(name, r->candidate);
    snprintf(r->folder, sizeof r->folder, "%s/%s", r->job->folder, name);
    if (mkdir(r->job->folder, 0777) != 0 && errno != EEXIST) return false;
    if (mkdir(r->folder, 0777) != 0 && errno != EEXIST) return false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", r->folder, files[i]);
        unlink(path);
    }
    return true;
}

/* Writes the row, and the line for who only wants time and cost. */
static bool tell(const job_runner *r, json_t *row)
{
    char path[sizeof r->folder + 32];
    snprintf(path, sizeof path, "%s/row.json", r->folder);
    const bool good =
        row != NULL && json_dump_file(row, path, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0;
    printf("{\"seconds\":%.6g,\"cost\":%.6g}\n", json_number_value(json_object_get(row, "seconds")),
           json_number_value(json_object_get(row, "cost")));
    json_decref(row);
    return good;
}

int job_run(void *user, uint32_t candidate)
{
    const cluster_job *j = user;
    job_runner *r = calloc(1, sizeof *r);
    struct timespec now;
    if (r == NULL) return EXIT_FATAL;
    r->job = j;
    r->candidate = &j->space->candidates[candidate];
    if (!make_folder(r)) {
        fprintf(stderr, "shardmill: cannot make '%s': %s\n", r->folder, strerror(errno));
        return EXIT_FATAL;
    }
    job_end end = {0};
    if (j->up != NULL && (end.code = run_shell(r, j->up, "up", false)) != 0) end.failed = "up";
    const pid_t up = r->group;
    if (j->up != NULL && end.failed == NULL) read_master(r);
    if (end.failed == NULL && j->up != NULL && *r->master == '\0') end.failed = "up";
    clock_gettime(CLOCK_REALTIME, &now);
    end.started = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    const double begin = background_clock();
    if (end.failed == NULL && caught_signal() == 0) {
        end.code = make_words(r) ? carry_out(r, NULL, r->words, "summary.json", false) : 127;
        if (end.code != EXIT_DONE && end.code != EXIT_WITH_FAILURES) end.failed = "job";
    }
    end.wall_s = background_clock() - begin;
    if (j->down != NULL) run_shell(r, j->down, "down", true);
    if (up > 0) kill(-up, SIGTERM); /* what it left running */
    const bool told = tell(r, job_describe(j, r->candidate, r->folder, &end));
    return end.failed == NULL && told && caught_signal() == 0 ? EXIT_DONE : EXIT_FATAL;
}

json_t *job_row(const cluster_job *j, uint32_t candidate)
{
    char name[JOB_NAME_MAX], path[8192];
    job_name(name, &j->space->candidates[candidate]);
    snprintf(path, sizeof path, "%s/%s/row.json", j->folder, name);
    return json_load_file(path, 0, NULL);
}

/* ---- Samples */

typedef struct sampling {
    FILE *file;
    double share;
    uint64_t taken;
} sampling;

/* FNV-1a (Fowler, Noll, Vo), mixed at the end so that its upper bits are as good as the others. */
static double share_of_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15u;
    return (double)(hash >> 11) / 9007199254740992.0;
}

static sm_status sample_file(void *user, const sm_listed *file)
{
    sampling *s = user;
    if (share_of_name(file->name) >= s->share || strchr(file->name, '\n') != NULL) return SM_OK;
    s->taken++;
    return fprintf(s->file, "%s\n", file->name) > 0 ? SM_OK : SM_ERR_IO;
}

sm_status job_sample(uint64_t *pictures, const char *src, double share, FILE *list)
{
    sampling s = {.file = list, .share = share};
    sm_status status = sm_list_files(src, sample_file, &s);
    *pictures = s.taken;
    return status;
}
