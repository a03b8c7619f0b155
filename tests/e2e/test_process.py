# SPDX-License-Identifier: MIT
"""oauth2.fcgi as a process: how it is started, what signals do, and what bad peers cannot do."""

import array
import base64
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from jwcrypto import jwk, jwt

import rawfcgi as raw

START_S = 20
SECOND = 1.0
SLACK_S = 1.5      # for a busy machine, on top of what is promised

CONFIG = """\
issuer: http://localhost
signing_keys:
  - {{file: {keys}/rsa.pem}}
scopes:
  orders:
clients:
  client:
    scopes: [orders]
    secrets: [{{hash: "sha256:{digest}"}}]
{more}"""

SECOND_CLIENT = """\
  second:
    scopes: [orders]
    secrets: [{{hash: "sha256:{digest}"}}]
"""

BROKEN = "issuer: http://localhost\nsigning_kyes: []\n"


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def config_text(keys, more=""):
    return CONFIG.format(keys=keys, digest=digest("secret"), more=more)


def write(path, text):
    """A file that is never there half-written."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@pytest.fixture(scope="module", autouse=True)
def many_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    assert wanted >= 2048, "these tests need a limit of 2048 open files (ulimit -n)"


@pytest.fixture(scope="module")
def keys():
    with tempfile.TemporaryDirectory(prefix="oauth2-keys.") as name:
        path = Path(name, "rsa.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                        "-out", path], check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)
        yield Path(name)


@pytest.fixture
def place(keys):
    """A directory with a configuration; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="oauth2-p.") as name:
        write(Path(name, "oauth2.yaml"), config_text(keys))
        yield Path(name)


def worker_count(command):
    """How many a supervisor has, which this is if it is told to listen, or how many; else 0."""
    if "--workers" in command:
        return int(command[command.index("--workers") + 1])
    return max(4, 2 * os.sysconf("SC_NPROCESSORS_ONLN")) if "--listen" in command else 0


class Server:
    """A running oauth2.fcgi; its log is its standard error, in a file."""

    def __init__(self, command, place, address, **options):
        self.place = place
        self.address = address
        self.log_file = place / "stderr"
        self.worker_count = worker_count([str(argument) for argument in command])
        with open(self.log_file, "ab") as errors:
            self.popen = subprocess.Popen(command, stdout=errors, stderr=errors, **options)

    @property
    def pid(self):
        return self.popen.pid

    def log(self, event=None):
        """The log's lines as dictionaries."""
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if event in (None, line["event"])]

    def children(self):
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return sorted(int(pid) for pid in text.split())

    def ready(self):
        def answers():
            assert self.popen.poll() is None, f"it ended: {self.log_file.read_text()}"
            try:
                return raw.exchange(self.address, raw.get_request("/health")).status == 200
            except (ConnectionError, FileNotFoundError):
                return False
        raw.wait_until(answers, START_S, "it answers")
        # The first worker answers before the last is there.
        raw.wait_until(lambda: len(self.children()) >= self.worker_count, START_S, "its workers are all there")
        return self

    def token(self, **more):
        return raw.exchange(self.address, raw.token_request(**more))

    def end(self, number=signal.SIGTERM, within=10):
        """Send a signal; the exit status and the seconds that it took."""
        begin = time.monotonic()
        self.popen.send_signal(number)
        status = self.popen.wait(within)
        return status, time.monotonic() - begin


@pytest.fixture
def start(build, place):
    """Start the program in one way or another; whatever is left of it at the end is killed."""
    program = str(build / "oauth2.fcgi")
    config = ["--config", str(place / "oauth2.yaml")]
    started = []

    def run(command, address, **options):
        server = Server(command, place, address, **options)
        started.append(server)
        return server

    def listen(*arguments, at=None, **options):
        at = at or place / "oauth2.sock"
        text = at if not isinstance(at, tuple) else \
            f"[{at[0]}]:{at[1]}" if ":" in at[0] else f"{at[0]}:{at[1]}"
        return run([program, *config, "--listen", str(text), *arguments], at,
                   stdin=subprocess.DEVNULL, **options)

    def inherit(*arguments, shell=None):
        at = place / "inherited.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(at))
            listener.listen(1024)
            command = [program, *config, *arguments]
            if shell:
                command = ["sh", "-c", shell, *command]
            return run(command, at, stdin=listener)

    run.listen, run.inherit, run.program, run.config = listen, inherit, program, config
    yield run
    for server in started:
        if server.popen.poll() is None:
            server.popen.kill()
            server.popen.wait()


def wait_for_workers(server, count, gone=None):
    """The workers, when all are there and one that was killed is replaced."""
    def complete():
        children = server.children()
        return len(children) == count and gone not in children and (children or True)
    return raw.wait_until(complete, SECOND + SLACK_S, f"there are {count} workers")


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


@functools.lru_cache
def public_key(keys):
    return jwk.JWK.from_json(jwk.JWK.from_pem((keys / "rsa.pem").read_bytes()).export_public())


def check_token(answer, keys, client="client"):
    """Is it a token response, with a token that another implementation verifies?"""
    assert answer is not None and answer.status == 200, answer and (answer.status, answer.body)
    body = json.loads(answer.body)
    token = jwt.JWT(jwt=body["access_token"], key=public_key(keys), algs=["RS256"])
    assert json.loads(token.claims)["sub"] == client
    assert body["scope"] == "orders"


WAYS = {
    "unix": lambda start: start.listen(),
    "tcp": lambda start: start.listen(at=("127.0.0.1", free_port())),
    "ipv6": lambda start: start.listen(at=("::1", free_port("::1"))),
    "one worker": lambda start: start.listen("--workers", "1"),
    "socket on descriptor 0": lambda start: start.inherit(),
    "descriptor 0, two workers": lambda start: start.inherit("--workers", "2"),
    "service manager": lambda start: start.inherit(
        shell='LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 0</dev/null'),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_start(start, keys, way):
    server = WAYS[way](start).ready()
    check_token(server.token(), keys)
    workers = {"one worker": 1, "socket on descriptor 0": 0, "descriptor 0, two workers": 2}
    processors = os.sysconf("SC_NPROCESSORS_ONLN")
    wait_for_workers(server, workers.get(way, max(4, 2 * processors)))
    status, seconds = server.end()
    assert (status, seconds < SECOND) == (0, True), seconds
    assert len(server.log("config.loaded")) == 1
    assert not server.log("worker.ended")


# CGI

def run_cgi(start, body=b"", arguments=None, **variables):
    """The answer, the exit status, and what was written to standard error."""
    arguments = start.config if arguments is None else arguments
    variables = {"REQUEST_METHOD": "POST", "PATH_INFO": "/token", "REMOTE_ADDR": "127.0.0.1",
                 "CONTENT_TYPE": "application/x-www-form-urlencoded", **variables}
    # All of it is there before the program looks: it waits for no more than was announced.
    with tempfile.TemporaryFile() as stdin:
        stdin.write(body)
        stdin.seek(0)
        result = subprocess.run([start.program, *arguments], stdin=stdin, env=variables, timeout=30,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return raw.Answer(result.stdout), result.returncode, result.stderr.decode()


def test_cgi_token(start, keys):
    answer, status, errors = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)))
    check_token(answer, keys)
    assert status == 0
    assert [json.loads(line)["event"] for line in errors.splitlines()] == ["token.issued"]


