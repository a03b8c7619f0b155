# SPDX-License-Identifier: MIT
"""oauth2-admin selftest: what it says of good servers, and of the mistakes that administrators make.

Each mistake is one change to a file of etc/ or to the server's own configuration. The line that
the command then advises is put in, as an administrator would, and must be the cure.
"""

import contextlib
import functools
import gzip
import itertools
import json
import os
import re
import socketserver
import ssl
import subprocess
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk, jwt

import configurations
import http_client
import servers
from configurations import SECRETS
from test_admin import Typist

DONE, FAILED, USAGE = 0, 1, 2
CHECKS = ["tls", "plain-http", "health", "https", "metadata", "well-known", "jwks", "caching", "not-found",
          "methods", "errors", "challenge", "no-store", "authorization", "body", "content-type", "query", "size",
          "request-id", "clock", "token", "signature"]
LINE = re.compile(r"(ok|FAIL|warning|skipped) +([a-z-]+): (\S.*)")
CLIENT = "TENANT_CLIENT_ID"
SECRET = SECRETS[CLIENT]
# What one request may take, and some of the machine's own.
REQUEST_S = 10
SLACK_S = 5

CONFIG = """\
issuer: <issuer>
signing_keys: [{file: keys/es256.pem}]
scopes:
  email:
clients:
  TENANT_CLIENT_ID:
    scopes: [email]
    secrets: [{hash: "sha256:<TENANT_CLIENT_ID>"}]
state: lmdb:state
log: {file: oauth2.log}
"""

MAIN = {"lighttpd": "lighttpd.conf", "apache": "apache.conf", "nginx": "nginx.conf"}
SNIPPET = "snippet.conf"
YAML = "oauth2.yaml"


# Certificates

NAMED = {"good": ("localhost", 60), "soon": ("localhost", 13), "elsewhere": ("other.example.com", 60),
         "past": ("localhost", -1)}


def certificate(subject, key, issuer, issuer_key, days, extensions):
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(),
        now - timedelta(days=90), now + timedelta(days=days))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority(site):
    """A certification authority, ca.crt, and the files of a web server for each name of NAMED."""
    directory = site.directory / "selftest-authority"
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Selftest CA")])
    ca_key = ec.generate_private_key(ec.SECP256R1())
    directory.mkdir()
    (directory / "ca.crt").write_bytes(certificate(
        ca_name, ca_key, ca_name, ca_key, 90, [x509.BasicConstraints(True, None)]))
    for name, (host, days) in NAMED.items():
        key = ec.generate_private_key(ec.SECP256R1())
        own = certificate(x509.Name([]), key, ca_name, ca_key, days, [
            x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))])])
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        (directory / name).mkdir()
        for suffix, text in (("crt", own), ("key", pem), ("pem", pem + own)):
            (directory / name / f"server.{suffix}").write_bytes(text)
    site.give_away(directory)
    return directory


# Servers that change


class Host(servers.Front):
    """A web server whose issuer is its own address, and whose files can be changed before and after."""

    numbers = itertools.count()

    def __init__(self, site, name, tls=None, config=CONFIG):
        super().__init__(site, name, "default", self.begin)
        self.fixed_tls_port = servers.free_port()
        self.root = f"https://localhost:{self.fixed_tls_port}" if tls else f"http://127.0.0.1:{self.port}"
        self.url = self.root + "/oauth2"
        self.directory = site.directory / f"selftest-{next(self.numbers)}-{name}"
        self.settings = configurations.Configuration(config.replace("<issuer>", self.root), self.root,
                                                     has_tls=bool(tls), over_tls=bool(tls))
        self.tls_files = tls
        self.edits = {}
        site.fronts["selftest", str(self.directory)] = self

    @property
    def tls_port(self):
        """The issuer names it, so that it is known before the server is configured."""
        return self.fixed_tls_port

    @tls_port.setter
    def tls_port(self, _):
        pass

    def begin(self, _):
        self.write_yaml()
        servers.FRONTS[self.name](self)

    def write_yaml(self):
        text = configurations.render(self.settings.text)
        self.config_file.write_text(self.edits.get(YAML, str)(text))

    def write(self, name, text):
        """All of a server's files pass here: the place for mistakes."""
        key = SNIPPET if name == "tls-" + SNIPPET else name
        if self.tls_files:
            text = text.replace(str(self.site.certificates.directory), str(self.tls_files))
        return super().write(name, self.edits.get(key, str)(text))

    def wait_until_ready(self):
        """That it listens is all that a wrong configuration can promise."""
        ports = [self.port] + ([self.tls_port] if self.settings.has_tls else [])
        deadline = time.monotonic() + servers.START_TIMEOUT_S
        while not all(servers.is_open(port) for port in ports):
            dead = [p.output.read_text() for p in self.processes if p.popen.poll() is not None]
            assert not dead, dead
            assert time.monotonic() < deadline, f"{self.name} does not listen"
            time.sleep(0.01)

    def restart(self):
        """The same server again, with the files as the edits make them now."""
        self.stop()
        self.processes.clear()
        if self.socket:
            self.socket.unlink(missing_ok=True)
        self.begin(self)
        self.wait_until_ready()


@pytest.fixture
def host(site, authority):
    """host(NAME, tls=, certificate=, config=, edits=) starts one; all stop at the end of the test.
    runs=False: its files only."""
    started = []

    def start(name, edits=None, tls=False, certificate="good", runs=True, **options):
        made = Host(site, name, authority / certificate if tls else None, **options)
        made.edits = edits or {}
        if not runs:
            made.run = lambda *_, **__: None
            made.wait_until_ready = lambda: None
        started.append(made)
        made.start()
        return made

    yield start
    for made in started:
        made.stop()


# Running the command


@dataclass
class Check:
    name: str
    result: str
    text: str


class Run:
    """One run of the command; its output is what it promises, or the test fails."""

    def __init__(self, command, secret="", status=None, environment=None):
        started = time.monotonic()
        done = subprocess.run([str(word) for word in command], input=secret.encode(), capture_output=True,
                              env=environ(environment), check=False, timeout=300)
        self.seconds = time.monotonic() - started
        self.status = done.returncode
        self.raw, self.errors = done.stdout, done.stderr.decode(errors="replace")
        self.text = done.stdout.decode()
        assert status is None or self.status == status, (self.text, self.errors)

    @functools.cached_property
    def checks(self):
        """{name: Check}, all of them and in order, with the last line and the status that belong to them."""
        *lines, last = self.text.splitlines()
        matches = [LINE.fullmatch(line) for line in lines]
        assert all(matches), self.text + self.errors
        found = [Check(match[2], match[1], match[3]) for match in matches]
        assert [check.name for check in found] == CHECKS
        failed = sum(check.result == "FAIL" for check in found)
        wanted = f"{len(found)} checks, {failed} failed" if failed else f"{len(found)} checks: all is well"
        assert last == wanted
        assert self.status == (FAILED if failed else DONE)
        assert self.errors == ""
        return {check.name: check for check in found}

    def of(self, result):
        return {name for name, check in self.checks.items() if check.result == result}


def environ(more=None):
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.endswith("SAN_OPTIONS")}
    return kept | {"LC_ALL": "C.UTF-8"} | (more or {})


