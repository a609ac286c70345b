"""Three runs of bench/spark/kills.py: a cluster of workers with addresses of their own, over an object
store, with speculation, and each run loses an executor. Minutes; so only with SHARDMILL_SLOW=1."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT, SHARDMILL

SCRIPTS = ROOT / "bench" / "spark"


def test_each_run_loses_an_executor(spark_env):
    if os.environ.get("SHARDMILL_SLOW") != "1":
        pytest.skip("it takes minutes: SHARDMILL_SLOW=1 runs it")
    script = "import sys, kills; print(kills.why_not() or '')"
    reason = subprocess.run([sys.executable, "-c", script], cwd=SCRIPTS, check=True,
                            capture_output=True, text=True).stdout.strip()
    if reason:
        pytest.skip(reason)
    env = {**spark_env, "SHARDMILL": str(SHARDMILL)}
    done = subprocess.run([sys.executable, SCRIPTS / "kills.py", "--runs", "3", "--pictures", "800"],
                          env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0 and "3 of 3 right" in done.stdout, done.stdout + done.stderr
