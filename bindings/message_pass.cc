#include "message_pass.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace virtwl {

namespace {

constexpr uint32_t kHeaderBytes = 8;
constexpr uint32_t kMaxMessageBytes = 4096;
constexpr uint32_t kAttachBytes = kHeaderBytes + 12;

/** Whose an id is, in the second word of its row. 0 is nobody's; over 0 is the number of its type. */
constexpr int32_t kTypeScripts = -1;
/** Beside the type: the object was made here, and TypeScript has none for it. */
constexpr int32_t kMadeHere = 1 << 30;

/** Callbacks that a client waits for while its frames pass: more of them are counted for its VM by TypeScript. */
constexpr int32_t kMostCallbacks = 8;
/** Sides and places of damage that pass: a buffer has no longer side (MAX_BUFFER_SIDE of src/firewall/values.ts). */
constexpr uint32_t kMostSide = 32768;

/**
 * Of so many frames one is timed: a clock may cost as much as the rest of a frame here where it is no vDSO's. When the
 * next is, the buffer of the one before has been released, since no compositor holds as many, or its release was
 * TypeScript's.
 */
constexpr uint32_t kTimedOf = 8;

/** The release of a buffer: a header alone. What a buffer is told has no other opcode. */
constexpr uint32_t kReleaseHeader = kHeaderBytes << 16;
/** Releases that wait, at most. */
constexpr size_t kMostReleases = kPassWords - kReleased;
/** How often the timer may come round until they are told at last: MOST_TURNS of src/client/releases.ts. */
constexpr int32_t kMostTurns = 5;
/** Prompt answers after which it comes round once less: PROMPT_ENOUGH there. */
constexpr int32_t kPromptEnough = 16;

/** What a request of own cost 1 takes of a VM's credit, in milliseconds: OWN_FOR_COST_MS of src/firewall/pace.ts. */
constexpr double kOwnForCostMs = 0.001;

/** What a connection owes for its client's question to be taken: OWN_QUESTION of src/firewall/pace.ts. */
constexpr double kOwnQuestion = 8;

/** Kinds of arguments in a description; in the bits above, whether it may be null, and its interface. */
enum ArgumentKind : uint32_t { kWord, kObject, kNewId, kString, kArray, kArgumentKinds };
constexpr uint32_t kKindMask = 7;
constexpr uint32_t kNullable = 8;
constexpr uint32_t kInterfaceShift = 4;

uint32_t ReadWord(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

void WriteWord(uint8_t* bytes, uint32_t word) { std::memcpy(bytes, &word, sizeof word); }

void Set(int32_t* words, uint32_t other, int32_t whose, uint32_t third) {
  words[0] = static_cast<int32_t>(other);
  words[1] = whose;
  words[2] = static_cast<int32_t>(third);
}

/** In microseconds, of which 2^32 are over an hour. */
uint32_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint32_t>(static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000);
}

uint32_t Padded(uint32_t length) { return (length + 3) & ~3u; }

}  // namespace

void PassRows::SetPage(size_t page, Shared<int32_t> words) {
  if (page >= kMaxPages || words.length() < kPageRows * kRowWords) return;
  if (pages_.size() <= page) pages_.resize(page + 1);
  pages_[page] = std::move(words);
}

int32_t* PassRows::Find(uint32_t id) const {
  const size_t page = id / kPageRows;
  if (page >= pages_.size() || pages_[page].length() == 0) return nullptr;
  return &pages_[page][id % kPageRows * kRowWords];
}

void MessagePass::SetLedger(Shared<double> vm, Shared<double> connection) {
  if (vm.length() < kLedgerEntries || connection.length() < kConnectionEntries) return;
  vm_ = std::move(vm);
  connection_ = std::move(connection);
}

/**
 * A description: the interface's number, its version, the number of requests, the number of events; then for each
 * message its kind, its size in bytes or 0, its cost, its own cost, the number of its arguments, and the arguments.
 */
