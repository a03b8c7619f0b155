# SPDX-License-Identifier: MIT
"""The six paths from a client to the program: real web servers with the files of etc/ themselves."""

import contextlib
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import certificates
import configurations
import http_client
import rawfcgi

ETC = Path(__file__).resolve().parents[2] / "etc"

# name -> the function that starts it
FRONTS = {}

PACKAGES = {
    "lighttpd": "lighttpd",
    "apache2": "apache2",
    "nginx": "nginx",
    "mod_fcgid.so": "libapache2-mod-fcgid",
    "openssl": "openssl",
    "redis-server": "redis-server",
    "strace": "strace",
    "unshare": "util-linux",
    "systemd-analyze": "systemd",
    "mod_openssl.so": "lighttpd-mod-openssl",
}

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10

# The places that the files of etc/ name.
INSTALLED_PROGRAM = "/usr/local/libexec/oauth2.fcgi"
INSTALLED_DIRECTORY = "/usr/local/libexec"
INSTALLED_CONFIGURATION = "/etc/oauth2-fcgi/oauth2.yaml"
INSTALLED_SOCKET = "/run/oauth2-fcgi/oauth2.sock"
INSTALLED_LIGHTTPD_SOCKET = "/run/lighttpd/oauth2-fcgi.sock"
INSTALLED_CA = "/etc/oauth2-fcgi/client-ca.pem"

APACHE_COMMON = ["authz_core", "mime", "ssl", "socache_shmcb"]


def tool(name):
    """The path of a server or tool; a test that needs a missing one fails."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        package = PACKAGES.get(name, name)
        pytest.fail(f"{name} is not installed (Debian package {package}): type `make deps test`",
                    pytrace=False)
    return path


def module(server, name, folders, default):
    """The path of a web server's module; a test that needs a missing one fails."""
    for folder in folders:
        path = Path(folder, f"mod_{name}.so")
        if path.exists():
            return path
    package = PACKAGES.get(f"mod_{name}.so", default)
    pytest.fail(f"{server}'s mod_{name} is not installed (Debian package {package}): type `make deps test`",
                pytrace=False)


def apache_module(name):
    """The LoadModule line of an Apache module."""
    path = module("Apache", name, ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules",
                                   "/usr/lib/httpd/modules"], "apache2")
    return f"LoadModule {name}_module {path}\n"


