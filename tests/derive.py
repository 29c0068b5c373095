#!/usr/bin/env python3
"""derive.py BPGRAPH: does what `bpgraph derive` writes compute what backprop computes?

For every example, in a copy of the folder, and for the example of every op in `bpgraph ops`:
  * the derived net loads, has the same values at the nodes of the example, the same gradients of its
    own, and at d_x the gradient that backprop gives for x, to a few units in the last place;
  * the derivative of that (d_x weighed by random numbers) is what backprop gives on the derived net,
    and, along a random direction, what central differences of d_x give;
  * in forward mode the output moves by J v: u . (J v) = (u J) . v, with u J from backprop;
  * no line holds what a person would not write: `1 * x`, `x + 0`, `--x`, `x.T.T`, `x ** 1`."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
LARGE = {"big-product"}        # of 10^7 numbers: its text says enough
OPS = "the op "                # what the examples of ops are called
SLOW = {"alexnet"}             # 1.5e5 numbers: not differentiated twice
ULPS = 64 * np.finfo(float).eps
CLUMSY = re.compile(r"(?<![\w.-])1 \* | \* 1(?![\w.])| [+-] 0(?![\w.])|--|\.T\.T|\*\* 1(?![\w.])|/ 1(?![\w.])")

counts = {}
faults = []


def count(what):
    counts[what] = counts.get(what, 0) + 1


def fault(net, text):
    faults.append(f"{net}: {text}")


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bpgraph {' '.join(arguments)[:300]}: {done.stderr[:1500]}")
    return done.stdout


def evaluate(program, net, *options):
    return json.loads(run(program, "eval", "--format", "json", *options, net))


def tensor(value):
    return np.array(value, float)


def differ(a, b, limit):
    """How far apart two tensors are, by the largest entry; None where near enough."""
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}"
    if not a.size or np.array_equal(a, b, equal_nan=True):
        return None
    error = np.max(np.abs(a - b)) / max(np.max(np.abs(a)), np.max(np.abs(b)))
    return None if error <= limit else f"relative error {error:.2g}"


def names(path):
    """The node that holds the gradient by each node, from the comments."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    total = re.match(r"# The gradient of (\S+)(?: \((\S+) = sum)?", text)
    total = re.escape(total.group(2) or total.group(1).rstrip(","))
    found = {}
    for line in text.splitlines():
        match = re.match(rf"  (\S+): .*# d{total}/d(\S+)$", line)
        if match:
            found[match.group(2)] = match.group(1)
    return found


