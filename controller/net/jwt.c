#include "net/jwt.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"

/* RFC 4648 section 5, without padding. Owned. */
static char *base64url(const void *data, size_t len)
{
	char *text = base64_encode(data, len);

	for (char *c = text; *c; c++) {
		if (*c == '=')
			*c = '\0';
		else
			*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
		if (!*c)
			break;
	}
	return text;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;

	BIO_free(bio);
	if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

/* Owned; NULL: it could not be signed. */
static unsigned char *sign(EVP_PKEY *key, const char *text, size_t *ret_len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const unsigned char *data = (const unsigned char *)text;
	unsigned char *signature = NULL;

	if (context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(context, NULL, ret_len, data, strlen(text)) == 1) {
		signature = xcalloc(*ret_len + 1, 1);
		if (EVP_DigestSign(context, signature, ret_len, data, strlen(text)) != 1)
			free(take_ptr(signature));
	}
	EVP_MD_CTX_free(context);
	return signature;
}

char *jwt_sign_rs256(const char *key_pem, const char *header, const char *claims, struct err *err)
{
	EVP_PKEY *key = read_key(key_pem);
	auto_free char *head = base64url(header, strlen(header));
	auto_free char *body = base64url(claims, strlen(claims));
	auto_free char *text = xasprintf("%s.%s", head, body);
	auto_free unsigned char *signature = NULL;
	auto_free char *last = NULL;
	size_t len = 0;

	if (key)
		signature = sign(key, text, &len);
	EVP_PKEY_free(key);
	if (!signature) {
		err_set(err, ERR_USER, "InvalidKey", "the private key is no RSA key in PEM");
		return NULL;
	}
	last = base64url(signature, len);
	return xasprintf("%s.%s", text, last);
}
