# SPDX-License-Identifier: MIT
"""Thousands of requests, nearly all of them bad, through the raw FastCGI socket and five web servers; each
must get what a second reading of the interface says (bad_oracle.py), and no process may end of it.

    /usr/bin/python3 tests/reliability/bad_inputs.py [--build DIR] [--vectors DIR] [--every N] [--source TEXT]
"""

import argparse
import concurrent.futures
import json
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import jwcrypto.jwk
import jwcrypto.jwt
import pytest

import bad_oracle
import bad_sources
import configurations
import servers
import test_cases
from bad_requests import FRONTS, Maker, Request, deliver, raw_exchange

CASES = "end-to-end cases (tests/e2e/cases)"
SENDERS = 3          # at a time
# mod_fcgid lets a request wait for a whole second that finds no process free, and starts one.
SENDERS_OF = {"apache-fcgid": 1}
BUSY_TRIES = 20
FAULTS_SHOWN = 20
GOOD = Request(bad_sources.TENANT)

# Strong clients without TLS, and clients without slow hashes, so that the time goes to inputs.
configurations.CONFIGURATIONS[bad_sources.STRONG] = configurations.Configuration(
    configurations.STRONG.replace("https://auth.example.com", "http://localhost"), "http://localhost")
configurations.CONFIGURATIONS[bad_sources.PLAIN] = configurations.Configuration(
    re.sub(rf"  ({'|'.join(bad_sources.SLOW)}):\n(    .*\n)+", "", configurations.DEFAULT),
    "http://localhost")
# Those that count attempts, or need a server of state, are about other things.
CASE_CONFIGURATIONS = ("default", "tls", "strong", "self-signed", "compatible")


class Case:
    """A case of tests/e2e/cases, as an entry of the corpus."""

    def __init__(self, case):
        self.source, self.name, self.config, self.case = CASES, case["id"], case["config"], case

    def goes_through(self, front):
        """Also what is written for the program alone, where no web server has a part in it; and also on the
        raw socket, where what counts is not the text of HTTP."""
        request = self.case["request"]
        if front in self.case["over"]:
            return True
        if front == servers.DIRECT:
            is_text = {"raw", "half_close", "etag_of"} & set(request) or "%" in request.get("path", "")
            # Of a certificate there is nobody who would say whether it is one of the authority.
            is_text = is_text or self.config == "self-signed" and "certificate" in request
            return not is_text and "fronts" not in self.case and "from" not in request
        return not {"variables", "headers", "authorization", "certificate", "plain"} & set(request) \
            and not isinstance(request.get("dpop"), (str, list)) and "over" in self.case

    def run(self, front, _):
        case = self.case
        expect, _ = test_cases.expectation(front, case)
        request = test_cases.make_request(front, case)
        if case["request"].get("again"):
            assert test_cases.send(front, case, request).status == 200, "refused the first time"
        answer = patiently(test_cases.send, front, case, request)
        if "host" in expect:
            test_cases.check_host_answer(answer, expect["host"])
            return "host", None
        assert answer is not None, "the connection was closed without an answer"
        test_cases.check_expected(front, case, answer, expect)
        test_cases.check_general(front, case, answer)
        return "program", answer


@dataclass
class Entry:
    """A row of the sources, as an entry of the corpus."""

    row: object

    def __post_init__(self):
        self.source, self.name, self.config = self.row.source, self.row.name, self.row.config

    def goes_through(self, _):
        return True

    def run(self, front, model):
        row, settings = self.row, front.settings
        maker = Maker(settings)
        request = row.make(maker)
        delivered = deliver(front.name, request, settings.over_tls, front.site)
        verdict = model.decide(delivered, maker.now)
        refusals = row.refusals(front.name)
        if row.again:
            assert send(front, request, delivered).status == 200 == verdict.status, "refused the first time"
            verdict = replayed(request)
        answer = send(front, request, delivered)
        if refusals:
            test_cases.check_host_answer(answer, refusals)
            return "host", None
        assert answer is not None, "the connection was closed without an answer"
        check(front, request, answer, verdict)
        return "program", answer


def replayed(request):
    if any(name == b"DPoP" for name, _ in request.headers):
        return bad_oracle.Verdict(400, "invalid_dpop_proof")
    return bad_oracle.Verdict(401, "invalid_client")


def patiently(exchange, *arguments):
    """Again, if it is told to come again because all are busy with slow hashes."""
    for _ in range(BUSY_TRIES):
        answer = exchange(*arguments)
        if answer is None or answer.status != 429 or b"temporarily_unavailable" not in answer.body:
            break
        time.sleep(0.2)
    return answer


def send(front, request, delivered):
    if front.name == servers.DIRECT:
        return patiently(raw_exchange, front, delivered, request.method)
    return patiently(lambda: front.exchange(request.bytes(), certificate=request.certificate))


# Judging

