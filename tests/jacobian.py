#!/usr/bin/env python3
"""jacobian.py BPGRAPH: judges `bpgraph jacobian` and `bpgraph hessian`.

    * the Jacobians of Stratos, All of Backpropagation in Two Pages, H.2, against closed forms;
    * Jacobians of all examples' nodes against differences of what NumPy computes (witness.py);
    * Hessians against closed forms, and against differences of the program's own gradients;
    * the structure, against the numbers: what is outside of it is 0;
    * the formats against each other, and JSON against its schemas, with every object closed.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from jsonschema import Draft7Validator

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import witness  # noqa: E402
from schemas import closed  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "..", "examples")
MOST = 600         # entries of a Jacobian of the examples that is judged
PAIRS = 5          # pairs of nodes of an example
HESSIAN_MOST = 12  # entries of all nodes of a Hessian of the examples


def read_schema(name):
    with open(os.path.join(HERE, "..", "schemas", name + ".schema.json"), encoding="utf-8") as file:
        return Draft7Validator(closed(json.load(file)))


SCHEMAS = {name: read_schema(name) for name in ("jacobian", "hessian")}


class Failed(Exception):
    """What is wrong, in a line."""


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(arguments[:2])}: {done.stderr.decode()}")
    return done.stdout


def array(value):
    """Nested lists, in which NaN and infinities are strings."""
    return np.array(value, dtype=object).astype(float) if np.size(value) else np.array(value, float)


def ask(program, command, net, *options):
    """The JSON answer, which its schema must describe."""
    answer = json.loads(run(program, command, net, "--format", "json", *options))
    for error in SCHEMAS[command].iter_errors(answer):
        raise Failed(f"schema: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    return answer


def ask_npz(program, command, net, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "answer.npz")
        run(program, command, net, "-o", path, *options)
        with np.load(path) as arrays:
            return dict(arrays)


def compare(what, got, wanted, rtol=1e-12, atol=1e-14):
    got, wanted = array(got), np.asarray(wanted, float)
    if got.shape != wanted.shape:
        raise Failed(f"{what}: shape {got.shape}, not {wanted.shape}")
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(got - wanted) <= atol + rtol * np.abs(wanted)) & ~np.isnan(wanted)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise Failed(f"{what}{list(at)}: {got[at]}, not {wanted[at]}")


def check_structure(what, matrix, rank):
    """What the structure says is 0 is 0; `rank` is that of the first node."""
    values, structure = array(matrix["values"]), matrix["structure"]
    if list(values.shape) != matrix["shape"] and values.size:
        raise Failed(f"{what}: shape {matrix['shape']}, but values of {values.shape}")
    if np.count_nonzero(values) != structure["nonzero"]:
        raise Failed(f"{what}: {structure['nonzero']} entries are said not to be 0")
    index = np.indices(values.shape)
    outside = np.zeros(values.shape, bool)
    for of, by in structure["paired"]:
        outside |= index[of] != index[rank + by]
    if np.any(values[outside] != 0):
        raise Failed(f"{what}: entries outside of the structure are not 0")
    if structure["kind"] == "zero" and np.any(values != 0):
        raise Failed(f"{what}: said to be zero")
    if structure["kind"] == "diagonal" and values.size != np.prod(values.shape[:rank]) ** 2:
        raise Failed(f"{what}: said to be diagonal")


# ---- closed forms ---------------------------------------------------------------------------

def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def one_hot(i, n):
    return np.eye(n)[int(i)]


# By file, then by node: the Jacobian of y, and the structure.
H2 = {
    "op-add": {"x": (lambda v: np.eye(3), "diagonal"), "x2": (lambda v: np.eye(3), "diagonal")},
    "op-cmult": {"x": (lambda v: np.diag(v["x2"]), "diagonal"),
                 "x2": (lambda v: np.diag(v["x"]), "diagonal")},
    "op-concat": {"x": (lambda v: np.eye(5)[:, :3], "dense"),
                  "x2": (lambda v: np.eye(5)[:, 3:], "dense")},
    "op-logit": {"x": (lambda v: np.diag(sigmoid(v["x"]) * (1 - sigmoid(v["x"]))), "diagonal")},
    "op-mult": {"U": (lambda v: np.einsum("ik,lj->ijkl", np.eye(2), v["V"]), "block diagonal"),
                "V": (lambda v: np.einsum("ik,jl->ijkl", v["U"], np.eye(2)), "block diagonal")},
    "op-pick": {"x": (lambda v: one_hot(v["l"], 3), "dense")},
    "op-pnls": {"x": (lambda v: softmax(v["x"]) - one_hot(v["l"], 3), "dense")},
    "op-pow": {"x": (lambda v: np.diag(v["n"] * v["x"] ** (v["n"] - 1)), "diagonal")},
    "op-sm": {"x": (lambda v: np.diag(softmax(v["x"])) - np.outer(softmax(v["x"]), softmax(v["x"])),
                    "dense")},
    "op-tanh": {"x": (lambda v: np.diag(1 - np.tanh(v["x"]) ** 2), "diagonal")},
}


def check_h2(program):
    for file, nodes in H2.items():
        net = os.path.join(EXAMPLES, file + ".yaml")
        start = {k: np.asarray(v, float) for k, v in witness.Net(net).start.items()}
        for name, (closed_form, kind) in nodes.items():
            what = f"{file}: y/{name}"
            answer = ask(program, "jacobian", net, "--of", "y", "--wrt", name)
            compare(what, answer["values"], closed_form(start))
            compare(what + " as npz",
                    ask_npz(program, "jacobian", net, "--of", "y", "--wrt", name)[f"y/{name}"],
                    closed_form(start))
            compare(what + ": value of y", answer["of"]["value"],
                    json.loads(run(program, "eval", net, "--format", "json"))["output"]["value"])
            check_structure(what, answer, len(answer["of"]["shape"]))
            if answer["structure"]["kind"] != kind:
                raise Failed(f"{what} is {answer['structure']['kind']}, not {kind}")
            yield what


NETS = {
    # L, by name; the closed forms of its blocks of second derivatives
    "rosenbrock": ("inputs: {x: [-1.2, 1]}\n"
                   "nodes:\n  L: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2\n",
                   {"x/x": lambda v: [[2 - 400 * (v["x"][1] - 3 * v["x"][0] ** 2), -400 * v["x"][0]],
                                      [-400 * v["x"][0], 200]]}),
    "quadratic": ("inputs: {x: [1, -2, 0.5], b: [3, 1, 2]}\n"
                  "constants: {A: [[2, 1, 0], [-1, 3, 0.5], [4, 0, -1]]}\n"
                  "nodes: {L: x @ A @ x + b @ x}\n",
                  {"x/x": lambda v: v["A"] + v["A"].T, "x/b": lambda v: np.eye(3),
                   "b/x": lambda v: np.eye(3), "b/b": lambda v: np.zeros((3, 3))}),
    "logistic regression": (
        "constants:\n  X: [[1, 2, -1], [0.5, -1, 2], [3, 0, 1], [-2, 1, 0.5], [1, 1, 1]]\n"
        "  t: [1, 0, 1, 0, 1]\nparameters: {w: [0.3, -0.2, 0.5], b: 0.1}\n"
        "nodes:\n  z: X @ w + b\n  L: mean(softplus(z) - t * z)\n",
        {"w/w": lambda v: v["X"].T @ np.diag(curvature(v)) @ v["X"] / 5,
         "w/b": lambda v: v["X"].T @ curvature(v) / 5, "b/w": lambda v: v["X"].T @ curvature(v) / 5,
         "b/b": lambda v: curvature(v).sum() / 5}),
    "elementwise": ("inputs:\n  x: [[0.5, -1], [2, 1.5], [-0.3, 0.2]]\nnodes: {L: sum(sin(x) * x)}\n",
                    {"x/x": lambda v: np.einsum("ij,ik,jl->ijkl",
                                                2 * np.cos(v["x"]) - v["x"] * np.sin(v["x"]),
                                                np.eye(3), np.eye(2))}),
    "logsumexp": ("inputs: {x: [1, -2, 0.5]}\nnodes: {L: logsumexp(x)}\n",
                  {"x/x": lambda v: np.diag(softmax(v["x"])) - np.outer(softmax(v["x"]),
                                                                     softmax(v["x"]))}),
    "upstream . x^3": ("inputs: {x: [1, -2, 0.5]}\nconstants: {u: &u [2, -1, 3]}\n"
                       "nodes: {y: x ** 3}\noutput: y\nupstream: *u\n",
                       {"x/x": lambda v: np.diag(6 * v["u"] * v["x"])}),
    "an intermediate node": ("inputs: {x: [1, -2]}\nnodes:\n  s: 2 * x\n  L: sum(s ** 4) * x[0]\n"
                             "wrt: [s]\noutput: L\n",
                             {"s/s": lambda v: v["x"][0] * np.diag(12 * (2 * v["x"]) ** 2)}),
    "an author's own rule": ("inputs: {x: [1, -2]}\nfunctions:\n  f: {inputs: [a], output: a ** 2, "
                             "backward: {a: upstream * a ** 3}}\nnodes: {L: sum(f(x))}\n",
                             {"x/x": lambda v: np.diag(3 * v["x"] ** 2)}),
    "a numerically hard one": ("inputs: {x: [600, -700]}\nnodes:\n  L: sum(softplus(x)) + x[0] * x[1]\n",
                               {"x/x": lambda v: [[0, 1], [1, 0]]}),
}


def curvature(v):
    p = sigmoid(v["X"] @ v["w"] + v["b"])
    return p * (1 - p)


def as_matrix(hessian, names):
    """All blocks as one matrix."""
    def size(name):
        block = hessian[name][name]
        return int(np.prod(block["shape"][:len(block["shape"]) // 2]))
    return np.block([[array(hessian[a][b]["values"]).reshape(size(a), size(b)) for b in names]
                     for a in names])


def check_matrix(what, answer):
    """The blocks, their structure, symmetry, eigenvalues and definiteness, by NumPy."""
    names, hessian = answer["wrt"], answer["hessian"]
    for a in names:
        for b in names:
            check_structure(f"{what}: {a}/{b}", hessian[a][b], len(hessian[a][a]["shape"]) // 2)
    matrix = as_matrix(hessian, names)
    scale = max(np.abs(matrix).max(), 1e-300)
    if np.abs(matrix - matrix.T).max() > 1e-14 * scale:
        raise Failed(f"{what}: not symmetric: {np.abs(matrix - matrix.T).max()}")
    eigenvalues = np.linalg.eigvalsh(matrix)
    compare(f"{what}: eigenvalues", answer["eigenvalues"], eigenvalues, atol=1e-13 * scale)
    zero = 1e-13 * scale * len(matrix)
    low, high = eigenvalues[0], eigenvalues[-1]
    kind = ("zero" if not matrix.any() else "positive definite" if low > zero else
            "negative definite" if high < -zero else "positive semidefinite" if low >= -zero else
            "negative semidefinite" if high <= zero else "indefinite")
    if answer["definiteness"] != kind:
        raise Failed(f"{what}: {answer['definiteness']}, not {kind}")
    return matrix


def check_product(program, what, net, answer):
    """Hessian times vector, for a node at a time, against the Hessian."""
    for name in answer["wrt"]:
        block = array(answer["hessian"][name][name]["values"])
        shape = block.shape[:block.ndim // 2]
        vector = np.random.default_rng(1).normal(size=shape).round(3)
        options = ["--wrt", name, "--times", json.dumps(vector.tolist())]
        wanted = np.tensordot(block, vector, axes=vector.ndim)
        product = ask(program, "hessian", net, *options)
        atol = 1e-13 * max(np.abs(block).max(initial=0), 1e-300)
        compare(f"{what}: times a vector of {name}", product["product"], wanted, 1e-12, atol)
        compare(f"{what}: the vector", product["times"], vector)
        compare(f"{what}: npz", ask_npz(program, "hessian", net, *options)[name], wanted, 1e-12, atol)


def check_closed_hessians(program):
    for what, (body, blocks) in NETS.items():
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("bpgraph: 1\n" + body)
            file.flush()
            start = {k: np.asarray(v, float) for k, v in witness.Net(file.name).start.items()}
            answer, arrays = ask(program, "hessian", file.name), ask_npz(program, "hessian", file.name)
            for block, closed_form in blocks.items():
                a, b = block.split("/")
                values = answer["hessian"][a][b]["values"]
                compare(f"{what}: {block}", values, closed_form(start), 1e-11, 1e-13)
                compare(f"{what}: {block} as npz", arrays[block], array(values), 0, 0)
            check_matrix(what, answer)
            check_product(program, what, file.name, answer)
        yield what


# ---- differences ----------------------------------------------------------------------------

def open_example(program, path):
    """The net for NumPy, with what the program has drawn at random; and the program's answer."""
    answer = json.loads(run(program, "eval", path, "--all", "--format", "json"))
    drawn = {name: array(node["value"]) for name, node in answer["nodes"].items()
             if node["op"] is None}
    return witness.Net(path, drawn), answer


