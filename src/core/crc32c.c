#include "core/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#define HAVE_INSTRUCTION 1
#if defined(__clang__) && __clang_major__ >= 14 /* to which sse4.2 does not mean it any more */
#define CRC_TARGET __attribute__((target("sse4.2,crc32")))
#else
#define CRC_TARGET __attribute__((target("sse4.2")))
#endif
#define CRC_WORD(c, w) ((uint32_t)_mm_crc32_u64((c), (w)))
#define CRC_BYTE(c, b) _mm_crc32_u8((c), (b))
#elif defined(__aarch64__) && defined(__linux__) && defined(__AARCH64EL__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define HAVE_INSTRUCTION 1
#if defined(__clang__)
#define CRC_TARGET     __attribute__((target("crc")))
#define CRC_WORD(c, w) __builtin_arm_crc32cd((c), (w))
#define CRC_BYTE(c, b) __builtin_arm_crc32cb((c), (b))
#else
#include <arm_acle.h>
#define CRC_TARGET     __attribute__((target("+crc")))
#define CRC_WORD(c, w) __crc32cd((c), (w))
#define CRC_BYTE(c, b) __crc32cb((c), (b))
#endif
#endif

enum {
    POLYNOMIAL_BITS = 32,
    LANE = 1024 /* bytes of each of three streams: long enough to hide what joining them costs */
};

static const uint32_t POLYNOMIAL = 0x82f63b78u; /* reflected, as both instructions have it */

/* slices[k][b]: the CRC of byte b and k zero bytes behind it. */
static uint32_t slices[8][256];

#if defined(HAVE_INSTRUCTION)
/* lane_shift[k][b]: what byte k of a CRC becomes when LANE zero bytes follow. A CRC is linear, so
 * the shift of all four bytes is the sum (xor) of theirs. */
static uint32_t lane_shift[4][256];
static bool instruction_there;
#endif

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void fill_slices(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        slices[0][b] = crc;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            slices[k][b] = (slices[k - 1][b] >> 8) ^ slices[0][slices[k - 1][b] & 0xff];
}

#if defined(HAVE_INSTRUCTION)
static void fill_lane_shift(void)
{
    uint32_t shifted[POLYNOMIAL_BITS];
    for (int bit = 0; bit < POLYNOMIAL_BITS; bit++) {
        uint32_t crc = 1u << bit;
        for (int i = 0; i < LANE; i++) crc = (crc >> 8) ^ slices[0][crc & 0xff];
        shifted[bit] = crc;
    }
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++)
            for (int bit = 0; bit < 8; bit++)
                if (b >> bit & 1) lane_shift[k][b] ^= shifted[8 * k + bit];
}

static bool find_instruction(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_2) != 0;
#else
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#endif
}
#endif

static void prepare(void)
{
    fill_slices();
#if defined(HAVE_INSTRUCTION)
    fill_lane_shift();
    instruction_there = find_instruction();
#endif
}

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t sm_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&prepared, prepare);
    const uint8_t *p = data;
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = crc ^ load_le32(p), high = load_le32(p + 4);
        crc = slices[7][low & 0xff] ^ slices[6][low >> 8 & 0xff] ^ slices[5][low >> 16 & 0xff] ^
              slices[4][low >> 24] ^ slices[3][high & 0xff] ^ slices[2][high >> 8 & 0xff] ^
              slices[1][high >> 16 & 0xff] ^ slices[0][high >> 24];
    }
    for (; len > 0; p++, len--) crc = (crc >> 8) ^ slices[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(HAVE_INSTRUCTION)
static uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static uint32_t shift_by_lane(uint32_t crc)
{
    return lane_shift[0][crc & 0xff] ^ lane_shift[1][crc >> 8 & 0xff] ^
           lane_shift[2][crc >> 16 & 0xff] ^ lane_shift[3][crc >> 24];
}

/* The instruction takes three cycles and can start every cycle: three streams keep it busy. */
CRC_TARGET static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    for (; len >= 3 * LANE; p += 3 * LANE, len -= 3 * LANE) {
        uint32_t second = 0, third = 0;
        for (const uint8_t *q = p; q < p + LANE; q += 8) {
            crc = CRC_WORD(crc, load_word(q));
            second = CRC_WORD(second, load_word(q + LANE));
            third = CRC_WORD(third, load_word(q + 2 * LANE));
        }
        crc = shift_by_lane(shift_by_lane(crc) ^ second) ^ third;
    }
    for (; len >= 8; p += 8, len -= 8) crc = CRC_WORD(crc, load_word(p));
    for (; len > 0; p++, len--) crc = CRC_BYTE(crc, *p);
    return ~crc;
}
#endif

uint32_t sm_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(HAVE_INSTRUCTION)
    pthread_once(&prepared, prepare);
    if (instruction_there) return crc_by_instruction(crc, data, len);
#endif
    return sm_crc32c_portable(crc, data, len);
}
