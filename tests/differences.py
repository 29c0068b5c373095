#!/usr/bin/env python3
"""differences.py BPGRAPH: for the examples that tests/witness.py cannot evaluate itself (functions,
grad(L, v) in nodes, conv2d), compares bpgraph's gradients with central differences of its own values:
each entry of each input and parameter is moved by --set.  A function's own `backward` is so verified
against its body."""
import json
import os
import subprocess
import sys

import numpy as np

NETS = ["own-backward", "mlp-functions", "gradient-penalty", "gradient-descent",
        "hessian-times-vector"]
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")


def evaluate(program, net, *options):
    run = subprocess.run([program, "eval", "--format", "json", *options, net],
                         capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{net}: {run.stderr}")
    return json.loads(run.stdout)


def difference(program, net, name, value, index, step):
    """The derivative by one entry, from two values of the output."""
    outputs = []
    for sign in (1, -1):
        moved = value.copy()
        moved[index] += sign * step
        outputs.append(evaluate(program, net, "--set", f"{name}={json.dumps(moved.tolist())}")
                       ["output"]["value"])
    return (outputs[0] - outputs[1]) / (2 * step)


def judge(program, net):
    """How many entries were compared, and the complaints."""
    result = evaluate(program, net, "--all")
    count, wrong = 0, []
    for name, gradient in result["gradients"].items():
        value = np.array(result["nodes"][name]["value"], float)
        for index in np.ndindex(value.shape):
            claimed = np.array(gradient)[index]
            h = 1e-3 * max(1, abs(value[index]))
            # Richardson: the error of h and of h/2 cancel to the fourth order.
            wide = difference(program, net, name, value, index, h)
            narrow = difference(program, net, name, value, index, h / 2)
            truth = (4 * narrow - wide) / 3
            count += 1
            if not abs(claimed - truth) <= 1e-8 + 1e-6 * abs(truth):
                wrong.append(f"{name}{list(index)}: gradient {claimed}, differences {truth}")
    return count, wrong


def main():
    program, failed = sys.argv[1], 0
    for name in NETS:
        count, wrong = judge(program, os.path.join(EXAMPLES, name + ".yaml"))
        good = count > 0 and not wrong
        failed += not good
        print("ok  " if good else "FAIL", f"{name}: {count} entries", *wrong, sep="\n     "
              if wrong else " ")
    print(f"{len(NETS) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
