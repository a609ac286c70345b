/*
 * Spark: spark-submit runs a small driver (python/shardmill/_driver.py, which is part of this
 * program), and the driver pipes the task lines through this program's `worker` on the executors.
 * Driver and coordinator speak over a socket in a folder of their own; in --deploy-mode cluster the
 * driver is on another machine, takes the tasks from a file that Spark carries there, and the
 * results are looked for in the destination.
 */
#include "core/json.h"
#include "core/machine.h"
#include "core/status.h"
#include "engine/driver.h"
#include "engine/process.h"
#include "engine/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    WORDS_MAX = 1024,
    TURN_US = 50000,
    LOOK_US = 1000000, /* between looks for results in the destination */
    LOOK_AHEAD = 64,   /* shards that are looked for at once */
    STOP_SECONDS = 30, /* how long a driver may take to stop its context */
    TAIL = 1 << 16     /* of the log is searched for what went wrong */
};

/*
 * Spark's own processes live for seconds here and only hand lines on: code compiled at once and
 * once does for them. The second of Java's compilers would take cores from the pictures for as long
 * as that. By this variable, which Java 9 and newer put before all else that they are told, because
 * --conf would replace what a cluster's administrator has set.
 */
#define JAVA_OPTIONS "JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1"

typedef struct spark_engine {
    sm_engine engine;
    char *master, *deploy_mode, *worker;
    char **conf;
    size_t conf_count;
    uint32_t executor_cores;
    char *submit; /* spark-submit */
} spark_engine;

/* One run. */
typedef struct spark_run {
    const spark_engine *spark;
    char folder[96]; /* of this run alone */
    char log[300], driver[300], program[300], tasks[300];
    char socket[sizeof((struct sockaddr_un *)0)->sun_path];
    int listening, channel;
    sm_process process;
    sm_buf words; /* the command line: NUL-ended words */
    size_t word_count;
} spark_run;

/* ---- Finding Spark */

static bool find_submit(sm_buf *path)
{
    const char *home = getenv("SPARK_HOME");
    char name[4096];
    if (home != NULL && *home != '\0') {
        snprintf(name, sizeof name, "%s/bin/spark-submit", home);
        return sm_process_find(path, name);
    }
    if (sm_process_find(path, "spark-submit")) return true;
    char script[] = "import os, pyspark; print(os.path.dirname(pyspark.__file__))";
    char python[] = "python3", flag[] = "-c";
    char *words[] = {python, flag, script, NULL};
    sm_buf found;
    sm_buf_init(&found, SM_PATH_LIMIT);
    bool good = sm_process_find(path, python);
    if (good) {
        words[0] = (char *)path->data;
        good = sm_process_ask(&found, words);
    }
    if (good) {
        snprintf(name, sizeof name, "%s/bin/spark-submit", (const char *)found.data);
        good = sm_process_find(path, name);
    }
    sm_buf_free(&found);
    return good;
}

/* ---- The run's folder */

static void put_path(char *path, size_t cap, const spark_run *run, const char *name)
{
    snprintf(path, cap, "%s/%s", run->folder, name);
}

static sm_status make_folder(spark_run *run)
{
    const char *above = getenv("TMPDIR");
    /* A socket's name may not be long. */
    if (above == NULL || *above == '\0' || strlen(above) > 60) above = P_tmpdir;
    snprintf(run->folder, sizeof run->folder, "%s/shardmill-spark-XXXXXX", above);
    if (mkdtemp(run->folder) == NULL) {
        run->folder[0] = '\0';
        return sm_fail_errno(errno, "cannot make a folder in '%s'", above);
    }
    put_path(run->log, sizeof run->log, run, "spark.log");
    put_path(run->socket, sizeof run->socket, run, "socket");
    put_path(run->driver, sizeof run->driver, run, "driver.py");
    put_path(run->program, sizeof run->program, run, "shardmill");
    put_path(run->tasks, sizeof run->tasks, run, "tasks.jsonl");
    return SM_OK;
}

