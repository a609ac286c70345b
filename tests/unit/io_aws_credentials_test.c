/* AWS's settings and credentials: INI files, hostile ones too, and where keys come from. */
#include "core/status.h"
#include "files.h"
#include "io/aws.h"
#include "io/ini.h"
#include "io/s3.h"

static sm_ini *parse(const char *text)
{
    sm_ini *ini = NULL;
    assert_int_equal(sm_ini_parse(&ini, text, strlen(text), "config"), SM_OK);
    return ini;
}

static void expect_setting(const sm_ini *ini, const char *section, const char *key,
                           const char *expected)
{
    const char *value = sm_ini_get(ini, section, key);
    if (expected == NULL) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_string_equal(value, expected);
}

/* ---- INI files */

static void reads_what_the_tools_write(void **state)
{
    (void)state;
    sm_ini *ini = parse("\xef\xbb\xbf# first\r\n"
                        "[default]\r\n"
                        "region = eu-west-3\r\n"
                        "aws_secret_access_key=a#b;c=d/+= \r\n"
                        "output = json ; said why\n"
                        "\n"
                        "[ profile  \"two words\" ] # comment\n"
                        "REGION=us-east-2\n"
                        "s3 =\n"
                        "  addressing_style = path\n"
                        "\tmax_concurrent_requests = 20\n"
                        "cli_pager =\n"
                        "[services mine]\n"
                        "s3 =\n"
                        " endpoint_url = https://store.example\n"
                        "[default]\n"
                        "region = again");
    expect_setting(ini, "default", "region", "again");
    expect_setting(ini, "default", "aws_secret_access_key", "a#b;c=d/+=");
    expect_setting(ini, "default", "output", "json");
    expect_setting(ini, "profile two words", "region", "us-east-2");
    expect_setting(ini, "profile two words", "s3.addressing_style", "path");
    expect_setting(ini, "profile two words", "S3.Max_Concurrent_Requests", "20");
    expect_setting(ini, "profile two words", "addressing_style", NULL);
    expect_setting(ini, "profile two words", "cli_pager", "");
    expect_setting(ini, "services mine", "s3.endpoint_url", "https://store.example");
    expect_setting(ini, "nobody", "region", NULL);
    assert_true(sm_ini_has(ini, "default"));
    assert_false(sm_ini_has(ini, "profile"));
    sm_ini_free(ini);
    sm_ini_free(NULL);
}

static void refuses_broken_files_without_showing_them(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "key = secret-words\n",  "[open secret-words\nkey = value\n", "[a]\nsecret-words\n",
        "[a]\n= secret-words\n", "[a]\nkey = 1\n[\nsecret-words",     "secret-words",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sm_ini *ini = NULL;
        assert_int_equal(sm_ini_parse(&ini, texts[i], strlen(texts[i]), "file"), SM_ERR_FORMAT);
        assert_null(ini);
        assert_non_null(strstr(sm_last_error(), "file"));
        assert_null(strstr(sm_last_error(), "secret"));
    }
    sm_ini *ini = NULL;
    assert_int_equal(sm_ini_parse(&ini, "[a]\nk\0=v", 8, "file"), SM_ERR_FORMAT);
}

static void caps_a_file(void **state)
{
    (void)state;
    char *text = malloc(SM_INI_MAX + 1);
    assert_non_null(text);
    memset(text, '\n', SM_INI_MAX + 1);
    sm_ini *ini = NULL;
    assert_int_equal(sm_ini_parse(&ini, text, SM_INI_MAX + 1, "file"), SM_ERR_LIMIT);
    assert_int_equal(sm_ini_parse(&ini, text, SM_INI_MAX, "file"), SM_OK);
    sm_ini_free(ini);
    free(text);
}

/* Any bytes give a status, and memory checkers find nothing to say. */
static void survives_noise(void **state)
{
    (void)state;
    static const char alphabet[] = "[]=#; \t\r\n\"'ab.";
    unsigned seed = 12345;
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t len = (size_t)(rand_r(&seed) % (int)sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[rand_r(&seed) % (int)(sizeof alphabet - 1)];
        sm_ini *ini = NULL;
        sm_status status = sm_ini_parse(&ini, text, len, "noise");
        assert_true(status == SM_OK || status == SM_ERR_FORMAT);
        if (status == SM_OK) {
            (void)sm_ini_get(ini, "a", "b");
            (void)sm_ini_get(ini, "", "a.b");
        }
        sm_ini_free(ini);
    }
}

/* ---- Settings and credentials */

