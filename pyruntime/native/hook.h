/*
 * Run one startContainer hook: its own process, the container's state on its standard input, its
 * output caught up to a bound, SIGKILL when its time is up.
 */

struct hook {
	const char *path;
	char *const *argv, *const *envp;
	const char *document;        /* the container's state, for the hook's standard input */
	u64 length;
	u64 timeout;                 /* milliseconds; 0: none */
	const char *not_started, *too_late, *exit_status, *killed, *dumped, *out, *err;
	const char *signals;         /* names, see nth() */
};

enum { IN_READ, IN_WRITE, OUT_READ, OUT_WRITE, ERR_READ, ERR_WRITE, WHY_READ, WHY_WRITE, PIDFD, FDS };

struct run {
	int fds[FDS];
	s64 pid;
	u64 held[2];
	char output[2][1900];        /* of stdout and stderr; what does not fit is read and dropped */
};

static _Noreturn void become(const struct hook *hook, const int *fds)
{
	s64 error;
	u8 why;

	SYSCALL(DUP3, fds[IN_READ], 0);
	SYSCALL(DUP3, fds[OUT_WRITE], 1);
	SYSCALL(DUP3, fds[ERR_WRITE], 2);
	error = SYSCALL(CHDIR, "/");
	if (!error)
		error = SYSCALL(EXECVE, hook->path, hook->argv, hook->envp);
	why = (u8)-error;
	SYSCALL(WRITE, fds[WHY_WRITE], &why, 1);
	leave(127);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		SYSCALL(CLOSE, *fd);
	*fd = -1;
}

/*
 * A plain fork (nothing is shared), with a pidfd, since a hook may close its output and run on, or
 * exit and leave a daemon that keeps it open. The reading end of stdin stays open here too, so a
 * hook that does not read raises no SIGPIPE.
 */
static s64 start(struct run *run, const struct hook *hook)
{
	s64 error = 0;
	int i;

	for (i = 0; i < PIDFD && error >= 0; i += 2)
		error = SYSCALL(PIPE2, &run->fds[i], O_CLOEXEC);
	if (error >= 0)
		error = run->pid = SYSCALL(CLONE, CLONE_PIDFD | SIGCHLD, 0, &run->fds[PIDFD]);
	if (error == 0)
		become(hook, run->fds);
	shut(&run->fds[OUT_WRITE]);
	shut(&run->fds[ERR_WRITE]);
	shut(&run->fds[WHY_WRITE]);
	return error;
}

/* Read what there is from output `i`; return 1 if there may be more and room for it. */
static int gather(struct run *run, int i, int *fd)
{
	char chunk[256];
	s64 length = SYSCALL(READ, *fd, chunk, sizeof chunk), at;

	if (length <= 0)
		*fd = -1;
	for (at = 0; at < length && run->held[i] < sizeof run->output[i]; at++)
		run->output[i][run->held[i]++] = chunk[at];
	return length > 0 && run->held[i] < sizeof run->output[i];
}

/* Feed and read the hook until it exits or its time is up; ppoll(2) itself counts `left` down. */
static s64 follow(struct run *run, const struct hook *hook)
{
	struct { int fd; short events, ready; } polled[] = {
		{ run->fds[OUT_READ], POLLIN, 0 }, { run->fds[ERR_READ], POLLIN, 0 },
		{ run->fds[IN_WRITE], POLLOUT, 0 }, { run->fds[PIDFD], POLLIN, 0 },
	};
	s64 left[2] = { (s64)(hook->timeout / 1000), (s64)(hook->timeout % 1000 * 1000000) };
	u64 sent = 0;
	s64 got;
	int i, more;

	for (;;) {
		got = SYSCALL(PPOLL, polled, 4, hook->timeout ? left : 0);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got;
		for (i = more = 0; i < 2; i++)
			if (polled[i].ready)
				more |= gather(run, i, &polled[i].fd);
		if (polled[2].ready) {       /* room for a page at least: the write does not block */
			u64 rest = hook->length - sent;

			got = SYSCALL(WRITE, polled[2].fd, hook->document + sent, rest > 4096 ? 4096 : rest);
			sent += got > 0 ? (u64)got : rest;
			if (sent >= hook->length) {
				polled[2].fd = -1;
				shut(&run->fds[IN_WRITE]);
			}
		}
		if (polled[3].ready && !more)
			return 1;
	}
}

/* Say how the hook ended, and what it wrote. */
static _Noreturn void fail_ended(const char *words, const struct hook *hook, struct run *run, u32 status)
{
	struct text text;

	text.length = 0;
	add(&text, words);
	if (status & 0x7f) {
		add(&text, hook->killed);
		add(&text, nth(hook->signals, status & 0x7f));
		if (status & 0x80)
			add(&text, hook->dumped);
	} else {
		add(&text, hook->exit_status);
		add_number(&text, status >> 8 & 0xff);
	}
	add(&text, hook->out);
	add_bytes(&text, run->output[0], run->held[0]);
	add(&text, hook->err);
	add_bytes(&text, run->output[1], run->held[1]);
	fail(&text);
}

/* Run one hook; return when it has exited with status 0. */
static void play_hook(const char *words, const struct hook *hook)
{
	struct run run;
	s64 error, waited;
	u32 status = 0;
	u8 why = 0;
	int i;

	run.held[0] = run.held[1] = 0;
	for (i = 0; i < FDS; i++)
		run.fds[i] = -1;
	error = start(&run, hook);
	if (error < 0)
		fail_with(words, hook->not_started, error);
	error = follow(&run, hook);
	if (error <= 0)
		SYSCALL(KILL, run.pid, SIGKILL);
	do
		waited = SYSCALL(WAIT4, run.pid, &status);
	while (waited == -EINTR);
	if (error == 0)
		fail_with(words, hook->too_late, 0);
	if (error < 0 || waited < 0)
		fail_with(words, hook->not_started, error < 0 ? error : waited);
	SYSCALL(READ, run.fds[WHY_READ], &why, 1);
	if (why)
		fail_with(words, hook->not_started, -(s64)why);
	if (status)
		fail_ended(words, hook, &run, status);
	for (i = 0; i < FDS; i++)
		shut(&run.fds[i]);
}
