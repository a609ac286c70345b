/* Quantisation tables: libjpeg's steps, and division by them that is exact. */
#include "jpeg/quantise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jpeglib.h>

static void steps_of_libjpeg(void **state)
{
    (void)state;
    for (int quality = 1; quality <= 100; quality++) {
        struct jpeg_compress_struct cinfo;
        struct jpeg_error_mgr errors;
        cinfo.err = jpeg_std_error(&errors);
        jpeg_create_compress(&cinfo);
        cinfo.input_components = 3;
        cinfo.in_color_space = JCS_RGB;
        jpeg_set_defaults(&cinfo);
        jpeg_set_quality(&cinfo, quality, TRUE);
        for (int chroma = 0; chroma < 2; chroma++) {
            smj_quantiser q;
            smj_quantiser_set(&q, quality, chroma);
            for (int i = 0; i < SMJ_BLOCK; i++)
                assert_int_equal(q.steps[i], cinfo.quant_tbl_ptrs[chroma]->quantval[i]);
        }
        jpeg_destroy_compress(&cinfo);
    }
}

/* Every divisor that some quality has, with every sum of a magnitude and a half below 2^15. */
static void exact_division(void **state)
{
    (void)state;
    bool seen[256] = {false};
    int divisors = 0;
    for (int quality = 1; quality <= 100; quality++) {
        for (int table = 0; table < 2; table++) {
            smj_quantiser q;
            smj_quantiser_set(&q, quality, table);
            for (int i = 0; i < SMJ_BLOCK; i++) {
                const uint32_t d = 8u * q.steps[i];
                const int left = i / 8 * SMJ_PAIR_ROW + i % 8;
                assert_int_equal(q.half[left], d / 2);
                assert_int_equal(q.half[left + 8], q.half[left]);
                assert_int_equal(q.reciprocal[left + 8], q.reciprocal[left]);
                assert_int_equal(q.scale[left + 8], q.scale[left]);
                if (seen[q.steps[i]]) continue;
                seen[q.steps[i]] = true;
                divisors++;
                for (uint32_t x = 0; x < 1u << 15; x++)
                    if ((x * q.reciprocal[left] >> 16) * q.scale[left] >> 16 != x / d)
                        fail_msg("%u / %u", x, d);
            }
        }
    }
    assert_true(divisors > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_libjpeg),
        cmocka_unit_test(exact_division),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
