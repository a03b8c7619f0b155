# SPDX-License-Identifier: MIT
"""Slow hashes: how many run at once, who waits for one and how long, and that nobody else does."""

import base64
import contextlib
import ctypes
import errno
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote_plus

import pytest

import rawfcgi as raw
import servers
from test_process import (check_token, config_text, digest, keys, place, run_cgi, start, unread_bytes,   # noqa: F401
                          write)

PASSWORD = "correct horse"
# bcrypt of PASSWORD: about 60 ms, an eighth of a second, a second, and four.
SHORT = "$2y$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu"
QUICK = "$2y$11$abcdefghijklmnopqrstuuJTN457r0dtu1UoHjOqLuxwe4RRV9kEC"
LONG = "$2y$14$abcdefghijklmnopqrstuuVjy3WfYsef9X9ig7GWAQsq.R8VvWccC"
VERY_LONG = "$2y$16$abcdefghijklmnopqrstuuN1zDYnS8knH.5ajGV9KBmCO0Lwk.8xm"
# Something else when it is form-decoded; and SHA-512 crypt of it, of some 20 ms.
TWO_FORMS = "correct+horse%25"
TWO_FORMS_HASH = ("$6$rounds=20000$abcdefgh$OrDblL5822imd1q"
                  ".NLEPxcpuhKvhPf.9IE6JN3/I/EjVk59ZLZaPjA8NP37eJL6ZbJw4vLbyNOA0GmDIB6no/1")
HASH_S = 30     # a hash of low priority on a busy machine
FLOOD_S = 3
STRANGERS = 8
WAIT_S = 2      # so long a request waits until it is its turn, if a failure costs LONG: twice that
NICE = 5        # of a process that hashes
WAITING = 64    # so many, in one process
SLACK_S = 1.5   # for a busy machine

PERSON = """\
  person:
    scopes: [orders]
    secrets: [{{hash: "{hash}"}}]
  former:
    enabled: false
    scopes: [orders]
    secrets: [{{hash: "{hash}"}}]
"""


def body(client, secret):
    return f"grant_type=client_credentials&client_id={client}&client_secret={secret}".encode()


WRONG = raw.token_request(body("person", "wrong"), keep=True)
RIGHT = raw.token_request(body("person", PASSWORD.replace(" ", "+")), keep=True)
GOOD = raw.token_request(keep=True)
# All that a slow hash would have to decide.
UNDECIDED = {
    "wrong": body("person", "wrong"),
    "right, not remembered": body("person", PASSWORD.replace(" ", "+")),
    "unknown": body("nobody", "wrong"),
    "disabled": body("former", PASSWORD.replace(" ", "+")),
    "wrong, of a digest": body("client", "wrong"),
}


@pytest.fixture
def configure(place, keys):
    def configure(hash_text):
        write(place / "oauth2.yaml", config_text(keys, PERSON.format(hash=hash_text)))
    return configure


