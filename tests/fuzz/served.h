/* SPDX-License-Identifier: MIT */
/* A server in memory for fuzz targets: clients that differ in what they may do, whole requests,
 * and what holds for every answer. */
#ifndef TESTS_FUZZ_SERVED_H
#define TESTS_FUZZ_SERVED_H

#include "keys.h"

#include "../unit/fixture.h"

#include "jose/jwt.h"
#include "oauth/dispatch.h"

#define SERVED_VARIABLES_MAX 64
#define SERVED_KID "2026-11"
#define SERVED_TOKEN_URL FIXTURE_ISSUER "/oauth2/token"

static struct fixture served;
static struct http_response response;
static struct audit audit;

static struct client *served_add(const char *id, unsigned methods)
{
	struct client *client = fixture_add(&served, id);

	client->auth_methods = methods;
	return client;
}

static void served_add_clients(void)
{
	const unsigned by_secret = AUTH_BIT(AUTH_SECRET_BASIC) | AUTH_BIT(AUTH_SECRET_POST);
	static const struct str resources[] = { STR_CONST(FIXTURE_ORDERS),
		STR_CONST(FIXTURE_STOCK) };
	static struct netmask office;
	struct client *client;

	served_add("both", by_secret);
	served_add("basic", AUTH_BIT(AUTH_SECRET_BASIC));
	served_add("post", AUTH_BIT(AUTH_SECRET_POST));
	served_add("disabled", by_secret)->enabled = false;
	served_add("other/grants", by_secret)->grants = 0;
	served_add("proof", by_secret)->dpop_bound = true;
	client = served_add("office", by_secret);
	REQUIRE(netmask_parse(STR("192.0.2.0/24"), &office));
	client->allowed_ips = (struct netmask_list){ &office, 1 };
	client = served_add("resources", by_secret);
	client->resources = (struct str_list){ resources, 2 };
	client->has_profile = true;
	client->profile = PROFILE_RFC9068;
	client = served_add("few", by_secret);
	client->scopes = client->default_scopes;
	client->may_introspect = true;
	client = served_add("expired", by_secret);
	fixture_secrets(&served, client, 2)[1] = fixture_secret("another");
	served.secrets[client - served.clients][0].expires_s = NOW_S;
	client = served_add("keys", AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
	fixture_register(&served, client, key_of(SIGN_OKP), JOSE_ALG_EDDSA, "okp");
	fixture_register(&served, client, key_of(SIGN_EC), JOSE_ALG_ES256, NULL);
	client = served_add("shared", AUTH_BIT(AUTH_SECRET_JWT));
	struct secret *secret = fixture_secrets(&served, client, 1);

	secret->kind = SECRET_PLAIN;
	secret->text = STR(KEY_SHARED_TEXT);
}

/* The issuer's key is another one than the clients'. */
static EVP_PKEY *served_key(void)
{
	static const unsigned char private_key[32] = "a signing key for fuzz targets.";
	static EVP_PKEY *pkey;

	if (pkey == NULL)
		pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
	REQUIRE(pkey != NULL);
	return pkey;
}

static void served_open(void)
{
	if (served.snapshot != NULL)
		return;
	fixture_open(&served);
	fixture_use_state(&served);
	struct keyring *keyring = &served.snapshot->keyring;

	keyring->keys = arena_alloc_array(served.snapshot->arena, 1, sizeof(*keyring->keys));
	REQUIRE(keyring->keys != NULL && EVP_PKEY_up_ref(served_key()) == 1);
	keyring->count = 1;
	keyring->keys[0] = (struct signing_key){
		.pkey = served_key(),
		.alg = JOSE_ALG_EDDSA,
		.state = KEY_ACTIVE,
		.kid = STR(SERVED_KID),
		.signer = jws_signer_new(served_key(), JOSE_ALG_EDDSA),
	};
	keyring->active = &keyring->keys[0];
	served_add_clients();
	fixture_seal(&served);
}

/* As if nothing had happened before: each input stands for itself. */
static void served_forget(void)
{
	served_open();
	served.store->record_count = 0;
	served.store->removed_s = 0;
	arena_reset(served.arena);
}

static inline struct str served_header(const char *name)
{
	for (size_t i = 0; i < response.header_count; i++) {
		if (strcmp(response.headers[i].name, name) == 0)
			return response.headers[i].value;
	}
	return STR("");
}

static inline json_t *served_json(void)
{
	json_t *json = json_loadb(
		response.body.p, response.body.n, JSON_REJECT_DUPLICATES, NULL);

	REQUIRE(json_is_object(json));
	return json;
}

/* A fault of the program is none of the answers that a request may have. */
static inline void served_check_refusal(void)
{
	REQUIRE(response.status >= 400 && response.status < 500);
	json_t *json = served_json();

	REQUIRE(json_object_size(json) == 2);
	REQUIRE(support_member(json, "error").n > 0);
	REQUIRE(support_member(json, "error_description").n > 0);
	REQUIRE(str_eq(served_header("Cache-Control"), STR("no-store")));
	REQUIRE((response.status == 401) == (served_header("WWW-Authenticate").n > 0));
	json_decref(json);
}

static inline void served_check_headers(void)
{
	REQUIRE(served_header("X-Request-Id").n > 0);
	for (size_t i = 0; i < response.header_count; i++)
		REQUIRE(str_is_visible(response.headers[i].value));
}

/* Answer a request; variables are "NAME=VALUE", ended by NULL. */
static inline void served_ask(const char *const *variables, struct str body)
{
	struct process_facts process = { .pid = 1, .version = "1" };
	struct http_request request = {
		.variables = variables, .body = body, .body_is_whole = true
	};
	struct dispatch_input input = { served.snapshot, &request, &served.services,
		served.arena, NOW_S, &process };

	REQUIRE(http_request_init(&request, served.arena) == REASON_NONE);
	dispatch(&input, &response, &audit);
	REQUIRE(audit.status == response.status);
	served_check_headers();
	if (audit.reason != REASON_NONE)
		served_check_refusal();
}

/* POST a form over HTTPS; more: one more variable, or NULL. */
static inline void served_post(const char *path, struct str body, const char *more)
{
	char path_info[64], length[64];
	const char *variables[] = { "REQUEST_METHOD=POST", "SCRIPT_NAME=/oauth2", path_info,
		"HTTPS=on", "REMOTE_ADDR=192.0.2.7",
		"CONTENT_TYPE=application/x-www-form-urlencoded", length, more, NULL };

	snprintf(path_info, sizeof(path_info), "PATH_INFO=%s", path);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", body.n);
	served_ask(variables, body);
}

/* Append a form parameter; the value is encoded. */
static inline void served_parameter(struct buf *body, const char *name, struct str value)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_text(body, body->n > 0 ? "&" : "");
	buf_text(body, name);
	buf_char(body, '=');
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		buf_char(body, '%');
		buf_char(body, digits[c >> 4]);
		buf_char(body, digits[c & 15]);
	}
}

