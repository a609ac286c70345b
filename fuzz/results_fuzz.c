/*
 * Bytes as the results of a measurement: what is taken must make an analysis, a page, CSV and JSON,
 * and nothing of it may become markup; all else is an error with a reason.
 */
#include "analyse/analyse.h"
#include "fuzz.h"
#include "report/measure_page.h"

#include <string.h>
#include <unistd.h>

static char path[256];

static void leave(void)
{
    unlink(path);
}

static void enter(void)
{
    if (*path != '\0') return;
    fuzz_temporary(path, sizeof path, "results_fuzz");
    int fd = mkstemp(path);
    FUZZ_CHECK(fd >= 0 && close(fd) == 0 && atexit(leave) == 0);
}

static void write_results(const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
}

static void check_page(const sm_analysis *a)
{
    sm_page page;
    sm_page_init(&page);
    sm_measure_page(&page, a, NULL);
    FUZZ_CHECK(page.status == SM_OK || page.status == SM_ERR_LIMIT);
    FUZZ_CHECK(sm_buf_append(&page.out, "", 1) == SM_OK);
    FUZZ_CHECK(strlen((const char *)page.out.data) + 1 == page.out.len);
    FUZZ_CHECK(strstr((const char *)page.out.data, "<script") == NULL);
    FUZZ_CHECK(strstr((const char *)page.out.data, "<img") == NULL);
    FUZZ_CHECK(strstr((const char *)page.out.data, "=\"nan") == NULL);
    sm_page_free(&page);
}

static void check_exports(const sm_analysis *a)
{
    sm_buf out;
    sm_buf_init(&out, SIZE_MAX / 2);
    FUZZ_CHECK(sm_analysis_json(&out, a) == SM_OK);
    json_t *read = json_loadb((const char *)out.data, out.len, 0, NULL);
    FUZZ_CHECK(json_is_object(read));
    json_decref(read);
    sm_buf_clear(&out);
    FUZZ_CHECK(sm_trials_csv(&out, a->table) == SM_OK);
    sm_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enter();
    write_results(data, size);
    const char *const paths[] = {path};
    sm_results table;
    sm_status status = sm_results_read(&table, paths, 1);
    FUZZ_CHECK(status == SM_OK || status == SM_ERR_FORMAT || status == SM_ERR_CORRUPT ||
               status == SM_ERR_LIMIT);
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    if (status == SM_OK) {
        sm_analysis analysis;
        FUZZ_CHECK(sm_analyse(&analysis, &table) == SM_OK);
        FUZZ_CHECK(analysis.words.len > 0);
        check_page(&analysis);
        check_exports(&analysis);
        sm_analysis_free(&analysis);
    }
    sm_results_free(&table);
    return 0;
}
