/* SPDX-License-Identifier: MIT */
/* Tests of jose/dn. */
#include "certificates.h"
#include "jose/dn.h"

#include <openssl/err.h>

static void test_valid(void **state)
{
	static const struct {
		struct str text;
		bool ok;
	} cases[] = {
		/* RFC 4514 §4 */
		{ TEXT("UID=jsmith,DC=example,DC=net"), true },
		{ TEXT("OU=Sales+CN=J.  Smith,DC=example,DC=net"), true },
		{ TEXT("CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net"), true },
		{ TEXT("CN=Before\\0dAfter,DC=example,DC=net"), true },
		{ TEXT("1.3.6.1.4.1.1466.0=#04024869"), true },
		{ TEXT("CN=Lu\\C4\\8Di\\C4\\87"), true },
		/* types */
		{ TEXT("CN=a,L=a,ST=a,O=a,OU=a,C=DE,STREET=a,DC=a,UID=a"), true },
		{ TEXT("cn=a,l=a,st=a,o=a,ou=a,c=DE,street=a,dc=a,uid=a"), true },
		{ TEXT("cN=a,Street=a"), true },
		{ TEXT("emailAddress=a@b.example,serialNumber=1,SN=b,GN=c"), true },
		{ TEXT("2.5.4.3=client"), true },
		{ TEXT("1.2.840.113549.1.9.1=a@b.example"), true },
		{ TEXT("0.9.2342.19200300.100.1.1=a"), true },
		{ TEXT("CNX=a"), false },
		{ TEXT("commonname=a"), false },
		{ TEXT("X=a"), false },
		{ TEXT("=a"), false },
		{ TEXT("CN"), false },
		{ TEXT("a"), false },
		{ TEXT(" CN=a"), false },
		{ TEXT("CN\0=a"), false },
		{ TEXT("CN=a,\0O=b"), false },
		{ TEXT("OID.2.5.4.3=a"), false },
		{ TEXT("2=a"), false },
		{ TEXT("2.=a"), false },
		{ TEXT(".2=a"), false },
		{ TEXT("2..5=a"), false },
		{ TEXT("2.05.4.3=a"), false },
		{ TEXT("2.5.4.3.=a"), false },
		{ TEXT("2.5.4.x=a"), false },
		{ TEXT("3.1=a"), false },
		{ TEXT("1.40=a"), false },
		{ TEXT("2.5.-4=a"), false },
		{ TEXT("2.25.329800735698586629295641978511506172918=a"), true },
		/* values */
		{ TEXT("CN="), true },
		{ TEXT("CN=,O="), true },
		{ TEXT("CN=a=b"), true },
		{ TEXT("CN=a\\=b"), true },
		{ TEXT("CN=a#b#"), true },
		{ TEXT("CN=\\#a"), true },
		{ TEXT("CN=\\ a\\ "), true },
		{ TEXT("CN=\\ "), true },
		{ TEXT("CN=a  b"), true },
		{ TEXT("CN=a\\,b\\+c\\;d\\<e\\>f\\\\g\\\"h"), true },
		{ TEXT("CN=\\2c\\2C\\00"), true },
		{ TEXT("CN=\xc3\xa4\xf0\x9f\x98\x80"), true },
		{ TEXT("CN=\x01\x7f"), true },
		{ TEXT("CN=a\"b"), false },
		{ TEXT("CN=\"a\""), false },
		{ TEXT("CN=a;O=b"), false },
		{ TEXT("CN=<a>"), false },
		{ TEXT("CN=a\0b"), false },
		{ TEXT("CN=a\\"), false },
		{ TEXT("CN=a\\4"), false },
		{ TEXT("CN=a\\4g"), false },
		{ TEXT("CN=a\\a"), false },
		{ TEXT("CN=a\\n"), false },
		{ TEXT("CN=a\\/b"), false },
		{ TEXT("CN=\xff"), false },
		{ TEXT("CN=\\ff"), false },
		{ TEXT("CN=\\c0\\af"), false },
		{ TEXT("CN=\\ed\\a0\\80"), false },
		{ TEXT("CN=\xc3"), false },
		{ TEXT("CN=#"), false },
		{ TEXT("CN=#0"), false },
		{ TEXT("CN=#0c0"), false },
		{ TEXT("CN=#0c0161"), true },
		{ TEXT("CN=#0C0161,O=b"), true },
		{ TEXT("CN=#0c016161"), false },
		{ TEXT("CN=#0c02 61"), false },
		{ TEXT("CN=#0c0261"), false },
		{ TEXT("CN=#xx"), false },
		{ TEXT("CN=#0c01\\61"), false },
		/* blanks around separators (RFC 2253 §4), and elsewhere */
		{ TEXT("CN=client, O=Example"), true },
		{ TEXT("CN = client, O = Example"), true },
		{ TEXT("CN =a"), true },
		{ TEXT("CN  =  a"), true },
		{ TEXT("CN=a ,O=b"), true },
		{ TEXT("CN=a + UID=b  ,  O=c"), true },
		{ TEXT("2.5.4.3 = a , 2.5.4.10 = b"), true },
		{ TEXT("CN= #0c0161 , O=b"), true },
		{ TEXT("CN= "), true },
		{ TEXT("CN= ,O=b"), true },
		{ TEXT("CN= \\ "), true },
		{ TEXT("CN=a\\  ,O=b"), true },
		{ TEXT("CN=a "), false },
		{ TEXT("CN=a\\  "), false },
		{ TEXT("CN=#0c0161 "), false },
		{ TEXT("CN=a,O=b "), false },
		{ TEXT("C N=a"), false },
		{ TEXT(" =a"), false },
		{ TEXT("CN=a, =b"), false },
		{ TEXT("CN=a, "), false },
		{ TEXT("CN=a, ,O=b"), false },
		{ TEXT("CN=a + "), false },
		{ TEXT("CN=# 0c0161"), false },
		{ TEXT("CN=#0c01 61,O=b"), false },
		{ TEXT("CN\\ =a"), false },
		{ TEXT("CN\t=a"), false },
		{ TEXT("CN=a,\tO=b"), false },
		{ TEXT("CN=a,\xc2\xa0O=b"), false },
		{ TEXT("CN=\"a\", O=b"), false },
		/* the whole */
		{ TEXT(""), false },
		{ TEXT(" "), false },
		{ TEXT(","), false },
		{ TEXT("CN=a,"), false },
		{ TEXT(",CN=a"), false },
		{ TEXT("CN=a,,O=b"), false },
		{ TEXT("CN=a+"), false },
		{ TEXT("CN=a+,O=b"), false },
		{ TEXT("+CN=a"), false },
		{ TEXT("CN=a++O=b"), false },
		{ TEXT("/CN=a/O=b"), false },
		{ TEXT("CN=a\n"), true },
		{ TEXT("CN=a,\nO=b"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(dn_is_valid(cases[i].text) == cases[i].ok, cases[i].text.p);
		CHECK_NUMBER(ERR_peek_error(), 0, cases[i].text.p);
	}
	check_end();
}

/* Values and types at their limits, and texts that are cut off anywhere. */
static void test_sizes(void **state)
{
	static const struct {
		size_t len;
		bool ok;
	} cases[] = { { 1, true }, { DN_VALUE_MAX, true }, { DN_VALUE_MAX + 1, false },
		{ 100000, false } };
	static const char whole[] = "CN=a\\,\\C3\\A4,O=#0c0161";

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = malloc(cases[i].len + 3);
		struct test_entry entry = { "CN", V_ASN1_UTF8STRING, { 0 }, 0 };
		X509_NAME *name;

		assert_non_null(text);
		memset(text, 'a', cases[i].len + 3);
		memcpy(text, "CN=", 3);
		CHECK(dn_is_valid((struct str){ text, cases[i].len + 3 }) == cases[i].ok,
			"value");
		entry.value = (struct str){ text + 3, cases[i].len };
		name = support_name(&entry, 1);
		CHECK(dn_matches((struct str){ text, cases[i].len + 3 }, name) == cases[i].ok,
			"value");
		memset(text, '1', cases[i].len + 3);
		CHECK(!dn_is_valid((struct str){ text, cases[i].len + 3 }), "type");
		X509_NAME_free(name);
		free(text);
	}
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, whole, n);
		/* behind "CN=", "a", the comma, the letter and "O=" */
		CHECK(dn_is_valid((struct str){ copy, n }) ==
				(n == 3 || n == 4 || n == 6 || n == 12 || n == 15 ||
					n == sizeof(whole) - 1),
			"cut off");
		free(copy);
	}
	check_end();
}

