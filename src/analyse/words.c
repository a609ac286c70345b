/* The analysis in sentences. */
#include "analyse/analyse.h"
#include "analyse/show.h"

#include <math.h>
#include <string.h>

enum { LATENCY_SENTENCES = 4 };

const char *sm_format_words(const char *format)
{
    if (strcmp(format, "files") == 0) return "image files";
    if (strcmp(format, "tfrecord") == 0) return "TFRecord shards";
    if (strcmp(format, "webdataset") == 0) return "WebDataset shards";
    return format;
}

sm_status sm_condition_words(sm_buf *words, const sm_measured *like)
{
    char step[SM_SHOW_MAX];
    sm_status status = sm_buf_printf(words, "%s%s%s", like->cache,
                                     strcmp(like->cache, "unknown") == 0 ? " cache" : "",
                                     like->decode ? ", decoded" : "");
    if (status == SM_OK && like->step_ms > 0)
        status =
            sm_buf_printf(words, ", a step of %s", sm_show_seconds(step, like->step_ms / 1000));
    return status;
}

sm_status sm_setting_words(sm_buf *words, const sm_analysis *analysis, const sm_measured *setting)
{
    const sm_analysis *a = analysis;
    const sm_measured *t = setting;
    char size[SM_SHOW_MAX], number[SM_SHOW_MAX];
    const sm_varying *v = &a->varies;
    sm_status status = sm_buf_append_str(words, sm_format_words(t->format));
    if (status == SM_OK && v->source) status = sm_buf_printf(words, " of %s", t->source);
    if (status == SM_OK && v->order) status = sm_buf_printf(words, ", %s", t->order);
    if (status == SM_OK)
        status = sm_buf_printf(words, ", %s reader%s", sm_show(number, (double)t->readers),
                               t->readers == 1 ? "" : "s");
    if (status == SM_OK && v->batches)
        status = sm_buf_printf(words, ", %s batch%s", sm_show(number, (double)t->batches),
                               t->batches == 1 ? "" : "es");
    if (status == SM_OK && v->batch_size)
        status = sm_buf_printf(words, "%s of %s", v->batches ? "" : ", batches",
                               sm_show(number, (double)t->batch_size));
    if (status == SM_OK && v->read_size && t->read_size > 0)
        status = sm_buf_printf(words, ", reads of %s", sm_show_size(size, (double)t->read_size));
    return status;
}

/* ---- The sentence to act on */

static sm_status act_on(sm_analysis *a, const sm_condition *c)
{
    const sm_cell *best = &a->cells[c->best];
    char rate[SM_SHOW_MAX], low[SM_SHOW_MAX], high[SM_SHOW_MAX], sure[SM_SHOW_MAX];
    sm_status status = sm_buf_append_str(&a->words, "Read ");
    if (status == SM_OK) status = sm_setting_words(&a->words, a, best->first);
    if (status == SM_OK)
        status = sm_buf_printf(&a->words, ": %s images/s", sm_show(rate, best->rate.mean));
    if (status == SM_OK && best->rate.n > 1)
        status =
            sm_buf_printf(&a->words, " (95%% interval %s to %s)",
                          sm_show(low, fmax(0, best->rate.low)), sm_show(high, best->rate.high));
    if (status == SM_OK) status = sm_buf_append_str(&a->words, ", measured ");
    if (status == SM_OK) status = sm_condition_words(&a->words, c->like);
    if (status == SM_OK && c->cells == 1)
        return sm_buf_append_str(&a->words, "; no other setting was measured.");
    if (status == SM_OK && isnan(best->p_best))
        return sm_buf_printf(
            &a->words,
            ", the fastest of %zu settings; how sure that is nobody can say, for each "
            "was measured once (--repeat 3 would tell).",
            c->cells);
    if (status == SM_OK)
        status = sm_buf_printf(&a->words, ". Of %zu settings it is the fastest with %s probability",
                               c->cells, sm_show_percent(sure, best->p_best));
    if (status == SM_OK && c->thrifty != c->best) {
        const sm_cell *thrifty = &a->cells[c->thrifty];
        status = sm_buf_append_str(&a->words, "; ");
        if (status == SM_OK) status = sm_setting_words(&a->words, a, thrifty->first);
        if (status == SM_OK)
            status = sm_buf_printf(&a->words,
                                   " (%s images/s) cannot be told apart from it and takes "
                                   "fewer readers",
                                   sm_show(rate, thrifty->rate.mean));
    }
    return status == SM_OK ? sm_buf_append_str(&a->words, ".") : status;
}

/* ---- Files against shards */

