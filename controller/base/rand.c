#include "base/rand.h"

#include <stdbool.h>
#include <sys/random.h>

#include "base/time.h"

static uint64_t rand_state;
static bool rand_ready;

void rand_seed(uint64_t seed)
{
	rand_state = seed;
	rand_ready = true;
}

/* SplitMix64 (Steele, Lea, Flood, 2014): one word of state, passes BigCrush. */
uint64_t rand_u64(void)
{
	uint64_t seed, z;

	if (!rand_ready) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uint64_t)time_wall_ms() ^ (uint64_t)(uintptr_t)&seed;
		rand_seed(seed);
	}
	rand_state += UINT64_C(0x9e3779b97f4a7c15);
	z = rand_state;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t rand_below(uint64_t bound)
{
	uint64_t limit, value;

	if (!bound)
		return 0;
	/* The largest multiple of bound that fits; values from there on would favour small results.
	 */
	limit = UINT64_MAX - UINT64_MAX % bound;
	do {
		value = rand_u64();
	} while (value >= limit);
	return value % bound;
}
