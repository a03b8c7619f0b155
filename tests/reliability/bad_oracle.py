# SPDX-License-Identifier: MIT
"""What a request must get: a second reading of the interface and the RFCs, which shares no code with the
program and never asks it. Written to be short and plain; it knows the clients' secrets in clear."""

import base64
import binascii
import hashlib
import hmac
import json
import math
import re
import time
from dataclasses import dataclass, field

import yaml
from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

import configurations
import jwts

BODY_MAX = 65536        # interface 3.1
JWS_MAX = 8192          # an assertion or a proof
DEPTH_MAX = 32          # of JSON
LEEWAY_S = 10
KEYS_TRIED = 5          # without a kid
TIME_MAX = 2**53

# RFC 6749 appendix A, RFC 7521 §4.2, RFC 7662, RFC 7009: once at most.
ONCE = {b"grant_type", b"client_id", b"client_secret", b"client_assertion", b"client_assertion_type",
        b"scope",
        b"redirect_uri", b"code", b"username", b"password", b"refresh_token", b"token", b"token_type_hint"}
IN_QUERY = {b"client_id", b"client_secret", b"client_assertion"}
SCOPE_TOKEN = re.compile(rb"[\x21\x23-\x5b\x5d-\x7e]+")
CLIENT_TYPES = ("JWT", "client-authentication+jwt")
DPOP_ALGS = ("PS256", "ES256", "EdDSA")
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
DIGESTS = {"RS256": hashes.SHA256, "RS384": hashes.SHA384, "RS512": hashes.SHA512, "PS256": hashes.SHA256}
DOCUMENTS = {"/jwks", "/health", "/.well-known/oauth-authorization-server",
             "/.well-known/openid-configuration"}


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, status, error):
        super().__init__(status, error)
        self.status, self.error = status, error


class Malformed(Exception):
    """A text is not what it should be; whoever asked says what comes of it."""


@dataclass
class Verdict:
    """The answer: its status, its error if it is one, and what is in the token if there is one."""

    status: int
    error: str = None
    token: dict = None


@dataclass
class Delivered:
    """What a web server hands to the program: variables in order, and the body."""

    variables: list
    body: bytes = b""
    names: dict = field(init=False)

    def __post_init__(self):
        self.names = {}
        for name, value in self.variables:
            self.names.setdefault(name, []).append(value)

    def all(self, name):
        return self.names.get(name, [])

    def one(self, name):
        return self.all(name)[0] if self.all(name) else b""


# Texts

def bad_request(error="invalid_request"):
    return Refused(400, error)


def unauthorized():
    return Refused(401, "invalid_client")


def percent_decode(text):
    """application/x-www-form-urlencoded, of UTF-8 without NUL."""
    out, rest = bytearray(), text.replace(b"+", b" ")
    while rest:
        before, percent, rest = rest.partition(b"%")
        out += before
        if percent:
            if not re.match(rb"[0-9A-Fa-f]{2}", rest):
                raise Malformed
            out.append(int(rest[:2], 16))
            rest = rest[2:]
    if b"\0" in out:
        raise Malformed
    check_utf8(bytes(out))
    return bytes(out)


def check_utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed from error


def pairs_of(body):
    """Names and values, decoded; those without a value are not there."""
    for part in body.split(b"&"):
        name, _, value = part.partition(b"=")
        name, value = percent_decode(name), percent_decode(value)
        if value:
            yield name, value


def parse_form(body):
    form = {}
    try:
        for name, value in list(pairs_of(body)):
            if name in ONCE and name in form:
                raise bad_request()
            form.setdefault(name, []).append(value)
    except Malformed as error:
        raise bad_request() from error
    return form


def base64_decode(text):
    """RFC 4648 §4 with padding, and nothing that an encoder would not write."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed from error
    if base64.b64encode(data) != text:
        raise Malformed
    return data


def base64url_decode(text):
    """RFC 7515 §2: no padding, no other characters, no bits behind the end."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Malformed
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise Malformed
    return data


def without_repeats(members):
    if len({name for name, _ in members}) != len(members):
        raise Malformed
    return dict(members)


def no_constant(_):
    raise Malformed


def integer(text):
    """Programs keep 64 bits (RFC 8259 §6 lets them)."""
    if not -2**63 <= int(text) < 2**63:
        raise Malformed
    return int(text)


