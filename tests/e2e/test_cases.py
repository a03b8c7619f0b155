# SPDX-License-Identifier: MIT
"""The cases of cases/*.yaml, each over all six paths unless it says otherwise. cases/README.md says how
a case is written."""

import base64
import fnmatch
import json
import re
import uuid
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import yaml

import http_client
import jwts
import servers
from configurations import CLIENT_KEYS, CONFIGURATIONS, SECRETS

CASES = Path(__file__).parent / "cases"
FORM = "application/x-www-form-urlencoded"
TOKEN_TYPE = "application/json;charset=UTF-8"
KEYS = {
    "": {"name", "row", "config", "request", "expect", "log", "log_absent", "fronts", "over"},
    "request": {"method", "path", "query", "headers", "basic", "authorization", "post", "form", "body",
                "raw", "from", "half_close", "etag_of", "assertion", "dpop", "certificate", "plain",
                "variables", "again"},
    "expect": {"status", "error", "headers", "json", "json_exact", "body", "token", "closed",
               "request_id", "cnf"},
    "assertion": {"client", "key", "alg", "header", "claims", "hmac", "secret", "signature", "shape", "type",
                  "client_id"},
    "dpop": {"key", "alg", "header", "claims", "hmac", "signature", "shape", "name"},
}
# How a certificate may arrive, or a part of it.
PEM_FORMS = {
    "": lambda pem: pem,
    "escaped ": lambda pem: quote(pem, safe="=-"),
    "tabbed ": lambda pem: pem.strip().replace("\n", "\n\t"),
    "spaced ": lambda pem: pem.strip().replace("\n", " "),
    "cut ": lambda pem: pem[:len(pem) // 2],
    "endless ": lambda pem: pem.partition("-----END")[0],
    "bodiless ": lambda pem: re.sub(r"\n.*\n", "\n", pem, flags=re.S),
    "spoilt ": lambda pem: pem.replace("MII", "MIJ", 1),
}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Headers that may differ between two equal answers: whether Apache's CGI knows the length is chance.
DIFFERENT = ("date", "x-request-id", "content-length", "transfer-encoding")
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt",
           "tls_client_auth", "self_signed_tls_client_auth")
# An assertion, a proof or a token, good or bad.
JWT = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
LOG_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


# Reading the cases

def check_keys(value, allowed, where):
    unknown = set(value) - allowed
    assert not unknown, f"{where}: unknown {sorted(unknown)}"


def proofs_of(request):
    """None, one, or several DPoP headers; a text is the header as it is."""
    found = request.get("dpop", [])
    found = found if isinstance(found, list) else [found]
    return [proof for proof in found if isinstance(proof, dict)]


def load_cases():
    cases = []
    for path in sorted(CASES.glob("*.yaml")):
        defaults = {}
        for case in yaml.safe_load(path.read_text()):
            if "defaults" in case:
                defaults = case["defaults"]
                continue
            case = {**defaults, **case}
            where = f"{path.name}: {case.get('name')}"
            check_keys(case, KEYS[""], where)
            check_keys(case["request"], KEYS["request"], where)
            check_keys(case["expect"], KEYS["expect"], where)
            check_keys(case["request"].get("assertion", {}), KEYS["assertion"], where)
            for proof in proofs_of(case["request"]):
                check_keys(proof, KEYS["dpop"], where)
            case.setdefault("config", "default")
            case.setdefault("over", list(servers.FRONTS))
            assert set(case["over"]) <= {*servers.FRONTS, servers.DIRECT}, where
            case["id"] = f"{path.stem}: {case['name']}"
            cases.append(case)
    names = [case["id"] for case in cases]
    repeated = {name for name in names if names.count(name) > 1}
    assert not repeated, f"cases with the same name: {repeated}"
    return cases


CASE_LIST = load_cases()


def parameters():
    """Front by front, so that few servers work at a time."""
    for front in [*servers.FRONTS, servers.DIRECT]:
        for config in CONFIGURATIONS:
            for case in CASE_LIST:
                if case["config"] == config and front in case["over"]:
                    yield pytest.param(front, case, id=f"{front}: {case['id']}")


