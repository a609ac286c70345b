#include "io/sum.h"

#include "core/crc32c.h"
#include "core/status.h"

#include <openssl/evp.h>
#include <string.h>

sm_status sm_summer_init(sm_summer *summer, sm_sum_kind kind)
{
    *summer = (sm_summer){.kind = kind};
    if (kind != SM_SUM_MD5) return SM_OK;
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    if (md5 == NULL || EVP_DigestInit_ex(md5, EVP_md5(), NULL) != 1) {
        /* A machine whose rules forbid MD5: there is nothing to check with. */
        EVP_MD_CTX_free(md5);
        summer->kind = SM_SUM_NONE;
        return SM_OK;
    }
    summer->md5 = md5;
    return SM_OK;
}

void sm_summer_add(sm_summer *summer, const void *data, size_t len)
{
    if (len == 0) return;
    if (summer->kind == SM_SUM_CRC32C) summer->crc = sm_crc32c(summer->crc, data, len);
    if (summer->kind == SM_SUM_MD5) EVP_DigestUpdate(summer->md5, data, len);
}

static void put_crc(sm_sum *sum, uint32_t crc)
{
    *sum = (sm_sum){.kind = SM_SUM_CRC32C};
    for (int i = 0; i < 4; i++) sum->bytes[i] = (uint8_t)(crc >> (24 - 8 * i));
}

void sm_summer_end(sm_summer *summer, sm_sum *sum)
{
    *sum = (sm_sum){.kind = summer->kind};
    if (summer->kind == SM_SUM_CRC32C) put_crc(sum, summer->crc);
    if (summer->kind == SM_SUM_MD5) EVP_DigestFinal_ex(summer->md5, sum->bytes, NULL);
    EVP_MD_CTX_free(summer->md5);
    *summer = (sm_summer){0};
}

bool sm_sum_agrees(const sm_sum *a, const sm_sum *b)
{
    if (a->kind == SM_SUM_NONE || b->kind == SM_SUM_NONE || a->kind != b->kind) return true;
    return memcmp(a->bytes, b->bytes, a->kind == SM_SUM_MD5 ? 16 : 4) == 0;
}

sm_status sm_sum_check(const sm_sum *sum, const void *data, size_t len)
{
    sm_summer summer;
    sm_sum found;
    sm_status status = sm_summer_init(&summer, sum->kind);
    if (status != SM_OK) return status;
    sm_summer_add(&summer, data, len);
    sm_summer_end(&summer, &found);
    if (sm_sum_agrees(sum, &found)) return SM_OK;
    return sm_fail(SM_ERR_CORRUPT, "the bytes that came do not have the %s that the store has",
                   sum->kind == SM_SUM_MD5 ? "MD5" : "CRC-32C");
}

bool sm_sum_of_base64(sm_sum *sum, sm_sum_kind kind, const char *text, size_t len)
{
    const size_t want = kind == SM_SUM_MD5 ? 16 : 4;
    const size_t padding = 2; /* of both */
    uint8_t decoded[24];
    if (len != (want + padding) / 3 * 4 || memcmp(text + len - padding, "==", padding) != 0)
        return false;
    if (EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)len) != (int)(want + padding))
        return false;
    *sum = (sm_sum){.kind = kind};
    memcpy(sum->bytes, decoded, want);
    return true;
}

void sm_sum_of_checksums(sm_sum *sum, const char *text)
{
    sm_sum found = {0};
    while (*text != '\0') {
        text += strspn(text, ", ");
        size_t len = strcspn(text, ",");
        sm_sum one = {0};
        if (len > 7 && strncmp(text, "crc32c=", 7) == 0) {
            if (sm_sum_of_base64(&one, SM_SUM_CRC32C, text + 7, len - 7)) found = one;
        } else if (len > 4 && strncmp(text, "md5=", 4) == 0 && found.kind == SM_SUM_NONE) {
            if (sm_sum_of_base64(&one, SM_SUM_MD5, text + 4, len - 4)) found = one;
        }
        text += len;
    }
    *sum = found;
}

void sm_sum_crc32c_base64(char text[9], uint32_t crc)
{
    sm_sum sum;
    put_crc(&sum, crc);
    EVP_EncodeBlock((unsigned char *)text, sum.bytes, 4);
}
