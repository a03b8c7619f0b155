/* SPDX-License-Identifier: MIT */
/*
 * Whole requests through dispatch.  Whatever is asked, a token is only issued if a second
 * reading of the request agrees.  It decides by code of its own: of the program it has memory
 * and buffers; texts are compared by the C library; what is signed is verified by OpenSSL, or
 * has to be what this target has signed by OpenSSL.
 *
 * Input: two bytes; lines "NAME=VALUE" of CGI variables, an empty line, and the body.  By the
 * bits of the first byte the target fills in what a random input would never have: credentials
 * of the client that the second byte names, the length of the body, and the usual variables.
 */
#include "served.h"

#include <arpa/inet.h>
#include <ctype.h>

enum {
	ADD_BASIC = 1,
	ADD_POST = 2,
	ADD_ASSERTION = 4,
	ADD_PROOF = 8,
	ADD_USUAL = 16,
	ADD_LENGTH = 32,
	ADD_GRANT = 64,
};

#define ISSUER FIXTURE_ISSUER
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define BODY_MAX 16384
#define JWS_MAX 2048
#define PARAMETERS_MAX 16384

struct parameter_text {
	char *name;
	char *value;
};

/* The request as this target reads it. */
struct reading {
	const char *variables[SERVED_VARIABLES_MAX + 1];
	size_t variable_count;
	struct parameter_text *parameters; /* room for PARAMETERS_MAX */
	size_t parameter_count;
	bool is_odd; /* something in it that is not decoded here */
};

/* One that has an assertion signs it by its own kind of key. */
static const char *const names[] = { "both", "basic", "post", "disabled", "other/grants",
	"proof", "office", "resources", "few", "expired", "keys", "shared", "nobody" };

static const char *variable(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->variable_count; i++) {
		const char *text = reading->variables[i];

		if (strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '=')
			return text + strlen(name) + 1;
	}
	return "";
}

static size_t variable_count(const struct reading *reading, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < reading->variable_count; i++)
		count += strncmp(reading->variables[i], name, strlen(name)) == 0 &&
			 reading->variables[i][strlen(name)] == '=';
	return count;
}

static void add_variable(struct reading *reading, const char *text)
{
	if (reading->variable_count < SERVED_VARIABLES_MAX)
		reading->variables[reading->variable_count++] = text;
}

static void add_usual(struct reading *reading)
{
	static const char *const usual[] = { "REQUEST_METHOD=POST", "SCRIPT_NAME=/oauth2",
		"PATH_INFO=/token", "HTTPS=on", "REMOTE_ADDR=192.0.2.7",
		"CONTENT_TYPE=application/x-www-form-urlencoded" };

	for (size_t i = 0; i < COUNT(usual); i++)
		add_variable(reading, usual[i]);
}

static void add_basic(struct reading *reading, const char *client)
{
	char pair[128], encoded[256];
	char *text = arena_alloc(served.arena, 512);

	snprintf(pair, sizeof(pair), "%s:%s", client, FIXTURE_SECRET);
	EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)pair, (int)strlen(pair));
	REQUIRE(text != NULL);
	snprintf(text, 512, "HTTP_AUTHORIZATION=Basic %s", encoded);
	add_variable(reading, text);
}

/* Append as base64url, by OpenSSL. */
static void append_encoded(char *jws, const void *data, size_t len)
{
	char *end = jws + strlen(jws);

	REQUIRE(strlen(jws) + (len + 2) / 3 * 4 < JWS_MAX);
	EVP_EncodeBlock((unsigned char *)end, data, (int)len);
	for (char *p = end; *p != '\0'; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p);
}

static void append_dot(char *jws)
{
	const size_t n = strlen(jws);

	REQUIRE(n + 1 < JWS_MAX);
	memcpy(jws + n, ".", 2);
}

/* The key of RFC 8037 A.1, from its number. */
static EVP_PKEY *okp_key(void)
{
	static const unsigned char d[32] = { 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
		0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b,
		0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60 };
	static EVP_PKEY *pkey;

	if (pkey == NULL)
		pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, d, sizeof(d));
	REQUIRE(pkey != NULL);
	return pkey;
}

