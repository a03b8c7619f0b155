# SPDX-License-Identifier: MIT
"""The same assertion or proof, sent by many processes at once: one of them gets a token."""

import math
import mmap
import random
import threading
import time
from multiprocessing import get_context

import jwts
import rawfcgi
from configurations import SECRETS
from jws import Assertions, Proofs
from link import Lost, as_records, post, read_records
from running import kill, living, running
from test_races import SETTINGS, Redis, connection_to_each, workers_of

PROCESSES = 16
ROUND = 10000           # requests that are signed before they are sent
ROUND_PROOFS = 2000     # a proof is good for a minute
BATCH = 100             # after which all wait for each other
WAIT_S = 60
ACCEPTED, REFUSED, BROKEN, OTHER = range(1, 5)
MAKERS = {
    "secret-jwt": ("HS256", SECRETS["secret-jwt"]),
    "eddsa": ("EdDSA", "ed"),
    "es256": ("ES256", "ec"),
}
FORK = get_context("fork")


def assertion_requests(count, client):
    alg, key = MAKERS[client]
    maker = Assertions(client, alg, key, SETTINGS.issuer, 1800)
    for _ in range(count):
        yield as_records(post("token", grant_type="client_credentials", client_assertion_type=jwts.ASSERTION_TYPE,
                              client_assertion=maker.one().decode()))


def proof_requests(count, _client):
    maker = Proofs(SETTINGS.token_url)
    for _ in range(count):
        yield as_records(post("token", {"DPoP": maker.one().decode()}, grant_type="client_credentials",
                              client_id="TENANT_CLIENT_ID", client_secret=SECRETS["TENANT_CLIENT_ID"]))


def joined(requests):
    """All in one piece, which processes share without a copy, and the length of one."""
    requests = list(requests)
    assert len({len(request) for request in requests}) == 1
    return memoryview(b"".join(requests)), len(requests[0])


class Killer(threading.Thread):
    """Kills one worker after the other while the block runs, up to a number."""

    def __init__(self, server, limit, pause_s=0.015):
        super().__init__()
        self.server, self.limit, self.pause_s = server, limit, pause_s
        self.stopped = threading.Event()
        self.killed = 0

    def run(self):
        chance = random.Random(7)
        while self.killed < self.limit and not self.stopped.wait(chance.uniform(0, 2 * self.pause_s)):
            workers = living(self.server)
            if workers:
                self.killed += kill(chance.choice(workers))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


class Sender:
    """One of the processes: sends each request, and notes what came."""

    def __init__(self, connection, address, outcomes, gate):
        self.connection, self.address = connection, address
        self.outcomes, self.gate = outcomes, gate

    def send(self, request, refusal):
        try:
            self.connection.sendall(request)
            status = read_records(self.connection)[0]
        except (OSError, Lost):
            self.connection.close()
            self.connection = connect(self.address)
            return BROKEN
        return {200: ACCEPTED, refusal: REFUSED}.get(status, OTHER)

    def run(self, requests, size, refusal):
        for number in range(len(self.outcomes)):
            if number % BATCH == 0:
                self.gate.wait(WAIT_S)
            self.outcomes[number] = self.send(requests[number * size:(number + 1) * size], refusal)


def connect(address):
    """While workers die, the socket is there."""
    return rawfcgi.connect(address, WAIT_S)


