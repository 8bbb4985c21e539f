/**
 * Frames whose pixels are copied by us, without JavaScript: the steady ones of an application (src/client). For each of
 * its surfaces that TypeScript has lent it knows the application's buffers, the link buffers that their pixels are
 * copied to, and what is out of date of each of those. While a surface is lent, TypeScript does not look at that state,
 * and takes all of it back before it does; so it is never in two places. What is decided here is what AppSurface of
 * src/client/app-surface.ts decides: the same link buffer, the same rectangles.
 *
 * Memory is looked at by what was checked when it was lent, in numbers that nobody else can change. No V8 here.
 */
#ifndef VIRTWL_BINDINGS_FRAME_COPIES_H_
#define VIRTWL_BINDINGS_FRAME_COPIES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "region.h"

namespace virtwl {

struct GuardedRange;

/** Mapped memory, which `owner` keeps. */
struct Pixels {
  std::shared_ptr<void> owner;
  uint8_t* address = nullptr;
  size_t length = 0;
  const GuardedRange* guard = nullptr;
};

/** What is counted of copies, in an array that TypeScript reads: the same places as in src/client/copy-tally.ts. */
enum CopyNumber : size_t { kFramesCopied, kBytesCopied, kBytesNotCopied, kCopyNumbers };

class FrameCopies {
 public:
  /**
   * Surfaces of a connection that may be lent at a time: programs draw in one or two windows at once, and each is
   * looked for in turn.
   */
  static constexpr size_t kMostSurfaces = 8;
  /** Link buffers that a surface may have here. Compositors take turns with two or three. */
  static constexpr size_t kMostLinks = 6;
  /** Buffers of the application. Programs take turns with two or three, and some with all that a pool of theirs has. */
  static constexpr size_t kMostBuffers = 16;
  /**
   * Most bytes of one copy here: what takes some 10 us, as long as the rest of a frame. A larger one is little quicker
   * for being native, and TypeScript may have a thread make it.
   */
  static constexpr uint64_t kMostBytes = 64 << 10;
  /** A side of a buffer at most: MAX_BUFFER_SIDE of src/firewall/values.ts. */
  static constexpr int32_t kMostSide = 32768;

  struct Buffer {
    uint32_t id = 0;
    Pixels pixels;
    size_t offset = 0;
    size_t stride = 0;
  };
  struct LinkBuffer : Buffer {
    bool busy = false;
    /** TypeScript has given it, and wants to know when it is released. */
    bool awaited = false;
    /** Which use of all link buffers of the process its last one here was; 0: there was none. */
    double used = 0;
    Region stale;
  };
  struct Surface {
    uint32_t id = 0;
    int32_t width = 0;
    int32_t height = 0;
    int32_t bytesPerPixel = 0;
    /** Damage in units of the surface is damage of the buffer. */
    bool plain = false;
    /** The link buffer that was given last; its number, or -1. */
    int32_t current = -1;
    uint32_t frames = 0;
    std::vector<LinkBuffer> links;
    std::vector<Buffer> buffers;
  };

  /** `numbers` has kCopyNumbers; `uses` counts those of all link buffers of the process. `owner` keeps both. */
  FrameCopies(std::shared_ptr<void> owner, double* numbers, double* uses)
      : owner_(std::move(owner)), numbers_(numbers), uses_(uses) {}

  /**
   * Takes a surface that TypeScript lends: `words` as src/client/lent-frames.ts writes them, `pixels` of each link
   * buffer and then of each of the application's; the first `links` of them are writable. False, and nothing is taken,
   * where they are not right, or there is no room.
   */
  bool Lend(const int32_t* words, size_t length, const std::vector<Pixels>& pixels, size_t links);
  /** Gives one back: writes what it is now to `words`. Returns how many words, 0 where there is no such surface. */
  size_t TakeBack(uint32_t surface, int32_t* words, size_t length);

  Surface* Find(uint32_t id);

  /** A frame begins of which the damage is told now. */
  void Begin();
  /** One rectangle of it, `ofBuffer` or of the surface; none is empty. False: TypeScript's. */
  bool Damage(const Surface& surface, bool ofBuffer, Box box);
  /**
   * Copies what the frame needs of the application's buffer. Returns the link buffer; null: the frame is TypeScript's,
   * and nothing has changed but pixels that are out of date in any case.
   */
  const LinkBuffer* Copy(Surface& surface, uint32_t buffer);
  /** What Copy() has copied is shown from now on. */
  void Show(Surface& surface);
  /** The compositor has released a link buffer. False: that is TypeScript's. */
  bool Released(uint32_t id);

  /** Rectangles and bytes that were copied since the last call. */
  struct Copied {
    uint64_t copies = 0;
    uint64_t bytes = 0;
  };
  Copied TakeCopied();

 private:
  const std::shared_ptr<void> owner_;
  double* const numbers_;
  double* const uses_;
  std::vector<std::unique_ptr<Surface>> surfaces_;
  /** Of the frame at hand. */
  Region bufferDamage_;
  std::vector<Box> surfaceDamage_;
  Region damage_;
  Region copy_;
  size_t target_ = 0;
  uint64_t bytes_ = 0;
  Copied copied_;
};

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_FRAME_COPIES_H_
