#!/usr/bin/python3
"""Does long work say how far it is, where somebody looks on, and nowhere else?

usage: progress.py BPGRAPH

Starts checks that take many seconds, with a terminal as standard error, reads what is shown there, and
ends them as soon as that is known.
"""
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(rb"\r\x1b\[Kexamples/alexnet\.yaml: [a-z ]+, \d+ of \d+")
QUIET = 2.5  # seconds in which nothing must be shown
faults = []


def watch(program, seconds, **variables):
    """What is shown within so many seconds, or until the first line is complete; and when that began."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment.update({"TERM": "xterm", **variables})
    ours, theirs = pty.openpty()
    command = [program, "check", "--numeric", "all", "examples/alexnet.yaml"]
    start, shown, began = time.monotonic(), b"", None
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=theirs) as process:
        os.close(theirs)
        while not LINE.search(shown) and (left := start + seconds - time.monotonic()) > 0:
            if not select.select([ours], [], [], left)[0]:
                continue
            try:
                shown += os.read(ours, 1000)
            except OSError:  # the program is done
                break
            began = began or time.monotonic() - start
        process.kill()
    os.close(ours)
    return shown, began


def expect(what, truth, shown):
    if not truth:
        faults.append(f"{what}: {shown!r}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    program = str(Path(sys.argv[1]).resolve())
    shown, began = watch(program, 120)
    expect("a line on a terminal", LINE.search(shown), shown)
    expect("nothing in the first second", began is None or began >= 0.9, began)
    for variables in [{"CI": "true"}, {"TERM": "dumb"}]:
        shown, _ = watch(program, QUIET, **variables)
        expect(f"nothing with {variables}", shown == b"", shown)
    for fault in faults:
        print(fault)
    print(f"{len(faults)} wrong")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
