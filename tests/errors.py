#!/usr/bin/env python3
"""Runs bpgraph on bad input, and on good input that is unusual, and compares exact texts.

usage: errors.py [--program FILE] [--update] [--times] [NAME...]

A case is a file errors/NAME.txt or good/NAME.txt.  Its first line says what is run and how it ends:

    exit 2                          bpgraph eval NAME.yaml
    exit 2: eval a.yaml --wrt q     bpgraph with these words; a shell reads them
    exit 0 within 300 MB: ...       and uses no more memory than that

The rest is the exact standard error, then, after a line `---- stdout`, the exact standard output
(without that line it is empty; `---- stdout any` leaves it open).

All run in a copy of the two folders, into which MADE below puts what no editor keeps as it is, and
what is large or has many parts.  A case may write files named out*; any other trace that it leaves
is a failure.  --update writes what the program says into the cases, to be read before it is kept.
"""
import argparse
import difflib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
NET = 'bpgraph: 1\ninputs: {x: 2}\nnodes:\n  y: x * x\n'
TIMEOUT = 120  # seconds; sanitizers are slow

# ---- what is made ----------------------------------------------------------------------------


def net(inputs, nodes='y: sum(x)'):
    return f'bpgraph: 1\ninputs: {{{inputs}}}\nnodes:\n  {nodes}\n'


def npy(header, data=b'', version=1):
    """A .npy file with this header, true or not."""
    head = header.encode()
    size = struct.pack('<H', len(head)) if version == 1 else struct.pack('<I', len(head))
    return b'\x93NUMPY' + bytes([version, 0]) + size + head + data


def npy_header(descr, shape, order=False):
    text = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    return text + ' ' * (63 - (10 + len(text)) % 64) + '\n'


def good_npy(*numbers):
    return npy(npy_header('<f8', f'({len(numbers)},)'), struct.pack(f'<{len(numbers)}d', *numbers))


def file_net(path, more=''):
    return f'bpgraph: 1\ninputs:\n  x: {{file: {path}{more}}}\nnodes:\n  y: sum(x)\n'


def chain(count):
    """Nodes in reverse order, each needing the next."""
    lines = [f'  n{i}: n{i - 1} + 1' for i in range(count, 0, -1)]
    return 'bpgraph: 1\nnodes:\n' + '\n'.join(lines) + '\ninputs: {n0: 1}\n'


def bomb(levels, width):
    lines = ['bpgraph: 1', 'inputs:', '  a0: &a0 [' + ', '.join(['1'] * width) + ']']
    for i in range(1, levels):
        lines.append(f'  a{i}: &a{i} [' + ', '.join([f'*a{i - 1}'] * width) + ']')
    return '\n'.join(lines) + '\nnodes:\n  y: 1\n'


