/*
 * Bytes as what choose reads: a space in TOML and in CSV, a table of runs, the state of a search.
 * What is taken makes a chooser, or is refused with a reason.
 */
#include "fuzz.h"

#include <shardmill_choose.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

static char folder[256], toml[sizeof folder + 16], csv[sizeof folder + 16];

static void leave(void)
{
    unlink(toml);
    unlink(csv);
    rmdir(folder);
}

static void enter(void)
{
    if (*folder != '\0') return;
    fuzz_temporary(folder, sizeof folder, "space_fuzz");
    FUZZ_CHECK(mkdtemp(folder) != NULL && atexit(leave) == 0);
    snprintf(toml, sizeof toml, "%s/s.toml", folder);
    snprintf(csv, sizeof csv, "%s/s.csv", folder);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
}

static bool taken(sm_status status)
{
    FUZZ_CHECK(status == SM_OK || *sm_last_error() != '\0');
    FUZZ_CHECK(status != SM_ERR_INTERNAL);
    return status == SM_OK;
}

static void check_space(const char *path)
{
    sm_space space;
    sm_choose_options options;
    sm_chooser *chooser;
    sm_choose_options_init(&options);
    options.method = SM_CHOOSE_RANDOM; /* the quickest */
    if (!taken(sm_space_read(&space, path))) return;
    FUZZ_CHECK(space.count > 0 && space.count <= SM_CHOOSE_MAX_CANDIDATES);
    if (taken(sm_chooser_new(&chooser, space.candidates, space.count, &options)))
        sm_chooser_free(chooser);
    sm_space_free(&space);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enter();
    write_file(toml, data, size);
    write_file(csv, data, size);
    check_space(toml);
    check_space(csv);
    sm_table table;
    if (taken(sm_table_read(&table, csv))) {
        for (size_t i = 0; i < table.count; i++)
            FUZZ_CHECK(isfinite(table.rows[i].cost) && table.rows[i].seconds > 0);
        sm_table_free(&table);
    }
    sm_search search;
    if (taken(sm_search_read(&search, toml))) {
        FUZZ_CHECK(search.space.count > 0);
        for (size_t t = 0; t < search.trial_count; t++)
            FUZZ_CHECK(search.trials[t].candidate < search.space.count);
        sm_search_free(&search);
    }
    return 0;
}
