/* test/sim/random.h - random numbers that depend on nothing but their state. */
#ifndef PIT_TEST_SIM_RANDOM_H
#define PIT_TEST_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), with the constants of splitmix64. */
static inline uint64_t sim_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number that two others determine: a stream of its own for each step, each fault, each client. */
static inline uint64_t sim_mix(uint64_t a, uint64_t b)
{
    uint64_t state = a;
    state = sim_random(&state) ^ b;
    return sim_random(&state);
}

/* 0 .. limit - 1. */
static inline uint64_t sim_below(uint64_t *state, uint64_t limit)
{
    return sim_random(state) % limit;
}

static inline bool sim_chance(uint64_t *state, uint32_t percent)
{
    return sim_below(state, 100) < percent;
}

static inline uint64_t sim_one_of(uint64_t *state, const uint64_t *values, uint64_t count)
{
    return values[sim_below(state, count)];
}

#define SIM_ONE_OF(state, ...)                                                                                         \
    sim_one_of(state, (const uint64_t[]){__VA_ARGS__}, sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

#endif
