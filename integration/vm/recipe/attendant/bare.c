/* A system without systemd: file systems, devices, and a cgroup hierarchy with every controller. */
#include "attendant.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"
#define SAFE (MS_NOSUID | MS_NODEV)

static void mount_all(void)
{
	mount_at("proc", "/proc", "proc", SAFE | MS_NOEXEC, NULL);
	mount_at("run", "/run", "tmpfs", SAFE, "mode=755");
	mount_at("tmp", "/tmp", "tmpfs", SAFE, "mode=1777");
	mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
	mount_at("shm", "/dev/shm", "tmpfs", SAFE, "mode=1777");
	mount_at("mqueue", "/dev/mqueue", "mqueue", 0, NULL);
	mount_at("hugetlbfs", "/dev/hugepages", "hugetlbfs", 0, NULL);
	mount_at("cgroup2", CGROUPS, "cgroup2", SAFE | MS_NOEXEC, "nsdelegate,memory_recursiveprot");
	mount_at("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	mount_at("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	mount_at("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount_at("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
}

/* Opening the first two loads their modules. */
static void make_devices(void)
{
	mkdir("/dev/net", 0755);
	mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200));
	mknod("/dev/loop-control", S_IFCHR | 0660, makedev(10, 237));
	chmod("/dev/net/tun", 0666);
	chmod("/dev/fuse", 0666);
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("fd/0", "/dev/stdin")
	    || symlink("fd/1", "/dev/stdout") || symlink("fd/2", "/dev/stderr"))
		console_failure("link", "/dev/fd and the streams");
}

/* Only a cgroup without processes hands controllers down, so process 1 leaves the root. */
static void hand_controllers_down(void)
{
	char names[512], word[80];

	mkdir(CGROUPS "/init.scope", 0755);
	if (write_text(CGROUPS "/init.scope/cgroup.procs", "0"))
		console_failure("join", CGROUPS "/init.scope");
	read_text(CGROUPS "/cgroup.controllers", names, sizeof names);
	for (char *name = strtok(names, " \n"); name; name = strtok(NULL, " \n")) {
		snprintf(word, sizeof word, "+%s", name);
		if (write_text(CGROUPS "/cgroup.subtree_control", word))
			console_failure("hand down the controller", name);
	}
}

void make_bare_system(void)
{
	mount_all();
	mkdir("/run/lock", 01777);
	mkdir("/run/user", 0755);
	make_devices();
	hand_controllers_down();
	sethostname("vm", 2);
	write_text("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	write_text("/proc/sys/kernel/core_pattern", "core");
}
