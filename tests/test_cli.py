"""The program as people and scripts meet it: usage, help, dry runs, logs, terminals, full disks."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from conftest import (EXAMPLES, FAILURES, FATAL, HANG, OK, ROOT, SHARDMILL, USAGE, crowd, pack,
                      refused, run, shards, tree, vector_code)


# ---- Usage and help


@pytest.mark.parametrize("args, told", [
    ([], "pack"),
    (["pakc", "a", "b"], "pakc"),
    (["pack"], "SRC"),
    (["pack", "a"], "DST"),
    (["pack", "a", "b", "c"], "c"),
    (["pack", "a", "b", "--imagesize", "3"], "--image-size"),
    (["pack", "a", "b", "--image-size"], "--image-size"),
    (["pack", "a", "b", "--image-size", "0"], "--image-size"),
    (["pack", "a", "b", "--image-size", "12x"], "--image-size"),
    (["pack", "a", "b", "--image-size", "99999"], "16384"),
    (["pack", "a", "b", "--filter", "cubic"], "triangle"),
    (["pack", "a", "b", "--resize-mode", "squash"], "center_crop"),
    (["pack", "a", "b", "--encode-quality", "101"], "100"),
    (["pack", "a", "b", "--chroma", "411"], "444"),
    (["pack", "a", "b", "--shards", "-1"], "--shards"),
    (["pack", "a", "b", "--shards", "1e3"], "--shards"),
    (["pack", "a", "b", "--shards", "2", "--images-per-shard", "5"], "--images-per-shard"),
    (["pack", "a", "b", "--split", "train=0.9,val=0.2"], "1.1"),
    (["pack", "a", "b", "--split", "train"], "train"),
    (["pack", "a", "b", "--name", "my set"], "my set"),
    (["pack", "a", "b", "--version", "1"], "1.0.0"),
    (["pack", "a", "b", "--max-failures", "many"], "--max-failures"),
    (["pack", "a", "b", "--memory", "12Q"], "--memory"),
    (["pack", "a", "b", "--quiet=yes"], "--quiet"),
    (["pack", "a", "b", "--list", "x", "--manifest", "y"], "--manifest"),
    (["verify"], "folder"),
    (["verify", "a", "--decod"], "--decode"),
])
def test_usage_errors_exit_2_and_help(args, told):
    said = refused(*args, code=USAGE)
    assert told in said
    overview = args[:1] not in (["pack"], ["verify"])
    assert len(said.splitlines()) <= (24 if overview else 4), "the reason drowns"
    assert re.search(r"--help", said)


def test_help_is_for_people():
    text = run("--help").stdout
    assert "pack" in text and "verify" in text
    assert run("help").stdout == text if "help" in text.split() else True


@pytest.mark.parametrize("command", ["pack", "verify"])
def test_help_of_a_command(command):
    text = run(command, "--help").stdout
    assert text.lower().startswith("usage") or "usage" in text.lower()
    assert all(len(line) <= 100 for line in text.splitlines())


def test_pack_help_teaches_by_example():
    text = run("pack", "--help").stdout
    assert len(re.findall(r"shardmill pack ", text)) >= 3
    for option in ("--list", "--manifest", "--labels", "--classes", "--image-size", "--resize-mode",
                   "--filter", "--decode", "--encode-quality", "--chroma", "--no-orient",
                   "--encode-format", "--schema", "--shards", "--max-shard-size-mb",
                   "--images-per-shard", "--split", "--shuffle", "--no-shuffle", "--name",
                   "--version", "--compression", "--strict", "--max-failures",
                   "--retry-failed", "--overwrite", "--dry-run", "--threads", "--memory",
                   "--max-pixels", "--log-format", "--quiet"):
        assert option in text, f"{option} is not in the help"


def test_version():
    version = (ROOT / "VERSION").read_text().split()[0]
    first, second = run("--version").stdout.splitlines()
    assert first == f"shardmill {version}" and second == f"vector code: {vector_code()}"


def test_equals_and_order_of_arguments(tmp_path):
    pack("--image-size=64", EXAMPLES, tmp_path / "a", "--shards=2")
    run("pack", EXAMPLES, "--shards", "2", "--image-size", "64x64", "--", tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_missing_source(tmp_path, dst):
    said = refused("pack", tmp_path / "nowhere", dst)
    assert "nowhere" in said and len(said.splitlines()) == 1
    assert not dst.exists()


def test_source_is_a_file(dst):
    picture = next(EXAMPLES.glob("*/*.jpg"))
    assert picture.name in refused("pack", picture, dst, code=USAGE)


# ---- Dry run


def test_dry_run_writes_nothing(dst):
    summary = pack(EXAMPLES, dst, "--dry-run", "--split", "train=0.8,val=0.2", "--shards", "4")
    assert not dst.exists()
    assert (summary["images_in"], summary["shards"], summary["classes"]) == (60, 4, 5)
    real = pack(EXAMPLES, dst, "--split", "train=0.8,val=0.2", "--shards", "4")
    assert summary["splits"] == real["splits"] or \
        [s["name"] for s in summary["splits"]] == [s["name"] for s in real["splits"]]
    assert 0.5 < summary["bytes_out"] / real["bytes_out"] < 2
    assert "60" in run("pack", EXAMPLES, dst.with_name("b"), "--dry-run").stdout


def test_dry_run_leaves_a_set_alone(dst):
    pack(EXAMPLES, dst)
    before = tree(dst)
    pack(EXAMPLES, dst, "--dry-run")
    assert tree(dst) == before


# ---- Output of the program


def test_json_summary(flowers, dst):
    (flowers / "roses" / "bad.jpg").write_bytes(b"")
    done = run("pack", flowers, dst, "--log-format", "json", "--split", "a=0.5,b=0.5", code=FAILURES)
    assert done.stdout.count("\n") == 1
    summary = json.loads(done.stdout)
    for key in ("found", "images_in", "records", "failures", "skipped", "warnings", "shards",
                "shards_kept", "bytes_in", "bytes_out", "seconds"):
        assert isinstance(summary[key], (int, float)), key
    assert summary["failure_reasons"] == {"empty_file": 1}
    assert sum(split["records"] for split in summary["splits"]) == summary["records"] == 60
    assert summary["bytes_out"] == sum(path.stat().st_size for path in shards(dst))
    for line in done.stderr.splitlines():
        json.loads(line)


def test_text_summary(flowers, dst):
    (flowers / "roses" / "bad.jpg").write_bytes(b"")
    text = run("pack", flowers, dst, code=FAILURES).stdout
    assert "60" in text and "61" in text and "empty_file" in text.replace(" ", "_")
    assert "failures.jsonl" in text and "--retry-failed" in text


def test_quiet(dst):
    done = run("pack", EXAMPLES, dst, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_no_control_characters_in_a_pipe(tmp_path, dst):
    done = run("pack", crowd(tmp_path / "src", 8), dst)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)


def test_a_name_cannot_write_to_the_terminal(flowers, dst):
    (flowers / "roses" / "\x1b[2Jclear.jpg").write_bytes(b"")
    done = run("pack", flowers, dst, code=FAILURES)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x1b" not in refused("pack", "\x1b[2Jnowhere", dst)


def on_terminal(*args):
    """Runs with a terminal for stderr; returns the exit code and what was drawn there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([SHARDMILL, *args], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        drawn += part
    os.close(ours)
    return process.wait(timeout=HANG), drawn.decode()


def test_progress_bar_on_a_terminal(tmp_path, dst):
    code, drawn = on_terminal("pack", crowd(tmp_path / "src", 60), dst, "--threads", "1",
                              "--image-size", "320", "--decode", "exact")
    assert code == OK
    assert "\r" in drawn and "%" in drawn
    assert re.search(r"(images|img|pictures)/s", drawn) and re.search(r"MB/s", drawn)


def test_no_bar_when_quiet(tmp_path, dst):
    code, drawn = on_terminal("pack", EXAMPLES, dst, "--quiet")
    assert (code, drawn) == (OK, "")


def test_a_summary_that_cannot_be_written_is_an_error(dst):
    done = subprocess.run(["bash", "-c", '"$0" pack "$1" "$2" >/dev/full', SHARDMILL, EXAMPLES, dst],
                          stderr=subprocess.PIPE, text=True, timeout=HANG)
    assert done.returncode == FATAL
    assert done.stderr.strip()


# ---- Places that cannot be written


@pytest.fixture
def tmpfs(tmp_path):
    """Mounts a small file system of its own: tmpfs(options) gives its folder."""
    mounted = []

    def mount(options):
        if os.geteuid() != 0 or not sys.platform.startswith("linux"):
            pytest.skip("only root may mount a small file system")
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_full_disk_then_resume(tmpfs, dst):
    disk = tmpfs("size=300k")
    said = run("pack", EXAMPLES, disk / "set", "--shards", "12", code=FATAL).stderr
    assert "No space left on device" in said or "full" in said
    assert not (disk / "set" / "_SUCCESS").exists()
    pack(EXAMPLES, dst, "--shards", "12", "--name", "flowers")
    whole = tree(dst)
    assert all(path.read_bytes() == whole[path.name] for path in shards(disk / "set"))
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    pack(EXAMPLES, disk / "set", "--shards", "12")
    assert tree(disk / "set") == whole


def test_read_only_destination(tmpfs):
    disk = tmpfs("ro,size=1m")
    said = refused("pack", EXAMPLES, disk / "set")
    assert str(disk) in said and "Read-only file system" in said


def test_forbidden_destination(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "closed").mkdir(mode=0o555)
    assert "Permission denied" in refused("pack", EXAMPLES, tmp_path / "closed" / "set")


def test_destination_is_a_file(tmp_path):
    (tmp_path / "set").write_text("mine")
    assert str(tmp_path / "set") in refused("pack", EXAMPLES, tmp_path / "set")
    assert (tmp_path / "set").read_text() == "mine"


def test_destination_inside_the_source_is_refused(flowers):
    """The next run would take the set for pictures."""
    for inside in (flowers, flowers / "set", flowers / "roses" / "a" / ".."):
        assert str(inside) in refused("pack", flowers, inside, code=USAGE)
    assert len(list(flowers.iterdir())) == 5


# ---- Limits


@pytest.mark.parametrize("options", [["--threads", "3"], ["--memory", "64M"], ["--memory", "1G"],
                                     ["--max-pixels", "1000000"]])
def test_limits_are_taken(dst, options):
    assert pack(EXAMPLES, dst, *options)["records"] == 60


def test_max_pixels(dst):
    summary = pack(EXAMPLES, dst, "--max-pixels", "100000", code=FAILURES)
    assert set(summary["failure_reasons"]) == {"too_many_pixels"}
    assert 0 < summary["failures"] < 60
