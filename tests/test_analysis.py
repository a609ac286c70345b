"""The analysis of `shardmill report` holds against statsmodels and SciPy to six digits, and against the
model that the made-up results come from."""

import csv
import json
import math
import random
import re
from collections import defaultdict

import pytest

import measurements
from conftest import refused, run

np = pytest.importorskip("numpy")


def same(a, b, digits=6):
    return math.isclose(a, b, rel_tol=10.0 ** -digits, abs_tol=1e-300)


def analyse(tmp_path, rows, *options):
    results = measurements.write(tmp_path / "results.jsonl", rows)
    out = tmp_path / "analysis.json"
    run("report", results, "--no-page", "--json", out, *options)
    return json.loads(out.read_text())


def counting(rows):
    """The trials that count, as the schema says it."""
    out = {"served-from-cache", "warm-up", "outlier"}
    return [r for r in rows if r["kind"] == "trial" and "error" not in r and not out & set(r["marks"])]


def key(row):
    return tuple(row[k] for k in ("source", "format", "order", "cache", "batch_size", "batches",
                                  "readers", "read_size", "decode", "step_ms"))


def rate(row):
    return row["images"] / row["seconds"]


@pytest.fixture(scope="module")
def rows():
    return measurements.grid()


@pytest.fixture(scope="module")
def found(rows, tmp_path_factory):
    return analyse(tmp_path_factory.mktemp("analysis"), rows)


# ---- Cells ---------------------------------------------------------------------------------------


def test_trials_that_do_not_count_are_left_out_and_listed(rows, found):
    trials = [r for r in rows if r["kind"] == "trial"]
    assert found["trials"] == len(trials)
    assert found["used"] == len(counting(rows)) < len(trials)
    whys = {o["trial"]: o["why"] for o in found["left_out"]}
    assert whys == {trials[0]["trial"]: "warm-up", trials[3]["trial"]: "served from cache",
                    trials[40]["trial"]: "outlier", trials[-1]["trial"]: "failed"}
    assert {o["error"] for o in found["left_out"]} == {None, "cannot read: connection reset"}


def test_means_and_intervals_of_cells(rows, found):
    stats = pytest.importorskip("scipy.stats")
    cells = defaultdict(list)
    for row in counting(rows):
        cells[key(row)].append(rate(row))
    assert len(found["cells"]) == len(cells)
    for cell in found["cells"]:
        values, got = cells[key(cell["setting"])], cell["images_per_s"]
        assert got["n"] == len(values)
        assert same(got["mean"], np.mean(values)) and same(got["sd"], np.std(values, ddof=1))
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert same(got["low"], low) and same(got["high"], high)


def test_the_best_setting_and_its_probability(rows, found):
    """Against the same posterior, drawn instead of integrated."""
    cells = defaultdict(list)
    for row in counting(rows):
        cells[key(row)].append(math.log(rate(row)))
    df = sum(len(v) - 1 for v in cells.values())
    spread = math.sqrt(sum(((np.array(v) - np.mean(v)) ** 2).sum() for v in cells.values()) / df)
    (condition,) = found["conditions"]
    assert condition["df"] == df and same(condition["log_sd"], spread)
    names = list(cells)
    means = np.array([np.mean(cells[n]) for n in names])
    errors = np.array([spread / math.sqrt(len(cells[n])) for n in names])
    assert key(condition["best"]["setting"]) == names[int(np.argmax(means))]
    draws = means + errors * np.random.default_rng(1).standard_t(df, (40000, len(names)))
    shares = np.bincount(draws.argmax(axis=1), minlength=len(names)) / 40000
    best = {key(c["setting"]): c["p_best"] for c in found["cells"]}
    assert abs(sum(best.values()) - 1) < 0.01
    for name, share in zip(names, shares):
        assert abs(best[name] - share) < 0.012


def test_fewer_readers_when_more_do_not_help(found):
    (condition,) = found["conditions"]
    assert condition["thrifty"]["setting"]["readers"] <= condition["best"]["setting"]["readers"]
    assert condition["thrifty"]["setting"]["format"] == "tfrecord"


# ---- Regression against statsmodels --------------------------------------------------------------


