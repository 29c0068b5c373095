#!/usr/bin/python3
"""An independent witness of bpgraph's answers, in Python and NumPy.

    witness.py BPGRAPH NET...     compare what BPGRAPH computes with what NumPy computes
    witness.py --self NET...      no program: judge the claims of the nets with NumPy alone

The witness shares no code and no derivative rule with bpgraph.  It reads the net
file itself, evaluates every node with NumPy, and knows only one way to get a
derivative: move a value a little, recompute, and look at the difference.

With BPGRAPH it runs `BPGRAPH eval --all --format json NET` and judges
  * the value of every node, against NumPy's;
  * the gradient of every node that inputs or parameters reach, against differences;
  * the gradient of every node, against the sum of its edges' contributions;
  * the order, which must put every node after what it is made of;
  * every claim in `expect`, with the program's own gradients in the place of grad(v).
With --self the last point is judged with differences in the place of the program's
gradients, at the file's point and at a few random ones.

Functions are written out into their nodes.  Where a net contains a gradient, grad(L, v)
among its nodes, that is found by an imaginary step: exact, so that differences of it are
as good as any.

One line a net, details of what failed below it, and a closing count.
Needs the Debian packages python3-numpy and python3-ruamel.yaml.
"""
import ast
import copy
import json
import keyword
import math
import os
import re
import subprocess
import sys
import unicodedata

import numpy as np
from ruamel.yaml import YAML

LARGEST_NET = 200_000       # start values; larger nets are skipped
LARGEST_TENSOR = 2_000      # entries that are all moved; of larger ones a sample is
SAMPLE = 50
RANDOM_POINTS = 3
VALUE_TOLERANCE = dict(rtol=1e-9, atol=1e-12)
DIFFERENCE_TOLERANCE = dict(rtol=1e-5, atol=1e-7)


class Skip(Exception):
    """The witness cannot judge this net; the text says why."""


class NotAnIndex(Exception):
    """An index was moved away from the integers: it has no derivative."""


# ---------------------------------------------------------------------------
# The ops, from their definitions
# ---------------------------------------------------------------------------

def index_of(a):
    """Index values arrive as floating point; give them back as integers."""
    a = np.asarray(a, dtype=float)
    if not np.array_equal(a, np.round(a)):
        raise NotAnIndex
    return a.astype(int)


def axes(axis):
    return tuple(axis) if isinstance(axis, list) else axis


def logsumexp(x, axis=None, keepdims=False):
    top = np.max(x, axis=axes(axis), keepdims=True)
    total = np.log(np.sum(np.exp(x - top), axis=axes(axis), keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axes(axis))


def log_softmax(x, axis=-1):
    return x - logsumexp(x, axis=axis, keepdims=True)


def softmax(x, axis=-1):
    return np.exp(log_softmax(x, axis))


def pick(x, index):
    index = np.asarray(index_of(index))
    return np.take_along_axis(x, index[..., None], axis=-1)[..., 0]


def one_hot(index, depth):
    return np.eye(int(depth))[index_of(index)]


def reduce_losses(losses, reduction):
    return {"none": np.asarray, "mean": np.mean, "sum": np.sum}[reduction](losses)


def cross_entropy(p, y, reduction="mean"):
    return reduce_losses(-np.sum(y * np.log(p), axis=-1), reduction)


def softmax_cross_entropy(logits, y, reduction="mean"):
    if np.ndim(y) < np.ndim(logits):                    # integer labels
        losses = -pick(log_softmax(logits), y)
    else:
        losses = -np.sum(y * log_softmax(logits), axis=-1)
    return reduce_losses(losses, reduction)


def hinge(scores, label, margin=1, reduction="mean"):
    right = pick(scores, label)[..., None]
    others = 1 - one_hot(label, scores.shape[-1])
    losses = np.sum(others * np.maximum(0, scores - right + margin), axis=-1)
    return reduce_losses(losses, reduction)


def mse(a, b, reduction="mean"):
    return reduce_losses((a - b) ** 2, reduction)


def sum_to(x, shape):
    x = np.asarray(x)
    while x.ndim > len(shape):
        x = np.sum(x, axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            x = np.sum(x, axis=axis, keepdims=True)
    return x


def slice_op(x, start=None, stop=None, step=None):
    bounds = [part or [None] * np.ndim(x) for part in (start, stop, step)]
    return x[tuple(slice(*bound) for bound in zip(*bounds))]


def normalised(x, gain, bias, axis, eps):
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return deviation / np.sqrt(np.mean(deviation ** 2, axis=axis, keepdims=True) + eps) * gain + bias


def layer_norm(x, gain=1.0, bias=0.0, axes=-1, eps=1e-5):
    return normalised(x, gain, bias, tuple(axes) if isinstance(axes, list) else axes, eps)


def batch_norm(x, gain=1.0, bias=0.0, axis=1, eps=1e-5):
    others = tuple(k for k in range(np.ndim(x)) if k != axis % np.ndim(x))
    along = [-1 if k == axis % np.ndim(x) else 1 for k in range(np.ndim(x))]
    return normalised(x, np.reshape(gain, along) if np.ndim(gain) else gain,
                      np.reshape(bias, along) if np.ndim(bias) else bias, others, eps)


def scatter_add(updates, indices, size, axis=0):
    indices = index_of(indices)
    updates = np.asarray(updates)
    shape = updates.shape[:axis] + (int(size),) + updates.shape[axis + indices.ndim:]
    result = np.zeros(shape, updates.dtype)
    np.add.at(np.moveaxis(result, axis, 0), indices,
              np.moveaxis(updates, range(axis, axis + indices.ndim), range(indices.ndim)))
    return result


def triangular_solve(a, b, lower=True, transpose=False):
    a = np.tril(a) if lower else np.triu(a)
    return np.linalg.solve(a.T if transpose else a, b)


def windows(x, size, stride, padding, fill=0.0):
    """The windows of an image: shape [N, C, rows, columns, size, size]."""
    if padding:
        x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)],
                   constant_values=fill)
    every = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    return every[:, :, ::stride, ::stride]


