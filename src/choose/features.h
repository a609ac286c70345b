/* What the methods know of each candidate, as arrays of floats. */
#ifndef SM_CHOOSE_FEATURES_H
#define SM_CHOOSE_FEATURES_H

#include <shardmill_choose.h>

/* Structure of arrays, so that the shape's inner loop is vectors. */
typedef struct sm_features {
    size_t count;
    size_t families;
    float *nodes, *memory;
    float *log_width;  /* ln(32 / cores of the cluster) */
    float *log_share;  /* ln(8 / nodes) */
    float *log_slim;   /* ln(4 / vcpus of a node) */
    float *log2_nodes; /* log2(nodes) / 3 */
    float *log_speed;  /* ln of a core's speed, 1 = 2.5 GHz */
    float *offset;     /* ln(what the objective counts / seconds) */
    float *cap;        /* ln of the most that the limit allows; INFINITY: no limit */
    float *place[3];   /* coordinates of the residual's kernel */
    uint32_t *family;
    void *memory_block;
} sm_features;

sm_status sm_features_new(sm_features *features, const sm_candidate *candidates, size_t count,
                          const sm_choose_options *options);
void sm_features_free(sm_features *features);

/* The features of some candidates alone, families numbered as in from. */
sm_status sm_features_pick(sm_features *picked, const sm_features *from, const uint32_t *candidates,
                           size_t count);

/* Speed of a core relative to 2.5 GHz, by the clock that vendors publish for their families; 1
 * where it is not known. */
double sm_family_speed(const char *family);

/* SM_ERR_USAGE with what is wrong with the candidate, which is number index. */
sm_status sm_candidate_check(const sm_candidate *candidate, size_t index);

/* ln of the hourly price of the whole cluster, per second. */
double sm_candidate_log_rate(const sm_candidate *candidate);

#endif
