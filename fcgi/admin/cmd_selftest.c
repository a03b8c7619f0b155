/* SPDX-License-Identifier: MIT */
/* selftest: is a running endpoint set up right, and what is to be changed where if it is not?
 */
#include "input.h"
#include "options.h"
#include "output.h"
#include "selftest.h"
#include "util/b64url.h"
#include "util/random.h"
#include "util/secret.h"
#include "util/uri.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#define MADE_UP_BYTES 16
#define MADE_UP_PREFIX "selftest-"
#define MADE_UP_SIZE (sizeof(MADE_UP_PREFIX) + B64URL_LEN(MADE_UP_BYTES))
#define FIX_SIZE 4096
#define RESULT_WIDTH 8

static const char *const result_names[RESULT__MAX] = {
	[RESULT_OK] = "ok",
	[RESULT_FAIL] = "FAIL",
	[RESULT_WARNING] = "warning",
	[RESULT_SKIPPED] = "skipped",
};

static const struct {
	const char *name;
	selftest_check *function;
} checks[CHECK__MAX] = {
	[CHECK_TLS] = { "tls", check_tls },
	[CHECK_PLAIN_HTTP] = { "plain-http", check_plain_http },
	[CHECK_HEALTH] = { "health", check_health },
	[CHECK_HTTPS] = { "https", check_https },
	[CHECK_METADATA] = { "metadata", check_metadata },
	[CHECK_WELL_KNOWN] = { "well-known", check_well_known },
	[CHECK_JWKS] = { "jwks", check_jwks },
	[CHECK_CACHING] = { "caching", check_caching },
	[CHECK_NOT_FOUND] = { "not-found", check_not_found },
	[CHECK_METHODS] = { "methods", check_methods },
	[CHECK_ERRORS] = { "errors", check_errors },
	[CHECK_CHALLENGE] = { "challenge", check_challenge },
	[CHECK_NO_STORE] = { "no-store", check_no_store },
	[CHECK_AUTHORIZATION] = { "authorization", check_authorization },
	[CHECK_BODY] = { "body", check_body },
	[CHECK_CONTENT_TYPE] = { "content-type", check_content_type },
	[CHECK_QUERY] = { "query", check_query },
	[CHECK_SIZE] = { "size", check_size },
	[CHECK_REQUEST_ID] = { "request-id", check_request_id },
	[CHECK_CLOCK] = { "clock", check_clock },
	[CHECK_TOKEN] = { "token", check_token },
	[CHECK_SIGNATURE] = { "signature", check_signature },
};

/* Is it this check's own fault, and not another's? */
static bool is_cause(const struct selftest *run, enum check check)
{
	return run->findings[check].result == RESULT_FAIL &&
	       run->findings[check].owner == check;
}

/* Where one cause shows in several checks, it is that of the one that it belongs to. */
static enum check cause_of(const struct selftest *run, enum check check)
{
	const struct finding *finding = &run->findings[check];

	if (finding->is_symptom && is_cause(run, CHECK_HEALTH))
		return CHECK_HEALTH;
	return is_cause(run, finding->owner) ? finding->owner : check;
}

static void drop_consequences(struct selftest *run)
{
	enum check causes[CHECK__MAX];

	for (enum check check = 0; check < CHECK__MAX; check++)
		causes[check] = cause_of(run, check);
	for (enum check check = 0; check < CHECK__MAX; check++) {
		struct finding *finding = &run->findings[check];

		if (finding->result != RESULT_FAIL || causes[check] == check)
			continue;
		finding->result = RESULT_SKIPPED;
		buf_text(&finding->text, "; see ");
		buf_text(&finding->text, checks[causes[check]].name);
	}
}

static bool begin_finding(struct selftest *run, enum check check)
{
	char *p = arena_alloc(run->arena, FINDING_SIZE);

	run->findings[check] = (struct finding){
		.owner = check,
		.text = buf_init(p, p == NULL ? 0 : FINDING_SIZE),
	};
	return p != NULL;
}

static bool has_health(struct selftest *run)
{
	return selftest_ask(run, PROBE_HEALTH)->web.trouble == WEB_ANSWERED;
}

static int run_checks(struct selftest *run)
{
	for (enum check check = 0; check < CHECK__MAX; check++) {
		if (!begin_finding(run, check))
			return output_reason("the checks", REASON_MEMORY);
		if (check > CHECK_HEALTH && !has_health(run))
			selftest_skip(&run->findings[check], "nothing answers; see health");
		else
			checks[check].function(run, &run->findings[check]);
	}
	if (run->is_out_of_memory)
		return output_reason("the checks", REASON_MEMORY);
	drop_consequences(run);
	return STATUS_DONE;
}

static size_t count_failed(const struct selftest *run)
{
	size_t count = 0;

	for (enum check check = 0; check < CHECK__MAX; check++)
		count += run->findings[check].result == RESULT_FAIL;
	return count;
}

/* What to change, by the web server that answered; empty if there is no advice. */
static struct str fix_of(
	const struct selftest *run, const struct finding *finding, char text[static FIX_SIZE])
{
	struct buf buf = buf_init(text, FIX_SIZE);
	struct str server;

	web_header(&run->answers[PROBE_HEALTH].web, "Server", &server);
	if (finding->result == RESULT_FAIL)
		advice_write(&buf, finding->advice, server, finding->line);
	return buf_view(&buf);
}

static void print_finding(const struct selftest *run, enum check check)
{
	const struct finding *finding = &run->findings[check];
	char text[FIX_SIZE];
	struct str fix = fix_of(run, finding, text);

	printf("%-*s %s: ", RESULT_WIDTH, result_names[finding->result], checks[check].name);
	output_text(buf_view(&finding->text));
	if (fix.n > 0)
		fputs("; ", stdout);
	output_text(fix);
	putchar('\n');
}

