/* SPDX-License-Identifier: MIT */
/* The clients that one token request may be of; of the others, what a failure costs. */
#include "config/part.h"
#include "config/clients.h"
#include "domain/credential.h"
#include "jose/key.h"
#include "util/secret.h"

#include <string.h>

#define STAND_IN_LABEL "oauth2-fcgi: who stands in for unknown clients"

/* The clients that are asked for, as far as they are there. */
struct found {
	const struct entry **items; /* in the order of their names */
	size_t count;
};

/* What is a hash by its first character; NULL: the secret is kept otherwise, and costs nothing.
 */
static const struct yaml_node *find_slow_hash(const struct yaml_node *item)
{
	const struct yaml_node *key = yaml_find(item, STR("hash"));

	return key != NULL && str_starts(key->next->text, STR("$")) ? key->next : NULL;
}

static size_t count_slow_hashes(const struct yaml_node *list)
{
	size_t count = 0;

	for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
		count += find_slow_hash(item) != NULL;
	return count;
}

/* The price of a failure with this client, whose other keys are not looked at. */
static void add_price(struct loader *loader, const struct yaml_node *client)
{
	const struct yaml_node *key = yaml_find(client, STR("secrets"));
	size_t count = key == NULL || key->next->kind != YAML_LIST
			       ? 0
			       : count_slow_hashes(key->next);

	if (count == 0)
		return;
	struct secret *secrets = arena_alloc_array(
		loader->reader.scratch, count, sizeof(*secrets));
	struct client draft = { .secrets = secrets };

	if (secrets == NULL) {
		loader->reader.out_of_memory = true;
		return;
	}
	for (const struct yaml_node *item = key->next->child; item != NULL; item = item->next) {
		const struct yaml_node *hash = find_slow_hash(item);

		if (hash != NULL && credential_hash_is_supported(hash->text))
			secrets[draft.secret_count++] = (struct secret){ .kind = SECRET_CRYPT,
				.text = hash->text };
	}
	failure_price_add(&loader->snapshot->failure_price, &draft);
}

/* The text of the files is forgotten; the costliest hash is needed after that. */
static void keep_price(struct loader *loader)
{
	struct failure_price *price = &loader->snapshot->failure_price;

	if (price->hash.n > 0 && !arena_copy(loader->reader.arena, price->hash, &price->hash))
		loader->reader.out_of_memory = true;
}

static void insert(struct found *found, const struct entry *entry)
{
	size_t i = found->count++;

	for (; i > 0 && found->items[i - 1]->rank > entry->rank; i--)
		found->items[i] = found->items[i - 1];
	found->items[i] = entry;
}

/* Those that are asked for; the price of all others is added. */
static void find_asked(
	struct loader *loader, const struct entries *entries, struct found *found)
{
	const struct str_list *asked = loader->asked;

	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];

		if (found->count < asked->count && str_list_has(*asked, entry->key->text))
			insert(found, entry);
		else
			add_price(loader, entry->key->next);
	}
}

static bool is_found(const struct found *found, struct str id)
{
	for (size_t i = 0; i < found->count; i++) {
		if (str_eq(found->items[i]->key->text, id))
			return true;
	}
	return false;
}

/*
 * Is a client_id all that the request names a client by?  With these characters it may be
 * another form of one: encoded for the header (RFC 6749 §2.3.1), or decoded though it was not
 * encoded.  Such a form must not refuse a client that is good.
 */
static bool stands_alone(struct str id)
{
	return !str_has(id, '%') && !str_has(id, '+') && !str_has(id, ' ');
}

static void forget(const struct client *client)
{
	for (size_t i = 0; i < client->key_count; i++)
		jwk_clear(&client->keys[i]);
}

/* Read a client without telling its problems; false: it has some. */
static bool read_quietly(
	struct loader *loader, const struct entry *entry, struct client *client)
{
	struct diag *diag = loader->reader.diag;
	struct diag *own = diag_new();

