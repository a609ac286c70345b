#include "measure_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cell of the grid: its trials, summed up. */
typedef struct cell {
    sm_measure_trial trial;
    size_t count, failed;
    double rate, interval; /* images/s: the mean, and half of its 95% confidence interval */
    double bytes_rate;
    double p50, p95;
    double device, socket; /* bytes of these for each byte read; -1: not told */
    double first_batch_s, stall_s, seconds, blocked_s;
    uint64_t images;
    uint32_t marks;
} cell;

typedef struct table {
    const sm_measure_result *result;
    cell *cells;
    size_t count;
} table;

/* ---- Summing up */

/* Student's t for 95% of both sides, by degrees of freedom. */
static double student(size_t freedom)
{
    static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                               2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                               2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                               2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
    enum { KNOWN = sizeof t / sizeof *t };
    return freedom == 0 ? 0 : freedom <= KNOWN ? t[freedom - 1] : 1.96 + 2.4 / (double)freedom;
}

static double rate_of(const sm_measure_row *row)
{
    return row->seconds > 0 ? (double)row->images / row->seconds : 0;
}

static void add_row(cell *c, const sm_measure_row *row)
{
    const double bytes = row->bytes > 0 ? (double)row->bytes : 1;
    c->trial = row->trial;
    c->marks |= row->marks;
    if (row->status != SM_OK) {
        c->failed++;
        return;
    }
    c->count++;
    c->rate += rate_of(row);
    c->bytes_rate += row->seconds > 0 ? (double)row->bytes / row->seconds : 0;
    c->p50 += row->latency_p50;
    c->p95 += row->latency_p95;
    c->device = row->device_bytes < 0 ? -1 : c->device + (double)row->device_bytes / bytes;
    c->socket = row->socket_bytes < 0 ? -1 : c->socket + (double)row->socket_bytes / bytes;
    c->first_batch_s += row->first_batch_s < 0 ? 0 : row->first_batch_s;
    c->stall_s += row->stall_s;
    c->blocked_s += row->blocked_s;
    c->seconds += row->seconds;
    c->images += row->images;
}

/* Sums become means. */
static void finish(cell *c, const sm_measure_result *result)
{
    const double n = c->count > 0 ? (double)c->count : 1;
    double squares = 0;
    c->rate /= n;
    c->bytes_rate /= n;
    c->p50 /= n;
    c->p95 /= n;
    if (c->device > 0) c->device /= n;
    if (c->socket > 0) c->socket /= n;
    c->first_batch_s /= n;
    for (size_t i = 0; i < result->row_count; i++) {
        const sm_measure_row *row = &result->rows[i];
        if (row->trial.cell != c->trial.cell || row->status != SM_OK) continue;
        squares += (rate_of(row) - c->rate) * (rate_of(row) - c->rate);
    }
    c->interval = c->count < 2 ? 0 : student(c->count - 1) * sqrt(squares / (n - 1) / n);
}

static bool sum_up(table *t, const sm_measure_result *result)
{
    uint32_t last = 0;
    for (size_t i = 0; i < result->row_count; i++)
        if (result->rows[i].trial.cell > last) last = result->rows[i].trial.cell;
    *t = (table){.result = result, .count = (size_t)last + 1};
    t->cells = calloc(t->count, sizeof *t->cells);
    if (t->cells == NULL) return false;
    for (size_t i = 0; i < result->row_count; i++)
        add_row(&t->cells[result->rows[i].trial.cell], &result->rows[i]);
    for (size_t i = 0; i < t->count; i++) finish(&t->cells[i], result);
    return true;
}

static bool is_told(const cell *c)
{
    return c->count + c->failed > 0;
}

/* ---- The table */

typedef struct column {
    const char *title;
    void (*show)(char text[NUMBER_MAX], const cell *c);
    bool is_axis; /* left out where all cells have the same */
} column;

static void show_format(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%s", sm_measure_format_name((int)c->trial.format));
}