def real(text):
    if math.isinf(float(text)):
        raise Malformed
    return float(text)


def check_json_texts(value):
    """No NUL, no half of a surrogate pair (RFC 8259 §8.2), in names and values."""
    if isinstance(value, dict):
        for name, inner in value.items():
            check_json_texts(name)
            check_json_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            check_json_texts(inner)
    elif isinstance(value, str):
        if "\0" in value or re.search("[\ud800-\udfff]", value):
            raise Malformed


def depth_of(text):
    """How deep brackets nest, those in strings left out."""
    deepest = depth = 0
    for bracket in re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.S):
        depth += (bracket in "[{") - (bracket in "]}")
        deepest = max(deepest, depth)
    return deepest


def parse_object(data):
    """A JSON object, nothing behind it."""
    text = check_utf8(data)
    if depth_of(text) > DEPTH_MAX or text.startswith("\ufeff"):
        raise Malformed
    try:
        value = json.loads(text, object_pairs_hook=without_repeats, parse_constant=no_constant,
                           parse_int=integer, parse_float=real)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise Malformed from error
    check_json_texts(value)
    if not isinstance(value, dict):
        raise Malformed
    return value


# URIs

URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):((?://[^/?#]*)?)([^?#]*)(\?[^#]*)?(#.*)?", re.S)
URI_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")


def split_uri(text):
    found = URI.fullmatch(text)
    if not found or not URI_CHARACTERS.fullmatch(text) or text.endswith(":") and text.count(":") == 1:
        raise Malformed
    return found.groups()


def is_absolute_uri(value):
    """RFC 8707 §2."""
    try:
        return split_uri(value.decode())[4] is None
    except (Malformed, UnicodeDecodeError):
        return False


def decode_unreserved(text):
    """RFC 3986 §6.2.2.1, §6.2.2.2."""
    def one(found):
        char = chr(int(found[1], 16))
        return char if re.fullmatch(r"[A-Za-z0-9._~-]", char) else found[0].upper()
    return re.sub(r"%([0-9A-Fa-f]{2})", one, text)


def lower_host(text):
    """Lower case, but for the digits of what stays encoded."""
    return re.sub(r"%[0-9A-Fa-f]{2}|[A-Z]", lambda f: f[0].upper() if f[0][0] == "%" else f[0].lower(),
                  decode_unreserved(text))


def remove_dots(path):
    """RFC 3986 §5.2.4."""
    out = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        if segment in (".", ".."):
            if segment == "..":
                out = out[:-1]
            if index == len(segments) - 1:
                out.append("")
        else:
            out.append(segment)
    return "/" + "/".join(out)


def same_url(text, wanted):
    """RFC 9449 §4.3: after normalisation, without query and fragment."""
    try:
        return normal_url(text) == normal_url(wanted)
    except Malformed:
        return False


def normal_url(text):
    scheme, authority, path, _, _ = split_uri(text)
    scheme = scheme.lower()
    if len(authority) < 3:
        raise Malformed
    host = re.sub({"http": r":(80)?$", "https": r":(443)?$"}.get(scheme, r":$"), "", lower_host(authority))
    return f"{scheme}:{host}{remove_dots(decode_unreserved(path) or '/')}"


# Signatures

def public_key(jwk):
    """The key of a public JWK that is good for signatures."""
    if not isinstance(jwk, dict) or PRIVATE_MEMBERS & set(jwk) or jwk.get("use", "sig") != "sig":
        raise Malformed
    if "key_ops" in jwk and not (isinstance(jwk["key_ops"], list) and "verify" in jwk["key_ops"]):
        raise Malformed
    if "kid" in jwk and not (isinstance(jwk["kid"], str) and jwk["kid"]):
        raise Malformed

    def member(name):
        if not isinstance(jwk.get(name), str) or not jwk[name]:
            raise Malformed
        return base64url_decode(jwk[name].encode())
    kty, crv = jwk.get("kty"), jwk.get("crv")
    try:
        if kty == "RSA":
            key = rsa.RSAPublicNumbers(int.from_bytes(member("e"), "big"),
                                       int.from_bytes(member("n"), "big")).public_key()
            if key.key_size < 2048 or key.key_size > 8192:
                raise Malformed
        elif (kty, crv) == ("EC", "P-256") and len(member("x")) == len(member("y")) == 32:
            key = ec.EllipticCurvePublicKey.from_encoded_point(
                ec.SECP256R1(), b"\4" + member("x") + member("y"))
        elif (kty, crv) == ("OKP", "Ed25519"):
            key = ed25519.Ed25519PublicKey.from_public_bytes(member("x"))
        else:
            raise Malformed
    except ValueError as error:
        raise Malformed from error
    if jwk.get("alg", algs_of(kty)[0]) not in (*algs_of(kty), "RS384", "RS512"):
        raise Malformed
    if "x5c" in jwk and spki(first_certificate_key(jwk["x5c"])) != spki(key):
        raise Malformed
    return key


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def first_certificate_key(chain):
    """RFC 7517 §4.7: an array of certificates in base64, and the first has the key itself, so a key with another
    is none (RFC 9449 §4.3 wants one). Its dates and its issuer mean nothing."""
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise Malformed
    try:
        return x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True)).public_key()
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise Malformed from error


