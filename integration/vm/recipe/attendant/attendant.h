/* The attendant: the one program of this project that runs in the guest beside the tests.
 *
 * The same static binary is /init of the initramfs (initramfs.c), process 1 of a guest without
 * systemd (bare.c), and in each guest the server that runs the host's commands (main.c, serve.c).
 */
#ifndef ATTENDANT_H
#define ATTENDANT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the host looks for on the console; machine.py has the same words. */
#define READY "ATTENDANT-READY"
/* The host shows that it may give commands by the content of this file. */
#define KEY_FILE "/opt/attendant/key"
#define SEARCH_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MOST_DATA 65536

/* console.c */
void console(const char *words);
void console_failure(const char *doing, const char *to_what);

/* files.c */
int write_text(const char *file, const char *text);
ssize_t read_text(const char *file, char *text, size_t size);
void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *data);

/* initramfs.c, bare.c, network.c, serve.c */
int leave_initramfs(void);
void make_bare_system(void);
void raise_network(void);
_Noreturn void serve(int connection);

/* frames.c: a frame is its kind, the length of its data in four bytes, the data. */
enum kind {
	INPUT = 'i', INPUT_END = 'I', SIGNAL = 's',              /* from the host */
	OUTPUT = 'o', ERROR = 'e', INPUT_TAKEN = 'a', EXIT = 'x', /* to it */
};
struct frame {
	enum kind kind;
	uint32_t length;
	char data[MOST_DATA];
};
int read_all(int from, void *to, size_t length);
int write_all(int to, const void *from, size_t length);
int receive(int connection, struct frame *frame);
int send_frame(int connection, enum kind kind, const void *data, uint32_t length);

#endif