static void show_cache(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%s", sm_measure_cache_name((int)c->trial.cache));
}

static void show_order(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%s", sm_measure_order_name((int)c->trial.order));
}

static void show_batch_size(char text[NUMBER_MAX], const cell *c)
{
    show_count(text, c->trial.batch_size);
}

static void show_batches(char text[NUMBER_MAX], const cell *c)
{
    show_count(text, c->trial.batches);
}

static void show_readers(char text[NUMBER_MAX], const cell *c)
{
    show_count(text, c->trial.readers);
}

static void show_read_size(char text[NUMBER_MAX], const cell *c)
{
    const uint64_t size = c->trial.read_size;
    if (size == 0)
        snprintf(text, NUMBER_MAX, "whole");
    else if (size % (1u << 20) == 0)
        snprintf(text, NUMBER_MAX, "%lluM", (unsigned long long)(size >> 20));
    else if (size % 1024 == 0)
        snprintf(text, NUMBER_MAX, "%lluK", (unsigned long long)(size >> 10));
    else
        show_count(text, size);
}

static void show_rate(char text[NUMBER_MAX], const cell *c)
{
    if (c->count == 0)
        snprintf(text, NUMBER_MAX, "failed");
    else
        snprintf(text, NUMBER_MAX, c->rate < 100 ? "%.1f" : "%.0f", c->rate);
}

static void show_interval(char text[NUMBER_MAX], const cell *c)
{
    if (c->count < 2)
        snprintf(text, NUMBER_MAX, "-");
    else
        snprintf(text, NUMBER_MAX, c->rate < 100 ? "± %.1f" : "± %.0f", c->interval);
}

static void show_megabytes(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%.1f", c->bytes_rate / 1e6);
}

static void show_p50(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%.2f", c->p50 * 1e3);
}

static void show_p95(char text[NUMBER_MAX], const cell *c)
{
    snprintf(text, NUMBER_MAX, "%.2f", c->p95 * 1e3);
}

static void show_origin(char text[NUMBER_MAX], const cell *c)
{
    if (c->count == 0)
        snprintf(text, NUMBER_MAX, "-");
    else if (c->socket >= 0)
        snprintf(text, NUMBER_MAX, "network");
    else if (c->device < 0)
        snprintf(text, NUMBER_MAX, "not told");
    else if (c->device < 0.005)
        snprintf(text, NUMBER_MAX, "page cache");
    else
        snprintf(text, NUMBER_MAX, "device %.0f%%", fmin(100, c->device * 100));
}

static void show_marks(char text[NUMBER_MAX], const cell *c)
{
    size_t used = 0;
    for (int i = 0; i < SM_MARKS && used < NUMBER_MAX; i++)
        if ((c->marks & 1u << i) != 0)
            used += (size_t)snprintf(text + used, NUMBER_MAX - used, "%s%c", used > 0 ? "," : "",
                                     'a' + i);
    if (used == 0) text[0] = '\0';
}

static const column columns[] = {
    {"cache", show_cache, true},     {"order", show_order, true},
    {"read", show_read_size, true},  {"batch", show_batch_size, true},
    {"batches", show_batches, true}, {"readers", show_readers, true},
    {"images/s", show_rate, false},  {"95%", show_interval, false},
    {"MB/s", show_megabytes, false}, {"p50 ms", show_p50, false},
    {"p95 ms", show_p95, false},     {"bytes from", show_origin, false},
    {"", show_marks, false}};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* How many columns of a terminal text takes: continuation bytes of UTF-8 take none. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void pad(const char *text, int width)
{
    printf("  %*s%s", width - width_of(text), "", text);
}

static bool is_constant(const table *t, const column *c)
{
    char first[NUMBER_MAX] = "", text[NUMBER_MAX];
    for (size_t i = 0; i < t->count; i++) {
        if (!is_told(&t->cells[i])) continue;
        c->show(text, &t->cells[i]);
        if (*first != '\0' && strcmp(first, text) != 0) return false;
        memcpy(first, text, sizeof first);
    }
    return true;
}