@pytest.fixture
def selftest(build, authority):
    """selftest(HOST or URL, options) with the tests' CA, and the client if there is one."""

    def run(target, *options, client=None, within=(), **more):
        url = target
        if isinstance(target, Host):
            url = target.url
            if target.settings.has_tls:
                options = ("--ca", authority / "ca.crt", *options)
        if client:
            options = ("--client", client, *options)
            more.setdefault("secret", SECRET + "\n")
        made = Run([*within, build / "oauth2-admin", "selftest", url, *options], **more)
        assert SECRET not in made.text + made.errors
        return made

    return run


# Nothing is wrong


def assert_well(run, skipped):
    assert run.of("FAIL") == set(), run.text
    assert run.of("warning") == set(), run.text
    assert run.of("skipped") == skipped, run.text
    assert run.status == DONE


WITHOUT_CLIENT = {"token", "signature"}
# Plain HTTP is looked for where it would be for users: on port 80, if HTTPS is on 443.
OVER_TLS = {"plain-http"}
NO_TLS = {"tls", "plain-http", "https"}


@pytest.mark.parametrize("name", servers.FRONTS)
def test_shipped(host, selftest, name):
    """The files of etc/ themselves, by plain HTTP."""
    server = host(name)
    assert_well(selftest(server), NO_TLS | WITHOUT_CLIENT)
    assert_well(selftest(server, "--scope", "email", client=CLIENT), NO_TLS)


@pytest.mark.parametrize("name", servers.FRONTS)
def test_shipped_over_tls(host, selftest, name):
    server = host(name, tls=True)
    assert_well(selftest(server), OVER_TLS | WITHOUT_CLIENT)
    assert_well(selftest(server, client=CLIENT), OVER_TLS)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_issuer_is_a_url_too(host, selftest, authority, tls):
    server = host("lighttpd-fcgi", tls=tls)
    options = ["--ca", authority / "ca.crt"] if tls else []
    for url in (server.root, server.root + "/", server.url + "/"):
        assert selftest(url, *options).of("FAIL") == set()


def test_an_issuer_with_a_path(host, selftest):
    """Its documents are where RFC 8414 and OpenID Connect Discovery put them: not in the same place."""
    server = host("nginx")
    server.settings = configurations.Configuration(
        CONFIG.replace("<issuer>", server.root + "/tenant1"), server.root + "/tenant1", "/tenant1")
    server.restart()
    for url in (server.root + "/tenant1/oauth2", server.root + "/tenant1"):
        assert_well(selftest(url, client=CLIENT), NO_TLS)


# Mistakes


def replaced(old, new):
    """An edit that must find what it changes."""
    return lambda text: servers.replace(text, old, new, "the configuration")


def without(line):
    return replaced(line + "\n", "\n")


def in_front_of(anchor, *lines):
    return replaced(anchor, "\n".join(lines) + "\n" + anchor)


def with_module(name, *lines):
    """For Apache's main file: a module more, and lines for the whole server."""
    return in_front_of("ErrorLog ", servers.apache_module(name).strip(), *lines)


def at_end(*lines):
    return lambda text: text + "\n".join(lines) + "\n"


FCGID_END, CGID_END, PROXY_END = "    </Files>", "    </Files>", "</LocationMatch>"
NGINX_SERVER = "    location ^~ /oauth2/ {"


@dataclass
class Mistake:
    """`check` must fail, those of `also` may. Its advice has `line`, which goes in front of `place`
    of `place_in`; for "change" and "remove" the line is found by what it begins with."""

    front: str
    edits: dict
    check: str
    line: str
    verb: str = "add"
    place: str = ""
    place_in: str = SNIPPET
    also: set = field(default_factory=set)
    tls: bool = False
    file: str = None
    server: str = None

    @property
    def family(self):
        return self.front.partition("-")[0]


# What else fails when error answers, or POSTs, do not arrive.
POSTS = {"errors", "challenge", "no-store", "authorization", "body", "content-type", "query", "size", "request-id"}
ANSWERS = POSTS | {"not-found", "methods"}
ALL = ANSWERS | {"metadata", "well-known", "jwks", "caching"}


def nginx_param(line, **options):
    return Mistake("nginx", {SNIPPET: without("    " + line)}, line=line, place=NGINX_SERVER, **options)


def nginx_token(*lines):
    """What some people write for the token endpoint alone."""
    return {SNIPPET: in_front_of(NGINX_SERVER, "    location = /oauth2/token {", *lines,
                                 "        fastcgi_pass oauth2_fcgi;", "    }")}


# With pages of nginx's own for errors, as many have them; without, the fixture's are missing: 404.
NGINX_PAGES = {MAIN["nginx"]: replaced("    access_log off;", "    access_log off;\n    root htdocs;")}

