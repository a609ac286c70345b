#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 30, HELP_WIDTH = 96 };

int usage_error(const command *cmd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "shardmill %s: ", cmd->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nsee 'shardmill %s --help'\n", cmd->name);
    va_end(args);
    return EXIT_USAGE;
}

static bool is_end(const option_row *row)
{
    return row->name == NULL && row->help == NULL;
}

/* The first row of a command's table number i, of two; NULL: there is none. */
static const option_row *table(const command *cmd, int i)
{
    return i == 0 ? cmd->rows : cmd->shared;
}
enum { TABLES = 2 };

/* Walks both tables of cmd. */
#define FOR_EACH_ROW(row, cmd)                      \
    for (int table_ = 0; table_ < TABLES; table_++) \
        for (const option_row *row = table(cmd, table_); row != NULL && !is_end(row); row++)

static bool takes_value(const option_row *row)
{
    return row->kind != OPTION_ON && row->kind != OPTION_OFF;
}

/* ---- Values */

static bool read_number(uint64_t *value, const char *text, const char **rest)
{
    if (*text < '0' || *text > '9') return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *value = number;
    *rest = end;
    return errno == 0;
}

static bool read_bytes(uint64_t *bytes, const char *text)
{
    static const char units[] = "KMGT";
    const char *rest;
    if (!read_number(bytes, text, &rest)) return false;
    const char *unit = *rest == '\0' ? NULL : strchr(units, *rest);
    if (*rest == '\0') return true;
    if (unit == NULL || (strcmp(rest + 1, "") != 0 && strcmp(rest + 1, "iB") != 0)) return false;
    int shift = 10 * (int)(unit - units + 1);
    if (*bytes > UINT64_MAX >> shift) return false;
    *bytes <<= shift;
    return true;
}

static bool read_choice(int *value, sm_choice choice, const char *text)
{
    const char *word;
    for (int i = 0; (word = sm_choice_name(choice, i)) != NULL; i++)
        if (strcmp(word, text) == 0) {
            *value = i;
            return true;
        }
    return false;
}

static void list_choices(char *text, size_t cap, sm_choice choice)
{
    const char *word;
    size_t used = 0;
    for (int i = 0; (word = sm_choice_name(choice, i)) != NULL && used < cap; i++)
        used += (size_t)snprintf(text + used, cap - used, "%s%s", i == 0 ? "" : "|", word);
}

bool read_billing_project(void *unused, const char *text, const char **want)
{
    (void)unused;
    *want = "a project's name";
    return *text != '\0' && setenv("SHARDMILL_BILLING_PROJECT", text, 1) == 0;
}

static bool bad_value(const command *cmd, const option_row *row, const char *text, const char *want)
{
    usage_error(cmd, "--%s: '%s' is not %s", row->name, text, want);
    return false;
}

/* Stores a whole number of the row's range. */
static bool set_number(void *target, const command *cmd, const option_row *row, const char *text)
{
    uint64_t number;
    const char *rest;
    char want[96];
    bool good = row->kind == OPTION_BYTES ? read_bytes(&number, text)
                                          : read_number(&number, text, &rest) && *rest == '\0';
    if (!good || number < row->min || number > row->max) {
        if (row->kind == OPTION_BYTES)
            snprintf(want, sizeof want, "a size such as 512M or 4G");
        else if (row->max == UINT64_MAX)
            snprintf(want, sizeof want, "a whole number from %llu on",
                     (unsigned long long)row->min);
        else
            snprintf(want, sizeof want, "a whole number from %llu to %llu",
                     (unsigned long long)row->min, (unsigned long long)row->max);
        return bad_value(cmd, row, text, want);
    }
    if (row->kind == OPTION_U32)
        *(uint32_t *)target = (uint32_t)number;
    else if (row->kind == OPTION_INT)
        *(int *)target = (int)number;
    else
        *(uint64_t *)target = number;
    return true;
}

static bool set_value(void *target, const command *cmd, const option_row *row, const char *text)
{
    char words[256] = "one of ";
    const char *want = "a value";
    int value;
    switch (row->kind) {
    case OPTION_TEXT:
        if (*text == '\0') return bad_value(cmd, row, text, "a name");
        *(const char **)target = text;
        return true;
    case OPTION_CHOICE:
        if (read_choice(&value, row->choice, text)) {
            memcpy(target, &value, sizeof value); /* an enumeration is as wide as int */
            return true;
        }
        list_choices(words + strlen(words), sizeof words - strlen(words), row->choice);
        return bad_value(cmd, row, text, words);
    case OPTION_CUSTOM: return row->read(target, text, &want) || bad_value(cmd, row, text, want);
    default: return set_number(target, cmd, row, text);
    }
}

/* ---- Words of the command line */

