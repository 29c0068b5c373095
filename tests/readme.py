#!/usr/bin/python3
"""Is what the READMEs show what the program does?

usage: readme.py BPGRAPH

In README.md, lib/README.md and examples/README.md
  * a ```yaml block that is a net is a file: the one that `NAME.yaml`: above the block names;
  * every line `$ bpgraph ...` of a ```console block is run where these files are, and must print
    exactly the lines that follow it;
  * a net that no such line mentions must evaluate;
  * a ```c block with a `main` is tests/library/example.c.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "lib/README.md", "examples/README.md"]
BLOCK = re.compile(r"(?P<before>[^\n]*)\n*^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([\w./-]+\.yaml)`:$")
NET = re.compile(r"^bpgraph: 1$", re.MULTILINE)

faults = []
checked = 0


def check(title, expected, actual):
    global checked
    checked += 1
    if expected != actual:
        faults.append(f"{title}\n--- shown ---\n{expected}\n--- but it is ---\n{actual}\n---")


def run(command, folder, program):
    environment = dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}", NO_COLOR="1")
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout, done.returncode


def commands(text):
    """The pairs (command, output) of a console block."""
    for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = piece.partition("\n")
        yield command, output


def check_readme(path, program):
    text = path.read_text(encoding="utf-8")
    unused = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start("text")) + 1
            where = f"{path.relative_to(ROOT)}:{line}"
            if block["kind"] == "yaml" and NET.search(block["text"]):
                name = NAME.search(block["before"])
                name = name.group(1) if name else f"net-{line}.yaml"
                (Path(folder) / name).write_text(block["text"], encoding="utf-8")
                unused[name] = where
            elif block["kind"] == "console":
                for command, output in commands(block["text"]):
                    unused = {name: at for name, at in unused.items() if name not in command}
                    if command.startswith("bpgraph "):
                        check(f"{where}: $ {command}", output, run(command, folder, program)[0])
            elif block["kind"] == "c" and "int main(" in block["text"]:
                source = (ROOT / "tests/library/example.c").read_text(encoding="utf-8")
                check(f"{where}: tests/library/example.c", block["text"], source)
        for name, where in unused.items():
            printed, status = run(f"bpgraph eval {name}", folder, program)
            check(f"{where}: bpgraph eval {name}", 0, status)
            if status:
                print(printed)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    program = Path(sys.argv[1]).resolve()
    for name in READMES:
        if (ROOT / name).exists():
            check_readme(ROOT / name, program)
        else:
            print(f"skipped: there is no {name}")
    for fault in faults:
        print(fault)
    print(f"{checked} checked, {len(faults)} wrong")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