def check(front, request, answer, verdict):
    """Status, error, all fixed headers, and what is in a token."""
    case = {"request": {"method": request.method, "path": request.path}}
    wanted = f"{verdict.status} {verdict.error}"
    assert answer.status == verdict.status, f"{answer.status}, not {wanted}: {answer.body[:200]}"
    test_cases.check_general(front, case, answer)
    if verdict.error and request.method != "HEAD":
        assert answer.json()["error"] == verdict.error, f"{answer.body[:200]}, not {verdict.error}"
    if verdict.status == 405:
        assert answer.one("Allow") in ("POST", "GET, HEAD"), answer.headers
    if verdict.token:
        check_token(front, request, answer, verdict.token)
    else:
        assert b"access_token" not in answer.body, "a token wrongly issued"
    if request.path.endswith("/introspect") and verdict.status == 200:
        assert answer.json() == {"active": False}, answer.body
    if request.path.endswith("/revoke") and verdict.status == 200:
        assert answer.body == b"", answer.body


def check_token(front, request, answer, wanted):
    """Signed by the key that is published, for whom the oracle says."""
    body = answer.json()
    token = jwcrypto.jwt.JWT(jwt=body["access_token"], key=published_key(front), check_claims={"exp": None},
                             algs=["RS256", "ES256"])
    claims = json.loads(token.claims)
    scope = claims.get("scope", [])
    assert (scope.split(" ") if isinstance(scope, str) and scope else scope
            or []) == list(wanted["scope"]), claims
    assert body.get("scope", "") == " ".join(wanted["scope"]), body
    assert claims["sub"] == wanted["sub"] and claims["iss"] == front.settings.issuer, claims
    audience = wanted["aud"] if len(wanted["aud"]) > 1 else wanted["aud"][0]
    assert claims["aud"] == audience, f"{claims}, not {audience}"
    cnf = {"jkt": wanted["jkt"]} if wanted["jkt"] else {}
    if wanted["is_bound"]:
        cnf["x5t#S256"] = front.site.certificates.thumbprint(request.certificate)
    assert claims.get("cnf", {}) == cnf, f"{claims}, not {cnf}"
    assert body["token_type"] == ("DPoP" if wanted["jkt"] else "Bearer"), body


def published_key(front):
    """The active key, as the front itself publishes it."""
    if not hasattr(front, "published"):
        answer = send(front, *given(front, Request(method="GET", path="/oauth2/jwks", kind=None)))
        front.published = jwcrypto.jwk.JWKSet.from_json(answer.body.decode())
    return front.published


def given(front, request):
    return request, deliver(front.name, request, front.settings.over_tls, front.site)


def check_good_request(front, model):
    """It still works, where there is a client for it."""
    request, delivered = given(front, GOOD)
    verdict = model.decide(delivered, int(time.time()))
    if verdict.status == 200:
        answer = send(front, request, delivered)
        assert answer is not None, "no answer to a good request"
        check(front, request, answer, verdict)


# The corpus

def gather(vectors=None, wanted=""):
    """All entries, each once; how many of a source were the same as another."""
    entries, seen, doubles = [], set(), {}
    makers = {}
    for source in bad_sources.SOURCES:
        if wanted not in source:
            continue
        for row in bad_sources.rows_of(source, vectors):
            maker = makers.setdefault(row.config, Maker(configurations.CONFIGURATIONS[row.config],
                                                        is_real=False))
            key = (row.make(maker).key(row.config), row.again)
            if key in seen:
                doubles[source] = doubles.get(source, 0) + 1
                continue
            seen.add(key)
            entries.append(Entry(row))
    if wanted in CASES:
        entries += [Case(case) for case in test_cases.CASE_LIST
                    if case["config"] in CASE_CONFIGURATIONS and "variables" not in case["request"]]
    return entries, doubles


def check_corpus(entries, models):
    """What rows know of themselves, and the oracle says too: else one of them is wrong."""
    wrong = []
    for entry in entries:
        if not isinstance(entry, Entry) or entry.row.expect is None:
            continue
        maker = Maker(configurations.CONFIGURATIONS[entry.config])
        request = entry.row.make(maker)
        settings = configurations.CONFIGURATIONS[entry.config]
        delivered = deliver(servers.DIRECT, request, settings.over_tls, models[entry.config].site)
        verdict = models[entry.config].decide(delivered, maker.now)
        said = (verdict.status, verdict.error)
        if said != entry.row.expect:
            wrong.append(f"{entry.source}: {entry.name}: the oracle says {said}, the row {entry.row.expect}")
    return wrong


# Running

@dataclass
class Count:
    """Of one source on one front."""

    sent: int = 0
    by_host: int = 0
    tokens: int = 0
    wrong: list = field(default_factory=list)


