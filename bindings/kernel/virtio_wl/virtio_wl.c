// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio_wl: /dev/wl0, through which programs of a guest reach the servers
 * that the host offers it.
 *
 * A virtual file descriptor (vfd) stands for something of the host: a socket
 * (a "context"), a pipe, or memory. We make some by asking the device, the
 * device makes others and sends them along a context. Each has an id; a file
 * of ours stands for it in user space.
 *
 * Out queue: one request and one answer each, in struct wl_request, which
 * belongs to its waiter and to the queue together, so that a killed waiter
 * need not wait for the device. Answers are taken in the interrupt; those
 * that end a vfd go on to wl_reap(), which may sleep. A blocking sender waits for
 * the answer, and gets the device's error at once; with O_NONBLOCK, where nothing
 * may wait for a slow server, a few transactions of a vfd may be under way, and an
 * error is told at the next one.
 *
 * In queue: wl_in_work() copies each message out, checks it, and appends it to
 * its vfd. The messages of a vfd whose reader is slow stay in the device's buffers
 * instead, which the device gets back as they are read: a good device counts them
 * and stops reading for that vfd alone.
 *
 * A vfd lives until its last reference is put (its file, or the message that
 * it came in), then CLOSE goes to the device, and only the answer frees its id.
 * That is wl_reap()'s work, too, one after the other: vfds can lie unread in
 * messages of vfds that lie unread, to any depth.
 *
 * Memory is mapped page by page as it is touched, from the device's shared memory
 * region, write-back cached: the kernel's own mapping of the region, which nothing
 * here reads, is what makes x86 choose that. All mappings share one address space,
 * so that those of a device that is gone can be taken away: users get SIGBUS then,
 * not another device's memory.
 *
 * Nothing that the device sends is trusted: ids, lengths and counts are checked
 * against the bytes that came, and memory may lie in the region only (or, in
 * the old form with absolute pfns, not in RAM).
 */

#include <linux/anon_inodes.h>
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/reboot.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <uapi/linux/dma-buf.h>

#include "wire.h"

/* Most wl devices of one guest; each is a minor number. */
#define WL_DEVICES_MAX 8
/* Most vfds that the guest makes: the ids 1 to 2047 of the ABI. */
#define WL_GUEST_IDS_END 2048
/*
 * Most vfds that the device may have announced and not yet sent: many messages'
 * worth, and small enough that a device which never sends them costs little.
 */
#define WL_UNCLAIMED_MAX 4096
/* Unread bytes of a vfd over which its messages stay in the device's buffers. */
#define WL_VFD_QUEUED_MAX (256 << 10)
/* Unread bytes of all vfds of a device over which nothing is taken any more: what bounds our memory. */
#define WL_QUEUED_MAX (16 << 20)
/* Most data in one transaction; what crosses is copied in one piece. */
#define WL_SEND_MAX (1 << 20)
/* Most data of one write(2), which may be short. */
#define WL_WRITE_MAX (64 << 10)
/* Transactions of one vfd that nobody waits for. */
#define WL_SENDS_MAX 16
/* Pages mapped at one fault: 256 KiB, aligned. */
#define WL_FAULT_PAGES 64
/* How long to wait for each answer before a reset, in jiffies: a device that lives needs a thousandth of it. */
#define WL_RESET_PATIENCE (2 * HZ)
/* Messages taken before others may use the worker. */
#define WL_IN_BATCH 256

struct wl_device {
	struct device dev;
	struct cdev cdev;
	struct virtio_device *vdev;	/* not to be used once gone */
	int minor;
	struct notifier_block reboot;
	struct inode *inode;		/* whose mapping every vfd's file has */
	bool use_shmem;
	struct virtio_shm_region region;
	void *region_map;
	struct rw_semaphore map_sem;	/* faults against forgetting */

	spinlock_t out_lock;		/* out and all down to out_wait */
	struct virtqueue *out;
	bool gone;
	bool starved;			/* somebody found no room in out */
	struct list_head backlog;	/* closes that found no room */
	struct list_head answered;	/* requests for wl_reap() */
	struct list_head dying;		/* vfds for wl_reap() */
	struct list_head flying;	/* requests in the queue */
	wait_queue_head_t out_wait;	/* room, or gone, or ids_freed */
	struct work_struct reap_work;

	struct virtqueue *in;		/* in_work's own, from probe to remove */
	struct llist_head read_buffers;	/* that go back to it */
	struct work_struct in_work;
	atomic_long_t queued;		/* bytes that wait for readers */
	atomic_t in_stalled;

	struct mutex vfds_lock;		/* vfds and unclaimed */
	struct idr vfds;
	unsigned int unclaimed;
	atomic_t closing;		/* vfds on their way out */
	atomic_t ids_freed;		/* counts */
};

struct wl_vfd {
	struct kref ref;
	struct list_head link;		/* in wl->dying */
	struct wl_device *wl;
	u32 id;
	u32 flags;
	bool known;			/* the device knows the id: CLOSE is due */
	bool unclaimed;			/* announced, and not yet sent to us */
	bool memory;
	u64 phys;
	u64 size;			/* whole pages */
	void *map;			/* without a region: the kernel's mapping */
	struct wl_request *close;	/* made beforehand: closing cannot fail */

	struct mutex read_lock;		/* taking messages */
	spinlock_t in_lock;		/* the list itself, hup and lost */
	struct list_head in_queue;
	size_t queued;			/* bytes in it */
	bool hup;
	bool lost;			/* the device has forgotten it */
	bool closed_early;		/* closed at the device before its reset */
	wait_queue_head_t in_wait;	/* for reading; and for sends to end */

	unsigned int sends;		/* under way with nobody waiting; under out_lock */
	int send_error;			/* of one of them; under out_lock */
};

/* A received transaction, with a reference to each of its vfds. */
struct wl_message {
	struct list_head link;
	size_t charge;			/* what it counts in wl->queued */
	unsigned int fd_count;
	unsigned int fds_taken;
	u32 length;
	u32 taken;
	u8 *data;			/* behind fds, or in buffer */
	struct llist_node *buffer;	/* of the in queue, or NULL */
	struct wl_vfd *fds[];
};

struct wl_request {
	struct kref ref;		/* the waiter and the queue */
	struct wl_device *wl;
	struct list_head link;
	struct completion done;
	int error;
	unsigned int written;		/* bytes of the answer */
	struct wl_vfd *vfd;		/* NEW, CLOSE: whom wl_reap() looks after */
	bool closes;
	bool abandoned;			/* NEW: the waiter was killed */
	struct wl_vfd *sender;		/* SEND that nobody waits for, with a reference */
	unsigned int file_count;	/* SEND: whose ids are in it */
	struct file **files;
	unsigned int answer_size;
	size_t length;
	union {
		struct wl_header header;
		struct wl_new created;
	} answer __aligned(ARCH_KMALLOC_MINALIGN);
	u8 body[] __aligned(ARCH_KMALLOC_MINALIGN);
};

static dev_t wl_dev_base;
static DEFINE_IDA(wl_minors);
static struct vfsmount *wl_mount;
static struct class *wl_class;
static struct workqueue_struct *wl_workers;

static const struct file_operations wl_vfd_fops;

static int wl_answer_error(u32 type)
{
	switch (type) {
	case WL_RESP_OK:
	case WL_RESP_VFD_NEW:
	case WL_RESP_VFD_NEW_DMABUF:
		return 0;
	case WL_RESP_ERR:
		return -ENODEV;
	case WL_RESP_OUT_OF_MEMORY:
		return -ENOMEM;
	case WL_RESP_INVALID_ID:
		return -ENOENT;
	case WL_RESP_INVALID_TYPE:
		return -EINVAL;
	case WL_RESP_INVALID_FLAGS:
		return -EPERM;
	case WL_RESP_INVALID_CMD:
		return -ENOTTY;
	default:
		return -EPROTO;
	}
}

/* Queues the work with a reference to the device, which the work puts as the last thing it does. */
static void wl_schedule(struct wl_device *wl, struct work_struct *work)
{
	get_device(&wl->dev);
	if (!queue_work(wl_workers, work))
		put_device(&wl->dev);
}

static void wl_cancel(struct wl_device *wl, struct work_struct *work)
{
	if (cancel_work_sync(work))
		put_device(&wl->dev);
}

/* Requests */

static struct wl_request *wl_request_new(struct wl_device *wl, size_t length, unsigned int answer_size)
{
	struct wl_request *req;

	req = kzalloc(struct_size(req, body, length), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!req)
		return NULL;
	kref_init(&req->ref);
	req->wl = wl;
	INIT_LIST_HEAD(&req->link);
	init_completion(&req->done);
	req->length = length;
	req->answer_size = answer_size;
	return req;
}

