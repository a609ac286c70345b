#include "io/times.h"

#include <string.h>
#include <time.h>

static const int64_t NS_PER_SECOND = 1000000000;

static bool is_date(int year, int month, int day, const int clock[3])
{
    return year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           clock[0] < 24 && clock[1] < 60 && clock[2] <= 60;
}

/* Since 1970, in the proleptic Gregorian calendar. Not timegm: it takes a lock of the process, and
 * a listing has a time for each of a million objects. */
static int64_t seconds_of(int year, int month, int day, const int clock[3])
{
    /* Years that begin in March, so that the leap day is their last. */
    const int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    const int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    const int64_t of_1970 = 719468; /* days from 1 March of the year 0 */
    return (((days - of_1970) * 24 + clock[0]) * 60 + clock[1]) * 60 + clock[2];
}

/* Reads count digits; *text moves behind them. */
static bool take_digits(int *value, const char **text, int count)
{
    *value = 0;
    for (; count > 0; count--, (*text)++) {
        if (**text < '0' || **text > '9') return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

static bool take_word(const char **text, const char *word)
{
    const size_t len = strlen(word);
    const bool there = strncmp(*text, word, len) == 0;
    if (there) *text += len;
    return there;
}

/* "08:49:37" */
static bool take_clock(int clock[3], const char **text)
{
    return take_digits(&clock[0], text, 2) && take_word(text, ":") &&
           take_digits(&clock[1], text, 2) && take_word(text, ":") &&
           take_digits(&clock[2], text, 2);
}

/* By hand: strptime's names are those of the locale. */
static bool take_month(int *month, const char **text)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (*month = 1; *month <= 12; (*month)++)
        if (take_word(text, names[*month - 1])) return true;
    return false;
}

bool sm_time_of_http(int64_t *ns, const char *text)
{
    int day, month, year, clock[3];
    text = strchr(text, ','); /* behind the name of the day, which says nothing new */
    if (text == NULL || !take_word(&text, ", ") || !take_digits(&day, &text, 2) ||
        !take_word(&text, " ") || !take_month(&month, &text) || !take_word(&text, " ") ||
        !take_digits(&year, &text, 4) || !take_word(&text, " ") || !take_clock(clock, &text) ||
        !take_word(&text, " GMT") || !is_date(year, month, day, clock))
        return false;
    *ns = seconds_of(year, month, day, clock) * NS_PER_SECOND;
    return true;
}

/* The digits behind a decimal point, as nanoseconds; *text moves behind them. */
static int64_t read_fraction(const char **text)
{
    int64_t ns = 0, unit = NS_PER_SECOND / 10;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10) ns += unit * (**text - '0');
    return ns;
}

/* "Z", "+01:00" or "-01:00", as seconds to take away. */
static bool take_offset(int64_t *seconds, const char **text)
{
    int hours, minutes;
    const bool behind = **text == '-';
    *seconds = 0;
    if (take_word(text, "Z") || take_word(text, "z")) return true;
    if (!take_word(text, "+") && !take_word(text, "-")) return false;
    if (!take_digits(&hours, text, 2) || !take_word(text, ":") || !take_digits(&minutes, text, 2))
        return false;
    *seconds = (int64_t)(hours * 60 + minutes) * (behind ? -60 : 60);
    return true;
}

bool sm_time_of_rfc3339(int64_t *ns, const char *text)
{
    int year, month, day, clock[3];
    int64_t fraction = 0, offset;
    if (!take_digits(&year, &text, 4) || !take_word(&text, "-") || !take_digits(&month, &text, 2) ||
        !take_word(&text, "-") || !take_digits(&day, &text, 2) ||
        (!take_word(&text, "T") && !take_word(&text, "t") && !take_word(&text, " ")) ||
        !take_clock(clock, &text) || !is_date(year, month, day, clock))
        return false;
    if (take_word(&text, ".")) fraction = read_fraction(&text);
    if (!take_offset(&offset, &text)) return false;
    *ns = (seconds_of(year, month, day, clock) - offset) * NS_PER_SECOND + fraction;
    return true;
}
