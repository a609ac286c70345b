/* Plans of inputs that need not exist: only sampling, which counts of shards leave out, reads. */
#include "core/status.h"
#include "files.h"
#include "pack/plan.h"

#include <math.h>

/* Inputs "0", "1", …, of 1000 bytes each. */
static void make_inputs(sm_inputs *inputs, size_t count)
{
    *inputs = (sm_inputs){.base = strdup("")};
    sm_buf_init(&inputs->text, SIZE_MAX / 2);
    sm_names_init(&inputs->classes);
    sm_names_init(&inputs->splits);
    for (size_t i = 0; i < count; i++) {
        char path[32];
        sm_input *input;
        snprintf(path, sizeof path, "%zu", i);
        assert_int_equal(sm_inputs_add(inputs, &input, path), SM_OK);
        input->size = 1000;
        input->version = 5;
    }
}

static sm_pack_options unsampled(void)
{
    sm_pack_options options;
    sm_pack_options_init(&options);
    options.images_per_shard = 100;
    return options;
}

static void make_plan(sm_plan *plan, sm_inputs *inputs, const sm_pack_options *options)
{
    sm_status status = sm_plan_make(plan, inputs, "src", options);
    if (status != SM_OK) fail_msg("%s", sm_last_error());
}

static size_t number_of(const sm_inputs *inputs, size_t at)
{
    return strtoul(sm_inputs_text(inputs, inputs->items[at].path), NULL, 10);
}

/* Every input lies in one shard, of its own split; shards stand one behind the other. */
static void expect_covered(const sm_plan *plan)
{
    const sm_inputs *inputs = plan->inputs;
    uint8_t *seen = calloc(inputs->count + 1, 1);
    assert_non_null(seen);
    size_t next = 0, number = 0;
    for (size_t split = 0; split < plan->split_count; split++) {
        size_t in_split = 0;
        for (uint32_t index = 0; index < plan->splits[split].shards; index++, number++) {
            const sm_shard *shard = &plan->shards[number];
            assert_int_equal(shard->split, split);
            assert_int_equal(shard->index, index);
            assert_int_equal(shard->first, next);
            assert_true(shard->count > 0);
            for (size_t i = 0; i < shard->count; i++, next++) {
                assert_int_equal(inputs->items[next].split, split);
                assert_int_equal(seen[number_of(inputs, next)]++, 0);
            }
            in_split += shard->count;
        }
        assert_int_equal(in_split, plan->splits[split].inputs);
    }
    assert_int_equal(next, inputs->count);
    assert_int_equal(number, plan->shard_count);
    free(seen);
}

/* ---- Splits */

enum { MANY = 10000 };

static void splits_by_share_and_path(void **state)
{
    (void)state;
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    options.splits = "train=0.8,val=0.15,test=0.05";
    uint16_t *split_of = malloc(MANY * sizeof *split_of);
    assert_non_null(split_of);
    make_inputs(&inputs, MANY);
    make_plan(&plan, &inputs, &options);
    expect_covered(&plan);
    static const double shares[] = {0.8, 0.15, 0.05};
    for (size_t i = 0; i < 3; i++) {
        double want = shares[i] * MANY, deviation = sqrt(want * (1 - shares[i]));
        assert_true(fabs((double)plan.splits[i].inputs - want) < 4 * deviation);
    }
    for (size_t i = 0; i < MANY; i++) split_of[number_of(&inputs, i)] = inputs.items[i].split;
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);

    /* Other pictures, another seed: those that were there stay where they were. */
    make_inputs(&inputs, MANY / 2);
    options.seed = 99;
    options.images_per_shard = 7;
    make_plan(&plan, &inputs, &options);
    expect_covered(&plan);
    for (size_t i = 0; i < MANY / 2; i++)
        assert_int_equal(inputs.items[i].split, split_of[number_of(&inputs, i)]);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
    free(split_of);
}