uint32_t PassTypes::Add(const int32_t* description, size_t length) {
  size_t at = 0;
  const auto next = [&](uint32_t most, uint32_t* value) {
    if (at >= length || description[at] < 0 || static_cast<uint32_t>(description[at]) > most) return false;
    *value = static_cast<uint32_t>(description[at++]);
    return true;
  };
  constexpr uint32_t kMany = 1 << 16;
  Type type;
  uint32_t counts[2];
  if (!next(kMany, &type.interface) || !next(kMany, &type.version) || !next(kMany, &counts[0]) ||
      !next(kMany, &counts[1]))
    return 0;
  for (int way = 0; way < 2; way++) {
    for (uint32_t i = 0; i < counts[way]; i++) {
      Message message;
      uint32_t kind;
      uint32_t cost;
      uint32_t own;
      uint32_t arguments;
      if (!next(static_cast<uint32_t>(Kind::kCommit), &kind) || !next(kMaxMessageBytes, &message.size) ||
          !next(kMany, &cost) || !next(kMany, &own) || !next(kMaxMessageBytes / 4, &arguments)) {
        return 0;
      }
      message.kind = static_cast<Kind>(kind);
      message.cost = cost;
      message.own = own;
      for (uint32_t j = 0; j < arguments; j++) {
        uint32_t argument;
        if (!next(INT32_MAX, &argument) || (argument & kKindMask) >= kArgumentKinds) return 0;
        // What makes an object has a kind of its own.
        if ((argument & kKindMask) == kNewId && message.kind == Kind::kPlain) return 0;
        message.arguments.push_back(argument);
      }
      (way == 0 ? type.requests : type.events).push_back(std::move(message));
    }
  }
  if (at != length || types_.size() >= kMany) return 0;
  types_.push_back(std::move(type));
  return static_cast<uint32_t>(types_.size());
}

bool MessagePass::Look(const PassRows& rows, uint32_t id, Row* row) const {
  const int32_t* words = rows.Find(id);
  if (words == nullptr || words[1] <= 0) return false;
  const Type* known = types_->Get(static_cast<uint32_t>(words[1] & ~kMadeHere));
  if (known == nullptr) return false;
  row->other = static_cast<uint32_t>(words[0]);
  row->type = known;
  row->made = (words[1] & kMadeHere) != 0;
  row->picture = static_cast<uint32_t>(words[2]);
  return row->other != 0;
}

void MessagePass::Count(PassWord word, int32_t more) {
  words_[word] = static_cast<int32_t>(static_cast<uint32_t>(words_[word]) + static_cast<uint32_t>(more));
}

size_t MessagePass::Requests(uint8_t* bytes, size_t length) { return Take(client_, true, bytes, length); }

size_t MessagePass::Events(uint8_t* bytes, size_t length) { return Take(server_, false, bytes, length); }

size_t MessagePass::Take(const PassRows& rows, bool request, uint8_t* bytes, size_t length) {
  size_t at = 0;
  dropped_ = 0;
  while (length - at >= kHeaderBytes) {
    const uint32_t size = ReadWord(bytes + at + 4) >> 16;
    if (length - at < size) break;
    if (!request && DropRelease(bytes + at, size)) {
      // What has passed before it moves up.
      std::memmove(bytes + dropped_ + size, bytes + dropped_, at - dropped_);
      dropped_ += size;
      at += size;
      continue;
    }
    const size_t taken = Pass(rows, request, bytes + at, size, length - at);
    if (taken == 0) break;
    at += taken;
  }
  return at;
}