def server_user():
    """Whom the servers run as: ourselves, or somebody without rights if we are root (Apache insists)."""
    if os.geteuid() != 0:
        return None
    for name in ("www-data", "apache", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("run as root, the tests need a user www-data, apache or nobody", pytrace=False)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def replace(text, old, new, where):
    """Replace a text that must be there: a file of etc/ that was changed must not go untested."""
    if old not in text:
        pytest.fail(f"{where} has no {old!r} any more; the test must be told", pytrace=False)
    return text.replace(old, new)


def move_endpoints(text, prefix):
    """What a user with an issuer below a path changes: the endpoints move, the files do not."""
    text = re.sub(r'/oauth2(?=["/])', prefix + "/oauth2", text)
    text = re.sub(r"/\\?\.well-known/oauth-authorization-server", r"\g<0>" + prefix, text)
    return re.sub(r"/\\?\.well-known/openid-configuration", prefix + r"\g<0>", text)


def snippet(name, prefix, changes):
    """The text of a file of etc/ with only paths and ports replaced."""
    text = (ETC / name).read_text()
    for index, old in enumerate(changes):
        text = replace(text, old, f"\0{index}\0", "etc/" + name)
    if prefix:
        text = move_endpoints(text, prefix)
    for index, new in enumerate(changes.values()):
        text = text.replace(f"\0{index}\0", str(new))
    return text


class Process:
    """A server in the foreground, in a session of its own; stop() leaves nothing of it."""

    def __init__(self, command, directory, user, env=None):
        self.directory = Path(directory)
        self.output = self.directory / f"{Path(command[0]).name}.out"
        rights = {}
        if user:
            rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with open(self.output, "ab") as output:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                start_new_session=True, env=env or {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, **rights)

    def members(self):
        """{pid: command line} of the server and its children."""
        return {pid: line for pid, _, session, line in processes() if session == self.popen.pid}

    def stop(self):
        """Ask, wait, then kill."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline and (self.popen.poll() is None or self.members()):
            time.sleep(0.01)
        kill(self.members())
        self.popen.wait()


def processes():
    """(pid, parent, session, command line) of all that run here."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            _, parent, _, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, IndexError):
            continue
        if line:
            yield int(entry.name), int(parent), int(session), line


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Front:
    """One web server with one configuration of the program behind it."""

    def __init__(self, site, name, configuration, starter):
        self.site = site
        self.name = name
        self.starter = starter
        self.keeps_process = getattr(starter, "keeps_process", False)
        self.configuration = configuration
        self.settings = configurations.CONFIGURATIONS[configuration]
        self.directory = site.directory / f"{name}.{configuration}"
        self.port = free_port()
        self.tls_port = None
        self.socket = None
        self.processes = []
        self.known_workers = set()
        self.ready = False

    # What is the same for all.

    def start(self):
        self.directory.mkdir()
        (self.directory / "run").mkdir()
        (self.directory / "tmp").mkdir()
        (self.directory / "htdocs").mkdir()
        self.program = self.site.install_program(self.directory / "libexec")
        state = run_redis(self) if self.settings.redis else "lmdb:state"
        self.config_file = configurations.write(self.configuration, self.directory / "etc", self.site, state)
        self.log = http_client.LogFile(self.directory / "etc" / "oauth2.log")
        self.starter(self)
        self.wait_until_ready()
        self.known_workers = self.workers()
        self.ready = True

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *command, env=None):
        self.site.give_away(self.directory)
        self.processes.append(Process(command, self.directory, self.site.user, env))

    def snippet(self, name, changes):
        return snippet(name, self.settings.prefix, changes)

    @property
    def client_ca(self):
        """For the web server's client-ca.pem."""
        return self.site.certificates.directory / "ca.crt"

    def wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        request = http_client.build("GET", self.path("health"), [("X-Forwarded-Proto", "https")])
        last = "no answer"
        while time.monotonic() < deadline:
            if any(process.popen.poll() is not None for process in self.processes):
                break
            try:
                answer = self.exchange(request)
                if answer is not None and answer.status == 200:
                    return
                last = f"{answer and answer.status}: {answer and answer.body[:200]}"
            except OSError as error:
                last = str(error)
            time.sleep(0.01)
        output = "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
                         for path in sorted(self.directory.glob("*.out"))
                         + sorted(self.directory.glob("*.log"))
                         + sorted(self.directory.glob("etc/*.log")))
        pytest.fail(f"{self.name} ({self.configuration}) does not serve: {last}\n{output}", pytrace=False)

    def path(self, path):
        """The path of an endpoint, or a path from the root as it is."""
        return path if path.startswith("/") else f"{self.settings.prefix}/oauth2/{path}"

    def exchange(self, request, certificate=None, tls=None, **options):
        """Send a request; over TLS if that is this configuration's way, with a client certificate."""
        tls = self.settings.over_tls if tls is None else tls
        return http_client.exchange(
            self.tls_port if tls else self.port, request, tls=tls,
            certificate=self.site.certificates.pair(certificate) if certificate else None, **options)

    def workers(self):
        """The program's processes that serve, and their supervisors, which we start. Others help one of them for a
        moment: with its filter, or a slow hash."""
        parents = {pid: parent for pid, parent, _, line in processes() if f"{self.directory}/" in line
                   and re.search(r"(^|/| )oauth2\.fcgi( |$)", line) and not line.startswith("/bin/sh")}
        started = {process.popen.pid for process in self.processes}
        return {pid for pid, parent in parents.items() if parent not in parents or parent in started}

    def check_workers(self):
        """A process that was there is there still: no request may end one."""
        if not self.keeps_process:
            return
        now = self.workers()
        gone = self.known_workers - now
        self.known_workers = now
        assert not gone, f"{self.name}: {len(gone)} of the program's processes died"

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        # Whoever left its server's session.
        kill([pid for pid, _, _, line in processes() if f"{self.directory}/" in line])

    def complaints(self):
        """What sanitizers wrote, wherever the server put the program's standard error."""
        pattern = re.compile(r"ERROR: \w+Sanitizer|runtime error:|^==\d+== \S", re.M)
        for path in self.directory.rglob("*"):
            if path.is_file() and path.suffix in (".out", ".log", ".memory"):
                text = path.read_text(errors="replace")
                found = pattern.search(text)
                if found:
                    yield f"{path}:\n{text[found.start():found.start() + 3000]}"


def front(name, keeps_process=True):
    def register(function):
        FRONTS[name] = function
        function.keeps_process = keeps_process
        return function
    return register


# lighttpd

