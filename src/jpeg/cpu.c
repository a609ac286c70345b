#include "jpeg/cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

/* Bits of CPUID and XCR0 (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
 * CPUID; volume 1, 13.3). */
#define BIT(number) ((uint32_t)1 << (number))

enum { STATE_YMM = 0x06, STATE_ZMM = 0xe6 };

typedef struct features {
    uint32_t one_c;            /* leaf 1, ECX */
    uint32_t seven_b, seven_c; /* leaf 7, EBX and ECX */
    uint32_t state;            /* of registers that the system keeps for each thread */
} features;

static features find_features(void)
{
    features f = {0};
    uint32_t a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) f.one_c = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
        f.seven_b = b;
        f.seven_c = c;
    }
    const uint32_t osxsave = BIT(27);
    if ((f.one_c & osxsave) != 0) __asm__("xgetbv" : "=a"(f.state), "=d"(d) : "c"(0));
    return f;
}

static bool has(uint32_t found, uint32_t wanted)
{
    return (found & wanted) == wanted;
}

static bool can_avx2(const features *f)
{
    const uint32_t popcnt = BIT(23), bmi = BIT(3), avx2 = BIT(5), bmi2 = BIT(8);
    return has(f->state, STATE_YMM) && has(f->one_c, popcnt) && has(f->seven_b, bmi | avx2 | bmi2);
}

bool smj_cpu_has_avx2(void)
{
    const features f = find_features();
    return can_avx2(&f);
}

bool smj_cpu_has_avx512(void)
{
    const features f = find_features();
    const uint32_t foundation = BIT(16), cd = BIT(28), bw = BIT(30), vl = BIT(31);
    const uint32_t vbmi = BIT(1), vbmi2 = BIT(6), vnni = BIT(11);
    return can_avx2(&f) && has(f.state, STATE_ZMM) && has(f.seven_b, foundation | cd | bw | vl) &&
           has(f.seven_c, vbmi | vbmi2 | vnni);
}

#else

bool smj_cpu_has_avx2(void)
{
    return false;
}

bool smj_cpu_has_avx512(void)
{
    return false;
}

#endif
