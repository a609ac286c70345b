/*
 * For tests in which memory runs out: the linker hands all that our rooms allocate to the functions
 * below (tests/CMakeLists.txt), and the one that `allocations_left` counts down to fails.
 */
#ifndef SM_TESTS_FAILING_MALLOC_H
#define SM_TESTS_FAILING_MALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { NEVER_FAILS = 1 << 30 };

static atomic_long allocations_left = NEVER_FAILS; /* at 1 the next one fails */
static atomic_bool fails_for_good;                 /* and all after it */
static atomic_size_t largest_allocation;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t unit, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t unit, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_fsync(int fd);

static bool allocation_fails(size_t size)
{
    if (size > largest_allocation) largest_allocation = size;
    const long left = atomic_fetch_sub(&allocations_left, 1);
    return left == 1 || (left < 1 && fails_for_good);
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocation_fails(size) ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t unit, size_t size)
{
    return allocation_fails(size) ? NULL : __real_aligned_alloc(unit, size);
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails(0) ? NULL : __real_strdup(text);
}

/* What is tried is not the disk: without waiting for it, ten times faster. */
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

#endif