static void wl_request_free(struct kref *ref)
{
	struct wl_request *req = container_of(ref, struct wl_request, ref);

	while (req->file_count)
		fput(req->files[--req->file_count]);
	kfree(req->files);
	kfree(req);
}

static void wl_request_put(struct wl_request *req)
{
	kref_put(&req->ref, wl_request_free);
}

/* The queue's part in the request ends. Under out_lock. */
static void wl_request_answered(struct wl_request *req, unsigned int written, int error)
{
	struct wl_device *wl = req->wl;

	list_del_init(&req->link);
	req->written = min(written, req->answer_size);
	if (!error && req->written < sizeof(req->answer.header))
		error = -EPROTO;
	if (!error)
		error = wl_answer_error(le32_to_cpu(req->answer.header.type));
	req->error = error;
	if (req->vfd && !req->closes)
		req->vfd->known = !error;
	if (req->sender) {
		req->sender->sends--;
		if (error)
			req->sender->send_error = error;
		wake_up_all(&req->sender->in_wait);
	}
	if (req->closes || req->abandoned || req->sender) {
		list_add_tail(&req->link, &wl->answered);
		wl_schedule(wl, &wl->reap_work);
	} else {
		complete(&req->done);
		wl_request_put(req);
	}
}

/* Under out_lock. -ENOSPC: no room; anything else but 0: not queued, and never will be. */
static int wl_request_add(struct wl_device *wl, struct wl_request *req)
{
	struct scatterlist out, in, *sgs[] = { &out, &in };
	int ret;

	if (wl->gone)
		return -ENODEV;
	sg_init_one(&out, req->body, req->length);
	sg_init_one(&in, &req->answer, req->answer_size);
	ret = virtqueue_add_sgs(wl->out, sgs, 1, 1, req, GFP_ATOMIC);
	if (!ret) {
		list_add_tail(&req->link, &wl->flying);
	} else if (ret == -ENOSPC) {
		wl->starved = true;
	} else if (ret == -ENOMEM) {
		/* No memory for an indirect table just now. Something in the queue will wake us. */
		if (wl->out->num_free < virtqueue_get_vring_size(wl->out)) {
			wl->starved = true;
			ret = -ENOSPC;
		}
	} else {
		ret = -ENODEV;
	}
	return ret;
}

static int wl_request_try(struct wl_device *wl, struct wl_request *req)
{
	unsigned long flags;
	bool notify = false;
	int ret;

	spin_lock_irqsave(&wl->out_lock, flags);
	/* Closes that wait go first: they free ids and memory. */
	ret = list_empty(&wl->backlog) || wl->gone ? wl_request_add(wl, req) : -ENOSPC;
	if (ret == -ENOSPC)
		wl->starved = true;
	if (!ret) {
		kref_get(&req->ref);
		notify = virtqueue_kick_prepare(wl->out);
		/* A device may not be removed under our notification. */
		if (notify)
			virtqueue_notify(wl->out);
	}
	spin_unlock_irqrestore(&wl->out_lock, flags);
	return ret;
}

/* Queues the request. Waits for room, unless nonblock; a signal ends the waiting, and nothing has happened then. */
static int wl_request_queue(struct wl_device *wl, struct wl_request *req, bool nonblock)
{
	int ret = wl_request_try(wl, req);

	if (ret == -ENOSPC && nonblock)
		return -EAGAIN;
	if (ret == -ENOSPC &&
	    wait_event_interruptible(wl->out_wait, (ret = wl_request_try(wl, req)) != -ENOSPC))
		return -ERESTARTSYS;
	return ret;
}

/*
 * Waits for the answer. What was queued cannot be taken back, and doing it again
 * would do it twice, so only a deadly signal ends this wait early.
 */
static int wl_request_wait(struct wl_device *wl, struct wl_request *req)
{
	unsigned long flags;

	if (!wait_for_completion_killable(&req->done))
		return req->error;
	spin_lock_irqsave(&wl->out_lock, flags);
	if (completion_done(&req->done)) {
		spin_unlock_irqrestore(&wl->out_lock, flags);
		return req->error;
	}
	req->abandoned = req->vfd;
	spin_unlock_irqrestore(&wl->out_lock, flags);
	return -EINTR;
}

static void wl_out_done(struct virtqueue *vq)
{
	struct wl_device *wl = vq->vdev->priv;
	struct wl_request *req, *next;
	unsigned long flags;
	unsigned int written;
	bool wake, kick = false;

	spin_lock_irqsave(&wl->out_lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &written)))
			wl_request_answered(req, written, 0);
	} while (!virtqueue_enable_cb(vq) && !virtqueue_is_broken(vq));
	list_for_each_entry_safe(req, next, &wl->backlog, link) {
		list_del_init(&req->link);
		if (wl_request_add(wl, req)) {
			list_add(&req->link, &wl->backlog);
			break;
		}
		kick = true;
	}
	if (kick)
		virtqueue_kick(vq);
	wake = wl->starved;
	wl->starved = false;
	spin_unlock_irqrestore(&wl->out_lock, flags);
	if (wake)
		wake_up_all(&wl->out_wait);
}

/* Vfds */

static void wl_vfd_put(struct wl_vfd *vfd);

static void wl_message_free(struct wl_device *wl, struct wl_message *message)
{
	unsigned int i;

	for (i = message->fds_taken; i < message->fd_count; i++)
		wl_vfd_put(message->fds[i]);
	atomic_long_sub(message->charge, &wl->queued);
	if (message->buffer) {
		llist_add(message->buffer, &wl->read_buffers);
		wl_schedule(wl, &wl->in_work);
	}
	kfree(message);
}

/* After readers made room. */
static void wl_in_resume(struct wl_device *wl)
{
	if (atomic_read(&wl->in_stalled) && atomic_long_read(&wl->queued) < WL_QUEUED_MAX / 2 &&
	    atomic_cmpxchg(&wl->in_stalled, 1, 0) == 1)
		wl_schedule(wl, &wl->in_work);
}

static struct wl_vfd *wl_vfd_new(struct wl_device *wl)
{
	struct wl_vfd *vfd = kzalloc(sizeof(*vfd), GFP_KERNEL_ACCOUNT);

	if (!vfd)
		return NULL;
	vfd->close = wl_request_new(wl, sizeof(struct wl_id_message), sizeof(struct wl_header));
	if (!vfd->close) {
		kfree(vfd);
		return NULL;
	}
	kref_init(&vfd->ref);
	vfd->wl = wl;
	mutex_init(&vfd->read_lock);
	spin_lock_init(&vfd->in_lock);
	INIT_LIST_HEAD(&vfd->in_queue);
	init_waitqueue_head(&vfd->in_wait);
	get_device(&wl->dev);
	return vfd;
}

/* The vfd is no more, and its id is free again; a lost one has none. */
static void wl_vfd_free(struct wl_vfd *vfd)
{
	struct wl_device *wl = vfd->wl;

	mutex_lock(&wl->vfds_lock);
	if (vfd->id && !vfd->lost)
		idr_remove(&wl->vfds, vfd->id);
	mutex_unlock(&wl->vfds_lock);
	atomic_inc(&wl->ids_freed);
	atomic_dec(&wl->closing);
	wake_up_all(&wl->out_wait);
	complete_all(&vfd->close->done);
	if (vfd->map)
		memunmap(vfd->map);
	wl_request_put(vfd->close);
	kfree(vfd);
	put_device(&wl->dev);
}

static void wl_vfd_last_put(struct kref *ref)
{
	struct wl_vfd *vfd = container_of(ref, struct wl_vfd, ref);
	struct wl_device *wl = vfd->wl;
	unsigned long flags;

	atomic_inc(&wl->closing);
	spin_lock_irqsave(&wl->out_lock, flags);
	list_add_tail(&vfd->link, &wl->dying);
	wl_schedule(wl, &wl->reap_work);
	spin_unlock_irqrestore(&wl->out_lock, flags);
}

static void wl_vfd_put(struct wl_vfd *vfd)
{
	kref_put(&vfd->ref, wl_vfd_last_put);
}

/* Tells the device that the vfd is closed, or, where it does not know it, ends it at once. */
static void wl_vfd_close(struct wl_vfd *vfd)
{
	struct wl_device *wl = vfd->wl;
	struct wl_request *req = vfd->close;
	struct wl_id_message *body = (struct wl_id_message *)req->body;
	struct wl_message *unread, *next;
	int ret;

	/* Nobody appends: wl_vfd_find() finds no reference to take. */
	list_for_each_entry_safe(unread, next, &vfd->in_queue, link)
		wl_message_free(wl, unread);
	wl_in_resume(wl);

	if (!vfd->known) {
		wl_vfd_free(vfd);
		return;
	}
	body->header.type = cpu_to_le32(WL_CMD_CLOSE);
	body->id = cpu_to_le32(vfd->id);
	req->vfd = vfd;
	req->closes = true;
	kref_get(&req->ref);

	spin_lock_irq(&wl->out_lock);
	ret = list_empty(&wl->backlog) || wl->gone ? wl_request_add(wl, req) : -ENOSPC;
	if (!ret) {
		virtqueue_kick(wl->out);
	} else if (ret == -ENOSPC) {
		wl->starved = true;
		list_add_tail(&req->link, &wl->backlog);
	} else {
		/* Nobody is there to tell. */
		wl_request_answered(req, 0, ret);
	}
	spin_unlock_irq(&wl->out_lock);
}

