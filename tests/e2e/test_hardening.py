# SPDX-License-Identifier: MIT
"""What the program gives up: rights, its memory to others, system calls; while all that it has to do still works."""

import contextlib
import ctypes
import errno
import json
import os
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import rawfcgi as raw
import servers
from test_faults import preload
from test_hash_gate import LONG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, QUICK, SECCOMP_MODE_FILTER, prctl
from test_process import Server, cpu_seconds
from test_races import (CONFIG, LMDB, STATE, assertion_request, introspect, places, proof_request, redis,
                        revoke_request, secret_request, start, statuses, token_of)

__all__ = ["places", "redis", "start"]

SLOW_S = 30     # for a hash, and for what is preloaded
RIGHT, WRONG = "correct+horse", "wrong"
FILTERED = "2"
TEXT = CONFIG + """\
  person: {scopes: [email], secrets: [{hash: "HASH"}]}
endpoints: {metrics: true}
include: [more/*.yaml]
"""
MORE = "clients: {another: {scopes: [email]}}\n"


def config(hash_text, more=STATE):
    return TEXT.replace("HASH", hash_text) + more


def person_request(secret):
    return raw.token_request(f"grant_type=client_credentials&client_id=person&client_secret={secret}".encode())


def status_of(pid):
    """What the kernel says of a process: {name: value}."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(re.split(r":\s*", line, maxsplit=1) for line in lines)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def hashing(server, workers):
    """The process that hashes for one of the workers."""
    with raw.connect(server.address, SLOW_S) as connection:
        connection.sendall(person_request(WRONG))
        hasher, = raw.wait_until(lambda: [child for worker in workers for child in children(worker)], SLOW_S,
                                 "a hash is running")
        yield hasher


def workers_of(server, count):
    return raw.wait_until(lambda: len(server.children()) == count and server.children(), 5, f"{count} workers")


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# What a process is

def check_rights(pid):
    """It gets no rights by what it starts, and leaves no core."""
    assert status_of(pid)["NoNewPrivs"] == "1", pid
    limit = re.search(r"^Max core file size +(\S+) +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.M)
    assert limit.groups() == ("0", "0"), pid


def await_filter(server, count=2):
    """All workers have begun to serve, and are filtered."""
    raw.wait_until(lambda: {status_of(pid)["Seccomp"] for pid in workers_of(server, count)} == {FILTERED}, 5,
                   "all workers are filtered")


def test_supervised(start):
    """All are without new rights; workers, and what they fork, are filtered."""
    server = start(LMDB, 2, config(LONG))
    workers = workers_of(server, 2)
    with hashing(server, workers) as hasher:
        for pid in (server.pid, *workers, hasher):
            check_rights(pid)
        await_filter(server)
        assert (status_of(server.pid)["Seccomp"], status_of(hasher)["Seccomp"]) == ("0", FILTERED)
        os.kill(workers[0], signal.SIGKILL)
        raw.wait_until(lambda: workers[0] not in workers_of(server, 2), 5, "it is replaced")
        await_filter(server)
    assert not server.log("sandbox.unavailable")


def test_started_by_a_web_server(build, places):
    """One worker, that has no supervisor."""
    place = places(LMDB, config(LONG))
    address = place / "oauth2.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(16)
        server = Server([str(build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml")], place, address,
                        stdin=listener)
    with ended(server.popen), hashing(server.ready(), [server.pid]) as hasher:
        for pid in (server.pid, hasher):
            check_rights(pid)
            assert status_of(pid)["Seccomp"] == FILTERED


def start_cgi(program, place, **options):
    """A CGI program that waits for the rest of its request."""
    variables = {"REQUEST_METHOD": "POST", "PATH_INFO": "/token", "CONTENT_LENGTH": "100"}
    return subprocess.Popen([program, "--config", place / "oauth2.yaml"], env=variables, stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def test_cgi(build, places):
    """Not filtered: it ends with its request."""
    place = places(LMDB)
    with start_cgi(build / "oauth2.fcgi", place) as process, ended(process):
        raw.wait_until(lambda: status_of(process.pid)["NoNewPrivs"] == "1", SLOW_S, "it has begun")
        check_rights(process.pid)
        assert status_of(process.pid)["Seccomp"] == "0"


def give_away(place):
    """To a user without rights, if we are root: what root starts belongs to root in any case."""
    user = servers.server_user()
    if user is None:
        return {}
    for path in (place, *place.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture
def given_away(build, places):
    """A program and a configuration for somebody without rights; and the options for Popen."""
    place = places(LMDB, config(LONG))
    program = place / "oauth2.fcgi"
    shutil.copy(build / "oauth2.fcgi", program)
    return program, place, give_away(place)


def is_closed(pid):
    """Are its files there not its user's?  Then no other process of this user can look into it."""
    owner = int(status_of(pid)["Uid"].split()[0])
    return os.stat(f"/proc/{pid}/environ").st_uid != owner


