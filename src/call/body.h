/// \file  Bodies as streams. Every interface passes these, whether or not its first user buffers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "call/body_budget.h"

namespace trilby {

/// A body that is pulled, piece by piece. Nothing flows that was not asked for, so back-pressure is built in.
/// Ownership: whoever holds it reads it; destroying it abandons the rest, and no callback comes after that.
/// Threading: loop-bound.
class BodySource {
 public:
  struct Chunk {
    std::string bytes;  ///< may be empty only together with `last`
    bool last = false;  ///< nothing follows; do not read again
  };
  /// Error reasons: BadRequest (malformed), BodyTooLarge, RequestTimeout, Cancelled (the sender went away),
  /// UpstreamFailed. After an error: do not read again.
  using OnChunk = std::function<void(Result<Chunk>)>;

  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;
  virtual ~BodySource() = default;

  /// Asks for the next chunk. One read at a time. `on_chunk` runs exactly once, possibly before read() returns.
  virtual void read(OnChunk on_chunk) = 0;
  /// All of the body when it is there already; nothing is left to read then. Spares small calls the machinery of
  /// read_all().
  [[nodiscard]] virtual std::optional<std::string> take_ready() { return std::nullopt; }
  /// Total length in bytes, when it is known beforehand.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const = 0;
};

/// A body that is there already. `share` is what it takes of a budget, kept until the body is destroyed.
[[nodiscard]] std::unique_ptr<BodySource> make_body(std::string bytes, BodyBudget::Share share = {});

/// A body that was read to its end, and the memory that it was given.
struct WholeBody {
  std::string bytes;
  BodyBudget::Share share;
};

/// Reads `body` to its end and hands over all of it. Stops with Reason::BodyTooLarge at the first byte over `limit`, or
/// at once when the length says so. `share` grows with what has come, so that who announces much and sends little takes
/// little; Reason::Overloaded when its budget has no room, at once when an announced length has none.
/// Ownership: keeps `body` until `done` has run. `done` may run before this returns.
/// \return a handle; destroying it before `done` abandons the reading, and `done` never runs.
[[nodiscard]] std::shared_ptr<void> read_all(std::unique_ptr<BodySource> body, Bytes limit, BodyBudget::Share share,
                                             std::function<void(Result<WholeBody>)> done);
/// The same without a budget.
[[nodiscard]] std::shared_ptr<void> read_all(std::unique_ptr<BodySource> body, Bytes limit,
                                             std::function<void(Result<std::string>)> done);

}  // namespace trilby
