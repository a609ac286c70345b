#include "io/sum.h"

#include "core/crc.h"
#include "core/crc32c.h"
#include "core/status.h"

#include <openssl/evp.h>
#include <string.h>

static const struct {
    const char *key;  /* before the "=" in what a reply says */
    const char *name; /* for people */
    size_t size;      /* bytes */
} kinds[] = {
    [SM_SUM_NONE] = {"", "", 0},
    [SM_SUM_CRC32C] = {"crc32c", "CRC-32C", 4},
    [SM_SUM_CRC32] = {"crc32", "CRC-32", 4},
    [SM_SUM_CRC64NVME] = {"crc64nvme", "CRC-64/NVME", 8},
    [SM_SUM_MD5] = {"md5", "MD5", 16},
};

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
    switch (summer->kind) {
    case SM_SUM_NONE: break;
    case SM_SUM_CRC32C: summer->crc = sm_crc32c((uint32_t)summer->crc, data, len); break;
    case SM_SUM_CRC32: summer->crc = sm_crc32((uint32_t)summer->crc, data, len); break;
    case SM_SUM_CRC64NVME: summer->crc = sm_crc64nvme(summer->crc, data, len); break;
    case SM_SUM_MD5: EVP_DigestUpdate(summer->md5, data, len); break;
    }
}

static void put_crc(sm_sum *sum, sm_sum_kind kind, uint64_t crc)
{
    *sum = (sm_sum){.kind = kind};
    for (size_t i = kinds[kind].size; i > 0; i--, crc >>= 8) sum->bytes[i - 1] = (uint8_t)crc;
}

void sm_summer_end(sm_summer *summer, sm_sum *sum)
{
    if (summer->kind != SM_SUM_MD5) {
        put_crc(sum, summer->kind, summer->crc);
    } else {
        *sum = (sm_sum){.kind = SM_SUM_MD5};
        EVP_DigestFinal_ex(summer->md5, sum->bytes, NULL);
    }
    EVP_MD_CTX_free(summer->md5);
    *summer = (sm_summer){0};
}

bool sm_sum_agrees(const sm_sum *a, const sm_sum *b)
{
    if (a->kind == SM_SUM_NONE || b->kind == SM_SUM_NONE || a->kind != b->kind) return true;
    return memcmp(a->bytes, b->bytes, kinds[a->kind].size) == 0;
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
                   kinds[sum->kind].name);
}

bool sm_sum_of_base64(sm_sum *sum, sm_sum_kind kind, const char *text, size_t len)
{
    const size_t want = kinds[kind].size;
    const size_t padding = 2 - (want - 1) % 3;
    uint8_t decoded[24];
    if (len != (want + padding) / 3 * 4 || memcmp(text + len - padding, "==", padding) != 0)
        return false;
    if (EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)len) != (int)(want + padding))
        return false;
    *sum = (sm_sum){.kind = kind};
    memcpy(sum->bytes, decoded, want);
    return true;
}

/* What text (of len characters) says in the kind's words. */
static bool read_sum(sm_sum *sum, sm_sum_kind kind, const char *text, size_t len)
{
    size_t key = strlen(kinds[kind].key);
    return len > key + 1 && strncmp(text, kinds[kind].key, key) == 0 && text[key] == '=' &&
           sm_sum_of_base64(sum, kind, text + key + 1, len - key - 1);
}

void sm_sum_of_checksums(sm_sum *sum, const char *text)
{
    static const sm_sum_kind best[] = {SM_SUM_CRC64NVME, SM_SUM_CRC32C, SM_SUM_CRC32, SM_SUM_MD5};
    const size_t count = sizeof best / sizeof *best;
    size_t rank = count;
    *sum = (sm_sum){0};
    while (*text != '\0') {
        text += strspn(text, ", ");
        size_t len = strcspn(text, ",");
        for (size_t i = 0; i < rank; i++)
            if (read_sum(sum, best[i], text, len)) rank = i;
        text += len;
    }
}

void sm_sum_crc32c_base64(char text[9], uint32_t crc)
{
    sm_sum sum;
    put_crc(&sum, SM_SUM_CRC32C, crc);
    EVP_EncodeBlock((unsigned char *)text, sum.bytes, 4);
}