@pytest.mark.parametrize("body, length, expected", [
    (raw.TOKEN_BODY, len(raw.TOKEN_BODY) + 1, 400),
    (raw.TOKEN_BODY + b"x", len(raw.TOKEN_BODY), 400),
    (raw.TOKEN_BODY + b"&x=" + b"y" * (65536 - 3 - len(raw.TOKEN_BODY)), 65536, 200),
    (b"x" * 65537, 65537, 413),
    (b"x" * 3000000, 3000000, 413),
    (b"x", 3000000000, 413),
    (raw.TOKEN_BODY, "", 411),
    (b"", "-1", 400),
    (b"x", "0", 400),
    (raw.TOKEN_BODY, "00", 400),
])
def test_cgi_body(start, body, length, expected):
    answer, status, _ = run_cgi(start, body, CONTENT_LENGTH=str(length))
    assert (answer.status, status) == (expected, 0)


def test_cgi_without_configuration(start, place):
    (place / "oauth2.yaml").write_text(BROKEN)
    answer, status, errors = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)))
    assert answer.status == 503
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"
    assert status == 0
    assert f"{place}/oauth2.yaml:2:1: error: " in errors


# A client that no FastCGI process would start with.
BROKEN_CLIENT = "  other: {scopes: [undefined], colour: red}\n"


def ask_as(start, client):
    """The status for this client, which says what is wrong if it is 503."""
    body = raw.TOKEN_BODY.replace(b"client_id=client", f"client_id={client}".encode())
    answer, code, errors = run_cgi(start, body, CONTENT_LENGTH=str(len(body)))
    assert code == 0
    assert ("error: unknown key" in errors) == (answer.status == 503)
    return answer.status


@pytest.mark.parametrize("client, status", [("client", 200), ("other", 503)])
def test_cgi_token_request_reads_its_client_only(start, place, keys, client, status):
    write(place / "oauth2.yaml", config_text(keys, BROKEN_CLIENT))
    assert ask_as(start, client) == status


def test_cgi_does_not_tell_of_a_broken_client(start, place, keys):
    """Some client_ids that do not exist are answered as it is, and always the same ones."""
    write(place / "oauth2.yaml", config_text(keys, BROKEN_CLIENT))
    first, again = ([ask_as(start, f"s{i}") for i in range(40)] for _ in range(2))
    assert first == again
    assert set(first) == {401, 503}
    assert {ask_as(start, f"s%2B{i}") for i in range(40)} == {401}


def test_cgi_reads_the_whole_for_all_else(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, BROKEN_CLIENT))
    for path in ("/jwks", "/health", "/metrics", "/.well-known/openid-configuration"):
        answer, _, errors = run_cgi(start, REQUEST_METHOD="GET", PATH_INFO=path)
        assert answer.status == 503
        assert "error: unknown key" in errors
    for path in ("/introspect", "/revoke"):
        answer, _, _ = run_cgi(start, b"token=x", PATH_INFO=path, CONTENT_LENGTH="7")
        assert answer.status == 503
    write(place / "oauth2.yaml", config_text(keys))
    answer, _, _ = run_cgi(start, REQUEST_METHOD="GET", PATH_INFO="/jwks")
    assert answer.status == 200 and len(json.loads(answer.body)["keys"]) == 1


@pytest.mark.parametrize("query, words", [
    ("--config+/nonexistent", ["--config", "/nonexistent"]),
    ("-c%2fnonexistent", ["-c/nonexistent"]),
    ("--listen+%2ftmp%2fx%24", ["--listen", "/tmp/x\\$"]),
    ("--help", ["--help"]),
])
def test_cgi_query_is_no_option(start, place, keys, query, words):
    """A server may pass the words of a query as arguments (RFC 3875 §4.4)."""
    length = str(len(raw.TOKEN_BODY))
    for arguments in (words, [*start.config, *words]):
        answer, _, _ = run_cgi(start, raw.TOKEN_BODY, arguments, CONTENT_LENGTH=length,
                               QUERY_STRING=query, OAUTH2_CONFIG=str(place / "oauth2.yaml"))
        check_token(answer, keys)


def test_cgi_wrapper_keeps_its_options(start, keys):
    answer, _, _ = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)),
                           QUERY_STRING="anything")
    check_token(answer, keys)


@pytest.mark.parametrize("query", ["a+b", "x+y+z", "--config+/nonexistent", "a%00b+c", "+", "++++++"])
def test_cgi_query_drops_no_option(start, keys, query):
    """As many words as arguments, more, or fewer: the operator's --config stays."""
    answer, _, _ = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)), QUERY_STRING=query)
    check_token(answer, keys)


def test_cgi_words_of_a_query_that_was_cut(start, place, keys):
    """A server passes the first words only, if there are very many."""
    answer, _, _ = run_cgi(start, raw.TOKEN_BODY, ["--config", "/nonexistent"],
                           CONTENT_LENGTH=str(len(raw.TOKEN_BODY)),
                           QUERY_STRING="--config+/nonexistent+a+b+c", OAUTH2_CONFIG=str(place / "oauth2.yaml"))
    check_token(answer, keys)


def test_cgi_without_its_log(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, "log: {file: no/such/directory/log}\n"))
    answer, status, errors = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)))
    assert (answer.status, status) == (503, 0)
    assert answer.headers["retry-after"]
    assert f"{place}/no/such/directory/log" in errors


# Starting and failing to

