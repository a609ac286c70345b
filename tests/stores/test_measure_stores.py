"""shardmill measure on object stores: counts, bytes on the wire, retries."""

import pytest
from conftest import EXAMPLES, FATAL, OK, USAGE, lines, pack

from .conftest import put_many
from .fault_proxy import FaultProxy

PICTURES = 60


@pytest.fixture
def pictures(store, at):
    """The example pictures in the store; the prefix's URL, and their bytes."""
    files = {path.relative_to(EXAMPLES).as_posix(): path.read_bytes()
             for path in EXAMPLES.rglob("*.jpg")}
    put_many(store, {f"{at}/{name}": data for name, data in files.items()})
    return store.url(at), sum(map(len, files.values()))


@pytest.fixture
def measure(mill, tmp_path):
    def call(store, *args, code=OK, **kwargs):
        path = tmp_path / "results.jsonl"
        mill(store, "measure", *args, "-o", path, code=code, **kwargs)
        return lines(path)
    return call


def test_pictures_and_their_bytes(store, pictures, measure):
    url, size = pictures
    head, *rows = measure(store, url, "-b", "20", "-n", "3", "-r", "1,8", "--repeat", "2")
    assert head["sources"] == [{"source": url, "format": "files", "objects": PICTURES,
                                "images": PICTURES, "bytes": size, "filesystem": None,
                                "mount": None}]
    for row in rows:
        assert (row["images"], row["reads"], row["bytes"]) == (PICTURES, PICTURES, size)
        assert size < row["socket_bytes"] < 1.1 * size + 2000 * PICTURES
        assert row["device_bytes"] is row["resident_before"] is row["resident_after"] is None
        assert row["marks"] == [] and row["engine"] == "store"
        assert 0 < row["first_byte_s"] <= row["first_batch_s"] <= row["seconds"]


@pytest.mark.parametrize("size", ["100K", "whole"])
def test_shards_by_parts_and_whole(store, at, measure, tmp_path, size):
    pack(EXAMPLES, tmp_path / "set", "--shards", "3")
    shards = {path.name: path.read_bytes() for path in (tmp_path / "set").glob("*tfrecord*")}
    put_many(store, {f"{at}/{name}": data for name, data in shards.items()})
    head, *rows = measure(store, store.url(at), "-b", "20", "-n", "3", "-r", "1,3", "--repeat",
                          "2", "--read-size", size, "--cache", "warm")
    assert head["sources"][0]["images"] == PICTURES
    assert [row["images"] for row in rows] == [PICTURES] * 4
    for row in rows:
        if row["readers"] == 1:
            assert row["bytes"] == head["sources"][0]["bytes"]


def test_retries_are_counted(store, pictures, measure):
    url, size = pictures
    with FaultProxy(store.port, ["503", "reset", "cut"], share=0.2) as proxy:
        _, *rows = measure(store, url, "-b", "20", "-n", "3", "-r", "4", "--repeat", "1",
                           port=proxy.port)
        assert proxy.hits, "no fault was met"
    assert rows[0]["images"] == PICTURES and rows[0]["bytes"] == size
    assert rows[0]["retries"] >= 1


def test_a_store_is_not_read_directly(store, pictures, measure, mill):
    url, _ = pictures
    said = mill(store, "measure", url, "--cache", "direct", code=USAGE).stderr
    assert "cannot be read directly" in said
    _, *rows = measure(store, url, "--cache", "direct,cold", "-n", "1", "--repeat", "1")
    assert {row["cache"] for row in rows} == {"cold"}


def test_an_absent_bucket_is_told(store, mill, tmp_path):
    mill(store, "measure", store.url("nothing/here"), "-o", tmp_path / "r.jsonl", code=FATAL)
    assert not (tmp_path / "r.jsonl").exists()
