/*
 * A hypothesis: one way in which a job's time may depend on the cluster. Each is a point of
 * standard normal numbers ("latents"), from which the parameters of the shape follow; so a move
 * that keeps the normal distribution keeps the prior.
 */
#ifndef SM_CHOOSE_HYPOTHESIS_H
#define SM_CHOOSE_HYPOTHESIS_H

#include "choose/features.h"
#include "choose/rng.h"

/* The latents; two more for each instance family stand behind them: its I/O and its processor. */
enum sm_latent {
    SM_Z_ALPHA,
    SM_Z_KAPPA,
    SM_Z_SERIAL_KIND,
    SM_Z_SERIAL,
    SM_Z_IO_KIND,
    SM_Z_IO,
    SM_Z_OMEGA,
    SM_Z_PHI,
    SM_Z_NODE,
    SM_Z_TREE_KIND,
    SM_Z_TREE,
    SM_Z_WORK,
    SM_Z_SPILL_KIND,
    SM_Z_SPILL,
    SM_Z_BETA_KIND,
    SM_Z_BETA,
    SM_Z_RESERVE,
    SM_Z_PSI_KIND,
    SM_Z_PSI,
    SM_LATENTS
};

static inline size_t sm_latent_count(const sm_features *f)
{
    return SM_LATENTS + 2 * f->families;
}

/* Fills z with a draw of the prior. */
void sm_hypothesis_draw(float *z, const sm_features *f, sm_rng *rng);

/*
 * ln of what the objective counts on each of f's candidates, up to the job's size:
 *
 *   T = [c s^-kappa (sigma (1 - phi + phi z) + (32/nv)^alpha) + nu iota + lambda n/32
 *        + gamma log2(n)/3] (1 + psi pi) + nu (1 - psi) pi
 *   nu = z (8/n) (4/v)^omega           how long a unit of I/O takes
 *   pi = spill d^beta                  what lack of memory costs
 *   d  = max(0, 1 - n max(m - reserve, m/5) / work)
 *
 * (docs/choosing.md, equation 1). Writes f->count values.
 */
void sm_hypothesis_shape(float *log_target, const float *z, const sm_features *f);

#endif
