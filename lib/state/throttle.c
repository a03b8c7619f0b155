/* SPDX-License-Identifier: MIT */
/* Two counters of failures a subject, each with its own window. */
#include "state/throttle.h"

#define IPV6_NETWORK_SIZE 8 /* /64: what one host has, and can choose from */

/* A limit that is in force, and the counter that it is for. */
struct rule {
	int64_t limit;
	struct store_key key;
};

struct rules {
	struct rule items[2];
	size_t count;
};

/* What stands for the address: all of IPv4, the network of IPv6; empty if it is unknown. */
static struct str network_of(const struct netaddr *address)
{
	static const char mapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff"; /* RFC 4291 §2.5.5.2 */
	struct str bytes = { (const char *)address->bytes, sizeof(address->bytes) };

	if (!address->known)
		return STR("");
	if (str_starts(bytes, (struct str){ mapped, sizeof(mapped) - 1 }))
		return bytes;
	return str_upto(bytes, IPV6_NETWORK_SIZE);
}

static enum reason add_rule(
	struct rules *rules, int64_t limit, const struct str *parts, size_t part_count)
{
	struct rule *rule = &rules->items[rules->count];
	enum reason reason = store_key_make(STORE_THROTTLE, parts, part_count, &rule->key);

	if (reason != REASON_NONE)
		return reason;
	rule->limit = limit;
	rules->count++;
	return REASON_NONE;
}

static enum reason find_rules(const struct throttle_limits *limits,
	const struct throttle_subject *subject, struct rules *rules)
{
	const struct str network = network_of(&subject->address);
	const struct str pair[] = { STR("client"), subject->client_id, network };
	const struct str address[] = { STR("address"), network };
	enum reason reason = REASON_NONE;

	*rules = (struct rules){ .count = 0 };
	if (limits->failures > 0 && subject->client_id.n > 0)
		reason = add_rule(
			rules, limits->failures, pair, sizeof(pair) / sizeof(pair[0]));
	if (reason == REASON_NONE && limits->address_failures > 0)
		reason = add_rule(rules, limits->address_failures, address,
			sizeof(address) / sizeof(address[0]));
	return reason;
}

/* Seconds until the rule lets the subject try again; 0 if it does now. */
static int64_t wait_of(
	const struct rule *rule, const struct store_counter *counter, int64_t now_s)
{
	if (counter->count < rule->limit)
		return 0;
	return counter->expires_s > now_s ? counter->expires_s - now_s : 1;
}

enum reason throttle_check(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, int64_t *retry_after_s)
{
	int64_t longest_s = 0;
	struct rules rules;

	*retry_after_s = 0;
	enum reason reason = find_rules(limits, subject, &rules);

	for (size_t i = 0; reason == REASON_NONE && i < rules.count; i++) {
		struct store_counter counter = { 0 };

		reason = store->ops->read(store, &rules.items[i].key, now_s, &counter);
		int64_t wait_s = wait_of(&rules.items[i], &counter, now_s);

		if (wait_s > longest_s)
			longest_s = wait_s;
	}
	if (reason != REASON_NONE)
		return reason;
	*retry_after_s = longest_s;
	return longest_s > 0 ? REASON_THROTTLED : REASON_NONE;
}

enum reason throttle_count(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s)
{
	struct rules rules;
	enum reason reason = find_rules(limits, subject, &rules);

	for (size_t i = 0; reason == REASON_NONE && i < rules.count; i++) {
		struct store_counter counter;

		reason = store->ops->increment(
			store, &rules.items[i].key, now_s + limits->window_s, now_s, &counter);
	}
	return reason;
}
