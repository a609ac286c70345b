"""The stand-in is what Google's own client expects of Dataproc."""

import functools

import pytest

dataproc_v1 = pytest.importorskip("google.cloud.dataproc_v1", reason="no google-cloud-dataproc")

from google.api_core import exceptions
from google.cloud.dataproc_v1.services.cluster_controller.transports.rest import \
    ClusterControllerRestTransport
from google.cloud.dataproc_v1.services.job_controller.transports.rest import JobControllerRestTransport
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials

MAIN = """
import sys
from pyspark.sql import SparkSession
from pyspark import SparkFiles
spark = SparkSession.builder.getOrCreate()
print("sum", spark.range(10).count(), sys.argv[1:],
      open(SparkFiles.get("note.txt")).read(), flush=True)
"""


class Official:
    """Google's client, with the names filled in."""

    def __init__(self, service, token="good-token"):
        host = service.url.removeprefix("http://")
        names = {"project_id": service.project, "region": service.region}
        credentials = Credentials(token)
        clusters = dataproc_v1.ClusterControllerClient(
            transport=ClusterControllerRestTransport(host=host, url_scheme="http", credentials=credentials))
        jobs = dataproc_v1.JobControllerClient(
            transport=JobControllerRestTransport(host=host, url_scheme="http", credentials=credentials))
        for client, methods in ((clusters, ("create_cluster", "get_cluster", "delete_cluster", "list_clusters")),
                                (jobs, ("submit_job", "get_job", "cancel_job"))):
            for method in methods:
                call = getattr(client, method)
                setattr(self, method, functools.partial(self._call, call, names))

    @staticmethod
    def _call(call, names, **request):
        return call(request={**names, **request}, timeout=60)


def cluster(name="one", **config):
    return {"project_id": "tests", "cluster_name": name, "labels": {"shardmill": "yes"}, "config": {
        "config_bucket": "pictures", "lifecycle_config": {"auto_delete_ttl": {"seconds": 600}},
        "master_config": {"machine_type_uri": "e2-standard-2"},
        "worker_config": {"num_instances": 2, "machine_type_uri": "e2-standard-2"}, **config}}


def test_the_official_client_makes_a_cluster_runs_a_job_and_deletes_it(dataproc, gs):
    official = Official(dataproc)
    made = official.create_cluster(cluster=cluster(), request_id="1").result(timeout=120)
    assert made.status.state.name == "RUNNING"
    listed = official.list_clusters(filter="labels.shardmill = yes AND status.state = ACTIVE")
    assert [one.cluster_name for one in listed] == ["one"]
    assert not list(official.list_clusters(filter="labels.other = yes"))
    with pytest.raises(exceptions.Conflict):
        official.create_cluster(cluster=cluster(), request_id="2")

    gs.put("stage/main.py", MAIN)
    gs.put("stage/note.txt", "noted")
    job = {"placement": {"cluster_name": "one"}, "pyspark_job": {
        "main_python_file_uri": "gs://pictures/stage/main.py", "args": ["a", "b"],
        "file_uris": ["gs://pictures/stage/note.txt"]}}
    sent = official.submit_job(job=job, request_id="3")
    assert official.submit_job(job=job, request_id="3").reference.job_id == sent.reference.job_id
    while not (done := official.get_job(job_id=sent.reference.job_id)).done:
        pass
    prefix = done.driver_output_resource_uri.removeprefix("gs://pictures/")
    output = b"".join(gs.get(key) for key in gs.keys(prefix)).decode()
    assert done.status.state.name == "DONE", output
    assert "sum 10 ['a', 'b'] noted" in output

    official.delete_cluster(cluster_name="one", request_id="4").result(timeout=60)
    assert dataproc.alive() == [] and dataproc.problems == []


def test_refusals_are_those_of_the_service(dataproc):
    official = Official(dataproc)
    with pytest.raises(exceptions.BadRequest, match="CPUS"):
        official.create_cluster(cluster=cluster(worker_config={
            "num_instances": 20, "machine_type_uri": "e2-standard-8"}), request_id="1")
    with pytest.raises(exceptions.NotFound):
        official.get_cluster(cluster_name="none")
    with pytest.raises((exceptions.Unauthorized, RefreshError)):  # it asks for another token
        Official(dataproc, "bad").get_cluster(cluster_name="none")
    with pytest.raises(exceptions.BadRequest):
        official.create_cluster(cluster=cluster("Bad_Name"), request_id="2")
    assert dataproc.alive() == []


def test_a_cluster_that_fails_stays_until_it_is_deleted(dataproc):
    official = Official(dataproc)
    dataproc.fail_next_cluster = "Unable to store artifacts"
    operation = official.create_cluster(cluster=cluster(), request_id="1")
    with pytest.raises(exceptions.GoogleAPICallError, match="Unable to store artifacts"):
        operation.result(timeout=60)
    assert official.get_cluster(cluster_name="one").status.state.name == "ERROR"
    official.delete_cluster(cluster_name="one", request_id="2").result(timeout=60)
    assert dataproc.alive() == []


def test_a_cluster_ends_at_its_age(dataproc):
    official = Official(dataproc)
    life = {"lifecycle_config": {"auto_delete_ttl": {"seconds": 1}}}
    dataproc.fail_next_cluster = "never mind"
    operation = official.create_cluster(cluster=cluster(**life), request_id="1")
    with pytest.raises(exceptions.GoogleAPICallError):
        operation.result(timeout=60)
    for _ in range(100):
        if not dataproc.alive():
            return
        dataproc.stopped.wait(0.1)
    pytest.fail("the cluster outlived its age")
