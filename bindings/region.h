/**
 * A set of pixels: src/wayland/region.ts in native code, rectangle by rectangle the same, so that both come to the same
 * copies. No V8 here.
 */
#ifndef VIRTWL_BINDINGS_REGION_H_
#define VIRTWL_BINDINGS_REGION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace virtwl {

/** A rectangle by its edges: the second ones are just outside. */
struct Box {
  int32_t x1;
  int32_t y1;
  int32_t x2;
  int32_t y2;
};

class Region {
 public:
  /** Rectangles before it falls back to the box around all: MAX_RECTS of src/wayland/region.ts. */
  static constexpr size_t kMaxBoxes = 32;

  const std::vector<Box>& boxes() const { return boxes_; }
  bool empty() const { return boxes_.empty(); }
  /** In pixels. */
  uint64_t Area() const;

  void Clear() { boxes_.clear(); }
  /** One that is empty changes nothing. */
  void Add(Box box);
  void Add(const Region& other);
  /** Cuts off what lies outside of 0,0 to width,height. */
  void Clip(int32_t width, int32_t height);

 private:
  std::vector<Box> boxes_;
};

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_REGION_H_
