#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where secrets must not be: every secret, key, assertion, proof and token has marks that nothing else has.

The cases of the end-to-end tests and as many bad requests go through all fronts, at log level debug, in both
formats; files break and are mended while they are served; oauth2-admin does its work. Then everything that
could hold a mark is searched for all of them: raw, in hexadecimal, base64, base64url and percent-encoded.
Of secrets and keys, 23 bytes in a row are enough to be found. Of an assertion, a proof or a token these are 47
characters as they were sent, and 79 in another form, or of the bytes of its signature: its header and its decoded
claims are no secret. What may be in the memory of a process, and is told apart: the numbers of its signing keys as
OpenSSL keeps them, and the secrets of client_secret_jwt.
"""
import argparse
import base64
import collections
import ctypes
import ctypes.util
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
import pytest
from cryptography.hazmat.primitives import serialization

import configurations
import http_client
import jwts
import marks
import peek
import rawfcgi as raw
import servers
import test_cases
from configurations import CONFIGURATIONS, SECRETS

LENGTH = 40
SETTLE_S = 5      # until a worker has wiped what it had
REUSE_S = 2.5     # a window of one second, and a tick
EVERY = 4         # of the broken files one in so many, in a short run
JWT_STEP = 32     # as it was sent
JWT_STEP_ENCODED = 64
FORMATS = ("json", "text")
FORM = [("Content-Type", test_cases.FORM)]
GRANT = [("grant_type", "client_credentials")]
# What these need, the server keeps.
KEPT = ("secret-jwt", "secret-jwt-old", "secret-jwt-expired")
FILES = ("file", *KEPT)
HASHED = ("bcrypt", "bcrypt72", "yescrypt", "sha512crypt", "sha256crypt")
UNPROTECTED = "core dump, protection taken away"
# A sanitizer keeps freed memory as it is, unless it is told to fill it.
FILLED = "max_free_fill_size=1048576:verify_asan_link_order=0"
INPUTS = {"keys", "secrets", "certificates", "libexec", "htdocs"}


class Failed(Exception):
    """What was to be shown cannot be."""


def canary(length=LENGTH):
    """A text that is nowhere else."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(letters) for _ in range(length))


def crypt(secret, setting):
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(secret.encode(), setting.encode()).decode()


class Table:
    """What was searched, and what was found there."""

    def __init__(self, known):
        self.marks = known
        self.rows = {}

    def row(self, place):
        return self.rows.setdefault(place, {"size": 0, "hits": collections.Counter(), "in use": 0, "note": ""})

    def add(self, place, data, in_use=()):
        """Search these bytes; in_use: (kind, name) of marks that may be there."""
        found = self.marks.search(data)
        row = self.row(place)
        row["size"] += found.size
        for mark, count in found.hits.items():
            if (mark.kind, mark.name) in in_use:
                row["in use"] += count
            else:
                row["hits"][mark] += count
        return sum(count for mark, count in found.hits.items() if (mark.kind, mark.name) not in in_use)

    def join(self, place, other):
        """Add a row of another table."""
        row = self.row(place)
        row["size"] += other["size"]
        row["hits"].update(other["hits"])
        row["in use"] += other["in use"]
        row["note"] += other["note"]

    def hits(self):
        return sum(sum(row["hits"].values()) for row in self.rows.values())

    def show(self):
        print(f"{'where':48}{'bytes':>14}{'hits':>7}{'in use':>8}")
        for place, row in self.rows.items():
            print(f"{place:48}{row['size']:>14,}{sum(row['hits'].values()):>7}{row['in use'] or '-':>8}"
                  f"  {row['note']}".rstrip())
            for mark, count in row["hits"].most_common(20):
                print(f"    FOUND {count} times: {mark.kind} {mark.name}, {mark.form}")
        kinds = collections.Counter(kind for kind, _ in self.marks.names)
        print(f"{len(self.marks.names):,} things with marks, {len(self.marks.marks):,} patterns: "
              + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))


# --- What gets marks ------------------------------------------------------------------------

