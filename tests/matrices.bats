#!/usr/bin/env bats
# bpgraph jacobian, bpgraph hessian: what they print, and what they refuse.

bats_require_minimum_version 1.5.0
examples=$BATS_TEST_DIRNAME/../examples

setup() {
  cd "$BATS_TEST_TMPDIR" || exit 1
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, -2, 0.5]}' 'parameters: {q: 3}' 'constants:' \
    '  c: 2' '  i: [2, 0]' 'nodes:' '  s: tanh(x)' '  y: s * c' '  t: x[i]' '  L: sum(y ** 2)' \
    'output: L' >net.yaml
}

fails() { # fails STATUS CODE ARGUMENTS...
  status=0
  "$BPGRAPH" "${@:3}" >out 2>err || status=$?
  cat out err
  [ "$status" = "$1" ]
  grep -qF "[$2]" err
  [ ! -s out ]
}

@test "the lecture's max(0, x): a diagonal, and the zeros on it" {
  run -0 "$BPGRAPH" jacobian "$examples/relu-vector.yaml" --of y --wrt x
  [ "${lines[1]}" = 'Jacobian of y [4] by x [4]' ]
  [ "${lines[2]}" = 'structure: diagonal' ]
  [ "${lines[3]}" = '      x[0]  x[1]  x[2]  x[3]' ]
  [ "${lines[4]}" = 'y[0]     1     .     .     .' ]
  [ "${lines[5]}" = 'y[1]     .     0     .     .' ]
  [ "${lines[8]}" = 'zero rows: y[1], y[3]' ]
}

@test "blocks are counted, with the axes that pair them" {
  run -0 "$BPGRAPH" jacobian "$examples/matrix-product.yaml" --of y --wrt w
  [ "${lines[2]}" = 'structure: block diagonal: 4 blocks of 2 x 3, axis 1 of y with axis 1 of w' ]
}

@test "runs of zero rows are said in one" {
  run -0 "$BPGRAPH" jacobian "$examples/op-concat.yaml" --wrt x2
  [ "${lines[2]}" = 'structure: dense' ]
  [ "${lines[9]}" = 'zero rows: y[0] .. y[2]' ]
}

@test "a diagonal that only the numbers show is told apart from one of the graph" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, 2]}' 'constants: {D: [[3, 0], [0, 5]]}' \
    'nodes: {y: D @ x}' >seen.yaml
  run -0 "$BPGRAPH" jacobian seen.yaml --of y --wrt x
  [ "${lines[1]}" = 'structure: dense, but diagonal at these values' ]
  run -0 "$BPGRAPH" jacobian seen.yaml --of y --wrt x --set 'D=[[3, 1], [0, 5]]'
  [ "${lines[1]}" = 'structure: dense' ]
}

@test "an intermediate node counts as free" {
  run -0 "$BPGRAPH" jacobian net.yaml --of L --wrt y --format json
  [ "$(jq -c '[.shape, .wrt.name, (.values[0] * 1e6 | round)]' <<<"$output")" = '[[3],"y",3046377]' ]
}

@test "a large Jacobian is summed up in a line" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: {linspace: {start: 1, stop: 2, num: 100}}}' \
    'nodes: {y: x ** 2}' >large.yaml
  run -0 "$BPGRAPH" jacobian large.yaml
  [ "${lines[2]}" = '100 x 100, 100 of them not 0, min 0  max 4' ]
}

@test "what would not fit into memory is refused at once, with its size" {
  fails 2 BP520 jacobian "$examples/big-product.yaml" --of y --wrt x
  grep -q 'all derivatives of y by x take 550 GB' err # 2^36 numbers of 8 bytes
  grep -q '^hint: gradients need none of it' err
  fails 2 BP520 jacobian "$examples/big-product.yaml" --of y --wrt w --format json
  fails 2 BP520 hessian "$examples/big-product.yaml" --wrt w
  grep -q 'all second derivatives of L by w take 2.25 PB' err
  grep -q -- '--times' err
}

@test "bad questions" {
  fails 2 BP113 jacobian net.yaml --of nobody --wrt x
  fails 2 BP113 jacobian net.yaml --of y --wrt nobody
  fails 2 BP505 jacobian net.yaml --of y --wrt c
  fails 2 BP505 jacobian net.yaml --of t --wrt i
  fails 2 BP523 jacobian net.yaml --of y --wrt x,q
  fails 2 BP523 jacobian net.yaml --of y
  fails 2 BP113 hessian net.yaml --wrt nobody
  fails 2 BP505 hessian net.yaml --wrt x,i
  fails 2 BP525 hessian net.yaml --of y --wrt x
  fails 2 BP504 hessian net.yaml --of y --wrt x --upstream '[1, 2]'
  fails 2 BP522 hessian net.yaml --wrt x,s
  fails 2 BP523 hessian net.yaml --times '[1, 2, 3]'
  fails 2 BP526 hessian net.yaml --wrt x --times '[1, 2]'
  fails 2 BP404 hessian net.yaml --wrt x --times x
}

@test "no path: all zeros, and a word about it" {
  run -0 --separate-stderr "$BPGRAPH" jacobian net.yaml --of t --wrt s
  [[ $stderr == *'note: no path leads from s to t: all derivatives are 0 [BP524]'* ]]
  [ "${lines[1]}" = 'structure: zero' ]
  run -0 --separate-stderr "$BPGRAPH" jacobian net.yaml --of y --wrt q
  [[ $stderr == *'warning: q does not reach the output: its gradient is 0 [BP501]'* ]]
}

