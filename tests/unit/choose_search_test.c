#include "files.h"

#include <shardmill_choose.h>

static char folder[256], path[sizeof folder + 16];

static int enter(void **state)
{
    if (enter_folder(state) != 0) return -1;
    snprintf(folder, sizeof folder, "%s", (const char *)*state);
    free(*state);
    snprintf(path, sizeof path, "%s/state.json", folder);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails when something was left behind */
}

static sm_search example(void)
{
    sm_search s = {.space.count = 2};
    sm_choose_options_init(&s.options);
    s.options.objective = SM_CHOOSE_TIME;
    s.options.limit = 12.5;
    s.options.seed = 7;
    s.space.candidates = calloc(2, sizeof *s.space.candidates);
    for (int i = 0; i < 2; i++) {
        sm_candidate *c = &s.space.candidates[i];
        *c = (sm_candidate){
            .nodes = i + 2, .vcpus = 4, .memory_gb = 7.5, .price = 0.1, .speed = 1.2};
        snprintf(c->instance, sizeof c->instance, "odd \"name\" %d", i);
        snprintf(c->family, sizeof c->family, "f e");
    }
    sm_trial trials[] = {{.candidate = 1, .outcome = SM_TRIAL_FAILED, .seconds = 3, .cost = 0.25},
                         {.candidate = 0, .outcome = SM_TRIAL_RUNNING}};
    for (int i = 0; i < 2; i++) assert_int_equal(sm_search_add(&s, &trials[i]), SM_OK);
    return s;
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    sm_search s = example(), back;
    assert_int_equal(sm_search_write(&s, path), SM_OK);
    assert_int_equal(sm_search_read(&back, path), SM_OK);
    assert_int_equal(back.space.count, 2);
    assert_memory_equal(back.space.candidates, s.space.candidates, 2 * sizeof *s.space.candidates);
    assert_int_equal(back.options.objective, SM_CHOOSE_TIME);
    assert_true(back.options.limit == 12.5 && back.options.seed == 7);
    assert_int_equal(back.trial_count, 2);
    assert_int_equal(back.trials[0].outcome, SM_TRIAL_FAILED);
    assert_int_equal(back.trials[1].outcome, SM_TRIAL_RUNNING);
    sm_trial again = s.trials[0];
    assert_int_equal(sm_search_add(&back, &again), SM_ERR_CONFLICT);
    sm_search_free(&back);
    sm_search_free(&s);
}

static size_t read_file(char **text)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *text = calloc(1, 65536);
    size_t len = fread(*text, 1, 65535, file);
    fclose(file);
    return len;
}

static void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void cut_off_is_damage(void **state)
{
    (void)state;
    sm_search s = example(), back;
    char *text;
    assert_int_equal(sm_search_write(&s, path), SM_OK);
    size_t len = read_file(&text);
    while (text[len - 1] == '\n') len--;
    for (size_t keep = 0; keep < len; keep++) {
        write_file(text, keep);
        assert_int_equal(sm_search_read(&back, path), SM_ERR_CORRUPT);
    }
    free(text);
    sm_search_free(&s);
}

static void damage_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        sm_status status;
    } cases[] = {
        {"\"shardmill_choose\": 1", "\"shardmill_choose\": 2", SM_ERR_FORMAT},
        {"\"shardmill_choose\": 1", "\"something_else__\": 1", SM_ERR_FORMAT},
        {"\"nodes\": 2.0", "\"nodes\": 0.0", SM_ERR_CORRUPT},
        {"\"price\": 0.1", "\"price\":-0.1", SM_ERR_CORRUPT},
        {"\"candidate\": 1", "\"candidate\": 2", SM_ERR_CORRUPT},
        {"\"candidate\": 1", "\"candidate\": 0", SM_ERR_CORRUPT},
        {"\"failed\"", "\"fainted\"", SM_ERR_CORRUPT},
        {"\"time\"", "\"tide\"", SM_ERR_CORRUPT},
        {"\"seed\": 7", "\"seed\":-7", SM_ERR_CORRUPT},
        {"\"candidates\"", "\"candidatos\"", SM_ERR_CORRUPT},
    };
    sm_search s = example(), back;
    assert_int_equal(sm_search_write(&s, path), SM_OK);
    char *text;
    read_file(&text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *at = strstr(text, cases[i].from), changed[65536];
        if (at == NULL) fail_msg("%s is not in\n%s", cases[i].from, text);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, cases[i].to,
                 at + strlen(cases[i].from));
        write_file(changed, strlen(changed));
        if (sm_search_read(&back, path) != cases[i].status)
            fail_msg("%s: %s", cases[i].to, sm_last_error());
        assert_non_null(strstr(sm_last_error(), path));
    }
    free(text);
    sm_search_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(cut_off_is_damage),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
