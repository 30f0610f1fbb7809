/* One command of the host: read what to run, run it, carry its streams, signals and status.
 *
 * A request is four bytes of length and strings that each end with a zero: the key, the working
 * directory, the number of words and the words, the number of variables and the variables.
 * Input comes one frame at a time, the next when the command has taken the one before, so that
 * signals never wait behind input that nobody reads.
 */
#include "attendant.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_REQUEST (4U << 20)
/* After the command's end what it wrote is still read, but daemons that it left are not awaited. */
#define DRAIN_MILLISECONDS 300

struct request {
	char *directory;
	char **words;
	char **variables;
};

struct command {
	int connection, pidfd;
	int input, output, error; /* our ends of its pipes; -1 when they have ended */
	pid_t pid;
	int status, ended;
	struct frame pending; /* input that the command has not taken yet, from `taken` on */
	uint32_t taken;
};

static char *next_string(char **rest)
{
	char *string = *rest;

	*rest += strlen(string) + 1;
	return string;
}

static char **next_list(char **rest)
{
	size_t count = strtoul(next_string(rest), NULL, 10);
	char **list = calloc(count + 1, sizeof *list);

	for (size_t each = 0; list && each < count; each++)
		list[each] = next_string(rest);
	return list;
}

static int has_key(const char *shown)
{
	char key[128];

	return read_text(KEY_FILE, key, sizeof key) > 0 && !strcmp(shown, key);
}

/* The zeros after the end keep a request that is cut short within its own memory. */
static int read_request(int connection, struct request *request)
{
	uint32_t length;

	if (read_all(connection, &length, sizeof length) || ntohl(length) > MOST_REQUEST)
		return -1;
	length = ntohl(length);
	char *rest = calloc(1, length + 8);
	if (rest == NULL || read_all(connection, rest, length) || !has_key(next_string(&rest)))
		return -1;
	request->directory = next_string(&rest);
	request->words = next_list(&rest);
	request->variables = next_list(&rest);
	return request->words && request->variables && request->words[0] ? 0 : -1;
}

static void set_environment(char **variables)
{
	clearenv();
	putenv(SEARCH_PATH);
	putenv("HOME=/root");
	putenv("USER=root");
	putenv("LOGNAME=root");
	putenv("LANG=C.UTF-8");
	putenv("TERM=dumb");
	for (; *variables; variables++)
		putenv(*variables);
}

static _Noreturn void become(const struct request *request, const int ends[3])
{
	setsid();
	signal(SIGPIPE, SIG_DFL);
	for (int stream = 0; stream < 3; stream++)
		dup2(ends[stream], stream);
	set_environment(request->variables);
	const char *directory = *request->directory ? request->directory : "/root";
	if (chdir(directory)) {
		dprintf(2, "vm: enter %s: %s\n", directory, strerror(errno));
		_exit(126);
	}
	execvp(request->words[0], request->words);
	dprintf(2, "vm: execute %s: %s\n", request->words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int begin(struct command *command, const struct request *request)
{
	int input[2], output[2], error[2];

	if (pipe2(input, O_CLOEXEC) || pipe2(output, O_CLOEXEC) || pipe2(error, O_CLOEXEC))
		return -1;
	command->pid = fork();
	if (command->pid < 0)
		return -1;
	if (command->pid == 0)
		become(request, (int[]){input[0], output[1], error[1]});
	close(input[0]);
	close(output[1]);
	close(error[1]);
	fcntl(input[1], F_SETFL, O_NONBLOCK);
	command->input = input[1];
	command->output = output[0];
	command->error = error[0];
	command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0);
	return command->pidfd < 0 ? -1 : 0;
}

static _Noreturn void abandon(struct command *command)
{
	if (!command->ended)
		killpg(command->pid, SIGKILL);
	_exit(0);
}

static void end_input(struct command *command)
{
	close(command->input);
	command->input = -1;
}

/* Give the command what it takes of the pending input; when all is taken, ask for more. */
static void feed(struct command *command)
{
	struct frame *pending = &command->pending;

	while (command->input >= 0 && command->taken < pending->length) {
		ssize_t part = write(command->input, pending->data + command->taken, pending->length - command->taken);
		if (part < 0 && errno == EAGAIN)
			return;
		if (part < 0)
			end_input(command);
		else
			command->taken += (uint32_t)part;
	}
	command->taken = pending->length = 0;
	if (send_frame(command->connection, INPUT_TAKEN, "", 0))
		abandon(command);
}

static void obey(struct command *command)
{
	static struct frame frame;
	int32_t number;

	if (receive(command->connection, &frame))
		abandon(command);
	if (frame.kind == INPUT) {
		command->pending = frame;
		feed(command);
	} else if (frame.kind == INPUT_END && command->input >= 0) {
		end_input(command);
	} else if (frame.kind == SIGNAL && frame.length == sizeof number && !command->ended) {
		memcpy(&number, frame.data, sizeof number);
		killpg(command->pid, (int)ntohl((uint32_t)number));
	}
}

/* Carry what one stream has; it ends with the last that holds its other end. */
static void carry(struct command *command, int *stream, enum kind kind)
{
	static char data[MOST_DATA];
	ssize_t length = read(*stream, data, sizeof data);

	if (length <= 0) {
		close(*stream);
		*stream = -1;
	} else if (send_frame(command->connection, kind, data, (uint32_t)length)) {
		abandon(command);
	}
}

static void note_end(struct command *command)
{
	waitpid(command->pid, &command->status, 0);
	command->ended = 1;
	close(command->pidfd);
	command->pidfd = -1;
}

static void attend(struct command *command)
{
	while (!command->ended || command->output >= 0 || command->error >= 0) {
		int waits = command->taken < command->pending.length;
		struct pollfd polled[] = {
			{command->connection, POLLIN, 0},
			{command->output, POLLIN, 0},
			{command->error, POLLIN, 0},
			{command->pidfd, POLLIN, 0},
			{waits ? command->input : -1, POLLOUT, 0},
		};
		int ready = poll(polled, 5, command->ended ? DRAIN_MILLISECONDS : -1);
		if (ready == 0)
			return;
		if (ready < 0)
			continue;
		if (polled[1].revents)
			carry(command, &command->output, OUTPUT);
		if (polled[2].revents)
			carry(command, &command->error, ERROR);
		if (polled[3].revents)
			note_end(command);
		if (polled[4].revents)
			feed(command);
		if (polled[0].revents)
			obey(command);
	}
}

/* Input that is unread when a connection closes would reset it, and the last frame be lost. */
static _Noreturn void part(struct command *command)
{
	char unread[4096];
	struct timeval patience = {10, 0};
	int status = command->status;
	uint32_t code = htonl((uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));

	send_frame(command->connection, EXIT, &code, sizeof code);
	shutdown(command->connection, SHUT_WR);
	setsockopt(command->connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	while (read(command->connection, unread, sizeof unread) > 0)
		continue;
	_exit(0);
}

_Noreturn void serve(int connection)
{
	static struct command command;
	struct request request;
	int at_once = 1;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
	command.connection = connection;
	if (write_all(connection, READY "\n", sizeof READY) || read_request(connection, &request) || begin(&command, &request))
		_exit(1);
	attend(&command);
	part(&command);
}
