/* AWS credentials that a service hands out: STS, a container's agent, the machine's metadata. */
#include "core/json.h"
#include "io/aws.h"
#include "io/http.h"
#include "io/http_url.h"
#include "io/io.h"
#include "io/s3_xml.h"
#include "io/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 64 << 10, SOURCE_MAX = 128 };

static const int64_t NS_PER_SECOND = 1000000000;

static void wipe_buf(sm_buf *buf)
{
    if (buf->data != NULL) explicit_bzero(buf->data, buf->cap);
    sm_buf_free(buf);
}

/* A file that holds a token, without the white space around it. */
static sm_status read_token(sm_buf *token, const char *path)
{
    sm_status status = sm_io_read_file(token, path, NULL);
    while (status == SM_OK && token->len > 0 && strchr(" \t\r\n", token->data[token->len - 1]))
        token->len--;
    if (status == SM_OK && token->len > 0 && memchr(token->data, '\0', token->len) != NULL)
        status = sm_fail(SM_ERR_FORMAT, "'%s' is not a text file", path);
    if (status == SM_OK) status = sm_buf_append(token, "", 1);
    return status;
}

/* Performs request with a client of its own: this thread's may be waiting for these credentials. */
static sm_status perform(sm_http_request *request, sm_http_reply *reply)
{
    sm_http *http;
    sm_status status = sm_http_new(&http);
    if (status != SM_OK) return status;
    status = sm_http_perform(http, request, reply);
    sm_http_free(http);
    return status;
}

static sm_status set_url(sm_http_request *request, const char *url)
{
    sm_buf_clear(&request->url);
    return sm_buf_printf(&request->url, "%s", url);
}

static void end(sm_http_request *request, sm_http_reply *reply)
{
    wipe_buf(&reply->body);
    if (request->headers.data != NULL) explicit_bzero(request->headers.data, request->headers.cap);
    sm_http_reply_free(reply);
    sm_http_request_free(request);
}

/* ---- STS */

typedef struct sts_call {
    sm_aws_keys *keys; /* NULL: the token in the form is enough */
    const char *region;
    char sha256[SM_AWS_SHA256_TEXT];
} sts_call;

static sm_status sign(sm_http_request *request, void *user)
{
    const sts_call *call = user;
    return sm_aws_sign(request, call->keys, "sts", call->region, call->sha256, (int64_t)time(NULL));
}

static sm_status add_field(sm_buf *form, const char *name, const char *value)
{
    if (value == NULL || *value == '\0') return SM_OK;
    sm_status status = sm_buf_printf(form, "&%s=", name);
    return status == SM_OK ? sm_http_append_encoded(form, value, false) : status;
}

static sm_status fill_form(sm_buf *form, const sm_aws_role *role)
{
    sm_buf token;
    sm_buf_init(&token, TEXT_MAX);
    sm_status status = SM_OK;
    bool by_token = role->token_file != NULL;
    if (by_token) status = read_token(&token, role->token_file);
    if (status == SM_OK)
        status = sm_buf_printf(form, "Version=2011-06-15&Action=AssumeRole%s",
                               by_token ? "WithWebIdentity" : "");
    if (status == SM_OK) status = add_field(form, "RoleArn", role->arn);
    const char *session = role->session == NULL ? "shardmill" : role->session;
    if (status == SM_OK) status = add_field(form, "RoleSessionName", session);
    if (status == SM_OK) status = add_field(form, "ExternalId", role->external_id);
    if (status == SM_OK) status = add_field(form, "DurationSeconds", role->seconds);
    if (status == SM_OK && by_token)
        status = add_field(form, "WebIdentityToken", (const char *)token.data);
    wipe_buf(&token);
    return status;
}

static sm_status read_sts(sm_aws_keys **keys, const sm_http_reply *reply, const char *arn)
{
    enum { KEY, SECRET, TOKEN, ENDS, FIELDS };
    sm_xml_field fields[FIELDS] = {{.name = "AccessKeyId"},
                                   {.name = "SecretAccessKey"},
                                   {.name = "SessionToken"},
                                   {.name = "Expiration"}};
    sm_status status = sm_xml_find(fields, FIELDS, NULL, reply->body.data, reply->body.len);
    int64_t ends = 0;
    if (status == SM_OK &&
        (fields[KEY].value == NULL || fields[SECRET].value == NULL || fields[ENDS].value == NULL ||
         !sm_time_of_rfc3339(&ends, fields[ENDS].value)))
        status = sm_fail(SM_ERR_FORMAT, "it has no credentials");
    if (status != SM_OK) {
        sm_fail_prefix(status, "STS's answer makes no sense");
    } else {
        char source[SOURCE_MAX];
        snprintf(source, sizeof source, "the role %s", arn);
        status = sm_aws_keys_new(keys, fields[KEY].value, fields[SECRET].value, fields[TOKEN].value,
                                 ends / NS_PER_SECOND, source);
    }
    sm_xml_free(fields, FIELDS);
    return status;
}

