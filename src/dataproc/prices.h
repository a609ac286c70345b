/*
 * What a cluster costs an hour: machines by vCPU and GB, Dataproc's premium by vCPU (spot machines'
 * too), boot disks.
 * The built-in list (prices.json: dated, with its source) is of one region and will age; --prices
 * replaces it.
 */
#ifndef SM_DATAPROC_PRICES_H
#define SM_DATAPROC_PRICES_H

#include <shardmill.h>

typedef struct sm_price {
    double hour;   /* US dollars; NaN: the list does not have one of the machines */
    char date[96]; /* of the list, for people */
} sm_price;

/* Of the cluster that options would make; options->prices NULL: the built-in list. */
sm_status sm_price_cluster(sm_price *price, const sm_dataproc_options *options);

#endif
