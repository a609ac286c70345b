#include "files.h"
#include "io/http.h"
#include "io/http_reply.h"
#include "io/http_retry.h"
#include "io/http_url.h"
#include "io/sum.h"
#include "io/times.h"

static const int64_t SECOND = 1000000000;

/* ---- URLs */

static void expect_encoded(const char *text, bool keep_slash, const char *expected)
{
    sm_buf buf;
    sm_buf_init(&buf, 1 << 20);
    assert_int_equal(sm_http_append_encoded(&buf, text, keep_slash), SM_OK);
    assert_string_equal((const char *)buf.data, expected);
    assert_int_equal(buf.len, strlen(expected));
    sm_buf_free(&buf);
}

static void encodes_what_is_not_unreserved(void **state)
{
    (void)state;
    expect_encoded("", false, "");
    expect_encoded("AZaz09-._~", false, "AZaz09-._~");
    expect_encoded("a/b c", false, "a%2Fb%20c");
    expect_encoded("a/b c", true, "a/b%20c");
    expect_encoded("100% #1?&=+", false, "100%25%20%231%3F%26%3D%2B");
    expect_encoded("Bl\xc3\xbcte \xf0\x9f\x8c\xb7", false, "Bl%C3%BCte%20%F0%9F%8C%B7");
    expect_encoded("\x01\x7f\xff", true, "%01%7F%FF");
}

static void reads_hosts_and_ports(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host;
        unsigned port;
        bool tls;
    } good[] = {
        {"https://Storage.Example.com/a/b?c", "storage.example.com", 443, true},
        {"http://127.0.0.1:8080", "127.0.0.1", 8080, false},
        {"http://[::1]:90/x", "[::1]", 90, false},
        {"HTTPS://h?x", "h", 443, true},
        {"http://h#@evil", "h", 80, false},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        sm_http_url parts;
        assert_int_equal(sm_http_url_parse(&parts, good[i].url), SM_OK);
        assert_string_equal(parts.host, good[i].host);
        assert_int_equal(parts.port, good[i].port);
        assert_int_equal(parts.tls, good[i].tls);
    }
    static const char *const bad[] = {
        "ftp://h/",       "h/x",          "http://",          "http:///x",
        "http://u:p@h/x", "http://h:0/",  "http://h:65536/",  "http://h:1x/",
        "http://h: 80/",  "http://h/a b", "http://h/a\nb",    "http://127.0.0.1\\@evil/",
        "http://[::1/x",  "http://h:",    "http://[::1]90/x", "http://127.0.0.1@evil/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sm_http_url parts;
        assert_int_equal(sm_http_url_parse(&parts, bad[i]), SM_ERR_USAGE);
        assert_null(strstr(sm_last_error(), "u:p@"));
    }
}

static sm_status allowed(const char *url)
{
    sm_http_url parts;
    assert_int_equal(sm_http_url_parse(&parts, url), SM_OK);
    return sm_http_url_allowed(&parts);
}

