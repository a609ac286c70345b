/* Formats by content, images by name. */
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *bytes, size_t len, sm_image_format format)
{
    uint8_t data[SM_SNIFF_BYTES] = {0};
    memcpy(data, bytes, len);
    assert_int_equal(sm_sniff(data, sizeof data), format);
    for (size_t cut = 0; cut < 2; cut++) /* a cut start may be unknown, but never read past */
        assert_true(sm_sniff(data, cut) == SM_FORMAT_UNKNOWN);
}

static void test_formats_by_content(void **state)
{
    (void)state;
    check("\xff\xd8\xff\xe0", 4, SM_FORMAT_JPEG);
    check("\xff\xd8\xff\xdb", 4, SM_FORMAT_JPEG);
    check("\x89PNG\r\n\x1a\n", 8, SM_FORMAT_PNG);
    check("GIF87a", 6, SM_FORMAT_GIF);
    check("GIF89a", 6, SM_FORMAT_GIF);
    check("RIFF\x10\0\0\0WEBPVP8 ", 16, SM_FORMAT_WEBP);
    check("RIFF\x10\0\0\0WAVEfmt ", 16, SM_FORMAT_UNKNOWN);
    check("II*\0", 4, SM_FORMAT_TIFF);
    check("MM\0*", 4, SM_FORMAT_TIFF);
    check("\0\0\0\x18"
          "ftypheic",
          12, SM_FORMAT_HEIF);
    check("\0\0\0\x18"
          "ftypavif",
          12, SM_FORMAT_HEIF);
    check("\0\0\0\x18"
          "ftypisom",
          12, SM_FORMAT_UNKNOWN);
    check("\0\0\0\x0cjP  \r\n\x87\n", 12, SM_FORMAT_JPEG2000);
    check("\0\0\0\x0cJXL \r\n\x87\n", 12, SM_FORMAT_JPEGXL);
    check("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0", 16, SM_FORMAT_BMP);
    check("BMW makes cars..", 16, SM_FORMAT_UNKNOWN);
    check("<html>", 6, SM_FORMAT_UNKNOWN);
    check("", 0, SM_FORMAT_UNKNOWN);
}

static void test_formats_have_names(void **state)
{
    (void)state;
    for (int format = SM_FORMAT_UNKNOWN; format <= SM_FORMAT_JPEGXL; format++)
        assert_true(strlen(sm_image_format_name((sm_image_format)format)) > 0);
    assert_string_equal(sm_image_format_name(SM_FORMAT_WEBP), "WebP");
}

static void test_images_by_name(void **state)
{
    (void)state;
    static const char *const good[] = {"a.jpg",      "a.JPG",  "b.c.jpeg",     "dir.x/a.png",
                                       "a.b/c.webp", "a.tiff", "\xff\xfe.gif", "..jpg"};
    static const char *const bad[] = {"a", "a.txt", "jpg", "a.jpg.txt", "a.jpg/b",  "a.jpgx",
                                      "",  ".",     "a.",  "dir.jpg/",  "dir/.jpg", ".jpg"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(sm_is_image_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(sm_is_image_name(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_by_content),
        cmocka_unit_test(test_formats_have_names),
        cmocka_unit_test(test_images_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
