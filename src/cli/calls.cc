#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "app/manifest_addresses.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/http_client.h"
#include "cli/options.h"
#include "cli/report.h"

namespace trilby::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxWord = 100;  // bytes of a value that the system said
constexpr std::size_t kMaxReadyFile = 1U << 20U;

using Row = std::vector<std::string_view>;

Row split(std::string_view text, char separator) {
  Row out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

template <typename Number>
Number number_of(std::string_view text) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// One call by the names of its values.
class CallRow {
 public:
  CallRow(const std::map<std::string_view, std::size_t>& places, const Row& values)
      : places_(places), values_(values) {}

  [[nodiscard]] std::string text(std::string_view name) const { return printable_line(value(name), kMaxWord); }
  [[nodiscard]] std::string bytes(std::string_view name) const {
    constexpr std::uint64_t kTenKiB = 10U << 10U;
    const Bytes size{number_of<std::uint64_t>(value(name))};
    return size.count < kTenKiB ? fmt::format("{}B", size.count) : fmt::format("{}KiB", size.count >> 10U);
  }
  [[nodiscard]] std::string duration(std::string_view name) const {
    constexpr double kDay = 86400;
    const double seconds = std::clamp(number_of<double>(value(name)), 0.0, kDay);
    return format(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
  }
  /// The time of day, in UTC.
  [[nodiscard]] std::string time() const {
    const std::string whole = text("time");
    return whole.substr(std::min(whole.find('T') + 1, whole.size()));
  }

 private:
  [[nodiscard]] std::string_view value(std::string_view name) const {
    const auto at = places_.find(name);
    return at == places_.end() || at->second >= values_.size() ? std::string_view() : values_[at->second];
  }

  const std::map<std::string_view, std::size_t>& places_;
  const Row& values_;
};

std::string table_of(std::string_view tsv) {
  const Row lines = split(tsv, '\n');
  if (lines.empty()) {
    return "no such call is known\n";
  }
  std::map<std::string_view, std::size_t> places;
  for (const std::string_view name : split(lines.front(), '\t')) {
    places.emplace(name, places.size());
  }
  std::vector<std::vector<std::string>> rows = {
      {"time (UTC)", "function", "reason", "status", "wall", "cpu", "memory", "in", "out", "request"}};
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const Row values = split(lines[i], '\t');
    const CallRow call(places, values);
    rows.push_back({call.time(), call.text("function"), call.text("reason"), call.text("status"),
                    call.duration("wall_seconds"), call.duration("cpu_seconds"),
                    fmt::format("{}/{}", call.bytes("memory_peak_bytes"), call.bytes("memory_limit_bytes")),
                    call.bytes("input_bytes"), call.bytes("output_bytes"), call.text("request_id")});
  }
  return table(rows);
}

/// The admin's address in what `trilby up --ready-file` wrote.
Result<std::string> admin_of(const std::string& ready_file) {
  constexpr std::string_view kKey = R"("admin":")";
  std::ifstream file(ready_file, std::ios::binary);
  std::string text(kMaxReadyFile, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  const std::size_t key = text.find(kKey);
  const std::size_t end = key == std::string::npos ? key : text.find('"', key + kKey.size());
  if (end == std::string::npos) {
    return fail(Reason::BadRequest, "--ready-file: {} names no admin listener; is the system up?", ready_file);
  }
  return text.substr(key + kKey.size(), end - key - kKey.size());
}

class Calls final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "calls",
            .summary = "Show the calls that a running system ended last",
            .details =
                "Asks the system's admin listener, which the manifest names. Each event loop keeps its last 256 calls, "
                "those "
                "that were refused included. Memory is the peak and the limit.",
            .examples =
                "trilby calls\n"
                "trilby calls --function grayscale --reason limit-memory\n"
                "trilby calls --admin 127.0.0.1:9464 --limit 1000 -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {manifest_.manifest_option(),
                   {"--admin", "ADDRESS", "the admin listener to ask, instead of the manifest's", &admin_, {}, {}},
                   {"--admin-port",
                    "N",
                    "its port, when the system was started with this option",
                    &admin_port_,
                    "TRILBY_ADMIN_PORT",
                    {}},
                   {"--ready-file",
                    "FILE",
                    "find the admin listener in what trilby up wrote there",
                    &ready_file_,
                    "TRILBY_READY_FILE",
                    {}},
                   {"--function", "FUNCTION", "only calls of this function", &function_, {}, {}},
                   {"--reason", "REASON", "only calls that ended for this reason", &reason_, {}, {}},
                   {"-n,--limit", "N", "show at most N calls, 0 to 10000", &limit_, {}, {}},
                   output_.option()};
    return out;
  }

  [[nodiscard]] int run() override {
    const auto answer = fetch();
    if (!answer) {
      return report(answer.error(), answer.error().reason == Reason::UpstreamFailed
                                        ? "trilby up, or --admin ADDRESS for a system that listens elsewhere"
                                        : "");
    }
    return print(output_.json() ? *answer : table_of(*answer));
  }

 private:
  [[nodiscard]] Result<app::Address> address() const {
    std::string text = admin_;
    if (text.empty() && !ready_file_.empty()) {
      TRILBY_ASSIGN(text, admin_of(ready_file_));
    }
    if (text.empty()) {
      TRILBY_ASSIGN(const ManifestOptions::Loaded loaded, manifest_.load());
      app::Address named = loaded.manifest.admin;
      if (!admin_port_.empty()) {
        named.port = number_of<std::uint16_t>(admin_port_);
      }
      if (named.port == 0) {
        return fail(Reason::BadRequest, "the admin listener has any free port; say which with --admin or --ready-file");
      }
      return named;
    }
    constexpr std::string_view kScheme = "http://";
    std::string_view bare = text;
    bare.remove_prefix(bare.starts_with(kScheme) ? kScheme.size() : 0);
    bare.remove_suffix(bare.ends_with('/') ? 1 : 0);
    auto parsed = app::parse_address(bare);
    return parsed ? parsed : fail(Reason::BadRequest, "--admin: {}", parsed.error().message);
  }

  [[nodiscard]] Result<std::string> fetch() const {
    TRILBY_ASSIGN(const app::Address asked, address());
    std::string target = fmt::format("/calls?format={}", output_.json() ? "json" : "tsv");
    const std::array<std::pair<std::string_view, const std::string*>, 3> filters = {
        {{"function", &function_}, {"reason", &reason_}, {"limit", &limit_}}};
    for (const auto& [name, value] : filters) {
      const bool plain = std::all_of(value->begin(), value->end(),
                                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
      if (!plain) {
        return fail(Reason::BadRequest, "--{}: there is no \"{}\"", name, printable_line(*value, kMaxWord));
      }
      target += value->empty() ? "" : fmt::format("&{}={}", name, *value);
    }
    TRILBY_ASSIGN(HttpAnswer answer, ask(asked, make_request("GET", target), kPatience));
    if (answer.status != 200) {
      return fail(answer.status == 400 ? Reason::BadRequest : Reason::UpstreamFailed, "{}: {}", app::format(asked),
                  answer.status == 400
                      ? printable_line(answer.body, kMaxWord * 4)
                      : fmt::format("it answers with {}; is it Trilby's admin listener?", answer.status));
    }
    return std::move(answer.body);
  }

  ManifestOptions manifest_;
  OutputOption output_;
  std::string admin_;
  std::string admin_port_;
  std::string ready_file_;
  std::string function_;
  std::string reason_;
  std::string limit_;
};

}  // namespace

std::unique_ptr<Command> make_calls() {
  return std::make_unique<Calls>();
}

}  // namespace trilby::cli
