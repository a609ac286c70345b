/* The engine that the options of pack and measure choose. */
#ifndef SM_CLI_ENGINES_H
#define SM_CLI_ENGINES_H

#include "options.h"
#include "screen.h"

#include <stdio.h>

typedef enum engine_kind { ENGINE_LOCAL, ENGINE_LINES, ENGINE_SPARK, ENGINE_DATAPROC } engine_kind;

enum { CONF_MAX = 256, LABELS_MAX = 32 };

typedef struct engine_call {
    int kind; /* an engine_kind */
    sm_spark_options spark;
    sm_dataproc_options dataproc;
    const char *conf[CONF_MAX];
    size_t conf_count;
    const char *labels[LABELS_MAX];
    const char *worker;
    FILE *metrics; /* where they go; NULL: nowhere */
    screen *screen;
    char instances[48];
    uint32_t together; /* executors that are to be there at once; 0: as the cluster has it */
    FILE *lines;       /* where the lines of ENGINE_LINES go, and its last one; else NULL */
} engine_call;

/* The options of engine_call, for a command's `shared`. */
extern const option_row engine_rows[];

void engine_call_init(engine_call *call);

/* What of the options contradicts itself, or NULL. */
const char *engine_call_fault(const engine_call *call);

/* "local" and so on, by engine_kind; NULL past the last. */
const char *engine_name(int kind);

/*
 * Makes the engine; *engine is NULL for ENGINE_LOCAL. dst is where the results go; s is told what
 * the engine has to say. With ENGINE_LINES standard output is for lines from now on, and what is
 * printed goes to standard error.
 */
sm_status open_engine(sm_engine **engine, engine_call *call, const char *dst, screen *s);

#endif
