/* What the peers written in C have in common: two processes on two cores, one of which takes commands.
 *
 *   rate SIZE MS [MODE]   ->  frames per second, one way, as the far end counted them
 *   rtt SIZE MS [MODE]    ->  median and 99th percentile of a round trip, in nanoseconds, both ends polling
 *
 * Commands come on standard input, one answer to a line goes to standard output. Between commands both ends sleep. At the
 * end of the input the near end ends, and the far end with it. */
#ifndef PAIR_H
#define PAIR_H

#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST 32
/* Before the count begins, and after it has ended, in milliseconds. */
#define WARM 50
#define MARGIN 100
/* An end that hears nothing for so long gives up. */
#define PATIENCE_MS 3000ull

static inline uint64_t nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static inline void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof set, &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

/* A count of frames over a window that begins some time after the first one. */
struct window {
	uint64_t length, begin, end, frames;
};

static inline struct window window_of(uint64_t milliseconds)
{
	struct window window = { .length = milliseconds * 1000000 };
	return window;
}

/* Takes note of `frames` more; whether the window is over. A look at the clock for each burst. */
static inline int window_took(struct window *window, uint64_t frames)
{
	uint64_t now = nanoseconds();
	if (!window->begin) {
		if (frames)
			window->begin = now + WARM * 1000000ull;
		return 0;
	}
	if (now < window->begin)
		return 0;
	if (!window->end) {
		window->begin = now;
		window->end = now + window->length;
		return 0;
	}
	window->frames += frames;
	if (now < window->end)
		return 0;
	window->end = now;
	return 1;
}

static inline double window_rate(const struct window *window)
{
	return window->frames * 1e9 / (window->end - window->begin);
}

/* Round trips by their nanoseconds; the last bucket holds all longer ones. */
#define BUCKETS 200000
static uint32_t histogram[BUCKETS];

static inline void histogram_add(uint64_t value)
{
	histogram[value < BUCKETS ? value : BUCKETS - 1]++;
}

/* The value below which `share` of all lie. */
static inline unsigned histogram_quantile(double share)
{
	uint64_t all = 0, seen = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		all += histogram[i];
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen >= all * share && seen)
			return i;
	}
	return 0;
}

#endif
