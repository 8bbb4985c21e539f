// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making vfds: VIRTWL_IOCTL_NEW, on the device's node and on vfds. The vfd gets
 * its id first, under which messages find it as soon as the device knows it; what
 * the device answers is believed as far as it can be checked.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "virtio_wl.h"

/* Most vfds that the guest makes: the ids 1 to 2047 of the ABI. */
#define WL_GUEST_IDS_END 2048

bool wl_is_ioctl_new(unsigned int cmd)
{
	return _IOC_TYPE(cmd) == VIRTWL_IOCTL_BASE && _IOC_NR(cmd) == _IOC_NR(VIRTWL_IOCTL_NEW);
}

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
		if (wait_event_interruptible(wl->out_wait,
					     atomic_read(&wl->ids_freed) != freed || wl->gone))
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
static int wl_new_answer(struct wl_vfd *vfd, const struct wl_request *req,
			 struct virtwl_ioctl_new *arg)
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
		/* crosvm's device says nothing of a pipe's direction: it is what was asked for. */
		if (!vfd->flags && arg->type == VIRTWL_IOCTL_NEW_PIPE_READ)
			vfd->flags = WL_VFD_READ;
		if (!vfd->flags && arg->type == VIRTWL_IOCTL_NEW_PIPE_WRITE)
			vfd->flags = WL_VFD_WRITE;
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
	/* Programs of others end on this, some without a word. */
	if (ret == -ENOMEM && arg->type == VIRTWL_IOCTL_NEW_ALLOC)
		dev_notice_ratelimited(&wl->dev,
				       "%s[%d]: the host has no memory of %u bytes for it; its log of this VM says why\n",
				       current->comm, task_pid_nr(current), arg->size);
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

/*
 * size: how much of the struct the caller knows, from its ioctl number. Older callers'
 * ends before the image.
 */
long wl_ioctl_new(struct wl_device *wl, bool nonblock, void __user *user, size_t size)
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
	if (arg.type == VIRTWL_IOCTL_NEW_DMABUF &&
	    size < offsetofend(struct virtwl_ioctl_new, dmabuf))
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
