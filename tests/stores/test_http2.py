"""HTTP/2, as Google Cloud Storage offers it, with the faults of its own: streams that are refused or
reset, and connections that end with all of theirs, politely or not."""

import contextlib

import pytest
from conftest import EXAMPLES, pack, tree
from tls import serve_tls

from .conftest import get_many, put_many, write
from .fault_proxy import FaultProxy
from .http2_door import FAULTS, Http2Door
from .servers import noise
from .test_pack import content

MIB = 1 << 20


@pytest.fixture
def door(store, tmp_path):
    """Opens doors of a store: gives one, and the environment in which it is the store."""
    trusted = tmp_path / "server.pem"
    tls = serve_tls(trusted, "127.0.0.1")
    with contextlib.ExitStack() as opened:
        def to(*faults, **options):
            # It does nothing, but says of a resumable upload what fake-gcs-server does not.
            proxy = opened.enter_context(FaultProxy(store.port, ["slow"], share=0))
            front = opened.enter_context(Http2Door(proxy.port, tls, faults, **options))
            env = {name: value.replace("http://", "https://")
                   for name, value in store.env(front.port).items()}
            return front, {**env, "CURL_CA_BUNDLE": str(trusted)}

        yield to


def pictures(copies):
    return {f"{path.parent.name}/{i}-{path.name}": path.read_bytes()
            for path in sorted(EXAMPLES.glob("*/*.jpg")) for i in range(copies)}


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["smooth", "faults"])
def test_small_objects_go_up_and_come_down(store, door, mill, at, tmp_path, faults):
    want = {f"{i % 5}/{i:04}": noise(1000 + 40 * i, i) for i in range(300)}
    front, env = door(*faults)
    mill(store, "cp", "-r", write(tmp_path / "up", want), store.url(at), more=env)
    assert get_many(store, at) == want
    mill(store, "cp", "-r", store.url(at), tmp_path / "down", more=env)
    assert tree(tmp_path / "down") == want
    assert front.seen >= 600 and set(front.hits) == set(faults), front.hits


@pytest.mark.parametrize("fault", FAULTS)
def test_large_objects_go_up_and_come_down(store, door, mill, at, tmp_path, fault):
    """In pieces, and poured: several at once."""
    want = {f"{i}": noise(10 * MIB + i, i) for i in range(5)}
    front, env = door(fault, share=0.3, most=4)
    mill(store, "cp", "-r", write(tmp_path / "up", want), store.url(at), more=env)
    assert get_many(store, at) == want
    assert front.hits
    front, env = door(fault, share=0.3, most=4)
    mill(store, "cp", "-r", store.url(at), tmp_path / "down", more=env)
    assert tree(tmp_path / "down") == want
    mill(store, "cp", store.url(f"{at}/0"), tmp_path / "one", more=env)
    assert (tmp_path / "one").read_bytes() == want["0"]
    assert front.hits


@pytest.mark.parametrize("faults", [[], *[[fault] for fault in FAULTS]],
                         ids=["smooth", *FAULTS])
def test_packing(store, door, env, at, tmp_path, faults):
    """Many pictures at once over one connection."""
    files = pictures(10)
    put_many(store, {f"{at}/in/{name}": data for name, data in files.items()})
    pack(write(tmp_path / "in", files), tmp_path / "out", "--shards", "4")
    front, more = door(*faults)
    pack(store.url(f"{at}/in"), store.url(f"{at}/out"), "--shards", "4", env={**env, **more})
    assert content(get_many(store, f"{at}/out")) == content(tree(tmp_path / "out"))
    assert front.beside > 4
    assert set(front.hits) == set(faults) and sum(front.hits.values()) >= 5 * len(faults)
