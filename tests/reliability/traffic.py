# SPDX-License-Identifier: MIT
"""Clients of every kind, good ones and hostile ones, who know what each answer must be."""

import base64
import collections
import json
import os
import random
import time

import jwts
from configurations import SECRETS
from cryptography.exceptions import InvalidSignature
from hosts import ISSUER, LIFETIME_S, SETTINGS
from jws import Assertions, Keys, Proofs
from link import Call, FORM, Http, Records, get, post
from test_process import BROKEN_BYTES

VERIFY_ONE_OF = 10      # tokens, with the keys that are published
REMEMBERED = 40         # tokens and assertions that a client comes back to
YOUNG_S = LIFETIME_S - 15
SLOW_S = 0.05           # that the rest of a slow request is late
FLOOD = "192.0.2.66"    # where those come from whom the throttle stops
METADATA = "/.well-known/oauth-authorization-server"
SHOWN = 300             # characters of an answer that should not have been

KINDS = {}
Kind = collections.namedtuple("Kind", "run weight is_hostile needs_records")


class Unexpected(Exception):
    """An answer that its request must not have."""


class Excused(Exception):
    """A process that had nothing but the file that is broken at this moment was asked, as promised."""


def kind(weight, is_hostile=False, needs_records=False):
    """Register a kind of client; weight: how many of a hundred."""
    def register(function):
        KINDS[function.__name__] = Kind(function, weight, is_hostile, needs_records)
        return function
    return register


def basic_header(client, secret):
    pair = f"{client}:{secret}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def token_call(client, headers=None, **fields):
    return post("token", headers, grant_type="client_credentials", client_id=client, client_secret=SECRETS[client],
                **fields)


class Client:
    """One connection after the other to one front, one request at a time."""

    def __init__(self, link, certificate, is_broken, excused, seed):
        self.link = link
        self.certificate = certificate
        self.is_broken = is_broken      # whether the file is
        self.excused = excused          # the status for which that is an excuse, or None
        self.chance = random.Random(seed)
        self.keys = Keys()
        self.fetched_s = 0
        self.tokens = collections.deque(maxlen=REMEMBERED)
        self.revoked = collections.deque(maxlen=REMEMBERED)
        self.used = collections.deque(maxlen=REMEMBERED)
        self.count = 0
        self.guesses = self.chance.randrange(1 << 16)
        self.makers = {name: Assertions(name, alg, key, ISSUER) for name, alg, key in (
            ("secret-jwt", "HS256", SECRETS["secret-jwt"]), ("es256", "ES256", "ec"), ("eddsa", "EdDSA", "ed"),
            ("rs256", "RS256", "rsa"))}
        self.proofs = Proofs(SETTINGS.token_url)
        self.kinds = [name for name, one in KINDS.items() if isinstance(link, Records) or not one.needs_records]
        self.weights = [KINDS[name].weight for name in self.kinds]

        self.verify_one_of = VERIFY_ONE_OF

    def only(self, *kinds):
        """Be one of these, and verify all tokens."""
        self.kinds, self.weights = kinds, len(kinds) * [1]
        self.verify_one_of = 1

    def choose(self):
        return self.chance.choices(self.kinds, self.weights)[0]

    def begin(self):
        """Where it comes from; over HTTP the connection says that."""
        self.come_from("127.0.0.1")

    def come_from(self, source):
        if isinstance(self.link, Records):
            self.link.source = source

    # What is asked, and what must come

    def ask(self, call, pause_s=0):
        was_broken = self.is_broken()
        self.count += 1
        answer = self.link.ask(call, pause_s)
        if answer.status == self.excused and (was_broken or self.is_broken()):
            raise Excused
        return answer

    def expect(self, call, *wanted, pause_s=0):
        """An answer of one of these kinds: a status, or (status, error)."""
        answer = self.ask(call, pause_s)
        found = answer.status
        if found >= 400:
            found = (found, parse(answer).get("error"))
        if found not in wanted:
            raise Unexpected(f"{found} instead of {wanted}: {answer.body[:SHOWN]!r}")
        return answer

    def token(self, call, client, *others, token_type="Bearer", pause_s=0):
        """A token for the client that can be relied on; others: answers that may come instead."""
        answer = self.expect(call, 200, *others, pause_s=pause_s)
        if answer.status != 200:
            return None
        body = parse(answer)
        if body.get("token_type") != token_type or body.get("expires_in") != LIFETIME_S:
            raise Unexpected(f"not such a token: {answer.body[:SHOWN]!r}")
        token = body.get("access_token")
        if not isinstance(token, str):
            raise Unexpected(f"no token: {answer.body[:SHOWN]!r}")
        if self.count % self.verify_one_of == 0:
            self.verify(token, client)
        return token

    def verify(self, token, client):
        """By the published keys, which are fetched again if there is one that we do not know."""
        try:
            if self.keys.kid_of(token) not in self.keys.keys:
                self.keys = Keys(self.expect(get("jwks"), 200).body)
            claims = self.keys.claims_of(token)
            now = time.time()
            is_good = claims["iss"] == ISSUER and claims["sub"] == client and now - 30 < claims["iat"] < now + 2
        except (InvalidSignature, KeyError, TypeError, ValueError) as error:
            raise Unexpected(f"a token does not verify: {error!r} {token}") from error
        if not is_good:
            raise Unexpected(f"claims {claims}")

    def introspected(self, token):
        call = post("introspect", basic_header("resource-server", SECRETS["resource-server"]), token=token)
        return parse(self.expect(call, 200))

    def assertion_call(self, assertion):
        return post("token", grant_type="client_credentials", client_assertion_type=jwts.ASSERTION_TYPE,
                    client_assertion=assertion)

    def young(self, collection):
        """One of these that is still valid, or None."""
        while collection and time.monotonic() - collection[0][0] > YOUNG_S:
            collection.popleft()
        return self.chance.choice(collection)[1] if collection else None

    def guess_source(self):
        """Over FastCGI each guess comes from somewhere else; over HTTP each connection does."""
        self.guesses += 1
        return f"198.{18 + (self.guesses >> 16 & 1)}.{self.guesses >> 8 & 255}.{self.guesses & 255}"


