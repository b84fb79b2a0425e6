/* Randomness for jitter and hash seeds only; never for names (those are derived) or secrets. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

uint64_t rand_u64(void);
/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t rand_below(uint64_t bound);
/* Makes the sequence repeatable, for tests. */
void rand_seed(uint64_t seed);

#endif
