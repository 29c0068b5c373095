# bpgraph eval: its options, its exit statuses, and where it writes what.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0

setup() {
  BPGRAPH=${BPGRAPH:-$BATS_TEST_DIRNAME/../build/bpgraph}
  cd "$BATS_TEST_TMPDIR"
  cat >xyz.yaml <<'NET'
bpgraph: 1
inputs: {x: -2, y: 5, z: -4}
nodes: {q: x + y, f: q * z}
NET
  cat >vector.yaml <<'NET'
bpgraph: 1
inputs: {x: [1, -2, 3]}
parameters: {w: [2, 1, 0]}
constants: {k: 10}
nodes: {y: x * w, z: k * y}
NET
  cat >warns.yaml <<'NET'
bpgraph: 1
inputs: {x: 0}
parameters: {unused: 1}
nodes: {f: x * 2}
NET
  echo 'bpgraph: 1
inputs: {x: 1}
nodes: {f: x + nobody}' >invalid.yaml
}

bpgraph() { "$BPGRAPH" "$@"; }

# asks QUERY ARGS...: what jq says of the JSON that eval prints.
asks() {
  query=$1
  shift
  "$BPGRAPH" eval --format json "$@" | jq -c "$query"
}

# ---- the documents' numbers ----------------------------------------------------------------------

@test "(x + y) z at -2, 5, -4 has the gradients -4, -4, 3" {
  [ "$(asks '.gradients' xyz.yaml)" = '{"x":-4,"y":-4,"z":3}' ]
  [ "$(asks '.output' xyz.yaml)" = '{"name":"f","shape":[],"value":-12}' ]
}

@test "the sigmoid neuron has the lecture's gradients to two decimals" {
  cd "$BATS_TEST_DIRNAME/../examples"
  run asks '[.output.value, .gradients[]] | map(. * 100 | round / 100)' sigmoid-neuron-gates.yaml
  [ "$status" -eq 0 ]
  [[ $output == '[0.73,'* ]]
  for number in -0.2 -0.39 0.2 0.39 -0.59; do [[ $output == *"$number"* ]]; done
}

# ---- options -------------------------------------------------------------------------------------

@test "--all adds order, nodes and edges" {
  [ "$(asks '.order' --all xyz.yaml)" = '["x","y","z","q","f"]' ]
  [ "$(asks '.nodes.q | [.op, .inputs, .value, .gradient]' --all xyz.yaml)" = '["add",["x","y"],3,-4]' ]
  [ "$(asks '[.edges[] | [.from, .to, .local, .contribution]]' --all xyz.yaml)" = \
    '[["x","q",1,-4],["y","q",1,-4],["q","f",-4,-4],["z","f",3,3]]' ]
  [ "$(asks 'has("order") or has("nodes") or has("edges")' xyz.yaml)" = false ]
}

@test "--set takes numbers, lists, expressions and files, as often as wanted" {
  [ "$(asks '.output.value' --set x=1 --set y=2 --set z=3 xyz.yaml)" = 9 ]
  [ "$(asks '.output.value' --set=x=1e0 --set "y=-2/4" xyz.yaml)" = -2 ]
  [ "$(asks '.output.value' --set 'x=[1, 2]' xyz.yaml)" = '[-24,-28]' ]
  [ "$(asks '.output.value' --set 'x=[pi, 1] ' xyz.yaml | wc -l)" = 1 ]
  [ "$(asks '.output.value' --set x=1 --set x=5 xyz.yaml)" = -40 ]
  mkdir data && echo '[10, 20]' >data/x.json
  [ "$(asks '.output.value' --set x=@data/x.json xyz.yaml)" = '[-60,-100]' ]
}

@test "--set finds a file from the working folder, not the net's" {
  mkdir there && cp xyz.yaml there && echo '[1]' >x.json
  [ "$(asks '.output.value' --set x=@x.json there/xyz.yaml)" = '[-24]' ]
}

@test "--wrt chooses the gradients" {
  [ "$(asks '.gradients' --wrt q,x xyz.yaml)" = '{"q":-4,"x":-4}' ]
  run -2 --separate-stderr bpgraph eval --wrt k vector.yaml --upstream '[1, 1, 1]'
  run -2 --separate-stderr bpgraph eval --wrt nobody xyz.yaml
  [ -z "$output" ]
}

@test "--of differentiates another node" {
  [ "$(asks '[.output.name, .gradients.x, .gradients.z]' --of q xyz.yaml)" = '["q",1,0]' ]
  run -2 bpgraph eval --of nobody xyz.yaml
}

