#include "measure/latency.h"

/* Up to 2 * SM_LATENCY_FINE every value has its bucket; from there on SM_LATENCY_FINE buckets share
 * each power of two. */
static size_t bucket_of(uint64_t ns)
{
    if (ns < 2 * SM_LATENCY_FINE) return (size_t)ns;
    const int high = 63 - __builtin_clzll(ns), shift = high - 6;
    const size_t bucket = (size_t)shift * SM_LATENCY_FINE + (size_t)(ns >> shift);
    return bucket < SM_LATENCY_BUCKETS ? bucket : SM_LATENCY_BUCKETS - 1;
}

static double middle_of(size_t bucket)
{
    if (bucket < 2 * SM_LATENCY_FINE) return (double)bucket;
    const size_t shift = bucket / SM_LATENCY_FINE - 1;
    const double low = (double)((uint64_t)(bucket - shift * SM_LATENCY_FINE) << shift);
    return low + (double)(1ull << shift) / 2;
}

void sm_latency_add(sm_latency *latency, uint64_t ns)
{
    latency->counts[bucket_of(ns)]++;
    latency->count++;
    latency->sum_ns += ns;
    if (ns > latency->max_ns) latency->max_ns = ns;
}

void sm_latency_merge(sm_latency *into, const sm_latency *from)
{
    for (size_t i = 0; i < SM_LATENCY_BUCKETS; i++) into->counts[i] += from->counts[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

double sm_latency_quantile(const sm_latency *latency, double share)
{
    const double wanted = share * (double)latency->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < SM_LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (latency->counts[i] == 0 || (double)seen < wanted) continue;
        const double ns = middle_of(i), most = (double)latency->max_ns;
        return (ns < most ? ns : most) / 1e9;
    }
    return (double)latency->max_ns / 1e9;
}

double sm_latency_mean(const sm_latency *latency)
{
    return latency->count == 0 ? 0 : (double)latency->sum_ns / (double)latency->count / 1e9;
}
