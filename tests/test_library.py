"""The library as others use it: installed, found by pkg-config, linked, read with."""

import os
import shutil
import subprocess

import pytest

from conftest import BUILD, EXAMPLES, ROOT, pack, read_tfrecord, shards


def compiled(tmp_path, *link):
    program = tmp_path / "read_records"
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror",
                    ROOT / "examples" / "read_records.c", "-o", program, *link], check=True)
    return program


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    if not (BUILD / "cmake_install.cmake").exists() or not shutil.which("cmake"):
        pytest.skip("build/ is no CMake build")
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)
    return prefix


def test_reads_records_of_an_installed_library(installed, tmp_path, dst):
    (pc,) = installed.glob("**/shardmill.pc")
    (library,) = installed.glob("**/libshardmill.so")
    # Where it was installed to is not where it was configured for.
    text = "".join(f"prefix={installed}\n" if line.startswith("prefix=") else line
                   for line in pc.read_text().splitlines(keepends=True))
    (tmp_path / "shardmill.pc").write_text(text)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "shardmill"], check=True,
                           stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "PKG_CONFIG_PATH": str(tmp_path)}).stdout.split()
    program = compiled(tmp_path, *flags)

    pack(EXAMPLES, dst, "--shards", "2")
    for shard in shards(dst):
        done = subprocess.run([program, shard], stdout=subprocess.PIPE, text=True, check=True,
                              env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)})
        *lines, last = done.stdout.splitlines()
        records = read_tfrecord(shard)
        assert last == f"{len(records)} records"
        assert [int(line.split()[0]) for line in lines] == [record.offset for record in records]
        assert all("label=" in line and "file_name=" in line and "(JPEG, " in line for line in lines)


def test_the_installed_program_runs(installed):
    done = subprocess.run([installed / "bin" / "shardmill", "--version"], stdout=subprocess.PIPE,
                          text=True, check=True)
    assert done.stdout.startswith("shardmill ")


def test_a_reader_tells_damage(tmp_path, dst):
    program = BUILD / "examples" / "read_records"
    if not program.exists():
        pytest.skip("build/examples/read_records is not built")
    pack(EXAMPLES, dst, "--shards", "1")
    (shard,) = shards(dst)
    data = bytearray(shard.read_bytes())
    second = read_tfrecord(shard)[1]
    data[second.offset + 20] ^= 4
    shard.write_bytes(data)
    done = subprocess.run([program, shard], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert shard.name in done.stderr and str(second.offset) in done.stderr
