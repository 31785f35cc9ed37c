/* The part of libfabric that the facility uses, behind functions that can be called from elsewhere: libfabric's own are
 * inline functions over tables of pointers, and its structures differ between versions.
 *
 * An endpoint here is a whole stack of its own, from the fabric to the completion queue: what is registered in one can be
 * named by nobody who talks to another. All functions return 0 or a negative number of fi_strerror(), and none of them
 * may be called for one endpoint from two threads at once. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

struct isthmus_endpoint {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	struct fid_mr *mr;
	void *descriptor;
	fi_addr_t peer;
	int wait_fd;
};

struct isthmus_event {
	/* 1: a write of a peer has arrived, with its data; 2: a write of ours is done. */
	uint32_t kind;
	uint32_t reserved;
	uint64_t data;
};

void isthmus_ofi_close(struct isthmus_endpoint *e)
{
	if (!e)
		return;
	/* From the top down: nothing may be closed that something above it still uses. */
	if (e->ep)
		fi_close(&e->ep->fid);
	if (e->mr)
		fi_close(&e->mr->fid);
	if (e->cq)
		fi_close(&e->cq->fid);
	if (e->av)
		fi_close(&e->av->fid);
	if (e->domain)
		fi_close(&e->domain->fid);
	if (e->fabric)
		fi_close(&e->fabric->fid);
	if (e->info)
		fi_freeinfo(e->info);
	free(e);
}

static int open_endpoint(struct isthmus_endpoint *e, const char *provider, const char *node, const char **what)
{
	struct fi_av_attr av = { .type = FI_AV_UNSPEC, .count = 1 };
	struct fi_cq_attr cq = { .format = FI_CQ_FORMAT_DATA, .wait_obj = FI_WAIT_FD, .size = 4096 };
	struct fi_info *hints = fi_allocinfo();
	int status;

	*what = "fi_allocinfo";
	if (!hints)
		return -FI_ENOMEM;
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_MSG | FI_RMA | FI_WRITE | FI_REMOTE_WRITE;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
	hints->domain_attr->threading = FI_THREAD_SAFE;
	hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
	/* At least the 31 bits that the facility uses. */
	hints->domain_attr->cq_data_size = 4;
	hints->fabric_attr->prov_name = strdup(provider);

	*what = "fi_getinfo";
	status = fi_getinfo(FI_VERSION(1, 17), node, NULL, FI_SOURCE, hints, &e->info);
	fi_freeinfo(hints);
	if (status)
		return status;
	*what = "fi_fabric";
	if ((status = fi_fabric(e->info->fabric_attr, &e->fabric, NULL)))
		return status;
	*what = "fi_domain";
	if ((status = fi_domain(e->fabric, e->info, &e->domain, NULL)))
		return status;
	*what = "fi_av_open";
	if ((status = fi_av_open(e->domain, &av, &e->av, NULL)))
		return status;
	*what = "fi_cq_open";
	if ((status = fi_cq_open(e->domain, &cq, &e->cq, NULL)))
		return status;
	*what = "fi_control";
	if ((status = fi_control(&e->cq->fid, FI_GETWAIT, &e->wait_fd)))
		return status;
	*what = "fi_endpoint";
	if ((status = fi_endpoint(e->domain, e->info, &e->ep, NULL)))
		return status;
	*what = "fi_ep_bind";
	if ((status = fi_ep_bind(e->ep, &e->av->fid, 0)))
		return status;
	if ((status = fi_ep_bind(e->ep, &e->cq->fid, FI_TRANSMIT | FI_RECV)))
		return status;
	*what = "fi_enable";
	return fi_enable(e->ep);
}

/* Opens an endpoint at a local address. On failure, `what` names the call that failed. */
int isthmus_ofi_open(const char *provider, const char *node, struct isthmus_endpoint **out, const char **what)
{
	struct isthmus_endpoint *e = calloc(1, sizeof(*e));
	int status;

	*what = "calloc";
	if (!e)
		return -FI_ENOMEM;
	e->wait_fd = -1;
	status = open_endpoint(e, provider, node, what);
	if (status) {
		isthmus_ofi_close(e);
		return status;
	}
	*out = e;
	return 0;
}