def conv2d(x, w, b=None, stride=1, padding=0, groups=1):
    parts = zip(np.split(x, groups, axis=1), np.split(w, groups, axis=0))
    done = [np.einsum("ncijkl,ockl->noij",
                      windows(part, np.shape(kernel)[2:], stride, padding), kernel)
            for part, kernel in parts]
    done = np.concatenate(done, axis=1)
    return done if b is None else done + np.reshape(b, [1, -1, 1, 1])


def conv2d_weight(g, x, shape, stride=1, padding=0, groups=1):
    parts = zip(np.split(g, groups, axis=1), np.split(x, groups, axis=1))
    done = []
    for upstream, part in parts:
        seen = windows(part, tuple(shape[2:]), stride, padding)
        done.append(np.einsum("noij,ncijkl->ockl", upstream, seen[:, :, :g.shape[2], :g.shape[3]]))
    return np.concatenate(done)


def conv2d_input(g, w, shape, stride=1, padding=0, groups=1):
    result = np.zeros((shape[0], shape[1], shape[2] + 2 * padding, shape[3] + 2 * padding))
    for k in range(np.shape(w)[2]):
        for l in range(np.shape(w)[3]):
            parts = zip(np.split(g, groups, axis=1), np.split(w[:, :, k, l], groups))
            part = np.concatenate([np.einsum("noij,oc->ncij", *pair) for pair in parts], axis=1)
            rows, columns = stride * part.shape[2], stride * part.shape[3]
            result[:, :, k:k + rows:stride, l:l + columns:stride] += part
    inner = slice(padding, -padding or None)
    return result[:, :, inner, inner]


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1):
    squares = np.pad(x ** 2, [(0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0)])
    mean = sum(squares[:, c:c + x.shape[1]] for c in range(size)) / size
    return x * (k + alpha * mean) ** -beta


def max_pool2d(x, size, stride=None, padding=0):
    return np.max(windows(x, (size, size), stride or size, padding, -np.inf), axis=(4, 5))


def max_pool2d_scatter(g, x, size, stride=None):
    stride, result = stride or size, np.zeros_like(x)
    for n, c, i, j in np.ndindex(*g.shape):
        window = x[n, c, stride * i:stride * i + size, stride * j:stride * j + size]
        k, l = np.unravel_index(np.argmax(window), window.shape)
        result[n, c, stride * i + k, stride * j + l] += g[n, c, i, j]
    return result


def avg_pool2d(x, size, stride=None, padding=0):
    return np.mean(windows(x, (size, size), stride or size, padding), axis=(4, 5))


def norm(x, ord=2, axis=None, keepdims=False):
    size = absolute(x)
    if ord == math.inf:
        return np.max(size, axis=axes(axis), keepdims=keepdims)
    return np.sum(size ** ord, axis=axes(axis), keepdims=keepdims) ** (1 / ord)


def sigmoid_cross_entropy(logits, y, reduction="mean"):
    return reduce_losses(np.logaddexp(0, logits) - y * logits, reduction)


def absolute(x):
    """Also right for an imaginary step, where NumPy's would give the modulus."""
    return np.where(np.real(x) < 0, -x, x) if np.iscomplexobj(x) else np.abs(x)


def fold(two):
    """add, mul, maximum and minimum take two or more."""
    def many(first, *rest):
        for other in rest:
            first = two(first, other)
        return first
    return many


def reduction(function):
    return lambda x, axis=None, keepdims=False: function(x, axis=axes(axis), keepdims=keepdims)