static int column_width(const table *t, const column *c)
{
    char text[NUMBER_MAX];
    int width = width_of(c->title);
    for (size_t i = 0; i < t->count; i++) {
        if (!is_told(&t->cells[i])) continue;
        c->show(text, &t->cells[i]);
        if (width_of(text) > width) width = width_of(text);
    }
    return width;
}

/* "cold, shuffled, batch 32, …": what all cells share. */
static void print_constants(const table *t)
{
    const cell *any = NULL;
    char text[NUMBER_MAX];
    for (size_t i = 0; i < t->count && any == NULL; i++)
        if (is_told(&t->cells[i])) any = &t->cells[i];
    bool first = true;
    for (size_t c = 0; any != NULL && c < COLUMNS; c++) {
        if (!columns[c].is_axis || !is_constant(t, &columns[c])) continue;
        columns[c].show(text, any);
        printf("%s%s %s", first ? "all: " : ", ", columns[c].title, text);
        first = false;
    }
    if (!first) putchar('\n');
}

static void print_cells(const table *t)
{
    bool shown[COLUMNS];
    int widths[COLUMNS];
    char text[NUMBER_MAX];
    for (size_t c = 0; c < COLUMNS; c++) {
        shown[c] = !columns[c].is_axis || !is_constant(t, &columns[c]);
        widths[c] = column_width(t, &columns[c]);
    }
    const char *source = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const cell *one = &t->cells[i];
        if (!is_told(one)) continue;
        if (source != one->trial.source) {
            source = one->trial.source;
            show_format(text, one);
            putchar('\n');
            print_safely(stdout, source);
            printf(" (%s)\n", text);
            for (size_t c = 0; c < COLUMNS; c++)
                if (shown[c]) pad(columns[c].title, widths[c]);
            putchar('\n');
        }
        for (size_t c = 0; c < COLUMNS; c++) {
            if (!shown[c]) continue;
            columns[c].show(text, one);
            pad(text, widths[c]);
        }
        putchar('\n');
    }
}

/* ---- What is to be known */

static void print_marks(const table *t)
{
    static const char *const words[SM_MARKS] = {
        "served from cache: meant to come from the device, but bytes lay in the page cache or were "
        "read twice; not a measure of the storage",
        "served from the device: meant to be warm, but memory did not hold all",
        "warm-up: the first trial of its cell took far longer than the others; something (a "
        "connection, a cache, a disk) woke up; run it again, or leave that trial out",
        "outlier: a trial took far more or less time than the others of its cell; something else "
        "was at work; measure on a quiet machine, or with more --repeat",
        "short: ended by time, before all pictures were read",
        "wrapped: more was read than the source has, so that bytes came again; take fewer "
        "--batches",
        "idle readers: there are fewer shards than readers",
        "cache unknown: this file system does not tell what came from a device"};
    uint32_t all = 0;
    for (size_t i = 0; i < t->count; i++) all |= t->cells[i].marks;
    if (all != 0) putchar('\n');
    for (int i = 0; i < SM_MARKS; i++)
        if ((all & 1u << i) != 0) printf("  %c  %s\n", 'a' + i, words[i]);
}

static void print_failures(const table *t)
{
    size_t failed = 0;
    for (size_t i = 0; i < t->count; i++) failed += t->cells[i].failed;
    for (size_t i = 0; failed > 0 && i < t->result->row_count; i++) {
        const sm_measure_row *row = &t->result->rows[i];
        if (row->status == SM_OK) continue;
        printf("\n%zu trial%s failed; the first: ", failed, failed == 1 ? "" : "s");
        print_safely(stdout, row->error);
        putchar('\n');
        return;
    }
}

