#include "core/status.h"
#include <shardmill.h>
SM_API sm_status sm_engine_spark(sm_engine **engine, const sm_spark_options *options)
{
    (void)engine;
    (void)options;
    return sm_fail(SM_ERR_USAGE, "not yet");
}
