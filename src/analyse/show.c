#include "analyse/show.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char none[] = "\u2013";

/* Puts commas between the thousands of a whole number's digits. */
static void group_digits(char text[SM_SHOW_MAX], const char *digits)
{
    const bool negative = *digits == '-';
    size_t used = 0, len = strlen(digits + negative);
    if (negative) text[used++] = '-';
    for (size_t i = 0; i < len && used + 2 < SM_SHOW_MAX; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[negative + i];
    }
    text[used] = '\0';
}

const char *sm_show(char text[SM_SHOW_MAX], double number)
{
    const double size = fabs(number);
    if (number == 0) number = 0; /* no minus before a zero */
    if (isnan(number)) {
        snprintf(text, SM_SHOW_MAX, "%s", none);
    } else if (size >= 1e12 || (size > 0 && size < 1e-4)) {
        snprintf(text, SM_SHOW_MAX, "%.3g", number);
    } else if (size >= 99.95) {
        /* Three digits of up to four, all digits but rounded ones of longer numbers. */
        double unit = size < 99995 ? 1 : pow(10, floor(log10(size)) - 3);
        char digits[SM_SHOW_MAX];
        snprintf(digits, sizeof digits, "%.0f", round(number / unit) * unit);
        group_digits(text, digits);
    } else {
        int places = size >= 9.995 ? 1 : size >= 0.9995 ? 2 : size >= 0.09995 ? 3 : 4;
        snprintf(text, SM_SHOW_MAX, "%.*f", number == floor(number) ? 0 : places, number);
    }
    return text;
}

static const char *with_unit(char text[SM_SHOW_MAX], double number, double step,
                             const char *const *units, size_t count)
{
    size_t unit = 0;
    while (number >= step * 0.9995 && unit + 1 < count) {
        number /= step;
        unit++;
    }
    char digits[SM_SHOW_MAX];
    sm_show(digits, number);
    snprintf(text, SM_SHOW_MAX, "%.24s %s", digits, isnan(number) ? "" : units[unit]);
    return text;
}

const char *sm_show_bytes(char text[SM_SHOW_MAX], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    return with_unit(text, bytes, 1000, units, sizeof units / sizeof *units);
}

const char *sm_show_size(char text[SM_SHOW_MAX], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    if (bytes == 0) return "whole";
    return with_unit(text, bytes, 1024, units, sizeof units / sizeof *units);
}

const char *sm_show_seconds(char text[SM_SHOW_MAX], double seconds)
{
    static const char *const units[] = {"ns", "\u00b5s", "ms", "s"};
    return with_unit(text, seconds * 1e9, 1000, units, sizeof units / sizeof *units);
}

const char *sm_show_percent(char text[SM_SHOW_MAX], double share)
{
    if (isnan(share))
        snprintf(text, SM_SHOW_MAX, "%s", none);
    else if (share > 0 && share < 0.01)
        snprintf(text, SM_SHOW_MAX, "< 1%%");
    else if (share > 0.99 && share < 1)
        snprintf(text, SM_SHOW_MAX, "> 99%%");
    else
        snprintf(text, SM_SHOW_MAX, "%.0f%%", share * 100);
    return text;
}

const char *sm_show_p(char text[SM_SHOW_MAX], double p)
{
    if (isnan(p))
        snprintf(text, SM_SHOW_MAX, "%s", none);
    else
        snprintf(text, SM_SHOW_MAX, p < 0.001 ? "< 0.001" : "%.3f", p);
    return text;
}
