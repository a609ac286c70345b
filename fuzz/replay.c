/*
 * Runs a fuzz target over every file of the folders given, without libFuzzer: how its corpus is
 * checked with any compiler. Exits with 77 (CTest: skipped) when a folder is not there.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { SKIPPED = 77 };

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        fprintf(stderr, "cannot open '%s': %s\n", path, strerror(errno));
        if (file != NULL) fclose(file);
        return false;
    }
    /* exactly as long as the file, so that a sanitizer sees the first byte too far */
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    bool whole = data != NULL && fread(data, 1, size, file) == size;
    fclose(file);
    if (whole)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "cannot read '%s'\n", path);
    free(data);
    return whole;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0) {
        fprintf(stderr, "cannot open '%s': %s\n", folder, strerror(errno));
        return errno == ENOENT ? SKIPPED : EXIT_FAILURE;
    }
    int result = EXIT_SUCCESS, replayed = 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char path[4096];
        if (name[0] != '.' &&
            (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
             !replay_file(path)))
            result = EXIT_FAILURE;
        replayed += name[0] != '.';
        free(entries[i]);
    }
    free(entries);
    printf("%s: %d inputs\n", folder, replayed);
    return result;
}

int main(int argc, char **argv)
{
    int result = EXIT_SUCCESS;
    for (int i = 1; i < argc && result == EXIT_SUCCESS; i++) result = replay_folder(argv[i]);
    return result;
}
