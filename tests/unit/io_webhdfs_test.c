/* What the HDFS store does without a cluster: URLs, requests, what name nodes answer. */
#include "core/status.h"
#include "files.h"
#include "io/webhdfs.h"

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("SHARDMILL_WEBHDFS_PORT");
    setenv("HADOOP_USER_NAME", "joe & co", 1);
    return 0;
}

static void expect_place(const char *url, const char *origin, const char *path)
{
    sm_hdfs_place place;
    assert_int_equal(sm_hdfs_place_of(&place, url), SM_OK);
    assert_string_equal(place.origin, origin);
    assert_string_equal(place.path, path);
    sm_hdfs_place_free(&place);
}

static void reads_places(void **state)
{
    (void)state;
    expect_place("hdfs://nn/a/b", "http://nn:9870", "/a/b");
    expect_place("hdfs://nn:8020/a%20b c", "http://nn:9870", "/a%20b c");
    expect_place("webhdfs://nn:50070/a//", "http://nn:50070", "/a");
    expect_place("webhdfs://nn", "http://nn:9870", "/");
    expect_place("swebhdfs://nn:9871/", "https://nn:9871", "/");
    expect_place("webhdfs://[::1]:9870/x", "http://[::1]:9870", "/x");
    setenv("SHARDMILL_WEBHDFS_PORT", "14000", 1);
    expect_place("hdfs://nn:8020/x", "http://nn:14000", "/x");
    expect_place("webhdfs://nn:9870/x", "http://nn:9870", "/x");
}

static void refuses_what_is_no_place(void **state)
{
    (void)state;
    static const char *const urls[] = {"hdfs:///a",    "hdfs://",      "webhdfs://u@nn/a",
                                       "hdfs://a b/c", "hdfs://n?n/c", "webhdfs://:9870/x"};
    sm_hdfs_place place;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(sm_hdfs_place_of(&place, urls[i]), SM_ERR_USAGE);
    static const char *const ports[] = {"0", "x", "65536", "-1", "98 70"};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        setenv("SHARDMILL_WEBHDFS_PORT", ports[i], 1);
        assert_int_equal(sm_hdfs_place_of(&place, "hdfs://nn/a"), SM_ERR_USAGE);
    }
}

static void encodes_names_once(void **state)
{
    (void)state;
    sm_http_request request;
    sm_http_request_init(&request, "GET");
    assert_int_equal(sm_hdfs_request(&request, "hdfs://nn/a b%20?#&/\xc3\xbc", "OPEN&offset=7"),
                     SM_OK);
    assert_string_equal((const char *)request.url.data,
                        "http://nn:9870/webhdfs/v1/a%20b%2520%3F%23%26/%C3%BC"
                        "?op=OPEN&offset=7&user.name=joe%20%26%20co");
    sm_http_request_free(&request);
}

static void set_body(sm_http_reply *reply, int status, const char *body)
{
    sm_http_reply_init(reply);
    reply->status = status;
    assert_int_equal(sm_buf_append_str(&reply->body, body), SM_OK);
}

