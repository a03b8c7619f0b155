/* SPDX-License-Identifier: MIT */
/* Tests of oauth/grant. */
#include "fixture.h"
#include "oauth/grant.h"

static struct fixture fixture;

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_EDDSA);
	fixture_add(&fixture, "CLIENT");
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

/* Texts joined by '|', for comparison. */
static struct str join(struct str_list list, struct buf *buf)
{
	for (size_t i = 0; i < list.count; i++) {
		if (i)
			buf_char(buf, '|');
		buf_str(buf, list.items[i]);
	}
	return buf_view(buf);
}

static struct str scopes_of(const struct grant *grant, struct buf *buf)
{
	scope_list_write(buf, grant->scopes);
	return buf_view(buf);
}

static void test_scopes(void **state)
{
	static const struct {
		const char *name;
		struct str asked;
		enum reason wanted;
		struct str granted;
	} cases[] = {
		{ "none asked for", TEXT(""), REASON_NONE, TEXT("identity_proofing") },
		{ "one", TEXT("orders:read"), REASON_NONE, TEXT("orders:read") },
		{ "in the order asked for", TEXT("orders:write identity_proofing orders:read"),
			REASON_NONE, TEXT("orders:write identity_proofing orders:read") },
		{ "twice", TEXT("orders:read orders:write orders:read"), REASON_NONE,
			TEXT("orders:read orders:write") },
		{ "space alone", TEXT(" "), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "space before", TEXT(" orders:read"), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "space behind", TEXT("orders:read "), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "two spaces", TEXT("orders:read  orders:write"), REASON_SCOPE_SYNTAX,
			TEXT("") },
		{ "tab", TEXT("orders:read\torders:write"), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "line break", TEXT("orders:read\norders:write"), REASON_SCOPE_SYNTAX,
			TEXT("") },
		{ "quote", TEXT("\"orders:read\""), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "backslash", TEXT("orders\\read"), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "beyond ASCII", TEXT("\xc3\xa4"), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "DEL", TEXT("orders:read\x7f"), REASON_SCOPE_SYNTAX, TEXT("") },
		{ "undefined", TEXT("unknown"), REASON_SCOPE_UNKNOWN, TEXT("") },
		{ "one of them undefined", TEXT("orders:read unknown"), REASON_SCOPE_UNKNOWN,
			TEXT("") },
		{ "in capitals", TEXT("ORDERS:READ"), REASON_SCOPE_UNKNOWN, TEXT("") },
		{ "comma", TEXT("orders:read,orders:write"), REASON_SCOPE_UNKNOWN, TEXT("") },
		{ "two audiences", TEXT("orders:read stock"), REASON_SCOPE_AUDIENCES,
			TEXT("") },
		{ "one audience and none", TEXT("identity_proofing stock"), REASON_NONE,
			TEXT("identity_proofing stock") },
		{ "one audience twice", TEXT("orders:read orders:write"), REASON_NONE,
			TEXT("orders:read orders:write") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct grant_request request = { .scope = cases[i].asked };
		char space[256];
		struct buf buf = buf_init(space, sizeof(space));
		struct grant grant;

		memset(&grant, 0xff, sizeof(grant));
		CHECK_REASON(grant_decide(fixture.snapshot, &fixture.clients[0], &request,
				     fixture.arena, &grant),
			cases[i].wanted, cases[i].name);
		CHECK_TEXT(scopes_of(&grant, &buf), cases[i].granted, cases[i].name);
		CHECK(grant.client ==
				(cases[i].wanted == REASON_NONE ? &fixture.clients[0] : NULL),
			cases[i].name);
		if (cases[i].wanted == REASON_NONE)
			CHECK_NUMBER(grant.scopes_from,
				cases[i].asked.n ? GRANT_FROM_REQUEST : GRANT_FROM_CLIENT,
				cases[i].name);
	}
	check_end();
}

static void test_scopes_of_client(void **state)
{
	static const struct scope *const some[] = { &fixture_scopes[SCOPE_ORDERS_WRITE],
		&fixture_scopes[SCOPE_IDENTITY_PROOFING] };
	struct client *client = &fixture.clients[0];
	struct grant_request request = { .scope = STR("") };
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));
	struct grant grant;

	(void)state;
	client->scopes = (struct scope_list){ some, 2 };
	client->default_scopes = client->scopes;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_NONE, "no default");
	CHECK_TEXT(
		scopes_of(&grant, &buf), STR("orders:write identity_proofing"), "no default");
	CHECK_NUMBER(grant.scopes_from, GRANT_FROM_CLIENT_SCOPES, "no default");

	request.scope = STR("stock");
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_SCOPE_DENIED, "defined, but not the client's");
	request.scope = STR("orders:write stock");
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_SCOPE_DENIED, "one of them not the client's");

	client->scopes = (struct scope_list){ NULL, 0 };
	client->default_scopes = client->scopes;
	request.scope = STR("");
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_NONE, "no scopes at all");
	CHECK_NUMBER(grant.scopes.count, 0, "no scopes at all");
	request.scope = STR("stock");
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_SCOPE_DENIED, "no scopes at all");

	client->scopes = (struct scope_list){ fixture_all_scopes, SCOPE__MAX };
	client->default_scopes = client->scopes;
	request.scope = STR("");
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_SCOPE_AUDIENCES, "all of them, with two audiences");
	check_end();
}