/* The compact JWS by the shared secret or by okp_key; for the arena. */
static const char *sign(bool shared, const char *header, const char *claims)
{
	unsigned char signature[64];
	unsigned mac_len;
	size_t len = sizeof(signature);
	char *jws = arena_alloc(served.arena, JWS_MAX);

	REQUIRE(jws != NULL);
	jws[0] = '\0';
	append_encoded(jws, header, strlen(header));
	append_dot(jws);
	append_encoded(jws, claims, strlen(claims));
	const unsigned char *text = (const unsigned char *)jws;

	if (shared) {
		REQUIRE(HMAC(EVP_sha256(), KEY_SHARED_TEXT, strlen(KEY_SHARED_TEXT), text,
				strlen(jws), signature, &mac_len) != NULL);
		len = mac_len;
	} else {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		REQUIRE(ctx != NULL &&
			EVP_DigestSignInit(ctx, NULL, NULL, NULL, okp_key()) == 1 &&
			EVP_DigestSign(ctx, signature, &len, text, strlen(jws)) == 1);
		EVP_MD_CTX_free(ctx);
	}
	append_dot(jws);
	append_encoded(jws, signature, len);
	return jws;
}

/* The only one that a client can have: nobody else signs. */
static const char *signed_assertion(const char *client)
{
	static const char format[] = "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"" ISSUER
				     "\",\"exp\":%lld,\"jti\":\"1\"}";
	const bool shared = strcmp(client, "shared") == 0;
	char claims[256];

	snprintf(claims, sizeof(claims), format, client, client, (long long)NOW_S + 60);
	return sign(shared, shared ? "{\"alg\":\"HS256\"}" : "{\"alg\":\"EdDSA\"}", claims);
}

static const char *signed_proof(void)
{
	static const char header[] = "{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":{"
				     "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
				     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}}";
	char claims[256];

	snprintf(claims, sizeof(claims),
		"{\"htm\":\"POST\",\"htu\":\"" SERVED_TOKEN_URL
		"\",\"iat\":%lld,\"jti\":\"1\"}",
		(long long)NOW_S);
	return sign(false, header, claims);
}

static void add_assertion(const char *client, struct buf *body)
{
	served_parameter(body, "client_assertion", str_of(signed_assertion(client)));
	served_parameter(body, "client_assertion_type", STR(ASSERTION_TYPE));
}

static void add_proof(struct reading *reading)
{
	char *text = arena_alloc(served.arena, JWS_MAX + 16);

	REQUIRE(text != NULL);
	snprintf(text, JWS_MAX + 16, "HTTP_DPOP=%s", signed_proof());
	add_variable(reading, text);
}

/* Certificates are the business of another target. */
static void read_variables(struct reading *reading, struct str *rest)
{
	while (rest->n > 0) {
		struct str line = fuzz_line(rest), copy;

		if (line.n == 0)
			return;
		if (!str_has(line, '=') || str_has(line, '\0') ||
			str_starts(line, STR("SSL_CLIENT")))
			continue;
		REQUIRE(arena_copy(served.arena, line, &copy));
		add_variable(reading, copy.p);
	}
}

static struct str build(struct reading *reading, struct str rest)
{
	static char room[BODY_MAX + 16384];
	struct buf body = buf_init(room, sizeof(room));
	unsigned flags = fuzz_byte(&rest);
	const char *client = names[fuzz_byte(&rest) % COUNT(names)];
	char *length = arena_alloc(served.arena, 32);

	if ((flags & ADD_USUAL) != 0)
		add_usual(reading);
	read_variables(reading, &rest);
	buf_str(&body, rest);
	if ((flags & ADD_GRANT) != 0)
		served_parameter(&body, "grant_type", STR("client_credentials"));
	if ((flags & ADD_BASIC) != 0)
		add_basic(reading, client);
	if ((flags & ADD_POST) != 0) {
		served_parameter(&body, "client_id", str_of(client));
		served_parameter(&body, "client_secret", STR(FIXTURE_SECRET));
	}
	if ((flags & ADD_ASSERTION) != 0)
		add_assertion(client, &body);
	if ((flags & ADD_PROOF) != 0)
		add_proof(reading);
	REQUIRE(!body.overflow && length != NULL);
	snprintf(length, 32, "CONTENT_LENGTH=%zu", body.n);
	if ((flags & ADD_LENGTH) != 0)
		add_variable(reading, length);
	reading->variables[reading->variable_count] = NULL;
	return buf_view(&body);
}

