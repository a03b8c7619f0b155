# SPDX-License-Identifier: MIT
"""The README's shell blocks that are marked `sh run`, run as they stand but for places and names."""

import json
import os
import re
import shutil
import subprocess

import pytest

from test_run import ROOT, TIMEOUT_S, Run, free_port, tree  # noqa: F401 (a fixture)

README = (ROOT / "README.md").read_text()
BLOCKS = [block.splitlines() for block in re.findall(r"^```sh run\n(.*?)^```", README, re.M | re.S)]
INSTALL, REQUESTS, CLIENTS = range(3)


def shell(line, **options):
    result = subprocess.run(["sh", "-c", line], text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    assert result.returncode == 0, f"{line}\n{result.stdout}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """What the first block makes: programs below dest, a configuration in etc; and what it printed."""
    directory = tmp_path_factory.mktemp("readme")
    dest = directory / "dest"
    env = {"PATH": f"{dest}/usr/local/bin:/usr/bin:/bin",
           "OAUTH2_CONFIG": f"{directory}/etc/oauth2.yaml"}
    printed = []
    for line in BLOCKS[INSTALL]:
        line = line.replace("sudo ", "").replace("/etc/oauth2-fcgi", f"{directory}/etc")
        line = line.replace("www-data", str(os.getegid()))
        line = line.replace("make install", f"make -o all install B={build} DESTDIR={dest}")
        printed.append(shell(line, cwd=ROOT, env=env))
    return directory, dest, env, printed


def test_there_are_three_blocks():
    assert len(BLOCKS) == 3 and all(BLOCKS)


def test_first_deployment(installed):
    directory, dest, _, printed = installed
    assert re.search(r"^client_secret: \S{43}$", printed[1], re.M)
    assert "first-client" in printed[-1] and "identity_proofing" in printed[-1]
    assert (dest / "usr/local/libexec/oauth2.fcgi").stat().st_mode & 0o777 == 0o755
    for page in ("man1/oauth2-admin.1", "man5/oauth2.yaml.5", "man8/oauth2.fcgi.8"):
        assert (dest / "usr/local/share/man" / page).exists()
    modes = {path.stat().st_mode & 0o777 for path in (directory / "etc/keys").iterdir()}
    assert modes == {0o640}, "the group may read the key, others may not"


def test_named_files_are_installed(installed):
    _, dest, _, _ = installed
    documents = dest / "usr/local/share/doc/oauth2-fcgi"
    named = set(re.findall(r"\bDOC/([\w./-]+)", README))
    assert len(named) >= 6
    for name in named:
        matches = list(documents.glob(name + "*" if name.endswith(".") else name))
        assert matches, f"{name} is not installed"


def test_uninstall_leaves_nothing(build, tmp_path):
    for target in ("install", "uninstall"):
        shell(f"make -o all {target} B={build} DESTDIR={tmp_path}", cwd=ROOT, env={"PATH": os.environ["PATH"]})
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_requests(tree):  # noqa: F811
    if shutil.which("curl") is None:
        pytest.fail("curl is not installed: type `make deps test`")
    port = free_port()
    with Run(tree, port) as run:
        secret = (tree / "build/run/client").read_text().split()[1]
        answers = []
        for line in BLOCKS[REQUESTS]:
            line = line.replace("https://auth.example.com", f"http://localhost:{port}")
            answers.append(json.loads(shell(line.replace("SECRET", secret).replace("curl ", "curl -sS "))))
        assert run.interrupt() == 0
    assert answers[0]["token_type"] == answers[1]["token_type"] == "Bearer"
    assert answers[2]["keys"][0]["kty"] == "RSA"
    assert answers[3]["jwks_uri"] == f"http://localhost:{port}/oauth2/jwks"


def test_clients_secrets_keys(installed, tmp_path):
    _, _, env, _ = installed
    generated, clients, kid = (shell(line, cwd=tmp_path, env=env) for line in BLOCKS[CLIENTS])
    assert re.search(r"sha256:[0-9a-f]{64}", generated)
    assert "first-client" in clients
    assert re.search(r"[\w-]{43}", kid)
    assert (tmp_path / "next.pem").stat().st_mode & 0o777 == 0o600
