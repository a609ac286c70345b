"""A real Spark standalone cluster, and real spark-submit: what the stand-in's clusters are made of."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

PATIENCE = 120  # seconds until a cluster is up, on a busy machine
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # for JVMs that live some seconds


class Absent(Exception):
    """Why there is no Spark here."""


def spark_home():
    """Where Spark lies: SPARK_HOME, or the pyspark package of one of the test environments."""
    if shutil.which("java") is None:
        raise Absent("no java")
    root = Path(__file__).resolve().parents[2]
    homes = [Path(os.environ["SPARK_HOME"])] if "SPARK_HOME" in os.environ else []
    for environment in (".venv-spark", ".venv", ".venv-bench"):
        homes += sorted((root / environment).glob("lib/python3*/site-packages/pyspark"))
    for home in homes:
        if (home / "bin" / "spark-submit").exists():
            return home
    raise Absent("no Spark: neither SPARK_HOME nor pyspark in .venv-spark")


def _python(home):
    """The interpreter that goes with a pyspark package."""
    python = home.parents[3] / "bin" / "python"
    return str(python if python.exists() else shutil.which("python3"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SparkCluster:
    """A master and workers; each worker has the cores that its machine type has. env is what the
    machines of the cluster have in their environment; unwanted() ends the wait for them. A cluster
    that is local has no JVMs but those of its jobs: they run in Spark's local mode, with as many cores.
    java are more options of the jobs' JVMs."""

    def __init__(self, folder, workers, cores, env, unwanted=lambda: False, local=False, java=""):
        self.folder, self.home = Path(folder), spark_home()
        self.folder.mkdir(parents=True)
        self.java = f"{BRIEF} {java}"
        self.port, self.page = free_port(), free_port()
        self.master = f"local[{workers * cores}]" if local else f"spark://127.0.0.1:{self.port}"
        self.env = {**os.environ, **env, "SPARK_HOME": str(self.home), "SPARK_LOCAL_IP": "127.0.0.1",
                    "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": BRIEF,
                    "SPARK_LAUNCHER_OPTS": BRIEF, "PYSPARK_PYTHON": _python(self.home),
                    "PYSPARK_DRIVER_PYTHON": _python(self.home)}
        self.children = []
        if local:
            return
        self._start("master", "Master", "--host", "127.0.0.1", "--port", str(self.port),
                    "--webui-port", str(self.page))
        for number in range(workers):
            self._start(f"worker-{number}", "Worker", "--host", "127.0.0.1", "--cores", str(cores),
                        "--memory", "1g", "--work-dir", str(self.folder / f"work-{number}"),
                        "--webui-port", str(free_port()), self.master)
        self._wait(workers, unwanted)

    def _start(self, name, kind, *args):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.children.append(subprocess.Popen(
                [self.home / "bin" / "spark-class", f"org.apache.spark.deploy.{kind.lower()}.{kind}",
                 *args], env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True))

    def _alive(self):
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as reply:
                state = json.load(reply)
            return sum(worker["state"] == "ALIVE" for worker in state["workers"])
        return 0

    def _wait(self, workers, unwanted):
        deadline = time.monotonic() + PATIENCE
        while self._alive() < workers:
            dead = any(child.poll() is not None for child in self.children)
            if time.monotonic() > deadline or dead or unwanted():
                self.stop()
                raise RuntimeError(f"Spark did not come up: see {self.folder}")
            time.sleep(0.2)

    def submit(self, folder, main, args, files, archives, properties, log):
        """Starts spark-submit in a folder of its own; returns the process."""
        command = [self.home / "bin" / "spark-submit", "--master", self.master,
                   "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1",
                   "--conf", "spark.executor.memory=600m", "--driver-memory", "600m",
                   "--conf", f"spark.driver.extraJavaOptions={self.java}",
                   "--conf", f"spark.executor.extraJavaOptions={BRIEF}"]
        for key, value in properties.items():
            command += ["--conf", f"{key}={value}"]
        if files:
            command += ["--files", ",".join(map(str, files))]
        if archives:
            command += ["--archives", ",".join(map(str, archives))]
        with open(log, "wb") as out:
            return subprocess.Popen([*command, str(main), *args], cwd=folder, env=self.env,
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                    start_new_session=True)

    def stop(self):
        for child in self.children:
            end(child)


def end(child):
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
