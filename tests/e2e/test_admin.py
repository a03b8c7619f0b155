# SPDX-License-Identifier: MIT
"""oauth2-admin: every command by its output, exit status, files and modes.

Tokens are verified by jwcrypto and by the openssl command, hashes by crypt(3) and hashlib.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import termios
import textwrap
import time
import uuid
from datetime import datetime, timezone

import pytest
from jwcrypto import jwk, jws

import rawfcgi as raw

DONE, FAILED, USAGE = 0, 1, 2
COMMANDS = ["init", "check", "keygen", "rotate", "hash-secret", "list-clients", "add-client",
            "disable-client", "enable-client", "remove-client", "add-secret", "remove-secret", "token", "explain",
            "inspect", "revoke", "state", "export", "expiring", "selftest", "verifier"]
CLIENT = "first-client"

# One of everything that decides something about a token. Tests count on the line numbers.
SHOP = """\
issuer: https://auth.example.com/shop
access_token:
  lifetime: 600
  audience: [https://default.example.com]
signing_keys:
  - {file: keys/old.pem, kid: old, state: retired}
  - {file: keys/now.pem, kid: now}
scopes:
  read:
  write:
  orders:
    audience: https://orders.example.com
  bills:
    audience: https://bills.example.com
  unused:
clients:
  plain:
    name: Plain
    scopes: [read, write]
    secrets: [{hash: "sha256:SECRET"}]
  special:
    name: Spécial ☃
    scopes: [read, write, orders, bills]
    default_scopes: [write]
    secrets: [{hash: "sha256:SECRET"}]
    auth_methods: [client_secret_basic]
    resources: [https://a.example.com, https://b.example.com]
    token_lifetime: 60
    token_profile: rfc9068
    audience: [https://special.example.com]
    claims: {tenant: acme, level: 3}
  off:
    enabled: false
    scopes: [read]
    secrets: [{hash: "sha256:SECRET"}]
  nothing:
    grants: []
    scopes: [read]
    secrets: [{hash: "sha256:SECRET"}]
""".replace("SECRET", hashlib.sha256(b"s").hexdigest())


def line_of(text, config=SHOP, after=""):
    """The number of the first line that contains the text, behind the one that contains `after`."""
    lines = config.splitlines()
    start = next(i for i, line in enumerate(lines) if after in line)
    return next(i for i in range(start, len(lines)) if text in lines[i]) + 1


class Admin:
    """The program, run in a directory of its own."""

    def __init__(self, build, directory):
        self.program = str(build / "oauth2-admin")
        self.directory = directory

    def run(self, *arguments, config=None, environment=None, **options):
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        for name in os.environ:
            if name.endswith("SAN_OPTIONS"):
                environ[name] = os.environ[name]
        environ.update(environment or {})
        if config is not None:
            environ["OAUTH2_CONFIG"] = str(config)
        options.setdefault("input", "")
        options.setdefault("stdout", subprocess.PIPE)
        if "stdin" in options:
            del options["input"]
        return subprocess.run([self.program, *map(str, arguments)], cwd=self.directory,
                              env=environ, text=True, stderr=subprocess.PIPE, timeout=60,
                              check=False, **options)

    def good(self, *arguments, **options):
        result = self.run(*arguments, **options)
        assert result.returncode == DONE, result.stderr
        assert result.stderr == ""
        return result.stdout

    def bad(self, status, *arguments, **options):
        result = self.run(*arguments, **options)
        assert result.returncode == status, (result.stdout, result.stderr)
        return result


@pytest.fixture
def admin(build, tmp_path):
    return Admin(build, tmp_path)


@pytest.fixture
def demo(admin, tmp_path):
    """What init makes, with its printed secret."""
    return tmp_path / "demo" / "oauth2.yaml", init_secret(admin.good("init", "demo"))


@pytest.fixture(scope="module")
def shop_keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    for name in ("old", "now"):
        openssl("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                "-out", directory / f"{name}.pem")
        (directory / f"{name}.pem").chmod(0o600)
    return directory


@pytest.fixture
def shop(shop_keys, tmp_path):
    """The configuration SHOP with two keys made by openssl."""
    shutil.copytree(shop_keys, tmp_path / "keys")
    path = tmp_path / "oauth2.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return path


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          timeout=60, **options).stdout


def init_secret(output):
    return re.search(r"^client_secret: ([A-Za-z0-9_-]{43})$", output, re.M).group(1)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token):
    return json.loads(decode(token.split(".")[1]))


def header_of(token):
    return json.loads(decode(token.split(".")[0]))


def thumbprint(pem):
    return jwk.JWK.from_pem(pem.read_bytes()).thumbprint()


def sign(pem, header, claims):
    """A token by another implementation."""
    token = jws.JWS(json.dumps(claims))
    token.add_signature(jwk.JWK.from_pem(pem.read_bytes()), None, json.dumps(header))
    return token.serialize(compact=True)


def verify(pem, token, directory):
    """By jwcrypto, and for RS256 by the openssl command."""
    key = jwk.JWK.from_pem(pem.read_bytes())
    parsed = jws.JWS()
    parsed.deserialize(token)
    parsed.verify(key)
    public, signature = directory / "public.pem", directory / "signature"
    openssl("pkey", "-in", pem, "-pubout", "-out", public)
    signed, _, last = token.rpartition(".")
    signature.write_bytes(decode(last))
    answer = openssl("dgst", "-sha256", "-verify", public, "-signature", signature,
                     input=signed.encode())
    assert answer == b"Verified OK\n"


def sections(output):
    """The JSON values that stand under a heading: {heading: value}."""
    found = {}
    for heading, text in re.findall(r"^([a-z]+(?: \(unverified\))?):\n(\{.*?^\}|\{\})$", output, re.M | re.S):
        found[heading] = json.loads(text)
    return found


def decisions(output):
    """{what: (value, place)} of explain's last part."""
    rows = output.partition("decided by:\n")[2].splitlines()
    found = {}
    for row in rows:
        what, rest = row.strip().split(maxsplit=1)
        value, place = rest.rsplit(maxsplit=1)
        found[what] = (value.strip(), place)
    return found


# Options and help


def test_help_lists_every_command(admin):
    output = admin.good("--help")
    assert re.findall(r"^  ([a-z][a-z-]*) ", output, re.M) == COMMANDS
    for text in ("--config FILE", "--version", "OAUTH2_CONFIG", "/oauth2-fcgi/oauth2.yaml"):
        assert text in output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(admin, command):
    output = admin.good(command, "--help")
    assert output.startswith(f"usage: oauth2-admin [-c FILE] {command}")
    assert "--config FILE" in output


def test_help_does_not_need_the_arguments(admin):
    assert "CLIENT_ID" in admin.good("token", "--scope", "x", "--help")


def test_version(admin):
    assert re.fullmatch(r"oauth2-admin \d+\.\d+\.\d+\n", admin.good("--version"))


def test_no_command(admin):
    result = admin.bad(USAGE)
    assert result.stdout == ""
    assert result.stderr.startswith("usage: ")


@pytest.mark.parametrize("typed, meant", [
    ("tokn", "token"), ("chek", "check"), ("list-client", "list-clients"), ("exprot", "export"),
    ("hash-secrets", "hash-secret"), ("inspct", "inspect"), ("revok", "revoke"), ("stat", "state"),
])
def test_unknown_command_has_a_suggestion(admin, typed, meant):
    result = admin.bad(USAGE, typed)
    assert f'unknown command "{typed}"; did you mean "{meant}"?' in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["serve", "", "edit-everything"])
def test_unknown_command_without_one(admin, command):
    result = admin.bad(USAGE, command)
    assert f'unknown command "{command}"' in result.stderr
    assert "did you mean" not in result.stderr


@pytest.mark.parametrize("arguments, complaint", [
    (["token"], "CLIENT_ID is missing"),
    (["token", "a", "b"], 'unexpected argument "b"'),
    (["token", "a", "--scop", "x"], 'unknown option "--scop"; did you mean "--scope"?'),
    (["token", "a", "--scope"], "--scope needs a value"),
    (["token", "a", "--scope", "x", "--scope", "y"], "--scope is given twice"),
    (["token", "a", "--lifetime", "0"], "--lifetime must be a number from 1 to 86400"),
    (["token", "a", "--lifetime", "86401"], "--lifetime must be a number from 1 to 86400"),
    (["token", "a", "--lifetime", "-5"], "--lifetime must be a number from 1 to 86400"),
    (["token", "a", "--lifetime", "5m"], "--lifetime must be a number from 1 to 86400"),
    (["token", "a", "--lifetime", ""], "--lifetime must be a number from 1 to 86400"),
    (["token", "a", "--lifetime", "9" * 30], "--lifetime must be a number from 1 to 86400"),
    (["explain"], "CLIENT_ID is missing"),
    (["explain", "a", "--lifetime", "5"], 'unknown option "--lifetime"'),
    (["init"], "DIR is missing"),
    (["init", "a", "b"], 'unexpected argument "b"'),
    (["init", "a", "--isuer", "x"], 'did you mean "--issuer"?'),
    (["check", "x"], 'unexpected argument "x"'),
    (["keygen"], "--out FILE is missing"),
    (["keygen", "--out", "k", "--alg", "rs256"], 'did you mean "RS256"?'),
    (["keygen", "--out", "k", "--alg", "HS256"], 'unknown algorithm "HS256"'),
    (["keygen", "--out", "k", "--alg", "none"], 'unknown algorithm "none"'),
    (["keygen", "--out", "k", "--bits", "1024"], "--bits must be a number from 2048 to 8192"),
    (["keygen", "--out", "k", "--bits", "16384"], "--bits must be a number from 2048 to 8192"),
    (["keygen", "--out", "k", "--alg", "ES256", "--bits", "2048"], "--bits is for RSA keys"),
    (["keygen", "--out", "k", "--alg", "ES256", "--primes", "3"], "--primes is for RSA keys"),
    (["keygen", "--out", "k", "--alg", "EdDSA", "--primes", "2"], "--primes is for RSA keys"),
    (["keygen", "--out", "k", "--primes", "4"], "2048 bits has at most 3 primes; --primes 4 needs --bits 4096"),
    (["keygen", "--out", "k", "--primes", "4", "--bits", "4095"], "at most 3 primes"),
    (["keygen", "--out", "k", "--primes", "1"], "--primes must be a number from 2 to 4"),
    (["keygen", "--out", "k", "--primes", "5", "--bits", "8192"], "--primes must be a number from 2 to 4"),
    (["keygen", "--out", "k", "--alg", "EdDSA", "--bits", "4096"], "--bits is for RSA keys"),
    (["hash-secret", "secret"], "the secret is read from standard input"),
    (["hash-secret", "--generate=yes"], "--generate takes no value"),
    (["hash-secret", "--generate", "--generate"], "--generate is given twice"),
    (["list-clients", "x"], 'unexpected argument "x"'),
    (["inspect", "a", "b"], 'unexpected argument "b"'),
    (["revoke"], "TOKEN is missing"),
    (["revoke", "a", "b"], 'unexpected argument "b"'),
    (["state", "x"], 'unexpected argument "x"'),
    (["state", "--prun"], 'did you mean "--prune"?'),
    (["state", "--prune=yes"], "--prune takes no value"),
    (["export"], "DIR is missing"),
    (["-c"], "-c needs a value"),
    (["--confg", "x", "check"], 'unknown option "--confg"; did you mean "--config"?'),
    (["-x", "check"], 'unknown option "-x"'),
    (["check", "-c"], "-c needs a value"),
])
def test_wrong_usage(admin, tmp_path, arguments, complaint):
    result = admin.bad(USAGE, *arguments)
    assert complaint in result.stderr
    assert "--help'" in result.stderr
    assert result.stdout == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("arguments", [
    ["-c", "demo/oauth2.yaml", "check"], ["--config", "demo/oauth2.yaml", "check"],
    ["--config=demo/oauth2.yaml", "check"], ["check", "-c", "demo/oauth2.yaml"],
    ["check", "--config", "demo/oauth2.yaml"], ["check", "--config=demo/oauth2.yaml"],
    ["-c", "nowhere", "check", "-c", "demo/oauth2.yaml"],
])
def test_where_the_configuration_is_named(admin, demo, arguments):
    assert "demo/oauth2.yaml: ok" in admin.good(*arguments, config="also-nowhere")


def test_configuration_by_the_environment(admin, demo):
    assert "ok" in admin.good("check", config=demo[0])


def test_option_goes_before_the_environment(admin, demo):
    assert "nowhere" in admin.bad(FAILED, "-c", "nowhere", "check", config=demo[0]).stdout


def test_built_in_configuration(admin):
    shown = re.search(r"^ +else (/.*/oauth2-fcgi/oauth2\.yaml)$", admin.good("--help"), re.M)
    if os.path.exists(shown.group(1)):
        pytest.fail(f"{shown.group(1)} exists; these tests need a machine without it")
    for environment in ({}, {"OAUTH2_CONFIG": ""}):
        result = admin.bad(FAILED, "check", environment=environment)
        assert result.stdout.startswith(shown.group(1) + ":")


@pytest.mark.parametrize("command", [["list-clients"], ["token", "a"], ["explain", "a"],
                                     ["inspect", "a"], ["revoke", "a"], ["state"], ["export", "d"], ["expiring"]])
def test_bad_configuration_for_every_command(admin, tmp_path, command):
    config = tmp_path / "bad.yaml"
    config.write_text("issuer: 7\nisuer: https://a.example.com\n", encoding="utf-8")
    result = admin.bad(FAILED, "-c", "bad.yaml", *command)
    assert re.search(r"^bad\.yaml:1:\d+: error: ", result.stderr, re.M)
    assert re.search(r"^bad\.yaml:2:1: error: ", result.stderr, re.M)
    assert "warning:" not in result.stderr
    assert result.stdout == ""
    assert names(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize("arguments", [["list-clients"], ["token", CLIENT], ["check"], ["--help"],
                                       ["hash-secret", "--generate"]])
def test_full_and_closed_output(admin, demo, arguments):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = admin.bad(FAILED, *arguments, config=demo[0], stdout=full)
    assert "standard output cannot be written: No space left on device" in result.stderr
    closed = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', admin.program, "-c", demo[0], *arguments],
                            capture_output=True, text=True, timeout=60, check=False)
    assert closed.returncode == FAILED
    assert "standard output cannot be written" in closed.stderr


def test_all_descriptors_closed(admin, demo):
    before = {path: path.read_bytes() for path in demo[0].parent.rglob("*") if path.is_file()}
    for arguments in (["check"], ["token", CLIENT], ["inspect"], ["hash-secret"]):
        result = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', admin.program, "-c", demo[0],
                                 *arguments], timeout=60, check=False)
        assert result.returncode == FAILED
    assert {path: path.read_bytes() for path in demo[0].parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name, close", [("/dev/stdin", "<&-"), ("/dev/stdout", ">&-")])
def test_closed_descriptors_are_not_given_to_files(admin, name, close):
    """What stands in for a closed descriptor is there before the first file is opened."""
    result = subprocess.run(["sh", "-c", f'exec "$0" "$@" {close}', admin.program, "-c", name, "list-clients"],
                            stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.returncode == FAILED
    assert result.stderr.startswith(f"{name}:1:1: error: is not a regular file\n")


def test_no_core_dumps(admin, demo):
    """A run that waits for input, looked at from outside."""
    with subprocess.Popen([admin.program, "-c", demo[0], "inspect"], stdin=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            limits = ""
            while not re.search(r"^Max core file size +0 +0 ", limits, re.M):
                assert time.monotonic() < deadline, limits
                with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
                    limits = file.read()
                time.sleep(0.02)
        finally:
            process.kill()


# init


def test_init_makes_a_working_configuration(admin, tmp_path):
    output = admin.good("init", "demo")
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    demo = tmp_path / "demo"
    assert names(demo) == ["keys", f"keys/{month}.pem", "oauth2.yaml", "state"]
    assert mode(demo) == 0o750
    assert mode(demo / "oauth2.yaml") == 0o640
    assert mode(demo / "keys") == 0o700
    assert mode(demo / "keys" / f"{month}.pem") == 0o600
    assert mode(demo / "state") == 0o700
    text = (demo / "oauth2.yaml").read_text(encoding="utf-8")
    assert 'issuer: "http://localhost:8080"\n' in text
    assert "\nstate: lmdb:state\n" in text
    assert "\n#throttle: {failures: 10, window: 60}\n" in text
    assert not re.search("^throttle", text, re.M)
    assert f"client_id: {CLIENT}\n" in output
    secret = init_secret(output)
    assert secret not in text
    assert "sha256:" + hashlib.sha256(secret.encode()).hexdigest() in text


def test_init_passes_check_without_a_warning(admin, demo):
    assert admin.good("-c", "demo/oauth2.yaml", "check") == \
        "demo/oauth2.yaml: ok, 1 client, 1 scope, 1 key\n"


@pytest.mark.parametrize("name", ["demo", "with a space", "it's", "-dash", "ümlaut"])
def test_init_prints_the_next_command(admin, tmp_path, name):
    output = admin.good("init", "--", name)
    command = re.search(r"^  (\S.* token " + CLIENT + ")$", output, re.M).group(1)
    result = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["token_type"] == "Bearer"


@pytest.mark.parametrize("issuer", ["https://auth.example.com", "https://auth.example.com/tenant",
                                    "http://127.0.0.1:9000", "http://[::1]:8080"])
def test_init_with_an_issuer(admin, issuer):
    admin.good("init", "demo", "--issuer", issuer)
    assert admin.good("-c", "demo/oauth2.yaml", "check") == \
        "demo/oauth2.yaml: ok, 1 client, 1 scope, 1 key\n"
    response = json.loads(admin.good("-c", "demo/oauth2.yaml", "token", CLIENT))
    assert claims_of(response["access_token"])["iss"] == issuer


@pytest.mark.parametrize("issuer", ["http://auth.example.com", "https://auth.example.com?x=1", "ftp://a",
                                    "auth.example.com", "https://auth.example.com#x", "",
                                    'https://a"\nclients: {}', "https://a\tb", "https://\u00e9.example.com"])
def test_init_with_a_bad_issuer_leaves_nothing(admin, tmp_path, issuer):
    result = admin.bad(FAILED, "init", "demo", "--issuer", issuer)
    assert "nothing is made: " in result.stderr
    assert result.stdout == ""
    assert names(tmp_path) == []


def test_init_in_an_empty_directory(admin, tmp_path):
    (tmp_path / "demo").mkdir(mode=0o711)
    (tmp_path / "demo").chmod(0o711)
    admin.good("init", "demo")
    assert mode(tmp_path / "demo") == 0o711
    assert "ok" in admin.good("-c", "demo/oauth2.yaml", "check")


def test_failed_init_keeps_an_empty_directory(admin, tmp_path):
    (tmp_path / "demo").mkdir()
    admin.bad(FAILED, "init", "demo", "--issuer", "http://auth.example.com")
    assert names(tmp_path) == ["demo"]


@pytest.mark.parametrize("file", ["oauth2.yaml", "keys/x.pem", ".hidden"])
def test_init_touches_nothing_in_a_full_directory(admin, tmp_path, file):
    path = tmp_path / "demo" / file
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="ascii")
    before = names(tmp_path)
    result = admin.bad(FAILED, "init", "demo")
    assert "demo: is not empty" in result.stderr
    assert names(tmp_path) == before
    assert path.read_text(encoding="ascii") == "mine"


def test_init_twice(admin, demo):
    text = demo[0].read_text(encoding="utf-8")
    admin.bad(FAILED, "init", "demo")
    assert demo[0].read_text(encoding="utf-8") == text


def test_init_where_a_file_is(admin, tmp_path):
    (tmp_path / "demo").write_text("mine", encoding="ascii")
    assert "demo: cannot be opened: Not a directory" in admin.bad(FAILED, "init", "demo").stderr
    assert (tmp_path / "demo").read_text(encoding="ascii") == "mine"


def test_init_without_the_parent_directory(admin, tmp_path):
    assert "a/b: cannot be made: No such file" in admin.bad(FAILED, "init", "a/b").stderr
    assert names(tmp_path) == []


def test_init_on_a_full_disk_leaves_nothing(admin, tmp_path):
    """A key that cannot be written whole: files may not grow above 1,024 bytes."""
    result = admin.bad(FAILED, "init", "demo",
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)))
    assert "cannot be written: File too large" in result.stderr
    assert names(tmp_path) == []


