/* The guest's two interfaces, by the addresses of QEMU's user network. */
#include "attendant.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set(struct sockaddr *where, const char *address)
{
	struct sockaddr_in *internet = (struct sockaddr_in *)where;

	internet->sin_family = AF_INET;
	inet_aton(address, &internet->sin_addr);
}

static void raise_interface(int by, const char *name, const char *address, const char *mask)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	set(&request.ifr_addr, address);
	if (ioctl(by, SIOCSIFADDR, &request))
		console_failure("give an address to", name);
	set(&request.ifr_netmask, mask);
	ioctl(by, SIOCSIFNETMASK, &request);
	ioctl(by, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	ioctl(by, SIOCSIFFLAGS, &request);
}

void raise_network(void)
{
	int by = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

	raise_interface(by, "lo", "127.0.0.1", "255.0.0.0");
	raise_interface(by, "eth0", "10.0.2.15", "255.255.255.0");
	set(&route.rt_dst, "0.0.0.0");
	set(&route.rt_genmask, "0.0.0.0");
	set(&route.rt_gateway, "10.0.2.2");
	ioctl(by, SIOCADDRT, &route);
	close(by);
}
