# SPDX-License-Identifier: MIT
"""What processes and machines share: one acceptance each, whatever happens to processes, disk and Redis."""

import collections
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
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
SLACK_S = 0.5        # for a busy machine
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
STATE = "state: <state>\nthrottle: {failures: 0, address_failures: 0}\n"
LMDB = "lmdb:state"


@pytest.fixture
def places():
    """Directories for servers; their paths are short enough for a socket."""
    made = []

    def make(state, text=CONFIG + STATE):
        place = Path(tempfile.mkdtemp(prefix="oauth2-r."))
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


def unavailable(server, request, within=DEADLINE_S + SLACK_S):
    """503 with what belongs to it, in time."""
    begin = time.monotonic()
    answer = raw.exchange(server.address, request)
    seconds = time.monotonic() - begin
    assert answer.status == 503, (answer.status, answer.body)
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert seconds < within, seconds
    return answer


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


def connection_to_each(server, count):
    """A connection to each worker: while one is given out, the others stand still."""
    workers = raw.wait_until(lambda: len(server.children()) == count and server.children(), 5, "all workers")
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
    begin = time.monotonic()
    assert raw.exchange(server.address, secret_request()).status == 200
    assert time.monotonic() - begin < DEADLINE_S


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_redis_that_is_gone(start, redis, how):
    server = start(redis.url, 2)
    workers = server.children()
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
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(raw.connect(server.address)) for _ in range(8)]
        begin = time.monotonic()
        for connection in connections:
            connection.sendall(assertion_request())
        assert {raw.receive(connection).status for connection in connections} == {503}
        assert time.monotonic() - begin < 4 * (DEADLINE_S + SLACK_S)
    if how == "stopped":
        redis.popen.send_signal(signal.SIGCONT)
    else:
        redis.start()
    raw.wait_until(lambda: raw.exchange(server.address, assertion_request()).status == 200, DEADLINE_S + SLACK_S,
                   "it works again")
    assert raw.exchange(server.address, proof_request()).status == 200
    assert introspect(server, token)
    if how == "stopped":
        assert raw.exchange(server.address, used).status == 401
    assert server.children() == workers, "the same processes as before"
    assert any("state store" in line["reason"] for line in server.log("token.denied") if line["status"] == 503)


def ask_redis(redis, *words):
    """One command in Redis's own words; a list or a number."""
    with raw.socket.create_connection(("127.0.0.1", redis.port), 5) as connection, connection.makefile("rwb") as file:
        file.write(f"*{len(words)}\r\n".encode())
        for word in words:
            file.write(b"$%d\r\n%s\r\n" % (len(word), word))
        file.flush()
        kind, count = file.read(1), int(file.readline())
        if kind == b":":
            return count
        return [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(count)]


def test_what_is_in_redis(start, redis):
    """Our own names only, that tell nobody anything, and nothing that stays for ever."""
    server = start(redis.url, 2, CONFIG + "state: <state>\n")
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


def test_throttle_without_redis(start, redis):
    """A limit that cannot be looked up is no licence to guess."""
    server = start(redis.url, 1, CONFIG + "state: <state>\n")
    assert raw.exchange(server.address, secret_request()).status == 200
    redis.kill()
    unavailable(server, secret_request())
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


def test_state_directory_that_is_taken_away(start):
    """A new one is made; at no time is an assertion good twice in the same one."""
    server = start(LMDB, 2)
    assert raw.exchange(server.address, assertion_request()).status == 200
    (server.place / "state").rename(server.place / "elsewhere")
    raw.wait_until(lambda: raw.exchange(server.address, assertion_request()).status == 200, 5, "it is made anew")
    request = assertion_request()
    assert raw.exchange(server.address, request).status == 200
    for _ in range(10):
        assert raw.exchange(server.address, request).status == 401


# A disk that is full

def unshared():
    """A command before the program that gives it a mount namespace with a tmpfs of 1 MiB."""
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    tool = servers.tool("unshare")
    tried = subprocess.run([tool, *options, "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"],
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.fail("a full disk is tested on a small tmpfs, which needs root or user namespaces (unshare "
                    f"{' '.join(options)}): {tried.stderr.strip()}", pytrace=False)
    return [tool, *options, "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"']


def fill(path):
    """Until no byte fits in any more."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(size * b"x"):
                    pass


def test_full_disk(start, places):
    place = places(LMDB)
    (place / "state").mkdir(mode=0o700)
    server = start(LMDB, 2, place=place, before=[*unshared(), str(place / "state")])
    inside = Path(f"/proc/{server.pid}/root{place}/state")
    used = [assertion_request() for _ in range(5)]
    for request in used:
        assert raw.exchange(server.address, request).status == 200
    token = token_of(raw.exchange(server.address, secret_request()))
    workers = server.children()
    fill(inside / "ballast")
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
    (inside / "ballast").unlink()
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
    (place / "state").mkdir(mode=0o700)
    server = start(LMDB, 1, place=place, before=[*unshared(), str(place / "state")])
    inside = Path(f"/proc/{server.pid}/root{place}/state")
    fill(inside / "ballast")
    for _ in range(3):
        unavailable(server, assertion_request())
    (inside / "ballast").unlink()
    request = assertion_request()
    assert raw.exchange(server.address, request).status == 200
    assert raw.exchange(server.address, request).status == 401


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
    assert killer.killed >= 20, "the test kills too few to show anything"
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
# Of which there are more or fewer as it happens: looks at the files once a second, and waiting.
BY_CHANCE = {"stat", "lstat", "fstat", "newfstatat", "statx", "futex", "restart_syscall", "getpid", "poll",
             "recvfrom", "epoll_wait", "epoll_ctl", "rt_sigtimedwait", "read"}


def can_trace():
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True,
                                                 check=False).returncode == 0


def traced_calls(start, text):
    """The system calls of some plain token requests, by strace."""
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name, "trace")
        server = start(LMDB, 1, text, before=["strace", "-f", "-qq", "-o", str(trace)])
        plain_requests(server, 1)
        time.sleep(0.1)
        begin = trace.stat().st_size
        plain_requests(server, REQUESTS)
        time.sleep(0.1)
        calls = trace.read_bytes()[begin:].decode(errors="replace")
        # strace ends with the program, not the other way round.
        for pid in server.children():
            os.kill(pid, signal.SIGTERM)
        server.popen.wait(20)
    found = STORE_CALLS.findall(calls)
    assert not found, found
    names = collections.Counter(re.findall(r"^\d+ +(\w+)\(", calls, re.M))
    return {name: count for name, count in names.items() if name not in BY_CHANCE}


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


def test_system_calls_of_plain_clients(start):
    """They are the same with a state store as without. Where nothing may be traced, the files above must do."""
    if can_trace():
        without, with_state = traced_calls(start, PLAIN), traced_calls(start, CONFIG + STATE)
        assert without["write"] >= REQUESTS, without
        assert without == with_state
