/*
 * The ledger: one file for each cluster that this machine's user asked for, written before it is
 * asked for and removed when it is gone, under $XDG_STATE_HOME/shardmill/dataproc (or
 * ~/.local/state). A run holds a lock on its entry while it lives, so that others know that its
 * cluster is in use; the lock goes with the process, however it ends.
 */
#ifndef SM_DATAPROC_LEDGER_H
#define SM_DATAPROC_LEDGER_H

#include "core/buf.h"

enum { SM_CLUSTER_NAME_MAX = 64, SM_PLACE_NAME_MAX = 128 };

typedef struct sm_ledger_entry {
    char cluster[SM_CLUSTER_NAME_MAX], project[SM_PLACE_NAME_MAX], region[SM_PLACE_NAME_MAX];
    int lock; /* the file, locked; -1: not held */
} sm_ledger_entry;

/* Writes the entry, flushed to the device, and locks it. SM_ERR_CONFLICT when a run here has a
 * cluster of that name. */
sm_status sm_ledger_open(sm_ledger_entry *entry);
/* The cluster is gone: removes the entry. */
void sm_ledger_remove(sm_ledger_entry *entry);
/* Lets the lock go; the entry stays, for gc. */
void sm_ledger_close(sm_ledger_entry *entry);

/* Each entry, its lock taken unless its run still lives; fn may sm_ledger_remove or close it. */
typedef sm_status sm_ledger_fn(void *user, sm_ledger_entry *entry, bool in_use);
sm_status sm_ledger_each(sm_ledger_fn *fn, void *user);

/* Whether this machine has an entry for the cluster. */
bool sm_ledger_has(const char *project, const char *region, const char *cluster);

#endif
