/* Where an object of S3 lies: URLs, endpoints, styles. */
#include "io/s3.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_MAX = 255, HOST_LABEL_MAX = 63, PARAMS_MAX = 16 };

sm_status sm_s3_place_of(sm_s3_place *place, const char *url)
{
    if (strncmp(url, "s3://", 5) != 0)
        return sm_fail(SM_ERR_USAGE, "'%s' is no URL of S3: it should be s3://bucket/key", url);
    const char *bucket = url + 5;
    size_t len = strcspn(bucket, "/");
    if (len == 0) return sm_fail(SM_ERR_USAGE, "'%s' names no bucket: s3://bucket/key", url);
    /* Nothing else may get into the name of a host. */
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)bucket[i]) && strchr(".-_", bucket[i]) == NULL)
            return sm_fail(
                SM_ERR_USAGE,
                "'%s' names no bucket: a bucket's name has letters, digits, '.', '-' and "
                "'_' (ARNs are not understood)",
                url);
    if (len > BUCKET_MAX || bucket[0] == '.')
        return sm_fail(SM_ERR_USAGE, "'%s': no bucket has such a name", url);
    char *copy = strdup(bucket);
    if (copy == NULL) return sm_fail_memory(strlen(bucket));
    place->bucket = copy;
    place->key = copy + len;
    if (copy[len] == '/') {
        copy[len] = '\0';
        place->key++;
    }
    return SM_OK;
}

void sm_s3_place_free(sm_s3_place *place)
{
    free(place->bucket);
    *place = (sm_s3_place){0};
}

/* ---- Endpoints */

static sm_status read_url(sm_s3_endpoint *endpoint, const char *url)
{
    if (url == NULL) return SM_OK;
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0 || url[scheme] == '\0' || url[scheme] == '/' || strpbrk(url, "@?# \t") != NULL)
        return sm_fail(SM_ERR_USAGE,
                       "the endpoint of S3 (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's "
                       "endpoint_url) should be https://host[:port] and no more");
    endpoint->url = strdup(url);
    if (endpoint->url == NULL) return sm_fail_memory(strlen(url));
    size_t len = strlen(url);
    while (len > 0 && endpoint->url[len - 1] == '/') endpoint->url[--len] = '\0';
    return SM_OK;
}

/* It becomes part of a host's name. */
static sm_status read_region(sm_s3_endpoint *endpoint, const char *region)
{
    if (region == NULL) return SM_OK;
    if (strlen(region) >= SM_HTTP_REGION_MAX ||
        strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
            strlen(region))
        return sm_fail(SM_ERR_USAGE,
                       "'%s' is no region (AWS_REGION, AWS_DEFAULT_REGION or the "
                       "profile's region)",
                       region);
    endpoint->region = strdup(region);
    return endpoint->region == NULL ? sm_fail_memory(strlen(region)) : SM_OK;
}

static sm_status read_style(sm_s3_endpoint *endpoint, const sm_aws_settings *settings)
{
    const char *forced = sm_aws_env("AWS_S3_FORCE_PATH_STYLE");
    if (forced != NULL) {
        bool yes = strcasecmp(forced, "true") == 0 || strcmp(forced, "1") == 0;
        endpoint->style = yes ? SM_S3_STYLE_PATH : SM_S3_STYLE_AUTO;
        if (yes) return SM_OK;
    }
    const char *told = sm_aws_setting(settings, sm_aws_profile(settings), "s3.addressing_style");
    if (told == NULL || strcasecmp(told, "auto") == 0)
        endpoint->style = SM_S3_STYLE_AUTO;
    else if (strcasecmp(told, "path") == 0)
        endpoint->style = SM_S3_STYLE_PATH;
    else if (strcasecmp(told, "virtual") == 0)
        endpoint->style = SM_S3_STYLE_VIRTUAL;
    else
        return sm_fail(SM_ERR_USAGE,
                       "addressing_style of the profile '%s' should be auto, path or "
                       "virtual",
                       sm_aws_profile(settings));
    return SM_OK;
}

sm_status sm_s3_endpoint_read(sm_s3_endpoint *endpoint)
{
    sm_aws_settings *settings;
    sm_status status = sm_aws_settings_read(&settings);
    if (status != SM_OK) return status;
    sm_s3_endpoint made = {0};
    status = read_url(&made, sm_aws_endpoint(settings, "S3"));
    if (status == SM_OK) status = read_region(&made, sm_aws_region(settings));
    if (status == SM_OK) status = read_style(&made, settings);
    sm_aws_settings_free(settings);
    if (status == SM_OK)
        *endpoint = made;
    else
        sm_s3_endpoint_free(&made);
    return status;
}

void sm_s3_endpoint_free(sm_s3_endpoint *endpoint)
{
    free(endpoint->url);
    free(endpoint->region);
    *endpoint = (sm_s3_endpoint){0};
}

/* ---- URLs */

static bool fits_a_host(const char *bucket)
{
    size_t len = strlen(bucket);
    return len <= HOST_LABEL_MAX &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && bucket[0] != '-' &&
           bucket[len - 1] != '-';
}

static bool is_path_style(const sm_s3_endpoint *endpoint, const char *bucket)
{
    if (endpoint->style == SM_S3_STYLE_PATH || !fits_a_host(bucket)) return true;
    return endpoint->style == SM_S3_STYLE_AUTO && endpoint->url != NULL;
}

sm_status sm_s3_append_url(sm_buf *url, const sm_s3_endpoint *endpoint, const char *region,
                           const sm_s3_place *place)
{
    bool path_style = is_path_style(endpoint, place->bucket);
    const char *subdomain = path_style ? "" : place->bucket;
    const char *dot = path_style ? "" : ".";
    sm_status status;
    if (endpoint->url == NULL) {
        status = sm_buf_printf(url, "https://%s%ss3.%s.%s", subdomain, dot, region,
                               sm_aws_domain(region));
    } else {
        const char *host = strstr(endpoint->url, "//") + 2;
        status = sm_buf_printf(url, "%.*s%s%s%s", (int)(host - endpoint->url), endpoint->url,
                               subdomain, dot, host);
    }
    if (status == SM_OK && path_style) status = sm_buf_printf(url, "/%s", place->bucket);
    if (status == SM_OK) status = sm_buf_append_str(url, "/");
    return status == SM_OK ? sm_http_append_encoded(url, place->key, true) : status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sm_s3_param *)a)->name, ((const sm_s3_param *)b)->name);
}

/* Names are ours, all different and of unreserved characters: sorted as they are is sorted as they
 * are encoded. */
sm_status sm_s3_append_query(sm_buf *url, const sm_s3_param *params, size_t count)
{
    sm_s3_param sorted[PARAMS_MAX];
    if (count > PARAMS_MAX) return sm_fail(SM_ERR_INTERNAL, "a query has too many parameters");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (params[i].value != NULL) sorted[kept++] = params[i];
    qsort(sorted, kept, sizeof *sorted, by_name);
    for (size_t i = 0; i < kept; i++) {
        sm_status status = sm_buf_printf(url, "%c%s=", i == 0 ? '?' : '&', sorted[i].name);
        if (status == SM_OK) status = sm_http_append_encoded(url, sorted[i].value, false);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}
