"""HDFS over WebHDFS, with a real name node and data node (SHARDMILL_SLOW=1)."""

import re
import time

import pytest
from conftest import FATAL, run, tree

from .conftest import get_many, put_many
from .fault_proxy import LATE_SECONDS, FaultProxy
from .servers import SLOW, noise
from .test_pack import content, local, pack_while_it_goes  # noqa: F401 (local is a fixture)

pytestmark = pytest.mark.skipif(not SLOW, reason="HDFS: SHARDMILL_SLOW=1 gets it")

MIB = 1 << 20


@pytest.fixture
def hdfs_env(hdfs, env):
    return {**env, **hdfs.env()}


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 1, 70 * MIB])
def test_a_file_goes_up_and_comes_down(hdfs, hdfs_env, at, tmp_path, size):
    """Of several pieces, and longer than a block."""
    data = noise(size, size)
    (tmp_path / "up").write_bytes(data)
    for _ in "made", "overwritten":
        run("cp", tmp_path / "up", hdfs.url(f"{at}/file"), env=hdfs_env)
        assert hdfs.get(f"{at}/file") == data
    assert hdfs.keys(f"{at}/") == [f"{at}/file"]
    run("cp", hdfs.url(f"{at}/file"), tmp_path / "down", env=hdfs_env)
    assert (tmp_path / "down").read_bytes() == data


def test_a_folder_goes_up_and_comes_down(hdfs, hdfs_env, at, tmp_path, flowers):
    (flowers / "daisy" / "with space & 100%, über.txt").write_bytes(b"odd")
    want = tree(flowers)
    run("cp", "-r", flowers, hdfs.url(at), env=hdfs_env)
    assert get_many(hdfs, at) == want
    assert sorted(run("ls", hdfs.url(at), env=hdfs_env).stdout.splitlines()) == sorted(want)
    run("cp", "-r", hdfs.url(at), tmp_path / "down", env=hdfs_env)
    assert tree(tmp_path / "down") == want


def test_the_port_behind_hdfs_is_another(hdfs, hdfs_env, at):
    hdfs.put(f"{at}/five", b"12345")
    env = {**hdfs_env, "SHARDMILL_WEBHDFS_PORT": str(hdfs.port)}
    url = f"hdfs://127.0.0.1:8020/pictures/{at}"
    assert run("ls", url, env=env).stdout == "five\n"


