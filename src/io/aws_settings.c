/* The environment, ~/.aws/config and ~/.aws/credentials. */
#include "io/aws.h"
#include "io/ini.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sm_aws_settings {
    sm_ini *config, *credentials;
    char *profile;
};

enum { SECTION_MAX = 256 };

const char *sm_aws_env(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? NULL : value;
}

/* The path that variable names, or name below ~/.aws; NULL without a home. */
static sm_status settings_path(char **path, const char *variable, const char *name)
{
    const char *told = sm_aws_env(variable);
    const char *home = sm_aws_env("HOME");
    if (told != NULL && told[0] == '~' && told[1] == '/' && home != NULL) {
        if (asprintf(path, "%s%s", home, told + 1) < 0) return sm_fail_memory(strlen(told));
        return SM_OK;
    }
    if (told != NULL) {
        *path = strdup(told);
        return *path == NULL ? sm_fail_memory(strlen(told)) : SM_OK;
    }
    if (home != NULL && asprintf(path, "%s/.aws/%s", home, name) < 0) return sm_fail_memory(1);
    return SM_OK;
}

static sm_status read_ini(sm_ini **ini, const char *variable, const char *name)
{
    char *path = NULL;
    sm_status status = settings_path(&path, variable, name);
    if (status == SM_OK)
        status = path == NULL ? sm_ini_parse(ini, "", 0, name) : sm_ini_read(ini, path);
    free(path);
    return status;
}

sm_status sm_aws_settings_read(sm_aws_settings **settings)
{
    const char *told = sm_aws_env("AWS_PROFILE");
    if (told == NULL) told = sm_aws_env("AWS_DEFAULT_PROFILE");
    sm_aws_settings *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->profile = strdup(told == NULL ? "default" : told);
    sm_status status = made->profile == NULL ? sm_fail_memory(1) : SM_OK;
    if (status == SM_OK) status = read_ini(&made->config, "AWS_CONFIG_FILE", "config");
    if (status == SM_OK)
        status = read_ini(&made->credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    if (status == SM_OK && told != NULL && !sm_aws_has_profile(made, told))
        status = sm_fail(SM_ERR_USAGE,
                         "AWS_PROFILE names '%s', which is in neither ~/.aws/config nor "
                         "~/.aws/credentials (nor where AWS_CONFIG_FILE and "
                         "AWS_SHARED_CREDENTIALS_FILE point)",
                         told);
    if (status != SM_OK) {
        sm_aws_settings_free(made);
        return status;
    }
    *settings = made;
    return SM_OK;
}

void sm_aws_settings_free(sm_aws_settings *settings)
{
    if (settings == NULL) return;
    sm_ini_free(settings->config);
    sm_ini_free(settings->credentials);
    free(settings->profile);
    free(settings);
}

const char *sm_aws_profile(const sm_aws_settings *settings)
{
    return settings->profile;
}

/* In the config file only "default" may stand without the word "profile". */
static const char *config_setting(const sm_aws_settings *settings, const char *profile,
                                  const char *key)
{
    char section[SECTION_MAX];
    snprintf(section, sizeof section, "profile %s", profile);
    const char *value = sm_ini_get(settings->config, section, key);
    if (value == NULL && strcmp(profile, "default") == 0)
        value = sm_ini_get(settings->config, profile, key);
    return value;
}

bool sm_aws_has_profile(const sm_aws_settings *settings, const char *profile)
{
    char section[SECTION_MAX];
    if (snprintf(section, sizeof section, "profile %s", profile) >= SECTION_MAX) return false;
    return sm_ini_has(settings->credentials, profile) || sm_ini_has(settings->config, section) ||
           (strcmp(profile, "default") == 0 && sm_ini_has(settings->config, profile));
}

static const char *or_null(const char *value)
{
    return value == NULL || *value == '\0' ? NULL : value;
}

const char *sm_aws_setting(const sm_aws_settings *settings, const char *profile, const char *key)
{
    const char *value = or_null(sm_ini_get(settings->credentials, profile, key));
    return value != NULL ? value : or_null(config_setting(settings, profile, key));
}

const char *sm_aws_region(const sm_aws_settings *settings)
{
    const char *region = sm_aws_env("AWS_REGION");
    if (region == NULL) region = sm_aws_env("AWS_DEFAULT_REGION");
    if (region == NULL) region = sm_aws_setting(settings, settings->profile, "region");
    return region;
}

static bool is_true(const char *value)
{
    return value != NULL && (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

const char *sm_aws_endpoint(const sm_aws_settings *settings, const char *service)
{
    if (is_true(sm_aws_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))) return NULL;
    char name[SECTION_MAX];
    snprintf(name, sizeof name, "AWS_ENDPOINT_URL_%s", service);
    const char *url = sm_aws_env(name);
    if (url == NULL) url = sm_aws_env("AWS_ENDPOINT_URL");
    if (url != NULL) return url;
    const char *services = sm_aws_setting(settings, settings->profile, "services");
    if (services != NULL) {
        char key[SECTION_MAX];
        snprintf(name, sizeof name, "services %s", services);
        snprintf(key, sizeof key, "%s.endpoint_url", service); /* keys match in any case */
        url = or_null(sm_ini_get(settings->config, name, key));
    }
    return url != NULL ? url : sm_aws_setting(settings, settings->profile, "endpoint_url");
}

const char *sm_aws_domain(const char *region)
{
    return strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
}