class Watch:
    """All that goes in and out: what must not be found again, and what is searched for it."""

    def __init__(self, admin):
        self.marks = marks.Marks()
        self.table = Table(self.marks)
        self.answers = []
        self.statuses = collections.Counter()
        self.tokens = 0
        self.admin = admin
        self.outputs = []   # of oauth2-admin

    def secret(self, kind, length=LENGTH):
        """A new one, to be sent."""
        text = canary(length)
        self.marks.add(kind, text[:6] + "…", text)
        return text

    def jwt(self, kind, text):
        """All of it but what is no secret: the header, and the claims once they are decoded."""
        text = text if isinstance(text, str) else str(text)
        for number, part in enumerate(text.split(".")[1:3]):
            if len(part) < 2 * marks.PIECE:
                continue
            name = f"{part[:6]}…"
            self.marks.add(kind, name, part, only={"raw"}, step=JWT_STEP)
            self.marks.add(kind, name, part, step=JWT_STEP_ENCODED)
            signature = decoded(part) if number == 1 else b""
            if len(signature) >= marks.PIECE:
                self.marks.add(kind, name, signature, step=JWT_STEP_ENCODED)

    def key(self, name, pem, kind="private key"):
        """Its private numbers, as in files; and, apart from these, as OpenSSL has them while it is in use."""
        key = serialization.load_pem_private_key(pem, None)
        for member, number in private_numbers(key).items():
            if member == "seed":   # OpenSSL keeps it as it is in the file
                self.marks.add("key in use", name, number, only={"raw"})
            else:
                self.marks.add("key in use", name, number[::-1], only={"raw"})
            self.marks.add(kind, f"{name} {member}", number)

    def request(self, data):
        for value in re.findall(rb"(?im)^authorization: basic +([\w+/]+=*)\r", data.partition(b"\r\n\r\n")[0]):
            decoded = base64.b64decode(value + b"==")
            if len(value) >= marks.PIECE and self.marks.search(decoded).hits:
                self.marks.add("Authorization header", f"{value[:6].decode('latin-1')}…", value,
                               only={"raw", "base64"})

    def answer(self, answer):
        """Each answer is searched in the end; a token is no find in its own."""
        self.statuses[answer.status if answer else "none"] += 1
        if answer is None:
            return
        data, found = answer.raw, re.search(rb'"access_token": ?"([^"]+)"', answer.raw)
        if found:
            self.jwt("token", found[1].decode())
            self.tokens += 1
            data = data.replace(found[1], b"")
        self.answers.append(data)


def decoded(text):
    """The bytes that base64url stands for; none, if it is not that."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), "-_", True)
    except ValueError:
        return b""


def private_numbers(key):
    """{member: bytes}; most significant byte first."""
    numbers = getattr(key, "private_numbers", None)
    if numbers is None:
        return {"seed": key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                                          serialization.NoEncryption())}
    numbers = numbers()
    if hasattr(numbers, "private_value"):
        return {"d": numbers.private_value.to_bytes(32, "big")}
    return {member: to_bytes(getattr(numbers, member))
            for member in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}


def to_bytes(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def listen_in(watch):
    """From now on everything that the tests' helpers send, sign and get is known to the watch."""
    make = jwts.make

    def made(spec, header, claims, settings):
        text = make(spec, header, claims, settings)
        watch.jwt("DPoP proof" if "htm" in claims else "assertion", text)
        return text

    jwts.make = made
    for kind in (servers.Front, servers.Direct):
        exchange = kind.exchange

        def exchanged(front, request, *arguments, exchange=exchange, **options):
            watch.request(request)
            try:
                answer = exchange(front, request, *arguments, **options)
            except AssertionError as cut:
                # A web server that closes on a body that it has not read may lose its own answer.
                if "cut off" not in str(cut):
                    raise
                answer = None
            watch.answer(answer)
            return answer

        kind.exchange = exchanged


def mark_secrets(watch):
    """Each client's secret becomes one with marks, in the configurations and in the cases."""
    changes = {}
    for client, old in SECRETS.items():
        if client == "bcrypt72":
            new = canary(72)
        elif client in ("a b:c%d+e", "as-is"):
            new = old + canary()
        else:
            new = canary()
        changes[old] = SECRETS[client] = new
        kind = "secret of client_secret_jwt" if client in KEPT else "secret"
        watch.marks.add(kind, client, new)
    for settings in CONFIGURATIONS.values():
        settings.text = with_hashes(settings.text)
    for case in test_cases.CASE_LIST:
        case["request"] = changed(case["request"], changes)


def with_hashes(text):
    for client in HASHED:
        found = re.search(rf'(?ms)^  {client}:$.*?hash: "(\$[^"]+)"', text)
        if found:
            text = text.replace(found[1], crypt(SECRETS[client], found[1]))
    return text


def changed(value, changes):
    if isinstance(value, dict):
        return {name: changed(inner, changes) for name, inner in value.items()}
    if isinstance(value, list):
        return [changed(inner, changes) for inner in value]
    if isinstance(value, str):
        for old in sorted(changes, key=len, reverse=True):
            if len(old) > 8:
                value = value.replace(old, changes[old])
    return value


def talkative(text, log_format):
    """The same configuration, at log level debug and with metrics."""
    text = re.sub(r"log: \{file: oauth2.log[^}]*\}",
                  f"log: {{file: oauth2.log, level: debug, format: {log_format}}}", text)
    if "metrics:" in text:
        return text
    if "endpoints: {" in text:
        return text.replace("endpoints: {", "endpoints: {metrics: true, ")
    return text + "endpoints: {metrics: true}\n"


# --- Requests -------------------------------------------------------------------------------

