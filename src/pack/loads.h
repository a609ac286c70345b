/*
 * What the machine did while a task was carried out, for the task's result line. Workers of one
 * machine read the same counters: whoever puts their samples together counts it once.
 */
#ifndef SM_PACK_LOADS_H
#define SM_PACK_LOADS_H

#include "core/buf.h"
#include "core/load.h"

enum { SM_LOADS_MAX = 120 };

typedef struct sm_loads {
    sm_load items[SM_LOADS_MAX];
    size_t count;
    uint64_t every_ns, next_ns; /* a longer task is sampled less often */
} sm_loads;

void sm_loads_begin(sm_loads *loads);
/* Takes one when it is time. */
void sm_loads_tick(sm_loads *loads);

/*
 * Takes a last one, and adds all to the JSON object that line ends with:
 *
 *   "node":{"id":…,"machine":…,"disks":…,"host":…,"address":…,"cores":N,"memory":BYTES,
 *           "samples":[[TIME,BUSY_S,RECEIVED,SENT,DISK_READ,DISK_WRITTEN,MEMORY],…]}
 */
sm_status sm_loads_append(sm_buf *line, sm_loads *loads);

#endif
