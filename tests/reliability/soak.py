#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mixed load on all web servers at once, a fifth of it hostile, while the configuration changes, breaks and is mended,
keys and logs rotate: each answer must be the one that its request asks for, and nothing may grow."""

import argparse
import collections
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "bench")]

# pylint: disable=wrong-import-position
from hosts import FRONTS, Hosts, Operator, Place
from processes import all_pids, directory_for_servers
from loads import BROKEN, PAUSED, SHOWN, Flags, Load, finish, listen, make_keys
from memory import directory_for_state, new_state
from traffic import KINDS
from watch import Sample

CLIENTS = {"FastCGI": 3, "nginx": 3, "lighttpd": 2, "mod_proxy_fcgi": 2, "mod_fcgid": 2, "CGI": 1}
STEP_S = 5              # between two things that the operator does
STEPS = 12              # of these at least, in a short run
GONE_S = 0.5            # after that, processes that found the file broken have ended
QUIET_S = 2             # without a request, before anything is compared
# Records go when their time has passed, two minutes at most: what the state has follows the rate.
STATE_KB = 1024
STATE_KB_EACH = 12      # for each request a second, in the busiest minute
LINE_S = 60             # between two lines, and two new logs
HOSTILE = range(15, 26) # percent
# Web servers that keep connections to the program, and what makes them begin anew with other processes.
KEEPERS = {"nginx": signal.SIGHUP, "mod_proxy_fcgi": signal.SIGUSR1}


class Soak:
    """A run."""

    def __init__(self, options, place, hosts, flags):
        self.options = options
        self.place = place
        self.hosts = hosts
        self.flags = flags
        self.operator = Operator(place)
        self.begin_s = time.monotonic()
        self.step_s = min(STEP_S, options.seconds / STEPS)
        self.line_s = min(LINE_S, options.seconds / 3)
        self.loads = [Load(name, hosts.running[name], place, flags, number)
                      for name, count in CLIENTS.items() for number in range(count)]
        self.mending = None
        self.busiest = 0

    @property
    def passed_s(self):
        return time.monotonic() - self.begin_s

    def total(self):
        return sum(load.requests for load in self.loads)

    def unexpected(self):
        return sum(load.unexpected() for load in self.loads)

    def samples(self):
        return {name: Sample.of(pids) for name, pids in self.hosts.programs().items()}

    def operate(self, number):
        """One thing after the other: a change, new keys, a broken file, and that it is mended."""
        if self.mending is not None:
            self.place.replace_file(self.mending)
            listen(self.loads, GONE_S)
            self.flags.set(BROKEN, 0)
            self.mending = None
        elif number % 4 == 2:
            self.flags.set(BROKEN)
            self.mending = self.operator.spoil()
        elif number % 4 == 1:
            self.operator.rotate()
        else:
            self.operator.change()

    def state_kb(self):
        return (self.place.state / "data.mdb").stat().st_blocks // 2

    def print_line(self, last):
        """What was done since, in one line."""
        samples = self.samples().values()
        done, seconds = self.total() - last[0], self.passed_s - last[1]
        self.busiest = max(self.busiest, done / seconds)
        print(f"{self.passed_s:5.0f} s {self.total():9d} requests {done / seconds:5.0f}/s"
              f"  unexpected {self.unexpected()}"
              f"  RSS {max(sample.largest_kb() for sample in samples) / 1024:.1f} MB,"
              f" own {max(max(sample.own_kb.values(), default=0) for sample in samples)} KB"
              f"  descriptors {sum(sample.open_count for sample in samples)}"
              f"  processes {sum(sample.count for sample in samples)}"
              f"  state {self.state_kb() / 1024:.1f} MB", flush=True)
        return self.total(), self.passed_s

    def run_until(self, end_s, steps=0):
        """Load and changes, up to this time."""
        last = self.total(), self.passed_s
        while self.passed_s < end_s:
            listen(self.loads, min(self.step_s, end_s - self.passed_s))
            if self.passed_s < end_s:
                self.operate(steps)
                steps += 1
            if self.passed_s - last[1] >= self.line_s:
                last = self.print_line(last)
                self.operator.turn_log()
        while self.mending is not None:
            self.operate(steps)
            steps += 1
        return steps

    def wait_until(self, holds):
        until = time.monotonic() + 60
        while not holds() and time.monotonic() < until:
            listen(self.loads, 0.1)

    def drop_kept(self):
        """Have web servers close the connections that they keep to the program."""
        old = set()
        for name, number in KEEPERS.items():
            server = self.hosts.running[name].processes[-1]
            old.update(pid for pid in server.members() if pid != server.pid)
            os.kill(server.pid, number)
        self.wait_until(lambda: not old & set(all_pids()))

    def quiet(self):
        """What there is when nobody asks."""
        self.flags.set(PAUSED)
        self.wait_until(lambda: all(load.is_paused for load in self.loads))
        self.drop_kept()
        listen(self.loads, QUIET_S)
        found = self.samples()
        self.flags.set(PAUSED, 0)
        return found

    def run(self):
        steps = self.run_until(self.options.seconds / 2)
        half = self.quiet()
        self.run_until(self.passed_s + self.options.seconds / 2, steps)
        end = self.quiet()
        self.print_line((0, 0))
        finish(self.loads, self.flags)
        return half, end

    def stop(self):
        for load in self.loads:
            load.stop()


def outcomes(loads):
    total = collections.Counter()
    for load in loads:
        total.update(load.outcomes)
    return total


def hostile_percent(loads):
    total = outcomes(loads)
    return round(100 * sum(count for (name, _), count in total.items() if KINDS[name].is_hostile)
                 / max(1, sum(total.values())))


def print_kinds(loads):
    total = outcomes(loads)
    print("\nclients, one of which may send several requests; hostile ones with a star")
    for name, one in KINDS.items():
        excused, wrong = total[name, "excused"], total[name, "lost"] + total[name, "unexpected"]
        print(f"{name + ('*' if one.is_hostile else ''):20} {total[name, 'as it must be']:9d} as they must be"
              + (f", {excused} answered for processes that found the file broken" if excused else "")
              + (f", {wrong} UNEXPECTED" if wrong else ""))


def print_fronts(soak, half, end):
    print(f"\n{'':15} {'requests':>9} {'unexpected':>11}   {'RSS of the largest':>20} {'own memory':>11}"
          f"   {'descriptors':>11}   processes\n{'':15} {'':9} {'':11}   {'half':>9} {'end, KB':>10} {'grew, KB':>11}"
          f"   {'half':>5} {'end':>5}   half end")
    for name in FRONTS:
        own = [load for load in soak.loads if load.name == name]
        print(f"{name:15} {sum(load.requests for load in own):9d} {sum(load.unexpected() for load in own):11d}"
              f"   {half[name].largest_kb():9d} {end[name].largest_kb():10d} {end[name].growth_kb(half[name]):11d}"
              f"   {half[name].open_count:5d} {end[name].open_count:5d}   {half[name].count:4d} {end[name].count:3d}")


def verdicts(soak, half, end):
    """(what, found, is it good) of each."""
    options, operator = soak.options, soak.operator
    grown = max(end[name].growth_kb(half[name]) for name in half)
    opened = max(end[name].opened(half[name]) for name in half)
    ended = sum(end[name].ended(half[name]) for name in half)
    state, most = soak.state_kb(), STATE_KB + round(STATE_KB_EACH * soak.busiest)
    hostile = hostile_percent(soak.loads)
    well = sum(load.is_well() for load in soak.loads)
    watched = min(sample.count for name, sample in half.items() if not soak.hosts.running[name].ends_programs)
    often = max(1, int(options.seconds / (2 * LINE_S)))
    return [
        (f"requests, at least {options.requests}", soak.total(), soak.total() >= options.requests),
        ("unexpected answers, none", soak.unexpected(), soak.unexpected() == 0),
        (f"clients that came to their end, {len(soak.loads)}", well, well == len(soak.loads)),
        (f"hostile ones, {HOSTILE[0]} to {HOSTILE[-1]} %", hostile, hostile in HOSTILE),
        *((f"{what}, at least {often}", count, count >= often) for what, count in (
            ("changes of the configuration", operator.version), ("broken configurations", operator.breaks),
            ("rotations of keys", operator.rotations), ("new logs", operator.turns))),
        (f"own memory that a process got in the second half, at most {options.growth_kb} KB", grown,
         grown <= options.growth_kb),
        (f"descriptors that a process got in the second half, at most {options.descriptors}", opened,
         opened <= options.descriptors),
        ("processes to be watched behind each web server, at least 1", watched, watched >= 1),
        ("processes that ended, none", ended, ended == 0),
        (f"what the state has, at most {most} KB", state, state <= most),
    ]


def report(soak, half, end):
    print_kinds(soak.loads)
    print_fronts(soak, half, end)
    soak.hosts.keep_logs(soak.loads, f"{soak.options.build}/soak")
    print(f"\n{soak.total() / soak.options.seconds:.0f} requests/s\n")
    good = True
    for what, found, is_good in verdicts(soak, half, end):
        print(f"{'ok    ' if is_good else 'FAILED'} {what}: {found}")
        good = good and is_good
    for load in soak.loads:
        for problem in load.problems[:SHOWN]:
            print(problem, file=sys.stderr)
    return good


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="directory with the programs (default: build)")
    parser.add_argument("--seconds", type=float, default=1800, help="how long (default: 1800)")
    parser.add_argument("--requests", type=int, help="how many there must be at least (default: 556 a second)")
    parser.add_argument("--growth-kb", type=int, default=512,
                        help="what a process may grow by in the second half (default: 512)")
    parser.add_argument("--descriptors", type=int, default=0,
                        help="what a process may open more of in the second half (default: 0)")
    options = parser.parse_args()
    if options.requests is None:
        options.requests = round(1000000 * options.seconds / 1800)
    return options


def main():
    options = parse()
    make_keys()
    with directory_for_servers() as directory, directory_for_state() as state:
        flags = Flags()
        place = Place(Path(options.build).resolve(), tempfile.mkdtemp(dir=directory), new_state(state))
        os.chmod(place.directory, 0o755)
        hosts = Hosts(Path(options.build).resolve(), directory, place)
        soak = Soak(options, place, hosts, flags)
        try:
            good = report(soak, *soak.run())
        finally:
            soak.stop()
            hosts.stop()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
