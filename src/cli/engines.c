#include "engines.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

bool read_engine(void *target, const char *text, const char **want)
{
    static const char *const names[] = {
        [ENGINE_LOCAL] = "local", [ENGINE_LINES] = "lines", [ENGINE_SPARK] = "spark"};
    *want = "one of local|lines|spark";
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *(int *)target = i;
        return true;
    }
    return false;
}

bool read_conf(void *target, const char *text, const char **want)
{
    engine_call *call = target;
    const char *equals = strchr(text, '=');
    *want = "KEY=VALUE, as spark-submit takes it, or one of too many";
    if (equals == NULL || equals == text || call->spark.conf_count == CONF_MAX) return false;
    call->conf[call->spark.conf_count++] = text;
    return true;
}

bool read_deploy_mode(void *target, const char *text, const char **want)
{
    *want = "one of client|cluster";
    *(const char **)target = text;
    return strcmp(text, "client") == 0 || strcmp(text, "cluster") == 0;
}

static sm_status open_lines(sm_engine **engine, engine_call *call)
{
    int out = dup(STDOUT_FILENO);
    fflush(stdout);
    call->lines = out < 0 ? NULL : fdopen(out, "w");
    if (call->lines == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return SM_ERR_IO;
    signal(SIGPIPE, SIG_IGN); /* a reader that has all tasks need not wait for the last line */
    return sm_engine_lines(engine, STDIN_FILENO, out);
}

sm_status open_engine(sm_engine **engine, engine_call *call)
{
    *engine = NULL;
    call->spark.conf = call->conf;
    switch ((engine_kind)call->kind) {
    case ENGINE_LINES: return open_lines(engine, call);
    case ENGINE_SPARK: return sm_engine_spark(engine, &call->spark);
    case ENGINE_LOCAL: break;
    }
    return SM_OK;
}
