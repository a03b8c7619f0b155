# SPDX-License-Identifier: MIT
"""The program behind every web server at once, all by one configuration, and the operator who changes it."""

import collections
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import configurations
import fronts
import jwts
import yaml
from processes import PROGRAM, all_pids, give_away, output_of, read, server_user, tool

ISSUER = "http://localhost"
LIFETIME_S = 60     # of a token
RETIRED = 6         # keys that go on being published
SETTINGS = configurations.Configuration("", ISSUER)
WORKERS = 4         # of the program where we start it
ZOMBIE = "Z"        # a process that has ended, and of whose end nobody has taken note yet

# The clients are some of tests/e2e/configurations.py. Nobody is shut out by the throttle but who floods.
TEXT = """\
issuer: http://localhost
access_token: {lifetime: 60}
signing_keys:
  - {file: keys/first.pem, kid: first}
  - {file: keys/second.pem, kid: second, state: next}
scopes:
  email:
  profile:
  orders:read: {audience: https://orders.example.com}
clients:
  TENANT_CLIENT_ID:
    scopes: [email, profile, "orders:read"]
    default_scopes: [email]
    claims: {version: 0}
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
  second:
    scopes: [email]
    secrets: [{hash: "sha256:<second>"}]
  rfc9068:
    scopes: [email, profile]
    token_profile: rfc9068
    audience: [https://api.example.com]
    resources: [https://api.example.com/v1]
    secrets: [{hash: "sha256:<rfc9068>"}]
  bcrypt:
    scopes: [email]
    secrets: [{hash: "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}]
  disabled:
    enabled: false
    scopes: [email]
    secrets: [{hash: "sha256:<disabled>"}]
  es256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:es256>}
  eddsa: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:eddsa>}
  rs256: {scopes: [email], auth_methods: [private_key_jwt], jwks: <jwks:rs256>}
  secret-jwt: {scopes: [email], auth_methods: [client_secret_jwt], secrets: [{file: secrets/secret-jwt}]}
  tls-dn: {scopes: [email], auth_methods: [tls_client_auth], tls_client_auth_subject_dn: "CN=client-dn,O=Example"}
  self: {scopes: [email], auth_methods: [self_signed_tls_client_auth], jwks: <self>}
  dpop:
    scopes: [email]
    dpop_bound_access_tokens: true
    secrets: [{hash: "sha256:<dpop>"}]
  resource-server:
    introspect: true
    grants: []
    secrets: [{hash: "sha256:<resource-server>"}]
state: <state>
throttle: {failures: 100, address_failures: 2000, window: 60}
endpoints: {metrics: true}
metrics: {allowed_ips: [127.0.0.0/8]}
log: {file: oauth2.log}
"""


def make_certificate(directory):
    """One that is its own authority: to the program, the web server decides about that."""
    subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/O=Example/CN=client-dn", "-keyout", directory / "client.key",
                    "-out", directory / "client.crt"], check=True, stderr=subprocess.DEVNULL)
    return (directory / "client.crt").read_text()


