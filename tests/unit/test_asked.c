/* SPDX-License-Identifier: MIT */
/* Which clients a token request may be of. */
#include "support.h"

#include "makers.h"
#include "oauth/asked.h"

#define ASSERTION_TYPE                                                                     \
	"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-" \
	"bearer"

struct question {
	const char *name;
	const char *variables[6];
	const char *body;
	bool is_token_request;
	const char *ids; /* with a space between them */
};

#define TOKEN "REQUEST_METHOD=POST", "PATH_INFO=/token"

static const struct question questions[] = {
	{ "form", { TOKEN }, "grant_type=client_credentials&client_id=a%2Bb&client_secret=x",
		true, "a+b" },
	{ "nobody", { TOKEN }, "grant_type=client_credentials", true, "" },
	{ "empty", { TOKEN }, "", true, "" },
	{ "bad form", { TOKEN }, "client_id=a&x=%zz", true, "" },
	{ "repeated", { TOKEN }, "client_id=a&client_id=b", true, "" },
	/* a%2Bb:x and c:x */
	{ "Basic, raw and decoded", { TOKEN, "HTTP_AUTHORIZATION=Basic YSUyQmI6eA==" }, "",
		true, "a%2Bb a+b" },
	{ "Basic, not to be decoded", { TOKEN, "HTTP_AUTHORIZATION=Basic YSV6ejp4" }, "", true,
		"a%zz" },
	{ "Basic, redirected", { TOKEN, "REDIRECT_HTTP_AUTHORIZATION=basic Yzp4" }, "", true,
		"c c" },
	{ "two headers and a form",
		{ TOKEN, "HTTP_AUTHORIZATION=Basic Yzp4",
			"REDIRECT_HTTP_AUTHORIZATION=Basic YSUyQmI6eA==" },
		"client_id=d", true, "c c a%2Bb a+b d" },
	{ "no Basic", { TOKEN, "HTTP_AUTHORIZATION=Bearer Yzp4" }, "client_id=d", true, "d" },
	{ "not base64", { TOKEN, "HTTP_AUTHORIZATION=Basic ?" }, "client_id=d", true, "d" },
	{ "no assertion", { TOKEN }, "client_id=d&client_assertion=a.b.c", true, "d" },
	{ "script name", { "REQUEST_METHOD=POST", "SCRIPT_NAME=/oauth2/token" }, "client_id=d",
		true, "d" },
	{ "GET", { "REQUEST_METHOD=GET", "PATH_INFO=/token" }, "", false, "" },
	{ "introspection", { "REQUEST_METHOD=POST", "PATH_INFO=/introspect" }, "client_id=d",
		false, "" },
	{ "JWKS", { "REQUEST_METHOD=GET", "PATH_INFO=/jwks" }, "", false, "" },
};

static struct str_list ask(
	const struct question *question, struct str body, struct arena *arena, bool *found)
{
	struct http_request request = {
		.variables = question->variables, .body = body, .body_is_whole = true
	};
	struct str_list clients;

	assert_int_equal(http_request_init(&request, arena), REASON_NONE);
	*found = asked_clients(&request, arena, &clients);
	return clients;
}

static void test_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *question = &questions[i];
		struct arena *arena = arena_new(4096, 65536);
		char memory[100] = "";
		struct buf ids = buf_init(memory, sizeof(memory));
		bool found;
		struct str_list clients = ask(question, str_of(question->body), arena, &found);

		for (size_t k = 0; k < clients.count; k++) {
			buf_text(&ids, k == 0 ? "" : " ");
			buf_str(&ids, clients.items[k]);
		}
		CHECK(found == question->is_token_request, question->name);
		CHECK_TEXT(buf_view(&ids), str_of(question->ids), question->name);
		arena_free(arena);
	}
	check_end();
}

/* {"alg":"HS256"} and {"sub":"e","iss":"f"}: unsigned, as nothing is checked yet. */
static void test_assertion(void **state)
{
	static const struct question question = { "assertion", { TOKEN }, "", true, "" };
	struct arena *arena = arena_new(4096, 65536);
	bool found;
	struct str_list clients = ask(&question,
		STR("client_id=d&client_assertion=eyJhbGciOiJIUzI1NiJ9."
		    "eyJzdWIiOiJlIiwiaXNzIjoiZiJ9.AA&" ASSERTION_TYPE),
		arena, &found);

	(void)state;
	CHECK(found, "found");
	CHECK_NUMBER(clients.count, 2, "count");
	CHECK_TEXT(clients.items[0], STR("d"), "client_id");
	CHECK_TEXT(clients.items[1], STR("e"), "sub");
	arena_free(arena);
	check_end();
}

/* With too little memory to look at all of it, any client may matter. */
static void test_little_memory(void **state)
{
	static const struct question question = { "memory",
		{ TOKEN, "HTTP_AUTHORIZATION=Basic Yzp4" }, "", true, "" };
	static const struct str wanted[] = { TEXT("c"), TEXT("c"), TEXT("d"), TEXT("e") };
	bool found = false;

	(void)state;
	for (size_t limit = 128; limit < 4096; limit += 8) {
		struct arena *arena = arena_new(limit, limit);
		struct str_list clients = ask(&question,
			STR("client_id=d&client_assertion=eyJhbGciOiJIUzI1NiJ9."
			    "eyJzdWIiOiJlIiwiaXNzIjoiZiJ9.AA&" ASSERTION_TYPE),
			arena, &found);

		CHECK_NUMBER(clients.count, found ? COUNT(wanted) : 0, "all or none");
		for (size_t i = 0; i < clients.count && i < COUNT(wanted); i++)
			CHECK_TEXT(clients.items[i], wanted[i], "one of them");
		arena_free(arena);
	}
	CHECK(found, "with plenty");
	check_end();
}

static void test_memory(void **state)
{
	static const struct question question = { "memory", { TOKEN }, "client_id=d", true,
		"" };
	struct arena *arena = arena_new(64, 64);
	bool found;
	struct str_list clients = ask(&question, STR("client_id=d"), arena, &found);

	(void)state;
	CHECK(!found && clients.count == 0, "without memory any client may matter");
	arena_free(arena);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_assertion),
		cmocka_unit_test(test_little_memory),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