def columns(rows, model):
    """The design as it is documented: {name: column}, constant ones left out."""
    x = {"intercept": [1.0] * len(rows)}
    numbers = {"batch_size": lambda r: r["batch_size"], "batches": lambda r: r["batches"],
               "batch_size*batches": lambda r: r["batch_size"] * r["batches"],
               "readers": lambda r: r["readers"]}
    for name, number in numbers.items():
        if name == "batch_size*batches" and model != "with product":
            continue
        values = [float(number(r)) for r in rows]
        if len(set(values)) > 1:
            x[f"log({name})" if model == "log-log" else name] = \
                [math.log(v) for v in values] if model == "log-log" else values
    for factor, base in {"format": "files", "order": "sequential"}.items():
        for level in sorted({r[factor] for r in rows} - {base}):
            x[f"{factor}={level}"] = [float(r[factor] == level) for r in rows]
    return x


def check_against_statsmodels(rows, regression):
    sm = pytest.importorskip("statsmodels.api")
    from statsmodels.stats.diagnostic import het_breuschpagan
    from statsmodels.stats.stattools import jarque_bera
    from statsmodels.tools.eval_measures import aicc

    terms = {t["name"]: t for t in regression["terms"] if "coefficient" in t}
    model = regression["model"]
    x = columns(rows, model)
    for t in terms:  # further factors, as told
        if t not in x:
            factor, level = t.split("=", 1)
            x[t] = [float(str(r[factor]) == level) for r in rows]
    assert set(x) - set(terms) <= {t["name"] for t in regression["terms"] if "dropped" in t}
    x = {name: x[name] for name in terms}
    y = np.array([rate(r) for r in rows])
    jacobian = 0.0
    if model == "log-log":
        y = np.log(y)
        jacobian = 2 * y.sum()
    design = np.column_stack(list(x.values()))
    fit = sm.OLS(y, design).fit()
    assert fit.df_resid == regression["df"] and np.linalg.matrix_rank(design) == design.shape[1]
    low, high = fit.conf_int().T
    hc3 = fit.get_robustcov_results("HC3").bse
    for j, term in enumerate(terms.values()):
        for got, want in [(term["coefficient"], fit.params[j]), (term["se"], fit.bse[j]),
                          (term["t"], fit.tvalues[j]), (term["low"], low[j]),
                          (term["high"], high[j]), (term["se_hc3"], hc3[j])]:
            assert same(got, want), (model, term["name"], got, want)
        assert same(term["p"], fit.pvalues[j], 5) or term["p"] < 1e-200, term
    jb, jb_p, skew, kurtosis = jarque_bera(fit.resid)
    bp, bp_p, _, _ = het_breuschpagan(fit.resid, design)
    for name, want in {
            "r2": fit.rsquared, "adjusted_r2": fit.rsquared_adj, "f": fit.fvalue,
            "log_likelihood": fit.llf, "aic": fit.aic, "bic": fit.bic,
            "sigma": math.sqrt(fit.scale), "jarque_bera": jb, "jarque_bera_p": jb_p, "skew": skew,
            "kurtosis": kurtosis, "breusch_pagan": bp, "breusch_pagan_p": bp_p,
            "aicc": aicc(fit.llf, len(y), design.shape[1] + 1) + jacobian}.items():
        assert same(regression[name], want), (model, name, regression[name], want)
    assert same(regression["f_p"], fit.f_pvalue, 5) or regression["f_p"] < 1e-200
    influence = fit.get_influence()
    cook = influence.cooks_distance[0]
    assert same(regression["largest_cook"]["distance"], cook.max())
    assert same(regression["largest_cook"]["leverage"], influence.hat_matrix_diag[cook.argmax()])


def test_regressions_on_a_grid(rows, found):
    assert [r["model"] for r in found["regressions"]] == ["without product", "with product", "log-log"]
    for regression in found["regressions"]:
        check_against_statsmodels(counting(rows), regression)


def test_the_lowest_aicc_is_chosen(found):
    best = min(found["regressions"], key=lambda r: r["aicc"])
    assert [r["chosen"] for r in found["regressions"]] == [r is best for r in found["regressions"]]
    assert f"the one {best['model']} is the best" in " ".join(found["sentences"])


