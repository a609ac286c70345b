/*
 * What a packing process tells one that watches over it (worker.c): the picture that each converter
 * is on, in memory that both share, so that it can be read when the process is dead; and what was
 * learnt that way.
 */
#ifndef SM_PACK_WATCH_H
#define SM_PACK_WATCH_H

#include <shardmill.h>

#include <stdatomic.h>

enum { SM_WATCH_THREADS = 4096 }; /* as many as --threads may be */

typedef _Atomic uint32_t sm_watch_slot; /* 1 + the number of an input; 0: on none */

typedef struct sm_watch {
    _Atomic uint32_t threads; /* slots taken */
    sm_watch_slot slots[SM_WATCH_THREADS];
} sm_watch;

/* An input that killed the process, and by which signal: not to be tried again. */
typedef struct sm_crash {
    uint32_t input;
    int signal;
} sm_crash;

#endif
