#include "pack/loads.h"

#include "core/json.h"
#include "pack/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A tick that is due; the sample that it takes is given a time of its own. */
static void tick_at(sm_loads *loads, double time)
{
    loads->next_ns = 0;
    sm_loads_tick(loads);
    loads->items[loads->count - 1].time = time;
}

static void samples_are_taken_when_they_are_due(void **state)
{
    (void)state;
    sm_loads loads;
    sm_loads_begin(&loads);
    assert_int_equal(loads.count, 1);
    sm_loads_tick(&loads);
    assert_int_equal(loads.count, 1);
    tick_at(&loads, 0);
    assert_int_equal(loads.count, 2);
    sm_loads_tick(&loads);
    assert_int_equal(loads.count, 2);
}

static void long_tasks_are_sampled_less_often(void **state)
{
    (void)state;
    sm_loads loads;
    sm_loads_begin(&loads);
    const uint64_t every = loads.every_ns;
    loads.items[0].time = 0;
    for (int i = 1; i <= 1000; i++) {
        tick_at(&loads, i);
        assert_in_range(loads.count, 1, SM_LOADS_MAX - 1); /* room for the end's */
        assert_true(loads.items[0].time == 0);
        assert_true(loads.items[loads.count - 1].time == i);
    }
    assert_true(loads.every_ns > every && loads.every_ns % every == 0);
    assert_true(loads.count > SM_LOADS_MAX / 3);
    for (size_t i = 1; i < loads.count; i++)
        assert_true(loads.items[i].time > loads.items[i - 1].time);
}

static void an_answer_gets_what_the_machine_did(void **state)
{
    (void)state;
    static const char answer[] = "{\"id\":\"7\",\"status\":\"ok\"}";
    sm_loads loads;
    sm_buf line;
    sm_buf_init(&line, SM_TASK_LINE_MAX + 1);
    sm_loads_begin(&loads);
    assert_int_equal(sm_buf_append_str(&line, answer), SM_OK);
    assert_int_equal(sm_loads_append(&line, &loads), SM_OK);
    json_t *object = json_loadb((const char *)line.data, line.len, 0, NULL);
    const json_t *node = json_object_get(object, "node");
    const json_t *samples = json_object_get(node, "samples");
    assert_string_equal(json_string_value(json_object_get(object, "id")), "7");
    assert_true(strlen(json_string_value(json_object_get(node, "id"))) > 0);
    assert_true(json_integer_value(json_object_get(node, "cores")) >= 1);
    assert_true(json_integer_value(json_object_get(node, "memory")) > 0);
    assert_int_equal(json_array_size(samples), 2);
    const json_t *first = json_array_get(samples, 0), *last = json_array_get(samples, 1);
    assert_int_equal(json_array_size(first), 7);
    for (size_t k = 0; k < 6; k++) /* time and counters, which do not go back; memory may */
        assert_true(json_number_value(json_array_get(last, k)) >=
                    json_number_value(json_array_get(first, k)));
    json_decref(object);
    sm_buf_free(&line);
}

static void an_answer_without_room_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "not an object", "[1]"};
    sm_loads loads;
    sm_buf line;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        sm_buf_init(&line, SM_TASK_LINE_MAX);
        sm_loads_begin(&loads);
        assert_int_equal(sm_buf_append(&line, lines[i], strlen(lines[i])), SM_OK);
        assert_int_equal(sm_loads_append(&line, &loads), SM_OK);
        assert_int_equal(line.len, strlen(lines[i]));
        sm_buf_free(&line);
    }
    sm_buf_init(&line, 2 * (size_t)SM_TASK_LINE_MAX);
    assert_int_equal(sm_buf_reserve(&line, SM_TASK_LINE_MAX), SM_OK);
    memset(line.data, ' ', SM_TASK_LINE_MAX);
    line.len = SM_TASK_LINE_MAX - 8;
    line.data[0] = '{';
    line.data[line.len - 1] = '}';
    sm_loads_begin(&loads);
    assert_int_equal(sm_loads_append(&line, &loads), SM_OK);
    assert_int_equal(line.len, SM_TASK_LINE_MAX - 8);
    assert_int_equal(line.data[line.len - 1], '}');
    sm_buf_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_taken_when_they_are_due),
        cmocka_unit_test(long_tasks_are_sampled_less_often),
        cmocka_unit_test(an_answer_gets_what_the_machine_did),
        cmocka_unit_test(an_answer_without_room_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
