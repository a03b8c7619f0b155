# SPDX-License-Identifier: MIT
"""oauth2-admin verifier: real servers take what it prints, and accept the right tokens and no others."""

import base64
import functools
import hashlib
import hmac
import json
import re
import subprocess
import time
import uuid

import pytest
import requests
import yaml
from jwcrypto import jwk, jws

import rawfcgi
import servers

DONE, FAILED, USAGE = 0, 1, 2
NAMES = ["apache-oauth2", "apache-openidc", "nginx-njs", "nginx-introspection", "nginx-script", "envoy",
         "spring-boot", "spring-boot-java"]
SERVERS = NAMES[:4]
BY_KEYS = ["apache-oauth2", "apache-openidc", "nginx-njs"]
AUDIENCE = "https://api.example.com/a?b=c&d='e';g%20h"
SECOND = "urn:second"
SCOPE = "orders:read+1,#(%"
START_TIMEOUT_S = 20
SECRET = "s" * 40
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()
MODULES = {"mod_oauth2.so": "libapache2-mod-oauth2", "mod_auth_openidc.so": "libapache2-mod-auth-openidc"}
NJS = "/usr/lib/nginx/modules/ngx_http_js_module.so"

CONFIG = """\
issuer: {issuer}
base_url: {base_url}
require_tls: false
state: lmdb:{state}
log: {{file: {log}}}
signing_keys:
  - {{file: rsa.pem, kid: rsa, state: active}}
  - {{file: ec.pem, kid: ec, state: next}}
  - {{file: pss.pem, kid: pss, alg: PS256, state: retired}}
{keys}scopes:
  "{scope}": {{audience: "{audience}"}}
  other: {{audience: "{audience}"}}
  undefined: {{audience: "{audience}"}}
clients:
  app: {{scopes: ["{scope}", other], secrets: [{{hash: "sha256:{digest}"}}]}}
  late: {{scopes: ["{scope}", other], token_profile: rfc9068, secrets: [{{hash: "sha256:{digest}"}}]}}
  gateway: {{introspect: true, secrets: [{{hash: "sha256:{digest}"}}]}}
"""

ISSUER = """\
daemon off;
worker_processes 1;
pid {directory}/issuer.pid;
error_log {directory}/issuer.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/issuer-body;
    fastcgi_temp_path {directory}/issuer-fastcgi;
    proxy_temp_path {directory}/issuer-proxy;
    scgi_temp_path {directory}/issuer-scgi;
    uwsgi_temp_path {directory}/issuer-uwsgi;
    include {snippet};
}}
"""

NGINX = """\
load_module {njs};
daemon off;
worker_processes 2;
pid {directory}/{name}.pid;
error_log {directory}/{name}.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/{name}-body;
    fastcgi_temp_path {directory}/{name}-fastcgi;
    proxy_temp_path {directory}/{name}-proxy;
    scgi_temp_path {directory}/{name}-scgi;
    uwsgi_temp_path {directory}/{name}-uwsgi;
    server {{
        listen 127.0.0.1:{backend};
        location / {{ return 200 "$http_x_oauth2_subject"; }}
    }}
    include {snippet};
}}
"""

