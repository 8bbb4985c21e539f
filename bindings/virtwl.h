/**
 * The ioctls of /dev/wl0.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_VIRTWL_H_
#define VIRTWL_BINDINGS_VIRTWL_H_

#include <nan.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace virtwl {

class Environment;
struct FdList;

/** VIRTWL_IOCTL_RECV. 0, or the errno, EAGAIN when it would block; the fds are the caller's. */
int ReceiveTransaction(Environment& environment, int fd, uint8_t* data, size_t length, FdList* fds, size_t* received);
/** VIRTWL_IOCTL_SEND, of at most 1 MiB. All of it goes: `length`, or -1. */
ssize_t SendTransaction(Environment& environment, int fd, const uint8_t* data, size_t length, const FdList& fds);

void InitializeVirtwl(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_VIRTWL_H_
