#include "core/status.h"
#include "files.h"
#include "pack/options.h"

static void reads_splits(void **state)
{
    (void)state;
    sm_split_share shares[SM_MAX_SPLITS];
    size_t count;
    assert_int_equal(sm_options_splits(shares, &count, NULL), SM_OK);
    assert_int_equal(count, 1);
    assert_string_equal(shares[0].name, "train");
    assert_true(shares[0].share == 1);
    assert_int_equal(sm_options_splits(shares, &count, "train=0.8,val=0.1,test=1e-1"), SM_OK);
    assert_int_equal(count, 3);
    assert_string_equal(shares[2].name, "test");
    assert_true(shares[2].share == 0.1);
    /* sixteenths add up to 1 with rounding */
    assert_int_equal(sm_options_splits(shares, &count,
                                       "a=0.0625,b=0.0625,c=0.0625,d=0.0625,e=0.0625,f=0.0625,"
                                       "g=0.0625,h=0.0625,i=0.0625,j=0.0625,k=0.0625,l=0.0625,"
                                       "m=0.0625,n=0.0625,o=0.0625,p=0.0625"),
                     SM_OK);
    assert_int_equal(count, SM_MAX_SPLITS);
    assert_int_equal(sm_options_splits(shares, &count, "a=0.333333,b=0.333333,c=0.333334"), SM_OK);
}

static void refuses_bad_splits(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "is no NAME=SHARE"},
        {"train", "'train' is no NAME=SHARE"},
        {"train=1,", "'' is no NAME=SHARE"},
        {",train=1", "'' is no NAME=SHARE"},
        {"=1", "'' is no name"},
        {"my split=1", "'my split' is no name"},
        {"all=1", "'all' is no name"},
        {"9=1", "'9' is no name"},
        {"train=", "the share of 'train' is not between 0 and 1: ''"},
        {"train=0,val=1", "the share of 'train'"},
        {"train=-1,val=2", "the share of 'train'"},
        {"train=1.1", "the share of 'train'"},
        {"train=nan", "the share of 'train'"},
        {"train=90%,val=10%", "the share of 'train'"},
        {"train=0.9", "add up to 0.9"},
        {"train=0.9,val=0.2", "add up to 1.1"},
        {"a=0.5,a=0.5", "names 'a' twice"},
        {"a=.0625,b=.0625,c=.0625,d=.0625,e=.0625,f=.0625,g=.0625,h=.0625,i=.0625,j=.0625,k=.0625,"
         "l=.0625,m=.0625,n=.0625,o=.0625,p=.0625,q=.0625",
         "at most 16"},
        {"a123456789012345678901234567890123456789012345678901234567890123=1", "is no name"},
        {"a1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "9"
         "012345678901234567890123456789012345678901234567890=1",
         "is too long"},
    };
    sm_split_share shares[SM_MAX_SPLITS];
    size_t count;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (sm_options_splits(shares, &count, rows[i].text) != SM_ERR_USAGE)
            fail_msg("'%s' was taken", rows[i].text);
        if (strstr(sm_last_error(), rows[i].why) == NULL)
            fail_msg("'%s' gave \"%s\"", rows[i].text, sm_last_error());
    }
}

typedef void change_fn(sm_pack_options *options);

/* ---- One change each that makes no sense */

static void list_and_manifest(sm_pack_options *o)
{
    o->list_file = "a";
    o->manifest_file = "b.csv";
}

static void classes_without_labels(sm_pack_options *o)
{
    o->labels = SM_LABELS_NONE;
    o->classes_file = "a";
}

static void lean_without_labels(sm_pack_options *o)
{
    o->labels = SM_LABELS_NONE;
    o->schema = SM_SCHEMA_FAST_AND_LEAN;
}

static void bad_name(sm_pack_options *o)
{
    o->name = "my-set";
}

static void bad_version(sm_pack_options *o)
{
    o->version = "01.0.0";
}

static void no_version(sm_pack_options *o)
{
    o->version = NULL;
}

static void both_counts(sm_pack_options *o)
{
    o->shards = 2;
    o->images_per_shard = 2;
}

static void too_many_shards(sm_pack_options *o)
{
    o->shards = 100000;
}

static void no_shard_size(sm_pack_options *o)
{
    o->max_shard_size_mb = 0;
}

static void overwrite_and_retry(sm_pack_options *o)
{
    o->overwrite = o->retry_failed = true;
}

static void too_many_percent(sm_pack_options *o)
{
    o->max_failures_percent = 101;
}

static void too_many_threads(sm_pack_options *o)
{
    o->threads = 4097;
}

static void too_little_memory(sm_pack_options *o)
{
    o->memory = (32 << 20) - 1;
}

static void bad_splits(sm_pack_options *o)
{
    o->splits = "a=2";
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    static change_fn *const changes[] = {
        list_and_manifest,   classes_without_labels,
        lean_without_labels, bad_name,
        bad_version,         no_version,
        both_counts,         too_many_shards,
        no_shard_size,       overwrite_and_retry,
        too_many_percent,    too_many_threads,
        too_little_memory,   bad_splits,
    };
    sm_pack_options options;
    sm_pack_options_init(&options);
    assert_int_equal(sm_options_check(&options, "src"), SM_OK);
    assert_int_equal(sm_options_check(&options, ""), SM_ERR_USAGE);
    assert_int_equal(sm_options_check(&options, NULL), SM_ERR_USAGE);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        sm_pack_options_init(&options);
        changes[i](&options);
        if (sm_options_check(&options, "src") != SM_ERR_USAGE) fail_msg("change %zu", i);
    }
}

