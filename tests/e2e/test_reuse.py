# SPDX-License-Identifier: MIT
"""access_token.reuse: the same token for the same request, from every process, and never too long."""

import contextlib
import json
import re
import subprocess
import threading
import time
from urllib.parse import urlencode

import pytest
from jwcrypto import jwk, jwt

import jwts
import rawfcgi as raw
from test_process import (Server, digest, free_port, keys, own_memory, place, readable, run_cgi, start,   # noqa: F401
                          write)
from test_races import connection_to_each

WORKERS = 3
LONG_S = 40000                  # a window that does not end while a test runs
DAY_S = 86400
SAME_BYTES = ["RS256", "RS384", "RS512", "EdDSA"]
SAME_CLAIMS = ["PS256", "ES256"]
KIND = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "ED25519"}
SHORT_S, SHORT_LIFE_S, LOAD_S = 2, 5, 7


@pytest.fixture(scope="module")
def signing_keys(tmp_path_factory):
    """A key of each kind, and another RSA key."""
    directory = tmp_path_factory.mktemp("reuse-keys")
    more = {"EC": ["-pkeyopt", "ec_paramgen_curve:P-256"], "RSA": ["-pkeyopt", "rsa_keygen_bits:2048"]}
    for name in ("RSA", "EC", "ED25519", "RSA-2"):
        kind = name.removesuffix("-2")
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", kind, *more.get(kind, []),
                        "-out", directory / name], check=True, stderr=subprocess.DEVNULL)
        (directory / name).chmod(0o600)
    return directory


def public_key(path):
    return jwk.JWK.from_json(jwk.JWK.from_pem(path.read_bytes()).export_public())


def config(signing_keys, alg="RS256", reuse=LONG_S, lifetime=DAY_S, more=None, **client):
    """A configuration with two clients; in YAML, of which JSON is a part."""
    return json.dumps({
        "issuer": "http://localhost",
        "access_token": {"reuse": reuse, "lifetime": lifetime},
        "signing_keys": [{"file": str(signing_keys / KIND[alg]), "alg": alg, "kid": alg}],
        "scopes": {"a": {}, "b": {}},
        "clients": {
            "client": {"scopes": ["a", "b"], "secrets": [{"hash": "sha256:" + digest("secret")}], **client},
            "other": {"scopes": ["a", "b"], "introspect": True,
                      "secrets": [{"hash": "sha256:" + digest("secret")}]},
        },
        **(more or {}),
    })


def leave_the_edge(window_s=LONG_S, needed_s=60):
    """Not just before a window ends."""
    left = window_s - time.time() % window_s
    if left < needed_s:
        time.sleep(left + 0.1)


def request(client="client", keep=True, path="/token", **fields):
    body = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": "secret",
                      **fields}).encode()
    return raw.token_request(body, keep=keep, PATH_INFO=path)


def response_of(answer):
    assert answer is not None and answer.status == 200, answer and (answer.status, answer.body)
    return json.loads(answer.body)


def ask(connection, *arguments, **fields):
    """The response to a request on a kept connection, so by this very worker."""
    connection.sendall(request(*arguments, **fields))
    return response_of(raw.receive(connection))


def verified(token, path, alg):
    """The claims, if another implementation verifies the token."""
    return json.loads(jwt.JWT(jwt=token, key=public_key(path), algs=[alg], check_claims={}).claims)


def claims_of(token):
    return json.loads(jwts.unb64(token.split(".")[1]))


def admin(build, directory, *arguments):
    return subprocess.run([build / "oauth2-admin", "-c", directory / "oauth2.yaml", *arguments], check=True,
                          capture_output=True, text=True, timeout=60).stdout


@contextlib.contextmanager
def machine(build, directory, text, workers=WORKERS, env=None):
    """A server with a directory and processes of its own."""
    directory.mkdir(exist_ok=True)
    (directory / "state").mkdir(exist_ok=True)
    write(directory / "oauth2.yaml", text)
    at = directory / "socket"
    server = Server([str(build / "oauth2.fcgi"), "--config", str(directory / "oauth2.yaml"), "--listen", str(at),
                     "--workers", str(workers)], directory, at, stdin=subprocess.DEVNULL, env=env)
    try:
        yield server.ready()
    finally:
        server.popen.terminate()
        server.popen.wait(20)


