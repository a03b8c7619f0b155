#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A configuration with N clients, on standard output: large.py N >oauth2.yaml

The client that is asked for by tests is in the middle of the others. All have a name, scopes and the hash
of a generated secret; every tenth one has more: limits by address, an audience of its own, a claim.
"""
import argparse
import hashlib
import sys

HEAD = """\
issuer: http://localhost:8080
access_token:
  lifetime: 300
signing_keys:
  - file: {key}
scopes:
  orders:read:
    description: Orders, to read
  orders:write:
    description: Orders, to change
clients:
"""

CLIENT = """\
  {id}:
    name: Tenant number {number}
    scopes: [orders:read, orders:write]
    secrets:
      - hash: sha256:{digest}
"""

MORE = """\
    allowed_ips: [127.0.0.1, "::1", 203.0.113.0/24]
    token_lifetime: 600
    audience: [https://orders.example.com]
    claims: {{tenant: "{number}"}}
"""


def client_id(number):
    return f"tenant-{number:07}"


def secret(number):
    return f"secret-of-tenant-{number:07}"


def one(number):
    """The client with this number, as YAML."""
    digest = hashlib.sha256(secret(number).encode()).hexdigest()
    text = CLIENT if number % 10 else CLIENT + MORE
    return text.format(id=client_id(number), number=number, digest=digest)


def asked(count):
    """The number of the client that measurements ask for."""
    return count // 2


def write(out, count, key):
    out.write(HEAD.format(key=key))
    for number in range(count):
        out.write(one(number))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, metavar="N")
    parser.add_argument("--key", default="key.pem", help="the private key's file")
    options = parser.parse_args()
    write(sys.stdout, options.count, options.key)


if __name__ == "__main__":
    main()
