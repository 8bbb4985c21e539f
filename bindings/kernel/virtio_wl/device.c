// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device's coming and going, and its node, /dev/wl0. Each vfd holds the struct
 * wl_device; after the device was taken away, what is left of it answers ENODEV.
 */

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/reboot.h>
#include <linux/slab.h>

#include "compat.h"
#include "virtio_wl.h"

/* Most wl devices of one guest; each is a minor number. */
#define WL_DEVICES_MAX 8

static dev_t wl_dev_base;
static DEFINE_IDA(wl_minors);
static struct vfsmount *wl_mount;
static struct class *wl_class;
static struct workqueue_struct *wl_workers;

/* Queues the work with a reference to the device, which the work puts as the last thing it does. */
void wl_schedule(struct wl_device *wl, struct work_struct *work)
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
	return wl_ioctl_new(file->private_data, file->f_flags & O_NONBLOCK, (void __user *)arg,
			    _IOC_SIZE(cmd));
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
	static const char * const names[] = { "in", "out" };
	vq_callback_t *callbacks[] = { wl_in_ready, wl_out_done };
	struct virtqueue *vqs[2];
	int ret;

	ret = wl_find_vqs(wl->vdev, vqs, callbacks, names);
	if (ret)
		return ret;
	wl->in = vqs[0];
	wl->out = vqs[1];
	return 0;
}

static int wl_reboot(struct notifier_block *block, unsigned long event, void *data)
{
	struct wl_device *wl = container_of(block, struct wl_device, reboot);

	wl_memory_close_all(wl);
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
	INIT_LIST_HEAD(&wl->resting);
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
		if (!devm_request_mem_region(&vdev->dev, wl->region.addr, wl->region.len,
					     KBUILD_MODNAME)) {
			dev_err(&vdev->dev, "the shared memory at %#llx belongs to another driver\n",
				wl->region.addr);
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
	ret = wl_in_fill(wl);
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
	wl_in_free(wl);
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
	wl_memory_close_all(wl);

	/* From here on only we touch the queues. */
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
	wl_in_free(wl);
	vdev->config->del_vqs(vdev);

	/* Ends every vfd: hang-ups for readers, faults for processes with memory mapped. */
	wl_vfds_forget(wl);
	wl_schedule(wl, &wl->reap_work);
	wake_up_all(&wl->out_wait);
	/* Files that are still open hold wl; each vfd ends with its own. */
	/* From now on another driver may have the region; nothing maps it any more. */
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
	wl_class = wl_class_create("wl");
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