size_t MessagePass::Pass(const PassRows& rows, bool request, uint8_t* bytes, uint32_t size, size_t length) {
  if (size < kHeaderBytes || size > kMaxMessageBytes || (size & 3) != 0) return 0;
  Row row;
  if (!Look(rows, ReadWord(bytes), &row)) return 0;
  const std::vector<Message>& messages = request ? row.type->requests : row.type->events;
  const uint32_t opcode = ReadWord(bytes + 4) & 0xffff;
  if (opcode >= messages.size()) return 0;
  const Message& message = messages[opcode];
  if (message.kind >= Kind::kAttach) return request && row.picture != 0 ? Frame(row, bytes, length) : 0;
  if (message.kind == Kind::kNone || !Check(message, bytes, size)) return 0;
  const Cost cost = {message.cost, message.own, 0, 0};
  if (request && !Admits(cost, message.kind == Kind::kSync)) return 0;
  // Nothing is written before everything about the message is known to be right.
  if (message.kind == Kind::kSync) {
    if (!Sync(bytes)) return 0;
  } else if (message.kind == Kind::kDeleteId) {
    if (!DeleteId(bytes)) return 0;
  } else {
    for (auto& [place, argument] : places_) {
      const uint32_t id = ReadWord(bytes + place);
      const uint32_t wanted = argument >> kInterfaceShift;
      Row named = {};
      if (id != 0 && (!Look(rows, id, &named) || (wanted != 0 && wanted != named.type->interface))) return 0;
      argument = named.other;
    }
    if (row.made && !Answered(ReadWord(bytes))) return 0;
    for (const auto& [place, id] : places_) WriteWord(bytes + place, id);
    if (row.made) Count(kAnswers, 1);
    if (!request) Told(ReadWord(bytes), row.type->interface);
  }
  WriteWord(bytes, row.other);
  if (request) Spend(cost);
  return size;
}

bool MessagePass::Check(const Message& message, const uint8_t* bytes, uint32_t size) {
  places_.clear();
  if (message.size != 0 && size != message.size) return false;
  uint32_t at = kHeaderBytes;
  for (const uint32_t argument : message.arguments) {
    if (size - at < 4) return false;
    const uint32_t word = ReadWord(bytes + at);
    const bool nullable = (argument & kNullable) != 0;
    switch (argument & kKindMask) {
      case kObject:
      case kNewId:
        if (word == 0 && !nullable) return false;
        places_.emplace_back(at, argument);
        break;
      case kString:
        if (word == 0) {
          if (!nullable) return false;
          break;
        }
        [[fallthrough]];
      case kArray:
        // What is left is whole words, so where the last byte fits, its padding does.
        if (word > size - at - 4) return false;
        if ((argument & kKindMask) == kString) {
          // Ended by its only NUL.
          const void* nul = std::memchr(bytes + at + 4, 0, word);
          if (nul != bytes + at + 4 + word - 1) return false;
        }
        at += Padded(word);
        break;
      default:
        break;
    }
    at += 4;
  }
  return at == size;
}

/**
 * As `VmPace` and `ConnectionPace` of src/firewall/pace.ts do, for each message before the next. What the compositor
 * would be asked about is TypeScript's, and so is the first thing that is owed, by which a VM knows its connections
 * that owe.
 */
bool MessagePass::Admits(const Cost& cost, bool asks) const {
  if (vm_.length() == 0) return true;
  const double ahead = vm_[kAhead];
  const double window = vm_[kWindow];
  const double unasked = connection_[kOwnUnasked];
  if (vm_[kRests] != 0 || connection_[kOwes] == 0 || !(ahead + cost.costBefore < window)) return false;
  // Without another VM there is no bound on its time.
  const bool alone = std::isinf(vm_[kMostSlice]);
  if (!alone && !(vm_[kCredit] >= cost.ownBefore * kOwnForCostMs)) return false;
  if (!alone && !(vm_[kSlice] + cost.ownBefore < vm_[kMostSlice])) return false;
  const bool welcome = unasked >= vm_[kAskAfter] / 2 || ahead >= window * 3 / 4 ||
                       (vm_[kOnly] == 0 && unasked >= kOwnQuestion && vm_[kUnasked] >= window / 4);
  if (asks && unasked != 0 && welcome) return false;
  return unasked + cost.cost < vm_[kAskAfter];
}

void MessagePass::Spend(const Cost& cost) {
  if (vm_.length() == 0) return;
  if (vm_[kTurn] != connection_[kNumber]) {
    vm_[kTurn] = connection_[kNumber];
    vm_[kTurnCost] = 0;
  }
  connection_[kOwnUnasked] += cost.cost;
  vm_[kUnasked] += cost.cost;
  vm_[kAhead] += cost.cost;
  vm_[kTurnCost] += cost.cost;
  vm_[kSlice] += cost.own;
  vm_[kCredit] -= cost.own * kOwnForCostMs;
  vm_[kSpoke] = 1;
}

