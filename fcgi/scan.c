/* SPDX-License-Identifier: MIT */
/* The judge of FastCGI bytes: records, and the name-value pairs in them. */
#include "scan.h"
#include "record.h"
#include "util/str.h"

#include <stdbool.h>
#include <stdint.h>

#define BEGIN_LEN 8
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONN 1

/*
 * A name-value pair goes NAME_LENGTH -> VALUE_LENGTH -> NAME -> VALUE, and back
 * to the start; a length is one byte, or four if its first bit is set.
 */
enum pair_state {
	PAIR_NAME_LENGTH,
	PAIR_VALUE_LENGTH,
	PAIR_NAME,
	PAIR_VALUE,
};

enum phase {
	PHASE_BEGIN,
	PHASE_PARAMS,
	PHASE_STDIN,
	PHASE_END,
};

#define CONTENT_LENGTH "CONTENT_LENGTH"

static void pair_start(struct scan_pairs *pairs)
{
	pairs->state = PAIR_NAME;
	pairs->name_at = 0;
	pairs->is_content_length = !pairs->found_content_length &&
				   pairs->name_left == sizeof(CONTENT_LENGTH) - 1;
	pairs->count++;
}

/* Go on to the next state that has bytes to come. */
static void pair_advance(struct scan_pairs *pairs)
{
	if (pairs->state == PAIR_NAME && pairs->name_left == 0)
		pairs->state = PAIR_VALUE;
	if (pairs->state == PAIR_VALUE && pairs->value_left == 0) {
		pairs->found_content_length |= pairs->is_content_length;
		pairs->state = PAIR_NAME_LENGTH;
	}
}

static bool pair_length_byte(struct scan_pairs *pairs, unsigned char c)
{
	if (pairs->length_bytes_left == 0 && (c & 0x80) != 0) {
		pairs->length = c & 0x7f;
		pairs->length_bytes_left = 3;
		return true;
	}
	if (pairs->length_bytes_left == 0) {
		pairs->length = c;
	} else {
		pairs->length = pairs->length << 8 | c;
		if (--pairs->length_bytes_left > 0)
			return true;
	}
	if (pairs->length > SCAN_PARAMS_MAX)
		return false;
	if (pairs->state == PAIR_NAME_LENGTH) {
		pairs->name_left = pairs->length;
		pairs->state = PAIR_VALUE_LENGTH;
		return true;
	}
	pairs->value_left = pairs->length;
	pair_start(pairs);
	pair_advance(pairs);
	return pairs->count <= SCAN_PAIR_MAX &&
	       pairs->name_left + pairs->value_left <= SCAN_PARAMS_MAX;
}

static void pair_name_part(struct scan_pairs *pairs, struct str part)
{
	const struct str name = STR(CONTENT_LENGTH);

	if (pairs->is_content_length &&
		!str_eq(part, str_upto(str_from(name, pairs->name_at), part.n)))
		pairs->is_content_length = false;
	pairs->name_at += part.n;
	pairs->name_left -= part.n;
	pair_advance(pairs);
}

static void pair_value_part(struct scan_pairs *pairs, struct str part, size_t number_max)
{
	for (size_t i = 0; pairs->is_content_length && i < part.n; i++) {
		const char c = part.p[i];

		if (c < '0' || c > '9') {
			pairs->content_length = 0;
			pairs->found_content_length = true;
			pairs->is_content_length = false;
		} else if (pairs->content_length <= number_max) {
			pairs->content_length = pairs->content_length * 10 + (size_t)(c - '0');
		}
	}
	pairs->value_left -= part.n;
	pair_advance(pairs);
}

/* What the state takes next of the bytes, of which there are some. */
static struct str pairs_next(const struct scan_pairs *pairs, struct str bytes)
{
	if (pairs->state == PAIR_NAME)
		return str_upto(bytes, pairs->name_left);
	return str_upto(bytes, pairs->state == PAIR_VALUE ? pairs->value_left : 1);
}

/* A NUL would end the variable early for everybody who reads it as a C string. */
static bool pairs_feed(struct scan_walk *walk, struct str bytes)
{
	struct scan_pairs *pairs = &walk->pairs;

	pairs->total_len += bytes.n;
	if (pairs->total_len > SCAN_PARAMS_MAX)
		return false;
	while (bytes.n > 0) {
		struct str part = pairs_next(pairs, bytes);
		bool is_text = pairs->state == PAIR_NAME || pairs->state == PAIR_VALUE;

		if (is_text && str_has(part, '\0'))
			return false;
		if (pairs->state == PAIR_NAME)
			pair_name_part(pairs, part);
		else if (pairs->state == PAIR_VALUE)
			pair_value_part(pairs, part, walk->body_max);
		else if (!pair_length_byte(pairs, (unsigned char)part.p[0]))
			return false;
		bytes = str_from(bytes, part.n);
	}
	return true;
}

