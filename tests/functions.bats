#!/usr/bin/env bats
# The author's own functions, and grad(L, v) inside a net.

setup() { cd "$BATS_TEST_TMPDIR" || exit 1; }

# The gradient of a start node of net.yaml.
gradient() { "$BPGRAPH" eval net.yaml --format json | jq -c ".gradients[\"$1\"]"; }
value() { "$BPGRAPH" eval net.yaml --all --format json | jq -c ".nodes[\"$1\"].value"; }

@test "a function is its body: values and gradients are those of the nodes written out" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1.5, -2]}' 'functions:' \
    '  f: {inputs: [a], nodes: {s: sigmoid(a)}, output: a * s}' \
    'nodes: {h: f(x), L: sum(h)}' >net.yaml
  called=$(gradient x)
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1.5, -2]}' \
    'nodes: {s: sigmoid(x), h: x * s, L: sum(h)}' >net.yaml
  [ "$called" = "$(gradient x)" ]
}

@test "the author's own rule is trusted by eval, right or wrong" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 3}' 'functions:' \
    '  f: {inputs: [a], output: a ** 2, backward: {a: upstream * 100}}' \
    'nodes: {h: f(x), L: 2 * h}' >net.yaml
  [ "$(gradient x)" = 200 ]
  [ "$(value h)" = 9 ]
}

@test "inputs that backward leaves out are differentiated as usual" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 3, w: 5}' 'functions:' \
    '  f: {inputs: [a, b], nodes: {p: a * b}, output: p ** 2, backward: {a: upstream * 7}}' \
    'nodes: {L: "f(x, w)"}' >net.yaml
  [ "$(gradient x)" = 7 ]
  [ "$(gradient w)" = 90 ] # 2 a^2 b
}

@test "backward sees the inputs, the nodes, the output and upstream" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 2}' 'functions:' \
    '  f: {inputs: [a], nodes: {s: a + 1}, output: a * s, backward: {a: upstream * (a + 10 * s + 100 * output)}}' \
    'nodes: {h: f(x), L: 3 * h}' >net.yaml
  [ "$(gradient x)" = 1896 ] # 3 (2 + 10 * 3 + 100 * 6)
}

@test "the nodes of a call have its name in front, in expressions and options too" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 2}' 'functions:' \
    '  g: {inputs: [a], nodes: {t: a + 1}, output: 2 * t}' \
    '  f: {inputs: [a], nodes: {u: g(a)}, output: u ** 2}' \
    'nodes: {h: f(x), k: h.u + h.u.t, m: g(x) + g(h)}' 'output: k' >net.yaml
  [ "$(value k)" = 9 ]
  [ "$(value h.u.t)" = 3 ]
  "$BPGRAPH" eval net.yaml --of h.u --wrt x --format json | jq -e '.gradients.x == 2'
  "$BPGRAPH" eval net.yaml --all --format json | jq -e '.nodes | has("m.g.t") and has("m.g_2.t")'
}

@test "a function may hide an op, and be called spelled out and by keyword" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 2, y: 5}' 'functions:' \
    '  sub: {inputs: [a, b], output: b - a}' \
    'nodes:' '  p: {op: sub, inputs: [x, y]}' '  q: sub(b=x, a=y)' '  r: p * 10 + q' >net.yaml
  [ "$(value r)" = 27 ]
}

@test "a function may be called where its output is one of its inputs, and ten thousand times" {
  { printf '%s\n' 'bpgraph: 1' 'inputs: {x0: 2}' 'functions:' \
      '  same: {inputs: [a], output: a}' 'nodes:'
    i=0
    while [ $i -lt 10000 ]; do echo "  x$((i + 1)): same(x$i)"; i=$((i + 1)); done; } >net.yaml
  [ "$(gradient x0)" = 1 ]
}

@test "a function that calls itself is an error" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 2}' 'functions:' \
    '  f: {inputs: [a], output: g(a)}' '  g: {inputs: [a], output: f(a)}' 'nodes: {h: f(x)}' >net.yaml
  run "$BPGRAPH" eval net.yaml
  [ "$status" -eq 2 ]
  [[ $output == *BP108* ]]
}

# doubling COUNT: so many functions, each of which calls the one before it twice.
doubling() {
  echo 'bpgraph: 1'
  echo 'functions:'
  echo '  f0: {inputs: [x], output: sin(x)}'
  for i in $(seq $(($1 - 1))); do
    echo "  f$i: {inputs: [x], output: f$((i - 1))(x) + f$((i - 1))(x)}"
  done
  printf '%s\n' 'inputs: {x: 2}' 'nodes:' "  h: f$(($1 - 1))(x)"
}

@test "calls may be 64 levels deep, no deeper" {
  doubling 66 | sed 's/ + f[0-9]*(x)//; s/h: f65/h: f63/' >net.yaml
  [ "$(value h)" = "$(printf '%s\n' 'bpgraph: 1' 'inputs: {x: 2}' 'nodes: {h: sin(x)}' |
    "$BPGRAPH" eval --format json - | jq .output.value)" ]
  doubling 66 | sed 's/ + f[0-9]*(x)//' >net.yaml
  run "$BPGRAPH" eval net.yaml
  [ "$status" -eq 2 ]
  [[ $output == *'functions call one another more than 64 levels deep [BP408]'* ]]
}

@test "calls that grow without measure are one error" {
  doubling 40 >net.yaml
  run timeout 30 "$BPGRAPH" eval net.yaml
  [ "$status" -eq 2 ]
  [[ $output == *'the functions are called more than 1000000 times'*BP409* ]]
  [[ ${lines[-1]} == '1 error' ]]
}

@test "a rule of the wrong shape is an error at the rule" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, 2]}' 'functions:' \
    '  f: {inputs: [a], output: 2 * a, backward: {a: sum(upstream)}}' 'nodes: {h: sum(f(x))}' >net.yaml
  run "$BPGRAPH" eval net.yaml
  [ "$status" -eq 2 ]
  [[ $output == *net.yaml:4:* ]]
}

@test "grad(L, v) is the gradient, as nodes that are differentiated again" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 3}' \
    'nodes: {L: x ** 4, g: "grad(L, x)", h: "grad(g, x)", t: "grad(h, x)", f: "grad(t, x)"}' 'output: h' >net.yaml
  [ "$(value g)" = 108 ]
  [ "$(value h)" = 108 ]
  [ "$(value t)" = 72 ]
  [ "$(value f)" = 24 ]
  [ "$(gradient x)" = 72 ]
}

@test "grad of what v does not reach is 0, of v itself 1" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, 2], s: 4}' \
    'nodes: {L: sum(x), g: "grad(L, s)", h: "grad(s, s)", r: "g + h + sum(grad(L, x))"}' 'output: r' >net.yaml
  [ "$(value r)" = 3 ]
}

@test "grad goes through a function by the author's own rule" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: 3}' 'functions:' \
    '  f: {inputs: [a], output: a ** 2, backward: {a: upstream * 10 * a}}' \
    'nodes: {h: f(x), g: "grad(h, x)"}' 'output: g' >net.yaml
  [ "$(value g)" = 30 ]
  [ "$(gradient x)" = 10 ]
}

@test "grad of a node with several entries, or by a constant, is an error" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, 2]}' 'constants: {c: 2}' \
    'nodes: {a: "grad(x, x)", b: "grad(sum(x), c)", d: grad(x)}' >net.yaml
  run "$BPGRAPH" eval net.yaml
  [ "$status" -eq 2 ]
  [ "$(grep -c BP507 <<<"$output")" -eq 3 ]
}