@pytest.mark.parametrize("seed", range(4))
def test_regressions_on_random_designs(tmp_path, seed):
    """Unbalanced, with several factors, and numbers of very different sizes."""
    rng = random.Random(seed)
    rows = [measurements.header([])]
    for i in range(60 + 40 * seed):
        form = rng.choice(["files", "tfrecord", "webdataset"])
        row = measurements.trial(rng, "/data/" + form, form, rng.choice([1, 3, 8]),
                                 rng.choice([1, 7, 1000, 65536]), rng.choice([1, 2, 50]), i,
                                 1 << 20, noise=0.3, order=rng.choice(["sequential", "shuffled"]))
        row["trial"] = i
        rows.append(row)
    for regression in analyse(tmp_path, rows)["regressions"]:
        check_against_statsmodels(counting(rows), regression)


def test_columns_that_say_nothing_new_are_dropped_and_named(tmp_path):
    """Readers go with the batch size, batches never change: the product tells nothing either."""
    rng = random.Random(3)
    rows = [measurements.header([])]
    for i in range(40):
        batch_size = rng.choice([8, 16, 64])
        rows.append(measurements.trial(rng, "/data", "files", batch_size // 8, batch_size, 4, i))
    found = analyse(tmp_path, rows)
    product = found["regressions"][1]
    dropped = {t["name"]: t["dropped"] for t in product["terms"] if "dropped" in t}
    assert dropped == {"batches": "the same in every trial", "format": "the same in every trial",
                       "order": "the same in every trial",
                       "batch_size*batches": "told by the terms before it",
                       "readers": "told by the terms before it"}
    assert [t["name"] for t in product["terms"] if "coefficient" in t] == ["intercept", "batch_size"]
    check_against_statsmodels(counting(rows), found["regressions"][0])


def test_too_few_trials_for_a_regression(tmp_path):
    rng = random.Random(3)
    rows = [measurements.header([])] + [measurements.trial(rng, "/data", "files", r, 8, 4, 0)
                                        for r in (1, 2)]
    for regression in analyse(tmp_path, rows)["regressions"]:
        assert "too few" in regression["not_fitted"] and not regression["chosen"]


# ---- The model of latency ------------------------------------------------------------------------


def test_latency_model_finds_what_the_results_were_made_from(found):
    (model,) = found["latency"]
    assert model["storage"] == "gs://flowers"
    for got, want in [(model["seconds_a_read"], measurements.WAIT_S),
                      (model["seconds_a_byte"], 1 / measurements.BANDWIDTH),
                      (model["ceiling_bytes_per_s"], measurements.CEILING)]:
        assert abs(got["value"] / want - 1) < 0.03
        assert got["low"] < got["value"] < got["high"]
        assert got["low"] * 0.99 < want < got["high"] * 1.01


def test_latency_intervals_cover_the_truth(tmp_path):
    """Of 60 made-up measurements about 95% should hold the truth: at least 50 do, for a and for b."""
    covered = {"seconds_a_read": 0, "seconds_a_byte": 0}
    for seed in range(60):
        rng = random.Random(seed)
        rows = [measurements.header([])]
        for i in range(30):
            rows.append(measurements.trial(rng, "gs://b/s", "tfrecord", 1, 32, 16, i,
                                           rng.choice([1 << 16, 1 << 18, 1 << 20, 1 << 22])))
        (model,) = analyse(tmp_path, rows)["latency"]
        for name, want in {"seconds_a_read": measurements.WAIT_S,
                           "seconds_a_byte": 1 / measurements.BANDWIDTH}.items():
            covered[name] += model[name]["low"] < want < model[name]["high"]
    assert min(covered.values()) >= 50, covered


def test_latency_model_is_statsmodels_robust_regression(tmp_path):
    """With one reader there is no ceiling: then it is RLM on relative errors, reweighted."""
    sm = pytest.importorskip("statsmodels.api")
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(11)
    rows = [measurements.header([])]
    for i in range(50):
        rows.append(measurements.trial(rng, "gs://b/s", "tfrecord", 1, 32, 16, i,
                                       rng.choice([1 << 16, 1 << 18, 1 << 20, 1 << 22]), noise=0.05))
    rows[5]["latency_s"]["mean"] *= 9  # what a robust fit is for
    (model,) = analyse(tmp_path, rows)["latency"]
    size = np.array([r["bytes"] / r["reads"] for r in rows[1:]])
    latency = np.array([r["latency_s"]["mean"] for r in rows[1:]])
    scale = latency.copy()
    for _ in range(12):
        design = np.column_stack([1 / scale, size / scale])
        fit = sm.RLM(latency / scale, design, M=sm.robust.norms.HuberT(1.345)).fit(
            maxiter=200, tol=1e-12)
        scale = fit.params[0] + fit.params[1] * size
    wide = stats.t.ppf(0.975, len(size) - 2)
    for name, k in {"seconds_a_read": 0, "seconds_a_byte": 1}.items():
        assert same(model[name]["value"], fit.params[k]), name
        assert same(model[name]["high"], fit.params[k] + wide * fit.bse[k]), name
    assert abs(model["seconds_a_read"]["value"] / measurements.WAIT_S - 1) < 0.05


def test_a_ceiling_of_requests_is_told_from_one_of_bytes(tmp_path):
    """A store that takes 300 requests a second, and gives 120 MB/s."""
    rng = random.Random(6)
    sizes = {"of requests": [1 << 14, 1 << 16], "of both": [1 << 14, 1 << 16, 1 << 20, 1 << 22]}
    for what, some in sizes.items():
        rows = [measurements.header([])]
        for i in range(160):
            row = measurements.trial(rng, "gs://b/s", "tfrecord", rng.choice([1, 2, 4, 8, 16, 32]),
                                     32, 16, i, rng.choice(some))
            size = row["bytes"] / row["reads"]
            row["latency_s"]["mean"] = (rng.lognormvariate(0, 0.03) *
                                        measurements.seconds_a_read(size, row["readers"], 300))
            rows.append(row)
        found = analyse(tmp_path, rows)
        (model,) = found["latency"]
        assert abs(model["ceiling_reads_per_s"]["value"] / 300 - 1) < 0.03, what
        assert abs(model["seconds_a_read"]["value"] / measurements.WAIT_S - 1) < 0.03, what
        assert "no more than " in " ".join(found["sentences"])
        if what == "of requests":
            assert model["ceiling_bytes_per_s"] is None
        else:
            assert abs(model["ceiling_bytes_per_s"]["value"] / measurements.CEILING - 1) < 0.03


def test_no_ceiling_where_none_was_met(tmp_path):
    rng = random.Random(5)
    rows = [measurements.header([])]
    for i in range(90):
        row = measurements.trial(rng, "gs://b/s", "tfrecord", rng.choice([1, 2, 4]), 32, 16, i,
                                 rng.choice([1 << 16, 1 << 18]), noise=0.1)
        row["latency_s"]["mean"] = (0.02 + row["read_size"] / 50e6) * rng.lognormvariate(0, 0.1)
        rows.append(row)
    found = analyse(tmp_path, rows)
    assert found["latency"][0]["ceiling_bytes_per_s"] is None
    assert "no shared ceiling was met" in " ".join(found["sentences"])


def test_one_size_of_reads_gives_a_latency_but_no_bandwidth(tmp_path):
    rng = random.Random(5)
    rows = [measurements.header([])] + [measurements.trial(rng, "/d", "files", 1, 8, 4, i)
                                        for i in range(9)]
    (model,) = analyse(tmp_path, rows)["latency"]
    assert model["seconds_a_byte"] is None
    want = measurements.seconds_a_read(measurements.IMAGE_BYTES, 1)
    assert abs(model["seconds_a_read"]["value"] / want - 1) < 0.05


# ---- Files against shards ------------------------------------------------------------------------


def test_files_against_shards(rows, found):
    """The ratio of geometric means over equal settings, at each side's best size of reads."""
    stats = pytest.importorskip("scipy.stats")
    (condition,) = found["conditions"]
    cells = defaultdict(list)
    for row in counting(rows):
        cells[row["readers"], row["batch_size"], row["batches"], row["format"],
              row["read_size"]].append(math.log(rate(row)))
    for versus in found["files_against_shards"]:
        gaps, variance = [], 0.0
        for batch_size in 8, 32, 128:
            for batches in 4, 16:
                sides = {}
                for form in "files", "tfrecord":
                    sides[form] = max((v for k, v in cells.items() if k[:4] ==
                                       (versus["readers"], batch_size, batches, form)), key=np.mean)
                gaps.append(np.mean(sides["tfrecord"]) - np.mean(sides["files"]))
                variance += sum(1 / len(v) for v in sides.values())
        assert versus["blocks"] == len(gaps) == 6
        half = stats.t.ppf(0.975, condition["df"]) * condition["log_sd"] * math.sqrt(variance) / 6
        assert same(versus["ratio"]["value"], math.exp(np.mean(gaps)))
        assert same(versus["ratio"]["low"], math.exp(np.mean(gaps) - half))
    assert [v["readers"] for v in found["files_against_shards"]] == [1, 2, 4, 8, 16, 32]


# ---- Executors -----------------------------------------------------------------------------------


def test_executors_at_once(tmp_path):
    """Against the same counted on a fine grid of moments."""
    rows = measurements.concurrent()
    found = analyse(tmp_path, rows)
    trials = rows[1:]
    begin, end = min(r["start_s"] for r in trials), max(r["end_s"] for r in trials)
    moments = np.linspace(begin, end, 200001)[:-1]
    starts, ends = (np.array([r[k] for r in trials])[:, None] for k in ("start_s", "end_s"))
    rates = np.array([r["images"] / (r["end_s"] - r["start_s"]) for r in trials])[:, None]
    under_way = (starts <= moments) & (moments < ends)
    at_once, together = under_way.sum(axis=0), (under_way * rates).sum(axis=0)
    step = (end - begin) / 200000
    assert [level["at_once"] for level in found["executors"]] == [0, 1, 2, 3, 4]
    for level in found["executors"]:
        here = at_once == level["at_once"]
        assert level["seconds"] == pytest.approx(here.sum() * step, abs=0.002)
        assert level["images"] == pytest.approx(together[here].sum() * step, rel=0.05, abs=1)
    assert sum(level["images"] for level in found["executors"]) == \
        pytest.approx(sum(r["images"] for r in trials))
    assert any("4 executors at once" in s for s in found["sentences"])


# ---- Export, several files, bad files ------------------------------------------------------------


def test_csv_has_every_trial(tmp_path, rows):
    changed = [dict(r) for r in rows]
    for row in changed[1:]:
        row["source"] += ' "quoted", with\nline'
    results = measurements.write(tmp_path / "r.jsonl", changed)
    run("report", results, "--no-page", "--csv", tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(changed) - 1
    for got, want in zip(table, changed[1:]):
        assert got["source"] == want["source"] and int(got["readers"]) == want["readers"]
        assert float(got["seconds"]) == want["seconds"]
        assert float(got["images_per_s"]) == pytest.approx(rate(want), rel=1e-12)
        assert float(got["latency_p99_s"]) == want["latency_s"]["p99"]
        assert got["marks"] == " ".join(want["marks"]) and got["device_bytes"] == ""
        assert (got["left_out"] == "") == (want in counting([want]))


def test_several_files_are_one_analysis(tmp_path, rows):
    half = len(rows) // 2
    whole = analyse(tmp_path, rows)
    first = measurements.write(tmp_path / "a.jsonl", rows[:half])
    second = measurements.write(tmp_path / "b.jsonl", [rows[0], *rows[half:]])
    run("report", first, second, "--no-page", "--json", tmp_path / "both.json")
    both = json.loads((tmp_path / "both.json").read_text())
    assert both["cells"] == whole["cells"] and both["regressions"][0]["r2"] == \
        pytest.approx(whole["regressions"][0]["r2"], rel=1e-12)


def test_unknown_fields_and_kinds_are_passed_over(tmp_path, rows, found):
    more = [{**r, "later": {"deep": [1, 2]}} for r in rows] + \
        [{"schema": "shardmill.measure/1", "kind": "what-comes-later"}]
    assert analyse(tmp_path, more)["cells"] == found["cells"]


GOOD = {k: v for k, v in measurements.trial(random.Random(1), "/d", "files", 1, 8, 4, 0).items()}


@pytest.mark.parametrize("line, said", [
    ("{", "line 2 is no JSON"),
    ("[]", "line 2: not an object"),
    ("{}", "no 'schema' and 'kind'"),
    (json.dumps({**GOOD, "schema": "shardmill.measure/9"}), "shardmill.measure/9"),
    (json.dumps({**GOOD, "seconds": 0}), "'seconds'"),
    (json.dumps({**GOOD, "seconds": -1}), "'seconds'"),
    (json.dumps({**GOOD, "images": "many"}), "'images'"),
    (json.dumps({**GOOD, "readers": 0}), "'readers'"),
    (json.dumps({**GOOD, "readers": 2.5}), "'readers'"),
    (json.dumps({**GOOD, "batch_size": 1 << 62}), "'batch_size'"),
    (json.dumps({**GOOD, "marks": "cold"}), "'marks'"),
    (json.dumps({**GOOD, "marks": list("abcdefghijklmnopqrst")}), "'marks'"),
    (json.dumps({k: v for k, v in GOOD.items() if k != "source"}), "'source'"),
    (json.dumps({k: v for k, v in GOOD.items() if k != "bytes"}), "'bytes'"),
    (json.dumps(GOOD).replace('"seconds": ', '"seconds": 1e999, "x": '), "line 2 is no JSON"),
    ('{"kind": "trial", "kind": "run"}', "line 2 is no JSON"),
    ("[" * 100000, "line 2 is no JSON"),
    ('{"a": "\\u0000"}', "line 2 is no JSON"),
    ("\0", "line 2 is no JSON"),
])
def test_bad_lines_are_named(tmp_path, line, said):
    results = tmp_path / "bad.jsonl"
    results.write_text(json.dumps(measurements.header([])) + "\n" + line + "\n")
    error = refused("report", results)
    assert said in error and "bad.jsonl" in error and re.search(r"line 2\b", error)
    assert not (tmp_path / "bad.html").exists()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"PNG"])
def test_what_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    assert "x.jsonl" in refused("report", tmp_path / "x.jsonl")


def test_a_trial_without_its_run_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps(GOOD) + "\n")
    assert "before the line that tells of its run" in refused("report", tmp_path / "x.jsonl")


