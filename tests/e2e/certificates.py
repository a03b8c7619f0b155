# SPDX-License-Identifier: MIT
"""A certification authority for the tests, and clients' certificates, all by the openssl command."""

import base64
import hashlib
import subprocess
from dataclasses import dataclass

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
PAST = ("20200101000000Z", "20200201000000Z")
FUTURE = ("20990101000000Z", "20991231000000Z")


@dataclass
class Wanted:
    """What openssl is asked for. issuer None: self-signed."""

    subject: str
    san: str = None
    issuer: str = "ca"
    dates: tuple = None


CLIENT = "/O=Example/CN=client-dn"
WANTED = {
    "dn": Wanted(CLIENT),
    "other": Wanted("/O=Example/CN=client-other"),
    "wrong-ca": Wanted(CLIENT, issuer="other-ca"),
    "forged": Wanted(CLIENT, issuer=None),
    "expired": Wanted(CLIENT, dates=PAST),
    "early": Wanted(CLIENT, dates=FUTURE),
    # Subjects that are nearly those that are registered.
    "dn-longer": Wanted("/O=Example/CN=client-dn2"),
    "dn-shorter": Wanted("/CN=client-dn"),
    "dn-more": Wanted("/C=DE/O=Example/CN=client-dn"),
    "dn-turned": Wanted("/CN=client-dn/O=Example"),
    "dn-case": Wanted("/O=Example/CN=Client-DN"),
    "dn-type": Wanted("/O=Example/OU=client-dn"),
    "dn-joined": Wanted("/O=Example+CN=client-dn"),
    "dn-in-one": Wanted("/CN=client-dn,O=Example"),
    "comma": Wanted("/O=Example, Ltd/CN=a\\+b=c"),
    "comma-split": Wanted("/L= Ltd/O=Example/CN=a\\+b=c"),
    "utf8": Wanted("/O=Büro/CN=Zoë"),
    "utf8-plain": Wanted("/O=Buro/CN=Zoe"),
    "multi": Wanted("/O=Example/OU=unit+CN=multi"),
    "multi-apart": Wanted("/O=Example/OU=unit/CN=multi"),
    "two": Wanted("/CN=one/CN=two"),
    "two-turned": Wanted("/CN=two/CN=one"),
    "two-first": Wanted("/CN=one"),
    "dns": Wanted("/CN=x", "DNS:client.example.com"),
    "dns-among": Wanted("/CN=x", "DNS:a.example.com,DNS:Client.Example.com,URI:urn:x"),
    "dns-longer": Wanted("/CN=client.example.com", "DNS:client.example.com.evil.example"),
    "dns-wild": Wanted("/CN=x", "DNS:*.example.com"),
    "dns-as-uri": Wanted("/CN=x", "URI:client.example.com"),
    "uri": Wanted("/CN=x", "URI:spiffe://example.com/client"),
    "uri-longer": Wanted("/CN=x", "URI:spiffe://example.com/client/2"),
    "ip": Wanted("/CN=x", "IP:192.0.2.7"),
    "ip-other": Wanted("/CN=x", "IP:192.0.2.8"),
    "ip-as-dns": Wanted("/CN=x", "DNS:192.0.2.7"),
    "ip6": Wanted("/CN=x", "IP:2001:db8::7"),
    "email": Wanted("/CN=x", "email:client@example.com"),
    "email-other": Wanted("/CN=x/emailAddress=client@example.com", "email:other@example.com"),
    # Of clients with self_signed_tls_client_auth.
    "self": Wanted("/CN=self", issuer=None),
    "self-x5c": Wanted("/CN=self-x5c", issuer=None),
    "self-bound": Wanted("/CN=self-bound", issuer=None),
    "self-second": Wanted("/CN=self-second", issuer=None),
    "self-stranger": Wanted("/CN=self", issuer=None),
    "self-expired": Wanted("/CN=self-expired", issuer=None, dates=PAST),
}

CA_CONFIG = """\
[ca]
default_ca = x
[x]
database = {directory}/index.txt
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
preserve = yes
[any]
CN = optional
O = optional
"""


class Certificates:
    """All certificates in one directory, made at once: NAME.crt and NAME.key, ca.crt, server.pem."""

    def __init__(self, directory, openssl):
        self.directory = directory
        self.openssl = openssl
        directory.mkdir()
        (directory / "index.txt").touch()
        (directory / "ca.cnf").write_text(CA_CONFIG.format(directory=directory))
        for name in ("ca", "other-ca"):
            self._run("req", "-x509", *KEY, "-days", "2", "-subj", f"/CN=Test {name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.crt")
        self._make("server", Wanted("/CN=localhost", "DNS:localhost,IP:127.0.0.1"))
        self._join("server.pem", "server.key", "server.crt")
        for name, wanted in WANTED.items():
            self._make(name, wanted)
        # What lighttpd wants: those certificates themselves that no CA has signed.
        self._join("ca-and-self.crt", "ca.crt", *(
            f"{name}.crt" for name in ("self", "self-x5c", "self-bound", "self-expired")))
        self._again("self-renewed", "self")
        self._again("self-x5c-renewed", "self-x5c")

    def _run(self, *command):
        done = subprocess.run([self.openssl, *command], cwd=self.directory, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, f"openssl {command[0]}: {done.stderr}"

    def _join(self, name, *parts):
        text = "".join((self.directory / part).read_text() for part in parts)
        (self.directory / name).write_text(text)

    def _extensions(self, name, wanted):
        path = self.directory / f"{name}.ext"
        path.write_text("basicConstraints = CA:FALSE\n"
                        + (f"subjectAltName = {wanted.san}\n" if wanted.san else ""))
        return path.name

    def _make(self, name, wanted):
        self._run("req", *KEY, "-utf8", "-subj", wanted.subject, "-keyout", f"{name}.key",
                  "-out", f"{name}.csr")
        self._sign(name, wanted, name)

    def _sign(self, name, wanted, key):
        given = ["-extfile", self._extensions(name, wanted)]
        if wanted.dates:
            signer = ["-selfsign", "-keyfile", f"{key}.key"] if wanted.issuer is None else [
                "-cert", f"{wanted.issuer}.crt", "-keyfile", f"{wanted.issuer}.key"]
            self._run("ca", "-batch", "-notext", "-preserveDN", "-config", "ca.cnf", *signer, "-startdate",
                      wanted.dates[0], "-enddate", wanted.dates[1], *given, "-in", f"{name}.csr",
                      "-out", f"{name}.crt")
            return
        signer = ["-signkey", f"{key}.key"] if wanted.issuer is None else [
            "-CA", f"{wanted.issuer}.crt", "-CAkey", f"{wanted.issuer}.key", "-CAcreateserial"]
        self._run("x509", "-req", "-sha256", "-days", "2", *signer, *given, "-in", f"{name}.csr",
                  "-out", f"{name}.crt")

    def _again(self, name, old):
        """Another certificate for the same key."""
        for kind in ("key", "csr"):
            self._join(f"{name}.{kind}", f"{old}.{kind}")
        self._sign(name, WANTED[old], old)

    def pair(self, name):
        """Paths of the certificate and the key, as ssl and requests want them."""
        return str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")

    def pem(self, name):
        return (self.directory / f"{name}.crt").read_text()

    def base64(self, name):
        """The DER form as in x5c."""
        return "".join(line for line in self.pem(name).splitlines() if "-" not in line)

    def thumbprint(self, name):
        """x5t#S256 (RFC 8705 §3.1)."""
        digest = hashlib.sha256(base64.b64decode(self.base64(name))).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
