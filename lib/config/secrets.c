/* SPDX-License-Identifier: MIT */
/* The secrets of a client: hashes, or files with the secret itself. */
#include "config/clients.h"
#include "config/quote.h"
#include "domain/credential.h"
#include "jose/jws.h"

#define SECRET_FILE_SIZE_MAX 4096
#define SHA256_PREFIX STR("sha256:")

/* One item of `secrets`. */
struct draft {
	struct secret secret;
	const struct yaml_node *hash;
	const struct yaml_node *file;
	const struct yaml_node *expires;
	struct str path;
};

static bool read_digest(struct str hex, unsigned char digest[static SECRET_DIGEST_SIZE])
{
	if (hex.n != 2 * SECRET_DIGEST_SIZE)
		return false;
	for (size_t i = 0; i < SECRET_DIGEST_SIZE; i++) {
		unsigned high = str_hex_value(hex.p[2 * i]);
		unsigned low = str_hex_value(hex.p[2 * i + 1]);

		if (high == STR_NOT_HEX || low == STR_NOT_HEX)
			return false;
		digest[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* Never shows the text: it may be a secret. */
static void refuse_hash(struct reader *reader, const struct yaml_node *node)
{
	const char *problem = "this is neither a crypt(3) hash nor sha256: and 64 hex digits; "
			      "a secret must not "
			      "stand here, hash it with \"oauth2-admin hash-secret\"";

	if (str_starts(node->text, SHA256_PREFIX))
		problem = "sha256: must be followed by exactly 64 hex digits";
	else if (str_starts(node->text, STR("$")))
		problem = "this hash is cut off or of a kind that is not supported (bcrypt, "
			  "yescrypt, "
			  "SHA-512 and SHA-256 crypt are); make one with \"oauth2-admin "
			  "hash-secret\"";
	diag_add(reader->diag, DIAG_ERROR, yaml_place(node), "%s", problem);
}

static void read_hash(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct draft *draft = target;
	struct secret *secret = &draft->secret;

	(void)key;
	draft->hash = node;
	if (str_starts(node->text, SHA256_PREFIX) &&
		read_digest(str_from(node->text, SHA256_PREFIX.n), secret->digest)) {
		secret->kind = SECRET_SHA256;
	} else if (credential_hash_is_supported(node->text)) {
		secret->kind = SECRET_CRYPT;
		if (!arena_copy(reader->arena, node->text, &secret->text))
			reader->out_of_memory = true;
	} else {
		refuse_hash(reader, node);
	}
}

static void read_file_name(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct draft *draft = target;

	draft->file = node;
	schema_path(reader, key, node, &draft->path);
}

static void read_expiry(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target)
{
	struct draft *draft = target;

	draft->expires = node;
	schema_time(reader, key, node, &draft->secret.expires_s);
}

static const struct schema_key secret_keys[] = {
	{ .name = "hash", .type = read_hash },
	{ .name = "file", .type = read_file_name },
	{ "label", schema_text, .offset = offsetof(struct draft, secret.label) },
	{ "not_before", schema_time, .offset = offsetof(struct draft, secret.not_before_s) },
	{ .name = "expires", .type = read_expiry },
};

static const struct schema secret_schema = SCHEMA(secret_keys);

/* The one line of the file without its newline; *problem is NULL if it is one. */
static struct str one_line(struct str content, const char **problem)
{
	if (str_ends(content, STR("\r\n")))
		content.n -= 2;
	else if (str_ends(content, STR("\n")))
		content.n--;
	*problem = NULL;
	if (content.n == 0)
		*problem = "holds no secret";
	else if (str_has(content, '\0'))
		*problem = "contains a NUL character";
	else if (str_has(content, '\n'))
		*problem = "has more than one line; the secret must stand alone in it";
	return content;
}

static bool wants_assertions(const struct client_draft *client)
{
	return (client->client.auth_methods & AUTH_BIT(AUTH_SECRET_JWT)) != 0;
}

/* Its digest does, unless assertions are to be verified with the secret itself. */
static void keep_secret(struct loader *loader, const struct client_draft *client,
	struct draft *draft, struct str text)
{
	struct secret *secret = &draft->secret;

	if (!wants_assertions(client))
		secret->kind = SECRET_SHA256;
	else if (!arena_copy(loader->reader.arena, text, &secret->text))
		loader->reader.out_of_memory = true;
	if (!secret_digest(text, secret->digest))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->file), "%s",
			reason_info(REASON_HASHING)->name);
}

/* RFC 7518 §3.2. */
static bool is_long_enough(const struct client_draft *client, struct str secret)
{
	return secret.n >= JWS_SECRET_LEN_MIN || !wants_assertions(client);
}

static void read_file(
	struct loader *loader, const struct client_draft *client, struct draft *draft)
{
	struct buf content;
	const char *problem;

	if (draft->path.n == 0 || !loader_read_file(loader, draft->path, draft->file,
					  FILE_SECRET, SECRET_FILE_SIZE_MAX, &content))
		return;
	struct str secret = one_line(buf_view(&content), &problem);

	if (problem != NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->file), "%s %s",
			quote_of(draft->file->text).text, problem);
	else if (!is_long_enough(client, secret))
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->file),
			"%s is too short: client_secret_jwt needs a secret of at least %d "
			"bytes",
			quote_of(draft->file->text).text, JWS_SECRET_LEN_MIN);
	else
		keep_secret(loader, client, draft, secret);
	file_clear(&content);
}

