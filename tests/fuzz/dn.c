/* SPDX-License-Identifier: MIT */
/*
 * Distinguished names: any text against any name, and the text that a name is written as.
 *
 * Input: a line of text; then the name, one attribute a line: "TYPE=VALUE", with + before it if
 * it belongs to the RDN of the line before.
 */
#include "fuzz.h"

#include "jose/dn.h"

#include <openssl/err.h>

#define ATTRIBUTES_MAX 16

static bool add_attribute(X509_NAME *name, struct str line)
{
	bool joins = str_starts(line, STR("+"));
	struct str value = str_from(line, joins ? 1 : 0), type;

	if (!str_cut(&value, '=', &type) || type.n == 0 || type.n > 32 || value.n == 0 ||
		str_has(type, '\0'))
		return false;
	char *type_text = fuzz_string(type);
	bool added = X509_NAME_add_entry_by_txt(name, type_text, MBSTRING_UTF8,
			     (const unsigned char *)value.p, (int)value.n, -1,
			     joins ? -1 : 0) == 1;

	free(type_text);
	ERR_clear_error();
	return added;
}

/* RFC 4514 §2.4, with each byte of a value escaped. */
static void write_value(struct buf *text, const ASN1_STRING *value)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, value);

	for (int i = 0; i < n; i++) {
		buf_char(text, '\\');
		buf_char(text, digits[utf8[i] >> 4]);
		buf_char(text, digits[utf8[i] & 15]);
	}
	OPENSSL_free(utf8);
}

/* RFC 4514 §2: the last RDN first. */
static void write_name(struct buf *text, const X509_NAME *name)
{
	for (int i = X509_NAME_entry_count(name) - 1; i >= 0; i--) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		char type[80];

		OBJ_obj2txt(type, sizeof(type), X509_NAME_ENTRY_get_object(entry), 1);
		buf_text(text, type);
		buf_char(text, '=');
		write_value(text, X509_NAME_ENTRY_get_data(entry));
		if (i > 0)
			buf_char(text, X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i - 1)) ==
						       X509_NAME_ENTRY_set(entry)
					       ? '+'
					       : ',');
	}
}

static bool is_short(const X509_NAME *name)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);

		if (ASN1_STRING_length(X509_NAME_ENTRY_get_data(entry)) > DN_VALUE_MAX / 2)
			return false;
	}
	return X509_NAME_entry_count(name) > 0;
}

/* Its own text matches; the text without its last RDN does not. */
static void check_own(const X509_NAME *name)
{
	static char room[131072];
	struct buf text = buf_init(room, sizeof(room));

	write_name(&text, name);
	REQUIRE(!text.overflow && dn_is_valid(buf_view(&text)));
	REQUIRE(dn_matches(buf_view(&text), name));
	buf_text(&text, ",CN=x");
	REQUIRE(!dn_matches(buf_view(&text), name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size), line = fuzz_line(&rest);
	char *copy = fuzz_copy(line);
	struct str text = { copy, line.n };
	X509_NAME *name = X509_NAME_new();
	bool has_nul = str_has(rest, '\0');

	REQUIRE(name != NULL);
	for (unsigned i = 0; i < ATTRIBUTES_MAX && rest.n > 0; i++)
		(void)add_attribute(name, fuzz_line(&rest));
	if (dn_matches(text, name))
		REQUIRE(dn_is_valid(text) && X509_NAME_entry_count(name) > 0);
	REQUIRE(!dn_is_valid(text) || (text.n > 0 && str_has(text, '=')));
	if (is_short(name) && !has_nul)
		check_own(name);
	X509_NAME_free(name);
	free(copy);
	return 0;
}