LIGHTTPD = """
server.document-root = "{directory}/htdocs"
server.bind = "127.0.0.1"
server.port = {port}
server.upload-dirs = ( "{directory}/tmp" )
server.errorlog = "{directory}/error.log"
server.breakagelog = "{directory}/program.log"
server.error-intercept = "enable"
server.errorfile-prefix = "{directory}/htdocs/replaced-"
server.max-keep-alive-idle = 1
{tls}
include "{snippet}"
"""

LIGHTTPD_TLS = """
server.modules += ( "mod_openssl" )
$SERVER["socket"] == "127.0.0.1:{port}" {{
    ssl.engine = "enable"
    ssl.pemfile = "{certificate}"
}}
"""

# What a user does who switches client certificates on.
LIGHTTPD_CERTIFICATES = ['ssl.verifyclient.activate = "enable"', 'ssl.verifyclient.enforce = "disable"',
                         'ssl.verifyclient.exportcert = "enable"',
                         f'ssl.verifyclient.ca-file = "{INSTALLED_CA}"']


def lighttpd_tls(front, changes):
    """The text for TLS; `changes` get those for client certificates."""
    if not front.settings.has_tls:
        return ""
    module("lighttpd", "openssl", ["/usr/lib/lighttpd", "/usr/lib64/lighttpd"], "lighttpd")
    made = front.site.certificates.directory
    if front.settings.client_certificates:
        own = front.settings.client_certificates == "optional_no_ca"
        trusted = made / "ca-and-self.crt" if own else front.client_ca
        changes |= {"#" + line: line.replace(INSTALLED_CA, str(trusted)) for line in LIGHTTPD_CERTIFICATES}
    front.tls_port = free_port()
    return LIGHTTPD_TLS.format(port=front.tls_port, certificate=made / "server.pem")


def run_lighttpd(front, name, changes):
    for status in (400, 401, 404, 405, 411, 413, 503):
        front.write(f"htdocs/replaced-{status}.html", "replaced by the web server")
    tls = lighttpd_tls(front, changes)
    path = front.write("snippet.conf", front.snippet(name, changes))
    main = front.write("lighttpd.conf", LIGHTTPD.format(
        directory=front.directory, port=front.port, snippet=path, tls=tls))
    front.run(tool("lighttpd"), "-D", "-f", str(main))


@front("lighttpd-fcgi")
def lighttpd_fcgi(front):
    run_lighttpd(front, "lighttpd.conf", {
        INSTALLED_PROGRAM: front.program,
        INSTALLED_CONFIGURATION: front.config_file,
        INSTALLED_LIGHTTPD_SOCKET: front.directory / "run/oauth2.sock",
    })


@front("lighttpd-cgi", keeps_process=False)
def lighttpd_cgi(front):
    run_lighttpd(front, "lighttpd-cgi.conf", {
        INSTALLED_PROGRAM: front.program,
        INSTALLED_CONFIGURATION: front.config_file,
    })


# Apache. ErrorDocument is there to show that the program's own answers reach the client.

APACHE = """
ServerRoot {directory}
DefaultRuntimeDir {directory}/run
PidFile {directory}/run/apache.pid
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
ErrorLog {directory}/error.log
TypesConfig /dev/null
DocumentRoot {directory}/htdocs
Timeout 10
KeepAliveTimeout 1
StartServers 1
ServerLimit 2
{threads}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory {directory}/htdocs>
    Require all granted
</Directory>
{errors}
{extra}
Include {snippet}
{tls}
"""

APACHE_TLS = """
Listen 127.0.0.1:{port}
SSLSessionCache "shmcb:{directory}/run/sessions(512000)"
<VirtualHost 127.0.0.1:{port}>
    SSLEngine on
    SSLCertificateFile {certificates}/server.crt
    SSLCertificateKeyFile {certificates}/server.key
    Include {snippet}
{more}</VirtualHost>
"""

# What a user does who switches client certificates on.
APACHE_CERTIFICATES = {
    "optional": ["SSLVerifyClient optional"],
    "optional_no_ca": ["SSLVerifyClient optional_no_ca", "SSLProtocol -all +TLSv1.3"],
}
APACHE_CA = f'SSLCACertificateFile "{INSTALLED_CA}"'
APACHE_EXPORT = "SSLOptions +StdEnvVars +ExportCertData"


def apache_certificates(front):
    """The changes to a file of etc/ that switch client certificates on."""
    wanted = front.settings.client_certificates
    if not wanted:
        return {}
    return {**{f"#{line}\n": f"{line}\n" for line in [*APACHE_CERTIFICATES[wanted], APACHE_EXPORT]},
            f"#{APACHE_CA}\n": f"{APACHE_CA}\n".replace(INSTALLED_CA, str(front.client_ca))}