def algs_of(kty):
    """Of a key that does not name its algorithm."""
    return {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA",)}[kty]


def accepts(jwk, alg):
    return alg == jwk["alg"] if "alg" in jwk else alg in algs_of(jwk["kty"])


def is_signed(key, alg, data, signature):
    try:
        if alg == "EdDSA":
            key.verify(signature, data)
        elif alg == "ES256":
            if len(signature) != 64:
                return False
            der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"),
                                             int.from_bytes(signature[32:], "big"))
            key.verify(der, data, ec.ECDSA(hashes.SHA256()))
        else:
            digest = DIGESTS[alg]()
            pad = padding.PKCS1v15() if alg[0] == "R" else padding.PSS(padding.MGF1(digest),
                                                                       digest.digest_size)
            key.verify(signature, data, pad, digest)
    except exceptions.InvalidSignature:
        return False
    return True


@dataclass
class Jws:
    """The parts of a compact JWS (RFC 7515 §7.1) whose payload is an object."""

    header: dict
    claims: dict
    signature: bytes
    signed: bytes


def split_jws(text):
    parts = text.split(b".")
    if len(parts) != 3 or len(text) > JWS_MAX:
        raise Malformed
    header, claims, signature = map(base64url_decode, parts)
    header = parse_object(header)
    # None of the extensions is understood (RFC 7515 §4.1.11, RFC 7797 §3).
    if "crit" in header or header.get("b64", True) is not True:
        raise Malformed
    return Jws(header, parse_object(claims), signature, parts[0] + b"." + parts[1])


