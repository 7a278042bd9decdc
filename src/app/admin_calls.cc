#include "app/admin_calls.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "base/text.h"

namespace trilby::app {
namespace {

using observe::EndedCall;

/// What a call is shown as. Both forms have these values, under these names.
class Row {
 public:
  Row(const EndedCall& call, const observe::Labels& labels, const Moment& now)
      : call_(call), labels_(labels), now_(now) {}

  /// Gives each value to `put(name, text or number)`.
  template <typename Put>
  void each(const Put& put) const {
    const Record& record = call_.record;
    put("time", time());
    put("function", std::string_view(labels_.functions()[call_.function]));
    put("reason", name(call_.reason));
    put("status", static_cast<std::uint64_t>(call_.status));
    put("request_id", std::string_view(call_.id));
    put("queue_seconds", seconds(record.queued));
    put("instantiate_seconds", seconds(record.instantiate));
    put("run_seconds", seconds(record.run));
    put("wall_seconds", seconds(record.wall));
    put("cpu_seconds", seconds(record.cpu));
    put("memory_peak_bytes", record.memory_peak.count);
    put("memory_limit_bytes", record.memory_limit.count);
    put("input_bytes", record.input.count);
    put("output_bytes", record.output.count);
    put("inferences", std::uint64_t{record.inferences});
    put("inference_seconds", seconds(record.inference));
    put("denials", std::uint64_t{record.denials.total()});
    put("log_lines_dropped", std::uint64_t{record.log_lines_dropped});
  }

 private:
  [[nodiscard]] std::string time() const {
    std::string out;
    const auto ago = std::chrono::duration_cast<std::chrono::system_clock::duration>(now_.monotonic - call_.ended);
    log::append_time(out, now_.wall - ago, log::Format::Json);
    return out;
  }
  static double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

  const EndedCall& call_;
  const observe::Labels& labels_;
  const Moment& now_;
};

std::string as_json(std::span<const EndedCall> calls, const observe::Labels& labels, const Moment& now) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("calls").open_array();
  for (const EndedCall& call : calls) {
    json.open_object();
    Row(call, labels, now).each([&](std::string_view name, const auto& value) { json.member(name, value); });
    json.close_object();
  }
  json.close_array().close_object();
  return out + "\n";
}

/// No value holds a tab: names and ids have none of it.
std::string as_tsv(std::span<const EndedCall> calls, const observe::Labels& labels, const Moment& now) {
  std::string out;
  const auto line = [&](const EndedCall& call, bool heading) {
    const std::size_t begin = out.size();
    Row(call, labels, now).each([&](std::string_view name, const auto& value) {
      out += out.size() == begin ? "" : "\t";
      if (heading) {
        out += name;
      } else {
        fmt::format_to(std::back_inserter(out), "{}", value);
      }
    });
    out += '\n';
  };
  if (!calls.empty()) {
    line(calls.front(), true);
  }
  for (const EndedCall& call : calls) {
    line(call, false);
  }
  return out;
}

}  // namespace

Result<CallQuery> parse_call_query(std::string_view query, const observe::Labels& labels) {
  constexpr std::size_t kShown = 100;  // bytes of what is wrong
  CallQuery out;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view field = part.substr(0, equals);
    const std::string_view value = part.substr(std::min(equals + 1, part.size()));
    if (field == "function") {
      const auto at = std::find(labels.functions().begin(), labels.functions().end(), value);
      if (at == labels.functions().end()) {
        return fail(Reason::BadRequest, "there is no function \"{}\"", printable_line(value, kShown));
      }
      out.function = static_cast<std::size_t>(at - labels.functions().begin());
    } else if (field == "reason") {
      out.reason = reason_from_name(value);
      if (!out.reason) {
        return fail(Reason::BadRequest, "there is no reason \"{}\"", printable_line(value, kShown));
      }
    } else if (field == "limit") {
      const auto limit = parse_number<std::size_t>(value);
      if (!limit || *limit > kMaxCallsShown) {
        return fail(Reason::BadRequest, "limit is a number from 0 to {}", kMaxCallsShown);
      }
      out.limit = *limit;
    } else if (field == "format" && (value == "json" || value == "tsv")) {
      out.form = value == "json" ? CallQuery::Form::Json : CallQuery::Form::Tsv;
    } else {
      return fail(Reason::BadRequest, "\"{}\" is none of function=NAME, reason=NAME, limit=N, format=json|tsv",
                  printable_line(part, kShown));
    }
  }
  return out;
}

std::vector<EndedCall> newest_of(std::vector<std::vector<EndedCall>> loops, const CallQuery& query) {
  std::vector<EndedCall> all;
  for (auto& calls : loops) {
    std::move(calls.begin(), calls.end(), std::back_inserter(all));
  }
  std::stable_sort(all.begin(), all.end(), [](const EndedCall& a, const EndedCall& b) { return a.ended > b.ended; });
  all.resize(std::min(all.size(), query.limit));
  return all;
}

std::string render_calls(std::span<const EndedCall> calls, const observe::Labels& labels, CallQuery::Form form,
                         const Moment& now) {
  return form == CallQuery::Form::Json ? as_json(calls, labels, now) : as_tsv(calls, labels, now);
}

std::string_view content_type(CallQuery::Form form) {
  return form == CallQuery::Form::Json ? "application/json" : "text/tab-separated-values; charset=utf-8";
}

}  // namespace trilby::app
