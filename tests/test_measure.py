"""shardmill measure: what its rows say is so. Nothing here depends on how fast anything is."""

import functools
import http.server
import io
import os
import subprocess
import tarfile
import threading

import pytest
from conftest import (EXAMPLES, FAILURES, FATAL, OK, USAGE, lines, pack, refused, run, shards,
                      start, tree, wait_until)

PICTURES = 60
SCHEMA = "shardmill.measure/1"
FIELDS = {"source", "format", "batch_size", "batches", "readers", "repeat", "images", "bytes",
          "seconds", "first_byte_s", "first_batch_s", "reads", "latency_s", "cpu_user_s",
          "cpu_system_s", "device_bytes", "socket_bytes", "resident_before", "resident_after",
          "retries", "order", "cache", "read_size", "decode", "step_ms", "stall_s", "host",
          "executor", "start_s", "end_s", "marks", "trial", "schema", "kind"}


@pytest.fixture
def measure(tmp_path):
    """Measures, and returns the header and the rows of its results."""
    def call(*args, code=OK, **kwargs):
        path = tmp_path / "results.jsonl"
        done = run("measure", *map(str, args), "-o", path, code=code, **kwargs)
        head, *rows = lines(path)
        assert head["schema"] == SCHEMA and head["kind"] == "run"
        assert all(row["schema"] == SCHEMA and row["kind"] == "trial" for row in rows)
        assert [row["trial"] for row in rows] == list(range(len(rows)))
        call.text = done.stdout
        return head, rows
    return call


@pytest.fixture
def packed(flowers, dst):
    """The example pictures as they are, in four shards."""
    pack(flowers, dst, "--shards", "4", "--resize-mode", "no", "--encode-format", "keep")
    return dst


def tar_of(folder, path, count=None):
    """A WebDataset shard of the pictures below folder, each with a label beside it."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, picture in enumerate(sorted(folder.rglob("*.jpg"))[:count]):
            for name, data in ((f"{i:06}.jpg", picture.read_bytes()), (f"{i:06}.cls", b"3")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def bytes_of(paths):
    return sum(path.stat().st_size for path in paths)


@pytest.fixture
def on_disk(tmp_path):
    """Skips where the temporary folder lies in memory, or nobody counts what its device gives."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True,
                          text=True).stdout.strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs"):
        pytest.skip(f"the temporary folder is on {kind}, not on a disk that counts")


# ---- Counts --------------------------------------------------------------------------------------


def test_a_row_for_every_combination_and_repeat(flowers, measure):
    head, rows = measure(flowers, "-b", "1,3", "-n", "2,5", "-r", "1,2,4", "--order",
                         "sequential,shuffled", "--repeat", "2")
    assert head["planned"] == len(rows) == 2 * 2 * 3 * 2 * 2
    assert all(FIELDS <= set(row) for row in rows)
    keys = {(row["batch_size"], row["batches"], row["readers"], row["order"], row["repeat"])
            for row in rows}
    assert len(keys) == len(rows)
    for row in rows:
        assert row["images"] == row["batch_size"] * row["batches"] == row["reads"]
        assert row["source"] == str(flowers) and row["format"] == "files"
        assert 0 < row["first_byte_s"] <= row["first_batch_s"] <= row["seconds"]
        assert row["start_s"] <= row["end_s"]


@pytest.mark.parametrize("cache", ["cold", "warm", "direct"])
@pytest.mark.parametrize("engine", ["uring", "threads"])
@pytest.mark.parametrize("size", ["whole", "4K"])
def test_all_of_a_folder_is_its_bytes(flowers, packed, measure, cache, engine, size):
    head, rows = measure(flowers, packed, "-b", "20", "-n", "3", "-r", "1,5", "--cache", cache,
                         "--io", engine, "--read-size", size, "--repeat", "1")
    files, records = head["sources"]
    assert (files["images"], files["bytes"]) == (PICTURES, bytes_of(flowers.rglob("*.jpg")))
    assert (records["format"], records["objects"]) == ("tfrecord", 4)
    for row in rows:
        assert row["images"] == PICTURES and row["engine"] == engine and row["retries"] == 0
        if row["format"] == "files":
            assert row["bytes"] == files["bytes"]
        assert set(row["marks"]) <= {"idle-readers", "wrapped", "served-from-cache",
                                     "served-from-device"}


def test_order_is_that_of_the_seed(flowers, measure):
    def order(seed):
        rows = measure(flowers, "-b", "1,2,3,4", "-r", "1,2", "-n", "1", "--seed", seed)[1]
        return [(row["batch_size"], row["readers"], row["repeat"]) for row in rows]
    assert order(1) == order(1) != order(2)
    assert order(1) != sorted(order(1))


def test_tar_members_that_are_pictures_count(flowers, tmp_path, measure):
    folder = tmp_path / "tars"
    folder.mkdir()
    tar_of(flowers, folder / "a-000000.tar")
    tar_of(flowers, folder / "a-000001.tar", count=20)
    head, rows = measure(folder, "-b", "20", "-n", "4", "-r", "2", "--cache", "warm")
    assert head["sources"][0] == {**head["sources"][0], "format": "webdataset", "objects": 2}
    assert [row["images"] for row in rows] == [80] * 3


