# SPDX-License-Identifier: MIT
"""The program behind each web server, by the files of etc/ with paths and ports changed alone."""
import contextlib
import os
import pathlib
import shutil

from processes import (CAPABILITIES, Failed, PROGRAM, Process, children_ns, cpu_ns, free_port, is_program,
                       memory_kb, output_of, read, tool, wait_for)
from sites import LOG

ETC = pathlib.Path(__file__).resolve().parents[2] / "etc"

# The places that the files of etc/ name.
INSTALLED_PROGRAM = "/usr/local/libexec/oauth2.fcgi"
INSTALLED_DIRECTORY = '"/usr/local/libexec"'
INSTALLED_CONFIGURATION = "/etc/oauth2-fcgi/oauth2.yaml"
INSTALLED_SOCKET = "/run/oauth2-fcgi/oauth2.sock"
INSTALLED_LIGHTTPD_SOCKET = "/run/lighttpd/oauth2-fcgi.sock"

NGINX = """
daemon off;
pid {directory}/nginx.pid;
worker_processes auto;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""

LIGHTTPD = """
server.document-root = "{directory}/htdocs"
server.bind = "127.0.0.1"
server.port = {port}
server.upload-dirs = ( "{directory}" )
server.errorlog = "{directory}/error.log"
include "{directory}/site.conf"
"""

# As many threads from the start as there will ever be: none is started while we measure.
APACHE = """
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
ErrorLog {directory}/error.log
DocumentRoot {directory}/htdocs
StartServers 2
ThreadsPerChild 64
MinSpareThreads 128
MaxSpareThreads 128
MaxRequestWorkers 128
<Directory />
    AllowOverride None
    Require all denied
</Directory>
{more}
Include {directory}/site.conf
"""

FCGID = """
FcgidIPCDir {directory}
FcgidProcessTableFile {directory}/table
FcgidIdleTimeout 0
FcgidProcessLifeTime 0
FcgidPassHeader Authorization
"""


def site(directory, name, changes):
    """site.conf: the text of a file of etc/ with other paths and ports."""
    text = (ETC / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        if old not in text:
            raise Failed(f"etc/{name} has no {old!r} any more")
        text = text.replace(old, str(new))
    pathlib.Path(directory, "site.conf").write_text(text, encoding="utf-8")


def write(directory, name, text):
    path = pathlib.Path(directory, name)
    path.write_text(text, encoding="utf-8")
    return str(path)


class Server:
    """What answers at a port of its own, with all of its processes."""

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.processes = []

    def begin(self):
        """Serve; what fails leaves nothing running."""
        try:
            self.start()
            wait_for(self.port, self.processes[-1])
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/oauth2/token"

    def start(self):
        raise NotImplementedError

    def run(self, *command, **environment):
        self.processes.append(Process(self.directory, *command, **environment))

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def pids(self):
        return [pid for process in self.processes for pid in process.members()]

    def all_kb(self):
        """Memory of all processes together, as Rss and as Pss."""
        pids = self.pids()
        return tuple(sum(memory_kb(pid, name) for pid in pids) for name in ("Rss", "Pss"))


class Front(Server):
    """A web server with the program behind it, and a configuration of its own."""

    ends_programs = False  # a process for each request
    warm_s = 1

    def __init__(self, build, directory, configure):
        super().__init__(directory)
        os.makedirs(f"{directory}/htdocs")
        self.program = shutil.copy(f"{build}/{PROGRAM}", directory)
        self.configuration = f"{directory}/conf/oauth2.yaml"
        self.key = f"{directory}/conf/key.pem"
        configure(f"{directory}/conf", self.port)
        self.begin()

    def run_program(self):
        """As a service; a socket to connect to."""
        path = f"{self.directory}/oauth2.sock"
        self.run(self.program, "--config", self.configuration, "--listen", path)
        wait_for(path, self.processes[-1])
        return path

    def clear_log(self):
        with contextlib.suppress(FileNotFoundError):
            os.truncate(f"{self.directory}/conf/{LOG}", 0)

    def log(self):
        return read(f"{self.directory}/conf/{LOG}")

    def members(self):
        """Process ids of the program's, and of the web server's."""
        pids = self.pids()
        program = [pid for pid in pids if is_program(pid)]
        return program, [pid for pid in pids if pid not in program]

    def cpu(self):
        """Nanoseconds of processor time so far, of each process: the program's, the web server's."""
        program, front = self.members()
        spent = {pid: cpu_ns(pid) for pid in program}
        if self.ends_programs:
            spent = {0: sum(children_ns(pid) for pid in front)}
        return spent, {pid: cpu_ns(pid) for pid in front}

    def rss_kb(self):
        """The largest of the program's processes."""
        return 0 if self.ends_programs else max(map(memory_kb, self.members()[0]), default=0)


