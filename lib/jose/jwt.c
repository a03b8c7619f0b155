/* SPDX-License-Identifier: MIT */
/* JSON Web Tokens (RFC 7519): a JWS with claims, and the claims that are checked everywhere. */
#include "jose/jwt.h"
#include "jose/json.h"

enum reason jwt_split(struct str jwt, struct arena *arena, struct jws_parts *parts)
{
	enum reason reason = jws_split(jwt, arena, parts);

	if (reason != REASON_NONE)
		return reason;
	reason = json_parse_object(parts->payload_text, REASON_JWS_PAYLOAD, &parts->payload);
	if (reason != REASON_NONE)
		jws_parts_clear(parts);
	return reason;
}

bool jwt_type_is(const json_t *header, struct str_list types, bool may_be_absent)
{
	const json_t *type = json_object_get(header, "typ");

	if (type == NULL)
		return may_be_absent;
	return json_is_string(type) && str_list_has(types, json_text(header, "typ"));
}

bool jwt_time(const json_t *claims, const char *name, int64_t *time_s)
{
	const json_t *value = json_object_get(claims, name);

	*time_s = 0;
	if (json_is_integer(value)) {
		json_int_t seconds = json_integer_value(value);

		if (seconds < 0 || seconds > JWT_TIME_MAX)
			return false;
		*time_s = seconds;
		return true;
	}
	double seconds = json_real_value(value);

	/* Only then does it fit; NaN is in no JSON, and would not pass. */
	if (!json_is_real(value) || !(seconds >= 0 && seconds <= (double)JWT_TIME_MAX))
		return false;
	*time_s = (int64_t)seconds;
	return true;
}

bool jwt_audience_is(const json_t *claims, struct str audience)
{
	const json_t *value = json_object_get(claims, "aud");

	if (json_array_size(value) == 1)
		value = json_array_get(value, 0);
	return json_is_string(value) &&
	       str_eq((struct str){ json_string_value(value), json_string_length(value) },
		       audience);
}
