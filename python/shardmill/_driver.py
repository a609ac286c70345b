"""Spark's side of --engine spark, of `shardmill pack` and `measure`: task lines through workers on the executors.

Started by spark-submit, with a socket to the coordinator or, where that is another machine
(--deploy-mode cluster, Dataproc), with a file of tasks. The lines are piped on the JVM's side, so executors
need no Python, and a task costs what starting a process costs.
"""

import json
import os
import queue
import socket
import sys
import threading
import time

ATTEMPTS = 3       # of a task whose result says that another attempt may do
JOBS = 64          # that a run is cut into, so that results come while it goes on
JOBS_AT_ONCE = 3   # so that no executor waits at the end of one
JOB_LEAST = 4      # tasks: a job costs the driver about 0.1 core-seconds, and on one machine the pictures wait for that
PROGRAM = "shardmill"
MARK = b"@shardmill"  # of a line that carries a result in the driver's output (src/dataproc/job.c)
PIECE = 1000          # bytes of a result in one such line


class Failed(Exception):
    """What to tell the user."""


def carry_out(context, tasks, command, emit):
    """Brings each task line to a worker, in the way of its kind."""
    is_trial = bool(tasks) and json.loads(tasks[0])["kind"] == "trial"
    (run_trials if is_trial else run)(context, tasks, command, emit)


