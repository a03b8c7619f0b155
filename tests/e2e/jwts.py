# SPDX-License-Identifier: MIT
"""Client assertions and DPoP proofs: good ones, and every way to spoil one. jwcrypto signs."""

import base64
import functools
import hashlib
import hmac
import json
import re
import time
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jwcrypto import jwa, jwk

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KINDS = {
    "rsa": {"kty": "RSA", "size": 2048},
    "weak": {"kty": "RSA", "size": 1024},
    "ec": {"kty": "EC", "crv": "P-256"},
    "p384": {"kty": "EC", "crv": "P-384"},
    "ed": {"kty": "OKP", "crv": "Ed25519"},
    "oct": {"kty": "oct", "size": 256},
}
DPOP_KEY = "ec-proof"   # unless a case names another
ALGS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@functools.lru_cache(maxsize=None)
def key(name):
    """The key pair of this name; its first letters say of what kind: rsa, weak, ec, p384, ed, oct."""
    kind = re.match(r"[a-z]+(?:384)?", name)[0]
    return jwk.JWK.generate(**KINDS[kind])


def public(name, **members):
    """The public half as a JWK, with other members beside it."""
    return {**json.loads(key(name).export_public()), **members}


def private(name):
    return json.loads(key(name).export(private_key=True))


def thumbprint(name):
    return key(name).thumbprint()