def post(front, path, form, headers=()):
    body = test_cases.urlencode(form).encode() if not isinstance(form, bytes) else form
    return http_client.build("POST", front.path(path), [*FORM, *headers, *front.settings.headers], body)


def ask(front, request, **options):
    return front.exchange(request, source=front.settings.source, **options)


def basic(client, secret):
    return "Authorization", "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def wrong_secrets(watch, front):
    """Requests with secrets, and other things that nobody else should see, in places where they are wrong."""
    known = next(client for client in ("TENANT_CLIENT_ID", "tls-dn", "self") if f"  {client}:" in front.settings.text)

    def wrong(kind="wrong secret"):
        return watch.secret(kind)

    for client in (known, "nobody", "bcrypt", "secret-jwt"):
        yield post(front, "token", GRANT, [basic(client, wrong())])
        yield post(front, "token", [*GRANT, ("client_id", client), ("client_secret", wrong())])
    for value in (f"Basic {base64.b64encode(wrong().encode()).decode()}", f"Basic {wrong()}!!", wrong(),
                  f"Bearer {wrong()}", f"Digest username=x, response={wrong()}", f"basic  {wrong()}=",
                  f"Basic {base64.b64encode(b'%zz:' + wrong().encode()).decode()}", f"Negotiate {wrong()}, x"):
        yield post(front, "token", GRANT, [("Authorization", value)])
    for name in ("client_secret", "password", "refresh_token", "code", "code_verifier", "assertion",
                 "client_assertion", "access_token", "token"):
        for grant in ("client_credentials", "password", "refresh_token"):
            yield post(front, "token", [("grant_type", grant), ("client_id", known), (name, wrong())])
    for query in ("client_secret={}", "client_id=x&client_secret={}", "access_token={}", "client_assertion={}",
                  "client%5Fsecret={}", "{}"):
        for path in ("token", "jwks", "introspect", "metrics"):
            yield post(front, f"{path}?{query.format(wrong('secret in a URL'))}", GRANT)
    for path in ("token/{}", "{}", "token%2f{}"):
        yield http_client.build("GET", front.path(path.format(wrong("secret in a URL"))))
    twice = f"client_id={known}&client_secret={wrong()}&client_secret={wrong()}&grant_type=client_credentials"
    for body in (twice, f"grant_type=client_credentials&client_secret={wrong()}%zz", f"client_secret={wrong()}%00",
                 f"client_secret={wrong()}%c0%af", f"&=&client_secret={wrong()}&%", f'{{"client_secret":"{wrong()}"}}',
                 f"client_secret={wrong()}&x=" + 70000 * "y", 70000 * "y" + f"&client_secret={wrong()}",
                 f"client_secret={''.join(f'%{ord(c):02x}' for c in wrong())}&client_id={known}"):
        yield post(front, "token", body.encode())
        yield http_client.build("POST", front.path("token"), [("Content-Type", "text/plain")], body.encode())
    for header in ("Cookie", "X-Api-Key", "Proxy-Authorization", "Origin", "Referer", "User-Agent", "DPoP"):
        yield post(front, "token", GRANT, [(header, wrong("secret in a header"))])
    for value in (f"{wrong('DPoP proof')}.{wrong('DPoP proof')}.{wrong('DPoP proof')}",
                  9000 * "a" + wrong("DPoP proof")):
        yield post(front, "token", [*GRANT, ("client_id", known)], [("DPoP", value)])
    yield http_client.build("PUT", front.path("token"), FORM, f"client_secret={wrong()}".encode())
    yield http_client.build("GET", front.path("jwks"), [basic(known, wrong())])


def used_tokens(watch, front):
    """Introspection and revocation, of good tokens and of bad ones."""
    if "resource-server" not in front.settings.text:
        return
    own = [("client_id", "second"), ("client_secret", SECRETS["second"])]
    looker = basic("resource-server", SECRETS["resource-server"])
    token = token_of(ask(front, post(front, "token", [*GRANT, *own])))
    for text in (token, token[:-2], token + "x", watch.secret("token"),
                 ".".join(watch.secret("token") for _ in range(3))):
        yield post(front, "introspect", [("token", text)], [looker])
        yield post(front, "introspect", [("token", text), *own])
        yield post(front, f"introspect?token={text}", [], [looker])
        yield post(front, "revoke", [("token", text), own[0], ("client_secret", watch.secret("wrong secret"))])
        yield post(front, "revoke", [("token", text), *own])
    yield post(front, "introspect", [("token", token)], [looker])


def token_of(answer):
    if answer is None or answer.status != 200:
        raise Failed(f"no token: {answer and (answer.status, answer.body)}")
    return answer.json()["access_token"]


def run_cases(front, configuration):
    """All cases that this configuration has on this front, or, directly, on any."""
    for case in test_cases.CASE_LIST:
        if case["config"] != configuration or (front.name not in case["over"] and front.name != servers.DIRECT):
            continue
        if front.name == servers.DIRECT and "raw" in case["request"]:
            continue
        request = test_cases.make_request(front, case)
        if case["request"].get("again"):
            test_cases.send(front, case, request)
        test_cases.send(front, case, request)


