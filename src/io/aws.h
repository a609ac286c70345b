/*
 * What AWS's own tools read from the environment and from ~/.aws: settings and credentials.
 */
#ifndef SM_IO_AWS_H
#define SM_IO_AWS_H

#include "core/buf.h"
#include "core/status.h"
#include "io/http.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- Settings: the environment, ~/.aws/config and ~/.aws/credentials */

typedef struct sm_aws_settings sm_aws_settings;

/* Reads both files as they are now. AWS_PROFILE names a profile that neither has: SM_ERR_USAGE. */
sm_status sm_aws_settings_read(sm_aws_settings **settings);
void sm_aws_settings_free(sm_aws_settings *settings); /* NULL is fine */

/* The profile in use: AWS_PROFILE, AWS_DEFAULT_PROFILE or "default". */
const char *sm_aws_profile(const sm_aws_settings *settings);
bool sm_aws_has_profile(const sm_aws_settings *settings, const char *profile);

/* What profile says of key, in the credentials file first; NULL: nothing. Borrowed. */
const char *sm_aws_setting(const sm_aws_settings *settings, const char *profile, const char *key);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region; NULL: not told. Borrowed. */
const char *sm_aws_region(const sm_aws_settings *settings);

/* The URL that stands in for service ("S3", "STS"): AWS_ENDPOINT_URL_<service>, AWS_ENDPOINT_URL,
 * the profile's services section, its endpoint_url; NULL: AWS itself. Borrowed. */
const char *sm_aws_endpoint(const sm_aws_settings *settings, const char *service);

/* "amazonaws.com", or what the region has in its place. */
const char *sm_aws_domain(const char *region);

/* An environment variable; NULL when it is not set or empty. */
const char *sm_aws_env(const char *name);

/* ---- Credentials */

enum { SM_AWS_SHA256 = 32 /* bytes */ };

/* Never changed once made but for what hangs on the lock, and shared: good until dropped, also when
 * newer ones take their place. */
typedef struct sm_aws_keys {
    atomic_uint holders;
    char *key, *secret; /* key NULL: anonymous */
    char *token;        /* of temporary ones; else NULL */
    int64_t expires;    /* seconds since 1970; INT64_MAX: never */
    char who[160];      /* for messages: "access key AKIA… of the environment" */

    pthread_mutex_t lock; /* guards what follows */
    char scope[128];      /* what signing is for: a day, a region and a service; "": nothing yet */
    uint8_t signing[SM_AWS_SHA256]; /* made of the secret, and good for a day's requests */
} sm_aws_keys;

/*
 * This process's credentials: the environment, the profile (its keys, a role of another profile, or
 * a web identity), the container's, the machine's; anonymous when there are none at all, or when
 * SHARDMILL_S3_ANONYMOUS is 1. Found once and kept; fetched anew 5 minutes before they end. Any
 * thread.
 */
sm_status sm_aws_keys_take(sm_aws_keys **keys);
void sm_aws_keys_drop(sm_aws_keys *keys); /* NULL is fine; the last one wipes them */

/* The store said that keys have ended: the next take fetches others, if these are still the ones
 * in use and can be had anew. False when that cannot help. */
bool sm_aws_keys_renew(const sm_aws_keys *keys);

/* ---- Signature 4 */

enum { SM_AWS_SHA256_TEXT = 65 }; /* 64 hexadecimal digits and a NUL */

sm_status sm_aws_sha256(char text[SM_AWS_SHA256_TEXT], const void *data, size_t len);

/*
 * Adds what signs request as it stands: the date, the hash of its body (or "UNSIGNED-PAYLOAD"), the
 * session's token, the signature. Its URL's path is encoded once and its query sorted, and both are
 * signed as they are; so are content-md5, content-type and all x-amz-*. now: seconds since 1970.
 */
sm_status sm_aws_sign(sm_http_request *request, sm_aws_keys *keys, const char *service,
                      const char *region, const char *sha256, int64_t now);

/* ---- Between the files of credentials */

/* Copies of key, secret and token (NULL or "": none); source is what `who` says of them. */
sm_status sm_aws_keys_new(sm_aws_keys **keys, const char *key, const char *secret,
                          const char *token, int64_t expires, const char *source);

/* *keys stays NULL when there is no such source. */
sm_status sm_aws_keys_of_files(sm_aws_keys **keys, const sm_aws_settings *settings);
sm_status sm_aws_keys_of_container(sm_aws_keys **keys);
sm_status sm_aws_keys_of_machine(sm_aws_keys **keys);

/* A role to take over. Text fields are borrowed; NULL: not given. */
typedef struct sm_aws_role {
    const char *arn, *session, *external_id, *seconds;
    const char *token_file; /* web identity */
    sm_aws_keys *source;    /* who asks, when there is no token_file */
} sm_aws_role;
sm_status sm_aws_keys_of_role(sm_aws_keys **keys, const sm_aws_settings *settings,
                              const sm_aws_role *role);

#endif
