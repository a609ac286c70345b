"""What cannot be done: a clear line, in time, and never a secret in it."""

import time

import pytest
from conftest import FATAL, USAGE, run

from .servers import KEY, SECRET, free_ports

SECONDS = 10


def fails(env, *args, code=FATAL):
    """Runs what must fail soon; returns its one line."""
    began = time.monotonic()
    done = run(*args, code=code, env=env)
    assert time.monotonic() - began < SECONDS
    assert done.stderr.count("\n") == 1, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [["ls"], ["cp", "-r", "-q"]])
def test_a_missing_bucket(store, env, tmp_path, command):
    url = f"{store.scheme}://no-such-bucket/a"
    target = [tmp_path / "down"] if command[0] == "cp" else []
    assert f"{store.scheme}://no-such-bucket" in fails({**env, **store.env()}, *command, url, *target)


def test_writing_to_a_missing_bucket(store, env, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    url = f"{store.scheme}://no-such-bucket/a"
    assert url in fails({**env, **store.env()}, "cp", "-q", tmp_path / "file", url)


def test_a_missing_object(store, env, at, tmp_path):
    line = fails({**env, **store.env()}, "cp", "-q", store.url(f"{at}/none"), tmp_path / "down")
    assert store.url(f"{at}/none") in line
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize("keys, told", [
    ({"AWS_SECRET_ACCESS_KEY": SECRET + "x"}, "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "stranger"}, "access key stra…"),
    ({"SHARDMILL_S3_ANONYMOUS": "1"}, "anonymous"),
])
def test_keys_that_the_store_refuses(s3, env, at, tmp_path, keys, told):
    """The line says what is wrong, or who asked."""
    env = {**env, **s3.env(), **keys}
    s3.put(f"{at}/file", b"x")
    assert told in fails(env, "ls", s3.url(at))
    assert told in fails(env, "cp", "-q", s3.url(f"{at}/file"), tmp_path / "down")
    (tmp_path / "up").write_bytes(b"x")
    assert told in fails(env, "cp", "-q", tmp_path / "up", s3.url(f"{at}/up"))
    assert s3.keys(at) == [f"{at}/file"]


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_nobody_listens(env, scheme):
    (port,) = free_ports()
    where = f"http://127.0.0.1:{port}"
    env = {**env, "STORAGE_EMULATOR_HOST": where, "AWS_ENDPOINT_URL_S3": where,
           "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert f"{scheme}://bucket/a" in fails(env, "ls", f"{scheme}://bucket/a")


@pytest.mark.parametrize("url", ["http://pictures.example/a", "gs://bucket/a", "s3://bucket/a"])
def test_plain_http_is_for_this_machine_only(env, url):
    env = {**env, "STORAGE_EMULATOR_HOST": "http://pictures.example",
           "AWS_ENDPOINT_URL_S3": "http://pictures.example",
           "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert "https" in fails(env, "ls", url)


@pytest.mark.parametrize("args", [["ls", "ftp://host/a"], ["cp", "-q", "ftp://host/a", "b"],
                                  ["cp", "-q", __file__, "ftp://host/a"]])
def test_an_unknown_scheme(env, args):
    assert "ftp://" in fails(env, *args, code=USAGE)


@pytest.mark.parametrize("args", [["ls"], ["ls", "a", "b"], ["cp", "a"], ["cp", "a", "b", "c"],
                                  ["ls", "gs://"], ["ls", "s3:///a"],
                                  ["cp", "-j", "0", "a", "b"]])
def test_usage(env, args):
    assert run(*args, code=USAGE, env=env).stderr.strip()


def test_web_servers_are_read_only(gs, env):
    url = f"http://127.0.0.1:{gs.port}/a"
    assert "written" in fails(env, "cp", "-q", __file__, url, code=USAGE)


def test_a_folder_is_copied_with_r_only(store, mill, at, tmp_path):
    store.put(f"{at}/a", b"x")
    assert "-r" in mill(store, "cp", "-q", store.url(at), tmp_path, code=USAGE).stderr
    assert "-r" in mill(store, "cp", "-q", "-r", store.url(f"{at}/a"), tmp_path, code=USAGE).stderr
