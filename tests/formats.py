#!/usr/bin/python3
"""Do the readers of check's formats read what check writes?

usage: formats.py BPGRAPH

Judges nets of all kinds, with names and titles that are hard to write, in every format, and compares
what each format's own reader makes of it:
  json    jsonschema, with schemas/check.schema.json
  junit   xmllint, with tests/junit.xsd; junitparser
  github  a reader of workflow commands, as the runner's ActionCommand has them
  hooks   .pre-commit-hooks.yaml names a program that runs, with options that it has
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from jsonschema import Draft7Validator
from junitparser import Error, Failure, JUnitXml, Skipped
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
FORMATS = ["text", "json", "junit", "github"]
SCHEMA = json.loads((ROOT / "schemas/check.schema.json").read_text(encoding="utf-8"))
TITLE = """<b> & "quotes" 'n' ]]> 100%, a: b %0A\n::error::\x1b[31m\tλ"""

RIGHT = """\
bpgraph: 1
title: TITLE
inputs: {x: [1.5, -2], λ: 3}
nodes: {f: sum(x ** 2) * λ}
expect:
  - title: TITLE
    gradients: {x: 2 * x * λ}
    values: {f: 18.75}
"""
WRONG = RIGHT.replace("2 * x * λ}", "2 * x / λ, λ: f}").replace("18.75", ".nan")
TWICE = RIGHT.replace("expect:\n", "expect:\n  - title: TITLE\n    gradients: {x: 7, λ: 6.25}\n")
NETS = {
    "right.yaml": RIGHT,
    "wrong.yaml": WRONG,
    "twice.yaml": TWICE,  # two claims of one name
    "invalid.yaml": RIGHT.replace("sum(x", "sum(<x>"),
    "claim.yaml": RIGHT.replace("{f: 18", "{'<&>': 1, f: 18"),
    "empty.yaml": "",
    "without claims.yaml": RIGHT[:RIGHT.index("expect")],
    "100%, a:b<&>'\"\n\tc.yaml": WRONG,
    "\u202emirrored.yaml": RIGHT,
    "bytes\udcff.yaml": WRONG,
    "control\x01\x1b[31m.yaml": WRONG,
}
LARGE = ["alexnet.yaml", "big-product.yaml"]  # differences take their time
MISSING = "missing & gone.yaml"

faults = []
checked = 0


def expect(what, wanted, found):
    global checked
    checked += 1
    if wanted != found:
        faults.append(f"{what}: {found!r}, not {wanted!r}")


def run(program, folder, *arguments):
    """Exit status, and what each format says."""
    with tempfile.TemporaryDirectory() as out:
        outputs = [f"-o{name}:{out}/{name}" for name in FORMATS]
        done = subprocess.run([program, "check", *outputs, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
        return done.returncode, {name: (Path(out) / name).read_bytes() for name in FORMATS}


def write_nets(folder):
    for name, text in NETS.items():
        (Path(folder) / name).write_text(text.replace("TITLE", json.dumps(TITLE)), encoding="utf-8")
    return [*NETS, MISSING]


# ---- json ---------------------------------------------------------------------------------

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


VALIDATOR = Draft7Validator(closed(SCHEMA))


def verdicts(net):
    return [c["verdict"] for c in net["claims"] + net["backprop"]]


def check_json(what, text):
    tree = json.loads(text, parse_constant=lambda word: faults.append(f"{what}: {word} is not JSON"))
    for error in VALIDATOR.iter_errors(tree):
        faults.append(f"{what}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    everything = [v for net in tree["nets"] for v in verdicts(net)]
    expect(f"{what}: passed", everything.count("right"), tree["passed"])
    expect(f"{what}: failed", everything.count("wrong"), tree["failed"])
    expect(f"{what}: inconclusive", everything.count("inconclusive"), tree["inconclusive"])
    expect(f"{what}: invalid", [n["status"] for n in tree["nets"]].count("invalid"), tree["invalid"])
    for net in tree["nets"]:
        if net["status"] != "invalid":
            expect(f"{what}: status", "failed" if "wrong" in verdicts(net) else "ok", net["status"])
    return tree


# ---- junit --------------------------------------------------------------------------------

def shown(name):
    """A name as XML has it: what XML cannot hold is replaced."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\udc80-\udcff]", "\ufffd", name)