# Making the request

def pairs(value):
    return list(value.items()) if isinstance(value, dict) else [tuple(pair) for pair in value]


def urlencode(form):
    return "&".join(f"{quote_plus(str(name))}={quote_plus(str(value))}" for name, value in pairs(form))


def basic(user, password):
    """RFC 6749 §2.3.1: both halves are form-encoded."""
    text = f"{quote_plus(user)}:{quote_plus(password)}"
    return "Basic " + base64.b64encode(text.encode()).decode()


def expand(text):
    """<64*a> stands for that many of a text; \\xHH, in raw texts, for a byte."""
    return re.sub(r"<(\d+)\*([^>]+)>", lambda found: int(found[1]) * found[2], text)


def to_bytes(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]),
                  expand(text).encode())


def usual_key(client):
    """The first of a client's keys, and the members beside it."""
    return CLIENT_KEYS[client][0] if client in CLIENT_KEYS else ("ec", {})


def make_assertion(settings, spec):
    """The parameters of a client assertion: signed by the client's first key unless the case says otherwise."""
    spec = dict(spec)
    name, members = usual_key(spec["client"])
    if spec["client"] in SECRETS and spec["client"] not in CLIENT_KEYS:
        spec.setdefault("secret", SECRETS[spec["client"]])
        spec.setdefault("alg", "HS256")
    elif "key" not in spec:
        spec.setdefault("alg", members.get("alg"))
    spec.setdefault("key", name)
    fields = [("client_assertion_type", spec.get("type", jwts.ASSERTION_TYPE)),
              ("client_assertion", jwts.assertion(settings, spec)), ("client_id", spec.get("client_id"))]
    return [(name, value) for name, value in fields if value is not None]


def make_body(request, settings):
    if "body" in request:
        return to_bytes(request["body"])
    form = pairs(request.get("form", {}))
    if "post" in request:
        client = request["post"]
        form += [("client_id", client), ("client_secret", SECRETS[client])]
    if "assertion" in request:
        form += make_assertion(settings, request["assertion"])
    if not form and "form" not in request:
        return None
    return expand(urlencode(form)).encode()


def make_proofs(request, settings):
    """The DPoP headers."""
    found = request.get("dpop", [])
    for spec in found if isinstance(found, list) else [found]:
        if isinstance(spec, str):
            yield "DPoP", to_bytes(spec)
        else:
            yield spec.get("name", "DPoP"), jwts.proof(settings, spec).encode()


def make_headers(request, settings, body):
    headers = [(name, to_bytes(value) if isinstance(value, str) else value)
               for name, value in pairs(request.get("headers", {}))]
    headers += make_proofs(request, settings)
    if "basic" in request:
        headers.append(("Authorization", basic(request["basic"], SECRETS[request["basic"]])))
    if "authorization" in request:
        headers.append(("Authorization", to_bytes(request["authorization"])))
    names = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in settings.headers if name.lower() not in names]
    if body is not None and "content-type" not in names:
        headers.append(("Content-Type", FORM))
    return headers


def make_request(front, case):
    request = case["request"]
    if "raw" in request:
        return to_bytes(request["raw"].replace("\n", "\r\n"))
    body = make_body(request, front.settings)
    headers = make_headers(request, front.settings, body)
    if "etag_of" in request:
        etag = send(front, case, http_client.build("GET", target(front, request), [
            (name, value) for name, value in headers if name.lower() != "if-none-match"])).one("ETag")
        headers = [(name, value.replace(b"ETAG", etag.encode())) for name, value in headers]
    return http_client.build(request.get("method", "POST"), target(front, request), headers, body)


def target(front, request):
    query = f"?{request['query']}" if "query" in request else ""
    return front.path(request.get("path", "token")) + expand(query)


def send(front, case, raw):
    request = case["request"]
    options = {"variables": variables_of(front, request)} if "variables" in request else {}
    return front.exchange(raw, source=request.get("from", front.settings.source),
                          half_close=request.get("half_close", False), certificate=request.get("certificate"),
                          tls=False if request.get("plain") else None, **options)


