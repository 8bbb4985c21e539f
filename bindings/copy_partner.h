/**
 * A second thread for large copies: where a processor is free, it takes a half, and a frame of a whole screen comes a
 * quarter sooner. The copy is cut into pieces which both threads take one by one, so that who is kept from running
 * holds up one piece and no more. One thread for the whole process, which sleeps between copies.
 */
#ifndef VIRTWL_BINDINGS_COPY_PARTNER_H_
#define VIRTWL_BINDINGS_COPY_PARTNER_H_

#include <cstdint>
#include <vector>

#include "rect_copy.h"

namespace virtwl {

/**
 * From how many bytes on a rectangle is cut up. Below, what it takes to wake the partner, some 20 us on a machine whose
 * other processor sleeps, is more than it saves.
 */
constexpr uint64_t kSharedBytes = 2 * 1024 * 1024;

/** About how many bytes are taken at a time: 15 us. */
constexpr uint64_t kPieceBytes = 256 * 1024;

/** The rows of a rectangle as rectangles of about kPieceBytes each, one row at least. */
std::vector<RectCopy> PiecesOf(const RectCopy& copy);

/** Copies one rectangle, or a piece of one. Any thread, several at a time. */
struct PieceCopy {
  uint8_t* dst;
  const uint8_t* src;
  /** As in ReadRect; -1: none. */
  int file;
  void operator()(const RectCopy& piece) const;
};

/**
 * Copies all pieces, with the partner where there is one and it has nothing else to do. They are copied when it
 * returns. Any thread.
 */
void CopyPieces(const std::vector<RectCopy>& pieces, const PieceCopy& copy);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_COPY_PARTNER_H_
