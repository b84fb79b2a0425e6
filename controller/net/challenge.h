/*
 * What a registry wants as authorisation: the WWW-Authenticate header (RFC 9110
 * 11.6.1; Bearer with realm, service and scope as the distribution project's
 * token specification has it). A header may hold several challenges, an answer
 * several headers; values may be quoted and hold commas.
 */
#ifndef NET_CHALLENGE_H
#define NET_CHALLENGE_H

#include "base/vec.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

/* All strings are owned; NULL where the challenge does not say. */
struct challenge {
	enum challenge_scheme scheme;
	char *realm;
	char *service;
	char *scope;
	char *error; /* "invalid_token": a token was sent and refused */
};

/*
 * The first Bearer challenge with a realm, else a Basic one, among response headers
 * ("name: value", names in lower case); CHALLENGE_NONE when there is neither or it makes no sense.
 */
void challenge_read(const struct strvec *headers, struct challenge *ret_challenge);
void challenge_release(struct challenge *challenge);

#define auto_challenge __attribute__((cleanup(challenge_release))) struct challenge

#endif
