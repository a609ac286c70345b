"""The portable build (scripts/portable.sh) on an older system: Debian 11, glibc 2.31, in a chroot."""

import http.server
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import measurements
from conftest import BUILD, EXAMPLES, run, tree, vector_code

PORTABLE = BUILD / "portable"
OLD = "bullseye"
BUNDLES = ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/ca-bundle.pem"]


@pytest.fixture(scope="module")
def bundle():
    found = sorted(PORTABLE.glob("shardmill-worker-*.tgz"))
    if not found:
        pytest.skip("no portable build: make portable makes it")
    return found[0]


def mirror():
    """Where this system gets its packages from."""
    text = "\n".join(path.read_text() for path in [Path("/etc/apt/sources.list"),
                                                   *Path("/etc/apt/sources.list.d").glob("debian.*")] if path.exists())
    found = re.search(r"^(?:URIs:|deb(?: \[.*\])?) *(\S+)", text, re.MULTILINE)
    return found and found[1]


@pytest.fixture(scope="module")
def old(bundle):
    """An older Debian's root folder with the bundle in /opt; made once and kept."""
    root = PORTABLE / OLD
    if os.geteuid() != 0 or shutil.which("debootstrap") is None or not mirror():
        pytest.skip("an older Debian needs root, debootstrap and a package mirror")
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", OLD, root, mirror()],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode != 0:
            pytest.skip(f"{OLD} cannot be had: {made.stdout.splitlines()[-1:]}")
        (root / "complete").touch()
    shutil.unpack_archive(bundle, root / "opt")
    return root


def inside(root, *words):
    done = subprocess.run(["chroot", root, "/opt/bin/shardmill", *words], stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_old_system_packs_the_same_bytes(old, tmp_path):
    glibc = subprocess.run(["chroot", old, "ldd", "--version"], stdout=subprocess.PIPE, text=True).stdout
    assert "2.31" in glibc.splitlines()[0]
    shutil.rmtree(old / "srv", ignore_errors=True)
    shutil.copytree(EXAMPLES, old / "srv" / "flowers")
    assert inside(old, "pack", "/srv/flowers", "/srv/set", "--shards", "3", "-q") == (0, "")
    run("pack", old / "srv" / "flowers", tmp_path / "set", "--shards", "3", "-q")
    assert tree(old / "srv" / "set") == tree(tmp_path / "set")


def test_it_finds_the_vector_code_of_this_machine(old):
    """Which of the compiler's own libraries is in it may not matter."""
    code, said = inside(old, "--version")
    assert code == 0 and said.splitlines()[1] == f"vector code: {vector_code()}"


def test_old_system_reports_without_lapack(old, tmp_path):
    """Of the program only the regressions need LAPACK, which a minimal system lacks."""
    results = measurements.write(tmp_path / "results.jsonl", measurements.grid())
    shutil.copy(results, old / "results.jsonl")
    code, said = inside(old, "report", "/results.jsonl", "--no-page")
    whole = run("report", results, "--no-page").stdout.splitlines()
    assert code == 0 and "There is no regression: cannot load LAPACK (liblapacke.so.3: cannot open" in said
    assert [line for line in said.splitlines() if "LAPACK" not in line] == \
        [line for line in whole if not line.startswith("Of the regressions ")]


@pytest.fixture
def server(tmp_path):
    """An HTTPS server of the example pictures; (URL, certificate)."""
    pytest.importorskip("cryptography")
    from tls import serve_tls
    public = tmp_path / "server.pem"
    context = serve_tls(public, "127.0.0.1")

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *args):
            super().__init__(*args, directory=str(EXAMPLES))

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{httpd.server_port}", public
        httpd.shutdown()


def test_trusts_what_the_system_trusts_wherever_it_says_so(old, server):
    url, public = server
    for place in BUNDLES:
        (old / place).unlink(missing_ok=True)
    shutil.rmtree(old / "srv", ignore_errors=True)
    (old / "srv").mkdir()
    code, said = inside(old, "cp", f"{url}/LICENSE.txt", "/srv/copy")
    assert code == 1 and "not trusted" in said
    for place in BUNDLES:
        (old / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(public, old / place)
        code, said = inside(old, "cp", f"{url}/LICENSE.txt", "/srv/copy")
        assert code == 0, f"{place}: {said}"
        assert (old / "srv" / "copy").read_bytes() == (EXAMPLES / "LICENSE.txt").read_bytes()
        (old / "srv" / "copy").unlink()
        (old / place).unlink()