/* The endpoint's own address; `len` is the room, and then what was used. */
int isthmus_ofi_name(struct isthmus_endpoint *e, void *name, size_t *len)
{
	return fi_getname(&e->ep->fid, name, len);
}

/* Registers the one range of memory that the endpoint uses: as the source of writes, or as the target of a peer's. */
int isthmus_ofi_register(struct isthmus_endpoint *e, void *base, size_t len, int target, uint64_t wanted_key,
			 uint64_t *key, uint64_t *address)
{
	uint64_t access = target ? FI_REMOTE_WRITE : FI_WRITE;
	size_t key_size = e->info->domain_attr->mr_key_size;
	int mode = e->info->domain_attr->mr_mode;
	int status;

	if (key_size < sizeof(wanted_key))
		wanted_key &= ((uint64_t)1 << (8 * key_size)) - 1;
	status = fi_mr_reg(e->domain, base, len, access, 0, wanted_key, 0, &e->mr, NULL);
	if (status)
		return status;
	if (mode & FI_MR_ENDPOINT) {
		if ((status = fi_mr_bind(e->mr, &e->ep->fid, 0)))
			return status;
		if ((status = fi_mr_enable(e->mr)))
			return status;
	}
	e->descriptor = fi_mr_desc(e->mr);
	*key = fi_mr_key(e->mr);
	*address = (mode & FI_MR_VIRT_ADDR) ? (uint64_t)(uintptr_t)base : 0;
	return *key == FI_KEY_NOTAVAIL ? -FI_EOPNOTSUPP : 0;
}

/* The length of the addresses that the endpoint understands. */
size_t isthmus_ofi_address_len(struct isthmus_endpoint *e)
{
	return e->info->src_addrlen;
}

/* Names the peer that will be written to, by an address as long as the endpoint's own. */
int isthmus_ofi_connect(struct isthmus_endpoint *e, const void *address)
{
	int inserted = fi_av_insert(e->av, address, 1, &e->peer, 0, NULL);

	if (inserted == 1)
		return 0;
	return inserted < 0 ? inserted : -FI_EADDRNOTAVAIL;
}

/* Begins a write from the registered memory, which must hold still until the peer has it. */
int isthmus_ofi_write(struct isthmus_endpoint *e, const void *from, size_t len, uint64_t data, uint64_t address,
		      uint64_t key)
{
	return (int)fi_writedata(e->ep, from, len, e->descriptor, data, e->peer, address, key, NULL);
}

/* Makes progress, and returns how many events there were; on failure of a transfer, a negative number. */
int isthmus_ofi_poll(struct isthmus_endpoint *e, struct isthmus_event *events, size_t room)
{
	struct fi_cq_data_entry entries[64];
	struct fi_cq_err_entry error;
	ssize_t count, i;

	if (room > 64)
		room = 64;
	count = fi_cq_read(e->cq, entries, room);
	if (count == -FI_EAGAIN)
		return 0;
	if (count == -FI_EAVAIL) {
		memset(&error, 0, sizeof(error));
		if (fi_cq_readerr(e->cq, &error, 0) < 0 || error.err == 0)
			return -FI_EIO;
		return -error.err;
	}
	for (i = 0; i < count; i++) {
		int arrived = (entries[i].flags & FI_REMOTE_CQ_DATA) != 0;

		events[i].kind = arrived ? 1 : 2;
		events[i].reserved = 0;
		events[i].data = arrived ? entries[i].data : 0;
	}
	return (int)count;
}

/* A descriptor that is readable when there may be something to do, after isthmus_ofi_may_wait() has agreed. */
int isthmus_ofi_wait_fd(struct isthmus_endpoint *e)
{
	return e->wait_fd;
}

/* 0 if one may wait for the descriptor; otherwise there is something to do already. */
int isthmus_ofi_may_wait(struct isthmus_endpoint *e)
{
	struct fid *fids[1] = { &e->cq->fid };

	return fi_trywait(e->fabric, fids, 1);
}

const char *isthmus_ofi_error(int number)
{
	return fi_strerror(number);
}
