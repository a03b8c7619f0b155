# SPDX-License-Identifier: MIT
"""SIGTERM, reloads and new keys behind every web server, under load: no answer is lost, and each token verifies."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import rawfcgi as raw
from fronts import ApacheFcgid, ApacheProxy
from hosts import FRONTS, WORKERS, Hosts, Operator, Place, Service
from loads import Flags, Load, finish, listen, make_keys
from memory import new_state
from processes import environment, give_away, read, server_user
from running import start
from test_races import secret_request

PAUSE_S = 0.15          # between two signals for the same web server
ROTATE_S = 1.1          # at least between two rotations: a key is announced before it signs
IDLE_EXITS = 10
LIMIT_S = 1.0           # for one of these
SOCKET = "service manager's socket"
CLIENTS = 2             # for each web server


class Activated(Service):
    """The program at a socket that is not its own, as systemd's: it is started anew, and the socket stays."""

    def start(self):
        self.port = self.socket = f"{self.directory}/oauth2.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(1024)
        os.chmod(self.socket, 0o666)
        give_away(self.directory)
        self.launch()

    def launch(self):
        user = server_user()
        rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with open(f"{self.directory}/program.out", "ab") as output:
            self.popen = subprocess.Popen(
                [self.program, "--config", f"{self.directory}/conf/oauth2.yaml", "--workers", str(WORKERS)],
                stdin=self.listener, stdout=output, stderr=output, env=environment(), start_new_session=True, **rights)
        self.processes = [self]

    def is_whole(self):
        """Does it serve with all of its workers? Before, it may not know yet what a signal means."""
        if self.popen.poll() is not None:
            raise AssertionError(f"the program ended with {self.popen.returncode}")
        return len(self.pids()) == 1 + WORKERS

    def again(self):
        self.popen.send_signal(signal.SIGTERM)
        status = self.popen.wait(60)
        if status != 0:
            raise AssertionError(f"the program ended with {status}")
        self.launch()

    def pids(self):
        pid = self.popen.pid
        return [pid, *map(int, read(f"/proc/{pid}/task/{pid}/children").split())]

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            self.popen.wait(20)
        self.listener.close()


class PatientFcgid(ApacheFcgid):
    """mod_fcgid starts programs that end often less and less, unless it is told not to count."""

    def run_apache(self):
        self.more += "FcgidTerminationScore 0\nFcgidSpawnScore 0\n"
        super().run_apache()


class ShippedProxy(ApacheProxy):
    """With connections that are kept, Apache would use one in the moment in which it ends."""

    option = ""


def holds_signals(pid):
    """Before its first own instruction a signal ends it, as any program, and with it what waits at its socket."""
    blocked = re.search(r"^SigBlk:\s*(\w+)", read(f"/proc/{pid}/status"), re.M)
    return blocked is not None and int(blocked[1], 16) >> (signal.SIGTERM - 1) & 1


HOSTS = {**FRONTS, SOCKET: Activated, "mod_proxy_fcgi": ShippedProxy, "mod_fcgid": PatientFcgid}
del HOSTS["CGI"]        # a process for each request: nothing to end, nothing to load again


