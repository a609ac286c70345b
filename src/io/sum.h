/* The checksums that stores keep of objects: computed, compared, read from base64. */
#ifndef SM_IO_SUM_H
#define SM_IO_SUM_H

#include "io/io.h"

/* A sum that is being made, of the kind that it shall be compared with. */
typedef struct sm_summer {
    sm_sum_kind kind;
    uint64_t crc;
    void *md5; /* EVP_MD_CTX; NULL: none */
} sm_summer;

/* kind SM_SUM_NONE takes no memory and sums nothing. */
sm_status sm_summer_init(sm_summer *summer, sm_sum_kind kind);
void sm_summer_add(sm_summer *summer, const void *data, size_t len);
/* The sum so far, at the end; frees what summer holds. A zeroed summer is fine. */
void sm_summer_end(sm_summer *summer, sm_sum *sum);

/* True also when either is SM_SUM_NONE: there is nothing to compare. */
bool sm_sum_agrees(const sm_sum *a, const sm_sum *b);

/* The same of bytes that are all there: SM_ERR_CORRUPT when data are not what sum says. */
sm_status sm_sum_check(const sm_sum *sum, const void *data, size_t len);

/* The sum that text such as "crc32c=n03x6A==,md5=…" tells, of several the CRC of 64 bits, else the
 * one that is soonest made; NONE: no such. That of an object's parts ("n03x6A==-3") is none. */
void sm_sum_of_checksums(sm_sum *sum, const char *text);

/* From base64 of as many bytes as the kind has; false: it is none. */
bool sm_sum_of_base64(sm_sum *sum, sm_sum_kind kind, const char *text, size_t len);

/* Eight characters and a NUL. */
void sm_sum_crc32c_base64(char text[9], uint32_t crc);

#endif
