#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A chart, as SVG on standard output, of what `make bench` and `make bench-peers` have found.

chart.py build/bench/result.json build/bench/peers.json >etc/bench.svg
"""
import argparse
import html
import sys

import report

BUSY = 16
WIDTH = 760
LABEL = 250     # where bars begin
BAR = 380       # the longest
ROW = 22
GAP = 34        # above a group, with its title
MARGIN = 12
STYLE = """
.page { fill: #ffffff }
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold }
.small { font-size: 11px; fill: #59636e }
.bar { fill: #8c96a0 }
.ours { fill: #1f6feb }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .bar { fill: #6e7681 }
  .ours { fill: #4493f8 }
}
"""


class Group:
    """Bars of one figure; those of this program have a colour of their own."""

    def __init__(self, title, unit, digits=0):
        self.title = title
        self.unit = unit
        self.digits = digits
        self.bars = []

    def add(self, label, value, is_ours):
        self.bars.append((label, value, is_ours))

    def text(self, value):
        return f"{value:,.{self.digits}f}{self.unit}"


def server_groups(result):
    """Of bench: each web server, then each kind of key."""
    tokens = {row["server"]: row for row in result["rows"]
              if row["connections"] == BUSY and row["what"] == "token"}
    fronts = Group(f"Tokens a second by web server (RS256, 2048 bits), {BUSY} clients", "")
    keys = Group(f"Tokens a second by kind of key, behind nginx, {BUSY} clients", "")
    for name, row in tokens.items():
        if name in result["fronts"]:
            fronts.add(name, row["rate"], True)
        if name == "nginx kept":
            keys.add("RS256, 2048 bits", row["rate"], True)
        elif name not in result["fronts"]:
            keys.add(name, row["rate"], True)
    return [fronts, keys]


def peer_groups(result):
    """Of bench-peers: how fast, how soon, how large."""
    rows = {(row["server"], row["connections"]): row for row in result["rows"]}
    groups = []
    for title, unit, digits, connections, figure, scale in (
            (f"Tokens a second, {BUSY} clients", "", 0, BUSY, "rate", 1),
            ("Half of the answers within, one client", " ms", 2, 1, "p50_ms", 1),
            ("Memory of all processes (PSS)", " MB", 0, BUSY, "pss_kb", 1024)):
        group = Group(title, unit, digits)
        for (name, at), row in rows.items():
            if at == connections:
                group.add(name, row[figure] / scale, name.startswith("oauth2-fcgi"))
        groups.append(group)
    return groups


def element(name, text="", **attributes):
    names = {key: key.rstrip("_").replace("_", "-") for key in attributes}
    written = "".join(f' {names[key]}="{html.escape(str(item))}"' for key, item in attributes.items())
    return f"<{name}{written}>{html.escape(text)}</{name}>" if text else f"<{name}{written}/>"


def draw_group(group, y):
    """The elements of one group, and where the next begins."""
    longest = max(value for _, value, _ in group.bars)
    y += GAP
    out = [element("text", group.title, class_="title", x=0, y=y - 8)]
    for label, value, is_ours in group.bars:
        width = max(1, BAR * value / longest)
        out += [
            element("text", label, x=LABEL - 8, y=y + 14, text_anchor="end"),
            element("rect", class_="ours" if is_ours else "bar", x=LABEL, y=y + 2, width=f"{width:.1f}",
                    height=ROW - 6, rx=2),
            element("text", group.text(value), x=f"{LABEL + width + 6:.1f}", y=y + 14),
        ]
        y += ROW
    return out, y


def footer(result):
    where = result["machine"]
    return (f"{where['date']}, {where['processors']} x {where['processor']}, {where['system']}; one bare"
            f" signature takes {result['unit']['us'] / 1000:.2f} ms of processor time")


def draw(results):
    """The whole chart."""
    out, y = [], 0
    for result in results:
        groups = peer_groups(result) if is_of_peers(result) else server_groups(result)
        for group in groups:
            if group.bars:
                more, y = draw_group(group, y)
                out += more
        y += ROW
        out.append(element("text", footer(result), class_="small", x=0, y=y - 4))
    width, height = WIDTH + 2 * MARGIN, y + MARGIN
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img">\n<title>oauth2-fcgi: measurements</title>\n<style>{STYLE}</style>')
    # A background of its own: readable wherever it is shown.
    page = element("rect", class_="page", x=-MARGIN, y=0, width=width, height=height, rx=6)
    return "\n".join([head, page, *out, "</svg>"]) + "\n"


def is_of_peers(result):
    return all("what" not in row for row in result["rows"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", metavar="FILE", help="result.json or peers.json")
    sys.stdout.write(draw([report.load(path) for path in parser.parse_args().results]))


if __name__ == "__main__":
    main()
