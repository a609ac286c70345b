#include "files.h"
#include "io/google_key.h"
#include "io/gs.h"
#include "io/store.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static const char SCOPE[] = "https://www.googleapis.com/auth/devstorage.read_write";

/* ---- Files of credentials */

static sm_status parse(sm_google_key *key, const char *text)
{
    return sm_google_key_parse(key, text, strlen(text), "key.json");
}

static void reads_who_acts_as_another(void **state)
{
    (void)state;
    sm_google_key key = {0};
    assert_int_equal(
        parse(&key, "{\"type\":\"impersonated_service_account\",\"delegates\":[\"d\"],"
                    "\"service_account_impersonation_url\":\"https://u\",\"source_credentials\":{"
                    "\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\","
                    "\"refresh_token\":\"r\"}}"),
        SM_OK);
    assert_int_equal(key.kind, SM_GOOGLE_USER);
    assert_string_equal(key.impersonation_url, "https://u");
    assert_int_equal(json_array_size(key.delegates), 1);
    sm_google_key_free(&key);
    static const char *const bad[] = {
        "{\"type\":\"impersonated_service_account\"}",
        "{\"type\":\"impersonated_service_account\",\"source_credentials\":{}}",
        "{\"type\":\"impersonated_service_account\",\"source_credentials\":{\"type\":"
        "\"impersonated_service_account\"},\"service_account_impersonation_url\":\"u\"}",
        "{\"type\":\"impersonated_service_account\",\"source_credentials\":{\"type\":"
        "\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\",\"refresh_token\":"
        "\"r\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(&key, bad[i]), SM_ERR_FORMAT);
}

static void reads_the_three_kinds(void **state)
{
    (void)state;
    sm_google_key key;
    assert_int_equal(parse(&key, "{\"type\":\"service_account\",\"client_email\":\"a@b\","
                                 "\"private_key\":\"pem\",\"extra\":1}"),
                     SM_OK);
    assert_int_equal(key.kind, SM_GOOGLE_SERVICE_ACCOUNT);
    assert_string_equal(key.email, "a@b");
    assert_string_equal(key.token_uri, "https://oauth2.googleapis.com/token");
    sm_google_key_free(&key);
    assert_int_equal(parse(&key, "{\"type\":\"authorized_user\",\"client_id\":\"i\","
                                 "\"client_secret\":\"s\",\"refresh_token\":\"r\"}"),
                     SM_OK);
    assert_int_equal(key.kind, SM_GOOGLE_USER);
    sm_google_key_free(&key);
    assert_int_equal(
        parse(&key, "{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":"
                    "\"t\",\"token_url\":\"https://sts\",\"credential_source\":{\"url\":\"https://"
                    "u\",\"headers\":{\"X\":\"y\"},\"format\":{\"type\":\"json\","
                    "\"subject_token_field_name\":\"tok\"}}}"),
        SM_OK);
    assert_int_equal(key.kind, SM_GOOGLE_EXTERNAL);
    assert_string_equal(key.source_url, "https://u");
    assert_string_equal(key.source_field, "tok");
    sm_google_key_free(&key);
    sm_google_key_free(&key); /* twice is fine */
}

static void refuses_hostile_files(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{",
        "\"service_account\"",
        "{\"type\":7}",
        "{\"type\":\"gdch_service_account\"}",
        "{\"type\":\"service_account\"}",
        "{\"type\":\"service_account\",\"client_email\":[\"a\"],\"private_key\":\"SECRET\"}",
        "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":{\"a\":\"SECRET\"}}",
        "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"\"}",
        "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"p\","
        "\"token_uri\":7}",
        "{\"type\":\"service_account\",\"type\":\"authorized_user\"}",
        "{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"SECRET\"}",
        "{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\","
        "\"token_url\":\"u\"}",
        "{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\","
        "\"token_url\":\"u\",\"credential_source\":{\"executable\":{\"command\":\"SECRET\"}}}",
        "{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\","
        "\"token_url\":\"u\",\"credential_source\":{\"file\":\"f\",\"format\":{\"type\":\"json\"}}"
        "}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sm_google_key key = {0};
        assert_int_equal(parse(&key, bad[i]), SM_ERR_FORMAT);
        assert_non_null(strstr(sm_last_error(), "key.json"));
        assert_null(strstr(sm_last_error(), "SECRET"));
        assert_null(key.private_key);
    }
    char deep[20000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    sm_google_key key;
    assert_int_equal(parse(&key, deep), SM_ERR_FORMAT);
}

/* ---- Signing */

static char *pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *pem = strndup(data, (size_t)len);
    BIO_free(bio);
    return pem;
}

/* base64url of a part of the JWT. */
static size_t decode(uint8_t *out, size_t cap, const char *text, size_t len)
{
    char padded[2048];
    assert_true(len + 4 < sizeof padded && len < cap);
    for (size_t i = 0; i < len; i++)
        padded[i] = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    size_t full = len, padding = 0;
    while (full % 4 != 0) padded[full++] = '=', padding++;
    int got = EVP_DecodeBlock(out, (const unsigned char *)padded, (int)full);
    assert_true(got >= 0);
    out[(size_t)got - padding] = '\0';
    return (size_t)got - padding;
}

static json_t *part_of(const char *jwt, size_t len)
{
    uint8_t text[2048];
    size_t got = decode(text, sizeof text, jwt, len);
    json_t *json = json_loadb((const char *)text, got, 0, NULL);
    assert_non_null(json);
    return json;
}

static void expect_field(const json_t *object, const char *field, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(object, field)), value);
}

