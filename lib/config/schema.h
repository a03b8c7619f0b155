/* SPDX-License-Identifier: MIT */
/* What may stand in a mapping, as tables, and the one walker that reads by them. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/yaml.h"

struct schema;
struct schema_key;

/* What reading needs and leaves behind. */
struct reader {
	struct diag *diag;
	struct arena *arena;   /* for what is kept */
	struct arena *scratch; /* for what is forgotten with the text */
	bool out_of_memory;
};

/*
 * A type of value: reads node into target, or reports what is wrong with it.
 * The node is never broken.
 */
typedef void schema_type(struct reader *reader, const struct schema_key *key,
	const struct yaml_node *node, void *target);

/* The names of an enumeration. */
struct schema_names {
	const char *(*get)(unsigned value);
	unsigned first;
	unsigned end; /* one more than the last */
};

struct schema_key {
	const char *name;
	schema_type *type;   /* NULL: read elsewhere */
	size_t offset;       /* of the value in the target */
	const char *initial; /* what holds without the key, as plain text; NULL: zero */
	int64_t min;         /* numbers; texts and lists: 1 is "not empty" */
	int64_t max;         /* numbers; texts: bytes, 0 is "any" */
	bool (*check)(struct str text); /* texts: NULL: anything goes */
	const char *expected;           /* what check wants */
	const struct schema_names *names;
	const struct schema *schema; /* of a mapping */
	bool required;
};

struct schema {
	const struct schema_key *keys;
	size_t count; /* at most SCHEMA_KEY_MAX */
};

#define SCHEMA_KEY_MAX 64
#define SCHEMA(table)                                       \
	{                                                   \
		(table), sizeof(table) / sizeof((table)[0]) \
	}

/*
 * schema_read - read a mapping into a structure.
 *
 * node    of any kind; reports one that is neither a mapping nor left out
 * target  the structure that the offsets are of; zeroed by the caller
 */
void schema_read(struct reader *reader, const struct schema *schema,
	const struct yaml_node *node, void *target);

/* schema_has - is it one of the keys? */
bool schema_has(const struct schema *schema, struct str name);

/* schema_refuse_key - report a key that is not in the table, with the one that was meant. */
void schema_refuse_key(
	struct reader *reader, const struct schema *schema, const struct yaml_node *key);

/*
 * schema_is_list, schema_is_mapping - report a node that is neither this nor left out.
 *
 * what  the name for the message
 */
bool schema_is_list(struct reader *reader, const char *what, const struct yaml_node *node);
bool schema_is_mapping(struct reader *reader, const char *what, const struct yaml_node *node);

/* schema_item_is_mapping - the same for an item of the list `what`. */
bool schema_item_is_mapping(
	struct reader *reader, const char *what, const struct yaml_node *node);

/* schema_item_is_text - report an item of the list `what` that is no text. */
bool schema_item_is_text(struct reader *reader, const char *what, const struct yaml_node *node);

/* schema_alloc - zeroed memory of the reader's arena for `count` objects, or NULL, noted. */
NODISCARD void *schema_alloc(struct reader *reader, size_t count, size_t size);

/* schema_name_value - the value with this name; false if there is none. */
NODISCARD bool schema_name_value(
	const struct schema_names *names, struct str name, unsigned *value);

/* The types, each with what it stores. */
schema_type schema_text;      /* struct str, in the arena, NUL-terminated */
schema_type schema_bool;      /* bool; plain true or false (YAML 1.2) */
schema_type schema_integer;   /* int64_t from min to max */
schema_type schema_choice;    /* unsigned or an enum, by names */
schema_type schema_choices;   /* unsigned: a bit for each of a list, by names; all others 0 */
schema_type schema_texts;     /* struct str_list, each once */
schema_type schema_audience;  /* struct str, StringOrURI (RFC 7519 §2) */
schema_type schema_audiences; /* struct str_list of these, each once */
schema_type schema_netmasks;  /* struct netmask_list */
schema_type schema_time;      /* int64_t, seconds since the epoch, > 0 */
schema_type schema_path;      /* struct str, in scratch, relative to the file that names it */
schema_type schema_node;      /* const struct yaml_node *, for a later step */
schema_type schema_mapping;   /* what its own schema says; the offset is the inner target's */

#endif
