/* The engine of those who have one of their own: tasks are printed, results are read. */
#include "core/status.h"
#include "engine/protocol.h"

#include <stdlib.h>

typedef struct lines_engine {
    sm_engine engine;
    int in, out;
} lines_engine;

static sm_status run_lines(sm_engine *engine, const sm_tasks *tasks)
{
    const lines_engine *lines = (const lines_engine *)engine;
    sm_status status = sm_protocol_send(lines->out, tasks);
    return status == SM_OK ? sm_protocol_receive(lines->in, tasks, NULL, NULL) : status;
}

static void free_lines(sm_engine *engine)
{
    free(engine);
}

SM_API sm_status sm_engine_lines(sm_engine **engine, int in, int out)
{
    lines_engine *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->engine = (sm_engine){.name = "lines", .run = run_lines, .free = free_lines};
    made->in = in;
    made->out = out;
    *engine = &made->engine;
    return SM_OK;
}

SM_API void sm_engine_free(sm_engine *engine)
{
    if (engine != NULL) engine->free(engine);
}
