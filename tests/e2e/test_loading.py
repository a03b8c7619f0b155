# SPDX-License-Identifier: MIT
"""Loading a changed configuration: how soon, and how many processes at once."""

import os
import signal
import threading
import time

import pytest

import rawfcgi as raw
from test_hash_gate import lock_holders
from test_process import (SECOND, SECOND_BODY, SLACK_S, check_token, config_text, digest, keys, place,  # noqa: F401
                          second_client, start, wait_for_workers, write)

MANY = 20000    # clients: some tenths of a second to load
LOAD_S = 60     # for all processes, on a busy machine
SMALL = [1, 1000]


def clients(count, name="client"):
    return "".join(f"  {name}{i}:\n    scopes: [orders]\n    secrets: [{{hash: \"sha256:{digest(str(i))}\"}}]\n"
                   for i in range(count))


@pytest.fixture(scope="module")
def many():
    return clients(MANY)


def loaded(server):
    return len(server.log("config.loaded"))


class Loading:
    """The processes that load, all the time that it is looked."""

    def __init__(self, pids):
        self.pids = set(pids)
        self.seen = set()
        self.most = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.is_set():
            # What is there twice in a row was there between the two.
            now = lock_holders(self.pids) & lock_holders(self.pids)
            self.seen |= now
            self.most = max(self.most, len(now))
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize("told", [True, False], ids=["SIGHUP", "changed file"])
@pytest.mark.parametrize("count, most", [(1, 1), (3, 1), (4, 2)])
def test_half_of_the_workers_load(start, place, keys, many, told, count, most):
    """The supervisor counts, too; in the end all have loaded."""
    write(place / "oauth2.yaml", config_text(keys, many))
    server = start.listen("--workers", str(count)).ready()
    pids = {server.pid, *wait_for_workers(server, count)}
    with Loading(pids) as loading:
        write(place / "oauth2.yaml", second_client(keys) + many)
        if told:
            server.popen.send_signal(signal.SIGHUP)
        raw.wait_until(lambda: loading.seen == pids, LOAD_S, "all load")
        raw.wait_until(lambda: not lock_holders(pids), LOAD_S, "all have loaded")
    assert loading.most == most
    assert all(server.token(body=SECOND_BODY).status == 200 for _ in range(10))
    assert not server.log("worker.ended") and server.end()[0] == 0


def test_killed_while_loading(start, place, keys, many):
    """Its turn is the next one's, and the one in its place loads as well."""
    write(place / "oauth2.yaml", config_text(keys, many))
    server = start.listen("--workers", "2").ready()
    workers = set(wait_for_workers(server, 2))
    write(place / "oauth2.yaml", second_client(keys) + many)
    victim, = raw.wait_until(lambda: lock_holders(workers), LOAD_S, "a worker loads")
    os.kill(victim, signal.SIGSTOP)
    other, = workers - {victim}
    # Nobody loads meanwhile, and the other one serves.
    end = time.monotonic() + 2 * SECOND
    while time.monotonic() < end:
        assert lock_holders({server.pid, *workers}) == {victim}
        check_token(server.token(), keys)
    assert server.token(body=SECOND_BODY).status == 401
    os.kill(victim, signal.SIGKILL)
    raw.wait_until(lambda: lock_holders({other}), LOAD_S, "the other one loads")
    raw.wait_until(lambda: loaded(server) == 2 and not lock_holders({server.pid, *server.children()}), LOAD_S,
                   "all have loaded")
    wait_for_workers(server, 2, gone=victim)
    raw.wait_until(lambda: all(server.token(body=SECOND_BODY).status == 200 for _ in range(20)), LOAD_S,
                   "the new worker, too")
    assert server.end()[0] == 0


@pytest.mark.parametrize("count", SMALL)
def test_noticed_within_a_second(start, place, keys, count):
    """Also if a request has come since the last look."""
    text = config_text(keys, clients(count, "c"))
    write(place / "oauth2.yaml", text)
    server = start.inherit().ready()
    latest = []
    for i in range(4):
        # From here on it is known when the next look comes.
        write(place / "oauth2.yaml", f"{text}# {i}\n")
        raw.wait_until(lambda expected=2 * i + 2: loaded(server) == expected, SECOND + SLACK_S, "a look")
        time.sleep(0.1)
        begin = time.monotonic()
        write(place / "oauth2.yaml", f"{text}# {i} again\n")
        time.sleep(0.4)
        check_token(server.token(), keys)
        raw.wait_until(lambda expected=2 * i + 3: loaded(server) == expected, SECOND + SLACK_S, "the next look")
        latest.append(time.monotonic() - begin)
    # The best of them tells of the program, the worst of the machine.
    assert min(latest) < 1.2 * SECOND, latest


@pytest.mark.parametrize("count", SMALL)
@pytest.mark.parametrize("workers", [1, 3, 4])
def test_all_workers_know_in_time(start, place, keys, workers, count):
    text = config_text(keys, clients(count, "c"))
    write(place / "oauth2.yaml", text)
    server = start.listen("--workers", str(workers)).ready()
    wait_for_workers(server, workers)

    def seconds(secret):
        """From a change until it is so long known to whoever answers that all know."""
        begin = time.monotonic()
        write(place / "oauth2.yaml", text.replace(digest("secret"), digest(secret)))
        body = raw.TOKEN_BODY.replace(b"client_secret=secret", b"client_secret=" + secret.encode())
        known = None
        while known is None or time.monotonic() < known + 0.3:
            if server.token(body=body).status != 200:
                known = None
            elif known is None:
                known = time.monotonic()
            assert time.monotonic() < begin + LOAD_S
        return known - begin

    assert min(seconds(secret) for secret in ("one", "two", "three")) < 1.3 * SECOND
