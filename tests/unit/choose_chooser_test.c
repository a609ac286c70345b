#include "choose/hypothesis.h"
#include "choose/posterior.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most))

enum { FAMILIES = 3, COUNTS = 6, CANDIDATES = FAMILIES * COUNTS };

static void fill_space(sm_candidate *c)
{
    static const struct {
        const char *family;
        double memory, price;
    } kinds[FAMILIES] = {{"lean", 8, 0.10}, {"even", 16, 0.12}, {"wide", 32, 0.17}};
    for (size_t i = 0; i < CANDIDATES; i++) {
        c[i] = (sm_candidate){.nodes = (double)(2 * (1 + i % COUNTS)),
                              .vcpus = 4,
                              .memory_gb = kinds[i / COUNTS].memory,
                              .price = kinds[i / COUNTS].price};
        snprintf(c[i].family, sizeof c[i].family, "%s", kinds[i / COUNTS].family);
        snprintf(c[i].instance, sizeof c[i].instance, "%s.4", kinds[i / COUNTS].family);
    }
}

/* A job that wants 100 GB, and is three times as slow without. */
static sm_trial run_job(const sm_candidate *space, uint32_t i)
{
    const sm_candidate *c = &space[i];
    double seconds = 20 + 4000 / (c->nodes * c->vcpus);
    if (c->nodes * c->memory_gb < 100) seconds *= 3;
    return (sm_trial){.candidate = i,
                      .outcome = SM_TRIAL_OK,
                      .seconds = seconds,
                      .cost = seconds * c->nodes * c->price / 3600};
}

typedef struct outcome {
    uint32_t order[CANDIDATES], answer;
    size_t tried;
    sm_advice_reason reason;
    double spent, cost;
} outcome;

static outcome search(const sm_candidate *space, const sm_choose_options *options, bool fails)
{
    sm_chooser *c;
    outcome o = {0};
    sm_advice a;
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, options), SM_OK);
    for (;;) {
        assert_int_equal(sm_chooser_advise(&a, c, false), SM_OK);
        if (a.kind == SM_ADVICE_STOP) break;
        assert_true(o.tried < CANDIDATES && a.candidate < CANDIDATES);
        sm_trial t = run_job(space, a.candidate);
        if (fails) t.outcome = SM_TRIAL_FAILED;
        o.order[o.tried++] = a.candidate;
        o.spent += t.cost;
        assert_int_equal(sm_chooser_tell(c, &t), SM_OK);
    }
    o.answer = a.candidate;
    o.reason = a.reason;
    if (o.answer != UINT32_MAX) o.cost = run_job(space, o.answer).cost;
    sm_chooser_free(c);
    return o;
}

static double least_cost(const sm_candidate *space, double deadline)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        sm_trial t = run_job(space, i);
        if (t.seconds <= deadline) least = fmin(least, t.cost);
    }
    return least;
}

static void finds_a_near_best(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    for (uint64_t seed = 0; seed < 8; seed++) {
        options.seed = seed;
        outcome o = search(space, &options, false);
        assert_true(o.cost <= 1.1 * least_cost(space, INFINITY));
        assert_true(o.tried < CANDIDATES);
    }
}

static void keeps_a_deadline(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    options.limit = 150;
    for (int method = 0; sm_choose_method_name(method) != NULL; method++) {
        options.method = (sm_choose_method)method;
        outcome o = search(space, &options, false);
        assert_true(run_job(space, o.answer).seconds <= 150);
        if (method == SM_CHOOSE_PHYSICAL) assert_true(o.cost <= 1.15 * least_cost(space, 150));
    }
}

static void gives_up_what_cannot_be(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    options.limit = 5; /* the fastest takes a hundred */
    outcome o = search(space, &options, false);
    assert_int_equal(o.answer, UINT32_MAX);
    assert_int_equal(o.reason, SM_WHY_NOT_FEASIBLE);
    assert_true(o.tried < CANDIDATES / 2);
}