def variables_of(front, request):
    """What the web server says beside the request; <pem NAME> is a certificate, in one of its forms."""
    def certificate(found):
        return PEM_FORMS[found[1] or ""](front.site.certificates.pem(found[2]))
    return {name: re.sub(r"<(\w+ )?pem (\S+)>", certificate, expand(value))
            for name, value in request["variables"].items()}


# Judging the answer

def expectation(front, case):
    """What this path must give: the case's own, or its deviation for this web server."""
    expect, log = dict(case["expect"]), dict(case.get("log", {}))
    for pattern, change in case.get("fronts", {}).items():
        if not fnmatch.fnmatchcase(front.name, pattern):
            continue
        if not isinstance(change, dict):
            return {"host": change}, None
        change = dict(change)
        log |= change.pop("log", {})
        check_keys(change, KEYS["expect"], case["id"])
        expect |= change
    return expect, log


def check_host_answer(answer, wanted):
    """The web server itself refused: its status (one of several), or no answer at all."""
    wanted = wanted if isinstance(wanted, list) else [wanted]
    status = "closed" if answer is None else answer.status
    assert status in wanted, f"the web server: {status}, not {wanted}"
    assert answer is None or not answer.all("X-Request-Id"), "the program answered, not the web server"


def matches(value, wanted):
    """Equal, or for /…/ a match of the whole; objects may have more members than wanted."""
    if isinstance(wanted, str) and len(wanted) > 1 and wanted[0] == wanted[-1] == "/":
        return isinstance(value, str) and re.fullmatch(wanted[1:-1], value, re.S) is not None
    if isinstance(wanted, dict) and set(wanted) == {"in_any_order"}:
        return isinstance(value, list) and matches(sorted(value), sorted(wanted["in_any_order"]))
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            (name not in value) if inner is None else name in value and matches(value[name], inner)
            for name, inner in wanted.items())
    if isinstance(wanted, list):
        return (isinstance(value, list) and len(value) == len(wanted)
                and all(matches(*both) for both in zip(value, wanted)))
    return type(value) is type(wanted) and value == wanted


def check_headers(answer, wanted):
    for name, value in wanted.items():
        found = answer.all(name)
        if value is None:
            assert not found, f"{name}: {found}, but it must be absent"
        else:
            assert len(found) == 1 and matches(found[0], value), f"{name}: {found}, not {value!r}"


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def check_token(answer, wanted):
    """Header and claims as they stand; test_tokens.py verifies signatures."""
    parts = answer.json()["access_token"].split(".")
    assert len(parts) == 3
    for part, name in ((decoded(parts[0]), "header"), (decoded(parts[1]), "claims")):
        assert matches(part, wanted.get(name, {})), f"{name}: {part}, not {wanted.get(name)}"


def check_binding(front, case, answer, wanted):
    """cnf, made anew from what was sent by jwcrypto and by hashing; and the token's type with it."""
    cnf = decoded(answer.json()["access_token"].split(".")[1]).get("cnf")
    request = case["request"]
    expected = {}
    if "jkt" in wanted:
        expected["jkt"] = jwts.thumbprint(proofs_of(request)[0].get("key", jwts.DPOP_KEY))
    if "x5t#S256" in wanted:
        expected["x5t#S256"] = front.site.certificates.thumbprint(request["certificate"])
    assert cnf == (expected or None), f"cnf: {cnf}, not {expected}"
    assert answer.json()["token_type"] == ("DPoP" if "jkt" in wanted else "Bearer"), answer.json()


def check_error_body(answer):
    body = answer.json()
    assert set(body) == {"error", "error_description"}, body
    assert DESCRIPTION.fullmatch(body["error_description"]), body
    assert matches(answer.one("Content-Type"), "/application/json(; ?charset=UTF-8)?/")
    assert "no-store" in (answer.one("Cache-Control") or ""), answer.headers


