/*
 * Inputs of a manifest: CSV (RFC 4180, with a header line) or JSON Lines (one flat object a line).
 * The columns `path` (or `file_name`), `label` and `split` have their meaning; the others are
 * carried into the records, each as the narrowest type that holds all its values.
 */
#include "core/array.h"
#include "core/json.h"
#include "core/status.h"
#include "pack/inputs.h"
#include "pack/lines.h"
#include "shard/tfds.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_LIMIT = 1 << 20, PATH_COLUMN = 0, LABEL_COLUMN, SPLIT_COLUMN, FURTHER_COLUMNS };

/* One row's values, in the order of the manifest's columns. */
typedef struct row {
    sm_buf text; /* each value with its NUL */
    size_t values[SM_MAX_COLUMNS];
    bool is_text[SM_MAX_COLUMNS]; /* JSON said: a string, whatever it looks like */
    size_t count;
    uint64_t line; /* where it began */
} row;

typedef struct manifest {
    sm_inputs *inputs;
    sm_lines *lines;
    row row;
    char *names[SM_MAX_COLUMNS];
    int role[SM_MAX_COLUMNS]; /* PATH_COLUMN, …, or FURTHER_COLUMNS + index in inputs->columns */
    size_t count;
    bool has_label, has_split;
} manifest;

static sm_status wrong(const manifest *m, const char *what, const char *about)
{
    return sm_fail(SM_ERR_USAGE, "'%s' line %llu: %s%s%s", sm_lines_path(m->lines),
                   (unsigned long long)m->row.line, what, about == NULL ? "" : " ",
                   about == NULL ? "" : about);
}

static sm_status begin_value(manifest *m, bool is_text)
{
    if (m->row.count == SM_MAX_COLUMNS) return wrong(m, "more than 64 columns", NULL);
    m->row.is_text[m->row.count] = is_text;
    m->row.values[m->row.count++] = m->row.text.len;
    return SM_OK;
}

static const char *value_of(const manifest *m, size_t i)
{
    return (const char *)m->row.text.data + m->row.values[i];
}

/* ---- Columns */

static bool is_reserved(const char *name)
{
    static const char *const taken[] = {"image", "label", "file_name",
                                        "class", "size",  "one_hot_class"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0) return true;
    return false;
}

static sm_status set_role(manifest *m, size_t i)
{
    const char *name = m->names[i];
    if (strcmp(name, "path") == 0 || strcmp(name, "file_name") == 0) {
        m->role[i] = PATH_COLUMN;
    } else if (strcmp(name, "label") == 0) {
        m->role[i] = LABEL_COLUMN;
        m->has_label = true;
    } else if (strcmp(name, "split") == 0) {
        m->role[i] = SPLIT_COLUMN;
        m->has_split = true;
    } else {
        if (!sm_tfds_is_name(name))
            return wrong(m, "letters, digits and _ make a column's name, not", name);
        if (is_reserved(name))
            return wrong(m, "the records have a feature of their own named", name);
        sm_inputs *inputs = m->inputs;
        sm_column *column = &inputs->columns[inputs->column_count];
        *column = (sm_column){.name = strdup(name), .type = SM_COLUMN_INT64};
        if (column->name == NULL) return sm_fail_memory(strlen(name));
        m->role[i] = FURTHER_COLUMNS + (int)inputs->column_count++;
    }
    for (size_t other = 0; other < i; other++)
        if (m->role[other] == m->role[i] || strcmp(m->names[other], name) == 0)
            return wrong(m, "a second column for", name);
    return SM_OK;
}

static sm_status add_column(manifest *m, const char *name)
{
    if (m->count == SM_MAX_COLUMNS) return wrong(m, "more than 64 columns", NULL);
    m->names[m->count] = strdup(name);
    if (m->names[m->count] == NULL) return sm_fail_memory(strlen(name));
    m->count++;
    return set_role(m, m->count - 1);
}

static sm_status check_columns(const manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->role[i] == PATH_COLUMN) return SM_OK;
    return wrong(m, "there is no column named path", NULL);
}

/* ---- Types */

static bool is_int64(const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || digits[len] != '\0') return false;
    if (digits[0] == '0' && (len > 1 || digits != text)) return false; /* "007" names something */
    errno = 0;
    strtoll(text, NULL, 10);
    return errno == 0;
}

