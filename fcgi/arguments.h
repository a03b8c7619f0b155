/* SPDX-License-Identifier: MIT */
/* Tells the operator's arguments from words that a web server took from a query. */
#ifndef FCGI_ARGUMENTS_H
#define FCGI_ARGUMENTS_H

#include "util/str.h"

/*
 * arguments_count - how many of argv are the operator's.
 *
 * A web server may pass the words of a query without '=' as arguments of a CGI
 * program (RFC 3875 §4.4).  They come from anybody and must not be options: no
 * request may name another configuration.
 *
 * query  QUERY_STRING; empty outside of CGI
 *
 * Returns argc without the arguments at the end that are the query's words, all
 * of them or, if there are fewer arguments than words, the first ones.
 */
int arguments_count(int argc, char **argv, struct str query);

#endif
