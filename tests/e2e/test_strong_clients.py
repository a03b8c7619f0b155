# SPDX-License-Identifier: MIT
"""Clients with keys, certificates and proofs, where one request alone does not show it: replays, embedded
keys, equal refusals, resumed sessions, metadata, introspection, revocation, throttle."""

import base64
import contextlib
import itertools
import json
import socket
import ssl
import threading
import time
import uuid

import pytest
from jwcrypto import jwk

import http_client
import jwts
import rawfcgi
import servers
from configurations import CONFIGURATIONS, SECRETS
from test_cases import (DIFFERENT, check_error_body, check_token_answer, decoded, find_line, make_request, send)

ALL = [*servers.FRONTS, servers.DIRECT]
GRANT = {"grant_type": "client_credentials"}
STATES = ["strong", "redis"]


def ask(front, **request):
    """The answer to a request written as in the cases."""
    request.setdefault("form", GRANT if "path" not in request else {})
    case = {"request": request, "id": "a request"}
    answer = send(front, case, make_request(front, case))
    assert answer is not None, "the connection was closed"
    return answer


def refused(answer, status, error):
    assert answer.status == status and answer.json()["error"] == error, (answer.status, answer.body)
    check_error_body(answer)
    return answer


def token_of(front, client, **request):
    answer = ask(front, post=client, **request)
    assert answer.status == 200, answer.body
    return answer.json()["access_token"]


# Once is once

@pytest.mark.parametrize("config", STATES)
def test_a_jti_is_its_clients(site, config):
    """The same jti by another client, and as a proof's, is another (row A14)."""
    front = site.front(servers.DIRECT, config)
    jti = str(uuid.uuid4())
    for client in ("es256", "mixed", "several"):
        assert ask(front, assertion={"client": client, "claims": {"jti": jti}}).status == 200
    for key in ("ec-proof", "ed-proof"):
        assert ask(front, post="dpop", dpop={"key": key, "claims": {"jti": jti}}).status == 200
    for client in ("es256", "mixed", "several"):
        refused(ask(front, assertion={"client": client, "claims": {"jti": jti}}), 401, "invalid_client")
    for key in ("ec-proof", "ed-proof"):
        refused(ask(front, post="dpop", dpop={"key": key, "claims": {"jti": jti}}), 400, "invalid_dpop_proof")
    # Another client with the same proof key: a proof is its key's.
    refused(ask(front, post="TENANT_CLIENT_ID", dpop={"claims": {"jti": jti}}), 400, "invalid_dpop_proof")


@pytest.mark.parametrize("config", STATES)
def test_another_signature_is_the_same_assertion(site, config):
    """(r, s) and (r, n - s) both verify; the jti is used up all the same (row A9)."""
    front = site.front(servers.DIRECT, config)
    now = int(time.time())
    claims = {"jti": str(uuid.uuid4()), "exp": now + 60, "iat": now}
    assert ask(front, assertion={"client": "es256", "claims": claims, "signature": "minus"}).status == 200
    refused(ask(front, assertion={"client": "es256", "claims": claims}), 401, "invalid_client")
    refused(ask(front, assertion={"client": "es256", "claims": claims, "header": {"typ": "JWT"}}), 401,
            "invalid_client")


def test_a_bad_assertion_uses_nothing_up(site):
    """Whoever sees a jti cannot spoil it for its client."""
    front = site.front(servers.DIRECT, "strong")
    claims = {"jti": str(uuid.uuid4())}
    refused(ask(front, assertion={"client": "es256", "claims": claims, "key": "ec-stranger"}), 401,
            "invalid_client")
    refused(ask(front, assertion={"client": "es256", "claims": {**claims, "aud": "x"}}), 401, "invalid_client")
    assert ask(front, assertion={"client": "es256", "claims": claims}).status == 200


@pytest.mark.parametrize("front_name", ALL)
def test_a_jti_is_used_up_in_every_process(site, front_name):
    front = site.front(front_name, "strong")
    case = {"request": {"assertion": {"client": "es256"}, "form": GRANT}, "id": "a replay"}
    request = make_request(front, case)
    assert [send(front, case, request).status for _ in range(6)] == [200] + 5 * [401]


