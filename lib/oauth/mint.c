/* SPDX-License-Identifier: MIT */
/* From a grant to a signed access token, and to the token response. */
#include "oauth/mint.h"
#include "util/b64url.h"
#include "util/secret.h"
#include "util/uuid.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define FIXED_SIZE 1024     /* bytes of names, numbers and punctuation around the texts */
#define SIGNATURE_SIZE 1400 /* characters of the longest signature and its dots */
#define ESCAPED 6           /* bytes that one byte takes in a JSON string at most */

static const char *const profile_types[PROFILE__MAX] = {
	[PROFILE_CIAM] = "JWT", [PROFILE_RFC9068] = "at+jwt", /* RFC 9068 §2.1 */
};

/* Memory for a JSON text: its own texts have `text_len` bytes, what needs no escaping
 * `plain_len`.
 */
static bool json_buffer(struct arena *arena, size_t text_len, size_t plain_len, struct buf *buf)
{
	size_t size = FIXED_SIZE + ESCAPED * text_len + plain_len;
	char *p = arena_alloc(arena, size);

	*buf = buf_init(p, size);
	return p != NULL;
}

static size_t scope_len(struct scope_list scopes)
{
	size_t len = 0;

	for (size_t i = 0; i < scopes.count; i++)
		len += scopes.items[i]->token.n + 1;
	return len;
}

static size_t text_len(const struct snapshot *snapshot, const struct grant *grant)
{
	size_t len = snapshot->issuer.n + 2 * grant->client->id.n + scope_len(grant->scopes);

	for (size_t i = 0; i < grant->audience.count; i++)
		len += grant->audience.items[i].n + 1;
	return len;
}

static void add_name(struct buf *json, const char *name)
{
	buf_text(json, json->n > 1 ? ",\"" : "\"");
	buf_text(json, name);
	buf_text(json, "\":");
}

static void add_text(struct buf *json, const char *name, struct str value)
{
	add_name(json, name);
	buf_json(json, value);
}

static void add_number(struct buf *json, const char *name, int64_t value)
{
	add_name(json, name);
	buf_number(json, value);
}

/* RFC 7519 §4.1.3: a string when there is one, an array when there are several. */
static void add_audience(struct buf *json, struct str_list audience)
{
	add_name(json, "aud");
	if (audience.count > 1)
		buf_char(json, '[');
	for (size_t i = 0; i < audience.count; i++) {
		if (i > 0)
			buf_char(json, ',');
		buf_json(json, audience.items[i]);
	}
	if (audience.count > 1)
		buf_char(json, ']');
}

static void add_scope_array(struct buf *json, struct scope_list scopes)
{
	if (scopes.count == 0)
		return;
	add_name(json, "scope");
	buf_char(json, '[');
	for (size_t i = 0; i < scopes.count; i++) {
		if (i > 0)
			buf_char(json, ',');
		buf_json(json, scopes.items[i]->token);
	}
	buf_char(json, ']');
}

/* Scope tokens have no character that JSON would escape. */
static void add_scope_text(struct buf *json, struct scope_list scopes)
{
	if (scopes.count == 0)
		return;
	add_name(json, "scope");
	buf_char(json, '"');
	scope_list_write(json, scopes);
	buf_char(json, '"');
}

/* Interface §4.1 */
static void add_ciam_claims(struct buf *json, const struct snapshot *snapshot,
	const struct grant *grant, const struct token *token)
{
	add_text(json, "sub", grant->client->id);
	add_audience(json, grant->audience);
	add_number(json, "nbf", token->issued_s);
	add_scope_array(json, grant->scopes);
	add_text(json, "iss", snapshot->issuer);
	add_number(json, "exp", token->expires_s);
	add_number(json, "iat", token->issued_s);
	add_text(json, "jti", token->jti);
}

