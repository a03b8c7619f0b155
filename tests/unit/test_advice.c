/* SPDX-License-Identifier: MIT */
/* Tests of fcgi/admin/advice: for each fault, what to change where. */
#include "support.h"

/* The module is no part of the library that the tests are linked with. */
#include "../../fcgi/admin/advice.c"

#define TEXT_SIZE 8192

static struct str advise(enum advice advice, const char *server, const char *line)
{
	static char text[TEXT_SIZE];
	struct buf buf = buf_init(text, sizeof(text));

	advice_write(&buf, advice, str_of(server), str_of(line));
	assert_false(buf.overflow);
	return buf_view(&buf);
}

static void test_servers(void **state)
{
	static const struct {
		const char *server, *text;
	} cases[] = {
		{ "nginx", "in snippets/oauth2-fcgi.conf of nginx add: `client_max_body_size "
			   "1m;`" },
		{ "nginx/1.22.1", "in snippets/oauth2-fcgi.conf of nginx add: "
				  "`client_max_body_size 1m;`" },
		{ "Apache/2.4.57 (Debian)", "in conf-available/oauth2-fcgi.conf of Apache add: "
					    "`LimitRequestBody 1048576`" },
		{ "APACHE", "in conf-available/oauth2-fcgi.conf of Apache add: "
			    "`LimitRequestBody 1048576`" },
		{ "lighttpd/1.4.69", "in lighttpd.conf of lighttpd change: "
				     "`server.max-request-size = 1024`" },
	};
	static const char *const strangers[] = { "", "nginxx", "Apache-Coyote/1.1", "IIS",
		"x nginx", "ngin" };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_TEXT(advise(ADVICE_SIZE, cases[i].server, ""), str_of(cases[i].text),
			cases[i].server);
	for (size_t i = 0; i < COUNT(strangers); i++) {
		struct str text = advise(ADVICE_SIZE, strangers[i], "");

		CHECK(str_starts(
			      text, STR("in conf-available/oauth2-fcgi.conf of Apache add: ")),
			strangers[i]);
		CHECK(str_contains(text, STR("; in snippets/oauth2-fcgi.conf of nginx add: ")),
			strangers[i]);
		CHECK(str_ends(text, str_of(cases[4].text)), strangers[i]);
	}
	check_end();
}

/* The program's own configuration is the same under all of them. */
static void test_program(void **state)
{
	static const char *const wanted = "in oauth2.yaml of oauth2-fcgi change: `issuer: x`";

	(void)state;
	CHECK_TEXT(advise(ADVICE_ISSUER, "nginx", "issuer: x"), str_of(wanted), "nginx");
	CHECK_TEXT(advise(ADVICE_ISSUER, "", "issuer: x"), str_of(wanted), "none");
	CHECK_TEXT(advise(ADVICE_NONE, "nginx", ""), STR(""), "no advice");
	check_end();
}

/* A line can be copied as it is, whatever it ends with. */
static void test_quotes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK(!str_has(str_of(rows[i].line), '`'), rows[i].line);
	CHECK_TEXT(advise(ADVICE_ISSUER, "nginx", "a;"),
		STR("in oauth2.yaml of oauth2-fcgi change: `a;`"), "line");
	check_end();
}

/* Nobody is left without advice: mod_fcgid's own limit is the one that only one server has. */
static void test_complete(void **state)
{
	(void)state;
	for (enum advice advice = ADVICE_NONE + 1; advice < ADVICE__MAX; advice++) {
		for (enum server server = 0; server < SERVER_PROGRAM; server++) {
			if (advice == ADVICE_SIZE_FCGID && server != SERVER_APACHE)
				continue;
			if (advise(advice, servers[server].name, "").n > 0)
				continue;
			fprintf(stderr, "advice %d has no line for %s\n", (int)advice,
				servers[server].name);
			fail();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
