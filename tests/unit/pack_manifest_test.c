#include "core/status.h"
#include "files.h"
#include "pack/inputs.h"

/* Collects text as a manifest of that ending. inputs is the caller's to free. */
static sm_status collect(sm_inputs *inputs, const char *folder, const char *ending,
                         const char *text)
{
    const char *path = in(folder, "manifest.%s", ending);
    put_text(path, text);
    sm_pack_options options;
    sm_pack_options_init(&options);
    options.manifest_file = path;
    return sm_inputs_collect(inputs, NULL, &options);
}

static void refuse(const char *folder, const char *ending, const char *text, const char *why)
{
    sm_inputs inputs;
    sm_status status = collect(&inputs, folder, ending, text);
    sm_inputs_free(&inputs);
    if (status != SM_ERR_USAGE) fail_msg("'%s' gave %s, not usage", text, sm_status_name(status));
    if (strstr(sm_last_error(), why) == NULL)
        fail_msg("'%s' gave \"%s\", which does not say \"%s\"", text, sm_last_error(), why);
}

static const char *path_at(const sm_inputs *inputs, size_t i)
{
    return sm_inputs_text(inputs, inputs->items[i].path);
}

static const char *class_at(const sm_inputs *inputs, size_t i)
{
    return sm_names_get(&inputs->classes, inputs->items[i].class_id);
}

static const char *column_at(const sm_inputs *inputs, size_t i, size_t column)
{
    const char *value = sm_inputs_text(inputs, inputs->items[i].columns);
    while (column-- > 0) value += strlen(value) + 1;
    return value;
}

/* ---- CSV */

static void reads_csv(void **state)
{
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "csv",
                             "label,path,split,camera\n"
                             "rose,a.jpg,train,X100\n"
                             "\n"
                             "daisy,b.jpg,val,X200\n"
                             "rose,\"c,d.jpg\",train,\"the \"\"big\"\" one\"\n"
                             "rose,\"e\nf.jpg\",train,\"\""),
                     SM_OK);
    assert_int_equal(inputs.count, 4);
    assert_string_equal(path_at(&inputs, 0), "a.jpg");
    assert_string_equal(path_at(&inputs, 2), "c,d.jpg");
    assert_string_equal(path_at(&inputs, 3), "e\nf.jpg");
    assert_true(inputs.labelled);
    assert_int_equal(inputs.classes.count, 2);
    assert_string_equal(class_at(&inputs, 0), "rose");
    assert_string_equal(class_at(&inputs, 1), "daisy");
    assert_int_equal(inputs.items[1].class_id, 0); /* classes are sorted */
    assert_int_equal(inputs.splits.count, 2);
    assert_int_equal(inputs.items[1].split, 1);
    assert_int_equal(inputs.column_count, 1);
    assert_string_equal(inputs.columns[0].name, "camera");
    assert_int_equal(inputs.columns[0].type, SM_COLUMN_TEXT);
    assert_string_equal(column_at(&inputs, 2, 0), "the \"big\" one");
    assert_string_equal(column_at(&inputs, 3, 0), "");
    sm_inputs_free(&inputs);
}

static void reads_csv_as_windows_writes_it(void **state)
{
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "csv",
                             "\xef\xbb\xbf"
                             "path,label\r\n\"a.jpg\",x\r\n\r\nb.jpg,\"y\"\r\nc,z\r"),
                     SM_OK);
    assert_int_equal(inputs.count, 3);
    assert_string_equal(path_at(&inputs, 0), "a.jpg");
    assert_string_equal(class_at(&inputs, 0), "x");
    assert_string_equal(class_at(&inputs, 1), "y");
    assert_string_equal(class_at(&inputs, 2), "z");
    sm_inputs_free(&inputs);
}