static const char *const VARIABLES[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_S3_FORCE_PATH_STYLE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "SHARDMILL_S3_ANONYMOUS",
};

/* A folder with both files, which the environment points to; nothing else is set. */
static int enter_home(void **state)
{
    if (enter_folder(state) != 0) return -1;
    for (size_t i = 0; i < sizeof VARIABLES / sizeof *VARIABLES; i++) unsetenv(VARIABLES[i]);
    setenv("AWS_CONFIG_FILE", in(*state, "config"), 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", in(*state, "credentials"), 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return 0;
}

#define TEST_AT_HOME(test) cmocka_unit_test_setup_teardown(test, enter_home, leave_folder)

static sm_aws_keys *keys_of_files(void)
{
    sm_aws_settings *settings;
    sm_aws_keys *keys = NULL;
    assert_int_equal(sm_aws_settings_read(&settings), SM_OK);
    assert_int_equal(sm_aws_keys_of_files(&keys, settings), SM_OK);
    sm_aws_settings_free(settings);
    return keys;
}

static void expect_refusal(sm_status expected, const char *words)
{
    sm_aws_settings *settings;
    sm_aws_keys *keys = NULL;
    sm_status status = sm_aws_settings_read(&settings);
    if (status == SM_OK) {
        status = sm_aws_keys_of_files(&keys, settings);
        sm_aws_settings_free(settings);
    }
    assert_int_equal(status, expected);
    assert_null(keys);
    assert_non_null(strstr(sm_last_error(), words));
}

static void finds_a_profiles_keys(void **state)
{
    put_text(in(*state, "credentials"), "[default]\naws_access_key_id = AKIDDEFAULT\n"
                                        "aws_secret_access_key = s1\n"
                                        "[other]\naws_access_key_id = AKIDOTHER\n"
                                        "aws_secret_access_key = s2\naws_session_token = t2\n");
    sm_aws_keys *keys = keys_of_files();
    assert_string_equal(keys->key, "AKIDDEFAULT");
    assert_null(keys->token);
    /* Four characters of the key, nothing of the rest. */
    assert_string_equal(keys->who, "access key AKID… of the profile 'default'");
    sm_aws_keys_drop(keys);

    setenv("AWS_PROFILE", "other", 1);
    keys = keys_of_files();
    assert_string_equal(keys->key, "AKIDOTHER");
    assert_string_equal(keys->secret, "s2");
    assert_string_equal(keys->token, "t2");
    sm_aws_keys_drop(keys);

    setenv("AWS_PROFILE", "nobody", 1);
    expect_refusal(SM_ERR_USAGE, "nobody");
}

static void goes_without_files(void **state)
{
    (void)state;
    assert_null(keys_of_files());
}

static void says_what_is_wrong_with_a_profile(void **state)
{
    const char *config = in(*state, "config");
    setenv("AWS_PROFILE", "p", 1);
    put_text(config, "[profile p]\naws_access_key_id = AKID\n");
    expect_refusal(SM_ERR_USAGE, "aws_secret_access_key");
    put_text(config, "[profile p]\ncredential_process = /bin/echo hello\n");
    expect_refusal(SM_ERR_ACCESS, "credential_process");
    put_text(config, "[profile p]\nsso_session = corp\n");
    expect_refusal(SM_ERR_ACCESS, "export-credentials");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\n");
    expect_refusal(SM_ERR_USAGE, "source_profile");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = q\n");
    expect_refusal(SM_ERR_USAGE, "'q'");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = q\n"
                     "[profile q]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = p\n");
    expect_refusal(SM_ERR_USAGE, "more than");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Mars\n");
    expect_refusal(SM_ERR_USAGE, "Mars");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nmfa_serial = m\n");
    expect_refusal(SM_ERR_ACCESS, "mfa_serial");
    put_text(config, "[profile p]\nrole_arn = arn:aws:iam::1:role/r\n"
                     "web_identity_token_file = /nowhere/token\n");
    expect_refusal(SM_ERR_NOT_FOUND, "/nowhere/token");
}

