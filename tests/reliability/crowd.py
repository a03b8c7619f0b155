# SPDX-License-Identifier: MIT
"""Idle connections, slow bodies, and thousands of connections: who asks as one should is served as if he were alone."""

import resource
import selectors
import time
from multiprocessing import get_context

import rawfcgi as raw
from link import Lost, read_records
from running import running
from test_races import secret_request
from watch import memory_kb

WORKERS = 4
CLIENTS = 2             # processes of good clients
RATE = 200              # of their requests in a second, all together
LIMIT_MS = 50           # for 99 of 100 of them
DRIBBLE_S = 1           # between two bytes of a slow body
HOLDER = 8000           # connections that a process holds, if it may; one opens most: to the program, a burst
PATIENCE_S = 120
FORK = get_context("fork")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def ask_paced(address, count, pipe):
    """One good client: a new connection each time, at its own pace."""
    times, failures = [], 0
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0, begin + number * CLIENTS / RATE - time.monotonic()))
        at = time.monotonic()
        try:
            with raw.connect(address) as connection:
                connection.sendall(secret_request())
                failures += read_records(connection)[0] != 200
        except (OSError, ValueError, Lost):
            failures += 1
        times.append(1000 * (time.monotonic() - at))
    pipe.send((times, failures))


def good_clients(address, count, meanwhile=lambda: None):
    """Their times in ms, and how many failed."""
    pipes, clients = [], []
    for _ in range(CLIENTS):
        ours, theirs = FORK.Pipe(duplex=False)
        client = FORK.Process(target=ask_paced, args=(address, count // CLIENTS, theirs))
        client.start()
        theirs.close()
        pipes.append(ours)
        clients.append(client)
    while not all(pipe.poll() for pipe in pipes) and any(client.is_alive() for client in clients):
        meanwhile()
        time.sleep(0.01)
    found = [pipe.recv() for pipe in pipes]
    for client in clients:
        client.join()
    return [ms for times, _ in found for ms in times], sum(failures for _, failures in found)


class Slow:
    """Bodies that come byte by byte; each is begun anew when the server ends it."""

    def __init__(self, address, count):
        self.address = address
        self.request = secret_request()
        self.selector = selectors.DefaultSelector()
        self.begun = self.ended = 0
        self.due_s = 0
        self.sent = {}
        for _ in range(count):
            self.begin()

    def begin(self):
        connection = raw.connect(self.address)
        connection.sendall(self.request[:-60])
        connection.setblocking(False)
        self.sent[connection] = len(self.request) - 60
        self.selector.register(connection, selectors.EVENT_READ)
        self.begun += 1

    def turn(self):
        """Those that have ended are replaced; the others send a byte when it is time."""
        for key, _ in self.selector.select(0):
            self.selector.unregister(key.fileobj)
            del self.sent[key.fileobj]
            key.fileobj.close()
            self.ended += 1
            self.begin()
        if time.monotonic() < self.due_s:
            return
        self.due_s = time.monotonic() + DRIBBLE_S
        for connection, at in self.sent.items():
            try:
                connection.send(self.request[at:at + 1])
                self.sent[connection] = at + 1
            except OSError:
                pass

    def close(self):
        for connection in self.sent:
            connection.close()


def measure_starvation(bench, options, table):
    with running(bench, workers=WORKERS) as server:
        alone, _ = good_clients(server.address, max(CLIENTS, options.good // 5))
        idle = [raw.connect(server.address) for _ in range(2 * WORKERS)]
        for connection in idle:
            connection.sendall(secret_request(keep=True))
            assert read_records(connection)[0] == 200
        slow = Slow(server.address, options.slow)
        times, failures = good_clients(server.address, options.good, slow.turn)
        open_ones = len(slow.sent)
        slow.close()
        for connection in idle:
            connection.sendall(secret_request(keep=True))
            failures += read_records(connection)[0] != 200
            connection.close()
    table.none(f"{2 * WORKERS} idle connections and {open_ones} slow bodies: failures of {len(times)} good requests",
               failures)
    table.within(f"the same: 99 of 100 good requests (alone {percentile(alone, 0.99):.1f} ms) within",
                 percentile(times, 0.99), LIMIT_MS, "ms")


def connect(address):
    """As one who waits his turn: a full backlog is no refusal."""
    while True:
        try:
            return raw.connect(address, PATIENCE_S)
        except BlockingIOError:
            time.sleep(0.001)


def hold(address, count, gate, pipe):
    """Open so many, wait for the others, and only then ask by each."""
    good = lost = 0
    request = secret_request()
    try:
        connections = [connect(address) for _ in range(count)]
        gate.wait(PATIENCE_S)
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            try:
                good += read_records(connection)[0] == 200
            except (OSError, ValueError, Lost):
                lost += 1
    finally:
        pipe.send((good, lost))


def shares(count):
    """So many connections, by as few processes as may have them."""
    most = min(HOLDER, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    return [min(most, count - begun) for begun in range(0, count, most)]


def measure_connections(bench, options, table):
    with running(bench, workers=WORKERS) as server:
        count = shares(options.connections)
        gate = FORK.Barrier(len(count) + 1)
        pipes, holders = [], []
        for share in count:
            ours, theirs = FORK.Pipe(duplex=False)
            holder = FORK.Process(target=hold, args=(server.address, share, gate, theirs))
            holder.start()
            theirs.close()
            pipes.append(ours)
            holders.append(holder)
        gate.wait(PATIENCE_S)
        found = [pipe.recv() for pipe in pipes]
        for holder in holders:
            holder.join()
        largest = max(memory_kb(pid, "VmRSS") for pid in server.children())
        begin = time.monotonic()
        assert raw.exchange(server.address, secret_request()).status == 200
        after_ms = 1000 * (time.monotonic() - begin)
    asked = options.connections
    table.all(f"{asked} connections at the same time: answered", sum(good for good, _ in found), asked)
    table.most("the same: the largest worker then has", largest / 1024, 64, "MB")
    table.within("the same: the next request takes", after_ms, 1000, "ms")


def measure(bench, options, table):
    measure_starvation(bench, options, table)
    measure_connections(bench, options, table)