/* The log stays when it is needed. */
static void remove_folder(spark_run *run, bool with_log)
{
    if (run->folder[0] == '\0') return;
    unlink(run->socket);
    unlink(run->driver);
    unlink(run->program);
    unlink(run->tasks);
    if (!with_log) return;
    unlink(run->log);
    rmdir(run->folder);
}

static sm_status write_driver(const spark_run *run)
{
    FILE *file = fopen(run->driver, "we");
    if (file == NULL) return sm_fail_errno(errno, "cannot write '%s'", run->driver);
    bool good = fwrite(sm_spark_driver, 1, sm_spark_driver_len, file) == sm_spark_driver_len;
    return fclose(file) == 0 && good ? SM_OK
                                     : sm_fail_errno(errno, "cannot write '%s'", run->driver);
}

/* A copy: Spark ships files under their own names, and ours may be any. */
static sm_status copy_program(const spark_run *run, const char *from)
{
    struct stat st;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) != 0) {
        int error = errno;
        if (in >= 0) close(in);
        return sm_fail_errno(error, "cannot open the worker's program '%s'", from);
    }
    int out = open(run->program, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    ssize_t n = out < 0 ? -1 : 1;
    for (off_t at = 0; n > 0 && at < st.st_size;)
        n = sendfile(out, in, &at, (size_t)(st.st_size - at));
    sm_status status =
        n < 0 ? sm_fail_errno(errno, "cannot copy the program to '%s'", run->program) : SM_OK;
    if (out >= 0 && close(out) != 0 && status == SM_OK)
        status = sm_fail_errno(errno, "cannot copy the program to '%s'", run->program);
    close(in);
    return status;
}

/* ---- The command line */

static sm_status add_word(spark_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static sm_status add_word(spark_run *run, const char *format, ...)
{
    char *word;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&word, format, args);
    va_end(args);
    if (len < 0) return sm_fail_memory(strlen(format));
    sm_status status = sm_buf_append(&run->words, word, (size_t)len + 1);
    free(word);
    run->word_count++;
    return status;
}

static sm_status add_conf(spark_run *run, const char *setting)
{
    sm_status status = add_word(run, "--conf");
    return status == SM_OK ? add_word(run, "%s", setting) : status;
}

bool sm_spark_is_bundle(const char *worker)
{
    const size_t len = worker == NULL ? 0 : strlen(worker);
    return (len > 4 && strcmp(worker + len - 4, ".tgz") == 0) ||
           (len > 7 && strcmp(worker + len - 7, ".tar.gz") == 0);
}

static bool is_cluster(const spark_engine *spark)
{
    return spark->deploy_mode != NULL && strcmp(spark->deploy_mode, "cluster") == 0;
}

static sm_status add_settings(spark_run *run)
{
    const spark_engine *spark = run->spark;
    sm_status status = SM_OK;
    if (spark->master != NULL) {
        status = add_word(run, "--master");
        if (status == SM_OK) status = add_word(run, "%s", spark->master);
    }
    if (status == SM_OK) status = add_word(run, "--deploy-mode");
    if (status == SM_OK) status = add_word(run, is_cluster(spark) ? "cluster" : "client");
    if (status == SM_OK) status = add_word(run, "--name");
    if (status == SM_OK) status = add_word(run, "shardmill");
    if (status == SM_OK) status = add_conf(run, "spark.ui.showConsoleProgress=false");
    if (status == SM_OK) status = add_conf(run, "spark.executorEnv." JAVA_OPTIONS);
    if (status == SM_OK && spark->executor_cores > 0) {
        char setting[64];
        snprintf(setting, sizeof setting, "spark.executor.cores=%u", spark->executor_cores);
        status = add_conf(run, setting);
        snprintf(setting, sizeof setting, "spark.task.cpus=%u", spark->executor_cores);
        if (status == SM_OK) status = add_conf(run, setting);
    }
    for (size_t i = 0; status == SM_OK && i < spark->conf_count; i++)
        status = add_conf(run, spark->conf[i]);
    return status;
}

