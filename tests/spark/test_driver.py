"""Spark's side alone: what its driver prints for a coordinator that can only read its output (Dataproc)."""

import json
import subprocess

from conftest import HANG, ROOT

from .conftest import BIND

WORKER = """#!/bin/sh
# A worker whose results are long: as of many pictures that failed, or of a long look at a machine.
pad=$(head -c 100000 /dev/zero | tr '\\0' x)
while read -r task; do
    id=${task##*:}
    printf '{"type":"result","id":%s,"status":"ok","pad":"%s"}\\n' "${id%\\}}" "$pad"
done
"""


def test_results_are_whole_whatever_spark_prints_between(spark_env, tmp_path):
    program = tmp_path / "shardmill"
    program.write_text(WORKER)
    program.chmod(0o755)
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("".join(f'{{"type":"task","kind":"pack","file":"f","id":{i}}}\n' for i in range(400)))
    (tmp_path / "work").mkdir()
    conf = [word for setting in [*BIND, "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1"]
            for word in ("--conf", setting)]
    with open(tmp_path / "output", "wb") as output:  # both streams in one, as Dataproc keeps them
        subprocess.run([f"{spark_env['SPARK_HOME']}/bin/spark-submit", "--master", "local[4]", *conf, "--files",
                        f"{tasks},{program}", ROOT / "python/shardmill/_driver.py", "--print", tasks.name, program.name],
                       env=spark_env, cwd=tmp_path / "work", stdin=subprocess.DEVNULL, stdout=output,
                       stderr=subprocess.STDOUT, timeout=HANG, check=True)
    whole, result = [], b""
    for line in (tmp_path / "output").read_bytes().split(b"\n"):
        if line.startswith((b"@shardmill+ ", b"@shardmill. ")):
            result += line[12:]
        if line.startswith(b"@shardmill. "):
            whole.append(json.loads(result))
            result = b""
    assert result == b"" and sorted(one["id"] for one in whole) == list(range(400))
    assert {one["pad"] for one in whole} == {"x" * 100000}
