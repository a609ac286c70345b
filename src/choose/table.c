#include "choose/table.h"

#include "choose/features.h"
#include "choose/text.h"
#include "core/array.h"
#include "core/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sm_table_name(char name[SM_CHOOSE_NAME_MAX], const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= SM_CHOOSE_NAME_MAX) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
    memcpy(name, text, len + 1);
    return true;
}

static sm_status get_name(char name[SM_CHOOSE_NAME_MAX], const sm_csv *csv, const char *column)
{
    const char *text = sm_csv_field(csv, column);
    if (text == NULL)
        return sm_fail(SM_ERR_FORMAT, "%s: there is no column '%s'", csv->name, column);
    if (!sm_table_name(name, text))
        return sm_fail(SM_ERR_FORMAT, "%s:%zu: %s is empty, or longer than %d bytes", csv->name,
                       csv->line, column, SM_CHOOSE_NAME_MAX - 1);
    return SM_OK;
}

sm_status sm_table_candidate(sm_candidate *c, const sm_csv *csv)
{
    const struct {
        const char *column;
        double *value;
    } numbers[] = {{"nodes", &c->nodes},
                   {"vcpus", &c->vcpus},
                   {"mem_gb", &c->memory_gb},
                   {"price_per_hour", &c->price}};
    memset(c, 0, sizeof *c);
    sm_status status = get_name(c->family, csv, "family");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == SM_OK; i++)
        status = sm_csv_number(numbers[i].value, csv, numbers[i].column);
    if (status == SM_OK && sm_csv_field(csv, "speed") != NULL)
        status = sm_csv_number(&c->speed, csv, "speed");
    if (status != SM_OK) return status;
    if (sm_csv_field(csv, "instance") != NULL) return get_name(c->instance, csv, "instance");
    char size[SM_CHOOSE_NAME_MAX];
    status = get_name(size, csv, "size");
    if (status == SM_OK) snprintf(c->instance, sizeof c->instance, "%.30s.%.30s", c->family, size);
    return status;
}

static sm_status read_row(sm_past_trial *row, const sm_csv *csv)
{
    *row = (sm_past_trial){0};
    sm_status status = get_name(row->job, csv, "workload");
    if (status == SM_OK) status = sm_table_candidate(&row->where, csv);
    if (status == SM_OK) status = sm_candidate_check(&row->where, csv->line);
    if (status == SM_OK) status = sm_csv_number(&row->seconds, csv, "runtime_s");
    const char *cost = sm_csv_field(csv, "cost");
    if (status == SM_OK && cost != NULL && *cost != '\0')
        status = sm_csv_number(&row->cost, csv, "cost");
    if (status != SM_OK) return status;
    const char *outcome = sm_csv_field(csv, "status");
    row->outcome = outcome == NULL || strcmp(outcome, "ok") == 0 ? SM_TRIAL_OK : SM_TRIAL_FAILED;
    if (row->cost == 0) row->cost = row->seconds * exp(sm_candidate_log_rate(&row->where));
    if (row->seconds <= 0 || row->seconds > 1e15 || row->cost <= 0 || row->cost > 1e15)
        return sm_fail(SM_ERR_FORMAT, "%s:%zu: a run of %g seconds at a cost of %g", csv->name,
                       csv->line, row->seconds, row->cost);
    return SM_OK;
}

sm_status sm_table_read(sm_table *table, const char *path)
{
    sm_buf text;
    sm_csv csv;
    sm_past_trial *rows = NULL;
    size_t count = 0, cap = 0;
    bool more = true;
    sm_status status = sm_text_read(&text, path);
    if (status != SM_OK) return status;
    status = sm_csv_begin(&csv, (char *)text.data, path);
    while (status == SM_OK) {
        status = sm_csv_next(&more, &csv);
        if (status != SM_OK || !more) break;
        status = sm_array_grow(&rows, &cap, count, sizeof *rows);
        if (status == SM_OK) status = read_row(&rows[count], &csv);
        if (status == SM_OK) count++;
    }
    if (status == SM_OK && count == 0)
        status = sm_fail(SM_ERR_USAGE, "%s: there is no run in it", path);
    sm_buf_free(&text);
    if (status == SM_OK)
        *table = (sm_table){.rows = rows, .count = count};
    else
        free(rows);
    return status;
}

void sm_table_free(sm_table *table)
{
    free(table->rows);
    *table = (sm_table){0};
}