def direct_only(watch, front):
    """What no web server lets through: requests that end in the middle, and broken records."""
    body = f"grant_type=client_credentials&client_id=x&client_secret={watch.secret('wrong secret')}".encode()
    header = basic("x", watch.secret("wrong secret"))[1]
    watch.marks.add("Authorization header", header[6:12] + "…", header[6:])
    whole = raw.token_request(body=body, HTTP_AUTHORIZATION=header)
    for data in (whole[:-9], whole[:len(whole) // 2], whole.replace(b"\1\5", b"\2\5"), whole[:-9] + b"\1" * 20,
                 raw.begin() + raw.stream(raw.STDIN, body), body, whole + whole,
                 raw.token_request(body=body, CONTENT_LENGTH="7"), raw.token_request(body=body, CONTENT_LENGTH="70000"),
                 raw.token_request(body=body, HTTP_AUTHORIZATION=header)[8:]):
        with raw.connect(front.socket) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            try:
                connection.settimeout(1)
                watch.table.add("answers", connection.recv(65536))
            except (ConnectionError, socket.timeout):
                pass


# --- Places ---------------------------------------------------------------------------------

def in_use(watch):
    """What a server may have in memory while its configuration says so."""
    return {(kind, name) for kind, name in watch.marks.names
            if kind in ("key in use", "secret of client_secret_jwt")}


def search_processes(watch, front, place="memory of idle workers, supervisors", allowed=None):
    """The program's processes: all of their memory, and what /proc tells of them."""
    allowed = in_use(watch) if allowed is None else allowed
    pids = front.workers()
    for pid in pids:
        try:
            for name in ("environ", "cmdline"):
                watch.table.add("/proc/PID/environ and cmdline", Path(f"/proc/{pid}/{name}").read_bytes())
            watch.table.join(place, search_memory(watch, pid, allowed))
        except (FileNotFoundError, ProcessLookupError):
            # It has made one answer, and ended.
            pids = pids - {pid}
    return pids


def search_memory(watch, pid, allowed):
    """A process that has answered may not have forgotten yet: what is found is searched for again."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        trial = Table(watch.marks)
        try:
            search_regions(trial, pid, allowed)
            if not trial.hits() or time.monotonic() > deadline:
                return trial.row("")
        except OSError as error:
            # It has unmapped what was to be read, or ended.
            if not Path(f"/proc/{pid}/environ").exists():
                raise FileNotFoundError(pid) from error
            if time.monotonic() > deadline:
                raise Failed(f"the memory of {pid} cannot be read: {error}") from error
        time.sleep(0.2)


def search_regions(trial, pid, allowed):
    for name, content in peek.regions(pid):
        if trial.add("", content, allowed):
            trial.row("")["note"] += f" {name} of {pid}"


def place_of(path, text):
    if path.name == "oauth2.log":
        return "program's log, JSON" if text[:1] == b"{" else "program's log, text"
    if "state" in path.parts:
        return "LMDB's data, counters"
    if path.suffix == ".rdb":
        return "Redis's data"
    return "standard error, logs of web servers"


def search_files(watch, directory):
    """All that processes have written; what was written for them, with secrets in it, is none of that."""
    for path in sorted(directory.rglob("*")):
        below = path.relative_to(directory)
        if not path.is_file() or INPUTS & set(below.parts) or path.name.startswith("oauth2.yaml"):
            continue
        data = path.read_bytes()
        watch.table.add(place_of(below, data), data)


def save_redis(front):
    """Redis's own dump of all that it has."""
    with socket.create_connection(("127.0.0.1", front.redis_port), 20) as connection:
        connection.sendall(b"CONFIG SET rdbcompression no\r\nDBSIZE\r\nSAVE\r\n")
        text = b""
        while text.count(b"\r\n") < 3:
            text += connection.recv(1000)
    size = re.search(rb":(\d+)", text)
    if b"-" in text or not size or int(size[1]) == 0:
        raise Failed(f"Redis: {text!r}")


# --- Fronts ---------------------------------------------------------------------------------

def start(site, name, configuration, log_format, starter=None):
    CONFIGURATIONS[configuration].text = talkative(CONFIGURATIONS[configuration].text, log_format)
    return site.front(name, configuration, starter)


def run_front(watch, site, name, configuration, log_format):
    """Cases, bad requests, metrics; then its processes are searched and ended."""
    front = start(site, name, configuration, log_format)
    before = watch.tokens
    run_cases(front, "strong" if configuration == "redis" else configuration)
    for request in [*wrong_secrets(watch, front), *used_tokens(watch, front)]:
        ask(front, request)
    if name == servers.DIRECT:
        direct_only(watch, front)
    metrics = ask(front, http_client.build("GET", front.path("metrics"), front.settings.headers), tls=False)
    if metrics.status == 200:
        watch.table.add("metrics", metrics.raw)
    if watch.tokens == before and "throttle:" not in front.settings.text:
        raise Failed(f"{front.name} ({configuration}) gave no token")
    pids = search_processes(watch, front)
    print(f"{name}, {configuration}: {sum(watch.statuses.values()):,} requests so far", file=sys.stderr)
    if not pids and front.keeps_process:
        raise Failed(f"{front.name}: its processes are not to be found")
    if front.settings.redis:
        save_redis(front)
    front.stop()


def run_fronts(watch, site, names):
    configured = ("default", "tls", "strong", "self-signed", "throttled", "compatible")
    for number, name in enumerate(names):
        for configuration in configured:
            if any(case["config"] == configuration and name in case["over"] for case in test_cases.CASE_LIST):
                run_front(watch, site, name, configuration, FORMATS[number % 2])


# --- One server's life ----------------------------------------------------------------------

LIFE = """\
issuer: https://auth.example.com
access_token: {reuse: 1}
signing_keys:
  - {file: keys/rs256.pem}
  - {file: keys/es256.pem, state: next}
  - {file: keys/ps256.pem, alg: PS256, state: retired}
scopes:
  email:
clients:
  TENANT_CLIENT_ID: {scopes: [email], secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]}
  bcrypt: {scopes: [email], secrets: [{hash: "BCRYPT"}]}
  file: {scopes: [email], secrets: [{file: secrets/file}]}
  secret-jwt: {scopes: [email], auth_methods: [client_secret_jwt], secrets: [{file: secrets/secret-jwt}]}
  rs256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:rs256>}
  resource-server: {introspect: true, grants: [], secrets: [{hash: "sha256:<resource-server>"}]}
  second: {scopes: [email], secrets: [{hash: "sha256:<second>"}]}
state: lmdb:state
endpoints: {metrics: true}
log: {file: oauth2.log, level: debug, format: json}
"""

# The same without what had marks in memory; its one key is that of Ed25519.
LATER = """\
issuer: https://auth.example.com
signing_keys: [{file: keys/eddsa.pem}]
scopes:
  email:
clients:
  second: {scopes: [email], secrets: [{hash: "sha256:<second>"}]}
state: lmdb:state
log: {file: oauth2.log, level: debug, format: json}
"""

CLIENT = "  broken: {scopes: [email], secrets: SECRETS}\n"
BROKEN_CLIENTS = [
    "[{hash: MARK}]", "[MARK]", "MARK", "{MARK}", "[{secret: MARK}]", "[{hash: sha256:MARK}]", "[{hash: $2y$10$MARK}]",
    "[{plain: MARK}]", "[{hash: [MARK]}]", "[{hash: {a: MARK}}]",
    "[{hash: *MARK}]", "[{hash: &MARK x}]", "[{hash: !MARK x}]", "[{hash: x, label: [MARK]}]",
    "[{hash: sha256:MARK, hash: MARK}]", "[{file: {MARK}}]",
    "[], secret: MARK", "[], client_secret: MARK", "[], password: MARK",
]
NO_YAML_CLIENTS = [
    "[{hash: MARK: x}]", "[{hash: 'MARK}]", '[{hash: "MARK\\q"}]', "[{hash: |\n MARK}]", "MARK\tMARK: }",
    "[{hash: MARK\x01}]",
]
BROKEN_LINES = [
    "state: redis://:MARK@127.0.0.1:6379/0\n",
    "state: redis://user:MARK@127.0.0.1:6379\n", "state: rediss://MARK@h/0\n",
    "secret: MARK\n", "issuer: https://user:MARK@auth.example.com\n", "base_url: https://user:MARK@auth.example.com\n",
    "issuer: https://auth.example.com/?token=MARK\n",
    "signing_keys: [{file: x, pem: MARK}]\n", "signing_keys: [{pem: MARK}]\n", "signing_keys: [MARK]\n",
    "signing_keys: MARK\n", "signing_keys: [{file: keys/rs256.pem, password: MARK}]\n",
]


def life_text(text=LIFE):
    text = configurations.render(text)
    return text.replace("BCRYPT", crypt(SECRETS["bcrypt"], "$2y$04$abcdefghijklmnopqrstuu"))


def ask_life(watch, front):
    """Every method, each once or more; and bad requests."""
    for client in ("TENANT_CLIENT_ID", "bcrypt", "file", "second"):
        for _ in range(2):
            token_of(ask(front, post(front, "token", GRANT, [basic(client, SECRETS[client])])))
            form = [*GRANT, ("client_id", client), ("client_secret", SECRETS[client])]
            proof = jwts.proof(front.settings, {})
            token_of(ask(front, post(front, "token", form, [("DPoP", proof)])))
    for client in ("secret-jwt", "rs256"):
        form = [*GRANT, *test_cases.make_assertion(front.settings, {"client": client})]
        token_of(ask(front, post(front, "token", form)))
        ask(front, post(front, "token", form))
    for request in [*wrong_secrets(watch, front), *used_tokens(watch, front)]:
        ask(front, request)


class Life:
    """A supervisor with two workers, whose files change."""

    def __init__(self, watch, site, short):
        self.watch = watch
        self.every = EVERY if short else 1
        self.front = start(site, servers.DIRECT, "life", "json", listen_with_two)
        self.directory = self.front.config_file.parent
        self.user = site.user

    def write(self, name, content, mode=0o640):
        path = self.directory / name
        new = path.with_name(path.name + ".new")
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
        new.chmod(mode)
        if self.user:
            os.chown(new, self.user.pw_uid, self.user.pw_gid)
        new.rename(path)

    def reload(self, event, what=""):
        """Have all files read again; the log must tell of this outcome."""
        mark = self.front.log.mark()
        self.front.processes[0].popen.send_signal(signal.SIGHUP)
        if not self.front.log.wait_for_lines(mark, lambda line: line["event"] == event):
            raise Failed(f"no {event} in the log, of {what!r}: {self.front.log.text(mark)}")

    def break_with(self, name, content, mode=0o640, is_yaml=True):
        """A file that does not load, in use and by `oauth2-admin check`; then as it was.  What is YAML has to be
        refused for what it says."""
        path = self.directory / name
        old, old_mode = path.read_bytes(), path.stat().st_mode & 0o777
        self.write(name, content, mode)
        self.reload("config.rejected", content)
        run_admin(self.watch, "check", "-c", self.front.config_file, status=None)
        run_admin(self.watch, "check", "--json", "-c", self.front.config_file, status=None)
        if ("not valid YAML" in self.watch.outputs[-1]) == is_yaml:
            raise Failed(f"not refused for what was meant: {content!r}: {self.watch.outputs[-1]}")
        self.write(name, old, old_mode)

    def mark(self):
        return self.watch.secret("secret in a broken file")

    def break_all(self):
        text = life_text()
        for is_yaml, clients in ((True, BROKEN_CLIENTS), (False, NO_YAML_CLIENTS)):
            for lines in clients[::self.every]:
                lines = CLIENT.replace("SECRETS", re.sub("MARK", lambda _: self.mark(), lines))
                self.break_with("oauth2.yaml", text.replace("\nstate:", f"\n{lines}state:", 1), is_yaml=is_yaml)
        for line in BROKEN_LINES[::self.every]:
            line = re.sub("MARK", lambda _: self.mark(), line)
            key = line.partition(":")[0]
            self.break_with("oauth2.yaml", re.sub(rf"(?ms)^{key}:.*?\n(?=\w)", "", text) + line)
        self.break_jwks(text)
        self.break_keys()
        self.break_secrets()
        self.reload("config.loaded")

    def break_jwks(self, text):
        """A private key where a public one belongs."""
        for name in ("rsa-private", "ec-private", "ed-private"):
            key = jwts.key(name)
            self.watch.key(f"client's {name}", key.export_to_pem(True, None), "client's private key")
            jwks = f'jwks: {{"keys": [{key.export()}]}}}}\n'
            self.break_with("oauth2.yaml", re.sub(r"jwks: \{.*\}\}\n", lambda _, jwks=jwks: jwks, text, count=1))

    def break_keys(self):
        path = self.directory / "keys/rs256.pem"
        pem = path.read_bytes()
        lines = pem.splitlines(True)
        for content, mode in ((b"".join(lines[:9]), 0o600), (b"".join(lines[1:]), 0o600), (b"x" + pem, 0o600),
                              (pem.replace(b"BEGIN PRIVATE", b"BEGIN ENCRYPTED PRIVATE"), 0o600),
                              (pem[:400] + b"!" + pem[401:], 0o600),
                              (pem, 0o644), (b"", 0o600), (self.mark().encode(), 0o600)):
            self.break_with("keys/rs256.pem", content, mode)

    def break_secrets(self):
        for content, mode in ((f"{self.mark()}\n{self.mark()}\n", 0o600), (f"{self.mark()}\n", 0o644), ("", 0o600),
                              (b"\0" + self.mark().encode(), 0o600),
                              (150 * self.mark(), 0o600), (self.mark()[:20], 0o600)):
            self.break_with("secrets/secret-jwt", content, mode)

    def run(self):
        ask_life(self.watch, self.front)
        # What is handed out again is kept as long as that lasts.
        time.sleep(REUSE_S)
        search_processes(self.watch, self.front, "memory of idle workers, supervisors")
        self.break_all()
        ask_life(self.watch, self.front)
        time.sleep(REUSE_S)
        search_processes(self.watch, self.front, "memory after broken reloads")
        self.write("oauth2.yaml", configurations.render(LATER))
        self.reload("config.loaded")
        raw.wait_until(self.all_have_changed, 30, "all workers have the new configuration")
        search_processes(self.watch, self.front, "memory after keys and secrets were removed",
                         {("key in use", "eddsa")})
        self.front.stop()

    def all_have_changed(self):
        """Each worker says by its kid."""
        asked = [ask(self.front, http_client.build("GET", self.front.path("jwks"))) for _ in range(20)]
        return all(b'"OKP"' in answer.body and b'"RSA"' not in answer.body for answer in asked)


def listen_with_two(front):
    front.socket = front.directory / "run/oauth2.sock"
    front.run(str(front.program), "--config", str(front.config_file), "--workers", "2", "--listen",
              str(front.socket))


listen_with_two.keeps_process = True


# --- The operator's tool --------------------------------------------------------------------

def run_admin(watch, *arguments, status=0, given="", printed=None, place="oauth2-admin's output", cwd=None):
    """Both of its outputs are searched; printed: an expression for the secret that it must show, once."""
    done = subprocess.run([str(watch.admin), *map(str, arguments)], input=given, text=True, cwd=cwd, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if status is not None and done.returncode != status:
        raise Failed(f"oauth2-admin {arguments}: status {done.returncode}: {done.stderr}")
    output, secret = done.stdout, None
    if printed:
        found = re.findall(printed, output)
        if len(found) != 1:
            raise Failed(f"oauth2-admin {arguments}: {len(found)} secrets in its output, not one")
        secret = found[0]
        output = output.replace(secret, "")
        if "." in secret:
            watch.jwt("token", secret)
        else:
            watch.marks.add("printed secret", secret[:6] + "…", secret)
    watch.outputs.append(output + done.stderr)
    return secret


SECRET_RE = r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])"
JWT_RE = r"eyJ[\w-]+\.[\w-]+\.[\w-]+"