OPS = {
    "add": fold(np.add), "sub": np.subtract, "mul": fold(np.multiply), "div": np.divide,
    "neg": np.negative, "pow": np.power, "maximum": fold(np.maximum), "minimum": fold(np.minimum),
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "square": np.square, "abs": absolute,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "sinh": np.sinh, "cosh": np.cosh, "atan": np.arctan, "asin": np.arcsin, "acos": np.arccos,
    "expm1": np.expm1, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
    "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": lambda x: 1 / x,
    "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "round": np.round, "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x), "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + absolute(x)), "silu": lambda x: x / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x, alpha=0.01: np.where(x > 0, x, alpha * x),
    "elu": lambda x, alpha=1: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "clip": lambda x, min=-math.inf, max=math.inf: np.clip(x, min, max),
    "hypot": np.hypot, "atan2": np.arctan2, "mod": np.mod,
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "equal": np.equal, "not_equal": np.not_equal,
    "where": lambda condition, a, b: np.where(condition != 0, a, b),
    "sum": reduction(np.sum), "mean": reduction(np.mean), "prod": reduction(np.prod),
    "max": reduction(np.max), "min": reduction(np.min), "logsumexp": logsumexp,
    "std": lambda x, axis=None, keepdims=False, ddof=0: np.std(
        x, axis=axes(axis), keepdims=keepdims, ddof=ddof),
    "norm": norm, "cumsum": np.cumsum, "argmax": np.argmax, "argmin": np.argmin,
    "var": lambda x, axis=None, keepdims=False, ddof=0: np.var(
        x, axis=axes(axis), keepdims=keepdims, ddof=ddof),
    "einsum": lambda *parts, spec: np.einsum(spec, *parts),
    "inv": np.linalg.inv, "solve": np.linalg.solve, "triangular_solve": triangular_solve,
    "det": np.linalg.det, "trace": np.trace, "logdet": lambda x: np.log(np.abs(np.linalg.det(x))),
    "cholesky": lambda x: np.linalg.cholesky((x + x.T) / 2),
    "layer_norm": layer_norm, "batch_norm": batch_norm, "scatter_add": scatter_add,
    "conv2d": conv2d, "conv2d_weight": conv2d_weight, "conv2d_input": conv2d_input,
    "max_pool2d": max_pool2d, "max_pool2d_scatter": max_pool2d_scatter, "avg_pool2d": avg_pool2d,
    "local_response_norm": local_response_norm,
    "flip": lambda x, axis=None: np.flip(x, axes(axis)), "roll": np.roll,
    "tril": lambda x, k=0: np.tril(x, k), "triu": lambda x, k=0: np.triu(x, k),
    "tile": lambda x, reps: np.tile(x, reps),
    "pad": lambda x, pads, value=0: np.pad(x, pads, constant_values=value),
    "squeeze": lambda x, axis=None: np.squeeze(x, axes(axis)),
    "expand_dims": lambda x, axis: np.expand_dims(x, axes(axis)),
    "stack": lambda *parts, axis=0: np.stack(parts, axis=axis),
    "zeros_like": np.zeros_like, "ones_like": np.ones_like,
    "flatten": lambda x, start_axis=0: np.reshape(x, np.shape(x)[:start_axis] + (-1,)),
    "matmul": np.matmul, "dot": np.dot, "outer": np.outer, "cross": np.cross, "diag": np.diag,
    "transpose": lambda x, axes=None: np.transpose(x, axes),
    "reshape": lambda x, shape: np.reshape(x, shape),
    "broadcast_to": np.broadcast_to, "sum_to": sum_to, "slice": slice_op,
    "concat": lambda *parts, axis=0: np.concatenate(parts, axis=axis),
    "pick": pick, "one_hot": one_hot,
    "take": lambda x, indices, axis=0: np.take(x, index_of(indices), axis=axis),
    "softmax": softmax, "log_softmax": log_softmax, "cross_entropy": cross_entropy,
    "softmax_cross_entropy": softmax_cross_entropy, "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "hinge": hinge, "mse": mse,
}

BINARY = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
          ast.MatMult: np.matmul, ast.Pow: np.power}
COMPARE = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater,
           ast.GtE: np.greater_equal, ast.Eq: np.equal, ast.NotEq: np.not_equal}
WORDS = {"pi": math.pi, "inf": math.inf, "true": True, "false": False}


# ---------------------------------------------------------------------------
# Expressions: nearly Python, so Python's own parser reads them
# ---------------------------------------------------------------------------

def plain(name):
    """Python's parser normalises names; do the same to the names of the file."""
    return unicodedata.normalize("NFKC", str(name))


def parse(text):
    """Expression text -> syntax tree.  A node may be called `lambda`, or `h.s`, the node s inside
    the call h: such names are spelled in another way while Python reads them."""
    def rename(match):
        name = match.group()
        return name + "_KEYWORD" if keyword.iskeyword(name) else name
    word = r"[^\W\d]\w*"
    text = re.sub(rf"(?<![\w.]){word}", rename, str(text))
    text = re.sub(rf"(?<=\w)\.(?!(?:T|mT|shape)\b)(?={word})", "_DOT_", text)
    tree = ast.parse("(" + text + ")", mode="eval").body
    for part in ast.walk(tree):
        if isinstance(part, ast.Name):
            part.id = part.id.replace("_KEYWORD", "").replace("_DOT_", ".")
    return tree


def name_of(tree):
    return tree.id


def names_in(tree):
    """What an expression depends on, and the u of every grad(u) apart."""
    names, gradients, called = set(), set(), set()
    for part in ast.walk(tree):
        if isinstance(part, ast.Call):
            called.add(part.func)
            if name_of(part.func) == "grad" and len(part.args) == 1:
                gradients.add(name_of(part.args[-1]))
                called.update(part.args)
        elif isinstance(part, ast.Name) and part not in called:
            names.add(name_of(part))
    return names, gradients


def evaluate(tree, env, gradient=None):
    """The value of an expression; env: name -> array; gradient: name -> array."""
    def value(part):
        return evaluate(part, env, gradient)

    def attribute(part):
        """Attributes are numbers, lists, true, false or bare words."""
        if isinstance(part, ast.List):
            return [attribute(entry) for entry in part.elts]
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            return part.value
        if isinstance(part, ast.Name) and name_of(part) not in env and name_of(part) not in WORDS:
            return name_of(part)
        result = value(part)
        if isinstance(result, (bool, list)):
            return result
        return int(result) if float(result).is_integer() else float(result)

    def subscript(part):
        if isinstance(part, ast.Slice):
            return slice(*(None if end is None else int(value(end))
                           for end in (part.lower, part.upper, part.step)))
        index = index_of(value(part))
        return int(index) if index.ndim == 0 else index

    if isinstance(tree, ast.Constant):
        return np.float64(tree.value)
    if isinstance(tree, ast.Name):
        name = name_of(tree)
        return env[name] if name in env else WORDS[name]
    if isinstance(tree, ast.List):
        return np.array([value(entry) for entry in tree.elts])
    if isinstance(tree, ast.UnaryOp):
        return -value(tree.operand)
    if isinstance(tree, ast.BinOp):
        return BINARY[type(tree.op)](value(tree.left), value(tree.right))
    if isinstance(tree, ast.Compare):
        return COMPARE[type(tree.ops[0])](value(tree.left), value(tree.comparators[0])) * 1.0
    if isinstance(tree, ast.Attribute):
        base = value(tree.value)
        return {"T": lambda: base.T, "mT": lambda: np.swapaxes(base, -1, -2),
                "shape": lambda: list(np.shape(base))}[tree.attr]()
    if isinstance(tree, ast.Subscript):
        base = value(tree.value)
        if isinstance(base, list):                      # x.shape[0]
            return base[int(value(tree.slice))]
        parts = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        return base[tuple(subscript(part) for part in parts)]
    if isinstance(tree, ast.Call):
        op = name_of(tree.func)
        if op == "grad":
            return gradient(*(name_of(part) for part in tree.args))
        if op not in OPS:
            raise Skip(f"the witness does not know the op '{op}'")
        return OPS[op](*(value(part) for part in tree.args),
                       **{word.arg: attribute(word.value) for word in tree.keywords}) * 1.0
    raise Skip(f"the witness does not read {ast.dump(tree)[:60]}")


