/* The limit: a ring between two processes of the same design as Isthmus's, without any check.
 *
 * The publication word lies in the slot; frames of up to 104 bytes lie beside it, longer ones in the slot's buffer; the
 * receiver publishes its read pointer every 32 slots; both sides ask for lines ahead. Nothing that is read is examined.
 *
 * MODE: cached   ordinary copies
 *       nt       non-temporal stores into the buffer
 *       flush    memory without coherent caches, in batches: the lines of 32 frames are written back together, then
 *                their words; the receiver drops the lines of a batch together
 *       each     the same, each line of each frame by itself
 *
 * bare NEAR_CORE FAR_CORE; see pair.h for the commands. */
#include "pair.h"

#include <errno.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>

#define SLOTS 1024u
#define BUFFER 2048u
#define INLINE 104u
#define AHEAD 8u
#define PATIENCE 64u

struct slot {
	_Atomic uint64_t word;
	uint64_t metadata[2];
	uint8_t payload[INLINE];
} __attribute__((aligned(128)));

struct ring {
	struct slot slots[SLOTS];
	uint8_t buffers[SLOTS][BUFFER] __attribute__((aligned(4096)));
	struct {
		_Atomic uint64_t word;
	} read __attribute__((aligned(4096)));
};

enum mode { CACHED, NT, FLUSH, EACH };

/* One end of a ring, in local memory. */
struct end {
	struct ring *ring;
	uint64_t position, read;
	/* How often a receiver whose last burst was a full one still looks only for the end of the next. */
	unsigned patience;
};

static struct ring *there, *back;

static inline uint64_t lap(uint64_t position)
{
	return position / SLOTS + 1;
}

static inline uint8_t *payload(struct ring *ring, uint64_t position, uint32_t len)
{
	return len <= INLINE ? ring->slots[position % SLOTS].payload : ring->buffers[position % SLOTS];
}

static inline void write_back(const void *at, size_t len)
{
	uintptr_t line = (uintptr_t)at & ~63ul, end = (uintptr_t)at + len;
	for (; line < end; line += 64)
#ifdef __CLWB__
		_mm_clwb((void *)line);
#else
		_mm_clflushopt((void *)line);
#endif
}

static inline void drop(const void *at, size_t len)
{
	uintptr_t line = (uintptr_t)at & ~63ul, end = (uintptr_t)at + len;
	for (; line < end; line += 64)
		_mm_clflushopt((void *)line);
}

static inline void copy_nt(uint8_t *to, const uint8_t *from, uint32_t len)
{
	uint32_t at = 0;
	for (; at + 16 <= len; at += 16)
		_mm_stream_si128((__m128i *)(to + at), _mm_loadu_si128((const __m128i *)(from + at)));
	memcpy(to + at, from + at, len - at);
}

static inline void put(struct end *end, const uint8_t *frame, uint32_t len, enum mode mode)
{
	uint8_t *to = payload(end->ring, end->position, len);
	if (mode == NT && len > INLINE) {
		copy_nt(to, frame, len);
	} else {
		memcpy(to, frame, len);
	}
	if (mode <= NT)
		__builtin_prefetch(&end->ring->slots[(end->position + AHEAD) % SLOTS], 1, 3);
}

static inline void publish(struct end *end, uint64_t position, uint32_t len)
{
	atomic_store_explicit(&end->ring->slots[position % SLOTS].word, lap(position) << 32 | (uint64_t)len << 16,
			      memory_order_release);
}

/* Room for a burst; the read pointer is looked at only when there seems to be none. */
static inline int has_room(struct end *end, enum mode mode)
{
	if (end->position - end->read + BURST <= SLOTS)
		return 1;
	if (mode >= FLUSH) {
		drop(&end->ring->read, 64);
		_mm_mfence();
	}
	end->read = atomic_load_explicit(&end->ring->read.word, memory_order_acquire);
	return end->position - end->read + BURST <= SLOTS;
}