def run_commands(watch, directory):
    """Each command once or more; what it prints, and what it writes beside keys."""
    home = directory / "admin"
    config = ["-c", home / "oauth2.yaml"]

    def run(*arguments, **options):
        return run_admin(watch, *arguments, cwd=directory, **options)

    run("init", home, printed=SECRET_RE)
    for path in home.glob("keys/*"):
        watch.key(path.name, path.read_bytes())
    run("check", *config)
    run("keygen", "--alg", "ES256", "--out", directory / "made.pem")
    watch.key("made.pem", (directory / "made.pem").read_bytes())
    for _ in range(2):
        run("rotate", *config)
    for path in home.glob("keys/*"):
        watch.key(path.name, path.read_bytes())
    given = watch.secret("secret")
    run("hash-secret", given=given + "\n")
    run("hash-secret", "--json", given=given + "\n")
    run("hash-secret", "--generate", printed=SECRET_RE)
    run("add-client", "billing", "--scope", "identity_proofing", *config, printed=SECRET_RE)
    run("add-secret", "billing", "--label", "new", *config, printed=SECRET_RE)
    run("add-client", "shop", "--scope", "identity_proofing", "--json", *config, printed=SECRET_RE)
    token = run("token", "first-client", *config, printed=JWT_RE)
    run("explain", "first-client", *config)
    run("explain", "first-client", "--json", *config)
    for text in (token, token + "x", watch.secret("token"), f"{watch.secret('token')}.{canary()}.{canary()}"):
        run("inspect", *config, given=text, status=None)
        run("inspect", "--json", *config, given=text, status=None)
        run("revoke", text, *config, status=None)
    for command in (["list-clients"], ["state"], ["state", "--prune"], ["expiring"], ["disable-client", "shop"],
                    ["enable-client", "shop"], ["remove-secret", "billing", ""], ["remove-client", "shop"],
                    ["export", directory / "exported"], ["verifier", "nginx-introspection"]):
        run(*command, *config, status=None)
    # A secret where none belongs.
    for arguments in (["hash-secret"], ["add-client", "x", "--secret"]):
        run(*arguments, watch.secret("secret as an argument"), *config, status=None)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.suffix != ".pem" and "keys" not in path.parts[-2:]:
            watch.table.add("files that oauth2-admin wrote", path.read_bytes())


