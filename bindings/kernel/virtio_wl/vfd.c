// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A vfd's life, and its file. It lives until its last reference is put (its
 * file's, or that of the message that it came in), then CLOSE goes to the device,
 * and only the answer frees its id. That is wl_reap()'s work, one after the other:
 * vfds can lie unread in messages of vfds that lie unread, to any depth.
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-buf.h>

#include "virtio_wl.h"

struct wl_vfd *wl_vfd_new(struct wl_device *wl)
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

void wl_vfds_free(struct list_head *closed)
{
	struct wl_vfd *vfd, *next;

	list_for_each_entry_safe(vfd, next, closed, link)
		wl_vfd_free(vfd);
}

/*
 * The device has answered the CLOSE. What it had sent to the vfd before that may still lie in
 * the in queue, and would be taken for the next vfd's of that id: so the id is free when
 * in_work has found the queue empty.
 */
static void wl_vfd_rest(struct wl_device *wl, struct wl_vfd *vfd)
{
	spin_lock_irq(&wl->out_lock);
	list_add_tail(&vfd->link, &wl->resting);
	spin_unlock_irq(&wl->out_lock);
	wl_schedule(wl, &wl->in_work);
}

/* Of a device that is gone nothing comes any more. */
static void wl_vfds_wake(struct wl_device *wl)
{
	LIST_HEAD(rested);

	spin_lock_irq(&wl->out_lock);
	list_splice_init(&wl->resting, &rested);
	spin_unlock_irq(&wl->out_lock);
	wl_vfds_free(&rested);
}

static void wl_vfd_last_put(struct kref *ref)
{
	struct wl_vfd *vfd = container_of(ref, struct wl_vfd, ref);
	struct wl_device *wl = vfd->wl;
	unsigned long flags;

	atomic_inc(&wl->closing);
	spin_lock_irqsave(&wl->out_lock, flags);
	wl_sends_abandon(vfd);
	list_add_tail(&vfd->link, &wl->dying);
	wl_schedule(wl, &wl->reap_work);
	spin_unlock_irqrestore(&wl->out_lock, flags);
}

void wl_vfd_put(struct wl_vfd *vfd)
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
	wl_out_catch_up(wl);
	ret = list_empty(&wl->backlog) || wl->gone ? wl_request_add(wl, req) : -ENOSPC;
	if (ret == -ENOSPC)
		list_add_tail(&req->link, &wl->backlog);
	wl_out_settle(wl);
	if (!ret) {
		virtqueue_kick(wl->out);
	} else if (ret != -ENOSPC) {
		/* Nobody is there to tell. */
		wl_request_answered(req, 0, ret);
	}
	spin_unlock_irq(&wl->out_lock);
}

/*
 * Ends vfds: those let go, those whose CLOSE was answered, those made for a process that
 * was killed meanwhile, and all of a broken device.
 */
void wl_reap(struct work_struct *work)
{
	struct wl_device *wl = container_of(work, struct wl_device, reap_work);
	struct wl_request *req;
	struct wl_vfd *vfd;

	if (READ_ONCE(wl->gone))
		wl_vfds_forget(wl);
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
				wl_vfd_rest(wl, req->vfd);
			else
				wl_vfd_put(req->vfd);
			wl_request_put(req);
		}
		cond_resched();
	} while (req || vfd);
	if (READ_ONCE(wl->gone))
		wl_vfds_wake(wl);
	put_device(&wl->dev);
}

/*
 * The device has forgotten all vfds: it was started anew. It says so with the
 * HUP of id 0, an id that nothing has; a device that never says it loses nothing.
 */
void wl_vfds_forget(struct wl_device *wl)
{
	struct wl_vfd *vfd;
	int id;

	mutex_lock(&wl->vfds_lock);
	idr_for_each_entry(&wl->vfds, vfd, id) {
		bool unclaimed = vfd->unclaimed;

		/* Not those just being asked for, and those whose CLOSE is under way. */
		if (!READ_ONCE(vfd->known) || (!unclaimed && !kref_get_unless_zero(&vfd->ref)))
			continue;
		vfd->unclaimed = false;
		spin_lock(&vfd->in_lock);
		vfd->known = false;
		vfd->lost = true;
		spin_unlock(&vfd->in_lock);
	}
	wl->unclaimed = 0;
	/* A process that learns of the end below finds no memory any more. */
	wl_memory_unmap_all(wl);
	idr_for_each_entry(&wl->vfds, vfd, id) {
		if (!vfd->lost)
			continue;
		idr_remove(&wl->vfds, id);
		spin_lock(&vfd->in_lock);
		vfd->hup = true;
		spin_unlock(&vfd->in_lock);
		wake_up_all(&vfd->in_wait);
		wl_vfd_put(vfd);
	}
	mutex_unlock(&wl->vfds_lock);
}

/* Access mode of the vfd's file. */
int wl_vfd_file_flags(const struct wl_vfd *vfd)
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

/*
 * A file for the vfd, without a reference to it as yet: the caller says wl_file_arm() when
 * it is to own one.
 */
struct file *wl_vfd_file(struct wl_vfd *vfd)
{
	struct file *file;

	file = anon_inode_getfile("[virtwl_vfd]", &wl_vfd_fops, NULL, wl_vfd_file_flags(vfd));
	if (IS_ERR(file))
		return file;
	stream_open(NULL, file);
	file->f_mapping = vfd->wl->inode->i_mapping;
	return file;
}

void wl_file_arm(struct file *file, struct wl_vfd *vfd)
{
	file->private_data = vfd;
}

static long wl_vfd_dmabuf_sync(struct wl_vfd *vfd,
			       const struct virtwl_ioctl_dmabuf_sync __user *arg)
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
	wl_out_catch_up(wl);
	if (vfd->sends == WL_SENDS_MAX)
		wl_sends_await(vfd);
	/* Only now: of those that ended meanwhile, and were not awaited, nobody is told. */
	if (wl->gone)
		mask |= EPOLLERR | EPOLLHUP;
	else if (wl->out->num_free < 2 || wl->out->num_free <= wl_sends_spare(wl, vfd->sends) ||
		 !list_empty(&wl->backlog))
		wl->starved = true;
	else if (vfd->sends < WL_SENDS_MAX)
		mask |= EPOLLOUT | EPOLLWRNORM;
	wl_out_settle(wl);
	spin_unlock_irq(&wl->out_lock);
	return mask;
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
			return wl_ioctl_new(vfd->wl, file->f_flags & O_NONBLOCK, user,
					    _IOC_SIZE(cmd));
		return -ENOTTY;
	}
}

const struct file_operations wl_vfd_fops = {
	.owner = THIS_MODULE,
	.read = wl_vfd_read,
	.write = wl_vfd_write,
	.poll = wl_vfd_poll,
	.mmap = wl_vfd_mmap,
	.unlocked_ioctl = wl_vfd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = wl_vfd_release,
};