static void print_setting(const cell *c)
{
    char readers[NUMBER_MAX], batch[NUMBER_MAX], size[NUMBER_MAX];
    show_read_size(size, c);
    printf("%s reader%s, batches of %s, %s%s", show_count(readers, c->trial.readers),
           c->trial.readers == 1 ? "" : "s", show_count(batch, c->trial.batch_size),
           c->trial.read_size == 0 ? "read whole" : "read size ",
           c->trial.read_size == 0 ? "" : size);
}

/* What the members of one group did together. */
typedef struct group {
    double first_start, last_start, first_end, last_end;
    double images, bytes;
    size_t members;
} group;

/* The group that row number at begins; rows of one stand behind each other. */
static group group_at(const sm_measure_result *r, size_t at)
{
    const uint32_t members = r->rows[at].trial.members;
    group g = {.first_start = r->rows[at].start_s, .first_end = r->rows[at].end_s};
    for (size_t i = at; i < r->row_count && i < at + members; i++) {
        const sm_measure_row *row = &r->rows[i];
        if (row->trial.index / members != r->rows[at].trial.index / members) break;
        if (row->status != SM_OK) continue;
        g.first_start = fmin(g.first_start, row->start_s);
        g.last_start = fmax(g.last_start, row->start_s);
        g.first_end = fmin(g.first_end, row->end_s);
        g.last_end = fmax(g.last_end, row->end_s);
        g.images += (double)row->images;
        g.bytes += (double)row->bytes;
        g.members++;
    }
    return g;
}

/* Of each cell whose trials ran on many at once: what all got, and for how long they overlapped. */
static void print_together(const table *t)
{
    const sm_measure_result *r = t->result;
    for (size_t c = 0; c < t->count; c++) {
        const cell *one = &t->cells[c];
        double images = 0, bytes = 0, seconds = 0, overlap = 0, groups = 0;
        for (size_t i = 0; i < r->row_count; i++) {
            const sm_measure_trial *trial = &r->rows[i].trial;
            if (trial->cell != c || trial->members == 0 || trial->member != 0) continue;
            const group g = group_at(r, i);
            const double span = g.last_end - g.first_start;
            if (g.members < trial->members || !(span > 0)) continue;
            images += g.images / span;
            bytes += g.bytes / span;
            seconds += fmax(0, g.first_end - g.last_start);
            overlap += fmax(0, g.first_end - g.last_start) / span;
            groups++;
        }
        if (groups == 0) continue;
        char text[NUMBER_MAX], rate[NUMBER_MAX];
        printf("\n%u together, %s, ", one->trial.members, one->trial.source);
        print_setting(one);
        printf(": %.0f images/s, %s/s in all; they overlapped for %s, %.0f%% of the time",
               images / groups, show_bytes(rate, bytes / groups),
               show_seconds(text, seconds / groups), 100 * overlap / groups);
        if (overlap / groups < 0.8)
            printf(" (too little: take more --batches, and see that clocks agree)");
    }
    if (r->rows[0].trial.members > 0) putchar('\n');
}

static void print_decode(const table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const cell *c = &t->cells[i];
        if (!c->trial.decode || c->count == 0) continue;
        char first[NUMBER_MAX], readers[NUMBER_MAX];
        const double n = (double)c->count;
        const double feeding = (c->seconds - c->blocked_s) / n, images = (double)c->images / n;
        printf("\n%s, %s readers: the first batch after %s", c->trial.source,
               show_count(readers, c->trial.readers), show_seconds(first, c->first_batch_s));
        if (c->trial.step_ms > 0 && feeding > 0)
            printf(
                "; with steps of %.3g ms the accelerator waits %.0f%% of the time; feeds %.1f of "
                "them",
                c->trial.step_ms, 100 * c->stall_s / c->seconds,
                images / feeding * c->trial.step_ms / 1e3 / c->trial.batch_size);
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->cells[i].trial.decode && t->cells[i].count > 0) {
            putchar('\n');
            break;
        }
}

/* ---- What to do */

