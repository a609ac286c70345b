#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const command *const commands[] = {
    &pack_command,   &verify_command, &ls_command,    &cp_command,       &measure_command,
    &report_command, &choose_command, &sweep_command, &dataproc_command, &worker_command,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *to)
{
    fprintf(to,
            "shardmill %s: folders of images into training shards\n\n"
            "usage: shardmill COMMAND [options] …\n\n",
            sm_version());
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %-14s %s\n", commands[i]->name, commands[i]->arguments,
                commands[i]->summary);
    fprintf(to, "\n"
                "  shardmill pack photos shards --image-size 224\n"
                "  shardmill verify shards\n"
                "  shardmill measure photos shards --quick\n\n"
                "'shardmill COMMAND --help' tells all of a command.\n"
                "Exit codes: 0 all good, 1 failed, 2 wrong usage, 3 done but some pictures or "
                "files failed.\n");
}

/* Keys and tokens are in memory (ours, libcurl's, the environment's), and must not get into a file
 * when we crash: core dumps hold no memory then, or, where the system cannot leave it out, are not
 * made. Programs that we start inherit it. */
static void keep_memory_from_dumps(void)
{
    const char *wanted = getenv("SHARDMILL_CORE_DUMPS");
    if (wanted != NULL && strcmp(wanted, "1") == 0) return;
    FILE *filter = fopen("/proc/self/coredump_filter", "we"); /* core(5) */
    bool done = filter != NULL && fputs("0", filter) >= 0;
    if (filter != NULL && fclose(filter) != 0) done = false;
    struct rlimit limit;
    if (done || getrlimit(RLIMIT_CORE, &limit) != 0) return;
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &limit); /* lowering a soft limit cannot fail */
}

int main(int argc, char **argv)
{
    keep_memory_from_dumps();
    const char *word = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i]->name) == 0) return commands[i]->run(argc - 2, argv + 2);
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        const char *vector_code = sm_vector_code();
        printf("shardmill %s\nvector code: %s\n", sm_version(),
               vector_code == NULL ? "unknown (no memory)" : vector_code);
        return EXIT_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        for (size_t i = 0; argc > 2 && i < COMMANDS; i++)
            if (strcmp(argv[2], commands[i]->name) == 0) {
                print_help(commands[i]);
                return EXIT_DONE;
            }
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (*word != '\0') fprintf(stderr, "shardmill: there is no command '%s'\n\n", word);
    print_usage(stderr);
    return EXIT_USAGE;
}
