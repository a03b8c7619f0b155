# SPDX-License-Identifier: MIT
"""The commands of oauth2-admin: whatever fails in them, files are the old ones or the new ones, whole."""

import json
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

import cases
import place
import rawfcgi
import runs
from cases import require

ETC = Path(__file__).resolve().parents[2] / "etc"
INCLUDED_CLIENT = "included"
# Where these fail nothing can be taken away any more.
REMOVALS = ("unlink", "unlinkat")

# Where these fail it is not known whether it will last, or was read.
UNSURE = ("fsync", "close", "fflush", "fclose")


@dataclass
class Command:
    """One command, and what it does."""

    name: str
    arguments: list          # {token}: one of ours; {port}: of the web server
    effect: object = None    # (site, directory, output) -> None, raises Wrong; None: it changes nothing
    status: int = 0
    stdin: str = ""
    options: dict = None     # of the configuration
    redis: bool = False
    same: bool = True        # it prints the same each time, but for numbers and random words
    rsa: bool = False        # it makes an RSA key; the shim gives it one that it has already
    change: object = None    # of the configuration's text, before
    secret: bool = False     # it prints a secret that is kept nowhere
    web: bool = False        # it needs a web server with the program


def configuration(directory):
    return yaml.safe_load((directory / "oauth2.yaml").read_text())


def client_of(directory, name):
    return configuration(directory)["clients"].get(name)


def output_json(out):
    try:
        return json.loads(out)
    except ValueError:
        raise cases.Wrong(f"no JSON on standard output: {out[:80]!r}") from None


def is_private(path):
    require(path.exists(), f"{path.name} is missing")
    require(path.stat().st_mode & 0o777 == 0o600, f"{path.name} has the mode {path.stat().st_mode & 0o777:o}")
    require(path.read_text().endswith("-----END PRIVATE KEY-----\n"), f"{path.name} is not a whole key")


def made(name):
    return lambda site, directory, out: is_private(directory / name)


def inited(site, directory, out):
    new = directory / "new"
    require((new / "oauth2.yaml").exists() and (new / "state").is_dir(), "not all is there")
    for key in (new / "keys").glob("*"):
        is_private(key)
    require("first-client" in configuration(new)["clients"], "another configuration")


def rotated(site, directory, out):
    keys = configuration(directory)["signing_keys"]
    require([key.get("state", "active") for key in keys].count("active") == 1, "not one key is active")
    require(keys[-1]["state"] == "next", "no key is next")
    for key in keys:
        is_private(directory / key["file"])


def added(site, directory, out):
    client = client_of(directory, "novel")
    require(client is not None and client["secrets"][0]["hash"].startswith("sha256:"), "no client was added")


def enabled(value):
    def effect(site, directory, out):
        require(client_of(directory, "secret").get("enabled", True) is value, "it is not as it was told")
    return effect


def removed(site, directory, out):
    require(client_of(directory, "rich") is None, "the client is still there")


def with_secrets(count):
    def effect(site, directory, out):
        require(len(client_of(directory, "secret")["secrets"]) == count, "another number of secrets")
    return effect


def exported(site, directory, out):
    """One file after the other, each whole."""
    for name in ("jwks.json", "oauth-authorization-server.json", "openid-configuration.json"):
        path = directory / "published" / name
        require(path.exists() or name.encode() not in out, f"{name} is missing")
        if path.exists():
            json.loads(path.read_text())


def revoked(site, directory, out):
    """What a store of its own says of it, by the program without failures."""
    status, text, _ = site.plain("inspect", site.token)
    require(status == 1 and b"revoked" in text, f"a revoked token is not: {text[-200:]!r}")


def minted(site, directory, out):
    cases.token("secret")(rawfcgi.Answer(b"Status: 200\r\n\r\n" + out))


def disable(text):
    return text.replace("    introspect: true\n", "    introspect: true\n    enabled: false\n")


def one_more_secret(text):
    extra = '    secrets: [{hash: "sha256:' + 64 * "0" + '", label: second}, {hash: '
    return text.replace("    secrets: [{hash: ", extra, 1)


def one_key(text):
    return text.replace("  - {file: keys/next.pem, kid: two, state: next}\n", "")


def spoil(text):
    return text.replace("scopes: [email]", "scopes: [emial]").replace("issuer:", "isuer:")


