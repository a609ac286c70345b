#include "core/status.h"
#include "shard/tfds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void names_shards_as_tfds(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(
        sm_tfds_shard_name(text, sizeof text, "flowers", "train", 3, 16, SM_COMPRESSION_NONE),
        SM_OK);
    assert_string_equal(text, "flowers-train.tfrecord-00003-of-00016");
    assert_int_equal(
        sm_tfds_shard_name(text, sizeof text, "f", "val", 99999, 100000, SM_COMPRESSION_GZIP),
        SM_OK);
    assert_string_equal(text, "f-val.tfrecord-099999-of-100000.gz");
    assert_int_equal(sm_tfds_shard_name(text, 10, "flowers", "train", 3, 16, SM_COMPRESSION_NONE),
                     SM_ERR_LIMIT);
}

static void knows_names_and_versions(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "Z9", "my_set_2"};
    static const char *const no_names[] = {"", "9a", "_a", "a-b", "a b", "a.b", "ä", "a\n"};
    for (size_t i = 0; i < 3; i++) assert_true(sm_tfds_is_name(names[i]));
    for (size_t i = 0; i < 8; i++) assert_false(sm_tfds_is_name(no_names[i]));
    char name[SM_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[SM_NAME_MAX] = '\0';
    assert_false(sm_tfds_is_name(name));
    name[SM_NAME_MAX - 1] = '\0';
    assert_true(sm_tfds_is_name(name));
    assert_true(sm_tfds_is_split("train"));
    assert_false(sm_tfds_is_split("all"));
    assert_false(sm_tfds_is_split(""));

    static const char *const versions[] = {"1.0.0", "0.0.0", "10.20.30"};
    static const char *const no_versions[] = {"",       "1",      "1.0",    "1.0.0.0", "01.0.0",
                                              "1.0.0 ", "1.0.x",  "1..0",   "v1.0.0",  "1.0.",
                                              "1.0.00", "-1.0.0", "1.0.0\n"};
    for (size_t i = 0; i < 3; i++) assert_true(sm_tfds_is_version(versions[i]));
    for (size_t i = 0; i < 13; i++) assert_false(sm_tfds_is_version(no_versions[i]));
}

static void expect_text(sm_buf *json, const char *text)
{
    assert_int_equal(json->len, strlen(text));
    assert_memory_equal(json->data, text, json->len);
    sm_buf_free(json);
}

static void writes_dataset_info(void **state)
{
    (void)state;
    static const uint64_t train[] = {7, 6}, val[] = {UINT64_MAX};
    static const sm_tfds_split splits[] = {
        {.name = "train", .bytes = 10066, .shard_lengths = train, .shards = 2},
        {.name = "val", .bytes = 1ull << 60, .shard_lengths = val, .shards = 1},
    };
    sm_buf json;
    sm_buf_init(&json, 10000);
    assert_int_equal(sm_tfds_dataset_info(&json, &(sm_tfds_info){.name = "my",
                                                                 .version = "1.0.0",
                                                                 .description = "Some \"text\"",
                                                                 .splits = splits,
                                                                 .split_count = 2}),
                     SM_OK);
    expect_text(&json,
                "{\n"
                "  \"description\": \"Some \\\"text\\\"\",\n"
                "  \"fileFormat\": \"tfrecord\",\n"
                "  \"name\": \"my\",\n"
                "  \"splits\": [\n"
                "    {\n"
                "      \"filepathTemplate\": \"{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}\",\n"
                "      \"name\": \"train\",\n"
                "      \"numBytes\": \"10066\",\n"
                "      \"shardLengths\": [\n"
                "        \"7\",\n"
                "        \"6\"\n"
                "      ]\n"
                "    },\n"
                "    {\n"
                "      \"filepathTemplate\": \"{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}\",\n"
                "      \"name\": \"val\",\n"
                "      \"numBytes\": \"1152921504606846976\",\n"
                "      \"shardLengths\": [\n"
                "        \"18446744073709551615\"\n"
                "      ]\n"
                "    }\n"
                "  ],\n"
                "  \"version\": \"1.0.0\"\n"
                "}");
    assert_int_equal(
        sm_tfds_dataset_info(&json, &(sm_tfds_info){.name = "my",
                                                    .version = "1.0.0",
                                                    .splits = splits,
                                                    .split_count = 1,
                                                    .compression = SM_COMPRESSION_GZIP}),
        SM_OK);
    assert_int_equal(sm_buf_append(&json, "", 1), SM_OK);
    assert_null(strstr((char *)json.data, "description"));
    assert_non_null(strstr((char *)json.data, "-{SHARD_X_OF_Y}.gz\""));
    sm_buf_free(&json);
}

