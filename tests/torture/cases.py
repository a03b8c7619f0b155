# SPDX-License-Identifier: MIT
"""The requests: how each is made, and what its good answer is."""

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from urllib.parse import urlencode

from jwcrypto import jwa

import jwts
import place
import rawfcgi

GRANT = {"grant_type": "client_credentials"}


class Wrong(Exception):
    """An answer that no request may have, or not this one."""


def require(good, text):
    if not good:
        raise Wrong(text)


@dataclass
class Request:
    """One request, with variables and body, and what only its answer can show."""

    variables: dict
    body: bytes = b""
    verify: object = None     # of an answer with the good status; raises Wrong
    then: object = None       # if it was good, the request that must be good after it

    def stream(self, keep=False):
        return (rawfcgi.begin(keep) + rawfcgi.stream(rawfcgi.PARAMS, rawfcgi.pairs(self.variables)) +
                rawfcgi.stream(rawfcgi.STDIN, self.body))


@dataclass
class Case:
    """A kind of request."""

    name: str
    make: object            # from the material to a Request
    status: int = 200
    again: int = None       # the status of the same bytes a second time, if that is another
    options: dict = None    # of the configuration
    redis: bool = False


def post(path, form, verify=None, **more):
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    variables = rawfcgi.token_variables(body, HTTPS="on", PATH_INFO=path, **more)
    return Request(variables, body, verify)