MISTAKES = {
    "fcgid keeps Authorization": Mistake(
        "apache-fcgid", {SNIPPET: without("        CGIPassAuth On")},
        "authorization", "CGIPassAuth On", place=FCGID_END),
    "cgid keeps Authorization": Mistake(
        "apache-cgid", {SNIPPET: without("        CGIPassAuth On")},
        "authorization", "CGIPassAuth On", place=CGID_END),
    "proxy_fcgi keeps Authorization": Mistake(
        "apache-proxy", {SNIPPET: without("    CGIPassAuth On")},
        "authorization", "CGIPassAuth On", place=PROXY_END),
    "nginx takes Authorization away": Mistake(
        "nginx", {SNIPPET: in_front_of(NGINX_SERVER, '    fastcgi_param HTTP_AUTHORIZATION "";')},
        "authorization", 'fastcgi_param HTTP_AUTHORIZATION "";', "remove"),
    "nginx does not tell HTTPS": Mistake(
        "nginx", {SNIPPET: lambda text: without("    fastcgi_param HTTPS $https if_not_empty;")(
            without("    fastcgi_param REQUEST_SCHEME $scheme;")(text))},
        "https", "fastcgi_param HTTPS $https if_not_empty;", place=NGINX_SERVER, tls=True, also=ALL),
    "nginx replaces errors": Mistake(
        "nginx", {SNIPPET: without("    fastcgi_intercept_errors off;"), **NGINX_PAGES},
        "errors", "fastcgi_intercept_errors off;", place=NGINX_SERVER, also=ANSWERS),
    "nginx replaces errors by pages that are missing": Mistake(
        "nginx", {SNIPPET: without("    fastcgi_intercept_errors off;")},
        "errors", "fastcgi_intercept_errors off;", place=NGINX_SERVER, also=ANSWERS),
    "proxy_fcgi replaces errors": Mistake(
        "apache-proxy", {SNIPPET: without("    ProxyErrorOverride Off")},
        "errors", "ProxyErrorOverride Off", place=PROXY_END, also=ANSWERS),
    "lighttpd replaces errors": Mistake(
        "lighttpd-fcgi", {SNIPPET: without('    server.error-intercept = "disable"')},
        "errors", 'server.error-intercept = "disable"', place="    fastcgi.server = (", also=ANSWERS),
    "lighttpd replaces a CGI program's errors": Mistake(
        "lighttpd-cgi", {SNIPPET: without('    server.error-intercept = "disable"')},
        "errors", 'server.error-intercept = "disable"', place="    cgi.assign = (", also=ANSWERS),
    "nginx without QUERY_STRING": nginx_param(
        "fastcgi_param QUERY_STRING $query_string;", check="query"),
    "nginx without CONTENT_TYPE": nginx_param(
        "fastcgi_param CONTENT_TYPE $content_type;", check="body", also=POSTS),
    "nginx without CONTENT_LENGTH": nginx_param(
        "fastcgi_param CONTENT_LENGTH $content_length;", check="body", also=POSTS),
    "nginx without SCRIPT_NAME": nginx_param(
        "fastcgi_param SCRIPT_NAME $fastcgi_script_name;", check="health"),
    "nginx without REQUEST_METHOD": nginx_param(
        "fastcgi_param REQUEST_METHOD $request_method;", check="health"),
    "nginx without a well-known path": Mistake(
        "nginx", {SNIPPET: replaced("    location ^~ /.well-known/oauth-authorization-server {\n"
                                    "        fastcgi_pass oauth2_fcgi;\n    }\n", "")},
        "well-known", "location ^~ /.well-known/oauth-authorization-server { fastcgi_pass oauth2_fcgi; }",
        place=NGINX_SERVER),
    "fcgid without a well-known path": Mistake(
        "apache-fcgid", {SNIPPET: lambda text: re.sub('(?m)^Alias "/.well-known/openid.*\n', "", text)},
        "well-known", 'Alias "/.well-known/openid-configuration" "/usr/local/libexec/oauth2.fcgi"',
        place="<Directory"),
    "proxy_fcgi without a well-known path": Mistake(
        "apache-proxy", {SNIPPET: lambda text: re.sub('(?m)^ProxyPass "/.well-known/openid.*\n', "", text)},
        "well-known", 'ProxyPass "/.well-known/openid-configuration" "unix:/run/oauth2-fcgi/oauth2.sock|fcgi://'
        'oauth2-fcgi/.well-known/openid-configuration"', place="<LocationMatch"),
    "lighttpd without a well-known path": Mistake(
        "lighttpd-fcgi", {SNIPPET: replaced("|/\\.well-known/openid-configuration)", ")")},
        "well-known", '$HTTP["url"] =~ "^(/oauth2/|/\\.well-known/oauth-authorization-server|'
        '/\\.well-known/openid-configuration)" {', "change"),
    "nginx without our path": Mistake(
        "nginx", {SNIPPET: replaced(NGINX_SERVER + "\n        fastcgi_pass oauth2_fcgi;\n    }\n", "")},
        "health", "location ^~ /oauth2/ { fastcgi_pass oauth2_fcgi; }",
        place="    location ^~ /.well-known/oauth-authorization-server {", also={"well-known"}),
    "lighttpd looks for files": Mistake(
        "lighttpd-fcgi", {SNIPPET: replaced('"check-local" => "disable"', '"check-local" => "enable"')},
        "health", '"check-local" => "disable",', "change"),
    "nginx knows another socket": Mistake(
        "nginx", {SNIPPET: replaced("run/oauth2.sock", "run/other.sock")},
        "health", "server unix:/run/oauth2-fcgi/oauth2.sock;", "change"),
    "proxy_fcgi knows another socket": Mistake(
        "apache-proxy", {SNIPPET: replaced("run/oauth2.sock|fcgi://oauth2-fcgi/oauth2\"",
                                           "run/other.sock|fcgi://oauth2-fcgi/oauth2\"")},
        "health", 'ProxyPass "/oauth2" "unix:/run/oauth2-fcgi/oauth2.sock|fcgi://oauth2-fcgi/oauth2"',
        "change", also={"well-known"}),
    "cgid grants nobody": Mistake(
        "apache-cgid", {SNIPPET: without("        Require all granted")},
        "health", "Require all granted", place=CGID_END),
    "nginx lets only POST in": Mistake(
        "nginx", nginx_token("        limit_except POST { deny all; }"),
        "methods", "limit_except", "remove"),
    "nginx lets no POST in": Mistake(
        "nginx", {SNIPPET: replaced(NGINX_SERVER, NGINX_SERVER + "\n        limit_except GET { deny all; }")},
        "errors", "limit_except", "remove", also=ANSWERS),
    "proxy_fcgi lets only POST in": Mistake(
        "apache-proxy", {SNIPPET: at_end("<Location /oauth2/token>", "<LimitExcept POST>", "Require all denied",
                                         "</LimitExcept>", "</Location>")},
        "methods", "<LimitExcept POST>", "remove"),
    "nginx redirects": Mistake(
        "nginx", nginx_token("        return 301 /oauth2/token/;"),
        "methods", "return 301", "remove", also=ANSWERS),
    "nginx adds Cache-Control": Mistake(
        "nginx", {SNIPPET: in_front_of(NGINX_SERVER, "    add_header Cache-Control private always;")},
        "no-store", "add_header Cache-Control", "remove", also={"caching"}),
    "nginx adds Expires": Mistake(
        "nginx", {SNIPPET: in_front_of(NGINX_SERVER, "    expires 1h;")},
        "caching", "expires", "remove", also={"no-store"}),
    "Apache sets Cache-Control": Mistake(
        "apache-fcgid", {SNIPPET: at_end("<Location /oauth2>", 'Header set Cache-Control "max-age=60"', "</Location>"),
                         MAIN["apache"]: with_module("headers")},
        "no-store", "Header set Cache-Control", "remove", also={"caching"}),
    "lighttpd adds Cache-Control": Mistake(
        "lighttpd-fcgi", {SNIPPET: lambda text: 'server.modules += ( "mod_setenv" )\n' + in_front_of(
            "    fastcgi.server = (", '    setenv.add-response-header = ( "Cache-Control" => "max-age=60" )')(text)},
        "no-store", "setenv.add-response-header", "remove", also={"caching"}),
    "Apache asks for passwords": Mistake(
        "apache-proxy", {
            SNIPPET: at_end("<Location /oauth2/token>", "AuthType Basic", "AuthName x", "AuthUserFile /dev/null",
                            "Require valid-user", "</Location>"),
            MAIN["apache"]: with_module("auth_basic", *(servers.apache_module(name).strip() for name in (
                "authn_core", "authn_file", "authz_user")))},
        "challenge", "Require valid-user", "remove", also=ANSWERS),
    "nginx asks for passwords": Mistake(
        "nginx", {**nginx_token("        auth_basic x;", "        auth_basic_user_file /dev/null;"), **NGINX_PAGES},
        "challenge", "auth_basic", "remove", also=ANSWERS),
    "Apache compresses": Mistake(
        "apache-fcgid", {SNIPPET: at_end("<Location />", "SetOutputFilter DEFLATE", "</Location>"),
                         MAIN["apache"]: with_module("deflate", servers.apache_module("filter").strip(),
                                                     servers.apache_module("env").strip())},
        "caching", "SetEnv no-gzip 1", place=FCGID_END),
    "nginx compresses": Mistake(
        "nginx", {SNIPPET: in_front_of(NGINX_SERVER, "    gzip on;", "    gzip_types *;", "    gzip_min_length 1;")},
        "caching", "gzip off;", "change"),
    "nginx takes small bodies": Mistake(
        "nginx", {MAIN["nginx"]: replaced("    access_log off;", "    access_log off;\n    client_max_body_size 1k;")},
        "size", "client_max_body_size 1m;", place=NGINX_SERVER),
    "cgid takes small bodies": Mistake(
        "apache-cgid", {MAIN["apache"]: in_front_of("ErrorLog ", "LimitRequestBody 1024")},
        "size", "LimitRequestBody 1048576", place=CGID_END),
    # mod_fcgid hands on an empty body instead, and says so to nobody.
    "fcgid takes small bodies": Mistake(
        "apache-fcgid", {MAIN["apache"]: in_front_of("ErrorLog ", "LimitRequestBody 1024")},
        "size", "LimitRequestBody 1048576", place=FCGID_END),
    "mod_fcgid takes small bodies": Mistake(
        "apache-fcgid", {SNIPPET: replaced("FcgidMaxRequestLen 1048576", "FcgidMaxRequestLen 1024")},
        "size", "FcgidMaxRequestLen 1048576", "change"),
    "lighttpd takes small bodies": Mistake(
        "lighttpd-fcgi", {MAIN["lighttpd"]: at_end("server.max-request-size = 1")},
        "size", "server.max-request-size = 1024", "change", place_in=MAIN["lighttpd"], file="lighttpd.conf"),
    "nginx adds X-Request-Id": Mistake(
        "nginx", {SNIPPET: in_front_of(NGINX_SERVER, "    add_header X-Request-Id $request_id always;")},
        "request-id", "add_header X-Request-Id", "remove"),
    "another issuer": Mistake(
        "lighttpd-fcgi", {YAML: lambda text: re.sub("issuer: .*", "issuer: http://localhost:1", text)},
        "metadata", "issuer: <root>", "change", place_in=YAML, server="oauth2-fcgi", file="oauth2.yaml"),
    "another base_url": Mistake(
        "apache-proxy", {YAML: at_end("base_url: http://localhost:1/oauth2")},
        "metadata", "base_url: <root>/oauth2", "change", place_in=YAML, server="oauth2-fcgi", file="oauth2.yaml"),
}