static void signs_what_openssl_verifies(void **state)
{
    (void)state;
    EVP_PKEY *pair = EVP_RSA_gen(2048);
    assert_non_null(pair);
    char email[] = "sa@p.iam.gserviceaccount.com", id[] = "k1", uri[] = "https://token";
    sm_google_key key = {.kind = SM_GOOGLE_SERVICE_ACCOUNT,
                         .email = email,
                         .private_key = pem_of(pair),
                         .private_key_id = id,
                         .token_uri = uri};
    sm_buf jwt;
    sm_buf_init(&jwt, 1 << 16);
    assert_int_equal(sm_google_jwt(&jwt, &key, SCOPE, 1700000000), SM_OK);
    const char *text = (const char *)jwt.data;
    assert_null(strpbrk(text, "+/="));
    const char *second = strchr(text, '.') + 1, *third = strchr(second, '.') + 1;

    json_t *header = part_of(text, (size_t)(second - text) - 1);
    expect_field(header, "alg", "RS256");
    expect_field(header, "kid", "k1");
    json_t *claims = part_of(second, (size_t)(third - second) - 1);
    expect_field(claims, "iss", email);
    expect_field(claims, "aud", uri);
    expect_field(claims, "scope", SCOPE);
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), 1700000000);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), 1700003600);
    json_decref(header);
    json_decref(claims);

    uint8_t signature[512];
    size_t len = decode(signature, sizeof signature, third, strlen(third));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pair), 1);
    assert_int_equal(EVP_DigestVerify(ctx, signature, len, jwt.data, (size_t)(third - text) - 1),
                     1);
    EVP_MD_CTX_free(ctx);

    sm_buf_clear(&jwt);
    key.private_key[100] ^= 1;
    if (sm_google_jwt(&jwt, &key, SCOPE, 1) != SM_OK)
        assert_null(strstr(sm_last_error(), key.private_key));
    char no_key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    free(key.private_key);
    key.private_key = no_key;
    assert_int_equal(sm_google_jwt(&jwt, &key, SCOPE, 1), SM_ERR_FORMAT);
    sm_buf_free(&jwt);
    EVP_PKEY_free(pair);
}

/* ---- Places and requests */

