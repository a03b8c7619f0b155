# SPDX-License-Identifier: MIT
"""Configurations to measure: one client by a generated secret, one by a bcrypt hash; keys and reuse vary."""
import base64
import hashlib
import os

from processes import output_of

CLIENT = "measured-client"
SECRET = "Rm9yIG1lYXN1cmVtZW50cyBvbmx5LCBvZiBubyB1c2U"
PERSON = "person-client"
PASSWORD = "correct-horse-battery-staple"
BCRYPT = "$2y$10$abcdefghijklmnopqrstuuaL9ZUxEldfg/pvHwQEu/Md2ssWL.z1K"  # of PASSWORD
SCOPE = "orders:read"
LOG = "oauth2.log"

TEXT = """\
issuer: http://localhost:{port}
access_token: {{lifetime: 300, reuse: {reuse_s}}}
signing_keys: [{{file: key.pem}}]
scopes:
  {scope}: {{description: Orders}}
clients:
  {client}:
    scopes: [{scope}]
    secrets: [{{hash: "sha256:{digest}"}}]
  {person}:
    scopes: [{scope}]
    secrets: [{{hash: "{bcrypt}"}}]
state: lmdb:state
log: {{file: {log}}}
"""

# What `oauth2-admin keygen` is told, and the seconds of reuse.
KEYS = {
    "RS256": (("--alg", "RS256", "--bits", "2048"), 0),
    "RS256 reuse": (("--alg", "RS256", "--bits", "2048"), 100),
    "ES256": (("--alg", "ES256"), 0),
    "EdDSA": (("--alg", "EdDSA"), 0),
    "RSA 3072": (("--alg", "RS256", "--bits", "3072"), 0),
    "RSA 3072, 3 primes": (("--alg", "RS256", "--bits", "3072", "--primes", "3"), 0),
}


def configuration(build, name):
    """A function that writes this configuration into a new directory, for a port."""
    arguments, reuse_s = KEYS[name]

    def write(directory, port):
        os.makedirs(f"{directory}/state", mode=0o700)
        output_of(f"{build}/oauth2-admin", "keygen", *arguments, "--out", f"{directory}/key.pem")
        with open(f"{directory}/oauth2.yaml", "w", encoding="utf-8") as f:
            f.write(TEXT.format(port=port, reuse_s=reuse_s, log=LOG, scope=SCOPE, client=CLIENT, person=PERSON,
                                digest=hashlib.sha256(SECRET.encode()).hexdigest(), bcrypt=BCRYPT))
        os.chmod(f"{directory}/oauth2.yaml", 0o640)
    return write


def basic(client, secret):
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


class Request:
    """What is sent, and, if it is to be refused, the log's reason."""

    def __init__(self, client, secret, scope=SCOPE, refused=None):
        self.authorization = basic(client, secret)
        self.body = f"grant_type=client_credentials&scope={scope}"
        self.refused = refused


TOKEN = Request(CLIENT, SECRET)
# All the work but claims and signature: the scope is looked at last.
FLOOR = Request(CLIENT, SECRET, scope="none", refused="undefined scope")
PERSONAL = Request(PERSON, PASSWORD)
STRANGER = Request(PERSON, "wrong", refused="a wrong secret")
