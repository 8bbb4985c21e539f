/**
 * A memfd has no name, so the kernel deletes it when its last open file goes, and a fanotify mark on it tells of that
 * (FAN_DELETE_SELF). Mappings and messages hold the open file, so they count; a mark does not. A group of marks that
 * reports file handles needs no privilege from Linux 5.13 on, and a mark is set by descriptor: no /proc is needed.
 */
#include "held_memory.h"

#include <fcntl.h>
#include <linux/fanotify.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

/** Events that are taken in one read. */
constexpr size_t kReadBytes = 16 * 1024;

/** The longest file handle that there can be (MAX_HANDLE_SZ); tmpfs has 12 bytes. */
constexpr size_t kHandleBytes = 128;

constexpr char kAdvice[] =
    "the kernel has to tell when nobody holds memory any more: fanotify, Linux 5.13 (CONFIG_FANOTIFY; at most "
    "fs.fanotify.max_user_groups processes of one user)";

/** A handle as text: the same for the same file, as long as there is that file. */
std::string HandleKey(const file_handle& handle) {
  static const char digits[] = "0123456789abcdef";
  std::string key;
  for (unsigned i = 0; i < handle.handle_bytes && i < kHandleBytes; i++) {
    key += digits[handle.f_handle[i] >> 4];
    key += digits[handle.f_handle[i] & 15];
  }
  return key;
}

NAN_METHOD(MemoryWatch) {
  const int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
  if (fd < 0) {
    ErrorDetails details;
    details.advice = kAdvice;
    return ThrowSystemError(errno, "fanotify_init", details);
  }
  Environment::Of(info).counters.fdsOpened++;
  info.GetReturnValue().Set(fd);
}

NAN_METHOD(WatchMemory) {
  const Arguments arguments("watchMemory", info);
  int watch;
  int fd;
  if (!arguments.Fd(0, "watch", &watch) || !arguments.Fd(1, "fd", &fd)) return;
  alignas(file_handle) char room[sizeof(file_handle) + kHandleBytes];
  file_handle* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = kHandleBytes;
  int mount;
  ErrorDetails details;
  details.fd = fd;
  details.advice = kAdvice;
  if (name_to_handle_at(fd, "", handle, &mount, AT_EMPTY_PATH) < 0) {
    return ThrowSystemError(errno, "name_to_handle_at", details);
  }
  if (fanotify_mark(watch, FAN_MARK_ADD, FAN_DELETE_SELF, fd, nullptr) < 0) {
    return ThrowSystemError(errno, "fanotify_mark", details);
  }
  info.GetReturnValue().Set(Nan::New(HandleKey(*handle)).ToLocalChecked());
}

NAN_METHOD(GoneMemory) {
  const Arguments arguments("goneMemory", info);
  int watch;
  if (!arguments.Fd(0, "watch", &watch)) return;
  v8::Local<v8::Array> gone = Nan::New<v8::Array>();
  uint32_t count = 0;
  for (;;) {
    alignas(fanotify_event_metadata) char buffer[kReadBytes];
    ssize_t length;
    do {
      length = read(watch, buffer, sizeof buffer);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && errno != EAGAIN) return ThrowFdError(errno, "read", watch);
    if (length <= 0) break;
    const auto* event = reinterpret_cast<const fanotify_event_metadata*>(buffer);
    for (; FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
      // An event without a file says that others were lost: what they were about stays in the books.
      if (event->event_len < sizeof *event + sizeof(fanotify_event_info_fid) + sizeof(file_handle)) continue;
      const auto* record = reinterpret_cast<const fanotify_event_info_fid*>(event + 1);
      if ((event->mask & FAN_DELETE_SELF) == 0 || record->hdr.info_type != FAN_EVENT_INFO_TYPE_FID) continue;
      const std::string key = HandleKey(*reinterpret_cast<const file_handle*>(record->handle));
      Nan::Set(gone, count++, Nan::New(key).ToLocalChecked()).Check();
    }
  }
  info.GetReturnValue().Set(gone);
}

}  // namespace

void InitializeHeldMemory(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "memoryWatch", MemoryWatch, data);
  Nan::SetMethod(target, "watchMemory", WatchMemory, data);
  Nan::SetMethod(target, "goneMemory", GoneMemory, data);
}

}  // namespace virtwl
