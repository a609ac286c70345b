#include "nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 1 << 20, POINTS_MAX = 600, FIELDS = 7 };

static const double LEAST_S = 0.9; /* between two points: counters of CPU time count in 10 ms */

static bool grow(void *items, size_t *cap, size_t count, size_t size)
{
    void *old;
    if (count < *cap) return true;
    memcpy(&old, items, sizeof old);
    const size_t more = *cap == 0 ? 16 : *cap * 2;
    void *made = realloc(old, more * size);
    if (made == NULL) return false;
    memcpy(items, &made, sizeof made);
    *cap = more;
    return true;
}

static void copy_text(char *to, size_t cap, const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    snprintf(to, cap, "%s", text == NULL ? "" : text);
}

static node *find_node(node_set *set, const json_t *line)
{
    char id[sizeof set->items->id];
    copy_text(id, sizeof id, line, "id");
    if (*id == '\0') return NULL;
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].id, id) == 0) return &set->items[i];
    if (set->count == NODES_MAX || !grow(&set->items, &set->cap, set->count, sizeof *set->items))
        return NULL;
    node *made = &set->items[set->count++];
    *made = (node){.cores = json_number_value(json_object_get(line, "cores")),
                   .memory = json_number_value(json_object_get(line, "memory"))};
    memcpy(made->id, id, sizeof id);
    copy_text(made->machine, sizeof made->machine, line, "machine");
    copy_text(made->disks, sizeof made->disks, line, "disks");
    copy_text(made->host, sizeof made->host, line, "host");
    copy_text(made->address, sizeof made->address, line, "address");
    return made;
}

void nodes_add(node_set *set, const json_t *line)
{
    node *to = find_node(set, line);
    size_t i;
    const json_t *sample;
    json_array_foreach(json_object_get(line, "samples"), i, sample)
    {
        double value[FIELDS];
        bool good = to != NULL && json_array_size(sample) == FIELDS && to->count < SAMPLES_MAX;
        for (size_t k = 0; good && k < FIELDS; k++) {
            value[k] = json_number_value(json_array_get(sample, k));
            good = isfinite(value[k]) && value[k] >= 0;
        }
        if (!good || !grow(&to->samples, &to->cap, to->count, sizeof *to->samples)) continue;
        to->samples[to->count++] =
            (node_sample){value[0], value[1], value[2], value[3], value[4], value[5], value[6]};
    }
}

void nodes_free(node_set *set)
{
    for (size_t i = 0; i < set->count; i++) free(set->items[i].samples);
    free(set->items);
    *set = (node_set){0};
}

/* ---- Rates */

static int by_time(const void *a, const void *b)
{
    const double x = ((const node_sample *)a)->time, y = ((const node_sample *)b)->time;
    return (x > y) - (x < y);
}

/* What went on between two samples, a second. */
static node_sample rates(const node_sample *a, const node_sample *b)
{
    const double s = b->time - a->time;
    return (node_sample){.time = b->time,
                         .busy_s = fmax(0, b->busy_s - a->busy_s) / s,
                         .received = fmax(0, b->received - a->received) / s,
                         .sent = fmax(0, b->sent - a->sent) / s,
                         .disk_read = fmax(0, b->disk_read - a->disk_read) / s,
                         .disk_written = fmax(0, b->disk_written - a->disk_written) / s,
                         .memory = b->memory};
}

static json_t *point(const node_sample *r, const node *n, double started)
{
    return json_pack("[f, f, f, f, f, f, f]", r->time - started,
                     n->cores > 0 ? r->busy_s / n->cores : 0, r->received / 1e6, r->sent / 1e6,
                     r->disk_read / 1e6, r->disk_written / 1e6,
                     n->memory > 0 ? r->memory / n->memory : 0);
}

static json_t *over_time(const node *n, double started)
{
    json_t *points = json_array();
    if (n->count == 0) return points;
    const double span = n->samples[n->count - 1].time - n->samples[0].time;
    const double least = fmax(LEAST_S, span / POINTS_MAX);
    size_t last = 0;
    for (size_t i = 1; i < n->count; i++) {
        const bool is_end = i + 1 == n->count;
        const double since = n->samples[i].time - n->samples[last].time;
        if (since < least && !(is_end && (since > least / 2 || (last == 0 && since > 0)))) continue;
        const node_sample r = rates(&n->samples[last], &n->samples[i]);
        json_array_append_new(points, point(&r, n, started));
        last = i;
    }
    return points;
}

/* ---- All of them together */

/* Whether a node before number i counts the same processors, that of its machine. */
static bool shares_cores(const node_set *set, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(set->items[k].machine, set->items[i].machine) == 0) return true;
    return false;
}

static bool shares_disks(const node_set *set, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(set->items[k].disks, set->items[i].disks) == 0) return true;
    return false;
}

/* The sum over machines of what each did from the first sample of all to the last. */
static void describe_cluster(json_t *row, const node_set *set)
{
    double begin = INFINITY, end = 0, cores = 0;
    node_sample sum = {0};
    for (size_t i = 0; i < set->count; i++) {
        const node *n = &set->items[i];
        if (n->count < 2) continue;
        const node_sample *first = &n->samples[0], *last = &n->samples[n->count - 1];
        begin = fmin(begin, first->time);
        end = fmax(end, last->time);
        sum.received += last->received - first->received;
        sum.sent += last->sent - first->sent;
        if (!shares_disks(set, i)) {
            sum.disk_read += last->disk_read - first->disk_read;
            sum.disk_written += last->disk_written - first->disk_written;
        }
        if (shares_cores(set, i)) continue;
        cores += n->cores;
        sum.busy_s += last->busy_s - first->busy_s;
    }
    const double s = end - begin;
    if (!(s > 0)) return;
    json_object_set_new(row, "cluster",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "seconds", s, "cpu",
                                  cores > 0 ? sum.busy_s / s / cores : 0, "received_mb_per_s",
                                  sum.received / s / 1e6, "sent_mb_per_s", sum.sent / s / 1e6,
                                  "disk_read_mb_per_s", sum.disk_read / s / 1e6,
                                  "disk_written_mb_per_s", sum.disk_written / s / 1e6));
}

static int by_address(const void *a, const void *b)
{
    const node *x = a, *y = b;
    const int host = strcmp(x->host, y->host);
    if (host != 0) return host;
    const int len = (int)strlen(x->address) - (int)strlen(y->address);
    return len != 0 ? len : strcmp(x->address, y->address);
}

void nodes_describe(json_t *row, node_set *set, double started)
{
    json_t *list = json_array();
    if (set->count > 0) qsort(set->items, set->count, sizeof *set->items, by_address);
    for (size_t i = 0; i < set->count; i++) {
        node *n = &set->items[i];
        if (n->count > 0) qsort(n->samples, n->count, sizeof *n->samples, by_time);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "id", n->id, "host",
                                              n->host, "address", n->address, "cores", n->cores,
                                              "memory_gb", n->memory / 1e9, "over_time",
                                              over_time(n, started)));
    }
    describe_cluster(row, set);
    json_object_set_new(row, "machines", list);
}
