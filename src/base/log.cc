#include "base/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>

#include <unistd.h>

#include "base/json.h"
#include "base/log_sink.h"
#include "base/text.h"
#include "base/units.h"

namespace trilby::log {
namespace {

constexpr std::size_t kMaxValueBytes = 4096;
constexpr std::size_t kMaxMessageBytes = 16384;
constexpr int kLookEvery = 100;  // milliseconds, at whether the log ends, while a reader stands still

struct LevelWords {
  std::string_view name;
  std::string_view padded;
  std::string_view color;
};

constexpr std::array<LevelWords, 4> kLevelWords = {{{"debug", "debug", "\x1b[36m"},
                                                    {"info", "info ", "\x1b[32m"},
                                                    {"warning", "warning", "\x1b[33m\x1b[1m"},
                                                    {"error", "error", "\x1b[31m\x1b[1m"}}};

const LevelWords& words(Level level) {
  return kLevelWords.at(static_cast<std::size_t>(level));
}

/// Waits until all of it is out. What cannot be written has nobody to be told.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

std::size_t lines_in(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::string make_line(Level level, Format format, bool color, std::string_view message, Fields fields) {
  message = message.substr(0, kMaxMessageBytes);
  std::string line;
  if (format == Format::Json) {
    line += R"({"time":")";
    append_time(line, std::chrono::system_clock::now(), format);
    line += R"(","level":")";
    line += words(level).name;
    line += R"(","message":)";
    append_json_string(line, message);
    for (const Field& field : fields) {
      line += ',';
      append_json_string(line, field.name);
      line += ':';
      append_json_string(line, std::string_view(field.value).substr(0, kMaxValueBytes));
    }
    line += '}';
  } else {
    append_time(line, std::chrono::system_clock::now(), format);
    line += ' ';
    line += color ? words(level).color : "";
    line += words(level).padded;
    line += color ? "\x1b[m" : "";
    line += ' ';
    line += message;
    for (const Field& field : fields) {
      line += fmt::format("  {}={}", field.name, printable_line(field.value, kMaxValueBytes));
    }
  }
  line += '\n';
  return line;
}

/// What all threads share. Never destroyed, since threads may log until the very end.
class Log {
 public:
  static Log& instance() {
    static Log* const log = new Log();
    return *log;
  }

  void configure(Format format, Level least) {
    format_ = format;
    least_ = least;
  }
  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  void write(Level level, std::string_view message, Fields fields) {
    if (level < least_) {
      return;
    }
    const std::string line = make_line(level, format_, color_, message, fields);
    const std::lock_guard lock(mutex_);
    if (sink_) {
      hand_over(level, line);
    } else {
      write_all(STDERR_FILENO, line);
    }
  }

