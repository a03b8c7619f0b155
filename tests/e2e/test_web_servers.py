# SPDX-License-Identifier: MIT
"""The files of etc/ where the cases do not go: TLS, what init makes, mod_cgi, and what a syntax check says."""

import os
import re
import signal
import subprocess
import time

import pytest

import http_client
import jwts
import servers
from configurations import SECRETS
from test_cases import FORM, basic

RETURN_S = 5
KEPT_FRONTS = ["lighttpd-fcgi", "apache-fcgid", "apache-proxy", "nginx"]


def token_request(front, client):
    return http_client.build("POST", front.path("token"), [
        ("Content-Type", FORM), ("Authorization", basic(client, SECRETS[client]))],
        b"grant_type=client_credentials")


@pytest.mark.parametrize("name", servers.FRONTS)
def test_https_is_told_to_the_program(site, name):
    """require_tls is on, and no proxy is trusted that could say it instead."""
    front = site.front(name, "tls")
    request = token_request(front, "TENANT_CLIENT_ID")
    plain = front.exchange(request)
    assert plain.status == 400 and "HTTPS" in plain.json()["error_description"]
    answer = front.exchange(request, tls=True)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("name", KEPT_FRONTS)
def test_killed_processes_are_replaced(site, name):
    """Whoever keeps the processes (web server or supervisor) starts new ones (row H21)."""
    front = site.front(name, "default")
    request = token_request(front, "TENANT_CLIENT_ID")
    assert front.exchange(request).status == 200
    old = front.workers() - {process.popen.pid for process in front.processes}
    assert old
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + RETURN_S
    statuses = []
    while not statuses or (statuses[-1] != 200 and time.monotonic() < deadline):
        statuses.append(front.exchange(request).status)
        time.sleep(0.01)
    assert statuses[-1] == 200 and set(statuses) <= {200, 500, 502, 503, 504}, statuses
    front.known_workers = front.workers()
    assert front.known_workers - {process.popen.pid for process in front.processes} - old


@pytest.mark.parametrize("name, has_supervisor", [("fastcgi", True), ("lighttpd-fcgi", False)])
def test_helpers_come_and_go(site, monkeypatch, name, has_supervisor):
    """A process that makes a filter or a slow hash for another is none of those that must stay."""
    front = site.front(name, "default")
    started = front.processes[-1].popen.pid
    first, second, helper = range(started + 1, started + 4)
    parents = {started: 1, first: started, second: started, helper: first}
    if not has_supervisor:
        del parents[started]    # that is the web server
    monkeypatch.setattr(servers, "processes", lambda: [(pid, parent, started, f"{front.program} ")
                                                       for pid, parent in parents.items()])
    assert front.workers() == parents.keys() - {helper}


@pytest.mark.parametrize("name", servers.FRONTS)
def test_certificates_are_not_asked_for(site, name):
    """As the files of etc/ are, a certificate makes no difference, nor do its headers."""
    front = site.front(name, "tls")
    request = token_request(front, "TENANT_CLIENT_ID")
    for certificate in ("dn", "self", "expired"):
        assert front.exchange(request, tls=True, certificate=certificate).status == 200


def mod_cgi(front):
    servers.apache_snippet(front, "apache-cgi.conf", servers.installed_in_apache(front),
                           ["alias", "env", "cgi"], mpm="prefork")


def test_mod_cgi(site):
    """apache-cgi.conf says that it works with mod_cgi too."""
    front = site.front("apache-mod-cgi", "default", mod_cgi)
    answer = front.exchange(token_request(front, "TENANT_CLIENT_ID"))
    assert answer.status == 200 and answer.json()["scope"] == "identity_proofing"
    refused = front.exchange(token_request(front, "far-away"))
    assert refused.status == 401 and refused.json()["error"] == "invalid_client"
    large = front.exchange(http_client.build("POST", front.path("token"), [("Content-Type", FORM)],
                                             b"a=" + 150000 * b"b"))
    assert large.status == 413 and large.json()["error"] == "invalid_request"


# What `oauth2-admin init` makes, with its state store

