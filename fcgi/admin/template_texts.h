/* SPDX-License-Identifier: MIT */
/* The texts of fcgi/admin/verifier as the build compiles them in (etc/make/texts.sh). */
#ifndef ADMIN_TEMPLATE_TEXTS_H
#define ADMIN_TEMPLATE_TEXTS_H

#include "template.h"

/* All texts; the last one has no name. */
extern const struct template_text template_texts[];

#endif
