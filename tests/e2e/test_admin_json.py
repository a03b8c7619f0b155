# SPDX-License-Identifier: MIT
"""oauth2-admin --json, whose output a program reads, and expiring, whose exit status cron reads."""

import base64
import hashlib
import json
import os
import re
import stat
import time
from datetime import datetime, timezone

import pytest
from jwcrypto import jwk

from certificates import CA_CONFIG
from test_admin import (CLIENT, DONE, FAILED, SHOP, USAGE, admin, claims_of, demo, line_of, openssl,  # noqa: F401
                        shop, shop_keys, sign, thumbprint)

# pylint: disable=redefined-outer-name
DAY = 86400
WITH_STATE = "state: lmdb:state\n"


def result(admin, *arguments, status=DONE, config=None, **options):
    """The one JSON value on standard output; nothing else is on it, and nothing on standard error."""
    done = admin.run(*arguments, "--json", config=config, **options)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert done.stderr == ""
    assert done.stdout.endswith("\n")
    assert done.stdout.isascii()
    return json.loads(done.stdout)


def epoch(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def stamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# --json


@pytest.mark.parametrize("command", ["init", "check", "keygen", "hash-secret", "list-clients", "token", "explain",
                                     "inspect", "revoke", "state", "export", "expiring", "selftest"])
def test_help_names_json(admin, command):
    output = admin.good(command, "--help")
    assert re.search(r"^  --json  ", output, re.M)
    assert "[--json]\n" in output.partition("\n\n")[0] + "\n"


@pytest.mark.parametrize("arguments", [["list-clients"], ["token", "a"], ["explain", "a"], ["inspect", "a"],
                                       ["revoke", "a"], ["state"], ["export", "d"], ["expiring"]])
def test_errors_stay_on_standard_error(admin, tmp_path, arguments):
    (tmp_path / "bad.yaml").write_text("issuer: 7\n", encoding="utf-8")
    done = admin.bad(FAILED, "-c", "bad.yaml", *arguments, "--json")
    assert done.stdout == ""
    assert re.search(r"^bad\.yaml:1:\d+: error: ", done.stderr, re.M)


@pytest.mark.parametrize("arguments", [["token", "nobody"], ["revoke", "x"]])
def test_failures_stay_on_standard_error(admin, demo, arguments):
    done = admin.bad(FAILED, *arguments, "--json", config=demo[0])
    assert done.stdout == ""
    assert done.stderr.startswith("oauth2-admin: ")


@pytest.mark.parametrize("arguments, complaint", [
    (["check", "--json", "--json"], "--json is given twice"), (["check", "--json=1"], "--json takes no value"),
    (["check", "--jsno"], 'did you mean "--json"?'),
])
def test_wrong_usage(admin, arguments, complaint):
    done = admin.bad(USAGE, *arguments)
    assert complaint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["check"], ["hash-secret", "--generate"], ["init", "full"]])
def test_full_output(admin, demo, tmp_path, arguments):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = admin.bad(FAILED, *arguments, "--json", config=demo[0], stdout=full)
    assert "standard output cannot be written" in done.stderr
    assert not (tmp_path / "full").exists()


def test_init(admin, tmp_path):
    made = result(admin, "init", "demo")
    config = tmp_path / "demo" / "oauth2.yaml"
    text = config.read_text(encoding="utf-8")
    assert set(made) == {"client_id", "client_secret", "config", "files"}
    assert made["client_id"] == CLIENT
    assert hashlib.sha256(made["client_secret"].encode()).hexdigest() in text
    assert made["config"] == "demo/oauth2.yaml"
    assert sorted(made["files"]) == sorted(
        str(path.relative_to(tmp_path)) for path in config.parent.rglob("*") if path.is_file())


def test_init_with_a_name_that_is_not_utf8(admin, tmp_path):
    made = result(admin, "init", os.fsdecode(b"de\xffmo"))
    assert made["config"] == "de�mo/oauth2.yaml"
    assert os.path.exists(os.path.join(os.fsencode(tmp_path), b"de\xffmo", b"oauth2.yaml"))