static void lets_plain_http_go_to_this_machine_only(void **state)
{
    (void)state;
    unsetenv("SHARDMILL_ALLOW_HTTP");
    assert_int_equal(allowed("http://127.0.0.1/"), SM_OK);
    assert_int_equal(allowed("http://127.9.9.9:1/"), SM_OK);
    assert_int_equal(allowed("http://[::1]/"), SM_OK);
    assert_int_equal(allowed("http://LOCALHOST/"), SM_OK);
    assert_int_equal(allowed("https://example.com/"), SM_OK);
    static const char *const refused[] = {
        "http://example.com/",       "http://127.0.0.1.example.com/",
        "http://localhost.example/", "http://10.0.0.1/",
        "http://128.0.0.1/",         "http://127.1/"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(allowed(refused[i]), SM_ERR_ACCESS);
    setenv("SHARDMILL_ALLOW_HTTP", "minio.lan, 10.0.0.1", 1);
    assert_int_equal(allowed("http://minio.lan:9000/x"), SM_OK);
    assert_int_equal(allowed("http://10.0.0.1/"), SM_OK);
    assert_int_equal(allowed("http://lan/"), SM_ERR_ACCESS);
    assert_int_equal(allowed("http://10.0.0.10/"), SM_ERR_ACCESS);
    unsetenv("SHARDMILL_ALLOW_HTTP");
}

static void refuses_before_it_connects(void **state)
{
    (void)state;
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    assert_int_equal(sm_http_mine(&http), SM_OK);
    sm_http_request_init(&request, "GET");
    sm_http_reply_init(&reply);
    assert_int_equal(sm_buf_printf(&request.url, "http://example.com/x?secret=1"), SM_OK);
    assert_int_equal(sm_http_perform(http, &request, &reply), SM_ERR_ACCESS);
    assert_null(strstr(sm_last_error(), "secret"));
    assert_non_null(strstr(sm_last_error(), "SHARDMILL_ALLOW_HTTP"));
    assert_int_equal(sm_http_add_header(&request, "X", "a\r\nHost: evil"), SM_ERR_USAGE);
    assert_int_equal(request.headers.len, 0);
    sm_http_reply_free(&reply);
    sm_http_request_free(&request);
}

/* ---- Times and waits */

static void reads_dates(void **state)
{
    (void)state;
    int64_t ns;
    assert_true(sm_time_of_http(&ns, "Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_int_equal(ns, 784111777 * SECOND);
    assert_true(sm_time_of_rfc3339(&ns, "1994-11-06T08:49:37Z"));
    assert_int_equal(ns, 784111777 * SECOND);
    assert_true(sm_time_of_rfc3339(&ns, "1994-11-06T09:49:37.250+01:00"));
    assert_int_equal(ns, 784111777 * SECOND + SECOND / 4);
    assert_true(sm_time_of_rfc3339(&ns, "2024-02-29T23:59:59.123456789123Z"));
    assert_int_equal(ns % SECOND, 123456789);
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "Sun, 06 Foo 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 anF 1994 08:49:37 GMT",
                                      "Sun, 66 Nov 1994 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sm_time_of_http(&ns, bad[i]));
    assert_false(sm_time_of_rfc3339(&ns, "1994-11-06"));
    assert_false(sm_time_of_rfc3339(&ns, "1994-11-06T08:49:37"));
    assert_false(sm_time_of_rfc3339(&ns, "1994-13-06T08:49:37Z"));
}

static void reads_how_long_to_wait(void **state)
{
    (void)state;
    const int64_t now = 784111777 * SECOND;
    assert_int_equal(sm_retry_after_ms("0", now), 0);
    assert_int_equal(sm_retry_after_ms("120", now), 120000);
    assert_int_equal(sm_retry_after_ms("7 ", now), 7000);
    assert_int_equal(sm_retry_after_ms("-1", now), 0);
    assert_int_equal(sm_retry_after_ms("soon", now), 0);
    assert_int_equal(sm_retry_after_ms("1.5", now), 0);
    assert_int_equal(sm_retry_after_ms("99999999999999999999999", now), 24 * 3600 * 1000);
    assert_in_range(sm_retry_after_ms("Sun, 06 Nov 1994 08:49:47 GMT", now), 10000, 10001);
    assert_int_equal(sm_retry_after_ms("Sun, 06 Nov 1994 08:49:27 GMT", now), 0);
}

static void waits_longer_until_it_gives_up(void **state)
{
    (void)state;
    setenv("SHARDMILL_RETRY_SECONDS", "100", 1);
    sm_backoff backoff;
    sm_backoff_init(&backoff);
    uint64_t wait, longest = 0;
    for (int i = 0; i < 200; i++) {
        backoff.tries = (unsigned)i;
        assert_true(sm_backoff_next(&backoff, 0, &wait));
        assert_true(wait <= 30 * (uint64_t)SECOND);
        if (i == 0) assert_true(wait <= (uint64_t)SECOND / 4);
        if (wait > longest) longest = wait;
    }
    assert_true(longest > 10 * (uint64_t)SECOND);
    assert_true(sm_backoff_next(&backoff, 40000, &wait));
    assert_true(wait >= 40 * (uint64_t)SECOND);
    assert_false(sm_backoff_next(&backoff, 100001, &wait)); /* past the deadline */
    setenv("SHARDMILL_RETRY_SECONDS", "5", 1);
    sm_backoff_init(&backoff);
    for (int i = 0; i < 200; i++) { /* the last try is at the deadline, however long the wait */
        backoff.tries = 7;
        assert_true(sm_backoff_next(&backoff, 0, &wait));
        assert_true(wait <= 5 * (uint64_t)SECOND);
    }
    setenv("SHARDMILL_RETRY_SECONDS", "0", 1);
    sm_backoff_init(&backoff);
    assert_false(sm_backoff_next(&backoff, 0, &wait));
    unsetenv("SHARDMILL_RETRY_SECONDS");
    assert_true(sm_is_passing_status(408) && sm_is_passing_status(429));
    assert_true(sm_is_passing_status(500) && sm_is_passing_status(503));
    assert_false(sm_is_passing_status(404) || sm_is_passing_status(412));
    assert_false(sm_is_passing_status(501) || sm_is_passing_status(507));
}

/* ---- Replies */

static void take(sm_http_reply *reply, const char *line)
{
    sm_http_reply_line(reply, line, strlen(line));
}

static void reads_header_lines(void **state)
{
    (void)state;
    sm_http_reply reply;
    sm_http_reply_init(&reply);
    take(&reply, "Content-Length: 1000\r\n");
    take(&reply, "CONTENT-RANGE: bytes 500-1499/8000\r\n");
    take(&reply, "ETag:\"abc\"\r\n");
    take(&reply, "x-goog-hash: crc32c=n03x6A==\r\n");
    take(&reply, "x-goog-hash: md5=XrY7u+Ae7tCTyyK7j1rNww==\r\n");
    take(&reply, "Location:  https://h/x \r\n");
    take(&reply, "Retry-After: 3\r\n");
    take(&reply, "nonsense\r\n");
    assert_int_equal(reply.content_length, 1000);
    assert_int_equal(reply.total_length, 8000);
    assert_int_equal(sm_http_range_start(reply.content_range), 500);
    assert_string_equal(reply.etag, "\"abc\"");
    assert_string_equal(reply.checksums, "crc32c=n03x6A==,md5=XrY7u+Ae7tCTyyK7j1rNww==");
    assert_string_equal(reply.location, "https://h/x");
    assert_int_equal(reply.retry_after_ms, 3000);
    sm_sum sum;
    sm_sum_of_checksums(&sum, reply.checksums);
    assert_int_equal(sum.kind, SM_SUM_CRC32C);
    assert_int_equal(sm_sum_check(&sum, "hello world", 11), SM_ERR_CORRUPT);
    /* A tag too long to keep whole is not kept at all. */
    char line[400] = "ETag: \"";
    memset(line + 7, 'x', 300);
    sm_http_reply_begin(&reply);
    take(&reply, line);
    assert_string_equal(reply.etag, "");
    assert_null(reply.location);
    sm_http_reply_free(&reply);
}

static void checks_sums(void **state)
{
    (void)state;
    sm_sum sum, md5;
    char text[9];
    sm_sum_crc32c_base64(text, 0xe3069283u); /* of "123456789" */
    assert_true(sm_sum_of_base64(&sum, SM_SUM_CRC32C, text, 8));
    assert_int_equal(sm_sum_check(&sum, "123456789", 9), SM_OK);
    assert_int_equal(sm_sum_check(&sum, "123456780", 9), SM_ERR_CORRUPT);
    assert_true(sm_sum_of_base64(&md5, SM_SUM_MD5, "JfnnlDI7RTiF9RgfG2JNCw==", 24));
    assert_int_equal(sm_sum_check(&md5, "123456789", 9), SM_OK);
    assert_true(sm_sum_agrees(&sum, &md5)); /* nothing to compare */
    assert_false(sm_sum_of_base64(&sum, SM_SUM_CRC32C, "4waSgw=", 7));
    assert_false(sm_sum_of_base64(&sum, SM_SUM_CRC32C, "4waS!!==", 8));
    assert_false(sm_sum_of_base64(&sum, SM_SUM_MD5, text, 8));
    sm_sum_of_checksums(&sum, "crc32c=, md5=x, sha1=abc");
    assert_int_equal(sum.kind, SM_SUM_NONE);
    /* All of "123456789". */
    static const struct {
        const char *text;
        sm_sum_kind kind;
    } cases[] = {
        {"md5=JfnnlDI7RTiF9RgfG2JNCw==", SM_SUM_MD5},
        {"md5=JfnnlDI7RTiF9RgfG2JNCw==,crc32=y/Q5Jg==", SM_SUM_CRC32},
        {"crc32c=4waSgw==,crc32=y/Q5Jg==", SM_SUM_CRC32C},
        {"crc32=y/Q5Jg==,crc64nvme=rosUhgp5mIg=,crc32c=4waSgw==", SM_SUM_CRC64NVME},
        {"crc64nvme=rosUhgp5mIg=-2,crc32=y/Q5Jg==-2", SM_SUM_NONE}, /* of its parts */
        {"crc64nvme=rosUhgp5mIgA,crc32=y/Q5", SM_SUM_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_sum_of_checksums(&sum, cases[i].text);
        assert_int_equal(sum.kind, cases[i].kind);
        assert_int_equal(sm_sum_check(&sum, "123456789", 9), SM_OK);
        if (sum.kind != SM_SUM_NONE)
            assert_int_equal(sm_sum_check(&sum, "123456780", 9), SM_ERR_CORRUPT);
    }
}

static void expect_words(const char *body, const char *expected)
{
    sm_buf buf;
    char words[64];
    sm_buf_init(&buf, 1 << 16);
    assert_int_equal(sm_buf_append_str(&buf, body), SM_OK);
    sm_http_words(words, sizeof words, &buf);
    assert_string_equal(words, expected);
    sm_buf_free(&buf);
}

static void finds_the_servers_words(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words("{\"error\":{\"code\":404,\"message\":\"No such object\\u001b[2J: x\"}}",
                 "No such object [2J: x");
    expect_words("{\"error\":\"invalid_grant\",\"error_description\":\"Bad\"}", "Bad");
    expect_words("{\"RemoteException\":{\"message\":\"File does not exist\"}}",
                 "File does not exist");
    expect_words(
        "<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>gone</Message></Error>",
        "NoSuchKey: gone");
    expect_words("<html><title>502 Bad Gateway</title></html>", "502 Bad Gateway");
    expect_words("plain words\nand more", "plain words");
    expect_words("{\"error\":{\"message\":[1]}}", "");
    expect_words("<Code>unended", "");
}

static void judges_statuses(void **state)
{
    (void)state;
    static const struct {
        int http;
        sm_status status;
    } cases[] = {{200, SM_OK},
                 {206, SM_OK},
                 {401, SM_ERR_ACCESS},
                 {403, SM_ERR_ACCESS},
                 {404, SM_ERR_NOT_FOUND},
                 {412, SM_ERR_CONFLICT},
                 {500, SM_ERR_IO},
                 {507, SM_ERR_NO_SPACE},
                 {301, SM_ERR_IO},
                 {413, SM_ERR_LIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_http_reply reply;
        sm_http_reply_init(&reply);
        reply.status = cases[i].http;
        assert_int_equal(sm_http_judge(&reply, "read", "gs://b/x", "anonymous", "some.permission"),
                         cases[i].status);
        if (cases[i].status != SM_OK)
            assert_non_null(strstr(sm_last_error(), "cannot read 'gs://b/x'"));
        if (cases[i].status == SM_ERR_ACCESS)
            assert_non_null(
                strstr(sm_last_error(), "asked as anonymous, which needs some.permission"));
        sm_http_reply_free(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_what_is_not_unreserved),
        cmocka_unit_test(reads_hosts_and_ports),
        cmocka_unit_test(lets_plain_http_go_to_this_machine_only),
        cmocka_unit_test(refuses_before_it_connects),
        cmocka_unit_test(reads_dates),
        cmocka_unit_test(reads_how_long_to_wait),
        cmocka_unit_test(waits_longer_until_it_gives_up),
        cmocka_unit_test(reads_header_lines),
        cmocka_unit_test(checks_sums),
        cmocka_unit_test(finds_the_servers_words),
        cmocka_unit_test(judges_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
