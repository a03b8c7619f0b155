/* SPDX-License-Identifier: MIT */
/* Client certificates through the token endpoint: tls_client_auth, self_signed_tls_client_auth,
 * bound tokens (interface §3.2, RFC 8705). */
#include "ask.h"
#include "makers.h"

#define DAY_S 86400
#define POST_AS(id) GRANT "&client_id=" id
#define SECRET_AS(id) POST_AS(id) "&client_secret=" FIXTURE_SECRET

enum paper {
	PAPER_CLIENT,    /* CN=client,O=Example in the order of RFC 4514 */
	PAPER_COLLEAGUE, /* of the same authority, for another client */
	PAPER_LONGER,    /* CN=client and more */
	PAPER_TWO_NAMES, /* CN=a,CN=b */
	PAPER_NAMES,     /* subject alternative names */
	PAPER_SELF,      /* by the key that SELF has registered */
	PAPER_RENEWED,   /* by the same key */
	PAPER_EXPIRED,
	PAPER_EARLY,
	PAPER__MAX,
};

static EVP_PKEY *authority_key, *self_key, *assertion_key;
static X509 *papers[PAPER__MAX];
static char *pems[PAPER__MAX];

static void make_papers(void)
{
	const struct certificate_plan plans[PAPER__MAX] = {
		[PAPER_CLIENT] = { { "O=Example", "CN=client" }, NULL, authority_key,
			NOW_S - DAY_S, NOW_S + DAY_S },
		[PAPER_COLLEAGUE] = { { "O=Example", "CN=colleague" },
			"DNS:colleague.example.com", authority_key, NOW_S - DAY_S,
			NOW_S + DAY_S },
		[PAPER_LONGER] = { { "O=Example", "OU=More", "CN=client" }, NULL, authority_key,
			NOW_S - DAY_S, NOW_S + DAY_S },
		[PAPER_TWO_NAMES] = { { "CN=b", "CN=a" }, NULL, authority_key, NOW_S - DAY_S,
			NOW_S + DAY_S },
		[PAPER_NAMES] = { { "CN=names" },
			"DNS:client.example.com,DNS:second.example.com,URI:urn:example:client,"
			"IP:192.0.2.9,IP:2001:db8::9,email:client@example.com",
			authority_key, NOW_S - DAY_S, NOW_S + DAY_S },
		[PAPER_SELF] = { { "CN=self" }, NULL, self_key, NOW_S - DAY_S, NOW_S + DAY_S },
		[PAPER_RENEWED] = { { "CN=self, renewed" }, NULL, self_key, NOW_S - 1,
			NOW_S + 2 * DAY_S },
		[PAPER_EXPIRED] = { { "O=Example", "CN=client" }, NULL, self_key, NOW_S - DAY_S,
			NOW_S - 1 },
		[PAPER_EARLY] = { { "O=Example", "CN=client" }, NULL, self_key, NOW_S + 1,
			NOW_S + DAY_S },
	};

	for (size_t i = 0; i < PAPER__MAX; i++) {
		papers[i] = make_certificate(&plans[i]);
		pems[i] = make_pem(papers[i]);
	}
}

static struct client *add_client(const char *id, unsigned methods)
{
	struct client *client = fixture_add(&fixture, id);

	client->auth_methods = methods;
	return client;
}

static struct client *add_subject(const char *id, enum subject_kind kind, const char *value)
{
	struct client *client = add_client(id, AUTH_BIT(AUTH_TLS));

	client->subject = (struct certificate_subject){ kind, str_of(value) };
	return client;
}

static void use_x5c(struct jwk *jwk, X509 *x509)
{
	assert_int_equal(X509_digest(x509, EVP_sha256(), jwk->certificate_digest, NULL), 1);
	jwk->has_certificate = true;
}

static struct netmask offices[1];