static void refuses_bad_csv(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "is empty"},
        {"\n\r\n", "is empty"},
        {"label\nx\n", "line 1: there is no column named path"},
        {"path,label,label\n", "line 1: a second column for label"},
        {"path,x,x\n", "line 1: a second column for x"},
        {"path,file_name\n", "line 1: a second column for file_name"},
        {"path,a-b\n", "line 1: letters, digits and _ make a column's name, not a-b"},
        {"path,\n", "line 1: letters, digits and _"},
        {"path,image\n", "line 1: the records have a feature of their own named image"},
        {"path,size\n", "line 1: the records have a feature of their own named size"},
        {"path,label\na,b\nc\n", "line 3: it has not as many fields"},
        {"path,label\na,b,c\n", "line 2: it has not as many fields"},
        {"path,label\n\"a\nb\",x\n\nc\n", "line 5: it has not as many fields"},
        {"path\n\"a\n", "line 2: a quote is not closed"},
        {"path\n\"a\"b\n", "line 2: text stands behind a closed quote"},
        {"path,x\n,1\n", "line 2: there is no path"},
        {"path,split\na,\n", "line 2: no name for a split:"},
        {"path,split\na,my split\n", "line 2: no name for a split: my split"},
        {"path,split\na,all\n", "line 2: no name for a split: all"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse(*state, "csv", rows[i].text, rows[i].why);
}

static void refuses_too_many_columns_and_splits(void **state)
{
    sm_buf text;
    sm_buf_init(&text, 1 << 16);
    assert_int_equal(sm_buf_append_str(&text, "path"), SM_OK);
    for (int i = 0; i < 64; i++) assert_int_equal(sm_buf_printf(&text, ",c%d", i), SM_OK);
    refuse(*state, "csv", (char *)text.data, "line 1: more than 64 columns");
    sm_buf_clear(&text);
    assert_int_equal(sm_buf_append_str(&text, "path,split"), SM_OK);
    for (int i = 0; i < 17; i++) assert_int_equal(sm_buf_printf(&text, "\na,s%d", i), SM_OK);
    refuse(*state, "csv", (char *)text.data, "line 18: more than 16 splits");
    sm_buf_free(&text);
}

static void keeps_to_its_limit_of_a_row(void **state)
{
    enum { LONG = (1 << 20) + 1 };
    char *text = malloc(LONG + 16);
    assert_non_null(text);
    memcpy(text, "path\n", 5);
    memset(text + 5, 'x', LONG);
    text[5 + LONG] = '\0';
    refuse(*state, "csv", text, "line 2: the row is longer than 1 MiB");
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "jsonl", text + 5), SM_ERR_LIMIT);
    sm_inputs_free(&inputs);
    free(text);
}

static void tells_the_kind_by_the_ending(void **state)
{
    refuse(*state, "txt", "path\na\n", "a .csv or a .jsonl file");
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "ndjson", "{\"path\": \"a\"}"), SM_OK);
    assert_int_equal(inputs.count, 1);
    assert_false(inputs.labelled);
    sm_inputs_free(&inputs);
}

/* ---- Types */

static sm_column_type type_of(const char *folder, const char *values)
{
    sm_inputs inputs;
    char text[512];
    size_t len = (size_t)snprintf(text, sizeof text, "path,x\n");
    for (const char *at = values; *at != '\0'; at += *at == ' ') {
        size_t value = strcspn(at, " ");
        len += (size_t)snprintf(text + len, sizeof text - len, "p,%.*s\n", (int)value, at);
        at += value;
    }
    assert_int_equal(collect(&inputs, folder, "csv", text), SM_OK);
    sm_column_type type = inputs.columns[0].type;
    sm_inputs_free(&inputs);
    return type;
}

static void infers_the_narrowest_type(void **state)
{
    static const struct {
        const char *values;
        sm_column_type type;
    } rows[] = {
        {"1 -2 0", SM_COLUMN_INT64},
        {"9223372036854775807 -9223372036854775808", SM_COLUMN_INT64},
        {"1 2.5", SM_COLUMN_FLOAT},
        {"2.5 1", SM_COLUMN_FLOAT},
        {"-0.5 .5 5. 1e5 1E-5 1.5e+3", SM_COLUMN_FLOAT},
        {"1 x", SM_COLUMN_TEXT},
        {"x 1", SM_COLUMN_TEXT},
        /* what a number would not give back */
        {"007", SM_COLUMN_TEXT},
        {"00.5", SM_COLUMN_TEXT},
        {"-007", SM_COLUMN_TEXT},
        {"+4915112345678", SM_COLUMN_TEXT},
        {"9223372036854775808", SM_COLUMN_TEXT},
        {"1 99999999999999999999", SM_COLUMN_TEXT},
        {"1e39", SM_COLUMN_TEXT}, /* over what a float holds */
        {"-1e39", SM_COLUMN_TEXT},
        {"1e400", SM_COLUMN_TEXT},
        {"nan", SM_COLUMN_TEXT},
        {"inf", SM_COLUMN_TEXT},
        {"0x10", SM_COLUMN_TEXT},
        {"1e", SM_COLUMN_TEXT},
        {"--1", SM_COLUMN_TEXT},
        {".", SM_COLUMN_TEXT},
        {"-", SM_COLUMN_TEXT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (type_of(*state, rows[i].values) != rows[i].type)
            fail_msg("'%s' is of type %d", rows[i].values, type_of(*state, rows[i].values));
}

static void takes_an_empty_value_for_text(void **state)
{
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "csv", "path,x\na,1\nb,\n"), SM_OK);
    assert_int_equal(inputs.columns[0].type, SM_COLUMN_TEXT);
    sm_inputs_free(&inputs);
}

