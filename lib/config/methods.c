/* SPDX-License-Identifier: MIT */
/* The authentication methods of a client: does it have what each of them needs? */
#include "config/clients.h"
#include "config/quote.h"

/*
 * The value of a key of the client, or NULL.  What was refused is there, too, for all that
 * follows: its problem has been reported.
 */
static const struct yaml_node *find_value(const struct client_draft *draft, struct str name)
{
	const struct yaml_node *key = yaml_find(draft->value, name);

	return key == NULL ? NULL : key->next;
}

/* Left out, or an empty list. */
static bool is_none(const struct yaml_node *list)
{
	return list == NULL || yaml_is_empty(list) ||
	       (list->kind == YAML_LIST && list->count == 0);
}

static bool has_secrets(const struct client_draft *draft)
{
	return !is_none(find_value(draft, STR("secrets")));
}

static bool has_secret_file(const struct client_draft *draft)
{
	return draft->has_secret_file || draft->has_refused_secret;
}

static bool has_keys(const struct client_draft *draft)
{
	return find_value(draft, STR("jwks")) != NULL ||
	       find_value(draft, STR("jwks_file")) != NULL;
}

static bool has_subject(const struct client_draft *draft)
{
	return draft->has_subject;
}

static const struct need {
	bool (*is_met)(const struct client_draft *draft);
	const char *text;
	bool state; /* a state store as well */
} needs[AUTH__MAX] = {
	[AUTH_SECRET_BASIC] = { has_secrets, "\"secrets\"", false },
	[AUTH_SECRET_POST] = { has_secrets, "\"secrets\"", false },
	[AUTH_SECRET_JWT] = { has_secret_file,
		"the secret itself: an item of \"secrets\" with \"file\"", true },
	[AUTH_PRIVATE_KEY_JWT] = { has_keys, "\"jwks\" or \"jwks_file\"", true },
	[AUTH_TLS] = { has_subject,
		"one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip, _san_email",
		false },
	[AUTH_SELF_SIGNED_TLS] = { has_keys, "\"jwks\" or \"jwks_file\"", false },
};

/* The item of the list that names this method. */
static const struct yaml_node *find_item(const struct yaml_node *list, const char *name)
{
	const struct yaml_node *item = list->child;

	while (item != NULL && !str_eq(item->text, str_of(name)))
		item = item->next;
	return item == NULL ? list : item;
}

static void check_method(
	struct loader *loader, const struct client_draft *draft, enum auth_method method)
{
	const struct need *need = &needs[method];
	const char *name = auth_method_name(method);
	const struct yaml_node *item = find_item(draft->auth_methods, name);

	if (!need->is_met(draft))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(item), "%s needs %s", name,
			need->text);
	if (need->state && !loader->has_state)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(item),
			"%s needs a state store; set \"state\"", name);
}

static void warn_unusable(struct loader *loader, const struct client_draft *draft)
{
	const struct yaml_node *list = find_value(draft, STR("auth_methods"));
	const bool is_forgotten = list == NULL && (has_keys(draft) || has_subject(draft));

	if (draft->client.auth_methods != 0 ||
		(list == NULL ? has_secrets(draft) : !is_none(list)))
		return;
	diag_add(loader->reader.diag, DIAG_WARNING, yaml_place(draft->name),
		"the client %s has no way to authenticate%s", quote_of(draft->name->text).text,
		is_forgotten ? "; name one in \"auth_methods\"" : "");
}

void methods_check(struct loader *loader, struct client_draft *draft)
{
	if (draft->auth_methods == NULL && has_secrets(draft))
		draft->client.auth_methods = AUTH_BIT(AUTH_SECRET_BASIC) |
					     AUTH_BIT(AUTH_SECRET_POST);
	for (unsigned i = 0; i < AUTH__MAX && draft->auth_methods != NULL; i++) {
		if ((draft->client.auth_methods & AUTH_BIT(i)) != 0)
			check_method(loader, draft, (enum auth_method)i);
	}
	warn_unusable(loader, draft);
}