def test_check_good(admin, demo):
    assert result(admin, "check", config=demo[0]) == {
        "config": str(demo[0]), "ok": True, "errors": 0, "warnings": 0, "diagnostics": []}


def test_check_bad(admin, tmp_path):
    (tmp_path / "bad.yaml").write_text("isuer: \"a\\\"b\"\nclients: {}\n", encoding="utf-8")
    text = admin.bad(FAILED, "check", config="bad.yaml").stdout.splitlines()
    found = result(admin, "check", config="bad.yaml", status=FAILED)
    assert (found["config"], found["ok"]) == ("bad.yaml", False)
    assert [f"{d['file']}:{d['line']}:{d['column']}: {d['severity']}: {d['text']}"
            for d in found["diagnostics"]] == text[:-1]
    severities = [d["severity"] for d in found["diagnostics"]]
    assert found["errors"] == severities.count("error") > 0
    assert found["warnings"] == severities.count("warning") > 0


def test_check_warning(admin, shop):
    shop.write_text(SHOP.partition("clients:")[0], encoding="utf-8")
    found = result(admin, "check", config=shop)
    assert (found["ok"], found["errors"], found["warnings"]) == (True, 0, 1)
    assert found["diagnostics"][0]["severity"] == "warning"


def test_keygen(admin, tmp_path):
    made = result(admin, "keygen", "--alg", "ES256", "--out", "k.pem")
    assert made == {"kid": thumbprint(tmp_path / "k.pem"), "alg": "ES256", "file": "k.pem"}


def test_hash_secret(admin):
    done = admin.run("hash-secret", "--json", input="correct horse\n")
    assert list(json.loads(done.stdout)) == ["hash"]
    assert json.loads(done.stdout)["hash"].startswith("$y$")
    assert "correct horse" not in done.stdout + done.stderr


def test_hash_secret_generate(admin):
    made = result(admin, "hash-secret", "--generate")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made["secret"])
    assert made == {"secret": made["secret"],
                    "hash": "sha256:" + hashlib.sha256(made["secret"].encode()).hexdigest()}


def test_list_clients(admin, shop):
    clients = {client["id"]: client for client in result(admin, "list-clients", config=shop)}
    assert list(clients) == ["nothing", "off", "plain", "special"]
    assert clients["special"] == {
        "id": "special", "name": "Spécial ☃", "enabled": True, "methods": ["client_secret_basic"],
        "scopes": ["read", "write", "orders", "bills"]}
    assert clients["off"] == {"id": "off", "name": "", "enabled": False,
                              "methods": ["client_secret_basic", "client_secret_post"], "scopes": ["read"]}


def test_token(admin, demo):
    response = result(admin, "token", CLIENT, config=demo[0])
    assert response["token_type"] == "Bearer"
    assert claims_of(response["access_token"])["sub"] == CLIENT


def test_explain(admin, shop):
    answer = result(admin, "explain", "special", "--scope", "orders", config=shop)
    assert set(answer) == {"status", "response", "header", "claims", "decided_by"}
    assert (answer["status"], answer["response"]["scope"]) == (200, "orders")
    assert answer["header"]["kid"] == "now"
    assert answer["claims"]["tenant"] == "acme"
    decided = {decision["what"]: decision for decision in answer["decided_by"]}
    assert decided["lifetime"] == {"what": "lifetime", "value": "60 s", "by": "file", "file": str(shop),
                                   "line": line_of("token_lifetime: 60")}
    assert decided["audience"]["value"] == "https://orders.example.com"
    assert decided["audience"]["line"] == line_of("audience:", after="  orders:")
    assert set(decided) == {"client", "scope", "audience", "lifetime", "profile", "key", "issuer", "claims"}


def test_explain_default(admin, shop):
    answer = result(admin, "explain", "plain", config=shop)
    decided = {decision["what"]: decision for decision in answer["decided_by"]}
    assert decided["profile"] == {"what": "profile", "value": "ciam", "by": "default"}


