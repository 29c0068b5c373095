#!/usr/bin/env bats
# bpgraph derive: the text that it writes, names, YAML's traps, and what it refuses.  That the numbers
# are right is shown by tests/derive.py.

setup() {
  cd "$BATS_TEST_TMPDIR" || exit 1
  examples=$BATS_TEST_DIRNAME/../examples
}

net() { printf '%s\n' 'bpgraph: 1' "$@" >net.yaml; }

# What `derive` appends to the nodes.
derivatives() { "$BPGRAPH" derive "$@" | sed -n '/^  # /,/^output/p' | sed '1d;$d'; }

# A node's value in the derived net.
value() { "$BPGRAPH" eval derived.yaml --all --format json | jq -c ".nodes[\"$1\"].value"; }

same() { diff <(printf '%s\n' "${@:2}") <(printf '%s\n' "$1"); }

# ---- as a person would write it ------------------------------------------------------------------

@test "gates: add distributes, mul swaps" {
  same "$("$BPGRAPH" derive "$examples/add-multiply.yaml" | sed 1d)" \
    'bpgraph: 1' \
    'title: (x + y) z' \
    'inputs:' \
    '  x: -2' \
    '  y: 5' \
    '  z: -4' \
    'nodes:' \
    '  q: x + y' \
    '  f: q * z' \
    '  # the gradients, backward' \
    '  d_z: q  # df/dz' \
    '  d_x: z  # df/dx' \
    '  d_y: z  # df/dy' \
    'output: f'
}

@test "softmax, cross-entropy, weight decay: shared parts once, contributions summed" {
  same "$("$BPGRAPH" derive "$examples/softmax-weight-decay.yaml" | sed -n '/^nodes/,$p')" \
    'nodes:' \
    '  s: W @ x + b  # an expression, or ...' \
    '  p: {op: softmax, inputs: [s], axis: 0}  # ... one op, spelled out' \
    '  l_1: y @ p  # part of l' \
    '  l: -log(l_1)' \
    '  r: sum(W ** 2)' \
    '  J: l + lambda * r' \
    '  # the gradients, backward' \
    '  d_p: -y / l_1                                         # dJ/dp' \
    '  d_s: p * (d_p - sum(d_p * p, axis=0, keepdims=true))  # dJ/ds' \
    '  d_b: d_s                                              # dJ/db' \
    '  d_x: d_s @ W                                          # dJ/dx' \
    '  d_W: 2 * lambda * W + outer(d_s, x)                   # dJ/dW' \
    'output: J'
}

@test "a chain is differentiated link by link" {
  same "$(derivatives "$examples/chain.yaml")" \
    '  d_y5: 1 / y5                # dy6/dy5' \
    '  d_y4: d_y5 * (1 - y5 ** 2)  # dy6/dy4' \
    '  d_y3: -d_y4 * y4 / y3       # dy6/dy3' \
    '  d_y2: d_y3 * y3             # dy6/dy2' \
    '  d_y1: d_y2 * cos(y1)        # dy6/dy1' \
    '  d_x: 2 * d_y1 * x           # dy6/dx'
}

@test "a multilayer perceptron: the matrix rules, the mean over the batch" {
  same "$(derivatives "$examples/mlp-training.yaml" --wrt W1,W2)" \
    '  d_U2: (softmax(U2) - one_hot(y, depth=3)) / 4  # dJ/dU2' \
    '  d_W2: 2 * lambda * W2 + H.T @ d_U2             # dJ/dW2' \
    '  d_H: d_U2 @ W2.T                               # dJ/dH' \
    '  d_U1: d_H * (U1 > 0)                           # dJ/dU1' \
    '  d_W1: 2 * lambda * W1 + X.T @ d_U1             # dJ/dW1'
}

@test "729 paths come to one number" {
  derivatives "$examples/ladder.yaml" | grep -qx '  d_v1: 729  # dv8/dv1'
}

@test "only what lies between wrt and the output is differentiated" {
  same "$(derivatives "$examples/mlp-training.yaml" --wrt W2)" \
    '  d_U2: (softmax(U2) - one_hot(y, depth=3)) / 4  # dJ/dU2' \
    '  d_W2: 2 * lambda * W2 + H.T @ d_U2             # dJ/dW2'
}

@test "forward mode: each node moves with its inputs" {
  same "$(derivatives "$examples/mlp-training.yaml" --of H --forward 'W1=[[1,0,0],[0,0,1]]')" \
    '  t_U1: X @ t_W1        # how U1 moves' \
    '  t_H: t_U1 * (U1 > 0)  # how H moves'
}

