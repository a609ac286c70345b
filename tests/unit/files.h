/*
 * Files for tests: a folder of its own for each test, below $TMPDIR and removed behind it, and
 * short words for making files and looking at them. What fails here fails the test.
 */
#ifndef SM_TESTS_FILES_H
#define SM_TESTS_FILES_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* folder/… as printf has it, in one of a few buffers that come round again. */
__attribute__((format(printf, 2, 3))) static inline const char *in(const char *folder,
                                                                   const char *format, ...)
{
    enum { BUFFERS = 8, LONGEST = 8192 };
    static char buffers[BUFFERS][LONGEST];
    static unsigned next;
    char *path = buffers[next++ % BUFFERS];
    int len = snprintf(path, LONGEST, "%s/", folder);
    va_list args;
    va_start(args, format);
    vsnprintf(path + len, LONGEST - (size_t)len, format, args);
    va_end(args);
    return path;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* For cmocka_unit_test_setup_teardown: *state is the folder's path. */
static inline int enter_folder(void **state)
{
    const char *root = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/shardmill-test-XXXXXX", root == NULL ? P_tmpdir : root) < 0) return -1;
    *state = mkdtemp(path);
    return *state == NULL ? -1 : 0;
}

static inline int leave_folder(void **state)
{
    remove_tree(*state);
    free(*state);
    return 0;
}

#define TEST_IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

static inline void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0777), 0);
}

static inline void put_bytes(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (len > 0) assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void put_text(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

/* A file's bytes with a NUL behind them; the caller's. */
static inline char *get_bytes(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("cannot open '%s'", path);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    char *data = malloc((size_t)st.st_size + 1);
    assert_non_null(data);
    *len = fread(data, 1, (size_t)st.st_size, file);
    assert_int_equal(*len, st.st_size);
    data[*len] = '\0';
    fclose(file);
    return data;
}

static inline void expect_text(const char *path, const char *text)
{
    size_t len;
    char *found = get_bytes(path, &len);
    assert_string_equal(found, text);
    free(found);
}

static inline bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static inline off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static int counted_entries;

static inline int count_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)st;
    counted_entries += type != FTW_D || ftw->level > 0;
    return 0;
}

/* Files and folders below folder, hidden ones too. */
static inline int entries_below(const char *folder)
{
    counted_entries = 0;
    assert_int_equal(nftw(folder, count_entry, 16, FTW_PHYS), 0);
    return counted_entries;
}

#endif