def test_closed_to_others_of_its_user(given_away):
    program, place, options = given_away
    with start_cgi(program, place, **options) as process, ended(process):
        raw.wait_until(lambda: is_closed(process.pid), SLOW_S, "a CGI program is closed")
    address = place / "oauth2.sock"
    server = Server([str(program), "--config", str(place / "oauth2.yaml"), "--listen", str(address), "--workers", "1"],
                    place, address, stdin=subprocess.DEVNULL, **options)
    with ended(server.popen):
        workers = workers_of(server.ready(), 1)
        with hashing(server, workers) as hasher:
            assert all(is_closed(pid) for pid in (server.pid, *workers, hasher))
    with subprocess.Popen(["sleep", "60"], **options) as process, ended(process):
        assert not is_closed(process.pid), "this shows nothing"


# Calls that have another number on each kind of machine
SYS_ACCEPT4 = {"x86_64": 288, "i686": 364, "aarch64": 242, "riscv64": 242, "armv7l": 366, "ppc64le": 344, "s390x": 364}
SYS_SECCOMP = {"x86_64": 317, "i686": 354, "aarch64": 277, "riscv64": 277, "armv7l": 383, "ppc64le": 358, "s390x": 348}


def refuse(numbers):
    """As a container that keeps a call from its processes: load the call's number; if it is this one, EPERM."""
    steps = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, numbers[platform.machine()],
                        0x06, 0, 0, 0x00050000 | errno.EPERM, 0x06, 0, 0, 0x7fff0000)
    memory = ctypes.create_string_buffer(steps)
    program = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(memory)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program))


