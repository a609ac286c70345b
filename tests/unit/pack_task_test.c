/* Task lines and result lines; test_worker.py does what they say. */
#include "core/status.h"
#include "files.h"
#include "pack/task.h"

static sm_task example(void)
{
    static char header[] = "/data/\xff odd\n/header.json",
                inputs[] = "gs://bucket/set/inputs-00001";
    sm_task task = {.kind = SM_TASK_PACK,
                    .id = 41,
                    .url = header,
                    .other = inputs,
                    .place = {.offset = 5000000000, .length = 77},
                    .count = 3,
                    .split = 1,
                    .index = 6,
                    .shards = 7,
                    .retry = true};
    snprintf(task.file, sizeof task.file, "set-val.tfrecord-00006-of-00007");
    memset(task.fingerprint, 'a', SM_FINGERPRINT_SIZE - 1);
    return task;
}

static void comes_back_from_its_line(void **state)
{
    (void)state;
    const sm_task task = example();
    sm_task back;
    sm_buf line;
    sm_buf_init(&line, SM_TASK_LINE_MAX);
    assert_int_equal(sm_task_write(&line, &task), SM_OK);
    for (size_t i = 0; i < line.len; i++) assert_in_range(line.data[i], 0x20, 0x7e);
    assert_int_equal(sm_task_read(&back, (const char *)line.data, line.len), SM_OK);
    assert_int_equal(back.kind, task.kind);
    assert_int_equal(back.id, task.id);
    assert_string_equal(back.url, task.url);
    assert_string_equal(back.other, task.other);
    assert_int_equal(back.place.offset, task.place.offset);
    assert_int_equal(back.place.length, task.place.length);
    assert_int_equal(back.count, task.count);
    assert_int_equal(back.split, task.split);
    assert_int_equal(back.index, task.index);
    assert_int_equal(back.shards, task.shards);
    assert_string_equal(back.file, task.file);
    assert_string_equal(back.fingerprint, task.fingerprint);
    assert_true(back.retry);
    sm_task_free(&back);
    sm_buf_free(&line);
}

static sm_task_result read_result(const char *line)
{
    sm_task_result result;
    if (sm_task_result_read(&result, line, strlen(line)) != SM_OK)
        fail_msg("%s: %s", line, sm_last_error());
    return result;
}

static void tells_failures_that_would_come_again(void **state)
{
    (void)state;
    static const struct {
        sm_status status;
        bool final;
    } rows[] = {{SM_ERR_IO, false},       {SM_ERR_MEMORY, false},    {SM_ERR_NOT_FOUND, false},
                {SM_ERR_NO_SPACE, false}, {SM_ERR_CANCELLED, false}, {SM_ERR_CORRUPT, true},
                {SM_ERR_FORMAT, true},    {SM_ERR_ACCESS, true},     {SM_ERR_USAGE, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sm_buf line;
        sm_buf_init(&line, SM_TASK_LINE_MAX);
        assert_int_equal(sm_task_failed(&line, 3, rows[i].status, "it \"broke\"\n\xff"), SM_OK);
        assert_int_equal(sm_buf_append(&line, "", 1), SM_OK);
        sm_task_result result = read_result((const char *)line.data);
        assert_false(result.good);
        assert_int_equal(result.id, 3);
        assert_int_equal(result.status, rows[i].status);
        assert_int_equal(result.final, rows[i].final);
        assert_string_equal(result.message, "it \"broke\"\n\xef\xbf\xbd");
        sm_buf_free(&line);
    }
}

static void reads_what_a_worker_counted(void **state)
{
    (void)state;
    sm_task_result result = read_result(
        "{\"type\":\"result\",\"version\":1,\"id\":0,\"status\":\"ok\",\"fingerprint\":\"f\","
        "\"inputs\":9,\"records\":7,\"failures\":2,\"bytes_in\":4,\"bytes\":5,"
        "\"stage_seconds\":{\"read\":1.5,\"decode\":-1,\"encode\":1e300},\"more\":[]}");
    assert_true(result.good);
    assert_int_equal(result.inputs, 9);
    assert_int_equal(result.records, 7);
    assert_int_equal(result.failures, 2);
    assert_int_equal(result.bytes_in, 4);
    assert_int_equal(result.bytes_out, 5);
    assert_int_equal(result.read_ns, 1500000000);
    assert_int_equal(result.decode_ns, 0);
    assert_int_equal(result.encode_ns, 0);
}

static void refuses_lines_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const results[] = {
        "",
        "5",
        "null",
        "{}",
        "{\"type\":\"task\",\"version\":1,\"id\":1}",
        "{\"type\":\"result\",\"version\":\"1\",\"id\":1}",
        "{\"type\":\"result\",\"version\":1}",
        "{\"type\":\"result\",\"version\":1,\"id\":1.5}",
        "{\"type\":\"result\",\"type\":\"result\",\"version\":1,\"id\":1}",
        "{\"type\":\"result\",\"version\":1,\"id\":1,\"status\":\"ok\"}",
        "{\"type\":\"result\",\"version\":1,\"id\":1,\"status\":\"ok\",\"fingerprint\":\"f\","
        "\"inputs\":-9,\"records\":7,\"failures\":2,\"bytes_in\":4,\"bytes\":5}"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        sm_task_result result;
        assert_int_not_equal(sm_task_result_read(&result, results[i], strlen(results[i])), SM_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_from_its_line),
        cmocka_unit_test(tells_failures_that_would_come_again),
        cmocka_unit_test(reads_what_a_worker_counted),
        cmocka_unit_test(refuses_lines_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