class Race:
    """A kind of request, and what has come of all rounds."""

    def __init__(self, servers, make, refusal):
        self.servers, self.make, self.refusal = servers, make, refusal
        self.count = self.once = self.twice = self.lost = self.other = 0
        self.killed = self.broken = self.requests = 0
        self.seconds = 0

    def outcomes_of(self, requests, size, connections, addresses):
        """What each process was told of each request, process by process."""
        count = len(requests) // size
        memory = mmap.mmap(-1, len(connections) * count)
        gate = FORK.Barrier(len(connections))
        views = [memoryview(memory)[i * count:(i + 1) * count] for i in range(len(connections))]
        senders = [FORK.Process(target=Sender(*ends, view, gate).run, args=(requests, size, self.refusal))
                   for *ends, view in zip(connections, addresses, views)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert {sender.exitcode for sender in senders} == {0}, "a sender failed"
        found = [bytes(view) for view in views]
        for view in views:
            view.release()
        return found

    def round(self, count, client, kills=0):
        requests, size = joined(self.make(count, client))
        share = PROCESSES // len(self.servers)
        pairs = [(connection, server.address) for server in self.servers
                 for connection in connection_to_each(server, share)]
        connections, addresses = zip(*pairs)
        begin = time.monotonic()
        with Killer(self.servers[0], kills) as killer:
            outcomes = self.outcomes_of(requests, size, connections, addresses)
        self.seconds += time.monotonic() - begin
        self.killed += killer.killed
        for connection in connections:
            connection.close()
        self.judge(list(zip(*outcomes)), requests, size)

    def judge(self, outcomes, requests, size):
        """Once each; or not at all, if the one that was accepted died with its process."""
        for number, told in enumerate(outcomes):
            accepted = told.count(ACCEPTED)
            self.count += 1
            self.requests += len(told)
            self.other += told.count(OTHER)
            self.broken += told.count(BROKEN)
            if accepted == 0 and BROKEN in told:
                accepted = self.ask_again(requests[number * size:(number + 1) * size])
                self.lost += accepted == 0
            self.once += accepted == 1
            self.twice += accepted > 1

    def ask_again(self, request):
        """How often it is accepted now, when nobody dies: once at most."""
        accepted = 0
        for _ in range(2):
            with connect(self.servers[0].address) as connection:
                connection.sendall(request)
                accepted += read_records(connection)[0] == 200
        return accepted

    def report(self, table, what, kills=0):
        table.none(f"{what}: accepted more than once", self.twice)
        table.all(f"{what}: accepted once" + (", or its answer killed with its process" if kills else ""),
                  self.once + self.lost, self.count)
        if kills:
            table.add(f"{what}: of these, answers killed", self.lost, f"<= {self.killed}", self.lost <= self.killed)
            table.least(f"{what}: workers killed meanwhile", self.killed, kills)
            table.least(f"{what}: requests that broke off with theirs", self.broken, 1)
        table.none(f"{what}: answers that are neither token nor refusal", self.other)
        print(f"       {self.requests} requests in {self.seconds:.0f} s, {self.killed} workers killed", flush=True)


def rounds(race, count, size, kills=0):
    """All of them, by each kind of key in turn; every other round with its share of the kills that are left."""
    clients = list(MAKERS)
    sizes = [min(size, count - done) for done in range(0, count, size)]
    deadly = list(range(1, len(sizes), 2)) or [0]
    for number, this in enumerate(sizes):
        left = sum(other >= number for other in deadly)
        share = math.ceil((kills - race.killed) / left) if number in deadly else 0
        race.round(this, clients[number % len(clients)], share)


def measure(bench, options, table):
    with running(bench, workers=PROCESSES) as server:
        workers_of(server, PROCESSES)
        race = Race([server], assertion_requests, 401)
        rounds(race, options.assertions, min(ROUND, max(1, options.assertions // 2)), options.race_kills)
        race.report(table, "an assertion by 16 processes", options.race_kills)
        race = Race([server], proof_requests, 400)
        rounds(race, options.proofs, ROUND_PROOFS)
        race.report(table, "a DPoP proof by 16 processes")
    redis = Redis(bench.place())
    try:
        with running(bench, redis.url, PROCESSES // 2) as one, running(bench, redis.url, PROCESSES // 2) as two:
            race = Race([one, two], assertion_requests, 401)
            rounds(race, options.redis, ROUND_PROOFS)
            race.report(table, "an assertion by two servers and a Redis")
            race = Race([one, two], proof_requests, 400)
            rounds(race, options.redis // 5, ROUND_PROOFS)
            race.report(table, "a DPoP proof by two servers and a Redis")
    finally:
        redis.kill()