static sm_status add_files(spark_run *run)
{
    const char *worker = run->spark->worker;
    const bool archive = sm_spark_is_bundle(worker);
    sm_status status = SM_OK;
    if (archive) {
        status = add_word(run, "--archives");
        if (status == SM_OK) status = add_word(run, "%s#shardmill-worker", worker);
    } else {
        status = copy_program(run, worker != NULL ? worker : "/proc/self/exe");
    }
    if (status == SM_OK && (!archive || is_cluster(run->spark))) {
        status = add_word(run, "--files");
        if (status == SM_OK)
            status = add_word(run, "%s%s%s", archive ? "" : run->program,
                              !archive && is_cluster(run->spark) ? "," : "",
                              is_cluster(run->spark) ? run->tasks : "");
    }
    if (status == SM_OK) status = add_word(run, "%s", run->driver);
    if (status == SM_OK) status = add_word(run, is_cluster(run->spark) ? "--tasks" : "--socket");
    if (status == SM_OK)
        status = add_word(run, "%s", is_cluster(run->spark) ? run->tasks : run->socket);
    if (status == SM_OK)
        status = add_word(run, archive ? "shardmill-worker/bin/shardmill" : "shardmill");
    return status;
}

static sm_status begin_words(spark_run *run)
{
    sm_buf_clear(&run->words);
    run->word_count = 0;
    sm_status status = add_word(run, "%s", run->spark->submit);
    return status == SM_OK ? add_settings(run) : status;
}

static sm_status start_words(spark_run *run)
{
    char *words[WORDS_MAX + 1];
    if (run->word_count > WORDS_MAX) return sm_fail(SM_ERR_USAGE, "there are too many --conf");
    char *at = (char *)run->words.data;
    for (size_t i = 0; i < run->word_count; i++, at += strlen(at) + 1) words[i] = at;
    words[run->word_count] = NULL;
    return sm_process_start(&run->process, words, run->log, JAVA_OPTIONS);
}

static sm_status start_driver(spark_run *run)
{
    sm_status status = begin_words(run);
    if (status == SM_OK) status = add_files(run);
    return status == SM_OK ? start_words(run) : status;
}

/* ---- What Spark said */

/* Whether a line of the log tells of what went wrong. */
static bool tells(const char *line, size_t len)
{
    static const char *const signs[] = {"Exception: ", "Error: ", "ERROR ", "error: "};
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), line);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(text, signs[i]) != NULL) return true;
    return false;
}

/* The first line that tells, of the end of the log. */
static void read_log(char *said, size_t cap, const char *log)
{
    snprintf(said, cap, "Spark ended without a word");
    FILE *file = fopen(log, "re");
    char *text = malloc(TAIL + 1);
    if (file != NULL && text != NULL && fseek(file, -(long)TAIL, SEEK_END) != 0) rewind(file);
    size_t len = file != NULL && text != NULL ? fread(text, 1, TAIL, file) : 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t line = end == NULL ? len - at : (size_t)(end - text) - at;
        if (tells(text + at, line)) {
            snprintf(said, cap, "%.*s", (int)(line < cap ? line : cap - 1), text + at);
            break;
        }
        at += line + 1;
    }
    free(text);
    if (file != NULL) fclose(file);
}

/* The word that comes first after a text in the log; false when the text is not there. */
static bool find_word(char *word, size_t cap, const char *log, const char *text)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *file = fopen(log, "re");
    while (file != NULL && !found && getline(&line, &room, file) >= 0) {
        const char *at = strstr(line, text);
        found = at != NULL;
        if (found) at += strlen(text);
        if (found) snprintf(word, cap, "%.*s", (int)strcspn(at, " \n"), at);
    }
    free(line);
    if (file != NULL) fclose(file);
    return found;
}

static sm_status spark_failed(const spark_run *run)
{
    char said[600];
    read_log(said, sizeof said, run->log);
    return sm_fail(SM_ERR_IO, "Spark failed: %s (all that it said is in '%s')", said, run->log);
}

/* ---- With a driver on this machine */

static sm_status listen_for_driver(spark_run *run)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, run->socket, sizeof address.sun_path);
    run->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (run->listening < 0 ||
        bind(run->listening, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(run->listening, 1) != 0)
        return sm_fail_errno(errno, "cannot make the socket '%s'", run->socket);
    return SM_OK;
}

