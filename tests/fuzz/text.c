/* SPDX-License-Identifier: MIT */
/*
 * The small readers of text, each against another one: base64url, numbers, UTF-8, JSON strings,
 * URIs, addresses, times.
 */
#include "fuzz.h"

#include "util/b64url.h"
#include "util/clock.h"
#include "util/diag.h"
#include "util/netmask.h"
#include "util/uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <wchar.h>

#define TEXT_MAX 1024

static void check_base64url(struct str text)
{
	unsigned char bytes[TEXT_MAX];
	char room[2 * TEXT_MAX];
	struct buf encoded = buf_init(room, sizeof(room));
	size_t len;

	if (b64url_decode(text, bytes, sizeof(bytes), &len)) {
		b64url_encode(&encoded, bytes, len);
		REQUIRE(str_eq(buf_view(&encoded), text));
	} else {
		REQUIRE(len == 0);
	}
	encoded = buf_init(room, sizeof(room));
	b64url_encode(&encoded, text.p, text.n);
	REQUIRE(!encoded.overflow && encoded.n == B64URL_LEN(text.n));
	REQUIRE(b64url_decode(buf_view(&encoded), bytes, sizeof(bytes), &len));
	REQUIRE(len == text.n && memcmp(bytes, text.p, len) == 0);
}

static void check_number(struct str text)
{
	char *string = fuzz_string(text), *end;
	int64_t number, most = INT64_C(1) << 53;
	bool good = str_to_number(text, most, &number);
	bool digits = text.n > 0 && strspn(string, "0123456789") == text.n;

	errno = 0;
	long long other = strtoll(string, &end, 10);

	REQUIRE(good == (digits && text.n <= 19 && errno == 0 && other <= most));
	REQUIRE(number == (good ? other : 0));
	free(string);
}

/* RFC 3629 §4, by ranges of what a sequence says. */
static bool is_utf8(struct str s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = c < 0x80       ? 1
			   : c >> 5 == 6  ? 2
			   : c >> 4 == 14 ? 3
			   : c >> 3 == 30 ? 4
					  : 0;

		if (n == 0 || n > s.n - i)
			return false;
		uint32_t code = n == 1 ? c : c & (0xffU >> (n + 1));

		for (size_t k = 1; k < n; k++) {
			unsigned char next = (unsigned char)s.p[i + k];

			if (next >> 6 != 2)
				return false;
			code = code << 6 | (next & 0x3f);
		}
		if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		i += n;
	}
	return true;
}

/* Whatever the bytes, it is JSON, and the same text if it is one. */
static void check_json(struct str text)
{
	char room[8 * TEXT_MAX];
	struct buf buf = buf_init(room, sizeof(room));

	REQUIRE(str_is_utf8(text) == is_utf8(text));
	buf_json(&buf, text);
	REQUIRE(!buf.overflow);
	for (size_t i = 0; i < buf.n; i++)
		REQUIRE((unsigned char)room[i] >= ' ' && room[i] != '\x7f');
	json_t *json = json_loadb(room, buf.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	REQUIRE(json_is_string(json));
	if (is_utf8(text))
		REQUIRE(str_eq(text,
			(struct str){ json_string_value(json), json_string_length(json) }));
	json_decref(json);
}

static void check_uri(struct str text)
{
	struct arena *arena = fuzz_arena();
	struct str normal, again;
	struct uri uri;

	if (!uri_parse(text, &uri)) {
		REQUIRE(!uri_is_absolute(text) && uri.scheme.n == 0);
		return;
	}
	REQUIRE(uri_is_absolute(text) == !uri.has_fragment);
	REQUIRE(str_starts(text, uri.scheme) && uri.scheme.n > 0);
	(void)uri_server_problem(text);
	if (uri_normalize(text, arena, &normal) != REASON_NONE) {
		REQUIRE(normal.n == 0);
		return;
	}
	REQUIRE(!uri_has_server(&uri) || uri_normalize(normal, arena, &again) == REASON_NONE);
	REQUIRE(!uri_has_server(&uri) || str_eq(normal, again));
	REQUIRE(!str_has(normal, '?') && !str_has(normal, '#'));
}

static void check_address(struct str text)
{
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff };
	char *string = fuzz_string(text);
	unsigned char v4[4], v6[16];
	struct netaddr address;
	struct netmask mask;
	bool has_nul = str_has(text, '\0');
	bool is_v4 = !has_nul && inet_pton(AF_INET, string, v4) == 1;
	bool is_v6 = !has_nul && inet_pton(AF_INET6, string, v6) == 1;

	REQUIRE(netaddr_parse(text, &address) == (is_v4 || is_v6));
	if (is_v4)
		REQUIRE(memcmp(address.bytes, mapped, 12) == 0 &&
			memcmp(address.bytes + 12, v4, 4) == 0);
	if (is_v6)
		REQUIRE(memcmp(address.bytes, v6, 16) == 0);
	if (netmask_parse(text, &mask)) {
		const struct netmask_list list = { &mask, 1 };

		REQUIRE(mask.bits <= 128 && netmask_list_has(list, &mask.address));
		REQUIRE(!address.known || netmask_list_has(list, &address));
	}
	free(string);
}

static void check_time(struct str text)
{
	char room[64];
	struct buf buf = buf_init(room, sizeof(room));
	int64_t time_s, again_s;

	if (!clock_parse(text, &time_s)) {
		REQUIRE(time_s == 0);
		return;
	}
	clock_format(&buf, time_s * 1000, false);
	REQUIRE(clock_parse(buf_view(&buf), &again_s));
	REQUIRE(time_s == again_s);
}

static void check_nearest(struct str text)
{
	static const struct str names[] = { STR_CONST("issuer"), STR_CONST("clients"),
		STR_CONST("scopes") };
	struct str nearest = diag_nearest(text, names, COUNT(names));

	REQUIRE(nearest.n == 0 ||
		str_list_has((struct str_list){ names, COUNT(names) }, nearest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(fuzz_input(data, size));
	struct str text = { copy, size };

	if (size < TEXT_MAX) {
		check_base64url(text);
		check_number(text);
		check_json(text);
		check_uri(text);
		check_address(text);
		check_time(text);
		check_nearest(text);
	}
	free(copy);
	return 0;
}
