#!/usr/bin/python3
"""Do the folders of lib/ include one another downwards only?

usage: layers.py CC CXX BPGRAPH

Checks that
  * a file in lib/A/ includes only headers of layers that are not above A's;
  * cmd/ includes bpgraph.h and its own headers, nothing else of lib/;
  * a header of another project is included by one file;
  * every header compiles alone, and bpgraph.h as C++ too;
  * nothing outside of lib/ops names an op.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["base", "tensor", "graph", "ops", "lang", "derive", "load", "plan", "engine", "check", "export"]
TOP = len(LAYERS)  # bpgraph.c and what it hands out
EVERYWHERE = {"version.h"}
STANDARD = set("""
    alloca.h assert.h charconv cmath cstring ctype.h dirent.h dlfcn.h errno.h fcntl.h float.h
    inttypes.h limits.h math.h poll.h pthread.h setjmp.h signal.h stdalign.h stdarg.h stdbool.h stddef.h stdint.h stdio.h
    stdlib.h stdnoreturn.h string.h strings.h time.h unistd.h
    sys/mman.h sys/resource.h sys/socket.h sys/stat.h sys/types.h sys/wait.h""".split())
# Functions that people know by other names, and what they are called here.
WORDS_FROM_ELSEWHERE = re.compile(r"static const char \*op_habit\(.*?^}", re.DOTALL | re.MULTILINE)
GRAPHVIZ = re.compile(r'(PROGRAM |\{)"dot"')  # a program and a format beside an op
ATTRIBUTE = re.compile(r'\b(ARG|NUMBER)\("\w+"')  # of a source of values: mean, std
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

faults = []


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".c", ".cc", ".h", ".def"))


def includes(path):
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)


def layer_of(name):
    folder = name.split("/")[0] if "/" in name else None
    return LAYERS.index(folder) if folder in LAYERS else TOP


def check_includes():
    users = {}
    for path in sources("lib") + sources("cmd"):
        where = path.relative_to(ROOT)
        own = path.relative_to(ROOT / "lib").as_posix() if where.parts[0] == "lib" else None
        for kind, name in includes(path):
            if kind == "<":
                if name not in STANDARD:
                    users.setdefault(name, []).append(str(where))
            elif own is None:
                if name != "bpgraph.h" and not (ROOT / "cmd" / name).exists():
                    faults.append(f"{where}: includes {name}: cmd/ knows bpgraph.h only")
            elif layer_of(name) > layer_of(own) and name not in EVERYWHERE:
                faults.append(f"{where}: includes {name}, which is a layer above it")
    for name, files in users.items():
        if len(files) > 1:
            faults.append(f"<{name}> is included by several files: {', '.join(files)}")


def check_headers(cc, cxx):
    flags = ["-fsyntax-only", "-D_XOPEN_SOURCE=700", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
             "-Wno-unused-function", "-I", str(ROOT / "lib"), "-I", str(ROOT / "cmd")]

    def compile_alone(compiler, language, standard, header):
        run = subprocess.run([compiler, "-x", language, f"-std={standard}", *flags, "-"],
                             input=f'#include "{header}"\nextern int used;\n', capture_output=True, text=True)
        if run.returncode:
            faults.append(f"{header} does not compile alone as {language}:\n{run.stderr}")

    for path in sources("lib") + sources("cmd"):
        if path.suffix == ".h":
            compile_alone(cc, "c", "c17", path.relative_to(ROOT / path.relative_to(ROOT).parts[0]))
    compile_alone(cxx, "c++", "c++17", "bpgraph.h")


def check_op_names(program):
    run = subprocess.run([program, "ops", "--format", "json"], capture_output=True, text=True, check=True)
    names = {op["name"] for op in json.loads(run.stdout)["ops"]}
    for path in sources("lib") + sources("cmd"):
        if path.is_relative_to(ROOT / "lib/ops"):
            continue
        text = WORDS_FROM_ELSEWHERE.sub("", ATTRIBUTE.sub("", GRAPHVIZ.sub("", path.read_text(encoding="utf-8"))))
        for piece in COMMENT_OR_STRING.findall(text):
            if piece.startswith('"') and piece[1:-1] in names:
                faults.append(f"{path.relative_to(ROOT)}: names the op {piece}")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    cc, cxx, program = sys.argv[1:]
    check_includes()
    check_headers(cc, cxx)
    check_op_names(program)
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults" if faults else "the layers are in order")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
