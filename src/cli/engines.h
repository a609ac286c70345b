/* The engine that pack's options choose. */
#ifndef SM_CLI_ENGINES_H
#define SM_CLI_ENGINES_H

#include "options.h"

#include <stdio.h>

typedef enum engine_kind { ENGINE_LOCAL, ENGINE_LINES, ENGINE_SPARK } engine_kind;

enum { CONF_MAX = 256 };

typedef struct engine_call {
    int kind; /* an engine_kind */
    sm_spark_options spark;
    const char *conf[CONF_MAX];
    FILE *lines; /* where the lines of ENGINE_LINES go, and its last one; else NULL */
} engine_call;

/* Readers of option rows: of `kind`, and of the whole call. */
bool read_engine(void *target, const char *text, const char **want);
bool read_conf(void *target, const char *text, const char **want);
bool read_deploy_mode(void *target, const char *text, const char **want);

/* Makes the engine; *engine is NULL for ENGINE_LOCAL. With ENGINE_LINES standard output is for
 * lines from now on, and what is printed goes to standard error. */
sm_status open_engine(sm_engine **engine, engine_call *call);

#endif
