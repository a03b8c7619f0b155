/* SPDX-License-Identifier: MIT */
/* Texts from files inside messages: quoted and cut short. */
#include "config/quote.h"
#include "util/diag.h"

#define SHOWN_MAX 64 /* bytes; each may need 6 when it is escaped */

struct quote quote_of(struct str s)
{
	struct quote quote = { 0 };
	struct buf buf = buf_init(quote.text, sizeof(quote.text) - 1);
	size_t n = s.n < SHOWN_MAX ? s.n : SHOWN_MAX;

	while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	buf_json(&buf, str_upto(s, n));
	if (n < s.n)
		buf_text(&buf, "...");
	return quote;
}

struct quote quote_suggestion(struct str word, const struct str *names, size_t name_count)
{
	struct quote quote = { 0 };
	struct buf buf = buf_init(quote.text, sizeof(quote.text) - 1);
	struct str nearest = diag_nearest(word, names, name_count);

	if (nearest.n == 0)
		return quote;
	buf_text(&buf, "; did you mean ");
	buf_text(&buf, quote_of(nearest).text);
	buf_char(&buf, '?');
	return quote;
}
