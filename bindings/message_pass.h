/**
 * A pass over whole batches of Wayland messages: what a relay does with a message that no handler wants (src/relay), by
 * the same tables. Plain C++ over memory that it is given, without JavaScript and without system calls but the clock's.
 *
 * It takes the messages at the head of a batch, as many as it can, and puts the other side's ids in their place. It
 * stops at the first that is TypeScript's, for whatever reason: a handler, an fd, an object that is not plain, a
 * mistake. What it does not take it leaves as it was; so nothing needs to be an error here, and a doubt is a reason to
 * stop.
 *
 * Its state is in arrays that TypeScript reads and writes as well, between two calls; src/relay/pass.ts says what each
 * word means. Whatever stands there, no access leaves the arrays.
 */
#ifndef VIRTWL_BINDINGS_MESSAGE_PASS_H_
#define VIRTWL_BINDINGS_MESSAGE_PASS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "frame_copies.h"

namespace virtwl {

/** Numbers in an array that JavaScript made. */
template <typename T>
class Shared {
 public:
  Shared() = default;
  /** `owner` keeps the memory. */
  Shared(std::shared_ptr<void> owner, T* data, size_t length)
      : owner_(std::move(owner)), data_(data), length_(length) {}

  size_t length() const { return length_; }
  /** `index` is below length(). */
  T& operator[](size_t index) const { return data_[index]; }

 private:
  std::shared_ptr<void> owner_;
  T* data_ = nullptr;
  size_t length_ = 0;
};

/** Words of the connection; the same numbers as in src/relay/pass.ts. */
enum PassWord : size_t {
  /** Where one of the first seven is not 0, TypeScript takes the way. */
  kRequestFlow,
  kEventFlow,
  kToServerHolds,
  kToClientHolds,
  kToServerBusy,
  kToClientBusy,
  kHolding,
  kClientLength,
  kFirstReused,
  kFreeCount,
  kCallbacks,
  kAnswers,
  /** Of each way: what was received, passed and sent; see bindings/pass.cc. */
  kRequestTaken,
  kRequestPassed,
  kRequestSent,
  kEventTaken,
  kEventPassed,
  kEventSent,
  /** Batches that went through whole. */
  kBatches,
  /** Rectangles of damage that a steady frame may have; 0: there is none. */
  kFrameDamage,
  /** Steady frames that passed. */
  kFrames,
  /** Those of them that brought a buffer. */
  kPictures,
  /** TypeScript wants to be told of the next request: it takes the way of those. */
  kAwaited,
  /** The compositor's id of the buffer that is timed, 0: none; since when, in microseconds; kPictures of then. */
  kTimed,
  kTimedSince,
  kTimedPicture,
  /** How many times were taken; and (kTimes) the last of them, in microseconds. */
  kTimesTaken,
  /** The timer that tells of releases comes round here, so that they may wait. */
  kReleasesTimed,
  /** How often it has since the first of those that wait; how often it may; answers since that came before it did. */
  kReleaseTurns,
  kMostReleaseTurns,
  kPromptAnswers,
  /** Buffers of which the client is told with the next event that they are released: how many, and (kReleased) their
     ids. */
  kReleases,
  kTimes,
  kReleased = kTimes + 32,
  kPassWords = kReleased + 16,
};

/** Numbers of a pace, those of the VM and then that of the connection; the same as in src/relay/pass.ts. */
enum LedgerEntry : size_t {
  kAhead,
  kWindow,
  kCredit,
  kRests,
  kSpoke,
  kAskAfter,
  kUnasked,
  kTurn,
  kTurnCost,
  kSlice,
  kMostSlice,
  /** No other VM shares the compositor. */
  kOnly,
  /** Connections whose requests wait. */
  kWaits,
  kLedgerEntries,
};
enum ConnectionEntry : size_t {
  kOwnUnasked,
  kNumber,
  kOwes,
  /** The compositor's id of the callback whose answer settles what was owed when it was asked for; how much. */
  kNoted,
  kNotedCost,
  kConnectionEntries,
};

/** What passes of interfaces, each in one version. Connections with the same handlers share it. */
class PassTypes {
 public:
  /** From kAttach to kCommit: of a frame, which passes whole or not at all. */
  enum class Kind : uint8_t { kNone, kPlain, kSync, kDeleteId, kAttach, kDamage, kBufferDamage, kFrame, kCommit };
  struct Message {
    Kind kind = Kind::kNone;
    /** Bytes with the header, 0 where they vary. */
    uint32_t size = 0;
    double cost = 0;
    double own = 0;
    /** As in the description. */
    std::vector<uint32_t> arguments;
  };
  struct Type {
    uint32_t interface = 0;
    uint32_t version = 0;
    std::vector<Message> requests;
    std::vector<Message> events;
  };

  /**
   * One more type: an interface in a version, and which of its messages pass. Returns its number, or 0 for a
   * description that is none.
   */
  uint32_t Add(const int32_t* description, size_t length);
  /** Null for a number that is none. */
  const Type* Get(uint32_t number) const {
    return number == 0 || number > types_.size() ? nullptr : &types_[number - 1];
  }