static sm_status sts_url(sm_http_request *request, const sm_aws_settings *settings,
                         const char *region)
{
    const char *endpoint = sm_aws_endpoint(settings, "STS");
    if (endpoint != NULL) return set_url(request, endpoint);
    if (region == NULL) return set_url(request, "https://sts.amazonaws.com/");
    return sm_buf_printf(&request->url, "https://sts.%s.%s/", region, sm_aws_domain(region));
}

sm_status sm_aws_keys_of_role(sm_aws_keys **keys, const sm_aws_settings *settings,
                              const sm_aws_role *role)
{
    const char *region = sm_aws_region(settings);
    sts_call call = {.keys = role->source, .region = region == NULL ? "us-east-1" : region};
    sm_buf form;
    sm_http_request request;
    sm_http_reply reply;
    sm_buf_init(&form, 4 * TEXT_MAX);
    sm_http_request_init(&request, "POST");
    sm_http_reply_init(&reply);
    sm_status status = fill_form(&form, role);
    if (status == SM_OK) status = sm_aws_sha256(call.sha256, form.data, form.len);
    if (status == SM_OK) status = sts_url(&request, settings, region);
    if (status == SM_OK)
        status = sm_http_add_header(&request, "Content-Type", "application/x-www-form-urlencoded");
    if (role->token_file == NULL && role->source->key != NULL) {
        request.authorize = sign;
        request.authorize_user = &call;
    }
    request.data = form.data;
    request.len = form.len;
    request.idempotent = true;
    if (status == SM_OK) status = perform(&request, &reply);
    if (status == SM_OK)
        status = sm_http_judge(&reply, "take a role at", (const char *)request.url.data,
                               role->source == NULL ? NULL : role->source->who, "sts:AssumeRole");
    if (status == SM_OK) status = read_sts(keys, &reply, role->arn);
    wipe_buf(&form);
    end(&request, &reply);
    return status == SM_OK ? SM_OK : sm_fail_prefix(status, "the role %s", role->arn);
}

/* ---- What containers and machines answer: the same fields in JSON */

static sm_status read_json(sm_aws_keys **keys, const void *text, size_t len, const char *source)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, 0, &error);
    const char *code = json_string_value(json_object_get(root, "Code"));
    const char *key = json_string_value(json_object_get(root, "AccessKeyId"));
    const char *secret = json_string_value(json_object_get(root, "SecretAccessKey"));
    const char *token = json_string_value(json_object_get(root, "Token"));
    const char *ends = json_string_value(json_object_get(root, "Expiration"));
    int64_t ns = 0;
    sm_status status = SM_OK;
    if (code != NULL && strcmp(code, "Success") != 0)
        status = sm_fail(SM_ERR_ACCESS, "%s gives no credentials: %s", source, code);
    else if (key == NULL || secret == NULL || (ends != NULL && !sm_time_of_rfc3339(&ns, ends)))
        status = sm_fail(SM_ERR_FORMAT, "%s answers, but with no credentials", source);
    else
        status = sm_aws_keys_new(keys, key, secret, token,
                                 ends == NULL ? INT64_MAX : ns / NS_PER_SECOND, source);
    json_decref(root);
    return status;
}

/* ---- A container's agent */