def children(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def hashing(workers):
    """The processes that hash, of these workers."""
    return [child for worker in workers for child in children(worker)]


def lock_holders(pids):
    """Those of them that hold a lock of one byte."""
    found = re.findall(r"POSIX +ADVISORY +WRITE (\d+) \S+ (\d+) (\d+)", Path("/proc/locks").read_text())
    return {int(pid) for pid, first, last in found if first == last and int(pid) in pids}


def basic_request(client, secret):
    """As it is, not form-encoded."""
    text = base64.b64encode(f"{client}:{secret}".encode()).decode()
    return raw.token_request(b"grant_type=client_credentials", keep=True, HTTP_AUTHORIZATION=f"Basic {text}")


class Peer:
    """A kept connection."""

    def __init__(self, server):
        self.connection = raw.connect(server.address, HASH_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, request):
        self.connection.sendall(request)

    def answer(self):
        return raw.receive(self.connection)

    def ask(self, request):
        self.send(request)
        return self.answer()


def check_busy(answer, wait=WAIT_S):
    assert answer.status == 429, (answer.status, answer.body)
    assert answer.headers["retry-after"] == str(wait)
    assert b'"temporarily_unavailable"' in answer.body


def begin_hash(peer, workers, request=WRONG):
    """Have one of the workers hash; the process that does."""
    peer.send(request)
    return raw.wait_until(lambda: hashing(workers), HASH_S, "a hash is running")[0]


STOPPED = []    # processes, by the test that runs


@pytest.fixture(autouse=True)
def nothing_stays_stopped():
    yield
    while STOPPED:
        with contextlib.suppress(ProcessLookupError):
            let_go(STOPPED.pop())


def stop(process):
    os.kill(process, signal.SIGSTOP)
    STOPPED.append(process)


def hold(hasher):
    """Stop a process that hashes, however short its hash is, once its worker does not wait for it any more."""
    raw.wait_until(lambda: os.getpriority(os.PRIO_PROCESS, hasher) == NICE, HASH_S, "it has begun")
    stop(hasher)
    return hasher


def let_go(hasher):
    os.kill(hasher, signal.SIGCONT)


# One process

WAYS = {
    "supervised": lambda start: start.listen("--workers", "1"),
    "started by a web server": lambda start: start.inherit(),
}


def only_worker(server):
    """The one worker: the server itself, or its only child."""
    return (server.children() or [server.pid])[0]


def enter_peers(stack, server, count):
    return [stack.enter_context(Peer(server)) for _ in range(count)]


def answered(peers, within):
    """Those that an answer comes to within this time."""
    return select.select([peer.connection for peer in peers], [], [], within)[0]


def until_answered(peers):
    """Again and again, until an answer comes to one of them."""
    deadline = time.monotonic() + HASH_S
    while not answered(peers, 0.005):
        assert time.monotonic() < deadline, f"no answer within {HASH_S} s"
        yield


@pytest.mark.parametrize("way", WAYS)
def test_others_are_served_meanwhile(start, configure, keys, way):
    configure(LONG)
    server = WAYS[way](start).ready()
    worker = only_worker(server)
    with contextlib.ExitStack() as stack:
        stranger, other, *undecided = enter_peers(stack, server, 2 + len(UNDECIDED))
        hasher = hold(begin_hash(stranger, [worker]))
        check_token(other.ask(GOOD), keys)
        begin = time.monotonic()
        for peer, text in zip(undecided, UNDECIDED.values()):
            peer.send(raw.token_request(text, keep=True))
        for _ in until_answered(undecided):
            check_token(other.ask(GOOD), keys)
        assert WAIT_S - 0.1 < time.monotonic() - begin < WAIT_S + SLACK_S
        refusals = [peer.answer() for peer in undecided]
        assert hashing([worker]) == [hasher], "all that was asked while one hash was running"
        for refusal in refusals:
            check_busy(refusal)
        heads = {(re.sub(r"(?m)^X-Request-Id: .*$", "", refusal.head.decode()), refusal.body)
                 for refusal in refusals}
        assert len(heads) == 1, heads
        let_go(hasher)
        assert stranger.answer().status == 401
        # The gate is open again, and what was right is remembered.
        check_token(other.ask(RIGHT), keys, "person")
        hasher = begin_hash(stranger, [worker])
        check_token(other.ask(RIGHT), keys, "person")
        assert hashing([worker]) == [hasher]
        assert stranger.answer().status == 401
    lines = [line for line in server.log("token.denied") if line["status"] == 429]
    assert len(lines) == len(UNDECIDED)
    assert {line["reason"] for line in lines} == {"as many slow hashes of secrets as may run at once are running"}
    assert all(line["duration_us"] > (WAIT_S - 0.1) * 1e6 for line in lines)


def test_basic_in_two_forms(start, place, keys):
    """No hash is made for one form of a secret if the other is right without."""
    more = PERSON.format(hash=VERY_LONG)
    for client, hash_text in ("quick", "sha256:" + digest(TWO_FORMS)), ("slow", TWO_FORMS_HASH):
        more += f'  {client}:\n    scopes: [orders]\n    secrets: [{{hash: "{hash_text}"}}]\n'
    # First no failure costs more than the hash of `slow`.
    write(place / "oauth2.yaml", config_text(keys, more.replace(VERY_LONG, TWO_FORMS_HASH)))
    server = start.inherit().ready()
    with Peer(server) as stranger, Peer(server) as other:
        check_token(other.ask(basic_request("slow", TWO_FORMS)), keys, "slow")
        write(place / "oauth2.yaml", config_text(keys, more))
        reload(server, place)
        hasher = begin_hash(stranger, [server.pid])
        for client in "quick", "slow":
            check_token(other.ask(basic_request(client, TWO_FORMS)), keys, client)
            check_token(other.ask(basic_request(client, quote_plus(TWO_FORMS))), keys, client)
        assert hashing([server.pid]) == [hasher]
        other.send(basic_request("quick", TWO_FORMS + "+"))
        assert not answered([other], 0.5), "a wrong one waits"


def test_first_come_first_served(start, configure):
    configure(SHORT)
    server = start.listen("--workers", "1").ready()
    with contextlib.ExitStack() as stack:
        stranger, *others = enter_peers(stack, server, 6)
        begin_hash(stranger, [only_worker(server)])
        for other in others:
            other.send(WRONG)
            time.sleep(0.002)
        order, waiting = [], list(others)
        while waiting:
            ready = answered(waiting, HASH_S)
            assert ready, f"{len(waiting)} are not answered"
            order += [peer for peer in waiting if peer.connection in ready]
            waiting = [peer for peer in waiting if peer.connection not in ready]
        assert order == others
        assert {other.answer().status for other in others} == {401}
        assert stranger.answer().status == 401


def test_learned_meanwhile(start, configure, keys):
    """Whoever waits is answered when the secret has turned out right for another."""
    configure(QUICK)
    server = start.listen("--workers", "1").ready()
    worker = only_worker(server)
    with contextlib.ExitStack() as stack:
        first, stranger, *others = enter_peers(stack, server, 2 + 16)
        seen = {begin_hash(first, [worker], RIGHT)}
        stranger.send(WRONG)
        for other in others:
            other.send(RIGHT)
        for _ in until_answered([stranger]):
            seen.update(hashing([worker]))
        for peer in (first, *others):
            check_token(peer.answer(), keys, "person")
        assert stranger.answer().status == 401
    assert len(seen) == 2, "hashes: of the right secret, and of the wrong one"


def test_too_many_wait(start, configure, keys):
    """Those for whom there is no room are refused at once."""
    configure(LONG)
    server = start.listen("--workers", "1").ready()
    more = 6
    with contextlib.ExitStack() as stack:
        stranger, good, *others = enter_peers(stack, server, 2 + WAITING + more)
        hold(begin_hash(stranger, [only_worker(server)]))
        for other in others:
            other.send(WRONG)
        check_token(good.ask(GOOD), keys)
        for other in others:
            check_busy(other.answer())
    waits = sorted(line["duration_us"] for line in server.log("token.denied"))
    assert waits[more - 1] < 500000 and waits[more] > (WAIT_S - 0.1) * 1e6, waits


@pytest.mark.parametrize("hash_text, wait", [(LONG, 2), (VERY_LONG, 5)])
def test_patience(start, configure, hash_text, wait):
    """Twice the price of a failure, so that one that has begun does not use it up; five seconds at most."""
    configure(hash_text)
    server = start.listen("--workers", "1").ready()
    with Peer(server) as stranger, Peer(server) as other:
        hold(begin_hash(stranger, [only_worker(server)]))
        begin = time.monotonic()
        check_busy(other.ask(WRONG), wait)
        assert wait - 0.1 < time.monotonic() - begin < wait + SLACK_S


@pytest.mark.parametrize("count", [3, WAITING])
def test_peers_that_leave(start, configure, keys, count):
    """They take no place from others, and nothing is hashed for them."""
    configure(QUICK)
    server = start.listen("--workers", "1").ready()
    worker = only_worker(server)
    with Peer(server) as stranger, Peer(server) as person:
        hasher = hold(begin_hash(stranger, [worker]))
        for _ in range(count):
            with Peer(server) as other:
                other.send(WRONG)
        time.sleep(0.05)
        person.send(RIGHT)
        assert not answered([person], 0.1), "it waits for the hash under way, as those did who are gone"
        let_go(hasher)
        seen = {hasher}
        for _ in until_answered([person]):
            seen.update(hashing([worker]))
        check_token(person.answer(), keys, "person")
        assert stranger.answer().status == 401
    assert len(seen) == 2, "hashes: of the stranger who is still there, and of the right secret"
    assert [line["reason"] for line in server.log("connection.closed")] == count * ["peer gone"]


def test_stop_while_hashing(start, configure):
    configure(LONG)
    server = start.listen("--workers", "1").ready()
    with Peer(server) as stranger:
        begin_hash(stranger, server.children())
        server.popen.send_signal(signal.SIGTERM)
        assert stranger.answer().status == 401
        assert server.popen.wait(HASH_S) == 0


@pytest.mark.parametrize("hash_text, is_in_time", [(SHORT, True), (LONG, False)])
def test_stop_while_waiting(start, configure, keys, hash_text, is_in_time):
    configure(hash_text)
    server = start.listen("--workers", "1").ready()
    with Peer(server) as stranger, Peer(server) as person:
        hasher = begin_hash(stranger, server.children())
        if not is_in_time:
            hold(hasher)
        person.send(RIGHT)
        time.sleep(0.01)
        server.popen.send_signal(signal.SIGTERM)
        answer = person.answer()
        if is_in_time:
            check_token(answer, keys, "person")
        else:
            check_busy(answer)
            let_go(hasher)
        assert stranger.answer().status == 401
        assert server.popen.wait(HASH_S) == 0


def reload(server, place, *changes):
    """Load the configuration again, with something changed."""
    count = len(server.log("config.loaded"))
    text = (place / "oauth2.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    write(place / "oauth2.yaml", text)
    server.popen.send_signal(signal.SIGHUP)
    raw.wait_until(lambda: len(server.log("config.loaded")) > count, HASH_S, "it is loaded again")


def test_reload_while_waiting(start, configure, place, keys):
    """It is answered, by the new configuration."""
    configure(QUICK)
    server = start.inherit().ready()
    with Peer(server) as stranger, Peer(server) as former:
        begin_hash(stranger, [server.pid])
        former.send(raw.token_request(UNDECIDED["disabled"], keep=True))
        reload(server, place, ("    enabled: false\n", ""))
        check_token(former.answer(), keys, "former")
        assert stranger.answer().status == 401


def test_remembered_over_a_reload(start, configure, place, keys):
    """What is right stays right, without a hash; what the configuration forbids is refused."""
    configure(QUICK)
    server = start.inherit().ready()
    worker = server.pid
    with Peer(server) as person, Peer(server) as stranger:
        check_token(person.ask(RIGHT), keys, "person")
        reload(server, place, ("  person:", "  another:\n    scopes: []\n  person:"))
        hasher = begin_hash(stranger, [worker])
        check_token(person.ask(RIGHT), keys, "person")
        assert hashing([worker]) == [hasher]
        reload(server, place, ("  person:", "  person:\n    enabled: false"))
        assert person.ask(RIGHT).status == 401
        assert stranger.answer().status == 401
        reload(server, place, ("  person:\n    enabled: false", "  person:"))
        hasher = begin_hash(stranger, [worker])
        check_token(person.ask(RIGHT), keys, "person")
        assert hashing([worker]) == [hasher]
        reload(server, place, (f'secrets: [{{hash: "{QUICK}"}}]', f"secrets: [{{hash: 'sha256:{64 * '0'}'}}]"))
        assert person.ask(RIGHT).status == 401
        assert stranger.answer().status == 401


def test_hash_outlives_reloads(start, configure, place, keys):
    """Also one that takes longer than from one reload to the next, if nothing has changed for it."""
    configure(LONG)
    server = start.inherit().ready()
    worker = server.pid
    with Peer(server) as person:
        seen = {begin_hash(person, [worker], RIGHT)}
        reloads = 0
        for _ in until_answered([person]):
            reload(server, place)
            reloads += 1
            seen.update(hashing([worker]))
        check_token(person.answer(), keys, "person")
    assert reloads > 2 and len(seen) == 1


def test_reload_while_hashing(start, configure, place, keys):
    """Nothing that was found out for one configuration counts for the next."""
    configure(LONG)
    server = start.listen("--workers", "1").ready()
    worker = only_worker(server)
    with Peer(server) as person, Peer(server) as other:
        begin_hash(person, [worker], RIGHT)
        text = (place / "oauth2.yaml").read_text()
        write(place / "oauth2.yaml", text.replace("  person:", "  another:\n    scopes: []\n  person:")
              .replace(LONG, QUICK))
        server.popen.send_signal(signal.SIGHUP)
        raw.wait_until(lambda: server.log("config.loaded")[1:], HASH_S, "it is loaded again")
        check_token(other.ask(GOOD), keys)
        check_token(person.answer(), keys, "person")
        check_token(other.ask(RIGHT), keys, "person")


def test_killed_hash(start, configure, keys):
    configure(LONG)
    server = start.listen("--workers", "1").ready()
    with Peer(server) as person:
        os.kill(begin_hash(person, server.children(), RIGHT), signal.SIGKILL)
        answer = person.answer()
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        check_token(person.ask(RIGHT), keys, "person")
    assert not server.log("worker.ended")


# prctl(2), seccomp(2)
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 22, 36, 38
SECCOMP_MODE_FILTER = 2
SYS_CLOSE_RANGE = 436


def prctl(*numbers):
    assert ctypes.CDLL(None).prctl(*map(ctypes.c_ulong, numbers), *[ctypes.c_ulong(0)] * (5 - len(numbers))) == 0


def without_close_range():
    """As a kernel before Linux 5.9: load the call's number; if it is this one, ENOSYS; else go on."""
    steps = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, SYS_CLOSE_RANGE,
                        0x06, 0, 0, 0x00050000 | errno.ENOSYS, 0x06, 0, 0, 0x7fff0000)
    memory = ctypes.create_string_buffer(steps)
    program = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(memory)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program))


