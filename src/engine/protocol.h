/* How lines go to an engine's other side and come back: on file descriptors, whatever they are. */
#ifndef SM_ENGINE_PROTOCOL_H
#define SM_ENGINE_PROTOCOL_H

#include "core/buf.h"

#include <shardmill.h>

enum { SM_PROTOCOL_VERSION = 1, SM_PROTOCOL_LINE_MAX = 1 << 20 };

/* Writes the plan line, all tasks, and the line that says to run them. */
sm_status sm_protocol_send(int to, const sm_tasks *tasks);

/* Whether the other side is still there; else sm_last_error() says what came of it. */
typedef sm_status sm_protocol_alive(void *user);

/*
 * Takes lines from `from` to its end: results go to tasks, an error line ends with SM_ERR_IO and
 * its message. alive (NULL: always) is asked when nothing has come for a moment. SM_ERR_CANCELLED.
 */
sm_status sm_protocol_receive(int from, const sm_tasks *tasks, sm_protocol_alive *alive,
                              void *user);

#endif
