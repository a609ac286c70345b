"""The console script `shardmill`: becomes the program."""

import os
import sys

from .program import program


def main() -> None:
    path = program()
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