static sm_status tell_ratio(sm_buf *words, const sm_versus *v)
{
    char ratio[SM_SHOW_MAX], low[SM_SHOW_MAX], high[SM_SHOW_MAX], readers[SM_SHOW_MAX];
    sm_status status = sm_buf_printf(
        words, "%s times as fast as image files with %s reader%s", sm_show(ratio, v->ratio.value),
        sm_show(readers, (double)v->readers), v->readers == 1 ? "" : "s");
    if (status == SM_OK && !isnan(v->ratio.low))
        status = sm_buf_printf(words, " (95%% interval %s to %s)", sm_show(low, v->ratio.low),
                               sm_show(high, v->ratio.high));
    return status;
}

static sm_status tell_versus(sm_analysis *a)
{
    if (a->versus_count == 0) return SM_OK;
    const sm_versus *first = a->versus, *last = first;
    size_t faster = 0, count = 0;
    for (size_t i = 0; i < a->versus_count && sm_same_condition(a->versus[i].like, first->like);
         i++) {
        last = &a->versus[i];
        count++;
        /* Without an interval the ratio itself must do. */
        faster += (isnan(last->ratio.low) ? last->ratio.value : last->ratio.low) > 1 ? 1 : 0;
    }
    sm_status status = sm_buf_append_str(&a->words, "Shards are ");
    if (status == SM_OK) status = tell_ratio(&a->words, first);
    if (status == SM_OK && last != first) status = sm_buf_append_str(&a->words, ", and ");
    if (status == SM_OK && last != first) status = tell_ratio(&a->words, last);
    if (status != SM_OK) return status;
    if (faster == count)
        return sm_buf_append_str(&a->words, ": they pay off wherever both were measured.");
    if (faster == 0) return sm_buf_append_str(&a->words, ": they do not pay off here for reading.");
    return sm_buf_printf(&a->words, ": they pay off at %zu of %zu numbers of readers.", faster,
                         count);
}

/* ---- Latency */

static sm_status tell_interval(sm_buf *words, const sm_estimate *e,
                               const char *(*show)(char text[SM_SHOW_MAX], double))
{
    char low[SM_SHOW_MAX], high[SM_SHOW_MAX];
    if (isnan(e->low) || isinf(e->high)) return SM_OK;
    return sm_buf_printf(words, " (%s to %s)", show(low, e->low), show(high, e->high));
}

static sm_status tell_stream(sm_buf *words, const sm_latency *l)
{
    char text[SM_SHOW_MAX];
    sm_status status =
        sm_buf_printf(words, "A read from %s (%s, %s) ", l->storage, l->cache, l->order);
    if (status != SM_OK) return status;
    if (!l->is_line) {
        status = sm_buf_printf(words, "takes %s", sm_show_seconds(text, l->a.value));
        if (status == SM_OK) status = tell_interval(words, &l->a, sm_show_seconds);
        if (status == SM_OK)
            status =
                sm_buf_printf(words, " at %s, the one size measured", sm_show_bytes(text, l->size));
        return status;
    }
    status = sm_buf_printf(words, "waits %s", sm_show_seconds(text, l->a.value));
    if (status == SM_OK) status = tell_interval(words, &l->a, sm_show_seconds);
    if (status != SM_OK) return status;
    if (!(l->b.value > 0)) return sm_buf_append_str(words, ", and its size makes no difference");
    sm_estimate bandwidth = {1 / l->b.value, 1 / l->b.high, 1 / l->b.low};
    status = sm_buf_printf(words, ", then streams at %s/s", sm_show_bytes(text, bandwidth.value));
    return status == SM_OK ? tell_interval(words, &bandwidth, sm_show_bytes) : status;
}

static sm_status tell_ceiling(sm_buf *words, const sm_latency *l)
{
    char text[SM_SHOW_MAX], readers[SM_SHOW_MAX];
    if (!l->has_ceiling && !l->has_request_ceiling)
        return sm_buf_printf(words, "; no shared ceiling was met up to %s/s with %s readers",
                             sm_show_bytes(text, l->ceiling.value),
                             sm_show(readers, l->most_readers));
    sm_status status = sm_buf_append_str(words, "; all readers together get ");
    if (status == SM_OK && l->has_ceiling) {
        status = sm_buf_printf(words, "%s/s", sm_show_bytes(text, l->ceiling.value));
        if (status == SM_OK) status = tell_interval(words, &l->ceiling, sm_show_bytes);
    }
    if (status == SM_OK && l->has_request_ceiling) {
        status = sm_buf_printf(words, "%s%s reads/s",
                               l->has_ceiling ? ", and no more than " : "no more than ",
                               sm_show(text, l->request_ceiling.value));
        if (status == SM_OK) status = tell_interval(words, &l->request_ceiling, sm_show);
        if (status == SM_OK) status = sm_buf_append_str(words, ", however small");
    }
    if (status == SM_OK && l->busy > 0.8)
        status = sm_buf_printf(words,
                               ", with the processors %s busy: that limit is this machine's, not "
                               "the storage's",
                               sm_show_percent(text, l->busy));
    return status;
}