def b64(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(alg, name, data):
    return jwa.JWA.signing_alg(alg).sign(key(name), data)


# Ways to make a signature other than by the key that it should be made with.

def _pem(name):
    return key(name).export_to_pem()


def _der(name):
    return serialization.load_pem_public_key(_pem(name)).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


HMAC_KEYS = {
    "pem": _pem,
    "pem without its last line break": lambda name: _pem(name).rstrip(b"\n"),
    "der": _der,
    "modulus": lambda name: unb64(public(name)["n"]),
    "jwk": lambda name: key(name).export_public().encode(),
    "nothing": lambda name: b"",
}


def halves(raw):
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")


def joined(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _as_der(raw):
    return encode_dss_signature(*halves(raw))


def _minus(raw):
    """ES256's other signature of the same text: (r, n - s)."""
    r, s = halves(raw)
    return joined(r, P256_ORDER - s)


SPOILT_SIGNATURES = {
    "other": lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
    "other at its end": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "empty": lambda raw: b"",
    "short": lambda raw: raw[:-1],
    "long": lambda raw: raw + b"\0",
    "der": _as_der,
    "minus": _minus,
    "r is zero": lambda raw: joined(0, halves(raw)[1]),
    "s is zero": lambda raw: joined(halves(raw)[0], 0),
    "both are zero": lambda raw: bytes(64),
    "r is the order": lambda raw: joined(P256_ORDER, halves(raw)[1]),
    "s is the order": lambda raw: joined(halves(raw)[0], P256_ORDER),
    "s plus the order": lambda raw: joined(halves(raw)[0], min(halves(raw)[1] + P256_ORDER, 2**256 - 1)),
}


def _tail(part):
    """Set bits behind the end, in the last character: not what an encoder writes."""
    assert len(part) % 4 in (2, 3)
    return part[:-1] + BASE64URL[BASE64URL.index(part[-1]) | 1]


def _json_form(header, claims, signature):
    return json.dumps({"protected": header, "payload": claims, "signature": signature})


SHAPES = {
    "two parts": lambda h, c, s: f"{h}.{c}",
    "two dots at the end": lambda h, c, s: f"{h}.{c}..",
    "no signature": lambda h, c, s: f"{h}.{c}.",
    "five parts": lambda h, c, s: f"{h}.{c}.{s}.{c}.{s}",
    "JSON": _json_form,
    "padding": lambda h, c, s: f"{h}.{c}.{s}" + "=" * (-len(s) % 4),
    "a space before": lambda h, c, s: f" {h}.{c}.{s}",
    "a line break behind": lambda h, c, s: f"{h}.{c}.{s}\n",
    "a space in it": lambda h, c, s: f"{h}.{c[:9]} {c[9:]}.{s}",
    "the alphabet of base64": lambda h, c, s: f"{h}.{c}.{base64.b64encode(unb64(s)).decode().rstrip('=')}",
    "bits behind the end": lambda h, c, s: f"{h}.{c}.{_tail(s)}",
    "empty": lambda h, c, s: "..",
    "one word": lambda h, c, s: "assertion-of-one-word",
}


# Times and names in what a case says

def settle(value, settings):
    """now+60 and the like become numbers, <issuer> and <token> what they stand for."""
    if isinstance(value, dict):
        return {name: settle(inner, settings) for name, inner in value.items()}
    if isinstance(value, list):
        return [settle(inner, settings) for inner in value]
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"now([+-]\d+(?:\.\d+)?)?", value)
    if found:
        shift = found[1] or "0"
        return (float if "." in shift else int)(time.time()) + (float if "." in shift else int)(shift)
    found = re.fullmatch(r"<(public|private) (\S+)>", value)
    if found:
        return (public if found[1] == "public" else private)(found[2])
    return fill(value, settings)


def fill(text, settings):
    """The same inside a text; <64*a> stands for that many of it."""
    text = text.replace("<issuer>", settings.issuer).replace("<token>", settings.token_url)
    text = text.replace("<jti>", str(uuid.uuid4()))
    text = re.sub(r"<now([+-]\d+)?>", lambda found: str(int(time.time()) + int(found[1] or 0)), text)
    return re.sub(r"<(\d+)\*([^>]+)>", lambda found: int(found[1]) * found[2], text)


def merged(defaults, changes):
    """The changes over the defaults; null takes a member away, and a text is all there is."""
    if isinstance(changes, str):
        return changes
    both = {**defaults, **changes}
    return json.dumps({name: value for name, value in both.items() if value is not None})


def make(spec, header, claims, settings):
    """
    A compact JWS. In spec: key, alg (with which it is signed, and which the header names), header and
    claims (changes to what is usual; null takes away; a text is taken as it is), hmac (sign by HS256 with
    this form of the public key), signature (one of SPOILT_SIGNATURES), shape (one of SHAPES).
    """
    name = spec["key"]
    alg = spec.get("alg") or ALGS[key(name)["kty"]]
    header = merged({"alg": "HS256" if "hmac" in spec else alg, **header},
                    settle(spec.get("header", {}), settings))
    claims = merged(claims, settle(spec.get("claims", {}), settings))
    header, claims = b64(header), b64(claims)
    signed = f"{header}.{claims}".encode()
    if "hmac" in spec:
        raw = hmac.new(HMAC_KEYS[spec["hmac"]](name), signed, hashlib.sha256).digest()
    elif spec.get("secret") is not None:
        raw = hmac.new(spec["secret"].encode(), signed, hashlib.sha256).digest()
    else:
        raw = sign(alg, name, signed)
    if "signature" in spec:
        raw = SPOILT_SIGNATURES[spec["signature"]](raw)
    shape = SHAPES[spec["shape"]] if "shape" in spec else "{}.{}.{}".format
    return shape(header, claims, b64(raw))


def assertion(settings, spec):
    """A client assertion (RFC 7523 §3); spec: client and what make() takes."""
    now = int(time.time())
    claims = {"iss": spec["client"], "sub": spec["client"], "aud": settings.issuer, "exp": now + 60,
              "iat": now, "jti": str(uuid.uuid4())}
    return make(spec, {}, claims, settings)


def proof(settings, spec):
    """A DPoP proof for the token endpoint (RFC 9449 §4.2)."""
    spec = {"key": DPOP_KEY, **spec}
    claims = {"jti": str(uuid.uuid4()), "htm": "POST", "htu": settings.token_url, "iat": int(time.time())}
    header = {"typ": "dpop+jwt"}
    if key(spec["key"])["kty"] != "oct":
        header["jwk"] = public(spec["key"])
    return make(spec, header, claims, settings)


def certificate_key(pem):
    """The public key of a certificate, as a JWK."""
    return json.loads(jwk.JWK.from_pem(pem.encode()).export_public())
