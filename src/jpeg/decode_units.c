#include "jpeg/decode_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    RST0 = 0xd0,
    EOI = 0xd9,
    RESTARTS = 8 /* markers, in turn */
};

/* ---- Tables ---------------------------------------------------------------------------------- */

static bool is_made_of(const smj_table_key *key, const smj_table_spec *spec)
{
    return key->total == spec->total &&
           memcmp(key->counts, spec->counts, sizeof key->counts) == 0 &&
           memcmp(key->symbols, spec->symbols, spec->total) == 0;
}

static void set_key(smj_table_key *key, const smj_table_spec *spec)
{
    key->total = spec->total;
    memcpy(key->counts, spec->counts, sizeof key->counts);
    memcpy(key->symbols, spec->symbols, spec->total);
}

static smj_status find_lookup(smj_lookups *l, const smj_table_spec *dc, const smj_table_spec *ac,
                              unsigned value_bits_max)
{
    if (dc->total == 0 || ac->total == 0) return SMJ_NOT_MINE;
    if (is_made_of(&l->dc_key, dc) && is_made_of(&l->ac_key, ac) &&
        l->value_bits_max == value_bits_max)
        return SMJ_OK;
    l->dc_key.total = 0;
    if (!smj_lookups_make(&l->dc, &l->ac, dc, ac, value_bits_max)) return SMJ_NOT_MINE;
    set_key(&l->dc_key, dc);
    set_key(&l->ac_key, ac);
    l->value_bits_max = value_bits_max;
    return SMJ_OK;
}

static uint32_t largest_step(const smj_decoder *d, int ac)
{
    uint32_t largest = 1;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component *component = &d->frame.components[c];
        if (component->ac != ac) continue;
        for (int k = 1; k < SMJ_BLOCK; k++)
            if (d->frame.quants[component->quant][k] > largest)
                largest = d->frame.quants[component->quant][k];
    }
    return largest;
}

/* Bits of a value that cannot become too large, whichever coefficient it is: larger ones are looked
 * at one by one. */
static unsigned value_bits_max(uint32_t step)
{
    unsigned bits = 0;
    while (bits < 15 && ((2u << bits) - 1) * step <= SMJ_DEQUANTISED_MAX) bits++;
    return bits;
}

static smj_status find_lookups(smj_decoder *d)
{
    smj_status status = SMJ_OK;
    const smj_frame *f = &d->frame;
    for (int c = 0; c < f->count && status == SMJ_OK; c++) {
        const int dc = f->components[c].dc, ac = f->components[c].ac;
        int same = 0;
        while (f->components[same].dc != dc || f->components[same].ac != ac) same++;
        d->lookups_of[c] = &d->lookups[same];
        if (same == c)
            status = find_lookup(&d->lookups[c], &f->dc[dc], &f->ac[ac],
                                 value_bits_max(largest_step(d, ac)));
    }
    return status;
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static void set_slots(smj_decoder *d)
{
    int of_block[SMJ_MCU_BLOCKS_MAX];
    uint32_t blocks = 0;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component *component = &d->frame.components[c];
        for (uint32_t i = 0; i < component->across * component->down; i++) of_block[blocks++] = c;
    }
    d->mcu_blocks = blocks;
    d->unit_mcus = SMJ_UNIT_BLOCKS / blocks / 2 * 2; /* jobs are for two */
    for (int buffer = 0; buffer < 2; buffer++) {
        for (uint32_t i = 0; i < d->unit_mcus * blocks; i++) {
            const int c = of_block[i % blocks];
            d->slots[buffer][i] =
                (smj_slot){.ac = &d->lookups_of[c]->ac,
                           .next_dc = &d->lookups_of[of_block[(i + 1) % blocks]]->dc,
                           .block = d->coefs[buffer][i],
                           .quant = d->frame.quants[d->frame.components[c].quant]};
        }
    }
}

smj_status smj_units_begin(smj_decoder *d)
{
    const smj_status status = find_lookups(d);
    if (status != SMJ_OK) return status;
    set_slots(d);
    d->mcu = d->row = 0;
    d->restart_left = d->frame.restart_interval;
    d->restart_number = 0;
    d->has_pending = false;
    d->run = (smj_run){.dc = &d->lookups_of[0]->dc};
    for (int c = 0; c < d->frame.count; c++)
        if (d->planes[c].block_size != 8) d->run.scaled = true;
    memset(d->predicted, 0, sizeof d->predicted);
    memset(d->coefs, 0, sizeof d->coefs);
    smj_input_begin(&d->input, &d->run.reader, d->frame.scan, d->input.end);
    return SMJ_OK;
}

/* ---- The unit before ------------------------------------------------------------------------- */

/* Differences to DC values, of one component. False: one is too large. */
static bool sum_dc(smj_decoder *d, const smj_unit *u, int c, uint32_t first)
{
    const smj_component *component = &d->frame.components[c];
    const uint32_t each = component->across * component->down;
    int16_t(*blocks)[SMJ_BLOCK] = d->coefs[u->buffer] + first;
    int32_t dc = d->predicted[c], lowest = dc, highest = dc;
    for (uint32_t m = 0; m < u->count; m++, blocks += d->mcu_blocks) {
        for (uint32_t i = 0; i < each; i++) {
            dc += blocks[i][0];
            blocks[i][0] = (int16_t)dc;
            lowest = dc < lowest ? dc : lowest;
            highest = dc > highest ? dc : highest;
        }
    }
    d->predicted[c] = dc;
    const int64_t step = d->frame.quants[component->quant][0];
    return lowest * step >= -SMJ_DEQUANTISED_MAX && highest * step <= SMJ_DEQUANTISED_MAX;
}

