#include "core/status.h"
#include "files.h"
#include "io/io.h"

#include <fcntl.h>
#include <sys/wait.h>

/* ---- Walking: every event as a line "EVENT path\n", sorted */

enum { MAX_LINES = 4096 };

typedef struct record {
    char *lines[MAX_LINES];
    size_t count, stop_after; /* 0: never */
} record;

static sm_status note_event(void *user, sm_walk_event event, const char *path,
                            const sm_file_info *info)
{
    static const char *const words[] = {"file", "hidden", "special",
                                        "loop", "broken", "unreadable"};
    record *r = user;
    assert_true(r->count < MAX_LINES);
    assert_true((info != NULL) == (event == SM_WALK_FILE));
    if (event == SM_WALK_BROKEN || event == SM_WALK_UNREADABLE)
        assert_true(*sm_last_error() != '\0');
    assert_true(asprintf(&r->lines[r->count++], "%s %s\n", words[event], path) > 0);
    return r->count == r->stop_after ? sm_fail(SM_ERR_CANCELLED, "enough") : SM_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(record *r)
{
    qsort(r->lines, r->count, sizeof *r->lines, by_text);
    sm_buf text;
    sm_buf_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < r->count; i++) {
        assert_int_equal(sm_buf_append_str(&text, r->lines[i]), SM_OK);
        free(r->lines[i]);
    }
    assert_int_equal(sm_buf_append(&text, "", 1), SM_OK);
    return (char *)text.data;
}

static void expect_walk(const char *root, const char *lines)
{
    record r = {0};
    assert_int_equal(sm_io_walk(root, note_event, &r), SM_OK);
    char *found = join(&r);
    assert_string_equal(found, lines);
    free(found);
}

static void walks_every_kind_of_entry(void **state)
{
    const char *root = *state;
    make_folder(in(root, "b"));
    make_folder(in(root, "b/empty"));
    make_folder(in(root, ".git"));
    put_text(in(root, ".git/config"), "x");
    put_text(in(root, ".hidden"), "x");
    put_text(in(root, "a"), "x");
    put_text(in(root, "b/..c"), "x");
    put_text(in(root, "b/d"), "x");
    assert_int_equal(mkfifo(in(root, "fifo"), 0600), 0);
    assert_int_equal(symlink("nowhere", in(root, "dangling")), 0);
    assert_int_equal(symlink("me", in(root, "me")), 0);
    assert_int_equal(symlink("a", in(root, "b/link")), 0);
    assert_int_equal(symlink("../a", in(root, "b/up")), 0);
    expect_walk(root, "broken b/link\n"
                      "broken dangling\n"
                      "broken me\n"
                      "file a\n"
                      "file b/d\n"
                      "file b/up\n"
                      "hidden .git\n"
                      "hidden .hidden\n"
                      "hidden b/..c\n"
                      "special fifo\n");
}

static void ends_loops_of_links(void **state)
{
    const char *root = *state;
    make_folder(in(root, "a"));
    make_folder(in(root, "b"));
    put_text(in(root, "a/x"), "x");
    put_text(in(root, "b/y"), "y");
    assert_int_equal(symlink(".", in(root, "a/self")), 0);
    assert_int_equal(symlink("..", in(root, "a/up")), 0);
    assert_int_equal(symlink("../b", in(root, "a/to_b")), 0);
    assert_int_equal(symlink("../a", in(root, "b/to_a")), 0);
    expect_walk(root, "file a/to_b/y\n"
                      "file a/x\n"
                      "file b/to_a/x\n"
                      "file b/y\n"
                      "loop a/self\n"
                      "loop a/to_b/to_a\n"
                      "loop a/up\n"
                      "loop b/to_a/self\n"
                      "loop b/to_a/to_b\n"
                      "loop b/to_a/up\n");
}

static void gives_the_same_paths_for_every_spelling(void **state)
{
    make_folder(in(*state, "photos"));
    make_folder(in(*state, "photos/a"));
    put_text(in(*state, "photos/a/x"), "x");
    assert_int_equal(symlink("photos", in(*state, "link")), 0);
    expect_walk(in(*state, "photos"), "file a/x\n");
    expect_walk(in(*state, "photos/"), "file a/x\n");
    expect_walk(in(*state, "photos///"), "file a/x\n");
    expect_walk(in(*state, "photos/."), "file a/x\n");
    expect_walk(in(*state, "link"), "file a/x\n");
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(in(*state, "photos")), 0);
    expect_walk(".", "file a/x\n");
    assert_int_equal(chdir(before), 0);
    free(before);
}

static sm_status stop_at_once(void *user, sm_walk_event event, const char *path,
                              const sm_file_info *info)
{
    (void)event, (void)info;
    snprintf(user, 256, "%s", path);
    return sm_fail(SM_ERR_CANCELLED, "enough");
}

static void walks_the_root_folder(void **state)
{
    (void)state;
    char path[256] = "";
    assert_int_equal(sm_io_walk("/", stop_at_once, path), SM_ERR_CANCELLED);
    assert_true(path[0] != '\0' && path[0] != '/');
}

static void ends_with_the_first_error(void **state)
{
    for (int i = 0; i < 10; i++) put_text(in(*state, "%d", i), "x");
    record r = {.stop_after = 3};
    assert_int_equal(sm_io_walk(*state, note_event, &r), SM_ERR_CANCELLED);
    assert_int_equal(r.count, 3);
    free(join(&r));
}

