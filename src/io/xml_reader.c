#include "io/xml_reader.h"

#include <expat.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

void sm_xml_stop(sm_xml_reader *reader, sm_status status)
{
    if (reader->status == SM_OK) reader->status = status;
    if (reader->parser != NULL) XML_StopParser(reader->parser, XML_FALSE);
}

/* ---- What both ways of reading tell */

static void start_element(sm_xml_reader *reader, const char *name)
{
    if (++reader->depth > DEPTH_MAX) {
        sm_xml_stop(reader,
                    sm_fail(SM_ERR_FORMAT, "its elements are more than %d deep", DEPTH_MAX));
        return;
    }
    sm_buf_clear(&reader->text);
    if (reader->on_start != NULL) reader->on_start(reader, name);
}

static void add_text(sm_xml_reader *reader, const char *text, size_t len)
{
    sm_status status = sm_buf_append(&reader->text, text, len);
    if (status == SM_ERR_LIMIT)
        sm_fail(status, "an element has more than %d bytes", SM_XML_TEXT_MAX);
    if (status != SM_OK) sm_xml_stop(reader, status);
}

static void end_element(sm_xml_reader *reader, const char *name)
{
    sm_status status = sm_buf_append(&reader->text, "", 1);
    if (status != SM_OK)
        sm_xml_stop(reader, status);
    else
        reader->on_end(reader, name);
    sm_buf_clear(&reader->text);
    reader->depth--;
}

/* Servers that are slow to complete an upload send blanks to keep the connection. */
static const char *skip_blanks(const char *text, size_t *len)
{
    while (*len > 0 && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t'))
        text++, --*len;
    return text;
}

static void begin(sm_xml_reader *reader)
{
    reader->status = SM_OK;
    reader->depth = 0;
    sm_buf_init(&reader->text, SM_XML_TEXT_MAX);
}

/* It may have been a secret. */
static void end(sm_xml_reader *reader)
{
    if (reader->text.data != NULL) explicit_bzero(reader->text.data, reader->text.cap);
    sm_buf_free(&reader->text);
}

/* ---- By expat */

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    start_element(user, name);
}

static void XMLCALL on_text(void *user, const XML_Char *text, int len)
{
    add_text(user, text, (size_t)len);
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    end_element(user, name);
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    sm_xml_stop(user, sm_fail(SM_ERR_FORMAT, "it has a document type, which no answer needs"));
}

sm_status sm_xml_read(sm_xml_reader *reader, const void *data, size_t len)
{
    const char *text = skip_blanks(data, &len);
    if (len > SM_XML_MAX) return sm_fail(SM_ERR_LIMIT, "it has more than 64 MiB");
    XML_Parser parser = XML_ParserCreate(NULL);
    if (parser == NULL) return sm_fail_memory(1);
    begin(reader);
    reader->parser = parser;
    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    enum XML_Status parsed = XML_Parse(parser, text, (int)len, XML_TRUE);
    sm_status status = reader->status;
    if (status == SM_OK && parsed != XML_STATUS_OK)
        status = sm_fail(SM_ERR_FORMAT, "%s in line %lu", XML_ErrorString(XML_GetErrorCode(parser)),
                         (unsigned long)XML_GetCurrentLineNumber(parser));
    XML_ParserFree(parser);
    reader->parser = NULL;
    end(reader);
    return status;
}

/* ---- The quick way */

enum { NAME_MAX_LEN = 32 };

typedef struct scan {
    const char *at, *end;
    char open[DEPTH_MAX][NAME_MAX_LEN]; /* the elements that have not ended */
} scan;

/* Whether what comes next is word; moves behind it. */
static bool take(scan *s, const char *word)
{
    const size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) return false;
    s->at += len;
    return true;
}

/* Letters and digits, the first a letter; with a NUL. */
static bool take_name(scan *s, char name[NAME_MAX_LEN])
{
    size_t len = 0;
    for (; s->at + len < s->end && len < NAME_MAX_LEN - 1; len++) {
        const char c = s->at[len];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (len == 0 || c < '0' || c > '9')) break;
        name[len] = c;
    }
    name[len] = '\0';
    s->at += len;
    return len > 0;
}

/* Of the outermost element: no attribute, or its namespace. */
static bool take_namespace(scan *s)
{
    if (!take(s, " xmlns=\"")) return true;
    while (s->at<s->end && * s->at> ' ' && *s->at < 127 && strchr("\"<&", *s->at) == NULL) s->at++;
    return take(s, "\"");
}

static bool take_reference(scan *s, sm_xml_reader *reader)
{
    static const struct {
        const char *written, *meant;
    } references[] = {{"&quot;", "\""}, {"&#34;", "\""}, {"&amp;", "&"}, {"&lt;", "<"},
                      {"&gt;", ">"},    {"&apos;", "'"}, {"&#39;", "'"}};
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        if (take(s, references[i].written)) {
            add_text(reader, references[i].meant, 1);
            return true;
        }
    return false;
}

/* Characters of texts that mean themselves; '>' does too, but not behind "]]". */
static bool is_plain(char c)
{
    static const char others[128] = {['\n'] = 1, ['&'] = 2, ['<'] = 2, ['>'] = 2, [127] = 2};
    return (unsigned char)c < 128 && others[(unsigned char)c] + (c >= ' ') == 1;
}

/* Up to the next '<'. */
static bool take_text(scan *s, sm_xml_reader *reader)
{
    for (;;) {
        const char *from = s->at;
        while (s->at < s->end && is_plain(*s->at)) s->at++;
        if (s->at > from) add_text(reader, from, (size_t)(s->at - from));
        if (s->at == s->end) return false;
        if (*s->at == '<') return true;
        if (!take_reference(s, reader)) return false;
    }
}

/* A tag: it starts or ends an element. */
static bool take_tag(scan *s, sm_xml_reader *reader)
{
    if (reader->depth > 0 && take(s, "</")) {
        const char *name = s->open[reader->depth - 1];
        if (!take(s, name) || !take(s, ">")) return false;
        end_element(reader, name);
        return true;
    }
    char *name = s->open[reader->depth];
    if (!take(s, "<") || !take_name(s, name) || (reader->depth == 0 && !take_namespace(s)))
        return false;
    const bool empty = take(s, "/");
    if (!take(s, ">")) return false;
    start_element(reader, name);
    if (empty && reader->status == SM_OK) end_element(reader, name);
    return true;
}

static bool take_document(scan *s, sm_xml_reader *reader)
{
    if (take(s, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"))
        while (take(s, "\n")) continue;
    do {
        if (reader->depth == DEPTH_MAX || !take_tag(s, reader) || reader->status != SM_OK)
            return false;
        if (reader->depth > 0 && (!take_text(s, reader) || reader->status != SM_OK)) return false;
    } while (reader->depth > 0);
    while (take(s, "\n")) continue;
    return s->at == s->end;
}

sm_status sm_xml_scan(sm_xml_reader *reader, const void *data, size_t len)
{
    scan s = {.at = data, .end = len > 0 ? (const char *)data + len : data};
    if (len > SM_XML_MAX) return sm_fail(SM_ERR_LIMIT, "it has more than 64 MiB");
    begin(reader);
    const bool known = len > 0 && take_document(&s, reader);
    const sm_status status = reader->status;
    end(reader);
    if (status != SM_OK || known) return status;
    return sm_fail(SM_ERR_FORMAT, "it is not as stores write their listings");
}
