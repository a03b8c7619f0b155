/* SPDX-License-Identifier: MIT */
/* JSON from strangers: objects only, no repeated members, bounded depth. */
#include "jose/json.h"

/* Does the nesting stay within JSON_DEPTH_MAX?  Strings are skipped; their syntax is jansson's.
 */
static bool is_shallow(struct str text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return false;
	}
	return true;
}

json_t *json_parse_object(struct str text)
{
	if (!is_shallow(text))
		return NULL;
	json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);

	if (json != NULL && !json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

struct str json_text(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (!json_is_string(value))
		return STR("");
	return (struct str){ json_string_value(value), json_string_length(value) };
}
