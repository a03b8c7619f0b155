/* SPDX-License-Identifier: MIT */
/* JSON from strangers: objects only, no repeated members, bounded depth. */
#include "jose/json.h"

/*
 * Out of memory, jansson reports wrong syntax, or even succeeds with a character of a text left
 * out.  So its allocations are watched while it reads; these are what they need for that.
 */
static json_malloc_t allocate;
static bool allocation_failed;

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

static void *watch_allocation(size_t size)
{
	void *p = allocate(size);

	if (p == NULL)
		allocation_failed = true;
	return p;
}

json_t *json_load(struct str text, size_t flags, json_error_t *error, bool *has_memory)
{
	json_free_t release;

	json_get_alloc_funcs(&allocate, &release);
	json_set_alloc_funcs(watch_allocation, release);
	allocation_failed = false;
	json_t *json = json_loadb(text.p, text.n, flags, error);

	json_set_alloc_funcs(allocate, release);
	*has_memory = !allocation_failed;
	if (*has_memory)
		return json;
	json_decref(json);
	return NULL;
}

enum reason json_parse_object(struct str text, enum reason refusal, json_t **object)
{
	json_t *json = NULL;
	bool has_memory = true;

	*object = NULL;
	/* jansson passes over a NUL that stands behind a number or a word. */
	if (!str_has(text, '\0') && is_shallow(text))
		json = json_load(text, JSON_REJECT_DUPLICATES, NULL, &has_memory);
	if (has_memory && json_is_object(json)) {
		*object = json;
		return REASON_NONE;
	}
	json_decref(json);
	return has_memory ? refusal : REASON_MEMORY;
}

struct str json_text(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (!json_is_string(value))
		return STR("");
	return (struct str){ json_string_value(value), json_string_length(value) };
}
