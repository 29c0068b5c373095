#!/usr/bin/python3
"""Are the pictures in examples/pictures what the program draws?

usage: example_pictures.py [--write] BPGRAPH

Draws them again and compares what does not depend on the version of Graphviz and on the fonts of
this machine: title, description and style sheet, and for every node, edge and frame its id, its
class, the name that is spoken, its texts and its colours. Places and sizes are not compared.
With --write they are written instead.
"""
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {
    "add-multiply": [],
    "sigmoid-neuron-gates": [],
    "softmax-weight-decay": [],
    "svm-two-layer": ["--style", "boxes", "--level", "names"],
    "mlp-functions": ["--style", "compact", "--collapse", "layer"],
    "ladder": [],
}


def draw(program, name, options, *more):
    return subprocess.run([program, "render", *options, *more, f"examples/{name}.yaml"], cwd=ROOT,
                          check=True, capture_output=True, text=True, timeout=120).stdout


def tag(element):
    return element.tag.rpartition("}")[2]


def colors(group):
    """Those of lines and areas, of texts, and whether lines are broken."""
    return sorted({(kind, piece.get(kind)) for piece in group
                   for kind in ("fill", "stroke", "stroke-dasharray") if piece.get(kind)})


def facts(svg):
    """What must be the same, by id."""
    root = xml.fromstring(svg)
    found = {tag(piece): "".join(piece.itertext()) for piece in root if tag(piece) in ("title", "desc", "style")}
    for group in root.iter():
        if tag(group) == "g":
            texts = ["".join(piece.itertext()) for piece in group if tag(piece) == "text"]
            found[group.get("id")] = (group.get("class"), group.get("aria-label"), texts, colors(group))
    return found


def compare(name, shown, drawn):
    before, now = facts(shown), facts(drawn)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            yield f"{name}: {key}\n  in the file: {before.get(key)}\n  drawn now:   {now.get(key)}"


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    if write:
        arguments.remove("--write")
    if len(arguments) != 1:
        sys.exit(__doc__.strip())
    program, folder = Path(arguments[0]).resolve(), ROOT / "examples/pictures"
    faults = []
    for name, options in PICTURES.items():
        path = folder / f"{name}.svg"
        drawn = draw(program, name, options, "--format", "svg")
        if write:
            folder.mkdir(exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
        else:
            faults += compare(name, path.read_text(encoding="utf-8"), drawn)
    if set(folder.iterdir()) != {folder / f"{name}.svg" for name in PICTURES}:
        faults.append("examples/pictures has other files than these")
    for fault in faults:
        print(fault)
    print(f"{len(PICTURES)} pictures, {len(faults)} differences")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