/* RFC 9068 §2.2 */
static void add_rfc9068_claims(struct buf *json, const struct snapshot *snapshot,
	const struct grant *grant, const struct token *token)
{
	add_text(json, "iss", snapshot->issuer);
	add_number(json, "exp", token->expires_s);
	add_audience(json, grant->audience);
	add_text(json, "sub", grant->client->id);
	add_text(json, "client_id", grant->client->id);
	add_number(json, "iat", token->issued_s);
	add_text(json, "jti", token->jti);
	add_scope_text(json, grant->scopes);
}

/* RFC 7800 §3.1, RFC 8705 §3.1, RFC 9449 §6.1 */
static void add_confirmation(struct buf *json, const struct grant *grant)
{
	if (grant->x5t.n == 0 && grant->jkt.n == 0)
		return;
	add_name(json, "cnf");
	buf_char(json, '{');
	if (grant->x5t.n > 0) {
		buf_text(json, "\"x5t#S256\":");
		buf_json(json, grant->x5t);
	}
	if (grant->x5t.n > 0 && grant->jkt.n > 0)
		buf_char(json, ',');
	if (grant->jkt.n > 0) {
		buf_text(json, "\"jkt\":");
		buf_json(json, grant->jkt);
	}
	buf_char(json, '}');
}

static enum reason set_jti(struct arena *arena, const unsigned char bytes[static UUID_BYTES],
	unsigned version, struct str *jti)
{
	char text[UUID_LEN + 1];

	uuid_format(bytes, version, text);
	return arena_copy(arena, (struct str){ text, UUID_LEN }, jti) ? REASON_NONE
								      : REASON_MEMORY;
}

static enum reason make_jti(
	const struct random_source *random, struct arena *arena, struct str *jti)
{
	unsigned char bytes[UUID_BYTES];
	enum reason reason = random->fill(random->context, bytes, sizeof(bytes));

	return reason == REASON_NONE ? set_jti(arena, bytes, 4, jti) : reason;
}

static enum reason make_header(const struct signing_key *key, enum token_profile profile,
	struct arena *arena, struct str *header)
{
	struct buf json;

	if (!json_buffer(arena, key->kid.n, 0, &json))
		return REASON_MEMORY;
	buf_char(&json, '{');
	add_text(&json, "kid", key->kid);
	add_text(&json, "typ", str_of(profile_types[profile]));
	add_text(&json, "alg", str_of(alg_info(key->alg)->name));
	buf_char(&json, '}');
	*header = buf_view(&json);
	return REASON_NONE;
}

static enum reason make_claims(const struct snapshot *snapshot, const struct grant *grant,
	struct arena *arena, struct token *token)
{
	static void (*const writers[PROFILE__MAX])(struct buf *, const struct snapshot *,
		const struct grant *, const struct token *) = {
		[PROFILE_CIAM] = add_ciam_claims,
		[PROFILE_RFC9068] = add_rfc9068_claims,
	};
	struct buf json;

	if (!json_buffer(arena, text_len(snapshot, grant), grant->client->claims.n, &json))
		return REASON_MEMORY;
	buf_char(&json, '{');
	writers[grant->profile](&json, snapshot, grant, token);
	add_confirmation(&json, grant);
	buf_str(&json, grant->client->claims);
	buf_char(&json, '}');
	token->claims = buf_view(&json);
	return json.overflow ? REASON_MEMORY : REASON_NONE;
}

const char *mint_type(enum token_profile profile)
{
	return profile_types[profile];
}

/* By a keyed hash of header and claims, so that two tokens that differ have two ids. */
static enum reason derive_jti(
	const struct snapshot *snapshot, struct arena *arena, struct token *token)
{
	const size_t size = token->header.n + 1 + token->claims.n;
	unsigned char mac[SECRET_DIGEST_SIZE];
	size_t mac_len = 0;
	char *p = arena_alloc(arena, size);
	struct buf text = buf_init(p, size);

	if (p == NULL)
		return REASON_MEMORY;
	buf_str(&text, token->header);
	buf_char(&text, '.');
	buf_str(&text, token->claims);
	bool done = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, snapshot->reuse_key,
			    sizeof(snapshot->reuse_key), (const unsigned char *)text.p, text.n,
			    mac, sizeof(mac), &mac_len) != NULL;

	ERR_clear_error();
	return done && mac_len == sizeof(mac) ? set_jti(arena, mac, 8, &token->jti)
					      : REASON_SIGNING;
}

