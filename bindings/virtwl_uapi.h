/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Interface of the virtio_wl guest driver: ioctls on /dev/wl0 and on the virtual file descriptors (vfds) that it makes.
 * Plain C, for the driver as well as for its users. Layout and numbers are those of ChromeOS kernels' linux/virtwl.h;
 * bindings/c/virtwl.c asserts them.
 */
#ifndef VIRTWL_UAPI_H_
#define VIRTWL_UAPI_H_

#include <linux/ioctl.h>
#include <linux/types.h>

/* The most vfds in one transaction. */
#define VIRTWL_SEND_MAX_ALLOCS 28

/* The name of a host socket, with its NUL. */
#define VIRTWL_NAME_SIZE 32

/* What VIRTWL_IOCTL_NEW makes. */
enum virtwl_ioctl_new_type {
  VIRTWL_IOCTL_NEW_CTX = 0,        /* a connection to the default host socket */
  VIRTWL_IOCTL_NEW_ALLOC = 1,      /* memory */
  VIRTWL_IOCTL_NEW_PIPE_READ = 2,  /* a pipe whose reading end stays here */
  VIRTWL_IOCTL_NEW_PIPE_WRITE = 3, /* a pipe whose writing end stays here */
  VIRTWL_IOCTL_NEW_DMABUF = 4,     /* an image */
  VIRTWL_IOCTL_NEW_CTX_NAMED = 5,  /* a connection to the host socket of that name */
};

struct virtwl_ioctl_new {
  __u32 type;
  __s32 fd;    /* out: the new vfd */
  __u32 flags; /* 0 */
  union {
    __u32 size; /* ALLOC and pipes */
    struct {
      __u32 width;
      __u32 height;
      __u32 format;
      __u32 stride0;
      __u32 stride1;
      __u32 stride2;
      __u32 offset0;
      __u32 offset1;
      __u32 offset2;
    } dmabuf;
    char name[VIRTWL_NAME_SIZE]; /* CTX_NAMED */
  };
};

struct virtwl_ioctl_txn {
  __s32 fds[VIRTWL_SEND_MAX_ALLOCS]; /* unused ones are -1, and after all others */
  __u32 len;                         /* bytes of data; for RECV, in: room, out: received */
  __u8 data[];
};

struct virtwl_ioctl_dmabuf_sync {
  __u32 flags;
};

#define VIRTWL_IOCTL_BASE 'w'

#define VIRTWL_IOCTL_NEW _IOWR(VIRTWL_IOCTL_BASE, 0x00, struct virtwl_ioctl_new)
/* The directions of these two look swapped. They are the ABI. */
#define VIRTWL_IOCTL_SEND _IOR(VIRTWL_IOCTL_BASE, 0x01, struct virtwl_ioctl_txn)
#define VIRTWL_IOCTL_RECV _IOW(VIRTWL_IOCTL_BASE, 0x02, struct virtwl_ioctl_txn)
#define VIRTWL_IOCTL_DMABUF_SYNC _IOR(VIRTWL_IOCTL_BASE, 0x03, struct virtwl_ioctl_dmabuf_sync)

#endif /* VIRTWL_UAPI_H_ */
