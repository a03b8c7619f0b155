# SPDX-License-Identifier: MIT
"""One request of the corpus: how it is made, what it is on each front, and what each front refuses itself."""

import base64
import fnmatch
import hashlib
import hmac
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

import http_client
import jwts
import rawfcgi
from bad_oracle import Delivered

FORM = b"application/x-www-form-urlencoded"
# The raw socket and five web servers: the program as FastCGI in each way, and as CGI.
FRONTS = ("fastcgi", "nginx", "lighttpd-fcgi", "apache-proxy", "apache-fcgid", "lighttpd-cgi")


def encoded(text):
    """A value for a form."""
    return quote(text, safe="").encode()


def form(*pairs):
    return b"&".join(encoded(name) + b"=" + encoded(value) for name, value in pairs)


def basic(user, password):
    """Header bytes of Basic credentials, as they are."""
    return b"Basic " + base64.b64encode(user + b":" + password)


@dataclass
class Request:
    """What is sent. Headers without a Content-Length get the right one; length None: none at all."""

    body: bytes = b""
    headers: list = field(default_factory=list)
    method: str = "POST"
    path: str = "/oauth2/token"
    query: bytes = None
    kind: bytes = FORM       # Content-Type; None: none
    certificate: str = None
    verify: str = "SUCCESS"  # what the web server says of it
    certificate_of: str = ""  # whom the certificate belongs to, as far as the configuration says

    def key(self, config):
        """By what it differs from others."""
        return hashlib.sha256(repr((config, self)).encode()).digest()

    def all_headers(self):
        found = list(self.headers)
        if self.kind is not None:
            found.append((b"Content-Type", self.kind))
        if not any(name.lower() == b"content-length" for name, _ in found) and self.method not in ("GET",
                                                                                                   "HEAD"):
            found.append((b"Content-Length", b"%d" % len(self.body)))
        return found

    def bytes(self):
        target = self.path.encode() + (b"" if self.query is None else b"?" + self.query)
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), target), b"Host: localhost", b"Connection: close"]
        lines += [name + b": " + value for name, value in self.all_headers() if value is not None]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def host_drops(front, name):
    """Header names that a web server does not hand on."""
    if front.startswith("lighttpd") or front == "fastcgi":
        return False
    return not re.fullmatch(rb"[A-Za-z0-9-]+", name)


def variable_name(name):
    name = re.sub(rb"[^A-Z0-9]", b"_", name.upper()).decode()
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name


def deliver(front, request, over_tls, site=None):
    """What the program sees of it behind this front."""
    found = [("REQUEST_METHOD", request.method.encode()), ("SCRIPT_NAME", unquote_to_bytes(request.path)),
             ("QUERY_STRING", request.query or b""), ("REMOTE_ADDR", b"127.0.0.1"),
             ("SERVER_PROTOCOL", b"HTTP/1.1")]
    if over_tls:
        found += [("HTTPS", b"on"), ("SSL_CLIENT_VERIFY", request.verify.encode() if request.certificate
                                     else b"NONE")]
    if request.certificate:
        found += [("SSL_CLIENT_CERT", site.certificates.pem(request.certificate).encode()),
                  ("certificate_of", request.certificate_of.encode())]
    joined = {}
    for name, value in request.all_headers():
        if value is None or host_drops(front, name):
            continue
        name = variable_name(name)
        if name in joined and front not in ("nginx", "fastcgi"):
            joined[name] += b", " + value
        elif name in joined and name.startswith("CONTENT_"):
            continue
        elif name in joined:
            found.append((name, value))
        else:
            joined[name] = value
    return Delivered(found + list(joined.items()), request.body)


def raw_request(delivered):
    """The records of FastCGI that say the same."""
    pairs = b""
    for name, value in delivered.variables:
        if name != "certificate_of":
            pairs += rawfcgi.length(len(name)) + rawfcgi.length(len(value)) + name.encode() + value
    return (rawfcgi.begin() + rawfcgi.stream(rawfcgi.PARAMS, pairs)
            + rawfcgi.stream(rawfcgi.STDIN, delivered.body))


def raw_exchange(front, delivered, method):
    answer = rawfcgi.exchange(front.socket, raw_request(delivered))
    return answer and http_client.Answer(
        b"HTTP/1.1 %d x\r\n" % answer.status + answer.head + b"\r\n\r\n" + answer.body, method)


@dataclass
class Row:
    """An entry of the corpus. make(maker) gives its request; expect, where the row knows by construction:
    (status, error); hosts: {pattern of fronts: statuses with which the web server itself refuses it, or
    "closed"}; again: it was sent and granted once before."""

    source: str
    name: str
    make: object
    config: str
    expect: tuple = None
    hosts: dict = field(default_factory=dict)
    again: bool = False

    def refusals(self, front):
        for pattern, statuses in self.hosts.items():
            if fnmatch.fnmatchcase(front, pattern):
                return statuses
        return None


class Maker:
    """Fills in what is new in each request: times, identifiers and signatures. One that is not real gives
    the same text for the same row, to tell rows apart."""

    def __init__(self, settings, is_real=True):
        self.settings, self.is_real = settings, is_real
        self.now = int(time.time()) if is_real else 10**9
        self.replacements = {"<issuer>": settings.issuer, "<token>": settings.token_url}

    def fill(self, text):
        for mark, value in self.replacements.items():
            text = text.replace(mark, value)
        text = text.replace("<jti>", str(uuid.uuid4()) if self.is_real else "<jti>")
        return re.sub(r"<now([+-]\d+)?>", lambda found: str(self.now + int(found[1] or 0)), text)

    def fill_bytes(self, data):
        return self.fill(data.decode("latin-1")).encode("latin-1")

    def sign(self, alg, key, data):
        if self.is_real:
            return jwts.sign(alg, key, data)
        digest = hashlib.sha256(f"{alg} {key}".encode() + data).digest()
        return digest * (2 if alg == "ES256" else 8)

    def jws(self, header, claims, key="ec", alg=None, secret=None, signature=None, shape=None):
        """A compact JWS of these texts (bytes, or text to fill), signed by this key or secret; signature and
        shape are functions that spoil it."""
        header, claims = (self.fill_bytes(part if isinstance(part, bytes) else part.encode())
                          for part in (header, claims))
        header, claims = jwts.b64(header), jwts.b64(claims)
        signed = f"{header}.{claims}".encode()
        if secret is not None:
            raw = hmac.digest(secret, signed, "sha256")
        else:
            raw = self.sign(alg or jwts.ALGS[jwts.key(key)["kty"]], key, signed)
        raw = signature(raw) if signature else raw
        return (shape or "{}.{}.{}".format)(header, claims, jwts.b64(raw)).encode()
