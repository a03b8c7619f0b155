/* SPDX-License-Identifier: MIT */
/* JSON from strangers: objects only, no repeated members, bounded depth. */
#ifndef JOSE_JSON_H
#define JOSE_JSON_H

#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#include <jansson.h>

#define JSON_DEPTH_MAX 32

/*
 * json_parse_object - read a text that is one JSON object and nothing else.
 *
 * refusal  what to return for any other text
 * object   [out] new (json_decref); NULL on failure
 *
 * Returns REASON_NONE; REASON_MEMORY; `refusal`: not JSON (RFC 8259), not an object, a
 * repeated member name, a NUL in a string, or deeper than JSON_DEPTH_MAX.
 */
NODISCARD enum reason json_parse_object(struct str text, enum reason refusal, json_t **object);

/*
 * json_load - json_loadb (of jansson, with its flags and errors), but nothing is left out of
 * the document for lack of memory.
 *
 * error       [out] where and what the syntax is wrong; NULL: not wanted
 * has_memory  [out] false: there was not enough, and nothing is known of the text
 *
 * Returns a new document (json_decref); NULL on failure.
 */
json_t *json_load(struct str text, size_t flags, json_error_t *error, bool *has_memory);

/* json_text - the string value of a member, borrowed from the object; empty if it is none. */
struct str json_text(const json_t *object, const char *member);

#endif
