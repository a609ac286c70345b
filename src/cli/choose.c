#include "commands.h"
#include "choose.h"
static int run_choose(int argc, char **argv)
{
    sm_choose_options o;
    sm_choose_options_init(&o);
    if (argc > 1) { for (int i = 0; sm_choose_method_name(i); i++) if (__builtin_strcmp(sm_choose_method_name(i), argv[1]) == 0) o.method = (sm_choose_method)i; }
    const char *w;
    if (!run_protocol(&o, &w)) { fprintf(stderr, "wrong: %s: %s\n", w, sm_last_error()); return 1; }
    return 0;
}
static const option_row rows[] = {{0}};
const command choose_command = {.name = "choose", .arguments = "SPACE", .summary = "the cluster to rent, from a few trial runs", .intro = "", .rows = rows, .run = run_choose};
