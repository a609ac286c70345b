/* Sizes, cuts and borders. */
#include "image/geometry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static sm_picture_options options_of(uint32_t width, uint32_t height, sm_resize_mode mode)
{
    return (sm_picture_options){.width = width, .height = height, .resize_mode = mode};
}

static void test_center_crop(void **state)
{
    (void)state;
    sm_picture_options o = options_of(192, 192, SM_RESIZE_CENTER_CROP);
    sm_geometry g;
    sm_geometry_plan(&g, &o, 320, 240, 1);
    assert_int_equal(g.resized_width, 256);
    assert_int_equal(g.resized_height, 192);
    assert_int_equal(g.cut_x, 32);
    assert_int_equal(g.cut_y, 0);
    sm_geometry_plan(&g, &o, 333, 500, 1);
    assert_int_equal(g.resized_width, 192);
    assert_int_equal(g.resized_height, 288); /* 288.28 */
    assert_int_equal(g.cut_y, 48);
    sm_geometry_plan(&g, &o, 10, 11, 1); /* to a larger size, 211.2 */
    assert_int_equal(g.resized_height, 211);
    assert_int_equal(g.cut_y, 9);
    sm_geometry_plan(&g, &o, 60000, 3, 1);
    assert_int_equal(g.resized_width, 3840000);
    assert_int_equal(g.cut_x, (3840000 - 192) / 2);
    assert_int_equal(g.cut_width, 192);
}

/* The formula of the public header, in floating point, on every kind of shape. */
static void test_center_crop_formula(void **state)
{
    (void)state;
    static const uint32_t sides[] = {1, 2, 3, 7, 100, 191, 192, 193, 240, 333, 500, 4000, 65500};
    static const uint32_t targets[][2] = {{192, 192}, {1, 1}, {224, 160}, {16384, 3}};
    for (size_t t = 0; t < 4; t++) {
        sm_picture_options o = options_of(targets[t][0], targets[t][1], SM_RESIZE_CENTER_CROP);
        for (size_t i = 0; i < 13 * 13; i++) {
            uint32_t w = sides[i / 13], h = sides[i % 13];
            double scale = fmax((double)o.width / w, (double)o.height / h);
            uint32_t nw = (uint32_t)fmax(o.width, floor(w * scale + 0.5 + 1e-9));
            uint32_t nh = (uint32_t)fmax(o.height, floor(h * scale + 0.5 + 1e-9));
            sm_geometry g;
            sm_geometry_plan(&g, &o, w, h, 1);
            assert_int_equal(g.resized_width, nw);
            assert_int_equal(g.resized_height, nh);
            assert_int_equal(g.cut_x, (nw - o.width) / 2);
            assert_int_equal(g.cut_y, (nh - o.height) / 2);
            assert_int_equal(g.width, o.width);
            assert_int_equal(g.height, o.height);
        }
    }
}

static void test_other_modes(void **state)
{
    (void)state;
    sm_geometry g;
    sm_picture_options o = options_of(192, 192, SM_RESIZE_KEEP_RATIO);
    sm_geometry_plan(&g, &o, 320, 240, 1);
    assert_int_equal(g.width, 256);
    assert_int_equal(g.height, 192);
    o.resize_mode = SM_RESIZE_KEEP_RATIO_LARGEST;
    sm_geometry_plan(&g, &o, 320, 240, 1);
    assert_int_equal(g.width, 192);
    assert_int_equal(g.height, 144);
    sm_geometry_plan(&g, &o, 60000, 3, 1);
    assert_int_equal(g.width, 192);
    assert_int_equal(g.height, 1); /* never nothing */
    o.resize_mode = SM_RESIZE_BORDER;
    sm_geometry_plan(&g, &o, 320, 241, 1);
    assert_int_equal(g.resized_height, 145); /* 144.6 */
    assert_int_equal(g.cut_height, 145);
    assert_int_equal(g.height, 192);
    assert_int_equal(g.pad_y, 23);
    assert_int_equal(g.pad_x, 0);
    o.resize_mode = SM_RESIZE_NO;
    sm_geometry_plan(&g, &o, 320, 241, 1);
    assert_int_equal(g.width, 320);
    assert_int_equal(g.height, 241);
    sm_geometry_plan(&g, &o, 320, 241, 8);
    assert_int_equal(g.width, 241);
    assert_int_equal(g.height, 320);
    assert_int_equal(g.resized_width, 320);
}

/* The cut is floor-centred in the upright picture, so it moves by one in a flipped stored one. */
static void test_cut_of_flipped_pictures(void **state)
{
    (void)state;
    sm_picture_options o = options_of(100, 100, SM_RESIZE_CENTER_CROP);
    static const struct {
        int orientation;
        uint32_t width, height, x, y;
    } cases[] = {
        {1, 203, 100, 51, 0}, {2, 203, 100, 52, 0}, {3, 203, 100, 52, 0}, {4, 203, 100, 51, 0},
        {5, 203, 100, 51, 0}, {6, 203, 100, 51, 0}, {7, 203, 100, 52, 0}, {8, 203, 100, 52, 0},
        {1, 100, 203, 0, 51}, {2, 100, 203, 0, 51}, {3, 100, 203, 0, 52}, {4, 100, 203, 0, 52},
        {5, 100, 203, 0, 51}, {6, 100, 203, 0, 52}, {7, 100, 203, 0, 52}, {8, 100, 203, 0, 51},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_geometry g;
        sm_geometry_plan(&g, &o, cases[i].width, cases[i].height, cases[i].orientation);
        assert_int_equal(g.cut_x, cases[i].x);
        assert_int_equal(g.cut_y, cases[i].y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_center_crop),
        cmocka_unit_test(test_center_crop_formula),
        cmocka_unit_test(test_other_modes),
        cmocka_unit_test(test_cut_of_flipped_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