def seconds(claims, name):
    """A NumericDate; a fraction does not count."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= TIME_MAX:
        raise Malformed
    return int(value)


def text_of(members, name):
    value = members.get(name)
    return value if isinstance(value, str) else ""


# The model

class Model:
    """One configuration, and what each request to it must get."""

    def __init__(self, settings, certificates=None):
        self.settings = settings
        self.config = yaml.safe_load(configurations.render(settings.text, certificates))
        self.clients = {str(name): client for name, client in self.config["clients"].items()}
        self.scopes = {name: scope or {} for name, scope in self.config["scopes"].items()}
        self.has_state = "state" in self.config
        self.base = f"{settings.prefix}/oauth2"
        self.lifetime_max = self.config.get("assertions", {}).get("max_lifetime", 3600)
        self.keys = {}

    def decide(self, delivered, now):
        try:
            return self._decide(delivered, now)
        except Refused as refused:
            return Verdict(refused.status, refused.error)

    # Interface 3.1, in its order

    def _decide(self, delivered, now):
        endpoint = self.find_endpoint(delivered)
        method = delivered.one("REQUEST_METHOD")
        if method == b"OPTIONS" and endpoint in ("/token", *DOCUMENTS - {"/health"}) \
                and delivered.one("HTTP_ORIGIN").decode("latin-1") in self.config.get("cors_origins", []) \
                and delivered.one("HTTP_ACCESS_CONTROL_REQUEST_METHOD"):
            return Verdict(204)
        if method not in ((b"GET", b"HEAD") if endpoint in DOCUMENTS else (b"POST",)):
            raise Refused(405, "invalid_request")
        needs_tls = self.settings.issuer.startswith("https:") and endpoint != "/health"
        if needs_tls and delivered.one("HTTPS") != b"on":
            raise bad_request()
        if endpoint in DOCUMENTS:
            return Verdict(200)
        self.check_body(delivered)
        form = parse_form(delivered.body)
        self.check_query(delivered.one("QUERY_STRING"))
        client_id = self.authenticate(delivered, form, now)
        if endpoint == "/token":
            return self.grant(delivered, form, client_id, now)
        if endpoint == "/introspect" and not self.clients[client_id].get("introspect"):
            raise Refused(403, "access_denied")
        if b"token" not in form:
            raise bad_request()
        return Verdict(200)

    def find_endpoint(self, delivered):
        path = delivered.one("SCRIPT_NAME") + delivered.one("PATH_INFO")
        offered = {"/token", *DOCUMENTS} | ({"/introspect", "/revoke"} if self.has_state else set())
        for endpoint in offered:
            if path == (self.base + endpoint).encode() or delivered.one("PATH_INFO") == endpoint.encode() \
                    or (path == endpoint.encode() and "well-known" in endpoint):
                return endpoint
        raise Refused(404, "not_found")

    @staticmethod
    def check_body(delivered):
        kind, _, rest = delivered.one("CONTENT_TYPE").partition(b";")
        if kind.strip(b" \t").lower() != b"application/x-www-form-urlencoded" or b"," in rest:
            raise bad_request()
        length = delivered.one("CONTENT_LENGTH")
        if not length:
            raise Refused(411, "invalid_request")
        if not re.fullmatch(rb"[0-9]+", length):
            raise bad_request()
        if int(length) > BODY_MAX:
            raise Refused(413, "invalid_request")
        if int(length) != len(delivered.body):
            raise bad_request()

    @staticmethod
    def check_query(query):
        for part in query.split(b"&"):
            name, _, value = part.partition(b"=")
            try:
                if value and percent_decode(name) in IN_QUERY:
                    raise bad_request()
            except Malformed:
                continue

    # Interface 3.2

    def authenticate(self, delivered, form, now):
        header = self.authorization(delivered)
        secret, assertion, kind = (form.get(name, [b""])[0] for name in (
            b"client_secret", b"client_assertion", b"client_assertion_type"))
        if header and not re.match(rb"basic(\s|$)", header, re.I):
            raise unauthorized()
        if bool(assertion) != bool(kind) or (kind and kind != jwts.ASSERTION_TYPE.encode()):
            raise bad_request()
        if bool(header) + bool(secret) + bool(assertion) > 1:
            raise bad_request()
        body_id = form.get(b"client_id", [b""])[0]
        if header:
            client_id, method = self.by_basic(header, body_id, now), "client_secret_basic"
        elif secret:
            client_id, method = self.by_secret(body_id, secret, "client_secret_post",
                                               now), "client_secret_post"
        elif assertion:
            client_id, method = self.by_assertion(delivered, assertion, body_id, now)
        else:
            client_id, method = self.by_certificate(delivered, body_id), "certificate"
        self.check_certificate(delivered, client_id, method)
        return client_id

    @staticmethod
    def authorization(delivered):
        values = delivered.all("HTTP_AUTHORIZATION")
        if not any(values):
            values = delivered.all("REDIRECT_HTTP_AUTHORIZATION")
        if len(values) > 1:
            raise bad_request()
        value = values[0].strip(b" \t") if values else b""
        # Joined by a web server (RFC 9110 §5.3): another scheme behind a comma, or anything behind Basic.
        for part in value.split(b",")[1:]:
            scheme, _, rest = part.strip().partition(b" ")
            if value.lower().startswith(b"basic ") or (rest and b"=" not in scheme and b'"' not in scheme):
                raise bad_request()
        return value

    def rights(self, client_id, method):
        """The client, if it is one that may use this method from here."""
        client = self.clients.get(client_id)
        usual = ["client_secret_basic", "client_secret_post"] if client and "secrets" in client else []
        if not client or not client.get("enabled", True) or method not in client.get("auth_methods", usual):
            raise unauthorized()
        if "allowed_ips" in client and not any(a.startswith("127.") for a in client["allowed_ips"]):
            raise unauthorized()
        return client

    def secrets(self, client_id, now):
        """The client's live secrets, in clear."""
        for secret in self.clients[client_id].get("secrets", []):
            today = time.strftime("%Y-%m-%d", time.gmtime(now))
            if str(secret.get("expires", "9999")) < today or str(secret.get("not_before", "")) > today:
                continue
            if "file" in secret:
                yield configurations.SECRETS[secret["file"].split("/")[-1]], True
            elif secret["hash"].startswith("sha256:"):
                digest = secret["hash"][7:]
                yield next(text for text in configurations.SECRETS.values()
                           if hashlib.sha256(text.encode()).hexdigest() == digest), False
            else:
                yield configurations.SECRETS[client_id], False

    def by_secret(self, client_id, secret, method, now):
        try:
            name = client_id.decode()
        except UnicodeDecodeError as error:
            raise unauthorized() from error
        self.rights(name, method)
        if secret not in [text.encode() for text, _ in self.secrets(name, now)]:
            raise unauthorized()
        return name

    def by_basic(self, header, body_id, now):
        """Both ways to read it: the halves form-decoded (RFC 6749 §2.3.1), or as they are."""
        try:
            user, colon, password = base64_decode(header[5:].strip(b" \t")).partition(b":")
        except Malformed as error:
            raise unauthorized() from error
        if not colon:
            raise unauthorized()
        readings = [(user, password)]
        try:
            readings.insert(0, (percent_decode(user), percent_decode(password)))
        except Malformed:
            pass
        if body_id and body_id not in [name for name, _ in readings]:
            raise bad_request()
        for name, secret in readings:
            if body_id in (b"", name) and secret:
                try:
                    return self.by_secret(name, secret, "client_secret_basic", now)
                except Refused:
                    continue
        raise unauthorized()

    def key_set(self, client_id):
        """The client's keys, read once."""
        if client_id not in self.keys:
            found = configurations.client_keys("file") if "jwks_file" in self.clients[client_id] \
                else self.clients[client_id].get("jwks", {"keys": []})
            self.keys[client_id] = [(jwk, public_key(jwk)) for jwk in found["keys"]]
        return self.keys[client_id]

    def by_assertion(self, delivered, assertion, body_id, now):
        try:
            jws = split_jws(assertion)
            client_id, alg = text_of(jws.claims, "sub"), text_of(jws.header, "alg")
            method = "client_secret_jwt" if alg == "HS256" else "private_key_jwt"
            self.rights(client_id, method)
            self.check_two_methods(delivered, client_id, method)
            self.check_assertion_signature(jws, client_id, alg, now)
            self.check_assertion_claims(jws, client_id, body_id, now)
        except Malformed as error:
            raise unauthorized() from error
        return client_id, method

    def check_assertion_signature(self, jws, client_id, alg, now):
        kid = jws.header.get("kid")
        if alg == "HS256":
            macs = [hmac.digest(text.encode(), jws.signed, "sha256")
                    for text, is_clear in self.secrets(client_id, now) if is_clear]
            if "kid" in jws.header or jws.signature not in macs:
                raise Malformed
            return
        keys = [(jwk, key) for jwk, key in self.key_set(client_id)
                if ("kid" not in jws.header or kid and jwk.get("kid") == kid) and accepts(jwk, alg)]
        if not any(is_signed(key, alg, jws.signed, jws.signature) for _, key in keys[:KEYS_TRIED]):
            raise Malformed

    def check_assertion_claims(self, jws, client_id, body_id, now):
        claims = jws.claims
        if "typ" in jws.header and jws.header["typ"] not in CLIENT_TYPES:
            raise Malformed
        if claims.get("iss") != client_id or body_id not in (b"", client_id.encode()):
            raise Malformed
        audience = claims.get("aud")
        if audience not in (self.settings.issuer, [self.settings.issuer]):
            raise Malformed
        expires = seconds(claims, "exp")
        if expires + LEEWAY_S < now or expires > now + self.lifetime_max:
            raise Malformed
        for name in ("nbf", "iat"):
            if name in claims and seconds(claims, name) > now + LEEWAY_S:
                raise Malformed
        if not text_of(claims, "jti"):
            raise Malformed

    # RFC 8705. Which certificate is whose is for the row to say: it names it in `certificate_of`.

    @staticmethod
    def has_certificate(delivered):
        verify = delivered.one("SSL_CLIENT_VERIFY")
        return bool(delivered.one("SSL_CLIENT_CERT")) and verify not in (b"", b"NONE")

    def check_two_methods(self, delivered, client_id, method):
        client = self.clients.get(client_id, {})
        if self.has_certificate(delivered) and "tls_client_auth" in client.get("auth_methods", []) \
                and not client.get("tls_client_certificate_bound_access_tokens"):
            raise bad_request()

    def by_certificate(self, delivered, body_id):
        if not body_id or not self.has_certificate(delivered):
            raise unauthorized()
        client = self.rights(body_id.decode(), "tls_client_auth")
        if delivered.one("SSL_CLIENT_VERIFY") != b"SUCCESS" \
                or body_id.decode() not in delivered.one("certificate_of").decode().split() or not client:
            raise unauthorized()
        return body_id.decode()

    def check_certificate(self, delivered, client_id, method):
        client = self.clients[client_id]
        if method.startswith("client_secret_") and method != "client_secret_jwt":
            self.check_two_methods(delivered, client_id, method)
        if client.get("tls_client_certificate_bound_access_tokens") and not self.has_certificate(delivered):
            raise bad_request()

    # Interface 3.3

    def grant(self, delivered, form, client_id, now):
        client = self.clients[client_id]
        kind = form.get(b"grant_type", [b""])[0]
        if not kind:
            raise bad_request()
        if kind != b"client_credentials":
            raise bad_request("unsupported_grant_type")
        jkt = self.proof_key(delivered, now)
        if "client_credentials" not in client.get("grants", ["client_credentials"]):
            raise bad_request("unauthorized_client")
        scopes = self.choose_scopes(client, form.get(b"scope", [b""])[0])
        audience = self.choose_audience(client_id, scopes, form.get(b"resource", [])
                                        + form.get(b"audience", []))
        if client.get("dpop_bound_access_tokens") and not jkt:
            raise bad_request("invalid_dpop_proof")
        return Verdict(200, None, {
            "sub": client_id, "scope": scopes, "aud": audience, "jkt": jkt,
            "is_bound": bool(client.get("tls_client_certificate_bound_access_tokens"))})

    def choose_scopes(self, client, asked):
        allowed = client.get("scopes", [])
        if not asked:
            return client.get("default_scopes", allowed)
        tokens = asked.split(b" ")
        if not all(SCOPE_TOKEN.fullmatch(token) for token in tokens):
            raise bad_request("invalid_scope")
        tokens = list(dict.fromkeys(token.decode() for token in tokens))
        if not set(tokens) <= set(allowed) & set(self.scopes):
            raise bad_request("invalid_scope")
        return tokens

    def choose_audience(self, client_id, scopes, resources):
        client = self.clients[client_id]
        if resources:
            for resource in resources:
                if not is_absolute_uri(resource) or resource.decode() not in client.get("resources", []):
                    raise bad_request("invalid_target")
            return list(dict.fromkeys(resource.decode() for resource in resources))
        named = {self.scopes[scope]["audience"] for scope in scopes if "audience" in self.scopes[scope]}
        if len(named) > 1:
            raise bad_request("invalid_scope")
        return list(named) or client.get("audience") or [client_id]

    def proof_key(self, delivered, now):
        """The thumbprint of the key of the DPoP proof; None: there is none."""
        values = delivered.all("HTTP_DPOP")
        if not self.has_state or not any(values) and len(values) < 2:
            return None
        try:
            if len(values) > 1 or re.search(rb"[, \t]", values[0]):
                raise Malformed
            return self.check_proof(split_jws(values[0]), now)
        except Malformed as error:
            raise bad_request("invalid_dpop_proof") from error

    def check_proof(self, jws, now):
        alg, jwk, claims = text_of(jws.header, "alg"), jws.header.get("jwk"), jws.claims
        if jws.header.get("typ") != "dpop+jwt" or alg not in DPOP_ALGS:
            raise Malformed
        key = public_key(jwk)
        if not accepts(jwk, alg) or not is_signed(key, alg, jws.signed, jws.signature):
            raise Malformed
        if claims.get("htm") != "POST" or not same_url(text_of(claims, "htu"), self.settings.token_url):
            raise Malformed
        if not now - 60 <= seconds(claims, "iat") <= now + 10 or not text_of(claims, "jti"):
            raise Malformed
        names = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
        required = {name: jwk[name] for name in names[jwk["kty"]]}
        digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