# ---------------------------------------------------------------------------
# The net file
# ---------------------------------------------------------------------------

class Written(float):
    """A number that remembers how many digits were written after its point."""
    decimals = 0


def from_yaml(node):
    """A YAML node -> dict, list, int, Written or str."""
    if node.id == "mapping":
        return {str(from_yaml(key)): from_yaml(value) for key, value in node.value}
    if node.id == "sequence":
        return [from_yaml(entry) for entry in node.value]
    kind = node.tag.rpartition(":")[2]
    if kind == "float":
        number = Written(float(node.value.replace(".inf", "inf").replace(".nan", "nan")))
        mantissa, _, exponent = node.value.lower().partition("e")
        number.decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
        return number
    if kind == "int":
        based = node.value.lstrip("+-")[:2] in ("0x", "0o")
        return int(node.value, 0 if based else 10)
    return {"null": None, "bool": node.value == "true"}.get(kind, node.value)


def tensor(value, env):
    """Numbers, constant expressions, nested lists of them -> array."""
    if isinstance(value, list):
        return np.array([tensor(entry, env) for entry in value], dtype=float)
    if isinstance(value, str):
        value = evaluate(parse(value), env)
    return np.array(value, dtype=float)


def read_file(source, folder):
    path = os.path.join(folder, source["file"])
    if path.endswith(".csv"):
        return np.loadtxt(path, delimiter=",", ndmin=2)
    if path.endswith(".json"):
        with open(path, encoding="utf-8") as stream:
            return np.array(json.load(stream), dtype=float)
    array = np.load(path)
    return array[source["key"]] if "key" in source else array


def start_value(source, env, folder, drawn):
    """The value of a start node; `drawn` is used for random sources."""
    if not isinstance(source, dict):
        return tensor(source, env)
    number = lambda key, default: float(tensor(of.get(key, default), env))
    if "file" in source:
        value = np.array(read_file(source, folder), dtype=float)
    elif "value" in source:
        value = tensor(source["value"], env)
    elif "uniform" in source or "normal" in source:
        shape = tensor((source.get("uniform") or source.get("normal"))["shape"], env).astype(int)
        if drawn is None:
            drawn = np.random.default_rng(0).uniform(-1, 1, shape)
        value = np.reshape(drawn, shape)
    elif "zeros" in source or "ones" in source:
        shape = tensor(source.get("zeros", source.get("ones")), env).astype(int)
        value = np.zeros(shape) if "zeros" in source else np.ones(shape)
    elif "full" in source:
        value = np.full(tensor(source["full"]["shape"], env).astype(int),
                        tensor(source["full"]["value"], env))
    elif "eye" in source:
        value = np.eye(int(tensor(source["eye"], env)))
    elif "range" in source:
        of = source["range"]
        value = np.arange(number("start", 0), number("stop", 0), number("step", 1))
    elif "linspace" in source:
        of = source["linspace"]
        value = np.linspace(number("start", 0), number("stop", 1), int(number("num", 50)))
    else:
        raise Skip("the witness does not know the source " + ", ".join(source))
    return np.reshape(value, source["shape"]) if "shape" in source else value


def node_text(node):
    """A node of the file as expression text; an op spelled out is the same as its call."""
    if not isinstance(node, dict):
        return str(node)
    if "expr" in node:
        return str(node["expr"])
    others = ["op", "inputs", "label", "description"]
    if node["op"] not in ("reshape", "sum_to"):         # elsewhere an assertion
        others.append("shape")
    attributes = [f"{key}={str(value).lower() if isinstance(value, bool) else value}"
                  for key, value in node.items() if key not in others]
    return node["op"] + "(" + ", ".join([str(i) for i in node["inputs"]] + attributes) + ")"


class Function:
    """A function of the file."""

    def __init__(self, name, source):
        self.name = name
        self.inputs = [plain(word) for word in source["inputs"]]
        self.nodes = {plain(word): parse(node_text(node))
                      for word, node in (source.get("nodes") or {}).items()}
        self.output = parse(source["output"])
        self.backward = source.get("backward") or {}
        self.expect = blocks_of(source)


class Writing(ast.NodeTransformer):
    """Writes the calls in one node's expression out into nodes."""

    def __init__(self, net, node):
        self.net, self.node = net, node

    def visit_Call(self, call):
        self.generic_visit(call)
        function = self.net.functions.get(name_of(call.func))
        if not function:
            return call
        group, count = f"{self.node}.{function.name}", 1
        while group in self.net.calls:
            count += 1
            group = f"{self.node}.{function.name}_{count}"
        # What has no name in the file is called as nothing in a file can be.
        return ast.Name(self.write(function, call, group, group + "()"))

    def write(self, function, call, group, output):
        given = dict(zip(function.inputs, call.args))
        given |= {word.arg: word.value for word in call.keywords}
        names = {}
        for word in function.inputs:
            named = isinstance(given[word], ast.Name)
            names[word] = given[word].id if named else f"{group}({word})"
            if names[word] not in self.net.names_known():
                self.net.nodes[names[word]] = given[word]
        names |= {word: f"{group}.{word}" for word in function.nodes}
        before = set(self.net.nodes)

        def here(tree):
            tree = copy.deepcopy(tree)
            for part in ast.walk(tree):
                if isinstance(part, ast.Name):
                    part.id = names.get(part.id, part.id)
            return tree
        for word, tree in function.nodes.items():
            self.net.write_node(names[word], here(tree))
        self.net.write_node(output, here(function.output))
        parts = [name for name in self.net.nodes if name not in before]
        self.net.calls[group] = Call(function, {**names, "output": output}, parts)
        return output