def run_to_end(start, *arguments, **options):
    result = subprocess.run([start.program, *arguments], stdin=subprocess.DEVNULL, text=True, timeout=30,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("arguments, words", [
    ([], "--listen"),
    (["--listen", "192.0.2.1:9000"], "--allow-remote"),
    (["--listen", "0.0.0.0:9000"], "--allow-remote"),
    (["--listen", "[::]:9000"], "--allow-remote"),
    (["--listen", "example.com:9000"], "IP address"),
    (["--listen", ":9000"], "IP address"),
    (["--listen", "127.0.0.1:0"], "port"),
    (["--listen", "127.0.0.1:65536"], "port"),
    (["--listen", "x" * 108], "107 bytes"),
    (["--listen", ""], "107 bytes"),
    (["--listen"], "--listen"),
    (["--workers", "0"], "--workers"),
    (["--workers", "1025"], "--workers"),
    (["--workers", "two"], "--workers"),
    (["--listen", "localhost:90O0"], "localhost:90O0"),
    (["--listen", "oauth2:sock"], "slash"),
    (["-zz"], "'-z'"),
    (["-z"], "'-z'"),
    (["--help=x"], "'--help=x'"),
    (["--socket-mode", "0888"], "--socket-mode"),
    (["--socket-mode", "01777"], "--socket-mode"),
    (["--lisen", "x"], "--lisen"),
    (["something"], "something"),
])
def test_wrong_usage(start, arguments, words):
    status, out, errors = run_to_end(start, *start.config, *arguments)
    assert (status, out) == (2, "")
    assert words in errors


def test_sockets_passed_in_a_wrong_way(start):
    command = f'LISTEN_PID=$$ LISTEN_FDS=2 exec {start.program} 3</dev/null'
    result = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, text=True, timeout=30,
                            stderr=subprocess.PIPE, check=False)
    assert result.returncode == 2
    assert "LISTEN_FDS" in result.stderr


def test_help_and_version(start):
    status, out, errors = run_to_end(start, "--help")
    assert (status, errors) == (0, "")
    for option in ("--config", "--listen", "--workers", "--socket-mode", "--allow-remote", "--help",
                   "--version"):
        assert option in out
    assert all(len(line) <= 80 for line in out.splitlines())
    status, out, errors = run_to_end(start, "--version")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"oauth2\.fcgi \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_full_output(start, argument):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([start.program, argument], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                check=False)
    assert result.returncode == 1
    assert result.stderr == "oauth2.fcgi: standard output cannot be written: No space left on device\n"


def test_broken_configuration_at_start(start, place):
    (place / "oauth2.yaml").write_text(BROKEN)
    server = start.inherit()
    assert server.popen.wait(START_S) == 1
    assert f"{place}/oauth2.yaml:2:1: error: " in server.log_file.read_text()
    status, _, errors = run_to_end(start, *start.config, "--listen", str(place / "s"))
    assert status == 1
    assert f"{place}/oauth2.yaml:2:1: error: " in errors
    assert errors.count(" error: ") > 1, "all problems are told, not only the first"
    assert not (place / "s").exists()


def test_log_that_cannot_be_opened(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, "log: {file: no/such/directory/log}\n"))
    status, _, errors = run_to_end(start, *start.config, "--listen", str(place / "s"))
    assert status == 1
    assert f"{place}/no/such/directory/log" in errors


def mixed_key(keys, path):
    """A P-256 key whose public half is another key's."""
    halves = [subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "DER"],
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout for _ in range(2)]
    # RFC 5915: the public point is the last 65 bytes.
    der = halves[0][:-65] + halves[1][-65:]
    path.write_text("-----BEGIN EC PRIVATE KEY-----\n" + base64.encodebytes(der).decode() +
                    "-----END EC PRIVATE KEY-----\n")
    path.chmod(0o600)
    text = config_text(keys).replace(f"{keys}/rsa.pem", str(path))
    assert str(path) in text
    return text


def test_halves_of_a_key_at_start(start, place, keys):
    write(place / "oauth2.yaml", mixed_key(keys, place / "mixed.pem"))
    status, _, errors = run_to_end(start, *start.config, "--listen", str(place / "s"))
    assert status == 1
    assert f"{place}/oauth2.yaml:3:12: error: " in errors and "do not belong together" in errors


def test_configuration_from_the_environment(start, place, keys):
    at = place / "s"
    server = start([start.program, "--listen", str(at)], at, stdin=subprocess.DEVNULL,
                   env={"OAUTH2_CONFIG": str(place / "oauth2.yaml")}).ready()
    check_token(server.token(), keys)


def test_socket_file(start, place):
    at = place / "oauth2.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(at))
    server = start.listen("--workers", "1").ready()
    mode = at.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660

    status, _, errors = run_to_end(start, *start.config, "--listen", str(at))
    assert status == 1 and "in use" in errors
    assert server.token().status == 200

    assert server.end()[0] == 0
    assert not at.exists()


def test_socket_mode(start, place):
    start.listen("--workers", "1", "--socket-mode", "0600").ready()
    assert stat.S_IMODE((place / "oauth2.sock").stat().st_mode) == 0o600


def test_other_files_are_left_alone(start, place):
    path = place / "precious"
    path.write_text("do not touch")
    (place / "directory").mkdir()
    for name in ("precious", "directory"):
        status, _, errors = run_to_end(start, *start.config, "--listen", str(place / name))
        assert status == 1 and "not a socket" in errors
    assert path.read_text() == "do not touch"


def test_new_socket_of_somebody_else_is_not_removed(start, place):
    server = start.listen("--workers", "1").ready()
    (place / "oauth2.sock").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place / "oauth2.sock"))
        assert server.end()[0] == 0
    assert (place / "oauth2.sock").exists()


def test_port_in_use(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status, _, errors = run_to_end(start, *start.config, "--listen", f"localhost:{port}")
    assert status == 1 and f"localhost:{port}" in errors


def test_closed_standard_descriptors(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, "log: {file: log}\n"))
    at = place / "oauth2.sock"
    server = start(["sh", "-c", 'exec "$0" "$@" 0<&- 1>&- 2>&-', start.program, *start.config,
                    "--listen", str(at)], at).ready()
    check_token(server.token(), keys)
    assert server.log_file.read_text() == ""
    events = [json.loads(line)["event"] for line in (place / "log").read_text().splitlines()]
    assert "config.loaded" in events and "token.issued" in events
    assert stat.S_IMODE((place / "log").stat().st_mode) & 0o027 == 0
    if os.geteuid() == 0:     # the program is closed to everybody else
        for pid in (server.pid, *server.children()):
            assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}


