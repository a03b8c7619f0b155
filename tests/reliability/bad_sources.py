# SPDX-License-Identifier: MIT
"""Where the corpus comes from: a function for each source, which yields its rows. What a row must get is
for bad_oracle.py to say, unless the row knows it by the way it is made."""

import base64
import datetime
import itertools
import json
import re
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import jwts
from bad_requests import FORM, Request, Row, basic, encoded, form
from configurations import CLIENT_KEYS, SECRETS

TESTS = Path(__file__).resolve().parents[1]
CORPUS = TESTS / "fuzz" / "corpus"
VECTORS = TESTS / "vectors"

GRANT = b"grant_type=client_credentials"
TENANT = GRANT + b"&client_id=TENANT_CLIENT_ID&client_secret=TENANT_CLIENT_SECRET"
MANY = GRANT + b"&client_id=many&client_secret=has-many-scopes-02fd"
RESOURCES = GRANT + b"&client_id=resources&client_secret=has-resources-0b6e"
DPOP = form(("client_id", "dpop"), ("client_secret", SECRETS["dpop"])) + b"&" + GRANT
TYPE = b"client_assertion_type=" + encoded(jwts.ASSERTION_TYPE)
PLAIN, STRONG, OVER_TLS = "bad-plain", "bad-strong", "strong"

GOOD, REQUEST, CLIENT, SCOPE, TARGET, PROOF = (
    (200, None), (400, "invalid_request"), (401, "invalid_client"), (400, "invalid_scope"),
    (400, "invalid_target"), (400, "invalid_dpop_proof"))
# What of a header no server but nginx hands on.
CONTROLS = {"lighttpd-*": [400], "apache-*": [400]}

HEADER = '{"alg":"ES256"}'
CLAIMS = '{"iss":"es256","sub":"es256","aud":"<issuer>","exp":<now+60>,"iat":<now>,"jti":"<jti>"}'
PROOF_CLAIMS = '{"jti":"<jti>","htm":"POST","htu":"<token>","iat":<now>}'

SOURCES = {}


def source(name):
    def register(function):
        SOURCES[name] = function
        return function
    return register


def rows_of(name, vectors=None):
    """The rows of one source; its function may want to know where Project Wycheproof's files are."""
    for found in SOURCES[name](vectors):
        found.source = name
        yield found


def row(name, body=b"", config=PLAIN, expect=None, hosts=None, **request):
    made = Request(body, **request)
    return Row("", name, lambda maker: made, config, expect, hosts or {})


def changed(text, **changes):
    """A JSON object's text with members changed; a value is JSON as it is, None takes the member away."""
    for name, value in changes.items():
        text = re.sub(rf',?"{name}":("[^"]*"|<[^>]*>)', "", text).replace("{,", "{")
        if value is not None:
            text = f'{text[:-1]}{"," if len(text) > 2 else ""}"{name}":{value}}}'
    return text


def assertion(name, claims=CLAIMS, header=HEADER, expect=None, again=False, before=GRANT, config=STRONG,
              **how):
    """A row with a client assertion."""
    def make(maker):
        return Request(before + b"&" + TYPE + b"&client_assertion="
                       + encoded(maker.jws(header, claims, **how).decode("latin-1")))
    return Row("", name, make, config, expect, again=again)


def proof(name, claims=PROOF_CLAIMS, header=None, expect=None, again=False, body=DPOP, key=jwts.DPOP_KEY,
          hosts=None, **how):
    """A row with a DPoP proof; @ in its header is the key."""
    def make(maker):
        text = header or '{"typ":"dpop+jwt","alg":"%s","jwk":@}' % how.get("alg",
                                                                           jwts.ALGS[jwts.key(key)["kty"]])
        text = text.replace("@", json.dumps(jwts.public(key))) if isinstance(text, str) else \
            text.replace(b"@", json.dumps(jwts.public(key)).encode())
        return Request(body, [(b"DPoP", maker.jws(text, claims, key=key, **how))])
    return Row("", name, make, STRONG, expect, hosts or {}, again)


def token_row(name, token, config=STRONG, path="/oauth2/introspect"):
    """A text as the token to introspect: never one of ours."""
    body = form(("client_id", "resource-server"), ("client_secret", SECRETS["resource-server"]))
    return row(name, body + b"&token=" + quote(token, safe="").encode(), config, GOOD if token else REQUEST,
               path=path)


