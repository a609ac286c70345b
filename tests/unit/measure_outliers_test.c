#include "measure/outliers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 16 };

typedef struct measured {
    sm_measure_row rows[MOST];
    sm_measure_result result;
} measured;

/* A trial of 100 pictures. */
static void add(measured *m, uint32_t cell, double seconds)
{
    sm_measure_row *row = &m->rows[m->result.row_count];
    *row = (sm_measure_row){.images = 100, .seconds = seconds};
    row->trial.cell = cell;
    row->trial.index = (uint32_t)m->result.row_count++;
    m->result.rows = m->rows;
}

static void the_slow_first_one_warmed_up(void **state)
{
    (void)state;
    measured m = {0};
    add(&m, 0, 9.0);
    for (int i = 0; i < 5; i++) add(&m, 0, 1.0 + 0.01 * i);
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    assert_int_equal(m.rows[0].marks, SM_MARK_WARM_UP);
    for (int i = 1; i < 6; i++) assert_int_equal(m.rows[i].marks, 0);
}

static void a_later_or_faster_one_is_an_outlier(void **state)
{
    (void)state;
    measured m = {0};
    add(&m, 0, 0.1);
    for (int i = 0; i < 5; i++) add(&m, 0, 1.0 + 0.01 * i);
    add(&m, 0, 9.0);
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    assert_int_equal(m.rows[0].marks, SM_MARK_OUTLIER);
    assert_int_equal(m.rows[6].marks, SM_MARK_OUTLIER);
    assert_int_equal(m.rows[3].marks, 0);
}

static void what_varies_is_no_outlier(void **state)
{
    (void)state;
    static const double seconds[] = {1.3, 0.8, 1.0, 1.9, 0.7, 1.1};
    measured m = {0};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) add(&m, 0, seconds[i]);
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    for (size_t i = 0; i < m.result.row_count; i++) assert_int_equal(m.rows[i].marks, 0);
}

static void cells_are_judged_alone(void **state)
{
    (void)state;
    measured m = {0};
    for (int i = 0; i < 4; i++) { /* as they are run: mixed */
        add(&m, 7, 1.0 + 0.01 * i);
        add(&m, 2, 50.0 + 0.5 * i);
    }
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    for (size_t i = 0; i < m.result.row_count; i++) assert_int_equal(m.rows[i].marks, 0);
}

static void two_trials_and_equal_ones_say_nothing(void **state)
{
    (void)state;
    measured m = {0};
    add(&m, 0, 1.0);
    add(&m, 0, 100.0);
    for (int i = 0; i < 3; i++) add(&m, 1, 2.0);
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    for (size_t i = 0; i < m.result.row_count; i++) assert_int_equal(m.rows[i].marks, 0);
}

static void failed_trials_are_left_out(void **state)
{
    (void)state;
    measured m = {0};
    for (int i = 0; i < 4; i++) add(&m, 0, 1.0 + 0.01 * i);
    add(&m, 0, 900);
    m.rows[4].status = SM_ERR_IO;
    add(&m, 0, 900);
    m.rows[5].images = 0;
    assert_int_equal(sm_mark_outliers(&m.result), SM_OK);
    for (size_t i = 0; i < m.result.row_count; i++) assert_int_equal(m.rows[i].marks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slow_first_one_warmed_up),
        cmocka_unit_test(a_later_or_faster_one_is_an_outlier),
        cmocka_unit_test(what_varies_is_no_outlier),
        cmocka_unit_test(cells_are_judged_alone),
        cmocka_unit_test(two_trials_and_equal_ones_say_nothing),
        cmocka_unit_test(failed_trials_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
