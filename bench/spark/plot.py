"""Draws what sweep.py found: OUT.json becomes OUT.svg."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "shardmill"  # the same figures, the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
import matplotlib.pyplot as plt  # noqa: E402

for path in map(Path, sys.argv[1:]):
    found = json.loads(path.read_text())
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, points in found["series"].items():
        where = [str(x) for x, _ in points]
        if found["log"]:
            axes.plot(where, [rate for _, rate in points], marker="o", label=name)
        else:
            axes.bar(where, [rate for _, rate in points], label=name)
    axes.set(title=found["title"], xlabel=found["x"], ylabel="images/s, once the context is up")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