APACHE = """\
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/{name}.pid
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
ErrorLog {directory}/{name}.log
TypesConfig /dev/null
DocumentRoot {directory}/htdocs
{extra}
Include {snippet}
Header always set X-Subject "expr=%{{REMOTE_USER}}"
"""


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Place:
    """A directory with an issuer and its verifiers; stop() ends them all."""

    def __init__(self, site, directory):
        self.site = site
        self.directory = directory
        self.processes = []
        self.ports = {}
        self.extra = []
        self.keys = {"rsa": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa"),
                     "ec": jwk.JWK.generate(kty="EC", crv="P-256", kid="ec"),
                     "pss": jwk.JWK.generate(kty="RSA", size=3072, kid="pss")}
        self.port, self.tls_port = servers.free_port(), servers.free_port()
        self.issuer = f"http://localhost:{self.port}"
        self.made = site.certificates.directory
        directory.mkdir()
        self.write("htdocs/api/index.html", "here")
        for name in self.keys:
            self.write_key(name)
        self.write_configs()

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_key(self, name):
        path = self.directory / f"{name}.pem"
        path.write_bytes(self.keys[name].export_to_pem(private_key=True, password=None))
        path.chmod(0o600)

    def write_configs(self):
        """One for who fetches by https, and one for mod_oauth2, which cannot be told of our authority."""
        keys = "".join(f"  - {{file: {name}.pem, kid: {name}, state: retired}}\n" for name in self.extra)
        for name, base in (("tls.yaml", f"https://localhost:{self.tls_port}"), ("plain.yaml", self.issuer)):
            temporary = self.write(name + ".new", CONFIG.format(
                issuer=self.issuer, base_url=base + "/oauth2", state=self.directory / "state", scope=SCOPE, keys=keys,
                audience=AUDIENCE, digest=DIGEST, log=self.directory / "oauth2.log"))
            self.give_away()
            temporary.rename(self.directory / name)

    def give_away(self):
        self.site.give_away(self.directory)

    def run(self, *command):
        self.give_away()
        self.processes.append(servers.Process(command, self.directory, self.site.user))

    def admin(self, *arguments, config="tls.yaml", status=DONE):
        done = subprocess.run([self.site.build / "oauth2-admin", "-c", self.directory / config, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout if status == DONE else done.stderr

    def start_issuer(self):
        (self.directory / "state").mkdir()
        program = self.site.install_program(self.directory / "libexec")
        socket = self.directory / "oauth2.sock"
        self.run(str(program), "--config", str(self.directory / "tls.yaml"), "--listen", str(socket), "--workers", "2")
        rawfcgi.wait_until(socket.exists, START_TIMEOUT_S, "the issuer listens")
        listen = (f"127.0.0.1:{self.port};\n    listen 127.0.0.1:{self.tls_port} ssl;\n"
                  f"    ssl_certificate {self.made}/server.crt;\n    ssl_certificate_key {self.made}/server.key")
        path = self.write("issuer-snippet.conf", servers.snippet("nginx.conf", "", {
            servers.INSTALLED_SOCKET: socket, "127.0.0.1:8080": listen}))
        main = self.write("issuer.conf", ISSUER.format(directory=self.directory, snippet=path))
        self.run(servers.tool("nginx"), "-e", str(self.directory / "issuer.log"), "-c", str(main))
        self.wait(f"{self.issuer}/oauth2/health", 200)

    def wait(self, url, status):
        """Until what was started last serves."""
        last = []

        def answers():
            if self.processes[-1].popen.poll() is not None:
                pytest.fail(f"it ended: {self.processes[-1].output.read_text()}", pytrace=False)
            try:
                answer = requests.get(url, timeout=10)
                last.append(f"{answer.status_code} {answer.text}")
                return answer.status_code == status
            except requests.ConnectionError as error:
                last.append(str(error))
                return False
        try:
            rawfcgi.wait_until(answers, START_TIMEOUT_S, f"{url} answers {status}")
        except AssertionError:
            logs = "".join(f"--- {path}\n{path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))
            pytest.fail(f"{url} answers {last[-1]}\n{logs}", pytrace=False)

    def api(self, name, path, *arguments):
        """The location of another API, as the comments say."""
        text = self.admin("verifier", name, *arguments)
        location = re.search(r"^    location /api/ {.*?^    }\n", text, re.M | re.S)[0]
        return servers.replace(location, "/api/", path, name)

    def fill(self, name, changes, config="tls.yaml"):
        """What the command prints, but for the places of this test."""
        text = self.admin("verifier", name, *([] if name == "nginx-script" else ["--scope", SCOPE]), config=config)
        for old, new in changes.items():
            text = servers.replace(text, old, str(new), f"verifier {name}")
        return self.write(name + ".filled", text)

    def start_apache(self, name, module, extra="", config="tls.yaml"):
        modules = f"Apache's {module}"
        path = next((found for found in servers.Path("/usr/lib").glob(f"*/modules/{module}")), None)
        if path is None:
            pytest.fail(f"{modules} is not installed (Debian package {MODULES[module]}): type `make deps test`",
                        pytrace=False)
        loaded = "".join(servers.apache_module(m) for m in ("mpm_event", "authn_core", "authz_core", "authz_user",
                                                             "mime", "headers"))
        loaded += f"LoadModule {module[4:-3]}_module {path}\n"
        self.ports[name] = servers.free_port()
        main = self.write(name + ".conf", APACHE.format(
            directory=self.directory, name=name, port=self.ports[name], modules=loaded, extra=extra,
            snippet=self.fill(name, {}, config)))
        self.run(servers.tool("apache2"), "-d", str(self.directory), "-f", str(main), "-D", "FOREGROUND")
        self.wait(self.url(name), 401)

    def start_nginx(self, name, changes):
        if not servers.Path(NJS).exists():
            pytest.fail("nginx's njs is not installed (Debian package libnginx-mod-http-js): type `make deps test`",
                        pytrace=False)
        self.ports[name], backend = servers.free_port(), servers.free_port()
        others = self.api(name, "/second/", "--scope", "other", "--audience", SECOND)
        others += self.api(name, "/undefined/", "--scope", "undefined")
        others += re.sub(r" set .*", "", self.api(name, "/bare/", "--scope", SCOPE))
        snippet = self.fill(name, {
            "    location /api/ {": others + "    location /api/ {",
            "127.0.0.1:8081": f"127.0.0.1:{self.ports[name]}", "127.0.0.1:3000": f"127.0.0.1:{backend}",
            "/var/cache/nginx-oauth2-api": self.directory / f"{name}-cache",
            "js_import oauth2 from /etc/nginx/oauth2-api.js;":
                f"js_import oauth2 from {self.directory}/nginx-script.filled;",
            "/etc/ssl/certs/ca-certificates.crt": self.made / "ca.crt", **changes})
        main = self.write(name + ".conf", NGINX.format(
            directory=self.directory, name=name, njs=NJS, backend=backend, snippet=snippet))
        self.run(servers.tool("nginx"), "-e", str(self.directory / f"{name}.log"), "-c", str(main))
        self.wait(self.url(name), 401)

    def url(self, name, path="/api/"):
        return f"http://127.0.0.1:{self.ports[name]}{path}index.html"

    def ask(self, name, token, scheme="Bearer", path="/api/", **options):
        headers = {"Authorization": f"{scheme} {token}"} if token else {}
        return requests.get(self.url(name, path), headers=headers, timeout=30, **options)

    def from_endpoint(self, client="app", scope=SCOPE):
        answer = requests.post(f"{self.issuer}/oauth2/token", auth=(client, SECRET), timeout=30,
                               data={"grant_type": "client_credentials", "scope": scope})
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def claims(self, **changes):
        now = int(time.time())
        made = {"sub": "app", "aud": AUDIENCE, "nbf": now, "scope": [SCOPE], "iss": self.issuer, "exp": now + 300,
                "iat": now, "jti": str(uuid.uuid4())} | changes
        return {name: value for name, value in made.items() if value is not None}

    def sign(self, kid="rsa", alg="RS256", key=None, header=None, **changes):
        made = jws.JWS(json.dumps(self.claims(**changes)))
        protected = {"alg": alg, "kid": kid, "typ": "JWT"} | (header or {})
        protected = {name: value for name, value in protected.items() if value is not None}
        made.add_signature(key or self.keys[kid], alg, json.dumps(protected))
        return made.serialize(compact=True)

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


@pytest.fixture(scope="module")
def place(site):
    made = Place(site, site.directory / "verifier")
    try:
        made.start_issuer()
        made.fill("nginx-script", {})
        secret = base64.b64encode(f"gateway:{SECRET}".encode()).decode()
        made.write("secret.conf", f'proxy_set_header Authorization "Basic {secret}";\n')
        made.start_apache("apache-oauth2", "mod_oauth2.so", config="plain.yaml")
        made.start_apache("apache-openidc", "mod_auth_openidc.so",
                          f"OIDCCABundlePath {made.made}/ca.crt\nOIDCCryptoPassphrase x\n")
        made.start_nginx("nginx-njs", {"200 5m": "200 1s"})
        made.start_nginx("nginx-introspection", {"200 10s": "200 1s",
                                                 "/etc/nginx/oauth2-api.secret": made.directory / "secret.conf"})
        yield made
    finally:
        made.stop()


@pytest.fixture(params=SERVERS)
def server(request):
    return request.param


@pytest.mark.parametrize("client", ["app", "late"])
@pytest.mark.parametrize("scope", [SCOPE, f"{SCOPE} other", f"other {SCOPE}"])
def test_accepts_tokens_of_the_endpoint(place, server, client, scope):
    answer = place.ask(server, place.from_endpoint(client, scope))
    assert answer.status_code == 200, answer.headers
    assert client in (answer.headers.get("X-Subject"), answer.text)


@pytest.mark.parametrize("kid, alg", [("ec", "ES256"), ("pss", "PS256")])
def test_accepts_all_published_keys(place, server, kid, alg):
    """Not only of the one that signs now: also next and retired."""
    assert place.ask(server, place.sign(kid, alg)).status_code == 200


def test_accepts_one_of_several_audiences(place, server):
    assert place.ask(server, place.sign(aud=["https://x.example.com", AUDIENCE])).status_code == 200


def test_accepts_the_scheme_in_any_case(place, server):
    assert place.ask(server, place.sign(), scheme="bearer").status_code == 200


def test_accepts_a_long_token(place, server):
    assert place.ask(server, place.sign(filler="x" * 5000)).status_code == 200
    assert place.ask(server, place.sign(filler="x" * 9000)).status_code in (400, 431)


@functools.lru_cache(maxsize=None)
def stranger(kind):
    return jwk.JWK.generate(**({"kty": "RSA", "size": 2048} if kind == "RSA" else {"kty": "EC", "crv": "P-256"}))


def unsigned(place, alg="none"):
    return f"{b64({'alg': alg, 'kid': 'rsa', 'typ': 'JWT'})}.{b64(place.claims())}."


def signed_with_the_public_key(place, pem):
    text = f"{b64({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{b64(place.claims())}"
    public = place.keys["rsa"]
    secret = public.export_to_pem() if pem else public.export_public().encode()
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def changed(place, part):
    parts = place.sign().split(".")
    if part == 1:
        parts[1] = b64(place.claims(sub="root"))
    else:
        parts[2] = ("B" if parts[2][0] == "A" else "A") + parts[2][1:]
    return ".".join(parts)


# name -> how to make it
REFUSED = {
    "none": lambda p: None,
    "garbage": lambda p: "garbage",
    "three garbage": lambda p: "a.b.c",
    "signature": lambda p: changed(p, 2),
    "claims": lambda p: changed(p, 1),
    "without signature": lambda p: p.sign().rsplit(".", 1)[0] + ".",
    "strange RSA key": lambda p: p.sign(key=stranger("RSA")),
    "strange EC key": lambda p: p.sign("ec", "ES256", key=stranger("EC")),
    "issuer": lambda p: p.sign(iss="https://other.example.com"),
    "issuer with more": lambda p: p.sign(iss=p.issuer + "/"),
    "no issuer": lambda p: p.sign(iss=None),
    "audience": lambda p: p.sign(aud="https://other.example.com"),
    "audience with more": lambda p: p.sign(aud=AUDIENCE + "x"),
    "audiences": lambda p: p.sign(aud=["a", "b"]),
    "no audience": lambda p: p.sign(aud=None),
    "expired": lambda p: p.sign(exp=int(time.time()) - 5, iat=int(time.time()) - 305, nbf=int(time.time()) - 305),
    "no exp": lambda p: p.sign(exp=None),
    "exp true": lambda p: p.sign(exp=True),
    "exp below zero": lambda p: p.sign(exp=-1),
    "no subject": lambda p: p.sign(sub=None),
    "no scope": lambda p: p.sign(scope=None),
    "empty scope": lambda p: p.sign(scope=[]),
    "other scope": lambda p: p.sign(scope=["other"]),
    "scope with more": lambda p: p.sign(scope=[SCOPE + "x", "x" + SCOPE, "x." + SCOPE, SCOPE + ",x", "orders:read+1"]),
    "scope by its pattern": lambda p: p.sign(scope=["orders:readd1,#(%", "ordersxread+1,#(%", "orders:read1,#(%"]),
    "scope's case": lambda p: p.sign(scope=[SCOPE.upper()]),
    "scope text": lambda p: p.sign(scope=f"x{SCOPE} {SCOPE}x", header={"typ": "at+jwt"}),
    "scope object": lambda p: p.sign(scope={SCOPE: SCOPE}),
    "scope in an object": lambda p: p.sign(scope=["x", {SCOPE: SCOPE}]),
    "scope array in an array": lambda p: p.sign(scope=[[SCOPE]]),
    "scope array in an array, later": lambda p: p.sign(scope=["x", [SCOPE, SCOPE, "x"], "x"]),
    "scope in quotes": lambda p: p.sign(scope=[f'x", "{SCOPE}', f'x", "{SCOPE}", "x']),
    "scope text in pieces": lambda p: p.sign(scope="orders:read +1,#(%", header={"typ": "at+jwt"}),
    "alg none": unsigned,
    "alg None": lambda p: unsigned(p, "None"),
    "no alg": lambda p: f"{b64({'kid': 'rsa', 'typ': 'JWT'})}.{b64(p.claims())}.",
    "HS256 with the PEM": lambda p: signed_with_the_public_key(p, True),
    "HS256 with the JWK": lambda p: signed_with_the_public_key(p, False),
    "unknown kid": lambda p: p.sign(header={"kid": "unknown"}),
    "another's kid": lambda p: p.sign(header={"kid": "ec"}),
    "bound to a key": lambda p: p.sign(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "bound to a certificate": lambda p: p.sign(cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refuses(place, server, kind):
    answer = place.ask(server, REFUSED[kind](place))
    assert answer.status_code in (401, 403), (answer.status_code, answer.headers)
    if kind == "none":
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if answer.status_code == 403:
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    if "scope" in kind and server.startswith("nginx"):
        assert answer.status_code == 403 or kind == "scope text in pieces"


# What some of the servers cannot check; the comments of the file say so.
UNCHECKED = {
    "typ": lambda p: p.sign(header={"typ": "logout+jwt"}),
    "nbf": lambda p: p.sign(nbf=int(time.time()) + 120),
    "algorithm": lambda p: p.sign(alg="RS512"),
    "array": lambda p: p.sign(iss=[p.issuer]),
    "exp": lambda p: p.sign(exp=str(int(time.time()) + 300)),
}


@pytest.mark.parametrize("kind", UNCHECKED)
def test_what_some_cannot_check(place, server, kind):
    text = place.admin("verifier", server, "--scope", SCOPE)
    exempt = re.search(r"^# Not: +(.*?)[;:.]", text, re.M | re.S)[1]
    assert (place.ask(server, UNCHECKED[kind](place)).status_code == 200) == (kind in re.findall(r"\w+", exempt))


@pytest.mark.parametrize("name", SERVERS[2:])
@pytest.mark.parametrize("subject", [
    None, "", {"a": 1}, ["app"], 5, "a\r\nX-Admin: 1", "a\n", "\n", "a\x00b", "a\x7f", "\u00fc", "\u010a"])
def test_passes_no_strange_subject(place, name, subject):
    """It stands in a header of the request to the API."""
    assert place.ask(name, place.sign(sub=subject)).status_code == 401


@pytest.mark.parametrize("name", SERVERS[2:])
def test_several_apis(place, name):
    """One script; each location has its own audience and scope."""
    first, second = place.sign(), place.sign(scope=["other"], aud=SECOND)
    assert [place.ask(name, token).status_code for token in (first, second)] == [200, 401]
    assert [place.ask(name, token, path="/second/").status_code for token in (first, second)] == [401, 200]
    assert place.ask(name, place.sign(scope=["other"])).status_code == 403
    assert place.ask(name, place.sign(aud=SECOND), path="/second/").status_code == 403


@pytest.mark.parametrize("name", SERVERS[2:])
def test_a_location_without_its_scope(place, name):
    """Nothing passes, whatever it asks for."""
    for token in (None, place.sign(), place.sign(scope="", aud=""), place.sign(scope=None, aud="undefined")):
        assert place.ask(name, token, path="/bare/").status_code == 500
    answer = place.ask(name, place.sign(), path="/bare/", params={"oauth2_scope": SCOPE, "oauth2_audience": AUDIENCE})
    assert answer.status_code == 500
    assert "set $oauth2_scope and $oauth2_audience" in (place.directory / f"{name}.log").read_text()


@pytest.mark.parametrize("name", SERVERS[2:])
def test_a_scope_called_undefined(place, name):
    assert place.ask(name, place.sign(scope=None), path="/undefined/").status_code == 403
    assert place.ask(name, place.sign(scope=["undefined"]), path="/undefined/").status_code == 200


def test_refuses_tokens_elsewhere(place, server):
    """In the query, in a form, in a cookie, under another scheme."""
    token = place.sign()
    assert place.ask(server, token).status_code == 200
    url = place.url(server)
    for answer in (requests.get(url, params={"access_token": token}, timeout=30),
                   requests.post(url, data={"access_token": token}, timeout=30),
                   requests.get(url, cookies={"access_token": token}, timeout=30),
                   place.ask(server, token, scheme="Basic"), place.ask(server, token, scheme="DPoP")):
        assert answer.status_code == 401


def test_refuses_after_the_end(place):
    """Also a token that was accepted a moment ago: nothing is cached longer than it lives."""
    token = place.sign(exp=int(time.time()) + 4)
    assert {name: place.ask(name, token).status_code for name in SERVERS} == dict.fromkeys(SERVERS, 200)
    time.sleep(5.1)
    assert {name: place.ask(name, token).status_code for name in SERVERS} == dict.fromkeys(SERVERS, 401)


@pytest.mark.parametrize("name", BY_KEYS)
def test_takes_a_new_key(place, name):
    """Published after the keys were fetched."""
    kid = f"new-{name}"
    place.keys[kid] = jwk.JWK.generate(kty="RSA", size=2048, kid=kid)
    assert place.ask(name, place.sign()).status_code == 200
    assert place.ask(name, place.sign(kid)).status_code == 401
    place.extra.append(kid)
    place.write_key(kid)
    place.write_configs()
    rawfcgi.wait_until(lambda: kid in requests.get(f"{place.issuer}/oauth2/jwks", timeout=30).text, 10,
                       "the new key is published")
    rawfcgi.wait_until(lambda: place.ask(name, place.sign(kid)).status_code == 200, 10, "the new key is known")


def test_refuses_revoked_tokens(place):
    name = "nginx-introspection"
    token, other = place.from_endpoint(), place.from_endpoint()
    assert place.ask(name, token).status_code == 200
    place.admin("revoke", token)
    rawfcgi.wait_until(lambda: place.ask(name, token).status_code == 401, 5, "the revoked token is refused")
    assert place.ask(name, other).status_code == 200
    for name in BY_KEYS:
        assert place.ask(name, token).status_code == 200, "no server by keys learns of it"


def test_keeps_no_token_on_disk(place):
    token = place.from_endpoint()
    assert place.ask("nginx-introspection", token).status_code == 200
    kept = [path.read_bytes() for path in (place.directory / "nginx-introspection-cache").rglob("*") if path.is_file()]
    assert any(b'"active":true' in data for data in kept)
    for data in kept:
        assert token.rsplit(".", 1)[1].encode() not in data and SECRET.encode() not in data


def test_answers_500_without_the_issuer(place):
    """Never 200, and no pretext."""
    name = "nginx-introspection-alone"
    other = servers.free_port()
    filled = (place.directory / "nginx-introspection.filled").read_text()
    port = re.search(r"listen 127.0.0.1:(\d+)", filled)[1]
    place.ports[name] = servers.free_port()
    text = filled.replace(f"listen 127.0.0.1:{port}", f"listen 127.0.0.1:{place.ports[name]}")
    text = text.replace(f"localhost:{place.tls_port}", f"localhost:{other}").replace("-cache levels", "-other levels")
    snippet = place.write(name + ".filled", text)
    main = place.write(name + ".conf", NGINX.format(directory=place.directory, name=name, njs=NJS,
                                                    backend=servers.free_port(), snippet=snippet))
    place.run(servers.tool("nginx"), "-e", str(place.directory / f"{name}.log"), "-c", str(main))
    place.wait(place.url(name), 401)
    assert place.ask(name, place.sign()).status_code == 500


# Envoy and Spring Boot, by their values. The names are those of their documentation.


def values_of(place, name, *arguments, config="tls.yaml"):
    return yaml.safe_load(place.admin("verifier", name, "--scope", SCOPE, *arguments, config=config))


def envoy_filters(document):
    chain = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return {item["name"].rsplit(".", 1)[1]: item["typed_config"] for item in chain["http_filters"]}


def envoy_ids(document):
    """The conditions of the policy, all of which must hold."""
    policies = envoy_filters(document)["rbac"]["rules"]
    assert (policies["action"], list(policies["policies"])) == ("ALLOW", ["scope"])
    assert policies["policies"]["scope"]["permissions"] == [{"any": True}]
    [principal] = policies["policies"]["scope"]["principals"]
    return principal["and_ids"]["ids"]


def metadata(path, value):
    return {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": key} for key in path],
                         "value": value}}


def test_envoy(place):
    document = values_of(place, "envoy")
    filters = envoy_filters(document)
    assert list(filters) == ["jwt_authn", "rbac", "router"]
    assert filters["jwt_authn"] == {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"oauth2": {
            "issuer": place.issuer, "audiences": [AUDIENCE], "require_expiration": True, "clock_skew_seconds": 10,
            "remote_jwks": {"http_uri": {"uri": f"https://localhost:{place.tls_port}/oauth2/jwks",
                                         "cluster": "oauth2_issuer", "timeout": "2s"},
                            "cache_duration": "300s", "async_fetch": {}},
            "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
            "payload_in_metadata": "claims", "header_in_metadata": "header",
            "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "oauth2"}}]}
    present = {"present_match": True}
    assert envoy_ids(document) == [
        metadata(["claims", "scope"], {"list_match": {"one_of": {"string_match": {"exact": SCOPE}}}}),
        {"or_ids": {"ids": [metadata(["header", "typ"], {"string_match": {"exact": typ}})
                            for typ in ("JWT", "at+jwt")]}},
        {"not_id": {"or_ids": {"ids": [metadata(["claims", "cnf", "jkt"], present),
                                       metadata(["claims", "cnf", "x5t#S256"], present)]}}}]


def test_envoy_cluster(place):
    cluster = values_of(place, "envoy")["static_resources"]["clusters"][1]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert (cluster["name"], cluster["load_assignment"]["cluster_name"]) == ("oauth2_issuer", "oauth2_issuer")
    assert endpoint["address"]["socket_address"] == {"address": "localhost", "port_value": place.tls_port}
    tls = cluster["transport_socket"]["typed_config"]
    validation = tls["common_tls_context"]["validation_context"]
    assert tls["sni"] == "localhost"
    assert validation["trusted_ca"] == {"filename": "/etc/ssl/certs/ca-certificates.crt"}
    assert validation["match_typed_subject_alt_names"] == [{"san_type": "DNS", "matcher": {"exact": "localhost"}}]
    plain = values_of(place, "envoy", config="plain.yaml")["static_resources"]["clusters"][1]
    assert "transport_socket" not in plain


@pytest.mark.parametrize("host, address", [
    ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("[2001:DB8:0::1]", "2001:db8::1")])
def test_envoy_cluster_by_address(small, host, address):
    """A certificate has it as an address, in its canonical form, and no name to ask for."""
    text = good(small("envoy", issuer=f"https://{host}:8443/x"))
    cluster = yaml.safe_load(text)["static_resources"]["clusters"][1]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"] == {"address": address, "port_value": 8443}
    tls = cluster["transport_socket"]["typed_config"]
    assert "sni" not in tls
    assert tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"] == [
        {"san_type": "IP_ADDRESS", "matcher": {"exact": address}}]


def test_spring_boot(place):
    assert values_of(place, "spring-boot") == {"spring": {"security": {"oauth2": {"resourceserver": {"jwt": {
        "issuer-uri": place.issuer, "jwk-set-uri": f"https://localhost:{place.tls_port}/oauth2/jwks",
        "jws-algorithms": ["RS256", "PS256", "ES256"], "audiences": [AUDIENCE]}}}}}}


def test_spring_boot_java(place):
    text = place.admin("verifier", "spring-boot-java", "--scope", SCOPE)
    assert f'SCOPE = "{SCOPE}";' in text
    assert 'TYPES = List.of("JWT", "at+jwt");' in text
    assert 'List.of("RS256", "PS256", "ES256").forEach(' in text
    assert 'hasAuthority("SCOPE_" + SCOPE)' in text
    for name in ("issuer-uri", "jwk-set-uri", "audiences[0]"):
        assert f'PROPERTIES + "{name}}}"' in text
    text = re.sub(r'"[^"]*"', "", text)
    for opening, closing in ("()", "{}"):
        assert text.count(opening) == text.count(closing)


# The command.


SMALL = """\
issuer: https://auth.example.com
signing_keys: [{{file: {key}, state: active}}]
scopes: {scopes}
access_token: {token}
clients: {clients}
"""


@pytest.fixture
def small(place, tmp_path):
    """Runs the command with a configuration of its own: small(arguments, scopes=…) -> process."""
    def run(*arguments, scopes="{read: }", token="{audience: [https://a.example.com]}", clients="{}", key="rsa",
            issuer=None):
        text = SMALL.format(key=place.directory / f"{key}.pem", scopes=scopes, token=token, clients=clients)
        if issuer:
            text = text.replace("https://auth.example.com", issuer)
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return subprocess.run([place.site.build / "oauth2-admin", "verifier", "-c", tmp_path / "c.yaml", *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
    return run


def good(done):
    assert (done.returncode, done.stderr) == (DONE, "")
    return done.stdout


def api(text):
    """What nginx-njs sets for its API."""
    return {name: json.loads(value) for name, value in re.findall(r"^        set \$oauth2_(\w+) (.*);$", text, re.M)}


def script(text):
    return {name: json.loads(value) for name, value in re.findall(r"^const ([A-Z]+) = ([\[\"].*);$", text, re.M)}


def test_list(place):
    lines = place.admin("verifier").splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    listed = json.loads(place.admin("verifier", "--json"))
    assert [item["name"] for item in listed] == NAMES
    assert all(set(item) == {"name", "file", "text"} and item["text"] in line for item, line in zip(listed, lines))


@pytest.mark.parametrize("name", NAMES)
def test_json_is_the_same(place, name):
    arguments = ["verifier", name] + ([] if name == "nginx-script" else ["--scope", SCOPE])
    found = json.loads(place.admin(*arguments, "--json"))
    text = place.admin(*arguments)
    assert (found["name"], found["text"]) == (name, text)
    assert found["file"] in text
    assert "{{" not in text and text.endswith("\n")
    for line in ("Where:", "Needs:", "Test:", "Checked:"):
        assert re.search(rf"^(#|//) {line} ", text, re.M), line


@pytest.mark.parametrize("name, hint", [("envoi", '; did you mean "envoy"?'), ("x", "lists them"), ("", "lists them")])
def test_unknown_names(place, name, hint):
    error = place.admin("verifier", name, status=USAGE)
    assert f'unknown name "{name}"' in error and hint in error


def test_names_are_shown_escaped(place):
    for arguments, status in ((["x\x1b[31m"], USAGE), (["envoy", "--scope", "x\x1b[31m"], FAILED)):
        error = place.admin("verifier", *arguments, status=status)
        assert '"x\\u001b[31m"' in error and "\x1b" not in error


def test_the_only_scope_and_audience(small):
    assert api(good(small("nginx-njs"))) == {"audience": "https://a.example.com", "scope": "read"}


def test_the_scopes_audience_comes_first(small):
    assert api(good(small("nginx-njs", scopes="{read: {audience: urn:x}}")))["audience"] == "urn:x"
    assert api(good(small("nginx-njs", "--audience", "y", scopes="{read: {audience: urn:x}}")))["audience"] == "y"


@pytest.mark.parametrize("clients, types", [
    ("{}", ["JWT"]),
    ("{a: {scopes: [x], grants: [], token_profile: rfc9068}}", ["at+jwt"]),
    ("{a: {scopes: [x], grants: [], token_profile: rfc9068}, b: {grants: []}}", ["at+jwt"]),
    ("{a: {scopes: [x], grants: [], token_profile: rfc9068}, b: {scopes: [read], grants: []}}", ["JWT", "at+jwt"]),
])
def test_one_script_for_all_apis(small, clients, types):
    done = small("nginx-script", clients=clients, token="{}", scopes="{read: , x: }")
    assert script(good(done)) == {"ISSUER": "https://auth.example.com", "TYPES": types, "ALGORITHMS": ["RS256"]}


@pytest.mark.parametrize("option", ["--scope", "--audience"])
def test_the_script_is_of_no_api(small, option):
    done = small("nginx-script", option, "read")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "nginx-script is the same for all APIs, and takes no --scope and no --audience" in done.stderr


@pytest.mark.parametrize("options, status, hint", [
    ({"token": "{}"}, USAGE, "the aud of a token is its client's id"),
    ({"token": "{audience: [a, b]}"}, USAGE, "access_token.audience has 2"),
    ({"scopes": "{read: , write: }"}, USAGE, "--scope is missing: the configuration has 2 scopes"),
    ({"scopes": "{}"}, FAILED, "there is no scope that the API could ask for"),
])
def test_what_is_missing(small, options, status, hint):
    done = small("envoy", **options)
    assert (done.returncode, done.stdout) == (status, "")
    assert hint in done.stderr


def test_unknown_scope(small):
    done = small("envoy", "--scope", "oders", scopes="{orders: }")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert 'there is no scope "oders"; did you mean "orders"?' in done.stderr
    assert 'there is no scope "x"\n' in small("envoy", "--scope", "x").stderr


@pytest.mark.parametrize("clients, token, types", [
    ("{}", "{profile: rfc9068, audience: [a]}", ["at+jwt"]),
    ("{a: {scopes: [read], grants: [], token_profile: rfc9068}}", "{audience: [a]}", ["at+jwt"]),
    ("{a: {scopes: [read], grants: []}, b: {scopes: [read], grants: [], token_profile: rfc9068}}", "{audience: [a]}",
     ["JWT", "at+jwt"]),
    ("{a: {scopes: [read], grants: []}, b: {scopes: [x], grants: [], token_profile: rfc9068}}", "{audience: [a]}",
     ["JWT"]),
])
def test_profiles_of_those_who_get_the_scope(small, clients, token, types):
    done = small("spring-boot-java", "--scope", "read", clients=clients, token=token, scopes="{read: , x: }")
    assert json.loads("[" + re.search(r"TYPES = List.of\((.*)\);", good(done))[1] + "]") == types
    done = small("envoy", "--scope", "read", clients=clients, token=token, scopes="{read: , x: }")
    choices = envoy_ids(yaml.safe_load(done.stdout))[1]["or_ids"]["ids"]
    assert [item["metadata"]["value"]["string_match"]["exact"] for item in choices] == types
    provider = envoy_filters(yaml.safe_load(done.stdout))["jwt_authn"]["providers"]["oauth2"]
    assert ("normalize_payload_in_metadata" in provider) == ("at+jwt" in types)


@pytest.fixture(scope="module")
def edwards(place):
    place.keys["ed"] = jwk.JWK.generate(kty="OKP", crv="Ed25519")
    place.write_key("ed")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("edwards")
def test_algorithms_that_it_lacks(small, name):
    done = small(name, key="ed")
    if name in ("envoy", "nginx-script"):
        assert done.returncode == DONE
    elif name == "nginx-introspection":
        assert (done.returncode, "introspection is not offered" in done.stderr) == (FAILED, True)
    else:
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert f"{name} cannot verify EdDSA" in done.stderr


def test_https_only(place):
    error = place.admin("verifier", "apache-openidc", "--scope", SCOPE, config="plain.yaml", status=FAILED)
    assert "fetches the keys by https only" in error


HARD = 'a"b\\c d\'e;f#g{h}i%j<k>ü☃'


@pytest.mark.parametrize("name", ["apache-oauth2", "nginx-njs", "envoy", "spring-boot"])
def test_quoting(small, name):
    text = good(small(name, "--audience", HARD))
    if name == "apache-oauth2":
        assert '"aud:a\\"b\\\\c d\'e;f#g{h}i%j<k>ü☃"' in text
    elif name == "nginx-njs":
        assert api(text)["audience"] == HARD
    elif name == "envoy":
        assert envoy_filters(yaml.safe_load(text))["jwt_authn"]["providers"]["oauth2"]["audiences"] == [HARD]
    else:
        assert yaml.safe_load(text)["spring"]["security"]["oauth2"]["resourceserver"]["jwt"]["audiences"] == [HARD]


@pytest.mark.parametrize("name, value", [
    *[(name, value) for name in NAMES if name not in ("nginx-introspection", "nginx-script")
      for value in ("a\nb", "a\rb", "a\tb", "a\x7fb", "${HOME}")],
    *[(name, "#{x}") for name in NAMES[5:]],
    ("nginx-njs", "$host"), ("apache-openidc", 'a"b'), ("apache-openidc", "a\\b"), ("apache-openidc", "a%{b}"),
])
def test_quoting_refused(small, name, value):
    done = small(name, "--audience", value)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == f"oauth2-admin: the audience has characters that cannot stand in a file for {name}\n"


def test_scope_refused(small):
    done = small("apache-openidc", scopes="{a^b: }")
    assert (done.returncode, done.stderr) == (
        FAILED, "oauth2-admin: the scope has characters that cannot stand in a file for apache-openidc\n")


def test_wrong_usage(place):
    assert "--audience must not be empty" in place.admin(
        "verifier", "envoy", "--scope", SCOPE, "--audience", "", status=USAGE)
    assert "unexpected argument" in place.admin("verifier", "envoy", "x", status=USAGE)
    assert "--scope S" in place.admin("verifier", "--help")


def test_broken_configuration(place, tmp_path):
    (tmp_path / "c.yaml").write_text("isuer: x\n", encoding="utf-8")
    error = place.admin("verifier", "envoy", config=tmp_path / "c.yaml", status=FAILED)
    assert "c.yaml:1:1: error:" in error
