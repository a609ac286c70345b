"""The page of `shardmill report`: what stands in it, that it opens offline in a real browser, and that
whatever the results say stays text."""

import base64
import json
import os
import re
from html.parser import HTMLParser
from itertools import cycle

import pytest

import measurements
from chromium import Browser
from conftest import OK, SHARDMILL, USAGE, refused, run

VOID = {"meta", "br", "img", "link", "input", "hr"}
ELEMENTS = set("""html head meta title style body main header footer section h1 h2 h3 p b span ul li
    div figure table caption thead tbody tr th td bdi code svg g path circle rect text desc""".split())

HOSTILE = ["</script><img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "' onclick='alert(1)",
           "<!-- ", "]]>", "</title></style><script>alert(1)</script>", "&lt;b&gt; &amp; &#60;",
           "\u202eRTL\u202c \ud83d\udca5 \u0007 a\nb", "{{7*7}} ${x}", "%s%n%d", "x" * 5000]


class Reader(HTMLParser):
    """Elements and attributes; fails where tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open[-3:])

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def page_of(folder, rows, *options):
    results = measurements.write(folder / "results.jsonl", rows)
    run("report", results, *options)
    return folder / "results.html"


def hostile(rows):
    """Every text of every row, and of the run, made hostile."""
    texts, names = cycle(HOSTILE), {}
    changed = []
    for row in rows:
        row = json.loads(json.dumps(row))
        for key in "source", "host", "executor", "order", "cache", "version", "command", "started":
            if row.get(key):
                value = names.get((key, row[key])) or names.setdefault((key, row[key]), next(texts))
                row[key] = value + str(len(names)) if key == "source" else value
        if row.get("marks"):
            row["marks"] += HOSTILE[:3]
        if row.get("error"):
            row["error"] = HOSTILE[0]
        for entry in row.get("sources", []):
            entry.update(source=HOSTILE[1], mount=HOSTILE[0], filesystem=HOSTILE[-1])
        if row["kind"] == "run":
            row["cgroup"] = {HOSTILE[0]: HOSTILE[5]}
        changed.append(row)
    return changed


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report"), measurements.grid())


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("hostile"),
                   hostile(measurements.grid()) + hostile(measurements.concurrent()),
                   "--title", HOSTILE[5])


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


# ---- Without a browser ---------------------------------------------------------------------------


def test_the_findings_are_told_and_stand_in_the_page(tmp_path):
    results = measurements.write(tmp_path / "results.jsonl", measurements.grid())
    said = run("report", results).stdout.splitlines()
    assert said[-1] == f"page: {tmp_path / 'results.html'}"
    text = "".join(Reader((tmp_path / "results.html").read_text()).text)
    assert said[0].startswith("Read ") and "images/s" in said[0]
    for sentence in said[:-2]:
        assert sentence in text


def test_every_chart_has_a_title_and_a_table(page):
    text = page.read_text()
    sections = re.findall(r'<section id="([a-z-]+)">(.*?)</section>', text, re.S)
    assert [name for name, _ in sections] == ["heat", "by-readers", "by-batch-size", "versus", "latency",
                                              "model", "regression", "evidence", "settings"]
    for name, body in sections:
        charts = re.findall(r'<svg [^>]*role="img" aria-labelledby="(t\d+) (d\d+)">', body)
        for title, description in charts:
            assert re.search(rf'<title id="{title}">[^<]+</title><desc id="{description}">[^<]+<', body)
        assert ("<table>" in body) or name == "heat"
    labels = re.findall(r'id="(t\d+)"', text)
    assert len(labels) == len(set(labels)) >= 7


def test_nothing_runs_and_nothing_is_loaded(page, hostile_page):
    for path in page, hostile_page:
        reader = Reader(path.read_text(encoding="utf-8"))
        assert {tag for tag, _ in reader.elements} <= ELEMENTS
        for tag, attributes in reader.elements:
            assert not {"src", "href", "srcset", "xlink:href", "action"} & set(attributes)
            assert not [a for a in attributes if a.startswith("on")]
        assert "url(" not in path.read_text() and "@import" not in path.read_text()


def test_hostile_texts_stay_text(hostile_page):
    text = "".join(Reader(hostile_page.read_text(encoding="utf-8")).text)
    for bad in HOSTILE[:6]:
        assert bad in text
    assert "\x07" not in text and "\u202e" in text  # kept, but isolated by <bdi>
    assert "x" * 200 in text


def test_the_same_results_give_the_same_page(tmp_path, page):
    results = measurements.write(tmp_path / "results.jsonl", measurements.grid())
    run("report", results, "-q", "-o", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


@pytest.mark.parametrize("keep", [1, 2, 3, 8])
def test_pages_of_little(tmp_path, keep):
    """One trial, two, a few: every section must know what to say."""
    text = page_of(tmp_path, measurements.grid()[:keep]).read_text()
    Reader(text)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)


def test_failed_trials_alone(tmp_path):
    rows = measurements.grid()[:4]
    for row in rows[1:]:
        row["error"] = "cannot read"
    page_of(tmp_path, rows)


def test_options(tmp_path):
    results = measurements.write(tmp_path / "r", measurements.grid()[:40])
    assert "shardmill report results.jsonl" in run("report", "--help").stdout
    assert run("report", results, "-q", code=OK).stdout == ""
    assert (tmp_path / "r.html").exists()
    refused("report", code=USAGE)
    refused("report", results, "--no-page", "-o", "x.html", code=USAGE)
    assert "not-there" in refused("report", tmp_path / "not-there")
    run("report", results, "--no-page")
    assert "<h1>A title &amp; more</h1>" in \
        (run("report", results, "--title", "A title & more"), tmp_path / "r.html")[1].read_text()


def test_nothing_is_written_on_failure(tmp_path):
    results = measurements.write(tmp_path / "r.jsonl", measurements.grid()[:9])
    refused("report", results, "-o", tmp_path / "no-folder" / "x" / "p.html",
            "--csv", results / "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.jsonl"]


@pytest.mark.parametrize("why", ["damaged", "another library"])
def test_without_lapack_all_else_is_told(tmp_path, why):
    for name in "liblapacke.so.3", "liblapacke.so":
        if why == "damaged":
            (tmp_path / name).write_bytes(b"\x7fELF")
        else:
            (tmp_path / name).symlink_to(SHARDMILL.parent / "libshardmill.so")
    results = measurements.write(tmp_path / "results.jsonl", measurements.grid())
    said = run("report", results, env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}).stdout.splitlines()
    told = [line for line in said if line.startswith("There is no regression: cannot load LAPACK (")]
    assert len(told) == 1 and "install liblapacke (Debian, Ubuntu), lapack (Fedora, Homebrew)" in told[0]
    assert ("liblapacke.so.3" if why == "damaged" else "LAPACKE_dgeqrf") in told[0]
    page = (tmp_path / "results.html").read_text()
    assert page.count("not fitted: cannot load LAPACK (") == 3 and "<h3>Coefficients" not in page
    whole = run("report", results).stdout.splitlines()
    assert [line for line in said if line not in told] == \
        [line for line in whole if not line.startswith("Of the regressions ")]


# ---- In Chromium ---------------------------------------------------------------------------------

CONTRAST = """(() => {
    const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(Number);
        return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
    const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (c !== "rgba(0, 0, 0, 0)") return light(c); } };
    let least = 99;
    for (const e of document.querySelectorAll("h1,h2,p,li,td,th,footer,figcaption,svg .label,svg text")) {
        if (e.getAttribute("style")) continue;  // on a heat map's own colours
        const s = getComputedStyle(e), a = light(e instanceof SVGElement ? s.fill : s.color), b = ground(e);
        least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
    }
    return least; })()"""


def test_it_opens_without_network_or_complaint(browser, page):
    opened = browser.open(page)
    assert opened.requests() == [page.resolve().as_uri()]
    assert opened.complaints() == []
    assert opened.ask("document.scripts.length") == 0


def test_its_charts_are_there(browser, page):
    opened = browser.open(page)
    opened.emulate()
    size = "document.querySelector('#{} svg').getBoundingClientRect().{}"
    for section in "heat", "by-readers", "by-batch-size", "versus", "model", "regression":
        assert opened.ask(size.format(section, "width")) > 300
        assert opened.ask(size.format(section, "height")) > 100
    count = "document.querySelectorAll('{}').length"
    assert opened.ask(count.format("#heat rect.heat")) == 2 * 6 * 3  # formats, readers, batch sizes
    assert opened.ask(count.format("#by-readers svg[role] .dot")) == 2 * 6
    assert opened.ask(count.format("#by-readers svg[role] .bar")) == 2 * 6
    assert opened.ask(count.format("#versus svg[role] .line")) == 2
    assert opened.ask(count.format("#regression svg[role] .dot")) == 321
    assert opened.ask(count.format("#latency tbody tr")) == 12
    # Every mark is drawn within its chart.
    outside = """[...document.querySelectorAll('svg[role] .dot, svg[role] rect')].filter(e => {
        const a = e.getBoundingClientRect(), b = e.closest('svg').getBoundingClientRect();
        return a.left < b.left || a.right > b.right + 1 || a.top < b.top || a.bottom > b.bottom; }).length"""
    assert opened.ask(outside) == 0


def test_texts_of_axes_do_not_overlap(browser, page):
    opened = browser.open(page)
    opened.emulate()
    overlap = """[...document.querySelectorAll('svg[role]')].flatMap(svg => {
        const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
        return boxes.flatMap(([s, a], i) => boxes.slice(i + 1).filter(([, b]) => a.left < b.right - 1 &&
            b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3).map(([t]) => s + '|' + t));
    })"""
    assert opened.ask(overlap) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(browser, page, scheme):
    """WCAG 2's contrast of 4.5, in both colour schemes."""
    opened = browser.open(page)
    opened.emulate(scheme=scheme)
    assert opened.ask(CONTRAST) >= 4.5
    light = opened.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


