# SPDX-License-Identifier: MIT
"""Tokens, verified by others: jwcrypto and the openssl command; asked for by others: requests and Authlib."""

import base64
import hashlib
import json
import re
import subprocess
import time
import uuid

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from jwcrypto import jwk, jws

import jwts
import servers
from configurations import ALGORITHMS, SECRETS

ISSUER = "https://sample.portal.example.com"
CIAM = {"sub", "aud", "nbf", "scope", "iss", "exp", "iat", "jti"}
RFC9068 = {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"}
MEMBERS = {"RSA": {"kty", "n", "e"}, "EC": {"kty", "crv", "x", "y"}, "OKP": {"kty", "crv", "x"}}
DIGESTS = {"RS256": "sha256", "RS384": "sha384", "RS512": "sha512", "PS256": "sha256", "ES256": "sha256"}
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]


@pytest.fixture(scope="module", params=ALGORITHMS)
def issuer(request, site):
    front = site.front("lighttpd-fcgi", request.param)
    front.alg = request.param
    front.base = f"http://127.0.0.1:{front.port}/oauth2"
    return front


def b64(text):
    assert re.fullmatch(r"[A-Za-z0-9_-]*", text), "base64url without padding (RFC 7515 §2)"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def ask(front, client, **form):
    """A token by HTTP Basic, with the seconds before and after."""
    before = int(time.time())
    response = requests.post(front.base + "/token", auth=(client, SECRETS[client]),
                             data={"grant_type": "client_credentials", **form}, timeout=30)
    assert response.status_code == 200, response.text
    return response.json(), before, int(time.time())


def split(token):
    header, claims, _ = token.split(".")
    return json.loads(b64(header)), json.loads(b64(claims))


def thumbprint(key):
    """RFC 7638 §3."""
    members = {name: key[name] for name in sorted(MEMBERS[key["kty"]])}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def der_integer(number):
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(data)]) + data


def der_signature(raw):
    """RFC 7518 §3.4's r and s as openssl wants them."""
    assert len(raw) == 64
    pair = b"".join(der_integer(int.from_bytes(half, "big")) for half in (raw[:32], raw[32:]))
    return b"\x30" + bytes([len(pair)]) + pair


def openssl_verifies(front, token, folder):
    """The openssl command's verdict, with the public half of the key file."""
    openssl = servers.tool("openssl")
    signed, signature = token.rsplit(".", 1)
    raw = b64(signature)
    public, data, sig = folder / "public.pem", folder / "data", folder / "sig"
    subprocess.run([openssl, "pkey", "-in", front.site.keys / f"{front.alg.lower()}.pem", "-pubout",
                    "-out", public], check=True)
    data.write_bytes(signed.encode())
    sig.write_bytes(der_signature(raw) if front.alg == "ES256" else raw)
    if front.alg == "EdDSA":
        command = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", data, "-sigfile", sig]
    else:
        command = ["dgst", f"-{DIGESTS[front.alg]}", *(PSS if front.alg == "PS256" else []),
                   "-verify", public, "-signature", sig, data]
    return subprocess.run([openssl, *command], capture_output=True, check=False).returncode == 0


def fetch_keys(front):
    response = requests.get(front.base + "/jwks", timeout=30)
    assert response.headers["Content-Type"] == "application/jwk-set+json"
    return response.json()["keys"]


def test_the_reference_request(issuer):
    """The request and the answer of the API page that this software follows, field by field."""
    before = int(time.time())
    response = requests.post(
        issuer.base + "/token", timeout=30, headers={"Content-Type": "application/x-www-form-urlencoded"},
        data="grant_type=client_credentials&client_id=TENANT_CLIENT_ID"
             "&client_secret=TENANT_CLIENT_SECRET&scope=identity_proofing")
    after = int(time.time())
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"
    body = response.json()
    assert set(body) == {"access_token", "scope", "token_type", "expires_in"}
    assert body["scope"] == "identity_proofing" and body["token_type"] == "Bearer"
    header, claims = split(body["access_token"])
    assert header == {"kid": thumbprint(fetch_keys(issuer)[0]), "typ": "JWT", "alg": issuer.alg}
    assert set(claims) == CIAM
    assert claims["sub"] == claims["aud"] == "TENANT_CLIENT_ID"
    assert claims["scope"] == ["identity_proofing"]
    assert claims["iss"] == ISSUER
    assert uuid.UUID(claims["jti"]).version == 4 and str(uuid.UUID(claims["jti"])) == claims["jti"]
    assert all(type(claims[name]) is int for name in ("nbf", "iat", "exp"))
    assert before <= claims["iat"] <= after
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] == claims["iat"] + 300
    assert claims["exp"] - after <= body["expires_in"] <= claims["exp"] - before


