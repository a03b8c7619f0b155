# SPDX-License-Identifier: MIT
"""`make run` and `make deps`: their scripts in a copy of the tree, with what may go wrong."""

import json
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
import requests
from jwcrypto import jwk, jwt

ROOT = Path(__file__).resolve().parents[2]
SEARCH_PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin"
TIMEOUT_S = 60
STUB_NAMES = {"apt_get": "apt-get", "update_rc_d": "update-rc.d"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def tree(build, tmp_path):
    """A tree with what the scripts need: themselves, lighttpd.conf, and the programs."""
    for name in ("etc/make/run.sh", "etc/make/deps.sh", "etc/lighttpd.conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "build").mkdir()
    for name in ("oauth2.fcgi", "oauth2-admin"):
        shutil.copy(build / name, tmp_path / "build" / name)
    return tmp_path


def farm(tree, without, **stubs):
    """A PATH of one directory with links to the system's programs but some, and scripts instead."""
    directory = tree / "bin"
    directory.mkdir()
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(folder).iterdir():
            link = directory / program.name
            if program.name not in without and not link.is_symlink():
                link.symlink_to(program)
    for name, text in stubs.items():
        write_script(directory / STUB_NAMES.get(name, name), text)
    for script in (tree / "etc/make").iterdir():
        text = script.read_text()
        assert SEARCH_PATH in text
        script.write_text(text.replace(SEARCH_PATH, f"PATH={directory}"))
    return {"PATH": str(directory)}


def write_script(path, text):
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Run:
    """`make run` under way; output up to the line that says how to stop it."""

    def __init__(self, tree, port):
        self.tree = tree
        self.port = port
        self.popen = subprocess.Popen(
            ["sh", "etc/make/run.sh", "build", str(port)], cwd=tree, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.output = ""
        for line in self.popen.stdout:
            self.output += line
            if line.startswith("Configuration:"):
                break

    def family(self):
        """Command lines of the processes of this session, and of those that name the tree."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                session = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3])
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                name_tree = Path(os.readlink(entry / "cwd")).is_relative_to(self.tree)
            except (OSError, IndexError, ValueError):
                continue
            if session == self.popen.pid or name_tree:
                found.append(line)
        return found

    def foreground(self):
        """Names of the processes that Ctrl-C reaches: those of the script's process group."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if os.getpgid(int(entry.name)) == self.popen.pid:
                    found.append((entry / "comm").read_text().strip())
            except (OSError, ValueError):
                continue
        return found

    def interrupt(self):
        """What Ctrl-C does: SIGINT for the whole foreground group."""
        os.killpg(self.popen.pid, signal.SIGINT)
        self.popen.wait(TIMEOUT_S)
        deadline = time.monotonic() + 10
        while self.family() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.popen.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None or self.family():
            try:
                os.killpg(self.popen.pid, signal.SIGTERM)
                self.popen.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.stdout.close()


def refused(tree, port, env=None, **rights):
    """The message of a run that must not start."""
    result = subprocess.run(
        ["sh", "etc/make/run.sh", "build", str(port)], cwd=tree, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False, env=env, **rights)
    assert result.returncode == 1, result.stdout
    assert result.stdout.startswith("run: "), result.stdout
    return result.stdout


def curl_line(run):
    line = re.search(r"^  (curl -d .*)$", run.output, re.M)
    assert line, run.output
    return line.group(1)


def shown_in_readme():
    """The sample session of the README: the indented block that starts with the request line."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"(?:^    POST /oauth2/token.*\n(?:^    .*\n|^\n)*)", text, re.M).group(0)
    return [line[4:] for line in block.splitlines() if line.strip()]


def test_serves_and_shows_a_token(tree):
    port = free_port()
    with Run(tree, port) as run:
        assert "until Ctrl-C" in run.output, run.output
        assert f"POST /oauth2/token HTTP/1.1\nHost: localhost:{port}\n" in run.output
        assert "HTTP/1.1 200 OK" in run.output
        assert '"token_type":"Bearer"' in run.output.replace(": ", ":")

        answer = subprocess.run(["sh", "-c", curl_line(run) + " -s"], check=True, text=True,
                                stdout=subprocess.PIPE, timeout=TIMEOUT_S).stdout
        token = json.loads(answer)["access_token"]
        keys = jwk.JWKSet.from_json(requests.get(f"http://127.0.0.1:{port}/oauth2/jwks", timeout=5).text)
        claims = json.loads(jwt.JWT(jwt=token, key=keys, algs=["RS256"]).claims)
        assert claims["iss"] == f"http://localhost:{port}"
        assert claims["scope"] == ["identity_proofing"]
        for member in ("sub", "aud", "nbf", "exp", "iat", "jti"):
            assert member in claims
        shown = re.search(r"^grant_type=.*client_secret=(\S+?)(?:&|$)", run.output, re.M).group(1)
        assert shown not in (tree / "build/run/log").read_text()
        used = re.sub(r"^ *#.*$", "", (tree / "build/run/lighttpd.conf").read_text(), flags=re.M)
        assert not re.search(r'"/(usr|etc|run|var)/', used), "a path of etc/lighttpd.conf is not replaced"

        assert run.interrupt() == 0
        assert run.family() == []
    with socket.socket() as s:
        s.bind(("127.0.0.1", port))


def test_readme_shows_what_is_printed(tree):
    with Run(tree, free_port()) as run:
        at = 0
        for line in shown_in_readme():
            pattern = re.escape(line).replace("…", ".*").replace("8080", r"\d+")
            found = re.compile(f"^{pattern}$", re.M).search(run.output, at)
            assert found, f"README shows {line!r}, printed was:\n{run.output}"
            at = found.end()
        assert run.interrupt() == 0


def test_client_is_kept_and_port_may_change(tree):
    with Run(tree, free_port()) as run:
        first = (tree / "build/run/client").read_text()
        assert run.interrupt() == 0
    assert (tree / "build/run/client").stat().st_mode & 0o777 == 0o600
    port = free_port()
    with Run(tree, port) as run:
        assert (tree / "build/run/client").read_text() == first
        assert first.split()[1] in curl_line(run)
        document = requests.get(
            f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server", timeout=5).json()
        assert document["issuer"] == f"http://localhost:{port}"
        assert document["token_endpoint"] == f"http://localhost:{port}/oauth2/token"
        assert run.interrupt() == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_leave_nothing_behind(tree, signum):
    with Run(tree, free_port()) as run:
        os.kill(run.popen.pid, signum)
        run.popen.wait(TIMEOUT_S)
        deadline = time.monotonic() + 10
        while run.family() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert run.family() == []


def test_interrupt_reaches_the_script_alone(tree):
    """A worker that ended by it before lighttpd would be replaced, and the new one be left."""
    with Run(tree, free_port()) as run:
        assert {name for name in run.foreground() if name != "sh"} == set()
        assert run.interrupt() == 0


def test_worker_that_does_not_end_is_ended(tree):
    program = tree / "build/oauth2.fcgi"
    program.rename(tree / "build/real.fcgi")
    write_script(program, f'exec 3<&0\n{tree}/build/real.fcgi "$@" <&3 3<&- &\ntrap "" TERM INT HUP\nwhile :; do sleep 60; done')
    with Run(tree, free_port()) as run:
        assert "200 OK" in run.output, run.output
        assert run.interrupt() == 0
        assert run.family() == []


def test_busy_port(tree):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        message = refused(tree, s.getsockname()[1])
    assert "in use" in message and "make run PORT=" in message
    assert not (tree / "build/run").exists()


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "123456", "-1"])
def test_bad_port(tree, port):
    assert "make run PORT=" in refused(tree, port)


@pytest.mark.parametrize("tool", ["lighttpd", "curl", "setsid"])
def test_missing_tool(tree, tool):
    message = refused(tree, free_port(), farm(tree, [tool]))
    assert f"{tool} is not installed" in message and "make deps run" in message


def test_unwritable_directory(tree):
    (tree / "build").chmod(0o555)
    rights = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        rights = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for parent in (tree, *tree.parents):
            if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
    try:
        message = refused(tree, free_port(), **rights)
    finally:
        (tree / "build").chmod(0o755)
    assert "no right to write in build" in message and "make run B=" in message


def deps(tree, groups, env=None):
    return subprocess.run(
        ["sh", "etc/make/deps.sh", *groups.split()], cwd=tree, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False, env=env)


def test_deps_does_nothing_when_nothing_is_missing(tree):
    env = farm(tree, [], apt_get=f"touch {tree}/called")
    result = deps(tree, "build run test", env)
    assert result.returncode == 0, result.stdout
    assert "nothing is missing" in result.stdout
    assert not (tree / "called").exists()


def test_deps_without_apt_get_names_what_it_needs(tree):
    result = deps(tree, "build run", farm(tree, ["lighttpd", "apt-get"]))
    assert result.returncode == 1
    assert "no apt-get" in result.stdout and "  lighttpd\n" in result.stdout
    assert "curl" not in result.stdout


def test_deps_without_root_says_what_to_type(tree):
    env = farm(tree, ["lighttpd", "sudo"], id="echo 1000", apt_get=f"touch {tree}/called")
    result = deps(tree, "build run", env)
    assert result.returncode == 1
    assert "apt-get install --no-install-recommends lighttpd" in result.stdout
    assert not (tree / "called").exists()


def stub_apt_get(tree, policy, install):
    """Notes what policy-rc.d says and how it was called; `install` is what installing does."""
    return (f'{policy}; echo "$? $*" >>{tree}/calls\n'
            f'case "$*" in *install*) {install} ;; esac')


def use_policy(tree):
    """A place of the test's own for policy-rc.d."""
    policy = tree / "policy-rc.d"
    script = tree / "etc/make/deps.sh"
    script.write_text(script.read_text().replace("/usr/sbin/policy-rc.d", str(policy)))
    return policy


@pytest.mark.parametrize("works", [True, False])
def test_deps_starts_no_service(tree, works):
    """While apt-get runs, policy-rc.d says no; afterwards it is gone, also after a failure."""
    policy = tree / "policy-rc.d"
    install = f"ln -s /bin/true {tree}/bin/lighttpd" if works else "exit 100"
    env = farm(tree, ["lighttpd"], id="echo 0", update_rc_d=f'echo "$*" >>{tree}/services',
               apt_get=stub_apt_get(tree, policy, install))
    use_policy(tree)
    result = deps(tree, "build run", env)
    assert (result.returncode == 0) == works, result.stdout
    calls = (tree / "calls").read_text().splitlines()
    assert len(calls) == 2 and all(call.startswith("101 ") for call in calls), calls
    assert calls[1].endswith("install lighttpd")
    assert not policy.exists()
    if works:
        assert (tree / "services").read_text() == "lighttpd disable\n"


def test_deps_enables_no_server(tree):
    """None of the servers that the tests need is started at boot because of us."""
    servers = ["apache2", "lighttpd", "nginx", "redis-server"]
    install = "; ".join(f"ln -s /bin/true {tree}/bin/{server}" for server in servers)
    env = farm(tree, servers, id="echo 0", update_rc_d=f'echo "$*" >>{tree}/services',
               apt_get=stub_apt_get(tree, tree / "policy-rc.d", install))
    use_policy(tree)
    result = deps(tree, "run test", env)
    assert result.returncode == 0, result.stdout
    services = (tree / "services").read_text().splitlines()
    assert sorted(services) == [f"{server} disable" for server in servers]


def test_deps_leaves_a_policy_that_was_there(tree):
    env = farm(tree, ["lighttpd"], id="echo 0", update_rc_d=":",
               apt_get=f"ln -sf /bin/true {tree}/bin/lighttpd")
    policy = use_policy(tree)
    write_script(policy, "exit 104")
    assert deps(tree, "build run", env).returncode == 0
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
