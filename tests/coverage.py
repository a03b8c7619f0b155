#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py BUILD_DIR: what of lib/ the programs of a build with COV=1 have run, by gcov.

Counted is every line with code, and of every condition both of its ways (gcov's "taken at
least once"); nothing is left out.  Fails below LEAST; and where a gap in one of the
directories EXPLAINED is not in tests/coverage.explained, or what stands there is no gap, or a
larger or a smaller one.
"""
import collections
import json
import pathlib
import subprocess
import sys

LEAST = {"lines": 95.0, "branches": 90.0}
EXPLAINED = ("lib/http", "lib/jose", "lib/oauth", "lib/domain")
EXPLANATIONS = "tests/coverage.explained"

# Of one line of one function: how often it was run, and each of its branches taken.
Line = collections.namedtuple("Line", "file function number count branches")


def gcov(build, source):
    """What gcov knows of an object, also if nothing of it was run: a list of Lines."""
    stem = build / "obj" / source.with_suffix("")
    notes = stem.with_suffix(".gcda")
    if not notes.exists():
        print(f"coverage: {source}: nothing of it was run", file=sys.stderr)
        notes = stem.with_suffix(".gcno")
    result = subprocess.run(["gcov", "-b", "--json-format", "--stdout", str(notes)], check=False,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        sys.exit(f"coverage: {source}: its last run was of another build; type: make coverage\n{result.stderr}")
    return [Line(file["file"], line.get("function_name", ""), line["line_number"], line["count"],
                 [branch["count"] for branch in line["branches"]])
            for file in json.loads(result.stdout)["files"] if file["file"].startswith("lib/")
            for line in file["lines"]]


def read_lines(build):
    """A line of a header is in many objects: it counts once, with what any of them has run."""
    lines = {}
    for source in sorted(pathlib.Path("lib").glob("*/*.c")):
        for line in gcov(build, source):
            key = line.file, line.function, line.number
            if key in lines:
                before = lines[key]
                line = before._replace(count=before.count + line.count, branches=[
                    a + b for a, b in zip(before.branches, line.branches)])
            lines[key] = line
    return list(lines.values())


def is_gap(line):
    return line.count == 0 or 0 in line.branches


def count(lines):
    """{what: (run, all)}"""
    branches = [taken for line in lines for taken in line.branches]
    return {"lines": (sum(line.count > 0 for line in lines), len(lines)),
            "branches": (sum(taken > 0 for taken in branches), len(branches))}


def percent(run, every):
    return 100 * run / every if every else 100.0


def show(name, lines):
    """One row of the table; is it below LEAST?"""
    counts = count(lines)
    row = "  ".join(f"{percent(*counts[what]):6.2f} % of {counts[what][1]:5} {what}" for what in LEAST)
    print(f"{name:<30}{row}")
    return any(percent(*counts[what]) < least for what, least in LEAST.items())


def group(lines, parts):
    groups = collections.defaultdict(list)
    for line in lines:
        groups["/".join(line.file.split("/")[:parts])].append(line)
    return sorted(groups.items())


def show_all(lines):
    for name, members in group(lines, 3):
        counts = count(members)
        if any(percent(*counts[what]) < least for what, least in LEAST.items()):
            show("  " + name, members)
    for name, members in group(lines, 2):
        show(name, members)
    return show("all of lib/", lines)


def gap_texts(lines):
    """{"file function: text of the line": the lines} of what was not run in EXPLAINED."""
    gaps = collections.defaultdict(list)
    sources = {}
    for line in lines:
        if is_gap(line) and line.file.startswith(tuple(name + "/" for name in EXPLAINED)):
            if line.file not in sources:
                sources[line.file] = pathlib.Path(line.file).read_text(encoding="utf-8").split("\n")
            text = " ".join(sources[line.file][line.number - 1].split())
            gaps[f"{line.file} {line.function}: {text}"].append(line)
    return gaps


def missed(lines):
    """How many lines, and how many branches, were not run."""
    return tuple(every - run for run, every in count(lines).values())


def read_explanations():
    """{gap: (reason, missed)}: a reason stands in brackets, above the gaps that it is for."""
    explanations, reason = {}, ""
    for text in pathlib.Path(EXPLANATIONS).read_text(encoding="utf-8").split("\n"):
        if text.startswith("["):
            reason = text.strip("[]")
        elif text and not text.startswith("#"):
            numbers, _, gap = text.partition(" ")
            explanations[gap] = reason, tuple(int(number) for number in numbers.split("/"))
    return explanations


def show_reasons(gaps, explanations):
    """How much each reason explains."""
    print(f"\nNot run in {', '.join(EXPLAINED)} (where: {EXPLANATIONS}):")
    for reason in dict.fromkeys(why for why, _ in explanations.values()):
        lines, branches = missed([line for gap, (why, _) in explanations.items() if why == reason
                                  for line in gaps.get(gap, [])])
        print(f"{lines:5} lines, {branches:4} branches: {reason}")


def where(lines):
    return ", ".join(f"line {line.number}, " + (
        f"{line.branches.count(0)} of {len(line.branches)} branches" if line.count else "never run") for line in lines)


def check_explanations(lines):
    """Returns how many gaps and entries do not fit."""
    gaps, explanations = gap_texts(lines), read_explanations()
    problems = 0
    show_reasons(gaps, explanations)
    for gap in sorted(set(gaps) | set(explanations)):
        found, (why, explained) = missed(gaps.get(gap, [])), explanations.get(gap, ("", (0, 0)))
        if found == explained and why:
            continue
        problems += 1
        what = f"{found[0]} lines and {found[1]} branches are not run"
        told = f"{explained[0]}/{explained[1]} are explained" if why else "there is no explanation"
        print(f"coverage: {what}, {told} ({where(gaps.get(gap, [])) or 'nothing'}):\n{found[0]}/{found[1]} {gap}",
              file=sys.stderr)
    return problems


def main():
    lines = read_lines(pathlib.Path(sys.argv[1]))
    is_low = show_all(lines)
    problems = check_explanations(lines)
    wanted = ", ".join(f"{least:g} % of the {what}" for what, least in LEAST.items())
    print(f"\ncoverage: at least {wanted} wanted; gaps that are not explained as they are: {problems}")
    sys.exit(1 if is_low or problems else 0)


main()
