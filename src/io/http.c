/* HTTP over libcurl's multi interface: clients, what comes of attempts, and the loop that drives
 * many. */
#include "io/http.h"

#include "core/hash.h"
#include "core/machine.h"
#include "io/http_transfer.h"
#include "io/io.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDIRECTS_MAX = 5,
    DAMAGES_MAX = 3,
    IDLE_MAX = 256,       /* kept easy handles of a client */
    CONNECTIONS_MAX = 256 /* kept connections of a client */
};

static const uint64_t NS_PER_MS = 1000000;

struct sm_http {
    CURLM *multi;
    CURL *idle[IDLE_MAX];
    size_t idle_count;
    struct sm_http *next; /* in the pool */
};

/* ---- Clients, and the pool of those whose threads have ended */

static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static pthread_key_t mine;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static sm_http *pool;
static bool usable;

static void give_to_pool(void *http)
{
    sm_http *client = http;
    pthread_mutex_lock(&pool_lock);
    client->next = pool;
    pool = client;
    pthread_mutex_unlock(&pool_lock);
}

static void prepare(void)
{
    usable = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
             pthread_key_create(&mine, give_to_pool) == 0;
}

sm_status sm_http_new(sm_http **http)
{
    pthread_once(&prepared, prepare);
    if (!usable) return sm_fail(SM_ERR_INTERNAL, "libcurl cannot be used");
    sm_http *made = calloc(1, sizeof *made);
    if (made != NULL) made->multi = curl_multi_init();
    if (made == NULL || made->multi == NULL) {
        free(made);
        return sm_fail_memory(sizeof *made);
    }
    curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    *http = made;
    return SM_OK;
}

void sm_http_free(sm_http *http)
{
    if (http == NULL) return;
    for (size_t i = 0; i < http->idle_count; i++) curl_easy_cleanup(http->idle[i]);
    curl_multi_cleanup(http->multi);
    free(http);
}

sm_status sm_http_mine(sm_http **http)
{
    pthread_once(&prepared, prepare);
    sm_http *found = usable ? pthread_getspecific(mine) : NULL;
    if (found == NULL) {
        pthread_mutex_lock(&pool_lock);
        found = pool;
        if (found != NULL) pool = found->next;
        pthread_mutex_unlock(&pool_lock);
        sm_status status = found == NULL ? sm_http_new(&found) : SM_OK;
        if (status != SM_OK) return status;
        pthread_setspecific(mine, found);
    }
    *http = found;
    return SM_OK;
}

/* ---- Hosts that have answered once: their faults pass, and are waited for */

enum { REACHED_MAX = 64 };

typedef struct reached_host {
    uint64_t key;
    uint64_t good_ns; /* when it last gave an answer that was no passing fault; 0: never yet */
} reached_host;

static pthread_mutex_t reached_lock = PTHREAD_MUTEX_INITIALIZER;
static reached_host reached[REACHED_MAX];
static size_t reached_count;

/* t's host among those; NULL: not there. Under the lock. */
static reached_host *find_reached(const sm_transfer *t)
{
    const uint64_t key = sm_hash_key(t->parts.host, strlen(t->parts.host), t->parts.port);
    const size_t held = reached_count < REACHED_MAX ? reached_count : REACHED_MAX;
    for (size_t i = 0; i < held; i++)
        if (reached[i].key == key) return &reached[i];
    return NULL;
}

bool sm_transfer_reached(const sm_transfer *t)
{
    pthread_mutex_lock(&reached_lock);
    const bool found = find_reached(t) != NULL;
    pthread_mutex_unlock(&reached_lock);
    return found;
}

static void note_reached(const sm_transfer *t, bool is_good)
{
    pthread_mutex_lock(&reached_lock);
    reached_host *host = find_reached(t);
    if (host == NULL) {
        host = &reached[reached_count++ % REACHED_MAX];
        host->key = sm_hash_key(t->parts.host, strlen(t->parts.host), t->parts.port);
        host->good_ns = 0;
    }
    if (is_good) host->good_ns = sm_clock_ns();
    pthread_mutex_unlock(&reached_lock);
}

