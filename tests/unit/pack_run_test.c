/* sm_pack from front to back, in a folder of the test's own. */
#include "pictures.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>

static void packs_a_folder(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 20);
    sm_pack_options options = test_options();
    options.splits = "train=0.7,val=0.3";
    options.shards = 4;
    sm_pack_summary s = pack_well(p.src, p.dst, &options);
    assert_int_equal(s.images_in, 20);
    assert_int_equal(s.records, 20);
    assert_int_equal(s.classes, 3);
    assert_int_equal(s.shards, 4);
    assert_int_equal(s.shards_kept, 0);
    assert_int_equal(s.split_count, 2);
    assert_int_equal(s.splits[0].records + s.splits[1].records, 20);
    assert_string_equal(s.name, "src");
    expect_text(in(p.dst, "label.labels.txt"), "a\nb\nc\n");
    expect_text(in(p.dst, "failures.jsonl"), "");
    expect_text(in(p.dst, "_SUCCESS"), "");
    expect_good_set(p.dst);
    assert_int_equal(entries_below(p.dst), 4 + 4 + 1 + 8); /* stats/, and what is beside shards */
}

static void gives_the_same_bytes_at_any_thread_count(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 70); /* more than two chunks */
    put_text(in(p.src, "a/bad.jpg"), "no picture");
    static const sm_compression compressions[] = {SM_COMPRESSION_NONE, SM_COMPRESSION_GZIP};
    for (size_t i = 0; i < 2; i++) {
        sm_pack_options options = test_options();
        options.shards = 3;
        options.compression = compressions[i];
        options.threads = 1;
        assert_int_equal(pack_well(p.src, p.dst, &options).failures, 1);
        for (uint32_t threads = 2; threads <= 8; threads += 3) {
            options.threads = threads;
            options.memory = (uint64_t)(threads == 2 ? 64 : 512) << 20;
            pack_well(p.src, p.other, &options);
            expect_same_folders(p.dst, p.other);
            remove_tree(p.other);
        }
        expect_good_set(p.dst);
        remove_tree(p.dst);
    }
}

static void writes_nothing_in_a_dry_run(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 9);
    sm_pack_options options = test_options();
    options.dry_run = true;
    options.splits = "train=0.5,val=0.5";
    options.shards = 2;
    sm_pack_summary dry = pack_well(p.src, p.dst, &options);
    assert_false(is_there(p.dst));
    options.dry_run = false;
    sm_pack_summary real = pack_well(p.src, p.dst, &options);
    assert_int_equal(dry.shards, real.shards);
    assert_string_equal(dry.fingerprint, real.fingerprint);
    for (size_t i = 0; i < 2; i++) assert_int_equal(dry.splits[i].inputs, real.splits[i].inputs);
    assert_true(dry.bytes_out > real.bytes_out / 2 && dry.bytes_out < real.bytes_out * 2);
}

/* ---- Stopping and going on */

typedef struct stopper {
    atomic_int asked;
    int stop_at;
} stopper;

static bool stop_there(void *user)
{
    stopper *s = user;
    return atomic_fetch_add(&s->asked, 1) >= s->stop_at;
}

static int shards_in(const char *dst)
{
    int shards = 0;
    DIR *dir = opendir(dst);
    if (dir == NULL) return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        shards += entry->d_name[0] != '.' && strstr(entry->d_name, ".tfrecord-") != NULL;
    closedir(dir);
    return shards;
}

static void resumes_wherever_it_was_stopped(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 60);
    sm_pack_options options = test_options();
    options.images_per_shard = 5;
    pack_well(p.src, p.dst, &options);
    int in_the_middle = 0;
    for (int stop_at = 0; stop_at < 240; stop_at += 8) {
        stopper s = {.stop_at = stop_at};
        options.is_cancelled = stop_there;
        options.user = &s;
        sm_pack_summary summary;
        sm_status status = sm_pack(&summary, p.src, p.other, &options);
        options.is_cancelled = NULL;
        if (status != SM_OK) {
            assert_int_equal(status, SM_ERR_CANCELLED);
            assert_false(is_there(in(p.other, "_SUCCESS")));
            assert_false(is_there(in(p.other, ".shardmill-lock")));
            int kept = shards_in(p.other);
            in_the_middle += kept > 0 && kept < 12;
            summary = pack_well(p.src, p.other, &options);
            assert_int_equal(summary.shards_kept, kept);
        }
        expect_same_folders(p.dst, p.other);
        remove_tree(p.other);
    }
    assert_true(in_the_middle > 0);
}

