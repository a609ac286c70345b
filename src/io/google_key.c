#include "io/google_key.h"

#include "core/json.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_LIFE = 3600, JWT_MAX = 64 << 10 };

static const char DEFAULT_TOKEN_URI[] = "https://oauth2.googleapis.com/token";

void sm_google_wipe(json_t *json)
{
    size_t i;
    const char *name;
    json_t *value;
    if (json_is_string(json)) {
        /* jansson shows its memory as constant, and has no other way to it. */
        char *text;
        const char *shown = json_string_value(json);
        memcpy(&text, &shown, sizeof text);
        explicit_bzero(text, json_string_length(json));
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, value) sm_google_wipe(value);
    } else if (json_is_object(json)) {
        json_object_foreach(json, name, value) sm_google_wipe(value);
    }
}

static void free_text(char **text)
{
    if (*text != NULL) explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void sm_google_key_free(sm_google_key *key)
{
    char **texts[] = {&key->email,
                      &key->private_key,
                      &key->private_key_id,
                      &key->client_id,
                      &key->client_secret,
                      &key->refresh_token,
                      &key->token_uri,
                      &key->audience,
                      &key->subject_token_type,
                      &key->source_file,
                      &key->source_url,
                      &key->source_field,
                      &key->impersonation_url};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free_text(texts[i]);
    sm_google_wipe(key->source_headers);
    json_decref(key->source_headers);
    json_decref(key->delegates);
    *key = (sm_google_key){0};
}

/* ---- Reading */

static sm_status fail_file(const char *name, const char *reason)
{
    return sm_fail(SM_ERR_FORMAT, "cannot use the Google credentials in '%s': %s", name, reason);
}

/* Copies object[field]; one that must be there and is not is an error. */
static sm_status take(char **text, const json_t *object, const char *field, bool must,
                      const char *name)
{
    const json_t *found = json_object_get(object, field);
    const char *value = json_string_value(found);
    if (value == NULL || *value == '\0') {
        if (!must && (found == NULL || json_is_null(found))) return SM_OK;
        return sm_fail(SM_ERR_FORMAT, "cannot use the Google credentials in '%s': it has no '%s'",
                       name, field);
    }
    *text = strdup(value);
    return *text == NULL ? sm_fail_memory(strlen(value)) : SM_OK;
}

static sm_status take_service_account(sm_google_key *key, const json_t *root, const char *name)
{
    key->kind = SM_GOOGLE_SERVICE_ACCOUNT;
    sm_status status = take(&key->email, root, "client_email", true, name);
    if (status == SM_OK) status = take(&key->private_key, root, "private_key", true, name);
    if (status == SM_OK) status = take(&key->private_key_id, root, "private_key_id", false, name);
    return status == SM_OK ? take(&key->token_uri, root, "token_uri", false, name) : status;
}

static sm_status take_user(sm_google_key *key, const json_t *root, const char *name)
{
    key->kind = SM_GOOGLE_USER;
    sm_status status = take(&key->client_id, root, "client_id", true, name);
    if (status == SM_OK) status = take(&key->client_secret, root, "client_secret", true, name);
    if (status == SM_OK) status = take(&key->refresh_token, root, "refresh_token", true, name);
    if (status == SM_OK) status = take(&key->email, root, "account", false, name);
    return status == SM_OK ? take(&key->token_uri, root, "token_uri", false, name) : status;
}

static sm_status take_source(sm_google_key *key, const json_t *source, const char *name)
{
    sm_status status = take(&key->source_file, source, "file", false, name);
    if (status == SM_OK) status = take(&key->source_url, source, "url", false, name);
    if (status == SM_OK && key->source_file == NULL && key->source_url == NULL)
        return fail_file(name, "its token comes from neither a file nor a URL, which is all that "
                               "shardmill knows");
    json_t *headers = json_object_get(source, "headers");
    if (json_is_object(headers)) key->source_headers = json_deep_copy(headers);
    const json_t *format = json_object_get(source, "format");
    const char *type = json_string_value(json_object_get(format, "type"));
    if (status == SM_OK && type != NULL && strcmp(type, "json") == 0)
        status = take(&key->source_field, format, "subject_token_field_name", true, name);
    return status;
}

static sm_status take_external(sm_google_key *key, const json_t *root, const char *name)
{
    key->kind = SM_GOOGLE_EXTERNAL;
    sm_status status = take(&key->audience, root, "audience", true, name);
    if (status == SM_OK)
        status = take(&key->subject_token_type, root, "subject_token_type", true, name);
    if (status == SM_OK) status = take(&key->token_uri, root, "token_url", true, name);
    if (status == SM_OK)
        status =
            take(&key->impersonation_url, root, "service_account_impersonation_url", false, name);
    if (status == SM_OK)
        status = take_source(key, json_object_get(root, "credential_source"), name);
    return status;
}

static sm_status take_kind(sm_google_key *key, const json_t *root, const char *name)
{
    const char *type = json_string_value(json_object_get(root, "type"));
    if (type == NULL) return fail_file(name, "it has no 'type'");
    if (strcmp(type, "service_account") == 0) return take_service_account(key, root, name);
    if (strcmp(type, "authorized_user") == 0) return take_user(key, root, name);
    if (strcmp(type, "external_account") == 0) return take_external(key, root, name);
    return fail_file(name, "its 'type' is none of service_account, authorized_user, "
                           "external_account and impersonated_service_account");
}

static sm_status take_impersonated(sm_google_key *key, const json_t *root, const char *name)
{
    const json_t *source = json_object_get(root, "source_credentials");
    json_t *delegates = json_object_get(root, "delegates");
    if (!json_is_object(source)) return fail_file(name, "it has no 'source_credentials'");
    sm_status status = take_kind(key, source, name);
    if (status == SM_OK && key->impersonation_url != NULL)
        return fail_file(name, "its 'source_credentials' act as somebody else themselves");
    if (status == SM_OK)
        status =
            take(&key->impersonation_url, root, "service_account_impersonation_url", true, name);
    if (status == SM_OK && json_array_size(delegates) > 0) {
        key->delegates = json_deep_copy(delegates);
        if (key->delegates == NULL) status = sm_fail_memory(1);
    }
    return status;
}

sm_status sm_google_key_parse(sm_google_key *key, const void *text, size_t len, const char *name)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return fail_file(name, "it is no JSON object");
    }
    sm_google_key read = {0};
    const char *type = json_string_value(json_object_get(root, "type"));
    const bool acts = type != NULL && strcmp(type, "impersonated_service_account") == 0;
    sm_status status = acts ? take_impersonated(&read, root, name) : take_kind(&read, root, name);
    if (status == SM_OK && read.token_uri == NULL) {
        read.token_uri = strdup(DEFAULT_TOKEN_URI);
        if (read.token_uri == NULL) status = sm_fail_memory(sizeof DEFAULT_TOKEN_URI);
    }
    sm_google_wipe(root);
    json_decref(root);
    if (status == SM_OK)
        *key = read;
    else
        sm_google_key_free(&read);
    return status;
}

