/* SPDX-License-Identifier: MIT */
/* Processes that enter and leave something that lets so many in and no more. */
#ifndef TESTS_UNIT_ENTRANTS_H
#define TESTS_UNIT_ENTRANTS_H

#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct entrance {
	bool (*enter)(void *context);
	void (*leave)(void *context);
	void *context; /* each process has a copy */
};

/* A process that tries to enter when it is told to. */
struct entrant {
	pid_t pid;
	int orders, answers;
};

static const char *const order_enter = "e", *const order_leave = "l", *const order_end = "q";

static void obey(const struct entrance *entrance, int orders, int answers)
{
	char order, answer;

	while (read(orders, &order, 1) == 1 && order != *order_end) {
		answer = 'l';
		if (order == *order_enter)
			answer = entrance->enter(entrance->context) ? 'y' : 'n';
		else
			entrance->leave(entrance->context);
		if (write(answers, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static struct entrant entrant_start(const struct entrance *entrance)
{
	int orders[2], answers[2];

	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		obey(entrance, orders[0], answers[1]);
	close(orders[0]);
	close(answers[1]);
	return (struct entrant){ pid, orders[1], answers[0] };
}

static char entrant_tell(const struct entrant *entrant, const char *order)
{
	char answer = '?';

	assert_int_equal(write(entrant->orders, order, 1), 1);
	assert_int_equal(read(entrant->answers, &answer, 1), 1);
	return answer;
}

static void entrant_end(const struct entrant *entrant, bool killed)
{
	if (killed)
		kill(entrant->pid, SIGKILL);
	else
		assert_int_equal(write(entrant->orders, order_end, 1), 1);
	close(entrant->orders);
	close(entrant->answers);
	assert_int_equal(waitpid(entrant->pid, NULL, 0), entrant->pid);
}

#endif
