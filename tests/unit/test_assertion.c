/* SPDX-License-Identifier: MIT */
/* Client assertions through the token endpoint: private_key_jwt and client_secret_jwt
 * (interface §3.2, RFC 7523). */
#include "ask.h"
#include "makers.h"

#include <openssl/err.h>

#define ANY REASON__MAX /* whatever the log calls it */

/* 32 bytes, the shortest that HS256 may have. */
#define SHARED "0123456789abcdef0123456789ABCDEF"
#define SHARED_OLD "an older secret of 32 bytes, ...."

enum signer {
	BY_EC,
	BY_RSA,
	BY_PS,
	BY_OKP,
	BY_RS384,
	BY_RS512,
	BY_SECRET,
	BY_OLD_SECRET,
	BY_STRANGER, /* an EC key that nobody registered */
	BY_NOBODY,   /* no signature at all */
	SIGNER__MAX,
};

static const char *const heads[SIGNER__MAX] = {
	[BY_EC] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
	[BY_RSA] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
	[BY_PS] = "{\"alg\":\"PS256\",\"typ\":\"JWT\"}",
	[BY_OKP] = "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}",
	[BY_RS384] = "{\"alg\":\"RS384\",\"typ\":\"JWT\"}",
	[BY_RS512] = "{\"alg\":\"RS512\",\"typ\":\"JWT\"}",
	[BY_SECRET] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
	[BY_OLD_SECRET] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
	[BY_STRANGER] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
	[BY_NOBODY] = "{\"alg\":\"none\",\"typ\":\"JWT\"}",
};

static struct maker makers[SIGNER__MAX];
static EVP_PKEY *strangers[6];
static unsigned serial; /* makes each jti another one */

/* How often a signature was looked at. */
static unsigned verified;

enum reason __real_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg);
enum reason __wrap_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg);
enum reason __real_jws_verify_secret(const struct jws_parts *parts, struct str secret);
enum reason __wrap_jws_verify_secret(const struct jws_parts *parts, struct str secret);

enum reason __wrap_jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg)
{
	verified++;
	return __real_jws_verify(parts, pkey, alg);
}

enum reason __wrap_jws_verify_secret(const struct jws_parts *parts, struct str secret)
{
	verified++;
	return __real_jws_verify_secret(parts, secret);
}

/* Is there no memory to find out of what kind a key is? */
static bool no_memory;

bool __real_alg_fits(enum jose_alg alg, const EVP_PKEY *pkey);
bool __wrap_alg_fits(enum jose_alg alg, const EVP_PKEY *pkey);

bool __wrap_alg_fits(enum jose_alg alg, const EVP_PKEY *pkey)
{
	if (no_memory)
		ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
	return !no_memory && __real_alg_fits(alg, pkey);
}

static struct client *add_client(const char *id, unsigned methods)
{
	struct client *client = fixture_add(&fixture, id);

	client->auth_methods = methods;
	client->secret_count = 0;
	return client;
}

static struct client *add_key_client(const char *id)
{
	return add_client(id, AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
}

static struct secret shared(const char *text)
{
	struct secret secret = fixture_secret(text);

	secret.kind = SECRET_PLAIN;
	secret.text = str_of(text);
	return secret;
}

static void add_many(const char *id, size_t strangers_before)
{
	static const char *const kids[] = { "k1", "k2", "k3", "k4", "k5", "k6", "k7" };
	struct client *client = add_key_client(id);
	size_t i = 0;

	/* Keys of another kind do not count among the five. */
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_NONE, "rsa");
	for (; i < strangers_before; i++)
		fixture_register(&fixture, client, strangers[i], JOSE_ALG_NONE, kids[i]);
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, kids[i]);
}

static struct netmask offices[1];

static void add_secret_clients(void)
{
	struct client *client = add_client("SECRET", AUTH_BIT(AUTH_SECRET_JWT));
	struct secret *secrets = fixture_secrets(&fixture, client, 3);

	secrets[0] = shared(SHARED_OLD);
	secrets[0].label = STR("old");
	secrets[0].expires_s = NOW_S;
	secrets[1] = fixture_secret("a digest cannot make a MAC of 32 ");
	secrets[2] = shared(SHARED);
	secrets[2].label = STR("new");

	client = add_client("BOTH", AUTH_BIT(AUTH_SECRET_JWT) | AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_NONE, "rsa");
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, NULL);
	*fixture_secrets(&fixture, client, 1) = shared(SHARED);

	client = fixture_add(&fixture, "BASIC");
	*fixture_secrets(&fixture, client, 1) = shared(SHARED);
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, NULL);
}

static void add_key_clients(void)
{
	struct client *client = add_key_client("EC");

	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, "ec");
	client = add_key_client("OTHER");
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_ES256, "ec");
	client = add_key_client("RSA");
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_NONE, "rsa");
	client = add_key_client("PS256");
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_PS256, NULL);
	client = add_key_client("RS256");
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_RS256, NULL);
	client = add_key_client("RS384");
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_RS384, NULL);
	client = add_key_client("OKP");
	fixture_register(&fixture, client, makers[BY_OKP].pkey, JOSE_ALG_NONE, NULL);
	client = add_key_client("MIXED");
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, "a");
	fixture_register(&fixture, client, makers[BY_RSA].pkey, JOSE_ALG_PS256, "b");
	client = add_key_client("DISABLED");
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, NULL);
	client->enabled = false;
	client = add_key_client("OFFICE");
	fixture_register(&fixture, client, makers[BY_EC].pkey, JOSE_ALG_NONE, NULL);
	client->allowed_ips = (struct netmask_list){ offices, 1 };
	add_key_client("NO_KEY");
	add_many("FIFTH", 4);
	add_many("SIXTH", 5);
}

static int open_fixture(void **state)
{
	(void)state;
	serial = 0;
	verified = 0;
	ask_now_s = NOW_S;
	for (size_t i = 0; i < COUNT(strangers); i++)
		strangers[i] = make_key();
	makers[BY_EC] = (struct maker){ support_key(KEY_EC), JOSE_ALG_ES256, STR("") };
	makers[BY_RSA] = (struct maker){ support_key(KEY_RSA), JOSE_ALG_RS256, STR("") };
	makers[BY_PS] = (struct maker){ makers[BY_RSA].pkey, JOSE_ALG_PS256, STR("") };
	makers[BY_RS384] = (struct maker){ makers[BY_RSA].pkey, JOSE_ALG_RS384, STR("") };
	makers[BY_RS512] = (struct maker){ makers[BY_RSA].pkey, JOSE_ALG_RS512, STR("") };
	makers[BY_OKP] = (struct maker){ support_key(KEY_OKP), JOSE_ALG_EDDSA, STR("") };
	makers[BY_SECRET] = (struct maker){ NULL, JOSE_ALG_HS256, STR(SHARED) };
	makers[BY_OLD_SECRET] = (struct maker){ NULL, JOSE_ALG_HS256, STR(SHARED_OLD) };
	makers[BY_STRANGER] = (struct maker){ strangers[0], JOSE_ALG_ES256, STR("") };
	makers[BY_NOBODY] = (struct maker){ NULL, JOSE_ALG_NONE, STR("") };
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	assert_true(netmask_parse(STR("203.0.113.0/24"), &offices[0]));
	add_key_clients();
	add_secret_clients();
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	EVP_PKEY_free(makers[BY_EC].pkey);
	EVP_PKEY_free(makers[BY_RSA].pkey);
	EVP_PKEY_free(makers[BY_OKP].pkey);
	for (size_t i = 0; i < COUNT(strangers); i++)
		EVP_PKEY_free(strangers[i]);
	return 0;
}