/* Ends vfds: those let go, those whose CLOSE was answered, those made for somebody who was killed meanwhile. */
static void wl_reap(struct work_struct *work)
{
	struct wl_device *wl = container_of(work, struct wl_device, reap_work);
	struct wl_request *req;
	struct wl_vfd *vfd;

	do {
		spin_lock_irq(&wl->out_lock);
		req = list_first_entry_or_null(&wl->answered, struct wl_request, link);
		if (req)
			list_del_init(&req->link);
		vfd = list_first_entry_or_null(&wl->dying, struct wl_vfd, link);
		if (vfd)
			list_del_init(&vfd->link);
		spin_unlock_irq(&wl->out_lock);

		if (vfd)
			wl_vfd_close(vfd);
		if (req) {
			if (req->closes)
				wl_vfd_free(req->vfd);
			else
				wl_vfd_put(req->sender ? req->sender : req->vfd);
			wl_request_put(req);
		}
		cond_resched();
	} while (req || vfd);
	put_device(&wl->dev);
}

/* Memory that the device says is there: only what may be mapped is taken over into the vfd. */
static int wl_vfd_set_memory(struct wl_vfd *vfd, u64 pfn, u32 size)
{
	struct wl_device *wl = vfd->wl;
	u64 whole = PAGE_ALIGN((u64)size);
	u64 start;

	if (pfn >> (64 - WL_PFN_SHIFT))
		return -EPROTO;
	start = pfn << WL_PFN_SHIFT;
	if (!size || !PAGE_ALIGNED(start))
		return -EPROTO;
	if (wl->use_shmem) {
		if (start > wl->region.len || whole > wl->region.len - start)
			return -EPROTO;
		start += wl->region.addr;
	} else {
		if (start + whole < start || pfn_valid(PHYS_PFN(start)) || pfn_valid(PHYS_PFN(start + whole - 1)) ||
		    region_intersects(start, whole, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) != REGION_DISJOINT)
			return -EPROTO;
		vfd->map = memremap(start, whole, MEMREMAP_WB);
		if (!vfd->map)
			return -ENOMEM;
	}
	vfd->phys = start;
	vfd->size = whole;
	vfd->memory = true;
	return 0;
}

static bool wl_pfn_is_memory(struct wl_device *wl, u64 pfn, u32 size)
{
	return size && (wl->use_shmem ? pfn != WL_PFN_NONE : pfn != 0);
}

/* Access mode of the vfd's file. */
static int wl_vfd_file_flags(const struct wl_vfd *vfd)
{
	u32 both = vfd->flags & (WL_VFD_READ | WL_VFD_WRITE);

	/* crosvm gives memory no flags at all, and memory cannot be write-only. */
	if (vfd->memory)
		return both == WL_VFD_READ ? O_RDONLY : O_RDWR;
	if (both == WL_VFD_READ)
		return O_RDONLY;
	if (both == WL_VFD_WRITE)
		return O_WRONLY;
	return O_RDWR;
}

/* Messages of the device */

static void wl_in_new(struct wl_device *wl, const struct wl_new *new, unsigned int length)
{
	struct wl_vfd *vfd;
	u32 id, size;
	u64 pfn;
	int ret;

	if (length < WL_NEW_MIN) {
		dev_warn_ratelimited(&wl->dev, "a new vfd in %u bytes\n", length);
		return;
	}
	id = le32_to_cpu(new->id);
	size = le32_to_cpu(new->size);
	pfn = le64_to_cpu(new->pfn);
	if (!(id & WL_ID_HOST) || (id & WL_ID_SIGN)) {
		dev_warn_ratelimited(&wl->dev, "a new vfd with the id %#x, which is not the device's to give\n", id);
		return;
	}
	vfd = wl_vfd_new(wl);
	if (!vfd)
		return;
	vfd->flags = le32_to_cpu(new->flags);
	ret = 0;
	if (wl_pfn_is_memory(wl, pfn, size))
		ret = wl_vfd_set_memory(vfd, pfn, size);
	if (ret) {
		dev_warn_ratelimited(&wl->dev, "a new vfd with %u bytes of memory at %#llx, where none may be\n",
				     size, pfn);
		wl_vfd_put(vfd);
		return;
	}

	mutex_lock(&wl->vfds_lock);
	ret = -ENOSPC;
	if (wl->unclaimed < WL_UNCLAIMED_MAX)
		ret = idr_alloc(&wl->vfds, vfd, id, id + 1, GFP_KERNEL);
	if (ret >= 0) {
		vfd->id = id;
		vfd->known = true;
		vfd->unclaimed = true;
		wl->unclaimed++;
	}
	mutex_unlock(&wl->vfds_lock);
	if (ret < 0) {
		dev_warn_ratelimited(&wl->dev, "a new vfd with the id %#x, which is taken, or one too many\n", id);
		wl_vfd_put(vfd);
	}
}

/* The vfd with this id, with a reference, unless it is being closed. Under vfds_lock. */
static struct wl_vfd *wl_vfd_find(struct wl_device *wl, u32 id)
{
	struct wl_vfd *vfd = idr_find(&wl->vfds, id);

	return vfd && kref_get_unless_zero(&vfd->ref) ? vfd : NULL;
}

/* A message with room for so many vfds, whose data is a copy, or lies in the buffer where keep says so. */
static struct wl_message *wl_message_new(struct wl_device *wl, u32 count, const void *data, u32 length, void *keep)
{
	size_t size = struct_size((struct wl_message *)NULL, fds, count) + (keep ? 0 : length);
	struct wl_message *message = kmalloc(size, GFP_KERNEL);

	if (!message)
		return NULL;
	message->charge = size;
	message->fd_count = 0;
	message->fds_taken = 0;
	message->length = length;
	message->taken = 0;
	message->buffer = keep;
	message->data = (u8 *)data;
	if (!keep) {
		message->data = (u8 *)&message->fds[count];
		memcpy(message->data, data, length);
	}
	atomic_long_add(size, &wl->queued);
	return message;
}

/* True: the buffer is a message's now. */
static bool wl_in_recv(struct wl_device *wl, struct wl_transaction *recv, unsigned int length)
{
	const __le32 *ids = (const __le32 *)recv->body;
	struct wl_message *message;
	struct wl_vfd *vfd, *came;
	u32 count, i, id;
	bool wanted = false;
	void *keep = NULL;

	if (length < sizeof(*recv)) {
		dev_warn_ratelimited(&wl->dev, "a transaction of %u bytes\n", length);
		return false;
	}
	length -= sizeof(*recv);
	count = le32_to_cpu(recv->vfd_count);
	if (count > length / sizeof(*ids)) {
		dev_warn_ratelimited(&wl->dev, "a transaction with %u vfds in %u bytes\n", count, length);
		return false;
	}
	length -= count * sizeof(*ids);
	if (!count && !length)
		return false;

	mutex_lock(&wl->vfds_lock);
	vfd = wl_vfd_find(wl, le32_to_cpu(recv->id));
	if (vfd && length && READ_ONCE(vfd->queued) >= WL_VFD_QUEUED_MAX)
		keep = recv;
	message = wl_message_new(wl, count, ids + count, length, keep);
	for (i = 0; i < count && message; i++) {
		id = le32_to_cpu(ids[i]);
		came = idr_find(&wl->vfds, id);
		if (!came || !came->unclaimed) {
			dev_warn_ratelimited(&wl->dev, "a transaction with the vfd %#x, which it cannot give\n", id);
			continue;
		}
		/* The reference that it was announced with is the message's now. */
		came->unclaimed = false;
		wl->unclaimed--;
		message->fds[message->fd_count++] = came;
	}
	mutex_unlock(&wl->vfds_lock);

	/* A stream with a gap is worse than one that ends. */
	if (!message)
		dev_warn_ratelimited(&wl->dev, "no memory for a message: its context ends here\n");
	if (vfd) {
		spin_lock(&vfd->in_lock);
		/* Nothing comes after the end, and nobody reads from memory or from a pipe's writing end. */
		wanted = message && !vfd->hup && !vfd->memory && wl_vfd_file_flags(vfd) != O_WRONLY;
		if (wanted) {
			list_add_tail(&message->link, &vfd->in_queue);
			vfd->queued += length;
		}
		if (!message)
			vfd->hup = true;
		spin_unlock(&vfd->in_lock);
		wake_up_interruptible_all(&vfd->in_wait);
		wl_vfd_put(vfd);
	}
	if (wanted)
		return keep;
	/* It is for somebody who closed the vfd while it was on its way, or for nobody. */
	if (message) {
		message->buffer = NULL;
		wl_message_free(wl, message);
	}
	return false;
}

