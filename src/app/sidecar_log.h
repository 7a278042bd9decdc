/// \file  What a sidecar writes, as lines of our own log.
#pragma once

#include <string>
#include <string_view>

namespace trilby::app {

/// Puts the output of one run of a sidecar, which comes in pieces, into the log: a line each, with the app-id, at the
/// level that it says, if it is of daprd's JSON form, else as a warning. A line of more than kMaxLine is cut.
/// Threading: not thread-safe.
class SidecarLog {
 public:
  static constexpr std::size_t kMaxLine = 8192;  ///< bytes

  explicit SidecarLog(std::string app) : app_(std::move(app)) {}

  void append(std::string_view piece);
  void finish();  ///< no more comes: what is there of a last line is one
  /// The last line that was an error, or was of another form; empty: there was none. It may say why the sidecar ended.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  void line(std::string_view text);

  std::string app_;
  std::string begun_;  // of a line whose end has not come
  bool cut_ = false;   // the rest of this line is left out
  std::string last_error_;
};

}  // namespace trilby::app
