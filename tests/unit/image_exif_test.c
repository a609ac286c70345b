/* The orientation, of good and of hostile Exif. */
#include "image/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEN = 6 + 8 + 2 + 2 * 12 };

static void put(uint8_t *at, uint32_t value, int bytes, bool little)
{
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * (little ? i : bytes - 1 - i));
}

/* A folder of two entries, of which the second is the orientation. */
static void make(uint8_t exif[LEN], bool little, uint32_t type, uint32_t count, uint32_t value)
{
    memset(exif, 0, LEN);
    memcpy(exif, "Exif", 4);
    uint8_t *tiff = exif + 6;
    memcpy(tiff, little ? "II" : "MM", 2);
    put(tiff + 2, 42, 2, little);
    put(tiff + 4, 8, 4, little);
    put(tiff + 8, 2, 2, little);
    put(tiff + 10, 0x0100, 2, little);
    put(tiff + 22, 0x0112, 2, little);
    put(tiff + 24, type, 2, little);
    put(tiff + 26, count, 4, little);
    put(tiff + 30, value, 2, little);
}

/* In memory of its own, so that a read behind the end is found. */
static int orientation_of(const uint8_t *exif, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, exif, len);
    int orientation = sm_exif_orientation(copy, len);
    free(copy);
    return orientation;
}

static void test_both_byte_orders(void **state)
{
    (void)state;
    uint8_t exif[LEN];
    for (uint32_t value = 0; value < 12; value++) {
        for (int little = 0; little < 2; little++) {
            make(exif, little == 1, 3, 1, value);
            assert_int_equal(orientation_of(exif, LEN), value >= 1 && value <= 8 ? value : 0);
        }
    }
}

static void test_wrong_kinds_are_ignored(void **state)
{
    (void)state;
    uint8_t exif[LEN];
    make(exif, true, 5, 1, 6);
    assert_int_equal(orientation_of(exif, LEN), 0);
    make(exif, true, 3, 2, 6);
    assert_int_equal(orientation_of(exif, LEN), 0);
    make(exif, true, 3, 1, 6);
    exif[6] = 'X';
    assert_int_equal(orientation_of(exif, LEN), 0);
    make(exif, true, 3, 1, 6);
    exif[0] = 'e';
    assert_int_equal(orientation_of(exif, LEN), 0);
}

static void test_cut_and_hostile_input_is_survived(void **state)
{
    (void)state;
    uint8_t exif[LEN];
    make(exif, false, 3, 1, 6);
    for (size_t len = 0; len < LEN; len++) assert_int_equal(orientation_of(exif, len), 0);

    static const uint32_t offsets[] = {0, 7, LEN - 7, LEN - 6, LEN, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        put(exif + 10, offsets[i], 4, false);
        assert_int_equal(orientation_of(exif, LEN), 0);
    }
    make(exif, false, 3, 1, 6);
    put(exif + 14, 0xffff, 2, false); /* more entries than there is room for */
    assert_int_equal(orientation_of(exif, LEN), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_byte_orders),
        cmocka_unit_test(test_wrong_kinds_are_ignored),
        cmocka_unit_test(test_cut_and_hostile_input_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
