/*
 * What this machine's processor can do. The compilers' __builtin_cpu_supports is not asked: it
 * needs a part of the compiler's own library, which not every one has (zig's says no to all).
 */
#ifndef SMJ_CPU_H
#define SMJ_CPU_H

#include <stdbool.h>

/* AVX2, with BMI, BMI2 and POPCNT. */
bool smj_cpu_has_avx2(void);

/* All of these, and AVX-512's F, BW, VL, CD, VBMI, VBMI2 and VNNI. */
bool smj_cpu_has_avx512(void);

#endif
