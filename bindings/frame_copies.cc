#include "frame_copies.h"

#include <algorithm>
#include <utility>

#include "rect_copy.h"
#include "sigbus.h"

namespace virtwl {

namespace {

/** Link buffers that stay although the compositor holds none of them: IDLE_LINK_BUFFERS of src/client/app-surface.ts.
 */
constexpr int kIdleLinkBuffers = 2;

/** Whether all of a picture lies in its memory. */
bool Fits(const FrameCopies::Surface& surface, const FrameCopies::Buffer& buffer) {
  const uint64_t row = static_cast<uint64_t>(surface.width) * static_cast<uint64_t>(surface.bytesPerPixel);
  // No overflow: a side is at most kMostSide, offset and stride are below 2^31.
  const uint64_t end = buffer.offset + buffer.stride * (static_cast<uint64_t>(surface.height) - 1) + row;
  return buffer.id != 0 && buffer.stride >= row && end <= buffer.pixels.length;
}

/** Reads words that are in bounds. */
class Words {
 public:
  Words(const int32_t* words, size_t length) : words_(words), length_(length) {}
  bool Next(int32_t least, int32_t most, int32_t* value) {
    if (at_ >= length_ || words_[at_] < least || words_[at_] > most) return false;
    *value = words_[at_++];
    return true;
  }
  bool done() const { return at_ == length_; }

