"""Trials that others carry out: as lines to workers, and on Spark."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import HANG, ROOT, SHARDMILL, USAGE, lines, refused, run

TRIAL = {"type": "task", "version": 1, "kind": "trial", "id": 5, "batch_size": 10, "batches": 3,
         "readers": 2, "read_size": 0, "repeat": 1, "trial": 7, "seed": 3, "cache": "warm"}


def work(*tasks):
    """What a worker answers to these tasks."""
    text = "".join(json.dumps(task) + "\n" for task in tasks)
    done = subprocess.run([SHARDMILL, "worker"], input=text, capture_output=True, text=True,
                          timeout=HANG)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_worker_answers_a_trial_with_its_row(flowers):
    (result,) = work({**TRIAL, "source": str(flowers)})
    assert (result["type"], result["id"], result["status"]) == ("result", 5, "ok")
    row = result["row"]
    assert row["schema"] == "shardmill.measure/1" and row["images"] == 30 == row["reads"]
    assert (row["trial"], row["repeat"], row["source"]) == (7, 1, str(flowers))


def test_a_trial_that_fails_is_a_row_too(tmp_path):
    (result,) = work({**TRIAL, "source": str(tmp_path / "absent")})
    assert result["status"] == "ok" and "cannot look at" in result["row"]["error"]


@pytest.mark.parametrize("change", [{"source": None}, {"batch_size": 0}, {"readers": 100000},
                                    {"readers": -1}, {"cache": "hot"}, {"read_size": 1 << 40},
                                    {"members": 2, "member": 2}, {"limit_s": -1},
                                    {"start_at": "now"}])
def test_a_task_that_makes_no_sense_is_an_error(flowers, change):
    task = {**TRIAL, "source": str(flowers), **change}
    (result,) = work({key: value for key, value in task.items() if value is not None})
    assert result["status"] == "error" and result["id"] == 5 and result["message"]


def test_members_begin_at_their_moment(flowers):
    import time
    begun = time.time()
    (result,) = work({**TRIAL, "source": str(flowers), "members": 2, "member": 1, "started": begun,
                      "start_at": begun + 1.5})
    row = result["row"]
    assert (row["members"], row["member"]) == (2, 1)
    assert 1.5 <= row["start_s"] <= row["end_s"]


def test_lines_go_out_and_rows_come_back(flowers, tmp_path):
    path = tmp_path / "r.jsonl"
    coordinator = subprocess.Popen(
        [SHARDMILL, "measure", flowers, "--engine", "lines", "-o", path, "-n", "2", "-r", "1,2",
         "--repeat", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)
    tasks = []
    for line in coordinator.stdout:
        task = json.loads(line)
        if task["type"] == "run":
            break
        if task["type"] == "task":
            tasks.append(task)
    assert len(tasks) == 4
    answers = work(*reversed(tasks))  # in any order
    coordinator.stdin.write("".join(json.dumps(answer) + "\n" for answer in answers))
    coordinator.stdin.close()
    said = coordinator.stderr
    reader = threading.Thread(target=said.read)
    reader.start()
    assert [json.loads(line) for line in coordinator.stdout] == [{"type": "end", "status": 0}]
    assert coordinator.wait(timeout=HANG) == 0
    reader.join()
    head, *rows = lines(path)
    assert head["planned"] == 4 == len(rows)
    assert [row["trial"] for row in rows] == [0, 1, 2, 3]
    assert all(row["images"] == 64 and row["seconds"] > 0 for row in rows)


def test_modes_that_make_no_sense_are_refused(flowers):
    for args in (["--mode", "concurrent"], ["--executors", "2"],
                 ["--mode", "concurrent", "--executors", "2"], ["--mode", "both"],
                 ["--engine", "dataproc"], ["--engine", "spark", "--deploy-mode", "cluster"]):
        refused("measure", flowers, *args, code=USAGE)


# ---- Spark ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def spark_env():
    """An environment in which there is a Spark, or the test is skipped."""
    for python in (ROOT / ".venv-bench/bin/python", Path(sys.executable)):
        found = subprocess.run([python, "-c", "import pyspark; print(pyspark.__path__[0])"],
                               capture_output=True, text=True) if python.exists() else None
        if found is not None and found.returncode == 0:
            return {**os.environ, "SPARK_HOME": found.stdout.strip(), "PYSPARK_PYTHON": str(python)}
    pytest.skip("there is no pyspark")


def test_members_overlap_on_spark(flowers, tmp_path, spark_env):
    path = tmp_path / "r.jsonl"
    done = run("measure", flowers, "--engine", "spark", "--master", "local[2]", "--mode",
               "concurrent", "--executors", "2", "-n", "100", "-r", "2", "--repeat", "1", "--cache",
               "warm", "--conf", "spark.ui.enabled=false", "-o", path, env=spark_env)
    head, *rows = lines(path)
    assert head["planned"] == 2 == len(rows)
    assert [(row["member"], row["members"], row["images"]) for row in rows] == [(0, 2, 3200),
                                                                               (1, 2, 3200)]
    assert all(row["executor"] for row in rows)
    for row in rows:
        assert row["end_s"] == pytest.approx(row["start_s"] + row["seconds"], abs=1e-5)
    # They were told to begin at one moment, which each awaited.
    assert abs(rows[0]["start_s"] - rows[1]["start_s"]) < 1
    assert "2 together" in done.stdout and "overlapped" in done.stdout
