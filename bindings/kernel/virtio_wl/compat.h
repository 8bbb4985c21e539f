/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that this driver is for, from 6.1 on, and nothing else does. */
#ifndef VIRTIO_WL_COMPAT_H_
#define VIRTIO_WL_COMPAT_H_

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/virtio_config.h>

static inline void wl_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline struct class *wl_class_create(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/* Finds both queues. */
static inline int wl_find_vqs(struct virtio_device *vdev, struct virtqueue *vqs[2],
			      vq_callback_t *callbacks[2], const char * const names[2])
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info info[] = {
		{ names[0], callbacks[0] },
		{ names[1], callbacks[1] },
	};

	return virtio_find_vqs(vdev, 2, vqs, info, NULL);
#else
	return virtio_find_vqs(vdev, 2, vqs, callbacks, names, NULL);
#endif
}

#endif /* VIRTIO_WL_COMPAT_H_ */
