/* SPDX-License-Identifier: MIT */
/* Whole requests to whole responses, through dispatch (interface §3): no process, no server. */
#include "ask.h"

static struct netmask proxies[1];
static struct netmask offices[1];
static const struct str origins[] = { TEXT("https://app.example.com"),
	TEXT("https://other.example.com") };
static const struct str resources[] = { TEXT(FIXTURE_ORDERS), TEXT("urn:example:stock") };

static void add_clients(void)
{
	struct client *client;
	struct secret *secrets;

	client = fixture_add(&fixture, "TENANT_CLIENT_ID");
	client->resources = (struct str_list){ resources, COUNT(resources) };
	fixture_add(&fixture, "DISABLED")->enabled = false;
	fixture_add(&fixture, "NO_GRANT")->grants = 0;
	fixture_add(&fixture, "BASIC_ONLY")->auth_methods = AUTH_BIT(AUTH_SECRET_BASIC);
	fixture_add(&fixture, "POST_ONLY")->auth_methods = AUTH_BIT(AUTH_SECRET_POST);
	fixture_add(&fixture, "CERTIFICATE")->certificate_bound = true;
	fixture_add(&fixture, "DPOP")->dpop_bound = true;
	client = fixture_add(&fixture, "OFFICE");
	client->allowed_ips = (struct netmask_list){ offices, 1 };

	client = fixture_add(&fixture, "RFC9068");
	client->has_profile = true;
	client->profile = PROFILE_RFC9068;
	client->token_lifetime_s = 600;
	client->claims = STR(",\"tenant\":\"acme\"");

	client = fixture_add(&fixture, "NO_SCOPE");
	client->scopes = (struct scope_list){ NULL, 0 };
	client->default_scopes = client->scopes;

	client = fixture_add(&fixture, "ROTATING");
	secrets = fixture_secrets(&fixture, client, 4);
	secrets[0] = fixture_secret("old");
	secrets[0].label = STR("2020");
	secrets[0].expires_s = NOW_S;
	secrets[1] = fixture_secret("future");
	secrets[1].not_before_s = NOW_S + 1;
	secrets[2] = fixture_slow_secret();
	secrets[2].label = STR("chosen");
	secrets[3] = fixture_secret("live");
	secrets[3].label = STR("2021");

	client = fixture_add(&fixture, "odd %+:&=id");
	*fixture_secrets(&fixture, client, 1) = fixture_secret("p%+ w:d&=\xc3\xa4");
	client = fixture_add(&fixture, "a+b");
	*fixture_secrets(&fixture, client, 1) = fixture_secret("c%41+100%");
}

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_RS256);
	add_clients();
	assert_true(netmask_parse(STR("10.0.0.0/8"), &proxies[0]));
	assert_true(netmask_parse(STR("203.0.113.0/24"), &offices[0]));
	fixture.snapshot->trusted_proxies = (struct netmask_list){ proxies, 1 };
	fixture.snapshot->cors_origins = (struct str_list){ origins, COUNT(origins) };
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

struct row {
	const char *name;
	struct ask ask;
	enum reason wanted; /* REASON_NONE: 200 with a token */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ask_send(&rows[i].ask);
		if (rows[i].wanted == REASON_NONE)
			ask_check_token(rows[i].name);
		else
			ask_check_error(rows[i].wanted, rows[i].name);
	}
	check_end();
}