/* May this record come now?  Only behind content is padding of any use, and there are readers
 * that would take it for records elsewhere. */
static bool record_is_expected(const struct scan_walk *walk, const struct record *record)
{
	bool padded = record->padding_len > 0;

	if (walk->phase == PHASE_BEGIN)
		return record->type == RECORD_BEGIN && record->id != 0 &&
		       record->content_len == BEGIN_LEN && !padded;
	if (record->id != walk->id || (record->content_len == 0 && padded))
		return false;
	return record->type == (walk->phase == PHASE_PARAMS ? RECORD_PARAMS : RECORD_STDIN);
}

/* The part of the record's content that is there: n bytes. */
static bool content_feed(struct scan_walk *walk, const unsigned char *p, size_t n)
{
	if (walk->phase == PHASE_BEGIN) {
		walk->keeps = n >= BEGIN_LEN && (p[2] & FLAG_KEEP_CONN) != 0;
		return n < 2 || ((unsigned)p[0] << 8 | p[1]) == ROLE_RESPONDER;
	}
	if (walk->phase == PHASE_PARAMS)
		return pairs_feed(walk, (struct str){ (const char *)p, n });
	walk->body_len += n;
	return true;
}

/* The record is there to its last byte. */
static bool record_end(struct scan_walk *walk, const struct record *record)
{
	if (walk->phase == PHASE_BEGIN) {
		walk->id = record->id;
		walk->phase = PHASE_PARAMS;
		return true;
	}
	if (record->content_len > 0)
		return true;
	bool cut = walk->phase == PHASE_PARAMS &&
		   (walk->pairs.state != PAIR_NAME_LENGTH || walk->pairs.length_bytes_left > 0);

	walk->phase = walk->phase == PHASE_PARAMS ? PHASE_STDIN : PHASE_END;
	return !cut;
}

static bool is_large(const struct scan_walk *walk)
{
	return walk->phase == PHASE_STDIN && !walk->keeps &&
	       (walk->pairs.content_length > walk->body_max || walk->body_len > walk->body_max);
}

/*
 * Do the n bytes behind a whole request spoil it?  On a connection that ends with it they only
 * do if nobody wants its answer any more.
 */
static bool is_spoilt(const struct scan_walk *walk, const unsigned char *p, size_t n)
{
	if (walk->keeps || n < RECORD_HEADER_LEN)
		return walk->keeps && n > 0;
	struct record next = record_read(p);

	return next.type == RECORD_ABORT && next.id == walk->id;
}

static enum scan_verdict walk_on(
	struct scan *scan, struct scan_walk *walk, const unsigned char *p, size_t n)
{
	while (walk->phase != PHASE_END && !is_large(walk) && scan->at < n) {
		const unsigned char *header = p + scan->at;
		size_t left = n - scan->at;

		if (header[0] != RECORD_VERSION)
			return SCAN_BROKEN;
		if (left < RECORD_HEADER_LEN)
			break;
		struct record record = record_read(header);
		size_t record_len = RECORD_HEADER_LEN + record.content_len + record.padding_len;
		size_t there = left - RECORD_HEADER_LEN;

		if (there > record.content_len)
			there = record.content_len;
		if (!record_is_expected(walk, &record) ||
			!content_feed(walk, header + RECORD_HEADER_LEN, there))
			return SCAN_BROKEN;
		if (left < record_len)
			break;
		if (!record_end(walk, &record))
			return SCAN_BROKEN;
		scan->walk = *walk;
		scan->at += record_len;
	}
	if (is_large(walk))
		return SCAN_LARGE;
	if (walk->phase != PHASE_END)
		return SCAN_INCOMPLETE;
	return is_spoilt(walk, p + scan->at, n - scan->at) ? SCAN_BROKEN : SCAN_COMPLETE;
}

void fcgi_scan(struct scan *scan, const unsigned char *p, size_t n, size_t body_max)
{
	struct scan_walk walk = scan->walk;

	/* A record that has not ended yet is looked at again from its start the next time. */
	walk.body_max = body_max;
	scan->verdict = walk_on(scan, &walk, p, n);
	scan->body_len = walk.body_len;
	scan->keeps = walk.keeps;
}