/* Good claims of this client, for free(). */
static char *claims_of(const char *client, const char *patch)
{
	char base[1024];

	snprintf(base, sizeof(base),
		"{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"" FIXTURE_ISSUER
		"\",\"jti\":\"jti-%u\",\"iat\":%lld,\"exp\":%lld}",
		client, client, serial++, (long long)ask_now_s, (long long)ask_now_s + 60);
	return make_json(base, patch);
}

/* An assertion by this client, with changes to its header and claims; for free(). */
static char *assertion_by(
	enum signer signer, const char *client, const char *head_patch, const char *patch)
{
	char *head = make_json(heads[signer], head_patch);
	char *claims = claims_of(client, patch);
	char *jwt = make_jws(&makers[signer], head, claims);

	free(head);
	free(claims);
	return jwt;
}

/* Any assertion, and what else stands in the body ("&name=value"). */
static void ask_with(const char *jwt, const char *path, const char *more)
{
	static char body[3 * MAKE_MAX];
	struct buf buf = buf_init(body, sizeof(body));
	struct ask ask = { .path = path };

	buf_text(&buf, GRANT "&" ASSERTION_TYPE "&client_assertion=");
	make_encoded(&buf, str_of(jwt));
	buf_text(&buf, more);
	assert_false(buf.overflow);
	ask.body = buf_view(&buf);
	ask_send(&ask);
}

static void send_assertion(const char *jwt)
{
	ask_with(jwt, NULL, "");
}

/* REASON_NONE: a token; REASON_ASSERTION with its cause, or another refusal. */
static void check_answer(enum reason wanted, enum reason cause, const char *name)
{
	if (wanted == REASON_NONE)
		ask_check_token(name);
	else if (cause == ANY)
		ask_check_error(wanted, name);
	else
		ask_check_refusal(wanted, cause, name);
}