def check_token_answer(answer, is_preflight):
    """Of the token, introspection and revocation endpoints."""
    assert answer.one("Cache-Control") == "no-store", answer.headers
    assert answer.one("Pragma") == "no-cache", answer.headers
    if not is_preflight:
        assert answer.one("Content-Type") == TOKEN_TYPE, answer.headers
    if answer.status == 200 and b"access_token" in answer.body:
        body = answer.json()
        assert set(body) - {"scope"} == {"access_token", "token_type", "expires_in"}, body
        assert type(body["expires_in"]) is int


def check_general(front, case, answer):
    """What holds for every answer of the program."""
    status = answer.status
    if status in (204, 304) or case["request"].get("method") == "HEAD":
        assert answer.body == b""
    if status not in (204, 304):
        assert len(answer.all("Content-Type")) == 1, answer.headers
    assert len(answer.all("Cache-Control")) <= 1 and len(answer.all("X-Request-Id")) <= 1
    # Apache sends only a few headers with 304.
    if not (status == 304 and front.name.startswith("apache")):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.one("X-Request-Id") or ""), answer.headers
    if status >= 400 and case["request"].get("method") != "HEAD":
        check_error_body(answer)
    if status == 401:
        issuer = front.settings.issuer
        assert answer.all("WWW-Authenticate") == [f'Basic realm="{issuer}", charset="UTF-8"']
    else:
        assert not answer.all("WWW-Authenticate")
    if status in (429, 503):
        assert int(answer.one("Retry-After")) > 0, answer.headers
    path = target(front, case["request"]).split("?")[0]
    if path in map(front.path, ("token", "introspect", "revoke")) and status != 404:
        check_token_answer(answer, status == 204)


def check_expected(front, case, answer, expect):
    assert answer.status == expect["status"], f"{answer.status}, not {expect['status']}: {answer.body!r}"
    if expect.get("error"):
        assert answer.json()["error"] == expect["error"], answer.body
    check_headers(answer, expect.get("headers", {}))
    if "json" in expect:
        assert matches(answer.json(), expect["json"]), f"{answer.json()}, not {expect['json']}"
    if "json_exact" in expect:
        assert answer.json() == expect["json_exact"]
    if "body" in expect:
        assert answer.body == expect["body"].encode()
    if expect.get("token"):
        check_token(answer, expect["token"])
    if b"access_token" in answer.body:
        check_binding(front, case, answer, expect.get("cnf", []))
    if expect.get("request_id") == "random":
        assert UUID4.fullmatch(answer.one("X-Request-Id"))
    elif "request_id" in expect:
        assert answer.one("X-Request-Id") == expect["request_id"]


# Judging the log

def find_line(front, mark, answer):
    """The one line of this request."""
    request_id = answer.one("X-Request-Id")
    lines = front.log.wait_for_lines(
        mark, lambda line: "status" in line and request_id in (None, line.get("request_id")))
    assert lines, f"no log line for {request_id}:\n{front.log.text(mark)}"
    if request_id:
        assert len(lines) == 1, lines
    return lines[-1]


def check_line(front, case, answer, line, log):
    assert LOG_TIME.fullmatch(line["time"]), line
    assert line["level"] and line["event"], line
    # Apache and others may make a 304 of a 200 by themselves.
    assert line["status"] in ((200, 304) if answer.status == 304 else (answer.status,)), line
    assert type(line["duration_us"]) is int and line["duration_us"] >= 0, line
    assert line["remote_addr"], line
    if answer.status >= 400 and answer.body:
        assert line["error"] == answer.json()["error"] and line["reason"], line
    if answer.status == 200 and b"access_token" in answer.body:
        check_issued_line(answer, line)
    else:
        assert line["event"] != "token.issued" and "jti" not in line, line
    if answer.status >= 400 and is_token_request(front, case):
        assert line["event"] == "token.denied", line
    assert matches(line, log), f"{line}, not {log}"


def is_token_request(front, case):
    request = case["request"]
    return (request.get("method", "POST") == "POST" and "raw" not in request
            and front.path(request.get("path", "token")) == front.path("token"))


