/*
 * What S3 and STS answer, in XML. A document type, more than 16 elements deep, or a text of more
 * than 64 KiB is SM_ERR_FORMAT: no entity is ever expanded but XML's own five.
 */
#ifndef SM_IO_S3_XML_H
#define SM_IO_S3_XML_H

#include "core/buf.h"
#include "core/status.h"

/* ---- The first element of some names */
typedef struct sm_xml_field {
    const char *name;
    char *value; /* NULL: not there; freed with sm_xml_free */
} sm_xml_field;

/* Fills the value of each field, and root (the outermost element's name) when it is not NULL. What
 * was filled before a failure is freed. */
sm_status sm_xml_find(sm_xml_field *fields, size_t count, sm_xml_field *root, const void *data,
                      size_t len);
/* Wipes them, for they may be credentials. */
void sm_xml_free(sm_xml_field *fields, size_t count);

/* ---- A page of ListObjectsV2 */
typedef struct sm_s3_object {
    size_t key, etag; /* offsets into the page's text */
    uint64_t size;
    int64_t mtime_ns; /* 0: not told */
} sm_s3_object;

typedef struct sm_s3_page {
    sm_buf text;
    sm_s3_object *objects;
    size_t count, cap;
    size_t *folders; /* offsets of common prefixes */
    size_t folder_count, folder_cap;
    size_t next;    /* offset of the token of the page behind this one */
    bool truncated; /* there is one */
} sm_s3_page;

void sm_s3_page_init(sm_s3_page *page);
void sm_s3_page_free(sm_s3_page *page);

/* Forgets what page held. Keys are decoded when the answer says that they are encoded. */
sm_status sm_s3_page_parse(sm_s3_page *page, const void *data, size_t len);
/* The same, by expat alone: what the quick way does not know, and what it is tested against. */
sm_status sm_s3_page_parse_any(sm_s3_page *page, const void *data, size_t len);

static inline const char *sm_s3_page_text(const sm_s3_page *page, size_t offset)
{
    return (const char *)page->text.data + offset;
}

#endif