static inline void send_frames(struct end *end, const uint8_t *frame, uint32_t len, unsigned count, enum mode mode)
{
	uint64_t first = end->position;
	if (mode != FLUSH) {
		for (unsigned i = 0; i < count; i++) {
			put(end, frame, len, mode);
			if (mode == NT)
				_mm_sfence();
			if (mode == EACH) {
				write_back(payload(end->ring, end->position, len), len);
				_mm_sfence();
			}
			publish(end, end->position, len);
			if (mode == EACH) {
				write_back(&end->ring->slots[end->position % SLOTS], 8);
				_mm_sfence();
			}
			end->position++;
		}
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		put(end, frame, len, mode);
		write_back(payload(end->ring, end->position, len), len);
		end->position++;
	}
	_mm_sfence();
	for (uint64_t at = first; at < end->position; at++) {
		publish(end, at, len);
		write_back(&end->ring->slots[at % SLOTS], 8);
	}
	_mm_sfence();
}

static inline int is_there(struct end *end, uint64_t position)
{
	uint64_t word = atomic_load_explicit(&end->ring->slots[position % SLOTS].word, memory_order_acquire);
	return word >> 32 == lap(position);
}

static inline uint32_t length(struct end *end, uint64_t position)
{
	return atomic_load_explicit(&end->ring->slots[position % SLOTS].word, memory_order_relaxed) >> 16 & 0xffff;
}

static inline void take(struct end *end, uint8_t *into)
{
	uint32_t len = length(end, end->position);
	memcpy(into, payload(end->ring, end->position, len), len);
	end->position++;
}

static inline void tell(struct end *end, enum mode mode)
{
	atomic_store_explicit(&end->ring->read.word, end->position, memory_order_release);
	if (mode >= FLUSH) {
		write_back(&end->ring->read, 8);
		_mm_sfence();
	}
}

/* At most a burst; how many there were. */
static inline unsigned receive_frames(struct end *end, uint8_t *into, enum mode mode)
{
	unsigned count = 0;
	if (mode <= NT) {
		/* Under load a batch ahead: a receiver at the transmitter's heels takes its lines away from it. */
		if (end->patience && !is_there(end, end->position + BURST - 1)) {
			end->patience--;
			return 0;
		}
		while (count < BURST && is_there(end, end->position)) {
			__builtin_prefetch(&end->ring->slots[(end->position + AHEAD) % SLOTS], 0, 3);
			take(end, into);
			count++;
		}
	} else if (mode == EACH) {
		while (count < BURST) {
			struct slot *slot = &end->ring->slots[end->position % SLOTS];
			drop(slot, 8);
			_mm_mfence();
			if (!is_there(end, end->position))
				break;
			uint32_t len = length(end, end->position);
			drop(payload(end->ring, end->position, len), len);
			_mm_mfence();
			take(end, into);
			count++;
		}
	} else {
		/* One look at the first slot; the others of a batch are dropped and looked at together. */
		drop(&end->ring->slots[end->position % SLOTS], 8);
		_mm_mfence();
		if (!is_there(end, end->position))
			return 0;
		for (unsigned i = 1; i < BURST; i++)
			drop(&end->ring->slots[(end->position + i) % SLOTS], 8);
		_mm_mfence();
		unsigned ready = 1;
		while (ready < BURST && is_there(end, end->position + ready))
			ready++;
		for (unsigned i = 0; i < ready; i++) {
			uint32_t len = length(end, end->position + i);
			drop(payload(end->ring, end->position + i, len), len);
		}
		_mm_mfence();
		for (; count < ready; count++)
			take(end, into);
	}
	end->patience = count == BURST ? PATIENCE : 0;
	if (count && (mode >= FLUSH || count == BURST || !is_there(end, end->position)))
		tell(end, mode);
	return count;
}

static enum mode mode_of(const char *name)
{
	return !strcmp(name, "nt") ? NT : !strcmp(name, "flush") ? FLUSH : !strcmp(name, "each") ? EACH : CACHED;
}

struct order {
	char what; /* 'c'ount or 'e'cho */
	uint32_t size;
	uint32_t milliseconds;
	enum mode mode;
};

