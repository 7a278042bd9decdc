#include "policy/job_schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "base/number.h"
#include "base/text.h"

namespace trilby::policy {
namespace {

constexpr std::size_t kMaxScheduleBytes = 128;
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

/// What one of the six fields may say.
struct Bounds {
  unsigned least;
  unsigned most;
  std::string_view names;  ///< of three letters each, from `least` on
};
constexpr std::array<Bounds, 6> kBounds = {{{0, 59, ""},
                                            {0, 59, ""},
                                            {0, 23, ""},
                                            {1, 31, ""},
                                            {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                            {0, 6, "sunmontuewedthufrisat"}}};
constexpr std::size_t kDays = 3;
constexpr std::size_t kMonths = 4;
constexpr std::size_t kWeekdays = 5;

/// What a field says: a bit for each value.
struct Values {
  std::uint64_t bits = 0;
  bool is_any = false;  ///< '*' or '?' is among it, without a step
};

std::optional<unsigned> value_of(std::string_view text, const Bounds& bounds) {
  constexpr std::size_t kLetters = 3;
  const std::string lower = ascii_lower(text);
  for (std::size_t at = 0; lower.size() == kLetters && at < bounds.names.size(); at += kLetters) {
    if (bounds.names.substr(at, kLetters) == lower) {
      return bounds.least + static_cast<unsigned>(at / kLetters);
    }
  }
  return parse_number<unsigned>(text);
}

/// "*", "5", "5-10", each with "/2" behind it or not; "5/2" goes on to the end.
std::optional<Values> read_range(std::string_view text, const Bounds& bounds) {
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  const auto step =
      slash == std::string_view::npos ? std::optional(1U) : parse_number<unsigned>(text.substr(slash + 1));
  const std::size_t hyphen = range.find('-');
  std::optional<unsigned> first = bounds.least;
  std::optional<unsigned> last = bounds.most;
  const bool is_any = range == "*" || range == "?";
  if (!is_any) {
    first = value_of(range.substr(0, hyphen), bounds);
    if (hyphen != std::string_view::npos) {
      last = value_of(range.substr(hyphen + 1), bounds);
    } else if (slash == std::string_view::npos) {
      last = first;
    }
  }
  if (!step || *step == 0 || !first || !last || *first < bounds.least || *last > bounds.most || *first > *last) {
    return std::nullopt;
  }
  Values values{0, is_any && *step == 1};
  for (std::uint64_t value = *first; value <= *last; value += *step) {
    values.bits |= std::uint64_t{1} << value;
  }
  return values;
}

std::optional<Values> read_field(std::string_view text, const Bounds& bounds) {
  Values values;
  for (bool is_last = false; !is_last;) {
    const std::size_t comma = text.find(',');
    const auto range = read_range(text.substr(0, comma), bounds);
    if (!range) {
      return std::nullopt;
    }
    values.bits |= range->bits;
    values.is_any = values.is_any || range->is_any;
    is_last = comma == std::string_view::npos;
    text.remove_prefix(is_last ? text.size() : comma + 1);
  }
  return values;
}

/// Whether some month has one of these days. Where both days and weekdays are named, one of the two is enough.
bool has_day(const Values& days, const Values& months, const Values& weekdays) {
  constexpr std::array<unsigned, 12> kLengths = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (!days.is_any && !weekdays.is_any) {
    return true;
  }
  for (std::size_t month = 0; month < kLengths.size(); ++month) {
    const std::uint64_t in_month = (std::uint64_t{1} << (kLengths.at(month) + 1)) - 1;
    if ((months.bits >> (month + 1) & 1U) != 0 && (days.bits & in_month) != 0) {
      return true;
    }
  }
  return false;
}

/// Six fields, as github.com/dapr/kit/cron reads them. One that never fires would, there, fire without end.
bool are_fields(std::string_view text) {
  std::array<Values, kBounds.size()> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t end = text.find(' ');
    const bool is_last = i + 1 == fields.size();
    const auto field = read_field(text.substr(0, end), kBounds.at(i));
    if (!field || is_last != (end == std::string_view::npos)) {
      return false;
    }
    fields.at(i) = *field;
    text.remove_prefix(is_last ? text.size() : end + 1);
  }
  return has_day(fields[kDays], fields[kMonths], fields[kWeekdays]);
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
         "seconds first, as in \"0 30 3 * * *\", of a day that there is";
}

}  // namespace trilby::policy
