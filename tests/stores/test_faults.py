"""What networks do: every object is right, or the program says that it is not."""

import random
import subprocess
import time

import pytest
from conftest import FATAL, HANG, OK, crowd, pack, run, start, tree

from .conftest import CROWD, get_many, peak, put_many, write
from .fault_proxy import FAULTS, FaultProxy
from .servers import noise

MIB = 1 << 20
# A stall is noticed after a second, so that the tests need not wait for the usual half minute.
QUICK = {"SHARDMILL_STALL_SECONDS": "1"}
PASSING = [fault for fault in FAULTS if fault != "corrupt-write"]


def many():
    sizes = random.Random(5)
    return {f"{i % 5}/{i:04}.jpg": noise(sizes.choice([0, 1, 2000, 30000, 70000]), i)
            for i in range(500)}


def attempt(*args, **kwargs):
    """Runs what may fail; returns the exit code and what it said on stderr."""
    process = start(*args, stderr=subprocess.PIPE, **kwargs)
    return process.wait(timeout=HANG), process.stderr.read().decode()


def test_many_objects_come_down_whole(store, mill, at, tmp_path):
    want = many()
    put_many(store, {f"{at}/{name}": data for name, data in want.items()})
    with FaultProxy(store.port, PASSING) as proxy:
        mill(store, "cp", "-r", store.url(at), tmp_path / "down", port=proxy.port, more=QUICK)
    assert len(proxy.hits) > 3, proxy.hits
    assert tree(tmp_path / "down") == want


def test_many_objects_go_up_whole(store, mill, at, tmp_path):
    want = many()
    with FaultProxy(store.port, PASSING) as proxy:
        mill(store, "cp", "-r", write(tmp_path / "up", want), store.url(at), port=proxy.port,
             more=QUICK)
    assert len(proxy.hits) > 3, proxy.hits
    assert get_many(store, at) == want


@pytest.fixture
def ten_thousand(store, mill, tmp_path):
    """Each store in turn, with 10,000 objects of 64 bytes to 4 KiB below all/, half of them below
    all/half/."""
    sizes = random.Random(8)
    want = {f"{'half' if i % 2 else 'rest'}/{i % 10}/{i:05}": noise(sizes.randint(64, 4096), i)
            for i in range(10000)}
    mill(store, "cp", "-r", "-j", "32", write(tmp_path / "up", want), store.url("all"))
    return store, want


def test_ten_thousand_requests(ten_thousand, env, tmp_path):
    """A tenth of them meets a fault: every object is right, none is missing, none comes twice, and
    the memory is that of half of them."""
    store, want = ten_thousand
    memory = {}
    for part, prefix in ("half", "all/half"), ("all", "all"):
        with FaultProxy(store.port, PASSING) as proxy:
            memory[part] = peak("cp", "-q", "-r", "-j", "64", store.url(prefix), tmp_path / part,
                                env={**env, **store.env(proxy.port), **QUICK})
    assert proxy.seen > 10000 and sum(proxy.hits.values()) > 900, proxy.hits
    assert set(proxy.hits) == set(PASSING)
    assert tree(tmp_path / "all") == want
    assert memory["all"] < memory["half"] + 8, memory
    with FaultProxy(store.port, ["503", "cut", "lost"]) as proxy:
        done = run("ls", store.url("all"), env={**env, **store.env(proxy.port)})
    assert sorted(done.stdout.splitlines()) == sorted(want)


# One at a time: the waits of tries that follow each other grow, and prove nothing more.
@pytest.mark.parametrize("fault", ["429", "redirect", "lost", "cut", "truncated", "chunk", "stall",
                                   "slow"])
def test_a_large_object_goes_up_and_comes_down_whole(store, mill, at, tmp_path, fault):
    data = noise(20 * MIB)
    (tmp_path / "up").write_bytes(data)
    with FaultProxy(store.port, [fault], share=0.5, most=1) as proxy:
        mill(store, "cp", tmp_path / "up", store.url(f"{at}/large"), port=proxy.port, more=QUICK)
    assert proxy.hits or fault == "redirect"  # that of a write is no fault that passes
    assert store.get(f"{at}/large") == data
    assert store.keys(at) == [f"{at}/large"]
    with FaultProxy(store.port, [fault], share=0.5, most=1) as proxy:
        mill(store, "cp", store.url(f"{at}/large"), tmp_path / "down", port=proxy.port, more=QUICK)
    assert proxy.hits
    assert (tmp_path / "down").read_bytes() == data


@pytest.mark.parametrize("fault", PASSING)
def test_several_large_objects_come_down_whole(store, mill, at, tmp_path, fault):
    """Each by one request, which goes on at its byte."""
    want = {f"{i:02}": noise(2 * MIB + i, i) for i in range(16)}
    put_many(store, {f"{at}/{name}": data for name, data in want.items()})
    with FaultProxy(store.port, [fault], share=0.3, most=4) as proxy:
        mill(store, "cp", "-r", store.url(at), tmp_path / "down", port=proxy.port, more=QUICK)
    assert proxy.hits
    assert tree(tmp_path / "down") == want