static void far_end(int orders, int answers)
{
	struct end in = { .ring = there }, out = { .ring = back };
	static uint8_t into[BUFFER];
	struct order order;
	while (read(orders, &order, sizeof order) == sizeof order) {
		double rate = 0;
		uint64_t until = nanoseconds() + (order.milliseconds + PATIENCE_MS) * 1000000;
		if (order.what == 'c') {
			struct window window = window_of(order.milliseconds);
			while (!window_took(&window, receive_frames(&in, into, order.mode)) && nanoseconds() < until)
				;
			if (window.frames)
				rate = window_rate(&window);
			/* As long as the near end sends: its last frame is one of one byte. */
			for (int end = 0; !end && nanoseconds() < until;)
				end = receive_frames(&in, into, order.mode) && length(&in, in.position - 1) == 1;
		} else {
			/* A frame of one byte is the last one. */
			for (int end = 0; !end && nanoseconds() < until;) {
				if (receive_frames(&in, into, order.mode)) {
					uint32_t len = length(&in, in.position - 1);
					while (!has_room(&out, order.mode) && nanoseconds() < until)
						;
					send_frames(&out, into, len, 1, order.mode);
					end = len == 1;
				}
			}
		}
		if (write(answers, &rate, sizeof rate) != sizeof rate)
			break;
	}
	exit(0);
}

static void near_end(int orders, int answers)
{
	struct end out = { .ring = there }, in = { .ring = back };
	static uint8_t frame[BUFFER], into[BUFFER];
	char line[128], what[8], mode[8];
	memset(frame, 0x5a, sizeof frame);
	while (fgets(line, sizeof line, stdin)) {
		unsigned size, milliseconds;
		strcpy(mode, "cached");
		if (sscanf(line, "%7s %u %u %7s", what, &size, &milliseconds, mode) < 3 || size < 2 || size > BUFFER) {
			fprintf(stderr, "not a command: %s", line);
			exit(1);
		}
		struct order order = { what[1] == 'a' ? 'c' : 'e', size, milliseconds, mode_of(mode) };
		if (write(orders, &order, sizeof order) != sizeof order)
			exit(1);
		uint64_t until = nanoseconds();
		if (order.what == 'c') {
			until += (milliseconds + WARM + MARGIN) * 1000000ull;
			while (nanoseconds() < until)
				if (has_room(&out, order.mode))
					send_frames(&out, frame, size, BURST, order.mode);
			for (until += PATIENCE_MS * 1000000ull; !has_room(&out, order.mode) && nanoseconds() < until;)
				;
			send_frames(&out, frame, 1, 1, order.mode);
		} else {
			memset(histogram, 0, sizeof histogram);
			until += milliseconds * 1000000ull;
			uint64_t limit = until + PATIENCE_MS * 1000000ull, begun = nanoseconds();
			for (unsigned number = 0; begun < until; number++) {
				while (!has_room(&out, order.mode) && nanoseconds() < limit)
					;
				send_frames(&out, frame, size, 1, order.mode);
				for (unsigned polls = 1; !receive_frames(&in, into, order.mode); polls++)
					if (!(polls % 100000) && nanoseconds() > limit)
						exit(1);
				uint64_t now = nanoseconds();
				/* The far end wakes up for the first one. */
				if (number > 100)
					histogram_add(now - begun);
				begun = now;
			}
			send_frames(&out, frame, 1, 1, order.mode);
			while (!receive_frames(&in, into, order.mode) && nanoseconds() < limit)
				;
		}
		double rate;
		if (read(answers, &rate, sizeof rate) != sizeof rate)
			exit(1);
		if (order.what == 'c')
			printf("%.0f\n", rate);
		else
			printf("%u %u\n", histogram_quantile(0.5), histogram_quantile(0.99));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int orders[2], answers[2];
	if (argc != 3 || pipe(orders) || pipe(answers)) {
		fprintf(stderr, "usage: bare NEAR_CORE FAR_CORE\n");
		return 2;
	}
	struct ring *rings = mmap(NULL, 2 * sizeof *rings, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rings == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memset(rings, 0, 2 * sizeof *rings);
	there = rings;
	back = rings + 1;
	pid_t parent = getpid(), child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			return 1;
		close(orders[1]);
		pin(atoi(argv[2]));
		far_end(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	pin(atoi(argv[1]));
	near_end(orders[1], answers[0]);
	return 0;
}
