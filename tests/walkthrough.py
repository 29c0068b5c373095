#!/usr/bin/python3
"""Does the walkthrough "Adding an op" of lib/README.md work as it stands there?

usage: walkthrough.py CC CXX

In a copy of the tree, adds the row and the lines of the schema that the walkthrough quotes, builds,
and uses the new op: evaluated, differentiated, described, tested, known to the schema.
"""
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["CMakeLists.txt", "lib", "cmd", "schemas", "tests"]
NET = "bpgraph: 1\ninputs: {x: [2, -3]}\nnodes: {y: CUBE(x)}\nupstream: [1, 10]\n"


def check(fine, what):
    if not fine:
        sys.exit(f"FAILED: {what}")
    print(f"ok      {what.splitlines()[0]}")


def run(*command, stdin=None):
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def read_walkthrough():
    """The op's name, its row, and the schema's lines for its name and its description."""
    text = (ROOT / "lib/README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Adding an op\n")[2].partition("\n## ")[0]
    row, = re.findall(r"^```c\n(UNARY\(.*?)^```", section, re.MULTILINE | re.DOTALL)
    name, description = re.findall(r"^```json\n(.*)\n(.*)\n```", section, re.MULTILINE)[0]
    return re.match(r"UNARY\((\w+)", row)[1], row, name, description


def copy_tree(to):
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, to / part)
        else:
            shutil.copy2(ROOT / part, to / part)


def insert_line(text, key, line):
    """Puts a line first into the list of that key, which is after "op_name"."""
    start = text.index(f'"{key}": [\n', text.index('"op_name"')) + len(f'"{key}": [\n')
    return text[:start] + line + "\n" + text[start:]


def add_op(tree, row, name, description):
    table = tree / "lib/ops/unary.def"
    table.write_text(table.read_text(encoding="utf-8") + row, encoding="utf-8")
    schema = tree / "schemas/net.schema.json"
    text = insert_line(schema.read_text(encoding="utf-8"), "enum", name)
    schema.write_text(insert_line(text, "enumDescriptions", description), encoding="utf-8")


def build(tree, cc, cxx):
    run("cmake", "-S", tree, "-B", tree / "build", "-G", "Ninja", f"-DCMAKE_C_COMPILER={cc}",
        f"-DCMAKE_CXX_COMPILER={cxx}", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-O1",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1")
    run("ninja", "-C", tree / "build", "bpgraph", "test_ops")
    return tree / "build/bpgraph", tree / "build/tests/test_ops"


def load_schemas(tree):
    spec = importlib.util.spec_from_file_location("schemas", tree / "tests/schemas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_schema(tree, program, op):
    schemas = load_schemas(tree)
    op_name = json.loads((tree / "schemas/net.schema.json").read_text())["definitions"]["op_name"]
    check(op in op_name["enum"], "the schema has the op")
    faults = list(schemas.op_names_faults(str(program), op_name["enum"])) + list(schemas.op_list_faults(op_name))
    check(not [why for _, why in faults if why], "the schema's list is the program's")


def main():
    cc, cxx = sys.argv[1:]
    op, row, name, description = read_walkthrough()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        copy_tree(tree)
        unknown = (tree / "lib/ops/unary.def").read_text(encoding="utf-8")
        check(f"({op}," not in unknown, f"there is no {op} yet")
        add_op(tree, row, name, description)
        program, table_test = build(tree, cc, cxx)
        result = json.loads(run(program, "eval", "--format", "json", "-", stdin=NET.replace("CUBE", op)))
        check(result["output"]["value"] == [8, -27], "its value is x^3")
        check(result["gradients"]["x"] == [12, 270], "its gradient is upstream 3 x^2")
        for language, value in (("python", "y = x ** 3"), ("c", "y[i] = x[i] * x[i] * x[i];")):
            code = run(program, "codegen", "-", "--lang", language, stdin=NET.replace("CUBE", op))
            check(value in code, f"it is code in {language}")
        tests = run(table_test, op)
        check("3 * upstream * x ** 2" in run(program, "ops", op), f"bpgraph ops {op} shows its rule")
        check(re.search(rf"\[ +OK +\] {op}$", tests, re.MULTILINE), "the table test has it, and passes")
        check_schema(tree, program, op)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    main()