static bool is_cancelled(const sm_tasks *tasks)
{
    return tasks->is_cancelled != NULL && tasks->is_cancelled(tasks->cancel_user);
}

static sm_status await_driver(spark_run *run, const sm_tasks *tasks)
{
    while ((run->channel = accept4(run->listening, NULL, NULL, SOCK_CLOEXEC)) < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED)
            return sm_fail_errno(errno, "cannot speak with Spark's driver");
        if (is_cancelled(tasks)) return sm_fail(SM_ERR_CANCELLED, "stopped on request");
        if (!sm_process_runs(&run->process)) return spark_failed(run);
        usleep(TURN_US);
    }
    return SM_OK;
}

static sm_status drive_here(spark_run *run, const sm_tasks *tasks)
{
    sm_status status = listen_for_driver(run);
    if (status == SM_OK) status = start_driver(run);
    if (status == SM_OK) status = await_driver(run, tasks);
    if (status == SM_OK) status = sm_protocol_send(run->channel, tasks);
    if (status == SM_OK) status = sm_protocol_receive(run->channel, tasks, NULL, NULL);
    return status;
}

/* ---- With a driver in the cluster */

static sm_status write_tasks(const spark_run *run, const sm_tasks *tasks)
{
    int out = open(run->tasks, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0) return sm_fail_errno(errno, "cannot write '%s'", run->tasks);
    sm_status status = sm_protocol_send(out, tasks);
    if (close(out) != 0 && status == SM_OK)
        status = sm_fail_errno(errno, "cannot write '%s'", run->tasks);
    return status;
}

/* Looks for the results of the next open tasks; *open is the first that has none. */
static sm_status look(uint8_t *done, size_t *open, size_t most, const sm_tasks *tasks)
{
    sm_status status = SM_OK;
    size_t looked = 0;
    for (size_t i = *open; status == SM_OK && i < tasks->count && looked < most; i++) {
        if (done[i]) continue;
        bool found = false;
        status = tasks->find(tasks->user, i, &found);
        done[i] = found;
        looked++;
    }
    while (*open < tasks->count && done[*open]) (*open)++;
    return status;
}

/* "NAMESPACE:POD" of a driver on Kubernetes. */
static bool find_pod(char *pod, size_t cap, const spark_run *run)
{
    return find_word(pod, cap, run->log, "submission ID ") && strchr(pod, ':') != NULL;
}

/* Tells why shards are missing. Of a driver that failed on Kubernetes, Spark says that all is good.
 */
static sm_status driver_ended(const spark_run *run)
{
    char id[300];
    if (!find_pod(id, sizeof id, run)) return run->process.how != 0 ? spark_failed(run) : SM_OK;
    char *pod = strchr(id, ':');
    *pod++ = '\0';
    return sm_fail(SM_ERR_IO,
                   "the driver has ended and not all shards are there; 'kubectl logs --namespace "
                   "%s %s' tells why",
                   id, pod);
}

/* Nobody waits for the driver any more. On Kubernetes its executors go with its pod; elsewhere the
 * end of spark-submit has to do. */
static void stop_there(spark_run *run)
{
    char id[300];
    if (!find_pod(id, sizeof id, run)) return;
    sm_status status = begin_words(run);
    if (status == SM_OK) status = add_word(run, "--kill");
    if (status == SM_OK) status = add_word(run, "%s", id);
    if (status == SM_OK) status = start_words(run);
    if (status == SM_OK) sm_process_end(&run->process, STOP_SECONDS);
}

static sm_status drive_there(spark_run *run, const sm_tasks *tasks)
{
    uint8_t *done = calloc(tasks->count + 1, 1);
    if (done == NULL) return sm_fail_memory(tasks->count);
    size_t open = 0;
    sm_status status = write_tasks(run, tasks);
    if (status == SM_OK) status = start_driver(run);
    while (status == SM_OK && sm_process_runs(&run->process)) {
        usleep(LOOK_US);
        status = is_cancelled(tasks) ? sm_fail(SM_ERR_CANCELLED, "stopped on request")
                                     : look(done, &open, LOOK_AHEAD, tasks);
    }
    if (status == SM_OK) status = look(done, &open, SIZE_MAX, tasks);
    if (status == SM_OK && open < tasks->count) status = driver_ended(run);
    free(done);
    return status;
}

