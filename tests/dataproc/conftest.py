"""A store and a stand-in of Dataproc in front of real Spark."""

import pytest

from conftest import EXAMPLES
from stores.servers import Absent as NoStore
from stores.servers import Gs, clean_environment
from . import spark


@pytest.fixture(scope="session")
def gs(tmp_path_factory):
    try:
        server = Gs(tmp_path_factory.mktemp("gs"))
    except NoStore as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture
def dataproc(request, gs, tmp_path):
    """A fresh service, with nothing in it; parametrized indirectly, with these settings of Standin."""
    pytest.importorskip("google.cloud.dataproc_v1", reason="no google-cloud-dataproc")
    pytest.importorskip("google.cloud.monitoring_v3", reason="no google-cloud-monitoring")
    from .standin import Standin
    try:
        spark.spark_home()
    except spark.Absent as reason:
        pytest.skip(str(reason))
    with Standin(tmp_path / "service", gs.port, **getattr(request, "param", {})) as service:
        yield service


@pytest.fixture
def env(dataproc, tmp_path):
    return {**clean_environment(tmp_path), **dataproc.env(),
            "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def pictures(gs):
    """The example pictures in the bucket."""
    for path in EXAMPLES.glob("*/*.jpg"):
        gs.put(f"flowers/{path.parent.name}/{path.name}", path.read_bytes())
    return gs.url("flowers")
