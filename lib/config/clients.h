/* SPDX-License-Identifier: MIT */
/* What the steps that read one client share. */
#ifndef CONFIG_CLIENTS_H
#define CONFIG_CLIENTS_H

#include "config/loader.h"

/* A client under construction, and the nodes that still have to be looked into. */
struct client_draft {
	struct client client;
	const struct yaml_node *name;  /* its client_id in the file */
	const struct yaml_node *value; /* what stands behind it */
	const struct yaml_node *scopes;
	const struct yaml_node *default_scopes;
	const struct yaml_node *secrets;
	const struct yaml_node *auth_methods;
	const struct yaml_node *jwks;
	const struct yaml_node *jwks_file;
	const struct yaml_node *claims;
	struct str jwks_path;
	struct str subjects[SUBJECT__MAX]; /* tls_client_auth_… (RFC 8705 §2.1.2) */
	bool has_subject;                  /* a tls_client_auth_… key, be its value refused */
	bool has_secret_file;
	bool has_refused_secret; /* perhaps meant as one with a file */
};

/*
 * client_load - read one client.
 *
 * name    its key in the file
 * client  [out] as far as it is good
 */
void client_load(struct loader *loader, const struct yaml_node *name, struct client *client);

/*
 * The steps for one client, in this order; each reports its problems.
 *
 * secrets_load   secrets, and the files that they name
 * jwks_load      jwks or jwks_file
 * methods_check  auth_methods, their default, and what each of them needs
 * claims_load    claims
 */
void secrets_load(struct loader *loader, struct client_draft *draft);
void jwks_load(struct loader *loader, struct client_draft *draft);
void methods_check(struct loader *loader, struct client_draft *draft);
void claims_load(struct loader *loader, struct client_draft *draft);

#endif