 private:
  std::vector<Type> types_;
};

/** Words an id has: the other side's id, whose it is (see kTypeScripts), and its picture or version (pass-rows.ts). */
constexpr size_t kRowWords = 3;
/** Ids of one page of rows. */
constexpr size_t kPageRows = 64;
/** Most pages of one side: as many as MAX_OBJECTS of src/relay/object-map.ts needs, and the block of an order. */
constexpr size_t kMaxPages = 2048;

/** What is known of the ids of one side, by pages; of an id without a page nothing is. */
class PassRows {
 public:
  /** `words` has kRowWords for each of kPageRows; `page` is below kMaxPages. */
  void SetPage(size_t page, Shared<int32_t> words);
  /** The words of an id, or null. */
  int32_t* Find(uint32_t id) const;

 private:
  std::vector<Shared<int32_t>> pages_;
};

class MessagePass {
 public:
  /** `words` has at least kPassWords. */
  MessagePass(Shared<int32_t> words, std::shared_ptr<PassTypes> types)
      : words_(std::move(words)), types_(std::move(types)) {}

  const Shared<int32_t>& words() const { return words_; }

  PassRows& client() { return client_; }
  PassRows& server() { return server_; }
  /** A stack of ids of the server's side that are free. */
  void SetFree(Shared<int32_t> freeIds) { free_ = std::move(freeIds); }
  /** What admits requests. Without it all are admitted. `vm` has kLedgerEntries, `connection` kConnectionEntries. */
  void SetLedger(Shared<double> vm, Shared<double> connection);
  /** The type of the objects that `wl_display.sync` makes; 0: it makes none here. */
  void SetCallbackType(uint32_t type) { callbackType_ = types_->Get(type) == nullptr ? 0 : type; }

  /** Frames are those of surfaces whose pixels are copied here, and no others. `numbers` has kCopyNumbers, `uses` one.
   */
  void SetCopies(Shared<double> numbers, Shared<double> uses);
  /** Null where no frames are copied. */
  FrameCopies* copies() { return copies_.get(); }

  /**
   * Each returns how many bytes of whole messages it has taken; their ids are the other side's then. Of those, the
   * first dropped() bytes are to be left out.
   */
  size_t Requests(uint8_t* bytes, size_t length);
  size_t Events(uint8_t* bytes, size_t length);
  size_t dropped() const { return dropped_; }

  /** How many bytes it would take to tell of the releases that wait. */
  size_t ReleaseBytes() const;
  /** Whether they may wait for the next event to the client. */
  bool ReleasesMayWait() const;
  /** Writes the ReleaseBytes() that tell of them. */
  void TellReleases(uint8_t* bytes);

 private:
  using Kind = PassTypes::Kind;
  using Message = PassTypes::Message;
  using Type = PassTypes::Type;
  struct Row {
    uint32_t other;
    const Type* type;
    bool made;
    uint32_t picture;
  };
  /** What messages that pass together need of the pace, and what those of them before the last do. */
  struct Cost {
    double cost = 0;
    double own = 0;
    double costBefore = 0;
    double ownBefore = 0;
  };

  bool Look(const PassRows& rows, uint32_t id, Row* row) const;
  void Count(PassWord word, int32_t more);
  size_t Take(const PassRows& rows, bool request, uint8_t* bytes, size_t length);
  /** How many bytes it has taken of what begins with a message of `size` bytes. */
  size_t Pass(const PassRows& rows, bool request, uint8_t* message, uint32_t size, size_t length);
  /** Whether the body is as the signature says; the places of its objects go to places_. */
  bool Check(const Message& message, const uint8_t* bytes, uint32_t size);
  bool Admits(const Cost& cost, bool asks) const;
  void Spend(const Cost& cost);
  bool Sync(uint8_t* message);
  /** A client's question, which was not taken as one of the VM's: as ConnectionPace.takes() of TypeScript. */
  void Note(uint32_t callback);
  /** A callback is called. False: TypeScript has to deal with that. */
  bool Answered(uint32_t callback);
  /** A steady frame: all its messages, or none. */
  size_t Frame(const Row& surface, uint8_t* bytes, size_t length);
  bool CheckAttach(const Row& surface, const uint8_t* message, Row* buffer) const;
  /** A frame with this buffer of the compositor's has passed: now and then one is timed. */
  void Committed(uint32_t buffer, uint32_t interface);
  /** An event of this object has passed: where it is the buffer that is timed, its release. */
  void Told(uint32_t id, uint32_t interface);
  /** A link buffer has been released: that is not the client's business. */
  bool DropRelease(const uint8_t* message, uint32_t size);
  /** Makes a callback of the client's `id`, `version`; returns ours, 0 where it is TypeScript's. */
  uint32_t Callback(uint32_t id, uint32_t version);
  /** The words of an id that a client may give to a new object here: one that it has used before. Or null. */
  int32_t* PlaceFor(uint32_t id) const;
  bool DeleteId(uint8_t* message);

  Shared<int32_t> words_;
  PassRows client_;
  PassRows server_;
  Shared<int32_t> free_;
  Shared<double> vm_;
  Shared<double> connection_;
  const std::shared_ptr<PassTypes> types_;
  uint32_t callbackType_ = 0;
  /** The number of what the buffer that is timed is. */
  uint32_t timedInterface_ = 0;
  std::unique_ptr<FrameCopies> copies_;
  /** Of the batch at hand. */
  size_t dropped_ = 0;
  /** Of the message at hand: where its objects are, in bytes from its header on, and their arguments. */
  std::vector<std::pair<uint32_t, uint32_t>> places_;
};

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_MESSAGE_PASS_H_
