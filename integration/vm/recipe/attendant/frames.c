/* What goes over the line between host and guest; ../connection.py is the other end. */
#include "attendant.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* 0, or -1 for an error or an end before all was read. */
int read_all(int from, void *to, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = read(from, (char *)to + done, length - done);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return -1;
		done += (size_t)part;
	}
	return 0;
}

int write_all(int to, const void *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = write(to, (const char *)from + done, length - done);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return -1;
		done += (size_t)part;
	}
	return 0;
}

int receive(int connection, struct frame *frame)
{
	unsigned char head[5];

	if (read_all(connection, head, sizeof head))
		return -1;
	frame->kind = head[0];
	memcpy(&frame->length, head + 1, 4);
	frame->length = ntohl(frame->length);
	if (frame->length > MOST_DATA)
		return -1;
	return read_all(connection, frame->data, frame->length);
}

int send_frame(int connection, enum kind kind, const void *data, uint32_t length)
{
	static char whole[MOST_DATA + 5];
	uint32_t written = htonl(length);

	whole[0] = (char)kind;
	memcpy(whole + 1, &written, 4);
	memcpy(whole + 5, data, length);
	return write_all(connection, whole, length + 5);
}