@pytest.mark.parametrize("width", [380, 800, 1280])
def test_it_fits_the_window(browser, page, hostile_page, width):
    for path in page, hostile_page:
        opened = browser.open(path)
        opened.emulate(width=width)
        assert opened.ask("document.documentElement.scrollWidth") <= width


def test_it_prints_whole(browser, page):
    opened = browser.open(page)
    opened.emulate(media="print")
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollHeight > e.clientHeight + 1).length"
    assert opened.ask(cut) == 0
    pdf = base64.b64decode(opened.call("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 20000


def test_hostile_texts_do_nothing_in_the_browser(browser, hostile_page):
    opened = browser.open(hostile_page)
    assert opened.requests() == [hostile_page.resolve().as_uri()]
    assert opened.complaints() == []
    assert opened.ask("document.scripts.length + document.images.length") == 0
    assert opened.ask("document.title").startswith("</title></style><script>")
    assert opened.ask("document.body.innerText.includes('<img src=x onerror=alert(1)>')")
    attributes = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())" \
                 ".filter(n => n.startsWith('on')).length"
    assert opened.ask(attributes) == 0


def test_executors_along_time(browser, tmp_path):
    rows = measurements.concurrent()
    opened = browser.open(page_of(tmp_path, rows))
    bars = "[...document.querySelectorAll('#concurrency svg rect')].map(r => [+r.getAttribute('x'), " \
           "+r.getAttribute('width'), +r.getAttribute('y')])"
    drawn = opened.ask(bars)
    assert len(drawn) == len(rows) - 1 and len({y for _, _, y in drawn}) == 4
    assert all(width > 1 for _, width, _ in drawn)
    shares = opened.ask("[...document.querySelectorAll('#concurrency tbody tr')].map(r => r.innerText)")
    assert any(line.startswith("4\t") for line in shares)