/* Nothing good came of t's host in the later half of the time between t's first failed try and its
 * last: it is not t's object. In the earlier half, others may have been answered before the host
 * went away. */
static bool is_host_down(const sm_transfer *t)
{
    const sm_backoff *tries = t->request->once ? t->request->tries : &t->backoff;
    if (tries == NULL) return false;
    pthread_mutex_lock(&reached_lock);
    const reached_host *host = find_reached(t);
    const uint64_t now = sm_clock_ns();
    const uint64_t since = tries->tries > 1 ? tries->failed_ns : tries->since_ns;
    const bool down = host == NULL || host->good_ns < since + (now - since) / 2;
    pthread_mutex_unlock(&reached_lock);
    return down;
}

/* ---- What has come, of all clients */

static atomic_ullong received_bytes, retry_count, given_up_count, first_byte_ns;

void sm_io_traffic(sm_traffic *traffic)
{
    *traffic = (sm_traffic){.received = atomic_load(&received_bytes),
                            .retries = atomic_load(&retry_count),
                            .given_up = atomic_load(&given_up_count),
                            .first_byte_ns = atomic_load(&first_byte_ns)};
}

void sm_io_await_byte(void)
{
    atomic_store(&first_byte_ns, 0);
}

void sm_transfer_note_body(void)
{
    unsigned long long none = 0;
    if (atomic_load_explicit(&first_byte_ns, memory_order_relaxed) == 0)
        atomic_compare_exchange_strong(&first_byte_ns, &none, sm_clock_ns());
}

static void count_received(CURL *easy)
{
    curl_off_t body = 0;
    long headers = 0;
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    atomic_fetch_add(&received_bytes,
                     (uint64_t)(body > 0 ? body : 0) + (uint64_t)(headers > 0 ? headers : 0));
}

/* ---- An attempt */

static void put_away(sm_http *http, sm_transfer *t)
{
    if (t->easy == NULL) return;
    curl_easy_reset(t->easy);
    if (http->idle_count < IDLE_MAX)
        http->idle[http->idle_count++] = t->easy;
    else
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
}

/* Begins an attempt; false: it failed for good. */
static bool begin_attempt(sm_http *http, sm_transfer *t)
{
    t->easy = http->idle_count > 0 ? http->idle[--http->idle_count] : curl_easy_init();
    t->wake_ns = 0;
    t->cut_by_us = t->looked_at = false;
    t->words[0] = '\0';
    sm_buf_clear(&t->reply->body);
    sm_http_reply_begin(t->reply);
    /* Pages and answers are small: they begin anew. */
    if (!sm_transfer_goes_on(t)) t->got = 0;
    sm_status status = t->easy == NULL ? sm_fail_memory(1) : sm_transfer_set_up(t);
    if (status == SM_OK && curl_multi_add_handle(http->multi, t->easy) == CURLM_OK) return true;
    sm_transfer_fail_as_told(t, status != SM_OK ? status : sm_fail_memory(1));
    put_away(http, t);
    sm_transfer_strip(t);
    return false;
}

/* ---- What came of an attempt. These say whether the request is over; if not, wake_ns is set. */

static bool try_later(sm_transfer *t)
{
    uint64_t wait;
    if (!sm_backoff_next(&t->backoff, t->reply->retry_after_ms, &wait)) return false;
    atomic_fetch_add(&retry_count, 1);
    t->wake_ns = sm_clock_ns() + wait;
    return true;
}

static bool try_now(sm_transfer *t)
{
    t->wake_ns = sm_clock_ns();
    return true;
}

static bool never_left(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
           code == CURLE_COULDNT_CONNECT;
}

static bool passes(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY: return true;
    default: return false;
    }
}

/* A fault that passes did not pass in time. */
static void give_up(sm_transfer *t)
{
    t->reply->host_down = is_host_down(t);
    if (t->reply->host_down && !t->request->once) atomic_fetch_add(&given_up_count, 1);
}

