#include "sweep_results.h"

#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char SCHEMA[] = "shardmill.sweep/1";

/* ---- The file */

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void take_row(sweep_results *r, json_t *row)
{
    char name[JOB_NAME_MAX];
    for (size_t i = 0; i < r->space->count; i++) {
        job_name(name, &r->space->candidates[i]);
        if (strcmp(name, text_in(row, "name")) != 0) continue;
        json_decref(r->rows[i]);
        r->rows[i] = json_incref(row);
    }
}

/* What is wrong with a line, or NULL. */
static const char *take_line(sweep_results *r, const char *line, size_t number,
                             const char *command_text)
{
    const char *wrong = NULL;
    json_t *object = json_loads(line, 0, NULL);
    if (strcmp(text_in(object, "schema"), SCHEMA) != 0)
        wrong = "is no line of a sweep's results";
    else if (number == 1 && strcmp(text_in(object, "kind"), "sweep") != 0)
        wrong = "does not say which sweep it is";
    else if (number == 1 && strcmp(text_in(object, "command"), command_text) != 0)
        wrong = "is of another job: name another --output, or remove it";
    else if (number > 1)
        take_row(r, object);
    json_decref(object);
    return wrong;
}

/* Reads what is there; a last line that was cut off is removed. */
static const char *read_rows(sweep_results *r, const char *command_text, size_t *number)
{
    char *line = NULL;
    size_t cap = 0;
    off_t whole = 0;
    const char *wrong = NULL;
    *number = 0;
    for (ssize_t len; wrong == NULL && (len = getline(&line, &cap, r->file)) > 0;) {
        if (line[len - 1] != '\n') break;
        wrong = take_line(r, line, ++*number, command_text);
        whole += len;
    }
    free(line);
    if (wrong == NULL &&
        (ftruncate(fileno(r->file), whole) != 0 || fseeko(r->file, whole, SEEK_SET) != 0))
        wrong = "cannot be written";
    return wrong;
}

static bool write_line(sweep_results *r, const json_t *object)
{
    const size_t style = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6);
    return json_dumpf(object, r->file, style) == 0 && putc('\n', r->file) != EOF &&
           fflush(r->file) == 0 && (fsync(fileno(r->file)) == 0 || errno == EINVAL);
}

static bool write_head(sweep_results *r, const char *command_text)
{
    char started[32] = "";
    const time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm) != NULL) strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_t *text = json_string(command_text);
    json_t *head = json_pack("{s:s, s:s, s:s, s:s, s:o, s:i}", "schema", SCHEMA, "kind", "sweep",
                             "shardmill", sm_version(), "started", started, "command",
                             text != NULL ? text : json_string("(not UTF-8)"), "configurations",
                             (int)r->space->count);
    const bool good = head != NULL && write_line(r, head);
    json_decref(head);
    return good;
}

bool sweep_open(sweep_results *r, const char *path, const sm_space *space, const char *command_text,
                screen *s)
{
    char message[4608];
    size_t number = 0;
    const char *wrong = NULL;
    *r = (sweep_results){.space = space, .rows = calloc(space->count, sizeof(json_t *))};
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    r->file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (r->file == NULL || r->rows == NULL)
        wrong = strerror(errno);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        wrong = errno == EWOULDBLOCK ? "another sweep writes it" : strerror(errno);
    else
        wrong = read_rows(r, command_text, &number);
    if (wrong == NULL && number == 0 && !write_head(r, command_text)) wrong = strerror(errno);
    if (wrong == NULL) return true;
    if (number > 0)
        snprintf(message, sizeof message, "'%s': line %zu %s", path, number, wrong);
    else
        snprintf(message, sizeof message, "cannot use '%s': %s", path, wrong);
    screen_error(s, message);
    return false;
}

bool sweep_add(sweep_results *r, size_t candidate, json_t *row)
{
    json_decref(r->rows[candidate]);
    r->rows[candidate] = row;
    return write_line(r, row);
}

