"""pack --engine spark --master yarn, with a real resource manager and node managers (SHARDMILL_SLOW=1)."""

import shutil

import pytest
from conftest import pack, refused, tree

from stores.servers import Absent, Process, hadoop

from .conftest import BIND
from .test_spark import OPTIONS


@pytest.fixture(scope="module")
def yarn_env(spark_env, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yarn")
    try:
        process = Process(hadoop("MiniYarn", folder, 2), folder / "yarn.log", (folder / "conf").exists)
    except Absent as reason:
        pytest.skip(str(reason))
    yield {**spark_env, "HADOOP_CONF_DIR": str(folder / "conf")}
    process.stop()


def on_yarn(spark_env, *more):
    # The jars need not be uploaded: the node managers are on this machine.
    conf = [f"spark.yarn.jars=local:{spark_env['SPARK_HOME']}/jars/*", "spark.executor.memory=512m",
            "spark.ui.enabled=false", "spark.executor.instances=2", *more]
    return ["--engine", "spark", "--master", "yarn", *[w for s in conf for w in ("--conf", s)]]


def test_the_bytes_of_a_local_run(flowers, dst, tmp_path, yarn_env):
    pack(flowers, tmp_path / "local", *OPTIONS)
    pack(flowers, dst, *OPTIONS, *on_yarn(yarn_env, *BIND, "spark.yarn.am.memory=512m"), env=yarn_env)
    assert tree(dst) == tree(tmp_path / "local")


def test_the_driver_on_the_cluster(flowers, dst, tmp_path, yarn_env):
    """--deploy-mode cluster: the driver and the coordinator run in a container."""
    pack(flowers, tmp_path / "local", *OPTIONS)
    pack(flowers, dst, *OPTIONS, "--deploy-mode", "cluster", env=yarn_env,
         *on_yarn(yarn_env, "spark.driver.memory=512m", "spark.yarn.appMasterEnv.SPARK_LOCAL_IP=127.0.0.1"))
    assert tree(dst) == tree(tmp_path / "local")