def check_junit(what, text, tree):
    done = subprocess.run(["xmllint", "--noout", "--schema", ROOT / "tests/junit.xsd", "-"], input=text,
                          capture_output=True)
    expect(f"{what}: xmllint", (0, ""), (done.returncode, "" if not done.returncode else done.stderr.decode()))
    suites = JUnitXml.fromstring(text)
    expect(f"{what}: suites", [shown(n["net"]) for n in tree["nets"]], [s.name for s in suites])
    for net, suite in zip(tree["nets"], suites):
        cases = list(suite)
        kinds = [type(case.result[0]) if case.result else None for case in cases]
        wanted = {"wrong": Failure, "inconclusive": Skipped, "right": None}
        invalid = [Error] if net["status"] == "invalid" else []
        expect(f"{what}: cases", invalid + [wanted[v] for v in verdicts(net)], kinds)
        expect(f"{what}: counts", (len(cases), kinds.count(Failure), kinds.count(Error), kinds.count(Skipped)),
               (suite.tests, suite.failures, suite.errors, suite.skipped))
        for claim, case in zip(net["claims"], cases[len(invalid):]):
            title = f"{claim['title']}: " if claim["title"] else ""
            name = shown(f"{title}{claim['kind']} {claim['node']}")
            expect(f"{what}: name", name, re.sub(r" \(\d+\)$", "", case.name))
            if claim["verdict"] == "wrong":
                place = f"{claim['line']}:{claim['column']}"
                expect(f"{what}: place", True, f":{place}: " in case.result[0].message and place in case.result[0].text)
                for finding in claim["diagnosis"]:
                    expect(f"{what}: diagnosis", True, finding["text"] in case.result[0].message)
    expect(f"{what}: totals", (tree["failed"], tree["invalid"]), (suites.failures, suites.errors))


def shown_bytes(name):
    """A name whose bytes stayed as they are, as JSON has it."""
    return re.sub("[\udc80-\udcff]", "\ufffd", name)


# ---- github -------------------------------------------------------------------------------

COMMAND = re.compile(r"::(?P<command>[a-z-]+)(?: (?P<properties>.*?))?::(?P<data>.*)")


def unescape(text, codes):
    for code, plain in codes:
        text = text.replace(code, plain)
    return text


DATA = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]
PROPERTY = DATA[:2] + [("%3A", ":"), ("%2C", ","), ("%25", "%")]


def read_commands(what, text):
    for line in text.splitlines():
        if not line.strip().startswith("::"):
            continue
        match = COMMAND.fullmatch(line)
        expect(f"{what}: is a command: {line}", True, bool(match))
        pairs = [p.split("=", 1) for p in (match["properties"] or "").split(",")]
        properties = {key: unescape(value, PROPERTY) for key, value in pairs}
        yield match["command"], properties, unescape(match["data"], DATA)


def check_github(what, text, tree):
    lines = text.splitlines()
    commands = list(read_commands(what, text))
    expect(f"{what}: lines", min(10, len(commands)) + 1, len(lines))
    expect(f"{what}: the last is the summary", True, lines[-1].startswith("bpgraph check: "))
    wanted = []
    for net in tree["nets"]:
        for error in net["errors"]:
            wanted.append((error.get("file", net["net"]), error.get("line"), error["message"]))
        for claim in net["claims"] + net["backprop"]:
            if claim["verdict"] == "wrong":
                texts = [d["text"] for d in claim.get("diagnosis", [])]
                wanted.append((claim["file"], claim["line"], texts[0] if texts else ""))
    errors = [(p, data) for command, p, data in commands if command == "error"]
    expect(f"{what}: errors", min(10, len(wanted)), len(errors))
    for (file, line, message), (properties, data) in zip(wanted, errors):
        expect(f"{what}: file", file, shown_bytes(properties["file"]))
        expect(f"{what}: line", line and str(line), properties.get("line"))
        expect(f"{what}: message", True, message in data)
        expect(f"{what}: keys", set(), set(properties) - {"file", "line", "col", "title"})
    if len(wanted) > 10:
        expect(f"{what}: says that more are left out", True, "not shown" in lines[-1])


