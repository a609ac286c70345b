"""The same input and options give the same bytes, whatever the threads; other options, others."""

import os

import pytest

from conftest import CLASSES, EXAMPLES, crowd, file_names, need_tool, pack, tree

OPTIONS = ["--shards", "7", "--split", "train=0.8,val=0.2"]


def test_threads_do_not_matter(tmp_path):
    src = crowd(tmp_path / "src", 4)
    (src / "roses" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (src / "roses" / ".hidden").write_bytes(b"")
    packed = []
    for run, threads in enumerate(["1", "2", "5", "5"]):
        pack(src, tmp_path / f"{run}", *OPTIONS, "--threads", threads, code=3)
        packed.append(tree(tmp_path / f"{run}"))
    assert all(other == packed[0] for other in packed[1:])


@pytest.mark.parametrize("options", [
    ["--compression", "gzip"],
    ["--schema", "fast-and-lean"],
    ["--no-shuffle", "--images-per-shard", "9"],
    ["--decode", "exact", "--filter", "lanczos3"],
    ["--resize-mode", "no", "--encode-format", "keep"],
])
def test_twice_the_same(tmp_path, options):
    for name, threads in (("a", "1"), ("b", "3")):
        pack(EXAMPLES, tmp_path / name, *options, "--threads", threads)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_who_reads_does_not_matter(tmp_path):
    """Converters read what comes at once; when reading holds them up, readers take over."""
    library = need_tool("slow_read.so")
    src = crowd(tmp_path / "src", 10)
    readers = {}
    for name, microseconds in (("fast", "0"), ("slow", "3000")):
        log = tmp_path / f"{name}.log"
        pack(src, tmp_path / name, "--name", "set", *OPTIONS, "--threads", "1",
             env={**os.environ, "LD_PRELOAD": str(library), "READ_LOG": str(log), "SLOW_READ_US": microseconds})
        readers[name] = set(log.read_text().split())
    assert len(readers["slow"]) > 2
    assert len(readers["fast"]) == 1
    assert tree(tmp_path / "fast") == tree(tmp_path / "slow")


def test_memory_does_not_matter(tmp_path):
    pack(EXAMPLES, tmp_path / "a", "--shards", "3")
    pack(EXAMPLES, tmp_path / "b", "--shards", "3", "--memory", "64M", "--threads", "2")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_seed_is_an_order(tmp_path):
    orders = {}
    for seed in ("0", "1", "2"):
        pack(EXAMPLES, tmp_path / seed, "--shards", "1", "--shuffle", seed)
        orders[seed] = file_names(tmp_path / seed)
    assert sorted(orders["0"]) == sorted(orders["1"]) == sorted(orders["2"])
    assert len({tuple(order) for order in orders.values()}) == 3
    pack(EXAMPLES, tmp_path / "default", "--shards", "1")
    assert file_names(tmp_path / "default") == orders["0"]


def test_shuffle_is_global(tmp_path):
    pack(EXAMPLES, tmp_path / "set", "--shards", "5")
    for shard in range(5):
        names = file_names(tmp_path / "set")[shard * 12:shard * 12 + 12]
        assert len({name.split("/")[0] for name in names}) > 1, "a shard of one class alone"


def test_no_shuffle_is_sorted(tmp_path):
    pack(EXAMPLES, tmp_path / "set", "--no-shuffle", "--shards", "3")
    names = file_names(tmp_path / "set")
    assert names == sorted(names)
    assert [name.split("/")[0] for name in names] == [c for c in CLASSES for _ in range(12)]