static bool end_by_fault(sm_transfer *t, CURLcode code)
{
    const sm_http_request *request = t->request;
    const bool passing =
        !request->metadata && passes(code) && (request->idempotent || never_left(code));
    const uint64_t whole = sm_retry_seconds() * 1000 * NS_PER_MS,
                   first = SM_FIRST_CONTACT_MS * NS_PER_MS;
    t->backoff.patience_ns = sm_transfer_reached(t) || whole < first ? whole : first;
    t->reply->retry_after_ms = 0;
    if (passing && !request->once && try_later(t)) return false;
    if (passing) give_up(t);

    const char *words = *t->words != '\0' ? t->words : curl_easy_strerror(code);
    char times[48] = "";
    if (t->reply->attempts > 1)
        snprintf(times, sizeof times, " (tried %u times)", t->reply->attempts);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        sm_transfer_fail(
            t, SM_ERR_IO,
            "the server's certificate is not trusted: %s; SSL_CERT_FILE names a file of "
            "certificates to trust",
            words);
    else if (!sm_transfer_reached(t))
        sm_transfer_fail(t, SM_ERR_IO, "cannot reach %s: %s%s", t->parts.host, words, times);
    else
        sm_transfer_fail(t, SM_ERR_IO, "the transfer failed: %s%s", words, times);
    return true;
}

static bool is_same_host(const sm_http_url *a, const sm_http_url *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port && a->tls == b->tls;
}

/* The URL that t's reply points to (the caller's, by curl_free); NULL: it makes none. */
static char *redirect_target(const sm_transfer *t)
{
    CURLU *url = curl_url();
    char *target = NULL;
    if (url != NULL &&
        curl_url_set(url, CURLUPART_URL, (const char *)t->url.data, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, t->reply->location, 0) == CURLUE_OK)
        curl_url_get(url, CURLUPART_URL, &target, 0);
    curl_url_cleanup(url);
    return target;
}

static sm_status set_url(sm_buf *url, const char *target)
{
    sm_buf_clear(url);
    return sm_buf_printf(url, "%s", target);
}

/* Turns to where a redirect points. */
static bool end_by_redirect(sm_transfer *t)
{
    sm_http_request *request = t->request;
    sm_http_url parts = {0};
    char *target = redirect_target(t);
    sm_status status = target == NULL
                           ? sm_fail(SM_ERR_IO, "the server points to where nothing can be")
                           : sm_http_url_parse(&parts, target);
    if (status == SM_OK && t->parts.tls && !parts.tls)
        status = sm_fail(SM_ERR_ACCESS, "the server points from https to plain http");
    if (status == SM_OK && ++t->redirects > REDIRECTS_MAX)
        status = sm_fail(SM_ERR_IO, "the server points elsewhere again and again");
    const bool is_signed = request->authorize != NULL;
    const bool stays = status == SM_OK && is_signed && !is_same_host(&parts, &t->parts);
    if (status == SM_OK && !stays) status = set_url(&t->url, target);
    if (status == SM_OK && !stays && is_signed) status = set_url(&request->url, target);
    curl_free(target);
    if (status == SM_OK) return stays || !try_now(t);
    sm_transfer_fail(t, status, "%s", sm_last_error());
    return true;
}