static void test_resources(void **state)
{
	static const struct str allowed[] = { TEXT(FIXTURE_ORDERS), TEXT("urn:example:stock") };
	static const struct {
		const char *name;
		struct str asked[3];
		enum reason wanted;
		struct str audience;
	} cases[] = {
		{ "one", { TEXT(FIXTURE_ORDERS) }, REASON_NONE, TEXT(FIXTURE_ORDERS) },
		{ "a URN", { TEXT("urn:example:stock") }, REASON_NONE,
			TEXT("urn:example:stock") },
		{ "two", { TEXT("urn:example:stock"), TEXT(FIXTURE_ORDERS) }, REASON_NONE,
			TEXT("urn:example:stock|" FIXTURE_ORDERS) },
		{ "the same twice",
			{ TEXT(FIXTURE_ORDERS), TEXT("urn:example:stock"),
				TEXT(FIXTURE_ORDERS) },
			REASON_NONE, TEXT(FIXTURE_ORDERS "|urn:example:stock") },
		{ "another", { TEXT("https://evil.example.com") }, REASON_TARGET_DENIED,
			TEXT("") },
		{ "one of two is another",
			{ TEXT(FIXTURE_ORDERS), TEXT("https://evil.example.com") },
			REASON_TARGET_DENIED, TEXT("") },
		{ "a slash more", { TEXT(FIXTURE_ORDERS "/") }, REASON_TARGET_DENIED,
			TEXT("") },
		{ "in capitals", { TEXT("HTTPS://orders.example.com") }, REASON_TARGET_DENIED,
			TEXT("") },
		{ "with a query", { TEXT(FIXTURE_ORDERS "?a=b") }, REASON_TARGET_DENIED,
			TEXT("") },
		{ "with a fragment", { TEXT(FIXTURE_ORDERS "#a") }, REASON_TARGET_SYNTAX,
			TEXT("") },
		{ "with an empty fragment", { TEXT(FIXTURE_ORDERS "#") }, REASON_TARGET_SYNTAX,
			TEXT("") },
		{ "relative", { TEXT("orders.example.com") }, REASON_TARGET_SYNTAX, TEXT("") },
		{ "a path", { TEXT("/orders") }, REASON_TARGET_SYNTAX, TEXT("") },
		{ "without a scheme", { TEXT("//orders.example.com") }, REASON_TARGET_SYNTAX,
			TEXT("") },
		{ "scheme alone", { TEXT("https:") }, REASON_TARGET_SYNTAX, TEXT("") },
		{ "a space", { TEXT("https://orders.example.com/a b") }, REASON_TARGET_SYNTAX,
			TEXT("") },
		{ "scheme with a digit first", { TEXT("1ttps://orders.example.com") },
			REASON_TARGET_SYNTAX, TEXT("") },
		{ "one of two is none", { TEXT(FIXTURE_ORDERS), TEXT("x") },
			REASON_TARGET_SYNTAX, TEXT("") },
	};
	struct client *client = &fixture.clients[0];

	(void)state;
	client->resources = (struct str_list){ allowed, COUNT(allowed) };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct grant_request request = { .resources = { cases[i].asked, 0 } };
		char space[256];
		struct buf buf = buf_init(space, sizeof(space));
		struct grant grant;

		while (request.resources.count < 3 && cases[i].asked[request.resources.count].n)
			request.resources.count++;
		CHECK_REASON(
			grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
			cases[i].wanted, cases[i].name);
		CHECK_TEXT(join(grant.audience, &buf), cases[i].audience, cases[i].name);
		if (cases[i].wanted == REASON_NONE)
			CHECK_NUMBER(grant.audience_from, GRANT_FROM_REQUEST, cases[i].name);
	}
	check_end();
}