@pytest.fixture(scope="session")
def long_shard(tmp_path_factory):
    """The arguments of a pack that makes a shard of some 40 MB, and the set that it makes here."""
    folder = tmp_path_factory.mktemp("long")
    crowd(folder / "pictures", 2)
    args = [folder / "pictures", "--shards", "1", "--image-size", "1024"]
    pack(args[0], folder / "out", *args[1:])
    return args, tree(folder / "out")


# The smallest pieces that each store takes.
@pytest.mark.parametrize("faults", [["less", "503", "lost"], ["reset", "cut", "truncated"]])
def test_a_shard_goes_up_in_small_pieces(store, env, at, long_shard, faults):
    """With faults between them; behind each the upload goes on where the store says that it is."""
    (src, *options), want = long_shard
    with FaultProxy(store.port, faults, share=0.3) as proxy:
        pack(src, store.url(at), *options,
             env={**env, **store.env(proxy.port), **QUICK, "SHARDMILL_UPLOAD_KIB": "256"})
    pieces = max(map(len, want.values())) // MIB * (4 if store.scheme == "gs" else 0.2)
    assert proxy.seen > pieces and sum(proxy.hits.values()) > pieces / 10, proxy.hits
    assert ("less" in proxy.hits) == (store.scheme == "gs" and "less" in faults)
    assert get_many(store, at) == want


@pytest.mark.parametrize("most", [1, None])
def test_what_is_damaged_on_its_way_down_is_never_there(store, env, at, tmp_path, most):
    """A large object is read anew, while there is hope."""
    store.put(f"{at}/large", noise(20 * MIB))
    with FaultProxy(store.port, ["corrupt"], share=1, most=most) as proxy:
        code, said = attempt("cp", "-q", store.url(f"{at}/large"), tmp_path / "down",
                             env={**env, **store.env(proxy.port)})
    assert proxy.hits
    if most == 1:
        assert code == OK, said
        assert (tmp_path / "down").read_bytes() == noise(20 * MIB)
    else:
        assert code == FATAL and "came damaged" in said
        assert not (tmp_path / "down").exists()


@pytest.mark.parametrize("size", [70000, 20 * MIB])
@pytest.mark.parametrize("most", [1, None])
def test_what_is_damaged_on_its_way_up_is_never_there(store, env, at, tmp_path, size, most):
    """Whether it is sent again or given up is the program's choice, while there is hope."""
    data = noise(size)
    (tmp_path / "up").write_bytes(data)
    with FaultProxy(store.port, ["corrupt-write"], share=1, most=most) as proxy:
        code, said = attempt("cp", "-q", tmp_path / "up", store.url(f"{at}/file"),
                             env={**env, **store.env(proxy.port), "SHARDMILL_RETRY_SECONDS": "5"})
    assert proxy.hits
    if code == OK and most is not None:
        assert store.get(f"{at}/file") == data
    else:
        assert code == FATAL, said
        assert "cannot write" in said
        assert store.keys(at) == []


@pytest.mark.parametrize("fault", ["503", "cut", "truncated"])
def test_a_listing_goes_on_at_its_page(crowd, mill, fault):
    with FaultProxy(crowd.port, [fault], share=0.5, most=1) as proxy:
        done = mill(crowd, "ls", crowd.url("crowd"), port=proxy.port, more=QUICK)
    assert proxy.hits
    assert sorted(done.stdout.splitlines()) == sorted(f"{i % 7}/{i:05}.jpg" for i in range(CROWD))


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_copy_ends_when_its_store_goes_away(store, env, at, tmp_path, up):
    """What it has copied by then is whole; the files that it had no time for are not waited for."""
    want = many()
    folder = write(tmp_path / "here", want)
    if not up:
        put_many(store, {f"{at}/{name}": data for name, data in want.items()})
    proxy = FaultProxy(store.port, ["slow"], share=1)
    with proxy:
        args = [folder, store.url(at)] if up else [store.url(at), tmp_path / "down"]
        process = start("cp", "-q", "-r", *args, stderr=subprocess.PIPE,
                        env={**env, **store.env(proxy.port), "SHARDMILL_RETRY_SECONDS": "2"})
        while proxy.seen < 40 and process.poll() is None:
            time.sleep(0.01)
    code, said = process.wait(timeout=HANG), process.stderr.read().decode()
    assert code == FATAL, said
    assert "no good answer for too long" in said.splitlines()[-1]
    assert len(said.splitlines()) <= 16 + 1
    there = get_many(store, at) if up else tree(tmp_path / "down")
    assert 0 < len(there) < len(want) and there.items() <= want.items()