def test_the_rfc9068_profile(issuer):
    body, before, after = ask(issuer, "rfc9068", scope="identity_proofing email")
    header, claims = split(body["access_token"])
    assert header == {"kid": thumbprint(fetch_keys(issuer)[0]), "typ": "at+jwt", "alg": issuer.alg}
    assert set(claims) == RFC9068 | {"tenant"}
    assert claims["sub"] == claims["client_id"] == "rfc9068"
    assert claims["aud"] == ["https://api.example.com", "https://other.example.com"]
    assert claims["scope"] == body["scope"] == "identity_proofing email"
    assert claims["iss"] == ISSUER and claims["tenant"] == "acme"
    assert uuid.UUID(claims["jti"]).version == 4
    assert before <= claims["iat"] <= after and claims["exp"] == claims["iat"] + 300


def test_jwcrypto_verifies(issuer):
    """By the published key that the header names, its algorithm pinned."""
    for client in ("TENANT_CLIENT_ID", "rfc9068"):
        token = ask(issuer, client)[0]["access_token"]
        kid = split(token)[0]["kid"]
        keys = jwk.JWKSet.from_json(json.dumps({"keys": fetch_keys(issuer)}))
        verifier = jws.JWS()
        verifier.allowed_algs = [issuer.alg]
        verifier.deserialize(token)
        verifier.verify(keys.get_key(kid), issuer.alg)
        assert json.loads(verifier.payload)["sub"] == client


def test_jwcrypto_refuses_another_token(issuer):
    """The check above can fail: one other character in the claims."""
    token = ask(issuer, "TENANT_CLIENT_ID")[0]["access_token"]
    header, claims, signature = token.split(".")
    changed = claims[:20] + ("A" if claims[20] != "A" else "B") + claims[21:]
    verifier = jws.JWS()
    verifier.allowed_algs = [issuer.alg]
    verifier.deserialize(f"{header}.{changed}.{signature}")
    keys = jwk.JWKSet.from_json(json.dumps({"keys": fetch_keys(issuer)}))
    with pytest.raises(jws.InvalidJWSSignature):
        verifier.verify(keys.get_key(split(token)[0]["kid"]), issuer.alg)


def test_openssl_verifies(issuer, tmp_path):
    token = ask(issuer, "TENANT_CLIENT_ID")[0]["access_token"]
    assert openssl_verifies(issuer, token, tmp_path)
    header, claims, signature = token.split(".")
    assert not openssl_verifies(issuer, f"{header}.{claims}x.{signature}", tmp_path)


def test_jwks(issuer):
    """Public members only, and each key is the one of its file."""
    keys = fetch_keys(issuer)
    assert len(keys) == 2
    for key in keys:
        assert set(key) == MEMBERS[key["kty"]] | {"kid", "alg", "use"} and key["use"] == "sig"
    active, following = keys
    assert active["alg"] == issuer.alg and active["kid"] == thumbprint(active)
    assert following["kid"] == "the-next-one"
    file = jwk.JWK.from_pem((issuer.site.keys / f"{issuer.alg.lower()}.pem").read_bytes())
    assert file.thumbprint() == jwk.JWK(**active).thumbprint() == active["kid"]


def test_expires_in_is_what_is_left(issuer):
    body, before, after = ask(issuer, "short")
    exp = split(body["access_token"])[1]["exp"]
    assert exp - after <= body["expires_in"] <= exp - before
    assert 59 <= body["expires_in"] <= 60


def test_every_token_is_another(issuer):
    tokens = [ask(issuer, "TENANT_CLIENT_ID")[0]["access_token"] for _ in range(50)]
    ids = {split(token)[1]["jti"] for token in tokens}
    assert len(set(tokens)) == len(ids) == 50
    assert all(uuid.UUID(value).version == 4 for value in ids)


def test_metadata_lead_to_the_keys(issuer):
    """A resource server that knows the issuer only finds the rest by RFC 8414 §3."""
    root = f"http://127.0.0.1:{issuer.port}"
    for name in ("oauth-authorization-server", "openid-configuration"):
        metadata = requests.get(f"{root}/.well-known/{name}", timeout=30).json()
        assert metadata["issuer"] == ISSUER
        assert metadata["jwks_uri"] == ISSUER + "/oauth2/jwks"
        assert metadata["token_endpoint"] == ISSUER + "/oauth2/token"
        path = metadata["jwks_uri"][len(ISSUER):]
        assert requests.get(root + path, timeout=30).json()["keys"] == fetch_keys(issuer)


# Strong clients, by libraries that know nothing of this project

STRONG_ISSUER = "https://auth.example.com"
AUDIENCES = [STRONG_ISSUER, STRONG_ISSUER + "/oauth2/token"]
SIGNERS = {"rs256": "RS256", "ps256": "PS256", "es256": "ES256", "eddsa": "EdDSA"}