static bool points_elsewhere(const sm_transfer *t)
{
    const int status = t->reply->status;
    return t->request->follow && t->reply->location != NULL &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

/* How many bytes a good reply to a GET must bring; UINT64_MAX: it did not tell. */
static uint64_t bytes_due(const sm_transfer *t)
{
    const sm_http_request *request = t->request;
    const uint64_t total = t->reply->total_length;
    if (total == UINT64_MAX || !request->ranged) return total;
    if (strstr(t->reply->content_range, "/*") != NULL) return UINT64_MAX;
    const uint64_t behind = total > request->offset ? total - request->offset : 0;
    /* total is the part's own length when there was no Content-Range. */
    if (t->reply->status != 206 || *t->reply->content_range == '\0') return t->got;
    return request->length > 0 && request->length < behind ? request->length : behind;
}

static bool end_well(sm_transfer *t)
{
    sm_http_request *request = t->request;
    sm_http_reply *reply = t->reply;
    if (sm_transfer_is_get(t) && sm_transfer_goes_on(t)) {
        const uint64_t due = bytes_due(t);
        if (due != UINT64_MAX && t->got < due) return end_by_fault(t, CURLE_PARTIAL_FILE);
        /* Of a whole read it does not matter that it came in parts. */
        if (!request->ranged) {
            reply->status = 200;
            reply->content_length = reply->total_length = t->got;
        }
    }
    sm_status status = request->check == NULL ? SM_OK : request->check(request, reply);
    if (status == SM_OK) return true;
    if (++t->damages > DAMAGES_MAX || request->once) {
        sm_transfer_fail(t, status, "%s", sm_last_error());
        return true;
    }
    sm_transfer_forget_body(t);
    atomic_fetch_add(&retry_count, 1);
    return !try_now(t);
}

/* Whether all of a body has come, though libcurl calls the transfer failed: it may find that it was
 * stalled when it reads the last bytes. There is nothing behind them that could be asked for. */
static bool is_whole(const sm_transfer *t)
{
    const sm_http_request *request = t->request;
    if (!sm_transfer_is_get(t) || !sm_transfer_goes_on(t) || !t->looked_at) return false;
    if (request->ranged && (t->reply->status != 206 || *t->reply->content_range == '\0'))
        return false; /* how much of it is due is not known */
    return sm_transfer_is_good(t) && t->got == bytes_due(t);
}

static bool end_attempt(sm_transfer *t, CURLcode code)
{
    const sm_http_request *request = t->request;
    sm_http_reply *reply = t->reply;
    const int status = reply->status;
    reply->attempts++;
    const bool passes_away = sm_is_passing_status(status);
    if (status > 0) note_reached(t, code == CURLE_OK && t->looked_at && !passes_away);
    if (t->status != SM_OK) return true;
    if ((code == CURLE_WRITE_ERROR && t->cut_by_us) || (passes(code) && is_whole(t)))
        code = CURLE_OK;
    /* To libcurl a connection that ends within the headers is the end of a reply. */
    if (code == CURLE_OK && !t->looked_at) code = CURLE_GOT_NOTHING;
    if (code != CURLE_OK) return end_by_fault(t, code);
    if (sm_transfer_is_good(t)) return end_well(t);

    if (t->got > 0 && (status == 404 || status == 412 || status == 416)) {
        sm_transfer_fail_changed(t);
        return true;
    }
    if (points_elsewhere(t)) return end_by_redirect(t);
    if ((status == 400 || status == 401 || status == 403) && request->refused != NULL &&
        !t->was_refused) {
        t->was_refused = true;
        if (request->refused(reply, request->authorize_user)) return !try_now(t);
    }
    const bool passing = !request->metadata && passes_away &&
                         (request->idempotent || status == 429 || status == 503);
    if (passing && !request->once && try_later(t)) return false;
    if (passing) give_up(t);
    return true;
}

/* ---- Many at once */

/* Whether it may be begun: when all is to end, only what clears away. */
static bool may_begin(const sm_http_request *request)
{
    return !sm_is_stopping() || request->clears || strcmp(request->method, "DELETE") == 0;
}

static bool begin(sm_http *http, sm_transfer *t, sm_http_request *request, sm_http_reply *reply,
                  size_t index)
{
    *t = (sm_transfer){.request = request,
                       .reply = reply,
                       .index = index,
                       .headers_len = request->headers.len,
                       .start = request->into == NULL ? 0 : request->into->len,
                       .total = UINT64_MAX};
    reply->attempts = 0;
    reply->host_down = false;
    reply->error[0] = '\0';
    sm_buf_init(&t->url, SIZE_MAX / 2);
    sm_backoff_init(&t->backoff);
    sm_status status = sm_buf_append(&t->url, request->url.data, request->url.len);
    if (status == SM_OK) status = sm_buf_append(&t->url, "", 1);
    if (status == SM_OK && !may_begin(request)) status = sm_fail(SM_ERR_CANCELLED, "stopped");
    t->late = sm_is_stopping();
    if (status == SM_OK) return begin_attempt(http, t);
    sm_transfer_fail_as_told(t, status);
    return false;
}

static void end(sm_transfer *t, sm_status *statuses)
{
    if (t->status != SM_OK || !sm_transfer_is_good(t)) sm_transfer_forget_body(t);
    statuses[t->index] = t->status;
    sm_buf_free(&t->url);
    t->request = NULL;
}

/* Takes the attempts that have ended; false when none had. */
static bool take_ended(sm_http *http, sm_status *statuses)
{
    bool any = false;
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        sm_transfer *t = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
        curl_multi_remove_handle(http->multi, easy);
        count_received(easy);
        const bool over = end_attempt(t, code);
        put_away(http, t);
        sm_transfer_strip(t);
        if (over) end(t, statuses);
        any = true;
    }
    return any;
}

