#include "pack/names.h"

#include "core/array.h"
#include "core/hash.h"
#include "core/status.h"

#include <stdlib.h>
#include <string.h>

void sm_names_init(sm_names *names)
{
    *names = (sm_names){0};
    sm_buf_init(&names->text, (size_t)1 << 31);
}

void sm_names_free(sm_names *names)
{
    sm_buf_free(&names->text);
    free(names->offsets);
    free(names->slots);
    sm_names_init(names);
}

const char *sm_names_get(const sm_names *names, size_t number)
{
    return (const char *)names->text.data + names->offsets[number];
}

/* Where text is, or where it would go. */
static size_t slot_of(const sm_names *names, const char *text)
{
    size_t slot = (size_t)sm_hash_key(text, strlen(text), 0) & (names->slot_count - 1);
    while (names->slots[slot] != 0 &&
           strcmp(sm_names_get(names, names->slots[slot] - 1), text) != 0)
        slot = (slot + 1) & (names->slot_count - 1);
    return slot;
}

static sm_status rebuild_slots(sm_names *names, size_t slot_count)
{
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) return sm_fail_memory(slot_count * sizeof *slots);
    free(names->slots);
    names->slots = slots;
    names->slot_count = slot_count;
    for (size_t i = 0; i < names->count; i++)
        slots[slot_of(names, sm_names_get(names, i))] = (uint32_t)i + 1;
    return SM_OK;
}

int64_t sm_names_find(const sm_names *names, const char *text)
{
    if (names->slot_count == 0) return SM_NO_NAME;
    return (int64_t)names->slots[slot_of(names, text)] - 1;
}

sm_status sm_names_add(sm_names *names, uint32_t *number, const char *text)
{
    sm_status status = SM_OK;
    if (names->slot_count < 2 * (names->count + 1))
        status = rebuild_slots(names, names->slot_count == 0 ? 64 : names->slot_count * 2);
    if (status != SM_OK) return status;
    size_t slot = slot_of(names, text);
    if (names->slots[slot] == 0) {
        if (names->count >= SM_NAMES_MAX)
            return sm_fail(SM_ERR_LIMIT, "more than %d different names", SM_NAMES_MAX);
        status = sm_array_grow(&names->offsets, &names->cap, names->count, sizeof *names->offsets);
        size_t offset = names->text.len;
        if (status == SM_OK) status = sm_buf_append(&names->text, text, strlen(text) + 1);
        if (status != SM_OK) return status;
        names->offsets[names->count++] = offset;
        names->slots[slot] = (uint32_t)names->count;
    }
    *number = names->slots[slot] - 1;
    return SM_OK;
}

typedef struct sort_item {
    const char *text;
    uint32_t old;
    bool numeric; /* the same in all items */
} sort_item;

/* Plain decimal without leading zeros, so that every number has one spelling. */
static bool is_whole_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return len > 0 && text[len] == '\0' && (len == 1 || text[0] != '0');
}

static int compare(const void *left, const void *right)
{
    const sort_item *a = left, *b = right;
    if (a->numeric) {
        size_t a_len = strlen(a->text), b_len = strlen(b->text);
        if (a_len != b_len) return a_len < b_len ? -1 : 1;
    }
    return strcmp(a->text, b->text);
}

sm_status sm_names_sort(sm_names *names, uint32_t *new_of_old)
{
    if (names->count == 0) return SM_OK;
    size_t *offsets = malloc(names->count * sizeof *offsets);
    sort_item *items = malloc(names->count * sizeof *items);
    if (offsets == NULL || items == NULL) {
        free(offsets);
        free(items);
        return sm_fail_memory(names->count * sizeof *items);
    }
    bool numeric = true;
    for (size_t i = 0; i < names->count; i++)
        numeric = numeric && is_whole_number(sm_names_get(names, i));
    for (size_t i = 0; i < names->count; i++)
        items[i] = (sort_item){sm_names_get(names, i), (uint32_t)i, numeric};
    qsort(items, names->count, sizeof *items, compare);
    for (size_t i = 0; i < names->count; i++) {
        offsets[i] = names->offsets[items[i].old];
        new_of_old[items[i].old] = (uint32_t)i;
    }
    free(items);
    free(names->offsets);
    names->offsets = offsets;
    names->cap = names->count;
    return rebuild_slots(names, names->slot_count);
}
