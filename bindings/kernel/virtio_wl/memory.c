// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory, and mapping it, page by page as it is touched, from the device's shared
 * memory region, write-back cached: the kernel's own mapping of the region, which
 * nothing here reads, is what makes x86 choose that. All mappings share one address
 * space, so that those of a device that is gone can be taken away: users get SIGBUS
 * then, not another device's memory.
 */

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>

#include "compat.h"
#include "virtio_wl.h"

/* Pages mapped at one fault: 256 KiB, aligned. */
#define WL_FAULT_PAGES 64
/* How long to wait for each answer before a reset: a device that lives needs a thousandth of it. */
#define WL_RESET_PATIENCE (2 * HZ)

/* Memory that the device says is there: only what may be mapped is taken over into the vfd. */
int wl_vfd_set_memory(struct wl_vfd *vfd, u64 pfn, u32 size)
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
		if (start + whole < start || pfn_valid(PHYS_PFN(start)) ||
		    pfn_valid(PHYS_PFN(start + whole - 1)) ||
		    region_intersects(start, whole, IORESOURCE_SYSTEM_RAM,
				      IORES_DESC_NONE) != REGION_DISJOINT)
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

bool wl_pfn_is_memory(struct wl_device *wl, u64 pfn, u32 size)
{
	return size && (wl->use_shmem ? pfn != WL_PFN_NONE : pfn != 0);
}

static vm_fault_t wl_vfd_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct wl_vfd *vfd = vma->vm_file->private_data;
	struct wl_device *wl = vfd->wl;
	unsigned long around = ALIGN_DOWN(vmf->address, WL_FAULT_PAGES * PAGE_SIZE);
	unsigned long page = max(vma->vm_start, around);
	unsigned long end = min(vma->vm_end, around + WL_FAULT_PAGES * PAGE_SIZE);
	unsigned long address = vmf->address & PAGE_MASK;
	/* What address 0 would show. */
	unsigned long base = PHYS_PFN(vfd->phys) + vma->vm_pgoff - PHYS_PFN(vma->vm_start);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&wl->map_sem);
	if (!READ_ONCE(wl->gone) && !READ_ONCE(vfd->lost)) {
		/* The page that is needed, then its neighbours, where nothing hangs on success. */
		ret = vmf_insert_pfn(vma, address, base + PHYS_PFN(address));
		for (; ret == VM_FAULT_NOPAGE && page < end; page += PAGE_SIZE) {
			if (page != address &&
			    vmf_insert_pfn(vma, page, base + PHYS_PFN(page)) != VM_FAULT_NOPAGE)
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
int wl_vfd_mmap(struct file *file, struct vm_area_struct *vma)
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
	wl_vm_flags_set(vma, VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &wl_vm_ops;
	return 0;
}

/* Takes away what is mapped of vfds that are lost, or of a device that is gone. */
void wl_memory_unmap_all(struct wl_device *wl)
{
	/* Faults that did not see this end; those that come see it. */
	down_write(&wl->map_sem);
	up_write(&wl->map_sem);
	unmap_mapping_range(wl->inode->i_mapping, 0, 0, 1);
}

/*
 * Closes all memory at the device, which is to be reset next: QEMU 11.1 can crash
 * when a device starts anew whose memory was still mapped at its reset. Best effort:
 * a device that does not answer is left alone. The vfds are lost afterwards.
 */
void wl_memory_close_all(struct wl_device *wl)
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
		answers = !wl_request_try(wl, req) &&
			  wait_for_completion_timeout(&req->done, WL_RESET_PATIENCE);
		wl_request_put(req);
	}
}