static void keeps_a_budget(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    options.objective = SM_CHOOSE_TIME;
    double fastest = INFINITY;
    options.limit = 1.5 * least_cost(space, INFINITY);
    for (uint32_t i = 0; i < CANDIDATES; i++)
        if (run_job(space, i).cost <= options.limit)
            fastest = fmin(fastest, run_job(space, i).seconds);
    outcome o = search(space, &options, false);
    assert_true(o.cost <= options.limit);
    assert_true(run_job(space, o.answer).seconds <= 1.15 * fastest);
}

static void few_recurrences_mean_few_trials(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    options.recurrences = 1;
    outcome once = search(space, &options, false);
    options.recurrences = 10000;
    outcome often = search(space, &options, false);
    assert_true(once.tried <= 3);
    assert_true(often.tried > once.tried);
}

static void same_seed_same_search(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    for (int method = 0; sm_choose_method_name(method) != NULL; method++) {
        options.method = (sm_choose_method)method;
        outcome a = search(space, &options, false), b = search(space, &options, false);
        assert_int_equal(a.tried, b.tried);
        assert_memory_equal(a.order, b.order, sizeof a.order);
    }
}

static void all_failing_is_an_answer_too(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    for (int method = 0; sm_choose_method_name(method) != NULL; method++) {
        options.method = (sm_choose_method)method;
        outcome o = search(space, &options, true);
        assert_int_equal(o.answer, UINT32_MAX);
    }
}

static void one_candidate_is_tried_once(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    sm_advice a;
    fill_space(space);
    sm_choose_options_init(&options);
    for (int method = 0; sm_choose_method_name(method) != NULL; method++) {
        sm_chooser *c;
        options.method = (sm_choose_method)method;
        assert_int_equal(sm_chooser_new(&c, space, 1, &options), SM_OK);
        assert_int_equal(sm_chooser_advise(&a, c, false), SM_OK);
        assert_int_equal(a.kind, SM_ADVICE_TRY);
        sm_trial t = run_job(space, 0);
        assert_int_equal(sm_chooser_tell(c, &t), SM_OK);
        assert_int_equal(sm_chooser_tell(c, &t), SM_ERR_CONFLICT);
        assert_int_equal(sm_chooser_advise(&a, c, true), SM_OK);
        assert_int_equal(a.kind, SM_ADVICE_STOP);
        assert_int_equal(a.candidate, 0);
        sm_chooser_free(c);
    }
}

/* Trials at once: none is advised twice, also before anything is known. */
static void running_trials_are_not_advised_again(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    fill_space(space);
    sm_choose_options_init(&options);
    for (int method = 0; sm_choose_method_name(method) != NULL; method++) {
        sm_chooser *c;
        bool seen[CANDIDATES] = {false};
        options.method = (sm_choose_method)method;
        assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_OK);
        for (int k = 0; k < 4; k++) {
            sm_advice a;
            assert_int_equal(sm_chooser_advise(&a, c, true), SM_OK);
            assert_int_equal(a.kind, SM_ADVICE_TRY);
            assert_false(seen[a.candidate]);
            seen[a.candidate] = true;
            sm_trial t = {.candidate = a.candidate, .outcome = SM_TRIAL_RUNNING};
            assert_int_equal(sm_chooser_tell(c, &t), SM_OK);
        }
        sm_chooser_free(c);
    }
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    sm_chooser *c;
    fill_space(space);
    sm_choose_options_init(&options);
    assert_int_equal(sm_chooser_new(&c, space, 0, &options), SM_ERR_USAGE);
    static const double bad[] = {0, -1, NAN, INFINITY, -INFINITY, 1e300};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        double *fields[] = {&space[3].nodes, &space[3].vcpus, &space[3].memory_gb, &space[3].price};
        for (size_t f = 0; f < 4; f++) {
            double good = *fields[f];
            *fields[f] = bad[k];
            assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_ERR_USAGE);
            assert_non_null(strstr(sm_last_error(), "candidate 3 (lean.4)"));
            *fields[f] = good;
        }
        if (bad[k] == 0) continue;
        options.limit = bad[k];
        assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_ERR_USAGE);
        options.limit = 0;
        options.recurrences = bad[k];
        assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_ERR_USAGE);
        options.recurrences = 80;
    }
    space[3].nodes = 2.5;
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_ERR_USAGE);
    fill_space(space);
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_OK);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        sm_trial t = run_job(space, 1);
        t.seconds = bad[k];
        assert_int_equal(sm_chooser_tell(c, &t), SM_ERR_USAGE);
        t = run_job(space, 1);
        t.cost = bad[k];
        assert_int_equal(sm_chooser_tell(c, &t), SM_ERR_USAGE);
    }
    sm_trial none = {.candidate = CANDIDATES, .seconds = 1, .cost = 1};
    assert_int_equal(sm_chooser_tell(c, &none), SM_ERR_USAGE);
    size_t count;
    sm_chooser_trials(&count, c);
    assert_int_equal(count, 0);
    sm_chooser_free(c);
}

