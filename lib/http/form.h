/* SPDX-License-Identifier: MIT */
/* application/x-www-form-urlencoded: known parameters, strictly decoded. */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include "util/arena.h"
#include "util/attr.h"
#include "util/reason.h"
#include "util/str.h"

#define FORM_PARAMETER_MAX 32

/* A parameter that the caller knows; all others are ignored, whatever they hold. */
struct form_parameter {
	struct str name;
	bool may_repeat;
};

struct form_values {
	struct str *items; /* decoded, never empty; in the arena */
	size_t count;
};

/* What was sent, by the index of the parameter. */
struct form {
	struct form_values values[FORM_PARAMETER_MAX];
};

/*
 * form_parse - decode a body and sort out the known parameters.
 *
 * Names are compared after decoding.  A parameter without a value counts as
 * not sent (RFC 6749 §3.2).
 *
 * Returns REASON_NONE; REASON_FORM_PERCENT, _NUL, _UTF8, wherever it is in the
 * body; REASON_FORM_REPEATED; REASON_MEMORY.
 */
NODISCARD enum reason form_parse(struct str body, const struct form_parameter *parameters,
	size_t parameter_count, struct arena *arena, struct form *form);

/* form_value - the value of a parameter, or the empty text; of the first if there are several.
 */
struct str form_value(const struct form *form, size_t parameter);

/* form_list - all values of a parameter, in their order. */
struct str_list form_list(const struct form *form, size_t parameter);

/*
 * form_decode - decode one name or value: '+' is a space, %XX a byte.
 *
 * decoded  [out] in the arena; empty on failure
 *
 * Returns REASON_NONE; REASON_FORM_PERCENT, _NUL, _UTF8; REASON_MEMORY.
 */
NODISCARD enum reason form_decode(struct str s, struct arena *arena, struct str *decoded);

#endif