@pytest.mark.parametrize("kernel", [None, without_close_range])
def test_connections_end_while_one_hashes(start, configure, keys, kernel):
    """The process that hashes keeps none of the others open."""
    configure(VERY_LONG)
    server = start.listen("--workers", "1", preexec_fn=kernel).ready()
    worker = only_worker(server)
    with contextlib.ExitStack() as stack:
        stranger, *others = enter_peers(stack, server, 6)
        for other in others:
            check_token(other.ask(GOOD), keys)
        hasher = begin_hash(stranger, [worker])
        for other in others:
            check_token(other.ask(raw.token_request()), keys)
            assert raw.is_closed(other.connection)
        assert hashing([worker]) == [hasher]
        server.popen.kill()


def test_killed_worker_that_hashes(start, configure):
    """A supervisor that gets its workers' children, as the first process of a container does, tells of workers only."""
    configure(VERY_LONG)
    server = start.listen("--workers", "1", preexec_fn=lambda: prctl(PR_SET_CHILD_SUBREAPER, 1)).ready()
    worker = only_worker(server)
    with Peer(server) as stranger:
        hasher = begin_hash(stranger, [worker])
        os.kill(worker, signal.SIGKILL)
        raw.wait_until(lambda: not Path(f"/proc/{hasher}").exists(), 5, "the hash is gone")
        raw.wait_until(lambda: server.children() not in ([], [worker]), 5, "there is another worker")
    assert [line["pid"] for line in server.log("worker.ended")] == [worker]


