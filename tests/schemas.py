#!/usr/bin/python3
"""Do the JSON schemas agree with the examples and with what the program prints?

usage: schemas.py BPGRAPH

Prints one line for each group of checks and what failed in it, then a count.
Needs python3-jsonschema and python3-ruamel.yaml.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, best_match
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = {name: ROOT / f"schemas/{name}.schema.json"
           for name in ("net", "result", "ops", "check", "jacobian", "hessian")}
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TOO_BIG_TO_PRINT = ["big-product.yaml"]
SECONDS = 120

# A net that uses every part of the language. Each row of WRONG replaces one
# piece of it and so breaks one rule; each row of RIGHT leaves it a valid net.
NET = """\
bpgraph: 1
title: Everything
description: one of each
x-note: [anything, {at: all}]
inputs:
  x: [1.0, -2, pi/4]
  θ_1: {value: [[0.5, 2/3]], shape: [2, 1], domain: positive, label: θ, description: an angle}
parameters:
  W: {uniform: {shape: [3, 3], low: -1, high: 1, seed: 7}}
  V: {normal: {shape: [3, "x.shape[0]"], mean: 0, std: 0.1}}
  f: {file: data/f.npz, key: W1}
constants:
  z: {zeros: [2, 3]}
  o: {ones: x.shape}
  c: {full: {shape: [2], value: 0.5}}
  I: {eye: 3}
  r: {range: {start: 0, stop: 6, step: 2}}
  l: {linspace: {start: -1, stop: 1, num: 5}}
  e: -.inf
functions:
  swish:
    inputs: [x]
    nodes:
      s: sigmoid(x)
    output: x * s
    backward:
      x: upstream * (s + x * s * (1 - s))
    expect:
      gradients:
        s: grad(output) * x
nodes:
  s: W @ x + 1
  two: 2
  p: {op: softmax, inputs: [s], axis: 0, shape: [3], description: probabilities}
  q: {op: swish, inputs: [p]}
  m: {op: mul, inputs: [q.s, 2.5]}
  d: {op: reshape, inputs: [V], shape: [-1, "x.shape[0]"]}
  g: {expr: sum(m), shape: [], label: g}
  t: {op: sum, inputs: [x], axis: [0], keepdims: true}
output: g
upstream: 1
wrt: [W, x]
expect:
  - title: by hand
    rtol: 1e-6
    atol: 0
    points: {count: 8, spread: 0.5, seed: 0, keep: [x]}
    let: {k: "(s > 0)"}
    values: {g: 0.9867}
    gradients:
      s: p - 1
      x: [0.374, -0.251, 1/3]
      W: {file: dW.npy}
      q.s: {value: [-0.20, 0.39], decimals: written}
    contributions: {W/s: "outer(grad(s), x)"}
    jacobians: {p/s: "diag(p)"}
    hessians: {x: 0, x/W: "outer(p, p)"}
