# SPDX-License-Identifier: MIT
"""What /metrics says, and to whom: exact numbers over all processes, whatever happens to them and to the store."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import urlencode

import pytest

import configurations
import http_client
import rawfcgi as raw
import servers
from configurations import SECRETS
from test_races import (CONFIG, LMDB, PLAIN, STATE, connection_to_each, places, redis, reload, secret_request, start,
                        token_of, workers_of, wrong_request)

# Fixtures of another file, which pytest finds by their names here.
__all__ = ["places", "redis", "start"]

ON = "endpoints: {metrics: true}\n"
TEXT = CONFIG + STATE + ON
WORKERS = 4
LIMIT_S = 0.15       # what the program gives a store for one answer
TICK_S = 1.0         # how often an idle worker tells, and how long a store that failed is left alone
SLACK_S = 1.5        # for a busy machine

configurations.CONFIGURATIONS["metrics"] = configurations.Configuration(
    CONFIG.replace("{file: key.pem}", "{file: keys/es256.pem}") + STATE.replace("<state>", LMDB) + ON +
    "metrics: {allowed_ips: [127.0.0.1]}\nlog: {file: oauth2.log}\n", "http://localhost")


# The text format, to the letter: no parser of others' is as strict

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+|\d+\.\d{{6}})")
TYPES = {"counter", "gauge", "histogram"}


def unescape(value):
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value)


class Document:
    """The samples of an answer, by name and labels; whatever breaks the format fails."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        self.types = {}
        self.helped = set()
        self.family = None
        assert text.endswith("\n") and text.isascii() and "\r" not in text
        for line in text[:-1].split("\n"):
            (self.comment if line.startswith("#") else self.sample)(line)
        for name, kind in self.types.items():
            assert any(sample[0].startswith(name) for sample in self.samples), f"{name} is declared for nothing"
            if kind == "histogram":
                self.check_histogram(name)

    def comment(self, line):
        found = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if not found:
            assert line.startswith("# ") and not line.startswith(("# HELP", "# TYPE")), line
            return
        keyword, name, rest = found.groups()
        assert name not in self.types, f"{name} is declared twice"
        if keyword == "HELP":
            assert name not in self.helped, line
            self.helped.add(name)
        else:
            assert rest in TYPES and name in self.helped, line
            self.types[name] = rest
            self.family = name

    def sample(self, line):
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line!r}"
        name, inner, value = found[1], found[2], found.groups()[-1]
        kind = self.types[self.family]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert name in [self.family + suffix for suffix in suffixes], f"{name} stands with {self.family}"
        assert name.startswith("oauth2_") and (kind != "counter") == (not self.family.endswith("_total"))
        labels = [(label, unescape(text)) for label, text in re.findall(LABEL, inner or "")]
        assert len(dict(labels)) == len(labels), line
        key = (name, frozenset(labels))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value) if "." in value else int(value)

    def check_histogram(self, family):
        """Buckets that rise up to the count."""
        series = {labels - {pair for pair in labels if pair[0] == "le"} for name, labels in self.samples
                  if name.startswith(family)}
        for labels in series:
            buckets = [(float(dict(found)["le"]), value) for (name, found), value in self.samples.items()
                       if name == f"{family}_bucket" and labels < found]
            assert len(buckets) == 13 and buckets[-1][0] == float("inf")
            assert buckets == sorted(buckets) and [value for _, value in buckets] == sorted(v for _, v in buckets)
            assert buckets[-1][1] == self.samples[family + "_count", labels]
            assert self.samples[family + "_sum", labels] >= 0

    def get(self, name, **labels):
        """A value; 0 if there is none."""
        return self.samples.get(("oauth2_" + name, frozenset(labels.items())), 0)

    def all(self, name):
        """{the labels as a sorted tuple of values: value} of a family."""
        return {tuple(value for _, value in sorted(labels)): value for (found, labels), value in self.samples.items()
                if found == "oauth2_" + name}

    def counters(self, but=()):
        """All that may only rise, but what belongs to these endpoints."""
        return {(name, labels): value for (name, labels), value in self.samples.items()
                if name.endswith(("_total", "_bucket", "_count"))
                and not any(("endpoint", endpoint) in labels for endpoint in but)}

    def workers(self):
        """The process numbers; each has all gauges."""
        found = [{int(dict(labels)["worker"]) for name, labels in self.samples if name == "oauth2_" + family}
                 for family in ("build_info", "config_age_seconds", "config_degraded", "worker_start_time_seconds")]
        assert all(pids == found[0] for pids in found), found
        return found[0]


