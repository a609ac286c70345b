#include <stdlib.h>
static inline double tune_(const char *n, double d) { const char *t = getenv(n); return t ? strtod(t, 0) : d; }
#define TUNE(name, def) tune_("T_" #name, def)
