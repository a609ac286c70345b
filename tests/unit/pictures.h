/* Pictures, sets and runs for the tests of pack. */
#ifndef SM_TESTS_PICTURES_H
#define SM_TESTS_PICTURES_H

#include "files.h"

#include <dirent.h>
#include <jpeglib.h>
#include <shardmill.h>

/* A JPEG whose pixels come from seed. */
static inline void put_jpeg(const char *path, unsigned width, unsigned height, unsigned seed)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    JSAMPLE *row = malloc((size_t)width * 3);
    assert_non_null(row);
    for (unsigned y = 0; y < height; y++) {
        for (unsigned i = 0; i < width * 3; i++)
            row[i] = (JSAMPLE)((i * (seed % 7 + 1) + y * (seed % 5 + 1)) / 2 + seed * 31);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(file), 0);
}

/* count pictures in the class folders a, b and c of folder, which is made. */
static inline void put_pictures(const char *folder, unsigned count)
{
    static const char classes[] = "abc";
    char path[4096];
    make_folder(folder);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%c", folder, classes[i]);
        make_folder(path);
    }
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%c/%03u.jpg", folder, classes[i % 3], i);
        put_jpeg(path, 20 + i % 9, 30 - i % 9, i);
    }
}

/* Where a test's pictures and sets lie: longer-lived than what in() gives. */
typedef struct places {
    char src[512], dst[512], other[512];
} places;

static inline places places_in(const char *folder)
{
    places p;
    snprintf(p.src, sizeof p.src, "%s/src", folder);
    snprintf(p.dst, sizeof p.dst, "%s/dst", folder);
    snprintf(p.other, sizeof p.other, "%s/other", folder);
    return p;
}

/* Small pictures of two threads; the rest as by default. */
static inline sm_pack_options test_options(void)
{
    sm_pack_options options;
    sm_pack_options_init(&options);
    options.picture.width = options.picture.height = 16;
    options.threads = 2;
    return options;
}

/* Packs, and fails the test when that does not end with status. */
static inline sm_pack_summary pack_expecting(sm_status status, const char *src, const char *dst,
                                             const sm_pack_options *options)
{
    sm_pack_summary summary;
    sm_status got = sm_pack(&summary, src, dst, options);
    if (got != status)
        fail_msg("packing '%s' gave %s: %s", src == NULL ? "a table" : src, sm_status_name(got),
                 got == SM_OK ? "" : sm_last_error());
    if (got == SM_OK) {
        assert_int_equal(summary.found, summary.images_in + summary.skipped);
        assert_int_equal(summary.images_in, summary.records + summary.failures);
    }
    return summary;
}

static inline sm_pack_summary pack_well(const char *src, const char *dst,
                                        const sm_pack_options *options)
{
    return pack_expecting(SM_OK, src, dst, options);
}

enum { LONGEST_PATH = 4096 };

static inline void join_path(char path[LONGEST_PATH], const char *folder, const char *name)
{
    assert_true(snprintf(path, LONGEST_PATH, "%s/%s", folder, name) < LONGEST_PATH);
}

static inline void copy_file(const char *from, const char *to)
{
    size_t len;
    char *data = get_bytes(from, &len);
    put_bytes(to, data, len);
    free(data);
}

/* Copies a folder of files and folders. */
static inline void copy_tree(const char *from, const char *to)
{
    make_folder(to);
    DIR *dir = opendir(from);
    if (dir == NULL) fail_msg("cannot list '%s'", from);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char a[LONGEST_PATH], b[LONGEST_PATH];
        join_path(a, from, entry->d_name);
        join_path(b, to, entry->d_name);
        struct stat st;
        assert_int_equal(stat(a, &st), 0);
        if (S_ISDIR(st.st_mode))
            copy_tree(a, b);
        else
            copy_file(a, b);
    }
    closedir(dir);
}

/* Every entry of one folder, and of those in it, is in the other with the same bytes. */
static inline void expect_same_one_way(const char *left, const char *right)
{
    DIR *dir = opendir(left);
    if (dir == NULL) fail_msg("cannot list '%s'", left);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char a[LONGEST_PATH], b[LONGEST_PATH];
        join_path(a, left, entry->d_name);
        join_path(b, right, entry->d_name);
        if (!is_there(b)) fail_msg("'%s' is there, but not '%s'", a, b);
        struct stat st;
        assert_int_equal(stat(a, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            expect_same_one_way(a, b);
            continue;
        }
        size_t a_len, b_len;
        char *a_data = get_bytes(a, &a_len), *b_data = get_bytes(b, &b_len);
        if (a_len != b_len || memcmp(a_data, b_data, a_len) != 0)
            fail_msg("'%s' and '%s' differ", a, b);
        free(a_data);
        free(b_data);
    }
    closedir(dir);
}

static inline void expect_same_folders(const char *left, const char *right)
{
    expect_same_one_way(left, right);
    expect_same_one_way(right, left);
}

/* The number of problems that verify finds, and the last of them. */
typedef struct findings {
    uint64_t problems;
    uint64_t offset;
    char file[4096], message[1024];
} findings;

static inline void on_finding(void *user, const char *file, uint64_t offset, const char *message)
{
    findings *found = user;
    found->problems++;
    found->offset = offset;
    snprintf(found->file, sizeof found->file, "%s", file);
    snprintf(found->message, sizeof found->message, "%s", message);
}

static inline sm_status verify(findings *found, const char *path, bool decode)
{
    sm_verify_options options;
    sm_verify_options_init(&options);
    *found = (findings){0};
    options.decode = decode;
    options.on_problem = on_finding;
    options.user = found;
    sm_verify_summary summary;
    sm_status status = sm_verify(&summary, path, &options);
    if (status == SM_OK || status == SM_ERR_CORRUPT)
        assert_int_equal(summary.problems, found->problems);
    assert_true((status == SM_OK) == (found->problems == 0 && status != SM_ERR_NOT_FOUND));
    return status;
}

static inline void expect_good_set(const char *dst)
{
    findings found;
    sm_status status = verify(&found, dst, true);
    if (status != SM_OK) fail_msg("'%s': %s", found.file, found.message);
}

#endif
