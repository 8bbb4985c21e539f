/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virtio_wl's two queues carry. Little-endian, no padding but what is
 * named. Queue 0 ("in") brings messages of the device, at most WL_BUFFER_SIZE
 * bytes each; queue 1 ("out") takes a request and a buffer for its answer.
 */
#ifndef VIRTIO_WL_WIRE_H_
#define VIRTIO_WL_WIRE_H_

#include <linux/build_bug.h>
#include <linux/types.h>

#include "virtwl_uapi.h"

/* virtio_wl's first id, and the one that ChromeOS and crosvm moved it to. */
#define VIRTIO_ID_WL_FIRST 30
#define VIRTIO_ID_WL_CROS 63

#define VIRTIO_WL_F_TRANS_FLAGS 1	/* WL_VFD_READ and WRITE, not MAP and CONTROL */
#define VIRTIO_WL_F_USE_SHMEM 3		/* pfns count from the shared memory region */

#define WL_SHM_REGION 0
#define WL_BUFFER_SIZE 4096
#define WL_PFN_SHIFT 12
/* With USE_SHMEM, the pfn of a vfd that is no memory. */
#define WL_PFN_NONE (BIT_ULL(32) >> WL_PFN_SHIFT)

/* Ids that the device makes have this bit, those that we make have not. */
#define WL_ID_HOST 0x40000000u
#define WL_ID_SIGN 0x80000000u

#define WL_VFD_WRITE BIT(0)
#define WL_VFD_READ BIT(1)

enum wl_type {
	WL_CMD_NEW = 0x100,
	WL_CMD_CLOSE,
	WL_CMD_SEND,
	WL_CMD_RECV,			/* device to driver */
	WL_CMD_NEW_CTX,
	WL_CMD_NEW_PIPE,
	WL_CMD_HUP,			/* device to driver */
	WL_CMD_NEW_DMABUF,
	WL_CMD_DMABUF_SYNC,
	WL_CMD_SEND_FOREIGN_ID,		/* not used: virtio-gpu only */
	WL_CMD_NEW_CTX_NAMED,

	WL_RESP_OK = 0x1000,
	WL_RESP_VFD_NEW,
	WL_RESP_VFD_NEW_DMABUF,
	WL_RESP_ERR = 0x1100,
	WL_RESP_OUT_OF_MEMORY,
	WL_RESP_INVALID_ID,
	WL_RESP_INVALID_TYPE,
	WL_RESP_INVALID_FLAGS,
	WL_RESP_INVALID_CMD,
};

struct wl_header {
	__le32 type;
	__le32 flags;
};

/* CLOSE, HUP. */
struct wl_id_message {
	struct wl_header header;
	__le32 id;
};

struct wl_dmabuf_sync {
	struct wl_header header;
	__le32 id;
	__le32 flags;
};

/*
 * SEND, RECV: a __le32 id for each of the vfds, then data to the end. Spelled
 * as one block, since the device counts the ids and we must check its count.
 */
struct wl_transaction {
	struct wl_header header;
	__le32 id;
	__le32 vfd_count;
	u8 body[];
};

struct wl_dmabuf {
	__le32 width;
	__le32 height;
	__le32 format;
	__le32 strides[3];
	__le32 offsets[3];
};

/* Every NEW_*, its answer, and the device's own NEW. */
struct wl_new {
	struct wl_header header;
	__le32 id;
	__le32 flags;
	__le64 pfn;
	__le32 size;
	union {
		__le32 pad;
		struct wl_dmabuf dmabuf;
		char name[VIRTWL_NAME_SIZE];
	};
};

/* What a NEW or its answer has at the least: up to and with its size. */
#define WL_NEW_MIN offsetofend(struct wl_new, size)

static_assert(sizeof(struct wl_new) == 64);
static_assert(offsetof(struct wl_new, size) == 24);
static_assert(offsetof(struct wl_new, name) == 28);
static_assert(offsetof(struct wl_new, dmabuf) == 28);
static_assert(sizeof(struct wl_transaction) == 16);

#endif /* VIRTIO_WL_WIRE_H_ */