# Several

def test_killed_worker(start, configure):
    """Its hash ends with it, and its place is for whoever waits."""
    configure(LONG)
    server = start.listen("--workers", "2").ready()
    with Peer(server) as stranger:
        workers = raw.wait_until(lambda: server.children()[1:] and server.children(), 5, "two workers")
        hasher = begin_hash(stranger, workers)
        (worker,) = lock_holders(workers)
        with Peer(server) as other:
            other.send(WRONG)
            os.kill(worker, signal.SIGKILL)
            assert stranger.answer() is None
            raw.wait_until(lambda: not Path(f"/proc/{hasher}").exists(), 5, "the hash is gone")
            assert other.answer().status == 401


def fill_up(stack, server):
    """Unfinished requests, until there are no descriptors for more; the last one waits for one."""
    peers = []
    while not peers or len(peers) < 60 and not unread_bytes(peers[-1].connection):
        peers += enter_peers(stack, server, 1)
        peers[-1].send(GOOD[:-1])
        with contextlib.suppress(AssertionError):
            raw.wait_until(lambda: not unread_bytes(peers[-1].connection), 0.3, "it is read")
    return peers


def leaves_new_ones(stack, server):
    """Does a worker that begins a hash while it takes nobody, for want of descriptors, leave them to others?"""
    first, other = raw.wait_until(lambda: server.children()[1:] and server.children(), 5, "two workers")
    stop(other)
    stranger, *_ = strangers = enter_peers(stack, server, 3)
    for peer in strangers:
        peer.send(WRONG[:-1])
    *crowd, last = fill_up(stack, server)
    for peer in crowd[:6]:
        peer.connection.close()
    stranger.send(WRONG[-1:])
    hasher = hold(raw.wait_until(lambda: hashing([first]), HASH_S, "a hash is running")[0])
    last.send(GOOD[-1:])
    left = not answered([last], 0.5)
    let_go(hasher)
    assert (stranger.answer().status, last.answer().status) == (401, 200)
    return left


