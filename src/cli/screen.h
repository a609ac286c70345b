/* What people see: numbers, progress, messages; and the same as JSON. */
#ifndef SM_CLI_SCREEN_H
#define SM_CLI_SCREEN_H

#include <shardmill.h>

#include <stdio.h>

typedef enum log_format { LOG_TEXT, LOG_JSON } log_format;

typedef struct screen {
    log_format format;
    bool quiet;
    bool is_terminal; /* stderr is one, and may be drawn on */
    bool drawn;       /* a bar stands on the present line */
    double last_log;  /* seconds, of the last progress line of a JSON log */
    const char *what; /* the command, for JSON */
} screen;

enum { NUMBER_MAX = 32 };

void screen_init(screen *s, const char *what, log_format format, bool quiet);

/* "1,234,567" */
const char *show_count(char text[NUMBER_MAX], uint64_t number);
/* "12.3 MB", in powers of 1000 */
const char *show_bytes(char text[NUMBER_MAX], double bytes);
/* "3.2 s", "4:05", "1:02:03" */
const char *show_seconds(char text[NUMBER_MAX], double seconds);

/* Prints text with control characters made visible: file names are no terminal commands. */
void print_safely(FILE *to, const char *text);

/* The bar on a terminal; a line every few seconds in a JSON log; else nothing. */
void screen_progress(screen *s, const sm_progress *progress);
/* Wipes the bar. */
void screen_clear(screen *s);

/* Reads "text" or "json" into an int, for an option row. */
bool read_log_format(void *target, const char *text, const char **want);

/* Whether all that was printed on stdout got there; else says so, and the command has failed. */
bool finish_stdout(screen *s);

/* A line that tells what goes on, on stderr; nothing when quiet. */
void screen_note(screen *s, const char *line);

/* "shardmill CMD: message" on stderr. */
void screen_error(screen *s, const char *message);

/* Begins and ends catching Ctrl-C and SIGTERM: the first asks to stop, the second kills. */
void catch_signals(void);
/* The signal that asked to stop, or 0. */
int caught_signal(void);

#endif
