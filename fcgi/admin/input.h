/* SPDX-License-Identifier: MIT */
/* Standard input: a secret typed without an echo, or all of it. */
#ifndef ADMIN_INPUT_H
#define ADMIN_INPUT_H

#include "util/attr.h"
#include "util/buf.h"
#include "util/reason.h"

#define INPUT_LINE_SIZE 4096 /* bytes: what a terminal gives at once */

/*
 * input_secret - append one line without its end; from a terminal unseen, after the prompt.
 *
 * From elsewhere everything is read: further lines are appended too, for the caller to refuse.
 * A signal that ends or stops the program finds the terminal as it was.
 *
 * Returns REASON_NONE; REASON_FILE_READ, errno says why.  What is too long
 * sets buf->overflow.
 */
NODISCARD enum reason input_secret(const char *prompt, struct buf *buf);

/* input_secret_problem - why what was read is no client's secret, as a sentence; NULL: it is
 * one.
 */
const char *input_secret_problem(const struct buf *line);

/* input_all - append everything up to the end.  Returns as input_secret does. */
NODISCARD enum reason input_all(struct buf *buf);

#endif
