"""Measuring, sweeping and choosing on Dataproc: the stand-in's clusters are created, used and deleted."""

import json

from conftest import run

PLACE = ["--engine", "dataproc", "--project", "tests", "--region", "europe-west1"]
SPACE = """
[[instance]]
name = "e2-standard-2"
vcpus = 2
memory_gb = 8
price = 0.067
nodes = [1]
[[instance]]
name = "x9-giant-2"
vcpus = 2
memory_gb = 8
price = 1
nodes = [1]
"""


def test_measure_makes_a_cluster_and_deletes_it(dataproc, gs, pictures, env, tmp_path):
    run("measure", pictures, "-r", "2", "-b", "8", "-n", "2", "--repeat", "1", "-o", tmp_path / "m.jsonl",
        *PLACE, "--create", "--machine-type", "e2-standard-2", "--workers", "0", "--staging",
        gs.url("staging"), env=env)
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    trials = [row for row in rows if row["kind"] == "trial"]
    assert trials and all(row["images"] == 16 and row["executor"] for row in trials)
    assert dataproc.created == 1 and not dataproc.alive() and not dataproc.problems


def test_a_sweep_creates_each_cluster_and_leaves_none(dataproc, gs, pictures, env, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    run("sweep", tmp_path / "space.toml", "-o", tmp_path / "s.jsonl", *PLACE, "--", "pack", pictures,
        gs.url("swept"), "--shards", "2", env=env, code=3)
    _, good, bad = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert good["status"] == "ok" and good["priced_by"] == "engine" and good["cost"] > 0
    assert good["waited_s"] > 0 and good["machines"] and good["seconds"] < good["wall_s"]
    assert bad["status"] == "failed" and "machine type" in bad["error"]
    assert not dataproc.alive() and not dataproc.problems
    assert "swept/e2-standard-2-x1/_SUCCESS" in gs.keys("swept/")


def test_choose_tries_on_a_sample(dataproc, gs, pictures, env, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE.replace("x9-giant-2", "e2-standard-4"))
    done = run("choose", tmp_path / "space.toml", "--sample", "50%", "--max-trials", "1", *PLACE, "--state",
               tmp_path / "state.json", "--", "pack", pictures, gs.url("tried"), "--image-size", "32", env=env)
    assert "1 of 2 candidates tried" in done.stdout
    (trial,) = json.loads((tmp_path / "state.json").read_text())["trials"]
    assert trial["outcome"] == "ok" and trial["seconds"] > 0 and trial["cost"] > 0
    assert dataproc.created == 1 and not dataproc.alive() and not dataproc.problems