def own_memory(pid):
    """All that a process can write to, region by region."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, _ = line.split(maxsplit=2)
            begin, end = (int(edge, 16) for edge in span.split("-"))
            # A sanitizer reserves terabytes for its notes.
            if "w" in rights and end - begin < 1 << 30:
                memory.seek(begin)
                yield memory.read(end - begin)


UNPROTECTED = """\
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int prctl(int option, unsigned long value)
{
    return option == 4 /* PR_SET_DUMPABLE */ ? 0 : (int)syscall(SYS_prctl, option, value, 0, 0, 0);
}
"""


@pytest.fixture
def readable(place):
    """An environment in which a process does not hide its memory from its parent; root sees it anyway."""
    environment = {**os.environ, "ASAN_OPTIONS": "max_free_fill_size=1048576"}
    if os.geteuid() != 0:
        (place / "readable.c").write_text(UNPROTECTED)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", place / "readable.so", place / "readable.c"], check=True)
        environment["LD_PRELOAD"] = str(place / "readable.so")
    return environment


def test_no_secret_stays_in_memory(start, place, keys, readable):
    secret = "a-secret-that-nobody-else-has-0123456789"
    write(place / "oauth2.yaml", config_text(keys).replace(digest("secret"), digest(secret)))
    at = place / "oauth2.sock"
    server = start([start.program, *start.config, "--workers", "1", "--listen", str(at)], at,
                   stdin=subprocess.DEVNULL, env=readable).ready()
    basic = base64.b64encode(f"client:{secret}".encode()).decode()
    post = raw.TOKEN_BODY.replace(b"secret=secret", b"secret=" + secret.encode())
    traces = [secret[:24], secret[-24:], basic[:40], basic[-40:]]
    worker, = server.children()

    def found():
        return {text for region in own_memory(worker) for text in ["oauth2.yaml", *traces]
                if text.encode() in region}

    def check_memory():
        """Of these the path must be there, or what is read is not the program's memory."""
        raw.wait_until(lambda: found() == {"oauth2.yaml"}, SECOND, "the secret is wiped after the answer")

    for body in (post, post + b"&x=" + b"y" * 20000):
        request = raw.token_request(body=body)
        check_token(raw.exchange(at, request), keys)
        check_memory()
        with raw.connect(at) as connection:
            connection.sendall(request[:-9])
            time.sleep(0.1)
            connection.sendall(request[-9:])
            check_token(raw.receive(connection), keys)
        check_memory()
    body = b"grant_type=client_credentials"
    request = raw.token_request(body=body, HTTP_AUTHORIZATION="Basic " + basic)
    check_token(raw.exchange(at, request), keys)
    check_memory()
    # A refused one takes another way.
    assert server.token(body=body, HTTP_AUTHORIZATION="Basic " + basic + "=").status == 401
    check_memory()


# Signals

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("way", ["unix", "socket on descriptor 0"])
def test_idle_end(start, way, number):
    server = WAYS[way](start).ready()
    silent = [raw.connect(server.address) for _ in range(50)]
    kept = raw.connect(server.address)
    kept.sendall(raw.get_request("/health", keep=True))
    assert raw.receive(kept).status == 200
    status, seconds = server.end(number)
    assert (status, seconds < SECOND) == (0, True), seconds
    assert all(raw.is_closed(connection) for connection in [kept, *silent])


def test_end_refuses_new_connections_by_tcp(start, keys):
    """A connection that the kernel accepts and nobody serves would be a lost request."""
    server = start.listen("--workers", "2", at=("127.0.0.1", free_port())).ready()
    request = raw.token_request()
    partial = raw.connect(server.address)
    partial.sendall(request[:-10])
    time.sleep(0.2)
    server.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        raw.connect(server.address)
    partial.sendall(request[-10:])
    check_token(raw.receive(partial), keys)
    assert server.popen.wait(5) == 0


@pytest.mark.parametrize("way", ["unix", "tcp", "socket on descriptor 0"])
def test_end_answers_what_is_under_way(start, keys, way):
    server = WAYS[way](start).ready()
    connections = [raw.connect(server.address) for _ in range(64)]
    for connection in connections:
        connection.sendall(raw.token_request(keep=True))
    status, seconds = server.end()
    assert (status, seconds < 5) == (0, True), seconds
    for connection in connections:
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)


def test_end_waits_for_the_rest_of_a_request(start, keys):
    server = start.inherit().ready()
    request = raw.token_request()
    connection = raw.connect(server.address)
    connection.sendall(request[:-10])
    time.sleep(0.1)
    server.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    connection.sendall(request[-10:])
    check_token(raw.receive(connection), keys)
    assert server.popen.wait(5) == 0


def test_end_answers_on_kept_connections(start, keys):
    """A web server that has not noticed yet gets its answer, and then the end."""
    server = start.listen("--workers", "2").ready()
    kept = [raw.connect(server.address) for _ in range(4)]
    for connection in kept:
        connection.sendall(raw.token_request(keep=True))
        check_token(raw.receive(connection), keys)
    server.popen.send_signal(signal.SIGTERM)
    time.sleep(0.03)
    for connection in kept:
        connection.sendall(raw.token_request(keep=True))
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)
    assert server.popen.wait(SECOND + SLACK_S) == 0


def test_end_answers_all_that_has_come(start, keys):
    """However late a worker gets to it: more than it is told of at once, and after all its limits."""
    server = start.listen("--workers", "1").ready()
    worker, = server.children()
    request = raw.token_request(keep=True)
    fresh, partial, kept = ([raw.connect(server.address) for _ in range(count)] for count in (40, 40, 120))
    for connection in kept:
        connection.sendall(request)
        check_token(raw.receive(connection), keys)
    for connection in partial:
        connection.sendall(request[:-10])
    quick_token(server, keys)
    server.popen.send_signal(signal.SIGTERM)
    raw.wait_until(lambda: not server.address.exists(), SECOND, "it is about to end")
    time.sleep(0.05)
    os.kill(worker, signal.SIGSTOP)
    try:
        for connection in [*fresh, *kept]:
            connection.sendall(request)
        for connection in partial:
            connection.sendall(request[-10:])
        time.sleep(1)
    finally:
        os.kill(worker, signal.SIGCONT)
    for connection in [*fresh, *partial, *kept]:
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)
    assert server.popen.wait(SECOND + SLACK_S) == 0


def test_end_during_a_storm_of_signals(start, keys):
    """No signal ever cuts a request."""
    server = start.listen("--workers", "2").ready()
    targets = [server.pid, *wait_for_workers(server, 2)]
    for i in range(150):
        os.kill(targets[i % 3], signal.SIGHUP)
        check_token(server.token(), keys)
        os.kill(targets[i % 3], signal.SIGPIPE)
    assert server.end()[0] == 0
    assert len(server.log("config.loaded")) > 1
    assert not server.log("config.rejected") and not server.log("worker.ended")


