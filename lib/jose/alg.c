/* SPDX-License-Identifier: MIT */
/* The table of JWS algorithms. */
#include "jose/alg.h"

static const struct jose_alg_info table[JOSE_ALG__MAX] = {
	[JOSE_ALG_NONE] = { .name = "" },
	[JOSE_ALG_RS256] = { .name = "RS256", .kty = JOSE_KTY_RSA, .digest = "SHA256" },
	[JOSE_ALG_RS384] = { .name = "RS384", .kty = JOSE_KTY_RSA, .digest = "SHA384" },
	[JOSE_ALG_RS512] = { .name = "RS512", .kty = JOSE_KTY_RSA, .digest = "SHA512" },
	[JOSE_ALG_PS256] = { .name = "PS256",
		.kty = JOSE_KTY_RSA,
		.digest = "SHA256",
		.is_pss = true },
	[JOSE_ALG_ES256] = { .name = "ES256", .kty = JOSE_KTY_EC, .digest = "SHA256" },
	[JOSE_ALG_EDDSA] = { .name = "EdDSA", .kty = JOSE_KTY_OKP },
	[JOSE_ALG_HS256] = { .name = "HS256", .kty = JOSE_KTY_OCT, .digest = "SHA256" },
};

static bool is_on_p256(const EVP_PKEY *pkey)
{
	char name[32];
	size_t name_len = 0;

	if (EVP_PKEY_get_group_name(pkey, name, sizeof(name), &name_len) != 1)
		return false;
	return str_eq((struct str){ name, name_len }, STR("prime256v1"));
}

const struct jose_alg_info *alg_info(enum jose_alg alg)
{
	return &table[alg];
}

enum jose_alg alg_find(struct str name)
{
	for (enum jose_alg alg = JOSE_ALG_NONE + 1; alg < JOSE_ALG__MAX; alg++) {
		if (str_eq(name, str_of(table[alg].name)))
			return alg;
	}
	return JOSE_ALG_NONE;
}

enum jose_kty alg_key_type(const EVP_PKEY *pkey)
{
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		return JOSE_KTY_RSA;
	case EVP_PKEY_EC:
		return is_on_p256(pkey) ? JOSE_KTY_EC : JOSE_KTY_NONE;
	case EVP_PKEY_ED25519:
		return JOSE_KTY_OKP;
	default:
		return JOSE_KTY_NONE;
	}
}

bool alg_fits(enum jose_alg alg, const EVP_PKEY *pkey)
{
	return alg != JOSE_ALG_NONE && table[alg].kty == alg_key_type(pkey);
}

enum jose_alg alg_default(const EVP_PKEY *pkey)
{
	static const enum jose_alg defaults[] = {
		[JOSE_KTY_NONE] = JOSE_ALG_NONE,
		[JOSE_KTY_RSA] = JOSE_ALG_RS256,
		[JOSE_KTY_EC] = JOSE_ALG_ES256,
		[JOSE_KTY_OKP] = JOSE_ALG_EDDSA,
	};

	return defaults[alg_key_type(pkey)];
}