@pytest.mark.parametrize("arguments, status, value, decided", [
    (["plain", "--scope", "read unused"], 400, "unused",
     {"by": "file", "line": line_of("scopes: [read, write]")}),
    (["plain", "--scope", "nope"], 400, "nope", {"by": "file", "line": line_of("scopes:")}),
    (["special", "--resource", "https://c.example.com"], 400, "https://c.example.com",
     {"by": "file", "line": line_of("resources:")}),
    (["plain", "--resource", "https://c.example.com"], 400, "https://c.example.com",
     {"by": "file", "line": line_of("  plain:"), "missing": "resources"}),
    (["plain", "--scope", "a\"b"], 400, None, {"by": "the request"}),
    (["off"], 401, None, {"by": "file", "line": line_of("enabled: false")}),
])
def test_explain_refused(admin, shop, arguments, status, value, decided):
    text = admin.bad(FAILED, "explain", *arguments, config=shop).stdout
    answer = result(admin, "explain", *arguments, config=shop, status=FAILED)
    if decided["by"] == "file":
        decided = {**decided, "file": str(shop)}
    assert answer["status"] == status
    assert f"\nrefused: {answer['refused']}{': ' + value if value else ''}\n" in text
    assert answer.get("value") == value
    assert set(answer["response"]) == {"error", "error_description"}
    assert answer["decided_by"] in ([decided], [])
    assert ("decided by:" in text) == bool(answer["decided_by"])


def test_inspect_valid(admin, demo):
    token = result(admin, "token", CLIENT, config=demo[0])["access_token"]
    said = result(admin, "inspect", token, config=demo[0])
    assert (said["valid"], said["verified"], said["problems"]) == (True, True, [])
    assert said["claims"] == claims_of(token)
    assert said["key"] == {"kid": said["header"]["kid"], "state": "active"}
    assert epoch(said["times"]["exp"]["time"]) == said["claims"]["exp"]
    assert re.fullmatch(r"expires in (5 min|4 min \d+ s)", said["times"]["exp"]["text"])
    assert "revocation_unchecked" not in said


def test_inspect_several_problems(admin, shop):
    claims = {"iss": "https://other.example.com", "exp": 1, "nbf": "x"}
    token = sign(shop.parent / "keys" / "old.pem", {"alg": "RS256", "kid": "old"}, claims)
    said = result(admin, "inspect", token, config=shop, status=FAILED)
    assert (said["valid"], said["verified"], said["claims"]) == (False, True, claims)
    assert said["problems"] == ["it has expired", "it is not valid yet (nbf)",
                                "its issuer (iss) is not the configured one"]
    assert said["key"] == {"kid": "old", "state": "retired"}
    assert said["times"]["nbf"] == {"time": None, "text": "not a time"}


def test_inspect_not_ours(admin, demo, shop_keys):
    token = sign(shop_keys / "now.pem", {"alg": "RS256", "kid": "now"}, {"sub": "x"})
    said = result(admin, "inspect", config=demo[0], status=FAILED, input=token)
    assert (said["valid"], said["verified"], said["claims"]) == (False, False, {"sub": "x"})
    assert len(said["problems"]) == 1
    assert "key" not in said


def test_inspect_garbage(admin, demo):
    assert result(admin, "inspect", "abc", config=demo[0], status=FAILED) == {
        "valid": False, "verified": False, "problems": ["not a compact JWS"], "header": None, "claims": None,
        "times": {}}


def test_inspect_without_the_store(admin, shop):
    shop.write_text("state: lmdb:no/where\n" + SHOP, encoding="utf-8")
    token = result(admin, "token", "plain", config=shop)["access_token"]
    said = result(admin, "inspect", token, config=shop)
    assert said["valid"]
    assert said["revocation_unchecked"] == "the state store cannot be opened, or not be written"


