/* SPDX-License-Identifier: MIT */
/* Forks for a slow hash, and gives what the child has found to the request when it is made
 * again. */
#include "hasher.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOUND_MAX 2 /* checks of one request: Basic credentials as decoded, and as they are */
#define CHILD_NICE 5
#define FORK_PAUSE_US INT64_C(50000)    /* until the next try, when there could be no child */
#define WARN_PAUSE_US INT64_C(60000000) /* from one line in the log about that to the next */

/* What a check was about, and what came of it. */
struct found {
	unsigned char id[SECRET_DIGEST_SIZE]; /* credential_work_id */
	struct credential_verdict verdict;
};

struct hasher {
	struct hash_gate *gate;
	const struct reload *reload;
	enum hasher_place place;
	struct hasher_turn turn;
	unsigned learned;
	int64_t retry_us;  /* not before there is another try to have a child */
	int64_t warned_us; /* when the log was told of it; 0: never */
	pid_t child;       /* 0: there is none */
	int fd;            /* the child's verdict comes here */
	struct found found[FOUND_MAX];
	size_t found_count; /* the last one is not known yet while there is a child */
};

/* What the child says when it has closed all that was the worker's. */
static const char begun = 'b';

static const struct found *find(const struct hasher *hasher, const unsigned char *id)
{
	for (size_t i = 0; i < hasher->found_count; i++) {
		if (secret_equal(hasher->found[i].id, id, sizeof(hasher->found[i].id)))
			return &hasher->found[i];
	}
	return NULL;
}

static bool is_too_early(const struct hasher *hasher)
{
	return hasher->retry_us != 0 && clock_steady_us() < hasher->retry_us;
}

static bool enter(struct hasher *hasher)
{
	const struct snapshot *snapshot = reload_snapshot(hasher->reload);

	return hash_gate_enter(hasher->gate, snapshot->keyring.active->path.p);
}

static bool enter_in_time(struct hasher *hasher)
{
	const struct timespec pause = { .tv_nsec = HASHER_POLL_US * 1000 };
	int64_t until_us = clock_steady_us() + hasher_patience_us(hasher);

	while (!enter(hasher)) {
		if (hasher->place == HASHER_APART || clock_steady_us() >= until_us)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* It has all that the worker had, and keeps nothing of it open. */
static void be_child(const struct credential_work *work, int fd, pid_t parent)
{
	struct credential_verdict verdict;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
		dup2(fd, STDIN_FILENO) < 0)
		_exit(EXIT_FAILURE);
	close(STDOUT_FILENO);
	/* Not close_range(2), which older kernels and some containers do not have. */
	closefrom(STDERR_FILENO + 1);
	if (write(STDIN_FILENO, &begun, sizeof(begun)) != sizeof(begun))
		_exit(EXIT_FAILURE);
	setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	credential_work_run(work, &verdict);
	bool told = write(STDIN_FILENO, &verdict, sizeof(verdict)) == sizeof(verdict);

	_exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* It has written all that it ever will, or is not to. */
static void end_child(struct hasher *hasher)
{
	if (hasher->child == 0)
		return;
	close(hasher->fd);
	kill(hasher->child, SIGKILL);
	waitpid(hasher->child, NULL, 0);
	hasher->child = 0;
	hasher->fd = -1;
}

/*
 * As long as the child has copies of the worker's descriptors, those that the worker closes
 * stay open, and known to its epoll.  So it is waited for; if it dies, hasher_collect will see
 * that.  false: its first byte could not be read; it must not be taken for one of the verdict.
 */
static bool await_begin(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, sizeof(byte));
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

/* false: there cannot be a child; errno says why. */
static bool start_child(struct hasher *hasher, const struct credential_work *work)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	pid_t pid = fork();

	if (pid == 0)
		be_child(work, fds[1], parent);
	int error = errno;

	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		errno = error;
		return false;
	}
	hasher->child = pid;
	hasher->fd = fds[0];
	if (await_begin(fds[0]))
		return true;
	error = errno;
	end_child(hasher);
	errno = error;
	return false;
}