/* Plain http only to addresses that cannot leave the machine, as AWS's own tools have it. */
static sm_status check_container_url(const char *url)
{
    static const char *const agents[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    sm_http_url parts;
    sm_status status = sm_http_url_parse(&parts, url);
    if (status != SM_OK) return sm_fail_prefix(status, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (parts.tls || sm_is_loopback(parts.host)) return SM_OK;
    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
        if (strcmp(parts.host, agents[i]) == 0) return SM_OK;
    return sm_fail(SM_ERR_ACCESS, "AWS_CONTAINER_CREDENTIALS_FULL_URI should be https, or http to "
                                  "this machine or its container agent");
}

static sm_status container_token(sm_http_request *request)
{
    const char *path = sm_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = sm_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (path == NULL)
        return token == NULL ? SM_OK : sm_http_add_header(request, "Authorization", token);
    sm_buf text;
    sm_buf_init(&text, TEXT_MAX);
    sm_status status = read_token(&text, path);
    if (status == SM_OK)
        status = sm_http_add_header(request, "Authorization", (const char *)text.data);
    wipe_buf(&text);
    return status;
}

sm_status sm_aws_keys_of_container(sm_aws_keys **keys)
{
    const char *relative = sm_aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = sm_aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL) return SM_OK;
    sm_http_request request;
    sm_http_reply reply;
    sm_http_request_init(&request, "GET");
    sm_http_reply_init(&reply);
    sm_status status;
    if (relative != NULL)
        status = relative[0] == '/'
                     ? sm_buf_printf(&request.url, "http://169.254.170.2%s", relative)
                     : sm_fail(SM_ERR_USAGE,
                               "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI should begin with '/'");
    else
        status = set_url(&request, full);
    const char *url = (const char *)request.url.data;
    if (status == SM_OK) status = check_container_url(url);
    if (status == SM_OK) status = container_token(&request);
    request.label = "the container's credentials";
    request.metadata = status == SM_OK && strncmp(url, "http:", 5) == 0;
    if (status == SM_OK) status = perform(&request, &reply);
    if (status == SM_OK) status = sm_http_judge(&reply, "get", request.label, NULL, NULL);
    if (status == SM_OK) status = read_json(keys, reply.body.data, reply.body.len, "the container");
    end(&request, &reply);
    return status;
}

/* ---- A machine's metadata (version 2) */

static const char *machine_endpoint(void)
{
    const char *told = sm_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = sm_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (told != NULL) return told;
    return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
}

/* Asks for path below the endpoint; header is "Name" of value. *answered is false when nobody is
 * there, or it is another cloud's. The answer's text, with a NUL behind it, goes to text. */
static sm_status ask_machine(sm_buf *text, bool *answered, const char *method, const char *path,
                             const char *header, const char *value)
{
    sm_http_request request;
    sm_http_reply reply;
    sm_http_request_init(&request, method);
    sm_http_reply_init(&reply);
    const char *endpoint = machine_endpoint();
    size_t len = strlen(endpoint);
    if (len > 0 && endpoint[len - 1] == '/') len--;
    sm_status status = sm_buf_printf(&request.url, "%.*s%s", (int)len, endpoint, path);
    if (status == SM_OK) status = sm_http_add_header(&request, header, value);
    request.label = "the machine's credentials";
    request.metadata = true;
    *answered = false;
    if (status == SM_OK && perform(&request, &reply) == SM_OK && reply.status == 200) {
        *answered = true;
        status = sm_buf_append(text, reply.body.data, reply.body.len);
        if (status == SM_OK) status = sm_buf_append(text, "", 1);
    }
    end(&request, &reply);
    return status;
}

static const char ROLE_PATH[] = "/latest/meta-data/iam/security-credentials/";

/* The role's name, and its credentials in JSON. */
static sm_status ask_role(sm_buf *json, bool *answered, const char *token)
{
    sm_buf name, path;
    sm_buf_init(&name, TEXT_MAX);
    sm_buf_init(&path, 2 * TEXT_MAX);
    sm_status status =
        ask_machine(&name, answered, "GET", ROLE_PATH, "X-aws-ec2-metadata-token", token);
    if (status == SM_OK && *answered) {
        name.data[strcspn((const char *)name.data, "\r\n")] = '\0';
        status = sm_buf_printf(&path, "%s", ROLE_PATH);
        if (status == SM_OK) status = sm_http_append_encoded(&path, (const char *)name.data, false);
        if (status == SM_OK)
            status = ask_machine(json, answered, "GET", (const char *)path.data,
                                 "X-aws-ec2-metadata-token", token);
    }
    sm_buf_free(&name);
    sm_buf_free(&path);
    return status;
}

sm_status sm_aws_keys_of_machine(sm_aws_keys **keys)
{
    const char *disabled = sm_aws_env("AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) return SM_OK;
    sm_buf token, json;
    sm_buf_init(&token, TEXT_MAX);
    sm_buf_init(&json, TEXT_MAX);
    bool answered = false;
    sm_status status = ask_machine(&token, &answered, "PUT", "/latest/api/token",
                                   "X-aws-ec2-metadata-token-ttl-seconds", "21600");
    if (status == SM_OK && answered) status = ask_role(&json, &answered, (const char *)token.data);
    if (status == SM_OK && answered)
        status = read_json(keys, json.data, json.len - 1, "the machine's role");
    wipe_buf(&token);
    wipe_buf(&json);
    return status;
}