static void keeps_credentials_off_the_network(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://10.0.0.1/creds", "http://evil.example/",
                                       "http://169.254.169.254/", "ftp://127.0.0.1/", "nonsense"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        sm_aws_keys *keys = NULL;
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i], 1);
        assert_int_not_equal(sm_aws_keys_of_container(&keys), SM_OK);
        assert_null(keys);
        assert_non_null(strstr(sm_last_error(), "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }
}

static void reads_the_endpoint(void **state)
{
    sm_s3_endpoint endpoint;
    put_text(in(*state, "config"), "[default]\nregion = eu-north-1\nservices = mine\n"
                                   "s3 =\n  addressing_style = virtual\n"
                                   "[services mine]\ns3 =\n  endpoint_url = https://store/base/\n");
    assert_int_equal(sm_s3_endpoint_read(&endpoint), SM_OK);
    assert_string_equal(endpoint.url, "https://store/base");
    assert_string_equal(endpoint.region, "eu-north-1");
    assert_int_equal(endpoint.style, SM_S3_STYLE_VIRTUAL);
    sm_s3_endpoint_free(&endpoint);

    setenv("AWS_ENDPOINT_URL", "http://one:1", 1);
    setenv("AWS_ENDPOINT_URL_S3", "http://two:2", 1);
    setenv("AWS_DEFAULT_REGION", "us-west-1", 1);
    setenv("AWS_S3_FORCE_PATH_STYLE", "true", 1);
    assert_int_equal(sm_s3_endpoint_read(&endpoint), SM_OK);
    assert_string_equal(endpoint.url, "http://two:2");
    assert_string_equal(endpoint.region, "us-west-1");
    assert_int_equal(endpoint.style, SM_S3_STYLE_PATH);
    sm_s3_endpoint_free(&endpoint);

    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    assert_int_equal(sm_s3_endpoint_read(&endpoint), SM_OK);
    assert_null(endpoint.url);
    sm_s3_endpoint_free(&endpoint);
}

static void refuses_bad_endpoints(void **state)
{
    (void)state;
    static const char *const urls[] = {"store:9000",       "https://",       "https:///b",
                                       "http://u:p@store", "http://store?x", "file:///etc"};
    sm_s3_endpoint endpoint;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        setenv("AWS_ENDPOINT_URL", urls[i], 1);
        assert_int_equal(sm_s3_endpoint_read(&endpoint), SM_ERR_USAGE);
    }
    unsetenv("AWS_ENDPOINT_URL");
    setenv("AWS_REGION", "evil.example/", 1);
    assert_int_equal(sm_s3_endpoint_read(&endpoint), SM_ERR_USAGE);
}

/* The last of all: it fills what this process keeps. */
static void keeps_and_renews_the_environments_keys(void **state)
{
    (void)state;
    sm_aws_keys *keys, *again;
    setenv("AWS_ACCESS_KEY_ID", "AKIDFIRST", 1);
    assert_int_equal(sm_aws_keys_take(&keys), SM_ERR_USAGE);
    assert_non_null(strstr(sm_last_error(), "AWS_SECRET_ACCESS_KEY"));

    setenv("AWS_SECRET_ACCESS_KEY", "secret-words", 1);
    assert_int_equal(sm_aws_keys_take(&keys), SM_OK);
    assert_string_equal(keys->key, "AKIDFIRST");
    assert_null(strstr(keys->who, "secret"));
    assert_null(strstr(keys->who, "AKIDF"));

    setenv("AWS_ACCESS_KEY_ID", "AKIDSECOND", 1);
    assert_int_equal(sm_aws_keys_take(&again), SM_OK);
    assert_ptr_equal(again, keys);
    sm_aws_keys_drop(again);

    assert_true(sm_aws_keys_renew(keys));
    assert_int_equal(sm_aws_keys_take(&again), SM_OK);
    assert_string_equal(again->key, "AKIDSECOND");
    assert_string_equal(keys->key, "AKIDFIRST"); /* good until dropped */
    sm_aws_keys_drop(keys);

    setenv("SHARDMILL_S3_ANONYMOUS", "1", 1);
    assert_true(sm_aws_keys_renew(again));
    sm_aws_keys_drop(again);
    assert_int_equal(sm_aws_keys_take(&keys), SM_OK);
    assert_null(keys->key);
    assert_non_null(strstr(keys->who, "anonymous"));
    sm_aws_keys_drop(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_tools_write),
        cmocka_unit_test(refuses_broken_files_without_showing_them),
        cmocka_unit_test(caps_a_file),
        cmocka_unit_test(survives_noise),
        TEST_AT_HOME(finds_a_profiles_keys),
        TEST_AT_HOME(goes_without_files),
        TEST_AT_HOME(says_what_is_wrong_with_a_profile),
        TEST_AT_HOME(keeps_credentials_off_the_network),
        TEST_AT_HOME(reads_the_endpoint),
        TEST_AT_HOME(refuses_bad_endpoints),
        TEST_AT_HOME(keeps_and_renews_the_environments_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
