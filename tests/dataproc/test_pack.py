"""pack --engine dataproc: the same bytes as here, and nothing left behind."""

import json
import signal
import subprocess
import time

import pytest
from conftest import FATAL, OK, ROOT, SHARDMILL, USAGE, lines, run, shards

LOCAL = pytest.mark.parametrize("dataproc", [{"local": True}], indirect=True)
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
                            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


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


@LOCAL
def test_spot_machines_stand_beside_the_workers_and_have_their_price(dataproc, gs, pictures, env):
    beside = pack(dataproc, pictures, gs.url("out/spot"), *CREATE, "--workers", "0", "--spot", "3", code=USAGE, env=env)
    assert "--workers" in beside.stderr and dataproc.created == 0
    done = pack(dataproc, pictures, gs.url("out/spot"), *CREATE, "--workers", "2", "--spot", "3", env=env)
    config = dataproc.asked[0]["config"]
    assert config["secondaryWorkerConfig"] == {"numInstances": 3, "preemptibility": "SPOT"}
    assert config["workerConfig"]["numInstances"] == 2
    prices = json.loads((ROOT / "src" / "dataproc" / "prices.json").read_text())

    def machine(rates):  # e2-standard-2: 2 vCPUs, 8 GB, 1000 GB of disk by default
        rate = rates["machines"]["e2"]
        return (2 * (rate["vcpu_hour"] + prices["dataproc_per_vcpu_hour"]) + 8 * rate["gb_hour"]
                + 1000 * prices["disks_gb_month"]["pd-standard"] / 730)

    assert f"${3 * machine(prices) + 3 * machine(prices['spot']):.3f} an hour" in done.stderr
    assert prices["spot"]["date"] in done.stderr
    assert dataproc.alive() == [] and dataproc.problems == []


@LOCAL
def test_a_machine_without_a_spot_price_has_no_limit_of_cost(dataproc, gs, pictures, env):
    done = pack(dataproc, pictures, gs.url("out/costly"), "--create", "--machine-type", "c2-standard-4", "--spot", "2",
                "--max-cost", "5", code=USAGE, env=env)
    assert "--max-cost" in done.stderr and dataproc.created == 0


@LOCAL
def test_cloud_monitoring_is_a_supplement(dataproc, gs, pictures, env, tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    began = time.time()
    pack(dataproc, pictures, gs.url("out/watched"), *CREATE, "--workers", "2", "--metrics", metrics, env=env)
    seen = [line for line in lines(metrics) if line["kind"] == "monitoring"]
    (names,) = dataproc.machines.values()
    assert [machine["instance"] for machine in seen] == names and len(names) == 3
    for machine in seen:
        assert machine["over_time"]
        for moment, *values in machine["over_time"]:
            assert began - 60 < moment < time.time() + 1 and values == [0.5, 1e6, 2e6, 3e6, 4e6]
    dataproc.monitoring_allowed = False
    done = pack(dataproc, pictures, gs.url("out/unwatched"), *CREATE, "--metrics", metrics, env=env)
    assert "without Cloud Monitoring" in done.stderr and "monitoring.timeSeries.list" in done.stderr
    assert [line["kind"] for line in lines(metrics)] == ["node"] * 4 + ["run"]
    assert dataproc.problems == []
