# SPDX-License-Identifier: MIT
"""Faults that take longer to show: storms, kills, races, crowds and sizes.

`make test` does not run these: they need more than a minute, a machine of their own, and thousands of descriptors.
`make test-faults` does, with all others that `tests/reliability/faults.py` lists.
"""

import collections
import contextlib
import os
import random
import re
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import threading
import time

import pytest
import yaml

import http_client
import rawfcgi as raw
import servers
from configurations import SECRETS
from test_faults import (NOTICE_S, SLACK_S, end, health, new_token, p256, pem, published, rejections, serve, verified,
                         write)
from test_hash_gate import lock_holders
from test_loading import LOAD_S, Loading
from test_process import Server, cpu_seconds
from test_races import (CONFIG, LMDB, PLAIN, STATE, Killer, assertion_request, check_nothing_lost, form, introspect,
                        places, revoke_request, secret_request, send_all, statuses, token_of)

# Fixtures of other files, which pytest finds by their names here.
__all__ = ["places", "serve"]

MIB = 1 << 20
ATTEMPTS = 3    # of which one must hold: a busy machine stops whom it likes


def in_threads(*functions):
    """Run all at once; the first error of any is raised."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:    # pylint: disable=broad-except
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# Signals

STORM_S = 60
STORM_RATE = 1000
DEADLY_EVERY = 50


def test_storm_of_signals(serve, record_property):
    """1,000 a second, to the supervisor and to workers, which also end and are replaced: whole and right answers."""
    server = serve(workers=4)
    keys = published(server)
    begin, over = time.monotonic(), threading.Event()
    sent, answers = collections.Counter(), collections.Counter()

    def blow():
        chance = random.Random(2)
        try:
            for number in range(STORM_S * STORM_RATE):
                time.sleep(max(0, begin + number / STORM_RATE - time.monotonic()))
                workers = server.children()
                deadly = workers and number % DEADLY_EVERY == 0
                kind = chance.choice([signal.SIGTERM, signal.SIGUSR1] if deadly else [signal.SIGHUP, signal.SIGPIPE])
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(workers if deadly else [server.pid, *workers]), kind)
                    sent[kind.name] += 1
        finally:
            over.set()

    def ask():
        while not over.is_set():
            answer = raw.exchange(server.address, secret_request())
            answers[answer and answer.status] += 1
            if answer:
                verified(token_of(answer), keys)

    in_threads(blow, *4 * [ask])
    rate = sum(sent.values()) / (time.monotonic() - begin)
    assert set(answers) == {200}, answers
    assert rate > 0.9 * STORM_RATE and answers[200] > 10 * STORM_S, (rate, "this machine is too slow to say anything")
    raw.wait_until(lambda: len(server.children()) == 4, 2, "all are there again")
    new_token(server)
    assert not rejections(server) and server.end()[0] == 0
    record_property("seen", f"{sum(sent.values())} signals, {rate:.0f} a second, {answers[200]} right answers, "
                            "0 wrong, 0 without an answer")


# Processes that are killed

KILLS = 250


def test_many_kills(serve, record_property):
    """Workers, at random, while they write; then all at once."""
    server = serve(CONFIG + STATE, workers=16)
    kept, revoked, lost = [], [], 0
    with Killer(server) as killer:
        while killer.killed < KILLS:
            answers = [raw.exchange(server.address, secret_request()) for _ in range(40)]
            tokens = [token_of(answer) for answer in answers if answer]
            revocations = {revoke_request(token): token for token in tokens}
            found = send_all(server, [*revocations, *(assertion_request() for _ in range(60))], 8)
            assert set(found.values()) <= {200, None}, collections.Counter(found.values())
            done = [request for request, status in found.items() if status == 200]
            kept += [request for request in done if request not in revocations]
            revoked += [revocations[request] for request in done if request in revocations]
            lost += len(found) - len(done)
    check_nothing_lost(server, kept, revoked)
    os.kill(server.pid, signal.SIGSTOP)
    for pid in [*server.children(), server.pid]:
        os.kill(pid, signal.SIGKILL)
    server.popen.wait()
    server.address.unlink(missing_ok=True)
    again = serve(place=server.place, workers=4)
    assert statuses(again, assertion_request()) == [200], "it opens at once"
    check_nothing_lost(again, kept, revoked)
    record_property("seen", f"{killer.killed} kills: 0 of {len(kept)} assertions and {len(revoked)} revocations lost")


RESTARTS = 20


class Inherited:
    """Servers one after the other at a socket that outlives them."""

    def __init__(self, build, place):
        self.build, self.place = build, place
        self.address = place / "inherited.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.address))
        self.listener.listen(1024)
        self.started = []

    def start(self):
        self.started.append(Server([str(self.build / "oauth2.fcgi"), "--config", str(self.place / "oauth2.yaml"),
                                    "--workers", "4"], self.place, self.address, stdin=self.listener))
        return self.started[-1]

    def close(self):
        for server in self.started:
            end(server)
        self.listener.close()


def test_restarts_in_a_race(build, places, record_property):
    """Each assertion is sent by eight at once, until each has its answer, while supervisors come and go."""
    inherited = Inherited(build, places(LMDB, CONFIG + STATE))
    tokens, restarts, over = {}, [], threading.Event()

    def restart():
        server = inherited.start().ready()
        while len(restarts) < RESTARTS:
            time.sleep(0.25)
            kind = (signal.SIGKILL, signal.SIGTERM)[len(restarts) % 2]
            server.popen.send_signal(kind)
            if kind == signal.SIGKILL:
                server.popen.wait()
            server = inherited.start()
            restarts.append(kind)
        server.ready()
        over.set()

    def send(request):
        """Whoever gets no answer asks again."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionError, EOFError):
                answer = raw.exchange(inherited.address, request)
                if answer is not None and answer.status != 503:
                    tokens[request].append(answer.status)
                    return
        raise AssertionError("no answer within 20 s")

    def race():
        while not over.is_set():
            request = assertion_request()
            tokens[request] = []
            in_threads(*8 * [lambda request=request: send(request)])
    try:
        in_threads(restart, race)
        found = collections.Counter(answers.count(200) for answers in tokens.values())
        assert set(found) <= {0, 1}, "a token for each assertion at most"
        assert all(set(answers) <= {200, 401} and len(answers) == 8 for answers in tokens.values())
        # One is raced at a time: whoever is killed may have signed and not answered, and whoever ends has.
        assert found[1] > 20 and found[0] <= restarts.count(signal.SIGKILL), found
        done = [request for request, answers in tokens.items() if 200 in answers]
        assert set(send_all(inherited.started[-1], done).values()) == {401}
        record_property("seen", f"{RESTARTS} restarts, {len(tokens)} assertions by 8 at once: {len(done)} tokens, none "
                                f"twice, {found[0]} lost with who was killed")
    finally:
        inherited.close()