static void note(struct hasher *hasher, const unsigned char *id)
{
	if (hasher->found_count == FOUND_MAX)
		hasher->found_count = 0;
	struct found *found = &hasher->found[hasher->found_count++];

	*found = (struct found){ 0 };
	memcpy(found->id, id, sizeof(found->id));
}

static enum reason tell(struct hasher *hasher, const struct credential_work *work,
	const struct credential_verdict *verdict)
{
	const struct credential_claim *claim = work->claim;

	/* What is not live is not remembered. */
	if (verdict->matches && !claim->is_refused &&
		secret_is_live(&claim->client->secrets[verdict->matched], claim->now_s))
		hasher->learned++;
	return REASON_NONE;
}

/* Hashing here instead would hold up all others, without a limit. */
static void await_child(struct hasher *hasher, int error)
{
	int64_t now_us = clock_steady_us();

	hasher->retry_us = now_us + FORK_PAUSE_US;
	if (hasher->warned_us != 0 && now_us - hasher->warned_us < WARN_PAUSE_US)
		return;
	hasher->warned_us = now_us;
	log_message(reload_log(hasher->reload), LOG_LEVEL_WARNING, "hash.delayed",
		str_of(strerror(error)));
}

static enum reason put_off(const struct hasher *hasher)
{
	return hasher->turn.may_wait ? REASON_HASH_AWAITED : REASON_HASH_BUSY;
}

static enum reason run(
	void *context, const struct credential_work *work, struct credential_verdict *verdict)
{
	struct hasher *hasher = context;
	unsigned char id[SECRET_DIGEST_SIZE];

	if (hasher->child != 0 || !hasher->turn.may_start || is_too_early(hasher))
		return put_off(hasher);
	if (!credential_work_id(work, id))
		return REASON_HASHING;
	const struct found *found = find(hasher, id);

	if (found != NULL) {
		*verdict = found->verdict;
		return tell(hasher, work, verdict);
	}
	if (!enter_in_time(hasher))
		return put_off(hasher);
	if (hasher->place == HASHER_HERE) {
		credential_work_run(work, verdict);
		return tell(hasher, work, verdict);
	}
	if (!start_child(hasher, work)) {
		await_child(hasher, errno);
		return put_off(hasher);
	}
	note(hasher, id);
	return REASON_HASH_AWAITED;
}

struct hasher *hasher_new(
	struct hash_gate *gate, const struct reload *reload, enum hasher_place place)
{
	struct hasher *hasher = calloc(1, sizeof(*hasher));

	if (hasher == NULL)
		return NULL;
	hasher->gate = gate;
	hasher->reload = reload;
	hasher->place = place;
	hasher->turn.may_start = true;
	hasher->fd = -1;
	return hasher;
}

void hasher_free(struct hasher *hasher)
{
	if (hasher == NULL)
		return;
	hasher_cancel(hasher);
	free(hasher);
}

struct credential_runner hasher_runner(struct hasher *hasher)
{
	return (struct credential_runner){ run, hasher };
}

void hasher_take_turn(struct hasher *hasher, struct hasher_turn turn)
{
	hasher->turn = turn;
}

bool hasher_has_place(struct hasher *hasher)
{
	return !is_too_early(hasher) && enter(hasher);
}

int64_t hasher_patience_us(const struct hasher *hasher)
{
	return snapshot_patience_us(reload_snapshot(hasher->reload));
}

unsigned hasher_learned(const struct hasher *hasher)
{
	return hasher->learned;
}

int hasher_fd(const struct hasher *hasher)
{
	return hasher->fd;
}

void hasher_collect(struct hasher *hasher)
{
	struct credential_verdict *verdict = &hasher->found[hasher->found_count - 1].verdict;

	if (read(hasher->fd, verdict, sizeof(*verdict)) != sizeof(*verdict))
		*verdict = (struct credential_verdict){ .failed = true };
	end_child(hasher);
}

void hasher_cancel(struct hasher *hasher)
{
	end_child(hasher);
	hasher_end(hasher);
}

void hasher_end(struct hasher *hasher)
{
	if (hasher->child != 0)
		return;
	hash_gate_leave(hasher->gate);
	secret_wipe(hasher->found, sizeof(hasher->found));
	hasher->found_count = 0;
}
