/* SPDX-License-Identifier: MIT */
/* One request in, the bytes of its answer out, one line in the log, and counted; the same for
 * FastCGI and CGI. */
#ifndef FCGI_EXCHANGE_H
#define FCGI_EXCHANGE_H

#include "http/request.h"
#include "reload.h"

struct exchange;

/*
 * exchange_new - what a process needs to answer requests, one at a time.
 *
 * reload  the configuration to serve; borrowed for the life of the exchange
 *
 * Not to be shared with a forked process.  Returns new (exchange_free), or NULL.
 */
NODISCARD struct exchange *exchange_new(const struct reload *reload);
void exchange_free(struct exchange *exchange);

/* exchange_use_runner - who runs slow hashes; see credential_use_runner. */
void exchange_use_runner(struct exchange *exchange, const struct credential_runner *runner);

/*
 * exchange_clients - the client_ids that a token request may be of; see asked_clients.
 *
 * request  as for exchange_answer
 * clients  [out] borrowed until exchange_forget
 */
NODISCARD bool exchange_clients(
	struct exchange *exchange, struct http_request *request, struct str_list *clients);

/*
 * exchange_answer - answer a request with the current configuration, and log it.
 *
 * request   with variables, body and body_is_whole set by the transport
 * begin_us  when it came; steady clock
 *
 * Returns head and body (RFC 3875 §6), borrowed until exchange_forget; nothing, and logs
 * nothing: a hash is awaited (REASON_HASH_AWAITED), and the same request is to be answered
 * again then.  Never fails: without memory the answer is a 503.
 */
struct str exchange_answer(
	struct exchange *exchange, struct http_request *request, int64_t begin_us);

/* exchange_forget - wipe all that the request has left in memory. */
void exchange_forget(struct exchange *exchange);

/*
 * exchange_tick - forget what is not to be remembered any longer; for the metrics: list this
 * process, with what it has to tell, and count its loads of the configuration.
 *
 * To be called between two requests, about once a second also of an idle process; cheap when
 * there is nothing to do.
 */
void exchange_tick(struct exchange *exchange);

/* exchange_finish - at the end of a worker: deliver, if it can be done at once, what was
 * counted and not delivered yet. */
void exchange_finish(struct exchange *exchange);

#endif