# Text files by name; those of `made_bytes` are bytes.
MADE = {
    'exp-many.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                     ''.join(f'  n{i}: x + missing{i}\n' for i in range(150)),
    'nested-parentheses.yaml': net('x: 1', 'y: ' + '(' * 10000 + 'x' + ')' * 10000),
    'nested-minus.yaml': net('x: 1', 'y: ' + '-' * 10000 + 'x'),
    'nested-power.yaml': net('x: 1', 'y: ' + 'x**' * 10000 + 'x'),
    'nested-calls.yaml': net('x: 1', 'y: ' + 'exp(' * 10000 + 'x' + ')' * 10000),
    'nested-brackets.yaml': net('x: [1]', 'y: ' + 'x[' * 10000 + '0' + ']' * 10000),
    'nested-lists.yaml': 'bpgraph: 1\ninputs:\n  x: ' + '[' * 65 + ']' * 65 + '\nnodes: {y: x}\n',
    'nested-flow.yaml': 'bpgraph: 1\ninputs:\n  x: ' + '[' * 160000,
    'nested-block.yaml': 'bpgraph: 1\ninputs:\n' +
                         ''.join(' ' * i + 'a:\n' for i in range(1, 200)),
    'nested-dashes.yaml': 'bpgraph: 1\ninputs:\n  x: \n   ' + '- ' * 20000 + '1\n',
    'alias-bomb.yaml': bomb(30, 10),
    'alias-chain.yaml': bomb(20000, 1),
    'directives.yaml': ''.join(f'%TAG !t{i}! tag:example.org,{i}:\n' for i in range(20000)) +
                       '---\nbpgraph: 1\n',
    'long-key.yaml': 'bpgraph: 1\ninputs:\n  ' + 'k' * 5000 + ': 1\nnodes:\n  y: 1\n',
    'long-line.yaml': net('x: [1, 2], w: [1, 2, 3]', 'y: ' + 'x + ' * 300 + 'w + x'),
    'long-name.yaml': net('x: 1', 'y: x + ' + 'n' * 100000),
    'long-sum.yaml': net('x: 1', 'y: ' + 'x + ' * 200000 + 'x'),
    'wide-mapping.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                         ''.join(f'  n{i}: x + 1\n' for i in range(50000)),
    'wide-duplicate.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                           ''.join(f'  n{i}: x + 1\n' for i in range(50000)) + '  n7: x\n' +
                           'output: n1\n',
    'wide-undefined.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                           ''.join(f'  node{i}: x + nodd{i}\n' for i in range(100000)),
    'wide-cycle.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                       ''.join(f'  n{i}: x + n{(i + 1) % 100000}\n' for i in range(100000)),
    'wide-keys.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: {op: exp, inputs: [x], ' +
                      ', '.join(f'k{i}: 1' for i in range(20000)) + '}\n',
    'deep-chain.yaml': chain(1000000),
    'two-rows.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n' +
                     ''.join(f'  a{i}: x + 1\n  b{i}: a{i} + 1\n' for i in range(150000)) +
                     'output: b7\n',
    'options.yaml': 'bpgraph: 1\ninputs: {x: [1, 2], s: 3}\nconstants: {c: 2}\nnodes:\n'
                    '  y: x * s * c\n  l: sum(y)\noutput: l\n',
    'plain.yaml': NET,
    'crlf-fault.yaml': 'bpgraph: 1\r\ninputs: {x: 1}\r\nnodes:\r\n  y: x + z\r\n',
    'cr-fault.yaml': 'bpgraph: 1\rinputs: {x: 1}\rnodes:\r  y: x + z\r',
    'bom-fault.yaml': '\ufeffbpgraph: 1\ninputs: {x: 1}\nnodes: {y: x + z}\n',
    'bom-inside.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes: {y: \ufeffx}\n',
    'tab-fault.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y:\tx +\tz\n',
    'nbsp.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: x\u00a0+ 1\n',
    'zero-width.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: x\u200b + 1\n',
    'next-line.yaml': 'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: x\u2028  z: x\n',
    'crlf.yaml': NET.replace('\n', '\r\n'),
    'bom.yaml': '\ufeff' + NET,
    'no-end.yaml': NET.rstrip('\n'),
    'empty.yaml': '',
    'blank.yaml': '\n  \n\n',
    'comments.yaml': '# nothing\n  # but comments\n',
    'marker.yaml': '---\n',
    'marker-end.yaml': '---\n...\n',
    'ragged.csv': '1,2,3\n4,5\n',
    'words.csv': '1,2\n3,four\n',
    'empty.csv': '',
    'numbers.csv': '1,2\n3,4\n',
    'broken.json': '{"x": [1, 2',
    'ragged.json': '[[1, 2], [3]]',
    'words.json': '{"x": ["a"]}',
    'keys.json': '{"weights": [1, 2], "bias": [3]}',
    'deep.json': '[' * 100000,
    'secret.txt': 'secret\n',
}

for name, path in {'file-missing': 'nowhere.npy', 'file-folder': 'folder.npy',
                   'file-ending': 'secret.txt', 'file-empty-path': '""', 'file-outside': '../up.npy',
                   'file-link': 'link.npy', 'file-absolute': '/etc/passwd.npy',
                   'file-csv-ragged': 'ragged.csv', 'file-csv-words': 'words.csv',
                   'file-csv-empty': 'empty.csv', 'file-json-broken': 'broken.json',
                   'file-json-ragged': 'ragged.json', 'file-json-deep': 'deep.json',
                   'file-npy-empty': 'empty.npy', 'file-npy-magic': 'magic.npy',
                   'file-npy-truncated': 'truncated.npy', 'file-npy-trailing': 'trailing.npy',
                   'file-npy-huge': 'huge.npy', 'file-npy-overflow': 'overflow.npy',
                   'file-npy-negative': 'negative.npy', 'file-npy-complex': 'complex.npy',
                   'file-npy-object': 'object.npy', 'file-npy-header': 'header.npy',
                   'file-npy-text': 'text.npy', 'file-npy-version': 'version.npy',
                   'file-npz-not-zip': 'notzip.npz', 'file-npz-truncated': 'truncated.npz',
                   'file-npz-several': 'several.npz', 'file-npz-lying': 'lying.npz',
                   'file-npz-bad-member': 'member.npz', 'file-pipe': 'pipe.npy'}.items():
    MADE[name + '.yaml'] = file_net(path)
