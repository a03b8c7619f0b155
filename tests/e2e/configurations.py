# SPDX-License-Identifier: MIT
"""The configurations that the cases run under, their clients' secrets, and their keys."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field

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


@dataclass
class Configuration:
    text: str
    issuer: str
    prefix: str = ""    # where the endpoints are moved to, for an issuer with a path
    headers: list = field(default_factory=list)   # that each request has, unless the case has it
    source: str = None  # the address that requests come from, unless the case names one


CONFIGURATIONS = {
    "default": Configuration(DEFAULT, "http://localhost"),
    "tls": Configuration(TLS, "https://auth.example.com/tenant1", "/tenant1",
                         [("X-Forwarded-Proto", "https")], "127.0.0.2"),
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
    """The signing keys and a certificate for the servers, all by the openssl command."""
    directory.mkdir()
    for name, options in KEYS.items():
        path = directory / f"{name}.pem"
        subprocess.run([openssl, "genpkey", "-algorithm", *options, "-out", path],
                       check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", directory / "tls.key", "-out", directory / "tls.crt"],
                   check=True, stderr=subprocess.DEVNULL)


def render(text):
    """A configuration's text: sha256:<CLIENT> is the digest of that client's secret."""
    return re.sub(r"sha256:<(.*?)>",
                  lambda found: "sha256:" + hashlib.sha256(SECRETS[found[1]].encode()).hexdigest(), text)


def write(name, directory, keys):
    """A directory with the configuration; returns the path of its oauth2.yaml."""
    return write_text(render(CONFIGURATIONS[name].text), directory, keys)


def write_text(text, directory, keys):
    (directory / "keys").mkdir(parents=True)
    (directory / "secrets").mkdir()
    for key in keys.glob("*.pem"):
        shutil.copy(key, directory / "keys")
        (directory / "keys" / key.name).chmod(0o600)
    secret = directory / "secrets" / "file"
    secret.write_text(SECRETS["file"] + "\n")
    secret.chmod(0o600)
    path = directory / "oauth2.yaml"
    path.write_text(text)
    path.chmod(0o640)
    return path