/* Beliefs are ordered, probabilities, and near to what was measured. */
static void beliefs_hold_what_was_measured(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    sm_chooser *c;
    sm_belief b[CANDIDATES];
    fill_space(space);
    sm_choose_options_init(&options);
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_OK);
    assert_int_equal(sm_chooser_beliefs(b, c), SM_ERR_USAGE); /* nothing told */
    for (uint32_t i = 0; i < CANDIDATES; i += 5) {
        sm_trial t = run_job(space, i);
        assert_int_equal(sm_chooser_tell(c, &t), SM_OK);
    }
    assert_int_equal(sm_chooser_beliefs(b, c), SM_OK);
    double best = 0;
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        assert_true(b[i].cost_low <= b[i].cost && b[i].cost <= b[i].cost_high);
        assert_true(b[i].seconds_low <= b[i].seconds && b[i].seconds <= b[i].seconds_high);
        assert_true(b[i].fails >= 0 && b[i].fails <= 1);
        best += b[i].is_best;
        if (i % 5 == 0) assert_near(b[i].cost / run_job(space, i).cost, 1, 0.08);
    }
    assert_near(best, 1, 1e-9);
    sm_chooser_free(c);
}

/* Equation 1, written out in double precision. */
static void shape_is_equation_1(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    sm_features f;
    sm_rng rng;
    float got[CANDIDATES], z[SM_LATENTS + 2 * FAMILIES];
    fill_space(space);
    for (size_t i = 0; i < CANDIDATES; i++) space[i].speed = 1 + 0.1 * (double)(i / COUNTS);
    sm_choose_options_init(&options);
    assert_int_equal(sm_features_new(&f, space, CANDIDATES, &options), SM_OK);
    sm_rng_init(&rng, 3, 0);
    sm_hypothesis_draw(z, &f, &rng);
    z[SM_Z_SERIAL_KIND] = z[SM_Z_IO_KIND] = z[SM_Z_TREE_KIND] = -9; /* all terms are there */
    z[SM_Z_SPILL_KIND] = z[SM_Z_BETA_KIND] = -9;
    z[SM_Z_PSI_KIND] = 9;
    z[SM_Z_WORK] = 1;
    sm_hypothesis_shape(got, z, &f);
#define PHI(k) (0.5 * erfc(-(double)z[k] / sqrt(2)))
    double alpha = .82 + .23 * PHI(SM_Z_ALPHA), kappa = 1.2 * PHI(SM_Z_KAPPA);
    double sigma = exp(-.3 + .6 * (double)z[SM_Z_SERIAL]), omega = PHI(SM_Z_OMEGA);
    double iota = .05 * pow(60, PHI(SM_Z_IO)), phi = PHI(SM_Z_PHI), psi = PHI(SM_Z_PSI);
    double lambda = exp(-3.3 + .9 * (double)z[SM_Z_NODE]), gamma = .01 * pow(50, PHI(SM_Z_TREE));
    double work = 4 * pow(375, PHI(SM_Z_WORK)), spill = .3 * pow(100, PHI(SM_Z_SPILL));
    double beta = .001 + .199 * PHI(SM_Z_BETA), reserve = .3 + 2.7 * PHI(SM_Z_RESERVE);
    for (size_t i = 0; i < CANDIDATES; i++) {
        const sm_candidate *m = &space[i];
        const float *family = z + SM_LATENTS + 2 * (i / COUNTS);
        double io = exp(.45 * (double)family[0]);
        double cpu = exp(.06 * (double)family[1]) * pow(m->speed, -kappa);
        double nu = io * 8 / m->nodes * pow(4 / m->vcpus, omega);
        double d = 1 - m->nodes * fmax(m->memory_gb - reserve, .2 * m->memory_gb) / work;
        double pi = d > 0 ? spill * pow(d, beta) : 0;
        double t = cpu * (sigma * (1 - phi + phi * io) + pow(32 / (m->nodes * m->vcpus), alpha)) +
                   nu * iota + lambda * m->nodes / 32 + gamma * log2(m->nodes) / 3;
        t = t * (1 + psi * pi) + nu * (1 - psi) * pi;
        assert_near((double)got[i], log(t * m->nodes * m->price / 3600), 2e-4);
    }
    sm_features_free(&f);
}

