/* SPDX-License-Identifier: MIT */
/* Distinguished names as text (RFC 4514), compared with those of certificates. */
#include "jose/dn.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#define TYPE_SIZE 128    /* characters of an attribute's type, with a NUL */
#define RDN_COUNT_MAX 64 /* attributes of one RDN */

/* One type=value. */
struct attribute {
	char type[TYPE_SIZE]; /* a dotted object identifier */
	char value[DN_VALUE_MAX];
	size_t value_len;
	bool is_encoded; /* the value is BER (RFC 4514 §2.4, "#"), else UTF-8 */
};

/* One RDN of a name: the entries from `first` on. */
struct rdn {
	const X509_NAME *name;
	int first, count;
	uint64_t used; /* those that were matched, by bit */
	int used_count;
};

static const struct {
	struct str name;
	int nid;
} types[] = {
	{ STR_CONST("CN"), NID_commonName },
	{ STR_CONST("L"), NID_localityName },
	{ STR_CONST("ST"), NID_stateOrProvinceName },
	{ STR_CONST("O"), NID_organizationName },
	{ STR_CONST("OU"), NID_organizationalUnitName },
	{ STR_CONST("C"), NID_countryName },
	{ STR_CONST("STREET"), NID_streetAddress },
	{ STR_CONST("DC"), NID_domainComponent },
	{ STR_CONST("UID"), NID_userId },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_number(struct str arc)
{
	for (size_t i = 0; i < arc.n; i++) {
		if (!is_digit(arc.p[i]))
			return false;
	}
	return arc.n == 1 || (arc.n > 1 && arc.p[0] != '0');
}

/* numericoid of RFC 4512 §1.4: without leading zeros, so that there is one text for each. */
static bool is_dotted(struct str text)
{
	struct str arc;
	bool more;

	do {
		more = str_cut(&text, '.', &arc);
		if (!is_number(arc))
			return false;
	} while (more);
	return true;
}

static int find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_eq_nocase(str_of(name), types[i].name))
			return types[i].nid;
	}
	return OBJ_sn2nid(name);
}

/* Make attribute->type of a text that is a name or dotted. */
static bool resolve_type(struct attribute *attribute)
{
	char *type = attribute->type;

	if (is_digit(type[0]))
		return is_dotted(str_of(type)) && a2d_ASN1_OBJECT(NULL, 0, type, -1) > 0;
	int nid = find_type(type);
	int len = nid == NID_undef ? 0 : OBJ_obj2txt(type, TYPE_SIZE, OBJ_nid2obj(nid), 1);

	return len > 0 && len < TYPE_SIZE;
}

static void skip_blanks(struct str *rest)
{
	while (str_starts(*rest, STR(" ")))
		*rest = str_from(*rest, 1);
}

static bool read_type(struct str *rest, struct attribute *attribute)
{
	struct str type;

	if (!str_cut(rest, '=', &type))
		return false;
	while (str_ends(type, STR(" ")))
		type.n--;
	if (type.n == 0 || type.n >= TYPE_SIZE || str_has(type, '\0'))
		return false;
	memcpy(attribute->type, type.p, type.n);
	attribute->type[type.n] = '\0';
	return resolve_type(attribute);
}

static bool take_hex_pair(struct str *rest, char *c)
{
	if (rest->n < 2 || str_hex_value(rest->p[0]) == STR_NOT_HEX ||
		str_hex_value(rest->p[1]) == STR_NOT_HEX)
		return false;
	*c = (char)(str_hex_value(rest->p[0]) << 4 | str_hex_value(rest->p[1]));
	*rest = str_from(*rest, 2);
	return true;
}

/* What stands behind a backslash. */
static bool take_escaped(struct str *rest, char *c)
{
	if (take_hex_pair(rest, c))
		return true;
	if (rest->n == 0 || !str_has(STR("\\\"+,;<> #="), rest->p[0]))
		return false;
	*c = rest->p[0];
	*rest = str_from(*rest, 1);
	return true;
}

static bool at_end(struct str rest)
{
	return rest.n == 0 || rest.p[0] == ',' || rest.p[0] == '+';
}

static bool append(struct attribute *attribute, char c)
{
	if (attribute->value_len == sizeof(attribute->value))
		return false;
	attribute->value[attribute->value_len++] = c;
	return true;
}

static struct str value_of(const struct attribute *attribute)
{
	return (struct str){ attribute->value, attribute->value_len };
}

static bool append_blanks(struct attribute *attribute, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!append(attribute, ' '))
			return false;
	}
	return true;
}

/* One character, be it escaped, with the blanks that stand before it. */
static bool read_character(struct str *rest, struct attribute *attribute, size_t blank_count)
{
	char c = rest->p[0];

	*rest = str_from(*rest, 1);
	if (c == '\\' ? !take_escaped(rest, &c) : str_has(STR("\";<>\0"), c))
		return false;
	return append_blanks(attribute, blank_count) && append(attribute, c);
}

