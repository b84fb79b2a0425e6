/*
 * JSON Web Tokens signed with RS256 (RFC 7515 section 3.1, RFC 7518 section 3.3): what a service
 * account's key file proves itself with.
 */
#ifndef NET_JWT_H
#define NET_JWT_H

#include "base/err.h"

/*
 * "<header>.<claims>.<signature>", each base64url without padding; owned, to be wiped by
 * mem_free_secret. header and claims are JSON texts. NULL with class user, reason InvalidKey, when
 * key_pem is no RSA private key in PEM; its text is in no error.
 */
char *jwt_sign_rs256(const char *key_pem, const char *header, const char *claims, struct err *err);

#endif
