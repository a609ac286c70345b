/*
 * --metrics: what the machines of an engine did while a run lasted, as JSON Lines.
 *
 *   {"schema":"shardmill.metrics/1","kind":"node","id":…,"machine":…,"host":…,
 *    "address":…,"cores":N,"memory":BYTES,"samples":[[TIME,BUSY_S,RECEIVED,SENT,DISK_READ,DISK_WRITTEN,MEMORY],…]}
 *   {"schema":"shardmill.metrics/1","kind":"monitoring","instance":…,"over_time":[…]}
 *       what Cloud Monitoring has (shardmill_dataproc.h)
 *   {"schema":"shardmill.metrics/1","kind":"run","engine":…,"started":…,"ended":…,"waited_s":…,
 *    "billed_s":…,"cost":…}       the last line
 *
 * A line a task. Counters are a machine's own, from its start on: samples of one id belong
 * together, whichever worker took them. Containers of one machine share its CPU, disks and memory.
 */
#ifndef SM_CLI_METRICS_H
#define SM_CLI_METRICS_H

#include <shardmill.h>

#include <stdio.h>

/* Writes a line of an engine's own, a JSON object with a "kind". */
void metrics_add(FILE *file, const char *json);

/* Puts another engine in front of *engine, which passes everything on and writes to file. Takes
 * both over; *engine is freed when there is no memory. */
sm_status metrics_wrap(sm_engine **engine, FILE *file);

#endif
