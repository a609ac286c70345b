#include "choose/toml.h"

#include "choose/text.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 64, DEPTH_MAX = 8 };

typedef struct parser {
    const char *at, *name;
    size_t line;
} parser;

static sm_status wrong(const parser *p, const char *what)
{
    return sm_fail(SM_ERR_FORMAT, "%s:%zu: %s", p->name, p->line, what);
}

static void skip_blanks(parser *p)
{
    p->at += strspn(p->at, " \t");
}

static void skip_comment(parser *p)
{
    skip_blanks(p);
    if (*p->at == '#') p->at += strcspn(p->at, "\n");
    if (p->at[0] == '\r' && p->at[1] == '\n') p->at++;
}

/* Blanks, comments and ends of lines: what may stand between the items of an array. */
static void skip_lines(parser *p)
{
    for (skip_comment(p); *p->at == '\n'; skip_comment(p)) {
        p->at++;
        p->line++;
    }
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static sm_status read_key(char key[SM_TOML_KEY_MAX], parser *p)
{
    size_t len = 0;
    while (is_key_char(p->at[len])) len++;
    if (len == 0) return wrong(p, "a key of letters, digits, '_' and '-' is wanted here");
    if (len >= SM_TOML_KEY_MAX) return wrong(p, "the key is too long");
    memcpy(key, p->at, len);
    key[len] = '\0';
    p->at += len;
    if (*p->at == '.') return wrong(p, "dotted keys are not read");
    return SM_OK;
}

/* Appends the escape behind a backslash, of which p stands on the letter. */
static sm_status read_escape(sm_buf *text, parser *p)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    const char *found = *p->at == '\0' ? NULL : strchr(from, *p->at);
    if (found == NULL) return wrong(p, "this escape is not read");
    p->at++;
    return sm_buf_append(text, to + (found - from), 1);
}

static sm_status read_string(json_t **value, parser *p)
{
    char quote = *p->at++;
    if (p->at[0] == quote && p->at[1] == quote) return wrong(p, "multi-line strings are not read");
    sm_buf text;
    sm_buf_init(&text, 1 << 16);
    sm_status status = SM_OK;
    while (status == SM_OK && *p->at != quote) {
        unsigned char c = (unsigned char)*p->at;
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            status = wrong(p, "the string does not end on its line");
        } else if (c == '\\' && quote == '"') {
            p->at++;
            status = read_escape(&text, p);
        } else {
            status = sm_buf_append(&text, p->at++, 1);
        }
    }
    if (status == SM_OK) {
        p->at++;
        *value = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
        if (*value == NULL) status = wrong(p, "the string is no UTF-8");
    }
    sm_buf_free(&text);
    return status;
}

/* TOML's underscores stand between digits alone. */
static sm_status read_number(json_t **value, parser *p)
{
    char text[NUMBER_BYTES];
    size_t len = strcspn(p->at, " \t\r\n,]#"), used = 0;
    double number;
    if (len == 0) return wrong(p, "a value is wanted here");
    for (size_t i = 0; i < len && used + 1 < sizeof text; i++) {
        bool between = i > 0 && p->at[i - 1] >= '0' && p->at[i - 1] <= '9' && p->at[i + 1] >= '0' &&
                       p->at[i + 1] <= '9';
        if (p->at[i] != '_' || !between) text[used++] = p->at[i];
    }
    text[used] = '\0';
    if (len >= sizeof text || !sm_text_number(&number, text))
        return wrong(p, "this is no value that is read: wanted is a \"string\", a finite number, "
                        "true, false or an [array]");
    p->at += len;
    bool whole = strpbrk(text, ".eE") == NULL && fabs(number) < 9e15;
    *value = whole ? json_integer((json_int_t)number) : json_real(number);
    return *value == NULL ? sm_fail_memory(sizeof **value) : SM_OK;
}

static sm_status read_value(json_t **value, parser *p, int depth);

