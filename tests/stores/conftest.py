"""The servers, started once for all tests that want them, and running the program against them."""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import HANG, OK, SHARDMILL, run

from .servers import SLOW, Absent, Gs, Hdfs, Seaweed, Versity, clean_environment

# Those that every test of `store` meets. HDFS has tests of its own: it is no object store.
OBJECT_STORES = ["gs", "s3", *(["versity"] if SLOW else [])]
CROWD = 2500  # objects: three pages

_numbers = itertools.count()


def _server(kind, factory):
    try:
        server = kind(factory.mktemp(kind.__name__.lower()))
    except Absent as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gs(tmp_path_factory):
    yield from _server(Gs, tmp_path_factory)


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    yield from _server(Seaweed, tmp_path_factory)


@pytest.fixture(scope="session")
def versity(tmp_path_factory):
    yield from _server(Versity, tmp_path_factory)


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory):
    yield from _server(Hdfs, tmp_path_factory)


@pytest.fixture(params=OBJECT_STORES)
def store(request):
    """Each store in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=OBJECT_STORES)
def crowd(request):
    """Each store in turn, with a prefix of more objects than a page holds, and others beside it."""
    store = request.getfixturevalue(request.param)
    put_many(store, {f"crowd/{i % 7}/{i:05}.jpg": b"x" * (i % 3) for i in range(CROWD)})
    put_many(store, {"crowd2/other": b"no", "crowd.txt": b"no"})
    return store


@pytest.fixture
def at():
    """A prefix of this test's own, since all share a bucket."""
    return f"test{next(_numbers)}"


@pytest.fixture
def env(tmp_path):
    """An environment without keys; a test adds what a store wants: {**env, **store.env()}."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_environment(home)


@pytest.fixture
def mill(env):
    """Runs the program with the environment of a store."""
    def call(store, *args, code=OK, more=None, port=None):
        return run(*args, code=code, env={**env, **store.env(port), **(more or {})})
    return call


# A child's peak is at least that of who starts it, and pytest is large: a small one stands in between.
METER = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
sys.stderr.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
sys.exit(code)"""


def peak(*args, env, stdout=subprocess.DEVNULL):
    """Runs the program; returns the most memory it had, in MiB (15 at least: see METER)."""
    done = subprocess.run([sys.executable, "-S", "-c", METER, SHARDMILL, *args], env=env,
                          stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                          timeout=HANG)
    assert done.returncode == OK, done.stderr
    return int(done.stderr.split()[-1]) / 1024


def write(folder, files):
    """Writes {path below folder: bytes}; returns folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def put_many(store, objects):
    """Writes {key: bytes} with the store's own client."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: store.put(*item), objects.items()))


def get_many(store, prefix):
    """Reads what is below prefix/ with the store's own client: {key below it: bytes}."""
    keys = store.keys(prefix + "/")
    with ThreadPoolExecutor(16) as pool:
        return dict(zip((key[len(prefix) + 1:] for key in keys), pool.map(store.get, keys)))
