/* SPDX-License-Identifier: MIT */
/* Tests of util/b64url, with the vectors of RFC 4648 §10. */
#include "support.h"
#include "util/b64url.h"

struct decode_case {
	const char *name;
	struct str text;
	bool ok;
	struct str bytes;
};

static void test_encode(void **state)
{
	static const struct {
		struct str bytes;
		struct str text;
	} cases[] = {
		{ TEXT(""), TEXT("") },
		{ TEXT("f"), TEXT("Zg") },
		{ TEXT("fo"), TEXT("Zm8") },
		{ TEXT("foo"), TEXT("Zm9v") },
		{ TEXT("foob"), TEXT("Zm9vYg") },
		{ TEXT("fooba"), TEXT("Zm9vYmE") },
		{ TEXT("foobar"), TEXT("Zm9vYmFy") },
		{ TEXT("\xfb\xff\xfe"), TEXT("-__-") },
		{ TEXT("\0\0\0"), TEXT("AAAA") },
		/* RFC 7515 appendix C */
		{ TEXT("\x03\xec\xff\xe0\xc1"), TEXT("A-z_4ME") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char space[16];
		struct buf buf = buf_init(space, sizeof(space));

		b64url_encode(&buf, cases[i].bytes.p, cases[i].bytes.n);
		CHECK_TEXT(buf_view(&buf), cases[i].text, cases[i].text.p);
		CHECK_NUMBER(B64URL_LEN(cases[i].bytes.n), cases[i].text.n, cases[i].text.p);
	}
	check_end();
}

static void check_decode(const struct decode_case *cases, size_t count, bool url)
{
	for (size_t i = 0; i < count; i++) {
		char out[64];
		size_t len = 4711;
		bool ok = url ? b64url_decode(cases[i].text, out, sizeof(out), &len)
			      : b64_decode(cases[i].text, out, sizeof(out), &len);

		CHECK(ok == cases[i].ok, cases[i].name);
		CHECK_TEXT(((struct str){ out, len }), cases[i].bytes, cases[i].name);
	}
	check_end();
}

static void test_decode_url(void **state)
{
	static const struct decode_case cases[] = {
		{ "RFC 4648, 0", TEXT(""), true, TEXT("") },
		{ "RFC 4648, 1", TEXT("Zg"), true, TEXT("f") },
		{ "RFC 4648, 2", TEXT("Zm8"), true, TEXT("fo") },
		{ "RFC 4648, 3", TEXT("Zm9v"), true, TEXT("foo") },
		{ "RFC 4648, 4", TEXT("Zm9vYg"), true, TEXT("foob") },
		{ "RFC 4648, 5", TEXT("Zm9vYmE"), true, TEXT("fooba") },
		{ "RFC 4648, 6", TEXT("Zm9vYmFy"), true, TEXT("foobar") },
		{ "minus and underscore", TEXT("-__-"), true, TEXT("\xfb\xff\xfe") },
		{ "plus and slash", TEXT("+//+"), false, TEXT("") },
		{ "padding", TEXT("Zg=="), false, TEXT("") },
		{ "half the padding", TEXT("Zg="), false, TEXT("") },
		{ "only padding", TEXT("===="), false, TEXT("") },
		{ "one character", TEXT("Z"), false, TEXT("") },
		{ "five characters", TEXT("Zm9vY"), false, TEXT("") },
		{ "bits behind the last byte, 1", TEXT("Zh"), false, TEXT("") },
		{ "bits behind the last byte, 2", TEXT("Zm9"), false, TEXT("") },
		{ "highest bit behind the last byte", TEXT("Zo"), false, TEXT("") },
		{ "newline at the end", TEXT("Zm9v\n"), false, TEXT("") },
		{ "space inside", TEXT("Zm 9v"), false, TEXT("") },
		{ "space for a character", TEXT("Zm v"), false, TEXT("") },
		{ "NUL", TEXT("Zm9\0"), false, TEXT("") },
		{ "high byte", TEXT("Zm9\xff"), false, TEXT("") },
		{ "bad at the start", TEXT("*m9v"), false, TEXT("") },
	};

	(void)state;
	check_decode(cases, COUNT(cases), true);
}

static void test_decode_padded(void **state)
{
	static const struct decode_case cases[] = {
		{ "RFC 4648, 0", TEXT(""), true, TEXT("") },
		{ "RFC 4648, 1", TEXT("Zg=="), true, TEXT("f") },
		{ "RFC 4648, 2", TEXT("Zm8="), true, TEXT("fo") },
		{ "RFC 4648, 3", TEXT("Zm9v"), true, TEXT("foo") },
		{ "RFC 4648, 4", TEXT("Zm9vYg=="), true, TEXT("foob") },
		{ "RFC 4648, 5", TEXT("Zm9vYmE="), true, TEXT("fooba") },
		{ "RFC 4648, 6", TEXT("Zm9vYmFy"), true, TEXT("foobar") },
		{ "plus and slash", TEXT("+//+"), true, TEXT("\xfb\xff\xfe") },
		{ "minus and underscore", TEXT("-__-"), false, TEXT("") },
		{ "no padding, 1", TEXT("Zg"), false, TEXT("") },
		{ "no padding, 2", TEXT("Zm8"), false, TEXT("") },
		{ "half the padding", TEXT("Zg="), false, TEXT("") },
		{ "too much padding", TEXT("Zm8=="), false, TEXT("") },
		{ "too much padding, whole", TEXT("Zm9v===="), false, TEXT("") },
		{ "three of padding", TEXT("Z==="), false, TEXT("") },
		{ "only padding", TEXT("===="), false, TEXT("") },
		{ "padding inside", TEXT("Zg==Zg=="), false, TEXT("") },
		{ "padding before the last", TEXT("Zm=v"), false, TEXT("") },
		{ "bits behind the last byte, 1", TEXT("Zh=="), false, TEXT("") },
		{ "bits behind the last byte, 2", TEXT("Zm9="), false, TEXT("") },
		{ "newline at the end", TEXT("Zm9v\n"), false, TEXT("") },
		{ "space at the start", TEXT(" Zm9v"), false, TEXT("") },
		{ "NUL", TEXT("Zm9\0"), false, TEXT("") },
	};

	(void)state;
	check_decode(cases, COUNT(cases), false);
}

/* Each of the 256 bytes in each of the four places. */
static void test_alphabet(void **state)
{
	static const char common[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool both = c && strchr(common, (int)c);

		for (size_t place = 0; place < 4; place++) {
			char text[5] = "AAAA";
			char name[32];
			unsigned char out[3];
			size_t len;

			text[place] = (char)c;
			snprintf(name, sizeof(name), "byte 0x%02x at %zu", c, place);
			CHECK(b64url_decode((struct str){ text, 4 }, out, sizeof(out), &len) ==
					(both || c == '-' || c == '_'),
				name);
			CHECK(b64_decode((struct str){ text, 4 }, out, sizeof(out), &len) ==
					(both || c == '+' || c == '/' ||
						(c == '=' && place == 3)),
				name);
		}
	}
	check_end();
}

static void test_round_trip(void **state)
{
	unsigned char bytes[256], out[256];
	char text[350];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct buf buf = buf_init(text, sizeof(text));
		size_t len;

		b64url_encode(&buf, bytes, n);
		CHECK_NUMBER(buf.n, B64URL_LEN(n), "length");
		CHECK(b64url_decode(buf_view(&buf), out, sizeof(out), &len), "decodes");
		CHECK_TEXT(((struct str){ (const char *)out, len }),
			((struct str){ (const char *)bytes, n }), "same bytes");
	}
	check_end();
}