void sweep_close(sweep_results *r)
{
    for (size_t i = 0; r->rows != NULL && i < r->space->count; i++) json_decref(r->rows[i]);
    free(r->rows);
    if (r->file != NULL) fclose(r->file);
    *r = (sweep_results){0};
}

bool sweep_failed(const sweep_results *r, size_t candidate)
{
    return r->rows[candidate] != NULL && strcmp(text_in(r->rows[candidate], "status"), "ok") != 0;
}

size_t sweep_failures(const sweep_results *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->space->count; i++) count += sweep_failed(r, i);
    return count;
}

/* ---- For people */

/* "12.3" for row[a] or row[a][b]; "-" where there is none. */
static const char *show(char text[NUMBER_MAX], const json_t *row, const char *a, const char *b,
                        double scale, const char *format)
{
    const json_t *found = json_object_get(row, a);
    if (b != NULL) found = json_object_get(found, b);
    snprintf(text, NUMBER_MAX, "-");
    if (!json_is_number(found)) return text;
    const double value = json_number_value(found) * scale;
    if (strcmp(format, "cost") == 0)
        snprintf(text, NUMBER_MAX, value < 0.01 ? "%.6f" : "%.4f", value);
    else
        snprintf(text, NUMBER_MAX, value < 9.95 ? "%.2f" : value < 99.5 ? "%.1f" : "%.0f", value);
    return text;
}

void sweep_note(screen *s, const json_t *row)
{
    char line[1024], seconds[NUMBER_MAX], cost[NUMBER_MAX], rate[NUMBER_MAX];
    if (strcmp(text_in(row, "status"), "ok") != 0)
        snprintf(line, sizeof line, "%s: failed: %s", text_in(row, "name"), text_in(row, "error"));
    else
        snprintf(line, sizeof line, "%s: %s s, cost %s, %s images/s", text_in(row, "name"),
                 show(seconds, row, "seconds", NULL, 1, ""),
                 show(cost, row, "cost", NULL, 1, "cost"),
                 show(rate, row, "images_per_s", NULL, 1, ""));
    screen_note(s, line);
}

static void print_row(const json_t *row)
{
    char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX], d[NUMBER_MAX], e[NUMBER_MAX], f[NUMBER_MAX];
    char g[NUMBER_MAX], h[NUMBER_MAX], i[NUMBER_MAX];
    printf("%-20s %9s %10s %9s %7s %7s %7s %8s %8s %5s", text_in(row, "name"),
           show(a, row, "seconds", NULL, 1, ""), show(b, row, "cost", NULL, 1, "cost"),
           show(c, row, "images_per_s", NULL, 1, ""), show(d, row, "mb_per_s", NULL, 1, ""),
           show(e, row, "cluster", "received_mb_per_s", 1, ""),
           show(f, row, "cluster", "sent_mb_per_s", 1, ""),
           show(g, row, "cluster", "disk_read_mb_per_s", 1, ""),
           show(h, row, "cluster", "disk_written_mb_per_s", 1, ""),
           show(i, row, "cluster", "cpu", 100, ""));
    if (strcmp(text_in(row, "status"), "ok") != 0) {
        printf("  failed: ");
        print_safely(stdout, text_in(row, "error"));
    }
    putchar('\n');
}

void sweep_print(const sweep_results *r)
{
    printf("%-20s %9s %10s %9s %7s %7s %7s %8s %8s %5s\n", "", "", "", "", "", "net in", "net out",
           "disk in", "disk out", "");
    printf("%-20s %9s %10s %9s %7s %7s %7s %8s %8s %5s\n", "configuration", "seconds", "cost",
           "images/s", "MB/s", "MB/s", "MB/s", "MB/s", "MB/s", "CPU%");
    for (size_t i = 0; i < r->space->count; i++)
        if (r->rows[i] != NULL) print_row(r->rows[i]);
}
