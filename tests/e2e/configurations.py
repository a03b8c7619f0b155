# SPDX-License-Identifier: MIT
"""The configurations that the cases run under, their clients' secrets, and their keys."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import jwts

# What each client sends; the cases name the client only. Nothing of this may ever be in a log.
SECRETS = {
    "TENANT_CLIENT_ID": "TENANT_CLIENT_SECRET",
    "bcrypt": "correct horse",
    "bcrypt72": "b" * 72,
    "yescrypt": "yes, a Password!",
    "sha512crypt": "chosen by a person",
    "sha256crypt": "another one",
    "file": "kept-in-a-file-6b1f0c",
    "rotating": "the-new-one-51c9",
    "rotating-old": "the-old-one-7d20",
    "expired": "past-its-date-90aa",
    "early": "before-its-date-31bb",
    "disabled": "of-a-disabled-client-77",
    "basic-only": "only-by-basic-48d1",
    "post-only": "only-by-post-90c2",
    "no-grant": "may-not-use-the-grant-3",
    "far-away": "only-from-elsewhere-15",
    "near": "only-from-here-8e0a",
    "many": "has-many-scopes-02fd",
    "none": "has-no-scope-64c8",
    "audience": "has-an-audience-d4",
    "audiences": "has-two-audiences-5f",
    "resources": "has-resources-0b6e",
    "claims": "has-claims-e21d",
    "rfc9068": "has-a-profile-99ab",
    "short": "has-a-lifetime-40cc",
    "012": "looks-like-a-number-1",
    "a b:c%d+e": "p:a+s%s w&o=rd!",
    "as-is": "a+b%2Fc%41-as-it-is",
    "secret-jwt": "a-secret-of-32-bytes-for-HS256-77",
    "secret-jwt-old": "an-old-secret-of-32-bytes-or-more",
    "secret-jwt-expired": "an-expired-secret-of-32-bytes-or-more",
    "dpop": "wants-a-proof-3d81",
    "bound": "wants-a-certificate-92",
    "bound-dpop": "wants-both-of-them-0c4",
    "jwt-or-secret": "has-a-key-as-well-51fe",
    "resource-server": "looks-into-tokens-6b",
    "second": "another-tenant-a93c",
    "short-lived": "of-one-second-2e0f",
}

# The public keys of each client, in this order: a name of jwts.py, and members beside the key's.
# A name "cert:NAME" is the key of that certificate; x5c: with the certificate.
CLIENT_KEYS = {
    "rs256": [("rsa", {"alg": "RS256", "kid": "r1"})],
    "ps256": [("rsa", {"alg": "PS256"})],
    "es256": [("ec", {})],
    "eddsa": [("ed", {"kid": "e1", "use": "sig"})],
    "rsa-any": [("rsa", {"kid": "same-key-as-others", "key_ops": ["verify"]})],
    "several": [("rsa", {"alg": "RS256", "kid": "r"}), ("ec-a", {"kid": "a"}),
                ("ec-b", {"kid": "b", "alg": "ES256"}), ("ed", {"kid": "e"})],
    "six": [(f"ec-{number}", {"kid": str(number)}) for number in range(1, 7)],
    "file": [("ec-file", {"kid": "in-a-file"})],
    "mixed": [("ec", {}), ("rsa-mixed", {"kid": "r"})],
    "far-key": [("ec", {})],
    "disabled-key": [("ec", {})],
    "jwt-or-secret": [("ec-both", {})],
    "key-bound": [("ec-bound", {})],
    "key-dpop": [("ed-dpop", {})],
    "self": [("cert:self", {}), ("cert:self-second", {})],
    "self-x5c": [("cert:self-x5c", {"x5c": True})],
    "self-bound": [("cert:self-bound", {"kid": "self"})],
    "self-expired": [("cert:self-expired", {})],
    "self-or-key": [("cert:self", {})],
}

DEFAULT = """\
issuer: http://localhost
access_token: {lifetime: 300}
signing_keys:
  - {file: keys/rs256.pem}
  - {file: keys/es256.pem, state: next}
  - {file: keys/eddsa.pem, state: retired, kid: retired-2025}