static void does_nothing_twice(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 12);
    put_text(in(p.src, "a/bad.jpg"), "no picture");
    put_text(in(p.src, "a/notes.txt"), "no picture");
    sm_pack_options options = test_options();
    options.shards = 3;
    sm_pack_summary first = pack_well(p.src, p.dst, &options);
    struct stat before, after;
    assert_int_equal(stat(in(p.dst, "_SUCCESS"), &before), 0);
    sm_pack_summary again = pack_well(p.src, p.dst, &options);
    assert_int_equal(stat(in(p.dst, "_SUCCESS"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(again.shards_kept, 3);
    assert_int_equal(again.records, first.records);
    assert_int_equal(again.failures, 1);
    assert_int_equal(again.skipped, 1);
    assert_memory_equal(again.by_reason, first.by_reason, sizeof first.by_reason);
    assert_int_equal(again.bytes_out, first.bytes_out);
    assert_int_equal(again.bytes_in, 0);
}

static void redoes_what_is_damaged(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 12);
    sm_pack_options options = test_options();
    options.shards = 3;
    pack_well(p.src, p.dst, &options);
    pack_well(p.src, p.other, &options);
    const char *names[] = {"src-train.tfrecord-00001-of-00003",
                           "stats/src-train.tfrecord-00001-of-00003.json"};
    for (size_t i = 0; i < 2; i++)
        for (int cut = 0; cut < 2; cut++) {
            const char *path = in(p.dst, "%s", names[i]);
            if (cut)
                assert_int_equal(truncate(path, size_of(path) - 3), 0);
            else
                assert_int_equal(unlink(path), 0);
            assert_int_equal(pack_well(p.src, p.dst, &options).shards_kept, 2);
            expect_same_folders(p.dst, p.other);
        }
    assert_int_equal(unlink(in(p.dst, "_SUCCESS")), 0);
    put_text(in(p.dst, ".shardmill-1234.tmp"), "left by a killed run");
    put_text(in(p.dst, "stats/.shardmill-1234.tmp"), "left by a killed run");
    assert_int_equal(pack_well(p.src, p.dst, &options).shards_kept, 3);
    expect_same_folders(p.dst, p.other);
}

/* ---- What dst holds */

static void refuses_other_options(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 6);
    sm_pack_options options = test_options();
    pack_well(p.src, p.dst, &options);
    pack_well(p.src, p.other, &options);
    options.seed = 5;
    options.picture.encode_quality = 80;
    options.name = "renamed";
    options.shards = 2;
    pack_expecting(SM_ERR_CONFLICT, p.src, p.dst, &options);
    assert_non_null(strstr(sm_last_error(), "--shuffle: the set has '0', this call '5'"));
    assert_non_null(strstr(sm_last_error(), "--encode-quality: the set has '95', this call '80'"));
    expect_same_folders(p.dst, p.other);

    options.overwrite = true;
    pack_well(p.src, p.dst, &options);
    options.overwrite = false;
    remove_tree(p.other);
    pack_well(p.src, p.other, &options);
    expect_same_folders(p.dst, p.other); /* nothing is left of the first */
}

static void refuses_other_pictures_in_a_finished_set(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 6);
    sm_pack_options options = test_options();
    pack_well(p.src, p.dst, &options);
    put_jpeg(in(p.src, "a/new.jpg"), 9, 9, 9);
    pack_expecting(SM_ERR_CONFLICT, p.src, p.dst, &options);
    assert_non_null(strstr(sm_last_error(), "6 then, 7 now"));
    options.overwrite = true;
    assert_int_equal(pack_well(p.src, p.dst, &options).records, 7);

    /* One that is not finished is made of what there is now. */
    options.overwrite = false;
    assert_int_equal(unlink(in(p.dst, "_SUCCESS")), 0);
    put_jpeg(in(p.src, "b/newer.jpg"), 9, 9, 9);
    assert_int_equal(pack_well(p.src, p.dst, &options).records, 8);
    pack_well(p.src, p.other, &options);
    expect_same_folders(p.dst, p.other);
}

static void refuses_what_is_not_ours(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    make_folder(p.dst);
    put_text(in(p.dst, "thesis.tex"), "precious");
    sm_pack_options options = test_options();
    pack_expecting(SM_ERR_CONFLICT, p.src, p.dst, &options);
    assert_int_equal(entries_below(p.dst), 1);
    options.overwrite = true;
    pack_well(p.src, p.dst, &options);
    expect_text(in(p.dst, "thesis.tex"), "precious");
    expect_good_set(p.dst);
}