# ---- text ---------------------------------------------------------------------------------

def check_text(what, text):
    bad = re.findall("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)
    expect(f"{what}: nothing for a terminal to stumble over", [], bad)
    for line in text.splitlines():
        expect(f"{what}: no workflow command", False, line.strip().startswith("::"))


# ---- all of them --------------------------------------------------------------------------

def check_formats(program, folder, what, *arguments):
    status, written = run(program, folder, *arguments)
    text = {name: bytes.decode("utf-8", "surrogateescape") for name, bytes in written.items()}
    tree = check_json(f"{what}: json", text["json"])
    check_junit(f"{what}: junit", written["junit"], tree)
    check_github(f"{what}: github", text["github"], tree)
    check_text(f"{what}: text", text["text"])
    expect(f"{what}: exit status", 2 if tree["invalid"] else 1 if tree["failed"] else 0, status)
    return tree


def check_hooks(program, folder):
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    expect("hooks: some", True, len(hooks) > 0)
    for hook in hooks:
        what = f"hook {hook.get('id')}"
        expect(f"{what}: keys", set(), {"id", "name", "description", "entry", "language", "types"} - set(hook))
        entry, *arguments = hook["entry"].split()
        if hook["language"] == "script":
            expect(f"{what}: {entry} can be run", True, os.access(ROOT / entry, os.X_OK))
        command = [program, *arguments, *hook.get("args", [])]
        for net, status in [("right.yaml", 0), ("wrong.yaml", 1), ("other.yaml", 0)]:
            done = subprocess.run([*command, net], cwd=folder, capture_output=True)
            expect(f"{what}: {net}", status, done.returncode)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        names = write_nets(folder)
        (Path(folder) / "other.yaml").write_text("on: push\n", encoding="utf-8")
        for name in names:
            check_formats(program, folder, repr(name), name)
        tree = check_formats(program, folder, "all nets", *names)
        expect("all nets: in order", [shown(name) for name in names], [shown(n["net"]) for n in tree["nets"]])
        tree = check_formats(program, folder, "their folder", "--strict", ".")
        expect("their folder: nets", len(NETS) - 1, len(tree["nets"]))  # no key stands in an empty file
        check_formats(program, folder, "no nets", "--nets-only", "other.yaml")
        check_hooks(program, folder)
    examples = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "examples").glob("*.yaml"))]
    small = [path for path in examples if Path(path).name not in LARGE]
    check_formats(program, ROOT, "wrong derivations", "--mutants", "tests/wrong")
    check_formats(program, ROOT, "right derivations", "--mutants", "tests/right")
    large = sorted(set(examples) - set(small))
    for tree in [check_formats(program, ROOT, "examples", "--mutants", *small),
                 check_formats(program, ROOT, "large examples", "--numeric", "none", *large)]:
        expect("examples: wrong ones", [], [net["net"] for net in tree["nets"] if net["status"] != "ok"])
        for net in tree["nets"]:
            noticed = [not mutant["survived"] for mutant in net.get("mutants", [])]
            expect(f"{net['net']}: most mutants are noticed", True, 2 * sum(noticed) >= len(noticed))
    for fault in faults:
        print(fault.encode("utf-8", "backslashreplace").decode())
    print(f"{checked} checked, {len(faults)} wrong")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
