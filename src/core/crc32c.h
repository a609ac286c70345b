/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), and TFRecord's masked form of it. */
#ifndef SM_CORE_CRC32C_H
#define SM_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 to begin). SSE4.2 or ARMv8 instructions where the machine has them, else a
 * table; the same value always. */
uint32_t sm_crc32c(uint32_t crc, const void *data, size_t len);

/* The table alone: the twin that tests hold against the instructions. */
uint32_t sm_crc32c_portable(uint32_t crc, const void *data, size_t len);

/* tensorflow/core/lib/hash/crc32c.h: rotated right by 15 bits, plus 0xa282ead8. */
static inline uint32_t sm_crc32c_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

#endif