/* What TFDS 4.9.10 itself writes (FeaturesDict.save_config) for these features. */
static const char by_tfds[] =
    "{\n"
    "    \"featuresDict\": {\n"
    "        \"features\": {\n"
    "            \"class\": {\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.tensor_feature.Tensor\",\n"
    "                \"tensor\": {\n"
    "                    \"dtype\": \"string\",\n"
    "                    \"encoding\": \"none\",\n"
    "                    \"shape\": {}\n"
    "                }\n"
    "            },\n"
    "            \"file_name\": {\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.text_feature.Text\",\n"
    "                \"text\": {}\n"
    "            },\n"
    "            \"image\": {\n"
    "                \"image\": {\n"
    "                    \"dtype\": \"uint8\",\n"
    "                    \"encodingFormat\": \"jpeg\",\n"
    "                    \"shape\": {\n"
    "                        \"dimensions\": [\n"
    "                            \"16\",\n"
    "                            \"-1\",\n"
    "                            \"3\"\n"
    "                        ]\n"
    "                    }\n"
    "                },\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.image_feature.Image\"\n"
    "            },\n"
    "            \"label\": {\n"
    "                \"classLabel\": {\n"
    "                    \"numClasses\": \"3\"\n"
    "                },\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.class_label_feature.ClassLabel\"\n"
    "            },\n"
    "            \"score\": {\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.tensor_feature.Tensor\",\n"
    "                \"tensor\": {\n"
    "                    \"dtype\": \"float32\",\n"
    "                    \"encoding\": \"none\",\n"
    "                    \"shape\": {}\n"
    "                }\n"
    "            },\n"
    "            \"size\": {\n"
    "                \"pythonClassName\": "
    "\"tensorflow_datasets.core.features.tensor_feature.Tensor\",\n"
    "                \"tensor\": {\n"
    "                    \"dtype\": \"int64\",\n"
    "                    \"encoding\": \"none\",\n"
    "                    \"shape\": {\n"
    "                        \"dimensions\": [\n"
    "                            \"2\"\n"
    "                        ]\n"
    "                    }\n"
    "                }\n"
    "            }\n"
    "        }\n"
    "    },\n"
    "    \"pythonClassName\": \"tensorflow_datasets.core.features.features_dict.FeaturesDict\"\n"
    "}";

static const sm_tfds_feature features[] = {
    {.name = "image", .kind = SM_TFDS_IMAGE, .height = 16},
    {.name = "label", .kind = SM_TFDS_CLASS_LABEL, .length = 3},
    {.name = "file_name", .kind = SM_TFDS_TEXT},
    {.name = "class", .kind = SM_TFDS_BYTES},
    {.name = "size", .kind = SM_TFDS_INT64, .length = 2},
    {.name = "score", .kind = SM_TFDS_FLOAT32},
};

static void writes_features_as_tfds(void **state)
{
    (void)state;
    sm_buf json;
    sm_buf_init(&json, 10000);
    assert_int_equal(sm_tfds_features(&json, features, 6), SM_OK);
    expect_text(&json, by_tfds);
}

static void leaves_the_buffer_as_it_was_on_failure(void **state)
{
    (void)state;
    sm_buf json;
    sm_buf_init(&json, 300);
    assert_int_equal(sm_buf_append_str(&json, "before"), SM_OK);
    assert_int_equal(sm_tfds_features(&json, features, 6), SM_ERR_LIMIT);
    assert_int_equal(json.len, 6);
    static const sm_tfds_feature no_text = {.name = "\xff", .kind = SM_TFDS_TEXT};
    assert_int_equal(sm_tfds_features(&json, &no_text, 1), SM_ERR_FORMAT);
    assert_non_null(strstr(sm_last_error(), "features.json"));
    static const uint64_t one = 1;
    static const sm_tfds_split bad = {.name = "\xff", .shard_lengths = &one, .shards = 1};
    assert_int_equal(
        sm_tfds_dataset_info(
            &json,
            &(sm_tfds_info){.name = "a", .version = "1.0.0", .splits = &bad, .split_count = 1}),
        SM_ERR_FORMAT);
    assert_int_equal(json.len, 6);
    sm_buf_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_shards_as_tfds),
        cmocka_unit_test(knows_names_and_versions),
        cmocka_unit_test(writes_dataset_info),
        cmocka_unit_test(writes_features_as_tfds),
        cmocka_unit_test(leaves_the_buffer_as_it_was_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
