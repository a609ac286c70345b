/* The two CRCs that S3's clients give objects beside CRC-32C. */
#ifndef SM_CORE_CRC_H
#define SM_CORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 (ISO-HDLC: zlib's, PNG's) and CRC-64/NVME (NVM Express NVM Command Set Specification,
 * "64b CRC"), as S3's x-amz-checksum-crc32 and x-amz-checksum-crc64nvme have them. Each goes on
 * from crc (0 to begin). Carry-less multiplication (PCLMULQDQ) where the machine has it, else
 * tables; the same value always. */
uint32_t sm_crc32(uint32_t crc, const void *data, size_t len);
uint64_t sm_crc64nvme(uint64_t crc, const void *data, size_t len);

/* The tables alone: the twins that tests hold against the instruction. */
uint32_t sm_crc32_portable(uint32_t crc, const void *data, size_t len);
uint64_t sm_crc64nvme_portable(uint64_t crc, const void *data, size_t len);

#endif
