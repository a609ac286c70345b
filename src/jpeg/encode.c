/*
 * The encoder: once over the picture for tokens and counts, then tables, then bits.
 *
 * Optimal Huffman tables need every symbol's count before the first bit can be written. Tokens are
 * what is worth keeping until then: they are cheap to turn into bits, and fewer than coefficients.
 * Those of a picture of about half a megapixel fit the encoder's fixed memory; of a larger picture
 * what does not fit is made once more when the tables are known.
 */
#include "jpeg/jpeg.h"

#include "jpeg/markers.h"
#include "jpeg/span.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOKENS_MAX = 512 * 1024,
    SPAN_TOKENS_MAX = SMJ_SCAN_BLOCKS * SMJ_BLOCK_TOKENS_MAX,
    PACK_TOKENS = 4096, /* at a time */
    PACKED_MAX = PACK_TOKENS * SMJ_TOKEN_BITS_MAX / 8 + 1,
    END_MAX = 2 + 2, /* the last bits, stuffed; EOI */
    /* Spans between two sums of the counts, which have 32 bits. */
    SUM_SPANS = 4096
};

_Static_assert((uint64_t)SUM_SPANS *SPAN_TOKENS_MAX < UINT32_MAX, "a count can overflow");

/* Where a span is, and the DC values before it. */
typedef struct place {
    uint32_t x, y;
    int predicted[SMJ_COMPONENTS];
} place;

struct smj_encoder {
    const smj_kernels *kernels;
    smj_shuffles shuffles;
    smj_quantiser quantisers[2];
    int quality; /* of the quantisers; 0: none yet */

    smj_picture picture; /* the one at hand */
    smj_layout layout;
    smj_span span;
    uint32_t counts[2][SMJ_SYMBOL_IDS]; /* of tokens with even and odd places */
    uint64_t often[SMJ_SYMBOL_IDS];
    smj_code codes[SMJ_SYMBOL_IDS];
    smj_bits held; /* fills no byte yet */

    uint8_t *out;
    size_t out_len, out_cap;

    uint8_t packed[PACKED_MAX + SMJ_STUFF_SLACK];
    uint32_t tokens[TOKENS_MAX + SPAN_TOKENS_MAX +
                    SMJ_TOKENS_SLACK]; /* room for one span behind those kept */
};

/* ---- The picture, span by span --------------------------------------------------------------- */

static const smj_layout *layout_of(smj_sampling sampling)
{
    static const smj_layout layouts[] = {[SMJ_444] = {1, 1, 3},
                                         [SMJ_422] = {2, 1, 3},
                                         [SMJ_420] = {2, 2, 3},
                                         [SMJ_GREY] = {1, 1, 1}};
    const size_t count = sizeof layouts / sizeof *layouts;
    return (size_t)sampling < count ? &layouts[sampling] : NULL;
}

/* Makes the tokens of the span at `at`, and goes to the next one. Returns their number. */
static size_t make_tokens(smj_encoder *e, uint32_t *to, place *at)
{
    smj_span_make(&e->span, at->predicted, &e->picture, at->x, at->y, &e->layout, e->quantisers,
                  e->kernels, &e->shuffles);
    const uint32_t *end =
        e->kernels->tokens(to, &e->span.blocks, e->span.order, e->span.count, &e->shuffles);
    at->x += SMJ_SPAN;
    if (at->x >= e->picture.width) {
        at->x = 0;
        at->y += 8 * e->layout.luma_rows;
    }
    return (size_t)(end - to);
}

static bool is_end(const smj_encoder *e, const place *at)
{
    return at->y >= e->picture.height;
}

/* Two histograms take turns, so that a symbol that follows itself need not wait for its count. */
static void count_tokens(smj_encoder *e, const uint32_t *tokens, size_t count)
{
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        e->counts[0][(uint16_t)tokens[i]]++;
        e->counts[1][(uint16_t)tokens[i + 1]]++;
    }
    if (i < count) e->counts[0][(uint16_t)tokens[i]]++;
}

static void sum_counts(smj_encoder *e)
{
    for (int i = 0; i < SMJ_SYMBOL_IDS; i++)
        e->often[i] += (uint64_t)e->counts[0][i] + e->counts[1][i];
    memset(e->counts, 0, sizeof e->counts);
}

/* Counts all symbols. Keeps the first tokens, as many as fit, and returns their number; *rest is
 * the place of the first span whose tokens were not kept. */