def test_init_without_output_leaves_nothing(admin, tmp_path):
    with open("/dev/full", "w", encoding="ascii") as full:
        admin.bad(FAILED, "init", "demo", stdout=full)
    assert names(tmp_path) == []


def test_init_is_not_half_done_by_a_signal(admin, tmp_path):
    """The signal comes as soon as the first thing is there."""
    for i in range(8):
        directory = tmp_path / f"demo{i}"
        with subprocess.Popen([admin.program, "init", directory], stdout=subprocess.PIPE, text=True) as process:
            while process.poll() is None and not directory.exists():
                pass
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=60)[0]
        assert process.returncode in (-signal.SIGTERM, DONE)
        assert init_secret(output)
        assert "ok" in admin.good("-c", directory / "oauth2.yaml", "check")


def test_two_inits_differ(admin, tmp_path):
    first, second = (init_secret(admin.good("init", name)) for name in ("a", "b"))
    assert first != second
    keys = [next((tmp_path / name / "keys").iterdir()).read_bytes() for name in ("a", "b")]
    assert keys[0] != keys[1]


# check


def test_check_counts(admin, shop):
    assert admin.good("-c", "oauth2.yaml", "check").splitlines()[-1] == \
        "oauth2.yaml: ok, 4 clients, 5 scopes, 2 keys"


