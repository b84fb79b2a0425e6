#include "base/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define SIZE_MAX_USTAR UINT64_C(077777777777)
#define PAX_NAME "pax" /* of the head that only describes the next one */

/* One head; every field that is text may fill its room without a NUL. */
struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, target[100],
		magic[8], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a head is a block");

static void put_octal(char *field, size_t size, uint64_t value)
{
	field[--size] = '\0';
	while (size > 0) {
		field[--size] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static void put_text(char *field, size_t size, const char *text, size_t len)
{
	memcpy(field, text, len < size ? len : size);
}

/* Over name and prefix, which a slash is between; false: there is no room for it so. */
static bool put_name(struct ustar *head, const char *name, bool folder)
{
	auto_free char *full = xasprintf("%s%s", name, folder ? "/" : "");
	size_t len = strlen(full), cut;

	if (len <= sizeof(head->name)) {
		put_text(head->name, sizeof(head->name), full, len);
		return true;
	}
	for (cut = len - sizeof(head->name) - 1; cut + 1 < len; cut++) {
		if (full[cut] == '/' && cut > 0 && cut <= sizeof(head->prefix)) {
			put_text(head->prefix, sizeof(head->prefix), full, cut);
			put_text(head->name, sizeof(head->name), full + cut + 1, len - cut - 1);
			return true;
		}
	}
	put_text(head->name, sizeof(head->name), full, len);
	return false;
}

/* With the sum of its bytes, those of the sum itself taken for blanks. */
static void add_head(struct ustar *head, struct buf *out)
{
	const unsigned char *bytes = (const unsigned char *)head;
	unsigned sum = 0;

	memcpy(head->magic, "ustar\00000", sizeof(head->magic));
	memset(head->sum, ' ', sizeof(head->sum));
	for (size_t i = 0; i < sizeof(*head); i++)
		sum += bytes[i];
	put_octal(head->sum, sizeof(head->sum) - 1, sum);
	buf_add(out, head, sizeof(*head));
}

/* "<length of this line> key=value\n": the length counts its own digits. */
static void add_record(struct buf *records, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + strlen(" =\n"), len = rest + 1, before;

	do {
		before = len;
		len = rest + (size_t)snprintf(NULL, 0, "%zu", before);
	} while (len != before);
	buf_addf(records, "%zu %s=", len, key);
	buf_adds(records, value);
	buf_addc(records, '\n');
}

static void add_zeros(struct buf *out, size_t len)
{
	static const char zeros[2 * TAR_BLOCK];

	buf_add(out, zeros, len);
}

static void add_pax(const struct buf *records, struct buf *out)
{
	struct ustar head = {.type = 'x'};

	put_text(head.name, sizeof(head.name), PAX_NAME, strlen(PAX_NAME));
	put_octal(head.mode, sizeof(head.mode), 0644);
	put_octal(head.uid, sizeof(head.uid), 0);
	put_octal(head.gid, sizeof(head.gid), 0);
	put_octal(head.size, sizeof(head.size), records->len);
	put_octal(head.mtime, sizeof(head.mtime), 0);
	add_head(&head, out);
	buf_add(out, records->data, records->len);
	add_zeros(out, tar_padding(records->len));
}

/* What ustar has no room for. */
static void put_wide(
	const struct tar_entry *entry, uint64_t mtime, struct ustar *head, struct buf *records)
{
	bool folder = entry->type == TAR_FOLDER;
	size_t target_len = entry->target ? strlen(entry->target) : 0;

	if (!put_name(head, entry->name, folder)) {
		auto_free char *full = xasprintf("%s%s", entry->name, folder ? "/" : "");

		add_record(records, "path", full);
	}
	if (target_len)
		put_text(head->target, sizeof(head->target), entry->target, target_len);
	if (target_len > sizeof(head->target))
		add_record(records, "linkpath", entry->target);
	if (entry->size > SIZE_MAX_USTAR) {
		auto_free char *text = xasprintf("%" PRIu64, entry->size);

		add_record(records, "size", text);
	}
	if (mtime > SIZE_MAX_USTAR) {
		auto_free char *text = xasprintf("%" PRIu64, mtime);

		add_record(records, "mtime", text);
	}
}

void tar_add_head(const struct tar_entry *entry, struct buf *out)
{
	struct ustar head = {.type = (char)entry->type};
	uint64_t mtime = entry->mtime_s > 0 ? (uint64_t)entry->mtime_s : 0;
	auto_buf records = BUF_INIT;

	put_wide(entry, mtime, &head, &records);
	put_octal(head.mode, sizeof(head.mode), entry->mode & 07777);
	put_octal(head.uid, sizeof(head.uid), 0);
	put_octal(head.gid, sizeof(head.gid), 0);
	put_octal(head.size, sizeof(head.size), entry->size > SIZE_MAX_USTAR ? 0 : entry->size);
	put_octal(head.mtime, sizeof(head.mtime), mtime > SIZE_MAX_USTAR ? 0 : mtime);
	if (records.len)
		add_pax(&records, out);
	add_head(&head, out);
}

size_t tar_padding(uint64_t size)
{
	return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

void tar_add_end(struct buf *out)
{
	add_zeros(out, 2 * TAR_BLOCK);
}
