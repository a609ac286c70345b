"""pack --engine spark on a real Kubernetes: API server, scheduler, kubelet, containerd (SHARDMILL_SLOW=1, as root).

The first run builds Kubernetes and an image, in some twenty minutes; they are kept.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD, FATAL, HANG, OK, SHARDMILL, crowd, kill, tree, wait_until

SCRIPT = Path(__file__).with_name("cluster.sh")
PICTURES, SHARDS = 2400, 24


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory):
    if os.environ.get("SHARDMILL_SLOW") != "1":
        pytest.skip("it takes minutes: SHARDMILL_SLOW=1 runs it")
    folder = tmp_path_factory.mktemp("kubernetes")
    pictures = crowd(folder / "pictures", PICTURES // 60)
    cluster = Cluster(folder)
    built = cluster.call("build", check=False, stderr=subprocess.PIPE)
    if built.returncode != 0:
        pytest.skip(f"no Kubernetes: {built.stderr.strip()[-300:]}")
    try:
        cluster.master = cluster.call("up", pictures).stdout.split()[-1]
        cluster.run("pack", "gs://pictures", folder / "wanted", "--shards", SHARDS, "-q")
        yield cluster
    finally:
        cluster.call("down")


class Cluster:
    def __init__(self, folder):
        self.folder, self.master = folder, None
        self.upload = folder / "upload"
        self.env = {**os.environ, "WORK": str(folder)}
        self.bundle = next(iter((BUILD / "portable").glob("shardmill-worker-*.tgz")), None)

    def call(self, *words, check=True, **kwargs):
        return subprocess.run([SCRIPT, *map(str, words)], env=self.env, check=check, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **kwargs)

    def run(self, *words, code=OK):
        done = self.call("run", SHARDMILL, *words, check=False, stderr=subprocess.PIPE, timeout=HANG)
        assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def pack(self, dst, *options, start=None, code=OK):
        """Packs through Spark, with the driver here unless the options say otherwise."""
        words = ["pack", "gs://pictures", dst, "--shards", SHARDS, "--log-format", "json", "--engine", "spark",
                 "--master", self.master, *options]
        if start is None:
            return self.run(*words, code=code)
        return subprocess.Popen([SCRIPT, "run", SHARDMILL, *map(str, words)], env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def in_the_cluster(self):
        """Options: the driver too is a pod, and gets its files through a folder that all nodes have."""
        self.upload.mkdir(exist_ok=True)
        volume = "spark.kubernetes.driver.volumes.hostPath.upload"
        conf = [f"spark.kubernetes.file.upload.path=file://{self.upload}", f"{volume}.mount.path={self.upload}",
                f"{volume}.options.path={self.upload}"]
        return ["--deploy-mode", "cluster", *[word for setting in conf for word in ("--conf", setting)]]

    def kubectl(self, *words):
        return self.call("run", "kubectl", *words).stdout

    def pods(self, role):
        """{name: phase} of the pods that are not about to go."""
        found = json.loads(self.kubectl("get", "pods", "-l", f"spark-role={role}", "-o", "json"))["items"]
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in found
                if "deletionTimestamp" not in pod["metadata"]}

    def finished(self, name):
        """How many shards of gs://out/NAME are there."""
        return len(list((self.folder / "shardmill-kubernetes/store/out" / name / "stats").glob("*.json")))

    def is_right(self, dst, folder):
        self.run("cp", "-r", dst, folder)
        return tree(folder) == tree(self.folder / "wanted")


@pytest.fixture
def portable(kubernetes):
    """The worker for images that lack our libraries, as the option for it."""
    if kubernetes.bundle is None:
        pytest.skip("no portable build: make portable makes it")
    return ["--worker", kubernetes.bundle]


def test_the_bytes_of_a_local_run(kubernetes, portable, tmp_path):
    summary = json.loads(kubernetes.pack("gs://out/client", *portable).stdout)
    assert summary["records"] == summary["images_in"] == PICTURES
    assert kubernetes.is_right("gs://out/client", tmp_path)
    assert not kubernetes.pods("executor")


def test_a_killed_executor(kubernetes, portable, tmp_path):
    process = kubernetes.pack("gs://out/killed", *portable, start=True)
    assert wait_until(lambda: kubernetes.finished("killed"), process)
    victim = next(name for name, phase in kubernetes.pods("executor").items() if phase == "Running")
    kubernetes.kubectl("delete", "pod", victim, "--force", "--grace-period=0")
    assert kubernetes.finished("killed") < SHARDS, "it was too late to kill"
    said = process.communicate(timeout=HANG)
    assert process.returncode == OK, said
    assert json.loads(said[0])["records"] == PICTURES
    assert kubernetes.is_right("gs://out/killed", tmp_path)


def test_the_driver_in_the_cluster(kubernetes, portable, tmp_path):
    summary = json.loads(kubernetes.pack("gs://out/cluster", *portable, *kubernetes.in_the_cluster()).stdout)
    assert summary["records"] == PICTURES
    assert kubernetes.is_right("gs://out/cluster", tmp_path)
    assert not kubernetes.pods("executor") and set(kubernetes.pods("driver").values()) == {"Succeeded"}


def test_a_program_that_the_image_cannot_run(kubernetes):
    """Without the portable build, the shared libraries are missing."""
    libraries = subprocess.run(["ldd", SHARDMILL], check=True, text=True, stdout=subprocess.PIPE).stdout
    if "libjansson" not in libraries:
        pytest.skip("this build has no shared libraries")
    said = kubernetes.pack("gs://out/unable", code=FATAL).stderr
    assert "make portable" in said and f"-of-{SHARDS:05}" in said
    assert not kubernetes.pods("executor")
    said = kubernetes.pack("gs://out/unable", *kubernetes.in_the_cluster(), code=FATAL).stderr
    (pod,) = (name for name, phase in kubernetes.pods("driver").items() if phase == "Failed")
    assert f"kubectl logs --namespace default {pod}" in said
    assert "make portable" in kubernetes.kubectl("logs", pod)


@pytest.mark.parametrize("where", ["here", "there"])
def test_an_interrupted_run_leaves_no_pods(kubernetes, portable, where):
    options = kubernetes.in_the_cluster() if where == "there" else []
    name = f"interrupted-{where}"
    process = kubernetes.pack(f"gs://out/{name}", *portable, *options, start=True)
    assert wait_until(lambda: kubernetes.finished(name), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANG)
    assert process.returncode == FATAL
    assert "Running" not in kubernetes.pods("driver").values()
    patience = subprocess.Popen(["sleep", str(HANG)])
    assert wait_until(lambda: not kubernetes.pods("executor"), patience)
    kill(patience)
