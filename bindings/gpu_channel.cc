#include "gpu_channel.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "arguments.h"
#include "drm.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

using crossdomain::Command;
using crossdomain::kMaxData;
using crossdomain::kMaxIdentifiers;
using crossdomain::kRingBytes;
using crossdomain::Message;
using crossdomain::PipeMessage;

static_assert(sizeof(Message) == 352 && sizeof(PipeMessage) == 24 && sizeof(crossdomain::Poll) == 16,
              "layouts of the protocol");

/**
 * Commands that the host has not answered, at most. The kernel waits in the call for room in the device's one queue of
 * 256, which all programs share; so nobody fills it.
 */
constexpr uint32_t kMaxUnanswered = 16;

/** What gpuReceive says of a message, followed by the identifiers of a Message. */
constexpr size_t kAboutWords = 4;
constexpr size_t kAboutBytes = 4 * (kAboutWords + 3 * kMaxIdentifiers);

}  // namespace

GpuChannel::~GpuChannel() { munmap(const_cast<uint8_t*>(ring_), kRingBytes); }

int GpuChannel::Arrive() {
  if (arrived_) return 0;
  drm::Event event = {};
  ssize_t length;
  do {
    length = read(fd_, &event, sizeof event);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return errno;
  if (length != sizeof event || event.type != drm::kFenceSignalled) return EPROTO;
  arrived_ = true;
  return 0;
}

void GpuChannel::Copy(size_t offset, uint8_t* to, size_t length) const {
  // Nobody writes there now but a host that breaks the protocol, which may see that happen.
  std::memcpy(to, const_cast<const uint8_t*>(ring_) + offset, length);
}

int GpuChannel::Next() {
  arrived_ = false;
  crossdomain::Poll poll = {};
  poll.header.command = Command::kPoll;
  poll.header.size = sizeof poll;
  return DrmExecute(fd_, &poll, sizeof poll, crossdomain::kChannelRing, 0);
}

int GpuChannel::Receive(Environment& environment, uint8_t* data, size_t length, size_t* received) {
  const int error = Arrive();
  if (error != 0) return error;
  struct {
    crossdomain::Header header;
    uint32_t count;
    uint32_t bytes;
  } head;
  Head(&head, sizeof head);
  const bool plain = head.header.command == Command::kReceive && head.count == 0 && head.bytes > 0 &&
                     head.bytes <= std::min(length, kMaxData);
  if (!plain) return ENOMSG;
  environment.counters.recvmsg++;
  Copy(sizeof(Message), data, head.bytes);
  *received = head.bytes;
  return Next();
}

int GpuChannel::Room() {
  if (sent_ < kMaxUnanswered) return 0;
  // The last one of the round was given with a fence: it is answered after all before it.
  drm::Wait wait = {handle_, drm::kNoWait};
  const int error = DrmCall(fd_, drm::kWait, &wait);
  if (error == EBUSY) return EAGAIN;
  if (error == 0) sent_ = 0;
  return error;
}

int GpuChannel::Submit(const void* command, size_t size) {
  const int room = Room();
  if (room != 0) return room;
  sent_++;
  if (sent_ < kMaxUnanswered) return DrmExecute(fd_, command, size, -1, 0);
  return DrmExecute(fd_, command, size, crossdomain::kQueryRing, handle_);
}

namespace {

/** SEND of `length` bytes in the room that calls reuse; `identifiers` may be null, with a count of 0. */
int SendMessage(Environment& environment, GpuChannel& channel, const uint8_t* data, size_t length,
                const uint8_t* identifiers, uint32_t count) {
  std::vector<uint8_t>& room = environment.transaction;
  if (room.size() < kRingBytes) room.resize(kRingBytes);
  Message* message = reinterpret_cast<Message*>(room.data());
  std::memset(message, 0, sizeof *message);
  message->header.command = Command::kSend;
  message->header.size = static_cast<uint16_t>(sizeof *message + length);
  message->count = count;
  message->bytes = static_cast<uint32_t>(length);
  if (count > 0) std::memcpy(message->ids, identifiers, 3 * sizeof message->ids);
  if (length > 0) std::memcpy(room.data() + sizeof *message, data, length);
  environment.counters.sendmsg++;
  return channel.Submit(room.data(), sizeof *message + length);
}

/** The channel of a descriptor; null after throwing. */
GpuChannel* Channel(Environment& environment, const Arguments& arguments, int* fd) {
  if (!arguments.Fd(0, "fd", fd)) return nullptr;
  const auto found = environment.gpuChannels.find(*fd);
  if (found != environment.gpuChannels.end()) return found->second.get();
  arguments.ThrowRange("fd", "one with a channel");
  return nullptr;
}

NAN_METHOD(OpenChannel) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuChannel", info);
  int fd;
  uint64_t handle = 0;
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Integer(1, "handle", 1, UINT32_MAX, &handle)) return;
  drm::Map map = {0, static_cast<uint32_t>(handle), 0};
  const int error = DrmCall(fd, drm::kMap, &map);
  if (error != 0) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_MAP)", fd);
  void* ring = mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(map.offset));
  if (ring == MAP_FAILED) return ThrowFdError(errno, "mmap", fd);
  environment.gpuChannels[fd] = std::make_shared<GpuChannel>(fd, ring, static_cast<uint32_t>(handle));
}

NAN_METHOD(NextMessage) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuNext", info);
  int fd;
  GpuChannel* channel = Channel(environment, arguments, &fd);
  if (channel == nullptr) return;
  const int error = channel->Next();
  if (error != 0) ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_EXECBUFFER)", fd);
}