def test_packing_from_it_and_into_it(hdfs, hdfs_env, at, flowers, local, dst):  # noqa: F811
    put_many(hdfs, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    run("pack", hdfs.url(f"{at}/flowers"), dst, "--shards", "4", env=hdfs_env)
    assert content(tree(dst)) == content(local)
    run("pack", hdfs.url(f"{at}/flowers"), hdfs.url(f"{at}/out"), "--shards", "4", env=hdfs_env)
    assert content(get_many(hdfs, f"{at}/out")) == content(local)
    run("verify", hdfs.url(f"{at}/out"), env=hdfs_env)


def test_faults_of_the_name_node(hdfs, hdfs_env, at, tmp_path):
    want = {f"{i:03}": noise(i * 50, i) for i in range(100)}
    for name, data in want.items():
        (tmp_path / "up").mkdir(exist_ok=True)
        (tmp_path / "up" / name).write_bytes(data)
    faults = ["503", "reset", "lost", "cut", "truncated", "stall"]
    # One second is too little: the data node, which no proxy is before, needs more now and then.
    env = {**hdfs_env, "SHARDMILL_STALL_SECONDS": "5"}
    with FaultProxy(hdfs.port, faults) as proxy:
        run("cp", "-r", tmp_path / "up", hdfs.url(at, proxy.port), env=env)
        assert get_many(hdfs, at) == want
        run("cp", "-r", hdfs.url(at, proxy.port), tmp_path / "down", env=env)
    assert len(proxy.hits) > 3
    assert tree(tmp_path / "down") == want


class _NameNode(FaultProxy):
    """Before the name node; names the proxy before the data node for it. Keeps what was renamed to
    its place while a request that writes to it was still on its way."""

    def __init__(self, upstream):
        super().__init__(upstream, ["slow"], share=0)
        self.data_node, self.unsafe = None, []

    def _ask(self, store, answered, target, head, body):
        if b"?op=RENAME" in target and not target.endswith(b".tmp") and self.data_node:
            self.unsafe += self.data_node.waiting & {_path(target)}
        head, headers, body = super()._ask(store, answered, target, head, body)
        found = re.search(rb'(?<="Location":"http://127\.0\.0\.1:)\d+', body)
        if found:
            with self.lock:
                if self.data_node is None:
                    self.data_node = _DataNode(int(found[0]))
                    self.data_node.__enter__()
            body = body.replace(found[0], b"%d" % self.data_node.port)
            assert int(headers["content-length"]) == len(body)
        return head, headers, body


class _DataNode(FaultProxy):
    """Before the data node, which a fifth of the writes reach late."""

    def __init__(self, upstream):
        super().__init__(upstream, ["late"], share=0.2)
        self.late, self.waiting = set(), set()

    def _choose(self, method, target, head, body):
        fault = super()._choose(method, target, head, body)
        if fault:
            self.late.add(_path(target.encode()))
            self.waiting.add(_path(target.encode()))
        return fault

    def _ask(self, store, answered, target, head, body):
        try:
            return super()._ask(store, answered, target, head, body)
        finally:
            self.waiting.discard(_path(target))


def _path(target):
    return target.partition(b"?")[0]


def test_a_data_node_that_is_late(hdfs, hdfs_env, at, tmp_path):
    """It carries out what was given up, at any later time: never upon what is published."""
    want = {f"{i:02}": noise(i * 50, i) for i in range(40)} | {"large": noise(70 * MIB, 1)}
    (tmp_path / "up").mkdir()
    for name, data in want.items():
        (tmp_path / "up" / name).write_bytes(data)
    env = {**hdfs_env, "SHARDMILL_STALL_SECONDS": "2"}
    with _NameNode(hdfs.port) as proxy:
        run("cp", "-r", tmp_path / "up", hdfs.url(at, proxy.port), env=env)
        time.sleep(LATE_SECONDS)
        proxy.data_node.__exit__()
    assert len(proxy.data_node.late) > 3
    assert not proxy.unsafe
    found, leftovers = get_many(hdfs, at), {name.rpartition(b"/")[2] for name in proxy.data_node.late}
    assert {name: data for name, data in found.items() if name.encode() not in leftovers} == want


def test_a_name_node_that_goes_away(hdfs, hdfs_env, at, flowers, dst):
    put_many(hdfs, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    proxy = FaultProxy(hdfs.port, ["slow"], share=0)
    pack_while_it_goes(proxy, hdfs.url(f"{at}/flowers", proxy.port), dst=dst, env=hdfs_env)


def test_a_data_node_that_is_away(hdfs, hdfs_env, at, flowers, local, dst):  # noqa: F811
    """The name node lists all and nothing can be read: no picture is bad, and the next run goes on."""
    put_many(hdfs, {f"{at}/flowers/{name}": data for name, data in tree(flowers).items()})
    args = hdfs.url(f"{at}/flowers"), dst, "--shards", "4"
    with hdfs.without_data_node():
        said = run("pack", *args, code=FATAL, env={**hdfs_env, "SHARDMILL_RETRY_SECONDS": "2"}).stderr
    assert "no good answer" in said and "again" in said, said
    assert not [name for name in tree(dst) if "failures" in name or name == "_SUCCESS"]
    run("pack", *args, env=hdfs_env)
    assert content(tree(dst)) == content(local)


def test_what_cannot_be_done(hdfs, hdfs_env, at, tmp_path):
    hdfs.put(f"{at}/file", b"x")
    began = time.monotonic()
    for args, said in [
            (("ls", hdfs.url(f"{at}/none")), hdfs.url(f"{at}/none")),
            (("cp", "-q", hdfs.url(f"{at}/none"), tmp_path / "down"), hdfs.url(f"{at}/none")),
            (("cp", "-q", __file__, hdfs.url(f"{at}/file/below")), "Path is not a directory")]:
        done = run(*args, code=FATAL, env=hdfs_env)
        assert said in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert "not permitted" not in done.stderr
    stranger = {**hdfs_env, "HADOOP_USER_NAME": "stranger"}
    assert "stranger" in run("cp", "-q", __file__, hdfs.url(f"{at}/mine"), code=FATAL,
                             env=stranger).stderr
    assert time.monotonic() - began < 40
    assert hdfs.keys(f"{at}/") == [f"{at}/file"]
