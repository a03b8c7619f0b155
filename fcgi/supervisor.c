/* SPDX-License-Identifier: MIT */
/* Parent of the workers: forks, waits, replaces. */
#include "supervisor.h"
#include "util/clock.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define TICK_US SECOND_US
#define RESTART_US (SECOND_US / 2) /* least time between two starts in one slot */
#define STOP_LIMIT_US (30 * SECOND_US)

struct slot {
	pid_t pid; /* 0: there is none */
	int64_t started_us;
};

struct supervisor {
	struct listener *listener;
	struct reload *reload;
	const struct sandbox *sandbox;
	struct hash_gate gate;
	struct quota loading; /* its own loads count, too */
	struct slot *slots;
	size_t slot_count;
	sigset_t signals;
};

static void log_end(const struct supervisor *supervisor, pid_t pid, int status)
{
	const struct log_field fields[] = {
		{ .name = "pid", .kind = LOG_NUMBER, .number = pid },
		{ .name = "signal",
			.kind = LOG_NUMBER,
			.number = WIFSIGNALED(status) ? WTERMSIG(status) : 0 },
		{ .name = "exit_status",
			.kind = LOG_NUMBER,
			.number = WIFEXITED(status) ? WEXITSTATUS(status) : 0 },
	};

	log_write(reload_log(supervisor->reload), LOG_LEVEL_WARNING, "worker.ended", fields,
		sizeof(fields) / sizeof(fields[0]));
}

static void be_worker(struct supervisor *supervisor, pid_t parent)
{
	/* A worker does not outlive a supervisor that was killed; it may be gone already. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		exit(EXIT_FAILURE);
	reload_be_quiet(supervisor->reload);
	sandbox_enter(supervisor->sandbox, reload_log(supervisor->reload));
	enum reason reason = worker_run(
		supervisor->listener, supervisor->reload, &supervisor->gate);

	exit(reason == REASON_NONE ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void start_worker(struct supervisor *supervisor, struct slot *slot)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		be_worker(supervisor, parent);
	slot->pid = pid > 0 ? pid : 0;
	slot->started_us = clock_steady_us();
}

/* Start what is missing and due.  Returns when to look again. */
static int64_t start_missing(struct supervisor *supervisor)
{
	int64_t now_us = clock_steady_us();
	int64_t next_us = now_us + TICK_US;

	for (size_t i = 0; i < supervisor->slot_count; i++) {
		struct slot *slot = &supervisor->slots[i];
		int64_t due_us = slot->started_us + RESTART_US;

		if (slot->pid != 0)
			continue;
		if (slot->started_us == 0 || now_us >= due_us)
			start_worker(supervisor, slot);
		if (slot->pid == 0 && due_us < next_us)
			next_us = due_us > now_us ? due_us : now_us + RESTART_US;
	}
	return next_us;
}

static void signal_workers(const struct supervisor *supervisor, int number)
{
	for (size_t i = 0; i < supervisor->slot_count; i++) {
		if (supervisor->slots[i].pid != 0)
			kill(supervisor->slots[i].pid, number);
	}
}

static size_t count_workers(const struct supervisor *supervisor)
{
	size_t count = 0;

	for (size_t i = 0; i < supervisor->slot_count; i++)
		count += supervisor->slots[i].pid != 0;
	return count;
}

static struct slot *slot_of(const struct supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; i < supervisor->slot_count; i++) {
		if (supervisor->slots[i].pid == pid)
			return &supervisor->slots[i];
	}
	return NULL;
}

static void free_slot(
	struct supervisor *supervisor, struct slot *slot, int status, bool expected)
{
	pid_t pid = slot->pid;

	slot->pid = 0;
	if (!expected || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_end(supervisor, pid, status);
}

/* The kernel knows of no child: whatever became of them, nobody will tell. */
static void free_slots(struct supervisor *supervisor, bool expected)
{
	for (size_t i = 0; i < supervisor->slot_count; i++) {
		if (supervisor->slots[i].pid != 0)
			free_slot(supervisor, &supervisor->slots[i], 0, expected);
	}
}

/* The first process of a container gets also the children of workers that were killed. */
static void reap(struct supervisor *supervisor, bool expected)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct slot *slot = slot_of(supervisor, pid);

		if (slot != NULL)
			free_slot(supervisor, slot, status, expected);
	}
	if (pid < 0 && errno == ECHILD)
		free_slots(supervisor, expected);
}

/* The next signal, or 0 at the time given. */
static int await_signal(const struct supervisor *supervisor, int64_t until_us)
{
	int64_t wait_us = until_us - clock_steady_us();

	if (wait_us < 0)
		wait_us = 0;
	const struct timespec timeout = {
		.tv_sec = wait_us / SECOND_US,
		.tv_nsec = wait_us % SECOND_US * 1000,
	};
	int number = sigtimedwait(&supervisor->signals, NULL, &timeout);

	return number > 0 ? number : 0;
}

static void run(struct supervisor *supervisor)
{
	for (;;) {
		int64_t due_us = start_missing(supervisor);

		if (reload_due_us(supervisor->reload) < due_us)
			due_us = reload_due_us(supervisor->reload);
		int number = await_signal(supervisor, due_us);

		reap(supervisor, false);
		if (number == SIGHUP) {
			signal_workers(supervisor, SIGHUP);
			reload_force(supervisor->reload);
		} else if (number != 0 && number != SIGCHLD) {
			return;
		}
		reload_check(supervisor->reload);
	}
}

static void stop(struct supervisor *supervisor)
{
	int64_t limit_us = clock_steady_us() + STOP_LIMIT_US;

	listener_retire(supervisor->listener);
	signal_workers(supervisor, SIGTERM);
	while (count_workers(supervisor) > 0) {
		int64_t now_us = clock_steady_us();

		if (now_us >= limit_us)
			signal_workers(supervisor, SIGKILL);
		await_signal(supervisor, now_us + TICK_US);
		reap(supervisor, true);
	}
}

static bool block_signals(sigset_t *signals)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGUSR1, SIGINT, SIGHUP };

	sigemptyset(signals);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(signals, numbers[i]);
	return sigprocmask(SIG_BLOCK, signals, NULL) == 0;
}

enum reason supervisor_run(struct listener *listener, size_t workers, struct reload *reload,
	const struct sandbox *sandbox)
{
	struct supervisor supervisor = {
		.listener = listener,
		.reload = reload,
		.sandbox = sandbox,
		.slots = calloc(workers, sizeof(struct slot)),
		.slot_count = workers,
	};

	if (supervisor.slots == NULL)
		return REASON_MEMORY;
	if (!block_signals(&supervisor.signals)) {
		free(supervisor.slots);
		return REASON_INTERNAL;
	}
	supervisor.gate = hash_gate_among(workers);
	supervisor.loading = quota_among(workers);
	reload_share(reload, &supervisor.loading);
	run(&supervisor);
	stop(&supervisor);
	reload_share(reload, NULL);
	quota_close(&supervisor.loading);
	hash_gate_close(&supervisor.gate);
	free(supervisor.slots);
	return REASON_NONE;
}