  void begin(int fd) {
    sink_.emplace(fd);
    untold_ = 0;
    writer_ = std::thread([this] { run(); });
  }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      ends_at_ = Clock::now() + Background::kLastWait;
      ending_ = true;
    }
    wake_.notify_one();
    writer_.join();
    const std::lock_guard lock(mutex_);
    sink_.reset();
    ending_ = false;
  }

 private:
  Log() {
    // Colour only where a person looks, and NO_COLOR is honoured (no-color.org).
    const char* no_color = std::getenv("NO_COLOR");
    color_ = ::isatty(STDERR_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
  }

  /// With mutex_ held. The calling thread writes by itself where that is sure to return at once and nothing waits: then
  /// the line is out whatever happens to the process.
  void hand_over(Level level, std::string_view line) {
    if (waiting_.empty() && !writing_ && untold_ == 0 && sink_->never_waits()) {
      const Sink::Written written = sink_->write(line);
      lose(written.lost_lines);
      line.remove_prefix(written.bytes);
      if (line.empty()) {
        return;
      }
    }
    const std::size_t most = level == Level::Error ? Background::kMaxErrorsWaiting : Background::kMaxWaiting;
    if (waiting_.size() + line.size() > most) {
      return lose(1);
    }
    waiting_ += line;
    wake_.notify_one();
  }

  void lose(std::uint64_t lines) {
    dropped_ += lines;
    untold_ += lines;
  }

  void run() {
    std::string batch;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !waiting_.empty() || ending_; });
      if (waiting_.empty()) {
        return;
      }
      batch.swap(waiting_);
      writing_ = true;
      lock.unlock();
      const std::uint64_t lost = drain(batch);
      lock.lock();
      lose(lost);
      if (lost == 0 && untold_ > 0 && waiting_.empty()) {
        tell(lock);
      }
      writing_ = false;
    }
  }

  /// Says how many lines are missing here. When that cannot be written either, the next line brings it up again.
  void tell(std::unique_lock<std::mutex>& lock) {
    const std::uint64_t untold = std::exchange(untold_, 0);
    lock.unlock();
    std::string line =
        make_line(Level::Warn, format_, color_,
                  "lines of the log were dropped: its reader was too slow or its disk full", {{"lines", untold}});
    const bool lost = drain(line) > 0;
    lock.lock();
    untold_ += lost ? untold : 0;
  }

  /// Writes `batch`, however slow its reader is; gives up only when the log ends. \return how many lines were lost
  std::uint64_t drain(std::string& batch) {
    std::uint64_t lost = 0;
    std::string_view rest = batch;
    for (;;) {
      const Sink::Written written = sink_->write(rest);
      lost += written.lost_lines;
      rest.remove_prefix(written.bytes);
      if (rest.empty()) {
        break;
      }
      if (ending_ && Clock::now() >= ends_at_) {
        lost += lines_in(rest);
        break;
      }
      sink_->wait_for_room(kLookEvery);
    }
    batch.clear();
    return lost;
  }

  Format format_ = Format::Human;
  Level least_ = Level::Info;
  bool color_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;       // guarded by mutex_, as are the next two
  bool writing_ = false;      // the sink is the writer's
  std::uint64_t untold_ = 0;  // lines dropped, of which no line has told
  std::atomic<std::uint64_t> dropped_{0};
  std::optional<Sink> sink_;  // whoever holds mutex_ may use it, unless writing_
  std::thread writer_;
  std::atomic<bool> ending_{false};
  Clock::time_point ends_at_;  // set before ending_
};

}  // namespace

void configure(Format format, Level least) {
  Log::instance().configure(format, least);
}

Format format() {
  return Log::instance().format();
}

void write(Level level, std::string_view message, Fields fields) {
  Log::instance().write(level, message, fields);
}

Background::Background(int fd) {
  Log::instance().begin(fd);
}

Background::~Background() {
  Log::instance().end();
}

std::uint64_t dropped_lines() {
  return Log::instance().dropped();
}

void append_time(std::string& out, std::chrono::system_clock::time_point time, Format format) {
  const auto since = time.time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  const std::time_t second = static_cast<std::time_t>(milliseconds / 1000);
  // A second's text is made once; conversions to local time are slow.
  thread_local std::time_t known_second = -1;
  thread_local Format known_format{};
  thread_local std::array<char, 24> text{};
  thread_local std::size_t length = 0;
  if (second != known_second || format != known_format) {
    std::tm parts{};
    if (format == Format::Json) {
      ::gmtime_r(&second, &parts);
      length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    } else {
      ::localtime_r(&second, &parts);
      length = std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
    }
    known_second = second;
    known_format = format;
  }
  out.append(text.data(), length);
  // Plain digits cost a tenth of what format strings do, and this is for every request.
  const auto rest = static_cast<unsigned>(std::max<std::int64_t>(milliseconds % 1000, 0));
  const std::array<char, 4> digits = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                                      static_cast<char>('0' + rest % 10)};
  out.append(digits.data(), digits.size());
  out += format == Format::Json ? "Z" : "";
}

}  // namespace trilby::log