/* What base64url stands for, by OpenSSL: by no code of the program.  For free(). */
static inline unsigned char *served_decode(const char *text, size_t n, size_t *len)
{
	const size_t padded = (n + 3) / 4 * 4;
	unsigned char *in = malloc(padded + 1), *out = malloc(padded / 4 * 3 + 1);

	REQUIRE(in != NULL && out != NULL && n % 4 != 1);
	for (size_t i = 0; i < padded; i++) {
		char c = i < n ? text[i] : '=';

		in[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
	}
	int decoded = EVP_DecodeBlock(out, in, (int)padded);

	REQUIRE(decoded >= (int)(padded - n));
	*len = (size_t)decoded - (padded - n);
	free(in);
	return out;
}

/* A token's claims, for json_decref(), after its signature was verified by OpenSSL alone. */
static inline json_t *served_verify(struct str token)
{
	const char *last = memrchr(token.p, '.', token.n);
	const char *first = memchr(token.p, '.', token.n);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len;

	REQUIRE(ctx != NULL && first != NULL && first != last);
	const size_t signed_n = (size_t)(last - token.p);
	unsigned char *signature = served_decode(last + 1, token.n - signed_n - 1, &len);

	REQUIRE(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, served_key()) == 1 &&
		EVP_DigestVerify(
			ctx, signature, len, (const unsigned char *)token.p, signed_n) == 1);
	EVP_MD_CTX_free(ctx);
	free(signature);
	unsigned char *text = served_decode(first + 1, (size_t)(last - first) - 1, &len);
	json_t *json = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);

	REQUIRE(json_is_object(json));
	free(text);
	return json;
}

/* Is the token's `aud` this text or a list that has it? */
static inline bool served_is_for(const json_t *claims, const char *audience)
{
	const json_t *aud = json_object_get(claims, "aud");

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), audience) == 0;
	for (size_t i = 0; i < json_array_size(aud); i++) {
		const char *item = json_string_value(json_array_get(aud, i));

		if (item != NULL && strcmp(item, audience) == 0)
			return true;
	}
	return false;
}

#endif