int32_t* MessagePass::PlaceFor(uint32_t id) const {
  const int32_t length = words_[kClientLength];
  if (callbackType_ == 0 || id == 0 || length < 0 || id >= static_cast<uint32_t>(length)) return nullptr;
  int32_t* words = client_.Find(id);
  return words == nullptr || words[1] != 0 ? nullptr : words;
}

/** By the one of our ids that came free last. */
uint32_t MessagePass::Callback(uint32_t id, uint32_t version) {
  int32_t* words = PlaceFor(id);
  const int32_t count = words_[kFreeCount];
  if (words == nullptr || count <= 0 || static_cast<size_t>(count) > free_.length()) return 0;
  const uint32_t serverId = static_cast<uint32_t>(free_[static_cast<size_t>(count) - 1]);
  int32_t* serverWords = server_.Find(serverId);
  if (serverId == 0 || serverWords == nullptr || serverWords[1] != 0) return 0;
  words_[kFreeCount] = count - 1;
  const int32_t whose = static_cast<int32_t>(callbackType_) | kMadeHere;
  Set(words, serverId, whose, version);
  Set(serverWords, id, whose, version);
  Count(kCallbacks, 1);
  return serverId;
}

bool MessagePass::Sync(uint8_t* bytes) {
  const uint32_t serverId = Callback(ReadWord(bytes + kHeaderBytes), 1);
  if (serverId == 0) return false;
  WriteWord(bytes + kHeaderBytes, serverId);
  Note(serverId);
  return true;
}

void MessagePass::Note(uint32_t callback) {
  if (vm_.length() == 0 || vm_[kOnly] == 0 || connection_[kNoted] != 0 || connection_[kOwnUnasked] == 0) return;
  connection_[kNoted] = callback;
  connection_[kNotedCost] = connection_[kOwnUnasked];
}

bool MessagePass::Answered(uint32_t callback) {
  if (vm_.length() == 0 || connection_[kNoted] != callback) return true;
  const double cost = connection_[kNotedCost];
  // Somebody is to go on, or to be asked.
  if (vm_[kWaits] != 0 || !(vm_[kAhead] - cost < vm_[kWindow])) return false;
  connection_[kNoted] = 0;
  connection_[kOwnUnasked] -= cost;
  vm_[kUnasked] -= cost;
  vm_[kAhead] -= cost;
  return true;
}

/** A buffer of the size that the surface has, where it is. */
bool MessagePass::CheckAttach(const Row& surface, const uint8_t* message, Row* buffer) const {
  return Look(client_, ReadWord(message + kHeaderBytes), buffer) && buffer->picture == surface.picture;
}

void MessagePass::SetCopies(Shared<double> numbers, Shared<double> uses) {
  if (numbers.length() < kCopyNumbers || uses.length() < 1) return;
  const auto kept = std::make_shared<std::pair<Shared<double>, Shared<double>>>(std::move(numbers), std::move(uses));
  copies_ = std::make_unique<FrameCopies>(kept, &kept->first[0], &kept->second[0]);
}

/**
 * What TypeScript knows of a surface with a picture is the same after a frame as before it, so it need not see it:
 * src/relay/steady.ts. Or the surface is lent, and what its frames change is known here alone: frame_copies.h.
 * Everything up to the commit is to be there, and about this surface.
 */