def check_text(net, path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  # "))
    end = next(i for i, line in enumerate(lines) if line.startswith("output: "))
    for line in lines[start + 1:end]:
        expression = line.split("  #")[0].split(": ", 1)[-1]
        if CLUMSY.search(expression):
            fault(net, f"clumsy: {line}")
        if "  # " not in line:
            fault(net, f"no comment: {line}")


def wanted_of(truth):
    return [name for name, gradient in truth["gradients"].items() if gradient is not None]


def check_first(program, net, path, derived):
    """Returns what backprop said about the net."""
    truth = evaluate(program, path, "--all")
    if not wanted_of(truth):
        return truth
    run(program, "derive", path, "-o", derived)
    check_text(net, derived)
    result = evaluate(program, derived, "--all")
    nodes = result["nodes"]
    for name, node in truth["nodes"].items():
        if name in nodes and not re.search(r"\.", name):
            error = differ(tensor(node["value"]), tensor(nodes[name]["value"]), ULPS)
            if error:
                fault(net, f"the value of {name}: {error}")
    for name, gradient in truth["gradients"].items():
        if gradient is None:
            continue
        count("first")
        error = differ(tensor(gradient), tensor(nodes["d_" + name]["value"]), ULPS)
        if error:
            fault(net, f"d_{name}: {error}")
        error = differ(tensor(gradient), tensor(result["gradients"][name]), 1e3 * ULPS)
        if error:
            fault(net, f"its own gradient of {name}: {error}")
    return truth


def text(array):
    return json.dumps(array.tolist())


def weighed(program, derived, of, weights, point):
    """sum(weights * d_x) at a point."""
    sets = [f"--set={name}={text(value)}" for name, value in point.items()]
    nodes = evaluate(program, derived, "--all", *sets)["nodes"]
    return np.sum(weights * tensor(nodes[of]["value"]))


def check_differences(program, net, truth, derived, of, weights, gradients, random):
    point = {name: tensor(truth["nodes"][name]["value"]) for name in gradients
             if truth["nodes"][name]["op"] is None}
    direction = {name: random.normal(size=value.shape) for name, value in point.items()}

    def slope(h):
        moved = [{k: v + s * h * direction[k] for k, v in point.items()} for s in (1, -1)]
        return (weighed(program, derived, of, weights, moved[0]) -
                weighed(program, derived, of, weights, moved[1])) / (2 * h)

    expected = (4 * slope(5e-4) - slope(1e-3)) / 3
    terms = [np.sum(gradients[name] * direction[name]) for name in point]
    count("differences")
    if abs(sum(terms) - expected) > 1e-6 * max(1, np.sum(np.abs(terms))):
        fault(net, f"the derivative of {of}: {sum(terms)}, by differences {expected}")


def check_second(program, net, truth, derived, second, random):
    wanted = wanted_of(truth)
    for x in wanted[:2]:
        of = "d_" + x
        weights = np.round(random.normal(size=tensor(truth["gradients"][x]).shape), 3)
        options = ["--of", of, "--upstream", text(weights), "--wrt", ",".join(wanted)]
        run(program, "derive", derived, "-o", second, *options)
        check_text(net, second)
        expected = evaluate(program, derived, *options)["gradients"]
        nodes, held = evaluate(program, second, "--all")["nodes"], names(second)
        gradients = {name: tensor(nodes[held[name]]["value"]) for name in wanted}
        for name in wanted:
            count("second")
            error = differ(tensor(expected[name]), gradients[name], 1e2 * ULPS)
            scale = np.max(np.abs(tensor(expected[name])), initial=0)
            if error and scale > 1e-13:
                fault(net, f"the gradient of {of} by {name}: {error}")
        if not truth["undefined"] and not net.startswith(OPS):
            check_differences(program, net, truth, derived, of, weights, gradients, random)


def check_forward(program, net, truth, path, moves, random):
    output = truth["output"]["name"]
    wanted = wanted_of(truth)
    directions = {name: np.round(random.normal(size=tensor(truth["nodes"][name]["value"]).shape), 3)
                  for name in wanted}
    options = [f"--forward={name}={text(value)}" for name, value in directions.items()]
    run(program, "derive", path, "-o", moves, *options)
    check_text(net, moves)
    with open(moves, encoding="utf-8") as file:
        name = re.search(rf"^  (\S+): .*# how {re.escape(output)} moves$", file.read(), re.MULTILINE)
    moved = tensor(evaluate(program, moves, "--all")["nodes"][name.group(1)]["value"])
    above = np.round(random.normal(size=moved.shape), 3)
    gradients = evaluate(program, path, "--upstream", text(above))["gradients"]
    terms = [np.sum(tensor(gradients[name]) * directions[name]) for name in wanted]
    count("forward")
    if abs(sum(terms) - np.sum(above * moved)) > 1e-13 * max(1, np.sum(np.abs(terms))):
        fault(net, f"forward {np.sum(above * moved)}, backward {sum(terms)}")


def check(program, net, folder):
    path, derived = os.path.join(folder, net + ".yaml"), os.path.join(folder, "derived.yaml")
    other = os.path.join(folder, "other.yaml")
    random = np.random.default_rng(len(net))
    if net in LARGE:
        run(program, "derive", path, "-o", derived)
        check_text(net, derived)
        return
    truth = check_first(program, net, path, derived)
    if net in SLOW or not wanted_of(truth):
        return
    check_second(program, net, truth, derived, other, random)
    check_forward(program, net, truth, path, other, random)


def write_op_examples(program, folder):
    """Returns the names of the nets that are there now."""
    nets = []
    for op in json.loads(run(program, "ops", "--format", "json"))["ops"]:
        nets.append(OPS + op["name"])
        with open(os.path.join(folder, nets[-1] + ".yaml"), "w", encoding="utf-8") as file:
            file.write(op["example"])
    return nets


def main():
    program = os.path.abspath(sys.argv[1])
    nets = sorted(name[:-5] for name in os.listdir(EXAMPLES) if name.endswith(".yaml"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "examples")
        shutil.copytree(EXAMPLES, folder)
        for net in nets + write_op_examples(program, folder):
            try:
                check(program, net, folder)
            except (RuntimeError, KeyError, AttributeError) as error:
                fault(net, f"{type(error).__name__}: {error}")
    for line in faults:
        print(line)
    print(", ".join(f"{number} {what}" for what, number in counts.items()) + f"; {len(faults)} faults")
    sys.exit(bool(faults) or min(counts.get(what, 0) for what in
                                 ("first", "second", "differences", "forward")) < 40)


if __name__ == "__main__":
    main()