static bool sum_dcs(smj_decoder *d, const smj_unit *u)
{
    bool fine = true;
    uint32_t first = 0;
    for (int c = 0; c < d->frame.count; c++) {
        fine &= sum_dc(d, u, c, first);
        first += d->frame.components[c].across * d->frame.components[c].down;
    }
    return fine;
}

/* The mean of a block: its only sample. libjpeg's table of such values has 1024 entries; no sound
 * picture has others, but they must come out the same. */
static uint8_t flat_sample(int32_t dc, int32_t step)
{
    const int32_t mean = (dc * step + 4) >> 3;
    const int32_t value = ((mean + 512) & 1023) - 512 + 128;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row of a component's blocks, of which the first is number `first`. */
static smj_job *plan_row(smj_decoder *d, smj_job *job, const smj_unit *u, int c, uint32_t first,
                         uint8_t *out)
{
    const smj_component *component = &d->frame.components[c];
    const smj_component_plane *p = &d->planes[c];
    const uint16_t *quant = d->frame.quants[component->quant];
    int16_t(*blocks)[SMJ_BLOCK] = d->coefs[u->buffer] + first;
    bool second = false;
    for (uint32_t m = 0; m < u->count; m++, blocks += d->mcu_blocks) {
        for (uint32_t x = 0; x < component->across; x++, out += p->block_size) {
            int16_t *block = blocks[x];
            if (p->block_size == 1) {
                *out = flat_sample(block[0], quant[0]);
                continue;
            }
            if (!second)
                *job++ = (smj_job){{block, block}, {out, out}, quant, p->stride, p->block_size};
            job[-1].blocks[1] = block;
            job[-1].out[1] = out;
            second = !second;
        }
        if (p->block_size == 1) memset(blocks, 0, component->across * sizeof *blocks);
    }
    return job;
}

/* What is to be transformed. Returns the number of jobs. */
static size_t plan_jobs(smj_decoder *d, const smj_unit *u)
{
    smj_job *job = d->jobs;
    uint32_t first = 0;
    for (int c = 0; c < d->frame.count; c++) {
        const smj_component *component = &d->frame.components[c];
        const smj_component_plane *p = &d->planes[c];
        const size_t column = (size_t)(u->first - d->first_mcu) * p->mcu_cols;
        for (uint32_t y = 0; y < component->down; y++, first += component->across)
            job = plan_row(d, job, u, c, first, p->rows + p->stride * p->block_size * y + column);
    }
    return (size_t)(job - d->jobs);
}

/* ---- The next unit --------------------------------------------------------------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Up to the window's edge, the row's end or the next restart. */
static smj_unit next_unit(const smj_decoder *d, int buffer)
{
    smj_unit u = {.row = d->row, .first = d->mcu, .buffer = buffer};
    uint32_t end = d->frame.mcus_across;
    if (d->row >= d->first_row && d->row < d->end_row && d->mcu < d->end_mcu) {
        u.wanted = d->mcu >= d->first_mcu;
        end = u.wanted ? d->end_mcu : d->first_mcu;
    }
    u.count = least(end - d->mcu, d->unit_mcus);
    if (d->frame.restart_interval > 0) u.count = least(u.count, d->restart_left);
    return u;
}

static bool restart(smj_decoder *d)
{
    if (!smj_input_pass(&d->input, &d->run.reader, (uint8_t)(RST0 + d->restart_number), d->kernels))
        return false;
    d->restart_number = (d->restart_number + 1) % RESTARTS;
    d->restart_left = d->frame.restart_interval;
    memset(d->predicted, 0, sizeof d->predicted);
    return true;
}

/* Sets the run's slots. */
static bool begin_unit(smj_decoder *d, smj_unit *u, int buffer)
{
    if (d->frame.restart_interval > 0 && d->restart_left == 0 && !restart(d)) return false;
    *u = next_unit(d, buffer);
    const size_t blocks = (size_t)u->count * d->mcu_blocks;
    smj_input_fill(&d->input, &d->run.reader, blocks, d->kernels);
    d->run.slot = d->slots[buffer];
    d->run.slots_end = d->run.slot + blocks;
    d->mcu += u->count;
    d->restart_left -= u->count;
    if (d->mcu == d->frame.mcus_across) {
        d->mcu = 0;
        d->row++;
    }
    return true;
}

smj_status smj_units_step(smj_decoder *d, uint32_t *row_done, bool *ended)
{
    const smj_unit before = d->pending;
    const bool had = d->has_pending;
    *row_done = UINT32_MAX;
    d->run.job = d->run.jobs_end = d->jobs;
    if (had) {
        if (!sum_dcs(d, &before)) return SMJ_NOT_MINE;
        if (before.wanted)
            d->run.jobs_end += plan_jobs(d, &before);
        else
            memset(d->coefs[before.buffer], 0,
                   before.count * d->mcu_blocks * sizeof d->coefs[0][0]);
        if (before.wanted && before.first + before.count == d->end_mcu) *row_done = before.row;
    }
    d->run.slot = d->run.slots_end = d->slots[0];
    d->has_pending = d->row < d->frame.mcus_down;
    *ended = !d->has_pending;
    if (d->has_pending && !begin_unit(d, &d->pending, had ? 1 - before.buffer : 0))
        return SMJ_NOT_MINE;
    d->kernels->run(&d->run);
    return d->run.broken || !smj_input_holds(&d->input, &d->run.reader) ? SMJ_NOT_MINE : SMJ_OK;
}

smj_status smj_units_end(smj_decoder *d)
{
    return smj_input_pass(&d->input, &d->run.reader, EOI, d->kernels) ? SMJ_OK : SMJ_NOT_MINE;
}
