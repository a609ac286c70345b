#include "core/status.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void says_nothing_before_a_failure(void **state)
{
    (void)state;
    assert_string_equal(sm_last_error(), "");
}

static void keeps_the_line_of_the_last_failure(void **state)
{
    (void)state;
    assert_int_equal(sm_fail(SM_ERR_CORRUPT, "'%s' at byte %d", "a", 5), SM_ERR_CORRUPT);
    assert_string_equal(sm_last_error(), "'a' at byte 5");
    assert_int_equal(sm_fail_memory(1000), SM_ERR_MEMORY);
    assert_string_equal(sm_last_error(), "cannot get 1000 bytes of memory");
}

static void prefixes(void **state)
{
    (void)state;
    sm_fail(SM_ERR_IO, "reason");
    assert_int_equal(sm_fail_prefix(SM_ERR_CONFLICT, "file %d", 1), SM_ERR_CONFLICT);
    assert_string_equal(sm_last_error(), "file 1: reason");
}

/* The line is an argument of the call that replaces it. */
static void takes_its_own_line_as_argument(void **state)
{
    (void)state;
    sm_fail(SM_ERR_IO, "inner");
    sm_fail(SM_ERR_IO, "<%s|%s>", sm_last_error(), sm_last_error());
    assert_string_equal(sm_last_error(), "<inner|inner>");
    sm_fail_prefix(SM_ERR_IO, "%s", sm_last_error());
    assert_string_equal(sm_last_error(), "<inner|inner>: <inner|inner>");
    sm_fail_errno(ENOENT, "%s", sm_last_error());
    assert_non_null(strstr(sm_last_error(), "<inner|inner>: <inner|inner>: "));
}

static void cuts_a_line_that_is_too_long(void **state)
{
    (void)state;
    char text[2 * SM_ERROR_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    sm_fail(SM_ERR_IO, "%s", text);
    assert_int_equal(strlen(sm_last_error()), SM_ERROR_MAX - 1);
    sm_fail_prefix(SM_ERR_IO, "%s", text);
    assert_int_equal(strlen(sm_last_error()), SM_ERROR_MAX - 1);
    sm_fail_errno(ENOENT, "%s", text);
    assert_int_equal(strlen(sm_last_error()), SM_ERROR_MAX - 1);
}

static void tells_the_status_from_errno(void **state)
{
    (void)state;
    static const struct {
        int error;
        sm_status status;
    } cases[] = {
        {ENOENT, SM_ERR_NOT_FOUND}, {ENOTDIR, SM_ERR_NOT_FOUND},
        {EACCES, SM_ERR_ACCESS},    {EPERM, SM_ERR_ACCESS},
        {EROFS, SM_ERR_ACCESS},     {ENOSPC, SM_ERR_NO_SPACE},
        {EDQUOT, SM_ERR_NO_SPACE},  {ENOMEM, SM_ERR_MEMORY},
        {ENAMETOOLONG, SM_ERR_IO},  {EEXIST, SM_ERR_CONFLICT},
        {EIO, SM_ERR_IO},           {EPIPE, SM_ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(sm_fail_errno(cases[i].error, "x"), cases[i].status);
    sm_fail_errno(ENOENT, "cannot open '%s'", "a");
    char expected[256];
    snprintf(expected, sizeof expected, "cannot open 'a': %s", strerror(ENOENT));
    assert_string_equal(sm_last_error(), expected);
}

static void *fail_elsewhere(void *before)
{
    snprintf(before, SM_ERROR_MAX, "%s", sm_last_error());
    sm_fail(SM_ERR_IO, "elsewhere");
    return NULL;
}

static void is_kept_per_thread(void **state)
{
    (void)state;
    char before[SM_ERROR_MAX] = "unset";
    pthread_t thread;
    sm_fail(SM_ERR_IO, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, before), 0);
    pthread_join(thread, NULL);
    assert_string_equal(before, "");
    assert_string_equal(sm_last_error(), "here");
}

/* Every value has a word of its own; what is no value has one too. */
static void has_words_for_everything(void **state)
{
    (void)state;
    for (int a = SM_OK; a <= SM_ERR_INTERNAL; a++) {
        assert_string_not_equal(sm_status_name((sm_status)a), "unknown");
        for (int b = SM_OK; b < a; b++)
            assert_string_not_equal(sm_status_name((sm_status)a), sm_status_name((sm_status)b));
    }
    assert_string_equal(sm_status_name((sm_status)99), "unknown");
    for (int a = SM_REASON_NONE; a < SM_REASON_COUNT; a++) {
        assert_string_not_equal(sm_reason_name((sm_reason)a), "unknown");
        for (int b = SM_REASON_NONE; b < a; b++) {
            /* "not_an_image" is a failure and a skip */
            bool groups_differ = a >= SM_SKIP_HIDDEN && b < SM_SKIP_HIDDEN;
            if (!groups_differ)
                assert_string_not_equal(sm_reason_name((sm_reason)a), sm_reason_name((sm_reason)b));
        }
    }
    assert_string_equal(sm_reason_name(SM_REASON_COUNT), "unknown");
    for (int a = SM_STAGE_LIST; a <= SM_STAGE_RECORD; a++)
        assert_string_not_equal(sm_stage_name((sm_stage)a), "unknown");
    assert_string_equal(sm_stage_name((sm_stage)99), "unknown");
    assert_string_equal(sm_version(), SM_VERSION);
}

static void has_words_for_choices(void **state)
{
    (void)state;
    static const int last[] = {
        [SM_CHOICE_RESIZE_MODE] = SM_RESIZE_NO,
        [SM_CHOICE_FILTER] = SM_FILTER_BILINEAR,
        [SM_CHOICE_DECODE] = SM_DECODE_EXACT,
        [SM_CHOICE_CHROMA] = SM_CHROMA_420,
        [SM_CHOICE_ENCODE_FORMAT] = SM_ENCODE_KEEP,
        [SM_CHOICE_SCHEMA] = SM_SCHEMA_FAST_AND_LEAN,
        [SM_CHOICE_JPEG_DECODER] =
            , [SM_CHOICE_COMPRESSION] = SM_COMPRESSION_GZIP, [SM_CHOICE_LABELS] = SM_LABELS_NONE,
    };
    for (int choice = SM_CHOICE_RESIZE_MODE; choice <= SM_CHOICE_LABELS; choice++) {
        for (int value = 0; value <= last[choice]; value++)
            assert_non_null(sm_choice_name((sm_choice)choice, value));
        assert_null(sm_choice_name((sm_choice)choice, last[choice] + 1));
        assert_null(sm_choice_name((sm_choice)choice, -1));
        assert_null(sm_choice_name((sm_choice)choice, 1000));
    }
    assert_null(sm_choice_name((sm_choice)99, 0));
    assert_string_equal(sm_choice_name(SM_CHOICE_RESIZE_MODE, SM_RESIZE_KEEP_RATIO_LARGEST),
                        "keep_ratio_largest");
    assert_string_equal(sm_choice_name(SM_CHOICE_SCHEMA, SM_SCHEMA_FAST_AND_LEAN), "fast-and-lean");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_nothing_before_a_failure),
        cmocka_unit_test(keeps_the_line_of_the_last_failure),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(takes_its_own_line_as_argument),
        cmocka_unit_test(cuts_a_line_that_is_too_long),
        cmocka_unit_test(tells_the_status_from_errno),
        cmocka_unit_test(is_kept_per_thread),
        cmocka_unit_test(has_words_for_everything),
        cmocka_unit_test(has_words_for_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
