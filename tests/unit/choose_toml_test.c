#include "choose/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads_what_people_write(void **state)
{
    (void)state;
    static const char text[] = "# a space\r\n"
                               "nodes = [ 1, 2,\n  4, # more\n ]\n"
                               "on=true\noff = false # no\n"
                               "\n[constraints]\nmax_price = 1_000.5\n"
                               "[[instance]]\nname = \"a \\\"b\\\" \\\\\"\n"
                               "[[instance]]\nname = 'c\\d'\nprice = -2e-3\ndeep = [[1], []]";
    static const char want[] = "{\"nodes\":[1,2,4],\"on\":true,\"off\":false,"
                               "\"constraints\":{\"max_price\":1000.5},"
                               "\"instance\":[{\"name\":\"a \\\"b\\\" \\\\\"},"
                               "{\"name\":\"c\\\\d\",\"price\":-0.002,\"deep\":[[1],[]]}]}";
    json_t *object;
    assert_int_equal(sm_toml_parse(&object, text, "t.toml"), SM_OK);
    char *got = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_t *wanted = json_loads(want, 0, NULL);
    assert_non_null(wanted);
    assert_string_equal(got, want);
    free(got);
    json_decref(wanted);
    json_decref(object);
}

static void refuses_with_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a = 1\nb\n", "t:2: '=' is wanted"},
        {"a = 1\na = 2", "t:2: this key is taken"},
        {"[t]\n[t]", "t:2: this name is taken"},
        {"[t]\n[[t]]", "t:2: this name is taken"},
        {"a = 1 2", "t:1: the line should end"},
        {"a.b = 1", "t:1: dotted keys"},
        {"[a.b]", "t:1: dotted keys"},
        {"a = {b = 1}", "t:1: inline tables"},
        {"a = \"\"\"x\"\"\"", "t:1: multi-line"},
        {"a = \"x\ny\"", "t:1: the string does not end"},
        {"a = 'x", "t:1: the string does not end"},
        {"a = \"\\u0041\"", "t:1: this escape"},
        {"a = nan", "t:1: this is no value"},
        {"a = inf", "t:1: this is no value"},
        {"a = 1979-05-27", "t:1: this is no value"},
        {"a = 0x10", "t:1: this is no value"},
        {"a = 1e999", "t:1: this is no value"},
        {"a = 1__0", "t:1: this is no value"},
        {"a =", "t:1: a value is wanted"},
        {"\n\na = [1,\n2", "t:4: ',' or ']'"},
        {"a = [1 2]", "t:1: ',' or ']'"},
        {"= 1", "t:1: a key"},
        {"\"a\" = 1", "t:1: a key"},
        {"[a", "t:1: ']' is wanted"},
        {"[[a]", "t:1: ']]' is wanted"},
        {"a = [[[[[[[[[[1]]]]]]]]]]", "t:1: arrays are nested too deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *object;
        sm_status status = sm_toml_parse(&object, cases[i].text, "t");
        if (status != SM_ERR_FORMAT || strstr(sm_last_error(), cases[i].error) == NULL)
            fail_msg("'%s': %s", cases[i].text, sm_last_error());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(refuses_with_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