/* Percent-encoding and plus signs, leniently; for the arena. */
static char *decode(struct reading *reading, const char *p, size_t n)
{
	char *out = arena_alloc(served.arena, n + 1), hex[3] = { 0 };
	size_t used = 0;

	REQUIRE(out != NULL);
	for (size_t i = 0; i < n; i++) {
		out[used++] = p[i] == '+' ? ' ' : p[i];
		if (p[i] != '%')
			continue;
		if (n - i < 3 || !isxdigit((unsigned char)p[i + 1]) ||
			!isxdigit((unsigned char)p[i + 2])) {
			reading->is_odd = true;
			continue;
		}
		memcpy(hex, p + i + 1, 2);
		out[used - 1] = (char)strtoul(hex, NULL, 16);
		i += 2;
	}
	out[used] = '\0';
	for (size_t i = 0; i < used; i++) {
		if (out[i] == '\0') {
			reading->is_odd = true;
			out[i] = '?'; /* no name has it */
		}
	}
	return out;
}

/* The next "name=value" of a form, decoded; false at its end. */
static bool read_pair(
	struct reading *reading, const char **p, const char *end, struct parameter_text *pair)
{
	if (*p >= end)
		return false;
	const char *amp = memchr(*p, '&', (size_t)(end - *p));
	const char *stop = amp != NULL ? amp : end;
	const char *equals = memchr(*p, '=', (size_t)(stop - *p));
	const char *name_end = equals != NULL ? equals : stop;
	const char *value = equals != NULL ? equals + 1 : stop;

	pair->name = decode(reading, *p, (size_t)(name_end - *p));
	pair->value = decode(reading, value, (size_t)(stop - value));
	*p = stop + 1;
	return true;
}

static void read_body(struct reading *reading, struct str body)
{
	const char *p = body.p;
	struct parameter_text pair;

	while (read_pair(reading, &p, body.p + body.n, &pair)) {
		REQUIRE(reading->parameter_count < PARAMETERS_MAX);
		if (pair.value[0] != '\0')
			reading->parameters[reading->parameter_count++] = pair;
	}
}

/* Its only value; NULL: there is none, or there are several. */
static const char *parameter(const struct reading *reading, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < reading->parameter_count; i++) {
		if (strcmp(reading->parameters[i].name, name) != 0)
			continue;
		if (value != NULL)
			return NULL;
		value = reading->parameters[i].value;
	}
	return value;
}

static bool is_secret_of(const char *client, const char *secret)
{
	if (strcmp(client, "expired") == 0)
		return strcmp(secret, "another") == 0;
	return strcmp(secret, FIXTURE_SECRET) == 0;
}

/* "ID:SECRET", as it is or with both halves form-encoded. */
static bool is_pair_good(struct reading *reading, const char *pair, const char *client)
{
	const char *colon = strchr(pair, ':');
	const bool was_odd = reading->is_odd;

	if (colon == NULL)
		return false;
	const size_t n = (size_t)(colon - pair);
	bool good = n == strlen(client) && memcmp(pair, client, n) == 0 &&
		    is_secret_of(client, colon + 1);

	if (!good)
		good = strcmp(decode(reading, pair, n), client) == 0 &&
		       is_secret_of(client, decode(reading, colon + 1, strlen(colon + 1)));
	reading->is_odd = was_odd;
	return good;
}

static bool proves_by_basic(struct reading *reading, const char *client)
{
	const char *header = variable(reading, "HTTP_AUTHORIZATION");
	unsigned char decoded[2048];

	REQUIRE(variable_count(reading, "HTTP_AUTHORIZATION") <= 1);
	if (header[0] == '\0')
		header = variable(reading, "REDIRECT_HTTP_AUTHORIZATION");
	header += strspn(header, " \t");
	if (strncasecmp(header, "Basic ", 6) != 0)
		return false;
	header += 6 + strspn(header + 6, " \t");
	size_t n = strcspn(header, " \t");

	if (n % 4 != 0 || n >= sizeof(decoded) || n == 0)
		return false;
	int len = EVP_DecodeBlock(decoded, (const unsigned char *)header, (int)n);

	for (size_t i = n; i > 0 && header[i - 1] == '='; i--)
		len--;
	if (len <= 0 || memchr(decoded, '\0', (size_t)len) != NULL)
		return false;
	decoded[len] = '\0';
	return is_pair_good(reading, (const char *)decoded, client);
}