/* The cache mode that advice is about: what a first epoch meets, where that was measured. */
static sm_measure_cache mode_of(const table *t)
{
    static const sm_measure_cache order[] = {SM_MEASURE_COLD, SM_MEASURE_DIRECT, SM_MEASURE_WARM};
    for (size_t m = 0; m < sizeof order / sizeof *order; m++)
        for (size_t i = 0; i < t->count; i++)
            if (is_told(&t->cells[i]) && t->cells[i].trial.cache == order[m]) return order[m];
    return SM_MEASURE_COLD;
}

/* Whether a cell may stand for its source: what was meant to be cold was. */
static bool counts(const table *t, const cell *c)
{
    return c->count > 0 && c->trial.cache == mode_of(t) &&
           (c->marks & (SM_MARK_SERVED_FROM_CACHE | SM_MARK_SERVED_FROM_DEVICE)) == 0;
}

/* The fastest cell of a source; NULL: none. */
static const cell *best_of(const table *t, const char *source)
{
    const cell *best = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const cell *c = &t->cells[i];
        if (c->trial.source != source || !counts(t, c)) continue;
        if (best == NULL || c->rate > best->rate) best = c;
    }
    return best;
}

static void print_comparison(const cell *best, const cell *other)
{
    char text[NUMBER_MAX];
    const double ratio = best->rate / other->rate;
    const bool apart = best->rate - best->interval > other->rate + other->interval;
    show_format(text, other);
    printf("%.3g x what %s (", ratio, other->trial.source);
    printf("%s) gives at its best%s", text,
           best->count < 2 || other->count < 2 ? "; one trial each: no more than a hint"
           : apart                             ? ""
                                               : ", but their intervals overlap: no proof");
}

static void print_advice(const table *t)
{
    const cell *best = NULL;
    const sm_measure_result *r = t->result;
    for (size_t i = 0; i < r->source_count; i++) {
        const cell *c = best_of(t, r->sources[i].source);
        if (c != NULL && (best == NULL || c->rate > best->rate)) best = c;
    }
    if (best == NULL) {
        printf("\nno trial can be trusted: see above\n");
        return;
    }
    printf("\nfastest: ");
    print_safely(stdout, best->trial.source);
    printf(", %s, with ", sm_measure_cache_name((int)best->trial.cache));
    print_setting(best);
    printf(": %.0f", best->rate);
    if (best->count > 1) printf(" ± %.0f", best->interval);
    printf(" images/s");
    for (size_t i = 0; i < r->source_count; i++) {
        const cell *c = best_of(t, r->sources[i].source);
        if (c == NULL || c->trial.source == best->trial.source || !(c->rate > 0)) continue;
        printf("; ");
        print_comparison(best, c);
    }
    putchar('\n');
}

/* The fewest readers with which a source gives share of its best. */
static void print_what_if(const table *t, double share)
{
    for (size_t i = 0; i < t->result->source_count; i++) {
        const cell *best = best_of(t, t->result->sources[i].source), *least = best;
        for (size_t k = 0; best != NULL && k < t->count; k++) {
            const cell *c = &t->cells[k];
            const bool same = c->trial.source == best->trial.source && counts(t, c);
            if (same && c->rate >= share * best->rate && c->trial.readers < least->trial.readers)
                least = c;
        }
        if (best == NULL) continue;
        printf("%.3g%% of the best of ", share * 100);
        print_safely(stdout, best->trial.source);
        printf(" take %u reader%s (of those measured)\n", least->trial.readers,
               least->trial.readers == 1 ? "" : "s");
    }
}

void print_measure_table(const sm_measure_result *result, double what_if)
{
    table t;
    if (result->row_count == 0 || !sum_up(&t, result)) return;
    print_constants(&t);
    print_cells(&t);
    print_marks(&t);
    print_failures(&t);
    print_decode(&t);
    print_together(&t);
    print_advice(&t);
    if (what_if > 0) print_what_if(&t, what_if);
    free(t.cells);
}
