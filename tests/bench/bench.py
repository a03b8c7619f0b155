#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a token costs behind each web server, in one run on one machine.

The unit, U, is the processor time of one bare RS256 signature of 2048 bits by libcrypto while all
processors are busy; it is measured between the others, and each figure is told by the unit beside it.
The floor is a request that is refused at the very end (invalid_scope): all the work of a token
but its claims, its signature and the length of the answer. Rounds take turns; figures are medians.
"""
import os
import sys

import exact
import fronts
import load
import report
import sites
import start
from processes import Failed, output_of
from report import Goal

CONNECTIONS = (1, 16, 64)
BUSY = 16       # connections, where one number has to do
STRANGERS = 8
SHORT_RUNS = 11
KEPT = "nginx kept"
SIGNATURE_S = 0.5  # for the signatures of another key
KEY_SITES = ["ES256", "EdDSA", "RS256 reuse", "RSA 3072", "RSA 3072, 3 primes"]


class Bench:
    """All that serves, and what has been measured so far."""

    def __init__(self, build, directory, options):
        self.build = build
        self.directory = directory
        self.seconds = options.seconds
        self.rounds = options.rounds
        self.servers = {}
        self.rows = report.Rows()  # by (server, what, connections)
        self.missing = {}
        output_of(f"{build}/oauth2-admin", "keygen", "--out", f"{directory}/unit.pem")
        self.unit = load.Unit(build, f"{directory}/unit.pem")

    def start(self, name, kind, configuration):
        """Start a server and warm it; what fails is told and left out."""
        try:
            server = kind(self.build, f"{self.directory}/{name.replace(' ', '-')}",
                          sites.configuration(self.build, configuration))
            self.servers[name] = server
            load.Wrk(server, sites.TOKEN, max(CONNECTIONS), server.warm_s).result()
        except Failed as failure:
            self.missing[name] = str(failure)
            if name in self.servers:
                self.servers.pop(name).stop()

    def start_all(self):
        for name, kind in fronts.FRONTS.items():
            self.start(name, kind, "RS256")
        for name in KEY_SITES:
            self.start(name, fronts.Nginx, name)
        if KEPT in self.servers:
            # Each process has to see the secret once.
            load.Wrk(self.servers[KEPT], sites.PERSONAL, max(CONNECTIONS), 2).result()

    def stop_all(self):
        for server in self.servers.values():
            server.stop()

    def add(self, name, what, connections, figures, unit_us):
        figures = {**figures, "unit_us": unit_us, "p99_p50": figures["p99_ms"] / figures["p50_ms"],
                   **{f"{part}_u": figures[f"{part}_us"] / unit_us for part in ("front", "program", "cpu")}}
        self.rows.add((name, what, connections), figures)

    def measure(self, name, connections, **requests):
        """These requests one after the other, between two measurements of the unit."""
        if name not in self.servers:
            return
        server = self.servers[name]
        before_us = self.unit.measure()
        try:
            found = {what: load.measure(server, request, connections, self.seconds)
                     for what, request in requests.items()}
        except Failed as failure:
            self.missing[f"{name}, {connections} clients"] = str(failure)
            for what in requests:
                self.rows.fail((name, what, connections))
            return
        unit_us = (before_us + self.unit.measure()) / 2
        sign_us = unit_us
        if name in KEY_SITES:
            sign_us = load.Unit(self.build, server.key, SIGNATURE_S).measure()
        for what, figures in found.items():
            self.add(name, what, connections, {**figures, "sign_us": sign_us}, unit_us)

    def measure_flood(self):
        """Good clients while strangers try to guess a bcrypt secret."""
        server, key = self.servers[KEPT], (KEPT, "flooded", BUSY)
        unit_us = self.unit.measure()
        server.clear_log()
        strangers = load.Wrk(server, sites.STRANGER, STRANGERS, self.seconds + 1)
        try:
            flooded = load.measure(server, sites.TOKEN, BUSY, self.seconds)
            flooded["strangers"] = strangers.result()["count"]
        except Failed as failure:
            self.missing["strangers"] = str(failure)
            self.rows.fail(key)
            return
        flooded["strangers_checked"] = load.count_reason(server.log(), sites.STRANGER)
        if flooded["strangers_checked"] == 0:
            self.missing["strangers"] = "none of their secrets was checked"
            self.rows.fail(key)
        self.add(*key, flooded, unit_us)

    def round(self, number):
        for connections in CONNECTIONS:
            tell(f"round {number + 1} of {self.rounds}: {connections} connections")
            for name in fronts.FRONTS:
                self.measure(name, connections, token=sites.TOKEN, floor=sites.FLOOR)
        tell(f"round {number + 1} of {self.rounds}: other keys, a bcrypt secret, strangers")
        for name in KEY_SITES:
            self.measure(name, BUSY, token=sites.TOKEN, floor=sites.FLOOR)
        self.measure(KEPT, BUSY, sha256=sites.TOKEN, bcrypt=sites.PERSONAL)
        if KEPT in self.servers:
            self.measure_flood()


def tell(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def count_exactly(build, directory, tokens):
    """What does not depend on how busy the machine is."""
    return {"instructions": exact.instructions(build, f"{directory}/instructions"),
            "memory": exact.memory(build, f"{directory}/memory", tokens)}


def measure_starts(build, directory, is_short):
    """CGI, the first token, many clients."""
    return start.measure(build, f"{directory}/starts", SHORT_RUNS if is_short else start.RUNS,
                         1 if is_short else start.ROUNDS)


# --- goals ------------------------------------------------------------------------------------

def limit_of_all(front_u):
    """Processor time of a signature and of the web server."""
    return None if front_u is None else 1 + front_u


def limit_of_key(floor_rate, sign_us):
    """Requests a second with this signature alone added to the floor, over the floor's."""
    if floor_rate is None or sign_us is None:
        return None
    return 1 / (1 + floor_rate * sign_us / 1e6 / os.cpu_count())


