/*
 * Bytes as what people write to say what goes in: a CSV and a JSON Lines manifest, a list of paths,
 * a file of classes. What is taken must make a plan; all else is an error with a reason.
 */
#include "core/status.h"
#include "fuzz.h"
#include "pack/plan.h"

#include <string.h>
#include <unistd.h>

static char folder[256];

enum { CSV, JSONL, LIST, KINDS };
static char paths[KINDS][sizeof folder + 16];

static void leave(void)
{
    for (size_t i = 0; i < KINDS; i++) unlink(paths[i]);
    rmdir(folder);
}

static void enter(void)
{
    static const char *const names[KINDS] = {"m.csv", "m.jsonl", "list"};
    if (*paths[CSV] != '\0') return;
    fuzz_temporary(folder, sizeof folder, "manifest_fuzz");
    FUZZ_CHECK(mkdtemp(folder) != NULL && atexit(leave) == 0);
    for (size_t i = 0; i < KINDS; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
}

/* Every value is one of its column's type. */
static void check_columns(const sm_inputs *inputs, const sm_input *input)
{
    const char *value = sm_inputs_text(inputs, input->columns);
    for (size_t i = 0; i < inputs->column_count; i++, value += strlen(value) + 1) {
        FUZZ_CHECK(value < (const char *)inputs->text.data + inputs->text.len);
        char *end = NULL;
        if (inputs->columns[i].type == SM_COLUMN_INT64) strtoll(value, &end, 10);
        if (inputs->columns[i].type == SM_COLUMN_FLOAT) strtod(value, &end);
        FUZZ_CHECK(end == NULL || (end > value && *end == '\0'));
    }
}

static void check_inputs(const sm_inputs *inputs)
{
    FUZZ_CHECK(inputs->column_count <= SM_MAX_COLUMNS);
    FUZZ_CHECK(inputs->splits.count <= SM_MAX_SPLITS);
    for (size_t i = 0; i < inputs->count; i++) {
        const sm_input *input = &inputs->items[i];
        FUZZ_CHECK(*sm_inputs_text(inputs, input->path) != '\0');
        FUZZ_CHECK(!inputs->labelled || input->class_id < inputs->classes.count);
        FUZZ_CHECK(inputs->splits.count == 0 || input->split < inputs->splits.count);
        check_columns(inputs, input);
    }
}

static void check_plan(sm_inputs *inputs, const sm_pack_options *options)
{
    sm_plan plan;
    sm_status status = sm_plan_make(&plan, inputs, NULL, options);
    FUZZ_CHECK(status == SM_OK || status == SM_ERR_USAGE); /* more shards than names can have */
    size_t planned = 0;
    for (size_t i = 0; i < plan.shard_count && status == SM_OK; i++)
        planned += plan.shards[i].count;
    FUZZ_CHECK(status != SM_OK || planned == inputs->count);
    sm_plan_free(&plan);
}

static void collect(const sm_pack_options *options)
{
    sm_inputs inputs;
    sm_status status = sm_inputs_collect(&inputs, NULL, options);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    FUZZ_CHECK(status == SM_OK || status == SM_ERR_USAGE || status == SM_ERR_FORMAT ||
               status == SM_ERR_LIMIT);
    if (status == SM_OK) {
        check_inputs(&inputs);
        check_plan(&inputs, options);
    }
    sm_inputs_free(&inputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enter();
    for (size_t i = 0; i < KINDS; i++) {
        const char *path = paths[i];
        write_file(path, data, size);
        sm_pack_options options;
        sm_pack_options_init(&options);
        options.images_per_shard = 3; /* so that no picture need be read to plan */
        options.manifest_file = i == LIST ? NULL : path;
        options.list_file = i == LIST ? path : NULL;
        collect(&options);
        options.labels = SM_LABELS_NONE;
        collect(&options);
        options.labels = SM_LABELS_FOLDER;
        options.classes_file = path; /* the same bytes as classes */
        collect(&options);
    }
    return 0;
}
