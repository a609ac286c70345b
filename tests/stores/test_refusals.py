"""What cannot be done: a clear line, in time, and never a secret in it."""

import socket
import time

import pytest
from conftest import FATAL, OK, USAGE, run, tree

from .conftest import get_many, put_many, write
from .fault_proxy import FaultProxy
from .servers import BLIND_KEY, KEY, SECRET, free_ports, noise

SECONDS = 10


def fails(env, *args, code=FATAL):
    """Runs what must fail soon; returns its line, and what pack advises in another."""
    began = time.monotonic()
    done = run(*args, code=code, env=env)
    assert time.monotonic() - began < SECONDS
    assert done.stderr.count("\n") <= 1 + (args[0] == "pack"), done.stderr
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


MANY = {f"{i:04}": b"x" for i in range(300)}


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_copy_to_where_nobody_listens(env, tmp_path, scheme):
    """It does not wait for each file: those on their way fail, and then it ends."""
    where = f"http://127.0.0.1:{free_ports()[0]}"
    env = {**env, "STORAGE_EMULATOR_HOST": where, "AWS_ENDPOINT_URL_S3": where,
           "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    began = time.monotonic()
    done = run("cp", "-q", "-r", write(tmp_path / "up", MANY), f"{scheme}://bucket/a", code=FATAL, env=env)
    assert time.monotonic() - began < SECONDS
    assert "no good answer for too long" in done.stderr.splitlines()[-1]
    assert done.stderr.count("\n") <= 16 + 1


def test_a_copy_of_which_nothing_succeeds(store, mill, tmp_path):
    done = mill(store, "cp", "-q", "-r", write(tmp_path / "up", MANY), f"{store.scheme}://no-such-bucket/a",
                code=FATAL)
    assert "none of the first 100 files" in done.stderr.splitlines()[-1]
    assert done.stderr.count("\n") <= 100 + 16 + 1


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


@pytest.mark.parametrize("args", [("cp", "-q", __file__), ("cp", "-q", "-r", "gs://pictures/a"),
                                  ("pack", "gs://pictures/a")])
def test_web_servers_are_read_only(gs, env, args):
    """Which is known without asking anybody."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        where = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        env = {**env, "STORAGE_EMULATOR_HOST": where}
        assert "written" in fails(env, *args, f"{where}/a", code=USAGE)
        nobody.settimeout(0)
        with pytest.raises(BlockingIOError):
            nobody.accept()


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_nobody_answers(env, scheme):
    """Packets go nowhere: whoever listens has more callers than it takes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        where = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        env = {**env, "STORAGE_EMULATOR_HOST": where, "AWS_ENDPOINT_URL_S3": where,
               "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        assert "cannot reach 127.0.0.1" in fails(env, "ls", f"{scheme}://bucket/a")
        for caller in callers:
            caller.close()


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_host_that_has_no_address(env, scheme):
    where = "https://nowhere.invalid"
    env = {**env, "SHARDMILL_GS_ENDPOINT": where, "AWS_ENDPOINT_URL_S3": where,
           "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert "nowhere.invalid" in fails(env, "ls", f"{scheme}://bucket/a")


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_a_full_bucket(store, env, at, tmp_path, flowers, size):
    (tmp_path / "file").write_bytes(noise(size))
    with FaultProxy(store.port, ["full"], share=1) as proxy:
        full = {**env, **store.env(proxy.port)}
        said = fails(full, "cp", "-q", tmp_path / "file", store.url(f"{at}/file"))
        assert "no space is left" in said or "QuotaExceeded" in said
        assert "QuotaExceeded" in fails(full, "pack", "-q", flowers, store.url(at))
    assert store.keys(at) == []


def test_a_bucket_that_may_not_be_listed(s3, env, at, flowers, tmp_path):
    """It can be read and written by those who know names."""
    blind = {**env, **s3.env(), "AWS_ACCESS_KEY_ID": BLIND_KEY}
    put_many(s3, {f"{at}/in/{name}": data for name, data in tree(flowers).items()})
    for args in ("ls", s3.url(f"{at}/in")), ("pack", s3.url(f"{at}/in"), tmp_path / "out"):
        said = fails(blind, *args)
        assert "not permitted" in said and "s3:ListBucket" in said and BLIND_KEY[:4] in said
    name = next(iter(tree(flowers)))
    run("cp", "-q", s3.url(f"{at}/in/{name}"), tmp_path / "down", code=OK, env=blind)
    assert (tmp_path / "down").read_bytes() == (flowers / name).read_bytes()
    run("cp", "-q", tmp_path / "down", s3.url(f"{at}/up"), code=OK, env=blind)
    assert get_many(s3, at)["up"] == (flowers / name).read_bytes()


def test_a_folder_is_copied_with_r_only(store, mill, at, tmp_path):
    store.put(f"{at}/a", b"x")
    assert "-r" in mill(store, "cp", "-q", store.url(at), tmp_path, code=USAGE).stderr
    assert "-r" in mill(store, "cp", "-q", "-r", store.url(f"{at}/a"), tmp_path, code=USAGE).stderr
