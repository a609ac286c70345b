/* The regressions: which model, its coefficients, its residuals. */
#include "report/chart.h"
#include "report/measure_page.h"

#include "analyse/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_models(sm_page *p, const sm_analysis *a)
{
    static const char *const headings[] = {"Model", "#Trials", "#R\u00b2", "#Adjusted R\u00b2",
                                           "#AICc", "#F",      "#p"};
    char text[SM_SHOW_MAX];
    sm_table_begin(p, "Models compared", headings, 7);
    for (int m = 0; m < SM_MODEL_COUNT; m++) {
        const sm_regression *r = &a->models[m];
        sm_put(p, m == a->chosen ? "<tr class=\"best\">" : "<tr>");
        sm_putf(p, "<td>%s</td>", sm_model_name((sm_model)m));
        if (!r->fitted) {
            sm_put(p, "<td colspan=\"6\">not fitted: ");
            sm_text(p, r->reason);
            sm_put(p, "</td></tr>\n");
            continue;
        }
        sm_putf(p, "<td class=\"n\">%zu</td><td class=\"n\">%.4f</td><td class=\"n\">%.4f</td>",
                r->fit.n, r->fit.r2, r->fit.adjusted_r2);
        sm_putf(p, "<td class=\"n\">%.1f</td>", r->aicc);
        sm_cell_number(p, sm_show(text, r->fit.f));
        sm_cell_number(p, sm_show_p(text, r->fit.f_p));
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
}

static void put_number(sm_page *p, double value)
{
    char text[SM_SHOW_MAX];
    if (isnan(value))
        sm_cell_number(p, "\u2013");
    else
        sm_cell_number(p, (snprintf(text, sizeof text, "%.4g", value), text));
}

/* What a coefficient does to images a second. */
static void put_meaning(sm_page *p, const char *term, double beta, bool logs)
{
    char text[SM_SHOW_MAX];
    const bool is_log = strncmp(term, "log(", 4) == 0, is_level = strchr(term, '=') != NULL;
    if (strcmp(term, "intercept") == 0)
        sm_put(p, "<td></td>");
    else if (!logs)
        sm_putf(p, "<td>%s%s images/s%s</td>", beta < 0 ? "" : "+", sm_show(text, beta),
                is_level ? "" : " for one more");
    else
        sm_putf(p, "<td>\u00d7 %s%s</td>", sm_show(text, is_log ? pow(2, beta) : exp(beta)),
                is_log ? " when doubled" : "");
}

static void put_coefficients(sm_page *p, const sm_regression *r, bool logs)
{
    static const char *const headings[] = {"Term", "#Coefficient",  "#Std. error", "#t",
                                           "#p",   "#95% interval", "#HC3 error",  "So"};
    const sm_ols *f = &r->fit;
    char text[SM_SHOW_MAX], line[2 * SM_SHOW_MAX + 8];
    sm_table_begin(p, "Coefficients", headings, 8);
    for (size_t j = 0; j < f->k; j++) {
        sm_put(p, "<tr>");
        sm_cell_text(p, r->terms[r->columns[f->kept[j]]].name);
        put_number(p, f->beta[j]);
        put_number(p, f->se[j]);
        put_number(p, f->t[j]);
        sm_cell_number(p, sm_show_p(text, f->p[j]));
        snprintf(line, sizeof line, "%.4g to %.4g", f->low[j], f->high[j]);
        sm_cell_number(p, line);
        put_number(p, f->hc3[j]);
        put_meaning(p, r->terms[r->columns[f->kept[j]]].name, f->beta[j], logs);
        sm_put(p, "</tr>\n");
    }
    sm_table_end(p);
    bool any = false;
    for (size_t i = 0; i < r->term_count; i++) {
        if (r->terms[i].dropped == NULL) continue;
        sm_put(p, any ? "; <code>" : "<p class=\"note\">Left out of the fit: <code>");
        sm_text(p, r->terms[i].name);
        sm_putf(p, "</code> (%s)", r->terms[i].dropped);
        any = true;
    }
    if (any) sm_put(p, ".</p>\n");
}

/* ---- Residuals */

static void put_checks(sm_page *p, const sm_analysis *a, const sm_ols *f)
{
    static const char *const headings[] = {"Check", "#Statistic", "#p", "What it says"};
    char text[SM_SHOW_MAX];
    size_t worst = 0, influential = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->cook[i] > f->cook[worst] || isnan(f->cook[worst])) worst = i;
        influential += f->cook[i] > 1 ? 1 : 0;
    }
    sm_table_begin(p, "Checks of the residuals", headings, 4);
    sm_put(p, "<tr><td>Normal? Jarque\u2013Bera</td>");
    put_number(p, f->jarque_bera);
    sm_cell_number(p, sm_show_p(text, f->jarque_bera_p));
    sm_putf(p, "<td>%s (skew %.2f, kurtosis %.2f)</td></tr>\n",
            f->jarque_bera_p < 0.05 ? "not normal: few trials, or a term is missing"
                                    : "nothing against it",
            f->skew, f->kurtosis);
    sm_put(p, "<tr><td>Even spread? Breusch\u2013Pagan</td>");
    put_number(p, f->breusch_pagan);
    sm_cell_number(p, sm_show_p(text, f->breusch_pagan_p));
    sm_putf(p, "<td>%s</td></tr>\n",
            f->breusch_pagan_p < 0.05 ? "uneven: trust the HC3 errors, not the plain ones"
                                      : "nothing against it");
    sm_put(p, "<tr><td>Largest Cook\u2019s distance</td>");
    put_number(p, f->cook[worst]);
    sm_put(p, "<td class=\"n\">\u2013</td><td>");
    sm_putf(p, "trial %llu, leverage %.2f; %zu above 1</td></tr>\n",
            (unsigned long long)a->order[worst]->number, f->leverage[worst], influential);
    sm_table_end(p);
}

