/* Image files against shards: by readers, at settings that both were measured at. */
#include "analyse/analyse.h"

#include "core/array.h"

#include <math.h>
#include <stdlib.h>

typedef struct side {
    size_t condition;
    const sm_cell *cell;
    double mean; /* of log rate */
} side;

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* By readers, and within these by what must be equal on both sides: order and batches. The source
 * and the size of reads are free: of each side the fastest counts, and comes first. */
static int by_block(const side *a, const side *b)
{
    const sm_measured *x = a->cell->first, *y = b->cell->first;
    int differ = compare_u64(a->condition, b->condition);
    if (differ == 0) differ = compare_u64(x->readers, y->readers);
    if (differ == 0 && x->order != y->order) differ = x->order < y->order ? -1 : 1; /* interned */
    if (differ == 0) differ = compare_u64(x->batch_size, y->batch_size);
    if (differ == 0) differ = compare_u64(x->batches, y->batches);
    return differ;
}

static int by_block_and_side(const void *p, const void *q)
{
    const side *a = p, *b = q;
    int differ = by_block(a, b);
    if (differ == 0) differ = (int)sm_is_files(b->cell->first) - (int)sm_is_files(a->cell->first);
    if (differ == 0) differ = (a->mean < b->mean) - (a->mean > b->mean);
    return differ != 0 ? differ : compare_u64(a->cell->begin, b->cell->begin);
}

static double log_mean(const sm_analysis *a, const sm_cell *cell)
{
    double sum = 0;
    for (size_t i = 0; i < cell->count; i++)
        sum += log(fmax(sm_measured_rate(a->order[cell->begin + i]), 1e-9));
    return sum / (double)cell->count;
}

static side *make_sides(const sm_analysis *a)
{
    side *sides = calloc(a->cell_count + 1, sizeof *sides);
    size_t condition = 0;
    for (size_t i = 0; sides != NULL && i < a->cell_count; i++) {
        const sm_cell *cell = &a->cells[i];
        while (!sm_same_condition(a->conditions[condition].like, cell->first)) condition++;
        sides[i] = (side){.condition = condition, .cell = cell, .mean = log_mean(a, cell)};
    }
    if (sides != NULL) qsort(sides, a->cell_count, sizeof *sides, by_block_and_side);
    return sides;
}

/* What a reader count gathers from its blocks. */
typedef struct sums {
    size_t blocks;
    double files, shards, variance; /* of log rates */
} sums;

static sm_status add_versus(sm_analysis *a, size_t *cap, const side *like, const sums *s)
{
    sm_status status = sm_array_grow(&a->versus, cap, a->versus_count, sizeof *a->versus);
    if (status != SM_OK) return status;
    const sm_condition *c = &a->conditions[like->condition];
    const double blocks = (double)s->blocks, ratio = (s->shards - s->files) / blocks;
    const double half =
        c->df > 0 ? sm_t_quantile(0.975, c->df) * c->spread * sqrt(s->variance) / blocks : NAN;
    a->versus[a->versus_count++] = (sm_versus){
        .like = c->like,
        .readers = like->cell->first->readers,
        .blocks = s->blocks,
        .files = exp(s->files / blocks),
        .shards = exp(s->shards / blocks),
        .ratio = {exp(ratio), exp(ratio - half), exp(ratio + half)},
    };
    return SM_OK;
}

sm_status sm_compare_formats(sm_analysis *a)
{
    side *sides = make_sides(a);
    if (sides == NULL) return sm_fail_memory(a->cell_count * sizeof *sides);
    sm_status status = SM_OK;
    size_t cap = 0;
    for (size_t i = 0; status == SM_OK && i < a->cell_count;) {
        const side *like = &sides[i];
        sums s = {0};
        while (i < a->cell_count && sides[i].condition == like->condition &&
               sides[i].cell->first->readers == like->cell->first->readers) {
            const side *files = &sides[i], *shards = NULL;
            for (; i < a->cell_count && by_block(&sides[i], files) == 0; i++)
                if (shards == NULL && !sm_is_files(sides[i].cell->first)) shards = &sides[i];
            if (shards == NULL || !sm_is_files(files->cell->first)) continue;
            s.blocks++;
            s.files += files->mean;
            s.shards += shards->mean;
            s.variance += 1 / (double)files->cell->count + 1 / (double)shards->cell->count;
        }
        if (s.blocks > 0) status = add_versus(a, &cap, like, &s);
    }
    free(sides);
    return status;
}