static void tells_a_root_that_cannot_be_listed(void **state)
{
    expect_walk(in(*state, "none"), "unreadable \n");
    put_text(in(*state, "file"), "x");
    expect_walk(in(*state, "file"), "unreadable \n");
    expect_walk("", "unreadable \n");
}

static void goes_on_behind_an_unreadable_folder(void **state)
{
    if (geteuid() == 0) skip(); /* nothing is unreadable to root */
    make_folder(in(*state, "a"));
    make_folder(in(*state, "b"));
    put_text(in(*state, "b/x"), "x");
    assert_int_equal(chmod(in(*state, "a"), 0), 0);
    expect_walk(*state, "file b/x\nunreadable a\n");
    assert_int_equal(chmod(in(*state, "a"), 0700), 0);
}

static void walks_a_deep_tree(void **state)
{
    enum { LEVELS = 300 };
    char path[8192];
    int len = snprintf(path, sizeof path, "%s", (const char *)*state);
    for (int i = 0; i < LEVELS; i++) {
        len += snprintf(path + len, sizeof path - (size_t)len, "/%d", i);
        make_folder(path);
    }
    put_text(in(path, "x"), "x");
    record r = {0};
    assert_int_equal(sm_io_walk(*state, note_event, &r), SM_OK);
    assert_int_equal(r.count, 1);
    char *found = join(&r);
    assert_memory_equal(found, "file 0/1/2/", 11);
    assert_string_equal(found + strlen(found) - strlen("298/299/x\n"), "298/299/x\n");
    free(found);
}

static void takes_any_name(void **state)
{
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = '\0';
    put_text(in(*state, "%s", longest), "x");
    make_folder(in(*state, "\xff\xfe"));
    put_text(in(*state, "\xff\xfe/new\nline \xc3"), "x");
    char *lines;
    assert_true(asprintf(&lines, "file %s\nfile \xff\xfe/new\nline \xc3\n", longest) > 0);
    expect_walk(*state, lines);
    free(lines);
}

static void tells_size_and_time(void **state)
{
    put_text(in(*state, "x"), "12345");
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1000000000, .tv_nsec = 123456789}};
    assert_int_equal(utimensat(AT_FDCWD, in(*state, "x"), times, 0), 0);
    sm_file_info info;
    assert_int_equal(sm_io_stat(&info, in(*state, "x")), SM_OK);
    assert_int_equal(info.size, 5);
    assert_true(info.mtime_ns == 1000000000123456789);
    times[1] = (struct timespec){.tv_sec = -1, .tv_nsec = 999999999}; /* before 1970 */
    assert_int_equal(utimensat(AT_FDCWD, in(*state, "x"), times, 0), 0);
    assert_int_equal(sm_io_stat(&info, in(*state, "x")), SM_OK);
    assert_true(info.mtime_ns == -1);
}

/* ---- Locking */

/* What another process gets that takes the lock, and releases it. */
static sm_status take_elsewhere(const char *folder)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sm_lock *lock = NULL;
        sm_status status = sm_lock_take(&lock, folder);
        sm_lock_release(lock);
        _exit((int)status);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return (sm_status)WEXITSTATUS(result);
}

static void lets_one_in(void **state)
{
    sm_lock *lock, *second;
    assert_int_equal(sm_lock_take(&lock, *state), SM_OK);
    assert_int_equal(take_elsewhere(*state), SM_ERR_CONFLICT);
    assert_int_equal(sm_lock_take(&second, *state), SM_ERR_CONFLICT); /* nor in this process */
    assert_non_null(strstr(sm_last_error(), "another shardmill"));
    assert_int_equal(take_elsewhere(*state), SM_ERR_CONFLICT);
    sm_lock_release(lock);
    assert_int_equal(entries_below(*state), 0);
    assert_int_equal(take_elsewhere(*state), SM_OK);
    assert_int_equal(entries_below(*state), 0);
    sm_lock_release(NULL);
}

static void takes_over_the_lock_of_the_dead(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sm_lock *lock;
        _exit((int)sm_lock_take(&lock, *state)); /* without release */
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(WEXITSTATUS(result), SM_OK);
    assert_true(is_there(in(*state, ".shardmill-lock")));
    assert_int_equal(take_elsewhere(*state), SM_OK);
    assert_false(is_there(in(*state, ".shardmill-lock")));
}

static void follows_no_link(void **state)
{
    put_text(in(*state, "precious"), "x");
    assert_int_equal(symlink("precious", in(*state, ".shardmill-lock")), 0);
    sm_lock *lock;
    assert_int_not_equal(sm_lock_take(&lock, *state), SM_OK);
    expect_text(in(*state, "precious"), "x");
    assert_int_equal(sm_lock_take(&lock, in(*state, "none")), SM_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(walks_every_kind_of_entry),
        TEST_IN_FOLDER(ends_loops_of_links),
        TEST_IN_FOLDER(gives_the_same_paths_for_every_spelling),
        cmocka_unit_test(walks_the_root_folder),
        TEST_IN_FOLDER(ends_with_the_first_error),
        TEST_IN_FOLDER(tells_a_root_that_cannot_be_listed),
        TEST_IN_FOLDER(goes_on_behind_an_unreadable_folder),
        TEST_IN_FOLDER(walks_a_deep_tree),
        TEST_IN_FOLDER(takes_any_name),
        TEST_IN_FOLDER(tells_size_and_time),
        TEST_IN_FOLDER(lets_one_in),
        TEST_IN_FOLDER(takes_over_the_lock_of_the_dead),
        TEST_IN_FOLDER(follows_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
