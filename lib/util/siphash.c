/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 of 128 bits. */
#include "util/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t load(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

static void mix(struct state *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static void take(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	mix(s, 2);
	s->v0 ^= word;
}

/* What is left at the end, and the length in the uppermost byte. */
static uint64_t last_word(struct str rest, size_t n)
{
	unsigned char bytes[8] = { 0 };

	if (rest.n > 0)
		memcpy(bytes, rest.p, rest.n);
	bytes[7] = (unsigned char)n;
	return load(bytes);
}

static uint64_t half(struct state *s)
{
	mix(s, 4);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct siphash siphash(const unsigned char key[static SIPHASH_KEY_SIZE], struct str s)
{
	const uint64_t k0 = load(key), k1 = load(key + 8);
	struct state state = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	struct str rest = s;
	struct siphash digest;

	for (; rest.n >= 8; rest = str_from(rest, 8))
		take(&state, load(rest.p));
	take(&state, last_word(rest, s.n));
	state.v2 ^= 0xee;
	digest.first = half(&state);
	state.v1 ^= 0xdd;
	digest.second = half(&state);
	return digest;
}