MADE['file-json-words.yaml'] = file_net('words.json', ', key: x')
MADE['file-json-key.yaml'] = file_net('keys.json', ', key: weight')
MADE['file-npz-key.yaml'] = file_net('several.npz', ', key: c')
MADE['file-csv-key.yaml'] = file_net('numbers.csv', ', key: a')
MADE['file-shape.yaml'] = file_net('numbers.csv', ', shape: [3]')

BYTES = {
    'utf16.yaml': NET.encode('utf-16'),
    'utf16-be.yaml': b'\xfe\xff' + NET.encode('utf-16-be'),
    'latin1.yaml': 'bpgraph: 1\n# gr\u00f6\u00dfe\ninputs: {x: 1}\nnodes: {y: x}\n'.encode('latin-1'),
    'overlong.yaml': b'bpgraph: 1\ntitle: \xc0\xaf\n',
    'surrogate.yaml': b'bpgraph: 1\n\ntitle: a \xed\xa0\x80\n',
    'cut-character.yaml': b'bpgraph: 1\ntitle: \xe6\x97',
    'control.yaml': b'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: x \x07+ 1\n',
    'escape.yaml': b'bpgraph: 1\ninputs: {x: 1}\nnodes:\n  y: \x1b[31mx\n',
    'delete.yaml': b'bpgraph: 1\ntitle: a\x7fb\n',
    'c1.yaml': 'bpgraph: 1\ntitle: a\u0085b\u0090c\n'.encode(),
    'nul.yaml': b'bpgraph: 1\ninputs: {x\x00y: 1}\nnodes: {y: 1}\n',
    'noncharacter.yaml': 'bpgraph: 1\ntitle: a\uffffb\n'.encode(),
    'random.yaml': bytes((i * 7919 + 13) % 251 + 1 for i in range(5000)),
    'good.npy': good_npy(3, 4),
    'empty.npy': b'',
    'magic.npy': b'NUMPY stuff that is no array at all, long enough for a header, or is it?',
    'truncated.npy': good_npy(1, 2, 3)[:-4],
    'trailing.npy': good_npy(1, 2, 3) + b'more',
    'huge.npy': npy(npy_header('<f8', '(1000000, 1000000, 1000000)'), b'\0' * 64),
    'overflow.npy': npy(npy_header('<f8', '(4294967296, 4294967296, 16)'), b'\0' * 64),
    'negative.npy': npy(npy_header('<f8', '(-2,)'), b'\0' * 16),
    'complex.npy': npy(npy_header('<c16', '(1,)'), b'\0' * 16),
    'object.npy': npy(npy_header('|O', '(1,)'), b'\0' * 16),
    'header.npy': npy("{'descr': '<f8', 'shape': (2,) }\n", b'\0' * 16),
    'text.npy': npy(npy_header('<U4', '(1,)'), b'\0' * 16),
    'version.npy': npy(npy_header('<f8', '(1,)'), b'\0' * 8, version=9),
    'notzip.npz': b'this is no zip file, whatever its name says' * 3,
}


def write_zip(path, members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)