static void check_draft(
	struct loader *loader, const struct yaml_node *item, const struct draft *draft)
{
	const struct secret *secret = &draft->secret;

	if (yaml_find(item, STR("hash")) == NULL && yaml_find(item, STR("file")) == NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(item),
			"a secret needs \"hash\" or \"file\"");
	if (draft->hash != NULL && draft->file != NULL)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->file),
			"a secret has either \"hash\" or \"file\", not both");
	if (secret->expires_s > 0 && secret->not_before_s >= secret->expires_s)
		diag_add(loader->reader.diag, DIAG_ERROR, yaml_place(draft->expires),
			"\"expires\" must be later than \"not_before\"");
}

static void read_secret(struct loader *loader, struct client_draft *client,
	const struct yaml_node *item, struct secret *secret)
{
	struct draft draft = { 0 };

	if (!schema_item_is_mapping(&loader->reader, "secrets", item)) {
		client->has_refused_secret = true;
		return;
	}
	schema_read(&loader->reader, &secret_schema, item, &draft);
	check_draft(loader, item, &draft);
	if (draft.file != NULL) {
		client->has_secret_file = true;
		draft.secret.kind = SECRET_PLAIN;
		read_file(loader, client, &draft);
	} else if (yaml_find(item, STR("file")) != NULL) {
		client->has_refused_secret = true;
	}
	*secret = draft.secret;
	secret_wipe(&draft, sizeof(draft));
}

/* Is there a secret that has not expired, of those for assertions or of all? */
static bool has_current(
	const struct loader *loader, const struct client *client, bool for_assertions)
{
	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if ((!for_assertions || secret->kind == SECRET_PLAIN) &&
			(secret->expires_s == 0 || secret->expires_s > loader->now_s))
			return true;
	}
	return false;
}

static void warn_expired(struct loader *loader, const struct client_draft *draft)
{
	const struct client *client = &draft->client;
	const bool for_assertions = draft->has_secret_file && wants_assertions(draft);

	if (draft->auth_methods != NULL && (client->auth_methods & AUTH_BY_SECRET) == 0)
		return;
	if (!has_current(loader, client, false))
		diag_add(loader->reader.diag, DIAG_WARNING, yaml_place(draft->secrets),
			client->secret_count == 1 ? "this secret of %s has expired"
						  : "all secrets of %s have expired",
			quote_of(draft->name->text).text);
	else if (for_assertions && !has_current(loader, client, true))
		diag_add(loader->reader.diag, DIAG_WARNING, yaml_place(draft->secrets),
			"all secrets of %s with \"file\" have expired, so client_secret_jwt "
			"cannot be used",
			quote_of(draft->name->text).text);
}

void secrets_load(struct loader *loader, struct client_draft *draft)
{
	const struct yaml_node *list = draft->secrets;

	if (list == NULL || !schema_is_list(&loader->reader, "secrets", list)) {
		draft->has_refused_secret = yaml_find(draft->value, STR("secrets")) != NULL;
		return;
	}
	if (list->count == 0)
		return;
	struct secret *secrets = schema_alloc(&loader->reader, list->count, sizeof(*secrets));

	if (secrets == NULL)
		return;
	draft->client.secrets = secrets;
	draft->client.secret_count = list->count;
	for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
		read_secret(loader, draft, item, secrets++);
	warn_expired(loader, draft);
}