# --- A core dump ----------------------------------------------------------------------------

class Ended:
    """A worker that was told to abort: what it left, and its limits of a core before."""

    def __init__(self, code, directory, limits):
        self.was_dumped = code == os.CLD_DUMPED
        self.cores = [path for path in directory.iterdir() if path.is_file()]
        self.limits = re.search(r"Max core file size +(\S+) +(\S+)", limits).groups()


def end_by_abort(site, config, directory, serve, shim=None):
    """Start a worker, have it serve, end it by SIGABRT."""
    directory.mkdir()
    front = servers.Direct(site, servers.DIRECT, "life", None)
    front.socket = directory / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(front.socket))
        listening.listen()
        environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": FILLED,
                       **({"LD_PRELOAD": str(shim)} if shim else {})}
        child = subprocess.Popen([site.build / "oauth2.fcgi", "--config", config], stdin=listening, cwd=directory,
                                 env=environment, stderr=subprocess.DEVNULL,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit_of_core(),) * 2))
        raw.wait_until(lambda: raw.exchange(front.socket, raw.get_request("/health")) is not None, 30, "it serves")
        serve(front, child.pid)
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        child.send_signal(signal.SIGABRT)
        code = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT).si_code
        child.wait()
    return Ended(code, directory, limits)


def limit_of_core():
    return resource.getrlimit(resource.RLIMIT_CORE)[1]


