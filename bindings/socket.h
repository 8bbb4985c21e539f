/**
 * Unix stream sockets that carry descriptors: one function per system call.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_SOCKET_H_
#define VIRTWL_BINDINGS_SOCKET_H_

#include <nan.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace virtwl {

class Environment;
struct FdList;

/**
 * recvmsg, as `recv` of src/system/native.ts has it. 0, or the errno, EAGAIN when it would block; the fds are the
 * caller's.
 */
int ReceiveFrom(Environment& environment, int fd, uint8_t* data, size_t length, FdList* fds, size_t* received);
void ThrowReceiveError(int error, int fd);
/** send, of bytes alone, without waiting. Bytes sent or -1. */
ssize_t SendTo(Environment& environment, int fd, const uint8_t* data, size_t length);

void InitializeSockets(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_SOCKET_H_
