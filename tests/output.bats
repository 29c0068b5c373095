# -o: files appear whole or not at all.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0

setup() {
  BPGRAPH=${BPGRAPH:-$BATS_TEST_DIRNAME/../build/bpgraph}
  cd "$BATS_TEST_TMPDIR"
  mkdir out
  cat >net.yaml <<'NET'
bpgraph: 1
inputs: {x: -2, y: 5, z: -4}
nodes: {q: x + y, f: q * z}
NET
}

teardown() { # whatever happens, no temporary file is left
  [ -z "$(find . -name '*.tmp*')" ]
}

bpgraph() { "$BPGRAPH" "$@"; }

# A net whose JSON is some megabytes.
make_large() {
  printf 'bpgraph: 1\ninputs: {x: {uniform: {shape: [500, 500], low: 0, high: 1}}}\nnodes: {f: sum(x)}\n'
}

@test "several files in one run, their endings pick the format" {
  run -0 bpgraph eval net.yaml -o out/a.json -o out/b.txt -oout/c.npz
  [ -z "$output" ] # nothing else is said
  jq -e '.gradients.x == -4' out/a.json
  grep -q gradient out/b.txt
  [ "$(head -c 2 out/c.npz)" = PK ]
}

@test "FORMAT:FILE picks the format itself" {
  bpgraph eval net.yaml -o json:out/a.txt -o text:out/b
  jq -e '.output.value == -12' out/a.txt
  grep -q gradient out/b
}

@test "a name that tells no format is refused before anything is written" {
  run -2 bpgraph eval net.yaml -o out/a.json -o out/b
  [ -z "$(ls out)" ]
}

@test "- is standard output" {
  [ "$(bpgraph eval net.yaml -o json:- | jq .output.value)" = -12 ]
  [ "$(bpgraph eval net.yaml -o -)" = "$(bpgraph eval net.yaml)" ]
  [ "$(bpgraph eval net.yaml --format json -o out/a.txt | jq .output.value)" = -12 ]
  grep -q gradient out/a.txt
}

@test "a file keeps its mode, a new one has the usual" {
  echo old >out/a.json && chmod 640 out/a.json
  (umask 027 && bpgraph eval net.yaml -o out/a.json -o out/b.json)
  [ "$(stat -c %a out/a.json)" = 640 ]
  [ "$(stat -c %a out/b.json)" = 640 ]
  (umask 022 && bpgraph eval net.yaml -o out/c.json)
  [ "$(stat -c %a out/c.json)" = 644 ]
}

@test "a link stays, what it points to is written" {
  echo old >out/real.json
  ln -s real.json out/link.json
  bpgraph eval net.yaml -o out/link.json
  [ -L out/link.json ]
  jq -e '.output' out/real.json
}

@test "a link that dangles stays, and its target is made" {
  ln -s made.json out/link.json
  bpgraph eval net.yaml -o out/link.json
  [ -L out/link.json ]
  jq -e '.output' out/made.json
}

@test "a device and a pipe are written directly" {
  bpgraph eval net.yaml -o json:/dev/null
  [ "$(bpgraph eval net.yaml -o json:/dev/stdout | jq .output.value)" = -12 ]
  mkfifo out/pipe
  cat out/pipe >out/seen &
  bpgraph eval net.yaml -o json:out/pipe
  wait $!
  jq -e '.output' out/seen
  [ -p out/pipe ]
}

@test "two outputs in one place are refused, be there a file or not" {
  for other in one.json ./one.json out/../one.json; do
    run -2 bpgraph eval net.yaml -o one.json -o "json:$other"
    [[ $output == *"-o json:$other: another output goes there already"* ]]
    [ ! -e one.json ]
  done
  run -0 bpgraph eval net.yaml -o one.json -o out/one.json
  cmp one.json out/one.json
}

@test "a format with two endings is listed once" {
  run -2 bpgraph derive net.yaml -o toml:net.toml
  [[ $output == *"unknown format 'toml': it is yaml"$'\n'* ]]
}

