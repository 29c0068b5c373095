#!/usr/bin/python3
"""Can people read the pictures? A browser says where each text stands.

usage: browser.py BPGRAPH NET...

Every net is rendered as SVG in all styles; headless Chromium lays the pictures out, in a page with
light and in one with dark colours, and tells for each text
  * that it is there, inside the picture, and at least 10 pixels high;
  * that it overlaps no other text;
  * that it contrasts with the page by 4.5 at least, in light and in dark mode.
Exit status 77 where there is no Chromium.
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STYLES = ("wires", "boxes", "compact")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCRIPT = """
const told = [];
for (const svg of document.querySelectorAll("svg")) {
  const page = svg.getBoundingClientRect(), texts = [];
  for (const text of svg.querySelectorAll("text")) {
    const box = text.getBoundingClientRect(), style = getComputedStyle(text);
    texts.push({text: text.textContent, left: box.left - page.left, right: box.right - page.left,
                top: box.top - page.top, bottom: box.bottom - page.top,
                size: parseFloat(style.fontSize), fill: style.fill});
  }
  const paper = getComputedStyle(svg.querySelector("polygon")).fill;
  told.push({name: svg.parentNode.dataset.name, width: page.width, height: page.height, paper, texts});
}
document.body.textContent = JSON.stringify(told);
"""
faults = []


def measure(browser, pictures, dark):
    """What the browser says of each picture."""
    with tempfile.TemporaryDirectory() as folder:
        body = "".join(f'<div data-name="{name}">{svg}</div>' for name, svg in pictures.items())
        page = Path(folder) / "page.html"
        page.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{body}<script>{SCRIPT}</script>', encoding="utf-8")
        scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
        done = subprocess.run([browser, *FLAGS, *scheme, f"--user-data-dir={folder}/user", "--dump-dom", f"file://{page}"],
                              capture_output=True, text=True, timeout=250)
    found = re.search(r"<body>(.*)</body>", done.stdout, re.DOTALL)
    if not found:
        sys.exit(f"no answer of the browser (status {done.returncode}): {done.stderr[-2000:]}")
    text = found.group(1).strip()
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return json.loads(text)


def luminance(color):
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def overlap(a, b):
    """Whether two boxes, of which `a` begins first, reach into one another; by less than a blank's
    width where `b` begins with one, and lines of one label stand close to one another."""
    across = min(a["right"], b["right"]) - max(a["left"], b["left"])
    if b["text"].startswith("\u00a0"):
        across -= b["size"] / 4
    down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return across > 1 and down > 0.3 * min(a["bottom"] - a["top"], b["bottom"] - b["top"])


def check(told, dark):
    name, texts = told["name"], told["texts"]
    if not texts:
        faults.append(f"{name}: no texts")
    for text in texts:
        where = f"{name}: '{text['text']}'"
        if not (text["left"] >= 0 and text["top"] >= 0 and text["right"] <= told["width"] and text["bottom"] <= told["height"]):
            faults.append(f"{where} is not inside the picture")
        if text["size"] < 10:
            faults.append(f"{where} is {text['size']} pixels high")
        if contrast(text["fill"], told["paper"]) < 4.5:
            faults.append(f"{where} is {text['fill']} on {told['paper']} in {'dark' if dark else 'light'} mode")
    texts.sort(key=lambda text: text["left"])
    for i, text in enumerate(texts):
        for other in texts[i + 1:]:
            if other["left"] > text["right"]:
                break
            if overlap(text, other):
                faults.append(f"{name}: '{text['text']}' and '{other['text']}' overlap")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        print("skipped: there is no chromium")
        sys.exit(77)
    pictures = {}
    for net in sys.argv[2:]:
        for style in STYLES:
            done = subprocess.run([sys.argv[1], "render", "--style", style, "--format", "svg", net],
                                  capture_output=True, text=True, timeout=120)
            if done.returncode:
                faults.append(f"{net}: exit {done.returncode}: {done.stderr}")
            else:
                pictures[f"{Path(net).stem}, {style}"] = done.stdout.partition("?>")[2]
    papers = set()
    for dark in (False, True):
        answer = measure(browser, pictures, dark)
        if len(answer) != len(pictures):
            faults.append(f"{len(answer)} pictures of {len(pictures)}")
        for told in answer:
            papers.add((dark, told["paper"]))
            check(told, dark)
    if len({paper for _, paper in papers}) != 2:
        faults.append(f"the paper does not follow the reader's mode: {papers}")
    for fault in faults:
        print(fault)
    print(f"{len(pictures)} pictures, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
