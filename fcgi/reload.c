/* SPDX-License-Identifier: MIT */
/* Keeps the last good configuration, and the log that it asks for. */
#include "reload.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_INTERVAL_US 1000000
#define ASK_INTERVAL_US 50000 /* while others load */
#define MESSAGE_SIZE 4096
#define LOG_FILE_MODE 0640

struct reload {
	char *path;
	enum config_depth depth;
	struct config *active;   /* in use; NULL before the first good load */
	struct config *rejected; /* the last attempt, if it was no good */
	struct log log;
	char *log_file;      /* open as log.fd; NULL: log.fd is standard error */
	bool log_failed;     /* the log's file could not be opened, and that was told */
	struct quota *quota; /* borrowed; NULL: none */
	int64_t due_us;      /* when to look at the files, or to ask the quota again */
	bool wanted;         /* to be loaded, as soon as the quota lets */
	bool reopening;      /* and the log's file opened anew then */
	bool retrying;       /* the last attempt may do better without any change */
	unsigned generation;
	unsigned rejections;
	int64_t loaded_s; /* when `active` was loaded */
	bool quiet;
};

/* All diagnostics, one line each, or with "; " between them. */
static void render_problems(struct buf *buf, const struct diag *diag, const char *end)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		char memory[1024];
		struct buf line = buf_init(memory, sizeof(memory));

		diag_render(&line, diag_get(diag, i));
		buf_str(buf, buf_view(&line));
		buf_text(buf, end);
	}
}

static void log_outcome(const struct reload *reload, enum log_level level, const char *event,
	const struct config *config)
{
	const struct diag *diag = config_diag(config);
	char memory[MESSAGE_SIZE];
	struct buf message = buf_init(memory, sizeof(memory));

	if (reload->quiet)
		return;
	render_problems(&message, diag, "; ");
	if (str_ends(buf_view(&message), STR("; ")))
		message.n -= 2;
	const struct log_field fields[] = {
		{ .name = "file", .text = str_of(reload->path) },
		{ .name = "errors",
			.kind = LOG_NUMBER,
			.number = (int64_t)diag_error_count(diag) },
		{ .name = "problems", .kind = LOG_NUMBER, .number = (int64_t)diag_count(diag) },
		{ .name = "message", .text = buf_view(&message) },
	};

	log_write(&reload->log, level, event, fields, sizeof(fields) / sizeof(fields[0]));
}

static void close_log(struct reload *reload)
{
	if (reload->log_file != NULL)
		close(reload->log.fd);
	free(reload->log_file);
	reload->log_file = NULL;
	log_use(&reload->log, STDERR_FILENO);
}

/* Open the file that the settings name; on failure the log stays as it is. */
static enum reason open_log(struct reload *reload, const struct log_settings *settings)
{
	reload->log.level = settings->level;
	reload->log.format = settings->format;
	if (settings->file.n == 0) {
		close_log(reload);
		return REASON_NONE;
	}
	char *file = strndup(settings->file.p, settings->file.n);

	if (file == NULL)
		return REASON_MEMORY;
	/* A FIFO that nobody reads is no log. */
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		LOG_FILE_MODE);

	if (fd < 0) {
		free(file);
		return REASON_FILE_OPEN;
	}
	close_log(reload);
	log_use(&reload->log, fd);
	reload->log_file = file;
	return REASON_NONE;
}

