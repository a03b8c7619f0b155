# SPDX-License-Identifier: MIT
"""What processes and machines share: one acceptance each, whatever happens to processes, disk and Redis."""

import collections
import contextlib
import ctypes
import itertools
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote_plus

import pytest

import configurations
import jwts
import rawfcgi as raw
import servers
from configurations import SECRETS
from test_process import Server

DEADLINE_S = 1.0     # within which a request is answered when the store is not there
MEASUREMENTS = 5     # of which one must hold: a busy machine stops whom it likes
SLACK_S = 0.5        # for what is promised without a limit
SETTINGS = configurations.Configuration("", "http://localhost")

PLAIN = """\
issuer: http://localhost
signing_keys: [{file: key.pem}]
scopes: {email: }
clients:
  TENANT_CLIENT_ID:
    scopes: [email]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
"""
CONFIG = PLAIN + """\
  es256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:es256>}
  resource-server:
    introspect: true
    secrets: [{hash: "sha256:<resource-server>"}]
"""
STATE = "state: <state>\n"
LMDB = "lmdb:state"


@pytest.fixture
def places():
    """Directories for servers; their paths are short enough for a socket."""
    made = []

    def make(state, text=CONFIG + STATE):
        place = Path(tempfile.mkdtemp(prefix="oauth2-r.")).resolve()
        made.append(place)
        (place / "oauth2.yaml").write_text(configurations.render(text, state=state))
        key = place / "key.pem"
        subprocess.run([servers.tool("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-out", key], check=True, stderr=subprocess.DEVNULL)
        key.chmod(0o600)
        return place
    yield make
    for place in made:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def start(build, places):
    started = []

    def run(state, workers=1, text=CONFIG + STATE, place=None, before=()):
        place = place or places(state, text)
        address = place / "oauth2.sock"
        server = Server([*before, str(build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"), "--listen",
                         str(address), "--workers", str(workers)], place, address, stdin=subprocess.DEVNULL)
        started.append(server)
        return server.ready()
    yield run
    for server in started:
        if server.popen.poll() is None:
            # What strace runs does not end with it.
            for pid in [*server.children(), server.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            try:
                server.popen.wait(10)
            except subprocess.TimeoutExpired:
                server.popen.kill()
                server.popen.wait()


class Redis:
    """A Redis server on a free port, as the system's packages have it."""

    def __init__(self, directory):
        self.directory = directory
        self.port = servers.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.popen = None
        self.start()

    def start(self):
        with open(self.directory / "redis.out", "ab") as output:
            self.popen = subprocess.Popen(
                [servers.tool("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
                 "--appendonly", "no", "--dir", str(self.directory)], stdout=output, stderr=output,
                stdin=subprocess.DEVNULL)
        raw.wait_until(lambda: servers.is_open(self.port), 20, "redis-server answers")

    def kill(self):
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def redis(tmp_path):
    made = Redis(tmp_path)
    yield made
    made.popen.send_signal(signal.SIGCONT)
    made.kill()


# Requests

def form(**fields):
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()


def assertion_request(path="/token", fields=None, **options):
    assertion = jwts.assertion(SETTINGS, {"client": "es256", "key": "ec"})
    body = form(grant_type="client_credentials", client_assertion_type=jwts.ASSERTION_TYPE,
                client_assertion=assertion, **(fields or {}))
    return raw.token_request(body, PATH_INFO=path, **options)


def proof_request(**options):
    return secret_request(HTTP_DPOP=jwts.proof(SETTINGS, {}), **options)


def secret_request(client="TENANT_CLIENT_ID", path="/token", fields=None, **options):
    body = form(grant_type="client_credentials", client_id=client, client_secret=SECRETS[client], **(fields or {}))
    return raw.token_request(body, PATH_INFO=path, **options)


def introspect(server, token):
    answer = raw.exchange(server.address, secret_request("resource-server", "/introspect", {"token": token}))
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["active"]


def revoke_request(token):
    return secret_request(path="/revoke", fields={"token": token})


def token_of(answer):
    return json.loads(answer.body)["access_token"]


def in_time(send, within=DEADLINE_S):
    """What a call gives, that ends within this time at one of a few measurements."""
    taken = []
    for _ in range(MEASUREMENTS):
        begin = time.monotonic()
        given = send()
        taken.append(time.monotonic() - begin)
        if taken[-1] < within:
            return given
    raise AssertionError(f"never within {within} s: {taken}")


def unavailable(server, request):
    """503 with what belongs to it, in time."""
    def send():
        answer = raw.exchange(server.address, request)
        assert answer.status == 503, (answer.status, answer.body)
        assert json.loads(answer.body)["error"] == "temporarily_unavailable"
        assert int(answer.headers["retry-after"]) > 0
        return answer
    return in_time(send)


def statuses(server, *requests):
    return [raw.exchange(server.address, request).status for request in requests]


def wrong_request(client="TENANT_CLIENT_ID", source="127.0.0.1", **options):
    """A guess."""
    return raw.token_request(form(grant_type="client_credentials", client_id=client, client_secret="wrong-secret"),
                             REMOTE_ADDR=source, **options)


# At once

def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@contextlib.contextmanager
def paused(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        raw.wait_until(lambda: all(state_of(pid) == "T" for pid in pids), 5, "the others stand still")
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def workers_of(server, count):
    """Their process numbers, when all are there: the first answers before the last is started."""
    return raw.wait_until(lambda: len(server.children()) == count and server.children(), 5, "all workers")


def connection_to_each(server, count):
    """A connection to each worker: while one is given out, the others stand still."""
    workers = workers_of(server, count)
    for worker in workers:
        with paused([pid for pid in workers if pid != worker]):
            connection = raw.connect(server.address)
            connection.sendall(raw.get_request("/health", keep=True))
            assert raw.receive(connection).status == 200
        yield connection


def send_at_once(connections, request):
    """All but the last byte to everybody; then the last byte; then the answers."""
    for connection in connections:
        connection.sendall(request[:-1])
    for connection in connections:
        connection.sendall(request[-1:])
    return [raw.receive(connection) for connection in connections]


KINDS = {"assertion": (assertion_request, 401, "invalid_client"),
         "proof": (proof_request, 400, "invalid_dpop_proof")}
RACES = 1000
PROCESSES = 16


def race(connections, kind):
    """Each request is sent by all connections: one token each, and the others are refused."""
    make, status, error = KINDS[kind]
    tokens = set()
    for number in range(RACES):
        answers = send_at_once(connections, make(keep=True))
        found = collections.Counter(answer.status for answer in answers)
        assert found == {200: 1, status: len(connections) - 1}, (number, found)
        for answer in answers:
            if answer.status == 200:
                tokens.add(token_of(answer))
            else:
                assert json.loads(answer.body)["error"] == error
    assert len(tokens) == RACES
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_race_of_processes(start, kind):
    """The same one in 16 processes at once, on one machine."""
    server = start(LMDB, PROCESSES)
    race(list(connection_to_each(server, PROCESSES)), kind)
    assert not server.log("worker.ended")


@pytest.mark.parametrize("kind", KINDS)
def test_race_of_machines(start, redis, kind):
    """Two servers that share nothing but a Redis."""
    both = [start(redis.url, PROCESSES // 2) for _ in range(2)]
    race([c for server in both for c in connection_to_each(server, PROCESSES // 2)], kind)


# Redis that is gone

def check_without_redis(server):
    """Whatever needs the store is refused in time; nothing else notices."""
    for request in (assertion_request(), proof_request()):
        unavailable(server, request)
    for path in ("/jwks", "/.well-known/oauth-authorization-server", "/health"):
        assert raw.exchange(server.address, raw.get_request(path)).status == 200
    assert in_time(lambda: statuses(server, secret_request())) == [200]


def statuses_at_once(server, count, make):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(raw.connect(server.address)) for _ in range(count)]
        for connection in connections:
            connection.sendall(make())
        return {raw.receive(connection).status for connection in connections}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_redis_that_is_gone(start, redis, how):
    server = start(redis.url, 2)
    workers = workers_of(server, 2)
    token, other = (token_of(raw.exchange(server.address, secret_request())) for _ in range(2))
    used = assertion_request()
    assert raw.exchange(server.address, used).status == 200
    if how == "stopped":
        redis.popen.send_signal(signal.SIGSTOP)
    else:
        redis.kill()
    check_without_redis(server)
    # (A Redis that only stood still may do it later: 503 promises nothing.)
    unavailable(server, revoke_request(other))
    unavailable(server, secret_request("resource-server", "/introspect", {"token": token}))
    # Not one after the other: who waits for Redis keeps nobody else waiting for long.
    assert in_time(lambda: statuses_at_once(server, 32, assertion_request)) == {503}
    if how == "stopped":
        redis.popen.send_signal(signal.SIGCONT)
    else:
        redis.start()
    raw.wait_until(lambda: raw.exchange(server.address, assertion_request()).status == 200, DEADLINE_S + SLACK_S,
                   "it works again")
    time.sleep(0.15)  # The other worker, too: one that met the hang leaves Redis alone for 0.1 s.
    assert raw.exchange(server.address, proof_request()).status == 200
    assert introspect(server, token)
    if how == "stopped":
        assert raw.exchange(server.address, used).status == 401
    assert server.children() == workers, "the same processes as before"
    assert any("state store" in line["reason"] for line in server.log("token.denied") if line["status"] == 503)


def ask_redis(redis, *words):
    """One command in Redis's own words; a list, a number, or a word."""
    with raw.socket.create_connection(("127.0.0.1", redis.port), 5) as connection, connection.makefile("rwb") as file:
        file.write(f"*{len(words)}\r\n".encode())
        for word in words:
            file.write(b"$%d\r\n%s\r\n" % (len(word), word))
        file.flush()
        kind, line = file.read(1), file.readline().strip()
        if kind in b"+-":
            return line
        count = int(line)
        if kind == b":":
            return count
        return [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(count)]


def test_what_is_in_redis(start, redis):
    """Our own names only, that tell nobody anything, and nothing that stays for ever."""
    server = start(redis.url, 2, CONFIG + STATE + "throttle: {}\n")
    tokens = [token_of(raw.exchange(server.address, request)) for request in
              (secret_request(), secret_request(), assertion_request(), proof_request())]
    assert raw.exchange(server.address, revoke_request(tokens[0])).status == 200
    assert raw.exchange(server.address, raw.token_request()).status == 401
    keys = ask_redis(redis, b"KEYS", b"*")
    # Two jti, a revocation, a failed attempt by client and by address.
    assert len(keys) == 5, keys
    for key in keys:
        assert key.startswith(b"oauth2-fcgi:") and b"127.0.0.1" not in key and b"client" not in key, key
        assert 0 < ask_redis(redis, b"TTL", key) <= 3600 + 60, key


def test_databases_of_redis(start, redis):
    """Each number is a store of its own."""
    first, second = start(redis.url), start(redis.url.removesuffix("/0") + "/7")
    request = assertion_request()
    for server in (first, second):
        assert raw.exchange(server.address, request).status == 200
        assert raw.exchange(server.address, request).status == 401


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_throttle_without_redis(start, redis, how):
    """A limit that cannot be looked up is no licence to guess; nor does it take longer than the promised second."""
    server = start(redis.url, 1, CONFIG + STATE + "throttle: {}\n")
    assert raw.exchange(server.address, secret_request()).status == 200
    if how == "stopped":
        redis.popen.send_signal(signal.SIGSTOP)
    else:
        redis.kill()
    for request in (secret_request(), wrong_request(), assertion_request(), proof_request()):
        unavailable(server, request)
    if how == "stopped":
        redis.popen.send_signal(signal.SIGCONT)
    else:
        redis.start()
    raw.wait_until(lambda: raw.exchange(server.address, secret_request()).status == 200, DEADLINE_S + SLACK_S,
                   "it works again")


def test_redis_that_is_not_there_at_first(start):
    """It stops no start."""
    port = servers.free_port()
    server = start(f"redis://127.0.0.1:{port}/0", 1)
    check_without_redis(server)


def test_redis_that_talks_nonsense(start):
    """A server of another kind at its address, or one that says nothing."""
    for reply in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n" * 50, b"$-5\r\n", b":7\r\n", b""):
        with raw.socket.create_server(("127.0.0.1", 0)) as listener:
            stop = threading.Event()
            thread = threading.Thread(target=answer_all, args=(listener, reply, stop))
            thread.start()
            try:
                server = start(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 1)
                unavailable(server, assertion_request())
                unavailable(server, proof_request())
                server.end()
            finally:
                stop.set()
                thread.join()


def answer_all(listener, reply, stop):
    listener.settimeout(0.05)
    open_ones = []
    while not stop.is_set():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            open_ones.append(connection)
            connection.sendall(reply)
    for connection in open_ones:
        connection.close()


# The throttle

def test_no_throttle_unless_it_is_named(start):
    """With a state store alone nobody is shut out, and a guess costs no look at the store."""
    server = start(LMDB)
    answers = statuses(server, *(wrong_request() for _ in range(120)))
    answers += statuses(server, *(wrong_request(f"nobody-{number}") for number in range(30)))
    assert answers == 150 * [401]
    assert not (server.place / "state").exists()


# How the key is written; failures of one client, and of an address.
LIMITS = {"{}": (10, 100), "{window: 30}": (10, 100), "{failures: 2}": (2, 20),
          "{failures: 2, address_failures: 5}": (2, 5), "{address_failures: 12}": (10, 12)}


@pytest.mark.parametrize("limits", LIMITS)
def test_defaults_of_the_throttle(start, limits):
    server = start(LMDB, 1, CONFIG + STATE + f"throttle: {limits}\n")
    of_client, of_address = LIMITS[limits]
    assert statuses(server, *(of_client + 1) * [wrong_request()]) == of_client * [401] + [429]
    answer = raw.exchange(server.address, secret_request())
    window = 30 if "window" in limits else 60
    assert answer.status == 429 and window - 20 <= int(answer.headers["retry-after"]) <= window, answer.head
    # From another address: a name that nobody has, once each.
    guesses = [wrong_request(f"nobody-{number}", "192.0.2.1") for number in range(of_address + 1)]
    assert statuses(server, *guesses) == of_address * [401] + [429]
    assert statuses(server, secret_request(REMOTE_ADDR="192.0.2.1"), secret_request(REMOTE_ADDR="192.0.2.2"),
                    secret_request("resource-server")) == [429, 200, 200]


@pytest.mark.parametrize("limits, of_client, of_address", [
    ("{failures: 3, address_failures: 0}", 3, None), ("{failures: 0, address_failures: 4}", None, 4),
    ("{failures: 0}", None, None), ("{failures: 0, address_failures: 0}", None, None)])
def test_half_a_throttle(start, limits, of_client, of_address):
    """0 switches a half off; no failures, no ten times them."""
    server = start(LMDB, 1, CONFIG + STATE + f"throttle: {limits}\n")
    most = of_client or of_address or 40
    assert statuses(server, *40 * [wrong_request()]) == most * [401] + (40 - most) * [429]
    most = of_address or 40
    guesses = [wrong_request(f"nobody-{number}", "192.0.2.1") for number in range(40)]
    assert statuses(server, *guesses) == most * [401] + (40 - most) * [429]


BURSTS = 50
BURST_FAILURES = 5
BURST = CONFIG + STATE + f"throttle: {{failures: {BURST_FAILURES}}}\n"


def burst(connections):
    """All guess at once, one of several clients from an address of its own: as many are told that it was wrong as
    may be wrong, and to the others nothing is told."""
    for number in range(BURSTS):
        source = f"198.51.100.{number}"
        client = ("TENANT_CLIENT_ID", "nobody")[number % 2]
        answers = send_at_once(connections, wrong_request(client, source, keep=True))
        found = collections.Counter(answer.status for answer in answers)
        assert found == {401: BURST_FAILURES, 429: len(connections) - BURST_FAILURES}, (number, found)
        right = send_at_once(connections, secret_request(keep=True, REMOTE_ADDR=source))
        assert {answer.status for answer in right} == {429 if client == "TENANT_CLIENT_ID" else 200}
    for connection in connections:
        connection.close()


def test_burst_of_guesses(start):
    server = start(LMDB, PROCESSES, BURST)
    burst(list(connection_to_each(server, PROCESSES)))


def test_burst_of_guesses_on_two_machines(start, redis):
    both = [start(redis.url, PROCESSES // 2, BURST) for _ in range(2)]
    burst([c for server in both for c in connection_to_each(server, PROCESSES // 2)])


COUNTING = CONFIG + STATE + "throttle: {failures: 1000000, address_failures: 0}\n"


def check_uncounted(server, spoil, mend):
    """A guess that cannot be counted is the last one, until it can be."""
    assert statuses(server, secret_request(), wrong_request()) == [200, 401]
    spoil()
    # What the store has room for already may be enough for some more.
    for number in range(5000):
        answer = raw.exchange(server.address, wrong_request(f"nobody-{number}"))
        if answer.status != 401:
            break
    assert answer.status == 503, answer.status
    for request in (wrong_request(), secret_request(), secret_request(REMOTE_ADDR="192.0.2.1"), assertion_request(),
                    wrong_request("nobody")):
        unavailable(server, request)
    assert statuses(server, raw.get_request("/jwks"), raw.get_request("/health")) == [200, 200]
    mend()
    raw.wait_until(lambda: statuses(server, secret_request()) == [200], DEADLINE_S + SLACK_S, "it works again")
    assert statuses(server, wrong_request(), secret_request(), assertion_request()) == [401, 200, 200]


def test_guesses_while_redis_is_full(start, redis):
    server = start(redis.url, 1, COUNTING)
    check_uncounted(server, lambda: ask_redis(redis, b"CONFIG", b"SET", b"maxmemory", b"1"),
                    lambda: ask_redis(redis, b"CONFIG", b"SET", b"maxmemory", b"0"))


def test_guesses_while_the_disk_is_full(start, places):
    place = places(LMDB, COUNTING)
    disk = SmallDisk(place)
    server = start(LMDB, 1, place=place, before=disk.before)
    check_uncounted(server, lambda: disk.fill(server), lambda: disk.clear(server))


# A store that is changed while it is in use

def reload(server, text, state, mark):
    """Another configuration; wait until the worker has it, as a scope of this name shows."""
    new = server.place / "oauth2.yaml.new"
    new.write_text(configurations.render(text, state=state).replace("{email: }", "{email: , %s: }" % mark))
    new.rename(server.place / "oauth2.yaml")

    def has_loaded():
        assert not server.log("config.rejected"), server.log("config.rejected")
        answer = raw.exchange(server.address, raw.get_request("/.well-known/oauth-authorization-server"))
        return mark in json.loads(answer.body)["scopes_supported"]
    raw.wait_until(has_loaded, 5, "the new configuration is loaded")


def test_state_in_a_new_configuration(start, redis):
    """None, then LMDB, then another directory, then Redis, then none again."""
    server = start(LMDB, 1, PLAIN)
    for number, state in enumerate((LMDB, "lmdb:other", redis.url)):
        reload(server, CONFIG + STATE, state, f"step-{number}")
        request = assertion_request()
        assert raw.exchange(server.address, request).status == 200
        assert raw.exchange(server.address, request).status == 401
    reload(server, PLAIN, "", "the-end")
    plain_requests(server, 1)
    assert len(server.children()) == 1 and not server.log("worker.ended")


@pytest.mark.parametrize("how", ["moved", "removed"])
def test_state_directory_that_is_taken_away(start, how):
    """What it held must not be forgotten unnoticed: 503 until somebody makes it again, then as ever."""
    server = start(LMDB)
    workers = workers_of(server, 1)
    state = server.place / "state"
    used = assertion_request()
    assert raw.exchange(server.address, used).status == 200
    token = token_of(raw.exchange(server.address, secret_request()))
    if how == "moved":
        state.rename(server.place / "elsewhere")
    else:
        shutil.rmtree(state)
    for request in (used, assertion_request(), proof_request(), revoke_request(token)):
        unavailable(server, request)
    unavailable(server, secret_request("resource-server", "/introspect", {"token": token}))
    assert statuses(server, secret_request(), raw.get_request("/jwks"), raw.get_request("/health")) == 3 * [200]
    assert not state.exists(), "it is not for the program to make it again"
    if how == "moved":
        (server.place / "elsewhere").rename(state)
    else:
        state.mkdir(mode=0o700)
    request = assertion_request()
    assert statuses(server, request, *10 * [request]) == [200] + 10 * [401]
    if how == "moved":
        assert statuses(server, used) == [401]
    assert introspect(server, token)
    assert server.children() == workers


GARBAGE = {"a byte": b"x", "text": 400 * b"This is no database. ", "a page of zeros": bytes(4096),
           "a megabyte": random.Random(1).randbytes(1 << 20)}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_store_that_is_none(start, places, garbage):
    """A file that is no database is refused, not overwritten; when it is gone, all is well."""
    place = places(LMDB)
    data = place / "state" / "data.mdb"
    data.parent.mkdir(mode=0o700)
    data.write_bytes(GARBAGE[garbage])
    server = start(LMDB, 2, place=place)
    for _ in range(2):
        for request in (assertion_request(), proof_request()):
            unavailable(server, request)
    assert statuses(server, secret_request(), raw.get_request("/jwks")) == [200, 200]
    assert data.read_bytes() == GARBAGE[garbage], "whoever's it is, it is as it was"
    data.unlink()
    request = assertion_request()
    assert statuses(server, request, *5 * [request]) == [200] + 5 * [401]
    assert not server.log("worker.ended")


@pytest.mark.parametrize("garbage", GARBAGE)
def test_store_that_becomes_none(start, garbage):
    """Another file in its place while it is in use."""
    server = start(LMDB, 2)
    workers = workers_of(server, 2)
    data = server.place / "state" / "data.mdb"
    assert statuses(server, *(assertion_request() for _ in range(8))) == 8 * [200]
    new = data.with_suffix(".new")
    new.write_bytes(GARBAGE[garbage])
    new.rename(data)
    for _ in range(3):
        for request in (assertion_request(), proof_request()):
            unavailable(server, request)
    assert statuses(server, secret_request(), raw.get_request("/jwks")) == [200, 200]
    data.unlink()
    request = assertion_request()
    assert statuses(server, request, *5 * [request]) == [200] + 5 * [401]
    assert server.children() == workers


# Clients that are taken away

def test_tokens_of_clients_that_are_taken_away(start):
    """They are inactive as long as their client is disabled or not there."""
    server = start(LMDB)
    token = token_of(raw.exchange(server.address, secret_request()))
    assert introspect(server, token)
    name = "  TENANT_CLIENT_ID:\n"
    for mark, new, is_active in (("disabled", name + "    enabled: false\n", False), ("back", name, True),
                                 ("removed", "  another:\n", False), ("again", name, True)):
        reload(server, (CONFIG + STATE).replace(name, new), LMDB, mark)
        assert introspect(server, token) == is_active, mark


# A disk that is full, or cannot be written

MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
# Read-only, until there is a file beside it; whoever waits for it is no child of the program.
MOUNT_READ_ONLY = """\
mount -t tmpfs -o size=1m,mode=0777 none "$0" && mount -o remount,bind,ro "$0" || exit 1
(
    for _ in $(seq 600); do
        test ! -e "$0.writable" || exec mount -o remount,bind,rw "$0"
        sleep 0.1
    done &
)
exec "$@"
"""


SHIMS = Path(__file__).parents[1] / "shims"


def preloaded(place, shim, variable):
    """A command before the program that gives it one of the shims, for its state directory."""
    library = place / f"{shim}.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, SHIMS / f"{shim}.c",
                    "-ldl"], check=True)
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0".lstrip(":")
    return ["env", f"LD_PRELOAD={library}", f"{variable}={place / 'state'}", f"ASAN_OPTIONS={options}"]


class SmallDisk:
    """A disk of 1 MiB below the state directory, from full to empty, or read-only: a tmpfs in a mount namespace, or
    where nobody may mount anything a shim that lets the same calls fail."""

    SIZE = 1 << 20

    def __init__(self, place, read_only=False):
        self.state = place / "state"
        self.state.mkdir(mode=0o700)
        unshare = [servers.tool("unshare"), *([] if os.geteuid() == 0 else ["-r"]), "-m"]
        tried = subprocess.run([*unshare, "sh", "-c", MOUNT, str(self.state), "mount", "-o", "remount,bind,ro",
                                str(self.state)], capture_output=True, text=True, check=False)
        self.is_mounted = tried.returncode == 0
        if self.is_mounted:
            print("the small disk is a tmpfs")
            self.before = [*unshare, "sh", "-c", MOUNT_READ_ONLY if read_only else MOUNT, str(self.state)]
        else:
            print(f"the small disk is a shim: {tried.stderr.strip()}")
            self.before = preloaded(place, *(("read_only_disk", "READ_ONLY_DISK") if read_only else
                                             ("small_disk", "SMALL_DISK")))

    def ballast(self, server):
        return Path(f"/proc/{server.pid}/root{self.state}" if self.is_mounted else self.state) / "ballast"

    def fill(self, server):
        """Until no byte fits in any more."""
        with open(self.ballast(server), "wb", buffering=0) as file:
            if not self.is_mounted:
                self.keep_what_is_there()
                file.truncate(self.SIZE)
                return
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(size * b"x"):
                        pass

    def keep_what_is_there(self):
        """Tell the shim which pages the files have: all but the holes at the end of the data."""
        page = os.sysconf("SC_PAGESIZE")
        for path in self.state.glob("*.mdb"):
            content = path.read_bytes()
            if path.name == "data.mdb":
                content = content.rstrip(b"\0")
            with open(f"{path}.room", "wb") as file:
                file.truncate(-(-len(content) // page) * page)

    def clear(self, server):
        for path in (self.ballast(server), *self.state.glob("*.room")):
            path.unlink()


def test_full_disk(start, places):
    place = places(LMDB)
    disk = SmallDisk(place)
    server = start(LMDB, 2, place=place, before=disk.before)
    used = [assertion_request() for _ in range(5)]
    for request in used:
        assert raw.exchange(server.address, request).status == 200
    token = token_of(raw.exchange(server.address, secret_request()))
    workers = workers_of(server, 2)
    disk.fill(server)
    # Pages that the store has already may be enough for some more.
    for _ in range(3000):
        request = assertion_request()
        answer = raw.exchange(server.address, request)
        if answer.status != 200:
            break
        used.append(request)
    assert answer.status == 503, (answer.status, len(used))
    unavailable(server, assertion_request())
    unavailable(server, proof_request())
    unavailable(server, revoke_request(token))
    for again in used:
        assert raw.exchange(server.address, again).status in (401, 503), "a used assertion gives no token"
    assert introspect(server, token)
    assert raw.exchange(server.address, secret_request()).status == 200
    assert raw.exchange(server.address, raw.get_request("/jwks")).status == 200
    assert any("full" in line["reason"] for line in server.log("token.denied"))
    disk.clear(server)
    assert raw.exchange(server.address, request).status == 200, "the refused one, now that there is room"
    assert raw.exchange(server.address, proof_request()).status == 200
    for again in used:
        assert raw.exchange(server.address, again).status == 401
    assert raw.exchange(server.address, revoke_request(token)).status == 200
    assert not introspect(server, token)
    assert server.children() == workers


def test_disk_that_is_full_from_the_start(start, places):
    """Not even the store's files fit."""
    place = places(LMDB)
    disk = SmallDisk(place)
    server = start(LMDB, 1, place=place, before=disk.before)
    disk.fill(server)
    for _ in range(3):
        unavailable(server, assertion_request())
    disk.clear(server)
    request = assertion_request()
    assert raw.exchange(server.address, request).status == 200
    assert raw.exchange(server.address, request).status == 401


def test_disk_that_is_read_only(start, places):
    """With a throttle nobody gets in while nothing can be counted; without, who needs no store does."""
    for text, status in ((CONFIG + STATE, 200), (COUNTING, 503)):
        place = places(LMDB, text)
        server = start(LMDB, 1, place=place, before=SmallDisk(place, read_only=True).before)
        for request in (assertion_request(), proof_request()):
            unavailable(server, request)
        assert statuses(server, secret_request(), raw.get_request("/jwks")) == [status, 200]
        (place / "state.writable").touch()
        raw.wait_until(lambda: statuses(server, assertion_request()) == [200], 5, "it works")
        assert statuses(server, secret_request(), proof_request(), wrong_request()) == [200, 200, 401]


# Processes that die

WRITES = 1000


class Killer(threading.Thread):
    """Kills one worker after the other while the block runs."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.stopped = threading.Event()
        self.killed = 0

    def run(self):
        chance = random.Random(3)
        while not self.stopped.wait(chance.uniform(0.005, 0.04)):
            workers = self.server.children()
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    self.killed += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


def send_all(server, requests, threads=4):
    """{request: status}; None where the connection broke."""
    answers = {}
    queue = iter(requests)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                request = next(queue, None)
            if request is None:
                return
            try:
                answer = raw.exchange(server.address, request)
            except (OSError, EOFError):
                answer = None
            answers[request] = answer and answer.status
    pool = [threading.Thread(target=work) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return answers


def check_nothing_lost(server, assertions, tokens):
    """What was answered with 200 is remembered."""
    again = send_all(server, assertions)
    assert set(again.values()) == {401}, collections.Counter(again.values())
    assert not [token for token in tokens if introspect(server, token)]


def test_killed_processes_lose_nothing(start):
    server = start(LMDB, 8)
    tokens = [token_of(raw.exchange(server.address, secret_request())) for _ in range(WRITES // 2)]
    revocations = {revoke_request(token): token for token in tokens}
    requests = list(itertools.chain(*zip((assertion_request() for _ in tokens), revocations)))
    with Killer(server) as killer:
        answers = send_all(server, requests)
    found = collections.Counter(answers.values())
    assert killer.killed >= 8, "the test kills too few to show anything"
    assert set(found) <= {200, None} and found[None] > 0 and found[200] > WRITES / 2, found
    done = [request for request, status in answers.items() if status == 200]
    kept = [request for request in done if request not in revocations]
    revoked = [revocations[request] for request in done if request in revocations]
    check_nothing_lost(server, kept, revoked)
    # And when all have died at once, supervisor and workers; nothing needs repair.
    os.kill(server.pid, signal.SIGSTOP)
    for pid in [*server.children(), server.pid]:
        os.kill(pid, signal.SIGKILL)
    server.popen.wait()
    server.address.unlink(missing_ok=True)
    check_nothing_lost(start(LMDB, 4, place=server.place), kept, revoked)


# No state, no cost

REQUESTS = 20
# What a store would need; not what a request needs: its socket, memory, a line of log.
STORE_CALLS = re.compile(r"^\d+ +(open|openat|openat2|creat|connect|socket|fsync|fdatasync|msync|pwritev2?|preadv2?|"
                         r"flock|unlink|unlinkat|rename|renameat2?|mkdir|mkdirat|"
                         r"fcntl\(\d+, F_(?:OFD_)?SETLKW?)\b", re.M)
# Of which there are more or fewer as it happens: looks at the files once a second, waiting, and memory.
BY_CHANCE = {"stat", "lstat", "fstat", "newfstatat", "statx", "futex", "restart_syscall", "getpid", "poll",
             "recvfrom", "epoll_wait", "epoll_ctl", "sched_yield", "rt_sigtimedwait", "read", "brk", "munmap",
             "madvise"}


def can_trace():
    """Some sandboxes let nobody trace."""
    return subprocess.run([servers.tool("strace"), "-o", "/dev/null", "true"], capture_output=True,
                          check=False).returncode == 0


def warm_up(server):
    """What is done once only; where there is a store, it is open then."""
    plain_requests(server, 1)
    if "state:" in (server.place / "oauth2.yaml").read_text():
        assert raw.exchange(server.address, assertion_request()).status == 200


def traced_calls(start, text):
    """The system calls of some plain token requests, by strace."""
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name, "trace")
        server = start(LMDB, 1, text, before=[servers.tool("strace"), "-f", "-qq", "-y", "-o", str(trace)])
        warm_up(server)
        time.sleep(0.1)
        begin = trace.stat().st_size
        plain_requests(server, REQUESTS)
        time.sleep(0.1)
        calls = trace.read_bytes()[begin:].decode(errors="replace")
        # strace ends with the program, not the other way round.
        for pid in server.children():
            os.kill(pid, signal.SIGTERM)
        server.popen.wait(20)
    found = [line for line in calls.splitlines()
             if STORE_CALLS.search(line) or f"{server.place}/state" in line]
    assert not found, found
    names = collections.Counter(re.findall(r"^\d+ +(\w+)\((?!.*MAP_ANONYMOUS)", calls, re.M))
    return {name: count for name, count in names.items() if name not in BY_CHANCE}


EVENTS = struct.Struct("iIII")      # of inotify(7): watch, kind, cookie, length of the name behind it
ALL_EVENTS = 0xfff


class Watch:
    """What is opened, read, written, made or removed in directories, as the kernel tells anybody (inotify)."""

    def __init__(self, directories):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        self.names = {libc.inotify_add_watch(self.descriptor, str(path).encode(), ALL_EVENTS): path.name
                      for path in directories}
        assert self.descriptor >= 0 and -1 not in self.names, os.strerror(ctypes.get_errno())

    def events(self):
        """How often each kind was seen, by file; not of the log, whose line belongs to a request."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.descriptor, 65536):
                data += part
        found = collections.Counter()
        while data:
            watch, kind, _, size = EVENTS.unpack_from(data)
            name = data[EVENTS.size:EVENTS.size + size].rstrip(b"\0").decode()
            data = data[EVENTS.size + size:]
            if name != "stderr":
                found[f"{self.names[watch]}/{name}", kind] += 1
        return found

    def close(self):
        os.close(self.descriptor)


def watched_files(start, text):
    """What some plain token requests do to the files beside the configuration, the store's among them."""
    server = start(LMDB, 1, text)
    warm_up(server)
    state = server.place / "state"
    watch = Watch([path for path in (server.place, state) if path.exists()])
    plain_requests(server, REQUESTS)
    found = watch.events()
    if state.exists():
        assert raw.exchange(server.address, assertion_request()).status == 200
        seen = {name for name, _ in watch.events()}
        assert "state/data.mdb" in seen, f"this shows nothing: an assertion was not noticed: {seen}"
    watch.close()
    return {name: count for (name, _), count in found.items()}


def plain_requests(server, count):
    for _ in range(count):
        assert raw.exchange(server.address, secret_request()).status == 200


def files_of(place):
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in place.rglob("*")
            if path.name != "stderr"}


def test_without_state_nothing_is_written(start, places):
    place = places(LMDB, PLAIN)
    server = start(LMDB, place=place)
    before = files_of(place)
    plain_requests(server, REQUESTS)
    assert raw.exchange(server.address, raw.token_request()).status == 401
    assert files_of(place) == before


def test_state_costs_plain_clients_nothing(start):
    """A plain token request does not even open the store."""
    server = start(LMDB)
    plain_requests(server, REQUESTS)
    assert not (server.place / "state").exists()
    assert raw.exchange(server.address, assertion_request()).status == 200
    assert (server.place / "state").exists(), "this test shows nothing if the store is elsewhere"


def test_files_of_plain_clients(start):
    """Nothing is done to the files of a store that is open."""
    assert watched_files(start, PLAIN) == watched_files(start, CONFIG + STATE) == {}


def test_system_calls_of_plain_clients(start):
    """They are the same with an open store as without; where nobody may trace, what is done to files is."""
    if not can_trace():
        test_files_of_plain_clients(start)
        return
    without, with_state = traced_calls(start, PLAIN), traced_calls(start, CONFIG + STATE)
    assert without["write"] >= REQUESTS, without
    assert without == with_state