def test_new_ones_are_left_to_others(start, configure, place):
    """Not if it begins to listen again just then, so there are some tries."""
    configure(LONG)
    with contextlib.ExitStack() as stack:
        assert any(leaves_new_ones(stack, start.listen("--workers", "2", at=place / f"{i}.sock", preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))).ready()) for i in range(3))


def test_processes_that_do_not_know_each_other(start, configure, keys):
    configure(LONG)
    server = start.inherit().ready()
    variables = {"CONTENT_LENGTH": str(len(UNDECIDED["wrong"]))}
    with Peer(server) as stranger:
        hasher = hold(begin_hash(stranger, [server.pid]))
        begin = time.monotonic()
        answer, status, _ = run_cgi(start, UNDECIDED["wrong"], **variables)
        check_busy(answer)
        assert status == 0
        assert WAIT_S - 0.1 < time.monotonic() - begin < WAIT_S + SLACK_S
        answer, _, _ = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)))
        check_token(answer, keys)
        let_go(hasher)
        assert stranger.answer().status == 401
    answer, _, _ = run_cgi(start, UNDECIDED["wrong"], **variables)
    assert answer.status == 401


def test_cgi_waits(start, configure, keys):
    configure(SHORT)
    server = start.inherit().ready()
    with Peer(server) as stranger:
        begin_hash(stranger, [server.pid])
        text = body("person", PASSWORD.replace(" ", "+"))
        answer, _, _ = run_cgi(start, text, CONTENT_LENGTH=str(len(text)))
        check_token(answer, keys, "person")
        assert stranger.answer().status == 401


