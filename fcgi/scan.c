/* SPDX-License-Identifier: MIT */
/* The judge of FastCGI bytes: records, and the name-value pairs in them. */
#include "scan.h"

#include <stdbool.h>
#include <stdint.h>

#define HEADER_LEN 8
#define BEGIN_LEN 8
#define VERSION_1 1
#define ROLE_RESPONDER 1

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

struct pairs {
	enum pair_state state;
	unsigned length_bytes_left; /* of a length of four bytes */
	size_t length;
	size_t name_left;
	size_t value_left;
	size_t name_at; /* bytes of the name seen */
	size_t count;
	size_t total_len;
	bool is_content_length;    /* the pair under way may be it */
	bool found_content_length; /* the first one counts, as for whoever reads the variables
				    */
	size_t content_length;     /* 0 if it is no number */
};

enum phase {
	PHASE_BEGIN,
	PHASE_PARAMS,
	PHASE_STDIN,
	PHASE_END,
};

struct walk {
	enum phase phase;
	unsigned id;
	size_t body_len;
	size_t body_max;
	struct pairs pairs;
};

static const char content_length_name[] = "CONTENT_LENGTH";

static void pair_start(struct pairs *pairs)
{
	pairs->state = PAIR_NAME;
	pairs->name_at = 0;
	pairs->is_content_length = !pairs->found_content_length &&
				   pairs->name_left == sizeof(content_length_name) - 1;
	pairs->count++;
}

/* Go on to the next state that has bytes to come. */
static void pair_advance(struct pairs *pairs)
{
	if (pairs->state == PAIR_NAME && pairs->name_left == 0)
		pairs->state = PAIR_VALUE;
	if (pairs->state == PAIR_VALUE && pairs->value_left == 0) {
		pairs->found_content_length |= pairs->is_content_length;
		pairs->state = PAIR_NAME_LENGTH;
	}
}

static bool pair_length_byte(struct pairs *pairs, unsigned char c)
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

static void pair_name_byte(struct pairs *pairs, unsigned char c)
{
	if (pairs->is_content_length && c != (unsigned char)content_length_name[pairs->name_at])
		pairs->is_content_length = false;
	pairs->name_at++;
	pairs->name_left--;
	pair_advance(pairs);
}

static void pair_value_byte(struct pairs *pairs, unsigned char c, size_t number_max)
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
static bool pairs_feed(struct walk *walk, const unsigned char *p, size_t n)
{
	struct pairs *pairs = &walk->pairs;

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
static bool record_is_expected(const struct walk *walk, const struct record *record)
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
static bool content_feed(struct walk *walk, const unsigned char *p, size_t n)
{
	if (walk->phase == PHASE_BEGIN)
		return n < 2 || ((unsigned)p[0] << 8 | p[1]) == ROLE_RESPONDER;
	if (walk->phase == PHASE_PARAMS)
		return pairs_feed(walk, p, n);
	walk->body_len += n;
	return true;
}

/* The record is there to its last byte. */
static bool record_end(struct walk *walk, const struct record *record)
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

static bool is_large(const struct walk *walk)
{
	return walk->phase == PHASE_STDIN &&
	       (walk->pairs.content_length > walk->body_max || walk->body_len > walk->body_max);
}

static enum scan_verdict walk_records(struct walk *walk, const unsigned char *p, size_t n)
{
	size_t at = 0;

	while (walk->phase != PHASE_END && !is_large(walk) && at < n) {
		if (p[at] != VERSION_1)
			return SCAN_BROKEN;
		if (n - at < HEADER_LEN)
			break;
		struct record record = record_read(p + at);

		at += HEADER_LEN;
		size_t there = n - at < record.content_len ? n - at : record.content_len;

		if (!record_is_expected(walk, &record) || !content_feed(walk, p + at, there))
			return SCAN_BROKEN;
		if (n - at < record.content_len + record.padding_len)
			break;
		at += record.content_len + record.padding_len;
		if (!record_end(walk, &record))
			return SCAN_BROKEN;
	}
	if (is_large(walk))
		return SCAN_LARGE;
	if (walk->phase != PHASE_END)
		return SCAN_INCOMPLETE;
	return at == n ? SCAN_COMPLETE : SCAN_BROKEN;
}

struct scan fcgi_scan(const unsigned char *p, size_t n, size_t body_max)
{
	struct walk walk = { .phase = PHASE_BEGIN, .body_max = body_max };
	enum scan_verdict verdict = walk_records(&walk, p, n);

	return (struct scan){ .verdict = verdict, .body_len = walk.body_len };
}
