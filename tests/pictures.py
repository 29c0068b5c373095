#!/usr/bin/python3
"""Do pictures say what the result says?

usage: pictures.py BPGRAPH NET...

Every net is rendered as DOT in all styles, at both levels, read back by `dot -Tjson`, which knows
nothing of this program, and compared with `bpgraph eval --all --format json`:
  * at the level of ops the nodes are those of the result (numbers in expressions stand in the
    nodes that use them, and constants and parts of expressions that nothing uses are left out) with their op, shape, value and gradient, and the edges are those of the
    result with their local derivative and contribution;
  * at the level of names the nodes are the author's, and what flows into a node adds up to its
    gradient;
  * where no gradient was computed, none is written.
"""
import json
import math
import subprocess
import sys
from pathlib import Path

KEPT = 256  # entries of a tensor that a picture keeps for programs
faults = []
compared = 0


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    if done.returncode:
        faults.append(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
        return None
    return done.stdout


def flat(value):
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield float(value) if not isinstance(value, str) else {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}[value]


def same(a, b, exact=True):
    a, b = list(flat(a)), list(flat(b))
    if len(a) != len(b):
        return False
    scale = max([abs(x) for x in a if math.isfinite(x)], default=0)
    return all(x == y or (x != x and y != y) or (not exact and abs(x - y) <= 1e-12 * scale)
               for x, y in zip(a, b))


def check(where, what, truth, shown, exact=True):
    global compared
    compared += 1
    if not same(truth, shown, exact):
        faults.append(f"{where}: {what} is {str(shown)[:200]}, not {str(truth)[:200]}")


class Picture:
    """What `dot -Tjson` reads: the nodes with a quantity, and the edges between them."""

    def __init__(self, dot):
        graph = json.loads(run("dot", "-Tjson0", text=dot))
        objects = {o["_gvid"]: o for o in graph.get("objects", [])}
        self.nodes = {o["id"][1:]: o for o in objects.values() if o.get("quantity")}
        # A label astride a wire, and the output's end, belong to the node whose id is in front.
        self.edges = []
        for edge in graph.get("edges", []):
            tail, head = (objects[edge[end]]["id"] for end in ("tail", "head"))
            if edge.get("style") != "invis" and head[-1] not in "wo":
                self.edges.append((tail[1:].rstrip("w"), head[1:], edge))
        self.texts = dot

    def name(self, number):
        return self.nodes[number]["quantity"]


def check_facts(where, node, shown):
    check(where, "dims", node["shape"], json.loads(shown["dims"]))
    if shown.get("op") != (node["op"] or None):
        faults.append(f"{where}: op {shown.get('op')}, not {node['op']}")
    if math.prod(node["shape"]) > KEPT:
        return
    check(where, "value", node["value"], json.loads(shown["value"]))
    if (node["gradient"] is None) != (not shown.get("gradient")):
        faults.append(f"{where}: gradient {shown.get('gradient')}, but the result has {node['gradient']}")
    elif node["gradient"] is not None:
        check(where, "gradient", node["gradient"], json.loads(shown["gradient"]))


def check_ops(net, result, picture):
    names = {picture.name(number): shown for number, shown in picture.nodes.items()}
    unused = find_unused(result)
    own = [name for name in result["nodes"] if not is_stop(result, name) and name not in unused]
    for name in own:
        if name not in names:
            faults.append(f"{net}: {name} is not drawn")
            continue
        check_facts(f"{net}: {name}", result["nodes"][name], names[name])
    edges = {(picture.name(tail), picture.name(head), edge.get("slot")): edge for tail, head, edge in picture.edges}
    for edge in result["edges"]:
        if is_stop(result, edge["from"]) or is_stop(result, edge["to"]) or edge["to"] in unused:
            continue
        if edge["to"] in results_of_stops(result):
            continue
        shown = edges.pop((edge["from"], edge["to"], str(edge["slot"])), None)
        where = f"{net}: {edge['from']} -> {edge['to']}"
        if shown is None:
            faults.append(f"{where} is not drawn")
            continue
        if "local" in edge and edge["contribution"] is not None:
            check(where, "local", edge["local"], json.loads(shown["local"]))
        if edge["contribution"] is not None and math.prod(result["nodes"][edge["from"]]["shape"]) <= KEPT:
            check(where, "contribution", edge["contribution"], json.loads(shown["contribution"]), exact=False)
    for tail, head, slot in edges:
        if tail in result["nodes"] and not {tail, head} & results_of_stops(result):  # else a list in an expression
            faults.append(f"{net}: an edge {tail} -> {head} that is none")


def is_stop(result, name):
    """What ends the body of a function with its own backward, which pictures do not show."""
    node = result["nodes"].get(name)
    return node is not None and node["op"] == "stop_gradient" and node["generated"]


def find_unused(result):
    """Constants that only claims speak of, and parts that grad(L, v) leaves behind."""
    used, unused = {result["output"]["name"]}, set()
    for name in reversed(result["order"]):
        node = result["nodes"][name]
        if (node["generated"] or node["role"] == "constant") and name not in used:
            unused.add(name)
        else:
            used.update(i for i in node["inputs"] if isinstance(i, str))
    return unused


def results_of_stops(result):
    """The nodes of functions with their own backward: what flows into them is drawn as one edge each."""
    return {name for name, node in result["nodes"].items()
            if any(isinstance(i, str) and is_stop(result, i) for i in node["inputs"])}


def check_names(net, result, picture):
    shown = {picture.name(number) for number in picture.nodes}
    missing = {name for name, node in result["nodes"].items() if not node["generated"]} - shown - find_unused(result)
    if missing:
        faults.append(f"{net}: {', '.join(sorted(missing))} not drawn")
    sums = {}
    for tail, head, edge in picture.edges:
        if edge.get("contribution"):
            sums.setdefault(picture.name(tail), []).append(list(flat(json.loads(edge["contribution"]))))
    for name, parts in sums.items():
        node = result["nodes"][name]
        if name != result["output"]["name"] and node["gradient"] is not None:
            check(f"{net}: {name}", "the sum of contributions", node["gradient"],
                  [math.fsum(column) if all(map(math.isfinite, column)) else sum(column) for column in zip(*parts)],
                  exact=False)


def check_net(program, net):
    name = Path(net).name
    text = run(program, "eval", "--all", "--format", "json", net)
    if text is None:
        return
    result = json.loads(text)
    for style in ("wires", "boxes", "compact"):
        dot = run(program, "render", "--level", "ops", "--style", style, net)
        if dot:
            check_ops(name, result, Picture(dot))
    dot = run(program, "render", "--level", "names", net)
    if dot:
        check_names(name, result, Picture(dot))
    dot = run(program, "render", "--no-gradients", net)
    if dot and any(node.get("gradient") for node in Picture(dot).nodes.values()):
        faults.append(f"{name}: gradients that nobody computed")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    for net in sys.argv[2:]:
        check_net(sys.argv[1], net)
    for fault in faults:
        print(fault)
    print(f"{compared} compared, {len(faults)} wrong")
    sys.exit(1 if faults or not compared else 0)


if __name__ == "__main__":
    main()
