#include "template.h"

#include <stdio.h>
#include <string.h>

bool is_plain(const char *name)
{
    return name[0] != '-' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789._-:/+@")] == '\0';
}

static bool append(char *filled, size_t *len, const char *text)
{
    const size_t more = strlen(text);
    if (*len + more >= TEMPLATE_MAX) return false;
    memcpy(filled + *len, text, more + 1);
    *len += more;
    return true;
}

static bool is_word(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(name, word, len) == 0;
}

/* What stands for a word of len bytes; NULL when it is none of ours. */
static const char *value_of(char number[32], const char *word, size_t len, const sm_candidate *c,
                            const char *master)
{
    const struct {
        const char *word;
        double number;
    } numbers[] = {
        {"nodes", c->nodes}, {"vcpus", c->vcpus}, {"memory_gb", c->memory_gb}, {"price", c->price}};
    if (is_word(word, len, "instance")) return c->instance;
    if (is_word(word, len, "family")) return c->family;
    if (is_word(word, len, "master")) return master;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (is_word(word, len, numbers[i].word)) {
            snprintf(number, 32, "%.10g", numbers[i].number);
            return number;
        }
    return NULL;
}

bool fill_template(char filled[TEMPLATE_MAX], const char *template, const sm_candidate *c,
                   const char *master)
{
    char number[32], one[2] = "";
    size_t len = 0;
    if (!is_plain(c->instance) || !is_plain(c->family)) return false;
    filled[0] = '\0';
    while (*template != '\0') {
        const char *end = *template == '{' ? strchr(template, '}') : NULL;
        const char *value =
            end == NULL ? NULL
                        : value_of(number, template + 1, (size_t)(end - template - 1), c, master);
        one[0] = *template;
        if (!append(filled, &len, value != NULL ? value : one)) return false;
        template = value != NULL ? end + 1 : template + 1;
    }
    return true;
}
