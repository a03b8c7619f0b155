#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same load on this program behind nginx and on servers of others, in turns, in one run.

All check a client's secret by HTTP Basic, and sign with RS256 and the same key of 2048 bits. Ours has the
secret's SHA-256 hash, theirs compare plain text. Node.js runs in two ways: as one process, which signs in
threads, and as a cluster of a process for each processor; goals are told by the faster. gunicorn has a process
for each processor, of 4 threads. All are warm before they are measured.
"""
import base64
import json
import os
import re
import shutil
import sys
import textwrap
import urllib.error
import urllib.request

import fronts
import load
import report
import sites
from processes import Failed, cpu_ns, output_of, tool
from report import Goal

CONNECTIONS = (1, 16, 64)
BUSY = 16
WRONG = sites.Request(sites.CLIENT, "wrong", refused="a wrong secret")
OURS = "oauth2-fcgi, nginx"
FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
NODE_MIN = 20


class Peer(fronts.Server):
    """A server of others."""

    def __init__(self, build, directory, key):
        super().__init__(directory)
        os.mkdir(directory)
        self.build = build
        self.key = shutil.copy(key, f"{directory}/key.pem")
        self.begin()

    def cpu(self):
        return {pid: cpu_ns(pid) for pid in self.pids()}, {}

    def rss_kb(self):
        return self.all_kb()[0]


class Node(Peer):
    """One of the scripts of peers/, beside the packages that make has installed."""

    script = ""
    processes_wanted = 1

    def start(self):
        os.symlink(f"{self.build}/bench/peers/node_modules", f"{self.directory}/node_modules")
        for name in ("cluster.mjs", self.script):
            shutil.copy(f"{FILES}/{name}", self.directory)
        several = ["cluster.mjs", str(self.processes_wanted)] if self.processes_wanted > 1 else []
        self.run(tool("node"), *several, self.script, str(self.port), self.key, sites.CLIENT, sites.SECRET,
                 sites.SCOPE, NODE_ENV="production")


class OAuth2Server(Node):
    """@node-oauth/oauth2-server with jose."""

    script = "oauth2-server.mjs"


class OidcProvider(Node):
    """oidc-provider."""

    script = "oidc-provider.mjs"


class OAuth2ServerCluster(OAuth2Server):
    """The same with node:cluster."""

    processes_wanted = os.cpu_count()


class OidcProviderCluster(OidcProvider):
    """The same with node:cluster."""

    processes_wanted = os.cpu_count()


class Authlib(Peer):
    """Authlib in Flask under gunicorn."""

    def start(self):
        shutil.copy(f"{FILES}/authlib_app.py", self.directory)
        self.run(tool("gunicorn"), "--bind", f"127.0.0.1:{self.port}", "--workers", str(os.cpu_count()),
                 "--threads", "4", "--worker-class", "gthread", "authlib_app:app",
                 AUTHLIB_INSECURE_TRANSPORT="1", PYTHONDONTWRITEBYTECODE="1", PEER_KEY=self.key,
                 PEER_PORT=str(self.port), PEER_CLIENT=sites.CLIENT, PEER_SECRET=sites.SECRET,
                 PEER_SCOPE=sites.SCOPE)


PEERS = {
    "@node-oauth/oauth2-server": OAuth2Server, "@node-oauth/oauth2-server, cluster": OAuth2ServerCluster,
    "oidc-provider": OidcProvider, "oidc-provider, cluster": OidcProviderCluster, "Authlib": Authlib,
}
# name -> how many times as many requests a second: must, aim
GAINS = {"@node-oauth/oauth2-server": (1.3, 1.4), "oidc-provider": (1.7, 1.8), "Authlib": (2, 2.2)}


def versions(build):
    found = output_of("npm", "ls", "--prefix", f"{build}/bench/peers", "--depth=0")
    packages = {name: name for name in re.findall(r"── (\S+@\S+)", found)}
    python = output_of("/usr/bin/python3", "-c", "import authlib, flask, gunicorn\n"
                       "print(authlib.__version__, flask.__version__, gunicorn.__version__)").split()
    node = output_of(tool("node"), "--version").strip()
    if int(node[1:].split(".")[0]) < NODE_MIN:
        raise Failed(f"node is {node}; these packages need {NODE_MIN} or later")
    own = output_of(tool("node"), "-p", "process.versions.openssl").strip()
    ours = fronts.versions()
    return {"nginx": ours["nginx"], "OpenSSL": ours["OpenSSL"], "wrk": load.version(),
            "node": f"Node.js {node} with OpenSSL {own}", **packages,
            "Authlib": f"Authlib {python[0]}", "Flask": f"Flask {python[1]}", "gunicorn": f"gunicorn {python[2]}"}


def ask(url, request):
    """Status and JSON of one answer."""
    encoded = urllib.request.Request(url, request.body.encode(), {
        "Authorization": request.authorization, "Content-Type": "application/x-www-form-urlencoded"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(encoded, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_measured_kind(token):
    """A JWT with an RS256 signature of 2048 bits."""
    parts = [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]
    return len(parts) == 3 and json.loads(parts[0])["alg"] == "RS256" and len(parts[2]) == 256


def check(server):
    """All must do the same work: check the secret, and sign anew for each request."""
    try:
        answers = [ask(server.url, request) for request in (sites.TOKEN, sites.TOKEN, WRONG)]
    except (OSError, ValueError) as error:
        raise Failed(f"no answer to measure: {error}") from error
    tokens = [answer.get("access_token", "") for _, answer in answers]
    if [status for status, _ in answers] != [200, 200, 401] or answers[2][1].get("error") != "invalid_client":
        raise Failed(f"wrong answers to a right and a wrong secret: {answers[1:]}"[:500])
    if not all(map(is_measured_kind, tokens[:2])) or tokens[0] == tokens[1]:
        raise Failed("no tokens of the kind that is measured, or one token twice")


class Comparison:
    """The servers, and what each took."""

    def __init__(self, build, directory, options):
        self.options = options
        self.build = build
        self.directory = directory
        self.key = f"{directory}/ours/conf/key.pem"  # of all of them
        self.unit = load.Unit(build, self.key)
        self.servers = {}
        self.rows = report.Rows()  # by (server, connections)
        self.missing = {}

    def start_all(self):
        self.servers[OURS] = fronts.Nginx(self.build, f"{self.directory}/ours",
                                          sites.configuration(self.build, "RS256"))
        self.warm(OURS)
        for name, kind in PEERS.items():
            try:
                self.servers[name] = kind(self.build, f"{self.directory}/{kind.__name__}", self.key)
                self.warm(name)
            except Failed as failure:
                self.missing[name] = str(failure)
                self.give_up(name)

    def give_up(self, name):
        """What is not measured does not take time from the others."""
        if name in self.servers:
            self.servers.pop(name).stop()

    def warm(self, name):
        """With as many connections as there will be: each process has to have its part."""
        server = self.servers[name]
        check(server)
        load.Wrk(server, sites.TOKEN, max(CONNECTIONS), self.options.warm).result()

    def measure(self, name, connections):
        server = self.servers[name]
        before_us = self.unit.measure()
        try:
            row = load.measure(server, sites.TOKEN, connections, self.options.seconds)
            if name == OURS:
                row["floor_p50_ms"] = load.measure(server, sites.FLOOR, connections, 1)["p50_ms"]
        except Failed as failure:
            self.missing[f"{name}, {connections} clients"] = str(failure)
            self.rows.fail((name, connections))
            return
        unit_us = (before_us + self.unit.measure()) / 2
        row["cpu_u"], row["unit_us"] = row["cpu_us"] / unit_us, unit_us
        row["rss_kb"], row["pss_kb"] = server.all_kb()
        self.rows.add((name, connections), row)

    def round(self):
        for connections in CONNECTIONS:
            for name in self.servers:
                self.measure(name, connections)

    def stop(self):
        for server in self.servers.values():
            server.stop()


def all_or_none(function, values):
    values = list(values)
    return None if None in values else function(values)


def limit_of_rate(rows, form):
    """Where the processors are full, the rates are as the processor times of a request."""
    own, other = (OURS, BUSY), rows.median((form, BUSY), "cpu_us")
    sign_us, front_us = rows.median(own, "unit_us"), rows.median(own, "front_us")
    return None if None in (sign_us, front_us, other) else other / (sign_us + front_us)


def limit_of_p50(rows, form):
    """An answer without a signature, and the signature."""
    sign_us, floor_ms, other_ms = (rows.median(key, figure) for key, figure in (
        ((OURS, 1), "unit_us"), ((OURS, 1), "floor_p50_ms"), ((form, 1), "p50_ms")))
    return None if None in (sign_us, floor_ms, other_ms) else (sign_us / 1000 + floor_ms) / other_ms


def goals(rows):
    """Against the faster form of each; without a figure if one of its forms has none."""
    for name, (must, aim) in GAINS.items():
        forms = [form for form in PEERS if form.split(",")[0] == name]
        value = all_or_none(min, (rows.ratio((OURS, BUSY), (form, BUSY), "rate") for form in forms))
        limit = all_or_none(min, (limit_of_rate(rows, form) for form in forms))
        yield Goal(f"req/s at 16 clients / {name}", value, must, aim, is_gain=True, limit=limit)
    value = all_or_none(max, (rows.ratio((OURS, 1), (form, 1), "p50_ms") for form in PEERS))
    limit = all_or_none(max, (limit_of_p50(rows, form) for form in PEERS))
    yield Goal("p50 at one client / best of the others", value, 0.65, 0.55, limit=limit)


def print_rows(rows):
    print("Memory is that of all processes, ours with nginx; Pss counts what they share in parts.")
    print(f"{'':34} {'clients':>7} {'req/s':>7} {'p50 ms':>7} {'p99 ms':>7} {'CPU U':>6} {'RSS MB':>7} {'PSS MB':>7}"
          f" | ours: {'req/s':>6} {'p50':>6} {'CPU':>6} {'RSS':>6}")
    for (name, connections), row in rows.items():
        ours = rows.get((OURS, connections))
        against = "" if name == OURS or ours is None else "| " + " " * 5 + "".join(
            f" {ours[figure] / row[figure]:5.2f}x" for figure in ("rate", "p50_ms", "cpu_u", "rss_kb"))
        wrong = f"  {row['errors']:.0f} ERRORS" if row["errors"] else ""
        print(f"{name:34} {connections:7} {row['rate']:7.0f} {row['p50_ms']:7.2f} {row['p99_ms']:7.1f}"
              f" {row['cpu_u']:6.3f} {row['rss_kb'] / 1024:7.1f} {row['pss_kb'] / 1024:7.1f} {against}{wrong}")
    print()


def run(build, directory, options):
    where = report.machine(build)
    known = versions(build)
    comparison = Comparison(build, directory, options)
    try:
        comparison.start_all()
        for number in range(options.rounds):
            print(f"bench-peers: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            comparison.round()
    finally:
        comparison.stop()
    rows = comparison.rows.middles()
    unit = report.unit_summary(comparison.unit)
    return {
        "machine": where, "versions": known, "unit": unit, "doubts": report.doubts(where, unit, options.short),
        "rows": [{"server": name, "connections": connections, **row}
                 for (name, connections), row in rows.items()],
        "goals": [goal.figures() for goal in goals(comparison.rows)], "missing": comparison.missing,
    }


def show(result):
    """All of a result, for people."""
    report.print_head(result)
    print(textwrap.fill(" ".join(__doc__.split("\n\n")[1].split()), 120))
    print_rows({(row["server"], row["connections"]): row for row in result["rows"]})
    report.print_goals(result["goals"])
    report.print_missing(result["missing"])


def parse():
    parser = report.parser_of(__doc__, 4, "one round of 1 s, hardly warm", "peers.json")
    parser.add_argument("--warm", type=int, default=8, help="seconds before the first (default: 8)")
    options = parser.parse_args()
    if options.short:
        options.seconds, options.rounds, options.warm = 1, 1, 1
    return options


def main():
    report.run_and_show("bench-peers", "peers.json", parse(), run, show)


if __name__ == "__main__":
    main()
