#include "app/manifest_schedule.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxScheduleBytes = 128;
constexpr std::size_t kFields = 6;
constexpr double kMostSeconds = 10.0 * 366 * 24 * 3600;
constexpr std::string_view kEvery = "@every ";
constexpr std::string_view kNamed[] = {"@annually", "@daily", "@hourly", "@midnight", "@monthly", "@weekly", "@yearly"};
// Go's. The longer ones of those that begin alike stand first.
constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},
                                                          {"s", 1},     {"m", 60},    {"h", 3600}};

/// Of a duration in Go's form, "1h30m". \return nothing when it is none
std::optional<double> seconds_of(std::string_view text) {
  double sum = 0;
  std::optional<double> found;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || text.front() == '-' || !is_letter_or_digit(text.front())) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto* const unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                          [&](const auto& known) { return text.starts_with(known.first); });
    if (unit == std::end(kUnits)) {
      return std::nullopt;
    }
    text.remove_prefix(unit->first.size());
    sum += number * unit->second;
    found = sum;
  }
  return found;
}

bool is_field(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("*/,?-").find(c) != std::string_view::npos;
  });
}

bool are_fields(std::string_view text) {
  std::size_t count = 0;
  while (count < kFields) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (!is_field(text.substr(0, end))) {
      return false;
    }
    ++count;
    if (end == text.size()) {
      break;
    }
    text.remove_prefix(end + 1);
    if (count == kFields) {
      return false;
    }
  }
  return count == kFields;
}

}  // namespace

std::string_view schedule_defect(std::string_view text) {
  if (text.size() > kMaxScheduleBytes) {
    return "has at most 128 bytes";
  }
  if (text.starts_with(kEvery)) {
    const auto seconds = seconds_of(text.substr(kEvery.size()));
    return seconds && *seconds >= 1 && *seconds <= kMostSeconds
               ? ""
               : "names a duration from 1s to 87840h after @every, as in \"@every 1h30m\"";
  }
  if (std::find(std::begin(kNamed), std::end(kNamed), text) != std::end(kNamed) || are_fields(text)) {
    return "";
  }
  return "is none of \"@every 1m\", \"@hourly\", \"@daily\", \"@weekly\", \"@monthly\", \"@yearly\" and six fields, "
         "seconds first, as in \"0 30 3 * * *\"";
}

}  // namespace trilby::app
