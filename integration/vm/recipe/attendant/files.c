/* Small files of the kernel, and mounts. */
#include "attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int write_text(const char *file, const char *text)
{
	int opened = open(file, O_WRONLY | O_CLOEXEC);

	if (opened < 0)
		return -1;
	int failed = write_all(opened, text, strlen(text));
	close(opened);
	return failed;
}

/* Read at most size - 1 bytes and end them with a zero. */
ssize_t read_text(const char *file, char *text, size_t size)
{
	int opened = open(file, O_RDONLY | O_CLOEXEC);

	text[0] = 0;
	if (opened < 0)
		return -1;
	ssize_t length = read(opened, text, size - 1);
	close(opened);
	if (length >= 0)
		text[length] = 0;
	return length;
}

/* The directory is made; what is mounted already stays. */
void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, data) && errno != EBUSY)
		console_failure("mount", target);
}
