/* SPDX-License-Identifier: MIT */
/* Two counters of failures a subject, each with its own window. */
#include "state/throttle.h"
#include "util/random.h"

#define PROBE_NONCE_SIZE 16
#define IPV6_NETWORK_SIZE 8 /* /64: what one host has, and can choose from */

/* A limit that is in force, and the counter that it is for. */
struct rule {
	int64_t limit;
	struct store_key key;
};

struct rules {
	struct rule items[2];
	size_t count;
	int64_t window_s;
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

	*rules = (struct rules){ .window_s = limits->window_s };
	if (limits->failures > 0 && subject->client_id.n > 0)
		reason = add_rule(
			rules, limits->failures, pair, sizeof(pair) / sizeof(pair[0]));
	if (reason == REASON_NONE && limits->address_failures > 0)
		reason = add_rule(rules, limits->address_failures, address,
			sizeof(address) / sizeof(address[0]));
	return reason;
}

/*
 * Seconds until the counter expires, if it is above what is allowed; else 0.  One that lasts
 * longer than a window was begun by a clock that was ahead, and does not count.
 */
static int64_t wait_of(
	const struct store_counter *counter, int64_t allowed, int64_t now_s, int64_t window_s)
{
	int64_t left_s = counter->expires_s - now_s;

	if (counter->count <= allowed || left_s > window_s + STORE_CLOCK_SLACK_S)
		return 0;
	return left_s > 0 ? left_s : 1;
}

static enum reason check_rule(struct store *store, const struct rule *rule, int64_t window_s,
	int64_t now_s, int64_t *wait_s)
{
	struct store_counter counter = { 0 };
	enum reason reason = store->ops->read(store, &rule->key, now_s, &counter);

	*wait_s = reason == REASON_NONE ? wait_of(&counter, rule->limit - 1, now_s, window_s)
					: 0;
	return reason;
}

static enum reason count_rule(struct store *store, const struct rule *rule, int64_t window_s,
	int64_t now_s, int64_t *wait_s)
{
	struct store_counter counter = { 0 };
	enum reason reason = store->ops->increment(
		store, &rule->key, now_s + window_s, now_s, &counter);

	*wait_s = reason == REASON_NONE ? wait_of(&counter, rule->limit, now_s, window_s) : 0;
	return reason;
}

/* Do this for each rule, and take the longest wait. */
static enum reason for_each(
	enum reason (*step)(struct store *, const struct rule *, int64_t, int64_t, int64_t *),
	struct store *store, const struct rules *rules, int64_t now_s, int64_t *longest_s)
{
	enum reason reason = REASON_NONE;

	*longest_s = 0;
	for (size_t i = 0; reason == REASON_NONE && i < rules->count; i++) {
		int64_t wait_s;

		reason = step(store, &rules->items[i], rules->window_s, now_s, &wait_s);
		if (wait_s > *longest_s)
			*longest_s = wait_s;
	}
	if (reason != REASON_NONE)
		*longest_s = 0;
	else if (*longest_s > 0)
		reason = REASON_THROTTLED;
	return reason;
}

/*
 * A store that can be read but not written would let anybody guess for ever.  Each probe begins
 * a counter: one that is full can still raise those that it has.
 */
static enum reason try_to_count(struct store *store, int64_t window_s, int64_t now_s)
{
	unsigned char nonce[PROBE_NONCE_SIZE];
	const struct str parts[] = { STR("probe"), { (const char *)nonce, sizeof(nonce) } };
	struct store_counter counter;
	struct store_key key;
	enum reason reason = random_bytes(nonce, sizeof(nonce)) == REASON_NONE ? REASON_NONE
									       : REASON_STORE;

	if (reason == REASON_NONE)
		reason = store_key_make(
			STORE_THROTTLE, parts, sizeof(parts) / sizeof(parts[0]), &key);
	if (reason == REASON_NONE)
		reason = store->ops->increment(store, &key, now_s + window_s, now_s, &counter);
	store->lacks_count = reason != REASON_NONE;
	return reason;
}

enum reason throttle_check(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, int64_t *retry_after_s)
{
	struct rules rules;
	enum reason reason = find_rules(limits, subject, &rules);

	*retry_after_s = 0;
	if (reason == REASON_NONE && store->lacks_count)
		reason = try_to_count(store, limits->window_s, now_s);
	return reason == REASON_NONE ? for_each(check_rule, store, &rules, now_s, retry_after_s)
				     : reason;
}

enum reason throttle_count(struct store *store, const struct throttle_limits *limits,
	const struct throttle_subject *subject, int64_t now_s, int64_t *retry_after_s)
{
	struct rules rules;
	enum reason reason = find_rules(limits, subject, &rules);

	*retry_after_s = 0;
	if (reason == REASON_NONE)
		reason = for_each(count_rule, store, &rules, now_s, retry_after_s);
	store->lacks_count = reason != REASON_NONE && reason != REASON_THROTTLED;
	return reason;
}
