/* Huffman tables: complete but for the code of all ones, and as short as they can be. */
#include "jpeg/huffman.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t cost(const uint8_t *lengths, const uint64_t *often)
{
    uint64_t bits = 0;
    for (int s = 0; s < SMJ_SYMBOLS; s++) bits += often[s] * lengths[s];
    return bits;
}

/* Checks a table's rules; returns the bits that all symbols take. */
static uint64_t check_table(const uint64_t *often)
{
    smj_huffman table;
    uint16_t codes[SMJ_SYMBOLS];
    uint8_t lengths[SMJ_SYMBOLS];
    smj_huffman_build(&table, often);
    smj_huffman_codes(codes, lengths, &table);

    int total = 0, occurring = 0;
    uint32_t room = 0; /* that codes take, of 2^16 */
    for (int i = 0; i < SMJ_CODE_BITS_MAX; i++) {
        total += table.counts[i];
        room += (uint32_t)table.counts[i] << (15 - i);
    }
    assert_int_equal(total, table.total);
    for (int s = 0; s < SMJ_SYMBOLS; s++) {
        occurring += often[s] != 0;
        if (often[s] != 0) assert_in_range(lengths[s], 1, SMJ_CODE_BITS_MAX);
        if (lengths[s] != 0) assert_true(codes[s] != (1u << lengths[s]) - 1);
    }
    assert_int_equal(total, occurring == 0 ? 1 : occurring);
    /* just one code is not given away, and it is one of the longest */
    int longest = SMJ_CODE_BITS_MAX;
    while (table.counts[longest - 1] == 0) longest--;
    assert_int_equal(room, (1u << 16) - (1u << (16 - longest)));

    for (int a = 0; a < SMJ_SYMBOLS; a++)
        for (int b = 0; b < SMJ_SYMBOLS; b++) {
            if (a == b || lengths[a] == 0 || lengths[b] < lengths[a]) continue;
            assert_true(codes[b] >> (lengths[b] - lengths[a]) != codes[a]); /* prefix-free */
            if (lengths[b] > lengths[a]) assert_true(often[b] <= often[a]);
        }
    return cost(lengths, often);
}

/* The fewest bits for n symbols with counts (falling) by trying all lengths up to limit that leave
 * room for one code more. */
static uint64_t fewest(const uint64_t *counts, int n, int shortest, int limit, uint32_t room)
{
    if (n == 0) return room >= 1 ? 0 : UINT64_MAX;
    uint64_t best = UINT64_MAX;
    for (int length = shortest; length <= limit; length++) {
        const uint32_t takes = 1u << (limit - length);
        if (takes >= room) continue;
        const uint64_t rest = fewest(counts + 1, n - 1, length, limit, room - takes);
        if (rest != UINT64_MAX && rest + counts[0] * (uint64_t)length < best)
            best = rest + counts[0] * (uint64_t)length;
    }
    return best;
}

static void no_and_few_symbols(void **state)
{
    (void)state;
    uint64_t often[SMJ_SYMBOLS] = {0};
    assert_int_equal(check_table(often), 0);
    often[200] = 5;
    assert_int_equal(check_table(often), 5); /* one bit, the other code being all ones */
    often[0] = 1;
    assert_int_equal(check_table(often), 5 + 2);
    often[17] = 1;
    assert_int_equal(check_table(often), 5 + 2 + 3);
}

static void against_all_codes(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 300; round++) {
        uint64_t often[SMJ_SYMBOLS] = {0}, counts[8] = {0};
        const int n = 1 + round % 7;
        uint64_t count = 1;
        for (int i = n - 1; i >= 0; i--) {
            random = random * 1664525u + 1013904223u;
            count += random >> (16 + round % 16);
            often[(i * 37 + round) % SMJ_SYMBOLS] = counts[i] = count;
        }
        assert_int_equal(check_table(often), fewest(counts, n, 1, n + 1, 1u << (n + 1)));
    }
}

/* Fibonacci's numbers make the deepest tree: far below 16. Any other code of 16 bits is no shorter.
 */
static void deep_trees(void **state)
{
    (void)state;
    for (int n = 15; n <= 70; n++) {
        uint64_t often[SMJ_SYMBOLS] = {0}, a = 1, b = 1;
        for (int i = 0; i < n; i++) {
            often[i] = a;
            const uint64_t next = i < 60 ? a + b : b;
            a = b;
            b = next;
        }
        const uint64_t bits = check_table(often);
        /* lengths 1, 2, 3, ... for the most frequent, and the others of the same length */
        uint64_t plain = UINT64_MAX;
        for (int tail = 1; tail <= 8; tail++) {
            uint64_t sum = 0;
            const int head = 16 - tail; /* of these lengths; 2^tail - 1 codes of 16 bits follow */
            if (head + (1 << tail) - 1 < n) continue;
            for (int i = 0; i < n; i++) sum += often[n - 1 - i] * (uint64_t)(i < head ? i + 1 : 16);
            if (sum < plain) plain = sum;
        }
        assert_true(bits <= plain);
    }
}

static void all_symbols(void **state)
{
    (void)state;
    uint64_t often[SMJ_SYMBOLS];
    for (int s = 0; s < SMJ_SYMBOLS; s++) often[s] = 1000;
    assert_int_equal(check_table(often), 1000 * (255 * 8 + 9));
    for (int s = 0; s < SMJ_SYMBOLS; s++) often[s] = (uint64_t)1 << (s / 5);
    check_table(often);
    for (int s = 0; s < SMJ_SYMBOLS; s++) often[s] = ((uint64_t)1 << 46) + (uint64_t)s;
    check_table(often);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_and_few_symbols),
        cmocka_unit_test(against_all_codes),
        cmocka_unit_test(deep_trees),
        cmocka_unit_test(all_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