def test_revoke_and_state(admin, demo):
    token = result(admin, "token", CLIENT, config=demo[0])["access_token"]
    claims = claims_of(token)
    assert result(admin, "revoke", token, config=demo[0]) == {
        "revoked": True, "jti": claims["jti"], "client_id": CLIENT, "expires": stamp(claims["exp"])}
    assert result(admin, "inspect", token, config=demo[0], status=FAILED)["problems"] == ["it has been revoked"]
    state = {"store": f"lmdb:{demo[0].parent}/state", "revoked_tokens": 1, "replay_entries": 0,
             "throttled_clients": 0}
    assert result(admin, "state", config=demo[0]) == state
    assert result(admin, "state", "--prune", config=demo[0]) == {**state, "removed": 0}


def test_revoke_expired(admin, demo):
    token = result(admin, "token", CLIENT, "--lifetime", "1", config=demo[0])["access_token"]
    time.sleep(2)
    assert result(admin, "revoke", token, config=demo[0]) == {
        "revoked": False, "text": "nothing to do: the token has expired"}


def test_export(admin, demo, tmp_path):
    files = result(admin, "export", "out", config=demo[0])["files"]
    assert files == ["out/jwks.json", "out/oauth-authorization-server.json", "out/openid-configuration.json"]
    for name in files:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644


# expiring


def certificate(directory, name, end):
    """The JWK of a new key with a certificate that ends at this second."""
    pem, request, made = (directory / f"{name}.{ending}" for ending in ("pem", "csr", "crt"))
    (directory / "index.txt").touch()
    (directory / "ca.cnf").write_text(CA_CONFIG.format(directory=directory), encoding="utf-8")
    openssl("genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pem)
    openssl("req", "-new", "-key", pem, "-subj", f"/CN={name}", "-out", request)
    openssl("ca", "-batch", "-notext", "-config", directory / "ca.cnf", "-selfsign", "-keyfile", pem, "-startdate",
            "20200101000000Z", "-enddate", re.sub(r"[-:T]", "", stamp(end)), "-in", request, "-out", made)
    der = openssl("x509", "-in", made, "-outform", "DER")
    key = json.loads(jwk.JWK.from_pem(pem.read_bytes()).export_public())
    key.update(kid=name, x5c=[base64.b64encode(der).decode()])
    return key


def test_expiring_nothing(admin, demo):
    assert admin.good("expiring", config=demo[0]) == \
        "nothing expires within 30 d, and no signing key is older than 365 d\n"
    assert admin.good("expiring", "--within", "90m", "--keys-older-than=2w", config=demo[0]) == \
        "nothing expires within 1 h 30 min, and no signing key is older than 14 d\n"
    assert result(admin, "expiring", config=demo[0]) == []


@pytest.fixture
def aged(shop, tmp_path):
    """Everything that can expire, in the main file and in another; (name, time, file, line) by time."""
    now = int(time.time())
    end_of_old, end_of_soon = now - 5 * DAY, now + 12 * DAY + 60
    old = certificate(tmp_path, "cert-old", end_of_old)
    soon = certificate(tmp_path, "cert-soon", end_of_soon)
    late = certificate(tmp_path, "cert-late", now + 300 * DAY)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [late, soon]}), encoding="utf-8")
    digest = hashlib.sha256(b"s").hexdigest()
    lines = [
        "clients:", "  first:", "    scopes: [read]", "    secrets:",
        f"      - {{hash: 'sha256:{digest}', label: gone, expires: {stamp(now - 3 * DAY)}}}",
        f"      - hash: 'sha256:{digest}'", f"        expires: {stamp(now + 20 * DAY + 60)}",
        f"      - {{hash: 'sha256:{digest}', label: far, expires: {stamp(now + 40 * DAY)}}}",
        "  inline:", "    scopes: [read]", "    auth_methods: [self_signed_tls_client_auth]", "    jwks:",
        "      keys:", f"        - {json.dumps(late)}", f"        - {json.dumps(old)}",
        "  byfile:", "    scopes: [read]", "    auth_methods: [self_signed_tls_client_auth]",
        "    jwks_file: jwks.json", ""]
    more = tmp_path / "more.yaml"
    more.write_text("\n".join(lines), encoding="utf-8")
    shop.write_text(SHOP + "include: [more.yaml]\n", encoding="utf-8")
    born = now - 366 * DAY - 60
    os.utime(tmp_path / "keys" / "old.pem", (born, born))
    return sorted([
        ("secret gone", "first", now - 3 * DAY, more, 5), ("secret 2", "first", now + 20 * DAY + 60, more, 7),
        ("certificate cert-old", "inline", end_of_old, more, 15),
        ("certificate cert-soon", "byfile", end_of_soon, more, 19),
        ("signing key old", None, born + 365 * DAY, shop, line_of("keys/old.pem")),
    ], key=lambda row: row[2])