scopes:
  identity_proofing: {description: Identity proofing API}
  email:
  profile:
  billing:read: {audience: https://billing.example.com}
  orders:read: {audience: https://orders.example.com}
  orders:write: {audience: https://orders.example.com}
  "a!#$%&'()*+,-./:;<=>?@[]^_`{|}~": {description: Every kind of character that a scope may have}
  nobodys:
clients:
  TENANT_CLIENT_ID:
    name: Tenant application
    scopes: [identity_proofing]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  bcrypt:
    scopes: [email]
    secrets: [{hash: "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", label: bcrypt one}]
  bcrypt72:
    scopes: [email]
    secrets: [{hash: "$2y$04$abcdefghijklmnopqrstuuUJf9qAIqFFWObw4K4AvdtuO.PaE5J/W"}]
  yescrypt:
    scopes: [email]
    secrets: [{hash: "$y$j75$abcdefghijklmnop$0C8vUptfqPRltRFsNyRFb5Z6KZKuMLldCP9Gv7JN8w."}]
  sha512crypt:
    scopes: [email]
    secrets: [{hash: "$6$rounds=1000$abcdefghijklmnop$EUzy3aMAIXEPpIauL1hFPGgYwtfAgXnQEgBZsym0V3B3O66WbG4IziBjlX/uigp4HRBZ2gaIoK0Ez0V2XANaM1"}]
  sha256crypt:
    scopes: [email]
    secrets: [{hash: "$5$rounds=1000$abcdefghijklmnop$csZJAxojoGvTs5CTUhyElNwitCw5g4EsKz460STvQpB"}]
  file:
    scopes: [email]
    secrets: [{file: secrets/file}]
  rotating:
    scopes: [email]
    secrets:
      - {hash: "sha256:<rotating-old>", label: old, not_before: 2020-01-01T00:00:00Z, expires: 2999-12-31T00:00:00Z}
      - {hash: "sha256:<rotating>", label: new}
  expired:
    scopes: [email]
    secrets: [{hash: "sha256:<expired>", expires: 2020-01-01T00:00:00Z, label: gone}]
  early:
    scopes: [email]
    secrets: [{hash: "sha256:<early>", not_before: 2999-01-01T00:00:00Z}]
  disabled:
    enabled: false
    scopes: [email]
    secrets: [{hash: "sha256:<disabled>"}]
  basic-only:
    scopes: [email]
    auth_methods: [client_secret_basic]
    secrets: [{hash: "sha256:<basic-only>"}]
  post-only:
    scopes: [email]
    auth_methods: [client_secret_post]
    secrets: [{hash: "sha256:<post-only>"}]
  no-grant:
    grants: []
    scopes: [email]
    secrets: [{hash: "sha256:<no-grant>"}]
  far-away:
    allowed_ips: [203.0.113.0/24, "2001:db8::/32"]
    scopes: [email]
    secrets: [{hash: "sha256:<far-away>"}]
  near:
    allowed_ips: [203.0.113.0/24, 127.0.0.0/8]
    scopes: [email]
    secrets: [{hash: "sha256:<near>"}]
  many:
    scopes: [identity_proofing, email, profile, "orders:read", "orders:write", "billing:read", "a!#$%&'()*+,-./:;<=>?@[]^_`{|}~"]
    default_scopes: [profile, email]
    resources: [https://api.example.com/v1]
    secrets: [{hash: "sha256:<many>"}]
  none:
    secrets: [{hash: "sha256:<none>"}]
  audience:
    scopes: [email, "orders:read"]
    default_scopes: [email]
    audience: [https://audience.example.com]
    resources: [https://api.example.com/v1]
    secrets: [{hash: "sha256:<audience>"}]
  audiences:
    scopes: [email]
    audience: [https://one.example.com, https://two.example.com]
    secrets: [{hash: "sha256:<audiences>"}]
  resources:
    scopes: [email, "orders:read", "billing:read"]
    default_scopes: [email]
    resources: [https://api.example.com/v1, https://api.example.com/v2, "urn:example:api"]
    secrets: [{hash: "sha256:<resources>"}]
  claims:
    scopes: [email]
    claims: {tenant: acme, level: 3, flags: [a, b], nested: {deep: true}}
    secrets: [{hash: "sha256:<claims>"}]
  rfc9068:
    scopes: [email, profile]
    token_profile: rfc9068
    audience: [https://api.example.com]
    secrets: [{hash: "sha256:<rfc9068>"}]
  short:
    scopes: [email]
    token_lifetime: 60
    secrets: [{hash: "sha256:<short>"}]
  "012":
    scopes: [email]
    secrets: [{hash: "sha256:<012>"}]
  "a b:c%d+e":
    scopes: [email]
    secrets: [{hash: "sha256:<a b:c%d+e>"}]
  as-is:
    scopes: [email]
    secrets: [{hash: "sha256:<as-is>"}]
cors_origins: [https://app.example.com, https://admin.example.com]
log: {file: oauth2.log, level: info}
"""

# A loopback connection may come from any address of 127.0.0.0/8: so some are proxies, some are not.
TLS = """\
issuer: https://auth.example.com/tenant1
trusted_proxies: [127.0.0.2, 127.0.1.0/24, 10.0.0.0/8, "2001:db8:1::/48"]
access_token: {lifetime: 120, profile: rfc9068, audience: [https://api.example.com]}
signing_keys:
  - {file: keys/ps256.pem, alg: PS256, kid: "2026-11"}
scopes:
  identity_proofing:
  email:
clients:
  TENANT_CLIENT_ID:
    scopes: [identity_proofing]
    auth_methods: [client_secret_basic]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  far-away:
    allowed_ips: [203.0.113.0/24, "2001:db8:2::/48"]
    scopes: [email]
    auth_methods: [client_secret_basic]
    secrets: [{hash: "sha256:<far-away>"}]
  post-only:
    enabled: false
    scopes: [email]
    auth_methods: [client_secret_post]
    secrets: [{hash: "sha256:<post-only>"}]
log: {file: oauth2.log, level: debug}
"""


# Every kind of strong client. Those whom the web server's CA decides about, and, in SELF_SIGNED,
# those with certificates of their own: they need another setting of the web servers.
STRONG = """\
issuer: https://auth.example.com
signing_keys:
  - {file: keys/es256.pem}
  - {file: keys/rs256.pem, state: retired, kid: retired-2025}
scopes:
  email:
  profile:
clients:
  rs256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:rs256>}
  ps256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:ps256>}
  es256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:es256>}
  eddsa: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:eddsa>}
  rsa-any: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:rsa-any>}
  several: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:several>}
  six: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:six>}
  file: {scopes: [email], auth_methods: [private_key_jwt], jwks_file: keys/file.jwks.json}
  mixed: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:mixed>, token_profile: rfc9068}
  far-key: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:far-key>, allowed_ips: [203.0.113.0/24]}
  disabled-key: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:disabled-key>, enabled: false}
  secret-jwt:
    scopes: [email]
    auth_methods: [client_secret_jwt]
    secrets:
      - {file: secrets/secret-jwt-expired, label: expired, expires: 2020-01-01T00:00:00Z}
      - {file: secrets/secret-jwt-old, label: old}
      - {file: secrets/secret-jwt, label: new}
  jwt-or-secret:
    scopes: [email]
    auth_methods: [private_key_jwt, client_secret_basic]
    jwks: <jwks:jwt-or-secret>
    secrets: [{hash: "sha256:<jwt-or-secret>"}]
  TENANT_CLIENT_ID:
    scopes: [email]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  second:
    scopes: [email]
    secrets: [{hash: "sha256:<second>"}]
  rfc9068:
    scopes: [email, profile]
    token_profile: rfc9068
    audience: [https://api.example.com, https://other.example.com]
    secrets: [{hash: "sha256:<rfc9068>"}]
  short-lived:
    scopes: [email]
    token_lifetime: 1
    secrets: [{hash: "sha256:<short-lived>"}]
  resource-server:
    introspect: true
    grants: []
    secrets: [{hash: "sha256:<resource-server>"}]
  dpop:
    scopes: [email]
    dpop_bound_access_tokens: true
    secrets: [{hash: "sha256:<dpop>"}]
  key-dpop:
    scopes: [email]
    auth_methods: [private_key_jwt]
    jwks: <jwks:key-dpop>
    dpop_bound_access_tokens: true
  bound:
    scopes: [email]
    tls_client_certificate_bound_access_tokens: true
    secrets: [{hash: "sha256:<bound>"}]
  bound-dpop:
    scopes: [email]
    tls_client_certificate_bound_access_tokens: true
    dpop_bound_access_tokens: true
    secrets: [{hash: "sha256:<bound-dpop>"}]
  key-bound:
    scopes: [email]
    auth_methods: [private_key_jwt]
    jwks: <jwks:key-bound>
    tls_client_certificate_bound_access_tokens: true
  tls-dn: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=client-dn,O=Example"}
  tls-bound:
    scopes: [email]
    auth_methods: [tls_client_auth]
    tls_client_auth_subject_dn: "cn=client-dn,o=Example"
    tls_client_certificate_bound_access_tokens: true
  tls-blanks:
    scopes: [email]
    auth_methods: [tls_client_auth]
    tls_client_auth_subject_dn: "CN=client-dn,  O=Example"
  tls-comma: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: 'CN=a\\+b=c,O=Example\\, Ltd'}
  tls-utf8: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: 'CN=Zo\\C3\\AB,O=Büro'}
  tls-multi: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "OU=unit+CN=multi,O=Example"}
  tls-two: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=two,CN=one"}
  tls-dns: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_dns: client.example.com}
  tls-uri: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_uri: "spiffe://example.com/client"}
  tls-ip: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_ip: 192.0.2.7}
  tls-ip6: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_ip: "2001:db8:0:0::7"}
  tls-email: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_email: client@example.com}
  tls-or-secret:
    scopes: [email]
    auth_methods: [tls_client_auth, client_secret_basic]
    tls_client_auth_subject_dn: "CN=client-dn,O=Example"
    secrets: [{hash: "sha256:<second>"}]
  tls-or-secret-bound:
    scopes: [email]
    auth_methods: [tls_client_auth, client_secret_basic]
    tls_client_auth_subject_dn: "CN=client-dn,O=Example"
    tls_client_certificate_bound_access_tokens: true
    secrets: [{hash: "sha256:<second>"}]
