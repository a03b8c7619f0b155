/* SPDX-License-Identifier: MIT */
/* Secrets that nobody chose, and their hashes for the configuration. */
#include "generate.h"
#include "util/random.h"

static void write_hash(struct generated *generated, const unsigned char *digest)
{
	static const char hex[] = "0123456789abcdef";
	struct buf buf = buf_init(generated->hash, sizeof(generated->hash));

	buf_text(&buf, "sha256:");
	for (size_t i = 0; i < SECRET_DIGEST_SIZE; i++) {
		buf_char(&buf, hex[digest[i] >> 4]);
		buf_char(&buf, hex[digest[i] & 15]);
	}
	buf_char(&buf, '\0');
}

enum reason generate_secret(struct generated *generated)
{
	unsigned char bytes[GENERATE_SECRET_BYTES];
	unsigned char digest[SECRET_DIGEST_SIZE];
	struct buf buf = buf_init(generated->secret, sizeof(generated->secret));
	enum reason reason = random_bytes(bytes, sizeof(bytes));

	if (reason != REASON_NONE)
		return reason;
	b64url_encode(&buf, bytes, sizeof(bytes));
	secret_wipe(bytes, sizeof(bytes));
	if (!secret_digest(buf_view(&buf), digest))
		return REASON_HASHING;
	buf_char(&buf, '\0');
	write_hash(generated, digest);
	return REASON_NONE;
}