def test_nothing_counts(tmp_path):
    rows = [measurements.header([]), {**GOOD, "marks": ["served-from-cache"]}]
    found = analyse(tmp_path, rows)
    assert found["used"] == 0 and "no trial that counts" in found["sentences"][0]


def test_numbers_at_their_limits(tmp_path):
    """Nothing but numbers and nulls may come of the largest and the smallest that are allowed."""
    rng = random.Random(1)
    rows = [measurements.header([])]
    for i in range(30):
        row = measurements.trial(rng, "/d", rng.choice(["files", "tfrecord"]), rng.choice([1, 1 << 52]),
                                 rng.choice([1, 1 << 53]), 1, i, 1 << 53)
        row.update(batches=rng.choice([0, 1 << 53]), socket_bytes=0, cpu_user_s=0, cpu_system_s=0,
                   first_batch_s=0, start_s=0, end_s=0, images=rng.choice([0, 1 << 53]), bytes=rng.choice([0, 1 << 53]),
                   seconds=rng.choice([1e-9, 9e15]), reads=rng.choice([0, 1, 1 << 53]))
        row["latency_s"] = dict.fromkeys(["p50", "p95", "p99", "max", "mean"],
                                         rng.choice([0, 1e-300, 9e15]))
        rows.append(row)
    found = analyse(tmp_path, rows)
    assert "nan" not in json.dumps(found).lower() and found["used"] == 30
    run("report", tmp_path / "results.jsonl", "-o", tmp_path / "p.html")
    assert not re.search(r'="[^"]*\b(nan|inf)\b', (tmp_path / "p.html").read_text())
