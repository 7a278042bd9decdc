// What guests can do with directories, and what they cannot.
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;

enum What : std::uint8_t {
  kOpen = 1,
  kRead,
  kWrite,
  kUnlink,
  kMakeDirectory,
  kRename,
  kLink,
  kSymlink,
  kRenumber,
  kClose,
  kOpenUntilItFails,
  kSetSize,
  kSize,
  kPrestat,
  kRemoveDirectory,
  kWait,
  kReadForever,
};
constexpr std::uint8_t kCreate = 1;
constexpr std::uint8_t kDirectory = 2;
constexpr std::uint8_t kTruncate = 8;
constexpr std::uint8_t kReadOnly = 3;   // the first directory that the tests grant
constexpr std::uint8_t kReadWrite = 4;  // the second
constexpr std::uint8_t kFirstFile = 5;
constexpr std::uint32_t kBadDescriptor = 8;
constexpr std::uint32_t kTooBig = 22;

/// One thing that tests/guests/files.wat is to do.
struct Step {
  std::uint8_t what;
  std::uint8_t fd = 0;
  std::uint8_t a = 0;
  std::uint8_t b = 0;
  std::string text{};
  std::string second{};
};
struct Answer {
  std::uint32_t error = 0;
  std::uint32_t value = 0;
  std::string text{};
};

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"ro", "rw", "outside"}) {
      fs::create_directory(directory_.path() / folder);
    }
    write("ro/a", "content of a");
    write("outside/secret", "secret");
    fs::create_directory(directory_.path() / "ro/sub");
    write("ro/sub/b", "b");
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(directory_.path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return fs::exists(fs::symlink_status(directory_.path() / name));
  }

  [[nodiscard]] FunctionSpec spec(const policy::Limits& limits = {}) const {
    FunctionSpec made = spec_of("files", directory_.guest("files"), limits);
    made.policy.grants.directories = {{directory_.path() / "ro", "/data", false},
                                      {directory_.path() / "rw", "/out", true}};
    return made;
  }
  [[nodiscard]] static std::string input_of(const std::vector<Step>& steps) {
    std::string input;
    for (const Step& step : steps) {
      const std::uint16_t lengths[] = {static_cast<std::uint16_t>(step.text.size()),
                                       static_cast<std::uint16_t>(step.second.size())};
      for (const std::uint8_t byte : {step.what, step.fd, step.a, step.b}) {
        input += static_cast<char>(byte);
      }
      input.append(reinterpret_cast<const char*>(lengths), sizeof lengths);
      input += step.text + step.second;
    }
    return input;
  }
  [[nodiscard]] static std::vector<Answer> answers_in(const std::string& output, const std::vector<Step>& steps) {
    std::vector<Answer> found;
    std::size_t at = 0;
    for (const Step& step : steps) {
      Answer answer;
      if (output.size() - at < 8) {
        ADD_FAILURE() << "the answer ends after " << found.size();
        return std::vector<Answer>(steps.size());
      }
      std::memcpy(&answer.error, output.data() + at, 4);
      std::memcpy(&answer.value, output.data() + at + 4, 4);
      at += 8;
      if (step.what == kRead) {
        answer.text = output.substr(at, answer.value);
        at += answer.value;
      }
      found.push_back(answer);
    }
    return found;
  }
  [[nodiscard]] Outcome run(const std::vector<Step>& steps, const policy::Limits& limits = {}) const {
    return run_once(prepare(spec(limits), test_engine(), nullptr, nullptr).value(), test_call(input_of(steps)));
  }
  [[nodiscard]] std::vector<Answer> answers(const std::vector<Step>& steps) const {
    Outcome outcome = run(steps);
    EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
    return answers_in(read_body(outcome), steps);
  }
  /// The error of one step.
  [[nodiscard]] std::uint32_t error_of(const Step& step) const { return answers({step})[0].error; }

  const wasm::TestDirectory directory_;
};