static void overwrites_an_unreadable_plan_only_when_asked(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 6);
    sm_pack_options options = test_options();
    pack_well(p.src, p.dst, &options);
    pack_well(p.src, p.other, &options);
    put_text(in(p.dst, "plan.json"), "{}");
    pack_expecting(SM_ERR_CORRUPT, p.src, p.dst, &options);
    assert_non_null(strstr(sm_last_error(), "plan.json"));
    options.overwrite = true;
    pack_well(p.src, p.dst, &options);
    expect_same_folders(p.dst, p.other);
}

static void refuses_a_folder_in_use(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    make_folder(p.dst);
    int fd = open(in(p.dst, ".shardmill-lock"), O_RDWR | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    sm_pack_options options = test_options();
    pack_expecting(SM_ERR_CONFLICT, p.src, p.dst, &options);
    assert_int_equal(entries_below(p.dst), 1);
    close(fd);
    pack_well(p.src, p.dst, &options);
}

static void refuses_folders_in_each_other(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    sm_pack_options options = test_options();
    char link[600];
    snprintf(link, sizeof link, "%s", in(*state, "link"));
    assert_int_equal(symlink("src", link), 0);
    const char *const inside[] = {"", ".", "shards", "a/../x/y", "a//b/"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        pack_expecting(SM_ERR_USAGE, p.src, in(p.src, "%s", inside[i]), &options);
        pack_expecting(SM_ERR_USAGE, link, in(p.src, "%s", inside[i]), &options);
        pack_expecting(SM_ERR_USAGE, p.src, in(link, "%s", inside[i]), &options);
    }
    pack_expecting(SM_ERR_USAGE, p.src, "", &options);
    pack_expecting(SM_ERR_USAGE, p.src, NULL, &options);
    char beside[600]; /* "src" is no folder of "src2" */
    snprintf(beside, sizeof beside, "%s2", p.src);
    pack_well(p.src, beside, &options);
}

static void says_when_the_working_folder_is_gone(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    char *before = getcwd(NULL, 0);
    make_folder(p.other);
    assert_int_equal(chdir(p.other), 0);
    assert_int_equal(rmdir(p.other), 0);
    sm_pack_options options = test_options();
    sm_pack_summary summary;
    alarm(20);
    sm_status status = sm_pack(&summary, p.src, "dst", &options);
    alarm(0);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(status, SM_ERR_NOT_FOUND);
}

static void needs_pictures(void **state)
{
    places p = places_in(*state);
    sm_pack_options options = test_options();
    pack_expecting(SM_ERR_NOT_FOUND, p.src, p.dst, &options);
    make_folder(p.src);
    pack_expecting(SM_ERR_NOT_FOUND, p.src, p.dst, &options);
    put_text(in(p.src, "notes.txt"), "x");
    pack_expecting(SM_ERR_NOT_FOUND, p.src, p.dst, &options);
    assert_non_null(strstr(sm_last_error(), "(1 other entries)"));
    put_jpeg(in(p.src, "one.jpg"), 9, 9, 9);
    pack_expecting(SM_ERR_USAGE, p.src, p.dst, &options); /* in no class folder */
    assert_false(is_there(p.dst));
    options.labels = SM_LABELS_NONE;
    assert_int_equal(pack_well(p.src, p.dst, &options).records, 1);
    pack_expecting(SM_ERR_USAGE, in(p.src, "one.jpg"), p.other, &options);
}

/* ---- Bad pictures */

static void names_every_failure_and_skip(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 6);
    put_text(in(p.src, "a/empty.jpg"), "");
    put_text(in(p.src, "a/text.jpg"), "text");
    put_text(in(p.src, "a/notes.txt"), "text");
    put_text(in(p.src, "a/.hidden.jpg"), "text");
    put_jpeg(in(p.src, "outside.jpg"), 9, 9, 9);
    put_jpeg(in(p.src, "a/odd\xff name"), 9, 9, 9); /* by content, not by name */
    assert_int_equal(symlink("nowhere", in(p.src, "a/dangling.jpg")), 0);
    assert_int_equal(symlink("..", in(p.src, "a/loop")), 0);
    assert_int_equal(mkfifo(in(p.src, "a/fifo.jpg"), 0600), 0);
    sm_pack_options options = test_options();
    sm_pack_summary s = pack_well(p.src, p.dst, &options);
    assert_int_equal(s.records, 7);
    assert_int_equal(s.failures, 3);
    assert_int_equal(s.skipped, 5);
    static const sm_reason once[] = {SM_FAIL_EMPTY_FILE, SM_FAIL_NOT_AN_IMAGE, SM_FAIL_NOT_FOUND,
                                     SM_SKIP_HIDDEN,     SM_SKIP_NOT_AN_IMAGE, SM_SKIP_SPECIAL_FILE,
                                     SM_SKIP_LINK_LOOP,  SM_SKIP_NO_CLASS};
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        assert_int_equal(s.by_reason[once[i]], 1);
    expect_good_set(p.dst);
}