/* Up to the end or a separator; blanks before a separator do not belong to the value. */
static bool read_string(struct str *rest, struct attribute *attribute)
{
	size_t blank_count = 0;

	while (!at_end(*rest)) {
		if (rest->p[0] == ' ') {
			*rest = str_from(*rest, 1);
			blank_count++;
			continue;
		}
		if (!read_character(rest, attribute, blank_count))
			return false;
		blank_count = 0;
	}
	return (blank_count == 0 || rest->n > 0) && str_is_utf8(value_of(attribute));
}

static bool read_encoded(struct str *rest, struct attribute *attribute)
{
	char c;

	attribute->is_encoded = true;
	while (!at_end(*rest) && rest->p[0] != ' ') {
		if (!take_hex_pair(rest, &c) || !append(attribute, c))
			return false;
	}
	if (str_starts(*rest, STR(" "))) {
		skip_blanks(rest);
		if (rest->n == 0 || !at_end(*rest))
			return false;
	}
	const unsigned char *bytes = (const unsigned char *)attribute->value;
	const unsigned char *p = bytes;
	ASN1_TYPE *value = d2i_ASN1_TYPE(NULL, &p, (long)attribute->value_len);
	bool is_whole = value != NULL && p == bytes + attribute->value_len;

	ASN1_TYPE_free(value);
	return is_whole;
}

/* Read one attribute; *rest moves behind it. */
static bool read_attribute(struct str *rest, struct attribute *attribute)
{
	attribute->value_len = 0;
	attribute->is_encoded = false;
	if (!read_type(rest, attribute))
		return false;
	skip_blanks(rest);
	if (rest->n == 0 || rest->p[0] != '#')
		return read_string(rest, attribute);
	*rest = str_from(*rest, 1);
	return read_encoded(rest, attribute);
}

/* The ',' or '+' behind an attribute, with the blanks behind it; 0 at the end of the text. */
static char take_separator(struct str *rest)
{
	char separator = rest->n > 0 ? rest->p[0] : '\0';

	*rest = str_from(*rest, 1);
	skip_blanks(rest);
	return separator;
}

/* The last of the RDNs before entry `end`; count is 0 if there is none. */
static struct rdn rdn_before(const X509_NAME *name, int end)
{
	struct rdn rdn = { .name = name, .first = end };

	while (rdn.first > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, rdn.first - 1)) ==
					X509_NAME_ENTRY_set(X509_NAME_get_entry(name, end - 1)))
		rdn.first--;
	rdn.count = end - rdn.first;
	return rdn;
}

static bool has_type(const X509_NAME_ENTRY *entry, const struct attribute *attribute)
{
	char type[TYPE_SIZE];
	int len = OBJ_obj2txt(type, sizeof(type), X509_NAME_ENTRY_get_object(entry), 1);

	return len > 0 && len < TYPE_SIZE && str_eq(str_of(type), str_of(attribute->type));
}

static bool has_value(const X509_NAME_ENTRY *entry, const struct attribute *attribute)
{
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
	unsigned char *bytes = NULL;
	int len = attribute->is_encoded ? i2d_ASN1_PRINTABLE(value, &bytes)
					: ASN1_STRING_to_UTF8(&bytes, value);
	bool is_same = len >= 0 && bytes != NULL &&
		       str_eq((struct str){ (const char *)bytes, (size_t)len },
			       value_of(attribute));

	OPENSSL_free(bytes);
	return is_same;
}

/* Match the attribute with one entry of the RDN that was not matched before. */
static bool rdn_take(struct rdn *rdn, const struct attribute *attribute)
{
	for (int i = 0; i < rdn->count && i < RDN_COUNT_MAX; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(rdn->name, rdn->first + i);

		if ((rdn->used >> i & 1) != 0 || !has_type(entry, attribute) ||
			!has_value(entry, attribute))
			continue;
		rdn->used |= UINT64_C(1) << i;
		rdn->used_count++;
		return true;
	}
	return false;
}

bool dn_is_valid(struct str text)
{
	struct attribute attribute;
	bool is_valid;

	do {
		is_valid = read_attribute(&text, &attribute);
	} while (is_valid && take_separator(&text) != '\0');
	ERR_clear_error();
	return is_valid;
}

bool dn_matches(struct str text, const X509_NAME *name)
{
	struct attribute attribute;
	struct rdn rdn = rdn_before(name, X509_NAME_entry_count(name));
	char separator;

	ERR_clear_error();
	do {
		bool is_taken = read_attribute(&text, &attribute) && rdn_take(&rdn, &attribute);

		separator = take_separator(&text);
		if (!is_taken || (separator != '+' && rdn.used_count != rdn.count))
			return false;
		if (separator != '+')
			rdn = rdn_before(name, rdn.first);
	} while (separator != '\0');
	return rdn.count == 0;
}
