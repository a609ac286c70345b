"""A store and a stand-in of Dataproc in front of real Spark."""

import pytest

from stores.servers import Absent as NoStore
from stores.servers import Gs
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
def dataproc(gs, tmp_path):
    """A fresh service, with nothing in it."""
    pytest.importorskip("google.cloud.dataproc_v1", reason="no google-cloud-dataproc")
    from .standin import Standin
    try:
        spark.spark_home()
    except spark.Absent as reason:
        pytest.skip(str(reason))
    with Standin(tmp_path / "service", gs.port) as service:
        yield service