def test_a_source_smaller_than_asked_comes_round_and_is_marked(flowers, measure):
    _, rows = measure(flowers, "-b", "100", "-n", "2", "-r", "3", "--repeat", "1", "--cache", "cold")
    assert rows[0]["images"] == 200 and rows[0]["rounds"] > 3
    assert "wrapped" in rows[0]["marks"]
    assert "wrapped: more was read than the source has" in measure.text


@pytest.mark.parametrize("decode", [[], ["--decode", "--image-size", "16"]])
def test_a_quick_look_at_a_small_source_takes_one_round(flowers, packed, measure, decode):
    _, rows = measure(flowers, packed, "--quick", *decode)
    assert len(rows) == 2 * 3 * 3
    for row in rows:
        assert row["images"] == PICTURES and row["batch_size"] * row["batches"] > PICTURES
        assert row["rounds"] == 1 and not {"wrapped", "short"} & set(row["marks"])


def test_a_quick_look_that_decodes_nothing_is_a_failure(tmp_path, measure):
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    _, rows = measure(tmp_path / "x.jpg", "--quick", "--decode", "-r", "1", code=FATAL)
    assert all("no picture could be decoded" in row["error"] for row in rows)


def test_time_ends_a_trial(flowers, measure):
    _, rows = measure(flowers, "-b", "1000", "-n", "1000000", "-s", "0.2", "--repeat", "1",
                      "-r", "2", "--cache", "warm")
    assert "short" in rows[0]["marks"] and 0 < rows[0]["images"] < 10**9
    assert rows[0]["seconds"] >= 0.2


# ---- Evidence ------------------------------------------------------------------------------------


def test_cold_bytes_come_from_the_device_and_warm_ones_do_not(on_disk, flowers, measure):
    _, rows = measure(flowers, "-b", "20", "-n", "3", "-r", "2", "--cache", "cold,warm,direct",
                      "--repeat", "2")
    for row in rows:
        if row["cache"] == "warm":
            assert row["resident_before"] == 1 and row["device_bytes"] == 0
        elif row["cache"] == "cold":
            assert row["resident_before"] == 0 and row["resident_after"] == 1
            assert row["device_bytes"] >= row["bytes"]
        else:
            assert row["device_bytes"] >= row["bytes"]
        assert not {"served-from-cache", "served-from-device"} & set(row["marks"])
        assert row["socket_bytes"] is None