class Life:
    """All of them, and what is done to them."""

    def __init__(self, options, hosts, place):
        self.options = options
        self.hosts = hosts
        self.operator = Operator(place)
        self.signals = dict.fromkeys(hosts.running, 0)
        self.reloads = dict.fromkeys(hosts.running, 0)
        self.told = set()       # processes that are to end, as long as they are there
        self.look()
        self.usual = {name: len(pids) for name, pids in self.pids.items()}
        self.chance = random.Random(5)

    def servers(self, name):
        """Processes of the program that are no other's workers."""
        return [pid for pid, parent in self.pids[name].items() if parent not in self.pids[name]]

    def look(self):
        self.pids = {name: {pid: parent for pid, parent in pids.items() if holds_signals(pid)}
                     for name, pids in self.hosts.programs().items()}
        self.told &= {pid for pids in self.pids.values() for pid in pids}

    def workers(self, name):
        """Those that may end now: who has started them must have others, or it would have to refuse requests."""
        servers = self.servers(name)
        found = [pid for pid in self.pids[name] if pid not in servers] or servers
        staying = set(self.pids[name]) - self.told
        return [pid for pid in found if pid in staying] if 2 * len(staying) > self.usual[name] else []

    def end_one(self, name):
        if self.signals[name] >= self.options.signals:
            return
        front = self.hosts.running[name]
        if isinstance(front, Activated):
            if front.is_whole():
                front.again()
                self.signals[name] += 1
            return
        found = self.workers(name)
        if found:
            pid = self.chance.choice(found)
            self.signals[name] += self.send(pid, signal.SIGTERM)
            self.told.add(pid)

    def reload(self, name):
        front = self.hosts.running[name]
        if self.reloads[name] >= 10 * self.options.rotations or isinstance(front, Activated) and not front.is_whole():
            return
        met = [self.send(pid, signal.SIGHUP) for pid in self.servers(name)]
        self.reloads[name] += any(met)

    def send(self, pid, number):
        """Did it meet a process that is not to end already?"""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return pid not in self.told

    def is_over(self):
        return (min(self.signals.values()) >= self.options.signals
                and self.operator.rotations >= self.options.rotations
                and min(self.reloads.values()) >= 10 * self.options.rotations)

    def run(self, loads, limit_s):
        begin = rotated_s = time.monotonic()
        while not self.is_over() and time.monotonic() < begin + limit_s:
            turn_s = time.monotonic()
            self.look()
            for name in self.hosts.running:
                self.end_one(name)
                self.reload(name)
            if self.operator.rotations < self.options.rotations and turn_s - rotated_s > ROTATE_S:
                rotated_s = turn_s
                self.operator.rotate()
            listen(loads, max(0.01, turn_s + PAUSE_S - time.monotonic()))


def settle(client):
    client.only("secret_basic", "secret_post", "assertion")
    if isinstance(client.link.address, str):
        # As web servers do that keep no connections; nginx and Apache keep theirs.
        client.link.reuse = 1


def report(table, options, life, loads):
    for name in life.hosts.running:
        own = [load for load in loads if load.name == name]
        answers = sum(load.requests for load in own)
        lost = sum(load.counted("lost") for load in own)
        table.none(f"{name}: lost or cut of {answers} answers", lost)
        table.none(f"{name}: wrong answers, tokens that do not verify, clients that failed",
                   sum(load.unexpected() for load in own) - lost)
        table.all(f"{name}: clients that came to their end", sum(load.is_well() for load in own), len(own))
        table.least(f"{name}: answers", answers, options.signals)
        table.least(f"{name}: SIGTERM", life.signals[name], options.signals)
        table.least(f"{name}: reloads", life.reloads[name], 10 * options.rotations)
    table.least("behind each web server: new keys", life.operator.rotations, options.rotations)
    for load in loads:
        for problem in load.problems:
            print(problem, file=sys.stderr)


def measure_life(bench, options, table):
    make_keys()
    place = Place(bench.build, bench.directory + "/life", new_state(bench.states))
    os.chmod(place.directory, 0o755)
    FRONTS.update(HOSTS)
    hosts = Hosts(bench.build, bench.directory, place, tuple(HOSTS))
    flags = Flags()
    loads = [Load(name, hosts.running[name], place, flags, number, settle) for name in hosts.running
             for number in range(CLIENTS)]
    try:
        listen(loads, 1)
        life = Life(options, hosts, place)
        life.run(loads, 60 + options.signals)
        finish(loads, flags)
        hosts.keep_logs(loads, f"{bench.build}/lifecycle")
    finally:
        for load in loads:
            load.stop()
        hosts.stop()
    report(table, options, life, loads)


def measure_idle(bench, table):
    """Without a request, but with connections that are kept."""
    slowest = 0
    place = bench.place()
    for _ in range(IDLE_EXITS):
        server = start(bench, place, 4)
        kept = [raw.connect(server.address) for _ in range(8)]
        for connection in kept[:4]:
            connection.sendall(secret_request(keep=True))
            assert raw.receive(connection).status == 200
        status, seconds = server.end()
        assert status == 0, status
        slowest = max(slowest, seconds)
        for connection in kept:
            connection.close()
    table.within(f"{IDLE_EXITS} ends of an idle server with its workers: the slowest", slowest, LIMIT_S, "s")


def measure(bench, options, table):
    measure_life(bench, options, table)
    measure_idle(bench, table)