/* ---- Signing */

/* base64url without padding (RFC 7515). */
static sm_status append_base64url(sm_buf *buf, const void *data, size_t len)
{
    sm_status status = sm_buf_reserve(buf, (len + 2) / 3 * 4 + 1);
    if (status != SM_OK) return status;
    char *text = (char *)buf->data + buf->len;
    int made = EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    for (int i = 0; i < made; i++)
        if (text[i] == '+')
            text[i] = '-';
        else if (text[i] == '/')
            text[i] = '_';
    while (made > 0 && text[made - 1] == '=') made--;
    buf->len += (size_t)made;
    return SM_OK;
}

static sm_status append_json_base64url(sm_buf *buf, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    sm_status status = text == NULL ? sm_fail_memory(1) : append_base64url(buf, text, strlen(text));
    free(text);
    json_decref(json);
    return status;
}

static sm_status sign(sm_buf *signature, const char *pem, const void *data, size_t len)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    /* "": a key with a password is refused rather than asked for on the terminal. */
    char no_password[] = "";
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = 0;
    bool good = key != NULL && EVP_PKEY_base_id(key) == EVP_PKEY_RSA && ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, NULL, &size, data, len) == 1;
    sm_status status = good ? sm_buf_reserve(signature, size) : SM_OK;
    good = good && status == SM_OK && EVP_DigestSign(ctx, signature->data, &size, data, len) == 1;
    if (good) signature->len = size;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (good || status != SM_OK) return status;
    return sm_fail(SM_ERR_FORMAT,
                   "the service account's private_key is no RSA key in PEM: get a new key file");
}

sm_status sm_google_jwt(sm_buf *jwt, const sm_google_key *key, const char *scope, int64_t now)
{
    sm_buf signature;
    const size_t start = jwt->len;
    sm_buf_init(&signature, JWT_MAX);
    json_t *header = json_pack("{s:s, s:s}", "alg", "RS256", "typ", "JWT");
    if (header != NULL && key->private_key_id != NULL)
        json_object_set_new(header, "kid", json_string(key->private_key_id));
    sm_status status = append_json_base64url(jwt, header);
    if (status == SM_OK) status = sm_buf_append(jwt, ".", 1);
    if (status == SM_OK)
        status = append_json_base64url(jwt, json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss",
                                                      key->email, "scope", scope, "aud",
                                                      key->token_uri, "iat", (json_int_t)now, "exp",
                                                      (json_int_t)now + TOKEN_LIFE));
    if (status == SM_OK)
        status = sign(&signature, key->private_key, jwt->data + start, jwt->len - start);
    if (status == SM_OK) status = sm_buf_append(jwt, ".", 1);
    if (status == SM_OK) status = append_base64url(jwt, signature.data, signature.len);
    if (status == SM_OK) status = sm_buf_append(jwt, "", 1);
    if (status == SM_OK) jwt->len--;
    sm_buf_free(&signature);
    return status;
}