ADVICE = re.compile(r"; in (?P<file>\S+) of (?P<server>\S+) (?P<verb>add|change|remove): `(?P<line>[^`]+)`"
                    r"(?=; in |$)")
NAMES = {"apache": "Apache", "nginx": "nginx", "lighttpd": "lighttpd"}   # as each names itself
FILES = {"apache": "conf-available/oauth2-fcgi.conf", "nginx": "snippets/oauth2-fcgi.conf",
         "lighttpd": "conf-available/50-oauth2-fcgi.conf"}
# Directives of which there are several, told apart by their first argument.
REPEATED = ("fastcgi_param", "ProxyPass", "Alias", "add_header", "server")


def local(host, line):
    """The line with the places of this test instead of the installed ones."""
    for old, new in ((servers.INSTALLED_PROGRAM, host.program), (servers.INSTALLED_SOCKET, host.socket),
                     (servers.INSTALLED_CONFIGURATION, host.config_file)):
        line = line.replace(old, str(new))
    return line


def beginning(line):
    """By what an administrator finds the line that is to be changed."""
    directive, *arguments = line.split()
    named = arguments[0].partition(":")[0] if directive in REPEATED else ""
    return f"{directive} {named}".strip()


def mended(host, mistake, verb, line):
    """The edits with the advice followed to the letter."""
    wrong = mistake.edits.get(mistake.place_in, str)
    line = local(host, line)

    def add(text):
        return servers.replace(text, mistake.place, line + "\n" + mistake.place, mistake.place_in)

    def change(text):
        return substitute(rf"(?m)^(\s*){re.escape(beginning(line))}(?![\w-]).*$", lambda found: found[1] + line, text)

    def remove(text):
        start = re.escape(line)
        if line.startswith("<"):
            end = re.escape("</" + line.strip("<>").partition(" ")[0] + ">")
            return substitute(rf"(?m)^\s*{start}[\s\S]*?{end}", "", text)
        return substitute(rf"(?m)^\s*{start}.*$", "", text)

    mend = {"add": add, "change": change, "remove": remove}[verb]
    return {**mistake.edits, mistake.place_in: lambda text: mend(wrong(text))}


def substitute(pattern, new, text):
    text, count = re.subn(pattern, new, text)
    assert count, (pattern, text)
    return text


def lines_for(run, mistake):
    """What is advised, for our server only: {line: (file, verb)}."""
    found = list(ADVICE.finditer(run.checks[mistake.check].text))
    assert found, run.text
    assert {advice["server"] for advice in found} == {mistake.server or NAMES[mistake.family]}, run.text
    return {advice["line"]: (advice["file"], advice["verb"]) for advice in found}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(host, selftest, name):
    mistake = MISTAKES[name]
    server = host(mistake.front, edits=mistake.edits, tls=mistake.tls)
    run = selftest(server, client=CLIENT, status=FAILED)
    failed = run.of("FAIL")
    assert mistake.check in failed, run.text
    assert failed <= {mistake.check} | mistake.also, run.text
    lines = lines_for(run, mistake)
    line = mistake.line.replace("<root>", server.root)
    assert lines.get(line) == (mistake.file or FILES[mistake.family], mistake.verb), run.text
    server.edits = mended(server, mistake, mistake.verb, line)
    server.restart()
    assert_well(selftest(server, client=CLIENT), NO_TLS if not mistake.tls else OVER_TLS)


def test_broken_configuration(host, selftest):
    """Only oauth2-admin check knows what is wrong with it."""
    server = host("lighttpd-cgi", edits={YAML: at_end("isuer: x")})
    run = selftest(server, client=CLIENT, status=FAILED)
    assert run.of("FAIL") == {"health"}, run.text
    assert "`" not in run.text, "no line of the configuration"
    assert "oauth2.yaml" in run.checks["health"].text and "oauth2-admin check" in run.checks["health"].text


def test_degraded(host, selftest):
    """A new configuration does not load: the last good one serves, and somebody should know."""
    server = host("nginx")
    assert selftest(server, status=DONE).of("warning") == set()
    time.sleep(1.1)
    server.edits = {YAML: at_end("isuer: x")}
    server.write_yaml()
    selftest(server)
    time.sleep(1.1)
    assert selftest(server, status=DONE).of("warning") == {"health"}


# What no file of etc/ brings about: a server in between that changes an answer


class Listener(socketserver.ThreadingTCPServer):
    """A server of our own on a free port; serve(stream) talks to each client."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, serve):
        self.serve = serve
        self.accepted = threading.Event()
        super().__init__(("127.0.0.1", 0), None)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/oauth2"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def finish_request(self, request, client_address):
        self.accepted.set()
        with contextlib.suppress(OSError, ssl.SSLError):
            self.serve(request)

    def handle_error(self, request, client_address):
        """A client that goes away is none."""


@pytest.fixture
def listen():
    """listen(serve) starts one; all stop at the end of the test."""
    started = []

    def start(serve):
        started.append(Listener(serve))
        return started[-1]

    yield start
    for listener in started:
        listener.shutdown()
        listener.server_close()


def read_request(connection):
    """A whole request, byte by byte as it came."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: *(\d+)", head)
    while len(body) < (int(length[1]) if length else 0):
        body += receive(connection)
    return head + b"\r\n\r\n" + body


def receive(connection):
    data = connection.recv(65536)
    if not data:
        raise ConnectionError
    return data


@dataclass
class Reply:
    """What the server says, for a test to change."""

    target: str
    request: bytes
    status: int
    headers: list
    body: bytes

    @property
    def method(self):
        return self.request.split(b" ", 1)[0].decode()

    def set(self, name, *values):
        self.headers = [pair for pair in self.headers if pair[0] != name.lower()]
        self.headers += [(name.lower(), value) for value in values]

    def members(self, **members):
        self.body = json.dumps({**json.loads(self.body), **members}).encode()

    def encoded(self):
        self.set("connection", "close")
        self.set("transfer-encoding")
        self.set("content-length", *([] if self.status == 304 else [str(len(self.body))]))
        head = f"HTTP/1.1 {self.status} x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return head.encode("latin-1") + b"\r\n" + (b"" if self.method == "HEAD" else self.body)


