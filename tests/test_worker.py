"""shardmill worker and pack --engine lines: the same bytes as one process makes, whatever happens to
the workers; and lines that nobody should trust."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import (EXAMPLES, FAILURES, FATAL, HANG, OK, SHARDMILL, crowd, lines, need_tool, pack,
                      run, tree, wait_until)

OPTIONS = ["--image-size", "32", "--shards", "6", "--split", "train=0.7,val=0.3"]


class Worker:
    """A worker that is asked line by line."""

    def __init__(self, *options, **kwargs):
        self.process = subprocess.Popen([SHARDMILL, "worker", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

    def ask(self, line):
        self.process.stdin.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        _, said = self.process.communicate(timeout=HANG)
        return self.process.returncode, said.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Coordinator:
    """pack --engine lines."""

    def __init__(self, *args, **kwargs):
        self.process = subprocess.Popen([SHARDMILL, "pack", *args, "--engine", "lines"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **kwargs)
        self.plan, self.tasks = None, []
        for line in self.process.stdout:
            kind = json.loads(line)["type"]
            if kind == "plan":
                self.plan = json.loads(line)
            elif kind == "task":
                self.tasks.append(line.rstrip("\n"))
            else:
                break
        self.last = json.loads(line)

    def give(self, *results):
        for result in results:
            self.process.stdin.write((result if isinstance(result, str) else json.dumps(result)) + "\n")
        self.process.stdin.flush()

    def end(self, code=OK):
        """Closes the results; returns the last line, and what people are told."""
        out, said = self.process.communicate(timeout=HANG)
        assert self.process.returncode == code, said
        return json.loads(out), said


def engine(*args, code=OK, worker=(), order=None, env=None):
    """Packs by one worker; returns the last line."""
    coordinator = Coordinator(*args, env=env)
    assert coordinator.last == {"type": "run"}
    with Worker(*worker, env=env) as one:
        results = [one.ask(task) for task in (order or list)(coordinator.tasks)]
    coordinator.give(*results)
    last, _ = coordinator.end(code)
    assert last["type"] == "done" and last["exit"] == code
    return last["summary"]


@pytest.fixture
def preload():
    """The environment in which marked pictures crash libjpeg."""
    library = need_tool("crash_at.so")
    if "asan" in SHARDMILL.parts or "tsan" in SHARDMILL.parts:
        pytest.skip("a sanitizer's run-time wants to be loaded first")
    return {**os.environ, "LD_PRELOAD": str(library)}


def mark(path):
    """Puts the comment into a JPEG that makes it crash."""
    from PIL import Image
    Image.open(EXAMPLES / "roses" / sorted(os.listdir(EXAMPLES / "roses"))[0]).convert("CMYK").save(
        path, comment=b"shardmill-test-crash")


# ---- The same bytes ------------------------------------------------------------------------------


def test_the_same_bytes(flowers, dst, tmp_path):
    (flowers / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    (flowers / "daisy" / os.fsdecode(b"odd \xff\n.jpg")).write_bytes(
        next((flowers / "roses").glob("*.jpg")).read_bytes())
    local = pack(flowers, tmp_path / "local", *OPTIONS, code=FAILURES)
    summary = engine(flowers, dst, *OPTIONS, code=FAILURES, order=reversed, worker=["--threads", "3"])
    assert tree(dst) == tree(tmp_path / "local")
    for key in ("records", "failures", "skipped", "shards", "bytes_in", "bytes_out", "splits",
                "failure_reasons", "largest_shard", "fingerprint"):
        assert summary[key] == local[key]
    assert not (dst / "_tasks").exists()


@pytest.mark.parametrize("options", [["--compression", "gzip"], ["--schema", "fast-and-lean"],
                                     ["--labels", "none", "--no-shuffle", "--filter", "area"],
                                     ["--resize-mode", "no", "--encode-format", "keep"]])
def test_options_come_along(flowers, dst, tmp_path, options):
    pack(flowers, tmp_path / "local", *OPTIONS, *options)
    engine(flowers, dst, *OPTIONS, *options)
    assert tree(dst) == tree(tmp_path / "local")


def test_a_manifest_with_columns(flowers, dst, tmp_path):
    manifest = tmp_path / "table.csv"
    pictures = sorted(flowers.glob("*/*.jpg"))
    manifest.write_text("path,label,split,width,note\n" + "".join(
        f"{path.relative_to(flowers)},{path.parent.name},{'a' if i % 3 else 'b'},{i},\"x, {i}\"\n"
        for i, path in enumerate(pictures)))
    args = ["--manifest", manifest, flowers, "--shards", "5"]
    pack(*args, tmp_path / "local")
    engine(*args, dst)
    assert tree(dst) == tree(tmp_path / "local")


def test_relative_paths(flowers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack("flowers", "local", *OPTIONS)
    coordinator = Coordinator("flowers", "set", *OPTIONS)
    with Worker(cwd="/") as worker:
        coordinator.give(*[worker.ask(task) for task in coordinator.tasks])
    coordinator.end()
    assert tree(tmp_path / "set") == tree(tmp_path / "local")


def test_what_a_shell_does(flowers, dst, tmp_path):
    """The example of worker --help, with xargs for the cluster."""
    pack(flowers, tmp_path / "local", *OPTIONS)
    script = f"""
        mkfifo {tmp_path}/results
        {SHARDMILL} pack {flowers} {dst} {' '.join(OPTIONS)} --engine lines <{tmp_path}/results |
            sed -n '/"type":"run"/q; /"type":"task"/p' |
            xargs -d '\\n' -n 2 -P 2 sh -c 'printf "%s\\n" "$@" | {SHARDMILL} worker' - >{tmp_path}/results
        while [ ! -e {dst}/_SUCCESS ]; do sleep 0.05; done"""
    subprocess.run(["sh", "-c", script], check=True, timeout=HANG)
    assert tree(dst) == tree(tmp_path / "local")


def test_retrying_what_failed(flowers, dst, tmp_path):
    for folder in ("daisy", "tulips"):
        (flowers / folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    for where in (dst, tmp_path / "local"):
        pack(flowers, where, *OPTIONS, code=FAILURES)
    (flowers / "daisy" / "broken.jpg").write_bytes(next((flowers / "roses").glob("*.jpg")).read_bytes())
    pack(flowers, tmp_path / "local", *OPTIONS, "--retry-failed", code=FAILURES)
    summary = engine(flowers, dst, *OPTIONS, "--retry-failed", code=FAILURES)
    assert summary["recovered"] == 1
    assert tree(dst) == tree(tmp_path / "local")


# ---- Crashes -------------------------------------------------------------------------------------


def test_a_crash_costs_one_picture(flowers, dst, tmp_path, preload):
    pack(flowers, tmp_path / "before", *OPTIONS)
    mark(flowers / "daisy" / "bomb.jpg")
    mark(flowers / "roses" / "bomb.jpg")
    summary = engine(flowers, dst, *OPTIONS, code=FAILURES, env=preload, worker=["--threads", "2"])
    assert summary["failure_reasons"] == {"crashed": 2}
    failures = lines(dst / "failures.jsonl")
    assert {failure["path"] for failure in failures} == {"daisy/bomb.jpg", "roses/bomb.jpg"}
    assert all("SIGSEGV" in failure["message"] for failure in failures)
    assert summary["records"] == 60
    run("verify", dst)


def test_a_crash_that_does_not_come_again(flowers, dst, preload, tmp_path):
    mark(flowers / "daisy" / "bomb.jpg")
    turns = tmp_path / "turns"
    turns.write_text("x")
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    with Worker(env={**preload, "CRASH_TURNS": str(turns)}) as worker:
        results = [worker.ask(task) for task in coordinator.tasks]
        (bad,) = [result for result in results if result["status"] == "error"]
        assert not bad["final"]
        assert "SIGSEGV" in bad["message"] and "near '" in bad["message"]
        again = worker.ask(coordinator.tasks[bad["id"]])
        assert again["status"] == "ok"
    coordinator.give(*results, again)
    assert coordinator.end()[0]["summary"]["records"] == 61


# ---- Workers that die, answers that come twice ---------------------------------------------------


def test_answers_that_come_twice_and_attempts_at_once(flowers, dst, tmp_path):
    pack(flowers, tmp_path / "local", *OPTIONS)
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    answers = []

    def attempt(tasks):
        with Worker() as worker:
            answers.extend([worker.ask(task) for task in tasks])

    threads = [threading.Thread(target=attempt, args=[tasks])
               for tasks in (coordinator.tasks, coordinator.tasks[::-1], coordinator.tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    coordinator.give(*answers)
    assert coordinator.end()[0]["summary"]["records"] == 60
    assert tree(dst) == tree(tmp_path / "local")


def temporaries(folder):
    return list(folder.glob(".shardmill-*.tmp"))


@pytest.fixture
def many(tmp_path):
    return crowd(tmp_path / "many", 60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_leaves_nothing(many, dst, number):
    coordinator = Coordinator(many, dst, "--shards", "2", "--image-size", "256")
    with Worker("--threads", "1") as worker:
        worker.process.stdin.write(coordinator.tasks[0].encode() + b"\n")
        worker.process.stdin.flush()
        assert wait_until(lambda: temporaries(dst), worker.process)
        worker.process.send_signal(number)
        worker.process.wait(HANG)
        deadline = time.monotonic() + HANG
        while temporaries(dst) and time.monotonic() < deadline:
            time.sleep(0.01)  # its child sees the end of its parent, and leaves off
        assert not temporaries(dst)
    with Worker() as worker:
        coordinator.give(*[worker.ask(task) for task in coordinator.tasks])
    coordinator.end()


def test_a_worker_ends_when_nobody_reads(many, dst):
    coordinator = Coordinator(many, dst, "--shards", "2", "--image-size", "256")
    with Worker("--threads", "1") as worker:
        worker.process.stdin.write(coordinator.tasks[0].encode() + b"\n")
        worker.process.stdin.flush()
        assert wait_until(lambda: temporaries(dst), worker.process)
        worker.process.stdout.close()
        assert worker.process.wait(HANG) == FATAL
        assert not temporaries(dst)
    coordinator.process.kill()
    coordinator.process.communicate()


def test_what_dead_attempts_left_goes_and_what_lives_stays(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    dead, alive = dst / ".shardmill-0123456789abcdef.tmp", dst / ".shardmill-fedcba9876543210.tmp"
    dead.write_bytes(b"x")
    import fcntl
    with open(alive, "wb") as held, Worker() as worker:
        fcntl.flock(held, fcntl.LOCK_EX)
        coordinator.give(*[worker.ask(task) for task in coordinator.tasks])
        coordinator.end()
        assert not dead.exists()
        assert alive.exists()


def test_a_dead_coordinator(flowers, dst, tmp_path):
    """Some shards are packed, the coordinator is killed, another one goes on: on any engine."""
    pack(flowers, tmp_path / "local", *OPTIONS)
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    with Worker() as worker:
        for task in coordinator.tasks[:3]:
            worker.ask(task)
        coordinator.process.kill()
        coordinator.process.communicate()
        assert (dst / "_tasks").exists() and not (dst / "_SUCCESS").exists()
        second = Coordinator(flowers, dst, *OPTIONS)
        assert second.plan["tasks"] == len(second.tasks) == 3
        late = worker.ask(coordinator.tasks[0])  # one of the first run's: its inputs are gone
        assert late["status"] == "error"
        second.give(*[worker.ask(task) for task in second.tasks])
    assert second.end()[0]["summary"]["shards_kept"] == 3
    assert tree(dst) == tree(tmp_path / "local")


# ---- Failures are told ---------------------------------------------------------------------------


def test_a_shard_without_an_answer_is_named(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    with Worker() as worker:
        coordinator.give(*[worker.ask(task) for task in coordinator.tasks[1:]])
    last, said = coordinator.end(FATAL)
    assert last["type"] == "error"
    assert json.loads(coordinator.tasks[0])["file"] in last["message"]
    assert last["message"] in said
    assert not (dst / "_SUCCESS").exists()
    assert engine(flowers, dst, *OPTIONS)["shards_kept"] == 5


def test_a_failed_task_names_its_input(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    coordinator.give({"type": "result", "version": 1, "id": 2, "status": "error", "error": "io",
                      "message": "the disk is on fire", "final": False})
    last, _ = coordinator.end(FATAL)
    file = json.loads(coordinator.tasks[2])["file"]
    assert re.search(rf"'{file}', of which the first picture is '\w+/.*jpg': the disk is on fire",
                     last["message"])


def test_an_error_of_the_engine(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    coordinator.give({"type": "error", "message": "no more cluster"})
    last, _ = coordinator.end(FATAL)
    assert "no more cluster" in last["message"]


def test_too_many_failures(flowers, dst):
    (flowers / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    coordinator = Coordinator(flowers, dst, *OPTIONS, "--max-failures", "0")
    with Worker() as worker:
        for result in [worker.ask(task) for task in coordinator.tasks]:
            try:
                coordinator.give(result)
            except BrokenPipeError:
                break
    last, _ = coordinator.end(FATAL)
    assert "--max-failures" in last["message"]


@pytest.mark.parametrize("line", [
    "not json", "[]", "{}", '{"type":"result"}', '{"type":"result","version":2,"id":0}',
    '{"type":"result","version":1,"id":99,"status":"ok"}',
    '{"type":"result","version":1,"id":-1,"status":"ok"}',
    '{"type":"result","version":1,"id":0,"status":"ok","fingerprint":"x","inputs":1,"records":1,'
    '"failures":0,"bytes":1,"bytes_in":1}', "x" * (3 << 20), "\0" * 10])
def test_results_that_make_no_sense(flowers, dst, line):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    try:
        coordinator.give(line)
    except BrokenPipeError:
        pass  # it has seen enough
    last, _ = coordinator.end(FATAL)
    assert last["type"] == "error" and last["message"]
    assert not (dst / "_SUCCESS").exists()


# ---- Task lines ----------------------------------------------------------------------------------


def test_probe():
    with Worker() as worker:
        result = worker.ask('{"type":"task","version":1,"kind":"probe","id":5}')
        assert result["id"] == 5 and result["status"] == "ok"
        assert result["cores"] >= 1 and result["memory"] > 1 << 20
        assert result["shardmill"] in run("--version").stdout
        assert worker.end() == (OK, "")


def test_list(flowers, tmp_path):
    with Worker() as worker:
        result = worker.ask(json.dumps({"type": "task", "version": 1, "kind": "list", "id": 1,
                                        "url": str(flowers), "out": str(tmp_path / "listing")}))
    assert result["files"] == 60
    fields = (tmp_path / "listing").read_bytes().split(b"\0")[:-1]
    assert sorted(fields[1::2]) == sorted(str(path.relative_to(flowers)).encode()
                                          for path in flowers.glob("*/*.jpg"))


def test_task_lines_that_make_no_sense(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    good = json.loads(coordinator.tasks[0])
    with Worker() as worker:
        for line in ("nonsense", "[]", '"x"', "{}", b"\xff\xfe", "{" * 10000, "[" * 100000,
                     json.dumps({**good, "kind": "dance"}), json.dumps({**good, "type": "result"}),
                     json.dumps({**good, "header": 5}), json.dumps({**good, "file": "../x"}),
                     json.dumps({**good, "offset": -1}), json.dumps({**good, "count": 1 << 40}),
                     json.dumps({**good, "count": good["count"] + 1}),
                     json.dumps({**good, "count": good["count"] - 1}),
                     json.dumps({**good, "length": 1 << 62}), json.dumps({**good, "split": 17}),
                     json.dumps({**good, "index": 5}), json.dumps({**good, "shards": 10 ** 9}),
                     json.dumps({**good, "length": good["length"] - 1}),
                     json.dumps({**good, "offset": good["offset"] + 3}),
                     json.dumps({**good, "fingerprint": "0" * 32}), "x" * (5 << 20)):
            result = worker.ask(line)
            assert result["status"] == "error" and result["final"], line[:100]
            assert result["message"]
        wrong = worker.ask(json.dumps({**good, "version": 2}))
        assert wrong["final"] and "version 2" in wrong["message"] and wrong["id"] == 0
        gone = worker.ask(json.dumps({**good, "header": good["header"] + "x"}))
        assert not gone["final"] and "cannot open" in gone["message"]
        assert worker.ask(coordinator.tasks[0])["status"] == "ok"
        assert worker.end() == (OK, "")
    coordinator.process.kill()
    coordinator.process.communicate()


def test_task_files_that_were_changed(flowers, dst):
    coordinator = Coordinator(flowers, dst, *OPTIONS)
    header = next(dst.glob("_tasks/*/header.json"))
    text = header.read_text()
    with Worker() as worker:
        for old, new in (('"daisy"', '"doozy"'), ('"32x32"', '"33x32"'), ('"format": 1', '"format": 2'),
                         ('"train"', '"../../"'), ('"labelled": true', '"labelled": false'),
                         ("{", "["), ('"image-size": "32x32",', "")):
            assert old in text
            header.write_text(text.replace(old, new, 1))
            result = worker.ask(coordinator.tasks[0])
            assert result["status"] == "error" and result["final"], (old, new)
        header.write_text(text)
        inputs = next(dst.glob("_tasks/*/inputs-00000"))
        inputs.write_bytes(inputs.read_bytes().replace(b"daisy", b"../..").replace(b"roses", b"rosss"))
        results = [worker.ask(task) for task in coordinator.tasks]
        assert all(result["final"] for result in results if result["status"] == "error")
        assert any(result["status"] == "error" for result in results)
    coordinator.process.kill()
    coordinator.process.communicate()
    assert not list(dst.glob("*doozy*"))
