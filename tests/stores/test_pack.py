"""Packing from stores and into them: the bytes of packing here."""

import pytest
from conftest import pack, tree

from .conftest import get_many, put_many


def content(files):
    """All but the plan and what names it: it remembers when pictures changed."""
    return {name: data for name, data in files.items()
            if name != "plan.json" and not name.startswith("stats/")}


@pytest.fixture
def local(flowers, tmp_path):
    pack(flowers, tmp_path / "local", "--shards", "4")
    return content(tree(tmp_path / "local"))


def test_from_a_store(store, env, at, flowers, local, dst):
    put_many(store, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    pack(store.url(f"{at}/flowers"), dst, "--shards", "4", env={**env, **store.env()})
    assert content(tree(dst)) == local


def test_into_a_store(store, env, at, flowers, local):
    pack(flowers, store.url(at), "--shards", "4", env={**env, **store.env()})
    assert content(get_many(store, at)) == local


def test_from_a_store_into_it(store, env, at, flowers, local):
    put_many(store, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    pack(store.url(f"{at}/flowers"), store.url(f"{at}/out"), "--shards", "4",
         env={**env, **store.env()})
    assert content(get_many(store, f"{at}/out")) == local