@test "--upstream is for the output, or for --of" {
  [ "$(asks '.gradients.x' --upstream '[1, 2, 3]' vector.yaml)" = '[20,20,0]' ]
  [ "$(asks '.gradients.w' --of y --upstream '[1, 1, 1]' vector.yaml)" = '[1,-2,3]' ]
  run -2 bpgraph eval --upstream '[1, 2]' vector.yaml
}

@test "without upstream an output of several entries has values only, and status 0" {
  run -0 --separate-stderr bpgraph eval --format json vector.yaml
  [ "$(jq -c '[.output.value, .gradients]' <<<"$output")" = '[[20,-20,0],null]' ]
  [[ $stderr == *note* ]]
}

@test "--format says what standard output gets" {
  run -0 bpgraph eval xyz.yaml
  [[ ${lines[0]} == name*gradient ]]
  text=$output
  run -0 bpgraph eval --format text xyz.yaml
  [ "$output" = "$text" ]
  bpgraph eval --format=npz xyz.yaml | head -c 2 | grep -q PK
  run -2 bpgraph eval --format yaml xyz.yaml
}

@test "--data-root allows another folder, and only that" {
  mkdir net data && echo '[3, 4]' >data/x.json
  printf 'bpgraph: 1\ninputs: {x: {file: ../data/x.json}}\nnodes: {f: sum(x)}\n' >net/net.yaml
  run -2 bpgraph eval net/net.yaml
  [ "$(asks '.output.value' --data-root . net/net.yaml)" = 7 ]
  ln -s ../data/x.json net/x.json # a link does not lead out either
  sed -i 's|../data/||' net/net.yaml
  run -2 bpgraph eval net/net.yaml
}

@test "--threads takes a number from 1 on" {
  [ "$(asks '.gradients.x' --threads 2 xyz.yaml)" = -4 ]
  run -2 bpgraph eval --threads 0 xyz.yaml
  run -2 bpgraph eval --threads many xyz.yaml
}

@test "--strict makes warnings status 1, not notes" {
  run -0 --separate-stderr bpgraph eval warns.yaml
  [[ $stderr == *warning* ]]
  run -1 --separate-stderr bpgraph eval --strict warns.yaml
  [[ $output == *gradient* ]] # the answer is there all the same
  run -0 bpgraph eval --strict vector.yaml
  run -0 bpgraph eval --strict xyz.yaml
}

@test "options may follow the net, and -- ends them" {
  [ "$(asks '.gradients' xyz.yaml --wrt x)" = '{"x":-4}' ]
  cp xyz.yaml ./-x.yaml
  [ "$(asks '.output.value' -- -x.yaml)" = -12 ]
  run -2 bpgraph eval -x.yaml
}

# ---- input ---------------------------------------------------------------------------------------

@test "- is standard input" {
  [ "$(asks '[.net, .output.value]' - <xyz.yaml)" = '["<stdin>",-12]' ]
  # shellcheck disable=SC2002
  [ "$(cat xyz.yaml | asks '.output.value' -)" = -12 ]
  run -2 bpgraph eval - </dev/null
  run -2 bash -c '"$1" eval - <&-' - "$BPGRAPH"
}

@test "a pipe is a file, a folder is not" {
  [ "$(asks '.output.value' <(cat xyz.yaml))" = -12 ]
  run -2 bpgraph eval .
  run -2 bpgraph eval missing.yaml
}

# ---- what goes where, and how it ends ------------------------------------------------------------

@test "data go to standard output, messages to standard error" {
  run -0 --separate-stderr bpgraph eval xyz.yaml
  [ -z "$stderr" ]
  run -2 --separate-stderr bpgraph eval invalid.yaml
  [ -z "$output" ]
  [[ $stderr == invalid.yaml:3:16:* ]]
}

@test "the exit status is 2 where the question is wrong" {
  run -2 bpgraph
  run -2 bpgraph evil xyz.yaml
  run -2 bpgraph eval
  run -2 bpgraph eval xyz.yaml vector.yaml
  run -2 bpgraph eval --nothing xyz.yaml
  run -2 bpgraph eval --all=yes xyz.yaml
  run -2 bpgraph eval xyz.yaml --set
  run -2 bpgraph eval --color=sometimes xyz.yaml
  run -2 bpgraph eval invalid.yaml
}