class Call:
    """A call of a function: `names` leads from its names to the net's; `parts` are its nodes."""

    def __init__(self, function, names, parts):
        self.function, self.names, self.parts = function, names, parts


def blocks_of(document):
    expect = document.get("expect") or []
    return expect if isinstance(expect, list) else [expect]


class Net:
    """A net file: start values, node expressions in topological order, claims."""

    def __init__(self, path, drawn=None):
        """`drawn` gives, by name, the values of random sources."""
        with open(path, encoding="utf-8") as stream:
            document = from_yaml(YAML(typ="safe").compose(stream))
        self.functions = {plain(name): Function(plain(name), source)
                          for name, source in (document.get("functions") or {}).items()}
        self.folder = os.path.dirname(os.path.abspath(path))
        self.roles, self.sources = {}, {}
        for role in ("inputs", "parameters", "constants"):
            for name, source in (document.get(role) or {}).items():
                self.roles[plain(name)] = role
                self.sources[plain(name)] = source
        self.start = self.read_start(drawn or {})
        self.nodes, self.calls, self.users = {}, {}, {}
        written = {plain(name): parse(node_text(node))
                   for name, node in (document.get("nodes") or {}).items()}
        self.given_names = {*self.start, *written}
        for name, tree in written.items():
            self.write_node(name, tree)
        self.order = self.topological_order()
        self.output = plain(document.get("output") or self.only_unused_node())
        shape = np.shape(self.forward()[self.output])
        self.upstream = None
        if "upstream" in document:
            self.upstream = start_value(document["upstream"], self.start, self.folder, None)
        elif math.prod(shape) == 1:
            self.upstream = np.ones(shape)
        self.expect = blocks_of(document)
        self.expected = document.get("x-expected")

    def names_known(self):
        return self.given_names | self.nodes.keys()

    def write_node(self, name, tree):
        """Adds a node; a node that is a call gives it its name."""
        writing = Writing(self, name)
        if isinstance(tree, ast.Call) and name_of(tree.func) in self.functions:
            tree.args = [writing.visit(part) for part in tree.args]
            for word in tree.keywords:
                word.value = writing.visit(word.value)
            writing.write(self.functions[name_of(tree.func)], tree, name, name)
        else:
            self.nodes[name] = writing.visit(tree)

    def read_start(self, drawn):
        """Start values may speak of one another's shapes: try until nothing is left."""
        start, waiting = {}, dict(self.sources)
        while waiting:
            before = len(waiting)
            for name, source in list(waiting.items()):
                try:
                    start[name] = start_value(source, start, self.folder, drawn.get(name))
                    del waiting[name]
                except KeyError:
                    pass
            if len(waiting) == before:
                raise Skip("start values that depend on nothing known: " + ", ".join(waiting))
        if sum(np.size(value) for value in start.values()) > LARGEST_NET:
            raise Skip(f"more than {LARGEST_NET} start values")
        return start

    def topological_order(self):
        order, waiting = [], dict(self.nodes)
        while waiting:
            ready = [name for name, tree in waiting.items()
                     if not names_in(tree)[0] & waiting.keys()]
            if not ready:
                raise Skip("a cycle among " + ", ".join(waiting))
            order += ready
            for name in ready:
                del waiting[name]
        return order

    def differentiated(self):
        """Inputs, parameters and whatever depends on one of them."""
        found = {name for name, role in self.roles.items() if role != "constants"}
        for name in self.order:
            if names_in(self.nodes[name])[0] & found:
                found.add(name)
        return [name for name in [*self.roles, *self.order] if name in found]

    def only_unused_node(self):
        used = set().union(*(names_in(tree)[0] for tree in self.nodes.values()))
        unused = [name for name in self.nodes if name not in used]
        if len(unused) != 1:
            raise Skip("no output, and several nodes that nothing uses")
        return unused[0]

    def forward(self, start=None):
        """All values."""
        return self.fill(dict(self.start if start is None else start), self.order)

    def moved(self, values, name, value):
        """All values when `name` has another one, whatever it is made of."""
        return self.fill({**values, name: value}, self.users_of(name))

    def fill(self, values, names):
        for name in names:
            value = evaluate(self.nodes[name], values,
                             lambda of, by: self.imaginary_step(values, of, by))
            values[name] = np.asarray(value, dtype=float)
        return values

    def users_of(self, name):
        """The nodes that depend on `name`, in order."""
        if name not in self.users:
            found = {name}
            for node in self.order:
                if found & set(self.made_of(node)):
                    found.add(node)
            self.users[name] = [node for node in self.order if node in found - {name}]
        return self.users[name]

    def imaginary_step(self, values, of, by):
        """d of / d by, `of` having one entry: f(x + ih) = f(x) + ih f'(x), and no rounding."""
        step = 1e-30
        result = np.zeros(np.shape(values[by]))

        def inner(*_):
            raise Skip("the witness does not read the gradient of a gradient")
        for k in range(result.size):
            moved = dict(values)
            moved[by] = np.array(values[by], dtype=complex)
            moved[by].flat[k] += step * 1j
            for name in self.order[:self.order.index(of) + 1]:
                if any(np.iscomplexobj(moved[part]) for part in self.made_of(name)) and name != by:
                    value = evaluate(self.nodes[name], moved, inner)
                    # A value that was given from outside stays, and moves with what it is made of.
                    moved[name] = values[name] + 1j * np.imag(value)
            result.flat[k] = np.sum(np.imag(moved[of])) / step
        return result

    def made_of(self, name):
        """The nodes that a node is made of."""
        return [part for part in names_in(self.nodes[name])[0]
                if part in self.nodes or part in self.start]

    def between(self, name):
        """The nodes strictly between `name` and the output."""
        def reached(first, step):
            found, stack = set(), [first]
            while stack:
                for other in step(stack.pop()):
                    if other not in found:
                        found.add(other)
                        stack.append(other)
            return found
        made_of = {node: self.made_of(node) for node in self.nodes}
        below = reached(name, lambda n: [u for u, parts in made_of.items() if n in parts])
        above = reached(self.output, lambda n: made_of.get(n, ()))
        return below & above - {name, self.output}


