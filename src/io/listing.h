/*
 * Listings of object stores, page after page in flat memory. A listing of more than a page is cut
 * where folders begin, and its parts ("lanes") are asked for side by side; pages are read by
 * several threads and given out in order within a lane.
 */
#ifndef SM_IO_LISTING_H
#define SM_IO_LISTING_H

#include "io/store.h"

/* What a store is asked for. Texts may be NULL but prefix. */
typedef struct sm_list_wish {
    const char *prefix;
    const char *start; /* only keys behind it, or it too */
    const char *token; /* where the page begins; then start is not needed */
    bool any;          /* one object is enough */
    bool folders;      /* the common prefixes up to the next '/', rather than what lies there */
} sm_list_wish;

typedef struct sm_list_entry {
    size_t key; /* offset into the page's text */
    sm_file_info info;
} sm_list_entry;

/* A page that was read. */
typedef struct sm_list_page {
    sm_buf text; /* keys, each with its NUL */
    sm_list_entry *entries;
    size_t count, cap;
    sm_buf folders; /* common prefixes, each with its NUL */
    sm_buf next;    /* the token of the page behind it, with its NUL; empty: it is the last */
} sm_list_page;

void sm_list_page_init(sm_list_page *page);
void sm_list_page_free(sm_list_page *page);
/* Forgets what it holds, but keeps the memory. */
void sm_list_page_clear(sm_list_page *page);
/* Adds an object; the caller fills its info at once. */
sm_status sm_list_page_put(sm_list_page *page, sm_list_entry **entry, const char *key, size_t len);
sm_status sm_list_page_add(sm_list_page *page, const char *key, const sm_file_info *info);

/* What differs from store to store. */
typedef struct sm_list_source {
    /* Fills text, which is empty, with the page as the store sends it. */
    sm_status (*ask)(sm_buf *text, const char *url, const sm_list_wish *wish);
    /* Finds the token of the page behind text, without reading all of it, so that it can be on its
     * way already; NULL: this is the last, or it must be read. The caller frees it. */
    sm_status (*find_token)(char **token, const void *text, size_t len);
    /* Fills page, which holds nothing yet. */
    sm_status (*read)(sm_list_page *page, const sm_buf *text);
} sm_list_source;

/* Gives every object of url whose key begins with prefix, without the prefix. */
sm_status sm_list_all(const sm_list_source *source, const char *url, const char *prefix,
                      sm_list_fn *fn, void *user);

/* Whether there is any object, or more to look through, below prefix; one small page. */
sm_status sm_list_any(bool *any, const sm_list_source *source, const char *url, const char *prefix);

#endif
