"""ls of stores: pages, prefixes, what is left out."""

import re

import pytest
from conftest import run

from .conftest import CROWD, peak, put_many
from .pages import OBJECTS, PAGES, PageMaker


def names_of(done):
    return sorted(done.stdout.splitlines())


def test_all_pages_are_listed(crowd, mill):
    want = sorted(f"{i % 7}/{i:05}.jpg" for i in range(CROWD))
    assert names_of(mill(crowd, "ls", crowd.url("crowd"))) == want
    assert names_of(mill(crowd, "ls", crowd.url("crowd/"))) == want


def test_a_prefix_of_a_name_is_no_folder(crowd, mill):
    assert names_of(mill(crowd, "ls", crowd.url("crowd2"))) == ["other"]
    assert "no" in mill(crowd, "ls", crowd.url("crow"), code=1).stderr


def test_count_and_bytes(crowd, mill):
    said = mill(crowd, "ls", "--count", crowd.url("crowd")).stdout
    assert re.match(r"2[ ,.']?500 files, ", said), said


def test_long(store, mill, at):
    store.put(f"{at}/five", b"12345")
    line = mill(store, "ls", "-l", store.url(at)).stdout
    assert re.fullmatch(r" *5  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ +five\n", line), line


def test_a_file_itself(store, mill, at):
    store.put(f"{at}/five", b"12345")
    assert mill(store, "ls", store.url(f"{at}/five")).stdout == "five\n"


def test_hidden_names_and_placeholders_are_left_out(store, mill, at):
    put_many(store, {f"{at}/seen": b"1", f"{at}/.hidden": b"1", f"{at}/.in/seen": b"1"})
    put_many(store, {f"{at}/folder/": b""})
    assert mill(store, "ls", store.url(at)).stdout == "seen\n"


def test_a_whole_bucket(crowd, mill):
    assert "crowd2/other" in names_of(mill(crowd, "ls", crowd.url()))


def test_a_local_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert run("ls", tmp_path).stdout == "a\n"


@pytest.mark.parametrize("bucket, slash", [("flat", "-"), ("folders", "/")])
@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_million_objects(env, tmp_path, scheme, bucket, slash):
    """Each once, in flat memory, with folders to list side by side and without."""
    memory = []
    for pages in PAGES // 10, PAGES:
        with PageMaker(pages=pages) as server, open(tmp_path / "names", "wb") as names:
            memory.append(peak("ls", f"{scheme}://{bucket}/all", env={**env, **server.env()},
                               stdout=names))
    found = (tmp_path / "names").read_text().splitlines()
    assert len(found) == len(set(found)) == PAGES * OBJECTS
    assert {f"0000{slash}000.jpg", f"0999{slash}999.jpg"} <= set(found)
    assert memory[1] < min(memory[0] + 8, 50), memory
