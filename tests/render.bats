# bpgraph render: its options, what it does about Graphviz, and what users may write into a net.
# (What pictures say is compared with the result by pictures.py, what they look like by browser.py.)
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0

setup() {
  BPGRAPH=${BPGRAPH:-$BATS_TEST_DIRNAME/../build/bpgraph}
  examples=$BATS_TEST_DIRNAME/../examples
  cd "$BATS_TEST_TMPDIR" || return
  cat >xyz.yaml <<'NET'
bpgraph: 1
title: (x + y) z
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
}

render() { "$BPGRAPH" render "$@"; }

# nodes ATTRIBUTE ARGS...: that attribute of every node of the picture that is a node of the net.
nodes() {
  attribute=$1
  shift
  "$BPGRAPH" render "$@" | gvpr "N [quantity != \"\"] { print(quantity, \" \", $attribute) }" | sort
}

# texts FILE: the texts of an SVG, a line each.
texts() { xmllint --xpath '//*[local-name()="text"]/text()' "$1"; }

# A `dot` program of our own in front of the real one.
fake_dot() {
  mkdir -p bin
  { echo '#!/bin/sh' && cat; } >bin/dot
  chmod +x bin/dot
  PATH=$PWD/bin:$PATH
}

# fails_to_draw TEXT ARGS...: exit 3 within ten seconds, one error that says TEXT, no file.  Programs
# are looked for in $programs, where it is set.
fails_to_draw() {
  text=$1
  shift
  [[ $* == *out.* ]] || set -- "$@" -o out.svg
  run --separate-stderr timeout 10 env PATH="${programs-$PATH}" "$BPGRAPH" render xyz.yaml "$@"
  echo "$stderr"
  [ "$status" -eq 3 ]
  [[ $stderr == *"cannot draw: "*"$text"*"[BP904]"* ]]
  [ "$(grep -c 'error:' <<<"$stderr")" -eq 1 ]
  [ -z "$output" ]
  [ -z "$(find . -name 'out*')" ]
}

# ---- formats -------------------------------------------------------------------------------------

@test "standard output gets DOT; endings pick formats; all outputs come of one evaluation" {
  run render xyz.yaml
  [ "$status" -eq 0 ]
  [[ $output == 'digraph bpgraph {'* ]]
  render xyz.yaml -o a.dot -o a.svg -o a.png -o a.pdf -o svg:picture
  head -c 5 a.dot | grep -q digra
  xmllint --noout a.svg picture
  cmp a.svg picture
  [ "$(head -c 4 a.png | tail -c 3)" = PNG ]
  head -c 5 a.pdf | grep -q %PDF-
}

@test "what is written is the same from run to run" {
  for format in dot svg; do
    render "$examples/softmax-weight-decay.yaml" -o one.$format
    render "$examples/softmax-weight-decay.yaml" -o two.$format
    cmp one.$format two.$format
  done
}

