/* Addresses that a backend must not lead to unless the operator was started with
 * --allow-local-endpoints. Pure: a name is not looked up. */
#ifndef RUNNERS_ENDPOINT_H
#define RUNNERS_ENDPOINT_H

#include <stdbool.h>

/*
 * host[:port][/path] is this machine or on its link: localhost, 127.0.0.0/8, 0.0.0.0/8,
 * 169.254.0.0/16, ::, ::1, fe80::/10, and an IPv4 address of these in IPv6 (RFC 4291 2.5.5), in
 * any form that inet_aton(3) and inet_pton(3) read.
 */
bool endpoint_is_local(const char *host);

#endif
