#include "choose/features.h"

#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sustained all-core clock in GHz as the vendors publish it (Amazon EC2 instance types, previous
 * generations included). A space file's `speed` says it better.
 */
static const struct clock {
    const char *family;
    double ghz;
} clocks[] = {
    {"c3", 2.8}, {"c4", 2.9},  {"c5", 3.3}, {"c5n", 3.3}, {"i2", 2.5}, {"i3", 2.3}, {"m3", 2.5},
    {"m4", 2.4}, {"m5a", 2.5}, {"m5", 3.0}, {"r3", 2.5},  {"r4", 2.4}, {"r5", 3.0},
};

double sm_family_speed(const char *family)
{
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        if (strcmp(clocks[i].family, family) == 0) return clocks[i].ghz / 2.5;
    return 1;
}

static bool in_range(double value, double low, double high)
{
    return isfinite(value) && value >= low && value <= high;
}

sm_status sm_candidate_check(const sm_candidate *c, size_t index)
{
    const struct {
        const char *what;
        double value, low, high;
    } ranges[] = {
        {"nodes", c->nodes, 1, 1e6},
        {"vcpus", c->vcpus, 1.0 / 64, 1e5},
        {"memory_gb", c->memory_gb, 1e-3, 1e6},
        {"price", c->price, 1e-9, 1e9},
    };
    if (memchr(c->family, '\0', sizeof c->family) == NULL ||
        memchr(c->instance, '\0', sizeof c->instance) == NULL)
        return sm_fail(SM_ERR_USAGE, "candidate %zu: a name is too long", index);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!in_range(ranges[i].value, ranges[i].low, ranges[i].high))
            return sm_fail(SM_ERR_USAGE, "candidate %zu (%s): %s is %g; wanted is %g to %g", index,
                           c->instance, ranges[i].what, ranges[i].value, ranges[i].low,
                           ranges[i].high);
    if (c->nodes != floor(c->nodes))
        return sm_fail(SM_ERR_USAGE, "candidate %zu (%s): %g nodes are no whole number", index,
                       c->instance, c->nodes);
    if (c->speed != 0 && !in_range(c->speed, 0.01, 100))
        return sm_fail(SM_ERR_USAGE, "candidate %zu (%s): speed is %g; wanted is 0.01 to 100",
                       index, c->instance, c->speed);
    return SM_OK;
}

double sm_candidate_log_rate(const sm_candidate *c)
{
    return log(c->nodes * c->price / 3600);
}

static sm_status find_family(uint32_t *number, sm_features *f, const sm_candidate *candidates,
                             size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(candidates[j].family, candidates[i].family) == 0) {
            *number = f->family[j];
            return SM_OK;
        }
    if (f->families == SM_CHOOSE_MAX_FAMILIES)
        return sm_fail(SM_ERR_LIMIT, "more than %d instance families", SM_CHOOSE_MAX_FAMILIES);
    *number = (uint32_t)f->families++;
    return SM_OK;
}

/* ln(objective / seconds), and the limit in the objective's unit: the other of time and money is a
 * fixed multiple of it on every candidate. */
static void set_objective(sm_features *f, size_t i, const sm_candidate *c,
                          const sm_choose_options *options)
{
    double rate = sm_candidate_log_rate(c);
    bool money = options->objective == SM_CHOOSE_COST;
    f->offset[i] = money ? (float)rate : 0;
    f->cap[i] =
        options->limit > 0 ? (float)(log(options->limit) + (money ? rate : -rate)) : INFINITY;
}

enum { ARRAYS = 12 };

static void list_arrays(float **arrays[ARRAYS], sm_features *f)
{
    float **all[ARRAYS] = {&f->nodes,    &f->memory,     &f->log_width, &f->log_share,
                           &f->log_slim, &f->log2_nodes, &f->log_speed, &f->offset,
                           &f->cap,      &f->place[0],   &f->place[1],  &f->place[2]};
    memcpy(arrays, all, sizeof all);
}

static sm_status take_memory(sm_features *f, size_t count)
{
    float **arrays[ARRAYS];
    *f = (sm_features){.count = count};
    float *block = calloc(count * (ARRAYS + 1) + 1, sizeof *block);
    if (block == NULL) return sm_fail_memory(count * (ARRAYS + 1) * sizeof *block);
    f->memory_block = block;
    list_arrays(arrays, f);
    for (size_t k = 0; k < ARRAYS; k++) *arrays[k] = block + k * count;
    f->family = (uint32_t *)(void *)(block + ARRAYS * count);
    return SM_OK;
}

sm_status sm_features_pick(sm_features *picked, const sm_features *from, const uint32_t *candidates,
                           size_t count)
{
    sm_features source = *from;
    float **to[ARRAYS], **at[ARRAYS];
    sm_status status = take_memory(picked, count);
    if (status != SM_OK) return status;
    picked->families = from->families;
    list_arrays(to, picked);
    list_arrays(at, &source);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < ARRAYS; k++) (*to[k])[i] = (*at[k])[candidates[i]];
        picked->family[i] = from->family[candidates[i]];
    }
    return SM_OK;
}

sm_status sm_features_new(sm_features *f, const sm_candidate *candidates, size_t count,
                          const sm_choose_options *options)
{
    sm_status status = take_memory(f, count);
    for (size_t i = 0; i < count && status == SM_OK; i++) {
        const sm_candidate *c = &candidates[i];
        status = sm_candidate_check(c, i);
        if (status == SM_OK) status = find_family(&f->family[i], f, candidates, i);
        if (status != SM_OK) break;
        double speed = c->speed > 0 ? c->speed : sm_family_speed(c->family);
        f->nodes[i] = (float)c->nodes;
        f->memory[i] = (float)c->memory_gb;
        f->log_width[i] = (float)log(32 / (c->nodes * c->vcpus));
        f->log_share[i] = (float)log(8 / c->nodes);
        f->log_slim[i] = (float)log(4 / c->vcpus);
        f->log2_nodes[i] = (float)(log2(c->nodes) / 3);
        f->log_speed[i] = (float)log(speed);
        f->place[0][i] = (float)(log2(c->nodes) / 1.5);
        f->place[1][i] = (float)(log2(c->vcpus) / 1.5);
        f->place[2][i] = (float)(log2(c->memory_gb / c->vcpus) / 1.2);
        set_objective(f, i, c, options);
    }
    if (status != SM_OK) sm_features_free(f);
    return status;
}

void sm_features_free(sm_features *f)
{
    free(f->memory_block);
    *f = (sm_features){0};
}
