#include "cli/selftest_run.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <sys/stat.h>

#include "base/text.h"
#include "cli/http_client.h"
#include "cli/selftest_system.h"
#include "inference/backend.h"
#include "observe/ids.h"

namespace trilby::cli {
namespace {

constexpr std::chrono::minutes kPatience(2);
constexpr std::size_t kMostSaid = 500;
constexpr std::string_view kManifest = "trilby.toml";
constexpr std::string_view kReadable = "files-to-read";
constexpr std::string_view kWritable = "files-to-write";

/// The smallest network: four numbers in, the same out.
constexpr std::string_view kModel = R"(<?xml version="1.0"?><net name="echo" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="4" element_type="f32"/><output><port id="0" precision="FP32" names="x"><dim>4</dim></port></output></layer>
<layer id="1" name="y" type="ReLU" version="opset1"><input><port id="0" precision="FP32"><dim>4</dim></port></input><output><port id="1" precision="FP32" names="y"><dim>4</dim></port></output></layer>
<layer id="2" name="r" type="Result" version="opset1"><input><port id="0" precision="FP32"><dim>4</dim></port></input></layer></layers>
<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/><edge from-layer="1" from-port="1" to-layer="2" to-port="0"/></edges></net>)";

std::string shown(std::string_view text) {
  return printable_line(text, kMostSaid);
}

/// Of what a system said that did not start: the last line that is no line of its log.
std::string complaint(std::string_view said) {
  std::string_view found;
  while (!said.empty()) {
    const std::string_view line = said.substr(0, said.find('\n'));
    found = line.starts_with("{\"") ? found : line;
    said.remove_prefix(std::min(line.size() + 1, said.size()));
  }
  return std::string(found);
}

/// What the log may not have: bytes that move a terminal's cursor, or lines that no writer of ours began.
std::string defect_of_log(std::string_view log) {
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    if (!is_utf8(line) || has_control_characters(line)) {
      return fmt::format("the log has control characters or bytes that are no UTF-8: {}", shown(line));
    }
    if (!line.starts_with("{\"") || !line.ends_with('}')) {
      return fmt::format("the log has a line that is no JSON object: {}", shown(line));
    }
    log.remove_prefix(std::min(line.size() + 1, log.size()));
  }
  return {};
}

/// Files that functions may be granted, with ways out of them that a guest must not take.
Result<void> lay_out_files(const PrivateFolder& folder, std::string_view secret) {
  namespace fs = std::filesystem;
  const fs::path& root = folder.path();
  std::error_code error;
  for (const fs::path& files : {root / kReadable, root / kWritable}) {
    fs::create_directories(files / "sub", error);
    fs::create_symlink("../secret.txt", files / "out", error);
    fs::create_directory_symlink("..", files / "up", error);
    fs::create_symlink(root / "secret.txt", files / "absolute", error);
  }
  if (!error && ::mkfifo((root / kReadable / "pipe").c_str(), 0600) != 0) {
    error = std::error_code(errno, std::generic_category());
  }
  if (error) {
    return fail(Reason::Internal, "cannot write into {}: {}", root.string(), error.message());
  }
  TRILBY_CHECK(folder.write("secret.txt", secret));
  return folder.write(fmt::format("{}/inside.txt", kReadable), kReadable);
}

/// A manifest of one app, "selftest", with every function at a path of its name.
class ManifestText {
 public:
  /// \param more  lines for the function's table
  void add(std::string_view function, std::string_view more = {}) {
    routes_ += fmt::format("[[app.selftest.route]]\npath = \"/{0}\"\nfunction = \"{0}\"\n", function);
    functions_ += fmt::format("[function.{0}]\nmodule = \"{0}.wasm\"\n{1}\n", function, more);
  }
  void add_model() { functions_ += "[model.echo]\npath = \"echo.xml\"\n"; }
  [[nodiscard]] std::string text() const {
    return "trilby = 1\n[admin]\nlisten = \"127.0.0.1:0\"\n[app.selftest]\nport = 0\n" + routes_ + functions_;
  }

 private:
  std::string routes_;
  std::string functions_;
};

