// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The in queue: what the device says by itself. wl_in_work() takes each message
 * out of its buffer, checks it, and appends it to its vfd. The messages of a vfd
 * whose reader is slow stay in the device's buffers instead, which the device
 * gets back as they are read: a good device counts them and stops reading for
 * that vfd alone.
 *
 * The device may change a buffer while we look at it, so each number is read
 * once, and then checked.
 */

#include <linux/lockdep.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "virtio_wl.h"

/*
 * Most vfds that the device may have announced and not yet sent: many messages'
 * worth, and small enough that a device which never sends them costs little.
 */
#define WL_UNCLAIMED_MAX 4096
/* Unread bytes of a vfd over which its messages stay in the device's buffers. */
#define WL_VFD_QUEUED_MAX SZ_256K
/* What all vfds' messages may take over which none is taken any more: it bounds our memory. */
#define WL_QUEUED_MAX SZ_16M
/* Messages taken before others may use the worker. */
#define WL_IN_BATCH 256

void wl_message_free(struct wl_device *wl, struct wl_message *message)
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
void wl_in_resume(struct wl_device *wl)
{
	if (atomic_read(&wl->in_stalled) && atomic_long_read(&wl->queued) < WL_QUEUED_MAX / 2 &&
	    atomic_cmpxchg(&wl->in_stalled, 1, 0) == 1)
		wl_schedule(wl, &wl->in_work);
}

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
	id = le32_to_cpu(READ_ONCE(new->id));
	size = le32_to_cpu(READ_ONCE(new->size));
	pfn = le64_to_cpu(READ_ONCE(new->pfn));
	if (!(id & WL_ID_HOST) || (id & WL_ID_SIGN)) {
		dev_warn_ratelimited(&wl->dev, "a new vfd with the id %#x, not the device's to give\n",
				     id);
		return;
	}
	vfd = wl_vfd_new(wl);
	if (!vfd)
		return;
	vfd->flags = le32_to_cpu(READ_ONCE(new->flags));
	ret = 0;
	if (wl_pfn_is_memory(wl, pfn, size))
		ret = wl_vfd_set_memory(vfd, pfn, size);
	if (ret) {
		dev_warn_ratelimited(&wl->dev, "a new vfd with %u bytes of memory at %#llx: not there\n",
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
		dev_warn_ratelimited(&wl->dev, "a new vfd with the id %#x: taken, or one too many\n",
				     id);
		wl_vfd_put(vfd);
	}
}

/* The vfd with this id, with a reference, unless it is being closed. Under vfds_lock. */
static struct wl_vfd *wl_vfd_find(struct wl_device *wl, u32 id)
{
	struct wl_vfd *vfd;

	lockdep_assert_held(&wl->vfds_lock);
	vfd = idr_find(&wl->vfds, id);
	return vfd && kref_get_unless_zero(&vfd->ref) ? vfd : NULL;
}

/*
 * A message with room for so many vfds, whose data is a copy, or lies in the buffer
 * where keep says so. It is charged for the vfds as well, which are larger than it is.
 */
static struct wl_message *wl_message_new(struct wl_device *wl, u32 count, const void *data,
					 u32 length, void *keep)
{
	size_t size = struct_size((struct wl_message *)NULL, fds, count) + (keep ? 0 : length);
	struct wl_message *message = kmalloc(size, GFP_KERNEL);

	if (!message)
		return NULL;
	message->charge = size + count * (sizeof(struct wl_vfd) + sizeof(struct wl_request));
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
	atomic_long_add(message->charge, &wl->queued);
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
	count = le32_to_cpu(READ_ONCE(recv->vfd_count));
	if (count > length / sizeof(*ids)) {
		dev_warn_ratelimited(&wl->dev, "a transaction with %u vfds in %u bytes\n", count,
				     length);
		return false;
	}
	length -= count * sizeof(*ids);
	if (!count && !length)
		return false;

	mutex_lock(&wl->vfds_lock);
	vfd = wl_vfd_find(wl, le32_to_cpu(READ_ONCE(recv->id)));
	if (vfd && length && READ_ONCE(vfd->queued) >= WL_VFD_QUEUED_MAX)
		keep = recv;
	message = wl_message_new(wl, count, ids + count, length, keep);
	for (i = 0; i < count && message; i++) {
		id = le32_to_cpu(READ_ONCE(ids[i]));
		came = idr_find(&wl->vfds, id);
		if (!came || !came->unclaimed) {
			dev_warn_ratelimited(&wl->dev, "a transaction with the vfd %#x: not to be given\n",
					     id);
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
		/*
		 * Nothing comes after the end, nobody reads from memory or from a pipe's writing
		 * end, and what is left with nothing in it would look like the end.
		 */
		wanted = message && (message->fd_count || length) && !vfd->hup && !vfd->memory &&
			 wl_vfd_file_flags(vfd) != O_WRONLY;
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
	/* Its vfd was closed while it was on its way, or never existed. */
	if (message) {
		message->buffer = NULL;
		wl_message_free(wl, message);
	}
	return false;
}

static void wl_in_hup(struct wl_device *wl, const struct wl_id_message *hup, unsigned int length)
{
	struct wl_vfd *vfd;
	u32 id;

	if (length < sizeof(*hup)) {
		dev_warn_ratelimited(&wl->dev, "a hang-up in %u bytes\n", length);
		return;
	}
	id = le32_to_cpu(READ_ONCE(hup->id));
	if (!id) {
		wl_vfds_forget(wl);
		return;
	}
	mutex_lock(&wl->vfds_lock);
	vfd = wl_vfd_find(wl, id);
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
	u32 type;

	if (length < sizeof(*header)) {
		dev_warn_ratelimited(&wl->dev, "a message of %u bytes\n", length);
		return false;
	}
	type = le32_to_cpu(READ_ONCE(header->type));
	switch (type) {
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
		dev_warn_ratelimited(&wl->dev, "a message of the unknown type %#x\n", type);
	}
	return false;
}

/* Alone touches the in queue, from probe to remove. */
void wl_in_work(struct work_struct *work)
{
	struct wl_device *wl = container_of(work, struct wl_device, in_work);
	unsigned int length, taken = 0;
	struct llist_node *node, *next;
	bool more = true, added = false;
	LIST_HEAD(rested);
	void *buffer;

	/* Whatever was sent to these is in the queue by now. */
	spin_lock_irq(&wl->out_lock);
	list_splice_init(&wl->resting, &rested);
	spin_unlock_irq(&wl->out_lock);
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
	if (virtqueue_is_broken(wl->in)) {
		spin_lock_irq(&wl->out_lock);
		wl_request_break(wl);
		spin_unlock_irq(&wl->out_lock);
	} else if (taken == WL_IN_BATCH) {
		wl_schedule(wl, &wl->in_work);
	}
	if (more) {
		/* There may be something for them yet. */
		spin_lock_irq(&wl->out_lock);
		if (!wl->gone)
			list_splice_init(&rested, &wl->resting);
		spin_unlock_irq(&wl->out_lock);
	}
out:
	wl_vfds_free(&rested);
	put_device(&wl->dev);
}

void wl_in_ready(struct virtqueue *vq)
{
	struct wl_device *wl = vq->vdev->priv;

	wl_schedule(wl, &wl->in_work);
}

int wl_in_fill(struct wl_device *wl)
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

void wl_in_free(struct wl_device *wl)
{
	void *buffer;

	while ((buffer = virtqueue_detach_unused_buf(wl->in)))
		kfree(buffer);
}