@test "the exit status is 3 where the system fails" {
  run -3 bash -c '"$1" eval xyz.yaml >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" eval --format json xyz.yaml >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" eval xyz.yaml >&-' - "$BPGRAPH"
  run -3 bash -c '"$1" ops >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" schema >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" --version >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" --help >/dev/full' - "$BPGRAPH"
  run -3 bash -c '"$1" eval --help >/dev/full' - "$BPGRAPH"
}

@test "a reader that has gone is no crash" {
  run bash -c 'set -o pipefail; "$1" eval --all --format json "$2" | true' - "$BPGRAPH" \
    "$BATS_TEST_DIRNAME/../examples/ladder.yaml"
  [ "$status" -eq 3 ] || [ "$status" -eq 0 ]
}

# ---- colour --------------------------------------------------------------------------------------

on_terminal() { script -qefc "$*" /dev/null </dev/null; }

@test "colour is for terminals that want it" {
  export TERM=xterm
  unset NO_COLOR
  escape=$'\e['
  [[ $(on_terminal "$BPGRAPH eval invalid.yaml" || true) == *"$escape"* ]]
  [[ $(NO_COLOR=1 on_terminal "$BPGRAPH eval invalid.yaml" || true) != *"$escape"* ]]
  [[ $(NO_COLOR='' on_terminal "$BPGRAPH eval invalid.yaml" || true) == *"$escape"* ]]
  [[ $(TERM=dumb on_terminal "$BPGRAPH eval invalid.yaml" || true) != *"$escape"* ]]
  [[ $(on_terminal "$BPGRAPH eval --color=never invalid.yaml" || true) != *"$escape"* ]]
  [[ $(bpgraph eval invalid.yaml 2>&1 || true) != *"$escape"* ]]
  [[ $(NO_COLOR=1 bpgraph --color=always eval invalid.yaml 2>&1 || true) == *"$escape"* ]]
  [[ $(bpgraph eval invalid.yaml --color=always 2>&1 || true) == *"$escape"* ]]
}

# ---- help ----------------------------------------------------------------------------------------

@test "--help of everything" {
  run -0 --separate-stderr bpgraph --help
  [[ ${lines[0]} == usage:* ]]
  general=$output
  for command in eval ops schema; do
    [[ $general == *"  $command "* ]]
    run -0 --separate-stderr bpgraph "$command" --help
    [[ ${lines[0]} == "usage: bpgraph $command"* ]]
    [ -z "$stderr" ]
    [ "$(bpgraph "$command" -h)" = "$output" ]
  done
  run -0 bpgraph eval --help
  for option in -o --format --all --set --of --upstream --wrt --data-root --threads --strict; do
    [[ $output == *"  $option "* ]]
  done
}

@test "--help has one line for each command; help COMMAND is COMMAND --help" {
  run -0 bpgraph --help
  for line in "${lines[@]}"; do [ ${#line} -le 100 ]; done
  names=$(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$output")
  [ "$(sed -n '/^commands:/,/^$/p' <<<"$output" | wc -l)" -eq $(($(wc -w <<<"$names") + 2)) ]
  for command in $names; do
    [ "$(bpgraph help "$command")" = "$(bpgraph "$command" --help)" ]
  done
}

@test "--help needs no net and reads none" {
  run -0 bpgraph eval --help missing.yaml
  run -0 bpgraph eval missing.yaml --help
}

@test "--version names the program and its libraries" {
  run -0 --separate-stderr bpgraph --version
  [[ ${lines[0]} =~ ^bpgraph\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  [[ ${lines[1]} =~ ^libyaml\ [0-9] ]]
  [[ ${lines[2]} == graphviz* ]]
  [[ ${lines[3]} == blas* ]]
}

# ---- the table -----------------------------------------------------------------------------------

# UPDATE_GOLDEN=1 bats tests/eval.bats writes what the program says, to be read before it is kept.
golden() { # golden NAME ARGS...
  file=$BATS_TEST_DIRNAME/golden/$1.txt
  shift
  cd "$BATS_TEST_DIRNAME/.."
  [ -z "${UPDATE_GOLDEN-}" ] || bpgraph eval "$@" >"$file"
  diff -u "$file" <(bpgraph eval "$@")
}

@test "the table of scalars" { golden xy examples/xy.yaml; }
@test "the table of vectors and matrices, with all parts" { golden softmax --all examples/softmax-cross-entropy.yaml; }
@test "the table of large tensors" { golden large tests/golden/large.yaml; }
@test "the table with undefined derivatives" { golden undefined examples/undefined-derivative.yaml; }