/* How many letters must be added, dropped or changed to make one of the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1];
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST) return LONGEST;
    for (size_t j = 0; j <= b_len; j++) row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

static void unknown_option(const command *cmd, const char *name)
{
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2;
    FOR_EACH_ROW(row, cmd)
    {
        size_t far = row->name == NULL ? SIZE_MAX : distance(name, row->name);
        if (far < least) {
            least = far;
            nearest = row->name;
        }
    }
    if (nearest != NULL)
        usage_error(cmd, "there is no option '--%s'; did you mean '--%s'?", name, nearest);
    else
        usage_error(cmd, "there is no option '--%s'", name);
}

static const option_row *find_long(const command *cmd, const char *name, size_t len)
{
    FOR_EACH_ROW(row, cmd)
    if (row->name != NULL && strlen(row->name) == len && memcmp(row->name, name, len) == 0)
        return row;
    return NULL;
}

/* Where the row's target lies in the command's struct. */
static size_t place_of(const command *cmd, const option_row *found)
{
    FOR_EACH_ROW(row, cmd)
    if (row == found) return row->offset + (table_ == 0 ? 0 : cmd->shared_at);
    return 0;
}

static const option_row *find_letter(const command *cmd, char letter)
{
    FOR_EACH_ROW(row, cmd)
    if (row->letter != 0 && row->letter == letter) return row;
    return NULL;
}

/* Reads the option at argv[*at]; moves *at to its last word. */
static bool read_option(void *target, const command *cmd, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const option_row *row;
    const char *value = NULL;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        row = find_long(cmd, word + 2, len);
        if (word[2 + len] == '=') value = word + 3 + len;
        if (row == NULL) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), word + 2);
            unknown_option(cmd, name);
            return false;
        }
    } else {
        row = find_letter(cmd, word[1]);
        if (row == NULL || (word[2] != '\0' && !takes_value(row))) {
            usage_error(cmd, "there is no option '%s'", word);
            return false;
        }
        if (word[2] != '\0') value = word + 2;
    }
    char *place = (char *)target + place_of(cmd, row);
    if (!takes_value(row)) {
        if (value != NULL) {
            usage_error(cmd, "--%s takes no value", row->name);
            return false;
        }
        *(bool *)(void *)place = row->kind == OPTION_ON;
        return true;
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            usage_error(cmd, "--%s wants %s behind it", row->name, row->value);
            return false;
        }
        value = argv[++*at];
    }
    return set_value(place, cmd, row, value);
}

bool read_options(arguments *found, void *target, const command *cmd, int argc, char **argv)
{
    *found = (arguments){0};
    bool options = true;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            found->help = true;
            return true;
        } else if (options && word[0] == '-' && word[1] != '\0') {
            if (!read_option(target, cmd, argc, argv, &i)) return false;
        } else if (found->count == ARGUMENTS_MAX) {
            usage_error(cmd, "too many arguments, from '%s' on: is a glob not quoted?", word);
            return false;
        } else {
            found->items[found->count++] = word;
        }
    }
    return true;
}

static const option_row *row_of(const command *cmd, const char *word)
{
    return word[1] == '-' ? find_long(cmd, word + 2, strcspn(word + 2, "="))
                          : find_letter(cmd, word[1]);
}

static bool is_shared(const command *cmd, const option_row *found)
{
    FOR_EACH_ROW(row, cmd)
    if (row == found) return table_ == 1;
    return false;
}

void classify_words(word_kind *kinds, const command *cmd, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        kinds[i] = WORD_ARGUMENT;
        if (word[0] != '-' || word[1] == '\0') continue;
        const option_row *row = row_of(cmd, word);
        const bool whole = word[1] == '-' ? strchr(word, '=') == NULL : word[2] == '\0';
        kinds[i] = is_shared(cmd, row) ? WORD_SHARED : WORD_OWN;
        if (row == NULL || !takes_value(row) || !whole || i + 1 == argc) continue;
        kinds[i + 1] = kinds[i];
        i++;
    }
}

/* ---- Help */

/* Prints text from column on, wrapped between words; its first line stands at column already. */
static void print_wrapped(const char *text, int column)
{
    int at = column;
    while (*text != '\0') {
        int len = (int)strcspn(text, " \n");
        if (at > column && at + 1 + len > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        } else if (at > column) {
            putchar(' ');
            at++;
        }
        printf("%.*s", len, text);
        at += len;
        text += len;
        while (*text == ' ' || *text == '\n') text++;
    }
    putchar('\n');
}

static void print_row(const option_row *row)
{
    char left[96], choices[128];
    const char *value = row->value;
    if (row->kind == OPTION_CHOICE) {
        list_choices(choices, sizeof choices, row->choice);
        value = choices;
    }
    char letter[8] = "    ";
    if (row->letter != 0) snprintf(letter, sizeof letter, "-%c, ", row->letter);
    int len = snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->name,
                       takes_value(row) ? " " : "", takes_value(row) ? value : "");
    printf("%s", left);
    if (len + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - len, "");
    print_wrapped(row->help, HELP_COLUMN);
}

void print_help(const command *cmd)
{
    printf("shardmill %s: %s\n\nusage: shardmill %s [options] %s\n\n%s", cmd->name, cmd->summary,
           cmd->name, cmd->arguments, cmd->intro);
    FOR_EACH_ROW(row, cmd)
    {
        if (row->kind == OPTION_HEADING)
            printf("\n%s\n", row->help);
        else
            print_row(row);
    }
}
