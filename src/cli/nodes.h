/* What the machines of a run did over time, put together from what their workers sampled. */
#ifndef SM_CLI_NODES_H
#define SM_CLI_NODES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct node_sample {
    double time, busy_s, received, sent, disk_read, disk_written, memory;
} node_sample;

/* A machine: whoever took its samples, they are of the same counters. */
typedef struct node {
    char id[128], machine[64], disks[128], host[256], address[64];
    double cores, memory;
    node_sample *samples;
    size_t count, cap;
} node;

enum { NODES_MAX = 4096 };

typedef struct node_set {
    node *items;
    size_t count, cap;
} node_set;

/* Takes a "node" line of --metrics. What makes no sense of it is left out. */
void nodes_add(node_set *set, const json_t *line);

/*
 * Sets of row: "machines", an object each with its "over_time", rows of [SECONDS SINCE started,
 * SHARE OF ITS CORES BUSY, RECEIVED, SENT, DISK READ, DISK WRITTEN (MB/s each), SHARE OF ITS MEMORY
 * IN USE], each on the time since the one before; and "cluster", what all of them did at once on
 * average while tasks ran: cpu, received_mb_per_s and so on.
 */
void nodes_describe(json_t *row, node_set *set, double started);

void nodes_free(node_set *set);

#endif