COMMANDS = [
    Command("init", ["init", "{directory}/new"], inited, rsa=True),
    Command("keygen, ES256", ["keygen", "--alg", "ES256", "--out", "fresh.pem"], made("fresh.pem")),
    Command("keygen, EdDSA", ["keygen", "--alg", "EdDSA", "--out", "fresh.pem"], made("fresh.pem")),
    Command("keygen, RS256", ["keygen", "--out", "fresh.pem"], made("fresh.pem"), rsa=True),
    Command("keygen, a file that exists", ["keygen", "--alg", "ES256", "--out", "keys/next.pem"], status=1),
    Command("rotate", ["rotate"], rotated),
    Command("rotate, the first time", ["rotate", "--json"], rotated, change=one_key),
    Command("add-client", ["add-client", "novel", "--scope", "email", "--name", "A client"], added, secret=True),
    Command("add-client, one that exists", ["add-client", "secret"], status=1),
    Command("add-secret", ["add-secret", "secret", "--label", "second", "--expires", "2099-01-01"],
            with_secrets(2), secret=True),
    Command("remove-secret", ["remove-secret", "secret", "second"], with_secrets(1), change=one_more_secret),
    Command("disable-client", ["disable-client", "secret"], enabled(False)),
    Command("enable-client", ["enable-client", "secret"], enabled(True), change=disable),
    Command("remove-client", ["remove-client", "rich"], removed),
    Command("remove-client, in an included file", ["remove-client", "included"],
            lambda site, directory, out: require(
                "included" not in (directory / "clients.d" / "one.yaml").read_text(), "it is still there")),
    Command("check", ["check"], same=False),
    Command("check, errors", ["check"], status=1, change=spoil),
    Command("check, in JSON", ["check", "--json"], same=False),
    Command("hash-secret", ["hash-secret"], stdin="a secret\n"),
    Command("hash-secret --generate", ["hash-secret", "--generate"]),
    Command("list-clients", ["list-clients"]),
    Command("list-clients, in JSON", ["list-clients", "--json"]),
    Command("token", ["token", "secret", "--scope", "email", "--lifetime", "300"], minted, same=False),
    Command("explain", ["explain", "secret", "--scope", "email"]),
    Command("explain, a refusal", ["explain", "secret", "--scope", "profile"], status=1),
    Command("inspect", ["inspect", "{token}"], same=False),
    Command("inspect, from standard input", ["inspect", "--json"], stdin="a.b.c\n", status=1),
    Command("export", ["export", "published"], exported),
    Command("revoke", ["revoke", "{token}"], revoked),
    Command("state", ["state"]),
    Command("state --prune", ["state", "--prune"]),
    Command("expiring", ["expiring", "--within", "30000d"]),
    Command("verifier", ["verifier", "nginx-njs", "--scope", "profile"]),
    Command("verifier, the list", ["verifier"]),
    Command("Redis: revoke", ["revoke", "{token}"], revoked, redis=True),
    Command("Redis: state --prune", ["state", "--prune"], redis=True),
    Command("selftest", ["selftest", "http://127.0.0.1:{port}/oauth2", "--client", "secret"],
            stdin=place.SECRET + "\n", same=False, web=True),
    Command("help", ["--help"]),
    Command("no such command", ["rotat"], status=2),
]


def normal(out):
    """Without what differs from one run to the next."""
    return re.sub(rb"[\w$./-]{20,}|\d+", b"#", out)


