/**
 * Reading and writing without ever waiting, whatever the flags of the open file say. O_NONBLOCK belongs to the open
 * file and not to the descriptor: every other process that holds that file can clear it at any moment, between a poll
 * and a write for instance, and one wait in the event loop stops all connections. So for each kind of file there is a
 * call that itself says that it must not wait.
 */
#ifndef VIRTWL_BINDINGS_NONBLOCKING_H_
#define VIRTWL_BINDINGS_NONBLOCKING_H_

#include <sys/types.h>

#include <cstddef>

namespace virtwl {

/** As read(2): bytes, 0 at the end, or -1 with errno; EAGAIN where it would have to wait. Never EINTR. */
ssize_t ReadNow(int fd, void* data, size_t length);

/** As write(2): bytes, or -1 with errno; EAGAIN where it would have to wait. Never EINTR. */
ssize_t WriteNow(int fd, const void* data, size_t length);

/**
 * The same for a pipe on a kernel that does not know RWF_NOWAIT for pipes (before Linux 6.5): the bytes go through a
 * pipe of the call's own, which is empty and whose flags nobody else can reach, and splice(2) is told not to wait.
 */
ssize_t ReadPipeBySplice(int fd, void* data, size_t length);
ssize_t WritePipeBySplice(int fd, const void* data, size_t length);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_NONBLOCKING_H_