/* Ends what was begun before all was to end. */
static void cancel(sm_http *http, sm_transfer *slots, size_t count, sm_status *statuses)
{
    for (size_t i = 0; i < count; i++) {
        sm_transfer *t = &slots[i];
        if (t->request == NULL || t->late) continue;
        if (t->easy != NULL) {
            curl_multi_remove_handle(http->multi, t->easy);
            put_away(http, t);
            sm_transfer_strip(t);
        }
        sm_transfer_fail(t, SM_ERR_CANCELLED, "stopped");
        end(t, statuses);
    }
}

/* Begins what is due; returns how many milliseconds the next one can wait. */
static int wake(sm_http *http, sm_transfer *slots, size_t count, sm_status *statuses)
{
    const uint64_t now = sm_clock_ns();
    uint64_t wait = SM_STOP_LOOK_MS * NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        sm_transfer *t = &slots[i];
        if (t->request == NULL || t->easy != NULL) continue;
        if (t->wake_ns > now) {
            if (t->wake_ns - now < wait) wait = t->wake_ns - now;
        } else if (!begin_attempt(http, t)) {
            end(t, statuses);
        }
    }
    return (int)(wait / NS_PER_MS) + 1;
}

void sm_http_perform_many(sm_http *http, sm_http_request *const *requests, sm_http_reply *replies,
                          sm_status *statuses, size_t count, size_t parallel)
{
    const size_t slot_count = parallel < 1 ? 1 : parallel < count ? parallel : count;
    sm_transfer *slots = calloc(slot_count, sizeof *slots);
    size_t next = 0;
    for (; slots == NULL && next < count; next++) {
        statuses[next] = sm_fail_memory(slot_count * sizeof *slots);
        snprintf(replies[next].error, sizeof replies[next].error, "%s", sm_last_error());
    }
    for (size_t busy = count > 0 && slots != NULL; busy > 0;) {
        if (sm_is_stopping()) cancel(http, slots, slot_count, statuses);
        busy = 0;
        for (size_t i = 0; i < slot_count; i++) {
            while (slots[i].request == NULL && next < count) {
                const size_t at = next++;
                if (!begin(http, &slots[i], requests[at], &replies[at], at))
                    end(&slots[i], statuses);
            }
            busy += slots[i].request != NULL;
        }
        const int wait_ms = wake(http, slots, slot_count, statuses);
        int running;
        curl_multi_perform(http->multi, &running);
        if (busy > 0 && !take_ended(http, statuses))
            curl_multi_poll(http->multi, NULL, 0, wait_ms, NULL);
    }
    free(slots);
}

sm_status sm_http_perform(sm_http *http, sm_http_request *request, sm_http_reply *reply)
{
    sm_status status = SM_ERR_INTERNAL;
    sm_http_perform_many(http, &request, reply, &status, 1, 1);
    return status == SM_OK ? SM_OK : sm_fail(status, "%s", reply->error);
}