static void takes_the_splits_of_a_manifest(void **state)
{
    (void)state;
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    make_inputs(&inputs, 9);
    uint32_t number;
    assert_int_equal(sm_names_add(&inputs.splits, &number, "val"), SM_OK);
    assert_int_equal(sm_names_add(&inputs.splits, &number, "empty"), SM_OK);
    assert_int_equal(sm_names_add(&inputs.splits, &number, "train"), SM_OK);
    for (size_t i = 0; i < 9; i++) inputs.items[i].split = i < 3 ? 0 : 2;
    make_plan(&plan, &inputs, &options);
    expect_covered(&plan);
    assert_int_equal(plan.split_count, 3);
    assert_string_equal(plan.splits[0].name, "val");
    assert_int_equal(plan.splits[0].inputs, 3);
    assert_int_equal(plan.splits[1].shards, 0);
    assert_int_equal(plan.splits[2].inputs, 6);
    sm_plan_free(&plan);
    options.splits = "train=1";
    assert_int_equal(sm_plan_make(&plan, &inputs, "src", &options), SM_ERR_USAGE);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

/* ---- Shards */

static void plan_shards(size_t pictures, const sm_pack_options *options, size_t shards)
{
    sm_inputs inputs;
    sm_plan plan;
    make_inputs(&inputs, pictures);
    make_plan(&plan, &inputs, options);
    expect_covered(&plan);
    if (plan.shard_count != shards)
        fail_msg("%zu pictures gave %zu shards, not %zu", pictures, plan.shard_count, shards);
    size_t least = pictures, most = 0;
    for (size_t i = 0; i < plan.shard_count; i++) {
        size_t count = plan.shards[i].count;
        if (count < least) least = count;
        if (count > most) most = count;
        if (options->images_per_shard > 0 && i + 1 < plan.shard_count)
            assert_int_equal(count, options->images_per_shard);
    }
    if (options->images_per_shard == 0) assert_true(most - least <= 1);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

static void cuts_shards(void **state)
{
    (void)state;
    sm_pack_options options = unsampled();
    plan_shards(100, &options, 1);
    plan_shards(101, &options, 2);
    plan_shards(99, &options, 1);
    options.images_per_shard = UINT32_MAX;
    plan_shards(5, &options, 1);
    options.images_per_shard = 1;
    plan_shards(5, &options, 5);
    options.images_per_shard = 0;
    options.shards = 7;
    plan_shards(100, &options, 7);
    plan_shards(7, &options, 7);
    plan_shards(3, &options, 3); /* no empty shards */
    options.shards = 1;
    plan_shards(1, &options, 1);
    options.shards = 0;
    options.picture.resize_mode = SM_RESIZE_NO; /* sizes are known: nothing is read */
    options.picture.encode_format = SM_ENCODE_KEEP;
    options.max_shard_size_mb = 1;
    plan_shards(10000, &options, 12); /* of 1000 bytes, and somewhat more in a record */
}

static void shares_shards_among_splits(void **state)
{
    (void)state;
    static const char *const splits[] = {"a=0.34,b=0.33,c=0.33", "a=0.9,b=0.05,c=0.05",
                                         "a=0.5,b=0.5", "a=0.25,b=0.25,c=0.25,d=0.25"};
    for (size_t s = 0; s < sizeof splits / sizeof *splits; s++)
        for (uint32_t shards = 4; shards <= 40; shards++) {
            sm_inputs inputs;
            sm_plan plan;
            sm_pack_options options;
            sm_pack_options_init(&options);
            options.splits = splits[s];
            options.shards = shards;
            make_inputs(&inputs, 1000);
            make_plan(&plan, &inputs, &options);
            expect_covered(&plan);
            if (plan.shard_count != shards)
                fail_msg("--shards %u --split %s gave %zu", shards, splits[s], plan.shard_count);
            sm_plan_free(&plan);
            sm_inputs_free(&inputs);
        }
}

static void refuses_too_many_shards(void **state)
{
    (void)state;
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    options.images_per_shard = 1;
    make_inputs(&inputs, 100000);
    assert_int_equal(sm_plan_make(&plan, &inputs, "src", &options), SM_ERR_USAGE);
    assert_non_null(strstr(sm_last_error(), "100000 shards"));
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

/* ---- Order and fingerprints */

typedef struct sketch {
    char fingerprint[SM_FINGERPRINT_SIZE];
    char shards[10][SM_FINGERPRINT_SIZE];
    size_t order[1000];
} sketch;

typedef void tweak_fn(sm_inputs *inputs, sm_pack_options *options);

/* The plan of 1000 inputs in 10 shards, with tweak (may be NULL) applied before. */
static void sketch_plan(sketch *drawn, tweak_fn *tweak)
{
    memset(drawn, 0, sizeof *drawn); /* padding too */
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    make_inputs(&inputs, 1000);
    if (tweak != NULL) tweak(&inputs, &options);
    make_plan(&plan, &inputs, &options);
    memcpy(drawn->fingerprint, plan.fingerprint, SM_FINGERPRINT_SIZE);
    for (size_t i = 0; i < plan.shard_count && i < 10; i++)
        memcpy(drawn->shards[i], plan.shards[i].fingerprint, SM_FINGERPRINT_SIZE);
    for (size_t i = 0; i < 1000; i++) drawn->order[i] = number_of(&inputs, i);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

static size_t shards_changed(const sketch *a, const sketch *b)
{
    size_t changed = 0;
    for (size_t i = 0; i < 10; i++) changed += strcmp(a->shards[i], b->shards[i]) != 0;
    return changed;
}

static void touch_one(sm_inputs *inputs, sm_pack_options *options)
{
    (void)options;
    inputs->items[500].version++;
}

static void grow_one(sm_inputs *inputs, sm_pack_options *options)
{
    (void)options;
    inputs->items[500].size++;
}

static void seed_otherwise(sm_inputs *inputs, sm_pack_options *options)
{
    (void)inputs;
    options->seed = 1;
}

static void do_not_shuffle(sm_inputs *inputs, sm_pack_options *options)
{
    (void)inputs;
    options->shuffle = false;
}

static void encode_otherwise(sm_inputs *inputs, sm_pack_options *options)
{
    (void)inputs;
    options->picture.encode_quality = 90;
}

static void label_all(sm_inputs *inputs, sm_pack_options *options)
{
    (void)options;
    uint32_t number;
    inputs->labelled = true;
    assert_int_equal(sm_names_add(&inputs->classes, &number, "x"), SM_OK);
    for (size_t i = 0; i < inputs->count; i++) inputs->items[i].class_id = number;
}

static void list_backwards(sm_inputs *inputs, sm_pack_options *options)
{
    (void)options;
    for (size_t i = 0; i < inputs->count / 2; i++) {
        sm_input swap = inputs->items[i];
        inputs->items[i] = inputs->items[inputs->count - 1 - i];
        inputs->items[inputs->count - 1 - i] = swap;
    }
}

static void fingerprints_what_it_holds(void **state)
{
    (void)state;
    sketch plain, other;
    sketch_plan(&plain, NULL);
    sketch_plan(&other, NULL);
    assert_memory_equal(&plain, &other, sizeof plain);
    sketch_plan(&other, list_backwards); /* shuffled: whatever the order of listing */
    assert_memory_equal(&plain, &other, sizeof plain);

    static tweak_fn *const one[] = {touch_one, grow_one};
    for (size_t i = 0; i < 2; i++) {
        sketch_plan(&other, one[i]);
        assert_int_equal(shards_changed(&plain, &other), 1);
        assert_string_not_equal(plain.fingerprint, other.fingerprint);
        assert_memory_equal(plain.order, other.order, sizeof plain.order);
    }
    static tweak_fn *const all[] = {seed_otherwise, do_not_shuffle, encode_otherwise, label_all};
    for (size_t i = 0; i < 4; i++) {
        sketch_plan(&other, all[i]);
        assert_int_equal(shards_changed(&plain, &other), 10);
    }
}

static void shuffles_by_seed(void **state)
{
    (void)state;
    sketch zero, one, unshuffled;
    sketch_plan(&zero, NULL);
    sketch_plan(&one, seed_otherwise);
    sketch_plan(&unshuffled, do_not_shuffle);
    size_t same = 0, in_place = 0;
    for (size_t i = 0; i < 1000; i++) {
        same += zero.order[i] == one.order[i];
        in_place += zero.order[i] == i;
        assert_int_equal(unshuffled.order[i], i);
    }
    assert_true(same < 10 && in_place < 10);
}

static void keeps_the_order_of_a_path_listed_twice(void **state)
{
    (void)state;
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    make_inputs(&inputs, 3);
    for (uint32_t i = 0; i < 50; i++) {
        sm_input *input;
        assert_int_equal(sm_inputs_add(&inputs, &input, "1"), SM_OK);
        input->class_id = i;
    }
    list_backwards(&inputs, &options);
    make_plan(&plan, &inputs, &options);
    uint32_t next = 0;
    for (size_t i = 0; i < inputs.count; i++)
        if (inputs.items[i].class_id != SM_NO_CLASS)
            assert_int_equal(inputs.items[i].class_id, next++);
    assert_int_equal(next, 50);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

/* ---- Names */

static void names_the_set(void **state)
{
    (void)state;
    static const struct {
        const char *src, *name;
    } rows[] = {
        {"photos", "photos"},
        {"photos/", "photos"},
        {"/a/b/photos///", "photos"},
        {"my-photos 2", "my_photos_2"},
        {"2024_trip", "trip"},
        {"a.b.csv", "a"},
        {".", "dataset"},
        {"/", "dataset"},
        {"../..", "dataset"},
        {"photos/*/*.jpg", "dataset"},
        {"\xc3\xa4pfel", "pfel"},
        {"123", "dataset"},
    };
    sm_inputs inputs;
    sm_plan plan;
    sm_pack_options options = unsampled();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_inputs(&inputs, 1);
        assert_int_equal(sm_plan_make(&plan, &inputs, rows[i].src, &options), SM_OK);
        assert_string_equal(plan.name, rows[i].name);
        sm_plan_free(&plan);
        sm_inputs_free(&inputs);
    }
    make_inputs(&inputs, 1);
    options.manifest_file = "tables/birds.jsonl";
    assert_int_equal(sm_plan_make(&plan, &inputs, NULL, &options), SM_OK);
    assert_string_equal(plan.name, "birds");
    sm_plan_free(&plan);
    options.name = "given";
    assert_int_equal(sm_plan_make(&plan, &inputs, "src", &options), SM_OK);
    assert_string_equal(plan.name, "given");
    sm_plan_free(&plan);

    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    options.name = NULL;
    assert_int_equal(sm_plan_make(&plan, &inputs, longest, &options), SM_OK);
    assert_int_equal(strlen(plan.name), SM_NAME_MAX - 1);
    char file[SM_SHARD_NAME_MAX];
    assert_int_equal(sm_plan_shard_name(file, &plan, 0, 0, 1), SM_OK);
    sm_plan_free(&plan);
    sm_inputs_free(&inputs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_by_share_and_path),
        cmocka_unit_test(takes_the_splits_of_a_manifest),
        cmocka_unit_test(cuts_shards),
        cmocka_unit_test(shares_shards_among_splits),
        cmocka_unit_test(refuses_too_many_shards),
        cmocka_unit_test(fingerprints_what_it_holds),
        cmocka_unit_test(shuffles_by_seed),
        cmocka_unit_test(keeps_the_order_of_a_path_listed_twice),
        cmocka_unit_test(names_the_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
