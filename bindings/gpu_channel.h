/**
 * The channel of a cross-domain context of virtio_gpu: messages as `recv` and `send` have them on other descriptors.
 * The context is a file of the driver. One message at a time lies in a ring that was mapped once; an event on the file
 * says so, and a POLL asks for the next. What it is to messages with identifiers is TypeScript's to decide.
 *
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_GPU_CHANNEL_H_
#define VIRTWL_BINDINGS_GPU_CHANNEL_H_

#include <nan.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "virtgpu_uapi.h"

namespace virtwl {

class Environment;

class GpuChannel {
 public:
  /** Lends `fd`; takes over the ring, kRingBytes that are mapped. `handle`: of the ring, on the file. */
  GpuChannel(int fd, void* ring, uint32_t handle)
      : fd_(fd), ring_(static_cast<volatile uint8_t*>(ring)), handle_(handle) {}
  ~GpuChannel();
  GpuChannel(const GpuChannel&) = delete;
  GpuChannel& operator=(const GpuChannel&) = delete;

  /** 0 where a message lies in the ring, EAGAIN where none does, or the errno. */
  int Arrive();
  /** The head of the message in the ring, copied. */
  void Head(void* head, size_t size) const { Copy(0, static_cast<uint8_t*>(head), size); }
  /** Bytes of the ring. */
  void Copy(size_t offset, uint8_t* to, size_t length) const;
  /** The ring may be written again: asks for the next message. 0 or the errno. */
  int Next();
  /**
   * Bytes without identifiers, as ReceiveFrom() of socket.h has it, and asks for the next. ENOMSG for any other
   * message, which stays in the ring, for TypeScript.
   */
  int Receive(Environment& environment, uint8_t* data, size_t length, size_t* received);

  /** Whether one more command may be given to the host now: 0, EAGAIN, or the errno. */
  int Room();
  /** A command, where there is room. 0 or the errno. */
  int Submit(const void* command, size_t size);
  /** Bytes alone, as SendTo() of socket.h has it. */
  ssize_t Send(Environment& environment, const uint8_t* data, size_t length);

 private:
  const int fd_;
  volatile uint8_t* const ring_;
  const uint32_t handle_;
  bool arrived_ = false;
  uint32_t sent_ = 0;
};

void InitializeGpuChannel(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_GPU_CHANNEL_H_
