"""Measuring, sweeping and choosing on Dataproc: the stand-in's clusters are created, used and deleted."""

import json
import signal
import time

import pytest
from conftest import HANG, run, start

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
    (output,) = (tmp_path / "service").glob("*/*/output.log")
    assert b"\n@shardmill+ " in output.read_bytes()  # they were so long that they came in pieces
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


def three(tmp_path):
    """A space of three clusters of 2 vCPUs each."""
    machines = ("e2-standard-2", "n1-standard-2", "e2-highmem-2")
    one = SPACE.split("[[instance]]")[1]
    space = tmp_path / "three.toml"
    space.write_text("".join("[[instance]]" + one.replace("e2-standard-2", name) for name in machines))
    return space


@pytest.mark.parametrize("dataproc, options", [
    ({"local": True}, ["--max-vcpus", "4"]),
    ({"local": True, "cpu_quota": 4}, []),
], indirect=["dataproc"], ids=["max-vcpus", "the-services-quota"])
def test_clusters_side_by_side_within_a_quota(dataproc, gs, pictures, env, tmp_path, options):
    results = tmp_path / "s.jsonl"
    run("sweep", three(tmp_path), "-o", results, "--parallel-clusters", "3", *options, *PLACE, "--staging",
        gs.url("staging"), "--", "measure", pictures, "-r", "1", "-b", "8", "-n", "1", "--repeat", "1", env=env)
    _, *rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(row["name"] for row in rows) == ["e2-highmem-2-x1", "e2-standard-2-x1", "n1-standard-2-x1"]
    for row in rows:
        assert row["status"] == "ok" and row["images_per_s"] > 0 and row["priced_by"] == "engine"
        (machine,) = row["monitored"]
        assert machine["instance"].endswith("-m") and machine["over_time"][-1][1:] == [0.5, 1, 2, 3, 4]
    assert dataproc.most == 2 and dataproc.most_cpus == 4 and dataproc.created == 3
    assert not dataproc.alive() and not dataproc.problems


def wait_until(true):
    deadline = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@pytest.mark.parametrize("dataproc", [{"local": True, "start_seconds": HANG}], indirect=True)
def test_a_run_that_takes_too_long_has_failed_and_leaves_no_cluster(dataproc, gs, pictures, env, tmp_path):
    (tmp_path / "space.toml").write_text("[[instance]]" + SPACE.split("[[instance]]")[1])
    run("sweep", tmp_path / "space.toml", "-o", tmp_path / "s.jsonl", "--timeout", "2", *PLACE, "--", "pack", pictures,
        gs.url("late"), env=env, code=1)
    _, row = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert row["status"] == "failed" and "longer than --timeout" in row["error"]
    assert dataproc.created == 1
    wait_until(lambda: not dataproc.alive())


@pytest.mark.parametrize("dataproc", [{"local": True, "start_seconds": HANG}], indirect=True)
def test_a_sweep_that_is_stopped_leaves_no_cluster(dataproc, gs, pictures, env, tmp_path):
    sweep = start("sweep", three(tmp_path), "-o", tmp_path / "s.jsonl", "--parallel-clusters", "2", *PLACE, "--",
                  "pack", pictures, gs.url("stopped"), env=env)
    wait_until(lambda: len(dataproc.alive()) == 2)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(timeout=HANG) == 1
    wait_until(lambda: not dataproc.alive())
    assert dataproc.created == 2
