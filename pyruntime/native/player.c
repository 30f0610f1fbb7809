/*
 * The player: what a container's first process runs between the runtime and the payload.
 *
 * It decides nothing. container/script.py works out every system call, its order and the words for
 * each failure, and lays them down as a flat script in a memfd. This program maps the script, plays
 * one operation after the other, and ends in execve(2) or, after saying why, in exit status 1.
 * It is static, has no libc, no data of its own and no names of files, since it runs within reach
 * of the container: /proc/PID/exe of a waiting container is this, never the host's interpreter.
 *
 * The environment holds one string, the decimal number of the script's descriptor. All pointers
 * in the script are absolute: it is mapped at BASE, or not at all.
 */

#include "linux.h"

#define BASE 0x1000000000UL          /* 64 GiB: free in a static program, also with 39-bit addresses */
#define MAGIC 0x32746e6972637370UL   /* the form of the script, see container/memory.py */
#define SCRIPT ((struct script *)BASE)

enum verb { CALL = 1, EXPECT, SKIP, REPORT, TELL, HOOK, EXECUTE };

struct operation {
	u8 verb;
	u8 indirect;                 /* bit i: argument i is where the value lies, not the value */
	u8 again;                    /* repeat the call when a signal interrupted it */
	u8 times, climbs;            /* make the call so often, this argument one higher each time */
	u8 unused;
	u16 number;                  /* of the system call */
	u64 arguments[6];
	u8 tolerated[8];             /* errnos that are no failure */
	const char *words;           /* what could not be done */
	s64 result;                  /* written here; other operations point to it */
};

struct script {
	u64 magic;
	char *scratch;               /* memory for results, set below */
	s64 packet, line;            /* where a failure is written: bare; with a newline; -1: nowhere */
	struct answer *answer;       /* and where it is put; 0: nowhere */
	struct operation operations[];
};

struct text {
	u64 length;
	char bytes[4096];            /* the most that a reader takes, newline included */
};

/* A page that the runtime reads, so that a process in the container needs no descriptor to fail. */
struct answer {
	u64 pid;
	struct text text;
};

static void add_bytes(struct text *text, const char *from, u64 length)
{
	while (length-- && text->length < sizeof text->bytes - 1)
		text->bytes[text->length++] = *from++;
}

static void add(struct text *text, const char *from)
{
	while (*from)
		add_bytes(text, from++, 1);
}

static void add_number(struct text *text, u64 number)
{
	if (number > 9)
		add_number(text, number / 10);
	add_bytes(text, &"0123456789"[number % 10], 1);
}

/* The n-th of texts that lie one behind the other; an empty one ends them, number 0 is for it. */
static const char *nth(const char *texts, u64 n)
{
	const char *at = texts;

	while (n-- && *at)
		while (*at++)
			;
	return *at ? at : texts;
}

static _Noreturn void fail(struct text *text)
{
	if (SCRIPT->answer)
		SCRIPT->answer->text = *text;
	if (SCRIPT->packet >= 0)
		SYSCALL(WRITE, SCRIPT->packet, text->bytes, text->length);
	text->bytes[text->length++] = '\n';
	if (SCRIPT->line >= 0)
		SYSCALL(WRITE, SCRIPT->line, text->bytes, text->length);
	leave(1);
}

/* What strerror(3) says of each errno; build.py defines it. */
static const char reasons[] = REASONS;

/* The text of an errno, its first letter small; of one that has no text, its number. */
static void add_reason(struct text *text, u64 error)
{
	const char *reason = nth(reasons, error);
	char first = *reason;

	add(text, ": ");
	if (first >= 'A' && first <= 'Z')
		first += 'a' - 'A';
	add_bytes(text, &first, 1);
	add(text, reason + 1);
	if (reason == reasons) {
		add(text, " ");
		add_number(text, error);
	}
}

/* Say `words`, `object` and the reason; `error` is a negative errno, 0 for a failure without one. */
static _Noreturn void fail_with(const char *words, const char *object, s64 error)
{
	struct text text;

	text.length = 0;
	add(&text, words);
	add(&text, object);
	if (error)
		add_reason(&text, (u64)-error);
	fail(&text);
}

