#include "core/machine.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void counts_cores_that_may_be_used(void **state)
{
    (void)state;
    uint32_t threads = sm_machine_threads();
    assert_in_range(threads, 1, sysconf(_SC_NPROCESSORS_CONF));

    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint32_t alone = sm_machine_threads();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(alone, 1);
    assert_int_equal(sm_machine_threads(), threads);
}

static void knows_memory(void **state)
{
    (void)state;
    uint64_t bytes = sm_machine_memory();
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
    assert_true(bytes >= (uint64_t)1 << 20);
    assert_true(bytes <= all);
}

static void clocks_go_forward(void **state)
{
    (void)state;
    uint64_t wall = sm_clock_ns(), cpu = sm_thread_cpu_ns();
    volatile uint32_t sum = 0;
    while (sm_clock_ns() - wall < 20000000) sum = sum + 1;
    uint64_t used = sm_thread_cpu_ns() - cpu;
    assert_true(used > 0);
    assert_true(used <= sm_clock_ns() - wall + 1000000); /* one thread: no more than has passed */

    cpu = sm_thread_cpu_ns();
    wall = sm_clock_ns();
    usleep(20000);
    assert_true(sm_clock_ns() - wall >= 20000000);
    assert_true(sm_thread_cpu_ns() - cpu < 15000000); /* sleep is no work */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_cores_that_may_be_used),
        cmocka_unit_test(knows_memory),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
