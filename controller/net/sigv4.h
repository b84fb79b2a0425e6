/*
 * AWS Signature Version 4 of one request, by headers ("Authenticating Requests:
 * Using the Authorization Header", the Amazon S3 API reference, and "Create a
 * signed AWS API request", the IAM user guide).
 *
 * Our own and not CURLOPT_AWS_SIGV4: libcurl 7.88 signs the empty headers by
 * which net/http.c takes curl's own away, although they are not sent; does not
 * hash bodies that come from a read callback; takes no clock but its own; and
 * what it makes of paths and queries changed in 8.3, 8.5, 8.9, 8.14 and 8.19.
 */
#ifndef NET_SIGV4_H
#define NET_SIGV4_H

#include <stddef.h>
#include <stdint.h>
#include "base/vec.h"

struct sigv4_keys {
	const char *key_id;
	const char *secret;
	const char *session_token; /* NULL: none */
};

struct sigv4_request {
	const char *method;
	const char *host;  /* as in the Host header: with the port unless it is the default */
	const char *path;  /* as sent for S3; for other services encoded once more; "/" at least */
	const char *query; /* as sent: sorted by name, all values encoded, "a=" when empty; "" */
	const char *region;
	const char *service; /* "s3": X-Amz-Content-Sha256 is sent and signed too */
	const void *body;
	size_t body_len;
	int64_t now_s; /* Unix seconds */
};

/*
 * Adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256 and Authorization to the headers
 * ("Name: value", all of which are signed; no name twice). The result holds a secret only as
 * far as a signature is one.
 */
void sigv4_sign(
	const struct sigv4_keys *keys, const struct sigv4_request *request, struct strvec *headers);

#endif