def goals_of_load(rows):
    kept = (KEPT, "token", BUSY)
    yield Goal("processor time of the program, nginx kept, 16 clients", rows.median(kept, "program_u"),
               1.10, 1.06, "U", limit=1)
    for name, must, aim in ((KEPT, 1.20, 1.16), ("lighttpd", 1.28, 1.22), ("Apache proxy", 1.40, 1.33)):
        key = (name, "token", BUSY)
        yield Goal(f"processor time of all, {name}, 16 clients", rows.median(key, "cpu_u"), must, aim, "U",
                   limit=limit_of_all(rows.median(key, "front_u")))
    yield Goal("p99 / p50, nginx kept, 16 clients", rows.median(kept, "p99_p50"), 3, 2)
    for name, must, aim in (("ES256", 0.70, 0.80), ("RS256 reuse", 0.85, 0.95)):
        token, floor = (name, "token", BUSY), (name, "floor", BUSY)
        limit = limit_of_key(rows.median(floor, "rate"), rows.median(token, "sign_us")) if name == "ES256" else 1
        yield Goal(f"req/s, {name} / floor", rows.ratio(token, floor, "rate"), must, aim, is_gain=True, limit=limit)
    yield Goal("req/s, RSA 3072 with 3 primes / with 2",
               rows.ratio(("RSA 3072, 3 primes", "token", BUSY), ("RSA 3072", "token", BUSY), "rate"),
               1.8, 2.1, is_gain=True)
    yield Goal("req/s, known bcrypt secret / sha256 secret",
               rows.ratio((KEPT, "bcrypt", BUSY), (KEPT, "sha256", BUSY), "rate"), 0.98, 1, is_gain=True)
    yield Goal("p99 of good clients, 8 strangers with wrong bcrypt secrets / none",
               rows.ratio((KEPT, "flooded", BUSY), (KEPT, "sha256", BUSY), "p99_ms"), 3, 1.5)


def goals_of_counts(counts):
    instructions, memory = counts.get("instructions"), counts.get("memory")
    yield Goal("instructions of a token / of a bare signature",
               instructions and instructions["token"] / instructions["sign"], 1.03, 1.015)
    tokens = memory["tokens"] if memory else 100000
    yield Goal(f"memory of a process after {tokens} tokens", memory and memory["end_kb"] / 1024,
               7, 5.8, "MB")
    yield Goal("  its growth over the last half of them",
               memory and memory["end_kb"] - memory["half_kb"], 0, 0, "KB")


def goals_of_starts(starts):
    cgi = starts["cgi"][0] if starts else None
    many = starts["large"][-1] if starts else None
    yield Goal("exec to first token, FastCGI", starts and starts["first_token_ms"], 15, 8, "ms")
    yield Goal("CGI: processor time / that of /bin/true", cgi and cgi["x_true"],
               8, 5 if starts and starts["is_static"] else 6.5)
    for text, name, scale, must, aim, unit in (
            ("start", "start_ms", 1000, 1, 0.5, "s"),
            (f"reload in {start.WORKERS} workers", "reload_all_ms", 1000, 1, 0.5, "s"),
            ("memory of each", "bytes_started", 1024, 1, 0.4, "KB")):
        yield Goal(f"100,000 clients: {text}", many and many[name] / scale, must, aim, unit)


# --- tables -----------------------------------------------------------------------------------