MANY_CLIENTS = 20000     # loading them takes a while


def has_begun(server):
    """Is it in its main function? One of the first things there is to set this."""
    return "Umask:\t0027" in Path(f"/proc/{server.pid}/status").read_text()


@pytest.mark.parametrize("way", ["one worker", "socket on descriptor 0"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signal_while_it_starts(start, place, keys, way, number):
    """It means then what it means later, and nobody who has connected already is turned away."""
    clients = "".join(SECOND_CLIENT.replace("second", f"client-{i}") for i in range(MANY_CLIENTS))
    write(place / "oauth2.yaml", config_text(keys, clients.format(digest=digest("x"))))
    server = WAYS[way](start)
    waiting = raw.connect(server.address) if way == "socket on descriptor 0" else None
    if waiting:
        waiting.sendall(raw.token_request())
    raw.wait_until(lambda: has_begun(server), START_S, "it has begun")
    server.popen.send_signal(number)
    if waiting:
        check_token(raw.receive(waiting), keys)
    if number == signal.SIGTERM:
        assert server.popen.wait(START_S) == 0
    else:
        check_token(server.ready().token(), keys)


def test_workers_end_with_their_supervisor(start):
    server = start.listen("--workers", "2").ready()
    workers = wait_for_workers(server, 2)
    server.popen.kill()
    server.popen.wait()
    raw.wait_until(lambda: not any(is_alive(pid) for pid in workers), SECOND + SLACK_S,
                   "the workers are gone")


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# Reloading

def second_client(keys):
    return config_text(keys, SECOND_CLIENT.format(digest=digest("another")))


SECOND_BODY = b"grant_type=client_credentials&client_id=second&client_secret=another"


@pytest.mark.parametrize("way", ["unix", "socket on descriptor 0"])
@pytest.mark.parametrize("told", [True, False], ids=["SIGHUP", "changed file"])
def test_reload(start, place, keys, way, told):
    server = WAYS[way](start).ready()
    assert server.token(body=SECOND_BODY).status == 401
    write(place / "oauth2.yaml", second_client(keys))
    if told:
        server.popen.send_signal(signal.SIGHUP)

    def all_know():
        """Each of the workers is likely to be asked once at least, and one may be late."""
        answers = [server.token(body=SECOND_BODY) for _ in range(20)]
        return all(answer.status == 200 for answer in answers) and answers
    for answer in raw.wait_until(all_know, SECOND + SLACK_S, "the new client is known"):
        check_token(answer, keys, "second")
    raw.wait_until(lambda: len(server.log("config.loaded")) == 2, SECOND + SLACK_S, "it is logged once")
    time.sleep(0.2)
    assert len(server.log("config.loaded")) == 2
    assert server.end()[0] == 0


@pytest.mark.parametrize("way", ["unix", "socket on descriptor 0"])
def test_broken_file_keeps_serving(start, place, keys, way):
    server = WAYS[way](start).ready()
    write(place / "oauth2.yaml", BROKEN)
    raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        check_token(server.token(), keys)
    lines = server.log("config.rejected")
    assert len(lines) == 1, "logged once"
    assert f"{place}/oauth2.yaml:2:1: error: " in lines[0]["message"]
    assert lines[0]["level"] == "error"
    write(place / "oauth2.yaml", second_client(keys))
    raw.wait_until(lambda: server.token(body=SECOND_BODY).status == 200, SECOND + SLACK_S,
                   "the repaired file is used")


def test_log_is_opened_anew(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, "log: {file: log}\n"))
    server = start.listen("--workers", "1").ready()
    (place / "log").rename(place / "log.1")
    server.popen.send_signal(signal.SIGHUP)

    def arrives():
        return server.token().status == 200 and (place / "log").exists() and \
            "token.issued" in (place / "log").read_text()
    raw.wait_until(arrives, SECOND + SLACK_S, "the log goes to a new file")


def test_log_is_opened_anew_by_a_broken_file_too(start, place, keys):
    write(place / "oauth2.yaml", config_text(keys, "log: {file: log}\n"))
    server = start.listen("--workers", "1").ready()
    (place / "oauth2.yaml").write_text(BROKEN)
    (place / "log").rename(place / "log.1")
    server.popen.send_signal(signal.SIGHUP)

    def arrives():
        text = (place / "log").read_text() if (place / "log").exists() else ""
        return server.token().status == 200 and "token.issued" in text and "config.rejected" in text
    raw.wait_until(arrives, SECOND + SLACK_S, "the log goes to a new file")


def test_log_that_cannot_be_written_is_rejected(start, place, keys):
    server = start.listen("--workers", "1").ready()
    write(place / "oauth2.yaml", config_text(keys, "log: {file: no/such/directory/log}\n"))
    line, = raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    assert f"{place}/oauth2.yaml:10:13: error: " in line["message"]
    check_token(server.token(), keys)


def test_halves_of_a_key_at_reload(start, place, keys):
    server = start.listen("--workers", "1").ready()
    write(place / "oauth2.yaml", mixed_key(keys, place / "mixed.pem"))
    line, = raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    assert "do not belong together" in line["message"]
    check_token(server.token(), keys)


def test_lack_of_descriptors_is_no_broken_file(start, place, keys):
    """A good configuration that cannot be read for the moment is tried again, and logged once."""
    server = start.inherit().ready()
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, hard))
    write(place / "oauth2.yaml", second_client(keys))
    raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    time.sleep(2.2)
    line, = server.log("config.rejected")
    assert "Too many open files" in line["message"]
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    raw.wait_until(lambda: server.token(body=SECOND_BODY).status == 200, SECOND + SLACK_S, "it is tried again")
    assert len(server.log("config.rejected")) == 1


# Answers without memory

def test_answer_that_does_not_fit(start, place, keys):
    """The memory of a request is limited; what is above it is told in an answer of its own."""
    scopes = "".join(f"  {i:0200}:\n" for i in range(20000))
    write(place / "oauth2.yaml", config_text(keys).replace("scopes:\n  orders:\n", "scopes:\n  orders:\n" + scopes))
    server = start.listen("--workers", "1").ready()
    answer = raw.exchange(server.address, raw.get_request("/.well-known/oauth-authorization-server"))
    assert answer.status == 503
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"
    line, = server.log("request.denied")
    assert line["status"] == 503
    assert answer.headers["x-request-id"] == line["request_id"]
    assert int(answer.headers["retry-after"]) > 0
    check_token(server.token(), keys)


# Workers that die