def run(context, tasks, command, emit, attempts=ATTEMPTS):
    """Brings each task line to a worker, and each result line to emit, from any thread.

    command is the worker's, as the executors find it. Raises Failed when Spark gives up.
    """
    todo = queue.SimpleQueue()
    for task in tasks:
        todo.put((task, 1))
    state = {"open": len(tasks), "error": None}
    changed = threading.Condition()

    def take():
        """The next tasks."""
        with changed:
            while not todo.qsize() and state["open"] and not state["error"]:
                changed.wait()
            if state["error"] or not state["open"]:
                return []
            return [todo.get() for _ in range(min(todo.qsize(), job_size(context, len(tasks))))]

    def settle(group, results):
        by_id = {json.loads(task)["id"]: (task, attempt) for task, attempt in group}
        for line in results:
            result = json.loads(line)
            task, attempt = by_id.pop(result["id"])
            again = result["status"] == "error" and not result["final"] and attempt < attempts
            if again:
                todo.put((task, attempt + 1))
            else:
                if attempt > 1 and result["status"] == "error":
                    result["message"] += f" (attempt {attempt} of {attempts})"
                    line = json.dumps(result)
                emit(line)
            with changed:
                state["open"] -= not again
                changed.notify_all()
        if by_id:
            raise Failed(f"{len(by_id)} tasks were not answered by their worker")

    def work():
        group = []
        try:
            while group := take():
                settle(group, pipe(context, [task for task, _ in group], command))
        except Exception as error:  # of whatever kind: the user is told, and the run ends
            with changed:
                state["error"] = state["error"] or explain(error, group)
                changed.notify_all()
            context.cancelAllJobs()

    threads = [threading.Thread(target=work) for _ in range(JOBS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if state["error"]:
        raise Failed(state["error"])


def slots(context):
    """How many tasks the executors that are there can run at once."""
    cpus = int(context.getConf().get("spark.task.cpus", "1"))
    return max(1, context.defaultParallelism // cpus)


def job_size(context, count):
    """How many of count tasks are a job: no fewer than the cluster can run at once, and than a job is worth."""
    return max(slots(context), JOB_LEAST, -(-count // JOBS))


def pipe(context, lines, command):
    """One Spark job, one task a line."""
    jvm = context._jvm
    tasks, words = jvm.java.util.ArrayList(), jvm.java.util.ArrayList()
    for line in lines:
        tasks.add(line)
    for word in command:
        words.add(word)
    results = context._jsc.parallelize(tasks, len(lines)).pipe(words).collect()
    text = jvm.java.lang.String.join("\n", results)
    return text.split("\n") if text else []


# ---- Trials of `shardmill measure`: one group at a time in the whole cluster

PATIENCE = 120  # seconds until the executors are there that are to start together
LEAD = 3  # seconds from the barrier to the start: until then every member has listed its source


def run_trials(context, tasks, command, emit):
    """Runs each group of task lines alone; its members wait for each other at a barrier, and start
    at one moment of their clocks."""
    groups = {}
    for line in tasks:
        groups.setdefault(json.loads(line)["group"], []).append(line)
    # Where executors come and go, Spark has no barrier; one member alone needs none.
    is_elastic = context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true"
    await_slots(context, max(map(len, groups.values()), default=0), Failed)
    for lines in groups.values():
        rdd = context.parallelize(lines, len(lines))
        if len(lines) > 1 or not is_elastic:
            rdd = rdd.barrier()
        for line in rdd.mapPartitions(trial_of(command)).collect():
            emit(line)


def await_slots(context, count, failure):
    """Waits for the executors, which come one after the other; raises failure when they do not."""
    deadline = time.monotonic() + PATIENCE
    while slots(context) < count:
        if time.monotonic() > deadline:
            raise failure(f"{count} executors are to start together, and there is room for {slots(context)}")
        time.sleep(0.2)


def trial_of(command):
    """A function for executors, which have not this file."""
    def trial(lines, lead=LEAD):
        import json
        import socket
        import subprocess
        import time
        from pyspark import BarrierTaskContext, TaskContext
        here = TaskContext.get()
        together = isinstance(here, BarrierTaskContext)
        moments = here.allGather(repr(time.time() + lead)) if together else []
        for line in lines:
            task = json.loads(line)
            if together:
                task["start_at"] = max(map(float, moments))
            done = subprocess.run(command, input=json.dumps(task) + "\n", text=True,
                                  stdout=subprocess.PIPE, check=True)
            result = json.loads(done.stdout)
            if "row" in result:
                result["row"]["executor"] = (here.getTaskInfos()[here.partitionId()].address if together
                                             else socket.gethostname())
            yield json.dumps(result)
    return trial


def explain(error, group):
    """One line of what Spark says in many, with the file of the task that it gave up on."""
    java = getattr(error, "java_exception", None)
    text = str(java.getMessage() if java is not None else error) or type(error).__name__
    said = next((line for line in text.splitlines() if line.strip()), text)
    number = text.partition("Task ")[2].partition(" ")[0]
    if "Job aborted" in text and number.isdigit() and int(number) < len(group):
        said = f"'{json.loads(group[int(number)][0])['file']}': {said}"
    if "exited with status 127" in text or "exited with status 126" in text:
        said += "; the program does not start on the executors, as one that needs libraries which they lack: " \
                "the portable build has its own (make portable, --worker)"
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    root = str(java.getMessage() or java) if java is not None else text
    return said if root in text else f"{said}: {root.splitlines()[0]}"


def worker_command(context, program=PROGRAM):
    """The worker as executors find it: beside them, or where the driver's own files are.

    program is a file that was shipped with --files, or a path within a shipped archive.
    """
    threads = context.getConf().get("spark.task.cpus", "1")
    if context.master.startswith("local"):
        from pyspark import SparkFiles
        return [os.path.join(SparkFiles.getRootDirectory(), program), "worker", "--threads", threads]
    return [f"./{program}", "worker", "--threads", threads]


def serve(path, program):
    """Speaks with the coordinator over its socket until it has all results, or has gone."""
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(path)
    lines = channel.makefile("r", encoding="utf-8", newline="\n")
    lock = threading.Lock()

    def emit(line):
        with lock:
            channel.sendall(line.encode() + b"\n")

    is_ending = threading.Event()

    def watch():
        lines.read()  # nothing comes any more but the end: then nobody wants the results
        if not is_ending.is_set():
            os._exit(1)

    context = None
    try:
        context = start()
        tasks = []
        for line in lines:
            kind = json.loads(line)["type"]
            if kind == "run":
                break
            if kind == "task":
                tasks.append(line.rstrip("\n"))
        else:
            return
        threading.Thread(target=watch, daemon=True).start()
        carry_out(context, tasks, worker_command(context, program), emit)
    except Exception as error:
        is_ending.set()  # the coordinator goes when it reads this, and the context is still to be stopped
        emit(json.dumps({"type": "error", "message": explain(error, [])}))
    finally:
        if context is not None:
            context.stop()  # before the socket closes: then nothing of the job is left behind
        channel.shutdown(socket.SHUT_WR)


def serve_file(path, program):
    """Runs the tasks of a file; their results are found in the destination."""
    with open(os.path.basename(path), encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    tasks = [line for line in lines if json.loads(line)["type"] == "task"]
    failures = []

    def emit(line):
        if json.loads(line)["status"] == "error":
            failures.append(json.loads(line)["message"])

    context = start()
    run(context, tasks, worker_command(context, program), emit)
    context.stop()
    if failures:
        sys.exit(f"shardmill: {len(failures)} tasks failed: {failures[0]}")


def print_results(name, program):
    """Runs the tasks of a shipped file and prints their results, for a coordinator that reads the
    driver's output. A shipped program may have lost its mode on the way."""
    from pyspark import SparkFiles
    context = start()
    with open(SparkFiles.get(name), encoding="utf-8") as file:
        tasks = [line.rstrip("\n") for line in file]
    worker = worker_command(context, program)
    shell = ["sh", "-c", 'chmod +x "$0" 2>/dev/null; exec "$0" "$@"']
    carry_out(context, tasks, shell + worker, printer(context))
    context.stop()


def printer(context):
    """Prints a result as lines of MARK, "+" or, for its last, ".", a space and a piece of it.

    Spark writes its log to the same output at the same time, and brings what Python prints there in
    blocks that know no lines. So each piece is one write of the JVM's own, short enough that a pipe takes
    it as a whole (PIPE_BUF).
    """
    java = context._jvm.java.io
    output = java.FileOutputStream(java.FileDescriptor.out)
    lock = threading.Lock()

    def emit(line):
        data = line.encode()
        pieces = [data[at:at + PIECE] for at in range(0, len(data), PIECE)]
        with lock:
            for piece in pieces:
                sign = b"." if piece is pieces[-1] else b"+"
                output.write(b"\n" + MARK + sign + b" " + piece + b"\n")  # what else is printed ends before it
    return emit


def start():
    from pyspark import SparkContext  # spark-submit has set what it is to be
    return SparkContext()


if __name__ == "__main__":
    {"--socket": serve, "--tasks": serve_file, "--print": print_results}[sys.argv[1]](sys.argv[2], sys.argv[3])
