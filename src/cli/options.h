/* Options by table: a row feeds the parser, the usage errors and the help. */
#ifndef SM_CLI_OPTIONS_H
#define SM_CLI_OPTIONS_H

#include <shardmill.h>

typedef enum option_kind {
    OPTION_HEADING, /* no option: a heading in the help, in `help` */
    OPTION_ON,      /* bool: set */
    OPTION_OFF,     /* bool: cleared */
    OPTION_TEXT,    /* const char *, borrowed from argv */
    OPTION_CHOICE,  /* an enumeration of the public header, by its words */
    OPTION_U32,
    OPTION_U64,
    OPTION_INT,
    OPTION_BYTES, /* uint64_t; K, M, G, T are powers of 1024 */
    OPTION_CUSTOM /* read by `read` */
} option_kind;

typedef struct option_row {
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    option_kind kind;
    size_t offset;     /* of the target in the command's struct */
    const char *value; /* what the help calls the value */
    const char *help;
    sm_choice choice;
    uint64_t min, max; /* of a number */
    /* False when text is no value; error then says what one is. */
    bool (*read)(void *target, const char *text, const char **error);
} option_row;

typedef struct command {
    const char *name;
    const char *arguments;  /* "SRC DST" */
    const char *summary;    /* one line */
    const char *intro;      /* examples, at the head of the help */
    const option_row *rows; /* ends with a row whose name and help are NULL */
    /* A second table, shared with other commands, and where its struct lies in the command's. */
    const option_row *shared;
    size_t shared_at;
    int (*run)(int argc, char **argv);
} command;

enum { EXIT_DONE = 0, EXIT_FATAL = 1, EXIT_USAGE = 2, EXIT_WITH_FAILURES = 3 };

enum { ARGUMENTS_MAX = 8 };

typedef struct arguments {
    const char *items[ARGUMENTS_MAX];
    int count;
    bool help;
} arguments;

/* Reads argv behind the command's name into target and arguments. On an error prints it and returns
 * false: exit with EXIT_USAGE. */
bool read_options(arguments *found, void *target, const command *cmd, int argc, char **argv);

void print_help(const command *cmd);

/* What a word of a command line is, as read_options takes it; an option's value is as the option.
 */
typedef enum word_kind { WORD_ARGUMENT, WORD_OWN, WORD_SHARED } word_kind;
void classify_words(word_kind *kinds, const command *cmd, int argc, char **argv);

/* "shardmill CMD: …" and where the help is, on stderr; returns EXIT_USAGE. */
int usage_error(const command *cmd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of every command that reads or writes stores: who pays for buckets whose requester pays. */
#define BILLING_PROJECT_ROW                                                      \
    {                                                                            \
        .name = "billing-project", .kind = OPTION_CUSTOM, .value = "ID",         \
        .read = read_billing_project,                                            \
        .help = "the project that pays for a gs:// bucket whose requester pays " \
                "(SHARDMILL_BILLING_PROJECT)",                                   \
    }
bool read_billing_project(void *unused, const char *text, const char **want);

#endif