def test_check_prints_every_error(admin, tmp_path, shop):
    shop.write_text(SHOP.replace("lifetime: 600", "lifetime: 0").replace("name: Plain", "nam: Plain")
                    .replace("scopes: [read, write]", "scopes: [read, wriet]"), encoding="utf-8")
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "check")
    lines = result.stdout.splitlines()
    assert lines[-1] == "oauth2.yaml: 3 errors"
    places = [re.match(r"oauth2\.yaml:(\d+):(\d+): error: .", line).groups() for line in lines[:-1]]
    assert [int(line) for line, _ in places] == [
        line_of("lifetime: 600"), line_of("name: Plain"), line_of("scopes: [read, write]")]
    assert 'did you mean "name"?' in lines[1]
    assert '"wriet"' in lines[2] and 'did you mean "write"?' in lines[2]
    assert result.stderr == ""


def test_check_prints_warnings_and_is_content(admin, tmp_path, shop):
    shop.write_text(SHOP.replace("secrets: [{hash", 'secrets: [{expires: 2020-01-01, hash', 1),
                    encoding="utf-8")
    output = admin.good("-c", "oauth2.yaml", "check").splitlines()
    assert re.match(rf"oauth2\.yaml:{line_of('secrets:')}:\d+: warning: ", output[0])
    assert output[-1] == "oauth2.yaml: ok, 4 clients, 5 scopes, 2 keys, 1 warning"
    assert "warning" not in admin.run("-c", "oauth2.yaml", "list-clients").stderr


def test_check_looks_into_the_keys(admin, tmp_path, shop):
    (tmp_path / "keys" / "now.pem").write_text("no key", encoding="ascii")
    (tmp_path / "keys" / "old.pem").chmod(0o644)
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "check").stdout
    assert re.search(rf"^oauth2\.yaml:{line_of('now.pem')}:\d+: error: .*now\.pem", output, re.M)
    assert re.search(rf"^oauth2\.yaml:{line_of('old.pem')}:\d+: error: .*old\.pem", output, re.M)


def test_check_of_nothing(admin):
    result = admin.bad(FAILED, "-c", "nowhere.yaml", "check")
    assert re.match(r"nowhere\.yaml:1:1: error: .*No such file", result.stdout)
    assert result.stdout.endswith("nowhere.yaml: 1 error\n")


def many_unknown_keys(directory, count):
    lines = "".join(f"unknown{i}: 1\n" for i in range(count))
    (directory / "many.yaml").write_text(lines, encoding="ascii")


def test_check_prints_hundreds_of_problems(admin, tmp_path):
    many_unknown_keys(tmp_path, 300)
    output = admin.bad(FAILED, "-c", "many.yaml", "check").stdout
    assert len(re.findall(r'^many\.yaml:\d+:1: error: unknown key "unknown\d+"$', output, re.M)) == 300
    assert re.fullmatch(r"many\.yaml: 30\d errors, 1 warning", output.splitlines()[-1])


def test_check_says_that_there_is_more(admin, tmp_path):
    many_unknown_keys(tmp_path, 10100)
    lines = admin.bad(FAILED, "-c", "many.yaml", "check").stdout.splitlines()
    assert len(lines) == 10001
    assert re.fullmatch(r"many\.yaml: 1010\d errors \(not all of them are shown\)", lines[-1])


# keygen


@pytest.mark.parametrize("arguments, kind, bits", [
    ([], "RSA", 2048),
    (["--alg", "RS256"], "RSA", 2048),
    (["--alg", "RS384", "--bits", "3072"], "RSA", 3072),
    (["--alg=RS512"], "RSA", 2048),
    (["--alg", "PS256", "--bits=4096"], "RSA", 4096),
    (["--alg", "ES256"], "EC", 256),
    (["--alg", "EdDSA"], "OKP", 256),
])
def test_keygen(admin, tmp_path, arguments, kind, bits):
    output = admin.good("keygen", *arguments, "--out", "key.pem")
    pem = tmp_path / "key.pem"
    assert mode(pem) == 0o600
    assert pem.read_text(encoding="ascii").startswith("-----BEGIN PRIVATE KEY-----\n")
    checked = openssl("pkey", "-in", pem, "-noout", "-text", "-check").decode()
    assert "Key is valid" in checked
    key = jwk.JWK.from_pem(pem.read_bytes())
    assert json.loads(key.export_public())["kty"] == kind
    assert kind == "OKP" and "ED25519 Private-Key" in checked or f"({bits} bit" in checked
    assert output == key.thumbprint() + "\n"
    assert names(tmp_path) == ["key.pem"]


def test_keygen_makes_another_key_each_time(admin):
    assert len({admin.good("keygen", "--alg", "ES256", "--out", f"{i}.pem") for i in range(3)}) == 3


@pytest.mark.parametrize("primes, bits", [(2, 2048), (3, 2048), (3, 3072), (4, 4096)])
def test_keygen_of_several_primes(admin, tmp_path, shop, primes, bits):
    """It loads, signs, is published and rotated as any other key; openssl and jwcrypto agree."""
    result = admin.run("keygen", "--primes", primes, "--bits", bits, "--out", "keys/new.pem")
    assert result.returncode == DONE
    assert ("FIPS" in result.stderr) == (primes > 2)
    assert not result.stderr or result.stderr.startswith("oauth2-admin: warning: ")
    shown = openssl("pkey", "-in", tmp_path / "keys/new.pem", "-noout", "-text", "-check").decode()
    assert f"({bits} bit, {primes} primes)" in shown and "Key is valid" in shown
    shop.write_text(SHOP.replace("{file: keys/now.pem, kid: now}", "{file: keys/new.pem}"), encoding="utf-8")
    assert "error" not in admin.good("-c", "oauth2.yaml", "check")
    admin.good("-c", "oauth2.yaml", "export", "public")
    published = json.loads((tmp_path / "public/jwks.json").read_text(encoding="utf-8"))["keys"][1]
    assert set(published) == {"alg", "e", "kid", "kty", "n", "use"}
    assert published["kid"] == result.stdout.strip()
    parsed = jws.JWS()
    parsed.deserialize(json.loads(admin.good("-c", "oauth2.yaml", "token", "plain"))["access_token"])
    parsed.verify(jwk.JWK(**published))
    made = json.loads(admin.good("-c", "oauth2.yaml", "rotate", "--json"))["file"]
    assert f"({bits} bit, {primes} primes)" in openssl("pkey", "-in", tmp_path / made, "-noout", "-text").decode()


@pytest.mark.parametrize("prepare", [
    lambda path: path.write_text("mine", encoding="ascii"),
    lambda path: path.mkdir(),
    lambda path: path.symlink_to("elsewhere"),
    lambda path: os.mkfifo(path),
])
def test_keygen_never_overwrites(admin, tmp_path, prepare):
    prepare(tmp_path / "key.pem")
    before = os.lstat(tmp_path / "key.pem")
    result = admin.bad(FAILED, "keygen", "--alg", "ES256", "--out", "key.pem")
    assert "key.pem: exists already" in result.stderr
    assert result.stdout == ""
    after = os.lstat(tmp_path / "key.pem")
    assert (before.st_ino, before.st_mode, before.st_size) == (after.st_ino, after.st_mode, after.st_size)
    assert names(tmp_path) == ["key.pem"]


def test_keygen_where_it_cannot_write(admin, tmp_path):
    result = admin.bad(FAILED, "keygen", "--alg", "ES256", "--out", "no/where.pem")
    assert "no/where.pem: cannot be written: No such file" in result.stderr
    assert names(tmp_path) == []


def test_keygen_on_a_full_disk_leaves_nothing(admin, tmp_path):
    admin.bad(FAILED, "keygen", "--out", "key.pem",
              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)))
    assert names(tmp_path) == []


def test_keygen_key_serves_in_the_configuration(admin, tmp_path, shop):
    kid = admin.good("keygen", "--alg", "ES256", "--out", "keys/new.pem").strip()
    shop.write_text(SHOP.replace("{file: keys/now.pem, kid: now}", "{file: keys/new.pem}"),
                    encoding="utf-8")
    token = json.loads(admin.good("-c", "oauth2.yaml", "token", "plain"))["access_token"]
    assert header_of(token) == {"kid": kid, "typ": "JWT", "alg": "ES256"}
    parsed = jws.JWS()
    parsed.deserialize(token)
    parsed.verify(jwk.JWK.from_pem((tmp_path / "keys" / "new.pem").read_bytes()))


# hash-secret

@pytest.mark.parametrize("arguments", [
    ["hunter2"], ["-hunter2"], ["--hunter2"], ["--hunter2=x"], ["--", "hunter2"], ["--", "-hunter2"], ["--", "--hunter2"],
    ["--generate", "-hunter2"], ["--json", "--", "--hunter2"], ["-c", "x", "-hunter2"], ["-c=x", "--generatehunter2"],
    ["--generate=hunter2"], ["--json=hunter2"], ["hunter2="], ["--", "--json", "hunter2"],
])
def test_secret_as_an_argument_is_not_shown(admin, arguments):
    result = admin.bad(USAGE, "hash-secret", *arguments)
    assert "hunter2" not in result.stdout + result.stderr
    assert ("standard input" in result.stderr) == ("=hunter2" not in arguments[0])


