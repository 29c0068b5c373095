#!/usr/bin/python3
"""Derivations with one planted slip each, and right ones that look unusual: does `check` tell?

    wrong.py BPGRAPH            let `BPGRAPH check` judge all files of tests/wrong and tests/right
    wrong.py --write BPGRAPH    the same, and write the table of results anew
    wrong.py --self [FILE...]   no program: NumPy alone says whether each file has the slip planted

A file of tests/wrong says under `x-expected`, which bpgraph ignores, what is to be found:

    x-expected:
      wrong: {gradients/W: transpose}       # KIND/NAME of the claim: the diagnosis, or
                                            # [a, b] where several are the same thing here;
                                            # `none` where no diagnosis is asked for
      inherited: [gradients/x]              # wrong only because the author went on from a slip

All its other claims are right, and so is every claim of tests/right and of the examples.  The
table is tests/wrong/RESULTS.md.  It is an error if a slip is not caught, if it is laid at the door
of another claim, if a right claim or backprop itself is called wrong, if fewer than ENOUGH slips
get their diagnosis and no other, or if the table has changed.
"""
import glob
import json
import os
import subprocess
import sys

import numpy as np

import witness

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "wrong", "RESULTS.md")
ENOUGH = 50
KINDS = {"value": "values", "gradient": "gradients", "contribution": "contributions",
         "jacobian": "jacobians", "hessian": "hessians", "function": "functions"}


def files(folder):
    return sorted(glob.glob(os.path.join(os.path.normpath(os.path.join(HERE, folder)), "*.yaml")))


def listed(value):
    return value if isinstance(value, list) else [value]


class Expected:
    """What is to be found in a file; nothing in those of tests/right."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as stream:
            document = witness.from_yaml(witness.YAML(typ="safe").compose(stream))
        expected = document.get("x-expected") or {}
        self.diagnoses = {claim: listed(ids) for claim, ids in expected.get("wrong", {}).items()}
        self.inherited = set(expected.get("inherited", []))
        self.faulty = os.path.basename(os.path.dirname(path)) == "wrong"
        if self.faulty and len(self.diagnoses) != 1:
            raise ValueError(f"{path}: exactly one claim is to be wrong")


# ---- by NumPy alone -----------------------------------------------------------------------------

def judge_self(paths):
    failed = 0
    for path in paths:
        expected = Expected(path)
        try:
            _, wrong = witness.judge_with_differences(witness.Net(path), points=1)
        except Exception as error:          # whatever it is, go on with the next file
            print(f"FAIL {path}: {type(error).__name__}: {error}")
            failed += 1
            continue
        should = set(expected.diagnoses) | expected.inherited
        if wrong.keys() == should:
            continue
        failed += 1
        print(f"FAIL {path}")
        for claim in sorted(should - wrong.keys()):
            print(f"    {claim}: is right, though a slip was planted")
        for claim in sorted(wrong.keys() - should):
            print(f"    {claim}: {wrong[claim]}")
    print(f"{len(paths)} files, {failed} failed")
    return 1 if failed else 0


# ---- by the program -----------------------------------------------------------------------------

def run_check(program, paths, *options):
    """path -> what check says of that net."""
    names = [os.path.relpath(path) for path in paths]
    done = subprocess.run([program, "check", "--format", "json", *options, *names],
                          capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1):
        print(done.stderr)
        raise SystemExit(f"check: exit status {done.returncode}")
    return {os.path.abspath(net["net"]): net for net in json.loads(done.stdout)["nets"]}


def verdicts(net):
    """kind/name -> the claim, the worst verdict of several on the same."""
    found = {}
    for claim in net["claims"]:
        key = f"{KINDS[claim['kind']]}/{claim['node']}"
        if key not in found or claim["verdict"] == "wrong":
            found[key] = claim
    return found


def match(wanted, given):
    """How the diagnoses given fit: exact, none, more than wanted, other."""
    if not given:
        return "exact" if wanted == ["none"] else "agreed" if "none" in wanted else "none"
    if given <= set(wanted):
        return "exact"
    return "more" if given & set(wanted) else "other"


def judge_wrong(path, expected, net, rows):
    """The faults found with one file of tests/wrong; a row of the table is added."""
    faults, found = [], verdicts(net)
    (planted, wanted), = expected.diagnoses.items()
    claim = found.get(planted)
    caught = claim is not None and claim["verdict"] == "wrong"
    if not caught:
        faults.append(f"{planted} is called {claim['verdict'] if claim else 'nothing'}")
    elif claim["inherited_from"]:
        faults.append(f"{planted} is called inherited from {claim['inherited_from']}")
    for key, other in found.items():
        if key == planted or other["verdict"] == "right":
            continue
        if key not in expected.inherited:
            faults.append(f"{key} is right, but called {other['verdict']}")
        elif not other["inherited_from"]:
            faults.append(f"{key} is inherited, but called wrong itself")
    for key in expected.inherited:
        if key not in found or found[key]["verdict"] != "wrong":
            faults.append(f"{key} is inherited, but called right")
    given = {each["id"] for each in claim["diagnosis"]} if caught else set()
    rows.append((os.path.basename(path).removesuffix(".yaml"), planted, "yes" if caught else "NO",
                 ", ".join(wanted), ", ".join(sorted(given)) or "none", match(wanted, given)))
    return faults


def judge_right(net):
    return [f"{key} is right, but called {claim['verdict']}"
            for key, claim in verdicts(net).items() if claim["verdict"] != "right"]


def judge_backprop(expected, net):
    """Backprop itself is right, but where a function's author has a slip in its backward."""
    if any(claim.startswith("functions/") for claim in expected.diagnoses):
        return []
    return [f"the gradient of {each['node']} is right, but called wrong"
            for each in net["backprop"] if each["verdict"] == "wrong"]


