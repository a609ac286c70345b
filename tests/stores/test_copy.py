"""cp to and from stores: what arrives is what was sent, as the store's own client sees it."""

import pytest
from conftest import FATAL, tree

from .conftest import get_many, put_many
from .servers import noise

MIB = 1 << 20
# None, one byte, more than one read, more than one piece of an upload.
SIZES = [0, 1, 5 * MIB + 1, 20 * MIB]
ODD = ["with space.jpg", "a#b", "what?", "100%", "%41", "a+b", "a&b=c", "über/straße.txt", "日本語",
       "naïve 'quotes\".jpg", "semi;colon", "back~tick`", "(1).jpg", "a,b", "x*y", "co:lon", "@at",
       "$money", "[b]", "{c}"]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_up_and_comes_down(store, mill, at, tmp_path, size):
    data = noise(size, size)
    (tmp_path / "up").write_bytes(data)
    mill(store, "cp", tmp_path / "up", store.url(f"{at}/file"))
    assert store.get(f"{at}/file") == data
    mill(store, "cp", store.url(f"{at}/file"), tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data


@pytest.mark.parametrize("size", SIZES)
def test_an_object_of_others_is_read(store, mill, at, tmp_path, size):
    data = noise(size, size)
    store.put(f"{at}/theirs", data)
    mill(store, "cp", store.url(f"{at}/theirs"), tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data


def test_a_folder_as_target_keeps_the_name(store, mill, at, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a")
    mill(store, "cp", tmp_path / "a.txt", store.url(f"{at}/"))
    assert store.keys(at) == [f"{at}/a.txt"]
    (tmp_path / "in").mkdir()
    mill(store, "cp", store.url(f"{at}/a.txt"), tmp_path / "in")
    assert tree(tmp_path / "in") == {"a.txt": b"a"}


def test_an_object_is_overwritten(store, mill, at, tmp_path):
    for data in [noise(9 * MIB, 1), b"short", noise(9 * MIB, 2)]:
        (tmp_path / "file").write_bytes(data)
        mill(store, "cp", tmp_path / "file", store.url(f"{at}/file"))
        assert store.get(f"{at}/file") == data
        mill(store, "cp", store.url(f"{at}/file"), tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == data


def test_a_folder_goes_up_and_comes_down(store, mill, at, tmp_path, flowers):
    (flowers / "daisy" / "empty").write_bytes(b"")
    (flowers / "large").write_bytes(noise(9 * MIB))
    want = tree(flowers)
    mill(store, "cp", "-r", flowers, store.url(at))
    assert get_many(store, at) == want
    mill(store, "cp", "-r", store.url(at), tmp_path / "down")
    assert tree(tmp_path / "down") == want


def test_odd_names(store, mill, at, tmp_path):
    want = {name: name.encode() for name in ODD}
    for name, data in want.items():
        path = tmp_path / "up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    mill(store, "cp", "-r", tmp_path / "up", store.url(at))
    assert get_many(store, at) == want
    assert sorted(mill(store, "ls", store.url(at)).stdout.splitlines()) == sorted(ODD)
    mill(store, "cp", "-r", store.url(at), tmp_path / "down")
    assert tree(tmp_path / "down") == want


@pytest.mark.parametrize("name", ["a#b", "what?", "100%", "%41", "a+b", "日本語"])
def test_an_odd_name_alone(store, mill, at, tmp_path, name):
    store.put(f"{at}/{name}", name.encode())
    mill(store, "cp", store.url(f"{at}/{name}"), tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == name.encode()


def test_names_cannot_climb_out_of_the_target(gs, mill, at, tmp_path):
    put_many(gs, {f"{at}/good": b"good", f"{at}/../{at}-up": b"bad", f"{at}/a/../../up": b"bad"})
    mill(gs, "cp", "-r", gs.url(at), tmp_path / "target" / "in")
    assert tree(tmp_path / "target") == {"in/good": b"good"}


def test_within_a_store(store, mill, at, flowers):
    put_many(store, {f"{at}/from/{name}": data for name, data in tree(flowers).items()})
    put_many(store, {f"{at}/from/large": noise(9 * MIB)})
    mill(store, "cp", "-r", store.url(f"{at}/from"), store.url(f"{at}/to"))
    assert get_many(store, f"{at}/to") == get_many(store, f"{at}/from")


def test_from_one_store_to_the_other(gs, s3, mill, at, flowers):
    want = {**tree(flowers), "large": noise(9 * MIB)}
    put_many(gs, {f"{at}/{name}": data for name, data in want.items()})
    mill(gs, "cp", "-r", gs.url(at), s3.url(at), more=s3.env())
    assert get_many(s3, at) == want
    mill(gs, "cp", "-r", s3.url(at), gs.url(f"{at}/back"), more=s3.env())
    assert get_many(gs, f"{at}/back") == want


def test_a_file_that_cannot_be_read_is_no_object(store, mill, at, tmp_path):
    mill(store, "cp", tmp_path / "none", store.url(f"{at}/none"), code=FATAL)
    assert store.keys(at) == []