/*
 * The device has forgotten all vfds: it was started anew. It says so with the
 * HUP of id 0, an id that nothing has; a device that never says it loses nothing.
 */
static void wl_forget_all(struct wl_device *wl)
{
	struct wl_vfd *vfd;
	int id;

	mutex_lock(&wl->vfds_lock);
	idr_for_each_entry(&wl->vfds, vfd, id) {
		bool unclaimed = vfd->unclaimed;

		/* Not those that the device is being asked for just now, and those whose CLOSE is under way. */
		if (!READ_ONCE(vfd->known) || (!unclaimed && !kref_get_unless_zero(&vfd->ref)))
			continue;
		idr_remove(&wl->vfds, id);
		vfd->unclaimed = false;
		spin_lock(&vfd->in_lock);
		vfd->known = false;
		vfd->lost = true;
		vfd->hup = true;
		spin_unlock(&vfd->in_lock);
		wake_up_all(&vfd->in_wait);
		wl_vfd_put(vfd);
	}
	wl->unclaimed = 0;
	mutex_unlock(&wl->vfds_lock);
	/* Faults that did not see this end; those that come see it. */
	down_write(&wl->map_sem);
	up_write(&wl->map_sem);
	unmap_mapping_range(wl->inode->i_mapping, 0, 0, 1);
}

static void wl_in_hup(struct wl_device *wl, const struct wl_id_message *hup, unsigned int length)
{
	struct wl_vfd *vfd;

	if (length < sizeof(*hup)) {
		dev_warn_ratelimited(&wl->dev, "a hang-up in %u bytes\n", length);
		return;
	}
	if (!hup->id) {
		wl_forget_all(wl);
		return;
	}
	mutex_lock(&wl->vfds_lock);
	vfd = wl_vfd_find(wl, le32_to_cpu(hup->id));
	mutex_unlock(&wl->vfds_lock);
	if (!vfd)
		return;
	spin_lock(&vfd->in_lock);
	vfd->hup = true;
	spin_unlock(&vfd->in_lock);
	wake_up_interruptible_all(&vfd->in_wait);
	wl_vfd_put(vfd);
}

static int wl_in_add(struct wl_device *wl, void *buffer)
{
	struct scatterlist sg;

	sg_init_one(&sg, buffer, WL_BUFFER_SIZE);
	return virtqueue_add_inbuf(wl->in, &sg, 1, buffer, GFP_KERNEL);
}

/* True: the buffer is not the queue's any more. */
static bool wl_in_message(struct wl_device *wl, void *buffer, unsigned int length)
{
	const struct wl_header *header = buffer;

	if (length < sizeof(*header)) {
		dev_warn_ratelimited(&wl->dev, "a message of %u bytes\n", length);
		return false;
	}
	switch (le32_to_cpu(header->type)) {
	case WL_CMD_NEW:
	case WL_CMD_NEW_DMABUF:
		wl_in_new(wl, buffer, length);
		break;
	case WL_CMD_RECV:
		return wl_in_recv(wl, buffer, length);
	case WL_CMD_HUP:
		wl_in_hup(wl, buffer, length);
		break;
	default:
		dev_warn_ratelimited(&wl->dev, "a message of the unknown type %#x\n", le32_to_cpu(header->type));
	}
	return false;
}

/* Alone touches the in queue, from probe to remove. */
static void wl_in_work(struct work_struct *work)
{
	struct wl_device *wl = container_of(work, struct wl_device, in_work);
	unsigned int length, taken = 0;
	struct llist_node *node, *next;
	bool more = true, added = false;
	void *buffer;

	if (READ_ONCE(wl->gone))
		goto out;
	virtqueue_disable_cb(wl->in);
	llist_for_each_safe(node, next, llist_del_all(&wl->read_buffers)) {
		if (wl_in_add(wl, node))
			kfree(node);
		added = true;
	}
	while (more && taken < WL_IN_BATCH) {
		if (atomic_long_read(&wl->queued) >= WL_QUEUED_MAX) {
			atomic_set(&wl->in_stalled, 1);
			/* Pairs with a reader that made room and did not see us stalled. */
			smp_mb__after_atomic();
			wl_in_resume(wl);
			break;
		}
		buffer = virtqueue_get_buf(wl->in, &length);
		if (!buffer) {
			more = !virtqueue_enable_cb(wl->in) && !virtqueue_is_broken(wl->in);
			if (more)
				virtqueue_disable_cb(wl->in);
			continue;
		}
		taken++;
		if (wl_in_message(wl, buffer, min_t(unsigned int, length, WL_BUFFER_SIZE)))
			continue;
		if (wl_in_add(wl, buffer))
			kfree(buffer);
		added = true;
	}
	if (added)
		virtqueue_kick(wl->in);
	if (taken == WL_IN_BATCH)
		wl_schedule(wl, &wl->in_work);
out:
	put_device(&wl->dev);
}

static void wl_in_ready(struct virtqueue *vq)
{
	struct wl_device *wl = vq->vdev->priv;

	wl_schedule(wl, &wl->in_work);
}

/* The files of vfds */

/* A file for the vfd, without a reference to it as yet: the caller says wl_file_arm() when it is to own one. */
static struct file *wl_vfd_file(struct wl_vfd *vfd)
{
	struct file *file = anon_inode_getfile("[virtwl_vfd]", &wl_vfd_fops, NULL, wl_vfd_file_flags(vfd));

	if (IS_ERR(file))
		return file;
	stream_open(NULL, file);
	file->f_mapping = vfd->wl->inode->i_mapping;
	return file;
}

static void wl_file_arm(struct file *file, struct wl_vfd *vfd)
{
	file->private_data = vfd;
}

/* Nothing of the message is left for a reader. */
static bool wl_message_spent(const struct wl_message *message)
{
	return message->fds_taken == message->fd_count && message->taken == message->length;
}

/* The message after this one, or the first one, or NULL. Only the holder of read_lock takes messages away. */
static struct wl_message *wl_message_next(struct wl_vfd *vfd, struct wl_message *message)
{
	struct list_head *next;

	spin_lock(&vfd->in_lock);
	next = message ? message->link.next : vfd->in_queue.next;
	spin_unlock(&vfd->in_lock);
	return next == &vfd->in_queue ? NULL : list_entry(next, struct wl_message, link);
}

/* What one read is to take: all or nothing of it is done. */
struct wl_take {
	size_t bytes;
	unsigned int fd_count;
	struct wl_vfd *fds[VIRTWL_SEND_MAX_ALLOCS];
};

/*
 * Copies what is queued, up to room, and lists the vfds. A vfd comes with the
 * first byte of its message or before it, never after; read(2), which cannot
 * take vfds, passes by them as it does on a socket.
 */
static int wl_take_copy(struct wl_vfd *vfd, struct wl_take *take, u8 __user *data, size_t room, bool with_fds)
{
	struct wl_message *message = NULL;

	while ((message = wl_message_next(vfd, message))) {
		unsigned int i = message->fds_taken;
		size_t left = message->length - message->taken;
		size_t bytes = min(left, room - take->bytes);

		if (left && !bytes && (take->bytes || take->fd_count))
			break;
		if (with_fds) {
			while (i < message->fd_count && take->fd_count < VIRTWL_SEND_MAX_ALLOCS)
				take->fds[take->fd_count++] = message->fds[i++];
			if (i < message->fd_count)
				break;
		}
		if (copy_to_user(data + take->bytes, message->data + message->taken, bytes))
			return -EFAULT;
		take->bytes += bytes;
		if (bytes < left)
			break;
	}
	return 0;
}

/* Takes away what wl_take_copy() copied and listed. */
static void wl_take_commit(struct wl_vfd *vfd, const struct wl_take *take, bool with_fds)
{
	size_t bytes = take->bytes;
	unsigned int fds = take->fd_count;
	struct wl_message *message;

	while ((message = wl_message_next(vfd, NULL))) {
		size_t take_bytes = min_t(size_t, message->length - message->taken, bytes);
		unsigned int take_fds = min(message->fd_count - message->fds_taken, fds);

		message->taken += take_bytes;
		bytes -= take_bytes;
		spin_lock(&vfd->in_lock);
		vfd->queued -= take_bytes;
		spin_unlock(&vfd->in_lock);
		if (with_fds) {
			message->fds_taken += take_fds;
			fds -= take_fds;
			if (!wl_message_spent(message))
				break;
		} else if (message->taken < message->length) {
			break;
		}
		spin_lock(&vfd->in_lock);
		list_del(&message->link);
		spin_unlock(&vfd->in_lock);
		wl_message_free(vfd->wl, message);
		if (!bytes && !fds && with_fds)
			break;
		if (!bytes && !with_fds)
			break;
	}
	wl_in_resume(vfd->wl);
}

