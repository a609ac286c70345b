#include "core/hash.h"

#include "core/status.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

sm_status sm_hash_new(sm_hash **hash)
{
    sm_hash *made = XXH3_createState();
    if (made == NULL) return sm_fail(SM_ERR_MEMORY, "cannot get memory for a hash");
    *hash = made;
    sm_hash_reset(made);
    return SM_OK;
}

void sm_hash_free(sm_hash *hash)
{
    XXH3_freeState(hash); /* takes NULL */
}

void sm_hash_reset(sm_hash *hash)
{
    XXH3_128bits_reset(hash);
}

void sm_hash_bytes(sm_hash *hash, const void *data, size_t len)
{
    XXH3_128bits_update(hash, data, len);
}

void sm_hash_u64(sm_hash *hash, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    sm_hash_bytes(hash, bytes, sizeof bytes);
}

void sm_hash_str(sm_hash *hash, const char *text)
{
    sm_hash_bytes(hash, text, strlen(text) + 1);
}

void sm_hash_hex(const sm_hash *hash, char hex[SM_FINGERPRINT_SIZE])
{
    XXH128_hash_t digest = XXH3_128bits_digest(hash);
    snprintf(hex, SM_FINGERPRINT_SIZE, "%016llx%016llx", (unsigned long long)digest.high64,
             (unsigned long long)digest.low64);
}

uint64_t sm_hash_key(const char *text, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(text, len, seed);
}