/* A history of the same job saves trials; one of nonsense is survived. */
static void learns_from_history(void **state)
{
    (void)state;
    sm_candidate space[CANDIDATES];
    sm_choose_options options;
    sm_chooser *c;
    sm_past_trial past[CANDIDATES];
    fill_space(space);
    sm_choose_options_init(&options);
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        sm_trial t = run_job(space, i);
        past[i] = (sm_past_trial){.where = space[i], .seconds = 7 * t.seconds, .cost = 7 * t.cost};
        memcpy(past[i].job, "twin", 5);
    }
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_OK);
    assert_int_equal(sm_chooser_learn(c, past, CANDIDATES), SM_OK);
    double least = least_cost(space, INFINITY), spent = 0;
    sm_advice a;
    for (;;) {
        assert_int_equal(sm_chooser_advise(&a, c, false), SM_OK);
        if (a.kind == SM_ADVICE_STOP) break;
        sm_trial t = run_job(space, a.candidate);
        spent += t.cost;
        assert_int_equal(sm_chooser_tell(c, &t), SM_OK);
    }
    assert_true(run_job(space, a.candidate).cost <= 1.05 * least);
    assert_true(spent < search(space, &options, false).spent + least);
    assert_int_equal(sm_chooser_learn(c, past, CANDIDATES), SM_ERR_USAGE); /* too late */
    sm_chooser_free(c);
    past[2].where.price = NAN;
    assert_int_equal(sm_chooser_new(&c, space, CANDIDATES, &options), SM_OK);
    assert_int_equal(sm_chooser_learn(c, past, CANDIDATES), SM_ERR_USAGE);
    sm_chooser_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_near_best),
        cmocka_unit_test(keeps_a_deadline),
        cmocka_unit_test(gives_up_what_cannot_be),
        cmocka_unit_test(keeps_a_budget),
        cmocka_unit_test(few_recurrences_mean_few_trials),
        cmocka_unit_test(same_seed_same_search),
        cmocka_unit_test(all_failing_is_an_answer_too),
        cmocka_unit_test(one_candidate_is_tried_once),
        cmocka_unit_test(running_trials_are_not_advised_again),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(beliefs_hold_what_was_measured),
        cmocka_unit_test(shape_is_equation_1),
        cmocka_unit_test(learns_from_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
