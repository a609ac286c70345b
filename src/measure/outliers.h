/* What stands out among the trials of a cell. */
#ifndef SM_MEASURE_OUTLIERS_H
#define SM_MEASURE_OUTLIERS_H

#include "core/status.h"

#include <shardmill_measure.h>

/* Marks rows of cells with at least three good ones. */
sm_status sm_mark_outliers(sm_measure_result *result);

#endif
