// SPDX-License-Identifier: MIT
// @node-oauth/oauth2-server with jose, as its documentation has it: PORT KEY CLIENT SECRET SCOPE
import OAuth2Server from "@node-oauth/oauth2-server";
import { SignJWT, importPKCS8 } from "jose";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, keyFile, clientId, clientSecret, scope] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const key = await importPKCS8(readFileSync(keyFile, "utf8"), "RS256");
const client = { id: clientId, grants: ["client_credentials"], accessTokenLifetime: 300 };

const model = {
    getClient: (id, secret) => id === clientId && secret === clientSecret && client,
    getUserFromClient: () => ({ id: clientId }),
    validateScope: (user, of, asked) => asked.every((one) => one === scope) && asked,
    generateAccessToken: (of, user, granted) => new SignJWT({ scope: granted })
        .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: "1" })
        .setIssuer(issuer).setSubject(of.id).setAudience(of.id).setJti(randomUUID())
        .setIssuedAt().setNotBefore("0s").setExpirationTime("300s").sign(key),
    saveToken: (token, of, user) => ({ ...token, client: of, user }),
};
const server = new OAuth2Server({ model });

async function answer(request, body) {
    const response = new OAuth2Server.Response();
    try {
        await server.token(new OAuth2Server.Request({
            method: request.method, headers: request.headers, query: {},
            body: Object.fromEntries(new URLSearchParams(body)),
        }), response);
    } catch (error) {
        response.status ??= error.code;
    }
    return response;
}

createServer((request, out) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
        const { status, headers, body } = await answer(request, Buffer.concat(parts).toString());
        out.writeHead(status, { ...headers, "content-type": "application/json" });
        out.end(JSON.stringify(body));
    });
}).listen(Number(port), "127.0.0.1");
