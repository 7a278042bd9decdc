#include "app/directories.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "wasm/test_guests.h"

namespace trilby::app {
namespace {

namespace fs = std::filesystem;

class Directories : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"data", "out", "modules", "models", "secrets", "cache/aot"}) {
      fs::create_directories(directory_.path() / folder);
    }
    std::ofstream(directory_.path() / "file") << "text";
  }
  /// What is wrong with the directory that `line` grants to f, without the folder of the test.
  [[nodiscard]] std::string defect(const std::string& line) const {
    const Manifest manifest = parse_manifest(R"(trilby = 1
[function.g]
module = "modules/g.wasm"
[model.m]
path = "models/m.xml"
[secret.s]
file = "secrets/s"
[function.f]
module = "f.wasm"
[function.f.allow.directories]
)" + line + "\n",
                                             directory_.path() / "trilby.toml")
                                  .value();
    const auto checked = check_directories(manifest, manifest.functions[1], directory_.path() / "cache/aot");
    std::string message = checked ? "" : checked.error().message;
    for (auto at = message.find(directory_.path().string()); at != std::string::npos;
         at = message.find(directory_.path().string())) {
      message.replace(at, directory_.path().string().size(), "HERE");
    }
    return message;
  }

  const wasm::TestDirectory directory_;
};

constexpr std::string_view kField = "HERE/trilby.toml:11: function.f.allow.directories./x: ";

TEST_F(Directories, AreFineWhenTheyAreThereAndNobodyElses) {
  EXPECT_EQ(defect(R"("/x" = "data")"), "");
  EXPECT_EQ(defect(R"("/x" = { path = "out", access = "read-write" })"), "");
  EXPECT_EQ(defect(R"("/x" = ".")"), "") << "to be read only";
}

TEST_F(Directories, ThatAreNoneAreNamedWithTheirLine) {
  EXPECT_EQ(defect(R"("/x" = "absent")"),
            std::string(kField) + "there is no folder HERE/absent; make it, as in mkdir -p HERE/absent");
  EXPECT_EQ(defect(R"("/x" = { path = "file" })"), std::string(kField) + "HERE/file is no folder");
  EXPECT_EQ(defect(R"("/x" = "file/below")"), std::string(kField) + "HERE/file/below is no folder");
}

/// For root may write everywhere.
class AsNobody {
 public:
  AsNobody() {
    if (is_root_) {
      changed_ = ::seteuid(65534) == 0;
    }
  }
  ~AsNobody() {
    if (is_root_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  [[nodiscard]] bool succeeded() const { return changed_ || !is_root_; }

 private:
  const bool is_root_ = ::geteuid() == 0;
  bool changed_ = false;
};

TEST_F(Directories, ThatMayNotBeWrittenAreNotGrantedSo) {
  constexpr fs::perms kForAll =
      fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec;
  fs::permissions(directory_.path(), kForAll, fs::perm_options::add);
  fs::permissions(directory_.path() / "out", fs::perms::owner_read | fs::perms::owner_exec | kForAll);
  const AsNobody nobody;
  ASSERT_TRUE(nobody.succeeded());
  EXPECT_EQ(defect(R"("/x" = "out")"), "");
  EXPECT_EQ(defect(R"("/x" = { path = "out", access = "read-write" })"),
            std::string(kField) + "HERE/out cannot be written to: Permission denied");
}

TEST_F(Directories, ToBeWrittenHoldNothingThatDecidesAboutFunctions) {
  const auto writable = [&](const std::string& path) {
    return defect(R"("/x" = { path = ")" + path + R"(", access = "read-write" })");
  };
  const std::string mend = ", which no function may write to; grant a folder of its own";
  EXPECT_EQ(writable("."), std::string(kField) + "HERE holds this manifest" + mend);
  EXPECT_EQ(writable("modules"), std::string(kField) + "HERE/modules holds the module of g" + mend);
  EXPECT_EQ(writable("models"), std::string(kField) + "HERE/models holds the model m" + mend);
  EXPECT_EQ(writable("secrets"), std::string(kField) + "HERE/secrets holds the secret s" + mend);
  EXPECT_EQ(writable("cache"), std::string(kField) + "HERE/cache holds compiled code" + mend);
  fs::create_directory(directory_.path() / "cache/aot/below");
  EXPECT_NE(writable("cache/aot/below"), "");
  EXPECT_NE(writable("/"), "");
  EXPECT_NE(writable(fs::read_symlink("/proc/self/exe").parent_path().string()).find("the program"), std::string::npos);
}

TEST_F(Directories, AreKnownByWhateverNameTheyAreCalled) {
  fs::create_directory_symlink("../modules", directory_.path() / "data/link");
  EXPECT_NE(defect(R"("/x" = { path = "data/link", access = "read-write" })"), "");
  fs::create_symlink(directory_.path() / "out/code.wasm", directory_.path() / "modules/g.wasm");
  std::ofstream(directory_.path() / "out/code.wasm") << "code";
  EXPECT_NE(defect(R"("/x" = { path = "out", access = "read-write" })"), "") << "a module lies there by another name";
}

}  // namespace
}  // namespace trilby::app