static void test_audience(void **state)
{
	static const struct str resources[] = { TEXT("https://r.example.com") };
	static const struct str of_client[] = { TEXT("https://c1.example.com"),
		TEXT("https://c2.example.com") };
	static const struct str of_all[] = { TEXT("https://all.example.com") };
	static const struct {
		const char *name;
		struct str scope;
		bool asks, client_has, all_have;
		struct str audience;
		enum grant_source from;
	} cases[] = {
		{ "the request's", TEXT("orders:read"), true, true, true,
			TEXT("https://r.example.com"), GRANT_FROM_REQUEST },
		{ "the request's, though scopes differ", TEXT("orders:read stock"), true, true,
			true, TEXT("https://r.example.com"), GRANT_FROM_REQUEST },
		{ "the scope's", TEXT("orders:read identity_proofing"), false, true, true,
			TEXT(FIXTURE_ORDERS), GRANT_FROM_SCOPE },
		{ "the client's", TEXT("identity_proofing"), false, true, true,
			TEXT("https://c1.example.com|https://c2.example.com"),
			GRANT_FROM_CLIENT },
		{ "the general one", TEXT("identity_proofing"), false, false, true,
			TEXT("https://all.example.com"), GRANT_FROM_ACCESS_TOKEN },
		{ "the client itself", TEXT("identity_proofing"), false, false, false,
			TEXT("CLIENT"), GRANT_FROM_CLIENT_ID },
	};
	struct client *client = &fixture.clients[0];

	(void)state;
	client->resources = (struct str_list){ resources, 1 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct grant_request request = { .scope = cases[i].scope,
			.resources = { resources, cases[i].asks } };
		char space[256];
		struct buf buf = buf_init(space, sizeof(space));
		struct grant grant;

		client->audience = (struct str_list){ of_client, cases[i].client_has ? 2 : 0 };
		fixture.snapshot->access_token.audience = (struct str_list){ of_all,
			cases[i].all_have };
		CHECK_REASON(
			grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
			REASON_NONE, cases[i].name);
		CHECK_TEXT(join(grant.audience, &buf), cases[i].audience, cases[i].name);
		CHECK_NUMBER(grant.audience_from, cases[i].from, cases[i].name);
	}
	check_end();
}

static void test_policy(void **state)
{
	struct client *client = &fixture.clients[0];
	struct grant_request request = { .scope = STR("") };
	struct grant grant;

	(void)state;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_NONE, "general");
	CHECK_NUMBER(grant.lifetime_s, 300, "general");
	CHECK_NUMBER(grant.lifetime_from, GRANT_FROM_ACCESS_TOKEN, "general");
	CHECK_NUMBER(grant.profile, PROFILE_CIAM, "general");
	CHECK_NUMBER(grant.profile_from, GRANT_FROM_ACCESS_TOKEN, "general");
	client->token_lifetime_s = 600;
	client->has_profile = true;
	client->profile = PROFILE_RFC9068;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_NONE, "client");
	CHECK_NUMBER(grant.lifetime_s, 600, "client");
	CHECK_NUMBER(grant.lifetime_from, GRANT_FROM_CLIENT, "client");
	CHECK_NUMBER(grant.profile, PROFILE_RFC9068, "client");
	CHECK_NUMBER(grant.profile_from, GRANT_FROM_CLIENT, "client");
	client->profile = PROFILE_CIAM;
	fixture.snapshot->access_token.profile = PROFILE_RFC9068;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_NONE, "client");
	CHECK_NUMBER(grant.profile, PROFILE_CIAM, "the client's, also where it is the default");
	check_end();
}