TEST_F(Files, OfAGrantedDirectoryCanBeRead) {
  const auto found = answers({{.what = kPrestat, .fd = 3},
                              {.what = kPrestat, .fd = 4},
                              {.what = kPrestat, .fd = 5},
                              {.what = kOpen, .fd = kReadOnly, .text = "a"},
                              {.what = kRead, .fd = kFirstFile},
                              {.what = kSize, .fd = kReadOnly, .text = "sub/b"},
                              {.what = kWait}});
  EXPECT_EQ(found[0].value, std::strlen("/data"));
  EXPECT_EQ(found[1].value, std::strlen("/out"));
  EXPECT_EQ(found[2].error, kBadDescriptor);
  EXPECT_EQ(found[3].error, 0U);
  EXPECT_EQ(found[3].value, kFirstFile);
  EXPECT_EQ(found[4].text, "content of a");
  EXPECT_EQ(found[5].value, 1U);
  EXPECT_EQ(found[6].error, 0U);
}

TEST_F(Files, CanBeWrittenWhereThatIsGranted) {
  const auto found = answers({{.what = kOpen, .fd = kReadWrite, .a = kCreate, .b = 1, .text = "new"},
                              {.what = kWrite, .fd = kFirstFile, .text = "hello"},
                              {.what = kMakeDirectory, .fd = kReadWrite, .text = "d"},
                              {.what = kRename, .fd = kReadWrite, .a = kReadWrite, .text = "new", .second = "d/old"}});
  for (const Answer& answer : found) {
    EXPECT_EQ(answer.error, 0U);
  }
  EXPECT_EQ(read("rw/d/old"), "hello");
}

TEST_F(Files, OfAReadOnlyDirectoryStayAsTheyAre) {
  write("rw/mine", "mine");
  const Step steps[] = {{.what = kOpen, .fd = kReadOnly, .b = 1, .text = "a"},
                        {.what = kOpen, .fd = kReadOnly, .a = kTruncate, .text = "a"},
                        {.what = kOpen, .fd = kReadOnly, .a = kTruncate, .b = 1, .text = "a"},
                        {.what = kOpen, .fd = kReadOnly, .a = kCreate, .text = "new"},
                        {.what = kOpen, .fd = kReadOnly, .a = kCreate, .b = 1, .text = "new"},
                        {.what = kUnlink, .fd = kReadOnly, .text = "a"},
                        {.what = kMakeDirectory, .fd = kReadOnly, .text = "new"},
                        {.what = kRemoveDirectory, .fd = kReadOnly, .text = "sub"},
                        {.what = kRename, .fd = kReadOnly, .a = kReadOnly, .text = "a", .second = "new"},
                        {.what = kRename, .fd = kReadOnly, .a = kReadWrite, .text = "a", .second = "new"},
                        {.what = kRename, .fd = kReadWrite, .a = kReadOnly, .text = "mine", .second = "new"},
                        {.what = kLink, .fd = kReadOnly, .a = kReadOnly, .text = "a", .second = "new"},
                        {.what = kLink, .fd = kReadOnly, .a = kReadWrite, .text = "a", .second = "new"},
                        {.what = kLink, .fd = kReadWrite, .a = kReadOnly, .text = "mine", .second = "new"},
                        {.what = kSymlink, .fd = kReadOnly, .text = "a", .second = "new"}};
  for (const Step& step : steps) {
    EXPECT_NE(error_of(step), 0U) << int{step.what} << " " << int{step.a} << " " << step.second;
  }
  EXPECT_EQ(read("ro/a"), "content of a");
  EXPECT_FALSE(exists("ro/new"));
  EXPECT_FALSE(exists("rw/new"));
  EXPECT_TRUE(exists("ro/sub"));
  const auto found = answers({{.what = kOpen, .fd = kReadOnly, .text = "a"},
                              {.what = kWrite, .fd = kFirstFile, .text = "x"},
                              {.what = kSetSize, .fd = kFirstFile, .a = 1}});
  EXPECT_NE(found[1].error, 0U);
  EXPECT_NE(found[2].error, 0U);
  EXPECT_EQ(read("ro/a"), "content of a");
}