static sm_status read_array(json_t **value, parser *p, int depth)
{
    sm_status status = SM_OK;
    json_t *array = json_array();
    if (array == NULL) return sm_fail_memory(sizeof *array);
    if (depth == DEPTH_MAX) status = wrong(p, "arrays are nested too deep");
    p->at++;
    for (skip_lines(p); status == SM_OK && *p->at != ']'; skip_lines(p)) {
        json_t *item;
        status = read_value(&item, p, depth + 1);
        if (status != SM_OK) break;
        if (json_array_append_new(array, item) != 0) status = sm_fail_memory(sizeof *item);
        skip_lines(p);
        if (*p->at == ',')
            p->at++;
        else if (*p->at != ']' && status == SM_OK)
            status = wrong(p, "',' or ']' is wanted here");
    }
    if (status != SM_OK) {
        json_decref(array);
        return status;
    }
    p->at++;
    *value = array;
    return SM_OK;
}

static sm_status read_value(json_t **value, parser *p, int depth)
{
    if (*p->at == '"' || *p->at == '\'') return read_string(value, p);
    if (*p->at == '[') return read_array(value, p, depth);
    if (*p->at == '{') return wrong(p, "inline tables are not read");
    size_t len = strcspn(p->at, " \t\r\n,]#");
    bool is_true = len == 4 && memcmp(p->at, "true", 4) == 0;
    if (is_true || (len == 5 && memcmp(p->at, "false", 5) == 0)) {
        p->at += len;
        *value = json_boolean(is_true);
        return SM_OK;
    }
    return read_number(value, p);
}

/* [name] or [[name]]; *table is borrowed from object. */
static sm_status read_header(json_t **table, json_t *object, parser *p)
{
    char key[SM_TOML_KEY_MAX];
    bool many = p->at[1] == '[';
    p->at += many ? 2 : 1;
    skip_blanks(p);
    sm_status status = read_key(key, p);
    if (status != SM_OK) return status;
    skip_blanks(p);
    if (strncmp(p->at, many ? "]]" : "]", many ? 2 : 1) != 0)
        return wrong(p, many ? "']]' is wanted here" : "']' is wanted here");
    p->at += many ? 2 : 1;
    json_t *before = json_object_get(object, key), *added = json_object();
    if (added == NULL) return sm_fail_memory(sizeof *added);
    if (many && before == NULL) {
        before = json_array();
        json_object_set_new(object, key, before);
    }
    if (many ? !json_is_array(before) : before != NULL) {
        json_decref(added);
        return wrong(p, "this name is taken already");
    }
    *table = added;
    if (many ? json_array_append_new(before, added) != 0
             : json_object_set_new(object, key, added) != 0)
        return sm_fail_memory(sizeof *added);
    return SM_OK;
}

static sm_status read_pair(json_t *table, parser *p)
{
    char key[SM_TOML_KEY_MAX];
    json_t *value;
    sm_status status = read_key(key, p);
    if (status != SM_OK) return status;
    skip_blanks(p);
    if (*p->at != '=') return wrong(p, "'=' is wanted behind the key");
    p->at++;
    skip_blanks(p);
    if (json_object_get(table, key) != NULL) return wrong(p, "this key is taken already");
    status = read_value(&value, p, 0);
    if (status != SM_OK) return status;
    return json_object_set_new(table, key, value) == 0 ? SM_OK : sm_fail_memory(sizeof *value);
}

sm_status sm_toml_parse(json_t **object, const char *text, const char *name)
{
    parser p = {.at = text, .name = name, .line = 1};
    json_t *root = json_object(), *table = root;
    if (root == NULL) return sm_fail_memory(sizeof *root);
    sm_status status = SM_OK;
    for (skip_lines(&p); status == SM_OK && *p.at != '\0'; skip_lines(&p)) {
        status = *p.at == '[' ? read_header(&table, root, &p) : read_pair(table, &p);
        if (status != SM_OK) break;
        skip_comment(&p);
        if (*p.at != '\n' && *p.at != '\0') status = wrong(&p, "the line should end here");
    }
    if (status == SM_OK)
        *object = root;
    else
        json_decref(root);
    return status;
}
