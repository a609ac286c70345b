/*
 * Loeffler, Ligtenberg and Moschytz's DCT of eight points with 11 multiplications (ICASSP 1989), in
 * 13-bit fixed point: the arithmetic of libjpeg's JDCT_ISLOW, rounding included.
 *
 * Rows are transformed first, then columns; between the passes values keep SMJ_PASS_BITS more bits.
 * A block comes out 8 times as large as T.81's A.3.3 has it.
 */
#ifndef SMJ_DCT_H
#define SMJ_DCT_H

/* Factors times 2^SMJ_FIXED_BITS, rounded; the name has the first digits. */
enum {
    SMJ_FIXED_BITS = 13,
    SMJ_PASS_BITS = 2,
    SMJ_F0211 = 1730,  /* 0.211164243, this and others for the scaled inverses */
    SMJ_F0298 = 2446,  /* 0.298631336 */
    SMJ_F0390 = 3196,  /* 0.390180644 */
    SMJ_F0509 = 4176,  /* 0.509795579 */
    SMJ_F0541 = 4433,  /* 0.541196100 */
    SMJ_F0601 = 4926,  /* 0.601344887 */
    SMJ_F0720 = 5906,  /* 0.720959822 */
    SMJ_F0765 = 6270,  /* 0.765366865 */
    SMJ_F0850 = 6967,  /* 0.850430095 */
    SMJ_F0899 = 7373,  /* 0.899976223 */
    SMJ_F1061 = 8697,  /* 1.061594337 */
    SMJ_F1175 = 9633,  /* 1.175875602 */
    SMJ_F1272 = 10426, /* 1.272758580 */
    SMJ_F1451 = 11893, /* 1.451774981 */
    SMJ_F1501 = 12299, /* 1.501321110 */
    SMJ_F1847 = 15137, /* 1.847759065 */
    SMJ_F1961 = 16069, /* 1.961570560 */
    SMJ_F2053 = 16819, /* 2.053119869 */
    SMJ_F2172 = 17799, /* 2.172734803 */
    SMJ_F2562 = 20995, /* 2.562915447 */
    SMJ_F3072 = 25172, /* 3.072711026 */
    SMJ_F3624 = 29692  /* 3.624509785 */
};

#endif
