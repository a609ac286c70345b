/* Growing arrays of plain structs. */
#ifndef SM_CORE_ARRAY_H
#define SM_CORE_ARRAY_H

#include <shardmill.h>

/* Makes room for one more item of item_size bytes behind count; *items and *cap are updated. */
sm_status sm_array_grow(void *items, size_t *cap, size_t count, size_t item_size);

#endif