@test "functions are written out, their author's rules used" {
  same "$("$BPGRAPH" derive "$examples/own-backward.yaml" | sed -n '/^nodes/,$p')" \
    'nodes:' \
    '  z: x * w  # Multiply, by its own backward' \
    '  h_s: sigmoid(z)  # h.s' \
    '  h: z * h_s  # swish, by its own backward' \
    '  L: sum(h ** 2)' \
    '  # the gradients, backward' \
    '  d_z: 2 * h * (h_s + z * h_s * (1 - h_s))  # dL/dz' \
    '  d_x: w * d_z                              # dL/dx' \
    '  d_w: x * d_z                              # dL/dw' \
    'output: L'
}

@test "grad(L, v) in the net is written out, and differentiated" {
  net 'inputs: {x: 3}' 'nodes: {L: x ** 4, g: "grad(L, x)"}' 'output: g'
  "$BPGRAPH" derive net.yaml | grep -qx '  g: 4 \* x \*\* 3'
  "$BPGRAPH" derive net.yaml | grep -qx '  d_x: 12 \* x \*\* 2  # dg/dx'
}

# Of each net of one node, the line of d_x, as a person would write it by hand; y_1 is the first part of
# y, which becomes a node of its own where the derivative has it too.
@test "one-liners: what a person would write" {
  while IFS='|' read -r start expression expected; do
    net "inputs: {x: $start}" 'constants: {c: 3, v: [1, 2], A: [[1, 2], [3, 4]]}' 'nodes:' \
      "  y: $expression" 'output: y'
    line=$(derivatives net.yaml --wrt x | grep '^  d_x: ' | sed 's/^  d_x: //;s/  *# .*//')
    [ "$line" = "$expected" ] || { echo "$expression: $line, not $expected"; return 1; }
  done <<'TABLE'
2|x * x|2 * x
2|x ** 3|3 * x ** 2
2|x ** 1 + x ** 0|1
2|c * x * 4|4 * c
2|-(-x)|1
2|-(-(-(x * c)))|-c
2|x - x * 1|0
2|x + x + x|3
2|x / 4 + x / 4|1 / 2
2|2 * x / 6|1 / 3
2|c / x|-y / x
2|exp(2 * x)|2 * y
2|sin(x) * 0|0
2|1 / x|-y / x
2|floor(x) + c * x|c
[1, 2]|sum(x)|ones_like(x)
[1, 2]|sum(x) * 0|zeros_like(x)
[1, 2]|sum(x * v) * 2|2 * v
[1, 2]|mean(x)|broadcast_to(1 / 2, shape=[2])
[1, 2]|mean(x ** 2)|x
[1, 2]|sum((x - v) ** 2) / 2|y_1
[1, 2]|v @ x|v
[1, 2]|x @ A @ x|y_1 + A @ x
[1, 2]|x[0] * c|scatter_add(c, 0, size=2)
[1, 2]|sum(where(x > 1, x, 0))|where(y_1, 1, 0)
[[1, 2], [3, 4]]|sum(x.T.T * A)|A
[[1, 2], [3, 4]]|sum(x.T * A)|A.T
[[1, 2], [3, 4]]|sum((A @ x.T) * A)|A.T @ A
[[1, 2], [3, 4]]|sum(x.T @ v * v)|outer(v, v)
[[1, 2], [3, 4]]|sum(reshape(x, shape=[4])) * c|broadcast_to(c, shape=[2, 2])
[[1, 2], [3, 4]]|sum(sum(x, axis=0) * v)|broadcast_to(v, shape=[2, 2])
TABLE
}

# ---- start values and names ----------------------------------------------------------------------

@test "start values are kept as written: sources, domains, comments" {
  net 'inputs:' '  a: {uniform: {shape: [3, 2], seed: 7}}   # seven' '  b: 0x10' \
    '  c: {value: 2.50, domain: positive}' 'constants:' '  n: a.shape[0]' '  t: pi/4' \
    'nodes: {y: sum(a) * b * c * n * t}'
  "$BPGRAPH" derive net.yaml >derived.yaml
  grep -qx '  a: {uniform: {shape: \[3, 2\], seed: 7}}  # seven' derived.yaml
  grep -qx '  b: 0x10' derived.yaml
  grep -qx '  c: {value: 2.50, domain: positive}' derived.yaml
  grep -qx '  n: a.shape\[0\]' derived.yaml
  grep -qx '  t: pi/4' derived.yaml
}

