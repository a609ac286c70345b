#include "core/load.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512 }; /* bytes, of diskstats, whatever the disk has */

/* /proc/stat: user nice system idle iowait irq softirq steal guest…, in ticks; guest is in user. */
static void take_cpu(sm_load *s, uint32_t *cores)
{
    char line[512];
    unsigned long long t[8] = {0};
    *cores = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL && strncmp(line, "cpu", 3) == 0)
        if (line[3] != ' ')
            (*cores)++;
        else
            sscanf(line + 3, "%llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                   &t[4], &t[5], &t[6], &t[7]);
    fclose(file);
    s->busy_s = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / (double)sysconf(_SC_CLK_TCK);
}

static void take_network(sm_load *s)
{
    char line[512];
    FILE *file = fopen("/proc/self/net/dev", "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        const char *name = line + strspn(line, " ");
        uint64_t received, sent;
        if (colon == NULL || strncmp(name, "lo:", 3) == 0) continue;
        if (sscanf(colon + 1, "%" SCNu64 " %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &received,
                   &sent) != 2)
            continue;
        s->received += received;
        s->sent += sent;
    }
    fclose(file);
}

/* NULL: all there are. */
static const char *told_disks(void)
{
    const char *told = getenv("SHARDMILL_DISKS");
    return told == NULL || *told == '\0' ? NULL : told;
}

/* Whether the list, which commas part, has the name. */
static bool has(const char *list, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = list; *at != '\0'; at += *at == ',') {
        const size_t word = strcspn(at, ",");
        if (word == len && memcmp(at, name, len) == 0) return true;
        at += word;
    }
    return false;
}

/* Whole disks alone: partitions, and what is made of disks, would count twice. */
static bool is_whole_disk(const char *name)
{
    static const char *const others[] = {"loop", "ram", "dm-", "md", "zram", "sr", "nbd"};
    char path[96];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0) return false;
    snprintf(path, sizeof path, "/sys/block/%s", name);
    return access(path, F_OK) == 0;
}

static void take_disks(sm_load *s)
{
    char line[512], name[64];
    uint64_t read, written;
    const char *told = told_disks();
    FILE *file = fopen("/proc/diskstats", "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, " %*u %*u %63s %*u %*u %" SCNu64 " %*u %*u %*u %" SCNu64, name, &read,
                   &written) == 3 &&
            (read > 0 || written > 0) && (told != NULL ? has(told, name) : is_whole_disk(name))) {
            s->disk_read += read * SECTOR;
            s->disk_written += written * SECTOR;
        }
    fclose(file);
}

static void take_memory(uint64_t *used, uint64_t *total)
{
    char line[256];
    uint64_t all = 0, available = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "MemTotal: %" SCNu64, &all);
        sscanf(line, "MemAvailable: %" SCNu64, &available);
    }
    if (file != NULL) fclose(file);
    *total = all << 10;
    *used = all > available ? (all - available) << 10 : 0;
}

void sm_load_take(sm_load *load)
{
    struct timespec now;
    uint32_t cores;
    uint64_t total;
    *load = (sm_load){0};
    clock_gettime(CLOCK_REALTIME, &now);
    load->time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    take_cpu(load, &cores);
    take_network(load);
    take_disks(load);
    take_memory(&load->memory, &total);
}

static void find_address(char *text, size_t cap)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0) return;
    for (const struct ifaddrs *one = all; one != NULL && *text == '\0'; one = one->ifa_next)
        if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET &&
            (one->ifa_flags & IFF_LOOPBACK) == 0)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr,
                      text, (socklen_t)cap);
    freeifaddrs(all);
}

void sm_counter_home_find(sm_counter_home *home)
{
    char boot[40] = "", space[64] = "";
    sm_load unused = {0};
    uint64_t used;
    *home = (sm_counter_home){0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL && fgets(boot, sizeof boot, file) != NULL) boot[strcspn(boot, "\n")] = '\0';
    if (file != NULL) fclose(file);
    ssize_t len = readlink("/proc/self/ns/net", space, sizeof space - 1); /* "net:[4026531833]" */
    const char *number = len > 0 ? strchr(space, '[') : NULL;
    gethostname(home->host, sizeof home->host - 1);
    snprintf(home->machine, sizeof home->machine, "%.40s", *boot != '\0' ? boot : home->host);
    snprintf(home->id, sizeof home->id, "%.40s/%.*s", home->machine,
             number == NULL ? 0 : (int)strcspn(number + 1, "]"), number == NULL ? "" : number + 1);
    const char *disks = told_disks();
    snprintf(home->disks, sizeof home->disks, "%s%s%s", home->machine, disks == NULL ? "" : "/",
             disks == NULL ? "" : disks);
    find_address(home->address, sizeof home->address);
    take_cpu(&unused, &home->cores);
    take_memory(&used, &home->memory);
}