 private:
  const int32_t* const words_;
  const size_t length_;
  size_t at_ = 0;
};

bool ReadBuffer(Words& words, FrameCopies::Buffer* buffer) {
  int32_t id;
  int32_t offset;
  int32_t stride;
  if (!words.Next(1, INT32_MAX, &id) || !words.Next(0, INT32_MAX, &offset) || !words.Next(1, INT32_MAX, &stride))
    return false;
  buffer->id = static_cast<uint32_t>(id);
  buffer->offset = static_cast<size_t>(offset);
  buffer->stride = static_cast<size_t>(stride);
  return true;
}

bool ReadRegion(Words& words, const FrameCopies::Surface& surface, Region* region) {
  int32_t count;
  if (!words.Next(0, Region::kMaxBoxes, &count)) return false;
  for (int32_t i = 0; i < count; i++) {
    Box box;
    if (!words.Next(0, surface.width, &box.x1) || !words.Next(0, surface.height, &box.y1) ||
        !words.Next(box.x1, surface.width, &box.x2) || !words.Next(box.y1, surface.height, &box.y2)) {
      return false;
    }
    region->Add(box);
  }
  return true;
}

}  // namespace

/**
 * The words: the surface's id, width and height of its pictures, bytes of a pixel, whether damage of it is that of the
 * buffer, the number of the link buffer that was given last or -1, how many link buffers, how many buffers; of each
 * link buffer its id, offset, stride, whether it is busy (2: and TypeScript waits for its release), and the rectangles
 * that are out of date: how many, and their edges; of each buffer its id, offset and stride.
 */
bool FrameCopies::Lend(const int32_t* words, size_t length, const std::vector<Pixels>& pixels, size_t writable) {
  if (surfaces_.size() >= kMostSurfaces) return false;
  auto surface = std::make_unique<Surface>();
  Words reader(words, length);
  int32_t id;
  int32_t plain;
  int32_t links;
  int32_t buffers;
  constexpr int32_t kMost = static_cast<int32_t>(kMostBuffers);
  constexpr int32_t kLinks = static_cast<int32_t>(kMostLinks);
  if (!reader.Next(1, INT32_MAX, &id) || !reader.Next(1, kMostSide, &surface->width) ||
      !reader.Next(1, kMostSide, &surface->height) || !reader.Next(1, 16, &surface->bytesPerPixel) ||
      !reader.Next(0, 1, &plain) || !reader.Next(-1, kLinks, &surface->current) || !reader.Next(1, kLinks, &links) ||
      !reader.Next(1, kMost, &buffers) || surface->current >= links || static_cast<size_t>(links) != writable) {
    return false;
  }
  surface->id = static_cast<uint32_t>(id);
  surface->plain = plain == 1;
  if (Find(surface->id) != nullptr || pixels.size() != static_cast<size_t>(links) + static_cast<size_t>(buffers)) {
    return false;
  }
  auto memory = pixels.begin();
  for (int32_t i = 0; i < links; i++) {
    LinkBuffer link;
    int32_t busy;
    link.pixels = *memory++;
    if (!ReadBuffer(reader, &link) || !reader.Next(0, 2, &busy) || !ReadRegion(reader, *surface, &link.stale) ||
        !Fits(*surface, link)) {
      return false;
    }
    link.busy = busy != 0;
    link.awaited = busy == 2;
    surface->links.push_back(std::move(link));
  }
  for (int32_t i = 0; i < buffers; i++) {
    Buffer buffer;
    buffer.pixels = *memory++;
    if (!ReadBuffer(reader, &buffer) || !Fits(*surface, buffer)) return false;
    surface->buffers.push_back(std::move(buffer));
  }
  if (!reader.done()) return false;
  surfaces_.push_back(std::move(surface));
  return true;
}

/**
 * The words: how many frames it has had here, the number of the link buffer that was given last or -1; of each link
 * buffer whether it is busy, how many uses of any ago it was used here or -1, and what is out of date as above.
 */
size_t FrameCopies::TakeBack(uint32_t id, int32_t* words, size_t length) {
  for (size_t i = 0; i < surfaces_.size(); i++) {
    Surface& surface = *surfaces_[i];
    if (surface.id != id) continue;
    size_t at = 0;
    const auto put = [&](uint32_t word) {
      if (at < length) words[at] = static_cast<int32_t>(word);
      at++;
    };
    put(surface.frames);
    put(static_cast<uint32_t>(surface.current));
    for (const LinkBuffer& link : surface.links) {
      put(link.busy ? 1 : 0);
      put(link.used == 0 ? ~0u : static_cast<uint32_t>(std::clamp(*uses_ - link.used, 0.0, double{INT32_MAX})));
      put(static_cast<uint32_t>(link.stale.boxes().size()));
      for (const Box& box : link.stale.boxes()) {
        for (const int32_t edge : {box.x1, box.y1, box.x2, box.y2}) put(static_cast<uint32_t>(edge));
      }
    }
    if (at > length) return 0;
    surfaces_.erase(surfaces_.begin() + static_cast<std::ptrdiff_t>(i));
    return at;
  }
  return 0;
}

FrameCopies::Surface* FrameCopies::Find(uint32_t id) {
  for (const auto& surface : surfaces_) {
    if (surface->id == id) return surface.get();
  }
  return nullptr;
}

void FrameCopies::Begin() {
  bufferDamage_.Clear();
  surfaceDamage_.clear();
}

bool FrameCopies::Damage(const Surface& surface, bool ofBuffer, Box box) {
  if (ofBuffer) {
    bufferDamage_.Add(box);
  } else if (surface.plain) {
    surfaceDamage_.push_back(box);
  } else {
    return false;
  }
  return true;
}

const FrameCopies::LinkBuffer* FrameCopies::Copy(Surface& surface, uint32_t id) {
  const Buffer* from = nullptr;
  for (const Buffer& buffer : surface.buffers) {
    if (buffer.id == id) from = &buffer;
  }
  if (from == nullptr || RangeFaulted(from->pixels.guard)) return nullptr;
  damage_.Clear();
  damage_.Add(bufferDamage_);
  for (const Box& box : surfaceDamage_) damage_.Add(box);
  damage_.Clip(surface.width, surface.height);
  // What changes nothing is shown by what is shown already.
  if (damage_.empty()) return nullptr;

  LinkBuffer* to = nullptr;
  for (LinkBuffer& link : surface.links) {
    if (link.busy || (to != nullptr && link.stale.Area() >= to->stale.Area())) continue;
    to = &link;
  }
  if (to == nullptr) return nullptr;
  target_ = static_cast<size_t>(to - surface.links.data());
  copy_ = to->stale;
  copy_.Add(damage_);
  const size_t bytes = static_cast<size_t>(surface.bytesPerPixel);
  bytes_ = copy_.Area() * bytes;
  if (bytes_ > kMostBytes) return nullptr;
  for (const Box& box : copy_.boxes()) {
    // All of them lie in the picture, which lies in the memory of both.
    const size_t x = static_cast<size_t>(box.x1) * bytes;
    const size_t y = static_cast<size_t>(box.y1);
    const RectCopy copy{to->offset + y * to->stride + x,
                        to->stride,
                        from->offset + y * from->stride + x,
                        from->stride,
                        static_cast<size_t>(box.x2 - box.x1) * bytes,
                        static_cast<size_t>(box.y2 - box.y1)};
    CopyRect(copy, to->pixels.address, from->pixels.address);
  }
  copied_.copies += copy_.boxes().size();
  copied_.bytes += bytes_;
  // What is wrong with the file is TypeScript's to find out.
  return RangeFaulted(from->pixels.guard) ? nullptr : to;
}

void FrameCopies::Show(Surface& surface) {
  for (size_t i = 0; i < surface.links.size(); i++) {
    LinkBuffer& link = surface.links[i];
    if (i == target_) {
      link.stale.Clear();
      link.busy = true;
      link.used = *uses_ += 1;
    } else {
      link.stale.Add(damage_);
    }
  }
  surface.current = static_cast<int32_t>(target_);
  surface.frames++;
  numbers_[kFramesCopied] += 1;
  numbers_[kBytesCopied] += static_cast<double>(bytes_);
  const uint64_t all = static_cast<uint64_t>(surface.width) * static_cast<uint64_t>(surface.height) *
                       static_cast<uint64_t>(surface.bytesPerPixel);
  if (all > bytes_) numbers_[kBytesNotCopied] += static_cast<double>(all - bytes_);
}

bool FrameCopies::Released(uint32_t id) {
  for (const auto& surface : surfaces_) {
    int idle = 0;
    LinkBuffer* released = nullptr;
    for (LinkBuffer& link : surface->links) {
      if (link.id == id) released = &link;
      if (!link.busy) idle++;
    }
    if (released == nullptr) continue;
    // One too many, one that is awaited, or one that was not held: TypeScript's.
    if (!released->busy || released->awaited || idle >= kIdleLinkBuffers) return false;
    released->busy = false;
    return true;
  }
  return false;
}

FrameCopies::Copied FrameCopies::TakeCopied() { return std::exchange(copied_, Copied()); }

}  // namespace virtwl
