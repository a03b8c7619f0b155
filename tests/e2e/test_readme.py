# SPDX-License-Identifier: MIT
"""The README's blocks that are marked `run`, used as they stand but for places and names."""

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from jwcrypto import jwk, jwt

from test_run import ROOT, TIMEOUT_S, Run, free_port, tree  # noqa: F401 (a fixture)

README = (ROOT / "README.md").read_text()
ISSUER = "https://auth.example.com"
REDIS = "10.0.0.5"


def blocks(language):
    return re.findall(rf"^```{language} run\n(.*?)^```", README, re.M | re.S)


SCRIPTS = blocks("sh")
INSTALL, REQUESTS, CLIENTS, EDITS, KEY_PAIR, ASSERTION, CERTIFICATES, BY_CERTIFICATE, DPOP, REVOKE, REDIS_SETTINGS = range(11)
SNIPPETS = blocks("yaml")
KEY_CLIENT, CERTIFICATE_CLIENT, REDIS_STATE = range(3)


def shell(script, **options):
    result = subprocess.run(["sh", "-e", "-c", script], text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    assert result.returncode == 0, f"{script}\n{result.stdout}"
    return result.stdout


def lines(number):
    return SCRIPTS[number].splitlines()


def tool(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: type `make deps test`", pytrace=False)
    return found


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """What the first block makes: programs below dest, a configuration in etc; and what it printed."""
    directory = tmp_path_factory.mktemp("readme")
    dest = directory / "dest"
    env = {"PATH": f"{dest}/usr/local/bin:/usr/bin:/bin",
           "OAUTH2_CONFIG": f"{directory}/etc/oauth2.yaml"}
    printed = []
    for line in lines(INSTALL):
        line = line.replace("sudo ", "").replace("/etc/oauth2-fcgi", f"{directory}/etc")
        line = line.replace("www-data", str(os.getegid()))
        line = line.replace("make install", f"make -o all install B={build} DESTDIR={dest}")
        printed.append(shell(line, cwd=ROOT, env=env))
    return directory, dest, env, printed


def test_there_are_these_blocks():
    assert len(SCRIPTS) == REDIS_SETTINGS + 1 and all(SCRIPTS)
    assert len(SNIPPETS) == REDIS_STATE + 1 and all(SNIPPETS)


def test_first_deployment(installed):
    directory, dest, _, printed = installed
    assert re.search(r"^client_secret: \S{43}$", printed[1], re.M)
    assert "first-client" in printed[-1] and "identity_proofing" in printed[-1]
    assert (dest / "usr/local/libexec/oauth2.fcgi").stat().st_mode & 0o777 == 0o755
    for page in ("man1/oauth2-admin.1", "man5/oauth2.yaml.5", "man8/oauth2.fcgi.8"):
        assert (dest / "usr/local/share/man" / page).exists()
    modes = {path.stat().st_mode & 0o777 for path in (directory / "etc/keys").iterdir()}
    assert modes == {0o640}, "the group may read the key, others may not"
    state = directory / "etc/state"
    assert state.stat().st_mode & 0o777 == 0o770, "the group may write the state, others may not"
    assert not list(state.iterdir()), "check and explain use no store"


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
    tool("curl")
    port = free_port()
    with Run(tree, port) as run:
        answers = []
        for line in lines(REQUESTS):
            answers.append(json.loads(shell(adapt(line, tree, f"http://localhost:{port}"))))
        assert run.interrupt() == 0
    assert answers[0]["token_type"] == answers[1]["token_type"] == "Bearer"
    assert answers[2]["keys"][0]["kty"] == "RSA"
    assert answers[3]["jwks_uri"] == f"http://localhost:{port}/oauth2/jwks"


def test_clients_secrets_keys(installed, tmp_path):
    _, _, env, _ = installed
    generated, clients, kid, expiring = (
        shell(line.replace("sudo ", ""), cwd=tmp_path, env=env) for line in lines(CLIENTS))
    assert re.search(r"sha256:[0-9a-f]{64}", generated)
    assert "first-client" in clients
    assert re.search(r"[\w-]{43}", kid)
    assert expiring.startswith("nothing expires within 30 d")
    assert (tmp_path / "next.pem").stat().st_mode & 0o777 == 0o600


def test_edits(installed):
    directory, _, env, _ = installed
    path = directory / "etc/oauth2.yaml"
    before = path.read_text()
    printed = [shell(line.replace("sudo ", ""), env=env) for line in lines(EDITS)]
    assert all(re.search(r"^client_secret: \S{43}$", text, re.M) for text in printed[:2])
    assert ["removed", "disabled", "enabled", "removed"] == [text.split(":")[0] for text in printed[2:6]]
    changed = set(path.read_text().splitlines()) ^ set(before.splitlines())
    assert sorted(line.split(":")[0] for line in changed) == ["    state", "  - file"], "what rotate added"
    assert path.stat().st_mode & 0o777 == 0o640 and path.stat().st_gid == os.getegid()
    assert {key.stat().st_mode & 0o777 for key in (directory / "etc/keys").iterdir()} == {0o640}


# Keys, certificates, DPoP: under the lighttpd of `make run`, whose configuration gets the clients.

def adapt(script, tree, issuer):  # noqa: F811
    """The script for this server; each answer of curl ends its line."""
    script = script.replace(ISSUER, issuer).replace("curl ", "curl -sS -w '\\n' --noproxy '*' ")
    return script.replace("SECRET", (tree / "build/run/client").read_text().split()[1])


def configured(tree, port, *snippets):  # noqa: F811
    """What `make run` makes once, with these lines of the README; the directory."""
    with Run(tree, port) as run:
        assert run.interrupt() == 0
    directory = tree / "build/run"
    text = (directory / "oauth2.yaml").read_text()
    for snippet in snippets:
        text = re.sub(r"^clients:\n", lambda found, s=snippet: found.group() + s, text, flags=re.M)
    (directory / "oauth2.yaml").write_text(text)
    return directory


def admin(tree, *arguments):  # noqa: F811
    return subprocess.run([tree / "build/oauth2-admin", "-c", tree / "build/run/oauth2.yaml", *arguments],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)


def claims_of(token, directory):
    """By another implementation, with the key of the configuration."""
    pem = next((directory / "keys").iterdir()).read_bytes()
    return json.loads(jwt.JWT(jwt=token, key=jwk.JWK.from_pem(pem), algs=["RS256"]).claims)


def test_keys_and_proofs(tree):  # noqa: F811
    tool("openssl")
    port = free_port()
    issuer = f"http://localhost:{port}"
    directory = configured(tree, port, SNIPPETS[KEY_CLIENT])
    pair = adapt(SCRIPTS[KEY_PAIR], tree, issuer)
    shell(pair, cwd=directory)
    script = "".join(SCRIPTS[number] for number in (ASSERTION, DPOP, REVOKE)) + "echo $token\n"
    with Run(tree, port) as run:
        # The functions and variables of the first block, without a new key.
        script = re.sub(r"^openssl genpkey.*\n", "", pair, flags=re.M) + adapt(script, tree, issuer)
        printed = shell(script, cwd=directory).split("\n")
        assert run.interrupt() == 0
    by_key, by_proof = (json.loads(line) for line in printed[:2])

    assert by_key["token_type"] == "Bearer"
    assert claims_of(by_key["access_token"], directory)["sub"] == "key-client"

    keys = jwk.JWKSet.from_json((directory / "client.jwks.json").read_text())
    thumbprint = next(iter(keys["keys"])).thumbprint()
    assert by_proof["token_type"] == "DPoP"
    assert claims_of(by_proof["access_token"], directory)["cnf"] == {"jkt": thumbprint}

    revoked = printed[-2]
    assert claims_of(revoked, directory)["sub"] == "first-client"
    verdict = admin(tree, "inspect", revoked)
    assert verdict.returncode == 1 and "revoked" in verdict.stdout, verdict.stdout
    assert "revoked tokens           1 " in admin(tree, "state").stdout


class Server:
    """A server in the foreground until the block ends."""

    def __init__(self, port, directory, *command, cwd=None):
        self.output = open(directory / "server.out", "wb")
        self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                      cwd=cwd)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and self.popen.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.__exit__()
        pytest.fail(f"{command[0]}: {(directory / 'server.out').read_text(errors='replace')}", pytrace=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(TIMEOUT_S)
        finally:
            self.popen.kill()
            self.output.close()


def with_tls(text, directory, old_port, port):
    """The lighttpd.conf of `make run` with TLS, and its lines for client certificates turned on."""
    turned_on, count = re.subn(r"^#(ssl\.verifyclient\.)", r"\1", text, flags=re.M)
    assert count == 4 and '"/etc/oauth2-fcgi/client-ca.pem"' in turned_on
    turned_on = turned_on.replace("/etc/oauth2-fcgi/client-ca.pem", f"{directory}/ca.crt")
    return (turned_on.replace(f"server.port = {old_port}", f"server.port = {port}") +
            'server.modules += ( "mod_openssl" )\nssl.engine = "enable"\n'
            f'ssl.pemfile = "{directory}/server.crt"\nssl.privkey = "{directory}/server.key"\n')


def test_certificates(tree):  # noqa: F811
    tool("openssl")
    lighttpd, old_port, port = tool("lighttpd"), free_port(), free_port()
    directory = configured(tree, old_port, SNIPPETS[CERTIFICATE_CLIENT])
    printed = shell(SCRIPTS[CERTIFICATES], cwd=directory)
    subject = re.fullmatch("subject=(.*)", printed.splitlines()[-1]).group(1)
    assert f"tls_client_auth_subject_dn: {subject}\n" in SNIPPETS[CERTIFICATE_CLIENT]

    shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
          "-addext subjectAltName=DNS:localhost -keyout server.key -out server.crt", cwd=directory)
    conf = (directory / "lighttpd.conf").read_text()
    (directory / "tls.conf").write_text(with_tls(conf, directory, old_port, port))
    script = adapt(SCRIPTS[BY_CERTIFICATE], tree, f"https://localhost:{port}")
    script = script.replace("curl ", "curl --cacert server.crt ")
    with Server(port, directory, lighttpd, "-D", "-f", directory / "tls.conf", cwd=tree):
        answer = json.loads(shell(script, cwd=directory))

    der = ssl.PEM_cert_to_DER_cert((directory / "cert.crt").read_text())
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    claims = claims_of(answer["access_token"], directory)
    assert claims["sub"] == "cert-client"
    assert claims["cnf"] == {"x5t#S256": digest}


def test_several_machines(tree):  # noqa: F811
    server, port = tool("redis-server"), free_port()
    directory = configured(tree, free_port())
    redis_conf = directory / "redis.conf"
    redis_conf.write_text(f"port {port}\nbind 127.0.0.1\ndir {directory}\n")
    snippet = SNIPPETS[REDIS_STATE].replace(f"{REDIS}:6379", f"127.0.0.1:{port}")
    text, count = re.subn(r"^state: .*\n", snippet, (directory / "oauth2.yaml").read_text(), flags=re.M)
    assert count == 1
    (directory / "oauth2.yaml").write_text(text)

    token = json.loads(admin(tree, "token", "first-client").stdout)["access_token"]
    with Server(port, directory, server, redis_conf):
        settings = SCRIPTS[REDIS_SETTINGS].replace(REDIS, "127.0.0.1").replace("6379", str(port))
        assert shell(settings) == "OK\n" * 4
        assert admin(tree, "revoke", token).returncode == 0
        redis_cli = f"redis-cli -h 127.0.0.1 -p {port}"
        assert shell(f"{redis_cli} config get maxmemory-policy") == "maxmemory-policy\nnoeviction\n"
        # It does not end while it writes its file for the first time.
        shell(f"until {redis_cli} info persistence | grep -q ^aof_rewrite_in_progress:0; do sleep 0.05; done")
    # What was answered is there again after the server's end.
    with Server(port, directory, server, redis_conf):
        assert "revoked" in admin(tree, "inspect", token).stdout
        assert "revoked tokens           1 " in admin(tree, "state").stdout