def run_core(watch, site, directory):
    """None by itself; with the protection taken away the kernel's own, of a worker that has served and is idle.  It
    may hold what a worker cannot be without, as its memory: no more."""
    etc = directory / "core-etc"
    configurations.write_text(talkative(life_text(), "json"), etc, site.keys)
    (etc / "state").mkdir()

    def serve(front, pid):
        ask_life(watch, front)
        time.sleep(REUSE_S)
        search_memory(watch, pid, in_use(watch))   # It has had the time to forget.

    ended = end_by_abort(site, etc / "oauth2.yaml", directory / "core", lambda *_: None)
    watch.table.row("core dump by SIGABRT")["note"] = "none"
    if ended.was_dumped or ended.cores or ended.limits != ("0", "0"):
        raise Failed(f"the program leaves a core: {vars(ended)}")
    if b"__asan_init" in (site.build / "oauth2.fcgi").read_bytes():
        watch.table.row(UNPROTECTED)["note"] = "not shown: a sanitizer maps terabytes"
        return
    ended = end_by_abort(site, etc / "oauth2.yaml", directory / "core-unprotected", serve,
                         peek.build_shim(directory, always=True))
    watch.table.row(UNPROTECTED)["note"] = search_cores(watch, ended)


def search_cores(watch, ended):
    """What the table is to say of them; no core is left for other searches."""
    if ended.limits[0] == "0":
        if limit_of_core() != 0:
            raise Failed("the program's limit of a core stays 0 in spite of the shim")
        return "not shown: this machine's limit of a core is 0"
    for core in ended.cores:
        watch.table.add(UNPROTECTED, core.read_bytes(), in_use(watch))
        core.unlink()
    if not ended.cores:
        return "not shown: this machine hands cores on" if ended.was_dumped else "not shown: this machine writes none"
    if watch.table.row(UNPROTECTED)["in use"] == 0:
        raise Failed("a core without the keys that were in use: it cannot be whole")
    return "written by the kernel; in use: the keys that sign, the secrets of client_secret_jwt"


