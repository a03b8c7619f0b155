// SPDX-License-Identifier: MIT
// oidc-provider with signed access tokens: PORT KEY CLIENT SECRET SCOPE
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const [port, keyFile, clientId, clientSecret, scope] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = createPrivateKey(readFileSync(keyFile)).export({ format: "jwk" });
const resource = "urn:orders";

new Provider(issuer, {
    clients: [{
        client_id: clientId, client_secret: clientSecret, grant_types: ["client_credentials"],
        redirect_uris: [], response_types: [], token_endpoint_auth_method: "client_secret_basic",
    }],
    jwks: { keys: [{ ...key, alg: "RS256", use: "sig", kid: "1" }] },
    routes: { token: "/oauth2/token" },
    scopes: [scope],
    features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
            enabled: true,
            defaultResource: () => resource,
            getResourceServerInfo: () => ({
                scope, audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 300,
                jwt: { sign: { alg: "RS256" } },
            }),
        },
    },
}).listen(Number(port), "127.0.0.1");