def run_batch(front, entries, model):
    """All of one source and configuration through one front."""
    count = Count()
    mark = front.log.mark()

    def one(entry):
        try:
            return entry.run(front, model)
        except (AssertionError, pytest.fail.Exception, OSError, ValueError, EOFError) as error:
            told = str(error)[:400] or type(error).__name__
            return "wrong", f"{front.name}: {entry.source}: {entry.name}: {told}"
    with concurrent.futures.ThreadPoolExecutor(SENDERS_OF.get(front.name, SENDERS)) as pool:
        for kind, found in pool.map(one, entries):
            count.sent += 1
            count.by_host += kind == "host"
            if kind == "wrong":
                count.wrong.append(found)
            elif found is not None and b'"access_token"' in found.body:
                count.tokens += 1
    try:
        front.check_workers()
        check_good_request(front, model)
        check_log(front, mark)
    except AssertionError as error:
        count.wrong.append(f"{front.name}: after {entries[0].source}: {error}")
    return count


def check_log(front, mark):
    """The program had no fault of its own that it would have told of."""
    lines = [line for line in front.log.lines(mark) if line["level"] in ("error", "critical")]
    assert not lines, f"the log: {lines[0]}"


def run(site, entries, fronts=FRONTS):
    """{source: {front: Count}}"""
    models = models_of(site, entries)
    wrong = check_corpus(entries, models)
    result = {}
    for config in dict.fromkeys(entry.config for entry in entries):
        for name in fronts:
            here = [entry for entry in entries if entry.config == config and entry.goes_through(name)]
            if not here:
                continue
            front = site.front(name, config)
            for source in dict.fromkeys(entry.source for entry in here):
                batch = [entry for entry in here if entry.source == source]
                add(result.setdefault(source, {}).setdefault(name, Count()),
                    run_batch(front, batch, models[config]))
    return result, wrong


def add(total, count):
    total.sent += count.sent
    total.by_host += count.by_host
    total.tokens += count.tokens
    total.wrong += count.wrong


def models_of(site, entries):
    found = {}
    for config in {entry.config for entry in entries}:
        found[config] = bad_oracle.Model(configurations.CONFIGURATIONS[config], site.certificates)
        found[config].site = site
    return found


def table(entries, result, fronts=FRONTS):
    """A row for each source, a column for each front: how many were sent, and how many answers were wrong."""
    sources = list(dict.fromkeys(entry.source for entry in entries))
    width = max(map(len, sources))
    yield f"{'source':{width}} {'inputs':>7} " + " ".join(f"{name:>13}" for name in fronts)
    total = {name: Count() for name in fronts}
    for source in sources:
        cells = []
        for name in fronts:
            count = result.get(source, {}).get(name, Count())
            add(total[name], count)
            cells.append(cell(count))
        inputs = sum(entry.source == source for entry in entries)
        yield f"{source:{width}} {inputs:7} " + " ".join(f"{text:>13}" for text in cells)
    yield f"{'all':{width}} {len(entries):7} " + " ".join(f"{cell(total[name]):>13}" for name in fronts)
    for title, of in (("refused by the web server itself, as they must be", lambda c: c.by_host),
                      ("tokens rightly issued, verified", lambda c: c.tokens),
                      ("answers that are not as they must be", lambda c: len(c.wrong))):
        yield f"{title:{width + 8}} " + " ".join(f"{of(total[name]):13}" for name in fronts)


def cell(count):
    return f"{count.sent}" + (f" ({len(count.wrong)} wrong)" if count.wrong else "")


def faults(result):
    return [text for fronts in result.values() for count in fronts.values() for text in count.wrong]


def sample(entries, every):
    """Every so many, always the same ones; some of each source."""
    sources = {}
    for entry in entries:
        sources.setdefault(entry.source, []).append(entry)
    return [entry for group in sources.values() for entry in group[::every]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="DIR")
    parser.add_argument("--vectors", type=Path, metavar="DIR", help="with Project Wycheproof's JSON files")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th of a source")
    parser.add_argument("--source", default="", metavar="TEXT", help="only sources whose name has this")
    parser.add_argument("--front", action="append", choices=FRONTS, help="only this one; may be repeated")
    options = parser.parse_args()
    started = time.monotonic()
    fronts = tuple(options.front or FRONTS)
    entries = sample(gather(options.vectors, options.source)[0], options.every)
    directory = Path(tempfile.mkdtemp(prefix="oauth2-bad-inputs."))
    site = servers.Site(options.build.resolve(), directory, "")
    try:
        result, wrong = run(site, entries, fronts)
    finally:
        site.stop()
        complaints = site.complaints()
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(table(entries, result, fronts)))
    wrong += faults(result) + complaints
    print(f"{len(entries)} inputs from {len({entry.source for entry in entries})} sources, "
          f"{sum(count.sent for group in result.values() for count in group.values())} requests, "
          f"{time.monotonic() - started:.0f} s: " + ("all answers as they must be, no process ended"
                                                     if not wrong else f"{len(wrong)} WRONG"))
    for text in wrong[:FAULTS_SHOWN]:
        print(text, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