def make(folder):
    """Writes all that is made into a copy of errors/ or good/."""
    os.chdir(folder)
    for name, text in MADE.items():
        with open(name, 'w', encoding='utf-8', newline='') as file:
            file.write(text)
    for name, data in BYTES.items():
        with open(name, 'wb') as file:
            file.write(data)
    for path, data in (('../up.npy', good_npy(1)), ('../good/data.npy', good_npy(3, 4))):
        with open(path, 'wb') as file:
            file.write(data)
    write_zip('several.npz', [('a.npy', good_npy(1, 2)), ('b.npy', good_npy(3))])
    write_zip('lying.npz', [('a.npy', BYTES['huge.npy'])])
    write_zip('member.npz', [('a.npy', b'no array')])
    with open('several.npz', 'rb') as whole, open('truncated.npz', 'wb') as part:
        part.write(whole.read()[:100])
    os.symlink('../up.npy', 'link.npy')
    os.symlink('plain.yaml', 'link.yaml')
    os.mkdir('folder')
    os.mkdir('folder.npy')
    os.mkfifo('pipe.npy')
    for name, line in (('hostile-line', b'x'), ('hostile-brackets', b'['), ('hostile-nul', b'\0'),
                       ('hostile-lines', b'a: 1\n'), ('hostile-dashes', b'- '),
                       ('hostile-quote', b'"\n'), ('hostile-hash', b'# \n')):
        with open(name + '.yaml', 'wb') as file:
            file.write(b'bpgraph: 1\n' if name != 'hostile-nul' else b'')
            block = line * (1000000 // len(line))
            for _ in range(100):
                file.write(block)


# ---- running ---------------------------------------------------------------------------------


class Case:
    def __init__(self, path):
        self.path = path
        self.folder, name = os.path.split(path)
        self.name = name[:-len('.txt')]
        with open(path, encoding='utf-8', newline='') as file:
            text = file.read()
        self.first, _, self.expected = text.partition('\n')
        match = re.fullmatch(r'exit (\d+)(?: within (\d+) MB)?(?:: (.*))?', self.first)
        if not match:
            sys.exit(f'{path}: the first line is wrong: {self.first}')
        self.status = int(match[1])
        self.limit = int(match[2]) if match[2] else None
        self.command = f'eval {self.name}.yaml' if match[3] is None else match[3]


def run(case, program, sanitized):
    """Runs a case; returns what it said in the form of a case file, and other complaints."""
    before = set(os.listdir())
    line = f'"$BPGRAPH" {case.command}'
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(['sh', '-c', line], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=err, env=dict(os.environ, BPGRAPH=program),
                                   start_new_session=True)
        timer = threading.Timer(TIMEOUT, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        case.seconds, case.memory = time.monotonic() - began, usage.ru_maxrss // 1024
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode('utf-8', 'backslashreplace'))
    said = texts[1]
    if '---- stdout any\n' in case.expected:
        said += '---- stdout any\n'
    elif texts[0]:
        said += '---- stdout\n' + texts[0]
    complaints = []
    if case.limit and case.memory > case.limit and not sanitized:
        complaints.append(f'{case.memory} MB of memory, not {case.limit}')
    if process.returncode != case.status:
        complaints.append(f'exit status {process.returncode}, not {case.status}')
    traces = {name for name in set(os.listdir()) - before if not name.startswith('out')}
    if traces:
        complaints.append('left behind: ' + ', '.join(sorted(traces)))
    for name in set(os.listdir()) - before:
        os.unlink(name)
    return said, complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--program', default=os.path.join(HERE, '..', 'build', 'bpgraph'))
    parser.add_argument('--update', action='store_true')
    parser.add_argument('--times', action='store_true')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    paths = sorted(os.path.join(HERE, folder, name) for folder in ('errors', 'good')
                   for name in os.listdir(os.path.join(HERE, folder)) if name.endswith('.txt'))
    cases = [Case(path) for path in paths]
    if options.names:
        cases = [case for case in cases if case.name in options.names]
    passed = failed = 0
    # Memory is measured of a child; sanitizers take much more.
    with open(program, 'rb') as file:
        sanitized = b'__asan_init' in file.read()
    os.environ.update(LC_ALL='C', TERM='dumb', ASAN_OPTIONS='detect_leaks=0')
    with tempfile.TemporaryDirectory() as scratch:
        for folder in ('errors', 'good'):
            shutil.copytree(os.path.join(HERE, folder), os.path.join(scratch, folder))
        make(os.path.join(scratch, 'errors'))
        MADE.clear()
        BYTES.clear()
        for case in cases:
            os.chdir(os.path.join(scratch, os.path.basename(case.folder)))
            said, complaints = run(case, program, sanitized)
            if options.update and said != case.expected:
                with open(case.path, 'w', encoding='utf-8', newline='') as file:
                    file.write(case.first + '\n' + said)
                case.expected = said
            if said != case.expected:
                complaints += difflib.unified_diff(case.expected.split('\n'), said.split('\n'),
                                                   'expected', 'said', lineterm='')
            verdict = 'FAILED' if complaints else 'ok'
            took = f' ({case.seconds:.2f} s, {case.memory} MB)' if options.times else ''
            print(f'{verdict:6} {os.path.basename(case.folder)}/{case.name}{took}')
            for complaint in complaints:
                print('       ' + complaint)
            passed += not complaints
            failed += bool(complaints)
        os.chdir(HERE)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
