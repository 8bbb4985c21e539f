/* SPDX-License-Identifier: MIT */
/*
 * libvirtwl: virtio_wl as a socket. A program in a guest connects to the servers that its host offers, sends and
 * receives bytes and descriptors, and shares memory with the host, through /dev/wl0.
 *
 * Every vfd (context, memory, end of a pipe) is a descriptor that the caller owns: close(2) ends it, poll(2) waits for
 * it, fcntl(2) makes it non-blocking, read(2) and write(2) are for pipes. New ones block, and close on exec.
 *
 * What fails returns -1 (NULL, for a pointer) with errno as the kernel gave it, EINTR included; below stands what the
 * library adds. A call makes nothing that it does not return, and keeps nothing: any thread may call anything.
 */
#ifndef VIRTWL_H_
#define VIRTWL_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIRTWL_DEVICE "/dev/wl0"
#define VIRTWL_MAX_FDS 28     /* most descriptors of one message */
#define VIRTWL_MAX_NAME 31    /* longest name of a server, in bytes without its NUL */
#define VIRTWL_MAX_CHUNK 3968 /* most bytes that virtwl_send() and virtwl_receive() move at once */

/* Opens the device at path; NULL is VIRTWL_DEVICE. */
int virtwl_open(const char* path);

/*
 * Connects to a server of the host by its name, to the default one where that is NULL: a context. Where it says device,
 * a context will do as well. ENAMETOOLONG: over VIRTWL_MAX_NAME. ENODEV, ENOENT, EINVAL: the host offers no such
 * server.
 */
int virtwl_connect(int device, const char* name);

/*
 * Sends bytes, and vfds with the first of them; the vfds stay the caller's. Returns how many bytes went, which is
 * VIRTWL_MAX_CHUNK where there are more: the rest is for the next call, without the vfds. EAGAIN: nothing went, it
 * would have to wait. EINVAL: over VIRTWL_MAX_FDS.
 */
ssize_t virtwl_send(int context, const void* data, size_t length, const int* fds, size_t count);

/*
 * Receives at most length bytes, and VIRTWL_MAX_CHUNK. There must be room for VIRTWL_MAX_FDS descriptors in fds; *count
 * says how many came, and they are the caller's. With fds NULL, what comes is closed. 0 bytes and no descriptor is the
 * end of the connection. EAGAIN: there is nothing yet.
 */
ssize_t virtwl_receive(int context, void* data, size_t length, int* fds, size_t* count);

/* Room of the caller's for one message, followed by its data: see below. The library writes fds and length. */
struct virtwl_message {
  int32_t fds[VIRTWL_MAX_FDS];
  uint32_t length;
  __extension__ unsigned char data[];
};

/* The same two without a copy, of message->data, and without the bound of VIRTWL_MAX_CHUNK; EMSGSIZE: over 4 GiB. */
ssize_t virtwl_send_message(int context, struct virtwl_message* message, size_t length, const int* fds, size_t count);
ssize_t virtwl_receive_message(int context, struct virtwl_message* message, size_t room, int* fds, size_t* count);

/* Memory of size bytes, rounded up to pages, that this VM brings itself. It may be sent. */
int virtwl_new_memory(int device, uint32_t size);

/*
 * Asks for memory of the host's, of size bytes rounded up to pages, over a context to the server "allocator", and waits
 * for it: timeout_ms milliseconds, or without end (-1), never interrupted. id is for the host's log. One call at a time
 * on a context; after ETIMEDOUT, ECONNRESET (hung up) or EPROTO (no such answer) it is to be closed. The host's
 * refusals: EINVAL (bad size), EFBIG (over what one request may have), EDQUOT (over the VM's budget), ENOMEM (the host
 * has none).
 */
int virtwl_allocate(int allocator, uint64_t id, uint64_t size, int timeout_ms);

/*
 * Maps the first size bytes of memory, to read and write, shared with all who have it; virtwl_unmap() with the same
 * size ends that. The mapping outlives the descriptor. EACCES: it may be read only, with mmap(2). An access is a SIGBUS
 * where the memory is smaller than size, or its device went away.
 */
void* virtwl_map(int memory, size_t size);
int virtwl_unmap(void* address, size_t size);

/* What a descriptor is that was received; EINVAL: none of these. */
enum virtwl_kind { VIRTWL_CONTEXT = 1, VIRTWL_MEMORY = 2, VIRTWL_PIPE_READ = 3, VIRTWL_PIPE_WRITE = 4 };
int virtwl_kind(int fd);

/*
 * Makes a pipe, and returns the end that this side reads (VIRTWL_PIPE_READ) or writes (VIRTWL_PIPE_WRITE). Sending that
 * vfd sends the other end. EINVAL: another kind.
 */
int virtwl_pipe(int device, enum virtwl_kind end);

#ifdef __cplusplus
}
#endif

#endif /* VIRTWL_H_ */
