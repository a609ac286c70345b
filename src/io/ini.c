#include "io/ini.h"

#include "core/array.h"
#include "core/status.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

/* All borrowed from the text. A section's own entry has no key. */
typedef struct ini_entry {
    const char *section, *parent, *key, *value;
} ini_entry;

struct sm_ini {
    char *text; /* cut into strings in place */
    size_t len;
    ini_entry *entries;
    size_t count, cap;
};

/* Where the reader stands. */
typedef struct ini_reader {
    sm_ini *ini;
    const char *name;
    unsigned line;
    const char *section;
    const char *parent; /* a key without a value, which indented lines belong to */
} ini_reader;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static char *trim(char *text)
{
    while (is_blank(*text)) text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1])) len--;
    text[len] = '\0';
    return text;
}

/* A comment starts a line, or stands behind a blank: a '#' inside a secret is the secret's. */
static void cut_comment(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((*c == '#' || *c == ';') && (c == text || is_blank(c[-1]))) {
            *c = '\0';
            return;
        }
}

static sm_status add(ini_reader *reader, const char *parent, const char *key, const char *value)
{
    sm_ini *ini = reader->ini;
    sm_status status = sm_array_grow(&ini->entries, &ini->cap, ini->count, sizeof *ini->entries);
    if (status != SM_OK) return status;
    ini->entries[ini->count++] = (ini_entry){reader->section, parent, key, value};
    return SM_OK;
}

static sm_status bad_line(const ini_reader *reader, const char *what)
{
    return sm_fail(SM_ERR_FORMAT, "cannot understand '%s': line %u %s", reader->name, reader->line,
                   what);
}

/* "[profile  name]" becomes "profile name"; quotes around the name go. */
static char *normalise_section(char *text)
{
    char *out = text;
    bool blank = false;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '"' || *in == '\'') continue;
        if (is_blank(*in)) {
            blank = out > text;
            continue;
        }
        if (blank) *out++ = ' ';
        blank = false;
        *out++ = *in;
    }
    *out = '\0';
    return text;
}

static sm_status read_section(ini_reader *reader, char *line)
{
    char *end = strchr(line, ']');
    if (end == NULL) return bad_line(reader, "opens a section with '[' and does not close it");
    *end = '\0';
    reader->section = normalise_section(line + 1);
    reader->parent = NULL;
    return add(reader, NULL, NULL, NULL);
}

static sm_status read_line(ini_reader *reader, char *line)
{
    bool indented = is_blank(line[0]);
    cut_comment(line);
    line = trim(line);
    if (*line == '\0') return SM_OK;
    if (*line == '[' && !indented) return read_section(reader, line);
    if (reader->section == NULL) return bad_line(reader, "stands before the first [section]");

    char *equals = strchr(line, '=');
    /* An indented line without one goes on with the value above, which none of ours needs. */
    if (equals == NULL && indented) return SM_OK;
    if (equals == NULL) return bad_line(reader, "has no '='");
    *equals = '\0';
    const char *key = trim(line);
    const char *value = trim(equals + 1);
    if (*key == '\0') return bad_line(reader, "has no key before its '='");
    if (indented && reader->parent != NULL) return add(reader, reader->parent, key, value);
    reader->parent = *value == '\0' ? key : NULL;
    return add(reader, NULL, key, value);
}

static sm_status read_lines(ini_reader *reader, char *text)
{
    for (char *next; text != NULL; text = next) {
        next = strchr(text, '\n');
        if (next != NULL) *next++ = '\0';
        reader->line++;
        sm_status status = read_line(reader, text);
        if (status != SM_OK) return status;
    }
    return SM_OK;
}

sm_status sm_ini_parse(sm_ini **ini, const char *text, size_t len, const char *name)
{
    if (len > SM_INI_MAX)
        return sm_fail(SM_ERR_LIMIT, "'%s' has more than %d bytes", name, SM_INI_MAX);
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return sm_fail(SM_ERR_FORMAT, "cannot understand '%s': it is not a text file", name);
    sm_ini *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->len = len;
    made->text = calloc(len + 1, 1);
    if (made->text == NULL) {
        free(made);
        return sm_fail_memory(len + 1);
    }
    if (len > 0) memcpy(made->text, text, len);

    ini_reader reader = {.ini = made, .name = name};
    bool has_mark = strncmp(made->text, "\xef\xbb\xbf", 3) == 0; /* some editors' first bytes */
    sm_status status = read_lines(&reader, made->text + (has_mark ? 3 : 0));
    if (status != SM_OK) {
        sm_ini_free(made);
        return status;
    }
    *ini = made;
    return SM_OK;
}

sm_status sm_ini_read(sm_ini **ini, const char *path)
{
    sm_buf text;
    sm_buf_init(&text, SM_INI_MAX);
    sm_status status = sm_io_read_file(&text, path, NULL);
    if (status == SM_OK) status = sm_ini_parse(ini, (const char *)text.data, text.len, path);
    if (status == SM_ERR_NOT_FOUND) status = sm_ini_parse(ini, "", 0, path);
    if (text.data != NULL) explicit_bzero(text.data, text.cap);
    sm_buf_free(&text);
    return status;
}

void sm_ini_free(sm_ini *ini)
{
    if (ini == NULL) return;
    explicit_bzero(ini->text, ini->len);
    free(ini->text);
    free(ini->entries);
    free(ini);
}

bool sm_ini_has(const sm_ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->count; i++)
        if (strcmp(ini->entries[i].section, section) == 0) return true;
    return false;
}

static bool is_named(const ini_entry *entry, const char *key)
{
    if (entry->key == NULL) return false;
    if (entry->parent == NULL) return strcasecmp(entry->key, key) == 0;
    size_t len = strlen(entry->parent);
    return strncasecmp(entry->parent, key, len) == 0 && key[len] == '.' &&
           strcasecmp(entry->key, key + len + 1) == 0;
}

const char *sm_ini_get(const sm_ini *ini, const char *section, const char *key)
{
    for (size_t i = ini->count; i > 0; i--) {
        const ini_entry *entry = &ini->entries[i - 1];
        if (strcmp(entry->section, section) == 0 && is_named(entry, key)) return entry->value;
    }
    return NULL;
}
