/* What this process may use of the machine: cores and memory as cgroups and affinity allow; clocks.
 */
#ifndef SM_CORE_MACHINE_H
#define SM_CORE_MACHINE_H

#include <shardmill.h>

/* Cores: the affinity mask, cut to the cgroup's CPU quota (v2 cpu.max, v1 cfs_quota), at least 1.
 */
uint32_t sm_machine_threads(void);

/* Bytes of memory: what the machine has, cut to the limits of the cgroups above this process. */
uint64_t sm_machine_memory(void);

/* Nanoseconds of a clock that never jumps. */
uint64_t sm_clock_ns(void);

/* CPU nanoseconds that this thread has used. */
uint64_t sm_thread_cpu_ns(void);

/* How often this thread has waited for something (a disk, a lock): its voluntary context switches.
 * Systems that do not tell leave it as it is. */
void sm_thread_waits(uint64_t *waits);

/* "SIGSEGV": the signals by which programs die; "a signal" for others. */
const char *sm_signal_name(int number);

#endif