# ---------------------------------------------------------------------------
# Derivatives by differences
# ---------------------------------------------------------------------------

def slope(f, x):
    """f'(x) for an f from a number to an array; NaN where a kink is near, or all is rounding.

    Five points give f' with an error of h^4.  Three widths are tried: the wide one is
    the more exact where f is smooth, a narrow one steps over less of a nearby kink.
    """
    scale = max(1.0, abs(x))
    narrow = 1e-6 * scale
    here, right, left = f(x), f(x + narrow), f(x - narrow)
    from_right, from_left = (right - here) / narrow, (here - left) / narrow
    size = 1 + np.abs(from_right) + np.abs(from_left)
    kink = np.abs(from_right - from_left) > 1e-3 * size
    rounding = 4e-16 * np.abs(here)
    best = np.full(np.shape(here), np.nan)
    for h in (1e-3 * scale, 1e-4 * scale, 1e-5 * scale):
        estimate = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
        fits = np.abs(estimate - (right - left) / (2 * narrow)) < 1e-8 * size + rounding / narrow
        fits &= rounding / h < 2e-7 * size
        best = np.where(np.isnan(best) & fits, estimate, best)
        if not np.any(np.isnan(best)):
            break
    return np.where(kink, np.nan, best)


def jacobian(f, x):
    """dy/dx of shape y.shape + x.shape, for an f from an array to an array."""
    x = np.asarray(x, dtype=float)
    if x.size > LARGEST_TENSOR:
        judged = set(np.random.default_rng(0).choice(x.size, SAMPLE, replace=False))
    else:
        judged = range(x.size)
    shape = np.shape(f(x))
    result = np.full(shape + (x.size,), np.nan)
    for k in judged:
        def moved(entry):
            changed = x.flatten()
            changed[k] = entry
            return np.asarray(f(changed.reshape(x.shape)), dtype=float)
        result[..., k] = slope(moved, x.flat[k])
    return result.reshape(shape + x.shape)


class Point:
    """The net at one point: its values, and derivatives by differences."""

    def __init__(self, net, start=None):
        self.net, self.start = net, net.start if start is None else start
        self.values = net.forward(self.start)
        self.known = {}

    def gradient(self, name):
        def loss(value):
            moved = self.net.moved(self.values, name, value)
            return np.sum(self.net.upstream * moved[self.net.output])
        if name not in self.known:
            self.known[name] = jacobian(loss, self.values[name])
        return self.known[name]

    def value(self, name):
        return self.values[name]

    def between(self, name):
        return self.net.between(name)

    def names_of_gradients(self):
        return set(self.net.nodes)

    def local(self, user, name):
        """user's own derivative by `name`, all its other parts being held."""
        parts = [n for n in self.net.order if n == user or n.startswith(user + ".")]

        def body(value):
            values = {**self.values, name: value}
            for part in parts:
                values[part] = evaluate(self.net.nodes[part], values)
            return values[user]
        return jacobian(body, self.values[name])

    def contribution(self, name, user):
        """What reaches `name` through its user: grad(user) times user's own derivative."""
        return np.tensordot(self.gradient(user), self.local(user, name),
                            axes=np.ndim(self.values[user]))

    def jacobian(self, of, with_respect_to):
        return jacobian(lambda value: self.net.moved(self.values, with_respect_to, value)[of],
                        self.values[with_respect_to])

    def hessian(self, first, second=None):
        """Differences of gradients that have no rounding."""
        net, second = self.net, second or first

        def gradient(value):
            return net.imaginary_step(net.moved(self.values, second, value), net.output, first)
        return jacobian(gradient, self.values[second])


class CallPoint:
    """One call of a function: its claims speak of its own names, and of nothing outside."""

    def __init__(self, point, call):
        self.net, self.point, self.call = point.net, point, call
        self.values = {inside: point.values[name] for inside, name in call.names.items()}

    def value(self, name):
        return self.values[name]

    def between(self, name):
        return set(self.call.function.nodes) - {name} | {"output"}

    names_of_gradients = between

    def jacobian(self, of, with_respect_to):
        names, parts = self.call.names, [n for n in self.net.order if n in self.call.parts]

        def body(value):
            values = {**self.point.values, names[with_respect_to]: value}
            for part in parts:
                if part != names[with_respect_to]:
                    values[part] = evaluate(self.net.nodes[part], values)
            return values[names[of]]
        return jacobian(body, self.values[with_respect_to])

    def gradient(self, name):
        """At an input: what reaches it through this call."""
        upstream = self.point.gradient(self.call.names["output"])
        if name == "output":
            return upstream
        return np.tensordot(upstream, self.jacobian("output", name), axes=np.ndim(upstream))