def parse(answer):
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unexpected(f"{answer.status} without a JSON object: {answer.body[:SHOWN]!r}")
    return body


# Good ones

@kind(20)
def secret_basic(client):
    call = post("token", basic_header("TENANT_CLIENT_ID", SECRETS["TENANT_CLIENT_ID"]),
                grant_type="client_credentials")
    client.tokens.append((time.monotonic(), client.token(call, "TENANT_CLIENT_ID")))


@kind(16)
def secret_post(client):
    client.token(token_call("second", scope="email"), "second")


@kind(4)
def resource_and_scope(client):
    call = token_call("rfc9068", scope="profile email", resource="https://api.example.com/v1")
    client.token(call, "rfc9068")


BUSY = (429, "temporarily_unavailable")


@kind(2)
def slow_hash(client):
    client.token(token_call("bcrypt"), "bcrypt", BUSY)


@kind(9)
def assertion(client):
    name = client.chance.choice(("secret-jwt", "es256", "eddsa", "secret-jwt", "es256", "eddsa", "rs256"))
    made = client.makers[name].one().decode()
    client.token(client.assertion_call(made), name)
    client.used.append((time.monotonic(), made))


@kind(5)
def proof(client):
    name = client.chance.choice(("dpop", "second"))
    call = token_call(name, {"DPoP": client.proofs.one().decode()})
    client.token(call, name, token_type="DPoP")


@kind(3, needs_records=True)
def certificate(client):
    name, verdict = client.chance.choice((("tls-dn", "SUCCESS"), ("self", "FAILED:self-signed certificate")))
    call = post("token", None, {"HTTPS": "on", "SSL_CLIENT_VERIFY": verdict, "SSL_CLIENT_CERT": client.certificate},
                grant_type="client_credentials", client_id=name)
    client.token(call, name)


@kind(7)
def introspection(client):
    token = client.young(client.tokens)
    if token is None:
        secret_basic(client)
    elif client.introspected(token).get("active") is not True:
        raise Unexpected(f"not active: {token}")


@kind(4)
def revocation(client):
    call = post("token", basic_header("TENANT_CLIENT_ID", SECRETS["TENANT_CLIENT_ID"]),
                grant_type="client_credentials")
    token = client.token(call, "TENANT_CLIENT_ID")
    client.expect(post("revoke", basic_header("TENANT_CLIENT_ID", SECRETS["TENANT_CLIENT_ID"]), token=token), 200)
    client.revoked.append((time.monotonic(), token))


@kind(3)
def revoked_token(client):
    token = client.young(client.revoked)
    if token is None:
        revocation(client)
    elif client.introspected(token) != {"active": False}:
        raise Unexpected(f"revoked, but active: {token}")


@kind(3)
def documents(client):
    path = client.chance.choice(("jwks", METADATA, "health"))
    answer = client.expect(get(path), 200)
    parse(answer)
    if "etag" in answer.headers:
        client.expect(get(path, If_None_Match=answer.headers["etag"]), 200, 304)


@kind(1)
def metrics(client):
    answer = client.expect(get("metrics"), 200)
    if b"\noauth2_metrics_scope" not in answer.body:
        raise Unexpected(f"no metrics: {answer.body[:SHOWN]!r}")


