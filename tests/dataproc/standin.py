"""A stand-in for Dataproc's REST service that does the real work: a cluster is a real Spark
standalone cluster, a job a real spark-submit of the staged files.

Requests are checked strictly against the protobuf classes of google-cloud-dataproc (and
google-cloud-monitoring, for the series of its machines): an unknown field or a value of the wrong
type is a 400, as with the service. States, operations and errors are those of
the service's documentation (REST reference v1: projects.regions.clusters, .jobs, .operations).
`problems` lists what a client did that the service may let pass, and should not.
"""

import contextlib
import datetime
import fnmatch
import json
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

from google.cloud import dataproc_v1, monitoring_v3
from google.protobuf import json_format
from loopback import Handler, Loopback

from .spark import SparkCluster, end

OUTPUT_CHUNK = 64 << 10  # bytes of a job's output in one object
MACHINE = re.compile(r"(?:.*/)?[a-z]\d\w*-(?:standard|highmem|highcpu)-(\d+)$")
NAME = re.compile(r"[a-z]([a-z0-9-]{0,49}[a-z0-9])?$")
EMAIL = "packer@tests.example"
METRICS = ("cpu/utilization", "network/received_bytes_count", "network/sent_bytes_count",
           "disk/read_bytes_count", "disk/write_bytes_count")
ENDED = ("DONE", "ERROR", "CANCELLED")


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code, status, message):
        super().__init__(message)
        self.code, self.status = code, status


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def vcpus(machine_type):
    found = MACHINE.match(machine_type or "n1-standard-4")
    if not found:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid machine type: '{machine_type}'")
    return int(found[1])


def parse(kind, body):
    """The body as the service's own class reads it, in its canonical JSON."""
    try:
        message = json_format.Parse(body, kind.pb()())
    except json_format.ParseError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
    return json_format.MessageToDict(message)


def seconds(duration):
    return float(duration[:-1]) if duration else None


class Cluster:
    """One cluster's state; its Spark lives and dies in threads of the service."""

    def __init__(self, service, body):
        self.service, self.body = service, body
        self.name, self.uuid = body["clusterName"], str(uuid.uuid4())
        config = body.setdefault("config", {})
        properties = config.get("softwareConfig", {}).get("properties", {})
        workers = config.get("workerConfig", {})
        spot = config.get("secondaryWorkerConfig", {})
        self.single = properties.get("dataproc:dataproc.allow.zero.workers") == "true"
        self.workers = 0 if self.single else workers.get("numInstances", 2)
        if not self.single and self.workers < 2:
            raise Refusal(400, "INVALID_ARGUMENT", "Cluster must have 0 (single node) or at least "
                                                   f"2 workers, but got {self.workers}")
        self.spot = spot.get("numInstances", 0)
        if self.spot and self.single:
            raise Refusal(400, "INVALID_ARGUMENT", "Single node clusters cannot have secondary workers")
        if spot.get("machineTypeUri"):
            raise Refusal(400, "INVALID_ARGUMENT", "Secondary workers have the primary workers' machine type")
        for group in ("masterConfig", "workerConfig"):
            if config.get(group, {}).get("preemptibility", "NON_PREEMPTIBLE") != "NON_PREEMPTIBLE":
                raise Refusal(400, "INVALID_ARGUMENT", f"{group} cannot be preemptible")
        self.master_cores = vcpus(config.get("masterConfig", {}).get("machineTypeUri"))
        self.worker_cores = vcpus(workers.get("machineTypeUri")) if self.workers else 0
        life = config.get("lifecycleConfig", {})
        self.max_idle, self.max_age = seconds(life.get("idleDeleteTtl")), seconds(life.get("autoDeleteTtl"))
        self.born = self.used = time.monotonic()
        self.spark, self.gone = None, False
        self.history = []
        self.state("CREATING")

    def cpus(self):
        return self.master_cores + (self.workers + self.spot) * self.worker_cores

    def machines(self):
        """Their names, as Dataproc gives them."""
        return ([f"{self.name}-m"] + [f"{self.name}-w-{i}" for i in range(self.workers)]
                + [f"{self.name}-sw-{i:04x}" for i in range(self.spot)])

    def state(self, state, detail=""):
        if self.history or "status" in self.body:
            self.history.append(self.body["status"])
        self.body["status"] = {"state": state, "stateStartTime": now(),
                               **({"detail": detail} if detail else {})}

    def json(self):
        return {**self.body, "projectId": self.service.project, "clusterUuid": self.uuid,
                "statusHistory": self.history}