class ProgramPoint(Point):
    """The same, with the program's gradients and contributions in the place of differences."""

    def __init__(self, net, answer):
        super().__init__(net)
        self.answer = answer

    def gradient(self, name):
        gradient = self.answer["nodes"][name]["gradient"]
        if gradient is None:
            raise ValueError(f"{name} has no gradient")
        return array(gradient)

    def contribution(self, name, user):
        """The parts of an expression are called user.1, user.2: they count as the user."""
        parts = re.compile(re.escape(user) + r"(\.\w+)*$")
        return sum(array(edge["contribution"]) for edge in self.answer["edges"]
                   if plain(edge["from"]) == name and parts.match(plain(edge["to"])))


def random_start(net, block, rng):
    """Another point: inputs and parameters moved, each within its domain."""
    points = block.get("points") or {}
    spread = float(points.get("spread", 0.5)) if isinstance(points, dict) else 0.5
    keep = points.get("keep", []) if isinstance(points, dict) else []
    start = dict(net.start)

    def is_index(name):
        try:
            net.forward({**net.start, name: net.start[name] + 0.25})
        except NotAnIndex:
            return True
    for name, value in net.start.items():
        source = net.sources[name]
        domain = source.get("domain") if isinstance(source, dict) else None
        if net.roles[name] == "constants" or name in keep or is_index(name):
            continue
        step = spread * rng.uniform(-1, 1, np.shape(value))
        if domain == "positive":
            start[name] = value * np.exp(step)
        elif domain == "unit":
            start[name] = value + step * np.minimum(value, 1 - value)
        elif domain == "simplex":
            moved = value * np.exp(step)
            start[name] = moved / np.sum(moved, axis=-1, keepdims=True)
        elif domain is None:
            start[name] = value + step * np.maximum(1, np.abs(value))
    return start


# ---------------------------------------------------------------------------
# Judging
# ---------------------------------------------------------------------------

def array(value):
    """A number or nested list of the JSON; NaN and infinities are strings there."""
    return np.array(value, dtype=float)


def difference(claimed, actual, rtol, atol):
    """None where both agree, else a text; entries that are NaN in `actual` are not judged."""
    claimed, actual = np.asarray(claimed, dtype=float), np.asarray(actual, dtype=float)
    if claimed.shape not in ((), actual.shape):
        return f"shape {list(claimed.shape)} for {list(actual.shape)}"
    claimed = np.broadcast_to(claimed, actual.shape)
    with np.errstate(invalid="ignore"):
        allowed = atol + rtol * np.maximum(np.abs(claimed), np.abs(actual))
        wrong = ~((claimed == actual) | (np.abs(claimed - actual) <= allowed)) & ~np.isnan(actual)
    if not np.any(wrong):
        return None
    worst = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f" at {list(worst)}" if worst else ""
    return f"{claimed[worst]:.10g}{where}, should be {actual[worst]:.10g}"


def decimals_of(value):
    """The digits written after the point, entry by entry."""
    if isinstance(value, list):
        return np.array([decimals_of(entry) for entry in value])
    return getattr(value, "decimals", 0)


def read_claim(claim, point, names, allowed_gradients, block):
    """A claim -> its value, its tolerance, and whether it holds at this point only."""
    asked = {key: float(block[key]) for key in ("rtol", "atol") if key in block}
    tolerance = dict(rtol=1e-6, atol=1e-9) | asked
    if isinstance(claim, dict):
        if "file" in claim:
            value = read_file(claim, point.net.folder)
            if value.dtype == np.float32:
                tolerance = dict(rtol=1.3e-6, atol=1e-5) | asked
            return value, tolerance, True
        if "decimals" in claim:
            digits = claim["decimals"]
            if digits == "written":
                digits = decimals_of(claim["value"])
            tolerance = dict(rtol=1e-12, atol=0.5 * 10.0 ** -np.asarray(digits))
        claim = claim["value"]
    if not isinstance(claim, str):
        return tensor(claim, {}), tolerance, True
    tree = parse(claim)
    used, gradients = names_in(tree)
    for other in gradients - allowed_gradients:
        raise ValueError(f"grad({other}) is not strictly between it and the output")
    return evaluate(tree, names, point.gradient), tolerance, not (used - set(WORDS) or gradients)


def judge_block(point, block, only_formulas, noise):
    """The claims of one block: (kind/name, None or what is wrong with it), one after the other."""
    names = dict(point.values)
    for name, text in (block.get("let") or {}).items():
        names[plain(name)] = (evaluate(parse(text), names, point.gradient)
                              if isinstance(text, str) else tensor(text, {}))
    for kind, judged_by in KINDS.items():
        for target, claim in (block.get(kind) or {}).items():
            subject = [plain(name) for name in target.split("/")]
            allowed = point.names_of_gradients() if kind == "values" else point.between(subject[0])
            try:
                value, tolerance, here_only = read_claim(claim, point, names, allowed, block)
                if here_only and only_formulas:
                    continue
                if kind == "hessians":
                    tolerance["rtol"] = max(tolerance["rtol"], 1e-5)
                tolerance["atol"] = tolerance["atol"] + noise
                yield f"{kind}/{target}", difference(value, judged_by(point)(*subject), **tolerance)
            except (ValueError, KeyError, TypeError) as error:
                yield f"{kind}/{target}", f"cannot be read: {error!r}"


def judge_calls(point, noise):
    """Every call of a function: its own claims, and its author's backward."""
    for group, call in point.net.calls.items():
        function, inside = call.function, CallPoint(point, call)
        for block in function.expect:
            for claim, fault in judge_block(inside, block, False, noise):
                kind, _, target = claim.partition("/")
                yield f"{kind}/{group}.{target}", fault
        names = {**inside.values, "upstream": inside.gradient("output")}
        for name, rule in function.backward.items():
            fault = difference(evaluate(parse(rule), names), inside.gradient(plain(name)),
                               rtol=1e-6, atol=1e-9 + noise)
            yield f"functions/{function.name}/{name}", fault


