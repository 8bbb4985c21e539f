/**
 * The ioctls of the kernel's virtio_gpu driver, one function each.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_DRM_H_
#define VIRTWL_BINDINGS_DRM_H_

#include <nan.h>

#include <cstddef>
#include <cstdint>

namespace virtwl {

class Environment;

/** ioctl, again after a signal: 0, or the errno. */
int DrmCall(int fd, unsigned long request, void* argument);
/** EXECBUFFER of a command, on a ring unless that is negative, with a fence on a handle unless that is 0. 0 or errno.
 */
int DrmExecute(int fd, const void* command, size_t size, int ring, uint32_t handle);

void InitializeDrm(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_DRM_H_
