#include "core/env.h"

#include <stdlib.h>

unsigned long sm_env_number(const char *name, unsigned long most, unsigned long otherwise)
{
    const char *text = getenv(name);
    if (text == NULL || *text < '0' || *text > '9') return otherwise;
    char *end;
    const unsigned long number = strtoul(text, &end, 10); /* ULONG_MAX when it is too large */
    if (*end != '\0') return otherwise;
    return number < most ? number : most;
}
