#!/usr/bin/python3
"""Is what `bpgraph ops` says complete, and do its examples run?

usage: ops.py BPGRAPH

Checks of every op, as text and as JSON: the fields are there, the example can be pasted and
evaluated without a warning, and the list has one aligned line for it.
"""
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parent.parent
faults = []


def fault(what):
    faults.append(what)
    print(what)


def run(*arguments, stdin=""):
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=60)


def check_example(name, where, net):
    done = run("eval", "--format", "json", "-", stdin=net)
    if done.returncode or done.stderr:
        fault(f"{name}: the example {where} ends with {done.returncode}:\n{net}{done.stderr}")
    elif '"NaN"' in done.stdout:
        fault(f"{name}: the example {where} gives NaN:\n{net}{done.stdout}")
    return done


def check_gradients(op, result):
    """Every input through which a gradient flows has one."""
    if result.returncode or all(i["gradient"] is None for i in op["inputs"]):
        return
    gradients = json.loads(result.stdout)["gradients"]
    if not gradients:
        fault(f"{op['name']}: the example has no gradients")


def check_text(op, text):
    """The text says what the JSON says."""
    name = op["name"]
    if not text.startswith(f"{name}("):
        fault(f"{name}: the text does not start with a call")
    pieces = [op["meaning"], op["formula"], *(i["name"] for i in op["inputs"])]
    for attribute in op["attributes"]:
        pieces += [attribute["name"], attribute["meaning"], *attribute.get("words", [])]
    for given in op["inputs"]:
        for rule in given["gradient"] or []:
            pieces += [rule["where"] or "", rule["rule"]]
        pieces.append(given["undefined"] or "")
    pieces.append(op["convention"] or "")
    flat = " ".join(text.split())
    for piece in pieces:
        if " ".join(piece.split()) not in flat:
            fault(f"{name}: the text lacks: {piece}")
    long = [line for line in text.splitlines() if len(line) > 130]
    if long:
        fault(f"{name}: a line is too long: {long[0]}")


def check_op(op):
    name = op["name"]
    check_gradients(op, check_example(name, "in JSON", op["example"]))
    done = run("ops", name)
    if done.returncode or done.stderr:
        fault(f"ops {name} ends with {done.returncode}: {done.stderr}")
    check_text(op, done.stdout)
    check_example(name, "in the text", done.stdout.partition("\nexample:\n")[2])
    alone = run("ops", name, "--format", "json")
    if json.loads(alone.stdout)["ops"] != [op]:
        fault(f"{name}: alone it is described otherwise than in the list")


def check_list(ops):
    """One line for each op, under its family, all meanings in one column."""
    lines = run("ops").stdout.splitlines()
    entries = [re.fullmatch(r"  ((\w+) +)\S.*", line) for line in lines if line.startswith(" ")]
    named = [entry[2] for entry in entries if entry]
    for op in ops:
        if named.count(op["name"]) != 1:
            fault(f"{op['name']} stands {named.count(op['name'])} times in the list")
    if len({len(entry[1]) for entry in entries if entry}) != 1 or None in entries:
        fault("the list is not aligned")
    headings = [line for line in lines if line and not line.startswith(" ")]
    if len(headings) != len(set(headings)) or len(headings) != len({op["family"] for op in ops}):
        fault(f"the headings are not the families: {headings}")


def main():
    done = run("ops", "--format", "json")
    schema = json.loads((ROOT / "schemas/ops.schema.json").read_text(encoding="utf-8"))
    listed = json.loads(done.stdout)
    for error in Draft7Validator(schema).iter_errors(listed):
        fault(f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    ops = listed["ops"]
    check_list(ops)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check_op, ops))
    print(f"{len(ops)} ops, {len(faults)} faults")
    return 1 if faults or not ops else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    PROGRAM = str(Path(sys.argv[1]).resolve())
    sys.exit(main())
