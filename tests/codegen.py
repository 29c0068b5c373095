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
            name = name if f"value.{name}" in values else name.replace("_", ".")  # z.1
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
        list(pool.map(compile_some, filter(None, [paths[0::2], paths[1::2]])))
    library = Path(tempfile.mktemp(suffix=".so", dir=folder))
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


def check_nets(nets, folder, *options):
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda net: generate(net, "c", *options), nets))
    pairs = [(net, code) for net, code in zip(nets, codes) if code]
    if not pairs:
        return
    library = compile_c(pairs, folder)
    for net, code in pairs:
        function = Function(code)
        if function.size > RUN_MOST:
            continue
        try:
            values = read_values(net, folder, *options)
            check_values(f"{net} in C", values, code, *function.call(library, values))
            code = generate(net, "python", *options)
            check_values(f"{net} in Python", values, code, *call_python(code, values))
        except Exception as error:
            fault(net, repr(error))


def op_examples(folder):
    for op in json.loads(run(bpgraph, "ops", "--format", "json").stdout)["ops"]:
        net = folder / f"example_of_{op['name']}.yaml"
        net.write_text(op["example"], encoding="utf-8")
        if op["name"] not in WITHOUT_CODE:
            yield net


# ---- names ---------------------------------------------------------------------------------------

NAMES = """
bpgraph: 1
title: "a */ b /* c ?? / \\\\ d"
inputs: {int: 2, lambda: 0.5, exp: 0.3, i: [1, 2], np: 1.5, main: 2, λ: 3, θ_1: 0.1, Ω: 2, _x: 1, __y: 2,
         j: 1, sigmoid: 0.2, value: 1, gradients: 2, grad_i: 3, t1: 4, 日本: 2, µ: 1, def: 2, y1: 2, NULL: 3,
         true_: 1, math: 2, grad: 1, result: 2, lambda_: 3, LONG: 2, LONGER: 3, TRY: 1, printf: 1, names: 2}
functions:
  swish:
    inputs: [x]
    nodes: {s: sigmoid(x)}
    output: x * s
nodes:
  f: int * lambda * exp + sum(i) * np + main * λ * θ_1 + Ω * _x * __y + j * sigmoid(sigmoid)
  double: f * value * gradients * grad_i * t1 + 日本 * µ * def + y1 * NULL * true_ * math * grad * result
  h: swish(lambda_)
  k: LONG * LONGER * TRY * printf * names
  for: double / 1000 + h.s + h + k
  names.yaml: 0
output: for
""".replace("  names.yaml: 0\n", "").replace("LONGER", "w" * 1000 + "2").replace("LONG", "w" * 1000 + "1")


def check_names(folder):
    """Names that are words of the language, or have letters that it does not know."""
    net = folder / "names.yaml"
    net.write_text(NAMES, encoding="utf-8")
    check_nets([net], folder)
    for language, line in (("c", " * int is called int_ here."), ("c", " * λ is called lambda_1 here."),
                           ("python", "# lambda is called lambda_1 here."),
                           ("python", "# 日本 is called u65e5u672c here.")):
        code = generate(net, language) or ""
        check(line in code.splitlines(), f"{language}: {line}", code[:2000])
    check("λ" in (generate(net, "python") or "").partition("def names")[2], "Python knows Greek letters")


# ---- running it as it is ---------------------------------------------------------------------------


def check_trials(folder):
    """Both programs print the values that the net has."""
    net = folder / "trial.yaml"
    net.write_text("bpgraph: 1\ninputs: {x: [1, 2, 3], a: 0.5}\nnodes: {y: a * x}\nupstream: [1, 0, 2]\n")
    for language, ending, command in (("c", ".c", [cc, "-DTRY", "trial.c", "-o", "trial", "-lm"]), ("python", ".py", [])):
        check(not run(bpgraph, "codegen", net, "-o", folder / f"trial{ending}").returncode, f"trial{ending} is written")
        if command:
            subprocess.run(command, cwd=folder, check=True)
        command = [folder / "trial"] if command else ["/usr/bin/env", sys.executable, folder / "trial.py"]
        said = re.findall(r"-?\d+\.?\d*", run(*command).stdout)
        check([float(number) for number in said] == [0.5, 1, 1.5, 0.5, 0, 1, 7], f"{language}: the trial says {said}")


# ---- what is refused -------------------------------------------------------------------------------


def check_refusals(folder):
    net = folder / "net.yaml"

    def refused(text, status, message, *options):
        net.write_text(text, encoding="utf-8")
        done = run(bpgraph, "codegen", net, *options)
        title = f"{options}: {message}"
        check(done.returncode == status and message in done.stderr and not done.stdout, title,
              f"exit {done.returncode}, {done.stdout[:200]}{done.stderr}")

    good = "bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {y: x * x}\noutput: y\n"
    refused(good, 2, "--lang is missing: it is c or python")
    refused(good, 2, "--lang: unknown language 'rust': it is c or python", "--lang", "rust")
    refused(good, 2, "net.yaml:3:14: error: the output y is [2]: what its gradients are depends on `upstream`",
            "--lang", "c")
    refused(good, 2, "--lang is python, but", "--lang", "python", "-o", folder / "x.c")
    refused(good, 2, "tells no format", "-o", folder / "x")
    refused(good, 2, "the output is the net itself", "-o", f"c:{net}")
    refused(good, 2, "'z' is no node of this net", "--lang", "c", "--of", "z")
    refused(good, 2, "--lang and --format say the same", "--lang", "c", "--format", "c")
    refused("bpgraph: 1\ninputs: {x: [1, 2]}\nnodes: {y: y * x}\n", 2, "y needs itself", "--lang", "c")
    third = "bpgraph: 1\ninputs: {x: [1, 2, 3]}\nnodes:\n  y: prod_others(x, x)\n  L: sum(y)\n"
    refused(third, 2, "net.yaml:4:6: error: prod_others has no code in C [BP540]", "--lang", "c")
    refused(third, 2, "net.yaml:4:6: error: prod_others has no code in Python [BP540]", "--lang", "python")
    refused(third, 2, "has no code", "-o", folder / "no.c", "-o", folder / "no.py")
    check(not (folder / "no.c").exists() and not (folder / "no.py").exists(), "no half of a program is written")
    refused(good, 3, "cannot write", "--upstream", "[1, 2]", "--lang", "c", "-o", folder / "none" / "x.c")


