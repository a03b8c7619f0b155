/* SPDX-License-Identifier: MIT */
/* What a client is and may do. */
#include "domain/client.h"

const struct client *client_find(const struct client_table *table, struct str id)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare(id, table->items[middle].id);

		if (order == 0)
			return &table->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
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
