/* SPDX-License-Identifier: MIT */
/*
 * The device, contexts, messages, memory and pipes of /dev/wl0: what passes through here are the ioctls of
 * linux/virtwl.h, and no more. The library and the native addon are both made of it. What each function does is
 * documented in virtwl.h.
 */
#define _GNU_SOURCE
#include "virtwl.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../virtwl_uapi.h"

/* The ABI in numbers. These are facts about other people's kernels: if one of them fails, the header is wrong. */
_Static_assert(sizeof(struct virtwl_ioctl_new) == 48, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, type) == 0, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, fd) == 4, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, flags) == 8, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, size) == 12, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, name) == 12, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, dmabuf) == 12, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, dmabuf.format) == 20, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, dmabuf.stride0) == 24, "struct virtwl_ioctl_new");
_Static_assert(offsetof(struct virtwl_ioctl_new, dmabuf.offset0) == 36, "struct virtwl_ioctl_new");
_Static_assert(sizeof(struct virtwl_ioctl_txn) == 116, "struct virtwl_ioctl_txn");
_Static_assert(offsetof(struct virtwl_ioctl_txn, fds) == 0, "struct virtwl_ioctl_txn");
_Static_assert(offsetof(struct virtwl_ioctl_txn, len) == 112, "struct virtwl_ioctl_txn");
_Static_assert(offsetof(struct virtwl_ioctl_txn, data) == 116, "struct virtwl_ioctl_txn");
_Static_assert(sizeof(struct virtwl_ioctl_dmabuf_sync) == 4, "struct virtwl_ioctl_dmabuf_sync");
_Static_assert(VIRTWL_IOCTL_NEW == 0xc0307700, "VIRTWL_IOCTL_NEW");
_Static_assert(VIRTWL_IOCTL_SEND == 0x80747701, "VIRTWL_IOCTL_SEND");
_Static_assert(VIRTWL_IOCTL_RECV == 0x40747702, "VIRTWL_IOCTL_RECV");
_Static_assert(VIRTWL_IOCTL_DMABUF_SYNC == 0x80047703, "VIRTWL_IOCTL_DMABUF_SYNC");

/* A message is a transaction, by a name that does not need the kernel's header. */
_Static_assert(sizeof(struct virtwl_message) == sizeof(struct virtwl_ioctl_txn), "struct virtwl_message");
_Static_assert(offsetof(struct virtwl_message, length) == offsetof(struct virtwl_ioctl_txn, len), "virtwl_message");
_Static_assert(offsetof(struct virtwl_message, data) == offsetof(struct virtwl_ioctl_txn, data), "virtwl_message");
_Static_assert(VIRTWL_MAX_FDS == VIRTWL_SEND_MAX_ALLOCS, "VIRTWL_MAX_FDS");
_Static_assert(VIRTWL_MAX_NAME == VIRTWL_NAME_SIZE - 1, "VIRTWL_MAX_NAME");
/* One buffer of the device's queues, less the header of VFD_SEND and the ids of its vfds. */
_Static_assert(VIRTWL_MAX_CHUNK == 4096 - 16 - 4 * VIRTWL_MAX_FDS, "VIRTWL_MAX_CHUNK");

/* A message on the stack. */
union chunk {
  struct virtwl_message message;
  unsigned char bytes[sizeof(struct virtwl_message) + VIRTWL_MAX_CHUNK];
};

static size_t at_most(size_t length, size_t most) { return length < most ? length : most; }

int virtwl_open(const char* path) { return open(path ? path : VIRTWL_DEVICE, O_RDWR | O_CLOEXEC); }

static int new_vfd(int device, struct virtwl_ioctl_new* request) {
  request->fd = -1;
  return ioctl(device, VIRTWL_IOCTL_NEW, request) < 0 ? -1 : request->fd;
}

int virtwl_connect(int device, const char* name) {
  struct virtwl_ioctl_new request = {.type = VIRTWL_IOCTL_NEW_CTX};

  if (name) {
    const size_t length = strlen(name);

    if (length > VIRTWL_MAX_NAME) {
      errno = ENAMETOOLONG;
      return -1;
    }
    request.type = VIRTWL_IOCTL_NEW_CTX_NAMED;
    memcpy(request.name, name, length);
  }
  return new_vfd(device, &request);
}

