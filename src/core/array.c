#include "core/array.h"

#include "core/status.h"

#include <stdlib.h>
#include <string.h>

sm_status sm_array_grow(void *items, size_t *cap, size_t count, size_t item_size)
{
    if (count < *cap) return SM_OK;
    size_t more = *cap == 0 ? 64 : *cap + *cap / 2;
    if (more > SIZE_MAX / item_size) return sm_fail_memory(SIZE_MAX);
    void *old;
    memcpy(&old, items, sizeof old); /* items is the address of a typed pointer */
    void *grown = realloc(old, more * item_size);
    if (grown == NULL) return sm_fail_memory(more * item_size);
    memcpy(items, &grown, sizeof grown);
    *cap = more;
    return SM_OK;
}
