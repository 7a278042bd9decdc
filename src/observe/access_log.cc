#include "observe/access_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace trilby::observe {
namespace {

constexpr std::size_t kMaxPath = 256;
constexpr std::size_t kMaxMessage = 1024;
constexpr std::size_t kMaxMethod = 32;

// Lines are written for every request: plain digits cost a tenth of what format strings do.
void append_number(std::string& out, std::uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

/// ".042" for 42 and 3 digits.
void append_fraction(std::string& out, std::uint64_t number, std::size_t digits) {
  out += '.';
  const std::size_t begin = out.size();
  out.append(digits, '0');
  for (std::size_t i = begin + digits; i-- > begin; number /= 10) {
    out[i] = static_cast<char>('0' + number % 10);
  }
}

std::uint64_t microseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::max(duration, Duration::zero()).count()) / 1000;
}

/// "0.001500"
void append_seconds(std::string& out, Duration duration) {
  append_number(out, microseconds(duration) / 1'000'000);
  append_fraction(out, microseconds(duration) % 1'000'000, 6);
}

/// "208us", "1.2ms", "3.4s"
void append_short(std::string& out, Duration duration) {
  const std::uint64_t us = microseconds(duration);
  if (us < 1000) {
    append_number(out, us);
    out += "us";
    return;
  }
  const std::uint64_t unit = us < 1'000'000 ? 1000 : 1'000'000;
  append_number(out, us / unit);
  append_fraction(out, us % unit / (unit / 10), 1);
  out += unit == 1000 ? "ms" : "s";
}

/// For a line in which blanks separate words: what holds anything but visible ASCII is made printable and quoted.
void append_word(std::string& out, std::string_view text, std::size_t longest) {
  const auto plain = [](char c) { return c > 0x20 && c < 0x7F && c != '"'; };
  if (text.size() <= longest && !text.empty() && std::all_of(text.begin(), text.end(), plain)) {
    out += text;
    return;
  }
  std::string safe = printable_line(text, longest);
  std::replace(safe.begin(), safe.end(), '"', '\'');
  out += '"';
  out += safe;
  out += '"';
}

void append_json(std::string& out, const AccessEntry& entry, std::uint32_t sampled) {
  out += R"({"time":")";
  log::append_time(out, entry.time, log::Format::Json);
  out += R"(","level":"info","message":"request",)";
  const auto text = [&](std::string_view name, std::string_view value) {
    out += '"';
    out += name;
    out += "\":";
    append_json_string(out, value);
    out += ',';
  };
  text("app", entry.app);
  text("method", printable_line(entry.method, kMaxMethod));
  text("path", printable_line(entry.path, kMaxPath));
  text("reason", name(entry.reason));
  text("request_id", entry.request_id);
  if (!entry.trace_id.empty()) {
    text("trace_id", entry.trace_id);
  }
  if (!entry.message.empty()) {
    text("detail", printable_line(entry.message, kMaxMessage));
  }
  const auto number = [&](std::string_view name, std::uint64_t value) {
    out += name;
    append_number(out, value);
  };
  const auto seconds = [&](std::string_view name, Duration value) {
    out += name;
    append_seconds(out, value);
  };
  if (!entry.function.empty()) {
    text("function", entry.function);
    seconds(R"("cpu_seconds":)", entry.record.cpu);
    seconds(R"(,"queue_seconds":)", entry.record.queued);
    seconds(R"(,"instantiate_seconds":)", entry.record.instantiate);
    seconds(R"(,"run_seconds":)", entry.record.run);
    number(R"(,"memory_peak_bytes":)", entry.record.memory_peak.count);
    number(R"(,"memory_limit_bytes":)", entry.record.memory_limit.count);
    number(R"(,"inferences":)", entry.record.inferences);
    seconds(R"(,"inference_seconds":)", entry.record.inference);
    number(R"(,"denials":)", entry.record.denials.total());
    out += ',';
  }
  number(R"("status":)", static_cast<std::uint64_t>(entry.status));
  number(R"(,"request_bytes":)", entry.request_bytes);
  number(R"(,"response_bytes":)", entry.response_bytes);
  seconds(R"(,"duration_seconds":)", entry.duration);
  if (sampled > 1) {
    number(R"(,"sampled":)", sampled);
  }
  out += '}';
}

void append_human(std::string& out, const AccessEntry& entry, std::uint32_t sampled) {
  log::append_time(out, entry.time, log::Format::Human);
  out += ' ';
  out += entry.app;
  out += ' ';
  append_word(out, entry.method, kMaxMethod);
  out += ' ';
  append_word(out, entry.path, kMaxPath);
  out += ' ';
  append_number(out, static_cast<std::uint64_t>(entry.status));
  out += ' ';
  out += name(entry.reason);
  out += ' ';
  append_short(out, entry.duration);
  out += ' ';
  append_number(out, entry.response_bytes);
  out += "B id=";
  out += entry.request_id;
  if (!entry.function.empty()) {
    out += " function=";
    out += entry.function;
    out += " cpu=";
    append_short(out, entry.record.cpu);
    out += " memory=";
    append_number(out, entry.record.memory_peak.count >> 10U);
    out += "KiB";
  }
  if (sampled > 1) {
    out += " sampled=";
    append_number(out, sampled);
  }
  if (!entry.message.empty()) {
    out += "  ";
    out += printable_line(entry.message, kMaxMessage);
  }
}

}  // namespace

void append_line(std::string& out, const AccessEntry& entry, log::Format format, std::uint32_t sampled) {
  if (format == log::Format::Json) {
    append_json(out, entry, sampled);
  } else {
    append_human(out, entry, sampled);
  }
  out += '\n';
}

AccessLog::AccessLog(int fd, log::Format format, Sampling sampling)
    : enabled_(fd >= 0), sink_(fd), format_(format), sampling_(sampling), full_rate_(sampling.full_rate) {}

void AccessLog::append(const AccessEntry& entry) {
  if (!enabled_) {
    return;
  }
  const bool failed = entry.reason != Reason::Ok;
  std::uint32_t sampled = 1;
  if (!failed && sampling_.full_rate > 0 && !full_rate_.take(entry.ended)) {
    if (++left_out_ < sampling_.one_in) {
      return;
    }
    left_out_ = 0;
    sampled = sampling_.one_in;
  }
  if (buffer_.size() >= (failed ? kMaxFailuresPending : kMaxPending)) {
    ++dropped_;
    return;
  }
  append_line(buffer_, entry, format_, sampled);
  if (buffer_.size() >= flush_at_) {
    flush();
  }
}

void AccessLog::flush() {
  const log::Sink::Written written = sink_.write(buffer_);
  buffer_.erase(0, written.bytes);
  dropped_ += written.lost_lines;
  // After a slow reader left something, the next attempt waits for another batch, not for every line.
  flush_at_ = buffer_.size() + kBatch;
}

}  // namespace trilby::observe
