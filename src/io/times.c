#include "io/times.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t NS_PER_SECOND = 1000000000;

static bool is_date(int year, int month, int day, int hour, int minute, int second)
{
    return year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
}

static int64_t seconds_of(int year, int month, int day, int hour, int minute, int second)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    return (int64_t)timegm(&tm);
}

bool sm_time_of_http(int64_t *ns, const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4];
    int day, year, hour, minute, second, end = 0;
    /* By hand: strptime's names are those of the locale. */
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, name, &year, &hour,
               &minute, &second, &end) != 6 ||
        end == 0 || strlen(name) != 3)
        return false;
    const char *found = strstr(months, name);
    if (found == NULL || (found - months) % 3 != 0) return false;
    int month = (int)(found - months) / 3 + 1;
    if (!is_date(year, month, day, hour, minute, second)) return false;
    *ns = seconds_of(year, month, day, hour, minute, second) * NS_PER_SECOND;
    return true;
}

/* The digits behind a decimal point, as nanoseconds; *text moves behind them. */
static int64_t read_fraction(const char **text)
{
    int64_t ns = 0, unit = NS_PER_SECOND / 10;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10) ns += unit * (**text - '0');
    return ns;
}

bool sm_time_of_rfc3339(int64_t *ns, const char *text)
{
    int year, month, day, hour, minute, second, end = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
               &second, &end) != 6 ||
        end == 0 || !is_date(year, month, day, hour, minute, second))
        return false;
    const char *rest = text + end;
    int64_t fraction = 0;
    if (*rest == '.') {
        rest++;
        fraction = read_fraction(&rest);
    }
    int64_t offset = 0;
    if (*rest == '+' || *rest == '-') {
        int hours, minutes;
        if (sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2 || hours < 0 || minutes < 0)
            return false;
        offset = (hours * 60 + minutes) * 60;
        if (*rest == '-') offset = -offset;
    } else if (*rest != 'Z' && *rest != 'z') {
        return false;
    }
    *ns = (seconds_of(year, month, day, hour, minute, second) - offset) * NS_PER_SECOND + fraction;
    return true;
}