def from_each(server, *arguments, **fields):
    """A response of each worker, and one more of it."""
    responses = []
    for connection in connection_to_each(server, WORKERS):
        with connection:
            responses += [ask(connection, *arguments, **fields), ask(connection, *arguments, **fields)]
    return responses


@pytest.mark.parametrize("alg", SAME_BYTES + SAME_CLAIMS)
def test_the_same_everywhere(build, place, start, signing_keys, alg):
    """Two servers of three workers, CGI, and oauth2-admin: one key, one token."""
    text = config(signing_keys, alg)
    leave_the_edge()
    tokens = []
    for name in ("one", "two"):
        with machine(build, place / name, text) as server:
            responses = from_each(server, scope="b a")
            pairs = [response["access_token"] for response in responses]
            assert pairs[0::2] == pairs[1::2], "a worker gives the same token again, whatever the algorithm"
            tokens += pairs[0::2]
    write(place / "oauth2.yaml", text)
    body = urlencode({"grant_type": "client_credentials", "client_id": "client", "client_secret": "secret",
                      "scope": "b a"}).encode()
    for _ in range(2):
        answer, _, _ = run_cgi(start, body, CONTENT_LENGTH=str(len(body)))
        tokens.append(response_of(answer)["access_token"])
    tokens.append(json.loads(admin(build, place, "token", "client", "--scope", "b a"))["access_token"])

    assert len(tokens) == 2 * WORKERS + 3
    claims = [verified(token, signing_keys / KIND[alg], alg) for token in tokens]
    assert all(claim == claims[0] for claim in claims)
    assert (len(set(tokens)) == 1) == (alg in SAME_BYTES)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", claims[0]["jti"])
    assert claims[0]["iat"] % LONG_S == 0 and claims[0]["iat"] <= time.time()
    assert claims[0]["nbf"] == claims[0]["iat"] and claims[0]["exp"] == claims[0]["iat"] + DAY_S


def test_each_its_own(build, place, signing_keys):
    """What asks for something else gets something else, and again the same."""
    leave_the_edge()
    asked = [("client", {}), ("client", {"scope": "a"}), ("client", {"scope": "b"}), ("other", {}),
             ("client", {"resource": "https://r.example"}), ("client", {"resource": "https://s.example"})]
    with machine(build, place / "one", config(signing_keys, resources=["https://r.example", "https://s.example"]),
                 workers=1) as server:
        with raw.connect(server.address) as connection:
            first = [ask(connection, client, **fields)["access_token"] for client, fields in asked]
            again = [ask(connection, client, **fields)["access_token"] for client, fields in asked]
    assert len(set(first)) == len(asked)
    assert again == first
    for (client, fields), token in zip(asked, first):
        claims = verified(token, signing_keys / "RSA", "RS256")
        assert claims["sub"] == client
        assert claims["aud"] == fields.get("resource", client)
        assert claims["scope"] == fields.get("scope", "a b").split()


def test_any_order(build, place, signing_keys):
    """Scopes and resources in any order, and twice, are the same; the response has the order of the request."""
    leave_the_edge()
    targets = ["https://r.example", "https://s.example"]
    scopes = ["b a", "a b", "b a b", None]
    with machine(build, place / "one", config(signing_keys, "ES256", resources=targets, scopes=["b", "a"]),
                 workers=1) as server:
        with raw.connect(server.address) as connection:
            responses = [ask(connection, **({"scope": scope} if scope else {})) for scope in scopes]
            bound = []
            for resources in (targets, targets[::-1], [targets[1], *targets]):
                body = urlencode([("grant_type", "client_credentials"), ("client_id", "client"),
                                  ("client_secret", "secret"), *(("resource", name) for name in resources)])
                connection.sendall(raw.token_request(body.encode(), keep=True))
                bound.append(response_of(raw.receive(connection))["access_token"])
        shown = json.loads(admin(build, place / "one", "explain", "client", "--scope", "b a", "--json"))
        lines = server.log("token.issued")
    assert [response["scope"] for response in responses] == ["b a", "a b", "b a", "b a"]
    assert [line["scope"] for line in lines[:4]] == ["b a", "a b", "b a", "b a"]
    assert len({response["access_token"] for response in responses}) == 1
    claims = verified(responses[0]["access_token"], signing_keys / "EC", "ES256")
    assert claims["scope"] == ["a", "b"] and shown["claims"] == claims
    assert len(set(bound)) == 1 and claims_of(bound[0])["aud"] == targets