static void add_clients(void)
{
	const unsigned self_signed = AUTH_BIT(AUTH_SELF_SIGNED_TLS);
	struct client *client;

	add_subject("DN", SUBJECT_DN, "CN=client,O=Example");
	add_subject("COMMA", SUBJECT_DN, "CN=client\\,O=Example");
	add_subject("TWO", SUBJECT_DN, "CN=a,CN=b");
	add_subject("DNS", SUBJECT_SAN_DNS, "client.example.com");
	add_subject("URI", SUBJECT_SAN_URI, "urn:example:client");
	add_subject("IP", SUBJECT_SAN_IP, "192.0.2.9");
	add_subject("IP6", SUBJECT_SAN_IP, "2001:DB8:0::9");
	add_subject("EMAIL", SUBJECT_SAN_EMAIL, "client@example.com");
	add_subject("NOTHING", SUBJECT_NONE, "");
	add_subject("DISABLED", SUBJECT_DN, "CN=client,O=Example")->enabled = false;
	client = add_subject("OFFICE", SUBJECT_DN, "CN=client,O=Example");
	client->allowed_ips = (struct netmask_list){ offices, 1 };

	client = add_client("SELF", self_signed);
	fixture_register(&fixture, client, authority_key, JOSE_ALG_NONE, NULL);
	fixture_register(&fixture, client, self_key, JOSE_ALG_NONE, "self");
	client = add_client("X5C", self_signed);
	use_x5c(fixture_register(&fixture, client, self_key, JOSE_ALG_NONE, NULL),
		papers[PAPER_SELF]);
	add_client("NO_KEYS", self_signed);
	client = add_client("EITHER", self_signed | AUTH_BIT(AUTH_TLS));
	client->subject = (struct certificate_subject){ SUBJECT_DN,
		STR("CN=client,O=Example") };
	fixture_register(&fixture, client, self_key, JOSE_ALG_NONE, NULL);

	add_client("SECRET", AUTH_BIT(AUTH_SECRET_POST) | AUTH_BIT(AUTH_SECRET_BASIC));
	client = add_client("SECRET_OR_DN", AUTH_BIT(AUTH_SECRET_POST) | AUTH_BIT(AUTH_TLS));
	client->subject = (struct certificate_subject){ SUBJECT_DN,
		STR("CN=client,O=Example") };
	add_client("BOUND", AUTH_BIT(AUTH_SECRET_POST))->certificate_bound = true;
	add_subject("BOUND_DN", SUBJECT_DN, "CN=client,O=Example")->certificate_bound = true;
	client = add_client("BOUND_OR_DN", AUTH_BIT(AUTH_SECRET_POST) | AUTH_BIT(AUTH_TLS));
	client->subject = (struct certificate_subject){ SUBJECT_DN,
		STR("CN=client,O=Example") };
	client->certificate_bound = true;
	client = add_client("BOUND_TWICE", AUTH_BIT(AUTH_SECRET_POST));
	client->certificate_bound = true;
	client->dpop_bound = true;
	client = add_client("BOUND_KEY", AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
	client->certificate_bound = true;
	fixture_register(&fixture, client, assertion_key, JOSE_ALG_ES256, NULL);
}

static int open_fixture(void **state)
{
	(void)state;
	ask_now_s = NOW_S;
	authority_key = make_key();
	self_key = make_key();
	assertion_key = support_key(KEY_EC);
	make_papers();
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	assert_true(netmask_parse(STR("203.0.113.0/24"), &offices[0]));
	add_clients();
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	for (size_t i = 0; i < PAPER__MAX; i++) {
		X509_free(papers[i]);
		free(pems[i]);
	}
	EVP_PKEY_free(authority_key);
	EVP_PKEY_free(self_key);
	EVP_PKEY_free(assertion_key);
	return 0;
}

/* A request over a connection with this certificate; NULL for variables that are not there. */
static void ask_with(const char *body, const char *pem, const char *verify, const char *more)
{
	static char certificate[MAKE_MAX], status[128];
	struct ask ask = { .body = str_of(body) };
	size_t count = 0;

	if (pem) {
		snprintf(certificate, sizeof(certificate), "SSL_CLIENT_CERT=%s", pem);
		ask.more[count++] = certificate;
	}
	if (verify) {
		snprintf(status, sizeof(status), "SSL_CLIENT_VERIFY=%s", verify);
		ask.more[count++] = status;
	}
	ask.more[count] = more;
	ask_send(&ask);
}

static void check_answer(enum reason wanted, const char *name)
{
	if (wanted == REASON_NONE)
		ask_check_token(name);
	else
		ask_check_error(wanted, name);
}

static void test_rows(void **state)
{
	static const struct {
		const char *name;
		const char *body;
		enum paper paper; /* PAPER__MAX: none */
		const char *verify;
		enum reason wanted;
	} rows[] = {
		{ "DN", POST_AS("DN"), PAPER_CLIENT, "SUCCESS", REASON_NONE },
		{ "DNS", POST_AS("DNS"), PAPER_NAMES, "SUCCESS", REASON_NONE },
		{ "URI", POST_AS("URI"), PAPER_NAMES, "SUCCESS", REASON_NONE },
		{ "IP", POST_AS("IP"), PAPER_NAMES, "SUCCESS", REASON_NONE },
		{ "IPv6", POST_AS("IP6"), PAPER_NAMES, "SUCCESS", REASON_NONE },
		{ "email", POST_AS("EMAIL"), PAPER_NAMES, "SUCCESS", REASON_NONE },
		{ "two CNs", POST_AS("TWO"), PAPER_TWO_NAMES, "SUCCESS", REASON_NONE },

		/* what the web server says */
		{ "NONE", POST_AS("DN"), PAPER_CLIENT, "NONE", REASON_NO_CERTIFICATE },
		{ "FAILED", POST_AS("DN"), PAPER_CLIENT, "FAILED:self-signed certificate",
			REASON_CERTIFICATE_VERIFY },
		{ "GENEROUS", POST_AS("DN"), PAPER_CLIENT, "GENEROUS",
			REASON_CERTIFICATE_VERIFY },
		{ "success", POST_AS("DN"), PAPER_CLIENT, "success",
			REASON_CERTIFICATE_VERIFY },
		{ "SUCCESS and more", POST_AS("DN"), PAPER_CLIENT, "SUCCESS:x",
			REASON_CERTIFICATE_VERIFY },
		{ "empty", POST_AS("DN"), PAPER_CLIENT, "", REASON_NO_CERTIFICATE },
		{ "no SSL_CLIENT_VERIFY", POST_AS("DN"), PAPER_CLIENT, NULL,
			REASON_NO_CERTIFICATE },
		{ "no certificate", POST_AS("DN"), PAPER__MAX, "SUCCESS",
			REASON_NO_CERTIFICATE },
		{ "nothing", POST_AS("DN"), PAPER__MAX, NULL, REASON_NO_CERTIFICATE },

		/* the subject */
		{ "escaped comma", POST_AS("COMMA"), PAPER_CLIENT, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "more in the subject", POST_AS("DN"), PAPER_LONGER, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "two CNs, one of them wanted", POST_AS("DN"), PAPER_TWO_NAMES, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "nothing registered", POST_AS("NOTHING"), PAPER_CLIENT, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "of another client", POST_AS("DN"), PAPER_COLLEAGUE, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "DNS of another client", POST_AS("DNS"), PAPER_COLLEAGUE, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "a subject is no DNS name", POST_AS("DNS"), PAPER_CLIENT, "SUCCESS",
			REASON_CERTIFICATE_SUBJECT },
		{ "expired", POST_AS("DN"), PAPER_EXPIRED, "SUCCESS", REASON_CERTIFICATE_TIME },
		{ "early", POST_AS("DN"), PAPER_EARLY, "SUCCESS", REASON_CERTIFICATE_TIME },

		/* the key */
		{ "self-signed", POST_AS("SELF"), PAPER_SELF, "FAILED:self-signed certificate",
			REASON_NONE },
		{ "FAILED alone", POST_AS("SELF"), PAPER_SELF, "FAILED", REASON_NONE },
		{ "GENEROUS", POST_AS("SELF"), PAPER_SELF, "GENEROUS", REASON_NONE },
		{ "SUCCESS", POST_AS("SELF"), PAPER_SELF, "SUCCESS", REASON_NONE },
		{ "renewed with the same key", POST_AS("SELF"), PAPER_RENEWED,
			"FAILED:self-signed certificate", REASON_NONE },
		{ "NONE", POST_AS("SELF"), PAPER_SELF, "NONE", REASON_NO_CERTIFICATE },
		{ "no SSL_CLIENT_VERIFY", POST_AS("SELF"), PAPER_SELF, NULL,
			REASON_NO_CERTIFICATE },
		{ "no certificate", POST_AS("SELF"), PAPER__MAX, "GENEROUS",
			REASON_NO_CERTIFICATE },
		{ "expired", POST_AS("SELF"), PAPER_EXPIRED, "FAILED:certificate has expired",
			REASON_CERTIFICATE_TIME },
		{ "early", POST_AS("SELF"), PAPER_EARLY, "GENEROUS", REASON_CERTIFICATE_TIME },
		{ "another key", POST_AS("X5C"), PAPER_CLIENT, "GENEROUS",
			REASON_CERTIFICATE_KEY },
		{ "no keys", POST_AS("NO_KEYS"), PAPER_SELF, "SUCCESS",
			REASON_CERTIFICATE_KEY },
		{ "x5c", POST_AS("X5C"), PAPER_SELF, "GENEROUS", REASON_NONE },
		{ "x5c of another certificate", POST_AS("X5C"), PAPER_RENEWED, "GENEROUS",
			REASON_CERTIFICATE_KEY },

		/* Both methods registered: either will do. */
		{ "either: verified", POST_AS("EITHER"), PAPER_CLIENT, "SUCCESS", REASON_NONE },
		{ "either: by the key", POST_AS("EITHER"), PAPER_SELF, "FAILED:x",
			REASON_NONE },
		{ "either: by the key, and verified", POST_AS("EITHER"), PAPER_SELF, "SUCCESS",
			REASON_NONE },
		{ "either: neither", POST_AS("EITHER"), PAPER_COLLEAGUE, "SUCCESS",
			REASON_CERTIFICATE_KEY },
		{ "either: not verified", POST_AS("EITHER"), PAPER_CLIENT, "FAILED:x",
			REASON_CERTIFICATE_KEY },

		/* Who may */
		{ "unknown", POST_AS("WHO"), PAPER_CLIENT, "SUCCESS", REASON_CLIENT_UNKNOWN },
		{ "disabled", POST_AS("DISABLED"), PAPER_CLIENT, "SUCCESS",
			REASON_CLIENT_DISABLED },
		{ "from elsewhere", POST_AS("OFFICE"), PAPER_CLIENT, "SUCCESS",
			REASON_AUTH_ADDRESS },
		{ "a client of secrets", POST_AS("SECRET"), PAPER_CLIENT, "SUCCESS",
			REASON_AUTH_METHOD },
		{ "no client_id", GRANT, PAPER_CLIENT, "SUCCESS", REASON_NO_CREDENTIALS },

		/* One method */
		{ "a secret, over a connection with a certificate", SECRET_AS("SECRET"),
			PAPER_CLIENT, "SUCCESS", REASON_NONE },
		{ "a secret without a certificate", SECRET_AS("SECRET_OR_DN"), PAPER__MAX, NULL,
			REASON_NONE },
		{ "a certificate and a secret", SECRET_AS("SECRET_OR_DN"), PAPER_CLIENT,
			"SUCCESS", REASON_AUTH_CERTIFICATE },
		{ "a certificate, and a secret that is no method", SECRET_AS("DN"),
			PAPER_CLIENT, "SUCCESS", REASON_AUTH_CERTIFICATE },
		{ "a secret that is no method", SECRET_AS("DN"), PAPER__MAX, NULL,
			REASON_AUTH_METHOD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		ask_with(rows[i].body, rows[i].paper < PAPER__MAX ? pems[rows[i].paper] : NULL,
			rows[i].verify, NULL);
		check_answer(rows[i].wanted, rows[i].name);
	}
	check_end();
}

/* notBefore and notAfter are part of the time in which it holds (RFC 5280 §4.1.2.5). */
static void test_dates(void **state)
{
	static const struct {
		int64_t offset_s;
		enum reason wanted;
	} rows[] = { { -DAY_S - 1, REASON_CERTIFICATE_TIME }, { -DAY_S, REASON_NONE },
		{ DAY_S, REASON_NONE }, { DAY_S + 1, REASON_CERTIFICATE_TIME } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		ask_now_s = NOW_S + rows[i].offset_s;
		ask_with(POST_AS("DN"), pems[PAPER_CLIENT], "SUCCESS", NULL);
		check_answer(rows[i].wanted, "tls_client_auth");
		ask_with(POST_AS("SELF"), pems[PAPER_SELF], "GENEROUS", NULL);
		check_answer(rows[i].wanted, "self_signed_tls_client_auth");
	}
	check_end();
}

/* The PEM with each line end replaced, for free(). */
static char *with_line_ends(const char *pem, const char *line_end)
{
	char *text = malloc(MAKE_MAX);
	struct buf buf = buf_init(text, MAKE_MAX - 1);

	assert_non_null(text);
	for (; *pem; pem++) {
		if (*pem == '\n')
			buf_text(&buf, line_end);
		else
			buf_char(&buf, *pem);
	}
	assert_false(buf.overflow);
	text[buf.n] = '\0';
	return text;
}

static char *percent_encoded(const char *pem)
{
	char *text = malloc(MAKE_MAX);
	struct buf buf = buf_init(text, MAKE_MAX - 1);

	assert_non_null(text);
	make_encoded(&buf, str_of(pem));
	assert_false(buf.overflow);
	text[buf.n] = '\0';
	return text;
}

/* How web servers hand it on. */
static void test_forms(void **state)
{
	static const char *const line_ends[] = { "\n", "\r\n", "\n\t", "\t", " ", "\n " };
	const char *pem = pems[PAPER_CLIENT];
	char *encoded = percent_encoded(pem);

	(void)state;
	for (size_t i = 0; i < COUNT(line_ends); i++) {
		char *text = with_line_ends(pem, line_ends[i]);

		ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
		check_answer(REASON_NONE, line_ends[i]);
		free(text);
	}
	ask_with(POST_AS("DN"), encoded, "SUCCESS", NULL);
	check_answer(REASON_NONE, "nginx's escaped form");
	free(encoded);
	check_end();
}

/* What is not one certificate. */
static void test_bad_forms(void **state)
{
	static char text[MAKE_MAX];
	const char *pem = pems[PAPER_CLIENT];
	const size_t n = strlen(pem);

	(void)state;
	for (size_t cut = 1; cut < n - 2; cut += 41) {
		snprintf(text, sizeof(text), "%.*s", (int)cut, pem);
		ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
		check_answer(REASON_CERTIFICATE_SYNTAX, "cut off");
	}
	snprintf(text, sizeof(text), "%s%s", pem, pems[PAPER_COLLEAGUE]);
	ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
	CHECK_NUMBER(response.status, 401, "two of them, the second of another");
	snprintf(text, sizeof(text), "%s%s", pems[PAPER_COLLEAGUE], pem);
	ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
	CHECK_NUMBER(response.status, 401, "two of them, the first of another");
	snprintf(text, sizeof(text), "Subject: CN=client\n%s", pem);
	ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
	check_answer(REASON_CERTIFICATE_SYNTAX, "text before it");
	snprintf(text, sizeof(text), "%s%%", pem);
	ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
	check_answer(REASON_CERTIFICATE_SYNTAX, "a percent sign");
	ask_with(POST_AS("DN"), "garbage", "SUCCESS", NULL);
	check_answer(REASON_CERTIFICATE_SYNTAX, "garbage");
	ask_with(POST_AS("DN"), "(null)", "SUCCESS", NULL);
	check_answer(REASON_CERTIFICATE_SYNTAX, "what lighttpd may write for nothing");
	memset(text, 'A', 65000);
	memcpy(text, "-----BEGIN CERTIFICATE-----\n", 28);
	text[65000] = '\0';
	ask_with(POST_AS("DN"), text, "SUCCESS", NULL);
	check_answer(REASON_CERTIFICATE_SYNTAX, "64 KB");
	check_end();
}

/* No header, however it is called, is a certificate; nor is a second variable. */
static void test_headers(void **state)
{
	static char variables[3][MAKE_MAX];
	struct ask ask = { .body = TEXT(POST_AS("DN")),
		.more = { variables[0], variables[1], variables[2] } };

	(void)state;
	snprintf(variables[0], sizeof(variables[0]), "HTTP_SSL_CLIENT_CERT=%s",
		pems[PAPER_CLIENT]);
	snprintf(variables[1], sizeof(variables[1]), "HTTP_SSL_CLIENT_VERIFY=SUCCESS");
	snprintf(variables[2], sizeof(variables[2]), "HTTP_X_SSL_CLIENT_CERT=%s",
		pems[PAPER_CLIENT]);
	ask_send(&ask);
	ask_check_error(REASON_NO_CERTIFICATE, "by headers");
	snprintf(variables[2], sizeof(variables[2]), "SSL_CLIENT_VERIFY=SUCCESS");
	ask_send(&ask);
	ask_check_error(REASON_NO_CERTIFICATE, "one by a header");
	snprintf(variables[0], sizeof(variables[0]), "SSL_CLIENT_CERT=%s", pems[PAPER_CLIENT]);
	ask_send(&ask);
	ask_check_token("a header beside the variable is nothing");
	snprintf(variables[1], sizeof(variables[1]), "SSL_CLIENT_VERIFY=NONE");
	ask_send(&ask);
	CHECK_NUMBER(response.status, 401, "two that say different things");
	snprintf(variables[1], sizeof(variables[1]), "SSL_CLIENT_VERIFY=SUCCESS");
	snprintf(variables[2], sizeof(variables[2]), "SSL_CLIENT_VERIFY=NONE");
	ask_send(&ask);
	CHECK_NUMBER(response.status, 401, "in the other order");
	snprintf(variables[2], sizeof(variables[2]), "SSL_CLIENT_VERIFY=SUCCESS");
	snprintf(variables[1], sizeof(variables[1]), "SSL_CLIENT_CERT=%s",
		pems[PAPER_COLLEAGUE]);
	ask_send(&ask);
	CHECK_NUMBER(response.status, 401, "two certificates");
	check_end();
}

/* The cnf of the access token: these members, and no more. */
static void check_confirmation(enum paper paper, const char *jkt, const char *name)
{
	char *token = ask_token(name);
	json_t *wanted = json_object();
	struct jws_parts parts;
	char thumbprint[45];

	if (paper < PAPER__MAX) {
		make_thumbprint(papers[paper], thumbprint);
		json_object_set_new(wanted, "x5t#S256", json_string(thumbprint));
	}
	if (jkt)
		json_object_set_new(wanted, "jkt", json_string(jkt));
	CHECK_REASON(jwt_split(str_of(token), fixture.arena, &parts), REASON_NONE, name);
	if (json_object_size(wanted) > 0)
		CHECK(json_equal(json_object_get(parts.payload, "cnf"), wanted), name);
	else
		CHECK(!json_object_get(parts.payload, "cnf"), name);
	jws_parts_clear(&parts);
	json_decref(wanted);
	free(token);
}

/* x5t#S256, and the row of tls_client_certificate_bound_access_tokens. */
static void test_bound(void **state)
{
	static const struct {
		const char *name;
		const char *body;
		enum paper paper;
		const char *verify;
		enum reason wanted;
		bool bound;
	} rows[] = {
		{ "by a secret", SECRET_AS("BOUND"), PAPER_CLIENT, "SUCCESS", REASON_NONE,
			true },
		{ "by a secret, chain unknown", SECRET_AS("BOUND"), PAPER_SELF, "FAILED:x",
			REASON_NONE, true },
		{ "by a secret, GENEROUS", SECRET_AS("BOUND"), PAPER_SELF, "GENEROUS",
			REASON_NONE, true },
		{ "by a certificate", POST_AS("BOUND_DN"), PAPER_CLIENT, "SUCCESS", REASON_NONE,
			true },
		{ "by a secret, though the certificate would do", SECRET_AS("BOUND_OR_DN"),
			PAPER_CLIENT, "SUCCESS", REASON_NONE, true },
		{ "by the certificate, though a secret would do", POST_AS("BOUND_OR_DN"),
			PAPER_CLIENT, "SUCCESS", REASON_NONE, true },
		{ "not asked for: by a certificate", POST_AS("DN"), PAPER_CLIENT, "SUCCESS",
			REASON_NONE, false },
		{ "not asked for: by a secret", SECRET_AS("SECRET"), PAPER_CLIENT, "SUCCESS",
			REASON_NONE, false },
		{ "no certificate", SECRET_AS("BOUND"), PAPER__MAX, NULL,
			REASON_CERTIFICATE_MISSING, false },
		{ "NONE", SECRET_AS("BOUND"), PAPER_CLIENT, "NONE", REASON_CERTIFICATE_MISSING,
			false },
		{ "no SSL_CLIENT_VERIFY", SECRET_AS("BOUND"), PAPER_CLIENT, NULL,
			REASON_CERTIFICATE_MISSING, false },
		{ "expired", SECRET_AS("BOUND"), PAPER_EXPIRED, "FAILED:x",
			REASON_CERTIFICATE_MISSING, false },
		{ "early", SECRET_AS("BOUND"), PAPER_EARLY, "GENEROUS",
			REASON_CERTIFICATE_MISSING, false },
		{ "wrong secret, no certificate", POST_AS("BOUND") "&client_secret=x",
			PAPER__MAX, NULL, REASON_SECRET_WRONG, false },
		{ "by a certificate that is not its own", POST_AS("BOUND_DN"), PAPER_COLLEAGUE,
			"SUCCESS", REASON_CERTIFICATE_SUBJECT, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		ask_with(rows[i].body, rows[i].paper < PAPER__MAX ? pems[rows[i].paper] : NULL,
			rows[i].verify, NULL);
		check_answer(rows[i].wanted, rows[i].name);
		if (response.status == 200)
			check_confirmation(
				rows[i].bound ? rows[i].paper : PAPER__MAX, NULL, rows[i].name);
	}
	check_end();
}

/* The other endpoints are for it no less. */
static void test_bound_elsewhere(void **state)
{
	static const char *const paths[] = { "/introspect", "/revoke" };
	static char certificate[MAKE_MAX];
	struct ask ask = { .body = TEXT(
				   "token=x&client_id=BOUND&client_secret=" FIXTURE_SECRET) };

	(void)state;
	snprintf(certificate, sizeof(certificate), "SSL_CLIENT_CERT=%s", pems[PAPER_SELF]);
	fixture_client(&fixture, "BOUND")->may_introspect = true;
	for (size_t i = 0; i < COUNT(paths); i++) {
		ask.path = paths[i];
		ask.more[0] = NULL;
		ask_send(&ask);
		ask_check_error(REASON_CERTIFICATE_MISSING, paths[i]);
		ask.more[0] = certificate;
		ask.more[1] = "SSL_CLIENT_VERIFY=NONE";
		ask_send(&ask);
		ask_check_error(REASON_CERTIFICATE_MISSING, paths[i]);
		ask.more[1] = "SSL_CLIENT_VERIFY=FAILED:x";
		ask_send(&ask);
		CHECK_REASON(audit.reason, REASON_NONE, paths[i]);
		CHECK_NUMBER(response.status, 200, paths[i]);
	}
	check_end();
}

/* The client is told what it is told of any two methods. */
/* Two methods of nobody: nobody is unknown, whoever else could have two. */
static void test_two_methods_of_nobody(void **state)
{
	const struct client_table all = fixture.snapshot->clients;
	const struct client_table one = { fixture_client(&fixture, "SECRET_OR_DN"), 1 };

	(void)state;
	fixture.snapshot->clients = one;
	assert_int_equal(snapshot_seal(fixture.snapshot), REASON_NONE);
	ask_with(SECRET_AS("SECRET_OR_DN"), pems[PAPER_CLIENT], "SUCCESS", NULL);
	ask_check_error(REASON_AUTH_CERTIFICATE, "the only client");
	ask_with(SECRET_AS("NOBODY"), pems[PAPER_CLIENT], "SUCCESS", NULL);
	ask_check_error(REASON_CLIENT_UNKNOWN, "nobody");
	fixture.snapshot->clients = all;
	check_end();
}

static void test_two_methods_are_alike(void **state)
{
	const struct reason_info *one = reason_info(REASON_AUTH_CERTIFICATE);
	const struct reason_info *other = reason_info(REASON_AUTH_MULTIPLE);

	(void)state;
	CHECK_NUMBER(one->status, 400, "status");
	CHECK_NUMBER(one->status, other->status, "status");
	CHECK_TEXT(str_of(one->error), str_of(other->error), "error");
	CHECK_TEXT(str_of(one->description), str_of(other->description), "description");
	check_end();
}

/* A proof for the token endpoint, as a variable, in static memory. */
static const char *proof_variable(const char *jti)
{
	static char variable[4096];
	const struct maker maker = { assertion_key, JOSE_ALG_ES256, STR("") };
	char claims[512];
	char *jwt;

	snprintf(claims, sizeof(claims),
		"{\"jti\":\"%s\",\"htm\":\"POST\",\"htu\":\"" FIXTURE_ISSUER
		"/oauth2/token\",\"iat\":%lld}",
		jti, (long long)NOW_S);
	jwt = make_jws(&maker,
		"{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{" JWK_EC_MEMBERS "}}",
		claims);
	snprintf(variable, sizeof(variable), "HTTP_DPOP=%s", jwt);
	free(jwt);
	return variable;
}

/* Both bindings in one token; each of them missing is told. */
static void test_bound_twice(void **state)
{
	static const char jkt[] = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";

	(void)state;
	ask_with(SECRET_AS("BOUND_TWICE"), pems[PAPER_SELF], "GENEROUS", proof_variable("1"));
	ask_check_token_of("DPoP", "both");
	check_confirmation(PAPER_SELF, jkt, "both");
	ask_with(SECRET_AS("BOUND"), pems[PAPER_CLIENT], "SUCCESS", proof_variable("2"));
	ask_check_token_of("DPoP", "one of its own accord");
	check_confirmation(PAPER_CLIENT, jkt, "one of its own accord");
	ask_with(SECRET_AS("BOUND_TWICE"), pems[PAPER_SELF], "GENEROUS", NULL);
	ask_check_error(REASON_DPOP_MISSING, "no proof");
	ask_with(SECRET_AS("BOUND_TWICE"), NULL, NULL, proof_variable("3"));
	ask_check_error(REASON_CERTIFICATE_MISSING, "no certificate");
	ask_with(POST_AS("DN"), pems[PAPER_CLIENT], "SUCCESS", proof_variable("4"));
	ask_check_token_of("DPoP", "a certificate that is only for authentication");
	check_confirmation(PAPER__MAX, jkt, "a certificate that is only for authentication");
	check_end();
}

/* An assertion and a certificate: one proves, the other binds. */
static void test_bound_by_assertion(void **state)
{
	const struct maker maker = { assertion_key, JOSE_ALG_ES256, STR("") };
	static char body[4096];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		char claims[512];
		char *jwt;

		snprintf(claims, sizeof(claims),
			"{\"iss\":\"BOUND_KEY\",\"sub\":\"BOUND_KEY\",\"aud\":"
			"\"" FIXTURE_ISSUER "\",\"jti\":\"%u\",\"exp\":%lld}",
			round, (long long)NOW_S + 60);
		jwt = make_jws(&maker, "{\"alg\":\"ES256\"}", claims);
		snprintf(body, sizeof(body), "%s&client_assertion=%s", GRANT "&" ASSERTION_TYPE,
			jwt);
		free(jwt);
		ask_with(body, round == 0 ? pems[PAPER_CLIENT] : NULL,
			round == 0 ? "SUCCESS" : NULL, NULL);
		check_answer(round == 0 ? REASON_NONE : REASON_CERTIFICATE_MISSING,
			"by an assertion");
		if (response.status == 200)
			check_confirmation(PAPER_CLIENT, NULL, "by an assertion");
	}
	check_end();
}

static void test_audit(void **state)
{
	static const struct {
		const char *body;
		enum paper paper;
		const char *verify;
		enum auth_method method;
		const char *client_id;
	} rows[] = {
		{ POST_AS("DN"), PAPER_CLIENT, "SUCCESS", AUTH_TLS, "DN" },
		{ POST_AS("DN"), PAPER_COLLEAGUE, "SUCCESS", AUTH_TLS, "DN" },
		{ POST_AS("SELF"), PAPER_SELF, "FAILED:x", AUTH_SELF_SIGNED_TLS, "SELF" },
		{ SECRET_AS("BOUND"), PAPER_SELF, "FAILED:x", AUTH_SECRET_POST, "BOUND" },
		{ POST_AS("WHO"), PAPER_CLIENT, "SUCCESS", AUTH_TLS, "WHO" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		ask_with(rows[i].body, pems[rows[i].paper], rows[i].verify, NULL);
		CHECK_NUMBER(audit.method, rows[i].method, rows[i].body);
		CHECK_TEXT(audit.client_id, str_of(rows[i].client_id), rows[i].body);
	}
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_dates),
		TEST(test_forms),
		TEST(test_bad_forms),
		TEST(test_headers),
		TEST(test_bound),
		TEST(test_bound_elsewhere),
		TEST(test_two_methods_of_nobody),
		TEST(test_two_methods_are_alike),
		TEST(test_bound_twice),
		TEST(test_bound_by_assertion),
		TEST(test_audit),
	};

	return cmocka_run_group_tests_name("mtls", tests, NULL, NULL);
}