int virtwl_new_memory(int device, uint32_t size) {
  struct virtwl_ioctl_new request = {.type = VIRTWL_IOCTL_NEW_ALLOC};

  request.size = size;
  return new_vfd(device, &request);
}

int virtwl_pipe(int device, enum virtwl_kind end) {
  struct virtwl_ioctl_new request = {.type = VIRTWL_IOCTL_NEW_PIPE_READ};

  if (end == VIRTWL_PIPE_WRITE) {
    request.type = VIRTWL_IOCTL_NEW_PIPE_WRITE;
  } else if (end != VIRTWL_PIPE_READ) {
    errno = EINVAL;
    return -1;
  }
  return new_vfd(device, &request);
}

static void no_fds(struct virtwl_message* message, size_t from) {
  for (size_t i = from; i < VIRTWL_MAX_FDS; i++) message->fds[i] = -1;
}

ssize_t virtwl_send_message(int context, struct virtwl_message* message, size_t length, const int* fds, size_t count) {
  if (count > VIRTWL_MAX_FDS) {
    errno = EINVAL;
    return -1;
  }
  if (length > UINT32_MAX) {
    errno = EMSGSIZE;
    return -1;
  }
  if (count) memcpy(message->fds, fds, count * sizeof(*fds));
  no_fds(message, count);
  message->length = (uint32_t)length;
  return ioctl(context, VIRTWL_IOCTL_SEND, message) < 0 ? -1 : (ssize_t)length;
}

ssize_t virtwl_receive_message(int context, struct virtwl_message* message, size_t room, int* fds, size_t* count) {
  size_t came = 0;

  if (count) *count = 0;
  if (room > UINT32_MAX) {
    errno = EMSGSIZE;
    return -1;
  }
  no_fds(message, 0);
  message->length = (uint32_t)room;
  if (ioctl(context, VIRTWL_IOCTL_RECV, message) < 0) return -1;
  while (came < VIRTWL_MAX_FDS && message->fds[came] >= 0) came++;
  if (fds) {
    memcpy(fds, message->fds, came * sizeof(*fds));
    if (count) *count = came;
  } else {
    for (size_t i = 0; i < came; i++) close(message->fds[i]);
  }
  /* The driver cannot have written more than there was room for; a length that says so is not believed. */
  return (ssize_t)at_most(message->length, room);
}

ssize_t virtwl_send(int context, const void* data, size_t length, const int* fds, size_t count) {
  union chunk chunk;
  const size_t bytes = at_most(length, VIRTWL_MAX_CHUNK);

  if (bytes) memcpy(chunk.bytes + sizeof(chunk.message), data, bytes);
  return virtwl_send_message(context, &chunk.message, bytes, fds, count);
}

ssize_t virtwl_receive(int context, void* data, size_t length, int* fds, size_t* count) {
  union chunk chunk;
  const ssize_t bytes = virtwl_receive_message(context, &chunk.message, at_most(length, VIRTWL_MAX_CHUNK), fds, count);

  if (bytes > 0) memcpy(data, chunk.bytes + sizeof(chunk.message), (size_t)bytes);
  return bytes;
}

void* virtwl_map(int memory, size_t size) {
  void* const address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

  return address == MAP_FAILED ? NULL : address;
}

int virtwl_unmap(void* address, size_t size) { return munmap(address, size); }

/*
 * A vfd has no fstat worth asking. Memory is what can be mapped; of the rest, a pipe has one direction, and a context
 * has two.
 */
int virtwl_kind(int fd) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const int flags = fcntl(fd, F_GETFL);
  void* address;

  if (flags < 0) return -1;
  address = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  if (address != MAP_FAILED) {
    munmap(address, page);
    return VIRTWL_MEMORY;
  }
  switch (flags & O_ACCMODE) {
    case O_RDWR:
      return VIRTWL_CONTEXT;
    case O_RDONLY:
      return VIRTWL_PIPE_READ;
    case O_WRONLY:
      return VIRTWL_PIPE_WRITE;
  }
  errno = EINVAL;
  return -1;
}
