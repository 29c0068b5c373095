# bpgraph check: its options, its exit statuses, what it finds, and where it writes what.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0

setup() {
  BPGRAPH=${BPGRAPH:-$BATS_TEST_DIRNAME/../build/bpgraph}
  cd "$BATS_TEST_TMPDIR"
  cat >right.yaml <<'NET'
bpgraph: 1
title: f(x, y, z) = (x + y) z
inputs: {x: -2, y: 5, z: -4}
nodes:
  q: x + y
  f: q * z
expect:
  - title: by the chain rule
    gradients:
      q: z
      x: grad(q)
  - values: {f: -12}
NET
  sed 's/q: z/q: -z/' right.yaml >wrong.yaml
  cat >invalid.yaml <<'NET'
bpgraph: 1
inputs: {x: 1}
nodes: {f: x + nobody}
NET
  cat >unclaimed.yaml <<'NET'
bpgraph: 1
inputs: {x: 2}
nodes: {f: x ** 2}
NET
  cat >warns.yaml <<'NET'
bpgraph: 1
inputs: {x: 1}
parameters: {unused: 1}
nodes: {f: x * 2}
expect: {gradients: {x: 2}}
NET
}

bpgraph() { "$BPGRAPH" "$@"; }

# asks QUERY ARGS...: what jq says of the JSON that check prints.
asks() {
  query=$1
  shift
  "$BPGRAPH" check --format json "$@" | jq -c "$query"
}

# nets ARGS...: the names of the nets that are judged.
nets() { "$BPGRAPH" check --format json "$@" | jq -r '.nets[].net'; }

# ---- verdicts and statuses ----------------------------------------------------------------

@test "right claims: exit 0, a line for each" {
  run -0 --separate-stderr bpgraph check right.yaml
  [[ $output == *'right  gradient  q'* ]]
  [[ $output == *'right  gradient  x'* ]]
  [[ $output == *'right  value     f'* ]]
  [[ $output == *'claims: by the chain rule'* ]]
  [ -z "$stderr" ]
}

@test "a wrong claim: exit 1, its place, its line, its numbers" {
  run -1 --separate-stderr bpgraph check wrong.yaml
  [[ $output == *'WRONG  gradient  q  wrong.yaml:10:7'* ]]
  [[ $output == *'10 |       q: -z'* ]]
  [[ $output == *'claimed    4'* ]]
  [[ $output == *'actual     -4'* ]]
  [[ $output == *'right  gradient  x'* ]]
  [ -z "$stderr" ]
}

@test "an invalid net: exit 2, and the others are judged" {
  run -2 --separate-stderr bpgraph check wrong.yaml invalid.yaml right.yaml
  [[ $output == *'invalid.yaml: invalid: 1 error'* ]]
  [[ $output == *'WRONG  gradient  q'* ]]
  [[ $output == *'right.yaml: '*' passed'* ]]
  [[ $stderr == *"invalid.yaml:3:16: error: 'nobody' is not defined [BP107]"* ]]
  [ "$(asks '[.nets[].status]' wrong.yaml invalid.yaml right.yaml)" = '["failed","invalid","ok"]' ]
  [ "$(asks '.invalid' wrong.yaml invalid.yaml right.yaml)" = 1 ]
}

@test "a claim that cannot be judged makes its net invalid; the others are judged" {
  cat >claims.yaml <<'NET'
bpgraph: 1
inputs: {x: [1, 2]}
nodes: {f: sum(x ** 2)}
expect: {gradients: {x: 3 * x, nobody: 1}}
NET
  run -2 --separate-stderr bpgraph check claims.yaml right.yaml
  [[ $stderr == *"claims.yaml:4:32: error: 'nobody' is no node of this net [BP113]"* ]]
  [[ $output == *'right.yaml: '*' passed'* ]]
}

@test "a file that is not there: exit 2, and the others are judged" {
  run -2 --separate-stderr bpgraph check missing.yaml right.yaml
  [[ $stderr == *'missing.yaml: error: cannot read'* ]]
  [[ $output == *'right.yaml: '*' passed'* ]]
}

@test "a net without claims says so" {
  run -0 bpgraph check unclaimed.yaml --numeric none
  [ "$output" = 'unclaimed.yaml: nothing to judge' ]
}

@test "a warning changes nothing, with --strict it does" {
  run -0 bpgraph check warns.yaml
  run -1 bpgraph check warns.yaml --strict
}