def certificate(name):
    """In base64, of this key, signed by itself."""
    key = serialization.load_pem_private_key(jwts.key(name).export_to_pem(private_key=True, password=None), None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now,
                                   now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


# RFC 6749: bytes and parameters

@source("RFC 6749 app. A: every byte in every field")
def every_byte(_):
    fields = {"scope": MANY + b"&scope=email%s", "scope alone": MANY + b"&scope=%s",
              "client_id": GRANT + b"&client_id=TENANT_CLIENT_ID%s&client_secret=TENANT_CLIENT_SECRET",
              "client_secret": TENANT + b"%s", "grant_type": MANY.replace(b"credentials", b"credentials%s",
                                                                          1),
              "resource": RESOURCES + b"&resource=https://api.example.com/v1%s",
              "a name": TENANT + b"&x%sy=1", "a value": TENANT + b"&xy=%s"}
    for (name, body), byte in itertools.product(fields.items(), range(256)):
        yield row(f"{name}, %{byte:02X}", body % (b"%%%02X" % byte))
        if name in ("scope", "a value", "client_secret") and bytes([byte]) not in b"&%+":
            yield row(f"{name}, byte {byte:02x}", body % bytes([byte]))


@source("percent-encoding")
def percent_encoding(_):
    digits = b"0 9 A F a f g G / : @ ` - + . % x u & = z \x80 \xff \t".split(b" ")
    for first, second in itertools.product(digits, digits):
        yield row(f"% and {first + second}", TENANT + b"&x=%" + first + second)
    for at in (b"scope=%", b"scope=%4", b"%=1", b"%4=1", b"x=%25%", b"x=%%", b"x=1%", b"%", b"%0",
               b"x=%u0041", b"x=%U+0041", b"x=\\x41", b"x=&#65;", b"x=%2525", b"x=%c3%a", b"x=%C3%A9%"):
        yield row(f"{at}", TENANT + b"&" + at)
        yield row(f"{at} first", at + b"&" + TENANT)
    for index in range(len(b"client_credentials")):
        text = b"client_credentials"
        yield row(f"letter {index} of the grant encoded",
                  TENANT.replace(text, text[:index] + b"%%%02x" % text[index] + text[index + 1:]),
                  expect=GOOD)


@source("UTF-8")
def utf8(_):
    points = [0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfdd0, 0xfeff, 0xfffd,
              0xfffe, 0xffff, 0x10000, 0x1f600, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10fffe, 0x10ffff,
              0x202e, 0x2028]
    good = [chr(point).encode() for point in points]
    overlong = [bytes([0xc0 | c >> 6, 0x80 | c & 63]) for c in (0, 0x2f, 0x26, 0x3d, 0x41, 0x7f)] + [
        bytes([0xe0, 0x80 | c >> 6, 0x80 | c & 63]) for c in (0, 0x2f, 0x7f, 0x80, 0x7ff)] + [
        bytes([0xf0, 0x80, 0x80 | c >> 6, 0x80 | c & 63]) for c in (0, 0x2f, 0x7ff)] + [
        b"\xf0\x8f\xbf\xbf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"]
    surrogates = [chr(point).encode("utf-8", "surrogatepass") for point in (
        0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff)]
    surrogates += [high + low for high, low in itertools.product(surrogates[:4], surrogates[4:])]
    beyond = [b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80",
              b"\xfb\xbf\xbf\xbf\xbf", b"\xfc\x84\x80\x80\x80\x80", b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xfe",
              b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xfe\xfe\xff\xff"]
    cut = [text[:n] for text in good if len(text) > 1 for n in range(1, len(text))]
    alone = [b"\x80" * n for n in range(1, 9)] + [bytes([c, 0x20])
                                                  for c in (0xc2, 0xdf, 0xe0, 0xef, 0xf0, 0xf4)]
    mixed = [b"\xc3(", b"\xe2(\xa1", b"\xe2\x82(", b"\xf0(\x8c\xbc", b"\xf0\x90(\xbc", b"\xf0\x28\x8c\x28"]
    for text in dict.fromkeys(good + overlong + surrogates + beyond + cut + alone + mixed):
        escaped = b"".join(b"%%%02x" % byte for byte in text)
        for name, body in {"scope": MANY + b"&scope=a%sb", "value": TENANT + b"&x=%s",
                           "name": TENANT + b"&%s=1", "client_id": GRANT
                           + b"&client_id=%s&client_secret=x"}.items():
            yield row(f"{text} in {name}, encoded", body % escaped)
        yield row(f"{text} in a value", TENANT + b"&x=%s" % text)


@source("RFC 6749 §3.2: repeated and odd parameters")
def repeated(_):
    known = ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope",
             "redirect_uri", "code", "username", "password", "refresh_token", "token", "token_type_hint",
             "resource", "audience", "x", "Scope", "scope[]", "scope ", " scope", "xscope", "scopex"]
    for name in known:
        plain = quote(name).encode()
        odd = b"".join(b"%%%02x" % ord(c) for c in name)
        half = plain[:-1] + b"%%%02X" % plain[-1]
        for first, second in ((plain, plain), (plain, odd), (odd, odd), (half, plain)):
            for values in ((b"a", b"a"), (b"a", b"b"), (b"", b"a"), (b"a", b""), (b"", b"")):
                yield row(f"{first} and {second} with {values}", b"%s=%s&%s&%s=%s" % (
                    first, values[0], TENANT, second, values[1]))
    parts = [b"&", b"&&", b"=", b"==", b"=x", b"x", b"x==", b"x=&", b";", b"scope", b"scope=", b"&=&", b"?",
             b"#", b"\r\n", b" ", b"+", b"x=1;scope=nobodys", b"x[]=1", b"x[scope]=1", b"__proto__=1",
             b"scope.x=1"]
    for part in parts:
        for body in (part + TENANT, part + b"&" + TENANT, TENANT + part, TENANT + b"&" + part, part,
                     TENANT.replace(b"&", b"&" + part + b"&", 1)):
            yield row(f"{part} in {body[:12]}…", body)
    for count in (99, 100, 101, 1000, 8000, 32768, 65536):
        yield row(f"{count} ampersands", (b"&" * (count - len(TENANT)) + TENANT)[:65536]
                  if count > 200 else b"&" * count + TENANT)
        yield row(f"{count} ampersands alone", b"&" * count, expect=CLIENT)
    for size in (255, 256, 257, 4096, 8192, 16384, 30000):
        for name, body in {"name": b"&" + b"n" * size + b"=1", "value": b"&x=" + b"v" * size,
                           "scope": b"&scope=" + b"s" * size, "equals": b"&x" + b"=" * size,
                           "scopes": b"&scope=identity_proofing"
                           + b"+identity_proofing" * (size // 18)}.items():
            yield row(f"{name} of {size}", TENANT + body)


@source("RFC 6749 §3.3: scope grammar")
def scope_grammar(_):
    separators = ["+", "%20", "++", "%20%20", "%09", ",", "%2C", ";", "|", "%0a", "%0d%0a", "%c2%a0",
                  "%e3%80%80", "%00", "%2B", "", "/", "."]
    for separator, (first, second) in itertools.product(separators, (
            ("email", "profile"), ("email", "email"), ("email", "nobodys"), ("nobodys", "email"))):
        yield row(f"{first}{separator}{second}", MANY + f"&scope={first}{separator}{second}".encode())
    for around in separators:
        for scope in (around + "email", "email" + around, around + "email" + around, around):
            yield row(f"scope {scope}", MANY + f"&scope={scope}".encode())
    names = ["identity_proofing", "email", "profile", "orders:read", "orders:write", "billing:read",
             "nobodys", "a!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "unknown"]
    for chosen in itertools.permutations(names[:7], 2):
        yield row(f"scopes {chosen}", MANY + b"&scope=" + encoded(" ".join(chosen)))
    for chosen in itertools.combinations(names, 3):
        yield row(f"scopes {chosen}", MANY + b"&scope=" + encoded(" ".join(chosen)))
    for name in names:
        for odd in (name.upper(), name[:-1], name + "x", name + "*", "*", name[::-1], f'"{name}"',
                    name + "\\", name.replace("a", "\u0430"), name + "%00", name.title()):
            yield row(f"scope {odd}", MANY + b"&scope=" + encoded(odd))


@source("RFC 6749 §4.4, §5.2: grant types")
def grants(_):
    kinds = ["client_credentials", "Client_Credentials", "CLIENT_CREDENTIALS", "client-credentials",
             "client credentials", "client_credentials ", " client_credentials", "client_credential",
             "client_credentialss", "authorization_code", "password", "refresh_token", "implicit", "none",
             "null", "*", "urn:ietf:params:oauth:grant-type:jwt-bearer",
             "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:device_code",
             "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:uma-ticket",
             "urn:openid:params:grant-type:ciba", "client_credentials,password",
             "client_credentials password", "client_credentials\n", "client_credentials\t", "x" * 5000,
             "ｃlient_credentials", "client_credentials\u200b", "'", '"', "<script>", "../../x", "%s%n", "0",
             "-1", "true", "[]", "{}"]
    for kind in kinds:
        for client in ("TENANT_CLIENT_ID", "no-grant", "rotating", "nobody", "disabled"):
            yield row(f"{kind[:60]} of {client}", form(("grant_type", kind), ("client_id", client),
                                                       ("client_secret", SECRETS.get(client, "x"))))


# HTTP Basic

@source("RFC 7617, RFC 4648: Basic and base64")
def basic_credentials(_):
    good = basic(b"TENANT_CLIENT_ID", b"TENANT_CLIENT_SECRET")
    text = good[6:]

    def sent(name, value, hosts=None, **more):
        return row(name, GRANT, headers=[(b"Authorization", value)], hosts=hosts, **more)
    for byte in [*range(1, 9), 11, 12, *range(14, 256)]:
        hosts = CONTROLS if byte < 32 or byte == 127 else {}
        char = bytes([byte])
        if byte not in b"\t ":
            yield sent(f"byte {byte:02x} in the middle", good[:20] + char + good[20:], hosts)
            yield sent(f"byte {byte:02x} instead of one", good[:21] + char + good[22:], hosts)
            yield sent(f"byte {byte:02x} behind", good + char, hosts)
        yield sent(f"byte {byte:02x} behind the scheme", b"Basic" + char + text, hosts)
    for index in range(len(text) + 1):
        yield sent(f"the first {index}", b"Basic " + text[:index] if index else b"Basic")
    for scheme in (b"basic", b"BASIC", b"bAsIc", b"Basic ", b"Basi", b"Basicx", b"Bearer", b"Digest",
                   b"Negotiate", b"DPoP", b"Mutual", b"GNAP", b"token", b"Basic,", b"Basic:", b"\"Basic\"",
                   b"Basic=", b"AWS4"):
        yield sent(f"scheme {scheme}", scheme + b" " + text)
        yield sent(f"scheme {scheme} alone", scheme.strip())
    for ending in (b"", b"=", b"==", b"===", b"====", b"A", b"A=", b"==A", b"=A=", b" =", b"= ="):
        yield sent(f"ends by {ending}", b"Basic " + text.rstrip(b"=") + ending)
    for user, password in itertools.product(
            (b"", b"TENANT_CLIENT_ID", b"tenant_client_id", b"TENANT%5FCLIENT%5FID", b"TENANT_CLIENT_ID ",
             b"nobody", b"TENANT_CLIENT_ID\0", b"\xff", b"a b:c", b"%", b"%00", b"TENANT+CLIENT+ID",
             b"a+b%3Ac%25d%2Be", b"as-is", b"disabled", b"post-only", b"rotating", b"expired", b"early",
             b"bcrypt", b"far-away", b"\xc3\xa9"),
            (b"", b"TENANT_CLIENT_SECRET", b":", b":TENANT_CLIENT_SECRET", b"TENANT_CLIENT_SECRET\0",
             b"TENANT%5fCLIENT%5FSECRET", b"TENANT_CLIENT_SECRET%", b"\xff\xfe",
             b"p%3Aa%2Bs%25s+w%26o%3Drd%21", b"a+b%2Fc%41-as-it-is", b"a%2Bb%252Fc%2541-as-it-is",
             b"the-old-one-7d20", b"past-its-date-90aa")):
        yield sent(f"{user}:{password}", basic(user, password))
    for joined in (b", " + good, b",", b", Bearer x", b" " + good, b";", b", realm=\"x\"", b" x", b" ,",
                   b",,"):
        yield sent(f"with {joined} behind", good + joined)
        yield sent(f"Bearer with {joined} behind", b"Bearer abc" + joined)
    yield row("two headers", GRANT, headers=[(b"Authorization", good)] * 2, hosts={"nginx": [400]},
              expect=REQUEST)
    yield row("Basic and Bearer", GRANT, headers=[(b"Authorization", good), (b"Authorization", b"Bearer x")],
              hosts={"nginx": [400]}, expect=REQUEST)


# RFC 6749 §2.3: combinations

@source("RFC 6749 §2.3: which method")
def methods(_):
    headers = {"none": None, "good": basic(b"jwt-or-secret", SECRETS["jwt-or-secret"].encode()),
               "wrong": basic(b"jwt-or-secret", b"x"), "other": basic(b"second", SECRETS["second"].encode()),
               "Bearer": b"Bearer abcdef", "bad base64": b"Basic !"}
    ids = {"none": b"", "same": b"&client_id=jwt-or-secret", "other": b"&client_id=second",
           "empty": b"&client_id=", "nobody": b"&client_id=nobody"}
    secrets = {"none": b"", "good": b"&client_secret=" + SECRETS["jwt-or-secret"].encode(),
               "empty": b"&client_secret=", "wrong": b"&client_secret=x"}
    kinds = {"none": b"", "good": b"&" + TYPE, "other": b"&client_assertion_type=x"}
    claims = CLAIMS.replace("es256", "jwt-or-secret")
    for (h, header), (i, client), (s, secret), (k, kind), a in itertools.product(
            headers.items(), ids.items(), secrets.items(), kinds.items(), ("none", "good", "bad", "empty")):
        # All of one or two, and some of the others.
        if sum(word not in ("none", "good") for word in (h, i, s, k, a)) > 2:
            continue

        def make(maker, header=header, client=client, secret=secret, kind=kind, a=a):
            sent = {"none": b"", "bad": b"&client_assertion=a.b.c", "empty": b"&client_assertion="}.get(a)
            if sent is None:
                sent = b"&client_assertion=" + maker.jws(HEADER, claims, key="ec-both")
            return Request(GRANT + client + secret + kind + sent,
                           [(b"Authorization", header)] if header else [])
        yield Row("", f"header {h}, id {i}, secret {s}, type {k}, assertion {a}", make, STRONG)


# Of their clients there are cases in tests/e2e/cases; here each failure would cost such a hash.
SLOW = ("yescrypt", "sha512crypt", "sha256crypt")


@source("secrets of each kind")
def secrets_of_clients(_):
    for client, secret in SECRETS.items():
        if client in SLOW:
            continue
        config = STRONG if client in ("second", "dpop", "bound", "resource-server",
                                      "jwt-or-secret") else PLAIN
        for name, sent in {"right": secret, "wrong": "x", "longer": secret + "x", "shorter": secret[:-1],
                           "twice": secret * 2, "case": secret.swapcase(), "space": secret + " ",
                           "first byte": "~" + secret[1:], "hash": "sha256:" + "0" * 64,
                           "newline": secret + "\n", "dollar": "$2y$04$" + secret}.items():
            yield row(f"{client}, {name}, by post", GRANT + b"&"
                      + form(("client_id", client), ("client_secret", sent)), config)
            yield row(f"{client}, {name}, by Basic", GRANT, config,
                      headers=[(b"Authorization", basic(encoded(client), encoded(sent)))])


# HTTP

@source("HTTP: methods and paths")
def http_paths(_):
    known = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"]
    for method, path in itertools.product(known, ("token", "jwks", "health", "introspect", "revoke",
                                                  "metrics", "nothing", ".well-known/openid-configuration")):
        yield row(f"{method} {path}", TENANT if method == "POST" else b"", method=method,
                  path="/oauth2/" + path, kind=b"application/x-www-form-urlencoded" if method == "POST"
                  else None)
    for path in ("token/", "token/x", "tokens", "toke", "Token", "TOKEN", "token.php", "token;x=1", "token=",
                 "token,", "xtoken", "token%20", "token%09", "token%0a", "token%2e", "token~", "token'",
                 "token%22", "token*", "a/token", "oauth2/token", "%C3%A9", "token%C3%A9", "token%ff",
                 "x" * 2000, "token" + "/x" * 200, "jwks/x", "health/", "healthz", ".well-known/",
                 ".well-known/jwks", "introspect/", "revoke/x", "token-", "t"):
        yield row(f"path {path[:40]}", TENANT, path="/oauth2/" + path, expect=(404, "not_found"),
                  # A file that is not there; bytes that are no UTF-8 or no text.
                  hosts=({"lighttpd-*": [400, 404]} if re.search("%0[0-9a]|%ff", path) else {}))
    for letter in "token":
        path = "token".replace(letter, f"%{ord(letter):02X}")
        yield row(f"path {path}", TENANT, path="/oauth2/" + path, expect=GOOD)
        yield row(f"path {path.lower()}", TENANT, path="/oauth2/" + path.lower(), expect=GOOD)


INVENTED = ("FOO", "TOKEN", "POSTX", "XPOST", "PURGE", "BREW", "G", "A" * 60, "M-SEARCH", "GETT", "POS",
            "PO5T", "P0ST", "POST-", "_POST", "POST.", "POST!", "GRANT")


@source("HTTP: methods that nobody knows")
def http_methods(_):
    for method in (*INVENTED, "PROPFIND", "MKCOL", "LOCK", "REPORT", "SEARCH", "LINK", "MOVE", "COPY",
                   "UNLOCK", "CHECKOUT", "MERGE", "ACL", "BIND"):
        yield row(f"method {method[:20]}", method=method, kind=None, expect=(405, "invalid_request"),
                  # lighttpd knows those of WebDAV, and hands them on; nginx, whatever has letters alone.
                  hosts=({"lighttpd-*": [501]} if method in INVENTED else {})
                  | ({} if re.fullmatch("[A-Z_-]+", method) else {"nginx": [400]}))


@source("HTTP: media types")
def media_types(_):
    good = "application/x-www-form-urlencoded"
    for kind in (good, good.upper(), good.title(), good + ";", good + "; charset=UTF-8",
                 good + ";charset=iso-8859-1", good + "; charset=\"utf-8\"", good + " ;x=y", good + ";;;",
                 good + ";charset", good + "; =", good + "; a=b; c=d", good + ", text/plain",
                 "text/plain, " + good, good + "," + good, good + "; a=b, text/plain", good + "x", "x" + good,
                 good[:-1], "application/json", "application/json; charset=utf-8", "text/plain", "text/xml",
                 "multipart/form-data", "multipart/form-data; boundary=x", "application/octet-stream", "*/*",
                 "application/*", "application", "/", ";", "x", "application/ x-www-form-urlencoded",
                 "application /x-www-form-urlencoded", "application/x-www-form-urlencoded/x",
                 "application/x-www-form-url-encoded", "application/jwt", "application/jose",
                 "application/x-ndjson", "text/html", "application\\x-www-form-urlencoded",
                 good.replace("-", "_"), good + "; " + "x" * 3000, "\"" + good + "\"", good + "%20"):
        yield row(f"type {kind[:70]}", TENANT, kind=kind.encode())
        yield row(f"type {kind[:70]}, wrong secret", TENANT + b"x", kind=kind.encode())
    yield row("no type", TENANT, kind=None, expect=REQUEST)
    yield row("an empty type", TENANT, kind=b"", expect=REQUEST)


@source("HTTP: Content-Length")
def content_length(_):
    for text in ("-1", "+5", "0x10", "1e2", "5.0", "5,5", "5 5", "five", "٣", "5;", "''", "-0", "+0", "0-",
                 "1_0", "NaN", "inf", "18446744073709551616", "99999999999999999999", "-9223372036854775808",
                 "5\t5", "1\u00b2", "=5", "5=", "#", "$5", "0b1", "0o7", "1/1", "%35", "5%", "(5)", "[5]",
                 "5L", "5u", "0x", "1e", "1.", ".1", "--1", "++1", "1-1"):
        yield row(f"length {text}", TENANT, headers=[(b"Content-Length", text.encode())],
                  hosts={"nginx": [400, 413], "lighttpd-*": [400, 413, 411], "apache-*": [400, 413]},
                  expect=(413, "invalid_request") if text.isascii() and text.isdigit() else REQUEST)
    for size in (65000, 65535, 65536, 65537, 65600, 70000, 100000, 131072, 200000):
        yield row(f"a body of {size} bytes", TENANT + b"&x=" + b"a" * (size - len(TENANT) - 3),
                  expect=GOOD if size <= 65536 else (413, "invalid_request"))
        yield row(f"a body of {size} bytes of nothing", b"a" * size,
                  expect=CLIENT if size <= 65536 else (413, "invalid_request"))


@source("HTTP: headers")
def http_headers(_):
    names = [b"SSL_CLIENT_VERIFY", b"SSL-Client-Verify", b"SSL_CLIENT_CERT", b"SSL-Client-Cert",
             b"SSL_CLIENT_S_DN", b"HTTPS", b"X-Forwarded-Proto", b"X-Forwarded-For", b"X-Forwarded-Host",
             b"X-Forwarded-Client-Cert", b"Forwarded", b"X-Real-IP", b"Proxy", b"Remote-User",
             b"X-Remote-User", b"REMOTE_USER", b"Auth-Type", b"X-Client-Cert", b"X-HTTP-Method-Override",
             b"X-Original-URL", b"X-Rewrite-URL", b"Client-Cert", b"X-Request-Id", b"Cookie", b"Origin",
             b"Access-Control-Request-Method", b"If-None-Match", b"Range", b"Accept", b"Accept-Encoding",
             b"Content-Encoding", b"User-Agent", b"Referer", b"Via", b"DPoP-Nonce", b"WWW-Authenticate",
             b"OAUTH2_CONFIG", b"X-SSL-Client-Verify", b"Content-Disposition", b"Content-Language",
             b"Script-Name", b"Path-Info", b"X_A", b"X-A"]
    for name, (kind, value) in itertools.product(names, {
            "SUCCESS": b"SUCCESS", "a path": b"../../../etc/passwd", "a format": b"%s%n%x",
            "8 bits": b"\xff\xfe\xc3\x28", "4 KB": b"a" * 4000, "markup": b"<script>\"'</script>",
            "https": b"https"}.items()):
        for outcome, body in (("good", TENANT), ("wrong", TENANT + b"x")):
            yield row(f"{name}: {kind}, {outcome} secret", body, headers=[(name, value)],
                      expect=GOOD if outcome == "good" else CLIENT)
    for count in (20, 60):
        yield row(f"{count} headers", TENANT, headers=[(b"X-%d" % i, b"x" * 40) for i in range(count)],
                  expect=GOOD)
    for client in ("tls-dn", "tls-dns", "tls-uri", "self"):
        for name, value in ((b"SSL_CLIENT_VERIFY", b"SUCCESS"), (b"SSL-Client-Cert", b"MIIB"),
                            (b"X-SSL-Client-S-DN", b"CN=client-dn,O=Example"), (b"Client-Cert", b":MIIB:")):
            yield row(f"{name} for {client}", GRANT + b"&client_id=" + client.encode(), STRONG, CLIENT,
                      headers=[(name, value), (b"SSL_CLIENT_VERIFY", b"SUCCESS"),
                               (b"SSL-Client-Verify", b"SUCCESS")])


def query_hosts(query):
    """lighttpd refuses some queries itself."""
    return {"lighttpd-*": [400]} if re.search(b"%00|%ff", query) else {}


@source("HTTP: queries")
def queries(_):
    for name in ("client_id", "client_secret", "client_assertion", "client%5Fid", "%63lient_secret",
                 "client+id", "CLIENT_ID", "client_id%00", "client_id%", "client_idx", "xclient_id", "scope",
                 "grant_type", "resource", "token", "code", "client_assertion_type", "x", "client_id[]",
                 "client%2569d", "client_id%20", "%ff", "%c3%28", "client%5fsecret"):
        for value in ("", "a", "a%zz", "a=b", "%00"):
            query = f"{name}={value}".encode()
            hosts = query_hosts(query)
            yield row(f"query {query}", TENANT, query=query, hosts=hosts)
            yield row(f"query &a&{query}&", TENANT, query=b"&a&" + query + b"&", hosts=hosts)
        yield row(f"query {name}", TENANT, query=name.encode(), hosts=query_hosts(name.encode()))
    for query in (b"", b"?", b"&", b"=", b"==", b"%", b"%00", b"a=b;client_id=x", b"a" * 4000,
                  b"?client_id=x", b"a?client_id=x", b"-s", b"-d+allow_url_include", b"+x",
                  b"client_id=TENANT_CLIENT_ID&client_secret=TENANT_CLIENT_SECRET"):
        yield row(f"query {query[:40]}", TENANT, query=query, hosts=query_hosts(query))


# JSON

def json_texts():
    """Values, good and bad, as JSON texts of bytes: after RFC 8259's grammar."""
    good = [b"0", b"-0", b"1", b"-1", b"1.5", b"1e5", b"1E+5", b"1e-5", b"0e0", b"0.0", b"123456789012345678",
            b"true", b"false", b"null", b'""', b'"a"', b"[]", b"{}", b"[1,2]", b'{"a":1}',
            b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\\u0041"', b'"\\ud83d\\ude00"', b'"\xc3\xa9"',
            b'"\xf0\x9f\x98\x80"', b'"\x7f"', b'[[],{}]', b' \t\r\n1 \t\r\n', b'{"":0}',
            b"[" * 30 + b"]" * 30, b'"' + b"a" * 4000 + b'"', b'{"a":{"b":{"c":[]}}}', b"9223372036854775807",
            b"-9223372036854775808", b"1e300", b"-1e-300", b"0.1e1", b'"\xe2\x80\xa8"', b'"\\uFFFF"',
            b'"\xef\xbb\xbf"', b"1e0001"]
    bad = [b"", b" ", b"01", b"-01", b"+1", b".5", b"1.", b"1.e1", b"1e", b"1e+", b"--1", b"0x1", b"1_0",
           b"NaN", b"Infinity", b"-Infinity", b"nan", b"True", b"TRUE", b"nul", b"undefined", b"'a'", b'"a',
           b'a"', b'"\t"', b'"\n"', b'"\x00"', b'"\x01"', b'"\x1f"', b'"\\x41"', b'"\\u12"', b'"\\u12G4"',
           b'"\\"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'"\\udc00\\ud800"', b'"\\u0000"',
           b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xc3"', b'"\xf4\x90\x80\x80"', b"[", b"]", b"{",
           b"}", b"[1", b"1]", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]", b'{"a"}', b'{"a":}', b"{a:1}", b'{1:1}',
           b'{"a":1,}', b'{,"a":1}', b'{"a" 1}', b'{"a":1 "b":2}', b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}',
           b'{"b":{"a":1,"a":2}}', b'{"\\u0000":1}', b"/**/1", b"1//", b"#", b"1e400", b"-1e400",
           b"9223372036854775808", b"1" * 400, b"[" * 32 + b"]" * 32, b"[" * 200 + b"]" * 200, b"[" * 2000,
           b'{"a":' * 40 + b"1" + b"}" * 40, b"\xef\xbb\xbf1", b"\xc2\xa01", b"1\x00", b"\x0c1", b"\\u0031",
           b"tru", b"truee", b"1 2", b"1,", b":", b",", b"*", b"$", b"-", b"e", b"1.2.3", b"1-1", b"[1}",
           b"{]", b"]1[", b'"a"b', b'\xff\xfe1\x00']
    return [(text, True) for text in good], [(text, False) for text in bad]


@source("RFC 8259: JSON in assertions and proofs")
def json_oddities(_):
    good, bad = json_texts()
    claims, header, proof_claims = CLAIMS.encode(), HEADER.encode(), PROOF_CLAIMS.encode()
    for text, is_good in good + bad:
        expect, proof_expect = (GOOD, GOOD) if is_good else (CLIENT, PROOF)
        name = repr(text[:40])
        yield assertion(f"claim {name}", claims[:-1] + b',"x":' + text + b"}", expect=expect)
        yield assertion(f"claim first {name}", b'{"x":' + text + b"," + claims[1:], expect=expect)
        yield assertion(f"header {name}", header=header[:-1] + b',"x":' + text + b"}", expect=expect)
        yield proof(f"proof's claim {name}", proof_claims[:-1] + b',"x":' + text + b"}", expect=proof_expect)
        yield assertion(f"all claims {name}", text, expect=CLIENT)
        yield assertion(f"all of the header {name}", header=text, expect=CLIENT)
        yield proof(f"all of a proof's claims {name}", text, expect=PROOF)
        yield assertion(f"behind the claims {name}", claims + text,
                        expect=GOOD if not text.strip() else CLIENT)
    for before, behind in itertools.product((b"", b" ", b"\n", b"\xef\xbb\xbf", b"\0", b"[", b"\t\r\n "),
                                            repeat=2):
        yield assertion(f"{before} claims {behind}", before + claims + behind)
        yield assertion(f"{before} header {behind}", header=before + header + behind)


# Assertions

VALUES = ['"es256"', '""', '"ES256"', '"es256 "', '" es256"', '"es25"', '"es2566"', '"es256\\u0000"',
          '"rs256"', '"nobody"', "null", "true", "false", "0", "1", "-1", "256", "1.5", "1e300", "[]", "{}",
          '["es256"]', '["es256","rs256"]', '{"a":"es256"}', '"*"', '"../es256"', '"%s%n"', '"<issuer>"',
          '"<token>"', '["<issuer>"]', '["<token>"]', '["<issuer>","<issuer>"]',
          '["<issuer>","https://other.example.com"]', '"<issuer>/"', '"<issuer>/oauth2"',
          '"<issuer>/oauth2/introspect"', '"HTTP://LOCALHOST"', '"http://localhost:80"',
          '"https://localhost"', '"http://localhost#"', '"http://localhost?"', '"localhost"', '" <issuer>"',
          '[["<issuer>"]]', "[null]", '"<now>"', "<now>", "<now+5>", "<now-2>", "<now+9>", "<now+20>",
          "<now-20>", "<now-3600>", "<now+590>", "<now+620>", "<now+100000>", "<now>.5", "<now>000", "-<now>",
          "<now>e0", "9007199254740993", "253402300800", "4294967296", "2147483648", "1e18",
          "9223372036854775807", '"' + "j" * 4000 + '"', '"\\u00e9"', '"<jti>"', '"a"']


def is_plain_text(value):
    """A JSON text to which something can be added."""
    return value.startswith('"') and len(value) > 2 and "<" not in value and "\\u0000" not in value


@source("RFC 7523 §3: claims of assertions")
def assertion_claims(_):
    for name in ("iss", "sub", "aud", "exp", "nbf", "iat", "jti"):
        yield assertion(f"no {name}", changed(CLAIMS, **{name: None}))
        for index, value in enumerate(VALUES):
            # A jti that is always the same is good once.
            if name == "jti" and is_plain_text(value):
                value = value[:-1] + '<jti>"'
            yield assertion(f"{name} {value[:50]} ({index})", changed(CLAIMS, **{name: value}))
    names = ("iss", "sub", "aud", "exp", "jti")
    for count in (2, 3, 4, 5):
        for chosen in itertools.combinations(names, count):
            yield assertion(f"without {chosen}", changed(CLAIMS, **dict.fromkeys(chosen)), expect=CLIENT)
    for name in names:
        for other in (name.upper(), name + " ", name + "\\u0000", "\\u%04x" % ord(name[0]) + name[1:],
                      name[:-1]):
            yield assertion(f"{other} for {name}", CLAIMS.replace(f'"{name}"', f'"{other}"'))
        found = re.search(rf'"{name}":(?:"[^"]*"|<[^>]*>)', CLAIMS)[0]
        yield assertion(f"{name} twice", CLAIMS[:-1] + "," + found + "}", expect=CLIENT)
    for client in CLIENT_KEYS:
        if client.startswith("self") or client == "key-bound":
            continue
        for body_id in ("", client, "es256", "nobody", client.upper(), client + " "):
            key, members = CLIENT_KEYS[client][0]
            head = '{"alg":"%s"}' % (members.get("alg") or jwts.ALGS[jwts.key(key)["kty"]])
            yield assertion(f"{client} with client_id {body_id}", CLAIMS.replace("es256", client), head,
                            key=key, alg=members.get("alg"), before=GRANT
                            + (b"&client_id=" + encoded(body_id) if body_id else b""))


@source("RFC 7515 §4: headers of assertions")
def assertion_headers(_):
    values = ["null", "true", "false", "0", "1", '""', '"x"', "[]", "{}", '["ES256"]', '"ES256"', '"none"',
              '"JWT"', '"jwt"', '"at+jwt"', '"dpop+jwt"', '"client-authentication+jwt"',
              '"application/client-authentication+jwt"', '"application/jwt"', '"logout+jwt"', '"JOSE"',
              '"https://evil.example/jwks"', '"http://127.0.0.1:1/"', '"file:///etc/passwd"', '"../../key"',
              '["exp"]', '["alg"]', '["b64"]', '["MIIB"]', '{"kty":"oct","k":""}',
              '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', '{"keys":[]}', '"\\u0000"', '"\\u00e9"',
              '"' + "x" * 3000 + '"', "1e300", '"DEF"', '"A128GCM"', '["JWT"]']
    for name in ("typ", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "cty", "enc",
                 "zip", "epk", "iss", "nonce", "url", "exp", "ppt", "svt"):
        for value in values:
            yield assertion(f"{name} {value[:40]}", header=f'{{"alg":"ES256","{name}":{value}}}')
    for alg in ("none", "None", "NONE", "nOnE", "", "ES256 ", " ES256", "es256", "ES256K", "ES384", "ES512",
                "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256", "HS384", "HS512", "EdDSA",
                "Ed25519", "Ed448", "eddsa", "RSA1_5", "RSA-OAEP", "dir", "A128KW", "ECDH-ES",
                "PBES2-HS256+A128KW", "ES256\\u0000", "MD5", "HS1", "ML-DSA-44", "SHA256withECDSA",
                "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"):
        yield assertion(f"alg {alg}", header=f'{{"alg":"{alg}"}}')
        yield assertion(f"alg {alg} and no signature", header=f'{{"alg":"{alg}"}}', signature=lambda raw: b"",
                        expect=CLIENT)
        yield assertion(f"alg {alg} of a client with a secret", CLAIMS.replace("es256", "secret-jwt"),
                        f'{{"alg":"{alg}"}}', secret=SECRETS["secret-jwt"].encode())
    for value in ("null", "0", "true", "[]", "{}", '["ES256"]', '{"ES256":1}'):
        yield assertion(f"alg {value}", header=f'{{"alg":{value}}}', expect=CLIENT)
    yield assertion("no alg", header="{}", expect=CLIENT)
    for kid in ("r", "a", "b", "e", "z", "R", "", "r ", "a,b", "*", "r1", "e1", "same-key-as-others", "0",
                "null"):
        for key in ("rsa", "ec-a", "ec-b", "ed"):
            alg = jwts.ALGS[jwts.key(key)["kty"]]
            yield assertion(f"kid {kid} and key {key}", CLAIMS.replace("es256", "several"),
                            f'{{"alg":"{alg}","kid":"{kid}"}}', key=key)
    for number in range(1, 8):
        for header in (HEADER, f'{{"alg":"ES256","kid":"{number}"}}', f'{{"alg":"ES256","kid":{number}}}'):
            yield assertion(f"key {number} of six, {header}", CLAIMS.replace("es256", "six"), header,
                            key=f"ec-{number}")


@source("RFC 7518: algorithms confused")
def algorithms(_):
    keys = {"rs256": "rsa", "ps256": "rsa", "rsa-any": "rsa", "es256": "ec", "eddsa": "ed", "mixed": "ec",
            "jwt-or-secret": "ec-both", "several": "rsa"}
    for client, key in keys.items():
        claims = CLAIMS.replace("es256", client)
        possible = {"RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "EC": ("ES256",),
                    "OKP": ("EdDSA",)}[jwts.key(key)["kty"]]
        for used, named in itertools.product(possible, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                                        "ES256", "EdDSA", "HS256", "none")):
            for kid in ("", ',"kid":"%s"' % CLIENT_KEYS[client][0][1].get("kid", "x")):
                yield assertion(f"{client}: signed by {used}, says {named}{kid}", claims,
                                f'{{"alg":"{named}"{kid}}}', key=key, alg=used)
        for form_name, make in jwts.HMAC_KEYS.items():
            if form_name == "modulus" and key != "rsa":
                continue
            for named in ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "none"):
                yield assertion(f"{client}: {form_name} as a secret, says {named}", claims,
                                f'{{"alg":"{named}"}}', secret=make(key), expect=CLIENT)
    for secret in ("", "a-secret-of-32-bytes-for-HS256-7", SECRETS["secret-jwt"], SECRETS["secret-jwt-old"],
                   SECRETS["secret-jwt-expired"], SECRETS["secret-jwt"] + "x", SECRETS["secret-jwt"] + "\n",
                   SECRETS["secret-jwt"].upper(), "null", "secret", "\0" * 32):
        for head in ('{"alg":"HS256"}', '{"alg":"HS256","kid":"x"}', '{"alg":"HS512"}',
                     '{"typ":"JWT","alg":"HS256"}', '{"typ":"at+jwt","alg":"HS256"}'):
            yield assertion(f"HS256 by {secret!r}, {head}", CLAIMS.replace("es256", "secret-jwt"), head,
                            secret=secret.encode())


def flipped(bit):
    return lambda raw: raw[:bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1:]


@source("RFC 7515 §7.1: signatures and compact forms")
def signatures(_):
    clients = {"es256": "ec", "eddsa": "ed", "rs256": "rsa"}
    for client, key in clients.items():
        claims = CLAIMS.replace("es256", client)
        header = '{"alg":"%s"}' % jwts.ALGS[jwts.key(key)["kty"]]
        size = 2048 if key == "rsa" else 512
        for bit in range(0, size, 16 if key == "rsa" else 4):
            yield assertion(f"{client}: bit {bit} of the signature", claims, header, key=key,
                            signature=flipped(bit), expect=CLIENT)
        for length in range(0, size // 8, 8):
            yield assertion(f"{client}: {length} bytes of the signature", claims, header, key=key,
                            signature=lambda raw, n=length: raw[:n], expect=CLIENT)
        for name, shape in jwts.SHAPES.items():
            if name != "the alphabet of base64" or key == "rsa":
                # An RSA signature nearly always has characters in which the alphabets differ.
                if not (name == "bits behind the end" and len(jwts.b64(bytes(size // 8))) % 4 == 0):
                    yield assertion(f"{client}: {name}", claims, header, key=key, shape=shape,
                                    expect=None if name in ("padding", "the alphabet of base64") else CLIENT)
    for name, spoil in jwts.SPOILT_SIGNATURES.items():
        yield assertion(f"ES256: {name}", signature=spoil, expect=None if name == "minus" else CLIENT)
        yield proof(f"proof: {name}", signature=spoil, expect=None if name == "minus" else PROOF)
    for at in range(3):
        for text in ("=", "==", " ", "\n", "\t", "+", "/", ".", "*", "%", "\0", "A", "AA", "AAA", "é", "~"):
            def shape(h, c, s, at=at, text=text):
                parts = [h, c, s]
                return ".".join(part + text if index == at else part for index, part in enumerate(parts))

            def front(h, c, s, at=at, text=text):
                parts = [h, c, s]
                return ".".join(text + part if index == at else part for index, part in enumerate(parts))
            yield assertion(f"{text!r} behind part {at}", shape=shape,
                            expect=CLIENT if text != "\0" else REQUEST)
            yield assertion(f"{text!r} before part {at}", shape=front,
                            expect=CLIENT if text != "\0" else REQUEST)
    for text in ("a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "..", ".", "...", "....", "e30.e30.",
                 "e30.e30.e30", ".e30.e30", "e30..e30", "null", "{}", "[]", "eyJ", "eyJhbGciOiJub25lIn0..",
                 "eyJhbGciOiJub25lIn0.e30.", "x" * 8192, "x" * 8193, "x" * 20000, "." * 3000,
                 "eyJhbGciOiJFUzI1NiJ9." * 100, "<saml/>", "Bearer a.b.c", "a.b.c,a.b.c", "a b.c", "%",
                 "é.é.é"):
        yield row(f"the assertion {text[:30]!r} of {len(text)}",
                  GRANT + b"&" + TYPE + b"&client_assertion=" + quote(text, safe="").encode(), STRONG, CLIENT)
        yield row(f"the assertion {text[:30]!r} of {len(text)} and an id",
                  GRANT + b"&client_id=es256&" + TYPE + b"&client_assertion=" + quote(text, safe="").encode(),
                  STRONG, CLIENT)
        yield token_row(f"the token {text[:30]!r} of {len(text)}", text)
        yield token_row(f"the token {text[:30]!r} of {len(text)} to revoke", text, path="/oauth2/revoke")
    for client, key in clients.items():
        yield assertion(f"{client} again", CLAIMS.replace("es256", client),
                        '{"alg":"%s"}' % jwts.ALGS[jwts.key(key)["kty"]], key=key, again=True)


# DPoP

@source("RFC 9449 §4.3: proofs")
def proofs(_):
    values = ['"POST"', '"post"', '"GET"', '"PUT"', '"POST "', '""', "null", "true", "0", "1", "-1", "1.5",
              "1e300", "[]", "{}", '["POST"]', '"a"', '"\\u0000"', "<now>", "<now-30>", "<now-50>",
              "<now-70>", "<now-3600>", "<now+5>", "<now+9>", "<now+20>", "<now+3600>", "<now>.5", "<now>000",
              "-<now>", '"<now>"', '"<jti>"', '"<token>"', "9223372036854775807", '"dpop+jwt"', "1e18"]
    for name in ("jti", "htm", "htu", "iat", "nbf", "exp", "ath", "nonce", "iss", "sub", "aud"):
        yield proof(f"no {name}", changed(PROOF_CLAIMS, **{name: None}))
        for value in values:
            if name == "jti" and is_plain_text(value):
                value = value[:-1] + '<jti>"'
            yield proof(f"{name} {value}", changed(PROOF_CLAIMS, **{name: value}))
    for offset in (*range(-48, 9, 3), *range(-98, -62, 4), *range(25, 73, 6), -86400, 86400):
        yield proof(f"iat {offset} seconds from now", changed(PROOF_CLAIMS, iat=f"<now{offset:+d}>"),
                    expect=GOOD if -60 < offset < 10 else PROOF)
    for key, alg in (("ec-proof", "ES256"), ("ed-proof", "EdDSA"), ("rsa-proof", "PS256"),
                     ("rsa-proof", "RS256"), ("rsa-proof", "RS512"), ("weak-proof", "PS256"),
                     ("p384-proof", "ES384")):
        yield proof(f"{key} and {alg}", key=key, alg=alg)
        yield proof(f"{key} and {alg} for a client that needs none", key=key, alg=alg,
                    body=form(("client_id", "second"), ("client_secret", SECRETS["second"])) + b"&" + GRANT)
        for named in ("none", "HS256", "RS256", "ES256", "EdDSA", "PS256", "", "es256", "Ed25519"):
            yield proof(f"{key} by {alg}, says {named}", key=key, alg=alg,
                        header='{"typ":"dpop+jwt","alg":"%s","jwk":@}' % named)
    for value in ("null", "true", "0", '""', '"dpop+jwt"', '"DPoP+jwt"', '"dpop+JWT"',
                  '"application/dpop+jwt"', '"JWT"', '"at+jwt"', '"dpop+jwt "', '"dpop+jwt+wrongyousee"',
                  '["dpop+jwt"]', "{}"):
        yield proof(f"typ {value}", header=f'{{"typ":{value},"alg":"ES256","jwk":@}}')
    for name in ("kid", "crit", "b64", "jku", "x5u", "x5c", "cty", "zip", "enc", "nonce"):
        for value in ("null", "true", "false", '"x"', "[]", '["exp"]', "{}", "1", '"https://evil.example/"'):
            yield proof(f"{name} {value}",
                        header=f'{{"typ":"dpop+jwt","alg":"ES256","jwk":@,"{name}":{value}}}')
    for name, value in itertools.product(("d", "k", "p", "q", "dp", "dq", "qi", "oth", "use", "key_ops",
                                          "alg", "kid", "x5c", "ext", "crv", "kty", "x", "y", "iat"), (
            '""', '"sig"', '"enc"', '["verify"]', '["sign"]', "null", '"ES256"', '"RS256"', '"P-256"',
            '"P-384"', '"EC"', '"RSA"', '"oct"', '"AA"', "1", "{}")):
        public = json.dumps({**jwts.public("ec-proof"), "z": 0})[:-9]
        known = jwts.public("ec-proof").get(name)
        head = public.replace(f'"{name}": {json.dumps(known)}',
                              f'"{name}": {value}') if known else f'{public}, "{name}": {value}'
        yield proof(f"jwk with {name} {value}", header='{"typ":"dpop+jwt","alg":"ES256","jwk":%s}}' % head)
    right, wrong, longer = certificate("ec-proof"), certificate("ec"), certificate("rsa")
    for name, chain, expect in (("of the key", [right], GOOD), ("of the key, twice", [right, right], GOOD),
                                ("of another key", [wrong], PROOF), ("of another kind", [longer], PROOF),
                                ("of another key first", [wrong, right], PROOF), ("cut off", [right[:-40]], PROOF),
                                ("in no array", right, PROOF), ("in an array in an array", [[right]], PROOF)):
        head = json.dumps(jwts.public("ec-proof"))[:-1]
        yield proof(f"x5c: a certificate {name}",
                    header=f'{{"typ":"dpop+jwt","alg":"ES256","jwk":{head},"x5c":{json.dumps(chain)}}}}}',
                    expect=expect)
    for jwk in ("null", '"x"', "[]", "{}", "1", '[@]', '{"keys":[@]}', '{"jwk":@}',
                '{"kty":"oct","k":"AAAA"}', '{"kty":"EC"}', '{"kty":"EC","crv":"P-256","x":"","y":""}'):
        yield proof(f"jwk {jwk}", header=f'{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}', expect=PROOF)
    yield proof("no jwk", header='{"typ":"dpop+jwt","alg":"ES256"}', expect=PROOF)
    for bit in range(0, 512, 8):
        yield proof(f"bit {bit} of the signature", signature=flipped(bit), expect=PROOF)
    for name, shape in jwts.SHAPES.items():
        if name not in ("a space before", "a line break behind", "the alphabet of base64", "padding"):
            yield proof(name, shape=shape, expect=PROOF)
    for count in (2, 3):
        yield row(f"{count} headers", DPOP, STRONG, PROOF, headers=[(b"DPoP", b"a.b.c")] * count)
    for text in (b"", b"a", b"a.b", b"a.b.c", b"..", b"a.b.c.d.e", b"a,b", b"a.b.c, a.b.c", b"DPoP a.b.c",
                 b"null", b"{}", b"\"a.b.c\"", b"x" * 7000, b"\xff.\xfe.\xfd", b"a\xe9.b.c",
                 b"eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.", b"%20", b"a.b.c;", b"a.b.c=="):
        for name in (b"DPoP", b"DPOP", b"dpop"):
            yield row(f"{name}: {text[:30]}", DPOP, STRONG, PROOF, headers=[(name, text)])
    for client in ("dpop", "second", "bound", "bound-dpop"):
        body = form(("client_id", client), ("client_secret", SECRETS[client])) + b"&" + GRANT
        yield row(f"no proof, {client}", body, STRONG)
        yield proof(f"a proof, {client}", body=body)
        yield proof(f"a bad proof, {client}", body=body, signature=flipped(7))
        yield proof(f"a good proof and a wrong secret, {client}", body=body.replace(b"&grant", b"x&grant"),
                    expect=CLIENT)
        yield proof(f"a good proof and a bad scope, {client}", body=body + b"&scope=nobodys")
    yield proof("again", again=True)


@source("RFC 3986 §6: the URL of a proof")
def proof_urls(_):
    for url in ("http://localhost/oauth2/token", "HTTP://localhost/oauth2/token",
                "http://LOCALHOST/oauth2/token", "http://localhost:80/oauth2/token",
                "http://localhost:/oauth2/token", "http://localhost:8080/oauth2/token",
                "http://localhost:080/oauth2/token", "http://localhost:443/oauth2/token",
                "https://localhost/oauth2/token", "http://localhost/oauth2/token?a=b",
                "http://localhost/oauth2/token#f", "http://localhost/oauth2/token?a#f",
                "http://localhost/oauth2/token?", "http://localhost/oauth2/token/",
                "http://localhost/oauth2//token", "http://localhost//oauth2/token",
                "http://localhost/oauth2/./token", "http://localhost/./oauth2/token",
                "http://localhost/x/../oauth2/token", "http://localhost/oauth2/x/../token",
                "http://localhost/../oauth2/token", "http://localhost/oauth2/token/.",
                "http://localhost/oauth2/token/..", "http://localhost/oauth2/token/x/..",
                "http://localhost/oauth2/%74oken", "http://localhost/oauth2/%74%6F%6b%65%6e",
                "http://localhost/%6fauth2/token", "http://localhost/oauth2%2ftoken",
                "http://localhost/oauth2%2Ftoken", "http://localhost/oauth2/tok%65n",
                "http://localhost/oauth2/Token", "http://localhost/OAUTH2/token",
                "http://localhost/oauth2/token%20", "http://localhost/oauth2/token%",
                "http://localhost/oauth2/token%zz", "http://localhost/oauth2/token ",
                " http://localhost/oauth2/token", "http://user@localhost/oauth2/token",
                "http://user:pw@localhost/oauth2/token", "http://@localhost/oauth2/token",
                "http://localhost.evil.example/oauth2/token", "http://evil.example/oauth2/token",
                "http://localhost@evil.example/oauth2/token", "http://localhost./oauth2/token",
                "http://127.0.0.1/oauth2/token", "http://[::1]/oauth2/token",
                "http://%6cocalhost/oauth2/token", "http://l%6Fcalhost/oauth2/token",
                "//localhost/oauth2/token", "/oauth2/token", "oauth2/token", "http:/oauth2/token",
                "http:localhost/oauth2/token", "http:///oauth2/token", "http://", "http:", "http", "", ":",
                "://", "localhost/oauth2/token", "http//localhost/oauth2/token",
                "http:\\\\localhost\\oauth2\\token", "http://localhost/oauth2/token\\u0000",
                "http://localhost/oauth2/token\\n", "http://localhost/oauth2/t\\u00f6ken",
                "http://localhost/oauth2/token;x", "http://localhost;/oauth2/token",
                "http://localhost/oauth2/introspect", "http://localhost/oauth2", "http://localhost/",
                "http://localhost", "http://localhost?/oauth2/token", "http://localhost#/oauth2/token",
                "javascript:alert(1)", "data:,x", "urn:x:y", "file:///oauth2/token",
                "ws://localhost/oauth2/token", "http://localhost/oauth2/%2e/token",
                "http://localhost/x/%2e%2e/oauth2/token", "http://localhost/x/%2E./oauth2/token",
                "http://localhost/oauth2/token?%zz", "http://localhost/oauth2/token?<>",
                "http://localhost/oauth2/token#%41", "http://LocalHost:80/oauth2/x/../%74oken?q#f"):
        yield proof(f"htu {url}", changed(PROOF_CLAIMS, htu=f'"{url}"'))


# Certificates

@source("RFC 8705: client certificates")
def certificates(_):
    owners = {"dn": ("tls-dn", "tls-bound", "tls-blanks", "tls-or-secret", "tls-or-secret-bound"),
              "comma": ("tls-comma",), "utf8": ("tls-utf8",), "multi": ("tls-multi",), "two": ("tls-two",),
              "dns": ("tls-dns",), "dns-among": ("tls-dns",), "uri": ("tls-uri",), "ip": ("tls-ip",),
              "ip6": ("tls-ip6",), "email": ("tls-email",)}
    others = ("other", "dn-longer", "dn-shorter", "dn-more", "dn-turned", "dn-case", "dn-type", "dn-joined",
              "dn-in-one", "comma-split", "utf8-plain", "multi-apart", "two-turned", "two-first",
              "dns-longer", "dns-wild", "dns-as-uri", "uri-longer", "ip-other", "ip-as-dns", "email-other")
    clients = sorted({client for group in owners.values() for client in group})
    for certificate, client in itertools.product((*owners, *others),
                                                 (*clients, "TENANT_CLIENT_ID", "nobody")):
        yield row(f"{certificate} for {client}", form(("client_id", client)) + b"&" + GRANT, OVER_TLS,
                  GOOD if client in owners.get(certificate, ()) else None,
                      certificate=certificate, certificate_of=" ".join(owners.get(certificate, ())))
    for certificate in ("wrong-ca", "forged", "expired", "early"):
        for client in clients:
            yield row(f"{certificate} for {client}", form(("client_id", client)) + b"&" + GRANT, OVER_TLS,
                      None, hosts={"nginx": [400], "apache-*": ["closed"]}, certificate=certificate,
                      verify="FAILED:untrusted")
    for client in ("tls-or-secret", "tls-or-secret-bound", "bound"):
        secret = SECRETS["second" if client != "bound" else "bound"]
        for certificate in (None, "dn", "other"):
            yield row(f"a secret and {certificate} for {client}", form(("client_id", client)) + b"&" + GRANT,
                      OVER_TLS, certificate=certificate, certificate_of=" ".join(owners["dn"])
                      if certificate == "dn" else "")
            yield row(f"Basic and {certificate} for {client}", GRANT, OVER_TLS,
                      headers=[(b"Authorization", basic(client.encode(), secret.encode()))],
                      certificate=certificate, certificate_of=" ".join(owners["dn"]) if certificate == "dn"
                      else "")


@source("RFC 8707: resources")
def resources(_):
    texts = ["https://api.example.com/v1", "https://api.example.com/v2", "urn:example:api",
             "https://api.example.com/v3", "https://API.example.com/v1", "HTTPS://api.example.com/v1",
             "https://api.example.com:443/v1", "https://api.example.com/v1/", "https://api.example.com/v1?",
             "https://api.example.com/v1#", "https://api.example.com/v1#x", "https://api.example.com/%761",
             "https://api.example.com/v1/../v1", "/v1", "v1", "//api.example.com/v1", "https:", "https://",
             ":", "a", "*", "https://*", "urn:", "urn:example", "URN:example:api", "urn:example:API",
             "javascript:x", "https://api.example.com/v1 ", " https://api.example.com/v1",
             "https://api.example.com/v 1", "https://api.example.com/é", "https://api.example.com/v1\n",
             "https://api.example.com/v1\"", "https://api.example.com/%", "1https://x", "https//x",
             "https://user@api.example.com/v1", "null", "[]"]
    for name in ("resource", "audience"):
        for text in texts:
            yield row(f"{name} {text}", RESOURCES + b"&" + form((name, text)))
            yield row(f"{name} {text} of a client with none", TENANT + b"&" + form((name, text)))
    for (first, one), (second, two) in itertools.product(itertools.product(("resource", "audience"),
                                                                           texts[:6]), repeat=2):
        yield row(f"{first} {one}, {second} {two}", RESOURCES + b"&" + form((first, one), (second, two)))
    for scope in ("orders:read billing:read", "orders:read", "email", "billing:read email"):
        yield row(f"{scope} and a resource", RESOURCES + b"&"
                  + form(("scope", scope), ("resource", texts[0])))
        yield row(f"{scope}", RESOURCES + b"&" + form(("scope", scope)))


@source("RFC 7662, RFC 7009: tokens that are none of ours")
def tokens(_):
    ids = {"the resource server": ("resource-server", None), "a client": ("second", None),
           "nobody": ("nobody", "x"), "a wrong secret": ("resource-server", "x")}
    for (who, (client, secret)), path, hint, token in itertools.product(
            ids.items(), ("introspect", "revoke"), ("", "access_token", "refresh_token", "x"),
            ("", "a", "a.b.c", "%00", "eyJhbGciOiJub25lIn0.e30.", "x" * 9000)):
        body = form(("client_id", client), ("client_secret", secret
                                            or SECRETS[client])) + b"&token=" + token.encode()
        yield row(f"{path} by {who}, hint {hint}, {token[:10]}",
                  body + (b"&token_type_hint=" + hint.encode() if hint else b""), STRONG,
                  path="/oauth2/" + path)
    claims = ('{"iss":"<issuer>","sub":"second","aud":"second","exp":<now+60>,"iat":<now>,"nbf":<now>,'
              '"jti":"<jti>","scope":["email"]}')
    for key, alg, kid in itertools.product(("ec", "rsa", "ed", "ec-forger"),
                                           ("ES256", "RS256", "EdDSA", "none", "HS256"),
                                           ("", ',"kid":"retired-2025"', ',"kid":"../x"')):
        def make(maker, key=key, alg=alg, kid=kid):
            return Request(form(("client_id", "resource-server"),
                                ("client_secret", SECRETS["resource-server"])) + b"&token="
                           + maker.jws(f'{{"typ":"JWT","alg":"{alg}"{kid}}}', claims, key=key),
                           path="/oauth2/introspect")
        yield Row("", f"a token signed by {key}, says {alg}{kid}", make, STRONG, GOOD)


# Those of others

@source("OpenID Foundation: FAPI 2.0 client credentials")
def openid_foundation(_):
    rows = {
        "happy flow": assertion("", expect=GOOD), "happy flow with a proof": proof("", expect=GOOD),
        "proof with nbf and exp": proof("", changed(PROOF_CLAIMS, nbf="<now>", exp="<now+300>"), expect=GOOD),
        "proof with iat 10 seconds before": proof("", changed(PROOF_CLAIMS, iat="<now-10>"), expect=GOOD),
        "proof with iat soon after": proof("", changed(PROOF_CLAIMS, iat="<now+8>"), expect=GOOD),
        "client_id of another": assertion("", before=GRANT + b"&client_id=eddsa", expect=CLIENT),
        "assertion by another's key": assertion("", CLAIMS.replace("es256", "several"), expect=CLIENT),
        "no proof though required": row("", DPOP, STRONG, PROOF),
        "RS256 by a PS256 key": assertion("", CLAIMS.replace("es256", "ps256"), '{"alg":"RS256"}', key="rsa",
                                          alg="RS256", expect=CLIENT),
        "no assertion": row("", GRANT + b"&client_id=es256", STRONG, CLIENT),
        "exp 5 minutes ago": assertion("", changed(CLAIMS, exp="<now-300>"), expect=CLIENT),
        "wrong aud": assertion("", changed(CLAIMS, aud='"https://wrong.example.com"'), expect=CLIENT),
        "no sub": assertion("", changed(CLAIMS, sub=None), expect=CLIENT),
        "aud the token endpoint": assertion("", changed(CLAIMS, aud='"<token>"'), expect=CLIENT),
        "aud an array": assertion("", changed(CLAIMS, aud='["<issuer>","x"]'), expect=CLIENT),
        "iat 8 seconds ahead": assertion("", changed(CLAIMS, iat="<now+8>"), expect=GOOD),
        "nbf 8 seconds ahead": assertion("", changed(CLAIMS, nbf="<now+8>"), expect=GOOD),
        "iat 70 seconds ahead": assertion("", changed(CLAIMS, iat="<now+70>"), expect=CLIENT),
        "nbf 70 seconds ahead": assertion("", changed(CLAIMS, nbf="<now+70>"), expect=CLIENT),
        "proof for PUT": proof("", changed(PROOF_CLAIMS, htm='"PUT"'), expect=PROOF),
        "proof with query and fragment": proof("", changed(PROOF_CLAIMS, htu='"<token>?a=b#c"'), expect=GOOD),
        "proof for another URL": proof("", changed(PROOF_CLAIMS, htu='"https://rs.example.com/"'),
                                       expect=PROOF),
        "proof an hour old": proof("", changed(PROOF_CLAIMS, iat="<now-3600>"), expect=PROOF),
        "proof an hour ahead": proof("", changed(PROOF_CLAIMS, iat="<now+3600>"), expect=PROOF),
        "proof of a wrong type": proof("", header='{"typ":"dpop+jwt+wrongyousee","alg":"ES256","jwk":@}',
                                       expect=PROOF),
        "proof by RS256": proof("", key="rsa-proof", alg="RS256", expect=PROOF),
        "proof without alg": proof("", header='{"typ":"dpop+jwt","jwk":@}', expect=PROOF),
        "proof without typ": proof("", header='{"alg":"ES256","jwk":@}', expect=PROOF),
        "proof with more claims": proof("", changed(PROOF_CLAIMS, foo='"bar"'), expect=GOOD),
        "proof with more in its header": proof("", header='{"typ":"dpop+jwt","alg":"ES256","jwk":@,"foo":1}',
                                               expect=GOOD),
        "proof with its URL in capitals": proof("", changed(PROOF_CLAIMS,
                                                            htu='"HTTP://LOCALHOST/oauth2/token"'),
                                                            expect=GOOD),
        "proof with the usual port": proof("", changed(PROOF_CLAIMS,
                                                       htu='"http://localhost:80/oauth2/token"'),
                                                       expect=GOOD),
        "proof with the private key": proof("", header='{"typ":"dpop+jwt","alg":"ES256","jwk":%s}'
                                            % json.dumps(jwts.private("ec-proof")), expect=PROOF),
        "proof by another key": proof("", header='{"typ":"dpop+jwt","alg":"ES256","jwk":%s}'
                                      % json.dumps(jwts.public("ec-second")), expect=PROOF),
        "proof of two parts": proof("", shape=jwts.SHAPES["two parts"], expect=PROOF),
    }
    for name in ("jti", "htm", "htu", "iat"):
        rows[f"proof without {name}"] = proof("", changed(PROOF_CLAIMS, **{name: None}), expect=PROOF)
    for number, (name, found) in enumerate(rows.items()):
        # The same idea may stand elsewhere in other words: here it has a mark of its own.
        made = found.make

        def make(maker, made=made, number=number):
            request = made(maker)
            request.body += b"&module=%d" % number
            return request
        found.name, found.make = name, make
        yield found


def fault(name, claims=CLAIMS, header=HEADER, expect=CLIENT, **how):
    """An assertion as in a published fault; its claims tell it from those of other sources."""
    return assertion(name, changed(claims, note=json.dumps(name.partition(":")[0])), header, expect, **how)


@source("published faults of other servers")
def published(_):
    forger = json.dumps(jwts.public("ec-forger"))
    for client, key in (("rs256", "rsa"), ("es256", "ec"), ("eddsa", "ed"), ("several", "rsa")):
        claims = CLAIMS.replace("es256", client)
        for alg in ("HS256", "HS384", "HS512"):
            header = f'{{"alg":"{alg}"}}'
            yield fault(f"CVE-2026-44699: {alg} by an empty key for {client}", claims, header, secret=b"")
            yield fault(f"CVE-2015-9235: {alg} by the public key of {client}", claims, header,
                        secret=jwts.HMAC_KEYS["pem"](key))
        yield fault(f"CVE-2015-9235: none for {client}", claims, '{"alg":"none"}', key=key,
                    signature=lambda raw: b"")
        yield fault(f"CVE-2018-0114: a key in the header for {client}", claims,
                    f'{{"alg":"ES256","jwk":{forger}}}', key="ec-forger")
        yield fault(f"CVE-2026-27962: a key by its address for {client}", claims,
                    '{"alg":"ES256","jku":"http://127.0.0.1:1/jwks"}', key="ec-forger")
        yield fault(f"CVE-2022-21449: a signature of zeros for {client}", claims,
                    signature=lambda raw: bytes(64))
    yield fault("CVE-2020-5300: an assertion again", expect=None, again=True)
    yield fault("CVE-2025-27370: aud injected", changed(CLAIMS, aud='["<issuer>","https://evil.example"]'))
    yield fault("CVE-2025-2559: a very long life", changed(CLAIMS, exp="<now+999999999>"))
    yield fault("CVE-2024-25189: a MAC with a right beginning", CLAIMS.replace("es256", "secret-jwt"),
                '{"alg":"HS256"}', secret=SECRETS["secret-jwt"].encode(),
                signature=lambda raw: raw[:31] + bytes([raw[31] ^ 1]))
    yield row("CVE-2023-2422: no certificate", GRANT + b"&client_id=tls-dn&x=2422", STRONG, CLIENT)
    yield row("CVE-2024-10039: a certificate in a header", GRANT + b"&client_id=tls-dn&x=10039", STRONG,
              CLIENT, headers=[(b"SSL-Client-Cert", b"x"), (b"X-Forwarded-Client-Cert",
                                                            b"Subject=\"CN=client-dn,O=Example\"")])
    yield row("CVE-2016-5385: a Proxy header", TENANT + b"&x=5385",
              headers=[(b"Proxy", b"http://127.0.0.1:1/")], expect=GOOD)
    yield row("a crash on a lone ampersand", b"&&x=&", expect=CLIENT)
    for name in (b"xgrant_type", b"grant_typex", b"xclient_id", b"Client_Id", b"grant_type%20"):
        yield row(f"names that end alike: {name}", TENANT + b"&" + name + b"=zz", expect=GOOD)
    for path in ("../../../../etc/passwd", "/etc/passwd", "....//....//x", "..\\..\\x", "file:///etc/passwd",
                 "%2e%2e%2fx", "x\0.pem", "keys/rs256.pem", "oauth2.yaml", "state/data.mdb"):
        yield row(f"CVE-2022-29967: a client_id that is the path {path!r}",
                  GRANT + b"&" + form(("client_id", path), ("client_secret", "x")),
                  expect=REQUEST if "\0" in path else CLIENT)
        yield assertion(f"a kid that is the path {path!r}", header=json.dumps({"alg": "ES256", "kid": path}),
                        expect=CLIENT)
    for text in ("' OR 1=1 --", "\"; DROP TABLE clients; --", "${jndi:ldap://127.0.0.1:1/x}", "{{7*7}}",
                 "$(id)", "`id`", "|id", "<!--#exec cmd=\"id\"-->", "%{(#a=1)}", "\r\nSet-Cookie: x=y",
                 "\x1b[2J", "%n%n%n%n%s%s", "A" * 10000):
        for name in ("client_id", "client_secret", "scope", "grant_type", "resource"):
            yield row(f"{name} {text[:20]!r}", form(*[(n, text if n == name else v) for n, v in (
                ("grant_type", "client_credentials"), ("client_id", "many"),
                ("client_secret", SECRETS["many"]), ("scope", "email"),
                ("resource", "https://api.example.com/v1"))]))


# What lies in the tree, and beside it

def files(target):
    for path in sorted((CORPUS / target).iterdir()):
        yield path.name[:12], path.read_bytes()


def line_ok(value):
    """Can it be a header of HTTP, in any server's eyes?"""
    return not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value) and value == value.strip() and len(value) < 3000


@source("fuzz corpus: form")
def fuzz_form(_):
    for name, data in files("form"):
        yield row(name, data)
        yield row(f"{name} behind a good one", TENANT + b"&" + data)
        yield row(f"{name} before a good one", data + b"&" + TENANT)


@source("fuzz corpus: basic")
def fuzz_basic(_):
    for name, data in files("basic"):
        lines = data.split(b"\n") + [b""] * 3
        if line_ok(lines[0]):
            yield row(f"{name}, Authorization", GRANT, headers=[(b"Authorization", lines[0])])
        if line_ok(lines[1]):
            yield row(f"{name}, Content-Type", TENANT, kind=lines[1])
        if line_ok(lines[2]):
            yield row(f"{name}, If-None-Match", TENANT, headers=[(b"If-None-Match", lines[2])], expect=GOOD)
        yield row(f"{name}, as the secret", GRANT + b"&client_id=many&client_secret="
                  + encoded(data.decode("latin-1")))


# The clients that these inputs name by their second byte, and bits of the first: see tests/fuzz/request.c.
CLIENTS = ("many", "basic-only", "post-only", "disabled", "no-grant", "claims", "far-away", "resources",
           "none", "expired", "audience", "short", "nobody")
ADD_BASIC, ADD_POST, ADD_GRANT = 1, 2, 64


@source("fuzz corpus: request")
def fuzz_request(_):
    for name, data in files("request"):
        if len(data) < 2:
            continue
        head, _, body = data[2:].partition(b"\n\n")
        variables = dict(line.split(b"=", 1) for line in head.split(b"\n") if b"=" in line)
        flags, client = data[0], CLIENTS[data[1] % len(CLIENTS)]
        secret = SECRETS.get(client, "x")
        kind, method, query = (variables.get(key, usual) for key, usual in (
            (b"CONTENT_TYPE", FORM), (b"REQUEST_METHOD", b"POST"), (b"QUERY_STRING", b"")))
        path = variables.get(b"SCRIPT_NAME", b"") + variables.get(b"PATH_INFO", b"")
        headers = [(title, variables[key]) for title, key in (
            (b"Authorization", b"HTTP_AUTHORIZATION"), (b"X-Forwarded-Proto", b"HTTP_X_FORWARDED_PROTO"),
            (b"X-Forwarded-For", b"HTTP_X_FORWARDED_FOR")) if line_ok(variables.get(key, b"\0"))]
        if flags & ADD_BASIC:
            headers.append((b"Authorization", basic(encoded(client), encoded(secret))))
        added = (b"&" + GRANT if flags & ADD_GRANT else b"") + (
            b"&" + form(("client_id", client), ("client_secret", secret)) if flags & ADD_POST else b"")
        endpoint = re.search(rb"/(token|introspect|revoke|jwks|health|metrics)$", path)
        yield row(name, body + added, headers=headers[-1:], kind=kind if line_ok(kind) else b"",
                  method=method.decode() if method in (b"GET", b"HEAD", b"PUT", b"OPTIONS") else "POST",
                  path="/oauth2/" + (endpoint[1].decode() if endpoint else "token"),
                  query=query if re.fullmatch(rb"[A-Za-z0-9_=&%.-]+", query) else None,
                  hosts=query_hosts(query))
        yield row(f"{name}, with credentials", body + b"&" + TENANT)


@source("fuzz corpus: scope")
def fuzz_scope(_):
    for name, data in files("scope"):
        lines = data[1:].split(b"\n")
        yield row(name, MANY + b"&scope=" + lines[0])
        yield row(f"{name}, encoded", MANY + b"&scope=" + encoded(lines[0].decode("latin-1")))
        yield row(f"{name}, as resources", RESOURCES + b"".join(b"&resource=" + quote(line, safe="").encode()
                                                                for line in lines))


@source("fuzz corpus: jws")
def fuzz_jws(_):
    for name, data in files("jws"):
        text = quote(data[1:], safe="").encode()
        yield row(name, GRANT + b"&" + TYPE + b"&client_assertion=" + text, STRONG)
        header, _, claims = data[3:].partition(b"\n")
        yield assertion(f"{name}, signed", claims, header)
        yield row(f"{name}, to introspect", form(("client_id", "resource-server"),
                                                 ("client_secret", SECRETS["resource-server"])) + b"&token="
                                                 + text, STRONG, path="/oauth2/introspect")


def away(offset):
    """Seconds from now, well on one side of what is allowed: a request may take some."""
    for low, high, instead in ((-15, -3, -30), (-75, -45, -90), (9, 25, 30), (585, 625, 700)):
        if low <= offset <= high:
            return instead
    return offset


def as_ours(data):
    """The names and times of the fuzz targets as they are here."""
    data = data.replace(b"https://auth.example.com/oauth2/token",
                        b"<token>").replace(b"https://auth.example.com", b"<issuer>")
    return re.sub(rb"16405\d{5}", lambda found: b"<now%+d>" % away(int(found[0]) - 1640588828), data)


@source("fuzz corpus: claims")
def fuzz_claims(_):
    for name, data in files("claims"):
        header, _, claims = as_ours(data[1:]).partition(b"\n")
        claims = re.sub(rb'"jti":"\d+"', b'"jti":"<jti>"', claims)
        yield assertion(name, claims.replace(b'"keys"', b'"es256"'), header)
        yield assertion(f"{name}, EdDSA", claims.replace(b'"keys"', b'"eddsa"'), header, key="ed")
        yield assertion(f"{name}, HS256", claims.replace(b'"shared"', b'"secret-jwt"'), header,
                        secret=SECRETS["secret-jwt"].encode())


@source("fuzz corpus: dpop")
def fuzz_dpop(_):
    for name, data in files("dpop"):
        header, _, claims = as_ours(data[1:]).partition(b"\n")
        claims = re.sub(rb'"jti":"\d+"', b'"jti":"<jti>"', claims)
        for key in ("ec-proof", "ed-proof"):
            # What does not fit into a header is another matter.
            if len(header) + len(claims) < 2000 and header:
                yield proof(f"{name}, {key}", claims, header, key=key)


@source("fuzz corpus: jwk")
def fuzz_jwk(_):
    for name, data in files("jwk"):
        if len(data) < 2000:
            yield proof(name, header=b'{"typ":"dpop+jwt","alg":"ES256","jwk":' + data + b"}", expect=PROOF)
            yield assertion(f"{name} in an assertion", header=b'{"alg":"ES256","jwk":' + data + b"}",
                            key="ec-forger", expect=CLIENT)


@source("fuzz corpus: issued")
def fuzz_issued(_):
    for name, data in files("issued"):
        header, _, claims = as_ours(data).partition(b"\n")
        for key in ("ec", "ed"):
            def make(maker, header=header, claims=claims, key=key):
                return Request(form(("client_id", "resource-server"),
                                    ("client_secret", SECRETS["resource-server"])) + b"&token="
                                    + maker.jws(header, claims, key=key), path="/oauth2/introspect")
            yield Row("", f"{name} by {key}", make, STRONG, GOOD)


@source("tests/vectors: web signatures and keys")
def vectors_of_tree(_):
    for index, vector in enumerate(json.loads((VECTORS / "jws.json").read_text())):
        name, text = f"{index}: {vector['name']}", quote(vector["jws"], safe="").encode()
        yield row(f"{name}, as an assertion", GRANT + b"&client_id=es256&" + TYPE + b"&client_assertion="
                  + text, STRONG, CLIENT if text and b"%00" not in text else None)
        yield row(f"{name}, as a token", form(("client_id", "resource-server"),
                                              ("client_secret", SECRETS["resource-server"])) + b"&token="
                                              + text, STRONG, path="/oauth2/introspect")
    for index, vector in enumerate(json.loads((VECTORS / "jwk.json").read_text())):
        text = json.dumps(vector["jwk"])
        if len(text) < 2500:
            yield proof(f"{index}: {vector['name']}, in a proof by another key",
                        header='{"typ":"dpop+jwt","alg":"ES256","jwk":%s}' % text, expect=PROOF)


@source("Project Wycheproof: web signatures (VECTORS=DIR)")
def wycheproof(directory):
    for file in ("json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"):
        path = Path(directory or "", file)
        if not directory or not path.exists():
            continue
        for group in json.loads(path.read_text())["testGroups"]:
            for test in group["tests"]:
                text = test.get("jws", test.get("jwe", ""))
                text = text if isinstance(text, str) else json.dumps(text)
                name, sent = f"{file[9:-10]} {test['tcId']}", quote(text, safe="").encode()
                yield row(f"{name}, as an assertion", GRANT + b"&client_id=es256&" + TYPE
                          + b"&client_assertion=" + sent, STRONG)
                yield row(f"{name}, as a token", form(("client_id", "resource-server"),
                                                      ("client_secret", SECRETS["resource-server"]))
                                                      + b"&token=" + sent, STRONG, path="/oauth2/introspect")
                if line_ok(text.encode()):
                    yield row(f"{name}, as a proof", DPOP, STRONG, PROOF if text else None,
                              headers=[(b"DPoP", text.encode())])
