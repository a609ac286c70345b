"""examples/cluster/cluster.sh: machines with disks of their own (SHARDMILL_SLOW=1, as root)."""

import os
import subprocess

import pytest
from conftest import ROOT, SHARDMILL, lines

SCRIPT = ROOT / "examples" / "cluster" / "cluster.sh"
DISK = 1500000  # bytes a second


@pytest.fixture
def cluster(spark_env, flowers, tmp_path):
    """What calls the script; two machines of one core with disks that hold the flowers."""
    if os.environ.get("SHARDMILL_SLOW") != "1":
        pytest.skip("it takes a minute: SHARDMILL_SLOW=1 runs it")
    env = {**spark_env, "WORK": str(tmp_path), "DISK": str(DISK)}

    def call(*words, check=True):
        return subprocess.run([SCRIPT, *words], env=env, check=check, text=True, timeout=400,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    if call("check", check=False).returncode != 0:
        pytest.skip(f"'{SCRIPT} check' tells why this machine cannot have such a cluster")
    call.master = call("up", "2", "1", "none", flowers).stdout.split()[-1]
    yield call
    call("down")
    assert str(tmp_path) not in subprocess.run(["losetup", "-a"], check=True, text=True,
                                               stdout=subprocess.PIPE).stdout
    assert not (tmp_path / "shardmill-cluster").exists()


def test_each_machine_counts_its_own_disk(cluster, flowers, tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    cluster("run", SHARDMILL, "pack", tmp_path / "shardmill-cluster" / "disk" / "flowers", "gs://out/set",
            "--shards", "4", "--engine", "spark", "--master", cluster.master, "--metrics", metrics)
    read, taken = {}, {}
    for node in (line for line in lines(metrics) if line["kind"] == "node"):
        samples = node["samples"]
        times, counts = [[sample[field] for sample in samples] for field in (0, 4)]
        known = read.setdefault(node["disks"], [times[0], times[-1], counts[0], counts[-1]])
        read[node["disks"]] = [min(known[0], times[0]), max(known[1], times[-1]),
                               min(known[2], counts[0]), max(known[3], counts[-1])]
        taken[node["id"]] = node["machine"]
    size = sum(path.stat().st_size for path in flowers.rglob("*.jpg"))
    assert len(read) == len(taken) == 2 and len(set(taken.values())) == 1, (read, taken)
    assert size <= sum(last - first for _, _, first, last in read.values()) < 2 * size
    for began, ended, first, last in read.values():
        assert (last - first) / (ended - began) < 1.5 * DISK, (began, ended, first, last)
