/* What this machine does: its own counters, as /proc has them. */
#ifndef SM_CORE_LOAD_H
#define SM_CORE_LOAD_H

#include <shardmill.h>

/* Counters run from the machine's start on, so that two samples, whoever took them, tell what was
 * between. What the system does not tell is 0. */
typedef struct sm_load {
    double time;                      /* seconds since 1970 */
    double busy_s;                    /* of all cores: neither idle nor waiting for a disk */
    uint64_t received, sent;          /* bytes over network interfaces other than lo */
    uint64_t disk_read, disk_written; /* bytes, of the machine's disks */
    uint64_t memory;                  /* bytes in use now */
} sm_load;

/* The disks are all whole ones, or those that SHARDMILL_DISKS names ("sda,nvme0n1"): machines that
 * share a kernel see each other's. */
void sm_load_take(sm_load *load);

/* Who counts: id is equal for processes that see the same counters, and for no others. Network
 * namespaces of one machine (containers) have network counters of their own, and share the rest. */
typedef struct sm_counter_home {
    char id[64];
    char machine[64]; /* equal on one machine */
    char disks[128];  /* equal for processes that count the same disks */
    char host[256];
    char address[64]; /* its first one that is not of lo; "" */
    uint32_t cores;
    uint64_t memory; /* bytes there are */
} sm_counter_home;

void sm_counter_home_find(sm_counter_home *home);

#endif