TEST_F(Files, OutsideAreOutOfReach) {
  fs::create_symlink("../outside/secret", directory_.path() / "ro/up");
  fs::create_symlink(directory_.path() / "outside/secret", directory_.path() / "ro/absolute");
  fs::create_directory_symlink("../outside", directory_.path() / "rw/folder");
  const std::string paths[] = {"../outside/secret",
                               "sub/../../outside/secret",
                               "..",
                               "sub/../..",
                               (directory_.path() / "outside/secret").string(),
                               "/etc/passwd",
                               "/proc/self/environ",
                               "up",
                               "absolute",
                               "",
                               "a\0b"s,
                               "a\0"s,
                               std::string(60'000, 'a'),
                               std::string(30'000, '/') + "a",
                               "\xFF\xFE"};
  for (const std::string& path : paths) {
    EXPECT_NE(error_of({.what = kOpen, .fd = kReadOnly, .text = path}), 0U) << path.substr(0, 100);
  }
  EXPECT_NE(error_of({.what = kOpen, .fd = kReadWrite, .text = "folder/secret"}), 0U);
  EXPECT_NE(error_of({.what = kOpen, .fd = kReadWrite, .a = kCreate, .b = 1, .text = "folder/new"}), 0U);
  EXPECT_NE(error_of({.what = kUnlink, .fd = kReadWrite, .text = "folder/secret"}), 0U);
  EXPECT_NE(error_of({.what = kSize, .fd = kReadOnly, .text = "up"}), 0U);
  EXPECT_NE(error_of({.what = kRename, .fd = kReadWrite, .a = kReadWrite, .text = "folder", .second = "../outside/x"}),
            0U);
  EXPECT_EQ(read("outside/secret"), "secret");
  EXPECT_FALSE(exists("outside/new"));
  EXPECT_FALSE(exists("outside/x"));
}

TEST_F(Files, OutsideAreNotReachedThroughLinksOfTheGuestsOwn) {
  const auto found = answers({{.what = kSymlink, .fd = kReadWrite, .text = "../outside/secret", .second = "s"},
                              {.what = kOpen, .fd = kReadWrite, .text = "s"},
                              {.what = kSymlink, .fd = kReadWrite, .text = "/etc", .second = "etc"},
                              {.what = kOpen, .fd = kReadWrite, .text = "etc/passwd"},
                              {.what = kSymlink, .fd = kReadWrite, .text = "loop", .second = "loop"},
                              {.what = kOpen, .fd = kReadWrite, .text = "loop"}});
  EXPECT_NE(found[1].error, 0U);
  EXPECT_NE(found[3].error, 0U);
  EXPECT_NE(found[5].error, 0U);
}

TEST_F(Files, DescriptorsMayBeMovedAndClosedWithoutGainingAnything) {
  const auto found = answers({{.what = kRenumber, .fd = kReadOnly, .a = kReadWrite},  // only the read-only one is left
                              {.what = kOpen, .fd = kReadWrite, .a = kCreate, .b = 1, .text = "new"},
                              {.what = kOpen, .fd = kReadWrite, .text = "a"},
                              {.what = kClose, .fd = kReadWrite},
                              {.what = kOpen, .fd = kReadWrite, .text = "a"},
                              {.what = kClose, .fd = 200},
                              {.what = kRenumber, .fd = 200, .a = 3}});
  EXPECT_EQ(found[0].error, 0U);
  EXPECT_NE(found[1].error, 0U);
  EXPECT_EQ(found[2].error, 0U);
  EXPECT_EQ(found[4].error, kBadDescriptor);
  EXPECT_NE(found[5].error, 0U);
  EXPECT_NE(found[6].error, 0U);
  EXPECT_FALSE(exists("ro/new"));
  EXPECT_FALSE(exists("rw/new"));
}

TEST_F(Files, ThatAreOpenAreBoundedAndClosedAtTheEnd) {
  const auto open_here = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  (void)run({});  // what is opened once for all
  const auto before = open_here();
  for (const std::uint32_t handles : {0U, 1U, 16U, 200U}) {
    const policy::Limits limits{.handles = handles};
    for (const auto& [flags, name] : {std::pair(0, "a"), std::pair(int{kDirectory}, "sub")}) {
      const Outcome outcome = run(
          {{.what = kOpenUntilItFails, .fd = kReadOnly, .a = static_cast<std::uint8_t>(flags), .text = name}}, limits);
      EXPECT_EQ(outcome.reason, Reason::LimitCalls);
      EXPECT_EQ(outcome.detail, fmt::format("it may hold {} handles", handles));
    }
    const std::vector<Step> many(handles, Step{.what = kOpen, .fd = kReadOnly, .text = "a"});
    EXPECT_EQ(run(many, limits).reason, Reason::Ok) << handles;
  }
  EXPECT_EQ(open_here(), before);
}

TEST_F(Files, MayBeOpenedAgainAndAgainWhenTheyAreClosed) {
  std::vector<Step> many;
  for (int i = 0; i < 500; ++i) {
    many.push_back({.what = kOpen, .fd = kReadOnly, .text = "a"});
    many.push_back({.what = kClose, .fd = kFirstFile});
  }
  for (const Answer& answer : answers(many)) {
    ASSERT_EQ(answer.error, 0U);
  }
}

/// Files may not have more bytes, as on a full disk.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {  // as in the worker
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() {
    setrlimit(RLIMIT_FSIZE, &before_);
    (void)std::signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(Files, ForWhichThereIsNoRoomAreAnErrorToTheGuest) {
  const auto function = prepare(spec(), test_engine(), nullptr, nullptr).value();
  ASSERT_EQ(run_once(function, test_call()).reason, Reason::Ok);  // which makes the image of its memory
  const std::vector<Step> steps = {{.what = kOpen, .fd = kReadWrite, .a = kCreate, .b = 1, .text = "new"},
                                   {.what = kWrite, .fd = kFirstFile, .text = std::string(100, 'a')},
                                   {.what = kWrite, .fd = kFirstFile, .text = "a"},
                                   {.what = kSetSize, .fd = kFirstFile, .a = 200}};
  const SmallFiles small(100);
  Outcome outcome = run_once(function, test_call(input_of(steps)));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  const std::vector<Answer> found = answers_in(read_body(outcome), steps);
  EXPECT_EQ(found[1].error, 0U);
  EXPECT_EQ(found[2].error, kTooBig);
  EXPECT_EQ(found[3].error, kTooBig);
  EXPECT_EQ(read("rw/new"), std::string(100, 'a'));
}

TEST_F(Files, DoNotTakeTheOtherLimitsAway) {
  policy::Limits limits;
  limits.response_body = Bytes{15};
  EXPECT_EQ(run({{.what = kWait}}, limits).reason, Reason::Ok);
  EXPECT_EQ(run({{.what = kWait}, {.what = kWait}}, limits).reason, Reason::LimitOutput);
  limits = {};
  limits.stderr_output = Bytes{3};
  EXPECT_EQ(run({{.what = kWrite, .fd = 2, .text = "more than that"}}, limits).reason, Reason::Ok);
  limits = {};
  limits.cpu = 20ms;
  EXPECT_EQ(
      run({{.what = kOpen, .fd = kReadOnly, .text = "a"}, {.what = kReadForever, .fd = kFirstFile}}, limits).reason,
      Reason::LimitCpu);
  limits = {};
  limits.wall = 20ms;
  limits.cpu = 10s;
  EXPECT_EQ(
      run({{.what = kOpen, .fd = kReadOnly, .text = "a"}, {.what = kReadForever, .fd = kFirstFile}}, limits).reason,
      Reason::LimitWall);
}

TEST_F(Files, SpareNothingOfTheRecord) {
  const Outcome outcome = run({{.what = kWait}});
  EXPECT_EQ(outcome.record.input, Bytes{8});
  EXPECT_EQ(outcome.record.output, Bytes{8});
  EXPECT_EQ(outcome.record.denials.total(), 0U);
}

TEST_F(Files, AreNotThereWithoutAGrant) {
  FunctionSpec without = spec();
  without.policy.grants.directories.clear();
  const std::string open("\x01\x03\0\0\x01\0\0\0a", 9);
  Outcome outcome = run_once(prepare(std::move(without), test_engine(), nullptr, nullptr).value(), test_call(open));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  EXPECT_EQ(read_body(outcome), "\x4C\0\0\0\0\0\0\0"s);  // ENOTCAPABLE
  EXPECT_EQ(outcome.record.denials.of(Grant::Directory), 1U);
}

TEST_F(Files, SeeEnvironmentClocksAndChanceAsOthersDo) {
  for (const char* guest : {"clock", "random", "sleep", "env"}) {
    FunctionSpec made = spec();
    made.module = directory_.guest(guest);
    made.policy.grants.reproducible = true;
    ASSERT_TRUE(made.environment.add("A", "1"));
    Outcome outcome =
        run_once(prepare(std::move(made), test_engine(), nullptr, nullptr).value(), test_call("\1\0\0\0\0\0\0\0"s));
    EXPECT_EQ(outcome.reason, Reason::Ok) << guest << " " << outcome.message;
    if (guest == "env"s) {
      EXPECT_TRUE(read_body(outcome).ends_with("A=1\0"s));
    }
  }
}

TEST_F(Files, ThatAreGrantedMustBeThere) {
  FunctionSpec made = spec();
  made.policy.grants.directories.push_back({directory_.path() / "absent", "/x", false});
  EXPECT_NE(prepare(std::move(made), test_engine(), nullptr, nullptr)
                .error()
                .message.find("absent as \"/x\", and that is not there: No such file or directory"),
            std::string::npos);
  made = spec();
  made.policy.grants.directories.push_back({directory_.path() / "ro/a", "/x", false});
  EXPECT_NE(prepare(std::move(made), test_engine(), nullptr, nullptr).error().message.find("that is no folder"),
            std::string::npos);
}

TEST_F(Files, AreThoseThatALinkLedToAtTheStart) {
  fs::create_directory_symlink("ro", directory_.path() / "link");
  FunctionSpec made = spec();
  made.policy.grants.directories = {{directory_.path() / "link", "/data", false}};
  const auto function = prepare(std::move(made), test_engine(), nullptr, nullptr).value();
  fs::remove(directory_.path() / "link");
  fs::create_directory_symlink("outside", directory_.path() / "link");
  const std::string steps("\x01\x03\0\0\x01\0\0\0a\x01\x03\0\0\x06\0\0\0secret", 23);
  Outcome outcome = run_once(function, test_call(steps));
  EXPECT_EQ(outcome.reason, Reason::Ok) << outcome.message;
  const std::string answered = read_body(outcome);
  EXPECT_EQ(answered.substr(0, 4), std::string(4, '\0'));
  EXPECT_EQ(answered.substr(8, 4), std::string("\x2C\0\0\0", 4)) << "no such file";
}

TEST_F(Files, ThatAreNoneAreNotRead) {
  ASSERT_EQ(::mkfifo((directory_.path() / "rw/pipe").c_str(), 0600), 0);
  // Opened in both directions it does not wait for another end; there is no position to read from.
  const auto found = answers({{.what = kOpen, .fd = kReadWrite, .b = 1, .text = "pipe"},
                              {.what = kRead, .fd = kFirstFile},
                              {.what = kUnlink, .fd = kReadWrite, .text = "pipe"}});
  EXPECT_EQ(found[0].error, 0U);
  EXPECT_NE(found[1].error, 0U);
  EXPECT_EQ(found[2].error, 0U);
}

TEST_F(Files, ThatGoAwayFailTheCallAndNotTheProgram) {
  const auto function = prepare(spec(), test_engine(), nullptr, nullptr).value();
  fs::remove_all(directory_.path() / "rw");
  const Outcome outcome = run_once(function, test_call());
  EXPECT_EQ(outcome.reason, Reason::Internal);
  EXPECT_NE(outcome.message.find("cannot be opened"), std::string::npos);
  fs::create_directory(directory_.path() / "rw");
  EXPECT_EQ(run_once(function, test_call()).reason, Reason::Ok);
}

}  // namespace
}  // namespace trilby::invoke
