/// \file  Texts that are made of what one event says: "order-{CE_ID}".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby {

/// The name that every call has a value for, whatever brought it: its id.
inline constexpr std::string_view kRequestId = "REQUEST_ID";

/// A text with names in braces, of capitals, digits and '_'; a brace of the text itself is written twice. Immutable.
class TextTemplate {
 public:
  static constexpr std::size_t kMaxBytes = 1024;  ///< as it is written
  static constexpr std::size_t kMaxNames = 16;

  /// Whoever publishes an event chooses what its attributes say, so what they may put into a text depends on what that
  /// is used for.
  enum class Use : std::uint8_t {
    /// A key, or something that may become a path or a name: of values 1 to 256 letters, digits and "-._~:@+=,", and no
    /// two points in a row. So they bring nothing that separates the parts of a key or a path.
    Key,
    Text,  ///< words: UTF-8 without control characters, values of at most 1 KiB
  };

  TextTemplate() = default;  ///< of an empty text
  /// \return Reason::Manifest with what is wrong, for a person
  [[nodiscard]] static Result<TextTemplate> parse(std::string_view text);

  /// In the order in which they stand there.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// \param value_of  null where nothing is known by that name
  /// \return Reason::BadRequest with the name for which there is no value, or one that may not be used
  [[nodiscard]] Result<std::string> fill(Use use,
                                         const std::function<const std::string*(std::string_view)>& value_of) const;

 private:
  std::vector<std::string> texts_ = {""};  // one more than names: before, between and behind them
  std::vector<std::string> names_;
};

}  // namespace trilby