static json_t *pack_finding(const struct selftest *run, enum check check)
{
	const struct finding *finding = &run->findings[check];
	char text[FIX_SIZE];
	struct str fix = fix_of(run, finding, text);

	return json_pack("{s:s, s:s, s:o, s:o}", "check", checks[check].name, "result",
		result_names[finding->result], "message",
		output_string(buf_view(&finding->text)), "fix",
		fix.n > 0 ? output_string(fix) : json_null());
}

static int print_json(const struct selftest *run, size_t failed)
{
	json_t *list = json_array();

	for (enum check check = 0; check < CHECK__MAX; check++)
		output_append(&list, pack_finding(run, check));
	return output_result(
		json_pack("{s:o, s:I}", "checks", list, "failed", (json_int_t)failed),
		failed > 0 ? STATUS_FAILED : STATUS_DONE);
}

static int print_all(const struct selftest *run)
{
	size_t failed = count_failed(run);

	if (run->admin->json)
		return print_json(run, failed);
	for (enum check check = 0; check < CHECK__MAX; check++)
		print_finding(run, check);
	if (failed == 0)
		printf("%d checks: all is well\n", CHECK__MAX);
	else
		printf("%d checks, %zu failed\n", CHECK__MAX, failed);
	return failed > 0 ? STATUS_FAILED : STATUS_DONE;
}

/* A client id that nobody has. */
static enum reason make_up(struct selftest *run)
{
	unsigned char bytes[MADE_UP_BYTES];
	char *p = arena_alloc(run->arena, MADE_UP_SIZE);
	enum reason reason = random_bytes(bytes, sizeof(bytes));

	if (p == NULL)
		return REASON_MEMORY;
	struct buf buf = buf_init(p, MADE_UP_SIZE);

	buf_text(&buf, MADE_UP_PREFIX);
	b64url_encode(&buf, bytes, sizeof(bytes));
	run->made_up = buf_view(&buf);
	return reason;
}

static int test(struct selftest *run, struct str url, const char *trust)
{
	run->web = web_new(trust, run->arena);
	if (run->web == NULL)
		return output_fail("libcurl cannot be used, or there is not enough memory");
	enum reason reason = make_up(run);

	if (reason == REASON_NONE)
		reason = selftest_base(run, url);
	int status = reason == REASON_NONE ? run_checks(run)
					   : output_reason("the checks", reason);

	if (status == STATUS_DONE)
		status = print_all(run);
	for (enum probe probe = 0; probe < PROBE__MAX; probe++)
		json_decref(run->answers[probe].json);
	web_free(run->web);
	return status;
}

static int read_secret(struct selftest *run)
{
	char *p = arena_alloc(run->arena, INPUT_LINE_SIZE);

	if (p == NULL)
		return output_reason("standard input", REASON_MEMORY);
	struct buf line = buf_init(p, INPUT_LINE_SIZE);
	enum reason reason = input_secret("Secret: ", &line);
	const char *problem = input_secret_problem(&line);

	if (reason != REASON_NONE)
		return output_reason("standard input", reason);
	if (problem != NULL)
		return output_fail("%s", problem);
	run->secret = buf_view(&line);
	return STATUS_DONE;
}

/* Told apart from what may be wrong with the server. */
static int check_trust(const char *path)
{
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return path == NULL ? STATUS_DONE : output_reason(path, REASON_FILE_OPEN);
	close(fd);
	X509_STORE *store = X509_STORE_new();
	bool is_loaded = store != NULL && X509_STORE_load_file(store, path) == 1;

	ERR_clear_error();
	X509_STORE_free(store);
	return is_loaded ? STATUS_DONE : output_fail("%s: there is no certificate in it", path);
}

static int check_arguments(
	const struct admin *admin, const char *url, const char *client, const char *scope)
{
	const char *problem = uri_server_problem(str_of(url));

	if (problem != NULL)
		return output_misuse(admin, "URL %s", problem);
	if (client != NULL && client[0] == '\0')
		return output_misuse(admin, "--client is empty");
	if (scope != NULL && client == NULL)
		return output_misuse(admin, "--scope needs a --client");
	return STATUS_DONE;
}

int cmd_selftest(struct admin *admin, int argc, char **argv)
{
	int status;
	const char *url = NULL, *client = NULL, *scope = NULL, *trust = NULL;
	const struct option options[] = {
		{ "URL", NULL, "the base_url of the endpoint, or its issuer", .required = true,
			.text = &url },
		{ "--client", "ID", "get a token too; the secret is read from standard input",
			.text = &client },
		{ "--scope", "S", "scopes of this token", .text = &scope },
		{ "--ca", "FILE", "certificates (PEM) to trust instead of the system's",
			.text = &trust },
		OPTION_JSON(admin),
	};
	/* Too large for the stack, and it holds a secret. */
	struct selftest *run = arena_alloc(admin->arena, sizeof(*run));

	if (run == NULL)
		return output_reason("the checks", REASON_MEMORY);
	if (!options_read(admin, argc, argv, options, 5, &status))
		return status;
	status = check_arguments(admin, url, client, scope);
	if (status == STATUS_DONE)
		status = check_trust(trust);
	if (status != STATUS_DONE)
		return status;
	*run = (struct selftest){ .admin = admin, .arena = admin->arena };
	run->client_id = str_of(client);
	run->scope = str_of(scope);
	if (client != NULL)
		status = read_secret(run);
	return status == STATUS_DONE ? test(run, str_of(url), trust) : status;
}