size_t MessagePass::Frame(const Row& surface, uint8_t* bytes, size_t length) {
  const uint32_t id = ReadWord(bytes);
  const std::vector<Message>& messages = surface.type->requests;
  FrameCopies::Surface* lent = nullptr;
  if (copies_ != nullptr) {
    lent = copies_->Find(id);
    if (lent == nullptr) return 0;
    copies_->Begin();
  }
  Cost cost;
  uint8_t* attach = nullptr;
  Row buffer = {};
  uint8_t* frame = nullptr;
  int32_t damage = 0;
  size_t at = 0;
  for (bool committed = false; !committed;) {
    if (length - at < kHeaderBytes) return 0;
    uint8_t* message = bytes + at;
    const uint32_t size = ReadWord(message + 4) >> 16;
    const uint32_t opcode = ReadWord(message + 4) & 0xffff;
    if (ReadWord(message) != id || length - at < size || opcode >= messages.size()) return 0;
    const Message& kind = messages[opcode];
    // All of them have a size of their own.
    if (size != kind.size || size < kHeaderBytes) return 0;
    switch (kind.kind) {
      case Kind::kAttach:
        if (attach != nullptr || size != kAttachBytes) return 0;
        if (ReadWord(message + kHeaderBytes + 4) != 0 || ReadWord(message + kHeaderBytes + 8) != 0) return 0;
        if (lent == nullptr && !CheckAttach(surface, message, &buffer)) return 0;
        attach = message;
        break;
      case Kind::kDamage:
      case Kind::kBufferDamage: {
        if (++damage > words_[kFrameDamage] || size != kHeaderBytes + 16) return 0;
        int32_t numbers[4];
        for (size_t i = 0; i < 4; i++) {
          const uint32_t number = ReadWord(message + kHeaderBytes + 4 * i);
          if (number > kMostSide || (i >= 2 && number == 0)) return 0;
          numbers[i] = static_cast<int32_t>(number);
        }
        const Box box = {numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]};
        if (lent != nullptr && !copies_->Damage(*lent, kind.kind == Kind::kBufferDamage, box)) return 0;
        break;
      }
      case Kind::kFrame:
        if (frame != nullptr || size != kHeaderBytes + 4 || words_[kCallbacks] >= kMostCallbacks) return 0;
        frame = message;
        break;
      case Kind::kCommit:
        committed = true;
        break;
      default:
        return 0;
    }
    cost.costBefore = cost.cost;
    cost.ownBefore = cost.own;
    cost.cost += kind.cost;
    cost.own += kind.own;
    at += size;
  }
  if (!Admits(cost, false)) return 0;
  uint32_t attached = attach == nullptr ? 0 : ReadWord(attach + kHeaderBytes);
  if (lent != nullptr) {
    const int32_t releases = words_[kReleases];
    if (attach == nullptr || releases < 0 || static_cast<size_t>(releases) >= kMostReleases) return 0;
    const FrameCopies::LinkBuffer* link = copies_->Copy(*lent, attached);
    if (link == nullptr) return 0;
    buffer.other = link->id;
  }
  if (frame != nullptr) {
    const uint32_t callback = Callback(ReadWord(frame + kHeaderBytes), surface.type->version);
    if (callback == 0) return 0;
    WriteWord(frame + kHeaderBytes, callback);
  }
  if (lent != nullptr) {
    copies_->Show(*lent);
    words_[kReleased + static_cast<size_t>(words_[kReleases])] = static_cast<int32_t>(attached);
    Count(kReleases, 1);
    // The copy is attached right before the commit, as TypeScript does when it knows what to attach.
    uint8_t message[kAttachBytes];
    std::memcpy(message, attach, sizeof message);
    uint8_t* const end = bytes + at - kHeaderBytes;
    std::memmove(attach, attach + sizeof message, static_cast<size_t>(end - attach) - sizeof message);
    attach = end - sizeof message;
    std::memcpy(attach, message, sizeof message);
  }
  if (attach != nullptr) WriteWord(attach + kHeaderBytes, buffer.other);
  for (size_t i = 0; i < at; i += ReadWord(bytes + i + 4) >> 16) WriteWord(bytes + i, surface.other);
  Spend(cost);
  Count(kFrames, 1);
  if (attach != nullptr) {
    Count(kPictures, 1);
    Committed(buffer.other, lent != nullptr ? 0 : buffer.type->interface);
  }
  return at;
}

