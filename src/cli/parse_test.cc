#include <cstdlib>

#include <gtest/gtest.h>

#include "cli/program.h"

namespace trilby::cli {
namespace {

class Parse : public testing::Test {
 protected:
  Parse() {
    syntax_.arguments = {{"FUNCTION", "its name", &argument_, true, {}}};
    syntax_.options = {
        {"-m,--manifest", "FILE", "", &manifest_, "TRILBY_TEST_MANIFEST", {}},
        {"--port", "APP=N", "", &ports_, {}, {}},
        {"--format", "FORMAT", "", &format_, {}, {"text", "json"}},
        {"-q,--quiet", "", "", &quiet_, {}, {}},
    };
    unsetenv("TRILBY_TEST_MANIFEST");
  }
  /// What is wrong with `arguments`; empty: nothing.
  std::string wrong(std::vector<std::string> arguments) {
    const auto parsed = parse(syntax_, "trilby invoke", std::move(arguments));
    EXPECT_TRUE(parsed || parsed.error().reason == Reason::BadRequest);
    return parsed ? "" : parsed.error().message;
  }

  std::string argument_;
  std::string manifest_ = "trilby.toml";
  std::string format_ = "text";
  std::vector<std::string> ports_;
  bool quiet_ = false;
  Syntax syntax_;
};

TEST_F(Parse, FillsEveryTarget) {
  EXPECT_EQ(wrong({"--port", "a=1", "hello", "-m", "x.toml", "--port=b=2", "--format=json", "-q"}), "");
  EXPECT_EQ(argument_, "hello");
  EXPECT_EQ(manifest_, "x.toml");
  EXPECT_EQ(ports_, (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ(format_, "json");
  EXPECT_TRUE(quiet_);
}

TEST_F(Parse, LeavesWhatIsNotGiven) {
  EXPECT_EQ(wrong({"hello"}), "");
  EXPECT_EQ(manifest_, "trilby.toml");
  EXPECT_TRUE(ports_.empty());
  EXPECT_FALSE(quiet_);
}

TEST_F(Parse, TakesTheLastOfAnOptionGivenTwice) {
  EXPECT_EQ(wrong({"hello", "-m", "a", "--manifest", "b"}), "");
  EXPECT_EQ(manifest_, "b");
}

TEST_F(Parse, FlagsStandAboveTheEnvironment) {
  setenv("TRILBY_TEST_MANIFEST", "env.toml", 1);
  EXPECT_EQ(wrong({"hello"}), "");
  EXPECT_EQ(manifest_, "env.toml");
  EXPECT_EQ(wrong({"hello", "-m", "flag.toml"}), "");
  EXPECT_EQ(manifest_, "flag.toml");
}

TEST_F(Parse, WordsAfterTwoDashesAreArguments) {
  EXPECT_EQ(wrong({"--", "--port"}), "");
  EXPECT_EQ(argument_, "--port");
}

TEST_F(Parse, SaysWhatIsWrong) {
  EXPECT_EQ(wrong({}), "trilby invoke needs FUNCTION: its name");
  EXPECT_EQ(wrong({"a", "b"}), "\"b\" is one argument too many; trilby invoke takes one");
  EXPECT_EQ(wrong({"a", "--prot", "a=1"}), "trilby invoke has no option --prot; did you mean --port?");
  EXPECT_EQ(wrong({"a", "--frobnicate"}), "trilby invoke has no option --frobnicate");
  EXPECT_EQ(wrong({"a", "--prot=a=1"}), "trilby invoke has no option --prot; did you mean --port?");
  EXPECT_EQ(wrong({"a", "-x"}), "trilby invoke has no option -x");
  EXPECT_EQ(wrong({"a", "--port"}), "--port needs a value: --port APP=N");
  EXPECT_EQ(wrong({"a", "-m"}), "--manifest needs a value: --manifest FILE");
  EXPECT_EQ(wrong({"a", "--format", "jsn"}), "--format: \"jsn\" is none of: text, json; did you mean json?");
}

TEST_F(Parse, WrongWordsArePrintedSafely) {
  EXPECT_EQ(wrong({"a", "b\x1b[31m"}).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace trilby::cli