/* Interface §3.1, row by row. */
static void test_common_checks(void **state)
{
	static const struct row rows[] = {
		{ "good", { .body = TEXT(GOOD) }, REASON_NONE },
		{ "unknown path", { .path = "/nothing", .body = TEXT(GOOD) },
			REASON_NOT_FOUND },
		{ "no path", { .path = "", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "slash", { .path = "/", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "slash behind", { .path = "/token/", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "two slashes", { .path = "//token", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "path in capitals", { .path = "/TOKEN", .body = TEXT(GOOD) },
			REASON_NOT_FOUND },
		{ "more behind", { .path = "/token/x", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "a longer name", { .path = "/tokens", .body = TEXT(GOOD) },
			REASON_NOT_FOUND },
		{ "dots", { .path = "/x/../token", .body = TEXT(GOOD) }, REASON_NOT_FOUND },
		{ "not offered: introspection", { .path = "/introspect", .body = TEXT(GOOD) },
			REASON_NOT_FOUND },
		{ "not offered: revocation", { .path = "/revoke", .body = TEXT(GOOD) },
			REASON_NOT_FOUND },
		{ "not offered: metrics", { .method = "GET", .path = "/metrics" },
			REASON_NOT_FOUND },
		{ "GET", { .method = "GET" }, REASON_METHOD },
		{ "PUT", { .method = "PUT", .body = TEXT(GOOD) }, REASON_METHOD },
		{ "FOO", { .method = "FOO", .body = TEXT(GOOD) }, REASON_METHOD },
		{ "post", { .method = "post", .body = TEXT(GOOD) }, REASON_METHOD },
		{ "plain HTTP", { .body = TEXT(GOOD), .more = { "HTTPS" } },
			REASON_PLAIN_HTTP },
		{ "HTTPS=off", { .body = TEXT(GOOD), .more = { "HTTPS=off" } },
			REASON_PLAIN_HTTP },
		{ "scheme https",
			{ .body = TEXT(GOOD), .more = { "HTTPS", "REQUEST_SCHEME=https" } },
			REASON_NONE },
		{ "forwarded by anybody",
			{ .body = TEXT(GOOD),
				.more = { "HTTPS", "HTTP_X_FORWARDED_PROTO=https" } },
			REASON_PLAIN_HTTP },
		{ "forwarded by a proxy",
			{ .body = TEXT(GOOD),
				.more = { "HTTPS", "REMOTE_ADDR=10.1.1.1",
					"HTTP_X_FORWARDED_PROTO=https" } },
			REASON_NONE },
		{ "forwarded as http",
			{ .body = TEXT(GOOD),
				.more = { "HTTPS", "REMOTE_ADDR=10.1.1.1",
					"HTTP_X_FORWARDED_PROTO=http" } },
			REASON_PLAIN_HTTP },
		{ "no media type", { .body = TEXT(GOOD), .more = { "CONTENT_TYPE" } },
			REASON_MEDIA_TYPE },
		{ "JSON", { .body = TEXT("{}"), .more = { "CONTENT_TYPE=application/json" } },
			REASON_MEDIA_TYPE },
		{ "two media types",
			{ .body = TEXT(GOOD), .more = { "CONTENT_TYPE=a/b, " FORM } },
			REASON_MEDIA_TYPE },
		{ "charset",
			{ .body = TEXT(GOOD),
				.more = { "CONTENT_TYPE=" FORM "; charset=UTF-8" } },
			REASON_NONE },
		{ "no length", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH" } },
			REASON_LENGTH_MISSING },
		{ "empty length", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=" } },
			REASON_LENGTH_MISSING },
		{ "odd length", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=12x" } },
			REASON_LENGTH_INVALID },
		{ "negative length", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=-1" } },
			REASON_LENGTH_INVALID },
		{ "too large", { .body = TEXT(""), .more = { "CONTENT_LENGTH=65537" } },
			REASON_BODY_TOO_LARGE },
		{ "far too large",
			{ .body = TEXT(""), .more = { "CONTENT_LENGTH=3000000000" } },
			REASON_BODY_TOO_LARGE },
		{ "shorter than said",
			{ .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=1000" } },
			REASON_BODY_LENGTH },
		{ "longer than said", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=30" } },
			REASON_BODY_LENGTH },
		{ "said to be empty", { .body = TEXT(GOOD), .more = { "CONTENT_LENGTH=0" } },
			REASON_BODY_LENGTH },
		{ "read with an error", { .body = TEXT(GOOD), .cut_off = true },
			REASON_BODY_LENGTH },
		{ "bad percent", { .body = TEXT(GOOD "&x=%zz") }, REASON_FORM_PERCENT },
		{ "NUL", { .body = TEXT(GOOD "&x=%00") }, REASON_FORM_NUL },
		{ "not UTF-8", { .body = TEXT(GOOD "&x=%ff") }, REASON_FORM_UTF8 },
		{ "no value", { .body = TEXT(GOOD "&scope=&resource=&client_assertion=") },
			REASON_NONE },
		{ "name alone", { .body = TEXT(GOOD "&scope&client_assertion_type") },
			REASON_NONE },
		{ "grant_type twice", { .body = TEXT(GOOD "&" GRANT) }, REASON_FORM_REPEATED },
		{ "client_id twice", { .body = TEXT(GOOD "&" ID) }, REASON_FORM_REPEATED },
		{ "client_id twice, encoded", { .body = TEXT(GOOD "&client%5Fid=x") },
			REASON_FORM_REPEATED },
		{ "client_secret twice", { .body = TEXT(GOOD "&client_secret=x") },
			REASON_FORM_REPEATED },
		{ "scope twice", { .body = TEXT(GOOD "&scope=stock&scope=stock") },
			REASON_FORM_REPEATED },
		{ "assertion twice",
			{ .body = TEXT(GRANT "&client_assertion=a&client_assertion=a") },
			REASON_FORM_REPEATED },
		{ "assertion type twice",
			{ .body = TEXT(
				  GRANT "&client_assertion_type=a&client_assertion_type=b") },
			REASON_FORM_REPEATED },
		{ "a value and none", { .body = TEXT(GOOD "&scope=stock&scope=") },
			REASON_NONE },
		{ "redirect_uri twice", { .body = TEXT(GOOD "&redirect_uri=a&redirect_uri=b") },
			REASON_FORM_REPEATED },
		{ "unknown parameter", { .body = TEXT(GOOD "&foo=bar") }, REASON_NONE },
		{ "unknown parameter twice", { .body = TEXT(GOOD "&foo=bar&foo=bar") },
			REASON_NONE },
		{ "separators", { .body = TEXT("&&" GOOD "&&=&=x&") }, REASON_NONE },
		{ "client_id in the query",
			{ .body = TEXT(GOOD), .more = { "QUERY_STRING=" ID } },
			REASON_QUERY_CREDENTIALS },
		{ "client_secret in the query",
			{ .body = TEXT(GOOD), .more = { "QUERY_STRING=a=b&client_secret=x" } },
			REASON_QUERY_CREDENTIALS },
		{ "encoded in the query",
			{ .body = TEXT(GOOD), .more = { "QUERY_STRING=client%5Fsecret=x" } },
			REASON_QUERY_CREDENTIALS },
		{ "assertion in the query",
			{ .body = TEXT(GOOD), .more = { "QUERY_STRING=client_assertion=x" } },
			REASON_QUERY_CREDENTIALS },
		{ "other things in the query",
			{ .body = TEXT(GOOD),
				.more = { "QUERY_STRING=grant_type=x&client=y" } },
			REASON_NONE },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* Where two things are wrong, the first of interface §3.1 is told. */
static void test_order(void **state)
{
	static const struct row rows[] = {
		{ "path, method", { .path = "/x", .method = "FOO" }, REASON_NOT_FOUND },
		{ "path, plain HTTP", { .path = "/x", .more = { "HTTPS" } }, REASON_NOT_FOUND },
		{ "method, plain HTTP", { .method = "GET", .more = { "HTTPS" } },
			REASON_METHOD },
		{ "plain HTTP, media type",
			{ .body = TEXT(GOOD), .more = { "HTTPS", "CONTENT_TYPE" } },
			REASON_PLAIN_HTTP },
		{ "media type, length",
			{ .body = TEXT(GOOD),
				.more = { "CONTENT_TYPE=a/b", "CONTENT_LENGTH=x" } },
			REASON_MEDIA_TYPE },
		{ "length, body", { .cut_off = true, .more = { "CONTENT_LENGTH=65537" } },
			REASON_BODY_TOO_LARGE },
		{ "body, percent", { .body = TEXT("%zz"), .more = { "CONTENT_LENGTH=9" } },
			REASON_BODY_LENGTH },
		{ "percent, repeated", { .body = TEXT("scope=a&scope=a&x=%") },
			REASON_FORM_PERCENT },
		{ "repeated, query",
			{ .body = TEXT("scope=a&scope=a"), .more = { "QUERY_STRING=" ID } },
			REASON_FORM_REPEATED },
		{ "query, authentication",
			{ .body = TEXT(GRANT), .more = { "QUERY_STRING=" ID } },
			REASON_QUERY_CREDENTIALS },
		{ "authentication, grant type", { .body = TEXT(ID "&client_secret=x") },
			REASON_SECRET_WRONG },
		{ "authentication, scope",
			{ .body = TEXT(GRANT "&" ID "&client_secret=x&scope=%20") },
			REASON_SECRET_WRONG },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_largest_body(void **state)
{
	static char body[HTTP_BODY_MAX];
	size_t n = sizeof(GOOD "&x=") - 1;
	struct ask ask = { .body = { body, sizeof(body) } };

	(void)state;
	memcpy(body, GOOD "&x=", n);
	memset(body + n, 'x', sizeof(body) - n);
	ask_send(&ask);
	ask_check_token("65,536 bytes");
	memset(body, '&', sizeof(body));
	ask_send(&ask);
	ask_check_error(REASON_NO_CREDENTIALS, "65,536 separators");
	check_end();
}

/* A configuration without clients is one that lets nobody in. */
static void test_no_clients(void **state)
{
	static const struct client_table nobody;
	const struct client_table clients = fixture.snapshot->clients;

	(void)state;
	fixture.snapshot->clients = nobody;
	assert_int_equal(snapshot_seal(fixture.snapshot), REASON_NONE);
	ask_send(&(struct ask){ .body = STR(GOOD) });
	ask_check_error(REASON_CLIENT_UNKNOWN, "post");
	ask_send(&(struct ask){ .body = STR(GRANT), .more = { BASIC } });
	ask_check_error(REASON_CLIENT_UNKNOWN, "basic");
	fixture.snapshot->clients = clients;
	assert_int_equal(snapshot_seal(fixture.snapshot), REASON_NONE);
	ask_send(&(struct ask){ .body = STR(GOOD) });
	ask_check_token("with them");
	check_end();
}

/* Interface §3.2, as far as it concerns secrets. */
static void test_authentication(void **state)
{
	static const struct row rows[] = {
		{ "none", { .body = TEXT(GRANT) }, REASON_NO_CREDENTIALS },
		{ "empty body", { .body = TEXT("") }, REASON_NO_CREDENTIALS },
		{ "none, behind Apache", { .body = TEXT(GRANT), .more = { "SERVER_SOFTWARE=Apache/2.4.62 (Debian)" } },
			REASON_NO_CREDENTIALS_APACHE },
		{ "an empty header behind Apache", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=",
			"SERVER_SOFTWARE=Apache/2.4.62 (Debian)" } }, REASON_NO_CREDENTIALS },
		{ "an empty header behind Apache, redirected", { .body = TEXT(GRANT), .more = {
			"REDIRECT_HTTP_AUTHORIZATION=", "SERVER_SOFTWARE=Apache" } }, REASON_NO_CREDENTIALS },
		{ "post", { .body = TEXT(GOOD) }, REASON_NONE },
		{ "basic", { .body = TEXT(GRANT), .more = { BASIC } }, REASON_NONE },
		{ "basic, redirected", { .body = TEXT(GRANT), .more = { "REDIRECT_" BASIC } }, REASON_NONE },
		{ "basic, both variables", { .body = TEXT(GRANT), .more = { BASIC,
			"REDIRECT_HTTP_AUTHORIZATION=Basic eDp5" } }, REASON_NONE },
		{ "basic in capitals", { .body = TEXT(GRANT), .more = {
			"HTTP_AUTHORIZATION=BASIC VEVOQU5UX0NMSUVOVF9JRDpURU5BTlRfQ0xJRU5UX1NFQ1JFVA==" } }, REASON_NONE },
		{ "basic and the same client_id", { .body = TEXT(GRANT "&" ID), .more = { BASIC } }, REASON_NONE },
		{ "basic, form-encoded", { .body = TEXT(GRANT), .more = { /* odd+%25%2B%3A%26%3Did:p%25%2B+w%3Ad%26%3D%C3%A4 */
			"HTTP_AUTHORIZATION=Basic b2RkKyUyNSUyQiUzQSUyNiUzRGlkOnAlMjUlMkIrdyUzQWQlMjYlM0QlQzMlQTQ=" } },
			REASON_NONE },
		{ "basic, form-encoded, spaces as %20", { .body = TEXT(GRANT), .more = { /* odd%20%25... */
			"HTTP_AUTHORIZATION=Basic b2RkJTIwJTI1JTJCJTNBJTI2JTNEaWQ6cCUyNSUyQiUyMHclM0FkJTI2JTNEJUMzJUE0" } },
			REASON_NONE },
		{ "basic, encoded, where raw would do", { .body = TEXT(GRANT), .more = { /* a%2Bb:c%2541%2B100%25 */
			"HTTP_AUTHORIZATION=Basic YSUyQmI6YyUyNTQxJTJCMTAwJTI1" } }, REASON_NONE },
		{ "basic, raw", { .body = TEXT(GRANT), .more = { /* a+b:c%41+100% */
			"HTTP_AUTHORIZATION=Basic YStiOmMlNDErMTAwJQ==" } }, REASON_NONE },
		{ "basic, raw, with its client_id", { .body = TEXT(GRANT "&client_id=a%2Bb"), .more = {
			"HTTP_AUTHORIZATION=Basic YStiOmMlNDErMTAwJQ==" } }, REASON_NONE },
		{ "basic, form-encoded, with its client_id", { .body = TEXT(GRANT "&client_id=odd+%25%2B%3A%26%3Did"),
			.more = { /* as above */
			"HTTP_AUTHORIZATION=Basic b2RkKyUyNSUyQiUzQSUyNiUzRGlkOnAlMjUlMkIrdyUzQWQlMjYlM0QlQzMlQTQ=" } },
			REASON_NONE },
		{ "basic, form-encoded, and another client_id", { .body = TEXT(GRANT "&client_id=RFC9068"), .more = {
			"HTTP_AUTHORIZATION=Basic b2RkKyUyNSUyQiUzQSUyNiUzRGlkOnAlMjUlMkIrdyUzQWQlMjYlM0QlQzMlQTQ=" } },
			REASON_AUTH_CLIENT_ID },
		{ "post, odd characters", { .body = TEXT(GRANT
			"&client_id=odd+%25%2B%3A%26%3Did&client_secret=p%25%2B+w%3Ad%26%3D%C3%A4") }, REASON_NONE },

		{ "basic and post", { .body = TEXT(GOOD), .more = { BASIC } }, REASON_AUTH_MULTIPLE },
		{ "basic and a secret", { .body = TEXT(GRANT "&client_secret=x"), .more = { BASIC } },
			REASON_AUTH_MULTIPLE },
		{ "basic and an assertion", { .body = TEXT(GRANT "&client_assertion=a.b.c&" ASSERTION_TYPE),
			.more = { BASIC } }, REASON_AUTH_MULTIPLE },
		{ "post and an assertion", { .body = TEXT(GOOD "&client_assertion=a.b.c&" ASSERTION_TYPE) },
			REASON_AUTH_MULTIPLE },
		{ "basic and another client_id", { .body = TEXT(GRANT "&client_id=RFC9068"), .more = { BASIC } },
			REASON_AUTH_CLIENT_ID },
		{ "two headers", { .body = TEXT(GRANT), .more = { BASIC, BASIC } }, REASON_AUTH_REPEATED },
		{ "two headers, the first is empty", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=", BASIC } }, REASON_AUTH_REPEATED },
		{ "two headers, the second is empty", { .body = TEXT(GRANT), .more = { BASIC, "HTTP_AUTHORIZATION=" } }, REASON_AUTH_REPEATED },
		{ "two headers of a rewrite", { .body = TEXT(GRANT), .more = { "REDIRECT_" BASIC, "REDIRECT_HTTP_AUTHORIZATION=" } }, REASON_AUTH_REPEATED },
		{ "two headers, joined", { .body = TEXT(GRANT), .more = { BASIC ", Basic eDp5" } }, REASON_AUTH_REPEATED },
		{ "assertion without a type", { .body = TEXT(GRANT "&client_assertion=a.b.c") }, REASON_ASSERTION_TYPE },
		{ "assertion of another type", { .body = TEXT(GRANT "&client_assertion=a.b.c&client_assertion_type=jwt") },
			REASON_ASSERTION_TYPE },
		{ "type alone", { .body = TEXT(GRANT "&" ASSERTION_TYPE) }, REASON_ASSERTION_TYPE },
		{ "type beside a secret", { .body = TEXT(GOOD "&" ASSERTION_TYPE) }, REASON_ASSERTION_TYPE },
		{ "an assertion", { .body = TEXT(GRANT "&client_assertion=a.b.c&" ASSERTION_TYPE) },
			REASON_ASSERTION },

		{ "basic, no base64", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic a:b" } },
			REASON_BASIC_SYNTAX },
		{ "basic, no padding", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic YTo" } },
			REASON_BASIC_SYNTAX },
		{ "basic, no colon", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic YWI=" } },
			REASON_BASIC_SYNTAX },
		{ "basic, nothing", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic " } }, REASON_BASIC_SYNTAX },
		{ "another scheme", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Bearer abc" } },
			REASON_AUTH_SCHEME },
		{ "another scheme beside post", { .body = TEXT(GOOD), .more = { "HTTP_AUTHORIZATION=Bearer abc" } },
			REASON_AUTH_SCHEME },
		{ "garbage", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=\xff\xfe" } }, REASON_AUTH_SCHEME },

		{ "unknown", { .body = TEXT(GRANT "&client_id=X&client_secret=x") }, REASON_CLIENT_UNKNOWN },
		{ "in lower case", { .body = TEXT(GRANT "&client_id=tenant_client_id&client_secret=" FIXTURE_SECRET) },
			REASON_CLIENT_UNKNOWN },
		{ "unknown, by basic", { .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic eDp5" } },
			REASON_CLIENT_UNKNOWN },
		{ "wrong secret", { .body = TEXT(GRANT "&" ID "&client_secret=x") }, REASON_SECRET_WRONG },
		{ "secret of another", { .body = TEXT(GRANT "&" ID "&client_secret=live") }, REASON_SECRET_WRONG },
		{ "expired secret", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=old") },
			REASON_SECRET_EXPIRED },
		{ "early secret", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=future") },
			REASON_SECRET_EARLY },
		{ "live secret", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=live") }, REASON_NONE },
		{ "slow secret", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=U*U") }, REASON_NONE },
		{ "slow secret, again", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=U%2AU") }, REASON_NONE },
		{ "disabled", { .body = TEXT(GRANT "&client_id=DISABLED&client_secret=" FIXTURE_SECRET) },
			REASON_CLIENT_DISABLED },
		{ "post, but basic only", { .body = TEXT(GRANT "&client_id=BASIC_ONLY&client_secret=" FIXTURE_SECRET) },
			REASON_AUTH_METHOD },
		{ "basic, but post only", { .body = TEXT(GRANT), .more = { /* POST_ONLY:TENANT_CLIENT_SECRET */
			"HTTP_AUTHORIZATION=Basic UE9TVF9PTkxZOlRFTkFOVF9DTElFTlRfU0VDUkVU" } }, REASON_AUTH_METHOD },
		{ "from elsewhere", { .body = TEXT(GRANT "&client_id=OFFICE&client_secret=" FIXTURE_SECRET) },
			REASON_AUTH_ADDRESS },
		{ "from the office", { .body = TEXT(GRANT "&client_id=OFFICE&client_secret=" FIXTURE_SECRET),
			.more = { "REMOTE_ADDR=203.0.113.7" } }, REASON_NONE },
		{ "from the office, by a proxy", { .body = TEXT(GRANT "&client_id=OFFICE&client_secret=" FIXTURE_SECRET),
			.more = { "REMOTE_ADDR=10.1.1.1", "HTTP_X_FORWARDED_FOR=192.0.2.7, 203.0.113.7" } }, REASON_NONE },
		{ "as if from the office", { .body = TEXT(GRANT "&client_id=OFFICE&client_secret=" FIXTURE_SECRET),
			.more = { "HTTP_X_FORWARDED_FOR=203.0.113.7" } }, REASON_AUTH_ADDRESS },
		{ "certificate-bound tokens", { .body = TEXT(GRANT "&client_id=CERTIFICATE&client_secret=" FIXTURE_SECRET) },
			REASON_CERTIFICATE_MISSING },
		{ "REMOTE_USER proves nothing", { .body = TEXT(GRANT "&" ID), .more = { "REMOTE_USER=TENANT_CLIENT_ID",
			"AUTH_TYPE=Basic" } }, REASON_NO_CREDENTIALS },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* No secret, or half of one: 401, whatever the log calls it. */
static void test_half_credentials(void **state)
{
	static const struct ask asks[] = {
		{ .body = TEXT(GRANT "&" ID) },
		{ .body = TEXT(GRANT "&client_secret=" FIXTURE_SECRET) },
		{ .body = TEXT(GRANT "&" ID "&client_secret=") },
		{ .body = TEXT(GRANT),
			.more = { "HTTP_AUTHORIZATION=Basic VEVOQU5UX0NMSUVOVF9JRDo=" } },
		{ .body = TEXT(GRANT),
			.more = { "HTTP_AUTHORIZATION=Basic OlRFTkFOVF9DTElFTlRfU0VDUkVU" } },
		{ .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic Og==" } },
		{ .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=" } },
		{ .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(asks); i++) {
		ask_send(&asks[i]);
		CHECK_NUMBER(response.status, 401, asks[i].body.p);
		CHECK(audit.reason != REASON_NONE, asks[i].body.p);
		ask_check_error(audit.reason, asks[i].body.p);
	}
	check_end();
}

/* The whole response, head and body, as it goes over the wire. */
static struct str render(char *space, size_t size)
{
	struct buf buf = buf_init(space, size);

	http_response_write_head(&response, &buf);
	buf_str(&buf, http_response_body(&response));
	assert_false(buf.overflow);
	return buf_view(&buf);
}

static void test_denials_are_alike(void **state)
{
	static const struct ask asks[] = {
		{ .body = TEXT(GRANT "&client_id=X&client_secret=x") },
		{ .body = TEXT(GRANT "&" ID "&client_secret=x") },
		{ .body = TEXT(GRANT "&client_id=ROTATING&client_secret=old") },
		{ .body = TEXT(GRANT "&client_id=ROTATING&client_secret=future") },
		{ .body = TEXT(GRANT "&client_id=DISABLED&client_secret=" FIXTURE_SECRET) },
		{ .body = TEXT(GRANT "&client_id=BASIC_ONLY&client_secret=" FIXTURE_SECRET) },
		{ .body = TEXT(GRANT "&client_id=OFFICE&client_secret=" FIXTURE_SECRET) },
		{ .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Basic a:b" } },
		{ .body = TEXT(GRANT), .more = { "HTTP_AUTHORIZATION=Bearer x" } },
	};
	static char first_space[8192], space[8192];
	struct str first = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(asks); i++) {
		ask_send(&asks[i]);
		if (i == 0)
			first = render(first_space, sizeof(first_space));
		CHECK_TEXT(render(space, sizeof(space)), first, asks[i].body.p);
	}
	check_end();
}

/* Interface §3.3. */
static void test_token_endpoint(void **state)
{
	static const struct row rows[] = {
		{ "scope", { .body = TEXT(GOOD "&scope=orders:read") }, REASON_NONE },
		{ "no grant_type", { .body = TEXT(CREDENTIALS) }, REASON_GRANT_TYPE_MISSING },
		{ "empty grant_type", { .body = TEXT(CREDENTIALS "&grant_type=") },
			REASON_GRANT_TYPE_MISSING },
		{ "grant_type in the query only",
			{ .body = TEXT(CREDENTIALS), .more = { "QUERY_STRING=" GRANT } },
			REASON_GRANT_TYPE_MISSING },
		{ "password", { .body = TEXT(CREDENTIALS "&grant_type=password") },
			REASON_GRANT_TYPE_UNSUPPORTED },
		{ "capitals", { .body = TEXT(CREDENTIALS "&grant_type=Client_Credentials") },
			REASON_GRANT_TYPE_UNSUPPORTED },
		{ "space behind",
			{ .body = TEXT(CREDENTIALS "&grant_type=client_credentials+") },
			REASON_GRANT_TYPE_UNSUPPORTED },
		{ "not this client",
			{ .body = TEXT(
				  GRANT "&client_id=NO_GRANT&client_secret=" FIXTURE_SECRET) },
			REASON_GRANT_DENIED },
		{ "malformed scope", { .body = TEXT(GOOD "&scope=orders:read++stock") },
			REASON_SCOPE_SYNTAX },
		{ "scope of a space", { .body = TEXT(GOOD "&scope=+") }, REASON_SCOPE_SYNTAX },
		{ "undefined scope", { .body = TEXT(GOOD "&scope=x") }, REASON_SCOPE_UNKNOWN },
		{ "another's scope",
			{ .body = TEXT(GRANT "&client_id=NO_SCOPE&client_secret=" FIXTURE_SECRET
					     "&scope=stock") },
			REASON_SCOPE_DENIED },
		{ "two audiences", { .body = TEXT(GOOD "&scope=stock+orders:read") },
			REASON_SCOPE_AUDIENCES },
		{ "two audiences, and a resource",
			{ .body = TEXT(GOOD "&scope=stock+orders:read&resource=https://"
					    "orders.example.com") },
			REASON_NONE },
		{ "resource",
			{ .body = TEXT(GOOD "&resource=https%3A%2F%2Forders.example.com") },
			REASON_NONE },
		{ "audience", { .body = TEXT(GOOD "&audience=urn:example:stock") },
			REASON_NONE },
		{ "resource twice",
			{ .body = TEXT(GOOD
				  "&resource=urn:example:stock&resource=urn:example:stock") },
			REASON_NONE },
		{ "no absolute URI", { .body = TEXT(GOOD "&resource=orders") },
			REASON_TARGET_SYNTAX },
		{ "fragment", { .body = TEXT(GOOD "&resource=https://orders.example.com%23x") },
			REASON_TARGET_SYNTAX },
		{ "another's resource",
			{ .body = TEXT(GOOD "&resource=https://x.example.com") },
			REASON_TARGET_DENIED },
		{ "bad audience",
			{ .body = TEXT(GOOD "&resource=urn:example:stock&audience=x") },
			REASON_TARGET_SYNTAX },
		{ "DPoP-bound",
			{ .body = TEXT(GRANT "&client_id=DPOP&client_secret=" FIXTURE_SECRET) },
			REASON_DPOP_MISSING },
		{ "a DPoP header is ignored",
			{ .body = TEXT(GOOD),
				.more = { "HTTP_DPOP=garbage", "HTTP_DPOP=twice" } },
			REASON_NONE },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* Header and claims of the token that was just issued, compared as whole JSON. */
static void check_claims(
	const char *body, const char *head, const char *claims, const char *name)
{
	json_t *json = ask_json(name);
	json_t *wanted_body = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	json_t *wanted_head = json_loads(head, JSON_REJECT_DUPLICATES, NULL);
	json_t *wanted_claims = json_loads(claims, JSON_REJECT_DUPLICATES, NULL);
	struct jws_parts parts;

	assert_true(wanted_body && wanted_head && wanted_claims);
	CHECK_REASON(jwt_split(support_member(json, "access_token"), fixture.arena, &parts),
		REASON_NONE, name);
	CHECK(json_equal(parts.header, wanted_head), name);
	if (!json_equal(parts.payload, wanted_claims)) {
		check_report(__FILE__, __LINE__, name);
		fprintf(stderr, "got claims %.*s\n", (int)parts.payload_text.n,
			parts.payload_text.p);
	}
	json_object_del(json, "access_token");
	CHECK(json_equal(json, wanted_body), name);
	jws_parts_clear(&parts);
	json_decref(json);
	json_decref(wanted_body);
	json_decref(wanted_head);
	json_decref(wanted_claims);
}

static void test_tokens(void **state)
{
	static const struct {
		const char *name;
		struct ask ask;
		const char *body; /* without access_token */
		const char *head;
		const char *claims;
	} cases[] = {
		{ "the reference request", { .body = TEXT(GOOD "&scope=identity_proofing") },
			"{\"scope\":\"identity_proofing\",\"token_type\":\"Bearer\",\"expires_"
			"in\":300}",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":\"TENANT_CLIENT_ID\",\"nbf\":"
			"1640588828,"
			"\"scope\":[\"identity_proofing\"],\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,"
			"\"iat\":1640588828,\"jti\":\"" JTI "\"}" },
		{ "default scope", { .body = TEXT(GOOD) },
			"{\"scope\":\"identity_proofing\",\"token_type\":\"Bearer\",\"expires_"
			"in\":300}",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":\"TENANT_CLIENT_ID\",\"nbf\":"
			"1640588828,"
			"\"scope\":[\"identity_proofing\"],\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,"
			"\"iat\":1640588828,\"jti\":\"" JTI "\"}" },
		{ "scopes with an audience, one twice",
			{ .body = TEXT(
				  GOOD "&scope=orders:write+identity_proofing+orders:write") },
			"{\"scope\":\"orders:write "
			"identity_proofing\",\"token_type\":\"Bearer\",\"expires_in\":300}",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":\"" FIXTURE_ORDERS
			"\",\"nbf\":1640588828,"
			"\"scope\":[\"orders:write\",\"identity_proofing\"],\"iss\":"
			"\"" FIXTURE_ISSUER "\","
			"\"exp\":1640589128,\"iat\":1640588828,\"jti\":\"" JTI "\"}" },
		{ "resource, audience, and again",
			{ .body = TEXT(GOOD "&resource=urn:example:stock&audience=https://"
					    "orders.example.com&resource=urn:example:stock") },
			"{\"scope\":\"identity_proofing\",\"token_type\":\"Bearer\",\"expires_"
			"in\":300}",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":[\"urn:example:stock\","
			"\"" FIXTURE_ORDERS "\"],"
			"\"nbf\":1640588828,\"scope\":[\"identity_proofing\"],\"iss\":"
			"\"" FIXTURE_ISSUER "\","
			"\"exp\":1640589128,\"iat\":1640588828,\"jti\":\"" JTI "\"}" },
		{ "RFC 9068",
			{ .body = TEXT(GRANT "&client_id=RFC9068&client_secret=" FIXTURE_SECRET
					     "&scope=orders:read+orders:write") },
			"{\"scope\":\"orders:read "
			"orders:write\",\"token_type\":\"Bearer\",\"expires_in\":600}",
			"{\"kid\":\"2026-11\",\"typ\":\"at+jwt\",\"alg\":\"RS256\"}",
			"{\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589428,\"aud\":\"" FIXTURE_ORDERS "\","
			"\"sub\":\"RFC9068\",\"client_id\":\"RFC9068\",\"iat\":1640588828,"
			"\"jti\":\"" JTI "\","
			"\"scope\":\"orders:read orders:write\",\"tenant\":\"acme\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask_send(&cases[i].ask);
		ask_check_token(cases[i].name);
		check_claims(cases[i].body, cases[i].head, cases[i].claims, cases[i].name);
	}
	check_end();
}

static void test_no_scope(void **state)
{
	struct ask ask = { .body = TEXT(
				   GRANT "&client_id=NO_SCOPE&client_secret=" FIXTURE_SECRET) };
	json_t *json;

	(void)state;
	ask_send(&ask);
	ask_check_token("no scope");
	json = ask_json("no scope");
	CHECK(!json_object_get(json, "scope"), "left out when there is none");
	CHECK_NUMBER(audit.scope.n, 0, "no scope");
	json_decref(json);
	check_end();
}

/* Time and randomness are arguments: the same request gives the same bytes. */
static void test_same_bytes(void **state)
{
	static const struct ask asks[] = {
		{ .body = TEXT(GOOD "&scope=orders:read") },
		{ .body = TEXT(GRANT "&" ID "&client_secret=x") },
		{ .method = "GET", .path = "/jwks" },
		{ .method = "GET", .path = "/.well-known/oauth-authorization-server" },
		{ .method = "GET", .path = "/health" },
	};
	static char first_space[16384], space[16384];

	(void)state;
	for (size_t i = 0; i < COUNT(asks); i++) {
		struct str first;

		ask_send(&asks[i]);
		first = render(first_space, sizeof(first_space));
		for (unsigned round = 0; round < 3; round++) {
			ask_send(&asks[i]);
			CHECK_TEXT(render(space, sizeof(space)), first, asks[i].body.p);
		}
	}
	check_end();
}

static void test_audit(void **state)
{
	static const struct {
		const char *name;
		struct ask ask;
		const char *event, *client_id, *remote_addr, *scope, *label;
		enum auth_method method;
	} cases[] = {
		{ "post",
			{ .body = TEXT(
				  GRANT "&client_id=ROTATING&client_secret=live&scope=stock") },
			"token.issued", "ROTATING", "192.0.2.7", "stock", "2021",
			AUTH_SECRET_POST },
		{ "basic", { .body = TEXT(GRANT), .more = { BASIC } }, "token.issued",
			"TENANT_CLIENT_ID", "192.0.2.7", "identity_proofing", "",
			AUTH_SECRET_BASIC },
		{ "slow", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=U*U") },
			"token.issued", "ROTATING", "192.0.2.7", "identity_proofing", "chosen",
			AUTH_SECRET_POST },
		{ "expired", { .body = TEXT(GRANT "&client_id=ROTATING&client_secret=old") },
			"token.denied", "ROTATING", "192.0.2.7", "", "2020", AUTH_SECRET_POST },
		{ "unknown", { .body = TEXT(GRANT "&client_id=X&client_secret=x") },
			"token.denied", "X", "192.0.2.7", "", "", AUTH_SECRET_POST },
		{ "by a proxy",
			{ .body = TEXT(GOOD),
				.more = { "REMOTE_ADDR=10.0.0.1",
					"HTTP_X_FORWARDED_FOR=198.51.100.4" } },
			"token.issued", "TENANT_CLIENT_ID", "198.51.100.4", "identity_proofing",
			"", AUTH_SECRET_POST },
		{ "none", { .body = TEXT(GRANT) }, "token.denied", "", "192.0.2.7", "", "",
			AUTH_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask_send(&cases[i].ask);
		CHECK_TEXT(str_of(audit.event), str_of(cases[i].event), cases[i].name);
		CHECK_TEXT(audit.client_id, str_of(cases[i].client_id), cases[i].name);
		CHECK_TEXT(audit.remote_addr, str_of(cases[i].remote_addr), cases[i].name);
		CHECK_TEXT(audit.scope, str_of(cases[i].scope), cases[i].name);
		CHECK_TEXT(audit.secret_label, str_of(cases[i].label), cases[i].name);
		CHECK_NUMBER(audit.method, cases[i].method, cases[i].name);
	}
	check_end();
}

/* 405: which methods there are, and no body for HEAD. */
static void test_allow(void **state)
{
	static const struct {
		const char *path;
		const char *method;
		const char *allow;
	} cases[] = {
		{ "/token", "GET", "POST" },
		{ "/token", "HEAD", "POST" },
		{ "/token", "OPTIONS", "POST" },
		{ "/jwks", "POST", "GET, HEAD" },
		{ "/jwks", "OPTIONS", "GET, HEAD" },
		{ "/health", "DELETE", "GET, HEAD" },
		{ "/health", "OPTIONS", "GET, HEAD" },
		{ "/.well-known/oauth-authorization-server", "PUT", "GET, HEAD" },
		{ "/.well-known/openid-configuration", "POST", "GET, HEAD" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ask ask = { .path = cases[i].path, .method = cases[i].method };

		ask_send(&ask);
		ask_check_error(REASON_METHOD, cases[i].path);
		CHECK_TEXT(ask_header("Allow"), str_of(cases[i].allow), cases[i].path);
		CHECK(response.omit_body == (strcmp(cases[i].method, "HEAD") == 0),
			cases[i].path);
	}
	check_end();
}

static void test_cors(void **state)
{
	static const struct {
		const char *name;
		struct ask ask;
		int status;
		const char *origin; /* Access-Control-Allow-Origin */
	} cases[] = {
		{ "preflight of token",
			{ .method = "OPTIONS",
				.more = { "HTTP_ORIGIN=https://app.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST" } },
			204, "https://app.example.com" },
		{ "preflight of JWKS",
			{ .method = "OPTIONS",
				.path = "/jwks",
				.more = { "HTTP_ORIGIN=https://other.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=GET" } },
			204, "https://other.example.com" },
		{ "preflight of metadata",
			{ .method = "OPTIONS",
				.path = "/.well-known/openid-configuration",
				.more = { "HTTP_ORIGIN=https://app.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=GET" } },
			204, "https://app.example.com" },
		{ "preflight over plain HTTP",
			{ .method = "OPTIONS",
				.more = { "HTTPS", "HTTP_ORIGIN=https://app.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST" } },
			204, "https://app.example.com" },
		{ "preflight of health",
			{ .method = "OPTIONS",
				.path = "/health",
				.more = { "HTTP_ORIGIN=https://app.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=GET" } },
			405, "" },
		{ "preflight of nothing",
			{ .method = "OPTIONS",
				.path = "/x",
				.more = { "HTTP_ORIGIN=https://app.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=GET" } },
			404, "" },
		{ "preflight from elsewhere",
			{ .method = "OPTIONS",
				.more = { "HTTP_ORIGIN=https://evil.example.com",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST" } },
			405, "" },
		{ "preflight from a longer origin",
			{ .method = "OPTIONS",
				.more = { "HTTP_ORIGIN=https://app.example.com.evil",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST" } },
			405, "" },
		{ "preflight from null",
			{ .method = "OPTIONS",
				.more = { "HTTP_ORIGIN=null",
					"HTTP_ACCESS_CONTROL_REQUEST_METHOD=POST" } },
			405, "" },
		{ "OPTIONS without a method",
			{ .method = "OPTIONS",
				.more = { "HTTP_ORIGIN=https://app.example.com" } },
			405, "https://app.example.com" },
		{ "token",
			{ .body = TEXT(GOOD),
				.more = { "HTTP_ORIGIN=https://app.example.com" } },
			200, "https://app.example.com" },
		{ "token refused",
			{ .body = TEXT(GRANT),
				.more = { "HTTP_ORIGIN=https://app.example.com" } },
			401, "https://app.example.com" },
		{ "token, from elsewhere",
			{ .body = TEXT(GOOD),
				.more = { "HTTP_ORIGIN=https://evil.example.com" } },
			200, "" },
		{ "JWKS",
			{ .method = "GET",
				.path = "/jwks",
				.more = { "HTTP_ORIGIN=https://app.example.com" } },
			200, "https://app.example.com" },
		{ "JWKS, no origin", { .method = "GET", .path = "/jwks" }, 200, "" },
		{ "health",
			{ .method = "GET",
				.path = "/health",
				.more = { "HTTP_ORIGIN=https://app.example.com" } },
			200, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask_send(&cases[i].ask);
		CHECK_NUMBER(response.status, cases[i].status, cases[i].name);
		CHECK_TEXT(ask_header("Access-Control-Allow-Origin"), str_of(cases[i].origin),
			cases[i].name);
		CHECK(ask_header("Access-Control-Allow-Credentials").n == 0, cases[i].name);
		if (cases[i].status == 204) {
			bool token = !cases[i].ask.path;

			CHECK_NUMBER(response.body.n, 0, cases[i].name);
			CHECK(str_contains(ask_header("Access-Control-Allow-Methods"),
				      token ? STR("POST") : STR("GET")),
				cases[i].name);
			CHECK(!token || str_contains(ask_header("Access-Control-Allow-Headers"),
						STR("Authorization")),
				cases[i].name);
		}
		if (cases[i].origin[0])
			CHECK(str_contains(ask_header("Vary"), STR("Origin")), cases[i].name);
		ask_check_headers(cases[i].name);
	}
	check_end();
}

static void test_jwks(void **state)
{
	struct ask ask = { .method = "GET", .path = "/jwks" };
	json_t *json, *keys;

	(void)state;
	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, "JWKS");
	CHECK_TEXT(ask_header("Content-Type"), STR("application/jwk-set+json"), "JWKS");
	CHECK_TEXT(ask_header("Cache-Control"), STR("public, max-age=300"), "JWKS");
	CHECK(ask_header("Pragma").n == 0, "JWKS");
	CHECK_TEXT(response.body, fixture.snapshot->jwks.body, "JWKS");
	CHECK(!response.omit_body, "JWKS");
	ask_check_headers("JWKS");
	json = ask_json("JWKS");
	keys = json_object_get(json, "keys");
	CHECK_NUMBER(json_array_size(keys), 1, "one key");
	CHECK_TEXT(support_member(json_array_get(keys, 0), "kid"), STR("2026-11"), "kid");
	CHECK(!json_object_get(json_array_get(keys, 0), "d"), "public members only");
	json_decref(json);
	ask.more[0] = "HTTPS";
	ask_send(&ask);
	ask_check_error(REASON_PLAIN_HTTP, "over plain HTTP");
	check_end();
}

/* ETag, 304 and HEAD of all public documents. */
static void test_conditional(void **state)
{
	static const char *const paths[] = { "/jwks", "/.well-known/oauth-authorization-server",
		"/.well-known/openid-configuration" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct ask ask = { .method = "GET", .path = paths[i] };
		char etag[64], variable[96], body[4096];
		size_t body_len;

		ask_send(&ask);
		snprintf(etag, sizeof(etag), "%.*s", (int)ask_header("ETag").n,
			ask_header("ETag").p);
		CHECK(etag[0] == '"' && strlen(etag) > 2 && etag[strlen(etag) - 1] == '"',
			"strong");
		assert_true(response.body.n < sizeof(body));
		body_len = response.body.n;
		memcpy(body, response.body.p, body_len);

		ask.method = "HEAD";
		ask_send(&ask);
		CHECK_NUMBER(response.status, 200, paths[i]);
		CHECK(response.omit_body && http_response_body(&response).n == 0, paths[i]);
		CHECK_TEXT(ask_header("ETag"), str_of(etag), paths[i]);
		CHECK_TEXT(response.body, ((struct str){ body, body_len }), paths[i]);

		for (unsigned head = 0; head < 2; head++) {
			ask.method = head ? "HEAD" : "GET";
			snprintf(variable, sizeof(variable), "HTTP_IF_NONE_MATCH=%s", etag);
			ask.more[0] = variable;
			ask_send(&ask);
			CHECK_NUMBER(response.status, 304, paths[i]);
			CHECK_NUMBER(http_response_body(&response).n, 0, paths[i]);
			CHECK_TEXT(ask_header("ETag"), str_of(etag), paths[i]);
			CHECK_TEXT(ask_header("Cache-Control"), STR("public, max-age=300"),
				paths[i]);
			ask_check_headers(paths[i]);
			snprintf(variable, sizeof(variable), "HTTP_IF_NONE_MATCH=\"x\", W/%s",
				etag);
			ask_send(&ask);
			CHECK_NUMBER(response.status, 304, "in a list");
			ask.more[0] = "HTTP_IF_NONE_MATCH=*";
			ask_send(&ask);
			CHECK_NUMBER(response.status, 304, "star");
			ask.more[0] = "HTTP_IF_NONE_MATCH=\"x\"";
			ask_send(&ask);
			CHECK_NUMBER(response.status, 200, "another");
		}
	}
	check_end();
}

static void check_metadata(const char *wanted_issuer, const char *wanted_base, const char *name)
{
	static const char *const absent[] = { "introspection_endpoint", "revocation_endpoint",
		"authorization_endpoint", "registration_endpoint",
		"dpop_signing_alg_values_supported",
		"token_endpoint_auth_signing_alg_values_supported", "mtls_endpoint_aliases" };
	json_t *json = ask_json(name);
	json_t *wanted = json_pack("{s:[s], s:[ss], s:[ssss], s:b}", "grant_types_supported",
		"client_credentials", "token_endpoint_auth_methods_supported",
		"client_secret_basic", "client_secret_post", "scopes_supported",
		"identity_proofing", "orders:read", "orders:write", "stock",
		"tls_client_certificate_bound_access_tokens", true);
	const char *key;
	json_t *value;
	char url[128];

	assert_non_null(wanted);
	CHECK_NUMBER(response.status, 200, name);
	/* RFC 8414 §3.2; a charset would do no harm. */
	CHECK(str_starts(ask_header("Content-Type"), STR("application/json")), name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("public, max-age=300"), name);
	CHECK_TEXT(support_member(json, "issuer"), str_of(wanted_issuer), name);
	snprintf(url, sizeof(url), "%s/token", wanted_base);
	CHECK_TEXT(support_member(json, "token_endpoint"), str_of(url), name);
	snprintf(url, sizeof(url), "%s/jwks", wanted_base);
	CHECK_TEXT(support_member(json, "jwks_uri"), str_of(url), name);
	json_object_foreach(wanted, key, value)
		CHECK(json_equal(json_object_get(json, key), value), key);
	CHECK(json_is_array(json_object_get(json, "response_types_supported")),
		"RFC 8414: required");
	for (size_t i = 0; i < COUNT(absent); i++)
		CHECK(!json_object_get(json, absent[i]), absent[i]);
	json_decref(wanted);
	json_decref(json);
}

static void test_metadata(void **state)
{
	static const char *const suffixes[] = { "/.well-known/oauth-authorization-server",
		"/.well-known/openid-configuration" };
	static const char *const scripts[] = { "SCRIPT_NAME=/oauth2",
		"SCRIPT_NAME=", "SCRIPT_NAME=/cgi-bin/x.fcgi" };

	(void)state;
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		for (size_t j = 0; j < COUNT(scripts); j++) {
			struct ask ask = {
				.method = "GET", .path = suffixes[i], .more = { scripts[j] }
			};

			ask_send(&ask);
			check_metadata(FIXTURE_ISSUER, FIXTURE_ISSUER "/oauth2", suffixes[i]);
			ask_check_headers(suffixes[i]);
		}
	}
	check_end();
}

/* RFC 8414 §3.1 puts the name before the issuer's path, OpenID Connect Discovery §4 behind it.
 */
static void test_issuer_with_path(void **state)
{
	static const struct {
		const char *path;
		bool found;
	} cases[] = {
		{ "/.well-known/oauth-authorization-server/tenant/a", true },
		{ "/tenant/a/.well-known/openid-configuration", true },
		{ "/.well-known/oauth-authorization-server/tenant/b", false },
		{ "/.well-known/oauth-authorization-server/tenant", false },
		{ "/.well-known/oauth-authorization-server/tenant/a/", false },
		{ "/tenant/b/.well-known/openid-configuration", false },
	};

	(void)state;
	fixture.snapshot->issuer = STR("https://auth.example.com/tenant/a");
	fixture.snapshot->base_url = STR("https://auth.example.com/tenant/a/oauth2");
	fixture_seal(&fixture);
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned split = 0; split < 2; split++) {
			char script[128];
			struct ask ask = { .method = "GET",
				.path = cases[i].path,
				.more = { "SCRIPT_NAME=" } };

			/* The same path, all of it in SCRIPT_NAME. */
			snprintf(script, sizeof(script), "SCRIPT_NAME=%s", cases[i].path);
			if (split) {
				ask.more[0] = script;
				ask.path = "";
			}
			ask_send(&ask);
			if (cases[i].found)
				check_metadata("https://auth.example.com/tenant/a",
					"https://auth.example.com/tenant/a/oauth2",
					cases[i].path);
			else
				CHECK_NUMBER(response.status, 404, cases[i].path);
		}
	}
	check_end();
}

static void test_paths(void **state)
{
	static const struct {
		const char *script;
		const char *path;
		bool found;
	} cases[] = {
		{ "SCRIPT_NAME=/oauth2", "/token", true },
		{ "SCRIPT_NAME=", "/token", true },
		{ "SCRIPT_NAME=", "/oauth2/token", true },
		{ "SCRIPT_NAME=/oauth2/token", "", true },
		{ "SCRIPT_NAME=/cgi-bin/oauth2.fcgi", "/token", true },
		{ "SCRIPT_NAME", "/token", true },
		{ "SCRIPT_NAME=/x", "", false },
		{ "SCRIPT_NAME=/token", "", false },
		{ "SCRIPT_NAME=/cgi-bin/oauth2.fcgi/token", "", false },
		{ "SCRIPT_NAME=", "/other/token", false },
		{ "SCRIPT_NAME=/oauth2", "/oauth2/token", false },
		{ "SCRIPT_NAME=/oauth2", "token", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ask ask = {
			.path = cases[i].path, .body = TEXT(GOOD), .more = { cases[i].script }
		};

		ask_send(&ask);
		if (cases[i].found)
			ask_check_token(cases[i].script);
		else
			ask_check_error(REASON_NOT_FOUND, cases[i].script);
	}
	check_end();
}

static void test_health(void **state)
{
	struct ask ask = { .method = "GET", .path = "/health", .more = { "HTTPS" } };

	(void)state;
	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, "over plain HTTP");
	CHECK_TEXT(response.body, STR("{\"status\":\"ok\"}"), "body");
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), "body");
	ask_check_headers("health");
	ask_process.degraded = true;
	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, "an older configuration");
	CHECK_TEXT(response.body, STR("{\"status\":\"degraded\"}"), "an older configuration");
	ask_check_headers("an older configuration");
	ask.method = "HEAD";
	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, "HEAD");
	CHECK(response.omit_body, "HEAD");
	ask_send_to(&ask, NULL);
	CHECK_NUMBER(response.status, 503, "no configuration");
	ask_process.degraded = false;
	ask_send_to(&ask, NULL);
	CHECK_NUMBER(response.status, 503, "no configuration");
	check_end();
}

static void test_no_configuration(void **state)
{
	static const struct ask asks[] = {
		{ .body = TEXT(GOOD) },
		{ .method = "GET", .path = "/jwks" },
		{ .method = "GET", .path = "/health" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(asks); i++) {
		ask_send_to(&asks[i], NULL);
		ask_check_error(REASON_CONFIG, "no configuration");
	}
	check_end();
}

static void test_request_id(void **state)
{
	static const struct {
		const char *name;
		const char *address;
		const char *variable;
		const char *wanted;
	} cases[] = {
		{ "of a proxy", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=aZ09._-",
			"aZ09._-" },
		{ "one character", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=a", "a" },
		{ "64 characters", "REMOTE_ADDR=10.0.0.1",
			"HTTP_X_REQUEST_ID="
			"0123456789012345678901234567890123456789012345678901234567890123",
			"0123456789012345678901234567890123456789012345678901234567890123" },
		{ "65 characters", "REMOTE_ADDR=10.0.0.1",
			"HTTP_X_REQUEST_ID="
			"01234567890123456789012345678901234567890123456789012345678901234",
			JTI },
		{ "empty", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=", JTI },
		{ "space", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=a b", JTI },
		{ "line break", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=a\r\nSet-Cookie: x",
			JTI },
		{ "slash", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=a/b", JTI },
		{ "beyond ASCII", "REMOTE_ADDR=10.0.0.1", "HTTP_X_REQUEST_ID=\xc3\xa4", JTI },
		{ "of anybody", "REMOTE_ADDR=192.0.2.7", "HTTP_X_REQUEST_ID=abc", JTI },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ask ask = { .body = TEXT(GOOD),
			.more = { cases[i].address, cases[i].variable } };

		ask_send(&ask);
		CHECK_TEXT(ask_header("X-Request-Id"), str_of(cases[i].wanted), cases[i].name);
		CHECK_TEXT(audit.request_id, str_of(cases[i].wanted), cases[i].name);
		CHECK_NUMBER(response.status, 200, cases[i].name);
	}
	check_end();
}

static void test_no_random(void **state)
{
	struct ask ask = { .body = TEXT(GOOD) };

	(void)state;
	fixture.services.random = &support_no_random;
	ask_send(&ask);
	CHECK_NUMBER(response.status, 503, "no randomness");
	CHECK(str_contains(response.body, STR("temporarily_unavailable")), "no randomness");
	CHECK(!str_contains(response.body, STR("access_token")), "no token");
	CHECK_REASON(audit.reason, REASON_RANDOM, "no randomness");
	check_end();
}

static void test_settings(void **state)
{
	struct ask ask = { .body = TEXT(GOOD), .more = { "HTTPS" } };
	static const struct str audience[] = { TEXT("https://all.example.com") };
	json_t *json;
	struct jws_parts parts;

	(void)state;
	fixture.snapshot->require_tls = false;
	fixture.snapshot->access_token = (struct token_policy){
		.lifetime_s = 60, .profile = PROFILE_RFC9068, .audience = { audience, 1 }
	};
	ask_send(&ask);
	ask_check_token("require_tls: false");
	json = ask_json("settings");
	CHECK_NUMBER(json_integer_value(json_object_get(json, "expires_in")), 60, "lifetime");
	assert_int_equal(jwt_split(support_member(json, "access_token"), fixture.arena, &parts),
		REASON_NONE);
	CHECK_TEXT(support_member(parts.header, "typ"), STR("at+jwt"), "profile");
	CHECK_TEXT(support_member(parts.payload, "aud"), audience[0], "audience");
	jws_parts_clear(&parts);
	json_decref(json);
	check_end();
}

/* An arena that is too small for what a request needs: refused, and never a token. */
static void test_no_memory(void **state)
{
	(void)state;
	for (size_t limit = 256; limit <= 65536; limit += limit / 4) {
		struct ask ask = { .body = TEXT(GOOD) };
		struct arena *large = fixture.arena;

		fixture.arena = arena_new(limit, limit);
		assert_non_null(fixture.arena);
		ask_send(&ask);
		CHECK(response.status == 200 || response.status == 503, "503 or a token");
		CHECK((response.status == 200) ==
				str_contains(response.body, STR("access_token")),
			"503 or a token");
		CHECK((response.status == 200) == (audit.reason == REASON_NONE),
			"the log knows");
		CHECK_NUMBER(audit.status, response.status, "the log knows");
		arena_free(fixture.arena);
		fixture.arena = large;
	}
	memset(&response, 0, sizeof(response));
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_common_checks),
		TEST(test_order),
		TEST(test_largest_body),
		TEST(test_no_clients),
		TEST(test_authentication),
		TEST(test_half_credentials),
		TEST(test_denials_are_alike),
		TEST(test_token_endpoint),
		TEST(test_tokens),
		TEST(test_no_scope),
		TEST(test_same_bytes),
		TEST(test_audit),
		TEST(test_allow),
		TEST(test_cors),
		TEST(test_jwks),
		TEST(test_conditional),
		TEST(test_metadata),
		TEST(test_issuer_with_path),
		TEST(test_paths),
		TEST(test_health),
		TEST(test_no_configuration),
		TEST(test_request_id),
		TEST(test_no_random),
		TEST(test_settings),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