def choose_pairs(net, answer):
    """The output by each start node, and some nodes by what they are made of."""
    nodes = answer["nodes"]
    size = {name: int(np.prod(node["shape"])) for name, node in nodes.items()}
    moving = [name for name in net.differentiated() if name in nodes and "." not in name]
    start = [name for name in moving if nodes[name]["role"] in ("input", "parameter")]
    pairs = [(net.output, name) for name in start]
    later = [name for name in moving if nodes[name]["op"]]
    pairs += [(of, by) for of in later for by in reversed(moving) if by != of]
    pairs = [(of, by) for of, by in dict.fromkeys(pairs)
             if 0 < size[of] * size[by] <= MOST and nodes[by]["gradient"] is not None]
    step = max(1, len(pairs) // PAIRS)
    return pairs[::step][:PAIRS]


def check_examples(program):
    for file in sorted(os.listdir(EXAMPLES)):
        path = os.path.join(EXAMPLES, file)
        if not file.endswith(".yaml") or file.startswith(("op-", "big-", "chain", "ladder", "alexnet")):
            continue
        try:
            net, answer = open_example(program, path)
            pairs, point = choose_pairs(net, answer), witness.Point(net)
        except witness.Skip:
            continue
        if net.calls:  # whose own rules are not what differences see
            continue
        for of, by in pairs:
            what = f"{file}: {of}/{by}"
            got = ask(program, "jacobian", path, "--of", of, "--wrt", by)
            with np.errstate(all="ignore"):
                wanted = point.jacobian(of, by)
            compare(what, got["values"], wanted, 1e-6, 1e-7)
            check_structure(what, got, len(got["of"]["shape"]))
            yield what


def gradients(program, path, name, value):
    answer = json.loads(run(program, "eval", path, "--format", "json", "--set",
                            f"{name}={json.dumps(value.tolist())}"))
    return {name: array(gradient) for name, gradient in answer["gradients"].items()}


def check_example_hessians(program):
    """Against differences of the program's own gradients (Richardson's extrapolation)."""
    for file in sorted(os.listdir(EXAMPLES)):
        path = os.path.join(EXAMPLES, file)
        if not file.endswith(".yaml") or file.startswith(("op-", "big-", "chain", "ladder", "alexnet")):
            continue
        answer = json.loads(run(program, "eval", path, "--all", "--format", "json"))
        wrt = {name: array(answer["nodes"][name]["value"]) for name in answer["gradients"] or {}
               if answer["nodes"][name]["op"] is None and answer["gradients"][name] is not None}
        size = sum(value.size for value in wrt.values())
        if answer["output"]["shape"] or not 0 < size <= HESSIAN_MOST or answer["undefined"]:
            continue
        got = ask(program, "hessian", path, "--wrt", ",".join(wrt))
        matrix = check_matrix(file, got)
        check_product(program, file, path, got)
        column = 0
        for name, value in wrt.items():
            for index in np.ndindex(value.shape):
                def slope(h):
                    moved = []
                    for sign in (1, -1):
                        at = value.copy()
                        at[index] += sign * h
                        there = gradients(program, path, name, at)
                        moved.append(np.concatenate([there[n].ravel() for n in wrt]))
                    return (moved[0] - moved[1]) / (2 * h)
                h = 1e-3 * max(1, abs(value[index]))
                truth = (4 * slope(h / 2) - slope(h)) / 3
                scale = max(1, np.abs(truth).max())
                compare(f"{file}: column {column}", matrix[:, column], truth, 1e-6, 1e-8 * scale)
                column += 1
        yield file


def main():
    program, failed = sys.argv[1], 0
    for check in (check_h2, check_closed_hessians, check_examples, check_example_hessians):
        count, wrong = 0, None
        try:
            for _ in check(program):
                count += 1
        except Failed as error:
            wrong = str(error)
        wrong = wrong or (None if count else "nothing was checked")
        failed += wrong is not None
        print(f"FAIL {check.__name__}: {wrong}" if wrong else f"ok   {check.__name__}: {count}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