class Standin(Loopback):
    """The service of one project and region, at url. Behind `with` nothing of it runs."""

    project, region = "tests", "europe-west1"

    def __init__(self, folder, store_port, *, machine_env=None, cpu_quota=64, fault_rate=0.0, seed=0,
                 start_seconds=0.0, local=False, java=""):
        super().__init__(_Handler)
        self.folder, self.store = Path(folder), f"http://127.0.0.1:{store_port}"
        self.token, self.tokens_given, self.cpu_quota = "good-token", 0, cpu_quota
        self.machine_env = machine_env or {"STORAGE_EMULATOR_HOST": self.store}
        self.fault_rate, self.random, self.start_seconds = fault_rate, random.Random(seed), start_seconds
        self.local, self.java = local, java  # of its clusters (see SparkCluster)
        self.monitoring_allowed, self.machines = True, {}  # by the name of a cluster, also when it is gone
        self.spans = {}  # what the service took: [kind, begin, end] by operation or job
        self.fail_next_cluster = None  # a detail: the next cluster goes to ERROR
        self.faults = []  # kinds to be served next: "503", "429", "reset", "lost"
        self.asked = []  # every cluster that was made, as it was asked for
        self.clusters, self.jobs, self.operations, self.requests = {}, {}, {}, {}
        self.problems, self.calls, self.created, self.most, self.most_cpus = [], [], 0, 0, 0
        self.lock, self.stopped, self.starting = threading.RLock(), threading.Event(), []

    def __enter__(self):
        threading.Thread(target=self._reap, daemon=True).start()
        return super().__enter__()

    def __exit__(self, *_):
        self.stopped.set()
        super().__exit__()
        for thread in self.starting:
            thread.join()
        with self.lock:
            clusters, jobs = list(self.clusters.values()), list(self.jobs.values())
        for job in jobs:
            if job.get("_child"):
                end(job["_child"])
        for cluster in clusters:
            if cluster.spark:
                cluster.spark.stop()

    def env(self):
        """How shardmill finds this service, and a token for it, as on a machine of the cloud."""
        host = self.url.removeprefix("http://")
        return {"SHARDMILL_DATAPROC_ENDPOINT": self.url, "SHARDMILL_MONITORING_ENDPOINT": self.url,
                "STORAGE_EMULATOR_HOST": self.store,
                "GCE_METADATA_HOST": host, "NO_GCE_CHECK": "false"}

    def expire_token(self):
        """What was given out is not taken any more."""
        self.token = f"token-{uuid.uuid4()}"

    def alive(self):
        """Names of the clusters that cost money now."""
        with self.lock:
            return sorted(self.clusters)

    def _reap(self):
        """Deletes clusters that are too old, or idle for too long."""
        while not self.stopped.wait(0.2):
            with self.lock:
                moment = time.monotonic()
                for cluster in list(self.clusters.values()):
                    busy = any(job["placement"]["clusterName"] == cluster.name
                               and job["status"]["state"] not in ENDED for job in self.jobs.values())
                    if busy:
                        cluster.used = moment
                    old = cluster.max_age and moment - cluster.born > cluster.max_age
                    idle = cluster.max_idle and moment - cluster.used > cluster.max_idle
                    if (old or idle) and cluster.body["status"]["state"] != "DELETING":
                        self._delete(cluster)

    # ---- Operations

    def _operation(self, kind, cluster):
        name = f"projects/{self.project}/regions/{self.region}/operations/{uuid.uuid4()}"
        operation = {"name": name, "done": False, "metadata": {
            "@type": "type.googleapis.com/google.cloud.dataproc.v1.ClusterOperationMetadata",
            "clusterName": cluster.name, "clusterUuid": cluster.uuid, "operationType": kind,
            "status": {"state": "RUNNING", "innerState": "RUNNING", "stateStartTime": now()}}}
        self.operations[name] = operation
        self.spans[name] = [kind, time.monotonic(), None]
        return operation

    def _finish(self, operation, cluster=None, error=None):
        with self.lock:
            operation["metadata"]["status"]["state"] = "DONE"
            self.spans[operation["name"]][2] = time.monotonic()
            if error:
                operation["error"] = {"code": 13, "message": error}
            elif cluster:
                operation["response"] = {
                    "@type": "type.googleapis.com/google.cloud.dataproc.v1.Cluster", **cluster.json()}
            else:
                operation["response"] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
            operation["done"] = True

    # ---- Clusters

    def create(self, body, query):
        with self.lock:
            cluster = parse(dataproc_v1.Cluster, body)
            name = cluster.get("clusterName", "")
            if not NAME.match(name):
                raise Refusal(400, "INVALID_ARGUMENT", f"Invalid cluster name '{name}'")
            if cluster.get("projectId", self.project) != self.project:
                raise Refusal(400, "INVALID_ARGUMENT", "Project ID in request and cluster differ")
            if name in self.clusters:
                raise Refusal(409, "ALREADY_EXISTS", "Already exists: Failed to create cluster: Cluster "
                              f"projects/{self.project}/regions/{self.region}/clusters/{name}")
            self.asked.append(json.loads(json.dumps(cluster)))
            made = Cluster(self, cluster)
            free = self.cpu_quota - sum(one.cpus() for one in self.clusters.values())
            if made.cpus() > free:
                raise Refusal(400, "INVALID_ARGUMENT", "Insufficient 'CPUS' quota. Requested "
                              f"{made.cpus()}.0, available {free}.0.")
            if not (made.max_age or made.max_idle):
                self.problems.append(f"cluster {name} would live for ever")
            self.clusters[name] = made
            self.created += 1
            self.most = max(self.most, len(self.clusters))
            self.most_cpus = max(self.most_cpus, sum(one.cpus() for one in self.clusters.values()))
            self.machines[name] = made.machines()
            operation = self._operation("CREATE", made)
            self.starting.append(threading.Thread(target=self._start, args=(made, operation)))
            self.starting[-1].start()
            return operation

    def _start(self, cluster, operation):
        try:
            ready = time.monotonic() + self.start_seconds
            while time.monotonic() < ready and not cluster.gone and not self.stopped.wait(0.02):
                pass
            if self.fail_next_cluster:
                detail, self.fail_next_cluster = self.fail_next_cluster, None
                raise RuntimeError(detail)
            spark = SparkCluster(self.folder / cluster.uuid, max(cluster.workers + cluster.spot, 1),
                                 cluster.worker_cores or cluster.master_cores, self.machine_env,
                                 lambda: cluster.gone or self.stopped.is_set(), self.local, self.java)
        except Exception as error:  # pylint: disable=broad-except; whatever it is, the client is told
            with self.lock:
                cluster.state("ERROR", str(error))
            self._finish(operation, error=str(error))
            return
        with self.lock:
            cluster.spark = spark
            if cluster.gone or self.stopped.is_set():
                spark.stop()
            else:
                cluster.used = time.monotonic()
                cluster.state("RUNNING")
        self._finish(operation, cluster)

    def cluster(self, name):
        with self.lock:
            if name not in self.clusters:
                raise Refusal(404, "NOT_FOUND", f"Not found: Cluster projects/{self.project}/regions/"
                                                f"{self.region}/clusters/{name}")
            return self.clusters[name]

    def list_clusters(self, query):
        """filter: terms `labels.KEY = VALUE`, `labels.KEY:*` and `status.state = ACTIVE`, AND."""
        with self.lock:
            found = [one.json() for one in self.clusters.values()]
        for term in filter(None, query.get("filter", "").split(" AND ")):
            match = re.fullmatch(r"\s*(labels\.([\w-]+)|clusterName|status\.state)\s*[=:]\s*(\S+)\s*", term)
            if not match:
                raise Refusal(400, "INVALID_ARGUMENT", f"Invalid list filter: {term}")
            what, key, value = match.groups()
            if key:
                found = [one for one in found if fnmatch.fnmatchcase(one.get("labels", {}).get(key, "\0"), value)]
            elif what == "clusterName":
                found = [one for one in found if one["clusterName"] == value]
            elif value == "ACTIVE":
                found = [one for one in found if one["status"]["state"] in ("CREATING", "UPDATING", "RUNNING")]
        size, start = int(query.get("pageSize", 0) or 200), int(query.get("pageToken", 0) or 0)
        page = {"clusters": found[start:start + size]} if found[start:start + size] else {}
        if start + size < len(found):
            page["nextPageToken"] = str(start + size)
        return page

    def delete(self, name):
        with self.lock:
            cluster = self.cluster(name)
            if cluster.body["status"]["state"] == "DELETING":
                raise Refusal(400, "FAILED_PRECONDITION", f"Cluster '{name}' is being deleted")
            return self._delete(cluster)

    def _delete(self, cluster):
        cluster.state("DELETING")
        cluster.gone = True
        operation = self._operation("DELETE", cluster)
        threading.Thread(target=self._stop, args=(cluster, operation), daemon=True).start()
        return operation

    def _stop(self, cluster, operation):
        with self.lock:
            children = [job.get("_child") for job in self.jobs.values()
                        if job["placement"]["clusterName"] == cluster.name]
        for child in filter(None, children):
            end(child)
        if cluster.spark:
            cluster.spark.stop()
        with self.lock:
            del self.clusters[cluster.name]
        self._finish(operation)

    # ---- Jobs

    def submit(self, body, query):
        request = json.loads(body)
        parse(dataproc_v1.SubmitJobRequest, json.dumps({**request, "projectId": self.project}))
        with self.lock:
            job = parse(dataproc_v1.Job, json.dumps(request.get("job", {})))
            key = request.get("requestId")
            if key and ("submit", key) in self.requests:
                return self.requests["submit", key]
            if not key:
                self.problems.append("a job was submitted without a requestId")
            cluster = self.cluster(job.get("placement", {}).get("clusterName", ""))
            if cluster.body["status"]["state"] != "RUNNING":
                raise Refusal(400, "FAILED_PRECONDITION",
                              f"Cluster '{cluster.name}' is not RUNNING")
            if not job.get("pysparkJob", {}).get("mainPythonFileUri"):
                raise Refusal(400, "INVALID_ARGUMENT", "Job must have a main python file")
            name = job.setdefault("reference", {}).setdefault("jobId", str(uuid.uuid4()))
            if name in self.jobs:
                raise Refusal(409, "ALREADY_EXISTS", f"Already exists: Job {name}")
            bucket = cluster.body["config"].get("configBucket")
            if not bucket:
                raise Refusal(400, "INVALID_ARGUMENT", "this stand-in makes no staging bucket: "
                                                       "name one in config.configBucket")
            job["driverOutputResourceUri"] = (f"gs://{bucket}/google-cloud-dataproc-metainfo/"
                                              f"{cluster.uuid}/jobs/{name}/driveroutput")
            job["jobUuid"], job["statusHistory"] = str(uuid.uuid4()), []
            job["placement"]["clusterUuid"] = cluster.uuid
            job["status"] = {"state": "PENDING", "stateStartTime": now()}
            self.jobs[name] = job
            self.spans[name] = ["JOB", time.monotonic(), None]
            if key:
                self.requests["submit", key] = job
            threading.Thread(target=self._run, args=(job, cluster), daemon=True).start()
            return job

    def _job_state(self, job, state, details=""):
        with self.lock:
            if job["status"]["state"] in ENDED:
                return
            job["statusHistory"].append(job["status"])
            if state in ENDED:
                self.spans[job["reference"]["jobId"]][2] = time.monotonic()
            job["status"] = {"state": state, "stateStartTime": now(),
                             **({"details": details} if details else {})}

    def _fetch(self, uri, folder):
        bucket, _, key = uri.removeprefix("gs://").partition("/")
        path = folder / key.rpartition("/")[2]
        with urllib.request.urlopen(f"{self.store}/storage/v1/b/{bucket}/o/"
                                    f"{urllib.parse.quote(key, safe='')}?alt=media") as reply:
            path.write_bytes(reply.read())
        path.chmod(0o755)
        return path

    def _put(self, uri, data):
        bucket, _, key = uri.removeprefix("gs://").partition("/")
        urllib.request.urlopen(urllib.request.Request(
            f"{self.store}/upload/storage/v1/b/{bucket}/o?uploadType=media&name="
            f"{urllib.parse.quote(key, safe='')}", data=data, method="POST",
            headers={"Content-Type": "text/plain"})).close()

    def _publish_output(self, job, log):
        data = log.read_bytes() if log.exists() else b""
        for number, start in enumerate(range(0, len(data), OUTPUT_CHUNK)):
            chunk = data[start:start + OUTPUT_CHUNK]
            if job.setdefault("_sizes", {}).get(number) != len(chunk):
                self._put(f"{job['driverOutputResourceUri']}.{number:09}", chunk)
                job["_sizes"][number] = len(chunk)

    def _run(self, job, cluster):
        spec = job["pysparkJob"]
        folder = self.folder / cluster.uuid / job["reference"]["jobId"]
        folder.mkdir(parents=True)
        log = folder / "output.log"
        try:
            main = self._fetch(spec["mainPythonFileUri"], folder)
            files = [self._fetch(uri, folder) for uri in spec.get("fileUris", [])]
            archives = []
            for uri in spec.get("archiveUris", []):
                plain, _, alias = uri.partition("#")
                archives.append(f"{self._fetch(plain, folder)}{'#' + alias if alias else ''}")
            self._job_state(job, "SETUP_DONE")
            if job["status"]["state"] in ENDED:
                return
            child = job["_child"] = cluster.spark.submit(
                folder, main, spec.get("args", []), files, archives, spec.get("properties", {}), log)
        except (OSError, urllib.error.URLError) as error:
            self._job_state(job, "ERROR", f"Task was not acquired: {error}")
            return
        self._job_state(job, "RUNNING")
        while child.poll() is None:
            time.sleep(0.2)
            with contextlib.suppress(OSError):
                self._publish_output(job, log)
        with contextlib.suppress(OSError):
            self._publish_output(job, log)
        if job["status"]["state"] == "CANCEL_STARTED":
            self._job_state(job, "CANCELLED", "Job cancelled")
        elif child.returncode == 0:
            self._job_state(job, "DONE")
        else:
            self._job_state(job, "ERROR", "Google Cloud Dataproc Agent reports job failure. If logs "
                            "are available, they can be found at:\n" + job["driverOutputResourceUri"])

    def job(self, name):
        with self.lock:
            if name not in self.jobs:
                raise Refusal(404, "NOT_FOUND", f"Not found: Job projects/{self.project}/regions/"
                                                f"{self.region}/jobs/{name}")
            job = {key: value for key, value in self.jobs[name].items() if not key.startswith("_")}
            return {**job, "done": job["status"]["state"] in ENDED}

    def cancel(self, name):
        self.job(name)
        with self.lock:
            job = self.jobs[name]
            state = job["status"]["state"]
            if state not in ENDED:
                self._job_state(job, "CANCEL_STARTED")
                if job.get("_child"):
                    end(job["_child"])
                else:
                    self._job_state(job, "CANCELLED", "Job cancelled")
        return self.job(name)

    # ---- Cloud Monitoring

    def series(self, query):
        """projects.timeSeries.list with the one filter that shardmill asks for. Every machine has a value
        for every period, that tells the metric: 0.5 of CPU, n MB/s of the n-th of METRICS."""
        request = {}
        for name, value in query.items():
            *path, last = name.split(".")
            inner = request
            for part in path:
                inner = inner.setdefault(part, {})
            inner[last] = [value] if last == "groupByFields" else value
        parsed = parse(monitoring_v3.ListTimeSeriesRequest, json.dumps(request))
        if not self.monitoring_allowed:
            raise Refusal(403, "PERMISSION_DENIED", "Permission monitoring.timeSeries.list denied (or the "
                                                    "resource may not exist).")
        match = re.fullmatch(r'metric\.type = "compute\.googleapis\.com/instance/([\w/]+)" AND '
                             r'metric\.labels\.instance_name = monitoring\.regex\.full_match\("(.+)"\)',
                             parsed.get("filter", ""))
        aggregation = parsed.get("aggregation", {})
        wanted = ("ALIGN_MEAN" if match and match[1] == METRICS[0] else "ALIGN_RATE", "REDUCE_SUM",
                  ["metric.labels.instance_name"])
        if (not match or match[1] not in METRICS or wanted != tuple(aggregation.get(key) for key in (
                "perSeriesAligner", "crossSeriesReducer", "groupByFields"))):
            raise Refusal(400, "INVALID_ARGUMENT", f"unknown filter or aggregation: {query}")
        begin, end = (datetime.datetime.fromisoformat(parsed["interval"][name]) for name in ("startTime", "endTime"))
        period, number = datetime.timedelta(seconds=seconds(aggregation["alignmentPeriod"])), METRICS.index(match[1])
        points = []
        while end > begin:
            stamp = end.isoformat().replace("+00:00", "Z")
            points.append({"interval": {"startTime": stamp, "endTime": stamp},
                           "value": {"doubleValue": number * 1e6 or 0.5}})
            end -= period
        names = [name for names in self.machines.values() for name in names if re.fullmatch(match[2], name)]
        start = int(query.get("pageToken", 0))  # pages of one machine
        answer = {"timeSeries": [
            {"metric": {"type": f"compute.googleapis.com/instance/{match[1]}", "labels": {"instance_name": name}},
             "metricKind": "GAUGE", "valueType": "DOUBLE", "points": points} for name in names[start:start + 1]]}
        if start + 1 < len(names):
            answer["nextPageToken"] = str(start + 1)
        parse(monitoring_v3.ListTimeSeriesResponse, json.dumps(answer))
        return answer

    # ---- HTTP

    def once(self, kind, query, work):
        """A request that came before, by its requestId, has the same answer."""
        key = query.get("requestId")
        with self.lock:
            if not key:
                self.problems.append(f"{kind} without a requestId")
            elif (kind, key) not in self.requests:
                self.requests[kind, key] = work()
            return self.requests[kind, key] if key else work()

    def answer(self, method, path, query, body):
        if (method, path) == ("GET", f"/v3/projects/{self.project}/timeSeries"):
            return self.series(query)
        place = f"/v1/projects/{self.project}/regions/{self.region}/"
        if not path.startswith(place):
            raise Refusal(403, "PERMISSION_DENIED", "Permission denied on resource project "
                          f"{path.split('/')[3] if path.count('/') > 3 else path}.")
        kind, _, rest = path[len(place):].partition("/")
        if (method, kind) == ("POST", "clusters") and not rest:
            return self.once("create", query, lambda: self.create(body, query))
        if kind == "clusters" and method == "GET":
            return self.cluster(rest).json() if rest else self.list_clusters(query)
        if (method, kind) == ("DELETE", "clusters"):
            return self.once("delete", query, lambda: self.delete(rest))
        if (method, kind) == ("POST", "jobs:submit"):
            return self.job(self.submit(body, query)["reference"]["jobId"])
        if (method, kind) == ("POST", "jobs") and rest.endswith(":cancel"):
            return self.cancel(rest.removesuffix(":cancel"))
        if (method, kind) == ("GET", "jobs") and rest:
            return self.job(rest)
        if (method, kind) == ("GET", "operations") and path[4:] in self.operations:
            with self.lock:
                return json.loads(json.dumps(self.operations[path[4:]]))
        raise Refusal(404, "NOT_FOUND", f"no such method: {method} {path}")

    def next_fault(self):
        with self.lock:
            if self.faults:
                return self.faults.pop(0)
            if self.random.random() < self.fault_rate:
                return self.random.choice(["503", "429", "reset", "lost"])
        return None


