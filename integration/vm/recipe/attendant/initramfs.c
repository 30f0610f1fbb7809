/* /init of the initramfs: loads the modules of the disk, mounts it and becomes the guest's init. */
#include "attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK "/dev/vda"
#define NEW_ROOT "/new"
#define MODULES "/modules"

/* The order of the list is the order of their dependencies (../kernel). */
static void load_modules(void)
{
	char name[256], file[300];
	FILE *list = fopen(MODULES "/list", "r");

	while (list && fgets(name, sizeof name, list)) {
		name[strcspn(name, "\n")] = 0;
		snprintf(file, sizeof file, MODULES "/%s", name);
		int module = open(file, O_RDONLY);
		if (syscall(SYS_finit_module, module, "", 0) && errno != EEXIST)
			console_failure("load the module", name);
		close(module);
	}
	if (list)
		fclose(list);
}

static void await_disk(void)
{
	for (int tries = 0; tries < 1000 && access(DISK, F_OK); tries++)
		usleep(10000);
}

/* The program that the host chose by `guest.init=` on the kernel's command line. */
static const char *chosen_init(void)
{
	static char line[4096];

	read_text("/proc/cmdline", line, sizeof line);
	for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (!strncmp(word, "guest.init=", 11))
			return word + 11;
	return "/sbin/init";
}

static int change_root(void)
{
	mount("/proc", NEW_ROOT "/proc", NULL, MS_MOVE, NULL);
	mount("/sys", NEW_ROOT "/sys", NULL, MS_MOVE, NULL);
	mount("/dev", NEW_ROOT "/dev", NULL, MS_MOVE, NULL);
	unlink("/init"); /* the memory of what is left behind is not given back otherwise */
	return chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/");
}

int leave_initramfs(void)
{
	static char *environment[] = {SEARCH_PATH, "HOME=/root", "TERM=linux", NULL};

	mount_at("proc", "/proc", "proc", 0, NULL);
	mount_at("sys", "/sys", "sysfs", 0, NULL);
	mount_at("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	await_disk();
	mkdir(NEW_ROOT, 0755);
	if (mount(DISK, NEW_ROOT, "ext4", MS_NOATIME, NULL)) {
		console_failure("mount", DISK);
		return 1;
	}
	const char *init = chosen_init();
	if (change_root())
		console_failure("change the root to", DISK);
	execle(init, init, (char *)NULL, environment);
	console_failure("execute", init);
	return 1;
}
