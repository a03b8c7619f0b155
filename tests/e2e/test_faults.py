# SPDX-License-Identifier: MIT
"""Faults from outside, and what must come of each: files, clocks, disks, random bytes, peers, environments.

`tests/reliability/faults.py` has the whole list of faults, with these tests and others; `make test-faults` runs
it. Those that take longer are in `faults_long.py`, which `make test` does not run.
"""

import contextlib
import datetime
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import stat
import statistics
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwcrypto import jwk, jws

import configurations
import jwts
import rawfcgi as raw
import servers
from configurations import SECRETS
from test_metrics import ON, scrape
from test_process import Server, free_port
from test_races import (CONFIG, LMDB, PLAIN, SHIMS, STATE, assertion_request, connection_to_each, form,
                        introspect, places, proof_request, revoke_request, secret_request, statuses, token_of,
                        unavailable, wrong_request)

# Fixtures of another file, which pytest finds by their names here.
__all__ = ["places"]

START_S = 20
NOTICE_S = 1.0      # how soon a change is noticed
SLACK_S = 1.5       # for a busy machine, on top of what is promised
HOUR_S = 3600
CLIENT = "TENANT_CLIENT_ID"
SETTINGS = configurations.Configuration("", "http://localhost")


# Starting

@pytest.fixture
def serve(build, places):
    """Start the program in a place of its own, at a socket there or at a port."""
    started = []

    def run(text=PLAIN, workers=1, place=None, port=None, before=(), program=None, **options):
        place = place or places(LMDB, text)
        address = ("127.0.0.1", port) if port else place / "oauth2.sock"
        at = f"127.0.0.1:{port}" if port else str(address)
        server = Server([*before, str(program or build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"),
                         "--listen", at, "--workers", str(workers)], place, address, stdin=subprocess.DEVNULL,
                        **options)
        started.append(server)
        return server.ready()
    yield run
    for server in started:
        end(server)


def end(server):
    """Whatever holds it up."""
    if server.popen.poll() is None:
        server.popen.terminate()
        try:
            server.popen.wait(10)
        except subprocess.TimeoutExpired:
            for pid in [*server.children(), server.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.popen.wait()


def preload(place, *shims, **variables):
    """A command before the program that gives it these shims, and these variables."""
    libraries = []
    for shim in shims:
        libraries.append(place / f"{shim}.so")
        subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", libraries[-1], SHIMS / f"{shim}.c", "-ldl"],
                       check=True)
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0".lstrip(":")
    return ["env", f"LD_PRELOAD={':'.join(map(str, libraries))}", f"ASAN_OPTIONS={options}",
            *(f"{name}={value}" for name, value in variables.items())]


class Somebody:
    """Whom the program runs as, so that there are files that it may not read: another user if we are root."""

    def __init__(self, build, place):
        self.user = servers.server_user()
        self.place = place
        self.program = shutil.copy(build / "oauth2.fcgi", place / "oauth2.fcgi")
        self.options = {}
        if self.user:
            self.options = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
            for path in [place, *place.rglob("*")]:
                self.give(path)

    def give(self, path):
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def hide(self, path):
        """It becomes root's alone; or, if we are not root, nobody's."""
        if self.user:
            os.chown(path, 0, 0)
        path.chmod(0o600 if self.user else 0)

    def cold_start(self):
        """The exit status and what is said."""
        done = subprocess.run([self.program, "--config", self.place / "oauth2.yaml", "--listen", self.place / "cold"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False, **self.options)
        return done.returncode, done.stderr


def write(path, text, mode=0o640):
    """A file that is never there half-written."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)


def rejections(server):
    return server.log("config.rejected")


def health(server):
    return json.loads(raw.exchange(server.address, raw.get_request("/health")).body)["status"]


def published(server):
    """{kid: key} of the JWKS."""
    answer = raw.exchange(server.address, raw.get_request("/jwks"))
    assert answer.status == 200
    return {key["kid"]: key for key in json.loads(answer.body)["keys"]}


def verified(token, keys, algorithm="ES256"):
    """The kid and the claims of a token that one of these keys verifies."""
    kid = json.loads(jwts.unb64(token.split(".")[0]))["kid"]
    signed = jws.JWS()
    signed.deserialize(token)
    signed.verify(jwk.JWK.from_json(json.dumps(keys[kid])), algorithm)
    return kid, json.loads(signed.payload)


def new_token(server, request=None):
    answer = raw.exchange(server.address, request or secret_request())
    assert answer is not None and answer.status == 200, answer and (answer.status, answer.body)
    return token_of(answer)


# The table of all faults

def test_list_of_faults():
    """25 of them; each names tests that are there."""
    path = Path(__file__).resolve().parents[1] / "reliability" / "faults.py"
    spec = importlib.util.spec_from_file_location("faults", path)
    faults = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(faults)
    assert [fault.number for fault in faults.FAULTS] == list(range(1, 26))
    for fault in faults.FAULTS:
        assert fault.what and fault.expected and fault.tests
        for test in fault.tests:
            text = (faults.ROOT / test.path).read_text()
            assert re.search(rf"\b{test.name}\(", text), f"fault {fault.number}: {test.path} has no {test.name}"


# The configuration's file

def break_by_text(text):
    return lambda somebody, path: write(path, text) or somebody.give(path)


def cut_off(somebody, path):
    """In its clients: a file that is cut off behind a line may be as good as a whole one."""
    text = path.read_text()
    write(path, text[:text.index("sha256:") + 20])
    somebody.give(path)


def replace_by(make):
    """Something that is no file, in its place."""
    def change(_, path):
        path.unlink()
        make(path)
    return change


def make_large(somebody, path):
    with open(path.with_suffix(".new"), "wb") as file:
        file.truncate(1 << 30)
    somebody.give(path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


SPOILT_FILES = {
    "no YAML": break_by_text("issuer: [\n"),
    "a wrong key": break_by_text(PLAIN.replace("scopes: {email: }", "scpoes: {email: }")),
    "half-written": cut_off,
    "empty": break_by_text(""),
    "a directory": replace_by(Path.mkdir),
    "not to be read": lambda somebody, path: somebody.hide(path),
    "a link to nothing": replace_by(lambda path: path.symlink_to("nowhere")),
    "a FIFO": replace_by(os.mkfifo),
    "1 GiB": make_large,
}


def mend(path, text):
    with contextlib.suppress(FileNotFoundError):
        path.rmdir() if path.is_dir() else path.unlink()
    write(path, text)


def check_kept(server):
    """It goes on with what it had, says so once, and tells health and metrics."""
    new_token(server)
    line, = rejections(server)
    assert line["level"] == "error"
    document = scrape(server)
    assert document.all("config_reloads_total") == {("success",): 0, ("failure",): 1}
    assert set(document.all("config_degraded").values()) == {1} and health(server) == "degraded"
    return line["message"]


def test_spoilt_configuration(serve, build, places, record_property):
    """Each kind at a server of its own: nobody's request fails, and the next good file is used."""
    users = {kind: Somebody(build, places(LMDB, PLAIN + ON)) for kind in SPOILT_FILES}
    running = {kind: serve(place=user.place, program=user.program, **user.options) for kind, user in users.items()}
    good = {kind: (user.place / "oauth2.yaml").read_text() for kind, user in users.items()}
    for kind, spoil in SPOILT_FILES.items():
        spoil(users[kind], users[kind].place / "oauth2.yaml")
    for kind, server in running.items():
        raw.wait_until(lambda server=server: rejections(server) and health(server) == "degraded", NOTICE_S + SLACK_S,
                       f"{kind}: it is noticed")
    time.sleep(2 * NOTICE_S + 0.2)
    for kind, server in running.items():
        path = users[kind].place / "oauth2.yaml"
        assert re.match(rf"{path}:\d+:\d+: error: ", check_kept(server)), kind
        status, errors = users[kind].cold_start()
        assert status == 1 and re.match(rf"{path}:\d+:\d+: error: ", errors), (kind, status, errors)
    for kind, user in users.items():
        mend(user.place / "oauth2.yaml", good[kind].replace("{email: }", "{email: , more: }"))
        user.give(user.place / "oauth2.yaml")
    for kind, server in running.items():
        raw.wait_until(lambda server=server: health(server) == "ok", NOTICE_S + SLACK_S, f"{kind}: the good one")
        assert len(rejections(server)) == 1
    record_property("seen", f"{len(running)} kinds: old one served, 1 line each, exit 1 with FILE:LINE")


# The signing key's file

def pem(key, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def p256():
    return ec.generate_private_key(ec.SECP256R1())


def halves():
    """A P-256 key whose public half is another key's (RFC 5915: it is the last 65 bytes)."""
    one, other = (key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL,
                                    serialization.NoEncryption()) for key in (p256(), p256()))
    text = jwts.base64.encodebytes(one[:-65] + other[-65:]).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"


SPOILT_KEYS = {
    "a public key": lambda site: public_pem(p256()),
    "encrypted": lambda site: pem(p256(), b"passphrase"),
    "an expired certificate": lambda site: site.certificates.pem("self-expired"),
    "RSA of 1024 bits": lambda site: pem(rsa.generate_private_key(65537, 1024)),
    "P-384": lambda site: pem(ec.generate_private_key(ec.SECP384R1())),
    "Ed25519 where alg is ES256": lambda site: pem(ed25519.Ed25519PrivateKey.generate()),
    "cut off": lambda site: pem(p256())[:120],
    "halves of two keys": lambda site: halves(),
    "empty": lambda site: "",
}
WITH_KEY = PLAIN.replace("{file: key.pem}", "{file: key.pem, alg: ES256}") + ON


def put_key(user, text, mode=0o600):
    write(user.place / "key.pem", text, mode)
    user.give(user.place / "key.pem")


def test_spoilt_key(serve, build, site, places, record_property):
    """The old one goes on signing, under its own name; a good one that follows takes over under its own."""
    kinds = [*SPOILT_KEYS, "not to be read"]
    users = {kind: Somebody(build, places(LMDB, WITH_KEY)) for kind in kinds}
    running = {kind: serve(place=user.place, program=user.program, **user.options) for kind, user in users.items()}
    before = {kind: published(server) for kind, server in running.items()}
    for kind, user in users.items():
        if kind in SPOILT_KEYS:
            put_key(user, SPOILT_KEYS[kind](site))
        else:
            user.hide(user.place / "key.pem")
    for kind, server in running.items():
        raw.wait_until(lambda server=server: rejections(server) and health(server) == "degraded", NOTICE_S + SLACK_S,
                       f"{kind}: it is noticed")
    for kind, server in running.items():
        assert re.match(rf'{users[kind].place}/oauth2.yaml:2:\d+: error: "?.*key.pem"?', check_kept(server)), kind
        assert published(server) == before[kind]
        kid, _ = verified(new_token(server), before[kind])
        assert kid in before[kind]
        status, errors = users[kind].cold_start()
        assert status == 1 and "key.pem" in errors, (kind, status, errors)
    for kind, user in users.items():
        key = p256()
        (user.place / "key.pem").unlink()
        put_key(user, pem(key))
        thumbprint = jwk.JWK.from_pem(public_pem(key).encode()).thumbprint()
        raw.wait_until(lambda kind=kind, wanted=thumbprint: set(published(running[kind])) == {wanted},
                       NOTICE_S + SLACK_S, f"{kind}: the good one is used")
        kid, _ = verified(new_token(running[kind]), published(running[kind]))
        assert kid == thumbprint, "under its own name"
    record_property("seen", f"{len(kinds)} kinds: old key signs, alarm in log, health and metrics")


def test_two_keys_change_places(serve, places):
    """Under the names that the configuration gives them: what signs is always what is published by that name."""
    place = places(LMDB, PLAIN.replace("[{file: key.pem}]",
                                       "[{file: key.pem, kid: a}, {file: next.pem, kid: b, state: next}]"))
    write(place / "next.pem", pem(p256()), 0o600)
    server = serve(place=place)
    first = published(server)
    assert verified(new_token(server), first)[0] == "a"
    for name, other in (("key.pem", "swap"), ("next.pem", "key.pem"), ("swap", "next.pem")):
        (place / name).rename(place / other)
    deadline = time.monotonic() + NOTICE_S + SLACK_S
    while time.monotonic() < deadline:
        before, token, after = published(server), new_token(server), published(server)
        if before == after:
            assert verified(token, before)[0] == "a"
    assert {kid: key["x"] for kid, key in after.items()} == {"a": first["b"]["x"], "b": first["a"]["x"]}


# Rights

OPEN_MODES = [0o601, 0o602, 0o604, 0o644, 0o620, 0o660, 0o666, 0o700 | stat.S_IWGRP]
CLOSED_MODES = [0o400, 0o600, 0o440, 0o640]
WITH_SECRET = PLAIN + "  by-file: {scopes: [email], secrets: [{file: secret}]}\n" + ON


@pytest.mark.parametrize("name", ["key.pem", "secret"])
def test_files_that_others_may_read(serve, build, places, name, record_property):
    """A key or secret file is refused at the start; while serving, what was read before stays in use."""
    place = places(LMDB, WITH_SECRET)
    write(place / "secret", "a-secret-in-a-file", 0o600)
    user = Somebody(build, place)
    for mode in OPEN_MODES:
        (place / name).chmod(mode)
        status, errors = user.cold_start()
        assert status == 1 and re.search(rf"oauth2.yaml:\d+:\d+: error: .*{name}.* chmod 600", errors), (mode, errors)
    for mode in CLOSED_MODES:
        (place / name).chmod(mode)
        assert serve(place=place, program=user.program, **user.options).end()[0] == 0, oct(mode)
    server = serve(place=place, program=user.program, **user.options)
    (place / "stderr").write_text("")
    (place / name).chmod(0o644)
    raw.wait_until(lambda: rejections(server) and health(server) == "degraded", NOTICE_S + SLACK_S, "it is noticed")
    assert "chmod 600" in check_kept(server)
    assert raw.exchange(server.address, raw.token_request(
        form(grant_type="client_credentials", client_id="by-file", client_secret="a-secret-in-a-file"))).status == 200
    (place / name).chmod(0o600)
    raw.wait_until(lambda: health(server) == "ok", NOTICE_S + SLACK_S, "it is used again")
    record_property("seen", f"{name}: {len(OPEN_MODES)} modes refused, {len(CLOSED_MODES)} taken")


SWAPS = 100


def test_link_that_is_swapped_while_it_is_read(serve, places, record_property):
    """The rights that count are those of the file that is open, whatever its name leads to a moment later."""
    place = places(LMDB, PLAIN)
    keys = {name: p256() for name in ("closed", "open")}
    for name, mode in (("closed", 0o600), ("open", 0o644)):
        write(place / name, pem(keys[name]), mode)
    (place / "key.pem").unlink()
    (place / "key.pem").symlink_to("closed")
    server = serve(place=place)
    closed = jwk.JWK.from_pem(public_pem(keys["closed"]).encode()).thumbprint()
    over = threading.Event()

    def swap():
        while not over.is_set():
            for target in ("open", "closed"):
                (place / "link").symlink_to(target)
                (place / "link").rename(place / "key.pem")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(SWAPS):
            server.popen.send_signal(signal.SIGHUP)
            assert set(published(server)) == {closed}
            assert verified(new_token(server), published(server))[0] == closed
            time.sleep(0.01)
    finally:
        over.set()
        thread.join()
    loaded, refused = len(server.log("config.loaded")), len(rejections(server))
    assert loaded > 5 and refused > 5, "the test swaps too seldom to show anything"
    record_property("seen", f"link swapped over {loaded + refused} loads: never the open file")


# The clock

JUMPS = {
    "1 hour ahead": HOUR_S,
    "1 hour back": -HOUR_S,
    "half an hour back": -HOUR_S // 2,
    "10 years ahead": 10 * 365 * 24 * HOUR_S,
    "to 1970": None,
    "past 2038": (2**31 + 86400) - int(time.time()),
    "past 2106": (2**32 + 86400) - int(time.time()),
    "a leap second": -1,
}
LIFETIME_S = 300


class Clock:
    """The wall clock of one place."""

    def __init__(self, place):
        self.path = place / "shift"
        self.shift_s = 0
        self.ahead = False     # or was it ever
        self.before = preload(place, "clock", CLOCK_SHIFT=self.path)

    def set(self, shift_s):
        self.shift_s = shift_s
        self.ahead = self.ahead or shift_s > 0
        write(self.path, str(shift_s))

    def now(self):
        return int(time.time()) + self.shift_s

    def assertion(self, lifetime_s=120):
        now = self.now()
        claims = {"exp": now + lifetime_s, "iat": now}
        text = jwts.assertion(SETTINGS, {"client": "es256", "key": "ec", "claims": claims})
        return raw.token_request(form(grant_type="client_credentials", client_assertion_type=jwts.ASSERTION_TYPE,
                                      client_assertion=text))


def check_times(server, clock):
    """A token says what the wall clock says, and so does the log."""
    _, claims = verified(new_token(server), published(server))
    assert abs(claims["iat"] - clock.now()) <= 2 and claims["exp"] == claims["iat"] + LIFETIME_S, claims
    line = server.log("token.issued")[-1]
    logged = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
    assert abs(logged - clock.now()) <= 2 and 0 < line["duration_us"] < 10**7


@pytest.mark.parametrize("jump", JUMPS)
def test_clock_that_jumps(serve, places, jump, record_property):
    """There and back: nothing that was used or revoked is good again, and no deadline moves."""
    place = places(LMDB, CONFIG + STATE + "throttle: {failures: 2}\n")
    clock = Clock(place)
    server = serve(place=place, before=clock.before)
    check_times(server, clock)
    used, token = clock.assertion(), new_token(server)
    assert statuses(server, used, revoke_request(token)) == [200, 200]
    waiting, idle = raw.connect(server.address), raw.connect(server.address)
    request = secret_request()
    waiting.sendall(request[:-10])
    time.sleep(0.1)

    clock.set(10 - int(time.time()) if JUMPS[jump] is None else JUMPS[jump])
    check_times(server, clock)
    assert statuses(server, used) == [401] and not introspect(server, token)
    fresh = clock.assertion()
    assert statuses(server, fresh, fresh, *3 * [wrong_request(source="192.0.2.1")]) == [200, 401, 401, 401, 429]
    waiting.sendall(request[-10:])
    assert raw.receive(waiting).status == 200, "it was not cut off"
    idle.sendall(raw.get_request("/health"))
    assert raw.receive(idle).status == 200

    clock.set(0)
    check_times(server, clock)
    assert statuses(server, used, fresh) == [401, 401] and not introspect(server, token)
    # What may have been forgotten counts as used: all that expires no later than what was removed, by a clock ahead.
    again = clock.assertion(240 if clock.ahead else 120)
    assert statuses(server, again, again) == [200, 401]
    answer = raw.exchange(server.address, wrong_request(source="192.0.2.1"))
    assert answer.status == 401 or int(answer.headers["retry-after"]) <= 65, "nobody is shut out for years"
    assert len(server.children()) == 1 and not server.log("worker.ended")
    record_property("seen", f"{jump}: right times, nothing good again")


# The disk

def test_disk_with_errors(serve, places, record_property):
    """EIO from each write and sync: what needs the store is refused, all else is served; then it works again."""
    place = places(LMDB, CONFIG + STATE)
    server = serve(place=place, workers=2, before=preload(place, "broken_disk", BROKEN_DISK=place / "state"))
    used = assertion_request()
    token = token_of(raw.exchange(server.address, secret_request()))
    assert statuses(server, used) == [200]
    (place / "state.broken").touch()
    refused = assertion_request()
    for request in (refused, proof_request(), revoke_request(token)):
        unavailable(server, request)
    assert statuses(server, secret_request(), raw.get_request("/jwks"), raw.get_request("/health")) == 3 * [200]
    assert raw.exchange(server.address, used).status in (401, 503)
    (place / "state.broken").unlink()
    assert statuses(server, refused, refused, used, proof_request()) == [200, 401, 401, 200]
    assert statuses(server, revoke_request(token)) == [200] and not introspect(server, token)
    assert not server.log("worker.ended")
    record_property("seen", "EIO: 503, no token; works again at once")


FULL = 100      # refused in a row; even then an entry may come to a page of the map that has room for it
TRIES = 20


def fill(server, make, taken):
    """How many requests it took; one that is taken has this status."""
    in_a_row = count = 0
    while in_a_row < FULL and count < 5000:
        status = raw.exchange(server.address, make(count)).status
        assert status in (taken, 503)
        in_a_row = in_a_row + 1 if status == 503 else 0
        count += 1
    assert in_a_row == FULL, count
    return count


def refused_when_full(server, make, once=True):
    """Those of some requests that are refused, which are most; what is granted was written down, if it may be once."""
    refused = []
    for _ in range(TRIES):
        request = make()
        answer = raw.exchange(server.address, request)
        if answer.status == 200:
            assert not once or raw.exchange(server.address, request).status != 200
        else:
            assert (answer.status, json.loads(answer.body)["error"]) == (503, "temporarily_unavailable")
            refused.append(request)
    assert len(refused) > TRIES / 2
    return refused


def test_full_map(serve, places, record_property):
    """LMDB's map is full: nothing is granted unchecked, and the numbers tell; a larger one has all that was in it."""
    counting = "throttle: {failures: 1000000, address_failures: 0}\n"
    place = places(LMDB, CONFIG + STATE + ON + counting)
    small = preload(place, "small_map")
    server = serve(place=place, before=small)
    used, token = assertion_request(), token_of(raw.exchange(server.address, secret_request()))
    assert statuses(server, used, revoke_request(token)) == [200, 200]
    guesses = fill(server, lambda number: wrong_request(f"nobody-{number}"), 401)
    refused_when_full(server, secret_request, once=False)
    server.end()
    # What is used once is refused for its own sake, too: where no attempts are counted before.
    text = (place / "oauth2.yaml").read_text()
    write(place / "oauth2.yaml", text.replace(counting, "throttle: {failures: 0, address_failures: 0}\n"))
    server = serve(place=place, before=small)
    more = [new_token(server) for _ in range(TRIES)]
    fill(server, lambda _: assertion_request(), 200)
    refused = refused_when_full(server, assertion_request)[-1]
    refused_when_full(server, proof_request)
    refused_when_full(server, lambda: revoke_request(more.pop()), once=False)
    assert statuses(server, used) == [401] and not introspect(server, token)
    assert statuses(server, raw.get_request("/jwks"), raw.get_request("/health")) == [200, 200]
    assert all("full" in line["reason"] for line in server.log("token.denied") if line["status"] == 503)
    told = sum(scrape(server).all("state_store_errors_total").values())
    assert told >= TRIES and not server.log("worker.ended")
    server.end()
    server = serve(place=place)
    assert statuses(server, used, refused, refused, secret_request()) == [401, 200, 401, 200]
    assert not introspect(server, token)
    record_property("seen", f"map full after {guesses}: 503, {told} in the metrics, nothing forgotten")


FORMAT = b"\x00\xff\x01"    # the format's entry: its key, and its value behind it


def patched(place, number):
    """The table's format as another version writes it."""
    data = place / "state" / "data.mdb"
    content = data.read_bytes()
    assert content.count(FORMAT) >= 1, "the table is kept in another way; the test must be told"
    data.write_bytes(content.replace(FORMAT, FORMAT[:2] + bytes([number])))
    return content


@pytest.mark.parametrize("number", [0, 2], ids=["older", "newer"])
def test_store_of_another_version(serve, build, places, number):
    """It is refused, not read as if it were ours; put back, nothing is forgotten."""
    place = places(LMDB, CONFIG + STATE)
    server = serve(place=place)
    used, token = assertion_request(), token_of(raw.exchange(server.address, secret_request()))
    assert statuses(server, used, revoke_request(token)) == [200, 200]
    server.end()
    ours = patched(place, number)
    server = serve(place=place)
    for request in (used, assertion_request(), proof_request(), revoke_request(token),
                    secret_request("resource-server", "/introspect", {"token": token})):
        unavailable(server, request)
    assert statuses(server, secret_request(), raw.get_request("/jwks")) == [200, 200]
    assert any("another version" in line.get("reason", "") for line in server.log())
    told = subprocess.run([build / "oauth2-admin", "-c", place / "oauth2.yaml", "state"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert told.returncode == 1 and "another version" in told.stderr
    server.end()
    (place / "state" / "data.mdb").write_bytes(ours)
    server = serve(place=place)
    assert statuses(server, used) == [401] and not introspect(server, token)


# Peers

def reset(connection):
    """Closed by RST, whatever is under way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_peers_that_reset(serve, record_property):
    """Before, in and after a request, before and after its answer; others do not notice."""
    server = serve(CONFIG + STATE, port=free_port())
    worker = server.children()
    request = secret_request(keep=True)
    moments = {"at once": 0, "in the request": len(request) // 2, "before the answer": len(request)}
    for moment, length in moments.items():
        for pause in (0, 0.02):
            for _ in range(10):
                connection = raw.connect(server.address)
                connection.sendall(request[:length])
                time.sleep(pause)
                reset(connection)
                assert statuses(server, secret_request()) == [200], moment
    for _ in range(10):
        connection = raw.connect(server.address)
        connection.sendall(request)
        assert raw.receive(connection).status == 200
        reset(connection)
        assert statuses(server, secret_request()) == [200]
    assert server.children() == worker
    record_property("seen", "70 RST at 4 moments: nobody else noticed")


def test_abort_uses_nothing_up(serve, record_property):
    """A request that is not whole, or aborted, gives no token and leaves its assertion as it is."""
    server = serve(CONFIG + STATE)
    worker = server.children()
    for whole in (False, True):
        # In records of 100 bytes; the last ones are the rest of the body, and its end.
        request = assertion_request(chunk=100)
        rest = raw.record(raw.STDIN)
        assert request.endswith(rest)
        part = request if whole else request[:-len(rest)]
        with raw.connect(server.address) as connection:
            connection.sendall(part + raw.record(raw.ABORT))
            assert raw.is_closed(connection)
        assert statuses(server, request, request) == [200, 401]
    # Whoever is gone before the answer has used it up: the token was signed.
    gone = assertion_request()
    issued = len(server.log("token.issued"))
    connection = raw.connect(server.address)
    connection.sendall(gone)
    connection.close()
    raw.wait_until(lambda: len(server.log("token.issued")) == issued + 1, SLACK_S, "it is logged")
    assert statuses(server, gone) == [401]
    assert [line["reason"] for line in server.log("connection.closed")] == 2 * ["not FastCGI or unsafe"]
    assert server.children() == worker
    record_property("seen", "2 aborts, 1 peer gone: jti used up only with its token; logged")


# Random bytes

def start_without(serve, places, mode):
    """A server whose next worker finds no random bytes; the file that says so."""
    place = places(LMDB, CONFIG + STATE)
    server = serve(place=place, before=preload(place, "no_random", NO_RANDOM=place / "none"))
    assert statuses(server, secret_request(), assertion_request()) == [200, 200]
    switch = place / ("none" + mode)
    switch.touch()
    old, = server.children()
    os.kill(old, signal.SIGKILL)
    raw.wait_until(lambda: server.children() not in ([], [old]), NOTICE_S + SLACK_S, "it is replaced")
    return server, switch


def test_no_random_bytes(serve, places, record_property):
    """No token, no other source; it works again by itself."""
    server, switch = start_without(serve, places, "")
    refused = assertion_request()
    for _ in range(3):
        for request in (secret_request(), refused, proof_request()):
            unavailable(server, request)
    assert any("random" in line["reason"] for line in server.log("request.denied")), server.log()[-1]
    switch.unlink()
    raw.wait_until(lambda: statuses(server, secret_request()) == [200], 2 * NOTICE_S + SLACK_S, "it works again")
    record_property("seen", "no random bytes: 9 of 9 answered 503, no token")


def test_random_bytes_that_do_not_come(serve, places, record_property):
    """As long as the kernel makes it wait there is no answer, and then a good one."""
    server, switch = start_without(serve, places, ".wait")
    with raw.connect(server.address) as connection:
        connection.sendall(secret_request())
        connection.settimeout(1)
        with pytest.raises(socket.timeout):
            connection.recv(1)
        switch.unlink()
        connection.settimeout(START_S)
        assert raw.receive(connection).status == 200
    record_property("seen", "random bytes late: no answer before they come")


# Many processes

JTIS = 100


def test_every_process_has_its_own_random_numbers(serve, record_property):
    """16 workers of one program, started anew in between: no jti and no request id comes twice."""
    server = serve(CONFIG + STATE, workers=16)
    jtis, ids = [], []
    for _ in range(2):
        for connection in connection_to_each(server, 16):
            for number in range(JTIS):
                connection.sendall((secret_request if number % 10 else assertion_request)(keep=True))
                answer = raw.receive(connection)
                claims = json.loads(jwts.unb64(token_of(answer).split(".")[1]))
                jtis.append(claims["jti"])
                ids.append(answer.headers["x-request-id"])
            connection.close()
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
        raw.wait_until(lambda: len(server.log("worker.ended")) >= 16 and len(server.children()) == 16, START_S,
                       "all are replaced")
    assert len(set(jtis)) == len(jtis) == 32 * JTIS
    assert len(set(ids)) == len(ids)
    record_property("seen", f"{len(jtis)} jti of 32 processes, all different")


# The log

LINES = 400         # more than a pipe takes
BLOCKED = 21        # requests whose times count
BLOCKED_S = 0.1     # what a line that nobody takes may cost, and what a request costs without it
MOST_S = 1          # and what the slowest may take, on a machine that is busy


def took(server, request):
    begin = time.monotonic()
    assert raw.exchange(server.address, request).status == 200
    return time.monotonic() - begin


def check_held_up(times, usual):
    """What the log costs most requests, and the slowest: in seconds, more than usual."""
    median, most = statistics.median(times) - statistics.median(usual), max(times)
    assert median < 1.5 * BLOCKED_S and most < MOST_S, (sorted(times), sorted(usual))
    return median, most


def test_log_that_nobody_reads(serve, places, record_property):
    """Lines are lost, no request is, and none is held up for more than a tenth of a second."""
    place = places(LMDB, PLAIN + "log: {file: log}\n")
    os.mkfifo(place / "log", 0o600)
    reader = os.open(place / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        server = serve(place=place)
        usual = []
        while len(usual) < LINES and (len(usual) < 2 or min(usual[-2:]) < 0.09):
            usual.append(took(server, secret_request()))
        median, most = check_held_up([took(server, secret_request()) for _ in range(BLOCKED)], usual)
        lines = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(reader, 65536):
                lines += part
        assert lines.endswith(b"}\n") and all(json.loads(line) for line in lines.splitlines()), "whole lines only"
        assert len(lines.splitlines()) < len(usual) + BLOCKED, "none was lost: the log was not blocked"
        mark = new_token(server)
        assert json.loads(jwts.unb64(mark.split(".")[1]))["jti"] in os.read(reader, 65536).decode(), "it goes on"
    finally:
        os.close(reader)
    record_property("seen", f"blocked log: all served, {1000 * median:+.0f} ms each, {1000 * most:.0f} ms at most")


def test_log_without_room(serve, places, record_property):
    usual = [took(server, secret_request()) for server in [serve(workers=2)] for _ in range(50)]
    place = places(LMDB, PLAIN + "log: {file: /dev/full}\n")
    server = serve(place=place, workers=2)
    times = [took(server, secret_request()) for _ in range(50)]
    check_held_up(times, usual)
    server.end()
    # A limit of what a process may write is another way to be full.
    place = places(LMDB, PLAIN + "log: {file: log}\n")
    server = serve(place=place, workers=2, before=["sh", "-c", 'ulimit -f 8 && exec "$0" "$@"'])
    times += [took(server, secret_request()) for _ in range(LINES)]
    assert (place / "log").stat().st_size <= 8192 and len(server.children()) == 2
    assert not server.log("worker.ended")
    median, most = check_held_up(times[-LINES // 2:], usual)
    record_property("seen", f"full log: {len(times)} of {len(times)} served, {1000 * median:+.0f} ms each, "
                            f"{1000 * most:.0f} ms at most")


# The environment

WINDOW_S = 300
HOSTILE = {
    "nothing": {},
    "Turkish": {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr"},
    "no such language": {"LC_ALL": "\xff\xfe", "LANG": "C" * 1000},
    "another time zone": {"TZ": ":/etc/passwd", "PATH": ""},
    "128 KB": {f"V{number}": "x" * 1020 for number in range(128)},
    "one large": {"V": "x" * 130000},
    "proxies": {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "REMOTE_USER": "client"},
    "for libraries": {"OPENSSL_CONF": "/dev/null", "SSL_CERT_FILE": "/nowhere", "MALLOC_PERTURB_": "85",
                      "LIBFCGI_OS_CLOSE_POLL_TIMEOUT": "60000", "FCGI_WEB_SERVER_ADDRS": "192.0.2.1"},
}
REUSED = PLAIN.replace("scopes: {email: }", f"scopes: {{email: }}\naccess_token: {{lifetime: 3600, reuse: {WINDOW_S}}}")


def ed25519_place(places, text):
    """Ed25519 signatures are the same each time."""
    place = places(LMDB, text)
    write(place / "key.pem", pem(ed25519.Ed25519PrivateKey.generate()), 0o600)
    return place


def answers_of(server):
    """What it says to some requests, but for the request's id."""
    requests = {"token": secret_request(), "wrong": wrong_request(), "jwks": raw.get_request("/jwks"),
                "metadata": raw.get_request("/.well-known/oauth-authorization-server"),
                "none": raw.get_request("/nothing"), "type": raw.token_request(CONTENT_TYPE="TEXT/PLAIN"),
                "case": raw.token_request(secret_body(), CONTENT_TYPE="APPLICATION/X-WWW-FORM-URLENCODED"),
                "half": raw.token_request(b"grant_type=client%5Fcredentials%")}
    found = {}
    for name, request in requests.items():
        answer = raw.exchange(server.address, request)
        body = re.sub(rb'"expires_in":\d+', b'"expires_in":0', answer.body)
        found[name] = (answer.status, re.sub(rb"(?i)x-request-id: \S+", b"", answer.head), body)
    assert found["token"][0] == found["case"][0] == 200
    return found


def secret_body():
    return form(grant_type="client_credentials", client_id=CLIENT, client_secret=SECRETS[CLIENT])


def await_window():
    """Room enough for this test before the next window begins."""
    if (left := WINDOW_S - time.time() % WINDOW_S) < 20:
        time.sleep(left + 0.1)


def test_hostile_environment(serve, places, record_property):
    """The same bytes come out, the token's too."""
    await_window()
    place = ed25519_place(places, REUSED)
    usual = None
    for name, environment in HOSTILE.items():
        server = serve(place=place, workers=2, env=environment)
        found = answers_of(server)
        usual = usual or found
        assert found == usual, name
        assert server.end()[0] == 0
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        server = serve(place=place, workers=2, before=["sh", "-c", f'exec "$0" "$@" {closed}'])
        assert answers_of(server) == usual, closed
        for pid in (server.pid, *server.children()) if os.geteuid() == 0 else ():
            for digit in re.findall(r"(\d)[<>]", closed):
                assert os.readlink(f"/proc/{pid}/fd/{digit}") == "/dev/null"
        assert server.end()[0] == 0
    record_property("seen", f"{len(HOSTILE) + 4} environments: the same bytes")


def test_hostile_environment_of_cgi(build, places):
    await_window()
    place = ed25519_place(places, REUSED)
    usual = None
    for name, environment in HOSTILE.items():
        body = secret_body()
        request = {name: value for name, value in raw.token_variables(body).items() if name != "SCRIPT_NAME"}
        done = subprocess.run([build / "oauth2.fcgi", "--config", place / "oauth2.yaml"], input=body, timeout=60,
                              capture_output=True, check=False, env={**environment, **request})
        answer = raw.Answer(done.stdout)
        token = token_of(answer)
        usual = usual or token
        assert (done.returncode, answer.status, token) == (0, 200, usual), name
