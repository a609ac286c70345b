#include "choose.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 10, AMOUNT_MAX = 24 };

const char *show_candidate(char text[SM_CHOOSE_NAME_MAX + 16], const sm_candidate *c)
{
    snprintf(text, SM_CHOOSE_NAME_MAX + 16, "%s x %.0f", c->instance, c->nodes);
    return text;
}

/* Three digits that matter: "0.0379", "12.4", "1830". */
static const char *show_amount(char text[AMOUNT_MAX], double amount)
{
    if (!isfinite(amount)) {
        snprintf(text, AMOUNT_MAX, "-");
        return text;
    }
    int before = amount > 0 ? (int)floor(log10(amount)) : 0;
    int digits = 2 - before < 0 ? 0 : 2 - before > 9 ? 9 : 2 - before;
    snprintf(text, AMOUNT_MAX, "%.*f", digits, amount);
    return text;
}

static void print_json(json_t *object)
{
    char *line = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    printf("%s\n", line == NULL ? "{\"event\":\"error\",\"message\":\"no memory\"}" : line);
    fflush(stdout);
    free(line);
    json_decref(object);
}

/* JSON has no NaN. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static const char *const outcomes[] = {"ok", "failed", "running"};

static json_t *candidate_json(const char *event, const sm_search *s, uint32_t index)
{
    if (index == UINT32_MAX) return json_pack("{s:s, s:n}", "event", event, "candidate");
    const sm_candidate *c = &s->space.candidates[index];
    return json_pack("{s:s, s:i, s:s, s:s, s:f, s:f, s:f, s:f}", "event", event, "candidate",
                     (int)index, "instance", c->instance, "family", c->family, "nodes", c->nodes,
                     "vcpus", c->vcpus, "memory_gb", c->memory_gb, "price", c->price);
}

void print_trial(const sm_search *s, const sm_trial *t, size_t count, bool json)
{
    char name[SM_CHOOSE_NAME_MAX + 16], seconds[NUMBER_MAX], cost[AMOUNT_MAX];
    const sm_candidate *c = &s->space.candidates[t->candidate];
    if (json) {
        json_t *object = candidate_json("trial", s, t->candidate);
        json_object_set_new(object, "number", json_integer((json_int_t)count));
        json_object_set_new(object, "outcome", json_string(outcomes[t->outcome]));
        json_object_set_new(object, "seconds", number(t->seconds));
        json_object_set_new(object, "cost", number(t->cost));
        print_json(object);
        return;
    }
    printf("trial %-3zu %-24s %10s %10s%s\n", count, show_candidate(name, c),
           show_seconds(seconds, t->seconds), show_amount(cost, t->cost),
           t->outcome == SM_TRIAL_FAILED ? "  failed" : "");
    fflush(stdout);
}

static const char *reason_word(sm_advice_reason reason)
{
    static const char *const words[] = {
        [SM_WHY_FIRST] = "first",
        [SM_WHY_NO_SUCCESS] = "no_success",
        [SM_WHY_GAIN] = "gain",
        [SM_WHY_LOOK_AHEAD] = "look_ahead",
        [SM_WHY_INSURANCE] = "insurance",
        [SM_WHY_DESIGN] = "design",
        [SM_WHY_MODEL] = "model",
        [SM_WHY_NOT_WORTH] = "not_worth",
        [SM_WHY_EXHAUSTED] = "exhausted",
        [SM_WHY_MAX_TRIALS] = "max_trials",
        [SM_WHY_NOT_FEASIBLE] = "not_feasible",
    };
    return words[reason];
}

static const char *reason_sentence(sm_advice_reason reason)
{
    static const char *const sentences[] = {
        [SM_WHY_FIRST] = "nothing is known yet; over what jobs are like, this is never far off",
        [SM_WHY_NO_SUCCESS] =
            "nothing has run within the limit yet; this is the cheapest likely to",
        [SM_WHY_GAIN] = "what it may save over the recurrences exceeds what it takes",
        [SM_WHY_LOOK_AHEAD] = "with what it tells about the others, it is worth its cost",
        [SM_WHY_INSURANCE] = "machines of this family were never tried near the best's size",
        [SM_WHY_DESIGN] = "a point of the method's first design",
        [SM_WHY_MODEL] = "the method's model prefers it",
        [SM_WHY_NOT_WORTH] = "no further trial is worth what it takes",
        [SM_WHY_EXHAUSTED] = "every candidate was tried",
        [SM_WHY_MAX_TRIALS] = "as many trials as were allowed",
        [SM_WHY_NOT_FEASIBLE] = "it is not likely that any candidate keeps the limit",
    };
    return sentences[reason];
}

/* "saves 0.002 a run, 0.16 over 80 runs, and takes 0.04" */
static void print_worth(const sm_advice *a, const sm_search *s)
{
    char saving[AMOUNT_MAX], all[AMOUNT_MAX], takes[AMOUNT_MAX];
    const char *unit = s->options.objective == SM_CHOOSE_TIME ? " s" : "";
    if (!isfinite(a->trial_cost)) return;
    printf("          expected: takes %s%s", show_amount(takes, a->trial_cost), unit);
    if (isfinite(a->saving))
        printf(", saves %s%s a run, %s%s over %.0f runs", show_amount(saving, a->saving), unit,
               show_amount(all, a->saving * s->options.recurrences), unit, s->options.recurrences);
    putchar('\n');
}