@test "a PNG is not blank" {
  render xyz.yaml -o a.png
  python3 - <<'PY'
import struct, zlib
data = open("a.png", "rb").read()
width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
pixels, at = b"", 8
while at < len(data):
    size, name = struct.unpack(">I4s", data[at:at + 8])
    if name == b"IDAT":
        pixels += data[at + 8:at + 8 + size]
    at += size + 12
assert depth == 8 and kind in (2, 6), (depth, kind)
raw = zlib.decompress(pixels)
step = {2: 3, 6: 4}[kind]
line = 1 + step * width
above, colors, dark = bytearray(line), set(), 0
for row in range(height):  # undo the filters
    now = bytearray(raw[row * line:(row + 1) * line])
    for i in range(1, line):
        left = now[i - step] if i > step else 0
        up, corner = above[i], above[i - step] if i > step else 0
        nearest = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
        now[i] = (now[i] + (0, left, up, (left + up) // 2, nearest)[now[0]]) % 256
    above = now
    for i in range(1, line, step):
        colors.add(bytes(now[i:i + 3]))
assert (0, 0x72, 0xb2) in {tuple(c) for c in colors}, "no value in blue"
assert (0xb3, 0x4e, 0) in {tuple(c) for c in colors}, "no gradient in orange"
assert len(colors) > 20
PY
}

# ---- what is shown -------------------------------------------------------------------------------

@test "short signs stand in circles, an op with attributes under its name in a box" {
  cat >layer.yaml <<'NET'
bpgraph: 1
inputs: {x: [[1, 2], [3, 5]]}
nodes: {m: "mean(x, axis=1, keepdims=true)", s: sum(m)}
NET
  [ "$(nodes shape layer.yaml | tr '\n' ';')" = 'm box;s circle;x box;' ]
}

@test "the lecture's numbers stand on the wires" {
  render xyz.yaml -o a.svg
  [ "$(texts a.svg | grep -cFx '∂ −4')" -eq 3 ]
  for text in '(x + y) z' x '+' '×' '−12' '∂ 3' q; do texts a.svg | grep -qF "$text"; done
}

@test "--style boxes has a box a node, compact no numbers; unknown words are named" {
  [ "$(render xyz.yaml --style boxes | gvpr 'N { print(name) }' | wc -l)" = 5 ]
  render xyz.yaml --style boxes -o b.svg
  texts b.svg | grep -qF -- '−12'
  render xyz.yaml --style compact --no-legend -o c.svg
  [ "$(texts c.svg | sort | xargs)" = 'f q x y z' ]
  run render xyz.yaml --style fancy
  [ "$status" -eq 2 ]
  [[ $output == *"--style is wires, boxes or compact, not 'fancy' [BP601]"* ]]
  for option in --palette --level --show; do
    run render xyz.yaml $option fancy
    [ "$status" -eq 2 ]
    [[ $output == *"$option:1:1: error: $option is "*"not 'fancy' [BP601]"* ]]
  done
}

@test "--show picks what is said, of edges too" {
  render xyz.yaml --show local,contribution --no-legend -o a.svg
  texts a.svg >a.txt
  [ "$(grep -cFx 'local 1' a.txt)" -eq 2 ]
  [ "$(grep -cFx '∂ −4' a.txt)" -eq 3 ]
  ! grep -qF -- '−12' a.txt
  grep -qFx q a.txt # names stay
  render vector.yaml --upstream '[1,0,0]' --show shape --style boxes --no-legend -o b.svg
  [ "$(texts b.svg | grep -cFx '[3]')" -eq 4 ]
}

@test "zero gradients are dead, absent ones absent, and nothing is invented where none is computed" {
  cat >dead.yaml <<'NET'
bpgraph: 1
inputs: {x: -1, y: 2}
constants: {c: 3}
nodes: {h: relu(x), f: h + c * y}
NET
  run nodes class dead.yaml
  [[ $output == *"x input dead"* ]]
  [[ $output == *"h op"* && $output != *"h op dead"* ]]
  [ "$(render dead.yaml | gvpr 'E [class == "dead" && slot != ""] { print(contribution) }' | sort -u)" = 0 ]
  [ "$(nodes gradient dead.yaml | grep '^c ')" = 'c ' ]
  [ -z "$(nodes gradient vector.yaml | awk '$2 != ""')" ]
  [ -z "$(nodes gradient --no-gradients xyz.yaml | awk '$2 != ""')" ]
  run --separate-stderr render vector.yaml -o a.svg
  [ "$status" -eq 0 ]
  [[ $stderr == *"values only, no gradients [BP503]"* ]]
  ! texts a.svg | grep -q '∂'
}

@test "undefined derivatives and numbers that are not finite are marked where they are" {
  cat >bad.yaml <<'NET'
bpgraph: 1
inputs: {x: 0, y: -1}
nodes: {a: abs(x), l: log(y), f: a + l}
NET
  run nodes class bad.yaml
  [[ $output == *"a op undefined"* && $output == *"l op not-finite"* && $output == *"x input"* ]]
  [ "$(nodes value bad.yaml | grep '^l ')" = 'l "NaN"' ]
  render bad.yaml -o a.svg 2>messages
  grep -q BP502 messages
  texts a.svg | grep -qF '∂ undefined'
  texts a.svg | grep -qF 'not finite'
}

@test "large tensors are a strip and a norm; what programs read ends at 256 entries" {
  cat >large.yaml <<'NET'
bpgraph: 1
inputs: {x: {normal: {shape: [40, 50]}}, e: {zeros: [0, 3]}}
nodes: {f: sum(x ** 2) + sum(e)}
NET
  render large.yaml -o a.svg
  [ "$(texts a.svg | grep -c norm)" -ge 3 ]
  [ "$(texts a.svg | wc -w)" -lt 80 ]
  texts a.svg | grep -qF '(empty)'
  [ "$(nodes value large.yaml | grep '^x ')" = 'x ' ]
}

@test "--wrt leaves out what it does not move" {
  [ "$(nodes gradient --wrt x xyz.yaml | awk '$2 != ""')" = $'f 1\nq -4\nx -4' ]
}

@test "options of eval hold" {
  [ "$(nodes value --set x=10 xyz.yaml | grep '^f ')" = 'f -60' ]
  [ "$(nodes gradient --of q xyz.yaml | grep '^x ')" = 'x 1' ]
  [ "$(nodes gradient --upstream 2 xyz.yaml | grep '^z ')" = 'z 6' ]
  run render xyz.yaml --of nobody
  [ "$status" -eq 2 ]
}

@test "labels and descriptions of the author are shown" {
  cat >named.yaml <<'NET'
bpgraph: 1
description: what it is about
inputs: {x: {value: 2, label: the input, description: fed in}}
nodes: {f: {expr: x * x, label: energy}}
NET
  render named.yaml -o a.svg
  texts a.svg | grep -qFx 'the input'
  texts a.svg | grep -qF 'energy'
  grep -qF 'aria-label="the input, input, value 2, gradient 4: fed in"' a.svg
  grep -qF 'what it is about' a.svg
}

# ---- how much is drawn ---------------------------------------------------------------------------

@test "--level names draws the author's nodes, and is the default of large nets" {
  cat >parts.yaml <<'NET'
bpgraph: 1
inputs: {x: 3}
nodes: {f: sin(x ** 2 + 1) * x}
NET
  [ "$(nodes op --level names parts.yaml)" = $'f mul\nx ' ]
  [ "$(nodes op --level ops parts.yaml | wc -l)" -eq 5 ]
  [ "$(nodes op parts.yaml | wc -l)" -eq 5 ]
  # The output is drawn, be it a part.
  [ "$(nodes class --level names --of f.2 parts.yaml | grep output)" = 'f.2 op output' ]
  [ "$(nodes class --of x parts.yaml | grep output)" = 'x input output' ]
  render --level names parts.yaml --no-legend -o a.svg
  texts a.svg | grep -qFx 'sin(x ** 2 + 1) * x'
  { echo 'bpgraph: 1' && echo 'inputs: {x: 1}' && echo 'nodes: {f:' &&
    for i in $(seq 50); do printf 'x + '; done && echo 'x}'; } >long.yaml
  [ "$(nodes op long.yaml | wc -l)" -eq 2 ]
}

@test "calls of functions are frames; --collapse makes them nodes" {
  cat >calls.yaml <<'NET'
bpgraph: 1
inputs: {x: 0.5}
functions:
  inner: {inputs: [a], nodes: {s: a ** 2}, output: s + 1}
  outer: {inputs: [b], nodes: {t: inner(b)}, output: sin(t) * b}
nodes: {h: outer(x), g: inner(h)}
NET
  render calls.yaml | gvpr 'BEG_G { graph_t s; for (s = fstsubg($G); s; s = nxtsubg(s)) print(s.name) }' >frames
  [ "$(grep -c cluster_ frames)" -eq 2 ]
  [ "$(nodes op --collapse outer calls.yaml | wc -l)" -eq 4 ]
  [ "$(nodes op --collapse inner,outer calls.yaml)" = $'g add\nh mul\nx ' ]
  [ "$(nodes op --collapse h,g calls.yaml)" = $'g add\nh mul\nx ' ]
  [ "$(nodes gradient --collapse h calls.yaml | grep '^x ')" = "$(nodes gradient calls.yaml | grep '^x ')" ]
  run render calls.yaml --collapse nobody
  [ "$status" -eq 2 ]
  [[ $output == *"'nobody' is no function of this net, nor a call of one [BP602]"* ]]
}

@test "what a collapsed call shows to others stays" {
  cat >shown.yaml <<'NET'
bpgraph: 1
inputs: {x: 0.5}
functions: {f: {inputs: [a], nodes: {s: a ** 2, u: s + 1}, output: sin(u)}}
nodes: {h: f(x), g: h.s * h}
NET
  [ "$(nodes op --collapse f shown.yaml)" = $'g mul\nh sin\nh.s pow\nx ' ]
}

@test "--focus, --depth and --between draw a part" {
  ladder=$examples/ladder.yaml
  [ "$(nodes op --focus v4a --depth 1 "$ladder" | awk '{print $1}' | tr '\n' ' ')" = \
    'v3a v3b v3c v4a v5a v5b v5c ' ]
  [ "$(nodes op --focus v4a --depth 0 "$ladder" | wc -l)" -eq 1 ]
  [ "$(nodes op --between v3a,v5b "$ladder" | awk '{print $1}' | tr '\n' ' ')" = 'v3a v4a v4b v4c v5b ' ]
  run render "$ladder" --between v5b,v3a
  [ "$status" -eq 2 ]
  [[ $output == *'no way leads from v5b to v3a [BP604]'* ]]
  run render "$ladder" --focus v4x
  [ "$status" -eq 2 ]
  [[ $output == *"'v4x' is no node of this net [BP113]"*'did you mean '* ]]
  for wrong in '--depth 1' '--focus v1 --depth -1' '--between v1' '--max-nodes 0' '--seconds x' '--legend --no-legend'; do
    # shellcheck disable=SC2086
    run render "$ladder" $wrong
    [ "$status" -eq 2 ]
  done
}

@test "too many nodes are an error that says what to do" {
  { echo 'bpgraph: 1' && echo 'inputs: {n0: 1}' && echo 'nodes:' &&
    for i in $(seq 2100); do echo "  n$i: n$((i - 1)) + 1"; done; } >chain.yaml
  run render chain.yaml
  [ "$status" -eq 2 ]
  [[ $output == *'2101 nodes would be drawn, more than the 2000 that are allowed [BP605]'* ]]
  [[ $output == *'--focus NODE --depth K or --between A,B'*'--max-nodes 2101'* ]]
  [ "$(nodes op --max-nodes 2101 chain.yaml | wc -l)" -eq 2101 ]
  [ "$(nodes op --between n1000,n1009 chain.yaml | wc -l)" -eq 10 ]
}

# ---- what users write ----------------------------------------------------------------------------

@test "any text is shown as it is: backslashes, quotes, brackets, braces, escapes" {
  cat >traps.yaml <<'NET'
bpgraph: 1
title: 'ends in \'
inputs:
  a: {value: 1, label: '\N and \G and \l'}
  b: {value: 2, label: '<b>|{x}&amp;</b> "quoted" \"'}
  c: {value: 3, label: 'ends in \'}
  d: {value: 4, label: 'λ θ_1 ∂ ü 漢字'}
nodes: {f: a * b * c * d}
NET
  render traps.yaml -o a.svg -o a.dot
  xmllint --noout a.svg
  texts a.svg | sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g' >a.txt
  for text in 'ends in \' '\N and \G and \l' '<b>|{x}&amp;</b> "quoted" \"' 'λ θ_1 ∂ ü 漢字'; do
    grep -qFx -- "$text" a.txt
  done
  # Eight nodes, seven of them with a label on the wire, and the end of the output's.
  [ "$(gvpr 'N { print(name) }' a.dot | wc -l)" -eq 15 ]
}

@test "control characters and what XML cannot hold are replaced" {
  printf 'bpgraph: 1\ntitle: "bell \\a escape \\x1b \\uFFFE tab\\tline\\nend"\ninputs: {x: 1}\nnodes: {f: x * 2}\n' >control.yaml
  render control.yaml -o a.svg
  xmllint --noout a.svg
  texts a.svg | grep -qF 'bell'
}

@test "very long names and expressions are cut, in the picture only" {
  name=$(printf 'n%.0s' $(seq 3000))
  printf 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  ? %s\n  : x + 1\n  f: %s * 2\n' "$name" "$name" >long.yaml
  render long.yaml -o a.svg -o a.dot
  [ "$(texts a.svg | awk '{ if (length > most) most = length } END { print most }')" -lt 60 ]
  [ "$(gvpr 'N [op == "add"] { print(quantity) }' a.dot)" = "$name" ]
  ! grep -q '\\$' a.dot # Graphviz folds long lines unless told not to
}

@test "names that clash with DOT's own words are names" {
  cat >words.yaml <<'NET'
bpgraph: 1
inputs: {node: 1, graph: 2, edge: 3}
nodes: {digraph: node + graph, subgraph: digraph * edge}
NET
  [ "$(nodes value words.yaml)" = $'digraph 3\nedge 3\ngraph 2\nnode 1\nsubgraph 9' ]
}

# ---- accessible ----------------------------------------------------------------------------------

@test "an SVG has a title, a description, a name a node, and follows the reader's colours" {
  render xyz.yaml -o a.svg
  value() { xmllint --xpath "string($1)" a.svg; }
  [ "$(value '/*[local-name()="svg"]/*[local-name()="title"]')" = '(x + y) z' ]
  [[ $(value '/*[local-name()="svg"]/*[local-name()="desc"]') == *'Its output: f = q * z, value -12, gradient 1.' ]]
  [ "$(value '//*[@id="n0"]/@aria-label')" = 'x, input, value -2, gradient -4' ]
  [ "$(value '//*[@id="n3"]/*[local-name()="title"]')" = 'q = x + y, value 3, gradient -4' ]
  [ "$(value '//*[@id="n0_n3_0"]/@aria-label')" = 'x to q, local derivative 1, contribution -4' ]
  [ "$(value '//*[@id="n3"]/@class')" = 'node op' ]
  grep -q 'prefers-color-scheme:dark' a.svg
  # Every colour that is used has a dark one.
  grep -oE '(fill|stroke)="#[0-9a-f]{6}"' a.svg | sort -u | grep -v style >used
  while read -r use; do grep -qF "[$use]" a.svg; done <used
}

@test "colours of text are readable: contrast of 4.5 to white and to the tints" {
  python3 - "$BATS_TEST_DIRNAME/../lib/export/palette.c" <<'PY'
import re, sys
def luminance(c):
    parts = [int(c[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
def contrast(a, b):
    a, b = sorted((luminance(a), luminance(b)), reverse=True)
    return (a + 0.05) / (b + 0.05)
text = open(sys.argv[1]).read()
common, default, classic = re.split(r"\[PALETTE_\w+\] =", text)
rows = lambda part: dict((m[0].strip(), m[1:]) for m in re.findall(r'\[TONE_([\w +]+)\] = \{"(#\w+)", "(#\w+)"\}', part))
shared = rows(common)
for part in (default, classic):
    tones = {**shared, **rows(part)}
    assert len(tones) == 22, len(tones)
    for mode in (0, 1):
        for ink in ("INK", "QUIET", "FAULT", "VALUE", "GRADIENT"):
            for paper in ("PAPER", "OP", "CALL"):
                ratio = contrast(tones[ink][mode], tones[paper][mode])
                assert ratio >= 4.5, (ink, paper, mode, ratio)
        for name in tones:
            if re.match(r"POSITIVE|NEGATIVE|INPUT|PARAMETER|CONSTANT|OUTPUT", name):
                ratio = contrast(tones["INK"][mode], tones[name][mode])
                assert ratio >= 4.5, (name, mode, ratio)
PY
}

# ---- Graphviz ------------------------------------------------------------------------------------

@test "no dot program: a clear error, and DOT all the same" {
  mkdir empty
  programs=$PWD/empty fails_to_draw "the program 'dot' is not found"
  [[ $stderr == *'hint: install graphviz'* ]]
  run env PATH="$PWD/empty" "$BPGRAPH" render xyz.yaml
  [ "$status" -eq 0 ]
}

@test "a dot that crashes, fails, hangs, answers nothing, half an image or something else" {
  fake_dot <<<'kill -SEGV $$'
  fails_to_draw 'signal 11'
  fake_dot <<<'cat >/dev/null; echo "Error: no luck" >&2; exit 7'
  fails_to_draw 'status 7: Error: no luck'
  fake_dot <<<'exec sleep 60'
  fails_to_draw 'took more than 0.5 seconds' --seconds 0.5
  fake_dot <<<'cat >/dev/null; sleep 60 3>&- & exit 0' # (bats waits for whoever holds its 3)
  fails_to_draw 'took more than 0.5 seconds' --seconds 0.5
  fake_dot <<<'exit 0'
  fails_to_draw 'no whole svg'
  fake_dot <<<'cat >/dev/null; echo "<?xml version=\"1.0\"?><svg"'
  fails_to_draw 'no whole svg'
  fake_dot <<<'cat'
  fails_to_draw 'no whole svg'
  fake_dot <<<'cat >/dev/null; yes bad 2>&1 | head -c 2000000 >&2; echo "Error: no luck" >&2; exit 7'
  fails_to_draw 'status 7'
}

@test "a dot that never reads while much is to be read" {
  { echo 'bpgraph: 1' && echo 'inputs: {n0: 1}' && echo 'nodes:' &&
    for i in $(seq 1500); do echo "  n$i: n$((i - 1)) + 1"; done; } >chain.yaml
  fake_dot <<<'exec sleep 60'
  run timeout 10 "$BPGRAPH" render chain.yaml --seconds 0.5 -o svg:out
  [ "$status" -eq 3 ]
  fake_dot <<<'exit 1'
  run timeout 10 "$BPGRAPH" render chain.yaml -o svg:out
  [ "$status" -eq 3 ]
  [ ! -e out ]
}

@test "a dot without its list of plugins" {
  mkdir empty
  GVBINDIR=$PWD/empty fails_to_draw "cannot write svg"
  [[ $stderr == *"run 'dot -c' as root"* ]]
}

@test "no fonts: no picture with empty boxes for letters" {
  mkdir cache
  cat >fonts.conf <<CONF
<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/nonexistent</dir><cachedir>$PWD/cache</cachedir></fontconfig>
CONF
  export FONTCONFIG_FILE=$PWD/fonts.conf
  fails_to_draw 'finds no font' -o out.png
  # The letters of an SVG are its reader's.
  render xyz.yaml -o a.svg
  texts a.svg | grep -qFx '∂ −4'
}

@test "edges that dot cannot route as curves are drawn straight" {
  fake_dot <<'SH'
echo "$*" >>calls
case $* in
  *splines=true*) cat >/dev/null; echo 'Error: lost n1w n3 edge' >&2; exit 0 ;;
  *) cat >/dev/null; echo '<?xml version="1.0"?><svg></svg>' ;;
esac
SH
  render xyz.yaml -o a.svg
  [ "$(wc -l <calls)" -eq 2 ]
  fake_dot <<<'cat >/dev/null; echo "<?xml?><svg></svg>"; echo "Error: lost n1w n3 edge" >&2'
  rm a.svg
  fails_to_draw 'lost n1w n3 edge'
}

@test "outputs appear whole or not at all" {
  run render xyz.yaml -o missing/a.svg
  [ "$status" -eq 3 ]
  [ ! -e missing ]
  run --separate-stderr render xyz.yaml -o svg:/dev/full
  [ "$status" -eq 3 ]
  [[ $stderr == *'cannot write /dev/full: No space left on device'* ]]
  run render xyz.yaml -o xyz.yaml
  [ "$status" -eq 2 ]
  echo before >out.svg
  mkdir empty
  run env PATH="$PWD/empty" "$BPGRAPH" render xyz.yaml -o out.svg
  [ "$status" -eq 3 ]
  [ "$(cat out.svg)" = before ]
}
