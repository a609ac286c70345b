/* Byte shuffles for vector code, derived from the order of the scan. */
#include "jpeg/encode_kernels.h"

#include <string.h>

/* A shuffle of eight 16-bit numbers: number `to` of the outcome is number `from` of the source. */
static void set_pick(int8_t *shuffle, int to, int from)
{
    shuffle[2 * to] = (int8_t)(2 * from);
    shuffle[2 * to + 1] = (int8_t)(2 * from + 1);
}

static void set_zigzag(smj_shuffles *shuffles)
{
    memset(shuffles->zigzag, -1, sizeof shuffles->zigzag);
    for (int k = 0; k < SMJ_BLOCK; k++) {
        int8_t *shuffle = shuffles->zigzag[k / 8][smj_zigzag[k] / 8];
        set_pick(shuffle, k % 8, smj_zigzag[k] % 8);
        set_pick(shuffle + 16, k % 8, smj_zigzag[k] % 8);
    }
}

static void set_marked(smj_shuffles *shuffles)
{
    memset(shuffles->marked, -1, sizeof shuffles->marked);
    memset(shuffles->indices, 0, sizeof shuffles->indices);
    for (int marks = 0; marks < 256; marks++) {
        int count = 0;
        for (int i = 0; i < 8; i++) {
            if ((marks >> i & 1) == 0) continue;
            set_pick(shuffles->marked[marks], count, i);
            shuffles->indices[marks][count++] = (uint8_t)i;
        }
    }
}

void smj_shuffles_set(smj_shuffles *shuffles)
{
    set_zigzag(shuffles);
    set_marked(shuffles);
}
