# SPDX-License-Identifier: MIT
"""Assertions and proofs in great number: as those of tests/e2e/jwts.py, but signed without ado."""

import base64
import hashlib
import hmac
import json
import os
import time

import jwts
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from jwcrypto import jwk

ES256 = ec.ECDSA(hashes.SHA256())


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _hs256(secret):
    return lambda data: hmac.digest(secret.encode(), data, hashlib.sha256)


def _es256(name):
    key = jwts.key(name).get_op_key("sign")
    return lambda data: jwts.joined(*decode_dss_signature(key.sign(data, ES256)))


def _eddsa(name):
    return jwts.key(name).get_op_key("sign").sign


def _rs256(name):
    key = jwts.key(name).get_op_key("sign")
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


SIGNERS = {"HS256": _hs256, "ES256": _es256, "EdDSA": _eddsa, "RS256": _rs256}


class Maker:
    """Makes JWTs with one header by one key; key: a name of jwts.py, or the secret."""

    def __init__(self, alg, key, **header):
        self.sign = SIGNERS[alg](key)
        self.head = b64(json.dumps({"alg": alg, **header}).encode()) + b"."

    def make(self, claims):
        signed = self.head + b64(json.dumps(claims).encode())
        return signed + b"." + b64(self.sign(signed))


class Assertions(Maker):
    """A client's assertions for an issuer, each with a jti of its own and all of one length."""

    def __init__(self, client, alg, key, issuer, lifetime_s=60, **header):
        super().__init__(alg, key, **header)
        self.fixed = {"iss": client, "sub": client, "aud": issuer}
        self.lifetime_s = lifetime_s

    def one(self):
        return self.make({**self.fixed, "exp": int(time.time()) + self.lifetime_s, "jti": os.urandom(16).hex()})


class Proofs(Maker):
    """DPoP proofs for a token endpoint."""

    def __init__(self, url, key=jwts.DPOP_KEY):
        super().__init__("ES256", key, typ="dpop+jwt", jwk=jwts.public(key))
        self.fixed = {"htm": "POST", "htu": url}

    def one(self):
        return self.make({**self.fixed, "iat": int(time.time()), "jti": os.urandom(16).hex()})


class Keys:
    """The published keys by their kid; tokens are verified by another implementation than the one that signs."""

    def __init__(self, text=b'{"keys": []}'):
        self.keys = {key["kid"]: jwk.JWK(**key).get_op_key("verify") for key in json.loads(text)["keys"]}

    def kid_of(self, token):
        return json.loads(jwts.unb64(token.split(".", 1)[0]))["kid"]

    def claims_of(self, token):
        """The claims of a token that verifies; else KeyError (not published) or InvalidSignature."""
        signed, _, signature = token.rpartition(".")
        raw = jwts.unb64(signature)
        if len(raw) != 64:
            raise InvalidSignature(f"of {len(raw)} bytes")
        self.keys[self.kid_of(token)].verify(encode_dss_signature(*jwts.halves(raw)), signed.encode(), ES256)
        return json.loads(jwts.unb64(signed.split(".")[1]))
