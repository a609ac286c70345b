"""pack --engine dataproc: the same bytes as here, and nothing left behind."""

import signal
import subprocess
import time

import pytest
from conftest import FATAL, OK, SHARDMILL, USAGE, run, shards

CREATE = ["--create", "--machine-type", "e2-standard-2", "--max-idle", "10m", "--max-age", "1h"]


def ledger(tmp_path):
    return sorted(path.name for path in (tmp_path / "state").glob("shardmill/dataproc/*"))


def pack(service, pictures, dst, *options, code=OK, env=None):
    return run("pack", pictures, dst, "--shards", "4", "--engine", "dataproc", "--project",
               service.project, "--region", service.region, *options, code=code, env=env)


def test_the_bytes_are_those_of_a_local_run(dataproc, gs, pictures, env, tmp_path):
    local = tmp_path / "local"
    run("pack", pictures, local, "--shards", "4", env=env)
    done = pack(dataproc, pictures, gs.url("out/one"), *CREATE, env=env)
    made = {path.name: path.read_bytes() for path in local.iterdir() if path.is_file()}
    made.pop("plan.json")  # it names the versions of the inputs as their store counts them
    assert len(shards(local)) == 4 and "_SUCCESS" in made
    assert {name: gs.get(f"out/one/{name}") for name in made} == made
    assert "an hour" in done.stderr
    assert dataproc.alive() == [] and ledger(tmp_path) == []
    assert dataproc.created == 1 and dataproc.problems == []
    # A second run has nothing to do, and makes no cluster for it.
    pack(dataproc, pictures, gs.url("out/one"), *CREATE, env=env)
    assert dataproc.created == 1


def test_refusals_name_what_to_do(dataproc, gs, pictures, env, tmp_path):
    dst = gs.url("out/none")
    assert "--project" in run("pack", pictures, dst, "--engine", "dataproc", code=USAGE, env=env).stderr
    assert "--create" in pack(dataproc, pictures, dst, code=USAGE, env=env).stderr
    assert "no workers" in pack(dataproc, pictures, dst, "--create", "--workers", "1", code=USAGE, env=env).stderr
    quota = pack(dataproc, pictures, dst, *CREATE, "--workers", "100", code=FATAL, env=env)
    assert "Insufficient 'CPUS' quota" in quota.stderr
    absent = pack(dataproc, pictures, dst, "--cluster", "none", code=FATAL, env=env)
    assert "none" in absent.stderr
    dataproc.fail_next_cluster = "Insufficient capacity in zone"
    failed = pack(dataproc, pictures, dst, *CREATE, code=FATAL, env=env)
    assert "Insufficient capacity in zone" in failed.stderr
    assert dataproc.alive() == [] and ledger(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_deletes_the_cluster(dataproc, gs, pictures, env, number):
    child = start(dataproc, pictures, gs.url(f"out/signal{number}"), env)
    wait_until(lambda: dataproc.alive())
    child.send_signal(number)
    assert child.wait(60) != 0
    wait_until(lambda: not dataproc.alive())


def start(service, pictures, dst, env):
    return subprocess.Popen([SHARDMILL, "pack", pictures, dst, "--shards", "4", "--engine", "dataproc",
                             "--project", service.project, "--region", service.region, *CREATE],
                            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def test_gc_deletes_what_a_killed_run_left(dataproc, gs, pictures, env, tmp_path):
    child = start(dataproc, pictures, gs.url("out/killed"), env)
    wait_until(lambda: dataproc.alive())
    in_use = run("dataproc", "gc", env=env).stdout
    assert "in use by a run here" in in_use and dataproc.alive()
    child.kill()
    child.wait()
    other = {**env, "XDG_STATE_HOME": str(tmp_path / "other")}
    place = ("--project", dataproc.project, "--region", dataproc.region)
    assert "made on another machine" in run("dataproc", "gc", *place, env=other).stdout
    assert len(ledger(tmp_path)) == 1 and dataproc.alive()
    assert "1 deleted, 0 left" in run("dataproc", "gc", env=env).stdout
    assert dataproc.alive() == [] and ledger(tmp_path) == []


def test_faults_and_an_expired_token_on_the_way(dataproc, gs, pictures, env, tmp_path):
    dataproc.faults = ["503", "lost", "reset", None, "429", None, None, "lost", None, "503"]
    child = start(dataproc, pictures, gs.url("out/faults"), env)
    wait_until(lambda: dataproc.jobs)
    dataproc.expire_token()
    assert child.wait(240) == 0
    assert dataproc.created == 1 and dataproc.tokens_given >= 2
    assert dataproc.alive() == [] and dataproc.problems == []