def test_expiring(admin, shop, aged):
    found = result(admin, "expiring", config=shop, status=FAILED)
    shown = [(f"{item['what']} {item['name'] or item['number']}", item["client"], epoch(item["time"]),
              item["file"], item["line"]) for item in found]
    assert shown == [(*row[:3], str(row[3]), row[4]) for row in aged]
    texts = {item["what"] + " " + (item["name"] or ""): item["text"] for item in found}
    assert re.fullmatch(r"expired 3 d ago", texts["secret gone"])
    assert re.fullmatch(r"expires in 20 d", texts["secret "])
    assert re.fullmatch(r"expired 5 d ago", texts["certificate cert-old"])
    assert re.fullmatch(r"expires in 12 d", texts["certificate cert-soon"])
    assert re.fullmatch(r"too old for 1 d", texts["signing key old"])
    for item in found:
        assert abs(epoch(item["time"]) - time.time() - item["seconds_left"]) < 30


def test_expiring_as_text(admin, shop, aged):
    rows = admin.bad(FAILED, "expiring", config=shop).stdout.splitlines()
    assert rows[0].split() == ["TIME", "STATUS", "WHAT", "CLIENT", "PLACE"]
    assert len(rows) == 1 + len(aged)
    for row, (what, client, when, file, line) in zip(rows[1:], aged):
        cells = re.split(r" {2,}", row)
        assert (cells[0], *cells[2:]) == (stamp(when), what, client or "-", f"{file}:{line}")
        assert re.search(r"^(expire[sd] |too old for )", cells[1])


@pytest.mark.parametrize("arguments, names", [
    (["--within", "1s"], ["cert-old", "gone", "old"]), (["--within", "0d"], ["cert-old", "gone", "old"]),
    (["--within", "13d"], ["cert-old", "gone", "old", "cert-soon"]),
    (["--within", "2w"], ["cert-old", "gone", "old", "cert-soon"]),
    (["--within", "400h", "--keys-older-than", "367d"], ["cert-old", "gone", "cert-soon"]),
    (["--within", "301d"], ["cert-old", "gone", "old", "cert-soon", None, "far", "cert-late", "cert-late"]),
    (["--within", "100m", "--keys-older-than", "36500d"], ["cert-old", "gone"]),
])
@pytest.mark.usefixtures("aged")
def test_expiring_policy(admin, shop, arguments, names):
    found = result(admin, "expiring", *arguments, config=shop, status=FAILED)
    assert [item["name"] for item in found] == names


@pytest.mark.parametrize("value", ["", "30", "d", "-1d", "+1d", "1.5d", "30D", "30 d", "1d1h", "1y", "36501d",
                                   "5215w", "99999999999999999999s", "0x1d"])
@pytest.mark.parametrize("option", ["--within", "--keys-older-than"])
def test_expiring_refuses_durations(admin, demo, option, value):
    done = admin.bad(USAGE, "expiring", f"{option}={value}", config=demo[0])
    assert f'{option} must be a number with s, m, h, d or w behind it, as in "30d"' in done.stderr
    assert done.stdout == ""


def test_expiring_refuses_two(admin, demo):
    for option in ("--within", "--keys-older-than"):
        done = admin.bad(USAGE, "expiring", option, "0s", option, "1d", config=demo[0])
        assert f"{option} is given twice" in done.stderr