state: lmdb:state
assertions: {max_lifetime: 600}
log: {file: oauth2.log, level: debug}
"""

SELF_SIGNED = """\
issuer: https://auth.example.com
signing_keys: [{file: keys/es256.pem}]
scopes:
  email:
clients:
  self: {scopes: [email], auth_methods: [self_signed_tls_client_auth], jwks: <jwks:self>}
  self-x5c: {scopes: [email], auth_methods: [self_signed_tls_client_auth], jwks: <jwks:self-x5c>}
  self-expired: {scopes: [email], auth_methods: [self_signed_tls_client_auth], jwks: <jwks:self-expired>}
  self-bound:
    scopes: [email]
    auth_methods: [self_signed_tls_client_auth]
    jwks: <jwks:self-bound>
    tls_client_certificate_bound_access_tokens: true
  tls-dn: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=client-dn,O=Example"}
  bound:
    scopes: [email]
    auth_methods: [client_secret_basic]
    tls_client_certificate_bound_access_tokens: true
    secrets: [{hash: "sha256:<bound>"}]
state: lmdb:state
log: {file: oauth2.log}
"""

# The throttle: few attempts, and little time.
THROTTLED = """\
issuer: https://auth.example.com
signing_keys: [{file: keys/es256.pem}]
trusted_proxies: [127.9.9.9]
scopes:
  email:
