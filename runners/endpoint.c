#include "runners/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/str.h"

#define HOST_MAX 256

static bool is_local_v4(uint32_t address)
{
	unsigned first = address >> 24;

	return first == 127 || first == 0 || address >> 16 == 0xa9fe;
}

static bool is_local_v6(const struct in6_addr *address)
{
	uint32_t last;

	if (IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address)) {
		memcpy(&last, address->s6_addr + 12, sizeof(last));
		/* :: and ::1 are of the second form */
		return ntohl(last) <= 1 || is_local_v4(ntohl(last));
	}
	return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address) ||
	       IN6_IS_ADDR_LINKLOCAL(address);
}

static bool is_local_name(const char *name)
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	return (len == 9 && strncasecmp(name, "localhost", 9) == 0) ||
	       (len > 10 && strncasecmp(name + len - 10, ".localhost", 10) == 0);
}

bool endpoint_is_local(const char *host)
{
	char name[HOST_MAX];
	struct in_addr v4;
	struct in6_addr v6;
	bool bracket = host[0] == '[';
	size_t len = strcspn(host + bracket, bracket ? "]%" : ":/?#");

	if (len >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len, host + bracket);
	if (bracket)
		return inet_pton(AF_INET6, name, &v6) == 1 && is_local_v6(&v6);
	if (inet_aton(name, &v4))
		return is_local_v4(ntohl(v4.s_addr));
	return is_local_name(name);
}