def crypt(secret, setting):
    """crypt(3) itself."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(secret.encode(), setting.encode()).decode()


@pytest.mark.parametrize("given, secret", [
    ("correct horse\n", "correct horse"), ("no newline", "no newline"), ("windows\r\n", "windows"),
    (" spaces \n", " spaces "), ("x" * 511 + "\n", "x" * 511),
    ("~!\"'$`\\\n", "~!\"'$`\\"),
], ids=["line", "no-newline", "windows", "spaces", "longest", "signs"])
def test_hash_secret(admin, given, secret):
    output = admin.good("hash-secret", input=given)
    stored = output.removesuffix("\n")
    assert re.fullmatch(r"\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{43}", stored)
    assert crypt(secret, stored) == stored
    assert crypt(secret + "x", stored) != stored


def test_hash_secret_is_salted(admin):
    assert admin.good("hash-secret", input="same\n") != admin.good("hash-secret", input="same\n")


@pytest.mark.parametrize("given, complaint", [
    ("", "empty"), ("\n", "empty"), ("\r\n", "empty"),
    ("first\nsecond\n", "more than one line"), ("first\nsecond", "more than one line"),
    ("\nsecond\n", "more than one line"), ("\n\n", "more than one line"),
    ("first\n" * 2000, "more than one line"),
    ("x" * 512 + "\n", "too long"), ("x" * 5000 + "\n", "too long"), ("x" * 200000, "too long"),
    ("sch\u00f6n\n", "printable ASCII"), ("a\tb\n", "printable ASCII"), ("a\0b\n", "printable ASCII"),
], ids=["nothing", "newline", "windows", "two-lines", "no-newline", "empty-first", "two-newlines",
        "many-lines", "long", "longer", "endless", "utf-8", "tab", "nul"])
def test_hash_secret_refuses(admin, given, complaint):
    result = admin.bad(FAILED, "hash-secret", input=given)
    assert complaint in result.stderr
    assert result.stdout == ""
    assert not given.strip() or given.strip() not in result.stderr


def test_hash_secret_generate(admin):
    secrets = set()
    for _ in range(3):
        label, stored = admin.good("hash-secret", "--generate").splitlines()
        secret = re.fullmatch(r"secret: ([A-Za-z0-9_-]{43})", label).group(1)
        assert stored == "hash: sha256:" + hashlib.sha256(secret.encode()).hexdigest()
        assert len(decode(secret)) == 32
        secrets.add(secret)
    assert len(secrets) == 3


class Typist:
    """The program on a terminal, as its foreground job."""

    def __init__(self, program, *arguments):
        self.terminal, other = pty.openpty()
        self.seen = b""
        attributes = termios.tcgetattr(other)
        attributes[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(other, termios.TCSANOW, attributes)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.close(os.open(os.ttyname(other), os.O_RDWR))
            for fd in (0, 1, 2):
                os.dup2(other, fd)
            os.execv(program, [program, *arguments])
        self.other = other

    def echo(self):
        return bool(termios.tcgetattr(self.other)[3] & termios.ECHO)

    def wait_for(self, text, times=1):
        deadline = time.monotonic() + 20
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, self.seen
            self.read()

    def read(self):
        if select.select([self.terminal], [], [], 0.2)[0]:
            self.seen += os.read(self.terminal, 4096)

    def type(self, text):
        os.write(self.terminal, text)

    def wait(self, options=0):
        deadline = time.monotonic() + 20
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG | options)
            if pid != 0:
                break
            assert time.monotonic() < deadline, self.seen
            self.read()
        self.read()
        return status

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.terminal)
        os.close(self.other)


@pytest.fixture
def typist(build):
    created = Typist(str(build / "oauth2-admin"), "hash-secret")
    yield created
    created.close()


def test_secret_is_not_shown_on_a_terminal(typist):
    typist.wait_for(b"Secret: ")
    assert not typist.echo()
    typist.type(b"typed unseen\n")
    assert os.waitstatus_to_exitcode(typist.wait()) == DONE
    assert b"typed unseen" not in typist.seen
    stored = re.search(rb"\$y\$[./A-Za-z0-9$]+", typist.seen).group().decode()
    assert crypt("typed unseen", stored) == stored
    assert typist.echo()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_terminal_is_restored_on_a_signal(typist, number):
    typist.wait_for(b"Secret: ")
    typist.type(b"half a sec")
    assert not typist.echo()
    os.kill(typist.pid, number)
    status = typist.wait()
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number
    assert typist.echo()
    assert b"half" not in typist.seen


def test_terminal_is_restored_on_the_interrupt_key(typist):
    typist.wait_for(b"Secret: ")
    typist.type(b"half a sec\x03")
    status = typist.wait()
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT
    assert typist.echo()
    assert b"half" not in typist.seen


def test_terminal_is_restored_while_stopped(build):
    """As a job of a shell: an orphaned one would not stop."""
    terminal, other = pty.openpty()
    program = textwrap.dedent("""\
        import os, signal, subprocess, sys, termios
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))
        job = subprocess.Popen([sys.argv[1], "hash-secret"], process_group=0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, job.pid)
        while True:
            _, status = os.waitpid(job.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            echo = bool(termios.tcgetattr(0)[3] & termios.ECHO)
            print("stopped, echo", echo, flush=True)
            os.kill(job.pid, signal.SIGCONT)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
        """)
    with subprocess.Popen(["/usr/bin/python3", "-c", program, str(build / "oauth2-admin")],
                          stdin=other, stdout=other, stderr=other) as shell:
        try:
            seen = Typist.__new__(Typist)
            seen.terminal, seen.seen = terminal, b""
            seen.wait_for(b"Secret: ")
            seen.type(b"lost\x1a")
            seen.wait_for(b"stopped, echo True")
            seen.wait_for(b"Secret: ", times=2)
            assert not termios.tcgetattr(other)[3] & termios.ECHO
            seen.type(b"kept\n")
            seen.wait_for(b"ended 0")
            stored = re.search(rb"\$y\$[./A-Za-z0-9$]+", seen.seen).group().decode()
            assert crypt("kept", stored) == stored
            assert termios.tcgetattr(other)[3] & termios.ECHO
            assert b"kept" not in seen.seen
        finally:
            shell.kill()
            os.close(terminal)
            os.close(other)


# list-clients


def test_list_clients(admin, shop):
    lines = admin.good("-c", "oauth2.yaml", "list-clients").splitlines()
    assert lines[0].split() == ["ID", "NAME", "ENABLED", "METHODS", "SCOPES"]
    columns = [lines[0].index(name) for name in ("ID", "NAME", "ENABLED", "METHODS", "SCOPES")]
    cells = [[line[a:b].strip() for a, b in zip(columns, columns[1:] + [None])] for line in lines[1:]]
    both = "client_secret_basic,client_secret_post"
    assert cells == [
        ["nothing", "-", "yes", both, "read"],
        ["off", "-", "no", both, "read"],
        ["plain", "Plain", "yes", both, "read write"],
        ["special", "Spécial ☃", "yes", "client_secret_basic", "read write orders bills"],
    ]
    for line in lines:
        assert all(line[column - 2:column] == "  " for column in columns[1:])
        assert line == line.rstrip()


def test_list_clients_prints_no_control_characters(admin, shop):
    shop.write_text(SHOP.replace("name: Plain", 'name: "A\\e[31mB\\x9bC\\x7f"'), encoding="utf-8")
    output = admin.good("-c", "oauth2.yaml", "list-clients")
    assert "A?[31mB?C?" in output
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", output)


# token


def test_token(admin, tmp_path, demo):
    before = int(time.time())
    output = admin.good("-c", "demo/oauth2.yaml", "token", CLIENT, "--scope", "identity_proofing")
    after = int(time.time())
    response = json.loads(output)
    assert output.count("\n") == 1
    token = response.pop("access_token")
    assert response == {"token_type": "Bearer", "expires_in": 300, "scope": "identity_proofing"}
    pem = next((tmp_path / "demo" / "keys").iterdir())
    verify(pem, token, tmp_path)
    assert header_of(token) == {"kid": thumbprint(pem), "typ": "JWT", "alg": "RS256"}
    claims = claims_of(token)
    assert uuid.UUID(claims.pop("jti")).version == 4
    assert before <= claims["iat"] <= after
    issued = claims["iat"]
    assert claims == {"sub": CLIENT, "aud": CLIENT, "nbf": issued, "scope": ["identity_proofing"],
                      "iss": "http://localhost:8080", "exp": issued + 300, "iat": issued}


def test_token_needs_no_secret_of_the_client(admin, demo):
    assert demo[1] not in admin.good("-c", "demo/oauth2.yaml", "token", CLIENT)


@pytest.mark.parametrize("lifetime", [1, 86400])
def test_token_lifetime(admin, demo, lifetime):
    response = json.loads(admin.good("-c", "demo/oauth2.yaml", "token", CLIENT, "--lifetime", lifetime))
    claims = claims_of(response["access_token"])
    assert response["expires_in"] == lifetime == claims["exp"] - claims["iat"]


@pytest.mark.parametrize("arguments, audience, scope", [
    (["plain"], "https://default.example.com", ["read", "write"]),
    (["plain", "--scope", "write read write"], "https://default.example.com", ["write", "read"]),
    (["plain", "--scope", ""], "https://default.example.com", ["read", "write"]),
    (["special"], "https://special.example.com", "write"),
    (["special", "--scope", "orders read"], "https://orders.example.com", "orders read"),
    (["special", "--resource", "https://a.example.com"], "https://a.example.com", "write"),
    (["special", "--resource", "https://b.example.com", "--resource", "https://a.example.com",
      "--resource", "https://b.example.com"],
     ["https://b.example.com", "https://a.example.com"], "write"),
    (["special", "--resource="], "https://special.example.com", "write"),
    (["special", "--scope", "orders bills", "--resource", "https://a.example.com"],
     "https://a.example.com", "orders bills"),
])
def test_token_for_a_request(admin, tmp_path, shop, arguments, audience, scope):
    response = json.loads(admin.good("-c", "oauth2.yaml", "token", *arguments))
    verify(tmp_path / "keys" / "now.pem", response["access_token"], tmp_path)
    claims = claims_of(response["access_token"])
    assert claims["aud"] == audience
    assert claims["scope"] == scope
    assert response["scope"] == (scope if isinstance(scope, str) else " ".join(scope))


def test_token_with_profile_and_claims(admin, shop):
    response = json.loads(admin.good("-c", "oauth2.yaml", "token", "special"))
    claims = claims_of(response["access_token"])
    assert header_of(response["access_token"]) == {"kid": "now", "typ": "at+jwt", "alg": "RS256"}
    assert response["expires_in"] == 60
    assert set(claims) == {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "tenant", "level"}
    assert (claims["tenant"], claims["level"]) == ("acme", 3)


REFUSALS = [
    (["nobody"], 401, "invalid_client", "unknown client", ("clients:", "")),
    (["off"], 401, "invalid_client", "client is disabled", ("enabled: false", "")),
    (["nothing"], 400, "unauthorized_client", "not in the client's grants", ("grants: []", "")),
    (["plain", "--scope", "rite"], 400, "invalid_scope", "undefined scope", ("scopes:", "")),
    (["plain", "--scope", "read  write"], 400, "invalid_scope", "malformed scope", None),
    (["plain", "--scope", "read unused"], 400, "invalid_scope", "not one of this client's",
     ("scopes:", "plain:")),
    (["plain", "--resource", "https://a.example.com"], 400, "invalid_target", "not one of this client's",
     ("plain:", "")),
    (["special", "--resource", "https://c.example.com"], 400, "invalid_target",
     "not one of this client's", ("resources:", "special:")),
    (["special", "--resource", "not a uri"], 400, "invalid_target", "not an absolute URI", None),
    (["special", "--scope", "orders bills"], 400, "invalid_scope", "different audiences",
     ("audience:", "  orders:")),
]

JWK = "{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}"

# Clients that the endpoint refuses whatever they send, and some that only look so.
SHUT_OUT = "state: lmdb:state\n" + SHOP + """\
  no-method:
    auth_methods: []
    secrets: [{hash: "sha256:SECRET"}]
  no-live-file:
    auth_methods: [client_secret_jwt]
    secrets:
      - {file: secret, expires: 2020-01-01T00:00:00Z}
      - {hash: "sha256:SECRET"}
  early-file:
    auth_methods: [client_secret_jwt]
    secrets:
      - {file: secret, not_before: 2999-01-01T00:00:00Z}
      - {hash: "sha256:SECRET"}
  no-secret:
    scopes: [read]
  no-secrets:
    secrets: []
  nothing-at-all:
  expired:
    secrets:
      - {hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}
      - {hash: "sha256:SECRET", expires: 2021-01-01T00:00:00Z}
  early:
    secrets: [{hash: "sha256:SECRET", not_before: 2999-01-01T00:00:00Z}]
  between:
    secrets:
      - {hash: "sha256:SECRET", not_before: 2999-01-01T00:00:00Z}
      - {hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}
  off-and-expired:
    enabled: false
    secrets: [{hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}]
  one-live-secret:
    secrets:
      - {hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}
      - {hash: "sha256:SECRET"}
      - {hash: "sha256:SECRET", not_before: 2999-01-01T00:00:00Z}
  one-live-method:
    auth_methods: [tls_client_auth, client_secret_post]
    tls_client_auth_subject_dn: CN=client
    secrets: [{hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}]
  by-certificate:
    auth_methods: [tls_client_auth]
    tls_client_auth_subject_dn: CN=client
  by-its-own-certificate:
    auth_methods: [self_signed_tls_client_auth]
    jwks: {keys: [JWK]}
  by-key:
    auth_methods: [private_key_jwt]
    jwks: {keys: [JWK]}
  by-secret-file:
    auth_methods: [client_secret_jwt]
    secrets:
      - {hash: "sha256:SECRET", expires: 2020-01-01T00:00:00Z}
      - {file: secret}
""".replace("SECRET", hashlib.sha256(b"s").hexdigest()).replace("JWK", JWK)

SHUT_OUT_REFUSALS = [
    ("no-method", "not in the client's auth_methods", "auth_methods:"),
    ("no-live-file", "the secret has expired", "secrets:"),
    ("early-file", "the secret is not valid yet", "secrets:"),
    ("no-secret", "wrong secret", "no-secret:"),
    ("no-secrets", "wrong secret", "secrets: []"),
    ("nothing-at-all", "wrong secret", "nothing-at-all:"),
    ("expired", "the secret has expired", "secrets:"),
    ("early", "the secret is not valid yet", "secrets:"),
    ("between", "the secret is not valid yet", "secrets:"),
    ("off-and-expired", "client is disabled", "enabled:"),
]


@pytest.mark.parametrize("arguments, status, error, reason, place", REFUSALS)
def test_token_refused(admin, shop, arguments, status, error, reason, place):
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "token", *arguments)
    assert f": {error}: " in result.stderr
    assert reason in result.stderr
    assert result.stdout == ""


@pytest.fixture
def shut_out(shop):
    """The configuration SHUT_OUT."""
    shop.write_text(SHUT_OUT, encoding="utf-8")
    secret = shop.parent / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    secret.chmod(0o600)
    return shop


@pytest.mark.parametrize("client, reason, _", SHUT_OUT_REFUSALS)
def test_token_refused_to_a_client_that_cannot_authenticate(admin, shut_out, client, reason, _):
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "token", client)
    assert result.stderr.startswith(f"oauth2-admin: {client}: invalid_client: ")
    assert reason in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("client", ["one-live-secret", "one-live-method", "by-certificate",
                                    "by-its-own-certificate", "by-key", "by-secret-file"])
@pytest.mark.parametrize("command", ["token", "explain"])
def test_one_way_to_authenticate_is_enough(admin, shut_out, command, client):
    assert '"expires_in"' in admin.good("-c", "oauth2.yaml", command, client)


# explain


def test_explain(admin, shop):
    output = admin.good("-c", "oauth2.yaml", "explain", "special", "--scope", "write read")
    assert output.startswith("status: 200\n")
    parts = sections(output)
    assert parts["response"] == {"access_token": "(not signed)", "token_type": "Bearer",
                                 "expires_in": 60, "scope": "write read"}
    assert parts["header"] == {"kid": "now", "typ": "at+jwt", "alg": "RS256"}
    assert parts["claims"]["sub"] == "special"
    assert parts["claims"]["tenant"] == "acme"
    special = {"after": "special:"}

    def at(text, **where):
        return f"oauth2.yaml:{line_of(text, **where)}"

    assert decisions(output) == {
        "client": ("special", at("special:")),
        "scope": ("write read", at("scopes:", **special)),
        "audience": ("https://special.example.com", at("audience:", **special)),
        "lifetime": ("60 s", at("token_lifetime:")),
        "profile": ("rfc9068", at("token_profile:")),
        "key": ("now RS256", at("now.pem")),
        "issuer": ("https://auth.example.com/shop", at("issuer:")),
        "claims": ('"tenant":"acme","level":3', at("claims:")),
    }


@pytest.mark.parametrize("arguments, what, value, place", [
    (["plain"], "scope", "read write", ("scopes:", "plain:")),
    (["plain"], "audience", "https://default.example.com", ("audience:", "")),
    (["plain"], "lifetime", "600 s", ("lifetime:", "")),
    (["plain"], "profile", "ciam", None),
    (["special"], "scope", "write", ("default_scopes:", "")),
    (["special", "--scope", "read orders"], "audience", "https://orders.example.com",
     ("audience:", "  orders:")),
    (["special", "--resource", "https://b.example.com"], "audience", "https://b.example.com",
     ("resources:", "")),
])
def test_explain_names_the_place(admin, shop, arguments, what, value, place):
    found = decisions(admin.good("-c", "oauth2.yaml", "explain", *arguments))
    wanted = f"oauth2.yaml:{line_of(place[0], after=place[1])}" if place else "default"
    assert found[what] == (value, wanted)


def test_explain_defaults(admin, demo):
    demo[0].write_text(demo[0].read_text(encoding="utf-8").replace("  lifetime:", "  # lifetime:"),
                       encoding="utf-8")
    found = decisions(admin.good("-c", "demo/oauth2.yaml", "explain", CLIENT))
    for what in ("audience", "lifetime", "profile"):
        assert found[what][1] == "default"
    assert found["audience"][0] == CLIENT
    assert "claims" not in found


def test_explain_signs_nothing(admin, demo):
    output = admin.good("-c", "demo/oauth2.yaml", "explain", CLIENT)
    assert not re.search(r"eyJ[\w-]+\.", output)


def test_explain_agrees_with_token(admin, shop):
    for arguments in (["plain"], ["special", "--scope", "orders"], ["special", "--resource", "https://a.example.com"]):
        response = json.loads(admin.good("-c", "oauth2.yaml", "token", *arguments))
        parts = sections(admin.good("-c", "oauth2.yaml", "explain", *arguments))
        token = response.pop("access_token")
        parts["response"].pop("access_token")
        assert parts["response"] == response
        assert parts["header"] == header_of(token)
        volatile = dict.fromkeys(("iat", "nbf", "exp", "jti"))
        assert {**parts["claims"], **volatile} == {**claims_of(token), **volatile}


@pytest.mark.parametrize("arguments, status, error, reason, place", REFUSALS)
def test_explain_refused(admin, shop, arguments, status, error, reason, place):
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", *arguments)
    assert result.stderr == ""
    assert result.stdout.startswith(f"status: {status}\n")
    body = sections(result.stdout)["response"]
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    assert reason in re.search(r"^refused: (.*)$", result.stdout, re.M).group(1)
    wanted = f"oauth2.yaml:{line_of(place[0], after=place[1])}" if place else "the request"
    assert re.search(rf"^decided by: {wanted}( \(|$)", result.stdout, re.M), result.stdout


@pytest.mark.parametrize("client, reason, key", SHUT_OUT_REFUSALS)
def test_explain_refused_to_a_client_that_cannot_authenticate(admin, shut_out, client, reason, key):
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", client)
    assert result.stdout.startswith("status: 401\n")
    assert sections(result.stdout)["response"]["error"] == "invalid_client"
    assert reason in re.search(r"^refused: (.*)$", result.stdout, re.M).group(1)
    wanted = f"oauth2.yaml:{line_of(key, SHUT_OUT, after=f'  {client}:')}"
    note = r" \(no 'secrets' there\)" if key == f"{client}:" else ""
    assert re.search(rf"^decided by: {wanted}{note}$", result.stdout, re.M), result.stdout


def test_explain_refused_names_the_culprit(admin, shop):
    for arguments, culprit in ((["plain", "--scope", "read rite"], "rite"),
                               (["plain", "--scope", "read unused"], "unused"),
                               (["special", "--resource", "https://a.example.com", "--resource",
                                 "https://c.example.com"], "https://c.example.com")):
        output = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", *arguments).stdout
        assert re.search(r"^refused: .*: (.*)$", output, re.M).group(1) == culprit


def test_explain_refused_names_both_audiences(admin, shop):
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", "special", "--scope", "orders bills").stdout
    assert re.findall(r"^decided by: oauth2\.yaml:(\d+)$", output, re.M) == [
        str(line_of("audience:", after="  orders:")), str(line_of("audience:", after="  bills:"))]


def test_explain_refused_by_the_default_scopes(admin, shop):
    shop.write_text(SHOP.replace("default_scopes: [write]", "default_scopes: [bills, write, orders]"),
                    encoding="utf-8")
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", "special").stdout
    assert re.findall(r"^decided by: oauth2\.yaml:(\d+)$", output, re.M) == [
        str(line_of("audience:", after="  bills:")), str(line_of("audience:", after="  orders:"))]


@pytest.mark.parametrize("key, error, reason", [
    ("tls_client_certificate_bound_access_tokens", "invalid_request",
     "certificate-bound access tokens need a client certificate"),
    ("dpop_bound_access_tokens", "invalid_dpop_proof", "a DPoP proof is required"),
])
def test_bound_tokens_are_not_made_by_hand(admin, shop, key, error, reason):
    """They need what only the client's own request brings."""
    config = STATE + SHOP.replace("    token_lifetime: 60", f"    {key}: true")
    shop.write_text(config, encoding="utf-8")
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "explain", "special").stdout
    assert output.startswith("status: 400\n")
    assert sections(output)["response"]["error"] == error
    assert f"\nrefused: {reason}\ndecided by: oauth2.yaml:{line_of(key, config)}\n" in output
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "token", "special")
    assert result.stderr == f"oauth2-admin: special: {error}: {reason}\n"
    assert result.stdout == ""