static void judges_by_the_exception(void **state)
{
    (void)state;
    static const struct {
        int http;
        sm_status status;
        const char *body;
    } cases[] = {
        {200, SM_OK, ""},
        {404, SM_ERR_NOT_FOUND, "{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}"},
        {403, SM_ERR_ACCESS,
         "{\"RemoteException\":{\"exception\":\"AccessControlException\",\"message\":\"no\"}}"},
        {403, SM_ERR_CONFLICT,
         "{\"RemoteException\":{\"exception\":\"FileAlreadyExistsException\"}}"},
        {403, SM_ERR_NO_SPACE,
         "{\"RemoteException\":{\"exception\":\"DSQuotaExceededException\"}}"},
        {403, SM_ERR_IO, "{\"RemoteException\":{\"exception\":\"StandbyException\"}}"},
        {404, SM_ERR_NOT_FOUND, "<html>"},
        {403, SM_ERR_ACCESS, "{\"RemoteException\":7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_http_reply reply;
        set_body(&reply, cases[i].http, cases[i].body);
        assert_int_equal(sm_hdfs_judge(&reply, "read", "hdfs://nn/a", NULL), cases[i].status);
        sm_http_reply_free(&reply);
    }
    assert_non_null(strstr(sm_last_error(), "joe"));
}

static void finds_the_data_node(void **state)
{
    (void)state;
    static const struct {
        int http;
        const char *header, *body, *location;
    } cases[] = {
        {307, "http://dn:1/x", "", "http://dn:1/x"},
        {200, NULL, "{\"Location\":\"http://dn:2/x\"}", "http://dn:2/x"},
        {200, "http://dn:1/x", "{}", NULL},
        {200, NULL, "bytes of a file", NULL},
        {307, NULL, "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_http_reply reply;
        set_body(&reply, cases[i].http, cases[i].body);
        if (cases[i].header != NULL) reply.location = strdup(cases[i].header);
        char *location = sm_hdfs_location(&reply);
        if (cases[i].location == NULL)
            assert_null(location);
        else
            assert_string_equal(location, cases[i].location);
        free(location);
        sm_http_reply_free(&reply);
    }
}

static void hears_yes_and_no(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool yes;
    } cases[] = {{"", true},
                 {"{\"boolean\":true}", true},
                 {"{\"boolean\":false}", false},
                 {"{\"boolean\":1}", false},
                 {"{", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_http_reply reply;
        set_body(&reply, 200, cases[i].body);
        assert_int_equal(sm_hdfs_said_yes(&reply), cases[i].yes);
        sm_http_reply_free(&reply);
    }
}

static void reads_a_file_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sm_status status;
        sm_file_kind kind;
    } cases[] = {
        {"{\"type\":\"FILE\",\"length\":5,\"modificationTime\":1000,\"fileId\":7}", SM_OK,
         SM_FILE_REGULAR},
        {"{\"type\":\"DIRECTORY\",\"length\":0,\"modificationTime\":1000}", SM_OK, SM_FILE_FOLDER},
        {"{\"type\":\"SYMLINK\",\"length\":0,\"modificationTime\":1000}", SM_OK, SM_FILE_SPECIAL},
        {"{\"type\":\"FILE\",\"length\":-5,\"modificationTime\":1000}", SM_ERR_FORMAT,
         SM_FILE_REGULAR},
        {"{\"type\":\"FILE\",\"length\":5,\"modificationTime\":9223372036854775807}", SM_ERR_FORMAT,
         SM_FILE_REGULAR},
        {"{\"type\":\"FILE\",\"length\":5}", SM_ERR_FORMAT, SM_FILE_REGULAR},
        {"{\"length\":5,\"modificationTime\":1}", SM_ERR_FORMAT, SM_FILE_REGULAR},
        {"[]", SM_ERR_FORMAT, SM_FILE_REGULAR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = json_loads(cases[i].text, 0, NULL);
        assert_non_null(json);
        sm_file_info info = {0};
        sm_status status = sm_hdfs_info_of(&info, json, "hdfs://nn/a");
        assert_int_equal(status, cases[i].status);
        if (status == SM_OK) assert_int_equal(info.kind, cases[i].kind);
        if (i == 0) {
            assert_string_equal(info.tag, "7-1000-5");
            assert_int_equal(info.mtime_ns, 1000000000);
        }
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_places, clear_environment),
        cmocka_unit_test_setup(refuses_what_is_no_place, clear_environment),
        cmocka_unit_test_setup(encodes_names_once, clear_environment),
        cmocka_unit_test_setup(judges_by_the_exception, clear_environment),
        cmocka_unit_test_setup(finds_the_data_node, clear_environment),
        cmocka_unit_test_setup(hears_yes_and_no, clear_environment),
        cmocka_unit_test_setup(reads_a_file_status, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
