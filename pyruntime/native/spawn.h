/*
 * spawn(): clone3 and execveat at once. The child runs in the memory of this process, which waits
 * meanwhile, so that no page table is copied and no page. It may do nothing but what is written in
 * `execute`, on the stack below its parent's, and it never returns.
 */

struct spawned {
	int program;
	char *const *argv, *const *envp;
	const int *kept;             /* descriptors that survive the execution */
	size_t count;
	volatile int error;          /* errno of what failed in the child */
};

static _Noreturn __attribute__((noinline)) void execute(struct spawned *wish)
{
	for (size_t each = 0; each < wish->count; each++)
		if (fcntl(wish->kept[each], F_SETFD, 0) < 0)
			goto failed;
	syscall(SYS_execveat, wish->program, "", wish->argv, wish->envp, AT_EMPTY_PATH);
failed:
	wish->error = errno;
	for (;;)
		syscall(SYS_exit_group, 127);
}

/* Not by syscall(3): both would return from it, and the child would tread on where to. */
static __attribute__((noinline)) long cloned(const void *args, size_t size, struct spawned *wish)
{
#if defined(__x86_64__)
	long pid;

	__asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_clone3), "D"(args), "S"(size)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_clone3, pid __asm__("x0") = (long)args;
	register size_t x1 __asm__("x1") = size;

	__asm__ volatile("svc #0" : "+r"(pid) : "r"(x8), "r"(x1) : "memory");
#endif
	if (pid == 0)
		execute(wish);
	return pid;
}

static PyObject *spawn(PyObject *self, PyObject *given)
{
	struct spawned wish = {0};
	const char *args, *argv, *envp, *kept;
	Py_ssize_t size, ignored, length;

	(void)self;
	if (!PyArg_ParseTuple(given, "y#iy#y#y#", &args, &size, &wish.program, &argv, &ignored,
			      &envp, &ignored, &kept, &length))
		return NULL;
	wish.argv = (char *const *)argv;
	wish.envp = (char *const *)envp;
	wish.kept = (const int *)kept;
	wish.count = (size_t)length / sizeof *wish.kept;
	long pid = cloned(args, (size_t)size, &wish);

	if (pid > 0 && wish.error)
		waitpid((pid_t)pid, NULL, 0);
	if (pid < 0 || wish.error) {
		errno = pid < 0 ? (int)-pid : wish.error;
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	return PyLong_FromLong(pid);
}
