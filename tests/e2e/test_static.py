# SPDX-License-Identifier: MIT
"""make STATIC_CRYPTO=1: programs with OpenSSL inside, otherwise as the usual ones."""

import json
import subprocess

import pytest
from jwcrypto import jwk, jwt

import rawfcgi as raw
import servers
from test_process import check_token, keys, place, run_cgi, start   # noqa: F401


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """A build of its own, from the tree that is tested."""
    directory = tmp_path_factory.mktemp("static")
    make = subprocess.run(["make", "--no-print-directory", "-j2", f"B={directory}", "STATIC_CRYPTO=1", "WERROR=1",
                           "SAN=", "COV=", "all"], capture_output=True, text=True, timeout=600, check=False)
    assert make.returncode == 0, make.stderr
    return directory


@pytest.fixture
def build(static):
    """What the fixtures of test_process start."""
    return static


@pytest.mark.parametrize("program", ["oauth2.fcgi", "oauth2-admin"])
def test_what_is_shared(static, program):
    """libcrypto is inside; all else, and how the program is hardened, is as ever."""
    shown = subprocess.run([servers.tool("readelf"), "-hdlW", static / program], check=True, capture_output=True,
                           text=True).stdout
    assert "[libcrypto." not in shown
    assert "[libjansson." in shown and "[libyaml" in shown and "[libc.so" in shown
    assert "(Position-Independent Executable file)" in shown
    assert "Flags: NOW PIE" in shown and "GNU_RELRO" in shown
    assert " RWE " not in shown


def test_cgi(start, keys):
    answer, status, _ = run_cgi(start, raw.TOKEN_BODY, CONTENT_LENGTH=str(len(raw.TOKEN_BODY)))
    check_token(answer, keys)
    assert status == 0


def test_fastcgi(start, keys):
    server = start.listen("--workers", "1").ready()
    check_token(server.token(), keys)
    assert server.end()[0] == 0


def test_admin(static, tmp_path):
    """It makes keys, random secrets and tokens."""
    def run(*arguments):
        return subprocess.run([static / "oauth2-admin", *arguments], cwd=tmp_path, check=True, capture_output=True,
                              text=True, timeout=60).stdout
    run("init", "demo")
    token = json.loads(run("-c", "demo/oauth2.yaml", "token", "first-client"))["access_token"]
    run("-c", "demo/oauth2.yaml", "export", "public")
    published = json.loads((tmp_path / "public/jwks.json").read_text(encoding="utf-8"))["keys"][0]
    assert jwt.JWT(jwt=token, key=jwk.JWK(**published), algs=["RS256"]).claims