void print_advice(const sm_search *s, const sm_advice *a, bool json)
{
    char name[SM_CHOOSE_NAME_MAX + 16];
    if (json) {
        json_t *object = candidate_json(a->kind == SM_ADVICE_TRY ? "try" : "stop", s, a->candidate);
        json_object_set_new(object, "reason", json_string(reason_word(a->reason)));
        json_object_set_new(object, "gain", number(a->gain));
        json_object_set_new(object, "saving", number(a->saving));
        json_object_set_new(object, "trial_cost", number(a->trial_cost));
        print_json(object);
        return;
    }
    if (a->kind == SM_ADVICE_TRY) {
        printf("next      %s (number %u)\n          %s\n",
               show_candidate(name, &s->space.candidates[a->candidate]), a->candidate,
               reason_sentence(a->reason));
        print_worth(a, s);
    } else {
        printf("stop      %s\n", reason_sentence(a->reason));
    }
    fflush(stdout);
}

/* ---- Failures */

static char failure[1024];

sm_status choose_fail(sm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure, sizeof failure, format, args);
    va_end(args);
    return status;
}

void print_failure(bool json)
{
    screen s;
    screen_init(&s, "choose", json ? LOG_JSON : LOG_TEXT, false);
    screen_error(&s, *failure != '\0' ? failure : sm_last_error());
}

/* ---- Beliefs */

typedef struct ranked {
    double value;
    uint32_t candidate;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->candidate < y->candidate ? -1 : x->candidate > y->candidate;
}

static const sm_trial *find_trial(const sm_search *s, uint32_t candidate)
{
    for (size_t t = 0; t < s->trial_count; t++)
        if (s->trials[t].candidate == candidate) return &s->trials[t];
    return NULL;
}

static void print_belief(const sm_search *s, uint32_t i, const sm_belief *b)
{
    char name[SM_CHOOSE_NAME_MAX + 16], cost[AMOUNT_MAX], low[AMOUNT_MAX], high[AMOUNT_MAX];
    char time[NUMBER_MAX], early[NUMBER_MAX], late[NUMBER_MAX], costs[64], times[96];
    const sm_trial *t = find_trial(s, i);
    snprintf(costs, sizeof costs, "%s - %s", show_amount(low, b->cost_low),
             show_amount(high, b->cost_high));
    snprintf(times, sizeof times, "%s - %s", show_seconds(early, b->seconds_low),
             show_seconds(late, b->seconds_high));
    printf("  %-24s %8s  %-19s %8s  %-19s %4.0f%% %4.0f%%  %s\n",
           show_candidate(name, &s->space.candidates[i]), show_amount(cost, b->cost), costs,
           show_seconds(time, b->seconds), times, 100 * b->fails, 100 * b->is_best,
           t == NULL                   ? ""
           : t->outcome == SM_TRIAL_OK ? "tried"
                                       : outcomes[t->outcome]);
}