def test_explain_follows_an_include(admin, tmp_path, shop):
    (tmp_path / "more.yaml").write_text(
        'clients:\n  late:\n    scopes: [read]\n    token_lifetime: 90\n'
        f'    secrets: [{{hash: "sha256:{"0" * 64}"}}]\n', encoding="ascii")
    shop.write_text(SHOP + "include: [more.yaml]\n", encoding="utf-8")
    found = decisions(admin.good("-c", "oauth2.yaml", "explain", "late"))
    assert found["client"][1] == "more.yaml:2"
    assert found["lifetime"] == ("90 s", "more.yaml:4")
    assert found["scope"][1] == "more.yaml:3"


# inspect


def shop_claims(**changes):
    now = int(time.time())
    claims = {"iss": "https://auth.example.com/shop", "sub": "plain", "aud": "x", "iat": now - 5,
              "nbf": now - 5, "exp": now + 300, "jti": str(uuid.uuid4())}
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def test_inspect(admin, shop):
    token = json.loads(admin.good("-c", "oauth2.yaml", "token", "special", "--lifetime", 300))["access_token"]
    output = admin.good("-c", "oauth2.yaml", "inspect", token)
    parts = sections(output)
    assert parts["header"] == header_of(token)
    assert parts["claims"] == claims_of(token)
    assert "unverified" not in output
    assert re.search(r"^  exp  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  expires in (4 min \d+ s|5 min)$", output, re.M)
    shown = re.search(r"^  iat  (\S+)  issued \d+ s ago$", output, re.M).group(1)
    assert datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp() == claims_of(token)["iat"]
    assert output.endswith("signature: good, by the active key now\nverdict: valid\n")