@test "of several nets those that are right take a line, with --all more" {
  run -0 bpgraph check right.yaml right.yaml
  [[ $output != *'gradient  q'* ]]
  [[ ${lines[0]} == right.yaml:*passed ]]
  [[ ${lines[-1]} == '2 nets: '*' passed' ]]
  run -0 bpgraph check right.yaml right.yaml --all
  [[ $output == *'right  gradient  q'* ]]
}

@test "standard input is a net, once" {
  bpgraph check - <right.yaml
  run -1 bpgraph check - <wrong.yaml
  [[ $output == *'<stdin>:10:7'* ]]
  run -2 bpgraph check - - <right.yaml
  [[ $output == *'only once'* ]]
}

# ---- options ------------------------------------------------------------------------------

@test "--rtol and --atol decide" {
  sed 's/f: -12/f: -12.01/' right.yaml >off.yaml
  run -1 bpgraph check off.yaml
  run -0 bpgraph check off.yaml --rtol 1e-3
  run -0 bpgraph check off.yaml --atol=0.02 --rtol 0
  run -1 bpgraph check off.yaml --atol 0.001 --rtol 0
}

@test "--points and --seed choose the points" {
  [ "$(asks '.nets[0].claims[0].points' right.yaml)" = 9 ]
  [ "$(asks '.nets[0].claims[0].points' right.yaml --points 3)" = 4 ]
  [ "$(asks '.nets[0].claims[0].points' right.yaml --points=0)" = 1 ]
  # right at the file's own point only, where x is 1
  cat >luck.yaml <<'NET'
bpgraph: 1
inputs: {x: 1}
nodes: {f: x ** 3}
expect: {gradients: {x: 3 * x}}
NET
  run -0 bpgraph check luck.yaml --points 0
  run -1 bpgraph check luck.yaml
  [[ $output == *'point      random point '* ]]
  one=$(asks '.nets[0].claims[0] | [.point, .claimed]' luck.yaml --seed 1)
  [ "$one" = "$(asks '.nets[0].claims[0] | [.point, .claimed]' luck.yaml --seed 1)" ]
  [ "$one" != "$(asks '.nets[0].claims[0] | [.point, .claimed]' luck.yaml --seed 2)" ]
  bpgraph check right.yaml --seed 18446744073709551615
}

@test "numbers in options are read strictly" {
  for option in --rtol=x --rtol= --rtol=-1 --rtol=1e999 --rtol=nan --rtol=inf --rtol=0x1 \
    '--rtol= 1' '--atol=1,' --atol=--1 --atol=1e --points=-1 --points=1.5 --points=1e3 \
    --points=1000001 --points=99999999999999999999 --points= --seed=-1 --seed=x \
    --seed=18446744073709551616 --numeric=some --numeric=; do
    run -2 bpgraph check right.yaml "$option"
    [[ $output == *"${option%%=*}"*"'${option#*=}'"* ]]
  done
}

@test "--set, --of, --wrt and --data-root are those of eval" {
  run -1 bpgraph check right.yaml --set z=3 # f is no longer -12
  run -2 bpgraph check right.yaml --set nobody=3
  run -2 bpgraph check right.yaml --of nobody
  [[ $output == *nobody* ]]
}

@test "--gradients belongs to one net" {
  echo '{"x": -4}' >mine.json
  run -2 bpgraph check right.yaml wrong.yaml --gradients mine.json
  [[ $output == *'one net'* ]]
  run -2 bpgraph check right.yaml --gradients mine.json -o mine.json
  [ "$(cat mine.json)" = '{"x": -4}' ]
}