/* Interface §3.2, the row of assertions; one thing at a time is not as it should be. */
static void test_rows(void **state)
{
	static const struct {
		const char *name;
		enum signer signer;
		const char *client;
		const char *head;   /* changes to the header */
		const char *claims; /* changes to the claims */
		const char *more;   /* in the body */
		enum reason wanted;
		enum reason cause;
	} rows[] = {
		{ "good", BY_EC, "EC", NULL, NULL, "", REASON_NONE, REASON_NONE },
		{ "RS256", BY_RSA, "RSA", NULL, NULL, "", REASON_NONE, REASON_NONE },
		{ "PS256 by a key without alg", BY_PS, "RSA", NULL, NULL, "", REASON_NONE,
			REASON_NONE },
		{ "PS256", BY_PS, "PS256", NULL, NULL, "", REASON_NONE, REASON_NONE },
		{ "RS384 by a key for it", BY_RS384, "RS384", NULL, NULL, "", REASON_NONE,
			REASON_NONE },
		{ "EdDSA", BY_OKP, "OKP", NULL, NULL, "", REASON_NONE, REASON_NONE },
		{ "HS256", BY_SECRET, "SECRET", NULL, NULL, "", REASON_NONE, REASON_NONE },
		{ "either method: a key", BY_RSA, "BOTH", NULL, NULL, "", REASON_NONE,
			REASON_NONE },
		{ "either method: the secret", BY_SECRET, "BOTH", NULL, NULL, "", REASON_NONE,
			REASON_NONE },

		/* alg */
		{ "none", BY_NOBODY, "EC", NULL, NULL, "", REASON_ASSERTION, REASON_JWS_ALG },
		{ "None", BY_NOBODY, "EC", "{\"alg\":\"None\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "NONE", BY_NOBODY, "EC", "{\"alg\":\"NONE\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "nOnE", BY_NOBODY, "EC", "{\"alg\":\"nOnE\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "none, signed", BY_EC, "EC", "{\"alg\":\"none\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "no alg", BY_EC, "EC", "{\"alg\":null}", NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "alg is an array", BY_EC, "EC", "{\"alg\":[\"ES256\"]}", NULL, "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "alg in lower case", BY_EC, "EC", "{\"alg\":\"es256\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "no signature", BY_NOBODY, "EC", "{\"alg\":\"ES256\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "no signature, RSA", BY_NOBODY, "RSA", "{\"alg\":\"RS256\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "no signature, EdDSA", BY_NOBODY, "OKP", "{\"alg\":\"EdDSA\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "no signature, HS256", BY_NOBODY, "SECRET", "{\"alg\":\"HS256\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "RS256 by a key for PS256", BY_RSA, "PS256", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "PS256 by a key for RS256", BY_PS, "RS256", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "RS384 by a key without alg", BY_RS384, "RSA", NULL, NULL, "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "RS512 by a key without alg", BY_RS512, "RSA", NULL, NULL, "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "RS256 by a key for RS384", BY_RSA, "RS384", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "ES256 by an RSA client", BY_EC, "RSA", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },
		{ "the header says RS256 for PS256", BY_PS, "RSA", "{\"alg\":\"RS256\"}", NULL,
			"", REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "HS256 by a client of keys", BY_SECRET, "EC", NULL, NULL, "",
			REASON_AUTH_METHOD, REASON_NONE },
		{ "HS256 by a client of basic", BY_SECRET, "BASIC", NULL, NULL, "",
			REASON_AUTH_METHOD, REASON_NONE },
		{ "a key by a client of basic", BY_EC, "BASIC", NULL, NULL, "",
			REASON_AUTH_METHOD, REASON_NONE },
		{ "a key by a client of secrets", BY_EC, "SECRET", NULL, NULL, "",
			REASON_AUTH_METHOD, REASON_NONE },
		{ "expired secret", BY_OLD_SECRET, "SECRET", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_SIGNATURE },
		{ "another key", BY_STRANGER, "EC", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_SIGNATURE },
		{ "another key, other keys behind it", BY_STRANGER, "MIXED", NULL, NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "no keys", BY_EC, "NO_KEY", NULL, NULL, "", REASON_ASSERTION,
			REASON_JWS_ALG },

		/* Keys that the assertion brings along */
		{ "jwk", BY_STRANGER, "EC", "{\"jwk\":{" JWK_EC_MEMBERS "}}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "jwk of the real key", BY_EC, "EC", "{\"jwk\":{" JWK_EC_MEMBERS "}}", NULL,
			"", REASON_NONE, REASON_NONE },
		{ "jku", BY_STRANGER, "EC", "{\"jku\":\"https://127.0.0.1:1/jwks\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "x5u", BY_STRANGER, "EC", "{\"x5u\":\"https://127.0.0.1:1/x\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "x5c", BY_STRANGER, "EC", "{\"x5c\":[\"AAAA\"]}", NULL, "", REASON_ASSERTION,
			REASON_JWS_SIGNATURE },

		/* crit */
		{ "crit", BY_EC, "EC", "{\"crit\":[\"exp\"],\"exp\":1}", NULL, "",
			REASON_ASSERTION, REASON_JWS_CRIT },
		{ "empty crit", BY_EC, "EC", "{\"crit\":[]}", NULL, "", REASON_ASSERTION,
			REASON_JWS_CRIT },
		{ "crit is a text", BY_EC, "EC", "{\"crit\":\"b64\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_CRIT },
		{ "b64 with crit", BY_EC, "EC", "{\"b64\":false,\"crit\":[\"b64\"]}", NULL, "",
			REASON_ASSERTION, REASON_JWS_CRIT },
		{ "b64 alone", BY_EC, "EC", "{\"b64\":false}", NULL, "", REASON_ASSERTION,
			ANY },

		/* kid */
		{ "kid", BY_EC, "EC", "{\"kid\":\"ec\"}", NULL, "", REASON_NONE, REASON_NONE },
		{ "unknown kid", BY_EC, "EC", "{\"kid\":\"EC\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_KID },
		{ "kid of nothing", BY_EC, "EC", "{\"kid\":\"\"}", NULL, "", REASON_ASSERTION,
			REASON_JWS_KID },
		{ "kid is a number", BY_EC, "EC", "{\"kid\":1}", NULL, "", REASON_ASSERTION,
			REASON_JWS_KID },
		{ "kid, but the key has none", BY_OKP, "OKP", "{\"kid\":\"ec\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_KID },
		{ "empty kid, and the key has none", BY_OKP, "OKP", "{\"kid\":\"\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_KID },
		{ "path", BY_EC, "EC", "{\"kid\":\"../../etc/passwd\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_KID },
		{ "format", BY_EC, "EC", "{\"kid\":\"%n%s' OR 1=1 --\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_KID },
		{ "kid of another of the keys", BY_EC, "MIXED", "{\"kid\":\"b\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "kid of the second key", BY_PS, "MIXED", "{\"kid\":\"b\"}", NULL, "",
			REASON_NONE, REASON_NONE },
		{ "kid of a wrong key, a right one is there", BY_EC, "SIXTH",
			"{\"kid\":\"k1\"}", NULL, "", REASON_ASSERTION, REASON_JWS_SIGNATURE },
		{ "kid of the sixth", BY_EC, "SIXTH", "{\"kid\":\"k6\"}", NULL, "", REASON_NONE,
			REASON_NONE },
		{ "kid with a secret", BY_SECRET, "SECRET", "{\"kid\":\"x\"}", NULL, "",
			REASON_ASSERTION, REASON_JWS_KID },

		/* iss, sub, client_id */
		{ "iss of another", BY_EC, "EC", NULL, "{\"iss\":\"OTHER\"}", "",
			REASON_ASSERTION, REASON_JWT_ISSUER },
		{ "no iss", BY_EC, "EC", NULL, "{\"iss\":null}", "", REASON_ASSERTION,
			REASON_JWT_ISSUER },
		{ "iss is a list", BY_EC, "EC", NULL, "{\"iss\":[\"EC\"]}", "",
			REASON_ASSERTION, REASON_JWT_ISSUER },
		{ "iss is the server", BY_EC, "EC", NULL, "{\"iss\":\"" FIXTURE_ISSUER "\"}",
			"", REASON_ASSERTION, REASON_JWT_ISSUER },
		{ "sub of another with the same key", BY_EC, "EC", NULL, "{\"sub\":\"OTHER\"}",
			"", REASON_ASSERTION, REASON_JWT_ISSUER },
		{ "sub of another key", BY_EC, "EC", NULL, "{\"sub\":\"OKP\"}", "",
			REASON_ASSERTION, REASON_JWS_ALG },
		{ "no sub", BY_EC, "EC", NULL, "{\"sub\":null}", "", REASON_CLIENT_UNKNOWN,
			ANY },
		{ "no sub, but a client_id", BY_EC, "EC", NULL, "{\"sub\":null}",
			"&client_id=EC", REASON_CLIENT_UNKNOWN, ANY },
		{ "sub is a number", BY_EC, "EC", NULL, "{\"sub\":1}", "",
			REASON_CLIENT_UNKNOWN, ANY },
		{ "unknown sub", BY_EC, "NOBODY", NULL, NULL, "", REASON_CLIENT_UNKNOWN,
			REASON_NONE },
		{ "sub in another case", BY_EC, "ec", NULL, NULL, "", REASON_CLIENT_UNKNOWN,
			REASON_NONE },
		{ "client_id of the body", BY_EC, "EC", NULL, NULL, "&client_id=EC",
			REASON_NONE, REASON_NONE },
		{ "client_id of another", BY_EC, "EC", NULL, NULL, "&client_id=OTHER",
			REASON_ASSERTION, REASON_JWT_ISSUER },
		{ "client_id of nobody", BY_EC, "EC", NULL, NULL, "&client_id=x",
			REASON_ASSERTION, REASON_JWT_ISSUER },

		/* exp, nbf, iat; their limits are below */
		{ "no exp", BY_EC, "EC", NULL, "{\"exp\":null}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRY },
		{ "exp is a text", BY_EC, "EC", NULL, "{\"exp\":\"1640588888\"}", "",
			REASON_ASSERTION, REASON_JWT_EXPIRY },
		{ "exp is true", BY_EC, "EC", NULL, "{\"exp\":true}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRY },
		{ "exp is 1e300", BY_EC, "EC", NULL, "{\"exp\":1e300}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRY },
		{ "exp is negative", BY_EC, "EC", NULL, "{\"exp\":-1}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRY },
		{ "exp is the largest number", BY_EC, "EC", NULL,
			"{\"exp\":9223372036854775807}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRY },
		{ "exp is 2^53", BY_EC, "EC", NULL, "{\"exp\":9007199254740992}", "",
			REASON_ASSERTION, REASON_JWT_LIFETIME },
		{ "exp with a fraction", BY_EC, "EC", NULL, "{\"exp\":1640588888.5}", "",
			REASON_NONE, REASON_NONE },
		{ "exp is zero", BY_EC, "EC", NULL, "{\"exp\":0}", "", REASON_ASSERTION,
			REASON_JWT_EXPIRED },
		{ "no iat", BY_EC, "EC", NULL, "{\"iat\":null}", "", REASON_NONE, REASON_NONE },
		{ "an old iat", BY_EC, "EC", NULL, "{\"iat\":1}", "", REASON_NONE,
			REASON_NONE },
		{ "iat is a text", BY_EC, "EC", NULL, "{\"iat\":\"x\"}", "", REASON_ASSERTION,
			REASON_JWT_EARLY },
		{ "nbf is a text", BY_EC, "EC", NULL, "{\"nbf\":\"x\"}", "", REASON_ASSERTION,
			REASON_JWT_EARLY },

		/* jti */
		{ "no jti", BY_EC, "EC", NULL, "{\"jti\":null}", "", REASON_ASSERTION,
			REASON_JWT_ID },
		{ "empty jti", BY_EC, "EC", NULL, "{\"jti\":\"\"}", "", REASON_ASSERTION,
			REASON_JWT_ID },
		{ "jti is a number", BY_EC, "EC", NULL, "{\"jti\":7}", "", REASON_ASSERTION,
			REASON_JWT_ID },

		/* typ */
		{ "no typ", BY_EC, "EC", "{\"typ\":null}", NULL, "", REASON_NONE, REASON_NONE },
		{ "client-authentication+jwt", BY_EC, "EC",
			"{\"typ\":\"client-authentication+jwt\"}", NULL, "", REASON_NONE,
			REASON_NONE },
		{ "dpop+jwt", BY_EC, "EC", "{\"typ\":\"dpop+jwt\"}", NULL, "", REASON_ASSERTION,
			REASON_JWT_TYPE },
		{ "at+jwt", BY_EC, "EC", "{\"typ\":\"at+jwt\"}", NULL, "", REASON_ASSERTION,
			REASON_JWT_TYPE },
		{ "logout+jwt", BY_EC, "EC", "{\"typ\":\"logout+jwt\"}", NULL, "",
			REASON_ASSERTION, REASON_JWT_TYPE },
		{ "typ of nothing", BY_EC, "EC", "{\"typ\":\"\"}", NULL, "", REASON_ASSERTION,
			REASON_JWT_TYPE },
		{ "typ is a list", BY_EC, "EC", "{\"typ\":[\"JWT\"]}", NULL, "",
			REASON_ASSERTION, REASON_JWT_TYPE },
		{ "cty", BY_EC, "EC", "{\"cty\":\"json\"}", NULL, "", REASON_NONE,
			REASON_NONE },

		{ "unknown members", BY_EC, "EC", "{\"foo\":{\"bar\":[1]}}",
			"{\"foo\":{\"bar\":[1]},\"scope\":\"stock\"}", "", REASON_NONE,
			REASON_NONE },
		{ "disabled", BY_EC, "DISABLED", NULL, NULL, "", REASON_CLIENT_DISABLED,
			REASON_NONE },
		{ "from elsewhere", BY_EC, "OFFICE", NULL, NULL, "", REASON_AUTH_ADDRESS,
			REASON_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *jwt = assertion_by(
			rows[i].signer, rows[i].client, rows[i].head, rows[i].claims);

		ask_with(jwt, NULL, rows[i].more);
		check_answer(rows[i].wanted, rows[i].cause, rows[i].name);
		free(jwt);
	}
	check_end();
}

/* aud: the issuer, as a text or a list of one; more only where it is configured.
 */
static void test_audience(void **state)
{
	static const struct {
		const char *aud; /* JSON */
		bool wanted;
		bool with_token_endpoint; /* wanted where the token endpoint is allowed too */
	} rows[] = {
		{ "\"" FIXTURE_ISSUER "\"", true, true },
		{ "[\"" FIXTURE_ISSUER "\"]", true, true },
		{ "\"" FIXTURE_ISSUER "/oauth2/token\"", false, true },
		{ "[\"" FIXTURE_ISSUER "/oauth2/token\"]", false, true },
		{ "[\"" FIXTURE_ISSUER "\",\"" FIXTURE_ISSUER "/oauth2/token\"]", false,
			false },
		{ "[\"" FIXTURE_ISSUER "\",\"" FIXTURE_ISSUER "\"]", false, false },
		{ "[\"" FIXTURE_ISSUER "\",\"https://evil.example.com\"]", false, false },
		{ "[]", false, false },
		{ "[[\"" FIXTURE_ISSUER "\"]]", false, false },
		{ "\"" FIXTURE_ISSUER "/\"", false, false },
		{ "\"" FIXTURE_ISSUER "/oauth2\"", false, false },
		{ "\"" FIXTURE_ISSUER "/oauth2/token/\"", false, false },
		{ "\"" FIXTURE_ISSUER "/oauth2/introspect\"", false, false },
		{ "\"https://AUTH.example.com\"", false, false },
		{ "\"https://auth.example.com:443\"", false, false },
		{ "\"auth.example.com\"", false, false },
		{ "\"EC\"", false, false },
		{ "\"\"", false, false },
		{ "1", false, false },
		{ "{\"" FIXTURE_ISSUER "\":1}", false, false },
		{ "null", false, false },
	};

	(void)state;
	for (unsigned option = 0; option < 2; option++) {
		fixture.snapshot->assertions.token_endpoint_audience = option == 1;
		for (size_t i = 0; i < COUNT(rows); i++) {
			bool wanted = option == 1 ? rows[i].with_token_endpoint
						  : rows[i].wanted;
			char patch[256];
			char *jwt;

			snprintf(patch, sizeof(patch), "{\"aud\":%s}", rows[i].aud);
			jwt = assertion_by(BY_EC, "EC", NULL, patch);
			send_assertion(jwt);
			check_answer(wanted ? REASON_NONE : REASON_ASSERTION,
				REASON_JWT_AUDIENCE, rows[i].aud);
			free(jwt);
		}
	}
	check_end();
}

/* The last second that is accepted, and the first that is not. */
static void test_times(void **state)
{
	static const struct assertion_policy usual = { .max_lifetime_s = 3600, .leeway_s = 10 };
	static const struct assertion_policy strict = { .max_lifetime_s = 60, .leeway_s = 0 };
	static const struct assertion_policy lax = { .max_lifetime_s = 86400, .leeway_s = 60 };
	static const struct {
		const struct assertion_policy *policy;
		const char *claim;
		int64_t offset_s;
		enum reason cause; /* REASON_NONE: accepted */
	} rows[] = {
		{ &usual, "exp", 0, REASON_NONE },
		{ &usual, "exp", -10, REASON_NONE },
		{ &usual, "exp", -11, REASON_JWT_EXPIRED },
		{ &usual, "exp", 3600, REASON_NONE },
		{ &usual, "exp", 3601, REASON_JWT_LIFETIME },
		{ &usual, "nbf", 0, REASON_NONE },
		{ &usual, "nbf", 8, REASON_NONE },
		{ &usual, "nbf", 10, REASON_NONE },
		{ &usual, "nbf", 11, REASON_JWT_EARLY },
		{ &usual, "iat", 8, REASON_NONE },
		{ &usual, "iat", 10, REASON_NONE },
		{ &usual, "iat", 11, REASON_JWT_EARLY },
		{ &usual, "iat", 61, REASON_JWT_EARLY },
		{ &strict, "exp", 0, REASON_NONE },
		{ &strict, "exp", -1, REASON_JWT_EXPIRED },
		{ &strict, "exp", 60, REASON_NONE },
		{ &strict, "exp", 61, REASON_JWT_LIFETIME },
		{ &strict, "nbf", 1, REASON_JWT_EARLY },
		{ &strict, "iat", 1, REASON_JWT_EARLY },
		{ &lax, "exp", -60, REASON_NONE },
		{ &lax, "exp", -61, REASON_JWT_EXPIRED },
		{ &lax, "exp", 86400, REASON_NONE },
		{ &lax, "exp", 86401, REASON_JWT_LIFETIME },
		{ &lax, "iat", 60, REASON_NONE },
		{ &lax, "iat", 61, REASON_JWT_EARLY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[64], patch[64];
		char *jwt;

		fixture.snapshot->assertions = *rows[i].policy;
		snprintf(name, sizeof(name), "%s = now %+lld, leeway %lld", rows[i].claim,
			(long long)rows[i].offset_s, (long long)rows[i].policy->leeway_s);
		snprintf(patch, sizeof(patch), "{\"%s\":%lld}", rows[i].claim,
			(long long)(NOW_S + rows[i].offset_s));
		jwt = assertion_by(BY_EC, "EC", NULL, patch);
		send_assertion(jwt);
		check_answer(rows[i].cause == REASON_NONE ? REASON_NONE : REASON_ASSERTION,
			rows[i].cause, name);
		free(jwt);
	}
	check_end();
}

/* What is no compact JWS of three parts in strict base64url. */
static void test_syntax(void **state)
{
	char *good = assertion_by(BY_EC, "EC", NULL, NULL);
	const size_t n = strlen(good);
	char *head_end = strchr(good, '.'), *last = strrchr(good, '.');
	static char text[4][4096];
	char *const end = good + n - 1;
	const struct {
		const char *name;
		int first_len;
		const char *second;
		enum reason cause;
	} rows[] = {
		{ "two parts", (int)(last - good), "", REASON_JWS_SYNTAX },
		{ "one part", (int)(head_end - good), "", REASON_JWS_SYNTAX },
		{ "four parts", (int)n, ".AAAA", REASON_JWS_SYNTAX },
		{ "five parts", (int)n, ".AAAA.AAAA", REASON_JWS_SYNTAX },
		{ "dot behind", (int)n, ".", REASON_JWS_SYNTAX },
		{ "padding", (int)n, "==", REASON_JWS_SYNTAX },
		{ "line end behind", (int)n, "\n", REASON_JWS_SYNTAX },
		{ "space behind", (int)n, " ", REASON_JWS_SYNTAX },
		{ "tab behind", (int)n, "\t", REASON_JWS_SYNTAX },
		{ "a character more", (int)n, "A", ANY },
		{ "a character less", (int)n - 1, "", ANY },
		{ "base64's +", (int)n - 1, "+", REASON_JWS_SYNTAX },
		{ "base64's /", (int)n - 1, "/", REASON_JWS_SYNTAX },
		{ "beyond ASCII", (int)n - 1, "\xc3\xa4", REASON_JWS_SYNTAX },
		{ "dots alone", 0, "..", ANY },
		{ "JSON serialization", 0,
			"{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"\"}",
			REASON_JWS_SYNTAX },
		{ "text", 0, "hello", REASON_JWS_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text[0], sizeof(text[0]), "%.*s%s", rows[i].first_len, good,
			rows[i].second);
		send_assertion(text[0]);
		check_answer(REASON_ASSERTION, rows[i].cause, rows[i].name);
	}
	/* 64 bytes end in a character with four unused bits, which must be zero. */
	snprintf(text[1], sizeof(text[1]), "%s", good);
	text[1][n - 1] = (char)(*end == 'Q'   ? 'R'
				: *end == 'g' ? 'h'
				: *end == 'w' ? 'x'
					      : 'B');
	send_assertion(text[1]);
	check_answer(REASON_ASSERTION, REASON_JWS_SYNTAX, "bits behind the signature");
	snprintf(text[2], sizeof(text[2]), " %s", good);
	send_assertion(text[2]);
	check_answer(REASON_ASSERTION, REASON_JWS_SYNTAX, "space before");
	snprintf(text[3], sizeof(text[3]), "%.*s\n%s", 10, good, good + 10);
	send_assertion(text[3]);
	check_answer(REASON_ASSERTION, REASON_JWS_SYNTAX, "line end within");
	CHECK_NUMBER(fixture.store->record_count, 0, "no jti was used up");
	send_assertion(good);
	check_answer(REASON_NONE, ANY, "it is good as it was");
	free(good);
	check_end();
}

/* JSON that two readers may understand in two ways. */
static void test_json(void **state)
{
	static const struct {
		const char *name;
		const char *head;
		const char *claims; /* NULL: good ones */
		enum reason cause;
	} rows[] = {
		{ "alg twice", "{\"alg\":\"ES256\",\"alg\":\"ES256\"}", NULL,
			REASON_JWS_HEADER },
		{ "alg twice, escaped", "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}", NULL,
			REASON_JWS_HEADER },
		{ "header is a list", "[{\"alg\":\"ES256\"}]", NULL, REASON_JWS_HEADER },
		{ "header is a text", "\"ES256\"", NULL, REASON_JWS_HEADER },
		{ "header is empty", "", NULL, REASON_JWS_HEADER },
		{ "more behind the header", "{\"alg\":\"ES256\"}{}", NULL, REASON_JWS_HEADER },
		{ "BOM", "\xef\xbb\xbf{\"alg\":\"ES256\"}", NULL, REASON_JWS_HEADER },
		{ "NUL in the header", "{\"alg\":\"ES256\",\"kid\":\"a\\u0000\"}", NULL,
			REASON_JWS_HEADER },
		{ "header not UTF-8", "{\"alg\":\"ES256\",\"x\":\"\xff\"}", NULL,
			REASON_JWS_HEADER },
		{ "sub twice", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"OTHER\",\"sub\":\"EC\",\"aud\":"
			"\"" FIXTURE_ISSUER "\",\"jti\":\"x\",\"exp\":1640588888}",
			REASON_JWS_PAYLOAD },
		{ "deeper member twice", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"EC\",\"aud\":\"" FIXTURE_ISSUER
			"\",\"jti\":\"x\",\"exp\":1640588888,\"x\":{\"a\":1,\"a\":1}}",
			REASON_JWS_PAYLOAD },
		{ "NUL in jti", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"EC\",\"aud\":\"" FIXTURE_ISSUER
			"\",\"jti\":\"x\\u0000y\",\"exp\":1640588888}",
			REASON_JWS_PAYLOAD },
		{ "claims are a list", "{\"alg\":\"ES256\"}", "[]", REASON_JWS_PAYLOAD },
		{ "claims are text", "{\"alg\":\"ES256\"}", "sub=EC", REASON_JWS_PAYLOAD },
		{ "no claims", "{\"alg\":\"ES256\"}", "", REASON_JWS_PAYLOAD },
		{ "exp beyond 64 bits", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"EC\",\"aud\":\"" FIXTURE_ISSUER
			"\",\"jti\":\"x\",\"exp\":9223372036854775808}",
			REASON_JWS_PAYLOAD },
		{ "exp is 1e400", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"EC\",\"aud\":\"" FIXTURE_ISSUER
			"\",\"jti\":\"x\",\"exp\":1e400}",
			REASON_JWS_PAYLOAD },
		{ "exp is NaN", "{\"alg\":\"ES256\"}",
			"{\"iss\":\"EC\",\"sub\":\"EC\",\"aud\":\"" FIXTURE_ISSUER
			"\",\"jti\":\"x\",\"exp\":NaN}",
			REASON_JWS_PAYLOAD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *claims = rows[i].claims ? strdup(rows[i].claims) : claims_of("EC", NULL);
		char *jwt = make_jws(&makers[BY_EC], rows[i].head, claims);

		send_assertion(jwt);
		check_answer(REASON_ASSERTION, rows[i].cause, rows[i].name);
		free(claims);
		free(jwt);
	}
	check_end();
}

/* 32 levels are enough for everybody. */
static void test_depth(void **state)
{
	char deep[512];

	(void)state;
	for (size_t levels = 31; levels <= 32; levels++) {
		struct buf buf = buf_init(deep, sizeof(deep));
		char *jwt;

		buf_text(&buf, "{\"x\":");
		for (size_t i = 0; i < levels; i++)
			buf_char(&buf, '[');
		for (size_t i = 0; i < levels; i++)
			buf_char(&buf, ']');
		buf_char(&buf, '}');
		buf_char(&buf, '\0');
		jwt = assertion_by(BY_EC, "EC", NULL, deep);
		send_assertion(jwt);
		/* The object around it is one more. */
		check_answer(levels == 31 ? REASON_NONE : REASON_ASSERTION, REASON_JWS_PAYLOAD,
			levels == 31 ? "32 deep" : "33 deep");
		free(jwt);
	}
	check_end();
}

/* 8,192 bytes, and not one more; a long jti within is no matter. */
static void test_size(void **state)
{
	static char patch[12000];

	(void)state;
	for (size_t jti_len = 5500; jti_len < 6500; jti_len++) {
		char *jwt;
		size_t n;

		memset(patch, 'x', sizeof(patch));
		memcpy(patch, "{\"jti\":\"", 8);
		snprintf(patch + 8 + jti_len, 3, "\"}");
		jwt = assertion_by(BY_EC, "EC", NULL, patch);
		n = strlen(jwt);
		if (n >= 8188 && n <= 8196) {
			send_assertion(jwt);
			check_answer(n <= 8192 ? REASON_NONE : REASON_ASSERTION,
				REASON_JWT_SIZE, n <= 8192 ? "not too large" : "too large");
		}
		free(jwt);
		if (n > 8196)
			break;
	}
	CHECK(fixture.store->record_count >= 2, "some were not too large");
	check_end();
}

/* Signatures that are none. */
static void test_signatures(void **state)
{
	static const unsigned char zero[64] = { 0 };
	unsigned char bytes[80], der[80];
	char *good = assertion_by(BY_EC, "EC", NULL, NULL);
	char *jwt;

	(void)state;
	assert_int_equal(make_signature(good, bytes, sizeof(bytes)), 64);
	for (size_t len = 0; len < 72; len++) {
		if (len == 64)
			continue;
		memset(bytes + 64, 0, sizeof(bytes) - 64);
		jwt = make_resigned(good, bytes, len);
		send_assertion(jwt);
		check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "another length");
		free(jwt);
	}
	jwt = make_resigned(good, zero, sizeof(zero));
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "r = s = 0");
	free(jwt);
	memcpy(der, bytes, 64);
	memset(der, 0, 32);
	jwt = make_resigned(good, der, 64);
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "r = 0");
	free(jwt);
	memcpy(der, bytes, 64);
	memset(der + 32, 0xff, 32);
	jwt = make_resigned(good, der, 64);
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "s >= n");
	free(jwt);
	for (size_t bit = 0; bit < 512; bit += 37) {
		memcpy(der, bytes, 64);
		der[bit / 8] ^= (unsigned char)(1U << bit % 8);
		jwt = make_resigned(good, der, 64);
		send_assertion(jwt);
		check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "a bit is another");
		free(jwt);
	}
	CHECK_NUMBER(fixture.store->record_count, 0, "no forgery uses a jti up");
	send_assertion(good);
	check_answer(REASON_NONE, ANY, "the real one is still good");
	free(good);
	check_end();
}

/* DER, as OpenSSL's functions make it. */
static void test_der(void **state)
{
	char *good = assertion_by(BY_EC, "EC", NULL, NULL);
	const char *dot = strrchr(good, '.');
	unsigned char der[80];
	size_t len = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *jwt;

	(void)state;
	assert_non_null(ctx);
	assert_int_equal(
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, makers[BY_EC].pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &len, (const unsigned char *)good,
				 (size_t)(dot - good)),
		1);
	EVP_MD_CTX_free(ctx);
	jwt = make_resigned(good, der, len);
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "DER");
	free(jwt);
	free(good);
	check_end();
}

/* A public key is no secret, in none of its forms; nothing is none either. */
static void test_confused_keys(void **state)
{
	static const char *const clients[] = { "EC", "RSA", "PS256", "OKP", "SECRET", "BOTH" };
	EVP_PKEY *pkeys[] = { makers[BY_EC].pkey, makers[BY_RSA].pkey };
	static char space[8][4096];
	struct str keys[9];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(pkeys); i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		unsigned char *p = (unsigned char *)space[4 * i + 1];
		struct buf jwk = buf_init(space[4 * i + 2], sizeof(space[0]));
		const char *pem;
		long n;

		assert_true(bio && PEM_write_bio_PUBKEY(bio, pkeys[i]));
		n = BIO_get_mem_data(bio, &pem);
		memcpy(space[4 * i], pem, (size_t)n);
		keys[count++] = (struct str){ space[4 * i], (size_t)n };
		keys[count++] = (struct str){ space[4 * i], (size_t)n - 1 };
		BIO_free(bio);
		n = i2d_PUBKEY(pkeys[i], &p);
		keys[count++] = (struct str){ space[4 * i + 1], (size_t)n };
		assert_int_equal(
			jwk_write(&jwk, pkeys[i], JOSE_ALG_NONE, STR("")), REASON_NONE);
		keys[count++] = buf_view(&jwk);
	}
	keys[count++] = STR("");
	for (size_t i = 0; i < COUNT(clients); i++) {
		for (size_t j = 0; j < count; j++) {
			struct maker maker = { NULL, JOSE_ALG_HS256, keys[j] };
			char *claims = claims_of(clients[i], NULL);
			char *jwt = make_jws(&maker, heads[BY_SECRET], claims);

			send_assertion(jwt);
			CHECK_NUMBER(response.status, 401, clients[i]);
			ask_check_error(audit.reason, clients[i]);
			free(claims);
			free(jwt);
		}
	}
	check_end();
}

/* Without a kid the keys of the algorithm are tried, five at most. */
static void test_five_keys(void **state)
{
	char *jwt = assertion_by(BY_EC, "FIFTH", NULL, NULL);

	(void)state;
	verified = 0;
	send_assertion(jwt);
	CHECK_NUMBER(verified, 5, "the fifth is tried");
	check_answer(REASON_NONE, ANY, "the fifth is tried");
	free(jwt);
	jwt = assertion_by(BY_EC, "SIXTH", NULL, NULL);
	verified = 0;
	send_assertion(jwt);
	CHECK_NUMBER(verified, 5, "the sixth is not");
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "the sixth is not");
	free(jwt);
	jwt = assertion_by(BY_EC, "SIXTH", "{\"kid\":\"k6\"}", NULL);
	verified = 0;
	send_assertion(jwt);
	CHECK_NUMBER(verified, 1, "a kid names one");
	check_answer(REASON_NONE, ANY, "a kid names one");
	free(jwt);
	check_end();
}

/* A jti is used up once, whatever else is another. */
static void test_replay(void **state)
{
	char *first = assertion_by(BY_EC, "EC", NULL, "{\"jti\":\"same\"}");
	char *malleated = make_malleated(first);
	char *later = assertion_by(BY_EC, "EC", NULL, "{\"jti\":\"same\",\"exp\":1640588900}");
	char *other = assertion_by(BY_EC, "OTHER", NULL, "{\"jti\":\"same\"}");
	char *another = assertion_by(BY_EC, "EC", NULL, "{\"jti\":\"Same\"}");

	(void)state;
	send_assertion(malleated);
	check_answer(REASON_NONE, ANY, "as good as the first");
	for (unsigned round = 0; round < 3; round++) {
		send_assertion(first);
		check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "the other signature");
		send_assertion(malleated);
		check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "again");
	}
	send_assertion(later);
	check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "the same jti, another exp");
	ask_with(first, "/introspect", "&token=x");
	check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "at another endpoint");
	send_assertion(other);
	check_answer(REASON_NONE, ANY, "the same jti by another client");
	send_assertion(another);
	check_answer(REASON_NONE, ANY, "another jti");
	free(first);
	free(malleated);
	free(later);
	free(other);
	free(another);
	check_end();
}

/* A jti is remembered for as long as its assertion could be used: exp and the leeway. */
static void test_replay_until_the_end(void **state)
{
	char *jwt = assertion_by(BY_EC, "EC", NULL, "{\"exp\":1640588833}"); /* now + 5 */

	(void)state;
	send_assertion(jwt);
	check_answer(REASON_NONE, ANY, "first");
	for (int64_t after_s = 1; after_s <= 15; after_s++) {
		int64_t removed;

		ask_now_s = NOW_S + after_s;
		assert_int_equal(
			store_prune(fixture.services.store, ask_now_s, &removed), REASON_NONE);
		send_assertion(jwt);
		check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "as long as it holds");
	}
	ask_now_s = NOW_S + 16;
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWT_EXPIRED, "then it is too old");
	free(jwt);
	check_end();
}

/* Nor does an assertion come to life again when the operator allows more leeway. */
static void test_replay_with_more_leeway(void **state)
{
	char *jwt = assertion_by(BY_EC, "EC", NULL, "{\"exp\":1640588833}"); /* now + 5 */
	int64_t removed;

	(void)state;
	send_assertion(jwt);
	check_answer(REASON_NONE, ANY, "first");
	CHECK_NUMBER(fixture.store->records[0].counter.expires_s, NOW_S + 5 + 600 + 1,
		"exp, and the most leeway that can be configured");
	ask_now_s = NOW_S + 16;
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWT_EXPIRED, "its leeway is over");
	fixture.snapshot->assertions.leeway_s = 600;
	for (; ask_now_s <= NOW_S + 605; ask_now_s++) {
		assert_int_equal(
			store_prune(fixture.services.store, ask_now_s, &removed), REASON_NONE);
		send_assertion(jwt);
		check_answer(REASON_ASSERTION, REASON_JWT_REPLAYED, "more leeway");
	}
	send_assertion(jwt);
	check_answer(REASON_ASSERTION, REASON_JWT_EXPIRED, "too old for any");
	assert_int_equal(store_prune(fixture.services.store, ask_now_s, &removed), REASON_NONE);
	CHECK_NUMBER(removed, 1, "then it is forgotten");
	free(jwt);
	check_end();
}

/* What is refused for another reason does not use its jti up. */
static void test_refused_is_not_used(void **state)
{
	static const char *const patches[] = { "{\"jti\":\"j\",\"aud\":\"x\"}",
		"{\"jti\":\"j\",\"exp\":1}", "{\"jti\":\"j\",\"iss\":\"x\"}",
		"{\"jti\":\"j\",\"nbf\":1640599999}" };

	(void)state;
	for (size_t i = 0; i < COUNT(patches); i++) {
		char *jwt = assertion_by(BY_EC, "EC", NULL, patches[i]);

		send_assertion(jwt);
		check_answer(REASON_ASSERTION, ANY, patches[i]);
		free(jwt);
	}
	char *forged = assertion_by(BY_STRANGER, "EC", NULL, "{\"jti\":\"j\"}");
	char *good = assertion_by(BY_EC, "EC", NULL, "{\"jti\":\"j\"}");

	send_assertion(forged);
	check_answer(REASON_ASSERTION, REASON_JWS_SIGNATURE, "forged");
	CHECK_NUMBER(fixture.store->record_count, 0, "nothing is remembered");
	send_assertion(good);
	check_answer(REASON_NONE, ANY, "good");
	CHECK_NUMBER(fixture.store->record_count, 1, "one record");
	free(forged);
	free(good);
	check_end();
}

/* Each way in which the store can fail, at each of its calls: 503, never a token. */
static void test_store_fails(void **state)
{
	static const enum reason failures[] = { REASON_STORE, REASON_STORE_OPEN,
		REASON_STORE_FULL, REASON_STORE_DAMAGED, REASON_STORE_UNREACHABLE,
		REASON_STORE_NETWORK };
	struct store_mem *mem = fixture.store;
	char *jwt = assertion_by(BY_EC, "EC", NULL, NULL);

	(void)state;
	fixture.snapshot->throttle = (struct throttle_policy){ 10, 100, 60 };
	for (size_t i = 0; i < COUNT(failures); i++) {
		mem->failure = failures[i];
		mem->failing_call = 0;
		send_assertion(jwt);
		ask_check_error(failures[i], "each call fails");
	}
	mem->failure = REASON_STORE;
	for (unsigned n = 1; n <= 3; n++) {
		mem->call_count = 0;
		mem->failing_call = n;
		send_assertion(jwt);
		ask_check_error(
			REASON_STORE, n < 3 ? "a call of the throttle" : "the replay's");
	}
	mem->failure = REASON_NONE;
	CHECK_NUMBER(mem->record_count, 0, "nothing was remembered");
	send_assertion(jwt);
	check_answer(REASON_NONE, ANY, "and when it is back, it works");
	free(jwt);
	check_end();
}

/* Then nobody knows whether the key fits: the fault is ours, and the assertion stays unused. */
static void test_no_memory(void **state)
{
	char *jwt = assertion_by(BY_EC, "EC", NULL, NULL);

	(void)state;
	no_memory = true;
	send_assertion(jwt);
	no_memory = false;
	ask_check_error(REASON_MEMORY, "no memory");
	send_assertion(jwt);
	ask_check_token("then there is");
	free(jwt);
	check_end();
}

/* client_assertion and its type belong together, and are one method. */
static void test_choice(void **state)
{
	static const struct {
		const char *name;
		const char *before;
		const char *behind;
		const char *variable;
		enum reason wanted;
	} rows[] = {
		{ "good", GRANT "&" ASSERTION_TYPE, "", NULL, REASON_NONE },
		{ "no type", GRANT, "", NULL, REASON_ASSERTION_TYPE },
		{ "empty type", GRANT "&client_assertion_type=", "", NULL,
			REASON_ASSERTION_TYPE },
		{ "another type", GRANT "&client_assertion_type=jwt-bearer", "", NULL,
			REASON_ASSERTION_TYPE },
		{ "SAML",
			GRANT "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-"
			      "assertion-type%3Asaml2-bearer",
			"", NULL, REASON_ASSERTION_TYPE },
		{ "beside a secret", GRANT "&" ASSERTION_TYPE, "&client_id=EC&client_secret=x",
			NULL, REASON_AUTH_MULTIPLE },
		{ "beside Basic", GRANT "&" ASSERTION_TYPE, "",
			"HTTP_AUTHORIZATION=Basic RUM6eA==", REASON_AUTH_MULTIPLE },
		{ "beside another scheme", GRANT "&" ASSERTION_TYPE, "",
			"HTTP_AUTHORIZATION=DPoP x", REASON_AUTH_SCHEME },
		{ "an empty secret is none", GRANT "&" ASSERTION_TYPE, "&client_secret=", NULL,
			REASON_NONE },
		{ "in the query", GRANT "&" ASSERTION_TYPE, "",
			"QUERY_STRING=client_assertion=x", REASON_QUERY_CREDENTIALS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char body[4096];
		char *jwt = assertion_by(BY_EC, "EC", NULL, NULL);
		struct ask ask = { .more = { rows[i].variable } };

		snprintf(body, sizeof(body), "%s&client_assertion=%s%s", rows[i].before, jwt,
			rows[i].behind);
		ask.body = str_of(body);
		ask_send(&ask);
		check_answer(rows[i].wanted, REASON_NONE, rows[i].name);
		free(jwt);
	}
	check_end();
}

/* Our own access token is no assertion, also if it were of the client's own key. */
static void test_access_token(void **state)
{
	char *jwt = assertion_by(BY_EC, "EC", NULL, NULL);
	char *token;

	(void)state;
	send_assertion(jwt);
	token = ask_token("token");
	send_assertion(token);
	CHECK_NUMBER(response.status, 401, "an access token");
	ask_check_error(audit.reason, "an access token");
	free(token);
	free(jwt);
	check_end();
}

static bool tells(struct str text, const char *jwt)
{
	return str_contains(text, str_of(strrchr(jwt, '.') + 1)) ||
	       str_contains(text, str_upto(str_of(jwt), 20));
}

/* What the log gets; never the assertion. */
static void test_audit(void **state)
{
	static const struct {
		const char *name;
		enum signer signer;
		const char *client;
		const char *patch;
		enum auth_method method;
		const char *client_id, *label;
	} rows[] = {
		{ "key", BY_EC, "EC", NULL, AUTH_PRIVATE_KEY_JWT, "EC", "" },
		{ "secret", BY_SECRET, "SECRET", NULL, AUTH_SECRET_JWT, "SECRET", "new" },
		{ "refused", BY_EC, "EC", "{\"aud\":\"x\"}", AUTH_PRIVATE_KEY_JWT, "EC", "" },
		{ "unknown", BY_EC, "who\\nis", NULL, AUTH_PRIVATE_KEY_JWT, "who\nis", "" },
		{ "forged", BY_STRANGER, "EC", NULL, AUTH_PRIVATE_KEY_JWT, "EC", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *jwt = assertion_by(rows[i].signer, rows[i].client, NULL, rows[i].patch);
		send_assertion(jwt);
		CHECK_NUMBER(audit.method, rows[i].method, rows[i].name);
		CHECK_TEXT(audit.client_id, str_of(rows[i].client_id), rows[i].name);
		CHECK_TEXT(audit.secret_label, str_of(rows[i].label), rows[i].name);
		CHECK(!tells(audit.client_id, jwt) && !tells(audit.scope, jwt) &&
				!tells(audit.jti, jwt) && !tells(audit.secret_label, jwt) &&
				!tells(response.body, jwt),
			rows[i].name);
		free(jwt);
	}
	check_end();
}

/* Whatever is wrong with an assertion, the client is told the same (interface §3.2). */
static void test_denials_are_alike(void **state)
{
	char *jwts[] = {
		assertion_by(BY_EC, "NOBODY", NULL, NULL),
		assertion_by(BY_STRANGER, "EC", NULL, NULL),
		assertion_by(BY_NOBODY, "EC", NULL, NULL),
		assertion_by(BY_EC, "EC", NULL, "{\"aud\":\"x\"}"),
		assertion_by(BY_EC, "EC", NULL, "{\"exp\":1}"),
		assertion_by(BY_EC, "EC", "{\"crit\":[]}", NULL),
		assertion_by(BY_EC, "EC", "{\"kid\":\"x\"}", NULL),
		assertion_by(BY_EC, "DISABLED", NULL, NULL),
		assertion_by(BY_EC, "BASIC", NULL, NULL),
		assertion_by(BY_EC, "OFFICE", NULL, NULL),
		strdup("a.b.c"),
		strdup("x"),
	};
	static char space[2][8192];

	(void)state;
	for (size_t i = 0; i < COUNT(jwts); i++) {
		struct buf buf = buf_init(space[i > 0], sizeof(space[0]));

		send_assertion(jwts[i]);
		http_response_write_head(&response, &buf);
		buf_str(&buf, http_response_body(&response));
		buf_char(&buf, '\0');
		assert_false(buf.overflow);
		CHECK_TEXT(str_of(space[i > 0]), str_of(space[0]), jwts[i]);
		free(jwts[i]);
	}
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_audience),
		TEST(test_times),
		TEST(test_syntax),
		TEST(test_json),
		TEST(test_depth),
		TEST(test_size),
		TEST(test_signatures),
		TEST(test_der),
		TEST(test_confused_keys),
		TEST(test_five_keys),
		TEST(test_replay),
		TEST(test_replay_until_the_end),
		TEST(test_replay_with_more_leeway),
		TEST(test_refused_is_not_used),
		TEST(test_store_fails),
		TEST(test_no_memory),
		TEST(test_choice),
		TEST(test_access_token),
		TEST(test_audit),
		TEST(test_denials_are_alike),
	};

	return cmocka_run_group_tests_name("assertion", tests, NULL, NULL);
}
