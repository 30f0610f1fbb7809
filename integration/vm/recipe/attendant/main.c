/* Which of its three parts the attendant plays, and the server: a process for each connection. */
#include "attendant.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 1023

static int listening(void)
{
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), again = 1;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
	if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64))
		console_failure("listen at", "the port of commands");
	return server;
}

static void accept_one(int server, const sigset_t *before)
{
	int connection = accept4(server, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return;
	if (fork() == 0) {
		sigprocmask(SIG_SETMASK, before, NULL);
		serve(connection);
	}
	close(connection);
}

/* Children are reaped as they end: as process 1, the orphans of all tests. */
static _Noreturn void attend_all(int server)
{
	sigset_t ends, before;
	struct signalfd_siginfo told;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, &before);
	int children = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd polled[] = {{server, POLLIN, 0}, {children, POLLIN, 0}};
		poll(polled, 2, -1);
		while (read(children, &told, sizeof told) > 0)
			continue;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		accept_one(server, &before);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = {1 << 16, 1 << 19};

	if (argc > 0 && getpid() == 1 && !strcmp(argv[0], "/init"))
		return leave_initramfs();
	if (getpid() == 1)
		make_bare_system();
	raise_network();
	setrlimit(RLIMIT_NOFILE, &files);
	int server = listening();
	console("\n" READY "\n");
	attend_all(server);
}