static bool wl_vfd_readable(struct wl_vfd *vfd)
{
	bool readable;

	spin_lock(&vfd->in_lock);
	readable = !list_empty(&vfd->in_queue) || vfd->hup;
	spin_unlock(&vfd->in_lock);
	return readable;
}

/* Waits until there is something to read or the end. Comes back with read_lock held when it returns 0. */
static int wl_vfd_wait(struct wl_vfd *vfd, bool nonblock)
{
	for (;;) {
		if (mutex_lock_interruptible(&vfd->read_lock))
			return -ERESTARTSYS;
		if (wl_vfd_readable(vfd))
			return 0;
		mutex_unlock(&vfd->read_lock);
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(vfd->in_wait, wl_vfd_readable(vfd)))
			return -ERESTARTSYS;
	}
}

static bool wl_vfd_has_stream(const struct wl_vfd *vfd, const struct file *file)
{
	return !vfd->memory && (file->f_mode & FMODE_READ);
}

static ssize_t wl_vfd_read(struct file *file, char __user *buffer, size_t size, loff_t *pos)
{
	struct wl_vfd *vfd = file->private_data;
	struct wl_take take = {};
	struct wl_message *first;
	int ret;

	if (!wl_vfd_has_stream(vfd, file))
		return -EINVAL;
	if (!size)
		return 0;
	do {
		ret = wl_vfd_wait(vfd, file->f_flags & O_NONBLOCK);
		if (ret)
			return ret;
		first = wl_message_next(vfd, NULL);
		ret = wl_take_copy(vfd, &take, (u8 __user *)buffer, size, false);
		if (!ret)
			wl_take_commit(vfd, &take, false);
		mutex_unlock(&vfd->read_lock);
		/* Nothing but vfds was there: that is no end. */
	} while (!ret && !take.bytes && first);
	return ret ? ret : take.bytes;
}

static long wl_vfd_recv(struct file *file, struct virtwl_ioctl_txn __user *txn)
{
	struct wl_vfd *vfd = file->private_data;
	struct file *files[VIRTWL_SEND_MAX_ALLOCS];
	s32 fds[VIRTWL_SEND_MAX_ALLOCS];
	struct wl_take take = {};
	unsigned int i, made = 0;
	u32 room, length;
	int ret;

	if (get_user(room, &txn->len))
		return -EFAULT;
	if (!wl_vfd_has_stream(vfd, file))
		return -EINVAL;
	ret = wl_vfd_wait(vfd, file->f_flags & O_NONBLOCK);
	if (ret)
		return ret;
	ret = wl_take_copy(vfd, &take, txn->data, room, true);

	for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++)
		fds[i] = -1;
	while (!ret && made < take.fd_count) {
		int fd = get_unused_fd_flags(O_CLOEXEC);

		if (fd < 0) {
			ret = fd;
			break;
		}
		files[made] = wl_vfd_file(take.fds[made]);
		if (IS_ERR(files[made])) {
			put_unused_fd(fd);
			ret = PTR_ERR(files[made]);
			break;
		}
		fds[made++] = fd;
	}
	length = take.bytes;
	if (!ret && (copy_to_user(txn->fds, fds, sizeof(fds)) || put_user(length, &txn->len)))
		ret = -EFAULT;

	for (i = 0; i < made; i++) {
		if (ret) {
			put_unused_fd(fds[i]);
			fput(files[i]);
		} else {
			/* The message's reference goes over to the file. */
			wl_file_arm(files[i], take.fds[i]);
			fd_install(fds[i], files[i]);
		}
	}
	if (!ret)
		wl_take_commit(vfd, &take, true);
	mutex_unlock(&vfd->read_lock);
	return ret;
}

/* Takes the files of the vfds to be sent, which are held until the device has seen the ids. */
static int wl_send_files(struct wl_request *req, struct wl_device *wl, const s32 *fds, unsigned int count)
{
	struct wl_transaction *send = (struct wl_transaction *)req->body;
	__le32 *ids = (__le32 *)send->body;

	if (!count)
		return 0;
	req->files = kmalloc_array(count, sizeof(*req->files), GFP_KERNEL_ACCOUNT);
	if (!req->files)
		return -ENOMEM;
	while (req->file_count < count) {
		struct file *file = fget(fds[req->file_count]);
		struct wl_vfd *vfd;

		if (!file)
			return -EBADFD;	/* as this ABI has it, not EBADF */
		ids[req->file_count] = 0;
		req->files[req->file_count++] = file;
		vfd = file->f_op == &wl_vfd_fops ? file->private_data : NULL;
		if (!vfd || vfd->wl != wl)
			return -EINVAL;
		ids[req->file_count - 1] = cpu_to_le32(vfd->id);
	}
	return 0;
}

/* An error of an earlier transaction, told once; or, without waiting, a place for this one. */
static int wl_send_begin(struct wl_vfd *vfd, bool nonblock)
{
	struct wl_device *wl = vfd->wl;
	int ret;

	spin_lock_irq(&wl->out_lock);
	ret = vfd->send_error;
	vfd->send_error = 0;
	if (!ret && wl->gone)
		ret = -ENODEV;
	if (!ret && READ_ONCE(vfd->lost))
		ret = -ENOENT;
	if (!ret && nonblock) {
		if (vfd->sends < WL_SENDS_MAX)
			vfd->sends++;
		else
			ret = -EAGAIN;
	}
	spin_unlock_irq(&wl->out_lock);
	return ret;
}

/* Sends up to 28 vfds and bytes. */
static long wl_vfd_send_transaction(struct file *file, const void __user *data, size_t length, const s32 *fds)
{
	bool nonblock = file->f_flags & O_NONBLOCK;
	struct wl_vfd *vfd = file->private_data;
	struct wl_device *wl = vfd->wl;
	struct wl_transaction *send;
	struct wl_request *req;
	unsigned int count = 0;
	long ret;

	while (fds && count < VIRTWL_SEND_MAX_ALLOCS && fds[count] >= 0)
		count++;
	if (!length && !count)
		return 0;
	if (length > WL_SEND_MAX)
		return -ENOMEM;
	req = wl_request_new(wl, sizeof(*send) + count * sizeof(__le32) + length, sizeof(struct wl_header));
	if (!req)
		return -ENOMEM;
	send = (struct wl_transaction *)req->body;
	send->header.type = cpu_to_le32(WL_CMD_SEND);
	send->id = cpu_to_le32(vfd->id);
	send->vfd_count = cpu_to_le32(count);
	ret = wl_send_files(req, wl, fds, count);
	if (!ret && copy_from_user(send->body + count * sizeof(__le32), data, length))
		ret = -EFAULT;
	if (!ret)
		ret = wl_send_begin(vfd, nonblock);
	if (ret)
		goto put;

	if (!nonblock) {
		ret = wl_request_queue(wl, req, false);
		if (!ret)
			ret = wl_request_wait(wl, req);
		goto put;
	}
	/* Ours to give: the file holds the vfd while we are here. */
	kref_get(&vfd->ref);
	req->sender = vfd;
	ret = wl_request_queue(wl, req, true);
	if (ret) {
		spin_lock_irq(&wl->out_lock);
		vfd->sends--;
		spin_unlock_irq(&wl->out_lock);
		wl_vfd_put(vfd);
	}
put:
	wl_request_put(req);
	return ret;
}

static ssize_t wl_vfd_write(struct file *file, const char __user *buffer, size_t size, loff_t *pos)
{
	size_t length = min_t(size_t, size, WL_WRITE_MAX);
	long ret = wl_vfd_send_transaction(file, buffer, length, NULL);

	return ret ? ret : length;
}

static long wl_vfd_send(struct file *file, const struct virtwl_ioctl_txn __user *txn)
{
	struct virtwl_ioctl_txn head;

	if (copy_from_user(&head, txn, sizeof(head)))
		return -EFAULT;
	return wl_vfd_send_transaction(file, txn->data, head.len, head.fds);
}