/* ---- JSON Lines */

static void reads_jsonl(void **state)
{
    sm_inputs inputs;
    assert_int_equal(
        collect(
            &inputs, *state, "jsonl",
            "{\"z\": 1, \"path\": \"a\", \"label\": \"x\", \"f\": 2.0, \"b\": true, \"t\": \"5\"}\n"
            "\n \t\n"
            "{\"path\": \"\\u00e4\", \"z\": -5, \"label\": 3, \"f\": 1e20, \"b\": false}\r\n"
            "{\"path\": 7, \"z\": 0, \"label\": \"x\", \"f\": 3, \"t\": null}"),
        SM_OK);
    assert_int_equal(inputs.count, 3);
    assert_string_equal(path_at(&inputs, 0), "a");
    assert_string_equal(path_at(&inputs, 1), "\xc3\xa4");
    assert_string_equal(path_at(&inputs, 2), "7");
    assert_string_equal(class_at(&inputs, 1), "3");
    static const char *const names[] = {"z", "f", "b", "t"}; /* as they came */
    static const sm_column_type types[] = {SM_COLUMN_INT64, SM_COLUMN_FLOAT, SM_COLUMN_TEXT,
                                           SM_COLUMN_TEXT};
    assert_int_equal(inputs.column_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(inputs.columns[i].name, names[i]);
        assert_int_equal(inputs.columns[i].type, types[i]);
    }
    assert_string_equal(column_at(&inputs, 0, 2), "1");
    assert_string_equal(column_at(&inputs, 1, 2), "0");
    assert_string_equal(column_at(&inputs, 2, 2), ""); /* not there: as null */
    assert_string_equal(column_at(&inputs, 0, 3), "5");
    sm_inputs_free(&inputs);
}

static void takes_the_types_that_json_says(void **state)
{
    static const struct {
        const char *value;
        sm_column_type type;
    } rows[] = {
        {"1", SM_COLUMN_INT64},    {"9223372036854775807", SM_COLUMN_INT64},
        {"true", SM_COLUMN_INT64}, {"1.0", SM_COLUMN_FLOAT},
        {"1e20", SM_COLUMN_FLOAT}, {"-0.0", SM_COLUMN_FLOAT},
        {"\"1\"", SM_COLUMN_TEXT}, {"null", SM_COLUMN_TEXT},
        {"1e300", SM_COLUMN_TEXT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sm_inputs inputs;
        char text[128];
        snprintf(text, sizeof text, "{\"path\": \"a\", \"x\": %s}\n", rows[i].value);
        assert_int_equal(collect(&inputs, *state, "jsonl", text), SM_OK);
        if (inputs.columns[0].type != rows[i].type)
            fail_msg("%s is of type %d", rows[i].value, inputs.columns[0].type);
        sm_inputs_free(&inputs);
    }
}

static void refuses_bad_jsonl(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{\"label\": 1}\n", "line 1: there is no column named path"},
        {"{}\n", "line 1: there is no column named path"},
        {"{\"path\": \"a\"}\n{\"path\": \"b\", \"x\": 1}\n", "line 2: it has a key"},
        {"{\"path\": \"a\"}\n\n{\"x\": 1}\n", "line 3: it has a key"},
        {"{\"path\": \"a\", \"x\": 1}\n{\"x\": 1}\n", "line 2: there is no path"},
        {"{\"path\": \"a\", \"x\": [1]}\n", "line 1: only text, numbers"},
        {"{\"path\": \"a\", \"x\": {}}\n", "line 1: only text, numbers"},
        {"{\"path\": \"a\", \"path\": \"b\"}\n", "line 1: no JSON object: duplicate"},
        {"{\"path\": \"a\"}\n{\"path\": }\n", "line 2: no JSON object:"},
        {"{\"path\": \"a\"} x\n", "line 1: no JSON object:"},
        {"{\"path\": \"a\"\n}\n", "line 1: no JSON object:"},
        {"[1]\n", "line 1: no JSON object: something else"},
        {"\"a\"\n", "line 1: no JSON object:"},
        {"{\"path\": \"\xff\"}\n", "line 1: no JSON object:"},
        {"{\"path\": \"a\\u0000b\"}\n", "line 1: no JSON object:"},
        {"{\"path\": \"a\", \"x\": 99999999999999999999}\n", "line 1: no JSON object: too big"},
        {"{\"path\": \"a\", \"split\": null}\n", "line 1: no name for a split"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse(*state, "jsonl", rows[i].text, rows[i].why);
}

/* ---- With other options */

static void checks_what_labels_need(void **state)
{
    const char *manifest = in(*state, "m.csv"), *classes = in(*state, "classes");
    put_text(manifest, "path\na\n");
    put_text(classes, "x\n");
    sm_inputs inputs;
    sm_pack_options options;
    sm_pack_options_init(&options);
    options.manifest_file = manifest;
    options.classes_file = classes;
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_ERR_USAGE);
    sm_inputs_free(&inputs);
    options.classes_file = NULL;
    options.schema = SM_SCHEMA_FAST_AND_LEAN;
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_ERR_USAGE);
    assert_non_null(strstr(sm_last_error(), "label"));
    sm_inputs_free(&inputs);
}