def test_no_client_takes_the_room_of_others(build, place, signing_keys):
    """One asks for more than a process keeps; others get their tokens again all the same."""
    leave_the_edge()
    names = [f"s{i}" for i in range(13)]
    text = json.loads(config(signing_keys, "ES256", scopes=names))
    text["scopes"].update({name: {} for name in names})
    wanted = [{}, {"scope": "a"}, {"scope": "b"}]
    with machine(build, place / "one", json.dumps(text), workers=1) as server:
        with raw.connect(server.address) as connection:
            def flood():
                for i in range(1, 1 << len(names)):
                    ask(connection, scope=" ".join(name for j, name in enumerate(names) if i >> j & 1))

            def others():
                return [ask(connection, "other", **fields)["access_token"] for fields in wanted]
            flood()
            first = others()
            assert others() == first
            flood()
            assert others() == first


def test_wiped_when_the_window_is_over(build, place, signing_keys, readable):
    """Also by a worker that nobody asks for anything."""
    window_s = 3
    with machine(build, place / "one", config(signing_keys, reuse=window_s, lifetime=DAY_S), workers=1,
                 env=readable) as server:
        worker, = server.children()
        leave_the_edge(window_s, 2)
        end = time.time() // window_s * window_s + window_s
        traces = [ask_once(server)[-80:].encode(), b"oauth2.yaml"]

        def found():
            """The path must always be there, or what is read is not the program's memory."""
            regions = list(own_memory(worker))
            return [any(trace in region for region in regions) for trace in traces]
        raw.wait_until(lambda: found()[1], 1, "the program's memory")
        assert found() == [True, True] and time.time() < end, "kept"
        time.sleep(max(0, end - time.time()) + 2)
        assert found() == [False, True]


def test_a_key_of_its_own(build, place, signing_keys):
    """DPoP: each proof is used once, each key has its token."""
    leave_the_edge()
    settings = jwts_settings()
    with machine(build, place / "one", config(signing_keys, more={"state": "lmdb:state"}), workers=1) as server:
        with raw.connect(server.address) as connection:
            def bound(key):
                proof = jwts.proof(settings, {"key": key})
                body = b"grant_type=client_credentials&client_id=client&client_secret=secret"
                connection.sendall(raw.token_request(body, keep=True, HTTP_DPOP=proof))
                return response_of(raw.receive(connection))
            tokens = [bound("ec-1"), bound("ec-2"), bound("ec-1"), ask(connection)]
    assert [token["token_type"] for token in tokens] == ["DPoP", "DPoP", "DPoP", "Bearer"]
    tokens = [token["access_token"] for token in tokens]
    assert tokens[0] == tokens[2] and len(set(tokens)) == 3
    assert [claims_of(token).get("cnf", {}).get("jkt") for token in tokens] == \
        [jwts.thumbprint("ec-1"), jwts.thumbprint("ec-2"), jwts.thumbprint("ec-1"), None]


def jwts_settings():
    class Settings:
        issuer = "http://localhost"
        token_url = "http://localhost/oauth2/token"
    return Settings


def test_expires_in_shrinks(build, place, signing_keys):
    leave_the_edge()
    with machine(build, place / "one", config(signing_keys), workers=1) as server:
        with raw.connect(server.address) as connection:
            seen = []
            for _ in range(3):
                before = int(time.time())
                response = ask(connection)
                seen.append(response["access_token"])
                left = claims_of(seen[-1])["exp"] - before
                assert left - 1 <= response["expires_in"] <= left
                time.sleep(1.1)
    assert len(set(seen)) == 1


