/*
 * What a container printed, as the engine streams it: frames of both streams, each with a head of
 * eight bytes (stream, three zeros, length in network order). Fed in pieces of any size.
 * Source: docs.docker.com/engine/api, "Attach to a container", Stream format.
 */
#ifndef RUNNERS_DOCKER_LOGS_H
#define RUNNERS_DOCKER_LOGS_H

#include <stddef.h>

struct docker_frames {
	void (*text)(void *arg, const char *text, size_t len);
	void *arg;

	/* --- private: zero --- */
	unsigned char head[8];
	size_t head_len; /* of what has come */
	size_t left;     /* of the frame's text */
};

void docker_frames_feed(struct docker_frames *frames, const char *data, size_t len);

#endif
