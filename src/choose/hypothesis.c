#include "choose/hypothesis.h"

#include "choose/fastmath.h"

#include <math.h>

/* Spread of ln I/O speed and of ln processor speed between families. */
#define FAMILY_IO  0.45f
#define FAMILY_CPU 0.06f

void sm_hypothesis_draw(float *z, const sm_features *f, sm_rng *rng)
{
    for (size_t i = 0; i < sm_latent_count(f); i++) z[i] = (float)sm_rng_normal(rng);
}

typedef struct shape {
    float alpha, kappa;           /* how work spreads over cores; how it follows their clock */
    float serial, io, node, tree; /* weights of the terms beside the parallel one */
    float omega, phi;             /* I/O by vCPUs of a node; share of the serial part that is I/O */
    float work, spill, beta;      /* GB the job wants; what missing them costs, and how steeply */
    float reserve, psi;           /* GB a node keeps for itself; share of the cost on the CPU */
} shape;

static float uniform(float z, float low, float high)
{
    return low + (high - low) * sm_normal_cdf(z);
}

static float log_uniform(float z, float low, float high)
{
    return expf(uniform(z, logf(low), logf(high)));
}

static float log_normal(float z, float mean, float deviation)
{
    return expf(mean + deviation * z);
}

/* True with the given probability. */
static bool chance(float z, float probability)
{
    return sm_normal_cdf(z) < probability;
}

/* The prior: what jobs on clusters are like. docs/choosing.md says why each range is what it is. */
static shape shape_of(const float *z)
{
    shape s;
    s.alpha = uniform(z[SM_Z_ALPHA], 0.82f, 1.05f);
    s.kappa = uniform(z[SM_Z_KAPPA], 0, 1.2f);
    s.serial = chance(z[SM_Z_SERIAL_KIND], 0.25f) ? log_normal(z[SM_Z_SERIAL], -0.3f, 0.6f)
                                                  : log_normal(z[SM_Z_SERIAL], -2.6f, 1.1f);
    s.io = chance(z[SM_Z_IO_KIND], 0.6f) ? log_uniform(z[SM_Z_IO], 0.05f, 3) : 0;
    s.omega = uniform(z[SM_Z_OMEGA], 0, 1);
    s.phi = s.io > 0 ? uniform(z[SM_Z_PHI], 0, 1) : 0;
    s.node = log_normal(z[SM_Z_NODE], -3.3f, 0.9f);
    s.tree = chance(z[SM_Z_TREE_KIND], 0.4f) ? log_uniform(z[SM_Z_TREE], 0.01f, 0.5f) : 0;
    s.work = log_uniform(z[SM_Z_WORK], 4, 1500);
    s.spill = chance(z[SM_Z_SPILL_KIND], 0.65f) ? log_uniform(z[SM_Z_SPILL], 0.3f, 30) : 0;
    s.beta = chance(z[SM_Z_BETA_KIND], 0.4f) ? uniform(z[SM_Z_BETA], 0.001f, 0.2f)
                                             : uniform(z[SM_Z_BETA], 0.4f, 1.5f);
    s.reserve = uniform(z[SM_Z_RESERVE], 0.3f, 3);
    s.psi = chance(z[SM_Z_PSI_KIND], 0.5f) ? 1 : uniform(z[SM_Z_PSI], 0, 1);
    return s;
}

void sm_hypothesis_shape(float *restrict log_target, const float *z, const sm_features *f)
{
    const shape s = shape_of(z);
    const float *family = z + SM_LATENTS;
    float io_of[SM_CHOOSE_MAX_FAMILIES], cpu_of[SM_CHOOSE_MAX_FAMILIES];
    for (size_t i = 0; i < f->families; i++) {
        io_of[i] = FAMILY_IO * family[2 * i];
        cpu_of[i] = FAMILY_CPU * family[2 * i + 1];
    }
    const float inverse_work = 1 / s.work;
    enum { BLOCK = 64 }; /* so that the families' gathers stand apart from the vectors */
    for (size_t begin = 0; begin < f->count; begin += BLOCK) {
        float io_log[BLOCK], cpu_log[BLOCK];
        size_t end = begin + BLOCK < f->count ? begin + BLOCK : f->count;
        for (size_t i = begin; i < end; i++) {
            io_log[i - begin] = io_of[f->family[i]];
            cpu_log[i - begin] = cpu_of[f->family[i]];
        }
        for (size_t i = begin; i < end; i++) {
            float n = f->nodes[i], m = f->memory[i];
            float z_io = sm_expf(io_log[i - begin]);
            float cpu = sm_expf(cpu_log[i - begin] - s.kappa * f->log_speed[i]);
            float nu = sm_expf(io_log[i - begin] + f->log_share[i] + s.omega * f->log_slim[i]);
            float usable = m - s.reserve > 0.2f * m ? m - s.reserve : 0.2f * m;
            float lack = 1 - n * usable * inverse_work;
            float cost = s.spill * sm_expf(s.beta * sm_logf(lack > 1e-9f ? lack : 1e-9f));
            float pi = lack > 0 ? cost : 0;
            float t =
                cpu * (s.serial * (1 - s.phi + s.phi * z_io) + sm_expf(s.alpha * f->log_width[i])) +
                nu * s.io + s.node * n * (1 / 32.0f) + s.tree * f->log2_nodes[i];
            t = t * (1 + s.psi * pi) + nu * (1 - s.psi) * pi;
            log_target[i] = sm_logf(t) + f->offset[i];
        }
    }
}