static void skips_rows_without_a_wanted_class(void **state)
{
    const char *manifest = in(*state, "m.csv"), *classes = in(*state, "classes");
    put_text(manifest, "path,label\na,x\nb,\nc,y\nd,z\n");
    put_text(classes, "z\n\nw\nx\n");
    sm_inputs inputs;
    sm_pack_options options;
    sm_pack_options_init(&options);
    options.manifest_file = manifest;
    options.classes_file = classes;
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_OK);
    assert_int_equal(inputs.count, 2);
    assert_int_equal(inputs.items[0].class_id, 2);
    assert_int_equal(inputs.items[1].class_id, 0);
    assert_int_equal(inputs.classes.count, 3);
    assert_int_equal(inputs.note_count, 2);
    assert_int_equal(inputs.notes[0].reason, SM_SKIP_NO_CLASS);
    assert_int_equal(inputs.notes[1].reason, SM_SKIP_OTHER_CLASS);
    sm_inputs_free(&inputs);

    put_text(classes, "z\nz\n");
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_ERR_USAGE);
    sm_inputs_free(&inputs);
    put_text(classes, "\n");
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_ERR_USAGE);
    sm_inputs_free(&inputs);
    put_text(classes, "v\n");
    assert_int_equal(sm_inputs_collect(&inputs, NULL, &options), SM_ERR_USAGE);
    assert_non_null(strstr(sm_last_error(), "none of the 4 pictures"));
    sm_inputs_free(&inputs);
}

/* label.labels.txt has a name a line, and its readers strip white space. */
static void refuses_class_names_that_cannot_be_written(void **state)
{
    static const char *const bad[] = {"\" x\"", "\"x \"", "\"\t\"", "\"x\ny\"", "\"x\ry\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        snprintf(text, sizeof text, "path,label\na,%s\n", bad[i]);
        refuse(*state, "csv", text, "class name");
    }
    sm_inputs inputs;
    assert_int_equal(collect(&inputs, *state, "csv", "path,label\na,x y\n"), SM_OK);
    sm_inputs_free(&inputs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(reads_csv),
        TEST_IN_FOLDER(reads_csv_as_windows_writes_it),
        TEST_IN_FOLDER(refuses_bad_csv),
        TEST_IN_FOLDER(refuses_too_many_columns_and_splits),
        TEST_IN_FOLDER(keeps_to_its_limit_of_a_row),
        TEST_IN_FOLDER(tells_the_kind_by_the_ending),
        TEST_IN_FOLDER(infers_the_narrowest_type),
        TEST_IN_FOLDER(takes_an_empty_value_for_text),
        TEST_IN_FOLDER(reads_jsonl),
        TEST_IN_FOLDER(takes_the_types_that_json_says),
        TEST_IN_FOLDER(refuses_bad_jsonl),
        TEST_IN_FOLDER(checks_what_labels_need),
        TEST_IN_FOLDER(skips_rows_without_a_wanted_class),
        TEST_IN_FOLDER(refuses_class_names_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