static void stops_at_too_many_failures(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 10);
    for (int i = 0; i < 10; i++) put_text(in(p.src, "a/bad%d.jpg", i), "x");
    sm_pack_options options = test_options();
    options.max_failures = 9;
    pack_expecting(SM_ERR_FAILURES, p.src, p.dst, &options);
    assert_false(is_there(in(p.dst, "_SUCCESS")));
    options.max_failures = 10;
    assert_int_equal(pack_well(p.src, p.dst, &options).failures, 10);
    options.max_failures = -1;
    options.max_failures_percent = 49;
    pack_expecting(SM_ERR_FAILURES, p.src, p.other, &options);
    options.max_failures_percent = 50;
    pack_well(p.src, p.other, &options);
    expect_same_folders(p.dst, p.other);
}

static void refuses_files_larger_than_its_memory(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    assert_int_equal(truncate(in(p.src, "a/000.jpg"), 40 << 20), 0);
    sm_pack_options options = test_options();
    options.memory = 32 << 20;
    sm_pack_summary s = pack_well(p.src, p.dst, &options);
    assert_int_equal(s.by_reason[SM_FAIL_FILE_TOO_LARGE], 1);
    assert_int_equal(s.records, 2);
    options.memory = 256 << 20;
    s = pack_well(p.src, p.other, &options);
    assert_int_equal(s.records, 3);
}

/* What happens to files between the listing and the reading. */
typedef struct meddler {
    pthread_mutex_t lock;
    bool done;
    const char *src, *dst;
} meddler;

/* Every reader asks before it takes its first file, and waits here until all is done. When there is
 * a plan.json, the listing is over. */
static bool meddle(void *user)
{
    meddler *m = user;
    pthread_mutex_lock(&m->lock);
    if (!m->done && is_there(in(m->dst, "plan.json"))) {
        m->done = true;
        unlink(in(m->src, "a/000.jpg"));
        put_text(in(m->src, "b/001.jpg"), "shorter");
        static const char longer[100000];
        put_bytes(in(m->src, "c/002.jpg"), longer, sizeof longer);
        const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
        utimensat(AT_FDCWD, in(m->src, "a/003.jpg"), times, 0);
        unlink(in(m->src, "b/004.jpg"));
        mkdir(in(m->src, "b/004.jpg"), 0700);
        unlink(in(m->src, "c/005.jpg"));
        mkfifo(in(m->src, "c/005.jpg"), 0600);
    }
    pthread_mutex_unlock(&m->lock);
    return false;
}

static void names_files_that_change_under_its_hands(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 9);
    meddler m = {.lock = PTHREAD_MUTEX_INITIALIZER, .src = p.src, .dst = p.dst};
    sm_pack_options options = test_options();
    options.shards = 2;
    options.is_cancelled = meddle;
    options.user = &m;
    alarm(20);
    sm_pack_summary s = pack_well(p.src, p.dst, &options);
    alarm(0);
    assert_int_equal(s.records, 3);
    assert_int_equal(s.by_reason[SM_FAIL_NOT_FOUND], 1);
    assert_int_equal(s.by_reason[SM_FAIL_CHANGED], 3);
    assert_int_equal(s.by_reason[SM_FAIL_READ_ERROR], 2);
    expect_good_set(p.dst);
}

static void reads_only_files(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 3);
    const char *list = in(*state, "list");
    put_text(list, "a/000.jpg\n/proc/self/stat\nnone.jpg\n");
    sm_pack_options options = test_options();
    options.list_file = list;
    options.labels = SM_LABELS_NONE;
    sm_pack_summary s = pack_well(p.src, p.dst, &options);
    assert_int_equal(s.records, 1);
    assert_int_equal(s.by_reason[SM_FAIL_NOT_FOUND], 1);
    assert_int_equal(s.by_reason[SM_FAIL_READ_ERROR], 1);
}