clients:
  TENANT_CLIENT_ID:
    scopes: [email]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  es256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:es256>}
  tls-dn: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=client-dn,O=Example"}
  second:
    scopes: [email]
    secrets: [{hash: "sha256:<second>"}]
state: <state>
throttle: {failures: 3, address_failures: 6, window: 3}
log: {file: oauth2.log}
"""

# Older clients, and libraries, name the token endpoint as their audience and live for an hour.
COMPATIBLE = """\
issuer: https://auth.example.com
signing_keys: [{file: keys/es256.pem}]
scopes:
  email:
clients:
  rs256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:rs256>}
  ps256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:ps256>}
  es256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:es256>}
  eddsa: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:eddsa>}
  secret-jwt: {scopes: [email], auth_methods: [client_secret_jwt], secrets: [{file: secrets/secret-jwt}]}
  tls-dn: {enabled: false, auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=x"}
state: lmdb:state
assertions: {audience: issuer_or_token_endpoint, leeway: 60}
endpoints: {introspection: false, revocation: true}
log: {file: oauth2.log}
"""


@dataclass
class Configuration:
    text: str
    issuer: str
    prefix: str = ""    # where the endpoints are moved to, for an issuer with a path
    headers: list = field(default_factory=list)   # that each request has, unless the case has it
    source: str = None  # the address that requests come from, unless the case names one
    has_tls: bool = False     # a port for TLS beside that for plain HTTP
    over_tls: bool = False    # to which requests go, unless the case says otherwise
    client_certificates: str = None  # "optional" or "optional_no_ca"
    redis: bool = False       # the state is in a Redis server that is started for it

    @property
    def token_url(self):
        return f"{self.issuer}/oauth2/token"


STRONG_ISSUER = {"issuer": "https://auth.example.com", "has_tls": True, "over_tls": True,
                 "client_certificates": "optional"}

CONFIGURATIONS = {
    "default": Configuration(DEFAULT, "http://localhost"),
    "tls": Configuration(TLS, "https://auth.example.com/tenant1", "/tenant1",
                         [("X-Forwarded-Proto", "https")], "127.0.0.2", has_tls=True),
    "strong": Configuration(STRONG, **STRONG_ISSUER),
    "redis": Configuration(STRONG.replace("lmdb:state", "<state>"), **STRONG_ISSUER, redis=True),
    "self-signed": Configuration(SELF_SIGNED, **{**STRONG_ISSUER, "client_certificates": "optional_no_ca"}),
    "throttled": Configuration(THROTTLED.replace("<state>", "lmdb:state"), **STRONG_ISSUER),
    "throttled-redis": Configuration(THROTTLED, **STRONG_ISSUER, redis=True),
    "compatible": Configuration(COMPATIBLE, **STRONG_ISSUER),
}

# For test_tokens.py: one configuration for each algorithm, under which its key signs.
SIGNING = """\
issuer: https://sample.portal.example.com
require_tls: false
signing_keys:
  - {file: keys/%(key)s.pem, alg: %(alg)s}
  - {file: keys/%(next)s.pem, state: next, kid: the-next-one}
scopes:
  identity_proofing: {description: Identity proofing API}
  email:
clients:
  TENANT_CLIENT_ID:
    name: Tenant application
    scopes: [identity_proofing]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  rfc9068:
    scopes: [email, identity_proofing]
    token_profile: rfc9068
    audience: [https://api.example.com, https://other.example.com]
    claims: {tenant: acme}
    secrets: [{hash: "sha256:<rfc9068>"}]
  short:
    scopes: [email]
    token_lifetime: 60
    secrets: [{hash: "sha256:<short>"}]
log: {file: oauth2.log}
"""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "EdDSA"]

for alg in ALGORITHMS:
    CONFIGURATIONS[alg] = Configuration(
        SIGNING % {"key": alg.lower(), "alg": alg, "next": "rs256" if alg != "RS256" else "es256"},
        "https://sample.portal.example.com")

RSA = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
KEYS = {
    "rs256": RSA,
    "rs384": RSA,
    "rs512": RSA,
    "ps256": RSA,
    "es256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "eddsa": ["ED25519"],
}


def make_keys(directory, openssl):
    """The signing keys, all by the openssl command."""
    directory.mkdir()
    for name, options in KEYS.items():
        path = directory / f"{name}.pem"
        subprocess.run([openssl, "genpkey", "-algorithm", *options, "-out", path],
                       check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)


def client_keys(client, certificates=None):
    """The JWK Set of a client's public keys."""
    keys = []
    for name, members in CLIENT_KEYS[client]:
        members = dict(members)
        if name.startswith("cert:"):
            certificate = name[5:]
            key = jwts.certificate_key(certificates.pem(certificate))
            if members.pop("x5c", False):
                members["x5c"] = [certificates.base64(certificate)]
        else:
            key = jwts.public(name)
        keys.append({**key, **members})
    return {"keys": keys}


def render(text, certificates=None, state="lmdb:state"):
    """A configuration's text: sha256:<CLIENT> is the digest of that client's secret, <jwks:CLIENT>
    its public keys, <state> where the state is."""
    text = re.sub(r"sha256:<(.*?)>",
                  lambda found: "sha256:" + hashlib.sha256(SECRETS[found[1]].encode()).hexdigest(), text)
    text = re.sub(r"<jwks:(.*?)>", lambda found: json.dumps(client_keys(found[1], certificates)), text)
    return text.replace("<state>", state)


def write(name, directory, site, state="lmdb:state"):
    """A directory with the configuration; returns the path of its oauth2.yaml."""
    return write_text(render(CONFIGURATIONS[name].text, site.certificates, state), directory, site.keys)


def write_text(text, directory, keys):
    (directory / "keys").mkdir(parents=True)
    (directory / "secrets").mkdir()
    for key in keys.glob("*.pem"):
        shutil.copy(key, directory / "keys")
        (directory / "keys" / key.name).chmod(0o600)
    (directory / "keys" / "file.jwks.json").write_text(json.dumps(client_keys("file")))
    for client in ("file", "secret-jwt", "secret-jwt-old", "secret-jwt-expired"):
        secret = directory / "secrets" / client
        secret.write_text(SECRETS[client] + "\n")
        secret.chmod(0o600)
    path = directory / "oauth2.yaml"
    path.write_text(text)
    path.chmod(0o640)
    return path
