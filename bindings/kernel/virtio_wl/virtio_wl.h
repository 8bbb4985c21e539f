/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_wl: /dev/wl0, through which programs of a guest reach the servers
 * that the host offers it.
 *
 * A virtual file descriptor (vfd) stands for something of the host: a socket
 * (a "context"), a pipe, or memory. We make some by asking the device, the
 * device makes others and sends them along a context. Each has an id; a file
 * of ours stands for it in user space.
 *
 *   device.c    the device's coming and going, and its node
 *   request.c   the out queue: requests, and waiting for their answers
 *   in.c        the in queue: what the device says by itself
 *   new.c       making vfds
 *   vfd.c       a vfd's life, and its file
 *   stream.c    reading and writing
 *   memory.c    memory, and mapping it
 *   wire.h      what the two queues carry
 *   compat.h    what differs between kernels
 *
 * Nothing that the device sends is trusted: ids, lengths and counts are checked
 * against the bytes that came, and memory may lie in the region only (or, in
 * the old form with absolute pfns, not in RAM).
 *
 * Locks, outer before inner: a vfd's read_lock; vfds_lock; map_sem; a vfd's
 * in_lock; out_lock, which interrupts take.
 */
#ifndef VIRTIO_WL_H_
#define VIRTIO_WL_H_

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "wire.h"

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
	bool watched;			/* interrupts tell of answers */
	bool starved;			/* a request found no room in out */
	unsigned int awaited;		/* requests in out whose answers somebody waits for */
	size_t unawaited_bytes;		/* of the others in out */
	struct list_head backlog;	/* closes that found no room */
	struct list_head answered;	/* requests for wl_reap() */
	struct list_head dying;		/* vfds for wl_reap() */
	struct list_head resting;	/* closed vfds whose ids in_work frees */
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
	struct list_head link;		/* in wl->dying or wl->resting */
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
	bool sends_awaited;		/* somebody waits for one to end; under out_lock */
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
	bool awaited;			/* counts in wl->awaited */
	size_t unawaited;		/* what it counts in wl->unawaited_bytes */
	struct wl_vfd *vfd;		/* NEW, CLOSE: whom wl_reap() looks after */
	bool closes;
	bool abandoned;			/* NEW: the waiter was killed */
	struct wl_vfd *sender;		/* SEND that nobody waits for: while it lives */
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

/* Transactions of one vfd that nobody waits for. */
#define WL_SENDS_MAX 16
/*
 * Memory of transactions in out whose answers cost no interrupt and lie there until somebody
 * comes by: hundreds of Wayland's messages. The one that goes over it is told of, and with it
 * all before.
 */
#define WL_UNAWAITED_MAX SZ_64K

/* device.c */
void wl_schedule(struct wl_device *wl, struct work_struct *work);

/* request.c */
struct wl_request *wl_request_new(struct wl_device *wl, size_t length, unsigned int answer_size);
void wl_request_put(struct wl_request *req);
void wl_request_answered(struct wl_request *req, unsigned int written, int error);
int wl_request_add(struct wl_device *wl, struct wl_request *req);
int wl_request_try(struct wl_device *wl, struct wl_request *req);
int wl_request_queue(struct wl_device *wl, struct wl_request *req, bool nonblock);
int wl_request_wait(struct wl_device *wl, struct wl_request *req);
void wl_request_break(struct wl_device *wl);
void wl_out_catch_up(struct wl_device *wl);
void wl_out_settle(struct wl_device *wl);
void wl_sends_await(struct wl_vfd *vfd);
void wl_sends_abandon(struct wl_vfd *vfd);
unsigned int wl_sends_spare(struct wl_device *wl, bool others);
void wl_out_done(struct virtqueue *vq);

/* in.c */
void wl_in_work(struct work_struct *work);
void wl_in_ready(struct virtqueue *vq);
void wl_in_resume(struct wl_device *wl);
int wl_in_fill(struct wl_device *wl);
void wl_in_free(struct wl_device *wl);
void wl_message_free(struct wl_device *wl, struct wl_message *message);

/* new.c */
bool wl_is_ioctl_new(unsigned int cmd);
long wl_ioctl_new(struct wl_device *wl, bool nonblock, void __user *user, size_t size);

/* vfd.c */
extern const struct file_operations wl_vfd_fops;
struct wl_vfd *wl_vfd_new(struct wl_device *wl);
void wl_vfd_put(struct wl_vfd *vfd);
void wl_vfds_forget(struct wl_device *wl);
void wl_reap(struct work_struct *work);
void wl_vfds_free(struct list_head *closed);
int wl_vfd_file_flags(const struct wl_vfd *vfd);
struct file *wl_vfd_file(struct wl_vfd *vfd);
void wl_file_arm(struct file *file, struct wl_vfd *vfd);

/* stream.c */
ssize_t wl_vfd_read(struct file *file, char __user *buffer, size_t size, loff_t *pos);
ssize_t wl_vfd_write(struct file *file, const char __user *buffer, size_t size, loff_t *pos);
long wl_vfd_recv(struct file *file, struct virtwl_ioctl_txn __user *txn);
long wl_vfd_send(struct file *file, const struct virtwl_ioctl_txn __user *txn);

/* memory.c */
bool wl_pfn_is_memory(struct wl_device *wl, u64 pfn, u32 size);
int wl_vfd_set_memory(struct wl_vfd *vfd, u64 pfn, u32 size);
int wl_vfd_mmap(struct file *file, struct vm_area_struct *vma);
void wl_memory_unmap_all(struct wl_device *wl);
void wl_memory_close_all(struct wl_device *wl);

#endif /* VIRTIO_WL_H_ */
