/* The encoder's inner loops for AVX2. */
#include "jpeg/encode_tokens.h"

#if defined(__x86_64__)

#include <immintrin.h>

const smj_kernels *smj_kernels_avx2(void)
{
    return NULL;
}

#else

const smj_kernels *smj_kernels_avx2(void)
{
    return NULL;
}

#endif
