/* SPDX-License-Identifier: MIT */
/* The YAML that configurations are mostly written in, read quickly. */
#ifndef CONFIG_PLAIN_H
#define CONFIG_PLAIN_H

#include "config/builder.h"

/*
 * plain_read - read the text, if there is nothing unusual in it.
 *
 * Usual are mappings and lists by indentation; [lists] and {mappings}, also over several lines;
 * texts on one line, with or without quotes and without escapes; comments.  What is
 * read so is the same tree that libyaml's events give, and has no problem to report: all that
 * is unusual, wrong or doubtful is left to libyaml, which takes five times as long.
 *
 * builder  empty
 * text     borrowed for the call
 *
 * Returns REASON_NONE; REASON_CONFIG: it is left to libyaml, and the nodes in the arena are to
 * be forgotten; REASON_MEMORY.
 */
NODISCARD enum reason plain_read(struct builder *builder, struct str text);

#endif
