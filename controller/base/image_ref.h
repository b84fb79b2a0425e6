/*
 * Names of images, by the grammar of the distribution project
 * (github.com/distribution/reference):
 *
 *   [host[:port]/]component{/component}[:tag][@digest]
 *
 * The first component is a host when it has a '.' or a ':', is "localhost", or
 * has a capital letter; else the host is docker.io, where names of one
 * component live below library/. Digests are those that registries and
 * runtimes know: sha256, sha384 and sha512, in lower-case hexadecimal.
 */
#ifndef BASE_IMAGE_REF_H
#define BASE_IMAGE_REF_H

#include <stdbool.h>
#include "base/err.h"

#define IMAGE_REF_MAX 1024 /* bytes of a whole name; host and repository alone: 255 */

/* All strings are owned. */
struct image_ref {
	char *host;       /* "docker.io", "registry.example:5000", "[::1]:5000" */
	char *repository; /* "library/busybox", "team/app" */
	char *tag;        /* NULL when only a digest is given; "latest" when neither is */
	char *digest;     /* "sha256:<64 hex>"; NULL when there is none */
	char *written;    /* the name as written, without tag and digest: "busybox" */
};

/* < 0 with ERR_USER InvalidImage that quotes the text and says what is wrong with it. */
int image_ref_parse(const char *text, struct image_ref *ret_ref, struct err *err);
/* NULL when it is the name of an image, else what is wrong with it: a constant. */
const char *image_ref_problem(const char *text);
/* It says its digest itself. */
bool image_ref_has_digest(const char *text);
/* Makes it empty again; an empty one ({0}) is fine. */
void image_ref_release(struct image_ref *ref);

#define auto_image_ref __attribute__((cleanup(image_ref_release))) struct image_ref

/* "docker.io/library/busybox:latest", with "@<digest>" where there is one. Owned by the caller. */
char *image_ref_canonical(const struct image_ref *ref);
/* The same as people write it: "busybox:latest". Owned by the caller. */
char *image_ref_familiar(const struct image_ref *ref);
/* "<name as written>@<digest>", the form that the frozen spec holds. Owned by the caller. */
char *image_ref_pinned(const struct image_ref *ref, const char *digest);
/* Where the API of an image host is: docker.io answers at registry-1.docker.io. Borrowed. */
const char *image_ref_api_host(const char *host);
/* "sha256:" with 64, "sha384:" with 96 or "sha512:" with 128 lower-case hexadecimal digits. */
bool image_digest_valid(const char *digest);

#endif
