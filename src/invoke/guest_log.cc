#include "invoke/guest_log.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace trilby::invoke {
namespace {

/// At most `longest` bytes from the front, without the beginning of a character that does not fit.
std::string_view cut(std::string_view line, std::size_t longest) {
  if (line.size() <= longest) {
    return line;
  }
  constexpr std::size_t kMostContinued = 3;  // bytes of one character in UTF-8
  std::size_t end = longest;
  while (end > 0 && longest - end < kMostContinued && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return line.substr(0, end);
}

}  // namespace

/// Whether one more line may go out. Also says, before it, how many could not.
bool GuestLog::admit(Clock::time_point now) {
  std::uint64_t untold = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!bucket_.take(now)) {
      ++untold_;
      return false;
    }
    untold = std::exchange(untold_, 0);
  }
  if (untold > 0) {
    log::warn("lines on stderr were dropped: a function logs more than limits.log_lines_per_second",
              {{"function", function_}, {"limit", lines_per_second_}, {"lines", untold}});
  }
  return true;
}

std::uint32_t GuestLog::write(std::string_view call_id, const host::Stdio& stdio, Clock::time_point now) {
  std::uint32_t dropped = 0;
  for (std::string_view rest = stdio.errors; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0 && !admit(now)) {
      ++dropped;
    } else if (end > 0) {
      const std::string_view line = cut(rest.substr(0, end), longest_.count);
      if (line.size() == end) {
        log::info("stderr", {{"function", function_}, {"request", call_id}, {"line", line}});
      } else {
        log::info("stderr",
                  {{"function", function_}, {"request", call_id}, {"line", line}, {"cut_bytes", end - line.size()}});
      }
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (stdio.errors_dropped > 0 && admit(now)) {
    log::info("more on stderr was dropped",
              {{"function", function_}, {"request", call_id}, {"bytes", stdio.errors_dropped}});
  }
  return dropped;
}

}  // namespace trilby::invoke