def apache_text(front, path, modules, extra="", mpm="event", tls_path=None, more=""):
    """The main configuration of a test's Apache that includes the file at `path`, and, with TLS, the one
    at `tls_path`."""
    threads = "MaxRequestWorkers 2"
    if mpm != "prefork":
        threads = "MinSpareThreads 1\nThreadsPerChild 16\nMaxRequestWorkers 32"
    tls = ""
    if front.settings.has_tls:
        front.tls_port = free_port()
        tls = APACHE_TLS.format(port=front.tls_port, certificates=front.site.certificates.directory,
                                snippet=tls_path or path, directory=front.directory, more=more)
    return APACHE.format(
        directory=front.directory, port=front.port, snippet=path, threads=threads, extra=extra,
        tls=tls, modules="".join(apache_module(m) for m in [f"mpm_{mpm}", *APACHE_COMMON, *modules]),
        errors="\n".join(f'ErrorDocument {status} "replaced by the web server"'
                         for status in (400, 401, 404, 405, 411, 413, 503)))


def run_apache(front, text):
    main = front.write("apache.conf", text)
    front.run(tool("apache2"), "-d", str(front.directory), "-f", str(main), "-D", "FOREGROUND")


def apache_snippet(front, name, changes, modules, extra="", mpm="event"):
    path = front.write("snippet.conf", front.snippet(name, changes))
    tls_path = front.write("tls-snippet.conf", front.snippet(name, changes | apache_certificates(front)))
    run_apache(front, apache_text(front, path, modules, extra, mpm, tls_path))


def installed_in_apache(front):
    return {
        INSTALLED_PROGRAM: front.program,
        INSTALLED_DIRECTORY + '"': f'{front.program.parent}"',
        INSTALLED_CONFIGURATION: front.config_file,
    }


@front("apache-fcgid")
def apache_fcgid(front):
    extra = (f"FcgidIPCDir {front.directory}/run\nFcgidProcessTableFile {front.directory}/run/table\n"
             "FcgidIdleTimeout 0\nFcgidProcessLifeTime 0\n")
    apache_snippet(front, "apache-fcgid.conf", installed_in_apache(front), ["alias", "fcgid"], extra)


@front("apache-cgid", keeps_process=False)
def apache_cgid(front):
    apache_snippet(front, "apache-cgi.conf", installed_in_apache(front), ["alias", "env", "cgid"],
                   f"ScriptSock {front.directory}/run/cgid.sock")


def run_listener(front):
    """The program as a service of its own; both kinds of server then talk to its socket."""
    sock = front.socket = front.directory / "run/oauth2.sock"
    front.run(str(front.program), "--config", str(front.config_file), "--listen", str(sock))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not sock.exists() and time.monotonic() < deadline and front.processes[-1].popen.poll() is None:
        time.sleep(0.01)
    return sock


@front("apache-proxy")
def apache_proxy(front):
    apache_snippet(front, "apache-proxy-fcgi.conf", {INSTALLED_SOCKET: run_listener(front)},
                   ["proxy", "proxy_fcgi"], "ProxyErrorOverride On\n")


