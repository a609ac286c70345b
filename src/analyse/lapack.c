#include "analyse/lapack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    "liblapacke.so.3",
    "liblapacke.so",
#ifdef __APPLE__ /* Homebrew keeps it out of the way of the system's own LAPACK */
    "/opt/homebrew/opt/lapack/lib/liblapacke.3.dylib",
    "/usr/local/opt/lapack/lib/liblapacke.3.dylib",
#endif
};
enum { NAMES = sizeof names / sizeof *names };

static const struct {
    const char *name;
    size_t at;
} functions[] = {{"LAPACKE_dgeqrf", offsetof(sm_lapack, dgeqrf)},
                 {"LAPACKE_dormqr", offsetof(sm_lapack, dormqr)},
                 {"LAPACKE_dorgqr", offsetof(sm_lapack, dorgqr)},
                 {"LAPACKE_dtrtri", offsetof(sm_lapack, dtrtri)},
                 {"LAPACKE_dtrtrs", offsetof(sm_lapack, dtrtrs)}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static sm_lapack loaded;
static bool usable;
static char failure[SM_ERROR_MAX / 2]; /* of the first name, which most systems have */

static bool load(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    bool good = library != NULL;
    for (size_t i = 0; good && i < FUNCTIONS; i++) {
        void *function = dlsym(library, functions[i].name);
        good = function != NULL;
        /* C has no conversion of the one kind of pointer to the other. */
        memcpy((char *)&loaded + functions[i].at, &function, sizeof function);
    }
    if (!good) {
        const char *why = dlerror();
        if (*failure == '\0') snprintf(failure, sizeof failure, "%s", why != NULL ? why : name);
        if (library != NULL) dlclose(library);
    }
    return good;
}

static void prepare(void)
{
    for (size_t i = 0; !usable && i < NAMES; i++) usable = load(names[i]);
}

sm_status sm_lapack_get(const sm_lapack **lapack)
{
    pthread_once(&prepared, prepare);
    if (!usable)
        return sm_fail(SM_ERR_NOT_FOUND,
                       "cannot load LAPACK (%s): install liblapacke (Debian, Ubuntu), lapack "
                       "(Fedora, Homebrew) or what your system calls LAPACKE",
                       failure);
    *lapack = &loaded;
    return SM_OK;
}
