"""What networks do: every object is right, or the program says that it is not."""

import random
import subprocess

import pytest
from conftest import FATAL, HANG, OK, start, tree

from .conftest import CROWD, get_many, put_many
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


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


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


# One at a time: the waits of tries that follow each other grow, and prove nothing more.
@pytest.mark.parametrize("fault", ["429", "lost", "cut", "truncated", "stall"])
def test_a_large_object_goes_up_and_comes_down_whole(store, mill, at, tmp_path, fault):
    data = noise(20 * MIB)
    (tmp_path / "up").write_bytes(data)
    with FaultProxy(store.port, [fault], share=0.5, most=1) as proxy:
        mill(store, "cp", tmp_path / "up", store.url(f"{at}/large"), port=proxy.port, more=QUICK)
    assert proxy.hits
    assert store.get(f"{at}/large") == data
    assert store.keys(at) == [f"{at}/large"]
    with FaultProxy(store.port, [fault], share=0.5, most=1) as proxy:
        mill(store, "cp", store.url(f"{at}/large"), tmp_path / "down", port=proxy.port, more=QUICK)
    assert proxy.hits
    assert (tmp_path / "down").read_bytes() == data


def test_what_is_damaged_on_its_way_down_is_never_there(store, env, at, tmp_path):
    """Of a large object it shows when all has been read: giving up is as right as reading again."""
    store.put(f"{at}/large", noise(20 * MIB))
    with FaultProxy(store.port, ["corrupt"], share=1, most=1) as proxy:
        code, said = attempt("cp", "-q", store.url(f"{at}/large"), tmp_path / "down",
                             env={**env, **store.env(proxy.port)})
    assert proxy.hits
    if code == OK:
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
