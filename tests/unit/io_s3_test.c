/* What the S3 store does without a server: URLs, queries, signatures, the XML of answers. */
#include "core/status.h"
#include "files.h"
#include "io/s3.h"
#include "io/s3_xml.h"
#include "io/xml_reader.h"

/* ---- Places */

static void reads_places(void **state)
{
    (void)state;
    sm_s3_place place;
    assert_int_equal(sm_s3_place_of(&place, "s3://bucket/a b/c%20?#"), SM_OK);
    assert_string_equal(place.bucket, "bucket");
    assert_string_equal(place.key, "a b/c%20?#");
    sm_s3_place_free(&place);
    assert_int_equal(sm_s3_place_of(&place, "s3://bucket"), SM_OK);
    assert_string_equal(place.key, "");
    sm_s3_place_free(&place);
    assert_int_equal(sm_s3_place_of(&place, "s3://bucket//x"), SM_OK);
    assert_string_equal(place.key, "/x");
    sm_s3_place_free(&place);
}

static void refuses_what_is_no_bucket(void **state)
{
    (void)state;
    static const char *const urls[] = {"s3://",         "s3:///key",        "s3://a@evil/key",
                                       "s3://a:80/key", "s3://a?x/key",     "s3://a b/key",
                                       "s3://../key",   "gs://bucket/key",  "s3://a%2fb/key",
                                       "s3://a\nb/key", "s3://arn:aws:s3/k"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        sm_s3_place place;
        assert_int_equal(sm_s3_place_of(&place, urls[i]), SM_ERR_USAGE);
    }
}

/* The URL of s3_url at endpoint (NULL: AWS). */
static void expect_url(const char *endpoint, sm_s3_style style, const char *region,
                       const char *s3_url, const char *expected)
{
    char *copy = endpoint == NULL ? NULL : strdup(endpoint);
    sm_s3_endpoint where = {.url = copy, .style = style};
    sm_s3_place place;
    sm_buf url;
    sm_buf_init(&url, 4096);
    assert_int_equal(sm_s3_place_of(&place, s3_url), SM_OK);
    assert_int_equal(sm_s3_append_url(&url, &where, region, &place), SM_OK);
    assert_string_equal((const char *)url.data, expected);
    sm_s3_place_free(&place);
    sm_buf_free(&url);
    free(copy);
}

static void chooses_the_style(void **state)
{
    (void)state;
    expect_url(NULL, SM_S3_STYLE_AUTO, "eu-west-3", "s3://pics/a",
               "https://pics.s3.eu-west-3.amazonaws.com/a");
    expect_url(NULL, SM_S3_STYLE_AUTO, "cn-north-1", "s3://pics/a",
               "https://pics.s3.cn-north-1.amazonaws.com.cn/a");
    expect_url(NULL, SM_S3_STYLE_PATH, "eu-west-3", "s3://pics/a",
               "https://s3.eu-west-3.amazonaws.com/pics/a");
    /* No certificate fits a dot, and old buckets' names are none of a host. */
    expect_url(NULL, SM_S3_STYLE_AUTO, "eu-west-3", "s3://my.pics/a",
               "https://s3.eu-west-3.amazonaws.com/my.pics/a");
    expect_url(NULL, SM_S3_STYLE_VIRTUAL, "us-east-1", "s3://My_Pics/a",
               "https://s3.us-east-1.amazonaws.com/My_Pics/a");
    expect_url("http://127.0.0.1:9000", SM_S3_STYLE_AUTO, "x", "s3://pics/a",
               "http://127.0.0.1:9000/pics/a");
    expect_url("https://store.example/base", SM_S3_STYLE_VIRTUAL, "x", "s3://pics/a",
               "https://pics.store.example/base/a");
}

