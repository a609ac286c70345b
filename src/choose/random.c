/* Ten candidates at random: what any method must beat. */
#include "choose/chooser.h"
#include "choose/rng.h"
#include "core/status.h"

#include <stdlib.h>

enum { STOP_AFTER = 10 };

static void destroy(void *model)
{
    free(model);
}

/* The model is the order in which candidates are tried. */
static sm_status create(void **model, const sm_chooser *c)
{
    uint32_t *order = malloc(c->count * sizeof *order);
    if (order == NULL) return sm_fail_memory(c->count * sizeof *order);
    sm_rng rng;
    sm_rng_init(&rng, c->options.seed, 4);
    for (size_t i = 0; i < c->count; i++) order[i] = (uint32_t)i;
    sm_rng_permute(&rng, order, c->count);
    *model = order;
    return SM_OK;
}

static sm_status advise(sm_advice *advice, void *model, const sm_chooser *c, bool explore)
{
    const uint32_t *order = model;
    size_t i = 0;
    while (i + 1 < c->count && c->trial_of[order[i]] >= 0) i++;
    bool stops = !explore && c->trial_count >= STOP_AFTER;
    advice->kind = stops ? SM_ADVICE_STOP : SM_ADVICE_TRY;
    advice->reason = stops ? SM_WHY_NOT_WORTH : SM_WHY_DESIGN;
    advice->candidate = order[i];
    return SM_OK;
}

const method sm_method_random = {
    .name = "random", .create = create, .destroy = destroy, .advise = advise};