class Admin(runs.Process):
    """A command in its directory, which is put back before each run."""

    def __init__(self, site, command):
        super().__init__(site)
        self.command = command
        options = dict(command.options or {})
        if command.redis:
            options["state"] = site.need_redis()
        site.token = cases.our_token()
        site.plain = self.plain
        path = site.material.write(self.directory, **options)
        self.port = free_port()
        if command.web:
            path.write_text(path.read_text().replace(place.ISSUER, f"http://127.0.0.1:{self.port}"))
        if command.change:
            path.write_text(command.change(path.read_text()))
        self.stdin = site.directory / "input"
        self.stdin.write_text(command.stdin)
        self.prepare_state()
        self.kept = place.Kept(self.directory)
        self.usual = None

    def prepare_state(self):
        """A state that has been used already."""
        if b"state" in " ".join(self.command.arguments).encode() or self.command.effect is revoked:
            self.site.control.arm()
            self.plain("revoke", cases.our_token())

    def plain(self, *arguments):
        return self.run(["oauth2-admin", "-c", "oauth2.yaml", *arguments], directory=self.directory)

    def go(self):
        values = {"token": self.site.token, "directory": self.directory, "port": self.port}
        arguments = [text.format(**values) for text in self.command.arguments]
        return self.run(["oauth2-admin", "-c", "oauth2.yaml", *arguments], stdin=self.stdin,
                        directory=self.directory)

    def attempt(self, report, plan, n):
        self.kept.restore()
        control = self.site.control
        control.arm(plan, n)
        status, out, err = self.go()
        failed = control.failed()
        control.disarm()
        try:
            self.check_end(status)
            if plan is None:
                require(status == self.command.status, f"status {status}: {err}")
                self.usual = out
            self.check(report, status, out, err, failed[1])
        finally:
            control.restore(failed)

    def check(self, report, status, out, err, call):
        require(status in (0, 1, self.command.status), f"exit status {status}")
        if status == self.command.status:
            report.served += 1
            if self.command.same and status == 0:
                require(normal(out) == normal(self.usual), f"status {status}, but another output: {out[-80:]!r}")
        else:
            report.refused += 1
            require(status != 0, f"it succeeds: {out[-80:]!r}")
            require(err.strip() != "" or out.strip() != b"" or call in ("malloc", "open", "open64"),
                    "it fails without a word")
        self.check_files(status, out, call)

    def check_files(self, status, out, call):
        now = self.kept.look()
        before = self.kept.files
        changed = {name for name in now if now[name] != before.get(name)} | (set(before) - set(now))
        changed -= {name for name in changed if name in ("state", "oauth2.log") or name.startswith("state/")}
        done = status == 0 and self.command.effect is not None
        if done:
            self.command.effect(self.site, self.directory, out)
        leftovers = {name for name in changed if Path(name).name.startswith(".")}
        require(not leftovers or call in REMOVALS, f"{leftovers} is left behind")
        changed -= leftovers
        if changed and not done:
            # What is done stays so if it cannot be told; but not a secret that nobody has read.
            require(self.command.effect is not None and (not self.command.secret or call in UNSURE),
                    f"status {status}, but {sorted(changed)} changed")
            self.command.effect(self.site, self.directory, out)
        if changed and self.command.name != "init" and self.command.change is not spoil:
            check_status, text, _ = self.plain("check")
            require(check_status == 0, f"what it leaves does not load: {text[-200:]!r}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Lighttpd:
    """A web server with the program, as etc/lighttpd.conf runs it; nothing fails in it."""

    def __init__(self, site, admin):
        program = shutil.which("lighttpd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise SystemExit("torture: lighttpd is not installed; type: make deps torture")
        text = (ETC / "lighttpd.conf").read_text()
        for old, new in {"/usr/local/libexec/oauth2.fcgi": site.build / "oauth2.fcgi",
                         "/etc/oauth2-fcgi/oauth2.yaml": admin.directory / "oauth2.yaml",
                         "/run/lighttpd/oauth2-fcgi.sock": site.directory / "fcgi"}.items():
            require(old in text, f"etc/lighttpd.conf has no {old}")
            text = text.replace(old, str(new))
        path = site.directory / "lighttpd.conf"
        path.write_text(f'server.document-root = "{site.directory}"\nserver.bind = "127.0.0.1"\n'
                        f"server.port = {admin.port}\n" + text)
        self.popen = subprocess.Popen([program, "-D", "-f", str(path)], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rawfcgi.wait_until(lambda: runs._answers(admin.port), 20, "lighttpd answers")

    def close(self):
        self.popen.terminate()
        self.popen.wait()


def torture_command(options, command, choice):
    """All failures of a command."""
    report = runs.Report("admin: " + command.name)
    site = runs.Site(options, "oauth2-admin", rsa=command.rsa)
    web = None
    try:
        admin = Admin(site, command)
        web = Lighttpd(site, admin) if command.web else None
        site.control.trace = choice.trace
        runs.each_failure(report, admin, choice, lambda plan, n: admin.attempt(report, plan, n))
    except cases.Wrong as error:
        report.add(None, 0, "", str(error))
    finally:
        if choice.trace:
            print(admin.results[1].read_text(errors="replace"))
        if web:
            web.close()
        site.close()
    return report