SCRAPE = raw.get_request("/metrics")


def read(answer):
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return Document(answer.body.decode("ascii"))


def scrape(server):
    return read(raw.exchange(server.address, SCRAPE))


def ask(connection, request):
    connection.sendall(request)
    return raw.receive(connection)


def rise(before, after):
    """By how much each counter has risen; none falls, and none vanishes."""
    old, new = before.counters(), after.counters()
    assert set(old) <= set(new)
    assert all(value <= new[key] for key, value in old.items())
    return {key: value - old.get(key, 0) for key, value in new.items() if value != old.get(key, 0)}


def unknown_request():
    return raw.token_request(b"grant_type=client_credentials&client_id=nobody-knows-it&client_secret=x", keep=True)


# Through the web servers

def http_token(front, client, secret):
    body = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": secret}).encode()
    return front.exchange(http_client.build("POST", front.path("token"), [
        ("Content-Type", "application/x-www-form-urlencoded")], body))


def http_get(front, path, source="127.0.0.1", method="GET"):
    body = b"x=y" if method == "POST" else None
    return front.exchange(http_client.build(method, front.path(path), body=body), source=source)


def http_scrape(front):
    answer = http_get(front, "metrics")
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.one("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.one("Cache-Control") == "no-store"
    return Document(answer.body.decode("ascii"))


@pytest.mark.parametrize("name", servers.FRONTS)
def test_exact_numbers_through_web_servers(site, name):
    front = site.front(name, "metrics")
    before = http_scrape(front)
    tokens = []
    for _ in range(7):
        answer = http_token(front, "TENANT_CLIENT_ID", SECRETS["TENANT_CLIENT_ID"])
        assert answer.status == 200
        tokens.append(answer.json()["access_token"])
    for _ in range(5):
        assert http_token(front, "TENANT_CLIENT_ID", "wrong-secret").status == 401
    for number in range(3):
        assert http_token(front, f"nobody-knows-it-{number}", "no-secret-either").status == 401
    assert http_get(front, "jwks").status == 200
    assert http_get(front, "nothing-here").status == 404
    after = http_scrape(front)
    assert after.get("metrics_scope", scope="host") == 1 and after.get("state_store_up") == 1
    changes = rise(before, after)
    expected = {
        ("tokens_issued_total", ("TENANT_CLIENT_ID",)): 7,
        ("tokens_refused_total", ("TENANT_CLIENT_ID", "secret_wrong")): 5,
        ("tokens_refused_total", ("unknown", "client_unknown")): 3,
        ("requests_total", ("token", "200")): 7,
        ("requests_total", ("token", "401")): 8,
        ("requests_total", ("jwks", "200")): 1,
        ("requests_total", ("none", "404")): 1,
        ("requests_total", ("metrics", "200")): 1,
    }
    found = {(key[0][len("oauth2_"):], tuple(value for _, value in sorted(key[1]))): value
             for key, value in changes.items() if "duration" not in key[0]}
    # A server may start another process, which loads nothing again.
    assert found == expected
    assert after.get("request_duration_seconds_count", endpoint="token") - \
        before.get("request_duration_seconds_count", endpoint="token") == 15
    for text in [*tokens, *SECRETS.values(), "nobody-knows-it", "no-secret-either", "wrong-secret"]:
        assert text not in after.text
    front.check_workers()


@pytest.mark.parametrize("name", servers.FRONTS)
def test_strangers_through_web_servers(site, name):
    """To whom it is not shown, it is not there, whatever the method."""
    front = site.front(name, "metrics")
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        there, nowhere = (http_get(front, path, "127.0.0.7", method) for path in ("metrics", "metricx"))
        assert there.status == 404 and there.body == nowhere.body
        # Apache tells the length if all of a CGI program's answer is there in time.
        changing = ("x-request-id", "date", "content-length", "transfer-encoding", "connection")
        assert [pair for pair in there.headers if pair[0] not in changing] == \
            [pair for pair in nowhere.headers if pair[0] not in changing]
    forged = [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")]
    assert front.exchange(http_client.build("GET", front.path("metrics"), forged), source="127.0.0.7").status == 404
    assert http_get(front, "metrics", method="HEAD").status == 405
    posted = http_get(front, "metrics", method="DELETE")
    assert posted.status == 405 and posted.one("Allow") == "GET"


# All processes

@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_whole_over_workers(start, redis, kind):
    server = start(LMDB if kind == "lmdb" else redis.url, WORKERS, TEXT)
    before = scrape(server)
    connections = list(connection_to_each(server, WORKERS))
    for number, connection in enumerate(connections):
        for _ in range(10 + number):
            assert ask(connection, secret_request(keep=True)).status == 200
        for _ in range(number):
            assert ask(connection, wrong_request(keep=True)).status == 401
        assert ask(connection, unknown_request()).status == 401
    documents = [read(ask(connection, raw.get_request("/metrics", keep=True))) for connection in connections]
    assert len({frozenset(document.counters(but=["metrics"]).items()) for document in documents}) == 1, "all the same"
    after = documents[0]
    orders = [[key for key in document.samples if key in after.counters()] for document in documents]
    assert all(order == orders[0] for order in orders), "in the same order"
    assert after.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 46
    assert after.get("tokens_refused_total", client_id="TENANT_CLIENT_ID", reason="secret_wrong") == 6
    assert after.get("tokens_refused_total", client_id="unknown", reason="client_unknown") == WORKERS
    assert after.get("requests_total", endpoint="token", status="200") == 46
    assert after.get("requests_total", endpoint="health", status="200") - \
        before.get("requests_total", endpoint="health", status="200") == WORKERS
    assert after.get("metrics_scope", scope={"lmdb": "host", "redis": "store"}[kind]) == 1
    if kind == "lmdb":
        assert all(document.workers() == set(server.children()) for document in documents)
    else:
        assert sorted(pid for document in documents for pid in document.workers()) == server.children()
    now = time.time()
    for value in after.all("worker_start_time_seconds").values():
        assert now - 60 < value <= now


def test_two_machines_count_together(start, redis):
    first, second = (start(redis.url, 2, TEXT) for _ in range(2))
    for server, count in ((first, 11), (second, 13)):
        for _ in range(count):
            assert raw.exchange(server.address, secret_request()).status == 200
    for server in (first, second):
        assert scrape(server).get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 24


def test_worker_that_is_killed(start):
    """What it has counted stays; what it told of itself goes."""
    server = start(LMDB, WORKERS, TEXT)
    workers = workers_of(server, WORKERS)
    connections = list(connection_to_each(server, WORKERS))
    for connection in connections:
        for _ in range(5):
            assert ask(connection, secret_request(keep=True)).status == 200
    assert scrape(server).workers() == set(workers)
    os.kill(workers[0], signal.SIGKILL)
    raw.wait_until(lambda: workers[0] not in scrape(server).workers(), SLACK_S, "it is not listed")
    raw.wait_until(lambda: len(scrape(server).workers()) == WORKERS, 1 + SLACK_S, "the new one is")
    document = scrape(server)
    assert document.workers() == set(server.children())
    assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 5 * WORKERS


def test_numbers_outlive_the_program(start):
    server = start(LMDB, 2, TEXT)
    for _ in range(5):
        assert raw.exchange(server.address, secret_request()).status == 200
    old = set(server.children())
    server.end()
    again = start(LMDB, 2, place=server.place)
    document = scrape(again)
    assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 5
    assert not document.workers() & old


def test_reloads(start):
    """Each worker counts its own, idle or not, and says when it serves an older configuration."""
    server = start(LMDB, WORKERS, TEXT)
    raw.wait_until(lambda: len(scrape(server).workers()) == WORKERS, SLACK_S, "all are there")
    first = scrape(server)
    assert first.all("config_reloads_total") == {("success",): 0, ("failure",): 0}
    config = server.place / "oauth2.yaml"
    good = config.read_text()
    time.sleep(2 * TICK_S)
    assert min(scrape(server).all("config_age_seconds").values()) >= 2

    def has(**values):
        def look():
            document = scrape(server)
            return (document.all("config_reloads_total") == {(name,): values[name] for name in ("success", "failure")}
                    and set(document.all("config_degraded").values()) == {values["degraded"]} and document)
        return raw.wait_until(look, 2 * TICK_S + SLACK_S, f"{values}")

    write(config, good + "scopes: {}\n")
    has(success=0, failure=WORKERS, degraded=1)
    write(config, good.replace("{email: }", "{email: , more: }"))
    document = has(success=WORKERS, failure=WORKERS, degraded=0)
    assert max(document.all("config_age_seconds").values()) <= 2 * TICK_S + SLACK_S
    write(config, good)
    has(success=2 * WORKERS, failure=WORKERS, degraded=0)
    # The supervisor has loaded the same files: a new worker does not count what it did.
    os.kill(server.children()[0], signal.SIGKILL)
    time.sleep(1)
    has(success=2 * WORKERS, failure=WORKERS, degraded=0)


def write(path, text):
    new = path.with_name("oauth2.new")
    new.write_text(text)
    new.rename(path)


def test_switched_on_and_off(start):
    """Also with what it is kept in; nothing is there before."""
    server = start(LMDB, 2, CONFIG + STATE)
    for _ in range(3):
        assert raw.exchange(server.address, secret_request()).status == 200
    assert raw.exchange(server.address, SCRAPE).status == 404
    assert not (server.place / "state/metrics").exists()
    reload(server, TEXT, LMDB, "on")
    assert raw.wait_until(lambda: raw.exchange(server.address, SCRAPE).status == 200, SLACK_S, "it is offered")
    before = scrape(server)
    assert not before.all("tokens_issued_total")
    assert raw.exchange(server.address, secret_request()).status == 200
    raw.wait_until(lambda: raw.exchange(server.address, SCRAPE).status == 200, SLACK_S, "by all")
    reload(server, CONFIG + STATE, LMDB, "off")
    raw.wait_until(lambda: {raw.exchange(server.address, SCRAPE).status for _ in range(8)} == {404}, 2 + SLACK_S,
                   "it is gone")


def test_switched_off_beside_others(start):
    """Who has nothing to tell any more is not listed, and does not count what it loads."""
    first = start(LMDB, 1, TEXT)
    state = f"lmdb:{first.place}/state"
    second = start(state, 1, TEXT)
    both = set(first.children() + second.children())
    raw.wait_until(lambda: scrape(second).workers() == both, SLACK_S, "both are listed")
    for mark in ("off", "more", "again"):
        reload(first, CONFIG + STATE, LMDB, mark)
    raw.wait_until(lambda: scrape(second).workers() == set(second.children()), TICK_S + SLACK_S, "one is left")
    reload(first, TEXT, LMDB, "on")
    raw.wait_until(lambda: scrape(second).workers() == both, TICK_S + SLACK_S, "both are listed again")
    assert scrape(second).all("config_reloads_total") == {("success",): 1, ("failure",): 0}, "the last one"


def test_loads_are_there_before_there_are_any(start):
    """Also when what was counted is lost."""
    server = start(LMDB, 1, TEXT)
    reload(server, TEXT, LMDB, "more")
    raw.wait_until(lambda: scrape(server).all("config_reloads_total") == {("success",): 1, ("failure",): 0},
                   SLACK_S, "the load is counted")
    (server.place / "state/metrics").unlink()
    assert scrape(server).all("config_reloads_total") == {("success",): 0, ("failure",): 0}


def test_clients_that_are_taken_away(start):
    """No name is shown that the configuration does not have; it is when it is back, with its number."""
    server = start(LMDB, 1, TEXT)
    assert raw.exchange(server.address, secret_request("resource-server")).status in (200, 400)
    assert raw.exchange(server.address, secret_request()).status == 200
    assert "resource-server" in scrape(server).text
    reload(server, PLAIN + STATE + ON, LMDB, "gone")
    document = scrape(server)
    assert "resource-server" not in document.text
    assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 1
    reload(server, TEXT, LMDB, "back")
    assert "resource-server" in scrape(server).text


def test_throttle(start):
    server = start(LMDB, 2, TEXT + "throttle: {failures: 3, window: 600}\n")
    statuses = [raw.exchange(server.address, wrong_request()).status for _ in range(8)]
    assert statuses == [401] * 3 + [429] * 5
    assert raw.exchange(server.address, secret_request(path="/revoke", fields={"token": "x"})).status == 429
    document = scrape(server)
    assert document.get("throttled_total", client_id="TENANT_CLIENT_ID") == 6
    assert document.get("tokens_refused_total", client_id="TENANT_CLIENT_ID", reason="throttled") == 5
    assert document.get("requests_total", endpoint="revocation", status="429") == 1


# One process alone

def test_without_a_state(start):
    """Each process has its own numbers, and says so."""
    server = start("", 2, PLAIN + ON)
    connections = list(connection_to_each(server, 2))
    for number, connection in enumerate(connections):
        for _ in range(3 + number):
            assert ask(connection, secret_request(keep=True)).status == 200
    found = []
    for connection in connections:
        document = read(ask(connection, raw.get_request("/metrics", keep=True)))
        assert document.get("metrics_scope", scope="process") == 1 and not document.all("state_store_up")
        assert document.text.startswith("# These are the numbers of the one process that answers.")
        found.append((document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID"), *document.workers()))
    assert [count for count, _ in found] == [3, 4]
    assert sorted(pid for _, pid in found) == server.children()


def test_check_warns_of_numbers_of_one_process(build, places):
    place = places("", PLAIN + ON)
    result = subprocess.run([build / "oauth2-admin", "check", "-c", place / "oauth2.yaml"], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0
    assert 'warning: "metrics" without a state store are the numbers of one process only' in \
        result.stdout + result.stderr


def run_cgi(build, place, method="POST", path="/token", body=b"", **variables):
    result = subprocess.run(
        [build / "oauth2.fcgi", "-c", place / "oauth2.yaml"], input=body, timeout=30, capture_output=True, check=True,
        env={"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1",
             "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)), **variables})
    return raw.Answer(result.stdout)


def good_body():
    return urlencode({"grant_type": "client_credentials", "client_id": "TENANT_CLIENT_ID",
                      "client_secret": SECRETS["TENANT_CLIENT_ID"]}).encode()


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_cgi_with_a_state(build, places, redis, kind):
    """Whole, although no process answers twice; and together with FastCGI's."""
    place = places(LMDB if kind == "lmdb" else redis.url, TEXT)
    for _ in range(9):
        assert run_cgi(build, place, body=good_body()).status == 200
    documents = [read(run_cgi(build, place, "GET", "/metrics")) for _ in range(3)]
    for number, document in enumerate(documents):
        assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 9
        assert document.get("requests_total", endpoint="metrics", status="200") == number
        assert len(document.workers()) == 1
    stranger = run_cgi(build, place, "GET", "/metrics", REMOTE_ADDR="192.0.2.1")
    nowhere = run_cgi(build, place, "GET", "/metricx", REMOTE_ADDR="192.0.2.1")
    assert (stranger.status, stranger.body) == (404, nowhere.body)


def test_cgi_without_a_state(build, places):
    """It has nothing to tell but of itself."""
    place = places("", PLAIN + ON)
    assert run_cgi(build, place, body=good_body()).status == 200
    document = read(run_cgi(build, place, "GET", "/metrics"))
    assert not document.counters() and len(document.workers()) == 1
    assert document.get("metrics_scope", scope="process") == 1


def test_cgi_beside_fastcgi(start, build):
    server = start(LMDB, 2, TEXT)
    assert raw.exchange(server.address, secret_request()).status == 200
    assert run_cgi(build, server.place, body=good_body()).status == 200
    for document in (scrape(server), read(run_cgi(build, server.place, "GET", "/metrics"))):
        assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID") == 2
        assert document.workers() == set(workers_of(server, 2)), "those that stay"


# A store that is gone

def issued(server):
    return scrape(server).get("tokens_issued_total", client_id="TENANT_CLIENT_ID")


def check_blind(server):
    """Gauges, and no counter at all: none may look as if it had begun anew."""
    document = scrape(server)
    assert document.all("state_store_up") == {(): 0}
    assert not document.counters() and len(document.workers()) == 1
    assert "# The counters are left out now: the state store" in document.text


def test_redis_that_stands_still(start, redis):
    """Answers are as right as ever, and hardly later; nothing is lost."""
    server = start(redis.url, 2, TEXT)
    connections = list(connection_to_each(server, 2))
    for connection in connections:
        assert ask(connection, secret_request(keep=True)).status == 200
    redis.popen.send_signal(signal.SIGSTOP)
    check_blind(server)
    begin = time.monotonic()
    late = 0
    count = 0
    while time.monotonic() - begin < 3:
        for connection in connections:
            sent = time.monotonic()
            answer = ask(connection, secret_request(keep=True))
            late += time.monotonic() - sent > LIMIT_S / 2
            count += 1
            assert answer.status == 200 and token_of(answer)
        time.sleep(0.01)
    # One time limit a second and worker, and one for how the seconds fall.
    assert late <= 2 * (3 + 1), (late, count)
    check_blind(server)
    redis.popen.send_signal(signal.SIGCONT)
    raw.wait_until(lambda: scrape(server).get("state_store_up") == 1, SLACK_S, "it is back")
    raw.wait_until(lambda: issued(server) >= 2 + count, 2 * TICK_S + SLACK_S, "nothing is lost")
    document = scrape(server)
    # The one that each worker sent first it may have taken, and answered to nobody.
    assert issued(server) <= 2 + count + 2
    assert document.get("state_store_errors_total", reason="store_unreachable") >= 2
    assert len(server.children()) == 2 and not server.log("worker.ended")


def test_redis_that_is_killed(start, redis):
    """What is counted while it is gone is there when it is back, exactly, also of workers that have nothing to do."""
    server = start(redis.url, 2, TEXT)
    connections = list(connection_to_each(server, 2))
    redis.kill()
    for number, connection in enumerate(connections):
        for _ in range(20 + number):
            assert ask(connection, secret_request(keep=True)).status == 200
    check_blind(server)
    time.sleep(TICK_S)
    check_blind(server)
    redis.start()
    raw.wait_until(lambda: scrape(server).get("state_store_up") == 1, SLACK_S, "it is back")
    raw.wait_until(lambda: issued(server) >= 41, 2 * TICK_S + SLACK_S, "nothing is lost")
    time.sleep(TICK_S)
    assert issued(server) == 41, "and nothing counted twice"


def test_worker_that_is_told_to_stop(start, redis):
    """It delivers at the end what it has kept, if it can."""
    server = start(redis.url, 1, TEXT)
    assert raw.exchange(server.address, secret_request()).status == 200
    redis.kill()
    for _ in range(20):
        assert raw.exchange(server.address, secret_request()).status == 200
    redis.start()
    server.end()
    # What was counted before went with Redis.
    assert issued(start(redis.url, 1, place=server.place)) == 20


class SlowLink:
    """Passes on what a Redis server says: so many bytes a second, or each piece so late."""

    def __init__(self, port, rate=None, delay_s=0):
        self.target = port
        self.rate = rate
        self.delay_s = delay_s
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        self.is_cut = False
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
                self.open += [near, far]
                for connection in (near, far):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pass_on, args=(near, far, 0), daemon=True).start()
                threading.Thread(target=self.pass_on, args=(far, near, self.delay_s), daemon=True).start()

    def pass_on(self, source, sink, delay_s):
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                time.sleep(delay_s + (len(data) / self.rate if self.rate else 0))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.is_cut = True
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.open = []

    def end(self):
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def add_names(redis, count):
    script = ("for i = 1, ARGV[1] do redis.call('HSET', 'oauth2-fcgi:metrics', "
              "'tokens_refused_total\\tTENANT_CLIENT_ID\\tsome_other_reason_' .. i, 1) end return 1")
    subprocess.run([servers.tool("redis-cli"), "-p", str(redis.port), "EVAL", script, "0", str(count)], check=True,
                   stdout=subprocess.DEVNULL)


def test_many_names_over_a_slow_link(start, redis):
    """Neither a scrape nor counting keeps requests from the store that they need."""
    add_names(redis, 24000)
    link = SlowLink(redis.port, rate=50e6 / 8)
    server = start(f"redis://127.0.0.1:{link.port}/0", 1, TEXT + "throttle: {}\n")

    def statuses(seconds, then=lambda: None):
        begin = time.monotonic()
        found = []
        while time.monotonic() - begin < seconds:
            found += [raw.exchange(server.address, secret_request()).status for _ in range(20)]
            then()
        return found

    def check_scrape():
        document = scrape(server)
        assert document.get("state_store_up") == 1, document.text[:400]
        assert document.get("tokens_issued_total", client_id="TENANT_CLIENT_ID")
        assert len(document.all("tokens_refused_total")) == 24000

    assert raw.exchange(server.address, secret_request()).status == 200
    assert set(statuses(3, check_scrape)) == {200}
    link.cut()
    assert raw.exchange(server.address, secret_request()).status == 503
    link.is_cut = False
    time.sleep(TICK_S)
    before = issued(server)
    found = statuses(2)
    assert set(found) == {200}
    assert issued(server) == before + len(found)
    assert scrape(server).get("requests_total", endpoint="token", status="503") == 1, "and nothing is left behind"
    link.end()


def test_many_that_were_kept(start, redis):
    """When Redis is back, far away, no request waits until all of it is delivered."""
    names = [f"client-{number:05d}" for number in range(3000)]
    link = SlowLink(redis.port, delay_s=0.005)
    server = start(f"redis://127.0.0.1:{link.port}/0", 1, with_clients(TEXT, names))
    connection = next(connection_to_each(server, 1))
    link.cut()
    for name in names:
        assert ask(connection, client_request(name)).status == 200
    link.is_cut = False
    slowest = 0
    begin = time.monotonic()
    while time.monotonic() - begin < 2 * TICK_S:
        sent = time.monotonic()
        assert ask(connection, raw.get_request("/jwks", keep=True)).status == 200
        slowest = max(slowest, time.monotonic() - sent)
    assert slowest < LIMIT_S
    assert scrape(server).all("tokens_issued_total") == {(name,): 1 for name in names}
    link.end()


def test_counters_that_are_taken_away(start):
    """With the whole directory: until it is back, what can be told is told; then it is counted anew."""
    server = start(LMDB, 2, TEXT)
    assert raw.exchange(server.address, secret_request()).status == 200
    assert issued(server) == 1
    shutil.rmtree(server.place / "state")
    for _ in range(10):
        assert raw.exchange(server.address, secret_request()).status == 200
    check_blind(server)
    (server.place / "state").mkdir(mode=0o700)
    raw.wait_until(lambda: scrape(server).get("state_store_up") == 1, SLACK_S, "it is back")
    raw.wait_until(lambda: issued(server) >= 10, 2 * TICK_S + SLACK_S, "nothing since is lost")
    raw.wait_until(lambda: scrape(server).workers() == set(server.children()), 2 * TICK_S, "all are listed again")
    assert issued(server) == 10


def test_file_of_counters_that_is_none(start):
    """Rubbish in its place stops nobody."""
    server = start(LMDB, 1, TEXT)
    assert raw.exchange(server.address, secret_request()).status == 200
    file = server.place / "state/metrics"
    for rubbish in (b"", b"rubbish", os.urandom(4194304)):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        file.write_bytes(rubbish)
        assert raw.exchange(server.address, secret_request()).status == 200
        raw.wait_until(lambda: issued(server) >= 1, TICK_S + SLACK_S, "it is counted anew")
    assert len(server.children()) == 1 and not server.log("worker.ended")


# Many clients

def with_clients(text, names):
    """A configuration with more clients, whose secret is TENANT_CLIENT_ID's."""
    return text.replace("clients:\n", "clients:\n" + "".join(
        f'  {name}: {{scopes: [email], secrets: [{{hash: "sha256:<TENANT_CLIENT_ID>"}}]}}\n' for name in names))


def client_request(name):
    body = urlencode({"grant_type": "client_credentials", "client_id": name,
                      "client_secret": SECRETS["TENANT_CLIENT_ID"]}).encode()
    return raw.token_request(body, keep=True)


def test_many_clients(start):
    """A document with thousands of series is whole, and comes in time."""
    names = [f"client-{number:05d}" for number in range(5000)]
    server = start(LMDB, 2, with_clients(TEXT, names))
    connections = list(connection_to_each(server, 2))
    for number, name in enumerate(names):
        assert ask(connections[number % 2], client_request(name)).status == 200
    document = scrape(server)
    begin = time.monotonic()
    raw.exchange(server.address, SCRAPE)
    assert time.monotonic() - begin < 1
    assert document.all("tokens_issued_total") == {(name,): 1 for name in names}
    assert "left out" not in document.text


# What is off

def test_off_is_off(build, places):
    """Without metrics no file of counters is made, with them there is one."""
    place = places(LMDB, CONFIG + STATE)
    for text, there in ((CONFIG + STATE, False), (TEXT, True)):
        write(place / "oauth2.yaml", configurations.render(text))
        assert run_cgi(build, place, body=good_body()).status == 200
        assert (place / "state/metrics").exists() == there


def test_scrape_in_the_log(start):
    """It is an event as any other."""
    server = start(LMDB, 1, TEXT)
    scrape(server)
    line, = server.log("metrics")
    assert line["status"] == 200 and line["remote_addr"] == "127.0.0.1"