@kind(3)
def slow_body(client):
    client.token(token_call("second"), "second", pause_s=SLOW_S)


# Hostile ones

REFUSED = (401, "invalid_client")
INVALID = (400, "invalid_request")


@kind(5, is_hostile=True)
def wrong_secret(client):
    name = client.chance.choice(("TENANT_CLIENT_ID", "second", "bcrypt", "disabled", "nobody", "../../etc/passwd"))
    client.come_from(client.guess_source())
    client.expect(post("token", basic_header(name, "wrong"), grant_type="client_credentials"), REFUSED, BUSY)


@kind(1, is_hostile=True, needs_records=True)
def flood(client):
    client.come_from(FLOOD)
    call = post("token", None, grant_type="client_credentials", client_id="second", client_secret="guess")
    client.expect(call, REFUSED, BUSY, (429, "invalid_client"))


MALFORMED = [
    (b"grant_type=client_credentials&grant_type=client_credentials", INVALID),
    (b"grant_type=client_credentials&client%5Fid=a&client_id=b", INVALID),
    (b"grant_type=%zz", INVALID),
    (b"grant_type=a%00b", INVALID),
    (b"scope=%c0%af", INVALID),
    (b"&" * 60000, REFUSED),
    (b"", None),
    (b"x" * 70000, (413, "invalid_request")),
]


@kind(3, is_hostile=True)
def malformed(client):
    body, wanted = client.chance.choice(MALFORMED)
    # An empty body has no length for some web servers, and a length of 0 for others.
    wanted = (wanted,) if wanted else (INVALID, REFUSED, (411, "invalid_request"))
    client.expect(Call("POST", "token", body, {"Content-Type": FORM}), *wanted)


@kind(2, is_hostile=True)
def wrong_request(client):
    good = token_call("second")
    call, wanted = client.chance.choice((
        (get("token"), (405, "invalid_request")), (get("nothing"), (404, "not_found")),
        (Call("POST", "token", good.body, {"Content-Type": "text/plain"}), INVALID),
        (Call("POST", "token", good.body, good.headers, "client_secret=x"), INVALID),
        (token_call("second", scope="orders:read"), (400, "invalid_scope")),
        (post("token", grant_type="password", client_id="second", client_secret=SECRETS["second"]),
         (400, "unsupported_grant_type"))))
    client.expect(call, wanted)


SPOILT = [{"signature": "other"}, {"signature": "der"}, {"signature": "both are zero"}, {"signature": "empty"},
          {"shape": "two parts"}, {"shape": "JSON"}, {"header": {"alg": "none"}, "signature": "empty"},
          {"claims": {"exp": "now-60"}}, {"claims": {"exp": "now+9999"}}, {"claims": {"aud": "https://else.example"}},
          {"claims": {"jti": None}}, {"claims": {"sub": "eddsa"}}, {"header": {"crit": ["x"]}}, {"hmac": "pem"}]


@kind(2, is_hostile=True)
def broken_assertion(client):
    made = jwts.assertion(SETTINGS, {"client": "es256", "key": "ec", **client.chance.choice(SPOILT)})
    client.come_from(client.guess_source())
    client.expect(client.assertion_call(made), REFUSED)


@kind(3, is_hostile=True)
def replayed_assertion(client):
    made = client.young(client.used)
    if made is None:
        assertion(client)
        made = client.young(client.used)
    client.come_from(client.guess_source())
    client.expect(client.assertion_call(made), REFUSED)


@kind(1, is_hostile=True)
def replayed_proof(client):
    call = token_call("dpop", {"DPoP": client.proofs.one().decode()})
    client.token(call, "dpop", token_type="DPoP")
    client.expect(call, (400, "invalid_dpop_proof"))


@kind(1, is_hostile=True)
def forged_token(client):
    token = client.young(client.tokens) or "a.b.c"
    if client.introspected(token[:-8] + "AAAAAAAA") != {"active": False}:
        raise Unexpected(f"a forged token is active: {token}")


@kind(2, is_hostile=True)
def cut_connection(client):
    client.count += 1
    client.link.cut(token_call("second"), client.chance.uniform(0.05, 0.95))


@kind(1, is_hostile=True, needs_records=True)
def garbage(client):
    client.count += 1
    data = client.chance.choice((*BROKEN_BYTES.values(), b"\0" + os.urandom(400)))
    if not client.link.send_garbage(data):
        raise Unexpected(f"a connection with garbage is not closed: {data[:40]!r}")


def link_to(front):
    """The way to a front of hosts.py."""
    return Records(front.socket) if hasattr(front, "socket") else Http(("127.0.0.1", front.port))
