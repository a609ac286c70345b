/*
 * XML that servers answer, element by element. A document type, more than 16 elements deep, or a
 * text of more than 64 KiB is SM_ERR_FORMAT or SM_ERR_LIMIT: no entity is ever expanded but XML's
 * own five.
 */
#ifndef SM_IO_XML_READER_H
#define SM_IO_XML_READER_H

#include "core/buf.h"
#include "core/status.h"

enum {
    SM_XML_MAX = 64 << 20, /* a thousand keys of 1 KiB are one; some servers' pages are larger */
    SM_XML_TEXT_MAX = 64 << 10
};

/* on_start (NULL: none) and on_end are told of each element; text, with a NUL, is that of the
 * innermost as it ends. Whoever fills it zeroes the rest. */
typedef struct sm_xml_reader {
    void (*on_start)(struct sm_xml_reader *reader, const char *name);
    void (*on_end)(struct sm_xml_reader *reader, const char *name);
    void *user;
    sm_buf text;
    unsigned depth; /* of the element that starts or ends; the outermost is 1 */
    sm_status status;
    void *parser; /* expat's, while it reads */
} sm_xml_reader;

/* Called by on_start and on_end: nothing more is read, and that is what reading gives. */
void sm_xml_stop(sm_xml_reader *reader, sm_status status);

typedef sm_status sm_xml_read_fn(sm_xml_reader *reader, const void *data, size_t len);

/* By expat. */
sm_xml_read_fn sm_xml_read;
/*
 * Several times as fast: the XML that stores write into their listings, which has no comments,
 * CDATA, attributes but one namespace, characters but ASCII, or references but those to the five
 * that XML has. All else is SM_ERR_FORMAT, whether it is XML or not: sm_xml_read knows.
 */
sm_xml_read_fn sm_xml_scan;

#endif