def test_direct_reads_leave_nothing_in_memory(on_disk, flowers, measure):
    measure(flowers, "-b", "20", "-n", "3", "--cache", "cold", "--repeat", "1", "-r", "1")
    for path in flowers.rglob("*.jpg"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    _, rows = measure(flowers, "-b", "20", "-n", "3", "--cache", "direct", "--repeat", "1")
    assert all(row["resident_before"] == 0 == row["resident_after"] for row in rows)


def test_memory_is_no_device(flowers, measure, tmp_path):
    """What cannot be dropped is told: a folder in memory is never cold."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm to put files into")
    folder = f"/dev/shm/shardmill-measure-{os.getpid()}"
    try:
        subprocess.run(["cp", "-r", flowers, folder], check=True)
        head, rows = measure(folder, "-b", "20", "-n", "3", "-r", "1", "--repeat", "1")
        assert head["sources"][0]["filesystem"] == "tmpfs"
        assert rows[0]["marks"] == ["served-from-cache"] and rows[0]["device_bytes"] == 0
        assert "no trial can be trusted" in measure.text
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_bytes_that_come_again_are_not_called_cold(on_disk, flowers, measure):
    _, rows = measure(flowers, "-b", "60", "-n", "5", "-r", "2", "--repeat", "1")
    assert {"wrapped", "served-from-cache"} <= set(rows[0]["marks"])


def test_nothing_is_written_but_the_results(flowers, packed, measure):
    before = tree(flowers), tree(packed)
    measure(flowers, packed, "--cache", "cold,warm,direct", "-n", "1")
    assert (tree(flowers), tree(packed)) == before


def test_marks_are_of_rows_that_stand_out(flowers, measure):
    """Too few trials to say anything: none does."""
    _, rows = measure(flowers, "-b", "2", "-n", "2", "--repeat", "2")
    assert not any({"outlier", "warm-up"} & set(row["marks"]) for row in rows)


# ---- A training loop's view ----------------------------------------------------------------------


@pytest.mark.parametrize("what", ["files", "tfrecord", "webdataset"])
def test_decoded_batches_are_delivered(flowers, packed, tmp_path, measure, what):
    source = {"files": flowers, "tfrecord": packed, "webdataset": tmp_path / "a.tar"}[what]
    if what == "webdataset":
        tar_of(flowers, source)
    _, rows = measure(source, "--decode", "--image-size", "32", "-b", "7", "-n", "5", "--step-ms",
                      "3", "--repeat", "1", "-r", "2", "--format", what)
    row = rows[0]
    assert row["images"] == 35 and row["decode"] is True and row["step_ms"] == 3
    assert row["seconds"] >= 4 * 0.003 and row["undecoded"] == 0
    assert 0 < row["first_batch_s"] <= row["seconds"]
    assert row["stall_s"] + row["first_batch_s"] <= row["seconds"]
    assert "feeds" in measure.text


def test_what_does_not_decode_is_counted_and_replaced(flowers, measure):
    for path in sorted(flowers.rglob("*.jpg"))[:10]:
        path.write_bytes(b"no picture")
    _, rows = measure(flowers, "--decode", "--image-size", "16", "-b", "10", "-n", "6", "--repeat",
                      "1", "-r", "1")
    assert rows[0]["images"] == 60 and rows[0]["undecoded"] >= 10


def test_nothing_that_decodes_is_a_failure_not_a_hang(tmp_path, measure):
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    _, rows = measure(tmp_path / "x.jpg", "--decode", "--repeat", "1", "-r", "1", code=FATAL)
    assert "failed to decode" in rows[0]["error"] and "images" not in rows[0]


# ---- What goes wrong -----------------------------------------------------------------------------


def test_a_damaged_record_is_a_row_with_an_error(packed, measure):
    shard = shards(packed)[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    _, rows = measure(packed, "-b", "60", "-n", "1", "-r", "1", "--repeat", "1", code=FATAL)
    assert "checksum is wrong" in rows[0]["error"] and shard.name in rows[0]["error"]
    assert "seconds" not in rows[0] and rows[0]["status"] == "corrupt"


def test_one_bad_source_does_not_hide_the_other(flowers, packed, measure):
    for shard in shards(packed):
        shard.write_bytes(b"x" * 5000)
    _, rows = measure(flowers, packed, "-n", "1", code=FAILURES)
    assert {("error" in row) for row in rows if row["format"] == "files"} == {False}
    assert {("error" in row) for row in rows if row["format"] == "tfrecord"} == {True}
    assert "trials failed" in measure.text


def test_shards_without_pictures_are_told(tmp_path, measure):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("empty.txt"))
    _, rows = measure(tmp_path / "a.tar", "--repeat", "1", "-r", "2", code=FATAL)
    assert "no pictures" in rows[0]["error"]


def test_what_makes_no_sense_is_refused(flowers, packed, tmp_path):
    (tmp_path / "empty").mkdir()
    (flowers / "a.tar").write_bytes(b"")
    assert "more than one format" in refused("measure", flowers, code=USAGE)
    assert "no image files" in refused("measure", tmp_path / "empty")
    assert "cannot look at" in refused("measure", tmp_path / "absent")
    assert "4096" in refused("measure", packed, "--cache", "direct", "--read-size", "5000",
                             code=USAGE)
    assert "--decode" in refused("measure", packed, "--step-ms", "5", code=USAGE)
    for option, value in (("--batch-size", "0"), ("--readers", "1,1"), ("--cache", "hot"),
                          ("--read-size", "1"), ("--what-if", "90"), ("--batches", "1,,2")):
        assert value in refused("measure", packed, option, value, code=USAGE)


def test_results_that_could_not_be_kept_cost_no_time(packed, tmp_path):
    assert "cannot write" in refused("measure", packed, "-o", tmp_path / "absent" / "r.jsonl")


def test_stopping_keeps_what_was_measured(flowers, tmp_path):
    path = tmp_path / "r.jsonl"
    process = start("measure", flowers, "-s", "0.3", "-n", "1000000", "--cache", "warm",
                    "--repeat", "1000", "-o", path)
    wait_until(lambda: any(tmp_path.iterdir()), process)
    try:
        process.wait(timeout=1.5)
    except subprocess.TimeoutExpired:
        pass
    process.terminate()
    assert process.wait(timeout=60) == FATAL
    head, *rows = lines(path)
    assert head["planned"] == 2000 and 0 < len(rows) < 2000


def test_keys_in_urls_are_not_kept(flowers, tmp_path, measure):
    """The results name the file, not the signature behind it."""
    tar_of(flowers, tmp_path / "a.tar")
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a.tar"
        for name, code in ((url, OK), (url + ".gone", FATAL)):
            done = run("measure", f"{name}?X-Signature=s3cret", "--format", "webdataset", "-n", "1",
                       "--repeat", "1", "--read-size", "whole", "-r", "1",
                       "-o", tmp_path / "r.jsonl", code=code)
            assert "s3cret" not in done.stdout
        server.shutdown()
    text = (tmp_path / "r.jsonl").read_text()
    assert "s3cret" not in text and f'"source":"{url}"' in text and '"images":32' in text


def test_the_table_compares_and_advises(flowers, packed, measure):
    measure(flowers, packed, "--cache", "warm", "-b", "20", "-n", "3", "--what-if", "90%")
    assert "fastest: " in measure.text and "90% of the best of " in measure.text
    assert "page cache" in measure.text or "device" in measure.text