def flood(server, until, answers, stop=None):
    while time.monotonic() < until and not (stop and stop.is_set()):
        answer = raw.exchange(server.address, WRONG, HASH_S)
        answers.append((answer.status, answer.headers.get("retry-after")))


def start_workers(start, count):
    """A server, and its workers."""
    server = start.listen("--workers", str(count)).ready()
    return server, raw.wait_until(lambda: len(server.children()) == count and server.children(), 5, "workers")


PLACES = [(2, 1), (4, 2), (5, 2)]


@pytest.mark.parametrize("count, places", PLACES)
def test_half_of_the_workers(start, configure, keys, count, places):
    """So many hash, and all that come then wait in vain, whichever worker takes them."""
    configure(LONG)
    server, workers = start_workers(start, count)
    held = set()
    with contextlib.ExitStack() as strangers:
        def is_full():
            strangers.enter_context(Peer(server)).send(WRONG)
            held.update(hold(hasher) for hasher in set(hashing(workers)) - held)
            return len(held) == len(lock_holders(workers)) == places
        raw.wait_until(is_full, HASH_S, f"{places} of {count} workers hash")
        others = enter_peers(strangers, server, 4 * count)
        for other in others:
            other.send(WRONG)
            check_token(server.token(), keys)
        for other in others:
            check_busy(other.answer())
        assert len(lock_holders(workers)) == len(hashing(workers)) == places
        # Nobody waits for the hashes: they end with their workers.
        server.popen.kill()
        servers.kill(workers)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def starved(pid):
    """It does not run: another process takes all of its processor."""
    processor = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(pid, processor)
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    with subprocess.Popen([sys.executable, "-c", "while True: pass"],
                          preexec_fn=lambda: os.sched_setaffinity(0, processor)) as busy:
        try:
            time.sleep(0.2)
            yield
        finally:
            busy.kill()
    os.sched_setaffinity(pid, os.sched_getaffinity(0))
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.parametrize("count", [2, 4])
def test_new_connection_when_a_hash_begins(start, configure, keys, count):
    """One worker alone is woken for it; that this begins a hash at the same moment is no reason to leave it."""
    configure(VERY_LONG)
    server, workers = start_workers(start, count)
    time.sleep(0.2)     # all of them wait now
    before = {worker: descriptors(worker) for worker in workers}
    with Peer(server) as stranger:
        stranger.ask(GOOD)
        time.sleep(0.1)
        (worker,) = [worker for worker in workers if descriptors(worker) > before[worker]]
        with starved(worker):
            good = Peer(server)
            good.send(GOOD)
            stranger.send(WRONG)
        with good:
            assert answered([good], HASH_S), "no answer"
            assert not answered([stranger], 0), "the good one has waited for the hash"
            check_token(good.answer(), keys)
        server.popen.kill()
        servers.kill(workers)