def test_dead_worker_is_replaced(start, place, keys):
    server = start.listen("--workers", "3").ready()
    before = wait_for_workers(server, 3)
    os.kill(before[0], signal.SIGKILL)
    begin = time.monotonic()
    check_token(server.token(), keys)
    after = wait_for_workers(server, 3, gone=before[0])
    assert time.monotonic() - begin < SECOND
    assert set(before[1:]) < set(after) and before[0] not in after
    ended = raw.wait_until(lambda: server.log("worker.ended"), SECOND, "it is logged")
    assert (ended[0]["pid"], ended[0]["signal"]) == (before[0], signal.SIGKILL)

    fresh, = set(after) - set(before)
    os.kill(fresh, signal.SIGKILL)
    wait_for_workers(server, 3, gone=fresh)
    assert server.end()[0] == 0


def test_ignored_signal_of_children(start):
    """Some programs start others with it ignored, so that nobody could wait for a child."""
    server = start.listen("--workers", "2", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)).ready()
    before = wait_for_workers(server, 2)
    os.kill(before[0], signal.SIGKILL)
    wait_for_workers(server, 2, gone=before[0])
    ended = raw.wait_until(lambda: server.log("worker.ended"), SECOND, "it is logged")
    assert (ended[0]["pid"], ended[0]["signal"]) == (before[0], signal.SIGKILL)
    assert server.end()[0] == 0


def test_no_fork_storm(start):
    server = start.listen("--workers", "1").ready()
    seen = set()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for pid in server.children():
            if pid not in seen:
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    assert 3 <= len(seen) <= 6, "about one start in half a second"


def test_new_worker_has_the_last_good_configuration(start, place, keys):
    server = start.listen("--workers", "1").ready()
    write(place / "oauth2.yaml", BROKEN)
    raw.wait_until(lambda: server.log("config.rejected"), SECOND + SLACK_S, "it is rejected")
    for _ in range(2):
        old, = server.children()
        os.kill(old, signal.SIGKILL)
        wait_for_workers(server, 1, gone=old)
        check_token(server.token(), keys)
    assert len(server.log("config.rejected")) == 1
    assert len(server.log("config.loaded")) == 1


# Peers that are silent, slow, broken, or many; one worker serves them all

@pytest.fixture
def alone(start):
    return start.listen("--workers", "1").ready()


def quick_token(server, keys):
    begin = time.monotonic()
    check_token(server.token(), keys)
    assert time.monotonic() - begin < SECOND


def test_silent_connections_starve_nobody(alone, keys):
    silent = [raw.connect(alone.address) for _ in range(200)]
    begin = time.monotonic()
    for _ in range(20):
        quick_token(alone, keys)
    assert time.monotonic() - begin < 2
    # And they are served when they speak at last.
    for connection in silent[::20]:
        connection.sendall(raw.token_request())
        check_token(raw.receive(connection), keys)
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("at", ["unix", "tcp"])
def test_slow_body_is_served_when_it_is_there(start, keys, at):
    server = start.listen("--workers", "1",
                          at=("127.0.0.1", free_port()) if at == "tcp" else None).ready()
    head = raw.begin() + raw.stream(raw.PARAMS, raw.pairs(raw.token_variables()))
    with raw.connect(server.address) as connection:
        connection.sendall(head[:20])
        time.sleep(0.05)
        connection.sendall(head[20:])
        for i, byte in enumerate(raw.TOKEN_BODY):
            connection.sendall(raw.record(raw.STDIN, bytes([byte])))
            if i % 10 == 0:
                quick_token(server, keys)
        connection.sendall(raw.record(raw.STDIN))
        check_token(raw.receive(connection), keys)
    with raw.connect(server.address) as connection:
        for byte in raw.token_request():
            connection.sendall(bytes([byte]))
        check_token(raw.receive(connection), keys)


def test_unfinished_requests_are_closed_at_their_deadline(alone, keys):
    whole = raw.token_request()
    parts = [whole[:1], whole[:7], whole[:12], whole[:60], whole[:-20], whole[:-8], whole[:-1]]
    connections = []
    begin = time.monotonic()
    for part in parts:
        connection = raw.connect(alone.address, timeout=15)
        connection.sendall(part)
        connections.append(connection)
    # One that goes on byte by byte has no more time than the others.
    dribble = raw.connect(alone.address)
    ended = None
    for byte in whole[:-1]:
        try:
            dribble.sendall(bytes([byte]))
        except OSError:
            ended = time.monotonic() - begin
            break
        quick_token(alone, keys)
        time.sleep(0.05)
    assert ended is not None and 9 < ended < 10 + SLACK_S, ended
    for connection in connections:
        assert raw.is_closed(connection)
    assert 9 < time.monotonic() - begin < 10 + 2 * SLACK_S
    assert closed_reasons(alone) == ["too slow"] * (len(parts) + 1)
    quick_token(alone, keys)


def closed_reasons(server):
    lines = server.log("connection.closed")
    assert all(line["level"] == "warning" for line in lines)
    return [line["reason"] for line in lines]


def test_kept_connection(alone, keys):
    with raw.connect(alone.address) as connection:
        for i in range(100):
            connection.sendall(raw.token_request(keep=True, request_id=1 + i % 3))
            check_token(raw.receive(connection), keys)
        connection.sendall(raw.token_request(keep=False))
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)


def test_request_twice_in_a_row(alone, keys):
    """What lighttpd could not send to one process it sends to the next, and once more behind that."""
    with raw.connect(alone.address) as connection:
        connection.sendall(raw.token_request() + raw.token_request())
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)


def test_many_kept_connections(alone, keys):
    connections = [raw.connect(alone.address) for _ in range(40)]
    for _ in range(3):
        for connection in connections:
            connection.sendall(raw.token_request(keep=True))
        quick_token(alone, keys)
        for connection in connections:
            check_token(raw.receive(connection), keys)
    for connection in connections:
        connection.close()


def test_half_closed_connection_is_answered(alone, keys):
    with raw.connect(alone.address) as connection:
        connection.sendall(raw.token_request(keep=True))
        connection.shutdown(socket.SHUT_WR)
        check_token(raw.receive(connection), keys)
        assert raw.is_closed(connection)


