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
    SMJ_F0298 = 2446,  /* 0.298631336 */
    SMJ_F0390 = 3196,  /* 0.390180644 */
    SMJ_F0541 = 4433,  /* 0.541196100 */
    SMJ_F0765 = 6270,  /* 0.765366865 */
    SMJ_F0899 = 7373,  /* 0.899976223 */
    SMJ_F1175 = 9633,  /* 1.175875602 */
    SMJ_F1501 = 12299, /* 1.501321110 */
    SMJ_F1847 = 15137, /* 1.847759065 */
    SMJ_F1961 = 16069, /* 1.961570560 */
    SMJ_F2053 = 16819, /* 2.053119869 */
    SMJ_F2562 = 20995, /* 2.562915447 */
    SMJ_F3072 = 25172  /* 3.072711026 */
};

#endif