# nginx

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/run/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    lingering_timeout 200ms;
    client_body_temp_path {directory}/tmp/body;
    fastcgi_temp_path {directory}/tmp/fastcgi;
    proxy_temp_path {directory}/tmp/proxy;
    scgi_temp_path {directory}/tmp/scgi;
    uwsgi_temp_path {directory}/tmp/uwsgi;
    fastcgi_intercept_errors on;
    error_page 401 404 405 503 /replaced.html;
    include {snippet};
}}
"""


@front("nginx")
def nginx(front):
    front.write("htdocs/replaced.html", "replaced by the web server")
    listen = f"127.0.0.1:{front.port}"
    changes = {}
    if front.settings.has_tls:
        front.tls_port = free_port()
        made = front.site.certificates.directory
        listen += (f";\n    listen 127.0.0.1:{front.tls_port} ssl;\n"
                   "    ssl_session_cache shared:sessions:1m;\n"
                   "    ssl_protocols TLSv1.2 TLSv1.3;\n"
                   f"    ssl_certificate {made}/server.crt;\n"
                   f"    ssl_certificate_key {made}/server.key")
    if front.settings.client_certificates:
        changes = {"#ssl_verify_client optional;": f"ssl_verify_client {front.settings.client_certificates};",
                   f"#ssl_client_certificate {INSTALLED_CA};": f"ssl_client_certificate {front.client_ca};"}
    path = front.write("snippet.conf", front.snippet("nginx.conf", {
        INSTALLED_SOCKET: run_listener(front),
        "127.0.0.1:8080": listen,
        **changes,
    }))
    main = front.write("nginx.conf", NGINX.format(directory=front.directory, snippet=path))
    front.run(tool("nginx"), "-p", str(front.directory), "-e", str(front.directory / "error.log"),
              "-c", str(main))


# No web server: what the program answers to what a web server would send. Tables of dozens of rows that
# no web server has an influence on go this way.

DIRECT = "fastcgi"


class Direct(Front):
    """The program's own socket."""

    def exchange(self, request, certificate=None, source=None, tls=None, variables=None, **_):
        """The request as the variables that a web server makes of it; other variables beside or instead."""
        head, _, body = request.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        method, url, _ = line.split(" ")
        path, _, query = url.partition("?")
        made = {"REQUEST_METHOD": method, "SCRIPT_NAME": path, "QUERY_STRING": query,
                "REMOTE_ADDR": source or "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}
        if self.settings.over_tls if tls is None else tls:
            made |= {"HTTPS": "on", "SSL_CLIENT_VERIFY": "SUCCESS" if certificate else "NONE"}
        if certificate:
            made["SSL_CLIENT_CERT"] = self.site.certificates.pem(certificate)
        encoded = rawfcgi.pairs(made | (variables or {}))
        for header in headers:
            name, _, value = header.partition(": ")
            name = name.upper().replace("-", "_")
            encoded += rawfcgi.pairs({name if name.startswith("CONTENT_") else "HTTP_" + name: value})
        answer = rawfcgi.exchange(self.socket, rawfcgi.begin() + rawfcgi.stream(rawfcgi.PARAMS, encoded)
                                  + rawfcgi.stream(rawfcgi.STDIN, body))
        return answer and http_client.Answer(
            b"HTTP/1.1 %d x\r\n" % answer.status + answer.head + b"\r\n\r\n" + answer.body, method)


def direct(front):
    run_listener(front)


direct.keeps_process = True


def run_redis(front):
    """A Redis server that keeps nothing on disk; its address for `state:`."""
    front.redis_port = free_port()
    front.run(tool("redis-server"), "--bind", "127.0.0.1", "--port", str(front.redis_port), "--save", "",
              "--appendonly", "no", "--dir", str(front.directory / "run"))
    rawfcgi.wait_until(lambda: is_open(front.redis_port), START_TIMEOUT_S, "redis-server answers")
    return f"redis://127.0.0.1:{front.redis_port}/0"


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """All fronts of a test run: started when first asked for, stopped together."""

    def __init__(self, build, directory, under):
        self.build = build
        self.directory = directory
        self.under = under
        self.user = server_user()
        self.fronts = {}
        directory.chmod(0o755)
        self.keys = directory / "keys"
        configurations.make_keys(self.keys, tool("openssl"))
        self.give_away(self.keys)

    @functools.cached_property
    def certificates(self):
        made = certificates.Certificates(self.directory / "certificates", tool("openssl"))
        self.give_away(made.directory)
        return made

    def give_away(self, path):
        """Everything below to the user that the servers run as."""
        if not self.user:
            return
        for item in [path, *path.rglob("*")]:
            # A program that runs already may have files that are gone again.
            with contextlib.suppress(FileNotFoundError):
                os.chown(item, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def install_program(self, directory):
        """The program at a place of its own, if wanted under a tool such as valgrind."""
        source = self.build / "oauth2.fcgi"
        if not source.exists():
            pytest.fail(f"{source} is missing: type `make`", pytrace=False)
        directory.mkdir()
        program = directory / "oauth2.fcgi"
        if not self.under:
            shutil.copy(source, program)
            return program
        inner = directory / "inner" / "oauth2.fcgi"
        inner.parent.mkdir()
        shutil.copy(source, inner)
        under = self.under.replace("%d", str(directory))
        program.write_text(f'#!/bin/sh\nexec {under} {inner} "$@"\n')
        program.chmod(0o755)
        return program

    def front(self, name, configuration, starter=None):
        key = (name, configuration)
        if key not in self.fronts:
            kind = Direct if name == DIRECT else Front
            self.fronts[key] = kind(self, name, configuration, starter or FRONTS.get(name, direct))
            self.fronts[key].start()
        found = self.fronts[key]
        if not found.ready:
            pytest.fail(f"{name} ({configuration}) did not start", pytrace=False)
        return found

    def stop(self):
        for running in self.fronts.values():
            running.stop()

    def complaints(self):
        return [text for running in self.fronts.values() for text in running.complaints()]
