#include "engine/protocol.h"

#include "core/json.h"
#include "core/status.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, TURN_MS = 100 };

static sm_status flush(int to, sm_buf *text)
{
    const uint8_t *at = text->data;
    for (size_t left = text->len; left > 0;) {
        ssize_t n = write(to, at, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail_errno(errno, "cannot hand out the tasks");
        at += n;
        left -= (size_t)n;
    }
    sm_buf_clear(text);
    return SM_OK;
}

static bool is_cancelled(const sm_tasks *tasks)
{
    return tasks->is_cancelled != NULL && tasks->is_cancelled(tasks->cancel_user);
}

sm_status sm_protocol_send(int to, const sm_tasks *tasks)
{
    sm_buf text;
    sm_buf_init(&text, BLOCK + 2 * SM_PROTOCOL_LINE_MAX);
    sm_status status =
        sm_buf_printf(&text, "{\"type\":\"plan\",\"version\":%d,\"tasks\":%zu,\"pictures\":%llu}\n",
                      SM_PROTOCOL_VERSION, tasks->count, (unsigned long long)tasks->pictures);
    for (size_t i = 0; status == SM_OK && i < tasks->count; i++) {
        const char *line = NULL;
        if (is_cancelled(tasks)) status = sm_fail(SM_ERR_CANCELLED, "stopped on request");
        if (status == SM_OK) status = tasks->line(tasks->user, &line, i);
        if (status == SM_OK) status = sm_buf_append_str(&text, line);
        if (status == SM_OK) status = sm_buf_append_str(&text, "\n");
        if (status == SM_OK && text.len >= BLOCK) status = flush(to, &text);
    }
    if (status == SM_OK) status = sm_buf_append_str(&text, "{\"type\":\"run\"}\n");
    if (status == SM_OK) status = flush(to, &text);
    sm_buf_free(&text);
    return status;
}

/* A line is a result, for who takes them, unless it says that it is an error. */
static sm_status take_line(const sm_tasks *tasks, const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *message = json_string_value(json_object_get(object, "message"));
    const bool is_error = type != NULL && strcmp(type, "error") == 0;
    if (is_error)
        sm_fail(SM_ERR_IO, "%s",
                message == NULL ? "the engine failed for no reason given" : message);
    json_decref(object);
    return is_error ? SM_ERR_IO : tasks->result(tasks->user, line, len);
}

/* Takes the whole lines of text, and what is left of it when it has ended. */
static sm_status take_lines(sm_buf *text, const sm_tasks *tasks, bool ended)
{
    size_t at = 0;
    sm_status status = SM_OK;
    while (status == SM_OK && at < text->len) {
        const char *line = (const char *)text->data + at;
        const char *end = memchr(line, '\n', text->len - at);
        if (end == NULL && !ended) break;
        const size_t len = end == NULL ? text->len - at : (size_t)(end - line);
        if (len > 0) status = take_line(tasks, line, len);
        at += end == NULL ? len : len + 1;
    }
    if (at > 0) memmove(text->data, text->data + at, text->len - at);
    text->len -= at;
    return status;
}

sm_status sm_protocol_receive(int from, const sm_tasks *tasks, sm_protocol_alive *alive, void *user)
{
    sm_buf text;
    sm_buf_init(&text, SM_PROTOCOL_LINE_MAX + BLOCK);
    sm_status status = SM_OK;
    for (bool ended = false; status == SM_OK && !ended;) {
        struct pollfd polled = {.fd = from, .events = POLLIN};
        int ready = poll(&polled, 1, TURN_MS);
        if (is_cancelled(tasks)) {
            status = sm_fail(SM_ERR_CANCELLED, "stopped on request");
        } else if (ready <= 0) {
            if (alive != NULL) status = alive(user);
        } else if ((status = sm_buf_reserve(&text, BLOCK)) == SM_OK) {
            ssize_t n = read(from, text.data + text.len, BLOCK);
            if (n < 0 && errno != EINTR && errno != ECONNRESET)
                status = sm_fail_errno(errno, "cannot read the results");
            if (n > 0) text.len += (size_t)n;
            ended = n == 0 || (n < 0 && errno == ECONNRESET);
            if (status == SM_OK) status = take_lines(&text, tasks, ended);
        }
    }
    sm_buf_free(&text);
    return status;
}
