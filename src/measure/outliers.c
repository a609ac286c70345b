/* As hyperfine tells it: by the modified z-score of Iglewicz and Hoaglin, 0.6745 * (x - median) /
 * MAD, of the seconds a picture. */
#include "measure/outliers.h"

#include <math.h>
#include <stdlib.h>

/* hyperfine's: about ten standard deviations of a normal distribution, so that what is marked is no
 * accident. */
static const double outlier_threshold = 14.826;

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double seconds_an_image(const sm_measure_row *row)
{
    return row->seconds / (double)row->images;
}

static void mark_cell(sm_measure_row **rows, double *values, size_t count)
{
    if (count < 3) return;
    for (size_t i = 0; i < count; i++) values[i] = seconds_an_image(rows[i]);
    const double middle = median(values, count);
    for (size_t i = 0; i < count; i++) values[i] = fabs(seconds_an_image(rows[i]) - middle);
    double spread = median(values, count);
    if (!(spread > middle * 1e-9)) spread = middle * 1e-9;
    for (size_t i = 0; i < count; i++) {
        const double score = 0.6745 * (seconds_an_image(rows[i]) - middle) / spread;
        if (fabs(score) > outlier_threshold)
            rows[i]->marks |= i == 0 && score > 0 ? SM_MARK_WARM_UP : SM_MARK_OUTLIER;
    }
}

static int by_cell(const void *left, const void *right)
{
    const sm_measure_row *a = *(sm_measure_row *const *)left, *b = *(sm_measure_row *const *)right;
    if (a->trial.cell != b->trial.cell) return a->trial.cell < b->trial.cell ? -1 : 1;
    return (a->trial.index > b->trial.index) - (a->trial.index < b->trial.index);
}

sm_status sm_mark_outliers(sm_measure_result *result)
{
    size_t count = 0;
    sm_measure_row **rows = calloc(result->row_count + 1, sizeof *rows);
    double *values = calloc(result->row_count + 1, sizeof *values);
    for (size_t i = 0; rows != NULL && values != NULL && i < result->row_count; i++)
        if (result->rows[i].status == SM_OK && result->rows[i].images > 0)
            rows[count++] = &result->rows[i];
    if (count > 0) qsort(rows, count, sizeof *rows, by_cell);
    for (size_t at = 0, run; at < count; at += run) {
        for (run = 1; at + run < count; run++)
            if (rows[at + run]->trial.cell != rows[at]->trial.cell) break;
        mark_cell(rows + at, values, run);
    }
    const bool good = rows != NULL && values != NULL;
    free(rows);
    free(values);
    return good ? SM_OK : sm_fail_memory(result->row_count * sizeof *rows);
}