def test_windows_turn_under_load(build, place, signing_keys):
    """Many ask while windows end: one token for each, never an expired one or one of the future."""
    text = config(signing_keys, "EdDSA", reuse=SHORT_S, lifetime=SHORT_LIFE_S)
    seen, problems, stop = {}, [], time.monotonic() + LOAD_S

    def client(server):
        try:
            with raw.connect(server.address) as connection:
                while time.monotonic() < stop:
                    before = int(time.time())
                    response = ask(connection)
                    after = int(time.time())
                    claims = claims_of(response["access_token"])
                    assert claims["iat"] % SHORT_S == 0 and claims["exp"] == claims["iat"] + SHORT_LIFE_S
                    assert before - SHORT_S < claims["iat"] <= after
                    assert claims["exp"] - after <= response["expires_in"] <= claims["exp"] - before
                    assert response["expires_in"] > SHORT_LIFE_S - SHORT_S
                    seen.setdefault(claims["iat"], set()).add(response["access_token"])
        except Exception as error:              # pylint: disable=broad-except
            problems.append(error)

    with machine(build, place / "one", text) as one, machine(build, place / "two", text) as two:
        threads = [threading.Thread(target=client, args=(server,)) for server in [one, two] * 6]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems, problems[0]
    assert len(seen) >= LOAD_S // SHORT_S
    assert all(len(tokens) == 1 for tokens in seen.values())
    for tokens in seen.values():
        jwt.JWT(jwt=tokens.pop(), key=public_key(signing_keys / "ED25519"), algs=["EdDSA"], check_claims={})


# Reloading

def until(server, condition, what):
    """Wait until every worker's answer is like this; the answers."""
    def all_answers():
        answers = []
        for connection in connection_to_each(server, WORKERS):
            with connection:
                connection.sendall(request())
                answers.append(raw.receive(connection))
        return answers if all(condition(answer) for answer in answers) else None
    return raw.wait_until(all_answers, 5, what)


def kid_is(kid):
    return lambda answer: answer.status == 200 and json.loads(jwts.unb64(
        json.loads(answer.body)["access_token"].split(".")[0]))["kid"] == kid


def test_another_key(build, place, signing_keys):
    leave_the_edge()
    text = config(signing_keys)
    with machine(build, place / "one", text) as server:
        first = {response["access_token"] for response in from_each(server)}
        new = json.loads(text)
        new["signing_keys"][0]["state"] = "retired"
        new["signing_keys"].append({"file": str(signing_keys / "RSA-2"), "kid": "new"})
        write(place / "one/oauth2.yaml", json.dumps(new))
        answers = until(server, kid_is("new"), "the new key signs")
        second = {response_of(answer)["access_token"] for answer in answers}
        assert len(first) == len(second) == 1 and first != second
        jtis = {verified(first.copy().pop(), signing_keys / "RSA", "RS256")["jti"],
                verified(second.copy().pop(), signing_keys / "RSA-2", "RS256")["jti"]}
        assert len(jtis) == 2
        write(place / "one/oauth2.yaml", text)
        until(server, kid_is("RS256"), "the old key signs again")
        assert {response["access_token"] for response in from_each(server)} == first


def test_a_changed_client(build, place, signing_keys):
    """Other claims: another token and id. Disabled: none. As it was: the first one again."""
    leave_the_edge()
    text = config(signing_keys)
    with machine(build, place / "one", text) as server:
        first = ask_once(server)
        write(place / "one/oauth2.yaml", config(signing_keys, claims={"level": 3}))
        answers = until(server, lambda answer: "level" in claims_of(response_of(answer)["access_token"]), "claims")
        assert claims_of(response_of(answers[0])["access_token"])["jti"] != claims_of(first)["jti"]
        write(place / "one/oauth2.yaml", config(signing_keys, enabled=False))
        answers = until(server, lambda answer: answer.status == 401, "disabled")
        assert all(b"access_token" not in answer.body for answer in answers)
        write(place / "one/oauth2.yaml", text)
        answers = until(server, lambda answer: answer.status == 200, "enabled")
        assert {response_of(answer)["access_token"] for answer in answers} == {first}


def ask_once(server, *arguments, **fields):
    return response_of(raw.exchange(server.address, request(*arguments, keep=False, **fields)))["access_token"]


# State

def is_active(server, token):
    answer = raw.exchange(server.address, request("other", keep=False, path="/introspect", token=token))
    return response_of(answer)["active"]


