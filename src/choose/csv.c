#include "choose/csv.h"

#include "choose/text.h"
#include "core/status.h"

#include <string.h>

static sm_status wrong(const sm_csv *csv, const char *what)
{
    return sm_fail(SM_ERR_FORMAT, "%s:%zu: %s", csv->name, csv->line, what);
}

/* Cuts one field off; its end is moved over doubled quotes. *last: the row ends behind it. */
static sm_status cut_field(char **field, bool *last, sm_csv *csv)
{
    char *from = csv->at, *to = from;
    *field = to;
    if (*from == '"') {
        for (from++; *from != '\0' && (*from != '"' || from[1] == '"'); from++) {
            if (*from == '"') from++;
            if (*from == '\n') return wrong(csv, "a quoted field goes over its line");
            *to++ = *from;
        }
        if (*from != '"') return wrong(csv, "a quoted field does not end");
        from++;
    } else {
        while (*from != '\0' && *from != ',' && *from != '\n') *to++ = *from++;
        if (to > *field && to[-1] == '\r' && *from != ',') to--;
    }
    if (*from == '\r' && from[1] == '\n') from++;
    if (*from != ',' && *from != '\n' && *from != '\0')
        return wrong(csv, "a comma is wanted behind a quoted field");
    *last = *from != ',';
    csv->at = *from == '\0' ? from : from + 1;
    *to = '\0';
    return SM_OK;
}

static sm_status cut_row(char **fields, size_t *count, sm_csv *csv)
{
    bool last = false;
    *count = 0;
    while (!last) {
        if (*count == SM_CSV_COLUMNS) return wrong(csv, "a row has too many columns");
        sm_status status = cut_field(&fields[*count], &last, csv);
        if (status != SM_OK) return status;
        ++*count;
    }
    return SM_OK;
}

sm_status sm_csv_begin(sm_csv *csv, char *text, const char *name)
{
    *csv = (sm_csv){.name = name, .at = text, .line = 1};
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) csv->at += 3; /* a byte order mark */
    return cut_row(csv->header, &csv->columns, csv);
}

sm_status sm_csv_next(bool *more, sm_csv *csv)
{
    size_t count;
    for (;;) {
        csv->line++;
        *more = *csv->at != '\0';
        if (!*more) return SM_OK;
        if (*csv->at != '\n' && strncmp(csv->at, "\r\n", 2) != 0) break;
        csv->at = strchr(csv->at, '\n') + 1;
    }
    sm_status status = cut_row(csv->fields, &count, csv);
    if (status == SM_OK && count != csv->columns)
        status = wrong(csv, "the row has not as many fields as the header");
    return status;
}

const char *sm_csv_field(const sm_csv *csv, const char *column)
{
    for (size_t i = 0; i < csv->columns; i++)
        if (strcmp(csv->header[i], column) == 0) return csv->fields[i];
    return NULL;
}

sm_status sm_csv_number(double *value, const sm_csv *csv, const char *column)
{
    const char *text = sm_csv_field(csv, column);
    if (text == NULL)
        return sm_fail(SM_ERR_FORMAT, "%s: there is no column '%s'", csv->name, column);
    if (!sm_text_number(value, text))
        return sm_fail(SM_ERR_FORMAT, "%s:%zu: %s is '%.40s', which is no number", csv->name,
                       csv->line, column, text);
    return SM_OK;
}
