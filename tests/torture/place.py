# SPDX-License-Identifier: MIT
"""Configurations to torture, their keys and clients, and directories that are put back as they were."""

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import jwts

ISSUER = "https://auth.example.com"
SETTINGS = SimpleNamespace(issuer=ISSUER, token_url=ISSUER + "/oauth2/token")
SECRET = "a-secret-of-the-torture-0123456789-0123456789"
BCRYPT = "$2b$04$torturetorturetorture.Qqlpb5ryC6MVyoLg0UsVxw/g7W4zUfW"    # of the same
JWKS = {"es256": "ec-client", "eddsa": "ed-client", "rs256": "rsa-client", "ps256": "rsa-client"}
SIGNING = {"ES256": "ec-server", "EdDSA": "ed-server", "RS256": "rsa-server", "PS256": "rsa-server"}

CONFIGURATION = """\
issuer: https://auth.example.com
access_token: {lifetime: 300, reuse: %(reuse)d}
signing_keys:
  - {file: keys/%(alg)s.pem, alg: %(alg)s, kid: one}
  - {file: keys/next.pem, kid: two, state: next}
scopes: {email: {description: E-mail}, profile: {audience: "https://api.example.com"}}
clients:
  secret:
    scopes: [email]
    secrets: [{hash: "sha256:%(sha256)s", label: first}]
    introspect: true
  slow:
    scopes: [email]
    secrets: [{hash: "%(bcrypt)s"}]
  es256: {scopes: [email], auth_methods: [private_key_jwt], introspect: true, jwks: %(es256)s}
  eddsa: {scopes: [email], auth_methods: [private_key_jwt], jwks: %(eddsa)s}
  rs256: {scopes: [email], auth_methods: [private_key_jwt], jwks: %(rs256)s}
  ps256: {scopes: [email], auth_methods: [private_key_jwt], jwks: %(ps256)s}
  hs256: {scopes: [email], auth_methods: [client_secret_jwt], secrets: [{file: secrets/hs256}]}
  dn: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=torture,O=Example"}
  san: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_san_dns: client.example.com}
  self: {scopes: [email], auth_methods: [self_signed_tls_client_auth], jwks: %(self)s}
  bound:
    scopes: [email]
    tls_client_certificate_bound_access_tokens: true
    secrets: [{hash: "sha256:%(sha256)s"}]
  proof: {scopes: [email], dpop_bound_access_tokens: true, secrets: [{hash: "sha256:%(sha256)s"}]}
  rich:
    scopes: [email, profile]
    allowed_ips: [127.0.0.0/8, "2001:db8::/32"]
    resources: ["https://orders.example.com"]
    token_profile: rfc9068
    claims: {tenant: acme, list: [1, 2, {a: b}]}
    secrets: [{hash: "sha256:%(sha256)s"}]
include: [clients.d/*.yaml]
state: %(state)s
%(throttle)sassertions: {max_lifetime: 600}
endpoints: {introspection: true, revocation: true, metrics: true}
metrics: {allowed_ips: [127.0.0.1]}
log: {file: oauth2.log, level: debug}
"""

INCLUDED = """\
clients:
  included: {scopes: [email], secrets: [{hash: "sha256:%(sha256)s"}]}
"""


class Kept:
    """A directory's files as they were."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.files = self.look()

    def look(self):
        """{name: (mode, what is in it)}; None for a directory."""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            content = None if path.is_dir() else path.read_bytes()
            found[str(path.relative_to(self.directory))] = (path.stat().st_mode & 0o7777, content)
        return found

    def restore(self):
        now = self.look()
        if now == self.files:
            return
        for name in sorted(set(now) - set(self.files), reverse=True):
            path = self.directory / name
            path.rmdir() if path.is_dir() else path.unlink()
        for name, (mode, content) in self.files.items():
            path = self.directory / name
            if now.get(name) == (mode, content):
                continue
            if content is None:
                path.mkdir(exist_ok=True)
            else:
                path.unlink(missing_ok=True)
                path.write_bytes(content)
            path.chmod(mode)


def temporary(prefix="oauth2-torture."):
    """A new directory, in memory if that can be."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix=prefix, dir=where))


def certificate(subject, dns=None):
    """A certificate that signs itself, as PEM, in one line as web servers hand it on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in subject])
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
               .not_valid_after(now + datetime.timedelta(days=2)))
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Material:
    """Keys and certificates of a whole run; made once, and the same for every scenario."""

    def __init__(self):
        example = [(NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, "torture")]
        self.certificates = {
            "dn": certificate(example),
            "san": certificate([(NameOID.COMMON_NAME, "x")], "client.example.com"),
            "self": certificate([(NameOID.COMMON_NAME, "self")]),
        }
        self.values = {
            "sha256": hashlib.sha256(SECRET.encode()).hexdigest(),
            "bcrypt": BCRYPT,
            "self": json.dumps({"keys": [jwts.certificate_key(self.certificates["self"])]}),
        }
        for client, name in JWKS.items():
            self.values[client] = json.dumps({"keys": [jwts.public(name)]})

    def text(self, alg="ES256", reuse=0, state="lmdb:state", throttle=""):
        values = {**self.values, "alg": alg, "reuse": reuse, "state": state, "throttle": throttle}
        return CONFIGURATION % values

    def write(self, directory, **options):
        """A configuration in a new directory; its path."""
        directory = Path(directory)
        for name in ("keys", "secrets", "clients.d"):
            (directory / name).mkdir(parents=True)
        for alg, name in SIGNING.items():
            write_secret(directory / "keys" / f"{alg}.pem", private_pem(name))
        write_secret(directory / "keys" / "next.pem", private_pem("ec-next"))
        write_secret(directory / "secrets" / "hs256", SECRET + "\n")
        (directory / "clients.d" / "one.yaml").write_text(INCLUDED % self.values)
        (directory / "oauth2.yaml").write_text(self.text(**options))
        return directory / "oauth2.yaml"


def private_pem(name):
    """As openssl writes it, PKCS #8."""
    return jwts.key(name).export_to_pem(private_key=True, password=None).decode()


def write_secret(path, text):
    path.write_text(text)
    path.chmod(0o600)


class Redis:
    """A redis-server of our own, that keeps nothing; at a socket of the loopback."""

    def __init__(self, directory, port):
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("torture: redis-server is not installed; type: make deps torture")
        self.port = port
        self.popen = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(directory)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self):
        self.popen.kill()
        self.popen.wait()
