# SPDX-License-Identifier: MIT
"""
Let every call of every class fail in turn, in whole programs, as curl's tests do ("torture").

A line for each scenario: how many calls of each class failed, and what came of it.  A finding is
a crash, an abort, something that does not end, memory that is lost, a descriptor or a lock that
is kept, a token where something failed, an answer as if it were the client's fault, half a file, or
a request after it that does not work.

Left out: functions that symbols.py names, with a reason; of more than 300 calls of a class those
between the first and the last that came by the same path; and of those for memory, all but some
300 that are spread evenly over the rest, or some 100 where all calls after them fail, too (starved).
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.dont_write_bytecode = True

import cases    # noqa: E402
import commands    # noqa: E402
import life     # noqa: E402
import place    # noqa: E402
import runs     # noqa: E402
import symbols    # noqa: E402

# What is run with the unit tests: some of each kind, and of their calls each so manieth.
SHORT = {"token, Basic": 2, "token, ES256 assertion": 4, "introspection, active": 4, "revocation": 4,
         "Redis: token, DPoP": 5, "reload": 80, "start, token and end, one worker": 80,
         "CGI: token, ES256 assertion": 80, "admin: add-client": 80, "admin: rotate": 110,
         "admin: state --prune": 60, "admin: keygen, ES256": 80}
PLAN_NAMES = [plan.name for plan in runs.PLANS]


def scenarios():
    """{name: function}, those that take longest first."""
    found = {}
    for start in life.STARTS:
        found[start.name] = (life.torture_start, start)
    for command in sorted(commands.COMMANDS, key=lambda command: command.effect is None):
        found["admin: " + command.name] = (commands.torture_command, command)
    for case in cases.CGI:
        found[case.name] = (runs.torture_cgi, case)
    for case in cases.REQUESTS:
        found[case.name] = (runs.torture_worker, case)
    for case in life.RELOADS:
        found[case.name] = (functools.partial(runs.torture_worker, kind=life.Reloading), case)
    return found


def run_one(options, name, choice):
    begin = time.monotonic()
    function, case = scenarios()[name]
    try:
        report = function(options, case, choice)
    except SystemExit as end:    # the pool would only go on with the next
        os._exit(end.code if isinstance(end.code, int) else 1)
    except Exception as error:    # a fault of the test is a finding, too
        report = runs.Report(name)
        report.add(None, 0, "", f"{type(error).__name__}: {error}")
    report.seconds = time.monotonic() - begin
    return report


def line(report):
    counts = " ".join(f"{name} {report.failed[name]}" for name in PLAN_NAMES if name in report.failed)
    outcome = f"{len(report.findings)} FINDINGS" if report.findings else "good"
    return f"{report.name:<40} {outcome:<12} {report.seconds:5.1f} s  {counts}"


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=Path)
    parser.add_argument("--scenario", default="", help="only those whose names have this in them")
    parser.add_argument("--step", type=int, default=1, help="of the calls only each n-th fails")
    parser.add_argument("--short", action="store_true", help="some scenarios, and few calls of each: seconds")
    parser.add_argument("--at", help="PLAN/N: only this call of this plan")
    parser.add_argument("--trace", type=int, default=0,
                        help="show the stack: 1 where the call fails, else where the N-th block is made")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    return parser.parse_args()


def end(number, frame):
    """What is open is closed, and what was made for the test is taken away."""
    signal.signal(number, signal.SIG_IGN)    # the pool sends it again, in the middle of that
    raise SystemExit(128 + number)


@contextlib.contextmanager
def ended_with(pool):
    """The processes of the pool do not outlive this one."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise


def main():
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, end)
    names = [name for name in scenarios() if arguments.scenario.lower() in name.lower()]
    if arguments.list or not names:
        print("\n".join(names) or f"torture: no scenario has {arguments.scenario!r} in its name")
        return 0 if names else 2
    names = [name for name in names if name in SHORT or not arguments.short]
    choice = runs.Choice(step=arguments.step, trace=arguments.trace)
    if arguments.at:
        choice.plan, _, n = arguments.at.partition("/")
        choice.n = int(n) if n else None
    options = SimpleNamespace(build=arguments.build.resolve(), material=place.Material())
    missing = symbols.forgotten(options.build)
    if missing:
        print(f"torture: these neither fail nor are left out for a reason (symbols.py): {' '.join(missing)}")
        return 1
    reports, begin = [], time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(min(arguments.jobs, len(names))) as pool, ended_with(pool):
        waiting = [pool.submit(run_one, options, name, dataclasses.replace(
            choice, step=choice.step * (SHORT[name] if arguments.short else 1))) for name in names]
        for done in concurrent.futures.as_completed(waiting):
            reports.append(done.result())
            print(line(reports[-1]), flush=True)
            for what, where in reports[-1].blamed.items():
                print(f"    not ours: {len(where)} times {what}, first at {where[0]}")
            for call, count in reports[-1].mistaken.items():
                print(f"    as if it were the client's fault: {count} times where {call} fails")
            for number, count in reports[-1].ended.items():
                print(f"    workers that signal {number} ended: {count}")
            for finding in reports[-1].findings[:10]:
                print("    " + finding, flush=True)
    return summary(reports, time.monotonic() - begin)


def summary(reports, seconds):
    failed = collections.Counter()
    for report in reports:
        failed.update(report.failed)
    findings = sum(len(report.findings) for report in reports)
    mistaken = sum(sum(report.mistaken.values()) for report in reports)
    print(f"torture: {len(reports)} scenarios, {sum(failed.values())} failures "
          f"({', '.join(f'{name} {failed[name]}' for name in PLAN_NAMES if failed[name])}), "
          f"{sum(report.served for report in reports)} served, {sum(report.refused for report in reports)} "
          f"refused (of them {mistaken} as if it were the client's fault), "
          f"{sum(report.dropped for report in reports)} without an answer, "
          f"{findings} findings, {seconds:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