static void encodes_names_once(void **state)
{
    (void)state;
    expect_url("http://h", SM_S3_STYLE_AUTO, "x", "s3://b/a b+c%20?#&=~/\xc3\xbc'",
               "http://h/b/a%20b%2Bc%2520%3F%23%26%3D~/%C3%BC%27");
    expect_url("http://h", SM_S3_STYLE_AUTO, "x", "s3://b", "http://h/b/");
    expect_url("http://h", SM_S3_STYLE_AUTO, "x", "s3://b//./../x", "http://h/b//./../x");
}

static void sorts_queries(void **state)
{
    (void)state;
    const sm_s3_param params[] = {
        {"prefix", "a b/\xc3\xbc"},
        {"list-type", "2"},
        {"max-keys", "7"},
        {"continuation-token", "1/+=&"},
        {"delimiter", NULL},
        {"encoding-type", "url"},
        {"uploads", ""},
    };
    sm_buf query;
    sm_buf_init(&query, 4096);
    assert_int_equal(sm_s3_append_query(&query, params, sizeof params / sizeof *params), SM_OK);
    assert_string_equal((const char *)query.data,
                        "?continuation-token=1%2F%2B%3D%26&encoding-type=url&list-type=2&max-keys=7"
                        "&prefix=a%20b%2F%C3%BC&uploads=");
    sm_buf_free(&query);
}

/* ---- Signatures: the examples of AWS's documentation ("Examples: Signature Calculations") */

static const char EMPTY_HASH[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static sm_aws_keys *example_keys(void)
{
    sm_aws_keys *keys = NULL;
    assert_int_equal(sm_aws_keys_new(&keys, "AKIAIOSFODNN7EXAMPLE",
                                     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL, INT64_MAX,
                                     "a test"),
                     SM_OK);
    return keys;
}

/* The Authorization line of a request that is signed; it holds nothing of the secret. */
static const char *authorization(const sm_http_request *request)
{
    const char *line = "";
    for (size_t at = 0; at < request->headers.len;) {
        const char *next = (const char *)request->headers.data + at;
        if (strncmp(next, "Authorization: ", 15) == 0) line = next;
        at += strlen(next) + 1;
    }
    assert_int_not_equal(*line, '\0');
    assert_null(strstr(line, "wJalr"));
    return line;
}

/* Signs a GET of url as on 24 May 2013 and compares the signature at the end of the header. */
static void expect_signature(const char *url, const char *header_name, const char *header_value,
                             const char *expected)
{
    sm_aws_keys *keys = example_keys();
    sm_http_request request;
    sm_http_request_init(&request, "GET");
    assert_int_equal(sm_buf_printf(&request.url, "%s", url), SM_OK);
    if (header_name != NULL)
        assert_int_equal(sm_http_add_header(&request, header_name, header_value), SM_OK);
    assert_int_equal(sm_aws_sign(&request, keys, "s3", "us-east-1", EMPTY_HASH, 1369353600), SM_OK);
    assert_string_equal(strstr(authorization(&request), "SignedHeaders="), expected);
    sm_http_request_free(&request);
    sm_aws_keys_drop(keys);
}

/* The whole Authorization line, the caller's. */
static char *sign_with(sm_aws_keys *keys, const char *service, const char *region, int64_t now)
{
    sm_http_request request;
    sm_http_request_init(&request, "GET");
    assert_int_equal(sm_buf_printf(&request.url, "https://b.s3.amazonaws.com/key"), SM_OK);
    assert_int_equal(sm_aws_sign(&request, keys, service, region, EMPTY_HASH, now), SM_OK);
    char *line = strdup(authorization(&request));
    sm_http_request_free(&request);
    return line;
}

/* What keys have kept of one scope is not taken for another. */
static void signs_for_each_day_region_and_service(void **state)
{
    (void)state;
    static const struct {
        const char *service, *region;
        int64_t now;
    } scopes[] = {
        {"s3", "us-east-1", 1369353600},     {"s3", "us-east-1", 1369353601},
        {"s3", "us-west-2", 1369353600},     {"sts", "us-west-2", 1369353600},
        {"s3", "us-east-1", 1369353600},     {"s3", "us-east-1", 1369353600 + 86400},
        {"s3", "us-east-1", 1369353600 - 1},
    };
    sm_aws_keys *kept = example_keys();
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        sm_aws_keys *fresh = example_keys();
        char *want = sign_with(fresh, scopes[i].service, scopes[i].region, scopes[i].now);
        char *found = sign_with(kept, scopes[i].service, scopes[i].region, scopes[i].now);
        assert_string_equal(found, want);
        free(want);
        free(found);
        sm_aws_keys_drop(fresh);
    }
    sm_aws_keys_drop(kept);
}