# Reloads

RELOADS = 150
VERSIONS = """\
issuer: http://localhost
signing_keys: [{{file: key.pem}}]
scopes: {{email: , "{name}": }}
clients:
  TENANT_CLIENT_ID:
    scopes: ["{name}"]
    secrets: [{{hash: "sha256:<TENANT_CLIENT_ID>"}}]
    audience: [https://{name}.example.com]
    claims: {{version: {name}}}
"""


def memory_kb(pid, name="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"^{name}:\s+(\d+) kB", file.read(), re.M)[1])


def descriptors(pid):
    """Nobody but root may look at those of this program."""
    return len(os.listdir(f"/proc/{pid}/fd")) if os.geteuid() == 0 else 0


def test_reload_without_a_pause(serve, places, record_property):
    """A new configuration every 100 ms, told by SIGHUP: what a token says is of one of them; nothing grows."""
    place = places(LMDB, VERSIONS.format(name="v0"))
    template = (place / "oauth2.yaml").read_text()
    server = serve(place=place, workers=2)
    keys, over, asked = published(server), threading.Event(), [0]
    sizes = []

    def size():
        return [(memory_kb(pid), descriptors(pid)) for pid in (server.pid, *server.children())]

    def reload():
        try:
            begin = time.monotonic()
            for number in range(1, RELOADS + 1):
                write(place / "oauth2.yaml", template.replace("v0", f"v{number}"))
                server.popen.send_signal(signal.SIGHUP)
                time.sleep(max(0, begin + number / 10 - time.monotonic()))
                if number == RELOADS // 3:
                    sizes.append(size())
        finally:
            over.set()

    def ask():
        while not over.is_set():
            _, claims = verified(new_token(server), keys)
            version = claims["version"]
            assert claims["aud"] == f"https://{version}.example.com" and claims["scope"] == [version], claims
            asked[0] += 1

    in_threads(reload, ask, ask)
    time.sleep(0.3)
    sizes.append(size())
    grown = max(late[0] - early[0] for early, late in zip(*sizes))
    assert grown < 1024, sizes
    # The early ones may have a connection open.
    assert all(late[1] <= early[1] for early, late in zip(*sizes)), sizes
    loads = len(server.log("config.loaded"))
    assert loads > RELOADS / 2 and asked[0] > RELOADS and not server.log("worker.ended")
    record_property("seen", f"{loads} loads, {asked[0]} tokens of one configuration each, memory +{max(grown, 0)} KB")


# Sizes

CLIENTS = 100000


def many_clients(first, count):
    return "".join(f'  c{number}:\n    scopes: [email]\n    secrets: [{{hash: "sha256:{number:064x}"}}]\n'
                   for number in range(first, first + count))


HIDDEN = "a-secret-that-should-not-stand-here"


def test_one_bad_client_among_many(serve, build, places, record_property):
    """All or nothing: another client's change in the same file is not taken either."""
    place = places(LMDB, PLAIN)
    head = (place / "oauth2.yaml").read_text()
    half = many_clients(0, CLIENTS // 2), many_clients(CLIENTS // 2, CLIENTS // 2)
    write(place / "oauth2.yaml", head + half[0] + half[1])
    server = serve(place=place, workers=2)
    bad = f'  bad:\n    scopes: [email]\n    secrets: [{{hash: "{HIDDEN}"}}]\n'
    text = head.replace("scopes: [email]", "scopes: [email]\n    token_lifetime: 77") + half[0] + bad + half[1]
    write(place / "oauth2.yaml", text)
    raw.wait_until(lambda: rejections(server) and health(server) == "degraded", 20, "it is rejected")
    time.sleep(NOTICE_S)
    line, = rejections(server)
    number = text[:text.index(HIDDEN)].count("\n") + 1
    assert re.match(rf"{place}/oauth2.yaml:{number}:\d+: error: ", line["message"]) and line["errors"] == 1
    for _ in range(20):
        _, claims = verified(new_token(server), published(server))
        assert claims["exp"] - claims["iat"] == 300
    told = subprocess.run([build / "oauth2-admin", "-c", place / "oauth2.yaml", "check"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert told.returncode == 1 and f"oauth2.yaml:{number}:" in told.stdout + told.stderr
    assert HIDDEN not in server.log_file.read_text() + told.stdout + told.stderr
    record_property("seen", f"refused whole, line {number} named, the secret not")


LIMITS_MIB = [16, 32, 48, 64, 96, 128, 192, 256, 512]


def with_memory(limit_mib):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (limit_mib * MIB, limit_mib * MIB))


def try_with(build, place, limit_mib):
    """True if it serves, False if it ends as it should."""
    address = place / f"{limit_mib}.sock"
    server = Server([str(build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"), "--listen", str(address),
                     "--workers", "1"], place, address, stdin=subprocess.DEVNULL, preexec_fn=with_memory(limit_mib))
    mark = server.log_file.stat().st_size
    try:
        with contextlib.suppress(AssertionError):
            server.ready()
        if server.popen.poll() is not None:
            said = server.log_file.read_text()[mark:]
            # 127: the system could not even load the libraries.
            assert server.popen.returncode in (1, 127) and "memory" in said, (limit_mib, server.popen.returncode, said)
            return False
        new_token(server)
        server.popen.send_signal(signal.SIGHUP)
        raw.wait_until(lambda: len(server.log("config.loaded") + rejections(server)) > 1, 20, "it loads again, or not")
        for _ in range(20):
            new_token(server)
        assert len(server.children()) == 1 and not server.log("worker.ended")
        return True
    finally:
        end(server)
        server.log_file.unlink()


def test_too_little_memory(build, places, record_property):
    """It begins and serves, or it says that there is no memory; nothing between."""
    place = places(LMDB, PLAIN)
    with open(place / "oauth2.yaml", "a", encoding="ascii") as file:
        file.write(many_clients(0, CLIENTS))
    served = [try_with(build, place, limit_mib) for limit_mib in LIMITS_MIB]
    assert served == sorted(served) and True in served and False in served, list(zip(LIMITS_MIB, served))
    least = LIMITS_MIB[served.index(True)]
    record_property("seen", f"{served.count(False)} limits: says so and exits 1; from {least} MiB on it serves")


def test_memory_of_a_client(build, places, record_property):
    place = places(LMDB, PLAIN)
    sizes = []
    for count in (0, CLIENTS):
        with open(place / "oauth2.yaml", "a", encoding="ascii") as file:
            file.write(many_clients(0, count))
        inherited = Inherited(build, place)
        try:
            sizes.append(memory_kb(inherited.start().ready().children()[0]))
        finally:
            inherited.close()
            inherited.address.unlink()
    each = 1024 * (sizes[1] - sizes[0]) / CLIENTS
    assert each < 512, sizes
    record_property("seen", f"{each:.0f} bytes a client")


SCOPES = 10000
KEYS = 1000
PAUSE_S = 0.005    # between requests: what they take of a processor is not a reload's


def median_duration(lines):
    return statistics.median(line["duration_us"] for line in lines)


def compare(one, other, count):
    """The program's own time for a request, of one server and of another, asked by turns: their medians' ratio."""
    marks = [len(server.log("token.issued")) for server in (one, other)]
    for _ in range(count):
        new_token(one)
        new_token(other)
    first, second = (median_duration(server.log("token.issued")[mark:]) for server, mark in zip((one, other), marks))
    return first / second


def large_place(places):
    place = places(LMDB, PLAIN)
    text = (place / "oauth2.yaml").read_text()
    for number in range(KEYS - 1):
        write(place / f"{number}.pem", pem(p256()), 0o600)
    keys = ["key.pem"] + [f"{number}.pem, state: retired" for number in range(KEYS - 1)]
    text = text.replace("[{file: key.pem}]", "[" + ", ".join(f"{{file: {key}}}" for key in keys) + "]")
    scopes = ", ".join(f"s{number}: " for number in range(SCOPES - 1))
    text = text.replace("{email: }", f"{{email: , {scopes}}}")
    write(place / "oauth2.yaml", text + many_clients(0, CLIENTS))
    return place


def spent(server):
    """{process: its time of the processor}, of the supervisor and its workers."""
    return {pid: cpu_seconds(pid) for pid in (server.pid, *server.children())}


def reload_while_asked(server, times):
    """What a reload takes of a processor, in the process that takes most; how long requests take goes to times."""
    before, deadline = spent(server), time.monotonic() + LOAD_S
    with Loading(before) as loading:
        server.popen.send_signal(signal.SIGHUP)
        while loading.seen != loading.pids or lock_holders(loading.pids):
            assert time.monotonic() < deadline, "not all have loaded"
            begin = time.monotonic()
            new_token(server)
            times.append(time.monotonic() - begin)
            time.sleep(PAUSE_S)
    after = spent(server)
    assert set(after) == set(before), "the same processes"
    return max(after[pid] - before[pid] for pid in before)


def test_large_configuration(serve, places, record_property):
    """Times of the processor, for a machine that is busy; requests are asked all the time."""
    place, small = large_place(places), serve(workers=1)
    server = serve(place=place, workers=4)
    new_token(server)
    started, times = max(spent(server).values()), []
    reloads = [reload_while_asked(server, times) for _ in range(ATTEMPTS)]
    reloaded = min(reloads)
    ratios = [compare(server, small, 300) for _ in range(ATTEMPTS)]
    ratio = statistics.median(ratios)
    assert started < 1 and reloaded < 1 and ratio < 1.5, (started, reloads, ratios)
    # One that comes to a worker that loads waits for it; the others are served by those that do not.
    assert statistics.median(times) < sum(times) / 10, times
    assert server.end()[0] == 0
    record_property("seen", f"start {started:.2f} s of a processor, reload {reloaded:.2f} s, requests then took "
                            f"{1000 * statistics.median(times):.1f} ms, {1000 * max(times):.0f} at most; a token costs "
                            f"{ratio:.2f} of one with 1 client")


# Crowds

CROWD = 10000
CROWD_LIMIT_S = 70        # without any answer: TCP asks for what was dropped again after up to 52 s, then gives up
CROWD_LIMIT_CGI_S = 15    # of a process for each request


@pytest.fixture
def crowd():
    """How many connections there are, for which this process gets the descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * CROWD    # web servers get as many, and need two for each request
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    assert most >= CROWD + 1000, f"these tests need a hard limit of {CROWD + 1000} open files (ulimit -Hn) at least"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    yield CROWD
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


ROOM = 4000     # of one worker, which may take all of them


def test_connections_at_once(serve, crowd, record_property):
    """First all send their request before anybody looks for an answer; then as many as one worker has room for
    send theirs but for the last byte."""
    server = serve(workers=4)
    request = secret_request()
    found, most = collections.Counter(), 0
    for count, first in ((crowd, len(request)), (ROOM, len(request) - 1)):
        with contextlib.ExitStack() as stack:
            connections = [socket.socket(socket.AF_UNIX) for _ in range(count)]
            for connection in connections:
                stack.enter_context(connection)
                connection.connect(str(server.address))
                connection.sendall(request[:first])
            most = max(most, *(memory_kb(pid) for pid in server.children()))
            for connection in connections if first < len(request) else ():
                connection.sendall(request[first:])
            for connection in connections:
                answer = raw.receive(connection)
                found[answer and answer.status] += 1
    assert found == {200: crowd + ROOM}, found
    assert not server.log("worker.ended") and not server.log("connection.closed") and most < 64 * 1024, most
    record_property("seen", f"{crowd} at once, and {ROOM} with requests under way: all answered, "
                            f"{most // 1024} MB a worker at most")


def test_more_connections_than_there_is_room_for(serve, crowd, record_property):
    """One worker keeps 4,096; the longest silent ones make room, and whoever asks is served."""
    server = serve(workers=1)
    worker, = server.children()
    with contextlib.ExitStack() as stack:
        silent = []
        for number in range(crowd):
            silent.append(stack.enter_context(raw.connect(server.address)))
            if number % 500 == 0:
                new_token(server)
        new_token(server)
        most = memory_kb(worker)
        closed = sum(raw.is_closed(connection, 0.0001) for connection in silent)
        assert closed >= crowd - 4096 - 1, closed
        before = cpu_seconds(worker)
        time.sleep(1)
        assert cpu_seconds(worker) - before < 0.1
    assert server.children() == [worker] and most < 64 * 1024, most
    new_token(server)
    record_property("seen", f"{crowd} silent ones, 1 worker: {closed} closed, {most // 1024} MB, all requests served")


class Crowd:
    """Many connections to a web server, each with one request, all at once."""

    def __init__(self, port, request, count):
        self.port, self.request = port, request
        self.selector = selectors.DefaultSelector()
        self.found = collections.Counter()
        self.left = count
        self.received = {}
        for _ in range(count):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
            self.selector.register(connection, selectors.EVENT_WRITE)
            # At once, if it is taken at once: who is silent for long may be closed.
            self.attend(0)

    def finish(self, connection, what):
        self.selector.unregister(connection)
        connection.close()
        self.found[what] += 1
        self.left -= 1

    def begin(self, connection):
        """It is taken, or refused."""
        try:
            connection.send(self.request)
        except OSError:
            self.finish(connection, "not taken")
            return
        self.received[connection] = b""
        self.selector.modify(connection, selectors.EVENT_READ)

    def go_on(self, connection):
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        self.received[connection] += data
        if not data:
            answer = self.received[connection]
            self.finish(connection, http_client.Answer(answer, "POST").status if answer else "closed")

    def attend(self, wait_s):
        for key, events in self.selector.select(wait_s):
            (self.begin if events & selectors.EVENT_WRITE else self.go_on)(key.fileobj)

    def run(self, limit_s=None):
        """{status: how often}; "closed": by the web server, or by the kernel, which has no room for more that wait;
        "waiting": not yet answered."""
        begin = last = time.monotonic()
        while self.left and time.monotonic() - last < CROWD_LIMIT_S:
            if limit_s and time.monotonic() - begin > limit_s:
                break
            before = self.left
            self.attend(1)
            last = time.monotonic() if self.left < before else last
        for key in list(self.selector.get_map().values()):
            self.finish(key.fileobj, "waiting" if key.fileobj in self.received else "not taken")
        return self.found


# What an operator tells them who expects a crowd: to take as many, and to be patient with each.
ROOMY = {"NGINX": ("worker_connections 256", f"worker_connections {3 * CROWD}"),
         "LIGHTTPD": ("server.max-keep-alive-idle = 1", "server.max-keep-alive-idle = 600")}


# Of its requests; nginx refuses (502) what comes while 4,096 wait, the others try again or wait themselves.
LEAST = {"nginx": 0.33}


def roomy(name):
    """The starter of a web server that takes a crowd."""
    def run(front):
        saved = {which: getattr(servers, which) for which in ROOMY}
        for which, (old, new) in ROOMY.items():
            setattr(servers, which, servers.replace(saved[which], old, new, which))
        try:
            servers.FRONTS[name](front)
        finally:
            for which, text in saved.items():
                setattr(servers, which, text)
    run.keeps_process = getattr(servers.FRONTS[name], "keeps_process", False)
    return run


def test_connections_at_once_through_web_servers(site, crowd, record_property):
    """Each request that comes to the program is answered, and its answer arrives. What a web server has no room for
    it refuses (502, 503, 504), or leaves to the kernel."""
    told = []
    for name in servers.FRONTS:
        front = site.front(f"{name}-crowd", "default", roomy(name))
        body = form(grant_type="client_credentials", client_id="TENANT_CLIENT_ID",
                    client_secret=SECRETS["TENANT_CLIENT_ID"])
        request = http_client.build("POST", front.path("token"), [
            ("Content-Type", "application/x-www-form-urlencoded")], body)
        begin, mark = time.monotonic(), front.log.mark()
        found = Crowd(front.port, request, crowd).run(None if front.keeps_process else CROWD_LIMIT_CGI_S)
        told.append(f"{name} " + ", ".join(f"{status}: {count}" for status, count in found.items()) +
                    f" ({time.monotonic() - begin:.0f} s)")
        print(told[-1])
        issued = sum(line["event"] == "token.issued" for line in front.log.lines(mark))
        assert set(found) <= {200, 502, 503, 504, "not taken", "closed", "waiting"}, told
        assert found[200] <= issued <= found[200] + found["waiting"], (told, issued)
        assert found[200] > LEAST.get(name, 0.5) * crowd and not found["waiting"] or not front.keeps_process, told
        raw.wait_until(lambda front=front, request=request: front.exchange(request).status == 200, CROWD_LIMIT_S,
                       f"{name} serves as ever")
        front.stop()
    record_property("seen", f"{crowd} through " + "; ".join(told))


# Slow bodies

WORKERS = 4
SLOW = 4 * (WORKERS + 1)
SLOW_REQUESTS = 400


def p99_ms(server):
    times = []
    for _ in range(SLOW_REQUESTS):
        begin = time.monotonic()
        new_token(server)
        times.append(1000 * (time.monotonic() - begin))
    return statistics.quantiles(times, n=100)[-1]


def test_slow_bodies(serve, record_property):
    """A byte at a time, by more peers than there are workers: the others hardly notice, and the slow ones are cut."""
    server = serve(workers=WORKERS)
    request = secret_request()
    figures = []
    for _ in range(ATTEMPTS):
        usual = p99_ms(server)
        over = threading.Event()
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(raw.connect(server.address)) for _ in range(SLOW)]
            begin = time.monotonic()

            def dribble(slow=slow, over=over):
                for byte in request[:-1]:
                    for connection in slow:
                        with contextlib.suppress(OSError):
                            connection.sendall(bytes([byte]))
                    if over.wait(0.5):
                        return
            thread = threading.Thread(target=dribble)
            thread.start()
            try:
                figures.append((usual, p99_ms(server)))
                for connection in slow:
                    assert raw.is_closed(connection, 15)
                assert 9 < time.monotonic() - begin < 10 + 2 * SLACK_S
            finally:
                over.set()
                thread.join()
        if figures[-1][1] < 2 * usual:
            break
    assert any(slowed < 2 * usual for usual, slowed in figures), figures
    lines = server.log("connection.closed")
    assert len(lines) == SLOW * len(figures) and {line["reason"] for line in lines} == {"too slow"}
    record_property("seen", f"{SLOW} slow bodies: p99 {figures[-1][1]:.1f} ms, without {figures[-1][0]:.1f} ms; "
                            "all cut after 10 s")


# The operator's tool beside the server

BESIDE_S = 8
ROTATE_S = 1.6    # every worker has a change by then


def test_admin_beside_the_server(serve, build, places, record_property):
    """Rotations, edits, reloads and pruning at once, and requests all the time."""
    place = places(LMDB, CONFIG + STATE)
    server = serve(place=place, workers=2)
    over = time.monotonic() + BESIDE_S
    count, tokens, added, revoked = collections.Counter(), [], [], []

    def admin(*words):
        done = subprocess.run([build / "oauth2-admin", "-c", place / "oauth2.yaml", *words], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stderr)
        count[words[0]] += 1

    def repeat(function, pause_s=0.0):
        def run():
            while time.monotonic() < over:
                function()
                time.sleep(pause_s)
        return run

    def add():
        added.append(f"new-{len(added)}")
        admin("add-client", added[-1], "--scope", "email")

    def ask():
        request = assertion_request()
        assert statuses(server, request, request) == [200, 401]
        answer = raw.exchange(server.address, secret_request())
        tokens.append(token_of(answer))
        verified(tokens[-1], published(server))
        count["tokens"] += 1

    def revoke():
        token = new_token(server)
        admin("revoke", token)
        revoked.append(token)
        assert not introspect(server, token)

    def hang_up():
        server.popen.send_signal(signal.SIGHUP)
    in_threads(repeat(lambda: admin("rotate"), ROTATE_S), repeat(add), repeat(lambda: admin("state", "--prune")),
               repeat(revoke), repeat(hang_up, 0.05), repeat(ask), repeat(ask))
    data = yaml.safe_load((place / "oauth2.yaml").read_text())
    assert set(added) <= set(data["clients"]) and len(added) == count["add-client"]
    states = [key.get("state", "active") for key in data["signing_keys"]]
    assert sorted(states) == sorted(["active", "next"] + (count["rotate"] - 1) * ["retired"])
    assert {path.suffix for path in place.iterdir() if path.name.startswith(".")} == set(), "nothing half-done is left"
    hang_up()
    time.sleep(NOTICE_S + 0.5)
    keys = published(server)
    assert len(keys) == len(states)
    for token in tokens:
        verified(token, keys)
    assert not any(introspect(server, token) for token in revoked)
    assert not rejections(server) and not server.log("worker.ended")
    record_property("seen", ", ".join(f"{number} {name}" for name, number in sorted(count.items())) + ": none lost")