static void test_refused(void **state)
{
	struct client *client = &fixture.clients[0];
	struct grant_request request = { .scope = STR("") };
	struct arena *small = arena_new(16, 16);
	struct grant grant;

	(void)state;
	assert_non_null(small);
	CHECK_REASON(
		grant_decide(fixture.snapshot, client,
			&(struct grant_request){
				.scope = STR("orders:read orders:write identity_proofing") },
			small, &grant),
		REASON_MEMORY, "no room");
	CHECK(!grant.client && !grant.scopes.count && !grant.audience.count, "cleared");
	arena_free(small);
	client->grants = 0;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_GRANT_DENIED, "no grants");
	client->grants = GRANT_BIT(GRANT_CLIENT_CREDENTIALS);
	client->certificate_bound = true;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_CERTIFICATE_MISSING, "certificate-bound");
	client->certificate_bound = false;
	client->dpop_bound = true;
	CHECK_REASON(grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
		REASON_DPOP_MISSING, "DPoP-bound");
	CHECK(!grant.client && !grant.audience.count, "cleared");
	check_end();
}

/* A certificate binds the tokens of a client that has registered it; a proof binds always. */
static void test_binding(void **state)
{
	static const struct {
		const char *name;
		bool certificate_bound, dpop_bound;
		const char *x5t, *jkt;
		enum reason wanted;
		const char *got_x5t, *got_jkt;
	} cases[] = {
		{ "nothing", false, false, "", "", REASON_NONE, "", "" },
		{ "a certificate that binds nothing", false, false, "x", "", REASON_NONE, "",
			"" },
		{ "a proof of its own accord", false, false, "", "j", REASON_NONE, "", "j" },
		{ "a certificate", true, false, "x", "", REASON_NONE, "x", "" },
		{ "a certificate and a proof", true, false, "x", "j", REASON_NONE, "x", "j" },
		{ "a proof", false, true, "", "j", REASON_NONE, "", "j" },
		{ "a proof, and a certificate that binds nothing", false, true, "x", "j",
			REASON_NONE, "", "j" },
		{ "both", true, true, "x", "j", REASON_NONE, "x", "j" },
		{ "no certificate", true, false, "", "", REASON_CERTIFICATE_MISSING, "", "" },
		{ "no certificate, but a proof", true, false, "", "j",
			REASON_CERTIFICATE_MISSING, "", "" },
		{ "no proof", false, true, "", "", REASON_DPOP_MISSING, "", "" },
		{ "no proof, but a certificate", false, true, "x", "", REASON_DPOP_MISSING, "",
			"" },
		{ "one of two: the certificate", true, true, "x", "", REASON_DPOP_MISSING, "",
			"" },
		{ "one of two: the proof", true, true, "", "j", REASON_CERTIFICATE_MISSING, "",
			"" },
	};
	struct client *client = &fixture.clients[0];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct grant_request request = { .x5t = str_of(cases[i].x5t),
			.jkt = str_of(cases[i].jkt) };
		struct grant grant;

		client->certificate_bound = cases[i].certificate_bound;
		client->dpop_bound = cases[i].dpop_bound;
		CHECK_REASON(
			grant_decide(fixture.snapshot, client, &request, fixture.arena, &grant),
			cases[i].wanted, cases[i].name);
		CHECK_TEXT(grant.x5t, str_of(cases[i].got_x5t), cases[i].name);
		CHECK_TEXT(grant.jkt, str_of(cases[i].got_jkt), cases[i].name);
		CHECK((grant.client != NULL) == (cases[i].wanted == REASON_NONE),
			cases[i].name);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scopes, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_scopes_of_client, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_resources, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_audience, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_policy, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_refused, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_binding, open_fixture, close_fixture),
	};

	return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
