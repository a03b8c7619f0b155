#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs to begin: one CGI process, the first token of a FastCGI server, many clients.

CGI: processor time beside that of /bin/true from the same spawner, and instructions by callgrind beside
one bare RS256 signature. FastCGI: from the start of the program to its first token. With many clients:
start, reload in all workers, what requests feel meanwhile, memory and processor time a token.
Times are medians; what is compared takes turns.
"""
import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time

import exact
import fastcgi
import large
import processes
import sites
from processes import Failed, cpu_ns, memory_kb, output_of

PATIENCE_S = 60
SETTLE_S = 2     # a process that saw the new file by itself loads it once more at the signal
WORKERS = 4
RUNS = 101
ROUNDS = 3


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def configure(directory, count, extra=None):
    """A file with `count` clients, and one more if it is named; replaced in one step."""
    path = f"{directory}/{count}.yaml"
    with open(f"{path}.new", "w", encoding="utf-8") as f:
        large.write(f, count, "key.pem")
        if extra is not None:
            f.write(large.one(extra))
    os.rename(f"{path}.new", path)
    return path


def request_of(number):
    return sites.Request(large.client_id(number), large.secret(number))


def has_token(answer):
    return b'"access_token"' in answer


# --- CGI ------------------------------------------------------------------------------------

def run_once(argv, environment, body):
    """CPU milliseconds of one process, and its answer."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(body)
        stdin.seek(0)
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin.fileno(), 0),
            (os.POSIX_SPAWN_DUP2, stdout.fileno(), 1),
            (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
        usage = os.wait4(pid, 0)[2]
        stdout.seek(0)
        return 1000 * (usage.ru_utime + usage.ru_stime), stdout.read()


def count_instructions(argv, environment, body, directory):
    """Instructions of one process, by callgrind."""
    return exact.collected(output_of(*exact.under_callgrind(directory), *argv, input=body,
                                     env={**environment, "PATH": os.environ["PATH"]}))


def measure_cgi(build, directory, counts, runs):
    """For each number of clients: CPU of a process, of /bin/true, and instructions."""
    sign = exact.of_signature(build, directory)
    rows = []
    for count in counts:
        request = request_of(large.asked(count))
        environment = {**fastcgi.variables(request), "GATEWAY_INTERFACE": "CGI/1.1",
                       "OAUTH2_CONFIG": configure(directory, count)}
        argv = [f"{build}/oauth2.fcgi"]
        spent, true = [], []
        for _ in range(runs):
            cpu_ms, answer = run_once(argv, environment, request.body.encode())
            if not has_token(answer):
                raise Failed(f"CGI gave no token: {answer!r}")
            spent.append(cpu_ms)
            true.append(run_once(["/bin/true"], {}, b"")[0])
        used = count_instructions(argv, environment, request.body, directory)
        rows.append({
            "clients": count, "cpu_ms": statistics.median(spent),
            "true_ms": statistics.median(true),
            "x_true": statistics.median(spent) / statistics.median(true),
            "instructions": used, "signs": used / sign,
        })
    return rows


# --- FastCGI --------------------------------------------------------------------------------

class Server:
    """oauth2.fcgi on a socket of its own, until the end of the block."""

    def __init__(self, build, directory, config, workers):
        self.path = f"{directory}/socket"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        argv = [f"{build}/oauth2.fcgi", "--config", config, "--listen", self.path,
                "--workers", str(workers)]
        self.started = time.perf_counter()
        self.pid = os.posix_spawn(argv[0], argv, {}, file_actions=[
            (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)

    def connect(self):
        """As soon as somebody listens."""
        until = time.perf_counter() + PATIENCE_S
        while True:
            try:
                return fastcgi.Connection(self.path)
            except OSError:
                if time.perf_counter() > until:
                    raise Failed("the server does not listen") from None
                time.sleep(0.0002)

    def first_token(self, request):
        """Seconds from the start of the program."""
        connection = self.connect()
        if not has_token(connection.ask(fastcgi.encode(request))):
            raise Failed("the server gave no token")
        spent = time.perf_counter() - self.started
        connection.close()
        return spent

    def workers(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]

    def one_connection_each(self, request):
        """A connection that each worker owns, by the worker's process id.

        The kernel gives a new connection to whom it likes, so those that have one are held.
        """
        owned, spare = {}, []
        workers = self.workers()
        while len(owned) < len(workers):
            connection = self.connect()
            if len(owned) + 1 < len(workers):
                self.connect().close()  # may wake one that is held
            before = {pid: cpu_ns(pid) for pid in workers}
            connection.ask(request)
            owner = max(workers, key=lambda pid: cpu_ns(pid) - before[pid])  # pylint: disable=cell-var-from-loop
            if owner in owned:
                spare.append(connection)
                continue
            owned[owner] = connection
            os.kill(owner, signal.SIGSTOP)
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        for connection in spare:
            connection.close()
        return owned


def measure_first_token(build, directory, runs):
    """Milliseconds from exec to the first token, with one client."""
    config = configure(directory, 1)
    times = []
    for _ in range(runs):
        with Server(build, directory, config, WORKERS) as server:
            times.append(1000 * server.first_token(request_of(0)))
    return statistics.median(times)


# --- many clients -----------------------------------------------------------------------------

class Reload:
    """A new client is added; each worker is asked for it until it knows it."""

    def __init__(self, server, directory, count):
        self.directory = directory
        self.server = server
        self.count = count
        self.old = fastcgi.encode(request_of(large.asked(count)))
        self.new = fastcgi.encode(request_of(count))
        self.connections = server.one_connection_each(self.old)
        self.known_s = []   # per worker, since the signal
        self.latencies = []  # of good requests meanwhile
        self.begin = 0

    def wait(self, connection):
        known = False
        while not known:
            before = time.perf_counter()
            if not has_token(connection.ask(self.old)):
                raise Failed("a request failed during a reload")
            self.latencies.append(time.perf_counter() - before)
            known = has_token(connection.ask(self.new))
            time.sleep(0.001)
            if time.perf_counter() - self.begin > PATIENCE_S:
                raise Failed("a worker does not reload")
        self.known_s.append(time.perf_counter() - self.begin)

    def run(self):
        """Seconds until all workers know it; the median and the longest of the requests."""
        configure(self.directory, self.count, extra=self.count)
        self.begin = time.perf_counter()
        os.kill(self.server.pid, signal.SIGHUP)
        threads = [threading.Thread(target=self.wait, args=(connection,), daemon=True)
                   for connection in self.connections.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(self.known_s) != len(self.connections):
            raise Failed("the reload was not seen through")
        for connection in self.connections.values():
            connection.close()
        self.latencies.sort()
        return (max(self.known_s), self.latencies[len(self.latencies) // 2],
                self.latencies[int(0.99 * (len(self.latencies) - 1))], self.latencies[-1])


def cpu_of_requests(server, request, count=200):
    """Processor time of a request in microseconds, on one connection."""
    connection = server.connect()
    for _ in range(20):
        connection.ask(request)
    before = sum(cpu_ns(pid) for pid in server.workers())
    for _ in range(count):
        connection.ask(request)
    after = sum(cpu_ns(pid) for pid in server.workers())
    connection.close()
    return (after - before) / count / 1000


def largest_worker(server):
    return max(memory_kb(pid) for pid in server.workers())


def measure_many(build, directory, count):
    """One round with this many clients."""
    request = request_of(large.asked(count))
    config = configure(directory, count)
    with Server(build, directory, config, 1) as server:
        start_s = server.first_token(request)
        cpu_us = cpu_of_requests(server, fastcgi.encode(request))
        one = Reload(server, directory, count).run()[0]
    configure(directory, count)
    with Server(build, directory, config, WORKERS) as server:
        server.first_token(request)
        started_kb = largest_worker(server)
        all_s, p50_s, p99_s, longest_s = Reload(server, directory, count).run()
        time.sleep(SETTLE_S)
        reloaded_kb = largest_worker(server)
    return {
        "clients": count, "start_ms": 1000 * start_s, "reload_one_ms": 1000 * one,
        "reload_all_ms": 1000 * all_s, "meanwhile_p50_ms": 1000 * p50_s,
        "meanwhile_p99_ms": 1000 * p99_s, "meanwhile_max_ms": 1000 * longest_s,
        "rss_started_kb": started_kb, "rss_reloaded_kb": reloaded_kb, "cpu_us": cpu_us,
    }


def median_of(rows):
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def measure_large(build, directory, counts, rounds):
    """Medians for each number of clients; memory a client against the first number."""
    rows = [median_of([measure_many(build, directory, count) for _ in range(rounds)])
            for count in counts]
    for row in rows[1:]:
        more = row["clients"] - rows[0]["clients"]
        for when in ("started", "reloaded"):
            kb = row[f"rss_{when}_kb"] - rows[0][f"rss_{when}_kb"]
            row[f"bytes_{when}"] = 1024 * kb / more
    return rows


# --- report -------------------------------------------------------------------------------------

def print_table(result):
    print(f"{'CGI, clients':>12} {'CPU ms':>8} {'true ms':>8} {'x true':>7} {'M instr.':>9} {'signs':>6}")
    for row in result["cgi"]:
        print(f"{row['clients']:12} {row['cpu_ms']:8.2f} {row['true_ms']:8.2f} {row['x_true']:7.2f}"
              f" {row['instructions'] / 1e6:9.2f} {row['signs']:6.2f}")
    print(f"\nFastCGI, exec to first token: {result['first_token_ms']:.1f} ms\n")
    print(f"{'clients':>8} {'start ms':>9} {'reload ms':>10} {f'of {WORKERS}':>7} {'p50 ms':>7} {'p99 ms':>7}"
          f" {'max ms':>7} {'RSS MB':>7} {'reloaded':>9} {'B/client':>9} {'reloaded':>9} {'CPU us':>7}")
    for row in result["large"]:
        print(f"{row['clients']:8.0f} {row['start_ms']:9.1f} {row['reload_one_ms']:10.1f}"
              f" {row['reload_all_ms']:7.1f} {row['meanwhile_p50_ms']:7.1f}"
              f" {row['meanwhile_p99_ms']:7.1f} {row['meanwhile_max_ms']:7.1f}"
              f" {row['rss_started_kb'] / 1024:7.1f} {row['rss_reloaded_kb'] / 1024:9.1f}"
              f" {row.get('bytes_started', 0):9.0f} {row.get('bytes_reloaded', 0):9.0f}"
              f" {row['cpu_us']:7.0f}")


def measure(build, directory, runs, rounds):
    """All of it, below this directory."""
    os.makedirs(directory, exist_ok=True)
    output_of(f"{build}/oauth2-admin", "keygen", "--out", f"{directory}/key.pem")
    return {
        "is_static": "libcrypto" not in output_of("ldd", f"{build}/oauth2.fcgi"),
        "cgi": measure_cgi(build, directory, (1, 300), runs),
        "first_token_ms": measure_first_token(build, directory, 21),
        "large": measure_large(build, directory, (10, 1000, 100000), rounds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"CGI processes; default {RUNS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"with many clients; default {ROUNDS}")
    options = parser.parse_args()
    with processes.directory_for_servers() as directory:
        try:
            result = measure(os.path.abspath(options.build), directory, options.runs, options.rounds)
        except Failed as failure:
            sys.exit(f"start: {failure}")
    print_table(result)
    if options.json is not None:
        write(options.json, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
