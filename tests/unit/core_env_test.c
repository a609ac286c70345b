#include "core/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned long number_of(const char *text)
{
    setenv("SHARDMILL_TEST_NUMBER", text, 1);
    return sm_env_number("SHARDMILL_TEST_NUMBER", 100, 7);
}

static void reads_whole_numbers_alone(void **state)
{
    (void)state;
    unsetenv("SHARDMILL_TEST_NUMBER");
    assert_int_equal(sm_env_number("SHARDMILL_TEST_NUMBER", 100, 7), 7);
    assert_int_equal(number_of("0"), 0);
    assert_int_equal(number_of("42"), 42);
    assert_int_equal(number_of("100"), 100);
    assert_int_equal(number_of("101"), 100);
    assert_int_equal(number_of("99999999999999999999999"), 100);
    static const char *const none[] = {"", " 5", "-5", "+5", "5 ", "5s", "x", "0x5"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_int_equal(number_of(none[i]), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_numbers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
