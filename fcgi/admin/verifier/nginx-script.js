// nginx: the script of nginx-njs and nginx-introspection, for all APIs that take the tokens of one issuer.
//
// Where:   /etc/nginx/oauth2-api.js; then nginx -t and reload nginx. An API's audience and scope are set in
//          its location, and not here.
// Needs:   njs 0.7.9 or later, and the configuration of one of these two:
//          oauth2-admin verifier nginx-njs, oauth2-admin verifier nginx-introspection
// Test:    as the configuration says
// Checked: as the configuration says

const ISSUER = "{{issuer}}";
const TYPES = {{types}};
const ALGORITHMS = {{algorithms}};
const AHEAD_S = 10;

// What Web Crypto calls the algorithms that it can verify.
const SUITES = {
    RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
    RS512: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
    PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
    ES256: { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" },
};

function refuse(r, status, error) {
    r.headersOut["X-OAuth2-Challenge"] = error ? 'Bearer error="' + error + '"' : "Bearer";
    r.return(status);
}

function bearer(r) {
    const found = /^bearer +([A-Za-z0-9._~+\/-]+=*)$/i.exec(r.headersIn.Authorization || "");

    return found ? found[1] : "";
}

function decode(text) {
    return Buffer.from(text, "base64url");
}

// DER (X.690): tag, length, content.
function der(tag, content) {
    const n = content.length;
    const head = n < 128 ? [tag, n] : n < 256 ? [tag, 129, n] : [tag, 130, n >> 8, n & 255];

    return Buffer.concat([Buffer.from(head), content]);
}

function derInteger(bytes) {
    let start = 0;

    while (start < bytes.length - 1 && bytes[start] === 0)
        start++;
    const rest = Buffer.from(bytes.slice(start));

    return der(2, rest[0] > 127 ? Buffer.concat([Buffer.from([0]), rest]) : rest);
}

// SubjectPublicKeyInfo (RFC 5280), because older njs cannot import a JWK.
function publicKey(jwk) {
    if (jwk.kty === "EC")
        return Buffer.concat([
            Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex"),
            decode(jwk.x), decode(jwk.y)]);
    const key = der(48, Buffer.concat([derInteger(decode(jwk.n)), derInteger(decode(jwk.e))]));

    return der(48, Buffer.concat([
        Buffer.from("300d06092a864886f70d0101010500", "hex"),
        der(3, Buffer.concat([Buffer.from([0]), key]))]));
}

// Older njs takes an ECDSA signature in DER, newer as it stands in a JWS.
function signatureForms(suite, signature) {
    if (suite.name !== "ECDSA")
        return [signature];
    if (signature.length !== 64)
        return [];
    return [signature, der(48, Buffer.concat([
        derInteger(signature.slice(0, 32)), derInteger(signature.slice(32))]))];
}

async function isSigned(jwk, alg, text, signature) {
    const suite = SUITES[alg];
    const key = await crypto.subtle.importKey("spki", publicKey(jwk), suite, false, ["verify"]);
    const forms = signatureForms(suite, signature);

    for (let i = 0; i < forms.length; i++) {
        let good = false;

        try {
            good = await crypto.subtle.verify(suite, key, forms[i], Buffer.from(text));
        } catch (e) {
            good = false;
        }
        if (good === true)
            return true;
    }
    return false;
}

async function findKey(r, header) {
    const reply = await r.subrequest("/_oauth2_jwks", { method: "GET" });

    if (reply.status !== 200)
        throw new Error("the JWKS cannot be fetched: status " + reply.status);
    return JSON.parse(reply.responseText).keys.filter((key) =>
        key.kid === header.kid && key.alg === header.alg)[0];
}

// The claims of a token whose header and signature are good, or null.
async function open(r, token) {
    const parts = token.split(".");

    if (parts.length !== 3 || !/^[A-Za-z0-9_.-]+$/.test(token))
        return null;
    let header, claims;

    try {
        header = JSON.parse(decode(parts[0]).toString());
        claims = JSON.parse(decode(parts[1]).toString());
    } catch (e) {
        return null;
    }
    if (header === null || typeof header.kid !== "string" || header.crit !== undefined ||
        TYPES.indexOf(header.typ) < 0 || ALGORITHMS.indexOf(header.alg) < 0 || !SUITES[header.alg])
        return null;
    const key = await findKey(r, header);

    if (!key || !await isSigned(key, header.alg, parts[0] + "." + parts[1], decode(parts[2])))
        return null;
    return claims;
}

// What the location that has auth_request sets for its API.
function wanted(r) {
    const audience = r.variables.oauth2_audience, scope = r.variables.oauth2_scope;

    if (!audience || !scope)
        throw new Error("set $oauth2_scope and $oauth2_audience in the location that has auth_request");
    return { audience, scope };
}

// What goes into a header of the request to the API.
function isPrintable(text) {
    return typeof text === "string" && text !== "" && !/[^\x20-\x7e]/.test(text);
}

function isFor(claims, audience) {
    const now = Date.now() / 1000;
    const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];

    return claims.iss === ISSUER && audiences.indexOf(audience) >= 0 &&
        typeof claims.exp === "number" && claims.exp > now &&
        (claims.nbf === undefined || typeof claims.nbf === "number" && claims.nbf <= now + AHEAD_S) &&
        claims.cnf === undefined && isPrintable(claims.sub);
}

function allows(claims, scope) {
    const scopes = typeof claims.scope === "string" ? claims.scope.split(" ") : claims.scope;

    return Array.isArray(scopes) && scopes.indexOf(scope) >= 0;
}

async function decide(r, look) {
    const token = bearer(r);
    let api, claims;

    try {
        api = wanted(r);
        claims = token ? await look(r, token) : null;
    } catch (e) {
        r.error("oauth2: " + e.message);
        r.return(500);
        return;
    }
    if (!token) {
        refuse(r, 401, "");
        return;
    }
    if (claims === null || typeof claims !== "object" || !isFor(claims, api.audience)) {
        refuse(r, 401, "invalid_token");
        return;
    }
    if (!allows(claims, api.scope)) {
        refuse(r, 403, "insufficient_scope");
        return;
    }
    r.headersOut["X-OAuth2-Subject"] = claims.sub;
    r.return(204);
}

async function ask(r, token) {
    const key = require("crypto").createHash("sha256").update(token).digest("hex");
    const reply = await r.subrequest("/_oauth2_introspect", {
        method: "POST", args: "key=" + key, body: "token=" + encodeURIComponent(token) });

    if (reply.status !== 200)
        throw new Error("introspection fails: status " + reply.status);
    const claims = JSON.parse(reply.responseText);

    return claims.active === true ? claims : null;
}

async function verify(r) {
    await decide(r, open);
}

async function introspect(r) {
    await decide(r, ask);
}

export default { verify, introspect };
