/* A sweep's results, and what they say in sentences. */
#include "report/sweep_page.h"

#include "analyse/show.h"
#include "core/json.h"
#include "io/io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA "shardmill.sweep/1"

enum { FILE_LIMIT = 512 << 20, HEAD_BYTES = 256, ROWS_MAX = 4096 };

bool sm_is_sweep(const char *path)
{
    static const char mark[] = "\"" SCHEMA "\"";
    sm_buf head;
    sm_file_info info;
    sm_buf_init(&head, HEAD_BYTES);
    sm_status status = sm_io_stat(&info, path);
    if (status == SM_OK)
        status = sm_io_read_range(&head, path, 0, info.size < HEAD_BYTES ? info.size : HEAD_BYTES);
    const bool is = status == SM_OK && memmem(head.data, head.len, mark, sizeof mark - 1) != NULL;
    sm_buf_free(&head);
    return is;
}

/* Of several rows of one name the last holds. */
static sm_status keep_row(sm_sweep *sweep, json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    size_t i;
    const json_t *other;
    json_array_foreach(sweep->rows, i, other)
    {
        if (strcmp(json_string_value(json_object_get(other, "name")), name) == 0)
            return json_array_set(sweep->rows, i, row) == 0 ? SM_OK : sm_fail_memory(0);
    }
    if (i >= ROWS_MAX) return sm_fail(SM_ERR_LIMIT, "more than %d configurations", ROWS_MAX);
    return json_array_append(sweep->rows, row) == 0 ? SM_OK : sm_fail_memory(0);
}

static sm_status take_line(sm_sweep *sweep, json_t *object, const char *path, size_t number)
{
    const char *schema = json_string_value(json_object_get(object, "schema"));
    const char *kind = json_string_value(json_object_get(object, "kind"));
    if (schema == NULL || strcmp(schema, SCHEMA) != 0 || kind == NULL)
        return sm_fail(SM_ERR_CORRUPT, "'%s' line %zu is no line of a sweep's results", path,
                       number);
    if (strcmp(kind, "sweep") == 0) {
        json_decref(sweep->head);
        sweep->head = json_incref(object);
        return SM_OK;
    }
    if (json_string_value(json_object_get(object, "name")) == NULL ||
        json_string_value(json_object_get(object, "status")) == NULL)
        return sm_fail(SM_ERR_CORRUPT, "'%s' line %zu: a configuration without a name or a status",
                       path, number);
    return keep_row(sweep, object);
}

sm_status sm_sweep_read(sm_sweep *sweep, const char *path)
{
    sm_buf text;
    *sweep = (sm_sweep){.rows = json_array()};
    sm_buf_init(&text, FILE_LIMIT);
    sm_status status = sweep->rows == NULL ? sm_fail_memory(0) : sm_io_read_file(&text, path, NULL);
    size_t number = 0;
    for (size_t at = 0; status == SM_OK && at < text.len;) {
        const char *line = (const char *)text.data + at;
        const char *end = memchr(line, '\n', text.len - at);
        const size_t len = end == NULL ? text.len - at : (size_t)(end - line);
        json_error_t error;
        json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
        number++;
        status = object == NULL
                     ? sm_fail(SM_ERR_CORRUPT, "'%s' line %zu: %s", path, number, error.text)
                     : take_line(sweep, object, path, number);
        json_decref(object);
        at += len + 1;
    }
    if (status == SM_OK && json_array_size(sweep->rows) == 0)
        status = sm_fail(SM_ERR_USAGE, "'%s' holds no configuration yet", path);
    sm_buf_free(&text);
    return status;
}

void sm_sweep_free(sm_sweep *sweep)
{
    json_decref(sweep->head);
    json_decref(sweep->rows);
    *sweep = (sm_sweep){0};
}

/* ---- Sentences */

static double number(const json_t *row, const char *a, const char *b)
{
    const json_t *found = json_object_get(row, a);
    if (b != NULL) found = json_object_get(found, b);
    return json_is_number(found) ? json_number_value(found) : NAN;
}

/* The successful row with the least, or with sign -1 the most, of row[a] or row[a][b]; NULL. */
static const json_t *best(const sm_sweep *sweep, const char *a, const char *b, double sign)
{
    const json_t *row, *found = NULL;
    size_t i;
    json_array_foreach(sweep->rows, i, row)
    {
        const double value = number(row, a, b);
        if (strcmp(json_string_value(json_object_get(row, "status")), "ok") != 0) continue;
        if (!isfinite(value)) continue;
        if (found == NULL || sign * value < sign * number(found, a, b)) found = row;
    }
    return found;
}

static const char *name_of(const json_t *row)
{
    return json_string_value(json_object_get(row, "name"));
}

static void tell_network(const sm_sweep *sweep, void (*tell)(void *, const char *), void *user)
{
    char line[512], most[SM_SHOW_MAX], least[SM_SHOW_MAX];
    const char *a = "cluster", *b = "received_mb_per_s";
    const json_t *high = best(sweep, a, b, -1), *low = best(sweep, a, b, 1);
    if (high == NULL || high == low || !(number(low, a, b) > 0)) return;
    snprintf(line, sizeof line,
             "All machines together received %s/s on %.90s, and %s/s on %.90s: %.1f times as much.",
             sm_show_bytes(most, 1e6 * number(high, a, b)), name_of(high),
             sm_show_bytes(least, 1e6 * number(low, a, b)), name_of(low),
             number(high, a, b) / number(low, a, b));
    tell(user, line);
}

sm_status sm_sweep_words(const sm_sweep *sweep, void (*tell)(void *user, const char *sentence),
                         void *user)
{
    char line[512], time[SM_SHOW_MAX], cost[SM_SHOW_MAX];
    const json_t *cheap = best(sweep, "cost", NULL, 1), *fast = best(sweep, "seconds", NULL, 1);
    const json_t *row;
    size_t i, failed = 0;
    json_array_foreach(sweep->rows, i, row) failed +=
        strcmp(json_string_value(json_object_get(row, "status")), "ok") != 0;
    if (cheap != NULL) {
        snprintf(line, sizeof line, "Take %.90s: %s for a run, at a cost of %s%s.", name_of(cheap),
                 sm_show_seconds(time, number(cheap, "seconds", NULL)),
                 sm_show(cost, number(cheap, "cost", NULL)),
                 fast == cheap ? ", the cheapest and the fastest" : ", the cheapest");
        tell(user, line);
    }
    if (fast != NULL && fast != cheap && cheap != NULL) {
        snprintf(line, sizeof line, "The fastest is %.90s: %s, for %.2f times the cost.",
                 name_of(fast), sm_show_seconds(time, number(fast, "seconds", NULL)),
                 number(fast, "cost", NULL) / number(cheap, "cost", NULL));
        tell(user, line);
    }
    tell_network(sweep, tell, user);
    if (failed > 0) {
        snprintf(line, sizeof line, "%zu of %zu configurations failed.", failed,
                 json_array_size(sweep->rows));
        tell(user, line);
    }
    return SM_OK;
}
