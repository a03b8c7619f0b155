/* SPDX-License-Identifier: MIT */
/*
 * Whole configurations: what is loaded is sound, and a part of it is a part of it.
 *
 * Input: the text of the main file.  Beside it there are key.pem, old.pem, secret,
 * keys.json and more.yaml.
 */
#include "place.h"

#include "config/load.h"

#define NOW_S INT64_C(1795305600) /* 2026-11-22 */
#define IDS_MAX 2
#define SECRET "0123456789abcdef0123456789ABCDEF"

static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";
static const char old_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
	"-----END PRIVATE KEY-----\n";
static const char keys_json[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
				"\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const char more_yaml[] = "clients:\n  more:\n    scopes: []\n";

static const char *main_path;

static void prepare(void)
{
	if (main_path != NULL)
		return;
	main_path = place_path("oauth2.yaml");
	place_text(place_path("key.pem"), key_pem);
	place_text(place_path("old.pem"), old_pem);
	place_text(place_path("secret"), SECRET "\n");
	place_text(place_path("keys.json"), keys_json);
	place_text(place_path("more.yaml"), more_yaml);
}

static void check_client(const struct snapshot *snapshot, const struct client *client)
{
	REQUIRE(client->id.n > 0 && client->id.n <= CLIENT_ID_MAX);
	REQUIRE(str_is_visible(client->id));
	REQUIRE(client_find(&snapshot->clients, client->id) == client);
	REQUIRE((client->auth_methods & AUTH_BY_SECRET) == 0 || client->secret_count > 0);
	REQUIRE((client->auth_methods & AUTH_BIT(AUTH_PRIVATE_KEY_JWT)) == 0 ||
		client->key_count > 0);
	REQUIRE((client->auth_methods & AUTH_BY_ASSERTION) == 0 || snapshot->state.n > 0);
	for (size_t i = 0; i < client->default_scopes.count; i++)
		REQUIRE(scope_list_has(client->scopes, client->default_scopes.items[i]));
	for (size_t i = 0; i < client->secret_count; i++)
		REQUIRE(client->secrets[i].kind != SECRET_CRYPT ||
			credential_hash_is_supported(client->secrets[i].text));
}

static void check_snapshot(const struct snapshot *snapshot)
{
	const struct keyring *keyring = &snapshot->keyring;
	size_t active = 0;

	for (size_t i = 0; i < keyring->count; i++) {
		active += keyring->keys[i].state == KEY_ACTIVE;
		REQUIRE(keyring_find(keyring, keyring->keys[i].kid) == &keyring->keys[i]);
	}
	REQUIRE(active == 1 && keyring->active->signer != NULL);
	REQUIRE(snapshot->issuer.n > 0 && snapshot->jwks.body.n > 0);
	REQUIRE(snapshot->access_token.lifetime_s > 0);
	for (size_t i = 0; i < snapshot->clients.count; i++)
		check_client(snapshot, &snapshot->clients.items[i]);
	for (size_t i = 1; i < snapshot->scopes.count; i++)
		REQUIRE(str_compare(snapshot->scopes.items[i - 1].token,
				snapshot->scopes.items[i].token) < 0);
}

static void check_same_client(const struct client *a, const struct client *b)
{
	REQUIRE(b != NULL && a->enabled == b->enabled && a->grants == b->grants);
	REQUIRE(a->auth_methods == b->auth_methods && a->dpop_bound == b->dpop_bound);
	REQUIRE(a->certificate_bound == b->certificate_bound);
	REQUIRE(a->may_introspect == b->may_introspect);
	REQUIRE(a->has_profile == b->has_profile && a->profile == b->profile);
	REQUIRE(a->token_lifetime_s == b->token_lifetime_s);
	REQUIRE(a->scopes.count == b->scopes.count && a->key_count == b->key_count);
	REQUIRE(a->default_scopes.count == b->default_scopes.count);
	REQUIRE(a->secret_count == b->secret_count);
	REQUIRE(a->resources.count == b->resources.count);
	REQUIRE(a->audience.count == b->audience.count);
	REQUIRE(a->allowed_ips.count == b->allowed_ips.count);
	REQUIRE(str_eq(a->claims, b->claims));
}

static void check_part(const struct snapshot *whole)
{
	struct str ids[IDS_MAX] = { STR("nobody"), STR("more") };

	for (size_t i = 0; i < whole->clients.count && i < IDS_MAX; i++)
		ids[i] = whole->clients.items[whole->clients.count - 1 - i].id;
	const struct str_list asked = { ids, IDS_MAX };
	struct config *config = config_load_part(main_path, NOW_S, &asked);

	REQUIRE(config != NULL);
	const struct snapshot *part = config_snapshot(config);

	REQUIRE(part != NULL && part->is_partial && str_eq(part->issuer, whole->issuer));
	REQUIRE(part->require_tls == whole->require_tls);
	REQUIRE(part->failure_price.total_us == whole->failure_price.total_us);
	REQUIRE(part->keyring.active != NULL);
	REQUIRE(str_eq(part->keyring.active->kid, whole->keyring.active->kid));
	for (size_t i = 0; i < IDS_MAX; i++) {
		const struct client *client = client_find(&whole->clients, ids[i]);

		if (client != NULL)
			check_same_client(client, client_find(&part->clients, ids[i]));
		else
			REQUIRE(client_find(&part->clients, ids[i]) == NULL);
	}
	config_free(config);
}

static void check_problems(const struct config *config, struct str text)
{
	const struct diag *diag = config_diag(config);

	REQUIRE((diag_error_count(diag) > 0) == (config_snapshot(config) == NULL));
	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_entry *entry = diag_get(diag, i);

		REQUIRE(str_is_utf8(str_of(entry->text)));
		/* The secret of the file is not told, unless somebody has put it there. */
		REQUIRE(!str_contains(str_of(entry->text), STR(SECRET)) ||
			str_contains(text, STR(SECRET)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str keys[] = { STR("clients"), STR("c"), STR("scopes"), STR("0") };
	struct place where;

	if (size > 8000)
		return 0;
	prepare();
	place_write(main_path, data, size);
	struct config *config = config_load(main_path, CONFIG_SERVE, NOW_S);

	REQUIRE(config != NULL);
	check_problems(config, fuzz_input(data, size));
	if (config_locate(config, keys, COUNT(keys), &where))
		REQUIRE(where.line > 0 && where.column > 0);
	if (config_snapshot(config) != NULL) {
		check_snapshot(config_snapshot(config));
		check_part(config_snapshot(config));
	}
	config_free(config);
	return 0;
}
