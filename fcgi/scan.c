/* SPDX-License-Identifier: MIT */
/* The judge of FastCGI bytes: records, and the name-value pairs in them. */
#include "scan.h"

#include <stdbool.h>
#include <stdint.h>

#define HEADER_LEN 8
#define BEGIN_LEN 8
#define VERSION_1 1
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONN 1

enum record_type {
	RECORD_BEGIN = 1,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
};

struct record {
	unsigned type;
	unsigned id;
	size_t content_len;
	size_t padding_len;
};

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

static const char content_length_name[] = "CONTENT_LENGTH";

static void pair_start(struct scan_pairs *pairs)
{
	pairs->state = PAIR_NAME;
	pairs->name_at = 0;
	pairs->is_content_length = !pairs->found_content_length &&
				   pairs->name_left == sizeof(content_length_name) - 1;
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

static void pair_name_byte(struct scan_pairs *pairs, unsigned char c)
{
	if (pairs->is_content_length && c != (unsigned char)content_length_name[pairs->name_at])
		pairs->is_content_length = false;
	pairs->name_at++;
	pairs->name_left--;
	pair_advance(pairs);
}

static void pair_value_byte(struct scan_pairs *pairs, unsigned char c, size_t number_max)
{
	if (pairs->is_content_length && (c < '0' || c > '9')) {
		pairs->content_length = 0;
		pairs->found_content_length = true;
		pairs->is_content_length = false;
	} else if (pairs->is_content_length && pairs->content_length <= number_max) {
		pairs->content_length = pairs->content_length * 10 + (c - (unsigned)'0');
	}
	pairs->value_left--;
	pair_advance(pairs);
}

/* A NUL would end the variable early for everybody who reads it as a C string. */
static bool pairs_feed(struct scan_walk *walk, const unsigned char *p, size_t n)
{
	struct scan_pairs *pairs = &walk->pairs;

	pairs->total_len += n;
	if (pairs->total_len > SCAN_PARAMS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool good = p[i] != '\0';

		if (pairs->state == PAIR_NAME)
			pair_name_byte(pairs, p[i]);
		else if (pairs->state == PAIR_VALUE)
			pair_value_byte(pairs, p[i], walk->body_max);
		else
			good = pair_length_byte(pairs, p[i]);
		if (!good)
			return false;
	}
	return true;
}

static struct record record_read(const unsigned char *p)
{
	return (struct record){
		.type = p[1],
		.id = (unsigned)p[2] << 8 | p[3],
		.content_len = (size_t)p[4] << 8 | p[5],
		.padding_len = p[6],
	};
}

/* May this record come now?  Where libfcgi would misread padding, there must be none. */
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
		return pairs_feed(walk, p, n);
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

static enum scan_verdict walk_on(
	struct scan *scan, struct scan_walk *walk, const unsigned char *p, size_t n)
{
	while (walk->phase != PHASE_END && !is_large(walk) && scan->at < n) {
		const unsigned char *header = p + scan->at;
		size_t left = n - scan->at;

		if (header[0] != VERSION_1)
			return SCAN_BROKEN;
		if (left < HEADER_LEN)
			break;
		struct record record = record_read(header);
		size_t record_len = HEADER_LEN + record.content_len + record.padding_len;
		size_t there = left - HEADER_LEN;

		if (there > record.content_len)
			there = record.content_len;
		if (!record_is_expected(walk, &record) ||
			!content_feed(walk, header + HEADER_LEN, there))
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
	return scan->at == n ? SCAN_COMPLETE : SCAN_BROKEN;
}

void fcgi_scan(struct scan *scan, const unsigned char *p, size_t n, size_t body_max)
{
	struct scan_walk walk = scan->walk;

	/* A record that has not ended yet is looked at again from its start the next time. */
	walk.body_max = body_max;
	scan->verdict = walk_on(scan, &walk, p, n);
	scan->body_len = walk.body_len;
}