"""
RIGHT = [
    ("one block of claims", "  - title: by hand", "    title: by hand"),
    ("points as a number", "{count: 8, spread: 0.5, seed: 0, keep: [x]}", "8"),
    ("decimals as a number", "decimals: written", "decimals: 2"),
    ("an op's attribute as an expression", "axis: 0,", "axis: 1 - 1,"),
    ("no title", "title: Everything\n", ""),
    ("no output", "output: g\n", ""),
    ("a name that starts with true", "  two: 2", "  trueish: 2"),
]
WRONG = [
    ("no version", "bpgraph: 1\n", ""),
    ("version 2", "bpgraph: 1", "bpgraph: 2"),
    ("version as text", "bpgraph: 1", 'bpgraph: "1"'),
    ("unknown key", "title: Everything", "titel: Everything"),
    ("title not text", "title: Everything", "title: [Everything]"),
    ("name that starts with a digit", "  two: 2", "  2nd: 2"),
    ("name with a blank", "  two: 2", "  t wo: 2"),
    ("name with a hyphen", "  two: 2", "  t-wo: 2"),
    ("name with a point", "  two: 2", "  t.wo: 2"),
    ("reserved name", "  two: 2", "  true: 2"),
    ("x- key below the top", "  two: 2", "  x-two: 2"),
    ("start node without value", "  e: -.inf", "  e:"),
    ("yes as a value", "  e: -.inf", "  e: yes"),
    ("a quoted number", "  e: -.inf", '  e: "1.0"'),
    ("1_000", "  e: -.inf", "  e: 1_000"),
    ("a truth value in a tensor", "[1.0, -2, pi/4]", "[1.0, true, pi/4]"),
    ("two sources", "{eye: 3}", "{eye: 3, zeros: [3, 3]}"),
    ("no source", "{eye: 3}", "{shape: [3, 3]}"),
    ("unknown source", "{eye: 3}", "{identity: 3}"),
    ("key without file", "file: data/f.npz, key", "value: 1, key"),
    ("unknown kind of file", "data/f.npz", "data/f.mat"),
    ("negative size", "zeros: [2, 3]", "zeros: [2, -3]"),
    ("unknown domain", "domain: positive", "domain: nice"),
    ("full without value", "{shape: [2], value: 0.5}", "{shape: [2]}"),
    ("unknown key of a random source", "std: 0.1", "sd: 0.1"),
    ("node as a list", "  two: 2", "  two: [2]"),
    ("node as a truth value", "  two: 2", "  two: true"),
    ("node without anything", "  two: 2", "  two:"),
    ("op without inputs", "{op: swish, inputs: [p]}", "{op: swish}"),
    ("inputs without op", "{op: swish, inputs: [p]}", "{inputs: [p]}"),
    ("inputs not a list", "{op: swish, inputs: [p]}", "{op: swish, inputs: p}"),
    ("op and expr", "{op: swish, inputs: [p]}", "{op: swish, inputs: [p], expr: p}"),
    ("op name that is none", "{op: swish, inputs: [p]}", "{op: 2 * p, inputs: [p]}"),
    ("expression among the inputs", "{op: swish, inputs: [p]}", "{op: swish, inputs: [2 * p]}"),
    ("unknown attribute", "axis: 0,", "dim: 0,"),
    ("attribute of the wrong type", "keepdims: true", "keepdims: 1"),
    ("-1 in an asserted shape", "{expr: sum(m), shape: []", "{expr: sum(m), shape: [-1]"),
    ("function without output", "    output: x * s\n", ""),
    ("function without inputs", "    inputs: [x]\n", ""),
    ("unknown key of a function", "    backward:", "    gradient:"),
    ("output as a list", "output: g", "output: [g]"),
    ("wrt as text", "wrt: [W, x]", "wrt: W"),
    ("unknown key of a claim block", "    rtol:", "    tolerance:"),
    ("negative tolerance", "rtol: 1e-6", "rtol: -1e-6"),
    ("half a point", "{count: 8,", "{count: 8.5,"),
    ("claim with value and file", "{file: dW.npy}", "{file: dW.npy, value: 1}"),
    ("decimals as another word", "decimals: written", "decimals: printed"),
    ("contribution of one node", "{W/s:", "{W:"),
    ("jacobian of one node", "{p/s:", "{p:"),
    ("hessian of three nodes", "x/W:", "x/W/s:"),
]
NO_START_NODE = "bpgraph: 1\nnodes:\n  a: 1\n"


class CoreSchema(SafeConstructor):
    """YAML 1.2's core schema: no dates, no underscores in numbers."""

    def plain_int(self, node):
        text = self.construct_scalar(node)
        return text if "_" in text else self.construct_yaml_int(node)

    def plain_float(self, node):
        text = self.construct_scalar(node)
        return text if "_" in text else self.construct_yaml_float(node)


CoreSchema.add_constructor("tag:yaml.org,2002:int", CoreSchema.plain_int)
CoreSchema.add_constructor("tag:yaml.org,2002:float", CoreSchema.plain_float)
CoreSchema.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
CoreSchema.add_constructor("tag:yaml.org,2002:value", SafeConstructor.construct_yaml_str)


def load_net(text):
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = CoreSchema
    return with_text_keys(yaml.load(text))


