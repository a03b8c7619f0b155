#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The faults that the program must survive, what is expected of each, and the tests that show it: make test-faults.

A row holds if all its tests pass; one that is missing, skipped or failing breaks it. The tests of
tests/e2e/faults_long.py run here only, all others by `make test` as well.
"""
import argparse
import contextlib
import dataclasses
import io
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (3, 34, 46, 42, 4)
UNIT_LIMIT_S = 600
TORTURE_LIMIT_S = 1200


@dataclasses.dataclass(frozen=True)
class Test:
    """One function of a file: an end-to-end test with all its cases, a case of a unit test program, or torture."""

    path: str
    name: str

    @property
    def program(self):
        return Path(self.path).stem if self.path.endswith(".c") else None


@dataclasses.dataclass(frozen=True)
class Fault:
    number: int
    what: str
    expected: str
    tests: tuple


def e2e(file, *names):
    return tuple(Test(f"tests/e2e/{file}.py", name) for name in names)


def unit(file, *names):
    return tuple(Test(f"tests/unit/{file}.c", name) for name in names)


TORTURE = Test("tests/torture/torture.py", "main")    # in its short form

FAULTS = (
    Fault(1, "SIGTERM while 64 requests run; while idle",
          "all are answered completely, no new ones are taken, exit 0 within 5 s; idle within 1 s",
          e2e("test_process", "test_end_answers_what_is_under_way", "test_end_waits_for_the_rest_of_a_request",
              "test_end_refuses_new_connections_by_tcp", "test_idle_end")),
    Fault(2, "SIGTERM, SIGUSR1, SIGHUP, SIGPIPE, 1,000 a second, under load",
          "60 s: each request has its answer, whole and right",
          e2e("test_process", "test_end_during_a_storm_of_signals") +
          e2e("faults_long", "test_storm_of_signals")),
    Fault(3, "kill -9 at random while the store is written",
          "what was acknowledged is remembered: assertions and revocations; no repair, it opens at once",
          e2e("test_races", "test_killed_processes_lose_nothing") + e2e("faults_long", "test_many_kills") +
          unit("test_store_processes", "test_kill") + unit("test_counters", "test_kill")),
    Fault(4, "disk full, read-only, or with I/O errors",
          "what needs the store: 503 temporarily_unavailable, no token; plain secrets are served, unless attempts "
          "are counted (throttle); works again without a restart",
          e2e("test_races", "test_full_disk", "test_disk_that_is_full_from_the_start", "test_disk_that_is_read_only",
              "test_guesses_while_the_disk_is_full") +
          e2e("test_faults", "test_disk_with_errors") +
          unit("test_store_processes", "test_full_disk") + unit("test_store_lmdb", "test_failing_calls")),
    Fault(5, "LMDB's map full",
          "expired entries make room, else 503, counted in the metrics; a replay is never let through",
          e2e("test_faults", "test_full_map") +
          unit("test_store_lmdb", "test_full_map", "test_full", "test_full_of_counters", "test_many_expired")),
    Fault(6, "configuration replaced: broken YAML, half-written, empty, directory, of root, dangling link, FIFO, "
          "1 GiB",
          "the last good one is served, one log line, counted in the metrics, health says degraded, the next good "
          "file is used; a cold start exits 1 with FILE:LINE:COLUMN (as CGI: 503)",
          e2e("test_faults", "test_spoilt_configuration") +
          e2e("test_process", "test_broken_file_keeps_serving", "test_broken_configuration_at_start",
              "test_cgi_without_configuration") +
          e2e("test_metrics", "test_reloads")),
    Fault(7, "1 bad client among 100,000",
          "the whole is refused; the message names the client's line, and not its secret",
          e2e("faults_long", "test_one_bad_client_among_many")),
    Fault(8, "a reload every 100 ms under load",
          "memory and descriptors stay as they are; each answer is of one configuration",
          e2e("test_operations", "test_changes_under_load") + e2e("faults_long", "test_reload_without_a_pause")),
    Fault(9, "key file replaced: unreadable, public, encrypted, expired certificate, 1024 bits, other types, cut off",
          "the old key signs on, an error in log, health and metrics; what signs is published under the same name",
          e2e("test_faults", "test_spoilt_key", "test_two_keys_change_places") +
          e2e("test_process", "test_halves_of_a_key_at_start") +
          unit("test_key", "test_read", "test_strength", "test_pair")),
    Fault(10, "key or secret that others may read or its group write; link swapped while it is read",
          "refused at the start, the old one kept at a reload; the open file's rights count, not those of its name. "
          "Left to the operator: whose the files are, and who may write to the configuration and to the directories",
          e2e("test_faults", "test_files_that_others_may_read", "test_link_that_is_swapped_while_it_is_read") +
          unit("test_secret", "test_file_modes", "test_file_types")),
    Fault(11, "clock 1 hour ahead or back, 10 years ahead, at 1970, past 2038 and 2106, leap second",
          "tokens and log carry the wall clock's time, deadlines do not move; what was used or revoked stays so "
          "when the clock is set back, and a fresh assertion is good; no lock lasts longer than its window. What the "
          "store keeps (locks, too) goes by the wall clock: all processes and restarts share it",
          e2e("test_faults", "test_clock_that_jumps") + unit("test_store_lmdb", "test_floors", "test_times") +
          unit("test_clock", "test_format", "test_round_trip")),
    Fault(12, "16 descriptors, then more",
          "waits without turning in circles (below 5 % of a processor), recovers, the same process",
          e2e("test_process", "test_few_descriptors", "test_first_request_without_descriptors")),
    Fault(13, "each allocation, OpenSSL call and store call fails in turn",
          "500 or 503, or a clean end: no crash, no leak, no token. Here by unit tests, and by some of the calls of "
          "whole programs; `make torture` takes all of them in all scenarios",
          unit("test_failure", "test_dispatch", "test_dispatch_token", "test_dispatch_assertion", "test_dispatch_dpop",
               "test_dispatch_certificate", "test_dispatch_reuse", "test_metrics", "test_snapshot", "test_jws",
               "test_certificate") +
          unit("test_config_memory", "test_each_failure", "test_each_failure_of_a_bad_one") +
          unit("test_store_lmdb", "test_failing_calls") + unit("test_counters", "test_failing_calls") +
          unit("test_random", "test_start_without_memory") + (TORTURE,)),
    Fault(14, "100,000 clients and too little memory (RLIMIT_AS)",
          "below a limit a clean failure at the start that says so, above it it serves; at most 0.5 KB a client; a "
          "reload without memory keeps the old configuration",
          e2e("faults_long", "test_too_little_memory", "test_memory_of_a_client")),
    Fault(15, "bodies byte by byte, half-closed, RST before, in and after a request, peers that read nothing",
          "others wait no longer (p99 at most twice as long); slow ones are cut at their deadline",
          e2e("test_process", "test_unfinished_requests_are_closed_at_their_deadline",
              "test_half_closed_connection_is_answered", "test_peer_that_takes_no_answer",
              "test_peers_that_do_not_read", "test_peers_that_read_none_of_many_answers",
              "test_slow_reader_gets_its_answer", "test_answer_that_is_not_taken_in_time") +
          e2e("test_faults", "test_peers_that_reset") + e2e("faults_long", "test_slow_bodies")),
    Fault(16, "FCGI_ABORT in a body or at its end; client gone before its answer",
          "no crash; each abort is logged, as \"not FastCGI or unsafe\" (there is no word for it alone); an assertion "
          "is used up only if its token was signed",
          e2e("test_faults", "test_abort_uses_nothing_up") +
          e2e("test_process", "test_broken_bytes_cost_their_connection_only")),
    Fault(17, "10,000 connections at once, straight and through each web server",
          "straight: all 10,000 are answered. Through a web server that keeps the program: half of them at least, "
          "through nginx a third, as 4,096 may wait (net.core.somaxconn); each that comes to the program is answered, "
          "and its answer arrives; what a web server has no room for it refuses (502). Where silent connections are "
          "too many the oldest make room; memory is bounded. The test needs 11,000 descriptors (ulimit -Hn)",
          e2e("faults_long", "test_connections_at_once", "test_more_connections_than_there_is_room_for",
              "test_connections_at_once_through_web_servers") +
          e2e("test_process", "test_thousand_connections")),
    Fault(18, "100,000 clients, 10,000 scopes, 1,000 keys",
          "start and reload take each process 1 s of a processor at most, a token at most 1.5 times what it takes with "
          "one client; while half of the workers load, the others serve",
          e2e("faults_long", "test_large_configuration") +
          e2e("test_loading", "test_half_of_the_workers_load")),
    Fault(19, "the kernel's random bytes fail, or do not come",
          "503, no token, no other source; works again by itself; nothing is answered before they come",
          e2e("test_faults", "test_no_random_bytes", "test_random_bytes_that_do_not_come") +
          unit("test_random", "test_failure", "test_pool_fails")),
    Fault(20, "16 workers share one store, and are killed and started anew",
          "each jti and request id once, each assertion once; locks of dead processes go",
          e2e("test_faults", "test_every_process_has_its_own_random_numbers") +
          e2e("test_races", "test_race_of_processes") +
          unit("test_store_processes", "test_race", "test_dead_readers", "test_lock_removed") +
          unit("test_random", "test_differ")),
    Fault(21, "the supervisor is killed and started anew while an assertion is raced",
          "one token for each assertion at most; none only where it was lost with a process that was killed (SIGKILL)",
          e2e("faults_long", "test_restarts_in_a_race")),
    Fault(22, "log blocked or full",
          "logging is best-effort: lines are lost, every request is served, and waits 100 ms at most (the median below "
          "150 ms, the slowest below 1 s, as a machine may be busy)",
          e2e("test_faults", "test_log_that_nobody_reads", "test_log_without_room") +
          e2e("test_operations", "test_new_log_that_cannot_be_opened") +
          unit("test_log", "test_write_fails", "test_nobody_reads")),
    Fault(23, "hostile environment: none, Turkish, 128 KB, proxies, closed descriptors 0 to 2",
          "the same bytes come out; descriptors 0 to 2 are /dev/null",
          e2e("test_faults", "test_hostile_environment", "test_hostile_environment_of_cgi") +
          e2e("test_process", "test_closed_standard_descriptors")),
    Fault(24, "store of an older or newer version, or none at all",
          "refused, 503 and a clear message; no revocation is ignored, and none is lost",
          e2e("test_faults", "test_store_of_another_version") +
          e2e("test_races", "test_store_that_is_none", "test_store_that_becomes_none") +
          unit("test_store_lmdb", "test_format", "test_strange_entries")),
    Fault(25, "oauth2-admin rotates, edits and prunes while the server reloads and serves",
          "edits wait for each other and none is lost; whole files only; every token verifies, none twice",
          e2e("faults_long", "test_admin_beside_the_server") +
          e2e("test_edit", "test_many_editors_at_once", "test_two_files_one_lock", "test_killed_at_any_point",
              "test_a_running_server_takes_each_change", "test_changed_meanwhile")),
)


class Results:
    """What became of each test: pytest tells it as a plugin, unit test programs by what they print."""

    def __init__(self):
        self.outcomes = {}      # Test: a list of "passed", "failed", "skipped"
        self.seen = {}          # Test: what it found, in words
        self.texts = []         # of those that failed

    def add(self, test, outcome, text=""):
        self.outcomes.setdefault(test, []).append(outcome)
        if outcome != "passed":
            self.texts.append(f"{test.path}: {test.name}: {outcome}\n{text}")

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        path, _, name = report.nodeid.partition("::")
        test = Test(path, re.match(r"\w+", name)[0])
        self.add(test, report.outcome, report.longreprtext)
        self.seen.setdefault(test, []).extend(value for key, value in report.user_properties if key == "seen")
        if sys.stderr.isatty():
            print(f"\r{sum(map(len, self.outcomes.values()))} tests", end="", flush=True, file=sys.stderr)

    def pytest_collectreport(self, report):
        if report.failed:
            self.texts.append(report.longreprtext)

    def judge(self, fault):
        """Does the row hold, and what was seen."""
        found = [outcome for test in fault.tests for outcome in self.outcomes.get(test, ["missing"])]
        bad = [f"{found.count(outcome)} {outcome}" for outcome in sorted(set(found) - {"passed"})]
        figures = [text for test in fault.tests for text in self.seen.get(test, [])]
        return not bad, "; ".join([*bad, *figures, f"{found.count('passed')} tests passed"])


def run_end_to_end(tests, build, results):
    names = [f"{ROOT / test.path}::{test.name}" for test in tests]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "--build", str(build), *names],
                             plugins=[results])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        results.texts.append(output.getvalue())
    return status == pytest.ExitCode.OK


def run_unit(program, tests, build, results):
    """A program with all its cases; of those that are asked for, what it says of them."""
    try:
        done = subprocess.run([build / "tests" / program], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=UNIT_LIMIT_S, check=False)
        text = done.stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        text = f"{error}: type `make unit`\n"
    for test in tests:
        passed = re.search(rf"^\[ +OK \] {test.name}$", text, re.M)
        results.add(test, "passed" if passed else "failed", text)


def run_torture(build, results):
    """Whole programs, some scenarios, some of the calls in each; its last line says how many."""
    try:
        done = subprocess.run([sys.executable, ROOT / TORTURE.path, "--build", build, "--short"], cwd=ROOT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=TORTURE_LIMIT_S, check=False)
        text, passed = done.stdout, done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        text, passed = f"{error}\n", False
    results.add(TORTURE, "passed" if passed else "failed", text)
    results.seen[TORTURE] = text.splitlines()[-1:] if passed else []


def print_row(cells):
    columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS)]
    for index in range(max(map(len, columns))):
        line = [column[index] if index < len(column) else "" for column in columns]
        print("  ".join(f"{text:{width}}" for text, width in zip(line, WIDTHS)).rstrip())
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=Path, metavar="DIR", help="the programs and unit tests")
    parser.add_argument("number", nargs="*", type=int, help="these rows alone")
    options = parser.parse_args()
    rows = [fault for fault in FAULTS if not options.number or fault.number in options.number]
    tests = list(dict.fromkeys(test for fault in rows for test in fault.tests))
    build, results, begin = options.build.resolve(), Results(), time.monotonic()
    for program in dict.fromkeys(test.program for test in tests if test.program):
        run_unit(program, [test for test in tests if test.program == program], build, results)
    if TORTURE in tests:
        run_torture(build, results)
    ended_well = run_end_to_end([test for test in tests if test.path.startswith("tests/e2e/")], build, results)
    print("\n".join(["", *results.texts]))
    print_row(["no", "fault", "expected", "seen", "ok"])
    held = 0
    for fault in rows:
        holds, seen = results.judge(fault)
        held += holds
        print_row([str(fault.number), fault.what, fault.expected, seen, "ok" if holds else "NO"])
    print(f"faults: {held} of {len(rows)} as expected, {sum(map(len, results.outcomes.values()))} tests, "
          f"{time.monotonic() - begin:.0f} s")
    # What a server wrote, a sanitizer's report for one, may fail a run at its end.
    sys.exit(held != len(rows) or not ended_well)


if __name__ == "__main__":
    main()
