#include "analyse/analyse.h"

#include <stdlib.h>

enum { WORDS_MAX = 1 << 20 };

sm_status sm_analyse(sm_analysis *a, const sm_results *table)
{
    *a = (sm_analysis){.table = table, .chosen = -1};
    sm_buf_init(&a->words, WORDS_MAX);
    sm_status status = sm_find_cells(a);
    if (status == SM_OK) status = sm_compare_formats(a);
    if (status == SM_OK) status = sm_fit_throughput(a);
    if (status == SM_OK) status = sm_fit_latency(a);
    if (status == SM_OK) status = sm_find_overlaps(a);
    return status == SM_OK ? sm_find_words(a) : status;
}

void sm_analysis_free(sm_analysis *a)
{
    for (int m = 0; m < SM_MODEL_COUNT; m++) {
        free(a->models[m].terms);
        free(a->models[m].columns);
        sm_ols_free(&a->models[m].fit);
    }
    free(a->order);
    free(a->cells);
    free(a->conditions);
    free(a->latencies);
    free(a->points);
    free(a->versus);
    free(a->overlaps);
    sm_buf_free(&a->words);
    *a = (sm_analysis){.chosen = -1};
}