@pytest.mark.parametrize("around", ["{}", "{}\n", "  {}\r\n\n", "\t{} \n"])
def test_inspect_reads_standard_input(admin, shop, around):
    token = json.loads(admin.good("-c", "oauth2.yaml", "token", "plain"))["access_token"]
    assert "verdict: valid" in admin.good("-c", "oauth2.yaml", "inspect", input=around.format(token))


def test_inspect_knows_retired_keys(admin, tmp_path, shop):
    token = sign(tmp_path / "keys" / "old.pem", {"alg": "RS256", "kid": "old"}, shop_claims())
    output = admin.good("-c", "oauth2.yaml", "inspect", token)
    assert "by the retired key old\nverdict: valid" in output


@pytest.mark.parametrize("changes, words, reason", [
    ({"exp": -7200}, "expired 2 h ago", "it has expired"),
    ({"exp": -90061}, "expired 1 d 1 h ago", "it has expired"),
    ({"exp": None}, None, "it has no expiry time (exp)"),
    ({"exp": "soon"}, "not a time", "it has no expiry time (exp)"),
    ({"exp": 1e300}, "not a time", "it has no expiry time (exp)"),
    ({"exp": 10 ** 17}, "not a time", "it has no expiry time (exp)"),
    ({"nbf": 3600}, r"valid in (1 h|59 min \d+ s)", "it is not valid yet (nbf)"),
    ({"nbf": "x"}, "not a time", "it is not valid yet (nbf)"),
    ({"iat": 600}, r"issued (10 min|9 min \d+ s) from now", "it was issued in the future (iat)"),
    ({"iss": "https://auth.example.com"}, None, "its issuer (iss) is not the configured one"),
    ({"iss": None}, None, "its issuer (iss) is not the configured one"),
])
def test_inspect_of_a_token_that_does_not_hold(admin, tmp_path, shop, changes, words, reason):
    now = int(time.time())
    changes = {name: now + value if isinstance(value, int) and abs(value) < 10 ** 9 else value
               for name, value in changes.items()}
    token = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "now"}, shop_claims(**changes))
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout
    assert output.endswith(f"signature: good, by the active key now\nverdict: not valid: {reason}\n")
    assert words is None or re.search(words, output)
    assert "unverified" not in output


def test_inspect_names_every_fault(admin, tmp_path, shop):
    token = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "now"},
                 shop_claims(exp=1, iss="https://other.example.com"))
    assert admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout.endswith(
        "verdict: not valid: it has expired; its issuer (iss) is not the configured one\n")


def tampered_claims(token, _):
    header, claims, signature = token.split(".")
    changed = json.dumps({**json.loads(decode(claims)), "sub": "admin"}).encode()
    return ".".join((header, encode(changed), signature))


def tampered_signature(token, _):
    signature = bytearray(decode(token.split(".")[2]))
    signature[7] ^= 1
    return token.rpartition(".")[0] + "." + encode(bytes(signature))


def without_signature(token, _):
    return encode(b'{"alg":"none","kid":"now"}') + "." + token.split(".")[1] + "."


def by_another_key(_, keys):
    return sign(keys / "old.pem", {"alg": "RS256", "kid": "now"}, shop_claims())


def with_another_alg(_, keys):
    return sign(keys / "now.pem", {"alg": "PS256", "kid": "now"}, shop_claims())


def keyed_with_the_public_key(_, keys):
    public = jwk.JWK.from_pem((keys / "now.pem").read_bytes()).export_to_pem()
    token = jws.JWS(json.dumps(shop_claims()))
    token.add_signature(jwk.JWK(kty="oct", k=encode(public)), None, '{"alg":"HS256","kid":"now"}')
    return token.serialize(compact=True)


def with_an_unknown_kid(_, keys):
    return sign(keys / "now.pem", {"alg": "RS256", "kid": "else"}, shop_claims())


def without_kid(_, keys):
    return sign(keys / "now.pem", {"alg": "RS256"}, shop_claims())


def with_crit(token, _):
    header = {**header_of(token), "crit": ["x"], "x": 1}
    return encode(json.dumps(header).encode()) + "." + token.split(".", 1)[1]


@pytest.mark.parametrize("make, reason", [
    (tampered_claims, "the signature does not verify"),
    (tampered_signature, "the signature does not verify"),
    (without_signature, "the alg is not the one that the key is for"),
    (by_another_key, "the signature does not verify"),
    (with_another_alg, "the alg is not the one that the key is for"),
    (keyed_with_the_public_key, "the alg is not the one that the key is for"),
    (with_an_unknown_kid, "no key has this kid"),
    (without_kid, "no key has this kid"),
    (with_crit, "the header has extensions that change what it means (crit, b64)"),
])
def test_inspect_of_a_forged_token(admin, tmp_path, shop, make, reason):
    good = json.loads(admin.good("-c", "oauth2.yaml", "token", "plain"))["access_token"]
    token = make(good, tmp_path / "keys")
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout
    assert output.endswith(f"verdict: not valid: {reason}\n")
    parts = sections(output)
    assert parts["header (unverified)"] == header_of(token)
    assert parts["claims (unverified)"] == claims_of(token)
    assert "header:" not in output and "claims:" not in output
    assert "times (unverified):" in output


@pytest.mark.parametrize("token, reason", [
    ("garbage", "not a compact JWS"),
    ("a.b", "not a compact JWS"),
    ("..", "the header is not a JSON object"),
    ("a.b.c.d.e", "not a compact JWS"),
    ("e30=.e30.e30", "not a compact JWS"),
    ("e30.e30 .e30", "not a compact JWS"),
    (encode(b"[]") + ".e30.e30", "the header is not a JSON object"),
    (encode(b'{"kid":"a","kid":"b"}') + ".e30.e30", "the header is not a JSON object, has repeated members"),
    ("e30." + encode(b"7") + ".e30", "the payload is not a JSON object"),
    (encode(b"\xff") + "." + encode(b"\x1b[31m") + ".e30", "the header is not a JSON object"),
])
def test_inspect_of_what_is_no_token(admin, shop, token, reason):
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token)
    assert f"verdict: not valid: {reason}" in result.stdout
    assert "cannot be decoded" in result.stdout
    assert "\x1b" not in result.stdout


def test_inspect_prints_half_of_a_token(admin, shop):
    parts = sections(admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", encode(b'{"alg":"RS256"}') + ".%%.x").stdout)
    assert parts == {"header (unverified)": {"alg": "RS256"}}


def test_inspect_prints_no_control_characters(admin, tmp_path, shop):
    token = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "\u009b\x1b[2J"},
                 shop_claims(sub="\x1b[31m\u202e\u009b"))
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout
    assert not re.search("[^\n\x20-\x7e]", output)


@pytest.mark.parametrize("given", ["", "\n", " \r\n\t "])
def test_inspect_of_nothing(admin, shop, given):
    assert "there is no token" in admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", input=given).stderr


def test_inspect_of_too_much(admin, shop):
    assert "too long" in admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", input="x" * 70000).stderr


# revoke and state

STATE = "state: lmdb:state\n"


@pytest.fixture
def stateful(shop):
    """The configuration SHOP with a state store."""
    shop.write_text(STATE + SHOP, encoding="utf-8")
    return shop


def shop_token(admin, *arguments):
    return json.loads(admin.good("-c", "oauth2.yaml", "token", *(arguments or ["plain"])))["access_token"]


def state_counts(output):
    """(revoked tokens, replay entries, throttled clients), as `state` prints them."""
    return tuple(int(re.search(rf"^  {name} +(\d+)  \S", output, re.M).group(1))
                 for name in ("revoked tokens", "replay entries", "throttled clients"))


def test_revoke(admin, stateful):
    token, other = shop_token(admin), shop_token(admin)
    claims = claims_of(token)
    until = datetime.fromtimestamp(claims["exp"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for _ in range(2):
        assert admin.good("-c", "oauth2.yaml", "revoke", token) == \
            f"revoked: {claims['jti']} of plain, valid until {until}\n"
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token)
    assert result.stdout.endswith("signature: good, by the active key now\n"
                                  "verdict: not valid: it has been revoked\n")
    assert result.stderr == ""
    assert admin.good("-c", "oauth2.yaml", "inspect", other).endswith("verdict: valid\n")
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (1, 0, 0)


def test_revoke_makes_files_for_the_owner_only(admin, tmp_path, demo):
    token = json.loads(admin.good("-c", "demo/oauth2.yaml", "token", CLIENT))["access_token"]
    admin.good("-c", "demo/oauth2.yaml", "revoke", token)
    files = list((tmp_path / "demo" / "state").iterdir())
    assert files and all(mode(path) == 0o600 for path in files)
    assert mode(tmp_path / "demo" / "state") == 0o700


@pytest.mark.parametrize("kid", ["now", "old"])
def test_revoke_knows_all_keys(admin, tmp_path, stateful, kid):
    token = sign(tmp_path / "keys" / f"{kid}.pem", {"alg": "RS256", "kid": kid, "typ": "JWT"}, shop_claims())
    assert admin.good("-c", "oauth2.yaml", "revoke", token).startswith("revoked: ")


def test_revoke_of_an_expired_token(admin, tmp_path, stateful):
    token = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "now", "typ": "JWT"},
                 shop_claims(exp=int(time.time()) - 1))
    assert admin.good("-c", "oauth2.yaml", "revoke", token) == "nothing to do: the token has expired\n"
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (0, 0, 0)