def table(rows, right):
    """The text of RESULTS.md."""
    diagnosed = sum(row[3] != "none" and row[5] == "exact" for row in rows)
    lines = [
        "# What `check` finds in derivations with one slip each",
        "",
        "Written by `tests/wrong.py --write`; the test fails when it changes. *exact*: the",
        "diagnosis expected, or one of several that say the same here, and no other. *agreed*: one",
        "was possible, none was given, and none will do. A slip whose diagnosis is expected to be",
        "`none` fits no pattern: the claim is wrong, and that is all to be said.",
        "",
        f"{len(rows)} wrong derivations: {sum(row[2] == 'yes' for row in rows)} caught, "
        f"{diagnosed} diagnosed exactly.",
        f"{len(right)} right derivations, none called wrong.",
        "",
        "| file | claim | caught | diagnosis expected | given | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n", diagnosed


def judge_program(program, write):
    wrong, right, examples = files("wrong"), files("right"), files("../examples")
    nets = run_check(program, wrong + right)
    nets |= run_check(program, examples, "--numeric", "none")
    rows, faults = [], []
    for path in wrong + right + examples:
        net, expected = nets.get(path), Expected(path)
        if net is None or net["status"] == "invalid":
            found = [f"not judged: {net and net['errors']}"]
        elif expected.faulty:
            found = judge_wrong(path, expected, net, rows)
        else:
            found = judge_right(net)
        found += judge_backprop(expected, net) if net else []
        faults += [f"{os.path.relpath(path)}: {fault}" for fault in found]
    text, diagnosed = table(rows, right)
    if diagnosed < ENOUGH:
        faults.append(f"only {diagnosed} slips are diagnosed exactly")
    if write:
        with open(TABLE, "w", encoding="utf-8") as stream:
            stream.write(text)
    else:
        with open(TABLE, encoding="utf-8") as stream:
            if stream.read() != text:
                faults.append("the table has changed: --write, and look at the difference")
    print(text)
    for fault in faults:
        print("FAIL " + fault)
    return 1 if faults else 0


def main(arguments):
    np.seterr(all="ignore")
    if arguments and arguments[0] == "--self":
        return judge_self(arguments[1:] or files("wrong") + files("right"))
    write = arguments[:1] == ["--write"]
    if len(arguments) != 1 + write:
        print(__doc__.strip())
        return 2
    return judge_program(arguments[-1], write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