/** While a commit waits for a release, or may, TypeScript looks at each. */
bool MessagePass::DropRelease(const uint8_t* message, uint32_t size) {
  if (copies_ == nullptr || size != kHeaderBytes || ReadWord(message + 4) != kReleaseHeader) return false;
  const uint32_t id = ReadWord(message);
  if (words_[kHolding] != 0 || !copies_->Released(id)) return false;
  Told(id, 0);
  return true;
}

size_t MessagePass::ReleaseBytes() const {
  return kHeaderBytes * std::min(static_cast<size_t>(std::max(words_[kReleases], 0)), kMostReleases);
}

bool MessagePass::ReleasesMayWait() const { return words_[kReleasesTimed] != 0 && words_[kCallbacks] != 0; }

/** As `Releases.batchEnds` of src/client/releases.ts does. */
void MessagePass::TellReleases(uint8_t* bytes) {
  const size_t count = ReleaseBytes() / kHeaderBytes;
  for (size_t i = 0; i < count; i++) {
    WriteWord(bytes + i * kHeaderBytes, static_cast<uint32_t>(words_[kReleased + i]));
    WriteWord(bytes + i * kHeaderBytes + 4, kReleaseHeader);
  }
  const int32_t turns = words_[kReleaseTurns];
  int32_t& most = words_[kMostReleaseTurns];
  int32_t& prompt = words_[kPromptAnswers];
  if (turns > 0) {
    most = std::min(kMostTurns, std::max(most, turns + 2));
    prompt = 0;
  } else if (++prompt >= kPromptEnough) {
    most = std::max(1, most - 1);
    prompt = 0;
  }
  words_[kReleaseTurns] = 0;
  words_[kReleases] = 0;
}

void MessagePass::Committed(uint32_t buffer, uint32_t interface) {
  const uint32_t picture = static_cast<uint32_t>(words_[kPictures]);
  if (picture - static_cast<uint32_t>(words_[kTimedPicture]) < kTimedOf) {
    // Committed once more before it was released: nobody knows which of the two a release is of.
    if (buffer == static_cast<uint32_t>(words_[kTimed])) words_[kTimed] = 0;
    return;
  }
  words_[kTimed] = static_cast<int32_t>(buffer);
  words_[kTimedPicture] = static_cast<int32_t>(picture);
  words_[kTimedSince] = static_cast<int32_t>(Now());
  timedInterface_ = interface;
}

/** A buffer is told nothing but that it is released. */
void MessagePass::Told(uint32_t id, uint32_t interface) {
  if (words_[kTimed] == 0 || id != static_cast<uint32_t>(words_[kTimed]) || interface != timedInterface_) return;
  const uint32_t taken = static_cast<uint32_t>(words_[kTimesTaken]);
  words_[kTimes + taken % (kReleased - kTimes)] =
      static_cast<int32_t>(Now() - static_cast<uint32_t>(words_[kTimedSince]));
  words_[kTimed] = 0;
  Count(kTimesTaken, 1);
}

/** The end of an object that was made here: its ids are free on both sides. */
bool MessagePass::DeleteId(uint8_t* bytes) {
  const uint32_t serverId = ReadWord(bytes + kHeaderBytes);
  Row row;
  if (!Look(server_, serverId, &row) || !row.made) return false;
  int32_t* words = client_.Find(row.other);
  int32_t* serverWords = server_.Find(serverId);
  if (words == nullptr || static_cast<uint32_t>(words[0]) != serverId) return false;
  const int32_t reused = words_[kFirstReused];
  const int32_t count = words_[kFreeCount];
  if (reused < 0 || serverId < static_cast<uint32_t>(reused)) return false;
  if (count < 0 || static_cast<size_t>(count) >= free_.length()) return false;
  free_[static_cast<size_t>(count)] = static_cast<int32_t>(serverId);
  words_[kFreeCount] = count + 1;
  Set(serverWords, 0, 0, 0);
  Set(words, 0, 0, 0);
  Count(kCallbacks, -1);
  WriteWord(bytes + kHeaderBytes, row.other);
  return true;
}

}  // namespace virtwl
