/*
 * Both CRCs are reflected: bit i of a word of data is the coefficient of x^(63 - i), and the first
 * word of a message holds its highest powers. A CRC of 32 bits is one of 64 whose upper half is 0.
 *
 * Folding is of Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Intel, 2009): 16 bytes with the value A, followed by D bits, have the same
 * remainder as A * x^D mod P, added to what stands there. A long message so becomes 16 bytes, which
 * the tables take to their end.
 */
#include "core/crc.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <wmmintrin.h>
#define HAVE_FOLDING 1
#define FOLD_TARGET  __attribute__((target("pclmul")))
#endif

enum {
    LANES = 4,              /* of 16 bytes, folded beside each other */
    FOLDED_LEAST = 16 * 16, /* bytes; less is quicker by tables */
};

typedef struct crc_kind {
    uint64_t polynomial;     /* reflected, without its highest power */
    unsigned bits;           /* 32 or 64 */
    uint64_t slices[8][256]; /* [k][b]: the CRC of byte b and k zero bytes behind it */
    /* x^(D + 63) and x^(D - 1) mod P, for the two halves of 16 bytes; the product of two words
     * lies one bit too high, hence the - 1. */
    uint64_t over_lanes[2]; /* D = 128 * LANES */
    uint64_t over_one[2];   /* D = 128 */
} crc_kind;

static crc_kind crc32_kind = {.polynomial = 0xedb88320u, .bits = 32};
static crc_kind crc64_kind = {.polynomial = 0x9a6c9329ac4bc9b5u, .bits = 64};
static bool can_fold;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static uint64_t times_x(const crc_kind *kind, uint64_t value)
{
    return (value >> 1) ^ (value & 1 ? kind->polynomial : 0);
}

static void fill_slices(crc_kind *kind)
{
    for (uint64_t b = 0; b < 256; b++) {
        uint64_t crc = b;
        for (int bit = 0; bit < 8; bit++) crc = times_x(kind, crc);
        kind->slices[0][b] = crc;
    }
    for (uint64_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++) {
            uint64_t before = kind->slices[k - 1][b];
            kind->slices[k][b] = (before >> 8) ^ kind->slices[0][before & 0xff];
        }
}

/* x^power mod P as a word. */
static uint64_t power_of_x(const crc_kind *kind, unsigned power)
{
    uint64_t value = 1ull << (kind->bits - 1);
    for (unsigned i = 0; i < power; i++) value = times_x(kind, value);
    return value << (64 - kind->bits);
}

static void prepare_kind(crc_kind *kind)
{
    const unsigned lanes = 128 * LANES, one = 128;
    fill_slices(kind);
    kind->over_lanes[0] = power_of_x(kind, lanes + 63);
    kind->over_lanes[1] = power_of_x(kind, lanes - 1);
    kind->over_one[0] = power_of_x(kind, one + 63);
    kind->over_one[1] = power_of_x(kind, one - 1);
}

static void prepare(void)
{
    prepare_kind(&crc32_kind);
    prepare_kind(&crc64_kind);
#if defined(HAVE_FOLDING)
    unsigned a, b, c, d;
    can_fold = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_PCLMUL) != 0;
#endif
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) word = word << 8 | p[i];
    return word;
}

/* Neither takes nor gives the inverse. */
static uint64_t by_tables(const crc_kind *kind, uint64_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = crc ^ load_le64(p);
        crc = 0;
        for (int k = 7; k >= 0; k--, word >>= 8) crc ^= kind->slices[k][word & 0xff];
    }
    for (; len > 0; p++, len--) crc = (crc >> 8) ^ kind->slices[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(HAVE_FOLDING)
static __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static __m128i powers(const uint64_t of[2])
{
    return _mm_set_epi64x((long long)of[1], (long long)of[0]);
}

/* value, moved over the bits that by is for, and next. */
FOLD_TARGET static __m128i fold(__m128i value, __m128i by, __m128i next)
{
    __m128i first = _mm_clmulepi64_si128(value, by, 0x00);
    __m128i second = _mm_clmulepi64_si128(value, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

/* As by_tables; len is at least 16 * LANES. */
FOLD_TARGET static uint64_t by_folding(const crc_kind *kind, uint64_t crc, const uint8_t *p,
                                       size_t len)
{
    const size_t step = (size_t)16 * LANES;
    const __m128i over_lanes = powers(kind->over_lanes), over_one = powers(kind->over_one);
    __m128i lanes[LANES];
    for (int i = 0; i < LANES; i++) lanes[i] = load(p + 16 * i);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, (long long)crc));
    for (p += step, len -= step; len >= step; p += step, len -= step)
        for (int i = 0; i < LANES; i++) lanes[i] = fold(lanes[i], over_lanes, load(p + 16 * i));
    for (int i = 1; i < LANES; i++) lanes[i] = fold(lanes[i - 1], over_one, lanes[i]);
    uint8_t left[16];
    _mm_storeu_si128((__m128i *)left, lanes[LANES - 1]);
    return by_tables(kind, by_tables(kind, 0, left, sizeof left), p, len);
}
#endif

static uint64_t go_on(const crc_kind *kind, uint64_t crc, const uint8_t *p, size_t len)
{
#if defined(HAVE_FOLDING)
    if (can_fold && len >= FOLDED_LEAST) return by_folding(kind, crc, p, len);
#endif
    return by_tables(kind, crc, p, len);
}

uint32_t sm_crc32(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&prepared, prepare);
    return ~(uint32_t)go_on(&crc32_kind, ~crc, data, len);
}

uint64_t sm_crc64nvme(uint64_t crc, const void *data, size_t len)
{
    pthread_once(&prepared, prepare);
    return ~go_on(&crc64_kind, ~crc, data, len);
}

uint32_t sm_crc32_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&prepared, prepare);
    return ~(uint32_t)by_tables(&crc32_kind, ~crc, data, len);
}

uint64_t sm_crc64nvme_portable(uint64_t crc, const void *data, size_t len)
{
    pthread_once(&prepared, prepare);
    return ~by_tables(&crc64_kind, ~crc, data, len);
}
