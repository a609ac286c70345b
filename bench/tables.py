"""Figures as Markdown: tables, goals, and their place in docs/benchmarks.md."""

import statistics


def median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def spread(runs, figure):
    """How far the slowest of the runs is from the fastest, as a share of the median."""
    values = [run[figure] for run in runs]
    return (max(values) - min(values)) / statistics.median(values)


def median_and_quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def count(number):
    return f"{number:,.0f}"


def rate(number):
    """With three digits or more."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def megabytes(number):
    return f"{number / 1e6:,.0f} MB"


def table(head, rows):
    """The first column is words, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


class Goals:
    """What the figures should be, beside what they are."""

    def __init__(self):
        self.rows = []

    def at_least(self, what, value, wanted, show="{:.2f}"):
        self.add(what, value, value >= wanted, "at least " + show.format(wanted), show)

    def at_most(self, what, value, wanted, show="{:.2f}"):
        self.add(what, value, value <= wanted, "at most " + show.format(wanted), show)

    def add(self, what, value, met, wanted, show):
        self.rows.append([what, show.format(value), wanted, "yes" if met else "no"])

    def markdown(self):
        if not self.rows:
            return ""
        return table(["goal", "measured", "wanted", "met"], self.rows) + "\n"


def put_between(text, name, part):
    """Replaces what lies between a part's two markers in a Markdown text."""
    begin, end = f"<!-- {name}: written by bench/run.py -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"no markers for '{name}'")
    return f"{before}{begin}\n{part.strip()}\n{end}{after}" if part else text