static bool proves_by_post(const struct reading *reading, const char *client)
{
	const char *id = parameter(reading, "client_id");
	const char *secret = parameter(reading, "client_secret");

	return id != NULL && secret != NULL && strcmp(id, client) == 0 &&
	       is_secret_of(client, secret);
}

static bool proves_by_assertion(const struct reading *reading, const char *client)
{
	const char *sent = parameter(reading, "client_assertion");
	const char *type = parameter(reading, "client_assertion_type");

	return sent != NULL && type != NULL && strcmp(type, ASSERTION_TYPE) == 0 &&
	       strcmp(sent, signed_assertion(client)) == 0;
}

static bool is_one_of(const char *client, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(client, list[i]) == 0)
			return true;
	}
	return false;
}

/* 192.0.2.0/24, also as an IPv6 address. */
static bool is_in_office(const char *address)
{
	static const unsigned char mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0,
		2 };
	unsigned char bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return memcmp(bytes, mapped + 12, 3) == 0;
	return inet_pton(AF_INET6, address, bytes) == 1 &&
	       memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

/* By what is registered in served.h. */
static void check_client(struct reading *reading, const char *client)
{
	static const char *const by_basic[] = { "both", "basic", "proof", "office", "resources",
		"few", "expired" };
	static const char *const by_post[] = { "both", "post", "proof", "office", "resources",
		"few", "expired" };
	static const char *const by_assertion[] = { "keys", "shared" };
	unsigned ways = 0;

	if (is_one_of(client, by_basic, COUNT(by_basic)))
		ways += proves_by_basic(reading, client);
	if (is_one_of(client, by_post, COUNT(by_post)))
		ways += proves_by_post(reading, client);
	if (is_one_of(client, by_assertion, COUNT(by_assertion)))
		ways += proves_by_assertion(reading, client);
	REQUIRE(ways == 1);
	const char *id = parameter(reading, "client_id");

	REQUIRE(id == NULL || strcmp(id, client) == 0);
	if (strcmp(client, "office") == 0)
		REQUIRE(is_in_office(variable(reading, "REMOTE_ADDR")));
}

/* The next word of a text, behind the one before; NULL: there is none. */
static const char *next_word(const char *text, size_t *n)
{
	text += *n;
	text += strspn(text, " ");
	*n = strcspn(text, " ");
	return *n > 0 ? text : NULL;
}

static bool has_words(const char *text, const char *words)
{
	size_t n = 0, m;

	for (const char *one = words; (one = next_word(one, &n)) != NULL;) {
		const char *found = text;

		for (m = 0; (found = next_word(found, &m)) != NULL;) {
			if (m == n && memcmp(found, one, n) == 0)
				break;
		}
		if (found == NULL)
			return false;
	}
	return true;
}

/* A member that is a text; empty if it is not. */
static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* Each scope of the token was asked for, or nothing was; and it is the client's. */
static void check_scope(const struct reading *reading, const json_t *answer, const char *client)
{
	static const char all[] = "identity_proofing orders:read orders:write stock";
	const char *asked = parameter(reading, "scope");
	const char *granted = member(answer, "scope");

	REQUIRE(granted[0] != '\0');
	REQUIRE(has_words(strcmp(client, "few") == 0 ? "identity_proofing" : all, granted));
	REQUIRE(has_words(asked != NULL ? asked : "identity_proofing", granted));
	REQUIRE(asked == NULL || has_words(granted, asked));
}

static void check_audience(
	const struct reading *reading, const json_t *claims, const char *client)
{
	for (size_t i = 0; i < reading->parameter_count; i++) {
		const struct parameter_text *one = &reading->parameters[i];

		if (strcmp(one->name, "resource") != 0 && strcmp(one->name, "audience") != 0)
			continue;
		REQUIRE(strcmp(client, "resources") == 0);
		REQUIRE(strcmp(one->value, FIXTURE_ORDERS) == 0 ||
			strcmp(one->value, FIXTURE_STOCK) == 0);
		REQUIRE(served_is_for(claims, one->value));
	}
}

static int64_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void check_claims(const json_t *claims, const char *client)
{
	REQUIRE(strcmp(member(claims, "iss"), ISSUER) == 0);
	REQUIRE(number(claims, "iat") == NOW_S && number(claims, "exp") == NOW_S + 300);
	REQUIRE(strlen(member(claims, "jti")) == 36);
	REQUIRE((json_object_get(claims, "client_id") != NULL) ==
		(strcmp(client, "resources") == 0));
}