def check_outputs(folder):
    """--lang is for outputs whose names say nothing."""
    net = folder / "net.yaml"
    net.write_text("bpgraph: 1\ninputs: {x: 2}\nnodes: {y: x * x}\n", encoding="utf-8")
    said = run(bpgraph, "codegen", net, "--lang", "c").stdout
    check(said and said == run(bpgraph, "codegen", net, "--format", "c").stdout, "--format is the same")
    check(run(bpgraph, "codegen", net, "--lang", "c", "-o", "-").stdout == said, "-o - with --lang")
    piped = subprocess.run([bpgraph, "codegen", "-", "--lang", "python"], input=net.read_text(), text=True,
                           capture_output=True).stdout
    check("def net(x):" in piped, "standard input is a net called net", piped)
    done = run(bpgraph, "codegen", net, "--lang", "c", "-o", folder / "plain")
    check(not done.stdout and (folder / "plain").read_text() == said, "--lang for a name without ending")
    done = run(bpgraph, "codegen", net, "-o", folder / "a.c", "-o", folder / "a.py")
    check((folder / "a.c").read_text() == said and "def net(x):" in (folder / "a.py").read_text(), "two at once")


# ---- edges -----------------------------------------------------------------------------------------

EDGES = {
    "start": "inputs: {x: 2}\nnodes: {y: 3 * x}\noutput: x",
    "start_vector": "inputs: {x: [2, 3]}\nnodes: {y: 3 * x}\noutput: x\nupstream: [1, 2]",
    "unreached": "inputs: {x: 2, z: [1, 2]}\nnodes: {y: 3 * x, w: z * 2}\noutput: y",
    "ones": "inputs: {x: [[2]], y: [3]}\nnodes: {z: x * y}",
    "empty": "inputs: {x: {zeros: [0, 3]}, y: 2}\nnodes: {z: sum(x * y) + y}",
    "shared": "inputs: {x: [1, 2], y: [3, 4]}\nnodes: {s: x + y, t: s + s, L: sum(t)}",
    "passed_on": "inputs: {x: [1, 2], y: [3, 4]}\nnodes: {s: x + y, L: sum(s)}\nwrt: [s, x, y, L]",
    "infinite": "inputs: {x: 0, y: .inf}\nnodes: {z: 1 / x + y, w: log(x), v: z * w}",
    "constant": "inputs: {x: 2}\nnodes: {c: 5, d: 1 / 3, z: c * x ** d}",
    "shape_only": "inputs: {x: [2, 3], y: [4, 5]}\nnodes: {z: sum(ones_like(x) * y)}",
    "labels": "inputs: {x: [[1, 2, 3], [3, 1, 2]]}\nconstants: {k: [2, 0]}\n"
              "nodes: {l: 'softmax_cross_entropy(x, k)', p: 'pick(x, k)', L: l + sum(p)}",
    "large": "inputs: {x: {linspace: {start: 0, stop: 1, num: 20000}}}\nnodes: {y: tanh(x), z: y * y, L: sum(z)}",
    "axes": "inputs: {x: {uniform: {shape: [2, 3, 4], low: 0.5, high: 2}}}\n"
            "nodes: {m: 'max(x, axis=[0, 2])', s: 'std(x, axis=[0, 2], keepdims=true)', L: sum(m) + sum(s)}",
    "gradient": "inputs: {x: [1, 2]}\nnodes: {L: sum(x ** 3), g: 'grad(L, x)', R: sum(g * g)}\noutput: R",
    "parts": "inputs: {x: [1, 2], y: 3}\nnodes: {z: sum(x * y + x) + y * 2}\nwrt: [x, y, z]",
    "again": "inputs: {x: 2, y: 3}\nnodes: {s: x + y, z: s * y * s + x + s + x}",
    "literals": "inputs: {x: 3}\nnodes: {z: x * (7 / 2) ** (1 / 2) + 100000 * 100000 * x}",
}


def check_edges(folder):
    """Nets that are special in one way or another, and gradients of parts of expressions."""
    nets = []
    for name, text in EDGES.items():
        nets.append(folder / f"edge_{name}.yaml")
        nets[-1].write_text(f"bpgraph: 1\n{text}\n", encoding="utf-8")
    check_nets(nets, folder)
    check_nets([folder / "edge_parts.yaml"], folder, "--wrt", "z.1,z.3,z.4,x")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        check_nets([net for net in sys.argv[3:] if has_gradients(net)] + list(op_examples(folder)), folder)
        check_edges(folder)
        check_names(folder)
        check_trials(folder)
        check_refusals(folder)
        check_outputs(folder)
    for line in faults:
        print(line)
    print(f"{len(faults)} faults" if faults else f"{checked} checks passed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    main()
