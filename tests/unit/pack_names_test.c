#include "core/status.h"
#include "files.h"
#include "pack/names.h"

static void add(sm_names *names, const char *text, uint32_t want)
{
    uint32_t number = UINT32_MAX;
    assert_int_equal(sm_names_add(names, &number, text), SM_OK);
    assert_int_equal(number, want);
}

static void numbers_in_order_of_arrival(void **state)
{
    (void)state;
    sm_names names;
    sm_names_init(&names);
    assert_int_equal(sm_names_find(&names, "a"), SM_NO_NAME);
    add(&names, "b", 0);
    add(&names, "a", 1);
    add(&names, "b", 0);
    add(&names, "", 2);
    add(&names, "\xff\n", 3);
    assert_int_equal(names.count, 4);
    assert_int_equal(sm_names_find(&names, "a"), 1);
    assert_int_equal(sm_names_find(&names, ""), 2);
    assert_int_equal(sm_names_find(&names, "A"), SM_NO_NAME);
    assert_string_equal(sm_names_get(&names, 3), "\xff\n");
    sm_names_free(&names);
    assert_int_equal(names.count, 0);
    add(&names, "again", 0);
    sm_names_free(&names);
}

/* Adds the words, sorts, and compares with how they should stand then. */
static void expect_sorted(const char *const *words, const char *const *sorted, size_t count)
{
    sm_names names;
    sm_names_init(&names);
    uint32_t number, new_of_old[16];
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sm_names_add(&names, &number, words[i]), SM_OK);
    assert_int_equal(sm_names_sort(&names, new_of_old), SM_OK);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(sm_names_get(&names, i), sorted[i]);
        assert_string_equal(sm_names_get(&names, new_of_old[i]), words[i]);
        assert_int_equal(sm_names_find(&names, sorted[i]), i);
    }
    add(&names, "one more", (uint32_t)count);
    sm_names_free(&names);
}

static void sorts_by_bytes(void **state)
{
    (void)state;
    static const char *const words[] = {"b", "B", "a b", "\xc3\xa4", "a", "10", "9", ""};
    static const char *const sorted[] = {"", "10", "9", "B", "a", "a b", "b", "\xc3\xa4"};
    expect_sorted(words, sorted, 8);
}

static void sorts_numbers_by_value(void **state)
{
    (void)state;
    static const char *const words[] = {"10", "9", "100", "0", "18446744073709551616"};
    static const char *const sorted[] = {"0", "9", "10", "100", "18446744073709551616"};
    expect_sorted(words, sorted, 5);
    /* with leading zeros, a value would have two spellings: by bytes */
    static const char *const padded[] = {"010", "9", "001"};
    static const char *const by_bytes[] = {"001", "010", "9"};
    expect_sorted(padded, by_bytes, 3);
    static const char *const negative[] = {"-1", "10", "9"};
    static const char *const as_text[] = {"-1", "10", "9"};
    expect_sorted(negative, as_text, 3);
}

static void sorts_nothing(void **state)
{
    (void)state;
    sm_names names;
    sm_names_init(&names);
    assert_int_equal(sm_names_sort(&names, NULL), SM_OK);
    sm_names_free(&names);
}

static void holds_many(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    sm_names names;
    sm_names_init(&names);
    char text[32];
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "class %u", (i * 7919) % MANY);
        add(&names, text, i);
    }
    uint32_t *new_of_old = malloc(MANY * sizeof *new_of_old);
    assert_non_null(new_of_old);
    assert_int_equal(sm_names_sort(&names, new_of_old), SM_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "class %u", (i * 7919) % MANY);
        assert_int_equal(sm_names_find(&names, text), new_of_old[i]);
        if (i > 0) assert_true(strcmp(sm_names_get(&names, i - 1), sm_names_get(&names, i)) < 0);
    }
    free(new_of_old);
    sm_names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_order_of_arrival),
        cmocka_unit_test(sorts_by_bytes),
        cmocka_unit_test(sorts_numbers_by_value),
        cmocka_unit_test(sorts_nothing),
        cmocka_unit_test(holds_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