/* As RFC 4648 §4 and §5 tell it: bit by bit, with the alphabet as a table. */
static size_t reference_encode(const unsigned char *bytes, size_t n, char *text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = 0;

	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		unsigned value = 0;

		for (size_t i = bit; i < bit + 6; i++)
			value = value << 1 | (i < 8 * n && (bytes[i / 8] >> (7 - i % 8) & 1));
		text[len++] = alphabet[value];
	}
	return len;
}

/* The text with '+' and '/' for '-' and '_', and with padding. */
static size_t to_plain(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (len % 4 != 0)
		text[len++] = '=';
	return len;
}

/* Each length up to some groups, each place in it, each byte there; both directions. */
static void test_reference(void **state)
{
	unsigned char bytes[26], out[26 + 1];
	char text[36], wanted[36], name[40];

	(void)state;
	for (unsigned round = 0; round < 26 * 26 * 256; round++) {
		const size_t n = round / 26 / 256 + 1, place = round / 256 % 26;
		struct buf buf = buf_init(text, sizeof(text));
		size_t len;

		if (place >= n)
			continue;
		snprintf(name, sizeof(name), "0x%02x at %zu of %zu", round % 256, place, n);
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(i * 151 + n * 7);
		bytes[place] = (unsigned char)round;
		size_t wanted_len = reference_encode(bytes, n, wanted);

		b64url_encode(&buf, bytes, n);
		CHECK_TEXT(buf_view(&buf), ((struct str){ wanted, wanted_len }), name);
		out[n] = '#';
		CHECK(b64url_decode(buf_view(&buf), out, n, &len), name);
		CHECK(len == n && memcmp(out, bytes, n) == 0 && out[n] == '#', name);
		wanted_len = to_plain(wanted, wanted_len);
		CHECK(b64_decode((struct str){ wanted, wanted_len }, out, n, &len), name);
		CHECK(len == n && memcmp(out, bytes, n) == 0 && out[n] == '#', name);
	}
	check_end();
}