/* Does the name still lead to the open file?  No more after a rotation. */
static bool log_is_in_place(const struct reload *reload)
{
	struct stat opened, named;

	if (reload->log_file == NULL)
		return true;
	return fstat(reload->log.fd, &opened) == 0 && stat(reload->log_file, &named) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static bool log_is_as_set(const struct reload *reload, const struct log_settings *settings)
{
	return str_eq(str_of(reload->log_file), settings->file) &&
	       reload->log.level == settings->level && reload->log.format == settings->format;
}

static void log_is_unavailable(
	const struct reload *reload, const struct log_settings *settings, int error)
{
	const struct log_field fields[] = {
		{ .name = "file", .text = settings->file },
		{ .name = "message", .text = str_of(strerror(error)) },
	};

	if (!reload->quiet)
		log_write(&reload->log, LOG_LEVEL_ERROR, "log.unavailable", fields, 2);
}

static void publish(struct reload *reload, struct config *config)
{
	config_free(reload->active);
	config_free(reload->rejected);
	reload->active = config;
	reload->rejected = NULL;
	reload->generation++;
	reload->loaded_s = clock_wall_ms() / 1000;
	config_release_text(config);
}

static void announce(const struct reload *reload, const struct config *config)
{
	bool doubtful = diag_count(config_diag(config)) > 0;

	log_outcome(
		reload, doubtful ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "config.loaded", config);
}

/* was_retrying: it was logged already that loading fails for the moment. */
static void reject(struct reload *reload, struct config *config, bool was_retrying)
{
	config_free(reload->rejected);
	reload->rejected = config;
	if (!was_retrying || !reload->retrying)
		log_outcome(reload, LOG_LEVEL_ERROR, "config.rejected", config);
	config_release_text(config);
}

static void reject_for_memory(const struct reload *reload, bool was_retrying)
{
	if (!was_retrying && !reload->quiet)
		log_message(&reload->log, LOG_LEVEL_ERROR, "config.rejected",
			str_of(reason_info(REASON_MEMORY)->name));
}

/* Have the log as the configuration in use wants it, or leave it as it is and say so: once, or
 * whenever somebody asked for it. */
static void adopt_log(struct reload *reload, bool reopen)
{
	const struct log_settings *settings = &config_snapshot(reload->active)->log;

	if (!reopen && log_is_as_set(reload, settings) && log_is_in_place(reload))
		return;
	bool failed = open_log(reload, settings) != REASON_NONE;

	if (failed && (reopen || !reload->log_failed))
		log_is_unavailable(reload, settings, errno);
	reload->log_failed = failed;
}

static struct config *load(struct reload *reload)
{
	struct config *config = config_load(
		reload->path, reload->depth, clock_wall_ms() / 1000);

	reload->due_us = clock_steady_us() + CHECK_INTERVAL_US;
	return config;
}

static void load_again(struct reload *reload)
{
	struct config *config = load(reload);
	bool good = config != NULL && config_snapshot(config) != NULL;
	bool was_retrying = reload->retrying;

	reload->retrying = config == NULL || (!good && config_is_transient(config));
	reload->rejections += !good;
	if (good)
		publish(reload, config);
	adopt_log(reload, reload->reopening);
	reload->wanted = false;
	reload->reopening = false;
	if (good)
		announce(reload, config);
	else if (config != NULL)
		reject(reload, config, was_retrying);
	else
		reject_for_memory(reload, was_retrying);
}

static void load_in_turn(struct reload *reload)
{
	if (reload->quota != NULL && !quota_enter(reload->quota)) {
		reload->due_us = clock_steady_us() + ASK_INTERVAL_US;
		adopt_log(reload, false);
		return;
	}
	load_again(reload);
	if (reload->quota != NULL)
		quota_leave(reload->quota);
}

/* config: moved in; NULL: out of memory. */
static enum reason start_with(
	struct reload *reload, struct config *config, struct buf *problems)
{
	if (config == NULL)
		return REASON_MEMORY;
	const struct snapshot *snapshot = config_snapshot(config);

	if (snapshot == NULL) {
		render_problems(problems, config_diag(config), "\n");
		config_free(config);
		return REASON_CONFIG;
	}
	enum reason reason = open_log(reload, &snapshot->log);

	if (reason == REASON_FILE_OPEN) {
		buf_str(problems, snapshot->log.file);
		buf_text(problems, ": error: the file that log.file names cannot be opened: ");
		buf_text(problems, strerror(errno));
		buf_char(problems, '\n');
	}
	if (reason == REASON_NONE)
		publish(reload, config);
	else
		config_free(config);
	return reason;
}

struct reload *reload_new(const char *path, enum config_depth depth)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload == NULL)
		return NULL;
	reload->log = (struct log){ .level = LOG_LEVEL_INFO };
	log_use(&reload->log, STDERR_FILENO);
	reload->depth = depth;
	reload->path = strdup(path);
	if (reload->path == NULL) {
		free(reload);
		return NULL;
	}
	return reload;
}

void reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	config_free(reload->active);
	config_free(reload->rejected);
	close_log(reload);
	free(reload->path);
	free(reload);
}

enum reason reload_start(struct reload *reload, struct buf *problems)
{
	return start_with(reload, load(reload), problems);
}

enum reason reload_start_part(
	struct reload *reload, const struct str_list *clients, struct buf *problems)
{
	struct config *config = config_load_part(reload->path, clock_wall_ms() / 1000, clients);

	return start_with(reload, config, problems);
}

void reload_check(struct reload *reload)
{
	const struct config *latest = reload->rejected != NULL ? reload->rejected
							       : reload->active;
	int64_t now_us = clock_steady_us();

	if (latest == NULL || now_us < reload->due_us)
		return;
	reload->due_us = now_us + CHECK_INTERVAL_US;
	if (reload->wanted || reload->retrying || watch_changed(config_watch(latest))) {
		reload->wanted = true;
		load_in_turn(reload);
	} else {
		adopt_log(reload, false);
	}
}

void reload_force(struct reload *reload)
{
	reload->wanted = true;
	reload->reopening = true;
	load_in_turn(reload);
}

int64_t reload_due_us(const struct reload *reload)
{
	return reload->due_us;
}

void reload_announce(const struct reload *reload)
{
	announce(reload, reload->active);
}

void reload_share(struct reload *reload, struct quota *quota)
{
	reload->quota = quota;
}

void reload_be_quiet(struct reload *reload)
{
	reload->quiet = true;
}

const struct snapshot *reload_snapshot(const struct reload *reload)
{
	return reload->active == NULL ? NULL : config_snapshot(reload->active);
}

bool reload_is_degraded(const struct reload *reload)
{
	return reload->active != NULL && (reload->rejected != NULL || reload->retrying);
}

unsigned reload_generation(const struct reload *reload)
{
	return reload->generation;
}

unsigned reload_rejections(const struct reload *reload)
{
	return reload->rejections;
}

int64_t reload_loaded_s(const struct reload *reload)
{
	return reload->loaded_s;
}

const struct log *reload_log(const struct reload *reload)
{
	return &reload->log;
}