static long wl_vfd_dmabuf_sync(struct wl_vfd *vfd, const struct virtwl_ioctl_dmabuf_sync __user *arg)
{
	struct virtwl_ioctl_dmabuf_sync sync;
	struct wl_dmabuf_sync *message;
	struct wl_request *req;
	long ret;

	if (copy_from_user(&sync, arg, sizeof(sync)))
		return -EFAULT;
	if (sync.flags & ~DMA_BUF_SYNC_VALID_FLAGS_MASK)
		return -EINVAL;
	req = wl_request_new(vfd->wl, sizeof(*message), sizeof(struct wl_header));
	if (!req)
		return -ENOMEM;
	message = (struct wl_dmabuf_sync *)req->body;
	message->header.type = cpu_to_le32(WL_CMD_DMABUF_SYNC);
	message->id = cpu_to_le32(vfd->id);
	message->flags = cpu_to_le32(sync.flags);
	ret = wl_request_queue(vfd->wl, req, false);
	if (!ret)
		ret = wl_request_wait(vfd->wl, req);
	wl_request_put(req);
	return ret;
}

static __poll_t wl_vfd_poll(struct file *file, poll_table *wait)
{
	struct wl_vfd *vfd = file->private_data;
	struct wl_device *wl = vfd->wl;
	__poll_t mask = 0;

	poll_wait(file, &vfd->in_wait, wait);
	poll_wait(file, &wl->out_wait, wait);

	spin_lock(&vfd->in_lock);
	if (!list_empty(&vfd->in_queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vfd->hup)
		mask |= EPOLLHUP;
	spin_unlock(&vfd->in_lock);

	spin_lock_irq(&wl->out_lock);
	if (wl->gone)
		mask |= EPOLLERR | EPOLLHUP;
	else if (wl->out->num_free < 2 || !list_empty(&wl->backlog))
		wl->starved = true;
	else if (vfd->sends < WL_SENDS_MAX)
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock_irq(&wl->out_lock);
	return mask;
}

static vm_fault_t wl_vfd_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct wl_vfd *vfd = vma->vm_file->private_data;
	struct wl_device *wl = vfd->wl;
	unsigned long page = max(vma->vm_start, ALIGN_DOWN(vmf->address, WL_FAULT_PAGES * PAGE_SIZE));
	unsigned long end = min(vma->vm_end, ALIGN_DOWN(vmf->address, WL_FAULT_PAGES * PAGE_SIZE) +
				WL_FAULT_PAGES * PAGE_SIZE);
	unsigned long base = PHYS_PFN(vfd->phys) + vma->vm_pgoff;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&wl->map_sem);
	if (!READ_ONCE(wl->gone) && !READ_ONCE(vfd->lost)) {
		/* The page that is needed, and then its neighbours, where nothing depends on success. */
		ret = vmf_insert_pfn(vma, vmf->address, base + PHYS_PFN(vmf->address - vma->vm_start));
		for (; ret == VM_FAULT_NOPAGE && page < end; page += PAGE_SIZE) {
			if (page != (vmf->address & PAGE_MASK) &&
			    vmf_insert_pfn(vma, page, base + PHYS_PFN(page - vma->vm_start)) != VM_FAULT_NOPAGE)
				break;
		}
	}
	up_read(&wl->map_sem);
	return ret;
}

static const struct vm_operations_struct wl_vm_ops = {
	.fault = wl_vfd_fault,
};

/*
 * A mapping holds the file, so the memory outlives close(2) of the vfd for as long
 * as any part of it is mapped. MAP_PRIVATE copies a page when it is written to:
 * VM_MIXEDMAP, with pages that have no struct page, allows that, VM_PFNMAP would
 * allow it for mappings made in one piece only.
 */
static int wl_vfd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct wl_vfd *vfd = file->private_data;
	u64 length = vma->vm_end - vma->vm_start;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!vfd->memory)
		return -EACCES;
	if (vma->vm_pgoff > vfd->size >> PAGE_SHIFT || length > vfd->size - offset)
		return -EINVAL;
	if (READ_ONCE(vfd->wl->gone) || READ_ONCE(vfd->lost))
		return -ENODEV;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP;
#endif
	vma->vm_ops = &wl_vm_ops;
	return 0;
}

static int wl_vfd_release(struct inode *inode, struct file *file)
{
	struct wl_vfd *vfd = file->private_data;
	struct wl_request *close;

	if (!vfd)
		return 0;	/* never armed */
	close = vfd->close;
	kref_get(&close->ref);
	wl_vfd_put(vfd);
	/*
	 * After close(2) the id is free and the host has let go. A process that ends
	 * does not wait, since no signal could end that wait, and neither does one that
	 * never waits for this vfd.
	 */
	if (!(current->flags & (PF_EXITING | PF_KTHREAD)) && !(file->f_flags & O_NONBLOCK))
		wait_for_completion_killable(&close->done);
	wl_request_put(close);
	return 0;
}

/* Making vfds */

/* Gives the vfd an id, under which messages find it from now on. */
static int wl_vfd_identify(struct wl_device *wl, struct wl_vfd *vfd, bool nonblock)
{
	int id, freed, closing;

	for (;;) {
		freed = atomic_read(&wl->ids_freed);
		closing = atomic_read(&wl->closing);
		mutex_lock(&wl->vfds_lock);
		id = idr_alloc(&wl->vfds, vfd, 1, WL_GUEST_IDS_END, GFP_KERNEL);
		if (id > 0)
			vfd->id = id;
		mutex_unlock(&wl->vfds_lock);
		if (id > 0)
			return 0;
		if (id != -ENOSPC || !closing || nonblock)
			return id;
		/* Ids that nobody uses any more come back as the device answers. */
		if (wait_event_interruptible(wl->out_wait, atomic_read(&wl->ids_freed) != freed || wl->gone))
			return -ERESTARTSYS;
		if (READ_ONCE(wl->gone))
			return -ENODEV;
	}
}

static int wl_new_body(struct wl_new *body, const struct virtwl_ioctl_new *arg)
{
	u32 flags = 0, type;

	switch (arg->type) {
	case VIRTWL_IOCTL_NEW_CTX:
		type = WL_CMD_NEW_CTX;
		flags = WL_VFD_READ | WL_VFD_WRITE;
		break;
	case VIRTWL_IOCTL_NEW_CTX_NAMED:
		type = WL_CMD_NEW_CTX_NAMED;
		flags = WL_VFD_READ | WL_VFD_WRITE;
		memcpy(body->name, arg->name, sizeof(body->name));
		break;
	case VIRTWL_IOCTL_NEW_ALLOC:
		type = WL_CMD_NEW;
		body->size = cpu_to_le32(PAGE_ALIGN((u64)arg->size));
		if (!body->size)
			return -EINVAL;	/* 0, or the last page of the 4 GiB */
		break;
	case VIRTWL_IOCTL_NEW_PIPE_READ:
		type = WL_CMD_NEW_PIPE;
		flags = WL_VFD_READ;
		break;
	case VIRTWL_IOCTL_NEW_PIPE_WRITE:
		type = WL_CMD_NEW_PIPE;
		flags = WL_VFD_WRITE;
		break;
	case VIRTWL_IOCTL_NEW_DMABUF:
		type = WL_CMD_NEW_DMABUF;
		body->dmabuf.width = cpu_to_le32(arg->dmabuf.width);
		body->dmabuf.height = cpu_to_le32(arg->dmabuf.height);
		body->dmabuf.format = cpu_to_le32(arg->dmabuf.format);
		body->dmabuf.strides[0] = cpu_to_le32(arg->dmabuf.stride0);
		body->dmabuf.strides[1] = cpu_to_le32(arg->dmabuf.stride1);
		body->dmabuf.strides[2] = cpu_to_le32(arg->dmabuf.stride2);
		body->dmabuf.offsets[0] = cpu_to_le32(arg->dmabuf.offset0);
		body->dmabuf.offsets[1] = cpu_to_le32(arg->dmabuf.offset1);
		body->dmabuf.offsets[2] = cpu_to_le32(arg->dmabuf.offset2);
		break;
	default:
		return -EINVAL;
	}
	body->header.type = cpu_to_le32(type);
	body->flags = cpu_to_le32(flags);
	return 0;
}

/* What the device answered to a NEW, into the vfd and, for an image, into arg. */
static int wl_new_answer(struct wl_vfd *vfd, const struct wl_request *req, struct virtwl_ioctl_new *arg)
{
	const struct wl_new *new = &req->answer.created;
	bool dmabuf = arg->type == VIRTWL_IOCTL_NEW_DMABUF;
	u32 type = dmabuf ? WL_RESP_VFD_NEW_DMABUF : WL_RESP_VFD_NEW;

	if (le32_to_cpu(new->header.type) != type || le32_to_cpu(new->id) != vfd->id ||
	    req->written < (dmabuf ? sizeof(*new) : WL_NEW_MIN))
		return -EPROTO;
	vfd->flags = le32_to_cpu(new->flags);
	if (arg->type != VIRTWL_IOCTL_NEW_ALLOC && !dmabuf) {
		vfd->flags &= WL_VFD_READ | WL_VFD_WRITE;
		return 0;
	}
	if (dmabuf) {
		arg->dmabuf.stride0 = le32_to_cpu(new->dmabuf.strides[0]);
		arg->dmabuf.stride1 = le32_to_cpu(new->dmabuf.strides[1]);
		arg->dmabuf.stride2 = le32_to_cpu(new->dmabuf.strides[2]);
		arg->dmabuf.offset0 = le32_to_cpu(new->dmabuf.offsets[0]);
		arg->dmabuf.offset1 = le32_to_cpu(new->dmabuf.offsets[1]);
		arg->dmabuf.offset2 = le32_to_cpu(new->dmabuf.offsets[2]);
	}
	return wl_vfd_set_memory(vfd, le64_to_cpu(new->pfn), le32_to_cpu(new->size));
}

