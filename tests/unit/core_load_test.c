#include "core/load.h"

#include "core/machine.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void work_counts_as_busy(void **state)
{
    (void)state;
    sm_load before, after;
    sm_load_take(&before);
    const uint64_t began = sm_thread_cpu_ns();
    volatile uint32_t sum = 0;
    while (sm_thread_cpu_ns() - began < 100000000) sum = sum + 1;
    sm_load_take(&after);
    const double passed = after.time - before.time;
    const double most = passed * (double)sysconf(_SC_NPROCESSORS_CONF);
    assert_true(passed > 0.09);
    assert_true(after.busy_s - before.busy_s > 0.05); /* ticks of 10 ms */
    assert_true(after.busy_s - before.busy_s < most + 0.1);
}

/* What the interfaces but lo counted, as netlink has it: 32 bits each. */
static void add_interfaces(uint32_t *received, uint32_t *sent)
{
    struct ifaddrs *all;
    *received = *sent = 0;
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        const struct rtnl_link_stats *stats = one->ifa_data;
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_PACKET || stats == NULL)
            continue;
        if (strcmp(one->ifa_name, "lo") == 0) continue;
        *received += stats->rx_bytes;
        *sent += stats->tx_bytes;
    }
    freeifaddrs(all);
}

static void network_is_what_netlink_says(void **state)
{
    (void)state;
    sm_load load;
    uint32_t received, sent, received_after, sent_after;
    add_interfaces(&received, &sent);
    sm_load_take(&load);
    add_interfaces(&received_after, &sent_after);
    assert_true((uint32_t)load.received - received <= received_after - received);
    assert_true((uint32_t)load.sent - sent <= sent_after - sent);
}

/* The same of whole disks, as sysfs has them. */
static void add_disks(uint64_t *read, uint64_t *written, const char *told)
{
    static const char *const others[] = {"loop", "ram", "dm-", "md", "zram", "sr", "nbd", "."};
    DIR *folder = opendir("/sys/block");
    *read = *written = 0;
    for (struct dirent *found; folder != NULL && (found = readdir(folder)) != NULL;) {
        char path[320];
        unsigned long long in = 0, out = 0;
        bool is_disk = true;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            is_disk = is_disk && strncmp(found->d_name, others[i], strlen(others[i])) != 0;
        if (told != NULL) is_disk = strcmp(found->d_name, told) == 0;
        snprintf(path, sizeof path, "/sys/block/%s/stat", found->d_name);
        FILE *file = is_disk ? fopen(path, "r") : NULL;
        if (file == NULL) continue;
        if (fscanf(file, "%*u %*u %llu %*u %*u %*u %llu", &in, &out) == 2) {
            *read += in * 512;
            *written += out * 512;
        }
        fclose(file);
    }
    if (folder != NULL) closedir(folder);
}

static void disks_are_what_sysfs_says(void **state)
{
    (void)state;
    sm_load load;
    uint64_t read, written, read_after, written_after;
    add_disks(&read, &written, NULL);
    sm_load_take(&load);
    add_disks(&read_after, &written_after, NULL);
    assert_in_range(load.disk_read, read, read_after);
    assert_in_range(load.disk_written, written, written_after);
}

/* The name of some disk that counts. */
static void find_disk(char *name, size_t cap)
{
    DIR *folder = opendir("/sys/block");
    *name = '\0';
    for (struct dirent *found; folder != NULL && (found = readdir(folder)) != NULL;) {
        uint64_t read, written;
        add_disks(&read, &written, found->d_name);
        if (*name == '\0' && read > 0) snprintf(name, cap, "%s", found->d_name);
    }
    if (folder != NULL) closedir(folder);
}

static void only_the_disks_told_count(void **state)
{
    (void)state;
    char disk[256], list[600];
    sm_load load;
    sm_counter_home all, told;
    find_disk(disk, sizeof disk);
    if (*disk == '\0') skip(); /* a machine that shows no disk */
    sm_counter_home_find(&all);
    snprintf(list, sizeof list, "none-such,%s,%sx", disk, disk);
    setenv("SHARDMILL_DISKS", list, 1);
    uint64_t read, written, read_after, written_after;
    add_disks(&read, &written, disk);
    sm_load_take(&load);
    add_disks(&read_after, &written_after, disk);
    sm_counter_home_find(&told);
    assert_in_range(load.disk_read, read, read_after);
    assert_in_range(load.disk_written, written, written_after);
    setenv("SHARDMILL_DISKS", "none-such", 1);
    sm_load_take(&load);
    unsetenv("SHARDMILL_DISKS");
    assert_int_equal(load.disk_read, 0);
    assert_string_equal(all.disks, all.machine);
    assert_string_equal(told.machine, all.machine);
    assert_string_not_equal(told.disks, all.disks);
}

static void memory_is_some_of_what_there_is(void **state)
{
    (void)state;
    sm_load load;
    sm_counter_home home;
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    sm_load_take(&load);
    sm_counter_home_find(&home);
    assert_true(load.memory > 0 && load.memory < home.memory);
    assert_in_range(home.memory, 1 << 20, (uint64_t)info.totalram * info.mem_unit);
    assert_in_range(home.cores, 1, sysconf(_SC_NPROCESSORS_CONF));
}

static void one_machine_has_one_name(void **state)
{
    (void)state;
    sm_counter_home one, two;
    char host[256] = "";
    sm_counter_home_find(&one);
    sm_counter_home_find(&two);
    gethostname(host, sizeof host - 1);
    assert_string_equal(one.id, two.id);
    assert_string_equal(one.host, host);
    assert_true(strlen(one.machine) > 0);
    assert_memory_equal(one.id, one.machine, strlen(one.machine));
}

static void a_network_of_its_own_is_another_home_of_the_same_machine(void **state)
{
    (void)state;
    sm_counter_home here;
    sm_counter_home_find(&here);
    const pid_t child = fork();
    if (child == 0) {
        sm_counter_home there;
        if (unshare(CLONE_NEWNET) != 0) _exit(77);
        sm_counter_home_find(&there);
        _exit(strcmp(there.machine, here.machine) != 0 ? 1
              : strcmp(there.id, here.id) == 0         ? 2
              : *there.address != '\0'                 ? 3
                                                       : 0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 77) skip(); /* only root may */
    assert_int_equal(WEXITSTATUS(how), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_counts_as_busy),
        cmocka_unit_test(network_is_what_netlink_says),
        cmocka_unit_test(disks_are_what_sysfs_says),
        cmocka_unit_test(only_the_disks_told_count),
        cmocka_unit_test(memory_is_some_of_what_there_is),
        cmocka_unit_test(one_machine_has_one_name),
        cmocka_unit_test(a_network_of_its_own_is_another_home_of_the_same_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