@pytest.mark.parametrize("count, places", PLACES)
def test_flood(start, configure, keys, count, places):
    """At most half of the workers hash, and good clients get their tokens."""
    configure(QUICK)
    server, workers = start_workers(start, count)
    until = time.monotonic() + FLOOD_S
    answers, most, locked = [], 0, 0
    threads = [threading.Thread(target=flood, args=(server, until, answers)) for _ in range(STRANGERS)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        check_token(raw.exchange(server.address, raw.token_request(), HASH_S), keys)
        # What is there twice in a row was there between the two, all of it.
        most = max(most, len(set(hashing(workers)) & set(hashing(workers))))
        locked = max(locked, len(lock_holders(workers) & lock_holders(workers)))
    for thread in threads:
        thread.join()
    assert (401, None) in answers and set(answers) <= {(401, None), (429, "1")}
    assert 1 <= most <= places and 1 <= locked <= places, (most, locked)
    assert server.children() == workers


def ask_until(server, until, answers):
    with Peer(server) as person:
        while time.monotonic() < until:
            answers.append(person.ask(RIGHT).status)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_busy_client_after_a_start_and_over_reloads(start, configure, place, count):
    """No request of a client fails whose secret is right, also if every process has to find that out."""
    configure(SHORT)
    server, _ = start_workers(start, count)
    until = time.monotonic() + FLOOD_S
    answers = []
    threads = [threading.Thread(target=ask_until, args=(server, until, answers)) for _ in range(16)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        time.sleep(0.3)
        reload(server, place)
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    assert len(answers) > 10 * len(threads)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_right_one_among_wrong_ones(start, configure, keys, count):
    """Who waits in a flood for the first time gets in, if it tries again as it is told to."""
    configure(QUICK)
    server, _ = start_workers(start, count)
    until = time.monotonic() + HASH_S
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(server, until, [], stop)) for _ in range(STRANGERS)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    try:
        while time.monotonic() < until:
            answer = raw.exchange(server.address, RIGHT, HASH_S)
            if answer.status != 429:
                break
            time.sleep(float(answer.headers["retry-after"]))
        check_token(answer, keys, "person")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
