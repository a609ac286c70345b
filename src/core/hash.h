/* 128-bit fingerprints and 64-bit keys (XXH3: fast and stable across versions and machines; it
 * guards against change and accident, not against an adversary). */
#ifndef SM_CORE_HASH_H
#define SM_CORE_HASH_H

#include <shardmill.h>

enum { SM_FINGERPRINT_SIZE = 33 }; /* 32 hexadecimal digits and a NUL */

typedef struct XXH3_state_s sm_hash;

sm_status sm_hash_new(sm_hash **hash);
void sm_hash_free(sm_hash *hash);
void sm_hash_reset(sm_hash *hash);
void sm_hash_bytes(sm_hash *hash, const void *data, size_t len);
void sm_hash_u64(sm_hash *hash, uint64_t value); /* little-endian on every machine */
void sm_hash_str(sm_hash *hash,
                 const char *text); /* with its NUL, so that "a","bc" is not "ab","c" */
void sm_hash_hex(const sm_hash *hash, char hex[SM_FINGERPRINT_SIZE]);

/* A well-mixed key of text: for shuffling (sort by it) and splitting (compare it). */
uint64_t sm_hash_key(const char *text, size_t len, uint64_t seed);

#endif
