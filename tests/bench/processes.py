# SPDX-License-Identifier: MIT
"""Servers as processes: started in a session of their own, measured, and stopped to the last one."""
import contextlib
import ctypes
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
PROGRAM = "oauth2.fcgi"
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a whole run may be given to try another processor; see OPENSSL_ia32cap(3).
CAPABILITIES = "OPENSSL_ia32cap"
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Failed(Exception):
    """A measurement that could not be made; its rows say why."""


def tool(name):
    path = shutil.which(name, path=SEARCH + ":" + os.environ.get("PATH", ""))
    if path is None:
        raise Failed(f"{name} is not installed: type `make deps bench` (or bench-peers)")
    return path


def output_of(*command, **options):
    """Standard output and error of a command that must succeed."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stdout[-500:]}")
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def server_user():
    """Whom servers run as: ourselves, or, of root, somebody without rights, as Apache insists."""
    if os.geteuid() != 0:
        return None
    for name in ("www-data", "apache", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failed("run as root, the servers need a user www-data, apache or nobody")


def give_away(directory):
    """The servers' user owns all of it."""
    user = server_user()
    if user is None:
        return
    for path in [directory, *pathlib.Path(directory).rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def ignore_endings():
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def endings_as_exit():
    """A signal that ends us is an exception, so that all is put away first; but one that is ignored stays so."""
    def end(number, _):
        ignore_endings()
        sys.exit(128 + number)

    former = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def adopt_orphans():
    """Whatever our servers leave behind becomes our child, where end_descendants finds it."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise Failed("prctl: this system does not let us adopt what servers leave behind")


def collect(pid):
    """Take note of the end of a child of ours, or of any (-1); False if there is none that has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def send(pid, *numbers):
    with contextlib.suppress(ProcessLookupError):
        for number in numbers:
            os.kill(pid, number)


def all_pids():
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def descendants():
    """The process ids of our children, of theirs, and so on."""
    parents = {pid: fields_of(pid)[1:2] for pid in all_pids()}
    found, new = set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent and int(parent[0]) in new} - found
        found |= new
    return found


def end_descendants():
    """Ask all that we have started to end, and after a while make them."""
    asked = set()
    patient_until = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < patient_until + STOP_TIMEOUT_S:
        while collect(-1):
            pass
        left = descendants()
        if not left:
            return
        is_patient = time.monotonic() < patient_until
        for pid in left - asked if is_patient else left:
            send(pid, *((signal.SIGTERM, signal.SIGCONT) if is_patient else (signal.SIGKILL,)))
        asked |= left
        time.sleep(0.02)


@contextlib.contextmanager
def directory_for_servers():
    """A temporary directory that the servers' user can reach.

    However the block ends, all processes that we have started end with it, and the directory is gone.
    """
    adopt_orphans()
    with endings_as_exit(), tempfile.TemporaryDirectory(
            prefix="oauth2-bench-", ignore_cleanup_errors=True) as directory:
        try:
            os.chmod(directory, 0o755)
            yield directory
        finally:
            ignore_endings()
            end_descendants()


def environment(**more):
    passed = {name: os.environ[name] for name in (CAPABILITIES,) if name in os.environ}
    return {"PATH": SEARCH, **passed, **more}


class Process:
    """A server in the foreground, with all that it starts."""

    def __init__(self, directory, *command, **more_environment):
        user = server_user()
        rights = {}
        if user is not None:
            give_away(directory)
            rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with open(f"{directory}/{os.path.basename(command[0])}.out", "ab") as output:
            self.popen = subprocess.Popen(
                command, cwd=directory, env=environment(**more_environment), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, **rights)

    @property
    def pid(self):
        return self.popen.pid

    def members(self):
        """The process ids of all of its session."""
        return [pid for pid in all_pids() if fields_of(pid)[3:4] == [str(self.pid)]]

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < until and (self.popen.poll() is None or self.members()):
            for pid in self.members():
                if pid != self.pid:
                    collect(pid)
            time.sleep(0.02)
        for pid in self.members():
            send(pid, signal.SIGKILL)
        self.popen.wait()


def read(path):
    """The text of a file below /proc; empty if its process is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def fields_of(pid):
    """Those of /proc/PID/stat from the third on: state, parent, group, session, ..."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def is_program(pid):
    return read(f"/proc/{pid}/comm").strip() == PROGRAM


def cpu_ns(pid):
    """Processor time of a process with all of its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    return sum(int((read(f"/proc/{pid}/task/{thread}/schedstat") or "0").split()[0])
               for thread in threads)


def children_ns(pid):
    """Processor time of a process's children that have ended, in steps of 10 ms."""
    fields = fields_of(pid)
    return (int(fields[13]) + int(fields[14])) * 10**9 // os.sysconf("SC_CLK_TCK") if fields else 0


def memory_kb(pid, name="Rss"):
    """Memory of a process: Rss, or Pss, where what is shared counts in parts."""
    found = re.search(rf"^{name}: +(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.M)
    return int(found.group(1)) if found else 0


def connects(place):
    """Whether somebody accepts connections at a port, or at a socket's path."""
    kind, address = (socket.AF_INET, ("127.0.0.1", place)) if isinstance(place, int) else (socket.AF_UNIX, place)
    with socket.socket(kind) as s:
        return s.connect_ex(address) == 0


def wait_for(place, process):
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and process.popen.poll() is None:
        if connects(place):
            return
        time.sleep(0.02)
    raise Failed(f"{process.popen.args[0]} does not serve")