NAN_METHOD(WaitForMessage) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuWait", info);
  int fd;
  uint64_t milliseconds = 0;
  if (!arguments.Integer(1, "milliseconds", 0, INT32_MAX, &milliseconds)) return;
  if (Channel(environment, arguments, &fd) == nullptr) return;
  pollfd poll = {fd, POLLIN, 0};
  const int ready = ::poll(&poll, 1, static_cast<int>(milliseconds));
  if (ready < 0 && errno != EINTR) return ThrowFdError(errno, "poll", fd);
  info.GetReturnValue().Set(ready > 0);
}

NAN_METHOD(HasRoom) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuHasRoom", info);
  int fd;
  GpuChannel* channel = Channel(environment, arguments, &fd);
  if (channel == nullptr) return;
  const int error = channel->Room();
  if (error != 0 && error != EAGAIN) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_WAIT)", fd);
  info.GetReturnValue().Set(error == 0);
}

NAN_METHOD(SendBytes) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuSend", info);
  int fd;
  uint64_t count = 0;
  Bytes identifiers;
  Bytes data;
  GpuChannel* channel = Channel(environment, arguments, &fd);
  if (channel == nullptr || !arguments.Integer(5, "count", 0, kMaxIdentifiers, &count) ||
      !arguments.WritableBytes(4, "identifiers", &identifiers) || !arguments.ByteRange(1, "data", &data)) {
    return;
  }
  if (identifiers.length() < 12 * kMaxIdentifiers)
    return arguments.ThrowRange("identifiers", "at least 336 bytes long");
  if (data.length() > kMaxData) return arguments.ThrowRange("length", "at most 3,744");
  const int error =
      SendMessage(environment, *channel, data.data(), data.length(), identifiers.data(), static_cast<uint32_t>(count));
  if (error != 0 && error != EAGAIN) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_EXECBUFFER)", fd);
  info.GetReturnValue().Set(error == 0 ? static_cast<double>(data.length()) : -1.0);
}

NAN_METHOD(SubmitCommand) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuSubmit", info);
  int fd;
  Bytes command;
  GpuChannel* channel = Channel(environment, arguments, &fd);
  if (channel == nullptr || !arguments.ByteRange(1, "command", &command)) return;
  if (command.length() > kRingBytes) return arguments.ThrowRange("length", "at most 4,096");
  const int error = channel->Submit(command.data(), command.length());
  if (error != 0 && error != EAGAIN) return ThrowFdError(error, "ioctl(DRM_IOCTL_VIRTGPU_EXECBUFFER)", fd);
  info.GetReturnValue().Set(error == 0);
}

NAN_METHOD(ReceiveMessage) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("gpuReceive", info);
  int fd;
  Bytes data;
  Bytes about;
  GpuChannel* channel = Channel(environment, arguments, &fd);
  if (channel == nullptr || !arguments.WritableBytes(1, "buffer", &data) ||
      !arguments.WritableBytes(2, "about", &about)) {
    return;
  }
  if (data.length() < kRingBytes) return arguments.ThrowRange("buffer", "at least 4,096 bytes long");
  if (about.length() < kAboutBytes) return arguments.ThrowRange("about", "at least 352 bytes long");

  const int error = channel->Arrive();
  if (error == EAGAIN) {
    info.GetReturnValue().Set(-1);
    return;
  }
  if (error != 0) return ThrowFdError(error, "read", fd);
  environment.counters.recvmsg++;
  alignas(8) uint8_t head[sizeof(Message)];
  channel->Head(head, sizeof head);
  const Message* message = reinterpret_cast<const Message*>(head);
  const PipeMessage* pipe = reinterpret_cast<const PipeMessage*>(head);
  uint32_t words[kAboutWords] = {message->header.command, message->count, message->bytes, 0};
  size_t length = 0;
  if (message->header.command == Command::kReceive) {
    if (message->count > kMaxIdentifiers || message->bytes > kMaxData) return ThrowFdError(EPROTO, "read", fd);
    length = message->bytes;
    channel->Copy(sizeof *message, data.data(), length);
    std::memcpy(about.data() + sizeof words, message->ids, 3 * sizeof message->ids);
  } else if (message->header.command == Command::kRead) {
    if (pipe->bytes > kRingBytes - sizeof *pipe) return ThrowFdError(EPROTO, "read", fd);
    length = pipe->bytes;
    words[3] = pipe->hangUp;
    words[1] = pipe->id;
    channel->Copy(sizeof *pipe, data.data(), length);
  }
  std::memcpy(about.data(), words, sizeof words);
  info.GetReturnValue().Set(static_cast<double>(length));
}

}  // namespace

ssize_t GpuChannel::Send(Environment& environment, const uint8_t* data, size_t length) {
  const int error = SendMessage(environment, *this, data, std::min(length, kMaxData), nullptr, 0);
  if (error == 0) return static_cast<ssize_t>(std::min(length, kMaxData));
  errno = error;
  return -1;
}

void InitializeGpuChannel(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "gpuChannel", OpenChannel, data);
  Nan::SetMethod(target, "gpuNext", NextMessage, data);
  Nan::SetMethod(target, "gpuWait", WaitForMessage, data);
  Nan::SetMethod(target, "gpuHasRoom", HasRoom, data);
  Nan::SetMethod(target, "gpuSend", SendBytes, data);
  Nan::SetMethod(target, "gpuSubmit", SubmitCommand, data);
  Nan::SetMethod(target, "gpuReceive", ReceiveMessage, data);
}

}  // namespace virtwl
