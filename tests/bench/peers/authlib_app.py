# SPDX-License-Identifier: MIT
"""Authlib's authorization server in Flask, as its documentation has it; settings by PEER_..."""
import os
import time
import uuid

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc6749 import ClientMixin, grants
from flask import Flask

SETTINGS = {name: os.environ["PEER_" + name] for name in ("KEY", "CLIENT", "SECRET", "SCOPE", "PORT")}
with open(SETTINGS["KEY"], "rb") as f:
    KEY = JsonWebKey.import_key(f.read(), {"kty": "RSA"})


class Client(ClientMixin):
    """The one that there is."""

    def get_client_id(self):
        return SETTINGS["CLIENT"]

    def get_allowed_scope(self, scope):
        return scope if scope == SETTINGS["SCOPE"] else ""

    def check_client_secret(self, client_secret):
        return client_secret == SETTINGS["SECRET"]

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


CLIENT = Client()


def sign(client, grant_type, user, scope):
    """An access token; what Authlib calls its generator."""
    del grant_type, user
    now = int(time.time())
    claims = {"iss": f"http://localhost:{SETTINGS['PORT']}", "sub": client.get_client_id(),
              "aud": client.get_client_id(), "iat": now, "nbf": now, "exp": now + 300,
              "jti": str(uuid.uuid4()), "scope": [scope]}
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": "1"}, claims, KEY).decode()


class Grant(grants.ClientCredentialsGrant):
    """With the method that all are measured by."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]


app = Flask(__name__)
app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = sign
server = AuthorizationServer(
    app, query_client=lambda client_id: CLIENT if client_id == CLIENT.get_client_id() else None,
    save_token=lambda token, request: None)
server.register_grant(Grant)


@app.post("/oauth2/token")
def token():
    return server.create_token_response()