class Run {
 public:
  Run(const std::vector<Case>& cases, const std::function<void(const Verdict&)>& on_verdict, PrivateFolder folder)
      : cases_(cases), on_verdict_(on_verdict), folder_(std::move(folder)) {
    const bool wanted = std::any_of(cases.begin(), cases.end(), [](const Case& each) { return !each.needs.empty(); });
    has_openvino_ = wanted && inference::openvino();
  }

  Result<void> run() {
    TRILBY_CHECK(write_files());
    TRILBY_CHECK(start());
    for (const Case& each : cases_) {
      TRILBY_CHECK(judge(each));
      if (interrupted()) {
        return fail(Reason::Cancelled, "interrupted; not every case was run");
      }
    }
    judge_end();
    return {};
  }

 private:
  [[nodiscard]] bool is_skipped(const Case& tried) const { return !tried.needs.empty() && !has_openvino_; }

  [[nodiscard]] Result<void> write_files() const {
    TRILBY_CHECK(lay_out_files(folder_, secret_));
    ManifestText manifest;
    TRILBY_ASSIGN(const std::string honest, embedded_guest("echo"));
    TRILBY_CHECK(folder_.write(fmt::format("{}.wasm", kHonestFunction), honest));
    manifest.add(kHonestFunction);
    for (const Case& each : cases_) {
      if (each.refused.empty() && !is_skipped(each)) {
        TRILBY_CHECK(folder_.write(each.name + ".wasm", each.module));
        manifest.add(each.name, each.function);
      }
    }
    if (has_openvino_) {
      TRILBY_CHECK(folder_.write("echo.xml", kModel));
      TRILBY_CHECK(folder_.write("echo.bin", ""));
      manifest.add_model();
    }
    return folder_.write(std::string(kManifest), manifest.text());
  }

  Result<void> start() {
    auto started = TestedSystem::start(folder_.path(), std::string(kManifest), secret_);
    if (!started && interrupted()) {
      return fail(Reason::Cancelled, "interrupted");
    }
    if (!started) {
      return fail(Reason::Internal, "the system does not start: {}", complaint(started.error().said));
    }
    system_ = std::move(*started);
    return {};
  }

  Result<void> judge(const Case& tried) {
    Verdict verdict{.name = tried.name, .row = tried.row, .expected = expectation(tried), .why = {}};
    const auto began = Clock::now();
    if (is_skipped(tried)) {
      verdict.held = Held::Skipped;
      verdict.why = "OpenVINO is not installed";
    } else {
      verdict.why = tried.refused.empty() ? defect_of(tried) : defect_of_start(tried);
      verdict.held = verdict.why.empty() ? Held::Yes : Held::No;
    }
    verdict.took = Clock::now() - began;
    if (verdict.held == Held::No) {
      (void)defect_of_host(tried);  // when this is answered, a worker that died has been replaced
    }
    if (!interrupted()) {
      on_verdict_(verdict);
    }
    if (interrupted() || system_->has_same_worker()) {
      return {};
    }
    system_.reset();  // so that the next case is judged for itself
    return start();
  }

  /// \return what went wrong; empty: nothing
  [[nodiscard]] std::string defect_of(const Case& tried) const {
    const std::size_t requests = tried.attempts.size() * tried.times;
    for (std::size_t i = 0; i < requests; ++i) {
      std::string defect = defect_of(tried, tried.attempts[i % tried.attempts.size()]);
      if (!defect.empty()) {
        return requests == 1 ? defect : fmt::format("request {}: {}", i + 1, defect);
      }
    }
    return defect_of_host(tried);
  }

