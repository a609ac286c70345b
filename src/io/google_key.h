/* What a file of Google credentials says, and the signed request that a service account makes of
 * it. */
#ifndef SM_IO_GOOGLE_KEY_H
#define SM_IO_GOOGLE_KEY_H

#include "core/buf.h"
#include "core/status.h"

#include <jansson.h>

typedef enum sm_google_kind {
    SM_GOOGLE_NOBODY,
    SM_GOOGLE_SERVICE_ACCOUNT,
    SM_GOOGLE_USER,
    SM_GOOGLE_EXTERNAL,
    SM_GOOGLE_METADATA
} sm_google_kind;

/* Texts are the key's own, NULL where the file has none. */
typedef struct sm_google_key {
    sm_google_kind kind;
    char *email, *private_key, *private_key_id;      /* service_account */
    char *client_id, *client_secret, *refresh_token; /* authorized_user */
    char *token_uri;                                 /* where tokens are asked for, of all kinds */
    /* external_account: a token of another service is traded in */
    char *audience, *subject_token_type;
    char *source_file, *source_url;
    json_t *source_headers; /* for source_url; NULL: none */
    char *source_field;     /* of JSON; NULL: the file or reply is the token */
    /* With the token of any kind, a service account's is asked for there; NULL: it is used itself.
     * delegates: who stand in between, NULL: nobody. */
    char *impersonation_url;
    json_t *delegates;
} sm_google_key;

/* Reads the text of a file; one of type impersonated_service_account gives the key of who asks,
 * with its impersonation_url. name is for messages, which hold nothing of the text. SM_ERR_FORMAT
 * for what is no such file, or of a type that is not known. */
sm_status sm_google_key_parse(sm_google_key *key, const void *text, size_t len, const char *name);
void sm_google_key_free(sm_google_key *key); /* wiped; a zeroed key is fine */

/* Appends the signed JWT (RS256) of a service account that asks for scope, good for an hour from
 * now (seconds since 1970), with a NUL that does not count. */
sm_status sm_google_jwt(sm_buf *jwt, const sm_google_key *key, const char *scope, int64_t now);

/* Overwrites every string within json. */
void sm_google_wipe(json_t *json);

#endif
