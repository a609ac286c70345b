/* Latencies in a fixed amount of memory: buckets that grow with the value (as HdrHistogram's), so
 * that every quantile is told within 1.6%. */
#ifndef SM_MEASURE_LATENCY_H
#define SM_MEASURE_LATENCY_H

#include <shardmill.h>

enum { SM_LATENCY_FINE = 64, SM_LATENCY_BUCKETS = 40 * SM_LATENCY_FINE };

typedef struct sm_latency {
    uint64_t counts[SM_LATENCY_BUCKETS];
    uint64_t count, sum_ns, max_ns;
} sm_latency;

/* A zeroed sm_latency is empty. */
void sm_latency_add(sm_latency *latency, uint64_t ns);
void sm_latency_merge(sm_latency *into, const sm_latency *from);

/* In seconds; 0 when there is none. share: 0 to 1. */
double sm_latency_quantile(const sm_latency *latency, double share);
double sm_latency_mean(const sm_latency *latency);

#endif
