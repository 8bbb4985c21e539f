/*
 * The gpu device as a C program of a guest sees it: the ioctls of the kernel's virtio_gpu, as far as they are used here
 * and by the kernel's names (Debian has that header in libdrm alone), cross-domain's commands, and openings of the
 * device with a ring.
 */
#ifndef VIRTWL_TEST_GPU_GUEST_H_
#define VIRTWL_TEST_GPU_GUEST_H_

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PAGE
#define PAGE 4096u
#endif
#define NODE "/dev/dri/renderD128"

struct drm_gem_close {
  uint32_t handle, pad;
};
struct drm_prime_handle {
  uint32_t handle, flags;
  int32_t fd;
};
struct drm_virtgpu_map {
  uint64_t offset;
  uint32_t handle, pad;
};
struct drm_virtgpu_execbuffer {
  uint32_t flags, size;
  uint64_t command, bo_handles;
  uint32_t num_bo_handles;
  int32_t fence_fd;
  uint32_t ring_idx, pad;
};
struct drm_virtgpu_param {
  uint64_t param, value;
};
struct drm_virtgpu_resource_info {
  uint32_t bo_handle, res_handle, size, blob_mem;
};
struct drm_virtgpu_3d_wait {
  uint32_t handle, flags;
};
struct drm_virtgpu_resource_create_blob {
  uint32_t blob_mem, blob_flags, bo_handle, res_handle;
  uint64_t size;
  uint32_t pad, cmd_size;
  uint64_t cmd, blob_id;
};
struct drm_virtgpu_context_init {
  uint32_t num_params, pad;
  uint64_t ctx_set_params;
};

#define DRM_DRIVER(number, type) _IOWR('d', 0x40 + (number), type)
#define DRM_IOCTL_GEM_CLOSE _IOW('d', 0x09, struct drm_gem_close)
#define DRM_IOCTL_PRIME_HANDLE_TO_FD _IOWR('d', 0x2d, struct drm_prime_handle)
#define DRM_IOCTL_PRIME_FD_TO_HANDLE _IOWR('d', 0x2e, struct drm_prime_handle)
#define DRM_IOCTL_VIRTGPU_MAP DRM_DRIVER(0x01, struct drm_virtgpu_map)
#define DRM_IOCTL_VIRTGPU_EXECBUFFER DRM_DRIVER(0x02, struct drm_virtgpu_execbuffer)
#define DRM_IOCTL_VIRTGPU_GETPARAM DRM_DRIVER(0x03, struct drm_virtgpu_param)
#define DRM_IOCTL_VIRTGPU_RESOURCE_INFO DRM_DRIVER(0x05, struct drm_virtgpu_resource_info)
#define DRM_IOCTL_VIRTGPU_WAIT DRM_DRIVER(0x08, struct drm_virtgpu_3d_wait)
#define DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB DRM_DRIVER(0x0a, struct drm_virtgpu_resource_create_blob)
#define DRM_IOCTL_VIRTGPU_CONTEXT_INIT DRM_DRIVER(0x0b, struct drm_virtgpu_context_init)

#define DRM_CLOEXEC O_CLOEXEC
#define DRM_RDWR O_RDWR
#define VIRTGPU_EXECBUF_RING_IDX 4
#define VIRTGPU_WAIT_NOWAIT 1
#define VIRTGPU_CONTEXT_PARAM_CAPSET_ID 1
#define VIRTGPU_CONTEXT_PARAM_NUM_RINGS 2
#define VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK 3
#define VIRTGPU_BLOB_MEM_GUEST 1
#define VIRTGPU_BLOB_MEM_HOST3D 2
#define VIRTGPU_BLOB_MEM_HOST3D_GUEST 3
#define VIRTGPU_BLOB_FLAG_USE_MAPPABLE 1
#define VIRTGPU_BLOB_FLAG_USE_SHAREABLE 2

/* Cross-domain: the capset, its commands, kinds of channels, and words of SEND before its data. */
#define CAPSET 5
enum command { INIT = 1, IMAGE, POLL_RING, SEND, RECEIVE, READ_PIPE, WRITE_PIPE, CONNECTED = 0x40, HANG_UP };
#define CHANNEL_NONE 0
#define CHANNEL_WAYLAND 1
#define CHANNEL_NAMED 30
#define SENT 28
#define SENT_WORDS (4 + 3 * SENT)
#define R8 0x20203852u
/* Words of the ring in which the answer to IMAGE has its size and its blob. */
#define RING_SIZE 10
#define RING_BLOB 12

struct context {
  int fd;
  /* The ring, as memory that the device writes, and its handle and resource. */
  volatile uint32_t* ring;
  uint32_t handle, resource;
};

static inline int blob(int fd, uint32_t memory, uint32_t flags, uint64_t size, uint64_t id, uint32_t* handle,
                       uint32_t* resource) {
  struct drm_virtgpu_resource_create_blob arg = {.blob_mem = memory, .blob_flags = flags, .size = size, .blob_id = id};
  int failed = ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &arg);

  *handle = arg.bo_handle;
  *resource = arg.res_handle;
  return failed;
}

static inline void* map_handle(int fd, uint32_t handle, size_t length) {
  struct drm_virtgpu_map arg = {.handle = handle};

  if (ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &arg)) return MAP_FAILED;
  return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)arg.offset);
}

/* With a fence of that ring, or none for -1. */
static inline int submit(int fd, const void* bytes, uint32_t length, int ring) {
  struct drm_virtgpu_execbuffer arg = {.size = length, .command = (uintptr_t)bytes};

  if (ring >= 0) {
    arg.flags = VIRTGPU_EXECBUF_RING_IDX;
    arg.ring_idx = (uint32_t)ring;
  }
  return ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &arg);
}

static inline uint32_t head(uint8_t command, uint32_t length) { return command | length << 16; }

static inline int ask_poll(const struct context* context) {
  uint32_t words[4] = {head(POLL_RING, 16), 0, 0, 0};

  return submit(context->fd, words, sizeof(words), 1);
}

/* An opening of the device with a ring. What a failure leaves is for close_context. */
static inline int open_node(struct context* context) {
  struct drm_virtgpu_param params[] = {{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET},
                                       {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2},
                                       {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 2}};
  struct drm_virtgpu_context_init init = {.num_params = 3, .ctx_set_params = (uintptr_t)params};

  memset(context, 0, sizeof(*context));
  context->fd = open(NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (context->fd < 0) return -1;
  if (ioctl(context->fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init) ||
      blob(context->fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, PAGE, 0, &context->handle,
           &context->resource))
    return -1;
  context->ring = map_handle(context->fd, context->handle, PAGE);
  if (context->ring == MAP_FAILED) {
    context->ring = NULL;
    return -1;
  }
  return 0;
}

static inline int init_channel(const struct context* context, uint32_t type, const char* name, uint32_t length) {
  uint32_t words[13] = {head(INIT, length), 0, context->resource, context->resource, type};

  if (name) memcpy(&words[5], name, strlen(name));
  return submit(context->fd, words, length, -1);
}

static inline void close_context(struct context* context) {
  struct context gone = *context;

  memset(context, 0, sizeof(*context));
  if (gone.ring) munmap((void*)gone.ring, PAGE);
  if (gone.fd > 2) close(gone.fd);
}

#endif /* VIRTWL_TEST_GPU_GUEST_H_ */
