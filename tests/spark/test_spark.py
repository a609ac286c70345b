"""pack --engine spark on a real Spark: the bytes of a local run, and what happens when things die."""

import json
import os
import re
import signal
import subprocess
import tarfile
import time

from conftest import (FAILURES, FATAL, HANG, OK, SHARDMILL, crowd, kill, need_tool, pack, refused, start,
                      tree, wait_until)

from .conftest import children_of, command_of, on

OPTIONS = ["--image-size", "32", "--shards", "6", "--split", "train=0.7,val=0.3"]


def test_local_master(flowers, dst, tmp_path, spark_env):
    """Also: failures are counted, and a crash of the decoder costs one picture."""
    library = need_tool("crash_at.so")
    from test_worker import mark
    (flowers / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    local = pack(flowers, tmp_path / "local", *OPTIONS, code=FAILURES)
    summary = pack(flowers, dst, *OPTIONS, *on("local[2]"), code=FAILURES, env=spark_env)
    assert tree(dst) == tree(tmp_path / "local")
    for key in ("records", "failures", "shards", "bytes_in", "bytes_out", "failure_reasons", "splits"):
        assert summary[key] == local[key]
    assert summary["stage_seconds"]["decode"] > 0

    mark(flowers / "roses" / "bomb.jpg")
    before = {**spark_env, "LD_PRELOAD": str(library)}
    summary = pack(flowers, dst, *OPTIONS, "--overwrite", *on("local[2]"), code=FAILURES, env=before)
    assert summary["failure_reasons"] == {"corrupt": 1, "crashed": 1}


def test_what_spark_refuses_is_told_in_a_line(flowers, dst, spark_env):
    said = refused("pack", flowers, dst, *on("nonsense"), env=spark_env)
    assert "Spark failed: " in said and "aster" in said
    log = re.search(r"is in '(.*)'", said).group(1)
    assert os.path.getsize(log) > 0
    os.remove(log)
    os.rmdir(os.path.dirname(log))
    assert not (dst / "_SUCCESS").exists()


def test_no_spark(flowers, dst, tmp_path):
    env = {**os.environ, "PATH": str(tmp_path), "SPARK_HOME": ""}
    assert "there is no Spark here" in refused("pack", flowers, dst, "--engine", "spark", env=env)
    env["SPARK_HOME"] = str(tmp_path)
    assert "there is no Spark here" in refused("pack", flowers, dst, "--engine", "spark", env=env)


def test_executor_cores_give_one_worker_all_of_them(flowers, dst, tmp_path, spark_env):
    pack(flowers, tmp_path / "local", *OPTIONS)
    process = start("pack", flowers, dst, *OPTIONS, *on("local[2]"), "--executor-cores", "2", env=spark_env)
    words = wait_until(lambda: [command for command in map(command_of, below(process.pid))
                                if b"\0worker\0" in command], process)
    assert words and {command.split(b"\0worker\0")[1] for command in words} == {b"--threads\x002\0"}
    assert process.wait(timeout=HANG) == OK
    assert tree(dst) == tree(tmp_path / "local")


def below(pid):
    """All processes that a process and its children have started."""
    return [found for child in children_of(pid) for found in [child, *below(child)]]


def test_killed_executors(tmp_path, dst, cluster):
    """Each of the workers loses its executor once, in the middle of a shard."""
    src = crowd(tmp_path / "src", 25)
    options = ["--image-size", "256", "--images-per-shard", "100"]
    pack(src, tmp_path / "local", *options)
    # Nothing is packed before both are there: else the first could be through when the other comes.
    both = on(cluster.url, "spark.scheduler.minRegisteredResourcesRatio=1",
              "spark.scheduler.maxRegisteredResourcesWaitingTime=120s")
    process = start("pack", src, dst, *options, *both, "--log-format", "json",
                    env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for worker in cluster.workers:
        piped = wait_until(lambda: cluster.piped(worker), process)
        assert piped, "the run ended too soon"
        for executor in set(piped.values()):
            os.kill(executor, signal.SIGKILL)
    out, said = process.communicate(timeout=HANG)
    assert process.returncode == 0, said
    assert json.loads(out)["records"] == 1500
    assert tree(dst) == tree(tmp_path / "local")
    assert not list(dst.rglob(".*"))


def test_a_stopped_run_goes_on(tmp_path, dst, cluster):
    """Ctrl-C ends the job in the cluster too; kill -9 of the coordinator as well; both are resumed, with
    workers from a bundle."""
    bundle = tmp_path / "worker.tgz"
    with tarfile.open(bundle, "w:gz") as tar:
        tar.add(SHARDMILL, "bin/shardmill")
    src = crowd(tmp_path / "src", 25)
    options = ["--image-size", "256", "--images-per-shard", "100", *on(cluster.url)]
    for number, code in ((signal.SIGINT, FATAL), (signal.SIGKILL, -signal.SIGKILL)):
        process = start("pack", src, dst, *options, env=cluster.env)
        before = len(list(dst.glob("stats/*.json")))
        assert wait_until(lambda: len(list(dst.glob("stats/*.json"))) > before, process)
        assert kill(process, number) == code
        deadline = time.monotonic() + 60
        while any(cluster.piped(worker) for worker in cluster.workers) or drivers():
            assert time.monotonic() < deadline, "the job goes on"
            time.sleep(0.1)
        assert not (dst / "_SUCCESS").exists()
    summary = pack(src, dst, *options, "--worker", bundle, env=cluster.env)
    assert summary["shards_kept"] >= 2
    pack(src, tmp_path / "local", *options[:4])
    assert tree(dst) == tree(tmp_path / "local")


def drivers():
    """Processes of ours that are Spark's driver."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit()
            and b"/shardmill-spark-" in command_of(pid) and b"driver.py" in command_of(pid)
            and is_below_us(int(pid))]


def is_below_us(pid):
    """Whether a process was started by this test run: others may run the same tests."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return f"PYTEST_CURRENT_TEST={os.environ['PYTEST_CURRENT_TEST']}".encode() in environ.read()
    except OSError:
        return False