/* ---- The record of them */

static json_t *describe(const sm_pack_options *options)
{
    json_t *object = NULL;
    assert_int_equal(sm_options_json(&object, options, "set"), SM_OK);
    return object;
}

static void tells_each_difference(void **state)
{
    (void)state;
    sm_pack_options options;
    sm_pack_options_init(&options);
    json_t *before = describe(&options);
    options.seed = 7;
    options.picture.filter = SM_FILTER_AREA;
    options.splits = "a=0.5,b=0.5";
    json_t *now = describe(&options);
    sm_buf text;
    sm_buf_init(&text, 10000);
    assert_int_equal(sm_options_difference(&text, before, before), SM_OK);
    assert_int_equal(text.len, 0);
    assert_int_equal(sm_options_difference(&text, before, now), SM_OK);
    assert_string_equal((char *)text.data,
                        "\n    --split: the set has '', this call 'a=0.5,b=0.5'"
                        "\n    --shuffle: the set has '0', this call '7'"
                        "\n    --filter: the set has 'triangle', this call 'area'");
    sm_buf_clear(&text);
    assert_int_equal(json_object_del(before, "filter"), 0);
    json_object_set_new(before, "split", json_integer(5)); /* damaged */
    assert_int_equal(sm_options_difference(&text, before, now), SM_OK);
    assert_non_null(strstr((char *)text.data, "--filter: the set has '(not known)'"));
    assert_non_null(strstr((char *)text.data, "--split: the set has '(not known)'"));
    sm_buf_free(&text);
    json_decref(before);
    json_decref(now);
}

static void leaves_out_what_does_not_change_bytes(void **state)
{
    (void)state;
    sm_pack_options options;
    sm_pack_options_init(&options);
    json_t *before = describe(&options);
    options.threads = 7;
    options.memory = 1 << 30;
    options.overwrite = true;
    options.max_failures = 5;
    options.list_file = "list";
    options.picture.max_memory = 5;
    json_t *now = describe(&options);
    assert_true(json_equal(before, now));
    options.shuffle = false;
    json_t *unshuffled = describe(&options);
    assert_false(json_equal(before, unshuffled));
    json_decref(before);
    json_decref(now);
    json_decref(unshuffled);
}

static void expect_return(const sm_pack_options *options)
{
    sm_pack_options back;
    json_t *object = describe(options);
    if (sm_options_from_json(&back, object) != SM_OK) fail_msg("%s", sm_last_error());
    json_t *again = describe(&back); /* under the same name */
    assert_true(json_equal(object, again));
    json_decref(object);
    json_decref(again);
}

/* Every option that decides bytes, and every value of those that are chosen. */
static void comes_back_from_json(void **state)
{
    (void)state;
    sm_pack_options o;
    sm_pack_options_init(&o);
    expect_return(&o);
    for (int i = 0; sm_choice_name(SM_CHOICE_RESIZE_MODE, i) != NULL; i++) {
        o.picture.resize_mode = (sm_resize_mode)i;
        expect_return(&o);
    }
    for (int i = 0; sm_choice_name(SM_CHOICE_FILTER, i) != NULL; i++) {
        o.picture.filter = (sm_filter)i;
        expect_return(&o);
    }
    o.picture.decode = SM_DECODE_EXACT;
    o.picture.encode_format = SM_ENCODE_KEEP;
    o.picture.chroma = SM_CHROMA_420;
    o.picture.encode_quality = 1;
    o.picture.width = 16384;
    o.picture.height = 1;
    o.picture.orient = false;
    o.picture.strict = true;
    o.picture.max_pixels = UINT64_MAX;
    o.schema = SM_SCHEMA_FAST_AND_LEAN;
    o.version = "1.2.3";
    o.splits = "train=0.9,val=0.1";
    o.seed = UINT64_MAX;
    o.shards = 99999;
    o.max_shard_size_mb = 7;
    o.compression = SM_COMPRESSION_GZIP;
    expect_return(&o);
    o.shuffle = false;
    o.shards = 0;
    o.images_per_shard = UINT32_MAX;
    o.schema = SM_SCHEMA_TFDS;
    o.labels = SM_LABELS_NONE;
    expect_return(&o);
}

static void takes_no_options_of_another_version(void **state)
{
    (void)state;
    sm_pack_options options, back;
    sm_pack_options_init(&options);
    json_t *object = describe(&options);
    json_object_set_new(object, "brand-new", json_string("yes"));
    assert_int_equal(sm_options_from_json(&back, object), SM_ERR_FORMAT);
    json_object_del(object, "brand-new");
    json_object_set_new(object, "filter", json_string("newest"));
    assert_int_equal(sm_options_from_json(&back, object), SM_ERR_FORMAT);
    json_object_set_new(object, "filter", json_integer(5));
    assert_int_equal(sm_options_from_json(&back, object), SM_ERR_FORMAT);
    json_decref(object);
    assert_int_not_equal(sm_options_from_json(&back, NULL), SM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_splits),
        cmocka_unit_test(refuses_bad_splits),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(tells_each_difference),
        cmocka_unit_test(comes_back_from_json),
        cmocka_unit_test(takes_no_options_of_another_version),
        cmocka_unit_test(leaves_out_what_does_not_change_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