static void reads_places(void **state)
{
    (void)state;
    sm_gs_place place;
    assert_int_equal(sm_gs_place_of(&place, "gs://bucket/a/b #?%41/"), SM_OK);
    assert_string_equal(place.bucket, "bucket");
    assert_string_equal(place.key, "a/b #?%41/");
    sm_gs_place_free(&place);
    assert_int_equal(sm_gs_place_of(&place, "gs://bucket"), SM_OK);
    assert_string_equal(place.key, "");
    sm_gs_place_free(&place);
    char longest[2000] = "gs://bucket/";
    memset(longest + 12, 'x', 1025);
    const char *bad[] = {
        "gs://",          "gs:///x",          "gs://ab/x",     "gs://b?cket/x", "gs://bucket/\xff",
        "gs://bucket/..", "gs://bucket/a\nb", "s3://bucket/x", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(sm_gs_place_of(&place, bad[i]), SM_ERR_USAGE);
}

static void expect_url(const char *endpoint, const char *object, sm_gs_target target,
                       const char *expected)
{
    sm_gs_call call;
    setenv("STORAGE_EMULATOR_HOST", endpoint, 1);
    assert_int_equal(sm_gs_call_init(&call, "GET", object, target, "read", "p"), SM_OK);
    assert_int_equal(sm_gs_call_param(&call, "alt", "a b"), SM_OK);
    assert_int_equal(sm_gs_call_bill(&call), SM_OK);
    assert_int_equal(sm_gs_call_bill(&call), SM_OK); /* once is enough */
    assert_string_equal((const char *)call.request.url.data, expected);
    assert_null(call.request.authorize);
    sm_gs_call_free(&call);
    unsetenv("STORAGE_EMULATOR_HOST");
}

static void builds_urls(void **state)
{
    (void)state;
    unsetenv("SHARDMILL_BILLING_PROJECT");
    expect_url("127.0.0.1:4443", "gs://bkt/a/b c#?%", SM_GS_OBJECT,
               "http://127.0.0.1:4443/storage/v1/b/bkt/o/a%2Fb%20c%23%3F%25?alt=a%20b");
    expect_url("https://h/", "gs://bkt/x", SM_GS_LISTING, "https://h/storage/v1/b/bkt/o?alt=a%20b");
    setenv("SHARDMILL_BILLING_PROJECT", "my-project", 1);
    expect_url("h:1", "gs://bkt/x", SM_GS_UPLOAD,
               "http://h:1/upload/storage/v1/b/bkt/o?alt=a%20b&userProject=my-project");
    unsetenv("SHARDMILL_BILLING_PROJECT");
    sm_gs_call call;
    assert_int_equal(sm_gs_call_init(&call, "GET", "gs://bkt", SM_GS_OBJECT, "read", "p"),
                     SM_ERR_USAGE);
    assert_non_null(call.request.authorize);
    sm_gs_call_free(&call);
}

static void reads_resources(void **state)
{
    (void)state;
    sm_file_info info;
    json_t *json = json_loads("{\"size\":\"12\",\"generation\":\"1700000000000001\",\"updated\":"
                              "\"1970-01-01T00:00:01Z\",\"crc32c\":\"4waSgw==\"}",
                              0, NULL);
    assert_int_equal(sm_gs_info_of_json(&info, json), SM_OK);
    assert_int_equal(info.size, 12);
    assert_int_equal(info.version, 1700000000000001);
    assert_string_equal(info.tag, "1700000000000001");
    assert_int_equal(info.mtime_ns, 1000000000);
    assert_int_equal(info.sum.kind, SM_SUM_CRC32C);
    json_decref(json);
    static const char *const bad[] = {"{}", "{\"size\":\"x\"}", "{\"size\":-1}",
                                      "{\"size\":\"1x\"}", "{\"size\":{}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json = json_loads(bad[i], 0, NULL);
        assert_int_equal(sm_gs_info_of_json(&info, json), SM_ERR_FORMAT);
        json_decref(json);
    }
    /* What makes no sense beside the size is left out. */
    json =
        json_loads("{\"size\":1,\"generation\":7,\"updated\":\"?\",\"crc32c\":\"???\"}", 0, NULL);
    assert_int_equal(sm_gs_info_of_json(&info, json), SM_OK);
    assert_string_equal(info.tag, "");
    assert_int_equal(info.sum.kind, SM_SUM_NONE);
    json_decref(json);
}

static void expect_token(const char *page, const char *expected)
{
    char *token;
    assert_int_equal(sm_gs_find_token(&token, page, strlen(page)), SM_OK);
    if (expected == NULL)
        assert_null(token);
    else
        assert_string_equal(token, expected);
    free(token);
}

static void finds_where_the_next_page_begins(void **state)
{
    (void)state;
    expect_token("{\"nextPageToken\":\"abc\",\"items\":[]}", "abc");
    expect_token("{\"items\":[{\"name\":\"x\"}], \"nextPageToken\" :\n \"a\\u003d\\\"\"}", "a=\"");
    expect_token("{\"items\":[{\"nextPageToken\":\"no\"},{\"name\":\"nextPageToken\"}]}", NULL);
    expect_token("{\"a\":\"nextPageToken\",\"b\":\"\\\"nextPageToken\\\":\\\"no\\\"\"}", NULL);
    expect_token("{\"nextPageToken\":\"\"}", NULL);
    expect_token("", NULL);
    expect_token("{\"nextPageToken\"", NULL);
    expect_token("{\"nextPageTok", NULL);
    expect_token("\"\\", NULL);
    static const char *const bad[] = {"{\"nextPageToken\":", "{\"nextPageToken\":7}",
                                      "{\"nextPageToken\":\"abc", "{\"nextPageToken\":\"\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *token;
        assert_int_equal(sm_gs_find_token(&token, bad[i], strlen(bad[i])), SM_ERR_FORMAT);
        assert_null(token);
    }
}

/* Both ways of reading must say the same. */
static sm_status read_page(sm_list_page *page, const char *text, size_t len)
{
    sm_list_page other;
    sm_buf copy;
    sm_buf_init(&copy, SIZE_MAX / 2);
    assert_int_equal(sm_buf_append(&copy, text, len), SM_OK);
    sm_list_page_init(&other);
    sm_list_page_clear(page);
    const sm_status status = sm_gs_page_read(page, &copy);
    assert_int_equal(sm_gs_page_read_any(&other, &copy), status);
    if (status == SM_OK) {
        assert_int_equal(page->count, other.count);
        assert_int_equal(page->next.len, other.next.len);
        assert_int_equal(page->text.len, other.text.len);
        for (size_t i = 0; i < page->count; i++) {
            const sm_file_info *a = &page->entries[i].info, *b = &other.entries[i].info;
            assert_string_equal((char *)page->text.data + page->entries[i].key,
                                (char *)other.text.data + other.entries[i].key);
            assert_true(a->size == b->size && a->mtime_ns == b->mtime_ns &&
                        a->version == b->version && a->sum.kind == b->sum.kind);
            assert_string_equal(a->tag, b->tag);
            assert_memory_equal(a->sum.bytes, b->sum.bytes, sizeof a->sum.bytes);
        }
    }
    sm_list_page_free(&other);
    sm_buf_free(&copy);
    return status;
}

static const char PAGE[] =
    "{\n \"nextPageToken\": \"CgZh/+=\", \"items\": [ {\"name\":\"a b/c\", \"size\":\"12\","
    "\"updated\":\"2026-01-02T03:04:05.678Z\",\"generation\":\"1767323045678901\","
    "\"crc32c\":\"n03x6A==\"}, {\"size\":\"0\",\"name\":\"\",\"etag\":\"x\", \"acl\":"
    "[{\"entity\":\"projectOwner-x\",\"projectTeam\":{},\"roles\":[\"OWNER\"]}]} ]\r\n}\n";

static void expect_pages(const char *const *pages, sm_status status)
{
    sm_list_page page;
    sm_list_page_init(&page);
    for (; *pages != NULL; pages++)
        assert_int_equal(read_page(&page, *pages, strlen(*pages)), status);
    sm_list_page_free(&page);
}

static void reads_pages(void **state)
{
    (void)state;
    sm_list_page page;
    sm_list_page_init(&page);
    assert_int_equal(read_page(&page, PAGE, strlen(PAGE)), SM_OK);
    assert_int_equal(page.count, 2);
    assert_string_equal((char *)page.next.data, "CgZh/+=");
    assert_string_equal((char *)page.text.data + page.entries[0].key, "a b/c");
    assert_int_equal(page.entries[0].info.size, 12);
    assert_int_equal(page.entries[0].info.mtime_ns, 1767323045678000000);
    assert_string_equal(page.entries[0].info.tag, "1767323045678901");
    assert_int_equal(page.entries[0].info.sum.kind, SM_SUM_CRC32C);
    for (size_t len = 0; len < strlen(PAGE) - 2; len++) /* without its last brace */
        assert_int_equal(read_page(&page, PAGE, len), SM_ERR_FORMAT);
    sm_list_page_free(&page);
    static const char *const good[] = {
        "{}",
        "{\"items\":[]}",
        "{\"items\":[{\"name\":\"\\u0061\",\"size\":\"1\"}]}",
        "{\"items\":[{\"name\":\"\xc3\xbc\",\"size\":1}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"name\":\"b\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"acl\":[{}]}]}",
        "{\"kind\":\"x\",\"items\":[{\"name\":\"a\",\"size\":\"1\",\"acl\":[]}],\"x\":{}}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":{\"y\":[[\"z\"],{\"name\":\"b\"}]}}]}",
        "{\"items\":[{\"x\":[[[[[[[[[[[[]]]]]]]]]]]],\"name\":\"a\",\"size\":\"1\"}]}",
        "{\"items\":[{\"x\":true,\"y\":-1e3,\"z\":null,\"name\":\"a\",\"size\":\"1\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\"}],\"items\":[]}",
        "{\"nextPageToken\":\"a\",\"nextPageToken\":\"b\"}",
        "{\"nextPageToken\":\"\",\"prefixes\":[\"a/\"]}",
        NULL,
    };
    expect_pages(good, SM_OK);
    static const char *const bad[] = {
        "{\"items\":[{\"name\":\"a\"}]}",
        "{\"items\":[{\"size\":\"1\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"-1\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"99999999999999999999\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":[{},]}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":[{\"y\"}]}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":{\"y\":[}]}}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":[\"y\":\"z\"]}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",\"x\":}]}",
        "{\"items\":[{\"name\":\"a\nb\",\"size\":\"1\"}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\",}]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\"},]}",
        "{\"items\":[{\"name\":\"a\",\"size\":\"1\"}]}x",
        "{\"items\":[{\"name\":\"\xff\",\"size\":\"1\"}]}",
        "[]",
        NULL,
    };
    expect_pages(bad, SM_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_three_kinds), cmocka_unit_test(reads_who_acts_as_another),
        cmocka_unit_test(refuses_hostile_files), cmocka_unit_test(signs_what_openssl_verifies),
        cmocka_unit_test(reads_places),          cmocka_unit_test(builds_urls),
        cmocka_unit_test(reads_resources),       cmocka_unit_test(finds_where_the_next_page_begins),
        cmocka_unit_test(reads_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
