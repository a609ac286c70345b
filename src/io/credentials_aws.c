/* AWS credentials: where they come from, in which order, and how long they are kept. */
#include "io/aws.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    REFRESH_BEFORE = 5 * 60, /* seconds before they end */
    REFRESH_PAUSE = 30,      /* and not more often, where a source gives none that last longer */
    SOURCE_MAX = 128,
    ROLES_MAX = 4, /* profiles that take each other's role */
};

/* ---- Keys */

static void wipe(char *text)
{
    if (text != NULL) explicit_bzero(text, strlen(text));
    free(text);
}

static void free_keys(sm_aws_keys *keys)
{
    wipe(keys->key);
    wipe(keys->secret);
    wipe(keys->token);
    explicit_bzero(keys->signing, sizeof keys->signing);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}

/* Without a key yet; NULL: no memory. */
static sm_aws_keys *new_keys(int64_t expires)
{
    sm_aws_keys *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    atomic_init(&made->holders, 1);
    pthread_mutex_init(&made->lock, NULL);
    made->expires = expires;
    return made;
}

sm_status sm_aws_keys_new(sm_aws_keys **keys, const char *key, const char *secret,
                          const char *token, int64_t expires, const char *source)
{
    sm_aws_keys *made = new_keys(expires);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    bool has_token = token != NULL && *token != '\0';
    made->key = strdup(key);
    made->secret = strdup(secret);
    made->token = has_token ? strdup(token) : NULL;
    if (made->key == NULL || made->secret == NULL || (has_token && made->token == NULL)) {
        free_keys(made);
        return sm_fail_memory(strlen(key));
    }
    snprintf(made->who, sizeof made->who, "access key %.4s… of %s", key, source);
    *keys = made;
    return SM_OK;
}

static sm_status anonymous(sm_aws_keys **keys, const char *why)
{
    sm_aws_keys *made = new_keys(INT64_MAX);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    snprintf(made->who, sizeof made->who, "anonymous (%s)", why);
    *keys = made;
    return SM_OK;
}

void sm_aws_keys_drop(sm_aws_keys *keys)
{
    if (keys != NULL && atomic_fetch_sub(&keys->holders, 1) == 1) free_keys(keys);
}

/* ---- The environment */