static struct wl_vfd *wl_vfd_make(struct wl_device *wl, struct virtwl_ioctl_new *arg, bool nonblock)
{
	struct wl_request *req;
	struct wl_vfd *vfd;
	struct wl_new *body;
	int ret;

	req = wl_request_new(wl, sizeof(*body), sizeof(req->answer.created));
	if (!req)
		return ERR_PTR(-ENOMEM);
	body = (struct wl_new *)req->body;
	ret = wl_new_body(body, arg);
	if (ret)
		goto put_request;
	ret = -ENOMEM;
	vfd = wl_vfd_new(wl);
	if (!vfd)
		goto put_request;

	ret = wl_vfd_identify(wl, vfd, nonblock);
	if (ret)
		goto put_vfd;
	body->id = cpu_to_le32(vfd->id);

	req->vfd = vfd;
	ret = wl_request_queue(wl, req, nonblock);
	if (ret)
		goto put_vfd;
	ret = wl_request_wait(wl, req);
	if (ret == -EINTR) {
		/* wl_reap() has the vfd now. */
		wl_request_put(req);
		return ERR_PTR(ret);
	}
	if (ret)
		goto put_vfd;
	ret = wl_new_answer(vfd, req, arg);
	if (ret) {
		dev_warn_ratelimited(&wl->dev, "an answer to NEW that makes no sense\n");
		goto put_vfd;
	}
	wl_request_put(req);
	return vfd;

put_vfd:
	wl_vfd_put(vfd);
put_request:
	wl_request_put(req);
	return ERR_PTR(ret);
}

/* size: how much of the struct the caller knows, from its ioctl number. Older callers' ends before the image. */
static long wl_ioctl_new(struct wl_device *wl, bool nonblock, void __user *user, size_t size)
{
	struct virtwl_ioctl_new arg = {};
	struct wl_vfd *vfd;
	struct file *file;
	int fd;

	size = min(size, sizeof(arg));
	if (size < offsetofend(struct virtwl_ioctl_new, size))
		return -EINVAL;
	if (copy_from_user(&arg, user, size))
		return -EFAULT;
	if (arg.type == VIRTWL_IOCTL_NEW_DMABUF && size < offsetofend(struct virtwl_ioctl_new, dmabuf))
		return -EINVAL;

	vfd = wl_vfd_make(wl, &arg, nonblock);
	if (IS_ERR(vfd))
		return PTR_ERR(vfd);
	file = wl_vfd_file(vfd);
	if (IS_ERR(file)) {
		wl_vfd_put(vfd);
		return PTR_ERR(file);
	}
	wl_file_arm(file, vfd);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		fput(file);
		return fd;
	}
	arg.fd = fd;
	if (copy_to_user(user, &arg, size)) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}

static bool wl_is_ioctl_new(unsigned int cmd)
{
	return _IOC_TYPE(cmd) == VIRTWL_IOCTL_BASE && _IOC_NR(cmd) == _IOC_NR(VIRTWL_IOCTL_NEW);
}

static long wl_vfd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct wl_vfd *vfd = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case VIRTWL_IOCTL_SEND:
		return wl_vfd_send(file, user);
	case VIRTWL_IOCTL_RECV:
		return wl_vfd_recv(file, user);
	case VIRTWL_IOCTL_DMABUF_SYNC:
		return wl_vfd_dmabuf_sync(vfd, user);
	default:
		if (wl_is_ioctl_new(cmd) && !vfd->memory)
			return wl_ioctl_new(vfd->wl, file->f_flags & O_NONBLOCK, user, _IOC_SIZE(cmd));
		return -ENOTTY;
	}
}

static const struct file_operations wl_vfd_fops = {
	.owner = THIS_MODULE,
	.read = wl_vfd_read,
	.write = wl_vfd_write,
	.poll = wl_vfd_poll,
	.mmap = wl_vfd_mmap,
	.unlocked_ioctl = wl_vfd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = wl_vfd_release,
};

/* /dev/wl0 */

static int wl_open(struct inode *inode, struct file *file)
{
	struct wl_device *wl = container_of(inode->i_cdev, struct wl_device, cdev);

	file->private_data = wl;
	return READ_ONCE(wl->gone) ? -ENODEV : nonseekable_open(inode, file);
}

static long wl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!wl_is_ioctl_new(cmd))
		return -ENOTTY;
	return wl_ioctl_new(file->private_data, file->f_flags & O_NONBLOCK, (void __user *)arg, _IOC_SIZE(cmd));
}

