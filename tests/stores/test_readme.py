"""The README's commands about buckets, run as they stand there."""

import re
import shlex

from conftest import ROOT, run, tree


def commands():
    section = re.search(r"## Buckets\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    return [shlex.split(line)[1:] for line in re.findall(r"^    (shardmill .*)$", section, re.M)]


def test_the_commands_about_buckets(gs, s3, env, flowers, tmp_path):
    gs.client.create_bucket("my-bucket")
    s3.client.create_bucket(Bucket="my-other-bucket")
    env = {**env, **gs.env(), **s3.env()}
    run("cp", "-q", "-r", flowers, "gs://my-bucket/photos", env=env)
    said = {}
    for args in commands():
        said[args[0]] = run(*args, env=env, cwd=tmp_path).stdout
    assert set(said) == {"pack", "ls", "cp"}
    assert "60 of 60 pictures" in said["pack"]
    assert len(said["ls"].splitlines()) == 60
    assert "_SUCCESS" in tree(tmp_path / "shards")
    run("verify", tmp_path / "shards")
