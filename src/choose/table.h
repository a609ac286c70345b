/* The columns that recorded tables and spaces in CSV have in common. */
#ifndef SM_CHOOSE_TABLE_H
#define SM_CHOOSE_TABLE_H

#include "choose/csv.h"

#include <shardmill_choose.h>

/* Copies text as a name; false when it is empty, too long, or holds control characters. */
bool sm_table_name(char name[SM_CHOOSE_NAME_MAX], const char *text);

/* The present row's instance, family, nodes, vcpus, mem_gb, price_per_hour and speed, unchecked. */
sm_status sm_table_candidate(sm_candidate *candidate, const sm_csv *csv);

#endif