BEGIN, PARAMS_END = raw.begin(), raw.record(raw.PARAMS)
HEAD = BEGIN + raw.stream(raw.PARAMS, raw.pairs(raw.token_variables()))
BROKEN_BYTES = {
    "HTTP": b"GET /oauth2/token HTTP/1.0\r\n\r\n",
    "one wrong byte": b"\0",
    "zeros": b"\0" * 1000,
    "all ones": b"\xff" * 100000,
    "version 2": raw.record(raw.BEGIN, b"\0\1\0\0\0\0\0\0", version=2),
    "GET_VALUES": raw.record(raw.GET_VALUES, b"\x0e\0FCGI_MAX_CONNS", request_id=0),
    "GET_VALUES of all": raw.record(raw.GET_VALUES, b"\x0e\0FCGI_MAX_CONNS\x0d\0FCGI_MAX_REQS"
                                    b"\x0f\0FCGI_MPXS_CONNS" * 9, request_id=0),
    "GET_VALUES in the request": BEGIN + raw.record(raw.GET_VALUES, b"\x0e\0FCGI_MAX_CONNS", request_id=0),
    "unknown record": raw.record(42, b"x" * 100, request_id=0),
    "lengths of CVE-2025-23016": BEGIN + raw.record(raw.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    "its five bytes": BEGIN + raw.record(raw.PARAMS, b"\xff\xff\xff\xff\1"),
    "a length of 2 GiB": BEGIN + raw.record(raw.PARAMS, b"\xff\xff\xff\xfe\x80\0\0\2"),
    "other id": BEGIN + raw.record(raw.PARAMS, b"", request_id=2),
    "authorizer": raw.begin(role=2),
    "second begin": HEAD + raw.begin(request_id=2),
    "abort at once": BEGIN + raw.record(raw.ABORT),
    "abort in the body": HEAD + raw.record(raw.STDIN, raw.TOKEN_BODY[:20]) + raw.record(raw.ABORT),
    "abort after the body": HEAD + raw.stream(raw.STDIN, raw.TOKEN_BODY) + raw.record(raw.ABORT),
    "abort after the body, to be kept": raw.token_request(keep=True) + raw.record(raw.ABORT),
    "two requests at once": raw.token_request(keep=True) + raw.token_request(keep=True, request_id=2),
    "padding that is a record": BEGIN + raw.record(raw.PARAMS, b"", padding=8),
    "600 variables": BEGIN + raw.stream(raw.PARAMS, raw.pairs({f"V{i}": "x" for i in range(600)})),
    "variables of 70,000 bytes": BEGIN + raw.stream(raw.PARAMS, raw.pairs({"V": "x" * 70000})),
}


def test_broken_bytes_cost_their_connection_only(alone, keys):
    worker = alone.children()
    for name, data in BROKEN_BYTES.items():
        with raw.connect(alone.address) as connection:
            try:
                connection.sendall(data)
            except ConnectionError:
                pass
            assert raw.is_closed(connection), name
        quick_token(alone, keys)
        assert alone.children() == worker, name
    assert len(alone.log("token.issued")) == len(BROKEN_BYTES), "no token for the broken ones"
    assert closed_reasons(alone) == ["not FastCGI or unsafe"] * len(BROKEN_BYTES)


def test_too_large_for_a_kept_connection(alone, keys):
    with raw.connect(alone.address) as connection:
        try:
            connection.sendall(raw.token_request(body=body_of(2500000), keep=True))
        except ConnectionError:
            pass
        assert raw.is_closed(connection)
    raw.wait_until(lambda: closed_reasons(alone) == ["too large"], SECOND, "it is logged")
    quick_token(alone, keys)


def body_of(size):
    return raw.TOKEN_BODY + b"&x=" + b"y" * (size - 3 - len(raw.TOKEN_BODY))


BODIES = {
    "as announced": (raw.TOKEN_BODY, len(raw.TOKEN_BODY), 200),
    "shorter": (raw.TOKEN_BODY, len(raw.TOKEN_BODY) + 1, 400),
    "longer": (raw.TOKEN_BODY + b"x", len(raw.TOKEN_BODY), 400),
    "none": (b"", len(raw.TOKEN_BODY), 400),
    "65,536 bytes": (body_of(65536), 65536, 200),
    "65,537 bytes": (body_of(65537), 65537, 413),
    "150,000 bytes": (body_of(150000), 150000, 413),
    "2,000,000 bytes": (body_of(2000000), 2000000, 413),
    "200,000 bytes instead of 5": (body_of(200000), 5, 400),
    "3 GB announced": (b"x", 3000000000, 413),
    "no number": (raw.TOKEN_BODY, "1e3", 400),
    "missing": (raw.TOKEN_BODY, "", 411),
}


@pytest.mark.parametrize("at", ["unix", "tcp"])
def test_bodies(start, keys, at):
    server = start.listen("--workers", "1",
                          at=("127.0.0.1", free_port()) if at == "tcp" else None).ready()
    worker = server.children()
    for chunk in (65528, 8192, 10):
        for name, (body, length, expected) in BODIES.items():
            begin = time.monotonic()
            answer = server.token(body=body, chunk=chunk, CONTENT_LENGTH=str(length))
            assert answer is not None and answer.status == expected, (name, chunk)
            assert time.monotonic() - begin < SECOND, (name, chunk)
            quick_token(server, keys)
    assert server.children() == worker


def test_large_body_that_never_comes(alone, keys):
    """The answer is there at once; the connection may take its time, but nobody waits for it."""
    with raw.connect(alone.address) as connection:
        connection.sendall(raw.begin() + raw.stream(raw.PARAMS, raw.pairs(
            raw.token_variables(CONTENT_LENGTH="70000"))) + raw.record(raw.STDIN, b"x" * 1000))
        assert raw.receive(connection).status == 413
        assert raw.is_closed(connection)
        connection.sendall(raw.record(raw.STDIN, b"x" * 60000))
        quick_token(alone, keys)


def test_peer_that_takes_no_answer(alone, keys):
    worker = alone.children()
    for _ in range(20):
        connection = raw.connect(alone.address)
        connection.sendall(raw.token_request())
        connection.close()
    quick_token(alone, keys)
    assert alone.children() == worker


# An answer of 400 KB: the kernel does not take all of it unless the peer reads.
SCOPES = 2000
METADATA = "/.well-known/oauth-authorization-server"
SEND_LIMIT_S = 10
STOP_LIMIT_S = 2
PEERS = 15


@pytest.fixture
def talkative(start, place, keys):
    scopes = "".join(f"  {i:0200}:\n" for i in range(SCOPES))
    write(place / "oauth2.yaml", config_text(keys).replace("scopes:\n  orders:\n", "scopes:\n  orders:\n" + scopes))
    return start.listen("--workers", "1").ready()


@pytest.fixture
def ask_for_much(talkative):
    """Ask for the large answer, and do not read it."""
    with contextlib.ExitStack() as stack:
        def ask(keep=False):
            connection = stack.enter_context(raw.connect(talkative.address))
            connection.sendall(raw.get_request(METADATA, keep))
            return connection
        yield ask


def check_much(connection):
    """The large answer, to its end."""
    assert len(json.loads(raw.receive(connection).body)["scopes_supported"]) == SCOPES + 1


def test_peers_that_do_not_read(talkative, keys, ask_for_much):
    for i in range(PEERS):
        ask_for_much(keep=i % 2 == 0)
    begin = time.monotonic()
    check_token(raw.exchange(talkative.address, raw.token_request(), 10 * PEERS), keys)
    assert time.monotonic() - begin < 5


def unread_bytes(connection):
    """Of what was sent, those that the peer has not read yet (SIOCOUTQ)."""
    unread = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), 0x5411, unread)
    return unread[0]


