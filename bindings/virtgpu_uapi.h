/**
 * The ioctls of /dev/dri/renderD* that the kernel's virtio_gpu driver has, as far as they are used here, and what is
 * said over them to a device with cross-domain contexts. The first half is the kernel's interface (linux/drm.h,
 * linux/virtgpu_drm.h), written out so that nothing but a compiler is needed; drm.cc asserts the sizes.
 */
#ifndef VIRTWL_BINDINGS_VIRTGPU_UAPI_H_
#define VIRTWL_BINDINGS_VIRTGPU_UAPI_H_

#include <fcntl.h>
#include <linux/ioctl.h>

#include <cstddef>
#include <cstdint>

namespace virtwl::drm {

/** Which driver it is. Lengths in: room, out: what there is. */
struct Version {
  int32_t major;
  int32_t minor;
  int32_t patch;
  size_t nameLength;
  char* name;
  size_t dateLength;
  char* date;
  size_t descriptionLength;
  char* description;
};

struct GemClose {
  uint32_t handle;
  uint32_t pad;
};

struct PrimeHandle {
  uint32_t handle;
  uint32_t flags;
  int32_t fd;
};

struct Map {
  uint64_t offset;
  uint32_t handle;
  uint32_t pad;
};

/** As in Linux 5.17: what came later is zeros, which the kernel adds. */
struct Execute {
  uint32_t flags;
  uint32_t size;
  uint64_t command;
  uint64_t handles;
  uint32_t handleCount;
  int32_t fenceFd;
  uint32_t ring;
  uint32_t pad;
};

struct GetParameter {
  uint64_t parameter;
  uint64_t value;
};

struct ResourceInfo {
  uint32_t handle;
  uint32_t resource;
  uint32_t size;
  uint32_t memory;
};

struct Wait {
  uint32_t handle;
  uint32_t flags;
};

struct GetCapset {
  uint32_t id;
  uint32_t version;
  uint64_t address;
  uint32_t size;
  uint32_t pad;
};

struct CreateBlob {
  uint32_t memory;
  uint32_t flags;
  uint32_t handle;
  uint32_t resource;
  uint64_t size;
  uint32_t pad;
  uint32_t commandSize;
  uint64_t command;
  uint64_t id;
};

struct ContextParameter {
  uint64_t parameter;
  uint64_t value;
};

struct ContextInit {
  uint32_t count;
  uint32_t pad;
  uint64_t parameters;
};

constexpr unsigned kType = 'd';
/** The driver's own begin here. */
constexpr unsigned kDriver = 0x40;

constexpr unsigned long kVersion = _IOWR(kType, 0x00, Version);
constexpr unsigned long kGemClose = _IOW(kType, 0x09, GemClose);
constexpr unsigned long kHandleToFd = _IOWR(kType, 0x2d, PrimeHandle);
constexpr unsigned long kFdToHandle = _IOWR(kType, 0x2e, PrimeHandle);
constexpr unsigned long kMap = _IOWR(kType, kDriver + 0x01, Map);
constexpr unsigned long kExecute = _IOWR(kType, kDriver + 0x02, Execute);
constexpr unsigned long kGetParameter = _IOWR(kType, kDriver + 0x03, GetParameter);
constexpr unsigned long kResourceInfo = _IOWR(kType, kDriver + 0x05, ResourceInfo);
constexpr unsigned long kWait = _IOWR(kType, kDriver + 0x08, Wait);
constexpr unsigned long kGetCapset = _IOWR(kType, kDriver + 0x09, GetCapset);
constexpr unsigned long kCreateBlob = _IOWR(kType, kDriver + 0x0a, CreateBlob);
constexpr unsigned long kContextInit = _IOWR(kType, kDriver + 0x0b, ContextInit);

/** Of PrimeHandle: the descriptor closes on exec and can be mapped for writing. */
constexpr uint32_t kPrimeFlags = O_CLOEXEC | O_RDWR;
/** Of Execute: `ring` is said. */
constexpr uint32_t kOnRing = 4;
/** Of Wait: EBUSY instead of waiting. */
constexpr uint32_t kNoWait = 1;

enum ContextParameters : uint64_t { kCapsetId = 1, kRingCount = 2, kPolledRings = 3 };

/** What a file of the driver is read for: a fence on a ring that is polled was signalled. */
struct Event {
  uint32_t type;
  uint32_t length;
};
constexpr uint32_t kFenceSignalled = 0x90000000;

}  // namespace virtwl::drm

/** What a cross-domain context says and is told. Little-endian, as all machines that this runs on. */
namespace virtwl::crossdomain {

enum Command : uint8_t { kPoll = 3, kSend = 4, kReceive = 5, kRead = 6 };

/** Of the context's rings: the host's answers to a query, and what comes over the channel. The second is polled. */
enum Ring : uint32_t { kQueryRing = 0, kChannelRing = 1 };

/** Bytes of each ring, which is always written from its beginning. */
constexpr size_t kRingBytes = 4096;
constexpr size_t kMaxIdentifiers = 28;

struct Header {
  uint8_t command;
  uint8_t ring;
  uint16_t size;
  uint32_t pad;
};

struct Poll {
  Header header;
  uint64_t pad;
};

/** SEND and RECEIVE, and what follows is data. */
struct Message {
  Header header;
  uint32_t count;
  uint32_t bytes;
  uint32_t ids[kMaxIdentifiers];
  uint32_t types[kMaxIdentifiers];
  uint32_t sizes[kMaxIdentifiers];
};

/** READ, and what follows is data. */
struct PipeMessage {
  Header header;
  uint32_t id;
  uint32_t hangUp;
  uint32_t bytes;
  uint32_t pad;
};

constexpr size_t kMaxData = kRingBytes - sizeof(Message);

}  // namespace virtwl::crossdomain

#endif  // VIRTWL_BINDINGS_VIRTGPU_UAPI_H_