static void signs_as_documented(void **state)
{
    (void)state;
    expect_signature("https://examplebucket.s3.amazonaws.com/?lifecycle=", NULL, NULL,
                     "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    expect_signature("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", NULL, NULL,
                     "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    /* A scheme's own port is not in the Host header. */
    expect_signature("https://examplebucket.s3.amazonaws.com:443/?lifecycle=", NULL, NULL,
                     "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void hashes_bodies(void **state)
{
    (void)state;
    char text[SM_AWS_SHA256_TEXT];
    assert_int_equal(sm_aws_sha256(text, NULL, 0), SM_OK);
    assert_string_equal(text, EMPTY_HASH);
    assert_int_equal(sm_aws_sha256(text, "Welcome to Amazon S3.", 21), SM_OK);
    assert_string_equal(text, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
}

/* ---- What replies say */

static void takes_md5_only_where_it_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *etag, *encryption, *bucket;
        sm_sum_kind kind;
    } cases[] = {
        {"\"5d41402abc4b2a76b9719d911017c592\"", "", "b", SM_SUM_MD5},
        {"\"5d41402abc4b2a76b9719d911017c592\"", "AES256", "b", SM_SUM_MD5},
        {"\"5d41402abc4b2a76b9719d911017c592\"", "aws:kms", "b", SM_SUM_NONE},
        {"\"5d41402abc4b2a76b9719d911017c592\"", "", "b--use1-az4--x-s3", SM_SUM_NONE},
        {"\"5d41402abc4b2a76b9719d911017c592-2\"", "", "b", SM_SUM_NONE},
        {"\"5d41402abc4b2a76b9719d911017c59g\"", "", "b", SM_SUM_NONE},
        {"5d41402abc4b2a76b9719d911017c592", "", "b", SM_SUM_NONE},
        {"", "", "b", SM_SUM_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_http_reply reply;
        sm_sum sum;
        sm_http_reply_init(&reply);
        snprintf(reply.etag, sizeof reply.etag, "%s", cases[i].etag);
        snprintf(reply.encryption, sizeof reply.encryption, "%s", cases[i].encryption);
        sm_s3_md5_of(&sum, &reply, cases[i].bucket);
        assert_int_equal(sum.kind, cases[i].kind);
        if (sum.kind == SM_SUM_MD5) assert_int_equal(sum.bytes[15], 0x92);
        sm_http_reply_free(&reply);
    }
}

static void takes_the_checksum_before_the_etag(void **state)
{
    (void)state;
    sm_http_reply reply;
    sm_file_info info;
    sm_http_reply_init(&reply);
    snprintf(reply.etag, sizeof reply.etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    sm_s3_info_of(&info, &reply, "b");
    assert_int_equal(info.sum.kind, SM_SUM_MD5);
    snprintf(reply.checksums, sizeof reply.checksums, "crc64nvme=rosUhgp5mIg=");
    sm_s3_info_of(&info, &reply, "b");
    assert_int_equal(info.sum.kind, SM_SUM_CRC64NVME);
    snprintf(reply.encryption, sizeof reply.encryption, "aws:kms");
    sm_s3_info_of(&info, &reply, "b");
    assert_int_equal(info.sum.kind, SM_SUM_CRC64NVME);
    snprintf(reply.checksums, sizeof reply.checksums,
             "crc64nvme=rosUhgp5mIg=-3"); /* of its parts */
    sm_s3_info_of(&info, &reply, "b");
    assert_int_equal(info.sum.kind, SM_SUM_NONE);
    sm_http_reply_free(&reply);
}

/* ---- Pages */

/* Both ways of reading must say the same. */
static sm_status parse_any(sm_s3_page *page, const char *text, size_t len)
{
    sm_s3_page other;
    sm_s3_page_init(&other);
    sm_status status = sm_s3_page_parse(page, text, len);
    assert_int_equal(sm_s3_page_parse_any(&other, text, len), status);
    if (status == SM_OK) {
        assert_int_equal(page->count, other.count);
        assert_int_equal(page->text.len, other.text.len);
        assert_memory_equal(page->text.data, other.text.data, other.text.len);
    }
    sm_s3_page_free(&other);
    return status;
}

static sm_status parse(sm_s3_page *page, const char *text)
{
    return parse_any(page, text, strlen(text));
}

static const char PAGE[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
    "<Prefix>p/</Prefix><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>1&amp;2+%20</NextContinuationToken><EncodingType>url</EncodingType>"
    "<Contents><Key>p/a+b%2Bc%C3%BC%25</Key><LastModified>2009-10-12T17:50:30.250Z</LastModified>"
    "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>"
    "<Owner><ID>Key</ID><Size>9</Size></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    "<Contents><Size>0</Size><Key>p/empty</Key></Contents></ListBucketResult>";

static void reads_a_page(void **state)
{
    (void)state;
    sm_s3_page page;
    sm_s3_page_init(&page);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(parse(&page, PAGE), SM_OK);
        assert_int_equal(page.count, 2);
        assert_true(page.truncated);
        assert_string_equal(sm_s3_page_text(&page, page.next), "1&2+%20");
        assert_string_equal(sm_s3_page_text(&page, page.objects[0].key), "p/a b+c\xc3\xbc%");
        assert_string_equal(sm_s3_page_text(&page, page.objects[0].etag),
                            "\"fba9dede5f27731c9771645a39863328\"");
        assert_int_equal(page.objects[0].size, 434234);
        assert_int_equal(page.objects[0].mtime_ns, 1255369830250000000);
        assert_string_equal(sm_s3_page_text(&page, page.objects[1].key), "p/empty");
        assert_string_equal(sm_s3_page_text(&page, page.objects[1].etag), "");
    }
    /* Not encoded, and the last one. */
    assert_int_equal(parse(&page, "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
                                  "<Key>a+b%20</Key><Size>1</Size></Contents></ListBucketResult>"),
                     SM_OK);
    assert_string_equal(sm_s3_page_text(&page, page.objects[0].key), "a+b%20");
    assert_false(page.truncated);
    sm_s3_page_free(&page);
}

static void on_end(sm_xml_reader *reader, const char *name)
{
    sm_buf *told = reader->user;
    const char *text = (const char *)reader->text.data;
    assert_int_equal(sm_buf_printf(told, "%u %s=%s;", reader->depth, name, text), SM_OK);
}

/* What stores write is read the quick way; and expat takes all of it, and in the same sense. */
static void knows_what_stores_write(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool known;
    } cases[] = {
        {PAGE, true},
        {"<a>x&quot;&#34;&amp;&lt;&gt;&apos;&#39;</a>", true},
        {"<a>\n  <b/><c></c>t\n</a>\n", true},
        {"<a>x<b>y</b>z</a>", true},
        {"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>", true},
        {" <a/>", false}, /* and so on: XML all the same */
        {"<a >x</a>", false},
        {"<a b=\"c\">x</a>", false},
        {"<a><![CDATA[x]]></a>", false},
        {"<a>x<!-- y --></a>", false},
        {"<a>x>y</a>", false},
        {"<a>\xc3\xbc</a>", false},
        {"<a>&#65;</a>", false},
        {"<a>\r\n</a>", false},
        {"<n:a/>", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_buf told[2];
        sm_xml_reader reader = {.on_end = on_end};
        for (int k = 0; k < 2; k++) sm_buf_init(&told[k], SIZE_MAX / 2);
        reader.user = &told[0];
        const sm_status status = sm_xml_scan(&reader, cases[i].text, strlen(cases[i].text));
        assert_int_equal(status, cases[i].known ? SM_OK : SM_ERR_FORMAT);
        reader.user = &told[1];
        assert_int_equal(sm_xml_read(&reader, cases[i].text, strlen(cases[i].text)), SM_OK);
        if (cases[i].known) assert_string_equal((char *)told[0].data, (char *)told[1].data);
        for (int k = 0; k < 2; k++) sm_buf_free(&told[k]);
    }
}

static void finds_the_token_before_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token;
    } cases[] = {
        {"<L><NextContinuationToken>a+/=</NextContinuationToken>", "a+/="},
        {"<L><NextContinuationToken>a&amp;b</NextContinuationToken>", NULL},
        {"<L><NextContinuationToken></NextContinuationToken>", NULL},
        {"<L><NextContinuationToken>cut", NULL},
        {"<L><NextContinuationToken>", NULL},
        {"<L><NextContinuation", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *token;
        assert_int_equal(sm_s3_find_token(&token, cases[i].text, strlen(cases[i].text)), SM_OK);
        if (cases[i].token == NULL)
            assert_null(token);
        else
            assert_string_equal(token, cases[i].token);
        free(token);
    }
}

static void refuses_every_page_that_was_cut(void **state)
{
    (void)state;
    sm_s3_page page;
    sm_s3_page_init(&page);
    for (size_t len = 0; len < sizeof PAGE - 1; len++)
        assert_int_equal(parse_any(&page, PAGE, len), SM_ERR_FORMAT);
    sm_s3_page_free(&page);
}

static void refuses_hostile_pages(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><ListBucketResult>"
        "<Contents><Key>&b;</Key><Size>1</Size></Contents></ListBucketResult>",
        "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><ListBucketResult/>",
        "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><ListBucketResult>"
        "<NextContinuationToken>&x;</NextContinuationToken></ListBucketResult>",
        "<ListBucketResult><Contents><Key>&x;</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%00b</Key>"
        "<Size>1</Size></Contents></ListBucketResult>",
        "<Error><Code>InternalError</Code></Error>",
        "<html><body>login</body></html>",
        "",
        "not xml",
        "<ListBucketResult>",
        "<ListBucketResult></ListBucketResults>",
        "<ListBucketResult/><ListBucketResult/>",
        "<ListBucketResult/>x",
        "x<ListBucketResult/>",
        "<ListBucketResult><a></b></ListBucketResult>",
        "<ListBucketResult><a></ListBucketResult></a>",
        "<ListBucketResult>]]></ListBucketResult>",
        "<ListBucketResult>\x01</ListBucketResult>",
        "<ListBucketResult xmlns=\"a\" xmlns=\"b\"/>",
        "</ListBucketResult>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>"
        "</a></a></a></a></a></a></a></a>",
    };
    sm_s3_page page;
    sm_s3_page_init(&page);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        assert_int_equal(parse(&page, pages[i]), SM_ERR_FORMAT);
    sm_s3_page_free(&page);
}

static void caps_a_text(void **state)
{
    (void)state;
    size_t len = SM_XML_TEXT_MAX + 64;
    char *text = malloc(len + 32);
    assert_non_null(text);
    int at = snprintf(text, len, "<Error><Code>");
    memset(text + at, 'x', len - (size_t)at);
    snprintf(text + len, 32, "</Code></Error>");
    sm_xml_field field = {.name = "Code"};
    assert_int_equal(sm_xml_find(&field, 1, NULL, text, strlen(text)), SM_ERR_LIMIT);
    assert_null(field.value);
    free(text);
}

static void finds_fields(void **state)
{
    (void)state;
    static const char text[] = " \n<?x?><Error><Code>SlowDown</Code><Message>a &lt;b&gt;</Message>"
                               "<Code>second</Code></Error>";
    /* Blanks may come before; a declaration may not come behind them, so some servers leave it. */
    sm_xml_field fields[] = {{.name = "Code"}, {.name = "Message"}, {.name = "Region"}};
    sm_xml_field root = {.name = "root"};
    assert_int_equal(sm_xml_find(fields, 3, &root, text, strlen(text)), SM_OK);
    assert_string_equal(root.value, "Error");
    assert_string_equal(fields[0].value, "SlowDown");
    assert_string_equal(fields[1].value, "a <b>");
    assert_null(fields[2].value);
    sm_xml_free(fields, 3);
    sm_xml_free(&root, 1);
}

static void sees_an_error_in_an_answer_of_200(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        sm_status checked, judged;
    } cases[] = {
        {"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>", SM_OK,
         SM_OK},
        {"  <Error><Code>InternalError</Code><Message>m</Message></Error>", SM_ERR_IO, SM_ERR_IO},
        {"<Error><Code>PreconditionFailed</Code></Error>", SM_OK, SM_ERR_CONFLICT},
        {"<Error><Code>ExpiredToken</Code></Error>", SM_OK, SM_ERR_ACCESS},
        {"<CompleteMultipartUploadResult><ETag>x", SM_ERR_FORMAT, SM_ERR_FORMAT},
        {"", SM_ERR_FORMAT, SM_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_s3_call call = {.url = "s3://b/k", .what = "write"};
        sm_http_reply reply;
        sm_http_reply_init(&reply);
        reply.status = 200;
        assert_int_equal(sm_buf_append_str(&reply.body, cases[i].body), SM_OK);
        assert_int_equal(sm_s3_check_late_error(NULL, &reply), cases[i].checked);
        assert_int_equal(sm_s3_call_judge_late(&call, &reply), cases[i].judged);
        sm_http_reply_free(&reply);
    }
}

static void parts_hold_the_largest_object(void **state)
{
    (void)state;
    static const size_t firsts[] = {5 << 20, 8 << 20, 1 << 30};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        uint64_t sum = 0;
        for (unsigned number = 1; number <= 10000; number++) {
            const size_t size = sm_s3_part_size(firsts[i], number);
            assert_true(size <= (size_t)5 << 30);
            if (number <= 2000) assert_int_equal(size, firsts[i]);
            sum += size;
        }
        assert_true(sum >= (uint64_t)5 << 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_places),
        cmocka_unit_test(refuses_what_is_no_bucket),
        cmocka_unit_test(chooses_the_style),
        cmocka_unit_test(encodes_names_once),
        cmocka_unit_test(sorts_queries),
        cmocka_unit_test(signs_as_documented),
        cmocka_unit_test(signs_for_each_day_region_and_service),
        cmocka_unit_test(hashes_bodies),
        cmocka_unit_test(takes_md5_only_where_it_is_one),
        cmocka_unit_test(takes_the_checksum_before_the_etag),
        cmocka_unit_test(reads_a_page),
        cmocka_unit_test(knows_what_stores_write),
        cmocka_unit_test(finds_the_token_before_the_rest),
        cmocka_unit_test(refuses_every_page_that_was_cut),
        cmocka_unit_test(refuses_hostile_pages),
        cmocka_unit_test(caps_a_text),
        cmocka_unit_test(finds_fields),
        cmocka_unit_test(sees_an_error_in_an_answer_of_200),
        cmocka_unit_test(parts_hold_the_largest_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