def test_peers_that_read_none_of_many_answers(alone, keys):
    """One more than the kernel has room for, which takes not a byte of it then."""
    request = raw.get_request("/health", keep=True)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(raw.connect(alone.address)) for _ in range(PEERS)]

        def is_full(peer):
            """Is the next request not even read?"""
            peer.sendall(request)
            deadline = time.monotonic() + SECOND
            while unread_bytes(peer) and time.monotonic() < deadline:
                time.sleep(0.0001)
            return unread_bytes(peer) > 0
        answers = 0
        while not is_full(peers[0]):
            answers += 1
        assert answers > 10
        for peer in peers[1:]:
            for _ in range(answers - 1):
                assert not is_full(peer)
        for peer in peers[1:]:
            peer.sendall(request)
        begin = time.monotonic()
        check_token(raw.exchange(alone.address, raw.token_request(), 10 * PEERS), keys)
        assert time.monotonic() - begin < 5
        # Whoever reads after all gets every answer.
        for _ in range(answers):
            assert raw.receive(peers[-1]).status == 200


def test_slow_reader_gets_its_answer(talkative, keys, ask_for_much):
    kept, last = ask_for_much(keep=True), ask_for_much()
    for _ in range(2):
        time.sleep(0.5)
        quick_token(talkative, keys)
        check_much(kept)
        kept.sendall(raw.get_request(METADATA, keep=True))
    check_much(kept)
    check_much(last)
    assert raw.is_closed(last)
    kept.sendall(raw.token_request(keep=True))
    check_token(raw.receive(kept), keys)
    assert not closed_reasons(talkative)


def test_answer_that_is_not_taken_in_time(talkative, keys, ask_for_much):
    """All of it has one limit, for a peer that goes on bit by bit, too."""
    worker = talkative.children()
    begin = time.monotonic()
    ask_for_much(keep=True)
    dribble = ask_for_much(keep=True)
    while len(closed_reasons(talkative)) < 2 and time.monotonic() < begin + 2 * SEND_LIMIT_S:
        dribble.recv(500)
        quick_token(talkative, keys)
        time.sleep(0.05)
    assert SEND_LIMIT_S - 0.1 < time.monotonic() - begin < SEND_LIMIT_S + SLACK_S
    assert closed_reasons(talkative) == ["answer not taken"] * 2
    assert talkative.children() == worker


@pytest.mark.parametrize("reads", [True, False])
def test_end_while_a_peer_reads_slowly(talkative, ask_for_much, reads):
    connection = ask_for_much(keep=True)
    assert connection.recv(1, socket.MSG_PEEK), "it is being answered"
    begin = time.monotonic()
    talkative.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    if reads:
        check_much(connection)
        assert raw.is_closed(connection)
    assert talkative.popen.wait(10) == 0
    assert time.monotonic() - begin < STOP_LIMIT_S + 2 + SLACK_S


def test_thousand_connections(start, keys):
    server = start.listen().ready()
    connections = [raw.connect(server.address) for _ in range(1000)]
    for connection in connections:
        connection.sendall(raw.token_request())
    for i, connection in enumerate(connections):
        answer = raw.receive(connection)
        assert answer is not None and answer.status == 200, i
        connection.close()
    check_token(server.token(), keys)
    assert not server.log("worker.ended")


def test_crowd_of_silent_connections(start, keys):
    """They are shared out: nobody closes one to make room while another worker has some."""
    server = start.listen("--workers", "4", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (200, 200))).ready()
    wait_for_workers(server, 4)
    silent = [raw.connect(server.address) for _ in range(600)]
    time.sleep(0.2)
    for connection in silent:
        connection.sendall(raw.token_request())
        answer = raw.receive(connection)
        assert answer is not None and answer.status == 200
        connection.close()


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_few_descriptors(start, keys):
    server = start.listen("--workers", "1", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (16, 16))).ready()
    worker, = server.children()
    # Silent ones make room.
    silent = [raw.connect(server.address) for _ in range(40)]
    for _ in range(10):
        quick_token(server, keys)
    # Unfinished requests do not, and the others wait; without turning in circles.
    partial = []
    for _ in range(30):
        connection = raw.connect(server.address)
        connection.sendall(raw.token_request()[:-1])
        partial.append(connection)
    time.sleep(0.3)
    before = cpu_seconds(worker)
    time.sleep(1)
    assert cpu_seconds(worker) - before < 0.05
    for connection in [*silent, *partial]:
        connection.close()
    raw.wait_until(lambda: server.token().status == 200, SECOND, "it recovers")
    assert server.children() == [worker]


def test_first_request_without_descriptors(start, keys):
    """What a request needs is there before connections take all descriptors."""
    server = start.listen("--workers", "1", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (16, 16)))
    raw.wait_until(server.address.exists, START_S, "the socket is there")
    request = raw.token_request()
    partial = []
    for _ in range(30):
        connection = raw.wait_until(functools.partial(connect_if_open, server), START_S, "it listens")
        connection.sendall(request[:-1])
        partial.append(connection)
    time.sleep(0.5)
    partial[0].sendall(request[-1:])
    check_token(raw.receive(partial[0]), keys)
    for connection in partial:
        connection.close()


def connect_if_open(server):
    try:
        return raw.connect(server.address)
    except ConnectionRefusedError:
        return None


def test_idle_costs_nothing(start):
    server = start.listen("--workers", "2").ready()
    silent = [raw.connect(server.address) for _ in range(20)]
    pids = [server.pid, *wait_for_workers(server, 2)]
    before = sum(cpu_seconds(pid) for pid in pids)
    time.sleep(1.5)
    assert sum(cpu_seconds(pid) for pid in pids) - before < 0.1
    for connection in silent:
        connection.close()
