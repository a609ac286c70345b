"""The Python environment of the peers, and which of them can run here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
REQUIREMENTS = BENCH / "requirements.txt"
ENVIRONMENT = BENCH.parent / ".venv-bench"
PYTHON = ENVIRONMENT / "bin" / "python"

# What each needs of requirements.txt; the first is the package whose version is reported.
NEEDS = {
    "tfdata": ["tensorflow-cpu"],
    "opencv_pool": ["opencv-python-headless"],
    "pillow_pool": ["pillow"],
    "spark_tf": ["pyspark", "tensorflow-cpu"],
    "img2dataset_run": ["img2dataset"],
}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def pip(*arguments):
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


def install():
    """Installs all of requirements.txt, or as much of it as can be had."""
    stamp = ENVIRONMENT / "installed-requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("installing the peers into .venv-bench (some minutes the first time)")
    subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    (ENVIRONMENT / ".gitignore").write_text("*\n")
    if pip("-r", REQUIREMENTS):
        stamp.write_text(wanted)
        return
    say("not all of bench/requirements.txt can be had together; trying one after the other")
    for line in wanted.splitlines():
        if line and not line.startswith("#") and not pip(line):
            say(f"cannot be had: {line}")


def versions():
    """{package: version} of what is installed."""
    code = ("import importlib.metadata as m, json; "
            "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version "
            "for d in m.distributions()}))")
    if not PYTHON.exists():
        return {}
    done = subprocess.run([PYTHON, "-c", code], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def java_version():
    """Java's major version; 0 without it."""
    if shutil.which("java") is None:
        return 0
    told = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True).stderr
    number = told.partition('"')[2].partition(".")[0]
    return int(number) if number.isdigit() else 0


def why_not(peer, installed):
    """Why a peer cannot run here; None when it can."""
    missing = [package for package in NEEDS[peer] if package not in installed]
    if missing:
        return f"{' and '.join(missing)} could not be installed for Python " \
               f"{sys.version_info.major}.{sys.version_info.minor}"
    if peer == "spark_tf" and java_version() < 17:
        return "PySpark 4 needs Java 17 or newer"
    return None
