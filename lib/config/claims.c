/* SPDX-License-Identifier: MIT */
/* The claims that a client's tokens have beside the registered ones. */
#include "config/clients.h"
#include "config/quote.h"
#include "config/render.h"

/* Set by the server in every token, or reserved for what proves possession (RFC 7800). */
static const char *const registered[] = {
	"iss",
	"sub",
	"aud",
	"exp",
	"nbf",
	"iat",
	"jti",
	"scope",
	"client_id",
	"cnf",
};

static bool is_registered(struct str name)
{
	for (size_t i = 0; i < sizeof(registered) / sizeof(registered[0]); i++) {
		if (str_eq(name, str_of(registered[i])))
			return true;
	}
	return false;
}

static void check_names(struct loader *loader, const struct yaml_node *claims)
{
	for (const struct yaml_node *key = claims->child; key != NULL;
		key = yaml_next_key(key)) {
		if (is_registered(key->text))
			diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(key),
				"the claim %s is set by the server; choose another name",
				quote_of(key->text).text);
	}
}

/* The members of the object, each with a comma before it. */
static void keep_members(struct loader *loader, struct str object, struct str *members)
{
	char *p = schema_alloc(&loader->reader, object.n + 1, 1);

	if (p == NULL)
		return;
	struct buf buf = buf_init(p, object.n);

	buf_char(&buf, ',');
	buf_str(&buf, str_from(str_upto(object, object.n - 1), 1));
	*members = buf_view(&buf);
}

void claims_load(struct loader *loader, struct client_draft *draft)
{
	const struct yaml_node *claims = draft->claims;
	struct rendered rendered;

	if (claims == NULL || !schema_is_mapping(&loader->reader, "claims", claims) ||
		claims->count == 0)
		return;
	check_names(loader, claims);
	if (!render_json(claims, RENDER_VALUES, &rendered)) {
		loader->reader.out_of_memory = true;
		return;
	}
	if (rendered.long_number != NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(rendered.long_number),
			"this number is too long to be exact in JSON; quote it to make it a "
			"text");
	keep_members(loader, buf_view(&rendered.json), &draft->client.claims);
	render_clear(&rendered);
}