KINDS = {
    "values": lambda point: point.value,
    "gradients": lambda point: point.gradient,
    "contributions": lambda point: point.contribution,
    "jacobians": lambda point: point.jacobian,
    "hessians": lambda point: point.hessian,
}


def judge_claims(net, point, only_formulas, noise, calls=True):
    """All claims of the file at one point: how many were judged, and what is wrong.

    What is wrong is a mapping: kind/name of the claim -> text."""
    judged, wrong = 0, {}
    for block in net.expect:
        for claim, fault in judge_block(point, block, only_formulas, noise):
            judged += 1
            if fault:
                wrong.setdefault(claim, fault)
    for claim, fault in judge_calls(point, noise) if calls else ():
        judged += 1
        if fault:
            wrong.setdefault(claim, fault)
    return judged, wrong


def judge_with_differences(net, points=RANDOM_POINTS):
    """The claims of a net by NumPy alone, at the file's point and at random ones."""
    rng = np.random.default_rng(0)
    judged, wrong = judge_claims(net, Point(net), only_formulas=False, noise=1e-8)
    for _ in range(points):
        point = Point(net, random_start(net, net.expect[0] if net.expect else {}, rng))
        if np.all(np.isfinite(point.values[net.output])):
            more = judge_claims(net, point, only_formulas=True, noise=1e-8)[1]
            wrong = {claim: text + " (at a random point)" for claim, text in more.items()} | wrong
    return judged, wrong


def lines_of(wrong):
    return [f"{claim}: {text}" for claim, text in wrong.items()]


def witness_self(path):
    """The claims of a net against NumPy alone."""
    net = Net(path)
    judged, wrong = judge_with_differences(net)
    return f"{len(net.start) + len(net.nodes)} nodes, {judged} claims", lines_of(wrong)


def run_program(program, path):
    done = subprocess.run([program, "eval", "--all", "--format", "json", path],
                          capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise ValueError(f"exit status {done.returncode}: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    answer["nodes"] = {plain(name): node for name, node in answer["nodes"].items()}
    return answer


def witness_program(program, path):
    """What the program computes for a net against what NumPy computes."""
    Net(path)                                           # too large or unreadable: skipped here
    answer = run_program(program, path)
    nodes = answer["nodes"]
    net = Net(path, {plain(name): array(node["value"]) for name, node in nodes.items()})
    judged, wrong = 0, []

    def judge(what, claimed, actual, **tolerance):
        nonlocal judged
        judged += 1
        fault = difference(claimed, actual, **tolerance)
        if fault:
            wrong.append(f"{what}: {fault}")

    differences = Point(net)
    for name, value in differences.values.items():
        if "(" in name:                                 # has no name in the file
            continue
        if name not in nodes:
            wrong.append(f"{name}: not in the program's answer")
            continue
        shape = list(np.shape(value))
        if nodes[name]["shape"] != shape:
            wrong.append(f"shape of {name}: {nodes[name]['shape']}, should be {shape}")
        told = array(nodes[name]["value"])
        judge(f"value of {name}", told, value, **VALUE_TOLERANCE)
        if np.any(np.isnan(value)) and not np.array_equal(np.isnan(told), np.isnan(value)):
            wrong.append(f"value of {name}: should be NaN in other places")

    if net.upstream is None:
        return f"{judged} facts (no upstream, so no gradients)", wrong

    bypassed = [group + "." for group, call in net.calls.items() if call.function.backward]
    for name in net.differentiated():
        if "(" in name or name.startswith(tuple(bypassed)):
            continue
        gradient = nodes.get(name, {}).get("gradient")
        try:
            numeric = differences.gradient(name)
        except NotAnIndex:
            numeric = None
        if numeric is not None and gradient is not None:
            judge(f"gradient of {name}", array(gradient), numeric, **DIFFERENCE_TOLERANCE)
        elif numeric is not None:
            wrong.append(f"gradient of {name}: none")

    place = {name: k for k, name in enumerate(answer["order"])}
    arrived = {}
    for edge in answer["edges"]:
        if place.get(edge["from"], -1) >= place[edge["to"]]:
            wrong.append(f"order: {edge['to']} stands before {edge['from']}")
        if edge.get("contribution") is not None:
            arrived.setdefault(plain(edge["from"]), []).append(array(edge["contribution"]))
    for name, parts in arrived.items():
        if nodes[name]["gradient"] is not None and name != net.output:
            judge(f"contributions to {name}", sum(parts), array(nodes[name]["gradient"]),
                  rtol=1e-9, atol=1e-12)

    # Functions are judged by differences: the program trusts their authors.
    claims, faults = judge_claims(net, ProgramPoint(net, answer), only_formulas=False, noise=1e-9,
                                  calls=False)
    return f"{judged} facts, {claims} claims", wrong + lines_of(faults)


def main(arguments):
    if len(arguments) < 2 or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 2
    first, *nets = arguments
    passed = failed = skipped = 0
    np.seterr(all="ignore")
    for path in nets:
        try:
            if first == "--self":
                summary, wrong = witness_self(path)
            else:
                summary, wrong = witness_program(first, path)
        except Skip as reason:
            skipped += 1
            print(f"skip {path}: {reason}")
            continue
        except Exception as error:          # whatever it is, go on with the next net
            summary, wrong = "no answer", [f"{type(error).__name__}: {error}"]
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {path}: {summary}")
        for text in wrong:
            print("    " + text)
    print(f"{passed} passed, {failed} failed" + (f" ({skipped} skipped)" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
