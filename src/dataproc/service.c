#include "dataproc/service.h"

#include "core/json.h"
#include "core/status.h"
#include "io/credentials_google.h"
#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { NAME_MAX_LEN = 100, BODY_MAX = 1 << 20 };

static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:_";
    const size_t len = strlen(text);
    return len > 0 && len <= NAME_MAX_LEN && text[strspn(text, letters)] == '\0';
}

sm_status sm_dataproc_init(sm_dataproc *service, const char *project, const char *region)
{
    *service = (sm_dataproc){0};
    if (!is_name(project)) return sm_fail(SM_ERR_USAGE, "'%s' is no project's name", project);
    if (!is_name(region)) return sm_fail(SM_ERR_USAGE, "'%s' is no region's name", region);
    const char *endpoint = getenv("SHARDMILL_DATAPROC_ENDPOINT");
    int made = endpoint != NULL && *endpoint != '\0'
                   ? asprintf(&service->address, "%s", endpoint)
                   : asprintf(&service->address, "https://%s-dataproc.googleapis.com", region);
    if (made < 0) service->address = NULL;
    if (asprintf(&service->place, "projects/%s/regions/%s", project, region) < 0)
        service->place = NULL;
    if (service->address == NULL || service->place == NULL) return sm_fail_memory(NAME_MAX_LEN);
    return SM_OK;
}

void sm_dataproc_free(sm_dataproc *service)
{
    free(service->address);
    free(service->place);
    *service = (sm_dataproc){0};
}

sm_status sm_dataproc_uuid(char uuid[SM_UUID_SIZE])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return sm_fail(SM_ERR_IO, "cannot get random bytes from the system");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* the variant of the RFC */
    size_t at = 0;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) uuid[at++] = '-';
        snprintf(uuid + at, 3, "%02x", b[i]);
        at += 2;
    }
    return SM_OK;
}

const char *sm_dataproc_text(const json_t *object, const char *a, const char *b)
{
    const json_t *found = json_object_get(object, a);
    if (b != NULL) found = json_object_get(found, b);
    return json_string_value(found);
}

static sm_status add_param(sm_buf *url, char *join, const char *name, const char *value)
{
    if (value == NULL) return SM_OK;
    sm_status status = sm_buf_printf(url, "%c%s=", *join, name);
    *join = '&';
    return status == SM_OK ? sm_http_append_encoded(url, value, false) : status;
}

static sm_status make_url(sm_buf *url, const sm_dataproc *service, const sm_dataproc_call *call)
{
    char join = '?';
    if (call->url != NULL) return sm_buf_printf(url, "%s", call->url);
    sm_status status = call->named ? sm_buf_printf(url, "%s/v1/%s", service->address, call->path)
                                   : sm_buf_printf(url, "%s/v1/%s/%s", service->address,
                                                   service->place, call->path);
    if (status == SM_OK) status = add_param(url, &join, "requestId", call->request_id);
    if (status == SM_OK) status = add_param(url, &join, "filter", call->filter);
    if (status == SM_OK) status = add_param(url, &join, "pageToken", call->page_token);
    return status;
}

static sm_status add_body(sm_http_request *request, sm_buf *text, const json_t *body)
{
    if (body == NULL) return SM_OK;
    sm_status status = sm_json_dump(text, body, JSON_COMPACT);
    if (status == SM_OK) status = sm_http_add_header(request, "Content-Type", "application/json");
    request->data = text->data;
    request->len = text->len;
    return status;
}

static sm_status judge(const sm_dataproc_call *call, const sm_http_reply *reply)
{
    char identity[SM_IDENTITY_MAX];
    sm_google_identity(identity);
    return sm_http_judge(reply, call->what, call->subject, identity, call->permission);
}

static sm_status read_answer(json_t **answer, const sm_dataproc_call *call,
                             const sm_http_reply *reply)
{
    if (answer == NULL) return SM_OK;
    *answer = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
    if (json_is_object(*answer)) return SM_OK;
    json_decref(*answer);
    *answer = NULL;
    return sm_fail(SM_ERR_FORMAT, "cannot %s '%s': the service's answer is no JSON object",
                   call->what, call->subject);
}

sm_status sm_dataproc_ask(json_t **answer, const sm_dataproc *service, const sm_dataproc_call *call)
{
    sm_http *http;
    sm_http_request request;
    sm_http_reply reply;
    sm_buf body;
    sm_http_request_init(&request, call->method);
    sm_http_reply_init(&reply);
    sm_buf_init(&body, BODY_MAX);
    request.clears = call->clears;
    request.once = call->once;
    request.idempotent = true; /* what changes something has a requestId */
    request.authorize = sm_google_authorize;
    request.refused = sm_google_refused;
    sm_status status = make_url(&request.url, service, call);
    request.label = call->subject;
    if (status == SM_OK) status = add_body(&request, &body, call->body);
    if (status == SM_OK) status = sm_http_mine(&http);
    if (status == SM_OK) status = sm_http_perform(http, &request, &reply);
    if (status == SM_OK) status = judge(call, &reply);
    if (status == SM_OK) status = read_answer(answer, call, &reply);
    sm_buf_free(&body);
    sm_http_reply_free(&reply);
    sm_http_request_free(&request);
    return status;
}