class _Handler(Handler):
    def reply(self, code, body, *headers):
        self.answer(code, json.dumps(body).encode(),
                    [("Content-Type", "application/json; charset=UTF-8"), *headers])

    def refuse(self, refusal, *headers):
        self.reply(refusal.code, {"error": {"code": refusal.code, "message": str(refusal),
                                            "status": refusal.status}}, *headers)

    def metadata(self, path):
        if self.headers.get("Metadata-Flavor") != "Google":
            self.refuse(Refusal(403, "PERMISSION_DENIED", "Missing Metadata-Flavor:Google header."))
        elif path.endswith("/token"):
            self.cloud.tokens_given += 1
            self.reply(200, {"access_token": self.cloud.token, "expires_in": 3599,
                             "token_type": "Bearer"}, ("Metadata-Flavor", "Google"))
        elif path.endswith("/email"):
            self.answer(200, EMAIL.encode(), [("Metadata-Flavor", "Google")])
        else:
            self.refuse(Refusal(404, "NOT_FOUND", "not found"))

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        query.pop("$alt", None)
        body, service = self.body(), self.cloud
        if url.path.startswith("/computeMetadata/"):
            self.metadata(url.path)
            return
        fault = service.next_fault()
        service.calls.append((self.command, url.path, fault))
        if fault == "reset":
            self.close_connection = True
            return
        if fault in ("503", "429"):
            status = {"503": "UNAVAILABLE", "429": "RESOURCE_EXHAUSTED"}[fault]
            self.refuse(Refusal(int(fault), status, "The service is busy: try again"),
                        *([("Retry-After", "1")] if fault == "429" else []))
            return
        if self.headers.get("Authorization") != f"Bearer {service.token}":
            self.refuse(Refusal(401, "UNAUTHENTICATED", "Request had invalid authentication "
                                "credentials. Expected OAuth 2 access token"))
            return
        try:
            answer = service.answer(self.command, url.path, query, body.decode() or "{}")
        except Refusal as refusal:
            self.refuse(refusal)
            return
        except ValueError as error:
            self.refuse(Refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload: {error}"))
            return
        if fault == "lost":  # done, but the answer does not arrive
            self.close_connection = True
            return
        self.reply(200, answer)

    do_GET = do_POST = do_DELETE = serve
