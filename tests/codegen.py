#!/usr/bin/python3
"""Does generated code compute what the program does?

usage: codegen.py BPGRAPH CC NET...

Each net, and the example of each op, becomes C and Python.  The C must compile without a warning;
both are called with the net's values, and output and gradients compared with those of `eval`.
Then names that are no names of the language, what cannot become code, and where it is written.
"""
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

FLAGS = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-O0"]
FLAGS = os.environ.get("CODEGEN_FLAGS", "").split() or FLAGS
RTOL = 1e-9
RUN_MOST = 10 ** 6  # numbers that a function takes; with more of them it is only compiled
WITHOUT_CODE = {"prod_others"}  # whose own derivative has no code

bpgraph, cc = [Path(path).absolute() if "/" in path else path for path in sys.argv[1:3]] or [None, None]
faults = []
checked = 0


def fault(title, why):
    faults.append(f"{title}: {why}")


def check(fine, title, why=""):
    global checked
    checked += 1
    if not fine:
        fault(title, why)


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def renamed(code):
    """The net's names by those that the code has for them."""
    return {new: old for old, new in re.findall(r"^(?:#| \*) (\S+) is called (\w+) here\.$", code, re.MULTILINE)}


def compare(title, what, expected, actual):
    actual = np.asarray(actual, dtype=float)
    if expected.shape != actual.shape:
        fault(title, f"{what} has shape {actual.shape}, not {expected.shape}")
        return
    size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
    near = np.isclose(actual, expected, rtol=RTOL, atol=1e-12 * size, equal_nan=True)
    check(np.all(near), title, f"{what} is\n{actual}\nnot\n{expected}")


def check_values(title, values, code, value, gradients):
    output = re.search(r"^(?:#| \*) Returns (\w+)", code, re.MULTILINE)[1]
    output = renamed(code).get(output, output)
    compare(title, "the output", values[f"value.{output}"], value)
    for name, gradient in gradients.items():
        expected = values.get(name, np.zeros_like(gradient))
        compare(title, f"the gradient of {name}", expected, gradient)


# ---- Python ----------------------------------------------------------------------------------


def call_python(code, values):
    scope = {"__name__": "generated"}
    exec(compile(code, "generated", "exec"), scope)
    function = scope[re.findall(r"^def (\w+)", code, re.MULTILINE)[-1]]
    own = renamed(code)
    names = function.__code__.co_varnames[:function.__code__.co_argcount]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*(values[f"value.{own.get(name, name)}"] for name in names))


# ---- C -----------------------------------------------------------------------------------------


class Function:
    """What a generated C file defines."""

    def __init__(self, code):
        self.code, self.own = code, renamed(code)
        self.kind, self.name, head = re.search(r"^(double|void) (\w+)\(([^{]*)\) \{$", code, re.MULTILINE).groups()
        self.parameters = re.findall(r"(const double|double|struct \w+) (\*?)(\w+)(?:\[(\d+)\])?", head)
        struct = code.partition(f"struct {self.name}_gradients {{\n")[2].partition("};")[0]
        self.members = re.findall(r"^  double (\w+)(?:\[(\d+)\])?;$", struct, re.MULTILINE)
        self.size = sum(int(size or 1) for *_, size in self.parameters)

    def call(self, library, values):
        function = getattr(library, self.name)
        function.restype = ctypes.c_double if self.kind == "double" else None
        output = re.search(r"^ \* Returns (\w+)", self.code, re.MULTILINE)[1]
        output = np.zeros_like(values[f"value.{self.own.get(output, output)}"])
        gradients = np.full(sum(int(size or 1) for _, size in self.members), np.nan)
        arguments, kept = [], []
        for kind, star, name, size in self.parameters:
            value = values.get(f"value.{self.own.get(name, name)}")
            if kind == "double" and not size:
                arguments.append(ctypes.c_double(float(value)))
                continue
            array = gradients if star else output if kind == "double" else np.ascontiguousarray(value)
            kept.append(array)
            arguments.append(array.ctypes.data_as(ctypes.c_void_p))
        value = function(*arguments)
        return np.full(output.shape, value) if self.kind == "double" else output, self.split(gradients, values)

    def split(self, numbers, values):
        at, found = 0, {}
        for member, size in self.members:
            name = self.own.get(member, member)
            shape = values[f"value.{name}"].shape
            found[name] = numbers[at:at + int(np.prod(shape, dtype=int))].reshape(shape)
            at += int(size or 1)
        return found


def compile_c(codes, folder):
    """One library of many files: linking is what takes time."""
    paths = []
    for title, code in codes:
        function = Function(code)
        path = folder / f"{function.name}.c"
        path.write_text(code.replace("int main(", f"int main_{function.name}("), encoding="utf-8")
        paths.append(path)

    def compile_some(some):
        done = subprocess.run([cc, *FLAGS, "-DTRY", "-fPIC", "-c", *some], cwd=folder, capture_output=True, text=True)
        check(done.returncode == 0, "generated C does not compile", done.stderr)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_some, [paths[0::2], paths[1::2]]))
    library = folder / "all.so"
    done = run(cc, "-shared", "-o", library, *(path.with_suffix(".o") for path in paths if path.with_suffix(".o").exists()),
               "-lm")
    if done.returncode:
        sys.exit(f"generated C does not link: {done.stderr}\n" + "\n".join(faults))
    return ctypes.CDLL(str(library))


# ---- nets ----------------------------------------------------------------------------------------


def generate(net, language, *options):
    done = run(bpgraph, "codegen", net, "--lang", language, *options)
    check(done.returncode == 0, f"{net} as {language}", done.stderr)
    return done.stdout if done.returncode == 0 else None


def has_gradients(net):
    return "no gradients" not in run(bpgraph, "eval", net).stderr


def read_values(net, folder, *options):
    path = folder / f"{Path(net).stem}.npz"
    done = run(bpgraph, "eval", net, "--all", "-o", path, *options)
    check(done.returncode == 0, net, done.stderr)
    return dict(np.load(path))


def check_nets(nets, folder):
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda net: generate(net, "c"), nets))
    pairs = [(net, code) for net, code in zip(nets, codes) if code]
    library = compile_c(pairs, folder)
    for net, code in pairs:
        function = Function(code)
        if function.size > RUN_MOST:
            continue
        try:
            values = read_values(net, folder)
            check_values(f"{net} in C", values, code, *function.call(library, values))
            code = generate(net, "python")
            check_values(f"{net} in Python", values, code, *call_python(code, values))
        except Exception as error:
            fault(net, repr(error))


def op_examples(folder):
    for op in json.loads(run(bpgraph, "ops", "--format", "json").stdout)["ops"]:
        net = folder / f"example_of_{op['name']}.yaml"
        net.write_text(op["example"], encoding="utf-8")
        if op["name"] not in WITHOUT_CODE:
            yield net


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        check_nets([net for net in sys.argv[3:] if has_gradients(net)] + list(op_examples(folder)), folder)
    for line in faults:
        print(line)
    print(f"{len(faults)} faults" if faults else f"{checked} checks passed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    main()
