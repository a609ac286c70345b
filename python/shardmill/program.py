"""Running the program: options into words, its lines of JSON into objects, its errors into exceptions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

Scalar = Union[str, int, float, bool, "os.PathLike[str]"]
Option = Union[None, Scalar, Sequence[Scalar], Mapping[str, Scalar]]
"""A value of an option:

- ``True`` gives ``--name``; ``None`` and ``False`` give nothing, but ``shuffle=False`` and
  ``orient=False``, which are on by default, give ``--no-shuffle`` and ``--no-orient``
- text, a number, a path: ``--name VALUE``
- a list: the option once for each (``conf=["a=1", "b=2"]``)
- a pair of numbers: ``image_size=(320, 240)`` gives ``--image-size 320x240``
- a mapping: ``split={"train": 0.9, "val": 0.1}`` gives ``--split train=0.9,val=0.1``, and
  ``conf={"a": 1}`` the option once for each
"""

EXIT_USAGE, EXIT_WITH_FAILURES = 2, 3
ON_BY_DEFAULT = frozenset({"shuffle", "orient"})
REPEATED = frozenset({"conf"})


class ShardmillError(RuntimeError):
    """The program failed; the text is its own line for people: the file, the reason, what to do."""


class UsageError(ShardmillError, ValueError):
    """An option or argument that makes no sense."""


@dataclass(frozen=True)
class Progress:
    """How far a run is; pictures of shards that were whole already are left out."""

    inputs_done: int
    inputs_total: int
    failures: int
    bytes_in: int
    bytes_out: int
    seconds: float


OnProgress = Union[bool, Callable[[Progress], object]]
"""True: a line on stderr now and then; False: silence; or what to call with a `Progress`."""


def program() -> str:
    """The path of the program: what the environment variable SHARDMILL names, the one in this package,
    or the one on PATH."""
    named = os.environ.get("SHARDMILL")
    if named:
        return named
    carried = Path(__file__).parent / "bin" / "shardmill"
    if carried.exists():
        return str(carried)
    found = shutil.which("shardmill")
    if found is None:
        raise ShardmillError("there is no shardmill program: neither in the package nor on PATH")
    return found


def version() -> str:
    """The program's version, such as "0.1.0"."""
    return _told("--version").split()[1]


def help(command: str = "pack") -> None:
    """Prints all that a command (pack, verify, measure) can do, with its options."""
    print(_told(command, "--help"), end="")


def _told(*words: str) -> str:
    return subprocess.run([program(), *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def words_of(options: Mapping[str, Option]) -> List[str]:
    """The command line's words for options; see `Option`."""
    words: List[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if name in ON_BY_DEFAULT and isinstance(value, bool):
            words += [] if value else ["--no-" + option[2:]]
        elif isinstance(value, bool) or value is None:
            words += [option] if value else []
        elif isinstance(value, Mapping):
            pairs = [f"{key}={_text(item)}" for key, item in value.items()]
            words += [f"{option}={pair}" for pair in (pairs if name in REPEATED else [",".join(pairs)])]
        elif isinstance(value, (str, int, float, os.PathLike)):
            words.append(f"{option}={_text(value)}")
        elif len(value) == 2 and all(isinstance(item, int) for item in value):
            words.append(f"{option}={value[0]}x{value[1]}")
        else:
            words += [f"{option}={_text(item)}" for item in value]
    return words


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _print_progress(progress: Progress) -> None:
    share = progress.inputs_done / progress.inputs_total if progress.inputs_total else 1.0
    rate = progress.inputs_done / progress.seconds if progress.seconds else 0.0
    print(f"shardmill: {share:4.0%}  {progress.inputs_done:,} of {progress.inputs_total:,} images, "
          f"{rate:,.0f} images/s, {progress.failures:,} failed", file=sys.stderr, flush=True)


class Run:
    """A started program, as a context: left by an exception, it is told to stop, cleanly, and waited for.

    The program has a session of its own, so that Ctrl-C reaches it through us, once.
    """

    def __init__(self, *words: str, on_progress: OnProgress = True, feed: bool = False) -> None:
        self._on_progress = _print_progress if on_progress is True else on_progress
        self.events: List[Dict[str, Any]] = []
        self._said: List[str] = []
        self._fault: Optional[BaseException] = None
        self._process = subprocess.Popen(
            [program(), *words], stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            errors="surrogateescape", start_new_session=True)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass  # it went away with lines unread, which its exit code tells
        try:
            self._process.wait()
        except KeyboardInterrupt:  # asked twice: at once
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._listener.join()
            self._out.close()

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def lines(self) -> Iterator[str]:
        """What it writes on stdout, line by line, until it ends."""
        return iter(self._out)

    def feed(self, line: str) -> bool:
        """Gives it a line on stdin. False when it has ended by itself: `finish` tells why."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.rstrip("\n") + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def finish(self, *good: int) -> int:
        """Waits for the end; returns its exit code. Raises what went wrong unless that is 0 or in good."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
        code = self._process.wait()
        self._listener.join()
        if self._fault is not None:
            raise self._fault
        if code == 0 or code in good:
            return code
        raise (UsageError if code == EXIT_USAGE else ShardmillError)(self._message(code))

    def _message(self, code: int) -> str:
        told = [str(event["message"]) for event in self.events if event.get("event") == "error"]
        if told or self._said:
            return "\n".join(told or self._said)
        return f"shardmill was ended by signal {-code}" if code < 0 else f"shardmill failed with exit code {code}"

    def _listen(self) -> None:
        """Reads stderr to its end: events as JSON, anything else as words."""
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = None
                if not isinstance(event, dict):
                    self._said.append(line.rstrip("\n"))
                elif event.get("event") == "progress":
                    self._tell(event)
                else:
                    self.events.append(event)

    def _tell(self, event: Dict[str, Any]) -> None:
        if not callable(self._on_progress) or self._fault is not None:
            return
        try:
            self._on_progress(Progress(**{name: event[name] for name in Progress.__dataclass_fields__}))
        except BaseException as fault:  # a callback that raises ends the run: finish() raises it
            self._fault = fault
            self._process.send_signal(signal.SIGINT)