#define UTF8 V_ASN1_UTF8STRING
#define PRINTABLE V_ASN1_PRINTABLESTRING
#define IA5 V_ASN1_IA5STRING

/* In the order of a certificate: from the country down. */
static const struct test_entry client[] = {
	{ "C", PRINTABLE, TEXT("DE"), 0 },
	{ "O", UTF8, TEXT("Example, Inc."), 0 },
	{ "CN", UTF8, TEXT("client"), 0 },
};

static void check_match(struct str text, const struct test_entry *entries, size_t count,
	bool wanted, const char *name)
{
	X509_NAME *read = support_read_name(entries, count);

	CHECK(dn_matches(text, read) == wanted, name);
	CHECK_NUMBER(ERR_peek_error(), 0, name);
	X509_NAME_free(read);
}

static void test_match(void **state)
{
	static const struct {
		struct str text;
		bool wanted;
	} cases[] = {
		{ TEXT("CN=client,O=Example\\, Inc.,C=DE"), true },
		{ TEXT("CN=client,O=Example\\2c Inc.,C=DE"), true },
		{ TEXT("CN=\\63lient,O=Example\\2C\\20Inc.,C=\\44\\45"), true },
		{ TEXT("cn=client,o=Example\\, Inc.,c=DE"), true },
		{ TEXT("2.5.4.3=client,2.5.4.10=Example\\, Inc.,2.5.4.6=DE"), true },
		{ TEXT("CN=#0c06636c69656e74,O=Example\\, Inc.,C=#13024445"), true },
		/* the string type is part of the encoding */
		{ TEXT("CN=#1306636c69656e74,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=#0c06636c69656e75,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("C=DE,O=Example\\, Inc.,CN=client"), false },
		{ TEXT("O=Example\\, Inc.,CN=client,C=DE"), false },
		{ TEXT("CN=client"), false },
		{ TEXT("C=DE"), false },
		{ TEXT("CN=client,O=Example\\, Inc."), false },
		{ TEXT("O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client,C=DE"), false },
		{ TEXT("CN=client,O=Example\\, Inc.,C=DE,DC=x"), false },
		{ TEXT("DC=x,CN=client,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client,CN=client,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client+O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client,O=Example\\, Inc.+C=DE"), false },
		{ TEXT("CN=Client,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client,O=Example\\, Inc.,C=de"), false },
		{ TEXT("CN=client2,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=clien,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client\\ ,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=client,O=Example\\,  Inc.,C=DE"), false },
		{ TEXT("CN=client\\00,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("OU=client,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=,O=Example\\, Inc.,C=DE"), false },
		{ TEXT("CN=*,O=*,C=*"), false },
		{ TEXT("CN=client,O=Example, Inc.,C=DE"), false },
		{ TEXT("CN=client, O=Example\\, Inc., C=DE"), true },
		{ TEXT("CN = client, O = Example\\, Inc., C = DE"), true },
		{ TEXT("CN  =  client  ,  O =Example\\,\\ Inc. , C= #13024445"), true },
		{ TEXT("CN=\\ client, O=Example\\, Inc., C=DE"), false },
		{ TEXT("CN=client\\ , O=Example\\, Inc., C=DE"), false },
		{ TEXT("CN=cli ent, O=Example\\, Inc., C=DE"), false },
		{ TEXT("CN=client, O=Example\\,Inc., C=DE"), false },
		{ TEXT("CN=client + O=Example\\, Inc., C=DE"), false },
		{ TEXT("C = DE, O = Example\\, Inc., CN = client"), false },
		{ TEXT("CN=client,O=Example\\, Inc.,C=DE,"), false },
		{ TEXT("/C=DE/O=Example, Inc./CN=client"), false },
		{ TEXT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_match(
			cases[i].text, client, COUNT(client), cases[i].wanted, cases[i].text.p);
	check_end();
}

/* Two common names, one of them another client's, in one RDN and in two. */
static void test_two_names(void **state)
{
	static const struct test_entry two[] = {
		{ "CN", UTF8, TEXT("b"), 0 },
		{ "CN", UTF8, TEXT("a"), 0 },
	};
	static const struct test_entry one[] = {
		{ "CN", UTF8, TEXT("b"), 0 },
		{ "CN", UTF8, TEXT("a"), -1 },
	};

	(void)state;
	check_match(STR("CN=a,CN=b"), two, 2, true, "two RDNs");
	check_match(STR("CN=b,CN=a"), two, 2, false, "other order");
	check_match(STR("CN=a"), two, 2, false, "one of two");
	check_match(STR("CN=b"), two, 2, false, "one of two");
	check_match(STR("CN=a+CN=b"), two, 2, false, "one RDN, not two");
	check_match(STR("CN=a\\,CN\\=b"), two, 2, false, "escaped");
	check_match(STR("CN=a+CN=b"), one, 2, true, "one RDN");
	check_match(STR("CN=b+CN=a"), one, 2, true, "in any order");
	check_match(STR("CN = b + CN = a"), one, 2, true, "with blanks");
	check_match(STR("CN=a+CN=a"), one, 2, false, "twice the same");
	check_match(STR("CN=b+CN=b"), one, 2, false, "twice the same");
	check_match(STR("CN=a"), one, 2, false, "one of two");
	check_match(STR("CN=a,CN=b"), one, 2, false, "two RDNs, not one");
	check_match(STR("CN=a+CN=b+CN=c"), one, 2, false, "one more");
	check_end();
}

static void test_injection(void **state)
{
	static const struct test_entry entries[] = {
		{ "O", UTF8, TEXT("Example"), 0 },
		{ "CN", UTF8, TEXT("client,O=Other"), 0 },
	};

	(void)state;
	check_match(STR("CN=client,O=Other,O=Example"), entries, 2, false, "not escaped");
	check_match(STR("CN=client\\,O\\=Other,O=Example"), entries, 2, true, "escaped");
	check_match(STR("CN=client\\,O=Other,O=Example"), entries, 2, true, "escaped");
	check_end();
}

/* However many blanks stand around a value, they do not count as a part of it. */
static void test_many_blanks(void **state)
{
	static char text[3 * 5000 + DN_VALUE_MAX + 8];
	static const size_t blanks[] = { 0, 1, 5000 };

	(void)state;
	for (size_t i = 0; i < COUNT(blanks); i++) {
		struct buf buf = buf_init(text, sizeof(text));
		size_t at;

		buf_text(&buf, "CN=");
		for (size_t n = 0; n < blanks[i]; n++)
			buf_char(&buf, ' ');
		at = buf.n;
		for (size_t n = 0; n < DN_VALUE_MAX; n++)
			buf_char(&buf, 'a');
		struct test_entry entries[] = { { "O", UTF8, TEXT("b"), 0 },
			{ "CN", UTF8, { text + at, DN_VALUE_MAX }, 0 } };
		for (size_t n = 0; n < blanks[i]; n++)
			buf_char(&buf, ' ');
		buf_char(&buf, ',');
		for (size_t n = 0; n < blanks[i]; n++)
			buf_char(&buf, ' ');
		buf_text(&buf, "O=b");
		assert_false(buf.overflow);
		X509_NAME *name = support_name(entries, COUNT(entries));

		CHECK(dn_is_valid(buf_view(&buf)), "valid");
		CHECK(dn_matches(buf_view(&buf), name), "matches");
		X509_NAME_free(name);
	}
	/* Those inside of a value do. */
	memset(text, ' ', sizeof(text));
	memcpy(text, "CN=a", 4);
	text[3 + DN_VALUE_MAX - 1] = 'b';
	CHECK(dn_is_valid((struct str){ text, 3 + DN_VALUE_MAX }), "the most");
	text[3 + DN_VALUE_MAX - 1] = ' ';
	text[3 + DN_VALUE_MAX] = 'b';
	CHECK(!dn_is_valid((struct str){ text, 3 + DN_VALUE_MAX + 1 }), "one more");
	check_end();
}

/* An encoded value has its limit, too, and so have blanks inside of a text. */
static void test_long_values(void **state)
{
	static char text[4 + 2 * (DN_VALUE_MAX + 1)];
	const size_t head = 4, largest = DN_VALUE_MAX;

	(void)state;
	/* A UTF8String of 1020 characters behind four bytes, and of one more. */
	for (size_t more = 0; more < 2; more++) {
		const size_t content = largest - head + more;

		memset(text, '6', sizeof(text));
		snprintf(text, sizeof(text), "CN=#0c82%04zx", content);
		text[12] = '6';
		CHECK(dn_is_valid((struct str){ text, 4 + 2 * (head + content) }) ==
				(more == 0),
			"encoded");
	}
	for (size_t blanks = 1; blanks < 4; blanks++) {
		memset(text, 'a', sizeof(text));
		memcpy(text, "CN=", 3);
		memset(text + 3 + largest - 2, ' ', blanks);
		CHECK(dn_is_valid((struct str){ text, 3 + largest - 2 + blanks + 1 }) ==
				(blanks == 1),
			"blanks");
	}
	check_end();
}

/* A type that is longer than any that is compared is none of the text's. */
static void test_long_type(void **state)
{
	char type[256] = "1.2.3";
	const struct test_entry entry = { type, UTF8, TEXT("a"), 0 };

	(void)state;
	check_match(STR("1.2.3=a"), &entry, 1, true, "short");
	while (strlen(type) < 200)
		strncat(type, ".123456789", 11);
	check_match(STR("1.2.3=a"), &entry, 1, false, "long");
	type[127] = '\0';
	CHECK(!dn_is_valid((struct str){ type, strlen(type) }), "no value");
	check_end();
}

/* Whatever string type a certificate has, the text is compared as UTF-8. */
static void test_string_types(void **state)
{
	static const struct {
		const char *name;
		struct test_entry entry;
		struct str text;
		bool wanted;
	} cases[] = {
		{ "printable", { "CN", PRINTABLE, TEXT("abc"), 0 }, TEXT("CN=abc"), true },
		{ "IA5", { "DC", IA5, TEXT("abc"), 0 }, TEXT("DC=abc"), true },
		{ "BMP", { "CN", V_ASN1_BMPSTRING, TEXT("\0a\x01\x0d"), 0 },
			TEXT("CN=a\xc4\x8d"), true },
		{ "universal", { "CN", V_ASN1_UNIVERSALSTRING, TEXT("\0\0\0a\0\1\xf6\0"), 0 },
			TEXT("CN=a\xf0\x9f\x98\x80"), true },
		{ "T61, as Latin-1", { "CN", V_ASN1_T61STRING, TEXT("\xe4"), 0 },
			TEXT("CN=\xc3\xa4"), true },
		{ "UTF-8", { "CN", UTF8, TEXT("Lu\xc4\x8di\xc4\x87"), 0 },
			TEXT("CN=Lu\\C4\\8Di\\C4\\87"), true },
		{ "composed and decomposed", { "CN", UTF8, TEXT("\xc3\xa4"), 0 },
			TEXT("CN=a\xcc\x88"), false },
		{ "empty", { "CN", UTF8, TEXT(""), 0 }, TEXT("CN="), true },
		{ "NUL", { "CN", UTF8, TEXT("a\0b"), 0 }, TEXT("CN=a"), false },
		{ "NUL, as it is", { "CN", UTF8, TEXT("a\0b"), 0 }, TEXT("CN=a\\00b"), true },
		{ "NUL at the end", { "CN", UTF8, TEXT("a\0"), 0 }, TEXT("CN=a"), false },
		{ "space", { "CN", UTF8, TEXT(" a "), 0 }, TEXT("CN=\\ a\\20"), true },
		{ "space beside blanks", { "CN", UTF8, TEXT(" a "), 0 }, TEXT("CN = \\ a\\ "),
			true },
		{ "blanks for a space", { "CN", UTF8, TEXT(" a"), 0 }, TEXT("CN= a"), false },
		{ "empty, with blanks", { "CN", UTF8, TEXT(""), 0 }, TEXT("CN = "), true },
		{ "unknown type", { "1.2.3.4.5", UTF8, TEXT("a"), 0 },
			TEXT("1.2.3.4.5=#0c0161"), true },
		{ "unknown type, as text", { "1.2.3.4.5", UTF8, TEXT("a"), 0 },
			TEXT("1.2.3.4.5=a"), true },
		{ "type made of a UUID",
			{ "2.25.329800735698586629295641978511506172918", UTF8, TEXT("a"), 0 },
			TEXT("2.25.329800735698586629295641978511506172918=a"), true },
		{ "type made of another UUID",
			{ "2.25.329800735698586629295641978511506172918", UTF8, TEXT("a"), 0 },
			TEXT("2.25.329800735698586629295641978511506172919=a"), false },
		{ "another unknown type", { "1.2.3.4.5", UTF8, TEXT("a"), 0 },
			TEXT("1.2.3.4.6=a"), false },
		{ "longer unknown type", { "1.2.3.4", UTF8, TEXT("a"), 0 }, TEXT("1.2.3.4.5=a"),
			false },
		{ "bits", { "x500UniqueIdentifier", V_ASN1_BIT_STRING, TEXT("\1"), 0 },
			TEXT("x500UniqueIdentifier=\\01"), false },
		{ "email", { "emailAddress", IA5, TEXT("a@b.example"), 0 },
			TEXT("emailAddress=a@b.example"), true },
		{ "UID", { "UID", UTF8, TEXT("a"), 0 }, TEXT("0.9.2342.19200300.100.1.1=a"),
			true },
		{ "STREET", { "street", UTF8, TEXT("a"), 0 }, TEXT("STREET=a"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_match(cases[i].text, &cases[i].entry, 1, cases[i].wanted, cases[i].name);
	check_end();
}

static void test_empty_name(void **state)
{
	(void)state;
	check_match(STR(""), client, 0, false, "nothing is not the empty name");
	check_match(STR("CN="), client, 0, false, "an RDN");
	check_match(STR("CN=client"), client, 0, false, "an RDN");
	check_end();
}

/* An RDN of more attributes than are ever looked at. */
static void test_many_attributes(void **state)
{
	struct test_entry entries[80];
	char space[1024];
	struct buf text = buf_init(space, sizeof(space));

	(void)state;
	for (size_t i = 0; i < COUNT(entries); i++) {
		entries[i] = (struct test_entry){ "CN", UTF8, STR("a"), i ? -1 : 0 };
		buf_text(&text, i ? "+CN=a" : "CN=a");
		if (i == 31 || i == 63)
			check_match(buf_view(&text), entries, i + 1, true, "up to 64");
	}
	check_match(buf_view(&text), entries, COUNT(entries), false, "80");
	check_end();
}

/* What OpenSSL prints for a name is what it is compared with. */
static void test_as_printed(void **state)
{
	static const struct test_entry entries[] = {
		{ "C", PRINTABLE, TEXT("DE"), 0 },
		{ "DC", IA5, TEXT("example"), 0 },
		{ "O", UTF8, TEXT(" #Ex\"am+ple, <I>nc;\\. "), 0 },
		{ "OU", UTF8, TEXT("#\xc3\xa4\xf0\x9f\x98\x80"), 0 },
		{ "emailAddress", IA5, TEXT("a@b.example"), -1 },
		{ "1.2.3.4.5", UTF8, TEXT("x"), 0 },
		{ "CN", UTF8, TEXT("cl=ient"), 0 },
	};
	static const unsigned long flags[] = { XN_FLAG_RFC2253,
		XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB,
		(XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC |
			XN_FLAG_SPC_EQ };
	X509_NAME *name = support_read_name(entries, COUNT(entries));

	(void)state;
	for (size_t i = 0; i < COUNT(flags); i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		char *text;
		size_t len;

		assert_true(X509_NAME_print_ex(bio, name, 0, flags[i]) > 0);
		len = (size_t)BIO_get_mem_data(bio, &text);
		CHECK(dn_is_valid((struct str){ text, len }), "printed");
		CHECK(dn_matches((struct str){ text, len }, name), "printed");
		BIO_free(bio);
	}
	X509_NAME_free(name);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_two_names),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_many_blanks),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_long_type),
		cmocka_unit_test(test_string_types),
		cmocka_unit_test(test_empty_name),
		cmocka_unit_test(test_many_attributes),
		cmocka_unit_test(test_as_printed),
	};

	return cmocka_run_group_tests_name("dn", tests, NULL, NULL);
}
