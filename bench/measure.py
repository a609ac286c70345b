"""Runs a program and tells how long it took and how much memory it and its children had."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

LIMIT_SECONDS = 1200
SAMPLE_SECONDS = 0.05


class Failed(Exception):
    """A program that ended badly, or without the line that was wanted of it."""


@dataclass
class Outcome:
    seconds: float   # of the whole process, from its start to its end
    peak_bytes: int
    text: str        # what it wrote to standard output
    line: dict       # the last line of it, when that is JSON


def processes_of_session(session):
    """The processes that a program started, however they are related by now."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[3]) == session:
            yield name


def memory_of(pid):
    """A process's share of memory: what it has together with others counts in parts."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Sampler:
    """Looks at a session's memory again and again. It takes time that the program lacks then, so
    only runs that are not counted are watched like this."""

    def __init__(self, session):
        self.peak = 0
        self.session = session
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.stop.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(memory_of, processes_of_session(self.session))))

    def end(self):
        self.stop.set()
        self.thread.join()
        return self.peak


def last_line(text):
    """The JSON object on the last line; an empty one when there is none."""
    lines = text.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    return json.loads(lines[-1])


def run(command, stdin=None, sample=False):
    """Runs a command to its end. stdin is a file's path."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            open(stdin or os.devnull, "rb") as given:
        began = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], stdin=given, stdout=out,
                                 stderr=err, start_new_session=True)
        limit = threading.Timer(LIMIT_SECONDS, os.killpg, (child.pid, signal.SIGKILL))
        limit.start()
        sampler = Sampler(child.pid) if sample else None
        try:
            # Of the process tree, ru_maxrss is the largest process alone. It is exact where there
            # is one, and what the sampler missed where a program ends at once.
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - began
            child.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            limit.cancel()
            peak = sampler.end() if sampler else 0
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        if child.returncode != 0:
            told = err.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"exit code {child.returncode}: {told[-1] if told else 'no word why'}")
    return Outcome(seconds, max(peak, usage.ru_maxrss * 1024), text, last_line(text))
