#include "io/credentials_google.h"

#include "core/json.h"
#include "core/machine.h"
#include "io/google_key.h"
#include "io/io.h"
#include "io/times.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    FILE_MAX = 1 << 20,
    TOKEN_MAX = 64 << 10,
    EARLY_SECONDS = 300, /* tokens are fetched anew so long before they end */
    FORGET_SECONDS = 1,  /* how often a refused token is fetched anew at most */
    LIFE_UNKNOWN = 600   /* seconds of a token that does not say */
};

static const char STORAGE_SCOPE[] = "https://www.googleapis.com/auth/devstorage.read_write";
/* To act as a service account wants a wider one. */
static const char CLOUD_SCOPE[] = "https://www.googleapis.com/auth/cloud-platform";
static const uint64_t NS_PER_SECOND = 1000000000;

/* All of the process, guarded by the lock, which is held while a token is fetched. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool is_found;
    sm_google_key key;
    char identity[SM_IDENTITY_MAX];
    const char *scope;
    char *header; /* "Bearer …"; NULL: none yet */
    uint64_t fetched_ns, ends_ns;
} me = {.identity = "anonymous", .scope = STORAGE_SCOPE};

void sm_google_want_cloud_platform(void)
{
    pthread_mutex_lock(&lock);
    me.scope = CLOUD_SCOPE;
    pthread_mutex_unlock(&lock);
}

static const char *scope(void)
{
    return me.key.impersonation_url == NULL ? me.scope : CLOUD_SCOPE;
}

static void wipe_free(sm_buf *buf)
{
    if (buf->data != NULL) explicit_bzero(buf->data, buf->cap);
    sm_buf_free(buf);
}

static void forget_header(void)
{
    if (me.header != NULL) explicit_bzero(me.header, strlen(me.header));
    free(me.header);
    me.header = NULL;
}

/* ---- Asking for tokens */

typedef struct question {
    sm_http_request request;
    sm_http_reply reply;
    sm_buf body;
    const char *whom; /* for messages */
} question;

static sm_status init_question(question *q, const char *method, const char *url, const char *whom)
{
    q->whom = whom;
    sm_http_request_init(&q->request, method);
    sm_http_reply_init(&q->reply);
    sm_buf_init(&q->body, TOKEN_MAX);
    /* Asked twice is asked once. */
    q->request.idempotent = true;
    return sm_buf_printf(&q->request.url, "%s", url);
}

static void free_question(question *q)
{
    sm_http_request_free(&q->request);
    wipe_free(&q->reply.body);
    sm_http_reply_free(&q->reply);
    wipe_free(&q->body);
}

static sm_status add_field(question *q, const char *name, const char *value)
{
    sm_status status = sm_buf_printf(&q->body, "%s%s=", q->body.len == 0 ? "" : "&", name);
    return status == SM_OK ? sm_http_append_encoded(&q->body, value, false) : status;
}

/* With a client of its own: the thread's may be at work for the one who waits for the token. */
static sm_status ask(question *q, json_t **answer)
{
    sm_http *http;
    sm_status status = sm_http_new(&http);
    if (status != SM_OK) return status;
    q->request.data = q->body.data;
    q->request.len = q->body.len;
    status = sm_http_perform(http, &q->request, &q->reply);
    sm_http_free(http);
    if (status != SM_OK) return sm_fail_prefix(status, "cannot get a token of Google's");
    char label[256];
    snprintf(label, sizeof label, "%.*s", (int)strcspn((const char *)q->request.url.data, "?"),
             (const char *)q->request.url.data);
    status = sm_http_judge(&q->reply, "get a token from", label, q->whom, NULL);
    /* What is wrong is the key, whatever number the server has for that. */
    if (q->reply.status == 400)
        status = sm_fail(SM_ERR_ACCESS, "%s; asked as %s", sm_last_error(), q->whom);
    if (status != SM_OK || answer == NULL) return status;
    *answer = json_loadb((const char *)q->reply.body.data, q->reply.body.len, 0, NULL);
    return *answer != NULL ? SM_OK : sm_fail(SM_ERR_FORMAT, "'%s' answered with no JSON", label);
}

