#include "jpeg/huffman.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    LEAVES_MAX = SMJ_SYMBOLS + 1, /* one more than the symbols: see below */
    NODES_MAX = 2 * LEAVES_MAX,
    DEPTH_MAX = LEAVES_MAX, /* of a tree that is one long branch */
    SYMBOL_BITS = 9         /* of a key: the count stands above them */
};

/* Shell's sort: a hundred numbers, nearly random; qsort's calls alone take longer. */
static void sort(uint64_t *keys, int count)
{
    static const int gaps[] = {57, 23, 10, 4, 1};
    for (unsigned g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        const int gap = gaps[g];
        for (int i = gap; i < count; i++) {
            uint64_t key = keys[i];
            int j = i;
            for (; j >= gap && keys[j - gap] > key; j -= gap) keys[j] = keys[j - gap];
            keys[j] = key;
        }
    }
}

/* The symbols that occur, the rarest first; of equals the one with the higher number. */
static int rank(uint8_t *ranked, uint64_t *weights, const uint64_t *often)
{
    uint64_t keys[SMJ_SYMBOLS];
    int count = 0;
    for (uint64_t s = 0; s < SMJ_SYMBOLS; s++)
        if (often[s] != 0) keys[count++] = often[s] << SYMBOL_BITS | (SMJ_SYMBOLS - 1 - s);
    if (count == 0) keys[count++] = (uint64_t)1 << SYMBOL_BITS | (SMJ_SYMBOLS - 1);
    sort(keys, count);
    for (int i = 0; i < count; i++) {
        weights[i] = keys[i] >> SYMBOL_BITS;
        ranked[i] = (uint8_t)(SMJ_SYMBOLS - 1 - (keys[i] & ((1u << SYMBOL_BITS) - 1)));
    }
    return count;
}

/*
 * Huffman's tree over leaves with rising weights; deep[n] becomes the number of leaves at depth n.
 * Returns the depth of the deepest, which is the lightest.
 * Inner nodes come into being by rising weight too, so the two lightest nodes are always at the
 * head of the leaves or at the head of the inner nodes, and no queue need be kept in order.
 */
static int count_depths(int deep[DEPTH_MAX + 1], uint64_t *weights, int leaves)
{
    int parents[NODES_MAX], depths[NODES_MAX];
    const int root = 2 * leaves - 2;
    int leaf = 0, inner = leaves;
    for (int node = leaves; node <= root; node++) {
        weights[node] = 0;
        for (int child = 0; child < 2; child++) {
            /* of equals the leaf: that keeps the tree shallow */
            int lighter = leaf < leaves && (inner == node || weights[leaf] <= weights[inner])
                              ? leaf++
                              : inner++;
            weights[node] += weights[lighter];
            parents[lighter] = node;
        }
    }
    memset(deep, 0, (DEPTH_MAX + 1) * sizeof *deep);
    depths[root] = 0;
    for (int node = root - 1; node >= 0; node--) {
        depths[node] = depths[parents[node]] + 1;
        if (node < leaves) deep[depths[node]]++;
    }
    return depths[0];
}

/*
 * The same for the best tree that is no deeper than 16, by Larmore and Hirschberg's package-merge
 * (JACM 1990). On each level there are all leaves and the pairs of what is lightest on the level
 * before, in one row by weight. Of the last level the lightest 2 * leaves - 2 are taken, and of
 * each level before what their pairs were made of: a leaf is as deep as it was taken often.
 */
static void count_limited_depths(int deep[DEPTH_MAX + 1], const uint64_t *weights, int leaves)
{
    uint64_t rows[2][NODES_MAX];
    bool is_leaf[SMJ_CODE_BITS_MAX][NODES_MAX];
    int count = 0;
    for (int level = 0; level < SMJ_CODE_BITS_MAX; level++) {
        const uint64_t *before = rows[(level + 1) % 2];
        uint64_t *row = rows[level % 2];
        const int pairs = count / 2;
        int leaf = 0, pair = 0;
        for (count = 0; leaf < leaves || pair < pairs; count++) {
            const uint64_t both =
                pair < pairs ? before[(ptrdiff_t)2 * pair] + before[(ptrdiff_t)2 * pair + 1]
                             : UINT64_MAX;
            is_leaf[level][count] = leaf < leaves && weights[leaf] <= both;
            row[count] = is_leaf[level][count] ? weights[leaf++] : both;
            if (!is_leaf[level][count]) pair++;
        }
    }
    memset(deep, 0, (DEPTH_MAX + 1) * sizeof *deep);
    int taken = 2 * leaves - 2;
    for (int depth = 1; depth <= SMJ_CODE_BITS_MAX; depth++) {
        int deeper = 0; /* leaves taken here too: always the lightest */
        for (int i = 0; i < taken; i++) deeper += is_leaf[SMJ_CODE_BITS_MAX - depth][i];
        deep[depth - 1] -= deeper;
        deep[depth] = deeper;
        taken = 2 * (taken - deeper);
    }
    deep[0] = 0;
}

void smj_huffman_build(smj_huffman *table, const uint64_t often[SMJ_SYMBOLS])
{
    uint8_t ranked[SMJ_SYMBOLS];
    uint64_t weights[NODES_MAX];
    int deep[DEPTH_MAX + 1];
    /* One leaf that weighs nothing reserves the code of all ones, which must not be used: being
     * the lightest it is among the deepest, and is taken to be the last of these. */
    weights[0] = 0;
    const int total = rank(ranked, weights + 1, often);
    int deepest = count_depths(deep, weights, total + 1);
    if (deepest > SMJ_CODE_BITS_MAX) {
        count_limited_depths(deep, weights, total + 1);
        deepest = SMJ_CODE_BITS_MAX;
    }
    deep[deepest]--;

    for (int i = 0; i < SMJ_CODE_BITS_MAX; i++) table->counts[i] = (uint8_t)deep[i + 1];
    for (int i = 0; i < total; i++) table->symbols[i] = ranked[total - 1 - i];
    table->total = total;
}

/* Annex C: codes of a length follow one another, and a longer one begins where these ended. */
void smj_huffman_codes(uint16_t codes[SMJ_SYMBOLS], uint8_t lengths[SMJ_SYMBOLS],
                       const smj_huffman *table)
{
    memset(codes, 0, SMJ_SYMBOLS * sizeof *codes);
    memset(lengths, 0, SMJ_SYMBOLS);
    unsigned code = 0;
    int next = 0;
    for (int i = 0; i < SMJ_CODE_BITS_MAX; i++, code <<= 1) {
        for (int n = 0; n < table->counts[i]; n++, code++, next++) {
            codes[table->symbols[next]] = (uint16_t)code;
            lengths[table->symbols[next]] = (uint8_t)(i + 1);
        }
    }
}