@test "values set by --set are written as numbers" {
  net 'inputs: {x: 1, v: [1, 2]}' 'nodes: {y: x * sum(v)}'
  "$BPGRAPH" derive net.yaml --set 'x=1/3' --set 'v=[0.1, 2]' >derived.yaml
  [ "$(value x)" = 0.3333333333333333 ]
  grep -qx '  v: \[0.1, 2\]' derived.yaml
}

@test "names that are taken get a number, and nothing changes for those who had them" {
  net 'inputs: {x: 3, d_x: 5}' 'nodes: {y: x ** 2 * d_x, d_y: 2 * y}' 'output: y'
  "$BPGRAPH" derive net.yaml >derived.yaml
  [ "$(value d_x)" = 5 ]
  [ "$(value d_y)" = 90 ]
  [ "$(value d_x_2)" = 30 ]
  [ "$(value d_d_x)" = 9 ]
  grep -q 'd_x_2: .*# dy/dx$' derived.yaml
}

@test "a call's nodes get names that are free" {
  net 'inputs: {x: 3}' 'functions: {f: {inputs: [a], nodes: {s: a + 1}, output: s ** 2}}' \
    'nodes: {h_s: 2 * x, h: f(h_s), k: h + h.s}'
  "$BPGRAPH" derive net.yaml >derived.yaml
  [ "$(value h_s)" = 6 ]
  [ "$(value h_s_2)" = 7 ]
  [ "$(value d_x)" = 30 ]
}

@test "upstream: the constant that it is an alias of is used, else one is made" {
  net 'inputs: {x: [1, 2]}' 'constants: {g: &g [3, 4], h: [3, 4]}' 'nodes: {y: x ** 2}' 'upstream: *g'
  same "$(derivatives net.yaml)" '  d_x: 2 * g * x  # dL/dx'
  "$BPGRAPH" derive net.yaml --upstream '[5, 6]' >derived.yaml
  grep -qx '  d_y: \[5, 6\]  # what comes from above' derived.yaml
  [ "$(value d_x)" = '[10,24]' ]
  "$BPGRAPH" derive net.yaml --upstream '[3, 4]' | grep -qx '  d_x: 2 \* d_y \* x  # dL/dx'
}

@test "YAML's traps: names and texts that need quotes have them" {
  net 'title: "a: b # c"' 'inputs:' '  "on": 2' '  "no": [1, 2]' '  "y": 3' '  "n": 4' '  "null": 5' \
    'nodes:' '  a: "-y + on"' '  b: "[1, 2] * no"' '  f: sum(b) * a * n + null'
  "$BPGRAPH" derive net.yaml >derived.yaml
  grep -qx 'title: "a: b # c"' derived.yaml
  grep -qx '  b: "\[1, 2\] \* no"' derived.yaml
  grep -qx '  a: -y + on' derived.yaml
  grep -qx '  "no": \[1, 2\]' derived.yaml
  [ "$(value d_n)" = -5 ]
  [ "$(value d_no)" = '[-4,-8]' ]
  # As readers of YAML 1.1 see it, too.
  /usr/bin/python3 - <<'PY'
import ruamel.yaml
for version in ("1.1", "1.2"):
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    yaml.version = version
    net = yaml.load(open("derived.yaml"))
    nodes = net["nodes"]
    assert all(isinstance(value, (str, int, float)) for value in nodes.values()), nodes
    assert not any(isinstance(value, bool) for value in nodes.values()), nodes
    assert net["title"] == "a: b # c"
PY
}

@test "what is one name only is quoted where YAML would take it for a truth" {
  net 'inputs: {y: 2, n: 3}' 'nodes: {f: y * n}'
  derivatives net.yaml | grep -qx '  d_n: "y"  # df/dn'
  "$BPGRAPH" derive net.yaml >derived.yaml
  [ "$(value d_n)" = 2 ]
}

@test "infinite and empty start values survive" {
  net 'inputs: {x: .inf, e: {zeros: [0, 3]}, v: [1, -.inf]}' 'nodes: {y: x + sum(e) + sum(v)}'
  "$BPGRAPH" derive net.yaml --set 'v=[-inf, 2]' >derived.yaml
  [ "$(value v)" = '["-Infinity",2]' ]
  [ "$(value x)" = '"Infinity"' ]
  [ "$(value d_e)" = '[]' ]
}

