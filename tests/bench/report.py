# SPDX-License-Identifier: MIT
"""Figures as tables and as JSON."""
import argparse
import dataclasses
import json
import os
import platform
import re
import statistics
import sys
import time

from processes import CAPABILITIES, Failed, directory_for_servers, output_of, read

BUSY_LOAD = 0.5    # processes that ran before we began
BUSY_SPREAD = 0.1  # of the unit, over the run


@dataclasses.dataclass
class Goal:
    """A figure that must be at most (or, of gains, at least) so much.

    Its limit, where one can be told, is what a program would reach on this machine, behind the
    same web server, that does nothing but sign.
    """

    text: str
    value: float
    must: float
    aim: float
    unit: str = ""
    is_gain: bool = False
    limit: float = None

    def verdict(self):
        if self.value is None:
            return "not measured"
        for word, limit in (("aim", self.aim), ("must", self.must)):
            if self.value >= limit if self.is_gain else self.value <= limit:
                return word
        return "NOT MET"

    def figures(self):
        return {**dataclasses.asdict(self), "verdict": self.verdict()}


class Rows:
    """Figures by what was measured, of several rounds. What had an error has no value for a goal."""

    def __init__(self):
        self.rounds = {}
        self.failed = set()

    def add(self, key, figures):
        self.rounds.setdefault(key, []).append(figures)

    def fail(self, key):
        """A round could not be measured."""
        self.failed.add(key)

    def good(self, key):
        rows = self.rounds.get(key, [])
        return [] if key in self.failed or any(row["errors"] for row in rows) else rows

    def median(self, key, figure):
        rows = self.good(key)
        return statistics.median(row[figure] for row in rows) if rows else None

    def ratio(self, key, over, figure):
        """The median of each round's; None if one of both has no value."""
        pairs = list(zip(self.good(key), self.good(over)))
        return statistics.median(a[figure] / b[figure] for a, b in pairs) if pairs else None

    def middles(self):
        """One row for each key; of figures the medians, of errors all."""
        return {key: middle(rows) for key, rows in self.rounds.items()}


def machine(build):
    """Where and when, by which versions of the system."""
    model = re.search(r"^model name\s*: (.*)", read("/proc/cpuinfo"), re.M)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.M)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": model.group(1) if model else platform.machine(),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "system": system.group(1) if system else "",
        "capabilities": os.environ.get(CAPABILITIES),
        "load_before": os.getloadavg()[0],
        "oauth2-fcgi": output_of(f"{build}/oauth2.fcgi", "--version").split()[-1],
    }


def unit_summary(unit):
    """Its spread: between the lowest and the highest tenth."""
    middle = statistics.median(unit.all_us)
    tenths = statistics.quantiles(unit.all_us, n=10)
    return {"us": middle, "rate": statistics.median(unit.all_rates),
            "spread": (tenths[-1] - tenths[0]) / middle, "count": len(unit.all_us)}


def doubts(where, unit, is_short):
    """What speaks against this run."""
    found = ["a short run, to see that it works: its figures say nothing"] if is_short else []
    if where["load_before"] > BUSY_LOAD:
        found.append(f"the machine was busy before: load average {where['load_before']:.2f}")
    if unit["spread"] > BUSY_SPREAD:
        found.append(f"the unit moved by {100 * unit['spread']:.0f} % meanwhile")
    return found


def middle(rows):
    """The medians of several rounds; of errors, all."""
    figures = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    figures["errors"] = sum(row["errors"] for row in rows)
    figures["rounds"] = len(rows)
    return figures


def print_head(result):
    where, unit = result["machine"], result["unit"]
    print(f"{where['date']}: {where['processors']} x {where['processor']}, Linux {where['kernel']},"
          f" {where['system']}")
    print("oauth2-fcgi " + where["oauth2-fcgi"] + "; " + "; ".join(result["versions"].values()))
    if where["capabilities"]:
        print(f"{CAPABILITIES}={where['capabilities']}")
    print(f"U, one bare RS256 signature of 2048 bits, all processors busy: {unit['us']:.1f} us of processor"
          f" time ({unit['rate']:.0f} a second in all; {unit['count']} times, spread"
          f" {100 * unit['spread']:.0f} %)")
    for doubt in result["doubts"]:
        print(f"CAUTION: {doubt}")
    print()


def print_goals(goals):
    """What it must show."""
    width = max(len(goal["text"]) for goal in goals)
    print("Limit: what a program would reach here, behind the same web server, that does nothing but sign.")
    print(f"{'what it must show':{width}} {'figure':>9} {'must':>8} {'aim':>8} {'limit':>7}")
    for goal in goals:
        sign = ">=" if goal["is_gain"] else "<="
        print(f"{goal['text']:{width}} {in_short(goal['value']):>9} {sign}{goal['must']:>6g} {sign}{goal['aim']:>6g} "
              f"{in_short(goal.get('limit')):>7} {goal['unit']:3} {goal['verdict']}")
    print()


def in_short(value):
    return "-" if value is None else f"{value:.3g}"


def print_missing(missing):
    for name, why in missing.items():
        print(f"NOT MEASURED: {name}: {' '.join(why.split())}")


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def save(result, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"All figures are in {path}.\n")


def parser_of(text, seconds, short, file):
    """The options that both comparisons have."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="where the programs are (default: build)")
    parser.add_argument("--seconds", type=int, default=seconds, help=f"of each load (default: {seconds})")
    parser.add_argument("--rounds", type=int, default=3, help="of all loads (default: 3)")
    parser.add_argument("--short", action="store_true", help=f"{short}: to see that it works")
    parser.add_argument("--show", metavar="FILE", help=f"measure nothing: print the tables of this {file}")
    return parser


def run_and_show(program, file, options, run, show):
    """Measure, keep the result as file beside the programs, and show it; or show a kept one."""
    if options.show is not None:
        show(load(options.show))
        return
    build = os.path.abspath(options.build)
    with directory_for_servers() as directory:
        try:
            result = run(build, directory, options)
        except Failed as failure:
            sys.exit(f"{program}: {failure}")
    save(result, f"{build}/bench/{file}")
    show(result)