@pytest.fixture(params=servers.FRONTS)
def strong(request, site):
    return over_tls(site.front(request.param, "strong"))


@pytest.fixture(params=["lighttpd-fcgi", "nginx"])
def compatible(request, site):
    return over_tls(site.front(request.param, "compatible"))


def over_tls(front):
    front.base = f"https://127.0.0.1:{front.tls_port}/oauth2"
    front.verify = str(front.site.certificates.directory / "ca.crt")
    return front


def verified(front, body, client):
    """The claims, after another implementation has verified the signature."""
    keys = requests.get(front.base + "/jwks", verify=front.verify, timeout=30).json()
    token = jws.JWS()
    token.allowed_algs = ["ES256"]
    token.deserialize(body["access_token"])
    token.verify(jwk.JWKSet.from_json(json.dumps(keys)).get_key(split(body["access_token"])[0]["kid"]), "ES256")
    claims = json.loads(token.payload)
    assert claims["sub"] == client and claims["iss"] == STRONG_ISSUER and claims["scope"] == ["email"]
    assert body["scope"] == "email"
    return claims


def authlib_session(front, client, secret, method):
    session = OAuth2Session(client, secret, token_endpoint_auth_method=method.name)
    session.register_client_auth_method(method)
    session.verify = front.verify
    session.trust_env = False   # else REQUESTS_CA_BUNDLE goes before verify
    return session


def fetch_by_authlib(front, client, secret, method):
    session = authlib_session(front, client, secret, method)
    body = session.fetch_token(front.base + "/token", grant_type="client_credentials", scope="email")
    assert body["token_type"] == "Bearer"
    assert "cnf" not in verified(front, body, client)
    # It makes a new assertion each time.
    again = session.fetch_token(front.base + "/token", grant_type="client_credentials", scope="email")
    assert again["access_token"] != body["access_token"]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("client", SIGNERS)
def test_private_key_jwt_by_authlib(compatible, client, audience):
    name = {"ps256": "rsa", "rs256": "rsa", "es256": "ec", "eddsa": "ed"}[client]
    pem = jwts.key(name).export_to_pem(private_key=True, password=None)
    fetch_by_authlib(compatible, client, pem, PrivateKeyJWT(audience, alg=SIGNERS[client]))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_client_secret_jwt_by_authlib(compatible, audience):
    fetch_by_authlib(compatible, "secret-jwt", SECRETS["secret-jwt"], ClientSecretJWT(audience))


def test_authlib_is_refused_too(compatible):
    """The tests above can fail: another key, another audience."""
    for name, audience in (("ec-stranger", STRONG_ISSUER), ("ec", "https://evil.example.com")):
        pem = jwts.key(name).export_to_pem(private_key=True, password=None)
        session = authlib_session(compatible, "es256", pem, PrivateKeyJWT(audience, alg="ES256"))
        with pytest.raises(Exception, match="invalid_client"):
            session.fetch_token(compatible.base + "/token", grant_type="client_credentials")


@pytest.mark.parametrize("client, is_bound", [("tls-dn", False), ("tls-bound", True)])
def test_certificate_by_requests(strong, client, is_bound):
    """RFC 8705, with the certificate as requests sends it; cnf made anew by openssl and hashlib."""
    certificate = strong.site.certificates.pair("dn")
    response = requests.post(strong.base + "/token", cert=certificate, verify=strong.verify, timeout=30,
                             data={"grant_type": "client_credentials", "client_id": client})
    assert response.status_code == 200, response.text
    der = subprocess.run([servers.tool("openssl"), "x509", "-in", certificate[0], "-outform", "DER"],
                         check=True, stdout=subprocess.PIPE).stdout
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert verified(strong, response.json(), client).get("cnf") == ({"x5t#S256": digest} if is_bound else None)


def test_proof_by_jwcrypto(strong):
    """RFC 9449, with a proof as jwcrypto makes it; cnf made anew by RFC 7638's own rule."""
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    public = json.loads(key.export_public())
    proof = jws.JWS(json.dumps({"jti": str(uuid.uuid4()), "htm": "POST", "iat": int(time.time()),
                                "htu": STRONG_ISSUER + "/oauth2/token"}))
    proof.add_signature(key, "ES256", json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}))
    response = requests.post(strong.base + "/token", auth=("dpop", SECRETS["dpop"]), verify=strong.verify,
                             headers={"DPoP": proof.serialize(compact=True)}, timeout=30,
                             data={"grant_type": "client_credentials"})
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "DPoP"
    assert verified(strong, response.json(), "dpop")["cnf"] == {"jkt": thumbprint(public)}