class Between:
    """In front of a good server; its address is the issuer. Tests set what changes the requests and replies."""

    def __init__(self, site, listen):
        self.change_request = self.change = None
        self.listener = listen(self.serve)
        root = self.listener.url.removesuffix("/oauth2")
        self.host = Host(site, "lighttpd-fcgi", config=CONFIG.replace("<issuer>", root))

    def serve(self, connection):
        request = self.change_request(re.sub(rb"(?i)\r\nConnection: [^\r]*", b"", read_request(connection)))
        answer = http_client.exchange(self.host.port, request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        target = request.split(b" ", 2)[1].decode()
        reply = Reply(target, request, answer.status, answer.headers, answer.body)
        self.change(reply)
        connection.sendall(reply.encoded())


@pytest.fixture
def between(module_between):
    """In front of a good server, and changing nothing yet."""
    module_between.change_request = lambda request: request
    module_between.change = lambda reply: None
    return module_between


@pytest.fixture(scope="module")
def module_between(site):
    """One for all tests of this file, with the real server behind it."""
    with contextlib.ExitStack() as stack:
        def start(serve):
            listener = stack.enter_context(Listener(serve))
            stack.callback(listener.shutdown)
            return listener
        made = Between(site, start)
        made.host.start()
        yield made
        made.host.stop()


def when(target, method=None, status=None):
    """Only for some replies."""
    def wrap(change):
        def changed(reply):
            if (reply.target.partition("?")[0] in ("/oauth2/" + target, target) and method in (None, reply.method)
                    and status in (None, reply.status)):
                change(reply)
        return changed
    return wrap


def set_header(name, *values):
    return lambda reply: reply.set(name, *values)


def set_members(**members):
    return lambda reply: reply.members(**members)


def page(status):
    """What a web server says by itself."""
    def change(reply):
        reply.status, reply.body = status, b"<html><h1>No</h1></html>"
        reply.headers = [("content-type", "text/html"), ("date", dict(reply.headers)["date"])]
    return change


def twice(name):
    return lambda reply: reply.headers.append((name, dict(reply.headers)[name]))


def with_private_key(reply):
    keys = json.loads(reply.body)["keys"]
    reply.members(keys=[{**keys[0], "d": "AAAA"}, *keys[1:]])


def no_304(reply):
    if reply.status == 304:
        reply.status, reply.body = 200, b'{"keys":[]}'
        reply.set("content-type", "application/jwk-set+json")


def date(seconds):
    return set_header("date", formatdate(time.time() + seconds, usegmt=True))


def without_authorization(request):
    return re.sub(rb"(?i)\r\nAuthorization: [^\r]*", b"", request)


TOKEN = when("token", "POST", 200)
REFUSED = when("token", "POST", 401)
JWKS = when("jwks")
METADATA = ".well-known/oauth-authorization-server"

# change, the check that must notice, others that may
CHANGES = {
    "a private key in the JWKS": (JWKS(with_private_key), "jwks", {"caching", "signature"}),
    "no keys": (JWKS(set_members(keys=[])), "jwks", {"caching", "signature"}),
    "a JWKS as JSON": (JWKS(set_header("content-type", "application/json")), "jwks", set()),
    "no JWKS": (JWKS(page(404)), "jwks", {"caching", "signature"}),
    "a weak ETag": (JWKS(set_header("etag", 'W/"x"')), "caching", set()),
    "no ETag": (JWKS(set_header("etag")), "caching", set()),
    "no 304": (JWKS(no_304), "caching", {"jwks", "signature"}),
    "another Cache-Control": (JWKS(set_header("cache-control", "private")), "caching", set()),
    "another issuer": (when(METADATA)(set_members(issuer="https://other.example.com")), "metadata", ALL),
    "another token endpoint": (when(METADATA)(set_members(token_endpoint="https://other.example.com/token")),
                               "metadata", {"well-known"}),
    "another document at the well-known path": (
        when("/" + METADATA)(set_members(issuer="https://other.example.com")), "well-known", set()),
    "a page at OpenID's well-known path": (
        when("/.well-known/openid-configuration")(page(200)), "well-known", set()),
    "no unknown paths": (when("no-such-endpoint")(page(200)), "not-found", set()),
    "a page for an unknown path": (when("no-such-endpoint")(page(404)), "not-found", set()),
    "GET is redirected": (when("token", "GET")(page(302)), "methods", set()),
    "405 without Allow": (when("token", "GET")(set_header("allow")), "methods", set()),
    "pages for errors": (REFUSED(page(401)), "errors", POSTS),
    "two Content-Types": (REFUSED(twice("content-type")), "errors", set()),
    "another charset": (REFUSED(set_header("content-type", "application/json;charset=ISO-8859-1")), "errors", set()),
    "no challenge": (REFUSED(set_header("www-authenticate")), "challenge", {"errors"}),
    "another realm": (REFUSED(set_header("www-authenticate", 'Basic realm="x"')), "challenge", set()),
    "another scheme": (REFUSED(set_header("www-authenticate", 'Negotiate')), "challenge", set()),
    "Cache-Control twice": (REFUSED(set_header("cache-control", "no-store", "max-age=1")), "no-store", set()),
    "more in Cache-Control": (REFUSED(set_header("cache-control", "no-store, max-age=1")), "no-store", set()),
    "no Pragma": (REFUSED(set_header("pragma")), "no-store", set()),
    "the token may be kept": (TOKEN(set_header("cache-control", "max-age=60")), "no-store", set()),
    "Expires": (REFUSED(set_header("expires", "Thu, 01 Jan 2099 00:00:00 GMT")), "no-store", set()),
    "no X-Request-Id": (set_header("x-request-id"), "request-id", set()),
    "X-Request-Id twice": (set_header("x-request-id", "a", "b"), "request-id", set()),
    "a proxy's redirect of POST": (when("token", "POST")(page(307)), "methods", POSTS),
    "413 by the web server": (when("token", "POST", 413)(page(413)), "size", set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change(between, selftest, name):
    between.change, check, others = CHANGES[name]
    run = selftest(between.listener.url, client=CLIENT, status=FAILED)
    assert check in run.of("FAIL"), run.text
    assert run.of("FAIL") <= {check, "token", "signature"} | others, run.text


SENTENCES = {
    "no challenge": (REFUSED(set_header("www-authenticate")), "challenge", "401 without WWW-Authenticate"),
    "two challenges": (REFUSED(twice("www-authenticate")), "challenge", "there are 2 headers WWW-Authenticate, "
                                                                        "the first is "),
    "another realm": (REFUSED(set_header("www-authenticate", 'Basic realm="x"')), "challenge",
                      "the realm of WWW-Authenticate is not the issuer "),
    "no description": (when("token", "GET")(lambda reply: page(404)(reply) or setattr(
        reply, "body", b'{"error":"not_found"}')), "methods", '404 "not_found"'),
    "an issuer that is no URL": (when(METADATA)(set_members(issuer="nonsense")), "metadata",
                                 'issuer "nonsense" must be a URL such as '),
    "an issuer on another host": (when(METADATA)(set_members(issuer="https://other.example.com")), "metadata",
                                  'issuer "https://other.example.com" is not on the host that was tested'),
    "the JWKS with a query": (lambda reply: when(METADATA)(set_members(jwks_uri="<jwks>?x=1"))(reply), "jwks",
                              'jwks_uri "<jwks>?x=1" must not have a query'),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentence(between, selftest, name):
    """What is wrong is what is said."""
    change, check, sentence = SENTENCES[name]
    jwks = between.listener.url + "/jwks"

    def changed(reply):
        change(reply)
        reply.body = reply.body.replace(b"<jwks>", jwks.encode())
    between.change = changed
    text = selftest(between.listener.url, status=FAILED).checks[check].text
    assert text.startswith(sentence.replace("<jwks>", jwks)), text
    assert ' ""' not in text


def test_no_change(between, selftest):
    run = selftest(between.listener.url, client=CLIENT)
    assert_well(run, NO_TLS)


@pytest.mark.parametrize("seconds", [-60, 3600])
def test_clock(between, selftest, seconds):
    """The others' clock may be the wrong one: no failure."""
    between.change = date(seconds)
    run = selftest(between.listener.url, client=CLIENT, status=DONE)
    assert run.of("warning") == {"clock"}, run.text


def signed(between, key="es256", **changes):
    """A token that the server has not made."""
    now = int(time.time())
    claims = {"iss": between.listener.url.removesuffix("/oauth2"), "sub": CLIENT, "aud": CLIENT, "iat": now,
              "nbf": now, "exp": now + 300, "jti": "x", "scope": ["email"]} | changes
    private = jwk.JWK.from_pem((between.host.site.keys / f"{key}.pem").read_bytes())
    made = jwt.JWT(header={"alg": "ES256" if key == "es256" else "RS256", "typ": "JWT", "kid": private.thumbprint()},
                   claims=claims)
    made.make_signed_token(private)
    return made.serialize()


BAD_TOKENS = {
    "another key": lambda between: signed(between, "rs256"),
    "another issuer": lambda between: signed(between, iss="https://other.example.com"),
    "expired": lambda between: signed(between, exp=int(time.time()) - 60),
    "another client": lambda between: signed(between, sub="other"),
    "changed": lambda between: signed(between)[:-8] + "AAAAAAAA",
    "not signed": lambda between: signed(between).rpartition(".")[0] + ".",
    "no token": lambda between: "opaque",
    "escapes": lambda between: "\x1b[2J",
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_token(between, selftest, name):
    token = BAD_TOKENS[name](between)
    between.change = TOKEN(set_members(access_token=token))
    run = selftest(between.listener.url, client=CLIENT, status=FAILED)
    assert run.of("FAIL") - {"token"} == {"signature"}, run.text
    assert token not in run.text
    assert "\x1b" not in run.text


def test_our_own_token_is_good(between, selftest):
    """So that the tokens above are refused for their own fault."""
    between.change = TOKEN(lambda reply: reply.members(access_token=signed(between)))
    assert_well(selftest(between.listener.url, client=CLIENT), NO_TLS)


def test_wrong_secret_and_scope(between, selftest):
    run = selftest(between.listener.url, client=CLIENT, secret="wrong\n", status=FAILED)
    assert run.of("FAIL") == {"token"}
    assert run.checks["token"].text.startswith('401 "invalid_client": "Client authentication failed. ')
    assert run.checks["signature"].result == "skipped"
    run = selftest(between.listener.url, "--scope", "other", client=CLIENT, status=FAILED)
    assert run.of("FAIL") == {"token"} and "invalid_scope" in run.checks["token"].text


def test_throttled(host, selftest):
    """Its own made-up clients must not make it fail: it says what it could not see."""
    config = CONFIG + "throttle: {failures: 1, address_failures: 1, window: 3600}\n"
    server = host("lighttpd-fcgi", config=config)
    run = selftest(server, status=DONE)
    assert run.of("skipped") - NO_TLS - WITHOUT_CLIENT, run.text
    assert all("429" in run.checks[name].text for name in run.of("skipped") - NO_TLS - WITHOUT_CLIENT), run.text


SERVER_NAMES = {"Apache": "apache", "Apache/2.4": "apache", "nginx": "nginx", "nginx/1.22.1": "nginx",
                "lighttpd": "lighttpd", "lighttpd/1.4.69": "lighttpd", "secret-server": None, None: None,
                "Apache-Coyote/1.1": None}


@pytest.mark.parametrize("name", SERVER_NAMES)
@pytest.mark.parametrize("check, lines", [
    ("authorization", {"apache": "CGIPassAuth On", "nginx": 'fastcgi_param HTTP_AUTHORIZATION "";'}),
    ("errors", {"apache": "ProxyErrorOverride Off", "nginx": "fastcgi_intercept_errors off;",
                "lighttpd": 'server.error-intercept = "disable"'}),
])
def test_server_header(between, selftest, name, check, lines):
    """The advice is for the server that names itself, and else for all three, in one line."""
    def changed(reply):
        if check == "errors":
            REFUSED(page(401))(reply)
        reply.set("server", *([name] if name else []))
    between.change = changed
    if check == "authorization":
        between.change_request = without_authorization
    run = selftest(between.listener.url, status=FAILED)
    assert run.of("FAIL") == {check}, run.text
    found = list(ADVICE.finditer(run.checks[check].text))
    named = SERVER_NAMES[name]
    assert [advice["server"] for advice in found] == ([NAMES[named]] if named else list(NAMES.values())), run.text
    for family, line in lines.items():
        if named in (None, family):
            assert [advice["line"] for advice in found if advice["server"] == NAMES[family]] == [line]
            assert [advice["file"] for advice in found if advice["server"] == NAMES[family]] == [FILES[family]]


# TLS


def assert_nothing_more(run):
    """Without TLS nothing else can be seen."""
    assert "tls" in run.of("FAIL") and run.of("FAIL") <= {"tls", "health"}, run.text
    assert run.of("skipped") | run.of("FAIL") == set(CHECKS), run.text


@pytest.mark.parametrize("front", ["lighttpd-fcgi", "apache-fcgid", "nginx"])
@pytest.mark.parametrize("name, result, what", [
    ("soon", "warning", ""), ("elsewhere", "FAIL", "match"), ("past", "FAIL", "expired")])
def test_certificate(host, selftest, front, name, result, what):
    server = host(front, tls=True, certificate=name)
    run = selftest(server, status=FAILED if result == "FAIL" else DONE)
    assert run.of(result) - {"health"} == {"tls"}, run.text
    if result == "FAIL":
        assert_nothing_more(run)
        assert re.search(what, run.checks["tls"].text)
        assert "--ca" not in run.checks["tls"].text


def test_unknown_authority(host, selftest, site):
    """Without --ca the system's, with it those of the file."""
    server = host("lighttpd-fcgi", tls=True)
    for options in ((), ("--ca", site.certificates.directory / "ca.crt")):
        run = selftest(server.url, *options, status=FAILED)
        assert_nothing_more(run)
        assert "--ca FILE" in run.checks["tls"].text


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_tls(listen, selftest, authority):
    """A server that knows nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(authority / "good" / "server.pem")

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(100)
    url = listen(serve).url.replace("http://127.0.0.1", "https://localhost")
    run = selftest(url, "--ca", authority / "ca.crt", status=FAILED)
    assert_nothing_more(run)


# In a network of its own, where ports 80 and 443 are free: argv[1] is a lighttpd.conf, the rest the command.
ALONE = """\
import fcntl, socket, struct, subprocess, sys, time
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 65))
server = subprocess.Popen([sys.argv[1], "-D", "-f", sys.argv[2]], stdout=2)
try:
    while socket.socket().connect_ex(("127.0.0.1", 443)):
        assert server.poll() is None
        time.sleep(0.01)
    sys.exit(subprocess.run(sys.argv[3:]).returncode)
finally:
    server.terminate()
    server.wait()
"""

PLAIN = """\
server.document-root = "{directory}/htdocs"
server.port = 8080
server.modules += ( "mod_redirect", "mod_openssl" )
server.errorlog = "{directory}/error.log"
$SERVER["socket"] == ":443" {{
    ssl.engine = "enable"
    ssl.pemfile = "{pem}"
}}
{more}
include "{directory}/snippet.conf"
"""


PORT_80 = {
    "nothing": ("", None),
    "nothing, and the URL names its port": ("", None),
    "a redirect": ('$SERVER["socket"] == ":80" {{ url.redirect = ( "" => "https://localhost" ) }}', None),
    "the endpoint, which wants HTTPS": ('$SERVER["socket"] == ":80" {{ }}', None),
    "the endpoint": ('$SERVER["socket"] == ":80" {{ }}', "require_tls: false\n"),
}


@pytest.mark.parametrize("name", PORT_80)
def test_plain_http(host, selftest, build, name):
    """The endpoint that answers on port 80 too, when it is asked on 443, has its secrets on the wire."""
    more, config = PORT_80[name]
    server = host("lighttpd-fcgi", tls=True, runs=False)
    server.config_file.write_text(server.config_file.read_text().replace(server.root, "https://localhost")
                                  + (config or ""))
    main = server.directory / "alone.conf"
    main.write_text(PLAIN.format(directory=server.directory, pem=server.tls_files / "server.pem",
                                 more=more.format()))
    server.url = "https://localhost:443/oauth2" if "port" in name else "https://localhost/oauth2"
    run = selftest(server, client=CLIENT, within=[
        servers.tool("unshare"), *([] if os.geteuid() == 0 else ["-r"]), "-n", "/usr/bin/python3", "-c", ALONE,
        servers.tool("lighttpd"), main])
    assert run.of("skipped") == set(), run.text
    assert run.of("FAIL") == ({"plain-http"} if config else set()), run.text


# Servers that nobody should trust


def answering(head, body=b"", again=lambda: b""):
    """Each request gets the bytes, and then what again() makes, for as long as the client takes it."""
    def serve(connection):
        read_request(connection)
        connection.sendall(head + b"\r\n\r\n" + body)
        more = again()
        while more:
            connection.sendall(more)
            more = again()
    return serve


GOOD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close"
NASTY = "\x1b[2J\x1b]0;x\x07\r\x08\x7f\u009b31m\u202e\u2028é"
NASTY_HEADERS = "".join(f"\r\n{name}: x\x1b[2J\x07\x08\x7f\x9b31m" for name in (
    "Server", "WWW-Authenticate", "Cache-Control", "Pragma", "Allow", "ETag", "X-Request-Id", "Location",
    "Content-Type", "Date"))
NASTY_BODY = json.dumps({name: NASTY for name in (
    "status", "error", "error_description", "issuer", "token_endpoint", "jwks_uri", "access_token")})
HOSTILE = {
    "nothing": lambda connection: None,
    "no HTTP": lambda connection: connection.sendall(bytes(range(256)) * 16),
    "a half header": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a short body": answering(GOOD_HEAD + b"\r\nContent-Length: 100", b'{"status":"ok"}'),
    "no JSON": answering(GOOD_HEAD, bytes(range(256))),
    "other JSON": answering(GOOD_HEAD, b"[[[[7]]]]"),
    "deep JSON": answering(GOOD_HEAD, b'{"status":' + b"[" * 500000),
    "repeated members": answering(GOOD_HEAD, b'{"status":"no","status":"ok"}'),
    "wrong types": answering(GOOD_HEAD, b'{"status":"ok","issuer":[],"token_endpoint":{},"jwks_uri":7,"keys":{"a":1},'
                                        b'"error":null,"error_description":[],"access_token":1}'),
    "a large body": answering(GOOD_HEAD, again=lambda: b" " * 65536),
    "a packed body": answering(GOOD_HEAD + b"\r\nContent-Encoding: gzip", gzip.compress(bytes(1 << 26), 1)),
    "long headers": answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400000),
    "many headers": answering(b"HTTP/1.1 200 OK" + b"\r\nX: y" * 100000),
    "a redirect to itself": answering(b"HTTP/1.1 302 x\r\nLocation: /oauth2/health\r\nContent-Length: 0"),
    "endless 100": answering(b"HTTP/1.1 100 Continue", again=lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


def assert_clean(run, *secrets):
    """Nothing that a terminal obeys, and no secret."""
    for text in (run.text, run.errors):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", text), repr(text)
        for secret in secrets:
            assert secret not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(listen, selftest, name):
    run = selftest(listen(HOSTILE[name]).url, client=CLIENT, status=FAILED)
    assert {check.result for check in run.checks.values()} <= {"FAIL", "skipped", "ok", "warning"}
    assert len(run.raw) < 16384
    assert_clean(run)
    assert run.seconds < REQUEST_S + SLACK_S


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 503])
def test_escapes(listen, selftest, status):
    """What a server sends is shown, if at all, without what a terminal would obey."""
    head = (f"HTTP/1.1 {status} x\x1b[2J" + NASTY_HEADERS).encode("latin-1") + b"\r\nConnection: close"
    listener = listen(answering(head, NASTY_BODY.encode()))
    for options in ((), ("--json",)):
        run = selftest(listener.url, *options, client=CLIENT, status=FAILED)
        assert_clean(run)


def test_slow_servers(listen, selftest):
    """One that never answers, and one that never ends."""
    def hang(connection):
        while connection.recv(65536):
            pass

    def drip(connection):
        read_request(connection)
        for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\n"):
            connection.sendall(bytes([byte]))
            time.sleep(0.5)
    runs = {}

    def run(name, serve):
        runs[name] = selftest(listen(serve).url, status=FAILED)
    threads = [threading.Thread(target=run, args=pair) for pair in (("hang", hang), ("drip", drip))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("hang", "drip"):
        assert runs[name].of("FAIL") == {"health"}, runs[name].text
        assert runs[name].of("skipped") == set(CHECKS) - {"health"}
        assert runs[name].seconds < REQUEST_S + SLACK_S


def test_nothing_listens(selftest):
    run = selftest(f"http://127.0.0.1:{servers.free_port()}/oauth2", status=FAILED)
    assert run.of("FAIL") == {"health"}
    assert run.of("skipped") == set(CHECKS) - {"health"}
    assert run.seconds < 5


# The secret, and where requests go


FORMS = {
    "as it is": lambda pair: pair,
    "base64": lambda pair: b64encode(pair.encode()).decode(),
    "base64 without its end": lambda pair: b64encode(pair.encode()).decode().rstrip("="),
    "lower case": lambda pair: pair.swapcase(),
    "percent-encoded": lambda pair: quote(quote(pair, safe=":")).lower(),
    "hexadecimal": lambda pair: pair.encode().hex(),
}


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_repeats_what_it_gets(listen, selftest, form, status):
    """The secret is in no line, whatever the server says, and whatever it remembers."""
    known = []

    def serve(connection):
        sent = re.search("Authorization: Basic ([^\r]*)", read_request(connection).decode("latin-1"))
        pair = unquote(b64decode(sent[1]).decode()) if sent else ""
        if pair.startswith(CLIENT):
            known.append(FORMS[form](pair))
        shown = known[-1] if known else "x"
        body = json.dumps({name: shown for name in (
            "error" if status != 200 else "scope", "error_description", "status", "access_token", "token_type")})
        head = "".join(f"\r\n{name}: {shown}" for name in (
            "WWW-Authenticate", "Cache-Control", "Pragma", "Allow", "Content-Type", "Date", "Server"))
        connection.sendall(f"HTTP/1.1 {status} x\r\nConnection: close{head}\r\n\r\n{body}".encode())
    listener = listen(serve)
    for options in ((), ("--json",)):
        run = selftest(listener.url, *options, client=CLIENT, status=FAILED)
        assert_clean(run, *known)
        assert len(known) == 1
        known.clear()


def test_claims_that_repeat_the_secret(between, selftest):
    for name in ("iss", "sub"):
        between.change = TOKEN(set_members(access_token=signed(between, **{name: SECRET.swapcase()})))
        run = selftest(between.listener.url, client=CLIENT, status=FAILED)
        assert run.of("FAIL") == {"signature"} and name in run.checks["signature"].text
        assert_clean(run, SECRET.swapcase())


def test_the_secret_is_in_no_list_of_processes(listen, build):
    def hang(connection):
        while connection.recv(65536):
            pass
    listener = listen(hang)
    with subprocess.Popen([str(build / "oauth2-admin"), "selftest", listener.url, "--client", CLIENT],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ()) as process:
        process.stdin.write(SECRET.encode() + b"\n")
        process.stdin.close()
        assert listener.accepted.wait(SLACK_S)
        shown = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))
        process.kill()
    assert CLIENT.encode() in shown and SECRET.encode() not in shown


def test_the_secret_is_not_echoed_on_a_terminal(listen, build):
    listener = listen(HOSTILE["nothing"])
    typist = Typist(str(build / "oauth2-admin"), "selftest", listener.url, "--client", CLIENT)
    try:
        typist.wait_for(b"ecret")
        assert not typist.echo()
        typist.type(SECRET.encode() + b"\r")
        typist.wait_for(b" failed")
        typist.wait()
        assert typist.echo() and SECRET.encode() not in typist.seen
    finally:
        typist.close()


def test_redirects_and_proxies(listen, selftest, between):
    """Requests, which carry a secret, go to the host of the URL and nowhere else."""
    elsewhere = listen(answering(GOOD_HEAD, b'{"status":"ok"}'))
    target = elsewhere.url.encode()
    moved = listen(answering(b"HTTP/1.1 307 x\r\nConnection: close\r\nLocation: " + target + b"/health"))
    selftest(moved.url, client=CLIENT, status=FAILED)
    proxy = elsewhere.url.removesuffix("/oauth2")
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    selftest(between.listener.url, client=CLIENT, status=DONE, environment={name: proxy for name in names})
    between.change = when(METADATA)(set_members(token_endpoint=elsewhere.url + "/token",
                                                jwks_uri=elsewhere.url + "/jwks"))
    selftest(between.listener.url, client=CLIENT, status=FAILED)
    assert not elsewhere.accepted.is_set()


def test_a_curlrc_is_not_read(between, selftest, tmp_path):
    (tmp_path / ".curlrc").write_text('proxy = "http://127.0.0.1:1"\n')
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
    selftest(between.listener.url, client=CLIENT, status=DONE, environment={"HOME": str(tmp_path)})


# --json, and how it is called


def untimed(text):
    """The difference of two clocks may be another one a moment later."""
    return re.sub(r"\d+ s apart", "so far apart", text)


@pytest.mark.parametrize("change", [lambda reply: None, REFUSED(page(401)),
                                    lambda reply: date(3600)(reply)],
                         ids=["good", "FAIL", "warning"])
def test_json(between, selftest, change):
    between.change = change
    text = selftest(between.listener.url, client=CLIENT)
    run = selftest(between.listener.url, "--json", client=CLIENT, status=text.status)
    assert run.errors == "" and run.text.isascii() and run.text.endswith("\n")
    found = json.loads(run.text)
    assert set(found) == {"checks", "failed"}
    assert found["failed"] == len(text.of("FAIL"))
    assert [check["check"] for check in found["checks"]] == CHECKS
    for check in found["checks"]:
        shown = text.checks[check["check"]]
        assert set(check) == {"check", "result", "message", "fix"}
        assert (check["fix"] is not None) == bool(ADVICE.search(shown.text)), check
        assert check["result"] == shown.result
        assert untimed(shown.text) == untimed(check["message"] + ("; " + check["fix"] if check["fix"] else ""))


GOOD_URL = "https://auth.example.com/oauth2"
USAGES = {
    "no URL": [],
    "two URLs": [GOOD_URL, GOOD_URL],
    "unknown option": [GOOD_URL, "--no-such-option"],
    "http": ["http://auth.example.com/oauth2"],
    "http to a name that only begins so": ["http://localhost.example.com/oauth2"],
    "http to an address that only begins so": ["http://127.0.0.1.example.com/oauth2"],
    "http to a user of that name": ["http://127.0.0.1@auth.example.com/oauth2"],
    "http to another address": ["http://192.0.2.1/oauth2"],
    "a user": ["https://user:password@auth.example.com/oauth2"],
    "another scheme": ["ftp://127.0.0.1/oauth2"],
    "a file": ["file:///etc/passwd"],
    "no scheme": ["auth.example.com/oauth2"],
    "no host": ["https:///oauth2"],
    "a query": [GOOD_URL + "?a=b"],
    "a fragment": [GOOD_URL + "#a"],
    "a space": ["https://auth.example.com/oau th2"],
    "a line": [GOOD_URL + "\r\nX: y"],
    "empty": [""],
    "a port that is none": ["https://auth.example.com:99999/oauth2"],
    "--client without a value": [GOOD_URL, "--client"],
    "--client empty": [GOOD_URL, "--client", ""],
    "--client twice": [GOOD_URL, "--client", "a", "--client", "b"],
    "--scope without --client": [GOOD_URL, "--scope", "a"],
    "--json twice": [GOOD_URL, "--json", "--json"],
}


@pytest.mark.parametrize("name", USAGES)
def test_wrong_usage(build, name):
    run = Run([build / "oauth2-admin", "selftest", *USAGES[name]], secret=SECRET + "\n", status=USAGE)
    assert run.text == ""
    assert run.errors.startswith("oauth2-admin: ") and "password" not in run.errors
    assert_clean(run, SECRET)
    assert run.seconds < 5


@pytest.mark.parametrize("url", ["http://localhost:{}/oauth2", "http://[::1]:{}/oauth2", "http://127.8.9.10:{}/oauth2"])
def test_loopback_hosts(selftest, url):
    """These need no TLS; that nothing listens there is another matter."""
    run = selftest(url.format(servers.free_port()), status=FAILED)
    assert run.of("FAIL") == {"health"}


def test_bad_files_and_secrets(build, tmp_path):
    program = [build / "oauth2-admin", "selftest", GOOD_URL]
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in ("missing.pem", "ca.pem"):
        run = Run([*program, "--ca", tmp_path / path])
        assert run.status in (FAILED, USAGE) and path in run.errors, run.errors
    for secret in ("", "\n"):
        run = Run([*program, "--client", CLIENT], secret=secret)
        assert run.status in (FAILED, USAGE) and "secret" in run.errors and run.text == ""


def test_help(build):
    run = Run([build / "oauth2-admin", "selftest", "--help"], status=DONE)
    assert all(word in run.text for word in ("URL", "--client", "--scope", "--ca", "--json"))
    assert all(len(line) <= 100 for line in run.text.splitlines())
