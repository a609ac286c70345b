/*
 * Every allocation of a pack fails once, one after the other: the run must end with an error, or
 * with that picture as a failure; what it leaves must be made whole by the next run.
 */
#include "failing_malloc.h"
#include "pictures.h"

#include <jansson.h>

enum { PICTURES = 3 };

static sm_pack_options quick_options(void)
{
    sm_pack_options options = test_options();
    options.images_per_shard = 2;
    options.threads = 1;
    return options;
}

/* How many allocations a run makes that is not disturbed; it makes dst. */
static long count_allocations(const places *p)
{
    sm_pack_options options = quick_options();
    fails_for_good = false;
    allocations_left = NEVER_FAILS;
    assert_int_equal(sm_pack(NULL, p->src, p->dst, &options), SM_OK);
    return NEVER_FAILS - allocations_left;
}

static sm_status pack_with_failure(sm_pack_summary *s, const places *p, long at, bool from_there_on)
{
    sm_pack_options options = quick_options();
    fails_for_good = from_there_on;
    allocations_left = at;
    sm_status status = sm_pack(s, p->src, p->other, &options);
    fails_for_good = false;
    allocations_left = NEVER_FAILS;
    return status;
}

static void expect_want_of_memory(sm_status status, long at)
{
    /* jansson does not tell bad JSON from want of memory. */
    bool json = status != SM_ERR_INTERNAL && strstr(sm_last_error(), ".json") != NULL;
    if (status != SM_ERR_MEMORY && !json)
        fail_msg("allocation %ld: %s: %s", at, sm_status_name(status), sm_last_error());
}

/* Fails allocation number at, and holds what comes of it against the undisturbed set. */
static void fail_one(const places *p, long at, bool from_there_on)
{
    sm_pack_summary s;
    sm_status status = pack_with_failure(&s, p, at, from_there_on);
    if (status == SM_OK) {
        assert_int_equal(s.records + s.failures, PICTURES);
        assert_int_equal(s.by_reason[SM_FAIL_OUT_OF_MEMORY], s.failures);
        expect_good_set(p->other);
    } else {
        expect_want_of_memory(status, at);
        assert_false(is_there(in(p->other, "_SUCCESS")));
    }
    if (status != SM_OK || s.failures == 0) {
        sm_pack_options options = quick_options();
        s = pack_well(p->src, p->other, &options);
        if (s.failures == 0) expect_same_folders(p->dst, p->other);
        expect_good_set(p->other);
    }
    remove_tree(p->other);
}

static void survives_each_allocation_that_fails(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, PICTURES);
    long count = count_allocations(&p);
    assert_true(count > 50);
    for (long at = 1; at <= count; at++) fail_one(&p, at, false);
}

static void survives_when_there_is_no_more(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, PICTURES);
    long count = count_allocations(&p);
    for (long at = 1; at <= count; at += 3) fail_one(&p, at, true);
}

/* The same of a set that is looked at again: nothing in it may change. SM_ERR_CONFLICT: jansson
 * loses characters of what it reads when memory is short, and the set then looks like another. */
static void leaves_a_finished_set_alone(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, PICTURES);
    count_allocations(&p);
    copy_tree(p.dst, p.other);
    sm_pack_summary s;
    for (long at = 1; at < 600; at++) { /* more than a run takes that has nothing to do */
        sm_status status = pack_with_failure(&s, &p, at, false);
        if (status != SM_OK && status != SM_ERR_CONFLICT) expect_want_of_memory(status, at);
        expect_same_folders(p.dst, p.other);
    }
}

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(survives_each_allocation_that_fails),
        TEST_IN_FOLDER(survives_when_there_is_no_more),
        TEST_IN_FOLDER(leaves_a_finished_set_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