static sm_status of_environment(sm_aws_keys **keys)
{
    const char *key = sm_aws_env("AWS_ACCESS_KEY_ID");
    const char *secret = sm_aws_env("AWS_SECRET_ACCESS_KEY");
    if (key == NULL && secret == NULL) return SM_OK;
    if (key == NULL || secret == NULL)
        return sm_fail(SM_ERR_USAGE, "%s is set without %s",
                       key == NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                       key == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    return sm_aws_keys_new(keys, key, secret, sm_aws_env("AWS_SESSION_TOKEN"), INT64_MAX,
                           "the environment");
}

static sm_status of_environment_role(sm_aws_keys **keys, const sm_aws_settings *settings)
{
    sm_aws_role role = {.token_file = sm_aws_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
                        .arn = sm_aws_env("AWS_ROLE_ARN"),
                        .session = sm_aws_env("AWS_ROLE_SESSION_NAME")};
    if (role.token_file == NULL || role.arn == NULL) return SM_OK;
    return sm_aws_keys_of_role(keys, settings, &role);
}

/* ---- Profiles */

static sm_status static_keys(sm_aws_keys **keys, const sm_aws_settings *settings,
                             const char *profile)
{
    const char *key = sm_aws_setting(settings, profile, "aws_access_key_id");
    const char *secret = sm_aws_setting(settings, profile, "aws_secret_access_key");
    if (key == NULL && secret == NULL) return SM_OK;
    if (key == NULL || secret == NULL)
        return sm_fail(SM_ERR_USAGE, "the profile '%s' has aws_%s without aws_%s", profile,
                       key == NULL ? "secret_access_key" : "access_key_id",
                       key == NULL ? "access_key_id" : "secret_access_key");
    char source[SOURCE_MAX];
    snprintf(source, sizeof source, "the profile '%s'", profile);
    return sm_aws_keys_new(keys, key, secret,
                           sm_aws_setting(settings, profile, "aws_session_token"), INT64_MAX,
                           source);
}

/* Programs and browsers are the aws command's business, which hands over what they give. */
static sm_status refuse_helpers(const sm_aws_settings *settings, const char *profile)
{
    static const char *const keys[] = {"credential_process", "sso_session", "sso_start_url",
                                       "login_session"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (sm_aws_setting(settings, profile, keys[i]) != NULL)
            return sm_fail(SM_ERR_ACCESS,
                           "the profile '%s' has %s, which shardmill does not run: put its "
                           "credentials into the environment first, with eval \"$(aws configure "
                           "export-credentials --profile '%s' --format env)\"",
                           profile, keys[i], profile);
    return SM_OK;
}

static sm_status of_credential_source(sm_aws_keys **keys, const char *source, const char *profile)
{
    sm_status status;
    if (strcmp(source, "Environment") == 0)
        status = of_environment(keys);
    else if (strcmp(source, "Ec2InstanceMetadata") == 0)
        status = sm_aws_keys_of_machine(keys);
    else if (strcmp(source, "EcsContainer") == 0)
        status = sm_aws_keys_of_container(keys);
    else
        return sm_fail(SM_ERR_USAGE,
                       "the profile '%s' has a credential_source '%s': it should be "
                       "Environment, Ec2InstanceMetadata or EcsContainer",
                       profile, source);
    if (status == SM_OK && *keys == NULL)
        status = sm_fail(SM_ERR_ACCESS,
                         "the profile '%s' wants credentials of %s, and there are "
                         "none",
                         profile, source);
    return status;
}

static sm_status of_profile(sm_aws_keys **keys, const sm_aws_settings *settings,
                            const char *profile, unsigned depth);

/* The keys that ask for profile's role. */
static sm_status source_of_role(sm_aws_keys **keys, const sm_aws_settings *settings,
                                const char *profile, unsigned depth)
{
    const char *source = sm_aws_setting(settings, profile, "source_profile");
    const char *credential_source = sm_aws_setting(settings, profile, "credential_source");
    if (source == NULL && credential_source == NULL)
        return sm_fail(SM_ERR_USAGE,
                       "the profile '%s' has a role_arn, and neither source_profile, "
                       "credential_source nor web_identity_token_file",
                       profile);
    if (source == NULL) return of_credential_source(keys, credential_source, profile);
    if (depth == ROLES_MAX)
        return sm_fail(SM_ERR_USAGE, "the profile '%s' takes its role from more than %d others",
                       sm_aws_profile(settings), ROLES_MAX);
    /* A profile that names itself means its own keys. */
    sm_status status = strcmp(source, profile) == 0 ? static_keys(keys, settings, source)
                                                    : of_profile(keys, settings, source, depth + 1);
    if (status == SM_OK && *keys == NULL)
        status = sm_fail(SM_ERR_USAGE,
                         "the profile '%s' has a source_profile '%s' that has no "
                         "credentials",
                         profile, source);
    return status;
}

static sm_status role_of_profile(sm_aws_keys **keys, const sm_aws_settings *settings,
                                 const char *profile, unsigned depth)
{
    sm_aws_role role = {
        .arn = sm_aws_setting(settings, profile, "role_arn"),
        .session = sm_aws_setting(settings, profile, "role_session_name"),
        .external_id = sm_aws_setting(settings, profile, "external_id"),
        .seconds = sm_aws_setting(settings, profile, "duration_seconds"),
        .token_file = sm_aws_setting(settings, profile, "web_identity_token_file"),
    };
    if (role.arn == NULL) return SM_OK;
    if (sm_aws_setting(settings, profile, "mfa_serial") != NULL)
        return sm_fail(SM_ERR_ACCESS,
                       "the profile '%s' has mfa_serial, and there is nobody to ask: "
                       "put its credentials into the environment first",
                       profile);
    sm_aws_keys *source = NULL;
    sm_status status = SM_OK;
    if (role.token_file == NULL) status = source_of_role(&source, settings, profile, depth);
    role.source = source;
    if (status == SM_OK) status = sm_aws_keys_of_role(keys, settings, &role);
    sm_aws_keys_drop(source);
    return status;
}

static sm_status of_profile(sm_aws_keys **keys, const sm_aws_settings *settings,
                            const char *profile, unsigned depth)
{
    sm_status status = role_of_profile(keys, settings, profile, depth);
    if (status == SM_OK && *keys == NULL) status = static_keys(keys, settings, profile);
    if (status == SM_OK && *keys == NULL) status = refuse_helpers(settings, profile);
    return status;
}

sm_status sm_aws_keys_of_files(sm_aws_keys **keys, const sm_aws_settings *settings)
{
    return of_profile(keys, settings, sm_aws_profile(settings), 0);
}

/* ---- All of them, in the order of AWS's own tools */

static sm_status find(sm_aws_keys **keys)
{
    const char *told = sm_aws_env("SHARDMILL_S3_ANONYMOUS");
    if (told != NULL && strcmp(told, "0") != 0)
        return anonymous(keys, "SHARDMILL_S3_ANONYMOUS is set");
    sm_status status = of_environment(keys);
    if (status != SM_OK || *keys != NULL) return status;

    sm_aws_settings *settings;
    status = sm_aws_settings_read(&settings);
    if (status != SM_OK) return status;
    status = of_environment_role(keys, settings);
    if (status == SM_OK && *keys == NULL) status = sm_aws_keys_of_files(keys, settings);
    sm_aws_settings_free(settings);
    if (status == SM_OK && *keys == NULL) status = sm_aws_keys_of_container(keys);
    if (status == SM_OK && *keys == NULL) status = sm_aws_keys_of_machine(keys);
    if (status == SM_OK && *keys == NULL) status = anonymous(keys, "no AWS credentials were found");
    return status;
}

/* ---- This process's */

static struct {
    pthread_mutex_t lock; /* also held while they are fetched: the others wait for the same */
    sm_aws_keys *keys;
    bool stale;    /* the store refuses them */
    int64_t asked; /* seconds since 1970 */
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_fresh(const sm_aws_keys *keys, int64_t now)
{
    if (keys == NULL || current.stale || keys->expires <= now) return false;
    return keys->expires - REFRESH_BEFORE > now || current.asked + REFRESH_PAUSE > now;
}

static sm_status refresh(void)
{
    int64_t now = (int64_t)time(NULL);
    const sm_aws_keys *have = current.keys;
    if (is_fresh(have, now)) return SM_OK;
    sm_aws_keys *found = NULL;
    current.asked = now;
    sm_status status = find(&found);
    if (status != SM_OK) {
        /* A source that does not answer now may do so before these end. */
        if (have != NULL && !current.stale && have->expires > now) return SM_OK;
        /* Nobody shall take this for an object that is not there. */
        if (status == SM_ERR_NOT_FOUND || status == SM_ERR_CONFLICT) status = SM_ERR_ACCESS;
        return sm_fail_prefix(status, "cannot get credentials for S3");
    }
    sm_aws_keys_drop(current.keys);
    current.keys = found;
    current.stale = false;
    return SM_OK;
}

sm_status sm_aws_keys_take(sm_aws_keys **keys)
{
    pthread_mutex_lock(&current.lock);
    sm_status status = refresh();
    if (status == SM_OK) {
        atomic_fetch_add(&current.keys->holders, 1);
        *keys = current.keys;
    }
    pthread_mutex_unlock(&current.lock);
    return status;
}

bool sm_aws_keys_renew(const sm_aws_keys *keys)
{
    pthread_mutex_lock(&current.lock);
    bool in_use = current.keys == keys;
    /* Those of the environment and of files that did not change would be the same again; asking
     * once costs little, and a file may have changed. */
    if (in_use) current.stale = true;
    pthread_mutex_unlock(&current.lock);
    return true;
}
