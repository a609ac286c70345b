"""Packing from stores and into them: the bytes of packing here."""

import random
import signal
import subprocess
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler

import pytest
from conftest import EXAMPLES, FATAL, HANG, kill, pack, run, start, tree
from loopback import Loopback
from tls import serve_tls

from .conftest import get_many, put_many
from .fault_proxy import FaultProxy

MANY = ["--images-per-shard", "30", "--threads", "2"]
KILLS = 20


def content(files):
    """All but the plan and the shards' results: they remember the pictures' versions, which are
    times here and generations or ETags there."""
    return {name: data for name, data in files.items()
            if name != "plan.json" and not name.startswith("stats/")}


@pytest.fixture
def local(flowers, tmp_path):
    pack(flowers, tmp_path / "local", "--shards", "4")
    return tree(tmp_path / "local")


def test_from_a_store(store, env, at, flowers, local, dst):
    put_many(store, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    pack(store.url(f"{at}/flowers"), dst, "--shards", "4", env={**env, **store.env()})
    assert content(tree(dst)) == content(local)


def test_into_a_store(store, env, at, flowers, local):
    """The pictures are the same files, so that the plan is the same too."""
    pack(flowers, store.url(at), "--shards", "4", env={**env, **store.env()})
    assert get_many(store, at) == local
    run("verify", store.url(at), env={**env, **store.env()})


def test_from_a_store_into_it(store, env, at, flowers, local):
    put_many(store, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    pack(store.url(f"{at}/flowers"), store.url(f"{at}/out"), "--shards", "4",
         env={**env, **store.env()})
    assert content(get_many(store, f"{at}/out")) == content(local)


def test_from_one_store_into_the_other(gs, s3, env, at, flowers, local):
    put_many(gs, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    pack(gs.url(f"{at}/flowers"), s3.url(f"{at}/out"), "--shards", "4",
         env={**env, **gs.env(), **s3.env()})
    assert content(get_many(s3, f"{at}/out")) == content(local)


def test_killed_at_twenty_moments(store, env, at, tmp_path):
    """Whenever a run ends, what is there is whole, and the next one goes on: in the end the bytes
    are those of a run that nobody disturbed."""
    env = {**env, **store.env()}
    pictures = tree(EXAMPLES)
    put_many(store, {f"{at}/in/{name[:-4]}-{i}.jpg": data for name, data in pictures.items()
                     if name.endswith(".jpg") for i in range(10)})
    args = ["pack", store.url(f"{at}/in"), store.url(f"{at}/out"), *MANY]
    began = time.monotonic()
    pack(store.url(f"{at}/in"), store.url(f"{at}/whole"), *MANY, "--name", "in", env=env)
    seconds = time.monotonic() - began
    whole = get_many(store, f"{at}/whole")
    moments = random.Random(20)
    killed = kept = 0
    for i in range(KILLS):
        process = start(*args, env=env)
        time.sleep(moments.uniform(0, seconds * 0.8))
        killed += kill(process) == -signal.SIGKILL
        there = get_many(store, f"{at}/out")
        assert there.items() <= whole.items(), f"kill {i} left what is not whole"
        kept = max(kept, len(there))
        if "_SUCCESS" in there:  # begin anew, so that every kill meets a run at work
            for key in store.keys(f"{at}/out/"):
                store.remove(key)
    assert killed >= KILLS / 2 and kept > 0
    pack(*args[1:], env=env)
    assert get_many(store, f"{at}/out") == whole


def pack_while_it_goes(proxy, *src, dst, env, fast=0):
    """Packs what lies behind the proxy, which slows down behind the first `fast` requests and is gone
    12 requests later. The run ends and says why, and no picture is called bad."""
    with proxy:
        process = start("pack", *src, dst, "--shards", "4", stderr=subprocess.PIPE,
                        env={**env, "SHARDMILL_RETRY_SECONDS": "2"})
        while proxy.seen < fast + 12 and process.poll() is None:
            proxy.share = int(proxy.seen >= fast)
            time.sleep(0.001)
    code, said = process.wait(timeout=HANG), process.stderr.read().decode()
    assert code == FATAL and "no good answer" in said and "again" in said, said
    assert not [name for name in tree(dst) if "failures" in name or name == "_SUCCESS"]


def test_a_store_that_goes_away(store, env, at, flowers, local, dst):
    """And the next run goes on."""
    put_many(store, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    proxy, src = FaultProxy(store.port, ["slow"], share=0), store.url(f"{at}/flowers")
    pack_while_it_goes(proxy, src, dst=dst, env={**env, **store.env(proxy.port)})
    pack(src, dst, "--shards", "4", env={**env, **store.env()})
    assert content(tree(dst)) == content(local)


class Files(SimpleHTTPRequestHandler):
    """A folder as a web server shows it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_server_that_goes_away(env, flowers, tmp_path, dst, scheme):
    """It cannot be listed: a manifest says what to ask it for, and first it is asked for all."""
    names = [path.relative_to(flowers) for path in sorted(flowers.glob("*/*.jpg"))]
    trusted = tmp_path / "server.pem"
    tls = serve_tls(trusted, "127.0.0.1") if scheme == "https" else None
    with Loopback(partial(Files, directory=flowers)) as web:
        proxy = FaultProxy(web.port, ["slow"], share=0, tls=tls)
        (tmp_path / "list.csv").write_text("path,label\n" + "".join(
            f"{scheme}://127.0.0.1:{proxy.port}/{name},{name.parent}\n" for name in names))
        pack_while_it_goes(proxy, "--manifest", tmp_path / "list.csv", dst=dst, fast=len(names),
                           env={**env, "CURL_CA_BUNDLE": str(trusted)})