def test_our_own_token_is_no_assertion(site):
    """Nor a proof (row A15)."""
    front = site.front(servers.DIRECT, "strong")
    for client in ("TENANT_CLIENT_ID", "rfc9068"):
        token = token_of(front, client)
        refused(ask(front, form={**GRANT, "client_id": client, "client_assertion": token,
                                 "client_assertion_type": jwts.ASSERTION_TYPE}), 401, "invalid_client")
        refused(ask(front, post="dpop", dpop=token), 400, "invalid_dpop_proof")


# Keys that the sender brings along

class Canary:
    """A listener that nobody should find."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.visits = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                connection, address = self.listener.accept()
                self.visits.append(address)
                connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def canary():
    made = Canary()
    yield made
    made.close()


def embedded_keys(site, port):
    stranger = jwts.public("ec-stranger")
    der = site.certificates.base64("self-stranger")
    for scheme in ("http", "https"):
        yield {"jku": f"{scheme}://127.0.0.1:{port}/jwks.json"}
        yield {"x5u": f"{scheme}://127.0.0.1:{port}/certificate.pem"}
    yield {"jwk": stranger}
    yield {"jwk": {**stranger, "kid": "a"}, "kid": "a"}
    yield {"x5c": [der]}
    yield {"x5c": [der], "x5t#S256": site.certificates.thumbprint("self-stranger")}
    yield {"jku": f"http://127.0.0.1:{port}/", "x5u": f"http://127.0.0.1:{port}/", "jwk": stranger, "kid": "a"}


@pytest.mark.parametrize("front_name", ["lighttpd-fcgi", servers.DIRECT])
def test_no_key_but_the_registered(site, canary, front_name):
    """Keys in the header are not used, and addresses in it not visited; they do no harm either (row A5)."""
    front = site.front(front_name, "strong")
    for header in embedded_keys(site, canary.port):
        refused(ask(front, assertion={"client": "several", "key": "ec-stranger", "header": header}), 401,
                "invalid_client")
        good = ask(front, assertion={"client": "several", "key": "ec-a", "header": header})
        assert good.status == 200, (header, good.body)
        refused(ask(front, post="dpop", dpop={"header": {**header, "jwk": jwts.public("ec-second")}}), 400,
                "invalid_dpop_proof")
    # The listener works: one visit of our own.
    socket.create_connection(("127.0.0.1", canary.port)).close()
    rawfcgi.wait_until(lambda: canary.visits, 5, "the listener hears")
    time.sleep(0.1)
    assert len(canary.visits) == 1


# All refusals alike

def test_refusals_look_alike(site):
    """Whatever is wrong with an assertion, a certificate or a secret: the same bytes (row C5)."""
    front = site.front(servers.DIRECT, "strong")
    attempts = [
        {"assertion": {"client": "es256", **spoilt}} for spoilt in (
            {"signature": "other"}, {"key": "ec-stranger"}, {"claims": {"aud": "x"}}, {"claims": {"exp": 1}},
            {"claims": {"jti": None}}, {"header": {"kid": "x"}}, {"header": {"alg": "none"}},
            {"shape": "one word", "client_id": "es256"}, {"shape": "five parts"})]
    attempts += [{"assertion": {"client": client, "key": "ec"}} for client in
                 ("nobody", "disabled-key", "far-key", "TENANT_CLIENT_ID", "tls-dn")]
    attempts += [{"certificate": certificate, "form": {**GRANT, "client_id": client}} for certificate, client in
                 (("other", "tls-dn"), ("expired", "tls-dn"), ("dn", "nobody"), ("dn", "second"))]
    attempts += [{"form": {**GRANT, "client_id": client, "client_secret": "wrong-secret"}} for client in
                 ("nobody", "TENANT_CLIENT_ID", "es256")]
    seen = {}
    for attempt in attempts:
        answer = ask(front, **attempt)
        headers = tuple(sorted(item for item in answer.headers if item[0] not in DIFFERENT))
        seen.setdefault((answer.status, headers, answer.body), []).append(attempt)
    assert len(seen) == 1, seen


# TLS sessions: what was not verified at first is not verified later

def talk_over_tls(front, context, request, session=None):
    with socket.create_connection(("127.0.0.1", front.tls_port), 20) as connection:
        with context.wrap_socket(connection, session=session) as wrapped:
            wrapped.sendall(request)
            received = b"".join(iter(lambda: wrapped.recv(65536), b""))
            return http_client.Answer(received, "POST"), wrapped.session, wrapped.session_reused


@pytest.mark.parametrize("config, certificate", [
    ("self-signed", "forged"), ("self-signed", "wrong-ca"), ("strong", "other"), ("strong", "dn")])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
@pytest.mark.parametrize("front_name", servers.FRONTS)
def test_resumed_sessions(site, front_name, version, config, certificate):
    """A session that is taken up again makes no certificate better (mod_ssl's does, in TLS 1.2)."""
    front = site.front(front_name, config)
    context = http_client.tls_context(site.certificates.pair(certificate), version)
    request = make_request(front, {"request": {"form": {**GRANT, "client_id": "tls-dn"}}})
    if config == "self-signed" and front_name.startswith("apache") and version == ssl.TLSVersion.TLSv1_2:
        with pytest.raises(ssl.SSLError, match="(?i)version|handshake"):
            talk_over_tls(front, context, request)
        return
    first, session, _ = talk_over_tls(front, context, request)
    second, _, is_resumed = talk_over_tls(front, context, request, session)
    wanted = 200 if certificate == "dn" else 401
    assert (first.status, second.status) == (wanted, wanted), (first.body, second.body)
    assert is_resumed, "the session was not taken up again: this test shows nothing"


# Metadata: exactly what is on

def authentication(endpoint, methods, algs):
    return {f"{endpoint}_endpoint_auth_methods_supported": methods,
            **({f"{endpoint}_endpoint_auth_signing_alg_values_supported": algs} if algs else {})}


def offered(issuer, methods, algs, scopes, endpoints=("introspection", "revocation"), certificates=False,
            dpop=True):
    paths = {"introspection": "introspect", "revocation": "revoke"}
    expected = {
        "issuer": issuer, "token_endpoint": f"{issuer}/oauth2/token", "jwks_uri": f"{issuer}/oauth2/jwks",
        "response_types_supported": [], "grant_types_supported": ["client_credentials"],
        "scopes_supported": scopes, **authentication("token", methods, algs)}
    for name in endpoints:
        expected |= {f"{name}_endpoint": f"{issuer}/oauth2/{paths[name]}", **authentication(name, methods, algs)}
    if certificates:
        expected["tls_client_certificate_bound_access_tokens"] = True
    if dpop:
        expected["dpop_signing_alg_values_supported"] = ["ES256", "EdDSA", "PS256"]
    return expected


ISSUER = "https://auth.example.com"
SECRETS_ONLY = ["client_secret_basic", "client_secret_post"]
METADATA = {
    "default": offered("http://localhost", SECRETS_ONLY, None, [
        "identity_proofing", "email", "profile", "billing:read", "orders:read", "orders:write",
        "a!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "nobodys"], (), dpop=False),
    # One disabled client has client_secret_post.
    "tls": offered("https://auth.example.com/tenant1", ["client_secret_basic"], None,
                   ["identity_proofing", "email"], (), dpop=False),
    "strong": offered(ISSUER, ["client_secret_basic", "client_secret_jwt", "client_secret_post",
                               "private_key_jwt", "tls_client_auth"],
                      ["ES256", "EdDSA", "HS256", "PS256", "RS256"], ["email", "profile"], certificates=True),
    "self-signed": offered(ISSUER, ["client_secret_basic", "self_signed_tls_client_auth", "tls_client_auth"],
                           None, ["email"], certificates=True),
    "throttled": offered(ISSUER, [*SECRETS_ONLY, "private_key_jwt", "tls_client_auth"], ["ES256"], ["email"],
                         certificates=True),
    # Its only client of tls_client_auth is disabled.
    "compatible": offered(ISSUER, ["client_secret_jwt", "private_key_jwt"],
                          ["ES256", "EdDSA", "HS256", "PS256", "RS256"], ["email"], ("revocation",)),
}


def in_order(metadata):
    """Lists sorted: their order means nothing."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in metadata.items()}


@pytest.mark.parametrize("config", METADATA)
def test_metadata(site, config):
    front = site.front(servers.DIRECT, config)
    settings = CONFIGURATIONS[config]
    for path in (".well-known/oauth-authorization-server", ".well-known/openid-configuration"):
        headers = {"X-Forwarded-Proto": "https"} if settings.source else {}
        answer = ask(front, method="GET", path=path, headers=headers)
        assert answer.status == 200, answer.body
        assert in_order(answer.json()) == in_order(METADATA[config])


def test_metadata_through_every_server(site):
    documents = {ask(site.front(name, "strong"), method="GET", path=path).body for name in ALL
                 for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")}
    assert len(documents) == 1


def test_what_is_not_offered_is_not_there(site):
    front = site.front(servers.DIRECT, "compatible")
    refused(ask(front, path="introspect", assertion={"client": "es256"}, form={"token": "x"}), 404, "not_found")
    answer = ask(front, path="revoke", assertion={"client": "es256"}, form={"token": "x"})
    assert (answer.status, answer.body) == (200, b"")


# Introspection and revocation

def introspect(front, token, **request):
    request = request or {"basic": "resource-server"}
    mark = front.log.mark()
    answer = ask(front, path="introspect", form={"token": token}, **request)
    assert answer.status == 200, answer.body
    check_token_answer(answer, False)
    line = find_line(front, mark, answer)
    assert line["event"] == "introspection" and line["status"] == 200, line
    assert_not_in(token, front.log.text(mark))
    return answer.json()


def revoke(front, token, client="TENANT_CLIENT_ID", certificate=None, **form):
    mark = front.log.mark()
    answer = ask(front, path="revoke", basic=client, certificate=certificate, form={"token": token, **form})
    assert (answer.status, answer.body) == (200, b""), answer.body
    check_token_answer(answer, False)
    line = find_line(front, mark, answer)
    assert line["event"] == "revocation" and line["client_id"] == client, line
    assert_not_in(token, front.log.text(mark))
    return line


def assert_not_in(token, text):
    for part in [token, *token.split(".")]:
        assert len(part) < 20 or part not in text, "a token is in the log"


INACTIVE = {"active": False}


@pytest.mark.parametrize("front_name", ALL)
def test_introspection_and_revocation(site, front_name):
    """The life of a token, over every path (rows T4, T5)."""
    front = site.front(front_name, "strong")
    token = token_of(front, "TENANT_CLIENT_ID")
    claims = decoded(token.split(".")[1])
    expected = {"active": True, "scope": "email", "client_id": "TENANT_CLIENT_ID", "token_type": "Bearer",
                **{name: claims[name] for name in ("exp", "iat", "nbf", "sub", "aud", "iss", "jti")}}
    assert introspect(front, token) == expected
    assert revoke(front, token)["jti"] == claims["jti"]
    assert [introspect(front, token) for _ in range(5)] == 5 * [INACTIVE]
    revoke(front, token)


@pytest.mark.parametrize("config", STATES)
def test_introspection_of_each_kind(site, config):
    front = site.front(servers.DIRECT, config)
    token = token_of(front, "rfc9068", form={**GRANT, "scope": "profile email"}, dpop={})
    claims = decoded(token.split(".")[1])
    assert introspect(front, token) == {
        "active": True, "scope": "profile email", "client_id": "rfc9068", "token_type": "DPoP",
        "cnf": {"jkt": jwts.thumbprint(jwts.DPOP_KEY)}, "aud": ["https://api.example.com", "https://other.example.com"],
        **{name: claims[name] for name in ("exp", "iat", "sub", "iss", "jti")}}
    bound = ask(front, basic="bound", certificate="other").json()["access_token"]
    found = introspect(front, bound)
    assert found["cnf"] == {"x5t#S256": site.certificates.thumbprint("other")}
    assert found["token_type"] == "Bearer"
    both = ask(front, basic="bound-dpop", certificate="other", dpop={}).json()["access_token"]
    assert set(introspect(front, both)["cnf"]) == {"x5t#S256", "jkt"}
    for one in (token, both):
        assert introspect(front, one)["active"]
    revoke(front, both, "bound-dpop", "other")
    assert introspect(front, both) == INACTIVE and introspect(front, token)["active"]


def signed_like(front, key, token, header=None, **claims):
    """The same claims under another key."""
    pem = (front.site.keys / f"{key}.pem").read_bytes() if isinstance(key, str) else None
    made = jwk.JWK.from_pem(pem) if pem else key
    alg = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}[made["kty"]]
    old_header, old_claims, _ = token.split(".")
    header = {**decoded(old_header), "alg": alg, **(header or {})}
    head, body = jwts.b64(json.dumps(header)), jwts.b64(json.dumps({**decoded(old_claims), **claims}))
    return f"{head}.{body}." + jwts.b64(jwts.jwa.JWA.signing_alg(alg).sign(made, f"{head}.{body}".encode()))


def forgeries(front, token):
    """What is not active; each is a token but for one thing (row T4)."""
    head, body, signature = token.split(".")
    yield "another signature", f"{head}.{body}.{signature[:9]}{'A' if signature[9] != 'A' else 'B'}{signature[10:]}"
    yield "no signature", f"{head}.{body}."
    yield "two parts", f"{head}.{body}"
    yield "alg none", jwts.b64(json.dumps({**decoded(head), "alg": "none"})) + f".{body}."
    yield "another key", signed_like(front, jwts.key("ec-stranger"), token)
    yield "another key of ours under this kid", signed_like(front, "rs256", token)
    yield "another key without kid", signed_like(front, jwts.key("ec-stranger"), token, {"kid": "x"})
    yield "an embedded key", signed_like(front, jwts.key("ec-stranger"), token,
                                         {"jwk": jwts.public("ec-stranger")})
    yield "expired", signed_like(front, "es256", token, exp=int(time.time()) - 1)
    yield "another issuer", signed_like(front, "es256", token, iss="https://evil.example.com")
    yield "an assertion of a client", jwts.assertion(front.settings, {"client": "es256", "key": "ec"})
    yield "a proof", jwts.proof(front.settings, {})
    yield "another typ", signed_like(front, "es256", token, {"typ": "logout+jwt"})
    yield "crit", signed_like(front, "es256", token, {"crit": ["x"], "x": 1})
    yield "a space behind", token + " "
    yield "garbage", "garbage"
    yield "dots", ".."
    yield "UTF-8", "Büro.Büro.Büro"
    yield "30 KB", 30000 * "a"
    yield "30 KB and two dots", f"{10000 * 'a'}.{10000 * 'b'}.{10000 * 'c'}"


def test_introspection_of_forgeries(site):
    front = site.front(servers.DIRECT, "strong")
    token = token_of(front, "TENANT_CLIENT_ID")
    for what, forged in forgeries(front, token):
        assert introspect(front, forged) == INACTIVE, what
    assert introspect(front, token)["active"]


def test_introspection_of_a_retired_key(site):
    """Old tokens stay verifiable while their key is published."""
    front = site.front(servers.DIRECT, "strong")
    token = token_of(front, "TENANT_CLIENT_ID")
    assert introspect(front, signed_like(front, "rs256", token, {"kid": "retired-2025"}))["active"]


def test_introspection_of_an_expired_token(site):
    front = site.front(servers.DIRECT, "strong")
    token = token_of(front, "short-lived")
    exp = decoded(token.split(".")[1])["exp"]
    time.sleep(max(0, exp + 0.1 - time.time()))
    assert introspect(front, token) == INACTIVE
    revoke(front, token, "short-lived")


@pytest.mark.parametrize("config", STATES)
def test_revocation_before_its_time(site, config):
    """A machine whose clock is ahead issued it: until it is valid here, it can be taken back (leeway: 10 s)."""
    front = site.front(servers.DIRECT, config)
    start = int(time.time()) + 12
    early, taken_back = (signed_like(front, "es256", token_of(front, "TENANT_CLIENT_ID"), nbf=start)
                         for _ in range(2))
    assert introspect(front, early) == introspect(front, taken_back) == INACTIVE
    line = revoke(front, taken_back)
    assert line["jti"] == decoded(taken_back.split(".")[1])["jti"], line
    time.sleep(max(0, start - 10 + 0.5 - time.time()))
    assert introspect(front, early)["active"], "this test shows nothing"
    assert introspect(front, taken_back) == INACTIVE


@pytest.mark.parametrize("front_name", ["lighttpd-fcgi", servers.DIRECT])
def test_who_may_introspect(site, front_name):
    front = site.front(front_name, "strong")
    token = token_of(front, "TENANT_CLIENT_ID")
    form = {"token": token}
    refused(ask(front, path="introspect", form=form), 401, "invalid_client")
    refused(ask(front, path="introspect", form={**form, "client_id": "resource-server", "client_secret": "wrong-one"}),
            401, "invalid_client")
    refused(ask(front, path="introspect", form=form, post="TENANT_CLIENT_ID"), 403, "access_denied")
    refused(ask(front, path="introspect", form=form, assertion={"client": "es256"}), 403, "access_denied")
    refused(ask(front, path="introspect", post="resource-server"), 400, "invalid_request")
    refused(ask(front, path="introspect", post="resource-server", form={"token": ""}), 400, "invalid_request")
    refused(ask(front, path="introspect", post="resource-server", form=[("token", "a"), ("token", "b")]), 400,
            "invalid_request")
    assert introspect(front, token, post="resource-server")["active"]
    answer = ask(front, path="introspect", method="GET")
    assert refused(answer, 405, "invalid_request").one("Allow") == "POST"
    assert ask(front, path="introspect", post="resource-server",
               form={**form, "token_type_hint": "refresh_token"}).json()["active"]


@pytest.mark.parametrize("config", STATES)
def test_revocation_is_the_clients_own(site, config):
    """Another client's token stays as it is, and nothing tells that it is one (row T5)."""
    front = site.front(servers.DIRECT, config)
    token, other = token_of(front, "TENANT_CLIENT_ID"), token_of(front, "second")
    revoke(front, token, "second")
    assert introspect(front, token)["active"]
    for _, forged in forgeries(front, token):
        revoke(front, forged)
    assert introspect(front, token)["active"], "a forgery with its jti revokes nothing"
    revoke(front, token, token_type_hint="refresh_token")
    assert introspect(front, token) == INACTIVE and introspect(front, other)["active"]
    form = {"token": other}
    refused(ask(front, path="revoke", form=form), 401, "invalid_client")
    refused(ask(front, path="revoke", form={**form, "client_id": "second", "client_secret": "wrong-one"}), 401,
            "invalid_client")
    refused(ask(front, path="revoke", post="second"), 400, "invalid_request")
    assert refused(ask(front, path="revoke", method="GET"), 405, "invalid_request").one("Allow") == "POST"
    assert introspect(front, other)["active"]


def test_every_method_at_every_endpoint(site):
    """Introspection and revocation take the credentials that the token endpoint takes."""
    front = site.front(servers.DIRECT, "strong")
    credentials = {
        "rs256": {"assertion": {"client": "rs256"}}, "secret-jwt": {"assertion": {"client": "secret-jwt"}},
        "tls-dn": {"certificate": "dn"}, "TENANT_CLIENT_ID": {"basic": "TENANT_CLIENT_ID"},
        "second": {"post": "second"}}
    for client, how in credentials.items():
        form = {"client_id": client} if client == "tls-dn" else {}
        token = ask(front, form={**GRANT, **form}, **how).json()["access_token"]
        assert introspect(front, token)["client_id"] == client
        assert ask(front, path="revoke", form={"token": token, **form}, **how).status == 200
        assert introspect(front, token) == INACTIVE
    # Whose tokens are bound to a certificate, must present it here too.
    for path in ("introspect", "revoke"):
        refused(ask(front, path=path, basic="bound", form={"token": "x"}), 400, "invalid_request")
    used = make_request(front, {"request": {"path": "revoke", "assertion": {"client": "rs256"},
                                            "form": {"token": "x"}}})
    assert front.exchange(used).status == 200
    refused(front.exchange(used), 401, "invalid_client")


# Throttle: 3 failures of a client from an address, 6 of an address, in 3 seconds

WINDOW_S = 3
ADDRESSES = itertools.count(1)
THROTTLED = [("lighttpd-fcgi", "throttled"), ("apache-cgid", "throttled"), (servers.DIRECT, "throttled-redis")]


def address():
    """One that no test has had."""
    return f"127.33.0.{next(ADDRESSES)}"


def attempt(front, source, client, secret="wrong-secret", **more):
    return ask(front, **{"from": source}, form={**GRANT, "client_id": client, "client_secret": secret}, **more)


def good(front, source, client):
    return attempt(front, source, client, SECRETS[client])


def throttled(answer):
    assert 1 <= int(answer.one("Retry-After")) <= WINDOW_S, answer.headers
    assert answer.one("WWW-Authenticate") is None
    return refused(answer, 429, "invalid_client")


@pytest.mark.parametrize("front_name, config", THROTTLED)
def test_throttle_of_a_client(site, front_name, config):
    front = site.front(front_name, config)
    here, elsewhere = address(), address()
    for _ in range(3):
        refused(attempt(front, here, "TENANT_CLIENT_ID"), 401, "invalid_client")
    mark = front.log.mark()
    answer = throttled(good(front, here, "TENANT_CLIENT_ID"))
    line = find_line(front, mark, answer)
    assert "too many" in line["reason"] and line["client_id"] == "TENANT_CLIENT_ID" and line["status"] == 429, line
    throttled(attempt(front, here, "TENANT_CLIENT_ID"))
    # Neither another client here nor the same elsewhere.
    assert good(front, here, "second").status == 200
    assert good(front, elsewhere, "TENANT_CLIENT_ID").status == 200
    if front_name != "apache-cgid":
        time.sleep(int(answer.one("Retry-After")) + 0.1)
        assert good(front, here, "TENANT_CLIENT_ID").status == 200


@pytest.mark.parametrize("front_name, config", THROTTLED)
def test_throttle_of_an_address(site, front_name, config):
    """Names that nobody has count too: a flood of them shuts out its address only (row C7)."""
    front = site.front(front_name, config)
    here, elsewhere = address(), address()
    for number in range(6):
        refused(attempt(front, here, f"nobody-{number}"), 401, "invalid_client")
    throttled(good(front, here, "TENANT_CLIENT_ID"))
    throttled(attempt(front, here, "nobody-7"))
    assert good(front, elsewhere, "TENANT_CLIENT_ID").status == 200
    assert ask(front, path="jwks", method="GET", **{"from": here}).status == 200


def test_what_the_throttle_counts(site):
    front = site.front(servers.DIRECT, "throttled")
    for spoilt in ({"signature": "other"}, {"claims": {"exp": 1}}):
        here = address()
        for _ in range(3):
            refused(ask(front, assertion={"client": "es256", **spoilt}, **{"from": here}), 401, "invalid_client")
        throttled(ask(front, assertion={"client": "es256"}, **{"from": here}))
    # Neither requests without credentials, nor other errors, nor successes.
    here = address()
    for _ in range(8):
        refused(ask(front, **{"from": here}), 401, "invalid_client")
        refused(ask(front, post="TENANT_CLIENT_ID", form={"grant_type": "x"}, **{"from": here}), 400,
                "unsupported_grant_type")
        assert good(front, here, "TENANT_CLIENT_ID").status == 200


# Guesses that do not look like guesses; with a client_id, and without.
GUESSES = {
    "no base64": {"authorization": "Basic !!!"},
    "base64 without its padding": {"authorization": "Basic VEVOQU5UX0NMSUVOVF9JRDp3cm9uZw"},
    "no colon": {"authorization": "Basic VEVOQU5U"},
    "nothing behind the scheme": {"authorization": "Basic "},
    "another scheme": {"authorization": "Bearer abcdefgh"},
    "an assertion of one word": {"assertion": {"client": "es256", "shape": "one word"}},
    "half an assertion": {"assertion": {"client": "es256", "shape": "two parts"}},
    "an assertion in JSON": {"assertion": {"client": "es256", "shape": "JSON"}},
    "an assertion that is too long": {"assertion": {"client": "es256", "claims": {"x": "<9000*a>"}}},
}


@pytest.mark.parametrize("guess", GUESSES)
def test_guesses_that_cannot_be_read(site, guess):
    """They count: for the client whose client_id stands beside them, else for the address alone."""
    front = site.front(servers.DIRECT, "throttled")
    request = GUESSES[guess]
    with_id = {**GRANT, "client_id": "es256"}
    here = {"from": address()}
    for _ in range(3):
        refused(ask(front, form=with_id, **request, **here), 401, "invalid_client")
    throttled(ask(front, form=with_id, **request, **here))
    throttled(ask(front, assertion={"client": "es256"}, **here))
    assert good(front, here["from"], "second").status == 200
    here = {"from": address()}
    for _ in range(6):
        refused(ask(front, **request, **here), 401, "invalid_client")
    throttled(ask(front, **request, **here))
    throttled(good(front, here["from"], "second"))


@pytest.mark.parametrize("front_name, config", THROTTLED)
def test_unreadable_credentials_through_a_server(site, front_name, config):
    front = site.front(front_name, config)
    here = {"from": address()}
    for _ in range(3):
        refused(ask(front, authorization="Basic !!!", **here), 401, "invalid_client")
        refused(ask(front, authorization="Digest username=x", **here), 401, "invalid_client")
    throttled(ask(front, authorization="Basic !!!", **here))
    throttled(ask(front, authorization="Digest username=x", **here))


def test_a_replay_is_no_guess(site):
    """Whoever sends a good assertion again has the key; a client that does so by mistake is not shut out."""
    front = site.front(servers.DIRECT, "throttled")
    here = address()
    case = {"request": {"assertion": {"client": "es256"}, "form": GRANT, "from": here}, "id": "a replay"}
    request = make_request(front, case)
    assert [send(front, case, request).status for _ in range(9)] == [200] + 8 * [401]
    assert ask(front, assertion={"client": "es256"}, **{"from": here}).status == 200


def by_basic(front, source, name, secret):
    """Basic credentials exactly so, without encoding."""
    raw = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return ask(front, authorization=f"Basic {raw}", **{"from": source})


SPELLINGS = ["TENANT%5FCLIENT%5FID", "TENANT_CLIENT%5fID", "%54ENANT_CLIENT_ID", "TENANT_CLIENT_I%44"]


def test_spellings_of_a_name(site):
    """Whichever way a client's name is encoded: it is the same client's limit."""
    front = site.front(servers.DIRECT, "throttled")
    here = address()
    for spelling in SPELLINGS[:3]:
        refused(by_basic(front, here, spelling, "wrong-secret"), 401, "invalid_client")
    throttled(by_basic(front, here, SPELLINGS[3], "wrong-secret"))
    for name in ("TENANT_CLIENT_ID", *SPELLINGS):
        throttled(by_basic(front, here, name, SECRETS["TENANT_CLIENT_ID"]))
    throttled(good(front, here, "TENANT_CLIENT_ID"))
    assert good(front, here, "second").status == 200


def test_a_spelling_that_is_throttled_itself(site):
    """The name as it stands is nobody's and has reached its limit; guesses at the client count all the same."""
    front = site.front(servers.DIRECT, "throttled")
    here = address()
    for status in (401, 401, 401, 429):
        assert attempt(front, here, SPELLINGS[0]).status == status
    assert by_basic(front, here, SPELLINGS[0], SECRETS["TENANT_CLIENT_ID"]).status == 200
    for _ in range(3):
        refused(by_basic(front, here, SPELLINGS[0], "wrong-secret"), 401, "invalid_client")
    throttled(by_basic(front, here, SPELLINGS[0], "wrong-secret"))
    throttled(by_basic(front, here, SPELLINGS[0], SECRETS["TENANT_CLIENT_ID"]))


@pytest.mark.parametrize("front_name", ["lighttpd-fcgi", servers.DIRECT])
def test_a_certificate_beside_guesses(site, front_name):
    """It is refused before the secret is looked at, and tells which clients have certificates: so it counts."""
    front = site.front(front_name, "throttled")
    here = address()
    for _ in range(3):
        refused(attempt(front, here, "tls-dn", certificate="dn"), 400, "invalid_request")
    throttled(attempt(front, here, "tls-dn", certificate="dn"))
    throttled(ask(front, certificate="dn", form={**GRANT, "client_id": "tls-dn"}, **{"from": here}))
    assert good(front, here, "second").status == 200


def test_throttle_at_every_endpoint(site):
    """Guessing at one of them is guessing at all."""
    front = site.front(servers.DIRECT, "throttled")
    here = address()
    wrong = {"client_id": "TENANT_CLIENT_ID", "client_secret": "wrong-secret"}
    for path in ("token", "introspect", "revoke"):
        refused(ask(front, path=path, form={**GRANT, "token": "x", **wrong}, **{"from": here}), 401, "invalid_client")
    for path in ("token", "introspect", "revoke"):
        throttled(ask(front, path=path, post="TENANT_CLIENT_ID", form={**GRANT, "token": "x"}, **{"from": here}))


def test_throttle_behind_a_proxy(site):
    """The addresses are those that a trusted proxy names; IPv6 addresses count by their network of 64 bits."""
    front = site.front(servers.DIRECT, "throttled")

    def through_proxy(source, secret="wrong-secret"):
        return attempt(front, "127.9.9.9", "TENANT_CLIENT_ID", secret,
                       headers={"X-Forwarded-For": source, "X-Forwarded-Proto": "https"}).status
    assert [through_proxy("203.0.113.5") for _ in range(4)] == [401, 401, 401, 429]
    assert through_proxy("203.0.113.6", SECRETS["TENANT_CLIENT_ID"]) == 200
    assert [through_proxy(f"2001:db8:7::{number}") for number in range(1, 5)] == [401, 401, 401, 429]
    assert through_proxy("2001:db8:7:0:ffff::1", SECRETS["TENANT_CLIENT_ID"]) == 429
    assert through_proxy("2001:db8:7:1::1", SECRETS["TENANT_CLIENT_ID"]) == 200
