#include "runners/docker_logs.h"

#include <string.h>

static size_t take_head(struct docker_frames *frames, const char *data, size_t len)
{
	size_t wanted = sizeof(frames->head) - frames->head_len, n = len < wanted ? len : wanted;
	const unsigned char *head = frames->head;

	memcpy(frames->head + frames->head_len, data, n);
	frames->head_len += n;
	if (frames->head_len < sizeof(frames->head))
		return n;
	frames->left =
		(size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
	if (!frames->left)
		frames->head_len = 0;
	return n;
}

void docker_frames_feed(struct docker_frames *frames, const char *data, size_t len)
{
	while (len > 0) {
		size_t n;

		if (frames->head_len < sizeof(frames->head)) {
			n = take_head(frames, data, len);
		} else {
			n = len < frames->left ? len : frames->left;
			frames->text(frames->arg, data, n);
			frames->left -= n;
			if (!frames->left)
				frames->head_len = 0;
		}
		data += n;
		len -= n;
	}
}