class Nginx(Front):
    """nginx with the shipped file: connections to the program are kept."""

    changes = {}

    def start(self):
        socket_path = self.run_program()
        site(self.directory, "nginx.conf", {
            INSTALLED_SOCKET: socket_path, "127.0.0.1:8080": f"127.0.0.1:{self.port}", **self.changes})
        main = write(self.directory, "nginx.conf", NGINX.format(directory=self.directory))
        self.run(tool("nginx"), "-e", f"{self.directory}/error.log", "-c", main)


class NginxNew(Nginx):
    """nginx with a new connection to the program for each request."""

    changes = {"    keepalive 16;\n": "", "fastcgi_keep_conn on;": "fastcgi_keep_conn off;"}


class Lighttpd(Front):
    """lighttpd with mod_fastcgi, which starts the program."""

    file = "lighttpd.conf"

    def changes(self):
        return {INSTALLED_PROGRAM: self.program, INSTALLED_CONFIGURATION: self.configuration,
                INSTALLED_LIGHTTPD_SOCKET: f"{self.directory}/oauth2.sock"}

    def start(self):
        site(self.directory, self.file, self.changes())
        main = write(self.directory, "main.conf", LIGHTTPD.format(
            directory=self.directory, port=self.port))
        self.run(tool("lighttpd"), "-D", "-f", main)


class LighttpdCgi(Lighttpd):
    """lighttpd with mod_cgi: a process for each request."""

    file = "lighttpd-cgi.conf"
    ends_programs = True

    def changes(self):
        return {INSTALLED_PROGRAM: self.program, INSTALLED_CONFIGURATION: self.configuration}


class Apache(Front):
    """Apache; how it reaches the program is for those below."""

    modules = ()
    more = ""

    def run_apache(self):
        modules = "".join(load_module(name) for name in ("mpm_event", "authz_core", *self.modules))
        main = write(self.directory, "apache.conf", APACHE.format(
            directory=self.directory, port=self.port, modules=modules, more=self.more))
        self.run(tool("apache2"), "-d", self.directory, "-f", main, "-D", "FOREGROUND")


class ApacheProxy(Apache):
    """Apache with mod_proxy_fcgi and the shipped file, but for an option more: connections are kept."""

    modules = ("proxy", "proxy_fcgi")
    option = " enablereuse=on"

    def start(self):
        site(self.directory, "apache-proxy-fcgi.conf", {
            INSTALLED_SOCKET: self.run_program(), '/oauth2"\n': f'/oauth2"{self.option}\n'})
        self.run_apache()


class ApacheFcgid(Apache):
    """Apache with mod_fcgid, which starts processes as they are wanted, one a second after the first."""

    modules = ("alias", "fcgid")
    warm_s = 8

    def start(self):
        site(self.directory, "apache-fcgid.conf", {
            INSTALLED_PROGRAM: self.program, INSTALLED_DIRECTORY: f'"{self.directory}"',
            INSTALLED_CONFIGURATION: self.configuration})
        self.more = FCGID.format(directory=self.directory)
        if CAPABILITIES in os.environ:
            self.more += f"FcgidInitialEnv {CAPABILITIES} {os.environ[CAPABILITIES]}\n"
        self.run_apache()


def load_module(name):
    for folder in ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules"):
        if os.path.exists(f"{folder}/mod_{name}.so"):
            return f"LoadModule {name}_module {folder}/mod_{name}.so\n"
    raise Failed(f"Apache's mod_{name} is not installed: type `make deps bench`")


FRONTS = {
    "nginx kept": Nginx,
    "nginx new": NginxNew,
    "lighttpd": Lighttpd,
    "Apache proxy": ApacheProxy,
    "mod_fcgid": ApacheFcgid,
    "CGI": LighttpdCgi,
}


def versions():
    """What was measured: the first line of each server's own words."""
    asked = {"nginx": ("nginx", "-v"), "lighttpd": ("lighttpd", "-v"), "Apache": ("apache2", "-v"),
             "OpenSSL": ("openssl", "version"), "valgrind": ("valgrind", "--version")}
    return {name: output_of(tool(command), option).splitlines()[0].rpartition("version: ")[2]
            for name, (command, option) in asked.items()}