/* The same for everybody who has the key: nothing in it is random or tells the time of now. */
static enum reason make_reusable(const struct snapshot *snapshot, const struct grant *grant,
	struct arena *arena, struct token *token)
{
	enum reason reason = make_claims(snapshot, grant, arena, token);

	if (reason == REASON_NONE)
		reason = derive_jti(snapshot, arena, token);
	return reason == REASON_NONE ? make_claims(snapshot, grant, arena, token) : reason;
}

static enum reason make_new(const struct snapshot *snapshot, const struct grant *grant,
	const struct random_source *random, struct arena *arena, struct token *token)
{
	enum reason reason = make_jti(random, arena, &token->jti);

	return reason == REASON_NONE ? make_claims(snapshot, grant, arena, token) : reason;
}

enum reason mint_claims(const struct snapshot *snapshot, const struct grant *grant,
	int64_t now_s, const struct random_source *random, struct arena *arena,
	struct token *token)
{
	const int64_t issued_s = grant->reuse_s > 0 ? now_s - now_s % grant->reuse_s : now_s;

	*token = (struct token){ .issued_s = issued_s,
		.expires_s = issued_s + grant->lifetime_s };
	enum reason reason = make_header(
		snapshot->keyring.active, grant->profile, arena, &token->header);

	if (reason == REASON_NONE)
		reason = grant->reuse_s > 0 ? make_reusable(snapshot, grant, arena, token)
					    : make_new(snapshot, grant, random, arena, token);
	if (reason != REASON_NONE)
		*token = (struct token){ 0 };
	return reason;
}

enum reason mint_sign(const struct snapshot *snapshot, struct arena *arena, struct token *token)
{
	size_t size = B64URL_LEN(token->header.n) + B64URL_LEN(token->claims.n) +
		      SIGNATURE_SIZE;
	char *p = arena_alloc(arena, size);
	struct buf jwt = buf_init(p, size);

	if (p == NULL)
		return REASON_MEMORY;
	enum reason reason = jws_sign(
		snapshot->keyring.active->signer, token->header, token->claims, &jwt);

	if (reason == REASON_NONE)
		token->jwt = buf_view(&jwt);
	return reason;
}

enum reason mint_response(const struct grant *grant, const struct token *token, int64_t now_s,
	struct arena *arena, struct str *body)
{
	struct buf json;

	*body = STR("");
	if (!json_buffer(arena, 0, token->jwt.n + scope_len(grant->scopes), &json))
		return REASON_MEMORY;
	buf_char(&json, '{');
	add_name(&json, "access_token");
	buf_char(&json, '"');
	buf_str(&json, token->jwt);
	buf_char(&json, '"');
	add_text(&json, "token_type", grant->jkt.n > 0 ? STR("DPoP") : STR("Bearer"));
	add_number(&json, "expires_in", token->expires_s - now_s);
	add_scope_text(&json, grant->scopes);
	buf_char(&json, '}');
	*body = buf_view(&json);
	return REASON_NONE;
}

enum reason mint_token(const struct snapshot *snapshot, const struct grant *grant,
	int64_t now_s, const struct random_source *random, struct arena *arena,
	struct token *token)
{
	enum reason reason = mint_claims(snapshot, grant, now_s, random, arena, token);

	if (reason == REASON_NONE)
		reason = mint_sign(snapshot, arena, token);
	if (reason == REASON_NONE)
		reason = mint_response(grant, token, now_s, arena, &token->response);
	if (reason != REASON_NONE)
		*token = (struct token){ 0 };
	return reason;
}
