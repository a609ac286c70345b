"""Spark, as it comes in the environments, and a standalone cluster of it on loopback."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import HANG, ROOT

from stores.servers import free_ports

ENVIRONMENTS = [".venv-spark", ".venv", ".venv-bench", ".venv-spark35"]
BIND = ["spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1", "spark.ui.enabled=false"]


def find_spark():
    """The folder of a pyspark package, and the Python of its environment; or None."""
    names = [os.environ["SHARDMILL_SPARK"]] if "SHARDMILL_SPARK" in os.environ else ENVIRONMENTS
    for name in names:
        for home in sorted((ROOT / name).glob("lib/python3.*/site-packages/pyspark")):
            if (home / "bin" / "spark-submit").exists():
                return home, ROOT / name / "bin" / "python"
    return None


@pytest.fixture(scope="session")
def spark_env():
    """The environment in which the program finds Spark."""
    found = find_spark()
    if found is None:
        pytest.skip("no pyspark in " + ", ".join(ENVIRONMENTS))
    home, python = found
    return {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": str(python),
            "SPARK_LOCAL_IP": "127.0.0.1"}


def on(master, *more):
    """The options that run a pack on a master."""
    conf = [word for setting in [*BIND, *more] for word in ("--conf", setting)]
    return ["--engine", "spark", "--master", master, *conf]


class Cluster:
    """A standalone master and its workers."""

    def __init__(self, env, folder, workers=2, cores=1):
        self.env, self.folder, self.children = env, folder, []
        port, page = free_ports(2)
        self.url = f"spark://127.0.0.1:{port}"
        self.start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", page)
        self.workers = [self.start("worker.Worker", "--host", "127.0.0.1", "--cores", cores, "--memory",
                                   "1g", "--webui-port", free_ports()[0], "--work-dir",
                                   folder / f"work{i}", self.url) for i in range(workers)]
        deadline = time.monotonic() + HANG
        while self.page(page).count('"ALIVE"') < workers + 1:  # the master is, too
            if time.monotonic() > deadline:
                self.stop()
                pytest.fail("the cluster did not come up")
            time.sleep(0.2)

    def start(self, name, *args):
        with open(self.folder / f"{len(self.children)}.log", "wb") as log:
            child = subprocess.Popen([f"{self.env['SPARK_HOME']}/bin/spark-class",
                                      f"org.apache.spark.deploy.{name}", *map(str, args)],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                     env={**self.env, "SPARK_DAEMON_MEMORY": "256m"})
        self.children.append(child)
        return child

    @staticmethod
    def page(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/", timeout=5) as page:
                return "".join(page.read().decode().split())
        except OSError:
            return ""

    def piped(self, worker):
        """{shardmill worker's pid: its executor's} of the processes below one of the workers."""
        found = {}
        for executor in children_of(worker.pid):
            for piped in children_of(executor):
                if b"\0worker\0" in command_of(piped):
                    found[piped] = executor
        return found

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
        for child in self.children:
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def children_of(pid):
    try:
        return [int(word) for task in Path(f"/proc/{pid}/task").iterdir()
                for word in (task / "children").read_text().split()]
    except OSError:
        return []


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="session")
def cluster(spark_env, tmp_path_factory):
    made = Cluster(spark_env, tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()
