# SPDX-License-Identifier: MIT
"""The files of etc/ where the cases do not go: TLS, mod_cgi, and what a syntax check says."""

import os
import signal
import subprocess
import time

import pytest

import http_client
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
