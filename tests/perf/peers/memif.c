/* DPDK's net_memif between two processes, by the shortest loops that its interface allows.
 *
 * memif NEAR_CORE FAR_CORE SOCKET [huge]; see pair.h for the commands. With "huge" the buffers of both ends lie in huge
 * pages. The far end is this program again, as the memif server. */
#include "pair.h"

#include <signal.h>
#include <sys/prctl.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define DESCRIPTORS 1024
/* Frames of the protocol are told from each other by their length; memif pads nothing. */
#define LAST 16

struct order {
	char what; /* 'c'ount or 'e'cho */
	uint32_t milliseconds;
};

static struct rte_mempool *pool;

static void fail(const char *what, int code)
{
	fprintf(stderr, "memif: %s: %d\n", what, code);
	exit(1);
}

/* Starts DPDK with one memif port, and waits for the other end. */
static void start(const char *role, const char *core, const char *socket, int huge)
{
	char lcores[32], device[256];
	snprintf(lcores, sizeof lcores, "0@%s", core);
	snprintf(device, sizeof device, "net_memif0,role=%s,id=0,socket=%s,socket-abstract=no,bsize=2048,rsize=10", role,
		 socket);
	char *arguments[16] = { "memif",       "--lcores", lcores,   "--no-pci", "--no-telemetry", "--no-shconf",
				"--log-level", "error",    "--vdev", device,     "-m",		   "128" };
	int count = 12;
	arguments[count++] = huge ? "--in-memory" : "--no-huge";
	arguments[count++] = huge ? "--single-file-segments" : "--file-prefix";
	if (!huge)
		arguments[count++] = (char *)role;
	int code = rte_eal_init(count, arguments);
	if (code < 0)
		fail("rte_eal_init", code);
	pool = rte_pktmbuf_pool_create("frames", 8192, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		fail("rte_pktmbuf_pool_create", 0);
	struct rte_eth_conf configuration = { 0 };
	if ((code = rte_eth_dev_configure(0, 1, 1, &configuration)) ||
	    (code = rte_eth_rx_queue_setup(0, 0, DESCRIPTORS, 0, NULL, pool)) ||
	    (code = rte_eth_tx_queue_setup(0, 0, DESCRIPTORS, 0, NULL)) || (code = rte_eth_dev_start(0)))
		fail("the port", code);
	struct rte_eth_link link = { 0 };
	for (uint64_t limit = nanoseconds() + 20000000000ull; !link.link_status;) {
		usleep(1000);
		rte_eth_link_get_nowait(0, &link);
		if (nanoseconds() > limit)
			fail("no link", 0);
	}
}

/* Sends `count` frames if there is room; how many it took. */
static unsigned send_frames(uint16_t len, unsigned count)
{
	struct rte_mbuf *frames[BURST];
	if (rte_pktmbuf_alloc_bulk(pool, frames, count))
		return 0;
	for (unsigned i = 0; i < count; i++)
		frames[i]->data_len = frames[i]->pkt_len = len;
	unsigned sent = rte_eth_tx_burst(0, 0, frames, count);
	if (sent < count)
		rte_pktmbuf_free_bulk(frames + sent, count - sent);
	return sent;
}

/* At most a burst; the length of the last one in `len`. */
static unsigned receive_frames(uint16_t *len)
{
	struct rte_mbuf *frames[BURST];
	unsigned count = rte_eth_rx_burst(0, 0, frames, BURST);
	if (count) {
		*len = frames[count - 1]->pkt_len;
		rte_pktmbuf_free_bulk(frames, count);
	}
	return count;
}

static void send_one(uint16_t len, uint64_t limit)
{
	for (unsigned tries = 1; !send_frames(len, 1); tries++)
		if (!(tries % 1024) && nanoseconds() > limit)
			fail("no room for a frame", 0);
}

static void far_end(int orders, int answers)
{
	struct order order;
	uint16_t len = 0;
	while (read(orders, &order, sizeof order) == sizeof order) {
		double rate = 0;
		uint64_t until = nanoseconds() + (order.milliseconds + PATIENCE_MS) * 1000000;
		if (order.what == 'c') {
			struct window window = window_of(order.milliseconds);
			while (!window_took(&window, receive_frames(&len)) && nanoseconds() < until)
				;
			if (window.frames)
				rate = window_rate(&window);
			for (int end = 0; !end && nanoseconds() < until;)
				end = receive_frames(&len) && len == LAST;
		} else {
			for (int end = 0; !end && nanoseconds() < until;) {
				if (receive_frames(&len)) {
					send_one(len, until);
					end = len == LAST;
				}
			}
		}
		if (write(answers, &rate, sizeof rate) != sizeof rate)
			break;
	}
}

static void near_end(int orders, int answers)
{
	char line[128], what[8];
	while (fgets(line, sizeof line, stdin)) {
		unsigned size, milliseconds;
		uint16_t len;
		if (sscanf(line, "%7s %u %u", what, &size, &milliseconds) < 3 || size <= LAST || size > 2000)
			fail("not a command", 0);
		struct order order = { what[1] == 'a' ? 'c' : 'e', milliseconds };
		if (write(orders, &order, sizeof order) != sizeof order)
			fail("the far end is gone", 0);
		uint64_t until = nanoseconds();
		if (order.what == 'c') {
			until += (milliseconds + WARM + MARGIN) * 1000000ull;
			while (nanoseconds() < until)
				send_frames(size, BURST);
			send_one(LAST, until + PATIENCE_MS * 1000000ull);
		} else {
			memset(histogram, 0, sizeof histogram);
			until += milliseconds * 1000000ull;
			uint64_t limit = until + PATIENCE_MS * 1000000ull, begun = nanoseconds();
			for (unsigned number = 0; begun < until; number++) {
				send_one(size, limit);
				for (unsigned polls = 1; !receive_frames(&len); polls++)
					if (!(polls % 100000) && nanoseconds() > limit)
						fail("no answer", 0);
				uint64_t now = nanoseconds();
				/* The far end wakes up for the first one. */
				if (number > 100)
					histogram_add(now - begun);
				begun = now;
			}
			send_one(LAST, limit);
			while (!receive_frames(&len) && nanoseconds() < limit)
				;
		}
		double rate;
		if (read(answers, &rate, sizeof rate) != sizeof rate)
			fail("the far end is gone", 0);
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
	if (argc < 4 || pipe(orders) || pipe(answers)) {
		fprintf(stderr, "usage: memif NEAR_CORE FAR_CORE SOCKET [huge]\n");
		return 2;
	}
	int huge = argc > 4 && !strcmp(argv[4], "huge");
	pid_t parent = getpid(), child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	/* DPDK starts after the fork: each end is a process of its own to it. */
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			return 1;
		close(orders[1]);
		unlink(argv[3]);
		start("server", argv[2], argv[3], huge);
		far_end(orders[0], answers[1]);
		unlink(argv[3]);
		_exit(0);
	}
	close(orders[0]);
	close(answers[1]);
	usleep(100000);
	start("client", argv[1], argv[3], huge);
	near_end(orders[1], answers[0]);
	return 0;
}
