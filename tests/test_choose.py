"""shardmill choose: spaces, trials by command, ask and tell, replay, and what is refused."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from conftest import (FATAL, HANG, OK, ROOT, SHARDMILL, USAGE, kill, need_shared, refused, run, start,
                      wait_until)
from dataproc import spark

SPACE = """
nodes = [2, 4, 8]
[[instance]]
name = "a1-small"
vcpus = 4
memory_gb = 16
price = 0.2
[[instance]]
name = "b1-large"
vcpus = 8
memory_gb = 64
price = 0.5
"""
JOB = "echo '{\"seconds\": '$((100 + 4000 / ({nodes} * {vcpus})))'}'"


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


def events(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def only(done, name):
    found = [e for e in events(done) if e["event"] == name]
    assert len(found) == 1
    return found[0]


# ---- Trials by command


def test_runs_trials_and_answers(space):
    done = run("choose", space, "--run", JOB, "--json")
    answer = only(done, "answer")
    trials = [e for e in events(done) if e["event"] == "trial"]
    assert answer["trials"] == len(trials) <= 6
    assert answer["cost"] == min(t["cost"] for t in trials)
    for t in trials:
        assert t["seconds"] == 100 + 4000 // (t["nodes"] * t["vcpus"])
        assert t["cost"] == pytest.approx(t["seconds"] * t["nodes"] * t["price"] / 3600)
    assert only(done, "pareto")["points"]


def test_same_seed_same_search(space):
    args = ("choose", space, "--run", JOB, "--explain", "--seed", "5")
    assert run(*args).stdout == run(*args).stdout


def test_the_clock_counts_without_a_last_line(space):
    done = run("choose", space, "--run", "echo {instance} {memory_gb}; sleep 0.2", "--json",
               "--max-trials", "1")
    assert 0.2 <= only(done, "trial")["seconds"] < 20


def test_failures_are_knowledge(space):
    done = run("choose", space, "--run", f"test {{nodes}} -gt 2 || exit 7; {JOB}", "--json",
               "--recurrences", "100000")
    trials = [e for e in events(done) if e["event"] == "trial"]
    assert {t["outcome"] for t in trials} == {"ok", "failed"}
    assert all((t["outcome"] == "failed") == (t["nodes"] == 2) for t in trials)
    assert only(done, "answer")["nodes"] > 2


def test_all_failing_is_no_answer(space):
    done = run("choose", space, "--run", "exit 1", code=FATAL)
    assert "no answer: of 6 trials none succeeded" in done.stdout


def test_what_takes_too_long_is_stopped(space):
    done = run("choose", space, "--run", "sleep 100 & sleep 100", "--timeout", "0.2",
               "--max-trials", "1", "--json", code=FATAL)
    trial = only(done, "trial")
    assert trial["outcome"] == "failed" and 0.2 <= trial["seconds"] < 20


def test_trials_run_at_once(space, tmp_path):
    meet = f"touch {tmp_path}/$$; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do " \
           f"test $(ls {tmp_path} | grep -c '^[0-9]') -ge 3 && exec {JOB}; sleep 0.5; done; exit 1"
    done = run("choose", space, "--run", meet, "--parallel", "3",
               "--json")
    trials = [e for e in events(done) if e["event"] == "trial"]
    assert len(trials) >= 3 and all(t["outcome"] == "ok" for t in trials[:3])


def test_a_deadline_is_kept(space):
    done = run("choose", space, "--run", JOB, "--deadline", "200", "--json")
    assert only(done, "answer")["seconds"] <= 200
    assert only(run("choose", space, "--run", JOB, "--objective", "time", "--budget", "0.25",
                    "--json"), "answer")["cost"] <= 0.25


def test_a_name_is_no_command(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE.replace("a1-small", "a; touch owned").replace("b1-large", "$(touch owned)"))
    done = run("choose", path, "--run", "true {instance}", code=FATAL, cwd=tmp_path)
    assert "cannot stand in a command" in done.stderr
    assert not (tmp_path / "owned").exists()


def test_whatever_ends_it_is_told_in_one_line(space, tmp_path):
    """Also behind a failure that was none: 'random' has no beliefs to explain."""
    space.write_text(SPACE.replace("b1-large", "b1; large"))
    done = run("choose", space, "--run", JOB + " # {instance}", "--method", "random", "--explain",
               "--seed", "1", code=FATAL)
    assert "trial" in done.stdout  # the first was of the other machine
    assert "cannot stand in a command" in done.stderr and done.stderr.count("\n") == 1
    with open("/dev/full", "w") as full:
        done = subprocess.run([SHARDMILL, "choose", space, "--state", tmp_path / "state.json"],
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == FATAL and "standard output" in done.stderr


def sampled(space, folder, src):
    """A search by a job of our own that cannot begin."""
    return refused("choose", space, "--state", folder / "state.json", "--sample", "1%", "--up",
                   "echo local", "--", "pack", src, folder / "out")


def test_a_sample_that_cannot_be_made(space, tmp_path):
    src = tmp_path / "src"
    src.mkdir()
    assert f"no file below {src} is in the sample" in sampled(space, tmp_path, src)
    (tmp_path / "state.json.runs" / "sample.txt").unlink()
    (tmp_path / "state.json.runs" / "sample.txt").mkdir()
    assert "sample.txt': Is a directory" in sampled(space, tmp_path, src)
    assert "none" in sampled(space, tmp_path / "none", src)


# ---- State


def test_a_killed_search_goes_on(space, tmp_path):
    state = tmp_path / "state.json"
    whole = run("choose", space, "--run", JOB, "--json")
    log = tmp_path / "log"
    slow = f"echo {{instance}} {{nodes}} >> {log}; test $(wc -l < {log}) -ne 3 || sleep 30; {JOB}"
    process = start("choose", space, "--run", slow, "--state", state)
    assert wait_until(lambda: state.exists() and state.read_text().count('"outcome"') == 3, process)
    kill(process, signal.SIGKILL)
    assert sum(t["outcome"] == "ok" for t in json.loads(state.read_text())["trials"]) == 2
    done = run("choose", space, "--run", JOB, "--state", state, "--json")
    assert only(done, "answer") == only(whole, "answer")
    assert list(tmp_path.glob("*.tmp")) == []


def test_an_interrupt_stops_the_trial(space, tmp_path):
    state, log = tmp_path / "state.json", tmp_path / "log"
    process = start("choose", space, "--run", f"echo $$ > {log}; sleep 60", "--state", state)
    assert wait_until(lambda: log.exists() and log.read_text().strip() != "", process)
    trial = int(log.read_text())
    assert kill(process, signal.SIGINT) == FATAL
    with pytest.raises(ProcessLookupError):
        os.kill(trial, 0)


def test_ask_and_tell(space, tmp_path):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    for _ in range(6):
        asked = run("choose", "ask", state, "--json")
        first = events(asked)[0]
        if first["event"] == "stop":
            break
        assert events(run("choose", "ask", state, "--json"))[0]["candidate"] == first["candidate"]
        seconds = 100 + 4000 / (first["nodes"] * first["vcpus"])
        run("choose", "tell", state, str(first["candidate"]), str(seconds))
    else:
        asked = run("choose", "ask", state, "--json")
    answer = only(asked, "answer")
    assert answer["candidate"] == only(run("choose", space, "--run", JOB, "--json"),
                                       "answer")["candidate"]


def test_tells_at_once_lose_nothing(space, tmp_path):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    tells = [start("choose", "tell", state, str(i), "50") for i in range(6)]
    assert [t.wait(timeout=60) for t in tells] == [OK] * 6
    assert len(json.loads(state.read_text())["trials"]) == 6


def test_tell_takes_failures_and_costs(space, tmp_path):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    run("choose", "tell", state, "0", "60", "failed")
    run("choose", "tell", state, "1", "60", "--cost", "9.5")
    trials = json.loads(state.read_text())["trials"]
    assert [t["outcome"] for t in trials] == ["failed", "ok"]
    assert trials[1]["cost"] == 9.5
    assert "was told before" in refused("choose", "tell", state, "1", "70")
    assert "there is no candidate 6" in refused("choose", "tell", state, "6", "70")
    for odd in ("nan", "inf", "-3", "0", "x", ""):
        refused("choose", "tell", state, "2", odd, code=USAGE)


def test_ask_gives_as_many_as_may_run(space, tmp_path):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    asked = [events(run("choose", "ask", state, "--parallel", "3", "--json"))[0]["candidate"]
             for _ in range(4)]
    assert len(set(asked[:3])) == 3 and asked[3] == asked[0]


@pytest.mark.parametrize("damage, words", [
    (lambda t: t.replace('"shardmill_choose": 1', '"shardmill_choose": 9'), "of version 9"),
    (lambda t: t[:len(t) // 2], "damaged or cut off"),
    (lambda t: "{}", "no state of choose"),
    (lambda t: t.replace('"nodes": 2.0', '"nodes": 0.0'), "damaged"),
    (lambda t: "", "damaged"),
])
def test_a_bad_state_is_refused(space, tmp_path, damage, words):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    state.write_text(damage(state.read_text()))
    before = state.read_text()
    for args in (("choose", "ask", state), ("choose", "tell", state, "0", "5"),
                 ("choose", space, "--run", "true", "--state", state)):
        error = refused(*args)
        assert words in error and str(state) in error
    assert state.read_text() == before


def test_another_space_is_refused(space, tmp_path):
    state = tmp_path / "state.json"
    run("choose", space, "--state", state)
    space.write_text(SPACE.replace("0.5", "0.6"))
    assert "another space" in refused("choose", space, "--run", "true", "--state", state)


# ---- Spaces


@pytest.mark.parametrize("text, words", [
    ("", "there is no [[instance]]"),
    ("nodes = [1]", "there is no [[instance]]"),
    (SPACE.replace("[2, 4, 8]", "[]"), "wanted is nodes"),
    (SPACE.replace("[2, 4, 8]", "[0]"), "nodes is 0"),
    (SPACE.replace("[2, 4, 8]", "[-1]"), "nodes is -1"),
    (SPACE.replace("[2, 4, 8]", "[1.5]"), "no whole number"),
    (SPACE.replace("[2, 4, 8]", "[1e30]"), "nodes is 1e+30"),
    (SPACE.replace("0.5", "nan"), ":12: this is no value"),
    (SPACE.replace("0.5", "inf"), ":12: this is no value"),
    (SPACE.replace("0.5", "-0.5"), "price is -0.5"),
    (SPACE.replace("price = 0.5", ""), "price is nan"),
    (SPACE.replace("price", "prize", 1), "there is no key 'prize'"),
    (SPACE.replace("16", "\"16\""), "memory_gb is no number"),
    (SPACE.replace('"a1-small"', '""'), "name is empty"),
    (SPACE.replace("a1-small", "x" * 70), "longer than 63"),
    (SPACE + SPACE.split("]\n", 1)[1].replace("0.5", "0.7"), "twice, at 0.5 and at 0.7"),
    (SPACE + "[constraints]\nmax_price = 0.01\n", "leave no candidate"),
    (SPACE + "[constraints]\nmax_prize = 1\n", "there is no key 'max_prize'"),
    (SPACE + "oops", ":13: '=' is wanted"),
])
def test_a_bad_space_is_refused(tmp_path, text, words):
    path = tmp_path / "space.toml"
    path.write_text(text)
    error = refused("choose", path, "--run", "true")
    assert words in error and str(path) in error


def test_constraints_and_csv(tmp_path):
    toml, table = tmp_path / "space.toml", tmp_path / "space.csv"
    toml.write_text(SPACE + "[constraints]\nmax_vcpus = 32\nmin_memory_gb = 64\n")
    run("choose", toml, "--state", tmp_path / "a.json")
    kept = json.loads((tmp_path / "a.json").read_text())["candidates"]
    assert [(c["instance"], c["nodes"]) for c in kept] == [
        ("a1-small", 4), ("a1-small", 8), ("b1-large", 2), ("b1-large", 4)]
    table.write_text("price_per_hour,mem_gb,vcpus,nodes,size,family\n" + "".join(
        f"{c['price']},{c['memory_gb']},{c['vcpus']},{c['nodes']},x,{c['family']}\n" for c in kept))
    run("choose", table, "--state", tmp_path / "b.json")
    assert [c["nodes"] for c in json.loads((tmp_path / "b.json").read_text())["candidates"]] == [
        c["nodes"] for c in kept]
    table.write_text(table.read_text() + "0.9,16,4,4,x,a1\n")
    assert "twice" in refused("choose", table, "--run", "true")
    table.write_text("family,size\na,b\n")
    assert "no column 'nodes'" in refused("choose", table, "--run", "true")


def test_wrong_usage(space):
    for args in ((), (space,), ("ask",), ("tell", space), (space, "--run", "x", "--budget", "3"),
                 (space, "--run", "x", "--deadline", "nan"), (space, "--run", "x", "--method", "y"),
                 (space, "--run", "x", "--parallel", "0"), (space, "--run", "x", "--recurrences", "0")):
        refused("choose", *args, code=USAGE)
    assert "cannot open" in refused("choose", "nowhere.toml", "--run", "true")


# ---- Recorded tables


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "runs.csv"
    done = subprocess.run([sys.executable, ROOT / "bench" / "choose" / "synthetic.py", path,
                           "--jobs", "3"], check=True)
    assert done.returncode == 0
    return path


def test_replay(table):
    rows = [r for r in csv.DictReader(table.open()) if r["workload"] == "synthetic_1"]
    best = min(float(r["cost"]) for r in rows if r["status"] == "ok")
    done = run("choose", "--replay", table, "--workload", "synthetic_1", "--explain")
    ratio = float(re.search(r"([\d.]+) of the best that the table holds", done.stdout)[1])
    answer = only(run("choose", "--replay", table, "--workload", "synthetic_1", "--json"), "answer")
    assert ratio == pytest.approx(answer["cost"] / best, abs=6e-4)
    assert ratio < 1.3 and answer["trials"] < 25
    assert "there is no workload" in refused("choose", "--replay", table, "--workload", "x",
                                             code=USAGE)


@pytest.mark.parametrize("method", ["physical", "cherrypick", "ernest", "random"])
def test_every_method_replays(table, method):
    done = run("choose", "--replay", table, "--method", method)
    assert done.stdout.count("of the best that the table holds") == 3


def test_history_is_read_and_survived(table, tmp_path):
    run("choose", "--replay", table, "--workload", "synthetic_0", "--history", table)
    wild = tmp_path / "wild.csv"
    lines = table.read_text().splitlines()
    wild.write_text("\n".join([lines[0]] + lines[100:103] + [
        re.sub(r",ok,[\d.]+,[\d.]+", ",ok,1e9,1e-9", lines[5])]) + "\n")
    run("choose", "--replay", table, "--workload", "synthetic_0", "--history", wild)
    wild.write_text(lines[0] + "\n" + lines[1].replace(",ok,", ",ok,-"))
    assert "wild.csv:2" in refused("choose", "--replay", table, "--history", wild)


def protocol(text, code=OK):
    done = subprocess.run([SHARDMILL, "choose", "--protocol"], input=text, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done


def test_protocol():
    job = "job j 1 2\ncfg 0 a s 2 4 16 0.2\ncfg 1 a s 4 4 16 0.2\nhist 0\ngo\n"
    first = int(protocol(job).stdout.split()[1])
    other = 1 - first
    out = protocol(job + f"ran {first} ok 10 0.1\nran {other} ok 9 0.2\nmore\nend\n").stdout
    assert out.splitlines() == [f"try {first}", f"try {other}", f"stop {first}", f"stop {first}"]
    for bad in ("job j 1 99999999\n", "cfg 0 a\n", job + "ran 7 ok 1 1\n", job + "ran 0 ok x\n",
                "job j 1 1\ncfg 0 a s 0 4 16 0.2\nhist 0\ngo\n", "h x\n", "more\n", "what\n",
                "job j 1 1\ncfg 5 a s 2 4 16 0.2\n", "go\n", "job j 1 0\nhist 0\ngo\n",
                job + "go\n", "job j 1 1\nhist 1\n" + 2 * "h p a s 2 4 16 0.2 ok 1 1\n"):
        said = protocol(bad, code=FATAL).stderr
        assert said.endswith(f": {bad.splitlines()[-1]}\n") and ": :" not in said


def test_beats_cherrypick_on_recorded_runs():
    """A small part of the evaluation in docs/choosing.md, without noise."""
    folder = need_shared("choose")
    ratios = {}
    for method in ("physical", "cherrypick"):
        done = run("choose", "--replay", folder / "scout_dev.csv", "--method", method)
        found = [float(r) for r in re.findall(r"([\d.]+) of the best", done.stdout)]
        assert len(found) == 10
        ratios[method] = sum(found) / 10
    assert ratios["physical"] < 1.08
    assert ratios["physical"] < ratios["cherrypick"]


def test_trials_of_our_own_job(tmp_path):
    """On Spark, on a sample of the pictures; with one trial running, nobody else has the state."""
    try:
        env = {**os.environ, "SPARK_HOME": str(spark.spark_home())}
    except spark.Absent as reason:
        pytest.skip(str(reason))
    space = tmp_path / "space.toml"
    space.write_text('[[instance]]\nname = "vm"\nvcpus = 1\nmemory_gb = 4\nprice = 3.6\nnodes = [1, 2]\n')
    state, out = tmp_path / "state.json", tmp_path / "out"
    up = f"test -e {tmp_path}/up || touch {tmp_path}/up; echo 'local[{{nodes}}]'"
    command = [SHARDMILL, "choose", space, "--state", state, "--sample", "30%", "--max-trials", "1",
               "--up", up, "--", "pack", ROOT / "examples" / "flowers", out, "--image-size", "32"]
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "up").exists():
        time.sleep(0.05)
    other = subprocess.run(command, env=env, capture_output=True, text=True)
    assert other.returncode == 1 and "another search" in other.stderr
    said, _ = child.communicate(timeout=HANG)
    assert child.returncode == 0 and "1 of 2 candidates tried" in said
    (packed,) = out.glob("vm-x*")
    assert (packed / "_SUCCESS").exists()
    listed = int(re.search(r"^sample +(\d+) of the files", said, re.M).group(1))
    info = json.loads((packed / "dataset_info.json").read_text())
    assert 0 < listed < 60
    assert sum(int(n) for split in info["splits"] for n in split["shardLengths"]) == listed
    (trial,) = json.loads(state.read_text())["trials"]
    assert trial["cost"] == pytest.approx(trial["seconds"] * int(packed.name[-1]) / 1000, rel=0.01)
