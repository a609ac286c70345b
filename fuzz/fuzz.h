/* What every fuzz target includes. libFuzzer calls the function below, or replay.c does. */
#ifndef SM_FUZZ_FUZZ_H
#define SM_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns 0. data is not written to, and not read past size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that the code under test makes: an input that breaks it is a finding. */
#define FUZZ_CHECK(promise)                                                               \
    do {                                                                                  \
        if (!(promise)) {                                                                 \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* The name, for mkdtemp or mkstemp, of something of the target's own among temporary files. */
static inline void fuzz_temporary(char *path, size_t cap, const char *target)
{
    const char *root = getenv("TMPDIR");
    snprintf(path, cap, "%s/%s-XXXXXX", root == NULL ? P_tmpdir : root, target);
}

#endif