class Place:
    """The directory of the configuration that all processes use."""

    def __init__(self, build, directory, state):
        self.directory = Path(directory)
        self.admin = f"{build}/oauth2-admin"
        self.state = Path(state.removeprefix("lmdb:"))
        for name in ("keys", "secrets"):
            (self.directory / name).mkdir(mode=0o700, parents=True)
        self.certificate = make_certificate(self.directory)
        for name in ("first", "second"):
            output_of(self.admin, "keygen", "--alg", "ES256", "--out", str(self.directory / f"keys/{name}.pem"))
        secret = self.directory / "secrets/secret-jwt"
        secret.write_text(configurations.SECRETS["secret-jwt"] + "\n")
        secret.chmod(0o600)
        self.file = self.directory / "oauth2.yaml"
        own = json.dumps({"keys": [jwts.certificate_key(self.certificate)]})
        self.file.write_text(configurations.render(TEXT.replace("<self>", own), state=state))
        self.file.chmod(0o640)
        give_away(self.directory)

    def configure(self, directory, _port):
        """For a front: its configuration is this one."""
        os.symlink(self.directory, directory)

    def path(self, name):
        return self.directory / name

    def replace_file(self, text):
        """Never there half-written."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o640)
        user = server_user()
        if user:
            os.chown(new, user.pw_uid, user.pw_gid)
        new.rename(self.file)

    def run_admin(self, *arguments):
        """As the user that the servers run as."""
        user = server_user()
        rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        return output_of(self.admin, "-c", str(self.file), *arguments, **rights)


class Operator:
    """What is done to a running system: new configurations, broken ones, new keys, new logs."""

    def __init__(self, place):
        self.place = place
        self.version = 0
        self.rotations = 0
        self.breaks = 0
        self.turns = 0

    def change(self):
        """A good configuration, with another version in it."""
        self.version += 1
        text = self.place.file.read_text()
        self.place.replace_file(re.sub(r"version: \d+", f"version: {self.version}", text))

    def rotate(self):
        self.rotations += 1
        self.place.run_admin("rotate")
        self.drop_retired()

    def drop_retired(self):
        """Take out the keys whose tokens have expired."""
        text = self.place.file.read_text()
        keys = yaml.load(text, yaml.BaseLoader)["signing_keys"]
        retired = [key for key in keys if key.get("state") == "retired"]
        lines = "".join(f"  - {json.dumps(key)}\n" for key in keys if key not in retired[:-RETIRED])
        self.place.replace_file(re.sub(r"(?m)^signing_keys:\n( .*\n)+", lambda _: f"signing_keys:\n{lines}", text))
        for key in retired[:-RETIRED]:
            (self.place.directory / key["file"]).unlink()

    def spoilt(self, text):
        return [text.replace("scopes:", "scpoes:", 1), text[:text.index("signing_keys") + 7], "",
                text.replace("- email", "- female", 1).replace("[email]", "[female]", 1),
                text.replace("keys/", "kyes/", 1)][self.breaks % 5]

    def spoil(self):
        """A broken configuration; returns the text to mend() it with."""
        text = self.place.file.read_text()
        self.place.replace_file(self.spoilt(text))
        self.breaks += 1
        return text

    def turn_log(self):
        """As logrotate does: the old file goes away, the processes find out by themselves."""
        log, old = self.place.path("oauth2.log"), self.place.path("oauth2.log.1")
        old.unlink(missing_ok=True)
        if log.exists():
            log.rename(old)
            self.turns += 1


class Service(fronts.Server):
    """The program alone, with its own socket."""

    ends_programs = False

    def __init__(self, build, directory, configure):
        super().__init__(directory)
        os.makedirs(directory)
        self.program = f"{build}/{PROGRAM}"
        configure(f"{directory}/conf", None)
        self.begin()

    def start(self):
        self.port = self.socket = f"{self.directory}/oauth2.sock"
        self.run(self.program, "--config", f"{self.directory}/conf/oauth2.yaml", "--listen", self.socket,
                 "--workers", str(WORKERS))


FRONTS = {
    "FastCGI": Service,
    "nginx": fronts.Nginx,
    "lighttpd": fronts.Lighttpd,
    "mod_proxy_fcgi": fronts.ApacheProxy,
    "mod_fcgid": fronts.ApacheFcgid,
    "CGI": fronts.LighttpdCgi,
}
# What clients get from processes that start while the configuration is broken, and have no last good one; mod_fcgid
# starts more when there is more to do, and answers itself for one that ends.
ANSWERS_WITHOUT = {"mod_fcgid": 500, "CGI": 503}


def sessions():
    """{session: {process id: parent}} of all processes of the program, by one look at all processes."""
    found = collections.defaultdict(dict)
    for pid in all_pids():
        name, _, fields = read(f"/proc/{pid}/stat").partition("(")[2].rpartition(")")
        state, parent, _, session, *_ = fields.split() or 4 * [""]
        if name == PROGRAM and state != ZOMBIE:
            found[int(session)][pid] = int(parent)
    return found


class Hosts:
    """All of them, or some; stop() ends them."""

    def __init__(self, build, directory, place, names=tuple(FRONTS)):
        self.running = {}
        try:
            for name in names:
                self.running[name] = FRONTS[name](build, f"{directory}/{name}", place.configure)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for front in self.running.values():
            front.stop()

    def keep_logs(self, loads, prefix):
        """What web servers said, where an answer was unexpected."""
        for name, front in self.running.items():
            log = Path(front.directory) / "error.log"
            if any(load.unexpected() for load in loads if load.name == name) and log.exists():
                print(f"see {shutil.copy(log, f'{prefix}-{name}.log')}")

    def programs(self):
        """{name: {process id: parent}} of the program behind each of them."""
        found = sessions()
        return {name: {pid: parent for process in front.processes for pid, parent in found[process.popen.pid].items()}
                for name, front in self.running.items()}
