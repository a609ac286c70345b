#include "report/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char sm_page_style[]; /* cmake/embed.cmake makes them of page.css */
extern const size_t sm_page_style_len;

enum { PAGE_MAX = 256 << 20 };

void sm_page_init(sm_page *page)
{
    *page = (sm_page){.status = SM_OK};
    sm_buf_init(&page->out, PAGE_MAX);
}

void sm_page_free(sm_page *page)
{
    sm_buf_free(&page->out);
}

void sm_put(sm_page *page, const char *markup)
{
    if (page->status == SM_OK) page->status = sm_buf_append_str(&page->out, markup);
}

void sm_putf(sm_page *page, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (page->status != SM_OK) return;
    page->status = len < 0 || (size_t)len >= sizeof text
                       ? sm_fail(SM_ERR_INTERNAL, "markup is longer than its buffer: '%s'", format)
                       : sm_buf_append(&page->out, text, (size_t)len);
}

/* ---- Text */

/* The bytes of the UTF-8 character at text, 0 when it is none or a control character. */
static size_t character_len(const unsigned char *text)
{
    if (text[0] < 0x80) return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
    size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4) return 0;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    /* overlong forms, surrogates, past U+10FFFF; and U+0080 to U+009F, which are controls */
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f) ||
        (text[0] == 0xc2 && text[1] < 0xa0))
        return 0;
    return len;
}

static void put_character(sm_page *page, const char *at, size_t len)
{
    switch (*at) {
    case '&': sm_put(page, "&amp;"); return;
    case '<': sm_put(page, "&lt;"); return;
    case '>': sm_put(page, "&gt;"); return;
    case '"': sm_put(page, "&quot;"); return;
    case '\'': sm_put(page, "&#39;"); return;
    default: break;
    }
    if (page->status != SM_OK) return;
    page->status = len == 0 ? sm_buf_append_str(&page->out, "\xef\xbf\xbd")
                            : sm_buf_append(&page->out, at, len);
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; count++) {
        size_t len = character_len((const unsigned char *)text);
        text += len == 0 ? 1 : len;
    }
    return count;
}

void sm_text_cut(sm_page *page, const char *text, size_t most)
{
    if (text == NULL) text = "\u2013";
    const size_t count = count_characters(text);
    const size_t head = count > most ? most / 2 : count, tail = count > most ? most - head - 1 : 0;
    for (size_t i = 0; *text != '\0'; i++) {
        size_t len = character_len((const unsigned char *)text);
        if (i < head || i >= count - tail)
            put_character(page, text, len);
        else if (i == head)
            sm_put(page, "\u2026");
        text += len == 0 ? 1 : len;
    }
}

void sm_text(sm_page *page, const char *text)
{
    sm_text_cut(page, text, SIZE_MAX);
}

/* ---- Document */

void sm_page_begin(sm_page *page, const char *title)
{
    /* No script, no picture, no font, no address: whatever a name in the results says, nothing is
     * loaded and nothing runs. */
    sm_put(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n"
                 "<meta name=\"generator\" content=\"shardmill " SM_VERSION "\">\n<title>");
    sm_text_cut(page, title, 120);
    sm_put(page, "</title>\n<style>\n");
    if (page->status == SM_OK)
        page->status = sm_buf_append(&page->out, sm_page_style, sm_page_style_len);
    sm_put(page, "</style>\n</head>\n<body>\n<main>\n");
}

void sm_page_end(sm_page *page)
{
    sm_put(page, "<footer>Made by shardmill " SM_VERSION
                 ". The page holds no script and loads nothing.</footer>\n"
                 "</main>\n</body>\n</html>\n");
}

/* ---- Tables */

void sm_table_begin(sm_page *page, const char *caption, const char *const *headings, size_t count)
{
    /* Reached by the keyboard, since it may scroll. */
    sm_putf(page, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n",
            caption);
    sm_putf(page, "<table>\n<caption>%s</caption>\n<thead><tr>", caption);
    for (size_t i = 0; i < count; i++) {
        const bool number = headings[i][0] == '#';
        sm_putf(page, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "",
                headings[i] + number);
    }
    sm_put(page, "</tr></thead>\n<tbody>\n");
}

void sm_table_end(sm_page *page)
{
    sm_put(page, "</tbody>\n</table>\n</div>\n");
}

void sm_cell_text(sm_page *page, const char *text)
{
    sm_put(page, "<td><bdi>");
    sm_text(page, text);
    sm_put(page, "</bdi></td>");
}

void sm_cell_number(sm_page *page, const char *text)
{
    sm_put(page, "<td class=\"n\">");
    sm_text(page, text);
    sm_put(page, "</td>");
}
