/* SPDX-License-Identifier: MIT */
/* The issuer's signing keys and the JWKS that publishes them. */
#include "domain/keyring.h"

const char *key_state_name(enum key_state state)
{
	static const char *const names[KEY__MAX] = {
		[KEY_ACTIVE] = "active",
		[KEY_NEXT] = "next",
		[KEY_RETIRED] = "retired",
	};

	return names[state];
}

const struct signing_key *keyring_find(const struct keyring *keyring, struct str kid)
{
	for (size_t i = 0; i < keyring->count; i++) {
		if (str_eq(keyring->keys[i].kid, kid))
			return &keyring->keys[i];
	}
	return NULL;
}

enum reason keyring_write_jwks(const struct keyring *keyring, struct buf *buf)
{
	enum reason reason = REASON_NONE;

	buf_text(buf, "{\"keys\":[");
	for (size_t i = 0; i < keyring->count && reason == REASON_NONE; i++) {
		const struct signing_key *key = &keyring->keys[i];

		if (i > 0)
			buf_char(buf, ',');
		reason = jwk_write(buf, key->pkey, key->alg, key->kid);
	}
	buf_text(buf, "]}");
	return reason == REASON_NONE && buf->overflow ? REASON_INTERNAL : reason;
}

void keyring_clear(struct keyring *keyring)
{
	for (size_t i = 0; i < keyring->count; i++) {
		EVP_PKEY_free(keyring->keys[i].pkey);
		jws_signer_free(keyring->keys[i].signer);
	}
	*keyring = (struct keyring){ 0 };
}