static void print_beliefs_text(const sm_belief *beliefs, const ranked *order, const sm_search *s)
{
    size_t n = s->space.count < TOP ? s->space.count : TOP;
    printf("  %-24s %8s  %-19s %8s  %-19s %5s %5s\n", "believed", "cost", "8 of 10 between", "time",
           "8 of 10 between", "fails", "best");
    for (size_t k = 0; k < n; k++)
        print_belief(s, order[k].candidate, &beliefs[order[k].candidate]);
    if (n < s->space.count) printf("  and %zu more that are believed worse\n", s->space.count - n);
}

static void print_beliefs_json(const sm_belief *beliefs, const sm_search *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->space.count; i++) {
        const sm_belief *b = &beliefs[i];
        json_array_append_new(
            all, json_pack("{s:i, s:f, s:[f,f], s:f, s:[f,f], s:f, s:f, s:o}", "candidate", (int)i,
                           "cost", b->cost, "cost_interval", b->cost_low, b->cost_high, "seconds",
                           b->seconds, "seconds_interval", b->seconds_low, b->seconds_high, "fails",
                           b->fails, "is_best", b->is_best, "gain", number(b->gain)));
    }
    print_json(
        json_pack("{s:s, s:f, s:o}", "event", "beliefs", "interval", 0.8, "candidates", all));
}

/* Beliefs, and the candidates from the best on. NULL when the method has none, or without memory.
 */
static sm_belief *take_beliefs(ranked *order, sm_chooser *chooser, const sm_search *s)
{
    sm_belief *beliefs = calloc(s->space.count, sizeof *beliefs);
    if (beliefs == NULL || sm_chooser_beliefs(beliefs, chooser) != SM_OK) {
        free(beliefs);
        return NULL;
    }
    for (uint32_t i = 0; i < s->space.count; i++)
        order[i] = (ranked){
            s->options.objective == SM_CHOOSE_COST ? beliefs[i].cost : beliefs[i].seconds, i};
    qsort(order, s->space.count, sizeof *order, by_value);
    return beliefs;
}

sm_status print_beliefs(sm_chooser *chooser, const sm_search *s, bool json)
{
    ranked *order = calloc(s->space.count, sizeof *order);
    if (order == NULL) return choose_fail(SM_ERR_MEMORY, "out of memory");
    sm_belief *beliefs = take_beliefs(order, chooser, s);
    if (beliefs != NULL && json)
        print_beliefs_json(beliefs, s);
    else if (beliefs != NULL)
        print_beliefs_text(beliefs, order, s);
    free(order);
    free(beliefs);
    return SM_OK;
}

/* ---- The end of a search */

typedef struct point {
    double seconds, cost;
    uint32_t candidate;
} point;

static int by_seconds(const void *a, const void *b)
{
    const point *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? -1 : 1;
    return x->cost < y->cost ? -1 : x->cost > y->cost;
}

/* Keeps the points that no other beats in both time and cost, fastest first; returns how many. */
static size_t pareto(point *points, size_t count)
{
    size_t kept = 0;
    double least = INFINITY;
    qsort(points, count, sizeof *points, by_seconds);
    for (size_t i = 0; i < count; i++)
        if (points[i].cost < least) {
            least = points[i].cost;
            points[kept++] = points[i];
        }
    return kept;
}

/* Measured where tried, else believed (and likely to run). */
static size_t take_points(point *points, const sm_belief *beliefs, const sm_search *s)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->space.count; i++) {
        const sm_trial *t = find_trial(s, i);
        if (t != NULL && t->outcome == SM_TRIAL_OK)
            points[count++] = (point){t->seconds, t->cost, i};
        else if (t == NULL && beliefs != NULL && beliefs[i].fails < 0.2)
            points[count++] = (point){beliefs[i].seconds, beliefs[i].cost, i};
    }
    return pareto(points, count);
}

static void print_pareto(const point *points, size_t count, const sm_search *s, bool json)
{
    char name[SM_CHOOSE_NAME_MAX + 16], time[NUMBER_MAX], cost[AMOUNT_MAX];
    json_t *all = json_array();
    if (!json) printf("\ntime against cost: nothing is faster for less\n");
    for (size_t i = 0; i < count; i++) {
        bool tried = find_trial(s, points[i].candidate) != NULL;
        if (json)
            json_array_append_new(all,
                                  json_pack("{s:i, s:f, s:f, s:b}", "candidate",
                                            (int)points[i].candidate, "seconds", points[i].seconds,
                                            "cost", points[i].cost, "measured", tried));
        else
            printf("  %-24s %10s %10s  %s\n",
                   show_candidate(name, &s->space.candidates[points[i].candidate]),
                   show_seconds(time, points[i].seconds), show_amount(cost, points[i].cost),
                   tried ? "measured" : "believed");
    }
    if (json)
        print_json(json_pack("{s:s, s:o}", "event", "pareto", "points", all));
    else
        json_decref(all);
}