/* ---- The engine */

/* Ends the driver; a run that failed has its error line still. */
static void end_driver(spark_run *run, sm_status status)
{
    char line[SM_ERROR_MAX];
    snprintf(line, sizeof line, "%s", sm_last_error());
    if (run->channel >= 0) close(run->channel); /* the driver then stops what it does */
    if (run->listening >= 0) close(run->listening);
    const bool wants_time = run->channel >= 0 || status == SM_OK;
    const bool goes_on =
        status != SM_OK && is_cluster(run->spark) && sm_process_runs(&run->process);
    sm_process_end(&run->process, wants_time ? STOP_SECONDS : 0);
    if (goes_on) stop_there(run);
    if (status != SM_OK) sm_fail(status, "%s", line);
}

static sm_status run_spark(sm_engine *engine, const sm_tasks *tasks)
{
    spark_run run = {.spark = (const spark_engine *)engine, .listening = -1, .channel = -1};
    sm_buf_init(&run.words, SIZE_MAX / 2);
    sm_status status = make_folder(&run);
    if (status == SM_OK) status = write_driver(&run);
    if (status == SM_OK)
        status = is_cluster(run.spark) ? drive_there(&run, tasks) : drive_here(&run, tasks);
    end_driver(&run, status);
    /* Of a failure that is Spark's own, the log tells more than the line. */
    remove_folder(&run, status == SM_OK || status == SM_ERR_CANCELLED);
    sm_buf_free(&run.words);
    return status;
}

static void free_spark(sm_engine *engine)
{
    spark_engine *spark = (spark_engine *)engine;
    for (size_t i = 0; i < spark->conf_count; i++) free(spark->conf[i]);
    free(spark->conf);
    free(spark->master);
    free(spark->deploy_mode);
    free(spark->worker);
    free(spark->submit);
    free(spark);
}

static sm_status copy_text(char **copy, const char *text)
{
    if (text == NULL) return SM_OK;
    *copy = strdup(text);
    return *copy == NULL ? sm_fail_memory(strlen(text)) : SM_OK;
}

static sm_status copy_options(spark_engine *spark, const sm_spark_options *options)
{
    spark->executor_cores = options->executor_cores;
    spark->conf = calloc(options->conf_count + 1, sizeof *spark->conf);
    sm_status status = spark->conf == NULL ? sm_fail_memory(options->conf_count) : SM_OK;
    if (status == SM_OK) status = copy_text(&spark->master, options->master);
    if (status == SM_OK) status = copy_text(&spark->deploy_mode, options->deploy_mode);
    if (status == SM_OK) status = copy_text(&spark->worker, options->worker);
    for (size_t i = 0; status == SM_OK && i < options->conf_count; i++, spark->conf_count++)
        status = copy_text(&spark->conf[i], options->conf[i]);
    return status;
}

SM_API sm_status sm_engine_spark(sm_engine **engine, const sm_spark_options *options)
{
    spark_engine *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->engine = (sm_engine){.name = "spark", .run = run_spark, .free = free_spark};
    sm_buf submit;
    sm_buf_init(&submit, SM_PATH_LIMIT);
    sm_status status = copy_options(made, options);
    if (status == SM_OK && !find_submit(&submit))
        status = sm_fail(SM_ERR_NOT_FOUND, "there is no Spark here: set SPARK_HOME, put "
                                           "spark-submit on PATH, or 'pip install pyspark'");
    if (status == SM_OK) status = copy_text(&made->submit, (const char *)submit.data);
    sm_buf_free(&submit);
    if (status != SM_OK) {
        free_spark(&made->engine);
        return status;
    }
    *engine = &made->engine;
    return SM_OK;
}
