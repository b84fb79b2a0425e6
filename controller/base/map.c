/*
 * Open addressing with linear probing over a power of two of slots. A removed
 * entry leaves a marker so that probes go on past it; markers count as used and
 * vanish when the table is rebuilt, at 70 % used. Keys come from users, hence
 * SipHash-1-3 (Aumasson and Bernstein, 2012) under a key drawn per process.
 */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"

#define MAP_FIRST_CAP 8

static char map_deleted[1]; /* its address is the marker */

static uint64_t hash_key[2];
static bool hash_key_ready;

static inline uint64_t rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

static uint64_t hash_string(const char *s)
{
	size_t len = strlen(s);
	uint64_t v[4], word;
	size_t i;

	if (!hash_key_ready) {
		hash_key[0] = rand_u64();
		hash_key[1] = rand_u64();
		hash_key_ready = true;
	}
	v[0] = hash_key[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = hash_key[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = hash_key[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = hash_key[1] ^ UINT64_C(0x7465646279746573);
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, s + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)(len & 0xff) << 56;
	for (size_t j = 0; i + j < len; j++)
		word |= (uint64_t)(unsigned char)s[i + j] << (8 * j);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int round = 0; round < 3; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool slot_live(const struct map_entry *slot)
{
	return slot->key && slot->key != map_deleted;
}

/* The slot of key; when absent the slot to put it in (NULL only in a table without slots). */
static struct map_entry *find_slot(const struct map *m, const char *key)
{
	struct map_entry *reusable = NULL;
	size_t i;

	if (!m->cap)
		return NULL;
	/* Ends: at least 30 % of the slots are free. */
	for (i = hash_string(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *slot = &m->slots[i];

		if (!slot->key)
			return reusable ? reusable : slot;
		if (slot->key == map_deleted) {
			if (!reusable)
				reusable = slot;
		} else if (strcmp(slot->key, key) == 0) {
			return slot;
		}
	}
}

/* Makes room for one more. Twice the slots unless most of the used ones are markers. */
static void make_room(struct map *m)
{
	struct map_entry *old = m->slots;
	size_t old_cap = m->cap;

	if (m->cap && (m->used + 1) * 10 <= m->cap * 7)
		return;
	if (!m->cap)
		m->cap = MAP_FIRST_CAP;
	else if ((m->len + 1) * 10 > m->cap * 4)
		m->cap *= 2;
	m->slots = xcalloc(m->cap, sizeof(*m->slots));
	for (size_t i = 0; i < old_cap; i++) {
		if (slot_live(&old[i]))
			*find_slot(m, old[i].key) = old[i];
	}
	m->used = m->len;
	free(old);
}

void *map_get(const struct map *m, const char *key)
{
	const struct map_entry *slot = find_slot(m, key);

	return slot && slot_live(slot) ? slot->value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	const struct map_entry *slot = find_slot(m, key);

	return slot && slot_live(slot);
}

void map_set(struct map *m, const char *key, void *value)
{
	struct map_entry *slot = find_slot(m, key);

	if (slot && slot_live(slot)) {
		void *old = slot->value;

		slot->value = value;
		if (m->free_value && old != value)
			m->free_value(old);
		return;
	}
	make_room(m);
	slot = find_slot(m, key);
	if (!slot->key)
		m->used++;
	slot->key = xstrdup(key);
	slot->value = value;
	m->len++;
}

void *map_steal(struct map *m, const char *key)
{
	struct map_entry *slot = find_slot(m, key);
	void *value;

	if (!slot || !slot_live(slot))
		return NULL;
	value = slot->value;
	free(slot->key);
	*slot = (struct map_entry){.key = map_deleted};
	m->len--;
	return value;
}

bool map_del(struct map *m, const char *key)
{
	void *value;

	if (!map_has(m, key))
		return false;
	value = map_steal(m, key);
	if (m->free_value)
		m->free_value(value);
	return true;
}

void map_clear(struct map *m)
{
	struct map old = *m;

	*m = (struct map){.free_value = old.free_value};
	for (size_t i = 0; i < old.cap; i++) {
		if (!slot_live(&old.slots[i]))
			continue;
		if (old.free_value)
			old.free_value(old.slots[i].value);
		free(old.slots[i].key);
	}
	free(old.slots);
}

bool map_next(const struct map *m, size_t *pos, const char **ret_key, void **ret_value)
{
	for (; *pos < m->cap; (*pos)++) {
		const struct map_entry *slot = &m->slots[*pos];

		if (!slot_live(slot))
			continue;
		if (ret_key)
			*ret_key = slot->key;
		if (ret_value)
			*ret_value = slot->value;
		(*pos)++;
		return true;
	}
	return false;
}
