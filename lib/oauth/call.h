/* SPDX-License-Identifier: MIT */
/* All that a handler may use for one request; nothing else reaches it. */
#ifndef OAUTH_CALL_H
#define OAUTH_CALL_H

#include "domain/credential.h"
#include "domain/snapshot.h"
#include "http/form.h"
#include "http/request.h"
#include "state/store.h"
#include "util/random.h"

struct meter;

/* What outlives a request and changes; one of each in a process. */
struct services {
	struct credential_checker *credentials;
	const struct random_source *random;
	struct store *store;       /* NULL exactly if the configuration has no state */
	struct reuse_cache *reuse; /* NULL: nothing is kept */
	struct meter *meter;       /* NULL: nothing has been counted */
};

struct call {
	const struct snapshot *snapshot;
	const struct http_request *request;
	const struct form *form; /* by enum parameter; empty for requests without a body */
	const struct services *services;
	struct arena *arena;
	struct netaddr client_address;
	int64_t now_s;
	const struct process_facts *process; /* of the one that answers */
};

#endif
