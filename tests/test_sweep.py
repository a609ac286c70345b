"""shardmill sweep: one job on every cluster of a space."""

import json
import os
import signal
import subprocess
import time

import pytest
from conftest import HANG, ROOT, SHARDMILL, USAGE, run
from dataproc import spark

SPACE = """
[[instance]]
name = "vm-1"
vcpus = 1
memory_gb = 4
price = 0.05
nodes = [1, 2]
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


def sweep(space, *args, **kwargs):
    return run("sweep", space, "-o", space.parent / "s.jsonl", *args, **kwargs)


def rows(space):
    return [json.loads(line) for line in (space.parent / "s.jsonl").read_text().splitlines()]


def failing(space, tmp_path, *options):
    """A sweep whose clusters never come up; the file count gets a letter a try."""
    up = f"printf x >>{tmp_path}/count; echo no machines today >&2; exit 1"
    return sweep(space, "--up", up, *options, "--", "pack", ROOT / "examples" / "flowers",
                 tmp_path / "out", code=1)


def test_failures_are_rows_and_are_not_run_again(space, tmp_path):
    done = failing(space, tmp_path)
    head, first, second = rows(space)
    assert head["kind"] == "sweep" and head["configurations"] == 2
    for row, nodes in ((first, 1), (second, 2)):
        assert row["schema"] == "shardmill.sweep/1" and row["status"] == "failed"
        assert row["nodes"] == nodes and row["name"] == f"vm-1-x{nodes}"
        assert "no machines today" in row["error"]
    assert "no machines today" in done.stdout
    failing(space, tmp_path)
    assert (tmp_path / "count").read_text() == "xx" and len(rows(space)) == 3
    failing(space, tmp_path, "--retry-failed")
    assert (tmp_path / "count").read_text() == "xxxx" and len(rows(space)) == 5


def test_a_row_that_was_cut_off_is_run_again(space, tmp_path):
    failing(space, tmp_path)
    path = tmp_path / "s.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    failing(space, tmp_path)
    assert (tmp_path / "count").read_text() == "xxx"
    assert [row["kind"] for row in rows(space)] == ["sweep", "configuration", "configuration"]


def test_results_of_another_job_are_refused(space, tmp_path):
    failing(space, tmp_path)
    before = (tmp_path / "s.jsonl").read_bytes()
    done = sweep(space, "--up", "exit 1", "--", "measure", ROOT / "examples" / "flowers", code=1)
    assert "another job" in done.stderr
    assert (tmp_path / "s.jsonl").read_bytes() == before
    (tmp_path / "s.jsonl").write_text("my thesis\n")
    done = failing(space, tmp_path)
    assert "no line of a sweep" in done.stderr
    assert (tmp_path / "s.jsonl").read_text() == "my thesis\n"


def test_what_cannot_be_a_sweep(space, tmp_path):
    run("sweep", space, code=USAGE)
    sweep(space, "--", "verify", tmp_path, code=USAGE)
    sweep(space, "--", "pack", "a", "b", code=USAGE)  # no engine
    sweep(space, "--up", "true", "--", "pack", code=USAGE)
    sweep(space, "--engine", "dataproc", "--up", "true", "--", "pack", "a", "b", code=USAGE)
    sweep(space, "--down", "true", "--engine", "spark", "--", "pack", "a", "b", code=USAGE)


def test_stopped_it_takes_the_cluster_away(space, tmp_path):
    command = [SHARDMILL, "sweep", space, "-o", tmp_path / "s.jsonl", "--up",
               f"touch {tmp_path}/up; sleep 60", "--down", f"touch {tmp_path}/down", "--", "pack",
               ROOT / "examples" / "flowers", tmp_path / "out"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "up").exists():
        time.sleep(0.05)
    other = failing(space, tmp_path)
    assert "another sweep" in other.stderr
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=HANG)
    assert child.returncode == 1 and "stopped" in said
    assert (tmp_path / "down").exists() and [row["kind"] for row in rows(space)] == ["sweep"]


def test_a_sweep_on_spark_and_its_page(space, tmp_path):
    try:
        env = {**os.environ, "SPARK_HOME": str(spark.spark_home())}
    except spark.Absent as reason:
        pytest.skip(str(reason))
    space.write_text(SPACE.replace("[1, 2]", "[1]"))
    done = sweep(space, "--up", "echo 'local[{nodes}]'", "--page", tmp_path / "s.html", "--", "pack",
                 ROOT / "examples" / "flowers", tmp_path / "out", "--shards", "2", env=env)
    assert "vm-1-x1" in done.stdout
    row = rows(space)[1]
    assert row["status"] == "ok" and row["images_per_s"] > 0 and row["seconds"] > 0
    assert row["cost"] == pytest.approx(row["seconds"] * 0.05 / 3600, rel=1e-3)
    (machine,) = row["machines"]  # two tasks, one machine
    assert machine["cores"] >= 1 and machine["over_time"]
    for point in machine["over_time"]:
        assert len(point) == 7 and 0 <= point[1] <= 1.05 and 0 < point[6] < 1
    assert (tmp_path / "out" / "vm-1-x1" / "_SUCCESS").exists()
    page = (tmp_path / "s.html").read_text()
    assert "vm-1-x1" in page and "<svg" in page and "<script" not in page


def hostile(name="<script>alert(1)</script>", **more):
    return {"schema": "shardmill.sweep/1", "kind": "configuration", "name": name, "status": "ok",
            "seconds": 10, "cost": 0.1, "machines": [
                {"id": "a", "host": name, "address": "", "over_time": [[1, 2, 3], "x", [0, .5, 1, 1, 1, 1, 1]]}],
            **more}


def test_a_page_of_anybody_s_results(tmp_path):
    path = tmp_path / "s.jsonl"
    head = {"schema": "shardmill.sweep/1", "kind": "sweep", "command": "pack <b> &", "started": "now"}
    more = hostile("b", seconds=5, cost=0.2, cluster={"received_mb_per_s": 3, "cpu": "much"})
    path.write_text("".join(json.dumps(row) + "\n" for row in (head, hostile(), more)))
    done = run("report", path)
    assert "the cheapest" in done.stdout and "The fastest is b" in done.stdout
    page = (tmp_path / "s.html").read_text()
    assert "<script" not in page and "<b>" not in page.split("<code>")[1].split("</code>")[0]
    for wrong in ('{"schema":"shardmill.sweep/1","kind":"configuration"}', '{"schema":"shardmill.sweep/1",'):
        path.write_text(json.dumps(head, separators=(",", ":")) + "\n" + wrong + "\n")
        run("report", path, code=1)
