/* SPDX-License-Identifier: MIT */
/* The metadata document says exactly what is on (interface §3, RFC 8414 §2). */
#include "ask.h"
#include "makers.h"

#include "oauth/metadata.h"

#define BASE                                                                             \
	"\"issuer\":\"" FIXTURE_ISSUER "\",\"token_endpoint\":\"" FIXTURE_ISSUER         \
	"/oauth2/token\",\"jwks_uri\":\"" FIXTURE_ISSUER                                 \
	"/oauth2/jwks\",\"response_types_supported\":[],\"grant_types_supported\":"      \
	"[\"client_credentials\"],\"scopes_supported\":[\"identity_proofing\",\"orders:" \
	"read\",\"orders:write\",\"stock\"]"
#define AT(endpoint, methods) ",\"" endpoint "_endpoint_auth_methods_supported\":[" methods "]"
#define ALGS_AT(endpoint, algs) \
	",\"" endpoint "_endpoint_auth_signing_alg_values_supported\":[" algs "]"
#define INTROSPECTION ",\"introspection_endpoint\":\"" FIXTURE_ISSUER "/oauth2/introspect\""
#define REVOCATION ",\"revocation_endpoint\":\"" FIXTURE_ISSUER "/oauth2/revoke\""
#define DPOP ",\"dpop_signing_alg_values_supported\":[\"PS256\",\"ES256\",\"EdDSA\"]"
#define CERTIFICATES ",\"tls_client_certificate_bound_access_tokens\":true"

static EVP_PKEY *rsa, *ec, *okp;

static int open_fixture(void **state)
{
	(void)state;
	ask_now_s = NOW_S;
	rsa = support_key(KEY_RSA);
	ec = support_key(KEY_EC);
	okp = support_key(KEY_OKP);
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(okp);
	return 0;
}

static struct client *add(const char *id, unsigned methods)
{
	struct client *client = fixture_add(&fixture, id);

	client->auth_methods = methods;
	return client;
}

static int compare_texts(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;

	return strcmp(json_string_value(*left), json_string_value(*right));
}

/* Lists in an order of their own: the document may have another. */
static void sort_lists(json_t *object)
{
	const char *name;
	json_t *list;

	json_object_foreach(object, name, list)
	{
		json_t *items[16];
		size_t count = json_array_size(list);

		assert_true(count <= COUNT(items));
		for (size_t i = 0; i < count; i++)
			items[i] = json_incref(json_array_get(list, i));
		qsort(items, count, sizeof(items[0]), compare_texts);
		for (size_t i = 0; i < count; i++)
			json_array_set_new(list, i, items[i]);
	}
}

/* Both documents are these members, and no more. */
static void check_document(const char *members, const char *name)
{
	static const char *const paths[] = { "/.well-known/oauth-authorization-server",
		"/.well-known/openid-configuration" };
	char text[4096];
	json_t *wanted;

	assert_int_equal(snapshot_seal(fixture.snapshot), REASON_NONE);
	snprintf(text, sizeof(text), "{%s}", members);
	wanted = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(wanted);
	sort_lists(wanted);
	for (size_t i = 0; i < COUNT(paths); i++) {
		ask_send(&(struct ask){ .method = "GET", .path = paths[i] });
		json_t *json = ask_json(name);

		CHECK_NUMBER(response.status, 200, name);
		sort_lists(json);
		if (!json_equal(json, wanted)) {
			char *got = json_dumps(json, JSON_SORT_KEYS);
			char *other = json_dumps(wanted, JSON_SORT_KEYS);

			check_report(__FILE__, __LINE__, name);
			fprintf(stderr, "got    %s\nwanted %s\n", got, other);
			free(got);
			free(other);
		}
		json_decref(json);
	}
	json_decref(wanted);
}

#define SECRETS "\"client_secret_basic\",\"client_secret_post\""

static void test_no_state(void **state)
{
	(void)state;
	fixture_add(&fixture, "A");
	fixture_seal(&fixture);
	check_document(BASE AT("token", SECRETS), "no state");
	check_end();
}

static void test_no_client(void **state)
{
	(void)state;
	fixture_add(&fixture, "A")->enabled = false;
	fixture_seal(&fixture);
	check_document(BASE AT("token", ""), "no enabled client");
	check_end();
}

static void test_state(void **state)
{
	static const struct {
		bool introspection, revocation;
		const char *members;
	} rows[] = {
		{ true, true,
			BASE AT("token", SECRETS) AT("introspection", SECRETS)
				AT("revocation", SECRETS) DPOP INTROSPECTION REVOCATION },
		{ true, false,
			BASE AT("token", SECRETS) AT("introspection", SECRETS)
				DPOP INTROSPECTION },
		{ false, true,
			BASE AT("token", SECRETS) AT("revocation", SECRETS) DPOP REVOCATION },
		{ false, false, BASE AT("token", SECRETS) DPOP },
	};

	(void)state;
	fixture_use_state(&fixture);
	fixture_add(&fixture, "A");
	fixture_seal(&fixture);
	for (size_t i = 0; i < COUNT(rows); i++) {
		fixture.snapshot->introspection = rows[i].introspection;
		fixture.snapshot->revocation = rows[i].revocation;
		check_document(rows[i].members, "state");
	}
	check_end();
}

