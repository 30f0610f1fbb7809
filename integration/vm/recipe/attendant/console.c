/* Words on the console, which the host keeps in a file. */
#include "attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void console(const char *words)
{
	int file = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (file < 0)
		return;
	write_all(file, words, strlen(words));
	close(file);
}

void console_failure(const char *doing, const char *to_what)
{
	char words[512];

	snprintf(words, sizeof words, "attendant: %s %s: %s\n", doing, to_what, strerror(errno));
	console(words);
}