static const struct file_operations wl_fops = {
	.owner = THIS_MODULE,
	.open = wl_open,
	.unlocked_ioctl = wl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* The device's coming and going */

static void wl_device_release(struct device *dev)
{
	struct wl_device *wl = container_of(dev, struct wl_device, dev);
	struct llist_node *node, *next;

	llist_for_each_safe(node, next, llist_del_all(&wl->read_buffers))
		kfree(node);

	if (wl->inode)
		iput(wl->inode);
	idr_destroy(&wl->vfds);
	mutex_destroy(&wl->vfds_lock);
	if (wl->region_map)
		memunmap(wl->region_map);
	kfree(wl);
}

static int wl_find_queues(struct wl_device *wl)
{
	struct virtqueue *vqs[2];
	int ret;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info info[] = { { "in", wl_in_ready }, { "out", wl_out_done } };

	ret = virtio_find_vqs(wl->vdev, ARRAY_SIZE(vqs), vqs, info, NULL);
#else
	static const char * const names[] = { "in", "out" };
	vq_callback_t *callbacks[] = { wl_in_ready, wl_out_done };

	ret = virtio_find_vqs(wl->vdev, ARRAY_SIZE(vqs), vqs, callbacks, names, NULL);
#endif
	if (ret)
		return ret;
	wl->in = vqs[0];
	wl->out = vqs[1];
	return 0;
}

static int wl_fill_in(struct wl_device *wl)
{
	while (wl->in->num_free) {
		void *buffer = kzalloc(WL_BUFFER_SIZE, GFP_KERNEL);
		int ret = buffer ? wl_in_add(wl, buffer) : -ENOMEM;

		if (ret) {
			kfree(buffer);
			return ret;
		}
	}
	return 0;
}

static void wl_free_in(struct wl_device *wl)
{
	void *buffer;

	while ((buffer = virtqueue_detach_unused_buf(wl->in)))
		kfree(buffer);
}

/*
 * Closes all memory at the device, which is to be reset next: QEMU 11.1 can crash
 * when a device starts anew whose memory was still mapped at its reset. Best effort:
 * a device that does not answer is left alone. The vfds are lost afterwards.
 */
static void wl_close_memory(struct wl_device *wl)
{
	struct wl_id_message *body;
	struct wl_request *req;
	struct wl_vfd *vfd;
	bool answers = true;
	u32 id = 0;

	while (answers) {
		int next = id + 1;

		mutex_lock(&wl->vfds_lock);
		do {
			vfd = idr_get_next(&wl->vfds, &next);
			id = next++;
		} while (vfd && !(vfd->memory && READ_ONCE(vfd->known) && !vfd->closed_early));
		if (vfd) {
			spin_lock(&vfd->in_lock);
			vfd->closed_early = true;
			spin_unlock(&vfd->in_lock);
		}
		mutex_unlock(&wl->vfds_lock);
		if (!vfd)
			break;
		req = wl_request_new(wl, sizeof(*body), sizeof(struct wl_header));
		if (!req)
			break;
		body = (struct wl_id_message *)req->body;
		body->header.type = cpu_to_le32(WL_CMD_CLOSE);
		body->id = cpu_to_le32(id);
		answers = !wl_request_try(wl, req) && wait_for_completion_timeout(&req->done, WL_RESET_PATIENCE);
		wl_request_put(req);
	}
}

static int wl_reboot(struct notifier_block *block, unsigned long event, void *data)
{
	struct wl_device *wl = container_of(block, struct wl_device, reboot);

	wl_close_memory(wl);
	return NOTIFY_DONE;
}

static int wl_probe(struct virtio_device *vdev)
{
	struct wl_device *wl;
	int ret, minor;

	wl = kzalloc(sizeof(*wl), GFP_KERNEL);
	if (!wl)
		return -ENOMEM;
	minor = ida_alloc_max(&wl_minors, WL_DEVICES_MAX - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(wl);
		return minor;
	}
	wl->minor = minor;
	wl->vdev = vdev;
	spin_lock_init(&wl->out_lock);
	INIT_LIST_HEAD(&wl->backlog);
	INIT_LIST_HEAD(&wl->answered);
	INIT_LIST_HEAD(&wl->dying);
	INIT_LIST_HEAD(&wl->flying);
	init_waitqueue_head(&wl->out_wait);
	INIT_WORK(&wl->reap_work, wl_reap);
	INIT_WORK(&wl->in_work, wl_in_work);
	mutex_init(&wl->vfds_lock);
	init_rwsem(&wl->map_sem);
	idr_init(&wl->vfds);
	device_initialize(&wl->dev);
	wl->dev.class = wl_class;
	wl->dev.parent = &vdev->dev;
	wl->dev.devt = MKDEV(MAJOR(wl_dev_base), minor);
	wl->dev.release = wl_device_release;
	cdev_init(&wl->cdev, &wl_fops);
	wl->cdev.owner = THIS_MODULE;
	ret = dev_set_name(&wl->dev, "wl%d", minor);
	if (ret)
		goto put;
	wl->inode = alloc_anon_inode(wl_mount->mnt_sb);
	if (IS_ERR(wl->inode)) {
		ret = PTR_ERR(wl->inode);
		wl->inode = NULL;
		goto put;
	}

	if (virtio_has_feature(vdev, VIRTIO_WL_F_USE_SHMEM)) {
		ret = -ENODEV;
		if (!virtio_get_shm_region(vdev, &wl->region, WL_SHM_REGION))
			goto put;
		ret = -EBUSY;
		if (!devm_request_mem_region(&vdev->dev, wl->region.addr, wl->region.len, KBUILD_MODNAME)) {
			dev_err(&vdev->dev, "the shared memory at %#llx is somebody else's\n", wl->region.addr);
			goto put;
		}
		wl->use_shmem = true;
		ret = -EPROTO;
		if (!PAGE_ALIGNED(wl->region.addr) || pfn_valid(PHYS_PFN(wl->region.addr)) ||
		    pfn_valid(PHYS_PFN(wl->region.addr + wl->region.len - 1)))
			goto put;
		ret = -ENOMEM;
		wl->region_map = memremap(wl->region.addr, wl->region.len, MEMREMAP_WB);
		if (!wl->region_map)
			goto put;
	}
	vdev->priv = wl;
	ret = wl_find_queues(wl);
	if (ret)
		goto put;
	ret = wl_fill_in(wl);
	if (ret)
		goto free_queues;
	virtio_device_ready(vdev);
	virtqueue_kick(wl->in);
	ret = cdev_device_add(&wl->cdev, &wl->dev);
	if (ret)
		goto reset;
	wl->reboot.notifier_call = wl_reboot;
	register_reboot_notifier(&wl->reboot);
	return 0;

reset:
	wl->gone = true;
	virtio_reset_device(vdev);
	wl_cancel(wl, &wl->in_work);
free_queues:
	wl_free_in(wl);
	vdev->config->del_vqs(vdev);
put:
	ida_free(&wl_minors, minor);
	put_device(&wl->dev);
	return ret;
}

static void wl_remove(struct virtio_device *vdev)
{
	struct wl_device *wl = vdev->priv;
	struct wl_request *req, *next;

	unregister_reboot_notifier(&wl->reboot);
	cdev_device_del(&wl->cdev, &wl->dev);
	/* The next device may have the name, even if files of this one stay open. */
	ida_free(&wl_minors, wl->minor);
	wl_close_memory(wl);

	/* From here on nobody touches the queues but us. */
	spin_lock_irq(&wl->out_lock);
	wl->gone = true;
	spin_unlock_irq(&wl->out_lock);
	virtio_reset_device(vdev);
	wl_cancel(wl, &wl->in_work);

	spin_lock_irq(&wl->out_lock);
	while (virtqueue_detach_unused_buf(wl->out))
		;
	list_for_each_entry_safe(req, next, &wl->flying, link)
		wl_request_answered(req, 0, -ENODEV);
	list_for_each_entry_safe(req, next, &wl->backlog, link)
		wl_request_answered(req, 0, -ENODEV);
	spin_unlock_irq(&wl->out_lock);
	wl_free_in(wl);
	vdev->config->del_vqs(vdev);

	/* Ends every vfd: hang-ups for readers, faults for whoever has memory mapped, nothing for the device. */
	wl_forget_all(wl);
	wake_up_all(&wl->out_wait);
	/* Files that are still open hold wl; each vfd ends with its own. */
	/* The region is somebody else's from now on; nothing maps it any more. */
	if (wl->region_map)
		memunmap(wl->region_map);
	wl->region_map = NULL;
	put_device(&wl->dev);
}

static int wl_validate(struct virtio_device *vdev)
{
	struct virtio_shm_region region;

	if (virtio_has_feature(vdev, VIRTIO_WL_F_USE_SHMEM) &&
	    !virtio_get_shm_region(vdev, &region, WL_SHM_REGION)) {
		dev_warn(&vdev->dev, "offers memory in a region that it does not have\n");
		__virtio_clear_bit(vdev, VIRTIO_WL_F_USE_SHMEM);
	}
	return 0;
}

#ifdef CONFIG_PM_SLEEP
static int wl_freeze(struct virtio_device *vdev)
{
	/* The connections live in the host, and would not outlive the reset that a resume does. */
	return -EBUSY;
}

static int wl_restore(struct virtio_device *vdev)
{
	return -EBUSY;
}
#endif

static const struct virtio_device_id wl_ids[] = {
	{ VIRTIO_ID_WL_FIRST, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_ID_WL_CROS, VIRTIO_DEV_ANY_ID },
	{}
};
MODULE_DEVICE_TABLE(virtio, wl_ids);

static const unsigned int wl_features[] = { VIRTIO_WL_F_TRANS_FLAGS, VIRTIO_WL_F_USE_SHMEM };

static struct virtio_driver wl_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = wl_ids,
	.feature_table = wl_features,
	.feature_table_size = ARRAY_SIZE(wl_features),
	.validate = wl_validate,
	.probe = wl_probe,
	.remove = wl_remove,
#ifdef CONFIG_PM_SLEEP
	.freeze = wl_freeze,
	.restore = wl_restore,
#endif
};

/* Where the shared address space of a device's mappings comes from: nobody mounts it. */
static int wl_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x776c3030) ? 0 : -ENOMEM;
}

static struct file_system_type wl_fs = {
	.name = "virtio_wl",
	/* No owner: our own mount would hold the module for ever. It ends in wl_exit(). */
	.init_fs_context = wl_fs_context,
	.kill_sb = kill_anon_super,
};

static int __init wl_init(void)
{
	int ret;

	wl_mount = kern_mount(&wl_fs);
	if (IS_ERR(wl_mount))
		return PTR_ERR(wl_mount);
	ret = -ENOMEM;
	wl_workers = alloc_workqueue("virtio_wl", WQ_UNBOUND, 0);
	if (!wl_workers)
		goto unmount;
	ret = alloc_chrdev_region(&wl_dev_base, 0, WL_DEVICES_MAX, "wl");
	if (ret)
		goto stop;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	wl_class = class_create("wl");
#else
	wl_class = class_create(THIS_MODULE, "wl");
#endif
	if (IS_ERR(wl_class)) {
		ret = PTR_ERR(wl_class);
		goto unregister;
	}
	ret = register_virtio_driver(&wl_driver);
	if (ret)
		goto destroy;
	return 0;

destroy:
	class_destroy(wl_class);
unregister:
	unregister_chrdev_region(wl_dev_base, WL_DEVICES_MAX);
stop:
	destroy_workqueue(wl_workers);
unmount:
	kern_unmount(wl_mount);
	return ret;
}

static void __exit wl_exit(void)
{
	unregister_virtio_driver(&wl_driver);
	/* The last vfds' ends: their files, which held the module, are closed. */
	destroy_workqueue(wl_workers);
	class_destroy(wl_class);
	unregister_chrdev_region(wl_dev_base, WL_DEVICES_MAX);
	kern_unmount(wl_mount);
	ida_destroy(&wl_minors);
}

module_init(wl_init);
module_exit(wl_exit);

MODULE_DESCRIPTION("virtio_wl: sockets, pipes and memory of the host for a guest's Wayland");
MODULE_LICENSE("GPL");
