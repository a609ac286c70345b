/* What S3's replies say of an object. */
#include "core/hash.h"
#include "io/s3.h"
#include "io/sum.h"
#include "io/times.h"

#include <string.h>

void sm_s3_put_etag(sm_file_info *info, const char *etag)
{
    size_t len = strlen(etag);
    info->version = sm_hash_key(etag, len, 0);
    info->tag[0] = '\0';
    if (len < sizeof info->tag) memcpy(info->tag, etag, len + 1);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sm_s3_md5_of(sm_sum *sum, const sm_http_reply *reply, const char *bucket)
{
    static const char express[] = "--x-s3"; /* buckets whose ETags are random */
    *sum = (sm_sum){.kind = SM_SUM_NONE};
    size_t len = strlen(bucket);
    if (len > strlen(express) && strcmp(bucket + len - strlen(express), express) == 0) return;
    if (reply->encryption[0] != '\0' && strcmp(reply->encryption, "AES256") != 0) return;
    sm_sum read = {.kind = SM_SUM_MD5};
    if (strlen(reply->etag) != 34 || reply->etag[0] != '"' || reply->etag[33] != '"') return;
    for (int i = 0; i < 16; i++) {
        int high = hex_digit(reply->etag[1 + 2 * i]);
        int low = hex_digit(reply->etag[2 + 2 * i]);
        if (high < 0 || low < 0) return;
        read.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *sum = read;
}

void sm_s3_info_of(sm_file_info *info, const sm_http_reply *reply, const char *bucket)
{
    *info = (sm_file_info){.kind = SM_FILE_REGULAR, .size = reply->total_length};
    (void)sm_time_of_http(&info->mtime_ns, reply->last_modified); /* or stays 0 */
    sm_s3_put_etag(info, reply->etag);
    sm_sum_of_checksums(&info->sum, reply->checksums);
    if (info->sum.kind == SM_SUM_NONE) sm_s3_md5_of(&info->sum, reply, bucket);
}