/* ---- Places */

static void packs_below_any_path(void **state)
{
    places p = places_in(*state);
    char odd[600];
    snprintf(odd, sizeof odd, "%s", in(*state, "\xff%%s \n'"));
    put_pictures(p.src, 6);
    assert_int_equal(rename(p.src, odd), 0);
    sm_pack_options options = test_options();
    options.name = "set";
    pack_well(odd, p.dst, &options);
    char deep[900];
    snprintf(deep, sizeof deep, "%s/x/%%n/y/", p.other);
    pack_well(odd, deep, &options);
    expect_same_folders(p.dst, deep);

    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(odd), 0);
    remove_tree(p.other);
    sm_status status = sm_pack(NULL, ".", "../other", &options);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(status, SM_OK);
    expect_same_folders(p.dst, p.other);
}

static void carries_a_manifest(void **state)
{
    places p = places_in(*state);
    put_pictures(p.src, 6);
    const char *manifest = in(*state, "m.csv");
    put_text(manifest, "path,label,split,age,note,weight\n"
                       "src/a/000.jpg,x,train,7,\"a,b\",0.5\n"
                       "src/b/001.jpg,y,val,-3,,1e3\n"
                       "src/none.jpg,x,train,1,c,2\n");
    sm_pack_options options = test_options();
    options.manifest_file = manifest;
    options.schema = SM_SCHEMA_FAST_AND_LEAN;
    sm_pack_summary s = pack_well(NULL, p.dst, &options);
    assert_int_equal(s.records, 2);
    assert_int_equal(s.failures, 1);
    assert_string_equal(s.name, "m");
    expect_good_set(p.dst);

    sm_reader *reader;
    const uint8_t *data, *text;
    size_t len, text_len;
    sm_feature feature;
    int64_t number;
    float real;
    assert_int_equal(sm_reader_open(&reader, in(p.dst, "m-val.tfrecord-00000-of-00001")), SM_OK);
    assert_int_equal(sm_reader_next(reader, &data, &len), SM_OK);
    assert_int_equal(sm_example_find(&feature, data, len, "age"), SM_OK);
    assert_int_equal(sm_feature_int64(&number, &feature, 0), SM_OK);
    assert_int_equal(number, -3);
    assert_int_equal(sm_example_find(&feature, data, len, "weight"), SM_OK);
    assert_int_equal(sm_feature_float(&real, &feature, 0), SM_OK);
    assert_true(real == 1000);
    assert_int_equal(sm_example_find(&feature, data, len, "label"), SM_OK);
    assert_int_equal(sm_feature_bytes(&text, &text_len, &feature, 0), SM_OK);
    assert_int_equal(text_len, 1);
    assert_memory_equal(text, "y", 1);
    assert_int_equal(sm_example_find(&feature, data, len, "one_hot_class"), SM_OK);
    assert_int_equal(feature.count, 2);
    assert_int_equal(sm_feature_float(&real, &feature, 1), SM_OK);
    assert_true(real == 1);
    sm_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(packs_a_folder),
        TEST_IN_FOLDER(gives_the_same_bytes_at_any_thread_count),
        TEST_IN_FOLDER(writes_nothing_in_a_dry_run),
        TEST_IN_FOLDER(resumes_wherever_it_was_stopped),
        TEST_IN_FOLDER(does_nothing_twice),
        TEST_IN_FOLDER(redoes_what_is_damaged),
        TEST_IN_FOLDER(refuses_other_options),
        TEST_IN_FOLDER(refuses_other_pictures_in_a_finished_set),
        TEST_IN_FOLDER(refuses_what_is_not_ours),
        TEST_IN_FOLDER(overwrites_an_unreadable_plan_only_when_asked),
        TEST_IN_FOLDER(refuses_a_folder_in_use),
        TEST_IN_FOLDER(refuses_folders_in_each_other),
        TEST_IN_FOLDER(says_when_the_working_folder_is_gone),
        TEST_IN_FOLDER(needs_pictures),
        TEST_IN_FOLDER(names_every_failure_and_skip),
        TEST_IN_FOLDER(stops_at_too_many_failures),
        TEST_IN_FOLDER(refuses_files_larger_than_its_memory),
        TEST_IN_FOLDER(names_files_that_change_under_its_hands),
        TEST_IN_FOLDER(reads_only_files),
        TEST_IN_FOLDER(packs_below_any_path),
        TEST_IN_FOLDER(carries_a_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
