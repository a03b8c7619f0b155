# SPDX-License-Identifier: MIT
"""What an operator does while it serves: files change, break and rotate, and nobody's request fails."""

import configparser
import datetime
import functools
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
import yaml
from jwcrypto import jwk, jwt

import configurations
import jwts
import rawfcgi as raw
import servers
from test_process import (BROKEN, SECOND, SLACK_S, WAYS, check_token, config_text, keys, place, run_cgi, start,
                          wait_for_workers, write)
from test_races import connection_to_each

LOAD_S = int(os.environ.get("OAUTH2_LOAD_SECONDS", "10"))   # of the test under load, at the end
LOAD_SLACK_S = 0.5      # for loading, and a busy machine

SETTINGS = configurations.Configuration("", "http://localhost")


# Every kind of change, at every worker of three kinds of server

MAIN = {
    "issuer": "http://localhost",
    "signing_keys": [{"file": "keys/sign.pem"}],
    "scopes": {"email": {}},
    "include": ["clients.d/*.yaml", "later.d/*.yaml"],
    "state": "lmdb:state",
    "log": {"file": "oauth2.log"},
}


class Files:
    """A configuration of many files; all belong to whom the program runs as."""

    def __init__(self, directory, user):
        self.directory = directory
        self.user = user
        self.count = 0
        self.clients = {
            "by-file": {"scopes": ["email"], "secrets": [{"file": "secrets/by-file"}]},
            "by-link": {"scopes": ["email"], "secrets": [{"file": "secrets/by-link"}]},
            "by-key": {"scopes": ["email"], "auth_methods": ["private_key_jwt"], "jwks_file": "keys/by-key.json"},
        }
        for name in ("keys", "secrets", "clients.d", "state"):
            self.make_directory(name)
        self.make_key()
        self.put("secrets/by-file", "by-file-0\n", 0o600)
        self.put("secrets/by-link-0", "by-link-0\n", 0o600)
        (directory / "secrets/by-link").symlink_to("by-link-0")
        self.put_jwks("ec-0")
        self.put("clients.d/first.yaml", self.include("first"))
        self.put_main()

    def give_away(self, path):
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def make_directory(self, name):
        (self.directory / name).mkdir(parents=True)
        self.give_away(self.directory / name)

    def put(self, name, text, mode=0o640, in_place=False):
        """Write a file: over the old one, or beside it and renamed."""
        path = self.directory / name
        new = path if in_place else path.with_name(".new")
        new.write_text(text)
        new.chmod(mode)
        self.give_away(new)
        new.rename(path)

    def put_main(self, **options):
        self.put("oauth2.yaml", json.dumps({**MAIN, "clients": self.clients}), **options)

    def put_jwks(self, key, **options):
        self.put("keys/by-key.json", json.dumps({"keys": [jwts.public(key)]}), **options)

    def make_key(self):
        made = subprocess.run([servers.tool("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt",
                               "ec_paramgen_curve:P-256"], check=True, capture_output=True, text=True).stdout
        self.put("keys/sign.pem", made, 0o600)
        return jwk.JWK.from_pem(made.encode()).thumbprint()

    def new_name(self):
        self.count += 1
        return f"client-{self.count}"

    @staticmethod
    def include(*clients):
        return yaml.safe_dump({"clients": {client: with_hash(client) for client in clients}})


def with_hash(client):
    """A client whose secret is its name, with "-secret"."""
    digest = hashlib.sha256(f"{client}-secret".encode()).hexdigest()
    return {"scopes": ["email"], "secrets": [{"hash": f"sha256:{digest}"}]}


def token_body(client, secret=None):
    return urlencode({"grant_type": "client_credentials", "client_id": client,
                      "client_secret": secret or f"{client}-secret"}).encode()


def is_known(client, secret=None):
    return lambda ask: ask(raw.token_request(token_body(client, secret), keep=True)).status == 200


def is_unknown(client, secret=None):
    return lambda ask: ask(raw.token_request(token_body(client, secret), keep=True)).status == 401


def is_known_by(key):
    """Another assertion for each worker: none is accepted twice."""
    def sees(ask):
        body = urlencode({"grant_type": "client_credentials", "client_assertion_type": jwts.ASSERTION_TYPE,
                          "client_assertion": jwts.assertion(SETTINGS, {"client": "by-key", "key": key})})
        return ask(raw.token_request(body.encode(), keep=True)).status == 200
    return sees


def health_is(status):
    def sees(ask):
        answer = ask(raw.get_request("/health", keep=True))
        return answer.status == 200 and json.loads(answer.body) == {"status": status}
    return sees


# Each makes its change, and returns how one sees it.

def change_main(files, in_place):
    client = files.new_name()
    files.clients[client] = with_hash(client)
    files.put_main(in_place=in_place)
    return is_known(client)


def change_include(files, in_place):
    client = files.new_name()
    files.put("clients.d/first.yaml", files.include("first", client), in_place=in_place)
    return is_known(client)


def add_include(files):
    client = files.new_name()
    files.put(f"clients.d/{client}.yaml", files.include(client))
    return is_known(client)


def move_include(files):
    """A file that is made elsewhere and moved in, so that it is whole from the start."""
    client = files.new_name()
    files.put(f"{client}.new", files.include(client))
    (files.directory / f"{client}.new").rename(files.directory / f"clients.d/{client}.yaml")
    return is_known(client)


def remove_include(files):
    (files.directory / "clients.d/first.yaml").unlink()
    return is_unknown("first")


def add_directory(files):
    client = files.new_name()
    files.make_directory("later.d")
    files.put(f"later.d/{client}.yaml", files.include(client))
    return is_known(client)


def change_secret(files, in_place):
    secret = files.new_name()
    files.put("secrets/by-file", secret + "\n", 0o600, in_place)
    return is_known("by-file", secret)


def turn_link(files):
    secret = files.new_name()
    files.put(f"secrets/{secret}", secret + "\n", 0o600)
    (files.directory / "secrets/.link").symlink_to(secret)
    (files.directory / "secrets/.link").rename(files.directory / "secrets/by-link")
    return is_known("by-link", secret)


def change_jwks(files, in_place):
    key = f"ec-{files.new_name()}"
    files.put_jwks(key, in_place=in_place)
    return is_known_by(key)


def change_signing_key(files):
    kid = files.make_key()

    def sees(ask):
        answer = json.loads(ask(raw.get_request("/jwks", keep=True)).body)
        return [key["kid"] for key in answer["keys"]] == [kid]
    return sees


def open_key_to_all(files):
    (files.directory / "keys/sign.pem").chmod(0o644)
    return health_is("degraded")


def close_key(files):
    (files.directory / "keys/sign.pem").chmod(0o600)
    return health_is("ok")


def remove_key(files):
    (files.directory / "keys/sign.pem").rename(files.directory / "keys/away")
    return health_is("degraded")


def return_key(files):
    (files.directory / "keys/away").rename(files.directory / "keys/sign.pem")
    return health_is("ok")


# In this order, where one needs another.
CHANGES = {
    "main file, in place": functools.partial(change_main, in_place=True),
    "main file, replaced": functools.partial(change_main, in_place=False),
    "included file, in place": functools.partial(change_include, in_place=True),
    "included file, replaced": functools.partial(change_include, in_place=False),
    "included file, removed": remove_include,
    "new file in a directory": add_include,
    "file moved into a directory": move_include,
    "new directory": add_directory,
    "secret, in place": functools.partial(change_secret, in_place=True),
    "secret, replaced": functools.partial(change_secret, in_place=False),
    "link turned to another secret": turn_link,
    "client's JWKS, in place": functools.partial(change_jwks, in_place=True),
    "client's JWKS, replaced": functools.partial(change_jwks, in_place=False),
    "signing key, replaced": change_signing_key,
    "key that others may read": open_key_to_all,
    "key that others may read no more": close_key,
    "key that is gone": remove_key,
    "key that is back": return_key,
}
FRONTS = {"lighttpd-fcgi": 4, "apache-fcgid": 2, "nginx": 4}    # and the least number of workers


def over_files(name):
    """The starter of a front whose configuration is one of Files."""
    def run(front):
        front.files = Files(front.directory / "etc" / "files", front.site.user)
        front.config_file = front.files.directory / "oauth2.yaml"
        servers.FRONTS[name](front)
    run.keeps_process = True
    return run


def ask_socket(path, request):
    return raw.exchange(path, request)


def ask_connection(connection, request):
    connection.sendall(request)
    return raw.receive(connection)


def spread(front):
    """Enough at once that the server starts all its processes."""
    request = raw_http(front, token_body("first"))
    threads = [threading.Thread(target=front.exchange, args=(request,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def raw_http(front, body):
    return (f"POST {front.path('token')} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def workers_of(front):
    """How to ask each process: by its own socket, or by a connection to it that is kept."""
    if front.socket:
        popen = front.processes[0].popen
        children = f"/proc/{popen.pid}/task/{popen.pid}/children"

        def pids():
            with open(children, encoding="ascii") as file:
                return sorted(int(pid) for pid in file.read().split())
        server = SimpleNamespace(address=front.socket, children=pids)
        return [functools.partial(ask_connection, connection)
                for connection in connection_to_each(server, len(pids()))]
    spread(front)
    return [functools.partial(ask_socket, path) for path in (front.directory / "run").iterdir() if is_served(path)]


def is_served(path):
    if not path.is_socket():
        return False
    try:
        return raw.exchange(path, raw.get_request("/health")).status == 200
    except ConnectionRefusedError:
        return False


@pytest.fixture(scope="module")
def operated(site):
    """The servers, and how to ask each of their workers."""
    found = []
    for name, least in FRONTS.items():
        front = site.front(f"{name}-changes", "default", over_files(name))
        workers = workers_of(front)
        assert len(workers) >= least, name
        found.append((name, front.files, workers))
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_noticed(operated, name):
    """Within a second, whatever it is, by each worker of each server, asked for the first time since."""
    seen = [(server, workers, CHANGES[name](files)) for server, files, workers in operated]
    time.sleep(SECOND + LOAD_SLACK_S)
    for server, workers, sees in seen:
        for number, ask in enumerate(workers):
            assert sees(ask), f"{server}, worker {number} of {len(workers)}"


# Health

def healths(server, count=20):
    """What the workers say; each of them is likely to be asked once at least."""
    answers = [raw.exchange(server.address, raw.get_request("/health")) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return {json.loads(answer.body)["status"] for answer in answers}


@pytest.mark.parametrize("told", [True, False], ids=["SIGHUP", "changed file"])
@pytest.mark.parametrize("way", ["unix", "socket on descriptor 0"])
def test_health_is_degraded(start, place, keys, way, told):
    server = WAYS[way](start).ready()
    assert healths(server) == {"ok"}
    for text, wanted in ((BROKEN, "degraded"), (config_text(keys), "ok"), ("", "degraded"),
                         (config_text(keys) + "# again\n", "ok")):
        write(place / "oauth2.yaml", text)
        if told:
            server.popen.send_signal(signal.SIGHUP)
            time.sleep(LOAD_SLACK_S)
        else:
            time.sleep(SECOND + LOAD_SLACK_S)
        assert healths(server) == {wanted}
        check_token(server.token(), keys)


def test_health_of_a_new_worker(start, place):
    server = start.listen("--workers", "1").ready()
    write(place / "oauth2.yaml", BROKEN)
    raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    old, = server.children()
    os.kill(old, signal.SIGKILL)
    wait_for_workers(server, 1, gone=old)
    assert healths(server, 1) == {"degraded"}


def test_health_without_configuration(start, place):
    (place / "oauth2.yaml").write_text(BROKEN)
    answer, _, _ = run_cgi(start, REQUEST_METHOD="GET", PATH_INFO="/health")
    assert answer.status == 503
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"


# Rotation of the log

class Clients(threading.Thread):
    """Asks for tokens until the end; the number of those that came."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.statuses = []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.002):
            self.statuses.append(self.server.token().status)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def lines_of(path, event="token.issued"):
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [line for line in lines if line["event"] == event]


def moment(line):
    """When it was written, in seconds."""
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


LOG = "log: {file: log}\n"


@pytest.mark.parametrize("way", ["unix", "socket on descriptor 0"])
def test_rotation(start, place, keys, way):
    """Renamed, as logrotate does it, while it is written; nobody is told."""
    write(place / "oauth2.yaml", config_text(keys, LOG))
    server = WAYS[way](start).ready()
    renamed = []
    with Clients(server) as one, Clients(server) as other:
        for number in range(3):
            time.sleep(1.3)
            (place / "log").rename(place / f"log.{number}")
            renamed.append(time.time())
        time.sleep(SECOND + LOAD_SLACK_S)
    old = [lines_of(place / f"log.{number}") for number in range(3)]
    new = lines_of(place / "log")
    issued = (one.statuses + other.statuses).count(200)
    assert issued == len(one.statuses + other.statuses) > 100
    assert sum(map(len, old)) + len(new) == issued, "no line is lost"
    for lines, at in zip(old, renamed):
        assert lines and moment(lines[-1]) < at + SECOND + LOAD_SLACK_S, "no more to the old file"
    assert new and (place / "log").stat().st_mode & 0o777 == 0o640
    assert server.end()[0] == 0


def test_rotation_while_idle(start, place, keys):
    """The new file is there before anybody asks, and the supervisor writes to it too."""
    write(place / "oauth2.yaml", config_text(keys, LOG))
    server = start.listen("--workers", "2").ready()
    for change in (lambda: (place / "log").rename(place / "log.1"), (place / "log").unlink):
        workers = wait_for_workers(server, 2)
        change()
        time.sleep(SECOND + LOAD_SLACK_S)
        assert (place / "log").exists(), "there is a new file"
        os.kill(workers[0], signal.SIGKILL)
        wait_for_workers(server, 2, gone=workers[0])
        assert [line["pid"] for line in lines_of(place / "log", "worker.ended")] == [workers[0]]
    assert server.end()[0] == 0


def test_rotation_by_signal(start, place, keys):
    """At once, not at the next look."""
    write(place / "oauth2.yaml", config_text(keys, LOG))
    server = start.listen().ready()
    (place / "log").rename(place / "log.1")
    server.popen.send_signal(signal.SIGHUP)
    time.sleep(0.8)
    size = (place / "log.1").stat().st_size
    for _ in range(20):
        check_token(server.token(), keys)
    assert (place / "log.1").stat().st_size == size
    assert len(lines_of(place / "log")) == 20
    assert server.end()[0] == 0


def test_new_log_that_cannot_be_opened(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, LOG))
    server = start.listen().ready()
    (place / "log").rename(place / "log.1")
    (place / "log").mkdir()
    with Clients(server) as clients:
        time.sleep(3 * SECOND + LOAD_SLACK_S)
    assert set(clients.statuses) == {200}
    assert len(lines_of(place / "log.1")) == len(clients.statuses), "it goes on with the old one"
    line, = lines_of(place / "log.1", "log.unavailable")
    assert line["level"] == "error" and line["file"] == str(place / "log") and line["message"] == "Is a directory"
    assert healths(server) == {"ok"}
    (place / "log").rmdir()
    raw.wait_until((place / "log").is_file, SECOND + LOAD_SLACK_S, "it is tried again")
    time.sleep(SECOND)
    check_token(server.token(), keys)
    assert len(lines_of(place / "log")) == 1
    # Another time is another matter.
    (place / "log").rename(place / "log.2")
    (place / "log").mkdir()
    raw.wait_until(lambda: lines_of(place / "log.2", "log.unavailable"), SECOND + LOAD_SLACK_S, "it is said again")
    server.popen.send_signal(signal.SIGHUP)
    raw.wait_until(lambda: len(lines_of(place / "log.2", "log.unavailable")) == 2, SECOND,
                   "whoever asks for it is told again")
    assert server.end()[0] == 0


def test_rotation_as_logrotate_is_told():
    """The two words that the tests above stand for, and none that needs more."""
    text = (servers.ETC / "logrotate" / "oauth2-fcgi").read_text()
    words = [line.split("#")[0].split() for line in text.splitlines()]
    assert ["nocreate"] in words and ["delaycompress"] in words
    assert not {"copytruncate", "postrotate", "create"} & {line[0] for line in words if line}


# The log for fail2ban, and for people

ADDRESS = r"(?:(?P<ip4>\d{1,3}(?:\.\d{1,3}){3})|(?P<ip6>[0-9a-fA-F:]*:[0-9a-fA-F:.]*))"
DATES = {"Y": r"\d{4}", "m": r"\d\d", "d": r"\d\d", "H": r"\d\d", "M": r"\d\d", "S": r"\d\d", "f": r"\d{1,6}",
         "z": r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)"}


class Filter:
    """What fail2ban makes of a filter: it takes the date out of a line, and searches in the rest."""

    def __init__(self):
        parser = configparser.ConfigParser()
        parser.read(servers.ETC / "fail2ban" / "filter.d" / "oauth2-fcgi.conf", encoding="utf-8")
        definition = parser["Definition"]
        self.failures = [re.compile(text.replace("<ADDR>", ADDRESS)) for text in definition["failregex"].splitlines()]
        self.dates = [re.compile(re.sub("%(.)", lambda found: DATES[found[1]], text))
                      for text in definition["datepattern"].splitlines()]

    def address(self, line):
        """Who has failed, by a line of a log file."""
        found = next(filter(None, (date.search(line) for date in self.dates)))
        return self.address_in(line[:found.start()] + line[found.end():])

    def address_in(self, text):
        found = next(filter(None, (failure.search(text) for failure in self.failures)), None)
        return found and (found["ip4"] or found["ip6"])


STATE = "state: lmdb:state\nthrottle: {failures: 3, window: 60}\n"
FORGED = ['x","remote_addr":"198.51.100.9","error":"invalid_client",',
          "x remote_addr=198.51.100.9 error=invalid_client ",
          '\\" remote_addr=198.51.100.9 error=invalid_client', '{"time":"2026-01-01T00:00:00.000Z","level":"info"',
          'x\n2026-01-01T00:00:00.000Z info token.denied remote_addr=198.51.100.9 error=invalid_client',
          "x\\", "x\\\\", '"', 'é\u2028 "', "a" * 300]


def denied_requests():
    """Pairs: an address, and a request with which it fails to authenticate."""
    bodies = [(raw.TOKEN_BODY + b"x", "/token"), (b"grant_type=client_credentials", "/token"),
              (b"token=x&client_id=client&client_secret=wrong", "/introspect"),
              (b"token=x&client_id=client&client_secret=wrong", "/revoke")]
    bodies += [(token_body(text, "x"), "/token") for text in FORGED]
    bodies += [(raw.TOKEN_BODY + b"x&" + urlencode({"scope": text}).encode(), "/token") for text in FORGED]
    for number, (body, path) in enumerate(bodies, 1):
        address = f"203.0.113.{number}" if number % 3 else f"2001:db8:{number:x}::1"
        yield address, raw.token_request(body, PATH_INFO=path, REMOTE_ADDR=address)


def other_requests():
    """Requests that are served, or refused for another reason."""
    yield raw.token_request()
    yield raw.get_request("/jwks")
    yield raw.token_request(b"grant_type=other&client_id=client&client_secret=secret")
    yield raw.token_request(raw.TOKEN_BODY, CONTENT_TYPE="text/plain")
    yield raw.get_request("/none")
    for text in FORGED:
        yield raw.token_request(raw.TOKEN_BODY + b"&" + urlencode({"scope": text}).encode())


@pytest.mark.parametrize("form", ["json", "text"])
def test_fail2ban(start, place, keys, form):
    """It finds exactly those who failed, by the address that they came from."""
    write(place / "oauth2.yaml", config_text(keys, f"log: {{file: log, format: {form}}}\n" + STATE))
    server = start.listen("--workers", "1").ready()
    wanted = []
    for address, request in denied_requests():
        assert raw.exchange(server.address, request).status in (401, 403), request
        wanted.append(address)
        for other in other_requests():
            assert raw.exchange(server.address, other).status not in (401, 429)
    throttled = raw.token_request(raw.TOKEN_BODY + b"x", REMOTE_ADDR="192.0.2.77")
    assert [raw.exchange(server.address, throttled).status for _ in range(5)] == [401, 401, 401, 429, 429]
    wanted += 5 * ["192.0.2.77"]

    filter_ = Filter()
    lines = (place / "log").read_text().splitlines()
    assert [address for address in map(filter_.address, lines) if address] == wanted
    journal = [filter_.address_in(f"host oauth2.fcgi[4711]: {line}") for line in lines]
    assert [address for address in journal if address] == wanted


TEXT_VALUE = r'(?:[^\s"=\\]+|"(?:[^"\\\x00-\x1f]|\\.)*")'
TEXT_LINE = re.compile(r"(\S+Z) (error|warning|info|debug) ([a-z.]+)((?: [a-z_]+=" + TEXT_VALUE + ")*)")


def test_text_format(start, place, keys):
    """Time, level, event, and fields that nobody can forge; read back, the same as in JSON."""
    write(place / "oauth2.yaml", config_text(keys, "log: {file: log, format: text}\n" + STATE))
    server = start.listen("--workers", "1").ready()
    for text in FORGED:
        request = raw.token_request(token_body(text, "x"), REMOTE_ADDR="192.0.2.1")
        assert raw.exchange(server.address, request).status in (401, 429)
    check_token(server.token(), keys)
    lines = (place / "log").read_text().splitlines()
    clients = []
    for line in lines:
        found = TEXT_LINE.fullmatch(line)
        assert found and line.isprintable(), line
        fields = dict(re.findall(rf" ([a-z_]+)=({TEXT_VALUE})", found[4]))
        if found[3] == "token.denied":
            assert fields["remote_addr"] == "192.0.2.1" and fields["error"] == "invalid_client"
            client = fields["client_id"]
            clients.append(json.loads(client) if client[0] == '"' else client)
    assert clients == FORGED
    assert re.fullmatch(r"\S+Z info token\.issued client_id=client remote_addr=127\.0\.0\.1 "
                        r"auth_method=client_secret_post scope=orders jti=\S+ request_id=\S+ status=200 "
                        r"duration_us=\d+", lines[-1]), lines[-1]


# All of it, under load

RATE = 200
THREADS = 8
CHANGE_S = 0.1
ROTATE_S = 5
BREAK_S = 3          # from one broken time to the next
BROKEN_S = 1.1       # how long it lasts: each worker looks once at least
CLIENT = "client"


class Operator(threading.Thread):
    """Edits the configuration without a pause: a new version each time, now and then a new key, or a mistake."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        self.begin = time.monotonic()
        self.over = threading.Event()
        self.version = 0
        self.names = []

    def add_key(self):
        name = f"key-{len(self.names)}"
        path = self.place / name
        subprocess.run([servers.tool("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-out", path], check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)
        self.names.append(name)

    def text(self):
        """Version, audience and claim belong together; the last key but one signs."""
        self.version += 1
        states = ["retired"] * (len(self.names) - 2) + ["active", "next"]
        return yaml.safe_dump({
            "issuer": "http://localhost",
            "signing_keys": [{"file": name, "kid": name, "state": state} for name, state in zip(self.names, states)],
            "scopes": {"orders": {}},
            "clients": {CLIENT: {**with_hash(CLIENT), "scopes": ["orders"],
                                 "claims": {"version": self.version},
                                 "audience": [f"https://v{self.version}.example.com"]}},
        })

    def spoilt(self, text):
        return [text.replace("scopes:", "scpoes:", 1), text[:text.index("signing_keys") + 7], "",
                text.replace("orders", "others", 1), text.replace("key-0", "key-none")][self.version % 5]

    def edit(self):
        passed = time.monotonic() - self.begin
        if passed >= (len(self.names) - 1) * ROTATE_S:
            self.add_key()
        text = self.text()
        is_broken = passed >= BREAK_S and passed % BREAK_S < BROKEN_S
        write(self.place / "oauth2.yaml", self.spoilt(text) if is_broken else text)

    def run(self):
        while not self.over.wait(CHANGE_S):
            self.edit()
        write(self.place / "oauth2.yaml", self.text())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@functools.lru_cache(maxsize=100)
def load_key(text):
    return jwk.JWK.from_json(text)


def published(server):
    answer = raw.exchange(server.address, raw.get_request("/jwks"))
    assert answer.status == 200
    return {key["kid"]: json.dumps(key) for key in json.loads(answer.body)["keys"]}


def claims_of(token, key_set):
    """Of a token that the keys verify."""
    kid = json.loads(jwts.unb64(token.split(".")[0]))["kid"]
    return kid, json.loads(jwt.JWT(jwt=token, key=load_key(key_set[kid]), algs=["ES256"]).claims)


class Load(threading.Thread):
    """One of the clients: asks at its pace, and verifies each token with what is published then."""

    def __init__(self, server, count, begin):
        super().__init__()
        self.server, self.count, self.begin = server, count, begin
        self.tokens = []
        self.kids = set()
        self.error = None

    def ask(self):
        answer = raw.exchange(self.server.address, raw.token_request(token_body(CLIENT)))
        assert answer is not None and answer.status == 200, answer and (answer.status, answer.body)
        token = json.loads(answer.body)["access_token"]
        kid, claims = claims_of(token, published(self.server))
        assert claims["aud"] == f"https://v{claims['version']}.example.com", "of one configuration"
        self.kids.add(kid)
        self.tokens.append(token)

    def run(self):
        try:
            for number in range(self.count):
                time.sleep(max(0, self.begin + number * THREADS / RATE - time.monotonic()))
                self.ask()
        except Exception as error:    # pylint: disable=broad-except
            self.error = error


def test_changes_under_load(start, place):
    """200 requests a second while the configuration changes, breaks and its keys rotate: none fails, and
    every token verifies. For OAUTH2_LOAD_SECONDS, 10 unless that is set."""
    operator = Operator(place)
    operator.add_key()
    operator.add_key()
    write(place / "oauth2.yaml", operator.text())
    server = start.listen().ready()
    workers = server.children()
    operator.begin = begin = time.monotonic()
    with operator:
        clients = [Load(server, LOAD_S * RATE // THREADS, begin + number / RATE) for number in range(THREADS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        seconds = time.monotonic() - begin
    for client in clients:
        if client.error:
            raise client.error
    assert sum(len(client.tokens) for client in clients) == LOAD_S * RATE
    assert seconds < 1.5 * LOAD_S, "this machine is too slow to say anything"
    assert len(set().union(*(client.kids for client in clients))) > (LOAD_S - 4) // ROTATE_S
    assert operator.version > 5 * LOAD_S
    assert len(server.log("config.rejected")) >= LOAD_S // BREAK_S - 1
    assert len(server.log("config.loaded")) >= LOAD_S // 2 - 1
    time.sleep(SECOND + LOAD_SLACK_S)
    assert healths(server) == {"ok"}
    assert server.children() == workers and not server.log("worker.ended")
    key_set = published(server)
    assert len(key_set) == len(operator.names)
    for client in clients:
        for token in client.tokens:
            claims_of(token, key_set)