	*client = (struct client){ 0 };
	if (own == NULL) {
		loader->reader.out_of_memory = true;
		return false;
	}
	loader->reader.diag = own;
	client_load(loader, entry->key, client);
	loader->reader.diag = diag;
	bool is_good = diag_error_count(own) == 0;

	diag_free(own);
	return is_good;
}

/*
 * Read a client, or the one that stands in for it: both alike, so that neither the time nor the
 * answer tells which of them it was.
 *
 * Returns false: it is broken, and nobody but itself is to notice.
 */
static bool read_as(
	struct loader *loader, struct str id, const struct entry *entry, struct client *client)
{
	if (!stands_alone(id))
		return read_quietly(loader, entry, client);
	client_load(loader, entry->key, client);
	return true;
}

static void read_found(struct loader *loader, const struct found *found, struct client *clients)
{
	size_t count = 0;

	for (size_t i = 0; i < found->count; i++) {
		const struct yaml_node *key = found->items[i]->key;

		if (read_as(loader, key->text, found->items[i], &clients[count])) {
			count++;
		} else {
			forget(&clients[count]);
			add_price(loader, key->next);
		}
	}
	loader->snapshot->clients = (struct client_table){ clients, count };
}

/* Without an active key, which is an error, nothing is served anyway. */
static void derive_key(struct loader *loader, unsigned char key[static SECRET_DIGEST_SIZE])
{
	const struct signing_key *active = loader->snapshot->keyring.active;

	memset(key, 0, SECRET_DIGEST_SIZE);
	if (active != NULL && active->pkey != NULL &&
		key_derive(active->pkey, STR(STAND_IN_LABEL), key) != REASON_NONE)
		loader->reader.out_of_memory = true;
}

/* For one client_id always the same entry; which, is known only to who has the key. */
static const struct entry *choose(struct loader *loader, const struct entries *entries,
	const unsigned char key[static SECRET_DIGEST_SIZE], struct str id)
{
	unsigned char keyed[2 * SECRET_DIGEST_SIZE], digest[SECRET_DIGEST_SIZE];
	const struct str message = { (const char *)keyed, sizeof(keyed) };
	uint64_t number = 0;

	memcpy(keyed, key, SECRET_DIGEST_SIZE);
	if (secret_digest(id, keyed + SECRET_DIGEST_SIZE) && secret_digest(message, digest))
		memcpy(&number, digest, sizeof(number));
	else
		loader->reader.out_of_memory = true;
	secret_wipe(keyed, sizeof(keyed));
	return &entries->items[number % entries->count];
}

/* Chosen for all, so that this takes as long for those that are there. */
static void read_stand_ins(
	struct loader *loader, const struct entries *entries, const struct found *found)
{
	const struct str_list *asked = loader->asked;
	unsigned char key[SECRET_DIGEST_SIZE];
	struct client client;

	derive_key(loader, key);
	for (size_t i = 0; i < asked->count; i++) {
		const struct str id = asked->items[i];
		const struct entry *entry = choose(loader, entries, key, id);

		if (is_found(found, id) ||
			str_list_has((struct str_list){ asked->items, i }, id))
			continue;
		(void)read_as(loader, id, entry, &client);
		forget(&client);
	}
	secret_wipe(key, sizeof(key));
}

void part_load(struct loader *loader, const struct entries *entries)
{
	struct found found = { .items = arena_alloc_array(loader->reader.scratch,
				       loader->asked->count + 1, sizeof(*found.items)) };
	struct client *clients = schema_alloc(
		&loader->reader, loader->asked->count, sizeof(*clients));

	if (found.items == NULL || clients == NULL) {
		loader->reader.out_of_memory = true;
		return;
	}
	find_asked(loader, entries, &found);
	read_found(loader, &found, clients);
	if (entries->count > 0)
		read_stand_ins(loader, entries, &found);
	keep_price(loader);
}
