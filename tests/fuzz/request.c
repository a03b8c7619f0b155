/* SPDX-License-Identifier: MIT */
/*
 * Whole requests through dispatch.  Whatever is asked, a token is only issued if a second
 * reading of the request, which shares no code with the program, agrees.
 *
 * Input: two bytes; lines "NAME=VALUE" of CGI variables, an empty line, and the body.  By the
 * bits of the first byte the target fills in what a random input would never have: credentials
 * of the client that the second byte names, the length of the body, and the usual variables.
 */
#include "served.h"

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
#define BODY_MAX 16384
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
	struct str assertion; /* that the target has signed for `signer`; or empty */
	const char *signer;
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

static void add_assertion(struct reading *reading, const char *client, struct buf *body)
{
	static const char format[] = "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"" ISSUER
				     "\",\"exp\":%lld,\"jti\":\"1\"}";
	const bool shared = strcmp(client, "shared") == 0;
	char claims[256];

	snprintf(claims, sizeof(claims), format, client, client, (long long)NOW_S + 60);
	reading->signer = client;
	reading->assertion = key_sign(shared ? SIGN_SHARED : SIGN_OKP,
		shared ? STR("{\"alg\":\"HS256\"}") : STR("{\"alg\":\"EdDSA\"}"),
		str_of(claims), served.arena);
	served_parameter(body, "client_assertion", reading->assertion);
	served_parameter(body, "client_assertion_type",
		STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
}

static void add_proof(struct reading *reading)
{
	static const char header[] = "{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":{"
				     "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
				     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}}";
	char claims[256];
	char *text = arena_alloc(served.arena, 2048);

	snprintf(claims, sizeof(claims),
		"{\"htm\":\"POST\",\"htu\":\"" SERVED_TOKEN_URL
		"\",\"iat\":%lld,\"jti\":\"1\"}",
		(long long)NOW_S);
	struct str proof = key_sign(SIGN_OKP, str_of(header), str_of(claims), served.arena);

	REQUIRE(text != NULL);
	snprintf(text, 2048, "HTTP_DPOP=%.*s", (int)proof.n, proof.p);
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
		add_assertion(reading, client, &body);
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
static char *decode(struct reading *reading, struct str s)
{
	char *out = arena_alloc(served.arena, s.n + 1), hex[3] = { 0 };
	size_t n = 0;

	REQUIRE(out != NULL);
	for (size_t i = 0; i < s.n; i++) {
		out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		if (s.p[i] != '%')
			continue;
		if (s.n - i < 3 || !isxdigit((unsigned char)s.p[i + 1]) ||
			!isxdigit((unsigned char)s.p[i + 2])) {
			reading->is_odd = true;
			continue;
		}
		memcpy(hex, s.p + i + 1, 2);
		out[n - 1] = (char)strtoul(hex, NULL, 16);
		i += 2;
	}
	reading->is_odd = reading->is_odd || strlen(out) != n;
	return out;
}

static void read_body(struct reading *reading, struct str body)
{
	while (body.n > 0) {
		const char *amp = memchr(body.p, '&', body.n);
		struct str part = { body.p, amp != NULL ? (size_t)(amp - body.p) : body.n };
		const char *equals = part.n > 0 ? memchr(part.p, '=', part.n) : NULL;
		size_t name_n = equals != NULL ? (size_t)(equals - part.p) : part.n;
		char *name = decode(reading, str_upto(part, name_n));
		char *value = decode(reading, str_from(part, name_n + 1));

		REQUIRE(reading->parameter_count < PARAMETERS_MAX);
		if (value[0] != '\0')
			reading->parameters[reading->parameter_count++] =
				(struct parameter_text){ name, value };
		body = str_from(body, part.n + 1);
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
static bool is_pair_good(struct reading *reading, struct str pair, const char *client)
{
	struct str rest = pair, id;
	bool was_odd = reading->is_odd;

	if (!str_cut(&rest, ':', &id) || str_has(pair, '\0'))
		return false;
	struct str copy;

	REQUIRE(arena_copy(served.arena, rest, &copy));
	bool good = str_eq(id, str_of(client)) && is_secret_of(client, copy.p);

	if (!good)
		good = strcmp(decode(reading, id), client) == 0 &&
		       is_secret_of(client, decode(reading, rest));
	reading->is_odd = was_odd;
	return good;
}

static bool proves_by_basic(struct reading *reading, const char *client)
{
	const char *header = variable(reading, "HTTP_AUTHORIZATION");
	unsigned char decoded[2048];

	if (header[0] == '\0')
		header = variable(reading, "REDIRECT_HTTP_AUTHORIZATION");
	header += strspn(header, " \t");
	if (strncasecmp(header, "Basic ", 6) != 0)
		return false;
	header += 6 + strspn(header + 6, " \t");
	size_t n = strcspn(header, " \t");

	if (n % 4 != 0 || n > sizeof(decoded) || n == 0)
		return false;
	int len = EVP_DecodeBlock(decoded, (const unsigned char *)header, (int)n);

	for (size_t i = n; i > 0 && header[i - 1] == '='; i--)
		len--;
	return len > 0 && is_pair_good(reading,
				  (struct str){ (const char *)decoded, (size_t)len }, client);
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

	return sent != NULL && reading->assertion.n > 0 &&
	       str_eq(str_of(sent), reading->assertion) && strcmp(reading->signer, client) == 0;
}

static bool is_one_of(const char *client, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(client, list[i]) == 0)
			return true;
	}
	return false;
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
		REQUIRE(strstr(variable(reading, "REMOTE_ADDR"), "192.0.2.") != NULL);
}

static bool has_word(const char *text, struct str word)
{
	struct str rest = str_of(text), one;

	while (rest.n > 0) {
		str_cut(&rest, ' ', &one);
		if (str_eq(one, word))
			return true;
	}
	return false;
}

/* Each scope of the token was asked for, or nothing was; and it is the client's. */
static void check_scope(const struct reading *reading, const json_t *answer, const char *client)
{
	static const char all[] = "identity_proofing orders:read orders:write stock";
	const char *asked = parameter(reading, "scope");
	struct str rest = support_member(answer, "scope"), one;
	const char *mine = strcmp(client, "few") == 0 ? "identity_proofing" : all;

	REQUIRE(rest.n > 0);
	while (rest.n > 0) {
		str_cut(&rest, ' ', &one);
		REQUIRE(has_word(mine, one));
		REQUIRE(has_word(asked != NULL ? asked : "identity_proofing", one));
	}
	rest = str_of(asked);
	while (rest.n > 0) {
		str_cut(&rest, ' ', &one);
		struct str granted;

		REQUIRE(arena_copy(served.arena, support_member(answer, "scope"), &granted));
		REQUIRE(has_word(granted.p, one));
	}
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
		REQUIRE(served_is_for(claims, str_of(one->value)));
	}
}

