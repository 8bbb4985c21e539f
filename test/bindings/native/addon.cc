/**
 * What tests do to the kernel's objects and the product never does: build/Release/virtwl-test.node, which is not
 * shipped. Arguments are the tests' own and not checked further than their type. A call that fails throws an Error with
 * `code`.
 */
#include <fcntl.h>
#include <nan.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "../../../bindings/nonblocking.h"
#include "../../../bindings/virtwl_uapi.h"

namespace {

int Fd(const Nan::FunctionCallbackInfo<v8::Value>& info) { return Nan::To<int32_t>(info[0]).FromMaybe(-1); }

/** Returns `result`, or throws errno where it is negative. */
void Answer(const Nan::FunctionCallbackInfo<v8::Value>& info, const char* call, ssize_t result) {
  if (result < 0) {
    Nan::ThrowError(Nan::ErrnoException(errno, call));
    return;
  }
  info.GetReturnValue().Set(static_cast<double>(result));
}

/** As natives that would block: -1. */
void AnswerNow(const Nan::FunctionCallbackInfo<v8::Value>& info, const char* call, ssize_t result) {
  if (result < 0 && errno == EAGAIN) {
    info.GetReturnValue().Set(-1);
  } else {
    Answer(info, call, result);
  }
}

NAN_METHOD(Eventfd) { Answer(info, "eventfd", eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

NAN_METHOD(ShutdownWrite) { Answer(info, "shutdown", shutdown(Fd(info), SHUT_WR)); }

NAN_METHOD(Truncate) {
  Answer(info, "ftruncate", ftruncate(Fd(info), static_cast<off_t>(Nan::To<double>(info[1]).FromMaybe(-1))));
}

/** fallocate(fd, mode, offset, length). */
NAN_METHOD(Allocate) {
  Answer(info, "fallocate",
         fallocate(Fd(info), Nan::To<int32_t>(info[1]).FromMaybe(0),
                   static_cast<off_t>(Nan::To<double>(info[2]).FromMaybe(-1)),
                   static_cast<off_t>(Nan::To<double>(info[3]).FromMaybe(-1))));
}

NAN_METHOD(DmabufSync) {
  virtwl_ioctl_dmabuf_sync request = {Nan::To<uint32_t>(info[1]).FromMaybe(0)};
  Answer(info, "ioctl", ioctl(Fd(info), VIRTWL_IOCTL_DMABUF_SYNC, &request));
}

/** Clears O_NONBLOCK of the open file, as any process that shares it can. */
NAN_METHOD(SetBlocking) {
  const int flags = fcntl(Fd(info), F_GETFL);
  Answer(info, "fcntl", flags < 0 ? flags : fcntl(Fd(info), F_SETFL, flags & ~O_NONBLOCK));
}

NAN_METHOD(ReadPipeBySplice) {
  Nan::TypedArrayContents<uint8_t> bytes(info[1]);
  AnswerNow(info, "splice", virtwl::ReadPipeBySplice(Fd(info), const_cast<uint8_t*>(*bytes), bytes.length()));
}

NAN_METHOD(WritePipeBySplice) {
  Nan::TypedArrayContents<uint8_t> bytes(info[1]);
  AnswerNow(info, "splice", virtwl::WritePipeBySplice(Fd(info), *bytes, bytes.length()));
}

NAN_MODULE_INIT(Initialize) {
  Nan::SetMethod(target, "eventfd", Eventfd);
  Nan::SetMethod(target, "shutdownWrite", ShutdownWrite);
  Nan::SetMethod(target, "truncate", Truncate);
  Nan::SetMethod(target, "allocate", Allocate);
  Nan::SetMethod(target, "dmabufSync", DmabufSync);
  Nan::SetMethod(target, "setBlocking", SetBlocking);
  Nan::SetMethod(target, "readPipeBySplice", ReadPipeBySplice);
  Nan::SetMethod(target, "writePipeBySplice", WritePipeBySplice);
}

}  // namespace

NAN_MODULE_WORKER_ENABLED(virtwl_test, Initialize)