def check_issued_line(answer, line):
    body = answer.json()
    claims = decoded(body["access_token"].split(".")[1])
    assert line["event"] == "token.issued", line
    assert line["jti"] == claims["jti"] and line["client_id"] == claims["sub"], line
    assert line.get("scope", "") == body.get("scope", ""), line
    assert line["auth_method"] in METHODS, line


def secrets_of(case, answer, sent):
    """All that the log must not hold, in each form in which it may have been sent."""
    texts = {form for secret in SECRETS.values()
             for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1])}
    texts |= set(case.get("log_absent", []))
    texts |= {value for name, value in pairs(case["request"].get("form", {}))
              if name == "client_secret" and len(value) > 5}
    texts |= {header.split(" ")[-1] for header in [case["request"].get("authorization", "")]
              if len(header) > 20}
    texts |= {part for token in JWT.findall(sent) for part in [token, *token.split(".")] if len(part) > 20}
    if "basic" in case["request"]:
        texts.add(basic(case["request"]["basic"], SECRETS[case["request"]["basic"]])[6:])
    if answer is not None and b"access_token" in answer.body:
        token = answer.json()["access_token"]
        texts |= {token, token.split(".")[2]}
    return texts


def check_no_secrets(front, case, answer, mark, sent):
    text = front.log.text(mark)
    for secret in secrets_of(case, answer, sent.decode("latin-1")):
        assert secret not in text, f"the log holds {secret!r}:\n{text}"


# The tests

@pytest.mark.parametrize("front_name, case", parameters())
def test_case(site, front_name, case):
    front = site.front(front_name, case["config"])
    expect, log = expectation(front, case)
    request = make_request(front, case)
    if case["request"].get("again"):
        first = send(front, case, request)
        assert first.status == 200, first.body
        find_line(front, 0, first)
    mark = front.log.mark()
    answer = send(front, case, request)
    try:
        if "host" in expect:
            check_host_answer(answer, expect["host"])
        else:
            assert answer is not None, "the connection was closed without an answer"
            check_expected(front, case, answer, expect)
            check_general(front, case, answer)
            check_line(front, case, answer, find_line(front, mark, answer), log)
        check_no_secrets(front, case, answer, mark, request)
    finally:
        front.check_workers()


@pytest.mark.parametrize("front_name", servers.FRONTS)
def test_failed_authentications_look_alike(site, front_name):
    """Unknown, wrong, expired, disabled, not this method, not from here: the same bytes (row C5)."""
    front = site.front(front_name, "default")
    attempts = [("nobody", "x"), ("TENANT_CLIENT_ID", "x"), ("bcrypt", "x"), ("yescrypt", "x"),
                ("expired", SECRETS["expired"]), ("early", SECRETS["early"]),
                ("disabled", SECRETS["disabled"]), ("disabled", "x"),
                ("far-away", SECRETS["far-away"]), ("basic-only", SECRETS["basic-only"])]
    seen = {}
    for client, secret in attempts:
        body = urlencode([("grant_type", "client_credentials"), ("client_id", client),
                          ("client_secret", secret)]).encode()
        answer = front.exchange(http_client.build("POST", front.path("token"), [("Content-Type", FORM)],
                                                  body))
        headers = tuple(sorted((name, value) for name, value in answer.headers
                               if name not in DIFFERENT))
        seen.setdefault((answer.status, headers, answer.body), []).append(client)
    assert len(seen) == 1, seen


@pytest.mark.parametrize("front_name", servers.FRONTS)
def test_request_ids_are_random(site, front_name):
    front = site.front(front_name, "default")
    request = http_client.build("GET", front.path("health"))
    found = {front.exchange(request).one("X-Request-Id") for _ in range(10)}
    assert len(found) == 10 and all(uuid.UUID(value).version == 4 for value in found)


def test_there_are_enough_cases():
    """The number that the project promises, each in all paths; a deviation is rare and has a reason."""
    assert len(CASE_LIST) >= 150
    assert len(servers.FRONTS) == 6