@test "--mutants lists what would go unnoticed; with --strict that is 1" {
  cat >weak.yaml <<'NET'
bpgraph: 1
inputs: {x: 1, w: 3}
nodes: {f: w * x ** 2}
expect: {points: {keep: [x]}, gradients: {x: 2 * w * x}}
NET
  run -0 bpgraph check weak.yaml --mutants
  [[ $output == *'survives  gradient x  weak.yaml:4:43'* ]]
  [[ $output == *'mutant     2 * w for 2 * w * x'*'told apart points without keep'* ]]
  run -1 bpgraph check weak.yaml --mutants --strict
  sed -i 's/points: {keep: .x.}, //' weak.yaml
  run -0 bpgraph check weak.yaml --mutants --strict
  [[ $output =~ 'formulas: '([0-9]+)' of '([0-9]+)' noticed' ]]
  [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
}

@test "--mutants: indices are not altered, and what is the same is none" {
  cat >index.yaml <<'NET'
bpgraph: 1
inputs: {x: [1, 2, 3]}
constants: {i: [2, 0], I: {eye: 2}}
nodes: {y: "x[i]", f: sum(y ** 2)}
expect: {gradients: {y: 2 * (I @ y), x: "scatter_add(grad(y), i, size=3)"}}
NET
  run -0 bpgraph check index.yaml --mutants --strict
  [[ $output == *'mutants of the formulas: '* ]]
  [[ $output != *'formulas: 0 of'* ]]
}

@test "--gradients: a JSON file of one's own is judged, at its lines" {
  printf '{"x": -4, "y": -4,\n "z": 4}\n' >mine.json
  run -1 bpgraph check right.yaml --gradients mine.json
  [[ $output == *'claims: mine.json'* ]]
  [[ $output == *'WRONG  gradient  z  mine.json:2:7'* ]]
  [[ $output == *'right  gradient  y'* ]]
  echo '{"x": -4, "nobody": 1}' >mine.json
  run -2 bpgraph check right.yaml --gradients mine.json
  [[ $output == *nobody* ]]
  run -2 bpgraph check right.yaml --gradients missing.json
}

@test "without a net: exit 2" {
  run -2 bpgraph check
  run -2 bpgraph check --format json
  run -2 bpgraph check right.yaml --format xml
  run -2 bpgraph check right.yaml --nonsense
}

# ---- folders ------------------------------------------------------------------------------

@test "a folder is searched for nets, in the order of their names" {
  mkdir -p nets/b/c nets/.hidden nets/a
  cp right.yaml nets/z.yaml && cp right.yaml nets/b/c/deep.yml && cp right.yaml nets/a/1.yaml
  cp right.yaml nets/.hidden/1.yaml && cp right.yaml nets/a/.2.yaml
  cp right.yaml nets/a/net.txt # not *.yaml
  printf 'on: push\njobs: {bpgraph: 1}\n' >nets/a/workflow.yaml
  printf 'x:\n  bpgraph: 1\n' >nets/a/inside.yaml
  printf '# bpgraph: 1\nbpgraphs: 1\n' >nets/a/other.yaml
  : >nets/a/empty.yaml
  [ "$(nets nets)" = "$(printf '%s\n' nets/a/1.yaml nets/b/c/deep.yml nets/z.yaml)" ]
  [ "$(nets nets/)" = "$(printf '%s\n' nets/a/1.yaml nets/b/c/deep.yml nets/z.yaml)" ]
  [ "$(nets nets right.yaml | tail -n 1)" = right.yaml ]
  [ "$(cd nets/b && nets .)" = c/deep.yml ]
}

@test "the key may be quoted, in braces, or come late" {
  mkdir nets
  printf '{bpgraph: 1, inputs: {x: 1}, nodes: {f: 2 * x}}\n' >nets/1.yaml
  printf '{"bpgraph": 1, "inputs": {"x": 1}, "nodes": {"f": "2 * x"}}\n' >nets/2.yaml
  printf '\357\273\277# a net\n---\n  bpgraph: 1\n  inputs: {x: 1}\n  nodes: {f: 2 * x}\n' >nets/3.yaml
  printf "inputs: {x: 1}\nnodes: {f: 2 * x}\n'bpgraph' : 1\n" >nets/4.yaml
  [ "$(nets nets | wc -l)" = 4 ]
}

@test "a broken net in a folder is found, and said to be broken" {
  mkdir nets
  printf 'bpgraph: 1\ninputs: {x: [1, 2\n' >nets/broken.yaml
  cp right.yaml nets/
  run -2 bpgraph check nets
  [[ $output == *'nets/broken.yaml:'*'error'* ]]
  [[ $output == *'nets/right.yaml: '*passed* ]]
}

@test "links to folders are not followed, links to nets are" {
  mkdir -p nets/inner
  cp right.yaml nets/inner/
  ln -s .. nets/inner/up && ln -s . nets/self && ln -s ../right.yaml nets/link.yaml
  ln -s nowhere.yaml nets/dangling.yaml
  [ "$(nets nets)" = "$(printf '%s\n' nets/inner/right.yaml nets/link.yaml)" ]
  ln -s nets folder # but the one that is named may be a link
  [ "$(nets folder)" = "$(printf '%s\n' folder/inner/right.yaml folder/link.yaml)" ]
}

@test "a folder without nets: exit 2, and the others are judged" {
  mkdir -p empty
  echo 'on: push' >empty/workflow.yaml
  run -2 bpgraph check empty
  [[ $output == *'no nets in empty'* ]]
  run -2 bpgraph check empty right.yaml
  [[ $output == *'right  gradient  q'* ]]
}

@test "a folder that cannot be read: exit 2" {
  [ "$(id -u)" -ne 0 ] || skip "root may read everything"
  mkdir closed && chmod 000 closed
  run -2 bpgraph check closed
  [[ $output == *'cannot read folder closed'* ]]
}

@test "--nets-only passes over what is no net" {
  echo 'on: push' >workflow.yaml
  run -2 bpgraph check workflow.yaml
  run -0 bpgraph check --nets-only workflow.yaml
  [ -z "$output" ]
  [ "$(nets --nets-only workflow.yaml right.yaml)" = right.yaml ]
  run -2 bpgraph check --nets-only missing.yaml
}

# ---- outputs ------------------------------------------------------------------------------

@test "several formats at once, their endings pick them" {
  run -1 --separate-stderr bpgraph check wrong.yaml -o a.json -o a.xml -o a.txt -o github:a.log
  [ -z "$output" ]
  jq -e '.failed == 1' a.json
  xmllint --noout a.xml
  grep -q WRONG a.txt
  grep -q '^::error file=wrong.yaml,line=10,col=7,' a.log
  [ "$(bpgraph check wrong.yaml --format json -o a.xml | jq .failed)" = 1 ]
}

@test "verdicts are written even where a net is invalid" {
  run -2 bpgraph check invalid.yaml wrong.yaml -o a.json
  [ "$(jq -c '[.failed, .invalid]' a.json)" = '[1,1]' ]
  [ "$(jq -r '.nets[0].errors[0].code' a.json)" = BP107 ]
}

@test "an output is never a net or a file that a net reads" {
  mkdir nets
  cp right.yaml nets/
  run -2 bpgraph check nets -o text:nets/right.yaml
  cmp right.yaml nets/right.yaml
  run -2 bpgraph check right.yaml -o text:right.yaml
}

@test "what cannot be written: exit 3" {
  run -3 bpgraph check right.yaml -o missing/a.json
  run -3 bash -c '"$1" check right.yaml >/dev/full' - "$BPGRAPH"
  [[ $output == *'cannot write standard output'* ]]
  run -3 bash -c '"$1" check right.yaml >&-' - "$BPGRAPH"
  run -3 bash -c '"$1" check wrong.yaml -o json:/dev/full' - "$BPGRAPH"
}

@test "a reader that goes away is no crash" {
  run -3 bash -c 'set -o pipefail; { sleep 0.3; "$1" check right.yaml --format json; } | true' - "$BPGRAPH"
}

@test "no progress without a terminal" {
  run -0 --separate-stderr bpgraph check right.yaml
  [ -z "$stderr" ]
}

@test "the same run gives the same bytes" {
  for format in text json junit github; do
    bpgraph check right.yaml unclaimed.yaml --format $format >one
    bpgraph check right.yaml unclaimed.yaml --format $format >two
    cmp one two
  done
}

# ---- GitHub -------------------------------------------------------------------------------

@test "github: at most ten annotations, errors first, and a summary" {
  {
    printf 'bpgraph: 1\ninputs:\n'
    for i in $(seq 15); do printf '  x%d: %d\n' "$i" "$i"; done
    printf 'nodes:\n  f: %s\n' "$(seq -s ' + ' -f 'x%g' 15)"
    printf 'expect:\n  gradients:\n'
    for i in $(seq 15); do printf '    x%d: 2\n' "$i"; done
  } >many.yaml
  run -1 bpgraph check many.yaml --format github
  [ "$(grep -c '^::error ' <<<"$output")" = 10 ]
  [[ ${lines[-1]} == 'bpgraph check: 1 net: '*'15 failed'*'(5 more annotations are not shown)' ]]
}

@test "github: files are named from the top of the repository" {
  run -1 bpgraph check ./wrong.yaml --format github
  [[ ${lines[0]} == '::error file=wrong.yaml,'* ]]
}

@test "github: an invalid net is annotated too" {
  run -2 --separate-stderr bpgraph check invalid.yaml --format github
  [[ ${lines[0]} == "::error file=invalid.yaml,line=3,col=16,title=invalid net BP107::'nobody' is not defined" ]]
}

# ---- explain ------------------------------------------------------------------------------

@test "explain says what a code means" {
  run -0 bpgraph explain BP203
  [[ $output == 'BP203, error'$'\n'*'exit status is 2'* ]]
  [ "$output" = "$(bpgraph explain bp203)" ]
  [ "$output" = "$(bpgraph explain 203)" ]
  run -0 bpgraph explain sign
  [[ $output == *'sign flipped'* ]]
}

# slip CODE NET CLAIM: in that net CLAIM is wrong, and CODE is what is wrong with it.
slip() {
  printf 'bpgraph: 1\n%s\nexpect: {%s}\n' "$2" "$3" >slip.yaml
  found=$(asks '.nets[0].claims[0].diagnosis[].id' slip.yaml)
  [[ $found == *"\"$1\""* ]] || { echo "$1: $found"; return 1; }
}

@test "the example of each slip is one" {
  tanh='inputs: {a: [0.3, 1.2]}
nodes: {h: tanh(a), L: sum(h ** 3)}'
  product='inputs: {x: [1, 2]}
parameters: {W: [[1, 2], [3, 5]]}
nodes: {s: W @ x, L: sum(s ** 3)}'
  slip sign 'inputs: {p: 0.5}
nodes: {l: -log(p), L: l ** 2}' 'gradients: {p: grad(l) / p}'
  slip factor 'inputs: {w: [1, 2]}
nodes: {r: sum(w ** 2), L: r ** 2}' 'gradients: {w: grad(r) * w}'
  slip mean-sum 'inputs: {y: [1, 2, 4]}
nodes: {l: mean(y), L: l ** 2}' 'gradients: {y: grad(l)}'
  slip transpose "$product" 'gradients: {W: "outer(x, grad(s))"}'
  slip permutation 'inputs: {x: {normal: {shape: [2, 2, 2]}}}
nodes: {y: "transpose(x, axes=[1, 2, 0])", L: sum(y ** 3)}' \
    'gradients: {x: "transpose(grad(y), axes=[1, 2, 0])"}'
  slip sum-extra 'inputs: {x: [1, 2], w: [3, 5]}
nodes: {y: x * w, L: sum(y ** 3)}' 'gradients: {w: sum(grad(y) * x)}'
  slip sum-missing 'inputs: {X: [[1, 2], [3, 5]]}
parameters: {W: [[1, 2], [3, 4]], b: [1, 2]}
nodes: {Z: X @ W + b, L: sum(Z ** 3)}' 'gradients: {b: "grad(Z)[0]"}'
  slip path-missing 'parameters: {W: [1, 2]}
nodes: {l: sum(W ** 3), J: l + 0.1 * sum(W ** 2)}' 'gradients: {W: 3 * W ** 2}'
  slip overwritten 'inputs: {x: 3}
nodes: {a: 2 * x, b: x + 1, y: a * b}' 'gradients: {x: 2 * grad(a)}'
  slip local-missing "$tanh" 'gradients: {a: grad(h)}'
  slip local-at-output 'inputs: {a: [0.3, 1.2]}
nodes: {h: sin(a), L: sum(h ** 3)}' 'gradients: {a: grad(h) * cos(h)}'
  slip local-at-input "$tanh" 'gradients: {a: grad(h) * (1 - a ** 2)}'
  slip operand-transposed "$product" 'gradients: {x: W @ grad(s)}'
  slip upstream-missing "$tanh" 'gradients: {a: 1 - h ** 2}'
  slip diagonal-only 'inputs: {s: [1, 2, 4]}
nodes: {p: softmax(s), L: sum(p ** 2)}' 'jacobians: {p/s: diag(p * (1 - p))}'
  slip some-entries 'inputs: {a: [-1, 0.3, 2, 3, 0.4]}
nodes: {h: relu(a), L: sum(h ** 2)}' 'gradients: {a: grad(h) * (a > 0.5)}'
}

@test "explain lists all there is, and each is explained" {
  codes=$(bpgraph explain | sed -n 's/^  \([^ ]*\)  .*/\1/p')
  [ "$(wc -l <<<"$codes")" -gt 60 ]
  for code in $codes; do
    run -0 bpgraph explain "$code"
    [[ ! $output =~ %[sduz] ]] # no gap of a format is left
  done
}

@test "explain of what is no code: exit 2, and a hint" {
  for code in BP000 BP999 nonsense '' BP 0 BP20 -; do
    run -2 bpgraph explain "$code"
    [[ $output == *'unknown code'*hint* ]]
  done
  run -3 bash -c '"$1" explain >/dev/full' - "$BPGRAPH"
}