def with_text_keys(tree):
    """JSON schemas speak of keys as text: a key true is the name "true"."""
    if isinstance(tree, dict):
        return {k if isinstance(k, str) else str(k).lower(): with_text_keys(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [with_text_keys(v) for v in tree]
    return tree


def load_json(text):
    """JSON as the standard has it: no bare NaN or Infinity, no key twice."""
    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    def once(pairs):
        keys = [k for k, _ in pairs]
        twice = {k for k in keys if keys.count(k) > 1} if len(set(keys)) < len(keys) else set()
        if twice:
            raise ValueError(f"key twice: {sorted(twice)}")
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def closed(schema):
    """The schema with every object closed: each key must be described."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(s) for key, s in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        result["additionalProperties"] = False
    return result


def fault(validator, tree):
    """What is wrong with the tree, or None."""
    error = best_match(validator.iter_errors(tree))
    return error and f"{'/'.join(map(str, error.absolute_path)) or 'top'}: {error.message[:200]}"


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def group(self, title, faults):
        """Takes (what, fault or None) of each check of a group and reports them."""
        faults = list(faults) or [("nothing", "there was nothing to check")]
        bad = [(what, why) for what, why in faults if why]
        print(f"{'FAIL' if bad else 'ok  '} {title}: {len(faults) - len(bad)} of {len(faults)}")
        for what, why in bad:
            print(f"       {what}: {why}")
        self.passed += len(faults) - len(bad)
        self.failed += len(bad)


def run(program, *arguments):
    """Standard output of the program; an exit status other than 0 is an error."""
    try:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=SECONDS, cwd=ROOT)
    except OSError as error:
        raise RuntimeError(f"cannot run the program: {error}") from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done after {SECONDS} s") from None
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout


def draft7_faults(schemas):
    for name, schema in schemas.items():
        try:
            Draft7Validator.check_schema(schema)
            yield name, None
        except SchemaError as error:
            yield name, error.message


def undescribed(schema, where):
    """Every key that the schema knows, and whether it says what the key means."""
    if isinstance(schema, list):
        for part in schema:
            yield from undescribed(part, where)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        for key, part in schema.get("properties", {}).items():
            yield f"{where}.{key}", None if part.get("description") else "no description"
    for key, part in schema.items():
        yield from undescribed(part, f"{where}.{key}")


def op_list_faults(op_name):
    names, texts = op_name["enum"], op_name["enumDescriptions"]
    same = len(names) == len(texts)
    yield "one text for each op", None if same else f"{len(names)} ops, {len(texts)} texts"
    for name, text in zip(names, texts):
        if names.count(name) > 1:
            yield name, "stands there twice"
        yield name, None if text.startswith(name + "(") else f"its text is of another op: {text}"


def example_faults(validator):
    for path in EXAMPLES:
        try:
            yield path.name, fault(validator, load_net(path.read_text(encoding="utf-8")))
        except (YAMLError, UnicodeDecodeError) as error:
            yield path.name, str(error)


def variant_faults(validator, rows, wanted):
    for what, old, new in rows:
        if NET.count(old) != 1:
            yield what, f"the test is broken: {old!r} stands {NET.count(old)} times in the net"
            continue
        why = fault(validator, load_net(NET.replace(old, new)))
        if wanted == "invalid":
            why = None if why else "the schema takes it"
        yield what, why


def eval_faults(program, validator, *options):
    for path in EXAMPLES:
        if path.name in TOO_BIG_TO_PRINT:
            continue
        try:
            result = load_json(run(program, "eval", "--format", "json", *options, path.relative_to(ROOT)))
            why = fault(validator, result)
            if not why and ("nodes" in result) != ("--all" in options):
                why = "nodes belong to --all"
            yield path.name, why
        except (RuntimeError, ValueError) as error:
            yield path.name, str(error)


def schema_command_faults(program):
    for name, path in SCHEMAS.items():
        try:
            same = run(program, "schema", name) == path.read_bytes()
            yield name, None if same else f"is not {path.relative_to(ROOT)}"
        except RuntimeError as error:
            yield name, str(error)


def op_names_faults(program, ours):
    try:
        theirs = [op["name"] for op in load_json(run(program, "ops", "--format", "json"))["ops"]]
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        yield "bpgraph ops", f"{type(error).__name__}: {error}"
        return
    for name in sorted(set(ours) | set(theirs)):
        where = f"{theirs.count(name)} times in the program, {ours.count(name)} times in the schema"
        yield name, None if theirs.count(name) == ours.count(name) == 1 else where


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    program = str(Path(sys.argv[1]).resolve())
    schemas = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in SCHEMAS.items()}
    net = Draft7Validator(schemas["net"])
    result = Draft7Validator(closed(schemas["result"]))
    op_name = schemas["net"]["definitions"]["op_name"]

    checks = Checks()
    checks.group("schemas are valid draft-07", draft7_faults(schemas))
    for name, schema in schemas.items():
        checks.group(f"keys of the {name} schema are described", undescribed(schema, name))
    checks.group("ops of the net schema are described", op_list_faults(op_name))
    checks.group("examples are valid nets", example_faults(net))
    checks.group("a net with everything is valid", [("net", fault(net, load_net(NET)))])
    checks.group("right nets are valid", variant_faults(net, RIGHT, "valid"))
    checks.group("wrong nets are not valid", variant_faults(net, WRONG, "invalid"))
    checks.group("a net without start node is not valid",
                 [("net", None if fault(net, load_net(NO_START_NODE)) else "the schema takes it")])
    without = "without " + ", ".join(TOO_BIG_TO_PRINT)
    for title, faults in [
        (f"eval --format json ({without})", eval_faults(program, result)),
        (f"eval --format json --all ({without})", eval_faults(program, result, "--all")),
        ("schema prints the file", schema_command_faults(program)),
        ("ops are those of the net schema", op_names_faults(program, op_name["enum"])),
    ]:
        checks.group(title, faults if os.access(program, os.X_OK) else [("nothing", f"no program {program}")])
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
