/* SPDX-License-Identifier: MIT */
/* Which call fails. */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 48
#define DESCRIPTORS 256

struct shim_control *shim_control;
__thread int shim_inside;

static uintptr_t program_from, program_to;

/* The first object is the program. */
static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
			continue;
		program_from = (uintptr_t)(info->dlpi_addr + part->p_vaddr);
		program_to = program_from + part->p_memsz;
	}
	return 1;
}

static bool is_in(const void *address, const void *object)
{
	Dl_info one, other;

	return dladdr(address, &one) != 0 && dladdr(object, &other) != 0 &&
	       one.dli_fbase == other.dli_fbase;
}

/*
 * The function that the program had called, of the library that now calls; "" if the program
 * itself does.  Its own allocation, which OpenSSL calls, comes first and does not count.
 */
static const char *called(void)
{
	void *stack[DEPTH];
	const void *own = &shim_control;
	int depth = backtrace(stack, DEPTH), at = 0;
	Dl_info info;

	while (at < depth && is_in(stack[at], own))
		at++;
	while (at < depth && shim_is_program(stack[at]))
		at++;
	int library = at;

	while (at < depth && !shim_is_program(stack[at]))
		at++;
	/* What has called main() is the shim. */
	if (at == library || at == depth || is_in(stack[library], own))
		return "";
	return dladdr(stack[at - 1], &info) != 0 && info.dli_sname != NULL ? info.dli_sname
									   : "?";
}

static void note(const char *name)
{
	if (__atomic_add_fetch(&shim_control->fired, 1, __ATOMIC_SEQ_CST) != 1)
		return;
	strncpy(shim_control->name, name, sizeof(shim_control->name) - 1);
	strncpy(shim_control->called, called(), sizeof(shim_control->called) - 1);
	if (shim_control->trace == 1)
		shim_trace(name);
}

/* Calls that came by the same functions have the same number. */
static uint64_t path_number(void)
{
	void *stack[DEPTH];
	uint64_t number = UINT64_C(14695981039346656037);
	int depth = backtrace(stack, DEPTH);

	for (int i = 0; i < depth; i++)
		number = (number ^ (uint64_t)(uintptr_t)stack[i]) * UINT64_C(1099511628211);
	return number;
}

static void survey(int64_t call)
{
	if (call > SHIM_PATHS)
		return;
	shim_inside++;
	shim_control->paths[call - 1] = path_number();
	shim_inside--;
}

bool shim_fails(enum shim_class class, const char *name)
{
	struct shim_control *control = shim_control;

	if (control == NULL || shim_inside > 0)
		return false;
	int64_t call = __atomic_add_fetch(&control->calls[class], 1, __ATOMIC_SEQ_CST);

	if (control->armed != (int64_t) class)
		return false;
	if (control->survey != 0)
		survey(call);
	if ((call != control->n && (control->onwards == 0 || call < control->n)) ||
		control->survey != 0)
		return false;
	shim_inside++;
	note(name);
	shim_inside--;
	return true;
}

bool shim_errno(enum shim_class class, const char *name, int first, int second)
{
	if (!shim_fails(class, name))
		return false;
	errno = shim_control->variant == 0 ? first : second;
	return true;
}

bool shim_is_program(const void *address)
{
	return (uintptr_t)address >= program_from && (uintptr_t)address < program_to;
}

void shim_trace(const char *what)
{
	void *stack[DEPTH];

	shim_inside++;
	(void)syscall(SYS_write, STDERR_FILENO, what, strlen(what));
	(void)syscall(SYS_write, STDERR_FILENO, ":\n", 2);
	backtrace_symbols_fd(stack, backtrace(stack, DEPTH), STDERR_FILENO);
	shim_inside--;
}

void shim_prepare(void)
{
	(void)path_number();
	dl_iterate_phdr(find_program, NULL);
}

void *shim_next(const char *name)
{
	shim_inside++;
	void *next = dlsym(RTLD_NEXT, name);

	shim_inside--;
	return next;
}

int64_t shim_count_fds(void)
{
	int64_t count = 0;

	for (long fd = 0; fd < DESCRIPTORS; fd++)
		count += syscall(SYS_fcntl, fd, F_GETFD, 0) >= 0;
	return count;
}