@test "a net of standard input, to a file that appears whole" {
  net 'inputs: {x: 3}' 'nodes: {y: x ** 2}'
  "$BPGRAPH" derive - -o derived.yaml <net.yaml
  [ "$(value d_x)" = 6 ]
  run "$BPGRAPH" derive net.yaml -o net.yaml
  [ "$status" -eq 2 ]
  [ "$(head -1 net.yaml)" = 'bpgraph: 1' ]
}

@test "a long net is derived in linear time, without recursion" {
  net 'inputs: {n0: 0.5}' 'nodes:'
  seq 20000 | awk '{ print "  n" $1 ": sin(n" $1 - 1 ")" }' >>net.yaml
  "$BPGRAPH" derive net.yaml >derived.yaml
  [ "$("$BPGRAPH" eval derived.yaml --of d_n0 --format json | jq .output.value)" = \
    "$("$BPGRAPH" eval net.yaml --format json | jq .gradients.n0)" ]
}

# ---- what cannot be done -------------------------------------------------------------------------

refused() { # refused CODE PLACE ARGUMENTS...
  run "$BPGRAPH" derive net.yaml "${@:3}"
  [ "$status" -eq 2 ]
  [[ $output == *"$2"* && $output == *"[$1]"* ]]
}

@test "an output with several entries needs what comes from above" {
  net 'inputs: {x: [1, 2]}' 'nodes:' '  y: x ** 2'
  refused BP541 net.yaml:4:8
  refused BP504 --upstream:1:1 --upstream '[1, 2, 3]'
}

@test "constants, indices and unknown nodes have no gradient" {
  net 'inputs: {x: [1, 2], i: 1}' 'constants: {c: 3}' 'nodes:' '  y: c * x[i]'
  refused BP505 --wrt:1:1 --wrt c
  refused BP505 --wrt:1:3 --wrt x,i
  refused BP113 --wrt:1:1 --wrt z
  refused BP113 --of:1:1 --of yy
  [ -z "$(derivatives net.yaml | grep d_i)" ]
}

@test "a net without inputs and parameters has no gradient" {
  net 'constants: {c: 3}' 'nodes:' '  y: c ** 2'
  refused BP505 net.yaml:4:8
}

@test "a parameter that does not reach the output has gradient 0, with a warning" {
  net 'parameters: {w: [1, 2], v: 3}' 'nodes: {y: v ** 2, z: sum(w)}' 'output: y'
  run "$BPGRAPH" derive net.yaml
  [ "$status" -eq 0 ]
  [[ $output == *BP501* && $output == *'d_w: zeros_like(w)'* ]]
}

@test "directions: one for each node, of its shape" {
  net 'inputs: {x: [1, 2], z: 3}' 'nodes: {y: z * sum(x ** 2)}'
  refused BP531 --forward:1:1 --forward x=3
  refused BP103 --forward:1:1 --forward 3
  refused BP103 --forward:1:1 --forward x=[1,2] --wrt x
  refused BP103 --forward:1:1 --forward x=[1,2] --upstream 1
  refused BP103 --forward:1:1 --forward x=[1,2] --forward x=[1,2]
  refused BP113 --wrt:1:1 --forward w=3
  "$BPGRAPH" derive net.yaml --forward 2 --wrt z >derived.yaml
  [ "$(value t_y)" = 10 ]
  "$BPGRAPH" derive net.yaml --forward 'x=[1, 0]' --forward z=2 >derived.yaml
  [ "$(value t_y)" = 16 ]
}

@test "a rule that is not linear in upstream has no forward mode" {
  net 'inputs: {x: 3}' 'functions: {f: {inputs: [a], output: a ** 2, backward: {a: upstream ** 2 * a}}}' \
    'nodes: {y: f(x)}'
  refused BP532 net.yaml --forward x=1
  for rule in '2 * a' 'upstream * a + 1' 'a - upstream'; do
    net 'inputs: {x: 3}' "functions: {f: {inputs: [a], output: a ** 2, backward: {a: $rule}}}" \
      'nodes:' '  y: f(x)'
    refused BP532 net.yaml:5:6 --forward x=1
  done
  net 'inputs: {x: 3}' 'functions: {f: {inputs: [a], output: a ** 2, backward: {a: 2 * a * upstream}}}' \
    'nodes: {y: f(x)}'
  "$BPGRAPH" derive net.yaml --forward x=1 >derived.yaml
  [ "$(value t_y)" = 6 ]
}

@test "a net with errors is not derived" {
  net 'inputs: {x: 3}' 'nodes: {y: x + z}'
  refused BP107 net.yaml:3:16
}