static size_t count_symbols(smj_encoder *e, place *rest)
{
    place at = {0};
    size_t kept = 0;
    bool keeping = true;
    memset(e->often, 0, sizeof e->often);
    memset(e->counts, 0, sizeof e->counts);
    for (uint32_t spans = 1; !is_end(e, &at); spans++) {
        const size_t made = make_tokens(e, e->tokens + kept, &at);
        count_tokens(e, e->tokens + kept, made);
        keeping = keeping && kept + made <= TOKENS_MAX;
        if (keeping) {
            kept += made;
            *rest = at;
        }
        if (spans % SUM_SPANS == 0) sum_counts(e);
    }
    sum_counts(e);
    return kept;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Makes room for `more` bytes behind those that are written. */
static bool reserve(smj_encoder *e, size_t more)
{
    if (more <= e->out_cap - e->out_len) return true;
    if (more > SIZE_MAX - e->out_len) return false;
    const size_t needed = e->out_len + more, half = e->out_cap / 2;
    const size_t cap =
        half <= SIZE_MAX - e->out_cap && e->out_cap + half > needed ? e->out_cap + half : needed;
    uint8_t *grown = realloc(e->out, cap);
    if (grown == NULL) return false;
    e->out = grown;
    e->out_cap = cap;
    return true;
}

static bool put_packed(smj_encoder *e, size_t count)
{
    if (!reserve(e, 2 * count + SMJ_STUFF_SLACK)) return false;
    const uint8_t *end = e->kernels->stuff(e->out + e->out_len, e->packed, count);
    e->out_len = (size_t)(end - e->out);
    return true;
}

static bool put_tokens(smj_encoder *e, size_t count)
{
    for (size_t done = 0; done < count; done += PACK_TOKENS) {
        const size_t now = count - done < PACK_TOKENS ? count - done : PACK_TOKENS;
        const uint8_t *end = e->kernels->pack(e->packed, &e->held, e->tokens + done, now, e->codes);
        if (!put_packed(e, (size_t)(end - e->packed))) return false;
    }
    return true;
}

/* Fills the last byte with ones (T.81, F.1.2.3) and ends the file. */
static bool put_end(smj_encoder *e)
{
    const uint32_t missing = (8 - e->held.length) % 8;
    if (missing != 0) {
        e->packed[0] = (uint8_t)(e->held.bits << missing | ((1u << missing) - 1));
        if (!put_packed(e, 1)) return false;
    }
    if (!reserve(e, END_MAX)) return false;
    e->out_len = (size_t)(smj_write_end(e->out + e->out_len) - e->out);
    return true;
}

static void set_codes(smj_code codes[SMJ_SYMBOLS], const smj_huffman *table, bool dc)
{
    uint16_t plain[SMJ_SYMBOLS];
    uint8_t lengths[SMJ_SYMBOLS];
    smj_huffman_codes(plain, lengths, table);
    for (uint32_t s = 0; s < SMJ_SYMBOLS; s++) {
        const uint32_t more = dc ? s : s & 15; /* additional bits */
        if (lengths[s] != 0) codes[s] = (smj_code){(uint32_t)plain[s] << more, lengths[s] + more};
    }
}

/* Huffman tables from the counts; the file up to its scan. */
static bool put_header(smj_encoder *e)
{
    smj_huffman tables[SMJ_TABLES];
    for (int t = 0; t < SMJ_TABLES; t++) {
        smj_huffman_build(&tables[t], e->often + t * SMJ_SYMBOLS);
        set_codes(e->codes + t * SMJ_SYMBOLS, &tables[t], t < SMJ_AC_LUMA);
    }
    e->out_len = 0;
    if (!reserve(e, SMJ_HEADER_MAX)) return false;
    const uint8_t *end = smj_write_header(e->out, e->picture.width, e->picture.height, &e->layout,
                                          e->quantisers, tables);
    e->out_len = (size_t)(end - e->out);
    return true;
}

static bool put_picture(smj_encoder *e)
{
    place at = {0};
    const size_t kept = count_symbols(e, &at);
    if (!put_header(e)) return false;
    e->held = (smj_bits){0};
    if (!put_tokens(e, kept)) return false;
    while (!is_end(e, &at))
        if (!put_tokens(e, make_tokens(e, e->tokens, &at))) return false;
    return put_end(e);
}

/* ---- The interface --------------------------------------------------------------------------- */

static const smj_kernels *kernels_of(smj_kernels_choice choice)
{
    const smj_kernels *kernels = NULL;
    if (choice == SMJ_KERNELS_PORTABLE) return &smj_kernels_portable;
    if (choice == SMJ_KERNELS_BEST) kernels = smj_kernels_avx512();
    if (kernels == NULL) kernels = smj_kernels_avx2();
    if (kernels == NULL) kernels = smj_kernels_neon();
    return kernels != NULL ? kernels : &smj_kernels_portable;
}

smj_encoder *smj_encoder_new(smj_kernels_choice choice)
{
    const size_t unit = _Alignof(smj_encoder);
    smj_encoder *e = aligned_alloc(unit, (sizeof *e + unit - 1) / unit * unit);
    if (e == NULL) return NULL;
    e->kernels = kernels_of(choice);
    smj_shuffles_set(&e->shuffles);
    e->quality = 0;
    e->out = NULL;
    e->out_len = e->out_cap = 0;
    memset(e->packed, 0, sizeof e->packed); /* stuff looks at bytes behind those packed */
    return e;
}

void smj_encoder_free(smj_encoder *encoder)
{
    if (encoder == NULL) return;
    free(encoder->out);
    free(encoder);
}

const char *smj_encoder_kernels(const smj_encoder *encoder)
{
    return encoder->kernels->name;
}

static bool is_size(uint32_t width, uint32_t height)
{
    return width > 0 && width <= SMJ_SIDE_MAX && height > 0 && height <= SMJ_SIDE_MAX;
}

static smj_status encode(smj_encoder *e, const uint8_t **data, size_t *len,
                         const smj_picture *picture, const smj_options *options)
{
    const smj_layout *layout = layout_of(options->sampling);
    const size_t pixel_size = picture->rgb != NULL ? 3 : 1;
    if (layout == NULL || options->quality < 1 || options->quality > 100 ||
        !is_size(picture->width, picture->height) || picture->stride < picture->width * pixel_size)
        return SMJ_ERR_ARGUMENT;
    if (e->quality != options->quality) {
        for (int i = 0; i < 2; i++) smj_quantiser_set(&e->quantisers[i], options->quality, i);
        e->quality = options->quality;
    }
    e->layout = *layout;
    e->picture = *picture;
    if (!put_picture(e)) return SMJ_ERR_MEMORY;
    *data = e->out;
    *len = e->out_len;
    return SMJ_OK;
}

smj_status smj_encode(smj_encoder *encoder, const uint8_t **data, size_t *len, const uint8_t *rgb,
                      size_t stride, uint32_t width, uint32_t height, const smj_options *options)
{
    const smj_picture picture = {.rgb = rgb, .stride = stride, .width = width, .height = height};
    return encode(encoder, data, len, &picture, options);
}

smj_status smj_encode_planes(smj_encoder *encoder, const uint8_t **data, size_t *len,
                             const uint8_t *const planes[3], size_t stride, uint32_t width,
                             uint32_t height, const smj_options *options)
{
    const smj_picture picture = {.planes = {planes[0], planes[1], planes[2]},
                                 .stride = stride,
                                 .width = width,
                                 .height = height};
    return encode(encoder, data, len, &picture, options);
}

size_t smj_encode_bound(uint32_t width, uint32_t height, smj_sampling sampling)
{
    const smj_layout *layout = layout_of(sampling);
    if (layout == NULL || !is_size(width, height)) return 0;
    const uint32_t luma = layout->luma_cols * layout->luma_rows;
    const uint64_t across = (width + 8 * layout->luma_cols - 1) / (8 * layout->luma_cols);
    const uint64_t down = (height + 8 * layout->luma_rows - 1) / (8 * layout->luma_rows);
    const uint64_t blocks = across * down * (luma + layout->components - 1);
    /* each byte of the scan may be stuffed */
    const uint64_t block_max = 2 * SMJ_BLOCK_TOKENS_MAX * SMJ_TOKEN_BITS_MAX / 8;
    const uint64_t bound = SMJ_HEADER_MAX + blocks * block_max + END_MAX;
    return bound <= SIZE_MAX ? (size_t)bound : 0;
}

const char *smj_status_text(smj_status status)
{
    switch (status) {
    case SMJ_OK: return "no error";
    case SMJ_ERR_ARGUMENT: return "size, stride, quality or sampling out of range";
    case SMJ_ERR_MEMORY: return "out of memory";
    case SMJ_NOT_MINE: return "not a file for this decoder";
    }
    return "unknown status";
}