@pytest.mark.parametrize("changes, reason", [
    ({"iss": "https://auth.example.com"}, "it was not issued here (iss)"),
    ({"iss": "https://other.example.com", "exp": 1}, "it was not issued here (iss)"),
    ({"jti": None}, "jti is missing or empty"),
    ({"exp": None}, "exp is missing, or is no time"),
])
def test_revoke_of_a_foreign_token(admin, tmp_path, stateful, changes, reason):
    token = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "now", "typ": "JWT"},
                 shop_claims(**changes))
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "revoke", token)
    assert result.stderr == f"oauth2-admin: nothing is revoked: {reason}\n"
    assert result.stdout == ""
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (0, 0, 0)


@pytest.mark.parametrize("make, reason", [
    (tampered_claims, "the signature does not verify"),
    (without_signature, "the alg is not the one that the key is for"),
    (by_another_key, "the signature does not verify"),
    (with_an_unknown_kid, "no key has this kid"),
    (lambda *_: "garbage", "not a compact JWS"),
    (lambda *_: "", "not a compact JWS"),
])
def test_revoke_of_a_forged_token(admin, tmp_path, stateful, make, reason):
    token = make(shop_token(admin), tmp_path / "keys")
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "revoke", token)
    assert result.stderr == f"oauth2-admin: nothing is revoked: {reason}\n"
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (0, 0, 0)


@pytest.mark.parametrize("arguments", [["revoke", "x"], ["state"], ["state", "--prune"]])
def test_without_a_state_store(admin, tmp_path, shop, arguments):
    before = names(tmp_path)
    result = admin.bad(FAILED, "-c", "oauth2.yaml", *arguments)
    assert result.stderr == ("oauth2-admin: oauth2.yaml: there is no state store; set \"state\", "
                             "for example \"state: lmdb:state\"\n")
    assert result.stdout == ""
    assert names(tmp_path) == before


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_a_file(directory):
    (directory / "state").write_text("", encoding="ascii")
    return "lmdb:state"


BROKEN_STORES = {
    "a file for the directory": (make_a_file, "the state store cannot be opened, or not be written"),
    "no parent directory": (lambda _: "lmdb:no/where", "the state store cannot be opened, or not be written"),
    "nobody listens": (lambda _: f"redis://127.0.0.1:{free_port()}/0", "the state store does not answer"),
}


@pytest.mark.parametrize("store", BROKEN_STORES)
def test_with_a_broken_state_store(admin, tmp_path, shop, store):
    """Revoking fails; a token is inspected as far as it can be."""
    make, reason = BROKEN_STORES[store]
    url = make(tmp_path)
    shop.write_text(f"state: {url}\n" + SHOP, encoding="utf-8")
    token = shop_token(admin)
    for arguments in (["revoke", token], ["state"], ["state", "--prune"]):
        result = admin.bad(FAILED, "-c", "oauth2.yaml", *arguments)
        assert result.stderr == f"oauth2-admin: {url}: {reason}\n"
        assert result.stdout == ""
    assert admin.good("-c", "oauth2.yaml", "inspect", token).endswith(
        f"signature: good, by the active key now\nrevocation: not checked: {reason}: {url}\nverdict: valid\n")
    expired = sign(tmp_path / "keys" / "now.pem", {"alg": "RS256", "kid": "now"}, shop_claims(exp=1))
    output = admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", expired).stdout
    assert output.endswith("verdict: not valid: it has expired\n")
    assert "revocation" not in output


def test_inspect_names_revocation_beside_other_faults(admin, tmp_path, stateful):
    """Revoked, and inspected under the name that the server has since taken."""
    token = shop_token(admin)
    admin.good("-c", "oauth2.yaml", "revoke", token)
    stateful.write_text(STATE + SHOP.replace("/shop", "/new"), encoding="utf-8")
    assert admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout.endswith(
        "verdict: not valid: its issuer (iss) is not the configured one; it has been revoked\n")


def test_check_opens_no_state_store(admin, tmp_path, stateful):
    before = names(tmp_path)
    for command in (["check"], ["list-clients"], ["token", "plain"], ["explain", "plain"]):
        admin.good("-c", "oauth2.yaml", *command)
    assert names(tmp_path) == before


