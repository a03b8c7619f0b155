/* SPDX-License-Identifier: MIT */
/*
 * Request headers and CGI variables: Basic credentials, media types, entity tags, addresses.
 *
 * Input: lines; the first three are Authorization, Content-Type and If-None-Match, the others
 * variables as "NAME=VALUE".
 */
#include "fuzz.h"

#include "http/header.h"
#include "http/request.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#define VARIABLES_MAX 64

/* Base64 by OpenSSL, for free(). */
static char *encode(const char *prefix, struct str text)
{
	char *out = malloc(strlen(prefix) + text.n * 2 + 8);
	size_t n = strlen(prefix);

	REQUIRE(out != NULL);
	memcpy(out, prefix, n);
	EVP_EncodeBlock((unsigned char *)out + n, (const unsigned char *)text.p, (int)text.n);
	return out;
}

static void check_authorization(struct str authorization)
{
	struct arena *arena = fuzz_arena();
	struct str user, password;
	char joined[8192];
	struct buf text = buf_init(joined, sizeof(joined));

	(void)header_is_repeated(authorization);
	(void)header_scheme_is(authorization, STR("Basic"));
	if (header_basic(authorization, arena, &user, &password) != REASON_NONE) {
		REQUIRE(user.n == 0 && password.n == 0);
		return;
	}
	REQUIRE(!str_has(user, ':'));
	buf_str(&text, user);
	buf_char(&text, ':');
	buf_str(&text, password);
	char *encoded = encode("", buf_view(&text));

	REQUIRE(text.overflow || str_ends(str_trim(authorization), str_of(encoded)));
	free(encoded);
}

/* What is encoded well is decoded. */
static void check_credentials(struct str credentials)
{
	struct str user, password, rest = credentials, name;
	char *encoded = encode("basic  ", credentials);
	bool has_colon = str_cut(&rest, ':', &name);
	bool done = header_basic(str_of(encoded), fuzz_arena(), &user, &password) ==
		    REASON_NONE;

	REQUIRE(done == has_colon);
	REQUIRE(!done || (str_eq(user, name) && str_eq(password, rest)));
	REQUIRE(!header_is_repeated(str_of(encoded)));
	free(encoded);
}

static void check_type(struct str type)
{
	const char *wanted = "application/x-www-form-urlencoded";

	if (header_is_form(type)) {
		type = str_trim(type);
		REQUIRE(type.n >= strlen(wanted));
		REQUIRE(str_eq_nocase(str_upto(type, strlen(wanted)), str_of(wanted)));
	}
}

/* An address is one by inet_pton, too. */
static void check_address(const struct http_request *request)
{
	static const struct netmask_list nobody = { 0 };
	static struct netmask masks[2];
	struct str text, own = http_variable(request, "REMOTE_ADDR");
	struct netaddr address = http_client_address(request, nobody, &text);
	unsigned char bytes[16];
	char *string = fuzz_string(own);

	REQUIRE(str_eq(text, own));
	if (inet_pton(AF_INET, string, bytes) == 1 && !str_has(own, '\0'))
		REQUIRE(address.known);
	free(string);
	REQUIRE(netmask_parse(STR("10.0.0.0/8"), &masks[0]));
	REQUIRE(netmask_parse(STR("::1"), &masks[1]));
	const struct netmask_list proxies = { masks, 2 };
	struct netaddr behind = http_client_address(request, proxies, &text);

	if (!http_from_trusted_proxy(request, proxies))
		REQUIRE(memcmp(behind.bytes, address.bytes, sizeof(address.bytes)) == 0);
	REQUIRE(!http_is_tls(request, nobody) || http_variable(request, "HTTPS").n > 0 ||
		http_variable(request, "REQUEST_SCHEME").n > 0);
	(void)http_is_tls(request, proxies);
}

static void check_length(const struct http_request *request)
{
	struct str text = http_variable(request, "CONTENT_LENGTH");
	size_t length;
	enum reason reason = http_content_length(request, &length);

	if (reason != REASON_NONE) {
		REQUIRE(length == 0);
		return;
	}
	REQUIRE(text.n > 0 && length <= HTTP_BODY_MAX);
	for (size_t i = 0; i < text.n; i++)
		REQUIRE(text.p[i] >= '0' && text.p[i] <= '9');
}

static void check_request(struct str lines)
{
	const char *variables[VARIABLES_MAX + 1];
	char *strings[VARIABLES_MAX];
	size_t count = 0;

	while (lines.n > 0 && count < VARIABLES_MAX) {
		struct str line = fuzz_line(&lines);

		if (!str_has(line, '=') || str_has(line, '\0'))
			continue;
		strings[count] = fuzz_string(line);
		variables[count] = strings[count];
		count++;
	}
	variables[count] = NULL;
	struct http_request request = { .variables = variables };

	REQUIRE(http_request_init(&request, fuzz_arena()) == REASON_NONE);
	REQUIRE(str_ends(request.path, request.path_info));
	check_address(&request);
	check_length(&request);
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	struct str authorization = fuzz_line(&rest), type = fuzz_line(&rest);
	struct str etags = fuzz_line(&rest);

	if (size > 4000)
		return 0;
	check_authorization(authorization);
	check_credentials(authorization);
	check_type(type);
	if (str_eq(str_trim(etags), STR("\"a\"")) || str_eq(str_trim(etags), STR("*")))
		REQUIRE(header_etag_matches(etags, STR("W/\"a\"")));
	if (header_etag_matches(etags, STR("\"a\"")))
		REQUIRE(str_has(etags, '*') || str_contains(etags, STR("\"a\"")));
	check_request(rest);
	return 0;
}
