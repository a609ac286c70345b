#include "screen.h"

#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MAX = 30, LOG_SECONDS = 5 };

void screen_init(screen *s, const char *what, log_format format, bool quiet)
{
    const char *term = getenv("TERM");
    *s = (screen){.format = format,
                  .quiet = quiet,
                  .what = what,
                  .is_terminal =
                      isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0)};
}

const char *show_count(char text[NUMBER_MAX], uint64_t number)
{
    char digits[NUMBER_MAX];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *show_bytes(char text[NUMBER_MAX], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    while (bytes >= 999.95 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, NUMBER_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return text;
}

const char *show_seconds(char text[NUMBER_MAX], double seconds)
{
    long whole = (long)(seconds + 0.5);
    if (seconds < 59.95)
        snprintf(text, NUMBER_MAX, "%.*f s", seconds < 9.995 ? 2 : 1, seconds);
    else if (whole < 3600)
        snprintf(text, NUMBER_MAX, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(text, NUMBER_MAX, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return text;
}

void print_safely(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\n') || c == 0x7f)
            fprintf(to, "\\x%02x", c);
        else
            putc(c, to);
    }
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw_bar(screen *s, const sm_progress *p)
{
    char done[NUMBER_MAX], total[NUMBER_MAX], rate[NUMBER_MAX], in[NUMBER_MAX], out[NUMBER_MAX];
    char eta[NUMBER_MAX], failed[NUMBER_MAX], line[512];
    double share = p->inputs_total > 0 ? (double)p->inputs_done / (double)p->inputs_total : 1;
    double per_second = p->seconds > 0 ? (double)p->inputs_done / p->seconds : 0;
    double left = share > 0 ? p->seconds / share - p->seconds : 0;
    double seconds = p->seconds > 0 ? p->seconds : 1;
    int len = snprintf(
        line, sizeof line, " %3.0f%%  %s/%s  %s images/s  %s/s in  %s/s out  ETA %s  %s failed",
        100 * share, show_count(done, p->inputs_done), show_count(total, p->inputs_total),
        show_count(rate, (uint64_t)per_second), show_bytes(in, (double)p->bytes_in / seconds),
        show_bytes(out, (double)p->bytes_out / seconds),
        p->inputs_done > 0 ? show_seconds(eta, left) : "-", show_count(failed, p->failures));
    int width = terminal_width() - 1, bar = width - len - 2;
    if (bar > BAR_MAX) bar = BAR_MAX;
    fputs("\r\033[K", stderr);
    if (bar >= 5) {
        int full = (int)(share * bar);
        putc('[', stderr);
        for (int i = 0; i < bar; i++) putc(i < full ? '#' : '-', stderr);
        putc(']', stderr);
    }
    fprintf(stderr, "%.*s", width > 0 ? width : 1, line);
    fflush(stderr);
    s->drawn = true;
}

static void log_progress(screen *s, const sm_progress *p)
{
    if (p->seconds - s->last_log < LOG_SECONDS) return;
    s->last_log = p->seconds;
    fprintf(stderr,
            "{\"event\":\"progress\",\"command\":\"%s\",\"inputs_done\":%llu,\"inputs_total\":%llu,"
            "\"failures\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,\"seconds\":%.3f}\n",
            s->what, (unsigned long long)p->inputs_done, (unsigned long long)p->inputs_total,
            (unsigned long long)p->failures, (unsigned long long)p->bytes_in,
            (unsigned long long)p->bytes_out, p->seconds);
}

void screen_progress(screen *s, const sm_progress *progress)
{
    if (s->format == LOG_JSON)
        log_progress(s, progress);
    else if (s->is_terminal && !s->quiet)
        draw_bar(s, progress);
}

void screen_clear(screen *s)
{
    if (s->drawn) fputs("\r\033[K", stderr);
    s->drawn = false;
}

static void print_event(const screen *s, const char *event, const char *message)
{
    json_t *object = json_pack("{s:s, s:s}", "event", event, "command", s->what);
    json_t *text = json_string(message);
    /* jansson takes UTF-8 alone; a name in the message may be anything. */
    json_object_set_new(object, "message", text != NULL ? text : json_string("(not UTF-8)"));
    char *line = json_dumps(object, JSON_COMPACT);
    fprintf(stderr, "%s\n", line == NULL ? "{}" : line);
    free(line);
    json_decref(object);
}

static void print_line(screen *s, const char *event, const char *message)
{
    screen_clear(s);
    if (s->format == LOG_JSON) {
        print_event(s, event, message);
        return;
    }
    fprintf(stderr, "shardmill %s: ", s->what);
    print_safely(stderr, message);
    putc('\n', stderr);
}

void screen_note(screen *s, const char *line)
{
    if (!s->quiet) print_line(s, "note", line);
}

void screen_error(screen *s, const char *message)
{
    print_line(s, "error", message);
}

bool read_log_format(void *target, const char *text, const char **want)
{
    *want = "one of text|json";
    *(int *)target = strcmp(text, "json") == 0 ? LOG_JSON : LOG_TEXT;
    return strcmp(text, "json") == 0 || strcmp(text, "text") == 0;
}

bool finish_stdout(screen *s)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    screen_error(s, "cannot write to standard output");
    return false;
}

/* ---- Signals */

static atomic_int signal_caught; /* written by a handler, read by every thread */

static void on_signal(int number)
{
    signal_caught = number;
    sm_stop_waiting();
    signal(number, SIG_DFL); /* asked twice: at once */
}

void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int caught_signal(void)
{
    return signal_caught;
}