#include "hook.h"

/*
 * Become the payload: try the candidates as execvp(3) does, going on where one is not there, or not
 * to be executed. Never returns. The words are for "nowhere in PATH"; a name with a slash has none.
 */
static _Noreturn void execute(const char *words, char *const *paths, u64 argv, u64 envp, const char *verb)
{
	const char *tried = "";
	s64 why = 0, error;

	for (; *paths; paths++) {
		error = SYSCALL(EXECVE, *paths, argv, envp);
		if (!why || error == -EACCES) {
			tried = *paths;
			why = error;
		}
		if (error != -ENOENT && error != -ENOTDIR && error != -EACCES) {
			tried = *paths;
			why = error;
			break;
		}
	}
	if (words && (!why || why == -ENOENT || why == -ENOTDIR))
		fail_with(words, "", 0);
	fail_with(verb, tried, why);
}

static void play_call(struct operation *now, u64 *a)
{
	int i, t;

	for (i = 0; i < now->times; i++, a[now->climbs]++) {
		do
			now->result = call(now->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		while (now->again && now->result == -EINTR);
		if (now->result >= 0 || now->result < -4095)
			continue;
		for (t = 0; t < 8 && now->tolerated[t] != -now->result; t++)
			;
		if (t == 8)
			fail_with(now->words, "", now->result);
	}
}

/*
 * A reader that waits for it must not wait for ever where a filter refuses the write. There may be
 * nobody yet who answers what the filter notifies, so not even exit_group(2) is safe then.
 */
static void tell(const char *word, u64 fd, u64 number)
{
	struct text text;

	text.length = 0;
	add(&text, word);
	add_number(&text, number);
	if (SYSCALL(WRITE, fd, text.bytes, text.length) < 0)
		crash();
}

static _Noreturn void play_operations(void)
{
	struct operation *now = SCRIPT->operations;
	u64 a[6];
	int i;

	for (;; now++) {
		for (i = 0; i < 6; i++)
			a[i] = now->indirect >> i & 1 ? *(u64 *)now->arguments[i] : now->arguments[i];
		switch (now->verb) {
		case CALL:                   /* a system call */
			play_call(now, a);
			break;
		case EXPECT:                 /* memory holds this byte, or it is a failure */
			if (*(u8 *)a[0] != a[1])
				fail_with(now->words, "", 0);
			break;
		case SKIP:                   /* if the value is 0, so many operations */
			if (!a[0])
				now += a[1];
			break;
		case REPORT:                 /* write failures there from now on */
			SCRIPT->packet = (s64)a[0];
			SCRIPT->line = (s64)a[1];
			SCRIPT->answer = (struct answer *)a[2];
			break;
		case TELL:                   /* write a word and a number in decimal to a descriptor */
			tell(now->words, a[0], a[1]);
			break;
		case HOOK:
			play_hook(now->words, (const struct hook *)a[0]);
			break;
		case EXECUTE:
			execute(now->words, (char *const *)a[0], a[1], a[2], (const char *)a[3]);
		default:                     /* not a script of ours */
			leave(127);
		}
	}
}

/* Called by _start with the stack as the kernel made it: argc, argv, 0, envp, 0. */
_Noreturn __attribute__((used)) void play(const u64 *stack)
{
	const char *at = (const char *)stack[stack[0] + 2];
	char scratch[4096];
	u64 fd = 0;
	s64 size;

	while (at && *at >= '0' && *at <= '9')
		fd = fd * 10 + (u64)(*at++ - '0');
	size = SYSCALL(LSEEK, fd, 0, SEEK_END);
	if (size < (s64)sizeof(struct script) || SYSCALL(MMAP, BASE, size, PROT_READ_WRITE,
			MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) != (s64)BASE || SCRIPT->magic != MAGIC)
		leave(127);
	SYSCALL(CLOSE, fd);
	SCRIPT->scratch = scratch;
	play_operations();
}
