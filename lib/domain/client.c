/* SPDX-License-Identifier: MIT */
/* What a client is and may do. */
#include "domain/client.h"

#include <stdlib.h>

static int compare_id(const void *id, const void *client)
{
	return str_compare(*(const struct str *)id, ((const struct client *)client)->id);
}

const struct client *client_find(const struct client_table *table, struct str id)
{
	if (table->count == 0)
		return NULL;
	return bsearch(&id, table->items, table->count, sizeof(*table->items), compare_id);
}

const char *auth_method_name(enum auth_method method)
{
	static const char *const names[AUTH__MAX + 1] = {
		[AUTH_SECRET_BASIC] = "client_secret_basic",
		[AUTH_SECRET_POST] = "client_secret_post",
		[AUTH_SECRET_JWT] = "client_secret_jwt",
		[AUTH_PRIVATE_KEY_JWT] = "private_key_jwt",
		[AUTH_TLS] = "tls_client_auth",
		[AUTH_SELF_SIGNED_TLS] = "self_signed_tls_client_auth",
		[AUTH_NONE] = "",
	};

	return names[method];
}

const char *profile_name(enum token_profile profile)
{
	static const char *const names[PROFILE__MAX] = {
		[PROFILE_CIAM] = "ciam",
		[PROFILE_RFC9068] = "rfc9068",
	};

	return names[profile];
}

bool client_allows_address(const struct client *client, const struct netaddr *address)
{
	return client->allowed_ips.count == 0 || netmask_list_has(client->allowed_ips, address);
}

bool secret_is_live(const struct secret *secret, int64_t now_s)
{
	return now_s >= secret->not_before_s &&
	       (secret->expires_s == 0 || now_s < secret->expires_s);
}