/* Keeps token until life seconds from now. */
static sm_status keep(const char *token, int64_t life)
{
    char *header = NULL;
    if (token == NULL || *token == '\0' || token[strcspn(token, "\r\n")] != '\0')
        return sm_fail(SM_ERR_FORMAT, "the answer of Google's token service has no token");
    if (asprintf(&header, "Bearer %s", token) < 0) return sm_fail_memory(strlen(token));
    forget_header();
    me.header = header;
    me.fetched_ns = sm_clock_ns();
    if (life <= 0) life = LIFE_UNKNOWN;
    /* Of a token that lives shorter than we are early, half its life. */
    const int64_t use = life > 2 * EARLY_SECONDS ? life - EARLY_SECONDS : (life + 1) / 2;
    me.ends_ns = me.fetched_ns + (uint64_t)use * NS_PER_SECOND;
    return SM_OK;
}

static sm_status keep_answer(json_t *answer)
{
    const json_t *life = json_object_get(answer, "expires_in");
    const char *text = json_string_value(life);
    return keep(json_string_value(json_object_get(answer, "access_token")),
                text != NULL ? strtoll(text, NULL, 10) : (int64_t)json_number_value(life));
}

static sm_status ask_and_keep(question *q)
{
    json_t *answer = NULL;
    sm_status status =
        sm_http_add_header(&q->request, "Content-Type", "application/x-www-form-urlencoded");
    if (status == SM_OK) status = ask(q, &answer);
    if (status == SM_OK) status = keep_answer(answer);
    sm_google_wipe(answer);
    json_decref(answer);
    return status;
}

static sm_status ask_as_service_account(void)
{
    question q;
    sm_buf jwt;
    sm_buf_init(&jwt, TOKEN_MAX);
    sm_status status = init_question(&q, "POST", me.key.token_uri, me.identity);
    if (status == SM_OK) status = sm_google_jwt(&jwt, &me.key, scope(), (int64_t)time(NULL));
    if (status == SM_OK)
        status = add_field(&q, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    if (status == SM_OK) status = add_field(&q, "assertion", (const char *)jwt.data);
    if (status == SM_OK) status = ask_and_keep(&q);
    wipe_free(&jwt);
    free_question(&q);
    return status;
}

static sm_status ask_as_user(void)
{
    question q;
    sm_status status = init_question(&q, "POST", me.key.token_uri, me.identity);
    if (status == SM_OK) status = add_field(&q, "grant_type", "refresh_token");
    if (status == SM_OK) status = add_field(&q, "client_id", me.key.client_id);
    if (status == SM_OK) status = add_field(&q, "client_secret", me.key.client_secret);
    if (status == SM_OK) status = add_field(&q, "refresh_token", me.key.refresh_token);
    if (status == SM_OK) status = ask_and_keep(&q);
    free_question(&q);
    return status;
}

/* ---- Tokens of others, traded in */

static sm_status get_source(sm_buf *text)
{
    if (me.key.source_file != NULL) return sm_io_read_file(text, me.key.source_file, NULL);
    question q;
    const char *name;
    json_t *value;
    sm_status status = init_question(&q, "GET", me.key.source_url, me.identity);
    /* The local agent of another cloud speaks plain http on the local link. */
    q.request.metadata = strncmp(me.key.source_url, "http://169.254.", 15) == 0;
    json_object_foreach(me.key.source_headers, name,
                        value) if (status == SM_OK && json_is_string(value)) status =
        sm_http_add_header(&q.request, name, json_string_value(value));
    if (status == SM_OK) status = ask(&q, NULL);
    if (status == SM_OK) status = sm_buf_append(text, q.reply.body.data, q.reply.body.len);
    free_question(&q);
    return status;
}

/* The other service's token, with a NUL. */
static sm_status get_subject(sm_buf *subject)
{
    sm_buf text;
    sm_buf_init(&text, TOKEN_MAX);
    sm_status status = get_source(&text);
    if (status == SM_OK && me.key.source_field != NULL) {
        json_t *root = json_loadb((const char *)text.data, text.len, 0, NULL);
        const char *token = json_string_value(json_object_get(root, me.key.source_field));
        status = token == NULL ? sm_fail(SM_ERR_FORMAT, "the token of '%s' has no field '%s'",
                                         me.identity, me.key.source_field)
                               : sm_buf_append(subject, token, strlen(token) + 1);
        sm_google_wipe(root);
        json_decref(root);
    } else if (status == SM_OK) {
        while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL) text.len--;
        status = sm_buf_append(subject, text.data, text.len);
        if (status == SM_OK) status = sm_buf_append(subject, "", 1);
    }
    wipe_free(&text);
    return status;
}