@test "an output that is an input is refused" {
  before=$(cat net.yaml)
  run -2 bpgraph eval net.yaml -o text:net.yaml
  run -2 bpgraph eval net.yaml -o text:./out/../net.yaml
  ln -s net.yaml link.yaml && ln net.yaml hard.yaml
  run -2 bpgraph eval net.yaml -o text:link.yaml
  run -2 bpgraph eval link.yaml -o text:hard.yaml
  [ "$(cat net.yaml)" = "$before" ]
}

@test "an output that is a data file of the net is refused" {
  echo '[1, 2]' >data.json
  printf 'bpgraph: 1\ninputs: {x: {file: data.json}}\nnodes: {f: sum(x)}\n' >reads.yaml
  run -2 bpgraph eval reads.yaml -o data.json
  run -2 bpgraph eval net.yaml --set x=@data.json -o data.json
  [ "$(cat data.json)" = '[1, 2]' ]
}

@test "an output that an option reads is refused, whatever the option" {
  printf 'bpgraph: 1\ninputs: {x: [3, 4]}\nnodes: {y: x * x, f: sum(y)}\n' >two.yaml
  printf 'bpgraph: 1\ninputs: {x: {file: data.json}}\nnodes: {f: sum(x)}\n' >reads.yaml
  while read -r words; do
    echo '[1, 2]' >data.json
    # shellcheck disable=SC2086
    run -2 bpgraph $words
    [[ $output == *'the net reads this file'* ]]
    [ "$(cat data.json)" = '[1, 2]' ]
  done <<'RUNS'
eval two.yaml --of y --upstream @data.json -o data.json
check two.yaml --of y --upstream @data.json -o data.json
check net.yaml reads.yaml two.yaml -o data.json
render two.yaml --of y --upstream @data.json -o dot:data.json
codegen two.yaml --of y --upstream @data.json -o c:data.json
derive two.yaml --forward x=@data.json -o yaml:data.json
hessian two.yaml --wrt x --times @data.json -o data.json
RUNS
}

@test "an invalid net leaves the files alone" {
  echo old >out/a.json
  echo 'bpgraph: 1' >invalid.yaml
  run -2 bpgraph eval invalid.yaml -o out/a.json -o out/b.json
  [ "$(cat out/a.json)" = old ]
  [ "$(ls out)" = a.json ]
}

@test "where nothing can be written the status is 3" {
  run -3 bpgraph eval net.yaml -o missing/a.json
  run -3 bpgraph eval net.yaml -o json:out
  run -3 bpgraph eval net.yaml -o json:/dev/full
  run -3 bpgraph eval net.yaml -o net.yaml/a.json
}

@test "a file that may not be written stays" {
  [ "$(id -u)" -ne 0 ] || skip "root may write everything"
  echo old >out/a.json && chmod 444 out/a.json
  run -3 bpgraph eval net.yaml -o out/a.json
  chmod 555 out
  run -3 bpgraph eval net.yaml -o out/b.json
  chmod 755 out
  [ "$(cat out/a.json)" = old ]
}

@test "a disk that is full leaves the old file" {
  make_large >large.yaml
  echo old >out/a.json
  run -3 bash -c 'ulimit -f 64; "$1" eval large.yaml --wrt x -o out/a.json' - "$BPGRAPH"
  [ "$(cat out/a.json)" = old ]
  run -3 bash -c 'ulimit -f 64; "$1" eval large.yaml -o out/new.json' - "$BPGRAPH"
  [ ! -e out/new.json ]
}

@test "one output that fails does not harm the others" {
  run -3 bpgraph eval net.yaml -o missing/a.json -o out/b.json
  jq -e '.output' out/b.json
}

@test "a run that is killed leaves the old file or the new one" {
  make_large >large.yaml
  bpgraph eval large.yaml -o out/whole.json
  for delay in 0.01 0.03 0.05 0.1 0.2; do
    echo old >out/a.json
    "$BPGRAPH" eval large.yaml -o out/a.json &
    sleep "$delay"
    kill -TERM $! || true
    wait $! || true
    [ "$(cat out/a.json)" = old ] || cmp out/a.json out/whole.json
  done
  rm -f out/*.tmp* # what was killed could not clean up
}