def get(path, verify, script="/oauth2"):
    return Request({"REQUEST_METHOD": "GET", "SCRIPT_NAME": script, "PATH_INFO": path, "HTTPS": "on",
                    "REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}, b"", verify)


def basic(client, secret=place.SECRET):
    pair = base64.b64encode(f"{client}:{secret}".encode()).decode()
    return {"HTTP_AUTHORIZATION": "Basic " + pair}


def certificate(material, name):
    return {"SSL_CLIENT_CERT": material.certificates[name], "SSL_CLIENT_VERIFY": "SUCCESS"}


def document(answer):
    try:
        parsed = json.loads(answer.body)
    except ValueError:
        raise Wrong(f"a body that is no JSON: {answer.body[:80]!r}") from None
    require(isinstance(parsed, dict), "a body that is no object")
    return parsed


def claims_of(token, alg="ES256"):
    """The claims of a token whose signature another implementation than ours has verified."""
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    require(json.loads(jwts.unb64(head))["alg"] == alg, "a token with another algorithm")
    try:
        jwa.JWA.signing_alg(alg).verify(jwts.key(place.SIGNING[alg]), signed.encode(), jwts.unb64(signature))
    except Exception as error:
        raise Wrong(f"a token that does not verify: {error}") from None
    return json.loads(jwts.unb64(payload))


def token(client, alg="ES256", **confirmation):
    """What holds for the answer to a token request of this client."""
    def verify(answer):
        given = document(answer)
        claims = claims_of(given.get("access_token", "") or "..", alg)
        require(claims.get("iss") == place.ISSUER and claims.get("sub") == client, "a token of another one")
        require(given.get("expires_in", 0) > 0, "no expires_in")
        require(claims["exp"] - claims["iat"] == 300, "a token with another lifetime")
        require(len(claims.get("jti", "")) == 36, "a token without jti")
        require(given.get("token_type") == ("DPoP" if "jkt" in confirmation else "Bearer"), "another token_type")
        require(claims.get("cnf") == (confirmation or None), "a token that is bound to something else")
        require(given.get("scope") == "email" or client == "rich", "another scope")
    return verify


def refusal(error):
    def verify(answer):
        require(document(answer).get("error") == error, f"another error than {error}: {answer.body[:80]!r}")
    return verify


def has(**members):
    def verify(answer):
        parsed = document(answer)
        for name, value in members.items():
            require(parsed.get(name) == value, f"{name} is {parsed.get(name)!r}, not {value!r}")
    return verify


def has_keys(answer):
    keys = document(answer).get("keys", [])
    require([key.get("kid") for key in keys] == ["one", "two"], "another JWKS")


def has_metrics(answer):
    require(b"\n# HELP " in b"\n" + answer.body and answer.body.endswith(b"\n"), f"no metrics: {answer.body[:60]!r}")


def by_secret(client="secret", alg="ES256", **more):
    def make(_):
        return post("/token", {**GRANT, "client_id": client, "client_secret": place.SECRET, **more},
                    token(client, alg))
    return make


def by_basic(client="secret"):
    return lambda _: post("/token", GRANT, token(client), **basic(client))


def wrong_secret(client, secret="not the secret"):
    """Another wrong secret each time: none is remembered."""
    def make(_):
        return post("/token", GRANT, refusal("invalid_client"), **basic(client, secret + str(uuid.uuid4())))
    return make


def assertion_of(client, alg):
    spec = {"client": client, "key": place.JWKS.get(client, "oct"), "alg": alg}
    if alg == "HS256":
        spec["secret"] = place.SECRET
    return {"client_assertion": jwts.assertion(place.SETTINGS, spec),
            "client_assertion_type": jwts.ASSERTION_TYPE}


def by_assertion(client, alg, signing="ES256"):
    return lambda _: post("/token", {**GRANT, **assertion_of(client, alg)}, token(client, signing))


def by_certificate(client, name):
    def make(material):
        return post("/token", {**GRANT, "client_id": client}, token(client), **certificate(material, name))
    return make


def bound_to_certificate(material):
    der = base64.b64decode("".join(material.certificates["dn"].split("\n")[1:-2]))
    thumbprint = jwts.b64(hashlib.sha256(der).digest())
    return post("/token", {**GRANT, "client_id": "bound", "client_secret": place.SECRET},
                token("bound", **{"x5t#S256": thumbprint}), **certificate(material, "dn"))


def with_proof(client="secret"):
    def make(_):
        proof = jwts.proof(place.SETTINGS, {})
        form = {**GRANT, "client_id": client, "client_secret": place.SECRET}
        return post("/token", form, token(client, jkt=jwts.thumbprint(jwts.DPOP_KEY)), HTTP_DPOP=proof)
    return make


def with_both(_):
    proof = jwts.proof(place.SETTINGS, {})
    return post("/token", {**GRANT, **assertion_of("es256", "ES256")},
                token("es256", jkt=jwts.thumbprint(jwts.DPOP_KEY)), HTTP_DPOP=proof)


def our_token(client="secret", alg="ES256"):
    """A token as the server makes them, without asking it."""
    now = jwts.settle("now", place.SETTINGS)
    claims = {"iss": place.ISSUER, "sub": client, "aud": client, "iat": now, "nbf": now, "exp": now + 300,
              "jti": str(uuid.uuid4()), "scope": ["email"]}
    head = {"typ": "JWT", "alg": alg, "kid": "one"}
    return jwts.make({"key": place.SIGNING[alg], "alg": alg}, head, claims, place.SETTINGS)


def introspect(of, active):
    return lambda _: post("/introspect", {"token": of()}, has(active=active), **basic("secret"))


def introspect_by_assertion(_):
    return post("/introspect", {"token": our_token(), **assertion_of("es256", "ES256")}, has(active=True))


def revoke(material):
    """What is said to be revoked is not active any more."""
    given = our_token()
    request = post("/revoke", {"token": given}, None, **basic("secret"))
    request.then = introspect(lambda: given, False)(material)
    return request


def bad_scope(_):
    return post("/token", {**GRANT, "scope": "email nonsense"}, refusal("invalid_scope"), **basic("secret"))


def bad_grant(_):
    return post("/token", {"grant_type": "password"}, refusal("unsupported_grant_type"), **basic("secret"))


def bad_form(_):
    return post("/token", b"grant_type=client_credentials&scope=%zz", refusal("invalid_request"), **basic("secret"))


def too_large(_):
    return post("/token", b"a=" + b"x" * 70000, refusal("invalid_request"), **basic("secret"))


def rich(_):
    return post("/token", {**GRANT, "scope": "email profile", "resource": "https://orders.example.com"},
                token("rich"), **basic("rich"))


def twice_rich(_):
    return post("/token", {**GRANT, "scope": "profile"}, token("rich"), **basic("rich"))


THROTTLE = {"throttle": "throttle: {failures: 1000000, address_failures: 1000000, window: 60}\n"}
WELL_KNOWN = "/.well-known/"

REQUESTS = [
    Case("token, secret in the body", by_secret()),
    Case("token, Basic", by_basic()),
    Case("token, secret of an included file", by_secret("included")),
    Case("token, known bcrypt", by_secret("slow")),
    Case("token, ES256 assertion", by_assertion("es256", "ES256"), again=401),
    Case("token, EdDSA assertion", by_assertion("eddsa", "EdDSA"), again=401),
    Case("token, RS256 assertion", by_assertion("rs256", "RS256"), again=401),
    Case("token, PS256 assertion", by_assertion("ps256", "PS256"), again=401),
    Case("token, HS256 assertion", by_assertion("hs256", "HS256"), again=401),
    Case("token, certificate's subject", by_certificate("dn", "dn")),
    Case("token, certificate's DNS name", by_certificate("san", "san")),
    Case("token, self-signed certificate", by_certificate("self", "self")),
    Case("token, bound to a certificate", bound_to_certificate),
    Case("token, DPoP", with_proof(), again=400),
    Case("token, DPoP required", with_proof("proof"), again=400),
    Case("token, assertion and DPoP", with_both, again=401),
    Case("token, resource, claims and RFC 9068", rich),
    Case("token, audience of a scope", twice_rich),
    Case("token, signed by RS256", by_secret(alg="RS256"), options={"alg": "RS256"}),
    Case("token, signed by PS256", by_secret(alg="PS256"), options={"alg": "PS256"}),
    Case("token, signed by EdDSA", by_secret(alg="EdDSA"), options={"alg": "EdDSA"}),
    Case("token again, RS256", by_secret(alg="RS256"), options={"alg": "RS256", "reuse": 60}),
    Case("token again, ES256", by_secret(), options={"reuse": 60}),
    Case("wrong secret", wrong_secret("secret"), 401),
    Case("wrong secret, bcrypt", wrong_secret("slow"), 401),
    Case("unknown client", wrong_secret("nobody"), 401),
    Case("wrong secret, throttled", wrong_secret("secret"), 401, options=THROTTLE),
    Case("token, throttled", by_secret(), options=THROTTLE),
    Case("unknown scope", bad_scope, 400),
    Case("unknown grant type", bad_grant, 400),
    Case("malformed form", bad_form, 400),
    Case("body too large", too_large, 413),
    Case("introspection, active", introspect(our_token, True)),
    Case("introspection, nonsense", introspect(lambda: "a.b.c", False)),
    Case("introspection, by assertion", introspect_by_assertion, again=401),
    Case("revocation", revoke),
    Case("metadata", lambda _: get("", has(issuer=place.ISSUER), WELL_KNOWN + "oauth-authorization-server")),
    Case("OpenID metadata", lambda _: get("", has(issuer=place.ISSUER), WELL_KNOWN + "openid-configuration")),
    Case("JWKS", lambda _: get("/jwks", has_keys)),
    Case("health", lambda _: get("/health", has(status="ok"))),
    Case("metrics", lambda _: get("/metrics", has_metrics)),
    Case("unknown path", lambda _: get("/nothing", refusal("not_found")), 404),
    Case("wrong method", lambda _: get("/token", refusal("invalid_request")), 405),
    Case("Redis: token, ES256 assertion", by_assertion("es256", "ES256"), again=401, redis=True),
    Case("Redis: token, DPoP", with_proof(), again=400, redis=True),
    Case("Redis: introspection, active", introspect(our_token, True), redis=True),
    Case("Redis: revocation", revoke, redis=True),
    Case("Redis: wrong secret, throttled", wrong_secret("secret"), 401, options=THROTTLE, redis=True),
    Case("Redis: metrics", lambda _: get("/metrics", has_metrics), redis=True),
]

# What a process of its own answers; those that differ in what is loaded or opened.
CGI = [
    Case("CGI: token, secret in the body", by_secret()),
    Case("CGI: token, bcrypt", by_secret("slow")),
    Case("CGI: token, ES256 assertion", by_assertion("es256", "ES256"), again=401),
    Case("CGI: token, signed by RS256", by_secret(alg="RS256"), options={"alg": "RS256"}),
    Case("CGI: token, signed by EdDSA", by_secret(alg="EdDSA"), options={"alg": "EdDSA"}),
    Case("CGI: token, assertion and DPoP", with_both, again=401),
    Case("CGI: token, certificate's subject", by_certificate("dn", "dn")),
    Case("CGI: wrong secret, throttled", wrong_secret("secret"), 401, options=THROTTLE),
    Case("CGI: introspection, active", introspect(our_token, True)),
    Case("CGI: revocation", revoke),
    Case("CGI: metadata", lambda _: get("", has(issuer=place.ISSUER), WELL_KNOWN + "oauth-authorization-server")),
    Case("CGI: JWKS", lambda _: get("/jwks", has_keys)),
    Case("CGI: health", lambda _: get("/health", has(status="ok"))),
    Case("CGI: metrics", lambda _: get("/metrics", has_metrics)),
]
