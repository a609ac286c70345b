"""Ctrl-C while a network keeps the program waiting: it ends at once, and leaves nothing half made."""

import signal
import subprocess
import time

import pytest
from conftest import FATAL, HANG, start, tree

from .conftest import put_many
from .fault_proxy import FaultProxy
from .servers import noise

SOON = 5  # seconds: clearing away may ask a store that does not answer


@pytest.fixture
def stop(store, env):
    """stop(fault, ARGS...): interrupts the program when it has met the fault; its exit code."""
    def call(fault, *args, number=signal.SIGINT, share=1):
        with FaultProxy(store.port, [fault], share=share) as proxy:
            process = start(*args, env={**env, **store.env(proxy.port)}, stderr=subprocess.PIPE)
            deadline = time.monotonic() + HANG
            while not proxy.hits and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.3)
            assert process.poll() is None, process.stderr.read()
            began = time.monotonic()
            process.send_signal(number)
            code = process.wait(timeout=HANG)
            assert time.monotonic() - began < SOON
            said = process.stderr.read().decode()
            process.stderr.close()
            return code, said
    return call


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("fault", ["503", "stall"])
def test_listing(store, stop, at, fault, number):
    store.put(f"{at}/a", b"x")
    code, said = stop(fault, "ls", store.url(at), number=number)
    assert code == FATAL and "stopped" in said


@pytest.mark.parametrize("fault", ["503", "stall"])
@pytest.mark.parametrize("size", [1000, 30 << 20])
def test_copying(store, stop, at, tmp_path, fault, size):
    (tmp_path / "up").write_bytes(noise(size))
    code, said = stop(fault, "cp", "-q", tmp_path / "up", store.url(f"{at}/up"))
    assert code == FATAL and "stopped" in said
    assert store.keys(at) == []
    store.put(f"{at}/there", noise(size))
    code, _ = stop(fault, "cp", "-q", store.url(f"{at}/there"), tmp_path / "down", share=0.9)
    assert code == FATAL
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize("fault", ["429", "stall"])
def test_packing(store, stop, at, flowers, dst, fault):
    """No picture fails because somebody has stopped the run."""
    put_many(store, {f"{at}/{name}": data for name, data in tree(flowers).items()})
    code, said = stop(fault, "pack", store.url(at), dst, "--shards", "3", share=0.5)
    assert code == FATAL and "again" in said
    made = set(tree(dst)) if dst.exists() else set()
    assert not [name for name in made if "failures" in name or name == "_SUCCESS"]