def test_revoked(build, place, signing_keys):
    """No worker hands a revoked token out again; those of others are as they were."""
    leave_the_edge()
    with machine(build, place / "one", config(signing_keys, more={"state": "lmdb:state"})) as server:
        first = {response["access_token"] for response in from_each(server)}
        others = {response["access_token"] for response in from_each(server, "other")}
        assert len(first) == len(others) == 1
        first = first.pop()
        assert is_active(server, first)
        assert raw.exchange(server.address, request(keep=False, path="/revoke", token=first)).status == 200
        assert not is_active(server, first)
        new = [response["access_token"] for response in from_each(server)]
        assert len(set(new)) == len(new) and first not in new
        for token in new:
            claims = verified(token, signing_keys / "RSA", "RS256")
            assert claims["jti"][14] == "4" and abs(claims["iat"] - time.time()) < 10
            assert is_active(server, token)
        assert {response["access_token"] for response in from_each(server, "other")} == others
        # So does the operator's tool, and it says why.
        assert json.loads(admin(build, place / "one", "token", "client"))["access_token"] != first
        shown = admin(build, place / "one", "explain", "client")
        assert claims_of(first)["jti"] not in shown
        assert "revoked" in re.search(r"^  reuse .*$", shown, re.M)[0]
        assert others == {json.loads(admin(build, place / "one", "token", "other"))["access_token"]}


def test_without_its_store(build, place, signing_keys):
    """Whether it was revoked cannot be told: new tokens, and the log says why."""
    leave_the_edge()
    state = f"redis://127.0.0.1:{free_port()}/0"
    with machine(build, place / "one", config(signing_keys, more={"state": state}), workers=1) as server:
        tokens = {ask_once(server), ask_once(server)}
        lines = server.log("token.issued")
    assert len(tokens) == 2
    assert len(lines) == 2 and all("state store" in line["reason"] for line in lines)


def test_throttled(build, place, signing_keys):
    """What is kept helps nobody who is not let in."""
    leave_the_edge()
    more = {"state": "lmdb:state", "throttle": {"failures": 2}}
    with machine(build, place / "one", config(signing_keys, more=more), workers=1) as server:
        token = ask_once(server)
        statuses = [raw.exchange(server.address, request(keep=False, client_secret="wrong")).status
                    for _ in range(4)]
        assert statuses[0] == 401 and statuses[-1] == 429
        assert raw.exchange(server.address, request(keep=False)).status == 429
        assert ask_once(server, "other") != token


def test_log(build, place, signing_keys):
    """Each time it is handed out."""
    leave_the_edge()
    with machine(build, place / "one", config(signing_keys), workers=1) as server:
        token = [ask_once(server) for _ in range(3)][0]
        lines = server.log("token.issued")
    assert [line["jti"] for line in lines] == [claims_of(token)["jti"]] * 3
    assert all(line["client_id"] == "client" and "reason" not in line for line in lines)
    assert token.rsplit(".", 1)[1] not in (place / "one/stderr").read_text()


# oauth2-admin

def test_admin(build, place, signing_keys):
    leave_the_edge()
    text = json.dumps(json.loads(config(signing_keys)), indent=1)
    write(place / "oauth2.yaml", text)
    first, second = (json.loads(admin(build, place, "token", "client")) for _ in range(2))
    assert first["access_token"] == second["access_token"]
    claims = claims_of(first["access_token"])
    shown = json.loads(admin(build, place, "explain", "client", "--json"))
    assert shown["claims"] == claims
    reuse = next(row for row in shown["decided_by"] if row["what"] == "reuse")
    line = next(i for i, text_line in enumerate(text.splitlines(), 1) if '"reuse"' in text_line)
    assert (reuse["value"], reuse["line"]) == (f"{LONG_S} s", line)
    # A lifetime that no request can have: a token of its own.
    own = json.loads(admin(build, place, "token", "client", "--lifetime", "5"))
    assert own["expires_in"] == 5 and claims_of(own["access_token"])["jti"][14] == "4"
    assert "reuse" not in admin(build, place, "check")
    inspected = subprocess.run([build / "oauth2-admin", "-c", place / "oauth2.yaml", "inspect",
                                first["access_token"]], capture_output=True, text=True, check=False)
    assert inspected.returncode == 0, inspected.stdout


def test_too_long(build, place, signing_keys):
    write(place / "oauth2.yaml", config(signing_keys, reuse=150, lifetime=300))
    result = subprocess.run([build / "oauth2-admin", "-c", place / "oauth2.yaml", "check"], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 1
    assert re.search(r'oauth2\.yaml:1:\d+: error: "reuse" must be less than half of the lifetime', result.stdout)