def with_init(name, mode):
    """The web server over a fresh configuration that is the server's user's; the state directory has this mode."""
    def start(front):
        directory = front.directory / "etc" / "init"
        made = subprocess.run([front.site.build / "oauth2-admin", "init", directory, "--issuer",
                               front.settings.issuer], capture_output=True, text=True, check=True).stdout
        front.client = [re.search(rf"^{field}: (\S+)$", made, re.M)[1] for field in ("client_id", "client_secret")]
        front.config_file = directory / "oauth2.yaml"
        front.state = directory / "state"
        front.state.chmod(mode)
        servers.FRONTS[name](front)
    return start


def ask_with_init(front, path, body="", proof=False, secret=None):
    client, right = front.client
    headers = [("Content-Type", FORM), ("Authorization", basic(client, secret or right))]
    headers += [("DPoP", jwts.proof(front.settings, {}))] if proof else []
    return front.exchange(http_client.build("POST", front.path(path), headers, body.encode()))


GRANT = "grant_type=client_credentials"


@pytest.mark.parametrize("name", ["lighttpd-fcgi", "lighttpd-cgi", "apache-fcgid"])
def test_what_init_makes(site, name):
    """It serves as it is; the state directory need only be the server's user's."""
    front = site.front(f"{name}-init", "default", with_init(name, 0o700))
    answer = ask_with_init(front, "token", GRANT)
    assert answer.status == 200 and answer.json()["scope"] == "identity_proofing", answer.body
    assert not list(front.state.iterdir()), "a plain client needs no store"
    token = answer.json()["access_token"]
    assert ask_with_init(front, "token", GRANT, proof=True).json()["token_type"] == "DPoP"
    assert {path.name for path in front.state.iterdir()} == {"data.mdb", "lock.mdb"}
    answer = ask_with_init(front, "revoke", f"token={token}")
    assert (answer.status, answer.body) == (200, b"")
    # No throttle is named: nobody is shut out.
    assert {ask_with_init(front, "token", GRANT, secret="wrong-secret").status for _ in range(30)} == {401}
    assert ask_with_init(front, "token", GRANT).status == 200


@pytest.mark.parametrize("name", ["lighttpd-fcgi", "apache-fcgid"])
def test_what_init_makes_with_a_state_directory_of_somebody_else(site, name):
    """Who needs no store does not notice; who does is told 503, until the rights are mended."""
    front = site.front(f"{name}-init-unwritable", "default", with_init(name, 0o500))
    for _ in range(3):
        token = ask_with_init(front, "token", GRANT)
        assert token.status == 200, token.body
        assert ask_with_init(front, "token", GRANT, secret="wrong-secret").status == 401
        for answer in (ask_with_init(front, "token", GRANT, proof=True),
                       ask_with_init(front, "revoke", "token=" + token.json()["access_token"])):
            assert answer.status == 503 and answer.json()["error"] == "temporarily_unavailable", answer.body
            assert int(answer.one("Retry-After")) > 0
    front.state.chmod(0o700)
    assert ask_with_init(front, "token", GRANT, proof=True).status == 200


COMMANDS = {
    "lighttpd-fcgi": ["lighttpd", "-tt", "-f", "lighttpd.conf"],
    "lighttpd-cgi": ["lighttpd", "-tt", "-f", "lighttpd.conf"],
    "apache-fcgid": ["apache2", "-t", "-f", "apache.conf"],
    "apache-cgid": ["apache2", "-t", "-f", "apache.conf"],
    "apache-proxy": ["apache2", "-t", "-f", "apache.conf"],
    "nginx": ["nginx", "-t", "-q", "-c", "nginx.conf"],
}


@pytest.mark.parametrize("config", ["default", "strong", "self-signed"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_warnings(site, name, config):
    """A user who checks the configuration, as the files say, reads no complaint about it."""
    front = site.front(name, config)
    program, *options = COMMANDS[name]
    options[-1] = str(front.directory / options[-1])
    if program == "nginx":
        options += ["-e", str(front.directory / "check.log"), "-p", str(front.directory)]
    done = subprocess.run([servers.tool(program), *options], capture_output=True, text=True, check=False,
                          cwd=front.directory)
    assert done.returncode == 0, done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower(), done.stderr


def test_lighttpd_takes_modules_twice(site):
    """The files say to leave a line out if the module is loaded already; forgetting it does no harm."""
    front = site.front("lighttpd-fcgi", "default")
    text = (front.directory / "lighttpd.conf").read_text()
    path = front.write("twice.conf", 'server.modules += ( "mod_fastcgi" )\n' + text)
    done = subprocess.run([servers.tool("lighttpd"), "-tt", "-f", str(path)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