HEAD = (f"{'':18} {'clients':>7} {'req/s':>7} {'p50 ms':>7} {'p99 ms':>7} {'program':>8} {'front':>6}"
        f" {'all U':>6} {'RSS MB':>7} | {'floor req/s':>11} {'p99 ms':>7} {'program':>8} {'front':>6} {'all U':>6}")
VARIANTS = {"sha256": "sha256 secret", "bcrypt": "bcrypt, known", "flooded": "sha256, strangers"}


def costs(row):
    return f"{row['p99_ms']:7.1f} {row['program_u']:8.3f} {row['front_u']:6.3f} {row['cpu_u']:6.3f}"


def print_row(name, row, floor):
    rss = f"{row['rss_kb'] / 1024:7.1f}" if row["rss_kb"] else f"{'-':>7}"
    line = f"{name:18} {row['connections']:7} {row['rate']:7.0f} {row['p50_ms']:7.2f} {costs(row)} {rss}"
    if floor is not None:
        line += f" | {floor['rate']:11.0f} {costs(floor)}"
    if row["errors"]:
        line += f"  {row['errors']:.0f} ERRORS"
    if "strangers" in row:
        line += f"  ({STRANGERS} strangers: {row['strangers']:.0f} tries, {row['strangers_checked']:.0f} checked)"
    print(line)


def print_rows(result):
    floors = {(row["server"], row["connections"]): row for row in result["rows"] if row["what"] == "floor"}
    tokens = [row for row in result["rows"] if row["what"] == "token"]

    def print_some(is_front):
        print(HEAD)
        for row in tokens:
            if (row["server"] in result["fronts"]) == is_front:
                print_row(row["server"], row, floors.get((row["server"], row["connections"])))

    print("Tokens with RS256, 2048 bits, and a sha256 secret; processor time a token in U, of the program and of the"
          " front.\nFloor: the same program refuses the scope: all the work but claims, signature, length of the"
          " answer.")
    print_some(True)
    print("\nOther keys and secrets, nginx kept; U is still that of RS256 with 2048 bits.")
    print_some(False)
    for row in result["rows"]:
        if row["what"] in VARIANTS:
            print_row(VARIANTS[row["what"]], row, None)
    print()


def print_counts(counts):
    if "instructions" in counts:
        found = counts["instructions"]
        print(f"Instructions: a bare signature {found['sign'] / 1e6:.3f} M, a token {found['token'] / 1e6:.3f} M,"
              f" the floor {found['floor'] / 1e6:.3f} M")
    if "memory" in counts:
        found = counts["memory"]
        print(f"RSS of one process: {found['start_kb']} KB after 100 tokens, {found['half_kb']} after"
              f" {found['tokens'] // 2}, {found['end_kb']} after {found['tokens']}")
    print()


def as_list(rows):
    return [{"server": name, "what": what, "connections": connections, **row}
            for (name, what, connections), row in rows.items()]


def show(result):
    """All of a result, for people."""
    report.print_head(result)
    print_rows(result)
    print_counts(result["counts"])
    if result["starts"]:
        start.print_table(result["starts"])
        print()
    report.print_goals(result["goals"])
    report.print_missing(result["missing"])


def attempt(missing, name, measure, *arguments):
    """The figures, or none and the reason why."""
    tell(name)
    try:
        return measure(*arguments)
    except Failed as failure:
        missing[name] = str(failure)
        return {}


def run(build, directory, options):
    where = report.machine(build)
    bench = Bench(build, directory, options)
    try:
        tell("starting and warming the servers")
        bench.start_all()
        for number in range(options.rounds):
            bench.round(number)
    finally:
        bench.stop_all()
    counts = attempt(bench.missing, "instructions, and memory after many tokens", count_exactly, build,
                     directory, options.tokens)
    starts = attempt(bench.missing, "starts", measure_starts, build, directory, options.short)
    unit = report.unit_summary(bench.unit)
    goals = [*goals_of_counts(counts), *goals_of_load(bench.rows), *goals_of_starts(starts)]
    return {
        "machine": where, "versions": {**fronts.versions(), "wrk": load.version()},
        "unit": unit, "doubts": report.doubts(where, unit, options.short), "fronts": list(fronts.FRONTS),
        "rows": as_list(bench.rows.middles()), "counts": counts, "starts": starts,
        "goals": [goal.figures() for goal in goals], "missing": bench.missing,
    }


def parse():
    parser = report.parser_of(__doc__, 2, "one round of 1 s, 10000 tokens", "result.json")
    parser.add_argument("--tokens", type=int, default=100000, help="for the memory (default: 100000)")
    options = parser.parse_args()
    if options.short:
        options.seconds, options.rounds, options.tokens = 1, 1, 10000
    return options


def main():
    report.run_and_show("bench", "result.json", parse(), run, show)


if __name__ == "__main__":
    main()
