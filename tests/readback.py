#!/usr/bin/python3
"""What Python reads back from bpgraph's output, and NumPy's opinion of its slices.

usage: readback.py BPGRAPH
"""
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

program = None


def evaluate(net, *options, stdout=subprocess.PIPE):
    """What `bpgraph eval` prints for a net that is given as text."""
    done = subprocess.run([program, "eval", "-", *options], input=net.encode(), stdout=stdout,
                          stderr=subprocess.PIPE, timeout=60)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return done.stdout


def as_json(net, *options):
    return json.loads(evaluate(net, "--format", "json", *options), parse_int=float)


class Json(unittest.TestCase):
    def test_every_number_reads_back_to_the_same_double(self):
        generator = random.Random(1)
        numbers = [0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e15, 1e16,
                   123456789012345680.0, 9007199254740993.0, 1e-5, 9.999999e-6, 1e22, 1e23, 0.0, -0.0]
        while len(numbers) < 5000:
            number = struct.unpack("<d", generator.randbytes(8))[0]
            if math.isfinite(number):
                numbers.append(number)
        text = ", ".join(repr(number) for number in numbers)
        told = as_json(f"bpgraph: 1\ninputs: {{x: [{text}]}}\nnodes: {{y: -(-x)}}\n", "--all")
        for name in "xy":
            self.assertEqual([float(n).hex() for n in told["nodes"][name]["value"]],
                             [n.hex() for n in numbers])

    def test_numbers_are_fixed_from_1e_minus_5_to_1e16(self):
        text = evaluate("bpgraph: 1\ninputs: {x: [100000, 0.00001, 1e15, 1e16, 0.000001]}\n"
                        "nodes: {y: x * 1}\n", "--format", "json").decode()
        self.assertIn("[100000, 0.00001, 1000000000000000, 1e+16, 1e-06]", text)

    def test_what_is_not_finite_is_a_text(self):
        told = as_json("bpgraph: 1\ninputs: {x: [.nan, .inf, -.inf]}\nnodes: {y: x + 0}\n")
        self.assertEqual(told["output"]["value"], ["NaN", "Infinity", "-Infinity"])

    def test_texts_are_escaped(self):
        told = as_json('bpgraph: 1\ntitle: "a \\"b\\" \\\\ \\t \\u03bb"\ninputs: {λ: 1}\nnodes: {ß: λ * 2}\n')
        self.assertEqual(told["title"], 'a "b" \\ \t λ')
        self.assertEqual(told["gradients"], {"λ": 2})

    def test_shapes_nest_as_lists(self):
        told = as_json("bpgraph: 1\ninputs: {x: {ones: [2, 0, 3]}, y: {ones: [2, 1, 3]}, z: []}\n"
                       "nodes: {L: sum(x) + sum(y) + sum(z)}\n")
        self.assertEqual(told["gradients"], {"x": [[], []], "y": [[[1, 1, 1]], [[1, 1, 1]]], "z": []})


NET = """
bpgraph: 1
inputs: {x: [1, -2, 0.5], λ: 2, i: 1}
parameters: {W: {uniform: {shape: [2, 3], low: -1, high: 1, seed: 3}}, unused: {ones: [2, 1]}}
constants: {c: [[1, 2, 3]]}
nodes:
  s: W @ x * λ
  e: sum(c[:, :0])
  L: sum(s ** 2) + c[0, i] + e
"""


class Npz(unittest.TestCase):
    def load(self, *options):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.npz")
            evaluate(NET, "-o", path, *options)
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}

    def test_gradients_are_those_of_the_json(self):
        arrays, told = self.load(), as_json(NET)["gradients"]
        self.assertEqual(sorted(arrays), sorted(name for name in told if told[name] is not None))
        for name in arrays:
            self.assertEqual(arrays[name].dtype, np.float64)
            np.testing.assert_array_equal(arrays[name], np.array(told[name], dtype=float))

    def test_with_all_the_values_are_there_too(self):
        arrays, told = self.load("--all"), as_json(NET, "--all")["nodes"]
        for name, node in told.items():
            np.testing.assert_array_equal(arrays["value." + name], np.array(node["value"], dtype=float))
            self.assertEqual(list(arrays["value." + name].shape), node["shape"])

    def test_standard_output_can_take_it(self):
        with tempfile.TemporaryFile() as file:
            evaluate(NET, "--format", "npz", stdout=file)
            file.seek(0)
            self.assertIn("W", np.load(file).files)

    def test_it_is_the_same_every_time(self):
        self.assertEqual(evaluate(NET, "--format", "npz"), evaluate(NET, "--format", "npz"))

    def test_values_can_be_read_in_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "point.npz")
            evaluate(NET, "--all", "-o", path)
            with open(os.path.join(folder, "net.yaml"), "w", encoding="utf-8") as file:
                file.write("bpgraph: 1\ninputs: {W: {file: point.npz, key: value.W}}\nnodes: {L: sum(W)}\n")
            told = subprocess.run([program, "eval", os.path.join(folder, "net.yaml"), "--format", "json",
                                   "--all"], capture_output=True, check=True)
            self.assertEqual(json.loads(told.stdout)["nodes"]["W"]["value"],
                             as_json(NET, "--all")["nodes"]["W"]["value"])


class Slices(unittest.TestCase):
    def test_every_slice_is_pythons(self):
        bounds = [None, *range(-6, 7)]
        slices = [slice(start, stop, step) for start in bounds for stop in bounds
                  for step in (None, -3, -2, -1, 1, 2, 3)]

        def written(part):
            return ":".join("" if bound is None else str(bound) for bound in (part.start, part.stop, part.step))

        nodes = "".join(f"  s{k}: x[{written(part)}]\n" for k, part in enumerate(slices))
        told = as_json(f"bpgraph: 1\ninputs: {{x: [10, 11, 12, 13]}}\nnodes:\n{nodes}"
                       "  L: sum(s0)\noutput: L\n", "--all")["nodes"]
        x = np.arange(10, 14)
        for k, part in enumerate(slices):
            self.assertEqual(told[f"s{k}"]["value"], list(x[part]), f"x[{written(part)}]")

    def test_indices_of_several_axes(self):
        x = np.arange(24.0).reshape(2, 3, 4)
        pieces = ["0", "-1", "1, 2", "1, 2, 3", ":, 1", ":, :, -1", "0, 1:", "::-1, 0",
                  ":, ::2, ::-1", "1:1", "-1, :, 0", "0, :, 1:3"]
        nodes = "".join(f"  s{k}: x[{piece}]\n" for k, piece in enumerate(pieces))
        told = as_json("bpgraph: 1\ninputs: {r: {range: {start: 0, stop: 24, step: 1}}}\nnodes:\n"
                       f"  x: reshape(r, shape=[2, 3, 4])\n{nodes}  L: sum(x)\noutput: L\n", "--all")["nodes"]
        for k, piece in enumerate(pieces):
            sliced = eval(f"x[{piece}]")
            self.assertEqual(told[f"s{k}"]["shape"], list(sliced.shape), piece)
            self.assertEqual(told[f"s{k}"]["value"], sliced.tolist(), piece)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    program = os.path.abspath(sys.argv.pop(1))
    unittest.main()