/* By the one proof that this target signs, for its key (RFC 8037 A.3); or not at all. */
static void check_binding(
	const struct reading *reading, const json_t *answer, const json_t *claims)
{
	static const char thumbprint[] = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
	const char *proof = variable(reading, "HTTP_DPOP");
	const json_t *cnf = json_object_get(claims, "cnf");

	REQUIRE(variable_count(reading, "HTTP_DPOP") <= 1);
	if (proof[0] == '\0') {
		REQUIRE(strcmp(member(answer, "token_type"), "Bearer") == 0);
		REQUIRE(cnf == NULL && strcmp(member(claims, "sub"), "proof") != 0);
		return;
	}
	REQUIRE(strcmp(proof, signed_proof()) == 0);
	REQUIRE(strcmp(member(answer, "token_type"), "DPoP") == 0);
	REQUIRE(json_object_size(cnf) == 1 && strcmp(member(cnf, "jkt"), thumbprint) == 0);
}

static bool is_form(const char *type)
{
	static const char form[] = "application/x-www-form-urlencoded";

	type += strspn(type, " \t");
	if (strncasecmp(type, form, strlen(form)) != 0 || strchr(type, ',') != NULL)
		return false;
	type += strlen(form);
	type += strspn(type, " \t");
	return type[0] == '\0' || type[0] == ';';
}

static bool is_token_path(const char *script, const char *info)
{
	static const char path[] = "/oauth2/token";
	const size_t n = strlen(script);

	return strcmp(info, "/token") == 0 ||
	       (n + strlen(info) == strlen(path) && memcmp(path, script, n) == 0 &&
		       strcmp(path + n, info) == 0);
}

static bool is_length_of(const char *text, struct str body)
{
	return text[0] != '\0' && strspn(text, "0123456789") == strlen(text) &&
	       strtoull(text, NULL, 10) == body.n;
}

/* What is not decoded here is no name of a credential. */
static void check_query(struct reading *reading)
{
	static const char *const names_of_credentials[] = { "client_id", "client_secret",
		"client_assertion" };
	const char *p = variable(reading, "QUERY_STRING"), *end = p + strlen(p);
	struct parameter_text pair;

	while (read_pair(reading, &p, end, &pair)) {
		REQUIRE(pair.value[0] == '\0' || !is_one_of(pair.name, names_of_credentials,
							 COUNT(names_of_credentials)));
	}
	reading->is_odd = false;
}

static void check_envelope(struct reading *reading, struct str body)
{
	REQUIRE(strcmp(variable(reading, "REQUEST_METHOD"), "POST") == 0);
	REQUIRE(strcasecmp(variable(reading, "HTTPS"), "on") == 0 ||
		strcasecmp(variable(reading, "REQUEST_SCHEME"), "https") == 0);
	REQUIRE(is_token_path(
		variable(reading, "SCRIPT_NAME"), variable(reading, "PATH_INFO")));
	REQUIRE(is_form(variable(reading, "CONTENT_TYPE")));
	REQUIRE(is_length_of(variable(reading, "CONTENT_LENGTH"), body));
	check_query(reading);
}

static void check_token(struct reading *reading, struct str body)
{
	json_t *answer = served_json();
	json_t *claims = served_verify(support_member(answer, "access_token"));
	const char *client = member(claims, "sub");

	check_envelope(reading, body);
	read_body(reading, body);
	const char *grant = parameter(reading, "grant_type");

	REQUIRE(!reading->is_odd);
	REQUIRE(grant != NULL && strcmp(grant, "client_credentials") == 0);
	check_client(reading, client);
	check_scope(reading, answer, client);
	check_claims(claims, client);
	check_audience(reading, claims, client);
	check_binding(reading, answer, claims);
	json_decref(answer);
	json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct parameter_text parameters[PARAMETERS_MAX];
	struct reading reading = { .parameters = parameters };

	if (size > BODY_MAX)
		return 0;
	served_forget();
	struct str body = build(&reading, fuzz_input(data, size));

	served_ask(reading.variables, body);
	if (!str_contains(response.body, STR("access_token")) || response.status != 200 ||
		!str_eq(str_of(audit.endpoint), STR("token")))
		return 0;
	check_token(&reading, body);
	return 0;
}
