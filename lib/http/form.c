/* SPDX-License-Identifier: MIT */
/* application/x-www-form-urlencoded: known parameters, strictly decoded. */
#include "http/form.h"

#include <string.h>

/* Decode s to the memory at p, which has s.n bytes. */
static enum reason decode(struct str s, char *p, struct str *decoded)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] == '+' ? ' ' : s.p[i];

		if (c == '%') {
			if (s.n - i < 3)
				return REASON_FORM_PERCENT;
			unsigned high = str_hex_value(s.p[i + 1]);
			unsigned low = str_hex_value(s.p[i + 2]);

			if (high == STR_NOT_HEX || low == STR_NOT_HEX)
				return REASON_FORM_PERCENT;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return REASON_FORM_NUL;
		p[n++] = c;
	}
	*decoded = (struct str){ p, n };
	return str_is_utf8(*decoded) ? REASON_NONE : REASON_FORM_UTF8;
}

/* Append a value; the room doubles when it is used up. */
static enum reason append(struct arena *arena, struct form_values *values, struct str value)
{
	size_t count = values->count;

	if ((count & (count - 1)) == 0) {
		struct str *larger = arena_alloc_array(
			arena, count == 0 ? 1 : 2 * count, sizeof(*larger));

		if (larger == NULL)
			return REASON_MEMORY;
		if (count > 0)
			memcpy(larger, values->items, count * sizeof(*larger));
		values->items = larger;
	}
	values->items[count] = value;
	values->count++;
	return REASON_NONE;
}

/* Decode one name=value; *room is memory for it, and moves on behind what was used. */
static enum reason decode_pair(
	struct str pair, char **room, struct str *name, struct str *value)
{
	struct str rest = pair, raw_name;

	str_cut(&rest, '=', &raw_name);
	enum reason reason = decode(raw_name, *room, name);

	if (reason != REASON_NONE)
		return reason;
	*room += name->n;
	reason = decode(rest, *room, value);
	*room += value->n;
	return reason;
}

static enum reason store(struct str name, struct str value,
	const struct form_parameter *parameters, size_t parameter_count, struct arena *arena,
	struct form *form)
{
	for (size_t i = 0; i < parameter_count; i++) {
		if (!str_eq(name, parameters[i].name))
			continue;
		if (form->values[i].count > 0 && !parameters[i].may_repeat)
			return REASON_FORM_REPEATED;
		return append(arena, &form->values[i], value);
	}
	return REASON_NONE;
}

enum reason form_parse(struct str body, const struct form_parameter *parameters,
	size_t parameter_count, struct arena *arena, struct form *form)
{
	enum reason result = REASON_NONE;
	char *room = arena_alloc(arena, body.n + 1);

	*form = (struct form){ 0 };
	if (room == NULL)
		return REASON_MEMORY;
	while (body.n > 0) {
		struct str pair, name = STR(""), value = STR("");

		str_cut(&body, '&', &pair);
		enum reason reason = decode_pair(pair, &room, &name, &value);

		if (reason != REASON_NONE)
			return reason;
		if (value.n > 0 && result == REASON_NONE)
			result = store(name, value, parameters, parameter_count, arena, form);
	}
	return result;
}

struct str form_value(const struct form *form, size_t parameter)
{
	const struct form_values *values = &form->values[parameter];

	return values->count == 0 ? STR("") : values->items[0];
}

struct str_list form_list(const struct form *form, size_t parameter)
{
	const struct form_values *values = &form->values[parameter];

	return (struct str_list){ values->items, values->count };
}

enum reason form_decode(struct str s, struct arena *arena, struct str *decoded)
{
	char *p = arena_alloc(arena, s.n + 1);

	*decoded = STR("");
	if (p == NULL)
		return REASON_MEMORY;
	enum reason reason = decode(s, p, decoded);

	if (reason != REASON_NONE)
		*decoded = STR("");
	return reason;
}
