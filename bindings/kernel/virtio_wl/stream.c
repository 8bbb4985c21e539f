// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading and writing. What comes is a stream of bytes with vfds at places in it,
 * whatever the messages were; what goes is one transaction a call.
 */

#include <linux/file.h>
#include <linux/lockdep.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "virtio_wl.h"

/* Most data in one transaction; what crosses is copied in one piece. */
#define WL_SEND_MAX SZ_1M
/* Most data of one write(2), which may be short. */
#define WL_WRITE_MAX SZ_64K

/* Nothing of the message is left for a reader. */
static bool wl_message_spent(const struct wl_message *message)
{
	return message->fds_taken == message->fd_count && message->taken == message->length;
}

/*
 * The message after this one, or the first one, or NULL. Under read_lock: only its
 * holder takes messages away.
 */
static struct wl_message *wl_message_next(struct wl_vfd *vfd, struct wl_message *message)
{
	struct list_head *next;

	lockdep_assert_held(&vfd->read_lock);
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
 * take vfds, passes by them as it does on a socket. Under read_lock.
 */
static int wl_take_copy(struct wl_vfd *vfd, struct wl_take *take, u8 __user *data, size_t room,
			bool with_fds)
{
	struct wl_message *message = NULL;

	lockdep_assert_held(&vfd->read_lock);
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

/* Takes away what wl_take_copy() copied and listed. Under the same read_lock. */
static void wl_take_commit(struct wl_vfd *vfd, const struct wl_take *take, bool with_fds)
{
	size_t bytes = take->bytes;
	unsigned int fds = take->fd_count;
	struct wl_message *message;

	lockdep_assert_held(&vfd->read_lock);
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

/* Waits until there is something to read or the end. When it returns 0, read_lock is held. */
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

ssize_t wl_vfd_read(struct file *file, char __user *buffer, size_t size, loff_t *pos)
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

long wl_vfd_recv(struct file *file, struct virtwl_ioctl_txn __user *txn)
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
static int wl_send_files(struct wl_request *req, struct wl_device *wl, const s32 *fds,
			 unsigned int count)
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

/*
 * To a vfd whose other end has hung up, the device answers with its plain error. That is the end of
 * a pipe or a connection, and not of the device.
 */
static int wl_send_result(const struct wl_vfd *vfd, int ret)
{
	if (ret == -ENODEV && READ_ONCE(vfd->hup) && !READ_ONCE(vfd->wl->gone))
		return -EPIPE;
	return ret;
}

/* An error of an earlier transaction, told once; or, without waiting, a place for this one. */
static int wl_send_begin(struct wl_vfd *vfd, bool nonblock)
{
	struct wl_device *wl = vfd->wl;
	int ret;

	spin_lock_irq(&wl->out_lock);
	wl_out_catch_up(wl);
	ret = wl_send_result(vfd, vfd->send_error);
	vfd->send_error = 0;
	if (!ret && wl->gone)
		ret = -ENODEV;
	/* A pipe without a reader. A connection may still be read at its other end. */
	if (!ret && READ_ONCE(vfd->hup) && !(vfd->flags & WL_VFD_READ))
		ret = -EPIPE;
	if (!ret && READ_ONCE(vfd->lost))
		ret = -ENOENT;
	if (!ret && nonblock) {
		if (vfd->sends == WL_SENDS_MAX)
			wl_sends_await(vfd);
		if (vfd->sends < WL_SENDS_MAX)
			vfd->sends++;
		else
			ret = -EAGAIN;
	}
	spin_unlock_irq(&wl->out_lock);
	return ret;
}

/* Sends up to 28 vfds and bytes. */
static long wl_vfd_send_transaction(struct file *file, const void __user *data, size_t length,
				    const s32 *fds)
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
	req = wl_request_new(wl, sizeof(*send) + count * sizeof(__le32) + length,
			     sizeof(struct wl_header));
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
			ret = wl_send_result(vfd, wl_request_wait(wl, req));
		goto put;
	}
	/* Without a reference: the file holds the vfd while we are here, and its end sees to it. */
	req->sender = vfd;
	ret = wl_request_queue(wl, req, true);
	if (ret) {
		spin_lock_irq(&wl->out_lock);
		vfd->sends--;
		wake_up_all(&vfd->in_wait);
		spin_unlock_irq(&wl->out_lock);
	}
put:
	wl_request_put(req);
	return ret;
}

ssize_t wl_vfd_write(struct file *file, const char __user *buffer, size_t size, loff_t *pos)
{
	size_t length = min_t(size_t, size, WL_WRITE_MAX);
	long ret = wl_vfd_send_transaction(file, buffer, length, NULL);

	return ret ? ret : length;
}

long wl_vfd_send(struct file *file, const struct virtwl_ioctl_txn __user *txn)
{
	struct virtwl_ioctl_txn head;

	if (copy_from_user(&head, txn, sizeof(head)))
		return -EFAULT;
	return wl_vfd_send_transaction(file, txn->data, head.len, head.fds);
}