static int64_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void check_claims(const json_t *claims, const char *client)
{
	REQUIRE(str_eq(support_member(claims, "iss"), STR(ISSUER)));
	REQUIRE(number(claims, "iat") == NOW_S && number(claims, "exp") == NOW_S + 300);
	REQUIRE(support_member(claims, "jti").n == 36);
	REQUIRE((json_object_get(claims, "client_id") != NULL) ==
		(strcmp(client, "resources") == 0));
}

static void check_binding(
	const struct reading *reading, const json_t *answer, const json_t *claims)
{
	const bool sent = variable(reading, "HTTP_DPOP")[0] != '\0';
	struct str type = support_member(answer, "token_type");

	REQUIRE(str_eq(type, sent ? STR("DPoP") : STR("Bearer")));
	REQUIRE((json_object_get(claims, "cnf") != NULL) == sent);
	REQUIRE(sent || !str_eq(support_member(claims, "sub"), STR("proof")));
}

static void check_token(struct reading *reading)
{
	json_t *answer = served_json();
	json_t *claims = served_verify(support_member(answer, "access_token"));
	const char *client = json_string_value(json_object_get(claims, "sub"));
	const char *grant = parameter(reading, "grant_type");
	const char *query = variable(reading, "QUERY_STRING");

	REQUIRE(client != NULL && !reading->is_odd);
	REQUIRE(strcmp(variable(reading, "REQUEST_METHOD"), "POST") == 0);
	REQUIRE(strcasecmp(variable(reading, "HTTPS"), "on") == 0 ||
		strcasecmp(variable(reading, "HTTPS"), "1") == 0 ||
		strcasecmp(variable(reading, "REQUEST_SCHEME"), "https") == 0);
	REQUIRE(grant != NULL && strcmp(grant, "client_credentials") == 0);
	REQUIRE(strncmp(query, "client_secret=x", 15) != 0);
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
	read_body(&reading, body);
	check_token(&reading);
	return 0;
}