GOOD_SHOP = "oauth2.yaml: ok, 4 clients, 5 scopes, 2 keys\n"
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_modes():
    """In a child, before the program: the modes of files hold for root, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if os.geteuid() == 0 and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def make_directory(directory, name, bits):
    (directory / name).mkdir()
    (directory / name).chmod(bits)
    return f"lmdb:{name}"


def make_link(directory, target):
    (directory / "link").symlink_to(target)
    return "lmdb:link"


NO_DIRECTORY = "it is not a directory; name another place"
NO_RIGHT = "this user may not write in it; the one that the server runs as must be allowed to"
NO_RIGHT_ABOVE = ("this user may not make it in the directory above; the one that the server runs as must be "
                  "allowed to, or make it yourself")
NO_PARENT = "the directory above it does not exist; make it first"
UNUSABLE_STORES = {
    "a file": (make_a_file, NO_DIRECTORY),
    "a link to a file": (lambda at: make_link(at, "oauth2.yaml"), NO_DIRECTORY),
    "a link to nowhere": (lambda at: make_link(at, "nowhere"), NO_DIRECTORY),
    "a file above it": (lambda at: make_a_file(at) + "/below", "Not a directory"),
    "not to be written": (lambda at: make_directory(at, "closed", 0o500), NO_RIGHT),
    "not to be searched": (lambda at: make_directory(at, "closed", 0o600), NO_RIGHT),
    "not to be read": (lambda at: make_directory(at, "closed", 0o300), NO_RIGHT),
    "to be made where nobody may": (lambda at: make_directory(at, "closed", 0o500) + "/state", NO_RIGHT_ABOVE),
    "below what cannot be searched": (lambda at: make_directory(at, "closed", 0o600) + "/state", "Permission denied"),
    "no parent directory": (lambda _: "lmdb:no/where", NO_PARENT),
    "no parent directory, and slashes": (lambda _: "lmdb:no//where//", NO_PARENT),
    "nobody listens": (lambda _: f"redis://127.0.0.1:{free_port()}/0", "the state store does not answer"),
}


@pytest.mark.parametrize("store", UNUSABLE_STORES)
def test_check_warns_of_a_store_that_cannot_be_used(admin, tmp_path, shop, store):
    """The warning stands where the value does, among the others, and nothing is made."""
    make, problem = UNUSABLE_STORES[store]
    url = make(tmp_path)
    shop.write_text(f"state: {url}\n" + SHOP.replace("secrets: [{hash", "secrets: [{expires: 2020-01-01, hash", 1),
                    encoding="utf-8")
    before = names(tmp_path)
    output = admin.good("-c", "oauth2.yaml", "check", preexec_fn=obey_modes).splitlines()
    assert output[0] == f'oauth2.yaml:1:8: warning: "{url}" cannot be used now: {problem}'
    assert "this secret of \"plain\" has expired" in output[1]
    assert output[2:] == ["oauth2.yaml: ok, 4 clients, 5 scopes, 2 keys, 2 warnings"]
    assert names(tmp_path) == before
    assert admin.run("-c", "oauth2.yaml", "state", preexec_fn=obey_modes).returncode == FAILED


@pytest.mark.parametrize("make", [
    lambda _: "lmdb:state", lambda _: "lmdb:state//", lambda at: f"lmdb:{at}/state",
    lambda at: make_directory(at, "open", 0o700), lambda at: make_directory(at, "open", 0o700) + "/state",
    lambda at: make_link(at, "keys"),
])
def test_check_is_content_with_a_store(admin, tmp_path, shop, make):
    """One that is still to be made, and one that is in use."""
    shop.write_text(f"state: {make(tmp_path)}\n" + SHOP, encoding="utf-8")
    before = names(tmp_path)
    assert admin.good("-c", "oauth2.yaml", "check", preexec_fn=obey_modes) == GOOD_SHOP
    assert names(tmp_path) == before
    admin.good("-c", "oauth2.yaml", "revoke", shop_token(admin), preexec_fn=obey_modes)
    assert admin.good("-c", "oauth2.yaml", "check", preexec_fn=obey_modes) == GOOD_SHOP


def test_check_of_another_directory(admin, demo):
    """A relative name is looked for beside the configuration."""
    (demo[0].parent / "state").rmdir()
    (demo[0].parent / "state").write_text("", encoding="ascii")
    line = line_of("state: lmdb", demo[0].read_text(encoding="utf-8"))
    assert admin.good("-c", "demo/oauth2.yaml", "check").splitlines() == [
        f'demo/oauth2.yaml:{line}:8: warning: "lmdb:demo/state" cannot be used now: {NO_DIRECTORY}',
        "demo/oauth2.yaml: ok, 1 client, 1 scope, 1 key, 1 warning"]


@pytest.mark.parametrize("value", ["null", ""])
def test_check_without_a_state_store(admin, shop, value):
    shop.write_text(f"state: {value}\n" + SHOP, encoding="utf-8")
    assert admin.good("-c", "oauth2.yaml", "check") == GOOD_SHOP
    assert "there is no state store" in admin.bad(FAILED, "-c", "oauth2.yaml", "state").stderr


def test_init_throttle_can_be_turned_on(admin, demo):
    """The comment is a good line once its sign is taken away; the sentence before it says when."""
    text = demo[0].read_text(encoding="utf-8")
    assert re.search(r"\n# Generated secrets of 256 bits .*\n(# .*\n)*#throttle: ", text)
    demo[0].write_text(text.replace("\n#throttle: ", "\nthrottle: "), encoding="utf-8")
    assert admin.good("-c", "demo/oauth2.yaml", "check") == "demo/oauth2.yaml: ok, 1 client, 1 scope, 1 key\n"


def test_state_prune(admin, tmp_path, stateful):
    """Two tokens, of which one expires."""
    admin.good("-c", "oauth2.yaml", "revoke", shop_token(admin))
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (1, 0, 0)
    short = shop_token(admin, "plain", "--lifetime", 1)
    while admin.good("-c", "oauth2.yaml", "revoke", short).startswith("nothing"):
        short = shop_token(admin, "plain", "--lifetime", 1)
    time.sleep(max(0, claims_of(short)["exp"] - time.time()) + 0.1)
    assert state_counts(admin.good("-c", "oauth2.yaml", "state")) == (1, 0, 0)
    output = admin.good("-c", "oauth2.yaml", "state", "--prune")
    assert output.startswith("removed: 1 expired record\nstore: lmdb:state\n")
    assert state_counts(output) == (1, 0, 0)
    assert admin.good("-c", "oauth2.yaml", "state", "--prune").startswith("removed: 0 expired records\n")


@pytest.fixture
def serve(build, tmp_path):
    """Start oauth2.fcgi with the test's configuration; its socket."""
    started = []

    def run():
        at = tmp_path / "s"
        with open(tmp_path / "log", "ab") as log:
            process = subprocess.Popen(
                [build / "oauth2.fcgi", "--config", tmp_path / "oauth2.yaml", "--listen", at, "--workers", "2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        started.append(process)
        raw.wait_until(at.exists, 20, "it listens")
        return at

    yield run
    for process in started:
        process.terminate()
        process.wait(20)


def test_state_beside_running_servers(admin, tmp_path, stateful, serve):
    """What the servers remember is shown, and what the command revokes they refuse."""
    stateful.write_text(STATE + "throttle: {}\n" + SHOP.replace("  plain:\n", "  plain:\n    introspect: true\n"),
                        encoding="utf-8")
    at = serve()
    token = shop_token(admin)

    def ask(path, body):
        return raw.exchange(at, raw.token_request(body.encode(), PATH_INFO=path, HTTPS="on"))

    def is_active():
        answer = ask("/introspect", f"client_id=plain&client_secret=s&token={token}")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)["active"]

    assert is_active()
    assert ask("/token", "grant_type=client_credentials&client_id=plain&client_secret=x").status == 401
    revoked, replay, throttled = state_counts(admin.good("-c", "oauth2.yaml", "state"))
    assert (revoked, replay) == (0, 0) and throttled > 0
    admin.good("-c", "oauth2.yaml", "revoke", token)
    assert not any(is_active() for _ in range(8))
    assert state_counts(admin.good("-c", "oauth2.yaml", "state", "--prune")) == (1, 0, throttled)


def test_state_in_redis(admin, tmp_path, shop):
    server = shutil.which("redis-server")
    if server is None:
        pytest.fail("redis-server is missing; `make deps test` installs it")
    port = free_port()
    shop.write_text(f"state: redis://127.0.0.1:{port}/0\n" + SHOP, encoding="utf-8")
    with subprocess.Popen([server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path],
                          stdout=subprocess.DEVNULL) as process:
        try:
            raw.wait_until(lambda: admin.run("-c", "oauth2.yaml", "state").returncode == DONE, 20, "Redis answers")
            assert admin.good("-c", "oauth2.yaml", "check") == GOOD_SHOP
            token = shop_token(admin)
            admin.good("-c", "oauth2.yaml", "revoke", token)
            assert "it has been revoked" in admin.bad(FAILED, "-c", "oauth2.yaml", "inspect", token).stdout
            output = admin.good("-c", "oauth2.yaml", "state", "--prune")
            assert output.startswith(f"removed: 0 expired records\nstore: redis://127.0.0.1:{port}/0\n")
            assert state_counts(output) == (1, 0, 0)
        finally:
            process.terminate()


# A network file system

# statfs(2) of whatever lies below a directory named "network" says NFS.
NFS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/vfs.h>
#define PRETEND(name) \
    int name(const char *path, struct name *fs) \
    { \
        int (*real)(const char *, struct name *) = (int (*)(const char *, struct name *))dlsym(RTLD_NEXT, #name); \
        int result = real(path, fs); \
        if (result == 0 && strstr(path, "network") != NULL) \
            fs->f_type = 0x6969; \
        return result; \
    }
PRETEND(statfs)
PRETEND(statfs64)
"""


@pytest.fixture
def network(tmp_path, tmp_path_factory):
    """A directory that looks like NFS, and the environment in which it does."""
    place = tmp_path_factory.mktemp("nfs")
    (place / "shim.c").write_text(NFS, encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", place / "shim.so", place / "shim.c", "-ldl"], check=True)
    (tmp_path / "network").mkdir()
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0".lstrip(":")
    return tmp_path / "network", {"LD_PRELOAD": str(place / "shim.so"), "ASAN_OPTIONS": options}


def refusal(directory, line):
    return (f"oauth2.yaml:{line}:8: error: \"lmdb:{directory}\" is on a network file system, where LMDB loses "
            "data; name a directory on a local disk, such as lmdb:/var/lib/oauth2-fcgi or one below /var/tmp, "
            "or use redis://HOST:PORT/DATABASE\n")


@pytest.mark.parametrize("directory", ["network", "network/state", "network/a/b"])
def test_state_on_a_network_file_system(admin, build, tmp_path, shop, network, directory):
    """Neither the check nor a server takes it, whether it is there or has still to be made."""
    shop.write_text(SHOP + f"state: lmdb:{directory}\n", encoding="utf-8")
    before = names(tmp_path)
    refused = refusal(directory, len(SHOP.splitlines()) + 1)
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "check", environment=network[1])
    assert result.stdout == refused + "oauth2.yaml: 1 error\n"
    for arguments in (["revoke", "x"], ["state"], ["token", "plain"]):
        assert admin.bad(FAILED, "-c", "oauth2.yaml", *arguments, environment=network[1]).stderr == refused
    server = subprocess.run([build / "oauth2.fcgi", "--config", "oauth2.yaml", "--listen", "socket"],
                            cwd=tmp_path, env={**os.environ, **network[1]}, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False)
    assert server.returncode == FAILED
    assert refused in server.stderr
    assert names(tmp_path) == before
    assert "ok" in admin.good("-c", "oauth2.yaml", "check")


def test_init_on_a_network_file_system(admin, network):
    """It works all the same, without a store, and says why."""
    directory, environment = network
    admin.good("init", directory, environment=environment)
    assert admin.good("-c", directory / "oauth2.yaml", "check", environment=environment).endswith(
        ": ok, 1 client, 1 scope, 1 key\n")
    text = (directory / "oauth2.yaml").read_text(encoding="utf-8")
    assert "\n# directory is on a network file system" in text
    assert "\n# state: lmdb:/var/lib/oauth2-fcgi\n" in text
    assert not re.search("^state:", text, re.M)


# export

DOCUMENTS = ["jwks.json", "oauth-authorization-server.json", "openid-configuration.json"]


def test_export(admin, tmp_path, shop):
    (tmp_path / "www").mkdir()
    output = admin.good("-c", "oauth2.yaml", "export", "www")
    assert output.splitlines() == [f"www/{name}" for name in DOCUMENTS]
    assert names(tmp_path / "www") == DOCUMENTS
    assert all(mode(tmp_path / "www" / name) == 0o644 for name in DOCUMENTS)
    keys = json.loads((tmp_path / "www" / "jwks.json").read_bytes())["keys"]
    assert [key["kid"] for key in keys] == ["old", "now"]
    for key in keys:
        assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
        assert jwk.JWK(**key).thumbprint() == thumbprint(tmp_path / "keys" / f"{key['kid']}.pem")
    for name in DOCUMENTS[1:]:
        metadata = json.loads((tmp_path / "www" / name).read_bytes())
        assert metadata["issuer"] == "https://auth.example.com/shop"
        assert metadata["token_endpoint"] == "https://auth.example.com/shop/oauth2/token"
        assert metadata["jwks_uri"] == "https://auth.example.com/shop/oauth2/jwks"
        assert sorted(metadata["scopes_supported"]) == ["bills", "orders", "read", "unused", "write"]


def test_exported_keys_verify_tokens(admin, tmp_path, shop):
    admin.good("-c", "oauth2.yaml", "export", "www")
    assert mode(tmp_path / "www") == 0o755
    keys = jwk.JWKSet.from_json((tmp_path / "www" / "jwks.json").read_text(encoding="utf-8"))
    token = json.loads(admin.good("-c", "oauth2.yaml", "token", "plain"))["access_token"]
    parsed = jws.JWS()
    parsed.deserialize(token)
    parsed.verify(keys.get_key(header_of(token)["kid"]))


def test_export_replaces_in_one_step(admin, tmp_path, shop):
    admin.good("-c", "oauth2.yaml", "export", "www")
    jwks = tmp_path / "www" / "jwks.json"
    with open(jwks, encoding="utf-8") as reader:
        before = os.fstat(reader.fileno()).st_ino
        jwks.chmod(0o600)
        shop.write_text(SHOP.replace("kid: old", "kid: older"), encoding="utf-8")
        admin.good("-c", "oauth2.yaml", "export", "www")
        assert '"old"' in reader.read()
    assert jwks.stat().st_ino != before
    assert '"older"' in jwks.read_text(encoding="utf-8")
    assert mode(jwks) == 0o644
    assert names(tmp_path / "www") == DOCUMENTS


def test_export_on_a_full_disk_changes_nothing(admin, tmp_path, shop):
    admin.good("-c", "oauth2.yaml", "export", "www")
    before = {name: (tmp_path / "www" / name).read_bytes() for name in DOCUMENTS}
    shop.write_text(SHOP.replace("kid: old", "kid: older"), encoding="utf-8")
    limit = len(before["jwks.json"]) - 1
    result = admin.bad(FAILED, "-c", "oauth2.yaml", "export", "www",
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert "cannot be written: File too large" in result.stderr
    assert names(tmp_path / "www") == DOCUMENTS
    assert {name: (tmp_path / "www" / name).read_bytes() for name in DOCUMENTS} == before


@pytest.mark.parametrize("directory, complaint", [("oauth2.yaml", "Not a directory"),
                                                  ("no/where", "No such file")])
def test_export_where_it_cannot_write(admin, tmp_path, shop, directory, complaint):
    before = names(tmp_path)
    assert complaint in admin.bad(FAILED, "-c", "oauth2.yaml", "export", directory).stderr
    assert names(tmp_path) == before


def test_export_over_a_directory(admin, tmp_path, shop):
    (tmp_path / "www" / "openid-configuration.json").mkdir(parents=True)
    admin.bad(FAILED, "-c", "oauth2.yaml", "export", "www")
    assert not [name for name in names(tmp_path / "www") if name.startswith(".")]


# Secrets


def test_no_output_holds_a_private_key_or_a_hash(admin, tmp_path, demo):
    pem = next((tmp_path / "demo" / "keys").iterdir())
    private = json.loads(jwk.JWK.from_pem(pem.read_bytes()).export_private())
    token = json.loads(admin.good("-c", "demo/oauth2.yaml", "token", CLIENT))["access_token"]
    shown = "".join(admin.good("-c", "demo/oauth2.yaml", *arguments) for arguments in (
        ["check"], ["list-clients"], ["explain", CLIENT], ["inspect", token], ["export", "www"]))
    shown += "".join((tmp_path / "www" / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for member in ("d", "p", "q", "dp", "dq", "qi"):
        assert private[member] not in shown
    assert "PRIVATE KEY" not in shown and "sha256:" not in shown
    assert demo[1] not in shown


def test_manual_is_clean_and_complete():
    """The manual names each command and each option that a command's help shows."""
    manual = pathlib.Path(__file__).parents[2] / "etc" / "man" / "oauth2-admin.1"
    if shutil.which("mandoc") is None:
        pytest.fail("mandoc is missing; `make deps test` installs it")
    text = subprocess.run(["mandoc", "-Tascii", manual], capture_output=True, text=True, check=True).stdout
    text = re.sub(r".\x08", "", text)
    for command in COMMANDS:
        assert re.search(rf"^ +oauth2-admin {command}\b", text, re.M), command
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", manual], capture_output=True, text=True, check=False)
    assert lint.stdout + lint.stderr == ""