  [[nodiscard]] std::string defect_of(const Case& tried, const Attempt& attempt) const {
    const std::string target = fmt::format("/{}{}", tried.name, attempt.query);
    const auto answer =
        ask(system_->address(),
            attempt.raw.empty() ? make_request(attempt.method, target, attempt.fields, attempt.body) : attempt.raw,
            kPatience);
    if (!answer) {
      return answer.error().message;
    }
    const std::string* reason = answer->fields.find("trilby-reason");
    if (reason == nullptr || *reason != name(attempt.reason)) {
      return fmt::format("it ended with {} and not {}: {}", reason == nullptr ? "no reason" : shown(*reason),
                         name(attempt.reason), shown(answer->body));
    }
    const int status = attempt.status == 0 ? info(attempt.reason).status : attempt.status;
    if (answer->status != status) {
      return fmt::format("the status is {} and not {}", answer->status, status);
    }
    if (attempt.answer && answer->body != *attempt.answer) {
      return fmt::format("the answer is \"{}\" and not \"{}\"", shown(answer->body), shown(*attempt.answer));
    }
    return answer->body.find(secret_) == std::string::npos ? "" : "the answer has the host's secret";
  }

  /// What a case must leave as it was.
  [[nodiscard]] std::string defect_of_host(const Case& tried) const {
    const auto answer =
        ask(system_->address(), make_request("POST", fmt::format("/{}", kHonestFunction), {}, tried.name), kPatience);
    if (!answer || answer->status != 200 || answer->body != tried.name) {
      return fmt::format("the next honest request got no right answer: {}",
                         answer ? shown(answer->body) : answer.error().message);
    }
    if (!system_->has_same_worker()) {
      return "the worker died of it";
    }
    const bool unchanged = content_of(folder_.path() / "secret.txt") == secret_ &&
                           content_of(folder_.path() / kReadable / "inside.txt") == kReadable;
    return unchanged ? "" : "a file of the host was changed";
  }

  /// Starts another system, in a folder below, beside the one that runs.
  [[nodiscard]] std::string defect_of_start(const Case& tried) const {
    ManifestText manifest;
    manifest.add(tried.name, tried.function);
    const std::string folder = "start-of-" + tried.name;
    std::error_code ignored;
    std::filesystem::create_directory(folder_.path() / folder, ignored);  // what fails here fails again below
    for (const auto& written : {folder_.write(folder + "/" + tried.name + ".wasm", tried.module),
                                folder_.write(fmt::format("{}/{}", folder, kManifest), manifest.text())}) {
      if (!written) {
        return written.error().message;
      }
    }
    const auto started = TestedSystem::start(folder_.path() / folder, std::string(kManifest), secret_);
    if (started) {
      return "it was not refused: the system serves";
    }
    const StartFailure& failure = started.error();
    const int expected = info(Reason::Manifest).exit_code;
    if (failure.exit_code != expected) {
      return fmt::format("the exit code is {} and not {}: {}", failure.exit_code, expected,
                         shown(complaint(failure.said)));
    }
    return failure.said.find(tried.refused) != std::string::npos
               ? ""
               : fmt::format("it was refused for another reason: {}", shown(complaint(failure.said)));
  }

  void judge_end() {
    Verdict verdict{.name = "afterwards", .row = "Logs", .expected = "a clean end", .why = {}};
    const auto began = Clock::now();
    const int exit_code = system_->stop();
    const std::string log = content_of(folder_.path() / "log");
    verdict.why = exit_code != 0 ? fmt::format("the exit code is {}; {}", exit_code, defect_of_log(log))
                  : log.find(secret_) != std::string::npos ? "the log has the host's secret"
                                                           : defect_of_log(log);
    verdict.held = verdict.why.empty() ? Held::Yes : Held::No;
    verdict.took = Clock::now() - began;
    on_verdict_(verdict);
  }

  const std::vector<Case>& cases_;
  const std::function<void(const Verdict&)>& on_verdict_;
  PrivateFolder folder_;
  bool has_openvino_ = false;
  std::string secret_ = "secret-of-the-host-" + observe::IdSource().request_id();
  std::unique_ptr<TestedSystem> system_;
};

}  // namespace

Result<void> run_cases(const std::vector<Case>& cases, const std::function<void(const Verdict&)>& on_verdict) {
  TRILBY_ASSIGN(PrivateFolder folder, PrivateFolder::create());
  return Run(cases, on_verdict, std::move(folder)).run();
}

std::string expectation(const Case& tried) {
  if (!tried.refused.empty()) {
    return "refused";
  }
  std::string out;
  for (const Attempt& attempt : tried.attempts) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", name(attempt.reason));
  }
  return out;
}

}  // namespace trilby::cli