/* With a point or an exponent, so that a long number of digits stays what it is: text. */
static bool is_float(const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (text[0] == '+' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    if (strpbrk(text, ".eE") == NULL || (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'))
        return false;
    char *end;
    double value = strtod(text, &end);
    return end != text && *end == '\0' && fabs(value) <= FLT_MAX;
}

static void widen(sm_column *column, const char *value, bool is_text)
{
    if (is_text || (column->type != SM_COLUMN_TEXT && !is_int64(value) && !is_float(value)))
        column->type = SM_COLUMN_TEXT;
    else if (column->type == SM_COLUMN_INT64 && !is_int64(value))
        column->type = SM_COLUMN_FLOAT;
}

/* ---- Rows */

static sm_status set_split(manifest *m, sm_input *input, const char *value)
{
    if (!sm_tfds_is_split(value)) return wrong(m, "no name for a split:", value);
    uint32_t split;
    sm_status status = sm_names_add(&m->inputs->splits, &split, value);
    if (status == SM_OK && split >= SM_MAX_SPLITS) return wrong(m, "more than 16 splits", NULL);
    if (status == SM_OK) input->split = (uint16_t)split;
    return status;
}

static sm_status set_label(manifest *m, sm_input *input, const char *value)
{
    return *value == '\0' ? SM_OK : sm_names_add(&m->inputs->classes, &input->class_id, value);
}

static sm_status add_row(manifest *m)
{
    sm_inputs *inputs = m->inputs;
    const char *path = "";
    for (size_t i = 0; i < m->count; i++)
        if (m->role[i] == PATH_COLUMN) path = value_of(m, i);
    if (*path == '\0') return wrong(m, "there is no path", NULL);

    sm_input *input;
    sm_status status = sm_inputs_add_named(inputs, &input, path);
    if (status != SM_OK) return status;
    input->columns = inputs->text.len;
    /* Further columns stand in the order of inputs->columns, which is that of their appearance. */
    for (size_t i = 0; status == SM_OK && i < m->count; i++) {
        const char *value = value_of(m, i);
        size_t offset;
        if (m->role[i] == LABEL_COLUMN) {
            status = set_label(m, input, value);
        } else if (m->role[i] == SPLIT_COLUMN) {
            status = set_split(m, input, value);
        } else if (m->role[i] >= FURTHER_COLUMNS) {
            widen(&inputs->columns[m->role[i] - FURTHER_COLUMNS], value, m->row.is_text[i]);
            status = sm_inputs_keep_text(inputs, &offset, value);
        }
    }
    return status;
}

/* ---- CSV */

static sm_status put(manifest *m, int byte)
{
    uint8_t one = (uint8_t)byte;
    return sm_buf_append(&m->row.text, &one, 1);
}

/* What stands between quotes; the first quote is read. */
static sm_status read_quoted(manifest *m)
{
    for (;;) {
        int byte, next;
        sm_status status = sm_lines_byte(m->lines, &byte);
        if (status != SM_OK) return status;
        if (byte == SM_LINES_END) return wrong(m, "a quote is not closed", NULL);
        if (byte == '"') {
            status = sm_lines_peek(m->lines, &next);
            if (status != SM_OK || next != '"') return status;
            sm_lines_byte(m->lines, &byte); /* a doubled quote is one */
        }
        status = put(m, byte);
        if (status != SM_OK) return status;
    }
}

/* One field; *end is what ended it: a comma, a line break, or the end. */
static sm_status read_field(manifest *m, int *end)
{
    sm_status status = begin_value(m, false);
    int byte = SM_LINES_END;
    if (status == SM_OK) status = sm_lines_peek(m->lines, &byte);
    bool quoted = status == SM_OK && byte == '"';
    if (quoted) {
        sm_lines_byte(m->lines, &byte);
        status = read_quoted(m);
    }
    while (status == SM_OK) {
        status = sm_lines_byte(m->lines, &byte);
        if (status != SM_OK || byte == ',' || byte == '\n' || byte == SM_LINES_END) break;
        int next;
        status = sm_lines_peek(m->lines, &next);
        if (byte == '\r' && (next == '\n' || next == SM_LINES_END)) continue;
        if (status == SM_OK && quoted) return wrong(m, "text stands behind a closed quote", NULL);
        if (status == SM_OK) status = put(m, byte);
    }
    if (status == SM_OK) status = put(m, '\0');
    *end = byte;
    return status;
}

/* The next line's fields; *more is false when there was none. Empty lines are passed over. */
static sm_status read_csv_row(manifest *m, bool *more)
{
    for (;;) {
        m->row.count = 0;
        sm_buf_clear(&m->row.text);
        m->row.line = sm_lines_number(m->lines);
        int end = SM_LINES_END;
        sm_status status = sm_lines_peek(m->lines, &end);
        *more = end != SM_LINES_END;
        if (status != SM_OK || !*more) return status;
        do status = read_field(m, &end);
        while (status == SM_OK && end == ',');
        if (status == SM_ERR_LIMIT) return wrong(m, "the row is longer than 1 MiB", NULL);
        if (status != SM_OK || m->row.count > 1 || *value_of(m, 0) != '\0') return status;
    }
}

static sm_status collect_csv(manifest *m)
{
    bool more;
    sm_status status = read_csv_row(m, &more);
    if (status == SM_OK && !more)
        return sm_fail(SM_ERR_USAGE, "'%s' is empty", sm_lines_path(m->lines));
    for (size_t i = 0; status == SM_OK && i < m->row.count; i++)
        status = add_column(m, value_of(m, i));
    if (status == SM_OK) status = check_columns(m);
    while (status == SM_OK) {
        status = read_csv_row(m, &more);
        if (status != SM_OK || !more) break;
        if (m->row.count != m->count)
            return wrong(m, "it has not as many fields as the header line", NULL);
        status = add_row(m);
    }
    return status;
}

/* ---- JSON Lines */

/* A real number stays one where it is whole: 2.0 is no 2. */
static void print_real(char number[40], double value)
{
    int len = snprintf(number, 40, "%.17g", value);
    if (number[strcspn(number, ".e")] == '\0') memcpy(number + len, ".0", sizeof ".0");
}

static sm_status put_json(manifest *m, const char *name, const json_t *value)
{
    char number[40];
    const char *text = number;
    switch (json_typeof(value)) {
    case JSON_STRING: text = json_string_value(value); break;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL: print_real(number, json_real_value(value)); break;
    case JSON_TRUE:
    case JSON_FALSE: text = json_is_true(value) ? "1" : "0"; break;
    case JSON_NULL: text = ""; break;
    default:
        return wrong(m, "only text, numbers, true, false and null can be carried, not that of",
                     name);
    }
    sm_status status = begin_value(m, json_is_string(value) || json_is_null(value));
    return status == SM_OK ? sm_buf_append(&m->row.text, text, strlen(text) + 1) : status;
}

/* The object's values in the order of the columns, which the first object gives. */
static sm_status read_object(manifest *m, json_t *object)
{
    sm_status status = SM_OK;
    const char *name;
    const json_t *value;
    if (m->count == 0) {
        for (void *at = json_object_iter(object); at != NULL && status == SM_OK;
             at = json_object_iter_next(object, at))
            status = add_column(m, json_object_iter_key(at));
        if (status == SM_OK) status = check_columns(m);
    }
    size_t known = 0;
    for (size_t i = 0; status == SM_OK && i < m->count; i++) {
        name = m->names[i];
        value = json_object_get(object, name);
        known += value != NULL;
        status = put_json(m, name, value == NULL ? json_null() : value);
    }
    if (status == SM_OK && known != json_object_size(object))
        return wrong(m, "it has a key that the first line has not", NULL);
    return status;
}

static sm_status collect_jsonl(manifest *m)
{
    sm_buf line;
    sm_buf_init(&line, ROW_LIMIT);
    sm_status status = SM_OK;
    while (status == SM_OK) {
        bool more;
        m->row.count = 0;
        sm_buf_clear(&m->row.text);
        m->row.line = sm_lines_number(m->lines);
        status = sm_lines_next(m->lines, &more, &line);
        if (status != SM_OK || !more) break;
        if (strspn((const char *)line.data, " \t") == line.len) continue;
        json_error_t error;
        json_t *object =
            json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(object))
            status = wrong(m, "no JSON object:", object == NULL ? error.text : "something else");
        else
            status = read_object(m, object);
        json_decref(object);
        if (status == SM_OK) status = add_row(m);
    }
    sm_buf_free(&line);
    return status;
}

sm_status sm_inputs_collect_manifest(sm_inputs *inputs, const char *manifest_file)
{
    const char *dot = strrchr(manifest_file, '.');
    bool csv = dot != NULL && strcmp(dot, ".csv") == 0;
    bool jsonl = dot != NULL && (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0);
    if (!csv && !jsonl)
        return sm_fail(SM_ERR_USAGE,
                       "cannot tell what '%s' is: a manifest is a .csv or a .jsonl file",
                       manifest_file);

    manifest m = {.inputs = inputs};
    sm_buf_init(&m.row.text, ROW_LIMIT);
    sm_status status = sm_lines_open(&m.lines, manifest_file);
    if (status == SM_OK) status = csv ? collect_csv(&m) : collect_jsonl(&m);
    inputs->labelled = m.has_label;
    for (size_t i = 0; i < m.count; i++) free(m.names[i]);
    sm_buf_free(&m.row.text);
    sm_lines_close(m.lines);
    return status;
}