/* What the best further trial would be, and from how many recurrences on it pays. */
static void print_surer(sm_chooser *chooser, const sm_search *s, bool json)
{
    sm_advice next;
    char name[SM_CHOOSE_NAME_MAX + 16], takes[AMOUNT_MAX], saves[AMOUNT_MAX];
    if (sm_chooser_advise(&next, chooser, true) != SM_OK || next.kind != SM_ADVICE_TRY ||
        !isfinite(next.saving))
        return;
    double pays = next.saving > 0 ? next.trial_cost / next.saving : INFINITY;
    const char *unit = s->options.objective == SM_CHOOSE_TIME ? " s" : "";
    if (json) {
        json_t *object = candidate_json("surer", s, next.candidate);
        json_object_set_new(object, "trial_cost", number(next.trial_cost));
        json_object_set_new(object, "saving", number(next.saving));
        json_object_set_new(object, "pays_from_recurrences", number(pays));
        print_json(object);
        return;
    }
    printf("\nto be surer, try %s next: it would take about %s%s, and save %s%s a run on average",
           show_candidate(name, &s->space.candidates[next.candidate]),
           show_amount(takes, next.trial_cost), unit, show_amount(saves, next.saving), unit);
    if (pays < 1e6) printf(";\nthat pays when the job runs %.0f times or more", ceil(pays));
    printf("\n");
}

sm_status print_answer(sm_chooser *chooser, const sm_search *s, const sm_advice *a, bool explain,
                       bool json)
{
    char name[SM_CHOOSE_NAME_MAX + 16], time[NUMBER_MAX], cost[AMOUNT_MAX];
    double seconds = 0, money = 0;
    size_t tried = 0;
    for (size_t t = 0; t < s->trial_count; t++) {
        if (s->trials[t].outcome == SM_TRIAL_RUNNING) continue;
        seconds += s->trials[t].seconds;
        money += s->trials[t].cost;
        tried++;
    }
    const sm_trial *best = a->candidate == UINT32_MAX ? NULL : find_trial(s, a->candidate);
    if (json) {
        json_t *object = candidate_json("answer", s, a->candidate);
        json_object_set_new(object, "reason", json_string(reason_word(a->reason)));
        json_object_set_new(object, "seconds", number(best == NULL ? NAN : best->seconds));
        json_object_set_new(object, "cost", number(best == NULL ? NAN : best->cost));
        json_object_set_new(object, "trials", json_integer((json_int_t)tried));
        json_object_set_new(object, "search_seconds", number(seconds));
        json_object_set_new(object, "search_cost", number(money));
        print_json(object);
    } else if (best == NULL) {
        printf("no answer: of %zu trials none succeeded%s\n", tried,
               s->options.limit > 0 ? " within the limit" : "");
    } else {
        printf("choose    %-24s %10s %10s a run\n",
               show_candidate(name, &s->space.candidates[a->candidate]),
               show_seconds(time, best->seconds), show_amount(cost, best->cost));
        printf("          %zu of %zu candidates tried, %s in all, at a cost of %s\n", tried,
               s->space.count, show_seconds(time, seconds), show_amount(cost, money));
    }
    if (!explain && !json) return SM_OK;
    ranked *order = calloc(s->space.count, sizeof *order);
    point *points = calloc(s->space.count, sizeof *points);
    if (order != NULL && points != NULL) {
        sm_belief *beliefs = take_beliefs(order, chooser, s);
        print_pareto(points, take_points(points, beliefs, s), s, json);
        print_surer(chooser, s, json);
        free(beliefs);
    }
    bool whole = order != NULL && points != NULL;
    free(order);
    free(points);
    return whole ? SM_OK : choose_fail(SM_ERR_MEMORY, "out of memory");
}
