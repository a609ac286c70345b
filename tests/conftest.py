"""What the whole-program tests share: running the program, folders of pictures, reading back.

The program is build/shardmill, or what the environment variable SHARDMILL names. Pictures come from
../shared beside the checkout where it exists, else from examples/flowers.
"""

import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import time
from collections import namedtuple
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SHARDMILL = Path(os.environ.get("SHARDMILL", BUILD / "shardmill")).resolve()
EXAMPLES = ROOT / "examples" / "flowers"
CLASSES = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]

OK, FATAL, USAGE, FAILURES = 0, 1, 2, 3  # exit codes

# Far more than anything here takes, also under sanitizers on a busy machine: only a hang meets it.
HANG = 300


def shared(name):
    """../shared/NAME, or None."""
    path = ROOT.parent / "shared" / name
    return path if path.exists() else None


def need_shared(name):
    """../shared/NAME, or the test is skipped."""
    path = shared(name)
    if path is None:
        pytest.skip(f"../shared/{name} is not there")
    return path


def need_tool(name):
    """build/tests/NAME, or the test is skipped."""
    path = BUILD / "tests" / name
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT)} is not built")
    return path


def run(*args, code=OK, **kwargs):
    """Runs shardmill; fails unless it exits with code. Output is text, odd bytes escaped."""
    done = subprocess.run([SHARDMILL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="surrogateescape",
                          timeout=HANG, **kwargs)
    assert done.returncode == code, \
        f"exit {done.returncode}, not {code}: {args}\n{done.stdout}{done.stderr}"
    return done


def pack(*args, code=OK, **kwargs):
    """Packs and returns the summary; its sums are checked every time."""
    summary = json.loads(run("pack", *args, "--log-format", "json", code=code, **kwargs).stdout)
    assert summary["images_in"] == summary["records"] + summary["failures"]
    assert summary["found"] == summary["images_in"] + summary["skipped"]
    assert sum(summary["failure_reasons"].values()) == summary["failures"]
    assert sum(summary["skip_reasons"].values()) == summary["skipped"]
    return summary


def refused(*args, code=FATAL, **kwargs):
    """Runs what must fail without a summary; returns what it said on stderr."""
    done = run(*args, code=code, **kwargs)
    assert done.stdout == ""
    assert done.stderr.strip(), "it fails in silence"
    return done.stderr


def start(*args, **kwargs):
    """Starts shardmill and returns at once; output goes nowhere unless asked for."""
    kwargs.setdefault("stdout", subprocess.DEVNULL)
    kwargs.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.Popen([SHARDMILL, *args], stdin=subprocess.DEVNULL, **kwargs)


def wait_until(condition, process):
    """Waits until condition() holds, and returns what it gave, for the next call may give another;
    False when the process ended before."""
    deadline = time.monotonic() + HANG
    while not (found := condition()):
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    return found


def kill(process, number=signal.SIGKILL):
    """Sends the signal and waits for the end; returns the exit code."""
    process.send_signal(number)
    return process.wait(timeout=HANG)


# ---- Folders -------------------------------------------------------------------------------------


def tree(folder):
    """Every file below folder: {relative path: bytes}."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def shards(folder, split=None):
    """The shards under their final names, in order."""
    return sorted(Path(folder).glob(f"*-{split or '*'}.tfrecord-?????-of-?????*"))


def lines(path):
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def vector_code():
    """What --version is to say, by what Linux says of the processor."""
    if platform.machine() == "aarch64":
        return "neon"
    text = Path("/proc/cpuinfo").read_text()
    found = set(text.partition("flags")[2].partition("\n")[0].split())
    avx2 = {"avx2", "bmi1", "bmi2", "popcnt"}
    avx512 = avx2 | {"avx512f", "avx512bw", "avx512vl", "avx512cd", "avx512vbmi", "avx512_vbmi2", "avx512_vnni"}
    return "avx512" if avx512 <= found else "avx2" if avx2 <= found else "portable"


def crowd(folder, copies):
    """The example pictures many times over (links, so that it costs nothing), for longer runs."""
    for picture in EXAMPLES.glob("*/*.jpg"):
        (folder / picture.parent.name).mkdir(parents=True, exist_ok=True)
        for i in range(copies):
            (folder / picture.parent.name / f"{i:03}-{picture.name}").symlink_to(picture)
    return folder


@pytest.fixture
def flowers(tmp_path):
    """The 60 example pictures, to be changed at will, without their licence file."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "flowers",
                                ignore=shutil.ignore_patterns("LICENSE.txt")))


@pytest.fixture
def dst(tmp_path):
    """A folder to pack into, not there yet."""
    return tmp_path / "set"


# ---- Reading back, without TensorFlow: the tests that hold it against TensorFlow are test_tf_*.py --


Record = namedtuple("Record", "offset data")


def read_tfrecord(path):
    """The records of an uncompressed TFRecord file; checksums are for TensorFlow and verify."""
    data = Path(path).read_bytes()
    offset, records = 0, []
    while offset < len(data):
        (size,) = struct.unpack_from("<Q", data, offset)
        records.append(Record(offset, data[offset + 12:offset + 12 + size]))
        offset += 12 + size + 4
    assert offset == len(data), f"{path} ends inside a record"
    return records


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data):
    """The fields of a protobuf message: (number, value) with bytes or an integer."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        else:
            size, at = (4, at) if tag & 7 == 5 else _varint(data, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def parse_example(data):
    """A tf.train.Example as {name: [values]}."""
    example = {}
    for _, features in _fields(data):
        for _, entry in _fields(features):
            name, feature = (value for _, value in sorted(_fields(entry)))
            values = []
            for kind, encoded in _fields(feature):
                for _, value in _fields(encoded):
                    values += _list_values(kind, value)
            example[name.decode()] = values
    return example


def _list_values(kind, value):
    if kind == 1:
        return [value]
    if kind == 2:
        return list(struct.unpack(f"<{len(value) // 4}f", value))
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number - (1 << 64) if number >> 63 else number)
    return numbers


def examples(folder, split=None):
    """Every record of a packed set, parsed, in order."""
    return [parse_example(record.data)
            for shard in shards(folder, split) for record in read_tfrecord(shard)]


def file_names(folder, split=None):
    """file_name of every record, in order."""
    return [os.fsdecode(example["file_name"][0]) for example in examples(folder, split)]