# --- All of it ------------------------------------------------------------------------------

def add_configurations():
    CONFIGURATIONS["life"] = configurations.Configuration(
        LIFE.replace("BCRYPT", crypt(SECRETS["bcrypt"], "$2y$04$abcdefghijklmnopqrstuu")), "https://auth.example.com",
        over_tls=True)


def run_all(watch, site, short):
    mark_secrets(watch)
    add_configurations()
    listen_in(watch)
    for path in sorted(site.keys.glob("*.pem")):
        watch.key(path.stem, path.read_bytes())
    Life(watch, site, short).run()
    run_front(watch, site, servers.DIRECT, "strong", "text")
    if not short:
        run_front(watch, site, servers.DIRECT, "throttled", "json")
        run_front(watch, site, servers.DIRECT, "redis", "json")
        run_fronts(watch, site, servers.FRONTS)
    with tempfile.TemporaryDirectory(prefix="oauth2-can.") as work:
        run_commands(watch, Path(work))
    run_core(watch, site, site.directory)
    for output in watch.outputs:
        watch.table.add("oauth2-admin's output", output.encode())
    for answer in watch.answers:
        watch.table.add("answers", answer)
    search_files(watch, site.directory)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="where the programs are")
    parser.add_argument("--short", action="store_true", help="without web servers and Redis")
    return parser.parse_args()


def main():
    options = read_options()
    build = options.build.resolve()
    watch = Watch(build / "oauth2-admin")
    directory = Path(tempfile.mkdtemp(prefix="oauth2-can."))
    shim = peek.build_shim(directory)
    under = ["env", f"ASAN_OPTIONS={FILLED}"]
    under += [f"LD_PRELOAD={shim}"] if shim else []
    site = servers.Site(build, directory, " ".join(under))
    try:
        run_all(watch, site, options.short)
    except (Failed, AssertionError, pytest.fail.Exception) as failure:
        print(f"canaries: {failure}", file=sys.stderr)
        return 1
    finally:
        site.stop()
        shutil.rmtree(directory, ignore_errors=True)
    watch.table.show()
    print(f"{sum(watch.statuses.values()):,} requests, {watch.tokens:,} tokens")
    return 1 if watch.table.hits() else 0


if __name__ == "__main__":
    sys.exit(main())
