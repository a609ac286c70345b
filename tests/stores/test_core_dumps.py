"""What a core dump holds: no key, and no memory at all."""

import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANG, SHARDMILL

KEY = "a-key-that-must-not-get-into-a-file-0123456789"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core",
    reason="core dumps do not become files beside the program here")


def die_while_asking(env, folder):
    """The core of a program that is killed while a store lets it wait."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(HANG)
        process = subprocess.Popen(
            [SHARDMILL, "ls", "s3://bucket/"], cwd=folder, stderr=subprocess.DEVNULL,
            env={**env, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": KEY,
                 "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.getsockname()[1]}"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE,
                                                  (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
        server.accept()[0].recv(16)  # it has signed its request by now
        process.send_signal(signal.SIGABRT)
        assert process.wait(HANG) == -signal.SIGABRT
    cores = list(folder.glob("core*"))
    if not cores:
        pytest.skip("this machine makes no core dumps")
    return cores[0].read_bytes()


def test_no_memory_is_in_a_core_dump(env, tmp_path):
    assert KEY.encode() not in die_while_asking(env, tmp_path / "usual")


def test_unless_it_is_asked_for(env, tmp_path):
    """Also shows that the test above would see the key."""
    env = {**env, "SHARDMILL_CORE_DUMPS": "1"}
    assert KEY.encode() in die_while_asking(env, tmp_path / "asked")
