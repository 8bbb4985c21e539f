#include "region.h"

#include <algorithm>
#include <utility>

namespace virtwl {

namespace {

bool IsEmpty(const Box& box) { return box.x1 >= box.x2 || box.y1 >= box.y2; }

bool Contains(const Box& outer, const Box& inner) {
  return outer.x1 <= inner.x1 && outer.y1 <= inner.y1 && outer.x2 >= inner.x2 && outer.y2 >= inner.y2;
}

Box Around(const Box& a, const Box& b) {
  return {std::min(a.x1, b.x1), std::min(a.y1, b.y1), std::max(a.x2, b.x2), std::max(a.y2, b.y2)};
}

/** What is left of a box outside of another goes to the end of `left`: at most four. */
void Subtract(const Box& box, const Box& hole, std::vector<Box>* left) {
  if (box.x2 <= hole.x1 || box.x1 >= hole.x2 || box.y2 <= hole.y1 || box.y1 >= hole.y2) {
    left->push_back(box);
    return;
  }
  const int32_t top = std::max(box.y1, hole.y1);
  const int32_t bottom = std::min(box.y2, hole.y2);
  if (box.y1 < top) left->push_back({box.x1, box.y1, box.x2, top});
  if (box.x1 < hole.x1) left->push_back({box.x1, top, hole.x1, bottom});
  if (box.x2 > hole.x2) left->push_back({hole.x2, top, box.x2, bottom});
  if (bottom < box.y2) left->push_back({box.x1, bottom, box.x2, box.y2});
}

}  // namespace

uint64_t Region::Area() const {
  uint64_t area = 0;
  for (const Box& box : boxes_) {
    area += static_cast<uint64_t>(static_cast<int64_t>(box.x2) - box.x1) *
            static_cast<uint64_t>(static_cast<int64_t>(box.y2) - box.y1);
  }
  return area;
}

void Region::Add(Box box) {
  if (IsEmpty(box)) return;
  if (boxes_.empty()) {
    boxes_.push_back(box);
    return;
  }
  for (size_t i = 0; i < boxes_.size();) {
    if (Contains(boxes_[i], box)) return;
    if (Contains(box, boxes_[i])) {
      boxes_[i] = boxes_.back();
      boxes_.pop_back();
    } else {
      i++;
    }
  }
  std::vector<Box> left{box};
  std::vector<Box> rest;
  for (const Box& have : boxes_) {
    if (left.empty()) return;
    rest.clear();
    for (const Box& each : left) Subtract(each, have, &rest);
    std::swap(left, rest);
  }
  if (boxes_.size() + left.size() <= kMaxBoxes) {
    boxes_.insert(boxes_.end(), left.begin(), left.end());
    return;
  }
  for (const Box& have : boxes_) box = Around(box, have);
  boxes_.assign(1, box);
}

void Region::Add(const Region& other) {
  for (const Box& box : other.boxes_) Add(box);
}

void Region::Clip(int32_t width, int32_t height) {
  size_t kept = 0;
  for (const Box& box : boxes_) {
    const Box cut{std::max(box.x1, 0), std::max(box.y1, 0), std::min(box.x2, width), std::min(box.y2, height)};
    if (!IsEmpty(cut)) boxes_[kept++] = cut;
  }
  boxes_.resize(kept);
}

}  // namespace virtwl
