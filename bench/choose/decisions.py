#!/usr/bin/env python3
"""How long decisions take, and what memory, on a space of many candidates.

usage: decisions.py [--shardmill PROGRAM] [--candidates N] [--trials N]
"""
import argparse
import resource
import subprocess
import time


def candidates(count):
    families = [f"f{k}" for k in range(10)]
    sizes = (1, 2, 4, 8, 16)
    nodes = [2 * k for k in range(1, count // (len(families) * len(sizes)) + 1)]
    for k, family in enumerate(families):
        for vcpus in sizes:
            for n in nodes:
                memory = vcpus * (2, 4, 8)[k % 3]
                yield family, f"s{vcpus}", n, vcpus, memory, 0.02 * vcpus + 0.004 * memory + 0.003 * k


def seconds(c):
    _, _, n, vcpus, memory, _ = c
    return (30 + 20000 / (n * vcpus) + n / 8) * (3 if n * memory < 200 else 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shardmill", default="build/shardmill")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=25)
    args = parser.parse_args()
    space = list(candidates(args.candidates))
    program = subprocess.Popen([args.shardmill, "choose", "--protocol"], text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = [f"job many 1 {len(space)}"]
    lines += [f"cfg {i} " + " ".join(map(str, c)) for i, c in enumerate(space)] + ["hist 0", "go"]
    message, times = "\n".join(lines) + "\n", []
    for _ in range(args.trials):
        begin = time.perf_counter()
        program.stdin.write(message)
        program.stdin.flush()
        word, index = program.stdout.readline().split()
        times.append(1e3 * (time.perf_counter() - begin))
        c = space[int(index)]
        t = seconds(c)
        message = f"ran {index} ok {t} {t * c[2] * c[5] / 3600}\n" if word == "try" else "more\n"
    program.stdin.close()
    program.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    later = sorted(times[1:])
    print(f"{len(space)} candidates, {args.trials} decisions: first {times[0]:.0f} ms; later "
          f"median {later[len(later) // 2]:.0f} ms, most {later[-1]:.0f} ms; "
          f"{1e3 * usage.ru_utime / args.trials:.0f} ms of processor each; "
          f"{usage.ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    main()