/* Each byte that is no digit, at each place of each length, costs the whole text. */
static void test_bad(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[20], name[40];
	unsigned char out[15], none[15] = { 0 };

	(void)state;
	for (unsigned round = 0; round < 20 * 20 * 256; round++) {
		const size_t n = round / 20 / 256 + 1, place = round / 256 % 20;
		const char c = (char)(round % 256);
		size_t len = 4711;

		if (place >= n || n % 4 == 1 || memchr(digits, c, 64) != NULL)
			continue;
		snprintf(name, sizeof(name), "0x%02x at %zu of %zu", round % 256, place, n);
		memset(text, 'A', n);
		memset(out, 0, sizeof(out));
		text[0] = '-';
		text[place] = c;
		CHECK(!b64url_decode((struct str){ text, n }, out, sizeof(out), &len), name);
		CHECK(len == 0 && memcmp(out, none, sizeof(out)) == 0, name);
	}
	check_end();
}

/* Only the bits behind the last byte must be zero, and all of them. */
static void test_last_bits(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[16];
	unsigned char out[12];

	(void)state;
	for (size_t n = 2; n <= sizeof(text); n++) {
		const unsigned unused = n % 4 == 2 ? 15 : n % 4 == 3 ? 3 : 0;

		for (unsigned v = 0; n % 4 != 1 && v < 64; v++) {
			size_t len;

			memset(text, '_', n);
			text[n - 1] = digits[v];
			CHECK(b64url_decode((struct str){ text, n }, out, sizeof(out), &len) ==
					((v & unused) == 0),
				"bits behind the last byte");
		}
	}
	check_end();
}

static void test_space(void **state)
{
	char text[4], out[8] = "#######";
	struct buf buf = buf_init(text, 3);
	size_t len = 4711;

	(void)state;
	b64url_encode(&buf, "foo", 3);
	CHECK(buf.overflow, "encoded text does not fit");
	CHECK_NUMBER(buf.n, 0, "and is not there in part");
	CHECK(!b64url_decode(STR("Zm9vYmFy"), out, 5, &len), "one byte too few");
	CHECK_NUMBER(len, 0, "nothing written");
	CHECK(out[5] == '#', "nothing behind the buffer");
	CHECK(!b64_decode(STR("Zm9vYmFy"), out, 0, &len), "no room at all");
	CHECK(b64url_decode(STR("Zm9v"), out, 4 / 4 * 3 + 2, &len), "the size that suffices");
	CHECK(b64url_decode(STR("Zm9vYg"), out, 6 / 4 * 3 + 2, &len), "the size that suffices");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode_url),
		cmocka_unit_test(test_decode_padded),
		cmocka_unit_test(test_alphabet),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_last_bits),
		cmocka_unit_test(test_space),
	};

	return cmocka_run_group_tests_name("b64url", tests, NULL, NULL);
}