@test "a singular matrix is an error here too" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {A: [[1, 2], [2, 4]]}' 'nodes: {y: inv(A), L: sum(y)}' \
    'output: L' >singular.yaml
  fails 2 BP210 jacobian singular.yaml --of y
  fails 2 BP210 hessian singular.yaml
}

@test "places without a derivative are said, those without a second one too" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [0, 1]}' 'nodes: {r: relu(x), e: elu(x), L: sum(r + e)}' \
    'output: L' >kinks.yaml
  run -0 --separate-stderr "$BPGRAPH" jacobian kinks.yaml --of r --wrt x
  [ "${lines[7]}" = 'undefined derivative: r = relu at x[0]; taken as: 0' ]
  run -0 --separate-stderr "$BPGRAPH" hessian kinks.yaml
  [[ $output == *'undefined derivative: r = relu at x[0]'* ]]
  [[ $stderr == *'warning: the second derivative of elu is undefined for 1 entry of its input [BP527]'* ]]
  run -0 --separate-stderr "$BPGRAPH" hessian kinks.yaml --set 'x=[2, 1]'
  [ -z "$stderr" ]
  run -1 --separate-stderr "$BPGRAPH" hessian kinks.yaml --strict
}

@test "second derivatives that are not finite are said, where the gradient is" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [0, 1]}' 'nodes: {L: sum(x ** 1.5)}' >steep.yaml
  run -0 --separate-stderr "$BPGRAPH" hessian steep.yaml
  [[ $stderr == *'warning: a second derivative of L by x is Infinity [BP502]'* ]]
  [ "${lines[3]}" = 'x[0]  Infinity     .' ]
  [[ $output != *eigenvalues* ]]
  [ "$("$BPGRAPH" hessian steep.yaml --format json 2>/dev/null | jq -c .eigenvalues)" = null ]
}

@test "many nodes: all blocks in short" {
  { echo 'bpgraph: 1'; echo 'inputs:'; for i in {1..30}; do echo "  x$i: 0.$i"; done
    echo 'nodes:'; printf '  L: sin('; for i in {1..30}; do printf 'x%d * ' "$i"; done; echo '1)'; } >many.yaml
  run -0 "$BPGRAPH" hessian many.yaml
  [ "${lines[0]}" = 'Hessian of L by x1, x2, x3, x4, x5, x6 and 24 more' ]
  [[ ${lines[1]} == '30 x 30, 900 of them not 0, min '* ]]
  [[ ${lines[2]} == 'indefinite; eigenvalues: '* ]]
}

@test "a Hessian with its definiteness and eigenvalues" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: [1, 1], k: 2}' 'nodes:' \
    '  L: 3 * x[0] ** 2 + 3 * x[1] ** 2 + 2 * x[0] * x[1] + k' >bowl.yaml
  run -0 "$BPGRAPH" hessian bowl.yaml --wrt x
  [ "${lines[0]}" = 'Hessian of L by x [2]' ]
  [ "${lines[3]}" = 'x[0]     6     2' ]
  [ "${lines[5]}" = 'positive definite; eigenvalues: 4 8' ]
  run -0 "$BPGRAPH" hessian bowl.yaml
  [ "${lines[1]}" = 'structure of x/k: zero' ]
  [ "${lines[7]}" = 'positive semidefinite; eigenvalues: 0 4 8' ]
}

@test "the Hessian of upstream . output" {
  run -0 "$BPGRAPH" hessian net.yaml --of y --upstream '[1, 1, 1]' --wrt s
  [ "${lines[0]}" = 'Hessian of upstream . y [3] by s [3]' ]
  run -0 "$BPGRAPH" hessian net.yaml --of x --upstream '[1, 1, 1]' --wrt x --format json
  [ "$(jq -c '[.hessian.x.x.structure.kind, .definiteness]' <<<"$output")" = '["zero","zero"]' ]
}

@test "a Hessian times a vector, whatever its size" {
  printf '%s\n' 'bpgraph: 1' 'inputs: {x: {ones: [300000]}}' 'nodes: {L: sum(x ** 3)}' >huge.yaml
  printf '[%s]' "$(seq -s, 1 300000)" >v.json
  run -0 "$BPGRAPH" hessian huge.yaml --times @v.json
  [ "${lines[1]}" = '300000 entries, min 6  max 1.8e+06' ]
}

@test "npz has the names of claims, and can be read back as values" {
  "$BPGRAPH" jacobian net.yaml --of y --wrt x -o j.npz
  printf '%s\n' 'bpgraph: 1' 'constants: {J: {file: j.npz, key: y/x}}' 'inputs: {v: [1, 0, 0]}' \
    'nodes: {y: J @ v}' 'upstream: [1, 1, 1]' >back.yaml
  run -0 "$BPGRAPH" eval back.yaml --format json
  [ "$(jq -c '.output.value | map(. * 1e6 | round)' <<<"$output")" = '[839949,0,0]' ]
}

@test "several outputs of one answer" {
  "$BPGRAPH" hessian net.yaml --wrt x -o h.json -o h.txt -o h.npz
  [ "$(jq -r .wrt[0] h.json)" = x ]
  grep -q '^Hessian of L by x' h.txt
  [ -s h.npz ]
}