static sm_status ask_as_external(void)
{
    question q;
    sm_buf subject;
    sm_buf_init(&subject, TOKEN_MAX);
    sm_status status = init_question(&q, "POST", me.key.token_uri, me.identity);
    if (status == SM_OK) status = get_subject(&subject);
    if (status == SM_OK)
        status = add_field(&q, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    if (status == SM_OK) status = add_field(&q, "audience", me.key.audience);
    if (status == SM_OK) status = add_field(&q, "scope", scope());
    if (status == SM_OK)
        status =
            add_field(&q, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    if (status == SM_OK) status = add_field(&q, "subject_token_type", me.key.subject_token_type);
    if (status == SM_OK) status = add_field(&q, "subject_token", (const char *)subject.data);
    if (status == SM_OK) status = ask_and_keep(&q);
    wipe_free(&subject);
    free_question(&q);
    return status;
}

/* ---- Acting as a service account */

static sm_status add_wish(sm_buf *body)
{
    json_t *wish = json_pack("{s:[s], s:s}", "scope", me.scope, "lifetime", "3600s");
    if (wish != NULL && me.key.delegates != NULL)
        json_object_set(wish, "delegates", me.key.delegates);
    sm_status status = wish == NULL ? sm_fail_memory(1) : sm_json_append(body, wish, false);
    json_decref(wish);
    return status;
}

/* With the token that is kept now, asks for one of the service account to be acted as. */
static sm_status impersonate(void)
{
    question q;
    json_t *answer = NULL;
    int64_t ends = 0;
    struct timespec now;
    sm_status status = init_question(&q, "POST", me.key.impersonation_url, me.identity);
    if (status == SM_OK) status = add_wish(&q.body);
    if (status == SM_OK)
        status = sm_http_add_header(&q.request, "Content-Type", "application/json");
    if (status == SM_OK) status = sm_http_add_header(&q.request, "Authorization", me.header);
    forget_header();
    if (status == SM_OK) status = ask(&q, &answer);
    const char *time_text = json_string_value(json_object_get(answer, "expireTime"));
    clock_gettime(CLOCK_REALTIME, &now);
    if (time_text != NULL && sm_time_of_rfc3339(&ends, time_text))
        ends = ends / (int64_t)NS_PER_SECOND - now.tv_sec;
    if (status == SM_OK)
        status = keep(json_string_value(json_object_get(answer, "accessToken")), ends);
    sm_google_wipe(answer);
    json_decref(answer);
    free_question(&q);
    return status;
}

/* ---- The metadata server */

static sm_status ask_metadata(const char *what, question *q, json_t **answer)
{
    enum { TRIES = 3 };
    const char *host = getenv("GCE_METADATA_HOST");
    char url[512];
    snprintf(url, sizeof url, "http://%s/computeMetadata/v1/instance/service-accounts/default/%s",
             host == NULL || *host == '\0' ? "169.254.169.254" : host, what);
    sm_status status = init_question(q, "GET", url, "this machine's service account");
    q->request.metadata = true;
    if (status == SM_OK) status = sm_http_add_header(&q->request, "Metadata-Flavor", "Google");
    if (status != SM_OK) return status;
    /* It is there and busy at times: a server that answers 5xx is asked again. */
    for (int i = 0; i < TRIES; i++) {
        status = ask(q, answer);
        if (status == SM_OK || q->reply.status < 500) break;
    }
    return status;
}

static sm_status ask_as_machine(void)
{
    question q;
    json_t *answer = NULL;
    sm_status status = ask_metadata("token", &q, &answer);
    if (status == SM_OK) status = keep_answer(answer);
    sm_google_wipe(answer);
    json_decref(answer);
    free_question(&q);
    return status;
}

/* Whether a metadata server answers, and what it calls the machine's account. */
static bool find_machine(void)
{
    const char *no = getenv("NO_GCE_CHECK");
    if (no != NULL && strcasecmp(no, "true") == 0) return false;
    question q;
    sm_status status = ask_metadata("email", &q, NULL);
    if (status == SM_OK && q.reply.body.len < 200 &&
        memchr(q.reply.body.data, '<', q.reply.body.len) == NULL)
        snprintf(me.identity, sizeof me.identity, "this machine's service account %.*s",
                 (int)q.reply.body.len, (const char *)q.reply.body.data);
    else if (status == SM_OK)
        status = SM_ERR_FORMAT; /* something answers on that address, and is no metadata server */
    free_question(&q);
    return status == SM_OK;
}

/* ---- Who we are */

/* ".../serviceAccounts/x@y:generateAccessToken": x@y is who the store sees. */
static void name_acted_as(void)
{
    static const char accounts[] = "/serviceAccounts/";
    const char *email = strstr(me.key.impersonation_url, accounts);
    if (email == NULL) return;
    email += strlen(accounts);
    snprintf(me.identity, sizeof me.identity, "the service account %.*s",
             (int)strcspn(email, ":/?"), email);
}

static sm_status read_key(const char *path)
{
    sm_buf text;
    sm_buf_init(&text, FILE_MAX);
    sm_status status = sm_io_read_file(&text, path, NULL);
    if (status == SM_OK) status = sm_google_key_parse(&me.key, text.data, text.len, path);
    wipe_free(&text);
    if (status != SM_OK) return status;
    const sm_google_key *key = &me.key;
    if (key->kind == SM_GOOGLE_SERVICE_ACCOUNT)
        snprintf(me.identity, sizeof me.identity, "the service account %s", key->email);
    else if (key->kind == SM_GOOGLE_USER)
        snprintf(me.identity, sizeof me.identity, "the user %s",
                 key->email != NULL ? key->email : "of gcloud's credentials");
    else
        snprintf(me.identity, sizeof me.identity, "the external account of '%s'", path);
    if (key->impersonation_url != NULL) name_acted_as();
    return SM_OK;
}

/* gcloud's own file; false: there is none. */
static bool find_gcloud(char **path)
{
    static const char name[] = "application_default_credentials.json";
    const char *folder = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");
    sm_file_info info;
    *path = NULL;
    int made = -1;
    if (folder != NULL && *folder != '\0')
        made = asprintf(path, "%s/%s", folder, name);
    else if (home != NULL && *home != '\0')
        made = asprintf(path, "%s/.config/gcloud/%s", home, name);
    if (made < 0) *path = NULL;
    return *path != NULL && sm_io_stat(&info, *path) == SM_OK;
}

static sm_status find_me(void)
{
    const char *named = getenv("GOOGLE_APPLICATION_CREDENTIALS");
    char *gcloud = NULL;
    sm_status status = SM_OK;
    if (named != NULL && *named != '\0') {
        status = read_key(named);
        if (status != SM_OK) status = sm_fail_prefix(status, "GOOGLE_APPLICATION_CREDENTIALS");
    } else if (find_gcloud(&gcloud)) {
        status = read_key(gcloud);
    } else if (find_machine()) {
        me.key.kind = SM_GOOGLE_METADATA;
    }
    free(gcloud);
    me.is_found = status == SM_OK;
    return status;
}

static sm_status fetch_own_token(void)
{
    switch (me.key.kind) {
    case SM_GOOGLE_SERVICE_ACCOUNT: return ask_as_service_account();
    case SM_GOOGLE_USER: return ask_as_user();
    case SM_GOOGLE_EXTERNAL: return ask_as_external();
    case SM_GOOGLE_METADATA: return ask_as_machine();
    case SM_GOOGLE_NOBODY: break;
    }
    return SM_OK;
}

static sm_status fetch_token(void)
{
    sm_status status = fetch_own_token();
    return status == SM_OK && me.key.impersonation_url != NULL ? impersonate() : status;
}

sm_status sm_google_authorize(sm_http_request *request, void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    sm_status status = me.is_found ? SM_OK : find_me();
    if (status == SM_OK && (me.header == NULL || sm_clock_ns() >= me.ends_ns))
        status = fetch_token();
    if (status == SM_OK && me.header != NULL)
        status = sm_http_add_header(request, "Authorization", me.header);
    pthread_mutex_unlock(&lock);
    return status;
}

bool sm_google_refused(const sm_http_reply *reply, void *user)
{
    (void)user;
    if (reply->status != 401) return false;
    pthread_mutex_lock(&lock);
    /* Of the many who were refused at once, the first has it fetched anew for all. */
    const bool has = me.is_found && me.key.kind != SM_GOOGLE_NOBODY;
    if (has && sm_clock_ns() - me.fetched_ns > FORGET_SECONDS * NS_PER_SECOND) forget_header();
    pthread_mutex_unlock(&lock);
    return has;
}

void sm_google_identity(char identity[SM_IDENTITY_MAX])
{
    pthread_mutex_lock(&lock);
    memcpy(identity, me.identity, SM_IDENTITY_MAX);
    pthread_mutex_unlock(&lock);
}