static void put_residuals(sm_page *p, const sm_analysis *a, const sm_regression *r, bool logs)
{
    const sm_cell *lines[SM_LINES_MAX];
    const char *formats[SM_LINES_MAX];
    unsigned colours[SM_LINES_MAX];
    size_t formats_count = 0;
    const size_t line_count = sm_lines_of(a, lines);
    for (size_t l = 0; l < line_count; l++) {
        size_t at = 0;
        while (at < formats_count && formats[at] != lines[l]->first->format) at++;
        if (at < formats_count) continue;
        colours[formats_count] = sm_line_colour(lines, l);
        formats[formats_count++] = lines[l]->first->format;
    }
    sm_dot *dots = calloc(r->fit.n, sizeof *dots);
    if (dots == NULL) {
        if (p->status == SM_OK) p->status = sm_fail_memory(r->fit.n * sizeof *dots);
        return;
    }
    sm_series series[SM_LINES_MAX + 1];
    size_t used = 0, count = 0;
    for (size_t s = 0; s <= formats_count && count <= SM_LINES_MAX; s++) {
        const size_t begin = used;
        for (size_t i = 0; i < r->fit.n; i++) {
            size_t at = 0;
            while (at < formats_count && formats[at] != a->order[i]->format) at++;
            if (at == s) dots[used++] = (sm_dot){r->fit.fitted[i], r->fit.residual[i], NAN, NAN};
        }
        if (used > begin)
            series[count++] = (sm_series){
                s < formats_count ? sm_format_words(formats[s]) : "others", SM_SERIES_DOTS,
                s == formats_count ? SM_COLOUR_OTHER : colours[s], dots + begin, used - begin};
    }
    sm_chart_draw(p, &(sm_chart){.title = "Residuals of the regression",
                                 .description = "A dot for each trial: what the model leaves "
                                                "unexplained against what it says.",
                                 .x = {.label = logs ? "fitted log(images a second)"
                                                     : "fitted images a second",
                                       .show = sm_show},
                                 .y = {.label = "residual", .show = sm_show},
                                 .zero_line = true,
                                 .series = series,
                                 .count = count});
    free(dots);
}

void sm_regression_section(sm_page *p, const sm_analysis *a)
{
    if (a->used == 0) return;
    sm_put(p, "<section id=\"regression\"><h2>What the settings do: regression</h2>\n");
    sm_put(
        p,
        "<p class=\"note\">Ordinary least squares of images a second on the settings. AICc is that "
        "of images a second for every model (of the log-log one after the change of variable), so "
        "the lowest is the best; adjusted R\u00b2 compares models of the same scale alone.</p>\n");
    put_models(p, a);
    if (a->chosen >= 0) {
        const sm_regression *r = &a->models[a->chosen];
        sm_putf(p, "<h3>Coefficients of the model %s</h3>\n", sm_model_name((sm_model)a->chosen));
        put_coefficients(p, r, a->chosen == SM_MODEL_LOG);
        sm_put(p, "<h3>Its residuals</h3>\n<div class=\"pair\"><figure>\n");
        put_residuals(p, a, r, a->chosen == SM_MODEL_LOG);
        sm_put(p, "</figure>\n<div>");
        put_checks(p, a, &r->fit);
        sm_put(p, "</div></div>\n");
    }
    sm_put(p, "</section>\n");
}
