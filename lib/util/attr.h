/* SPDX-License-Identifier: MIT */
/* The compiler attributes in use, each under one name. */
#ifndef UTIL_ATTR_H
#define UTIL_ATTR_H

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

#endif
