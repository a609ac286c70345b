/* Executors that read at the same time: for how long, and how much they got together. */
#include "analyse/analyse.h"

#include "core/array.h"

#include <math.h>
#include <stdlib.h>

typedef struct edge {
    double at;
    int change;           /* of the trials under way */
    double images, bytes; /* what it adds to their rates */
} edge;

static int by_time(const void *x, const void *y)
{
    const edge *a = x, *b = y;
    if (a->at != b->at) return a->at < b->at ? -1 : 1;
    return a->change - b->change; /* one that ends makes room first */
}

bool sm_is_placed(const sm_measured *t)
{
    return t->executor != NULL && t->error == NULL && !isnan(t->start_s) && t->end_s > t->start_s;
}

/* Clocks of two runs do not begin together: the first one with executors is looked at. */
static size_t first_run(const sm_results *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (sm_is_placed(&table->trials[i])) return table->trials[i].run;
    return SIZE_MAX;
}

static size_t find_edges(edge *edges, const sm_results *table, size_t run)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const sm_measured *t = &table->trials[i];
        if (t->run != run || !sm_is_placed(t)) continue;
        /* Spread over the time that the row tells, which holds more than the reading. */
        double images = t->images / (t->end_s - t->start_s);
        double bytes = t->bytes / (t->end_s - t->start_s);
        edges[count++] = (edge){t->start_s, 1, images, bytes};
        edges[count++] = (edge){t->end_s, -1, -images, -bytes};
    }
    qsort(edges, count, sizeof *edges, by_time);
    return count;
}

static sm_status add_up(sm_analysis *a, const edge *edges, size_t count)
{
    size_t cap = 0, now = 0;
    double images = 0, bytes = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        now = edges[i].change > 0 ? now + 1 : now - 1;
        images += edges[i].images;
        bytes += edges[i].bytes;
        while (a->overlap_count <= now) {
            sm_status status =
                sm_array_grow(&a->overlaps, &cap, a->overlap_count, sizeof *a->overlaps);
            if (status != SM_OK) return status;
            a->overlaps[a->overlap_count++] = (sm_overlap){0};
        }
        double seconds = edges[i + 1].at - edges[i].at;
        sm_overlap *level = &a->overlaps[now];
        level->seconds += seconds;
        if (now == 0) continue; /* what rounding left in the sums is no reading */
        level->images += seconds * images;
        level->bytes += seconds * bytes;
    }
    return SM_OK;
}

sm_status sm_find_overlaps(sm_analysis *a)
{
    a->overlap_run = first_run(a->table);
    if (a->overlap_run == SIZE_MAX) return SM_OK;
    edge *edges = calloc(2 * a->table->count, sizeof *edges);
    if (edges == NULL) return sm_fail_memory(2 * a->table->count * sizeof *edges);
    sm_status status = add_up(a, edges, find_edges(edges, a->table, a->overlap_run));
    free(edges);
    return status;
}
