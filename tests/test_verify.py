"""verify finds what is wrong with a set, and says in which file and where."""

import json
import re

import pytest

from conftest import (EXAMPLES, FATAL, USAGE, pack, parse_example, read_tfrecord, refused, run,
                      shards)


@pytest.fixture
def packed(dst):
    pack(EXAMPLES, dst, "--shards", "3", "--split", "train=0.7,val=0.3")
    return dst


def problems(folder, *options):
    """What verify says of a damaged set, stdout and stderr together."""
    done = run("verify", folder, *options, code=FATAL)
    return done.stdout + done.stderr


def change(path, offset, bits=1):
    data = bytearray(path.read_bytes())
    data[offset] ^= bits
    path.write_bytes(data)


@pytest.mark.parametrize("options", [[], ["--decode"], ["--threads", "1"], ["--threads", "4"]])
def test_a_good_set(packed, options):
    assert "60" in run("verify", packed, *options).stdout


def test_a_good_gzip_set(dst):
    pack(EXAMPLES, dst, "--compression", "gzip")
    run("verify", dst, "--decode")


def test_one_file_alone(packed):
    shard = shards(packed)[0]
    assert str(len(read_tfrecord(shard))) in run("verify", shard).stdout


@pytest.mark.parametrize("region", ["length", "length_crc", "data", "data_crc"])
@pytest.mark.parametrize("record", [0, 7, -1])
def test_a_flipped_bit_in_each_region(packed, region, record):
    shard = shards(packed)[1]
    at = read_tfrecord(shard)[record]
    size = len(at.data)
    change(shard, at.offset + {"length": 1, "length_crc": 9, "data": 12 + size // 2,
                               "data_crc": 12 + size + 2}[region])
    said = problems(packed)
    assert shard.name in said
    assert re.search(rf"\b{at.offset}\b", said), f"record at {at.offset} is not told in: {said}"


def test_truncated(packed):
    shard = shards(packed)[0]
    last = read_tfrecord(shard)[-1]
    shard.write_bytes(shard.read_bytes()[:-10])
    said = problems(packed)
    assert shard.name in said and str(last.offset) in said


def test_truncated_between_records(packed):
    shard = shards(packed)[0]
    last = read_tfrecord(shard)[-1]
    shard.write_bytes(shard.read_bytes()[:last.offset])
    assert shard.name in problems(packed)


def test_empty_shard(packed):
    shards(packed)[0].write_bytes(b"")
    assert shards(packed)[0].name in problems(packed)


def test_missing_shard(packed):
    lost = shards(packed)[2]
    lost.unlink()
    assert lost.name in problems(packed)


def test_a_shard_too_many(packed):
    extra = packed / shards(packed)[0].name.replace("-00000-", "-00009-")
    extra.write_bytes(shards(packed)[0].read_bytes())
    assert extra.name in problems(packed)


def test_wrong_count_in_the_metadata(packed):
    info = json.loads((packed / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"][0] = str(int(info["splits"][0]["shardLengths"][0]) + 1)
    (packed / "dataset_info.json").write_text(json.dumps(info))
    assert shards(packed)[0].name in problems(packed) or "dataset_info.json" in problems(packed)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "label.labels.txt", "_SUCCESS"])
def test_missing_metadata(packed, name):
    (packed / name).unlink()
    assert name in problems(packed)


def test_metadata_that_is_no_json(packed):
    (packed / "dataset_info.json").write_text("{")
    assert "dataset_info.json" in problems(packed)


def test_every_problem_is_told(packed):
    first, second, third = shards(packed)[:3]
    for shard in (first, second):
        change(shard, 14)
    third.unlink()
    said = problems(packed)
    assert all(shard.name in said for shard in (first, second, third))


def test_damaged_gzip(dst):
    pack(EXAMPLES, dst, "--compression", "gzip")
    (shard,) = shards(dst)
    change(shard, shard.stat().st_size // 2, 0xFF)
    assert shard.name in problems(dst)


def masked_crc32c(data):
    """TFRecord's checksum, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")


def test_a_damaged_picture_with_a_right_checksum(packed):
    """Damage from before packing: only the picture itself can tell."""
    shard = shards(packed)[0]
    record = read_tfrecord(shard)[2]
    header = record.data.index(parse_example(record.data)["image"][0])
    for at, options in ((header + 1, []), (header + len(record.data) // 2, ["--decode"])):
        whole = shard.read_bytes()
        spoiled = bytearray(record.data)
        spoiled[at:at + 40] = b"\xff" * 40
        begin = record.offset + 12
        shard.write_bytes(whole[:begin] + spoiled + masked_crc32c(spoiled)
                          + whole[begin + len(spoiled) + 4:])
        said = problems(packed, *options)
        assert shard.name in said and str(record.offset) in said
        shard.write_bytes(whole)


def test_json(packed):
    done = run("verify", packed, "--log-format", "json")
    assert json.loads(done.stdout)["records"] == 60
    change(shards(packed)[0], 14)
    done = run("verify", packed, "--log-format", "json", code=FATAL)
    assert json.loads(done.stdout)["problems"] >= 1
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_what_is_no_set(tmp_path):
    assert str(tmp_path) in problems(tmp_path)
    assert "nowhere" in refused("verify", tmp_path / "nowhere")
    assert "--help" in refused("verify", code=USAGE)


def test_an_unfinished_set(packed):
    (packed / "_SUCCESS").unlink()
    shards(packed)[0].unlink()
    assert "_SUCCESS" in problems(packed)