static sm_status tell_latency(sm_buf *words, const sm_latency *l)
{
    char text[SM_SHOW_MAX];
    sm_status status = tell_stream(words, l);
    if (status == SM_OK) status = tell_ceiling(words, l);
    if (status == SM_OK && l->typical_error > 0.2)
        status = sm_buf_printf(words, "; but half of the trials are more than %s off this model",
                               sm_show_percent(text, l->typical_error));
    return status == SM_OK ? sm_buf_append_str(words, ".") : status;
}

/* ---- Executors */

static sm_status tell_overlap(sm_analysis *a)
{
    char images[SM_SHOW_MAX], bytes[SM_SHOW_MAX], seconds[SM_SHOW_MAX];
    if (a->overlap_count < 2) return SM_OK;
    const sm_overlap *most = &a->overlaps[a->overlap_count - 1];
    if (a->overlap_count == 2)
        return sm_buf_append_str(&a->words, "The executors read one at a time.");
    return sm_buf_printf(&a->words,
                         "Rates are those of one executor each; %zu executors at once, for %s in "
                         "all, got %s images/s and %s/s together.",
                         a->overlap_count - 1, sm_show_seconds(seconds, most->seconds),
                         sm_show(images, most->images / most->seconds),
                         sm_show_bytes(bytes, most->bytes / most->seconds));
}

/* ---- Regression */

static sm_status tell_regression(sm_analysis *a)
{
    const sm_regression *first = &a->models[SM_MODEL_PLAIN];
    if (a->used > 0 && !first->fitted)
        return sm_buf_printf(&a->words, "There is no regression: %s.", first->reason);
    if (a->chosen < 0) return SM_OK;
    const sm_regression *r = &a->models[a->chosen];
    sm_status status = sm_buf_printf(
        &a->words, "Of the regressions the one %s is the best (adjusted R\u00b2 %.3f, AICc %.1f",
        sm_model_name((sm_model)a->chosen), r->fit.adjusted_r2, r->aicc);
    for (int m = 0; status == SM_OK && m < SM_MODEL_COUNT; m++)
        if (m != a->chosen && a->models[m].fitted)
            status = sm_buf_printf(&a->words, "; %s: %.3f, %.1f", sm_model_name((sm_model)m),
                                   a->models[m].fit.adjusted_r2, a->models[m].aicc);
    if (status == SM_OK) status = sm_buf_append_str(&a->words, ")");
    const bool skewed = r->fit.jarque_bera_p < 0.05, uneven = r->fit.breusch_pagan_p < 0.05;
    if (status == SM_OK && (skewed || uneven))
        status =
            sm_buf_printf(&a->words, "; its residuals are %s%s%s, so take its p-values with care",
                          skewed ? "not normal" : "", skewed && uneven ? " and " : "",
                          uneven ? "of uneven spread" : "");
    return status == SM_OK ? sm_buf_append_str(&a->words, ".") : status;
}

static sm_status tell_left_out(sm_analysis *a)
{
    const size_t all = a->table->count, out = all - a->used;
    if (out == 0) return SM_OK;
    sm_status status = sm_buf_printf(&a->words, "%zu of %zu trials do not count:", out, all);
    const char *between = " ";
    for (int why = 1; status == SM_OK && why < SM_LEFT_COUNT; why++) {
        if (a->left[why] == 0) continue;
        status = sm_buf_printf(&a->words, "%s%zu %s", between, a->left[why],
                               sm_left_out_name((sm_left_out)why));
        between = ", ";
    }
    return status == SM_OK ? sm_buf_append_str(&a->words, ".") : status;
}

/* Ends the sentence that begins at begin, if there is one. Names in it are anybody's: their control
 * characters must not make two sentences of one. */
static sm_status end_sentence(sm_status status, sm_buf *words, size_t begin)
{
    for (size_t i = begin; i < words->len; i++)
        if (words->data[i] < 0x20 || words->data[i] == 0x7f) words->data[i] = ' ';
    return status == SM_OK && words->len > begin ? sm_buf_append_str(words, "\n") : status;
}

sm_status sm_find_words(sm_analysis *a)
{
    sm_buf *words = &a->words;
    sm_status status = a->condition_count > 0
                           ? act_on(a, &a->conditions[0])
                           : sm_buf_append_str(words, "There is no trial that counts, and so "
                                                      "nothing to advise.");
    status = end_sentence(status, words, 0);
    size_t begin = words->len;
    if (status == SM_OK) status = end_sentence(tell_versus(a), words, begin);
    for (size_t i = 0; status == SM_OK && i < a->latency_count && i < LATENCY_SENTENCES; i++) {
        begin = words->len;
        status = end_sentence(tell_latency(words, &a->latencies[i]), words, begin);
    }
    begin = words->len;
    if (status == SM_OK) status = end_sentence(tell_overlap(a), words, begin);
    begin = words->len;
    if (status == SM_OK) status = end_sentence(tell_regression(a), words, begin);
    begin = words->len;
    return status == SM_OK ? end_sentence(tell_left_out(a), words, begin) : status;
}