def test_without_seccomp(build, places):
    """It serves all the same, and says so once."""
    place = places(LMDB)
    address = place / "oauth2.sock"
    server = Server([str(build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"), "--listen", str(address),
                     "--workers", "4"], place, address, stdin=subprocess.DEVNULL,
                    preexec_fn=lambda: refuse(SYS_SECCOMP))
    with ended(server.popen):
        os.kill(workers_of(server.ready(), 4)[0], signal.SIGKILL)
        raw.wait_until(lambda: server.log("worker.ended"), 5, "one is replaced")
        assert statuses(server, *[secret_request()] * 20) == [200] * 20
        assert server.end()[0] == 0
    line, = server.log("sandbox.unavailable")
    assert (line["level"], "seccomp" in line["message"]) == ("warning", True)


def test_without_accept(build, places):
    """It tries again now and then; it does not turn in circles."""
    place = places(LMDB)
    address = place / "oauth2.sock"
    server = Server([str(build / "oauth2.fcgi"), "--config", str(place / "oauth2.yaml"), "--listen", str(address),
                     "--workers", "1"], place, address, stdin=subprocess.DEVNULL,
                    preexec_fn=lambda: refuse(SYS_ACCEPT4))
    with ended(server.popen):
        raw.wait_until(address.exists, SLOW_S, "it listens")
        worker, = workers_of(server, 1)
        with raw.connect(address):
            time.sleep(0.5)
            before = cpu_seconds(worker)
            time.sleep(1)
            assert cpu_seconds(worker) - before < 0.1
        assert server.end()[0] == 0


# What it does

def request_all(server):
    """A request of each kind."""
    assert statuses(server, person_request(RIGHT), person_request(WRONG)) == [200, 401]
    token = token_of(raw.exchange(server.address, secret_request()))
    assert introspect(server, token)
    assert statuses(server, revoke_request(token), proof_request(), assertion_request(),
                    raw.get_request("/jwks"), raw.get_request("/metrics"), raw.get_request("/health"),
                    raw.get_request("/nothing")) == [200] * 6 + [404]
    assert not introspect(server, token)


def change_files(server, pid):
    """Have it load anew what was changed, removed and added; the log and the state, too."""
    def health_is(word):
        return word in raw.exchange(server.address, raw.get_request("/health")).body
    (server.place / "more").mkdir(exist_ok=True)
    (server.place / "more/clients.yaml").write_text(MORE)
    text = server.place / "oauth2.yaml"
    text.write_text(text.read_text().replace("log: {}", "log: {file: log}"))
    os.kill(pid, signal.SIGHUP)
    log = server.place / "log"
    raw.wait_until(log.exists, SLOW_S, "the log is in its file")
    log.rename(server.place / "log.1")
    raw.wait_until(log.exists, SLOW_S, "there is a new log")
    for path in server.place.glob("state/*"):
        path.unlink()
    good = text.read_text()
    for now, word in ((good + "wrong: true\n", b"degraded"), (good, b"ok")):
        text.write_text(now)
        os.kill(pid, signal.SIGHUP)
        raw.wait_until(lambda: health_is(word), SLOW_S, f"its health is {word}")


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_nothing_needed_is_refused(start, redis, tmp_path, monkeypatch, kind):
    """Whatever a worker has to do, it does without any call that is not let through."""
    refused = tmp_path / "refused"
    # LeakSanitizer has calls of its own.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    # By name: the resolver has calls of its own.
    state = LMDB if kind == "lmdb" else redis.url.replace("127.0.0.1", "localhost")
    server = start(state, 1, config(QUICK, STATE + "log: {}\n"), before=preload(tmp_path, "refused", REFUSED=refused))
    await_filter(server, 1)
    worker, = server.children()
    request_all(server)
    change_files(server, server.pid)
    request_all(server)
    events = [json.loads(line)["event"] for line in (server.place / "log").read_text().splitlines()]
    assert "token.issued" in events
    os.kill(server.pid, signal.SIGTERM)
    assert server.popen.wait(SLOW_S) == 0
    # One call that was tried, to see that it is noted, and no other.
    (process, _, *tried), *others = [line.split() for line in refused.read_text().splitlines()]
    assert (int(process), tried, others) == (worker, ["tried"], [])
    assert not server.log("worker.ended")


# Files that are none

def test_log_that_nobody_reads(build, places):
    """A FIFO in the log's place: whoever opens it to write waits for a reader, if he may."""
    place = places(LMDB, config(QUICK, STATE + "log: {file: log}\n"))
    os.mkfifo(place / "log")
    command = [build / "oauth2.fcgi", "--config", place / "oauth2.yaml"]
    result = subprocess.run([*command, "--listen", place / "oauth2.sock"], stdin=subprocess.DEVNULL, text=True,
                            capture_output=True, timeout=SLOW_S, check=False)
    assert (result.returncode, "log.file names cannot be opened" in result.stderr) == (1, True), result.stderr
    result = subprocess.run(command, env={"REQUEST_METHOD": "GET", "PATH_INFO": "/health"}, timeout=SLOW_S,
                            stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert result.stdout.startswith(b"Status: 503 ")


def test_log_replaced_by_what_nobody_reads(start):
    server = start(LMDB, 1, config(QUICK, STATE + "log: {file: log}\n"))
    log = server.place / "log"
    log.rename(server.place / "log.1")
    os.mkfifo(server.place / "new")
    (server.place / "new").rename(log)
    raw.wait_until(lambda: "log.unavailable" in (server.place / "log.1").read_text(), SLOW_S, "it says so")
    assert statuses(server, *[secret_request()] * 3) == [200] * 3
