# SPDX-License-Identifier: MIT
"""Processes that are killed while they write, and full disks: what was promised is kept, and nobody repairs."""

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback

import jwts
import rawfcgi as raw
from configurations import SECRETS
from jws import Assertions
from link import Lost, as_records, post, read_records
from running import end, kill, living, running, start
from test_races import SETTINGS, SmallDisk, assertion_request, introspect, revoke_request, secret_request

WORKERS = 8
WRITERS = 4
PHASE = 100             # kills, after which everybody is killed and all is looked at
PAUSE_S = 0.02          # between two, on the average
AT_ONCE_S = 5           # within which the store of a server that was killed is used again, on a busy machine, too
TRIES = 3000            # that a disk without room may have pages for


def ask(address, request):
    """The answer's status and body; None: the connection broke."""
    try:
        with raw.connect(address) as connection:
            connection.sendall(request)
            status, _, body = read_records(connection)
            return status, body
    except (OSError, Lost):
        return None


class Writer(threading.Thread):
    """Uses assertions and revokes tokens, and keeps those that the server has acknowledged."""

    def __init__(self, address):
        super().__init__()
        self.address = address
        self.over = threading.Event()
        self.maker = Assertions("secret-jwt", "HS256", SECRETS["secret-jwt"], SETTINGS.issuer, 600)
        self.used, self.revoked = [], []
        self.broken = 0
        self.others = []
        self.failures = []

    def assertion(self):
        return as_records(post("token", grant_type="client_credentials", client_assertion_type=jwts.ASSERTION_TYPE,
                               client_assertion=self.maker.one().decode()), keep=False)

    def send(self, request):
        """The body of an answer 200; None if there was no answer."""
        answer = ask(self.address, request)
        if answer is None:
            self.broken += 1
        elif answer[0] != 200:
            self.others.append(answer)
        return answer[1] if answer and answer[0] == 200 else None

    def turn(self):
        request = self.assertion()
        if self.send(request) is not None:
            self.used.append(request)
        body = self.send(secret_request())
        if body is None:
            return
        token = json.loads(body)["access_token"]
        if self.send(revoke_request(token)) is not None:
            self.revoked.append(token)

    def run(self):
        try:
            while not self.over.is_set():
                self.turn()
        except Exception:   # pylint: disable=broad-except
            self.failures.append(traceback.format_exc())

    def stop(self):
        self.over.set()
        self.join()


class Killings:
    """Phases of kills, and what was lost."""

    def __init__(self, bench, limit):
        self.bench = bench
        self.limit = limit
        self.killed = self.phases = self.used = self.revoked = self.lost = self.repairs = self.broken = 0
        self.others = []
        self.failures = []
        self.slowest_s = 0
        self.chance = random.Random(11)

    def kill_some(self, server):
        for _ in range(min(PHASE, self.limit - self.killed)):
            time.sleep(self.chance.uniform(0, 2 * PAUSE_S))
            workers = living(server)
            if workers:
                self.killed += kill(self.chance.choice(workers))

    def kill_all(self, server):
        """Supervisor and workers at once: the next one opens files that nobody has closed."""
        os.kill(server.pid, signal.SIGSTOP)
        for pid in [*living(server), server.pid]:
            self.killed += kill(pid)
        server.popen.wait()
        server.address.unlink(missing_ok=True)

    def look(self, server, writers):
        """What was acknowledged is remembered; the first request that needs the store works."""
        begin = time.monotonic()
        first = ask(server.address, assertion_request())
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
        self.repairs += first is None or first[0] != 200
        for writer in writers:
            self.broken += writer.broken
            self.others += writer.others
            self.failures += writer.failures
            self.used += len(writer.used)
            self.revoked += len(writer.revoked)
            for request in writer.used:
                answer = ask(server.address, request)
                self.lost += answer is None or answer[0] != 401
            for token in writer.revoked:
                self.lost += introspect(server, token)

    def phase(self, place):
        self.phases += 1
        server = start(self.bench, place, WORKERS)
        writers = [Writer(server.address) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            self.kill_some(server)
            self.kill_all(server)
        finally:
            for writer in writers:
                writer.stop()
            end(server)
        with running(self.bench, place=place, workers=WORKERS) as again:
            self.look(again, writers)


def measure_kills(bench, options, table):
    killings = Killings(bench, options.kills)
    place = bench.place()
    while killings.killed < options.kills:
        killings.phase(place)
    table.least("processes killed while they write", killings.killed, options.kills)
    table.least("killed processes: assertions that were acknowledged", killings.used, killings.phases)
    table.least("killed processes: revocations that were acknowledged", killings.revoked, killings.phases)
    table.none("killed processes: of these, lost", killings.lost)
    table.none("killed processes: clients that failed", len(killings.failures))
    table.none("killed processes: answers that are neither 200 nor cut off", len(killings.others))
    table.none("killed processes: stores that did not open at once", killings.repairs)
    table.most("killed processes: the slowest first request after all were", killings.slowest_s, AT_ONCE_S, "s")
    table.add("killed processes: requests that broke off with theirs", killings.broken, "> 0", killings.broken > 0)
    for failure in killings.failures:
        print(failure, file=sys.stderr)


class Disk:
    """A small disk with a server on it, that is filled and has room again."""

    def __init__(self):
        self.times = self.accepted = self.twice = self.stuck = 0
        self.others = []

    def once(self, server, disk, maker):
        used = []
        disk.fill(server)
        for _ in range(TRIES):
            request = maker.assertion()
            status = ask(server.address, request)[0]
            if status != 200:
                break
            used.append(request)
        if status != 503:
            self.others.append(status)
        disk.clear(server)
        self.stuck += ask(server.address, request)[0] != 200
        for again in [*used[-3:], request]:
            self.twice += ask(server.address, again)[0] != 401
        self.times += 1
        self.accepted += len(used)


DISK_TIMES = 40         # that one disk is filled, before its records take all of it


def measure_disks(bench, options, table):
    found = Disk()
    while found.times < options.disks:
        place = bench.place("lmdb:state")
        disk = SmallDisk(place)
        with running(bench, workers=2, place=place, before=disk.before) as server:
            maker = Writer(server.address)
            for _ in range(min(DISK_TIMES, options.disks - found.times)):
                found.once(server, disk, maker)
        shutil.rmtree(place, ignore_errors=True)
    table.least("full disks", found.times, options.disks)
    table.none("full disks: answers that are neither 200 nor 503", len(found.others))
    table.none("full disks: used assertions that were accepted again", found.twice)
    table.none("full disks: that did not serve when there was room", found.stuck)


def measure(bench, options, table):
    measure_kills(bench, options, table)
    measure_disks(bench, options, table)
