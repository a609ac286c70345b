/*
 * Bytes as what workers and coordinators are told: a task line, a result line, and the header and
 * inputs of a task. What is taken must be whole; all else is an error with a reason.
 */
#include "core/status.h"
#include "fuzz.h"
#include "pack/task.h"

#include <string.h>
#include <unistd.h>

static char path[300];

static void leave(void)
{
    unlink(path);
}

static void write_file(const uint8_t *data, size_t size)
{
    if (*path == '\0') {
        fuzz_temporary(path, sizeof path, "task_fuzz");
        int fd = mkstemp(path);
        FUZZ_CHECK(fd >= 0 && close(fd) == 0 && atexit(leave) == 0);
    }
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
}

static void read_lines(const char *line, size_t size)
{
    sm_task task;
    sm_task_result result;
    sm_status status = sm_task_read(&task, line, size);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    if (status == SM_OK && task.kind == SM_TASK_PACK) {
        FUZZ_CHECK(task.url != NULL && task.other != NULL && task.index < task.shards);
        FUZZ_CHECK(strlen(task.file) < sizeof task.file);
        sm_buf again;
        sm_buf_init(&again, SIZE_MAX / 2);
        FUZZ_CHECK(sm_task_write(&again, &task) == SM_OK);
        sm_buf_free(&again);
    }
    sm_task_free(&task);
    status = sm_task_result_read(&result, line, size);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
}

/* The bytes up to the first 0xff are a header; the others are inputs, as many as the next byte
 * says. */
static void read_files(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0xff, size);
    if (end == NULL || (size_t)(end - data) + 2 > size) return;
    sm_task_plan plan;
    write_file(data, (size_t)(end - data));
    sm_status status = sm_task_plan_read(&plan, path);
    const size_t count = end[1], left = size - (size_t)(end - data) - 2;
    if (status == SM_OK) {
        write_file(end + 2, left);
        status = sm_task_plan_inputs(&plan, path, (sm_task_place){.length = left}, count, 0);
    }
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    if (status == SM_OK) { /* all that the fingerprint is over can be read */
        const sm_shard shard = {.count = count};
        char fingerprint[SM_FINGERPRINT_SIZE];
        FUZZ_CHECK(sm_plan_fingerprint(fingerprint, &plan.plan, &shard, 1) == SM_OK);
    }
    sm_task_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_lines((const char *)data, size);
    read_files(data, size);
    return 0;
}