/* Each method is there because an enabled client may use it. */
static void test_methods(void **state)
{
	struct client *client = add("A", 0);

	(void)state;
	fixture_seal(&fixture);
	for (int method = 0; method < AUTH__MAX; method++) {
		const bool by_certificate = (AUTH_BIT(method) & AUTH_BY_CERTIFICATE) != 0;
		char members[2048];

		client->auth_methods = AUTH_BIT(method);
		snprintf(members, sizeof(members),
			"%s,\"token_endpoint_auth_methods_supported\":[\"%s\"]%s%s", BASE,
			auth_method_name((enum auth_method)method),
			by_certificate ? CERTIFICATES : "",
			method == AUTH_SECRET_JWT ? ALGS_AT("token", "\"HS256\"") : "");
		check_document(members, auth_method_name((enum auth_method)method));
		client->enabled = false;
		check_document(BASE AT("token", ""), "not enabled");
		client->enabled = true;
	}
	check_end();
}

/* The algorithms of the keys of those clients that may sign with them. */
static void test_algorithms(void **state)
{
	struct client *client;

	(void)state;
	client = add("SELF", AUTH_BIT(AUTH_SELF_SIGNED_TLS));
	fixture_register(&fixture, client, okp, JOSE_ALG_NONE, NULL);
	client = add("OFF", AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
	fixture_register(&fixture, client, rsa, JOSE_ALG_RS512, NULL);
	client->enabled = false;
	client = add("EC", AUTH_BIT(AUTH_PRIVATE_KEY_JWT));
	fixture_register(&fixture, client, ec, JOSE_ALG_NONE, NULL);
	fixture_register(&fixture, client, rsa, JOSE_ALG_PS256, NULL);
	fixture_seal(&fixture);
	check_document(BASE AT("token", "\"private_key_jwt\",\"self_signed_tls_client_auth\"")
			       ALGS_AT("token", "\"ES256\",\"PS256\"") CERTIFICATES,
		"those of the keys");
	client = fixture_client(&fixture, "EC");
	client->keys[1].alg = JOSE_ALG_NONE;
	check_document(BASE AT("token", "\"private_key_jwt\",\"self_signed_tls_client_auth\"")
			       ALGS_AT("token", "\"ES256\",\"PS256\",\"RS256\"") CERTIFICATES,
		"an RSA key without alg");
	client->keys[1].alg = JOSE_ALG_RS384;
	client->auth_methods |= AUTH_BIT(AUTH_SECRET_JWT);
	check_document(BASE AT("token", "\"private_key_jwt\",\"self_signed_tls_client_auth\","
					"\"client_secret_jwt\"")
			       ALGS_AT("token", "\"ES256\",\"RS384\",\"HS256\"") CERTIFICATES,
		"RS384, and a secret");
	fixture_use_state(&fixture);
	fixture.snapshot->revocation = false;
	client->enabled = false;
	fixture_client(&fixture, "OFF")->enabled = true;
	check_document(
		BASE AT("token", "\"private_key_jwt\",\"self_signed_tls_client_auth\"") AT(
			"introspection", "\"private_key_jwt\",\"self_signed_tls_client_auth\"")
			ALGS_AT("token", "\"RS512\"") ALGS_AT("introspection", "\"RS512\"")
				CERTIFICATES DPOP INTROSPECTION,
		"at each endpoint");
	check_end();
}

/* A client of secrets that binds its tokens to a certificate presents one too. */
static void test_certificates(void **state)
{
	struct client *client = fixture_add(&fixture, "A");

	(void)state;
	client->certificate_bound = true;
	fixture_seal(&fixture);
	check_document(BASE AT("token", SECRETS) CERTIFICATES, "bound");
	client->enabled = false;
	check_document(BASE AT("token", ""), "not enabled");
	check_end();
}

/* It fits, however long its texts are. */
static void test_size(void **state)
{
	static char url[2000];
	static struct scope scopes[200];

	(void)state;
	memset(url, 'a', sizeof(url));
	memcpy(url, "https://auth.example.com/", 25);
	for (size_t i = 0; i < COUNT(scopes); i++)
		scopes[i].token = (struct str){ url + 200, 255 };
	fixture_use_state(&fixture);
	fixture.snapshot->issuer = (struct str){ url, sizeof(url) };
	fixture.snapshot->base_url = fixture.snapshot->issuer;
	fixture.snapshot->scopes = (struct scope_table){ scopes, COUNT(scopes) };
	for (int method = 0; method < AUTH__MAX; method++)
		fixture_register(&fixture,
			add(auth_method_name((enum auth_method)method), AUTH_BIT(method)), rsa,
			JOSE_ALG_NONE, NULL);
	fixture_seal(&fixture);
	ask_send(&(struct ask){
		.method = "GET", .path = "/.well-known/oauth-authorization-server" });
	CHECK_NUMBER(response.status, 200, "long texts");
	json_decref(ask_json("long texts"));
	fixture.snapshot->scopes = (struct scope_table){ fixture_scopes, SCOPE__MAX };
	check_end();
}

/* A document that is cut off is none. */
static void test_no_room(void **state)
{
	static char space[8192];
	struct buf json = buf_init(space, sizeof(space));

	(void)state;
	add("A", AUTH_BIT(AUTH_SECRET_BASIC));
	fixture_seal(&fixture);
	CHECK_REASON(metadata_write(fixture.snapshot, &json), REASON_NONE, "room");
	CHECK(json.n <= metadata_size(fixture.snapshot), "as much as is asked for");
	const size_t size = json.n;

	for (size_t missing = 0; missing <= size; missing++) {
		json = buf_init(space, size - missing);
		CHECK_REASON(metadata_write(fixture.snapshot, &json),
			missing == 0 ? REASON_NONE : REASON_MEMORY, "too little");
	}
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_no_state),
		TEST(test_no_client),
		TEST(test_state),
		TEST(test_methods),
		TEST(test_algorithms),
		TEST(test_certificates),
		TEST(test_size),
		TEST(test_no_room),
	};

	return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
